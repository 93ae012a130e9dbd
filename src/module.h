/* module.h: parts of libcnn3d that are loaded at run time, as they need libraries that not every
 * machine has: back ends, and transports between processes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_MODULE_H
#define CNN3D_MODULE_H

#include <gmodule.h>

#include "src/api.h"

/* kind, name: as in "back end", "cpu"; folder: of the module in the build tree, below libcnn3d's.
 * A module exports a function `entry`, which returns a table whose first member is the version of
 * its interface, a guint that must be `abi`. */
typedef struct {
  const gchar *kind, *folder, *entry;
  guint abi;
  GQuark domain; /* of errors, whose code is `missing` */
  gint missing;
} Cnn3dModuleKind;

/* Finds, loads and checks libcnn3d-NAME: in $CNN3D_BACKEND_PATH, beside libcnn3d, in the installed
 * folder. It is never unloaded. Returns its table; NULL with error, which says what is missing and
 * which folders were searched. Not thread-safe. */
gconstpointer cnn3d_module_load (const Cnn3dModuleKind *kind, const gchar *name, GError **error);

typedef struct {
  const gchar *name;
  gpointer *place; /* is set */
} Cnn3dModuleSymbol;

/* Finds the functions of a library that is loaded at run time. FALSE: it has no *missing. */
CNN3D_API gboolean cnn3d_module_find (
    GModule *module, const Cnn3dModuleSymbol *symbols, guint n, const gchar **missing);

#endif
