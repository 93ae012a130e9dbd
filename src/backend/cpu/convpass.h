/* convpass.h: one pass of one convolution, over one slice of a batch, by the first method that
 * computes it correctly.
 *
 * oneDNN has several implementations of most passes, and some versions compute wrong results for
 * some shapes, so each is compared with plain loops by convcheck.h before it is used. A method is
 * an implementation together with changes to its tensors: more depth, or f32 copies of bf16.
 * Winograd's method (winograd/winograd.h), which is our own, comes first where it is faster.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_CONVPASS_H
#define CNN3D_CPU_CONVPASS_H

#include "src/backend/cpu/cpu.h"

/* The two ends and the weights of a convolution: activations in the forward pass, their gradients
 * in backward passes. */
typedef struct {
  gpointer in, out; /* a slice, in the model's layout */
  gpointer masters;
  gpointer copy;    /* of the weights; NULL: the model keeps none */
  gfloat *gradient; /* in the masters' format; backward-weights only */
  gboolean adds;    /* add to the gradient; to `in`, if only some of its points have one */
} CpuConvOperands;

/* The format that oneDNN prefers for one clip, in the fastest method that is not known to be wrong:
 * of the weights (forward; in the model's type, or f32) or of their gradient (backward-weights;
 * f32, from tensors of the model's type or f32). NULL if only a reference implementation supports
 * it, or none. */
CpuDesc cpu_conv_weights_format (const Cnn3dModel *model, gint op, CpuPass pass, gboolean f32);

/* Whether the passes that use weights read the masters, by Winograd's method, so that no copy in
 * another precision is needed. */
gboolean cpu_conv_reads_masters (const Cnn3dModel *model, gint op);

/* Chooses a method for `clips` clips at once. checks: it will run, so that an unknown method is
 * checked first, and the next one is taken if it is wrong; *replaced is then set to TRUE. may_add:
 * operands may request adding to a gradient. */
gboolean cpu_conv_pass_setup (CpuConvPass *c, Cnn3dModel *model, gint op, CpuPass pass, guint clips,
    gboolean may_add, gboolean checks, gboolean *replaced, GError **error);
void cpu_conv_pass_clear (CpuConvPass *c);

/* Offsets of the scratch's pieces, and at the end of oneDNN's or Winograd's own. */
#define CPU_CONV_PIECES 5
void cpu_conv_pass_places (const CpuConvPass *c, gsize places[CPU_CONV_PIECES + 1]);

/* Computes what slices share: the weights in the method's format, at the scratch's start. */
gboolean cpu_conv_pass_prepare (const Cnn3dModel *model, CpuConvPass *c, const CpuConvOperands *o,
    gpointer scratch, GError **error);
/* Runs one slice. scratch: c->scratch bytes, prepared. */
gboolean cpu_conv_pass_run (const Cnn3dModel *model, const Cnn3dOp *op, CpuConvPass *c,
    const CpuConvOperands *o, gpointer scratch, GError **error);
/* Adds a gradient of an op's weights to another. */
void cpu_conv_add_gradient (
    const Cnn3dModel *model, const Cnn3dOp *op, gfloat *to, const gfloat *gradient);

#endif
