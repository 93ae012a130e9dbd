/* gstclipsrcproperties.c: clipsrc's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipsrc-private.h"

GST_DEBUG_CATEGORY (gst_clip_src_debug);

#define FIELD(field) G_STRUCT_OFFSET (ClipSrcSettings, field)

static const SettingsField fields[] = {
  { "location", FIELD (location) },
  { "root", FIELD (root) },
  { "val-location", FIELD (val_location) },
  { "classes-location", FIELD (classes_location) },
  { "annotator", FIELD (annotator) },
  { "background", FIELD (background) },
  { "views", FIELD (views) },
  { "keypoints-root", FIELD (keypoints_root) },
  { "keypoints-pattern", FIELD (keypoints_pattern) },
  { "num-folds", FIELD (num_folds) },
  { "fold", FIELD (fold) },
  { "shuffle", FIELD (shuffle) },
  { "sampling", FIELD (sampling) },
  { "seed", FIELD (seed) },
  { "epochs", FIELD (epochs) },
  { "passes", FIELD (passes) },
  { "limit-clips", FIELD (limit_clips) },
  { "num-workers", FIELD (num_workers) },
  { "persistent-workers", FIELD (persistent_workers) },
  { "clip-bin", FIELD (clip_bin) },
  { "on-error", FIELD (on_error) },
  { "rank", FIELD (rank) },
  { "world-size", FIELD (world_size) },
  { "video-track", FIELD (video_track) },
  { "index-location", FIELD (index_location) },
  { "fps", FIELD (fps) },
};

const SettingsOf gst_clip_src_settings = { "clipsrc", fields, G_N_ELEMENTS (fields) };

Cnn3dOrderParams
gst_clip_src_order_params (const ClipSrcSettings *used)
{
  return (Cnn3dOrderParams) { .seed = used->seed,
    .shuffle = used->shuffle,
    .limit_clips = used->limit_clips,
    .sampling = (Cnn3dSampling) used->sampling,
    .rank = used->rank,
    .world_size = MAX (used->world_size, 1),
    .epochs = used->epochs };
}

enum {
  PROP_0,
  PROP_NUM_CLIPS,
  PROP_NUM_CLASSES,
  PROP_CLASSES,
  PROP_CLASS_NAMES,
  PROP_CLIPS_SKIPPED,
  PROP_VIEWS_MISSING,
  PROP_SETTINGS, /* the first of the settings */
};

static void
gst_clip_src_set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  settings_set (&gst_clip_src_settings, GST_ELEMENT (object), &GST_CLIP_SRC_CAST (object)->settings,
      id - PROP_SETTINGS, value);
}

static void
get_classes (GstClipSrc *self, GValue *value)
{
  const gchar *const *classes = self->dataset ? cnn3d_dataset_classes (self->dataset) : NULL;

  for (guint i = 0; classes && classes[i]; i++) {
    GValue name = G_VALUE_INIT;

    g_value_init (&name, G_TYPE_STRING);
    g_value_set_string (&name, classes[i]);
    gst_value_array_append_and_take_value (value, &name);
  }
}

static void
gst_clip_src_get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  GstClipSrc *self = GST_CLIP_SRC_CAST (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_NUM_CLIPS:
      g_value_set_uint64 (value, self->dataset ? self->total / self->used.epochs : 0);
      break;
    case PROP_NUM_CLASSES:
      g_value_set_uint (value, self->dataset ? cnn3d_dataset_num_classes (self->dataset) : 0);
      break;
    case PROP_CLASSES:
      get_classes (self, value);
      break;
    case PROP_CLASS_NAMES:
      g_value_set_boxed (value, self->dataset ? cnn3d_dataset_classes (self->dataset) : NULL);
      break;
    case PROP_CLIPS_SKIPPED:
      g_value_set_uint64 (value, self->clips_skipped);
      break;
    case PROP_VIEWS_MISSING:
      g_value_set_uint64 (value, self->views_missing);
      break;
    default:
      settings_get (&gst_clip_src_settings, &self->settings, id - PROP_SETTINGS, value);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

void
gst_clip_src_install_properties (GObjectClass *klass)
{
  const GParamFlags ro = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  klass->set_property = gst_clip_src_set_property;
  klass->get_property = gst_clip_src_get_property;

  settings_install (&gst_clip_src_settings, klass, PROP_SETTINGS, GST_PARAM_MUTABLE_READY);
  g_object_class_install_property (klass, PROP_NUM_CLIPS,
      g_param_spec_uint64 ("num-clips", "Number of clips",
          "Clips of one epoch, including all its passes; valid from PAUSED on (clips, from 0)", 0,
          G_MAXUINT64, 0, ro));
  g_object_class_install_property (klass, PROP_NUM_CLASSES,
      g_param_spec_uint ("num-classes", "Number of classes",
          "Number of classes; valid from PAUSED on (classes, from 0)", 0, G_MAXUINT, 0, ro));
  g_object_class_install_property (klass, PROP_CLASSES,
      gst_param_spec_array ("classes", "Classes",
          "Names of the classes, class 0 first; valid from PAUSED on",
          g_param_spec_string ("class", "Class", "Name of a class", NULL, ro), ro));
  g_object_class_install_property (klass, PROP_CLASS_NAMES,
      g_param_spec_boxed ("class-names", "Class names",
          "The same as classes, as a list of strings, for language bindings", G_TYPE_STRV, ro));
  g_object_class_install_property (klass, PROP_CLIPS_SKIPPED,
      g_param_spec_uint64 ("clips-skipped", "Clips skipped",
          "Clips of this run so far that could not be read (clips, from 0)", 0, G_MAXUINT64, 0,
          ro));
  g_object_class_install_property (klass, PROP_VIEWS_MISSING,
      g_param_spec_uint64 ("views-missing", "Views missing",
          "Views of this run's clips so far that are not listed, or could not be read, while "
          "another view of the clip could (views, from 0)",
          0, G_MAXUINT64, 0, ro));
}
