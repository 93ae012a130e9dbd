/* trainrun.c: one run of cnn3dtrain.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "elementreport.h"
#include "memoryuse.h"
#include "trainreport.h"
#include "src/escape.h"

GST_DEBUG_CATEGORY_EXTERN (cnn3d_train_debug);
#define GST_CAT_DEFAULT cnn3d_train_debug

/* --- the trainer --- */

static gboolean
open_log (TrainRun *self)
{
  GError *error = NULL;
  gchar *shown;

  self->log = train_log_new (self->element, &self->settings, self->progress, &error);
  if (!error)
    return TRUE;

  /* ERRORS */
  shown = cnn3d_escape (error->message, FALSE);
  GST_ELEMENT_ERROR (self->element, RESOURCE, OPEN_WRITE,
      ("The log cannot be written: %s. Set log-dir to a folder where it can.", shown), ("log-dir"));
  g_free (shown);
  g_error_free (error);

  return FALSE;
}

/* ended: a training pass that resuming ended; the log may lack its end. */
static gboolean
begin_log (TrainRun *self, const Cnn3dTrainerParams *params, const Cnn3dPassResult *ended)
{
  const gboolean resumed = self->resume.state != RESUME_DONE;
  GError *error = NULL;
  Cnn3dRunMark mark;

  cnn3d_trainer_get_mark (self->trainer, &mark);
  if (!train_log_begin (self->log, self->trainer, params, self->max_clips, params->lr.epochs,
          resumed ? &mark : NULL, &error)) {
    train_run_fail (self, error, "The log cannot be written");
    return FALSE;
  }
  if (ended->clips > 0)
    train_log_pass (self->log, ended, NAN, ended->last.lr, NAN, 0);

  return !ended->checkpoint_due || train_run_save (self, ended->improved);
}

static void
fill_preparation (TrainRun *self, Cnn3dPreparation *to)
{
  GstClipPreparation from;
  GstClipKeypoints keypoints;

  if (self->stream.keypoints
      && gst_event_parse_clip_keypoints (self->stream.keypoints, &keypoints)) {
    to->skeleton = keypoints.skeleton;
    to->compact = keypoints.compact;
  }
  if (!self->stream.preparation
      || !gst_event_parse_clip_preparation (self->stream.preparation, &from))
    return;
  to->sampling = from.sampling;
  to->frame_interval = from.frame_interval;
  to->frame_rate_n = from.frame_rate_n;
  to->frame_rate_d = from.frame_rate_d;
  to->scaling = from.scaling;
  to->add_borders = from.add_borders;
  to->diff_gain = from.diff_gain;
}

static void
fill_data (TrainRun *self, Cnn3dRunData *to)
{
  GstClipData from;

  if (self->stream.data && gst_event_parse_clip_data (self->stream.data, &from))
    *to = (Cnn3dRunData) { from.rows, from.training_clips, from.validation_clips, from.clips,
      from.labels, from.order, from.validation };
}

/* The names of the views, of which a batch has `n`; NULL: unknown. Free with g_strfreev(). */
static gchar **
view_names (TrainRun *self, guint n)
{
  gchar **names = NULL;

  if (n > 1 && self->stream.views && gst_event_parse_clip_views (self->stream.views, &names)
      && g_strv_length (names) != n)
    g_clear_pointer (&names, g_strfreev);

  return names;
}

/* Whether the batches have the key points that the network reads. */
static gboolean
check_points (TrainRun *self)
{
  const gboolean wanted = self->settings.input_type != CNN3D_INPUT_RGB;

  if (!wanted && self->stream.layout.points)
    element_report_info (self->element,
        "Batches have key points, which input-type=rgb does not use: set input-type=kpt or "
        "rgb+kpt, or leave clipkpt out.");
  if (!wanted || self->stream.layout.points)
    return TRUE;
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("input-type=%s needs key points, but the batches have none: put clipkpt after clipsample "
       "in clip-bin.",
          cnn3d_choice_name (&cnn3d_input_types, self->settings.input_type)),
      (NULL));
  return FALSE;
}

/* Several processes share out videos, not their windows. */
static gboolean
check_windows (TrainRun *self)
{
  GstClipPreparation from;

  if (!self->comm || !self->stream.preparation
      || !gst_event_parse_clip_preparation (self->stream.preparation, &from)
      || from.clips_per_video <= 1)
    return TRUE;
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("clips-per-video is %u, but several processes validate on one clip of each video: leave it "
       "out of clipsample, and test with cnn3deval.",
          from.clips_per_video),
      (NULL));
  return FALSE;
}

static void
report_one_view (TrainRun *self)
{
  const TrainSettings *s = &self->settings;

  if (self->stream.layout.views == 1
      && (s->view_dropout > 0 || s->view_fusion != CNN3D_VIEW_FUSION_LOGITS))
    element_report_info (self->element,
        "Clips have one view: view-fusion and view-dropout have no effect. A column view in the "
        "manifest, or clipsrc views, makes several of them.");
}

static gboolean
make_trainer (TrainRun *self)
{
  Cnn3dTrainerParams params;
  Cnn3dPassResult ended;
  Cnn3dMemory memory;
  GError *error = NULL;
  guint64 peak;

  if (self->trainer)
    return TRUE;
  if (!check_points (self) || !check_windows (self) || !train_run_find_classes (self)
      || !open_log (self))
    goto failed;
  report_one_view (self);

  cnn3d_trainer_params_init (&params);
  train_settings_fill (&self->settings, &params);
  params.network.num_classes = self->classes.n;
  params.network.channels = self->stream.layout.channels;
  params.network.frames = self->stream.layout.frames;
  params.network.height = self->stream.layout.height;
  params.network.width = self->stream.layout.width;
  params.network.points = self->stream.layout.points;
  params.network.persons = self->stream.layout.persons;
  params.network.views = self->stream.layout.views;
  params.frames_type = self->stream.layout.type;
  params.classes = (const gchar *const *) self->classes.names;
  params.class_weights = self->classes.weights;
  if (self->classes.named == self->classes.n)
    params.class_clips = self->classes.clips;
  fill_preparation (self, &params.preparation);
  fill_data (self, &params.data);
  params.comm = self->comm;
  params.lr.epochs = self->stream.announced ? self->pass.epochs : 0;
  if (!cnn3d_lr_params_check (&params.lr, &error)) {
    train_run_fail (self, error, "lr-schedule");
    return FALSE;
  }

  memory_use (&self->meter.resident_before, &peak);
  self->max_clips = self->stream.layout.clips;
  self->stream.view_names = view_names (self, params.network.views);
  params.view_names = (const gchar *const *) self->stream.view_names;
  self->trainer = cnn3d_trainer_new (&params, self->max_clips, &error);
  if (!self->trainer) {
    train_run_fail (self, error, "The network cannot be set up");
    return FALSE;
  }
  self->labels = g_new (gint32, self->max_clips);
  cnn3d_trainer_memory (self->trainer, &memory);
  self->meter.device_memory = cnn3d_trainer_device_memory (self->trainer);
  GST_OBJECT_LOCK (self->element);
  self->metrics->predicted = memory.total;
  GST_OBJECT_UNLOCK (self->element);
  GST_INFO_OBJECT (self->element, "%s on %s, %u classes, %" G_GSIZE_FORMAT " bytes",
      self->settings.model, cnn3d_trainer_device (self->trainer), self->classes.n, memory.total);
  train_report_plan (self->element, self->trainer, &params, self->max_clips);
  if (self->progress)
    progress_note (self->progress, "%s, precision %s, on %s", self->settings.model,
        cnn3d_choice_name (&cnn3d_precisions, cnn3d_trainer_precision (self->trainer)),
        cnn3d_trainer_device (self->trainer));
  if (!train_run_resume (self, &ended) || !begin_log (self, &params, &ended))
    goto failed;
  train_run_report_data (self);

  return TRUE;

failed:
  self->flow = GST_FLOW_ERROR;

  return FALSE;
}

/* --- passes --- */

/* Reports once, and only if something depends on it. */
static void
report_monitor (TrainRun *self)
{
  const TrainSettings *s = &self->settings;

  if (self->monitor_reported || s->monitor != CNN3D_MONITOR_AUTO || !self->pass.training
      || self->pass.validates || (s->patience == 0 && (!s->checkpoint_dir || s->save_top_k == 0)))
    return;
  self->monitor_reported = TRUE;
  element_report_info (self->element,
      "There are no validation clips: the best epoch is chosen by training accuracy "
      "(monitor=auto)%s.",
      s->patience > 0 ? ", which patience also uses" : "");
}

/* Starts the pass that self->pass announces, or moves the stream on to the pass
 * that a resumed run continues; at.open says which. */
static void
begin_pass (TrainRun *self)
{
  const GstClipEpoch *e = &self->pass;
  Cnn3dPass pass = { e->epoch, e->training, e->first_clip, e->position, e->clips, e->epochs,
    e->validates };
  const gboolean held = self->at.begun && e->first_clip == self->at.first;
  GError *error = NULL;
  guint64 skipped = 0;
  gboolean resumes, continues;
  Cnn3dRunMark mark;

  self->at.pending = self->at.over = FALSE;
  self->at.position = e->position;
  if (!make_trainer (self))
    return;
  resumes = self->resume.state != RESUME_DONE;
  continues = train_run_continue (self);
  if (held && self->flow == GST_FLOW_OK && self->resume.state != RESUME_SEEKING) {
    /* the stream has returned to the trainer's pass, whose end may be all that is left */
    self->at.open = TRUE;
    self->at.over = FALSE;
    return;
  }
  if (!continues)
    return;
  cnn3d_trainer_get_mark (self->trainer, &mark);
  if (!pass.training && mark.step == 0 && mark.steps_skipped == 0) {
    /* there is nothing to validate, and without training passes there will not be */
    train_run_fail_untrained (self);
    return;
  }
  if (resumes)
    pass.position = self->resume.position;
  if (!cnn3d_trainer_begin_pass (self->trainer, &pass, &error)) {
    train_run_fail (self, error, NULL);
    return;
  }
  report_monitor (self);
  /* in passes before the checkpoint, clips that were not trained on were
   * skipped */
  if (resumes) {
    const guint64 done = self->resume.position - e->first_clip;

    skipped = done - MIN (cnn3d_trainer_pass_clips (self->trainer), done);
  }
  self->watch.resumed |= resumes;
  /* of several ranks the first counts those before */
  train_skips_begin_pass (
      &self->skips, e->clips - e->other_clips, train_run_follows (self) ? 0 : skipped);

  self->at.open = self->at.begun = self->at.counted = TRUE;
  self->at.first = e->first_clip;
  train_run_measure_from (self, pass.position);
}

/* --- the stream --- */

gboolean
train_run_set_layout (TrainRun *self, const TensorLayout *layout)
{
  gchar *was, *is;

  if (self->stream.known && !tensor_layout_same_clips (layout, &self->stream.layout)) {
    if (train_run_ends_stream (self))
      return FALSE;
    goto other_clips;
  }

  self->stream.layout = *layout;
  self->stream.known = TRUE;

  return TRUE;

  /* ERRORS */
other_clips:
  was = tensor_layout_describe (&self->stream.layout);
  is = tensor_layout_describe (layout);
  train_run_fail (self,
      g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "The network was set up for %s, but %s arrived: all clips of a run must be of one size.",
          was, is),
      NULL);
  g_free (was);
  g_free (is);
  return FALSE;
}

static void
take_custom_event (TrainRun *self, GstEvent *event)
{
  GstClipEpochDone done;
  GstClipEpoch epoch;
  GstClipSkipped skipped;

  if (gst_event_parse_clip_epoch (event, &epoch)) {
    if (self->resume.state == RESUME_SEEKING && !self->resume.replaced)
      return;
    if (!train_run_collect (self) || !train_run_follow (self, &epoch))
      return;
    self->stream.announced = TRUE;
    self->pass = epoch;
    self->at.open = FALSE;
    self->at.pending = TRUE;
    if (self->stream.known)
      begin_pass (self);
  } else if (self->resume.state == RESUME_SEEKING) {
    return;
  } else if (gst_event_parse_clip_epoch_done (event, &done)) {
    self->at.pending = self->at.over = FALSE;
    if (self->at.open)
      train_run_end_pass (self, &done);
    self->at.position = done.position;
  } else if (gst_event_parse_clip_skipped (event, &skipped)) {
    /* clips skipped before a resume, or before upstream went back, may be reported again */
    if (self->at.open && skipped.clip >= MAX (self->resume.position, self->at.skipped)) {
      self->at.skipped = skipped.clip + 1;
      train_skips_add (&self->skips, &skipped, self->pass.training);
      train_log_skipped (self->log, &skipped);
    }
  }
}

gboolean
train_run_ends_stream (TrainRun *self)
{
  return self->end.stopped && (self->flow != GST_FLOW_OK || !train_run_shares_stream (self));
}

gboolean
train_run_event (TrainRun *self, GstEvent *event)
{
  GstClipPreparation preparation;

  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT || GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    const gboolean own = gst_event_get_seqnum (event) == self->resume.seqnum;

    self->resume.replaced = !own;
    self->resume.sought |= !own && self->at.counted;
    if (own && self->resume.state == RESUME_SEEKING)
      self->resume.state = RESUME_SOUGHT;
  }

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      if (!train_run_take_classes (self, event)
          && gst_event_parse_clip_preparation (event, &preparation))
        gst_event_replace (&self->stream.preparation, event);
      else if (gst_event_parse_clip_data (event, NULL))
        gst_event_replace (&self->stream.data, event);
      else if (gst_event_parse_clip_views (event, NULL))
        gst_event_replace (&self->stream.views, event);
      else if (gst_event_parse_clip_keypoints (event, NULL))
        gst_event_replace (&self->stream.keypoints, event);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (self->flow == GST_FLOW_OK && !self->end.stopped)
        take_custom_event (self, event);
      break;
    case GST_EVENT_EOS:
      train_run_end (self);
      break;
    case GST_EVENT_FLUSH_STOP:
      train_run_collect (self);
      self->at.pending = self->at.open = self->at.over = FALSE;
      self->at.begun = self->at.counted = FALSE;
      /* the seek is followed, also while clips that were trained on are dropped */
      if (self->resume.replays)
        self->resume.state = RESUME_DONE;
      self->at.skipped = 0;
      self->end.stopped = FALSE;
      break;
    default:
      break;
  }

  return train_run_ends_stream (self);
}

GstFlowReturn
train_run_batch (TrainRun *self, GstBuffer *buffer)
{
  if (self->flow != GST_FLOW_OK || self->resume.state == RESUME_SEEKING)
    return self->flow;
  if (self->end.stopped)
    return train_run_ends_stream (self) ? GST_FLOW_EOS : GST_FLOW_OK;
  if (!self->stream.known)
    return GST_FLOW_NOT_NEGOTIATED;
  if (!self->at.open) {
    /* a stream without clip-epoch events is one training pass */
    if (!self->stream.announced)
      self->pass = (GstClipEpoch) { .training = TRUE, .position = self->at.position };
    else if (!self->at.pending && !self->at.over)
      goto between_passes;
    if (!self->stream.announced || self->at.pending)
      begin_pass (self);
    if (!self->at.open) {
      if (self->at.over)
        self->at.position += self->stream.layout.clips;
      return train_run_ends_stream (self) ? GST_FLOW_EOS : self->flow;
    }
  }
  if (self->pass.training && self->stream.layout.clips > self->max_clips)
    goto too_many;

  train_run_take (self, buffer);

  return self->flow;

  /* ERRORS */
between_passes:
  train_run_fail (self,
      g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
          "A batch arrived between two passes: upstream must send clip-epoch before it."),
      NULL);
  return GST_FLOW_ERROR;
too_many:
  train_run_fail (self,
      g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "A batch of %u clips arrived after the network was set up for %u: send the largest batch "
          "first; only the last may be smaller.",
          self->stream.layout.clips, self->max_clips),
      NULL);
  return GST_FLOW_ERROR;
}

/* --- the run --- */

/* Creates and locks the folder for checkpoints and tests whether it is
 * writable, so that a failure shows now and not after the first epoch. */
static gboolean
take_folder (TrainRun *self)
{
  const gchar *path = self->settings.checkpoint_dir;
  GError *error = NULL;
  gchar *shown, *owner;

  if (!path)
    return TRUE;
  shown = cnn3d_escape (path, FALSE);
  if (g_mkdir_with_parents (path, 0777) < 0 || g_access (path, W_OK | X_OK) < 0)
    goto not_writable;
  self->lock = cnn3d_folder_lock_new (path, &error);
  if (!self->lock)
    goto not_locked;
  g_free (shown);

  return TRUE;

  /* ERRORS */
not_writable:
  GST_ELEMENT_ERROR (self->element, RESOURCE, OPEN_WRITE,
      ("Checkpoints cannot be written to %s: %s.", shown, g_strerror (errno)), ("checkpoint-dir"));
  g_free (shown);
  return FALSE;
not_locked:
  owner = cnn3d_escape (error->message, FALSE);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BUSY))
    GST_ELEMENT_ERROR (self->element, RESOURCE, BUSY,
        ("Another run, %s, has its checkpoints in %s: wait for its end, or set checkpoint-dir to "
         "another folder.",
            owner, shown),
        (NULL));
  else
    GST_ELEMENT_ERROR (self->element, RESOURCE, OPEN_WRITE,
        ("Checkpoints cannot be written to %s: %s.", shown, owner), ("checkpoint-dir"));
  g_free (owner);
  g_error_free (error);
  g_free (shown);
  return FALSE;
}

TrainRun *
train_run_new (GstBaseSink *element, const TrainSettings *settings, TrainMetrics *metrics)
{
  TrainRun *self = g_new0 (TrainRun, 1);

  self->element = GST_ELEMENT (element);
  settings_copy (&train_settings, &self->settings, settings);
  train_skips_init (&self->skips);
  self->metrics = metrics;
  self->flow = GST_FLOW_OK;
  if (!train_run_join (self)) {
    train_run_free (&self);
    return NULL;
  }
  if (settings->progress && !train_run_follows (self))
    self->progress = progress_new (STDOUT_FILENO);
  if (!train_run_follows (self) && !take_folder (self))
    train_run_free (&self);

  return self;
}

void
train_run_free (TrainRun **run)
{
  TrainRun *self = *run;

  *run = NULL;
  if (!self)
    return;
  if (self->comm)
    train_run_part (self);
  cnn3d_trainer_free (&self->trainer);
  cnn3d_folder_lock_free (&self->lock);
  train_log_free (&self->log);
  progress_free (&self->progress);
  settings_clear (&train_settings, &self->settings);
  train_skips_clear (&self->skips);
  gst_clear_event (&self->stream.preparation);
  gst_clear_event (&self->stream.data);
  gst_clear_event (&self->stream.views);
  gst_clear_event (&self->stream.keypoints);
  g_strfreev (self->stream.view_names);
  train_run_clear_classes (self);
  g_free (self->labels);
  g_free (self);
}
