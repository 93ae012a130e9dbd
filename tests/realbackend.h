/* realbackend.h: the CPU back end, for modules that wrap it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_REAL_BACKEND_H
#define TESTS_REAL_BACKEND_H

#include <gmodule.h>

#include "src/backend/backend.h"

/* REAL_BACKEND is its file; it stays loaded. */
static inline const Cnn3dBackend *
real_backend (void)
{
  GModule *module = g_module_open (REAL_BACKEND, G_MODULE_BIND_LOCAL);
  const Cnn3dBackend *(*entry) (void);

  if (!module || !g_module_symbol (module, "cnn3d_backend", (gpointer *) &entry))
    g_error ("%s: %s", REAL_BACKEND, g_module_error ());
  g_module_make_resident (module);
  return entry ();
}

#endif
