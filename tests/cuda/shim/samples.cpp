/* Correct and faulty kernels for testing the shim.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/tensor.h"
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

static __global__ void
copy (const int *numbers, int *reversed, CudaSampleFault fault)
{
  SHARED (uint4, memory, 64);
  const int t = threadIdx.x;
  const uint4 *const from = reinterpret_cast<const uint4 *> (numbers);
  uint4 *const to = reinterpret_cast<uint4 *> (reversed);

  copy_begin (&memory[t], &from[t], true);
  copies_commit ();
  for (int half = 0; half < 2; half++) {
    if (half == 0)
      copy_begin (&memory[32 + t], &from[32 + t], true);
    if (half == 0 && fault != CUDA_SAMPLE_NO_COMMIT)
      copies_commit ();
    if (fault != CUDA_SAMPLE_NO_WAIT) {
      if (half == 0)
        copies_wait<1> ();
      else if (fault != CUDA_SAMPLE_LEAVES)
        copies_wait<0> ();
    }
    if (fault != CUDA_SAMPLE_NO_BARRIER)
      __syncthreads ();
    to[32 - 32 * half + t] = memory[32 * half + 31 - t];
  }
}

int
cuda_sample_copy (const int *numbers, int *reversed, CudaSampleFault fault)
{
  return LAUNCH (copy, 1, 32, nullptr, numbers, reversed, fault);
}

/* Two warps pass numbers round: each turn they write where the other has read. */
static __global__ void
pass_round (int *numbers, bool waits)
{
  SHARED (int, memory, 64);
  const int t = threadIdx.x;
  int number = numbers[t];

  for (int turn = 0; turn < 2; turn++) {
    memory[t] = number;
    __syncthreads ();
    number = add_warp (memory[63 - t]);
    if (waits)
      __syncthreads ();
  }
  numbers[t] = number;
}

int
cuda_sample_pass_round (int *numbers, int waits)
{
  return LAUNCH (pass_round, 1, 64, nullptr, numbers, waits != 0);
}

template <CudaType type>
static __global__ void
multiply (const uint16_t *a, const uint16_t *b, bool transposed, bool fours, bool swizzled, const float *c, float *d)
{
  SHARED (uint16_t, left, 16 * 64);
  SHARED (uint16_t, right, 16 * 8);
  const int lane = threadIdx.x, row = lane / 4, pair = lane % 4 * 2;
  const auto at = [&] (int r, int chunk) { return left + r * 64 + (swizzled ? (chunk ^ r % 8) : chunk) * 8; };
  uint32_t words[4], columns[2];
  float sums[4];

  for (int i = lane; i < 16 * 16; i += 32)
    at (i / 16, i % 16 / 8)[i % 8] = a[i];
  for (int i = lane; i < 16 * 8; i += 32)
    right[i] = b[i];
  __syncthreads ();
  if (fours)
    load_matrices<4> (words, at (lane % 16, lane / 16));
  else
    for (int i = 0; i < 2; i++) {
      uint32_t two[2];

      load_matrices<2> (two, at (lane % 16, i));
      words[2 * i] = two[0];
      words[2 * i + 1] = two[1];
    }
  if (transposed && fours) {
    uint32_t four[4];

    load_matrices<4, true> (four, right + lane % 16 * 8);
    columns[0] = four[2];
    columns[1] = four[3];
  } else if (transposed)
    load_matrices<2, true> (columns, right + lane % 16 * 8);
  else
    load_matrices<2> (columns, right + lane % 8 * 16 + lane / 8 % 2 * 8);
  for (int i = 0; i < 4; i++)
    sums[i] = c[(row + i / 2 * 8) * 8 + pair + i % 2];
  multiply_add<type> (sums, words, columns[0], columns[1]);
  for (int i = 0; i < 4; i++)
    d[(row + i / 2 * 8) * 8 + pair + i % 2] = sums[i];
}

int
cuda_sample_multiply (CudaType type, const uint16_t *a, const uint16_t *b, int transposed, int fours, int swizzled,
    const float *c, float *d)
{
  const auto kernel = type == CUDA_TYPE_BF16 ? multiply<CUDA_TYPE_BF16> : multiply<CUDA_TYPE_F16>;

  return LAUNCH (kernel, 1, 32, nullptr, a, b, transposed != 0, fours != 0, swizzled != 0, c, d);
}

static __global__ void
stride_by (int stride, int *numbers)
{
  SHARED (uint4, memory, 32 * 16);
  unsigned char *const mine = reinterpret_cast<unsigned char *> (memory) + threadIdx.x * stride;

  store_shared (mine, { threadIdx.x, 0, 0, 0 });
  numbers[threadIdx.x] = load_shared (mine).x;
}

int
cuda_sample_stride (int stride, int *numbers)
{
  return LAUNCH (stride_by, 1, 32, nullptr, stride, numbers);
}

static __global__ void
fill (int bytes, int *numbers)
{
  SHARED_BYTES (memory);

  for (int i = threadIdx.x; i < bytes; i += 32)
    memory[i] = i % 7;
  __syncthreads ();
  numbers[threadIdx.x] = memory[bytes - 32 + threadIdx.x];
}

int
cuda_sample_dynamic (int bytes, int *numbers)
{
  return LAUNCH_SHARED (fill, 1, 32, bytes, nullptr, bytes, numbers);
}
