/* convpass.h: one pass of one convolution, over one slice of a batch, in the
 * first way that computes it right.
 *
 * oneDNN has several implementations for most passes. Some of some versions
 * are wrong on some shapes, so none is believed before convcheck.h has compared
 * it with plain loops. A way is an implementation together with what is done to
 * the tensors for it: more depth, or f32 copies of bf16. Winograd's way
 * (winograd/winograd.h) comes first where it is faster, and is our own.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CPU_CONVPASS_H
#define CNN3D_CPU_CONVPASS_H

#include "src/backend/cpu/cpu.h"

/* The two ends and the weights of a convolution: activations in a forward pass,
 * their gradients where a pass goes back. */
typedef struct {
  gpointer in, out;             /* a slice, as the model holds it */
  gpointer masters;
  gpointer copy;                /* of the weights, where the model keeps one; NULL */
  gfloat *gradient;             /* in the masters' format; backward-weights only */
  gboolean adds;                /* to the gradient; to `in`, where only some of its points have one */
} CpuConvOperands;

/* The format that oneDNN likes for one clip, of the fastest way that is not known
 * to be wrong: of the weights (forward; of the model's type, or f32) or of their
 * gradient (backward-weights; f32, from tensors of the model's type or f32). NULL
 * where only a reference implementation does it, or none. */
CpuDesc cpu_conv_weights_format (const Cnn3dModel * model, gint op, CpuPass pass, gboolean f32);

/* Do the passes that use weights read the masters, by Winograd's way, so that no copy
 * in another precision is needed? */
gboolean cpu_conv_reads_masters (const Cnn3dModel * model, gint op);

/* Chooses a way for `clips` clips at once. checks: it will run, so that a way
 * which nothing is known of is checked first, and the next one taken where it is
 * wrong; then *replaced becomes TRUE. may_add: operands may ask a gradient to be added to. */
gboolean cpu_conv_pass_setup (CpuConvPass * c, Cnn3dModel * model, gint op, CpuPass pass, guint clips,
    gboolean may_add, gboolean checks, gboolean * replaced, GError ** error);
void cpu_conv_pass_clear (CpuConvPass * c);

/* Where the scratch's pieces begin, and at the end where oneDNN's or Winograd's own does. */
#define CPU_CONV_PIECES 5
void cpu_conv_pass_places (const CpuConvPass * c, gsize places[CPU_CONV_PIECES + 1]);

/* What slices share: the weights as the way wants them, at the scratch's start. */
gboolean cpu_conv_pass_prepare (const Cnn3dModel * model, CpuConvPass * c, const CpuConvOperands * o, gpointer scratch,
    GError ** error);
/* One slice. scratch: c->scratch bytes, prepared. */
gboolean cpu_conv_pass_run (const Cnn3dModel * model, const Cnn3dOp * op, CpuConvPass * c, const CpuConvOperands * o,
    gpointer scratch, GError ** error);

#endif
