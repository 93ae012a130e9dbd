/* trainer.h: a model in training: batches in, weights and checkpoints out.
 *
 * Whoever feeds it says where each batch stands in the run's order of clips;
 * the trainer accumulates, steps the optimizer, keeps the figures of the pass,
 * and saves. It is used by one thread at a time; nothing here knows GStreamer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TRAINER_H
#define CNN3D_TRAINER_H

#include "src/model/modelfile.h"
#include "src/session/session.h"
#include "src/train/lr.h"

/* Which data set clips are of; order is NULL: nobody told. The digests are
 * clipsrc's: of the clips in any order, these with their labels, and these in the
 * order that they come in. */
typedef struct {
  guint64 rows;
  guint64 training_clips, validation_clips;     /* of an epoch */
  const gchar *clips, *labels, *order;
} Cnn3dRunData;

/* Every setting of a run. Fill with cnn3d_trainer_params_init(), then change. */
typedef struct {
  Cnn3dNetworkParams network;   /* height, width, frames, channels: from the first batch */
  const gchar *pretrained;      /* a safetensors file; NULL: none */
  const gchar *freeze;          /* comma-separated name prefixes that do not train; `backbone`: all but
                                 * the last layer; `batch-norm`: batch norm uses and keeps the running
                                 * statistics. NULL: none */
  const gchar *device;          /* auto, cpu, cuda, cuda:N */
  guint threads;                /* 0: one a core */
  Cnn3dConvolution convolution; /* on a CPU */
  Cnn3dPrecision precision;
  Cnn3dType frames_type;        /* of the batches that will come, or a wider one */
  /* On a GPU: the same bits every time; 32 may multiply in TF32; the fastest
   * algorithm of each convolution is found by timing. All TRUE by default. */
  gboolean deterministic, tf32, benchmark;
  guint accumulate;             /* batches in an optimizer step */
  Cnn3dUpdateRule optimizer;
  gdouble momentum, weight_decay;
  Cnn3dLrParams lr;             /* its `epochs` is set by cnn3d_trainer_begin_pass() */
  gdouble label_smoothing;
  const gfloat *class_weights;  /* of the training loss: num_classes, each above 0; NULL: each 1. A mean is then one
                                 * over the weights of the clips' labels, as torch.nn.CrossEntropyLoss makes it */
  const guint64 *class_clips;   /* training clips of each class, for the log alone; NULL: nobody told */
  gdouble gradient_clip;        /* global norm; 0: none */
  guint64 seed;
  const gchar *checkpoint_dir;  /* NULL: nothing is saved */
  guint checkpoint_interval;    /* optimizer steps between checkpoints within an epoch; 0: only after epochs */
  guint save_top_k;             /* best weights kept, beside last */
  Cnn3dMonitor monitor;
  guint patience;               /* epochs without a better monitor before stopping; 0: never */
  /* Memory. None of these changes what a step computes, but that batch norm sees
   * one micro-batch at a time. */
  Cnn3dRecompute recompute;     /* auto: the quickest that fits */
  guint64 max_memory;           /* bytes; 0: what the device has */
  gboolean auto_fit;            /* batches may be split into micro-batches to fit */
  guint micro_batch;            /* clips at once, at most; 0: whole batches */
  gboolean keep_gradients;      /* for cnn3d_trainer_get_gradient() after a step: they are not applied layer by layer */
  const gchar *const *classes;  /* num_classes names, NULL-terminated, stored with the weights; or NULL */
  Cnn3dPreparation preparation; /* of the clips, stored with the weights */
  Cnn3dRunData data;            /* stored with the state */
  gdouble max_skipped;          /* part of a pass's clips: a checkpoint within an epoch that lost more is resumed at its
                                 * beginning, and cnn3d_trainer_data_note() says so; 1: none is */
  gboolean any_data;            /* a checkpoint of other data is gone on from, and cnn3d_trainer_data_note() tells */
} Cnn3dTrainerParams;

#define CNN3D_MOST_CLASS_WEIGHT 1e6

CNN3D_API void cnn3d_trainer_params_init (Cnn3dTrainerParams * params);
/* Does batch norm, with this `freeze`, normalise with its running figures, whatever the batch? */
CNN3D_API gboolean cnn3d_freezes_norm (const gchar * freeze);

typedef struct _Cnn3dTrainer Cnn3dTrainer;

/* A batch as it arrives: frames (N, T, H, W, C) and N labels, host memory. */
typedef struct {
  gconstpointer frames;
  Cnn3dType type;
  const gint32 *labels;
  guint n;
  guint64 position;             /* in the run's order of clips: where to go on after this batch */
} Cnn3dBatch;

/* The figures after a batch. */
typedef struct {
  gboolean ready;               /* FALSE: nothing yet; all that follows is empty */
  guint epoch;                  /* from 0 */
  guint64 step;                 /* optimizer steps so far */
  guint64 clips;                /* of the pass so far */
  gboolean stepped;             /* this batch ended an optimizer step */
  gboolean skipped;             /* it would have, but its gradients overflowed: the loss scale was too large */
  gdouble loss_scale;           /* for the next step; 1 but for 16-mixed */
  guint64 steps_skipped;        /* so far */
  gdouble loss, accuracy;       /* of the optimizer step's clips (training) or of the batch */
  gdouble pass_loss, pass_accuracy;     /* of the pass so far */
  gdouble lr;
  gdouble gradient_norm;        /* before clipping; 0 unless clipping */
  /* cnn3d_trainer_save() is to be called before the next batch starts, and after
   * this one is in the log: a log then lacks nothing that a resumed run does not
   * repeat. */
  gboolean checkpoint_due;
} Cnn3dProgress;

/* Validation passes count confusions of at most so many classes: 8 MiB. */
#define CNN3D_CONFUSION_CLASSES 1000

/* A pass's end. */
typedef struct {
  guint epoch;
  gboolean training;
  guint64 clips;
  gdouble loss, accuracy;       /* NaN where there were no clips */
  gboolean epoch_complete;      /* the epoch has no further pass */
  gboolean improved;            /* the monitor is the best so far */
  gboolean stop;                /* patience has run out */
  /* Clips of a validation pass by label and by prediction (the first of the largest
   * logits): [label * num_classes + prediction]; its trace is the right ones. The
   * trainer's, until the next pass begins. NULL: a training pass, or more than
   * CNN3D_CONFUSION_CLASSES classes. */
  const guint64 *confusion;
  /* Of that: the means over the classes that are labelled or predicted at all, as
   * cnn3deval tells them, and how many clips of each class were told right, as a
   * part of 1, NaN where it has none. NaN and NULL where there is no confusion. */
  gdouble recall, f1;
  const gdouble *class_accuracy;        /* [num_classes] */
  Cnn3dProgress last;           /* the batch that was under way, or the short last group's step (last.stepped) */
  gboolean checkpoint_due;      /* as in Cnn3dProgress */
} Cnn3dPassResult;

/* Where training stands: what a resumed run has behind it. */
typedef struct {
  guint64 position;             /* the next clip, in the run's order */
  guint64 step, steps_skipped;  /* optimizer steps so far */
  guint epoch;                  /* of the pass that comes next or goes on */
  gboolean training;            /* what kind of pass that is */
} Cnn3dRunMark;

/* The best epoch by the monitor, with the figures of its last pass. */
typedef struct {
  gboolean known;               /* FALSE: no epoch was measured, or an older version has saved it */
  guint epoch;                  /* from 0 */
  gboolean validated;           /* that pass was a validation */
  gdouble loss, accuracy;
} Cnn3dBest;

/* Where a checkpoint that is saved now stands. */
typedef struct {
  guint64 step;                 /* optimizer steps; 0: there is nothing to save */
  guint epoch;                  /* from 0 */
  gboolean training;
  guint64 clip, clips;          /* of the pass; clips is 0 between two passes */
} Cnn3dSavedAt;

/* Sets up everything and takes all memory: back end, network, plan, weights
 * (pretrained, or drawn from the seed). Strings are copied. NULL with error. */
CNN3D_API Cnn3dTrainer *cnn3d_trainer_new (const Cnn3dTrainerParams * params, guint batch, GError ** error);
CNN3D_API void cnn3d_trainer_free (Cnn3dTrainer ** trainer);

/* Weights that `pretrained` lacked, or had in another size, and that were left out, and
 * those of it that the model does not have: "name (reason)", NULL-terminated;
 * owned by the trainer. */
CNN3D_API const gchar *const *cnn3d_trainer_left_out (const Cnn3dTrainer * trainer);
/* What stands before all names in `pretrained`, such as "model."; NULL: nothing. */
CNN3D_API const gchar *cnn3d_trainer_prefix (const Cnn3dTrainer * trainer);
/* The device's name, and the precision that is really used. */
CNN3D_API const gchar *cnn3d_trainer_device (const Cnn3dTrainer * trainer);
CNN3D_API Cnn3dPrecision cnn3d_trainer_precision (const Cnn3dTrainer * trainer);
CNN3D_API const Cnn3dNetwork *cnn3d_trainer_network (const Cnn3dTrainer * trainer);

CNN3D_API void cnn3d_trainer_memory (const Cnn3dTrainer * trainer, Cnn3dMemory * memory);
/* How it runs: the micro-batch and the recomputation that were chosen. */
CNN3D_API guint cnn3d_trainer_micro_batch (const Cnn3dTrainer * trainer);
CNN3D_API Cnn3dRecompute cnn3d_trainer_recompute (const Cnn3dTrainer * trainer);
/* Bytes that it may take in all, context included. */
CNN3D_API guint64 cnn3d_trainer_budget (const Cnn3dTrainer * trainer);
/* Bytes in use of a device that has memory of its own: what was planned, which
 * is taken, and the context. 0: the device's memory is the process's. */
CNN3D_API guint64 cnn3d_trainer_device_memory (const Cnn3dTrainer * trainer);
/* Why device=auto did not take the GPU that is here; NULL: it did, there is none,
 * or a device was named. Owned by the trainer. */
CNN3D_API const gchar *cnn3d_trainer_passed_over (const Cnn3dTrainer * trainer);

/* As of the last batch that was reported. */
CNN3D_API void cnn3d_trainer_get_mark (const Cnn3dTrainer * trainer, Cnn3dRunMark * mark);
CNN3D_API void cnn3d_trainer_get_saved_at (const Cnn3dTrainer * trainer, Cnn3dSavedAt * at);
CNN3D_API void cnn3d_trainer_get_best (const Cnn3dTrainer * trainer, Cnn3dBest * best);
/* Clips of the pass so far, those before a resume included. */
CNN3D_API guint64 cnn3d_trainer_pass_clips (const Cnn3dTrainer * trainer);

/* Restores `checkpoint_dir`'s last checkpoint. FALSE without error: there is none.
 * *position: the clip to go on with. *ended: the training pass that ends here because
 * the checkpoint stands behind its last clip; its `clips` is 0 where there is none. A
 * checkpoint of another model, width or number of classes, of another optimizer, of
 * other class names or, without any_data, of other data is an error that says so. */
CNN3D_API gboolean cnn3d_trainer_resume (Cnn3dTrainer * trainer, guint64 * position, Cnn3dPassResult * ended,
    GError ** error);
/* After that: how the data differs, or that it cannot be seen, or that the epoch begins anew; NULL: nothing of it.
 * Owned by the trainer. */
CNN3D_API const gchar *cnn3d_trainer_data_note (const Cnn3dTrainer * trainer);

/* A pass begins, or goes on after a resume at `position`. first: position of
 * its first clip; clips: how many are listed (0: unknown); epochs: in all (0:
 * unknown); validates: whether a validation pass follows each training pass. */
typedef struct {
  guint epoch;
  gboolean training;
  guint64 first, position, clips;
  guint epochs;
  gboolean validates;
} Cnn3dPass;
CNN3D_API gboolean cnn3d_trainer_begin_pass (Cnn3dTrainer * trainer, const Cnn3dPass * pass, GError ** error);

/* A batch is trained on, or validated, as the pass says, in three calls. A batch may
 * be smaller than the trainer's (an epoch's last), never larger.
 *
 * Stages a batch: on a GPU brings it there, beside the batch that is under way. Its
 * memory is read until it was started. */
CNN3D_API gboolean cnn3d_trainer_stage (Cnn3dTrainer * trainer, const Cnn3dBatch * batch, GError ** error);
/* Waits for the batch that is under way and fills in its figures, with `ready` FALSE
 * where there is none. The end of a pass, saving and reading weights wait by
 * themselves. */
CNN3D_API gboolean cnn3d_trainer_wait (Cnn3dTrainer * trainer, Cnn3dProgress * progress, GError ** error);
/* Starts the staged batch; none may be under way. On a CPU it is done on return, and
 * its figures are filled in; on a GPU `ready` is FALSE. */
CNN3D_API gboolean cnn3d_trainer_start (Cnn3dTrainer * trainer, Cnn3dProgress * progress, GError ** error);
/* The three in one, for who saves nothing on the way. progress: of this batch on a
 * CPU, of the one before on a GPU. */
CNN3D_API gboolean cnn3d_trainer_run (Cnn3dTrainer * trainer, const Cnn3dBatch * batch, Cnn3dProgress * progress,
    GError ** error);

/* The pass is complete: a short last group steps, figures are made. position: the
 * next pass's first clip. */
CNN3D_API gboolean cnn3d_trainer_end_pass (Cnn3dTrainer * trainer, guint64 position, Cnn3dPassResult * result,
    GError ** error);

/* Saves the weights of an epoch that ended where they are among the best, and the
 * state as of the last optimizer step (what was accumulated since is left out, and
 * repeated after a resume). Does nothing where that is saved
 * already or there is no checkpoint-dir; *path (may be NULL): g_free(). */
CNN3D_API gboolean cnn3d_trainer_save (Cnn3dTrainer * trainer, gchar ** path, GError ** error);

/* --- for tests and tools --- */
/* A parameter's values or gradient (of the group so far, divided by its clips, or their weights;
 * with keep_gradients), in PyTorch's layout; g_free(). NULL with error. */
CNN3D_API gfloat *cnn3d_trainer_get_weight (Cnn3dTrainer * trainer, guint param, GError ** error);
CNN3D_API gfloat *cnn3d_trainer_get_gradient (Cnn3dTrainer * trainer, guint param, GError ** error);
/* Logits (N, num_classes) of a batch, in evaluation mode. */
CNN3D_API gboolean cnn3d_trainer_logits (Cnn3dTrainer * trainer, const Cnn3dBatch * batch, gfloat * logits,
    GError ** error);

#endif
