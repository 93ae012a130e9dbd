/* trainer-private.h: shared by the trainer's files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TRAINER_PRIVATE_H
#define CNN3D_TRAINER_PRIVATE_H

#include "src/train/fit.h"
#include "src/train/ranks.h"
#include "src/train/trainer.h"

/* Running metrics of a pass. */
typedef struct {
  guint epoch;
  gboolean training;
  guint64 first, clips_listed;
  guint64 clips, correct;
  gdouble loss_sum;
  gdouble weight; /* of the clips: divisor of the sum */
} TrainerPass;

/* Where a resumed run continues: all state except arrays. Taken after each optimizer step and
 * between passes. */
typedef struct {
  guint64 step;
  guint64 position;
  guint64 norm_batches; /* batches that updated running statistics */
  TrainerPass pass;
  gdouble lr;
  gdouble loss_scale;    /* 16-mixed: factor on the loss, */
  guint scale_steps;     /* steps since it changed, */
  guint64 steps_skipped; /* and steps that overflowed */
  gdouble train_loss;    /* of the epoch's training pass */
  gdouble best;          /* of the monitor; NaN: none yet */
  guint epochs_since_best;
  Cnn3dBest best_epoch;
} TrainerMark;

typedef struct {
  guint epoch;
  gdouble value;
  gboolean stays; /* its file is not removed: save-top-k was larger */
} TrainerKept;

/* A batch in the memory where it is run. */
typedef struct {
  Cnn3dBatch batch;
  const gint32 *labels;  /* its labels on the host */
  const gfloat *weights; /* of the classes; NULL: all 1 */
} TrainerStaged;

/* A started batch: what is reported when it has finished. */
typedef struct {
  gboolean active;
  guint n;
  gdouble weight; /* of its clips */
  guint64 position;
  gboolean steps, checks; /* it ends an optimizer step; the step checks the gradients first */
  gdouble lr, squares;    /* of the step; squares: filled in when it has finished */
} TrainerPending;

/* An epoch that has ended but is not saved yet. */
typedef struct {
  gboolean unsaved;
  guint epoch;
  gdouble value; /* of the monitor, larger is better */
  gboolean improved;
} TrainerEnded;

struct _Cnn3dTrainer {
  Cnn3dSession s;
  Cnn3dTrainerParams params; /* strings are owned */
  gchar **classes, **view_names;
  gfloat *class_weights; /* NULL: all 1 */
  guint batch;

  guint64 budget;
  Cnn3dFit fit;           /* the chosen configuration */
  gboolean updates_early; /* each layer is updated as soon as its gradient is available */
  /* such a step is running, or failed: the weights are neither the old nor the new ones */
  gboolean in_step;
  gboolean scales;   /* uses a loss scale, against underflow */
  gboolean *trained; /* [parameter] */
  gboolean norm_frozen;
  GPtrArray *left_out;
  gchar *prefix;      /* precedes the names in `pretrained`; NULL: no file was read */
  gboolean validates; /* a validation pass follows each training pass */

  /* s.layout->trained; with ranks, first and second have this one's slice; NULL: not kept */
  gfloat *gradients, *first, *second;
  TrainerRanks *ranks; /* NULL: this process trains alone */
  guint8 *slots[2];    /* for batches on the device, see stage(); NULL: it reads host memory */
  guint next_slot;

  TrainerMark now;
  TrainerStaged staged;
  TrainerPending pending;
  TrainerEnded ended;
  Cnn3dResults *results; /* of the started batch's micro-batches */
  guint n_results;
  /* results of validation passes: of the started batch on the host, and of the pass */
  gfloat *logits;          /* (batch, num_classes); NULL: too many classes */
  gint32 *labels;          /* (batch) */
  guint64 *confusion;      /* as in Cnn3dPassResult */
  gdouble *class_accuracy; /* [num_classes], of the last validation pass; NULL if confusion is */
  /* optimizer steps need all of a group, and a group all of its batches */
  guint group_batches;
  guint64 group; /* its number in the pass */
  guint64 group_clips, group_correct;
  gdouble group_loss, group_weight;
  gdouble last_group_weight;

  TrainerMark mark;        /* the state that would be saved */
  gfloat *mark_statistics; /* running statistics at the mark: layout->total - layout->trained */
  gfloat *new_statistics;  /* after the running step */
  gboolean mark_saved;
  GArray *kept;       /* of TrainerKept: weights of the best epochs, best first */
  GArray *dropped;    /* of guint: epochs not kept any more, whose files are there */
  gchar *best_before; /* name that best.safetensors gets before it is replaced; NULL: none */
  gchar *data_note;   /* NULL: none */
  gboolean other_order, other_clips; /* than the checkpoint's: the order; the number in each pass */
  gboolean other_labels;             /* likewise, the clips or their labels, in any order */
  gboolean same_validation;          /* those to validate on are known to be the same, though */
  gboolean resumed;                  /* and the pass that it continues has not started */
};

/* classmetrics.c: recall, f1 and class_accuracy, from the confusion matrix. accuracy,
 * [num_classes]: storage for class_accuracy. */
void cnn3d_class_metrics (Cnn3dPassResult *result, guint num_classes, gdouble *accuracy);

/* fit.c. Bytes of a batch in device memory, including its key points, mask of views, labels and
 * the class weights, each part rounded up. */
gsize cnn3d_trainer_slot_bytes (const Cnn3dTrainerParams *params, guint batch);
/* ranks.c. One of several ranks; everything else is set up. */
TrainerRanks *cnn3d_ranks_new (Cnn3dTrainer *t, GError **error);
void cnn3d_ranks_free (TrainerRanks *ranks);
/* Whether each step needs the gradient's norm. */
gboolean cnn3d_ranks_need_norms (const Cnn3dBackend *backend, const Cnn3dTrainerParams *params);
TrainerRanksSizes cnn3d_ranks_sizes_of (const Cnn3dTrainer *t);
/* Device memory for a rank's slice of the trained floats. NULL with error. */
gfloat *cnn3d_ranks_alloc_slice (Cnn3dTrainer *t, GError **error);
gboolean cnn3d_ranks_begin_pass (Cnn3dTrainer *t, GError **error);
/* Whether a batch is this rank's. */
gboolean cnn3d_ranks_check (const Cnn3dTrainer *t, const Cnn3dBatch *batch, GError **error);
/* Before and after the passes of a batch. */
gboolean cnn3d_ranks_begin_batch (Cnn3dTrainer *t, GError **error);
/* For the passes; NULL: batch norm's statistics are those of this rank's batch. */
const Cnn3dSync *cnn3d_ranks_sync (const Cnn3dTrainer *t);
/* Runs the program that completes a batch's gradients, and sends them beside it where that is possible. */
gboolean cnn3d_ranks_run (Cnn3dTrainer *t, const Cnn3dSessionProgram *p,
    const Cnn3dBinding *binding, Cnn3dResults *results, GError **error);
gboolean cnn3d_ranks_end_batch (
    Cnn3dTrainer *t, const TrainerShare *share, Cnn3dProgress *progress, GError **error);
/* A round without a batch of this rank, if there is one before `next`, or, NULL, the pass's end. */
gboolean cnn3d_ranks_idle (
    Cnn3dTrainer *t, const Cnn3dBatch *next, Cnn3dProgress *progress, GError **error);
/* All ranks are at the pass's end, or learn that one is not. *count: in and out, see
 * cnn3d_trainer_add_up(). */
gboolean cnn3d_ranks_end_pass (Cnn3dTrainer *t, guint64 *count, GError **error);
/* The same, unless it was done; no round of the pass follows. */
gboolean cnn3d_ranks_close_pass (Cnn3dTrainer *t, GError **error);
/* Adds up counts, (n), of all ranks. */
gboolean cnn3d_ranks_add_counts (Cnn3dTrainer *t, guint64 *counts, gsize n, GError **error);
/* Slices of all ranks to rank 0's t->gradients, which are free between two batches. */
gboolean cnn3d_ranks_gather (Cnn3dTrainer *t, const gfloat *slice, GError **error);
/* This rank's slice of t->gradients. */
gboolean cnn3d_ranks_take_slice (Cnn3dTrainer *t, gfloat *slice, GError **error);
/* Tells the others that this rank ends here: without a reason, because it was stopped. FALSE: they
 * were not told, or one has failed. */
gboolean cnn3d_ranks_leave (Cnn3dTrainer *t, const gchar *reason);
/* Waits for the exchange of gradients beside a batch, if there is one, without the rest of the batch. */
gboolean cnn3d_ranks_end_exchange (Cnn3dTrainer *t, GError **error);
/* Whether all ranks are at the same place, so that they can save; and that they are no longer, as
 * something failed on the way. */
gboolean cnn3d_ranks_agree (const TrainerRanks *ranks);
void cnn3d_ranks_break (TrainerRanks *ranks);

/* batch.c */
Cnn3dArrays cnn3d_trainer_arrays (const Cnn3dTrainer *t);
/* The parameters of the next optimizer step, for the mean gradient of clips of that weight. */
Cnn3dUpdate cnn3d_trainer_next_update (Cnn3dTrainer *t, gfloat weight);
/* Adds a batch's results to those of the pass. position: after it. */
gboolean cnn3d_trainer_take_share (Cnn3dTrainer *t, const TrainerShare *share, guint64 position,
    Cnn3dProgress *progress, GError **error);
/* A step has finished. */
gboolean cnn3d_trainer_take_step (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error);
gdouble cnn3d_trainer_epochs_passed (const Cnn3dTrainer *t);
void cnn3d_trainer_fill_progress (const Cnn3dTrainer *t, Cnn3dProgress *progress);
/* Sets the mark to the current state; no batch may be running. */
gboolean cnn3d_trainer_take_mark (Cnn3dTrainer *t, GError **error);
/* Steps with an incomplete group at the end of a pass, if there is one. */
gboolean cnn3d_trainer_step_short_group (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error);

/* Whether gradients add up over micro-batches; whether each layer is updated as soon as its
 * gradient is available. Used by the plan and by the run alike. */
gboolean cnn3d_trainer_accumulates (
    const Cnn3dTrainerParams *params, guint batch, guint micro_batch);
gboolean cnn3d_trainer_updates_early (
    const Cnn3dTrainerParams *params, guint batch, guint micro_batch);

/* fit.c: whether batch norm's statistics are those of all ranks' batches, which are not split then. */
gboolean cnn3d_trainer_syncs (const Cnn3dTrainerParams *params);
/* fit.c: sets an error with what `fit` needs, the `there` bytes that are available, and what would
 * fit. */
void cnn3d_fit_refuse (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, const Cnn3dFit *fit, guint64 there,
    GError **error);

/* freeze.c: which parameters train, an array of net->n_weights; free with g_free(). NULL with
 * error: a prefix matches no name. */
gboolean *cnn3d_freeze (
    const Cnn3dNetwork *net, const gchar *freeze, gboolean *norm_frozen, GError **error);

/* rundata.c */
void cnn3d_trainer_write_data (const Cnn3dTrainer *t, Cnn3dSafetensorsWriter *w);
/* Appends to the text of cnn3d_trainer_data_note(). */
void cnn3d_trainer_add_note (Cnn3dTrainer *t, const gchar *text);
/* path: last.safetensors; mark: its position. */
gboolean cnn3d_trainer_check_data (Cnn3dTrainer *t, const gchar *path, Cnn3dSafetensors *state,
    const TrainerMark *mark, GError **error);
/* Moves to the current epoch's position in the current data. */
gboolean cnn3d_trainer_move_to_data (Cnn3dTrainer *t, GError **error);
gboolean cnn3d_trainer_repeat_skipped (Cnn3dTrainer *t, GError **error);

/* statename.c. Gives a state file that was just written its name, which is returned; free with
 * g_free(). NULL with error. */
gchar *cnn3d_state_rename (const gchar *path, const TrainerMark *mark, GError **error);
/* Whether its tensors are those that it was named after. */
gboolean cnn3d_state_check_name (const gchar *path, GError **error);

/* checkpoint.c */
gboolean cnn3d_trainer_load_pretrained (Cnn3dTrainer *t, const gchar *path, GError **error);

#endif
