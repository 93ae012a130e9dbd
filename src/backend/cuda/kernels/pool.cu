/* Max pooling and the mean over a clip. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/launch.h"

#define ROW_THREADS 128
#define AHEAD 3 /* points of a window's line that are loaded at once */

/* A block takes a row (d, h) of points, of each of its clips: so divisions stay
 * small. */
static dim3
row_blocks (const CudaPool *pool, const int *size)
{
  return dim3 (size[0] * size[1], blocks_for (pool->clips, 1));
}

/* Number of a row's first group in the tensor. */
__device__ __forceinline__ size_t
group_of (int clip, int d, int h, const int *size, int groups)
{
  return ((static_cast<size_t> (clip) * size[0] + d) * size[1] + h) * size[2] * groups;
}

/* What of a window lies inside: from `from` to before `to`. */
struct Window {
  int start, from, to;
};

__device__ __forceinline__ Window
window_of (const CudaPool &pool, int axis, int out)
{
  const int start = out * pool.stride[axis] - pool.pad[axis];
  const int inside = pool.in[axis] - start;

  return { start, start < 0 ? -start : 0, inside < pool.kernel[axis] ? inside : pool.kernel[axis] };
}

/* Reads `in` as often as windows overlap (the second time from a cache), writes
 * out once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (ROW_THREADS, 6)
    max_pool (CudaPool pool, const void *in, void *out, uint8_t *index)
{
  const int groups = pool.channels / CUDA_LANES;
  const int d = blockIdx.x / pool.out[1], h = blockIdx.x - d * pool.out[1];
  const Window wd = window_of (pool, 0, d), wh = window_of (pool, 1, h);

  for (int clip = blockIdx.y; clip < pool.clips; clip += gridDim.y) {
    const size_t to = group_of (clip, d, h, pool.out, groups);

    for (int i = threadIdx.x; i < pool.out[2] * groups; i += ROW_THREADS) {
      const int w = i / groups, group = i - w * groups;
      const Window ww = window_of (pool, 2, w);
      float best[CUDA_LANES];
      unsigned from[CUDA_LANES];
      bool any = false;

      UNROLL
      for (int l = 0; l < CUDA_LANES; l++) {
        best[l] = 0;
        from[l] = 0;
      }
      for (int kd = wd.from; kd < wd.to; kd++)
        for (int kh = wh.from; kh < wh.to; kh++) {
          const size_t line =
              group_of (clip, wd.start + kd, wh.start + kh, pool.in, groups) + group;
          const unsigned number = (kd * pool.kernel[1] + kh) * pool.kernel[2];

          for (int kw = ww.from; kw < ww.to; kw += AHEAD) {
            Pack<type> raw[AHEAD];

            UNROLL
            for (int a = 0; a < AHEAD; a++)
              if (kw + a < ww.to)
                raw[a] = load<type> (in, line + (ww.start + kw + a) * groups);
            UNROLL
            for (int a = 0; a < AHEAD; a++)
              if (kw + a < ww.to) {
                float v[CUDA_LANES];

                unpack (raw[a], v);
                UNROLL
                for (int l = 0; l < CUDA_LANES; l++) {
                  const bool better = !any || v[l] > best[l] || v[l] != v[l];

                  best[l] = better ? v[l] : best[l];
                  from[l] = better ? number + kw + a : from[l];
                }
                any = true;
              }
          }
        }
      store<type> (out, to + i, best);
      if (index)
        reinterpret_cast<uint2 *> (
            index)[to + i] = { from[0] | from[1] << 8 | from[2] << 16 | from[3] << 24,
          from[4] | from[5] << 8 | from[6] << 16 | from[7] << 24 };
    }
  }
}

int
cuda_max_pool (CudaStream stream, const CudaPool *pool, const void *in, void *out, uint8_t *index)
{
  const auto kernel = BY_TYPE (max_pool, pool->type);

  return LAUNCH (kernel, row_blocks (pool, pool->out), ROW_THREADS, stream, *pool, in, out, index);
}

/* The windows that an input point is in: first to before end. */
struct Windows {
  int first, end;
};

__device__ __forceinline__ Windows
windows_of (const CudaPool &pool, int axis, int in)
{
  const int stride = pool.stride[axis], place = in + pool.pad[axis];
  const int first = place < pool.kernel[axis] ? 0 : (place - pool.kernel[axis]) / stride + 1;
  const int end = place / stride + 1;

  return { first, end < pool.out[axis] ? end : pool.out[axis] };
}

/* Reads index and the gradients as often as windows overlap (the second time
 * from a cache), writes din once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (ROW_THREADS, 6) max_pool_backward (
    CudaPool pool, const void *dout0, const void *dout1, const uint8_t *index, void *din)
{
  const int groups = pool.channels / CUDA_LANES;
  const int d = blockIdx.x / pool.in[1], h = blockIdx.x - d * pool.in[1];
  const Windows wd = windows_of (pool, 0, d), wh = windows_of (pool, 1, h);

  for (int clip = blockIdx.y; clip < pool.clips; clip += gridDim.y) {
    const size_t to = group_of (clip, d, h, pool.in, groups);

    for (int i = threadIdx.x; i < pool.in[2] * groups; i += ROW_THREADS) {
      const int w = i / groups, group = i - w * groups;
      const Windows ww = windows_of (pool, 2, w);
      float sum[CUDA_LANES] = { 0 };

      /* one loop over (d, h): nested deeper, some GPUs keep their place on the stack */
      for (int od = wd.first, oh = wh.first; od < wd.end && oh < wh.end;) {
        const size_t line = group_of (clip, od, oh, pool.out, groups) + group;
        const int kd = d + pool.pad[0] - od * pool.stride[0],
                  kh = h + pool.pad[1] - oh * pool.stride[1];
        const int number = (kd * pool.kernel[1] + kh) * pool.kernel[2] + w + pool.pad[2];

        for (int ow = ww.first; ow < ww.end; ow++) {
          const size_t at = line + ow * groups;
          const unsigned wanted = number - ow * pool.stride[2];
          const uint2 word = reinterpret_cast<const uint2 *> (index)[at];
          const Pack<type> raw = load<type> (dout0, at);
          Pack<type> other;
          float g[CUDA_LANES], more[CUDA_LANES];

          if (dout1)
            other = load<type> (dout1, at);
          unpack (raw, g);
          if (dout1) {
            unpack (other, more);
            UNROLL
            for (int l = 0; l < CUDA_LANES; l++)
              g[l] += more[l];
          }
          UNROLL
          for (int l = 0; l < CUDA_LANES; l++)
            sum[l] += ((l < 4 ? word.x : word.y) >> l % 4 * 8 & 0xff) == wanted ? g[l] : 0;
        }
        oh++;
        if (oh == wh.end) {
          oh = wh.first;
          od++;
        }
      }
      store<type> (din, to + i, sum);
    }
  }
}

int
cuda_max_pool_backward (CudaStream stream, const CudaPool *pool, const void *dout0,
    const void *dout1, const uint8_t *index, void *din)
{
  const auto kernel = BY_TYPE (max_pool_backward, pool->type);

  return LAUNCH (
      kernel, row_blocks (pool, pool->in), ROW_THREADS, stream, *pool, dout0, dout1, index, din);
}

/* --- the mean over a clip's points --- */

/* A block takes a tile of one clip. Reads `in` once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) global_pool (Tile tile, size_t points, const void *in, float *out)
{
  SHARED (float, memory, CUDA_LANES *THREADS);
  const Place place = place_in (tile);
  const size_t clip = static_cast<size_t> (blockIdx.x) * points;
  float sums[CUDA_LANES] = { 0 };

  if (place.works) {
    UNROLL_4
    for (size_t p = place.lane; p < points; p += tile.lanes) {
      float v[CUDA_LANES];

      unpack (load<type> (in, (clip + p) * tile.groups + place.group), v);
      UNROLL
      for (int l = 0; l < CUDA_LANES; l++)
        sums[l] += v[l];
    }
  }
  add_lanes (tile, place, sums, memory);
  if (place.works && place.lane == 0) {
    UNROLL
    for (int l = 0; l < CUDA_LANES; l++)
      sums[l] /= points;
    store_floats (out, static_cast<size_t> (blockIdx.x) * tile.groups + place.group, sums);
  }
}

int
cuda_global_pool (CudaStream stream, CudaType type, int clips, size_t points, int channels,
    const void *in, float *out)
{
  const Tile tile = tile_for (channels, clips);
  const auto kernel = BY_TYPE (global_pool, type);

  return LAUNCH (kernel, dim3 (clips, tiles_of (tile)), THREADS, stream, tile, points, in, out);
}

/* Writes din once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS)
    global_pool_backward (Tile tile, size_t points, const float *dout, void *din)
{
  const Place place = place_in (tile);
  const size_t clip = static_cast<size_t> (blockIdx.x) * points;
  float v[CUDA_LANES];

  if (!place.works)
    return;
  load_floats (dout, static_cast<size_t> (blockIdx.x) * tile.groups + place.group, v);
  UNROLL
  for (int l = 0; l < CUDA_LANES; l++)
    v[l] /= points;
  UNROLL_4
  for (size_t p = place.lane; p < points; p += tile.lanes)
    store<type> (din, (clip + p) * tile.groups + place.group, v);
}

int
cuda_global_pool_backward (CudaStream stream, CudaType type, int clips, size_t points, int channels,
    const float *dout, void *din)
{
  const Tile tile = tile_for (channels, clips);
  const auto kernel = BY_TYPE (global_pool_backward, type);

  return LAUNCH (kernel, dim3 (clips, tiles_of (tile)), THREADS, stream, tile, points, dout, din);
}
