/* plan.h: the steps of a pass, in order, and the offsets of their buffers.
 *
 * From a network and the bytes that a back end reports for each piece, the plan lists the steps of
 * a pass, computes each buffer's lifetime in steps, and packs all buffers into one arena. It
 * depends on no back end, allocates no arena, and is a pure function of its arguments.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PLAN_H
#define CNN3D_PLAN_H

#include "src/network/network.h"
#include "src/settings/choices.h"

typedef enum {
  CNN3D_PHASE_FORWARD,
  CNN3D_PHASE_RECOMPUTE,        /* forward again for the backward pass, with saved statistics */
  CNN3D_PHASE_BACKWARD_WEIGHTS, /* gradients of the op's parameters */
  CNN3D_PHASE_BACKWARD,         /* gradient of its input (batch norm: parameters too) */
  CNN3D_PHASE_UPDATE,           /* optimizer step of the op's parameters; run by the plan's user */
  CNN3D_N_PHASES,               /* of an op's work */
  /* Copies between the arena and the store run beside the computation, one after another. They
   * begin after the work of all earlier steps. */
  CNN3D_PHASE_STORE = CNN3D_N_PHASES, /* begins to copy `in` to the store */
  CNN3D_PHASE_LOAD,                   /* begins to copy it back, to `out` */
  CNN3D_PHASE_WAIT                    /* all later work follows the end of a copy */
} Cnn3dPhase;

#define CNN3D_NOWHERE G_MAXSIZE  /* an offset: no such buffer */
#define CNN3D_ARENA_ALIGNMENT 64 /* bytes; of every buffer */

/* Bytes that a back end needs for one micro-batch of `batch` samples. Tensors are stored row after
 * row, batch * views of the tensor: up to where views are joined, a row is a clip, after that a
 * sample. The creator of the struct owns the arrays. */
typedef struct {
  guint batch;
  gsize *activation; /* [tensor], a multiple of its rows */
  gsize *gradient;   /* [tensor], a multiple of its rows */
  gsize *saved;      /* [op]: kept from forward to backward, in addition to activations */
  gsize *scratch;    /* [op * CNN3D_N_PHASES + phase]: within one step */
  /* [op]: gradients of its parameters, f32, in the order of the weights' layout */
  gsize *parameters;
  guint *slice;   /* [op]: clips processed at once, see cnn3d_plan_slice() */
  gboolean *adds; /* [op]: a convolution can add to an existing gradient of its input */
  /* [op]: a convolution's gradient of its parameters must be complete before it is added to that of
   * other batches: its slices are added up in memory of their own */
  gboolean *gathers;
  /* [op]: a convolution can compute its output's sums for the batch norm that follows */
  gboolean *statistics;
} Cnn3dSizes;

/* Allocates the arrays for a network, all 0 except slices, which are all rows. */
CNN3D_API void cnn3d_sizes_init (Cnn3dSizes *sizes, const Cnn3dNetwork *network, guint batch);
CNN3D_API void cnn3d_sizes_clear (Cnn3dSizes *sizes);

/* One step and its buffers: bytes from the arena's start. Offsets of tensors are those of clip
 * `first`. */
typedef struct {
  gint op;
  Cnn3dPhase phase;
  /* Rows, see cnn3d_op_views(): multiples of the op's slice; all rows except in recomputation. */
  guint first, clips;
  gsize in, residual, out; /* activations */
  gsize saved, scratch;    /* saved: of the whole batch */
  /* a convolution's forward step in training: `saved` of the batch norm that follows */
  gsize statistics;
  /* batch norm: `out` is read only by the next step of a convolution, while `in` is available */
  gboolean defers;
  gsize parameters; /* gradients of the op's parameters; NOWHERE: stored outside the arena */
  gboolean adds;    /* add to them: an earlier slice wrote them */
  /* `parameters` is where slices are added up; the last one adds the sum to what is stored outside
   * the arena */
  gboolean gathers;
  /* Gradient of out, as the sum of up to two buffers; of in; of residual. Batch norm writes `din`
   * over `in` or `dout[0]`; its `dresidual` is always dout[0]. A convolution's din may be its dout[0]:
   * it then works slice by slice through one slice of din at the end of its scratch. */
  gsize dout[2], din, dresidual;
  gboolean accumulate; /* add to the contents of din */
  /* Of the three phases of copies: the copy's number in its pass, from 0; of the first two: its
   * bytes, and where they are in the store. */
  guint copy;
  gsize copy_bytes, stored;
  gdouble macs, bytes; /* its part of the plan's cost */
} Cnn3dStep;

typedef struct {
  const gchar *kind; /* activation, gradient, saved, scratch, parameters */
  gint index;        /* tensor; for the last three: op */
  gsize bytes, offset;
  guint first, last; /* steps, inclusive */
} Cnn3dBuffer;

typedef struct {
  Cnn3dStep *steps;
  guint n_steps;
  guint n_forward; /* the first n_forward run forward, copies included */
  Cnn3dBuffer *buffers;
  guint n_buffers;
  gsize arena_bytes;   /* size of the arena */
  gsize live_bytes;    /* the largest sum alive at one step: a lower bound of the arena */
  gsize scratch_bytes; /* of these: scratch */
  gsize store_bytes;   /* size of the store; 0: nothing is copied */
  /* Cost of a pass, the sum over its steps. */
  gdouble macs;   /* multiply-adds of convolutions and the last layer */
  gdouble bytes;  /* of activations and gradients read and written */
  gdouble copied; /* bytes to the store and back */
  /* [tensor], [op]: what is kept, and what stays on the device; whether copies have more time than
   * they must: for plans of short batches */
  gboolean *keeps, *stays, in_time;
} Cnn3dPlan;

/* Rates for cnn3d_plan_stall(). */
typedef struct {
  gdouble macs_per_second, bytes_per_second, step_seconds;
  gdouble link_bytes_per_second; /* to the store, and back */
} Cnn3dPlanRates;

typedef struct {
  gboolean training;       /* FALSE: forward only; everything else but `features` is ignored */
  const gboolean *trained; /* [parameter]; NULL: all that can be */
  Cnn3dRecompute recompute;
  gboolean updates; /* each op's parameters are updated as soon as their gradient is available */
  /* [tensor], of a forward-only plan: tensors that are complete and available after its last step;
   * NULL: only the logits */
  const gboolean *features;
  /* With offload, the plan of the run's whole batches, for a short one: it keeps and stores the same,
   * and so needs no larger store. NULL: this is a whole one. */
  const Cnn3dPlan *whole;
} Cnn3dPlanParams;

/* How many of `batch` clips, rows of the op, an op should process at once, so that its largest tensor, `clip_bytes`
 * a clip, stays near `limit` bytes: 1, 2, 4, ... dividing batch, or batch itself, so that of two
 * slices one is a multiple of the other. most: clips of the run's whole batches (0: this is one); a
 * short batch has slices no larger than theirs, and so needs no more memory. A function of these
 * alone: the bits are the same with every choice of recomputation. */
CNN3D_API guint cnn3d_plan_slice (guint batch, guint most, gsize clip_bytes, gsize limit);

/* Creates a plan, owned by the caller. Cannot fail. */
CNN3D_API Cnn3dPlan *cnn3d_plan_new (
    const Cnn3dNetwork *network, const Cnn3dSizes *sizes, const Cnn3dPlanParams *params);
CNN3D_API void cnn3d_plan_free (Cnn3dPlan **plan);

/* Seconds of a pass, by count, in which the computation waits for copies. */
CNN3D_API gdouble cnn3d_plan_stall (const Cnn3dPlan *plan, const Cnn3dPlanRates *rates);

/* Gives each buffer an offset such that buffers alive at the same step do not overlap; returns the
 * arena's size. Buffers are placed one after another in the tightest or the lowest gap that fits:
 * Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020. Several
 * orders are tried, and the best is kept. */
CNN3D_API gsize cnn3d_plan_pack (Cnn3dBuffer *buffers, guint n_buffers);

#endif
