/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/convcheck.h"

#include <math.h>
#include <string.h>

/* Multiply-adds of the plain loops, about, where not more are needed to meet
 * every tap and corner: some hundredths of a second. */
#define PRODUCTS ((gint64) 1 << 24)
#define LEAST_ENTRIES 8         /* vectors of weights that a block has at least */
#define LEAST_POINTS 20         /* gradients that a block has at least; there are 16 corners */
#define GUARD_BYTES (64 << 10)  /* at least, before and behind a tensor */

/* One end of the convolution: (clips, C, D, H, W), blocked or plain. */
typedef struct {
  gint c, lanes, d, h, w;       /* c: padded to whole blocks */
  gsize points;
  gsize element;
  guint8 *data;
} End;

/* What is not 0 of the one operand that is sparse, so that the plain loops are
 * short: a vector over one block's lanes. Forward: weights of the channels that
 * come out, for one that goes in; backward-data: the other way round;
 * backward-weights: the gradient of one point of `out`. */
typedef struct {
  gint block, channel, tap;
  gint clip, point[3];
  gfloat v[16];
} Entry;

typedef struct {
  const Cnn3dModel *model;
  gint op;
  guint clips;
  CpuConvPass *pass;
  const Cnn3dOp *o;
  gint taps;
  End in, out;
  guint8 *memory;
  gsize bytes;
  CpuConvOperands operands;
  gfloat *plain;                /* (O, I, taps): weights, or their gradient as it came out */
  gpointer scratch;
  GArray *entries;              /* Entry */
} Check;

/* --- numbers --- */

static guint32
hash (guint64 n)
{
  n = (n + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
  n = (n ^ n >> 29) * 0x94d049bb133111eb;
  return n >> 32;
}

static gfloat
sign (guint64 n)
{
  return hash (n) & 1 ? 1 : -1;
}

static gfloat
get (const End *e, gsize i)
{
  guint32 bits;
  gfloat value;

  if (e->element == 4)
    return ((const gfloat *) e->data)[i];
  bits = (guint32) ((const guint16 *) e->data)[i] << 16;
  memcpy (&value, &bits, sizeof value);
  return value;
}

/* value: one that bf16 has exactly. */
static void
set (const End *e, gsize i, gfloat value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  if (e->element == 4)
    ((gfloat *) e->data)[i] = value;
  else
    ((guint16 *) e->data)[i] = bits >> 16;
}

static gsize
numbers (const Check *k, const End *e)
{
  return (gsize) k->clips * e->c * e->points;
}

/* Where point 0 of a clip's channel lies; the next points follow `lanes` apart. */
static gsize
place (const End *e, guint clip, gint channel)
{
  const gint blocks = e->c / e->lanes;

  return ((gsize) clip * blocks + channel / e->lanes) * e->points * e->lanes + channel % e->lanes;
}

/* --- what goes in --- */

static void
fill_dense (const Check *k, const End *e, guint64 seed)
{
  const gsize n = numbers (k, e);

#pragma omp parallel for num_threads (k->model->device->threads) schedule (static)
  for (gsize i = 0; i < n; i += 32) {
    const guint32 bits = hash (seed << 40 | i);

    for (gsize j = i; j < MIN (i + 32, n); j++)
      set (e, j, bits >> (j - i) & 1 ? 1 : -1);
  }
}

static gint
n_entries (const Check *k, const End *block_end, const End *channel_end)
{
  const gint64 all = (gint64) k->taps * channel_end->c;
  const gint64 each = (gint64) k->clips * block_end->c * k->out.points;
  const gint blocks = block_end->c / block_end->lanes;

  return MIN (all, MAX (MAX (LEAST_ENTRIES, (k->taps + blocks - 1) / blocks), PRODUCTS / each));
}

/* Sparse weights, every tap among them. */
static void
fill_weights (Check *k)
{
  const gboolean forward = k->pass->pass == CPU_FORWARD;
  const End *blocks = forward ? &k->out : &k->in, *channels = forward ? &k->in : &k->out;
  const gint n = n_entries (k, blocks, channels);

  for (gint block = 0; block < blocks->c / blocks->lanes; block++)
    for (gint i = 0; i < n; i++) {
      /* all channels in turn where there is room, others wherever it falls */
      Entry e = { block, n == k->taps * channels->c ? i / k->taps
            : (gint) (hash (block * 65536u + i) % channels->c), (block * n + i) % k->taps };
      gfloat *first;
      gsize step;

      if (forward) {
        first = k->plain + ((gsize) block * blocks->lanes * k->in.c + e.channel) * k->taps + e.tap;
        step = (gsize) k->in.c * k->taps;
      } else {
        first = k->plain + ((gsize) e.channel * k->in.c + block * blocks->lanes) * k->taps + e.tap;
        step = k->taps;
      }
      if (*first)
        continue;               /* it is there already */
      for (gint l = 0; l < blocks->lanes; l++)
        first[l * step] = e.v[l] = sign ((guint64) block << 40 | (guint64) i << 8 | l);
      g_array_append_val (k->entries, e);
    }
}

/* Few gradients that are not 0, those at the corners of the first and last clip
 * among them. */
static void
fill_gradient (Check *k)
{
  const End *e = &k->out;
  const gint64 each = (gint64) e->c * k->in.c * k->taps;
  const gint points = MIN ((gint64) k->clips * e->points, MAX (LEAST_POINTS, PRODUCTS / each));

  for (gint block = 0; block < e->c / e->lanes; block++)
    for (gint i = 0; i < points; i++) {
      const guint32 any = hash ((guint64) block << 32 | i);
      Entry n = {.block = block };
      gsize at;

      if (i < 16) {
        n.clip = i & 1 ? k->clips - 1 : 0;
        n.point[0] = i & 2 ? e->d - 1 : 0;
        n.point[1] = i & 4 ? e->h - 1 : 0;
        n.point[2] = i & 8 ? e->w - 1 : 0;
      } else {
        n.clip = any % k->clips;
        n.point[0] = any / 3 % e->d;
        n.point[1] = any / 5 % 65536 % e->h;
        n.point[2] = any / 7 % 65521 % e->w;
      }
      at = place (e, n.clip, block * e->lanes)
          + (((gsize) n.point[0] * e->h + n.point[1]) * e->w + n.point[2]) * e->lanes;
      if (get (e, at) != 0)
        continue;               /* it is there already */
      for (gint l = 0; l < e->lanes; l++) {
        n.v[l] = sign ((guint64) any << 8 | l);
        set (e, at + l, n.v[l]);
      }
      g_array_append_val (k->entries, n);
    }
}

/* --- what must come out --- */

static gboolean
is_near (gdouble got, gdouble expected, gsize element)
{
  return fabs (got - expected) <= 0.25 + fabs (expected) * (element == 2 ? 0x1p-8 : 0x1p-20);
}

/* Along one axis: the points [*first, *end) of `out` that read a point of `in`
 * through the window's point `tap`. */
static void
reached (const Check *k, gint axis, gint tap, gint in, gint out, gint *first, gint *end)
{
  const gint stride = k->o->stride[axis], shift = tap - k->o->pad[axis];

  *first = 0;
  *end = out;
  while (*first < *end && *first * stride + shift < 0)
    ++*first;
  while (*end > *first && (*end - 1) * stride + shift >= in)
    --*end;
}

/* sums (points, lanes) += x (points) * v (lanes), sums a stride of points apart */
static void
add_row (gint points, gint lanes, gfloat *restrict sums, gint stride, const gfloat *restrict x, const gfloat *restrict v)
{
  if (lanes == 16)
    for (gint p = 0; p < points; p++)
      for (gint l = 0; l < 16; l++)
        sums[p * stride * 16 + l] += x[p] * v[l];
  else
    for (gint p = 0; p < points; p++)
      for (gint l = 0; l < 8; l++)
        sums[p * stride * 8 + l] += x[p] * v[l];
}

/* Adds one entry's products to the sums of a clip's block, (D, H, W, lanes). row:
 * room for one of the other end's rows. */
static void
add_entry (const Check *k, const Entry *e, gint clip, gfloat *sums, gfloat *row)
{
  const gboolean forward = k->pass->pass == CPU_FORWARD;
  const End *in = &k->in, *out = &k->out, *from = forward ? in : out;
  const gint *kernel = k->o->kernel, *stride = k->o->stride, *pad = k->o->pad, lanes = forward ? out->lanes : in->lanes;
  const gint tap[3] = { e->tap / (kernel[1] * kernel[2]), e->tap / kernel[2] % kernel[1], e->tap % kernel[2] };
  const gsize base = place (from, clip, e->channel);
  gint first[3], end[3];

  reached (k, 0, tap[0], in->d, out->d, &first[0], &end[0]);
  reached (k, 1, tap[1], in->h, out->h, &first[1], &end[1]);
  reached (k, 2, tap[2], in->w, out->w, &first[2], &end[2]);
  for (gint d = first[0]; d < end[0]; d++)
    for (gint h = first[1]; h < end[1]; h++) {
      const gsize in_point = ((gsize) (d * stride[0] + tap[0] - pad[0]) * in->h + h * stride[1] + tap[1] - pad[1])
          * in->w + first[2] * stride[2] + tap[2] - pad[2];
      const gsize out_point = ((gsize) d * out->h + h) * out->w + first[2];
      const gint n = end[2] - first[2], step = forward ? stride[2] : 1;

      for (gint p = 0; p < n; p++)
        row[p] = get (from, base + ((forward ? in_point : out_point) + p * step) * from->lanes);
      add_row (n, lanes, sums + (forward ? out_point : in_point) * lanes, forward ? 1 : stride[2], row, e->v);
    }
}

/* Forward: sums of inputs; backward-data: of gradients. */
static gboolean
compare_end (const Check *k)
{
  const End *to = k->pass->pass == CPU_FORWARD ? &k->out : &k->in;
  const gint blocks = to->c / to->lanes;
  gint wrong = 0;

#pragma omp parallel for num_threads (k->model->device->threads) schedule (dynamic)
  for (gint i = 0; i < (gint) k->clips * blocks; i++) {
    const gsize n = to->points * to->lanes;
    g_autofree gfloat *sums = g_new0 (gfloat, n), *row = g_new (gfloat, k->out.w);

    for (guint j = 0; j < k->entries->len; j++) {
      const Entry *e = &g_array_index (k->entries, Entry, j);

      if (e->block == i % blocks)
        add_entry (k, e, i / blocks, sums, row);
    }
    for (gsize p = 0; p < n; p++)
      if (!is_near (get (to, i * n + p), sums[p], to->element))
#pragma omp atomic write
        wrong = 1;
  }
  return !wrong;
}

/* Where the taps of the window at an entry's point lie in `in`; -1: outside. */
static void
find_taps (const Check *k, const Entry *e, gint64 *points)
{
  const gint *kernel = k->o->kernel, *stride = k->o->stride, *pad = k->o->pad;
  const End *in = &k->in;

  for (gint tap = 0; tap < k->taps; tap++) {
    const gint d = e->point[0] * stride[0] + tap / (kernel[1] * kernel[2]) - pad[0];
    const gint h = e->point[1] * stride[1] + tap / kernel[2] % kernel[1] - pad[1];
    const gint w = e->point[2] * stride[2] + tap % kernel[2] - pad[2];
    const gboolean inside = d >= 0 && d < in->d && h >= 0 && h < in->h && w >= 0 && w < in->w;

    points[tap] = inside ? ((gint64) d * in->h + h) * in->w + w : -1;
  }
}

/* k->plain is the gradient that came out. */
static gboolean
compare_weights (const Check *k)
{
  const End *out = &k->out, *in = &k->in;
  const gint lanes = out->lanes, n = in->c * k->taps;
  gint wrong = 0;

#pragma omp parallel for num_threads (k->model->device->threads) schedule (dynamic)
  for (gint block = 0; block < out->c / lanes; block++) {
    g_autofree gfloat *sums = g_new0 (gfloat, (gsize) n * lanes);
    g_autofree gint64 *points = g_new (gint64, k->taps);

    for (guint j = 0; j < k->entries->len; j++) {
      const Entry *e = &g_array_index (k->entries, Entry, j);

      if (e->block != block)
        continue;
      find_taps (k, e, points);
      for (gint channel = 0; channel < in->c; channel++) {
        const gsize base = place (in, e->clip, channel);

        for (gint tap = 0; tap < k->taps; tap++) {
          const gfloat x = points[tap] < 0 ? 0 : get (in, base + points[tap] * in->lanes);

          add_row (1, lanes, sums + ((gsize) channel * k->taps + tap) * lanes, 1, &x, e->v);
        }
      }
    }
    for (gint j = 0; j < n; j++)
      for (gint l = 0; l < lanes; l++)
        if (!is_near (k->plain[(gsize) (block * lanes + l) * n + j], sums[(gsize) j * lanes + l], sizeof (gfloat)))
#pragma omp atomic write
          wrong = 1;
  }
  return !wrong;
}

/* --- the memory for it --- */

/* A piece with what surrounds it, all NaN. */
static gpointer
take (Check *k, gsize *at, gsize bytes)
{
  const gsize guard = cpu_align (MAX (GUARD_BYTES, 2 * MAX ((gsize) k->in.h * k->in.w * k->in.lanes * k->in.element,
              (gsize) k->out.h * k->out.w * k->out.lanes * k->out.element)));
  const gsize start = cpu_align (*at + guard);

  *at = start + bytes + guard;
  return k->memory ? k->memory + start : NULL;
}

static gsize
lay_out (Check *k)
{
  const Cnn3dModel *m = k->model;
  const CpuConvWeights *w = &m->conv[k->op];
  const gsize gradient = m->layout.length[k->o->weight] * sizeof (gfloat);
  gsize at = 0;

  k->in.data = take (k, &at, numbers (k, &k->in) * k->in.element);
  k->out.data = take (k, &at, numbers (k, &k->out) * k->out.element);
  k->operands.masters = take (k, &at, cpu_desc_size (w->master));
  k->operands.copy = w->copy && m->params.keeps_copy ? take (k, &at, cpu_desc_size (w->copy)) : NULL;
  k->operands.gradient = take (k, &at, gradient);
  k->plain = take (k, &at, cpu_desc_size (w->plain));
  k->scratch = take (k, &at, k->pass->scratch);
  k->operands.in = k->in.data;
  k->operands.out = k->out.data;
  return at;
}

/* Is there still nothing but NaN between the pieces? */
static gboolean
is_untouched (const Check *k)
{
  const struct {
    gconstpointer start;
    gsize bytes;
  } pieces[] = {
    {k->memory, 0}, {k->in.data, numbers (k, &k->in) * k->in.element},
    {k->out.data, numbers (k, &k->out) * k->out.element},
    {k->operands.masters, cpu_desc_size (k->model->conv[k->op].master)},
    {k->operands.copy, k->operands.copy ? cpu_desc_size (k->model->conv[k->op].copy) : 0},
    {k->operands.gradient, k->model->layout.length[k->o->weight] * sizeof (gfloat)},
    {k->plain, cpu_desc_size (k->model->conv[k->op].plain)}, {k->scratch, k->pass->scratch},
    {k->memory + k->bytes, 0},
  };
  const guint8 *end = k->memory;
  gsize between;

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++) {
    if (!pieces[i].start)
      continue;
    /* all bytes are as the one before, and the first is right */
    between = (const guint8 *) pieces[i].start - end;
    if (between && (*end != 0xff || memcmp (end, end + 1, between - 1)))
      return FALSE;
    end = (const guint8 *) pieces[i].start + pieces[i].bytes;
  }
  return TRUE;
}

static gboolean
run_reorder (const Check *k, CpuDesc from, CpuDesc to, gpointer source, gpointer target, GError **error)
{
  CpuDnnl *dnnl = &k->model->device->dnnl;
  CpuPrimitive reorder;
  g_auto (Cnn3dTemporary) scratch = { NULL };
  gboolean ok;

  if (!cpu_reorder_new (dnnl, from, to, &reorder, error))
    return FALSE;
  ok = (!reorder.scratch || cnn3d_temporary_take (&scratch, reorder.scratch, "checking a convolution", error))
      && cpu_primitive_run (dnnl, &reorder, source, target, NULL, scratch.data, error);
  cpu_primitive_clear (&reorder);
  return ok;
}

static gboolean
fill (Check *k, GError **error)
{
  const CpuConvWeights *w = &k->model->conv[k->op];

  if (k->pass->pass != CPU_BACKWARD_DATA)
    fill_dense (k, &k->in, 1);
  if (k->pass->pass == CPU_BACKWARD_DATA)
    fill_dense (k, &k->out, 2);
  if (k->pass->pass == CPU_BACKWARD_WEIGHTS) {
    memset (k->out.data, 0, numbers (k, &k->out) * k->out.element);
    fill_gradient (k);
    return TRUE;
  }
  memset (k->plain, 0, cpu_desc_size (w->plain));
  fill_weights (k);
  return run_reorder (k, w->plain, w->master, k->plain, k->operands.masters, error)
      && (!k->operands.copy || run_reorder (k, w->master, w->copy, k->operands.masters, k->operands.copy, error));
}

/* NaN, as f32 and as bf16. */
static void
poison (const Check *k)
{
  const gsize piece = 1 << 20;

#pragma omp parallel for num_threads (k->model->device->threads) schedule (static)
  for (gsize i = 0; i < k->bytes; i += piece)
    memset (k->memory + i, 0xff, MIN (piece, k->bytes - i));
}

static void
end_init (End *e, const Cnn3dModel *m, gint tensor)
{
  const Cnn3dTensor *t = &m->net->tensors[tensor];
  const gboolean blocked = cpu_is_blocked (m->net, tensor);

  *e = (End) { blocked ? cpu_round_up (t->c, m->lanes) : t->c, blocked ? m->lanes : 1, t->d, t->h, t->w,
    cpu_points (t), m->element
  };
}

gboolean
cpu_conv_check (Cnn3dModel *m, gint op, guint clips, CpuConvPass *c, gboolean *right, GError **error)
{
  const Cnn3dOp *o = &m->net->ops[op];
  const CpuConvWeights *w = &m->conv[op];
  Check k = { m, op, clips, c, o, o->kernel[0] * o->kernel[1] * o->kernel[2] };
  Cnn3dTemporary *memory = &m->device->check_memory;
  gboolean ok;

  *right = FALSE;
  end_init (&k.in, m, o->in);
  end_init (&k.out, m, o->out);
  k.bytes = lay_out (&k);
  if (!memory->data || memory->bytes < k.bytes) {
    cnn3d_temporary_give_back (memory);
    if (!cnn3d_temporary_take (memory, k.bytes, "checking a convolution", error))
      return FALSE;
  }
  k.memory = memory->data;
  k.entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  lay_out (&k);
  poison (&k);
  ok = fill (&k, error) && cpu_conv_pass_prepare (m, c, &k.operands, k.scratch, error)
      && cpu_conv_pass_run (m, o, c, &k.operands, k.scratch, error);
  if (ok && c->pass == CPU_BACKWARD_WEIGHTS)
    ok = run_reorder (&k, w->master, w->plain, k.operands.gradient, k.plain, error);
  if (ok)
    *right = (c->pass == CPU_BACKWARD_WEIGHTS ? compare_weights (&k) : compare_end (&k)) && is_untouched (&k);
  g_array_unref (k.entries);
  return ok;
}
