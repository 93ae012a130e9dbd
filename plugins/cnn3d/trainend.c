/* trainend.c: the ends of passes and of a run, and their reports.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include <math.h>

#include "elementreport.h"
#include "trainreport.h"

#include "src/format.h"

GST_DEBUG_CATEGORY_EXTERN (cnn3d_train_debug);
#define GST_CAT_DEFAULT cnn3d_train_debug

/* --- reports --- */

/* Reports a skipped clip, or the summary of all. */
static void
report_line (TrainRun *self, const gchar *text)
{
  if (self->progress)
    progress_note (self->progress, "%s", text);
  else
    element_report_warning (self->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, text);
}

static void
sum_up_skipped (TrainRun *self)
{
  const TrainSkips *skips = &self->skips;
  GString *text = g_string_new ("skipped: ");
  gboolean any = FALSE;
  guint i;

  for (i = 0; i < 2; i++) {
    const gboolean training = i == 0;
    gchar *count;

    if (skips->most[training].skipped == 0)
      continue;
    count = train_skips_describe (&skips->most[training], training);
    g_string_append_printf (text, "%s%s", any ? ", " : "", count);
    g_free (count);
    any = TRUE;
  }
  if (any) {
    for (i = 0; i < skips->n_named; i++)
      g_string_append_printf (text, "; %s", skips->named[i]);
    if (self->settings.log_dir)
      g_string_append_printf (
          text, "; all of them are in %s" G_DIR_SEPARATOR_S "log.jsonl", self->settings.log_dir);
    else
      g_string_append (text, "; with log-dir, log.jsonl has all of them");
    report_line (self, text->str);
    /* an error is the last record of a log */
    if (self->flow == GST_FLOW_OK)
      train_log_warning (self->log, text->str);
  }
  g_string_free (text, TRUE);
}

static void
report_best (TrainRun *self)
{
  const gchar *dir = self->settings.checkpoint_dir;
  gchar *file = dir && self->settings.save_top_k > 0
      ? g_build_filename (dir, "best.safetensors", NULL)
      : NULL;
  GString *text = g_string_new (NULL);
  Cnn3dBest best;

  cnn3d_trainer_get_best (self->trainer, &best);
  if (best.known) {
    const gchar *prefix = best.validated ? "val-" : "";

    cnn3d_string_append_printf (text, "best: epoch %u  %sloss %.4g  %saccuracy %.1f %%",
        best.epoch + 1, prefix, best.loss, prefix, 100 * best.accuracy);
    /* an earlier process may have written none */
    if (file && g_file_test (file, G_FILE_TEST_EXISTS))
      g_string_append_printf (text, "  %s", file);
    progress_note (self->progress, "%s", text->str);
  }
  g_free (file);
  g_string_free (text, TRUE);
}

static void
report_place (TrainRun *self)
{
  GString *text = g_string_new (NULL);
  const gchar *dir = self->settings.checkpoint_dir;
  Cnn3dSavedAt at;

  cnn3d_trainer_get_saved_at (self->trainer, &at);
  g_string_append (text, dir && at.step ? "saved " : "stopped ");
  if (at.step == 0)
    g_string_append (text, "before the first step");
  else if (!at.training)
    g_string_append_printf (text, "at epoch %u, before its validation", at.epoch + 1);
  else if (at.clip == 0 && at.epoch > 0)
    g_string_append_printf (text, "at the end of epoch %u", at.epoch);
  else
    g_string_append_printf (text, "at epoch %u, clip %" G_GUINT64_FORMAT, at.epoch + 1, at.clip);
  if (at.clip > 0 && at.clips > 0)
    g_string_append_printf (text, " of %" G_GUINT64_FORMAT, at.clips);
  if (dir && at.step)
    g_string_append_printf (text, ": %s",
        self->settings.resume == CNN3D_RESUME_NEVER ? "with resume=auto the same line resumes there"
                                                    : "the same line resumes");
  else
    g_string_append_printf (
        text, ": nothing is saved%s", dir ? "" : ", as checkpoint-dir is not set");
  progress_note (self->progress, "%s", text->str);
  g_string_free (text, TRUE);
}

/* Reports the end of a run once: skipped clips, the best epoch and, unless the
 * run is complete, where it resumes. */
static void
report_end (TrainRun *self, gboolean complete)
{
  if (self->end.reported || !self->trainer)
    return;
  self->end.reported = TRUE;
  sum_up_skipped (self);
  if (!self->progress)
    return;
  if (!complete && self->flow == GST_FLOW_OK)
    report_place (self);
  report_best (self);
}

/* --- passes --- */

static const gchar *
kind (const TrainRun *self)
{
  return self->pass.training ? "training" : "validation";
}

/* Reports a pass without a batch. delivered: clips that clipsrc sent. */
static void
fail_empty (TrainRun *self, guint64 delivered)
{
  const guint batch = self->stream.layout.clips;
  const gchar *reason = train_skips_reason (&self->skips);
  GString *text = g_string_new (NULL);

  g_string_append_printf (text,
      self->pass.training ? "No training step in epoch %u: " : "No validation in epoch %u: ",
      self->pass.epoch + 1);
  if (delivered == 0 || self->skips.pass.skipped >= self->skips.pass.clips)
    g_string_append_printf (text,
        "all %" G_GUINT64_FORMAT
        " %s clips were skipped; mostly: %s. Repair the files or correct their paths.",
        self->skips.pass.skipped, kind (self), reason ? reason : "none arrived");
  else
    g_string_append_printf (text,
        "of %" G_GUINT64_FORMAT " %s clips %" G_GUINT64_FORMAT
        " arrived, but no batch of %u was full, and clipbatch drop-last=true drops the rest. Set "
        "batch-size to %" G_GUINT64_FORMAT " or less, or drop-last=false.",
        self->pass.clips, kind (self), delivered, batch, MIN (delivered, batch));
  train_run_fail (
      self, g_error_new_literal (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, text->str), NULL);
  g_string_free (text, TRUE);
}

static void
fail_skipped (TrainRun *self)
{
  gchar *count = train_skips_describe (&self->skips.pass, self->pass.training);
  const gchar *reason = train_skips_reason (&self->skips);
  const gchar *first = self->skips.named[0];
  GError *error = NULL;

  /* clips skipped before a resume were named by the earlier process */
  cnn3d_set_error (&error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "%s of epoch %u were skipped, more than max-skipped=%g allows; mostly: %s. The first: "
      "%s. Repair the files or correct their paths; max-skipped=1 trains on what is left.",
      count, self->pass.epoch + 1, self->settings.max_skipped,
      reason ? reason : "before this resume", first ? first : "before this resume");
  train_run_fail (self, error, NULL);
  g_free (count);
}

/* Clips that clipsrc sent to this rank and clipbatch did not report as skipped. */
static guint64
arrived_clips (TrainRun *self, const GstClipEpochDone *done)
{
  const guint64 sent = train_run_clips_of (self, done->delivered);
  const guint64 skipped = self->skips.pass.skipped;

  /* several ranks have counted what any of them skipped */
  if (self->comm)
    return sent;
  return sent - MIN (sent, skipped - MIN (skipped, done->skipped));
}

/* Whether the pass has a result. */
static gboolean
check_pass (TrainRun *self, const GstClipEpochDone *done)
{
  const TrainSkipsCount *count = &self->skips.pass;

  if (!done)
    return TRUE;
  self->at.worthless = self->pass.training;
  if (count->skipped > count->clips * self->settings.max_skipped) {
    fail_skipped (self);
    return FALSE;
  }
  if (cnn3d_trainer_pass_clips (self->trainer) == 0 && self->pass.clips > 0) {
    fail_empty (self, arrived_clips (self, done) ? done->delivered : 0);
    return FALSE;
  }
  self->at.worthless = FALSE;

  return TRUE;
}

/* The first pass that skipped clips names the first one, later passes only
 * count. */
static void
report_skipped (TrainRun *self)
{
  const TrainSkipsCount *count = &self->skips.pass;
  gchar *text;

  if (self->pass.training) {
    self->meter.line.clips_skipped = count->skipped;
    self->meter.line.clips = count->clips;
  } else {
    self->meter.line.val_clips_skipped = count->skipped;
    self->meter.line.val_clips = count->clips;
  }
  if (count->skipped == 0 || self->skips.n_named == 0 || self->skips.reported)
    return;
  self->skips.reported = TRUE;
  text = train_skips_describe (count, self->pass.training);
  if (self->progress)
    progress_note (self->progress, "%s of epoch %u were skipped; the first: %s", text,
        self->pass.epoch + 1, self->skips.named[0]);
  g_free (text);
}

/* Reports once that a validation lacks clips. */
static void
report_dropped (TrainRun *self, const GstClipEpochDone *done)
{
  const guint64 arrived = arrived_clips (self, done);
  const guint64 clips = cnn3d_trainer_pass_clips (self->trainer);
  gchar *text;

  if (self->pass.training || self->comm || clips >= arrived || self->dropped_reported)
    return;
  self->dropped_reported = TRUE;
  text = g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                          " validation clips are in no batch, and so in no metric of a "
                          "validation: clipbatch drop-last=true drops them. Set drop-last=false.",
      arrived - clips, arrived);
  element_report_warning (self->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, text);
  train_log_warning (self->log, text);
  g_free (text);
}

static gboolean
is_last (TrainRun *self, const Cnn3dPassResult *result)
{
  return result->epoch_complete
      && (self->pass.epochs == 0 ? !self->stream.announced
                                 : result->epoch + 1 >= self->pass.epochs);
}

static void
watch (TrainRun *self, const Cnn3dPassResult *result)
{
  gchar *text = train_watch_pass (&self->watch, result, (const gchar *const *) self->classes.names,
      self->classes.n, is_last (self, result) || result->stop);

  if (!text)
    return;
  element_report_warning (self->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, text);
  train_log_warning (self->log, text);
  g_free (text);
}

static void
end_epoch (TrainRun *self)
{
  if (!self->progress)
    return;
  self->meter.line.seconds =
      (g_get_monotonic_time () - self->meter.epoch_began) / (gdouble) G_USEC_PER_SEC;
  progress_epoch (self->progress, &self->meter.line);
}

void
train_run_end_pass (TrainRun *self, const GstClipEpochDone *done)
{
  const guint64 position = done ? done->position : self->at.position;
  Cnn3dPassResult result = {
    0,
  };
  GError *error = NULL;

  self->at.open = self->at.begun = FALSE;
  /* the clips after the position could not be read */
  if (self->resume.state == RESUME_PASSING)
    self->resume.state = RESUME_DONE;
  if (!train_run_collect (self) || !train_run_idle (self, NULL) || !train_run_share_skips (self)
      || !check_pass (self, done))
    return;
  report_skipped (self);
  if (done)
    report_dropped (self, done);
  self->at.position = position;
  if (!cnn3d_trainer_end_pass (self->trainer, position, &result, &error)) {
    train_run_fail (self, error, NULL);
    return;
  }
  train_run_measure_pass (self, &result);
  if (result.checkpoint_due && !train_run_save (self, result.improved))
    return;
  if (result.epoch_complete)
    end_epoch (self);
  watch (self, &result);
  self->end.finished = is_last (self, &result);

  if (result.stop) {
    GST_INFO_OBJECT (self->element, "no better for %d epochs", self->settings.patience);
    if (self->progress)
      progress_note (
          self->progress, "stopped: no improvement for %d epochs", self->settings.patience);
    report_end (self, TRUE);
    train_report_finished (self->element, self->log, result.epoch, "patience");
    self->end.stopped = TRUE;
  }
}

/* --- the run --- */

/* Saves what is not saved yet, unless training diverged. With ranks all of them take part, so that one
 * that failed by itself cannot. */
static void
save (TrainRun *self)
{
  if (self->comm && self->flow == GST_FLOW_ERROR)
    return;
  if (self->trainer && !self->end.diverged && !self->at.worthless && train_run_collect (self))
    train_run_save (self, FALSE);
}

gboolean
train_run_is_impatient (const TrainRun *self, const Cnn3dSavedAt *at)
{
  return self->settings.patience > 0 && at->epochs_since_best >= (guint) self->settings.patience;
}

void
train_run_end_complete (TrainRun *self)
{
  const guint asked = self->stream.announced ? self->pass.epochs : 0;
  const gchar *raise = "the number of epochs";
  gchar *why = g_strdup ("");
  Cnn3dSavedAt at;

  cnn3d_trainer_get_saved_at (self->trainer, &at);
  if (train_run_is_impatient (self, &at) && (asked == 0 || at.epoch < asked)) {
    g_free (why);
    why = g_strdup_printf (": no improvement for %u epochs, patience=%u", at.epochs_since_best,
        self->settings.patience);
    raise = "patience";
  } else if (asked > 0) {
    g_free (why);
    why = g_strdup_printf (": %u %s done, %u %s asked for", at.epoch,
        at.epoch == 1 ? "epoch is" : "epochs are", asked, asked == 1 ? "was" : "were");
  }
  element_report_info (self->element,
      "Training is complete already%s. Raise %s to continue, or set resume=never to start over.",
      why, raise);
  if (self->progress)
    progress_note (self->progress, "training is complete%s", why);
  g_free (why);
  report_end (self, TRUE);
  train_report_finished (self->element, self->log, self->metrics->epoch, "complete");
  self->resume.state = RESUME_DONE;
  self->end.stopped = TRUE;
}

/* Once; `stopped` where epochs are left. */
static void
log_end (TrainRun *self)
{
  if (!self->end.logged)
    train_log_finished (self->log, self->end.finished ? "eos" : "stopped");
  self->end.logged = TRUE;
}

void
train_run_stop (TrainRun *self)
{
  train_run_leave (self);
  save (self);
  report_end (self, self->end.finished || self->end.stopped);
  /* GST_FLOW_EOS: another rank was stopped */
  if (self->trainer
      && (self->flow == GST_FLOW_EOS || (self->flow == GST_FLOW_OK && !self->end.stopped)))
    log_end (self);
}

/* Whether a source of clips was stopped in mid-pass: it announces the end of
 * each pass. */
static gboolean
is_stopped (TrainRun *self)
{
  return self->stream.data && (self->at.open || !self->stream.announced);
}

/* A run without a single step has failed, however the stream ended. A run that
 * was stopped within its first step has already reported that. */
static gboolean
check_steps (TrainRun *self)
{
  const gboolean cut = self->trainer
      ? self->stream.announced && self->at.open && self->pass.training
      : is_stopped (self);
  Cnn3dRunMark mark = {
    0,
  };
  GError *error = NULL;

  if (self->trainer)
    cnn3d_trainer_get_mark (self->trainer, &mark);
  if (mark.step > 0)
    return TRUE;
  if (cut && self->trainer && self->progress)
    return TRUE;

  if (cut)
    element_report_warning (self->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "Training was stopped before its first step: nothing was trained.");
  else if (!self->trainer)
    error = g_error_new_literal (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "The stream ended before its first batch: nothing was trained. Check that upstream sends "
        "clips.");
  else if (mark.steps_skipped > 0)
    cnn3d_set_error (&error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "No training step: the gradients of every step (%" G_GUINT64_FORMAT
        " in all) overflowed, with a loss scale of %g at last. Train for longer, lower lr, or set "
        "precision=bf16-mixed or 32.",
        mark.steps_skipped, self->metrics->loss_scale);
  else
    train_run_fail_untrained (self);
  if (error)
    train_run_fail (self, error, NULL);

  return self->flow == GST_FLOW_OK;
}

void
train_run_end (TrainRun *self)
{
  gboolean reached = self->at.position >= self->resume.position;

  if (self->flow != GST_FLOW_OK || self->end.stopped)
    return;
  /* upstream went back to clips that were trained on */
  if (self->resume.replays && (reached || self->at.open || self->at.over))
    self->resume.state = RESUME_DONE;
  if (self->at.open && !self->stream.announced && self->resume.state == RESUME_DONE)
    train_run_end_pass (self, NULL);
  train_run_leave (self);
  save (self);
  if (self->flow != GST_FLOW_OK)
    return;

  if (self->resume.state == RESUME_SOUGHT || (self->resume.state == RESUME_PASSING && reached)) {
    train_run_end_complete (self);
  } else if ((self->resume.state == RESUME_PASSING || self->resume.state == RESUME_SEEKING)
      && is_stopped (self)) {
    element_report_warning (self->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "The stream was stopped before training resumed: the checkpoint is as it was.");
  } else if (self->resume.state == RESUME_SEEKING) {
    train_run_fail (self,
        g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
            "The stream ended before upstream went to clip %" G_GUINT64_FORMAT
            ", where training was to resume: another seek took the place of this one.",
            self->resume.position),
        NULL);
  } else if (self->resume.state == RESUME_PASSING) {
    train_run_fail (self,
        g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
            "The stream ended at clip %" G_GUINT64_FORMAT ", before clip %" G_GUINT64_FORMAT
            " where training was to resume: use the same clips as before, or set resume=never to "
            "start over.",
            self->at.position, self->resume.position),
        NULL);
  } else if (check_steps (self)) {
    report_end (self, self->end.finished);
    log_end (self);
  }
}
