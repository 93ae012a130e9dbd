/* clipstore.h: a persistent store of records in the files of one folder. Any number of threads
 * and processes can read and add at the same time.
 *
 * A record is a key and data, both arbitrary bytes. It never changes and is never removed. A
 * process that is killed at any moment leaves a valid store. After a crash of the system,
 * records may be missing but none is wrong: a process checks each one's checksum before it
 * returns it for the first time.
 *
 * The folder contains clips-NNNN.pack and lock; other files are ignored. To empty a store,
 * remove the *.pack files while no process writes to it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_STORE_H
#define CLIP_STORE_H

#include <glib.h>

G_BEGIN_DECLS

/* All functions are thread-safe. */
typedef struct _ClipStore ClipStore;

/* data: read-only, mapped from the file, aligned to 64 bytes. Valid until the record's last
 * reference is released, even if the store's was released before. */
typedef struct {
  const guint8 *data;
  gsize size; /* bytes */
} ClipRecord;

/* A part of a record's data; size in bytes. */
typedef struct {
  gconstpointer data;
  gsize size;
} ClipStoreChunk;

typedef enum {
  CLIP_STORE_ADDED, /* or the key existed already */
  /* the store's limit is reached, or the disk is full; existing records stay */
  CLIP_STORE_FULL,
  CLIP_STORE_FAILED, /* the file cannot be written */
} ClipStoreResult;

/* bytes: total size of all *.pack files; records: known to this process; full: whether the last
 * clip_store_add() returned CLIP_STORE_FULL. */
typedef struct {
  guint64 bytes, records;
  gboolean full;
} ClipStoreStats;

/* (transfer full) the process's store for this folder, which is created if necessary. Reads the
 * header of each record. max_bytes: maximum total size of all *.pack files; the last call in a
 * process applies to all users. NULL: `error` is set, in G_FILE_ERROR, and names the folder. */
ClipStore *clip_store_open (const gchar *location, guint64 max_bytes, GError **error);
ClipStore *clip_store_ref (ClipStore *self);
void clip_store_unref (ClipStore *self);

/* (transfer full) the record with this key, or NULL. A record that another process adds is found
 * after at most 0.2 s. */
ClipRecord *clip_store_find (ClipStore *self, GBytes *key);
ClipRecord *clip_record_ref (ClipRecord *self);
void clip_record_unref (ClipRecord *self);

/* Adds a record with the concatenated data of all chunks. key: up to 1 MiB. error: in
 * G_FILE_ERROR, set for every result but CLIP_STORE_ADDED. */
ClipStoreResult clip_store_add (
    ClipStore *self, GBytes *key, const ClipStoreChunk *chunks, guint n_chunks, GError **error);

/* `full` of the stats, without an access to the folder. */
gboolean clip_store_is_full (ClipStore *self);

void clip_store_get_stats (ClipStore *self, ClipStoreStats *stats);

/* Sets the size above which a new file is started, by default 1 GiB. A larger record has a file
 * of its own. For tests. */
void clip_store_set_pack_bytes (ClipStore *self, guint64 pack_bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipStore, clip_store_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipRecord, clip_record_unref)

G_END_DECLS

#endif
