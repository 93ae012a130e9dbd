/* Batch norm with residual and ReLU. How often each activation is read and
 * written is said above each kernel; vectors and partial sums are small beside.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/launch.h"

/* A block's share of the points in the kernels that add up: `each` in a row. */
struct Share {
  Tile tile;
  size_t points, each;
};

static Share
share_of (const CudaNorm *norm, size_t rows)
{
  return { tile_for (norm->channels, rows), norm->points, (norm->points + rows - 1) / rows };
}

/* body (Count, point) for a thread's points, several at a time: point, point +
 * lanes, ... */
template <int in_flight, typename Body>
__device__ __forceinline__ void
over_share (const Share &share, const Place &place, Body body)
{
  const size_t first = blockIdx.x * share.each, lanes = share.tile.lanes;
  const size_t end = first + share.each < share.points ? first + share.each : share.points;
  size_t p = first + place.lane;

  for (; p + (in_flight - 1) * lanes < end; p += in_flight * lanes)
    body (Count<in_flight> (), p);
  for (; p < end; p += lanes)
    body (Count<1> (), p);
}

/* The same for kernels that add up nothing: blocks take turns. */
template <int in_flight, typename Body>
__device__ __forceinline__ void
over_points (const Tile &tile, const Place &place, size_t points, Body body)
{
  const size_t lanes = tile.lanes, turn = in_flight * lanes;

  for (size_t base = blockIdx.x * turn; base < points; base += gridDim.x * turn) {
    size_t p = base + place.lane;

    if (p + (in_flight - 1) * lanes < points) {
      body (Count<in_flight> (), p);
      continue;
    }
    for (int i = 0; i < in_flight && p < points; i++, p += lanes)
      body (Count<1> (), p);
  }
}

/* The norm's output is x * scale + shift; forward and backward must round it
 * alike. */
struct Affine {
  float scale[CUDA_LANES], shift[CUDA_LANES];
};

__device__ __forceinline__ void
affine_of (const CudaNorm &norm, int group, Affine &a)
{
  float mean[CUDA_LANES], inverse[CUDA_LANES], weight[CUDA_LANES], bias[CUDA_LANES];

  load_floats (norm.mean, group, mean);
  load_floats (norm.inverse, group, inverse);
  load_floats (norm.weight, group, weight);
  load_floats (norm.bias, group, bias);
  UNROLL
  for (int l = 0; l < CUDA_LANES; l++) {
    a.scale[l] = weight[l] * inverse[l];
    a.shift[l] = fmaf (-mean[l], a.scale[l], bias[l]);
  }
}

/* --- forward --- */

/* Reads x once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) statistics (Share share, const void *x, float *partials)
{
  SHARED (float, memory, 2 * CUDA_LANES * THREADS);
  const Place place = place_in (share.tile);
  float sums[2 * CUDA_LANES] = { 0 };

  if (place.works) {
    float shift[CUDA_LANES];

    unpack (load<type> (x, place.group), shift);
    over_share<InFlight<type>::value> (share, place, [&] (auto count, size_t p) {
      constexpr int n = decltype (count)::value;
      Pack<type> raw[n];

      UNROLL
      for (int i = 0; i < n; i++)
        raw[i] = load<type> (x, (p + i * share.tile.lanes) * share.tile.groups + place.group);
      UNROLL
      for (int i = 0; i < n; i++) {
        float v[CUDA_LANES];

        unpack (raw[i], v);
        UNROLL
        for (int l = 0; l < CUDA_LANES; l++) {
          const float d = v[l] - shift[l];

          sums[l] += d;
          sums[CUDA_LANES + l] = fmaf (d, d, sums[CUDA_LANES + l]);
        }
      }
    });
  }
  add_lanes (share.tile, place, sums, memory);
  if (place.works && place.lane == 0) {
    Pack<CUDA_TYPE_F32> *to = reinterpret_cast<Pack<CUDA_TYPE_F32> *> (partials)
        + static_cast<size_t> (blockIdx.x) * 2 * share.tile.groups + place.group;
    float first[CUDA_LANES], second[CUDA_LANES];

    UNROLL
    for (int l = 0; l < CUDA_LANES; l++) {
      first[l] = sums[l];
      second[l] = sums[CUDA_LANES + l];
    }
    pack (to[0], first);
    pack (to[share.tile.groups], second);
  }
}

int
cuda_norm_statistics (CudaStream stream, const CudaNorm *norm, const void *x, float *partials)
{
  const size_t rows = cuda_norm_rows (norm->points, norm->channels);
  const Share share = share_of (norm, rows);
  const dim3 blocks (static_cast<unsigned> (rows), tiles_of (share.tile));
  const auto kernel = BY_TYPE (statistics, norm->type);

  return LAUNCH (kernel, blocks, THREADS, stream, share, x, partials);
}

#define FINISH_THREADS 512
#define FINISH_ROWS (FINISH_THREADS / CUDA_LANES) /* that a block reads beside one another */

/* The sums of the block's channels over all rows, with its first CUDA_LANES
 * threads, a channel each. */
__device__ __forceinline__ void
add_rows (const float *partials, size_t rows, int channels, double &first, double &second)
{
  SHARED (double, memory, 2 * FINISH_THREADS);
  const int t = threadIdx.x;
  const float *from = partials + blockIdx.x * CUDA_LANES + t % CUDA_LANES;

  first = second = 0;
  UNROLL_4
  for (size_t row = t / CUDA_LANES; row < rows; row += FINISH_ROWS) {
    first += from[2 * row * channels];
    second += from[(2 * row + 1) * channels];
  }
  memory[t] = first;
  memory[FINISH_THREADS + t] = second;
  __syncthreads ();
  for (int half = FINISH_THREADS / 2; half >= CUDA_LANES; half /= 2) {
    if (t < half) {
      memory[t] = first = first + memory[t + half];
      memory[FINISH_THREADS + t] = second = second + memory[FINISH_THREADS + t + half];
    }
    __syncthreads ();
  }
}

template <CudaType type>
__device__ __forceinline__ float
first_of (const void *x, int channel)
{
  float f[CUDA_LANES], value = 0;

  unpack (load<type> (x, channel / CUDA_LANES), f);
  UNROLL
  for (int l = 0; l < CUDA_LANES; l++)
    value = channel % CUDA_LANES == l ? f[l] : value;
  return value;
}

template <CudaType type>
static __global__ void
__launch_bounds__ (FINISH_THREADS)
    finish (CudaNorm norm, const void *x, const float *partials, size_t rows)
{
  const double count = static_cast<double> (norm.points);
  const int c = blockIdx.x * CUDA_LANES + threadIdx.x;
  double sum, squares;

  add_rows (partials, rows, norm.channels, sum, squares);
  if (threadIdx.x >= CUDA_LANES)
    return;
  const double shifted = sum / count, deviations = squares - sum * shifted;
  const double above = deviations < 0 ? 0 : deviations; /* NaN stays */
  const float mean = static_cast<float> ((x ? first_of<type> (x, c) : 0.f) + shifted);
  const float var = static_cast<float> (above / count);
  const float unbiased = static_cast<float> (above / (count > 1 ? count - 1 : 1));
  const float take = norm.momentum, keep = 1 - take;

  norm.mean[c] = mean;
  norm.inverse[c] = static_cast<float> (1 / sqrt (static_cast<double> (var) + norm.eps));
  /* not fused: what is added to zero now may be added to `keep` times the rest later */
  norm.running_mean[c] = __fadd_rn (__fmul_rn (take, mean), __fmul_rn (keep, norm.running_mean[c]));
  norm.running_var[c] =
      __fadd_rn (__fmul_rn (take, unbiased), __fmul_rn (keep, norm.running_var[c]));
}

int
cuda_norm_finish (
    CudaStream stream, const CudaNorm *norm, const void *x, const float *partials, size_t rows)
{
  const auto kernel = BY_TYPE (finish, norm->type);

  return LAUNCH (
      kernel, norm->channels / CUDA_LANES, FINISH_THREADS, stream, *norm, x, partials, rows);
}

static __global__ void
__launch_bounds__ (THREADS) running (CudaNorm norm)
{
  const int c = blockIdx.x * THREADS + threadIdx.x;

  if (c >= norm.channels)
    return;
  norm.mean[c] = norm.running_mean[c];
  norm.inverse[c] = 1 / sqrtf (norm.running_var[c] + norm.eps);
}

int
cuda_norm_running (CudaStream stream, const CudaNorm *norm)
{
  return LAUNCH (running, blocks_for (norm->channels, THREADS, SIZE_MAX), THREADS, stream, *norm);
}

static __global__ void
__launch_bounds__ (THREADS) vectors (CudaNorm norm, float *scale, float *shift)
{
  const int group = blockIdx.x * THREADS + threadIdx.x;
  Affine a;

  if (group >= norm.channels / CUDA_LANES)
    return;
  affine_of (norm, group, a);
  store_floats (scale, group, a.scale);
  store_floats (shift, group, a.shift);
}

int
cuda_norm_vectors (CudaStream stream, const CudaNorm *norm, float *scale, float *shift)
{
  return LAUNCH (vectors, blocks_for (norm->channels / CUDA_LANES, THREADS, SIZE_MAX), THREADS,
      stream, *norm, scale, shift);
}

/* Reads x once, and residual where there is one; writes y once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS)
    apply (CudaNorm norm, Tile tile, const void *x, const void *residual, void *y, uint8_t *mask)
{
  const Place place = place_in (tile);
  Affine a;

  if (!place.works)
    return;
  affine_of (norm, place.group, a);
  over_points<InFlight<type>::value> (tile, place, norm.points, [&] (auto count, size_t p) {
    constexpr int n = decltype (count)::value;
    const size_t at = p * tile.groups + place.group,
                 step = static_cast<size_t> (tile.lanes) * tile.groups;
    Pack<type> raw[n], other[n];

    UNROLL
    for (int i = 0; i < n; i++)
      raw[i] = load<type> (x, at + i * step);
    if (residual) {
      UNROLL
      for (int i = 0; i < n; i++)
        other[i] = load<type> (residual, at + i * step);
    }
    UNROLL
    for (int i = 0; i < n; i++) {
      float v[CUDA_LANES], r[CUDA_LANES];
      unsigned bits = 0;

      unpack (raw[i], v);
      UNROLL
      for (int l = 0; l < CUDA_LANES; l++)
        v[l] = fmaf (v[l], a.scale[l], a.shift[l]);
      if (residual) {
        unpack (other[i], r);
        UNROLL
        for (int l = 0; l < CUDA_LANES; l++)
          v[l] += r[l];
      }
      UNROLL
      for (int l = 0; l < CUDA_LANES; l++) {
        const bool stopped = norm.relu && v[l] <= 0; /* NaN passes, as in PyTorch */

        v[l] = stopped ? 0 : v[l];
        bits |= (stopped ? 0u : 1u) << l;
      }
      store<type> (y, at + i * step, v);
      if (mask)
        mask[at + i * step] = static_cast<uint8_t> (bits);
    }
  });
}

static dim3
apply_blocks (const CudaNorm *norm, const Tile &tile)
{
  const size_t turn = static_cast<size_t> (tile.lanes) * (norm->type == CUDA_TYPE_F32 ? 2 : 4);

  return dim3 (blocks_for (norm->points, turn), tiles_of (tile));
}

int
cuda_norm_apply (CudaStream stream, const CudaNorm *norm, const void *x, const void *residual,
    void *y, uint8_t *mask)
{
  const Tile tile = tile_for (norm->channels, norm->points);
  const auto kernel = BY_TYPE (apply, norm->type);

  return LAUNCH (
      kernel, apply_blocks (norm, tile), THREADS, stream, *norm, tile, x, residual, y, mask);
}

/* --- backward --- */

/* Reads x and dout0 once, and dout1 where there is one; writes dout0 once where
 * asked to. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) backward_sums (CudaNorm norm, Share share, const void *x, void *dout0,
    const void *dout1, const uint8_t *mask, bool by_x, bool writes, float *partials)
{
  SHARED (float, memory, 2 * CUDA_LANES * THREADS);
  const Place place = place_in (share.tile);
  float sums[2 * CUDA_LANES] = { 0 };

  if (place.works) {
    float mean[CUDA_LANES];
    Affine a = {};

    load_floats (norm.mean, place.group, mean);
    if (by_x)
      affine_of (norm, place.group, a);
    over_share<InFlight<type>::value> (share, place, [&] (auto count, size_t p) {
      constexpr int n = decltype (count)::value;
      const size_t at = p * share.tile.groups + place.group;
      const size_t step = static_cast<size_t> (share.tile.lanes) * share.tile.groups;
      Pack<type> in[n], out[n], other[n];
      unsigned bits[n];

      UNROLL
      for (int i = 0; i < n; i++) {
        in[i] = load<type> (x, at + i * step);
        out[i] = load<type> (dout0, at + i * step);
        bits[i] = mask ? mask[at + i * step] : 0xffu;
      }
      if (dout1) {
        UNROLL
        for (int i = 0; i < n; i++)
          other[i] = load<type> (dout1, at + i * step);
      }
      UNROLL
      for (int i = 0; i < n; i++) {
        float v[CUDA_LANES], g[CUDA_LANES], h[CUDA_LANES];

        unpack (in[i], v);
        unpack (out[i], g);
        if (dout1) {
          unpack (other[i], h);
          UNROLL
          for (int l = 0; l < CUDA_LANES; l++)
            g[l] += h[l];
        }
        UNROLL
        for (int l = 0; l < CUDA_LANES; l++) {
          const bool stopped =
              by_x ? fmaf (v[l], a.scale[l], a.shift[l]) <= 0 : !(bits[i] >> l & 1);

          g[l] = stopped ? 0 : g[l];
          sums[l] += g[l];
          sums[CUDA_LANES + l] = fmaf (g[l], v[l] - mean[l], sums[CUDA_LANES + l]);
        }
        if (writes)
          store<type> (dout0, at + i * step, g);
      }
    });
  }
  add_lanes (share.tile, place, sums, memory);
  if (place.works && place.lane == 0) {
    Pack<CUDA_TYPE_F32> *to = reinterpret_cast<Pack<CUDA_TYPE_F32> *> (partials)
        + static_cast<size_t> (blockIdx.x) * 2 * share.tile.groups + place.group;
    float first[CUDA_LANES], second[CUDA_LANES];

    UNROLL
    for (int l = 0; l < CUDA_LANES; l++) {
      first[l] = sums[l];
      second[l] = sums[CUDA_LANES + l];
    }
    pack (to[0], first);
    pack (to[share.tile.groups], second);
  }
}

int
cuda_norm_backward_sums (CudaStream stream, const CudaNorm *norm, const void *x, void *dout0,
    const void *dout1, const uint8_t *mask, int by_x, int writes, float *partials)
{
  const size_t rows = cuda_norm_rows (norm->points, norm->channels);
  const Share share = share_of (norm, rows);
  const dim3 blocks (static_cast<unsigned> (rows), tiles_of (share.tile));
  const auto kernel = BY_TYPE (backward_sums, norm->type);

  return LAUNCH (kernel, blocks, THREADS, stream, *norm, share, x, dout0, dout1, mask, by_x != 0,
      writes != 0, partials);
}

/* With g the gradient behind ReLU, x^ = (x - mean) * inverse and M numbers a
 * channel: dbias = sum g, dweight = sum g x^,
 * dx = weight * inverse * (g - dbias / M - x^ * dweight / M). */
static __global__ void
__launch_bounds__ (FINISH_THREADS) backward_finish (CudaNorm norm, const float *partials,
    size_t rows, bool batch_statistics, float *dweight, float *dbias, bool adds, float *vectors)
{
  const double count = static_cast<double> (norm.points);
  const int c = blockIdx.x * CUDA_LANES + threadIdx.x;
  double sum, product;

  add_rows (partials, rows, norm.channels, sum, product);
  if (threadIdx.x >= CUDA_LANES)
    return;
  const double inverse = norm.inverse[c], a = norm.weight[c] * inverse;

  /* each is rounded before it is added to others, as one that comes from another process is */
  const float weight = static_cast<float> (product * inverse), bias = static_cast<float> (sum);

  dweight[c] = adds ? dweight[c] + weight : weight;
  dbias[c] = adds ? dbias[c] + bias : bias;
  vectors[c] = static_cast<float> (a);
  vectors[norm.channels + c] =
      batch_statistics ? static_cast<float> (-a * inverse * inverse * product / count) : 0;
  vectors[2 * norm.channels + c] = batch_statistics ? static_cast<float> (-a * sum / count) : 0;
}

int
cuda_norm_backward_finish (CudaStream stream, const CudaNorm *norm, const float *partials,
    size_t rows, int batch_statistics, float *dweight, float *dbias, int adds, float *vectors)
{
  return LAUNCH (backward_finish, norm->channels / CUDA_LANES, FINISH_THREADS, stream, *norm,
      partials, rows, batch_statistics != 0, dweight, dbias, adds != 0, vectors);
}

/* Reads x and g once, writes din once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) backward_apply (CudaNorm norm, Tile tile, const void *x, const void *g,
    bool by_x, const float *vectors, void *din)
{
  const Place place = place_in (tile);
  float mean[CUDA_LANES], scale[CUDA_LANES], slope[CUDA_LANES], constant[CUDA_LANES];
  Affine a = {};

  if (!place.works)
    return;
  load_floats (norm.mean, place.group, mean);
  load_floats (vectors, place.group, scale);
  load_floats (vectors, tile.groups + place.group, slope);
  load_floats (vectors, 2 * tile.groups + place.group, constant);
  if (by_x)
    affine_of (norm, place.group, a);
  over_points<InFlight<type>::value> (tile, place, norm.points, [&] (auto count, size_t p) {
    constexpr int n = decltype (count)::value;
    const size_t at = p * tile.groups + place.group,
                 step = static_cast<size_t> (tile.lanes) * tile.groups;
    Pack<type> in[n], out[n];

    UNROLL
    for (int i = 0; i < n; i++) {
      in[i] = load<type> (x, at + i * step);
      out[i] = load<type> (g, at + i * step);
    }
    UNROLL
    for (int i = 0; i < n; i++) {
      float v[CUDA_LANES], d[CUDA_LANES];

      unpack (in[i], v);
      unpack (out[i], d);
      UNROLL
      for (int l = 0; l < CUDA_LANES; l++) {
        const bool stopped = by_x && fmaf (v[l], a.scale[l], a.shift[l]) <= 0;

        d[l] = fmaf (scale[l], stopped ? 0 : d[l], fmaf (slope[l], v[l] - mean[l], constant[l]));
      }
      store<type> (din, at + i * step, d);
    }
  });
}

int
cuda_norm_backward_apply (CudaStream stream, const CudaNorm *norm, const void *x, const void *g,
    int by_x, const float *vectors, void *din)
{
  const Tile tile = tile_for (norm->channels, norm->points);
  const auto kernel = BY_TYPE (backward_apply, norm->type);

  return LAUNCH (kernel, apply_blocks (norm, tile), THREADS, stream, *norm, tile, x, g, by_x != 0,
      vectors, din);
}
