/* recordfile.h: a file that grows by whole records.
 *
 * A record is one write() of all its bytes, made when it is there to be told, so
 * that a process killed at any moment leaves whole records, the last one perhaps
 * excepted. A write that fails is undone: the file is cut back to where its last
 * whole record ends, and the next one may succeed again.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RECORDFILE_H
#define CNN3D_RECORDFILE_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* One thread at a time. Errors are in G_IO_ERROR and name the path. */
typedef struct _Cnn3dRecordFile Cnn3dRecordFile;

/* Opens a file of lines to be appended to, made where it is missing. A last line
 * without its end, as a killed writer leaves it, is cut off. NULL with error. */
CNN3D_API Cnn3dRecordFile *cnn3d_record_file_open_lines (const gchar * path, GError ** error);
/* Makes a file that must not be there yet; G_IO_ERROR_EXISTS where it is. */
CNN3D_API Cnn3dRecordFile *cnn3d_record_file_create (const gchar * path, GError ** error);
/* NULL is fine. */
CNN3D_API void cnn3d_record_file_free (Cnn3dRecordFile ** file);

/* Bytes of the whole records. */
CNN3D_API guint64 cnn3d_record_file_size (const Cnn3dRecordFile * file);
/* All of it or nothing of it. */
CNN3D_API gboolean cnn3d_record_file_append (Cnn3dRecordFile * file, gconstpointer data, gsize size, GError ** error);

/* Whether a line stays; `size` bytes without its newline, not NUL-terminated. */
typedef gboolean (*Cnn3dKeepLine) (const gchar * line, gsize size, gpointer data);
/* Leaves the lines of a file that nobody has open which `keep` says stay, in
 * their order; what is not a whole line goes. The file is replaced at once, and
 * only where something goes. A file that is not there has no lines. */
CNN3D_API gboolean cnn3d_record_file_filter_lines (const gchar * path, Cnn3dKeepLine keep, gpointer data,
    GError ** error);

G_END_DECLS

#endif
