/* trainer-private.h: what the trainer's files share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TRAINER_PRIVATE_H
#define CNN3D_TRAINER_PRIVATE_H

#include "src/train/fit.h"
#include "src/train/trainer.h"

/* A pass's figures so far. */
typedef struct {
  guint epoch;
  gboolean training;
  guint64 first, clips_listed;
  guint64 clips, correct;
  gdouble loss_sum;
  gdouble weight;               /* of the clips: what the sum is divided by */
} TrainerPass;

/* Where a resumed run goes on: all that is not an array. Taken after each
 * optimizer step and at the borders of passes. */
typedef struct {
  guint64 step;
  guint64 position;
  guint64 norm_batches;         /* batches that updated running statistics */
  TrainerPass pass;
  gdouble lr;
  gdouble loss_scale;           /* 16-mixed: what the loss is multiplied by, */
  guint scale_steps;            /* steps since it changed, */
  guint64 steps_skipped;        /* and those that overflowed */
  gdouble train_loss;           /* of the epoch's training pass */
  gdouble best;                 /* of the monitor; NaN: none yet */
  guint epochs_since_best;
  Cnn3dBest best_epoch;
} TrainerMark;

typedef struct {
  guint epoch;
  gdouble value;
} TrainerKept;

/* A batch where it is run. */
typedef struct {
  Cnn3dBatch batch;
  const gint32 *labels;         /* its labels on the host */
  const gfloat *weights;        /* of the classes; NULL: each 1 */
} TrainerStaged;

/* A batch that was started: what is reported when it is done. */
typedef struct {
  gboolean active;
  guint n;
  gdouble weight;               /* of its clips */
  guint64 position;
  gboolean steps, checks;       /* it ends an optimizer step, which looks at the gradients first */
  gdouble lr, squares;          /* of that; squares: filled when it is done */
} TrainerPending;

/* An epoch that is over, until it is saved. */
typedef struct {
  gboolean unsaved;
  guint epoch;
  gdouble value;                /* of the monitor, larger is better */
  gboolean improved;
} TrainerEnded;

struct _Cnn3dTrainer {
  Cnn3dSession s;
  Cnn3dTrainerParams params;    /* strings owned, but for `classes` */
  gchar **classes;
  gfloat *class_weights;        /* NULL: each 1 */
  guint batch;

  guint64 budget;
  Cnn3dFit fit;                 /* how it runs */
  gboolean updates_early;       /* each layer as soon as its gradient is there */
  gboolean in_step;             /* such a step is under way, or failed: the weights are neither the old nor the new */
  gboolean scales;              /* the loss, against underflow */
  gboolean *trained;            /* [parameter] */
  gboolean norm_frozen;
  GPtrArray *left_out;
  gchar *prefix;                /* before the names in `pretrained`; NULL: no file was read */
  gboolean validates;           /* a validation pass follows each training pass */

  gfloat *gradients, *first, *second;   /* s.layout->trained; NULL: not kept */
  guint8 *slots[2];             /* for batches on the device: frames, then labels; NULL: it reads the host's */
  guint next_slot;

  TrainerMark now;
  TrainerStaged staged;
  TrainerPending pending;
  TrainerEnded ended;
  Cnn3dResults *results;        /* of the started batch's micro-batches */
  guint n_results;
  /* what validation passes told: of the started batch on the host, and of the pass */
  gfloat *logits;               /* (batch, num_classes); NULL: too many classes */
  gint32 *labels;               /* batch */
  guint64 *confusion;           /* as in Cnn3dPassResult */
  gdouble *class_accuracy;      /* [num_classes], of the last validation pass; NULL as confusion is */
  /* optimizer steps need all of a group, and a group all of its batches */
  guint group_batches;
  guint64 group_clips, group_correct;
  gdouble group_loss, group_weight;
  gdouble last_group_weight;

  TrainerMark mark;             /* the state that would be saved */
  gfloat *mark_statistics;      /* running ones at the mark: layout->total - layout->trained */
  gfloat *new_statistics;       /* after the step that is under way */
  gboolean mark_saved;
  GArray *kept;                 /* TrainerKept: weights of the best epochs, best first */
  gchar *data_note;             /* NULL: none */
  gboolean other_order, other_clips;    /* than the checkpoint's data has: the order; how many in each pass */
  gboolean resumed;             /* and the pass that it goes on with has not begun */
};

/* figures.c: recall, f1 and class_accuracy, from the confusion matrix; `accuracy`:
 * where the last goes. */
void cnn3d_class_figures (Cnn3dPassResult * result, guint num_classes, gdouble * accuracy);

/* fit.c. Bytes of a batch's place on a device, its labels and the classes'
 * weights included, each part rounded. */
gsize cnn3d_trainer_round_slot (gsize bytes);
gsize cnn3d_trainer_slot_bytes (const Cnn3dTrainerParams * params, guint batch);
/* batch.c */
gdouble cnn3d_trainer_epochs_passed (const Cnn3dTrainer * t);
void cnn3d_trainer_fill_progress (const Cnn3dTrainer * t, Cnn3dProgress * progress);
/* Sets the mark to now; no batch is under way. */
gboolean cnn3d_trainer_take_mark (Cnn3dTrainer * t, GError ** error);
/* What a pass's end leaves of a group, where there is something. */
gboolean cnn3d_trainer_step_short_group (Cnn3dTrainer * t, Cnn3dProgress * progress, GError ** error);

/* Whether gradients add up over micro-batches; whether they need not outlive
 * their layer. One answer for the plan and for the run. */
gboolean cnn3d_trainer_accumulates (const Cnn3dTrainerParams * params, guint batch, guint micro_batch);
gboolean cnn3d_trainer_updates_early (const Cnn3dTrainerParams * params, guint batch, guint micro_batch);

/* fit.c: the error that says what `fit` needs, that there are only `there`
 * bytes, and what would fit. */
void cnn3d_fit_refuse (const Cnn3dBackend * backend, Cnn3dDevice * device, const Cnn3dTrainerParams * params,
    guint batch, const Cnn3dFit * fit, guint64 there, GError ** error);

/* freeze.c: which parameters train, an array of net->n_weights; g_free(). A
 * prefix that names nothing is a mistake worth telling. */
gboolean *cnn3d_freeze (const Cnn3dNetwork * net, const gchar * freeze, gboolean * norm_frozen, GError ** error);

/* rundata.c */
void cnn3d_trainer_write_data (const Cnn3dTrainer * t, Cnn3dSafetensorsWriter * w);
/* Adds to what cnn3d_trainer_data_note() says. */
void cnn3d_trainer_add_note (Cnn3dTrainer * t, const gchar * text);
/* path: last.safetensors; mark: where it stands. */
gboolean cnn3d_trainer_check_data (Cnn3dTrainer * t, const gchar * path, Cnn3dSafetensors * state,
    const TrainerMark * mark, GError ** error);
/* Goes to where the epoch at hand is in the data that there is now. */
gboolean cnn3d_trainer_move_to_data (Cnn3dTrainer * t, GError ** error);
gboolean cnn3d_trainer_repeat_skipped (Cnn3dTrainer * t, GError ** error);

/* checkpoint.c */
gboolean cnn3d_trainer_load_pretrained (Cnn3dTrainer * t, const gchar * path, GError ** error);

#endif
