/* trainrun.c: one run of cnn3dtrain.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "elementreport.h"
#include "memoryuse.h"
#include "trainreport.h"
#include "src/escape.h"
#include "src/train/fit.h"

GST_DEBUG_CATEGORY_EXTERN (cnn3d_train_debug);
#define GST_CAT_DEFAULT cnn3d_train_debug

void
train_run_fail (TrainRun * self, GError * error, const gchar * about)
{
  element_report_error (self->element, error, about);
  train_log_error (self->log, error, about);
  if (g_error_matches (error, CNN3D_TRAINER_ERROR,
          CNN3D_TRAINER_ERROR_DIVERGED))
    self->diverged = TRUE;
  self->flow = GST_FLOW_ERROR;
  g_error_free (error);
}

/* --- the trainer --- */

/* Makes the folder for checkpoints and sees that files can be written there:
 * better said now than after the first epoch. */
static gboolean
make_folder (TrainRun * self)
{
  const gchar *path = self->settings.checkpoint_dir;
  gchar *shown;

  if (!path || (g_mkdir_with_parents (path, 0777) == 0
          && g_access (path, W_OK | X_OK) == 0))
    return TRUE;

  /* ERRORS */
  shown = cnn3d_escape (path, FALSE);
  GST_ELEMENT_ERROR (self->element, RESOURCE, OPEN_WRITE,
      ("Checkpoints cannot be written to %s: %s.", shown,
          g_strerror (errno)), ("checkpoint-dir"));
  g_free (shown);

  return FALSE;
}

/* A pass is over, and its checkpoint not written yet. */
static void
report_pass (TrainRun * self, const Cnn3dPassResult * result)
{
  const gdouble seconds = (g_get_monotonic_time () - self->pass_began)
      / (gdouble) G_USEC_PER_SEC;

  GST_OBJECT_LOCK (self->element);
  self->figures->position = self->position;
  if (result->training) {
    self->figures->loss = self->line.loss = result->loss;
    self->figures->accuracy = self->line.accuracy = result->accuracy;
    self->figures->step = result->last.step;
    train_run_take_scale (self, &result->last);
    self->line.lr = self->lr;
    if (seconds > 0)
      self->line.clips_per_second = self->pass_clips / seconds;
  } else {
    self->figures->val_loss = self->line.val_loss = result->loss;
    self->figures->val_accuracy = self->line.val_accuracy = result->accuracy;
  }
  GST_OBJECT_UNLOCK (self->element);
  if (result->last.stepped || result->last.skipped)
    train_report_step (self->element, self->log, &result->last,
        self->figures->clips_per_second, self->line.memory,
        cnn3d_trainer_budget (self->trainer));
  train_report_pass (self->element, self->log, result, self->num_classes,
      seconds, self->lr, self->line.clips_per_second, self->line.memory);
}

static gboolean
open_log (TrainRun * self)
{
  GError *error = NULL;
  gchar *shown;

  self->log = train_log_new (self->element, &self->settings, self->progress,
      &error);
  if (!error)
    return TRUE;

  /* ERRORS */
  shown = cnn3d_escape (error->message, FALSE);
  GST_ELEMENT_ERROR (self->element, RESOURCE, OPEN_WRITE,
      ("The log cannot be written: %s. Set log-dir to a folder where it can.",
          shown), ("log-dir"));
  g_free (shown);
  g_error_free (error);

  return FALSE;
}

/* A checkpoint that stands where a training pass is over ends that pass; its
 * end may be missing in the log. */
static void
hear_ended (gpointer data, const Cnn3dProgress * progress,
    const Cnn3dPassResult * result)
{
  TrainRun *self = data;

  if (result && result->training)
    self->ended = *result;
}

static gboolean
begin_log (TrainRun * self, const Cnn3dTrainerParams * params)
{
  const gboolean resumed = self->resume != RESUME_DONE;
  GError *error = NULL;
  Cnn3dRunMark mark;

  cnn3d_trainer_get_mark (self->trainer, &mark);
  if (!train_log_begin (self->log, self->trainer, params, self->max_clips,
          params->lr.epochs, resumed ? &mark : NULL, &error)) {
    train_run_fail (self, error, "The log cannot be written");
    return FALSE;
  }
  if (self->ended.clips)
    train_log_pass (self->log, &self->ended, NAN, self->ended.last.lr, NAN, 0);

  return TRUE;
}

static void
hear (gpointer data, const Cnn3dProgress * progress,
    const Cnn3dPassResult * result)
{
  TrainRun *self = data;

  if (progress)
    train_run_measure (self, progress);
  else
    report_pass (self, result);
}

/* Goes to the last checkpoint where that is wanted and there is one. */
static gboolean
resume (TrainRun * self)
{
  GError *error = NULL;

  if (!self->settings.checkpoint_dir
      || self->settings.resume == TRAIN_RESUME_NEVER)
    return TRUE;
  if (cnn3d_trainer_resume (self->trainer, &self->resume_position, &error)) {
    self->resume = RESUME_WANTED;
    train_report_resumed (self->element, self->resume_position);
    if (self->progress)
      progress_note (self->progress, "going on at clip %" G_GUINT64_FORMAT,
          self->resume_position);
    return TRUE;
  }
  if (error)
    goto failed;
  if (self->settings.resume == TRAIN_RESUME_MUST)
    goto none;

  return TRUE;

  /* ERRORS */
failed:
  {
    train_run_fail (self, error, "Training cannot go on from the last "
        "checkpoint (resume=never begins anew)");
    return FALSE;
  }
none:
  {
    gchar *shown = cnn3d_escape (self->settings.checkpoint_dir, FALSE);

    GST_ELEMENT_ERROR (self->element, RESOURCE, NOT_FOUND,
        ("There is no checkpoint in %s to go on from: set checkpoint-dir to "
            "where one is, or resume=auto to begin anew.", shown), (NULL));
    g_free (shown);
    return FALSE;
  }
}

static void
fill_preparation (TrainRun * self, Cnn3dPreparation * to)
{
  GstClipPreparation from;

  if (!self->preparation
      || !gst_event_parse_clip_preparation (self->preparation, &from))
    return;
  to->sampling = from.sampling;
  to->frame_interval = from.frame_interval;
  to->frame_rate_n = from.frame_rate_n;
  to->frame_rate_d = from.frame_rate_d;
  to->scaling = from.scaling;
  to->add_borders = from.add_borders;
  to->diff_gain = from.diff_gain;
}

static gboolean
make_trainer (TrainRun * self)
{
  Cnn3dTrainerParams params;
  Cnn3dMemory memory;
  GError *error = NULL;
  guint64 peak;

  if (self->trainer)
    return TRUE;
  if (!train_run_find_classes (self)
      || !make_folder (self)
      || !open_log (self))
    goto failed;

  cnn3d_trainer_params_init (&params);
  train_settings_fill (&self->settings, &params);
  params.network.num_classes = self->num_classes;
  params.network.channels = self->layout.channels;
  params.network.frames = self->layout.frames;
  params.network.height = self->layout.height;
  params.network.width = self->layout.width;
  params.frames_type = self->layout.type;
  params.classes = (const gchar * const *) self->classes;
  params.class_weights = self->class_weights;
  fill_preparation (self, &params.preparation);
  params.lr.epochs = self->announced ? self->pass.epochs : 0;
  if (!cnn3d_lr_params_check (&params.lr, &error)) {
    train_run_fail (self, error, "lr-schedule");
    return FALSE;
  }

  memory_use (&self->resident_before, &peak);
  self->max_clips = self->layout.clips;
  self->trainer = cnn3d_trainer_new (&params, self->max_clips, &error);
  if (!self->trainer) {
    train_run_fail (self, error, "The network cannot be set up");
    return FALSE;
  }
  self->labels = g_new (gint32, self->max_clips);
  cnn3d_trainer_memory (self->trainer, &memory);
  self->device_memory = cnn3d_trainer_device_memory (self->trainer);
  GST_OBJECT_LOCK (self->element);
  self->figures->predicted = memory.total;
  GST_OBJECT_UNLOCK (self->element);
  GST_INFO_OBJECT (self->element, "%s on %s, %u classes, %" G_GSIZE_FORMAT
      " bytes", self->settings.model, cnn3d_trainer_device (self->trainer),
      self->num_classes, memory.total);
  train_report_plan (self->element, self->trainer, &params,
      self->max_clips);
  if (self->progress)
    progress_note (self->progress, "%s, precision %s, on %s",
        self->settings.model,
        cnn3d_precision_name (cnn3d_trainer_precision (self->trainer)),
        cnn3d_trainer_device (self->trainer));
  cnn3d_trainer_set_tell (self->trainer, hear_ended, self);
  if (!resume (self)
      || !begin_log (self, &params))
    goto failed;
  cnn3d_trainer_set_tell (self->trainer, hear, self);

  return TRUE;

failed:
  self->flow = GST_FLOW_ERROR;

  return FALSE;
}

/* Saves what was not saved yet. Weights that ran away are worth nothing. */
void
train_run_save (TrainRun * self)
{
  GError *error = NULL;
  gchar *path = NULL;

  if (!self->trainer || self->diverged || !train_run_collect (self))
    return;
  if (!cnn3d_trainer_save (self->trainer, &path, &error)) {
    /* on the way to NULL nobody reads the bus any more */
    if (self->progress)
      progress_note (self->progress, "The checkpoint could not be saved: %s",
          error->message);
    train_run_fail (self, error, "The checkpoint could not be saved");
  } else if (path) {
    train_report_checkpoint (self->element, self->log, path, FALSE);
  }
  g_free (path);
}

/* --- passes --- */

/* Has upstream go on where the checkpoint stands; until that comes, what is on
 * its way is dropped. */
static void
seek (TrainRun * self)
{
  GstEvent *event = gst_event_new_seek (1.0, GST_FORMAT_DEFAULT,
      GST_SEEK_FLAG_NONE, GST_SEEK_TYPE_SET, self->resume_position,
      GST_SEEK_TYPE_NONE, -1);

  GST_INFO_OBJECT (self->element, "seeking to clip %" G_GUINT64_FORMAT,
      self->resume_position);
  self->seek_seqnum = gst_event_get_seqnum (event);
  /* before it is pushed: the segment may come from within the push */
  self->resume = RESUME_SEEKING;
  if (!gst_pad_push_event (GST_BASE_SINK_PAD (self->element), event))
    self->resume = RESUME_PASSING;
}

static void
report_passing (TrainRun * self)
{
  element_report_info (self->element, "The first %" G_GUINT64_FORMAT " clips "
      "are passed over, as the checkpoint was trained on them and upstream does "
      "not seek (resume=never begins anew).", self->resume_position);
}

/* Takes self->pass for what a resumed run does with it. FALSE: it is not to be
 * begun. */
static gboolean
go_on (TrainRun * self)
{
  const GstClipEpoch *e = &self->pass;

  if (self->resume == RESUME_DONE)
    return TRUE;
  /* further on in its pass where the clips that come next cannot be read */
  if (self->resume_position >= e->first_clip
      && self->resume_position <= e->position) {
    self->resume = RESUME_DONE;
    return TRUE;
  }
  if (self->resume == RESUME_SOUGHT
      || self->resume_position < e->first_clip)
    goto elsewhere;
  if (self->resume == RESUME_WANTED) {
    /* a source that announces no passes cannot be trusted with a seek */
    if (self->announced) {
      seek (self);
      if (self->resume != RESUME_PASSING)
        return FALSE;
    }
    self->resume = RESUME_PASSING;
    report_passing (self);
  }
  if (self->announced)
    self->pass_over = e->clips > 0
        && self->resume_position - e->first_clip >= e->clips;
  else
    self->pass_over =
        self->resume_position - e->position >= self->layout.clips;

  return !self->pass_over;

  /* ERRORS */
elsewhere:
  {
    train_run_fail (self, g_error_new (GST_STREAM_ERROR,
            GST_STREAM_ERROR_FAILED, "Training was to go on at clip %"
            G_GUINT64_FORMAT ", but upstream is at clip %" G_GUINT64_FORMAT
            ": take the same clips and seed as before, or set resume=never to "
            "begin anew.", self->resume_position, e->position), NULL);
    return FALSE;
  }
}

void
train_run_begin_pass (TrainRun * self)
{
  const GstClipEpoch *e = &self->pass;
  Cnn3dPass pass = { e->epoch, e->training, e->first_clip, e->position,
    e->clips, e->epochs, e->validates
  };
  GError *error = NULL;
  gboolean resumes;
  gint64 now;

  self->pass_pending = self->pass_over = FALSE;
  self->position = e->position;
  if (!make_trainer (self))
    return;
  resumes = self->resume != RESUME_DONE;
  if (!go_on (self))
    return;
  if (resumes)
    pass.position = self->resume_position;
  if (!cnn3d_trainer_begin_pass (self->trainer, &pass, &error)) {
    train_run_fail (self, error, NULL);
    return;
  }

  now = g_get_monotonic_time ();
  self->pass_open = TRUE;
  self->pass_began = self->measured = now;
  self->pass_clips = self->under_way = 0;
  if (e->training || e->epoch != self->line.epoch || !self->epoch_began) {
    self->epoch_began = now;
    self->line = (ProgressEpoch) {
    e->epoch, e->epochs, NAN, NAN, NAN, NAN, self->lr, 0,
          self->device_memory, 0, 0, 0};
  }
  GST_OBJECT_LOCK (self->element);
  self->figures->epoch = e->epoch;
  self->figures->position = pass.position;
  GST_OBJECT_UNLOCK (self->element);
}

void
train_run_take_scale (TrainRun * self, const Cnn3dProgress * progress)
{
  self->figures->loss_scale = progress->loss_scale;
  self->figures->steps_skipped = progress->steps_skipped;
  self->line.steps_skipped = progress->steps_skipped;
  self->line.loss_scale = cnn3d_trainer_precision (self->trainer)
      == CNN3D_PRECISION_16_MIXED ? progress->loss_scale : 0;
}

static void
end_epoch (TrainRun * self)
{
  if (!self->progress)
    return;
  self->line.seconds = (g_get_monotonic_time () - self->epoch_began)
      / (gdouble) G_USEC_PER_SEC;
  progress_epoch (self->progress, &self->line);
}

static void
end_pass (TrainRun * self, guint64 position)
{
  Cnn3dPassResult result = { 0, };
  GError *error = NULL;

  self->pass_open = FALSE;
  if (!train_run_collect (self))
    return;
  self->position = position;
  if (!cnn3d_trainer_end_pass (self->trainer, position, &result, &error)) {
    train_run_fail (self, error, NULL);
    return;
  }
  if (result.saved)
    train_report_checkpoint (self->element, self->log, result.saved,
        result.improved);
  if (result.epoch_complete)
    end_epoch (self);
  g_free (result.saved);

  if (result.stop) {
    GST_INFO_OBJECT (self->element, "no better for %d epochs",
        self->settings.patience);
    if (self->progress)
      progress_note (self->progress, "stopped: no better for %d epochs",
          self->settings.patience);
    train_report_finished (self->element, self->log, result.epoch, "patience");
    self->stopped = TRUE;
  }
}

static void
take_eos (TrainRun * self)
{
  gboolean reached = self->position >= self->resume_position;

  if (self->flow != GST_FLOW_OK)
    return;
  if (self->pass_open && !self->announced && self->resume == RESUME_DONE)
    end_pass (self, self->position);
  train_run_save (self);
  if (self->flow != GST_FLOW_OK)
    return;

  if (self->resume == RESUME_SOUGHT
      || (self->resume == RESUME_PASSING && reached)) {
    element_report_info (self->element, "Training is complete already: raise "
        "the number of epochs to go on, or set resume=never to begin anew.");
    if (self->progress)
      progress_note (self->progress, "complete already");
    train_report_finished (self->element, self->log, self->figures->epoch,
        "complete");
  } else if (self->resume == RESUME_PASSING || self->resume == RESUME_SEEKING) {
    GST_ELEMENT_WARNING (self->element, STREAM, FAILED,
        ("The stream ended at clip %" G_GUINT64_FORMAT ", before clip %"
            G_GUINT64_FORMAT " where training was to go on: take the same "
            "clips as before, or set resume=never to begin anew.",
            self->position, self->resume_position), (NULL));
  } else if (!self->trainer) {
    GST_ELEMENT_WARNING (self->element, STREAM, FAILED,
        ("The stream ended before its first batch: nothing was trained."),
        (NULL));
  } else if (!self->stopped) {
    train_log_finished (self->log, "eos");
  }
}

/* --- the stream --- */

gboolean
train_run_set_layout (TrainRun * self, const TensorLayout * layout)
{
  gchar *was, *is;

  if (self->have_layout && !tensor_layout_same_clips (layout, &self->layout))
    goto other_clips;

  self->layout = *layout;
  self->have_layout = TRUE;

  return TRUE;

  /* ERRORS */
other_clips:
  {
    was = tensor_layout_describe (&self->layout);
    is = tensor_layout_describe (layout);
    train_run_fail (self, g_error_new (GST_STREAM_ERROR,
            GST_STREAM_ERROR_FORMAT, "The network is made for %s, now %s come: "
            "all clips of a run must be of one size.", was, is), NULL);
    g_free (was);
    g_free (is);
    return FALSE;
  }
}

static void
take_custom_event (TrainRun * self, GstEvent * event)
{
  GstClipEpochDone done;
  GstClipEpoch epoch;
  GstClipSkipped skipped;

  if (gst_event_parse_clip_epoch (event, &epoch)) {
    if (!train_run_collect (self))
      return;
    self->announced = TRUE;
    self->pass = epoch;
    self->pass_open = FALSE;
    self->pass_pending = TRUE;
    if (self->have_layout)
      train_run_begin_pass (self);
  } else if (gst_event_parse_clip_epoch_done (event, &done)) {
    self->pass_pending = self->pass_over = FALSE;
    if (self->pass_open)
      end_pass (self, done.position);
    self->position = done.position;
  } else if (gst_event_parse_clip_skipped (event, &skipped)) {
    /* what was told before a resume may come once more */
    if (self->pass_open && skipped.clip >= self->resume_position)
      train_log_skipped (self->log, &skipped);
  }
}

gboolean
train_run_event (TrainRun * self, GstEvent * event)
{
  GstClipPreparation preparation;

  if (self->resume == RESUME_SEEKING
      && gst_event_get_seqnum (event) == self->seek_seqnum
      && (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT
          || GST_EVENT_TYPE (event) == GST_EVENT_EOS))
    self->resume = RESUME_SOUGHT;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      if (!train_run_take_classes (self, event)
          && gst_event_parse_clip_preparation (event, &preparation))
        gst_event_replace (&self->preparation, event);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (self->flow == GST_FLOW_OK && self->resume != RESUME_SEEKING)
        take_custom_event (self, event);
      break;
    case GST_EVENT_EOS:
      take_eos (self);
      break;
    case GST_EVENT_FLUSH_STOP:
      train_run_collect (self);
      self->pass_pending = self->pass_open = self->pass_over = FALSE;
      self->stopped = FALSE;
      break;
    default:
      break;
  }

  return self->stopped;
}

TrainRun *
train_run_new (GstBaseSink * element, const TrainSettings * settings,
    TrainFigures * figures)
{
  TrainRun *self = g_new0 (TrainRun, 1);

  self->element = GST_ELEMENT (element);
  train_settings_copy (&self->settings, settings);
  self->figures = figures;
  self->flow = GST_FLOW_OK;
  if (settings->progress)
    self->progress = progress_new (STDOUT_FILENO);

  return self;
}

void
train_run_free (TrainRun ** run)
{
  TrainRun *self = *run;

  *run = NULL;
  if (!self)
    return;
  cnn3d_trainer_free (&self->trainer);
  train_log_free (&self->log);
  progress_free (&self->progress);
  train_settings_clear (&self->settings);
  gst_clear_event (&self->preparation);
  train_run_clear_classes (self);
  g_free (self->labels);
  g_free (self);
}
