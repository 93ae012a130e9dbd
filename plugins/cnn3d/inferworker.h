/* inferworker.h: the thread that computes one window at a time, and the one
 * that loads the next model beside it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_WORKER_H
#define INFER_WORKER_H

#include "infermodel.h"
#include "inferwindow.h"

/* A window that is computed. */
typedef struct {
  InferModel *model;            /* a reference */
  guint64 number;               /* of all windows of the stream, from 0 */
  InferFrameTime first, last;
  guint epoch;                  /* as it was handed over */
  guint8 *clip;                 /* (T, H, W, C) */
  gsize size;
} InferJob;

/* Called in the worker's threads, with no lock held. */
typedef struct {
  /* A window's logits, (num_classes), valid during the call, and how long they
   * took; or why there are none. */
  void (*done) (gpointer user, const InferJob * job, const gfloat * logits,
      GstClockTime took);
  void (*failed) (gpointer user, const GError * error);
  /* A model that infer_worker_load() asked for, whose reference is the
   * callee's; NULL with error. */
  void (*loaded) (gpointer user, const InferModelSettings * settings,
      InferModel * model, const GError * error);
} InferWorkerFuncs;

typedef struct _InferWorker InferWorker;

InferWorker *infer_worker_new (const InferWorkerFuncs * funcs, gpointer user);
/* Ends the threads: waits for the window and the model that are under way. */
void infer_worker_free (InferWorker ** worker);

/* Hands a window over, copied. FALSE: another one is being computed. */
gboolean infer_worker_take (InferWorker * worker, InferModel * model,
    const InferWindow * window, guint64 number, guint epoch);
/* Waits until no window is being computed. FALSE: was told to wait no more. */
gboolean infer_worker_wait (InferWorker * worker);
/* Whether infer_worker_wait() gives up at once. */
void infer_worker_set_flushing (InferWorker * worker, gboolean flushing);

/* Loads a model beside what is computed. Of several that are asked for while
 * one is being loaded, the last one comes. */
void infer_worker_load (InferWorker * worker,
    const InferModelSettings * settings);

#endif
