/* Correct and faulty kernels for testing the shim.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/launch.h"
#include "tests/cuda/shim/samples.h"

static __global__ void
count (int *counts)
{
  const int block = blockIdx.x + gridDim.x * blockIdx.y;

  counts[block * blockDim.x + threadIdx.x] += 1 + block;
}

int
cuda_sample_count (int blocks, int rows, int threads, int *counts)
{
  return LAUNCH (count, dim3 (blocks, rows), threads, nullptr, counts);
}

static __global__ void
turn_round (int *numbers, bool waits)
{
  SHARED (int, memory, THREADS);

  memory[threadIdx.x] = numbers[threadIdx.x];
  if (waits)
    __syncthreads ();
  numbers[threadIdx.x] = memory[THREADS - 1 - threadIdx.x];
}

int
cuda_sample_turn_round (int *numbers, int waits)
{
  return LAUNCH (turn_round, 1, THREADS, nullptr, numbers, waits != 0);
}

static __global__ void
leave_early (int *numbers)
{
  if (threadIdx.x == 3)
    return;
  __syncthreads ();
  numbers[threadIdx.x] = 1;
}

int
cuda_sample_leave_early (int *numbers)
{
  return LAUNCH (leave_early, 2, 64, nullptr, numbers);
}

static __global__ void
sum_up (const double *numbers, double *sums)
{
  sums[threadIdx.x] = add_warp (numbers[threadIdx.x]);
}

int
cuda_sample_sum_up (const double *numbers, double *sums)
{
  return LAUNCH (sum_up, 1, 96, nullptr, numbers, sums);
}

struct Step {
  int from, by;
};

static __global__ void
add_step (Step step, int *numbers)
{
  numbers[threadIdx.x] += step.from + step.by * threadIdx.x;
}

int
cuda_sample_add_step (int from, int by, int *numbers)
{
  Step local = { from, by };
  const Step *step = &local;
  const int error = LAUNCH (add_step, 1, 4, nullptr, *step, numbers);

  local = { 0, 0 };             /* after the launch */
  return error;
}

static __global__ void
beyond (int *numbers)
{
  SHARED (int, memory, 13 * 1024);

  memory[threadIdx.x] = 1;
  numbers[threadIdx.x] = memory[threadIdx.x];
}

int
cuda_sample_beyond (int *numbers)
{
  return LAUNCH (beyond, 1, 32, nullptr, numbers);
}
