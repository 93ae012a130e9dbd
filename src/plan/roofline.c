/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/roofline.h"

typedef struct {
  const Cnn3dNetwork *net;
  const Cnn3dSizes *sizes;
  const Cnn3dRooflineParams *params;
  Cnn3dRoofline *roofline;
  gdouble *made; /* [op]: how often it runs */
  guint rows;    /* of the step's op, for the whole batch */
} Counter;

/* --- bytes per row --- */

static gdouble
activation (const Counter *c, gint tensor)
{
  return tensor < 0 ? 0 : (gdouble) c->sizes->activation[tensor] / c->rows;
}

static gdouble
gradient (const Counter *c, gint tensor)
{
  return tensor < 0 ? 0 : (gdouble) c->sizes->gradient[tensor] / c->rows;
}

/* The points of its input that a kernel smaller than its stride reads. */
static gdouble
touched (const Counter *c, const Cnn3dOp *op)
{
  const Cnn3dTensor *in = &c->net->tensors[op->in], *out = &c->net->tensors[op->out];
  const gint size[3] = { in->d, in->h, in->w }, reached[3] = { out->d, out->h, out->w };
  gdouble share = 1;

  for (gint k = 0; k < 3; k++)
    if (op->kernel[k] < op->stride[k])
      share *= MIN (1, (gdouble) reached[k] * op->kernel[k] / size[k]);
  return share;
}

/* --- steps --- */

/* Number of an op's parameters. */
static gdouble
numbers (const Counter *c, gint i)
{
  return (gdouble) c->sizes->parameters[i] / sizeof (gfloat);
}

static void
add (Counter *c, const Cnn3dStep *s, gdouble flops, gdouble bytes, gdouble fused)
{
  Cnn3dRooflineOp *op = &c->roofline->ops[s->op];

  op->flops[s->phase] += flops * c->params->passes;
  op->bytes[s->phase] += bytes * c->params->passes;
  op->fused_bytes[s->phase] += fused * c->params->passes;
}

/* A convolution, or the last layer: its weights are read, or their gradient written, once a step,
 * for any number of clips. */
static void
count_product (Counter *c, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &c->net->ops[s->op];
  const gboolean conv = op->kind == CNN3D_OP_CONV;
  const gdouble reach = conv ? touched (c, op) : 1;
  const gdouble weights =
      conv ? c->params->weight_bytes * numbers (c, s->op) : sizeof (gfloat) * numbers (c, s->op);
  const gdouble sums = sizeof (gfloat) * numbers (c, s->op);
  gdouble bytes;

  switch (s->phase) {
    case CNN3D_PHASE_BACKWARD_WEIGHTS:
      bytes = s->clips * (reach * activation (c, op->in) + gradient (c, op->out))
          + (s->adds ? 2 : 1) * sums;
      /* a first slice that adds to an earlier pass's gradient */
      if (!s->adds)
        bytes += sums * (1 - 1 / c->params->passes);
      break;
    case CNN3D_PHASE_BACKWARD:
      bytes = s->clips
              * (gradient (c, op->out) + (s->accumulate ? 2 * reach : 1) * gradient (c, op->in))
          + weights;
      break;
    default:
      bytes = s->clips * (reach * activation (c, op->in) + activation (c, op->out)) + weights;
  }
  add (c, s, 2.0 * cnn3d_op_macs (c->net, s->op) * s->clips, bytes, bytes);
}

/* Whether a batch norm's output is read by one convolution only. */
static gboolean
is_read_through (const Counter *c, const Cnn3dOp *norm)
{
  guint readers = 0, convolutions = 0;

  for (guint i = 0; i < c->net->n_ops; i++) {
    const Cnn3dOp *op = &c->net->ops[i];

    readers += (op->in == norm->out) + (op->residual == norm->out);
    convolutions += op->in == norm->out && op->kind == CNN3D_OP_CONV;
  }
  return norm->residual < 0 && readers == 1 && convolutions == 1;
}

static void
raise_to (gdouble *most, gdouble to)
{
  *most = MAX (*most, to);
}

static void
count_norm_forward (Counter *c, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &c->net->ops[s->op];
  const gboolean sums = s->phase == CNN3D_PHASE_FORWARD && c->params->batch_statistics;
  const gboolean falls_out = c->net->ops[c->net->tensors[op->in].producer].kind == CNN3D_OP_CONV;
  const gboolean vanishes =
      s->phase == CNN3D_PHASE_FORWARD && c->made[s->op] > 0 && is_read_through (c, op);
  const gdouble in = activation (c, op->in);
  const gdouble apply = s->clips * (in + activation (c, op->residual) + activation (c, op->out));
  const gdouble saved = s->phase == CNN3D_PHASE_FORWARD ? c->sizes->saved[s->op] : 0;
  Cnn3dRooflineOp *counted = &c->roofline->ops[s->op];

  add (c, s, 0, saved + apply + (sums ? s->clips * in : 0),
      saved + (vanishes ? 0 : apply) + (sums && !falls_out ? s->clips * in : 0));
  if (s->phase == CNN3D_PHASE_FORWARD) {
    counted->moves.forward = 1 + sums;
    counted->fused_moves.forward = !vanishes + (sums && !falls_out);
  }
}

static void
count_norm_backward (Counter *c, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &c->net->ops[s->op];
  const gboolean two = s->dout[1] != CNN3D_NOWHERE, hands_on = s->dresidual != CNN3D_NOWHERE;
  const gboolean din = s->din != CNN3D_NOWHERE;
  /* second pass over everything, with the sums of all */
  const gboolean again = din && c->params->batch_statistics;
  const gint x = 1 + again, g = 1 + (hands_on || (two && again)) + again;
  const gdouble bytes = s->clips
          * (x * activation (c, op->in) + (g + two) * gradient (c, op->out)
              + din * gradient (c, op->in))
      + c->sizes->saved[s->op];
  Cnn3dRooflineOp *counted = &c->roofline->ops[s->op];

  add (c, s, 0, bytes, bytes);
  raise_to (&counted->moves.backward, MAX (g, x + c->made[s->op]));
  counted->fused_moves.backward = counted->moves.backward;
}

static void
count_other (Counter *c, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &c->net->ops[s->op];
  gdouble bytes = c->sizes->saved[s->op];

  if (s->phase == CNN3D_PHASE_BACKWARD) {
    for (gint k = 0; k < 2; k++)
      bytes += s->dout[k] != CNN3D_NOWHERE ? s->clips * gradient (c, op->out) : 0;
    bytes += s->din != CNN3D_NOWHERE ? s->clips * gradient (c, op->in) : 0;
    bytes += s->dresidual != CNN3D_NOWHERE ? s->clips * gradient (c, op->residual) : 0;
    bytes += s->in != CNN3D_NOWHERE ? s->clips * activation (c, op->in) : 0;
  } else {
    bytes += s->clips
        * (activation (c, op->in) + activation (c, op->residual) + activation (c, op->out));
    if (op->kind == CNN3D_OP_INPUT) {
      const Cnn3dTensor *t = &c->net->tensors[op->out];
      const gdouble frame = (gdouble) c->params->frame_bytes * op->channels * t->h * t->w;
      const gdouble points = 3.0 * sizeof (gfloat) * op->points * c->net->params.persons;

      bytes += s->clips * t->d * (frame + points);
    }
    /* the loss writes its gradient */
    bytes += s->din != CNN3D_NOWHERE ? s->clips * gradient (c, op->in) : 0;
  }
  add (c, s, 0, bytes, bytes);
}

static void
count_step (Counter *c, const Cnn3dStep *s)
{
  const Cnn3dOpKind kind = c->net->ops[s->op].kind;

  c->rows = c->sizes->batch * cnn3d_op_views (c->net, s->op);
  if (s->phase >= CNN3D_PHASE_UPDATE)
    return; /* an update: once, wherever it is in the plan; a copy: beside all this */
  if (kind == CNN3D_OP_CONV || kind == CNN3D_OP_LINEAR)
    count_product (c, s);
  else if (kind == CNN3D_OP_NORM && s->phase == CNN3D_PHASE_BACKWARD)
    count_norm_backward (c, s);
  else if (kind == CNN3D_OP_NORM)
    count_norm_forward (c, s);
  else
    count_other (c, s);
}

/* Gradients are read, masters and states read and written, copies written. */
static void
count_update (Counter *c, guint i)
{
  const Cnn3dOp *op = &c->net->ops[i];
  Cnn3dRooflineOp *counted = &c->roofline->ops[i];
  gboolean trains = FALSE;

  for (guint k = 0; k < c->net->n_weights; k++)
    trains |= c->net->weights[k].op == (gint) i && CNN3D_PARAM_TRAINED (c->net->weights[k].role)
        && (!c->params->trained || c->params->trained[k]);
  if (!trains)
    return;
  counted->bytes[CNN3D_PHASE_UPDATE] = numbers (c, i)
      * ((3 + 2 * c->params->states) * sizeof (gfloat)
          + (op->kind == CNN3D_OP_CONV ? c->params->copy_bytes : 0));
  counted->fused_bytes[CNN3D_PHASE_UPDATE] = counted->bytes[CNN3D_PHASE_UPDATE];
}

/* --- total --- */

Cnn3dRoofline *
cnn3d_roofline_new (const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlan *plan,
    const Cnn3dRooflineParams *params)
{
  Cnn3dRoofline *roofline = g_new0 (Cnn3dRoofline, 1);
  g_autofree gdouble *made = g_new0 (gdouble, network->n_ops);
  Counter c = {
    .net = network, .sizes = sizes, .params = params, .roofline = roofline, .made = made
  };

  roofline->ops = g_new0 (Cnn3dRooflineOp, network->n_ops);
  roofline->n_ops = network->n_ops;
  roofline->passes = params->passes;
  for (guint i = 0; i < plan->n_steps; i++)
    if (plan->steps[i].phase == CNN3D_PHASE_RECOMPUTE)
      made[plan->steps[i].op] += (gdouble) plan->steps[i].clips
          / (sizes->batch * cnn3d_op_views (network, plan->steps[i].op));
  for (guint i = 0; i < plan->n_steps; i++)
    count_step (&c, &plan->steps[i]);
  for (guint i = 0; i < network->n_ops; i++)
    count_update (&c, i);
  return roofline;
}

void
cnn3d_roofline_free (Cnn3dRoofline **roofline)
{
  Cnn3dRoofline *r = *roofline;

  *roofline = NULL;
  if (!r)
    return;
  g_free (r->ops);
  g_free (r);
}

gdouble
cnn3d_roofline_phase_seconds (
    const Cnn3dRooflineOp *op, Cnn3dPhase phase, const Cnn3dRates *rates, gboolean fused)
{
  return MAX (op->flops[phase] / rates->flops_per_second,
      (fused ? op->fused_bytes : op->bytes)[phase] / rates->bytes_per_second);
}

gdouble
cnn3d_roofline_op_seconds (
    const Cnn3dRooflineOp *op, const Cnn3dRates *rates, gboolean fused, gboolean *by_bytes)
{
  gdouble all = 0, moving = 0;

  for (gint p = 0; p < CNN3D_N_PHASES; p++) {
    const gdouble seconds = cnn3d_roofline_phase_seconds (op, p, rates, fused);

    all += seconds;
    if (op->flops[p] / rates->flops_per_second < seconds)
      moving += seconds;
  }
  if (by_bytes)
    *by_bytes = moving > all / 2;
  return all;
}

Cnn3dMoves
cnn3d_roofline_moves (const Cnn3dRoofline *roofline, gboolean fused)
{
  Cnn3dMoves most = { 0, 0 };

  for (guint i = 0; i < roofline->n_ops; i++) {
    const Cnn3dMoves *m = fused ? &roofline->ops[i].fused_moves : &roofline->ops[i].moves;

    raise_to (&most.forward, m->forward);
    raise_to (&most.backward, m->backward);
  }
  return most;
}
