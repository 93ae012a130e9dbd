/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipindex.h"

#include <math.h>
#include <string.h>

#include "clipslab.h"

/* Presentation order */

typedef struct {
  GstClockTime time;
  guint32 packet;
} Shown;

static gint
compare_shown (gconstpointer a, gconstpointer b)
{
  const Shown *x = a, *y = b;

  /* timestamps before the container's zero are negative */
  if (x->time != y->time)
    return (gint64) x->time < (gint64) y->time ? -1 : 1;

  return x->packet < y->packet ? -1 : x->packet > y->packet;
}

/* MPEG's B pictures are presented before the picture that precedes them in decoding order. */
static void
order_backward (const ClipIndex *self, Shown *shown, guint n)
{
  for (guint i = 1; i < n; i++) {
    const Shown at = shown[i];

    if (self->packets[at.packet].flags & CLIP_PACKET_BACKWARD) {
      shown[i] = shown[i - 1];
      shown[i - 1] = at;
    }
  }
}

/* A gap this many times the last distance of frames is a pause */
#define PAUSE 8
/* The distance of frames if it is unknown */
#define STEP (GST_SECOND / 25)

/* Interpolates the timestamps of frames in presentation order, of which the container has only
 * some. The first one must be known. Frames before a pause keep the distance of those before
 * them. */
static void
fill_times (Shown *shown, guint n)
{
  guint before = 0, after;
  gdouble step = STEP;

  for (guint i = 0; i < n; i = after) {
    for (after = i + 1; after < n && !GST_CLOCK_TIME_IS_VALID (shown[after].time); after++)
      ;
    if (after < n) {
      gdouble gap = (gint64) (shown[after].time - shown[i].time);

      gap = MAX (gap, 0) / (after - i);
      if (i == 0 || step == 0 || gap < PAUSE * step)
        step = gap;
    }
    for (before = i; i + 1 < after; i++)
      shown[i + 1].time = shown[before].time + (GstClockTime) llround (step * (i + 1 - before));
  }
}

/* A frame whose timestamp is this much less than that of its predecessor starts another file's.
 * The limit is low, because a demuxer may have shifted them until they nearly fit */
#define RESTART (GST_SECOND / 10)

/* Where the timestamps of frames in presentation order restart, as in concatenated files, the
 * rest continues from there. Returns whether they restart anywhere. */
static gboolean
join_times (Shown *shown, guint n)
{
  /* unsigned, since timestamps of damaged files overflow */
  guint64 offset = 0, step = STEP;
  gboolean restarts = FALSE;
  guint before = G_MAXUINT;

  for (guint i = 0; i < n; i++) {
    const guint64 time = shown[i].time;

    if (!GST_CLOCK_TIME_IS_VALID (time))
      continue;
    if (before != G_MAXUINT) {
      const guint64 last = shown[before].time;

      if ((gint64) (time + offset + RESTART) < (gint64) last) {
        offset = last + step * (i - before) - time;
        restarts = TRUE;
      } else if ((gint64) (time + offset) > (gint64) last) {
        step = (time + offset - last) / (i - before);
      }
    }
    shown[i].time = time + offset;
    before = i;
  }

  return restarts;
}

/* Whether the timestamps of a codec that signals presentation order restart. If so, the frames
 * are put in that order. */
static gboolean
is_joined (const ClipIndex *self, Shown *shown, guint n)
{
  Shown *ordered = g_memdup2 (shown, n * sizeof *shown);
  gboolean joined;

  order_backward (self, ordered, n);
  joined = join_times (ordered, n);
  if (joined)
    memcpy (shown, ordered, n * sizeof *shown);
  g_free (ordered);

  return joined;
}

/* Whether the container's PTS are actually DTS, as when the packets of an AVI file were copied
 * to another container: they never go back, though some pictures are presented before the one
 * that precedes them. */
static gboolean
has_decoding_times (const ClipIndex *self, const Shown *shown, guint n)
{
  guint backward = 0;

  for (guint i = 1; i < n; i++) {
    if ((gint64) shown[i].time < (gint64) shown[i - 1].time)
      return FALSE;
    backward += (self->packets[shown[i].packet].flags & CLIP_PACKET_BACKWARD) != 0;
  }

  /* the picture order count may restart a few times, or pictures may be lost */
  return backward > n / 32;
}

/* Puts frames in presentation order and assigns the existing timestamps to them in turn. */
static void
order_with_times (const ClipIndex *self, Shown *shown, guint n)
{
  GstClockTime *times = g_new (GstClockTime, n);

  for (guint i = 0; i < n; i++)
    times[i] = shown[i].time;
  order_backward (self, shown, n);
  for (guint i = 0; i < n; i++)
    shown[i].time = times[i];
  g_free (times);
}

/* Whether a packet has a timestamp of its own, not that of the packet before. */
static gboolean
has_own_time (const ClipIndex *self, guint packet)
{
  return packet == 0 || !(self->packets[packet].flags & CLIP_PACKET_SAME)
      || self->packets[packet].flags & CLIP_PACKET_PART;
}

/* Whether timestamps do not give the order of frames: they are not in decoding order, and some
 * are equal. If so, they are sorted. */
static gboolean
sort_tied_times (Shown *shown, guint n)
{
  gboolean reordered = FALSE, tied = FALSE;
  Shown *ordered;

  for (guint i = 1; i < n; i++)
    reordered |= (gint64) shown[i].time < (gint64) shown[i - 1].time;
  if (!reordered)
    return FALSE;
  ordered = g_memdup2 (shown, n * sizeof *shown);
  qsort (ordered, n, sizeof *ordered, compare_shown);
  for (guint i = 1; i < n; i++)
    tied |= ordered[i].time == ordered[i - 1].time;
  for (guint i = 0; tied && i < n; i++)
    shown[i].time = ordered[i].time;
  g_free (ordered);

  return tied;
}

/* Uses DTS if only some frames have a PTS and their order is unknown: frame by frame, the
 * distances are the same. FALSE: a DTS is missing or goes back. */
static gboolean
take_decoding_times (const ClipIndex *self, Shown *shown, guint n)
{
  for (guint i = 0; i < n; i++) {
    const ClipPacket *p = self->packets + shown[i].packet;

    if (!GST_CLOCK_TIME_IS_VALID (p->dts)
        || (i > 0 && (gint64) p->dts < (gint64) self->packets[shown[i - 1].packet].dts))
      return FALSE;
  }
  for (guint i = 0; i < n; i++)
    shown[i].time = self->packets[shown[i].packet].dts;

  return TRUE;
}

/* Whether MPEG-4 is a packed bitstream of DivX: B pictures are stored with the reference that
 * they need, and a nearly empty packet follows the last one of each group. */
static gboolean
is_packed (ClipCodec codec, const ClipPacket *packets, guint n)
{
  /* packets that are hidden for another reason do not count */
  const guint16 kind =
      CLIP_PACKET_HIDDEN | CLIP_PACKET_LEADING | CLIP_PACKET_BACKWARD | CLIP_PACKET_FIELD;
  gboolean packed = FALSE;

  for (guint i = 1; i < n && codec == CLIP_CODEC_MPEG4; i++)
    if ((packets[i].flags & kind) == CLIP_PACKET_HIDDEN) {
      if (!(packets[i - 1].flags & CLIP_PACKET_BACKWARD))
        return FALSE;
      packed = TRUE;
    }

  return packed;
}

/* Uses the timestamps of AVI chunks. They are in decoding order and not tied to pictures: that
 * of a hidden B picture belongs to another picture. Of two pictures in one chunk only the first
 * has one. */
static void
take_chunk_times (const ClipIndex *self, gboolean packed, Shown *shown, guint n)
{
  /* a parser invents the second one's, a few ns later */
  GstClockTime last = GST_CLOCK_TIME_NONE;

  for (guint i = 0, k = 0; i < self->n_packets && k < n; i++) {
    const ClipPacket *p = self->packets + i;

    if (packed ? last != GST_CLOCK_TIME_NONE && p->dts < last + GST_MSECOND
               : p->flags & CLIP_PACKET_HIDDEN && !(p->flags & CLIP_PACKET_LEADING))
      continue;
    last = p->dts;
    shown[k++].time = p->dts;
  }
}

/* Puts frames in presentation order and sets their timestamps. packed: is_packed(). FALSE: it is
 * unknown which packet is which frame. */
static gboolean
order_part (const ClipIndex *self, ClipCodec codec, gboolean packed, Shown *shown, guint n)
{
  gboolean all_pts = TRUE, any_pts = FALSE,
           known = codec != CLIP_CODEC_H264 && codec != CLIP_CODEC_H265
      && codec != CLIP_CODEC_REORDERED;
  /* other codecs do not mark pictures that are presented before the preceding one */
  const gboolean marked = codec == CLIP_CODEC_MPEG2 || codec == CLIP_CODEC_MPEG4;
  guint own = shown[0].packet, packet = own;

  while (!has_own_time (self, own))
    own--;
  for (guint i = 0; i < n; i++) {
    const ClipPacket *p = self->packets + shown[i].packet;

    for (; packet <= shown[i].packet; packet++)
      if (has_own_time (self, packet))
        own = packet;
    shown[i].time = packed ? p->pts : self->packets[own].pts;
    all_pts &= GST_CLOCK_TIME_IS_VALID (shown[i].time);
    any_pts |= GST_CLOCK_TIME_IS_VALID (shown[i].time);
  }
  if (all_pts && marked && has_decoding_times (self, shown, n)) {
    order_with_times (self, shown, n);
    return TRUE;
  }
  if (all_pts && marked && is_joined (self, shown, n))
    return TRUE;
  /* which pictures are presented in between is not marked */
  if (all_pts && (codec == CLIP_CODEC_H264 || codec == CLIP_CODEC_H265)
      && has_decoding_times (self, shown, n))
    return FALSE;
  if (all_pts) {
    if (!(known && !marked) && sort_tied_times (shown, n)) {
      if (marked)
        order_with_times (self, shown, n);
      return marked;
    }
    qsort (shown, n, sizeof *shown, compare_shown);
    return TRUE;
  }
  if (!known && any_pts && take_decoding_times (self, shown, n))
    return FALSE;
  if (known) {
    order_backward (self, shown, n);
    join_times (shown, n);
  }
  if (any_pts) {
    for (guint i = 0; i < n; i++)
      if (GST_CLOCK_TIME_IS_VALID (shown[i].time)) {
        fill_times (shown + i, n - i);
        for (guint j = i; j-- > 0;)
          shown[j].time =
              shown[j + 1].time - (i + 1 < n ? shown[i + 1].time - shown[i].time : STEP);
        return known;
      }
  }
  take_chunk_times (self, packed, shown, n);
  if (n > 0 && !GST_CLOCK_TIME_IS_VALID (shown[0].time))
    shown[0].time = 0;
  fill_times (shown, n);

  return known;
}

/* The parts of an edit list are presented one after the other. A part's packets begin with those
 * that are needed to decode it, with timestamps from the part before. */
static gboolean
order_frames (const ClipIndex *self, ClipCodec codec, Shown *shown, guint n)
{
  const gboolean packed = is_packed (codec, self->packets, self->n_packets);
  gboolean known = TRUE;

  for (guint from = 0, to = 0, end; from < n; from = to) {
    end = shown[from].packet + 1;
    while (end < self->n_packets && !(self->packets[end].flags & CLIP_PACKET_PART))
      end++;
    while (to < n && shown[to].packet < end)
      to++;
    known &= order_part (self, codec, packed, shown + from, to - from);
  }

  return known;
}

/* Whether a packet is a first field that is not shown, because its second one is missing. */
static gboolean
is_half (const ClipIndex *self, guint packet)
{
  const ClipPacket *p = self->packets + packet;

  return p->flags & CLIP_PACKET_FIELD
      && (packet + 1 == self->n_packets || !(p[1].flags & CLIP_PACKET_SECOND))
      && (self->codec == CLIP_CODEC_H264 || p->flags & CLIP_PACKET_UNUSED);
}

/* The number of frames by which output lags behind decoding. order: [n_packets] position of each
 * packet in presentation order; G_MAXUINT32: none */
static guint
count_delayed (const ClipIndex *self, const guint32 *order)
{
  guint decoded = 0, delayed = 0;

  for (guint i = 0; i < self->n_packets; i++)
    if (order[i] != G_MAXUINT32) {
      if (decoded > order[i])
        delayed = MAX (delayed, decoded - order[i]);
      decoded++;
    }

  return delayed;
}

/* Which frames libavcodec outputs from H.264 that does not begin with an IDR picture. From a
 * frame that is marked as recovered on it outputs all, in presentation order; after an unmarked
 * intra frame, those that are decoded once that frame was output.
 * right: [n], zeroed: flags that make each frame correct; 0: it is not output */
static void
find_right (const ClipIndex *self, guint n, const guint32 *order, guint16 *right)
{
  const guint delayed = count_delayed (self, order);
  guint16 all = 0;
  guint step = 0;

  for (guint i = 0; step < n + delayed; i++) {
    const ClipPacket *p = i < self->n_packets ? self->packets + i : NULL;

    if (p && order[i] == G_MAXUINT32)
      continue;
    if (p && p->flags & CLIP_PACKET_RESET)
      right[order[i]] = all |= CLIP_PACKET_RESET;
    else if (p)
      right[order[i]] =
          all | (p->flags & (CLIP_PACKET_RECOVERED | (delayed ? CLIP_PACKET_INTRA : 0)));
    if (step >= delayed) {
      guint16 *out = right + step - delayed;

      all |= *out;
      *out |= all & CLIP_PACKET_RECOVERED;
    }
    if (p && !delayed)
      all |= p->flags & CLIP_PACKET_INTRA;
    step++;
  }
}

/* libavcodec allocates a frame for each missing reference. From 1.24 on, when one of these is
 * released, GStreamer's element takes the first real frame for finished and loses it; with
 * several threads, any number of frames after it as well. */
gboolean
clip_index_loses_frames (void)
{
  guint major, minor, micro, nano;

  gst_version (&major, &minor, &micro, &nano);

  return major > 1 || minor >= 24;
}

/* Removes frames that H.264's decoder does not output. Packets are not changed: they are stored
 * on disk, and this is repeated for packets that are read from there. Returns the number of
 * frames left. */
static guint
leave_out_wrong (const ClipIndex *self, Shown *shown, guint n)
{
  guint32 *order;
  guint16 *right;
  guint left = 0;

  if (self->codec != CLIP_CODEC_H264 || n == 0 || self->packets[0].flags & CLIP_PACKET_RESET)
    return n;
  order = g_new (guint32, self->n_packets);
  right = g_new0 (guint16, n);
  memset (order, 0xff, self->n_packets * sizeof *order);
  for (guint i = 0; i < n; i++)
    order[shown[i].packet] = i;
  find_right (self, n, order, right);
  /* frames presented before the file's first picture lack a reference */
  for (guint i = 0; i < n && shown[i].packet != 0 && clip_index_loses_frames (); i++)
    right[i] = 0;
  for (guint i = 0; i < n; i++)
    if (right[i])
      shown[left++] = shown[i];
  g_free (order);
  g_free (right);

  return left;
}

/* Removes frames that an edit list cuts off, which are decoded all the same. Returns the number
 * of frames left. */
static guint
leave_out_outside (const ClipIndex *self, Shown *shown, guint n)
{
  guint left = 0;

  for (guint i = 0; i < n; i++)
    if (!(self->packets[shown[i].packet].flags & CLIP_PACKET_OUTSIDE))
      shown[left++] = shown[i];

  return left;
}

/* Whether libavcodec's decoder outputs nothing before the first START, because references are
 * missing. For H.264 with timestamps leave_out_wrong() is more precise. */
static gboolean
lacks_early (ClipCodec codec, const ClipPacket *packets, guint n)
{
  gboolean timed = FALSE;

  for (guint i = 0; i < n; i++)
    timed |= GST_CLOCK_TIME_IS_VALID (packets[i].pts);

  return codec == CLIP_CODEC_H265 || codec == CLIP_CODEC_VP8 || codec == CLIP_CODEC_VP9
      || (codec == CLIP_CODEC_H264 && !timed);
}

/* Whether MPEG-4's last packet is the second one of two in a packed bitstream. libavcodec
 * outputs it with the next packet, which never comes. */
static gboolean
ends_packed (ClipCodec codec, const ClipPacket *packets, guint n)
{
  return n >= 2 && packets[n - 1].flags & CLIP_PACKET_BACKWARD
      && !(packets[n - 2].flags & (CLIP_PACKET_BACKWARD | CLIP_PACKET_HIDDEN))
      && is_packed (codec, packets, n);
}

/* Whether it is unknown which frames the decoder outputs: for H.264 whose timestamps do not give
 * the order, and for MPEG-4 with B pictures, where libavcodec makes up a reference and outputs
 * it with the timestamp of the first picture. */
static gboolean
is_headless (const ClipIndex *self, gboolean known)
{
  gboolean backward = FALSE, timed = FALSE;

  for (guint i = 0; i < self->n_packets; i++) {
    backward |= (self->packets[i].flags & CLIP_PACKET_BACKWARD) != 0;
    timed |= GST_CLOCK_TIME_IS_VALID (self->packets[i].pts);
  }
  if (self->codec == CLIP_CODEC_H264)
    return timed && !known && !(self->packets[0].flags & CLIP_PACKET_RESET);
  for (guint i = 0; backward && self->codec == CLIP_CODEC_MPEG4 && i < self->n_packets; i++)
    if (!(self->packets[i].flags & CLIP_PACKET_HIDDEN))
      return !(self->packets[i].flags & CLIP_PACKET_START);

  return FALSE;
}

ClipIndex *
clip_index_new (const gchar *stream, ClipCodec codec, const ClipPacket *packets, guint n)
{
  const gsize stream_bytes = strlen (stream) + 1;
  ClipIndex *self = clip_slab_alloc (sizeof *self
      + n
          * (sizeof *self->packets + sizeof *self->times + sizeof *self->frames
              + sizeof *self->ranks)
      + stream_bytes);
  Shown *shown = g_new (Shown, MAX (n, 1));
  const gboolean early = lacks_early (codec, packets, n);
  gboolean closed = FALSE;
  gint64 last;
  guint8 layer = 0;
  guint frames = 0, starts = 0;

  self->refcount = 1;
  self->codec = codec;
  self->n_packets = n;
  self->packets = (ClipPacket *) (self + 1);
  self->times = (GstClockTime *) (self->packets + n);
  self->frames = (guint32 *) (self->times + n);
  self->ranks = self->frames + n;
  self->stream = (gchar *) (self->ranks + n);
  memcpy (self->stream, stream, stream_bytes);
  if (n > 0)
    memcpy (self->packets, packets, n * sizeof *packets);
  for (guint i = 0; i < n; i++)
    layer = MAX (layer, packets[i].layer);
  for (guint i = 0; i < n; i++) {
    ClipPacket *p = self->packets + i;

    if (p->layer < layer)
      p->flags &= ~CLIP_PACKET_UNUSED;
    /* a part is decoded from its own start, unless it continues where the part before ended */
    if (p->flags & CLIP_PACKET_PART && p->flags & CLIP_PACKET_START && codec == CLIP_CODEC_H265)
      starts = 0;
    if (p->flags & CLIP_PACKET_START
        || (codec == CLIP_CODEC_H265 && p->flags & CLIP_PACKET_RECOVERED)) {
      starts++;
      closed = (p->flags & CLIP_PACKET_RESET) != 0;
    }
    if ((starts == 0 && early) || (p->flags & CLIP_PACKET_LEADING && (starts < 2 || closed))
        || is_half (self, i) || (i + 1 == n && ends_packed (codec, packets, n)))
      p->flags |= CLIP_PACKET_HIDDEN;
    self->ranks[i] = G_MAXUINT32;
    if (!(p->flags & CLIP_PACKET_HIDDEN))
      shown[frames++].packet = i;
  }
  self->counted = !order_frames (self, codec, shown, frames) || codec == CLIP_CODEC_GIF;
  self->headless = n > 0 && frames == 0;
  if (frames > 0) {
    if (is_headless (self, !self->counted))
      frames = 0;
    else if (!self->counted)
      frames = leave_out_wrong (self, shown, frames);
    self->headless = frames == 0;
  }
  frames = leave_out_outside (self, shown, frames);
  self->n_frames = frames;
  last = frames > 0 ? (gint64) shown[0].time : 0;
  for (guint i = 0; i < frames; i++) {
    self->frames[i] = shown[i].packet;
    self->ranks[shown[i].packet] = i;
    last = MAX (last, (gint64) shown[i].time);
    self->times[i] = (guint64) last - shown[0].time;
  }
  g_free (shown);

  return self;
}

ClipIndex *
clip_index_ref (ClipIndex *self)
{
  g_atomic_int_inc (&self->refcount);

  return self;
}

void
clip_index_unref (ClipIndex *self)
{
  if (g_atomic_int_dec_and_test (&self->refcount))
    clip_slab_free (self);
}

/* Queries */

gsize
clip_index_bytes (const ClipIndex *self)
{
  return sizeof *self
      + self->n_packets
      * (sizeof *self->packets + sizeof *self->times + sizeof *self->frames + sizeof *self->ranks)
      + strlen (self->stream) + 1;
}

/* The first frame at or after `seconds`. */
static guint
frame_at (const ClipIndex *self, gdouble seconds)
{
  const gdouble ns = seconds * GST_SECOND - CLIP_INDEX_TOLERANCE;
  guint low = 0, high = self->n_frames;

  while (low < high) {
    const guint middle = low + (high - low) / 2;

    if ((gdouble) self->times[middle] < ns)
      low = middle + 1;
    else
      high = middle;
  }

  return low;
}

guint
clip_index_segment (const ClipIndex *self, gdouble start, gdouble end, guint *first)
{
  const guint from = frame_at (self, MAX (start, 0));
  const guint to = frame_at (self, end);

  *first = from;

  return to > from ? to - from : 0;
}

guint
clip_index_frames (
    const ClipIndex *self, gdouble start, gdouble end, guint *first, gdouble *from, gdouble *to)
{
  const guint behind = MIN (end, self->n_frames);

  *first = MIN (start, self->n_frames);
  if (*first >= behind)
    return 0;
  *from = *first > 0 ? (gdouble) self->times[*first] / GST_SECOND : 0;
  *to = behind < self->n_frames ? (gdouble) self->times[behind] / GST_SECOND : INFINITY;

  return behind - *first;
}

guint
clip_index_before (const ClipIndex *self, guint packet)
{
  const GstClockTime pts = self->packets[packet].pts;
  guint low = 0, high = 0;

  /* of the packet's part */
  for (guint i = 0; i < self->n_packets; i++) {
    if (self->packets[i].flags & CLIP_PACKET_PART) {
      if (i > packet)
        break;
      low = high;
    }
    high += self->ranks[i] != G_MAXUINT32;
  }
  if (self->n_frames == 0 || !GST_CLOCK_TIME_IS_VALID (self->packets[self->frames[0]].pts))
    return G_MAXUINT;
  if (!GST_CLOCK_TIME_IS_VALID (pts))
    return low;
  while (low < high) {
    const guint middle = low + (high - low) / 2;

    if ((gint64) (self->packets[self->frames[0]].pts + self->times[middle]) <= (gint64) pts)
      low = middle + 1;
    else
      high = middle;
  }

  return low;
}

GstClockTime
clip_index_duration (const ClipIndex *self, guint frame)
{
  if (self->n_frames < 2)
    return GST_CLOCK_TIME_NONE;
  frame = MIN (frame, self->n_frames - 2);

  return self->times[frame + 1] - self->times[frame];
}

GstClockTime
clip_index_seek_time (const ClipIndex *self, guint packet)
{
  const ClipPacket *p = self->packets + packet;

  return GST_CLOCK_TIME_IS_VALID (p->pts) ? p->pts : GST_CLOCK_TIME_IS_VALID (p->dts) ? p->dts : 0;
}

gint64
clip_index_find (const ClipIndex *self, GstClockTime pts, GstClockTime dts)
{
  gint64 found = -1;

  if (!GST_CLOCK_TIME_IS_VALID (pts) && !GST_CLOCK_TIME_IS_VALID (dts))
    return -1;
  for (guint i = 0; i < self->n_packets; i++)
    if (self->packets[i].pts == pts && self->packets[i].dts == dts) {
      if (found >= 0)
        return -1;
      found = i;
    }

  return found;
}
