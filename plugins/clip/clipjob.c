/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipjob.h"

ClipJob *
clip_job_new (
    const GstClipMeta *meta, gchar *path, gdouble start, gdouble end, gdouble rate, gsize max_bytes)
{
  ClipJob *job = g_new0 (ClipJob, 1);

  job->refcount = 1;
  job->meta = *meta;
  if (meta->path)
    g_ref_string_acquire (meta->path);
  if (meta->group)
    g_ref_string_acquire (meta->group);
  if (meta->file)
    g_ref_string_acquire (meta->file);
  if (meta->keypoints)
    g_ref_string_acquire (meta->keypoints);
  job->path = path;
  job->start = start;
  job->end = end;
  job->rate = rate;
  job->max_bytes = max_bytes;
  g_mutex_init (&job->lock);
  g_cond_init (&job->cond);
  g_queue_init (&job->items);

  return job;
}

ClipJob *
clip_job_ref (ClipJob *job)
{
  g_atomic_int_inc (&job->refcount);

  return job;
}

void
clip_job_unref (ClipJob *job)
{
  if (!g_atomic_int_dec_and_test (&job->refcount))
    return;
  clip_job_clear (job);
  g_clear_pointer (&job->meta.path, g_ref_string_release);
  g_clear_pointer (&job->meta.group, g_ref_string_release);
  g_clear_pointer (&job->meta.file, g_ref_string_release);
  g_clear_pointer (&job->meta.keypoints, g_ref_string_release);
  g_free (job->path);
  g_free (job->reason);
  g_mutex_clear (&job->lock);
  g_cond_clear (&job->cond);
  g_free (job);
}

void
clip_job_abort (ClipJob *job)
{
  g_mutex_lock (&job->lock);
  job->aborted = TRUE;
  g_cond_broadcast (&job->cond);
  g_mutex_unlock (&job->lock);
}

void
clip_job_clear (ClipJob *job)
{
  g_queue_clear_full (&job->items, (GDestroyNotify) gst_mini_object_unref);
  job->bytes = 0;
  job->frames = 0;
}

gboolean
clip_job_add (ClipJob *job, GstBuffer *buffer, GstCaps *caps, GstEvent *event)
{
  gboolean ok;

  g_mutex_lock (&job->lock);
  /* Signal first: the consumer is what makes room */
  if (job->bytes >= job->max_bytes && !job->streaming) {
    job->streaming = TRUE;
    g_cond_broadcast (&job->cond);
  }
  while (job->bytes >= job->max_bytes && !job->aborted)
    g_cond_wait (&job->cond, &job->lock);
  ok = !job->aborted;
  if (ok) {
    if (caps)
      g_queue_push_tail (&job->items, gst_caps_ref (caps));
    if (event)
      g_queue_push_tail (&job->items, gst_event_ref (event));
    job->bytes += gst_buffer_get_size (buffer);
    job->frames++;
    g_queue_push_tail (&job->items, buffer);
    g_cond_broadcast (&job->cond);
  } else {
    gst_buffer_unref (buffer);
  }
  g_mutex_unlock (&job->lock);

  return ok;
}

void
clip_job_finish (ClipJob *job, ClipResult result, gchar *reason)
{
  g_mutex_lock (&job->lock);
  job->result = result;
  g_free (job->reason);
  job->reason = reason;
  g_cond_broadcast (&job->cond);
  g_mutex_unlock (&job->lock);
}

gboolean
clip_job_wait (ClipJob *job)
{
  gboolean ok;

  g_mutex_lock (&job->lock);
  while (!job->result && !job->streaming && !job->aborted)
    g_cond_wait (&job->cond, &job->lock);
  ok = !job->aborted;
  g_mutex_unlock (&job->lock);

  return ok;
}

GstMiniObject *
clip_job_take (ClipJob *job)
{
  GstMiniObject *item = NULL;

  g_mutex_lock (&job->lock);
  while (g_queue_is_empty (&job->items) && !job->result && !job->aborted)
    g_cond_wait (&job->cond, &job->lock);
  if (!job->aborted)
    item = g_queue_pop_head (&job->items);
  if (item && GST_IS_BUFFER (item)) {
    job->bytes -= gst_buffer_get_size (GST_BUFFER_CAST (item));
    g_cond_broadcast (&job->cond);
  }
  g_mutex_unlock (&job->lock);

  return item;
}
