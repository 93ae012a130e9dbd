/* trainrun-private.h: what the run's files share, each of which calls those before it:
 * trainfail.c errors, trainclasses.c classes, trainmeter.c figures, trainbatch.c
 * batches, trainend.c the ends of passes and of the run, trainresume.c the way to a
 * checkpoint, trainrun.c the stream and the trainer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_RUN_PRIVATE_H
#define TRAIN_RUN_PRIVATE_H

#include "trainrun.h"

#include "progress.h"
#include "trainlog.h"
#include "trainskips.h"
#include "trainwatch.h"
#include "src/folderlock.h"

/* What upstream announced. */
typedef struct {
  gboolean known;               /* `layout` came */
  TensorLayout layout;
  GstEvent *preparation;        /* clip-preparation; NULL: none came */
  GstEvent *data;               /* clip-data; likewise */
  gboolean announced;           /* there are clip-epoch events */
} TrainStream;

typedef struct {
  guint n;                      /* of the network */
  gchar **names;                /* NULL: none came */
  guint64 *clips;               /* of each name's class in a training pass; NULL: not known */
  guint named;                  /* classes that those are of */
  gfloat *weights;              /* of n; NULL: each 1 */
} TrainClasses;

/* Where the stream is in its passes. */
typedef struct {
  gboolean pending;             /* the pass waits for the first caps */
  gboolean open;
  gboolean over;                /* it was trained on before: drop it */
  gboolean worthless;           /* what it changed is worth no checkpoint */
  guint64 position;             /* clips */
} TrainPlace;

/* How a resumed run gets to its position. */
typedef enum
{
  RESUME_DONE,                  /* it is there, or had nowhere to go */
  RESUME_WANTED,                /* the stream stands elsewhere */
  RESUME_SEEKING,               /* dropping all until the seek's segment */
  RESUME_SOUGHT,                /* that came */
  RESUME_PASSING,               /* no seek: dropping all up to the position */
} Resume;

typedef struct {
  Resume state;
  guint64 position;
  guint32 seqnum;               /* the seek's */
} TrainResume;

/* Times are monotonic microseconds. */
typedef struct {
  gint64 epoch_began, pass_began, measured;
  guint64 pass_clips;           /* since pass_began */
  guint under_way;              /* clips of the batch that a GPU is at */
  gdouble lr;
  guint64 resident_before;      /* bytes, before the trainer was made */
  guint64 device_memory;        /* bytes of a GPU's; 0: the process's count */
  gboolean memory_warned;
  ProgressEpoch line;           /* the epoch so far */
} TrainMeter;

typedef struct {
  gboolean diverged;
  gboolean stopped;             /* before the stream's end: patience has run out, or all is trained */
  gboolean finished;            /* all epochs are done */
  gboolean reported;
} TrainEnd;

struct _TrainRun
{
  GstElement *element;
  TrainSettings settings;
  TrainFigures *figures;        /* the element's, under its object lock */
  GstFlowReturn flow;

  TrainStream stream;
  TrainClasses classes;
  Cnn3dTrainer *trainer;
  guint max_clips;              /* N that the trainer was made for */
  gint32 *labels;               /* as many, or as the largest batch has */
  GstClipEpoch pass;
  TrainPlace at;
  TrainResume resume;
  TrainEnd end;

  Cnn3dFolderLock *lock;        /* on checkpoint-dir; NULL: there is none */
  Progress *progress;           /* NULL: silent */
  TrainLog *log;                /* NULL: none is kept */
  TrainMeter meter;
  TrainSkips skips;
  TrainWatch watch;
  gboolean monitor_reported;    /* that it is training's accuracy */
};

/* --- trainfail.c --- */

/* Posts an error and frees it; nothing is taken any more. about: see
 * element_report_error(). */
void train_run_fail (TrainRun * run, GError * error, const gchar * about);

/* --- trainclasses.c --- */

/* The number of classes, their names and weights, from upstream and the settings.
 * FALSE: with an error posted. */
gboolean train_run_find_classes (TrainRun * run);
/* Takes a clip-classes event. Sticky events come again after a flush: what the
 * trainer was made with stays. FALSE: it is another event. */
gboolean train_run_take_classes (TrainRun * run, GstEvent * event);
void train_run_clear_classes (TrainRun * run);

/* --- trainmeter.c --- */

/* `pass` begins at that position. */
void train_run_measure_from (TrainRun * run, guint64 position);
/* Reports a batch of so many clips that is done. */
void train_run_measure (TrainRun * run, const Cnn3dProgress * progress,
    guint clips);
/* Reports a pass that is over. */
void train_run_measure_pass (TrainRun * run, const Cnn3dPassResult * result);

/* --- trainbatch.c --- */

/* Saves the trainer's state where that was not done yet, and reports it. FALSE:
 * with an error posted. */
gboolean train_run_save (TrainRun * run, gboolean best);
/* Waits for the batch that a GPU is at, reports it, and saves what is due. FALSE:
 * with an error posted. */
gboolean train_run_collect (TrainRun * run);
/* Runs a batch of the pass at hand, or what a resumed run has not trained on. */
void train_run_take (TrainRun * run, GstBuffer * buffer);

/* --- trainend.c --- */

/* done: what upstream says of it; NULL: it announces no passes. */
void train_run_end_pass (TrainRun * run, const GstClipEpochDone * done);
/* The checkpoint has nothing left to train: says so, and stops. */
void train_run_end_complete (TrainRun * run);
/* The stream is over. */
void train_run_end (TrainRun * run);

/* --- trainresume.c --- */

/* Goes to the last checkpoint where that is wanted and there is one. ended: see
 * cnn3d_trainer_resume(). FALSE: with an error posted. */
gboolean train_run_resume (TrainRun * run, Cnn3dPassResult * ended);
/* Warns where that was one of other data, or of data that nobody knows. */
void train_run_report_data (TrainRun * run);
/* Takes run->pass for what a resumed run does with it. FALSE: it is not to be
 * begun. */
gboolean train_run_go_on (TrainRun * run);

#endif
