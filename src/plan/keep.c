/* What a plan keeps, and what it makes again. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/pass.h"

typedef struct {
  const Cnn3dNetwork *net;
  const Cnn3dSizes *sizes;
  const Cnn3dPlanParams *params;
  gint *segment; /* [op] */
  gint n_segments;
  gboolean *again; /* [segment]: its convolutions are recomputed */
  gboolean *cheap; /* [tensor]: not a convolution's output; kept although it could be recomputed */
  gboolean *stays; /* [op]: what is kept of it is not offloaded */
  Pass pass;       /* the last one that was tried */
} Choice;

/* The most passes over a tensor that recomputing a slice of another may take; longer chains of
 * residuals are cut by keeping one of them. */
#define LONGEST_CHAIN 3

static gboolean
is_cheap (const Cnn3dOp *op)
{
  return op->kind == CNN3D_OP_INPUT || op->kind == CNN3D_OP_NORM || op->kind == CNN3D_OP_MAX_POOL;
}

/* Fills in keep[tensor] from the choice. */
static void
fill_keep (const Choice *c, gboolean *keep)
{
  const Cnn3dNetwork *net = c->net;
  g_autofree gint *chain = g_new0 (gint, net->n_tensors);

  for (guint t = 0; t < net->n_tensors; t++) {
    const gint producer = net->tensors[t].producer;
    const Cnn3dOp *op = &net->ops[producer];
    const gint segment = c->segment[producer];
    const gboolean ends = op->kind == CNN3D_OP_NORM && op->residual >= 0;

    if (op->kind == CNN3D_OP_CONV) {
      keep[t] = !c->again[segment];
    } else if (!is_cheap (op)) {
      keep[t] = TRUE;
    } else {
      /* A recomputed block keeps its output. The stem, which is cheap, is recomputed with the block
       * after it. */
      keep[t] = c->cheap[t] || (ends && c->again[segment]);
      if (!keep[t])
        chain[t] = 1 + (op->residual >= 0 ? chain[op->residual] : 0);
      if (chain[t] > LONGEST_CHAIN) {
        keep[t] = TRUE;
        chain[t] = 0;
      }
    }
  }
}

/* The largest number of bytes alive at one step. */
static gsize
live (Choice *c)
{
  g_autofree gboolean *keep = g_new (gboolean, c->net->n_tensors);

  fill_keep (c, keep);
  cnn3d_pass_init (&c->pass, c->net, c->sizes, c->params, keep);
  return c->params->recompute == CNN3D_RECOMPUTE_OFFLOAD
      ? cnn3d_pass_offload_live (&c->pass, c->net, c->sizes, c->stays)
      : cnn3d_pass_live (&c->pass, NULL);
}

/* Of the pass that was tried: leaves what does not lower the peak on the device, from the last block,
 * whose turn comes soonest. */
static void
choose_stays (Choice *c, gsize peak)
{
  for (guint i = c->net->n_ops - 1; i-- > 0;)
    if (c->segment[i] != c->segment[i + 1]) {
      c->stays[i] = TRUE;
      c->stays[i] = cnn3d_pass_offload_live (&c->pass, c->net, c->sizes, c->stays) <= peak;
    }
}

/* Recomputes and offloads everything. Returns the peak. macs: [segment], filled in. */
static gsize
recompute_all (Choice *c, gint64 *macs)
{
  const Cnn3dNetwork *net = c->net;

  for (guint i = 0; i < net->n_ops; i++)
    if (net->ops[i].kind == CNN3D_OP_CONV)
      macs[c->segment[i]] += cnn3d_op_macs (net, i);
  if (c->params->recompute >= CNN3D_RECOMPUTE_BLOCK)
    for (gint s = 0; s < c->n_segments; s++)
      c->again[s] = macs[s] > 0;
  return live (c);
}

/* Recomputes and offloads everything at first. Then what does not lower the peak is not offloaded,
 * and is kept: first blocks, those with the most multiply-adds first, then tensors, from the last,
 * which are the smallest. */
static void
choose (Choice *c)
{
  const Cnn3dNetwork *net = c->net;
  g_autofree gboolean *keep = g_new (gboolean, net->n_tensors);
  g_autofree gint64 *macs = g_new0 (gint64, c->n_segments);
  const gsize peak = recompute_all (c, macs);

  if (c->params->recompute == CNN3D_RECOMPUTE_OFFLOAD)
    choose_stays (c, peak);
  for (;;) {
    gint dearest = -1;

    for (gint s = 0; s < c->n_segments; s++)
      if (c->again[s] && macs[s] > 0 && (dearest < 0 || macs[s] > macs[dearest]))
        dearest = s;
    if (dearest < 0)
      break;
    macs[dearest] = 0;
    c->again[dearest] = FALSE;
    c->again[dearest] = live (c) > peak;
  }
  for (gint t = net->n_tensors - 1; t >= 0; t--) {
    if (!is_cheap (&net->ops[net->tensors[t].producer]))
      continue;
    fill_keep (c, keep);
    c->cheap[t] = TRUE;
    /* for what is kept in any case, no other pass is tried */
    c->cheap[t] = keep[t] || live (c) <= peak;
  }
}

static void
choice_init (Choice *c)
{
  c->segment = cnn3d_pass_segments (c->net);
  c->n_segments = c->segment[c->net->n_ops - 1] + 1;
  c->again = g_new0 (gboolean, c->n_segments);
  c->cheap = g_new0 (gboolean, c->net->n_tensors);
  c->pass.sketch = TRUE;
}

static void
choice_clear (Choice *c)
{
  g_free (c->segment);
  g_free (c->again);
  g_free (c->cheap);
  cnn3d_pass_clear (&c->pass);
}

gsize
cnn3d_pass_peak (const Cnn3dNetwork *net, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params)
{
  g_autofree gboolean *stays = g_new0 (gboolean, net->n_ops);
  g_autofree gint64 *macs = NULL;
  Choice c = { net, sizes, params, .stays = stays };
  gsize peak;

  choice_init (&c);
  macs = g_new0 (gint64, c.n_segments);
  peak = recompute_all (&c, macs);
  choice_clear (&c);
  return peak;
}

void
cnn3d_pass_choose (const Cnn3dNetwork *net, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params,
    gboolean **keep, gboolean **stays)
{
  Choice c = { net, sizes, params };

  *keep = g_new (gboolean, net->n_tensors);
  *stays = c.stays = g_new0 (gboolean, net->n_ops);
  if (!params->training || params->recompute == CNN3D_RECOMPUTE_NONE) {
    for (guint t = 0; t < net->n_tensors; t++)
      (*keep)[t] = TRUE;
    return;
  }
  choice_init (&c);
  choose (&c);
  fill_keep (&c, *keep);
  choice_clear (&c);
}
