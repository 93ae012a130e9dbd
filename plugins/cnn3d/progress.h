/* progress.h: how a sink shows its work on stdout: a line redrawn in place on a
 * terminal, otherwise a plain line an epoch. An element that prints is an
 * exception, asked for by its property `progress`, as fpsdisplaysink is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <glib.h>

typedef struct _Progress Progress;

/* What there is to show within a pass. */
typedef struct {
  guint epoch, epochs;          /* from 0; in all, 0: unknown */
  gboolean training;            /* otherwise validating */
  guint64 step;                 /* optimizer steps so far */
  guint64 done, clips;          /* of the pass; 0: unknown */
  gdouble loss, accuracy;       /* of the pass so far; accuracy 0 to 1 */
  gdouble lr;
  gdouble clips_per_second;
  guint64 memory;               /* bytes */
  gdouble loss_scale;           /* 0: none is in use */
  guint64 steps_skipped;        /* by it, so far */
  const gchar *doing;           /* where nothing is trained; NULL: "validating" */
  guint64 clips_skipped;        /* of the pass so far */
} ProgressStep;

/* An epoch's figures; NaN: there is none. Clips that were skipped are shown where
 * there are some. */
typedef struct {
  guint epoch, epochs;
  gdouble loss, accuracy;
  gdouble val_loss, val_accuracy;
  gdouble lr;
  gdouble clips_per_second;
  guint64 memory;
  gdouble seconds;
  gdouble loss_scale;           /* as in ProgressStep */
  guint64 steps_skipped;
  guint64 clips_skipped, clips; /* of the training pass */
  guint64 val_clips_skipped, val_clips;
} ProgressEpoch;

/* For the terminal or file behind `fd`, which stays the caller's. */
Progress *progress_new (gint fd);
/* Ends a line that stands open. NULL is fine. */
void progress_free (Progress ** progress);

/* At most five times a second, and only on a terminal. */
void progress_step (Progress * progress, const ProgressStep * step);
void progress_epoch (Progress * progress, const ProgressEpoch * epoch);
/* A line of its own; control characters in it are escaped. */
void progress_note (Progress * progress, const gchar * format, ...)
    G_GNUC_PRINTF (2, 3);

/* Seconds until the last epoch's end; negative: unknown. val_seconds: how long
 * a validation takes, 0 where none was seen. */
gdouble progress_time_left (const ProgressStep * step, gdouble val_seconds);

#endif
