/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipworkers.h"
#include "cliptaskpool.h"

/* About 20,000 clips of 60 frames; beyond it files are read again */
#define MAX_INDEX_BYTES (64 * 1024 * 1024)

struct _ClipWorkers {
  ClipChainSettings settings;
  gboolean yielding;
  GAsyncQueue *jobs;
  ClipJob *stop; /* a sentinel that ends a thread */
  GPtrArray *threads;
};

static gpointer
work (gpointer data)
{
  ClipWorkers *self = data;
  ClipJob *job;

  if (self->yielding)
    clip_thread_yield_priority ();
  while ((job = g_async_queue_pop (self->jobs)) != self->stop) {
    clip_chain_decode (&self->settings, job);
    clip_job_unref (job);
  }
  clip_job_unref (job);

  return NULL;
}

ClipWorkers *
clip_workers_new (const ClipChainSettings *settings, guint num_workers, GError **error)
{
  static const GstClipMeta none;
  ClipWorkers *self = g_new0 (ClipWorkers, 1);
  guint n = MAX (num_workers, 1);

  /* With num-workers=0 the streaming thread waits for the worker, whose lower priority would
   * gain nothing */
  self->yielding = num_workers > 0;
  self->settings = *settings;
  self->settings.clip_bin = g_strdup (settings->clip_bin);
  self->settings.tasks = clip_task_pool_new (self->yielding);
  self->settings.indexes = clip_indexes_new (settings->index_location, MAX_INDEX_BYTES);
  self->settings.index_location = NULL;
  self->settings.factories = clip_factories_new ();
  self->settings.bins = g_async_queue_new_full (gst_object_unref);
  self->jobs = g_async_queue_new_full ((GDestroyNotify) clip_job_unref);
  self->stop = clip_job_new (&none, NULL, 0, 0, 0, 0);
  self->threads = g_ptr_array_new ();
  for (guint i = 0; i < n; i++) {
    GThread *thread = g_thread_try_new ("clip-worker", work, self, error);

    if (!thread) {
      clip_workers_free (self);
      return NULL;
    }
    g_ptr_array_add (self->threads, thread);
  }

  return self;
}

void
clip_workers_free (ClipWorkers *self)
{
  for (guint i = 0; i < self->threads->len; i++)
    g_async_queue_push_front (self->jobs, clip_job_ref (self->stop));
  for (guint i = 0; i < self->threads->len; i++)
    g_thread_join (g_ptr_array_index (self->threads, i));
  g_ptr_array_unref (self->threads);
  g_async_queue_unref (self->jobs);
  clip_job_unref (self->stop);
  gst_object_unref (self->settings.tasks);
  clip_indexes_free (self->settings.indexes);
  clip_factories_unref (self->settings.factories);
  g_async_queue_unref (self->settings.bins);
  g_free (self->settings.clip_bin);
  g_free (self);
}

void
clip_workers_push (ClipWorkers *self, ClipJob *job)
{
  g_async_queue_push (self->jobs, clip_job_ref (job));
}
