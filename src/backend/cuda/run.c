/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/run-private.h"
#include "src/backend/cuda/store.h"

#include <string.h>

/* Steps that were run before, with one kind of binding. */
typedef struct {
  const Cnn3dStep *steps;
  guint n_steps, kind;
  gpointer arena;
  Cnn3dStore *store;
  Cnn3dArrays arrays;
  cudaGraphExec_t graph; /* NULL: not recorded yet */
  gboolean fails;        /* it cannot be recorded */
} Recording;

static void
recording_free (gpointer data)
{
  Recording *r = data;

  if (r->graph)
    cudaGraphExecDestroy (r->graph);
  g_free (r);
}

gboolean
cuda_runs_new (Cnn3dProgram *p, GError **error)
{
  Cnn3dDevice *d = p->model->device;
  const guint n = p->model->net->n_ops;
  CudaRuns *r;

  if (!d->here)
    return cuda_runs_nothing (d, error);
  if (!cuda_enter (d, error))
    return FALSE;
  r = p->runs = g_new0 (CudaRuns, 1);
  r->choices = g_malloc0_n (n, sizeof *r->choices);
  r->summed = g_new0 (gboolean, n);
  r->n_ops = n;
  r->fusion = cuda_fusion ();
  r->recordings = g_ptr_array_new_with_free_func (recording_free);
  return TRUE;
}

void
cuda_runs_free (CudaRuns **runs)
{
  CudaRuns *r = *runs;

  *runs = NULL;
  if (!r)
    return;
  /* before what they refer to */
  g_ptr_array_unref (r->recordings);
  for (guint i = 0; i < r->n_ops; i++)
    for (guint phase = 0; phase < CNN3D_N_PHASES; phase++)
      for (guint k = 0; k < 2; k++)
        g_clear_pointer (&r->choices[i][phase][k], cuda_candidate_free);
  g_free (r->choices);
  g_free (r->summed);
  g_free (r);
}

/* --- batch norm --- */

static CudaNorm
norm_of (const CudaStep *s, gfloat *statistics)
{
  const Cnn3dModel *m = s->program->model;
  const gsize *offset = m->layout.offset;
  gfloat *weights = s->binding->arrays.weights;

  return (CudaNorm) { .type = m->type,
    .points = cuda_points (s->in_tensor) * s->step->clips,
    .channels = cuda_pad (s->in_tensor->c),
    .relu = s->op->relu,
    .eps = s->op->eps,
    .momentum = s->op->momentum,
    .mean = statistics,
    .inverse = statistics + cuda_pad (s->in_tensor->c),
    .weight = weights + offset[s->op->weight],
    .bias = weights + offset[s->op->bias],
    .running_mean = weights + offset[s->op->mean],
    .running_var = weights + offset[s->op->var] };
}

/* One bit a number, of what ReLU let through of a sum; NULL: there is none. */
static guint8 *
mask_of (const CudaStep *s)
{
  const gsize channels = cuda_pad (s->in_tensor->c);

  if (!s->saved || !s->op->relu || s->op->residual < 0)
    return NULL;
  return (guint8 *) s->saved + cuda_align (2 * channels * sizeof (gfloat))
      + s->step->first * cuda_points (s->in_tensor) * channels / 8;
}

static gboolean
norm_forward (const CudaStep *s, GError **error)
{
  CudaRuns *r = s->program->runs;
  cudaStream_t work = s->here->work;
  const gsize channels = cuda_pad (s->in_tensor->c);
  const gsize rows = cuda_norm_rows (cuda_points (s->in_tensor) * s->step->clips, channels);
  gfloat *sums = s->scratch;
  /* an evaluation keeps nothing: its place is behind the sums' */
  const CudaNorm norm = norm_of (s,
      s->saved ? s->saved
               : cuda_at (s->scratch, cuda_align (rows * channels * 2 * sizeof (gfloat))));
  const gint conv = s->program->model->net->tensors[s->op->in].producer;
  gint status = 0;

  if (s->step->phase == CNN3D_PHASE_FORWARD && !s->binding->batch_statistics) {
    status = cuda_norm_running (work, &norm);
  } else if (s->step->phase == CNN3D_PHASE_FORWARD && r->summed[conv]) {
    /* the convolution left them where mean and inverse go */
    status = cuda_norm_finish (work, &norm, NULL, norm.mean, 1);
  } else if (s->step->phase == CNN3D_PHASE_FORWARD) {
    status = cuda_norm_statistics (work, &norm, s->in, sums);
    if (!status)
      status = cuda_norm_finish (work, &norm, s->in, sums, rows);
  }
  r->summed[conv] = FALSE;
  if (status)
    return cuda_ok (status, "batch norm failed", error);
  /* in an evaluation, mean and inverse are gone after this step */
  if (s->step->defers && s->saved && norm.type != CUDA_TYPE_F32 && r->fusion != CUDA_FUSION_NEVER) {
    r->deferred = (CudaDeferred) { TRUE, norm, s->in, s->out };
    return TRUE;
  }
  return cuda_ok (cuda_norm_apply (work, &norm, s->in, s->residual, s->out, mask_of (s)),
      "batch norm failed", error);
}

static gboolean
norm_backward (const CudaStep *s, GError **error)
{
  cudaStream_t work = s->here->work;
  const gsize channels = cuda_pad (s->in_tensor->c);
  const gsize rows = cuda_norm_rows (cuda_points (s->in_tensor) * s->step->clips, channels);
  const CudaNorm norm = norm_of (s, s->saved);
  /* whether ReLU let a number through shows in x where no residual was added: it is masked again,
   * not written */
  const gboolean by_x = s->op->relu && s->op->residual < 0;
  const gboolean writes = !by_x || s->dout[1];
  gfloat *sums = s->scratch,
         *vectors = cuda_at (s->scratch, cuda_align (rows * channels * 2 * sizeof (gfloat)));
  gint status = cuda_norm_backward_sums (
      work, &norm, s->in, s->dout[0], s->dout[1], mask_of (s), by_x, writes, sums);

  if (!status)
    status = cuda_norm_backward_finish (work, &norm, sums, rows, s->binding->batch_statistics,
        cuda_gradient (s, s->op->weight), cuda_gradient (s, s->op->bias), cuda_adds (s), vectors);
  if (!status && s->din)
    status =
        cuda_norm_backward_apply (work, &norm, s->in, s->dout[0], by_x && !writes, vectors, s->din);
  return cuda_ok (status, "batch norm failed", error);
}

/* --- the others --- */

/* Rows of a step whose tensor has `views` rows a sample that are not padding. */
static guint
real_rows (const CudaStep *s, guint views)
{
  const guint samples = s->binding->samples ? s->binding->samples : s->program->params.batch;
  const guint rows = samples * views;

  return MIN (s->step->clips, rows - MIN (rows, s->step->first));
}

/* Zeros for the rows of the output from `rows` on. */
static gboolean
pad (const CudaStep *s, guint rows, GError **error)
{
  const gsize row = cuda_clip_bytes (s->program->model, s->out_tensor);

  return rows == s->step->clips
      || cuda_ok (cudaMemsetAsync (cuda_at (s->out, rows * row), 0, (s->step->clips - rows) * row,
                      s->here->work),
          "memory cannot be cleared", error);
}

static gboolean
heatmaps (const CudaStep *s, const CudaInput *input, guint rows, GError **error)
{
  const Cnn3dNetworkParams *n = &s->program->model->net->params;
  const Cnn3dTensor *t = s->out_tensor;
  const CudaHeatmaps maps = { (gint) n->points, (gint) n->persons, t->d, t->h, t->w,
    (gint) cuda_pad (t->c), n->heatmap_sigma };

  return cuda_ok (cuda_input_with_points (s->here->work, s->program->model->type, input, &maps,
                      &s->here->small->scalars.pass, s->step->first, rows, s->out),
      "the key points cannot be drawn", error);
}

static gboolean
input_forward (const CudaStep *s, GError **error)
{
  static const CudaFrames types[] = { [CNN3D_TYPE_UINT8] = CUDA_FRAMES_UINT8,
    [CNN3D_TYPE_FLOAT16] = CUDA_FRAMES_F16,
    [CNN3D_TYPE_FLOAT32] = CUDA_FRAMES_F32 };
  const Cnn3dModel *m = s->program->model;
  const gsize points = cuda_points (s->out_tensor);
  const guint rows = real_rows (s, s->out_tensor->views);
  CudaInput input = { types[s->binding->frames_type], (gint) s->op->channels };

  for (gint c = 0; c < MIN (input.channels, CUDA_FRAME_CHANNELS); c++) {
    input.scale[c] = 1 / (255 * m->net->std[c]);
    input.shift[c] = -m->net->mean[c] / m->net->std[c];
  }
  if (!pad (s, rows, error) || !rows)
    return rows == 0;
  if (s->op->points)
    return heatmaps (s, &input, rows, error);
  return cuda_ok (cuda_input (s->here->work, m->type, &input, &s->here->small->scalars.pass,
                      s->step->first * points, rows * points, s->out),
      "the input cannot be normalised", error);
}

static gboolean
max_pool (const CudaStep *s, GError **error)
{
  const Cnn3dTensor *in = s->in_tensor, *out = s->out_tensor;
  CudaPool pool = { .type = s->program->model->type,
    .clips = s->step->clips,
    .channels = cuda_pad (in->c),
    .in = { in->d, in->h, in->w },
    .out = { out->d, out->h, out->w } };
  guint8 *index = cuda_at (s->saved, s->step->first * cuda_points (out) * cuda_pad (out->c));

  memcpy (pool.kernel, s->op->kernel, sizeof pool.kernel);
  memcpy (pool.stride, s->op->stride, sizeof pool.stride);
  memcpy (pool.pad, s->op->pad, sizeof pool.pad);
  return cuda_ok (s->step->phase == CNN3D_PHASE_BACKWARD
          ? cuda_max_pool_backward (s->here->work, &pool, s->dout[0], s->dout[1], index, s->din)
          : cuda_max_pool (s->here->work, &pool, s->in, s->out, index),
      "max pooling failed", error);
}

static gboolean
global_pool (const CudaStep *s, GError **error)
{
  const CudaType type = s->program->model->type;
  const gsize points = cuda_points (s->in_tensor);
  const gint channels = cuda_pad (s->in_tensor->c), clips = s->step->clips;

  return cuda_ok (s->step->phase == CNN3D_PHASE_BACKWARD
          ? cuda_global_pool_backward (
                s->here->work, type, clips, points, channels, s->dout[0], s->din)
          : cuda_global_pool (s->here->work, type, clips, points, channels, s->in, s->out),
      "pooling failed", error);
}

static gboolean
dropout (const CudaStep *s, GError **error)
{
  const gboolean backward = s->step->phase == CNN3D_PHASE_BACKWARD;

  return cuda_ok (cuda_dropout (s->here->work, &s->here->small->scalars.pass, s->step->clips,
                      cuda_pad (s->in_tensor->c), s->in_tensor->views, s->in_tensor->c,
                      s->op->first_draw, s->binding->training ? s->op->dropout : 0,
                      backward ? s->dout[0] : s->in, backward ? s->din : s->out),
      "dropout failed", error);
}

static gboolean
concat (const CudaStep *s, GError **error)
{
  const Cnn3dTensor *a = s->in_tensor, *b = &s->program->model->net->tensors[s->op->residual];
  const CudaConcat parts = { (gint) s->step->clips, a->c, b->c, (gint) cuda_pad (a->c),
    (gint) cuda_pad (b->c), (gint) cuda_pad (s->out_tensor->c) };

  return cuda_ok (s->step->phase == CNN3D_PHASE_BACKWARD
          ? cuda_concat_backward (s->here->work, &parts, s->dout[0], s->din, s->dresidual)
          : cuda_concat (s->here->work, &parts, s->in, s->residual, s->out),
      "joining two streams failed", error);
}

static gboolean
mean (const CudaStep *s, GError **error)
{
  const gsize n = s->step->clips * cuda_pad (s->out_tensor->c);

  return cuda_ok (s->step->phase == CNN3D_PHASE_BACKWARD
          ? cuda_mean_backward (s->here->work, n, s->dout[0], s->din, s->dresidual)
          : cuda_mean (s->here->work, n, s->in, s->residual, s->out),
      "joining two streams failed", error);
}

static gboolean
views (const CudaStep *s, GError **error)
{
  static const CudaViewFusion fusions[] = { [CNN3D_VIEW_FUSION_LOGITS] = CUDA_VIEWS_MEAN,
    [CNN3D_VIEW_FUSION_PROBABILITIES] = CUDA_VIEWS_PROBABILITIES,
    [CNN3D_VIEW_FUSION_FEATURES] = CUDA_VIEWS_MEAN,
    [CNN3D_VIEW_FUSION_CONCAT] = CUDA_VIEWS_CONCAT };
  const CudaPass *pass = &s->here->small->scalars.pass;
  const guint samples = real_rows (s, 1);
  const CudaViews v = { fusions[s->op->view_fusion], (gint) samples, (gint) s->in_tensor->views,
    s->in_tensor->c, (gint) cuda_pad (s->in_tensor->c), (gint) cuda_pad (s->out_tensor->c),
    s->binding->training ? s->op->dropout : 0 };

  if (s->step->phase == CNN3D_PHASE_BACKWARD)
    return cuda_ok (cuda_views_backward (s->here->work, &v, pass, s->in, s->dout[0], s->din),
        "joining views failed", error);
  return pad (s, samples, error)
      && cuda_ok (
          cuda_views (s->here->work, &v, pass, s->in, s->out), "joining views failed", error);
}

static gboolean
linear (const CudaStep *s, GError **error)
{
  const gsize *offset = s->program->model->layout.offset;
  const gfloat *weights = s->binding->arrays.weights + offset[s->op->weight];
  const gint clips = s->step->clips, row = cuda_pad (s->in_tensor->c), classes = s->out_tensor->c;
  const gint out_row = cuda_pad (classes);
  gint status;

  switch (s->step->phase) {
    case CNN3D_PHASE_FORWARD:
      status = cuda_linear (s->here->work, clips, row, classes, out_row, s->in, weights,
          s->binding->arrays.weights + offset[s->op->bias], s->out);
      break;
    case CNN3D_PHASE_BACKWARD_WEIGHTS:
      status = cuda_linear_weights (s->here->work, clips, row, classes, out_row, s->in, s->dout[0],
          cuda_gradient (s, s->op->weight), cuda_gradient (s, s->op->bias), cuda_adds (s));
      break;
    default:
      status = cuda_linear_data (
          s->here->work, clips, row, classes, out_row, s->dout[0], weights, s->din);
  }
  return cuda_ok (status, "the last layer failed", error);
}

/* Updates are stopped by a loss that is not finite as by a norm that is not. */
static gboolean
loss (const CudaStep *s, GError **error)
{
  CudaSmall *small = s->here->small;

  return cuda_ok (cuda_loss (s->here->work, &small->scalars.pass, real_rows (s, 1), s->in_tensor->c,
                      cuda_pad (s->in_tensor->c), s->in, s->din, s->scratch, &small->results),
             "the loss failed", error)
      && (!s->binding->update
          || cuda_ok (cudaMemcpyAsync (&small->results.squares, &small->results.loss_sum,
                          sizeof (gdouble), cudaMemcpyDeviceToDevice, s->here->work),
              "a copy failed", error));
}

static gboolean
update_layer (const CudaStep *s, GError **error)
{
  Cnn3dModel *m = s->program->model;
  const gsize first = m->layout.offset[s->op->weight];
  const gsize n = s->program->sizes.parameters[s->step->op] / sizeof (gfloat);
  CudaWeights w;

  return cuda_weights (m, &s->binding->arrays, &w, error)
      && cuda_ok (cuda_update (s->here->work, &w, &s->here->small->scalars.update, first, n,
                      cuda_gradient (s, s->op->weight), &s->here->small->results),
          "the update failed", error);
}

/* --- steps --- */

static gboolean
run_step (Cnn3dProgram *p, const Cnn3dStep *step, const Cnn3dBinding *b, GError **error)
{
  const Cnn3dNetwork *net = p->model->net;
  const Cnn3dOp *op = &net->ops[step->op];

  if (step->phase >= CNN3D_N_PHASES)
    return cuda_store_run (b->store, step, b->arena, error);
#define ADDRESS(place) (step->place == CNN3D_NOWHERE ? NULL : b->arena + step->place)
  const CudaStep s = { p, p->model->device->here, step, b, op,
    op->in >= 0 ? &net->tensors[op->in] : NULL, op->out >= 0 ? &net->tensors[op->out] : NULL,
    ADDRESS (in), ADDRESS (residual), ADDRESS (out), ADDRESS (saved), ADDRESS (scratch),
    ADDRESS (statistics), { ADDRESS (dout[0]), ADDRESS (dout[1]) }, ADDRESS (din),
    ADDRESS (dresidual) };
#undef ADDRESS

  if (step->phase == CNN3D_PHASE_UPDATE)
    return update_layer (&s, error);
  if (op->kind == CNN3D_OP_CONV)
    return cuda_conv_run (&s, error);
  if (!cuda_apply_deferred (&s, error))
    return FALSE;
  switch (op->kind) {
    case CNN3D_OP_INPUT:
      return input_forward (&s, error);
    case CNN3D_OP_NORM:
      return step->phase == CNN3D_PHASE_BACKWARD ? norm_backward (&s, error)
                                                 : norm_forward (&s, error);
    case CNN3D_OP_MAX_POOL:
      return max_pool (&s, error);
    case CNN3D_OP_GLOBAL_POOL:
      return global_pool (&s, error);
    case CNN3D_OP_DROPOUT:
      return dropout (&s, error);
    case CNN3D_OP_LINEAR:
      return linear (&s, error);
    case CNN3D_OP_CONCAT:
      return concat (&s, error);
    case CNN3D_OP_MEAN:
      return mean (&s, error);
    case CNN3D_OP_VIEWS:
      return views (&s, error);
    case CNN3D_OP_LOSS:
      return !b->labels || loss (&s, error);
    default:
      g_return_val_if_reached (FALSE);
  }
}

static gboolean
run_steps (
    Cnn3dProgram *p, const Cnn3dStep *steps, guint n_steps, const Cnn3dBinding *b, GError **error)
{
  CudaRuns *r = p->runs;

  r->deferred.waits = FALSE;
  memset (r->summed, 0, p->model->net->n_ops * sizeof *r->summed);
  for (guint i = 0; i < n_steps; i++)
    if (!run_step (p, &steps[i], b, error)) {
      g_prefix_error (error, "%s: ", p->model->device->name);
      return FALSE;
    }
  return TRUE;
}

/* --- recording --- */

/* Everything that kernels are started with, except addresses, parameters in device memory, and what
 * is the same in every run of a program. */
static guint
binding_kind (const Cnn3dBinding *b)
{
  return (b->accumulate ? 1 : 0) | (b->labels ? 2 : 0) | (b->training ? 4 : 0)
      | (b->batch_statistics ? 8 : 0) | (b->update ? 16 : 0) | b->frames_type << 5
      | b->samples << 7;
}

static Recording *
find_recording (CudaRuns *r, const Cnn3dStep *steps, guint n_steps, const Cnn3dBinding *b)
{
  for (guint i = 0; i < r->recordings->len; i++) {
    Recording *have = g_ptr_array_index (r->recordings, i);

    if (have->steps == steps && have->n_steps == n_steps && have->kind == binding_kind (b)
        && have->arena == b->arena && have->store == b->store
        && !memcmp (&have->arrays, &b->arrays, sizeof b->arrays))
      return have;
  }
  return NULL;
}

/* Steps as a graph. FALSE without error: they cannot be recorded, and will not be tried again. */
static gboolean
record (Cnn3dProgram *p, Recording *rec, const Cnn3dBinding *b, GError **error)
{
  CudaHere *h = p->model->device->here;
  g_autoptr (GError) reason = NULL;
  cudaGraph_t graph = NULL;
  gboolean ok;

  if (!cuda_ok (cudaStreamBeginCapture (h->work, cudaStreamCaptureModeThreadLocal),
          "recording failed", error))
    return FALSE;
  ok = run_steps (p, rec->steps, rec->n_steps, b, &reason);
  /* ends in any case */
  ok = cuda_ok (cudaStreamEndCapture (h->work, &graph), "a recording cannot be ended",
           reason ? NULL : &reason)
      && ok
      && cuda_ok (cudaGraphInstantiate (&rec->graph, graph, 0),
          "a recording cannot be instantiated", &reason);
  if (ok) {
    h->passes.recorded++;
  } else {
    rec->graph = NULL;
    rec->fails = TRUE;
    h->passes.failed++;
    if (!h->unrecorded)
      h->passes.reason = h->unrecorded = g_strdup (reason->message);
  }
  if (graph)
    cudaGraphDestroy (graph);
  return ok;
}

void
cuda_passes (Cnn3dDevice *d, Cnn3dDevicePasses *passes)
{
  *passes = d->here ? d->here->passes : (Cnn3dDevicePasses) { 0 };
}

/* The loss and the logits, when what was started is done. */
static gboolean
fetch_results (Cnn3dProgram *p, const Cnn3dStep *steps, guint n_steps, const Cnn3dBinding *b,
    Cnn3dResults *results, GError **error)
{
  Cnn3dDevice *d = p->model->device;
  const Cnn3dNetwork *net = p->model->net;
  const gsize classes = net->params.num_classes, row = cuda_pad (classes);
  const Cnn3dStep *last = NULL;

  G_STATIC_ASSERT (sizeof (Cnn3dResults) == 16 && G_STRUCT_OFFSET (CudaResults, squares) == 16
      && G_STRUCT_OFFSET (Cnn3dResults, correct) == G_STRUCT_OFFSET (CudaResults, correct));
  for (guint i = 0; i < n_steps; i++)
    if (net->ops[steps[i].op].kind == CNN3D_OP_LOSS && steps[i].phase == CNN3D_PHASE_FORWARD)
      last = &steps[i];
  if (!last)
    return TRUE;
  if (b->labels && results
      && !cuda_fetch (d, results, &d->here->small->results, sizeof *results, error))
    return FALSE;
  return !b->logits
      || cuda_fetch_rows (d, b->logits, b->arena + last->in, classes * sizeof (gfloat),
          row * sizeof (gfloat), b->samples ? b->samples : p->params.batch, error);
}

gboolean
cuda_run (Cnn3dProgram *p, const Cnn3dStep *steps, guint n_steps, const Cnn3dBinding *b,
    Cnn3dResults *results, GError **error)
{
  Cnn3dDevice *d = p->model->device;
  CudaHere *h = d->here;
  Recording *rec = find_recording (p->runs, steps, n_steps, b);
  GError *reason = NULL;
  const CudaScalars scalars = { { b->frames, b->labels, b->seed, b->step, b->loss_scale,
                                    b->label_smoothing, b->class_weights, b->points, b->present },
    b->update ? cuda_update_scalars (b->update, TRUE) : (CudaUpdate) { 0 } };
  CudaWeights w;

  if (!cuda_enter (d, error) || !cuda_wait_for_staged (d, error)
      || (b->update && !cuda_weights (p->model, &b->arrays, &w, error))
      || !cuda_send (
          d, &h->small->scalars, &scalars, b->update ? sizeof scalars : sizeof scalars.pass, error))
    return FALSE;
  if (rec && !rec->graph && !rec->fails && !record (p, rec, b, &reason) && reason) {
    g_propagate_error (error, reason);
    return FALSE;
  }
  if (rec && rec->graph) {
    if (!cuda_ok (
            cudaGraphLaunch (rec->graph, h->work), "a recorded pass cannot be started", error))
      return FALSE;
    h->passes.replayed++;
  } else {
    if (!run_steps (p, steps, n_steps, b, error))
      return FALSE;
    h->passes.eager++;
  }
  if (!rec) {
    rec = g_new0 (Recording, 1);
    *rec = (Recording) { steps, n_steps, binding_kind (b), b->arena, b->store, b->arrays };
    g_ptr_array_add (p->runs->recordings, rec);
  }
  return fetch_results (p, steps, n_steps, b, results, error);
}
