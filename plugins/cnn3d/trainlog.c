/* trainlog.c: cnn3dtrain's log in log-dir.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainlog.h"

#include "src/escape.h"

struct _TrainLog {
  GstElement *element;
  Progress *progress;
  Cnn3dRunLog *log;
  Cnn3dTrainer *trainer; /* from train_log_begin() on */
  gchar *dir;
  guint every_steps;
  guint histogram_epochs; /* 0: none */
};

TrainLog *
train_log_new (
    GstElement *element, const TrainSettings *settings, Progress *progress, GError **error)
{
  Cnn3dRunLog *log;
  TrainLog *self;

  if (!settings->log_dir)
    return NULL;
  log = cnn3d_run_log_new (settings->log_dir, error);
  if (!log)
    return NULL;
  self = g_new0 (TrainLog, 1);
  self->element = element;
  self->progress = progress;
  self->log = log;
  self->dir = g_strdup (settings->log_dir);
  self->every_steps = settings->log_every_steps;
  self->histogram_epochs = settings->log_histograms;

  return self;
}

void
train_log_free (TrainLog **log)
{
  TrainLog *self = *log;

  *log = NULL;
  if (!self)
    return;
  cnn3d_run_log_free (&self->log);
  g_free (self->dir);
  g_free (self);
}

/* Called after each record: warns once if one was lost. */
static void
report_trouble (TrainLog *self)
{
  GError *error = cnn3d_run_log_take_error (self->log);
  gchar *shown, *dir;

  if (!error)
    return;
  shown = cnn3d_escape (error->message, FALSE);
  dir = cnn3d_escape (self->dir, FALSE);
  GST_ELEMENT_WARNING (self->element, RESOURCE, WRITE,
      ("The log in %s has gaps: %s. Training continues; this is reported once.", dir, shown),
      ("%s %d", g_quark_to_string (error->domain), error->code));
  if (self->progress)
    progress_note (self->progress, "the log has gaps: %s", error->message);
  g_free (dir);
  g_free (shown);
  g_error_free (error);
}

gboolean
train_log_begin (TrainLog *self, Cnn3dTrainer *trainer, const Cnn3dTrainerParams *params,
    guint batch, guint epochs, const Cnn3dRunMark *mark, GError **error)
{
  if (!self)
    return TRUE;
  self->trainer = trainer;
  if (!cnn3d_run_log_begin (self->log, mark, error))
    return FALSE;
  cnn3d_run_log_run (self->log, trainer, params, batch, epochs);
  report_trouble (self);

  return TRUE;
}

void
train_log_step (TrainLog *self, const Cnn3dProgress *progress, gdouble clips_per_second,
    guint64 memory, guint64 budget)
{
  if (!self || progress->step % self->every_steps)
    return;
  cnn3d_run_log_step (self->log, progress, clips_per_second, memory, budget);
  report_trouble (self);
}

void
train_log_pass (TrainLog *self, const Cnn3dPassResult *result, gdouble seconds, gdouble lr,
    gdouble clips_per_second, guint64 memory)
{
  if (!self)
    return;
  cnn3d_run_log_pass (self->log, result, seconds, lr, clips_per_second, memory);
  if (result->epoch_complete && self->histogram_epochs
      && (result->epoch + 1) % self->histogram_epochs == 0)
    cnn3d_run_log_weights (self->log, self->trainer, result->last.step);
  report_trouble (self);
}

void
train_log_checkpoint (TrainLog *self, const gchar *path, gboolean best)
{
  if (!self)
    return;
  cnn3d_run_log_checkpoint (self->log, path, best);
  report_trouble (self);
}

void
train_log_skipped (TrainLog *self, const GstClipSkipped *skipped)
{
  if (!self)
    return;
  cnn3d_run_log_skipped (self->log, skipped->path, skipped->reason, skipped->clip, skipped->epoch);
  report_trouble (self);
}

void
train_log_warning (TrainLog *self, const gchar *message)
{
  if (!self)
    return;
  cnn3d_run_log_warning (self->log, message);
  report_trouble (self);
}

void
train_log_error (TrainLog *self, const GError *error, const gchar *about)
{
  gchar *text;

  if (!self)
    return;
  text = g_strconcat (about ? about : "", about ? ": " : "", error->message, NULL);
  cnn3d_run_log_error (self->log, text);
  g_free (text);
  report_trouble (self);
}

void
train_log_finished (TrainLog *self, const gchar *reason)
{
  if (!self)
    return;
  cnn3d_run_log_finished (self->log, reason);
  report_trouble (self);
}
