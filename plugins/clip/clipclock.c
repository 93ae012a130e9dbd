/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipclock.h"

#include <string.h>

#include "cliplinks.h"

/* Timestamps that differ by less are equal but for rounding */
#define NEAR (2 * GST_MSECOND)
/* Packets come in decoding order. A clock that goes back by more than this was reset, as in
 * concatenated files. */
#define RESTART (GST_SECOND / 2)
/* A clock ends this far from zero, in ns: those of damaged files would overflow */
#define FARTHEST (G_MAXINT64 / 4)

/* Video File Format Specification 10, annex E.4.1. A demuxer reads a tag's type and size first,
 * then the rest of its header, its data and its size again. */
#define TAG_KIND 4
#define TAG_REST 7
#define TAG_TAIL 4
#define TAG_VIDEO 9
#define TAG_H264 7
#define FLV_STREAM 0

/* Bytes of an Ogg page up to the end of its serial number */
#define PAGE_HEAD 18

/* A transport stream packet. Recordings may have a timestamp of four bytes before each. */
#define TS_BYTES 188
#define TS_BEFORE 4
#define TS_SYNC 0x47
/* ISO/IEC 13818-2 6.2.1 */
#define PICTURE_START 0x00
#define SEQUENCE_START 0xb3
/* Bytes of a PES packet up to the end of its timestamps */
#define PES_BYTES 19
/* tsdemux ignores a PTS that is farther from the DTS */
#define TS_FAR (5 * GST_SECOND)

/* The time of a packet that the demuxer has not output yet. time: DTS in ticks; later: PTS - DTS
 * in ticks, if the demuxer may lose it; otherwise 0. */
typedef struct {
  guint64 time;
  gint64 later;
} PacketTime;

/* ISO/IEC 13818-1 2.4.3.7: 33 bits at 90 kHz. FLV: 32 bits in milliseconds. */
typedef struct {
  guint bits;
  guint rate;
  GArray *pending; /* of PacketTime: packets not output yet */
  guint64 at;      /* position in the file of the last one of these */
  guint64 packets; /* since the clock started; 0: none was output */
  guint64 last;    /* `time` of the last packet that was output */
  gint64 ticks;    /* the same, since the clock started */
  gint64 zero;     /* the time at which the clock started, ns */
} Clock;

struct _ClipClocks {
  GHashTable *clocks; /* stream -> Clock */
  gsize tag;          /* bytes of the video tag that is read next; or 0 */
  guint64 raw;        /* packets of a demuxer that outputs timestamps unchanged */
  GstBuffer *read[2]; /* the last two buffers read of a transport stream or of Ogg */
  guint64 read_at[2];
  GHashTable *early; /* serial numbers of Ogg streams with pages before zero */
  gint is_early;     /* one of these has video; atomic */
};

/* raw:    the demuxer outputs the file's timestamps, and there is no other source for them
 * begins: MPEG-1 or 2 before its first sequence header; tail: end of the last buffer then
 * joins:  continue after a clock that was reset. For codecs that signal the order of their
 *        pictures the index does so, as it has all of them. */
typedef struct {
  ClipClocks *clocks;
  guint stream;
  gboolean raw, joins, begins;
  GstBuffer *tail;
} Stream;

/* end: of the last packet, ns */
typedef struct {
  ClipClocks *clocks;
  guint serial;
  GstClockTime end;
} Follower;

static void
clock_free (gpointer data)
{
  Clock *clock = data;

  g_array_unref (clock->pending);
  g_free (clock);
}

ClipClocks *
clip_clocks_new (void)
{
  ClipClocks *self = g_new0 (ClipClocks, 1);

  self->clocks = g_hash_table_new_full (NULL, NULL, NULL, clock_free);
  self->early = g_hash_table_new (NULL, NULL);

  return self;
}

void
clip_clocks_free (ClipClocks *self)
{
  g_hash_table_unref (self->clocks);
  g_hash_table_unref (self->early);
  gst_clear_buffer (&self->read[0]);
  gst_clear_buffer (&self->read[1]);
  g_free (self);
}

/* The demuxer may hold back several packets until it outputs the first one. After that, packets
 * still pending were dropped. */
static void
add_time (ClipClocks *self, guint stream, guint bits, guint rate, guint64 at, PacketTime packet)
{
  Clock *clock = g_hash_table_lookup (self->clocks, GUINT_TO_POINTER (stream));

  if (!clock) {
    clock = g_new0 (Clock, 1);
    clock->bits = bits;
    clock->rate = rate;
    clock->pending = g_array_new (FALSE, FALSE, sizeof (PacketTime));
    g_hash_table_insert (self->clocks, GUINT_TO_POINTER (stream), clock);
  }
  /* the PTS of a packet follows its DTS */
  if (clock->pending->len > 0 && at == clock->at)
    return;
  clock->at = at;
  if (clock->packets > 0)
    g_array_set_size (clock->pending, 0);
  g_array_append_val (clock->pending, packet);
}

static gint64
in_ns (const Clock *clock, gint64 ticks)
{
  const gint64 rate = clock->rate;

  return ticks / rate * (gint64) GST_SECOND + ticks % rate * (gint64) GST_SECOND / rate;
}

static gint64
in_time (const Clock *clock, gint64 ticks)
{
  return clock->zero + in_ns (clock, ticks);
}

/* `to` - `from` for a counter of this many bits that may wrap. */
static gint64
distance (guint bits, guint64 from, guint64 to)
{
  return (gint64) ((to - from) << (64 - bits)) >> (64 - bits);
}

/* The time of the next packet by the file's clock, in ns. If the clock was reset, as in
 * concatenated files, and `joins` is set, the packet follows the last one at the average
 * distance of packets. start: the demuxer's DTS of the packet, ns; 0: unknown */
static gint64
next_time (Clock *clock, gint64 start, gboolean joins)
{
  const guint64 now = g_array_index (clock->pending, PacketTime, 0).time;
  /* the counter may have wrapped */
  const gint64 ticks = distance (clock->bits, clock->last, now);
  const gint64 farthest = FARTHEST / GST_SECOND * clock->rate;

  g_array_remove_index (clock->pending, 0);
  clock->last = now;
  if (clock->packets > 0
      && (!joins || ticks >= -(gint64) gst_util_uint64_scale (RESTART, clock->rate, GST_SECOND))) {
    clock->ticks = CLAMP (clock->ticks + ticks, -farthest, farthest);
  } else {
    if (clock->packets > 0)
      clock->zero = in_time (clock,
          clock->ticks + (clock->packets > 1 ? clock->ticks / (gint64) (clock->packets - 1) : 0));
    else
      clock->zero = start;
    clock->zero = CLAMP (clock->zero, -FARTHEST, FARTHEST);
    clock->ticks = 0;
    clock->packets = 0;
  }
  clock->packets++;

  return in_time (clock, clock->ticks);
}

static GstClockTime
moved (GstClockTime time, gint64 later)
{
  return GST_CLOCK_TIME_IS_VALID (time) && (later >= 0 || time >= -(GstClockTime) later)
      ? time + later
      : time;
}

/* A program stream's demuxer outputs the file's 33-bit timestamps, in ns. time: DTS, or PTS if
 * there is no DTS */
static Clock *
take_raw (const Stream *stream, GstClockTime time, GstClockTime pts)
{
  const guint64 ticks = gst_util_uint64_scale_round (time, 9, 100000);

  if (GST_CLOCK_TIME_IS_VALID (time))
    add_time (stream->clocks, stream->stream, 33, 90000, ++stream->clocks->raw,
        (PacketTime) { .time = ticks,
            .later = GST_CLOCK_TIME_IS_VALID (pts)
                ? distance (33, ticks, gst_util_uint64_scale_round (pts, 9, 100000))
                : 0 });

  return g_hash_table_lookup (stream->clocks->clocks, GUINT_TO_POINTER (stream->stream));
}

/* ISO/IEC 13818-2 6.2.1. Removes what precedes the first sequence header: a parser does so, too,
 * but passes its timestamp on. A timestamp is that of the first picture that begins in a PES
 * packet. Takes the buffer. NULL: all of it was removed. */
static GstBuffer *
begin (Stream *stream, GstBuffer *buffer)
{
  const gsize before = stream->tail ? gst_buffer_get_size (stream->tail) : 0;
  gboolean picture = FALSE;
  gsize at = 0;
  GstMapInfo map;

  if (stream->tail) {
    GstBuffer *joined =
        gst_buffer_append (g_steal_pointer (&stream->tail), gst_buffer_ref (buffer));

    gst_buffer_copy_into (joined, buffer, GST_BUFFER_COPY_METADATA, 0, -1);
    gst_buffer_unref (buffer);
    buffer = joined;
  }
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return buffer;
  for (; at + 4 <= map.size; at++)
    if (map.data[at] == 0 && map.data[at + 1] == 0 && map.data[at + 2] == 1) {
      if (map.data[at + 3] == SEQUENCE_START)
        break;
      picture |= map.data[at + 3] == PICTURE_START && at >= before;
    }
  stream->begins = at + 4 > map.size;
  gst_buffer_unmap (buffer, &map);
  if (stream->begins) {
    stream->tail = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_MEMORY, at, -1);
    gst_buffer_unref (buffer);
    return NULL;
  }
  buffer = gst_buffer_make_writable (buffer);
  gst_buffer_resize (buffer, at, -1);
  if (picture)
    GST_BUFFER_PTS (buffer) = GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;

  return buffer;
}

static void
stream_free (gpointer data)
{
  Stream *stream = data;

  gst_clear_buffer (&stream->tail);
  g_free (stream);
}

static GstPadProbeReturn
correct (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Stream *stream = data;
  Clock *clock;
  GstBuffer *buffer;
  GstClockTime time, pts, dts;
  gint64 start, now, later, shown;
  gboolean apart;

  if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    GstSegment segment;

    if (GST_EVENT_TYPE (info->data) != GST_EVENT_SEGMENT)
      return GST_PAD_PROBE_OK;
    gst_event_copy_segment (info->data, &segment);
    /* corrected timestamps may be after it */
    segment.stop = GST_CLOCK_TIME_NONE;
    gst_event_unref (info->data);
    info->data = gst_event_new_segment (&segment);
    return GST_PAD_PROBE_OK;
  }
  if (stream->begins && !(info->data = begin (stream, GST_PAD_PROBE_INFO_BUFFER (info))))
    return GST_PAD_PROBE_HANDLED;
  buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  pts = GST_BUFFER_PTS (buffer);
  dts = GST_BUFFER_DTS (buffer);
  time = GST_CLOCK_TIME_IS_VALID (dts) ? dts : pts;
  clock = stream->raw
      ? take_raw (stream, time, pts)
      : g_hash_table_lookup (stream->clocks->clocks, GUINT_TO_POINTER (stream->stream));
  if (!clock || clock->pending->len == 0)
    return GST_PAD_PROBE_OK;
  shown = in_ns (clock, g_array_index (clock->pending, PacketTime, 0).later);
  start = GST_CLOCK_TIME_IS_VALID (time) ? (gint64) MIN (time, (GstClockTime) FARTHEST) : 0;
  /* tsdemux replaces a DTS before the first clock reference by the PTS */
  if (!stream->raw && GST_CLOCK_TIME_IS_VALID (pts) && shown != 0 && ABS (shown) <= TS_FAR)
    start = (gint64) MIN (pts, (GstClockTime) FARTHEST) - shown;
  now = next_time (clock, start, stream->joins);
  if (GST_CLOCK_TIME_IS_VALID (time)) {
    later = now - start;
    if (later >= -NEAR && later <= NEAR)
      later = 0;
    /* PTS and DTS may be from different rounds of the counter */
    apart = ABS (shown) > TS_FAR || (stream->raw && pts != time);
    if (later == 0 && !apart)
      return GST_PAD_PROBE_OK;
    pts = moved (pts, later);
    dts = moved (dts, later);
    if (apart && GST_CLOCK_TIME_IS_VALID (pts))
      pts = moved (dts, shown);
  } else {
    /* tsdemux drops the timestamps of a stream without a clock reference */
    dts = MAX (now, 0);
    pts = MAX (now + shown, 0);
  }
  info->data = buffer = gst_buffer_make_writable (buffer);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DTS (buffer) = dts;

  return GST_PAD_PROBE_OK;
}

/* ISO/IEC 13818-1 2.4.3.6 */
static guint64
read_time (const guint8 *data)
{
  return (guint64) (data[0] >> 1 & 7) << 30 | data[1] << 22 | (data[2] >> 1) << 15 | data[3] << 7
      | data[4] >> 1;
}

/* MPEG transport streams: the demuxer reports timestamps */

/* A packet that is reported later is in one of the last two buffers. */
static GstPadProbeReturn
take_read (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ClipClocks *self = data;

  gst_buffer_replace (&self->read[0], self->read[1]);
  self->read_at[0] = self->read_at[1];
  gst_buffer_replace (&self->read[1], GST_PAD_PROBE_INFO_BUFFER (info));
  self->read_at[1] = info->offset;

  return GST_PAD_PROBE_OK;
}

/* 2.4.3.2 and 2.4.3.3: the payload of a packet of 188 bytes. *n: its bytes, 0: there is none */
static const guint8 *
find_payload (const guint8 *packet, guint *n)
{
  const guint at = MIN (4 + (packet[3] & 0x20 ? 1 + packet[4] : 0), TS_BYTES);

  *n = packet[3] & 0x10 ? TS_BYTES - at : 0;

  return packet + at;
}

static guint
packet_id (const guint8 *packet)
{
  return (packet[1] & 31) << 8 | packet[2];
}

/* The distance of packets, of which one is at a position, or 0. */
static gsize
find_stride (const guint8 *data, gsize size, gsize at)
{
  static const guint strides[] = { TS_BYTES, TS_BYTES + TS_BEFORE, TS_BYTES + 16, TS_BYTES + 20 };

  for (guint i = 0; i < G_N_ELEMENTS (strides); i++) {
    const gboolean before = at >= strides[i], behind = at + strides[i] < size;

    if ((before || behind) && (!before || data[at - strides[i]] == TS_SYNC)
        && (!behind || data[at + strides[i]] == TS_SYNC))
      return strides[i];
  }

  return 0;
}

/* The start of the PES packet whose header ends in the packet at a position: the header may have
 * begun in a packet before it. FALSE: that is not in these bytes. */
static gboolean
gather_header (const guint8 *data, gsize size, gsize at, guint8 header[PES_BYTES])
{
  const guint id = packet_id (data + at);
  const gsize stride = find_stride (data, size, at);
  guint have = 0, n;

  while (!(data[at + 1] & 0x40) || packet_id (data + at) != id) {
    if (stride == 0 || at < stride || data[at - stride] != TS_SYNC)
      return FALSE;
    at -= stride;
  }
  for (; at + TS_BYTES <= size && data[at] == TS_SYNC && have < PES_BYTES; at += stride) {
    if (packet_id (data + at) == id) {
      const guint8 *payload = find_payload (data + at, &n);

      n = MIN (n, PES_BYTES - have);
      memcpy (header + have, payload, n);
      have += n;
    }
    if (stride == 0)
      break;
  }

  return have == PES_BYTES;
}

/* 2.4.3.6: *later: PTS - DTS of the PES packet whose header ends in the packet at a position of a
 * buffer; 0: it does not have both. FALSE: the header begins before the buffer. */
static gboolean
read_later (GstBuffer *buffer, gsize at, gint64 *later)
{
  guint8 header[PES_BYTES];
  gboolean ok = FALSE;
  GstMapInfo map;

  *later = 0;
  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return FALSE;
  if (at + TS_BEFORE < map.size && map.data[at] != TS_SYNC)
    at += TS_BEFORE;
  ok = at + TS_BYTES <= map.size && map.data[at] == TS_SYNC
      && gather_header (map.data, map.size, at, header);
  gst_buffer_unmap (buffer, &map);
  if (ok && !header[0] && !header[1] && header[2] == 1 && header[7] >> 6 == 3)
    *later = distance (33, read_time (header + 14), read_time (header + 9));

  return ok;
}

/* The same of the packet at a position in the file. */
static gint64
find_later (const ClipClocks *self, guint64 at)
{
  GstBuffer *const *read = self->read;
  gint64 later = 0;
  GstBuffer *both;

  for (guint i = 0; i < G_N_ELEMENTS (self->read); i++)
    if (read[i] && at >= self->read_at[i] && read_later (read[i], at - self->read_at[i], &later))
      return later;
  if (!read[0] || at < self->read_at[1]
      || self->read_at[0] + gst_buffer_get_size (read[0]) != self->read_at[1])
    return 0;
  both = gst_buffer_append (gst_buffer_ref (read[0]), gst_buffer_ref (read[1]));
  read_later (both, at - self->read_at[0], &later);
  gst_buffer_unref (both);

  return later;
}

gboolean
clip_clocks_take (ClipClocks *self, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  guint64 time, at;
  guint pid;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ELEMENT || !gst_structure_has_name (s, "tsdemux"))
    return FALSE;
  if (gst_structure_get_uint (s, "pid", &pid) && gst_structure_get_uint64 (s, "offset", &at)
      && (gst_structure_get_uint64 (s, "dts", &time) || gst_structure_get_uint64 (s, "pts", &time)))
    add_time (
        self, pid, 33, 90000, at, (PacketTime) { .time = time, .later = find_later (self, at) });

  return TRUE;
}

/* Ogg */

/* An Ogg page has the time at which its last packet ends. oggdemux gives that packet the time of
 * one frame before, and keeps the end in the buffer's offset. A packet begins where the one before
 * it ends. */
static GstPadProbeReturn
follow (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  Follower *self = data;

  if (g_hash_table_contains (self->clocks->early, GUINT_TO_POINTER (self->serial)))
    g_atomic_int_set (&self->clocks->is_early, 1);
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT))
    self->end = GST_CLOCK_TIME_NONE;
  if (GST_BUFFER_PTS_IS_VALID (buffer) && GST_CLOCK_TIME_IS_VALID (self->end)) {
    info->data = buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_PTS (buffer) = self->end;
  }
  /* headers, and pictures that are not shown, have none */
  if (GST_BUFFER_DURATION_IS_VALID (buffer) && GST_BUFFER_DURATION (buffer) > 0)
    self->end = GST_BUFFER_OFFSET (buffer);

  return GST_PAD_PROBE_OK;
}

/* RFC 3533 6: the granule position, in which -1 means that no packet ends on the page, and the
 * serial number. oggdemux leaves out what is before zero. */
static GstPadProbeReturn
take_pages (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ClipClocks *self = data;
  const gsize before = self->read[1] ? gst_buffer_get_size (self->read[1]) : 0;
  GstBuffer *both = gst_buffer_ref (GST_PAD_PROBE_INFO_BUFFER (info));
  GstMapInfo map;

  /* a page's header may begin in the buffer before */
  if (before >= PAGE_HEAD && self->read_at[1] + before == info->offset)
    both = gst_buffer_append (gst_buffer_copy_region (self->read[1], GST_BUFFER_COPY_MEMORY,
                                  before - (PAGE_HEAD - 1), PAGE_HEAD - 1),
        both);
  take_read (pad, info, data);
  if (gst_buffer_map (both, &map, GST_MAP_READ)) {
    for (gsize i = 0; i + PAGE_HEAD <= map.size; i++)
      if (!memcmp (map.data + i, "OggS", 5) && (gint64) GST_READ_UINT64_LE (map.data + i + 6) < -1)
        g_hash_table_add (self->early, GUINT_TO_POINTER (GST_READ_UINT32_LE (map.data + i + 14)));
    gst_buffer_unmap (both, &map);
  }
  gst_buffer_unref (both);

  return GST_PAD_PROBE_OK;
}

gboolean
clip_clocks_is_early (ClipClocks *self)
{
  return g_atomic_int_get (&self->is_early);
}

/* FLV: each tag is read right before the demuxer outputs its content */
static GstPadProbeReturn
take_tag (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ClipClocks *self = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  const gsize size = gst_buffer_get_size (buffer), tag = self->tag;
  guint8 head[TAG_REST + 2];
  const gsize n = gst_buffer_extract (buffer, 0, head, sizeof head);

  self->tag = 0;
  if (size == TAG_KIND && head[0] == TAG_VIDEO)
    self->tag = TAG_REST + GST_READ_UINT24_BE (head + 1) + TAG_TAIL;
  else if (size == tag
      && n == sizeof head
      /* decoder configuration is in a tag of its own */
      && ((head[TAG_REST] & 15) != TAG_H264 || head[TAG_REST + 1] == 1))
    add_time (self, FLV_STREAM, 32, 1000, info->offset,
        (PacketTime) { .time = GST_READ_UINT24_BE (head) | (guint32) head[3] << 24 });

  return GST_PAD_PROBE_OK;
}

/* Demuxers */

static gboolean
is_flv (GstElement *demuxer)
{
  return g_str_equal (clip_links_kind (demuxer), "flvdemux");
}

/* mpegpsdemux. With ignore-scr the timestamps are those of the pictures. Otherwise they follow
 * the SCR, and the demuxer would remove steps back and pauses. */
static gboolean
is_raw (GstElement *demuxer)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (demuxer), "ignore-scr") != NULL;
}

static gboolean
is_ogg (GstElement *demuxer)
{
  return g_str_equal (clip_links_kind (demuxer), "oggdemux");
}

static gboolean
reports_times (GstElement *demuxer)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (demuxer), "emit-stats") != NULL;
}

void
clip_clocks_watch (ClipClocks *self, GstElement *demuxer, GstPad *src)
{
  if (reports_times (demuxer)) {
    g_object_set (demuxer, "emit-stats", TRUE, NULL);
    gst_pad_add_probe (
        src, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER, take_read, self, NULL);
  } else if (is_raw (demuxer)) {
    g_object_set (demuxer, "ignore-scr", TRUE, NULL);
  } else if (is_flv (demuxer)) {
    gst_pad_add_probe (
        src, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER, take_tag, self, NULL);
  } else if (is_ogg (demuxer)) {
    gst_pad_add_probe (
        src, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER, take_pages, self, NULL);
  }
}

void
clip_clocks_correct (ClipClocks *self, GstElement *demuxer, GstPad *pad, const GstCaps *caps)
{
  const gchar *number = strrchr (GST_OBJECT_NAME (pad), '_');
  const GstStructure *s;
  Follower *follower;
  Stream *stream;
  gint version;

  /* a pad is named after the serial number, in hexadecimal */
  if (is_ogg (demuxer) && number) {
    follower = g_new (Follower, 1);
    *follower = (Follower) { self, g_ascii_strtoull (number + 1, NULL, 16), GST_CLOCK_TIME_NONE };
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, follow, follower, g_free);
    return;
  }
  if (!is_flv (demuxer) && !((reports_times (demuxer) || is_raw (demuxer)) && number))
    return;
  stream = g_new0 (Stream, 1);
  stream->clocks = self;
  stream->raw = is_raw (demuxer);
  s = caps ? gst_caps_get_structure (caps, 0) : NULL;
  stream->joins = !(stream->raw && s && gst_structure_has_name (s, "video/mpeg"));
  /* of MPEG-4 other codes start the headers */
  stream->begins =
      !stream->joins && gst_structure_get_int (s, "mpegversion", &version) && version <= 2;
  /* a pad of tsdemux is named after the PID, in hexadecimal */
  stream->stream = is_flv (demuxer) ? FLV_STREAM : (guint) g_ascii_strtoull (number + 1, NULL, 16);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, correct,
      stream, stream_free);
}
