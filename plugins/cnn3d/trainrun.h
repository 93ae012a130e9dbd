/* trainrun.h: one run of cnn3dtrain, from READY to READY: its trainer, the
 * passes of the stream and resuming.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include <gst/base/gstbasesink.h>

#include "gstclipkptmeta.h"
#include "gstclipmeta.h"
#include "tensorcaps.h"
#include "trainsettings.h"

/* The read-only properties' values; NaN: none yet. */
typedef struct {
  guint epoch;
  guint64 step;
  gdouble loss, accuracy;
  gdouble val_loss, val_accuracy;
  guint64 predicted, peak; /* bytes */
  gdouble loss_scale;      /* 1: no loss scaling */
  guint64 steps_skipped;
  gdouble clips_per_second;
  guint64 position; /* clips */
} TrainMetrics;

/* Used by the streaming thread, and by state changes while no thread is
 * streaming. It posts its errors on the element's bus and refuses further
 * buffers after the first. */
typedef struct _TrainRun TrainRun;

/* element: not referenced, must outlive the run. settings: copied. metrics:
 * written under the element's object lock, must outlive the run. NULL if the
 * folder for checkpoints cannot be used, or other processes cannot be joined; an
 * error is posted. */
TrainRun *train_run_new (
    GstBaseSink *element, const TrainSettings *settings, TrainMetrics *metrics);
/* Saves nothing; see train_run_stop(). */
void train_run_free (TrainRun **run);

/* Its place among the processes that train one model: 0 of 1 if it is alone. */
void train_run_place (const TrainRun *run, guint *rank, guint *ranks);

/* FALSE if an earlier clip had another shape; an error is posted, unless the stream is to end. */
gboolean train_run_set_layout (TrainRun *run, const TensorLayout *layout);
/* Whether the stream is to end now, because training is complete, patience has run out or another rank was
 * stopped, and nothing else uses the stream. */
gboolean train_run_ends_stream (TrainRun *run);
/* Handles segments, clip-classes, clip-epoch, clip-epoch-done and EOS. The
 * caller keeps ownership of the event. Returns train_run_ends_stream(). */
gboolean train_run_event (TrainRun *run, GstEvent *event);
GstFlowReturn train_run_batch (TrainRun *run, GstBuffer *buffer);

/* Saves what is not saved yet, as of the last optimizer step, and reports where
 * the run resumes. */
void train_run_stop (TrainRun *run);

#endif
