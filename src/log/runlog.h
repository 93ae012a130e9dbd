/* runlog.h: the log files of a training run, in one folder:
 *
 * log.jsonl one JSON object a line: all records, with the field names of
 *                cnn3dtrain's element messages
 * metrics.csv a row a step and a row a validation, as PyTorch Lightning's
 *                CSVLogger writes them
 * events.out.tfevents.*
 *                for TensorBoard: a file for each part of a run that was resumed
 *
 * All three are written as events occur, by whole records (recordfile.h), so that a run killed at
 * any moment leaves valid files. When a run resumes, records beyond its checkpoint are removed or,
 * in event files, discarded by a later event. A record that cannot be written is dropped, because
 * training does not depend on it; the first such error is kept for cnn3d_run_log_take_error().
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RUNLOG_H
#define CNN3D_RUNLOG_H

#include "src/train/trainer.h"

G_BEGIN_DECLS

/* One thread at a time. */
typedef struct _Cnn3dRunLog Cnn3dRunLog;

/* Creates the folder if it is missing, locks it, and opens log.jsonl. NULL with error: it cannot be
 * written, or another run logs there. */
CNN3D_API Cnn3dRunLog *cnn3d_run_log_new (const gchar *dir, GError **error);
/* *log may be NULL. */
CNN3D_API void cnn3d_run_log_free (Cnn3dRunLog **log);

/* Opens the other files. mark: NULL for a new run, which first moves an earlier run's files into a
 * folder earlier-N; otherwise the run's position: its files are appended to, and the record
 * "resumed" follows that of cnn3d_run_log_run(). Before this call only warnings and errors are
 * logged, and not into an earlier run's log. FALSE with error. */
CNN3D_API gboolean cnn3d_run_log_begin (Cnn3dRunLog *log, const Cnn3dRunMark *mark, GError **error);

/* The first error since cnn3d_run_log_new(), once; NULL: none, or already taken. Owned by the
 * caller. */
CNN3D_API GError *cnn3d_run_log_take_error (Cnn3dRunLog *log);

/* --- records; dropped before cnn3d_run_log_begin(), unless documented otherwise --- */

/* params: those of the trainer. batch: clips per batch. epochs: 0: unknown. */
CNN3D_API void cnn3d_run_log_run (Cnn3dRunLog *log, const Cnn3dTrainer *trainer,
    const Cnn3dTrainerParams *params, guint batch, guint epochs);
/* memory, budget: bytes in use and allowed. */
CNN3D_API void cnn3d_run_log_step (Cnn3dRunLog *log, const Cnn3dProgress *progress,
    gdouble clips_per_second, guint64 memory, guint64 budget);
/* "epoch" for a training pass, "validation" for a validation pass, whose confusion matrix also goes
 * to the event file. lr, clips_per_second, memory (bytes): of a training pass. A training pass that
 * a resumed run's log already has is not logged again. */
CNN3D_API void cnn3d_run_log_pass (Cnn3dRunLog *log, const Cnn3dPassResult *result, gdouble seconds,
    gdouble lr, gdouble clips_per_second, guint64 memory);
/* Histograms of the trained parameters, in the event file. */
CNN3D_API void cnn3d_run_log_weights (Cnn3dRunLog *log, Cnn3dTrainer *trainer, guint64 step);
CNN3D_API void cnn3d_run_log_checkpoint (Cnn3dRunLog *log, const gchar *path, gboolean best);
/* A skipped clip. path: in the file system's encoding. clip: its position in the run's order. */
CNN3D_API void cnn3d_run_log_skipped (
    Cnn3dRunLog *log, const gchar *path, const gchar *reason, guint64 clip, guint epoch);
/* At any time. */
CNN3D_API void cnn3d_run_log_warning (Cnn3dRunLog *log, const gchar *message);
CNN3D_API void cnn3d_run_log_error (Cnn3dRunLog *log, const gchar *message);
/* reason: eos, patience, complete */
CNN3D_API void cnn3d_run_log_finished (Cnn3dRunLog *log, const gchar *reason);

G_END_DECLS

#endif
