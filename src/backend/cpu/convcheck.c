/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/convcheck.h"

#include <math.h>
#include <string.h>

#define GUARD_BYTES (64 << 10) /* at least, before and behind a tensor */

/* One end of the convolution: (clips, C, D, H, W), blocked or plain. */
typedef struct {
  gint c, lanes, d, h, w; /* c: padded to whole blocks */
  gsize points;
  gsize element;
  guint8 *data;
} End;

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
  gfloat *plain; /* (O, I, taps): weights, or their gradient as it came out */
  guint8 *scratch;
} Check;

/* All inputs are 1 or -1. The plain loops need not compute the whole convolution: if it has many
 * outputs of one kind (output channels; for a gradient of weights, channels of `out`), each is the
 * same sum times its own factor. So the loops compute one sum, of nonzero products, and each output
 * is compared with its multiple. */

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

#pragma omp parallel for num_threads(k->model->device->threads) schedule(static)
  for (gsize i = 0; i < n; i += 32) {
    const guint32 bits = hash (seed << 40 | i);

    for (gsize j = i; j < MIN (i + 32, n); j++)
      set (e, j, bits >> (j - i) & 1 ? 1 : -1);
  }
}

/* Of an output of one kind. */
static gfloat
factor (gint channel)
{
  static const gfloat factors[] = { 1, -1, 2, -2 };

  return factors[hash ((guint64) 3 << 40 | channel) & 3];
}

/* Of a weight before its factor: forward, by the channel that goes in;
 * backward-data, by the one that has come out. */
static gfloat
tap_sign (const Check *k, gint channel, gint tap)
{
  return sign ((guint64) 4 << 40 | ((guint64) channel * k->taps + tap));
}

/* Of the gradient of a point of `out` before its factor. */
static gfloat
point_sign (const Check *k, gint clip, gsize point)
{
  return sign ((guint64) 5 << 40 | (clip * k->out.points + point));
}

static void
fill_weights (Check *k)
{
  const gboolean forward = k->pass->pass == CPU_FORWARD;

#pragma omp parallel for num_threads(k->model->device->threads) schedule(static)
  for (gint o = 0; o < k->out.c; o++)
    for (gint i = 0; i < k->in.c; i++)
      for (gint tap = 0; tap < k->taps; tap++)
        k->plain[((gsize) o * k->in.c + i) * k->taps + tap] =
            factor (forward ? o : i) * tap_sign (k, forward ? i : o, tap);
}

static void
fill_gradient (Check *k)
{
  const End *e = &k->out;

#pragma omp parallel for collapse(2) num_threads(k->model->device->threads) schedule(static)
  for (gint clip = 0; clip < (gint) k->clips; clip++)
    for (gint c = 0; c < e->c; c++)
      for (gsize p = 0; p < e->points; p++)
        set (e, place (e, clip, c) + p * e->lanes, factor (c) * point_sign (k, clip, p));
}

/* --- expected outputs --- */

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

static void
add_row (gint n, gfloat *restrict to, gint to_step, const gfloat *restrict from, gint from_step,
    gfloat weight)
{
  if (to_step == 1 && from_step == 1)
    for (gint i = 0; i < n; i++)
      to[i] += weight * from[i];
  else
    for (gint i = 0; i < n; i++)
      to[i * to_step] += weight * from[i * from_step];
}

static gfloat
dot_row (gint n, const gfloat *a, const gfloat *b, gint b_step)
{
  gfloat sum = 0;

#pragma omp simd reduction(+ : sum)
  for (gint i = 0; i < n; i++)
    sum += a[i] * b[i * b_step];
  return sum;
}

/* All points of `in` and `out` that belong together through one tap: forward, out
 * += weight * in; backward-data, the other way round; backward-weights, the sum
 * of their products is returned. in, out: one channel's points. */
static gfloat
convolve (const Check *k, gint tap, gfloat *in, gfloat *out, gfloat weight)
{
  const gint *kernel = k->o->kernel, *stride = k->o->stride, *pad = k->o->pad;
  const gint at[3] = { tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1],
    tap % kernel[2] };
  gfloat sum = 0;
  gint first[3], end[3];

  reached (k, 0, at[0], k->in.d, k->out.d, &first[0], &end[0]);
  reached (k, 1, at[1], k->in.h, k->out.h, &first[1], &end[1]);
  reached (k, 2, at[2], k->in.w, k->out.w, &first[2], &end[2]);
  for (gint d = first[0]; d < end[0]; d++)
    for (gint h = first[1]; h < end[1]; h++) {
      gfloat *x = in
          + ((gsize) (d * stride[0] + at[0] - pad[0]) * k->in.h + h * stride[1] + at[1] - pad[1])
              * k->in.w
          + first[2] * stride[2] + at[2] - pad[2];
      gfloat *y = out + ((gsize) d * k->out.h + h) * k->out.w + first[2];
      const gint n = end[2] - first[2];

      if (k->pass->pass == CPU_FORWARD)
        add_row (n, y, 1, x, stride[2], weight);
      else if (k->pass->pass == CPU_BACKWARD_DATA)
        add_row (n, x, stride[2], y, 1, weight);
      else
        sum += dot_row (n, y, x, stride[2]);
    }
  return sum;
}

/* One channel's points. */
static void
extract (const End *e, gint clip, gint channel, gfloat *points)
{
  const gsize at = place (e, clip, channel);

  for (gsize p = 0; p < e->points; p++)
    points[p] = get (e, at + p * e->lanes);
}

static gboolean
compare_clip (const Check *k, gint clip)
{
  const gboolean forward = k->pass->pass == CPU_FORWARD;
  const End *to = forward ? &k->out : &k->in, *from = forward ? &k->in : &k->out;
  g_autofree gfloat *sums = g_new0 (gfloat, to->points);
  gint wrong = 0;

#pragma omp parallel num_threads(k->model->device->threads)
  {
    g_autofree gfloat *own = g_new0 (gfloat, to->points), *points = g_new (gfloat, from->points);

#pragma omp for schedule(dynamic)
    for (gint c = 0; c < from->c; c++) {
      extract (from, clip, c, points);
      for (gint tap = 0; tap < k->taps; tap++)
        convolve (k, tap, forward ? points : own, forward ? own : points, tap_sign (k, c, tap));
    }
#pragma omp critical(cnn3d_convcheck)
    for (gsize p = 0; p < to->points; p++)
      sums[p] += own[p];
#pragma omp barrier
#pragma omp for schedule(static)
    for (gint c = 0; c < to->c; c++) {
      const gsize at = place (to, clip, c);

      for (gsize p = 0; p < to->points; p++)
        if (!is_near (get (to, at + p * to->lanes), factor (c) * sums[p], to->element))
#pragma omp atomic write
          wrong = 1;
    }
  }
  return !wrong;
}

/* Forward: sums of inputs; backward-data: of gradients. */
static gboolean
compare_end (const Check *k)
{
  for (guint clip = 0; clip < k->clips; clip++)
    if (!compare_clip (k, clip))
      return FALSE;
  return TRUE;
}

/* k->plain is the gradient that came out. */
static gboolean
compare_weights (const Check *k)
{
  const End *in = &k->in, *out = &k->out;
  g_autofree gfloat *gradient = g_new (gfloat, k->clips * out->points);
  gint wrong = 0;

  for (guint clip = 0; clip < k->clips; clip++)
    for (gsize p = 0; p < out->points; p++)
      gradient[clip * out->points + p] = point_sign (k, clip, p);
#pragma omp parallel num_threads(k->model->device->threads)
  {
    g_autofree gfloat *sums = g_new (gfloat, k->taps), *points = g_new (gfloat, in->points);

#pragma omp for schedule(dynamic)
    for (gint c = 0; c < in->c; c++) {
      memset (sums, 0, k->taps * sizeof *sums);
      for (guint clip = 0; clip < k->clips; clip++) {
        extract (in, clip, c, points);
        for (gint tap = 0; tap < k->taps; tap++)
          sums[tap] += convolve (k, tap, points, gradient + clip * out->points, 0);
      }
      for (gint o = 0; o < out->c; o++)
        for (gint tap = 0; tap < k->taps; tap++)
          if (!is_near (k->plain[((gsize) o * in->c + c) * k->taps + tap], factor (o) * sums[tap],
                  sizeof (gfloat)))
#pragma omp atomic write
            wrong = 1;
    }
  }
  return !wrong;
}

/* --- memory --- */

/* A piece surrounded by NaN. */
static gpointer
take (Check *k, gsize *at, gsize bytes)
{
  const gsize guard = k->pass->gap, start = cpu_align (*at + guard);

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
  k->operands.copy =
      w->copy && m->params.keeps_copy ? take (k, &at, cpu_desc_size (w->copy)) : NULL;
  k->operands.gradient = take (k, &at, gradient);
  k->plain = take (k, &at, cpu_desc_size (w->plain));
  k->scratch = take (k, &at, k->pass->scratch + CPU_CONV_PIECES * k->pass->gap);
  k->operands.in = k->in.data;
  k->operands.out = k->out.data;
  return at;
}

/* Whether everything between the pieces is still NaN. */
static gboolean
is_untouched (const Check *k)
{
  const struct {
    gconstpointer start;
    gsize bytes;
  } pieces[] = {
    { k->memory, 0 },
    { k->in.data, numbers (k, &k->in) * k->in.element },
    { k->out.data, numbers (k, &k->out) * k->out.element },
    { k->operands.masters, cpu_desc_size (k->model->conv[k->op].master) },
    { k->operands.copy, k->operands.copy ? cpu_desc_size (k->model->conv[k->op].copy) : 0 },
    { k->operands.gradient, k->model->layout.length[k->o->weight] * sizeof (gfloat) },
    { k->plain, cpu_desc_size (k->model->conv[k->op].plain) },
    { k->scratch, k->pass->scratch + CPU_CONV_PIECES * k->pass->gap },
    { k->memory + k->bytes, 0 },
  };
  const guint8 *end = k->memory;
  gsize between, places[CPU_CONV_PIECES + 1];

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++) {
    if (!pieces[i].start)
      continue;
    /* all bytes are as the one before, and the first is right */
    between = (const guint8 *) pieces[i].start - end;
    if (between && (*end != 0xff || memcmp (end, end + 1, between - 1)))
      return FALSE;
    end = (const guint8 *) pieces[i].start + pieces[i].bytes;
  }
  /* and between those of the scratch? */
  cpu_conv_pass_places (k->pass, places);
  for (gint i = 1; i <= CPU_CONV_PIECES; i++) {
    const guint8 *gap = k->scratch + places[i] - k->pass->gap;

    if (*gap != 0xff || memcmp (gap, gap + 1, k->pass->gap - 1))
      return FALSE;
  }
  return TRUE;
}

static gboolean
run_reorder (
    const Check *k, CpuDesc from, CpuDesc to, gpointer source, gpointer target, GError **error)
{
  CpuDnnl *dnnl = &k->model->device->dnnl;
  CpuPrimitive reorder;
  g_auto (Cnn3dTemporary) scratch = { NULL };
  gboolean ok;

  if (!cpu_reorder_new (dnnl, from, to, &reorder, error))
    return FALSE;
  ok = (!reorder.scratch
           || cnn3d_temporary_take (&scratch, reorder.scratch, "checking a convolution", error))
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
    fill_gradient (k);
    return TRUE;
  }
  fill_weights (k);
  return run_reorder (k, w->plain, w->master, k->plain, k->operands.masters, error)
      && (!k->operands.copy
          || run_reorder (k, w->master, w->copy, k->operands.masters, k->operands.copy, error));
}

/* NaN, as f32 and as bf16. */
static void
poison (const Check *k)
{
  const gsize piece = 1 << 20;

#pragma omp parallel for num_threads(k->model->device->threads) schedule(static)
  for (gsize i = 0; i < k->bytes; i += piece)
    memset (k->memory + i, 0xff, MIN (piece, k->bytes - i));
}

static void
end_init (End *e, const Cnn3dModel *m, gint tensor)
{
  const Cnn3dTensor *t = &m->net->tensors[tensor];
  const gboolean blocked = cpu_is_blocked (m->net, tensor);

  *e = (End) { blocked ? cpu_round_up (t->c, m->lanes) : t->c, blocked ? m->lanes : 1, t->d, t->h,
    t->w, cpu_points (t), m->element };
}

gboolean
cpu_conv_check (
    Cnn3dModel *m, gint op, guint clips, CpuConvPass *c, gboolean *right, GError **error)
{
  const Cnn3dOp *o = &m->net->ops[op];
  const CpuConvWeights *w = &m->conv[op];
  Check k = { m, op, clips, c, o, o->kernel[0] * o->kernel[1] * o->kernel[2] };
  Cnn3dTemporary *memory = &m->device->check_memory;
  gboolean ok;

  *right = FALSE;
  end_init (&k.in, m, o->in);
  end_init (&k.out, m, o->out);
  c->gap = cpu_align (MAX (GUARD_BYTES,
      2 * sizeof (gfloat)
          * MAX ((gsize) k.in.h * k.in.w * k.in.lanes, (gsize) k.out.h * k.out.w * k.out.lanes)));
  k.bytes = lay_out (&k);
  if (!memory->data || memory->bytes < k.bytes) {
    cnn3d_temporary_give_back (memory);
    if (!cnn3d_temporary_take (memory, k.bytes, "checking a convolution", error)) {
      c->gap = 0;
      return FALSE;
    }
  }
  k.memory = memory->data;
  lay_out (&k);
  poison (&k);
  ok = fill (&k, error) && cpu_conv_pass_prepare (m, c, &k.operands, k.scratch, error)
      && cpu_conv_pass_run (m, o, c, &k.operands, k.scratch, error);
  if (ok && c->pass == CPU_BACKWARD_WEIGHTS)
    ok = run_reorder (&k, w->master, w->plain, k.operands.gradient, k.plain, error);
  if (ok)
    *right = (c->pass == CPU_BACKWARD_WEIGHTS ? compare_weights (&k) : compare_end (&k))
        && is_untouched (&k);
  c->gap = 0;
  return ok;
}
