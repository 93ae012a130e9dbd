/* Frames and key points to the network's input: channels padded, uint8
 * normalised, a heat map for each key point.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/launch.h"

#define POINTS 1024 /* of a block's turn */
#define MOST_BYTES (POINTS * CUDA_FRAME_CHANNELS * sizeof (float))

template <typename Word>
__device__ __forceinline__ void
copy_words (uint4 *to, const void *from, unsigned first, unsigned end)
{
  for (unsigned i = first / sizeof (Word) + threadIdx.x; i < end / sizeof (Word); i += THREADS)
    reinterpret_cast<Word *> (to)[i] = static_cast<const Word *> (from)[i];
}

/* Whatever part of `bytes` is whole 16-byte words is read as such, where the
 * frames lie so that this is possible: cameras' three bytes a point would
 * otherwise be read one by one. */
__device__ __forceinline__ void
stage (uint4 *to, const void *from, unsigned bytes)
{
  const uintptr_t place = reinterpret_cast<uintptr_t> (from);
  unsigned done = 0;

  if (place % sizeof (uint4) == 0) {
    done = bytes / sizeof (uint4) * sizeof (uint4);
    copy_words<uint4> (to, from, 0, done);
  } else if (place % sizeof (uint32_t) == 0) {
    done = bytes / sizeof (uint32_t) * sizeof (uint32_t);
    copy_words<uint32_t> (to, from, 0, done);
  }
  copy_words<uint8_t> (to, from, done, bytes);
}

/* Number `at` of channel c of frames in global or shared memory. */
__device__ __forceinline__ float
frame_number (const CudaInput &input, const void *frames, size_t at, int c)
{
  float v, none;

  if (input.frames == CUDA_FRAMES_UINT8)
    return fmaf (static_cast<const uint8_t *> (frames)[at], input.scale[c % CUDA_FRAME_CHANNELS],
        input.shift[c % CUDA_FRAME_CHANNELS]);
  if (input.frames == CUDA_FRAMES_F32)
    return static_cast<const float *> (frames)[at];
  unpack_pair<CUDA_TYPE_F16> (static_cast<const uint16_t *> (frames)[at], v, none);
  return v;
}

/* Reads each frame once, writes out once. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS)
    convert_frames (CudaInput input, const CudaPass *pass, size_t first, size_t points, void *out)
{
  SHARED (uint4, staged, MOST_BYTES / sizeof (uint4));
  const unsigned size = input.frames == CUDA_FRAMES_UINT8 ? 1
      : input.frames == CUDA_FRAMES_F16                   ? 2
                                                          : 4;
  const unsigned point = size * input.channels;
  const char *frames = static_cast<const char *> (pass->frames) + first * point;

  IS_GLOBAL (frames);
  for (size_t base = static_cast<size_t> (blockIdx.x) * POINTS; base < points;
      base += static_cast<size_t> (gridDim.x) * POINTS) {
    const unsigned n = static_cast<unsigned> (points - base < POINTS ? points - base : POINTS);

    stage (staged, frames + base * point, n * point);
    __syncthreads ();
    for (unsigned p = threadIdx.x; p < n; p += THREADS) {
      float v[CUDA_LANES];

      UNROLL
      for (int l = 0; l < CUDA_LANES; l++)
        v[l] = l < CUDA_FRAME_CHANNELS && l < input.channels
            ? frame_number (input, staged, p * input.channels + l, l)
            : 0;
      store<type> (out, base + p, v);
    }
    __syncthreads ();
  }
}

int
cuda_input (CudaStream stream, CudaType type, const CudaInput *input, const CudaPass *pass,
    size_t first, size_t points, void *out)
{
  const auto kernel = BY_TYPE (convert_frames, type);

  return LAUNCH (
      kernel, blocks_for (points, POINTS), THREADS, stream, *input, pass, first, points, out);
}

/* --- with key points --- */

/* A point with a smaller score is missing, as in MMAction2's GeneratePoseTarget. */
#define LEAST_SCORE 1e-4f

/* Whether pixel `at` is within `reach` of mu, rounded as there. */
__device__ __forceinline__ bool
within (float mu, float reach, int at)
{
  const float low = mu - reach, high = mu + reach;

  return high > -1 && at >= truncf (low) && at <= truncf (high);
}

/* The heat at a pixel: the maximum over the persons of their point's Gaussian
 * times its score. points: the first person's. Nothing that decides whether a
 * pixel is within reach is fused, so that it is the same as on a CPU. */
__device__ __forceinline__ float
heat (const CudaHeatmaps &maps, const float *points, int row, int column)
{
  float most = 0;

  for (int m = 0; m < maps.persons; m++, points += 3 * maps.points) {
    const float x = __fmul_rn (points[0], maps.width), y = __fmul_rn (points[1], maps.height);
    const float reach = __fmul_rn (3, maps.sigma), score = points[2];

    if (!(score >= LEAST_SCORE && score <= FLT_MAX) || !within (x, reach, column)
        || !within (y, reach, row))
      continue;
    const float dx = column - x, dy = row - y;

    most = fmaxf (most, expf (-(dx * dx + dy * dy) / 2 / (maps.sigma * maps.sigma)) * score);
  }
  return most;
}

/* A thread computes a group of channels of a pixel. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) draw_points (CudaInput input, CudaHeatmaps maps, const CudaPass *pass,
    size_t first, size_t groups, void *out)
{
  const unsigned of_pixel = maps.channels / CUDA_LANES;
  const size_t area = static_cast<size_t> (maps.height) * maps.width;
  const size_t first_frame = first * maps.depth;
  const size_t frame_points = static_cast<size_t> (maps.persons) * maps.points * 3;
  const void *frames = pass->frames;
  const float *points = pass->points;

  IS_GLOBAL (points);
  for (size_t i = static_cast<size_t> (blockIdx.x) * THREADS + threadIdx.x; i < groups;
      i += static_cast<size_t> (gridDim.x) * THREADS) {
    const size_t pixel = i / of_pixel, frame = pixel / area;
    const int at = static_cast<int> (pixel - frame * area), row = at / maps.width;
    const int channel = static_cast<int> (i - pixel * of_pixel) * CUDA_LANES;
    float v[CUDA_LANES];

    UNROLL
    for (int l = 0; l < CUDA_LANES; l++) {
      const int k = channel + l - input.channels;

      v[l] = k < 0          ? frame_number (input, frames,
                                  (first_frame * area + pixel) * input.channels + channel + l, l)
          : k < maps.points ? heat (maps, points + (first_frame + frame) * frame_points + 3 * k,
                                  row, at - row * maps.width)
                            : 0;
    }
    store<type> (out, i, v);
  }
}

int
cuda_input_with_points (CudaStream stream, CudaType type, const CudaInput *input,
    const CudaHeatmaps *maps, const CudaPass *pass, size_t first, int clips, void *out)
{
  const auto kernel = BY_TYPE (draw_points, type);
  const size_t groups = static_cast<size_t> (clips) * maps->depth * maps->height * maps->width
      * (maps->channels / CUDA_LANES);

  return LAUNCH (kernel, blocks_for (groups, THREADS), THREADS, stream, *input, *maps, pass, first,
      groups, out);
}
