/* What each piece of a pass takes. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cuda.h"

#include "src/backend/cuda/bound.h"

/* The larger of a convolution's two tensors, about, that is worked on at once:
 * enough to fill any GPU. */
#define SLICE_BYTES ((gsize) 256 << 20)

/* cuDNN is given a workspace that begins at a multiple of this, in an arena whose
 * buffers begin at multiples of CNN3D_ARENA_ALIGNMENT. */
#define WORKSPACE_ALIGNMENT 256

static gboolean
is_pooled (const Cnn3dNetwork *net, const Cnn3dTensor *t)
{
  const Cnn3dOpKind kind = net->ops[t->producer].kind;

  return kind == CNN3D_OP_GLOBAL_POOL || kind == CNN3D_OP_DROPOUT || kind == CNN3D_OP_LINEAR;
}

static gsize
points (const Cnn3dTensor *t)
{
  return (gsize) t->d * t->h * t->w;
}

static gsize
clip_bytes (const Cnn3dModel *m, const Cnn3dTensor *t)
{
  return cuda_pad (t->c) * points (t) * (is_pooled (m->net, t) ? sizeof (gfloat) : m->element);
}

/* --- convolutions --- */

static gboolean
add_workspace (Cnn3dProgram *p, gint i, CudaConvDirection direction, gsize *scratch, GError **error)
{
  Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in];
  CudaConv conv = { m->type, p->sizes.slice[i], cuda_pad (in->c), cuda_pad (m->net->tensors[op->out].c),
    {in->d, in->h, in->w}
  };
  CudaConvPlan plan = { 0 };

  for (guint k = 0; k < 3; k++) {
    conv.kernel[k] = op->kernel[k];
    conv.stride[k] = op->stride[k];
    conv.pad[k] = op->pad[k];
  }
  if (!m->device->dnn)
    plan.workspace = cuda_workspace_bound (direction, &conv, CUDA_WORKSPACE_LIMIT);
  else if (!cuda_dnn_plan (m->device->dnn, direction, &conv, CUDA_WORKSPACE_LIMIT, &plan, error)) {
    g_prefix_error (error, "%s on %s: ", m->net->weights[op->weight].name, m->device->name);
    return FALSE;
  }
  if (plan.workspace)
    *scratch += cuda_align (plan.workspace) + WORKSPACE_ALIGNMENT - CNN3D_ARENA_ALIGNMENT;
  return TRUE;
}

static gboolean
conv_sizes (Cnn3dProgram *p, gint i, const Cnn3dProgramParams *params, GError **error)
{
  Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];
  const gsize weights = cuda_align (cuda_conv_weights (m, op) * m->element);
  const gboolean converts = m->type != CUDA_TYPE_F32 && !m->params.keeps_copy;
  gsize *scratch = p->sizes.scratch + i * CNN3D_N_PHASES;

  p->sizes.slice[i] = cnn3d_plan_slice (params->batch, params->most, MAX (clip_bytes (m, in), clip_bytes (m, out)),
      SLICE_BYTES);
  scratch[CNN3D_PHASE_FORWARD] = converts ? weights : 0;
  if (!add_workspace (p, i, CUDA_CONV_FORWARD, &scratch[CNN3D_PHASE_FORWARD], error))
    return FALSE;
  if (!params->training)
    return TRUE;
  scratch[CNN3D_PHASE_RECOMPUTE] = scratch[CNN3D_PHASE_FORWARD];
  /* cuDNN writes the gradient in the weights' type and over what is there: in
   * 16 bits it is converted, and added to the f32 one, afterwards */
  if (m->type != CUDA_TYPE_F32 || params->accumulates || p->sizes.slice[i] < params->batch)
    scratch[CNN3D_PHASE_BACKWARD_WEIGHTS] = weights;
  if (!add_workspace (p, i, CUDA_CONV_WEIGHTS, &scratch[CNN3D_PHASE_BACKWARD_WEIGHTS], error))
    return FALSE;
  if (m->net->ops[in->producer].kind == CNN3D_OP_INPUT)
    return TRUE;
  scratch[CNN3D_PHASE_BACKWARD] = converts ? weights : 0;
  return add_workspace (p, i, CUDA_CONV_DATA, &scratch[CNN3D_PHASE_BACKWARD], error);
}

/* --- the others --- */

static void
norm_sizes (Cnn3dProgram *p, gint i, const Cnn3dProgramParams *params)
{
  const Cnn3dNetwork *net = p->model->net;
  const Cnn3dOp *op = &net->ops[i];
  const Cnn3dTensor *t = &net->tensors[op->in];
  const gsize c = cuda_pad (t->c), numbers = params->batch * points (t) * c;
  const gsize rows = cuda_norm_rows (params->batch * points (t), c);
  const gsize sums = cuda_align (rows * c * 2 * sizeof (gfloat)), vectors = cuda_align (2 * c * sizeof (gfloat));
  gsize *scratch = p->sizes.scratch + i * CNN3D_N_PHASES;

  scratch[CNN3D_PHASE_FORWARD] = sums;
  /* mean and 1 / sqrt (var + eps): an evaluation keeps nothing */
  if (!params->training) {
    scratch[CNN3D_PHASE_FORWARD] += vectors;
    return;
  }
  p->sizes.saved[i] = vectors;
  /* what ReLU let through of a sum: one bit a number */
  if (op->relu && op->residual >= 0)
    p->sizes.saved[i] += cuda_align (numbers / 8);
  scratch[CNN3D_PHASE_RECOMPUTE] = sums;
  scratch[CNN3D_PHASE_BACKWARD] = sums + vectors;
}

/* Saved: which of its window each output is, a byte each. */
static void
max_pool_sizes (Cnn3dProgram *p, gint i, const Cnn3dProgramParams *params)
{
  const Cnn3dTensor *out = &p->model->net->tensors[p->model->net->ops[i].out];

  if (params->training)
    p->sizes.saved[i] = params->batch * points (out) * cuda_pad (out->c);
}

/* Each clip's loss, and whether it was right, to be added up in order. */
static void
loss_sizes (Cnn3dProgram *p, gint i, const Cnn3dProgramParams *params)
{
  p->sizes.scratch[i * CNN3D_N_PHASES + CNN3D_PHASE_FORWARD] = params->batch * 2 * sizeof (gfloat);
}

Cnn3dProgram *
cuda_program_new (Cnn3dModel *m, const Cnn3dProgramParams *params, GError **error)
{
  const Cnn3dNetwork *net = m->net;
  Cnn3dProgram *p;

  if (!params->sizes_only) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "%s runs nothing: it is a plan for a GPU that is not here", m->device->name);
    return NULL;
  }
  p = g_new0 (Cnn3dProgram, 1);
  p->model = m;
  p->sizes.batch = params->batch;
  p->sizes.activation = g_new0 (gsize, net->n_tensors);
  p->sizes.gradient = g_new0 (gsize, net->n_tensors);
  p->sizes.saved = g_new0 (gsize, net->n_ops);
  p->sizes.scratch = g_new0 (gsize, net->n_ops * CNN3D_N_PHASES);
  p->sizes.parameters = g_new0 (gsize, net->n_ops);
  p->sizes.slice = g_new0 (guint, net->n_ops);
  for (guint i = 0; i < net->n_tensors; i++)
    p->sizes.activation[i] = p->sizes.gradient[i] = params->batch * clip_bytes (m, &net->tensors[i]);
  for (guint i = 0; i < net->n_weights; i++)
    if (CNN3D_PARAM_TRAINED (net->weights[i].role))
      p->sizes.parameters[net->weights[i].op] += m->layout.length[i] * sizeof (gfloat);
  for (guint i = 0; i < net->n_ops; i++) {
    p->sizes.slice[i] = params->batch;
    if (net->ops[i].kind == CNN3D_OP_NORM)
      norm_sizes (p, i, params);
    else if (net->ops[i].kind == CNN3D_OP_MAX_POOL)
      max_pool_sizes (p, i, params);
    else if (net->ops[i].kind == CNN3D_OP_LOSS)
      loss_sizes (p, i, params);
    else if (net->ops[i].kind == CNN3D_OP_CONV && !conv_sizes (p, i, params, error)) {
      cuda_program_free (&p);
      return NULL;
    }
  }
  return p;
}

void
cuda_program_free (Cnn3dProgram **program)
{
  Cnn3dProgram *p = *program;

  *program = NULL;
  if (!p)
    return;
  g_free (p->sizes.activation);
  g_free (p->sizes.gradient);
  g_free (p->sizes.saved);
  g_free (p->sizes.scratch);
  g_free (p->sizes.parameters);
  g_free (p->sizes.slice);
  g_free (p);
}

const Cnn3dSizes *
cuda_program_sizes (Cnn3dProgram *p)
{
  return &p->sizes;
}
