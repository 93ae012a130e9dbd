/* temporary.h: large memory for a moment. The heap keeps what was freed, and a
 * process that once converted a weight of 28 MB would be as much larger from then
 * on; this goes back to the system.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TEMPORARY_H
#define CNN3D_TEMPORARY_H

#include <glib.h>

#include "src/api.h"

typedef struct {
  gpointer data;                /* zeroed; NULL: none */
  gsize bytes;
} Cnn3dTemporary;

/* FALSE with error (G_FILE_ERROR_NOMEM) where there is none; `what` it is for
 * is named. */
CNN3D_API gboolean cnn3d_temporary_take (Cnn3dTemporary * temporary, gsize bytes, const gchar * what, GError ** error);
/* Does nothing to one of zeros. */
CNN3D_API void cnn3d_temporary_give_back (Cnn3dTemporary * temporary);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Cnn3dTemporary, cnn3d_temporary_give_back)

#endif
