/* cliptrack.c: the packets of a chain. They are numbered, read to make an index,
 * and fed to the decoder under times that are their frames' numbers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "clipimage.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* So many bytes of packets stay in memory from reading to decoding; a longer
 * file is read twice */
#define MAX_KEPT (32 * 1024 * 1024)
/* What a packet takes beside its own bytes, about */
#define PACKET_BYTES 1024

/* A demuxer that asks so often for what is after the file's end will not find
 * out by itself: libav's for GIF */
#define MAX_PAST_END 1000

struct _ClipTrack
{
  ClipChain *chain;
  GstPad *sink;
  gpointer root;                /* the demuxer's pad, to know it by */
  gchar *stream;
  GstStreamFlags flags;
  gboolean picture;             /* a picture, as covers are */
  gboolean eos;

  /* Its streaming thread's */
  ClipPacketFormat format;
  GstCaps *caps;
  GstCaps *described;           /* the same, and what the first packet tells */
  GstSegment segment;
  guint segment_packets;        /* packets before it */
  gboolean part;                /* no packet of it came yet, others did before */
  GstClockTime segment_length;  /* of its packets, together */
  GArray *packets;              /* of ClipPacket */
  GPtrArray *kept;              /* of GstSample: packets with their caps */
};

GstPad *
clip_track_get_pad (const ClipTrack * track)
{
  return track->sink;
}

GstCaps *
clip_track_get_caps (const ClipTrack * track)
{
  return track->described ? gst_caps_ref (track->described)
      : gst_pad_get_current_caps (track->sink);
}

void
clip_track_free (ClipTrack * track)
{
  gst_object_unref (track->sink);
  gst_clear_caps (&track->caps);
  gst_clear_caps (&track->described);
  g_array_unref (track->packets);
  g_ptr_array_unref (track->kept);
  g_free (track->stream);
  g_free (track);
}

/* Reading */

/* Stream time, which is the same after a seek. */
static GstClockTime
stream_time (const ClipTrack * track, GstClockTime time)
{
  guint64 streamed;
  gint sign;

  if (!GST_CLOCK_TIME_IS_VALID (time)
      || track->segment.format != GST_FORMAT_TIME)
    return GST_CLOCK_TIME_NONE;
  sign = gst_segment_to_stream_time_full (&track->segment, GST_FORMAT_TIME,
      time, &streamed);
  /* What lies before the first frame, decoding times do, is before zero */
  if (sign < 0)
    return streamed > G_MAXINT64 ? GST_CLOCK_TIME_NONE : -streamed;

  return sign > 0 ? streamed : GST_CLOCK_TIME_NONE;
}

/* The times that are to be believed: AVI and ASF have one time a chunk or packet,
 * and that is no picture's. */
static void
take_times (const ClipTrack * track, GstBuffer * buffer, ClipPacket * packet)
{
  packet->pts = track->chain->container == CLIP_CONTAINER_UNORDERED ?
      GST_CLOCK_TIME_NONE : stream_time (track, GST_BUFFER_PTS (buffer));
  packet->dts = stream_time (track, GST_BUFFER_DTS_OR_PTS (buffer));
}

static void
describe_packet (ClipTrack * track, GstBuffer * buffer, ClipPacket * packet)
{
  const GstSegment *segment = &track->segment;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  guint layer = 0;
  GstMapInfo map;

  take_times (track, buffer, packet);
  packet->size = gst_buffer_get_size (buffer);
  packet->flags = 0;
  if (gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    packet->flags = clip_packet_parse (&track->format, map.data, map.size,
        !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT), &layer);
    gst_buffer_unmap (buffer, &map);
  }
  packet->layer = layer;
  /* elsewhere a segment's ends are a header's guess */
  if (track->chain->container != CLIP_CONTAINER_QUICKTIME
      || !GST_CLOCK_TIME_IS_VALID (pts))
    return;
  if (track->part)
    packet->flags |= CLIP_PACKET_PART;
  track->part = FALSE;
  if (pts < segment->start)
    packet->flags |= CLIP_PACKET_OUTSIDE;
  else if (pts >= segment->stop)
    packet->flags |= CLIP_PACKET_AFTER;
  if (pts >= segment->start && GST_BUFFER_DURATION_IS_VALID (buffer))
    track->segment_length += GST_BUFFER_DURATION (buffer);
}

/* A segment is over, or all of them. An end that is as far from the start as all
 * of its packets are long cuts nothing away: without an edit list it is the
 * length of what comes, wherever that begins. */
static void
settle_segment (ClipTrack * track)
{
  const GstSegment *segment = &track->segment;
  const guint n = track->packets->len - track->segment_packets;
  gboolean cuts;

  if (n == 0)
    return;
  cuts = GST_CLOCK_TIME_IS_VALID (segment->stop)
      && segment->stop - segment->start + track->segment_length / n / 2
      < track->segment_length;
  for (guint i = track->segment_packets; i < track->packets->len; i++) {
    ClipPacket *packet = &g_array_index (track->packets, ClipPacket, i);

    if (packet->flags & CLIP_PACKET_AFTER)
      packet->flags ^= CLIP_PACKET_AFTER | (cuts ? CLIP_PACKET_OUTSIDE : 0);
  }
  track->segment_packets = track->packets->len;
  track->segment_length = 0;
  track->part = TRUE;
}

/* A file in fragments tells its end bit by bit. matroskademux begins a segment anew
 * where a frame is shown before those that came so far, and then its stream time is
 * wrong: the first one holds. */
static void
take_segment (ClipTrack * track, GstEvent * event)
{
  GstSegment now;

  gst_event_copy_segment (event, &now);
  if (track->chain->container == CLIP_CONTAINER_MATROSKA
      && track->segment.format == GST_FORMAT_TIME)
    return;
  if (now.format != track->segment.format || now.start != track->segment.start
      || now.base != track->segment.base || now.time != track->segment.time)
    settle_segment (track);
  track->segment = now;
}

static void
keep_packet (ClipTrack * track, GstBuffer * buffer)
{
  ClipChain *chain = track->chain;
  gboolean keeps;

  g_mutex_lock (&chain->job->lock);
  chain->kept += gst_buffer_get_size (buffer) + PACKET_BYTES;
  keeps = chain->keeps &= chain->kept <= MAX_KEPT;
  g_mutex_unlock (&chain->job->lock);
  if (keeps)
    g_ptr_array_add (track->kept, gst_sample_new (buffer, track->caps, NULL,
            NULL));
  else
    g_ptr_array_set_size (track->kept, 0);
}

/* Feeding */

GstVideoColorimetry
clip_chain_read_colorimetry (const GstStructure * s,
    const gchar * field)
{
  const gchar *text = gst_structure_get_string (s, field);
  GstVideoColorimetry colorimetry = { 0 };

  if (text)
    gst_video_colorimetry_from_string (&colorimetry, text);

  return colorimetry;
}

/* The stream's own word on its colours goes before the container's. Either may
 * tell of a part only, as of the range. */
static void
feed_caps (ClipChain * self)
{
  GstCaps *caps = gst_caps_copy (self->fed_caps);
  GstStructure *s = gst_caps_get_structure (caps, 0);
  GstVideoColorimetry own = clip_chain_read_colorimetry (s, "colorimetry");
  const GstVideoColorimetry container =
      clip_chain_read_colorimetry (s, CLIP_CHAIN_COLORIMETRY);
  gchar *text;

  if (own.range == GST_VIDEO_COLOR_RANGE_UNKNOWN)
    own.range = container.range;
  if (own.matrix == GST_VIDEO_COLOR_MATRIX_UNKNOWN)
    own.matrix = container.matrix;
  if (own.transfer == GST_VIDEO_TRANSFER_UNKNOWN)
    own.transfer = container.transfer;
  if (own.primaries == GST_VIDEO_COLOR_PRIMARIES_UNKNOWN)
    own.primaries = container.primaries;
  text = gst_video_colorimetry_to_string (&own);
  if (text)
    gst_structure_set (s, "colorimetry", G_TYPE_STRING, text, NULL);
  g_free (text);
  gst_structure_remove_field (s, CLIP_CHAIN_COLORIMETRY);
  if (!gst_structure_has_name (s, "video/x-raw")
      || !gst_video_info_from_caps (&self->raw, caps))
    gst_video_info_init (&self->raw);
  self->has_matrix = own.matrix != GST_VIDEO_COLOR_MATRIX_UNKNOWN;
  self->range = own.range;
  gst_pad_push_event (self->feed, gst_event_new_caps (caps));
  gst_caps_unref (caps);
}

static void
start_feed (ClipChain * self)
{
  GstEvent *start = self->track ? gst_pad_get_sticky_event (self->track->sink,
      GST_EVENT_STREAM_START, 0) : NULL;
  GstSegment segment;

  gst_pad_push_event (self->feed, start ? start :
      gst_event_new_stream_start ("clip"));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  feed_caps (self);
  gst_pad_push_event (self->feed, gst_event_new_segment (&segment));
}

/* The packet that stands for a packet's frame: of a second field it is the one
 * before. One that follows another, as in a damaged file, stands for itself. */
static guint
frame_packet (const ClipChain * self, guint number)
{
  const ClipPacket *packets = self->index->packets;

  return number > self->from && packets[number].flags & CLIP_PACKET_SECOND
      && !(packets[number - 1].flags & CLIP_PACKET_SECOND) ? number - 1
      : number;
}

/* Whether a frame that is wanted is made of the packet. */
static gboolean
is_needed (const ClipChain * self, guint number)
{
  const ClipIndex *index = self->index;
  const ClipPacket *packet;
  guint32 rank;

  number = frame_packet (self, number);
  packet = index->packets + number;
  rank = index->ranks[number];
  if (index->counted || number == self->from || rank == G_MAXUINT32)
    return TRUE;
  /* It hangs on what was not decoded. From the file's start on it is the decoder
   * that knows what can be shown. */
  if (self->from > 0 && rank < index->ranks[self->from]
      && !(packet->flags & CLIP_PACKET_START))
    return FALSE;

  /* libavcodec takes the distance of MPEG-4's first B picture behind a header from
   * what it follows for the length of a frame; if that is too long, it drops B
   * pictures of fields */
  if (index->codec == CLIP_CODEC_MPEG4 && !self->fed_backward
      && packet->flags & CLIP_PACKET_BACKWARD)
    return TRUE;

  return !(packet->flags & CLIP_PACKET_UNUSED)
      || clip_chain_wants (self, rank);
}

/* The time that a packet goes under: its frame's number, counted from 1, in
 * seconds; the decoder hands that on. What is never shown lies between two numbers,
 * where it comes out, if the decoder gives it at all: times must not go back. A
 * second field goes under its frame's: decoders differ in which of the two they
 * hand on. */
static GstClockTime
fed_time (ClipChain * self, guint number)
{
  const ClipIndex *index = self->index;
  const ClipPacket *packet;
  guint before = G_MAXUINT;
  guint32 rank;

  if (index->counted)
    return GST_CLOCK_TIME_NONE;
  number = frame_packet (self, number);
  packet = index->packets + number;
  rank = index->ranks[number];
  if (rank != G_MAXUINT32) {
    self->fed_frames = rank + 1;
    return (rank + 1) * GST_SECOND;
  }
  if (index->codec == CLIP_CODEC_H264
      || packet->flags & (CLIP_PACKET_LEADING | CLIP_PACKET_OUTSIDE))
    before = clip_index_before (index, number);
  if (before == G_MAXUINT)
    before = packet->flags & CLIP_PACKET_LEADING ? 0 : self->fed_frames;

  return before * GST_SECOND + GST_SECOND / 2;
}

/* MPEG-2's first group of pictures goes as one that refers to none before it: which
 * frames of an open one are shown is the index's choice, and decoders differ. */
static GstBuffer *
close_group (GstBuffer * buffer)
{
  GstMapInfo map;

  buffer = gst_buffer_make_writable (buffer);
  if (gst_buffer_map (buffer, &map, GST_MAP_READWRITE)) {
    clip_packet_close_group (map.data, map.size);
    gst_buffer_unmap (buffer, &map);
  }

  return buffer;
}

/* H.265's decoder gives pictures by their numbers, and where a part of an edit list
 * begins with a CRA picture they go on from the part before, or back: all that came
 * has to be out before. Nor does it take the picture for one within the stream then,
 * whose RASL pictures could be shown. */
static void
end_part (ClipChain * self, guint number)
{
  const guint16 begins = CLIP_PACKET_PART | CLIP_PACKET_START;
  const guint16 flags = self->index->packets[number].flags;

  if (self->fed && self->index->codec == CLIP_CODEC_H265
      && (flags & begins) == begins)
    gst_pad_push_event (self->feed, gst_video_event_new_still_frame (TRUE));
}

/* Takes the buffer. */
static GstFlowReturn
push_packet (ClipChain * self, guint number, GstBuffer * buffer,
    GstCaps * caps)
{
  gchar *reason;

  if (!self->fed_caps || (caps != self->fed_caps
          && !gst_caps_is_equal (caps, self->fed_caps))) {
    gst_caps_replace (&self->fed_caps, caps);
    if (self->fed)
      feed_caps (self);
    else
      start_feed (self);
  }
  end_part (self, number);
  if (number == 0 && self->index->codec == CLIP_CODEC_MPEG2)
    buffer = close_group (buffer);
  if (GST_VIDEO_INFO_FORMAT (&self->raw) > GST_VIDEO_FORMAT_ENCODED) {
    buffer = clip_raw_pad (&self->raw, buffer, &reason);
    if (!buffer) {
      clip_chain_set_error (self, reason, FALSE);
      return GST_FLOW_ERROR;
    }
  }
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_PTS (buffer) = fed_time (self, number);
  if (self->index->ranks[number] == G_MAXUINT32
      && !(self->index->packets[number].flags & CLIP_PACKET_SECOND))
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DECODE_ONLY);
  if (self->fed)
    GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_DISCONT);
  else
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->fed = TRUE;
  if (self->index->packets[number].flags & CLIP_PACKET_START)
    self->fed_backward = FALSE;
  self->fed_backward |= (self->index->packets[number].flags
      & CLIP_PACKET_BACKWARD) != 0;
  g_mutex_lock (&self->job->lock);
  self->progress++;
  g_mutex_unlock (&self->job->lock);

  return gst_pad_push (self->feed, buffer);
}

/* GST_FLOW_EOS: no more are wanted. */
static GstFlowReturn
feed (ClipChain * self, guint number, GstBuffer * buffer, GstCaps * caps)
{
  GstFlowReturn ret = GST_FLOW_OK;

  if (number < self->from)
    return GST_FLOW_OK;
  if (number > self->to)
    return GST_FLOW_EOS;
  if (is_needed (self, number))
    ret = push_packet (self, number, gst_buffer_copy (buffer), caps);
  if (ret == GST_FLOW_OK && number == self->to) {
    gst_pad_push_event (self->feed, gst_event_new_eos ());
    ret = GST_FLOW_EOS;
  }
  if (ret < GST_FLOW_EOS)
    clip_chain_set_error (self, self->pictures ?
        clip_chain_explain_picture (self, NULL) :
        g_strdup_printf ("its decoder failed: %s", gst_flow_get_name (ret)),
        FALSE);

  return ret;
}

void
clip_chain_feed_kept (gpointer data)
{
  ClipChain *self = data;
  GPtrArray *kept = self->track->kept;
  GstFlowReturn ret = GST_FLOW_OK;

  for (guint i = self->from; i <= self->to && ret == GST_FLOW_OK
      && !clip_chain_is_stopping (self); i++) {
    GstSample *sample = g_ptr_array_index (kept, i);

    ret = feed (self, i, gst_sample_get_buffer (sample),
        gst_sample_get_caps (sample));
  }
}

/* Those that nobody wants are not even read. */
void
clip_chain_feed_pictures (gpointer data)
{
  ClipChain *self = data;
  GstCaps *caps = gst_caps_ref (self->fed_caps);
  GstFlowReturn ret = GST_FLOW_OK;

  gst_clear_caps (&self->fed_caps);
  for (guint i = self->from; i <= self->to && ret == GST_FLOW_OK
      && !clip_chain_is_stopping (self); i++) {
    GstBuffer *picture;
    gchar *reason;

    if (!is_needed (self, i))
      continue;
    picture = clip_pictures_read (self->pictures, i, &reason);
    if (!picture) {
      clip_chain_set_error (self, reason, FALSE);
      break;
    }
    ret = feed (self, i, picture, caps);
    gst_buffer_unref (picture);
  }
  gst_caps_unref (caps);
}

/* The number of a packet that comes from the demuxer; -1: it is none of the
 * index's. After a seek its times tell (its size does not: a parser may put
 * headers before it), from then on packets are counted. */
static gint64
number_packet (ClipTrack * track, GstBuffer * buffer)
{
  ClipChain *self = track->chain;
  const ClipIndex *index = self->index;
  gint64 number = self->at;
  ClipPacket packet;

  take_times (track, buffer, &packet);
  if (number < 0) {
    number = clip_index_find (index, packet.pts, packet.dts);
    /* further on there is nothing to start from */
    if (number > self->from)
      return -1;
  } else if (number >= index->n_packets
      || index->packets[number].pts != packet.pts
      || index->packets[number].dts != packet.dts
      || index->packets[number].size != gst_buffer_get_size (buffer)) {
    return -1;
  }
  if (number >= 0)
    self->at = number + 1;

  return number;
}

/* Pads */

/* Holds the first packet until it is known which are wanted. FALSE: drop it. */
static gboolean
wait_open (ClipChain * self)
{
  ClipJob *job = self->job;
  gboolean ok;

  g_mutex_lock (&job->lock);
  self->progress++;
  if (!self->open && !self->waiting) {
    self->waiting = TRUE;
    g_cond_broadcast (&job->cond);
  }
  while (!self->open && !self->flushing && !self->stop && !job->aborted)
    g_cond_wait (&job->cond, &job->lock);
  ok = self->open && !self->flushing && !self->stop && !job->aborted;
  g_mutex_unlock (&job->lock);

  return ok;
}

static GstFlowReturn
track_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  ClipTrack *track = gst_pad_get_element_private (pad);
  ClipChain *self = track->chain;
  GstFlowReturn ret = GST_FLOW_OK;
  gboolean reads, decodes, ends;
  gint64 number;

  g_mutex_lock (&self->job->lock);
  reads = !self->index;
  decodes = !self->read && track == self->track;
  ends = self->read;
  g_mutex_unlock (&self->job->lock);
  if (!track->described && track->caps)
    track->described = clip_image_describe (gst_caps_ref (track->caps), buffer);
  if (ends) {
    ret = GST_FLOW_EOS;
  } else if (reads) {
    ClipPacket packet;

    /* it is written to disk as it is */
    memset (&packet, 0, sizeof packet);
    describe_packet (track, buffer, &packet);
    g_array_append_val (track->packets, packet);
    keep_packet (track, buffer);
    g_mutex_lock (&self->job->lock);
    self->progress++;
    if (self->stop || self->job->aborted)
      ret = GST_FLOW_FLUSHING;
    g_mutex_unlock (&self->job->lock);
  } else if (decodes) {
    if (!wait_open (self)) {
      ret = GST_FLOW_FLUSHING;
    } else if ((number = number_packet (track, buffer)) < 0) {
      g_mutex_lock (&self->job->lock);
      self->lost = TRUE;
      g_cond_broadcast (&self->job->cond);
      g_mutex_unlock (&self->job->lock);
      ret = GST_FLOW_EOS;
    } else {
      ret = feed (self, number, buffer, track->caps);
    }
  } else {
    ret = GST_FLOW_NOT_LINKED;
  }
  gst_buffer_unref (buffer);

  return ret;
}

static gboolean
track_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  ClipTrack *track = gst_pad_get_element_private (pad);
  ClipChain *self = track->chain;
  GstEventType type = GST_EVENT_TYPE (event);
  gboolean decodes, ends = FALSE;
  GstCaps *caps;

  if (type == GST_EVENT_SEGMENT)
    take_segment (track, event);
  if (type == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    gst_caps_replace (&track->caps, caps);
    track->caps = clip_image_frame (track->caps);
    clip_packet_format_init (&track->format, caps);
  }
  g_mutex_lock (&self->job->lock);
  self->progress++;
  decodes = self->index && !self->read && track == self->track;
  if (type == GST_EVENT_FLUSH_START && decodes) {
    self->flushing = self->flushed = TRUE;
  } else if (type == GST_EVENT_FLUSH_STOP) {
    if (decodes)
      self->flushing = FALSE;
    track->eos = FALSE;
    gst_segment_init (&track->segment, GST_FORMAT_UNDEFINED);
  } else if (type == GST_EVENT_EOS) {
    track->eos = TRUE;
    ends = decodes && self->fed && !self->lost;
    /* what was looked for never came */
    self->lost |= decodes && !self->fed;
  }
  g_cond_broadcast (&self->job->cond);
  g_mutex_unlock (&self->job->lock);
  if (ends)
    gst_pad_push_event (self->feed, gst_event_new_eos ());
  gst_event_unref (event);

  return TRUE;
}

static gboolean
track_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  ClipTrack *track = gst_pad_get_element_private (pad);
  GstCaps *filter, *caps;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return clip_chain_take_any_caps (query);
  gst_query_parse_caps (query, &filter);
  caps = clip_factories_decodable (track->chain->factories, filter);
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);

  return TRUE;
}

/* The part of a stream's id that does not depend on where its file lies. */
static gchar *
stream_name (GstPad * pad, GstStreamFlags * flags)
{
  GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_STREAM_START, 0);
  const gchar *id, *slash;
  gchar *name;

  *flags = GST_STREAM_FLAG_NONE;
  if (!event)
    return g_strdup ("");
  gst_event_parse_stream_start (event, &id);
  gst_event_parse_stream_flags (event, flags);
  slash = strchr (id, '/');
  name = g_strdup (slash ? slash + 1 : "");
  gst_event_unref (event);

  return name;
}

GstPadProbeReturn
clip_chain_watch_end (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  ClipChain *self = data;

  if (info->offset < self->size)
    return GST_PAD_PROBE_PASS;
  g_mutex_lock (&self->job->lock);
  if (++self->past_end == MAX_PAST_END + 1) {
    /* nor will it, then, find any video */
    if (self->tracks->len == 0)
      clip_chain_set_error_locked (self, g_strdup ("it is cut off: it ends "
              "before its first packets are whole"), FALSE);
    g_cond_broadcast (&self->job->cond);
  }
  g_mutex_unlock (&self->job->lock);

  return GST_PAD_PROBE_PASS;
}

void
clip_chain_add_track (ClipChain * self, GstPad * pad, GstPad * root)
{
  ClipTrack *track = g_new0 (ClipTrack, 1);
  GstCaps *caps = gst_pad_get_current_caps (pad);

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  track->chain = self;
  track->root = root;
  track->stream = stream_name (root, &track->flags);
  track->picture = !gst_caps_is_empty (caps) && !gst_caps_is_any (caps)
      && g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure
          (caps, 0)), "image/");
  gst_caps_unref (caps);
  track->packets = g_array_new (FALSE, FALSE, sizeof (ClipPacket));
  track->kept = g_ptr_array_new_with_free_func ((GDestroyNotify)
      gst_sample_unref);
  gst_segment_init (&track->segment, GST_FORMAT_UNDEFINED);
  track->sink = gst_object_ref_sink (gst_pad_new (NULL, GST_PAD_SINK));
  gst_pad_set_element_private (track->sink, track);
  gst_pad_set_chain_function (track->sink, track_chain);
  gst_pad_set_event_function (track->sink, track_event);
  gst_pad_set_query_function (track->sink, track_query);
  gst_pad_set_active (track->sink, TRUE);
  g_mutex_lock (&self->job->lock);
  g_ptr_array_add (self->tracks, track);
  if (self->index && !self->track
      && !strcmp (track->stream, self->index->stream))
    self->track = track;
  g_mutex_unlock (&self->job->lock);
  if (gst_pad_link_full (pad, track->sink, GST_PAD_LINK_CHECK_NOTHING)
      != GST_PAD_LINK_OK)
    clip_chain_set_error (self, g_strdup ("its video stream could not be "
        "linked"), FALSE);
}

void
clip_chain_end_track (ClipChain * self, GstPad * root)
{
  g_mutex_lock (&self->job->lock);
  for (guint i = 0; i < self->tracks->len; i++) {
    ClipTrack *track = g_ptr_array_index (self->tracks, i);

    track->eos |= track->root == root;
  }
  g_cond_broadcast (&self->job->cond);
  g_mutex_unlock (&self->job->lock);
}

/* The index */

gboolean
clip_chain_is_read (const ClipChain * self)
{
  /* a demuxer shows all that it found before anything of it comes */
  if (self->tracks->len == 0)
    return FALSE;
  if (self->past_end > MAX_PAST_END)
    return TRUE;
  for (guint i = 0; i < self->tracks->len; i++)
    if (!((ClipTrack *) g_ptr_array_index (self->tracks, i))->eos)
      return FALSE;

  return TRUE;
}

/* Whether a is rather what a player shows: the container's own choice, then what
 * moves, then the first. */
static gboolean
is_better (const ClipTrack * a, const ClipTrack * b)
{
  const gboolean a_on = !(a->flags & GST_STREAM_FLAG_UNSELECT);
  const gboolean b_on = !(b->flags & GST_STREAM_FLAG_UNSELECT);
  const gboolean a_default = (a->flags & GST_STREAM_FLAG_SELECT) != 0;
  const gboolean b_default = (b->flags & GST_STREAM_FLAG_SELECT) != 0;
  const gboolean a_still = a->picture && a->packets->len < 2;
  const gboolean b_still = b->picture && b->packets->len < 2;

  if (a_still != b_still)
    return b_still;
  if (a_on != b_on)
    return a_on;

  return a_default && !b_default;
}

gboolean
clip_chain_make_index (ClipChain * self)
{
  ClipTrack *best = NULL;

  for (guint i = 0; i < self->tracks->len; i++) {
    ClipTrack *track = g_ptr_array_index (self->tracks, i);

    if (self->video_track < 0 ? track->packets->len > 0
        && (!best || is_better (track, best)) : i == (guint) self->video_track)
      best = track;
  }
  if (!best && self->video_track >= 0 && self->tracks->len > 0)
    clip_chain_set_error_locked (self, g_strdup_printf ("video-track=%d, but "
            "its video tracks are 0 to %u", self->video_track,
            self->tracks->len - 1), FALSE);
  if (!best || best->packets->len == 0)
    return FALSE;
  settle_segment (best);
  self->index = clip_index_new (best->stream, best->format.codec,
      (const ClipPacket *) best->packets->data, best->packets->len);
  self->track = best;
  for (guint i = 0; i < best->packets->len; i++)
    GST_LOG_OBJECT (self, "packet %u: pts %" GST_TIME_FORMAT " dts %"
        GST_TIME_FORMAT " flags %#x, frame %d", i,
        GST_TIME_ARGS (self->index->packets[i].pts),
        GST_TIME_ARGS (self->index->packets[i].dts),
        self->index->packets[i].flags, (gint) self->index->ranks[i]);
  GST_DEBUG_OBJECT (self, "%s: track %s, %u packets, %u frames%s",
      self->job->path, best->stream, self->index->n_packets,
      self->index->n_frames, self->index->counted ? ", counted" : "");

  return TRUE;
}
