/* launch.h: the shim's interface for test programs in C.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CUDA_SHIM_LAUNCH_H
#define CUDA_SHIM_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include "src/backend/cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel with its arguments: run (arguments) runs one thread. */
typedef struct {
  CudaStream stream;
  unsigned blocks[3], threads[3];
  size_t shared; /* bytes of shared memory besides the kernel's arrays */
  void (*run) (const void *arguments);
  const void *arguments; /* plain bytes, owned by the caller during the call */
  size_t size;
} CudaShimLaunch;

/* 0: blocks and threads run in order. Else the seed of their order, which changes with each launch
 * and, for threads, with each block. */
extern uint64_t cuda_shim_order;

/* The function of kernels.h of the latest launch */
extern const char *cuda_shim_launcher;

/* Called before each launch; a value other than 0 becomes the launch's error. NULL (initially):
 * none. */
extern int (*cuda_shim_fails) (void);

/* Called for each launch; TRUE: taken (the arguments were copied), to be run later with
 * cuda_shim_run(). NULL (initially): launches run immediately. */
extern int (*cuda_shim_takes) (const CudaShimLaunch *launch);

/* Runs all blocks; returns 0 or a cudaError_t, explained by cuda_shim_error. */
int cuda_shim_run (const CudaShimLaunch *launch);

/* The error of the last launch that failed; NULL: none did. */
extern const char *cuda_shim_error;

/* Accesses to shared memory whose banks are counted: 16 bytes a thread. */
typedef enum {
  CUDA_SHIM_LOADS,
  CUDA_SHIM_STORES,
  CUDA_SHIM_COPIES,   /* asynchronous, from global memory */
  CUDA_SHIM_MATRICES, /* by a whole warp */
} CudaShimAccess;

/* phases: turns of 8 threads, in which up to 128 bytes move; conflicts: turns that would not be
 * needed if the 8 used different banks. */
typedef struct {
  uint64_t phases, conflicts;
} CudaShimBanks;

/* Counted over all launches; tests set them to 0. */
typedef struct {
  uint64_t multiplications; /* of 16x16 by 16x8, by tensor cores */
  uint64_t bytes_copied;    /* asynchronously, from global memory */
  CudaShimBanks banks[4];   /* by CudaShimAccess */
} CudaShimCounts;
extern CudaShimCounts cuda_shim_counts;

/* Conversions of the kernels' 16-bit types. */
uint16_t cuda_shim_to_half (float f);
float cuda_shim_from_half (uint16_t h);

#ifdef __cplusplus
}
#endif
#endif
