/* progress.h: a sink's progress on stdout: a line that is redrawn on a
 * terminal, otherwise one plain line an epoch. Elements do not usually print;
 * the property `progress` controls it, as in fpsdisplaysink.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <glib.h>

typedef struct _Progress Progress;

/* State within a pass. */
typedef struct {
  guint epoch, epochs;    /* from 0; total, 0: unknown */
  gboolean training;      /* FALSE: validating */
  guint64 step;           /* optimizer steps so far */
  guint64 done, clips;    /* of the pass; clips: 0: unknown */
  gdouble loss, accuracy; /* of the pass so far; accuracy 0 to 1 */
  gdouble lr;
  gdouble clips_per_second;
  guint64 memory;        /* bytes */
  gdouble loss_scale;    /* 0: no loss scaling */
  guint64 steps_skipped; /* because of the loss scale, so far */
  /* shown when not training; NULL: "validating" */
  const gchar *doing;
  guint64 clips_skipped; /* of the pass so far */
} ProgressStep;

/* Metrics of an epoch; NaN: none. Skipped clips are shown if there are any. */
typedef struct {
  guint epoch, epochs;
  gdouble loss, accuracy;
  gdouble val_loss, val_accuracy;
  gdouble lr;
  gdouble clips_per_second;
  guint64 memory;
  gdouble seconds;
  gdouble loss_scale; /* as in ProgressStep */
  guint64 steps_skipped;
  guint64 clips_skipped, clips; /* of the training pass */
  guint64 val_clips_skipped, val_clips;
} ProgressEpoch;

/* fd: a terminal or file; the caller keeps ownership. */
Progress *progress_new (gint fd);
/* Ends an unfinished line. *progress may be NULL. */
void progress_free (Progress **progress);

/* Draws at most five times a second, and only on a terminal. */
void progress_step (Progress *progress, const ProgressStep *step);
void progress_epoch (Progress *progress, const ProgressEpoch *epoch);
/* Writes a line of text; control characters are escaped. */
void progress_note (Progress *progress, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

/* Seconds until the end of the last epoch; negative: unknown. val_seconds:
 * duration of a validation, 0 if unknown. */
gdouble progress_time_left (const ProgressStep *step, gdouble val_seconds);

#endif
