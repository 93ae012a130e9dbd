/* rankrun.h: a tiny training run (smallrun.h) of one of several ranks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANKRUN_H
#define CNN3D_RANKRUN_H

#include "smallrun.h"

/* Clips that cannot be read; -1: none. */
typedef struct {
  const Cnn3dTrainerParams *params;
  guint size, rank;
  gint skipped[6];
  guint64 resume_at; /* stops at the first checkpoint from this position on; 0: never */
} Job;

static inline gboolean
is_skipped (const Job *job, guint64 position)
{
  for (guint i = 0; i < G_N_ELEMENTS (job->skipped); i++)
    if (job->skipped[i] >= 0 && (guint64) job->skipped[i] == position % EPOCH_POSITIONS)
      return TRUE;
  return FALSE;
}

static inline void
save_if_due (Cnn3dTrainer *t, const Cnn3dProgress *progress)
{
  g_autoptr (GError) error = NULL;

  if (progress->checkpoint_due)
    cnn3d_trainer_save (t, NULL, &error);
  g_assert_no_error (error);
}

static inline guint64
sent_by (const Cnn3dTrainerParams *p)
{
  return p->comm ? cnn3d_comm_sent (p->comm) : 0;
}

/* A batch after which `sent` more bytes have been sent than before it. */
static inline void
take_progress (
    Cnn3dTrainer *t, const Cnn3dTrainerParams *p, const Cnn3dProgress *progress, guint64 sent)
{
  if (p->comm && p->accumulate == 1 && progress->stepped)
    g_assert_cmpuint (sent_by (p) - sent, ==, cnn3d_trainer_sends (t));
  save_if_due (t, progress);
}

/* sent: bytes, before the last batch. */
static inline void
close_groups (Cnn3dTrainer *t, const Cnn3dTrainerParams *p, const Cnn3dBatch *next, guint64 sent)
{
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;

  /* on a GPU the batch before is still running */
  cnn3d_trainer_wait (t, &progress, &error);
  g_assert_no_error (error);
  take_progress (t, p, &progress, sent);
  do {
    cnn3d_trainer_close_group (t, next, &progress, &error);
    g_assert_no_error (error);
    save_if_due (t, &progress);
  } while (progress.ready);
}

/* Trains or validates the pass at `position`, of whose batches this rank has its own. */
static inline void
run_pass (Cnn3dTrainer *t, const Cnn3dTrainerParams *p, const Job *job, guint64 position)
{
  const guint64 in_epoch = position % EPOCH_POSITIONS, epoch = position / EPOCH_POSITIONS;
  const gboolean training = in_epoch < CLIPS;
  const guint64 first = epoch * EPOCH_POSITIONS + (training ? 0 : CLIPS),
                end = first + (training ? CLIPS : VAL);
  guint8 frames[BATCH * CLIP_BYTES];
  g_autoptr (GError) error = NULL;
  gint32 labels[BATCH];
  Cnn3dPassResult result;
  Cnn3dProgress progress;
  guint64 sent = 0;

  begin (t, position);
  for (guint64 begins = first; begins < end; begins += BATCH) {
    Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, 0, MIN (begins + BATCH, end) };

    if (begins < position || (begins - first) / BATCH % job->size != job->rank)
      continue;
    for (guint64 at = begins; at < batch.position; at++)
      if (!is_skipped (job, at)) {
        draw_clip (at, frames + batch.n * CLIP_BYTES, labels + batch.n);
        batch.n++;
      }
    if (batch.n == 0)
      continue;
    cnn3d_trainer_stage (t, &batch, &error);
    g_assert_no_error (error);
    close_groups (t, p, &batch, sent);
    sent = sent_by (p);
    cnn3d_trainer_start (t, &progress, &error);
    g_assert_no_error (error);
    take_progress (t, p, &progress, sent);
  }
  close_groups (t, p, NULL, sent);
  cnn3d_trainer_end_pass (t, end, &result, &error);
  g_assert_no_error (error);
  if (result.checkpoint_due)
    cnn3d_trainer_save (t, NULL, &error);
  g_assert_no_error (error);
}

/* All that is left to do for a rank, from its checkpoint on. prepare: called with the new trainer; may
 * be NULL. */
static inline void
run_job (const Job *job, Cnn3dComm *comm, void (*prepare) (Cnn3dTrainer *t))
{
  Cnn3dTrainerParams p = *job->params;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t;
  guint64 position = 0;
  Cnn3dPassResult ended;

  p.comm = comm;
  t = start (&p);
  if (prepare)
    prepare (t);
  if (p.checkpoint_dir && exists (p.checkpoint_dir, "last.safetensors"))
    cnn3d_trainer_resume (t, &position, &ended, &error);
  g_assert_no_error (error);
  while (position < EPOCHS * EPOCH_POSITIONS && !(job->resume_at && position >= job->resume_at)) {
    run_pass (t, &p, job, position);
    position = position - position % EPOCH_POSITIONS
        + (position % EPOCH_POSITIONS < CLIPS ? CLIPS : EPOCH_POSITIONS);
  }
  cnn3d_comm_leave (&p.comm, FALSE);
  cnn3d_trainer_free (&t);
}

#endif
