/* inferworker.h: a thread that computes one window at a time, and another that
 * loads the next model.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_WORKER_H
#define INFER_WORKER_H

#include "infermodel.h"
#include "inferwindow.h"

/* A window to compute. */
typedef struct {
  InferModel *model; /* a reference */
  guint64 number;    /* of the windows of the stream, from 0 */
  InferFrameTime first, last;
  guint epoch;  /* the caller's, at infer_worker_take() */
  guint8 *clip; /* (T, H, W, C) */
  gsize size;
  gfloat *points; /* (T, M, K, 3); NULL: the model reads none */
  gsize n_points; /* values */
} InferJob;

/* Callbacks, called from the worker's threads without a lock. */
typedef struct {
  /* A window's logits, (num_classes), valid during the call, and the computing
   * time in nanoseconds; or an error. */
  void (*done) (gpointer user, const InferJob *job, const gfloat *logits, GstClockTime took);
  void (*failed) (gpointer user, const GError *error);
  /* The result of infer_worker_load(): a model, whose reference the callee
   * takes, or NULL with error. */
  void (*loaded) (
      gpointer user, const InferModelSettings *settings, InferModel *model, const GError *error);
} InferWorkerFuncs;

typedef struct _InferWorker InferWorker;

InferWorker *infer_worker_new (const InferWorkerFuncs *funcs, gpointer user);
/* Stops the threads. Waits for the current window and model. */
void infer_worker_free (InferWorker **worker);

/* Copies a window for computing. FALSE: another one is being computed. */
gboolean infer_worker_take (
    InferWorker *worker, InferModel *model, const InferWindow *window, guint64 number, guint epoch);
/* Waits until no window is being computed. FALSE: flushing. */
gboolean infer_worker_wait (InferWorker *worker);
/* While flushing, infer_worker_wait() returns at once. */
void infer_worker_set_flushing (InferWorker *worker, gboolean flushing);

/* Loads a model in the background. Requests made while one is being loaded
 * replace each other: the last one is loaded. */
void infer_worker_load (InferWorker *worker, const InferModelSettings *settings);

#endif
