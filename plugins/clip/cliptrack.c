/* cliptrack.c: numbers the packets of a chain, makes an index of them, and passes them on to the
 * decoder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "clipimage.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* Up to this many bytes of packets stay in memory until they are decoded; a larger file is read
 * twice */
#define MAX_KEPT (32 * 1024 * 1024)
/* A packet is not this many packets before one that is presented earlier */
#define MAX_REORDERED 1000
/* Approximate overhead of a packet */
#define PACKET_BYTES 1024

/* A demuxer that reads past the file's end this many times does not detect it */
#define MAX_PAST_END 1000

struct _ClipTrack {
  ClipChain *chain;
  GstPad *sink;
  gpointer root; /* the demuxer's pad, for comparison only */
  gchar *stream;
  GstStreamFlags flags;
  gboolean picture; /* its caps are of an image format, as those of covers */
  gboolean eos;

  /* Used by its streaming thread */
  ClipPacketFormat format;
  GstCaps *caps;
  GstCaps *described; /* the same, with properties from the first packet */
  GstSegment segment;
  guint segment_packets;       /* packets before it */
  gboolean part;               /* packets came before this segment, but none of it */
  GstClockTime segment_length; /* total duration of its packets */
  /* PTS of its first picture, if pictures that refer to earlier ones may be presented before it;
   * or NONE */
  GstClockTime open;
  gboolean open_parts; /* such pictures are shown */
  /* of GstClockTime, ascending: PTS of packets since the demuxer last went elsewhere */
  GArray *run;
  gboolean scrambled; /* these were not in the order that a codec can give them */
  gboolean shared;    /* a part continues that run, and shows some of these once more */
  GArray *packets;    /* of ClipPacket */
  GPtrArray *kept;    /* of GstSample: packets with their caps */
};

GstCaps *
clip_track_get_caps (const ClipTrack *track)
{
  return track->described ? gst_caps_ref (track->described)
                          : gst_pad_get_current_caps (track->sink);
}

void
clip_track_free (ClipTrack *track)
{
  gst_object_unref (track->sink);
  gst_clear_caps (&track->caps);
  gst_clear_caps (&track->described);
  g_array_unref (track->packets);
  g_array_unref (track->run);
  g_ptr_array_unref (track->kept);
  g_free (track->stream);
  g_free (track);
}

/* Reading */

/* Stream time, which a seek does not change. */
static GstClockTime
stream_time (const ClipTrack *track, GstClockTime time)
{
  guint64 streamed;
  gint sign;

  if (!GST_CLOCK_TIME_IS_VALID (time) || track->segment.format != GST_FORMAT_TIME)
    return GST_CLOCK_TIME_NONE;
  sign = gst_segment_to_stream_time_full (&track->segment, GST_FORMAT_TIME, time, &streamed);
  /* What precedes the first frame, such as decoding times, is before zero */
  if (sign < 0)
    return streamed > G_MAXINT64 ? GST_CLOCK_TIME_NONE : -streamed;

  return sign > 0 ? streamed : GST_CLOCK_TIME_NONE;
}

/* Uses only reliable timestamps: AVI and ASF have one for each chunk or packet, not for each
 * picture, and mxfdemux's are positions in the file. */
static void
take_times (const ClipTrack *track, GstBuffer *buffer, ClipPacket *packet)
{
  packet->pts = track->chain->container == CLIP_CONTAINER_UNORDERED
      ? GST_CLOCK_TIME_NONE
      : stream_time (track, GST_BUFFER_PTS (buffer));
  packet->dts = stream_time (track, GST_BUFFER_DTS_OR_PTS (buffer));
}

/* If an edit list begins shortly before a keyframe, qtdemux starts with the keyframe. Unless
 * that is the file's first one, the pictures presented before it lack their references. */
static void
watch_open (ClipTrack *track, GstBuffer *buffer, guint flags)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const ClipCodec codec = track->format.codec;

  if (codec != CLIP_CODEC_H264 && codec != CLIP_CODEC_H265)
    return;
  if (track->packets->len == 0 || track->part)
    track->open = GST_BUFFER_DTS_IS_VALID (buffer) && GST_BUFFER_DTS (buffer) > 0
            && !(flags & CLIP_PACKET_RESET)
            && !g_atomic_int_get (&track->chain->quicktime.fragmented)
        ? pts
        : GST_CLOCK_TIME_NONE;
  else if (flags & CLIP_PACKET_START)
    track->open = GST_CLOCK_TIME_NONE;
  /* H.265's RADL pictures do not depend on earlier pictures */
  else if (GST_CLOCK_TIME_IS_VALID (track->open) && pts < track->open && pts >= track->segment.start
      && (codec == CLIP_CODEC_H264 || flags & CLIP_PACKET_LEADING))
    track->open_parts = TRUE;
}

/* The number of PTS in the run that are before a time. */
static guint
count_before (const ClipTrack *track, GstClockTime time)
{
  guint first = 0, end = track->run->len;

  while (first < end) {
    const guint middle = first + (end - first) / 2;

    if (g_array_index (track->run, GstClockTime, middle) < time)
      first = middle + 1;
    else
      end = middle;
  }

  return first;
}

/* If the key frame that a part of an edit list needs was in the part before, qtdemux continues after
 * that part's packets, though some of them may be shown in both. */
static void
watch_shared (ClipTrack *track, GstBuffer *buffer, guint flags)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  guint at;

  if (track->part
      && (flags & CLIP_PACKET_START
          || !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT))) {
    g_array_set_size (track->run, 0);
    track->scrambled = FALSE;
  }
  if (track->part && track->run->len > 0)
    track->shared |= track->scrambled
        || count_before (track, track->segment.start) < count_before (track, track->segment.stop);
  at = count_before (track, pts);
  track->scrambled |= track->run->len - at > MAX_REORDERED;
  if (!track->scrambled)
    g_array_insert_val (track->run, at, pts);
}

/* Whether the container has a timestamp for each packet. A parser drops the second one of two
 * equal timestamps in succession. */
static gboolean
is_timed (const ClipChain *chain)
{
  return chain->container == CLIP_CONTAINER_MATROSKA || chain->container == CLIP_CONTAINER_QUICKTIME
      || chain->container == CLIP_CONTAINER_FLV;
}

/* avidemux marks all packets as key frames if the file has no index, which has the flags: then
 * decoding starts at the first packet. */
static gboolean
is_key (const ClipTrack *track, GstBuffer *buffer)
{
  return track->chain->avi.scans ? track->packets->len == 0
                                 : !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
}

static void
describe_packet (ClipTrack *track, GstBuffer *buffer, ClipPacket *packet)
{
  const GstSegment *segment = &track->segment;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  guint layer = 0;
  GstMapInfo map;

  take_times (track, buffer, packet);
  packet->size = gst_buffer_get_size (buffer);
  packet->flags = 0;
  if (gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    packet->flags =
        clip_packet_parse (&track->format, map.data, map.size, is_key (track, buffer), &layer);
    gst_buffer_unmap (buffer, &map);
  }
  packet->layer = layer;
  if (is_timed (track->chain) && !GST_CLOCK_TIME_IS_VALID (pts))
    packet->flags |= CLIP_PACKET_SAME;
  /* in other containers the end of a segment is estimated from the header */
  if (track->chain->container != CLIP_CONTAINER_QUICKTIME || !GST_CLOCK_TIME_IS_VALID (pts))
    return;
  if (track->part)
    packet->flags |= CLIP_PACKET_PART;
  watch_open (track, buffer, packet->flags);
  watch_shared (track, buffer, packet->flags);
  track->part = FALSE;
  /* with samples in the movie's box and in fragments, the segment begins with the first fragment */
  if (g_atomic_int_get (&track->chain->quicktime.unedited))
    return;
  if (pts < segment->start)
    packet->flags |= CLIP_PACKET_OUTSIDE;
  else if (pts >= segment->stop)
    packet->flags |= CLIP_PACKET_AFTER;
  if (pts >= segment->start && GST_BUFFER_DURATION_IS_VALID (buffer))
    track->segment_length += GST_BUFFER_DURATION (buffer);
}

/* Called at the end of a segment. Where that end may be one that only a header declares, it does not
 * cut anything off if the segment is as long as all of its packets together. */
static void
settle_segment (ClipTrack *track)
{
  const GstSegment *segment = &track->segment;
  const guint n = track->packets->len - track->segment_packets;
  gboolean cuts;

  if (n == 0)
    return;
  cuts = GST_CLOCK_TIME_IS_VALID (segment->stop)
      && (g_atomic_int_get (&track->chain->quicktime.exact)
          || segment->stop - segment->start + track->segment_length / n / 2
              < track->segment_length);
  for (guint i = track->segment_packets; i < track->packets->len; i++) {
    ClipPacket *packet = &g_array_index (track->packets, ClipPacket, i);

    if (packet->flags & CLIP_PACKET_AFTER)
      packet->flags ^= CLIP_PACKET_AFTER | (cuts ? CLIP_PACKET_OUTSIDE : 0);
  }
  track->segment_packets = track->packets->len;
  track->segment_length = 0;
  track->part = TRUE;
}

/* In a fragmented file the end of the segment grows. matroskademux starts a new segment when a
 * frame is presented before all others so far, and its stream time is wrong after that: the
 * first segment stays valid. */
static void
take_segment (ClipTrack *track, GstEvent *event)
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
keep_packet (ClipTrack *track, GstBuffer *buffer)
{
  ClipChain *chain = track->chain;
  gboolean keeps;

  g_mutex_lock (&chain->job->lock);
  chain->kept += gst_buffer_get_size (buffer) + PACKET_BYTES;
  keeps = chain->keeps &= chain->kept <= MAX_KEPT;
  g_mutex_unlock (&chain->job->lock);
  if (keeps)
    g_ptr_array_add (track->kept, gst_sample_new (buffer, track->caps, NULL, NULL));
  else
    g_ptr_array_set_size (track->kept, 0);
}

/* Feeding */

void
clip_chain_feed_kept (gpointer data)
{
  ClipChain *self = data;
  GPtrArray *kept = self->track->kept;
  GstFlowReturn ret = GST_FLOW_OK;

  for (guint i = self->from; i <= self->to && ret == GST_FLOW_OK && !clip_chain_is_stopping (self);
      i++) {
    GstSample *sample = g_ptr_array_index (kept, i);

    ret = clip_chain_feed (self, i, gst_sample_get_buffer (sample), gst_sample_get_caps (sample));
  }
}

/* The number of a packet from the demuxer; -1: the index does not have it. After a seek it is
 * found by its timestamps (not its size: a parser may insert headers before it). From then on
 * packets are counted. */
static gint64
number_packet (ClipTrack *track, GstBuffer *buffer)
{
  ClipChain *self = track->chain;
  const ClipIndex *index = self->index;
  gint64 number = self->at;
  ClipPacket packet;

  take_times (track, buffer, &packet);
  if (number < 0) {
    number = clip_index_find (index, packet.pts, packet.dts);
    /* decoding cannot start after `from` */
    if (number > self->from)
      return -1;
  } else if (number >= index->n_packets || index->packets[number].pts != packet.pts
      || index->packets[number].dts != packet.dts
      || index->packets[number].size != gst_buffer_get_size (buffer)) {
    return -1;
  }
  if (number >= 0)
    self->at = number + 1;

  return number;
}

/* Pads */

/* Holds the first packet until the wanted ones are known. FALSE: drop it. */
static gboolean
wait_open (ClipChain *self)
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
track_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
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
  if (!track->described && track->caps) {
    track->described = clip_image_describe (gst_caps_ref (track->caps), buffer);
    if (clip_image_is_jpeg_2000 (track->caps))
      gst_caps_replace (&track->caps, track->described);
  }
  if (ends) {
    ret = GST_FLOW_EOS;
  } else if (reads) {
    ClipPacket packet;

    /* its padding is written to disk, too */
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
      ret = clip_chain_feed (self, number, buffer, track->caps);
    }
  } else {
    ret = GST_FLOW_NOT_LINKED;
  }
  gst_buffer_unref (buffer);

  return ret;
}

static gboolean
track_event (GstPad *pad, GstObject *parent, GstEvent *event)
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
    clip_packet_format_init (&track->format, track->caps);
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
    /* the packet to start at never came */
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
track_query (GstPad *pad, GstObject *parent, GstQuery *query)
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

/* The part of a stream ID that does not depend on the file's path. */
static gchar *
stream_name (GstPad *pad, GstStreamFlags *flags)
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
clip_chain_watch_end (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ClipChain *self = data;

  gboolean ends;

  if (info->offset < self->size)
    return GST_PAD_PROBE_PASS;
  g_mutex_lock (&self->job->lock);
  ends = ++self->past_end > MAX_PAST_END + 1 || self->libav;
  if (self->past_end == MAX_PAST_END + 1) {
    /* it will not find any video then, either */
    if (self->tracks->len == 0)
      clip_chain_set_error_locked (
          self, g_strdup ("it is truncated: it ends within its first packets"), FALSE);
    g_cond_broadcast (&self->job->cond);
  }
  g_mutex_unlock (&self->job->lock);
  if (!ends)
    return GST_PAD_PROBE_PASS;
  /* the demuxer treats a read error as the end, and a parser after it outputs its last packet.
   * libavformat's do not detect the end otherwise */
  info->data = NULL;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GST_FLOW_FLUSHING;

  return GST_PAD_PROBE_HANDLED;
}

/* Sets the track to decode. */
static void
take_track (ClipChain *self, ClipTrack *track)
{
  self->track = track;
  self->track_pad = track ? track->sink : NULL;
}

void
clip_chain_add_track (ClipChain *self, GstPad *pad, GstPad *root)
{
  ClipTrack *track = g_new0 (ClipTrack, 1);
  GstCaps *caps = gst_pad_get_current_caps (pad);

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  track->chain = self;
  track->root = root;
  track->stream = stream_name (root, &track->flags);
  track->picture = !gst_caps_is_empty (caps) && !gst_caps_is_any (caps)
      && g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "image/");
  gst_caps_unref (caps);
  track->packets = g_array_new (FALSE, FALSE, sizeof (ClipPacket));
  track->run = g_array_new (FALSE, FALSE, sizeof (GstClockTime));
  track->kept = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_sample_unref);
  gst_segment_init (&track->segment, GST_FORMAT_UNDEFINED);
  track->sink = gst_object_ref_sink (gst_pad_new (NULL, GST_PAD_SINK));
  gst_pad_set_element_private (track->sink, track);
  gst_pad_set_chain_function (track->sink, track_chain);
  gst_pad_set_event_function (track->sink, track_event);
  gst_pad_set_query_function (track->sink, track_query);
  gst_pad_set_active (track->sink, TRUE);
  g_mutex_lock (&self->job->lock);
  g_ptr_array_set_free_func (self->tracks, (GDestroyNotify) clip_track_free);
  g_ptr_array_add (self->tracks, track);
  if (self->index && !self->track && !strcmp (track->stream, self->index->stream))
    take_track (self, track);
  g_mutex_unlock (&self->job->lock);
  if (gst_pad_link_full (pad, track->sink, GST_PAD_LINK_CHECK_NOTHING) != GST_PAD_LINK_OK)
    clip_chain_set_error (self, g_strdup ("its video stream could not be linked"), FALSE);
}

void
clip_chain_end_track (ClipChain *self, GstPad *root)
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
clip_chain_is_read (const ClipChain *self)
{
  /* a demuxer adds all its pads before packets arrive */
  if (self->tracks->len == 0)
    return FALSE;
  /* it does not end at read errors, either */
  if (self->past_end > 2 * MAX_PAST_END)
    return TRUE;
  for (guint i = 0; i < self->tracks->len; i++)
    if (!((ClipTrack *) g_ptr_array_index (self->tracks, i))->eos)
      return FALSE;

  return TRUE;
}

/* Whether a player would prefer a: moving pictures, then the container's choice, then the first. */
static gboolean
is_better (const ClipTrack *a, const ClipTrack *b)
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

/* Whether the demuxer lost the timestamps of packets. avdemux makes all of them 0 if it does not
 * know the first one. */
static gboolean
lacks_times (const ClipChain *self, const ClipTrack *track)
{
  const ClipPacket *packets = (const ClipPacket *) track->packets->data;

  if (!self->libav && !is_timed (self))
    return FALSE;
  for (guint i = 1; i < track->packets->len; i++)
    if ((GST_CLOCK_TIME_IS_VALID (packets[i].pts) || GST_CLOCK_TIME_IS_VALID (packets[i].dts))
        && !(self->libav && packets[i].pts == packets[0].pts && packets[i].dts == packets[0].dts))
      return FALSE;

  return track->packets->len > 1;
}

gboolean
clip_chain_make_index (ClipChain *self)
{
  ClipTrack *best = NULL;

  for (guint i = 0; i < self->tracks->len; i++) {
    ClipTrack *track = g_ptr_array_index (self->tracks, i);

    if (self->video_track < 0 ? track->packets->len > 0 && (!best || is_better (track, best))
                              : i == (guint) self->video_track)
      best = track;
  }
  if (!best && self->video_track >= 0 && self->tracks->len > 0)
    clip_chain_set_error_locked (self,
        g_strdup_printf ("video-track=%d, but its video tracks are 0 to %u", self->video_track,
            self->tracks->len - 1),
        FALSE);
  if (!best || best->packets->len == 0)
    return FALSE;
  if (best->open_parts) {
    clip_chain_set_error_locked (self,
        g_strdup (
            "its edit list begins with pictures that depend on earlier ones, which GStreamer's "
            "qtdemux leaves out; encode it again, or let the list begin at a key frame"),
        FALSE);
    return FALSE;
  }
  if (best->shared) {
    clip_chain_set_error_locked (self,
        g_strdup ("its edit list has parts that follow one another within a group of pictures, of "
                  "which GStreamer's qtdemux leaves out some; encode it again"),
        FALSE);
    return FALSE;
  }
  if (lacks_times (self, best)) {
    clip_chain_set_error_locked (self,
        g_strdup ("GStreamer's demuxer loses its times; copy it to another container: ffmpeg -i "
                  "FILE -c copy FILE.mov"),
        FALSE);
    return FALSE;
  }
  if (clip_clocks_is_early (self->clocks)) {
    clip_chain_set_error_locked (self,
        g_strdup ("its first pictures have times before zero, which GStreamer's oggdemux leaves "
                  "out; cut it from its source again, into another container"),
        FALSE);
    return FALSE;
  }
  settle_segment (best);
  self->index = clip_index_new (best->stream, best->format.codec,
      (const ClipPacket *) best->packets->data, best->packets->len);
  take_track (self, best);
  for (guint i = 0; i < best->packets->len; i++)
    GST_LOG_OBJECT (self,
        "packet %u: pts %" GST_TIME_FORMAT " dts %" GST_TIME_FORMAT " flags %#x, frame %d", i,
        GST_TIME_ARGS (self->index->packets[i].pts), GST_TIME_ARGS (self->index->packets[i].dts),
        self->index->packets[i].flags, (gint) self->index->ranks[i]);
  GST_DEBUG_OBJECT (self, "%s: track %s, %u packets, %u frames%s", self->job->path, best->stream,
      self->index->n_packets, self->index->n_frames, self->index->counted ? ", counted" : "");

  return TRUE;
}
