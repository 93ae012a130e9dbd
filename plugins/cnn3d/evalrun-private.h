/* evalrun-private.h: what the files of a run of cnn3deval share:
 * evalrun.c calls the others.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef EVAL_RUN_PRIVATE_H
#define EVAL_RUN_PRIVATE_H

#include "evalrun.h"

#include "progress.h"
#include "src/evaluate/predictor.h"
#include "src/evaluate/results.h"

struct _EvalRun
{
  GstElement *element;
  EvalSettings settings;
  EvalFigures *figures;         /* the element's, under its object lock */

  Cnn3dModelFile *file;
  const Cnn3dModelInfo *info;   /* the file's */
  guint64 max_memory;           /* bytes */

  gboolean have_layout;
  TensorLayout layout;
  Cnn3dPredictor *predictor;
  guint max_clips;              /* that the predictor takes at once */
  gfloat *logits;               /* (max_clips, num_classes) */

  gint32 *numbers;              /* the model's number of each of the stream's
                                 * classes; NULL: the same */
  guint num_classes;            /* that labels must stay below */
  guint room;                   /* clips that there is room for in: */
  gint32 *labels;
  const GstClipMeta **metas;
  guint *views;                 /* which of its video's each is, from 0 */

  gboolean has_clips;           /* the stream has a clip-classes event */
  gboolean announced;           /* the stream has clip-epoch events */
  gboolean pass_open;
  GstClipEpoch pass;
  Cnn3dPredictions *predictions;        /* of the pass */
  guint64 clips, right;         /* of the pass */
  Cnn3dSkipped skipped;         /* likewise */
  guint batches;
  guint64 last_clip;            /* by its meta: its views may go on */
  GRefString *last_path;        /* likewise; NULL: not known */
  gint32 last_label;
  guint view;                   /* the last one's */
  gint64 pass_began;            /* monotonic microseconds */
  GstFlowReturn flow;

  gboolean prepared;            /* clip-preparation came */
  gchar *told;                  /* differences that were warned of */
  gboolean training_warned;
  Progress *progress;           /* NULL: silent */
};

/* Posts an error and frees it; nothing is taken any more. about: see
 * element_report_error(). */
void eval_run_fail (EvalRun * run, GError * error, const gchar * about);

/* --- evalmodel.c: what the stream tells, held against the model --- */

/* Whether clips of this layout are what the model was trained on. FALSE: with
 * an error posted. */
gboolean eval_run_check_layout (EvalRun * run, const TensorLayout * layout);
/* The stream's names of classes, matched with the model's. FALSE: with an
 * error posted. */
gboolean eval_run_match_classes (EvalRun * run, gchar ** names);
/* Warns where clips are made otherwise than those that the model was trained
 * on. */
void eval_run_check_preparation (EvalRun * run,
    const GstClipPreparation * preparation);
/* The same where clips come that nothing was told of. */
void eval_run_check_unprepared (EvalRun * run);

/* --- evalreport.c: messages and files --- */

void eval_run_report_plan (EvalRun * run);
/* At a pass's end, or where it was cut short. FALSE with error: the files cannot
 * be written. */
gboolean eval_run_report_result (EvalRun * run, gboolean complete,
    GError ** error);

#endif
