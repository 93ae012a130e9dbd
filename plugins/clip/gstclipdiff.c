/* gstclipdiff.c: replaces frames by their differences.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-clipdiff
 * @title: clipdiff
 *
 * Replaces each frame of a clip by its difference from the previous frame.
 * Static parts become black and moving parts bright, so that a network that is
 * trained on few clips learns the motion in them and not their background.
 *
 * The first frame of a clip has no previous one and becomes black. So does the
 * first frame of a stream without clip meta.
 *
 * The event `clip-preparation` reports it downstream, so that the model file
 * records the differences.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc pattern=ball num-buffers=100 ! videoconvert ! clipdiff gain=2 ! videoconvert ! fakesink
 * ]| Shows the edges of the moving ball.
 *
 * Since: 0.1.0
 */
#include "gstclipdiff.h"

#include <string.h>

#include "gstclipkptmeta.h"
#include "plugins/settings.h"
#include "src/framediff.h"

GST_DEBUG_CATEGORY_STATIC (clip_diff_debug);
#define GST_CAT_DEFAULT clip_diff_debug

struct _GstClipDiff {
  GstVideoFilter parent;

  gdouble gain; /* under the object lock */

  /* Used by the streaming thread */
  GstBuffer *before; /* the previous frame */
  guint64 clip;      /* fields of its clip meta, if it had one */
  guint64 sample;
  guint view, epoch;
  gboolean training;
  guint64 frame;
  GstEvent *preparation; /* clip-preparation as received; NULL: none */
  gdouble reported_gain; /* the gain in the last event sent */
};

static const SettingsField fields[] = {
  { "gain", G_STRUCT_OFFSET (GstClipDiff, gain) },
};

static const SettingsOf settings = { "clipdiff", fields, G_N_ELEMENTS (fields) };

G_DEFINE_TYPE (GstClipDiff, gst_clip_diff, GST_TYPE_VIDEO_FILTER);
GST_ELEMENT_REGISTER_DEFINE (clipdiff, "clipdiff", GST_RANK_NONE, GST_TYPE_CLIP_DIFF);

#define CAPS GST_VIDEO_CAPS_MAKE ("{ RGB, GRAY8 }")

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

/* Whether the previous frame belongs to another clip. */
static gboolean
gst_clip_diff_begins (GstClipDiff *self, const GstClipMeta *meta)
{
  return meta->clip != self->clip || meta->sample != self->sample || meta->view != self->view
      || meta->epoch != self->epoch || !meta->training != !self->training
      || meta->frame <= self->frame;
}

/* Reports the gain downstream in clip-preparation. */
static gboolean
gst_clip_diff_report (GstClipDiff *self, gdouble gain)
{
  GstClipPreparation preparation;

  self->reported_gain = gain;
  gst_event_parse_clip_preparation (self->preparation, &preparation);
  preparation.diff_gain = gain;

  return gst_pad_push_event (
      GST_BASE_TRANSFORM_SRC_PAD (self), gst_event_new_clip_preparation (&preparation));
}

static gdouble
gst_clip_diff_gain (GstClipDiff *self)
{
  gdouble gain;

  GST_OBJECT_LOCK (self);
  gain = self->gain;
  GST_OBJECT_UNLOCK (self);

  return gain;
}

static GstFlowReturn
gst_clip_diff_transform_frame (GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out)
{
  GstClipDiff *self = GST_CLIP_DIFF (filter);
  /* the size in the caps: a frame's video meta may have a larger one */
  const guint width = GST_VIDEO_INFO_WIDTH (&filter->in_info);
  const guint height = GST_VIDEO_INFO_HEIGHT (&filter->in_info);
  const gsize row = (gsize) width * GST_VIDEO_FRAME_COMP_PSTRIDE (out, 0);
  const gsize stride = GST_VIDEO_FRAME_PLANE_STRIDE (out, 0);
  guint8 *pixels = GST_VIDEO_FRAME_PLANE_DATA (out, 0);
  GstClipMeta *meta = gst_buffer_get_clip_meta (in->buffer);
  const gdouble gain = gst_clip_diff_gain (self);
  GstVideoFrame before;
  guint y;

  if (self->preparation && self->reported_gain != gain)
    gst_clip_diff_report (self, gain);
  if (meta && gst_clip_diff_begins (self, meta))
    gst_clear_buffer (&self->before);
  if (!self->before) {
    for (y = 0; y < height; y++)
      memset (pixels + y * stride, 0, row);
  } else {
    if (!gst_video_frame_map (&before, &filter->in_info, self->before, GST_MAP_READ))
      goto no_map;
    for (y = 0; y < height; y++) {
      const guint8 *a = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (in, 0)
          + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (in, 0);
      const guint8 *b = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&before, 0)
          + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&before, 0);

      cnn3d_frame_diff (pixels + y * stride, a, b, row, gain);
    }
    gst_video_frame_unmap (&before);
  }

  gst_buffer_replace (&self->before, in->buffer);
  if (meta) {
    self->clip = meta->clip;
    self->sample = meta->sample;
    self->view = meta->view;
    self->epoch = meta->epoch;
    self->training = meta->training;
    self->frame = meta->frame;
  }

  return GST_FLOW_OK;

  /* ERRORS */
no_map:
  GST_ELEMENT_ERROR (self, RESOURCE, READ,
      ("The clip's previous frame can no longer be read: its memory could not be mapped."), (NULL));
  return GST_FLOW_ERROR;
}

static gboolean
gst_clip_diff_set_info (GstVideoFilter *filter, GstCaps *incaps, GstVideoInfo *in_info,
    GstCaps *outcaps, GstVideoInfo *out_info)
{
  gst_clear_buffer (&GST_CLIP_DIFF (filter)->before);

  return TRUE;
}

/* A difference has the key points of the later picture. */
static gboolean
gst_clip_diff_transform_meta (GstBaseTransform *trans, GstBuffer *out, GstMeta *meta, GstBuffer *in)
{
  return meta->info->api == GST_CLIP_KPT_META_API_TYPE
      || GST_BASE_TRANSFORM_CLASS (gst_clip_diff_parent_class)
             ->transform_meta (trans, out, meta, in);
}

/* Removes upstream's pools: their sizes do not account for the frame that is held here. */
static gboolean
gst_clip_diff_propose_allocation (GstBaseTransform *trans, GstQuery *decide_query, GstQuery *query)
{
  if (!GST_BASE_TRANSFORM_CLASS (gst_clip_diff_parent_class)
          ->propose_allocation (trans, decide_query, query))
    return FALSE;
  while (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_remove_nth_allocation_pool (query, 0);

  return TRUE;
}

static gboolean
gst_clip_diff_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  GstClipDiff *self = GST_CLIP_DIFF (trans);

  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START
      || GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    gst_clear_buffer (&self->before);
  if (gst_event_parse_clip_preparation (event, NULL)) {
    gst_clear_event (&self->preparation);
    self->preparation = event;
    return gst_clip_diff_report (self, gst_clip_diff_gain (self));
  }

  return GST_BASE_TRANSFORM_CLASS (gst_clip_diff_parent_class)->sink_event (trans, event);
}

static gboolean
gst_clip_diff_start (GstBaseTransform *trans)
{
  return settings_check (GST_ELEMENT (trans));
}

static gboolean
gst_clip_diff_stop (GstBaseTransform *trans)
{
  /* another thread may be flushing */
  GST_PAD_STREAM_LOCK (GST_BASE_TRANSFORM_SINK_PAD (trans));
  gst_clear_buffer (&GST_CLIP_DIFF (trans)->before);
  gst_clear_event (&GST_CLIP_DIFF (trans)->preparation);
  GST_PAD_STREAM_UNLOCK (GST_BASE_TRANSFORM_SINK_PAD (trans));

  return TRUE;
}

static void
gst_clip_diff_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  settings_set (&settings, GST_ELEMENT (object), object, id - 1, value);
}

static void
gst_clip_diff_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  settings_get (&settings, object, id - 1, value);
  GST_OBJECT_UNLOCK (object);
}

static void
gst_clip_diff_class_init (GstClipDiffClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);
  GstVideoFilterClass *filter_class = GST_VIDEO_FILTER_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (clip_diff_debug, "clipdiff", 0, "differences of frames");

  object_class->set_property = gst_clip_diff_set_property;
  object_class->get_property = gst_clip_diff_get_property;
  trans_class->start = GST_DEBUG_FUNCPTR (gst_clip_diff_start);
  trans_class->stop = GST_DEBUG_FUNCPTR (gst_clip_diff_stop);
  trans_class->sink_event = GST_DEBUG_FUNCPTR (gst_clip_diff_sink_event);
  trans_class->transform_meta = GST_DEBUG_FUNCPTR (gst_clip_diff_transform_meta);
  trans_class->propose_allocation = GST_DEBUG_FUNCPTR (gst_clip_diff_propose_allocation);
  filter_class->set_info = GST_DEBUG_FUNCPTR (gst_clip_diff_set_info);
  filter_class->transform_frame = GST_DEBUG_FUNCPTR (gst_clip_diff_transform_frame);

  settings_install (&settings, object_class, 1, GST_PARAM_MUTABLE_PLAYING);

  gst_element_class_set_static_metadata (element_class, "Clip difference", "Filter/Effect/Video",
      "Replaces each frame of a clip by its difference from the previous one", "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_clip_diff_init (GstClipDiff *self)
{
  settings_init (&settings, self);
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
}
