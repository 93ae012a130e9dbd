/* clipindexes.h: the indices of a run's files, kept from one epoch to the next.
 * Threads share it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_INDEXES_H
#define CLIP_INDEXES_H

#include <glib/gstdio.h>

#include "clipindex.h"

G_BEGIN_DECLS

typedef struct _ClipIndexes ClipIndexes;

/* max_bytes: of packets and frames; the index that was made first goes first. */
ClipIndexes *clip_indexes_new (gsize max_bytes);
void clip_indexes_free (ClipIndexes * self);

/* The index of a file that has not changed since: (transfer full), or NULL. */
ClipIndex *clip_indexes_get (ClipIndexes * self, const gchar * path,
    const GStatBuf * status);

/* status: of the file, taken before it was read. Another index of the same path
 * is dropped. */
void clip_indexes_put (ClipIndexes * self, const gchar * path,
    const GStatBuf * status, ClipIndex * index);

G_END_DECLS

#endif
