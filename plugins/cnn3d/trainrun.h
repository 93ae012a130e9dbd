/* trainrun.h: one run of cnn3dtrain, from READY to READY: its trainer, the
 * passes of the stream, where a resumed run goes on.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include <gst/base/gstbasesink.h>

#include "gstclipmeta.h"
#include "tensorcaps.h"
#include "trainsettings.h"

/* What the read-only properties tell; NaN where there is none yet. */
typedef struct {
  guint epoch;
  guint64 step;
  gdouble loss, accuracy;
  gdouble val_loss, val_accuracy;
  guint64 predicted, peak;      /* bytes */
  gdouble loss_scale;           /* 1: none is in use */
  guint64 steps_skipped;
  gdouble clips_per_second;
  guint64 position;             /* clips */
} TrainFigures;

/* Used by the streaming thread, and by state changes while there is none. It
 * posts its errors on the element's bus itself; from the first one on nothing
 * is taken any more. */
typedef struct _TrainRun TrainRun;

/* element: not referenced, outlives the run. settings: copied. figures:
 * written under the element's object lock. NULL, with an error posted: the folder
 * for checkpoints cannot be had. */
TrainRun *train_run_new (GstBaseSink * element, const TrainSettings * settings,
    TrainFigures * figures);
/* Saves nothing: see train_run_stop(). */
void train_run_free (TrainRun ** run);

/* FALSE, with an error posted, where clips of another size came before. */
gboolean train_run_set_layout (TrainRun * run, const TensorLayout * layout);
/* Takes note of segments, clip-classes, clip-epoch, clip-epoch-done and EOS;
 * the event stays the caller's. TRUE: training is to end here (patience). */
gboolean train_run_event (TrainRun * run, GstEvent * event);
GstFlowReturn train_run_batch (TrainRun * run, GstBuffer * buffer);

/* Saves what was not saved yet, as of the last optimizer step, and says where the
 * run goes on. */
void train_run_stop (TrainRun * run);

#endif
