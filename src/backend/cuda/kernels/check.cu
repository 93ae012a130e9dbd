/* Convolutions by definition, for a sample of their results: what cuDNN's are compared with.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/launch.h"

#define WARP 32
#define LONG_SUM 8192 /* terms from which on a block is a whole one */

template <CudaType type>
__device__ __forceinline__ float
number_at (const void *from, size_t i)
{
  float a, b;

  if (type == CUDA_TYPE_F32)
    return static_cast<const float *> (from)[i];
  unpack_pair<type> (static_cast<const uint16_t *> (from)[i], a, b);
  return a;
}

/* Sample s of n numbers: the first, the last, and one of each equal part between. */
__device__ __forceinline__ size_t
sample_of (size_t n, unsigned s)
{
  const size_t first = s * n / CUDA_CHECK_SAMPLES, next = (s + 1) * n / CUDA_CHECK_SAMPLES;

  if (n <= CUDA_CHECK_SAMPLES)
    return s < n ? s : n - 1;
  if (s == 0 || s == CUDA_CHECK_SAMPLES - 1)
    return s ? n - 1 : 0;
  return first + (s * 2654435761u >> 7) % (next - first);
}

struct Sums {
  double value, squares, magnitude;
};

__device__ __forceinline__ void
add_term (Sums &sums, double a, double b)
{
  const double term = a * b;

  sums.value += term;
  sums.squares += term * term;
  sums.magnitude += fabs (term);
}

/* One point of an axis that the kernel's tap reads or is read from; negative: none. */
__device__ __forceinline__ int
input_point (const CudaConv &c, int axis, int out, int tap)
{
  const int in = out * c.stride[axis] - c.pad[axis] + tap;

  return in < c.in[axis] ? in : -1;
}

__device__ __forceinline__ int
output_point (const CudaConv &c, int axis, int in, int tap)
{
  const int shifted = in + c.pad[axis] - tap, out = shifted / c.stride[axis];

  return shifted >= 0 && out * c.stride[axis] == shifted && out < cuda_conv_out (&c, axis) ? out
                                                                                           : -1;
}

/* Terms of y or of x's gradient: one for each tap and channel of what is read. */
template <CudaType type>
__device__ __forceinline__ void
add_taps (const CudaConv &c, bool forward, const void *from, const void *w, size_t at, Sums &sums)
{
  const int channels = forward ? c.in_channels : c.out_channels;
  const int own_channels = forward ? c.out_channels : c.in_channels;
  const int own[3] = { forward ? cuda_conv_out (&c, 0) : c.in[0],
    forward ? cuda_conv_out (&c, 1) : c.in[1], forward ? cuda_conv_out (&c, 2) : c.in[2] };
  const int other[3] = { forward ? c.in[0] : cuda_conv_out (&c, 0),
    forward ? c.in[1] : cuda_conv_out (&c, 1), forward ? c.in[2] : cuda_conv_out (&c, 2) };
  const int taps = c.kernel[0] * c.kernel[1] * c.kernel[2];
  const int channel = static_cast<int> (at % own_channels);
  size_t point = at / own_channels;
  int place[3];

  for (int axis = 2; axis >= 0; axis--) {
    place[axis] = static_cast<int> (point % own[axis]);
    point /= own[axis];
  }
  for (int k = threadIdx.x; k < taps * channels; k += blockDim.x) {
    const int tap = k / channels, ch = k - tap * channels;
    int rest = tap;
    size_t there = point;
    bool inside = true;

    const int kw = rest % c.kernel[2];
    rest /= c.kernel[2];
    const int of[3] = { rest / c.kernel[1], rest % c.kernel[1], kw };
    for (int axis = 0; axis < 3; axis++) {
      const int p = forward ? input_point (c, axis, place[axis], of[axis])
                            : output_point (c, axis, place[axis], of[axis]);

      inside = inside && p >= 0;
      there = there * other[axis] + p;
    }
    const size_t o = forward ? channel : ch, i = forward ? ch : channel;

    if (inside)
      add_term (sums, number_at<type> (from, there * channels + ch),
          number_at<type> (w, (o * taps + tap) * c.in_channels + i));
  }
}

/* Terms of a weight's gradient: one for each point of y. */
template <CudaType type>
__device__ __forceinline__ void
add_points (const CudaConv &c, const void *x, const void *y, size_t at, Sums &sums)
{
  const int out[3] = { cuda_conv_out (&c, 0), cuda_conv_out (&c, 1), cuda_conv_out (&c, 2) };
  const size_t points = static_cast<size_t> (c.batch) * out[0] * out[1] * out[2];
  const size_t i = at % c.in_channels;
  size_t rest = at / c.in_channels;
  int tap[3];

  for (int axis = 2; axis >= 0; axis--) {
    tap[axis] = static_cast<int> (rest % c.kernel[axis]);
    rest /= c.kernel[axis];
  }
  for (size_t p = threadIdx.x; p < points; p += blockDim.x) {
    size_t clip = p, there;
    int place[3];
    bool inside = true;

    for (int axis = 2; axis >= 0; axis--) {
      place[axis] = static_cast<int> (clip % out[axis]);
      clip /= out[axis];
    }
    there = clip;
    for (int axis = 0; axis < 3; axis++) {
      const int q = input_point (c, axis, place[axis], tap[axis]);

      inside = inside && q >= 0;
      there = there * c.in[axis] + q;
    }
    if (inside)
      add_term (sums, number_at<type> (x, there * c.in_channels + i),
          number_at<type> (y, p * c.out_channels + rest));
  }
}

/* Over a block's threads, in order; those of thread 0 are the sums. */
__device__ __forceinline__ void
add_block (Sums &sums)
{
  SHARED (double, memory, 3 * THREADS);
  double *own = memory + 3 * threadIdx.x;

  own[0] = sums.value;
  own[1] = sums.squares;
  own[2] = sums.magnitude;
  __syncthreads ();
  for (unsigned t = 1; threadIdx.x == 0 && t < blockDim.x; t++) {
    sums.value += memory[3 * t];
    sums.squares += memory[3 * t + 1];
    sums.magnitude += memory[3 * t + 2];
  }
}

/* Factors and the result are rounded to `rounding`; the sum is made in f32, in any order, by tensor
 * cores that cut off digits. What is near overflow is not judged. */
__device__ __forceinline__ float
tolerance_of (const CudaCheck &check, const Sums &sums, double terms)
{
  const double tolerance =
      4 * static_cast<double> (check.rounding) * (fabs (sums.value) + sqrt (sums.squares))
      + 0x1p-23 * sqrt (terms) * sums.magnitude + check.least;

  return tolerance + fabs (sums.value) < check.most ? static_cast<float> (tolerance)
                                                    : static_cast<float> (NAN);
}

template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS)
    expect (CudaCheck check, const void *x, const void *y, const void *w, CudaCheckResults *results)
{
  const CudaConv &c = check.conv;
  const unsigned s = blockIdx.x;
  const size_t at = sample_of (check.numbers, s);
  Sums sums = { 0, 0, 0 };

  if (check.direction == CUDA_CONV_WEIGHTS)
    add_points<type> (c, x, y, at, sums);
  else
    add_taps<type> (c, check.direction == CUDA_CONV_FORWARD,
        check.direction == CUDA_CONV_FORWARD ? x : y, w, at, sums);
  add_block (sums);
  if (threadIdx.x)
    return;
  results->value[s] = sums.value;
  results->tolerance[s] = tolerance_of (check, sums, check.terms);
}

int
cuda_check_expect (CudaStream stream, const CudaCheck *check, const void *x, const void *y,
    const void *w, CudaCheckResults *results)
{
  const auto kernel = BY_TYPE (expect, check->conv.type);

  return LAUNCH (kernel, CUDA_CHECK_SAMPLES, check->terms > LONG_SUM ? THREADS : WARP, stream,
      *check, x, y, w, results);
}

/* How far off a number is, in tolerances; NaN stays, but for what is not judged. */
__device__ __forceinline__ float
off_by (double got, double expected, double tolerance)
{
  const double difference = fabs (got - expected);

  return tolerance != tolerance || difference == 0 ? 0.f
                                                   : static_cast<float> (difference / tolerance);
}

template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS)
    compare (CudaCheck check, const void *got, int times, CudaCheckResults *results)
{
  const unsigned s = threadIdx.x;

  results->off[s] = off_by (number_at<type> (got, sample_of (check.numbers, s)),
      times * results->value[s], static_cast<double> (times) * results->tolerance[s]);
}

int
cuda_check_compare (CudaStream stream, const CudaCheck *check, const void *got, int times,
    CudaCheckResults *results)
{
  const auto kernel = BY_TYPE (compare, check->conv.type);

  static_assert (CUDA_CHECK_SAMPLES == THREADS, "a thread for each");
  return LAUNCH (kernel, 1, THREADS, stream, *check, got, times, results);
}

/* A channel's sums of y and of its square, from y as it was stored. */
template <CudaType type>
static __global__ void
__launch_bounds__ (THREADS) compare_sums (CudaCheck check, const void *y, const float *sum,
    const float *squares, CudaCheckResults *results)
{
  const int channels = check.conv.out_channels, c = blockIdx.x * channels / CUDA_CHECK_CHANNELS;
  const size_t points = check.numbers / channels;
  Sums sums = { 0, 0, 0 };

  for (size_t p = threadIdx.x; p < points; p += THREADS) {
    const double value = number_at<type> (y, p * channels + c);

    sums.value += value;
    sums.squares += value * value;
    sums.magnitude += fabs (value);
  }
  add_block (sums);
  if (threadIdx.x)
    return;
  const double growth = 0x1p-23 * sqrt (static_cast<double> (points));
  const double rounding = 4 * static_cast<double> (check.rounding);
  const bool judged = sums.squares < FLT_MAX / 2;
  const double of_sum = rounding * sqrt (sums.squares) + growth * sums.magnitude;
  const double of_squares = (rounding + growth) * sums.squares;

  results->off[CUDA_CHECK_SAMPLES + 2 * blockIdx.x] =
      off_by (sum[c], sums.value, judged ? of_sum : NAN);
  results->off[CUDA_CHECK_SAMPLES + 2 * blockIdx.x + 1] =
      off_by (squares[c], sums.squares, judged ? of_squares : NAN);
}

int
cuda_check_sums (CudaStream stream, const CudaCheck *check, const void *y, const float *sum,
    const float *squares, CudaCheckResults *results)
{
  const auto kernel = BY_TYPE (compare_sums, check->conv.type);

  return LAUNCH (kernel, CUDA_CHECK_CHANNELS, THREADS, stream, *check, y, sum, squares, results);
}
