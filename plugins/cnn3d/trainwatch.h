/* trainwatch.h: signs that a network learns nothing, each told once in a run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_WATCH_H
#define TRAIN_WATCH_H

#include "src/train/trainer.h"

#define TRAIN_WATCH_EPOCHS 3

typedef struct {
  guint epochs;                 /* whose loss was seen */
  gdouble first;
  gdouble recent[TRAIN_WATCH_EPOCHS - 1];       /* the last ones, the newest first */
  guint one_class;              /* validations in a row that told one class */
  gboolean resumed;             /* its first epochs were another process's */
  gboolean told_loss, told_class;
} TrainWatch;

/* A pass is over. classes: names, or NULL; last: nothing is trained after it. What
 * there is to warn of; NULL: nothing; g_free(). */
gchar *train_watch_pass (TrainWatch * watch, const Cnn3dPassResult * result,
    const gchar * const *classes, guint num_classes, gboolean last);

#endif
