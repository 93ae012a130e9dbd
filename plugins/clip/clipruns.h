/* clipruns.h: which packets of a video are decoded for the frames that are wanted of it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_RUNS_H
#define CLIP_RUNS_H

#include "clipindex.h"

G_BEGIN_DECLS

/* Packets that are decoded without a gap. The range is inclusive. */
typedef struct {
  guint from, to;
} ClipRun;

/* The packets to decode for frames `first` to `last`: *from to *to. All ranges are inclusive. */
void clip_index_range (const ClipIndex *index, guint first, guint last, guint *from, guint *to);

/* A START before `from`, far enough that a decoder which corrupts the first frames after a start
 * without references does so before `from`. It is `from` itself if that is a RESET. */
guint clip_index_run_up (const ClipIndex *index, guint from);

/* The packets to decode for the wanted ones of frames `first` to `last`, with the run-up that this
 * GStreamer needs.
 * wanted: [last - first + 1]; NULL: all
 * Returns runs in order, at least one; the decoder is to be drained between them.
 * g_array_unref(). */
GArray *clip_index_runs (const ClipIndex *index, guint first, guint last, const gboolean *wanted);

G_END_DECLS

#endif
