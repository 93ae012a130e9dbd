/* launch.h: shared by the kernels. They are compiled by nvcc, and by a C++ compiler with
 * tests/cuda/shim in front, which runs them on the CPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_LAUNCH_H
#define CNN3D_CUDA_LAUNCH_H

#include <float.h>
#include <math.h>

#include "src/backend/cuda/kernels.h"

/* LAUNCH: launches a kernel on a stream; returns the cudaError_t. SHARED: an array shared by a
 * block's threads. LAUNCH_SHARED: with so many bytes besides, more than 48 KB if the GPU has them;
 * SHARED_BYTES: these, 128-byte aligned. IS_GLOBAL: asserts to the compiler that a pointer read
 * from memory points to global memory. */
#ifdef __CUDACC__
#define LAUNCH(kernel, blocks, threads, stream, ...) \
  (kernel<<<(blocks), (threads), 0, (stream)>>> (__VA_ARGS__), (int) cudaGetLastError ())
#define LAUNCH_SHARED(kernel, blocks, threads, bytes, stream, ...) \
  launch_shared ((blocks), (threads), (bytes), (stream), (kernel), __VA_ARGS__)
#define SHARED(type, name, n) __shared__ type name[n]
#define SHARED_BYTES(name) extern __shared__ __align__ (128) unsigned char name[]
#define UNROLL _Pragma ("unroll")
#define UNROLL_4 _Pragma ("unroll 4")
#define IS_GLOBAL(pointer) __builtin_assume (__isGlobal (pointer))
#else
#define LAUNCH(kernel, blocks, threads, stream, ...) \
  (cuda_shim_launcher = __func__,                    \
      cuda_shim_launch (stream, (blocks), (threads), 0, (kernel), __VA_ARGS__))
#define LAUNCH_SHARED(kernel, blocks, threads, bytes, stream, ...) \
  (cuda_shim_launcher = __func__,                                  \
      cuda_shim_launch (stream, (blocks), (threads), (bytes), (kernel), __VA_ARGS__))
#define SHARED(type, name, n) \
  type *const name = static_cast<type *> (cuda_shim_shared (__COUNTER__, sizeof (type) * (n)))
#define SHARED_BYTES(name) \
  unsigned char *const name = static_cast<unsigned char *> (cuda_shim_dynamic ())
#define UNROLL
#define UNROLL_4
#define IS_GLOBAL(pointer) static_cast<void> (pointer)
#endif

#ifdef __CUDACC__
template <typename... Parameters, typename... Arguments>
static inline int
launch_shared (dim3 blocks, dim3 threads, size_t bytes, CudaStream stream,
    void (*kernel) (Parameters...), Arguments... arguments)
{
  if (cudaFuncSetAttribute (
          kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int> (bytes))
      == cudaSuccess)
    kernel<<<blocks, threads, bytes, stream>>> (arguments...);
  return static_cast<int> (cudaGetLastError ());
}
#endif

/* The instance of a kernel for a type that is known at run time. */
#define BY_TYPE(kernel, type)                               \
  ((type) == CUDA_TYPE_F32          ? kernel<CUDA_TYPE_F32> \
          : (type) == CUDA_TYPE_F16 ? kernel<CUDA_TYPE_F16> \
                                    : kernel<CUDA_TYPE_BF16>)

#define THREADS 256 /* of a block */
#define FULL_WARP 0xffffffffu
/* Some rounds of blocks on the 132 multiprocessors of the largest GPUs: more
 * work than that is looped over. Tests set fewer, so as to see the loops. */
#ifndef MOST_BLOCKS
#define MOST_BLOCKS (132 * 8)
#endif

/* Blocks that `work` things need when a block takes `each`, at most `most`. */
static inline unsigned
blocks_for (size_t work, size_t each, size_t most = MOST_BLOCKS)
{
  const size_t n = (work + each - 1) / each;

  return static_cast<unsigned> (n < most ? n : most);
}

/* --- numbers --- */

/* Pairs of 16-bit floats in a word, the first in its lower half; to the nearest,
 * halves to even. Overflow becomes infinite: that is how it is noticed. */
template <CudaType type>
__device__ __forceinline__ void
unpack_pair (uint32_t word, float &a, float &b)
{
  if (type == CUDA_TYPE_BF16) {
    a = __uint_as_float (word << 16);
    b = __uint_as_float (word & 0xffff0000u);
    return;
  }
#ifdef __CUDACC__
  asm ("{ .reg .b16 a, b; mov.b32 {a, b}, %2; cvt.f32.f16 %0, a; cvt.f32.f16 %1, b; }"
      : "=f"(a), "=f"(b)
      : "r"(word));
#else
  a = cuda_shim_from_half (static_cast<uint16_t> (word));
  b = cuda_shim_from_half (static_cast<uint16_t> (word >> 16));
#endif
}

/* bf16 for GPUs that cannot convert to it: the upper half of a float. */
__device__ __forceinline__ uint32_t
to_bf16 (float f)
{
  const uint32_t u = __float_as_uint (f);

  return f != f ? 0x7fffu : (u + 0x7fffu + (u >> 16 & 1)) >> 16;
}

template <CudaType type>
__device__ __forceinline__ uint32_t
pack_pair (float a, float b)
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
  uint32_t word;

  if (type == CUDA_TYPE_BF16)
    asm ("cvt.rn.bf16x2.f32 %0, %2, %1;" : "=r"(word) : "f"(a), "f"(b));
  else
    asm ("cvt.rn.f16x2.f32 %0, %2, %1;" : "=r"(word) : "f"(a), "f"(b));
  return word;
#else
  if (type == CUDA_TYPE_BF16)
    return to_bf16 (a) | to_bf16 (b) << 16;
#ifdef __CUDACC__
  uint32_t word;

  asm ("{ .reg .b16 a, b; cvt.rn.f16.f32 a, %1; cvt.rn.f16.f32 b, %2; mov.b32 %0, {a, b}; }"
      : "=r"(word)
      : "f"(a), "f"(b));
  return word;
#else
  return cuda_shim_to_half (a) | static_cast<uint32_t> (cuda_shim_to_half (b)) << 16;
#endif
#endif
}

/* A group: CUDA_LANES numbers as they lie in memory, in 16-byte words. */
template <CudaType type> struct Pack {
  uint4 v;
};

template <> struct Pack<CUDA_TYPE_F32> {
  uint4 v, w;
};

template <CudaType type>
__device__ __forceinline__ Pack<type>
load (const void *from, size_t group)
{
  return static_cast<const Pack<type> *> (from)[group];
}

__device__ __forceinline__ void
unpack (const Pack<CUDA_TYPE_F32> &p, float (&f)[CUDA_LANES])
{
  f[0] = __uint_as_float (p.v.x);
  f[1] = __uint_as_float (p.v.y);
  f[2] = __uint_as_float (p.v.z);
  f[3] = __uint_as_float (p.v.w);
  f[4] = __uint_as_float (p.w.x);
  f[5] = __uint_as_float (p.w.y);
  f[6] = __uint_as_float (p.w.z);
  f[7] = __uint_as_float (p.w.w);
}

template <CudaType type>
__device__ __forceinline__ void
unpack (const Pack<type> &p, float (&f)[CUDA_LANES])
{
  unpack_pair<type> (p.v.x, f[0], f[1]);
  unpack_pair<type> (p.v.y, f[2], f[3]);
  unpack_pair<type> (p.v.z, f[4], f[5]);
  unpack_pair<type> (p.v.w, f[6], f[7]);
}

__device__ __forceinline__ void
pack (Pack<CUDA_TYPE_F32> &p, const float (&f)[CUDA_LANES])
{
  p.v = { __float_as_uint (f[0]), __float_as_uint (f[1]), __float_as_uint (f[2]),
    __float_as_uint (f[3]) };
  p.w = { __float_as_uint (f[4]), __float_as_uint (f[5]), __float_as_uint (f[6]),
    __float_as_uint (f[7]) };
}

template <CudaType type>
__device__ __forceinline__ void
pack (Pack<type> &p, const float (&f)[CUDA_LANES])
{
  p.v = { pack_pair<type> (f[0], f[1]), pack_pair<type> (f[2], f[3]), pack_pair<type> (f[4], f[5]),
    pack_pair<type> (f[6], f[7]) };
}

template <CudaType type>
__device__ __forceinline__ void
store (void *to, size_t group, const float (&f)[CUDA_LANES])
{
  Pack<type> p;

  pack (p, f);
  static_cast<Pack<type> *> (to)[group] = p;
}

/* Of vectors of f32. */
__device__ __forceinline__ void
load_floats (const float *from, size_t group, float (&f)[CUDA_LANES])
{
  unpack (load<CUDA_TYPE_F32> (from, group), f);
}

__device__ __forceinline__ void
store_floats (float *to, size_t group, const float (&f)[CUDA_LANES])
{
  store<CUDA_TYPE_F32> (to, group, f);
}

/* A number that unrolled code counts to. */
template <int n> struct Count {
  enum {
    value = n
  };
};

/* Groups that a thread has on their way at once: 64 bytes. */
template <CudaType type> struct InFlight : Count<type == CUDA_TYPE_F32 ? 2 : 4> {};

/* --- how a block's threads lie over points and channels --- */

/* `width` groups beside one another, `lanes` points of them: as many of the
 * threads as that takes work. Wider tensors are tiled over gridDim.y. */
struct Tile {
  int groups, width, lanes;
};

struct Place {
  bool works;
  int group, lane;
};

#define NARROWEST 8 /* groups of a tile, where there are as many: 128 bytes or more */

/* For `rows` blocks along the points: narrower tiles where these alone would
 * leave multiprocessors without work. */
static inline Tile
tile_for (int channels, size_t rows)
{
  const int groups = channels / CUDA_LANES;
  int tiles = (groups + THREADS - 1) / THREADS;

  while (rows * tiles < 2 * 132 && groups >= 2 * tiles * NARROWEST)
    tiles *= 2;
  const int width = (groups + tiles - 1) / tiles;

  return { groups, width, THREADS / width };
}

static inline unsigned
tiles_of (const Tile &tile)
{
  return (tile.groups + tile.width - 1) / tile.width;
}

__device__ __forceinline__ Place
place_in (const Tile &tile)
{
  const int thread = threadIdx.x, lane = thread / tile.width;
  const int group = blockIdx.y * tile.width + thread - lane * tile.width;

  return { lane < tile.lanes && group < tile.groups, group, lane };
}

/* Adds up `n` numbers a thread over the lanes of a tile, in a tree: those of lane
 * 0 are the sums. memory: n * THREADS numbers. All threads come here. */
template <int n>
__device__ __forceinline__ void
add_lanes (const Tile &tile, const Place &place, float (&sums)[n], float *memory)
{
  const int t = threadIdx.x;

  UNROLL
  for (int k = 0; k < n; k++)
    memory[k * THREADS + t] = sums[k];
  __syncthreads ();
  for (int lanes = tile.lanes; lanes > 1;) {
    const int half = (lanes + 1) / 2;

    if (place.works && place.lane < lanes - half) {
      UNROLL
      for (int k = 0; k < n; k++)
        memory[k * THREADS + t] = sums[k] = sums[k] + memory[k * THREADS + t + half * tile.width];
    }
    __syncthreads ();
    lanes = half;
  }
}

/* Over a warp's lanes; every lane has the same sum. */
template <typename Number>
__device__ __forceinline__ Number
add_warp (Number value)
{
  UNROLL
  for (int distance = 16; distance; distance /= 2)
    value += __shfl_xor_sync (FULL_WARP, value, distance);
  return value;
}

#endif
