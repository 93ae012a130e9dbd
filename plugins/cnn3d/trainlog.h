/* trainlog.h: cnn3dtrain's log in log-dir (src/log/runlog.h).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_LOG_H
#define TRAIN_LOG_H

#include <gst/gst.h>

#include "gstclipmeta.h"
#include "progress.h"
#include "src/log/runlog.h"
#include "trainsettings.h"

/* A log that cannot be written does not stop training: the first failure is
 * reported by a warning and a line of progress. Without a log-dir the log is
 * NULL, which all functions accept. */
typedef struct _TrainLog TrainLog;

/* element, progress (may be NULL): not referenced, must outlive the log. NULL
 * without error: log-dir is not set. */
TrainLog *train_log_new (
    GstElement *element, const TrainSettings *settings, Progress *progress, GError **error);
void train_log_free (TrainLog **log);

/* Called when the trainer is set up and the position of a resumed run is known;
 * see cnn3d_run_log_begin() and cnn3d_run_log_run(). */
gboolean train_log_begin (TrainLog *log, Cnn3dTrainer *trainer, const Cnn3dTrainerParams *params,
    guint batch, guint epochs, const Cnn3dRunMark *mark, GError **error);

/* The arguments are those of train_report_step() and its neighbours. */
void train_log_step (TrainLog *log, const Cnn3dProgress *progress, gdouble clips_per_second,
    guint64 memory, guint64 budget);
void train_log_pass (TrainLog *log, const Cnn3dPassResult *result, gdouble seconds, gdouble lr,
    gdouble clips_per_second, guint64 memory);
void train_log_checkpoint (TrainLog *log, const gchar *path, gboolean best);
void train_log_skipped (TrainLog *log, const GstClipSkipped *skipped);
void train_log_warning (TrainLog *log, const gchar *message);
/* about: may be NULL. */
void train_log_error (TrainLog *log, const GError *error, const gchar *about);
void train_log_finished (TrainLog *log, const gchar *reason);

#endif
