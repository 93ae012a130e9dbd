/* clipindexes.h: the indices of a run's files, kept in memory between epochs and on disk between
 * runs. Thread-safe.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_INDEXES_H
#define CLIP_INDEXES_H

#include "clipindexfile.h"

G_BEGIN_DECLS

typedef struct _ClipIndexes ClipIndexes;

/* folder:    on disk; NULL or empty: none
 * max_bytes: of indices in memory; beyond it the oldest are dropped */
ClipIndexes *clip_indexes_new (const gchar *folder, gsize max_bytes);
void clip_indexes_free (ClipIndexes *self);

/* (transfer full) the index of a video; NULL: there is none, or the video has changed. */
ClipIndex *clip_indexes_get (ClipIndexes *self, const ClipVideo *video);

/* Replaces another index of the same path. */
void clip_indexes_put (ClipIndexes *self, const ClipVideo *video, ClipIndex *index);

G_END_DECLS

#endif
