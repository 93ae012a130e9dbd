/* clipstore.h: records in files of one folder, which outlive the process. Any
 * number of threads and processes read and add at the same time.
 *
 * A record is a key and data, both any bytes. It never changes and is never
 * removed. A process killed at any moment leaves a good store; after a crash of
 * the system, records may be missing but none is wrong: each is checked against
 * its checksum before a process first gives it out.
 *
 * The folder holds clips-NNNN.pack and lock; other files are left alone. To
 * empty a store, remove the *.pack files while no process writes to it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_STORE_H
#define CLIP_STORE_H

#include <glib.h>

G_BEGIN_DECLS

/* Any thread may call any function. */
typedef struct _ClipStore ClipStore;

/* data: read-only, mapped from the file, at a multiple of 64 bytes. Valid until
 * the record's last reference is gone, even after the store's. */
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
  CLIP_STORE_ADDED, /* or the key was there already */
  /* the store's limit is reached, or the disk is full; what is there stays */
  CLIP_STORE_FULL,
  CLIP_STORE_FAILED, /* the file cannot be written */
} ClipStoreResult;

/* bytes: sizes of all *.pack files now; records: those this process knows of;
 * full: whether the last add met CLIP_STORE_FULL. */
typedef struct {
  guint64 bytes, records;
  gboolean full;
} ClipStoreStats;

/* The process's store of that folder, which is created: (transfer full). Reads
 * the header of each record. max_bytes: what the sizes of all *.pack files may
 * add up to; the last call in a process counts for all its users. NULL: an
 * error in G_FILE_ERROR that names the folder. */
ClipStore *clip_store_open (const gchar *location, guint64 max_bytes, GError **error);
ClipStore *clip_store_ref (ClipStore *self);
void clip_store_unref (ClipStore *self);

/* The record of a key: (transfer full), or NULL. Another process's record is
 * found up to 0.2 s after it was added. */
ClipRecord *clip_store_find (ClipStore *self, GBytes *key);
ClipRecord *clip_record_ref (ClipRecord *self);
void clip_record_unref (ClipRecord *self);

/* Adds a record whose data is that of all chunks, one after the other. key: up
 * to 1 MiB. error: in G_FILE_ERROR, for every result but CLIP_STORE_ADDED. */
ClipStoreResult clip_store_add (
    ClipStore *self, GBytes *key, const ClipStoreChunk *chunks, guint n_chunks, GError **error);

/* The same `full`, without a look at the folder. */
gboolean clip_store_is_full (ClipStore *self);

void clip_store_get_stats (ClipStore *self, ClipStoreStats *stats);

/* Size from which on a new file is begun; 1 GiB. A longer record has a file of
 * its own. For tests. */
void clip_store_set_pack_bytes (ClipStore *self, guint64 pack_bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipStore, clip_store_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipRecord, clip_record_unref)

G_END_DECLS

#endif
