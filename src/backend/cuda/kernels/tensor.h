/* tensor.h: tensor cores and asynchronous copies, for kernels of sm_80 and later.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_TENSOR_H
#define CNN3D_CUDA_TENSOR_H

#include "src/backend/cuda/kernels/launch.h"

#ifdef __CUDACC__
/* As the instructions want it. */
__device__ __forceinline__ uint32_t
shared_address (const void *shared)
{
  return static_cast<uint32_t> (__cvta_generic_to_shared (shared));
}
#endif

/* Copies 16 bytes from global to shared memory, both aligned; unless `valid`, they become zero.
 * They are there for this thread after copies_wait(), for others after a barrier behind that. */
__device__ __forceinline__ void
copy_begin (void *shared, const void *global, bool valid)
{
#ifdef __CUDACC__
  asm volatile ("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address (shared)),
      "l"(__cvta_generic_to_global (global)), "r"(valid ? 16 : 0)
      : "memory");
#else
  cuda_shim_copy (shared, valid ? global : nullptr);
#endif
}

/* The copies since the last call become a group. */
__device__ __forceinline__ void
copies_commit ()
{
#ifdef __CUDACC__
  asm volatile ("cp.async.commit_group;" ::: "memory");
#else
  cuda_shim_commit ();
#endif
}

/* Until all but the latest `groups` groups have arrived. */
template <int groups>
__device__ __forceinline__ void
copies_wait ()
{
#ifdef __CUDACC__
  asm volatile ("cp.async.wait_group %0;" ::"n"(groups) : "memory");
#else
  cuda_shim_wait (groups);
#endif
}

/* n (2 or 4) matrices of 8x8 16-bit numbers: lane 8 i + r gives the address of row r of the i-th.
 * Lane l gets two numbers of each, in row l / 4 and columns 2 (l % 4) and the next; transposed: in
 * that column and those rows. */
template <int n, bool transposed = false>
__device__ __forceinline__ void
load_matrices (uint32_t (&words)[n], const void *row)
{
  static_assert (n == 2 || n == 4, "");
#ifdef __CUDACC__
  const uint32_t at = shared_address (row);

  if constexpr (n == 4 && transposed)
    asm volatile ("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
        : "r"(at)
        : "memory");
  else if constexpr (n == 4)
    asm volatile ("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
        : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
        : "r"(at)
        : "memory");
  else if constexpr (transposed)
    asm volatile ("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
        : "=r"(words[0]), "=r"(words[1])
        : "r"(at)
        : "memory");
  else
    asm volatile ("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
        : "=r"(words[0]), "=r"(words[1])
        : "r"(at)
        : "memory");
#else
  cuda_shim_load_matrices (n, transposed, words, row);
#endif
}

/* 16 bytes of shared memory, aligned. */
__device__ __forceinline__ uint4
load_shared (const void *shared)
{
#ifndef __CUDACC__
  cuda_shim_touch (CUDA_SHIM_LOADS, shared);
#endif
  return *static_cast<const uint4 *> (shared);
}

__device__ __forceinline__ void
store_shared (void *shared, const uint4 &words)
{
#ifndef __CUDACC__
  cuda_shim_touch (CUDA_SHIM_STORES, shared);
#endif
  *static_cast<uint4 *> (shared) = words;
}

/* d (16, 8) += a (16, 16) b (16, 8): of FP16 or bf16, sums in f32. Lane l holds of a, in words,
 * rows l / 4 and the 8th behind, at columns 2 (l % 4) and the next: the two rows, then the same 8
 * columns on; of b two words of column l / 4, at rows 2 (l % 4) and 8 on; of d both rows of a at
 * columns 2 (l % 4) and the next. */
template <CudaType type>
__device__ __forceinline__ void
multiply_add (float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
#ifdef __CUDACC__
  if constexpr (type == CUDA_TYPE_BF16)
    asm ("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
         "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
         "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  const uint32_t b[] = { b0, b1 };

  cuda_shim_multiply (type, d, a, b);
#endif
}

#endif
