/* roofline.h: lower bounds of a training step's computation and memory traffic, from its plan.
 *
 * Counted, not measured: multiply-adds from the layers' shapes, bytes from the plan's steps and the
 * back end's sizes, each tensor as often as a step must read or write it. Divided by the device's
 * peak rates, the larger of the two is the roofline: no implementation of this plan is faster.
 * Depends on no back end.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_ROOFLINE_H
#define CNN3D_ROOFLINE_H

#include "src/plan/plan.h"

typedef struct {
  guint frame_bytes;  /* of an element of the input frames */
  guint weight_bytes; /* of a convolution's weight as it is read */
  /* of the copy of such a weight that an update writes beside the master; 0: no copy */
  guint copy_bytes;
  guint states;              /* f32 numbers of optimizer state per trained number */
  gboolean batch_statistics; /* batch norm normalises with the batch's own statistics */
  gdouble passes;            /* of the plan, per optimizer step */
  const gboolean *trained;   /* [parameter]; NULL: all that can be */
} Cnn3dRooflineParams;

/* How often an activation, or a gradient of one, is read or written outside the convolutions: the
 * maximum over an op's tensors. */
typedef struct {
  gdouble forward;
  gdouble backward; /* including recomputation */
} Cnn3dMoves;

/* One op in a whole optimizer step.
 *
 * Convolutions and the last layer read and write in, out and weights once each in each direction;
 * of an input that a strided kernel skips, only the points that it reads.
 *
 * Batch norm with residual and ReLU, unfused. Forward: its statistics read the input; then it is
 * read again with the residual, and the output written. Backward: the sums read the input and the
 * gradients of the output; if there are two of these or the residual needs one, the masked gradient
 * is written over the first; then the input and that are read, and the input's gradient written.
 *
 * Fused: the statistics are computed by the convolution before it. If the plan does not keep the
 * output, there is no residual, and only one convolution reads it, then that convolution applies
 * scale, bias and ReLU to its input, so that nothing is moved forward. Recomputation for
 * backward-weights is counted as unfused: not every GPU has an engine that applies them there. */
typedef struct {
  gdouble flops[CNN3D_N_PHASES]; /* two per multiply-add; of convolutions and the last layer */
  gdouble bytes[CNN3D_N_PHASES];
  gdouble fused_bytes[CNN3D_N_PHASES]; /* differs from bytes for batch norm only */
  Cnn3dMoves moves, fused_moves;       /* of batch norm; 0 for other ops */
} Cnn3dRooflineOp;

typedef struct {
  Cnn3dRooflineOp *ops; /* [op] */
  guint n_ops;
  gdouble passes;
} Cnn3dRoofline;

/* Peak rates of a device. */
typedef struct {
  gdouble flops_per_second, bytes_per_second;
} Cnn3dRates;

/* Of a training plan made from `sizes`. Owned by the caller. Cannot fail. */
CNN3D_API Cnn3dRoofline *cnn3d_roofline_new (const Cnn3dNetwork *network, const Cnn3dSizes *sizes,
    const Cnn3dPlan *plan, const Cnn3dRooflineParams *params);
CNN3D_API void cnn3d_roofline_free (Cnn3dRoofline **roofline);

/* The roofline of an op's phase, and of all its phases in sequence, in seconds. *by_bytes (may be
 * NULL): whether it is bound by memory traffic. */
CNN3D_API gdouble cnn3d_roofline_phase_seconds (
    const Cnn3dRooflineOp *op, Cnn3dPhase phase, const Cnn3dRates *rates, gboolean fused);
CNN3D_API gdouble cnn3d_roofline_op_seconds (
    const Cnn3dRooflineOp *op, const Cnn3dRates *rates, gboolean fused, gboolean *by_bytes);

/* The maximum over all ops. */
CNN3D_API Cnn3dMoves cnn3d_roofline_moves (const Cnn3dRoofline *roofline, gboolean fused);

#endif
