/* clippackfolder.h: the files of a ClipStore, and how processes share them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PACK_FOLDER_H
#define CLIP_PACK_FOLDER_H

#include "clippackfile.h"

G_BEGIN_DECLS

typedef struct _ClipPackFolder ClipPackFolder;

/* Reads all headers. found is called for each record, now and later, with no
 * lock that the caller knows of. NULL: the folder cannot be written. */
ClipPackFolder *clip_pack_folder_new (
    const gchar *location, ClipPackFound found, gpointer data, GError **error);
/* No thread may be in a call. */
void clip_pack_folder_free (ClipPackFolder *self);

/* Looks for what other processes added. Any thread. FALSE: the last time was
 * less than 0.2 s ago, or another thread is at it. */
gboolean clip_pack_folder_look (ClipPackFolder *self);

/* Sizes of all *.pack files, of all processes. Any thread. */
guint64 clip_pack_folder_get_bytes (ClipPackFolder *self);

/* Chooses the file that a record will go to, and finds what that file's last
 * writer added. pack_bytes: the size that a file may reach. This and the next
 * with a lock of the caller's, one after the other. */
void clip_pack_folder_prepare (
    ClipPackFolder *self, const ClipPackEntry *where, guint64 pack_bytes);
/* Writes the record, sets its offset, and calls found. max_bytes: what the
 * sizes of all *.pack files may add up to. */
ClipStoreResult clip_pack_folder_add (ClipPackFolder *self, ClipPackEntry *where, guint64 max_bytes,
    GBytes *key, const ClipStoreChunk *chunks, guint n_chunks, GError **error);

/* An error in G_FILE_ERROR of this errno. */
void clip_store_set_error (GError **error, gint code, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);

G_END_DECLS

#endif
