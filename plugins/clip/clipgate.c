/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "clipcached.h"
#include "cliplinks.h"

GST_DEBUG_CATEGORY_EXTERN (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* The gate */

static gboolean
takes (ClipChain *self, GstCaps *caps)
{
  GstCaps *possible = gst_pad_peer_query_caps (self->gate_src, caps);
  const gboolean takes = !gst_caps_is_empty (possible);

  gst_caps_unref (possible);

  return takes;
}

gboolean
clip_chain_deinterlaces (const ClipChain *self)
{
  return clip_links_lead_to_deinterlacer (self->gate_src)
      || clip_links_lead_to_deinterlacer (self->src_pad);
}

/* Declares interlaced frames as progressive in their caps (taken), unless a downstream element
 * deinterlaces or accepts only interlaced video. */
static GstCaps *
join_fields (ClipChain *self, GstCaps *caps)
{
  GstCaps *joined;

  if (clip_chain_deinterlaces (self))
    return caps;
  joined = gst_caps_copy (caps);
  gst_caps_set_simple (joined, "interlace-mode", G_TYPE_STRING, "progressive", NULL);
  gst_structure_remove_field (gst_caps_get_structure (joined, 0), "field-order");
  if (!takes (self, joined) && takes (self, caps)) {
    gst_caps_unref (joined);
    return caps;
  }
  gst_caps_unref (caps);

  return joined;
}

/* Makes a decoder's caps (taken) those of whole frames. Where each field is a picture of its
 * own, as in H.265, GStreamer's caps declare halves of a frame. Where a frame has two fields,
 * GStreamer would convert its colours field by field; FFmpeg does not. */
static GstCaps *
unfold_fields (ClipChain *self, GstCaps *caps)
{
  GstCapsFeatures *features;
  GstVideoInfo info;

  if (!gst_caps_is_fixed (caps) || !gst_video_info_from_caps (&info, caps)
      || !GST_VIDEO_INFO_IS_INTERLACED (&info))
    return caps;
  if (GST_VIDEO_INFO_INTERLACE_MODE (&info) != GST_VIDEO_INTERLACE_MODE_ALTERNATE)
    return join_fields (self, caps);
  caps = gst_caps_make_writable (caps);
  features = gst_caps_features_copy (gst_caps_get_features (caps, 0));
  gst_caps_features_remove (features, GST_CAPS_FEATURE_FORMAT_INTERLACED);
  gst_caps_set_features (caps, 0, features);
  gst_caps_set_simple (caps, "interlace-mode", G_TYPE_STRING, "progressive", "height", G_TYPE_INT,
      GST_VIDEO_INFO_FIELD_HEIGHT (&info), NULL);

  return caps;
}

static GstEvent *
unfold_event (ClipChain *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  caps = unfold_fields (self, gst_caps_ref (caps));
  gst_event_unref (event);
  event = gst_event_new_caps (caps);
  gst_caps_unref (caps);

  return event;
}

/* Whether the stream declares the matrix that a decoder's caps have. libavcodec's decoders also
 * find it where parsers do not look, as in MPEG-2's sequences and in DNxHD; others guess. */
static gboolean
declares_matrix (ClipChain *self, const GstVideoColorimetry *decoded)
{
  GstPad *src;
  GstElement *decoder;
  gboolean declares;

  if (self->has_matrix || decoded->matrix == GST_VIDEO_COLOR_MATRIX_UNKNOWN)
    return self->has_matrix;
  src = gst_pad_get_peer (self->gate_sink);
  decoder = src ? gst_pad_get_parent_element (src) : NULL;
  declares = decoder && g_str_has_prefix (clip_links_kind (decoder), "avdec_");
  gst_clear_object (&decoder);
  gst_clear_object (&src);

  return declares;
}

/* Caps for the next element. If the matrix is unknown GStreamer guesses the whole colorimetry
 * from the picture's size, even if the range is known; an unknown range it converts like a full
 * one. FFmpeg, which other tools' frames come from, assumes BT.601 and studio range. */
static GstEvent *
translate_caps (ClipChain *self, GstEvent *event)
{
  GstVideoColorimetry decoded;
  gboolean declared;
  GstVideoInfo info;
  GstCaps *caps;
  gchar *text;

  gst_event_parse_caps (event, &caps);
  decoded = clip_chain_read_colorimetry (gst_caps_get_structure (caps, 0), "colorimetry");
  declared = declares_matrix (self, &decoded);
  if (!gst_video_info_from_caps (&info, caps)
      || !(GST_VIDEO_INFO_IS_GRAY (&info)
          || (GST_VIDEO_INFO_IS_YUV (&info)
              && !(declared && decoded.range != GST_VIDEO_COLOR_RANGE_UNKNOWN))))
    return gst_event_ref (event);
  if (GST_VIDEO_INFO_IS_GRAY (&info) || !declared)
    info.colorimetry.matrix = GST_VIDEO_COLOR_MATRIX_BT601;
  /* FFmpeg treats every grey picture as full range */
  if (GST_VIDEO_INFO_IS_GRAY (&info))
    info.colorimetry.range = GST_VIDEO_COLOR_RANGE_0_255;
  else if (decoded.range != GST_VIDEO_COLOR_RANGE_UNKNOWN)
    info.colorimetry.range = decoded.range;
  else if (self->range != GST_VIDEO_COLOR_RANGE_UNKNOWN)
    info.colorimetry.range = self->range;
  else
    info.colorimetry.range = GST_VIDEO_COLOR_RANGE_16_235;
  text = gst_video_colorimetry_to_string (&info.colorimetry);
  caps = gst_caps_copy (caps);
  gst_caps_set_simple (caps, "colorimetry", G_TYPE_STRING, text, NULL);
  event = gst_event_new_caps (caps);
  gst_caps_unref (caps);
  g_free (text);

  return event;
}

static gboolean
forward_sticky (GstPad *pad, GstEvent **event, gpointer data)
{
  ClipChain *self = data;

  if (GST_EVENT_TYPE (*event) != GST_EVENT_EOS)
    gst_pad_push_event (self->gate_src, gst_event_ref (*event));

  return TRUE;
}

static GstFlowReturn
finish_gate (ClipChain *self)
{
  gboolean good;

  /* EOS means that all frames arrived */
  g_mutex_lock (&self->job->lock);
  good = !self->error && !self->lost && !self->stop && !self->job->aborted;
  g_mutex_unlock (&self->job->lock);
  if (!self->finished && good)
    gst_pad_push_event (self->gate_src, gst_event_new_eos ());
  self->finished = TRUE;

  return GST_FLOW_EOS;
}

/* The number of the frame in the file; G_MAXUINT: none. */
static guint
number_frame (ClipChain *self, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);

  if (self->index->counted) {
    const guint first = self->index->ranks[self->from];

    /* the file may begin with pictures that are not shown */
    return (first == G_MAXUINT32 ? 0 : first) + self->counted++;
  }
  if (!GST_CLOCK_TIME_IS_VALID (pts) || pts % GST_SECOND
      || pts / GST_SECOND - 1 >= self->index->n_frames)
    return G_MAXUINT;

  return pts / GST_SECOND - 1;
}

/* Every picture is a frame, so a wanted one that did not arrive before `frame` is an error.
 * FALSE: the error is set. */
static gboolean
check_pictures (ClipChain *self, guint64 frame)
{
  if (!self->pictures || self->finished || clip_chain_next_wanted (self) >= frame)
    return TRUE;
  clip_chain_set_error (self, clip_chain_explain_picture (self, NULL), FALSE);

  return FALSE;
}

/* Describes the file, and the frame's position in it. */
static void
describe_file (const ClipChain *self, guint frame, GstClipMeta *meta)
{
  const gboolean transposed = self->transposed;
  const guint width = GST_VIDEO_INFO_WIDTH (&self->decoded);
  const guint height = GST_VIDEO_INFO_HEIGHT (&self->decoded);
  const gint n = GST_VIDEO_INFO_PAR_N (&self->decoded), d = GST_VIDEO_INFO_PAR_D (&self->decoded);

  clip_chain_describe_segment (self, meta);
  meta->file_frame = frame;
  meta->file_time = self->index->times[frame];
  meta->width = transposed ? height : width;
  meta->height = transposed ? width : height;
  meta->par_n = transposed ? d : n;
  meta->par_d = transposed ? n : d;
}

static GstFlowReturn
gate_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  ClipChain *self = gst_pad_get_element_private (pad);
  const guint frame = number_frame (self, buffer);
  GstClipMeta meta = self->job->meta;
  GstFlowReturn ret;

  g_mutex_lock (&self->job->lock);
  self->progress++;
  g_mutex_unlock (&self->job->lock);
  if (self->finished || (frame != G_MAXUINT && frame > self->first + self->window_last)) {
    gst_buffer_unref (buffer);
    return finish_gate (self);
  }
  if (!clip_chain_wants (self, frame)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  /* A decoder that lost track of its pictures: GStreamer's base class lets no timestamp go back,
   * so that two pictures have one number */
  if (frame <= self->last_frame) {
    GST_WARNING_OBJECT (self, "%s: frame %u arrived twice", self->job->path, frame);
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  if (!check_pictures (self, frame)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_ERROR;
  }
  self->last_frame = frame;
  meta.frame = frame - self->first;
  meta.num_frames = self->frames;
  describe_file (self, frame, &meta);
  buffer = gst_buffer_make_writable (buffer);
  GST_BUFFER_PTS (buffer) = self->index->times[frame];
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = clip_index_duration (self->index, frame);
  gst_buffer_add_clip_meta (buffer, &meta);
  ret = gst_pad_push (self->gate_src, buffer);
  if (ret == GST_FLOW_EOS || (ret == GST_FLOW_OK && meta.frame >= self->window_last))
    return finish_gate (self);
  if (ret != GST_FLOW_OK && ret != GST_FLOW_FLUSHING)
    clip_chain_set_error (self, g_strdup_printf ("clip-bin: %s", gst_flow_get_name (ret)), TRUE);

  return ret;
}

/* Reports caps that downstream does not accept, before negotiation fails without a reason. */
static void
check_caps (ClipChain *self, GstEvent *event)
{
  GstCaps *caps, *possible;
  gchar *text;

  gst_event_parse_caps (event, &caps);
  possible = gst_pad_peer_query_caps (self->gate_src, caps);
  if (gst_caps_is_empty (possible)) {
    text = gst_caps_to_string (caps);
    clip_chain_set_error (self,
        g_strdup_printf ("not-negotiated: %s not accept its frames, which are %s",
            self->clip_bin ? "clip-bin and what follows do" : "downstream does", text),
        TRUE);
    g_free (text);
  }
  gst_caps_unref (possible);
}

static void
note_caps (ClipChain *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  if (!gst_video_info_from_caps (&self->decoded, caps))
    gst_video_info_init (&self->decoded);
}

static gboolean
gate_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  ClipChain *self = gst_pad_get_element_private (pad);
  ClipJob *job = self->job;
  GstEventType type = GST_EVENT_TYPE (event);

  if (type == GST_EVENT_EOS)
    check_pictures (self, self->first + self->window_last + 1);
  g_mutex_lock (&job->lock);
  self->progress++;
  if (type == GST_EVENT_EOS)
    self->gate_eos = TRUE;
  g_cond_broadcast (&job->cond);
  g_mutex_unlock (&job->lock);

  if (type == GST_EVENT_CAPS) {
    event = unfold_event (self, event);
    note_caps (self, event);
    check_caps (self, event);
  }
  if (type == GST_EVENT_EOS && self->forwarding)
    finish_gate (self);
  /* Nothing is forwarded before the caps. Sticky events stay on this pad until then */
  if (type == GST_EVENT_CAPS && !self->forwarding) {
    self->forwarding = TRUE;
    gst_pad_sticky_events_foreach (pad, forward_sticky, self);
  }
  if (self->forwarding && type == GST_EVENT_CAPS)
    gst_pad_push_event (self->gate_src, translate_caps (self, event));
  else if (self->forwarding && type != GST_EVENT_EOS
      && !gst_video_event_parse_still_frame (event, NULL) && type != GST_EVENT_FLUSH_START
      && type != GST_EVENT_FLUSH_STOP)
    return gst_pad_push_event (self->gate_src, event);
  gst_event_unref (event);

  return TRUE;
}

static gboolean
can_be (GstCaps *caps)
{
  gboolean some = !gst_caps_is_empty (caps);

  gst_caps_unref (caps);

  return some;
}

/* Whether downstream accepts frames in this memory, which is not system memory. If clip-bin
 * accepts both, the elements after it decide. */
static gboolean
takes_memory (ClipChain *self, GstCaps *offered)
{
  gboolean follows = can_be (gst_pad_peer_query_caps (self->src_pad, offered));
  gboolean takes;
  GstPad *pad;
  GstCaps *plain;

  if (!self->clip_bin)
    return follows;
  pad = gst_element_get_static_pad (self->clip_bin, "sink");
  if (!pad)
    return follows;
  plain = gst_caps_copy (offered);
  gst_caps_set_features (plain, 0, NULL);
  takes = can_be (gst_pad_query_caps (pad, offered))
      && (follows || !can_be (gst_pad_query_caps (pad, plain)));
  gst_caps_unref (plain);
  gst_object_unref (pad);

  return takes;
}

/* Fields in system memory: their caps features do not name a memory. */
static gboolean
is_plain_fields (const GstCapsFeatures *features)
{
  if (!gst_caps_features_contains (features, GST_CAPS_FEATURE_FORMAT_INTERLACED))
    return FALSE;
  for (guint i = 0; i < gst_caps_features_get_size (features); i++)
    if (g_str_has_prefix (gst_caps_features_get_nth (features, i), "memory:"))
      return FALSE;

  return TRUE;
}

/* The caps that a decoder may output: all, but GPU memory only if downstream accepts it. */
static GstCaps *
allowed_caps (ClipChain *self, GstCaps *offered)
{
  GstCaps *allowed = gst_caps_new_empty ();
  guint i;

  for (i = 0; i < gst_caps_get_size (offered); i++) {
    GstCaps *one = gst_caps_copy_nth (offered, i);
    GstCapsFeatures *features = gst_caps_get_features (one, 0);

    if (gst_caps_features_is_any (features) || is_plain_fields (features)
        || gst_caps_features_contains (features, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY)
        || takes_memory (self, one))
      gst_caps_append (allowed, one);
    else
      gst_caps_unref (one);
  }

  return allowed;
}

/* Answers a decoder's query for the raw video that it may output. FALSE: another query. */
static gboolean
answer (ClipChain *self, GstQuery *query)
{
  GstCaps *filter, *caps;
  guint i;

  gst_query_parse_caps (query, &filter);
  if (!filter || gst_caps_is_any (filter) || gst_caps_is_empty (filter))
    return FALSE;
  for (i = 0; i < gst_caps_get_size (filter); i++)
    if (!gst_structure_has_name (gst_caps_get_structure (filter, i), "video/x-raw"))
      return FALSE;
  caps = allowed_caps (self, filter);
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);

  return TRUE;
}

/* Whether the query is for frames that are forwarded as they are. */
static gboolean
takes_whole (GstQuery *query)
{
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, NULL);

  return !caps
      || !gst_caps_features_contains (
          gst_caps_get_features (caps, 0), GST_CAPS_FEATURE_FORMAT_INTERLACED);
}

static gboolean
gate_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  ClipChain *self = gst_pad_get_element_private (pad);

  /* a peer that accepts padded frames spares the decoder a copy of each */
  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    return self->forwarding && takes_whole (query) && gst_pad_peer_query (self->gate_src, query);
  if (GST_QUERY_TYPE (query) == GST_QUERY_CAPS && answer (self, query))
    return TRUE;

  return clip_chain_take_any_caps (query);
}

/* Upstream events of clip-bin, such as QoS, are dropped here: the decoder must not drop frames. */
static gboolean
gate_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gst_event_unref (event);

  return FALSE;
}

static gboolean
gate_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  ClipChain *self = gst_pad_get_element_private (pad);

  if (GST_QUERY_TYPE (query) == GST_QUERY_CAPS) {
    GstCaps *caps = gst_pad_get_current_caps (self->gate_sink);

    caps = caps ? unfold_fields (self, caps) : gst_caps_new_any ();
    gst_query_set_caps_result (query, caps);
    gst_caps_unref (caps);
    return TRUE;
  }

  return gst_pad_peer_query (self->gate_sink, query);
}

/* The chain's output */

static GstFlowReturn
out_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  ClipChain *self = gst_pad_get_element_private (pad);
  ClipJob *job = self->job;

  g_mutex_lock (&job->lock);
  self->progress++;
  if (self->stop || self->done) {
    g_mutex_unlock (&job->lock);
    gst_buffer_unref (buffer);
    return GST_FLOW_FLUSHING;
  }
  g_mutex_unlock (&job->lock);
  if (!clip_job_add (job, buffer, self->caps, self->preparation))
    return GST_FLOW_FLUSHING;
  gst_clear_caps (&self->caps);
  gst_clear_event (&self->preparation);

  return GST_FLOW_OK;
}

static gboolean
out_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  ClipChain *self = gst_pad_get_element_private (pad);

  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    GstCaps *caps;

    gst_event_parse_caps (event, &caps);
    gst_caps_replace (&self->caps, caps);
  } else if (gst_event_parse_clip_preparation (event, NULL)) {
    gst_event_replace (&self->preparation, event);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    g_mutex_lock (&self->job->lock);
    /* EOS after an error is not a success */
    self->done = !self->error;
    g_cond_broadcast (&self->job->cond);
    g_mutex_unlock (&self->job->lock);
  }
  gst_event_unref (event);

  return TRUE;
}

static gboolean
out_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  ClipChain *self = gst_pad_get_element_private (pad);

  /* Serialized queries cannot be forwarded from here: downstream streams in another thread. */
  if (GST_QUERY_IS_SERIALIZED (query))
    return FALSE;
  /* Elements outside of clip-bin do not see the clips of one chain in succession. */
  if (clip_cached_query_parse (query))
    return FALSE;
  if (gst_query_parse_clip_window (query, NULL, NULL, NULL))
    clip_cached_set_outside (query);

  return gst_pad_peer_query (self->src_pad, query) || clip_chain_take_any_caps (query);
}

/* Pads */

static GstPad *
make_pad (ClipChain *self, const gchar *name, GstPadDirection direction)
{
  GstPad *pad = gst_object_ref_sink (gst_pad_new (name, direction));

  gst_pad_set_element_private (pad, self);

  return pad;
}
void
clip_chain_make_pads (ClipChain *self)
{
  self->feed = make_pad (self, "feed", GST_PAD_SRC);
  self->gate_sink = make_pad (self, "gate_sink", GST_PAD_SINK);
  gst_pad_set_chain_function (self->gate_sink, gate_chain);
  gst_pad_set_event_function (self->gate_sink, gate_event);
  gst_pad_set_query_function (self->gate_sink, gate_query);
  self->gate_src = make_pad (self, "gate_src", GST_PAD_SRC);
  gst_pad_set_event_function (self->gate_src, gate_src_event);
  gst_pad_set_query_function (self->gate_src, gate_src_query);
  self->out = make_pad (self, "out", GST_PAD_SINK);
  gst_pad_set_chain_function (self->out, out_chain);
  gst_pad_set_event_function (self->out, out_event);
  gst_pad_set_query_function (self->out, out_query);
}
