/* gstclipsampleproperties.c: clipsample's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipsample-private.h"

#include "plugins/paramrange.h"

#define DEFAULT_NUM_FRAMES 16
#define DEFAULT_FRAME_INTERVAL 0
#define DEFAULT_MODE CLIP_WINDOW_RANDOM
#define DEFAULT_CLIPS_PER_VIDEO 1
#define DEFAULT_SEED 0

enum
{
  PROP_0,
  PROP_NUM_FRAMES,
  PROP_FRAME_INTERVAL,
  PROP_FRAME_RATE,
  PROP_MODE,
  PROP_CLIPS_PER_VIDEO,
  PROP_SEED,
};

#define GST_TYPE_CLIP_SAMPLE_MODE (gst_clip_sample_mode_get_type ())
static GType
gst_clip_sample_mode_get_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
    {CLIP_WINDOW_RANDOM, "Training passes draw the window's start at random, "
          "validation passes take the middle", "random"},
    {CLIP_WINDOW_CENTER, "The middle of the clip", "center"},
    {CLIP_WINDOW_UNIFORM, "Spread evenly over the whole clip, whatever "
          "frame-interval is", "uniform"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type)) {
    GType registered = g_enum_register_static ("GstClipSampleMode", values);

    g_once_init_leave (&type, registered);
  }

  return type;
}

void
gst_clip_sample_init_settings (GstClipSample * self)
{
  self->settings.num_frames = DEFAULT_NUM_FRAMES;
  self->settings.interval = DEFAULT_FRAME_INTERVAL;
  self->settings.mode = DEFAULT_MODE;
  self->settings.views = DEFAULT_CLIPS_PER_VIDEO;
  self->settings.seed = DEFAULT_SEED;
  self->settings.rate.d = 1;
}

static void
gst_clip_sample_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstClipSample *self = GST_CLIP_SAMPLE (object);

  if (!param_range_accept (GST_ELEMENT (object), value, pspec))
    return;
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_NUM_FRAMES:
      self->settings.num_frames = g_value_get_uint (value);
      break;
    case PROP_FRAME_INTERVAL:
      self->settings.interval = g_value_get_uint (value);
      break;
    case PROP_FRAME_RATE:
      self->settings.rate.n = gst_value_get_fraction_numerator (value);
      self->settings.rate.d = gst_value_get_fraction_denominator (value);
      break;
    case PROP_MODE:
      self->settings.mode = g_value_get_enum (value);
      break;
    case PROP_CLIPS_PER_VIDEO:
      self->settings.views = g_value_get_uint (value);
      break;
    case PROP_SEED:
      self->settings.seed = g_value_get_uint64 (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_sample_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstClipSample *self = GST_CLIP_SAMPLE (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_NUM_FRAMES:
      g_value_set_uint (value, self->settings.num_frames);
      break;
    case PROP_FRAME_INTERVAL:
      g_value_set_uint (value, self->settings.interval);
      break;
    case PROP_FRAME_RATE:
      gst_value_set_fraction (value, self->settings.rate.n,
          self->settings.rate.d);
      break;
    case PROP_MODE:
      g_value_set_enum (value, self->settings.mode);
      break;
    case PROP_CLIPS_PER_VIDEO:
      g_value_set_uint (value, self->settings.views);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, self->settings.seed);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

void
gst_clip_sample_install_properties (GObjectClass * object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_PLAYING;

  object_class->set_property = gst_clip_sample_set_property;
  object_class->get_property = gst_clip_sample_get_property;

  /**
   * GstClipSample:num-frames:
   *
   * Changes of this and the other properties hold from the next clip on.
   */
  g_object_class_install_property (object_class, PROP_NUM_FRAMES,
      param_range_uint ("num-frames", "Number of frames",
          "Frames taken from each clip (1 to 1024, default 16)",
          1, 1024, DEFAULT_NUM_FRAMES, flags));
  g_object_class_install_property (object_class, PROP_FRAME_INTERVAL,
      param_range_uint ("frame-interval", "Frame interval",
          "Frames of the video from one frame taken to the next (0 to 1024, "
          "default 0: num-frames are spread evenly over the whole clip)",
          0, 1024, DEFAULT_FRAME_INTERVAL, flags));
  g_object_class_install_property (object_class, PROP_FRAME_RATE,
      param_range_fraction ("frame-rate", "Frame rate",
          "Frames a second that clips are brought to, by the nearest in time, "
          "before frames are counted and taken (0/1 to 1000/1, default 0/1: "
          "each clip's own frames)", 0, 1, FRAME_RATE_MOST, 1, 0, 1, flags));
  g_object_class_install_property (object_class, PROP_MODE,
      g_param_spec_enum ("mode", "Mode",
          "Where the window of frames lies in its clip, if frame-interval is "
          "not 0 (default random)",
          GST_TYPE_CLIP_SAMPLE_MODE, DEFAULT_MODE, flags));
  g_object_class_install_property (object_class, PROP_CLIPS_PER_VIDEO,
      param_range_uint ("clips-per-video", "Clips per video",
          "Views: windows placed evenly over a clip, each sent as a clip of "
          "its own under the same clip number. Only in validation passes and "
          "if frame-interval is not 0; otherwise 1 (1 to 64, default 1)",
          1, 64, DEFAULT_CLIPS_PER_VIDEO, flags));
  g_object_class_install_property (object_class, PROP_SEED,
      g_param_spec_uint64 ("seed", "Seed",
          "Number that the random windows follow from, with the epoch and the "
          "clip's row in the data set (0 to 2^64-1, default 0)",
          0, G_MAXUINT64, DEFAULT_SEED, flags));
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SAMPLE_MODE, 0);
}
