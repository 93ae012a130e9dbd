/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliptaskpool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* High enough that training's threads, which wait for each other, are not preempted by decoding. */
#define NICE 10

struct _ClipTaskPool {
  GstTaskPool parent;
  gboolean yielding;
};

G_DEFINE_TYPE (ClipTaskPool, clip_task_pool, GST_TYPE_TASK_POOL);

typedef struct {
  GstTaskPoolFunction func;
  gpointer data;
  gboolean yielding;
} ClipTask;

void
clip_thread_yield_priority (void)
{
#ifdef __linux__
  /* On Linux each thread has its own priority. If this fails, the thread competes with training. */
  setpriority (PRIO_PROCESS, (id_t) syscall (SYS_gettid), NICE);
#endif
}

static gpointer
run_task (gpointer data)
{
  ClipTask task = *(ClipTask *) data;

  g_free (data);
  if (task.yielding)
    clip_thread_yield_priority ();
  task.func (task.data);

  return NULL;
}

static gpointer
clip_task_pool_push (GstTaskPool *pool, GstTaskPoolFunction func, gpointer data, GError **error)
{
  ClipTask *task = g_new (ClipTask, 1);
  GThread *thread;

  task->func = func;
  task->data = data;
  task->yielding = CLIP_TASK_POOL (pool)->yielding;
  thread = g_thread_try_new ("clip-decode", run_task, task, error);
  if (!thread)
    g_free (task);

  return thread;
}

static void
clip_task_pool_join (GstTaskPool *pool, gpointer id)
{
  if (id)
    g_thread_join (id);
}

static void
clip_task_pool_dispose_handle (GstTaskPool *pool, gpointer id)
{
  if (id)
    g_thread_unref (id);
}

static void
clip_task_pool_prepare (GstTaskPool *pool, GError **error)
{
}

static void
clip_task_pool_cleanup (GstTaskPool *pool)
{
}

static void
clip_task_pool_class_init (ClipTaskPoolClass *klass)
{
  GstTaskPoolClass *pool_class = GST_TASK_POOL_CLASS (klass);

  pool_class->prepare = clip_task_pool_prepare;
  pool_class->cleanup = clip_task_pool_cleanup;
  pool_class->push = clip_task_pool_push;
  pool_class->join = clip_task_pool_join;
  pool_class->dispose_handle = clip_task_pool_dispose_handle;
}

static void
clip_task_pool_init (ClipTaskPool *self)
{
}

GstTaskPool *
clip_task_pool_new (gboolean yielding)
{
  ClipTaskPool *self = g_object_new (CLIP_TYPE_TASK_POOL, NULL);

  gst_object_ref_sink (self);
  self->yielding = yielding;

  return GST_TASK_POOL (self);
}
