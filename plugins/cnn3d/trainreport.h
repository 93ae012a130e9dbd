/* trainreport.h: cnn3dtrain's messages, on the bus and in its log.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_REPORT_H
#define TRAIN_REPORT_H

#include <gst/gst.h>

#include "src/train/trainer.h"
#include "trainlog.h"

/* Posts cnn3dtrain-plan. Warns if weights were left out (and posts
 * cnn3dtrain-left-out) or the precision differs from the requested one. */
void train_report_plan (GstElement *element, const Cnn3dTrainer *trainer,
    const Cnn3dTrainerParams *params, guint batch);

/* Posts cnn3dtrain-step. memory, budget: bytes in use and allowed. passes: NULL if the device records
 * none. */
void train_report_step (GstElement *element, TrainLog *log, const Cnn3dProgress *progress,
    gdouble clips_per_second, guint64 memory, guint64 budget, const Cnn3dDevicePasses *passes);
/* Warns that passes are not recorded. */
void train_report_unrecorded (GstElement *element, TrainLog *log, const gchar *text);
/* Warns that `memory` bytes are close to `budget`. */
void train_report_memory (GstElement *element, TrainLog *log, guint64 memory, guint64 budget);

/* Posts cnn3dtrain-epoch for a training pass, cnn3dtrain-validation for a
 * validation pass. classes: their number. clips_per_second, memory: for the
 * log. */
void train_report_pass (GstElement *element, TrainLog *log, const Cnn3dPassResult *result,
    guint classes, gdouble seconds, gdouble lr, gdouble clips_per_second, guint64 memory);

/* Posts cnn3dtrain-checkpoint. */
void train_report_checkpoint (GstElement *element, TrainLog *log, const gchar *path, gboolean best);

/* Post cnn3dtrain-resumed (position) and cnn3dtrain-finished (epoch,
 * reason). */
void train_report_resumed (GstElement *element, guint64 position);
void train_report_finished (GstElement *element, TrainLog *log, guint epoch, const gchar *reason);

#endif
