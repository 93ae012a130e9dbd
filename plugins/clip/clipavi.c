/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipavi.h"
#include "clipbytes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Chunks that are read to find video */
#define MAX_BEHIND 100
/* Other chunks that are read */
#define MAX_CHUNKS 4096
#define INDEX_ENTRY 16
#define SUPER_ENTRY 16
#define SUPER_HEADER 24

/* begin: of its header; data, end: its content, which does not exceed its parent's
 * list: the type of a list */
typedef struct {
  guint64 begin, data, end;
  gchar type[4], list[4];
} Chunk;

static gboolean
read_at (gint file, guint64 at, gpointer data, gsize n)
{
  gssize got;

  while ((got = pread (file, data, n, (off_t) at)) < 0 && errno == EINTR)
    ;

  return got == (gssize) n;
}

static gboolean
is (const gchar *type, const gchar *name)
{
  return !memcmp (type, name, 4);
}

/* The chunk at `at`; FALSE: there is none before `end`. */
static gboolean
read_chunk (gint file, guint64 at, guint64 end, Chunk *chunk)
{
  guint8 head[12];

  if (at + 8 > end || !read_at (file, at, head, 8))
    return FALSE;
  memcpy (chunk->type, head, 4);
  memset (chunk->list, 0, 4);
  chunk->begin = at;
  chunk->data = at + 8;
  chunk->end = MIN (chunk->data + clip_read_32_le (head + 4), end);
  if (is (chunk->type, "RIFF") || is (chunk->type, "LIST")) {
    if (chunk->data + 4 > chunk->end || !read_at (file, chunk->data, chunk->list, 4))
      return FALSE;
    chunk->data += 4;
  }

  return TRUE;
}

static guint64
behind (const Chunk *chunk)
{
  return chunk->end + (chunk->end & 1);
}

/* ##dc or ##db, with content */
static gboolean
is_video (const Chunk *chunk)
{
  return g_ascii_isxdigit (chunk->type[0]) && g_ascii_isxdigit (chunk->type[1])
      && chunk->type[2] == 'd' && (chunk->type[3] == 'c' || chunk->type[3] == 'b')
      && chunk->end > chunk->data;
}

/* Whether there is video between `at` and `end`, as far as chunks follow each other. */
static gboolean
has_video (gint file, guint64 at, guint64 end)
{
  Chunk chunk;

  for (guint n = 0; n < MAX_BEHIND && read_chunk (file, at, end, &chunk); n++) {
    if (is_video (&chunk))
      return TRUE;
    at = is (chunk.list, "rec ") ? chunk.data : behind (&chunk);
  }

  return FALSE;
}

/* Whether the last entry of an index is before other video. Its offsets are relative to the list's
 * type or to the file. */
static gboolean
is_short (gint file, const Chunk *index, const Chunk *movie)
{
  guint8 entry[INDEX_ENTRY];
  const guint64 n = (index->end - index->data) / INDEX_ENTRY;
  guint64 offset, at;
  Chunk chunk;

  if (n == 0 || !read_at (file, index->data + (n - 1) * INDEX_ENTRY, entry, sizeof entry))
    return FALSE;
  offset = clip_read_32_le (entry + 8);
  for (guint relative = 0; relative < 2; relative++) {
    at = offset + (relative ? movie->data - 4 : 0);
    if (at >= movie->data && read_chunk (file, at, movie->end, &chunk)
        && is (chunk.type, (gchar *) entry)
        && chunk.end - chunk.data == clip_read_32_le (entry + 12))
      return has_video (file, behind (&chunk), movie->end);
  }

  return FALSE;
}

/* OpenDML 1.02: whether a super index has no entry in the file's last part. */
static gboolean
is_short_super (gint file, const Chunk *index, guint64 last)
{
  guint8 head[SUPER_HEADER], entry[SUPER_ENTRY];
  guint32 n;

  if (index->end - index->data < SUPER_HEADER || !read_at (file, index->data, head, sizeof head))
    return FALSE;
  n = clip_read_32_le (head + 4);
  /* another kind: of chunks */
  if (head[3] != 0 || n > (index->end - index->data - SUPER_HEADER) / SUPER_ENTRY)
    return FALSE;

  return n == 0
      || (read_at (file, index->data + SUPER_HEADER + (guint64) (n - 1) * SUPER_ENTRY, entry,
              sizeof entry)
          && ((guint64) clip_read_32_le (entry + 4) << 32 | clip_read_32_le (entry)) < last);
}

static void
hide (ClipAvi *self, const Chunk *index)
{
  if (self->n < CLIP_AVI_INDICES)
    self->at[self->n++] = index->begin;
}

/* Hides the super indices of streams that lack the last part; *has_super: there is one that is
 * kept. */
static void
find_super (ClipAvi *self, gint file, const Chunk *header, guint64 last, gboolean *has_super)
{
  Chunk stream, chunk;
  guint n = 0;

  for (guint64 at = header->data; n++ < MAX_CHUNKS && read_chunk (file, at, header->end, &stream);
      at = behind (&stream))
    if (is (stream.list, "strl"))
      for (guint64 in = stream.data; n++ < MAX_CHUNKS && read_chunk (file, in, stream.end, &chunk);
          in = behind (&chunk))
        if (is (chunk.type, "indx")) {
          if (is_short_super (file, &chunk, last))
            hide (self, &chunk);
          else
            *has_super = TRUE;
        }
}

void
clip_avi_find (ClipAvi *self, gint file, guint64 size)
{
  Chunk part, chunk, header = { 0 }, movie = { 0 }, index = { 0 };
  gboolean has_super = FALSE;
  guint64 last = 0;
  guint n = 0;

  self->n = 0;
  if (!read_chunk (file, 0, size, &part) || !is (part.list, "AVI "))
    return;
  for (guint64 at = part.data; n < MAX_CHUNKS && read_chunk (file, at, part.end, &chunk);
      at = behind (&chunk), n++)
    if (is (chunk.list, "hdrl"))
      header = chunk;
    else if (is (chunk.list, "movi"))
      movie = chunk;
    else if (is (chunk.type, "idx1"))
      index = chunk;
  for (guint64 at = behind (&part); n < MAX_CHUNKS && read_chunk (file, at, size, &part);
      at = behind (&part), n++)
    if (is (part.list, "AVIX") && read_chunk (file, part.data, part.end, &chunk)
        && is (chunk.list, "movi") && has_video (file, chunk.data, chunk.end))
      last = part.begin;
  find_super (self, file, &header, last, &has_super);
  if (index.data > 0 && movie.data > 0 && !has_super
      && (last > 0 || is_short (file, &index, &movie)))
    hide (self, &index);
}

static GstPadProbeReturn
take_read (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  const ClipAvi *self = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  const guint64 from = info->offset, to = from + gst_buffer_get_size (buffer);

  for (guint i = 0; i < self->n; i++)
    if (self->at[i] >= from && self->at[i] + 4 <= to) {
      info->data = buffer = gst_buffer_make_writable (buffer);
      gst_buffer_fill (buffer, self->at[i] - from, "JUNK", 4);
    }

  return GST_PAD_PROBE_OK;
}

void
clip_avi_watch (ClipAvi *self, GstPad *src)
{
  if (self->n > 0)
    gst_pad_add_probe (
        src, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER, take_read, self, NULL);
}
