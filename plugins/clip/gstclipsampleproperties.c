/* gstclipsampleproperties.c: clipsample's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipsample-private.h"

#define FIELD(field) G_STRUCT_OFFSET (ClipWindow, field)

static const SettingsField fields[] = {
  { "num-frames", FIELD (num_frames) },
  { "frame-interval", FIELD (interval) },
  { "frame-rate", FIELD (rate) },
  { "mode", FIELD (mode) },
  { "clips-per-video", FIELD (clips_per_video) },
  { "seed", FIELD (seed) },
};

static const SettingsOf settings = { "clipsample", fields, G_N_ELEMENTS (fields) };

void
gst_clip_sample_init_settings (GstClipSample *self)
{
  settings_init (&settings, &self->settings);
}

static void
gst_clip_sample_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  settings_set (
      &settings, GST_ELEMENT (object), &GST_CLIP_SAMPLE_CAST (object)->settings, id - 1, value);
}

static void
gst_clip_sample_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  settings_get (&settings, &GST_CLIP_SAMPLE_CAST (object)->settings, id - 1, value);
  GST_OBJECT_UNLOCK (object);
}

void
gst_clip_sample_install_properties (GObjectClass *object_class)
{
  object_class->set_property = gst_clip_sample_set_property;
  object_class->get_property = gst_clip_sample_get_property;

  /* changes apply from the next clip on */
  settings_install (&settings, object_class, 1, GST_PARAM_MUTABLE_PLAYING);
}
