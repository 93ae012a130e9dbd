/* evalrun-private.h: shared by the files of a cnn3deval run. evalrun.c calls
 * the others.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef EVAL_RUN_PRIVATE_H
#define EVAL_RUN_PRIVATE_H

#include "evalrun.h"

#include "progress.h"
#include "src/evaluate/predictor.h"
#include "src/evaluate/results.h"

struct _EvalRun {
  GstElement *element;
  EvalSettings settings;
  EvalMetrics *metrics; /* the element's, under its object lock */

  Cnn3dModelFile *file;
  const Cnn3dModelInfo *info; /* of the model file; owned */
  guint64 max_memory;         /* bytes */

  gboolean have_layout;
  TensorLayout layout;
  Cnn3dPredictor *predictor;
  guint max_clips; /* the predictor's batch size */
  gfloat *logits;  /* (max_clips, num_classes) */
  gfloat *by_view; /* (max_clips, views, num_classes); NULL: a clip has one view */

  /* (stream's classes) -> the model's class numbers; NULL: the same */
  gint32 *numbers;
  guint num_classes; /* labels are 0 to num_classes - 1 */
  guint room;        /* capacity, in clips, of: */
  gint32 *labels;
  const GstClipMeta **metas;      /* each clip's first */
  const GstClipMeta **view_metas; /* (room, views) */
  /* number of each clip within its video, from 0 */
  guint *parts;

  gboolean has_clips; /* the stream has a clip-classes event */
  gboolean announced; /* the stream has clip-epoch events */
  gboolean pass_open;
  GstClipEpoch pass;             /* its clips are videos, of which there are several windows */
  guint windows;                 /* of each video in validation and test passes; 0: unknown */
  Cnn3dPredictions *predictions; /* of the pass */
  /* of the pass, by view: from it alone; whether the last video has it; NULL: no views */
  Cnn3dPredictions **view_predictions;
  gboolean *view_begun;
  guint64 clips, right; /* of the pass */
  Cnn3dSkipped skipped; /* of the pass */
  guint batches;
  /* number from its meta; more clips of its video may follow */
  guint64 last_clip;
  GRefString *last_path; /* path from its meta; NULL: unknown */
  gint32 last_label;
  guint part;        /* number of the last clip within its video */
  gint64 pass_began; /* monotonic microseconds */
  GstFlowReturn flow;

  GstEvent *keypoints;       /* clip-keypoints; NULL: none */
  gboolean prepared;         /* a clip-preparation event was received */
  gchar *reported;           /* difference in preparation already warned of */
  gchar *reported_keypoints; /* in key points; likewise */
  gboolean training_warned, unrecorded_warned;
  Progress *progress; /* NULL: silent */
};

/* Posts an error, frees it and refuses further buffers. about: see
 * element_report_error(). */
void eval_run_fail (EvalRun *run, GError *error, const gchar *about);

/* --- evalmodel.c: checks of the stream against the model --- */

/* Checks that clips of this layout have the shape that the model was trained
 * on. FALSE if not; an error is posted. */
gboolean eval_run_check_layout (EvalRun *run, const TensorLayout *layout);
/* Checks that the stream's views are those that the model was trained on. FALSE
 * if not; an error is posted. */
gboolean eval_run_check_views (EvalRun *run, gchar **names);
/* Matches the stream's class names with the model's. FALSE if one is unknown;
 * an error is posted. */
gboolean eval_run_match_classes (EvalRun *run, gchar **names);
/* Warns if the clips were prepared differently from those that the model was
 * trained on. */
void eval_run_check_preparation (EvalRun *run, const GstClipPreparation *preparation);
/* The same for key points. */
void eval_run_check_keypoints (EvalRun *run, const GstClipKeypoints *keypoints);
/* The same for clips without a clip-preparation event. */
void eval_run_check_unprepared (EvalRun *run);

/* --- evalreport.c: messages and files --- */

void eval_run_report_plan (EvalRun *run);
/* Reports the pass and writes the result files, at its end or when it was cut
 * short (complete: FALSE). FALSE with error: the files cannot be written. */
gboolean eval_run_report_result (EvalRun *run, gboolean complete, GError **error);

#endif
