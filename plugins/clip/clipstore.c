/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clippackfolder.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#define PACK_BYTES (G_GUINT64_CONSTANT (1) << 30)

typedef struct _Entry Entry;

struct _Entry {
  Entry *next; /* an older record of the same key */
  ClipPackFile *pack;
  ClipPackEntry where;
  gboolean verified, dropped;
};

struct _ClipStore {
  guint refs;  /* under registry_lock */
  gchar *name; /* in the registry */
  ClipPackFolder *folder;
  GMutex write_lock; /* held while adding; taken before lock */

  GMutex lock; /* protects the fields below */
  guint64 max_bytes, pack_bytes;
  gboolean full;
  GHashTable *index;  /* key (GBytes) -> Entry */
  GPtrArray *dropped; /* of Entry: a thread may still be verifying it */
};

typedef struct {
  ClipRecord record; /* first: callers have a pointer to it */
  gint refs;
  ClipSegment *segment;
} Record;

G_LOCK_DEFINE_STATIC (registry_lock);
static GHashTable *registry; /* name -> ClipStore */

/* The index */

static void
entry_free (gpointer data)
{
  for (Entry *entry = data, *next; entry; entry = next) {
    next = entry->next;
    g_free (entry);
  }
}

static void
index_add (ClipPackFile *pack, const ClipPackEntry *where, GBytes *key, gpointer data)
{
  ClipStore *self = data;
  Entry *entry = g_new0 (Entry, 1);
  gpointer old_key, old;

  entry->pack = pack;
  entry->where = *where;
  g_mutex_lock (&self->lock);
  /* the newest record first: an older one may be damaged */
  if (g_hash_table_steal_extended (self->index, key, &old_key, &old)) {
    g_bytes_unref (old_key);
    entry->next = old;
  }
  g_hash_table_insert (self->index, g_bytes_ref (key), entry);
  pack->known = where->offset + clip_pack_entry_size (where);
  g_mutex_unlock (&self->lock);
}

/* Called with lock. */
static void
index_drop (ClipStore *self, GBytes *key, Entry *entry)
{
  Entry *first = g_hash_table_lookup (self->index, key);
  gpointer old_key;

  if (entry->dropped)
    return;
  entry->dropped = TRUE;
  if (entry != first) {
    while (first->next != entry)
      first = first->next;
    first->next = entry->next;
  } else {
    g_hash_table_steal_extended (self->index, key, &old_key, NULL);
    if (entry->next)
      g_hash_table_insert (self->index, old_key, entry->next);
    else
      g_bytes_unref (old_key);
  }
  entry->next = NULL;
  g_ptr_array_add (self->dropped, entry);
}

static gboolean
index_has (ClipStore *self, GBytes *key)
{
  gboolean has;

  g_mutex_lock (&self->lock);
  has = g_hash_table_contains (self->index, key);
  g_mutex_unlock (&self->lock);

  return has;
}

/* Opening and closing */

static void
store_free (ClipStore *self)
{
  g_hash_table_unref (self->index);
  g_ptr_array_unref (self->dropped);
  g_clear_pointer (&self->folder, clip_pack_folder_free);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->write_lock);
  g_free (self->name);
  g_free (self);
}

/* Takes `name`. NULL with `error` set: the folder cannot be written. */
static ClipStore *
store_new (gchar *name, const gchar *location, GError **error)
{
  ClipStore *self = g_new0 (ClipStore, 1);

  self->refs = 1;
  self->name = name;
  self->pack_bytes = PACK_BYTES;
  self->index = g_hash_table_new_full (
      g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, entry_free);
  self->dropped = g_ptr_array_new_with_free_func (g_free);
  g_mutex_init (&self->lock);
  g_mutex_init (&self->write_lock);
  self->folder = clip_pack_folder_new (location, index_add, self, error);
  if (!self->folder)
    g_clear_pointer (&self, store_free);

  return self;
}

ClipStore *
clip_store_open (const gchar *location, guint64 max_bytes, GError **error)
{
  ClipStore *self = NULL;
  GStatBuf status;
  gchar *name;
  gint code;

  if (g_mkdir_with_parents (location, 0777) < 0) {
    code = errno;
    if (g_stat (location, &status) == 0 && !S_ISDIR (status.st_mode))
      goto not_a_folder;
    goto not_created;
  }
  if (g_stat (location, &status) < 0) {
    code = errno;
    goto not_created;
  }

  /* a folder may have several paths */
  name = g_strdup_printf (
      "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, (guint64) status.st_dev, (guint64) status.st_ino);
  G_LOCK (registry_lock);
  if (!registry)
    registry = g_hash_table_new (g_str_hash, g_str_equal);
  self = g_hash_table_lookup (registry, name);
  if (self) {
    self->refs++;
    g_free (name);
  } else if ((self = store_new (name, location, error))) {
    g_hash_table_insert (registry, self->name, self);
  }
  if (self) {
    g_mutex_lock (&self->lock);
    if (max_bytes > self->max_bytes)
      self->full = FALSE;
    self->max_bytes = max_bytes;
    g_mutex_unlock (&self->lock);
  }
  G_UNLOCK (registry_lock);

  return self;

  /* ERRORS */
not_created:
  clip_store_set_error (error, code,
      "Cannot create the folder %s: %s. Choose another location, or create it.", location,
      g_strerror (code));
  return NULL;
not_a_folder:
  clip_store_set_error (error, ENOTDIR,
      "%s is not a folder. Choose another location, or move the file away.", location);
  return NULL;
}

ClipStore *
clip_store_ref (ClipStore *self)
{
  G_LOCK (registry_lock);
  self->refs++;
  G_UNLOCK (registry_lock);

  return self;
}

void
clip_store_unref (ClipStore *self)
{
  G_LOCK (registry_lock);
  if (--self->refs == 0) {
    g_hash_table_remove (registry, self->name);
    if (g_hash_table_size (registry) == 0)
      g_clear_pointer (&registry, g_hash_table_unref);
    /* under the lock, so that the next to open it can adopt the same file */
    store_free (self);
  }
  G_UNLOCK (registry_lock);
}

/* Records */

ClipRecord *
clip_record_ref (ClipRecord *record)
{
  g_atomic_int_inc (&((Record *) record)->refs);

  return record;
}

void
clip_record_unref (ClipRecord *record)
{
  Record *self = (Record *) record;

  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  clip_segment_unref (self->segment);
  g_free (self);
}

static guint64
record_checksum (GBytes *key, const ClipStoreChunk *chunks, guint n_chunks)
{
  XXH3_state_t *state = XXH3_createState ();
  gconstpointer bytes;
  guint64 checksum;
  gsize size;

  if (!state)
    g_error ("out of memory"); /* like g_malloc() */
  XXH3_64bits_reset (state);
  bytes = g_bytes_get_data (key, &size);
  XXH3_64bits_update (state, bytes, size);
  for (guint i = 0; i < n_chunks; i++)
    XXH3_64bits_update (state, chunks[i].data, chunks[i].size);
  checksum = XXH3_64bits_digest (state);
  XXH3_freeState (state);

  return checksum;
}

/* Lets the kernel read the whole record at once instead of by page faults. */
static void
read_ahead (const ClipSegment *segment, const guint8 *data, gsize size)
{
  const gsize page = sysconf (_SC_PAGESIZE);
  const gsize before = (data - segment->base) % page;

  if (size > 0)
    madvise ((gpointer) (data - before), size + before, MADV_WILLNEED);
}

/* FALSE: the record is damaged, and was dropped. */
static gboolean
verify (ClipStore *self, GBytes *key, Entry *entry, const guint8 *data)
{
  const ClipStoreChunk chunk = { data, entry->where.data_size };
  const gboolean good = record_checksum (key, &chunk, 1) == entry->where.checksum;

  g_mutex_lock (&self->lock);
  if (good)
    entry->verified = TRUE;
  else
    index_drop (self, key, entry);
  g_mutex_unlock (&self->lock);
  if (!good)
    g_debug ("%s: the record at byte %" G_GUINT64_FORMAT " is damaged: dropped", entry->pack->path,
        entry->where.offset);

  return good;
}

ClipRecord *
clip_store_find (ClipStore *self, GBytes *key)
{
  for (;;) {
    ClipSegment *segment = NULL;
    gboolean verified = FALSE;
    const guint8 *data;
    Entry *entry;
    Record *record;

    g_mutex_lock (&self->lock);
    while ((entry = g_hash_table_lookup (self->index, key))) {
      segment = clip_pack_file_map (entry->pack, &entry->where);
      verified = entry->verified;
      /* other errors may be temporary: keep the entry, but report it as not found */
      if (segment || (errno != ENOENT && errno != ESTALE))
        break;
      index_drop (self, key, entry);
    }
    g_mutex_unlock (&self->lock);

    if (!entry && !clip_pack_folder_look (self->folder))
      return NULL;
    if (!entry)
      continue;
    if (!segment)
      return NULL;
    data = segment->base + (clip_pack_entry_data (&entry->where) - segment->offset);
    read_ahead (segment, data, entry->where.data_size);
    if (!verified && !verify (self, key, entry, data)) {
      clip_segment_unref (segment);
      continue;
    }
    record = g_new (Record, 1);
    record->refs = 1;
    record->record.data = data;
    record->record.size = entry->where.data_size;
    record->segment = segment;

    return &record->record;
  }
}

/* Called with write_lock. */
static ClipStoreResult
add (ClipStore *self, GBytes *key, ClipPackEntry *where, const ClipStoreChunk *chunks,
    guint n_chunks, GError **error)
{
  guint64 max_bytes, pack_bytes;

  g_mutex_lock (&self->lock);
  max_bytes = self->max_bytes;
  pack_bytes = self->pack_bytes;
  g_mutex_unlock (&self->lock);

  clip_pack_folder_prepare (self->folder, where, pack_bytes);
  /* the file's last writer, or another thread, may have added it */
  if (index_has (self, key))
    return CLIP_STORE_ADDED;
  return clip_pack_folder_add (self->folder, where, max_bytes, key, chunks, n_chunks, error);
}

ClipStoreResult
clip_store_add (
    ClipStore *self, GBytes *key, const ClipStoreChunk *chunks, guint n_chunks, GError **error)
{
  ClipPackEntry where = { 0 };
  ClipStoreResult result;

  where.key_size = g_bytes_get_size (key);
  for (guint i = 0; i < n_chunks; i++)
    where.data_size += chunks[i].size;
  if (where.key_size > CLIP_PACK_MAX_KEY)
    goto key_too_long;
  if (index_has (self, key))
    return CLIP_STORE_ADDED;
  where.checksum = record_checksum (key, chunks, n_chunks);

  g_mutex_lock (&self->write_lock);
  result = add (self, key, &where, chunks, n_chunks, error);
  g_mutex_unlock (&self->write_lock);
  g_mutex_lock (&self->lock);
  if (result != CLIP_STORE_FAILED)
    self->full = result == CLIP_STORE_FULL;
  g_mutex_unlock (&self->lock);

  return result;

  /* ERRORS */
key_too_long:
  clip_store_set_error (error, EINVAL,
      "A key of %" G_GUINT64_FORMAT " bytes is too long: use a checksum of it.", where.key_size);
  return CLIP_STORE_FAILED;
}

gboolean
clip_store_is_full (ClipStore *self)
{
  gboolean full;

  g_mutex_lock (&self->lock);
  full = self->full;
  g_mutex_unlock (&self->lock);

  return full;
}

void
clip_store_get_stats (ClipStore *self, ClipStoreStats *stats)
{
  stats->bytes = clip_pack_folder_get_bytes (self->folder);
  g_mutex_lock (&self->lock);
  stats->records = g_hash_table_size (self->index);
  stats->full = self->full;
  g_mutex_unlock (&self->lock);
}

void
clip_store_set_pack_bytes (ClipStore *self, guint64 pack_bytes)
{
  g_mutex_lock (&self->lock);
  self->pack_bytes = pack_bytes;
  g_mutex_unlock (&self->lock);
}
