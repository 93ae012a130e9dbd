/* Batch norm with residual and ReLU. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <math.h>
#include <string.h>

/* Saved: mean and 1 / sqrt (var + eps), a vector of padded channels each.
 * Scratch: two sums for each chunk and lane, and three vectors a channel block.
 *
 * The forward pass makes its sums in double and rounds where PyTorch does. A
 * last bit's difference before ReLU now and then puts a number on the other
 * side of zero, and one such switch changes a gradient in the third digit. */

typedef struct {
  const CpuStep *s;
  const Cnn3dModel *m;
  const CpuBlockKernels *k;
  gint lanes, blocks;           /* channel blocks */
  gint n, chunks;               /* chunks in one clip's block */
  gsize points;
  gsize slab;                   /* bytes of one clip's block */
  gfloat *mean, *inverse;
  gdouble *partial;             /* [block][clip][chunk][2][lanes] */
  gfloat *vectors;              /* [block][3][lanes] */
  gfloat *weight, *bias;
} Norm;

static void
norm_init (Norm *o, const CpuStep *s)
{
  const Cnn3dModel *m = s->program->model;
  const gint c = cpu_round_up (s->in_tensor->c, m->lanes);

  o->s = s;
  o->m = m;
  o->k = m->blocks;
  o->lanes = m->lanes;
  o->blocks = c / m->lanes;
  o->n = s->program->batch;
  o->points = cpu_points (s->in_tensor);
  o->chunks = (o->points + CPU_CHUNK - 1) / CPU_CHUNK;
  o->slab = o->points * m->lanes * m->element;
  o->partial = s->scratch;
  o->vectors = (gfloat *) (o->partial + (gsize) c * o->n * o->chunks * 2);
  /* an evaluation keeps nothing: its place is behind the vectors */
  o->mean = s->saved ? s->saved : o->vectors + 3 * c;
  o->inverse = o->mean + c;
  o->weight = s->binding->weights + m->layout.offset[s->op->weight];
  o->bias = s->binding->weights + m->layout.offset[s->op->bias];
}

void
cpu_norm_setup (Cnn3dProgram *p, gint i)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dTensor *t = &m->net->tensors[m->net->ops[i].in];
  const gsize c = cpu_round_up (t->c, m->lanes);
  const gsize chunks = (cpu_points (t) + CPU_CHUNK - 1) / CPU_CHUNK;
  const gsize bytes = 3 * c * sizeof (gfloat) + c * p->batch * chunks * 2 * sizeof (gdouble);

  p->sizes.saved[i] = p->training ? 2 * c * sizeof (gfloat) : 0;
  p->sizes.scratch[i * CNN3D_N_PHASES + CNN3D_PHASE_FORWARD] = bytes + (p->training ? 0 : 2 * c * sizeof (gfloat));
  p->sizes.scratch[i * CNN3D_N_PHASES + CNN3D_PHASE_BACKWARD] = bytes;
}

/* Of one chunk of one clip's block. */
typedef struct {
  gsize offset;                 /* bytes into the tensor */
  gsize points;
  gdouble *partial;
} Piece;

static inline Piece
piece (const Norm *o, gint block, gint clip, gint chunk)
{
  const gsize first = (gsize) chunk * CPU_CHUNK;

  return (Piece) {
    ((gsize) clip * o->blocks + block) * o->slab + first * o->lanes * o->m->element,
    MIN (CPU_CHUNK, o->points - first),
    o->partial + (((gsize) block * o->n + clip) * o->chunks + chunk) * 2 * o->lanes
  };
}

static inline gpointer
at (gpointer base, gsize offset)
{
  return base ? (guint8 *) base + offset : NULL;
}

/* The three parts of both directions. A channel block's `sum` for all its
 * pieces comes before its `finish`, and that before its `apply`. */
typedef struct {
  void (*sum) (const Norm * o, gint block, const Piece * p);    /* NULL: nothing to sum */
  void (*finish) (const Norm * o, gint block);
  void (*apply) (const Norm * o, gint block, const Piece * p);  /* NULL: nothing to write */
} Parts;

static void
run_parts (const Norm *o, const Parts *parts)
{
  const gint pieces = o->n * o->chunks, threads = o->m->device->threads;

  if (o->blocks % threads == 0 || o->blocks >= 4 * threads) {
    /* Each thread a channel block at a time: what was summed is still in the
     * cache when it is read again. */
#pragma omp parallel for num_threads (threads) schedule (static)
    for (gint block = 0; block < o->blocks; block++) {
      for (gint i = 0; parts->sum && i < pieces; i++) {
        const Piece p = piece (o, block, i / o->chunks, i % o->chunks);

        parts->sum (o, block, &p);
      }
      parts->finish (o, block);
      for (gint i = 0; parts->apply && i < pieces; i++) {
        const Piece p = piece (o, block, i / o->chunks, i % o->chunks);

        parts->apply (o, block, &p);
      }
    }
    return;
  }
#pragma omp parallel num_threads (threads)
  {
    if (parts->sum) {
#pragma omp for schedule (static)
      for (gint i = 0; i < o->blocks * pieces; i++) {
        const Piece p = piece (o, i / pieces, i % pieces / o->chunks, i % o->chunks);

        parts->sum (o, i / pieces, &p);
      }
    }
#pragma omp for schedule (static)
    for (gint block = 0; block < o->blocks; block++)
      parts->finish (o, block);
    if (parts->apply) {
#pragma omp for schedule (static)
      for (gint i = 0; i < o->blocks * pieces; i++) {
        const Piece p = piece (o, i / pieces, i % pieces / o->chunks, i % o->chunks);

        parts->apply (o, i / pieces, &p);
      }
    }
  }
}

/* Adds up a block's pieces, in order, in double. */
static void
total (const Norm *o, gint block, gdouble *first, gdouble *second)
{
  const gdouble *p = piece (o, block, 0, 0).partial;

  for (gint l = 0; l < o->lanes; l++)
    first[l] = second[l] = 0;
  for (gint i = 0; i < o->n * o->chunks; i++, p += 2 * o->lanes)
    for (gint l = 0; l < o->lanes; l++) {
      first[l] += p[l];
      second[l] += p[o->lanes + l];
    }
}

/* --- forward --- */

static void
forward_sum (const Norm *o, gint block, const Piece *p)
{
  memset (p->partial, 0, 2 * o->lanes * sizeof *p->partial);
  o->k->stats (at (o->s->in, p->offset), p->points, p->partial, p->partial + o->lanes);
}

static void
forward_finish (const Norm *o, gint block)
{
  const Cnn3dOp *op = o->s->op;
  gfloat *running_mean = o->s->binding->weights + o->m->layout.offset[op->mean];
  gfloat *running_var = o->s->binding->weights + o->m->layout.offset[op->var];
  gfloat *scale = o->vectors + (gsize) block * 3 * o->lanes, *bias = scale + o->lanes;
  const gint channels = MIN (o->lanes, o->s->in_tensor->c - block * o->lanes);
  const gdouble count = (gdouble) o->n * o->points;
  gdouble sum[16], squares[16];

  if (o->s->binding->batch_statistics)
    total (o, block, sum, squares);
  for (gint l = 0; l < o->lanes; l++) {
    const gint c = block * o->lanes + l;

    if (l >= channels) {        /* padding stays zero */
      scale[l] = bias[l] = o->mean[c] = o->inverse[c] = 0;
      continue;
    }
    if (o->s->binding->batch_statistics) {
      const gfloat mean = sum[l] / count, deviations = MAX (squares[l] - sum[l] * (sum[l] / count), 0);
      const gfloat var = deviations / (gfloat) count, unbiased = deviations / (gfloat) MAX (count - 1, 1);
      const gfloat keep = 1 - op->momentum, take = op->momentum;

      o->mean[c] = mean;
      o->inverse[c] = 1 / sqrt (var + op->eps);
      running_mean[c] = take * mean + keep * running_mean[c];
      running_var[c] = take * unbiased + keep * running_var[c];
    } else {
      o->mean[c] = running_mean[c];
      o->inverse[c] = 1 / sqrtf (running_var[c] + (gfloat) op->eps);
    }
    scale[l] = o->weight[c] * o->inverse[c];
    bias[l] = fmaf (-o->mean[c], scale[l], o->bias[c]);
  }
}

static void
forward_apply (const Norm *o, gint block, const Piece *p)
{
  const gfloat *scale = o->vectors + (gsize) block * 3 * o->lanes;

  o->k->normalize (at (o->s->in, p->offset), at (o->s->residual, p->offset), at (o->s->out, p->offset), p->points,
      scale, scale + o->lanes, o->s->op->relu);
}

void
cpu_norm_forward (const CpuStep *s)
{
  const Parts parts = { s->binding->batch_statistics ? forward_sum : NULL, forward_finish, forward_apply };
  Norm o;

  norm_init (&o, s);
  run_parts (&o, &parts);
}

/* --- backward --- */

static void
backward_sum (const Norm *o, gint block, const Piece *p)
{
  const CpuStep *s = o->s;
  gfloat sum[16] = { 0 }, product[16] = { 0 };

  o->k->norm_sums (at (s->dout[0], p->offset), at (s->dout[1], p->offset),
      s->op->relu ? at (s->out, p->offset) : NULL, at (s->in, p->offset), p->points, o->mean + block * o->lanes,
      TRUE, sum, product);
  for (gint l = 0; l < o->lanes; l++) {
    p->partial[l] = sum[l];
    p->partial[o->lanes + l] = product[l];
  }
}

/* With g the gradient behind ReLU, x^ = (x - mean) * inverse and M numbers a
 * channel: dbias = sum g, dweight = sum g x^,
 * dx = weight * inverse * (g - dbias / M - x^ * dweight / M);
 * with running statistics dx = weight * inverse * g.
 * Ioffe and Szegedy, "Batch normalization", 2015. */
static void
backward_finish (const Norm *o, gint block)
{
  const Cnn3dBinding *b = o->s->binding;
  gfloat *dweight = b->gradients + o->m->layout.offset[o->s->op->weight];
  gfloat *dbias = b->gradients + o->m->layout.offset[o->s->op->bias];
  gfloat *a = o->vectors + (gsize) block * 3 * o->lanes, *slope = a + o->lanes, *constant = slope + o->lanes;
  const gint channels = MIN (o->lanes, o->s->in_tensor->c - block * o->lanes);
  const gdouble count = (gdouble) o->n * o->points;
  gdouble sum[16], product[16];

  total (o, block, sum, product);
  for (gint l = 0; l < o->lanes; l++) {
    const gint c = block * o->lanes + l;

    a[l] = slope[l] = constant[l] = 0;
    if (l >= channels)
      continue;
    const gdouble inverse = o->inverse[c];

    dweight[c] = (b->accumulate ? dweight[c] : 0) + product[l] * inverse;
    dbias[c] = (b->accumulate ? dbias[c] : 0) + sum[l];
    a[l] = o->weight[c] * inverse;
    if (b->batch_statistics) {
      slope[l] = -o->weight[c] * inverse * inverse * inverse * product[l] / count;
      constant[l] = -o->weight[c] * inverse * sum[l] / count;
    }
  }
}

static void
backward_apply (const Norm *o, gint block, const Piece *p)
{
  const CpuStep *s = o->s;
  const gfloat *a = o->vectors + (gsize) block * 3 * o->lanes;

  o->k->norm_input (at (s->dout[0], p->offset), at (s->in, p->offset), at (s->din, p->offset), p->points,
      o->mean + block * o->lanes, a, a + o->lanes, a + 2 * o->lanes);
}

void
cpu_norm_backward (const CpuStep *s)
{
  const Parts parts = { backward_sum, backward_finish, s->din ? backward_apply : NULL };
  Norm o;

  norm_init (&o, s);
  run_parts (&o, &parts);
}
