/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/plan/plan.h"

#include "src/plan/pass.h"

#include <string.h>

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

/* --- where they lie --- */

/* The largest sum of sizes that are alive at one step, and which step that is. */
static gsize
most_alive (const Cnn3dBuffer *buffers, guint n, guint *when)
{
  g_autofree gssize *change = NULL;
  gssize most = 0, sum = 0;
  guint n_steps = 0;

  for (guint i = 0; i < n; i++)
    n_steps = MAX (n_steps, buffers[i].last + 1);
  change = g_new0 (gssize, n_steps + 1);
  for (guint i = 0; i < n; i++) {
    change[buffers[i].first] += buffers[i].bytes;
    change[buffers[i].last + 1] -= buffers[i].bytes;
  }
  *when = 0;
  for (guint s = 0; s < n_steps; s++) {
    sum += change[s];
    if (sum > most) {
      most = sum;
      *when = s;
    }
  }
  return most;
}

gsize
cnn3d_pass_live (const Pass *pass)
{
  guint when;

  return most_alive ((const Cnn3dBuffer *) pass->buffers->data, pass->buffers->len, &when);
}

static inline gsize
aligned (gsize bytes)
{
  return (bytes + CNN3D_ARENA_ALIGNMENT - 1) & ~(gsize) (CNN3D_ARENA_ALIGNMENT - 1);
}

/* In which order buffers get their places. None is best for every plan. */
typedef enum {
  LARGEST_FIRST,
  LONGEST_FIRST,
  CROWD_FIRST,                  /* what is alive where most is, the longest first; then the largest */
  NEAREST_FIRST,                /* to where most is alive */
  EARLIEST_FIRST,
  LATEST_FIRST,
  N_ORDERS
} Order;

typedef struct {
  const Cnn3dBuffer *buffers;
  guint n;
  guint crowd;                  /* the step where most is alive */
  Order by;
  guint *order;                 /* buffers as they get their places */
  gsize *offset;                /* [buffer] */
  guint *placed;                /* buffers by offset */
} Packing;

/* Steps from it to where most is alive. */
static inline guint
distance (const Packing *p, const Cnn3dBuffer *b)
{
  return b->first > p->crowd ? b->first - p->crowd : b->last < p->crowd ? p->crowd - b->last : 0;
}

static gint
compare (gconstpointer a, gconstpointer b, gpointer data)
{
  const Packing *p = data;
  const guint i = *(const guint *) a, j = *(const guint *) b;
  const Cnn3dBuffer *x = &p->buffers[i], *y = &p->buffers[j];
  const guint x_life = x->last - x->first, y_life = y->last - y->first;
  const guint x_far = distance (p, x), y_far = distance (p, y);

  if (p->by == EARLIEST_FIRST && x->first != y->first)
    return x->first < y->first ? -1 : 1;
  if (p->by == LATEST_FIRST && x->last != y->last)
    return x->last > y->last ? -1 : 1;
  if (p->by == NEAREST_FIRST && x_far != y_far)
    return x_far < y_far ? -1 : 1;
  if (p->by == CROWD_FIRST && !x_far != !y_far)
    return x_far ? 1 : -1;
  if ((p->by == LONGEST_FIRST || (p->by == CROWD_FIRST && !x_far)) && x_life != y_life)
    return x_life > y_life ? -1 : 1;
  if (x->bytes != y->bytes)
    return x->bytes > y->bytes ? -1 : 1;
  return i < j ? -1 : 1;
}

/* Places one after the other in the tightest gap, or in the lowest; returns the
 * arena's size. */
static gsize
place (Packing *p, gboolean lowest)
{
  guint n_placed = 0;
  gsize total = 0;

  for (guint k = 0; k < p->n; k++) {
    const Cnn3dBuffer *b = &p->buffers[p->order[k]];
    const gsize bytes = aligned (b->bytes);
    gsize at = 0, best = CNN3D_NOWHERE, best_gap = G_MAXSIZE;
    guint where;

    for (guint j = 0; j < n_placed && !(lowest && best != CNN3D_NOWHERE); j++) {
      const Cnn3dBuffer *other = &p->buffers[p->placed[j]];
      const gsize offset = p->offset[p->placed[j]];

      if (other->last < b->first || other->first > b->last)
        continue;
      if (offset >= at + bytes && offset - at < best_gap) {
        best = at;
        best_gap = offset - at;
      }
      at = MAX (at, offset + aligned (other->bytes));
    }
    if (best == CNN3D_NOWHERE)
      best = at;
    p->offset[p->order[k]] = best;
    total = MAX (total, best + bytes);
    for (where = n_placed; where > 0 && p->offset[p->placed[where - 1]] > best; where--)
      p->placed[where] = p->placed[where - 1];
    p->placed[where] = p->order[k];
    n_placed++;
  }
  return total;
}

#define PACK_WORK 100000        /* buffers placed in all the tries of one climb */
#define PACK_GOOD 1.003         /* of what is alive: not worth another try */

/* What ended highest gets its place earlier, anywhere before its turn; or, at
 * random too, something that was in its way does. */
static void
hurry_one (Packing *p, const gsize *offset, gsize total, gboolean other, GRand *random)
{
  guint highest = 0, late, from, to;

  while (offset[p->order[highest]] + aligned (p->buffers[p->order[highest]].bytes) < total)
    highest++;
  from = highest;
  if (other && highest > 0) {
    const Cnn3dBuffer *b = &p->buffers[p->order[highest]], *o;

    /* the next from there on that is alive with it; at the latest itself */
    from = g_rand_int_range (random, 0, highest);
    while (o = &p->buffers[p->order[from]], o->last < b->first || o->first > b->last)
      from++;
  }
  to = from ? g_rand_int_range (random, 0, from) : 0;
  late = p->order[from];
  memmove (p->order + to + 1, p->order + to, (from - to) * sizeof *p->order);
  p->order[to] = late;
}

static void
sort_by (Packing *p, Order by)
{
  p->by = by;
  for (guint i = 0; i < p->n; i++)
    p->order[i] = i;
  g_qsort_with_data (p->order, p->n, sizeof *p->order, compare, p);
}

static void
keep_better (const Packing *p, Cnn3dBuffer *buffers, gsize total, gsize *best)
{
  if (total >= *best)
    return;
  *best = total;
  for (guint i = 0; i < p->n; i++)
    buffers[i].offset = p->offset[i];
}

/* From one order on, better ones step by step, in at most `tries`. */
static void
climb (Packing *p, Cnn3dBuffer *buffers, guint tries, gsize good, GRand *random, gsize *best)
{
  g_autofree guint *order = g_memdup2 (p->order, p->n * sizeof *p->order);
  g_autofree gsize *offset = NULL;
  gsize now = place (p, FALSE);

  offset = g_memdup2 (p->offset, p->n * sizeof *p->offset);
  for (guint t = 0; t < tries && *best > good; t++) {
    gsize total;

    memcpy (p->order, order, p->n * sizeof *order);
    hurry_one (p, offset, now, t % 2, random);
    total = place (p, FALSE);
    /* as good will do: another is highest then */
    if (total > now)
      continue;
    now = total;
    memcpy (order, p->order, p->n * sizeof *order);
    memcpy (offset, p->offset, p->n * sizeof *offset);
    keep_better (p, buffers, total, best);
  }
}

gsize
cnn3d_plan_pack (Cnn3dBuffer *buffers, guint n)
{
  static const Order starts[] = { CROWD_FIRST, LARGEST_FIRST, LONGEST_FIRST };
  g_autofree guint *order = g_new (guint, n), *placed = g_new (guint, n);
  g_autofree gsize *offset = g_new (gsize, n);
  Packing p = { buffers, n, 0, LARGEST_FIRST, order, offset, placed };
  gsize good, best = G_MAXSIZE;
  GRand *random;

  if (n == 0)
    return 0;
  good = most_alive (buffers, n, &p.crowd) * PACK_GOOD;
  for (guint t = 0; t < 2 * N_ORDERS && best > good; t++) {
    sort_by (&p, t / 2);
    keep_better (&p, buffers, place (&p, t % 2), &best);
  }
  random = g_rand_new_with_seed (n);    /* the same numbers for the same buffers */
  for (guint s = 0; s < G_N_ELEMENTS (starts) && best > good; s++) {
    sort_by (&p, starts[s]);
    climb (&p, buffers, PACK_WORK / n, good, random, &best);
  }
  g_rand_free (random);
  return best;
}

/* --- what it costs --- */

static gdouble
clip_bytes (const Cnn3dSizes *sizes, gint tensor)
{
  return tensor < 0 ? 0 : (gdouble) sizes->activation[tensor] / sizes->batch;
}

static void
add_cost (Cnn3dPlan *plan, const Cnn3dNetwork *net, const Cnn3dSizes *sizes, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &net->ops[s->op];
  const gdouble in = clip_bytes (sizes, op->in), out = clip_bytes (sizes, op->out);
  const gdouble residual = clip_bytes (sizes, op->residual);
  gdouble bytes = 0;

  if (op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_LINEAR) {
    if (s->phase != CNN3D_PHASE_UPDATE)
      plan->macs += (gdouble) cnn3d_op_macs (net, s->op) * s->clips;
    bytes = in + out;
  } else if (op->kind != CNN3D_OP_NORM) {
    bytes = in + out;
  } else if (s->phase == CNN3D_PHASE_FORWARD) {
    bytes = 2 * in + residual + out;    /* statistics, then normalise */
  } else if (s->phase == CNN3D_PHASE_RECOMPUTE) {
    bytes = in + residual + out;
  } else {
    bytes = 2 * (in + out) + (s->dout[1] != CNN3D_NOWHERE ? out : 0) + (s->dresidual != CNN3D_NOWHERE ? out : 0)
        + (s->din != CNN3D_NOWHERE ? in : 0);
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
  plan->live_bytes = cnn3d_pass_live (&pass);
  plan->n_forward = pass.n_forward;
  for (guint i = 0; i < pass.steps->len; i++) {
    Cnn3dStep *s = &g_array_index (pass.steps, Cnn3dStep, i);

    add_cost (plan, network, sizes, s);
    to_offset (&pass, &s->in);
    to_offset (&pass, &s->residual);
    to_offset (&pass, &s->out);
    to_offset (&pass, &s->saved);
    to_offset (&pass, &s->scratch);
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
