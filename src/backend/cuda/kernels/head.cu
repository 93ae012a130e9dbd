/* Dropout, the last layer and the loss: small, in f32.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/launch.h"
#include "src/backend/viewmask.h"

#define WARP 32
#define WARPS (THREADS / WARP)
#define PURPOSE_DROPOUT 6 /* CNN3D_RANDOM_DROPOUT: never renumbered */

/* The mask is drawn again in the backward pass rather than kept. */
static __global__ void
__launch_bounds__ (THREADS) dropout (const CudaPass *pass, int clips, int channels, int views,
    unsigned draws, unsigned first, float probability, const float *in, float *out)
{
  const size_t n = static_cast<size_t> (clips) * channels;
  const uint64_t seed = pass->seed, step = pass->step;
  const float keep = 1 / (1 - probability);

  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < n;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    const size_t clip = i / channels, c = i - clip * channels, sample = clip / views;
    const size_t draw = first + (clip - sample * views) * draws + c;
    const double u =
        cnn3d_philox_uniform (cnn3d_philox_bits (seed, 0, PURPOSE_DROPOUT, step + sample, draw));

    out[i] = u < probability ? 0 : in[i] * keep;
  }
}

int
cuda_dropout (CudaStream stream, const CudaPass *pass, int clips, int channels, int views,
    unsigned draws, unsigned first, float probability, const float *in, float *out)
{
  return LAUNCH (dropout, blocks_for (static_cast<size_t> (clips) * channels, THREADS), THREADS,
      stream, pass, clips, channels, views, draws, first, probability, in, out);
}

/* --- joining streams --- */

static __global__ void
__launch_bounds__ (THREADS) concat (CudaConcat c, const float *a, const float *b, float *out)
{
  const size_t n = static_cast<size_t> (c.clips) * c.row;

  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < n;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    const size_t clip = i / c.row;
    const int at = static_cast<int> (i - clip * c.row), of_b = at - c.a_channels;

    out[i] = of_b < 0 ? a[clip * c.a_row + at] : of_b < c.b_channels ? b[clip * c.b_row + of_b] : 0;
  }
}

/* One stream's part, which begins at `first`. */
static __global__ void
__launch_bounds__ (THREADS) take_part (
    int clips, int row, int first, int channels, int part_row, const float *dout, float *part)
{
  const size_t n = static_cast<size_t> (clips) * part_row;

  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < n;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    const size_t clip = i / part_row;
    const int at = static_cast<int> (i - clip * part_row);

    part[i] = at < channels ? dout[clip * row + first + at] : 0;
  }
}

int
cuda_concat (CudaStream stream, const CudaConcat *c, const float *a, const float *b, float *out)
{
  return LAUNCH (concat, blocks_for (static_cast<size_t> (c->clips) * c->row, THREADS), THREADS,
      stream, *c, a, b, out);
}

int
cuda_concat_backward (
    CudaStream stream, const CudaConcat *c, const float *dout, float *da, float *db)
{
  int status = 0;

  if (da)
    status = LAUNCH (take_part, blocks_for (static_cast<size_t> (c->clips) * c->a_row, THREADS),
        THREADS, stream, c->clips, c->row, 0, c->a_channels, c->a_row, dout, da);
  if (!status && db)
    status = LAUNCH (take_part, blocks_for (static_cast<size_t> (c->clips) * c->b_row, THREADS),
        THREADS, stream, c->clips, c->row, c->a_channels, c->b_channels, c->b_row, dout, db);
  return status;
}

static __global__ void
__launch_bounds__ (THREADS) mean (size_t n, const float *a, const float *b, float *out)
{
  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < n;
      i += static_cast<size_t> (gridDim.x) * THREADS)
    out[i] = (a[i] + b[i]) / 2;
}

static __global__ void
__launch_bounds__ (THREADS) halve (size_t n, const float *dout, float *da, float *db)
{
  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < n;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    const float half = dout[i] / 2;

    if (da)
      da[i] = half;
    if (db)
      db[i] = half;
  }
}

int
cuda_mean (CudaStream stream, size_t n, const float *a, const float *b, float *out)
{
  return LAUNCH (mean, blocks_for (n, THREADS), THREADS, stream, n, a, b, out);
}

int
cuda_mean_backward (CudaStream stream, size_t n, const float *dout, float *da, float *db)
{
  return LAUNCH (halve, blocks_for (n, THREADS), THREADS, stream, n, dout, da, db);
}

/* --- joining views --- */

/* Bit v: view v of sample n counts. */
__device__ __forceinline__ uint32_t
mask_of (const CudaViews &v, const CudaPass &pass, size_t n)
{
  return cnn3d_view_mask (pass.present ? pass.present + n * v.views : nullptr, v.views, v.dropout,
      pass.seed, pass.step + n);
}

static __global__ void
__launch_bounds__ (THREADS) views (CudaViews v, const CudaPass *pass_, const float *in, float *out)
{
  const CudaPass pass = *pass_;
  const size_t n = static_cast<size_t> (v.samples) * v.out_row;

  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < n;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    const size_t sample = i / v.out_row;
    const int c = static_cast<int> (i - sample * v.out_row);
    const uint32_t mask = mask_of (v, pass, sample);
    const float *rows = in + sample * v.views * v.row;

    if (v.fusion == CUDA_VIEWS_CONCAT) {
      const int view = c / v.channels;

      out[i] = view < v.views && (mask >> view & 1)
          ? rows[static_cast<size_t> (view) * v.row + c - view * v.channels]
          : 0;
    } else {
      double sum = 0;

      for (int k = 0; k < v.views; k++)
        if (mask >> k & 1)
          sum += rows[static_cast<size_t> (k) * v.row + c];
      out[i] = static_cast<float> (sum / cnn3d_view_count (mask));
    }
  }
}

static __global__ void
__launch_bounds__ (THREADS)
    views_backward (CudaViews v, const CudaPass *pass_, const float *dout, float *din)
{
  const CudaPass pass = *pass_;
  const size_t n = static_cast<size_t> (v.samples) * v.views * v.row;

  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < n;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    const size_t clip = i / v.row, sample = clip / v.views;
    const int c = static_cast<int> (i - clip * v.row);
    const int view = static_cast<int> (clip - sample * v.views);
    const uint32_t mask = mask_of (v, pass, sample);
    const float *g = dout + sample * v.out_row;

    if (!(mask >> view & 1) || c >= v.channels)
      din[i] = 0;
    else if (v.fusion == CUDA_VIEWS_CONCAT)
      din[i] = g[view * v.channels + c];
    else
      din[i] = g[c] / cnn3d_view_count (mask);
  }
}

/* The logarithm of the sum of exponentials, with all lanes of a warp. */
__device__ __forceinline__ double
log_sum_of (const float *x, int n)
{
  const int lane = threadIdx.x % WARP;
  float most = -INFINITY;
  double sum = 0;

  for (int k = lane; k < n; k += WARP)
    most = fmaxf (most, x[k]);
  for (int distance = WARP / 2; distance; distance /= 2)
    most = fmaxf (most, __shfl_xor_sync (FULL_WARP, most, distance));
  for (int k = lane; k < n; k += WARP)
    sum += exp (static_cast<double> (x[k]) - most);
  return most + log (add_warp (sum));
}

/* The logarithm of the sum of the views' probabilities of class k. */
__device__ __forceinline__ double
log_total (const CudaViews &v, uint32_t mask, const float *rows, const double *log_sums, int k)
{
  double most = -INFINITY, sum = 0;

  for (int view = 0; view < v.views; view++)
    if (mask >> view & 1)
      most = fmax (most, rows[static_cast<size_t> (view) * v.row + k] - log_sums[view]);
  for (int view = 0; view < v.views; view++)
    if (mask >> view & 1)
      sum += exp (rows[static_cast<size_t> (view) * v.row + k] - log_sums[view] - most);
  return most + log (sum);
}

/* A warp takes a sample. */
static __global__ void
__launch_bounds__ (THREADS) mix (CudaViews v, const CudaPass *pass_, const float *in, float *out)
{
  const CudaPass pass = *pass_;
  const int lane = threadIdx.x % WARP;
  double log_sums[32];

  for (int n = blockIdx.x * WARPS + threadIdx.x / WARP; n < v.samples; n += gridDim.x * WARPS) {
    const uint32_t mask = mask_of (v, pass, n);
    const float *rows = in + static_cast<size_t> (n) * v.views * v.row;
    float *to = out + static_cast<size_t> (n) * v.out_row;

    for (int view = 0; view < v.views; view++)
      log_sums[view] = log_sum_of (rows + static_cast<size_t> (view) * v.row, v.channels);
    for (int k = lane; k < v.out_row; k += WARP)
      to[k] = k < v.channels ? static_cast<float> (log_total (v, mask, rows, log_sums, k)
                                   - log (static_cast<double> (cnn3d_view_count (mask))))
                             : 0;
  }
}

/* With p a view's probabilities, r[k] its share of all views' sum for class k, and g the gradient of
 * the output: r[k] g[k] - p[k] sum (r g). */
static __global__ void
__launch_bounds__ (THREADS) mix_backward (
    CudaViews v, const CudaPass *pass_, const float *in, const float *dout, float *din)
{
  const CudaPass pass = *pass_;
  const int lane = threadIdx.x % WARP;
  double log_sums[32], products[32];

  for (int n = blockIdx.x * WARPS + threadIdx.x / WARP; n < v.samples; n += gridDim.x * WARPS) {
    const uint32_t mask = mask_of (v, pass, n);
    const float *rows = in + static_cast<size_t> (n) * v.views * v.row;
    const float *g = dout + static_cast<size_t> (n) * v.out_row;
    float *to = din + static_cast<size_t> (n) * v.views * v.row;

    for (int view = 0; view < v.views; view++) {
      log_sums[view] = log_sum_of (rows + static_cast<size_t> (view) * v.row, v.channels);
      products[view] = 0;
    }
    for (int k = lane; k < v.channels; k += WARP) {
      const double total = log_total (v, mask, rows, log_sums, k);

      for (int view = 0; view < v.views; view++)
        products[view] +=
            g[k] * exp (rows[static_cast<size_t> (view) * v.row + k] - log_sums[view] - total);
    }
    for (int view = 0; view < v.views; view++)
      products[view] = add_warp (products[view]);
    for (int k = lane; k < v.row; k += WARP) {
      const double total = k < v.channels ? log_total (v, mask, rows, log_sums, k) : 0;

      for (int view = 0; view < v.views; view++) {
        const size_t at = static_cast<size_t> (view) * v.row + k;
        const double log_p = rows[at] - log_sums[view];

        to[at] = k < v.channels && (mask >> view & 1)
            ? static_cast<float> (g[k] * exp (log_p - total) - exp (log_p) * products[view])
            : 0;
      }
    }
  }
}

int
cuda_views (
    CudaStream stream, const CudaViews *v, const CudaPass *pass, const float *in, float *out)
{
  if (v->fusion == CUDA_VIEWS_PROBABILITIES)
    return LAUNCH (mix, blocks_for (v->samples, WARPS), THREADS, stream, *v, pass, in, out);
  return LAUNCH (views, blocks_for (static_cast<size_t> (v->samples) * v->out_row, THREADS),
      THREADS, stream, *v, pass, in, out);
}

int
cuda_views_backward (CudaStream stream, const CudaViews *v, const CudaPass *pass, const float *in,
    const float *dout, float *din)
{
  if (v->fusion == CUDA_VIEWS_PROBABILITIES)
    return LAUNCH (
        mix_backward, blocks_for (v->samples, WARPS), THREADS, stream, *v, pass, in, dout, din);
  return LAUNCH (views_backward,
      blocks_for (static_cast<size_t> (v->samples) * v->views * v->row, THREADS), THREADS, stream,
      *v, pass, dout, din);
}

/* --- the last layer --- */

#define QUAD 4  /* floats of a 16-byte word */
#define CLIPS 8 /* that a warp takes at once */

__device__ __forceinline__ float
dot (const float4 &a, const float4 &b, float sum)
{
  return fmaf (a.x, b.x, fmaf (a.y, b.y, fmaf (a.z, b.z, fmaf (a.w, b.w, sum))));
}

__device__ __forceinline__ void
add_times (float4 &sum, float factor, const float4 &v)
{
  sum.x = fmaf (factor, v.x, sum.x);
  sum.y = fmaf (factor, v.y, sum.y);
  sum.z = fmaf (factor, v.z, sum.z);
  sum.w = fmaf (factor, v.w, sum.w);
}

/* A warp takes a class and some clips: its row of w is read once for them. */
static __global__ void
__launch_bounds__ (THREADS) linear (int clips, int in_row, int classes, int out_row, const float *x,
    const float *w, const float *bias, float *out)
{
  const int lane = threadIdx.x % WARP, k = blockIdx.x * WARPS + threadIdx.x / WARP;
  const int quads = in_row / QUAD;

  for (int first = blockIdx.y * CLIPS; first < clips; first += gridDim.y * CLIPS) {
    float sums[CLIPS] = { 0 };

    if (k < classes) {
      const float4 *row = reinterpret_cast<const float4 *> (w) + static_cast<size_t> (k) * quads;

      for (int c = lane; c < quads; c += WARP) {
        const float4 v = row[c];

        UNROLL
        for (int i = 0; i < CLIPS; i++)
          if (first + i < clips)
            sums[i] = dot (v,
                reinterpret_cast<const float4 *> (x)[static_cast<size_t> (first + i) * quads + c],
                sums[i]);
      }
    }
    UNROLL
    for (int i = 0; i < CLIPS; i++) {
      const float sum = add_warp (sums[i]);

      if (lane == 0 && k < out_row && first + i < clips)
        out[static_cast<size_t> (first + i) * out_row + k] = k < classes ? sum + bias[k] : 0;
    }
  }
}

int
cuda_linear (CudaStream stream, int clips, int in_row, int classes, int out_row, const float *x,
    const float *w, const float *bias, float *out)
{
  const dim3 blocks (blocks_for (out_row, WARPS, SIZE_MAX), blocks_for (clips, CLIPS));

  return LAUNCH (linear, blocks, THREADS, stream, clips, in_row, classes, out_row, x, w, bias, out);
}

#define WEIGHTS_THREADS 64
#define CLASSES 4 /* that a thread takes at once */

/* A thread takes 4 columns of some classes: x is read once for them. */
static __global__ void
__launch_bounds__ (WEIGHTS_THREADS) linear_weights (int clips, int in_row, int classes, int out_row,
    const float *x, const float *dout, float *dw, float *dbias, bool adds)
{
  const int quads = in_row / QUAD, c = blockIdx.y * WEIGHTS_THREADS + threadIdx.x,
            first = blockIdx.x * CLASSES;
  float4 sums[CLASSES] = {};
  float bias[CLASSES] = { 0 };

  if (c >= quads)
    return;
  UNROLL_4
  for (int n = 0; n < clips; n++) {
    const float4 v = reinterpret_cast<const float4 *> (x)[static_cast<size_t> (n) * quads + c];

    UNROLL
    for (int i = 0; i < CLASSES; i++) {
      const float g = first + i < classes ? dout[static_cast<size_t> (n) * out_row + first + i] : 0;

      add_times (sums[i], g, v);
      bias[i] += g;
    }
  }
  UNROLL
  for (int i = 0; i < CLASSES; i++) {
    if (first + i >= classes)
      continue;
    float4 *to = reinterpret_cast<float4 *> (dw) + static_cast<size_t> (first + i) * quads + c;

    if (adds)
      add_times (sums[i], 1, *to);
    *to = sums[i];
    if (c == 0)
      dbias[first + i] = adds ? dbias[first + i] + bias[i] : bias[i];
  }
}

int
cuda_linear_weights (CudaStream stream, int clips, int in_row, int classes, int out_row,
    const float *x, const float *dout, float *dw, float *dbias, int adds)
{
  const dim3 blocks (blocks_for (classes, CLASSES, SIZE_MAX),
      blocks_for (in_row / QUAD, WEIGHTS_THREADS, SIZE_MAX));

  return LAUNCH (linear_weights, blocks, WEIGHTS_THREADS, stream, clips, in_row, classes, out_row,
      x, dout, dw, dbias, adds != 0);
}

#define DATA_CLIPS 4

/* A block takes 32 words of 4 columns of some clips, its warps share the classes
 * out. */
static __global__ void
__launch_bounds__ (THREADS) linear_data (
    int clips, int in_row, int classes, int out_row, const float *dout, const float *w, float *din)
{
  SHARED (float4, memory, WARPS * DATA_CLIPS * WARP);
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const int quads = in_row / QUAD, c = blockIdx.y * WARP + lane, first = blockIdx.x * DATA_CLIPS;
  float4 sums[DATA_CLIPS] = {};

  if (c < quads) {
    UNROLL_4
    for (int k = warp; k < classes; k += WARPS) {
      const float4 v = reinterpret_cast<const float4 *> (w)[static_cast<size_t> (k) * quads + c];

      UNROLL
      for (int i = 0; i < DATA_CLIPS; i++)
        if (first + i < clips)
          add_times (sums[i], dout[static_cast<size_t> (first + i) * out_row + k], v);
    }
  }
  UNROLL
  for (int i = 0; i < DATA_CLIPS; i++)
    memory[(warp * DATA_CLIPS + i) * WARP + lane] = sums[i];
  __syncthreads ();
  if (warp < DATA_CLIPS && first + warp < clips && c < quads) {
    float4 sum = memory[warp * WARP + lane];

    UNROLL
    for (int i = 1; i < WARPS; i++)
      add_times (sum, 1, memory[(i * DATA_CLIPS + warp) * WARP + lane]);
    reinterpret_cast<float4 *> (din)[static_cast<size_t> (first + warp) * quads + c] = sum;
  }
}

int
cuda_linear_data (CudaStream stream, int clips, int in_row, int classes, int out_row,
    const float *dout, const float *w, float *din)
{
  const dim3 blocks (
      blocks_for (clips, DATA_CLIPS, SIZE_MAX), blocks_for (in_row / QUAD, WARP, SIZE_MAX));

  return LAUNCH (
      linear_data, blocks, THREADS, stream, clips, in_row, classes, out_row, dout, w, din);
}

/* --- the loss --- */

#define LOSS_THREADS 1024

/* A clip's loss and its gradient where classes have weights. */
__device__ __forceinline__ void
weighted_loss (const CudaPass &pass, int classes, int row, const float *x, double log_sum,
    int label, float *dx, float *loss)
{
  const int lane = threadIdx.x % WARP;
  const float *w = pass.class_weights;
  const double at_label = (1 - static_cast<double> (pass.label_smoothing)) * w[label];
  const double spread = static_cast<double> (pass.label_smoothing) / classes;
  double all = 0, sum = 0;

  for (int k = lane; k < classes; k += WARP) {
    all += spread * w[k];
    sum += spread * w[k] * (log_sum - x[k]);
  }
  all = add_warp (all) + at_label;
  sum = add_warp (sum) + at_label * (log_sum - x[label]);
  if (lane == 0)
    *loss = static_cast<float> (sum);
  for (int k = lane; dx && k < row; k += WARP)
    dx[k] = k < classes
        ? static_cast<float> (pass.loss_scale
              * (all * exp (x[k] - log_sum) - spread * w[k] - (k == label ? at_label : 0)))
        : 0;
}

/* A clip's loss, with all lanes of a warp; dx: its gradient. */
__device__ __forceinline__ void
clip_loss (const CudaPass &pass, int classes, int row, const float *x, int label, float *dx,
    float *loss, float *correct)
{
  const int lane = threadIdx.x % WARP;
  const double smoothing = pass.label_smoothing;
  double sum = 0, mean = 0;
  float best = -INFINITY;
  int at = classes;

  for (int k = lane; k < classes; k += WARP)
    if (at == classes || x[k] > best) {
      best = x[k];
      at = k;
    }
  for (int distance = WARP / 2; distance; distance /= 2) {
    const float other = __shfl_xor_sync (FULL_WARP, best, distance);
    const int place = __shfl_xor_sync (FULL_WARP, at, distance);

    if (place < classes && (at == classes || other > best || (other == best && place < at))) {
      best = other;
      at = place;
    }
  }
  for (int k = lane; k < classes; k += WARP) {
    sum += exp (static_cast<double> (x[k]) - best);
    mean += x[k];
  }
  sum = add_warp (sum);
  mean = add_warp (mean) / classes;
  const double log_sum = best + log (sum);

  if (lane == 0)
    *correct = at == label;
  if (pass.class_weights) {
    weighted_loss (pass, classes, row, x, log_sum, label, dx, loss);
    return;
  }
  if (lane == 0)
    *loss =
        static_cast<float> ((1 - smoothing) * (log_sum - x[label]) + smoothing * (log_sum - mean));
  for (int k = lane; dx && k < row; k += WARP)
    dx[k] = k < classes
        ? static_cast<float> (pass.loss_scale
              * (exp (x[k] - log_sum) - smoothing / classes - (k == label ? 1 - smoothing : 0)))
        : 0;
}

/* One block, a warp a clip; then the sum over clips in order. */
static __global__ void
__launch_bounds__ (LOSS_THREADS) loss (const CudaPass *pass_, int clips, int classes, int row,
    const float *logits, float *dlogits, float *per_clip, CudaResults *results)
{
  const CudaPass pass = *pass_;

  for (int n = threadIdx.x / WARP; pass.labels && n < clips; n += LOSS_THREADS / WARP) {
    const size_t at = static_cast<size_t> (n) * row;

    clip_loss (pass, classes, row, logits + at, pass.labels[n], dlogits ? dlogits + at : nullptr,
        per_clip + 2 * n, per_clip + 2 * n + 1);
  }
  __syncthreads ();
  if (threadIdx.x)
    return;
  double sum = 0;
  uint32_t correct = 0;

  for (int n = 0; pass.labels && n < clips; n++) {
    sum += per_clip[2 * n];
    correct += static_cast<uint32_t> (per_clip[2 * n + 1]);
  }
  results->loss_sum = sum;
  results->correct = correct;
}

int
cuda_loss (CudaStream stream, const CudaPass *pass, int clips, int classes, int row,
    const float *logits, float *dlogits, float *per_clip, CudaResults *results)
{
  return LAUNCH (
      loss, 1, LOSS_THREADS, stream, pass, clips, classes, row, logits, dlogits, per_clip, results);
}
