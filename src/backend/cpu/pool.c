/* Pooling. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <string.h>

/* --- max pooling, through oneDNN --- */

static gboolean
make_max_pool (Cnn3dProgram *p, gint i, dnnl_data_type_t type, gsize *workspace, GError **error)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  const gint64 source[5] = { 1, cpu_round_up (in->c, m->lanes), in->d, in->h, in->w };
  const gint64 destination[5] = { 1, source[1], out->d, out->h, out->w };
  CpuPool *pool = &p->pool[i];
  CpuConvSpec spec;
  gboolean ok;

  for (gint k = 0; k < 3; k++) {
    spec.kernel[k] = op->kernel[k];
    spec.stride[k] = op->stride[k];
    spec.pad[k] = op->pad[k];
  }
  spec.source = cpu_desc_new (5, source, type, cpu_blocked_tag (m));
  spec.destination = cpu_desc_new (5, destination, type, cpu_blocked_tag (m));
  ok = cpu_max_pool_new (&m->device->dnnl, CPU_FORWARD, &spec, &pool->forward, workspace, error)
      && (!p->training
          || cpu_max_pool_new (
              &m->device->dnnl, CPU_BACKWARD_DATA, &spec, &pool->backward, workspace, error));
  cpu_desc_free (&spec.source);
  cpu_desc_free (&spec.destination);
  if (!ok) {
    cpu_primitive_clear (&pool->forward);
    cpu_primitive_clear (&pool->backward);
  }
  return ok;
}

gboolean
cpu_max_pool_setup (Cnn3dProgram *p, gint i, GError **error)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  CpuPool *pool = &p->pool[i];
  gsize *scratch = p->sizes.scratch + i * CNN3D_N_PHASES, workspace = 0;
  gboolean ok = make_max_pool (p, i, m->type, &workspace, m->type == dnnl_f32 ? error : NULL);

  if (!ok && m->type != dnnl_f32) {
    ok = make_max_pool (p, i, dnnl_f32, &workspace, error);
    pool->in =
        cpu_align (cpu_clip_bytes (m, &m->net->tensors[op->in]) / m->element * sizeof (gfloat));
    pool->out =
        cpu_align (cpu_clip_bytes (m, &m->net->tensors[op->out]) / m->element * sizeof (gfloat));
  }
  pool->workspace = cpu_align (workspace);
  p->sizes.saved[i] = p->training ? cpu_rows (p, op->in) * pool->workspace : 0;
  scratch[CNN3D_PHASE_FORWARD] = pool->in + pool->out + cpu_align (pool->forward.scratch)
      + (p->training ? 0 : pool->workspace);
  scratch[CNN3D_PHASE_RECOMPUTE] = scratch[CNN3D_PHASE_FORWARD];
  scratch[CNN3D_PHASE_BACKWARD] = pool->in + pool->out + pool->backward.scratch;
  return ok;
}

/* Between a clip of bf16 and its copy in f32. */
static void
convert_clip (const Cnn3dModel *m, gsize bytes, gpointer half, gfloat *single, gboolean to_single)
{
  const CpuKernels *k = m->device->kernels;
  const gsize n = bytes / m->element;

#pragma omp parallel for num_threads(m->device->threads) schedule(static)
  for (gsize i = 0; i < n; i += 4096)
    if (to_single)
      k->from_bf16 (MIN (4096, n - i), single + i, (guint16 *) half + i);
    else
      k->to_bf16 (MIN (4096, n - i), (guint16 *) half + i, single + i);
}

/* One clip of one direction: `from` is read, `to` written. */
static gboolean
pool_clip (const Cnn3dModel *m, const CpuPool *pool, CpuPrimitive *primitive, gpointer from,
    gsize from_bytes, gpointer to, gsize to_bytes, gpointer workspace, guint8 *scratch,
    GError **error)
{
  const gboolean forward = primitive == &pool->forward;
  gfloat *in = (gfloat *) scratch, *out = (gfloat *) (scratch + pool->in);
  gfloat *read = forward ? in : out, *write = forward ? out : in;
  gpointer source = pool->in ? read : from, target = pool->in ? write : to;

  if (pool->in)
    convert_clip (m, from_bytes, from, read, TRUE);
  if (!cpu_primitive_run (&m->device->dnnl, primitive, forward ? source : target,
          forward ? target : source, workspace, scratch + pool->in + pool->out, error))
    return FALSE;
  if (pool->in)
    convert_clip (m, to_bytes, to, write, FALSE);
  return TRUE;
}

gboolean
cpu_max_pool_run (const CpuStep *s, GError **error)
{
  const Cnn3dModel *m = s->program->model;
  CpuPool *pool = &s->program->pool[s->step->op];
  const gsize in = cpu_clip_bytes (m, s->in_tensor), out = cpu_clip_bytes (m, s->out_tensor);
  guint8 *scratch = s->scratch;

  for (guint k = 0; k < s->step->clips; k++) {
    gpointer workspace = s->saved
        ? (guint8 *) s->saved + (s->step->first + k) * pool->workspace
        : scratch + pool->in + pool->out + cpu_align (pool->forward.scratch);
    gpointer dout = cpu_at (s->dout[0], k * out);
    gboolean ok;

    if (s->step->phase != CNN3D_PHASE_BACKWARD) {
      ok = pool_clip (m, pool, &pool->forward, cpu_at (s->in, k * in), in, cpu_at (s->out, k * out),
          out, workspace, scratch, error);
    } else {
      if (s->dout[1]) {
        const gsize slab = cpu_points (s->out_tensor) * m->lanes * m->element;
        const gint n = cpu_channel_blocks (m, s->out_tensor);

#pragma omp parallel for num_threads(m->device->threads) schedule(static)
        for (gint i = 0; i < n; i++)
          m->blocks->add ((guint8 *) dout + i * slab, (guint8 *) s->dout[1] + k * out + i * slab,
              cpu_points (s->out_tensor));
      }
      ok = pool_clip (m, pool, &pool->backward, dout, out, cpu_at (s->din, k * in), in, workspace,
          scratch, error);
    }
    if (!ok)
      return FALSE;
  }
  return TRUE;
}

/* --- the mean over D, H and W --- */

void
cpu_global_pool_run (const CpuStep *s)
{
  const Cnn3dModel *m = s->program->model;
  const Cnn3dTensor *big = s->in_tensor;
  const gboolean forward = s->step->phase == CNN3D_PHASE_FORWARD;
  const gint blocks = cpu_channel_blocks (m, big);
  const gsize points = cpu_points (big), slab = points * m->lanes * m->element,
              row = cpu_row (s->out_tensor);
  gfloat *pooled = forward ? s->out : s->dout[0];

#pragma omp parallel for num_threads(m->device->threads) schedule(static)
  for (gint i = 0; i < (gint) s->step->clips * blocks; i++) {
    gfloat *mean = pooled + i / blocks * row + i % blocks * m->lanes;
    gfloat value[16] = { 0 };

    if (forward) {
      m->blocks->sum ((guint8 *) s->in + i * slab, points, value);
      for (gint l = 0; l < m->lanes; l++)
        mean[l] = value[l] / points;
    } else {
      for (gint l = 0; l < m->lanes; l++)
        value[l] = mean[l] / points;
      m->blocks->fill ((guint8 *) s->din + i * slab, points, value);
    }
  }
  /* with blocks of 8, a row may end in padding that no block covers */
  if (forward && (gsize) blocks * m->lanes < row)
    for (guint n = 0; n < s->step->clips; n++)
      memset (pooled + n * row + blocks * m->lanes, 0, (row - blocks * m->lanes) * sizeof *pooled);
}
