/* samples.h: launches of kernels for testing the shim.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CUDA_SHIM_SAMPLES_H
#define CUDA_SHIM_SAMPLES_H

#include <stdint.h>

#include "src/backend/cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* counts[block][thread] += 1 + block */
int cuda_sample_count (int blocks, int rows, int threads, int *counts);
/* Reverses 256 numbers; without a barrier (waits) it is a race. */
int cuda_sample_turn_round (int *numbers, int waits);
/* A thread that ends before the others' barrier. */
int cuda_sample_leave_early (int *numbers);
/* Replaces 96 numbers by the sums over each warp, in each lane. */
int cuda_sample_sum_up (const double *numbers, double *sums);
/* numbers[i] += from + by * i, of 4; the launch's arguments are cleared afterwards. */
int cuda_sample_add_step (int from, int by, int *numbers);
/* More shared memory than available. */
int cuda_sample_beyond (int *numbers);

/* Reverses 64 groups of 4 numbers through asynchronous copies, in two halves of which the second
 * stays on its way while the first is used. */
typedef enum {
  CUDA_SAMPLE_RIGHT,
  CUDA_SAMPLE_NO_WAIT,
  CUDA_SAMPLE_NO_COMMIT,
  CUDA_SAMPLE_NO_BARRIER, /* before other threads' copies are read */
  CUDA_SAMPLE_LEAVES,     /* ends before its copies */
} CudaSampleFault;
int cuda_sample_copy (const int *numbers, int *reversed, CudaSampleFault fault);
/* Twice: each of 64 numbers becomes the sum of the other warp's; without a barrier (waits) behind
 * it a warp may write the next turn's numbers over those that the other has still to read. */
int cuda_sample_pass_round (int *numbers, int waits);
/* d (16, 8) = c + a (16, 16) b, of 16-bit numbers: b (8, 16) by columns, or, transposed, (16, 8).
 * Threads load four matrices at once (fours), or two. swizzled: rows of a lie 128 bytes apart in
 * shared memory, and which 16 bytes of them are used depends on the row; else the
 * first 32. */
int cuda_sample_multiply (CudaType type, const uint16_t *a, const uint16_t *b, int transposed,
    int fours, int swizzled, const float *c, float *d);
/* Each of 32 threads stores and loads 16 bytes of shared memory, `stride` bytes apart. */
int cuda_sample_stride (int stride, int *numbers);
/* Shared memory that the launch asks for: fills and reads `bytes` of it. */
int cuda_sample_dynamic (int bytes, int *numbers);

#ifdef __cplusplus
}
#endif
#endif
