/* atomicfile.h: writes a file atomically. It is written as PATH.tmp, synced, and renamed over PATH;
 * after a crash at any moment PATH has the old contents or the new.
 *
 * A PATH.tmp left by a killed process is reused by the next writer, so that at most one remains. A
 * writer holds a lock on it, and a second writer of the same path gets an error. A symbolic link at
 * PATH is replaced, not followed. What cannot be replaced is an error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ATOMICFILE_H
#define CNN3D_ATOMICFILE_H

#include <glib.h>
#include "src/api.h"

G_BEGIN_DECLS

/* One thread at a time. Errors are in G_IO_ERROR and name the path. */
typedef struct _Cnn3dAtomicFile Cnn3dAtomicFile;

/* The number that a path such as /dev/stdout, /dev/fd/3 or a link to one stands for, open or not;
 * -1: it is another path. */
CNN3D_API gint cnn3d_atomic_file_descriptor (const gchar *path);

/* Whether PATH is a regular file or does not exist. FALSE: a folder, device, pipe or socket, or a
 * descriptor. */
CNN3D_API gboolean cnn3d_atomic_file_can_replace (const gchar *path);

/* Starts PATH.tmp; the folder must exist. Free with cnn3d_atomic_file_free. */
CNN3D_API Cnn3dAtomicFile *cnn3d_atomic_file_new (const gchar *path, GError **error);

/* Appends; buffered. After a failure nothing more can be written. */
CNN3D_API gboolean cnn3d_atomic_file_write (
    Cnn3dAtomicFile *file, const void *data, gsize size, GError **error);

/* Flushes, syncs, renames over the path and syncs its folder if the file system supports it. To be
 * called once. After a failure the old file remains, but if only the folder's sync failed the new
 * file is in its place. */
CNN3D_API gboolean cnn3d_atomic_file_finish (Cnn3dAtomicFile *file, GError **error);

/* Removes the temporary file unless finished. NULL is allowed. */
CNN3D_API void cnn3d_atomic_file_free (Cnn3dAtomicFile *file);

/* All of the above for a short text; length -1: NUL-terminated. */
CNN3D_API gboolean cnn3d_atomic_file_set_contents (
    const gchar *path, const gchar *contents, gssize length, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cnn3dAtomicFile, cnn3d_atomic_file_free)

G_END_DECLS

#endif
