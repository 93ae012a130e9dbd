/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/plan.h"

#include <string.h>

#define UNUSED G_MAXUINT

/* --- which buffers there are and when they live --- */

typedef struct {
  const Cnn3dNetwork *net;
  const Cnn3dSizes *sizes;
  gboolean training;
  GArray *steps;                /* Cnn3dStep; offsets hold buffer numbers until all are placed */
  GArray *buffers;              /* Cnn3dBuffer */
  gsize *activation;            /* [tensor]: buffer number */
  gsize *saved;                 /* [op] */
  gsize (*gradient)[2];         /* [tensor]: contributions */
  gboolean *wanted;             /* [tensor]: its gradient leads to something trained */
} Planner;

static gsize
new_buffer (Planner *p, const gchar *kind, gint index, gsize bytes)
{
  const Cnn3dBuffer b = { kind, index, bytes, 0, UNUSED, 0 };

  g_array_append_val (p->buffers, b);
  return p->buffers->len - 1;
}

/* Notes that the step being made touches a buffer. */
static gsize
use (Planner *p, gsize buffer)
{
  if (buffer == CNN3D_NOWHERE)
    return buffer;

  Cnn3dBuffer *b = &g_array_index (p->buffers, Cnn3dBuffer, buffer);

  if (b->first == UNUSED)
    b->first = p->steps->len;
  b->last = p->steps->len;
  return buffer;
}

static gsize
use_activation (Planner *p, gint tensor)
{
  if (tensor < 0)
    return CNN3D_NOWHERE;
  if (p->activation[tensor] == CNN3D_NOWHERE)
    p->activation[tensor] = new_buffer (p, "activation", tensor, p->sizes->activation[tensor]);
  return use (p, p->activation[tensor]);
}

static gsize
use_scratch (Planner *p, gint op, Cnn3dPhase phase)
{
  const gsize bytes = p->sizes->scratch[op * CNN3D_N_PHASES + phase];

  return bytes ? use (p, new_buffer (p, "scratch", op, bytes)) : CNN3D_NOWHERE;
}

static gsize
use_saved (Planner *p, gint op)
{
  if (!p->training || !p->sizes->saved[op])
    return CNN3D_NOWHERE;
  if (p->saved[op] == CNN3D_NOWHERE)
    p->saved[op] = new_buffer (p, "saved", op, p->sizes->saved[op]);
  return use (p, p->saved[op]);
}

static Cnn3dStep
blank_step (gint op, Cnn3dPhase phase)
{
  return (Cnn3dStep) { op, phase, CNN3D_NOWHERE, CNN3D_NOWHERE, CNN3D_NOWHERE, CNN3D_NOWHERE, CNN3D_NOWHERE,
    { CNN3D_NOWHERE, CNN3D_NOWHERE }, CNN3D_NOWHERE, CNN3D_NOWHERE, FALSE };
}

/* A second buffer, or the first, for another contribution to a gradient. */
static gsize
contribute (Planner *p, gint tensor, gboolean adds, gboolean *accumulate)
{
  gsize *slots = p->gradient[tensor];

  if (slots[0] == CNN3D_NOWHERE)
    return slots[0] = new_buffer (p, "gradient", tensor, p->sizes->gradient[tensor]);
  if (adds) {
    *accumulate = TRUE;
    return slots[0];
  }
  g_assert (slots[1] == CNN3D_NOWHERE); /* the models use a tensor at most twice */
  return slots[1] = new_buffer (p, "gradient", tensor, p->sizes->gradient[tensor]);
}

static void
add_forward (Planner *p, gint i)
{
  const Cnn3dOp *op = &p->net->ops[i];
  Cnn3dStep s = blank_step (i, CNN3D_PHASE_FORWARD);

  s.in = use_activation (p, op->in);
  s.residual = use_activation (p, op->residual);
  /* Without a backward pass nobody else reads a convolution's output: its
   * batch norm works in place. */
  if (op->kind == CNN3D_OP_NORM && !p->training)
    p->activation[op->out] = s.in;
  s.out = use_activation (p, op->out);
  s.saved = use_saved (p, i);
  s.scratch = use_scratch (p, i, CNN3D_PHASE_FORWARD);
  if (op->kind == CNN3D_OP_LOSS && p->training && p->wanted[op->in]) {
    p->gradient[op->in][0] = new_buffer (p, "gradient", op->in, p->sizes->gradient[op->in]);
    s.din = use (p, p->gradient[op->in][0]);
  }
  g_array_append_val (p->steps, s);
}

static void
add_backward_weights (Planner *p, gint i)
{
  const Cnn3dOp *op = &p->net->ops[i];
  Cnn3dStep s = blank_step (i, CNN3D_PHASE_BACKWARD_WEIGHTS);

  s.in = use_activation (p, op->in);
  s.dout[0] = use (p, p->gradient[op->out][0]);
  s.saved = use_saved (p, i);
  s.scratch = use_scratch (p, i, s.phase);
  g_array_append_val (p->steps, s);
}

static void
add_backward (Planner *p, gint i)
{
  const Cnn3dOp *op = &p->net->ops[i];
  Cnn3dStep s = blank_step (i, CNN3D_PHASE_BACKWARD);

  for (gint k = 0; k < 2; k++)
    s.dout[k] = use (p, p->gradient[op->out][k]);
  if (op->kind == CNN3D_OP_NORM) {
    s.in = use_activation (p, op->in);
    s.out = use_activation (p, op->out);
    if (op->residual >= 0 && p->wanted[op->residual]) {
      /* what ReLU lets through, written over dout[0], is the residual's gradient */
      gsize *slots = p->gradient[op->residual];

      slots[slots[0] == CNN3D_NOWHERE ? 0 : 1] = s.dresidual = s.dout[0];
    }
    if (p->wanted[op->in]) {
      if (s.dresidual == CNN3D_NOWHERE)
        p->gradient[op->in][0] = s.din = s.dout[0];
      else
        s.din = use (p, contribute (p, op->in, FALSE, &s.accumulate));
    }
  } else if (p->wanted[op->in]) {
    s.din = use (p, contribute (p, op->in, cnn3d_op_is_strided_pointwise (op), &s.accumulate));
  }
  s.saved = use_saved (p, i);
  s.scratch = use_scratch (p, i, CNN3D_PHASE_BACKWARD);
  g_array_append_val (p->steps, s);
}

static gboolean
is_trained (const Cnn3dNetwork *net, const Cnn3dPlanParams *params, gint weight)
{
  return weight >= 0 && CNN3D_PARAM_TRAINED (net->weights[weight].role)
      && (!params->trained || params->trained[weight]);
}

static void
add_pass (Planner *p, const Cnn3dPlanParams *params, guint *n_forward)
{
  const Cnn3dNetwork *net = p->net;
  g_autofree gboolean *trains = g_new0 (gboolean, net->n_ops);

  for (guint i = 0; i < net->n_ops; i++) {
    const Cnn3dOp *op = &net->ops[i];

    trains[i] = is_trained (net, params, op->weight) || is_trained (net, params, op->bias);
    if (op->out >= 0)
      p->wanted[op->out] = trains[i] || (op->in >= 0 && p->wanted[op->in])
          || (op->residual >= 0 && p->wanted[op->residual]);
  }
  for (guint i = 0; i < net->n_ops; i++)
    add_forward (p, i);
  *n_forward = p->steps->len;
  if (!p->training)
    return;
  for (gint i = net->n_ops - 1; i >= 0; i--) {
    const Cnn3dOp *op = &net->ops[i];
    const gboolean separate = op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR;

    if (op->out < 0 || !p->wanted[op->out])
      continue;
    if (separate && trains[i])
      add_backward_weights (p, i);
    if (separate ? p->wanted[op->in] : op->kind != CNN3D_OP_INPUT)
      add_backward (p, i);
  }
}

/* --- where they lie --- */

static gint
larger_first (gconstpointer a, gconstpointer b, gpointer data)
{
  const Cnn3dBuffer *buffers = data;
  const guint i = *(const guint *) a, j = *(const guint *) b;

  if (buffers[i].bytes != buffers[j].bytes)
    return buffers[i].bytes > buffers[j].bytes ? -1 : 1;
  return i < j ? -1 : 1;
}

gsize
cnn3d_plan_pack (Cnn3dBuffer *buffers, guint n)
{
  g_autofree guint *order = g_new (guint, n);
  g_autofree guint *placed = g_new (guint, n);  /* by offset */
  guint n_placed = 0;
  gsize total = 0;

  for (guint i = 0; i < n; i++)
    order[i] = i;
  g_qsort_with_data (order, n, sizeof *order, larger_first, buffers);
  for (guint k = 0; k < n; k++) {
    Cnn3dBuffer *b = &buffers[order[k]];
    const gsize bytes = (b->bytes + CNN3D_ARENA_ALIGNMENT - 1) & ~(gsize) (CNN3D_ARENA_ALIGNMENT - 1);
    gsize at = 0, best = CNN3D_NOWHERE, best_gap = G_MAXSIZE;
    guint where;

    for (guint j = 0; j < n_placed; j++) {
      const Cnn3dBuffer *other = &buffers[placed[j]];
      const gsize end = other->offset + ((other->bytes + CNN3D_ARENA_ALIGNMENT - 1)
          & ~(gsize) (CNN3D_ARENA_ALIGNMENT - 1));

      if (other->last < b->first || other->first > b->last)
        continue;
      if (other->offset >= at + bytes && other->offset - at < best_gap) {
        best = at;
        best_gap = other->offset - at;
      }
      at = MAX (at, end);
    }
    b->offset = best != CNN3D_NOWHERE ? best : at;
    total = MAX (total, b->offset + bytes);
    for (where = n_placed; where > 0 && buffers[placed[where - 1]].offset > b->offset; where--)
      placed[where] = placed[where - 1];
    placed[where] = order[k];
    n_placed++;
  }
  return total;
}

static gsize
largest_live_sum (const Cnn3dBuffer *buffers, guint n, guint n_steps)
{
  gsize most = 0;

  for (guint s = 0; s < n_steps; s++) {
    gsize sum = 0;

    for (guint i = 0; i < n; i++)
      if (buffers[i].first <= s && s <= buffers[i].last)
        sum += buffers[i].bytes;
    most = MAX (most, sum);
  }
  return most;
}

static void
to_offset (const Cnn3dPlan *plan, gsize *buffer)
{
  if (*buffer != CNN3D_NOWHERE)
    *buffer = plan->buffers[*buffer].offset;
}

Cnn3dPlan *
cnn3d_plan_new (const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params)
{
  Planner p = { .net = network, .sizes = sizes, .training = params->training };
  Cnn3dPlan *plan = g_new0 (Cnn3dPlan, 1);

  p.steps = g_array_new (FALSE, FALSE, sizeof (Cnn3dStep));
  p.buffers = g_array_new (FALSE, FALSE, sizeof (Cnn3dBuffer));
  p.activation = g_new (gsize, network->n_tensors);
  p.gradient = g_malloc_n (network->n_tensors, sizeof *p.gradient);
  p.saved = g_new (gsize, network->n_ops);
  p.wanted = g_new0 (gboolean, network->n_tensors);
  for (guint i = 0; i < network->n_tensors; i++)
    p.activation[i] = p.gradient[i][0] = p.gradient[i][1] = CNN3D_NOWHERE;
  for (guint i = 0; i < network->n_ops; i++)
    p.saved[i] = CNN3D_NOWHERE;

  add_pass (&p, params, &plan->n_forward);

  plan->n_steps = p.steps->len;
  plan->n_buffers = p.buffers->len;
  plan->steps = (Cnn3dStep *) g_array_free (p.steps, FALSE);
  plan->buffers = (Cnn3dBuffer *) g_array_free (p.buffers, FALSE);
  plan->arena_bytes = cnn3d_plan_pack (plan->buffers, plan->n_buffers);
  plan->live_bytes = largest_live_sum (plan->buffers, plan->n_buffers, plan->n_steps);
  for (guint i = 0; i < plan->n_steps; i++) {
    Cnn3dStep *s = &plan->steps[i];

    to_offset (plan, &s->in);
    to_offset (plan, &s->residual);
    to_offset (plan, &s->out);
    to_offset (plan, &s->saved);
    to_offset (plan, &s->scratch);
    to_offset (plan, &s->dout[0]);
    to_offset (plan, &s->dout[1]);
    to_offset (plan, &s->din);
    to_offset (plan, &s->dresidual);
  }
  g_free (p.activation);
  g_free (p.gradient);
  g_free (p.saved);
  g_free (p.wanted);
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
