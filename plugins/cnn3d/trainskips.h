/* trainskips.h: clips that could not be read: how many, of how many, and why.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_SKIPS_H
#define TRAIN_SKIPS_H

#include "gstclipmeta.h"

#define TRAIN_SKIPS_NAMED 3

typedef struct {
  guint64 skipped, clips;
} TrainSkipsCount;

typedef struct {
  TrainSkipsCount pass;    /* the current one */
  TrainSkipsCount most[2]; /* [training]: of the pass that skipped most */
  GHashTable *reasons;     /* of this pass: reason -> count */
  /* "path: reason" of the first files of the run */
  gchar *named[TRAIN_SKIPS_NAMED];
  guint n_named;
  /* the first pass that skipped clips was reported */
  gboolean reported;
} TrainSkips;

void train_skips_init (TrainSkips *skips);
void train_skips_clear (TrainSkips *skips);

/* skipped: before the run was resumed */
void train_skips_begin_pass (TrainSkips *skips, guint64 clips, guint64 skipped);
void train_skips_add (TrainSkips *skips, const GstClipSkipped *skipped, gboolean training);

/* Such as "18 of 20 training clips" */
gchar *train_skips_describe (const TrainSkipsCount *count, gboolean training);
/* The most frequent reason of this pass, owned by the skips; NULL: nothing was
 * skipped. */
const gchar *train_skips_reason (const TrainSkips *skips);

#endif
