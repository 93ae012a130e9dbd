/* predictor.h: inference with a trained model: clips in, logits out.
 *
 * Each clip is computed independently of its batch, so its logits have the same bits for every
 * batch and chunk size, and the same as in a validation pass of training. On a GPU slices of 8 clips
 * are computed at once, the last one padded with zeros; where memory is too short for 8 it is fewer,
 * with other bits. All memory is allocated at setup. One thread at a time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PREDICTOR_H
#define CNN3D_PREDICTOR_H

#include "src/model/modelfile.h"
#include "src/session/session.h"

typedef struct {
  const gchar *model;           /* path of the model file */
  const gchar *device;          /* auto, cpu, cuda, cuda:N */
  guint threads;                /* 0: one per core */
  Cnn3dConvolution convolution; /* on a CPU */
  gint precision;               /* Cnn3dPrecision or CNN3D_PRECISION_AUTO */
  guint64 max_memory;           /* bytes; 0: what the device has */
  guint batch;                  /* most clips, or samples of several views, per call */
  /* most of them computed at once; 0: whole batches. Reduced if they do not fit. A back end with an
   * evaluation_slice computes that many instead */
  guint chunk;
  Cnn3dType frames_type; /* of the clips, or a wider type */
  /* Shape of the clips. 0: the model's; other values than the model's are an error. */
  guint channels, frames, height, width;
  guint points, persons; /* of their key points, the same way */
  guint views;           /* of a sample, the same way; 1: a sample is one clip */
  gboolean by_view;      /* cnn3d_predictor_run_views() is asked for each view's logits */
  /* Comma-separated names of layers whose feature maps are reported, such as
   * "layer1,layer4.1.conv1"; "stages": the stem and every stage; NULL: none. */
  const gchar *layers;
} Cnn3dPredictorParams;

CNN3D_API void cnn3d_predictor_params_init (Cnn3dPredictorParams *params);

typedef struct _Cnn3dPredictor Cnn3dPredictor;

/* Reads the file and allocates all memory. Strings are copied. NULL with error. Free with
 * cnn3d_predictor_free(). */
CNN3D_API Cnn3dPredictor *cnn3d_predictor_new (const Cnn3dPredictorParams *params, GError **error);
CNN3D_API void cnn3d_predictor_free (Cnn3dPredictor **predictor);

CNN3D_API const Cnn3dModelInfo *cnn3d_predictor_info (const Cnn3dPredictor *predictor);
CNN3D_API const gchar *cnn3d_predictor_device (const Cnn3dPredictor *predictor);
CNN3D_API Cnn3dPrecision cnn3d_predictor_precision (const Cnn3dPredictor *predictor);
/* Clips computed at once. */
CNN3D_API guint cnn3d_predictor_chunk (const Cnn3dPredictor *predictor);
/* What that is where memory does: see Cnn3dBackend; 0: any. */
CNN3D_API guint cnn3d_predictor_evaluation_slice (const Cnn3dPredictor *predictor);
/* How the device started its passes so far; FALSE: it records none. */
CNN3D_API gboolean cnn3d_predictor_passes (
    const Cnn3dPredictor *predictor, Cnn3dDevicePasses *passes);
/* The members that inference uses: weights, copy, input, arena. */
CNN3D_API void cnn3d_predictor_memory (const Cnn3dPredictor *predictor, Cnn3dMemory *memory);
/* Whether memory.context was measured, or what it is; owned by the predictor. */
CNN3D_API const gchar *cnn3d_predictor_context_source (const Cnn3dPredictor *predictor);
/* Why device=auto did not take the GPU of this machine; NULL: see cnn3d_trainer_passed_over(). */
CNN3D_API const gchar *cnn3d_predictor_passed_over (const Cnn3dPredictor *predictor);

/* Computes logits, (n, num_classes), of n clips, (n, T, H, W, C), in host memory, at most
 * params.batch. type: params.frames_type or a smaller one. points: their key points (n, T, M, K, 3),
 * see Cnn3dBinding; NULL: the network does not read them. FALSE with error, also if a logit is NaN
 * or infinite (CNN3D_SESSION_ERROR_DIVERGED). */
CNN3D_API gboolean cnn3d_predictor_run (Cnn3dPredictor *predictor, gconstpointer frames,
    Cnn3dType type, const gfloat *points, guint n, gfloat *logits, GError **error);

/* The same for n samples of V views: frames (n, V, T, H, W, C), points (n, V, T, M, K, 3); present
 * (n, V), 0: a missing view, NULL: all are present. A sample without any is an error. by_view,
 * (n, V, num_classes): the logits of each view alone, with the same bits whatever the other views
 * are, NaN for a missing view; NULL: not wanted, and params.by_view must be set otherwise. */
CNN3D_API gboolean cnn3d_predictor_run_views (Cnn3dPredictor *predictor, gconstpointer frames,
    Cnn3dType type, const gfloat *points, const guint8 *present, guint n, gfloat *logits,
    gfloat *by_view, GError **error);

/* One clip's output of one of `layers`: values, (C, D, H, W), valid during the call. clip: its
 * number in the batch; of several views, its sample's. */
typedef struct {
  const gchar *layer;
  guint clip;
  guint channels, frames, height, width;
  const gfloat *values;
  const gchar *view; /* name of the clip's view; NULL: a sample is one clip */
} Cnn3dFeatureMap;
typedef gboolean (*Cnn3dFeatureFunc) (gpointer user, const Cnn3dFeatureMap *map, GError **error);
/* Makes cnn3d_predictor_run() call `func` for each clip and layer, layer by layer within a chunk.
 * If it returns FALSE, the run ends. NULL: no calls. */
CNN3D_API void cnn3d_predictor_set_features (
    Cnn3dPredictor *predictor, Cnn3dFeatureFunc func, gpointer user);

/* softmax of logits[0..n-1] in double, to probabilities[0..n-1]. */
CNN3D_API void cnn3d_softmax (const gfloat *logits, guint n, gdouble *probabilities);

#endif
