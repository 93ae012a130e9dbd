/* rankreduce.c: the gradients of a round are added up, bucket by bucket from the end, by the owners of
 * their segments.
 *
 * That goes on while the backward pass computes the gradients of the buckets before, from the beginning of
 * the batch, when the ranks learn which of them have one, to the end of the round. Where ranks compute on
 * CPUs, a thread does it, which alone uses the transport until then, and the fields of TrainerRanks that an
 * exchange fills in. On GPUs a bucket's exchange is put on their stream for others' work after the part of
 * the backward pass that completes it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/ranks-private.h"

/* Waits until the gradients of a bucket are complete. */
static void
wait_for (TrainerRanks *k, guint bucket)
{
  g_mutex_lock (&k->lock);
  while (k->incomplete > bucket)
    g_cond_wait (&k->completed, &k->lock);
  g_mutex_unlock (&k->lock);
}

/* buckets: whose gradients are not complete, from the first on. */
static void
set_incomplete (TrainerRanks *k, guint buckets)
{
  g_mutex_lock (&k->lock);
  k->incomplete = buckets;
  g_cond_signal (&k->completed);
  g_mutex_unlock (&k->lock);
}

/* Adds a chunk of this rank's segment, of all ranks that had a batch, to the step's sum. */
static gboolean
reduce_chunk (Cnn3dTrainer *t, guint bucket, gsize c, GError **error)
{
  TrainerRanks *k = t->ranks;
  const guint own = k->rank;
  const gsize n = cnn3d_ranks_chunk (k, bucket, own, c);
  gfloat *sum = k->sum + cnn3d_rank_segment (k->slices, bucket, own)->at + c;
  gboolean summed = k->summed;

  for (guint r = 0; r < k->size; r++) {
    gfloat *gradient = t->gradients + cnn3d_rank_segment (k->slices, bucket, r)->from + c;

    k->from[r] = gradient;
    k->sent[r] = k->reports[own].state == STATE_BATCH
        ? cnn3d_ranks_chunk (k, bucket, r, c) * sizeof (gfloat)
        : 0;
    k->to[r] = r == own ? gradient : k->received + r * k->chunk;
    k->taken[r] = k->reports[r].state == STATE_BATCH ? n * sizeof (gfloat) : 0;
  }
  if (!cnn3d_ranks_exchange (k, error))
    return FALSE;
  for (guint r = 0; r < k->size; r++) {
    if (!k->taken[r])
      continue;
    if (!t->s.backend->add (t->s.device, sum, k->to[r], n, summed, TRUE, error))
      return FALSE;
    summed = TRUE;
  }
  return TRUE;
}

static gboolean
reduce_bucket (Cnn3dTrainer *t, guint bucket, GError **error)
{
  TrainerRanks *k = t->ranks;
  const gsize end = cnn3d_ranks_longest (k, bucket);

  for (gsize c = 0; c < end; c += k->chunk)
    if (!reduce_chunk (t, bucket, c, error))
      return FALSE;
  return TRUE;
}

/* buckets: that are left of the round, from the first on. */
static gboolean
reduce (Cnn3dTrainer *t, guint buckets, GError **error)
{
  TrainerRanks *k = t->ranks;

  while (buckets-- > 0) {
    wait_for (k, buckets);
    if (!reduce_bucket (t, buckets, error))
      return FALSE;
  }
  for (guint r = 0; r < k->size; r++)
    k->summed |= k->reports[r].state == STATE_BATCH;
  return cnn3d_comm_settle (k->comm, error);
}

gboolean
cnn3d_ranks_reduce (Cnn3dTrainer *t, GError **error)
{
  return reduce (t, t->ranks->slices->n_buckets, error);
}

/* --- beside the computation --- */

/* A round's exchange, of a rank with or without a batch. */
static gboolean
meet_and_reduce (Cnn3dTrainer *t, State state, GError **error)
{
  /* from the meeting on the state is FAILED, unless all goes well */
  if (!cnn3d_ranks_meet (t, state, NULL, 0, NULL, error) || !cnn3d_ranks_reduce (t, error))
    return FALSE;
  t->ranks->state = RANKS_TOGETHER;
  return TRUE;
}

/* Returns its error; NULL: none. */
static gpointer
exchange_thread (gpointer trainer)
{
  TrainerRanks *k = ((Cnn3dTrainer *) trainer)->ranks;
  GError *error = NULL;

  if (!meet_and_reduce (trainer, STATE_BATCH, &error)) {
    g_mutex_lock (&k->lock);
    k->broken = TRUE;
    g_mutex_unlock (&k->lock);
  }
  return error;
}

static gboolean
is_broken (TrainerRanks *k)
{
  gboolean broken;

  g_mutex_lock (&k->lock);
  broken = k->broken;
  g_mutex_unlock (&k->lock);
  return broken;
}

gboolean
cnn3d_ranks_begin_exchange (Cnn3dTrainer *t, gboolean batch, GError **error)
{
  TrainerRanks *k = t->ranks;

  set_incomplete (k, batch ? k->slices->n_buckets : 0);
  k->broken = FALSE;
  if (!batch)
    return meet_and_reduce (t, STATE_IDLE, error);
  if (t->s.backend->stream)
    return k->posts = cnn3d_ranks_meet (t, STATE_BATCH, NULL, 0, NULL, error);
  k->thread = g_thread_try_new ("ranks", exchange_thread, t, error);
  return k->thread != NULL;
}

/* The gradients of a bucket are complete, or will be after the GPU's work so far. */
static gboolean
complete (Cnn3dTrainer *t, guint bucket, GError **error)
{
  TrainerRanks *k = t->ranks;

  if (k->posts && !reduce_bucket (t, bucket, error)) {
    /* the others do not know how far it came */
    k->posts = FALSE;
    return FALSE;
  }
  set_incomplete (k, bucket);
  return TRUE;
}

/* Ends an exchange on GPUs. */
static gboolean
settle (Cnn3dTrainer *t, GError **error)
{
  TrainerRanks *k = t->ranks;
  const guint left = k->incomplete;

  k->posts = FALSE;
  /* of a batch that failed, too: the others wait for them */
  set_incomplete (k, 0);
  if (!reduce (t, left, error))
    return FALSE;
  k->state = RANKS_TOGETHER;
  return TRUE;
}

gboolean
cnn3d_ranks_end_exchange (Cnn3dTrainer *t, GError **error)
{
  TrainerRanks *k = t->ranks;
  GError *failure;

  if (k->posts)
    return settle (t, error);
  if (!k->thread)
    return TRUE;
  /* of a batch that failed, too: the others wait for them */
  set_incomplete (k, 0);
  failure = g_thread_join (g_steal_pointer (&k->thread));
  if (!failure)
    return TRUE;
  g_propagate_error (error, failure);
  return FALSE;
}

/* Up to the steps that complete a bucket. */
static gboolean
run_parts (Cnn3dTrainer *t, const Cnn3dSessionProgram *p, const Cnn3dBinding *binding,
    Cnn3dResults *results, GError **error)
{
  const Cnn3dBackend *backend = t->s.backend;
  const Cnn3dPlan *plan = p->plan;
  TrainerRanks *k = t->ranks;
  guint done = 0;

  for (guint b = k->slices->n_buckets; b-- > 0;) {
    const guint end = cnn3d_rank_bucket_steps (k->slices, t->s.layout, t->s.net, plan, b);

    /* nobody waits for the rest of a batch that does not count */
    if (is_broken (k))
      return cnn3d_ranks_end_exchange (t, error);
    /* the loss is among the first ones */
    if (end > done
        && !backend->run (
            p->program, plan->steps + done, end - done, binding, done ? NULL : results, error))
      return FALSE;
    done = MAX (done, end);
    if (!complete (t, b, error))
      return FALSE;
  }
  return done == plan->n_steps
      || backend->run (p->program, plan->steps + done, plan->n_steps - done, binding, NULL, error);
}

/* On a GPU, whether a pass is not run in parts: the first one of a program, too, as its setup may wait for
 * all of the GPU's work, and for other ranks without a time limit if an exchange were a part of that. */
static gboolean
runs_whole (Cnn3dTrainer *t, const Cnn3dSessionProgram *p)
{
  return g_hash_table_add (t->ranks->started, p->program)
      || cnn3d_ranks_run_whole (t->s.backend, t->fit.recompute);
}

gboolean
cnn3d_ranks_run (Cnn3dTrainer *t, const Cnn3dSessionProgram *p, const Cnn3dBinding *binding,
    Cnn3dResults *results, GError **error)
{
  const TrainerRanks *k = t->ranks;

  if (k->thread || (k->posts && !runs_whole (t, p)))
    return run_parts (t, p, binding, results, error);
  /* if there is an exchange, its end posts what this leaves */
  return t->s.backend->run (p->program, p->plan->steps, p->plan->n_steps, binding, results, error);
}
