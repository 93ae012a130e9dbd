/* launch.h: what a test program may ask of the shim, from C.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CUDA_SHIM_LAUNCH_H
#define CUDA_SHIM_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include "src/backend/cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A kernel with its arguments: run (arguments) is one thread. */
typedef struct {
  CudaStream stream;
  unsigned blocks[3], threads[3];
  void (*run) (const void *arguments);
  const void *arguments; /* plain bytes, the caller's during the call */
  size_t size;
} CudaShimLaunch;

/* 0: blocks and threads run in order. Else in an order that it seeds, a new one
 * for each launch. */
extern uint64_t cuda_shim_order;

/* The function of kernels.h that launched last */
extern const char *cuda_shim_launcher;

/* Told of each launch before it runs; what it returns, unless 0, is the launch's
 * error. NULL (as at first): none. */
extern int (*cuda_shim_fails) (void);

/* Offered each launch; TRUE: taken (the arguments copied), to be run later with
 * cuda_shim_run(). NULL (as at first): launches run at once. */
extern int (*cuda_shim_takes) (const CudaShimLaunch *launch);

/* Runs all blocks; 0, or a cudaError_t: cuda_shim_error says why. */
int cuda_shim_run (const CudaShimLaunch *launch);

/* What was wrong with the last launch that went wrong; NULL: none did. */
extern const char *cuda_shim_error;

/* The numbers of kernels' types. */
uint16_t cuda_shim_to_half (float f);
float cuda_shim_from_half (uint16_t h);

#ifdef __cplusplus
}
#endif
#endif
