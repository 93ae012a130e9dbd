/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipindexfile.h"

#include <string.h>

#define MAGIC "cnn3didx"
#define REVISION 14 /* also of the meaning of packets' flags */
#define BYTE_ORDER_MARK 0x01020304
#define DIGEST_BYTES 32 /* SHA-256 */

/* The coarsest resolution of file times */
#define SETTLED (2 * G_USEC_PER_SEC)

/* Followed by the path, the stream id, packets [n_packets] and a digest of all of it */
typedef struct {
  gchar magic[8];
  guint32 revision, byte_order;
  guint32 gstreamer; /* parsers determine what a packet is */
  guint32 codec;
  gint64 size, seconds, nanoseconds;
  gint32 video_track;
  guint32 path_bytes, stream_bytes, n_packets;
} Header;

void
clip_video_init (ClipVideo *video, const gchar *path, const GStatBuf *status, gint video_track)
{
  video->path = g_canonicalize_filename (path, NULL);
  video->size = status->st_size;
  video->seconds = status->st_mtim.tv_sec;
  video->nanoseconds = status->st_mtim.tv_nsec;
  video->video_track = video_track;
  video->settled = clip_video_is_settled (video->seconds);
}

gboolean
clip_video_is_settled (gint64 seconds)
{
  return g_get_real_time () - seconds * G_USEC_PER_SEC >= SETTLED;
}

gboolean
clip_video_equal (const ClipVideo *a, const ClipVideo *b)
{
  return a->size == b->size && a->seconds == b->seconds && a->nanoseconds == b->nanoseconds
      && a->video_track == b->video_track && g_str_equal (a->path, b->path);
}

/* folder/ab/cdef....idx, so that no folder has too many files. */
static gchar *
file_name (const gchar *folder, const ClipVideo *video)
{
  gchar *key = g_strdup_printf ("%d %s", video->video_track, video->path);
  gchar *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, key, -1);
  gchar *name = g_strdup_printf ("%s/%.2s/%.32s.idx", folder, sum, sum + 2);

  g_free (sum);
  g_free (key);

  return name;
}

static void
digest (const void *data, gsize size, guint8 sum[DIGEST_BYTES])
{
  GChecksum *checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize length = DIGEST_BYTES;

  g_checksum_update (checksum, data, size);
  g_checksum_get_digest (checksum, sum, &length);
  g_checksum_free (checksum);
}

static Header
make_header (const ClipVideo *video, const ClipIndex *index)
{
  guint major, minor, micro, nano;
  Header h = { .revision = REVISION,
    .byte_order = BYTE_ORDER_MARK,
    .size = video->size,
    .seconds = video->seconds,
    .nanoseconds = video->nanoseconds,
    .video_track = video->video_track,
    .path_bytes = strlen (video->path) };

  gst_version (&major, &minor, &micro, &nano);
  memcpy (h.magic, MAGIC, sizeof h.magic);
  h.gstreamer = major << 24 | minor << 16 | micro << 8 | nano;
  if (index) {
    h.codec = index->codec;
    h.stream_bytes = strlen (index->stream);
    h.n_packets = index->n_packets;
  }

  return h;
}

static ClipIndex *
parse (const gchar *data, gsize size, const ClipVideo *video)
{
  Header h, expected = make_header (video, NULL);
  guint8 sum[DIGEST_BYTES];
  const gchar *path = data + sizeof h;
  ClipPacket *packets;
  ClipIndex *index;
  gchar *stream;

  if (size < sizeof h + DIGEST_BYTES)
    return NULL;
  memcpy (&h, data, sizeof h);
  expected.codec = h.codec;
  expected.stream_bytes = h.stream_bytes;
  expected.n_packets = h.n_packets;
  if (memcmp (&h, &expected, sizeof h) || h.codec >= CLIP_N_CODECS
      || size
          != sizeof h + (guint64) h.path_bytes + h.stream_bytes
              + (guint64) h.n_packets * sizeof *packets + DIGEST_BYTES
      || memcmp (path, video->path, h.path_bytes))
    return NULL;
  digest (data, size - DIGEST_BYTES, sum);
  if (memcmp (sum, data + size - DIGEST_BYTES, DIGEST_BYTES))
    return NULL;
  stream = g_strndup (path + h.path_bytes, h.stream_bytes);
  /* not aligned after the strings */
  packets = g_memdup2 (path + h.path_bytes + h.stream_bytes, h.n_packets * sizeof *packets);
  index = clip_index_new (stream, h.codec, packets, h.n_packets);
  g_free (packets);
  g_free (stream);

  return index;
}

ClipIndex *
clip_index_file_read (const gchar *folder, const ClipVideo *video)
{
  gchar *name = file_name (folder, video), *data;
  ClipIndex *index = NULL;
  gsize size;

  if (g_file_get_contents (name, &data, &size, NULL)) {
    index = parse (data, size, video);
    g_free (data);
  }
  g_free (name);

  return index;
}

void
clip_index_file_write (const gchar *folder, const ClipVideo *video, const ClipIndex *index)
{
  Header h = make_header (video, index);
  guint8 sum[DIGEST_BYTES];
  GByteArray *data;
  gchar *name, *parent;

  if (!video->settled)
    return;
  data = g_byte_array_new ();
  name = file_name (folder, video);
  parent = g_path_get_dirname (name);
  g_byte_array_append (data, (const guint8 *) &h, sizeof h);
  g_byte_array_append (data, (const guint8 *) video->path, h.path_bytes);
  g_byte_array_append (data, (const guint8 *) index->stream, h.stream_bytes);
  g_byte_array_append (data, (const guint8 *) index->packets, h.n_packets * sizeof *index->packets);
  digest (data->data, data->len, sum);
  g_byte_array_append (data, sum, sizeof sum);
  if (g_mkdir_with_parents (parent, 0755) == 0)
    g_file_set_contents_full (
        name, (const gchar *) data->data, data->len, G_FILE_SET_CONTENTS_CONSISTENT, 0644, NULL);
  g_byte_array_unref (data);
  g_free (parent);
  g_free (name);
}
