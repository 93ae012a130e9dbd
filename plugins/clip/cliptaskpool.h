/* cliptaskpool.h: threads for decoding that give way to training.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_TASK_POOL_H
#define CLIP_TASK_POOL_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define CLIP_TYPE_TASK_POOL (clip_task_pool_get_type ())
G_DECLARE_FINAL_TYPE (ClipTaskPool, clip_task_pool, CLIP, TASK_POOL, GstTaskPool)

/* A pool whose tasks each get a thread of their own, at a lower priority if
 * `yielding`. GStreamer's default pool shares its threads with the process,
 * and a priority that was lowered cannot be raised again. */
GstTaskPool *clip_task_pool_new (gboolean yielding);

/* Lowers the calling thread's priority. */
void clip_thread_yield_priority (void);

G_END_DECLS

#endif
