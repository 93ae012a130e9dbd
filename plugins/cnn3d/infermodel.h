/* infermodel.h: a loaded model, which windows that are under way share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_MODEL_H
#define INFER_MODEL_H

#include <gst/gst.h>

#include "plugins/settings.h"
#include "src/evaluate/predictor.h"

/* What a model is loaded by: properties of cnn3dinfer. */
typedef struct {
  gchar *path;                  /* NULL: not set */
  gchar *device;
  gchar *max_memory;            /* bytes, as text */
  gint threads;
  gint convolution;             /* Cnn3dConvolution */
  gint precision;               /* Cnn3dPrecision or CNN3D_PRECISION_AUTO */
} InferModelSettings;

extern const SettingsOf infer_model_settings;
gboolean infer_model_settings_equal (const InferModelSettings * a,
    const InferModelSettings * b);

typedef struct {
  guint serial;                 /* no other model has it */
  InferModelSettings settings;
  Cnn3dPredictor *predictor;    /* one thread at a time */
  const Cnn3dModelInfo *info;   /* the predictor's */
  guint num_classes;
  gchar **shown;                /* class names, fit to be shown */
  guint64 memory;               /* bytes that it takes by its plan */
} InferModel;

/* Reads the file and takes all memory. NULL with error. */
InferModel *infer_model_load (const InferModelSettings * settings,
    GError ** error);
/* From any thread. */
InferModel *infer_model_ref (InferModel * model);
void infer_model_unref (InferModel * model);

#endif
