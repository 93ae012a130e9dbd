/* backend.h: what a back end offers, as one table of functions.
 *
 * A back end knows operations, layouts and devices; it knows no optimizer's
 * schedule, no data set and no files. It is a module loaded at run time, which
 * exports `const Cnn3dBackend *cnn3d_backend (void)`.
 *
 * One device is used by one thread at a time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_BACKEND_H
#define CNN3D_BACKEND_H

#include "src/network/network.h"
#include "src/plan/plan.h"

#define CNN3D_BACKEND_ABI 7

#define CNN3D_BACKEND_ERROR (cnn3d_backend_error_quark ())
CNN3D_API GQuark cnn3d_backend_error_quark (void);
typedef enum {
  CNN3D_BACKEND_ERROR_MISSING,  /* no such back end or device here */
  CNN3D_BACKEND_ERROR_UNSUPPORTED,      /* what was asked for does not run here */
  CNN3D_BACKEND_ERROR_MEMORY,
  CNN3D_BACKEND_ERROR_FAILED,   /* a library or the device failed */
} Cnn3dBackendError;

typedef enum {
  CNN3D_TYPE_UINT8,             /* 0..255: normalised by the first operation */
  CNN3D_TYPE_FLOAT16,           /* taken as normalised already */
  CNN3D_TYPE_FLOAT32,
} Cnn3dType;

/* Bytes of one number; of a clip as it arrives, (T, H, W, C). */
CNN3D_API gsize cnn3d_type_size (Cnn3dType type);
CNN3D_API gsize cnn3d_clip_bytes (const Cnn3dNetworkParams * params, Cnn3dType type);

typedef struct _Cnn3dDevice Cnn3dDevice;
typedef struct _Cnn3dModel Cnn3dModel;
typedef struct _Cnn3dProgram Cnn3dProgram;

typedef struct {
  gint index;                   /* which device; ignored on the CPU */
  guint threads;                /* 0: one a core that this process may use */
  /* A file that describes a device which need not be here (configs/gpus). What
   * is opened so tells sizes and runs nothing. NULL: the device that is here. */
  const gchar *profile;
  Cnn3dConvolution convolution; /* ignored on GPUs */
  /* The rest is for GPUs; a CPU always gives the same bits. */
  gboolean deterministic;       /* the same bits every time */
  gboolean tf32;                /* precision 32 may multiply with TF32's 11 digits of 24 */
  gboolean benchmark;           /* convolutions' algorithms are timed, and the fastest taken */
} Cnn3dDeviceParams;

typedef struct {
  guint64 total;                /* bytes that the device has, for this process */
  guint64 available;            /* that are free now; `total` for a profile */
  guint64 context;              /* that driver and libraries take beside alloc()'s, as measured or as a bound */
  const gchar *context_source;  /* where that figure is from; static or the device's */
} Cnn3dDeviceMemory;

/* What a device does at best, for comparing plans: multiply-adds and bytes a
 * second, and seconds to start a step. Shares of one device's plans are what
 * these are good for, not seconds. */
typedef struct {
  gdouble macs_per_second;      /* of a convolution in the precision asked about */
  gdouble bytes_per_second;
  gdouble step_seconds;
} Cnn3dDeviceSpeed;

/* Where the weights of a model lie in the back end's own layout: numbers of
 * floats from the start of one array, padding included, each a multiple of 16.
 * Trained parameters come first and fill [0, trained); gradients and optimizer
 * state are arrays of `trained` floats with the same offsets. Padding is zero
 * and stays zero under every update rule. Running statistics lie in PyTorch's
 * order. */
typedef struct {
  gsize *offset;                /* [parameter], floats */
  gsize *length;                /* [parameter], floats */
  gsize trained;                /* floats */
  gsize total;                  /* floats, running statistics included */
  gsize copy_bytes;             /* of the copy in the precision that is computed with */
} Cnn3dWeightLayout;

/* One optimizer step: torch.optim's SGD (dampening 0, no Nesterov), Adam and
 * AdamW (no amsgrad) to the letter. */
typedef struct {
  Cnn3dUpdateRule rule;
  gfloat lr, momentum, beta1, beta2, eps, weight_decay;
  gfloat gradient_scale;        /* the gradient is multiplied by it first */
  guint64 step;                 /* from 1 */
  /* Of whole updates: the gradient's norm is found first; where that is not
   * finite, nothing is changed. clip: the largest norm, beyond which gradients
   * shrink to it (torch.nn.utils.clip_grad_norm_); 0: any. */
  gboolean checks;
  gfloat clip;
} Cnn3dUpdate;

/* The arrays of a model in training. */
typedef struct {
  gfloat *weights;              /* masters and running statistics: layout.total */
  gpointer copy;                /* layout.copy_bytes; NULL where that is 0 */
  gfloat *gradients;            /* layout.trained; NULL unless training, or where steps have a place for them */
  gfloat *first, *second;       /* the rule's state (momentum; Adam's moments): layout.trained; NULL where it has none */
  const gboolean *trained;      /* [parameter] */
} Cnn3dArrays;

/* Everything else that a step reads and writes beside the arena. */
typedef struct {
  guint8 *arena;
  Cnn3dArrays arrays;
  gboolean accumulate;          /* add to gradients; otherwise they are replaced */
  gconstpointer frames;         /* (N, T, H, W, C) of frames_type, on the device */
  Cnn3dType frames_type;
  const gint32 *labels;         /* N, on the device; NULL: no loss */
  gfloat label_smoothing;
  const gfloat *class_weights;  /* of the loss: num_classes, on the device; NULL: each 1 */
  gfloat loss_scale;            /* multiplies the gradient of the summed loss */
  gboolean training;            /* dropout */
  gboolean batch_statistics;    /* batch norm normalises with the batch's own and updates the running ones */
  guint64 seed, step;           /* dropout's key: the first clip's number; the next has the next */
  const Cnn3dUpdate *update;    /* for update steps, which change nothing where the loss is not finite */
  gfloat *logits;               /* out, on the host: (N, num_classes); may be NULL */
} Cnn3dBinding;

/* What a pass has to tell. */
typedef struct {
  gdouble loss_sum;             /* over the clips */
  guint correct;                /* clips whose largest logit is the label's */
} Cnn3dResults;

typedef struct {
  Cnn3dPrecision precision;
  /* A copy of the weights in the precision that is computed with is kept;
   * otherwise each layer's is made again when it is needed. */
  gboolean keeps_copy;
} Cnn3dModelParams;

typedef struct {
  guint batch;                  /* clips in a micro-batch */
  gboolean training;            /* otherwise clip by clip: what comes out of one doesn't depend on the others */
  gboolean accumulates;         /* bindings may ask to add to gradients, which takes room for one layer's */
  gboolean sizes_only;          /* it will not run: quicker to make */
  /* Clips of the run's whole batches: a short one is cut into slices no larger,
   * so that it needs no more memory. 0: this is a whole one. */
  guint most;
  gboolean checks;              /* see program_replaced(): even though it will not run */
} Cnn3dProgramParams;

typedef struct {
  guint abi;                    /* CNN3D_BACKEND_ABI */
  const gchar *name;            /* cpu, cuda */

  /* What devices there are: a line for each, as `device` names them, a colon and
   * what it is; NULL-terminated, g_strfreev(). Empty with error: why there is none. */
  gchar **(*list) (GError ** error);
  Cnn3dDevice *(*open) (const Cnn3dDeviceParams * params, GError ** error);
  void (*close) (Cnn3dDevice ** device);
  /* A person's name for it; owned by the device. */
  const gchar *(*describe) (Cnn3dDevice * device);
  /* bf16 where 16-mixed was asked of a CPU, and so on; what it will really use. */
  gboolean (*resolve_precision) (Cnn3dDevice * device, Cnn3dPrecision * precision, GError ** error);

  void (*memory) (Cnn3dDevice * device, Cnn3dDeviceMemory * memory);
  void (*speed) (Cnn3dDevice * device, Cnn3dPrecision precision, Cnn3dDeviceSpeed * speed);

  /* Device memory, 64-byte aligned, zeroed. NULL with error when there is none. */
  gpointer (*alloc) (Cnn3dDevice * device, gsize bytes, GError ** error);
  void (*free) (Cnn3dDevice * device, gpointer memory, gsize bytes);
  gboolean (*upload) (Cnn3dDevice * device, gpointer to, gconstpointer from, gsize bytes, GError ** error);
  gboolean (*download) (Cnn3dDevice * device, gpointer to, gconstpointer from, gsize bytes, GError ** error);

  /* Whether run(), update() and what follows return before their work is done,
   * one after the other as they were asked for, until finish() waits for all. Then
   * clips must be brought to the device first. */
  gboolean asynchronous;
  /* For such a device: host memory to the device, beside the work that is under
   * way; the next run() waits for it. `from` may be used again at once; nothing
   * that is under way may read `to`. */
  gboolean (*stage) (Cnn3dDevice * device, gpointer to, gconstpointer from, gsize bytes, GError ** error);
  /* As download(), when what was asked for before is done: `to` is filled when
   * finish() returned. */
  gboolean (*fetch) (Cnn3dDevice * device, gpointer to, gconstpointer from, gsize bytes, GError ** error);
  gboolean (*finish) (Cnn3dDevice * device, GError ** error);

  /* A network in one precision: decides the weights' layout. The network must
   * outlive the model. */
  Cnn3dModel *(*model_new) (Cnn3dDevice * device, const Cnn3dNetwork * network, const Cnn3dModelParams * params,
      GError ** error);
  void (*model_free) (Cnn3dModel ** model);
  const Cnn3dWeightLayout *(*model_layout) (Cnn3dModel * model);
  /* One parameter between PyTorch's layout on the host (`count` floats) and the
   * model's in `array` (on the device, whole: the parameter's offset applies). */
  gboolean (*import_weight) (Cnn3dModel * model, guint param, const gfloat * values, gfloat * array, GError ** error);
  gboolean (*export_weight) (Cnn3dModel * model, guint param, const gfloat * array, gfloat * values, GError ** error);
  /* Refreshes the copy from the masters. */
  gboolean (*refresh) (Cnn3dModel * model, const gfloat * weights, gpointer copy, GError ** error);

  Cnn3dProgram *(*program_new) (Cnn3dModel * model, const Cnn3dProgramParams * params, GError ** error);
  void (*program_free) (Cnn3dProgram ** program);
  const Cnn3dSizes *(*program_sizes) (Cnn3dProgram * program);
  /* A program that will run is checked as it is made, and one that asks for it.
   * Was something found wrong then, and replaced for good by what may take other
   * memory than was told before? NULL: there are no such checks. */
  gboolean (*program_replaced) (Cnn3dProgram * program);
  /* Steps of one plan, in order; the first op's forward step begins a pass.
   * Steps that come again with the same address and the same kind of binding may
   * be replayed. results: filled where the loss is among them, when finish()
   * returned; NULL: not wanted. */
  gboolean (*run) (Cnn3dProgram * program, const Cnn3dStep * steps, guint n_steps, const Cnn3dBinding * binding,
      Cnn3dResults * results, GError ** error);

  /* An activation, from where it lies in the arena, to host memory: (batch, C, D, H,
   * W), unpadded. Waits for what is under way. */
  gboolean (*read_activation) (Cnn3dProgram * program, gint tensor, gconstpointer place, gfloat * values,
      GError ** error);

  /* An optimizer step with all that trains; the copy follows. squares: when
   * finish() returned, the sum of the squares of the gradients times
   * gradient_scale, where update->checks or ->clip; not finite: nothing was
   * changed. May be NULL. */
  gboolean (*update) (Cnn3dModel * model, const Cnn3dArrays * arrays, const Cnn3dUpdate * update, gdouble * squares,
      GError ** error);
} Cnn3dBackend;

/* Finds, loads and checks a back end's module: in $CNN3D_BACKEND_PATH, beside
 * libcnn3d, where it was installed. Never unloaded. NULL with error: says what
 * is missing and where it was looked for. */
CNN3D_API const Cnn3dBackend *cnn3d_backend_load (const gchar * name, GError ** error);

/* Opens the device that `name` says: auto (or NULL: the first that opens, a GPU
 * before the CPU), cpu, cuda, or cuda:N; params' index is overwritten. *backend:
 * whose it is, to close it with. *passed_over (g_free(); may be NULL): why auto did
 * not take the GPU that is here. NULL with error: CNN3D_BACKEND_ERROR_UNSUPPORTED
 * where the name is none. */
CNN3D_API Cnn3dDevice *cnn3d_backend_open_device (const gchar * name, const Cnn3dDeviceParams * params,
    const Cnn3dBackend ** backend, gchar ** passed_over, GError ** error);

/* The devices of all back ends, in the order in which device=auto tries them: a
 * line for each, "cuda:0: NVIDIA ..., 79.1 GiB, ...", "cpu: ...", and for a back
 * end without any, "cuda: none: " and why. Loads the back ends and asks their
 * drivers, which may take a second. NULL-terminated; g_strfreev(). */
CNN3D_API gchar **cnn3d_backend_list_devices (void);

#endif
