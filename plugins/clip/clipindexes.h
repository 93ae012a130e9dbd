/* clipindexes.h: the indices of a run's files, in memory from one epoch to the next
 * and on disk from one run to the next. Threads share it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_INDEXES_H
#define CLIP_INDEXES_H

#include "clipindexfile.h"

G_BEGIN_DECLS

typedef struct _ClipIndexes ClipIndexes;

/* folder:    on disk; NULL or empty: none
 * max_bytes: of packets and frames in memory; the index that was made first goes
 *            first */
ClipIndexes *clip_indexes_new (const gchar *folder, gsize max_bytes);
void clip_indexes_free (ClipIndexes *self);

/* The index of a video that has not changed since: (transfer full), or NULL. */
ClipIndex *clip_indexes_get (ClipIndexes *self, const ClipVideo *video);

/* Another index of the same path is dropped. */
void clip_indexes_put (ClipIndexes *self, const ClipVideo *video, ClipIndex *index);

G_END_DECLS

#endif
