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
add_cost (Cnn3dPlan *plan, const Cnn3dNetwork *net, const Cnn3dSizes *sizes, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &net->ops[s->op];
  const guint rows = sizes->batch * cnn3d_op_views (net, s->op);
  const gdouble in = row_bytes (sizes, op->in, rows), out = row_bytes (sizes, op->out, rows);
  const gdouble residual = row_bytes (sizes, op->residual, rows);
  gdouble bytes = 0;

  if (op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR) {
    if (s->phase != CNN3D_PHASE_UPDATE)
      plan->macs += (gdouble) cnn3d_op_macs (net, s->op) * s->clips;
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
  plan->bytes += s->phase == CNN3D_PHASE_UPDATE ? 0 : bytes * s->clips;
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

Cnn3dPlan *
cnn3d_plan_new (const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params)
{
  g_autofree gboolean *keep = cnn3d_pass_choose (network, sizes, params);
  Cnn3dPlan *plan = g_new0 (Cnn3dPlan, 1);
  Pass pass;

  cnn3d_pass_init (&pass, network, sizes, params, keep);
  plan->arena_bytes = cnn3d_plan_pack ((Cnn3dBuffer *) pass.buffers->data, pass.buffers->len);
  plan->live_bytes = cnn3d_pass_live (&pass, &plan->scratch_bytes);
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

void
cnn3d_plan_free (Cnn3dPlan **plan)
{
  Cnn3dPlan *p = *plan;

  *plan = NULL;
  if (!p)
    return;
  g_free (p->steps);
  g_free (p->buffers);
  g_free (p);
}
