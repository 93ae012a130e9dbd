/* The kernels of kernels.h for the instruction set that this file is compiled
 * for; VARIANT is its name. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/kernels.h"

#include <math.h>
#include <string.h>

#include "src/backend/cpu/vectors.h"

/* NaN passes, as in PyTorch: a diverged run must not look healthy */
#define RELU(v)                          \
  ({                                     \
    const VEC v_ = (v);                  \
    (VEC) ((INT) v_ & ~(INT) (v_ <= 0)); \
  })

#define LANES 16
#define TYPE f
#include "src/backend/cpu/kernels_block.inc.h"
#undef TYPE
#define TYPE h
#include "src/backend/cpu/kernels_block.inc.h"
#undef TYPE
#undef LANES

#define LANES 8
#define TYPE f
#include "src/backend/cpu/kernels_block.inc.h"
#undef TYPE
#define TYPE h
#include "src/backend/cpu/kernels_block.inc.h"
#undef TYPE
#undef LANES

static void
sgd (gsize n, gfloat *restrict w, const gfloat *restrict g, gfloat *restrict velocity, gfloat lr,
    gfloat momentum, gfloat decay, gfloat scale)
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
adam (gsize n, gfloat *restrict w, const gfloat *restrict g, gfloat *restrict m, gfloat *restrict v,
    gfloat rate, gfloat root, gfloat beta1, gfloat beta2, gfloat eps, gfloat l2, gfloat keep,
    gfloat scale)
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

#define BLOCKS(kind)                                                                       \
  { sums_##kind, deviations_##kind, normalize_##kind, norm_sums_##kind, norm_input_##kind, \
    sum_##kind, fill_##kind, add_##kind, scatter_add_##kind }
#define WINOGRAD CPU_JOIN (cpu_winograd_, VARIANT)
#define STRING_(x) #x
#define STRING(x) STRING_ (x)

extern const CpuWinogradKernels WINOGRAD[2][2];

const CpuKernels CPU_JOIN (cpu_kernels_, VARIANT) = {
  STRING (VARIANT), { { BLOCKS (f8), BLOCKS (f16) }, { BLOCKS (h8), BLOCKS (h16) } }, sgd, adam,
  add_floats, sum_squares, to_bf16, from_bf16,
#ifdef __AVX512F__
  { { &WINOGRAD[0][0], &WINOGRAD[0][1] }, { &WINOGRAD[1][0], &WINOGRAD[1][1] } }
#else
  { { &WINOGRAD[0][0] }, { &WINOGRAD[1][0] } }
#endif
};
