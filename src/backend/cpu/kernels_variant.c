/* The kernels of kernels.h for the instruction set that this file is compiled
 * for; VARIANT is its name. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/kernels.h"

#include <math.h>
#include <string.h>

#include "src/backend/cpu/vectors.h"

/* NaN passes, as in PyTorch: a diverged run must not look healthy */
#define RELU(v) ({ const VEC v_ = (v); (VEC) ((INT) v_ & ~(INT) (v_ <= 0)); })

#define LANES 16
#define VEC vec16
#define DVEC double16
#define LOADD loadd16
#define STORED stored16
#define INT int16
#define LOADF loadf16
#define STOREF storef16
#define WHERE_POSITIVE positive16
#define LOADBITS loadbits16
#define STOREBITS storebits16

#define NAME(x) f32_16_##x
#define ELEMENT gfloat
#define LOAD loadf16
#define STORE storef16
#include "src/backend/cpu/kernels_block.inc.h"
#undef NAME
#undef ELEMENT
#undef LOAD
#undef STORE

#define NAME(x) bf16_16_##x
#define ELEMENT guint16
#define LOAD loadh16
#define STORE storeh16
#include "src/backend/cpu/kernels_block.inc.h"
#undef NAME
#undef ELEMENT
#undef LOAD
#undef STORE

#undef LANES
#undef VEC
#undef DVEC
#undef LOADD
#undef STORED
#undef INT
#undef LOADF
#undef STOREF
#undef WHERE_POSITIVE
#undef LOADBITS
#undef STOREBITS

#define LANES 8
#define VEC vec8
#define DVEC double8
#define LOADD loadd8
#define STORED stored8
#define INT int8
#define LOADF loadf8
#define STOREF storef8
#define WHERE_POSITIVE positive8
#define LOADBITS loadbits8
#define STOREBITS storebits8

#define NAME(x) f32_8_##x
#define ELEMENT gfloat
#define LOAD loadf8
#define STORE storef8
#include "src/backend/cpu/kernels_block.inc.h"
#undef NAME
#undef ELEMENT
#undef LOAD
#undef STORE

#define NAME(x) bf16_8_##x
#define ELEMENT guint16
#define LOAD loadh8
#define STORE storeh8
#include "src/backend/cpu/kernels_block.inc.h"

static void
sgd (gsize n, gfloat *restrict w, const gfloat *restrict g, gfloat *restrict velocity, gfloat lr, gfloat momentum,
    gfloat decay, gfloat scale)
{
  if (!velocity) {
    for (gsize i = 0; i < n; i++)
      w[i] -= lr * (g[i] * scale + decay * w[i]);
    return;
  }
  for (gsize i = 0; i < n; i++) {
    velocity[i] = momentum * velocity[i] + (g[i] * scale + decay * w[i]);
    w[i] -= lr * velocity[i];
  }
}

static void
adam (gsize n, gfloat *restrict w, const gfloat *restrict g, gfloat *restrict m, gfloat *restrict v, gfloat rate,
    gfloat root, gfloat beta1, gfloat beta2, gfloat eps, gfloat l2, gfloat keep, gfloat scale)
{
  for (gsize i = 0; i < n; i++) {
    const gfloat d = g[i] * scale + l2 * w[i];

    m[i] = beta1 * m[i] + (1 - beta1) * d;
    v[i] = beta2 * v[i] + (1 - beta2) * d * d;
    w[i] = keep * w[i] - rate * m[i] / (sqrtf (v[i]) * root + eps);
  }
}

static void
add_floats (gsize n, gfloat *restrict y, const gfloat *restrict x)
{
  for (gsize i = 0; i < n; i++)
    y[i] += x[i];
}

static gdouble
sum_squares (gsize n, const gfloat *x)
{
  gdouble lanes[16] = { 0 }, sum = 0;

  for (gsize i = 0; i < n; i += 16)
    for (gsize l = 0; l < 16; l++)
      lanes[l] += (gdouble) x[i + l] * x[i + l];
  for (gsize l = 0; l < 16; l++)
    sum += lanes[l];
  return sum;
}

static void
to_bf16 (gsize n, guint16 *y, const gfloat *x)
{
  const gsize whole = n & ~(gsize) 15;

  for (gsize i = 0; i < whole; i += 16)
    storeh16 (y + i, loadf16 (x + i));
  if (whole < n) {
    gfloat from[16] = { 0 };
    guint16 to[16];

    memcpy (from, x + whole, (n - whole) * sizeof *x);
    storeh16 (to, loadf16 (from));
    memcpy (y + whole, to, (n - whole) * sizeof *y);
  }
}

static void
from_bf16 (gsize n, gfloat *y, const guint16 *x)
{
  for (gsize i = 0; i < n; i++) {
    const guint32 bits = (guint32) x[i] << 16;

    memcpy (y + i, &bits, sizeof *y);
  }
}

#define BLOCKS(prefix) { prefix##sums, prefix##deviations, prefix##normalize, prefix##norm_sums, prefix##norm_input, prefix##sum, \
    prefix##fill, prefix##add, prefix##scatter_add }
#define TABLE_(variant) cpu_kernels_##variant
#define TABLE(variant) TABLE_ (variant)
#define WINOGRAD_(variant) cpu_winograd_##variant
#define WINOGRAD__(variant) WINOGRAD_ (variant)
#define WINOGRAD WINOGRAD__ (VARIANT)
#define STRING_(x) #x
#define STRING(x) STRING_ (x)

extern const CpuWinogradKernels WINOGRAD[2][2];

const CpuKernels TABLE (VARIANT) = {
  STRING (VARIANT),
  {{BLOCKS (f32_8_), BLOCKS (f32_16_)}, {BLOCKS (bf16_8_), BLOCKS (bf16_16_)}},
  sgd, adam, add_floats, sum_squares, to_bf16, from_bf16,
#ifdef __AVX512F__
  {{&WINOGRAD[0][0], &WINOGRAD[0][1]}, {&WINOGRAD[1][0], &WINOGRAD[1][1]}}
#else
  {{&WINOGRAD[0][0]}, {&WINOGRAD[1][0]}}
#endif
};
