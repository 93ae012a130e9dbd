/* logreader.h: reads a run's log.jsonl.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_LOGREADER_H
#define CNN3D_LOGREADER_H

#include <json-glib/json-glib.h>

#include "src/report/matrix.h"

/* Numbers that the log lacks are NAN. */
typedef struct {
  gdouble step, steps_skipped, loss, accuracy, lr, loss_scale, speed, memory, memory_share;
} ReportStep;

typedef struct {
  gdouble epoch, step, loss, accuracy, clips, seconds, speed;
} ReportEpoch;

typedef struct {
  gdouble epoch, step, loss, accuracy, recall, f1, clips;
  gboolean best;
  guint last_best; /* the last of the validations up to this one that is, from 1; 0: none */
  /* of the classes that its run had, of the validation that is shown and of the last ones; or
   * NULL */
  ReportMatrix *confusion;
} ReportValidation;

#define REPORT_LAST_MATRICES 3

typedef struct {
  gchar *path, *reason;
  guint times;
} ReportSkip;

typedef struct {
  gboolean warning; /* FALSE: an error */
  gchar *text;
  gdouble time;
} ReportNotice;

typedef struct {
  gchar *path;
  JsonNode *run;   /* the last "run" record; NULL: none */
  gchar **classes; /* class names, or NULL */
  guint n_runs, n_resumed;
  GArray *steps, *epochs, *validations; /* repeated steps and passes are listed once */
  GArray *skips;                        /* of ReportSkip, in order */
  GArray *notices;                      /* of ReportNotice */
  guint64 more_skips, more_notices;     /* records beyond the limit, which are left out */
  gchar *checkpoint;                    /* the last one, or NULL */
  gchar *finished,
      *failed; /* reason, or the error that ended the last start; both NULL: the log has no end */
  gdouble first_time, last_time; /* seconds since 1970 */
  gdouble seconds;               /* sum over the starts, each from its first record to its last */
  gdouble steps_skipped;         /* because of the loss scale; NAN: unknown */
  guint64 lines, bad_lines;
  gchar *first_bad; /* position and error, or NULL */
  gboolean torn;    /* the last line is incomplete */
  gboolean cut;     /* the file has more lines than the limit */
} ReportLog;

/* NULL with error if the file cannot be read; NULL without error if it does not exist. */
ReportLog *report_log_read (const gchar *path, GError **error);
void report_log_free (ReportLog *log);

/* The validation that is shown: the last one marked best, or else the last; NULL: none. */
/* Whether the run was ended before all the epochs that were asked for. */
gboolean report_log_stopped (const ReportLog *log);
const ReportValidation *report_log_validation (const ReportLog *log);
/* Median of the steps' clips per second; NAN: none. */
gdouble report_log_speed (const ReportLog *log);
/* The largest memory that a step reported, in bytes, or NAN. */
gdouble report_log_memory (const ReportLog *log);
/* A number of the last "run" record, or NAN. */
gdouble report_log_setting (const ReportLog *log, const gchar *name);

#endif
