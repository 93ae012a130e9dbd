/* runlog.h: what a training run leaves for other tools, in one folder:
 *
 * log.jsonl      one JSON object a line: everything that there is to tell, names
 *                as in the element messages of cnn3dtrain
 * metrics.csv    a row a step and a row a validation, as PyTorch Lightning's
 *                CSVLogger writes them
 * events.out.tfevents.*
 *                for TensorBoard: a file for each part of a run that was resumed
 *
 * All three are written as things happen, by whole records (recordfile.h): a run
 * killed at any moment leaves logs that read well. When it goes on from its
 * checkpoint, what they tell beyond that is taken out, or, in event files,
 * declared void. A record that cannot be written is let go, training does not
 * depend on it; the first such failure is kept for whoever asks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RUNLOG_H
#define CNN3D_RUNLOG_H

#include "src/train/trainer.h"

G_BEGIN_DECLS

/* One thread at a time. */
typedef struct _Cnn3dRunLog Cnn3dRunLog;

/* Makes the folder where it is missing, takes it for this run alone, and opens
 * log.jsonl. NULL with error: it cannot be written, or another run logs there. */
CNN3D_API Cnn3dRunLog *cnn3d_run_log_new (const gchar * dir, GError ** error);
/* NULL is fine. */
CNN3D_API void cnn3d_run_log_free (Cnn3dRunLog ** log);

/* Opens the other files. mark: NULL for a new run, for which what an earlier one
 * left is moved into a folder earlier-N; otherwise it is gone on with, and the
 * record "resumed" follows the one of cnn3d_run_log_run(). Before it, only
 * warnings and errors are logged, and not into an earlier run's log. */
CNN3D_API gboolean cnn3d_run_log_begin (Cnn3dRunLog * log, const Cnn3dRunMark * mark, GError ** error);

/* What failed first since cnn3d_run_log_new(): once; later, and where nothing
 * failed, NULL. The caller's. */
CNN3D_API GError *cnn3d_run_log_take_error (Cnn3dRunLog * log);

/* --- records; before cnn3d_run_log_begin() they are let go, unless it says otherwise --- */

/* params: what the trainer was made with. batch: clips in one. epochs: 0:
 * unknown. */
CNN3D_API void cnn3d_run_log_run (Cnn3dRunLog * log, const Cnn3dTrainer * trainer, const Cnn3dTrainerParams * params,
    guint batch, guint epochs);
/* memory, budget: bytes in use and allowed. */
CNN3D_API void cnn3d_run_log_step (Cnn3dRunLog * log, const Cnn3dProgress * progress, gdouble clips_per_second,
    guint64 memory, guint64 budget);
/* "epoch" for a training pass, "validation" for the other, which has its confusion
 * matrix in the event file, too. lr, clips_per_second, memory: a training pass's. A
 * training pass that a resumed run's log has already is not told of again. */
CNN3D_API void cnn3d_run_log_pass (Cnn3dRunLog * log, const Cnn3dPassResult * result, gdouble seconds, gdouble lr,
    gdouble clips_per_second, guint64 memory);
/* Histograms of what trains, into the event file. */
CNN3D_API void cnn3d_run_log_weights (Cnn3dRunLog * log, Cnn3dTrainer * trainer, guint64 step);
CNN3D_API void cnn3d_run_log_checkpoint (Cnn3dRunLog * log, const gchar * path, gboolean best);
/* A clip that was left out. path: in the file system's encoding. clip: its
 * position in the run's order. */
CNN3D_API void cnn3d_run_log_skipped (Cnn3dRunLog * log, const gchar * path, const gchar * reason, guint64 clip,
    guint epoch);
/* At any time. */
CNN3D_API void cnn3d_run_log_warning (Cnn3dRunLog * log, const gchar * message);
CNN3D_API void cnn3d_run_log_error (Cnn3dRunLog * log, const gchar * message);
/* reason: eos, patience, complete */
CNN3D_API void cnn3d_run_log_finished (Cnn3dRunLog * log, const gchar * reason);

G_END_DECLS

#endif
