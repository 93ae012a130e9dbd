/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipindexes.h"

#include <string.h>

#include "clipslab.h"

#include "src/hash.h"

struct _ClipIndexes {
  gchar *folder; /* NULL: none */
  GMutex lock;
  gsize max_bytes, bytes;
  GHashTable *entries; /* path -> Entry */
  GQueue ages;         /* of Entry, the oldest first */
};

typedef struct {
  ClipVideo video;
  gsize bytes;
  ClipIndex *index;
  GList link; /* in ages */
} Entry;

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  clip_index_unref (entry->index);
  clip_slab_free (entry);
}

ClipIndexes *
clip_indexes_new (const gchar *folder, gsize max_bytes)
{
  ClipIndexes *self = g_new0 (ClipIndexes, 1);

  g_mutex_init (&self->lock);
  g_queue_init (&self->ages);
  self->folder = folder && *folder ? g_strdup (folder) : NULL;
  self->max_bytes = max_bytes;
  self->entries = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, NULL, entry_free);

  return self;
}

void
clip_indexes_free (ClipIndexes *self)
{
  g_hash_table_unref (self->entries);
  g_mutex_clear (&self->lock);
  g_free (self->folder);
  g_free (self);
}

static void
remove_entry (ClipIndexes *self, Entry *entry)
{
  self->bytes -= entry->bytes;
  g_queue_unlink (&self->ages, &entry->link);
  g_hash_table_remove (self->entries, entry->video.path);
}

static ClipIndex *
find (ClipIndexes *self, const ClipVideo *video)
{
  ClipIndex *index = NULL;
  Entry *entry;

  g_mutex_lock (&self->lock);
  entry = g_hash_table_lookup (self->entries, video->path);
  if (entry && clip_video_equal (&entry->video, video))
    index = clip_index_ref (entry->index);
  g_mutex_unlock (&self->lock);

  return index;
}

static void
keep (ClipIndexes *self, const ClipVideo *video, ClipIndex *index)
{
  const gsize path_bytes = strlen (video->path) + 1;
  Entry *entry;

  g_mutex_lock (&self->lock);
  entry = g_hash_table_lookup (self->entries, video->path);
  if (entry)
    remove_entry (self, entry);
  entry = clip_slab_alloc (sizeof *entry + path_bytes);
  entry->video = *video;
  entry->video.path = memcpy (entry + 1, video->path, path_bytes);
  entry->index = clip_index_ref (index);
  entry->bytes = sizeof *entry + path_bytes + clip_index_bytes (index);
  entry->link.data = entry;
  g_hash_table_insert (self->entries, entry->video.path, entry);
  g_queue_push_tail_link (&self->ages, &entry->link);
  self->bytes += entry->bytes;
  while (self->bytes > self->max_bytes && self->ages.length > 1)
    remove_entry (self, g_queue_peek_head (&self->ages));
  g_mutex_unlock (&self->lock);
}

ClipIndex *
clip_indexes_get (ClipIndexes *self, const ClipVideo *video)
{
  ClipIndex *index = find (self, video);

  if (index || !self->folder)
    return index;
  index = clip_index_file_read (self->folder, video);
  if (index)
    keep (self, video, index);

  return index;
}

void
clip_indexes_put (ClipIndexes *self, const ClipVideo *video, ClipIndex *index)
{
  keep (self, video, index);
  if (self->folder)
    clip_index_file_write (self->folder, video, index);
}
