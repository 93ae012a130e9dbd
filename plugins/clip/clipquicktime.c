/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipquicktime.h"
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
 * presented after its decoding time; in the track's timescale. */
static guint64
find_samples_end (const Box *media)
{
  Box information, table, times, offsets;
  guint64 end = 0;
  gint32 later = 0;

  if (!find_box (media, "minf", &information) || !find_box (&information, "stbl", &table)
      || !find_box (&table, "stts", &times))
    return 0;
  for (gsize at = 8; at + 8 <= times.size && end <= MAX_TICKS; at += 8)
    end += (guint64) clip_read_32_be (times.data + at) * clip_read_32_be (times.data + at + 4);
  if (find_box (&table, "ctts", &offsets))
    for (gsize at = 8; at + 8 <= offsets.size; at += 8)
      later = MAX (later, (gint32) clip_read_32_be (offsets.data + at + 4));

  return end + later;
}

/* A duration of 0 is unknown, as that of a fragmented file. TRUE: it was changed. */
static gboolean
lengthen (guint8 *duration, gboolean is_long, guint64 end)
{
  const guint64 declared = is_long ? clip_read_64_be (duration) : clip_read_32_be (duration);

  if (declared == 0 || declared >= end || (!is_long && end >= G_MAXUINT32))
    return FALSE;
  if (is_long)
    clip_write_64_be (duration, end);
  else
    clip_write_32_be (duration, end);

  return TRUE;
}

/* 8.6.6: the end of a track's edit list by the track's clock, in the movie's timescale. Empty
 * edits, whose media_time is negative, come first. Without a list the track is lengthened to the
 * end of its samples. *changed is set if it was. */
static guint64
find_end (const Box *track, guint32 movie_scale, gboolean *changed)
{
  Box media, header, edits, list;
  guint64 shown = 0, end = 0;
  guint32 scale;
  guint8 *duration;
  gboolean is_long;

  if (!find_box (track, "mdia", &media) || !find_box (&media, "mdhd", &header)
      || !read_clock (&header, &scale, &duration, &is_long))
    return 0;
  if (!find_box (track, "edts", &edits)) {
    end = find_samples_end (&media);
    if (end > MAX_TICKS)
      return 0;
    *changed |= lengthen (duration, is_long, end);
    return gst_util_uint64_scale_ceil (end, movie_scale, scale);
  }
  if (!find_box (&edits, "elst", &list) || list.size < 8)
    return 0;
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
 * file's only one, which is as short if it starts late or the sound is longer, is lengthened. TRUE:
 * it was. */
static gboolean
lengthen_short (const Box *movie, guint32 movie_scale, guint64 movie_duration)
{
  Box box, track, media, header;
  guint n_tracks = 0;
  guint32 scale;
  guint8 *duration;
  gboolean is_long;

  for (gsize at = 0; next_box (movie, &at, &box);)
    if (box.type == clip_read_32_be ("trak") && find_video_entry (&box)) {
      track = box;
      n_tracks++;
    }
  if (n_tracks != 1 || movie_duration > MAX_TICKS || !find_box (&track, "mdia", &media)
      || !find_box (&media, "mdhd", &header) || !read_clock (&header, &scale, &duration, &is_long))
    return FALSE;

  return lengthen (duration, is_long,
      gst_util_uint64_scale_ceil (movie_duration, scale, (guint64) movie_scale * 4));
}

gboolean
clip_quicktime_lengthen (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, header, box;
  guint64 end = 0;
  guint32 scale;
  guint8 *duration;
  gboolean is_long, changed = FALSE;
  gsize at = 0;

  if (!next_box (&file, &at, &movie) || movie.type != clip_read_32_be ("moov")
      || !find_box (&movie, "mvhd", &header) || !read_clock (&header, &scale, &duration, &is_long))
    return FALSE;
  for (at = 0; next_box (&movie, &at, &box);)
    if (box.type == clip_read_32_be ("trak"))
      end = MAX (end, find_end (&box, scale, &changed));

  changed |= lengthen (duration, is_long, end);

  return lengthen_short (
             &movie, scale, is_long ? clip_read_64_be (duration) : clip_read_32_be (duration))
      || changed;
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

/* Whether no track has an edit box, 8.6.5, as far as the movie's box is not compressed. */
static gboolean
is_unedited (guint8 *data, gsize size)
{
  Box file = { .data = data, .size = size }, movie, box, edits;
  gsize at = 0;

  if (!next_box (&file, &at, &movie) || find_box (&movie, "cmov", &box))
    return FALSE;
  for (at = 0; next_box (&movie, &at, &box);)
    if (box.type == clip_read_32_be ("trak") && find_box (&box, "edts", &edits))
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
    if (is_unedited (map.data, map.size))
      g_atomic_int_set (&file->unedited, 1);
    gst_buffer_unmap (buffer, &map);
  }

  return GST_PAD_PROBE_OK;
}
