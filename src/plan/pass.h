/* pass.h: the steps of one pass and the lifetimes of its buffers, before they are placed. Private
 * to this folder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PLAN_PASS_H
#define CNN3D_PLAN_PASS_H

#include "src/plan/plan.h"

/* A buffer's place, until it has an offset. */
typedef struct {
  gsize buffer, displacement;
} PassPlace;

typedef struct {
  GArray *steps;   /* of Cnn3dStep, whose offsets are indices of `places` */
  GArray *buffers; /* of Cnn3dBuffer, without offsets */
  GArray *places;  /* of PassPlace */
  guint n_forward;
  /* The pass is only measured: of more than three slices of a step, the first, the second and the
   * last stand for all, with the same peak. Set before cnn3d_pass_init(). */
  gboolean sketch;
} Pass;

/* Builds the pass, which is zeroed, or was built before: its memory is used again. keep, [tensor]:
 * kept from its forward step to its last use in the backward pass; activations that are not kept are
 * recomputed. */
void cnn3d_pass_init (Pass *pass, const Cnn3dNetwork *network, const Cnn3dSizes *sizes,
    const Cnn3dPlanParams *params, const gboolean *keep);
void cnn3d_pass_clear (Pass *pass);
/* The largest number of bytes alive at one step. *scratch (may be NULL): how many of them are
 * scratch. */
gsize cnn3d_pass_live (const Pass *pass, gsize *scratch);

/* The residual block of each op: 0 is the stem, which ends with the first tensor that two ops read;
 * the last is the head. A second stream begins with a stem, too. An array of n_ops; free with
 * g_free(). */
gint *cnn3d_pass_segments (const Cnn3dNetwork *network);

/* offload.c: inserts the copies to the store and back. Stored are outputs of blocks that are read
 * again in the backward pass, and what their last ops save. stays, [op]: neither of this op.
 * in_time: copies have as much time as does not raise the peak; FALSE: as little as is good. Returns the
 * store's size in bytes. */
gsize cnn3d_pass_offload (Pass *pass, const Cnn3dNetwork *network, const Cnn3dSizes *sizes,
    const gboolean *stays, gboolean in_time);
/* The largest number of bytes alive at one step with these copies; inserts nothing. */
gsize cnn3d_pass_offload_live (
    Pass *pass, const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const gboolean *stays);

/* keep.c: the `keep` that params ask for, and the `stays` of offload; free with g_free(). */
void cnn3d_pass_choose (const Cnn3dNetwork *network, const Cnn3dSizes *sizes,
    const Cnn3dPlanParams *params, gboolean **keep, gboolean **stays);
/* The most that such a plan has alive at one step: what cnn3d_pass_choose() begins with. */
gsize cnn3d_pass_peak (
    const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params);

#endif
