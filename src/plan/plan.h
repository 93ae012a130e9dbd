/* plan.h: what a step does in which order, and where each buffer of it lies.
 *
 * From a network and the bytes that a back end says each piece takes, the plan
 * lays out the steps of a pass, finds out from which step to which each buffer
 * lives, and packs all of them into one arena. It knows no back end, takes no
 * memory of the arena's size, and is a pure function of its arguments.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PLAN_H
#define CNN3D_PLAN_H

#include "src/network/network.h"

typedef enum {
  CNN3D_PHASE_FORWARD,
  CNN3D_PHASE_BACKWARD_WEIGHTS, /* gradients of the op's parameters */
  CNN3D_PHASE_BACKWARD,         /* gradient of its input (batch norm: parameters too) */
  CNN3D_N_PHASES
} Cnn3dPhase;

#define CNN3D_NOWHERE G_MAXSIZE /* an offset: no such buffer */
#define CNN3D_ARENA_ALIGNMENT 64        /* bytes; of every buffer */

/* Bytes that a back end needs, for one micro-batch of `batch` clips. Arrays
 * belong to whoever made the struct. */
typedef struct {
  guint batch;
  gsize *activation;            /* [tensor] */
  gsize *gradient;              /* [tensor] */
  gsize *saved;                 /* [op]: from forward to backward, beside activations */
  gsize *scratch;               /* [op * CNN3D_N_PHASES + phase]: within one step */
} Cnn3dSizes;

/* One step and where its buffers lie: bytes from the arena's start. */
typedef struct {
  gint op;
  Cnn3dPhase phase;
  gsize in, residual, out;      /* activations */
  gsize saved, scratch;
  /* Gradient of out, as the sum of up to two buffers; of in; of residual.
   * `din` may be the same place as `dout[0]`: batch norm without residual
   * works in place. `dresidual` always is. */
  gsize dout[2], din, dresidual;
  gboolean accumulate;          /* add to what din holds */
} Cnn3dStep;

typedef struct {
  const gchar *kind;            /* activation, gradient, saved, scratch */
  gint index;                   /* tensor; for saved and scratch: op */
  gsize bytes, offset;
  guint first, last;            /* steps, inclusive */
} Cnn3dBuffer;

typedef struct {
  Cnn3dStep *steps;
  guint n_steps;
  guint n_forward;              /* the first of them run forward */
  Cnn3dBuffer *buffers;
  guint n_buffers;
  gsize arena_bytes;            /* the arena's size */
  gsize live_bytes;             /* the largest sum alive at one step: no arena can be smaller */
} Cnn3dPlan;

typedef struct {
  gboolean training;            /* FALSE: forward only */
  const gboolean *trained;      /* [parameter]; NULL: all that can be. Ignored unless training */
} Cnn3dPlanParams;

/* Owned by the caller; cannot fail. */
CNN3D_API Cnn3dPlan *cnn3d_plan_new (const Cnn3dNetwork * network, const Cnn3dSizes * sizes,
    const Cnn3dPlanParams * params);
CNN3D_API void cnn3d_plan_free (Cnn3dPlan ** plan);

/* Gives each buffer an offset such that no two that are alive at the same step
 * overlap; returns the arena's size. Larger buffers first, each at the lowest
 * gap that fits: Pisarchyk and Lee, "Efficient memory management for deep
 * neural net inference", 2020 (greedy by size). */
CNN3D_API gsize cnn3d_plan_pack (Cnn3dBuffer * buffers, guint n_buffers);

#endif
