/* Convolutions, through oneDNN, a slice of a batch at a time. A slice's bits
 * don't depend on how many follow, so that what is made again slice by slice is
 * what it was. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <string.h>

/* oneDNN's bf16 kernels for weight gradients read what nobody wrote behind the
 * last slice: 2.6's where a strided window reaches into the padding, 3.2's where
 * fewer slices come out than the kernel has. With real slices of zeros there
 * the gradient is the same, and right. FALSE: the tensor is deep enough. */
static gboolean
needs_slices (const Cnn3dModel *m, const Cnn3dOp *op, gint *in_depth, gint *out_depth)
{
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  const gint kernel = op->kernel[0], stride = op->stride[0];

  if (m->type != dnnl_bf16 || !cpu_is_blocked (m->net, op->in))
    return FALSE;
  *out_depth = dnnl_version ()->major >= 3 ? MAX (out->d, kernel) : out->d;
  *in_depth = in->d + (*out_depth - out->d) * stride;
  if (stride > 1)
    *in_depth = MAX (*in_depth, (*out_depth - 1) * stride - op->pad[0] + kernel);
  return *in_depth != in->d || *out_depth != out->d;
}

/* The larger of a slice's two tensors, about: small enough that one pass's
 * writes are another's cache hits, large enough that starting costs nothing. */
#define SLICE_BYTES (16 << 20)

/* Depths tried when oneDNN has no fast backward-weights for a shallow tensor
 * (2.x has none in f32 where fewer slices than the kernel come out). */
#define MAX_DEEPER 4

static gsize
activation_bytes (const Cnn3dModel *m, const Cnn3dTensor *t, gint c, guint batch, gint depth)
{
  return (gsize) batch * c * depth * t->h * t->w * m->element;
}

static gboolean
setup_backward_weights (Cnn3dProgram *p, gint i, CpuConvSpec *spec, GError **error)
{
  Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  CpuConv *conv = &p->conv[i];

  spec->weights = m->conv[i].master;
  if (needs_slices (m, op, &conv->deep_in, &conv->deep_out)) {
    CpuConvSpec deep = *spec;
    gboolean ok;

    deep.source = cpu_activation_desc (m, op->in, conv->slice, conv->deep_in);
    deep.destination = cpu_activation_desc (m, op->out, conv->slice, conv->deep_out);
    ok = cpu_conv_new (&m->device->dnnl, CPU_BACKWARD_WEIGHTS, &deep, &conv->weights, NULL, error);
    cpu_desc_free (&deep.source);
    cpu_desc_free (&deep.destination);
    return ok;
  }
  conv->deep_in = conv->deep_out = 0;
  if (!cpu_conv_new (&m->device->dnnl, CPU_BACKWARD_WEIGHTS, spec, &conv->weights, NULL, error))
    return FALSE;
  if (!conv->weights.reference || !cpu_is_blocked (m->net, op->in))
    return TRUE;
  /* Slices of zeros behind the last one change no gradient. */
  for (gint more = 1; more <= MAX_DEEPER; more++) {
    CpuConvSpec deep = *spec;
    CpuPrimitive primitive;
    const gint in_depth = in->d + more * op->stride[0], out_depth = out->d + more;
    gboolean ok;

    deep.source = cpu_activation_desc (m, op->in, conv->slice, in_depth);
    deep.destination = cpu_activation_desc (m, op->out, conv->slice, out_depth);
    ok = cpu_conv_new (&m->device->dnnl, CPU_BACKWARD_WEIGHTS, &deep, &primitive, NULL, NULL);
    cpu_desc_free (&deep.source);
    cpu_desc_free (&deep.destination);
    if (!ok)
      continue;
    if (!primitive.reference) {
      cpu_primitive_clear (&conv->weights);
      conv->weights = primitive;
      conv->deep_in = in_depth;
      conv->deep_out = out_depth;
      break;
    }
    cpu_primitive_clear (&primitive);
  }
  return TRUE;
}

/* A strided 1x1x1 convolution reads one point in stride. Its input's gradient
 * is made for these points alone, by the plain one; oneDNN 2.x has nothing fast
 * for the strided. */
static gboolean
setup_backward_data (Cnn3dProgram *p, gint i, const CpuConvSpec *spec, GError **error)
{
  Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  CpuConvWeights *w = &m->conv[i];
  CpuDesc have = w->copy && m->params.keeps_copy ? w->copy : w->master, wanted = NULL;
  CpuConv *conv = &p->conv[i];
  CpuConvSpec data = *spec;
  gint64 dims[5];
  gboolean ok;

  cpu_padded_dims (m, op, dims);
  data.weights = cpu_desc_new (5, dims, m->type, dnnl_format_tag_any);
  if (cnn3d_op_is_strided_pointwise (op)) {
    const gint64 points[5] = { conv->slice, dims[1], out->d, out->h, out->w };

    data.source = cpu_desc_new (5, points, m->type, cpu_blocked_tag (m));
    data.stride[0] = data.stride[1] = data.stride[2] = 1;
    conv->dense = cpu_align (activation_bytes (m, out, cpu_round_up (in->c, m->lanes), conv->slice, out->d));
  }
  ok = cpu_conv_new (&m->device->dnnl, CPU_BACKWARD_DATA, &data, &conv->data, &wanted, error);
  cpu_desc_free (&data.weights);
  if (conv->dense)
    cpu_desc_free (&data.source);
  if (ok && !cpu_desc_equal (wanted, have)) {
    conv->data_weights = cpu_align (cpu_desc_size (wanted));
    ok = cpu_reorder_new (&m->device->dnnl, have, wanted, &conv->data_reorder, error);
  }
  cpu_desc_free (&wanted);
  return ok;
}

gboolean
cpu_conv_setup (Cnn3dProgram *p, gint i, gboolean accumulates, GError **error)
{
  Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  CpuConvWeights *w = &m->conv[i];
  CpuConv *conv = &p->conv[i];
  gsize *scratch = p->sizes.scratch + i * CNN3D_N_PHASES;
  CpuConvSpec spec;
  gboolean ok;

  /* oneDNN 2.6's bf16 backward-weights is wrong here. */
  if (m->type == dnnl_bf16 && p->training && in->h == 1 && op->stride[1] > 1 && op->kernel[1] > 1) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "clips %u pixels high are too small for %s in bf16-mixed: use precision=32, or larger frames",
        m->net->params.height, m->net->model);
    return FALSE;
  }
  conv->slice = p->sizes.slice[i];
  cpu_spec_init (&spec, m, op, conv->slice);
  spec.weights = w->copy ? w->copy : w->master;
  ok = cpu_conv_new (&m->device->dnnl, CPU_FORWARD, &spec, &conv->forward, NULL, error);
  if (ok && p->training)
    ok = setup_backward_weights (p, i, &spec, error)
        && (!cpu_is_blocked (m->net, op->in) || setup_backward_data (p, i, &spec, error));
  cpu_desc_free (&spec.source);
  cpu_desc_free (&spec.destination);
  if (!ok)
    return FALSE;

  if (w->copy && !m->params.keeps_copy)
    conv->forward_weights = cpu_align (cpu_desc_size (w->copy));
  scratch[CNN3D_PHASE_FORWARD] = conv->forward_weights + MAX (conv->forward.scratch, w->refresh.scratch);
  scratch[CNN3D_PHASE_RECOMPUTE] = scratch[CNN3D_PHASE_FORWARD];
  scratch[CNN3D_PHASE_BACKWARD] =
      cpu_align (conv->data_weights + conv->dense + MAX (conv->data.scratch, conv->data_reorder.scratch));
  scratch[CNN3D_PHASE_BACKWARD_WEIGHTS] = conv->weights.scratch;
  if (accumulates || conv->slice < p->batch)
    scratch[CNN3D_PHASE_BACKWARD_WEIGHTS] += cpu_align (m->layout.length[op->weight] * sizeof (gfloat));
  if (conv->deep_in)
    scratch[CNN3D_PHASE_BACKWARD_WEIGHTS] +=
        cpu_align (activation_bytes (m, in, cpu_round_up (in->c, m->lanes), conv->slice, conv->deep_in))
        + cpu_align (activation_bytes (m, out, cpu_round_up (out->c, m->lanes), conv->slice, conv->deep_out));
  return TRUE;
}

/* The slice that a convolution should be cut into. */
guint
cpu_conv_slice (const Cnn3dModel *m, const Cnn3dOp *op, guint batch, guint most)
{
  const gsize in = cpu_clip_bytes (m, &m->net->tensors[op->in]), out = cpu_clip_bytes (m, &m->net->tensors[op->out]);

  return cnn3d_plan_slice (batch, most, MAX (in, out), SLICE_BYTES);
}

void
cpu_conv_clear (CpuConv *conv)
{
  cpu_primitive_clear (&conv->forward);
  cpu_primitive_clear (&conv->data);
  cpu_primitive_clear (&conv->weights);
  cpu_primitive_clear (&conv->data_reorder);
}

/* One slice of a step. */
typedef struct {
  const CpuStep *step;
  CpuConv *conv;
  gpointer in, out, dout, din;
  gboolean adds;
} Slice;

/* Copies a blocked tensor to one that is deeper, the new planes zero. */
static void
deepen (const Slice *s, const Cnn3dTensor *t, const guint8 *from, guint8 *to, gint depth)
{
  const Cnn3dModel *m = s->step->program->model;
  const gsize slab = cpu_points (t) * m->lanes * m->element;
  const gsize deep = slab / t->d * depth;
  const gint n = s->conv->slice * cpu_channel_blocks (m, t);

#pragma omp parallel for num_threads (m->device->threads) schedule (static)
  for (gint i = 0; i < n; i++) {
    memcpy (to + i * deep, from + i * slab, slab);
    memset (to + i * deep + slab, 0, deep - slab);
  }
}

static gboolean
run_backward_weights (const Slice *s, GError **error)
{
  const CpuStep *step = s->step;
  const Cnn3dModel *m = step->program->model;
  CpuConv *conv = s->conv;
  const gsize length = m->layout.length[step->op->weight];
  gfloat *gradient = cpu_gradient (step, step->op->weight), *target = gradient;
  guint8 *scratch = step->scratch;
  gpointer in = s->in, dout = s->dout;

  if (s->adds) {
    target = (gfloat *) scratch;
    scratch += cpu_align (length * sizeof (gfloat));
  }
  if (conv->deep_in) {
    const Cnn3dTensor *from = step->in_tensor, *to = step->out_tensor;

    in = scratch;
    scratch += cpu_align (activation_bytes (m, from, cpu_round_up (from->c, m->lanes), conv->slice, conv->deep_in));
    dout = scratch;
    scratch += cpu_align (activation_bytes (m, to, cpu_round_up (to->c, m->lanes), conv->slice, conv->deep_out));
    deepen (s, from, s->in, in, conv->deep_in);
    deepen (s, to, s->dout, dout, conv->deep_out);
  }
  if (!cpu_primitive_run (&m->device->dnnl, &conv->weights, in, target, dout, scratch, error))
    return FALSE;
  if (target != gradient) {
#pragma omp parallel for num_threads (m->device->threads) schedule (static)
    for (gsize i = 0; i < length; i += 4096)
      m->device->kernels->add_floats (MIN (4096, length - i), gradient + i, target + i);
  }
  return TRUE;
}

/* Adds the gradients of the points that a strided 1x1x1 convolution reads. */
static void
scatter (const Slice *s, guint8 *din, const guint8 *dense)
{
  const CpuStep *step = s->step;
  const Cnn3dModel *m = step->program->model;
  const Cnn3dTensor *big = step->in_tensor, *few = step->out_tensor;
  const gsize point = m->lanes * m->element;
  const gint *stride = step->op->stride, slabs = s->conv->slice * cpu_channel_blocks (m, big);

#pragma omp parallel for num_threads (m->device->threads) schedule (static)
  for (gint i = 0; i < slabs; i++) {
    guint8 *to = din + i * cpu_points (big) * point;
    const guint8 *from = dense + i * cpu_points (few) * point;

    if (!step->step->accumulate)
      memset (to, 0, cpu_points (big) * point);
    for (gint d = 0; d < few->d; d++)
      for (gint h = 0; h < few->h; h++, from += few->w * point)
        m->blocks->scatter_add (to + ((gsize) d * stride[0] * big->h + h * stride[1]) * big->w * point, from,
            few->w, stride[2]);
  }
}

static gboolean
run_backward_data (const Slice *s, gpointer weights, GError **error)
{
  const CpuStep *step = s->step;
  const Cnn3dModel *m = step->program->model;
  CpuDnnl *dnnl = &m->device->dnnl;
  CpuConv *conv = s->conv;
  guint8 *reordered = step->scratch, *dense = reordered + conv->data_weights, *scratch = dense + conv->dense;
  /* over its own dout: through the end of the scratch */
  guint8 *through = s->din == s->dout
      ? (guint8 *) step->scratch + step->program->sizes.scratch[step->step->op * CNN3D_N_PHASES + CNN3D_PHASE_BACKWARD]
      : NULL;

  if (!cpu_primitive_run (dnnl, &conv->data, conv->dense ? dense : through ? through : s->din,
          conv->data_weights ? reordered : weights, s->dout, scratch, error))
    return FALSE;
  if (conv->dense)
    scatter (s, s->din, dense);
  if (through)
    cpu_copy (m->device, s->din, through, conv->slice * cpu_clip_bytes (m, step->in_tensor));
  return TRUE;
}

gboolean
cpu_conv_run (const CpuStep *s, GError **error)
{
  const Cnn3dModel *m = s->program->model;
  CpuDnnl *dnnl = &m->device->dnnl;
  CpuConv *conv = &s->program->conv[s->step->op];
  CpuConvWeights *w = &m->conv[s->step->op];
  gfloat *masters = s->binding->arrays.weights + m->layout.offset[s->op->weight];
  gpointer weights = w->copy && m->params.keeps_copy ? (guint8 *) s->binding->arrays.copy + w->copy_offset
      : (gpointer) masters;
  const gsize in_clip = s->program->sizes.activation[s->op->in] / s->program->batch;
  const gsize out_clip = s->program->sizes.activation[s->op->out] / s->program->batch;
  const Cnn3dPhase phase = s->step->phase;
  const gboolean forward = phase == CNN3D_PHASE_FORWARD || phase == CNN3D_PHASE_RECOMPUTE;
  guint8 *scratch = s->scratch;

  if (forward && conv->forward_weights) {
    if (!cpu_primitive_run (dnnl, &w->refresh, masters, scratch, NULL, scratch + conv->forward_weights, error))
      return FALSE;
    weights = scratch;
    scratch += conv->forward_weights;
  } else if (phase == CNN3D_PHASE_BACKWARD && conv->data_weights) {
    if (!cpu_primitive_run (dnnl, &conv->data_reorder, weights, scratch, NULL, scratch + conv->data_weights, error))
      return FALSE;
  }
  for (guint k = 0; k < s->step->clips; k += conv->slice) {
    const Slice slice = { s, conv, cpu_at (s->in, k * in_clip), cpu_at (s->out, k * out_clip),
      cpu_at (s->dout[0], k * out_clip), cpu_at (s->din, k * in_clip), k > 0 || cpu_adds (s)
    };
    gboolean ok;

    if (forward)
      ok = cpu_primitive_run (dnnl, &conv->forward, slice.in, weights, slice.out, scratch, error);
    else if (phase == CNN3D_PHASE_BACKWARD_WEIGHTS)
      ok = run_backward_weights (&slice, error);
    else
      ok = run_backward_data (&slice, weights, error);
    if (!ok)
      return FALSE;
  }
  return TRUE;
}
