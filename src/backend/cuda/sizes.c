/* What each piece of a pass takes. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cuda-private.h"

#include "src/backend/cuda/candidates.h"
#include "src/backend/cuda/run.h"

/* The larger of a convolution's two tensors, about, that is worked on at once:
 * enough to fill any GPU. */
#define SLICE_BYTES ((gsize) 256 << 20)

static gboolean
is_pooled (const Cnn3dNetwork *net, const Cnn3dTensor *t)
{
  const Cnn3dOpKind kind = net->ops[t->producer].kind;

  return kind == CNN3D_OP_GLOBAL_POOL || kind == CNN3D_OP_DROPOUT || kind == CNN3D_OP_LINEAR
      || kind == CNN3D_OP_CONCAT || kind == CNN3D_OP_MEAN || kind == CNN3D_OP_VIEWS;
}

gsize
cuda_clip_bytes (const Cnn3dModel *m, const Cnn3dTensor *t)
{
  return cuda_pad (t->c) * cuda_points (t) * (is_pooled (m->net, t) ? sizeof (gfloat) : m->element);
}

/* --- convolutions --- */

CudaConv
cuda_conv (const Cnn3dProgram *p, gint i)
{
  const Cnn3dNetwork *net = p->model->net;
  const Cnn3dOp *op = &net->ops[i];
  const Cnn3dTensor *in = &net->tensors[op->in];
  CudaConv conv = { p->model->type, p->sizes.slice[i], cuda_pad (in->c),
    cuda_pad (net->tensors[op->out].c), { in->d, in->h, in->w } };

  for (guint k = 0; k < 3; k++) {
    conv.kernel[k] = op->kernel[k];
    conv.stride[k] = op->stride[k];
    conv.pad[k] = op->pad[k];
  }
  return conv;
}

CudaConvLimits
cuda_conv_limits (const Cnn3dDevice *d, gsize workspace)
{
  return (CudaConvLimits) { workspace, d->params.deterministic, d->params.tf32 };
}

/* May the batch norm before a convolution be read into it? */
static gboolean
follows_norm (const Cnn3dNetwork *net, const Cnn3dOp *op)
{
  const Cnn3dOp *before = &net->ops[net->tensors[op->in].producer];

  return before->kind == CNN3D_OP_NORM && before->residual < 0;
}

/* scale and shift in f32, and in the type that is computed with. */
static gsize
vectors_bytes (gsize channels)
{
  return 2 * cuda_align (channels * sizeof (gfloat)) + 2 * cuda_align (channels * sizeof (guint16));
}

/* Everything but `through`, which the plan requests, is within the reported scratch; `through`
 * begins where that ends. */
CudaScratch
cuda_scratch (const Cnn3dProgram *p, gint i, Cnn3dPhase phase)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const gboolean converts = m->type != CUDA_TYPE_F32 && !m->params.keeps_copy;
  const gsize workspace = p->workspace[i * CNN3D_N_PHASES + phase];
  gboolean weights = converts;
  CudaScratch s = { 0 };

  /* cuDNN writes the gradient in the weights' type and over what is there: in
   * 16 bits it is converted, and added to the f32 one, afterwards */
  if (phase == CNN3D_PHASE_BACKWARD_WEIGHTS)
    weights = m->type != CUDA_TYPE_F32 || p->params.accumulates
        || p->sizes.slice[i] < cuda_rows (p, op->in);
  if (weights)
    s.vectors = cuda_align (cuda_conv_weights (m, op) * m->element);
  s.workspace = s.vectors;
  if (phase != CNN3D_PHASE_BACKWARD && m->type != CUDA_TYPE_F32 && follows_norm (m->net, op))
    s.workspace += vectors_bytes (cuda_pad (m->net->tensors[op->in].c));
  s.through = s.workspace;
  if (workspace)
    s.through += cuda_align (workspace) + CUDA_WORKSPACE_ALIGNMENT - CNN3D_ARENA_ALIGNMENT;
  return s;
}

static gboolean
add_workspace (
    Cnn3dProgram *p, gint i, Cnn3dPhase phase, CudaConvDirection direction, GError **error)
{
  const Cnn3dModel *m = p->model;
  const CudaConvLimits limits = cuda_conv_limits (m->device, CUDA_WORKSPACE_LIMIT);
  CudaConvGraph graph = { .direction = direction, .conv = cuda_conv (p, i) };
  gsize *workspace = &p->workspace[i * CNN3D_N_PHASES + phase];

  if (!m->device->dnn)
    *workspace = CUDA_WORKSPACE_LIMIT;
  /* whether a gradient is added to another is the plan's choice, and its plans need more on a few
   * GPUs */
  for (guint k = 0; m->device->dnn && k < (direction == CUDA_CONV_DATA ? 2 : 1); k++) {
    CudaConvPlan plan;

    graph.adds = k;
    if (!cuda_dnn_plan (m->device->dnn, &graph, &limits, cuda_most_plans (m->type), &plan, error)) {
      g_prefix_error (
          error, "%s on %s: ", m->net->weights[m->net->ops[i].weight].name, m->device->name);
      return FALSE;
    }
    *workspace = MAX (*workspace, plan.workspace);
  }
  *workspace = MAX (*workspace, cuda_own_workspace (&graph));
  p->sizes.scratch[i * CNN3D_N_PHASES + phase] = cuda_scratch (p, i, phase).through;
  return TRUE;
}

static gboolean
conv_sizes (Cnn3dProgram *p, gint i, const Cnn3dProgramParams *params, GError **error)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dOp *op = &m->net->ops[i];
  const Cnn3dTensor *in = &m->net->tensors[op->in], *out = &m->net->tensors[op->out];

  p->sizes.slice[i] =
      cnn3d_plan_slice (cuda_rows (p, op->in), params->training ? params->most * in->views : 0,
          MAX (cuda_clip_bytes (m, in), cuda_clip_bytes (m, out)), SLICE_BYTES);
  p->sizes.adds[i] = TRUE;
  p->sizes.statistics[i] =
      params->training && m->type != CUDA_TYPE_F32 && p->sizes.slice[i] == cuda_rows (p, op->in);
  if (!add_workspace (p, i, CNN3D_PHASE_FORWARD, CUDA_CONV_FORWARD, error))
    return FALSE;
  if (!params->training)
    return TRUE;
  return add_workspace (p, i, CNN3D_PHASE_RECOMPUTE, CUDA_CONV_FORWARD, error)
      && add_workspace (p, i, CNN3D_PHASE_BACKWARD_WEIGHTS, CUDA_CONV_WEIGHTS, error)
      && (m->net->ops[in->producer].kind == CNN3D_OP_INPUT
          || add_workspace (p, i, CNN3D_PHASE_BACKWARD, CUDA_CONV_DATA, error));
}

/* --- the others --- */

static void
norm_sizes (Cnn3dProgram *p, gint i, const Cnn3dProgramParams *params)
{
  const Cnn3dNetwork *net = p->model->net;
  const Cnn3dOp *op = &net->ops[i];
  const Cnn3dTensor *t = &net->tensors[op->in];
  const gsize points = cuda_rows (p, op->in) * cuda_points (t);
  const gsize c = cuda_pad (t->c), numbers = points * c;
  const gsize rows = cuda_norm_rows (points, c);
  const gsize sums = cuda_align (rows * c * 2 * sizeof (gfloat)),
              vectors = cuda_align (2 * c * sizeof (gfloat));
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
  scratch[CNN3D_PHASE_BACKWARD] = sums + cuda_align (3 * c * sizeof (gfloat));
}

/* Saved: which of its window each output is, a byte each. */
static void
max_pool_sizes (Cnn3dProgram *p, gint i, const Cnn3dProgramParams *params)
{
  const gint tensor = p->model->net->ops[i].out;
  const Cnn3dTensor *out = &p->model->net->tensors[tensor];

  if (params->training)
    p->sizes.saved[i] = cuda_rows (p, tensor) * cuda_points (out) * cuda_pad (out->c);
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

  p = g_new0 (Cnn3dProgram, 1);
  p->model = m;
  p->params = *params;
  p->workspace = g_new0 (gsize, net->n_ops * CNN3D_N_PHASES);
  cnn3d_sizes_init (&p->sizes, net, params->batch);
  for (guint i = 0; i < net->n_tensors; i++)
    p->sizes.activation[i] = p->sizes.gradient[i] =
        cuda_rows (p, i) * cuda_clip_bytes (m, &net->tensors[i]);
  for (guint i = 0; i < net->n_weights; i++)
    if (CNN3D_PARAM_TRAINED (net->weights[i].role))
      p->sizes.parameters[net->weights[i].op] += m->layout.length[i] * sizeof (gfloat);
  for (guint i = 0; i < net->n_ops; i++) {
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
  if (!params->sizes_only && !cuda_runs_new (p, error))
    cuda_program_free (&p);
  return p;
}

void
cuda_program_free (Cnn3dProgram **program)
{
  Cnn3dProgram *p = *program;

  *program = NULL;
  if (!p)
    return;
  cuda_runs_free (&p->runs);
  cnn3d_sizes_clear (&p->sizes);
  g_free (p->workspace);
  g_free (p);
}

const Cnn3dSizes *
cuda_program_sizes (Cnn3dProgram *p)
{
  return &p->sizes;
}
