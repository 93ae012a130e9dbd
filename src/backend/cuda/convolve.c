/* convolve.c: convolutions by cuDNN, a slice of a batch at a time, with what can be fused to them.
 * A batch norm that the plan defers is not applied in its own step: the convolution that follows
 * reads its input and applies it, or has it applied.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/run-private.h"

gboolean
cuda_apply_deferred (const CudaStep *s, GError **error)
{
  CudaDeferred *d = &s->program->runs->deferred;

  if (!d->waits)
    return TRUE;
  d->waits = FALSE;
  return cuda_ok (cuda_norm_apply (s->here->work, &d->norm, d->x, NULL, d->y, NULL),
      "batch norm failed", error);
}

/* A convolution's step, and where its parts lie. */
typedef struct {
  const CudaStep *s;
  CudaConvGraph graph;       /* with all that may be fused to it */
  CudaConvArgs args;         /* of the first slice */
  gpointer raw;              /* what a deferred batch norm reads; NULL: none */
  gboolean converts;         /* the gradient of the weights is made in scratch */
  gpointer through;          /* one slice of the input's gradient; NULL: it has its place */
  gfloat *scale, *shift;     /* of that, f32 */
  gsize in_slice, out_slice; /* bytes */
  gsize n_weights;
} Conv;

static CudaConvDirection
direction (Cnn3dPhase phase)
{
  return phase == CNN3D_PHASE_BACKWARD_WEIGHTS ? CUDA_CONV_WEIGHTS
      : phase == CNN3D_PHASE_BACKWARD          ? CUDA_CONV_DATA
                                               : CUDA_CONV_FORWARD;
}

/* The weights in cuDNN's type, converted if no copy of them is kept. */
static gboolean
find_weights (Conv *c, guint8 *scratch, GError **error)
{
  const CudaStep *s = c->s;
  const Cnn3dModel *m = s->program->model;
  gfloat *masters = s->binding->arrays.weights + m->layout.offset[s->op->weight];

  if (m->type == CUDA_TYPE_F32) {
    c->args.w = masters;
  } else if (m->copy_offset[s->op->weight] != CUDA_NO_COPY) {
    c->args.w = (guint8 *) s->binding->arrays.copy + m->copy_offset[s->op->weight];
  } else {
    c->args.w = scratch;
    return cuda_ok (cuda_convert (s->here->work, m->type, c->n_weights, masters, scratch),
        "weights cannot be converted", error);
  }
  return TRUE;
}

static gboolean
conv_init (Conv *c, const CudaStep *s, GError **error)
{
  const Cnn3dProgram *p = s->program;
  const Cnn3dModel *m = p->model;
  const Cnn3dPhase phase = s->step->phase;
  const CudaScratch at = cuda_scratch (p, s->step->op, phase);
  const CudaDeferred *d = &p->runs->deferred;
  const gsize channels = cuda_pad (s->in_tensor->c);
  guint8 *scratch = s->scratch;

  c->s = s;
  c->graph = (CudaConvGraph) { .direction = direction (phase),
    .conv = cuda_conv (p, s->step->op),
    .adds = phase == CNN3D_PHASE_BACKWARD && s->step->accumulate,
    .statistics = s->statistics != NULL };
  c->in_slice = cuda_clip_bytes (m, s->in_tensor) * p->sizes.slice[s->step->op];
  c->out_slice = cuda_clip_bytes (m, s->out_tensor) * p->sizes.slice[s->step->op];
  c->n_weights = cuda_conv_weights (m, s->op);
  if (p->workspace[s->step->op * CNN3D_N_PHASES + phase])
    c->args.workspace =
        (gpointer) (((guintptr) scratch + at.workspace + CUDA_WORKSPACE_ALIGNMENT - 1)
            & ~(guintptr) (CUDA_WORKSPACE_ALIGNMENT - 1));
  /* Backward-weights reads scale and shift in the type of x: in bf16 they would
   * lose too much to give the gradient of what ran forward. */
  if (d->waits && !(phase == CNN3D_PHASE_BACKWARD_WEIGHTS && m->type == CUDA_TYPE_BF16)) {
    const gsize f32 = cuda_align (channels * sizeof (gfloat)),
                half = cuda_align (channels * sizeof (guint16));

    c->raw = (gpointer) d->x;
    c->graph.normalizes = TRUE;
    c->graph.relu = d->norm.relu;
    c->args.scale = c->scale = (gfloat *) (scratch + at.vectors);
    c->args.shift = c->shift = (gfloat *) (scratch + at.vectors + f32);
    if (phase == CNN3D_PHASE_BACKWARD_WEIGHTS) {
      c->args.scale = scratch + at.vectors + 2 * f32;
      c->args.shift = scratch + at.vectors + 2 * f32 + half;
    }
  }
  c->args.sum = s->statistics;
  if (s->statistics)
    c->args.squares = c->args.sum + cuda_pad (s->out_tensor->c);
  c->args.x = phase == CNN3D_PHASE_BACKWARD ? s->din : s->in;
  c->args.y = direction (phase) == CUDA_CONV_FORWARD ? s->out : s->dout[0];
  if (phase == CNN3D_PHASE_BACKWARD_WEIGHTS) {
    c->converts =
        m->type != CUDA_TYPE_F32 || cuda_adds (s) || p->sizes.slice[s->step->op] < s->step->clips;
    c->args.w = c->converts ? (gpointer) scratch : cuda_gradient (s, s->op->weight);
    return TRUE;
  }
  if (phase == CNN3D_PHASE_BACKWARD && s->din == s->dout[0])
    c->args.x = c->through = scratch + at.through;
  return find_weights (c, scratch, error);
}

static gboolean
make_vectors (const Conv *c, const CudaNorm *norm, GError **error)
{
  cudaStream_t work = c->s->here->work;
  gint status = cuda_norm_vectors (work, norm, c->scale, c->shift);

  if (!status && c->args.scale != c->scale)
    status = cuda_convert (work, norm->type, norm->channels, c->scale, c->args.scale);
  if (!status && c->args.shift != c->shift)
    status = cuda_convert (work, norm->type, norm->channels, c->shift, c->args.shift);
  return cuda_ok (status, "batch norm failed", error);
}

/* Work that a fused plan saves, for timing. The deferred batch norm stays deferred. */
static gboolean
apart (gpointer data, gboolean normalize, gboolean statistics, GError **error)
{
  const Conv *c = data;
  const CudaStep *s = c->s;
  const CudaDeferred *d = &s->program->runs->deferred;
  const CudaNorm norm = { .type = s->program->model->type,
    .points = cuda_points (s->out_tensor) * c->graph.conv.batch,
    .channels = c->graph.conv.out_channels };

  return (!normalize
             || cuda_ok (cuda_norm_apply (s->here->work, &d->norm, d->x, NULL, d->y, NULL),
                 "batch norm failed", error))
      && (!statistics
          || cuda_ok (cuda_norm_statistics (s->here->work, &norm, c->args.y, s->here->small->sums),
              "batch norm failed", error));
}

/* How this step is computed from now on. */
static CudaCandidate *
choose (const Conv *c, GError **error)
{
  const CudaStep *s = c->s;
  const CudaTrial trial = { .device = s->program->model->device,
    .graph = c->graph,
    .limits = cuda_conv_limits (s->program->model->device,
        s->program->workspace[s->step->op * CNN3D_N_PHASES + s->step->phase]),
    .args = c->args,
    .raw = c->raw,
    .fusion = s->program->runs->fusion,
    .result_bytes = c->in_slice,
    .apart = apart,
    .data = (gpointer) c };

  /* candidates that normalize are compared with others */
  if (c->raw
      && (!make_vectors (c, &s->program->runs->deferred.norm, error)
          || !apart ((gpointer) c, TRUE, FALSE, error)))
    return NULL;
  return cuda_choose (&trial, error);
}

static gboolean
run_slice (const Conv *c, const CudaCandidate *candidate, const CudaConvArgs *args, gboolean adds,
    GError **error)
{
  const CudaStep *s = c->s;

  if (!candidate->run (candidate, args, error))
    return FALSE;
  if (c->through)
    return cuda_ok (
        cudaMemcpyAsync (args->y, c->through, c->in_slice, cudaMemcpyDeviceToDevice, s->here->work),
        "a copy failed", error);
  if (c->converts)
    return cuda_ok (cuda_add_gradient (s->here->work, s->program->model->type, c->n_weights,
                        args->w, cuda_gradient (s, s->op->weight), adds),
        "a gradient cannot be converted", error);
  return TRUE;
}

gboolean
cuda_conv_run (const CudaStep *s, GError **error)
{
  CudaRuns *r = s->program->runs;
  CudaDeferred *d = &r->deferred;
  CudaCandidate **choice = &r->choices[s->step->op][s->step->phase][d->waits && d->y == s->in];
  Conv c = { NULL };

  if (d->waits && d->y != s->in && !cuda_apply_deferred (s, error))
    return FALSE;
  if (!conv_init (&c, s, error) || (!c.raw && !cuda_apply_deferred (s, error))
      || (!*choice && !(*choice = choose (&c, error))))
    return FALSE;
  if ((*choice)->normalizes) {
    if (!make_vectors (&c, &d->norm, error))
      return FALSE;
    c.args.x = c.raw;
    d->waits = FALSE;
  } else if (!cuda_apply_deferred (s, error)) {
    return FALSE;
  }
  for (guint k = 0; k < s->step->clips; k += c.graph.conv.batch) {
    CudaConvArgs args = c.args;
    const guint slice = k / c.graph.conv.batch;

    if (!c.through)
      args.x = cuda_at (args.x, slice * c.in_slice);
    args.y = cuda_at (args.y, slice * c.out_slice);
    if (!run_slice (&c, *choice, &args, k > 0 || cuda_adds (s), error))
      return FALSE;
  }
  if ((*choice)->statistics)
    r->summed[s->step->op] = TRUE;
  return TRUE;
}
