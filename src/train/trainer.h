/* trainer.h: trains a model: takes batches, writes weights and checkpoints.
 *
 * The caller gives each batch's position in the run's order of clips. The trainer accumulates
 * gradients, steps the optimizer, computes the metrics of each pass, and saves. It is used by one
 * thread at a time and does not depend on GStreamer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TRAINER_H
#define CNN3D_TRAINER_H

#include "src/comm/comm.h"
#include "src/model/modelfile.h"
#include "src/session/session.h"
#include "src/train/lr.h"

/* Identifies the data set; order is NULL: unknown. The digests are clipsrc's: of the clips in any
 * order, of the clips with their labels, and of both in their order; and of the clips and labels to
 * validate on alone, or NULL. */
typedef struct {
  guint64 rows;
  guint64 training_clips, validation_clips; /* per epoch */
  const gchar *clips, *labels, *order, *validation;
} Cnn3dRunData;

/* All settings of a run. Initialize with cnn3d_trainer_params_init(), then change. */
typedef struct {
  /* height, width, frames, channels, points, persons, views: from the first batch */
  Cnn3dNetworkParams network;
  const gchar *pretrained; /* a safetensors file; NULL: none */
  /* comma-separated name prefixes of parameters that do not train; `backbone`: all but the last
   * layer; `batch-norm`: batch norm uses and keeps the running statistics. NULL: none */
  const gchar *freeze;
  const gchar *device;          /* auto, cpu, cuda, cuda:N */
  guint threads;                /* 0: one per core */
  Cnn3dConvolution convolution; /* on a CPU */
  Cnn3dPrecision precision;
  Cnn3dType frames_type; /* of the batches, or a wider type */
  /* On a GPU: reproducible bits; precision 32 may multiply in TF32; the fastest algorithm of each
   * convolution is found by timing. All TRUE by default. */
  gboolean deterministic, tf32, benchmark;
  guint accumulate; /* batches per optimizer step */
  Cnn3dUpdateRule optimizer;
  gdouble momentum, weight_decay;
  Cnn3dLrParams lr; /* `epochs` is set by cnn3d_trainer_begin_pass() */
  gdouble label_smoothing;
  /* in the training loss, (num_classes), each above 0; NULL: all 1. A mean is then weighted by the
   * clips' labels, as in torch.nn.CrossEntropyLoss */
  const gfloat *class_weights;
  /* (num_classes) training clips of each class, for the log only; NULL: unknown */
  const guint64 *class_clips;
  gdouble gradient_clip; /* global norm; 0: none */
  guint64 seed;
  const gchar *checkpoint_dir; /* NULL: nothing is saved */
  /* optimizer steps between checkpoints within an epoch; 0: only after epochs */
  guint checkpoint_interval;
  guint save_top_k; /* best weights kept, in addition to the last */
  Cnn3dMonitor monitor;
  guint patience; /* epochs without a better monitor before stopping; 0: never */
  /* Memory. None of these changes what a step computes, except that batch norm sees one micro-batch
   * at a time. */
  Cnn3dRecompute recompute; /* auto: the fastest that fits */
  guint64 max_memory;       /* bytes; 0: what the device has */
  gboolean auto_fit;        /* batches may be split into micro-batches to fit */
  guint micro_batch;        /* most clips at once; 0: whole batches */
  /* of the ranks that train the model together; must outlive the trainer. NULL: this process alone */
  Cnn3dComm *comm;
  /* batch norm's statistics are those of all ranks' batches; one process alone ignores it */
  gboolean sync_batch_norm;
  guint
      ranks; /* how many; with `comm` it is set by cnn3d_trainer_new(). 0, 1: this process alone */
  /* for cnn3d_trainer_get_gradient() after a step; disables updates layer by layer */
  gboolean keep_gradients;
  /* num_classes names, NULL-terminated, stored with the weights; or NULL */
  const gchar *const *classes;
  /* network.views names, NULL-terminated, likewise; NULL: none */
  const gchar *const *view_names;
  Cnn3dPreparation preparation; /* of the clips, stored with the weights */
  Cnn3dRunData data;            /* stored with the state */
  /* fraction of a pass's clips: an epoch that skipped more before its checkpoint is resumed at its
   * start, and cnn3d_trainer_data_note() says so; 1: never */
  gdouble max_skipped;
  /* resume from a checkpoint of other data, and report it in cnn3d_trainer_data_note() */
  gboolean any_data;
} Cnn3dTrainerParams;

#define CNN3D_MOST_CLASS_WEIGHT 1e6

CNN3D_API void cnn3d_trainer_params_init (Cnn3dTrainerParams *params);
/* Whether batch norm, with this `freeze`, normalises with its running statistics. */
CNN3D_API gboolean cnn3d_freezes_norm (const gchar *freeze);

typedef struct _Cnn3dTrainer Cnn3dTrainer;

/* A batch of N samples: frames (N, V, T, H, W, C) and N labels, in host memory. V: the network's
 * views; positions, steps and metrics count samples, and call them clips. */
typedef struct {
  gconstpointer frames;
  Cnn3dType type;
  const gint32 *labels;
  guint n;
  /* in the run's order of clips: of the clip after this batch. Of a pass whose clips are listed, each
   * `batch` clips are a batch, with fewer where some were skipped */
  guint64 position;
  /* key points (N, V, T, M, K, 3), see Cnn3dBinding; NULL: the network does not read them */
  const gfloat *points;
  const guint8 *present; /* (N, V), 0: a missing view; NULL: all are present */
} Cnn3dBatch;

/* State after a batch. */
typedef struct {
  gboolean ready;   /* FALSE: no batch has finished; all that follows is 0 */
  guint epoch;      /* from 0 */
  guint64 step;     /* optimizer steps so far */
  guint64 clips;    /* of the pass so far */
  gboolean stepped; /* this batch ended an optimizer step */
  gboolean skipped; /* it would have, but its gradients overflowed: the loss scale was too large */
  gdouble loss_scale;    /* of the next step; 1 except with 16-mixed */
  guint64 steps_skipped; /* so far */
  gdouble loss,
      accuracy; /* of the optimizer step's clips (training) or of the batch; accuracy 0 to 1 */
  gdouble pass_loss, pass_accuracy; /* of the pass so far */
  gdouble lr;
  gdouble gradient_norm; /* before clipping; 0: no clipping */
  /* cnn3d_trainer_save() is to be called after this batch is logged and before the next one starts.
   * The log then contains everything that a resumed run does not repeat. */
  gboolean checkpoint_due;
} Cnn3dProgress;

/* The most classes for which validation passes compute a confusion matrix (8 MiB). */
#define CNN3D_CONFUSION_CLASSES 1000

/* Result of a pass. */
typedef struct {
  guint epoch;
  gboolean training;
  guint64 clips;
  gdouble loss, accuracy;  /* NaN: no clips */
  gboolean epoch_complete; /* the epoch has no further pass */
  gboolean improved;       /* the monitor is the best so far */
  gboolean stop;           /* patience has run out */
  /* Clips of a validation pass by label and by prediction (the first of the largest logits): [label
   * * num_classes + prediction]; the diagonal counts the correct ones. Owned by the trainer, valid
   * until the next pass begins. NULL: a training pass, or more than CNN3D_CONFUSION_CLASSES
   * classes. */
  const guint64 *confusion;
  /* From the confusion matrix: means over the classes that are labelled or predicted at all, as in
   * cnn3deval, and the fraction of each class's clips that were classified correctly, NaN for a
   * class without clips. NaN and NULL without a confusion matrix. */
  gdouble recall, f1;
  const gdouble *class_accuracy; /* [num_classes] */
  /* the batch that was running, or the step of an incomplete last group (last.stepped) */
  Cnn3dProgress last;
  gboolean checkpoint_due; /* as in Cnn3dProgress */
} Cnn3dPassResult;

/* Position of training: what a resumed run does not repeat. */
typedef struct {
  guint64 position;            /* the next clip, in the run's order */
  guint64 step, steps_skipped; /* optimizer steps so far */
  guint epoch;                 /* of the next or current pass */
  gboolean training;           /* kind of that pass */
  gdouble lr;                  /* of the last step */
} Cnn3dRunMark;

/* The best epoch by the monitor, with the metrics of its last pass. */
typedef struct {
  gboolean known;     /* FALSE: no epoch was measured, or an older version saved it */
  guint epoch;        /* from 0 */
  gboolean validated; /* that pass was a validation pass */
  gdouble loss, accuracy;
} Cnn3dBest;

/* Position that a checkpoint saved now would have. */
typedef struct {
  guint64 step; /* optimizer steps; 0: there is nothing to save */
  guint epoch;  /* from 0 */
  gboolean training;
  guint64 clip, clips; /* of the pass; clips is 0 between two passes */
  guint epochs_since_best;
} Cnn3dSavedAt;

/* Opens the back end, builds network and plan, allocates all memory and initializes the weights
 * (pretrained, or drawn from the seed). Strings are copied. NULL with error. Free with
 * cnn3d_trainer_free(). */
CNN3D_API Cnn3dTrainer *cnn3d_trainer_new (
    const Cnn3dTrainerParams *params, guint batch, GError **error);
CNN3D_API void cnn3d_trainer_free (Cnn3dTrainer **trainer);

/* Weights that `pretrained` lacks or has in another shape, which keep their initial values, and
 * weights of it that the model does not have: "name (reason)", NULL-terminated; owned by the
 * trainer. */
CNN3D_API const gchar *const *cnn3d_trainer_left_out (const Cnn3dTrainer *trainer);
/* Prefix of all names in `pretrained`, such as "model."; NULL: none. */
CNN3D_API const gchar *cnn3d_trainer_prefix (const Cnn3dTrainer *trainer);
/* The device's name, and the precision that it uses. */
CNN3D_API const gchar *cnn3d_trainer_device (const Cnn3dTrainer *trainer);
CNN3D_API Cnn3dPrecision cnn3d_trainer_precision (const Cnn3dTrainer *trainer);
CNN3D_API const Cnn3dNetwork *cnn3d_trainer_network (const Cnn3dTrainer *trainer);

CNN3D_API void cnn3d_trainer_memory (const Cnn3dTrainer *trainer, Cnn3dMemory *memory);
/* Whether memory.context was measured, or what it is; owned by the trainer. */
CNN3D_API const gchar *cnn3d_trainer_context_source (const Cnn3dTrainer *trainer);
/* The chosen micro-batch, in clips, and recomputation. */
CNN3D_API guint cnn3d_trainer_micro_batch (const Cnn3dTrainer *trainer);
CNN3D_API Cnn3dRecompute cnn3d_trainer_recompute (const Cnn3dTrainer *trainer);
/* Clips that a validation pass runs at once, and what that is where memory does (see Cnn3dBackend; 0:
 * any). */
CNN3D_API guint cnn3d_trainer_evaluation_batch (const Cnn3dTrainer *trainer);
CNN3D_API guint cnn3d_trainer_evaluation_slice (const Cnn3dTrainer *trainer);
/* How the device started its passes so far; FALSE: it records none. */
CNN3D_API gboolean cnn3d_trainer_passes (const Cnn3dTrainer *trainer, Cnn3dDevicePasses *passes);
/* Bytes that this rank sends to others for an optimizer step, by count; 0: it trains alone. */
CNN3D_API guint64 cnn3d_trainer_sends (const Cnn3dTrainer *trainer);
/* Bytes that training may use in total, including the context. */
CNN3D_API guint64 cnn3d_trainer_budget (const Cnn3dTrainer *trainer);
/* Bytes in use on a device that has its own memory: what was planned and allocated, and the
 * context. 0: the device uses the process's memory. */
CNN3D_API guint64 cnn3d_trainer_device_memory (const Cnn3dTrainer *trainer);
/* Why device=auto did not take the GPU of this machine; NULL: it did, there is none, or a device
 * was named. Owned by the trainer. */
CNN3D_API const gchar *cnn3d_trainer_passed_over (const Cnn3dTrainer *trainer);

/* As of the last batch that was reported. */
CNN3D_API void cnn3d_trainer_get_mark (const Cnn3dTrainer *trainer, Cnn3dRunMark *mark);
CNN3D_API void cnn3d_trainer_get_saved_at (const Cnn3dTrainer *trainer, Cnn3dSavedAt *at);
CNN3D_API void cnn3d_trainer_get_best (const Cnn3dTrainer *trainer, Cnn3dBest *best);
/* Clips of the pass so far, including those before a resume. */
CNN3D_API guint64 cnn3d_trainer_pass_clips (const Cnn3dTrainer *trainer);

/* Restores the last checkpoint in `checkpoint_dir`. FALSE without error: there is none. *position:
 * the next clip. *ended: the training pass that ends here because the checkpoint is after its last
 * clip; `clips` is 0 if none does. A checkpoint of another model, width or number of classes, of
 * another optimizer, of other class names or, without any_data, of other data is an error that says
 * so. */
CNN3D_API gboolean cnn3d_trainer_resume (
    Cnn3dTrainer *trainer, guint64 *position, Cnn3dPassResult *ended, GError **error);
/* After cnn3d_trainer_resume(): how the data differs, that it is unknown, or that the epoch starts
 * over; NULL: none of these. Owned by the trainer. */
CNN3D_API const gchar *cnn3d_trainer_data_note (const Cnn3dTrainer *trainer);

/* Starts a pass, or continues it after a resume at `position`. first: position of its first clip;
 * clips: listed clips (0: unknown); epochs: total (0: unknown); validates: whether a validation
 * pass follows each training pass. */
typedef struct {
  guint epoch;
  gboolean training;
  guint64 first, position, clips;
  guint epochs;
  gboolean validates;
} Cnn3dPass;
CNN3D_API gboolean cnn3d_trainer_begin_pass (
    Cnn3dTrainer *trainer, const Cnn3dPass *pass, GError **error);

/* Makes this thread work for the trainer's device, which cnn3d_comm_leave() needs. */
CNN3D_API void cnn3d_trainer_enter (Cnn3dTrainer *trainer);

/* Tells the other ranks that this one ends here, after the batches so far; all then save once more
 * and end. reason: why it failed; NULL: it was stopped. FALSE: they were not told, because there are
 * none, or no pass has begun, or one of them has failed. */
CNN3D_API gboolean cnn3d_trainer_leave (Cnn3dTrainer *trainer, const gchar *reason);
/* At a pass's end, after cnn3d_trainer_close_group() and before cnn3d_trainer_end_pass(): adds up a
 * count over all ranks. */
CNN3D_API gboolean cnn3d_trainer_add_up (Cnn3dTrainer *trainer, guint64 *count, GError **error);

/* A batch is trained or validated, as the pass requires, in several calls. It may be smaller than the
 * trainer's batch (the last of an epoch), never larger.
 *
 * Stages a batch: on a GPU copies it to the device while the previous batch runs. Its memory must
 * remain valid until the batch has been started. */
CNN3D_API gboolean cnn3d_trainer_stage (
    Cnn3dTrainer *trainer, const Cnn3dBatch *batch, GError **error);
/* Waits for the running batch and fills in its results; `ready` is FALSE if there is none. Ending a
 * pass, saving and reading weights wait by themselves. */
CNN3D_API gboolean cnn3d_trainer_wait (
    Cnn3dTrainer *trainer, Cnn3dProgress *progress, GError **error);
/* What comes before `next`, because all clips of a batch were skipped: the step of a group that is
 * incomplete for that reason, or, with ranks, a round without a batch of this one. None may be
 * running. next is NULL: the pass ends. To be called until `ready` is FALSE. */
CNN3D_API gboolean cnn3d_trainer_close_group (
    Cnn3dTrainer *trainer, const Cnn3dBatch *next, Cnn3dProgress *progress, GError **error);
/* Starts the staged batch; none may be running. On a CPU it has finished on return and its results
 * are filled in; on a GPU `ready` is FALSE. */
CNN3D_API gboolean cnn3d_trainer_start (
    Cnn3dTrainer *trainer, Cnn3dProgress *progress, GError **error);
/* All these calls in one, for callers that do not save in between. progress: of this batch on a
 * CPU, of the previous one on a GPU. */
CNN3D_API gboolean cnn3d_trainer_run (
    Cnn3dTrainer *trainer, const Cnn3dBatch *batch, Cnn3dProgress *progress, GError **error);

/* Ends the pass: steps with an incomplete last group and computes the metrics. position: the first
 * clip of the next pass. */
CNN3D_API gboolean cnn3d_trainer_end_pass (
    Cnn3dTrainer *trainer, guint64 position, Cnn3dPassResult *result, GError **error);

/* Saves the weights of an epoch that ended if they are among the best, and the state as of the last
 * optimizer step (batches accumulated since are not saved, and repeated after a resume). Does
 * nothing if that is saved already, before the first step, or without a checkpoint-dir. *path (may
 * be NULL): free with g_free(). */
CNN3D_API gboolean cnn3d_trainer_save (Cnn3dTrainer *trainer, gchar **path, GError **error);

/* --- for tests and tools --- */
/* A parameter's values or gradient (of the group so far, divided by its clips, or their weights;
 * needs keep_gradients), in PyTorch's layout; free with g_free(). NULL with error. */
CNN3D_API gfloat *cnn3d_trainer_get_weight (Cnn3dTrainer *trainer, guint param, GError **error);
CNN3D_API gfloat *cnn3d_trainer_get_gradient (Cnn3dTrainer *trainer, guint param, GError **error);
/* Logits, (N, num_classes), of a batch, in evaluation mode. FALSE with error. */
CNN3D_API gboolean cnn3d_trainer_logits (
    Cnn3dTrainer *trainer, const Cnn3dBatch *batch, gfloat *logits, GError **error);

#endif
