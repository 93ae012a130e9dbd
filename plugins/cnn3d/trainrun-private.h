/* trainrun-private.h: what the run's files share: trainrun.c has the stream and the
 * trainer, trainclasses.c classes, trainbatch.c batches, trainresume.c the way to a
 * checkpoint, trainend.c the ends of passes and of the run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_RUN_PRIVATE_H
#define TRAIN_RUN_PRIVATE_H

#include "trainrun.h"

#include "progress.h"
#include "trainlog.h"
#include "trainskips.h"
#include "trainwatch.h"
#include "src/folderlock.h"

/* How a resumed run gets to its position. */
typedef enum
{
  RESUME_DONE,                  /* it is there, or had not to go anywhere */
  RESUME_WANTED,                /* the stream stands elsewhere */
  RESUME_SEEKING,               /* dropping all until the seek's segment */
  RESUME_SOUGHT,                /* that came */
  RESUME_PASSING,               /* no seek: dropping all up to the position */
} Resume;

struct _TrainRun
{
  GstElement *element;
  TrainSettings settings;
  TrainFigures *figures;        /* the element's, under its object lock */

  gboolean have_layout;
  TensorLayout layout;
  gchar **classes;
  guint64 *class_clips;         /* of each name's class in a training pass; NULL: not told */
  guint named;                  /* classes that those are of */
  gfloat *class_weights;        /* of num_classes; NULL: each 1 */
  GstEvent *preparation;        /* clip-preparation; NULL: none came */
  GstEvent *data;               /* clip-data; likewise */
  guint num_classes;
  Cnn3dTrainer *trainer;
  guint max_clips;              /* N that the trainer was made for */
  gint32 *labels;               /* as many, or as the largest batch has */

  gboolean announced;           /* the stream has clip-epoch events */
  gboolean pass_pending;        /* `pass` waits for the first caps */
  gboolean pass_open;
  gboolean pass_over;           /* `pass` was trained on before: drop it */
  GstClipEpoch pass;
  guint64 position;             /* where the stream stands, in clips */
  Resume resume;
  guint64 resume_position;
  guint32 seek_seqnum;
  gboolean diverged;
  gboolean stopped;             /* patience has run out */
  GstFlowReturn flow;

  Cnn3dFolderLock *lock;        /* on checkpoint-dir; NULL: there is none */
  Progress *progress;           /* NULL: silent */
  TrainLog *log;                /* NULL: none is kept */
  ProgressEpoch line;           /* the epoch so far */
  gint64 epoch_began, pass_began, measured;     /* monotonic microseconds */
  guint under_way;              /* clips of the batch that a GPU is at */
  guint told_clips;             /* of the batch that is told of next */
  gboolean told;                /* it was, before its checkpoint was written */
  guint64 pass_clips;           /* since pass_began */
  gdouble lr;
  guint64 resident_before;      /* bytes, before the trainer was made */
  guint64 device_memory;        /* bytes of a GPU's; 0: the process's count */
  gboolean memory_warned;
  gboolean monitor_told;        /* that it is training's accuracy */
  TrainSkips skips;
  TrainWatch watch;
  gboolean void_pass;           /* the pass at hand is worth no checkpoint */
  gboolean finished;            /* all epochs are done */
  gboolean end_told;
  Cnn3dPassResult ended;        /* a training pass that resuming ended */
};

/* Posts an error and frees it; nothing is taken any more. about: see
 * element_report_error(). */
void train_run_fail (TrainRun * run, GError * error, const gchar * about);

/* trainclasses.c: the number of classes, their names and weights, from upstream and
 * the settings. FALSE: with an error posted. */
gboolean train_run_find_classes (TrainRun * run);
/* What a clip-classes event tells. Sticky events come again after a flush: what the
 * trainer was made with stays. FALSE: it is another event. */
gboolean train_run_take_classes (TrainRun * run, GstEvent * event);
void train_run_clear_classes (TrainRun * run);

/* Begins the pass that run->pass tells of, or sees to it that the stream gets
 * to the one that a resumed run goes on in: pass_open says which. */
void train_run_begin_pass (TrainRun * run);

/* Goes to the last checkpoint where that is wanted and there is one. FALSE: with
 * an error posted. */
gboolean train_run_resume (TrainRun * run);
/* Warns where that was one of other data, or of data that nobody knows. */
void train_run_tell_data (TrainRun * run);
/* Takes run->pass for what a resumed run does with it. FALSE: it is not to be
 * begun. */
gboolean train_run_go_on (TrainRun * run);
/* The checkpoint has nothing left to train: says so, and stops. */
void train_run_end_complete (TrainRun * run);

/* A pass is over, and its checkpoint not written yet. */
void train_run_report_pass (TrainRun * run, const Cnn3dPassResult * result);
void train_run_end_pass (TrainRun * run, const GstClipEpochDone * done);
/* The stream is over. */
void train_run_end (TrainRun * run);
/* What a person wants to know when a run is over, once: what was skipped, the best
 * epoch and, unless it is complete, where it goes on. */
void train_run_tell_end (TrainRun * run, gboolean complete);

/* Tells of the batch of told_clips clips. */
void train_run_measure (TrainRun * run, const Cnn3dProgress * progress);

/* Waits for the batch that a GPU is at, and tells of it. FALSE: with an error
 * posted. */
gboolean train_run_collect (TrainRun * run);

/* What the figures and the epoch's line tell of the loss scale; under the
 * element's object lock. */
void train_run_take_scale (TrainRun * run, const Cnn3dProgress * progress);

#endif
