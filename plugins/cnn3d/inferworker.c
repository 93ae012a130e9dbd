/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferworker.h"

#include <string.h>

struct _InferWorker {
  const InferWorkerFuncs *funcs;
  gpointer user;

  GMutex lock;
  GCond cond;
  GThread *computes, *loads; /* loads: NULL until a model is requested */
  gboolean quit, flushing;
  /* The thread that sets `busy` owns the job until it clears it. */
  gboolean busy, ready;
  InferJob job;
  gboolean asked; /* `wanted` is to be loaded */
  InferModelSettings wanted;
};

/* --- windows --- */

static void
compute (InferWorker *self)
{
  const InferJob *job = &self->job;
  gfloat *logits = g_new (gfloat, job->model->num_classes);
  GError *error = NULL;
  GstClockTime began = gst_util_get_timestamp ();

  if (cnn3d_predictor_run (
          job->model->predictor, job->clip, CNN3D_TYPE_UINT8, job->points, 1, logits, &error)) {
    self->funcs->done (self->user, job, logits, gst_util_get_timestamp () - began);
  } else {
    self->funcs->failed (self->user, error);
    g_error_free (error);
  }
  g_free (logits);
}

static gpointer
computing_thread (gpointer data)
{
  InferWorker *self = data;

  g_mutex_lock (&self->lock);
  for (;;) {
    while (!self->quit && !self->ready)
      g_cond_wait (&self->cond, &self->lock);
    if (self->quit)
      break;
    g_mutex_unlock (&self->lock);
    compute (self);
    /* a replaced model is freed with its last window */
    g_clear_pointer (&self->job.model, infer_model_unref);
    g_mutex_lock (&self->lock);
    self->ready = self->busy = FALSE;
    g_cond_broadcast (&self->cond);
  }
  g_mutex_unlock (&self->lock);

  return NULL;
}

gboolean
infer_worker_take (
    InferWorker *self, InferModel *model, const InferWindow *window, guint64 number, guint epoch)
{
  const gsize size = infer_window_size (window), n_points = infer_window_n_points (window);
  InferJob *job = &self->job;

  g_mutex_lock (&self->lock);
  if (self->busy) {
    g_mutex_unlock (&self->lock);
    return FALSE;
  }
  self->busy = TRUE;
  g_mutex_unlock (&self->lock);

  if (job->size != size) {
    g_free (job->clip);
    job->clip = g_malloc (size);
    job->size = size;
  }
  if (job->n_points != n_points) {
    g_free (job->points);
    job->points = g_new (gfloat, n_points);
    job->n_points = n_points;
  }
  infer_window_copy (window, job->clip);
  infer_window_copy_points (window, job->points);
  infer_window_times (window, &job->first, &job->last);
  job->model = infer_model_ref (model);
  job->number = number;
  job->epoch = epoch;

  g_mutex_lock (&self->lock);
  self->ready = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  return TRUE;
}

gboolean
infer_worker_wait (InferWorker *self)
{
  gboolean idle;

  g_mutex_lock (&self->lock);
  while (self->busy && !self->flushing)
    g_cond_wait (&self->cond, &self->lock);
  idle = !self->flushing;
  g_mutex_unlock (&self->lock);

  return idle;
}

void
infer_worker_set_flushing (InferWorker *self, gboolean flushing)
{
  g_mutex_lock (&self->lock);
  self->flushing = flushing;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* --- models --- */

static gpointer
loading_thread (gpointer data)
{
  InferWorker *self = data;

  g_mutex_lock (&self->lock);
  for (;;) {
    InferModelSettings settings;
    InferModel *model;
    GError *error = NULL;

    while (!self->quit && !self->asked)
      g_cond_wait (&self->cond, &self->lock);
    if (self->quit)
      break;
    settings = self->wanted;
    memset (&self->wanted, 0, sizeof self->wanted);
    self->asked = FALSE;
    g_mutex_unlock (&self->lock);
    model = infer_model_load (&settings, &error);
    self->funcs->loaded (self->user, &settings, model, error);
    g_clear_error (&error);
    settings_clear (&infer_model_settings, &settings);
    g_mutex_lock (&self->lock);
  }
  g_mutex_unlock (&self->lock);

  return NULL;
}

void
infer_worker_load (InferWorker *self, const InferModelSettings *settings)
{
  g_mutex_lock (&self->lock);
  settings_clear (&infer_model_settings, &self->wanted);
  settings_copy (&infer_model_settings, &self->wanted, settings);
  self->asked = TRUE;
  if (!self->loads)
    self->loads = g_thread_new ("cnn3dinfer-load", loading_thread, self);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* --- the worker --- */

InferWorker *
infer_worker_new (const InferWorkerFuncs *funcs, gpointer user)
{
  InferWorker *self = g_new0 (InferWorker, 1);

  self->funcs = funcs;
  self->user = user;
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->computes = g_thread_new ("cnn3dinfer", computing_thread, self);

  return self;
}

void
infer_worker_free (InferWorker **worker)
{
  InferWorker *self = *worker;

  if (!self)
    return;
  g_mutex_lock (&self->lock);
  self->quit = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  g_thread_join (self->computes);
  if (self->loads)
    g_thread_join (self->loads);
  g_clear_pointer (&self->job.model, infer_model_unref);
  settings_clear (&infer_model_settings, &self->wanted);
  g_free (self->job.clip);
  g_free (self->job.points);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);
  g_free (self);
  *worker = NULL;
}
