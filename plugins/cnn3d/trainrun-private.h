/* trainrun-private.h: shared by the files of a run, each of which calls those
 * before it: trainfail.c errors, trainranks.c other processes, trainclasses.c classes, trainmeter.c metrics,
 * trainbatch.c batches, trainend.c ends of passes and of the run, trainresume.c
 * resuming, trainshare.c other users of the stream, trainrun.c the stream and the trainer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_RUN_PRIVATE_H
#define TRAIN_RUN_PRIVATE_H

#include "trainrun.h"

#include "progress.h"
#include "trainlog.h"
#include "trainskips.h"
#include "trainwatch.h"
#include "src/folderlock.h"

/* Announced by upstream. */
typedef struct {
  gboolean known; /* `layout` is set */
  TensorLayout layout;
  GstEvent *preparation; /* clip-preparation; NULL: none received */
  GstEvent *data;        /* clip-data; likewise */
  GstEvent *views;       /* clip-views; likewise */
  GstEvent *keypoints;   /* clip-keypoints; likewise */
  gchar **view_names;    /* the network's; NULL: none */
  gboolean announced;    /* there are clip-epoch events */
} TrainStream;

typedef struct {
  guint n;       /* the network's */
  gchar **names; /* NULL: none received */
  /* of each named class in a training pass; NULL: unknown */
  guint64 *clips;
  guint named;     /* length of names and clips */
  gfloat *weights; /* (n); NULL: all 1 */
} TrainClasses;

/* Position of the stream in its passes. */
typedef struct {
  gboolean pending; /* the pass waits for the first caps */
  gboolean open;
  gboolean over;      /* trained on before: to be dropped */
  gboolean worthless; /* its result is not worth a checkpoint */
  guint64 position;   /* clips */
  gboolean counted;   /* a pass has begun since the start or a flush */
  gboolean begun;     /* the trainer's pass has not ended; the stream may be elsewhere */
  guint64 first;      /* its first clip */
  guint64 skipped;    /* the clip after the last one that was counted as skipped */
} TrainPlace;

/* State of a resumed run's search for its position. */
typedef enum {
  RESUME_DONE,    /* at the position, or not resumed */
  RESUME_WANTED,  /* the stream is elsewhere */
  RESUME_SEEKING, /* dropping all until the seek's segment */
  RESUME_SOUGHT,  /* the segment has arrived */
  RESUME_PASSING, /* no seek: dropping all before the position */
} Resume;

typedef struct {
  Resume state;
  guint64 position;
  guint32 seqnum;    /* the seek's */
  gboolean replaced; /* another seek's segment arrived after it */
  gboolean sought;   /* another seek's segment arrived since the last clip-epoch */
  gboolean replays;  /* this process has trained up to the position */
} TrainResume;

/* Times are monotonic microseconds. */
typedef struct {
  gint64 epoch_began, pass_began, measured;
  guint64 pass_clips; /* since pass_began, of all ranks */
  guint64 seen;       /* with ranks: of the pass, as of the last batch that was reported */
  guint under_way;    /* clips of the batch that a GPU is computing */
  gdouble lr;
  guint64 resident_before; /* bytes, before the trainer was created */
  guint64 device_memory;   /* bytes; 0: use the process's memory instead */
  gboolean memory_warned, unrecorded_warned;
  ProgressEpoch line; /* the epoch so far */
} TrainMeter;

typedef struct {
  gboolean diverged;
  /* before the stream's end: patience ran out, or training is complete */
  gboolean stopped;
  gboolean finished; /* all epochs are done */
  gboolean left;     /* before that, and the other ranks know */
  gboolean unsaved;  /* a checkpoint could not be saved, and that was reported */
  gboolean reported;
  gboolean logged;
} TrainEnd;

struct _TrainRun {
  GstElement *element;
  TrainSettings settings;
  TrainMetrics *metrics; /* the element's, under its object lock */
  GstFlowReturn flow;

  TrainStream stream;
  TrainClasses classes;
  Cnn3dTrainer *trainer;
  guint max_clips; /* N that the trainer was created for */
  /* (max_clips), or more if a larger batch came */
  gint32 *labels;
  GstClipEpoch pass;
  TrainPlace at;
  TrainResume resume;
  TrainEnd end;

  Cnn3dComm *comm;       /* the processes that train together; NULL: this one alone */
  Cnn3dFolderLock *lock; /* on checkpoint-dir; NULL: none, or rank 0 has it */
  Progress *progress;    /* NULL: silent */
  TrainLog *log;         /* NULL: no log */
  TrainMeter meter;
  TrainSkips skips;
  TrainWatch watch;
  gboolean monitor_reported; /* that it is the training accuracy */
  gboolean dropped_reported; /* that clips are missing in validation */
};

/* --- trainfail.c --- */

/* Posts an error, frees it and refuses further buffers. about: see
 * element_report_error(). */
void train_run_fail (TrainRun *run, GError *error, const gchar *about);
/* The same: there are no training clips. */
void train_run_fail_untrained (TrainRun *run);

/* --- trainshare.c --- */

/* Whether others use the stream, too, such as a second branch of a tee: then an end of this run is
 * not one for them. */
gboolean train_run_shares_stream (TrainRun *run);

/* --- trainclasses.c --- */

/* Determines the number of classes, their names and weights from upstream and
 * the settings. FALSE on failure; an error is posted. */
gboolean train_run_find_classes (TrainRun *run);
/* Handles a clip-classes event. Sticky events are sent again after a flush:
 * once the trainer exists, its classes stay. FALSE: another event. */
gboolean train_run_take_classes (TrainRun *run, GstEvent *event);
void train_run_clear_classes (TrainRun *run);

/* --- trainmeter.c --- */

/* Clips of that many videos of the pass: clipsample may take several of each in validation. */
guint64 train_run_clips_of (const TrainRun *run, guint64 videos);
/* Starts measuring `pass` at that position. */
void train_run_measure_from (TrainRun *run, guint64 position);
/* Reports a finished batch. */
void train_run_measure (TrainRun *run, const Cnn3dProgress *progress, guint clips);
/* Reports a finished pass. */
void train_run_measure_pass (TrainRun *run, const Cnn3dPassResult *result);

/* --- trainranks.c --- */

/* Joins the processes that the launcher started, if `distributed` asks for it. FALSE on failure; an
 * error is posted. */
gboolean train_run_join (TrainRun *run);
/* Whether another rank prints and saves. */
gboolean train_run_follows (const TrainRun *run);
/* At a pass's end: counts the clips that all ranks have skipped. FALSE on failure; an error is
 * posted. */
gboolean train_run_share_skips (TrainRun *run);
/* Tells the others that this rank was stopped, if it was. */
void train_run_leave (TrainRun *run);
/* Leaves the others for good. */
void train_run_part (TrainRun *run);

/* --- trainbatch.c --- */

/* Reports a finished batch, which is logged before a checkpoint contains it, and saves if due.
 * FALSE on failure; an error is posted. */
gboolean train_run_take_progress (TrainRun *run, const Cnn3dProgress *progress, guint clips);

/* Saves the trainer's state if it is not saved yet, and reports it. FALSE on
 * failure; an error is posted. */
gboolean train_run_save (TrainRun *run, gboolean best);
/* Waits for the batch that a GPU is computing, reports it, and saves if due.
 * FALSE on failure; an error is posted. */
gboolean train_run_collect (TrainRun *run);
/* Does what comes before `next` without a batch of this rank; NULL: before the pass's end. FALSE on
 * failure; an error is posted. */
gboolean train_run_idle (TrainRun *run, const Cnn3dBatch *next);
/* Runs a batch of the current pass; a resumed run skips clips that it trained
 * on. */
void train_run_take (TrainRun *run, GstBuffer *buffer);

/* --- trainend.c --- */

/* done: the event's content; NULL: upstream announces no passes. */
void train_run_end_pass (TrainRun *run, const GstClipEpochDone *done);
/* Whether patience has run out. */
gboolean train_run_is_impatient (const TrainRun *run, const Cnn3dSavedAt *at);
/* Reports that the checkpoint has nothing left to train, and stops. */
void train_run_end_complete (TrainRun *run);
/* Ends the run with the stream. */
void train_run_end (TrainRun *run);

/* --- trainresume.c --- */

/* Loads the last checkpoint if resume asks for it and there is one. ended: see
 * cnn3d_trainer_resume(). FALSE on failure; an error is posted. */
gboolean train_run_resume (TrainRun *run, Cnn3dPassResult *ended);
/* Warns if the checkpoint's data differs or is unknown, or if a run that starts over is in the folder
 * of another. */
void train_run_report_data (TrainRun *run);
/* Moves a resumed run on to run->pass. FALSE: the pass is not to be started. */
gboolean train_run_continue (TrainRun *run);
/* Handles a pass at another place than where training is, which others that seek can cause: clips
 * that were trained on are to be dropped, and upstream is asked for those that would be missing.
 * To be called before the pass is run->pass. FALSE: the pass is to be ignored. */
gboolean train_run_follow (TrainRun *run, const GstClipEpoch *pass);

#endif
