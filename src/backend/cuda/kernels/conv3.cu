/* conv3.cu: convolution of 64 channels with 64 kernels of 3x3x3 by tensor cores.
 *
 * A block makes columns of 8x8 points, four planes of them a step, a plane a warp. Their input, with
 * a point more on each side, lies in a ring of six planes, from which all 27 taps read it; planes
 * that a step needs no more make room for the next step's. Weights pass through two buffers.
 *
 * By count, a step (256 points, 13,824 multiplications of 16x8x16 by a warp): 216 KB of weights and
 * 50 KB of input from L2, where an implicit GEMM of 128 by 64 reads 1.3 MB. Shared memory: 96 bytes a
 * multiplication, in whose time an A100 could load 256; no bank conflicts. 250 registers and 99 KB of
 * shared memory: two blocks a multiprocessor on sm_90, one on sm_80, 86 and 89. A barrier every 192
 * multiplications of a warp.
 *
 * For r3d_18's first layer, 16x56x56, 32 clips (355 GFLOP) on an H100: 0.58 ms by mma.sync at 62 %
 * of the 989 TFLOP/s that only wgmma reaches, under which 1.7 GB from L2 (0.3 ms), shared memory (0.3
 * ms) and DRAM (0.12 ms) hide; 0.65 to 0.75 ms expected, not measured.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/kernels/tensor.h"

#define CHANNELS CUDA_CONV3_CHANNELS
#define GROUPS (CHANNELS / CUDA_LANES) /* 16 bytes each */
#define TAPS 27
#define SIDE 8 /* points of a tile along an axis */
#define HALO (SIDE + 2)
#define PLANES 4 /* of a step's output: one a warp */
#define WARPS_THREADS (32 * PLANES)
#define RING (PLANES + 2)
#define POINT_BYTES (CHANNELS * 2)
#define PLANE_BYTES (HALO * HALO * POINT_BYTES)

/* A stage multiplies by the three taps along H of one (kd, kw), with half of the input channels. */
#define STAGES (TAPS / 3 * 2)
#define STAGE_BYTES (CUDA_CONV3_ARRANGED / STAGES)
#define STAGES_OF_DEPTH (STAGES / 3) /* of one kd */

static_assert (RING * PLANE_BYTES + 2 * STAGE_BYTES == CUDA_CONV3_SHARED, "");
static_assert (STAGES % 2 == 0, "the buffers take turns across steps");

/* Blocks, each of which leaves a row of partial sums; depth is divided until there is work for as
 * many. */
#define MOST_ROWS_THERE (CUDA_CONV3_PARTIALS / (2 * CHANNELS))
#define MOST_ROWS (MOST_BLOCKS < MOST_ROWS_THERE ? MOST_BLOCKS : MOST_ROWS_THERE)

/* --- weights --- */

/* Words in the order in which conv3 reads them: [stage][16 input channels][kh][16 kernels][lane][4],
 * the last being the lane's fragments of two multiplications. */
static __global__ void
__launch_bounds__ (THREADS) arrange (const uint16_t *w, bool backward, uint32_t *arranged)
{
  const int word = blockIdx.x * THREADS + threadIdx.x;
  const int part = word % 4, lane = word / 4 % 32, kernels = word / 128 % 4, kh = word / 512 % 3;
  const int sixteen = word / 1536 % 2, stage = word / 3072;
  const int tap = stage / STAGES_OF_DEPTH * 9 + kh * 3 + stage % STAGES_OF_DEPTH / 2;
  const int in = stage % 2 * 32 + sixteen * 16 + part % 2 * 8 + lane % 4 * 2;
  const int out = kernels * 16 + part / 2 * 8 + lane / 4;
  uint32_t pair = 0;

  UNROLL
  for (int i = 0; i < 2; i++) {
    const int at = backward ? ((in + i) * TAPS + TAPS - 1 - tap) * CHANNELS + out
                            : (out * TAPS + tap) * CHANNELS + in + i;

    pair |= static_cast<uint32_t> (w[at]) << 16 * i;
  }
  arranged[word] = pair;
}

int
cuda_conv3_arrange (CudaStream stream, const void *w, int backward, void *arranged)
{
  return LAUNCH (arrange, CUDA_CONV3_ARRANGED / 4 / THREADS, THREADS, stream,
      static_cast<const uint16_t *> (w), backward != 0, static_cast<uint32_t *> (arranged));
}

/* --- the work of a block --- */

struct Work {
  int depth, height, width;
  int across, down;           /* tiles along W and H */
  int segments, segment;      /* of the depth; output planes of one, a multiple of PLANES */
  size_t units;               /* a segment of a column of tiles */
  const float *scale, *shift; /* NULL: none */
  bool relu, adds;
};

static Work
work_of (const CudaConv3 *conv)
{
  int steps = (conv->depth + PLANES - 1) / PLANES;
  const int all = steps;
  Work work;

  work.depth = conv->depth;
  work.height = conv->height;
  work.width = conv->width;
  work.across = (conv->width + SIDE - 1) / SIDE;
  work.down = (conv->height + SIDE - 1) / SIDE;

  const size_t columns = static_cast<size_t> (conv->clips) * work.across * work.down;

  work.segments = 1;
  while (columns * work.segments < MOST_ROWS && steps > 1) {
    steps = (steps + 1) / 2;
    work.segments = (all + steps - 1) / steps;
  }
  work.segment = steps * PLANES;
  work.units = columns * work.segments;
  work.scale = conv->scale;
  work.shift = conv->shift;
  work.relu = conv->relu;
  work.adds = conv->adds;
  return work;
}

/* A unit's first output point, and its number of output planes. */
struct Unit {
  size_t clip;
  int d, h, w, planes;
};

__device__ __forceinline__ Unit
unit_of (const Work &work, size_t number)
{
  Unit u;

  u.w = static_cast<int> (number % work.across) * SIDE;
  number /= work.across;
  u.h = static_cast<int> (number % work.down) * SIDE;
  number /= work.down;
  u.d = static_cast<int> (number % work.segments) * work.segment;
  u.clip = number / work.segments;
  u.planes = work.depth - u.d < work.segment ? work.depth - u.d : work.segment;
  return u;
}

/* body (point, where the thread's group of it lies, validity, index of the group) for the groups
 * that a thread has of the unit's q-th input plane; all threads have as many, or whole warps have
 * none. The eight groups of a point lie in an order by its number, so that eight points in a row
 * have none in the same banks. */
template <typename Body>
__device__ __forceinline__ void
over_plane (const Work &work, const Unit &unit, unsigned char *ring, int q, Body body)
{
  const int group = threadIdx.x % GROUPS, d = unit.d - 1 + q;
  unsigned char *const plane = ring + q % RING * PLANE_BYTES;
  const bool inside = d >= 0 && d < work.depth;

  for (int point = threadIdx.x / GROUPS; point < HALO * HALO; point += WARPS_THREADS / GROUPS) {
    const int h = unit.h - 1 + point / HALO, w = unit.w - 1 + point % HALO;
    const bool valid = inside && h >= 0 && h < work.height && w >= 0 && w < work.width;
    const size_t at = ((unit.clip * work.depth + d) * work.height + h) * work.width + w;

    body (plane + point * POINT_BYTES + (group ^ point % 8) * 16, valid, at * GROUPS + group);
  }
}

__device__ __forceinline__ void
begin_plane (const Work &work, const Unit &unit, unsigned char *ring, int q, const void *x)
{
  const uint4 *const from = static_cast<const uint4 *> (x);

  over_plane (work, unit, ring, q, [&] (unsigned char *to, bool valid, size_t group) {
    copy_begin (to, valid ? from + group : from, valid);
  });
}

/* Of the groups that this thread copied. What pads the input stays zero. */
template <CudaType type>
__device__ __forceinline__ void
normalize_plane (const Work &work, const Unit &unit, unsigned char *ring, int q)
{
  float scale[CUDA_LANES], shift[CUDA_LANES];

  load_floats (work.scale, threadIdx.x % GROUPS, scale);
  load_floats (work.shift, threadIdx.x % GROUPS, shift);
  over_plane (work, unit, ring, q, [&] (unsigned char *at, bool valid, size_t) {
    Pack<type> p = { load_shared (at) };
    float v[CUDA_LANES];

    unpack (p, v);
    UNROLL
    for (int l = 0; l < CUDA_LANES; l++) {
      v[l] = fmaf (v[l], scale[l], shift[l]);
      if (!valid || (work.relu && v[l] <= 0)) /* NaN passes */
        v[l] = 0;
    }
    pack (p, v);
    store_shared (at, p.v);
  });
}

__device__ __forceinline__ void
begin_stage (unsigned char *buffer, const void *weights, int stage)
{
  const uint4 *const from = static_cast<const uint4 *> (weights) + stage * (STAGE_BYTES / 16);

  UNROLL
  for (int i = 0; i < STAGE_BYTES / 16; i += WARPS_THREADS)
    copy_begin (buffer + (i + threadIdx.x) * 16, from + i + threadIdx.x, true);
}

/* Sums of a warp's 64 points, the i-th fragment having those of h = i and h = i + 4, by 64 kernels,
 * eight each. */
typedef float Sums[4][8][4];

/* plane: of the warp's input; buffer: the stage's weights. Output rows h and taps kh that share an
 * input row share its fragment. */
template <CudaType type>
__device__ __forceinline__ void
multiply_stage (Sums &sums, const unsigned char *plane, const unsigned char *buffer, int stage)
{
  const int lane = threadIdx.x % 32, kw = stage % STAGES_OF_DEPTH / 2;
  const int first = (lane / 8 % 2 * 4 * HALO + lane % 8 + kw), group = stage % 2 * 4 + lane / 16;

  UNROLL
  for (int sixteen = 0; sixteen < 2; sixteen++) {
    uint32_t rows[6][4];

    UNROLL
    for (int i = 0; i < 6; i++) {
      const int point = first + i * HALO;

      load_matrices (
          rows[i], plane + point * POINT_BYTES + ((group + sixteen * 2) ^ point % 8) * 16);
    }
    UNROLL
    for (int kh = 0; kh < 3; kh++)
      UNROLL
    for (int kernels = 0; kernels < 4; kernels++) {
      const uint4 w = load_shared (buffer + (((sixteen * 3 + kh) * 4 + kernels) * 32 + lane) * 16);

      UNROLL
      for (int i = 0; i < 4; i++) {
        multiply_add<type> (sums[i][2 * kernels], rows[i + kh], w.x, w.y);
        multiply_add<type> (sums[i][2 * kernels + 1], rows[i + kh], w.z, w.w);
      }
    }
  }
}

/* --- a step's output --- */

/* Lane l and word k of four lanes change places. */
__device__ __forceinline__ void
transpose_four (uint32_t (&words)[4])
{
  UNROLL
  for (int distance = 1; distance < 4; distance *= 2) {
    const bool upper = threadIdx.x & distance;

    UNROLL
    for (int k = 0; k < 4; k++)
      if (!(k & distance)) {
        uint32_t &low = words[k], &high = words[k + distance];
        const uint32_t other = __shfl_xor_sync (FULL_WARP, upper ? low : high, distance);

        if (upper)
          low = other;
        else
          high = other;
      }
  }
}

/* Sums over the lanes that differ in bits 2 to 4, of n numbers: a lane keeps n / 8 of them, which
 * these bits number, bit 4 counting most. */
template <int n>
__device__ __forceinline__ void
scatter_sums (float (&numbers)[n])
{
  UNROLL
  for (int distance = 16, half = n / 2; distance >= 4; distance /= 2, half /= 2) {
    const bool upper = threadIdx.x & distance;

    UNROLL
    for (int k = 0; k < n / 2; k++)
      if (k < half) {
        const float sent = upper ? numbers[k] : numbers[half + k];
        const float kept = upper ? numbers[half + k] : numbers[k];

        numbers[k] = kept + __shfl_xor_sync (FULL_WARP, sent, distance);
      }
  }
}

/* Writes the plane of a warp. totals: of a lane, to which sums and squares are added: those of
 * kernel_of(), as rounded. */
template <CudaType type>
__device__ __forceinline__ void
finish_plane (const Work &work, const Unit &unit, int d, Sums &sums, void *y, bool adds_up,
    float (&totals)[4])
{
  const int lane = threadIdx.x % 32, w = unit.w + lane / 4;

  UNROLL
  for (int half = 0; half < 2; half++) { /* of the kernels */
    float numbers[16] = { 0 };

    UNROLL
    for (int h = 0; h < SIDE; h++) {
      const bool valid = unit.h + h < work.height && w < work.width;
      const size_t at = ((unit.clip * work.depth + d) * work.height + unit.h + h) * work.width + w;
      Pack<type> *const to = static_cast<Pack<type> *> (y) + at * GROUPS + half * 4 + lane % 4;
      uint32_t words[4] = { 0 };

      if (work.adds) {
        if (valid) {
          const uint4 there = to->v;

          words[0] = there.x;
          words[1] = there.y;
          words[2] = there.z;
          words[3] = there.w;
        }
        transpose_four (words);
      }
      UNROLL
      for (int k = 0; k < 4; k++) {
        const float *const two = sums[h % 4][half * 4 + k] + h / 4 * 2;
        float a = two[0], b = two[1];

        if (work.adds) {
          float there_a, there_b;

          unpack_pair<type> (words[k], there_a, there_b);
          a += there_a;
          b += there_b;
        }
        words[k] = pack_pair<type> (a, b);
        if (!adds_up)
          continue;
        unpack_pair<type> (words[k], a, b);
        a = valid ? a : 0;
        b = valid ? b : 0;
        numbers[2 * k] += a;
        numbers[2 * k + 1] += b;
        numbers[8 + 2 * k] = fmaf (a, a, numbers[8 + 2 * k]);
        numbers[8 + 2 * k + 1] = fmaf (b, b, numbers[8 + 2 * k + 1]);
      }
      transpose_four (words);
      if (valid)
        to->v = { words[0], words[1], words[2], words[3] };
    }
    if (adds_up) {
      scatter_sums (numbers);
      totals[2 * half] += numbers[0];
      totals[2 * half + 1] += numbers[1];
    }
  }
}

/* Where totals[i] of a lane belongs in a row of partial sums, [2][CHANNELS]. */
__device__ __forceinline__ int
total_at (int lane, int i)
{
  return lane / 16 * CHANNELS + i / 2 * 32 + lane / 4 % 4 * 8 + lane % 4 * 2 + i % 2;
}

template <CudaType type>
static __global__ void
__launch_bounds__ (WARPS_THREADS, 2)
    conv3 (Work work, const void *x, const void *weights, void *y, float *partials)
{
#if !defined __CUDA_ARCH__ || __CUDA_ARCH__ >= 800
  SHARED_BYTES (ring);
  unsigned char *const buffers = ring + RING * PLANE_BYTES;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float totals[4] = { 0 };

  for (size_t number = blockIdx.x; number < work.units; number += gridDim.x) {
    const Unit unit = unit_of (work, number);
    const int inputs = unit.planes + 2;
    int fresh = 0, begun = PLANES; /* planes: normalized, and on their way */

    __syncthreads (); /* the ring has been read */
    for (int q = 0; q < begun; q++)
      begin_plane (work, unit, ring, q, x);
    begin_stage (buffers, weights, 0);
    copies_commit ();
    for (int base = 0; base < unit.planes; base += PLANES) {
      const bool works = base + warp < unit.planes;
      Sums sums = { 0 };

      for (int stage = 0; stage < STAGES; stage++) {
        const int kd = stage / STAGES_OF_DEPTH;

        copies_wait<0> ();
        for (; work.scale && fresh < begun; fresh++)
          normalize_plane<type> (work, unit, ring, fresh);
        __syncthreads ();
        if (stage + 1 < STAGES || base + PLANES < unit.planes)
          begin_stage (buffers + (stage + 1) % 2 * STAGE_BYTES, weights, (stage + 1) % STAGES);
        if (stage % STAGES_OF_DEPTH == 0) {
          /* at first the previous step makes room for two planes, then each kd for one */
          const int end = base + PLANES + 2 + kd < inputs ? base + PLANES + 2 + kd : inputs;

          for (; begun < end; begun++)
            begin_plane (work, unit, ring, begun, x);
        }
        copies_commit ();
        if (works)
          multiply_stage<type> (sums, ring + (base + warp + kd) % RING * PLANE_BYTES,
              buffers + stage % 2 * STAGE_BYTES, stage);
      }
      if (works)
        finish_plane<type> (work, unit, unit.d + base + warp, sums, y, partials, totals);
    }
  }
  if (!partials)
    return;

  float *const rows = reinterpret_cast<float *> (ring);

  __syncthreads ();
  UNROLL
  for (int i = 0; i < 4; i++)
    rows[warp * 2 * CHANNELS + total_at (lane, i)] = totals[i];
  __syncthreads ();

  float total = 0;

  UNROLL
  for (int i = 0; i < PLANES; i++)
    total += rows[i * 2 * CHANNELS + threadIdx.x];
  partials[blockIdx.x * 2 * CHANNELS + threadIdx.x] = total;
#endif
}

static_assert (WARPS_THREADS == 2 * CHANNELS, "a thread adds up one of the totals");

/* --- sums --- */

/* A block adds up CUDA_LANES columns of the rows, in order: the same lanes, then a tree. */
static __global__ void
__launch_bounds__ (THREADS)
    add_rows (const float *partials, unsigned rows, float *sum, float *squares)
{
  SHARED (double, memory, THREADS);
  const int t = threadIdx.x, column = blockIdx.x * CUDA_LANES + t % CUDA_LANES;
  double total = 0;

  for (unsigned row = t / CUDA_LANES; row < rows; row += THREADS / CUDA_LANES)
    total += partials[row * 2 * CHANNELS + column];
  memory[t] = total;
  for (int half = THREADS / 2; half >= CUDA_LANES; half /= 2) {
    __syncthreads ();
    if (t < half)
      memory[t] += memory[t + half];
  }
  if (t < CUDA_LANES)
    (column < CHANNELS ? sum : squares)[column % CHANNELS] = static_cast<float> (memory[t]);
}

static unsigned
rows_of (const Work &work)
{
  return blocks_for (work.units, 1, MOST_ROWS);
}

size_t
cuda_conv3_partials (const CudaConv3 *conv)
{
  return static_cast<size_t> (rows_of (work_of (conv))) * 2 * CHANNELS;
}

int
cuda_conv3 (CudaStream stream, const CudaConv3 *conv, const void *x, const void *arranged, void *y,
    float *partials, float *sum, float *squares)
{
  const Work work = work_of (conv);
  const unsigned rows = rows_of (work);
  const auto kernel = conv->type == CUDA_TYPE_BF16 ? conv3<CUDA_TYPE_BF16> : conv3<CUDA_TYPE_F16>;
  const int error = LAUNCH_SHARED (
      kernel, rows, WARPS_THREADS, CUDA_CONV3_SHARED, stream, work, x, arranged, y, partials);

  if (error || !partials)
    return error;
  return LAUNCH (add_rows, 2 * CHANNELS / CUDA_LANES, THREADS, stream,
      static_cast<const float *> (partials), rows, sum, squares);
}
