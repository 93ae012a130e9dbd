/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipavi.h"
#include "clipbytes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Chunks that are read to find video, in the whole file */
#define MAX_VIDEO_CHUNKS 100000
/* Other chunks that are read */
#define MAX_CHUNKS 4096
/* Entries that are read of an index, and of a super index */
#define MAX_ENTRIES (1 << 24)
#define MAX_SUPER_ENTRIES 4096
/* Entries that are read at once */
#define ENTRIES 4096
#define AVIH_FLAGS 12
#define AVIF_HASINDEX 0x10
#define INDEX_ENTRY 16
#define SUPER_ENTRY 16
#define SUPER_HEADER 24

/* begin: of its header; data, end: its content, which does not exceed its parent's
 * list: the type of a list */
typedef struct {
  guint64 begin, data, end;
  gchar type[4], list[4];
} Chunk;

/* left: chunks that may still be read to find video
 * last: where the last part with video begins; 0: only the first part has any */
typedef struct {
  gint file;
  guint64 size, last;
  guint left;
} Reader;

/* supers: [n] where super indices begin, in the order of streams
 * first: the first stream has one, without which avidemux ignores the others
 * is_short: video is missing in them */
typedef struct {
  guint n;
  guint64 supers[CLIP_AVI_INDICES - 1];
  gboolean first, is_short;
} Supers;

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

/* The chunk at `at`; FALSE: there is none before `end`. An interrupted recording leaves the sizes
 * of its last lists at 0. */
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
    if (chunk->end == chunk->data)
      chunk->end = end;
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

/* ##dc or ##db */
static gboolean
is_video (const gchar *type)
{
  return g_ascii_isxdigit (type[0]) && g_ascii_isxdigit (type[1]) && type[2] == 'd'
      && (type[3] == 'c' || type[3] == 'b');
}

/* Whether there is video between `at` and `end`, as far as chunks follow each other. */
static gboolean
has_video (Reader *self, guint64 at, guint64 end)
{
  Chunk chunk;

  for (; self->left > 0 && read_chunk (self->file, at, end, &chunk); self->left--) {
    if (is_video (chunk.type) && chunk.end > chunk.data)
      return TRUE;
    at = is (chunk.list, "rec ") ? chunk.data : behind (&chunk);
  }

  return FALSE;
}

/* Finds the entry for the video that is farthest in the file, as entries may be in any order.
 * FALSE: the index cannot be read. *first: offset of the first entry; farthest: its type is 0 if
 * there is none */
static gboolean
find_farthest (gint file, const Chunk *index, guint64 *first, guint8 *farthest)
{
  const guint64 n = MIN ((index->end - index->data) / INDEX_ENTRY, MAX_ENTRIES);
  guint8 *entries = g_malloc (ENTRIES * INDEX_ENTRY);
  gboolean ok = n > 0;

  memset (farthest, 0, INDEX_ENTRY);
  for (guint64 i = 0; ok && i < n; i += ENTRIES) {
    const gsize count = MIN (n - i, ENTRIES);

    ok = read_at (file, index->data + i * INDEX_ENTRY, entries, count * INDEX_ENTRY);
    if (ok && i == 0)
      *first = clip_read_32_le (entries + 8);
    for (gsize k = 0; ok && k < count; k++) {
      const guint8 *entry = entries + k * INDEX_ENTRY;

      if (is_video ((const gchar *) entry)
          && (farthest[0] == 0 || clip_read_32_le (entry + 8) > clip_read_32_le (farthest + 8)))
        memcpy (farthest, entry, INDEX_ENTRY);
    }
  }
  g_free (entries);

  return ok;
}

/* Whether there is video behind that of an index. Like avidemux it takes offsets as relative to
 * the list's type if the first one is before the list. */
static gboolean
is_short (Reader *self, const Chunk *index, const Chunk *movie)
{
  guint8 entry[INDEX_ENTRY];
  guint64 first = 0, at;
  Chunk chunk;

  if (!find_farthest (self->file, index, &first, entry))
    return FALSE;
  if (entry[0] == 0)
    return has_video (self, movie->data, movie->end);
  at = clip_read_32_le (entry + 8) + (first < movie->begin ? movie->data - 4 : 0);

  return at >= movie->data && read_chunk (self->file, at, movie->end, &chunk)
      && is (chunk.type, (const gchar *) entry)
      && chunk.end - chunk.data == clip_read_32_le (entry + 12)
      && has_video (self, behind (&chunk), movie->end);
}

/* Whether there is an index of a part at `at`: ix## or, from some programs, ##ix. */
static gboolean
is_part_index (const Reader *self, guint64 at)
{
  guint8 head[8];

  return at < self->size && read_at (self->file, at, head, sizeof head)
      && (!memcmp (head, "ix", 2) || !memcmp (head + 2, "ix", 2))
      && clip_read_32_le (head + 4) <= self->size - at - sizeof head;
}

/* OpenDML 1.02: whether a super index lacks the file's last part, or was not completed. */
static gboolean
is_short_super (const Reader *self, const Chunk *index)
{
  guint8 head[SUPER_HEADER], entry[SUPER_ENTRY];
  guint64 farthest = 0;
  guint32 n;

  if (index->end - index->data < SUPER_HEADER
      || !read_at (self->file, index->data, head, sizeof head))
    return FALSE;
  n = clip_read_32_le (head + 4);
  /* another kind: of chunks */
  if (head[3] != 0 || n > (index->end - index->data - SUPER_HEADER) / SUPER_ENTRY)
    return FALSE;
  for (guint32 i = 0; i < MIN (n, MAX_SUPER_ENTRIES); i++) {
    guint64 at;

    if (!read_at (self->file, index->data + SUPER_HEADER + (guint64) i * SUPER_ENTRY, entry,
            sizeof entry))
      return FALSE;
    at = (guint64) clip_read_32_le (entry + 4) << 32 | clip_read_32_le (entry);
    if (!is_part_index (self, at))
      return TRUE;
    farthest = MAX (farthest, at);
  }

  return n == 0 || farthest < self->last;
}

/* Adds a stream's super index. Only those of video must be complete. */
static void
add_stream (const Reader *self, const Chunk *stream, gboolean is_first, guint *left, Supers *supers)
{
  gboolean video = FALSE, is_short = TRUE;
  gchar type[4];
  Chunk chunk;

  for (guint64 at = stream->data; *left > 0 && read_chunk (self->file, at, stream->end, &chunk);
      at = behind (&chunk), (*left)--)
    if (is (chunk.type, "strh")) {
      video = read_at (self->file, chunk.data, type, sizeof type) && is (type, "vids");
    } else if (is (chunk.type, "indx")) {
      supers->first |= is_first;
      is_short = is_short_super (self, &chunk);
      if (supers->n < G_N_ELEMENTS (supers->supers))
        supers->supers[supers->n++] = chunk.begin;
    }
  supers->is_short |= video && is_short;
}

/* *has_index: the header declares that there is an index. */
static void
read_header (const Reader *self, const Chunk *header, Supers *supers, gboolean *has_index)
{
  guint left = MAX_CHUNKS;
  gboolean is_first = TRUE;
  guint8 flags[4];
  Chunk chunk;

  for (guint64 at = header->data; left > 0 && read_chunk (self->file, at, header->end, &chunk);
      at = behind (&chunk), left--)
    if (is (chunk.list, "strl")) {
      add_stream (self, &chunk, is_first, &left, supers);
      if (left == 0)
        return;
      is_first = FALSE;
    } else if (is (chunk.type, "avih") && chunk.end - chunk.data >= AVIH_FLAGS + sizeof flags) {
      *has_index = read_at (self->file, chunk.data + AVIH_FLAGS, flags, sizeof flags)
          && clip_read_32_le (flags) & AVIF_HASINDEX;
    }
}

/* Finds the last part with video: the movi list need not be the first chunk of a part. */
static void
find_last (Reader *self, guint64 at)
{
  Chunk part, chunk;
  guint n = 0;

  for (; n++ < MAX_CHUNKS && read_chunk (self->file, at, self->size, &part); at = behind (&part))
    if (is (part.list, "AVIX"))
      for (guint64 in = part.data;
          n++ < MAX_CHUNKS && read_chunk (self->file, in, part.end, &chunk); in = behind (&chunk))
        if (is (chunk.list, "movi")) {
          if (has_video (self, chunk.data, chunk.end))
            self->last = part.begin;
          break;
        }
}

void
clip_avi_find (ClipAvi *self, gint file, guint64 size)
{
  Reader reader = { .file = file, .size = size, .left = MAX_VIDEO_CHUNKS };
  Chunk part, chunk, header = { 0 }, movie = { 0 }, index = { 0 };
  Supers supers = { 0 };
  gboolean has_index = FALSE;
  guint n = 0;

  self->n = 0;
  self->scans = FALSE;
  if (!read_chunk (file, 0, size, &part) || !is (part.list, "AVI "))
    return;
  for (guint64 at = part.data; n < MAX_CHUNKS && read_chunk (file, at, part.end, &chunk);
      at = behind (&chunk), n++)
    if (is (chunk.list, "hdrl") && header.data == 0)
      header = chunk;
    else if (is (chunk.list, "movi") && movie.data == 0)
      movie = chunk;
    else if (is (chunk.type, "idx1") && movie.data > 0 && chunk.begin == behind (&movie))
      index = chunk;
  find_last (&reader, behind (&part));
  read_header (&reader, &header, &supers, &has_index);
  if (supers.first && !supers.is_short)
    return;
  has_index &= index.end - index.data >= INDEX_ENTRY;
  if (has_index && (reader.last > 0 || is_short (&reader, &index, &movie))) {
    self->at[self->n++] = index.begin;
    has_index = FALSE;
  }
  for (guint i = 0; supers.first && i < supers.n; i++)
    self->at[self->n++] = supers.supers[i];
  self->scans = !has_index;
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
