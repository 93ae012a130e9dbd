/* gstclipaugment.c: random augmentation of training clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-clipaugment
 * @title: clipaugment
 *
 * Crops, mirrors and recolours the clips of training passes at random, so that
 * a network sees each of them differently every epoch. All frames of a clip, in
 * all of its views, are changed alike. The random draws depend only on the seed, the epoch and the
 * clip's row in the data set. A crop is scaled to the size of the frames.
 *
 * Clips of validation passes, and streams without clip meta, are passed through
 * unchanged.
 *
 * The properties have the meaning of those of torchvision's RandomResizedCrop,
 * RandomHorizontalFlip and ColorJitter.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 clipsrc location=train.csv clip-bin="clipsample num-frames=16 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=128,height=128 ! clipaugment scale-min=0.4 brightness=0.2 ! videoconvertscale ! video/x-raw,width=112,height=112" ! clipbatch batch-size=4 ! fakesink
 * ]| Batches of randomly cropped clips.
 *
 * Since: 0.1.0
 */
#include "gstclipaugment.h"

#include "clipdraw.h"
#include "gstclipkptmeta.h"
#include "plugins/settings.h"

GST_DEBUG_CATEGORY_STATIC (clip_augment_debug);
#define GST_CAT_DEFAULT clip_augment_debug

#define FIELD(field) G_STRUCT_OFFSET (ClipDrawSettings, field)

static const SettingsField fields[] = {
  { "scale-min", FIELD (scale_min) },
  { "scale-max", FIELD (scale_max) },
  { "ratio-min", FIELD (ratio_min) },
  { "ratio-max", FIELD (ratio_max) },
  { "flip", FIELD (flip) },
  { "brightness", FIELD (colours[CLIP_DRAW_BRIGHTNESS]) },
  { "contrast", FIELD (colours[CLIP_DRAW_CONTRAST]) },
  { "saturation", FIELD (colours[CLIP_DRAW_SATURATION]) },
  { "seed", FIELD (seed) },
};

static const SettingsOf settings = { "clipaugment", fields, G_N_ELEMENTS (fields) };

struct _GstClipAugment {
  GstVideoFilter parent;

  ClipDrawSettings settings; /* the properties, under the object lock */

  /* Used by the streaming thread: the current clip */
  gboolean in_clip;
  guint64 clip;
  guint64 sample;
  guint view, epoch;
  guint64 frame; /* the last one seen */
  ClipDraw draw;
  gboolean changes;        /* the draw changes frames */
  GstVideoConverter *crop; /* NULL: the whole frame */
};

G_DEFINE_TYPE (GstClipAugment, gst_clip_augment, GST_TYPE_VIDEO_FILTER);
GST_ELEMENT_REGISTER_DEFINE (clipaugment, "clipaugment", GST_RANK_NONE, GST_TYPE_CLIP_AUGMENT);

#define CAPS GST_VIDEO_CAPS_MAKE ("{ RGB, GRAY8 }")

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS));

static void
gst_clip_augment_forget (GstClipAugment *self)
{
  g_clear_pointer (&self->crop, gst_video_converter_free);
  self->in_clip = FALSE;
}

/* Draws the parameters of a clip that starts. */
static void
gst_clip_augment_begin (GstClipAugment *self, const GstClipMeta *meta)
{
  GstVideoInfo *info = &GST_VIDEO_FILTER (self)->in_info;
  const guint width = GST_VIDEO_INFO_WIDTH (info);
  const guint height = GST_VIDEO_INFO_HEIGHT (info);
  ClipDraw *draw = &self->draw;
  ClipDrawSettings settings;
  guint i;

  gst_clip_augment_forget (self);
  GST_OBJECT_LOCK (self);
  settings = self->settings;
  GST_OBJECT_UNLOCK (self);
  clip_draw (&settings, meta->epoch, meta->sample, width, height, draw);

  self->changes = draw->flip;
  for (i = 0; i < CLIP_DRAW_COLOURS; i++)
    self->changes |= draw->factors[i] != CLIP_DRAW_ONE;
  if (draw->width != width || draw->height != height) {
    self->changes = TRUE;
    self->crop = gst_video_converter_new (info, info,
        gst_structure_new ("crop", GST_VIDEO_CONVERTER_OPT_SRC_X, G_TYPE_INT, (gint) draw->x,
            GST_VIDEO_CONVERTER_OPT_SRC_Y, G_TYPE_INT, (gint) draw->y,
            GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, (gint) draw->width,
            GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, (gint) draw->height,
            GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_VIDEO_RESAMPLER_METHOD,
            GST_VIDEO_RESAMPLER_METHOD_LINEAR, NULL));
  }
  self->in_clip = TRUE;
  self->clip = meta->clip;
  self->sample = meta->sample;
  self->view = meta->view;
  self->epoch = meta->epoch;
  GST_LOG_OBJECT (self, "clip %" G_GUINT64_FORMAT ": %ux%u at %u, %u%s", meta->clip, draw->width,
      draw->height, draw->x, draw->y, draw->flip ? ", mirrored" : "");
}

/* Frames that do not change are passed on without a copy. */
static GstFlowReturn
gst_clip_augment_prepare_output_buffer (GstBaseTransform *trans, GstBuffer *in, GstBuffer **out)
{
  GstClipAugment *self = GST_CLIP_AUGMENT (trans);
  GstClipMeta *meta = gst_buffer_get_clip_meta (in);

  if (!meta || !meta->training) {
    gst_clip_augment_forget (self);
    *out = in;
    return GST_FLOW_OK;
  }

  if (!self->in_clip || meta->clip != self->clip || meta->sample != self->sample
      || meta->view != self->view || meta->epoch != self->epoch || meta->frame < self->frame)
    gst_clip_augment_begin (self, meta);
  self->frame = meta->frame;
  if (!self->changes) {
    *out = in;
    return GST_FLOW_OK;
  }

  return GST_BASE_TRANSFORM_CLASS (gst_clip_augment_parent_class)
      ->prepare_output_buffer (trans, in, out);
}

static GstFlowReturn
gst_clip_augment_transform (GstBaseTransform *trans, GstBuffer *in, GstBuffer *out)
{
  if (in == out)
    return GST_FLOW_OK;

  return GST_BASE_TRANSFORM_CLASS (gst_clip_augment_parent_class)->transform (trans, in, out);
}

/* Moves key points with the picture. */
static void
gst_clip_augment_move_points (GstClipAugment *self, GstBuffer *buffer)
{
  const GstVideoInfo *info = &GST_VIDEO_FILTER (self)->in_info;
  const gdouble width = GST_VIDEO_INFO_WIDTH (info), height = GST_VIDEO_INFO_HEIGHT (info);
  const ClipDraw *draw = &self->draw;
  GstClipKptMeta *points = gst_buffer_get_clip_kpt_meta (buffer);

  if (!points)
    return;
  if (self->crop)
    gst_clip_kpt_meta_crop (
        points, draw->x / width, draw->y / height, draw->width / width, draw->height / height);
  if (draw->flip)
    gst_clip_kpt_meta_flip (points);
}

static gboolean
gst_clip_augment_transform_meta (
    GstBaseTransform *trans, GstBuffer *out, GstMeta *meta, GstBuffer *in)
{
  return meta->info->api == GST_CLIP_KPT_META_API_TYPE
      || GST_BASE_TRANSFORM_CLASS (gst_clip_augment_parent_class)
             ->transform_meta (trans, out, meta, in);
}

static GstFlowReturn
gst_clip_augment_transform_frame (GstVideoFilter *filter, GstVideoFrame *in, GstVideoFrame *out)
{
  GstClipAugment *self = GST_CLIP_AUGMENT (filter);
  guint8 *pixels = GST_VIDEO_FRAME_PLANE_DATA (out, 0);
  const gsize stride = GST_VIDEO_FRAME_PLANE_STRIDE (out, 0);
  const guint width = GST_VIDEO_INFO_WIDTH (&filter->in_info);
  const guint height = GST_VIDEO_INFO_HEIGHT (&filter->in_info);
  const guint channels = GST_VIDEO_FRAME_COMP_PSTRIDE (out, 0);
  guint y;

  /* the size in the caps: a frame's video meta may have a larger one */
  in->info.width = out->info.width = width;
  in->info.height = out->info.height = height;
  if (self->crop)
    gst_video_converter_frame (self->crop, in, out);
  else if (!gst_video_frame_copy (out, in))
    goto no_copy;
  if (self->draw.flip) {
    for (y = 0; y < height; y++)
      clip_draw_flip (pixels + y * stride, width, channels);
  }
  gst_clip_augment_move_points (self, out->buffer);
  clip_draw_colours (&self->draw, pixels, width, height, stride, channels);

  return GST_FLOW_OK;

  /* ERRORS */
no_copy:
  GST_ELEMENT_ERROR (self, STREAM, FAILED,
      ("A frame of %ux%u does not have the size in the caps.", GST_VIDEO_FRAME_WIDTH (in),
          GST_VIDEO_FRAME_HEIGHT (in)),
      (NULL));
  return GST_FLOW_ERROR;
}

/* A clip's draw depends on the size of its frames. */
static gboolean
gst_clip_augment_set_info (GstVideoFilter *filter, GstCaps *incaps, GstVideoInfo *in_info,
    GstCaps *outcaps, GstVideoInfo *out_info)
{
  gst_clip_augment_forget (GST_CLIP_AUGMENT (filter));

  return TRUE;
}

static gboolean
gst_clip_augment_start (GstBaseTransform *trans)
{
  GstClipAugment *self = GST_CLIP_AUGMENT (trans);
  gchar low[G_ASCII_DTOSTR_BUF_SIZE], high[G_ASCII_DTOSTR_BUF_SIZE];
  ClipDrawSettings s;

  if (!settings_check (GST_ELEMENT (self)))
    return FALSE;
  GST_OBJECT_LOCK (self);
  s = self->settings;
  GST_OBJECT_UNLOCK (self);
  if (s.scale_min > s.scale_max)
    goto scale;
  if (s.ratio_min > s.ratio_max)
    goto ratio;

  return TRUE;

  /* ERRORS */
scale:
  GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
      ("scale-min=%s is larger than scale-max=%s.",
          g_ascii_formatd (low, sizeof low, "%g", s.scale_min),
          g_ascii_formatd (high, sizeof high, "%g", s.scale_max)),
      (NULL));
  return FALSE;
ratio:
  GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
      ("ratio-min=%s is larger than ratio-max=%s.",
          g_ascii_formatd (low, sizeof low, "%g", s.ratio_min),
          g_ascii_formatd (high, sizeof high, "%g", s.ratio_max)),
      (NULL));
  return FALSE;
}

static gboolean
gst_clip_augment_stop (GstBaseTransform *trans)
{
  gst_clip_augment_forget (GST_CLIP_AUGMENT (trans));

  return TRUE;
}

static void
gst_clip_augment_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  settings_set (
      &settings, GST_ELEMENT (object), &GST_CLIP_AUGMENT (object)->settings, id - 1, value);
}

static void
gst_clip_augment_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  settings_get (&settings, &GST_CLIP_AUGMENT (object)->settings, id - 1, value);
  GST_OBJECT_UNLOCK (object);
}

static void
gst_clip_augment_class_init (GstClipAugmentClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);
  GstVideoFilterClass *filter_class = GST_VIDEO_FILTER_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      clip_augment_debug, "clipaugment", 0, "random augmentation of training clips");

  object_class->set_property = gst_clip_augment_set_property;
  object_class->get_property = gst_clip_augment_get_property;
  trans_class->start = GST_DEBUG_FUNCPTR (gst_clip_augment_start);
  trans_class->stop = GST_DEBUG_FUNCPTR (gst_clip_augment_stop);
  trans_class->prepare_output_buffer = GST_DEBUG_FUNCPTR (gst_clip_augment_prepare_output_buffer);
  trans_class->transform_meta = GST_DEBUG_FUNCPTR (gst_clip_augment_transform_meta);
  trans_class->transform = GST_DEBUG_FUNCPTR (gst_clip_augment_transform);
  filter_class->set_info = GST_DEBUG_FUNCPTR (gst_clip_augment_set_info);
  filter_class->transform_frame = GST_DEBUG_FUNCPTR (gst_clip_augment_transform_frame);

  /* changes apply from the next clip on */
  settings_install (&settings, object_class, 1, GST_PARAM_MUTABLE_PLAYING);

  gst_element_class_set_static_metadata (element_class, "Clip augmenter", "Filter/Effect/Video",
      "Crops, mirrors and recolours training clips at random, each clip as a whole",
      "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_clip_augment_init (GstClipAugment *self)
{
  settings_init (&settings, &self->settings);
  /* late frames must not be dropped from their clip */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
}
