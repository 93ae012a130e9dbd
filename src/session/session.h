/* session.h: a network on a device: what training and inference set up alike.
 *
 * Its owner fills a session in this order: cnn3d_session_init(), `net`,
 * cnn3d_session_open(), cnn3d_session_set_model(), cnn3d_session_take_memory(). Fields
 * are the owner's to read; only these functions change them, but for `net` and the
 * parameters of programs. One thread at a time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SESSION_H
#define CNN3D_SESSION_H

#include "src/backend/backend.h"

/* Why a session cannot be set up or go on. */
#define CNN3D_SESSION_ERROR (cnn3d_session_error_quark ())
CNN3D_API GQuark cnn3d_session_error_quark (void);
typedef enum {
  CNN3D_SESSION_ERROR_SETTINGS, /* settings that do not go together */
  CNN3D_SESSION_ERROR_DATA,     /* a label out of range, a batch of another size */
  CNN3D_SESSION_ERROR_DIVERGED, /* a loss or an output became NaN or infinite */
  CNN3D_SESSION_ERROR_CHECKPOINT,
  CNN3D_SESSION_ERROR_MEMORY,   /* it does not fit */
} Cnn3dSessionError;

#define CNN3D_MOST_BATCH 65536  /* clips, whatever upstream sends */

/* Bytes taken, by kind. */
typedef struct {
  gsize weights;                /* masters and running statistics */
  gsize copy;                   /* in the precision that is computed with */
  gsize gradients;              /* that outlive their layer's step */
  gsize optimizer;
  gsize input;                  /* batches as they arrive, for a device that does not read the host's memory */
  gsize arena;                  /* activations, their gradients, scratch */
  gsize workspace;              /* of the arena: scratch, at the step where it is fullest */
  gsize total;                  /* what the plan predicted and what is taken: all but context */
  gsize context;                /* what libraries and driver take beside: measured, or a bound */
} Cnn3dMemory;

/* Bytes in all, context included. */
CNN3D_API guint64 cnn3d_memory_needs (const Cnn3dMemory * memory);

/* The network for one number of clips. */
typedef struct {
  guint clips;
  gboolean training;
  Cnn3dProgram *program;
  Cnn3dPlan *plan;
} Cnn3dSessionProgram;

typedef struct {
  Cnn3dNetwork *net;            /* owned */
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  gchar *passed_over;           /* by device=auto, and why; NULL: nothing */
  Cnn3dPrecision precision;     /* what the device really uses */
  Cnn3dModel *model;
  const Cnn3dWeightLayout *layout;

  /* Of a program for training and of one for inference, but for clips; what the
   * plan's arrays point to is the owner's. */
  Cnn3dProgramParams program[2];        /* [training] */
  Cnn3dPlanParams plan[2];      /* [training] */
  guint most_clips;             /* of one program: what the arena was planned for */
  GArray *programs;             /* Cnn3dSessionProgram */

  GArray *taken;                /* device memory */
  Cnn3dMemory memory;
  gfloat *weights;              /* layout->total */
  gpointer copy;                /* NULL: the layout has none */
  guint8 *arena;
} Cnn3dSession;

/* No function but this one takes a session that is neither zeroed nor initialized. */
void cnn3d_session_init (Cnn3dSession * session);
/* Frees all of it, as far as it was set up, and zeroes it. */
void cnn3d_session_clear (Cnn3dSession * session);

/* Opens the device and resolves `precision` on it. name: auto, cpu, cuda, cuda:N. */
gboolean cnn3d_session_open (Cnn3dSession * session, const gchar * name, const Cnn3dDeviceParams * params,
    Cnn3dPrecision precision, GError ** error);
gboolean cnn3d_session_set_model (Cnn3dSession * session, gboolean keeps_copy, GError ** error);

/* Memory of the device, the session's. NULL with error. */
gpointer cnn3d_session_alloc (Cnn3dSession * session, gsize bytes, GError ** error);
/* Takes `memory`'s weights, copy and arena. */
gboolean cnn3d_session_take_memory (Cnn3dSession * session, const Cnn3dMemory * memory, GError ** error);
/* Gives all of the device's memory back. */
void cnn3d_session_give_back (Cnn3dSession * session);

/* Refreshes what is computed with from the masters. */
gboolean cnn3d_session_refresh (Cnn3dSession * session, GError ** error);

/* The network for so many clips: made when it is first asked for. NULL with error,
 * also where it needs more than the arena. */
const Cnn3dSessionProgram *cnn3d_session_program (Cnn3dSession * session, guint clips, gboolean training,
    GError ** error);

/* A program's plan, without running it. NULL with error; cnn3d_plan_free(). */
Cnn3dPlan *cnn3d_session_plan (const Cnn3dBackend * backend, Cnn3dModel * model, const Cnn3dNetwork * net,
    const Cnn3dProgramParams * program, const Cnn3dPlanParams * params, GError ** error);
/* Compares what n programs would run with their references. *replaced: something was
 * found wrong and another way was taken, so that plans made before no longer hold. */
gboolean cnn3d_session_check (const Cnn3dBackend * backend, Cnn3dModel * model, const Cnn3dProgramParams * programs,
    guint n, gboolean * replaced, GError ** error);

#endif
