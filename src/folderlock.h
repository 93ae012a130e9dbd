/* folderlock.h: locks a folder for one process.
 *
 * It is a lock of the operating system, on a file in the folder: it ends with the process, however
 * that exits, and nothing has to be cleaned up.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FOLDERLOCK_H
#define CNN3D_FOLDERLOCK_H

#include <glib.h>
#include "src/api.h"

G_BEGIN_DECLS

typedef struct _Cnn3dFolderLock Cnn3dFolderLock;

/* NULL with error (G_IO_ERROR): the file cannot be created, or another process has the lock
 * (G_IO_ERROR_BUSY, whose message names the process and host). Network file systems without locks
 * are used without one. */
CNN3D_API Cnn3dFolderLock *cnn3d_folder_lock_new (const gchar *dir, GError **error);
/* *lock may be NULL. Removes the file, too. */
CNN3D_API void cnn3d_folder_lock_free (Cnn3dFolderLock **lock);

G_END_DECLS

#endif
