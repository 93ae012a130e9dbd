/* clippackfolder.h: the files of a ClipStore, and how processes share them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PACK_FOLDER_H
#define CLIP_PACK_FOLDER_H

#include "clippackfile.h"

G_BEGIN_DECLS

typedef struct _ClipPackFolder ClipPackFolder;

/* Reads all headers. `found` is called for each record, now and later; only internal locks are
 * held then. NULL with `error` set: the folder cannot be written. */
ClipPackFolder *clip_pack_folder_new (
    const gchar *location, ClipPackFound found, gpointer data, GError **error);
/* No other thread may be using it. */
void clip_pack_folder_free (ClipPackFolder *self);

/* Looks for records that other processes added. Thread-safe. FALSE: the last time was less than
 * 0.2 s ago, or another thread is looking. */
gboolean clip_pack_folder_look (ClipPackFolder *self);

/* Total size of all *.pack files in bytes, those of other processes included. Thread-safe. */
guint64 clip_pack_folder_get_bytes (ClipPackFolder *self);

/* Chooses the file for a record, and finds what that file's last writer added. pack_bytes:
 * maximum size of a file. The caller must hold one lock for both this and
 * clip_pack_folder_add(). */
void clip_pack_folder_prepare (
    ClipPackFolder *self, const ClipPackEntry *where, guint64 pack_bytes);
/* Writes the record, sets its offset, and calls `found`. max_bytes: maximum total size of all
 * *.pack files. */
ClipStoreResult clip_pack_folder_add (ClipPackFolder *self, ClipPackEntry *where, guint64 max_bytes,
    GBytes *key, const ClipStoreChunk *chunks, guint n_chunks, GError **error);

/* Sets an error in G_FILE_ERROR for an errno. */
void clip_store_set_error (GError **error, gint code, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);

G_END_DECLS

#endif
