/* recordfile.h: a file that grows by whole records.
 *
 * A record is written as it occurs, by a single write(), so that a process killed at any moment
 * leaves whole records, possibly except the last. A failed write is undone: the file is truncated
 * to its last whole record, and the next write may succeed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RECORDFILE_H
#define CNN3D_RECORDFILE_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* One thread at a time. Errors are in G_IO_ERROR and name the path. */
typedef struct _Cnn3dRecordFile Cnn3dRecordFile;

/* Opens a file of lines for appending, and creates it if it is missing. A symbolic link is not
 * followed. An incomplete last line, as a killed writer leaves it, is cut off when a line is
 * appended, and not before. NULL with error. */
CNN3D_API Cnn3dRecordFile *cnn3d_record_file_open_lines (const gchar *path, GError **error);
/* Creates a file; G_IO_ERROR_EXISTS if it exists. */
CNN3D_API Cnn3dRecordFile *cnn3d_record_file_create (const gchar *path, GError **error);
/* *file may be NULL. */
CNN3D_API void cnn3d_record_file_free (Cnn3dRecordFile **file);

/* Bytes of the whole records. */
CNN3D_API guint64 cnn3d_record_file_size (const Cnn3dRecordFile *file);
/* Neither a record nor a part of one. */
CNN3D_API gboolean cnn3d_record_file_is_empty (const Cnn3dRecordFile *file);
/* Appends all of the record or nothing. */
CNN3D_API gboolean cnn3d_record_file_append (
    Cnn3dRecordFile *file, gconstpointer data, gsize size, GError **error);

/* Whether to keep a line of `size` bytes, without its newline, not NUL-terminated. */
typedef gboolean (*Cnn3dKeepLine) (const gchar *line, gsize size, gpointer data);
/* Keeps the lines that `keep` accepts, in order, of a file that is not open; an incomplete line is
 * removed. The file is replaced atomically, and only if something is removed. A missing file has no
 * lines. */
CNN3D_API gboolean cnn3d_record_file_filter_lines (
    const gchar *path, Cnn3dKeepLine keep, gpointer data, GError **error);

G_END_DECLS

#endif
