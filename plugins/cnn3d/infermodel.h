/* infermodel.h: a loaded model, shared by the windows that are being computed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_MODEL_H
#define INFER_MODEL_H

#include <gst/gst.h>

#include "plugins/settings.h"
#include "src/evaluate/predictor.h"

/* The properties of cnn3dinfer that a model is loaded with. */
typedef struct {
  gchar *path; /* NULL: not set */
  gchar *device;
  gchar *max_memory; /* as written; see cnn3d_parse_bytes() */
  gint threads;
  gint convolution; /* Cnn3dConvolution */
  gint precision;   /* Cnn3dPrecision or CNN3D_PRECISION_AUTO */
} InferModelSettings;

extern const SettingsOf infer_model_settings;
gboolean infer_model_settings_equal (const InferModelSettings *a, const InferModelSettings *b);

typedef struct {
  guint serial; /* unique among the models */
  InferModelSettings settings;
  Cnn3dPredictor *predictor;  /* used by one thread at a time */
  const Cnn3dModelInfo *info; /* owned by the predictor */
  guint num_classes;
  gchar **shown;              /* class names, escaped for display */
  guint64 memory;             /* planned memory in bytes */
  gboolean unrecorded_warned; /* by the computing thread */
} InferModel;

/* Reads the file and allocates all memory. NULL with error. */
InferModel *infer_model_load (const InferModelSettings *settings, GError **error);
/* From any thread. */
InferModel *infer_model_ref (InferModel *model);
void infer_model_unref (InferModel *model);

#endif
