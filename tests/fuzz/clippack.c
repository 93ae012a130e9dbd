/* Files of the clip cache: any file has records or none, and each record matches its checksum in
 * the file. The input is a file whose headers get valid checksums, so that their contents are used.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clippackfile.h"

#include <string.h>
#include <xxhash.h>

#include "tests/fuzz/target.h"

#define FILE_NAME "clips-0000.pack"
#define HEADER CLIP_PACK_ALIGN
#define MOST_BYTES (1 << 20) /* of the cache */

/* The header's fields, as in clippackfile.c. */
typedef struct {
  gchar magic[8];
  guint32 order, version;
  guint64 offset, key_size, data_size, checksum, id, own;
} Header;

static guint64
padded (guint64 size)
{
  return (size + HEADER - 1) / HEADER * HEADER;
}

/* Makes consecutive headers valid. */
static void
repair (guint8 *data, gsize size)
{
  gsize at = 0;

  while (size - at >= HEADER) {
    Header header;
    gsize room;

    memcpy (&header, data + at, sizeof header);
    memcpy (header.magic, at ? "CLIPDATA" : "CLIPPACK", sizeof header.magic);
    header.order = 0x01020304;
    header.version = 1;
    header.offset = at;
    header.id = 1;
    room = size - at - HEADER;
    if (at && padded (header.key_size % 4096) + padded (header.data_size) <= room)
      header.key_size %= 4096;
    /* every second record gets its own checksum */
    if (at && header.checksum % 2 && header.key_size <= room
        && padded (header.key_size) + header.data_size <= room && header.data_size <= room) {
      XXH3_state_t *state = XXH3_createState ();

      XXH3_64bits_reset (state);
      XXH3_64bits_update (state, data + at + HEADER, header.key_size);
      XXH3_64bits_update (state, data + at + HEADER + padded (header.key_size), header.data_size);
      header.checksum = XXH3_64bits_digest (state);
      XXH3_freeState (state);
    }
    header.own = XXH3_64bits (&header, G_STRUCT_OFFSET (Header, own));
    memcpy (data + at, &header, sizeof header);
    if (at
        && (header.key_size > room || header.data_size > room
            || padded (header.key_size) + padded (header.data_size) > room))
      return;
    at += HEADER + (at ? padded (header.key_size) + padded (header.data_size) : 0);
  }
}

static void
found (ClipPackFile *self, const ClipPackEntry *where, GBytes *key, gpointer data)
{
  g_ptr_array_add (data, g_bytes_ref (key));
}

static void
check (const guint8 *data, gsize size)
{
  GPtrArray *keys = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  const ClipStoreChunk chunk = { "data", 4 };
  ClipPackFile *file = clip_pack_file_new (fuzz_folder (), 0);
  g_autoptr (GError) error = NULL;
  ClipStore *store;
  GBytes *own = g_bytes_new_static ("own key", 7);

  fuzz_put (FILE_NAME, data, size);
  clip_pack_file_scan (file, found, keys);
  clip_pack_file_free (file);
  store = clip_store_open (fuzz_folder (), MOST_BYTES, &error);
  fuzz_check_error (store != NULL, error);
  for (guint i = 0; i < keys->len; i++) {
    ClipRecord *record = clip_store_find (store, g_ptr_array_index (keys, i));

    if (!record)
      continue;
    fuzz_touch (record->data, record->size);
    if (record->size > size)
      fuzz_fail ("a record that is larger than its file", NULL);
    clip_record_unref (record);
  }
  clip_store_add (store, own, &chunk, 1, NULL);
  clip_store_unref (store);
  g_bytes_unref (own);
  g_ptr_array_unref (keys);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  guint8 *copy = g_memdup2 (data, size);

  check (data, size);
  repair (copy, size);
  check (copy, size);
  g_free (copy);
  return 0;
}
