/* roofline.h: what a training step computes and moves at least, by its plan.
 *
 * Counted, not measured: multiply-adds from the layers' shapes, bytes from the
 * plan's steps and the back end's sizes, each tensor as often as a step cannot
 * do without. Divided by what a device can do, the larger of the two is a floor:
 * no way to run this plan is faster. Knows no back end.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ROOFLINE_H
#define CNN3D_ROOFLINE_H

#include "src/plan/plan.h"

typedef struct {
  guint frame_bytes;            /* of a number of the frames as they come */
  guint weight_bytes;           /* of a number of a convolution's weights as it reads them */
  guint copy_bytes;             /* that an update writes for such a number beside the master; 0: there is no copy */
  guint states;                 /* f32 numbers of the optimizer's state for each trained number */
  gboolean batch_statistics;    /* batch norm normalises with the batch's own figures */
  gdouble passes;               /* of the plan, for one optimizer step */
  const gboolean *trained;      /* [parameter]; NULL: all that can be */
} Cnn3dRooflineParams;

/* How often one activation, or the gradient of one, is read or written outside
 * the convolutions: the most of all that an op touches. */
typedef struct {
  gdouble forward;
  gdouble backward;             /* what is made again included */
} Cnn3dMoves;

/* One op in a whole optimizer step.
 *
 * Convolutions and the last layer read and write in, out and weights once each
 * in each direction; of an input that a strided kernel steps over, the points
 * that it touches.
 *
 * Batch norm with residual and ReLU, by itself: forward, its statistics read the
 * input; then it is read again with the residual, and the output written.
 * Backward, the sums read the input and the gradients of the output and, where
 * there are two of these or the residual wants one, write what ReLU lets through
 * over the first; then the input and that are read, and the input's gradient
 * written.
 *
 * Fused: the statistics fall out of the convolution before it; and where the plan
 * does not keep the output, there is no residual, and a convolution alone reads
 * it, scale, bias and ReLU are read into that one, so that nothing moves forward.
 * What the plan makes again for backward-weights counts as it stands: not every
 * GPU has an engine that reads it through there. */
typedef struct {
  gdouble flops[CNN3D_N_PHASES];        /* two for a multiply-add; of convolutions and the last layer */
  gdouble bytes[CNN3D_N_PHASES];
  gdouble fused_bytes[CNN3D_N_PHASES];  /* differs from bytes for batch norm only */
  Cnn3dMoves moves, fused_moves;        /* of batch norm; 0 for the others */
} Cnn3dRooflineOp;

typedef struct {
  Cnn3dRooflineOp *ops;         /* [op] */
  guint n_ops;
  gdouble passes;
} Cnn3dRoofline;

/* What a device does at best. */
typedef struct {
  gdouble flops_per_second, bytes_per_second;
} Cnn3dRates;

/* Of a training plan made from `sizes`. Owned by the caller; cannot fail. */
CNN3D_API Cnn3dRoofline *cnn3d_roofline_new (const Cnn3dNetwork * network, const Cnn3dSizes * sizes,
    const Cnn3dPlan * plan, const Cnn3dRooflineParams * params);
CNN3D_API void cnn3d_roofline_free (Cnn3dRoofline ** roofline);

/* The floor of an op's phase, and of all of its phases one after the other, in
 * seconds. *by_bytes (NULL: not asked): whether moving takes most of it. */
CNN3D_API gdouble cnn3d_roofline_phase_seconds (const Cnn3dRooflineOp * op, Cnn3dPhase phase,
    const Cnn3dRates * rates, gboolean fused);
CNN3D_API gdouble cnn3d_roofline_op_seconds (const Cnn3dRooflineOp * op, const Cnn3dRates * rates, gboolean fused,
    gboolean * by_bytes);

/* The most of all ops. */
CNN3D_API Cnn3dMoves cnn3d_roofline_moves (const Cnn3dRoofline * roofline, gboolean fused);

#endif
