/* Frames to the network's input: channels padded, uint8 normalised.
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
      for (int l = 0; l < CUDA_LANES; l++) {
        v[l] = 0;
        if (l >= CUDA_FRAME_CHANNELS || l >= input.channels)
          continue;
        const unsigned at = p * input.channels + l;

        if (input.frames == CUDA_FRAMES_UINT8) {
          v[l] = fmaf (reinterpret_cast<const uint8_t *> (staged)[at],
              input.scale[l % CUDA_FRAME_CHANNELS], input.shift[l % CUDA_FRAME_CHANNELS]);
        } else if (input.frames == CUDA_FRAMES_F16) {
          float none;

          unpack_pair<CUDA_TYPE_F16> (reinterpret_cast<const uint16_t *> (staged)[at], v[l], none);
        } else {
          v[l] = reinterpret_cast<const float *> (staged)[at];
        }
      }
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
