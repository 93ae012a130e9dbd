/* evaluation.h: what an evaluation wrote: metrics.json, predictions.csv and wrong.csv.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_EVALUATION_H
#define CNN3D_EVALUATION_H

#include <json-glib/json-glib.h>

#include "src/report/frames.h"
#include "src/report/matrix.h"

typedef struct {
  gchar *path, *clip, *label, *prediction;
  gdouble probability;       /* the prediction's, or NAN */
  gdouble label_probability; /* or NAN */
  Cnn3dReportClip place;     /* from wrong.csv; without a path: it does not say */
  gboolean shown;            /* frames were asked for */
} ReportWrong;

typedef struct {
  gchar *folder;           /* "." for the run's own */
  JsonNode *metrics;       /* an object, or NULL */
  gboolean predictions;    /* predictions.csv was read; the following is from it */
  ReportMatrix *confusion; /* from the metrics if there are no predictions; or NULL */
  guint64 rows, right, unlabelled, bad_rows;
  gchar *first_bad; /* where and what, or NULL */
  GArray *wrong;    /* of ReportWrong, the most confident first */
  gboolean located; /* wrong.csv is there, and has some of them */
  gboolean views;   /* each row of it is a view of a clip */
  gboolean draws;   /* the model read key points, in this way: */
  Cnn3dReportKeypoints keypoints;
  guint shown;         /* wrong clips whose frames were asked for */
  gchar *no_frames;    /* why none could be decoded, or NULL */
  GPtrArray *problems; /* sentences about what could not be read */
} ReportEvaluation;

/* Reads the evaluation in FOLDER, which is shown as `name`. NULL: neither file exists. Read errors
 * are listed in its problems. */
ReportEvaluation *report_evaluation_read (const gchar *folder, const gchar *name);
void report_evaluation_free (ReportEvaluation *evaluation);

#endif
