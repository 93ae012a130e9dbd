/* temporary.h: large temporary memory. The heap keeps freed memory, so that a process that once
 * converted a weight of 28 MB would remain that much larger; this is returned to the system.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TEMPORARY_H
#define CNN3D_TEMPORARY_H

#include <glib.h>

#include "src/api.h"

typedef struct {
  gpointer data; /* zeroed; NULL: none */
  gsize bytes;
} Cnn3dTemporary;

/* FALSE with error (G_FILE_ERROR_NOMEM), which names `what` the memory is for. */
CNN3D_API gboolean cnn3d_temporary_take (
    Cnn3dTemporary *temporary, gsize bytes, const gchar *what, GError **error);
/* Does nothing to a zeroed one. */
CNN3D_API void cnn3d_temporary_give_back (Cnn3dTemporary *temporary);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Cnn3dTemporary, cnn3d_temporary_give_back)

#endif
