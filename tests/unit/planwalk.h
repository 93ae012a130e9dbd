/* planwalk.h: simulates a plan step by step and records what each region holds, so that everything
 * a step reads must be present and intact. It knows the purpose of each step, but not how plans are
 * made.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PLANWALK_H
#define CNN3D_PLANWALK_H

#include <string.h>

#include "src/plan/plan.h"

typedef enum {
  ACTIVATION,
  GRADIENT,
  SAVED,
  PARAMETERS,
  SCRATCH
} Kind;

/* Clips, rows, of a tensor; data without clips counts as one clip. */
typedef struct {
  gsize offset, clip_bytes;
  guint first, clips;
  Kind kind;
  gint index;
  guint parts; /* gradient: contributions in it */
} Region;

/* Between the arena and the store. */
typedef struct {
  guint number;
  gboolean out, done;
  gsize offset, bytes, stored;
  Region what; /* at offset */
} WalkCopy;

typedef struct {
  const Cnn3dNetwork *net;
  const Cnn3dSizes *sizes;
  const Cnn3dPlan *plan;
  const Cnn3dPlanParams *params;
  GArray *regions;            /* no two overlap */
  gboolean *own;              /* [op]: any of its parameters trains */
  gboolean *leads;            /* [tensor]: its gradient is needed */
  guint *weighted;            /* [op]: clips whose parameter gradients are computed */
  gboolean *backed, *updated; /* [op]: had its backward step, its update */
  guint step;
  gchar *wrong;              /* the first error */
  const Cnn3dStep *deferred; /* a batch norm whose output the next step may compute */
  GArray *copies;            /* of WalkCopy, by number */
  gint next;                 /* the op of the next forward step */
} Walk;

/* Features that plans used, to check that a test's cases cover all of them. */
typedef struct {
  guint slices, sums, over, strided, made_convs, made_norms, made_pools, updates, deferred,
      statistics, copies;
} WalkSeen;

static inline void G_GNUC_PRINTF (2, 3) complain (Walk *w, const gchar *format, ...)
{
  static const gchar *const phases[] = { "forward", "recompute", "backward-weights", "backward",
    "update", "store", "load", "wait" };
  const Cnn3dStep *s = &w->plan->steps[w->step];
  g_autofree gchar *text = NULL;
  va_list args;

  if (w->wrong)
    return;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  w->wrong = w->step < w->plan->n_steps
      ? g_strdup_printf ("%s, batch %u, step %u (%s of op %d, clips %u+%u): %s", w->net->model,
            w->sizes->batch, w->step, phases[s->phase], s->op, s->first, s->clips, text)
      : g_strdup_printf ("%s, batch %u: %s", w->net->model, w->sizes->batch, text);
}

/* --- regions --- */

/* Memory that a copy uses: from its beginning until a step waits for it, it may be read at most, and
 * only if it is copied out. */
static inline void
walk_touch (Walk *w, gsize offset, gsize bytes, gboolean writes)
{
  for (guint i = 0; i < w->copies->len; i++) {
    const WalkCopy *c = &g_array_index (w->copies, WalkCopy, i);

    if (!c->done && offset < c->offset + c->bytes && c->offset < offset + bytes
        && (writes || !c->out))
      complain (w, "%s %" G_GSIZE_FORMAT " while copy %u is under way", writes ? "writes" : "reads",
          offset, i);
  }
}

/* Keeps the whole clips of regions outside of [offset, offset + bytes), which is written. */
static inline void
walk_erase (Walk *w, gsize offset, gsize bytes)
{
  for (guint i = 0; i < w->regions->len;) {
    const Region r = g_array_index (w->regions, Region, i);
    const gsize r_end = r.offset + r.clips * r.clip_bytes, end = offset + bytes;

    if (end <= r.offset || r_end <= offset) {
      i++;
      continue;
    }
    g_array_remove_index_fast (w->regions, i);
    if (offset > r.offset) {
      Region before = r;

      before.clips = (offset - r.offset) / r.clip_bytes;
      if (before.clips)
        g_array_append_val (w->regions, before);
    }
    if (end < r_end) {
      const guint lost = (end - r.offset + r.clip_bytes - 1) / r.clip_bytes;
      Region after = r;

      after.offset += lost * r.clip_bytes;
      after.first += lost;
      after.clips -= lost;
      if (after.clips)
        g_array_append_val (w->regions, after);
    }
  }
}

static inline void
walk_write (Walk *w, gsize offset, Kind kind, gint index, guint first, guint clips,
    gsize clip_bytes, guint parts)
{
  const Region r = { offset, clip_bytes, first, clips, kind, index, parts };
  const gsize bytes = clips * clip_bytes;

  if (!bytes)
    return;
  if (offset == CNN3D_NOWHERE || offset > w->plan->arena_bytes
      || bytes > w->plan->arena_bytes - offset) {
    complain (w, "writes kind %d number %d at %" G_GSIZE_FORMAT ", beyond the arena", kind, index,
        offset);
    return;
  }
  walk_touch (w, offset, bytes, TRUE);
  walk_erase (w, offset, bytes);
  g_array_append_val (w->regions, r);
}

/* The number of parts in the region read; 0 and an error if it is not intact. */
static inline guint
walk_read (Walk *w, gsize offset, Kind kind, gint index, guint first, guint clips, gsize clip_bytes)
{
  guint parts = G_MAXUINT;

  if (offset != CNN3D_NOWHERE)
    walk_touch (w, offset, clips * clip_bytes, FALSE);
  for (guint k = first; k < first + clips;) {
    const Region *found = NULL;

    for (guint i = 0; !found && i < w->regions->len; i++) {
      const Region *r = &g_array_index (w->regions, Region, i);

      if (r->kind == kind && r->index == index && r->first <= k && k < r->first + r->clips
          && r->offset + (k - r->first) * r->clip_bytes == offset + (k - first) * clip_bytes)
        found = r;
    }
    if (!found || (parts != G_MAXUINT && parts != found->parts)) {
      complain (w, "kind %d number %d, clip %u is not at %" G_GSIZE_FORMAT, kind, index, k,
          offset + (k - first) * clip_bytes);
      return 0;
    }
    parts = found->parts;
    k = found->first + found->clips;
  }
  return parts;
}

static inline gboolean
walk_overlap (gsize a, gsize a_bytes, gsize b, gsize b_bytes)
{
  return a != CNN3D_NOWHERE && b != CNN3D_NOWHERE && a < b + b_bytes && b < a + a_bytes;
}

/* --- what steps need --- */

static inline guint
walk_rows (const Walk *w, gint tensor)
{
  return w->sizes->batch * w->net->tensors[tensor].views;
}

static inline guint
walk_op_rows (const Walk *w, gint op)
{
  const gint out = w->net->ops[op].out;

  return walk_rows (w, out >= 0 ? out : w->net->ops[op].in);
}

static inline gsize
activation_clip (const Walk *w, gint tensor)
{
  return w->sizes->activation[tensor] / walk_rows (w, tensor);
}

static inline gsize
gradient_clip (const Walk *w, gint tensor)
{
  return w->sizes->gradient[tensor] / walk_rows (w, tensor);
}

/* An activation of the step's clips; of a sample that becomes one row, all views. */
static inline void
read_activation (Walk *w, const Cnn3dStep *s, gsize offset, gint tensor)
{
  const guint views = tensor >= 0 ? walk_rows (w, tensor) / walk_op_rows (w, s->op) : 1;

  if (tensor >= 0)
    walk_read (w, offset, ACTIVATION, tensor, s->first * views, s->clips * views,
        activation_clip (w, tensor));
  else if (offset != CNN3D_NOWHERE)
    complain (w, "reads a tensor that it does not have");
}

static inline guint
read_gradient (Walk *w, const Cnn3dStep *s, gsize offset, gint tensor)
{
  return walk_read (w, offset, GRADIENT, tensor, s->first, s->clips, gradient_clip (w, tensor));
}

static inline guint
count_readers (const Cnn3dNetwork *net, gint tensor)
{
  guint n = 0;

  for (guint i = 0; i < net->n_ops; i++)
    n += (net->ops[i].in == tensor) + (net->ops[i].residual == tensor);
  return n;
}

/* All contributions to the gradient of the op's output. */
static inline void
read_whole_gradient (Walk *w, const Cnn3dStep *s, gint tensor)
{
  guint parts = 0;

  for (guint k = 0; k < 2; k++)
    if (s->dout[k] != CNN3D_NOWHERE)
      parts += read_gradient (w, s, s->dout[k], tensor);
  if (!w->wrong && parts != count_readers (w->net, tensor))
    complain (w, "has %u contributions to its output's gradient", parts);
}

static inline gsize
scratch_bytes (const Walk *w, const Cnn3dStep *s)
{
  const gsize bytes = w->sizes->scratch[s->op * CNN3D_N_PHASES + s->phase];

  /* in place over dout: one slice passes through the end of the scratch */
  if (s->phase == CNN3D_PHASE_BACKWARD && s->din != CNN3D_NOWHERE && s->din == s->dout[0]
      && w->net->ops[s->op].kind == CNN3D_OP_CONV)
    return bytes + w->sizes->slice[s->op] * gradient_clip (w, w->net->ops[s->op].in);
  return bytes;
}

/* The gradient of the op's parameters: in the arena if and only if they are updated early, or slices
 * are added up there. */
static inline void
write_parameters (Walk *w, const Cnn3dStep *s, gboolean adds)
{
  const gsize bytes = w->sizes->parameters[s->op];

  if (s->gathers != (w->sizes->gathers[s->op] && !w->params->updates))
    complain (w, "gathers %d", s->gathers);
  if (!(w->params->updates || s->gathers) || !bytes) {
    if (s->parameters != CNN3D_NOWHERE)
      complain (w, "has an unneeded place for its parameters' gradient");
    return;
  }
  if (adds)
    walk_read (w, s->parameters, PARAMETERS, s->op, 0, 1, bytes);
  else
    walk_write (w, s->parameters, PARAMETERS, s->op, 0, 1, bytes, 0);
}

/* --- the phases --- */

/* A convolution that computes sums of its output stores them where the following batch norm keeps
 * its statistics. */
static inline void
write_statistics (Walk *w, const Cnn3dStep *s)
{
  gint reader = -1;

  if (s->statistics == CNN3D_NOWHERE)
    return;
  for (guint i = 0; i < w->net->n_ops; i++)
    if (w->net->ops[i].in == w->net->ops[s->op].out)
      reader = i;
  if (!w->sizes->statistics[s->op] || !w->params->training || s->phase != CNN3D_PHASE_FORWARD
      || w->net->ops[reader].kind != CNN3D_OP_NORM)
    complain (w, "has unneeded sums");
  else
    walk_write (w, s->statistics, SAVED, reader, 0, 1, w->sizes->saved[reader], 0);
}

/* The convolution after a deferring batch norm may compute that output from its input, which must
 * still be present unless it was overwritten by it. */
static inline void
check_deferred (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dStep *d = w->deferred;
  const Cnn3dOp *op = &w->net->ops[s->op];

  if (!d)
    return;
  if (op->kind != CNN3D_OP_CONV || s->phase == CNN3D_PHASE_BACKWARD
      || op->in != w->net->ops[d->op].out || s->in != d->out || s->first != d->first
      || s->clips != d->clips)
    complain (w, "comes after a batch norm that defers, and does not read it");
  if (d->in != d->out)
    read_activation (w, d, d->in, w->net->ops[d->op].in);
}

static inline gboolean
walk_leaves_sums (const Walk *w, gint op)
{
  for (guint i = 0; i < w->plan->n_forward; i++)
    if (w->plan->steps[i].op == op && w->plan->steps[i].phase == CNN3D_PHASE_FORWARD)
      return w->plan->steps[i].statistics != CNN3D_NOWHERE;
  return FALSE;
}

static inline void
walk_forward (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &w->net->ops[s->op];
  const gboolean again = s->phase == CNN3D_PHASE_RECOMPUTE;
  gsize out_bytes;

  if (again && op->kind != CNN3D_OP_INPUT && op->kind != CNN3D_OP_CONV && op->kind != CNN3D_OP_NORM
      && op->kind != CNN3D_OP_MAX_POOL)
    complain (w, "is never done again");
  read_activation (w, s, s->in, op->in);
  read_activation (w, s, s->residual, op->residual);
  if (s->defers && (op->kind != CNN3D_OP_NORM || op->residual >= 0))
    complain (w, "cannot defer");
  if (w->params->training && w->sizes->saved[s->op]) {
    const gint before = op->in >= 0 ? w->net->tensors[op->in].producer : -1;

    if (again || (before >= 0 && walk_leaves_sums (w, before)))
      walk_read (w, s->saved, SAVED, s->op, 0, 1, w->sizes->saved[s->op]);
    if (!again)
      walk_write (w, s->saved, SAVED, s->op, 0, 1, w->sizes->saved[s->op], 0);
  }
  walk_write (w, s->scratch, SCRATCH, s->op, 0, 1, scratch_bytes (w, s), 0);
  /* neither may have overwritten what is read */
  read_activation (w, s, s->in, op->in);
  read_activation (w, s, s->residual, op->residual);
  if (op->out >= 0) {
    out_bytes = s->clips * activation_clip (w, op->out);
    /* batch norm may run in place; nothing else does */
    if (op->in >= 0
        && walk_overlap (s->out, out_bytes, s->in,
            s->clips * (w->sizes->activation[op->in] / walk_op_rows (w, s->op)))
        && (op->kind != CNN3D_OP_NORM || s->out != s->in))
      complain (w, "writes over its input");
    if (op->residual >= 0
        && walk_overlap (
            s->out, out_bytes, s->residual, s->clips * activation_clip (w, op->residual))
        && (op->kind != CNN3D_OP_NORM || s->out != s->residual))
      complain (w, "writes over a part of its residual");
    w->deferred = s->defers ? s : NULL;
    walk_write (
        w, s->out, ACTIVATION, op->out, s->first, s->clips, activation_clip (w, op->out), 0);
  }
  write_statistics (w, s);
  if (op->kind == CNN3D_OP_LOSS && w->params->training && w->leads[op->in]) {
    walk_write (
        w, s->din, GRADIENT, op->in, 0, walk_rows (w, op->in), gradient_clip (w, op->in), 1);
    read_activation (w, s, s->in, op->in);
  }
}

static inline void
walk_backward_weights (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &w->net->ops[s->op];

  if (!w->own[s->op] || (op->kind != CNN3D_OP_CONV && op->kind != CNN3D_OP_LINEAR))
    complain (w, "this gradient is not needed");
  if (s->first != w->weighted[s->op] || s->adds != (s->first > 0))
    complain (w, "adds %d after %u clips", s->adds, w->weighted[s->op]);
  w->weighted[s->op] = s->first + s->clips;
  for (guint twice = 0; twice < 2; twice++) {
    read_activation (w, s, s->in, op->in);
    read_whole_gradient (w, s, op->out);
    if (!twice) {
      write_parameters (w, s, s->adds);
      walk_write (w, s->scratch, SCRATCH, s->op, 0, 1, scratch_bytes (w, s), 0);
    }
  }
  if (w->params->updates && w->sizes->parameters[s->op])
    walk_read (w, s->parameters, PARAMETERS, s->op, 0, 1, w->sizes->parameters[s->op]);
}

static inline void
write_din (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &w->net->ops[s->op];
  const gsize bytes = w->sizes->gradient[op->in], dout_bytes = w->sizes->gradient[op->out];
  guint before = 0;

  if (s->accumulate) {
    if (!w->sizes->adds[s->op])
      complain (w, "cannot add to its input's gradient");
    before = read_gradient (w, s, s->din, op->in);
  }
  for (guint k = 0; k < 2; k++)
    if (walk_overlap (s->din, bytes, s->dout[k], dout_bytes)) {
      const gboolean exactly = k == 0 && s->din == s->dout[0] && bytes == dout_bytes
          && !s->accumulate && s->dresidual == CNN3D_NOWHERE;

      if (!exactly || (op->kind != CNN3D_OP_NORM && op->kind != CNN3D_OP_CONV)
          || cnn3d_op_is_strided_pointwise (op))
        complain (w, "writes its input's gradient over its output's");
    }
  if (s->in != CNN3D_NOWHERE && walk_overlap (s->din, bytes, s->in, w->sizes->activation[op->in])
      && (s->din != s->in || bytes != w->sizes->activation[op->in] || op->kind != CNN3D_OP_NORM))
    complain (w, "writes its input's gradient over its input");
  walk_write (
      w, s->din, GRADIENT, op->in, 0, walk_rows (w, op->in), gradient_clip (w, op->in), before + 1);
}

static inline void
walk_backward (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &w->net->ops[s->op];
  const gboolean norm = op->kind == CNN3D_OP_NORM,
                 plain = op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR;
  const gboolean joins = op->kind == CNN3D_OP_CONCAT || op->kind == CNN3D_OP_MEAN;
  const gboolean reads =
      norm || (op->kind == CNN3D_OP_VIEWS && op->view_fusion == CNN3D_VIEW_FUSION_PROBABILITIES);
  const gboolean saves = w->sizes->saved[s->op] > 0;

  if (w->backed[s->op] || op->kind == CNN3D_OP_INPUT || op->kind == CNN3D_OP_LOSS
      || !(w->leads[op->in] || (!plain && w->leads[op->out])))
    complain (w, "this gradient is not needed");
  w->backed[s->op] = TRUE;
  if (plain && w->own[s->op] && w->weighted[s->op] != walk_op_rows (w, s->op))
    complain (w, "comes before its weights' gradient");
  if (plain && s->dout[1] != CNN3D_NOWHERE)
    complain (w, "takes one gradient only");
  for (guint twice = 0; twice < 2; twice++) {
    if (reads)
      read_activation (w, s, s->in, op->in);
    else if (s->in != CNN3D_NOWHERE)
      complain (w, "reads an input that it does not need");
    if (saves)
      walk_read (w, s->saved, SAVED, s->op, 0, 1, w->sizes->saved[s->op]);
    read_whole_gradient (w, s, op->out);
    if (twice)
      break;
    if (norm)
      write_parameters (w, s, FALSE);
    walk_write (w, s->scratch, SCRATCH, s->op, 0, 1, scratch_bytes (w, s), 0);
  }
  if ((s->din != CNN3D_NOWHERE) != w->leads[op->in])
    complain (w, "its input's gradient is computed without need, or missing");
  if ((norm || joins)
      && (s->dresidual != CNN3D_NOWHERE) != (op->residual >= 0 && w->leads[op->residual]))
    complain (w, "its residual's gradient is computed without need, or missing");
  /* the gradient after ReLU, or the sum of two, overwrites dout[0] */
  if (!plain)
    walk_erase (w, s->dout[0], w->sizes->gradient[op->out]);
  if (s->dresidual != CNN3D_NOWHERE) {
    if (joins ? s->dresidual == s->dout[0] || s->dresidual == s->din : s->dresidual != s->dout[0])
      complain (w, "its residual's gradient is elsewhere");
    walk_write (w, s->dresidual, GRADIENT, op->residual, 0, walk_rows (w, op->residual),
        gradient_clip (w, op->residual), 1);
  }
  if (s->din != CNN3D_NOWHERE) {
    write_din (w, s);
    /* nor over anything else that it still has to pass on */
    if (s->dresidual != CNN3D_NOWHERE)
      read_gradient (w, s, s->dresidual, op->residual);
    if (op->kind == CNN3D_OP_VIEWS && reads)
      read_activation (w, s, s->in, op->in);
    if (norm && saves)
      walk_read (w, s->saved, SAVED, s->op, 0, 1, w->sizes->saved[s->op]);
    if (plain && s->din != s->dout[0])
      read_gradient (w, s, s->dout[0], op->out);
  }
  if (norm && w->params->updates && w->sizes->parameters[s->op])
    walk_read (w, s->parameters, PARAMETERS, s->op, 0, 1, w->sizes->parameters[s->op]);
}

static inline void
walk_update (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &w->net->ops[s->op];
  const gboolean plain = op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR;

  if (!w->params->updates || !w->own[s->op])
    complain (w, "nothing to update");
  if (plain
          ? w->weighted[s->op] != walk_op_rows (w, s->op) || (w->leads[op->in] && !w->backed[s->op])
          : !w->backed[s->op])
    complain (w, "the weights are needed still, or their gradient is not complete");
  walk_read (w, s->parameters, PARAMETERS, s->op, 0, 1, w->sizes->parameters[s->op]);
  w->updated[s->op] = TRUE;
}

/* --- copies --- */

static inline void
walk_store (Walk *w, const Cnn3dStep *s, WalkCopy *c)
{
  gboolean found = FALSE;

  c->offset = s->in;
  c->out = TRUE;
  for (guint i = 0; i < w->regions->len && !found; i++) {
    c->what = g_array_index (w->regions, Region, i);
    found = c->what.offset == s->in && c->what.clips * c->what.clip_bytes == s->copy_bytes;
  }
  if (!found || (c->what.kind != ACTIVATION && c->what.kind != SAVED))
    complain (w, "there is nothing to store");
  if (s->out != CNN3D_NOWHERE)
    complain (w, "loads what it stores");
  for (guint i = 0; i < w->copies->len; i++) {
    const WalkCopy *other = &g_array_index (w->copies, WalkCopy, i);

    if (walk_overlap (c->stored, c->bytes, other->stored, other->bytes))
      complain (w, "copy %u is in its place in the store", i);
  }
}

/* What comes back is there from the step on that waits for it. */
static inline void
walk_load (Walk *w, const Cnn3dStep *s, WalkCopy *c)
{
  gboolean found = FALSE;

  c->offset = s->out;
  for (guint i = 0; i < w->copies->len && !found; i++) {
    const WalkCopy *from = &g_array_index (w->copies, WalkCopy, i);

    found = from->out && from->done && from->stored == s->stored && from->bytes == s->copy_bytes;
    c->what = from->what;
  }
  c->what.offset = s->out;
  if (!found)
    complain (w, "this was not stored");
  if (s->in != CNN3D_NOWHERE)
    complain (w, "stores what it loads");
  if (s->out == CNN3D_NOWHERE || s->out > w->plan->arena_bytes
      || c->bytes > w->plan->arena_bytes - s->out) {
    complain (w, "loads beyond the arena");
    return;
  }
  /* whatever lives on must be elsewhere */
  walk_touch (w, s->out, c->bytes, TRUE);
  walk_erase (w, s->out, c->bytes);
}

static inline void
walk_copy (Walk *w, const Cnn3dStep *s)
{
  WalkCopy c = { s->copy, FALSE, FALSE, 0, s->copy_bytes, s->stored, { 0 } };

  if (!w->params->training || w->params->recompute != CNN3D_RECOMPUTE_OFFLOAD)
    complain (w, "copies although nothing is to be offloaded");
  if (s->phase != CNN3D_PHASE_WAIT) {
    if (s->copy != w->copies->len)
      complain (w, "is copy %u where %u is next", s->copy, w->copies->len);
    if (!c.bytes || c.bytes > w->plan->store_bytes || c.stored > w->plan->store_bytes - c.bytes)
      complain (w, "is beyond the store");
    if (s->phase == CNN3D_PHASE_STORE)
      walk_store (w, s, &c);
    else
      walk_load (w, s, &c);
    g_array_append_val (w->copies, c);
    return;
  }
  if (s->copy >= w->copies->len || g_array_index (w->copies, WalkCopy, s->copy).done)
    complain (w, "waits for nothing");
  for (guint i = 0; i <= s->copy && !w->wrong; i++) {
    WalkCopy *ends = &g_array_index (w->copies, WalkCopy, i);

    if (!ends->done && !ends->out)
      g_array_append_val (w->regions, ends->what);
    ends->done = TRUE;
  }
}

/* --- the plan --- */

static inline void
walk_step (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &w->net->ops[s->op];
  const guint slice = w->sizes->slice[s->op], batch = walk_op_rows (w, s->op);
  const gboolean sliced = op->kind == CNN3D_OP_CONV || s->phase == CNN3D_PHASE_RECOMPUTE;
  const Cnn3dStep *deferred;

  const gboolean copies = s->phase >= CNN3D_N_PHASES;

  if ((!copies && (s->phase == CNN3D_PHASE_FORWARD) != (w->step < w->plan->n_forward))
      || (s->phase == CNN3D_PHASE_FORWARD && s->op != w->next++))
    complain (w, "is out of order");
  if (copies) {
    if (s->adds || s->accumulate)
      complain (w, "computes");
    if (w->deferred)
      complain (w, "comes between a batch norm that defers and what reads it");
    if (!w->wrong)
      walk_copy (w, s);
    return;
  }
  if (w->updated[s->op])
    complain (w, "needs weights that have been updated");
  if (s->first > batch || s->clips < 1 || s->clips > batch - s->first)
    complain (w, "there are no such clips");
  else if (!sliced || s->phase == CNN3D_PHASE_FORWARD || s->phase == CNN3D_PHASE_BACKWARD
              || s->phase == CNN3D_PHASE_UPDATE
          ? s->clips != batch
          : op->kind == CNN3D_OP_CONV && (s->first % slice || s->clips % slice))
    complain (w, "does not take whole slices of %u", slice);
  if (s->adds && s->phase != CNN3D_PHASE_BACKWARD_WEIGHTS)
    complain (w, "has nothing to add to");
  if (s->accumulate && (s->phase != CNN3D_PHASE_BACKWARD || s->din == CNN3D_NOWHERE))
    complain (w, "has nothing to accumulate in");
  if (w->wrong)
    return;
  deferred = w->deferred;
  check_deferred (w, s);
  w->deferred = NULL;
  switch (s->phase) {
    case CNN3D_PHASE_FORWARD:
    case CNN3D_PHASE_RECOMPUTE:
      walk_forward (w, s);
      break;
    case CNN3D_PHASE_BACKWARD_WEIGHTS:
      walk_backward_weights (w, s);
      break;
    case CNN3D_PHASE_BACKWARD:
      walk_backward (w, s);
      break;
    default:
      walk_update (w, s);
  }
  if (deferred && deferred->in != deferred->out)
    read_activation (w, deferred, deferred->in, w->net->ops[deferred->op].in);
  /* scratch must be intact until the step ends, then it is released */
  if (scratch_bytes (w, s) && s->phase != CNN3D_PHASE_UPDATE) {
    walk_read (w, s->scratch, SCRATCH, s->op, 0, 1, scratch_bytes (w, s));
    if (!w->wrong)
      walk_erase (w, s->scratch, scratch_bytes (w, s));
  }
}

/* Which ops train, and which tensors' gradients are needed: derived from the parameters,
 * independently of the plan. */
static inline void
walk_needs (const Cnn3dNetwork *net, const gboolean *trained, gboolean *own, gboolean *leads)
{
  for (guint i = 0; i < net->n_weights; i++)
    own[net->weights[i].op] |=
        CNN3D_PARAM_TRAINED (net->weights[i].role) && (!trained || trained[i]);
  for (guint round = 0; round < net->n_ops; round++) {
    gboolean more = FALSE;

    for (guint i = 0; i < net->n_ops; i++) {
      const Cnn3dOp *op = &net->ops[i];

      if (op->out < 0 || leads[op->out])
        continue;
      leads[op->out] =
          own[i] || (op->in >= 0 && leads[op->in]) || (op->residual >= 0 && leads[op->residual]);
      more |= leads[op->out];
    }
    if (!more)
      break;
  }
}

/* Everything required was done. */
static inline void
walk_end (Walk *w)
{
  w->step = w->plan->n_steps;
  if (w->next != (gint) w->net->n_ops)
    complain (w, "%d forward steps", w->next);
  for (guint i = 0; i < w->copies->len; i++)
    if (!g_array_index (w->copies, WalkCopy, i).done)
      complain (w, "nothing waits for copy %u", i);
  for (guint i = 0; i < w->net->n_ops && w->params->training; i++) {
    const Cnn3dOp *op = &w->net->ops[i];
    const gboolean plain = op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR;
    const gboolean needs =
        op->kind != CNN3D_OP_INPUT && op->out >= 0 && w->leads[plain ? op->in : op->out];

    if (w->backed[i] != needs || w->updated[i] != (w->own[i] && w->params->updates)
        || w->weighted[i] != (plain && w->own[i] ? walk_op_rows (w, i) : 0))
      complain (w, "op %u: backward %d, weights %u, update %d", i, w->backed[i], w->weighted[i],
          w->updated[i]);
  }
}

/* A buffer's contents are invalid after its last step. */
static inline void
walk_forget (Walk *w)
{
  for (guint i = 0; i < w->plan->n_buffers; i++) {
    const Cnn3dBuffer *b = &w->plan->buffers[i];

    if (b->last != w->step)
      continue;
    walk_touch (w, b->offset, b->bytes, TRUE);
    walk_erase (w, b->offset, b->bytes);
  }
}

#define WALK_ALL G_MAXUINT

/* NULL: the plan is valid; else the error. without: a step to leave out. */
static inline gchar *
walk_plan (const Cnn3dNetwork *net, const Cnn3dSizes *sizes, const Cnn3dPlan *plan,
    const Cnn3dPlanParams *params, guint without)
{
  Walk w = { net, sizes, plan, params, g_array_new (FALSE, FALSE, sizeof (Region)),
    g_new0 (gboolean, net->n_ops), g_new0 (gboolean, net->n_tensors), g_new0 (guint, net->n_ops),
    g_new0 (gboolean, net->n_ops), g_new0 (gboolean, net->n_ops), 0, NULL, NULL,
    g_array_new (FALSE, FALSE, sizeof (WalkCopy)), 0 };

  walk_needs (net, params->trained, w.own, w.leads);
  for (w.step = 0; w.step < plan->n_steps && !w.wrong; w.step++) {
    if (w.step != without)
      walk_step (&w, &plan->steps[w.step]);
    walk_forget (&w);
  }
  if (!w.wrong)
    walk_end (&w);
  g_array_free (w.regions, TRUE);
  g_array_free (w.copies, TRUE);
  g_free (w.own);
  g_free (w.leads);
  g_free (w.weighted);
  g_free (w.backed);
  g_free (w.updated);
  return w.wrong;
}

static inline void
walk_count (const Cnn3dNetwork *net, const Cnn3dPlan *plan, guint batch, WalkSeen *seen)
{
  for (guint i = 0; i < plan->n_steps; i++) {
    const Cnn3dStep *s = &plan->steps[i];
    const Cnn3dOpKind kind = net->ops[s->op].kind;
    const gboolean again = s->phase == CNN3D_PHASE_RECOMPUTE;

    if (s->phase >= CNN3D_N_PHASES) {
      seen->copies++;
      continue;
    }
    seen->deferred += s->defers;
    seen->statistics += s->statistics != CNN3D_NOWHERE;
    seen->slices += s->clips < batch * cnn3d_op_views (net, s->op);
    seen->sums += s->adds;
    seen->strided += s->accumulate;
    seen->over += s->phase == CNN3D_PHASE_BACKWARD && kind == CNN3D_OP_CONV && s->din == s->dout[0];
    seen->made_convs += again && kind == CNN3D_OP_CONV;
    seen->made_norms += again && kind == CNN3D_OP_NORM;
    seen->made_pools += again && kind == CNN3D_OP_MAX_POOL;
    seen->updates += s->phase == CNN3D_PHASE_UPDATE;
  }
}

#endif
