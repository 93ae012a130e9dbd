/* trainwatch.h: detects a network that learns nothing; each sign is reported
 * once a run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_WATCH_H
#define TRAIN_WATCH_H

#include "src/train/trainer.h"

#define TRAIN_WATCH_EPOCHS 3

typedef struct {
  guint epochs; /* whose loss was seen */
  gdouble first;
  /* the last losses, newest first */
  gdouble recent[TRAIN_WATCH_EPOCHS - 1];
  /* consecutive validations that predicted a single class */
  guint one_class;
  /* its first epochs were run by another process */
  gboolean resumed;
  gboolean reported_loss, reported_class;
} TrainWatch;

/* To be called after each pass. classes: names, or NULL. last: no training
 * follows. Returns a warning's text, free with g_free(); NULL: none. */
gchar *train_watch_pass (TrainWatch *watch, const Cnn3dPassResult *result,
    const gchar *const *classes, guint num_classes, gboolean last);

#endif
