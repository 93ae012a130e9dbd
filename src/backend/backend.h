/* backend.h: the interface of a back end, a table of functions.
 *
 * A back end implements operations, memory layouts and devices; it knows no learning-rate schedule,
 * no data set and no files. It is a module loaded at run time, which exports `const Cnn3dBackend
 * *cnn3d_backend (void)`.
 *
 * A device is used by one thread at a time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_BACKEND_H
#define CNN3D_BACKEND_H

#include "src/network/network.h"
#include "src/plan/plan.h"

#define CNN3D_BACKEND_ABI 13

#define CNN3D_BACKEND_ERROR (cnn3d_backend_error_quark ())
CNN3D_API GQuark cnn3d_backend_error_quark (void);
typedef enum {
  CNN3D_BACKEND_ERROR_MISSING,     /* no such back end or device on this machine */
  CNN3D_BACKEND_ERROR_UNSUPPORTED, /* the request is not supported here */
  CNN3D_BACKEND_ERROR_MEMORY,
  CNN3D_BACKEND_ERROR_FAILED, /* a library or the device failed */
} Cnn3dBackendError;

typedef enum {
  CNN3D_TYPE_UINT8,   /* 0..255: normalised by the first operation */
  CNN3D_TYPE_FLOAT16, /* must be normalised already */
  CNN3D_TYPE_FLOAT32,
} Cnn3dType;

/* Bytes of one element; of a sample's frames, (V, T, H, W, C), and of its key points,
 * (V, T, M, K, 3): 0 if the network does not read them. */
CNN3D_API gsize cnn3d_type_size (Cnn3dType type);
CNN3D_API gsize cnn3d_frames_bytes (const Cnn3dNetworkParams *params, Cnn3dType type);
CNN3D_API gsize cnn3d_points_bytes (const Cnn3dNetworkParams *params);

typedef struct _Cnn3dDevice Cnn3dDevice;
typedef struct _Cnn3dModel Cnn3dModel;
typedef struct _Cnn3dProgram Cnn3dProgram;
/* Memory beside the device's, which plans with recompute offload copy to and from. */
typedef struct _Cnn3dStore Cnn3dStore;

typedef struct {
  gint index;    /* device index; ignored on the CPU */
  guint threads; /* 0: one per core available to this process */
  /* A file that describes a GPU which need not be in this machine (configs/gpus). A device opened
   * from a profile reports sizes and runs nothing. NULL: the device of this machine. */
  const gchar *profile;
  Cnn3dConvolution convolution; /* ignored on GPUs */
  /* The rest is for GPUs; a CPU is always deterministic. */
  gboolean deterministic; /* the same bits every time */
  gboolean tf32;          /* precision 32 may multiply in TF32, with 11 of 24 significant digits */
  gboolean benchmark;     /* convolution algorithms are timed, and the fastest is taken */
} Cnn3dDeviceParams;

typedef struct {
  guint64 total; /* bytes of the device that this process may use */
  /* bytes that this process may take in addition to alloc()'s: free now, or in use by driver and
   * libraries already; `total` for a profile */
  guint64 available;
  /* bytes used by driver and libraries in addition to alloc(): measured, or a bound */
  guint64 context;
  const gchar *context_source; /* origin of `context`; static or owned by the device */
} Cnn3dDeviceMemory;

/* How a device started its passes so far. */
typedef struct {
  guint64 eager;       /* operation by operation */
  guint64 recorded;    /* recordings that were made */
  guint64 replayed;    /* passes that were started as one of them */
  guint64 failed;      /* recordings that failed: such passes stay eager, which is slower */
  const gchar *reason; /* of the first failure; NULL: none. Owned by the device */
} Cnn3dDevicePasses;

/* Peak rates of a device, for comparing plans: multiply-adds and bytes per second, and seconds to
 * start a step. Only their ratios on one device are meaningful, not absolute times. */
typedef struct {
  gdouble macs_per_second; /* of a convolution in the given precision */
  gdouble bytes_per_second;
  gdouble step_seconds;
  gdouble link_bytes_per_second; /* to the store, and back: a guess for a disk */
} Cnn3dDeviceSpeed;

/* Layout of a model's weights in the back end's format: indices of floats in one array, including
 * padding, each a multiple of 16. Trained parameters come first and fill [0, trained); gradients
 * and optimizer state are arrays of `trained` floats with the same offsets. Padding is zero and
 * remains zero under every update rule. Running statistics are in PyTorch's order. */
typedef struct {
  gsize *offset;    /* [parameter], floats */
  gsize *length;    /* [parameter], floats */
  gsize trained;    /* floats */
  gsize total;      /* floats, including running statistics */
  gsize copy_bytes; /* of the copy in the compute precision */
} Cnn3dWeightLayout;

/* One optimizer step: exactly torch.optim's SGD (dampening 0, no Nesterov), Adam and AdamW (no
 * amsgrad). */
typedef struct {
  Cnn3dUpdateRule rule;
  gfloat lr, momentum, beta1, beta2, eps, weight_decay;
  gfloat gradient_scale; /* factor on the gradient, applied first */
  guint64 step;          /* from 1 */
  /* For whole updates: the gradient's norm is computed first; if it is not finite, nothing is
   * updated. clip: the largest norm, to which larger gradients are scaled
   * (torch.nn.utils.clip_grad_norm_); 0: no clipping. */
  gboolean checks;
  gfloat clip;
  /* of a slice (see Cnn3dArrays): the sum of the squares of all gradients, before gradient_scale */
  gdouble squares;
} Cnn3dUpdate;

/* Floats that are updated as one piece: the squares of a gradient are added up in such pieces, and
 * then the pieces' sums in order. */
#define CNN3D_UPDATE_PIECE 16384

/* The arrays of a model in training. */
typedef struct {
  gfloat *weights;   /* master weights and running statistics: layout.total */
  gpointer copy;     /* layout.copy_bytes; NULL if that is 0 */
  gfloat *gradients; /* layout.trained; NULL unless training, or if steps store them in the arena */
  /* the rule's state (momentum; Adam's moments): layout.trained; NULL if the rule has none */
  gfloat *first, *second;
  const gboolean *trained; /* [parameter] */
  /* A slice of the trained floats, if count is not 0: gradients, first and second have only these
   * `count` floats from float `from` on, and an update changes no others, nor the copy. Begins and
   * ends where a piece does (cnn3d_next_stretch()). */
  gsize from, count;
} Cnn3dArrays;

/* How several processes' batches become one for batch norm. */
typedef struct {
  /* Replaces `n` values by their sums over all processes, which are the same bits for each of them.
   * All call it at the same steps, with as many values, from run()'s thread. */
  gboolean (*add) (gpointer data, gdouble *values, gsize n, GError **error);
  gpointer data;
} Cnn3dSync;

/* Everything that a step reads and writes outside the arena. */
typedef struct {
  guint8 *arena;
  Cnn3dStore *store; /* NULL: the plan's store_bytes are 0 */
  Cnn3dArrays arrays;
  gboolean accumulate; /* add to the gradients; FALSE: replace them */
  /* (N, V, T, H, W, C) of frames_type, on the device; V: the network's views */
  gconstpointer frames;
  Cnn3dType frames_type;
  /* (N, V, T, M, K, 3), on the device: x, y from 0 to 1 from the frame's left and top edge to its right
   * and bottom one, and a score, 0 for a missing point */
  const gfloat *points;
  /* (N, V), on the device: 0 where a view is missing; at least one of a sample is not. NULL: all are
   * present */
  const guint8 *present;
  const gint32 *labels; /* (N), on the device; NULL: no loss */
  gfloat label_smoothing;
  const gfloat *class_weights; /* of the loss, (num_classes), on the device; NULL: all 1 */
  gfloat loss_scale;           /* factor on the gradient of the summed loss */
  gboolean training;           /* enables dropout, of features and of views */
  /* batch norm normalises with the batch's statistics and updates the running ones */
  gboolean batch_statistics;
  /* with batch_statistics: they are those of all processes' batches; NULL: of this one's. Its program
   * must have `syncs` */
  const Cnn3dSync *sync;
  /* dropout's key: the number of the first sample; the others are consecutive */
  guint64 seed, step;
  const Cnn3dUpdate *update; /* for update steps, which change nothing if the loss is not finite */
  /* N; 0: the program's batch. Fewer only in evaluation, on devices with an evaluation_slice: the
   * rest of the program's batch is zeros, and counts neither in the loss nor in the logits. */
  guint samples;
  gfloat *logits; /* out, on the host: (N, num_classes); may be NULL */
} Cnn3dBinding;

/* Results of a pass. */
typedef struct {
  gdouble loss_sum; /* over the samples */
  guint correct;    /* samples whose largest logit is the label's */
} Cnn3dResults;

typedef struct {
  Cnn3dPrecision precision;
  /* A copy of the weights in the compute precision is kept; FALSE: each layer's copy is recomputed
   * when it is needed. */
  gboolean keeps_copy;
} Cnn3dModelParams;

typedef struct {
  guint batch;       /* samples in a micro-batch */
  gboolean training; /* FALSE: the clips are independent of each other */
  /* bindings may request adding to gradients, which needs memory for one layer's */
  gboolean accumulates;
  gboolean sizes_only; /* it will not run: faster to create */
  /* Samples of the run's whole batches: a short one has slices no larger than theirs, so that it
   * needs no more memory. 0: this is a whole one. */
  guint most;
  gboolean checks; /* see program_replaced(): even if it will not run */
  gboolean syncs;  /* bindings may have a sync, which needs memory for batch norm's sums */
} Cnn3dProgramParams;

typedef struct {
  guint abi;         /* CNN3D_BACKEND_ABI */
  const gchar *name; /* cpu, cuda */

  /* Lists the devices, a line each: the value for `device`, a colon and a description;
   * NULL-terminated, free with g_strfreev(). Empty with error: the reason why there is none. */
  gchar **(*list) (GError **error);
  Cnn3dDevice *(*open) (const Cnn3dDeviceParams *params, GError **error);
  void (*close) (Cnn3dDevice **device);
  /* The device's name for display; owned by the device. */
  const gchar *(*describe) (Cnn3dDevice *device);
  /* The precision that the device uses, for example bf16 if 16-mixed was requested on a CPU. */
  gboolean (*resolve_precision) (Cnn3dDevice *device, Cnn3dPrecision *precision, GError **error);

  void (*memory) (Cnn3dDevice *device, Cnn3dDeviceMemory *memory);
  /* NULL: nothing is recorded. */
  void (*passes) (Cnn3dDevice *device, Cnn3dDevicePasses *passes);
  void (*speed) (Cnn3dDevice *device, Cnn3dPrecision precision, Cnn3dDeviceSpeed *speed);

  /* Device memory, 64-byte aligned, zeroed. NULL with error if there is not enough. */
  gpointer (*alloc) (Cnn3dDevice *device, gsize bytes, GError **error);
  void (*free) (Cnn3dDevice *device, gpointer memory, gsize bytes);
  gboolean (*upload) (
      Cnn3dDevice *device, gpointer to, gconstpointer from, gsize bytes, GError **error);
  gboolean (*download) (
      Cnn3dDevice *device, gpointer to, gconstpointer from, gsize bytes, GError **error);

  /* A sample's results depend on the size of its program's batch here, not on its neighbours: all
   * evaluation runs this many samples at once, or fewer where memory is short, and a batch's last
   * ones with padding. 0: results do not depend on the batch's size. */
  guint evaluation_slice;

  /* Whether run(), update() and the functions below return before their work is done. Work runs in
   * the order of the calls; finish() waits for all of it. Batches must then be copied to the device
   * first. */
  gboolean asynchronous;
  /* For an asynchronous device: copies host memory to the device while other work runs; the next
   * run() waits for it. `from` may be reused at once; no running work may read `to`. */
  gboolean (*stage) (
      Cnn3dDevice *device, gpointer to, gconstpointer from, gsize bytes, GError **error);
  /* As download(), after all earlier work: `to` is filled when finish() has returned. */
  gboolean (*fetch) (
      Cnn3dDevice *device, gpointer to, gconstpointer from, gsize bytes, GError **error);
  gboolean (*finish) (Cnn3dDevice *device, GError **error);

  /* Whether a store is a file, which recompute=auto does not take; FALSE: pinned host memory. */
  gboolean stores_in_file;
  /* Bytes that a store may have now, G_MAXUINT64 if the device is a profile's; and where it would be
   * (static). FALSE with error: there can be none here. */
  gboolean (*store_room) (Cnn3dDevice *device, guint64 *bytes, const gchar **place, GError **error);
  /* All of it is taken at once. To be freed after finish(), and before the memory that steps copied
   * from and to. */
  Cnn3dStore *(*store_new) (Cnn3dDevice *device, gsize bytes, GError **error);
  void (*store_free) (Cnn3dStore **store);

  /* A network in one precision; determines the weights' layout. The network must outlive the
   * model. */
  Cnn3dModel *(*model_new) (Cnn3dDevice *device, const Cnn3dNetwork *network,
      const Cnn3dModelParams *params, GError **error);
  void (*model_free) (Cnn3dModel **model);
  const Cnn3dWeightLayout *(*model_layout) (Cnn3dModel *model);
  /* Convert one parameter between PyTorch's layout on the host (`count` floats) and the model's in
   * `array` (the whole array, on the device: the parameter's offset applies). */
  gboolean (*import_weight) (
      Cnn3dModel *model, guint param, const gfloat *values, gfloat *array, GError **error);
  gboolean (*export_weight) (
      Cnn3dModel *model, guint param, const gfloat *array, gfloat *values, GError **error);
  /* Updates the copy from the master weights. */
  gboolean (*refresh) (Cnn3dModel *model, const gfloat *weights, gpointer copy, GError **error);

  Cnn3dProgram *(*program_new) (
      Cnn3dModel *model, const Cnn3dProgramParams *params, GError **error);
  void (*program_free) (Cnn3dProgram **program);
  const Cnn3dSizes *(*program_sizes) (Cnn3dProgram *program);
  /* Programs that will run are checked when they are created, and those with `checks`. Returns
   * whether an implementation failed its check and was replaced permanently by one that may need
   * other memory than was reported before. NULL: there are no such checks. */
  gboolean (*program_replaced) (Cnn3dProgram *program);
  /* Runs steps of one plan, in order; the first op's forward step starts a pass. Steps that are
   * repeated with the same address and the same kind of binding may be replayed from a recording.
   * results: filled when finish() has returned, if the loss is among the steps; may be NULL. */
  gboolean (*run) (Cnn3dProgram *program, const Cnn3dStep *steps, guint n_steps,
      const Cnn3dBinding *binding, Cnn3dResults *results, GError **error);

  /* Copies an activation from the arena to host memory: (rows, C, D, H, W), unpadded. Waits for
   * running work. */
  gboolean (*read_activation) (
      Cnn3dProgram *program, gint tensor, gconstpointer place, gfloat *values, GError **error);

  /* An optimizer step of all trained parameters; the copy is updated, too. squares: when finish()
   * has returned, the sum of the squares of the gradients times gradient_scale, if update->checks
   * or ->clip; not finite: nothing was updated. May be NULL. */
  gboolean (*update) (Cnn3dModel *model, const Cnn3dArrays *arrays, const Cnn3dUpdate *update,
      gdouble *squares, GError **error);
  /* The sums of squares of the pieces of a slice of gradients, in order, on the host. Waits for
   * running work. */
  gboolean (*square_pieces) (
      Cnn3dModel *model, const Cnn3dArrays *arrays, gdouble *pieces, GError **error);
  /* to[i] += from[i], or, unless `adds`, to[i] = from[i]; from: NULL for zeros. Both on the device.
   * beside: in the order of stream(), not of the device's work; where memory is the host's, in any
   * thread. */
  gboolean (*add) (Cnn3dDevice *device, gfloat *to, const gfloat *from, gsize n, gboolean adds,
      gboolean beside, GError **error);

  /* Checks what open() checks first of the index-th device. Returns a name that no other device of any
   * machine has, to be freed with g_free(); NULL with error. The function is NULL where stream() is. */
  gchar *(*identify) (gint index, GError **error);
  /* The stream for others' work, always the same one: what is put on it from now on begins after the
   * device's work so far, which does not wait for it. This thread works for the device from then on.
   * NULL with error. The function is NULL where memory is the host's. */
  gpointer (*stream) (Cnn3dDevice *device, GError **error);
  /* Whether work is left on that stream, without waiting. FALSE with error: some has failed. */
  gboolean (*busy) (Cnn3dDevice *device, gboolean *busy, GError **error);
  gboolean syncs; /* programs may have `syncs` */
} Cnn3dBackend;

/* From parameter *param on, the next range of the arrays that trains as a whole; its pieces begin at
 * *first. FALSE: there is none. */
CNN3D_API gboolean cnn3d_next_stretch (const Cnn3dWeightLayout *layout, guint n_params,
    const gboolean *trained, guint *param, gsize *first, gsize *n);

/* Finds, loads and checks a back end's module: in $CNN3D_BACKEND_PATH, beside libcnn3d, in the
 * installed folder. It is never unloaded. NULL with error, which says what is missing and which
 * folders were searched. */
CNN3D_API const Cnn3dBackend *cnn3d_backend_load (const gchar *name, GError **error);

/* Of GPUs: N of cuda:N is below. */
#define CNN3D_MOST_DEVICES 1024

/* Opens a device. name: auto (or NULL: the first that opens, GPUs before the CPU), cpu, cuda, or
 * cuda:N; the index in params is overwritten. *backend: the device's back end, to close it with.
 * *passed_over (may be NULL): why auto did not take the GPU of this machine; free with g_free().
 * NULL with error: CNN3D_BACKEND_ERROR_UNSUPPORTED if the name is not valid. */
CNN3D_API Cnn3dDevice *cnn3d_backend_open_device (const gchar *name,
    const Cnn3dDeviceParams *params, const Cnn3dBackend **backend, gchar **passed_over,
    GError **error);

/* Lists the devices of all back ends, in the order in which device=auto tries them: a line each,
 * "cuda:0: NVIDIA ..., 79.1 GiB, ...", "cpu: ...", and for a back end without any, "cuda: none: "
 * and the reason. Loads the back ends and queries their drivers, which may take a second.
 * NULL-terminated; free with g_strfreev(). */
CNN3D_API gchar **cnn3d_backend_list_devices (void);

#endif
