/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/plan.h"

#include <string.h>

#include "src/plan/pass.h"

void
cnn3d_sizes_init (Cnn3dSizes *s, const Cnn3dNetwork *net, guint batch)
{
  s->batch = batch;
  s->activation = g_new0 (gsize, net->n_tensors);
  s->gradient = g_new0 (gsize, net->n_tensors);
  s->saved = g_new0 (gsize, net->n_ops);
  s->scratch = g_new0 (gsize, net->n_ops * CNN3D_N_PHASES);
  s->parameters = g_new0 (gsize, net->n_ops);
  s->slice = g_new (guint, net->n_ops);
  s->adds = g_new0 (gboolean, net->n_ops);
  s->gathers = g_new0 (gboolean, net->n_ops);
  s->statistics = g_new0 (gboolean, net->n_ops);
  for (guint i = 0; i < net->n_ops; i++)
    s->slice[i] = batch * cnn3d_op_views (net, i);
}

void
cnn3d_sizes_clear (Cnn3dSizes *s)
{
  g_free (s->activation);
  g_free (s->gradient);
  g_free (s->saved);
  g_free (s->scratch);
  g_free (s->parameters);
  g_free (s->gathers);
  g_free (s->slice);
  g_free (s->adds);
  g_free (s->statistics);
  memset (s, 0, sizeof *s);
}

guint
cnn3d_plan_slice (guint batch, guint most, gsize clip_bytes, gsize limit)
{
  const guint whole = MAX (batch, most);
  guint clips = 1;

  if (whole * clip_bytes <= limit)
    return batch;
  while (batch % (2 * clips) == 0 && whole % (2 * clips) == 0 && 2 * clips * clip_bytes <= limit)
    clips *= 2;
  return clips;
}

/* --- cost --- */

/* For one of a step's rows. */
static gdouble
row_bytes (const Cnn3dSizes *sizes, gint tensor, guint rows)
{
  return tensor < 0 ? 0 : (gdouble) sizes->activation[tensor] / rows;
}

static void
add_cost (Cnn3dPlan *plan, const Cnn3dNetwork *net, const Cnn3dSizes *sizes, Cnn3dStep *s)
{
  const Cnn3dOp *op = &net->ops[s->op];
  const guint rows = sizes->batch * cnn3d_op_views (net, s->op);
  const gdouble in = row_bytes (sizes, op->in, rows), out = row_bytes (sizes, op->out, rows);
  const gdouble residual = row_bytes (sizes, op->residual, rows);
  gdouble bytes = 0;

  if (s->phase >= CNN3D_N_PHASES) {
    plan->copied += s->copy_bytes;
    return;
  }
  if (op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR) {
    if (s->phase != CNN3D_PHASE_UPDATE)
      s->macs = (gdouble) cnn3d_op_macs (net, s->op) * s->clips;
    bytes = in + out;
  } else if (op->kind != CNN3D_OP_NORM) {
    bytes = in + residual + out;
  } else if (s->phase == CNN3D_PHASE_FORWARD) {
    bytes = 2 * in + residual + out; /* statistics, then normalise */
  } else if (s->phase == CNN3D_PHASE_RECOMPUTE) {
    bytes = in + residual + out;
  } else {
    bytes = 2 * (in + out) + (s->dout[1] != CNN3D_NOWHERE ? out : 0)
        + (s->dresidual != CNN3D_NOWHERE ? out : 0) + (s->din != CNN3D_NOWHERE ? in : 0);
  }
  s->bytes = s->phase == CNN3D_PHASE_UPDATE ? 0 : bytes * s->clips;
  plan->macs += s->macs;
  plan->bytes += s->bytes;
}

gdouble
cnn3d_plan_stall (const Cnn3dPlan *plan, const Cnn3dPlanRates *rates)
{
  g_autofree gdouble *ends = g_new (gdouble, plan->n_steps); /* [copy] */
  gdouble now = 0, link = 0, stall = 0;

  for (guint i = 0; i < plan->n_steps; i++) {
    const Cnn3dStep *s = &plan->steps[i];

    if (s->phase == CNN3D_PHASE_WAIT) {
      stall += MAX (ends[s->copy] - now, 0);
      now = MAX (now, ends[s->copy]);
    } else if (s->phase >= CNN3D_N_PHASES) {
      link = MAX (link, now) + s->copy_bytes / rates->link_bytes_per_second;
      ends[s->copy] = link;
    } else {
      now += s->macs / rates->macs_per_second + s->bytes / rates->bytes_per_second
          + rates->step_seconds;
    }
  }
  return stall;
}

/* --- the plan --- */

static void
to_offset (const Pass *pass, gsize *place)
{
  const PassPlace *p;

  if (*place == CNN3D_NOWHERE)
    return;
  p = &g_array_index (pass->places, PassPlace, *place);
  *place = g_array_index (pass->buffers, Cnn3dBuffer, p->buffer).offset + p->displacement;
}

/* in_time: copies have as much time as does not raise the peak; FALSE: as little as possible. NULL:
 * no fewer bytes than `most` are alive at some step. */
static Cnn3dPlan *
make_plan (const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params,
    gboolean in_time, gsize most)
{
  Cnn3dPlan *plan = g_new0 (Cnn3dPlan, 1);
  Pass pass = { NULL };

  if (params->whole) {
    plan->keeps = g_memdup2 (params->whole->keeps, network->n_tensors * sizeof *plan->keeps);
    plan->stays = g_memdup2 (params->whole->stays, network->n_ops * sizeof *plan->stays);
  } else {
    cnn3d_pass_choose (network, sizes, params, &plan->keeps, &plan->stays);
  }
  cnn3d_pass_init (&pass, network, sizes, params, plan->keeps);
  if (params->training && params->recompute == CNN3D_RECOMPUTE_OFFLOAD)
    plan->store_bytes = cnn3d_pass_offload (&pass, network, sizes, plan->stays, in_time);
  plan->live_bytes = cnn3d_pass_live (&pass, &plan->scratch_bytes);
  if (plan->live_bytes >= most) {
    cnn3d_pass_clear (&pass);
    cnn3d_plan_free (&plan);
    return NULL;
  }
  plan->arena_bytes = cnn3d_plan_pack ((Cnn3dBuffer *) pass.buffers->data, pass.buffers->len);
  plan->in_time = in_time;
  plan->n_forward = pass.n_forward;
  for (guint i = 0; i < pass.steps->len; i++) {
    Cnn3dStep *s = &g_array_index (pass.steps, Cnn3dStep, i);

    add_cost (plan, network, sizes, s);
    to_offset (&pass, &s->in);
    to_offset (&pass, &s->residual);
    to_offset (&pass, &s->out);
    to_offset (&pass, &s->saved);
    to_offset (&pass, &s->scratch);
    to_offset (&pass, &s->statistics);
    to_offset (&pass, &s->parameters);
    to_offset (&pass, &s->dout[0]);
    to_offset (&pass, &s->dout[1]);
    to_offset (&pass, &s->din);
    to_offset (&pass, &s->dresidual);
  }
  plan->n_steps = pass.steps->len;
  plan->steps = (Cnn3dStep *) g_array_free (g_steal_pointer (&pass.steps), FALSE);
  plan->n_buffers = pass.buffers->len;
  plan->buffers = (Cnn3dBuffer *) g_array_free (g_steal_pointer (&pass.buffers), FALSE);
  cnn3d_pass_clear (&pass);
  return plan;
}

#define DENSE 1.02  /* the arena, as a multiple of the live bytes */
#define SURELY 1.03 /* the other plan's live bytes, as a multiple of the arena */

/* Frees the plan with the larger arena; the second, which may be NULL, if they are equal. */
static void
take_smaller (Cnn3dPlan **best, Cnn3dPlan **tried)
{
  if (*tried && (*tried)->arena_bytes < (*best)->arena_bytes) {
    cnn3d_plan_free (best);
    *best = *tried;
    *tried = NULL;
  } else {
    cnn3d_plan_free (tried);
  }
}

/* A short batch needs less memory at each step, but how closely it is packed varies. */
static Cnn3dPlan *
make_short (const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params)
{
  const Cnn3dPlan *whole = params->whole;
  Cnn3dPlanParams free = *params;
  Cnn3dPlan *best = make_plan (network, sizes, params, whole->in_time, G_MAXSIZE), *tried;

  free.whole = NULL;
  for (gint way = 0; way < 3 && best->arena_bytes > whole->arena_bytes; way++) {
    tried = way ? make_plan (network, sizes, &free, way == 1, G_MAXSIZE)
                : make_plan (network, sizes, params, !whole->in_time, G_MAXSIZE);
    if (tried->store_bytes <= whole->store_bytes)
      take_smaller (&best, &tried);
    cnn3d_plan_free (&tried);
  }
  return best;
}

/* Copies in time, or, where long lifetimes leave holes between buffers, perhaps not. NULL: copies
 * would lower nothing. */
static Cnn3dPlan *
make_offloading (
    const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params, gsize most)
{
  Cnn3dPlan *plan = make_plan (network, sizes, params, TRUE, most), *brief;
  Cnn3dPlanParams same = *params;

  if (!plan || plan->arena_bytes <= plan->live_bytes * DENSE)
    return plan;
  same.whole = plan;
  brief = make_plan (network, sizes, &same, FALSE, G_MAXSIZE);
  take_smaller (&plan, &brief);
  return plan;
}

Cnn3dPlan *
cnn3d_plan_new (const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params)
{
  const gboolean offloads = params->training && params->recompute == CNN3D_RECOMPUTE_OFFLOAD;
  Cnn3dPlanParams other = *params;
  Cnn3dPlan *best, *tried;
  gsize peak;

  if (offloads && params->whole && params->whole->store_bytes)
    return make_short (network, sizes, params);
  other.whole = NULL;
  if (offloads)
    other.recompute = CNN3D_RECOMPUTE_BLOCK;
  if (!offloads || params->whole)
    return make_plan (network, sizes, &other, FALSE, G_MAXSIZE);
  peak = cnn3d_pass_peak (network, sizes, &other);
  tried = make_offloading (network, sizes, params, peak);
  /* what is far below needs no comparison with all of the other plan, which takes as long to make */
  if (tried && tried->arena_bytes * SURELY < peak)
    return tried;
  best = make_plan (network, sizes, &other, FALSE, G_MAXSIZE);
  /* nothing is copied for nothing */
  if (tried && tried->live_bytes >= best->live_bytes)
    cnn3d_plan_free (&tried);
  take_smaller (&best, &tried);
  return best;
}

void
cnn3d_plan_free (Cnn3dPlan **plan)
{
  Cnn3dPlan *p = *plan;

  *plan = NULL;
  if (!p)
    return;
  g_free (p->steps);
  g_free (p->buffers);
  g_free (p->keeps);
  g_free (p->stays);
  g_free (p);
}
