/* gpus.h: finds the descriptions of GPUs.
 *
 * Each is a file NAME.json, which the back end reads. They are searched for in
 * $CNN3D_CONFIG_PATH/gpus (folders separated as in PATH), in the build folder that this library is
 * run from, and in the installed folder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_GPUS_H
#define CNN3D_GPUS_H

#include <glib.h>

#include "src/api.h"

/* The file that describes the GPU `name` ("rtx3070", in any case, with or without spaces and
 * dashes), or the file `name` itself if it is a path: it contains a slash or ends in .json. Free
 * with g_free(). NULL with error (G_FILE_ERROR_NOENT), which lists the names. */
CNN3D_API gchar *cnn3d_gpus_find (const gchar *name, GError **error);

/* The available names, sorted, without duplicates; free with g_strfreev(). */
CNN3D_API gchar **cnn3d_gpus_names (void);

#endif
