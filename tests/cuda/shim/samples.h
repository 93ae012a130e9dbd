/* samples.h: launches of kernels for testing the shim.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CUDA_SHIM_SAMPLES_H
#define CUDA_SHIM_SAMPLES_H

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

#ifdef __cplusplus
}
#endif
#endif
