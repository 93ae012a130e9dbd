/* clipworkers.h: threads that decode clips, each its own.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_WORKERS_H
#define CLIP_WORKERS_H

#include "clipchain.h"

G_BEGIN_DECLS

typedef struct _ClipWorkers ClipWorkers;

/* Starts num_workers threads, or one at 0, which is then no different from
 * decoding in the streaming thread: somebody waits for it. Settings are
 * copied, but for tasks, which is made here. NULL with `error` set where there
 * are no threads to be had. */
ClipWorkers *clip_workers_new (
    const ClipChainSettings *settings, guint num_workers, GError **error);

/* Aborts nothing: abort the jobs first. Joins the threads. */
void clip_workers_free (ClipWorkers *workers);

/* Jobs are begun in the order in which they are pushed. Takes a reference of
 * its own. */
void clip_workers_push (ClipWorkers *workers, ClipJob *job);

G_END_DECLS

#endif
