/* trainskips.h: the clips that could not be read: how many, of how many, and why.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_SKIPS_H
#define TRAIN_SKIPS_H

#include "gstclipmeta.h"

#define TRAIN_SKIPS_NAMED 3

typedef struct {
  guint64 skipped, clips;
} TrainSkipsCount;

typedef struct {
  TrainSkipsCount pass;         /* the one at hand */
  TrainSkipsCount most[2];      /* [training]: of the pass that lost most */
  GHashTable *reasons;          /* of this pass: reason -> how often */
  gchar *named[TRAIN_SKIPS_NAMED];      /* "path: reason" of the first files of the run */
  guint n_named;
  gboolean told;                /* the first pass that lost some was told of */
} TrainSkips;

void train_skips_init (TrainSkips * skips);
void train_skips_clear (TrainSkips * skips);

/* skipped: before it was resumed */
void train_skips_begin_pass (TrainSkips * skips, guint64 clips, guint64 skipped);
void train_skips_add (TrainSkips * skips, const GstClipSkipped * skipped,
    gboolean training);

/* "18 of 20 training clips" */
gchar *train_skips_describe (const TrainSkipsCount * count, gboolean training);
/* What is said most in this pass; NULL: nothing was skipped. The skips'. */
const gchar *train_skips_reason (const TrainSkips * skips);

#endif
