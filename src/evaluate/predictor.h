/* predictor.h: a trained model at work: clips in, logits out.
 *
 * Each clip is computed by itself, whatever batch it comes in, so that its
 * logits are the same to the bit for every size of batches and chunks, and the
 * same as in a validation pass of training. All memory is taken when it is set
 * up. One thread at a time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_PREDICTOR_H
#define CNN3D_PREDICTOR_H

#include "src/model/modelfile.h"
#include "src/session/session.h"

typedef struct {
  const gchar *model;           /* the file */
  const gchar *device;          /* auto, cpu, cuda, cuda:N */
  guint threads;                /* 0: one a core */
  Cnn3dConvolution convolution; /* on a CPU */
  gint precision;               /* Cnn3dPrecision; -1: as the model was trained in */
  guint64 max_memory;           /* bytes; 0: what the device has */
  guint batch;                  /* clips that come at once, at most */
  guint chunk;                  /* clips that are computed at once, at most; 0: whole batches. Fewer where they
                                 * do not fit */
  Cnn3dType frames_type;        /* of the clips that will come, or a wider one */
  /* Sizes of these clips. 0: the model's own; others than these are an error. */
  guint channels, frames, height, width;
  /* Comma-separated names of layers whose feature maps are wanted, such as
   * "layer1,layer4.1.conv1"; "stages": the stem and every stage; NULL: none. */
  const gchar *layers;
} Cnn3dPredictorParams;

CNN3D_API void cnn3d_predictor_params_init (Cnn3dPredictorParams * params);

typedef struct _Cnn3dPredictor Cnn3dPredictor;

/* Reads the file and takes all memory. Strings are copied. NULL with error. */
CNN3D_API Cnn3dPredictor *cnn3d_predictor_new (const Cnn3dPredictorParams * params, GError ** error);
CNN3D_API void cnn3d_predictor_free (Cnn3dPredictor ** predictor);

CNN3D_API const Cnn3dModelInfo *cnn3d_predictor_info (const Cnn3dPredictor * predictor);
CNN3D_API const gchar *cnn3d_predictor_device (const Cnn3dPredictor * predictor);
CNN3D_API Cnn3dPrecision cnn3d_predictor_precision (const Cnn3dPredictor * predictor);
/* Clips that are computed at once. */
CNN3D_API guint cnn3d_predictor_chunk (const Cnn3dPredictor * predictor);
/* Of training's parts, those that it has: weights, copy, input, arena. */
CNN3D_API void cnn3d_predictor_memory (const Cnn3dPredictor * predictor, Cnn3dMemory * memory);
/* Why device=auto did not take the GPU that is here; NULL: see cnn3d_trainer_passed_over(). */
CNN3D_API const gchar *cnn3d_predictor_passed_over (const Cnn3dPredictor * predictor);

/* Logits (n, num_classes) of n clips (n, T, H, W, C) in host memory, at most
 * params.batch of them, which any memory of that type may hold. FALSE with
 * error, also where a logit is not finite (CNN3D_SESSION_ERROR_DIVERGED). */
CNN3D_API gboolean cnn3d_predictor_run (Cnn3dPredictor * predictor, gconstpointer frames, Cnn3dType type, guint n,
    gfloat * logits, GError ** error);

/* One clip's output of one of `layers`: values (C, D, H, W), valid during the
 * call. clip: its number in the batch. */
typedef struct {
  const gchar *layer;
  guint clip;
  guint channels, frames, height, width;
  const gfloat *values;
} Cnn3dFeatureMap;
typedef gboolean (*Cnn3dFeatureFunc) (gpointer user, const Cnn3dFeatureMap * map, GError ** error);
/* From now on cnn3d_predictor_run() calls `func` for each clip and layer, layer
 * after layer within a chunk; FALSE from it ends the run. NULL: no more. */
CNN3D_API void cnn3d_predictor_set_features (Cnn3dPredictor * predictor, Cnn3dFeatureFunc func, gpointer user);

/* softmax of logits[0..n-1] in double, to probabilities[0..n-1]. */
CNN3D_API void cnn3d_softmax (const gfloat * logits, guint n, gdouble * probabilities);

#endif
