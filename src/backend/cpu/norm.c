/* Batch norm with residual and ReLU. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <math.h>
#include <string.h>

/* Saved: mean and 1 / sqrt (var + eps), a vector of padded channels each; with a residual before
 * ReLU, ReLU's mask, so that neither y nor the residual is needed. Scratch: two sums for each chunk
 * and lane, three vectors a channel block, and, to add them to other processes', two sums a channel and
 * their count.
 *
 * The forward pass sums in double and rounds where PyTorch does. A difference in the last bit
 * before ReLU occasionally changes the sign of a number, and one such change affects a gradient in
 * the third digit. */

typedef struct {
  const CpuStep *s;
  const Cnn3dModel *m;
  const CpuBlockKernels *k;
  gint lanes, blocks; /* channel blocks */
  gint n, chunks;     /* chunks in one clip's block */
  gsize points;
  gsize slab; /* bytes of one clip's block */
  gfloat *mean, *inverse;
  guint8 *mask; /* [clip][block]; NULL: none */
  gsize mask_slab;
  gdouble *partial; /* [block][clip][chunk][2][lanes] */
  gfloat *vectors;  /* [block][3][lanes] */
  gdouble count;    /* of numbers in a sum */
  gdouble *shared;  /* [2 * c + 1], the sums of all processes; NULL: this one is alone */
  gboolean summed;  /* they are complete */
  gfloat *weight, *bias;
} Norm;

static gboolean
has_mask (const Cnn3dOp *op)
{
  return op->relu && op->residual >= 0;
}

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
  o->n = s->step->clips;
  o->points = cpu_points (s->in_tensor);
  o->chunks = (o->points + CPU_CHUNK - 1) / CPU_CHUNK;
  o->slab = o->points * m->lanes * m->element;
  o->partial = s->scratch;
  o->vectors = (gfloat *) (o->partial + (gsize) c * o->n * o->chunks * 2);
  if (s->step->phase == CNN3D_PHASE_RECOMPUTE)
    o->vectors = s->scratch; /* no sums are needed */
  /* an evaluation keeps nothing: they are stored after the vectors */
  o->mean = s->saved ? s->saved : o->vectors + 3 * c;
  o->inverse = o->mean + c;
  o->mask_slab = CPU_MASK_BYTES (o->points, m->lanes);
  if (s->saved && has_mask (s->op))
    o->mask = (guint8 *) (o->inverse + c) + s->step->first * o->blocks * o->mask_slab;
  else
    o->mask = NULL;
  o->count = (gdouble) o->n * o->points;
  o->shared =
      s->binding->sync && s->binding->batch_statistics ? (gdouble *) (o->vectors + 3 * c) : NULL;
  o->summed = FALSE;
  o->weight = s->binding->arrays.weights + m->layout.offset[s->op->weight];
  o->bias = s->binding->arrays.weights + m->layout.offset[s->op->bias];
}

void
cpu_norm_setup (Cnn3dProgram *p, gint i)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dTensor *t = &m->net->tensors[m->net->ops[i].in];
  const gsize c = cpu_round_up (t->c, m->lanes);
  const gsize chunks = (cpu_points (t) + CPU_CHUNK - 1) / CPU_CHUNK;
  const gsize rows = cpu_rows (p, m->net->ops[i].in);
  const gsize bytes = 3 * c * sizeof (gfloat) + c * rows * chunks * 2 * sizeof (gdouble)
      + (p->training && p->syncs ? (2 * t->c + 1) * sizeof (gdouble) : 0);

  if (p->training) {
    p->sizes.saved[i] = 2 * c * sizeof (gfloat);
    if (has_mask (&m->net->ops[i]))
      p->sizes.saved[i] += rows * c / m->lanes * CPU_MASK_BYTES (cpu_points (t), m->lanes);
  }
  p->sizes.scratch[i * CNN3D_N_PHASES + CNN3D_PHASE_FORWARD] =
      bytes + (p->training ? 0 : 2 * c * sizeof (gfloat));
  p->sizes.scratch[i * CNN3D_N_PHASES + CNN3D_PHASE_RECOMPUTE] = 3 * c * sizeof (gfloat);
  p->sizes.scratch[i * CNN3D_N_PHASES + CNN3D_PHASE_BACKWARD] = bytes;
}

/* Of one chunk of one clip's block. */
typedef struct {
  gsize offset; /* bytes into the tensor */
  gsize points;
  gdouble *partial;
  guint8 *mask; /* NULL: none */
} Piece;

static inline Piece
piece (const Norm *o, gint block, gint clip, gint chunk)
{
  const gsize first = (gsize) chunk * CPU_CHUNK;

  return (Piece) { ((gsize) clip * o->blocks + block) * o->slab + first * o->lanes * o->m->element,
    MIN (CPU_CHUNK, o->points - first),
    o->partial + (((gsize) block * o->n + clip) * o->chunks + chunk) * 2 * o->lanes,
    cpu_at (o->mask, ((gsize) clip * o->blocks + block) * o->mask_slab + first / 8 * o->lanes) };
}

/* A pass over the tensor, piece by piece, and then a function once per channel block (NULL: none).
 * A block's stages run in order. */
typedef struct {
  void (*run) (const Norm *o, gint block, const Piece *p); /* NULL: no pass */
  void (*finish) (const Norm *o, gint block);
} Stage;

static void
run_stages (const Norm *o, const Stage *stages, gint n_stages)
{
  const gint pieces = o->n * o->chunks, threads = o->m->device->threads;

  if (o->blocks % threads == 0 || o->blocks >= 4 * threads) {
    /* Each thread processes a channel block at a time, so that data is still in the cache when it
     * is read again. */
#pragma omp parallel for num_threads(threads) schedule(static)
    for (gint block = 0; block < o->blocks; block++)
      for (const Stage *stage = stages; stage < stages + n_stages; stage++) {
        for (gint i = 0; stage->run && i < pieces; i++) {
          const Piece p = piece (o, block, i / o->chunks, i % o->chunks);

          stage->run (o, block, &p);
        }
        if (stage->finish)
          stage->finish (o, block);
      }
    return;
  }
#pragma omp parallel num_threads(threads)
  for (const Stage *stage = stages; stage < stages + n_stages; stage++) {
    if (stage->run) {
#pragma omp for schedule(static)
      for (gint i = 0; i < o->blocks * pieces; i++) {
        const Piece p = piece (o, i / pieces, i % pieces / o->chunks, i % o->chunks);

        stage->run (o, i / pieces, &p);
      }
    }
    if (stage->finish) {
#pragma omp for schedule(static)
      for (gint block = 0; block < o->blocks; block++)
        stage->finish (o, block);
    }
  }
}

/* A block's real channels. */
static gint
channels_of (const Norm *o, gint block)
{
  return MIN (o->lanes, o->s->in_tensor->c - block * o->lanes);
}

/* A block's first or second sum of all pieces, added up in order. */
static void
total (const Norm *o, gint block, gint which, gdouble *sum)
{
  const gdouble *p = piece (o, block, 0, 0).partial + which * o->lanes;

  for (gint l = 0; l < o->lanes; l++)
    sum[l] = 0;
  if (o->summed) {
    memcpy (sum, o->shared + which * o->s->in_tensor->c + block * o->lanes,
        channels_of (o, block) * sizeof *sum);
    return;
  }
  for (gint i = 0; i < o->n * o->chunks; i++, p += 2 * o->lanes)
    for (gint l = 0; l < o->lanes; l++)
      sum[l] += p[l];
}

static void
share (const Norm *o, gint block, gint which)
{
  gdouble sum[16];

  total (o, block, which, sum);
  memcpy (o->shared + which * o->s->in_tensor->c + block * o->lanes, sum,
      channels_of (o, block) * sizeof *sum);
}

static void
share_first (const Norm *o, gint block)
{
  share (o, block, 0);
}

static void
share_second (const Norm *o, gint block)
{
  share (o, block, 1);
}

/* Adds `n` shared sums from `first` on to those of the other processes. counts: a count follows. */
static gboolean
add_up (Norm *o, gint first, gint n, gboolean counts, GError **error)
{
  const Cnn3dSync *sync = o->s->binding->sync;
  gdouble *values = o->shared + first;

  if (counts)
    values[n] = o->count;
  if (!sync->add (sync->data, values, n + counts, error))
    return FALSE;
  if (counts)
    o->count = values[n];
  o->summed = TRUE;
  return TRUE;
}

/* --- forward --- */

static void
forward_sum (const Norm *o, gint block, const Piece *p)
{
  memset (p->partial, 0, 2 * o->lanes * sizeof *p->partial);
  o->k->sums (cpu_at (o->s->in, p->offset), p->points, p->partial);
}

static void
forward_mean (const Norm *o, gint block)
{
  gdouble sum[16];

  total (o, block, 0, sum);
  for (gint l = 0; l < o->lanes; l++)
    o->mean[block * o->lanes + l] = sum[l] / o->count;
}

static void
forward_deviations (const Norm *o, gint block, const Piece *p)
{
  o->k->deviations (
      cpu_at (o->s->in, p->offset), p->points, o->mean + block * o->lanes, p->partial + o->lanes);
}

/* y = x * scale + bias; padding is written as zeros */
static void
forward_vectors (const Norm *o, gint block, gfloat *scale, gfloat *bias)
{
  const gint first = block * o->lanes, channels = channels_of (o, block);

  memset (scale, 0, o->lanes * sizeof *scale);
  memset (bias, 0, o->lanes * sizeof *bias);
  for (gint l = 0; l < channels; l++) {
    scale[l] = o->weight[first + l] * o->inverse[first + l];
    bias[l] = fmaf (-o->mean[first + l], scale[l], o->bias[first + l]);
  }
}

static void
forward_finish (const Norm *o, gint block)
{
  const Cnn3dOp *op = o->s->op;
  gfloat *running_mean = o->s->binding->arrays.weights + o->m->layout.offset[op->mean];
  gfloat *running_var = o->s->binding->arrays.weights + o->m->layout.offset[op->var];
  gfloat *scale = o->vectors + (gsize) block * 3 * o->lanes, *bias = scale + o->lanes;
  const gint channels = channels_of (o, block);
  gdouble squares[16];

  if (o->s->binding->batch_statistics)
    total (o, block, 1, squares);
  for (gint l = 0; l < o->lanes; l++) {
    const gint c = block * o->lanes + l;

    if (l >= channels) { /* padding stays zero */
      o->mean[c] = o->inverse[c] = 0;
      continue;
    }
    if (o->s->binding->batch_statistics) {
      const gfloat deviations = squares[l], var = deviations / (gfloat) o->count;
      const gfloat unbiased = deviations / (gfloat) MAX (o->count - 1, 1);
      const gfloat keep = 1 - op->momentum, take = op->momentum;

      o->inverse[c] = 1 / sqrt (var + op->eps);
      running_mean[c] = take * o->mean[c] + keep * running_mean[c];
      running_var[c] = take * unbiased + keep * running_var[c];
    } else {
      o->mean[c] = running_mean[c];
      o->inverse[c] = 1 / sqrtf (running_var[c] + (gfloat) op->eps);
    }
  }
  forward_vectors (o, block, scale, bias);
}

static void
forward_apply (const Norm *o, gint block, const Piece *p)
{
  const gfloat *scale = o->vectors + (gsize) block * 3 * o->lanes;

  o->k->normalize (cpu_at (o->s->in, p->offset), cpu_at (o->s->residual, p->offset),
      cpu_at (o->s->out, p->offset), p->points, scale, scale + o->lanes, o->s->op->relu,
      o->s->step->phase == CNN3D_PHASE_FORWARD ? p->mask : NULL);
}

static void
recompute_vectors (const Norm *o, gint block)
{
  gfloat *scale = o->vectors + (gsize) block * 3 * o->lanes;

  forward_vectors (o, block, scale, scale + o->lanes);
}

static gboolean
forward_together (Norm *o, GError **error)
{
  static const Stage sums = { forward_sum, share_first }, mean = { NULL, forward_mean },
                     deviations = { forward_deviations, share_second },
                     applies[] = { { NULL, forward_finish }, { forward_apply, NULL } };
  const gint c = o->s->in_tensor->c;

  run_stages (o, &sums, 1);
  if (!add_up (o, 0, c, TRUE, error))
    return FALSE;
  run_stages (o, &mean, 1);
  o->summed = FALSE;
  run_stages (o, &deviations, 1);
  if (!add_up (o, c, c, FALSE, error))
    return FALSE;
  run_stages (o, applies, 2);
  return TRUE;
}

gboolean
cpu_norm_forward (const CpuStep *s, GError **error)
{
  static const Stage stages[] = { { forward_sum, forward_mean },
    { forward_deviations, forward_finish }, { forward_apply, NULL } };
  static const Stage with_running[] = { { NULL, forward_finish }, { forward_apply, NULL } };
  static const Stage again[] = { { NULL, recompute_vectors }, { forward_apply, NULL } };
  Norm o;

  norm_init (&o, s);
  if (s->step->phase == CNN3D_PHASE_RECOMPUTE)
    run_stages (&o, again, 2);
  else if (o.shared)
    return forward_together (&o, error);
  else if (s->binding->batch_statistics)
    run_stages (&o, stages, 3);
  else
    run_stages (&o, with_running, 2);
  return TRUE;
}

/* --- backward --- */

/* Whether x shows ReLU's mask, because no residual was added in between: then dout[0] is masked
 * again instead of written back. */
static gboolean
masked_by_x (const Norm *o)
{
  return o->s->op->relu && o->s->op->residual < 0;
}

static void
backward_sum (const Norm *o, gint block, const Piece *p)
{
  const CpuStep *s = o->s;
  const gboolean by_x = masked_by_x (o);
  gfloat sum[16] = { 0 }, product[16] = { 0 }, scale[16], bias[16];

  if (by_x)
    forward_vectors (o, block, scale, bias);
  o->k->norm_sums (cpu_at (s->dout[0], p->offset), cpu_at (s->dout[1], p->offset), p->mask,
      cpu_at (s->in, p->offset), p->points, o->mean + block * o->lanes, by_x ? scale : NULL, bias,
      !by_x || s->dout[1], sum, product);
  for (gint l = 0; l < o->lanes; l++) {
    p->partial[l] = sum[l];
    p->partial[o->lanes + l] = product[l];
  }
}

/* With g the gradient after ReLU, x^ = (x - mean) * inverse and M numbers a channel: dbias = sum g,
 * dweight = sum g x^, dx = weight * inverse * (g - dbias / M - x^ * dweight / M); with running
 * statistics dx = weight * inverse * g. Ioffe and Szegedy, "Batch normalization", 2015. In dx, M and
 * the sums are those of all processes; dweight and dbias are this one's share. */
static void
backward_parameters (const Norm *o, gint block)
{
  gfloat *dweight = cpu_gradient (o->s, o->s->op->weight),
         *dbias = cpu_gradient (o->s, o->s->op->bias);
  const gboolean adds = cpu_adds (o->s);
  const gint channels = channels_of (o, block);
  gdouble sum[16], product[16];

  total (o, block, 0, sum);
  total (o, block, 1, product);
  for (gint l = 0; l < channels; l++) {
    const gint c = block * o->lanes + l;
    /* rounded, before they are added to other batches' */
    const gfloat weight = product[l] * (gdouble) o->inverse[c], bias = sum[l];

    dweight[c] = adds ? dweight[c] + weight : weight;
    dbias[c] = adds ? dbias[c] + bias : bias;
  }
}

static void
backward_vectors (const Norm *o, gint block)
{
  const Cnn3dBinding *b = o->s->binding;
  gfloat *a = o->vectors + (gsize) block * 3 * o->lanes, *slope = a + o->lanes,
         *constant = slope + o->lanes;
  const gint channels = channels_of (o, block);
  gdouble sum[16], product[16];

  total (o, block, 0, sum);
  total (o, block, 1, product);
  for (gint l = 0; l < o->lanes; l++) {
    const gint c = block * o->lanes + l;

    a[l] = slope[l] = constant[l] = 0;
    if (l >= channels)
      continue;
    const gdouble inverse = o->inverse[c];

    a[l] = o->weight[c] * inverse;
    if (b->batch_statistics) {
      slope[l] = -o->weight[c] * inverse * inverse * inverse * product[l] / o->count;
      constant[l] = -o->weight[c] * inverse * sum[l] / o->count;
    }
  }
}

static void
backward_apply (const Norm *o, gint block, const Piece *p)
{
  const CpuStep *s = o->s;
  const gfloat *a = o->vectors + (gsize) block * 3 * o->lanes;
  const gboolean by_x = masked_by_x (o) && !s->dout[1];
  gfloat scale[16], bias[16];

  if (by_x)
    forward_vectors (o, block, scale, bias);
  o->k->norm_input (cpu_at (s->dout[0], p->offset), cpu_at (s->in, p->offset),
      cpu_at (s->din, p->offset), p->points, o->mean + block * o->lanes, by_x ? scale : NULL, bias,
      a, a + o->lanes, a + 2 * o->lanes);
}

static void
backward_share (const Norm *o, gint block)
{
  backward_parameters (o, block);
  share (o, block, 0);
  share (o, block, 1);
}

static void
backward_finish (const Norm *o, gint block)
{
  backward_parameters (o, block);
  backward_vectors (o, block);
}

gboolean
cpu_norm_backward (const CpuStep *s, GError **error)
{
  static const Stage alone[] = { { backward_sum, backward_finish }, { backward_apply, NULL } };
  static const Stage together[] = { { backward_sum, backward_share }, { NULL, backward_vectors },
    { backward_apply, NULL } };
  Norm o;

  norm_init (&o, s);
  if (!o.shared || !s->din) {
    run_stages (&o, alone, s->din ? 2 : 1);
    return TRUE;
  }
  run_stages (&o, together, 1);
  if (!add_up (&o, 0, 2 * s->in_tensor->c, TRUE, error))
    return FALSE;
  run_stages (&o, together + 1, 2);
  return TRUE;
}
