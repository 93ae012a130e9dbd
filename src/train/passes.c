/* passes.c: passes over the clips: start, end and results.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/trainer-private.h"

#include <math.h>
#include <string.h>

/* The name of a monitor that requires a validation pass; NULL: another monitor. */
static const gchar *
validation_monitor (Cnn3dMonitor monitor)
{
  switch (monitor) {
    case CNN3D_MONITOR_VAL_ACCURACY:
      return "val-accuracy";
    case CNN3D_MONITOR_VAL_LOSS:
      return "val-loss";
    case CNN3D_MONITOR_VAL_F1:
      return "val-f1";
    default:
      return NULL;
  }
}

gboolean
cnn3d_trainer_begin_pass (Cnn3dTrainer *t, const Cnn3dPass *pass, GError **error)
{
  const gchar *validated = validation_monitor (t->params.monitor);
  Cnn3dProgress progress;
  gboolean goes_on;

  /* of an interrupted pass */
  if (!cnn3d_trainer_wait (t, &progress, error))
    return FALSE;
  goes_on = pass->epoch == t->now.pass.epoch && pass->training == t->now.pass.training
      && pass->position == t->now.position;

  t->params.lr.epochs = pass->epochs;
  if (!cnn3d_lr_params_check (&t->params.lr, error)) {
    g_prefix_error (error, "learning rate schedule: ");
    return FALSE;
  }
  if (t->resumed
      && (!goes_on || (t->now.pass.clips_listed && t->now.pass.clips_listed != pass->clips))) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "the checkpoint in %s is at clip %" G_GUINT64_FORMAT
        " of another data set or split: use the same one, another checkpoint-dir, or resume=never",
        t->params.checkpoint_dir, t->now.position);
    return FALSE;
  }
  if (validated && pass->training && !pass->validates) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "monitor=%s needs a validation pass in each epoch, and there is none: add clips to "
        "validate on, or set monitor=train-loss",
        validated);
    return FALSE;
  }
  t->resumed = FALSE;
  t->ended.unsaved = FALSE;
  if (!goes_on) {
    t->now.pass =
        (TrainerPass) { pass->epoch, pass->training, pass->first, pass->clips, 0, 0, 0, 0 };
    t->now.position = t->ranks ? pass->first : pass->position;
  }
  if (t->confusion && t->now.pass.clips == 0)
    memset (t->confusion, 0,
        sizeof *t->confusion * t->s.net->params.num_classes * t->s.net->params.num_classes);
  t->now.pass.clips_listed = pass->clips;
  t->now.pass.first = pass->first;
  t->validates = pass->validates;
  t->group_batches = 0;
  t->group_clips = t->group_correct = 0;
  t->group_loss = t->group_weight = 0;
  if (t->ranks && !cnn3d_ranks_begin_pass (t, error))
    return FALSE;
  if (pass->training) {
    const gboolean saved = t->mark_saved;

    if (!cnn3d_trainer_take_mark (t, error))
      return FALSE;
    t->mark_saved = saved; /* the boundary between two passes alone is not worth saving */
    t->now.lr = cnn3d_lr_at (&t->params.lr, cnn3d_trainer_epochs_passed (t));
  }
  return TRUE;
}

/* The monitor's value, larger is better; r: of the epoch's last pass. */
static gdouble
monitored (const Cnn3dTrainer *t, const Cnn3dPassResult *r)
{
  switch (t->params.monitor) {
    case CNN3D_MONITOR_TRAIN_LOSS:
      return -t->now.train_loss;
    case CNN3D_MONITOR_VAL_LOSS:
      return -r->loss;
    case CNN3D_MONITOR_VAL_F1:
      return r->f1;
    default:
      return r->accuracy;
  }
}

gboolean
cnn3d_trainer_end_pass (Cnn3dTrainer *t, guint64 position, Cnn3dPassResult *result, GError **error)
{
  const TrainerPass *pass = &t->now.pass;
  gdouble value = NAN;

  memset (result, 0, sizeof *result);
  if (!cnn3d_trainer_wait (t, &result->last, error))
    return FALSE;
  while (t->ranks && t->now.position < pass->first + pass->clips_listed)
    if (!cnn3d_ranks_idle (t, NULL, &result->last, error))
      return FALSE;
  if (t->ranks && !cnn3d_ranks_close_pass (t, error))
    return FALSE;
  if (t->ranks && !pass->training && t->confusion
      && !cnn3d_ranks_add_counts (t, t->confusion,
          (gsize) t->s.net->params.num_classes * t->s.net->params.num_classes, error))
    return FALSE;
  if (pass->training && !cnn3d_trainer_step_short_group (t, &result->last, error))
    return FALSE;
  cnn3d_trainer_fill_progress (t, &result->last);
  result->epoch = pass->epoch;
  result->training = pass->training;
  result->clips = pass->clips;
  result->loss = pass->clips ? pass->loss_sum / pass->weight : NAN;
  result->accuracy = pass->clips ? (gdouble) pass->correct / pass->clips : NAN;
  result->confusion = pass->training ? NULL : t->confusion;
  result->recall = result->f1 = NAN;
  if (result->confusion)
    cnn3d_class_metrics (result, t->s.net->params.num_classes, t->class_accuracy);
  result->epoch_complete = !pass->training || !t->validates;
  if (pass->training)
    t->now.train_loss = result->loss;
  if (result->epoch_complete) {
    /* weights that no step has changed are not saved, so that none are to be better than they */
    if (t->now.step > 0)
      value = monitored (t, result);
    result->improved = !isnan (value) && (isnan (t->now.best) || value > t->now.best);
    if (result->improved) {
      t->now.best = value;
      t->now.best_epoch =
          (Cnn3dBest) { TRUE, pass->epoch, !pass->training, result->loss, result->accuracy };
      t->now.epochs_since_best = 0;
    } else {
      t->now.epochs_since_best++;
    }
    result->stop = t->params.patience > 0 && t->now.epochs_since_best >= t->params.patience;
  }
  /* The next pass starts at `position` with no clips counted. */
  t->now.position = position;
  t->now.pass = (TrainerPass) { pass->epoch + result->epoch_complete, result->epoch_complete,
    position, 0, 0, 0, 0, 0 };
  if (result->epoch_complete)
    t->ended = (TrainerEnded) { TRUE, result->epoch, value, result->improved };
  result->checkpoint_due = result->epoch_complete || result->last.checkpoint_due;
  return cnn3d_trainer_take_mark (t, error);
}

gboolean
cnn3d_trainer_add_up (Cnn3dTrainer *t, guint64 *count, GError **error)
{
  return !t->ranks || cnn3d_ranks_end_pass (t, count, error);
}

void
cnn3d_trainer_enter (Cnn3dTrainer *t)
{
  if (t->s.backend->stream)
    t->s.backend->stream (t->s.device, NULL);
}

gboolean
cnn3d_trainer_leave (Cnn3dTrainer *t, const gchar *reason)
{
  return t->ranks && cnn3d_ranks_leave (t, reason);
}
