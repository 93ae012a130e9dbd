/* cliptaskpool.h: decoding threads with a lower priority than training.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_TASK_POOL_H
#define CLIP_TASK_POOL_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define CLIP_TYPE_TASK_POOL (clip_task_pool_get_type ())
G_DECLARE_FINAL_TYPE (ClipTaskPool, clip_task_pool, CLIP, TASK_POOL, GstTaskPool)

/* A pool with a separate thread for each task, at a lower priority if `yielding`. GStreamer's
 * default pool shares its threads with the whole process, and a lowered priority cannot be
 * raised again. */
GstTaskPool *clip_task_pool_new (gboolean yielding);

/* Lowers the calling thread's priority. */
void clip_thread_yield_priority (void);

G_END_DECLS

#endif
