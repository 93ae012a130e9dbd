/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/fitexchange.h"

#include "src/train/rankslices.h"
#include "src/train/trainer-private.h"

static gdouble
seconds_of (const Cnn3dPlan *plan, guint steps, const Cnn3dDeviceSpeed *speed)
{
  gdouble seconds = 0;

  for (guint i = 0; i < steps; i++)
    seconds += plan->steps[i].macs / speed->macs_per_second
        + plan->steps[i].bytes / speed->bytes_per_second + speed->step_seconds;
  return seconds;
}

/* last: the last micro-batch's share of a batch. */
static void
add_buckets (Cnn3dExchange *x, const RankSlices *slices, const Cnn3dWeightLayout *layout,
    const Cnn3dNetwork *net, const Cnn3dPlan *plan, const Cnn3dDeviceSpeed *speed, gdouble last)
{
  const gdouble whole = seconds_of (plan, plan->n_steps, speed);

  for (guint b = slices->n_buckets; b-- > 0;) {
    const guint steps = cnn3d_rank_bucket_steps (slices, layout, net, plan, b);
    /* the last micro-batch alone sends */
    Cnn3dBucket bucket = { .ready = 1 - (1 - seconds_of (plan, steps, speed) / whole) * last };

    for (guint r = 0; r < slices->size; r++)
      bucket.whole += cnn3d_rank_segment (slices, b, r)->count * sizeof (gfloat);
    /* of rank 0, as fit->sent */
    bucket.bytes = bucket.whole - cnn3d_rank_segment (slices, b, 0)->count * sizeof (gfloat);
    /* when the last one is complete, so is the batch */
    if (b > 0)
      x->beside += bucket.bytes * x->accumulate;
    g_array_append_val (x->buckets, bucket);
  }
}

Cnn3dExchange *
cnn3d_fit_exchange (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, const Cnn3dFit *fit, GError **error)
{
  const Cnn3dModelParams model_params = { fit->precision,
    CNN3D_RECOMPUTE_KEEPS_COPY (fit->recompute) };
  Cnn3dNetwork *net = cnn3d_network_new (&params->network, error);
  g_autofree gboolean *trained = NULL;
  g_autoptr (RankSlices) slices = NULL;
  Cnn3dModel *model = NULL;
  Cnn3dPlan *plan = NULL;
  Cnn3dExchange *x = NULL;
  Cnn3dDeviceSpeed speed;
  gboolean norm_frozen;

  if (!net || !(trained = cnn3d_freeze (net, params->freeze, &norm_frozen, error))
      || !(model = backend->model_new (device, net, &model_params, error)))
    goto done;

  const Cnn3dProgramParams program = { fit->micro_batch, TRUE,
    cnn3d_trainer_accumulates (params, batch, fit->micro_batch),
    .syncs = cnn3d_trainer_syncs (params) };
  const Cnn3dPlanParams plan_params = { TRUE, trained, fit->recompute };
  const Cnn3dWeightLayout *layout = backend->model_layout (model);

  if (!(plan = cnn3d_session_plan (backend, model, net, &program, &plan_params, error)))
    goto done;
  x = g_new0 (Cnn3dExchange, 1);
  x->buckets = g_array_new (FALSE, FALSE, sizeof (Cnn3dBucket));
  x->ranks = params->ranks;
  x->accumulate = params->accumulate;
  x->sent = fit->sent;
  if (cnn3d_ranks_overlap (fit->sums) && !cnn3d_ranks_run_whole (backend, fit->recompute)) {
    backend->speed (device, fit->precision, &speed);
    slices = cnn3d_rank_slices_new (layout, net->n_weights, trained, params->ranks, FALSE);
    add_buckets (x, slices, layout, net, plan, &speed,
        ((batch - 1) % fit->micro_batch + 1) / (gdouble) batch);
  }

done:
  cnn3d_plan_free (&plan);
  if (model)
    backend->model_free (&model);
  cnn3d_network_free (&net);
  return x;
}

void
cnn3d_exchange_free (Cnn3dExchange **exchange)
{
  Cnn3dExchange *x = g_steal_pointer (exchange);

  if (!x)
    return;
  g_array_unref (x->buckets);
  g_free (x);
}

gdouble
cnn3d_exchange_waits (const Cnn3dExchange *x, gdouble bytes_per_second, gdouble computes)
{
  gdouble now = 0, late = 0;

  for (guint i = 0; i < x->buckets->len; i++) {
    const Cnn3dBucket *b = &g_array_index (x->buckets, Cnn3dBucket, i);

    /* what the last one takes, the rest of `sent` has */
    late = MAX (MAX (now, b->ready * computes) - computes, 0);
    now = MAX (now, b->ready * computes) + b->bytes / bytes_per_second;
  }
  return x->accumulate * late + (x->sent - x->beside) / bytes_per_second;
}

gdouble
cnn3d_exchange_least (const Cnn3dExchange *x, gdouble bytes_per_second)
{
  return (x->sent - x->beside) / bytes_per_second;
}

gdouble
cnn3d_exchange_suffices (const Cnn3dExchange *x, gdouble bytes_per_second)
{
  /* waits() falls with what is computed, and is at most the time of all that is sent */
  gdouble low = 0, high = 9 * x->sent / bytes_per_second;

  for (guint i = 0; i < 60; i++) {
    const gdouble middle = (low + high) / 2;

    if (9 * cnn3d_exchange_waits (x, bytes_per_second, middle / x->accumulate) <= middle)
      high = middle;
    else
      low = middle;
  }
  return high;
}
