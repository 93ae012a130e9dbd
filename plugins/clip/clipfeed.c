/* clipfeed.c: feeds a chain's decoder: packets with their frames' numbers as timestamps, and
 * caps with what the stream and its container declare.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "clipav1.h"
#include "clipimage.h"
#include "clipparser.h"

/* Caps */

/* The stream's own colorimetry takes precedence over the container's. Either may declare only a
 * part, such as the range. av1parse ignores the range of a stream that declares nothing else. */
static void
feed_caps (ClipChain *self, GstBuffer *packet)
{
  GstCaps *caps = gst_caps_copy (self->fed_caps);
  GstStructure *s = gst_caps_get_structure (caps, 0);
  GstVideoColorimetry own = clip_chain_read_colorimetry (s, "colorimetry");
  const GstVideoColorimetry container = clip_chain_read_colorimetry (s, CLIP_PARSER_COLORIMETRY);
  gboolean full;
  gchar *text;

  if (own.range == GST_VIDEO_COLOR_RANGE_UNKNOWN && gst_structure_has_name (s, "video/x-av1")
      && clip_av1_range (caps, packet, &full))
    own.range = full ? GST_VIDEO_COLOR_RANGE_0_255 : GST_VIDEO_COLOR_RANGE_16_235;
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
  gst_structure_remove_field (s, CLIP_PARSER_COLORIMETRY);
  if (!gst_structure_has_name (s, "video/x-raw") || !gst_video_info_from_caps (&self->raw, caps))
    gst_video_info_init (&self->raw);
  self->has_matrix = own.matrix != GST_VIDEO_COLOR_MATRIX_UNKNOWN;
  self->range = own.range;
  gst_pad_push_event (self->feed, gst_event_new_caps (caps));
  gst_caps_unref (caps);
}

static void
start_feed (ClipChain *self, GstBuffer *packet)
{
  GstEvent *start = self->track_pad
      ? gst_pad_get_sticky_event (self->track_pad, GST_EVENT_STREAM_START, 0)
      : NULL;
  GstSegment segment;

  gst_pad_push_event (self->feed, start ? start : gst_event_new_stream_start ("clip"));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  feed_caps (self, packet);
  gst_pad_push_event (self->feed, gst_event_new_segment (&segment));
}

/* Packets */

/* The first packet of the current run. */
static guint
run_from (const ClipChain *self)
{
  return g_array_index (self->runs, ClipRun, self->run).from;
}

/* Goes on to the packet's run. FALSE: it is between two of them. */
static gboolean
find_run (ClipChain *self, guint number)
{
  while (self->run + 1 < self->runs->len
      && number >= g_array_index (self->runs, ClipRun, self->run + 1).from)
    self->run++;

  return number <= g_array_index (self->runs, ClipRun, self->run).to;
}

/* The packet that represents a packet's frame: for a second field, the packet before it. A
 * second field that follows another one, as in a damaged file, represents itself. */
static guint
frame_packet (const ClipChain *self, guint number)
{
  const ClipPacket *packets = self->index->packets;

  return number > run_from (self) && packets[number].flags & CLIP_PACKET_SECOND
          && !(packets[number - 1].flags & CLIP_PACKET_SECOND)
      ? number - 1
      : number;
}

/* Whether a wanted frame depends on the packet. */
static gboolean
is_needed (const ClipChain *self, guint number)
{
  const ClipIndex *index = self->index;
  const guint from = run_from (self);
  const ClipPacket *packet;
  guint32 rank;

  number = frame_packet (self, number);
  packet = index->packets + number;
  rank = index->ranks[number];
  if (index->counted || number == from || rank == G_MAXUINT32)
    return TRUE;
  /* It depends on packets that were not decoded. From the start of the file on, the decoder
   * decides what can be output. Of a start that is never shown it is unknown. */
  if (from > 0 && index->ranks[from] != G_MAXUINT32 && rank < index->ranks[from]
      && !(packet->flags & CLIP_PACKET_START))
    return FALSE;

  /* libavcodec takes the distance of MPEG-4's first B picture after a header from the preceding
   * picture for the frame duration. If that is too long, it drops interlaced B pictures */
  if (index->codec == CLIP_CODEC_MPEG4 && !self->fed_backward
      && packet->flags & CLIP_PACKET_BACKWARD)
    return TRUE;

  return !(packet->flags & CLIP_PACKET_UNUSED) || clip_chain_wants (self, rank);
}

/* The PTS that a packet is fed with, which the decoder passes on: its frame's number, counted
 * from 1, in seconds. A packet that is never shown has a PTS between two numbers, at the place
 * where the decoder may output it: timestamps must not go back. A second field has its frame's
 * PTS, as decoders differ in which field's they pass on. */
static GstClockTime
fed_time (ClipChain *self, guint number)
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

/* Whether the decoder took the caps. */
static gboolean
is_accepted (const ClipChain *self)
{
  GstPad *sink = gst_pad_get_peer (self->feed);
  const gboolean accepted = sink && gst_pad_has_current_caps (sink);

  gst_clear_object (&sink);

  return accepted;
}

/* Why the decoder did not take a packet. libavcodec may have decoded it, but to a pixel format that
 * GStreamer does not have. */
static gchar *
explain (ClipChain *self, GstFlowReturn ret)
{
  if (self->pictures)
    return clip_chain_explain_picture (self, NULL);
  if (ret == GST_FLOW_NOT_NEGOTIATED && !is_accepted (self))
    return g_strdup ("its decoder could not be opened, or its headers are damaged");
  if (ret == GST_FLOW_NOT_NEGOTIATED && !gst_pad_has_current_caps (self->gate_sink))
    return g_strdup ("GStreamer has no format for its pixels; convert it: ffmpeg -i FILE -c:v ffv1 "
                     "-pix_fmt yuv444p FILE.mkv");

  return g_strdup_printf ("its decoder failed: %s", gst_flow_get_name (ret));
}

/* Marks the first group of pictures of MPEG-2 as closed. The index decides which frames of an
 * open GOP are shown, and decoders differ in that. */
static GstBuffer *
close_group (GstBuffer *buffer)
{
  GstMapInfo map;

  buffer = gst_buffer_make_writable (buffer);
  if (gst_buffer_map (buffer, &map, GST_MAP_READWRITE)) {
    clip_packet_close_group (map.data, map.size);
    gst_buffer_unmap (buffer, &map);
  }

  return buffer;
}

/* H.265 may tell the decoder to drop what it has not output yet where decoding starts anew. The
 * index counts these frames, and a decoder with several threads drops others, too, when it is
 * drained. */
static GstBuffer *
keep_prior (GstBuffer *buffer, const GstCaps *caps)
{
  ClipPacketFormat format = { 0 };
  GstMapInfo map;

  clip_packet_format_init (&format, caps);
  buffer = gst_buffer_make_writable (buffer);
  if (gst_buffer_map (buffer, &map, GST_MAP_READWRITE)) {
    clip_h265_keep_prior (format.length_size, map.data, map.size);
    gst_buffer_unmap (buffer, &map);
  }

  return buffer;
}

/* Between runs the decoder is drained, so that it decodes the next one as the start of a stream.
 *
 * H.265's decoder outputs pictures by their POC. Where a part of an edit list begins with a CRA
 * picture, POCs continue from the part before, or go back, so all pictures before it must be
 * output first. This also makes the decoder treat the CRA picture as the start of a stream and
 * drop its RASL pictures. */
static void
end_run (ClipChain *self, guint number)
{
  const guint16 begins = CLIP_PACKET_PART | CLIP_PACKET_START;
  const guint16 flags = self->index->packets[number].flags;

  if (self->fed
      && (number == run_from (self)
          || (self->index->codec == CLIP_CODEC_H265 && (flags & begins) == begins)))
    gst_pad_push_event (self->feed, gst_video_event_new_still_frame (TRUE));
}

/* Takes `buffer`. */
static GstFlowReturn
push_packet (ClipChain *self, guint number, GstBuffer *buffer, GstCaps *caps)
{
  gchar *reason;

  end_run (self, number);
  if (!self->fed_caps || (caps != self->fed_caps && !gst_caps_is_equal (caps, self->fed_caps))) {
    gst_caps_replace (&self->fed_caps, caps);
    if (self->fed)
      feed_caps (self, buffer);
    else
      start_feed (self, buffer);
  }
  if (number == 0 && self->index->codec == CLIP_CODEC_MPEG2)
    buffer = close_group (buffer);
  if (self->index->codec == CLIP_CODEC_H265
      && self->index->packets[number].flags & CLIP_PACKET_START)
    buffer = keep_prior (buffer, caps);
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
  self->fed_backward |= (self->index->packets[number].flags & CLIP_PACKET_BACKWARD) != 0;
  g_mutex_lock (&self->job->lock);
  self->progress++;
  g_mutex_unlock (&self->job->lock);

  return gst_pad_push (self->feed, buffer);
}

GstFlowReturn
clip_chain_feed (ClipChain *self, guint number, GstBuffer *buffer, GstCaps *caps)
{
  GstFlowReturn ret = GST_FLOW_OK;

  if (number < self->from)
    return GST_FLOW_OK;
  if (number > self->to)
    return GST_FLOW_EOS;
  if (find_run (self, number) && is_needed (self, number))
    ret = push_packet (self, number, gst_buffer_copy (buffer), caps);
  if (ret == GST_FLOW_OK && number == self->to) {
    gst_pad_push_event (self->feed, gst_event_new_eos ());
    ret = GST_FLOW_EOS;
  }
  if (ret < GST_FLOW_EOS)
    clip_chain_set_error (self, explain (self, ret), FALSE);

  return ret;
}

/* Pictures that are not needed are not even read. */
void
clip_chain_feed_pictures (gpointer data)
{
  ClipChain *self = data;
  GstCaps *caps = gst_caps_ref (self->fed_caps);
  GstFlowReturn ret = GST_FLOW_OK;

  gst_clear_caps (&self->fed_caps);
  for (guint i = self->from; i <= self->to && ret == GST_FLOW_OK && !clip_chain_is_stopping (self);
      i++) {
    GstBuffer *picture;
    GstCaps *own;
    gchar *reason;

    if (!is_needed (self, i))
      continue;
    picture = clip_pictures_read (self->pictures, i, &reason);
    if (!picture) {
      clip_chain_set_error (self, reason, FALSE);
      break;
    }
    /* the first one's do not tell it of all */
    own = clip_image_describe (gst_caps_ref (caps), picture);
    reason = clip_image_fault (own);
    gst_caps_unref (own);
    if (reason)
      clip_chain_set_error (self, reason, FALSE);
    ret = reason ? GST_FLOW_ERROR : clip_chain_feed (self, i, picture, caps);
    gst_buffer_unref (picture);
  }
  gst_caps_unref (caps);
}
