/* evalrun.h: one run of cnn3deval, from READY to READY: its model and the
 * passes of the stream.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef EVAL_RUN_H
#define EVAL_RUN_H

#include <gst/base/gstbasesink.h>

#include "gstclipkptmeta.h"
#include "gstclipmeta.h"
#include "tensorcaps.h"
#include "plugins/settings.h"
#include "src/evaluate/metrics.h"

/* The properties' values. Strings are owned; NULL: not set. */
typedef struct {
  gchar *model;
  gint video_batch_size; /* clips; 0: whole batches */
  gint precision;        /* Cnn3dPrecision or CNN3D_PRECISION_AUTO */
  gchar *device;
  gint threads;
  gint convolution;      /* Cnn3dConvolution */
  gchar *max_memory;     /* as written; see cnn3d_parse_bytes() */
  guint clips_per_video; /* 0: by clip numbers */
  gchar *output_dir;
  guint feature_maps; /* batches */
  gchar *feature_layers;
  gboolean progress;
} EvalSettings;

extern const SettingsOf eval_settings;

/* The read-only properties' values: of the last pass, NaN before the first has
 * ended. clips counts those of the current pass. */
typedef struct {
  gdouble accuracy, top5_accuracy, f1, auroc, loss;
  guint64 clips;
  guint64 predicted; /* bytes */
} EvalMetrics;

/* Used by the streaming thread, and by state changes while no thread is
 * streaming. It posts its errors on the element's bus and refuses further
 * buffers after the first. */
typedef struct _EvalRun EvalRun;

/* Opens the model file and checks all that can be checked without clips. NULL
 * on failure; an error is posted. element: not referenced, must outlive the
 * run. settings: copied. metrics: written under the element's object lock, must
 * outlive the run. */
EvalRun *eval_run_new (GstBaseSink *element, const EvalSettings *settings, EvalMetrics *metrics);
void eval_run_free (EvalRun **run);

/* Sets up the model for the first clips. FALSE if they do not fit it; an error
 * is posted. */
gboolean eval_run_set_layout (EvalRun *run, const TensorLayout *layout);
/* Handles clip-classes, clip-preparation, clip-epoch, clip-epoch-done, flushes
 * and EOS. The caller keeps ownership of the event. */
void eval_run_event (EvalRun *run, GstEvent *event);
GstFlowReturn eval_run_batch (EvalRun *run, GstBuffer *buffer);

#endif
