/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipquicktime.h"

#include <math.h>

#include "clipbytes.h"

/* Limit on the duration of a movie */
#define MAX_TICKS (G_GUINT64_CONSTANT (1) << 48)

/* The content of a box: ISO/IEC 14496-12 4.2. */
typedef struct {
  guint32 type;
  guint8 *data;
  gsize size;
} Box;

/* The next child of a box; FALSE: there are no more, or the rest is truncated. */
static gboolean
next_box (const Box *in, gsize *at, Box *box)
{
  const gsize left = in->size - *at;
  guint8 *const data = in->data + *at;
  guint64 length;
  gsize header = 8;

  if (left < header)
    return FALSE;
  length = clip_read_32_be (data);
  if (length == 1) {
    header = 16;
    length = left < header ? 0 : clip_read_64_be (data + 8);
  }
  if (length < header || length > left)
    return FALSE;
  box->type = clip_read_32_be (data + 4);
  box->data = data + header;
  box->size = length - header;
  *at += length;

  return TRUE;
}

/* The first child of this type; FALSE: there is none. */
static gboolean
find_box (const Box *in, const gchar *type, Box *box)
{
  for (gsize at = 0; next_box (in, &at, box);)
    if (box->type == clip_read_32_be (type))
      return TRUE;

  return FALSE;
}

/* 8.2.2, 8.4.2: the timescale, and where the duration is, in 8 bytes or 4. */
static gboolean
read_clock (const Box *header, guint32 *scale, guint8 **duration, gboolean *is_long)
{
  gsize at;

  if (header->size < 20)
    return FALSE;
  *is_long = header->data[0] == 1;
  at = *is_long ? 20 : 12;
  if (header->size < at + 12)
    return FALSE;
  *scale = clip_read_32_be (header->data + at);
  *duration = header->data + at + 4;

  return *scale > 0;
}

/* 8.6.1.2, 8.6.1.3: the sum of the samples' durations, and the farthest time that one of them is
 * presented after its decoding time; in the track's timescale. A last sample without a duration is
 * before the end, too. */
static guint64
find_samples_end (const Box *media)
{
  Box information, table, times, offsets;
  guint64 end = 0;
  guint32 last = 1;
  gint32 later = 0;

  if (!find_box (media, "minf", &information) || !find_box (&information, "stbl", &table)
      || !find_box (&table, "stts", &times))
    return 0;
  for (gsize at = 8; at + 8 <= times.size && end <= MAX_TICKS; at += 8) {
    last = clip_read_32_be (times.data + at + 4);
    end += (guint64) clip_read_32_be (times.data + at) * last;
  }
  if (find_box (&table, "ctts", &offsets))
    for (gsize at = 8; at + 8 <= offsets.size; at += 8)
      later = MAX (later, (gint32) clip_read_32_be (offsets.data + at + 4));

  return end + later + (last == 0);
}

/* 8.2.2: all ones */
static gboolean
is_unknown (const guint8 *duration, gboolean is_long)
{
  return is_long ? clip_read_64_be (duration) == G_MAXUINT64
                 : clip_read_32_be (duration) == G_MAXUINT32;
}

/* 0: unknown, as in a fragmented file */
static guint64
read_duration (const guint8 *duration, gboolean is_long)
{
  if (is_unknown (duration, is_long))
    return 0;

  return is_long ? clip_read_64_be (duration) : clip_read_32_be (duration);
}

static void
write_duration (guint8 *duration, gboolean is_long, guint64 value)
{
  if (is_long)
    clip_write_64_be (duration, value);
  else
    clip_write_32_be (duration, value);
}

/* Unknown durations are kept. TRUE: it was changed. */
static gboolean
lengthen (guint8 *duration, gboolean is_long, guint64 end)
{
  const guint64 declared = read_duration (duration, is_long);

  if (declared == 0 || declared >= end || (!is_long && end >= G_MAXUINT32))
    return FALSE;
  write_duration (duration, is_long, end);

  return TRUE;
}

/* 8.6.5, 8.6.6: a track's edit list; FALSE: there is none, or an empty one. */
static gboolean
find_edits (const Box *track, Box *list)
{
  Box edits;

  return find_box (track, "edts", &edits) && find_box (&edits, "elst", list) && list->size >= 8
      && clip_read_32_be (list->data + 4) > 0;
}

/* The end of a track's edit list by the track's clock, in the movie's timescale. Empty edits,
 * whose media_time is negative, come first. Without a list the track is lengthened to the end of
 * its samples, as one whose duration is missing. *changed is set if it was. */
static guint64
find_end (const Box *track, guint32 movie_scale, gboolean is_fragmented, gboolean *changed)
{
  Box media, header, list;
  guint64 shown = 0, end = 0, samples;
  guint32 scale;
  guint8 *duration;
  gboolean is_long;

  if (!find_box (track, "mdia", &media) || !find_box (&media, "mdhd", &header)
      || !read_clock (&header, &scale, &duration, &is_long))
    return 0;
  samples = find_samples_end (&media);
  if (samples > MAX_TICKS)
    return 0;
  if (read_duration (duration, is_long) == 0 && samples > 0 && samples < G_MAXUINT32
      && !is_fragmented) {
    write_duration (duration, is_long, samples);
    *changed = TRUE;
  }
  if (!find_edits (track, &list)) {
    *changed |= lengthen (duration, is_long, samples);
    return gst_util_uint64_scale_ceil (samples, movie_scale, scale);
  }
  is_long = list.data[0] == 1;
  for (gsize at = 8, n = is_long ? 20 : 12; at + n <= list.size; at += n) {
    const guint8 *edit = list.data + at;
    const guint64 length = is_long ? clip_read_64_be (edit) : clip_read_32_be (edit);
    const gint64 start =
        is_long ? (gint64) clip_read_64_be (edit + 8) : (gint32) clip_read_32_be (edit + 4);
    const guint64 behind = start < 0 ? 0 : gst_util_uint64_scale_ceil (start, movie_scale, scale);

    if (length > MAX_TICKS || behind > MAX_TICKS)
      return 0;
    shown = MIN (shown + length, MAX_TICKS);
    if (start >= 0)
      end = MAX (end, shown + behind);
  }

  return end;
}

/* 8.4.3, 8.5.2, 8.12: the type of a video track's sample entry, which has another name if it is
 * encrypted. Apple's own name is older. 0: not a video track. */
static guint32
find_video_entry (const Box *track)
{
  Box media, handler, information, table, entries;

  if (!find_box (track, "mdia", &media) || !find_box (&media, "hdlr", &handler) || handler.size < 12
      || clip_read_32_be (handler.data + 8) != clip_read_32_be ("vide")
      || !find_box (&media, "minf", &information) || !find_box (&information, "stbl", &table)
      || !find_box (&table, "stsd", &entries) || entries.size < 16)
    return 0;

  return clip_read_32_be (entries.data + 12);
}

/* qtdemux takes a video track of less than a fifth of the movie for a preview and leaves it out. A
 * file's only one, which is as short if it starts late or the sound is longer, is lengthened. Where
 * its duration is unknown, or has too few bits, the movie's becomes unknown. TRUE: one of them was
 * changed. */
static gboolean
lengthen_short (
    const Box *movie, guint32 movie_scale, guint8 *movie_duration, gboolean movie_is_long)
{
  const guint64 whole = read_duration (movie_duration, movie_is_long);
  Box box, track, media, header;
  guint n_tracks = 0;
  guint32 scale;
  guint8 *duration;
  guint64 quarter;
  gboolean is_long;

  for (gsize at = 0; next_box (movie, &at, &box);)
    if (box.type == clip_read_32_be ("trak") && find_video_entry (&box)) {
      track = box;
      n_tracks++;
    }
  if (n_tracks != 1 || !find_box (&track, "mdia", &media) || !find_box (&media, "mdhd", &header)
      || !read_clock (&header, &scale, &duration, &is_long))
    return FALSE;
  quarter = gst_util_uint64_scale_ceil (whole, scale, (guint64) movie_scale * 4);
  if (read_duration (duration, is_long) >= quarter)
    return FALSE;
  if (whole > MAX_TICKS || quarter > MAX_TICKS || !lengthen (duration, is_long, quarter))
    write_duration (movie_duration, movie_is_long, 0);

  return TRUE;
}

gboolean
clip_quicktime_lengthen (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, header, box;
  guint64 end = 0;
  guint32 scale;
  guint8 *duration;
  gboolean is_long, is_fragmented, changed = FALSE;
  gsize at = 0;

  if (!next_box (&file, &at, &movie) || movie.type != clip_read_32_be ("moov")
      || !find_box (&movie, "mvhd", &header) || !read_clock (&header, &scale, &duration, &is_long))
    return FALSE;
  is_fragmented = find_box (&movie, "mvex", &box);
  for (at = 0; next_box (&movie, &at, &box);)
    if (box.type == clip_read_32_be ("trak"))
      end = MAX (end, find_end (&box, scale, is_fragmented, &changed));

  changed |= lengthen (duration, is_long, end);
  if (is_unknown (duration, is_long)) {
    write_duration (duration, is_long, 0);
    changed = TRUE;
  }

  return (!is_fragmented && lengthen_short (&movie, scale, duration, is_long)) || changed;
}

gboolean
clip_quicktime_is_encrypted (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, box;
  gboolean encrypted = FALSE;
  gsize at = 0;

  if (!next_box (&file, &at, &movie))
    return FALSE;
  for (at = 0; next_box (&movie, &at, &box);) {
    const guint32 entry = box.type == clip_read_32_be ("trak") ? find_video_entry (&box) : 0;

    if (entry == clip_read_32_be ("encv") || entry == clip_read_32_be ("drmi"))
      encrypted = TRUE;
    else if (entry)
      return FALSE;
  }

  return encrypted;
}

/* Whether no track has an edit list, as far as the movie's box is not compressed. */
static gboolean
is_unedited (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, box, list;
  gsize at = 0;

  if (!next_box (&file, &at, &movie) || find_box (&movie, "cmov", &box))
    return FALSE;
  for (at = 0; next_box (&movie, &at, &box);)
    if (box.type == clip_read_32_be ("trak") && find_edits (&box, &list))
      return FALSE;

  return TRUE;
}

/* Movie extends box: 8.8.1. */
static gboolean
is_fragmented (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, box;
  gsize at = 0;

  return next_box (&file, &at, &movie) && find_box (&movie, "mvex", &box);
}

/* Whether clip_quicktime_lengthen() has seen all samples: no box is compressed, and there are no
 * fragments. */
static gboolean
is_exact (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, box;
  gsize at = 0;

  return next_box (&file, &at, &movie) && !find_box (&movie, "cmov", &box)
      && !find_box (&movie, "mvex", &box);
}

/* A, b, c and d of a matrix (6.2.2), which turns (x, y) into (ax + cy, bx + dy) */
typedef struct {
  gdouble a, b, c, d;
} Matrix;

typedef struct {
  guint32 track;
  GstVideoOrientationMethod method;
} Turn;

/* 8.2.2, 8.3.2; long_at: where it is in a header with long times. One of zeros means nothing. */
static gboolean
read_matrix (const Box *header, gsize at, gsize long_at, Matrix *m)
{
  const guint8 *data;

  if (header->size > 0 && header->data[0] == 1)
    at = long_at;
  if (header->size < at + 36)
    return FALSE;
  data = header->data + at;
  m->a = (gint32) clip_read_32_be (data);
  m->b = (gint32) clip_read_32_be (data + 4);
  m->c = (gint32) clip_read_32_be (data + 12);
  m->d = (gint32) clip_read_32_be (data + 16);
  if (m->a == 0 && m->b == 0 && m->c == 0 && m->d == 0)
    m->a = m->d = 1;

  return TRUE;
}

static Matrix
multiply (const Matrix *first, const Matrix *then)
{
  return (Matrix) {
    .a = first->a * then->a + first->b * then->c,
    .b = first->a * then->b + first->b * then->d,
    .c = first->c * then->a + first->d * then->c,
    .d = first->c * then->b + first->d * then->d,
  };
}

/* Like FFmpeg, about a degree off counts as a quarter turn. Other angles are not turned. */
static GstVideoOrientationMethod
orientation_of (const Matrix *m)
{
  const gdouble straight = fabs (m->a) + fabs (m->d), across = fabs (m->b) + fabs (m->c);

  if (across < straight / 64 && m->a != 0 && m->d != 0)
    return m->a > 0 ? (m->d > 0 ? GST_VIDEO_ORIENTATION_IDENTITY : GST_VIDEO_ORIENTATION_VERT)
                    : (m->d > 0 ? GST_VIDEO_ORIENTATION_HORIZ : GST_VIDEO_ORIENTATION_180);
  if (straight < across / 64 && m->b != 0 && m->c != 0)
    return m->b > 0 ? (m->c > 0 ? GST_VIDEO_ORIENTATION_UL_LR : GST_VIDEO_ORIENTATION_90R)
                    : (m->c > 0 ? GST_VIDEO_ORIENTATION_90L : GST_VIDEO_ORIENTATION_UR_LL);

  return GST_VIDEO_ORIENTATION_IDENTITY;
}

GArray *
clip_quicktime_turns (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, box, header;
  GArray *turns;
  Matrix whole, own;
  gsize at = 0;

  if (!next_box (&file, &at, &movie) || !find_box (&movie, "mvhd", &header)
      || !read_matrix (&header, 36, 48, &whole))
    return NULL;
  turns = g_array_new (FALSE, FALSE, sizeof (Turn));
  for (at = 0; next_box (&movie, &at, &box);)
    if (box.type == clip_read_32_be ("trak") && find_box (&box, "tkhd", &header)
        && read_matrix (&header, 40, 52, &own)) {
      const Matrix both = multiply (&own, &whole);
      const Turn turn = {
        .track = clip_read_32_be (header.data + (header.data[0] == 1 ? 20 : 12)),
        .method = orientation_of (&both),
      };

      g_array_append_val (turns, turn);
    }

  return turns;
}

gboolean
clip_quicktime_orientation (ClipQuicktime *file, guint64 track, GstVideoOrientationMethod *method)
{
  const GArray *turns = g_atomic_pointer_get (&file->turns);

  for (guint i = 0; turns && i < turns->len; i++) {
    const Turn *turn = &g_array_index (turns, Turn, i);

    if (turn->track == track) {
      *method = turn->method;
      return TRUE;
    }
  }

  return FALSE;
}

void
clip_quicktime_clear (ClipQuicktime *file)
{
  g_clear_pointer (&file->turns, g_array_unref);
}

/* Only the first movie's are kept. */
static void
set_turns (ClipQuicktime *file, GArray *turns)
{
  if (turns && !g_atomic_pointer_compare_and_exchange (&file->turns, NULL, turns))
    g_array_unref (turns);
}

GstPadProbeReturn
clip_quicktime_watch (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  ClipQuicktime *file = data;
  guint8 type[4];
  GstMapInfo map;

  if (gst_buffer_extract (buffer, 4, type, 4) < 4
      || clip_read_32_be (type) != clip_read_32_be ("moov"))
    return GST_PAD_PROBE_OK;
  info->data = buffer = gst_buffer_make_writable (buffer);
  if (gst_buffer_map (buffer, &map, GST_MAP_READWRITE)) {
    clip_quicktime_lengthen (map.data, map.size);
    if (clip_quicktime_is_encrypted (map.data, map.size))
      g_atomic_int_set (&file->encrypted, 1);
    if (is_fragmented (map.data, map.size))
      g_atomic_int_set (&file->fragmented, 1);
    if (is_exact (map.data, map.size))
      g_atomic_int_set (&file->exact, 1);
    if (is_unedited (map.data, map.size))
      g_atomic_int_set (&file->unedited, 1);
    set_turns (file, clip_quicktime_turns (map.data, map.size));
    gst_buffer_unmap (buffer, &map);
  }

  return GST_PAD_PROBE_OK;
}
