/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-clipsrc
 * @title: clipsrc
 *
 * Reads a data set of labelled videos and outputs the decoded frames of one clip
 * after another, each with a GstClipMeta. A run has #GstClipSrc:epochs epochs.
 * Each has a training pass, in an order that depends only on #GstClipSrc:seed
 * and the epoch, and a validation pass, or one of these, or a test pass
 * (#GstClipSrc:passes). Clips are decoded in parallel by #GstClipSrc:num-workers
 * chains, each of which ends in #GstClipSrc:clip-bin.
 *
 * Rows of the same group and segment that differ in their view are one clip: its views' frames
 * come one after another, under one clip number.
 *
 * Timestamps are continuous: a clip starts where the previous one ended. A seek
 * in GST_FORMAT_DEFAULT goes to a clip, counted over the whole run.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 clipsrc location=train.csv num-workers=2 \
 *     clip-bin="videoconvertscale ! video/x-raw,format=RGB,width=112,height=112" ! fakesink
 * ]|
 * All frames of the clips that train.csv lists, scaled, in a random order.
 *
 * Since: 0.1.0
 */
#include "gstclipsrc-private.h"

#include "src/escape.h"

GST_DEBUG_CATEGORY_EXTERN (gst_clip_src_debug);
#define GST_CAT_DEFAULT gst_clip_src_debug

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

G_DEFINE_TYPE_WITH_CODE (GstClipSrc, gst_clip_src, GST_TYPE_ELEMENT,
    GST_DEBUG_CATEGORY_INIT (gst_clip_src_debug, "clipsrc", 0, "source of labelled clips"));
GST_ELEMENT_REGISTER_DEFINE (clipsrc, "clipsrc", GST_RANK_NONE, GST_TYPE_CLIP_SRC);

/* Events and queries */

static gboolean
gst_clip_src_seek (GstClipSrc *self, GstEvent *event)
{
  GstSeekType start_type, stop_type;
  guint32 seqnum = gst_event_get_seqnum (event);
  GstSeekFlags flags;
  gboolean ok, starts;
  GstFormat format;
  gdouble rate;
  gint64 start;
  GstEvent *flush;

  gst_event_parse_seek (event, &rate, &format, &flags, &start_type, &start, &stop_type, NULL);
  if (format != GST_FORMAT_DEFAULT || rate != 1.0 || start < 0 || start_type != GST_SEEK_TYPE_SET
      || stop_type != GST_SEEK_TYPE_NONE)
    return FALSE;

  GST_OBJECT_LOCK (self);
  /* Before the data set is read, its length is unknown */
  ok = !self->dataset || (guint64) start <= self->total;
  if (ok && (!self->dataset || !(flags & GST_SEEK_FLAG_FLUSH))) {
    /* this may be called by downstream, from our own push: only record it */
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
  /* do not restart a thread that should stop, or has stopped in the meantime */
  starts = self->active;
  self->interrupted = !starts;
  self->ended = self->end_requested = FALSE;
  self->seek_pending = TRUE;
  self->seek_position = start;
  self->seek_seqnum = seqnum;
  GST_OBJECT_UNLOCK (self);
  if (starts)
    gst_pad_start_task (self->srcpad, (GstTaskFunction) gst_clip_src_loop, self->srcpad, NULL);
  GST_PAD_STREAM_UNLOCK (self->srcpad);
  g_mutex_unlock (&self->seek_lock);

  return TRUE;
}

static gboolean
gst_clip_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gboolean ok;

  if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
    return gst_pad_event_default (pad, parent, event);
  ok = gst_clip_src_seek (GST_CLIP_SRC (parent), event);
  gst_event_unref (event);

  return ok;
}

static gboolean
gst_clip_src_send_event (GstElement *element, GstEvent *event)
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
gst_clip_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
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
gst_clip_src_activate_mode (GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
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
    return gst_pad_start_task (pad, (GstTaskFunction) gst_clip_src_loop, pad, NULL);

  /* a seek that found it active has started the thread by now */
  g_mutex_lock (&self->seek_lock);
  g_mutex_unlock (&self->seek_lock);

  return gst_pad_stop_task (pad);
}

/* Properties may be set at any time: a run keeps those with which it started. */
static void
gst_clip_src_take_settings (GstClipSrc *self)
{
  ClipSrcSettings *used = &self->used;

  GST_OBJECT_LOCK (self);
  settings_copy (&gst_clip_src_settings, used, &self->settings);
  if (!used->index_location)
    used->index_location = g_build_filename (g_get_user_cache_dir (), "cnn3d", "index", NULL);
  GST_OBJECT_UNLOCK (self);
}

/* The streaming thread has stopped, but another one may be seeking. */
static void
gst_clip_src_close (GstClipSrc *self)
{
  Cnn3dDataset *dataset;

  GST_PAD_STREAM_LOCK (self->srcpad);
  gst_clip_src_drop_jobs (self);
  g_clear_pointer (&self->workers, clip_workers_free);
  GST_OBJECT_LOCK (self);
  dataset = g_steal_pointer (&self->dataset);
  self->total = 0;
  self->ended = FALSE;
  settings_clear (&gst_clip_src_settings, &self->used);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&self->order, cnn3d_order_free);
  cnn3d_dataset_free (dataset);
  gst_clear_caps (&self->caps);
  gst_clear_event (&self->preparation);
  g_queue_clear_full (&self->pending_skips, (GDestroyNotify) gst_event_unref);
  g_ptr_array_set_size (self->failed, 0);
  g_clear_pointer (&self->first_reason, g_free);
  g_clear_pointer (&self->first_view, g_free);
  GST_PAD_STREAM_UNLOCK (self->srcpad);
}

/* Posts the notes from reading the data set. */
static void
gst_clip_src_post_notes (GstClipSrc *self, const Cnn3dDataset *dataset)
{
  guint n;
  const Cnn3dDatasetNote *notes = cnn3d_dataset_notes (dataset, &n);

  for (guint i = 0; i < n; i++) {
    gchar *shown = cnn3d_escape (notes[i].text, TRUE);

    if (notes[i].warning)
      GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS, ("%s", shown), (NULL));
    else
      GST_ELEMENT_INFO (self, RESOURCE, SETTINGS, ("%s", shown), ("%s", shown));
    g_free (shown);
  }
}

static void
gst_clip_src_forget_seek (GstClipSrc *self)
{
  GST_OBJECT_LOCK (self);
  self->seek_pending = FALSE;
  GST_OBJECT_UNLOCK (self);
}

/* Reads the data set and starts the workers. On failure it posts an error. */
static gboolean
gst_clip_src_open (GstClipSrc *self)
{
  const ClipSrcSettings *used = &self->used;
  Cnn3dDatasetParams dataset_params = { NULL };
  Cnn3dOrderParams order_params = { 0 };
  ClipChainSettings settings = { .owner = GST_ELEMENT (self), .src_pad = self->srcpad };
  Cnn3dDataset *dataset = NULL;
  GError *error = NULL;
  gchar *shown = NULL, *wrong;
  guint64 sought, total;
  gboolean too_far;
  guint views;

  if (!settings_check (GST_ELEMENT (self)))
    return FALSE;
  gst_clip_src_take_settings (self);
  clip_chain_renew_warner (GST_ELEMENT (self), "clipcache");
  wrong = cnn3d_keypoints_pattern_refuse (used->keypoints_pattern);
  if (wrong)
    goto bad_pattern;
  dataset_params = (Cnn3dDatasetParams) { .location = used->location,
    .root = used->root,
    .val_location = used->val_location,
    .num_folds = used->num_folds,
    .fold = used->fold,
    .seed = used->seed,
    .passes = (Cnn3dPasses) used->passes,
    .classes_location = used->classes_location,
    .annotator = used->annotator,
    .views = used->views,
    .background = used->background };
  order_params = gst_clip_src_order_params (used);
  settings.clip_bin = used->clip_bin;
  settings.index_location = used->index_location;
  settings.video_track = used->video_track;
  if (used->clip_bin) {
    GstElement *bin = clip_chain_parse_bin (used->clip_bin, &error);

    if (!bin)
      goto no_clip_bin;
    gst_object_unref (gst_object_ref_sink (bin));
  }
  dataset = cnn3d_dataset_new (&dataset_params, &error);
  if (!dataset)
    goto no_dataset;
  cnn3d_dataset_note_keypoints (dataset, used->keypoints_root, used->keypoints_pattern);
  gst_clip_src_post_notes (self, dataset);
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
  cnn3d_dataset_views (dataset, &views);
  /* one view is all of its clip */
  self->views = views > 1 ? views : 0;
  self->position = 0;
  self->clips_skipped = self->views_missing = 0;
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
bad_pattern:
  shown = cnn3d_escape (wrong, FALSE);
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("keypoints-pattern: %s", shown), (NULL));
  g_free (wrong);
  goto failed;
no_clip_bin:
  shown = cnn3d_escape (error->message, TRUE);
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
      ("clip-bin \"%s\" is not a valid bin description: %s", used->clip_bin, shown), (NULL));
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
  GST_ELEMENT_ERROR (self, RESOURCE, FAILED,
      ("Threads for num-workers=%u could not be started: %s", used->num_workers, error->message),
      (NULL));
  goto failed;
seek_too_far:
  GST_ELEMENT_ERROR (self, STREAM, FAILED,
      ("Clip %" G_GUINT64_FORMAT " was requested, but the run has %" G_GUINT64_FORMAT, sought,
          total),
      (NULL));
  gst_clip_src_forget_seek (self);
failed:
  g_free (shown);
  g_clear_error (&error);
  if (dataset && dataset != self->dataset)
    cnn3d_dataset_free (dataset);
  gst_clip_src_close (self);
  return FALSE;
}

static GstStateChangeReturn
gst_clip_src_change_state (GstElement *element, GstStateChange transition)
{
  GstClipSrc *self = GST_CLIP_SRC (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !gst_clip_src_open (self))
    return GST_STATE_CHANGE_FAILURE;
  ret = GST_ELEMENT_CLASS (gst_clip_src_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY
      || (transition == GST_STATE_CHANGE_READY_TO_PAUSED && ret == GST_STATE_CHANGE_FAILURE)) {
    gst_clip_src_close (self);
    gst_clip_src_forget_seek (self);
  }
  /* of a run that was not started, or failed to */
  if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    gst_clip_src_forget_seek (self);

  return ret;
}

static void
gst_clip_src_finalize (GObject *object)
{
  GstClipSrc *self = GST_CLIP_SRC (object);

  settings_clear (&gst_clip_src_settings, &self->settings);
  g_ptr_array_unref (self->failed);
  g_mutex_clear (&self->seek_lock);
  G_OBJECT_CLASS (gst_clip_src_parent_class)->finalize (object);
}

static void
gst_clip_src_class_init (GstClipSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->finalize = gst_clip_src_finalize;
  element_class->change_state = gst_clip_src_change_state;
  element_class->send_event = gst_clip_src_send_event;
  gst_clip_src_install_properties (object_class);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Source of labelled clips", "Source/Video",
      "Decodes the labelled videos of a data set, clip by clip and epoch by epoch",
      "The cnn3d authors");
}

static void
gst_clip_src_init (GstClipSrc *self)
{
  g_mutex_init (&self->seek_lock);
  g_queue_init (&self->jobs);
  g_queue_init (&self->pending_skips);
  self->failed = g_ptr_array_new_with_free_func ((GDestroyNotify) clip_job_unref);
  settings_init (&gst_clip_src_settings, &self->settings);
  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->srcpad, gst_clip_src_activate_mode);
  gst_pad_set_event_function (self->srcpad, gst_clip_src_event);
  gst_pad_set_query_function (self->srcpad, gst_clip_src_query);
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
