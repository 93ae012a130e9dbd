/* shim.h: included before the kernels (-include), lets a plain C++ compiler build them for the CPU.
 * A block's threads are fibers; blocks run one after another.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CUDA_SHIM_H
#define CUDA_SHIM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/cuda/shim/launch.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__ ((always_inline))
#define __launch_bounds__(...)

struct alignas (8) uint2 {
  unsigned x, y;
};

struct alignas (16) uint4 {
  unsigned x, y, z, w;
};

struct alignas (16) float4 {
  float x, y, z, w;
};

struct uint3 {
  unsigned x, y, z;
};

struct dim3 : uint3 {
  dim3 (unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : uint3{ x_, y_, z_ }
  {
  }
};

extern uint3 gridDim, blockDim, blockIdx, threadIdx;

template <typename To, typename From>
static inline To
cuda_shim_bits (From from)
{
  To to;

  static_assert (sizeof to == sizeof from, "");
  memcpy (&to, &from, sizeof to);
  return to;
}

static inline float
__uint_as_float (unsigned u)
{
  return cuda_shim_bits<float> (u);
}

static inline unsigned
__float_as_uint (float f)
{
  return cuda_shim_bits<unsigned> (f);
}

/* A product that the compiler must not fuse with a sum. */
static inline float
__fadd_rn (float a, float b)
{
  return a + b;
}

static inline float
__fmul_rn (float a, float b)
{
  return a * b;
}

/* The block's shared memory number `tag`: the same for all of its threads, filled with NaN when the
 * block starts. */
void *cuda_shim_shared (int tag, size_t bytes);

/* The same for the bytes that the launch asked for, 128-byte aligned. */
void *cuda_shim_dynamic (void);

void __syncthreads (void);

/* Tensor cores and asynchronous copies, as kernels/tensor.h wraps them. What is copied arrives at
 * the wait for its group; until then the target is filled with NaN. */
void cuda_shim_copy (void *to, const void *from);
void cuda_shim_commit (void);
void cuda_shim_wait (unsigned groups);
void cuda_shim_multiply (CudaType type, float *d, const uint32_t *a, const uint32_t *b);
void cuda_shim_load_matrices (int n, bool transposed, uint32_t *words, const void *row);

/* Counts an access of 16 bytes; kind: not CUDA_SHIM_MATRICES. */
void cuda_shim_touch (CudaShimAccess kind, const void *address);

/* For whole warps only. */
uint64_t cuda_shim_exchange (uint64_t value, int lane_mask);

template <typename Number>
static inline Number
__shfl_xor_sync (unsigned, Number value, int lane_mask)
{
  uint64_t bits = 0;

  static_assert (sizeof value <= sizeof bits, "");
  memcpy (&bits, &value, sizeof value);
  bits = cuda_shim_exchange (bits, lane_mask);
  memcpy (&value, &bits, sizeof value);
  return value;
}

int cuda_shim_launch_plain (const CudaShimLaunch *launch);

/* A kernel's arguments at its launch: plain bytes. */
template <typename... Rest> struct CudaShimArguments {
  template <typename Kernel, typename... Done>
  void
  call (Kernel kernel, Done... done) const
  {
    kernel (done...);
  }
};

template <typename First, typename... Rest> struct CudaShimArguments<First, Rest...> {
  First first;
  CudaShimArguments<Rest...> rest;

  CudaShimArguments (First first_, Rest... rest_) : first (first_), rest{ rest_... }
  {
  }

  template <typename Kernel, typename... Done>
  void
  call (Kernel kernel, Done... done) const
  {
    rest.call (kernel, done..., first);
  }
};

template <typename... Parameters> struct CudaShimBound {
  void (*kernel) (Parameters...);
  CudaShimArguments<Parameters...> arguments;
};

template <typename... Parameters, typename... Arguments>
static inline int
cuda_shim_launch (CudaStream stream, dim3 blocks, dim3 threads, size_t shared,
    void (*kernel) (Parameters...), Arguments... arguments)
{
  typedef CudaShimBound<Parameters...> Bound;
  const Bound bound = { kernel, { static_cast<Parameters> (arguments)... } };

  static_assert (__is_trivially_copyable (Bound), "arguments are copied as bytes");
  const CudaShimLaunch launch = { stream, { blocks.x, blocks.y, blocks.z },
    { threads.x, threads.y, threads.z }, shared,
    [] (const void *bytes) {
      const Bound *b = static_cast<const Bound *> (bytes);

      b->arguments.call (b->kernel);
    },
    &bound, sizeof bound };

  return cuda_shim_launch_plain (&launch);
}

#endif
