/* gstclipsrcproperties.c: what clipsrc is told, and what it tells of itself.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipsrc-private.h"

#include "plugins/paramrange.h"

GST_DEBUG_CATEGORY_EXTERN (gst_clip_src_debug);
#define GST_CAT_DEFAULT gst_clip_src_debug

#define MAX_WORKERS 64

#define DEFAULT_FPS 30

enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_ROOT,
  PROP_VAL_LOCATION,
  PROP_NUM_FOLDS,
  PROP_FOLD,
  PROP_SHUFFLE,
  PROP_SAMPLING,
  PROP_SEED,
  PROP_EPOCHS,
  PROP_PASSES,
  PROP_LIMIT_CLIPS,
  PROP_NUM_WORKERS,
  PROP_PERSISTENT_WORKERS,
  PROP_CLIP_BIN,
  PROP_ON_ERROR,
  PROP_RANK,
  PROP_WORLD_SIZE,
  PROP_VIDEO_TRACK,
  PROP_INDEX_LOCATION,
  PROP_FPS,
  PROP_NUM_CLIPS,
  PROP_NUM_CLASSES,
  PROP_CLASSES,
  PROP_CLASS_NAMES,
  PROP_CLIPS_SKIPPED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

#define GST_TYPE_CLIP_SRC_ON_ERROR (gst_clip_src_on_error_get_type ())
static GType
gst_clip_src_on_error_get_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
    {GST_CLIP_SRC_ON_ERROR_SKIP, "Skip the clip, count it, post a message",
        "skip"},
    {GST_CLIP_SRC_ON_ERROR_STOP, "Stop with an error", "stop"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type)) {
    GType registered = g_enum_register_static ("GstClipSrcOnError", values);

    g_once_init_leave (&type, registered);
  }

  return type;
}

#define GST_TYPE_CLIP_SRC_PASSES (gst_clip_src_passes_get_type ())
static GType
gst_clip_src_passes_get_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
    {GST_CLIP_SRC_PASSES_ALL, "Each epoch trains, then validates", "all"},
    {GST_CLIP_SRC_PASSES_TRAIN, "Training passes alone", "train"},
    {GST_CLIP_SRC_PASSES_VAL, "Validation passes alone", "val"},
    {GST_CLIP_SRC_PASSES_TEST, "The clips of split test; all clips where none "
          "has a split", "test"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type)) {
    GType registered = g_enum_register_static ("GstClipSrcPasses", values);

    g_once_init_leave (&type, registered);
  }

  return type;
}

#define GST_TYPE_CLIP_SRC_SAMPLING (gst_clip_src_sampling_get_type ())
static GType
gst_clip_src_sampling_get_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
    {GST_CLIP_SRC_SAMPLING_NONE, "Each clip once", "none"},
    {GST_CLIP_SRC_SAMPLING_BALANCED, "Each class as often as the others, its "
          "clips by turns over the epochs", "balanced"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type)) {
    GType registered = g_enum_register_static ("GstClipSrcSampling", values);

    g_once_init_leave (&type, registered);
  }

  return type;
}

static void
gst_clip_src_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * spec)
{
  GstClipSrc *self = GST_CLIP_SRC (object);
  ClipSrcSettings *s = &self->settings;

  if (!param_range_accept (GST_ELEMENT (object), value, spec))
    return;
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      g_free (s->location);
      s->location = g_value_dup_string (value);
      break;
    case PROP_ROOT:
      g_free (s->root);
      s->root = g_value_dup_string (value);
      break;
    case PROP_VAL_LOCATION:
      g_free (s->val_location);
      s->val_location = g_value_dup_string (value);
      break;
    case PROP_NUM_FOLDS:
      s->num_folds = g_value_get_uint (value);
      break;
    case PROP_FOLD:
      s->fold = g_value_get_uint (value);
      break;
    case PROP_SHUFFLE:
      s->shuffle = g_value_get_boolean (value);
      break;
    case PROP_SAMPLING:
      s->sampling = g_value_get_enum (value);
      break;
    case PROP_SEED:
      s->seed = g_value_get_uint64 (value);
      break;
    case PROP_EPOCHS:
      s->epochs = g_value_get_uint (value);
      break;
    case PROP_PASSES:
      s->passes = g_value_get_enum (value);
      break;
    case PROP_LIMIT_CLIPS:
      s->limit_clips = g_value_get_uint64 (value);
      break;
    case PROP_NUM_WORKERS:
      s->num_workers = g_value_get_uint (value);
      break;
    case PROP_PERSISTENT_WORKERS:
      s->persistent_workers = g_value_get_boolean (value);
      break;
    case PROP_CLIP_BIN:
      g_free (s->clip_bin);
      s->clip_bin = g_value_dup_string (value);
      break;
    case PROP_ON_ERROR:
      s->on_error = g_value_get_enum (value);
      break;
    case PROP_VIDEO_TRACK:
      s->video_track = g_value_get_int (value);
      break;
    case PROP_INDEX_LOCATION:
      g_free (s->index_location);
      s->index_location = g_value_dup_string (value);
      break;
    case PROP_FPS:
      s->fps = g_value_get_double (value);
      break;
    case PROP_RANK:
      s->rank = g_value_get_uint (value);
      break;
    case PROP_WORLD_SIZE:
      s->world_size = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_classes (GstClipSrc * self, GValue * value)
{
  const gchar *const *classes = self->dataset ?
      cnn3d_dataset_classes (self->dataset) : NULL;

  for (guint i = 0; classes && classes[i]; i++) {
    GValue name = G_VALUE_INIT;

    g_value_init (&name, G_TYPE_STRING);
    g_value_set_string (&name, classes[i]);
    gst_value_array_append_and_take_value (value, &name);
  }
}

static void
gst_clip_src_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * spec)
{
  GstClipSrc *self = GST_CLIP_SRC (object);
  const ClipSrcSettings *s = &self->settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string (value, s->location);
      break;
    case PROP_ROOT:
      g_value_set_string (value, s->root);
      break;
    case PROP_VAL_LOCATION:
      g_value_set_string (value, s->val_location);
      break;
    case PROP_NUM_FOLDS:
      g_value_set_uint (value, s->num_folds);
      break;
    case PROP_FOLD:
      g_value_set_uint (value, s->fold);
      break;
    case PROP_SHUFFLE:
      g_value_set_boolean (value, s->shuffle);
      break;
    case PROP_SAMPLING:
      g_value_set_enum (value, s->sampling);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, s->seed);
      break;
    case PROP_EPOCHS:
      g_value_set_uint (value, s->epochs);
      break;
    case PROP_PASSES:
      g_value_set_enum (value, s->passes);
      break;
    case PROP_LIMIT_CLIPS:
      g_value_set_uint64 (value, s->limit_clips);
      break;
    case PROP_NUM_WORKERS:
      g_value_set_uint (value, s->num_workers);
      break;
    case PROP_PERSISTENT_WORKERS:
      g_value_set_boolean (value, s->persistent_workers);
      break;
    case PROP_CLIP_BIN:
      g_value_set_string (value, s->clip_bin);
      break;
    case PROP_ON_ERROR:
      g_value_set_enum (value, s->on_error);
      break;
    case PROP_VIDEO_TRACK:
      g_value_set_int (value, s->video_track);
      break;
    case PROP_INDEX_LOCATION:
      g_value_set_string (value, s->index_location);
      break;
    case PROP_FPS:
      g_value_set_double (value, s->fps);
      break;
    case PROP_RANK:
      g_value_set_uint (value, s->rank);
      break;
    case PROP_WORLD_SIZE:
      g_value_set_uint (value, s->world_size);
      break;
    case PROP_NUM_CLIPS:
      g_value_set_uint64 (value, self->dataset ?
          self->total / self->used.epochs : 0);
      break;
    case PROP_NUM_CLASSES:
      g_value_set_uint (value, self->dataset ?
          cnn3d_dataset_num_classes (self->dataset) : 0);
      break;
    case PROP_CLASSES:
      get_classes (self, value);
      break;
    case PROP_CLASS_NAMES:
      g_value_set_boxed (value, self->dataset ?
          cnn3d_dataset_classes (self->dataset) : NULL);
      break;
    case PROP_CLIPS_SKIPPED:
      g_value_set_uint64 (value, self->clips_skipped);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

void
gst_clip_src_install_properties (GObjectClass * klass)
{
  GParamFlags rw = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_READY;
  GParamFlags ro = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  klass->set_property = gst_clip_src_set_property;
  klass->get_property = gst_clip_src_get_property;

  properties[PROP_LOCATION] = g_param_spec_string ("location", "Location",
      "Manifest (CSV or TSV: path label [start end] [group] [split]; or JSON "
      "timelines), or folder of class folders. Default: none, it must be set",
      NULL, rw);
  properties[PROP_ROOT] = g_param_spec_string ("root", "Root",
      "Folder that a manifest's relative paths are in. Default: the "
      "manifest's own", NULL, rw);
  properties[PROP_VAL_LOCATION] = g_param_spec_string ("val-location",
      "Validation location", "Manifest or folder of the clips to validate on. "
      "Default: none, a split column or num-folds may say", NULL, rw);
  properties[PROP_NUM_FOLDS] = param_range_uint ("num-folds",
      "Number of folds", "Cross-validation: number of parts, of which one "
      "validates; no group is in two. 0 (default): no folds; else from 2", 0,
      G_MAXUINT16, 0, rw);
  properties[PROP_FOLD] = param_range_uint ("fold", "Fold",
      "The fold that validates, from 0 to num-folds - 1. Default: 0", 0,
      G_MAXUINT16 - 1, 0, rw);
  properties[PROP_SHUFFLE] = g_param_spec_boolean ("shuffle", "Shuffle",
      "Whether training passes come in a random order, another one each "
      "epoch; other passes come as listed. Default: true", TRUE, rw);
  properties[PROP_SAMPLING] = g_param_spec_enum ("sampling", "Sampling",
      "How often training passes have each clip. Default: none, each once",
      GST_TYPE_CLIP_SRC_SAMPLING, GST_CLIP_SRC_SAMPLING_NONE, rw);
  properties[PROP_SEED] = g_param_spec_uint64 ("seed", "Seed",
      "Of the order, of the folds and of limit-clips' choice; any number. "
      "Default: 0", 0, G_MAXUINT64, 0, rw);
  properties[PROP_EPOCHS] = param_range_uint ("epochs", "Epochs",
      "How often the passes come, from 1. Default: 1", 1, G_MAXINT32, 1, rw);
  properties[PROP_PASSES] = g_param_spec_enum ("passes", "Passes",
      "What each epoch consists of. Default: all, the training clips, then "
      "the validation clips", GST_TYPE_CLIP_SRC_PASSES,
      GST_CLIP_SRC_PASSES_ALL, rw);
  properties[PROP_LIMIT_CLIPS] = g_param_spec_uint64 ("limit-clips",
      "Limit of clips", "At most so many clips a pass, always the same ones, "
      "drawn by seed. Default: 0, all", 0, G_MAXUINT64, 0, rw);
  properties[PROP_NUM_WORKERS] = param_range_uint ("num-workers",
      "Number of workers", "Chains that decode clips side by side, up to two "
      "clips each ahead; the order does not depend on it. 0 (default): one "
      "chain and nothing ahead, the streaming thread waits for each clip", 0,
      MAX_WORKERS, 0, rw);
  properties[PROP_PERSISTENT_WORKERS] = g_param_spec_boolean
      ("persistent-workers", "Persistent workers",
      "Whether workers go on with the next pass's clips before this pass has "
      "ended. Default: true", TRUE, rw);
  properties[PROP_CLIP_BIN] = g_param_spec_string ("clip-bin", "Clip bin",
      "Bin description, as for gst-launch-1.0, that each worker runs on its "
      "own clips' frames. Default: none, frames as decoded", NULL, rw);
  properties[PROP_ON_ERROR] = g_param_spec_enum ("on-error", "On error",
      "What to do about a clip that cannot be read. Default: skip",
      GST_TYPE_CLIP_SRC_ON_ERROR, GST_CLIP_SRC_ON_ERROR_SKIP, rw);
  properties[PROP_RANK] = param_range_uint ("rank", "Rank",
      "Number of this process, from 0 to world-size - 1. Default: 0", 0,
      G_MAXINT32, 0, rw);
  properties[PROP_WORLD_SIZE] = param_range_uint ("world-size", "World size",
      "Processes that share each pass's clips, from 1; all get equally many. "
      "Default: 1", 1, G_MAXINT32, 1, rw);
  properties[PROP_VIDEO_TRACK] = param_range_int ("video-track",
      "Video track", "Which of a file's video tracks is decoded, from 0; -1: "
      "the one that the file marks as the default, or its first; never a cover. "
      "Default: -1", -1, G_MAXINT32, -1, rw);
  properties[PROP_INDEX_LOCATION] = g_param_spec_string ("index-location",
      "Index location", "Folder where the indices of files are kept from one "
      "run to the next; empty (\"\"): nowhere. Default: cnn3d/index in the user's "
      "cache folder", NULL, rw);
  properties[PROP_FPS] = param_range_double ("fps", "Pictures a second",
      "Rate of clips that are pictures in a folder, where their row tells no "
      "fps. Default: 30", 0.001, 1000000, DEFAULT_FPS, rw);
  properties[PROP_NUM_CLIPS] = g_param_spec_uint64 ("num-clips",
      "Number of clips", "Clips of one epoch, all its passes together, once "
      "the data set has been read (PAUSED)", 0, G_MAXUINT64, 0, ro);
  properties[PROP_NUM_CLASSES] = g_param_spec_uint ("num-classes",
      "Number of classes", "Classes, once the data set has been read (PAUSED)",
      0, G_MAXUINT, 0, ro);
  properties[PROP_CLASSES] = gst_param_spec_array ("classes", "Classes",
      "Names of the classes, class 0 first, once the data set has been read "
      "(PAUSED)", g_param_spec_string ("class", "Class", "Name of a class",
          NULL, ro), ro);
  properties[PROP_CLASS_NAMES] = g_param_spec_boxed ("class-names",
      "Class names", "The same as classes, as a plain list of strings, which "
      "other languages read", G_TYPE_STRV, ro);
  properties[PROP_CLIPS_SKIPPED] = g_param_spec_uint64 ("clips-skipped",
      "Clips skipped", "Clips that could not be read, in this run so far", 0,
      G_MAXUINT64, 0, ro);
  g_object_class_install_properties (klass, N_PROPS, properties);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SRC_ON_ERROR, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SRC_PASSES, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SRC_SAMPLING, 0);
}

void
gst_clip_src_init_settings (ClipSrcSettings * settings)
{
  settings->shuffle = TRUE;
  settings->persistent_workers = TRUE;
  settings->epochs = 1;
  settings->world_size = 1;
  settings->video_track = -1;
  settings->fps = DEFAULT_FPS;
}
