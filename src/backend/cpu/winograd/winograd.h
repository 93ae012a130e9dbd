/* winograd.h: a pass of a convolution of stride 1 that keeps its sizes, by
 * Winograd's minimal filtering: 216 products where direct ones take 1,728.
 *
 * Activations are blocked, in the model's type; weights and their gradient are
 * f32, [output block][input block][kD][kH][kW][lane of input][lane of output].
 * The bits of what goes forward or back depend on nothing but the numbers
 * themselves; a gradient's on how many clips are taken at once, too; none on the
 * number of threads. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_WINOGRAD_H
#define CNN3D_CPU_WINOGRAD_H

#include "src/backend/cpu/dnnl.h"
#include "src/backend/cpu/winograd/kernels.h"

/* What is convolved: channels as they are padded to blocks. */
typedef struct {
  const CpuWinogradKernels *kernels;
  guint threads, clips;
  gint lanes, element;     /* element: bytes of a number of activations */
  gint in, out;            /* channels of the convolution, multiples of lanes */
  gint size[3], kernel[3]; /* D, H, W */
} CpuWinogradSpec;

typedef struct _CpuWinograd CpuWinograd;

/* Whether the method supports the convolution. */
gboolean cpu_winograd_fits (
    const gint size[3], const gint kernel[3], const gint stride[3], const gint pad[3]);
/* Whether, by counting products and transforms, it is faster than direct convolution, which
 * multiplies direct_speed times as fast as in f32. */
gboolean cpu_winograd_pays (const CpuWinogradSpec *spec, CpuPass pass, gdouble direct_speed);

CpuWinograd *cpu_winograd_new (const CpuWinogradSpec *spec, CpuPass pass);
void cpu_winograd_free (CpuWinograd *w);
/* Bytes, 64-byte aligned. */
gsize cpu_winograd_scratch (const CpuWinograd *w);

/* Prepares the scratch for runs with these weights; does nothing for backward-weights. */
void cpu_winograd_prepare (const CpuWinograd *w, const gfloat *weights, gpointer scratch);
/* in: activations, out: their convolution; gradients in backward passes. weights: those of
 * cpu_winograd_prepare(); written by backward-weights. */
void cpu_winograd_run (
    const CpuWinograd *w, gpointer in, gpointer out, gfloat *weights, gpointer scratch);

#endif
