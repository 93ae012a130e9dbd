/* kernels.h: our own loops over memory, compiled once for each instruction set.
 *
 * Activations are blocked: [n][channel block][D][H][W][lane], `lanes` channels
 * to a block. A kernel works on `points` consecutive points of one block; the
 * per-channel vectors that it takes have `lanes` numbers. Callers split the work
 * over threads. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_KERNELS_H
#define CNN3D_CPU_KERNELS_H

#include "src/backend/cpu/winograd/kernels.h"

/* Bytes of a mask of `points` points of a block. */
#define CPU_MASK_BYTES(points, lanes) (((points) + 7) / 8 * (lanes))

typedef struct {
  /* sum += x, in double; squares += (x - mean)^2, the square in float, the sum
   * in double */
  void (*sums) (gconstpointer x, gsize points, gdouble *sum);
  void (*deviations) (gconstpointer x, gsize points, const gfloat *mean, gdouble *squares);
  /* y = x * scale + bias (+ residual), then ReLU if relu. y may be x or residual.
   * mask (NULL: not wanted; with residual and relu only): where y is above 0,
   * as bits: for each 8 points a byte a lane. */
  void (*normalize) (gconstpointer x, gconstpointer residual, gpointer y, gsize points,
      const gfloat *scale, const gfloat *bias, gboolean relu, guint8 *mask);
  /* g = dy0 (+ dy1), then 0 where ReLU was inactive: according to mask or, if scale is given
   * instead, where x * scale + bias is not above 0 (neither: no ReLU). Written over dy0 if store.
   * sum += g, product += g * (x - mean). */
  void (*norm_sums) (gpointer dy0, gconstpointer dy1, const guint8 *mask, gconstpointer x,
      gsize points, const gfloat *mean, const gfloat *scale, const gfloat *bias, gboolean store,
      gfloat *sum, gfloat *product);
  /* dx = a * g + b * (x - mean) + c, with g 0 as above where scale is given.
   * dx may be g or x. */
  void (*norm_input) (gconstpointer g, gconstpointer x, gpointer dx, gsize points,
      const gfloat *mean, const gfloat *scale, const gfloat *bias, const gfloat *a, const gfloat *b,
      const gfloat *c);
  /* sum += x */
  void (*sum) (gconstpointer x, gsize points, gfloat *sum);
  /* every point of y = value */
  void (*fill) (gpointer y, gsize points, const gfloat *value);
  /* y += x */
  void (*add) (gpointer y, gconstpointer x, gsize points);
  /* x[i * stride] += y[i] */
  void (*scatter_add) (gpointer x, gconstpointer y, gsize points, gsize stride);
} CpuBlockKernels;

typedef struct {
  const gchar *name;
  CpuBlockKernels blocks[2][2]; /* [bf16][lanes is 16] */
  /* Plain arrays. n is a multiple of 16. */
  void (*sgd) (gsize n, gfloat *w, const gfloat *g, gfloat *velocity, gfloat lr, gfloat momentum,
      gfloat decay, gfloat scale);
  /* adam: w -= rate * m / (sqrt (v) * root + eps); decay as L2, or decoupled. */
  void (*adam) (gsize n, gfloat *w, const gfloat *g, gfloat *m, gfloat *v, gfloat rate, gfloat root,
      gfloat beta1, gfloat beta2, gfloat eps, gfloat l2, gfloat keep, gfloat scale);
  void (*add_floats) (gsize n, gfloat *y, const gfloat *x);
  gdouble (*sum_squares) (gsize n, const gfloat *x);
  /* any n */
  void (*to_bf16) (gsize n, guint16 *y, const gfloat *x);
  void (*from_bf16) (gsize n, gfloat *y, const guint16 *x);
  const CpuWinogradKernels *winograd[2][2]; /* [bf16][lanes is 16]; NULL: none */
} CpuKernels;

/* The plain version, which the others are tested against. */
extern const CpuKernels cpu_kernels_base;
#ifdef CNN3D_X86
extern const CpuKernels cpu_kernels_avx2, cpu_kernels_avx512;
#endif

/* The best one that this CPU supports. */
const CpuKernels *cpu_kernels_select (void);

#endif
