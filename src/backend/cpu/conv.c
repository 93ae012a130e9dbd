/* conv.c: convolutions of a program, a slice of a batch at a time. A slice's bits do not depend on
 * how many slices follow, so that recomputing slice by slice gives the same bits.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/convpass.h"

/* Target size of the larger of a slice's two tensors: small enough that one pass's output is still
 * in the cache for the next, large enough that the overhead of starting is negligible. */
#define SLICE_BYTES (16 << 20)

static const Cnn3dPhase phases[] = { CNN3D_PHASE_FORWARD, CNN3D_PHASE_BACKWARD,
  CNN3D_PHASE_BACKWARD_WEIGHTS };

static CpuPass
pass_of (Cnn3dPhase phase)
{
  return phase == CNN3D_PHASE_BACKWARD        ? CPU_BACKWARD_DATA
      : phase == CNN3D_PHASE_BACKWARD_WEIGHTS ? CPU_BACKWARD_WEIGHTS
                                              : CPU_FORWARD;
}

gboolean
cpu_conv_setup (Cnn3dProgram *p, gint i, gboolean accumulates, gboolean checks, GError **error)
{
  Cnn3dModel *m = p->model;
  CpuConv *conv = &p->conv[i];
  gsize *scratch = p->sizes.scratch + i * CNN3D_N_PHASES;

  conv->slice = p->sizes.slice[i];
  for (CpuPass pass = CPU_FORWARD; pass <= CPU_BACKWARD_WEIGHTS; pass++) {
    if (pass != CPU_FORWARD && !p->training)
      continue;
    if (pass == CPU_BACKWARD_DATA && !cpu_is_blocked (m->net, m->net->ops[i].in))
      continue; /* clips have no gradient */
    /* A short batch, and one of several slices, adds up its slices' gradients. */
    if (!cpu_conv_pass_setup (&conv->passes[pass], m, i, pass, conv->slice,
            accumulates || cpu_rows (p, m->net->ops[i].in) > 1, checks, &p->replaced, error))
      return FALSE;
    scratch[phases[pass]] = conv->passes[pass].scratch;
  }
  scratch[CNN3D_PHASE_RECOMPUTE] = scratch[CNN3D_PHASE_FORWARD];
  return TRUE;
}

/* The slice size for a convolution. */
guint
cpu_conv_slice (const Cnn3dModel *m, const Cnn3dOp *op, guint batch, guint most)
{
  const gsize in = cpu_clip_bytes (m, &m->net->tensors[op->in]),
              out = cpu_clip_bytes (m, &m->net->tensors[op->out]);

  /* A short batch runs in memory that is already allocated: its programs must have been checked
   * before, whatever its size. */
  if (most > batch)
    return 1;
  return cnn3d_plan_slice (batch, most, MAX (in, out), SLICE_BYTES);
}

gboolean
cpu_conv_run (const CpuStep *s, GError **error)
{
  const Cnn3dModel *m = s->program->model;
  const gint op = s->step->op;
  const CpuConv *conv = &s->program->conv[op];
  const CpuConvWeights *w = &m->conv[op];
  const CpuPass pass = pass_of (s->step->phase);
  CpuConvPass *way = &s->program->conv[op].passes[pass];
  const guint rows = cpu_rows (s->program, s->op->in);
  const gsize in_clip = s->program->sizes.activation[s->op->in] / rows;
  const gsize out_clip = s->program->sizes.activation[s->op->out] / rows;
  CpuConvOperands o = { .masters = s->binding->arrays.weights + m->layout.offset[s->op->weight],
    .copy = w->copy && m->params.keeps_copy ? (guint8 *) s->binding->arrays.copy + w->copy_offset
                                            : NULL };
  /* the last of the batch's slices adds their sum to that of other batches */
  const gboolean gathers = s->step->gathers && s->binding->accumulate;

  if (pass == CPU_BACKWARD_WEIGHTS)
    o.gradient = cpu_gradient (s, s->op->weight);
  if (!cpu_conv_pass_prepare (m, way, &o, s->scratch, error))
    return FALSE;
  for (guint k = 0; k < s->step->clips; k += conv->slice) {
    guint8 *din = cpu_at (s->din, k * in_clip), *dout = cpu_at (s->dout[0], k * out_clip);
    /* over its own dout: through the end of the scratch */
    const gboolean through = pass == CPU_BACKWARD_DATA && din == dout;

    o.in = pass != CPU_BACKWARD_DATA ? cpu_at (s->in, k * in_clip)
        : through                    ? (guint8 *) s->scratch + way->scratch
                                     : din;
    o.out = pass == CPU_FORWARD ? cpu_at (s->out, k * out_clip) : dout;
    o.adds = pass == CPU_BACKWARD_WEIGHTS ? k > 0 || cpu_adds (s) : s->step->accumulate;
    if (!cpu_conv_pass_run (m, s->op, way, &o, s->scratch, error))
      return FALSE;
    if (through)
      cpu_copy (m->device, din, o.in, conv->slice * in_clip);
  }
  if (gathers && s->step->first + s->step->clips == rows)
    cpu_conv_add_gradient (
        m, s->op, s->binding->arrays.gradients + m->layout.offset[s->op->weight], o.gradient);
  return TRUE;
}
