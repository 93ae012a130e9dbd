/* folderlock.h: a folder that one process at a time works in.
 *
 * The lock is the system's, on a file in the folder: it ends with the process,
 * however that ends, and nothing is left to be cleaned up.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FOLDERLOCK_H
#define CNN3D_FOLDERLOCK_H

#include <glib.h>
#include "src/api.h"

G_BEGIN_DECLS

typedef struct _Cnn3dFolderLock Cnn3dFolderLock;

/* NULL with error (G_IO_ERROR): the file cannot be made, or somebody else has the
 * lock (G_IO_ERROR_BUSY, whose message says which process on which host). Some
 * network file systems have no locks: there it goes without. */
CNN3D_API Cnn3dFolderLock *cnn3d_folder_lock_new (const gchar * dir, GError ** error);
/* NULL is fine. The file goes, too. */
CNN3D_API void cnn3d_folder_lock_free (Cnn3dFolderLock ** lock);

G_END_DECLS

#endif
