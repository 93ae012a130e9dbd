/* batch.c: batches are staged, started, and waited for.
 *
 * On an asynchronous device a started batch runs until it is waited for, while the next one is
 * staged. So the host reads a loss one batch late, and decides nothing from an unfinished step.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/trainer-private.h"

#include <math.h>
#include <string.h>

/* As torch.amp.GradScaler: doubled after this many steps without overflow, halved after an
 * overflow. */
#define SCALE_GROWTH_STEPS 2000
/* If gradients are not finite at this scale, no scale helps. */
#define SCALE_LEAST 0x1p-24

static gboolean
has_view (const Cnn3dTrainer *t, const guint8 *present)
{
  for (guint v = 0; v < cnn3d_network_views (&t->s.net->params); v++)
    if (present[v])
      return TRUE;
  return FALSE;
}

static gboolean
check_batch (const Cnn3dTrainer *t, const Cnn3dBatch *batch, GError **error)
{
  const gint classes = t->s.net->params.num_classes;

  if (batch->n < 1 || batch->n > t->batch) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
        "a batch of %u clips arrived, but memory was planned for at most %u", batch->n, t->batch);
    return FALSE;
  }
  if (t->slots[0] && cnn3d_type_size (batch->type) > cnn3d_type_size (t->params.frames_type)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
        "frames arrived as %d-bit numbers, but memory was planned for %d-bit ones",
        (gint) cnn3d_type_size (batch->type) * 8,
        (gint) cnn3d_type_size (t->params.frames_type) * 8);
    return FALSE;
  }
  for (guint i = 0; batch->present && i < batch->n; i++)
    if (!has_view (t, batch->present + (gsize) i * cnn3d_network_views (&t->s.net->params))) {
      g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
          "all views of sample %u of a batch are missing: leave such samples out", i);
      return FALSE;
    }
  if (!batch->points && cnn3d_network_sees_points (&t->s.net->params)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
        "the network reads key points, but the batch has none");
    return FALSE;
  }
  for (guint i = 0; batch->labels && i < batch->n; i++)
    if (batch->labels[i] < 0 || batch->labels[i] >= classes) {
      g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
          "a clip has label %d, but there are %d classes: labels count from 0; set num-classes or "
          "correct the labels",
          batch->labels[i], classes);
      return FALSE;
    }
  return TRUE;
}

/* A batch is read in place, or copied to one of the device's slots: the one that the running batch
 * does not use. */
static gboolean
stage (Cnn3dTrainer *t, const Cnn3dBatch *batch, TrainerStaged *to, GError **error)
{
  const Cnn3dNetworkParams *n = &t->s.net->params;
  const gsize frames = cnn3d_frames_bytes (n, batch->type) * batch->n;
  const gsize points = cnn3d_points_bytes (n) * batch->n;
  guint8 *slot;

  *to = (TrainerStaged) { *batch, batch->labels, t->class_weights };
  if (cnn3d_network_views (n) == 1)
    to->batch.present = NULL;
  if (!t->slots[0])
    return TRUE;
  slot = t->slots[t->next_slot ^= 1];
  if (frames
      && !(to->batch.frames = cnn3d_session_stage (&t->s, &slot, batch->frames, frames, error)))
    return FALSE;
  if (points
      && !(to->batch.points = cnn3d_session_stage (&t->s, &slot, batch->points, points, error)))
    return FALSE;
  if (to->batch.present
      && !(to->batch.present = cnn3d_session_stage (
               &t->s, &slot, batch->present, cnn3d_network_views (n) * batch->n, error)))
    return FALSE;
  if (!batch->labels)
    return TRUE;
  to->batch.labels =
      cnn3d_session_stage (&t->s, &slot, batch->labels, batch->n * sizeof (gint32), error);
  if (!to->batch.labels || !to->weights)
    return to->batch.labels != NULL;
  to->weights =
      cnn3d_session_stage (&t->s, &slot, t->class_weights, n->num_classes * sizeof (gfloat), error);
  return to->weights != NULL;
}

/* --- starting --- */

/* The weight of clips in a mean: their number, or the sum of their labels' weights. */
static gdouble
weight_of (const Cnn3dTrainer *t, const gint32 *labels, guint n)
{
  gdouble weight = 0;

  if (!t->class_weights || !t->now.pass.training)
    return n;
  for (guint i = 0; i < n; i++)
    weight += t->class_weights[labels[i]];
  return weight;
}

/* Epochs that have passed, counted in clips and not in steps, so that skipped files and short
 * batches do not change the learning rate. */
gdouble
cnn3d_trainer_epochs_passed (const Cnn3dTrainer *t)
{
  const TrainerPass *pass = &t->mark.pass;
  const guint64 done = t->mark.position - MIN (pass->first, t->mark.position);

  return pass->epoch + (pass->clips_listed ? MIN (1.0, (gdouble) done / pass->clips_listed) : 0);
}

/* Factor on the loss gradient. Gradients are those of a micro-batch's mean loss, as in torch.amp,
 * so that the same loss scales work. */
static gfloat
loss_scale (const Cnn3dTrainer *t)
{
  return t->scales ? t->now.loss_scale / t->fit.micro_batch : 1;
}

Cnn3dUpdate
cnn3d_trainer_next_update (Cnn3dTrainer *t, gfloat weight)
{
  t->pending.lr = cnn3d_lr_at (&t->params.lr, cnn3d_trainer_epochs_passed (t));
  return (Cnn3dUpdate) { .rule = t->params.optimizer,
    .lr = t->pending.lr,
    .momentum = t->params.momentum,
    .beta1 = 0.9f,
    .beta2 = 0.999f,
    .eps = 1e-8f,
    .weight_decay = t->params.weight_decay,
    .gradient_scale = 1.0 / (weight * loss_scale (t)),
    .step = t->now.step + 1,
    .checks = t->scales || t->s.backend->asynchronous || t->params.gradient_clip > 0,
    .clip = t->params.gradient_clip };
}

static gboolean
check_loss (const Cnn3dTrainer *t, gdouble loss, GError **error)
{
  if (isfinite (loss))
    return TRUE;
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DIVERGED,
      "the loss became NaN or infinite, in epoch %u after step %" G_GUINT64_FORMAT
      ": lower lr, add warmup-epochs or gradient-clip-val, or check the input for NaN",
      t->now.pass.epoch + 1, t->now.step);
  return FALSE;
}

Cnn3dArrays
cnn3d_trainer_arrays (const Cnn3dTrainer *t)
{
  return (Cnn3dArrays) { t->s.weights, t->s.copy, t->gradients, t->first, t->second, t->trained };
}

/* completes: it is the last program that adds to a batch's gradients. */
static gboolean
run_program (Cnn3dTrainer *t, const Cnn3dSessionProgram *p, gboolean completes,
    const Cnn3dBinding *b, Cnn3dResults *results, GError **error)
{
  if (completes && t->ranks)
    return cnn3d_ranks_run (t, p, b, results, error);
  return t->s.backend->run (p->program, p->plan->steps, p->plan->n_steps, b, results, error);
}

/* Runs the micro-batches of a batch in turn. logits, (clips, num_classes): may be NULL. update:
 * non-NULL if layers are updated as their gradients become available. */
static gboolean
start_passes (Cnn3dTrainer *t, const TrainerStaged *staged, gboolean training, gfloat *logits,
    const Cnn3dUpdate *update, GError **error)
{
  const Cnn3dBatch *batch = &staged->batch;
  const Cnn3dNetworkParams *n = &t->s.net->params;
  const guint views = cnn3d_network_views (n);
  const gsize frames = cnn3d_frames_bytes (n, batch->type),
              points = cnn3d_points_bytes (n) / sizeof (gfloat);
  const gboolean pads = !training && t->s.backend->evaluation_slice;
  const guint most = training ? t->fit.micro_batch : t->fit.evaluation_batch;

  t->n_results = 0;
  for (guint first = 0; first < batch->n; first += most) {
    const guint clips = MIN (most, batch->n - first);
    const Cnn3dSessionProgram *p =
        cnn3d_session_program (&t->s, pads ? most : clips, training, error);
    Cnn3dResults *results = &t->results[t->n_results];
    const Cnn3dBinding b = { .arena = t->s.arena,
      .store = t->s.store,
      .arrays = cnn3d_trainer_arrays (t),
      .accumulate = (t->group_batches > 0 && !t->ranks) || first > 0,
      .frames = (const guint8 *) batch->frames + first * frames,
      .frames_type = batch->type,
      .points = points ? batch->points + first * points : NULL,
      .present = batch->present ? batch->present + first * views : NULL,
      .labels = batch->labels ? batch->labels + first : NULL,
      .label_smoothing = training ? t->params.label_smoothing : 0,
      .class_weights = training ? staged->weights : NULL,
      .loss_scale = loss_scale (t),
      .training = training,
      .batch_statistics = training && !t->norm_frozen,
      .sync = training ? cnn3d_ranks_sync (t) : NULL,
      .seed = t->params.seed,
      .step = batch->position - batch->n + first,
      .update = update,
      .samples = clips,
      .logits = logits ? logits + (gsize) first * n->num_classes : NULL };

    *results = (Cnn3dResults) { 0 };
    if (!p || !run_program (t, p, training && first + clips == batch->n, &b, results, error))
      return FALSE;
    t->n_results++;
    /* a batch with a NaN or infinite loss changed no weights */
    if (!t->s.backend->asynchronous && !isfinite (results->loss_sum))
      t->in_step = FALSE;
    if (!t->s.backend->asynchronous && !check_loss (t, results->loss_sum, error))
      return FALSE;
  }
  return TRUE;
}

/* The group is complete: takes one step with the mean gradient of its clips, except for what the
 * backward pass has updated already. Also checks the running statistics, because a checkpoint saved
 * now needs them. */
static gboolean
start_step (Cnn3dTrainer *t, gfloat weight, GError **error)
{
  const Cnn3dArrays a = cnn3d_trainer_arrays (t);

  t->pending.steps = TRUE;
  t->pending.squares = 0;
  if (!t->updates_early) {
    const Cnn3dUpdate update = cnn3d_trainer_next_update (t, weight);

    t->pending.checks = update.checks;
    if (!t->s.backend->update (t->s.model, &a, &update, &t->pending.squares, error))
      return FALSE;
  } else if (!cnn3d_session_refresh (&t->s, error)) {
    return FALSE;
  }
  return t->s.backend->fetch (t->s.device, t->new_statistics, t->s.weights + t->s.layout->trained,
      (t->s.layout->total - t->s.layout->trained) * sizeof (gfloat), error);
}

/* Which of the pass's optimizer steps a batch belongs to, by its place in the order: with batches all
 * of whose clips were skipped, a step has fewer. */
static guint64
group_of (const Cnn3dTrainer *t, const Cnn3dBatch *batch)
{
  const TrainerPass *pass = &t->now.pass;
  const guint64 size = (guint64) t->batch * t->params.accumulate;

  return (batch->position - MIN (batch->position, pass->first + 1)) / size;
}

static gboolean
start (Cnn3dTrainer *t, GError **error)
{
  const TrainerStaged *staged = &t->staged;
  const gint32 *labels = staged->labels;
  const Cnn3dBatch *batch = &staged->batch;
  const gboolean training = t->now.pass.training, early = training && t->updates_early;
  Cnn3dUpdate update;

  t->pending = (TrainerPending) {
    .n = batch->n, .weight = weight_of (t, labels, batch->n), .position = batch->position
  };
  if (early) {
    update = cnn3d_trainer_next_update (t, t->pending.weight);
    t->in_step = TRUE;
  }
  if (!training && t->labels)
    memcpy (t->labels, labels, batch->n * sizeof *labels);
  if (t->ranks && !(cnn3d_ranks_check (t, batch, error) && cnn3d_ranks_begin_batch (t, error)))
    return FALSE;
  if (!start_passes (
          t, staged, training, training ? NULL : t->logits, early ? &update : NULL, error))
    return FALSE;
  t->group = group_of (t, batch);
  if (training && !t->ranks && t->group_batches + 1 >= t->params.accumulate
      && !start_step (t, t->group_weight + t->pending.weight, error))
    return FALSE;
  t->pending.active = TRUE;
  return TRUE;
}

/* --- collecting --- */

static void
end_group (Cnn3dTrainer *t)
{
  t->last_group_weight = t->group_weight;
  t->group_batches = 0;
  t->group_clips = t->group_correct = 0;
  t->group_loss = t->group_weight = 0;
}

/* Gradients that are not finite change no weights. With loss scaling the step is skipped, without
 * it training fails. */
static gboolean
take_overflow (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error)
{
  if (t->scales && t->now.loss_scale > SCALE_LEAST) {
    t->now.loss_scale /= 2;
    t->now.scale_steps = 0;
    t->now.steps_skipped++;
    progress->skipped = TRUE;
    return TRUE;
  }
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DIVERGED,
      "the gradient's norm became NaN or infinite at step %" G_GUINT64_FORMAT ": lower lr",
      t->now.step + 1);
  return FALSE;
}

gboolean
cnn3d_trainer_take_step (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error)
{
  gfloat *statistics = t->new_statistics;

  if (t->pending.checks && !isfinite (t->pending.squares)) {
    if (!take_overflow (t, progress, error))
      return FALSE;
  } else {
    t->now.step++;
    t->now.lr = t->pending.lr;
    if (t->params.gradient_clip > 0)
      progress->gradient_norm = sqrt (t->pending.squares);
    progress->stepped = TRUE;
    if (t->scales && ++t->now.scale_steps >= SCALE_GROWTH_STEPS) {
      t->now.loss_scale = MIN (t->now.loss_scale * 2, 0x1p40);
      t->now.scale_steps = 0;
    }
  }
  progress->loss = t->group_loss / t->group_weight;
  progress->accuracy = (gdouble) t->group_correct / t->group_clips;
  progress->checkpoint_due = progress->stepped && t->params.checkpoint_interval
      && t->now.step % t->params.checkpoint_interval == 0;
  end_group (t);
  t->mark = t->now;
  t->mark_saved = FALSE;
  t->new_statistics = t->mark_statistics;
  t->mark_statistics = statistics;
  return TRUE;
}

gboolean
cnn3d_trainer_take_mark (Cnn3dTrainer *t, GError **error)
{
  t->mark = t->now;
  t->mark_saved = FALSE;
  return t->s.backend->download (t->s.device, t->mark_statistics,
      t->s.weights + t->s.layout->trained,
      (t->s.layout->total - t->s.layout->trained) * sizeof (gfloat), error);
}

void
cnn3d_trainer_fill_progress (const Cnn3dTrainer *t, Cnn3dProgress *p)
{
  const TrainerPass *pass = &t->now.pass;

  p->epoch = pass->epoch;
  p->step = t->now.step;
  p->clips = pass->clips;
  p->lr = t->now.lr;
  p->loss_scale = t->scales ? t->now.loss_scale : 1;
  p->steps_skipped = t->now.steps_skipped;
  p->pass_loss = pass->clips ? pass->loss_sum / pass->weight : NAN;
  p->pass_accuracy = pass->clips ? (gdouble) pass->correct / pass->clips : NAN;
}

static void
count_confusion (Cnn3dTrainer *t, guint clips)
{
  const gsize classes = t->s.net->params.num_classes;

  for (guint i = 0; t->confusion && i < clips; i++) {
    const gfloat *logits = t->logits + i * classes;
    gsize best = 0;

    for (gsize k = 1; k < classes; k++)
      if (logits[k] > logits[best])
        best = k;
    t->confusion[t->labels[i] * classes + best]++;
  }
}

gboolean
cnn3d_trainer_take_share (Cnn3dTrainer *t, const TrainerShare *share, guint64 position,
    Cnn3dProgress *progress, GError **error)
{
  TrainerPass *pass = &t->now.pass;

  if (!check_loss (t, share->loss, error))
    return FALSE;
  pass->clips += share->clips;
  pass->weight += share->weight;
  pass->loss_sum += share->loss;
  pass->correct += share->correct;
  t->now.position = position;
  progress->ready = TRUE;
  progress->loss = share->loss / share->weight;
  progress->accuracy = (gdouble) share->correct / share->clips;
  if (!pass->training)
    return TRUE;
  t->now.norm_batches += t->norm_frozen ? 0 : share->passes;
  t->group_batches++;
  t->group_clips += share->clips;
  t->group_weight += share->weight;
  t->group_loss += share->loss;
  t->group_correct += share->correct;
  return TRUE;
}

/* Waits for the running batch and adds its metrics to the pass's. */
static gboolean
collect (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error)
{
  TrainerShare share = {
    .clips = t->pending.n, .passes = t->n_results, .weight = t->pending.weight
  };

  t->pending.active = FALSE;
  /* with a time limit, which finish() has not */
  if ((t->ranks && !cnn3d_ranks_end_exchange (t, error))
      || !t->s.backend->finish (t->s.device, error))
    return FALSE;
  for (guint i = 0; i < t->n_results; i++) {
    share.loss += t->results[i].loss_sum;
    share.correct += t->results[i].correct;
  }
  t->in_step = FALSE;
  if (!t->now.pass.training)
    count_confusion (t, t->pending.n);
  if (t->ranks)
    return cnn3d_ranks_end_batch (t, &share, progress, error);
  if (!cnn3d_trainer_take_share (t, &share, t->pending.position, progress, error)
      || (t->pending.steps && !cnn3d_trainer_take_step (t, progress, error)))
    return FALSE;
  cnn3d_trainer_fill_progress (t, progress);
  return TRUE;
}

gboolean
cnn3d_trainer_wait (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error)
{
  memset (progress, 0, sizeof *progress);
  return !t->pending.active || collect (t, progress, error);
}

gboolean
cnn3d_trainer_close_group (
    Cnn3dTrainer *t, const Cnn3dBatch *next, Cnn3dProgress *progress, GError **error)
{
  memset (progress, 0, sizeof *progress);
  g_return_val_if_fail (!t->pending.active, FALSE);
  if (t->ranks)
    return cnn3d_ranks_idle (t, next, progress, error);
  if (!next || !t->now.pass.training || !t->now.pass.clips_listed || t->group_clips == 0
      || group_of (t, next) == t->group)
    return TRUE;
  /* the clips that were skipped have passed, too */
  t->now.position = t->now.pass.first
      + MIN ((t->group + 1) * t->batch * t->params.accumulate, t->now.pass.clips_listed);
  if (!cnn3d_trainer_step_short_group (t, progress, error))
    return FALSE;
  progress->ready = TRUE;
  cnn3d_trainer_fill_progress (t, progress);
  return TRUE;
}

gboolean
cnn3d_trainer_stage (Cnn3dTrainer *t, const Cnn3dBatch *batch, GError **error)
{
  g_return_val_if_fail (batch->labels != NULL, FALSE);
  return check_batch (t, batch, error) && stage (t, batch, &t->staged, error);
}

/* A batch failed. If a rank was stopped before it, it did not count, and the ranks end together. */
static void
leave_ranks (Cnn3dTrainer *t, GError **reason)
{
  g_autoptr (GError) ended = NULL;

  if (!cnn3d_ranks_end_exchange (t, &ended)
      && g_error_matches (ended, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_LEFT)) {
    g_clear_error (reason);
    *reason = g_steal_pointer (&ended);
    return;
  }
  cnn3d_ranks_leave (t, (*reason)->message);
}

gboolean
cnn3d_trainer_start (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error)
{
  GError *reason = NULL;

  memset (progress, 0, sizeof *progress);
  g_return_val_if_fail (!t->pending.active && t->staged.labels, FALSE);
  if (!start (t, &reason)) {
    /* a running batch writes to the trainer's results */
    t->s.backend->finish (t->s.device, NULL);
    if (t->ranks)
      leave_ranks (t, &reason);
    g_propagate_error (error, reason);
    return FALSE;
  }
  return t->s.backend->asynchronous || collect (t, progress, error);
}

gboolean
cnn3d_trainer_run (
    Cnn3dTrainer *t, const Cnn3dBatch *batch, Cnn3dProgress *progress, GError **error)
{
  Cnn3dProgress own;

  if (!cnn3d_trainer_stage (t, batch, error) || !cnn3d_trainer_wait (t, progress, error))
    return FALSE;
  do
    if (!cnn3d_trainer_close_group (t, batch, &own, error))
      return FALSE;
  while (own.ready);
  if (!cnn3d_trainer_start (t, &own, error))
    return FALSE;
  if (own.ready)
    *progress = own;
  return TRUE;
}

gboolean
cnn3d_trainer_step_short_group (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error)
{
  if (t->group_clips == 0)
    return TRUE;
  t->pending = (TrainerPending) { 0 };
  return start_step (t, t->group_weight, error) && t->s.backend->finish (t->s.device, error)
      && cnn3d_trainer_take_step (t, progress, error);
}

gboolean
cnn3d_trainer_logits (Cnn3dTrainer *t, const Cnn3dBatch *batch, gfloat *logits, GError **error)
{
  Cnn3dProgress progress;
  TrainerStaged staged;
  gdouble loss = 0;

  if (!check_batch (t, batch, error) || !cnn3d_trainer_wait (t, &progress, error)
      || !stage (t, batch, &staged, error))
    return FALSE;
  if (!start_passes (t, &staged, FALSE, logits, NULL, error)) {
    /* a running batch writes to logits */
    t->s.backend->finish (t->s.device, NULL);
    return FALSE;
  }
  if (!t->s.backend->finish (t->s.device, error))
    return FALSE;
  for (guint i = 0; i < t->n_results; i++)
    loss += t->results[i].loss_sum;
  return check_loss (t, loss, error);
}
