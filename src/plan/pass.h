/* pass.h: the steps of one pass and the life of its buffers, before they have
 * places. Private to this folder. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PLAN_PASS_H
#define CNN3D_PLAN_PASS_H

#include "src/plan/plan.h"

/* Where something lies, until its buffer has an offset. */
typedef struct {
  gsize buffer, displacement;
} PassPlace;

typedef struct {
  GArray *steps;                /* Cnn3dStep; its offsets are numbers of places */
  GArray *buffers;              /* Cnn3dBuffer, without offsets */
  GArray *places;               /* PassPlace */
  guint n_forward;
} Pass;

/* keep: [tensor], from its forward step to its last use in the backward pass;
 * what is not kept is made again. */
void cnn3d_pass_init (Pass * pass, const Cnn3dNetwork * network, const Cnn3dSizes * sizes,
    const Cnn3dPlanParams * params, const gboolean * keep);
void cnn3d_pass_clear (Pass * pass);
/* The most bytes that are alive at one step; *scratch (NULL: not asked): of
 * these, scratch. */
gsize cnn3d_pass_live (const Pass * pass, gsize * scratch);

/* The residual block that each op belongs to: 0 is the stem, which ends with the
 * first tensor that two ops read; the last is the head. An array of n_ops,
 * g_free(). */
gint *cnn3d_pass_segments (const Cnn3dNetwork * network);

/* keep.c: `keep` for what params ask for; g_free(). */
gboolean *cnn3d_pass_choose (const Cnn3dNetwork * network, const Cnn3dSizes * sizes, const Cnn3dPlanParams * params);

#endif
