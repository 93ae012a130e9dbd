/* clipworkers.h: threads that decode clips, each its own.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_WORKERS_H
#define CLIP_WORKERS_H

#include "clipchain.h"

G_BEGIN_DECLS

typedef struct _ClipWorkers ClipWorkers;

/* Starts num_workers threads, or one for 0. The streaming thread waits for the latter, which is
 * equivalent to decoding itself. Settings are copied, except for tasks, indexes, factories and
 * bins, which are created here. NULL with `error` set: a thread could not be started. */
ClipWorkers *clip_workers_new (
    const ClipChainSettings *settings, guint num_workers, GError **error);

/* Does not abort jobs: abort them first. Joins the threads. */
void clip_workers_free (ClipWorkers *workers);

/* Jobs start in the order in which they are pushed. Adds a reference. */
void clip_workers_push (ClipWorkers *workers, ClipJob *job);

G_END_DECLS

#endif
