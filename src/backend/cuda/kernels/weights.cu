/* Weights: their copies, gradients and updates. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/launch.h"

/* Reads once, writes once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) convert (size_t groups, const float *from, void *to)
{
  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < groups;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    float v[CUDA_LANES];

    load_floats (from, i, v);
    store<type> (to, i, v);
  }
}

int
cuda_convert (CudaStream stream, CudaType type, size_t n, const float *from, void *to)
{
  const size_t groups = n / CUDA_LANES;
  const auto kernel = BY_TYPE (convert, type);

  return LAUNCH (kernel, blocks_for (groups, THREADS), THREADS, stream, groups, from, to);
}

/* Reads once, and what is added to; writes once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) add_gradient (size_t groups, const void *from, float *to, bool adds)
{
  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < groups;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    float v[CUDA_LANES], sum[CUDA_LANES];

    unpack (load<type> (from, i), v);
    if (adds) {
      load_floats (to, i, sum);
      UNROLL
      for (int l = 0; l < CUDA_LANES; l++)
        v[l] += sum[l];
    }
    store_floats (to, i, v);
  }
}

int
cuda_add_gradient (
    CudaStream stream, CudaType type, size_t n, const void *from, float *to, int adds)
{
  const size_t groups = n / CUDA_LANES;
  const auto kernel = BY_TYPE (add_gradient, type);

  return LAUNCH (
      kernel, blocks_for (groups, THREADS), THREADS, stream, groups, from, to, adds != 0);
}

/* --- segments --- */

/* The segment that a float is in, and those after it. */
struct Walk {
  const CudaSegment *segment;
  CudaSegment now;
};

__device__ __forceinline__ void
walk_from (Walk &walk, const CudaSegment *segments, int n, size_t place)
{
  int first = 0;

  for (int end = n; end - first > 1;) {
    const int middle = first + (end - first) / 2;

    if (segments[middle].first <= place)
      first = middle;
    else
      end = middle;
  }
  walk.segment = segments + first;
  walk.now = *walk.segment;
}

__device__ __forceinline__ void
walk_to (Walk &walk, size_t place)
{
  while (place >= walk.now.first + walk.now.length)
    walk.now = *++walk.segment;
}

/* A thread's groups of [first, end): a block's lie in a row, so that segments are
 * walked along rather than searched. body (place, segment). */
template <typename Body>
__device__ __forceinline__ void
over_segments (const CudaSegment *segments, int n_segments, size_t first, size_t end, Body body)
{
  const size_t groups = (end - first) / CUDA_LANES, each = (groups + gridDim.x - 1) / gridDim.x;
  const size_t last = (blockIdx.x + 1) * each < groups ? (blockIdx.x + 1) * each : groups;
  size_t i = blockIdx.x * each + threadIdx.x;
  Walk walk;

  if (i >= last)
    return;
  walk_from (walk, segments, n_segments, first + i * CUDA_LANES);
  for (; i < last; i += THREADS) {
    const size_t place = first + i * CUDA_LANES;

    walk_to (walk, place);
    if (walk.now.trained)
      body (place, walk.now);
  }
}

/* --- the gradients' squares --- */

/* Over a block, in a tree. */
__device__ __forceinline__ double
add_block (double value)
{
  SHARED (double, memory, THREADS);

  memory[threadIdx.x] = value;
  __syncthreads ();
  for (unsigned half = THREADS / 2; half; half /= 2) {
    if (threadIdx.x < half)
      memory[threadIdx.x] += memory[threadIdx.x + half];
    __syncthreads ();
  }
  return memory[0];
}

/* A block adds up one piece: reads each gradient once. */
static __global__ void
__launch_bounds__ (THREADS) square_pieces (const CudaStretch *stretches, int n_stretches,
    size_t first_piece, const float *gradients, size_t from, double *pieces)
{
  const size_t piece = first_piece + blockIdx.x;
  int stretch = 0;
  double sum = 0;

  for (int end = n_stretches; end - stretch > 1;) {
    const int middle = stretch + (end - stretch) / 2;

    if (stretches[middle].piece <= piece)
      stretch = middle;
    else
      end = middle;
  }
  const CudaStretch s = stretches[stretch];
  const size_t first = s.first + (piece - s.piece) * CUDA_PIECE, left = s.first + s.n - first;
  const size_t groups = (left < CUDA_PIECE ? left : CUDA_PIECE) / CUDA_LANES;

  for (size_t i = threadIdx.x; i < groups; i += THREADS) {
    float g[CUDA_LANES];

    load_floats (gradients, (first - from) / CUDA_LANES + i, g);
    UNROLL
    for (int l = 0; l < CUDA_LANES; l++)
      sum += static_cast<double> (g[l]) * g[l];
  }
  sum = add_block (sum);
  if (threadIdx.x == 0)
    pieces[blockIdx.x] = sum;
}

int
cuda_square_pieces (CudaStream stream, const CudaStretch *stretches, int n_stretches,
    size_t first_piece, size_t n_pieces, const float *gradients, size_t from, double *pieces)
{
  return LAUNCH (square_pieces, static_cast<unsigned> (n_pieces), THREADS, stream, stretches,
      n_stretches, first_piece, gradients, from, pieces);
}

/* One thread adds, as one after another; the others read for it. */
static __global__ void
__launch_bounds__ (THREADS) add_pieces (const CudaStretch *stretches, int n_stretches,
    size_t n_pieces, const CudaUpdate *update, const double *pieces, CudaResults *results)
{
  SHARED (double, memory, THREADS);
  double sum = 0, of_stretch = 0;
  int stretch = 0;

  for (size_t first = 0; first < n_pieces; first += THREADS) {
    if (first + threadIdx.x < n_pieces)
      memory[threadIdx.x] = pieces[first + threadIdx.x];
    __syncthreads ();
    for (size_t i = first; threadIdx.x == 0 && i < n_pieces && i < first + THREADS; i++) {
      if (stretch + 1 < n_stretches && i == stretches[stretch + 1].piece) {
        sum += of_stretch;
        of_stretch = 0;
        stretch++;
      }
      of_stretch += memory[i - first];
    }
    __syncthreads ();
  }
  if (threadIdx.x)
    return;
  const double scale = update->gradient_scale;

  results->squares = (sum + of_stretch) * (scale * scale);
}

int
cuda_squares (CudaStream stream, const CudaStretch *stretches, int n_stretches, size_t n_pieces,
    const CudaUpdate *update, const float *gradients, double *pieces, CudaResults *results)
{
  const int error = LAUNCH (square_pieces, static_cast<unsigned> (n_pieces), THREADS, stream,
      stretches, n_stretches, static_cast<size_t> (0), gradients, static_cast<size_t> (0), pieces);

  return error ? error
               : LAUNCH (add_pieces, 1, THREADS, stream, stretches, n_stretches, n_pieces, update,
                     pieces, results);
}

/* --- updates --- */

__device__ __forceinline__ void
sgd (const CudaUpdate &u, float scale, float (&w)[CUDA_LANES], const float (&g)[CUDA_LANES])
{
  UNROLL
  for (int l = 0; l < CUDA_LANES; l++)
    w[l] -= u.lr * (g[l] * scale + u.weight_decay * w[l]);
}

__device__ __forceinline__ void
momentum (const CudaUpdate &u, float scale, float (&w)[CUDA_LANES], const float (&g)[CUDA_LANES],
    float (&velocity)[CUDA_LANES])
{
  UNROLL
  for (int l = 0; l < CUDA_LANES; l++) {
    velocity[l] = u.momentum * velocity[l] + (g[l] * scale + u.weight_decay * w[l]);
    w[l] -= u.lr * velocity[l];
  }
}

__device__ __forceinline__ void
adam (const CudaUpdate &u, float scale, float (&w)[CUDA_LANES], const float (&g)[CUDA_LANES],
    float (&m)[CUDA_LANES], float (&v)[CUDA_LANES])
{
  const float l2 = u.rule == CUDA_RULE_ADAMW ? 0 : u.weight_decay;
  const float keep = u.rule == CUDA_RULE_ADAMW ? 1 - u.lr * u.weight_decay : 1;

  UNROLL
  for (int l = 0; l < CUDA_LANES; l++) {
    const float d = g[l] * scale + l2 * w[l];

    m[l] = u.beta1 * m[l] + (1 - u.beta1) * d;
    v[l] = u.beta2 * v[l] + (1 - u.beta2) * d * d;
    w[l] = keep * w[l] - u.rate * m[l] / (sqrtf (v[l]) * u.root + u.eps);
  }
}

/* Reads and writes each trained weight and its state once, reads its gradient
 * once, writes its copy once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) update_weights (CudaWeights weights, const CudaUpdate *update,
    size_t first, size_t n, const float *gradients, const CudaResults *results)
{
  const CudaUpdate u = *update;
  float scale = u.gradient_scale;

  if ((u.checks || u.clip > 0) && results) {
    const double squares = results->squares;

    if (u.checks && !(squares <= DBL_MAX))
      return;
    /* as torch.nn.utils.clip_grad_norm_ */
    if (u.clip > 0) {
      const double factor = u.clip / (sqrt (squares) + 1e-6);

      scale *= factor < 1 ? static_cast<float> (factor) : 1;
    }
  }
  over_segments (weights.segments, weights.n_segments, first, first + n,
      [&] (size_t place, const CudaSegment &segment) {
        const size_t group = place / CUDA_LANES;
        float w[CUDA_LANES], g[CUDA_LANES], m[CUDA_LANES], v[CUDA_LANES];

        load_floats (weights.weights, group, w);
        load_floats (gradients, (place - first) / CUDA_LANES, g);
        if (weights.first)
          load_floats (weights.first, group, m);
        if (weights.second)
          load_floats (weights.second, group, v);
        if (u.rule != CUDA_RULE_SGD)
          adam (u, scale, w, g, m, v);
        else if (weights.first)
          momentum (u, scale, w, g, m);
        else
          sgd (u, scale, w, g);
        store_floats (weights.weights, group, w);
        if (weights.first)
          store_floats (weights.first, group, m);
        if (weights.second)
          store_floats (weights.second, group, v);
        if (weights.copy && segment.copy != CUDA_NO_COPY)
          store<type> (static_cast<char *> (weights.copy) + segment.copy,
              (place - segment.first) / CUDA_LANES, w);
      });
}

int
cuda_update (CudaStream stream, const CudaWeights *weights, const CudaUpdate *update, size_t first,
    size_t n, const float *gradients, const CudaResults *results)
{
  const auto kernel = BY_TYPE (update_weights, weights->type);

  return LAUNCH (kernel, blocks_for (n / CUDA_LANES, THREADS), THREADS, stream, *weights, update,
      first, n, gradients, results);
}
