/* session.h: a network on a device; the setup that training and inference share.
 *
 * Call in this order: cnn3d_session_init(), fill in `net`, cnn3d_session_open(),
 * cnn3d_session_set_model(), cnn3d_session_take_memory(). The owner may read all fields, but only
 * these functions change them, except `net` and the parameters of programs. One thread at a time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SESSION_H
#define CNN3D_SESSION_H

#include "src/backend/backend.h"

/* Errors of setting up and using a session. */
#define CNN3D_SESSION_ERROR (cnn3d_session_error_quark ())
CNN3D_API GQuark cnn3d_session_error_quark (void);
typedef enum {
  CNN3D_SESSION_ERROR_SETTINGS, /* settings that contradict each other */
  CNN3D_SESSION_ERROR_DATA,     /* a label out of range, a batch of another size */
  CNN3D_SESSION_ERROR_DIVERGED, /* a loss or an output became NaN or infinite */
  CNN3D_SESSION_ERROR_CHECKPOINT,
  CNN3D_SESSION_ERROR_MEMORY, /* not enough memory */
  CNN3D_SESSION_ERROR_RANKS,  /* another rank failed, or differs */
  CNN3D_SESSION_ERROR_LEFT,   /* another rank was stopped, and all end with it */
} Cnn3dSessionError;

#define CNN3D_MOST_BATCH 65536 /* clips; an upper bound on upstream's batches */

/* Bytes allocated, by kind. */
typedef struct {
  gsize weights;   /* master weights and running statistics */
  gsize copy;      /* weights in the compute precision */
  gsize gradients; /* those that outlive their layer's step, and what ranks exchange them through */
  gsize optimizer;
  gsize input;     /* batches as they arrive, on a device that does not read host memory */
  gsize arena;     /* activations, their gradients, scratch */
  gsize workspace; /* part of the arena: scratch, at the step with the most live bytes */
  gsize total;     /* planned and allocated: all except the next three */
  gsize context;   /* used by libraries and driver in addition: measured, or a bound */
  gsize exchange;  /* buffers of the transport between GPUs, in addition: an estimate */
  gsize store;     /* not on the device: in pinned host memory, or a file */
} Cnn3dMemory;

/* Total bytes on the device, including context and exchange. */
CNN3D_API guint64 cnn3d_memory_needs (const Cnn3dMemory *memory);

/* The network for one number of clips. */
typedef struct {
  guint clips;
  gboolean training;
  Cnn3dProgram *program;
  Cnn3dPlan *plan;
} Cnn3dSessionProgram;

typedef struct {
  Cnn3dNetwork *net; /* owned */
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  gchar *passed_over;       /* by device=auto: the device and the reason; NULL: none */
  Cnn3dPrecision precision; /* that the device uses */
  Cnn3dModel *model;
  const Cnn3dWeightLayout *layout;

  /* Parameters of training and inference programs, except clips. The owner keeps the arrays that
   * the plan's parameters point to. */
  Cnn3dProgramParams program[2]; /* [training] */
  Cnn3dPlanParams plan[2];       /* [training] */
  guint most_clips;              /* of one program; the arena was planned for it */
  GArray *programs;              /* of Cnn3dSessionProgram */

  GArray *taken; /* of device memory */
  Cnn3dMemory memory;
  gfloat *weights; /* layout->total */
  gpointer copy;   /* NULL: the layout has none */
  guint8 *arena;
  Cnn3dStore *store; /* NULL: memory.store is 0 */
} Cnn3dSession;

/* The only function that takes an uninitialized session. */
void cnn3d_session_init (Cnn3dSession *session);
/* Frees whatever was set up, and zeroes the session. */
void cnn3d_session_clear (Cnn3dSession *session);

/* Opens the device and resolves `precision` on it. name: auto, cpu, cuda, cuda:N. FALSE with
 * error. */
gboolean cnn3d_session_open (Cnn3dSession *session, const gchar *name,
    const Cnn3dDeviceParams *params, Cnn3dPrecision precision, GError **error);
gboolean cnn3d_session_set_model (Cnn3dSession *session, gboolean keeps_copy, GError **error);

/* Allocates device memory, owned by the session. NULL with error. */
gpointer cnn3d_session_alloc (Cnn3dSession *session, gsize bytes, GError **error);
/* Allocates the weights, copy, arena and store of `memory`. FALSE with error. */
gboolean cnn3d_session_take_memory (
    Cnn3dSession *session, const Cnn3dMemory *memory, GError **error);
/* Bytes that a part of a batch takes on the device: frames, key points, labels, ... begin at
 * multiples of 64. */
gsize cnn3d_session_part (gsize bytes);
/* Copies a part of a batch to *slot, which then moves to the next part's place. Returns the copy;
 * NULL with error. */
gpointer cnn3d_session_stage (
    Cnn3dSession *session, guint8 **slot, gconstpointer from, gsize bytes, GError **error);
/* Where memory.context comes from; owned by the device. */
const gchar *cnn3d_session_context_source (const Cnn3dSession *session);
/* How the device started its passes; FALSE: it records none. */
gboolean cnn3d_session_passes (const Cnn3dSession *session, Cnn3dDevicePasses *passes);
/* Frees all device memory. */
void cnn3d_session_give_back (Cnn3dSession *session);

/* Updates the copy in the compute precision from the master weights. FALSE with error. */
gboolean cnn3d_session_refresh (Cnn3dSession *session, GError **error);

/* The network for that many clips, created on first use. NULL with error, also if it needs more
 * than the arena. */
const Cnn3dSessionProgram *cnn3d_session_program (
    Cnn3dSession *session, guint clips, gboolean training, GError **error);

/* The plan of a program, without running it. NULL with error; free with cnn3d_plan_free(). */
Cnn3dPlan *cnn3d_session_plan (const Cnn3dBackend *backend, Cnn3dModel *model,
    const Cnn3dNetwork *net, const Cnn3dProgramParams *program, const Cnn3dPlanParams *params,
    GError **error);
/* Checks n programs against their references. *replaced: a program failed and was replaced, so that
 * earlier plans no longer hold. */
gboolean cnn3d_session_check (const Cnn3dBackend *backend, Cnn3dModel *model,
    const Cnn3dProgramParams *programs, guint n, gboolean *replaced, GError **error);

#endif
