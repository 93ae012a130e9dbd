/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/zip.h"

#include "src/keypoints/reader.h"

#include <gio/gio.h>
#include <string.h>

#define MAX_MEMBERS 256
/* Bytes of a member */
#define MAX_SIZE (1u << 30)
/* Deflate makes no more of a byte. */
#define MAX_RATIO 1032

#define END_SIZE 22
#define ENTRY_SIZE 46
#define LOCAL_SIZE 30

static guint16
read_16 (const guint8 *p)
{
  return p[0] | p[1] << 8;
}

static guint32
read_32 (const guint8 *p)
{
  return read_16 (p) | (guint32) read_16 (p + 2) << 16;
}

gboolean
cnn3d_zip_is (const guint8 *data, gsize size)
{
  return size >= END_SIZE && (memcmp (data, "PK\3\4", 4) == 0 || memcmp (data, "PK\5\6", 4) == 0);
}

/* The end of the directory, which a comment may follow; NULL: none. */
static const guint8 *
find_end (const guint8 *data, gsize size)
{
  const gsize last = size - END_SIZE;

  for (gsize back = 0; back <= MIN (last, G_MAXUINT16); back++)
    if (memcmp (data + last - back, "PK\5\6", 4) == 0)
      return data + last - back;
  return NULL;
}

/* Reads the member that a directory entry describes. */
static gboolean
read_entry (const guint8 *data, gsize size, const guint8 *entry, Cnn3dZipMember *member)
{
  const gsize name = read_16 (entry + 28), at = read_32 (entry + 42);
  gsize from;

  memset (member, 0, sizeof *member);
  memcpy (member->name, entry + ENTRY_SIZE, MIN (name, sizeof member->name - 1));
  member->flags = read_16 (entry + 8);
  member->method = read_16 (entry + 10);
  member->crc = read_32 (entry + 16);
  member->packed = read_32 (entry + 20);
  member->size = read_32 (entry + 24);
  if (at > size - LOCAL_SIZE || memcmp (data + at, "PK\3\4", 4) != 0)
    return FALSE;
  from = at + LOCAL_SIZE + read_16 (data + at + 26) + read_16 (data + at + 28);
  if (from > size || member->packed > size - from)
    return FALSE;
  member->data = data + from;
  return TRUE;
}

Cnn3dZipMember *
cnn3d_zip_list (const guint8 *data, gsize size, guint *n, GError **error)
{
  const guint8 *end = size > END_SIZE + LOCAL_SIZE ? find_end (data, size) : NULL;
  Cnn3dZipMember *members = NULL;
  const guint8 *entry;

  if (!end)
    goto damaged;
  *n = read_16 (end + 10);
  if (*n > MAX_MEMBERS)
    goto too_many;
  if (read_32 (end + 16) > (gsize) (end - data))
    goto damaged;
  entry = data + read_32 (end + 16);
  members = g_new (Cnn3dZipMember, *n + 1);
  for (guint i = 0; i < *n; i++) {
    if (end - entry < ENTRY_SIZE || memcmp (entry, "PK\1\2", 4) != 0
        || end - entry < ENTRY_SIZE + read_16 (entry + 28)
        || !read_entry (data, size, entry, &members[i]))
      goto damaged;
    entry += MIN (ENTRY_SIZE + read_16 (entry + 28) + read_16 (entry + 30) + read_16 (entry + 32),
        end - entry);
  }
  return members;

  /* ERRORS */
too_many:
  cnn3d_keypoints_set_error (
      error, "it is an archive of %u files; at most %u are possible", *n, MAX_MEMBERS);
  return NULL;
damaged:
  g_free (members);
  cnn3d_keypoints_set_error (
      error, "it is an archive whose directory is damaged or missing; was it written completely?");
  return NULL;
}

static guint32
checksum (const guint8 *data, gsize size)
{
  guint32 table[256], crc = G_MAXUINT32;

  for (guint i = 0; i < 256; i++) {
    table[i] = i;
    for (guint bit = 0; bit < 8; bit++)
      table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
  }
  for (gsize i = 0; i < size; i++)
    crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
  return ~crc;
}

static gboolean
inflate (const Cnn3dZipMember *member, guint8 *to)
{
  GConverter *converter = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_RAW));
  GConverterResult result = G_CONVERTER_CONVERTED;
  gsize in = 0, out = 0;

  while (result == G_CONVERTER_CONVERTED) {
    /* its end may come behind the last byte */
    guint8 spare;
    guint8 *place = out < member->size ? to + out : &spare;
    const gsize room = out < member->size ? member->size - out : 1;
    gsize took = 0, gave = 0;

    result = g_converter_convert (converter, member->data + in, member->packed - in, place, room,
        G_CONVERTER_INPUT_AT_END, &took, &gave, NULL);
    in += took;
    out += gave;
    if (out > member->size || (took == 0 && gave == 0))
      break;
  }
  g_object_unref (converter);
  return result == G_CONVERTER_FINISHED && out == member->size;
}

guint8 *
cnn3d_zip_read (const Cnn3dZipMember *member, GError **error)
{
  guint8 *data = NULL;
  gboolean ok;

  if (member->flags & 1)
    goto encrypted;
  if (member->method != 0 && member->method != 8)
    goto other_method;
  if (member->size > MAX_SIZE || member->size > MAX_RATIO * (guint64) member->packed
      || (member->method == 0 && member->size != member->packed))
    goto damaged;
  data = g_try_malloc (MAX (member->size, 1));
  if (!data)
    goto damaged;
  ok = TRUE;
  if (member->method == 0)
    memcpy (data, member->data, member->size);
  else
    ok = inflate (member, data);
  if (!ok || checksum (data, member->size) != member->crc)
    goto damaged;
  return data;

  /* ERRORS */
encrypted:
  cnn3d_keypoints_set_error (error, "its member %s is encrypted", member->name);
  return NULL;
other_method:
  cnn3d_keypoints_set_error (error,
      "its member %s is compressed by a method (%u) that is not supported; write it with "
      "numpy.savez_compressed()",
      member->name, member->method);
  return NULL;
damaged:
  g_free (data);
  cnn3d_keypoints_set_error (error, "its member %s is damaged", member->name);
  return NULL;
}
