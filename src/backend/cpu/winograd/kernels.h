/* kernels.h: Winograd's transforms of one tile, and the products between them,
 * compiled once for each instruction set.
 *
 * A convolution of stride 1 that keeps its sizes is computed tile by tile, and
 * within a tile along one axis after the other (Toom-Cook; Lavin and Gray, "Fast
 * Algorithms for Convolutional Neural Networks", 2015): input and weights become
 * values at a few points, multiplied point by point and summed over channels,
 * and become outputs again. All vectors have `lanes` channels of one block.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_WINOGRAD_KERNELS_H
#define CNN3D_CPU_WINOGRAD_KERNELS_H

#include <glib.h>

/* What an axis has in a tile. */
typedef enum {
  CPU_WINOGRAD_POINT, /* one output of one input: a kernel of 1, or of 3 where the axis is 1 long */
  CPU_WINOGRAD_PAIR,  /* both outputs of an axis that is 2 long, with a kernel of 3: 3 products */
  CPU_WINOGRAD_FOUR,  /* F(4, 3): 4 outputs with a kernel of 3: 6 products */
} CpuWinogradAxis;

#define CPU_WINOGRAD_MOST_POINTS 216

typedef struct {
  CpuWinogradAxis axis[3]; /* D, H, W */
  gint size[3];            /* of the activations */
  gint taps[3];            /* the kernel's */
} CpuWinogradShape;

static inline gint
cpu_winograd_outputs (CpuWinogradAxis a)
{
  return a == CPU_WINOGRAD_FOUR ? 4 : a == CPU_WINOGRAD_PAIR ? 2 : 1;
}

static inline gint
cpu_winograd_points (CpuWinogradAxis a)
{
  return a == CPU_WINOGRAD_FOUR ? 6 : a == CPU_WINOGRAD_PAIR ? 3 : 1;
}

/* Of a kernel: one of 3 has only its middle tap on an axis that is 1 long. */
static inline gint
cpu_winograd_taps (CpuWinogradAxis a)
{
  return a == CPU_WINOGRAD_POINT ? 1 : 3;
}

/* A product's operands, in floats: c[row][column] (+)= the sum of
 * a[row][step] * b[step][column] over steps and blocks of steps. Columns are
 * vectors, 1 or 2 of them; b has them side by side, step after step. */
typedef struct {
  gint rows, columns, steps, blocks;
  const gfloat *a, *b;
  gfloat *c;
  gsize a_block, c_row, c_column; /* from one to the next */
  gboolean adds;
} CpuWinogradProduct;

typedef struct {
  gint rows; /* of a product that stay in registers */
  /* tile: its place on each axis, counted in tiles. x, y: one block of one clip,
   * [D][H][W][lane], in the type of activations. Values of a point lie `stride`
   * floats from the next's. What a tile has beyond an edge is 0, or not written. */
  void (*input) (const CpuWinogradShape *shape, gconstpointer x, const gint tile[3], gfloat *values,
      gsize stride);
  void (*output) (const CpuWinogradShape *shape, const gfloat *values, gsize stride,
      const gint tile[3], gpointer y);
  /* of the output, for the weights' gradient */
  void (*gradient) (const CpuWinogradShape *shape, gconstpointer dy, const gint tile[3],
      gfloat *values, gsize stride);
  /* One block of weights, [kD][kH][kW][lane of input][lane of output]. For each
   * input, `row` floats from the next's, its outputs' values; transposed: for each
   * output its inputs', of the kernel turned around. */
  void (*weights) (const CpuWinogradShape *shape, const gfloat *w, gboolean transposed,
      gfloat *values, gsize stride, gsize row);
  /* The gradient of such a block back from its values. */
  void (*weights_gradient) (const CpuWinogradShape *shape, const gfloat *values, gsize stride,
      gsize row, gfloat *dw, gboolean adds);
  /* a: [block][row][step], rows of `lanes` steps: channels of tiles */
  void (*product) (const CpuWinogradProduct *p);
  /* a: [step][row], steps `lanes` rows apart: tiles of channels */
  void (*product_transposed) (const CpuWinogradProduct *p);
} CpuWinogradKernels;

#endif
