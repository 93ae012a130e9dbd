/* ranknorm.c: what ranks send each other for batch norm: the running statistics that a round leaves, and,
 * with sync_batch_norm, the sums of all batches while they are computed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/ranks-private.h"

#include <string.h>

/* The sums that a step adds up, call by call: a count and sums, and then deviations; backwards, two
 * sums and a count. Returns the calls. */
static guint
sums_of (const Cnn3dNetwork *net, const Cnn3dStep *s, gsize sizes[2])
{
  const Cnn3dOp *op = &net->ops[s->op];
  const gsize c = op->kind == CNN3D_OP_NORM ? net->tensors[op->in].c : 0;

  if (c && s->phase == CNN3D_PHASE_FORWARD) {
    sizes[0] = c + 1;
    sizes[1] = c;
    return 2;
  }
  sizes[0] = 2 * c + 1;
  return c && s->phase == CNN3D_PHASE_BACKWARD && s->din != CNN3D_NOWHERE;
}

gsize
cnn3d_ranks_most_sums (const Cnn3dNetwork *net)
{
  gsize most = 0;

  for (guint i = 0; i < net->n_ops; i++)
    if (net->ops[i].kind == CNN3D_OP_NORM)
      most = MAX (most, 2 * (gsize) net->tensors[net->ops[i].in].c + 1);
  return most;
}

gsize
cnn3d_ranks_sums (const Cnn3dNetwork *net, const Cnn3dPlan *plan, guint *calls)
{
  gsize sums = 0;

  *calls = 0;

  for (guint i = 0; i < plan->n_steps; i++) {
    gsize sizes[2];
    const guint n = sums_of (net, &plan->steps[i], sizes);

    for (guint j = 0; j < n; j++)
      sums += sizes[j];
    *calls += n;
  }
  return sums;
}

/* This rank's values to all others. */
static gboolean
exchange_sums (TrainerRanks *k, const gdouble *values, gsize n, GError **error)
{
  g_assert (n <= k->most_sums);
  for (guint r = 0; r < k->size; r++) {
    k->from[r] = values;
    k->to[r] = k->sums + r * k->most_sums;
    k->sent[r] = k->taken[r] = values == k->to[r] ? 0 : n * sizeof *values;
  }
  k->sum_calls++;
  if (cnn3d_ranks_exchange (k, error))
    return TRUE;
  k->state = RANKS_FAILED;
  return FALSE;
}

gboolean
cnn3d_ranks_add_sums (gpointer data, gdouble *values, gsize n, GError **error)
{
  Cnn3dTrainer *t = data;
  TrainerRanks *k = t->ranks;

  if (!exchange_sums (k, values, n, error))
    return FALSE;
  memset (values, 0, n * sizeof *values);
  for (guint r = 0; r < k->size; r++)
    for (gsize i = 0; i < n; i++)
      values[i] += k->sums[r * k->most_sums + i];
  return TRUE;
}

gboolean
cnn3d_ranks_attend_sums (Cnn3dTrainer *t, GError **error)
{
  TrainerRanks *k = t->ranks;
  gdouble *zeros = k->sums + k->rank * k->most_sums;
  const guint done = k->sum_calls;
  const Cnn3dSessionProgram *p = cnn3d_session_program (&t->s, t->fit.micro_batch, TRUE, error);
  guint call = 0;

  if (!p)
    return FALSE;
  memset (zeros, 0, k->most_sums * sizeof *zeros);
  for (guint i = 0; i < p->plan->n_steps; i++) {
    gsize sizes[2];
    const guint n = sums_of (t->s.net, &p->plan->steps[i], sizes);

    for (guint j = 0; j < n; j++)
      if (call++ >= done && !exchange_sums (k, zeros, sizes[j], error))
        return FALSE;
  }
  return TRUE;
}

gboolean
cnn3d_ranks_clear_statistics (Cnn3dTrainer *t, GError **error)
{
  gfloat *statistics = t->s.weights + t->s.layout->trained;
  const gsize n = n_statistics (t);

  return n == 0
      || (t->s.backend->fetch (
              t->s.device, t->ranks->statistics, statistics, n * sizeof (gfloat), error)
          && t->s.backend->add (t->s.device, statistics, NULL, n, FALSE, FALSE, error));
}

/* The statistics where the host reads and writes them. NULL with error. */
static gfloat *
take_statistics (Cnn3dTrainer *t, GError **error)
{
  const TrainerRanks *k = t->ranks;
  gfloat *now = t->s.weights + t->s.layout->trained;

  if (!k->host_statistics)
    return now;
  /* what cnn3d_ranks_clear_statistics() fetches is there then, too */
  return t->s.backend->fetch (
             t->s.device, k->host_statistics, now, n_statistics (t) * sizeof (gfloat), error)
          && t->s.backend->finish (t->s.device, error)
      ? k->host_statistics
      : NULL;
}

/* Back to where the passes take them. */
static gboolean
give_statistics (Cnn3dTrainer *t, GError **error)
{
  const TrainerRanks *k = t->ranks;

  return !k->host_statistics
      || t->s.backend->upload (t->s.device, t->s.weights + t->s.layout->trained, k->host_statistics,
          n_statistics (t) * sizeof (gfloat), error);
}

/* As cnn3d_ranks_exchange(), of what the host has. */
static gboolean
exchange (TrainerRanks *k, GError **error)
{
  return cnn3d_wire_exchange (&k->wire, k->from, k->sent, k->to, k->taken, error);
}

/* keep: what a micro-batch leaves of the statistics before it; passes: micro-batches. */
static void
apply (gfloat *to, const gfloat *added, gsize n, gfloat keep, guint passes)
{
  gfloat kept = keep;

  for (guint i = 1; i < passes; i++)
    kept *= keep;
  for (gsize i = 0; i < n; i++)
    to[i] = added[i] + kept * to[i];
}

/* Applies what rank r's batch adds to the statistics [from, end). */
static void
apply_rank (Cnn3dTrainer *t, guint r, gsize from, gsize end)
{
  const TrainerRanks *k = t->ranks;
  const Cnn3dWeightLayout *l = t->s.layout;
  const gfloat *added = k->added_statistics + r * (end - from);

  for (guint i = 0; i < t->s.net->n_ops; i++) {
    const Cnn3dOp *op = &t->s.net->ops[i];
    const gint params[2] = { op->mean, op->var };

    for (guint p = 0; op->kind == CNN3D_OP_NORM && p < 2; p++) {
      const gsize at = l->offset[params[p]] - l->trained;
      const gsize first = MAX (at, from), last = MIN (at + t->s.net->weights[params[p]].count, end);

      if (first < last)
        apply (k->statistics + first, added + (first - from), last - first, 1 - op->momentum,
            k->reports[r].share.passes);
    }
  }
}

gboolean
cnn3d_ranks_changes_statistics (const TrainerRanks *k, guint r)
{
  guint first = 0;

  while (k->sums && first < r && k->reports[first].state != STATE_BATCH)
    first++;
  return k->reports[r].state == STATE_BATCH && (!k->sums || first == r);
}

gboolean
cnn3d_ranks_share_statistics (Cnn3dTrainer *t, GError **error)
{
  TrainerRanks *k = t->ranks;
  const gsize n = n_statistics (t);
  gfloat *now;
  const gsize from = statistics_from (n, k->rank, k->size),
              end = statistics_from (n, k->rank + 1, k->size);

  if (n == 0)
    return TRUE;
  if (!(now = take_statistics (t, error)))
    return FALSE;
  for (guint r = 0; r < k->size; r++) {
    const gsize at = statistics_from (n, r, k->size);
    const gsize part = statistics_from (n, r + 1, k->size) - at;

    k->from[r] = now + at;
    k->sent[r] = cnn3d_ranks_changes_statistics (k, k->rank) ? part * sizeof (gfloat) : 0;
    k->to[r] = k->added_statistics + r * (end - from);
    k->taken[r] = cnn3d_ranks_changes_statistics (k, r) ? (end - from) * sizeof (gfloat) : 0;
  }
  if (!exchange (k, error))
    return FALSE;
  for (guint r = 0; r < k->size; r++)
    if (cnn3d_ranks_changes_statistics (k, r))
      apply_rank (t, r, from, end);
  for (guint r = 0; r < k->size; r++) {
    const gsize at = statistics_from (n, r, k->size);

    k->from[r] = k->statistics + from;
    k->sent[r] = (end - from) * sizeof (gfloat);
    k->to[r] = now + at;
    k->taken[r] = (statistics_from (n, r + 1, k->size) - at) * sizeof (gfloat);
  }
  return exchange (k, error) && give_statistics (t, error);
}
