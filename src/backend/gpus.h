/* gpus.h: where the descriptions of GPUs are that need not be here.
 *
 * Each is a file NAME.json; what is in it is the back end's to read. They are
 * looked for in $CNN3D_CONFIG_PATH/gpus (folders separated like PATH's), in the
 * build folder that this library is run from, and where it was installed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_GPUS_H
#define CNN3D_GPUS_H

#include <glib.h>

#include "src/api.h"

/* The file that describes the GPU `name` ("rtx3070", in any case, with or
 * without spaces and dashes), or the file `name` itself where it is a path:
 * something with a slash in it or that ends in .json. g_free(). NULL with error
 * (G_FILE_ERROR_NOENT): says which names there are. */
CNN3D_API gchar *cnn3d_gpus_find (const gchar * name, GError ** error);

/* The names that there are, sorted, each once; g_strfreev(). */
CNN3D_API gchar **cnn3d_gpus_names (void);

#endif
