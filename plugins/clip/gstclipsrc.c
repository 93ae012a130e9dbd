/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-clipsrc
 * @title: clipsrc
 *
 * Reads a data set of labelled videos and gives the decoded frames of one clip
 * after another, each with a GstClipMeta. A run is #GstClipSrc:epochs times a
 * training pass, in an order that depends on #GstClipSrc:seed and the epoch
 * alone, and a validation pass, or one of these, or a test pass
 * (#GstClipSrc:passes). Clips are decoded by #GstClipSrc:num-workers
 * chains side by side, each of which ends in #GstClipSrc:clip-bin.
 *
 * Buffers get running timestamps: a clip begins where the one before ended.
 * Seeking in GST_FORMAT_DEFAULT goes to a clip, counted over the whole run.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 clipsrc location=train.csv num-workers=2 \
 *     clip-bin="videoconvertscale ! video/x-raw,format=RGB,width=112,height=112" ! fakesink
 * ]|
 * All frames of the clips that train.csv lists, scaled, in a random order.
 */
#include "gstclipsrc-private.h"

#include "plugins/paramrange.h"
#include "src/escape.h"

GST_DEBUG_CATEGORY (gst_clip_src_debug);
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
  PROP_CLIPS_SKIPPED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

G_DEFINE_TYPE_WITH_CODE (GstClipSrc, gst_clip_src, GST_TYPE_ELEMENT,
    GST_DEBUG_CATEGORY_INIT (gst_clip_src_debug, "clipsrc", 0,
        "source of labelled clips"));
GST_ELEMENT_REGISTER_DEFINE (clipsrc, "clipsrc", GST_RANK_NONE,
    GST_TYPE_CLIP_SRC);

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

/* Events and queries */

static gboolean
gst_clip_src_seek (GstClipSrc * self, GstEvent * event)
{
  GstSeekType start_type, stop_type;
  guint32 seqnum = gst_event_get_seqnum (event);
  GstSeekFlags flags;
  gboolean ok, starts;
  GstFormat format;
  gdouble rate;
  gint64 start;
  GstEvent *flush;

  gst_event_parse_seek (event, &rate, &format, &flags, &start_type, &start,
      &stop_type, NULL);
  if (format != GST_FORMAT_DEFAULT || rate != 1.0 || start < 0
      || start_type != GST_SEEK_TYPE_SET || stop_type != GST_SEEK_TYPE_NONE)
    return FALSE;

  GST_OBJECT_LOCK (self);
  /* Before the data set is read it is not known what is too far */
  ok = !self->dataset || (guint64) start <= self->total;
  if (ok && (!self->dataset || !(flags & GST_SEEK_FLAG_FLUSH))) {
    /* Perhaps this is downstream, called from our own push: only note it */
    ok = !self->ended;
    if (ok) {
      self->seek_pending = TRUE;
      self->seek_position = start;
      self->seek_seqnum = seqnum;
      gst_clip_src_wake_locked (self);
    }
    GST_OBJECT_UNLOCK (self);
    return ok;
  }
  GST_OBJECT_UNLOCK (self);
  if (!ok)
    return FALSE;

  g_mutex_lock (&self->seek_lock);
  flush = gst_event_new_flush_start ();
  gst_event_set_seqnum (flush, seqnum);
  gst_pad_push_event (self->srcpad, flush);
  GST_OBJECT_LOCK (self);
  self->interrupted = TRUE;
  gst_clip_src_wake_locked (self);
  GST_OBJECT_UNLOCK (self);
  GST_PAD_STREAM_LOCK (self->srcpad);
  flush = gst_event_new_flush_stop (TRUE);
  gst_event_set_seqnum (flush, seqnum);
  gst_pad_push_event (self->srcpad, flush);
  gst_clip_src_reset_time (self);
  GST_OBJECT_LOCK (self);
  /* a thread that is to stop, or stopped meanwhile, is not started again */
  starts = self->active;
  self->interrupted = !starts;
  self->ended = self->end_requested = FALSE;
  self->seek_pending = TRUE;
  self->seek_position = start;
  self->seek_seqnum = seqnum;
  GST_OBJECT_UNLOCK (self);
  if (starts)
    gst_pad_start_task (self->srcpad, (GstTaskFunction) gst_clip_src_loop,
        self->srcpad, NULL);
  GST_PAD_STREAM_UNLOCK (self->srcpad);
  g_mutex_unlock (&self->seek_lock);

  return TRUE;
}

static gboolean
gst_clip_src_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  gboolean ok;

  if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
    return gst_pad_event_default (pad, parent, event);
  ok = gst_clip_src_seek (GST_CLIP_SRC (parent), event);
  gst_event_unref (event);

  return ok;
}

static gboolean
gst_clip_src_send_event (GstElement * element, GstEvent * event)
{
  GstClipSrc *self = GST_CLIP_SRC (element);
  gboolean ok = FALSE;

  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
    ok = gst_clip_src_seek (self, event);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    GST_OBJECT_LOCK (self);
    self->end_requested = ok = TRUE;
    if (!self->pushing)
      gst_clip_src_wake_locked (self);
    GST_OBJECT_UNLOCK (self);
  }
  gst_event_unref (event);

  return ok;
}

static gboolean
gst_clip_src_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstClipSrc *self = GST_CLIP_SRC (parent);
  guint64 position, total;
  GstFormat format;
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = self->dataset != NULL;
  position = self->position;
  total = self->total;
  GST_OBJECT_UNLOCK (self);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_DURATION:
      gst_query_parse_duration (query, &format, NULL);
      if (!known || format != GST_FORMAT_DEFAULT)
        return FALSE;
      gst_query_set_duration (query, format, (gint64) total);
      return TRUE;
    case GST_QUERY_POSITION:
      gst_query_parse_position (query, &format, NULL);
      if (!known || format != GST_FORMAT_DEFAULT)
        return FALSE;
      gst_query_set_position (query, format, (gint64) position);
      return TRUE;
    case GST_QUERY_SEEKING:
      gst_query_parse_seeking (query, &format, NULL, NULL, NULL);
      if (format == GST_FORMAT_DEFAULT)
        gst_query_set_seeking (query, format, known, 0, (gint64) total);
      else
        gst_query_set_seeking (query, format, FALSE, 0, -1);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* States */

static gboolean
gst_clip_src_activate_mode (GstPad * pad, GstObject * parent, GstPadMode mode,
    gboolean active)
{
  GstClipSrc *self = GST_CLIP_SRC (parent);


  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  GST_OBJECT_LOCK (self);
  self->active = active;
  self->interrupted = !active;
  if (!active)
    gst_clip_src_wake_locked (self);
  GST_OBJECT_UNLOCK (self);
  if (active)
    return gst_pad_start_task (pad, (GstTaskFunction) gst_clip_src_loop, pad,
        NULL);

  /* a seek that still found it active has started the thread by then */
  g_mutex_lock (&self->seek_lock);
  g_mutex_unlock (&self->seek_lock);

  return gst_pad_stop_task (pad);
}

/* A property may be set at any time: a run keeps those that it began with. */
static void
gst_clip_src_take_settings (GstClipSrc * self)
{
  ClipSrcSettings *used = &self->used;

  GST_OBJECT_LOCK (self);
  *used = self->settings;
  used->location = g_strdup (used->location);
  used->root = g_strdup (used->root);
  used->val_location = g_strdup (used->val_location);
  used->clip_bin = g_strdup (used->clip_bin);
  /* an empty one is none */
  used->index_location = used->index_location ?
      g_strdup (used->index_location) :
      g_build_filename (g_get_user_cache_dir (), "cnn3d", "index", NULL);
  GST_OBJECT_UNLOCK (self);
}

static void
clear_settings (ClipSrcSettings * settings)
{
  g_clear_pointer (&settings->location, g_free);
  g_clear_pointer (&settings->root, g_free);
  g_clear_pointer (&settings->val_location, g_free);
  g_clear_pointer (&settings->clip_bin, g_free);
  g_clear_pointer (&settings->index_location, g_free);
}

/* The streaming thread is gone by now, but another one may seek. */
static void
gst_clip_src_close (GstClipSrc * self)
{
  Cnn3dDataset *dataset;

  GST_PAD_STREAM_LOCK (self->srcpad);
  gst_clip_src_drop_jobs (self);
  g_clear_pointer (&self->workers, clip_workers_free);
  GST_OBJECT_LOCK (self);
  dataset = g_steal_pointer (&self->dataset);
  self->total = 0;
  self->ended = FALSE;
  clear_settings (&self->used);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&self->order, cnn3d_order_free);
  cnn3d_dataset_free (dataset);
  gst_clear_caps (&self->caps);
  gst_clear_event (&self->preparation);
  g_queue_clear_full (&self->untold, (GDestroyNotify) gst_event_unref);
  g_clear_pointer (&self->first_reason, g_free);
  GST_PAD_STREAM_UNLOCK (self->srcpad);
}

/* Reads the data set and starts the workers; posts an error where it
 * cannot. */
static gboolean
gst_clip_src_open (GstClipSrc * self)
{
  const ClipSrcSettings *used = &self->used;
  Cnn3dDatasetParams dataset_params = { NULL };
  Cnn3dOrderParams order_params = { 0 };
  ClipChainSettings settings = {.owner = GST_ELEMENT (self),
    .src_pad = self->srcpad
  };
  Cnn3dDataset *dataset = NULL;
  GError *error = NULL;
  gchar *shown = NULL;
  guint64 sought, total;
  gboolean too_far;

  if (!param_range_check (GST_ELEMENT (self)))
    return FALSE;
  gst_clip_src_take_settings (self);
  dataset_params = (Cnn3dDatasetParams) {.location = used->location,
    .root = used->root,.val_location = used->val_location,
    .num_folds = used->num_folds,.fold = used->fold,.seed = used->seed,
    .passes = (Cnn3dPasses) used->passes
  };
  order_params = (Cnn3dOrderParams) {.seed = used->seed,
    .shuffle = used->shuffle,.limit_clips = used->limit_clips,
    .rank = used->rank,.world_size = used->world_size,.epochs = used->epochs
  };
  settings.clip_bin = used->clip_bin;
  settings.index_location = used->index_location;
  settings.video_track = used->video_track;
  if (used->clip_bin && *used->clip_bin) {
    GstElement *bin = clip_chain_parse_bin (used->clip_bin, &error);

    if (!bin)
      goto no_clip_bin;
    gst_object_unref (gst_object_ref_sink (bin));
  }
  dataset = cnn3d_dataset_new (&dataset_params, &error);
  if (!dataset)
    goto no_dataset;
  self->order = cnn3d_order_new (dataset, &order_params, &error);
  if (!self->order)
    goto no_order;
  self->workers = clip_workers_new (&settings, used->num_workers, &error);
  if (!self->workers)
    goto no_threads;

  GST_PAD_STREAM_LOCK (self->srcpad);
  GST_OBJECT_LOCK (self);
  self->dataset = dataset;
  total = self->total = cnn3d_order_total (self->order);
  self->position = 0;
  self->clips_skipped = 0;
  self->end_requested = self->ended = FALSE;
  sought = self->seek_position;
  too_far = self->seek_pending && sought > total;
  GST_OBJECT_UNLOCK (self);
  gst_clip_src_reset_stream (self);
  GST_PAD_STREAM_UNLOCK (self->srcpad);
  if (too_far)
    goto seek_too_far;

  return TRUE;

  /* ERRORS */
no_clip_bin:
  shown = cnn3d_escape (error->message, TRUE);
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("clip-bin \"%s\" is not a "
          "bin's description: %s", used->clip_bin, shown), (NULL));
  goto failed;
no_dataset:
  shown = cnn3d_escape (error->message, TRUE);
  if (error->code == CNN3D_DATASET_ERROR_PARAMS)
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", shown), (NULL));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ, ("%s", shown), (NULL));
  goto failed;
no_order:
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message), (NULL));
  goto failed;
no_threads:
  GST_ELEMENT_ERROR (self, RESOURCE, FAILED, ("No threads for num-workers=%u: "
          "%s", used->num_workers, error->message), (NULL));
  goto failed;
seek_too_far:
  GST_ELEMENT_ERROR (self, STREAM, FAILED, ("Clip %" G_GUINT64_FORMAT " was "
          "asked for, but the run has %" G_GUINT64_FORMAT,
          sought, total), (NULL));
failed:
  g_free (shown);
  g_clear_error (&error);
  if (dataset && dataset != self->dataset)
    cnn3d_dataset_free (dataset);
  gst_clip_src_close (self);
  return FALSE;
}

static GstStateChangeReturn
gst_clip_src_change_state (GstElement * element, GstStateChange transition)
{
  GstClipSrc *self = GST_CLIP_SRC (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && !gst_clip_src_open (self))
    return GST_STATE_CHANGE_FAILURE;
  ret = GST_ELEMENT_CLASS (gst_clip_src_parent_class)->change_state (element,
      transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY
      || (transition == GST_STATE_CHANGE_READY_TO_PAUSED
          && ret == GST_STATE_CHANGE_FAILURE)) {
    gst_clip_src_close (self);
    GST_OBJECT_LOCK (self);
    self->seek_pending = FALSE;
    GST_OBJECT_UNLOCK (self);
  }

  return ret;
}

/* Properties */

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
    case PROP_CLIPS_SKIPPED:
      g_value_set_uint64 (value, self->clips_skipped);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_src_finalize (GObject * object)
{
  GstClipSrc *self = GST_CLIP_SRC (object);

  clear_settings (&self->settings);
  g_mutex_clear (&self->seek_lock);
  G_OBJECT_CLASS (gst_clip_src_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass * klass)
{
  GParamFlags rw = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_READY;
  GParamFlags ro = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

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
  properties[PROP_CLIPS_SKIPPED] = g_param_spec_uint64 ("clips-skipped",
      "Clips skipped", "Clips that could not be read, in this run so far", 0,
      G_MAXUINT64, 0, ro);
  g_object_class_install_properties (klass, N_PROPS, properties);
}

static void
gst_clip_src_class_init (GstClipSrcClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_clip_src_set_property;
  object_class->get_property = gst_clip_src_get_property;
  object_class->finalize = gst_clip_src_finalize;
  element_class->change_state = gst_clip_src_change_state;
  element_class->send_event = gst_clip_src_send_event;
  install_properties (object_class);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "Source of labelled clips", "Source/Video",
      "Decodes the labelled videos of a data set, clip after clip, epoch after "
      "epoch", "cnn3d");
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SRC_ON_ERROR, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SRC_PASSES, 0);
}

static void
gst_clip_src_init (GstClipSrc * self)
{
  g_mutex_init (&self->seek_lock);
  g_queue_init (&self->jobs);
  g_queue_init (&self->untold);
  self->settings.shuffle = TRUE;
  self->settings.persistent_workers = TRUE;
  self->settings.epochs = 1;
  self->settings.world_size = 1;
  self->settings.video_track = -1;
  self->settings.fps = DEFAULT_FPS;
  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->srcpad, gst_clip_src_activate_mode);
  gst_pad_set_event_function (self->srcpad, gst_clip_src_event);
  gst_pad_set_query_function (self->srcpad, gst_clip_src_query);
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
