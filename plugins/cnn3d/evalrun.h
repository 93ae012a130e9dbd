/* evalrun.h: one run of cnn3deval, from READY to READY: its model, and the
 * passes of the stream.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef EVAL_RUN_H
#define EVAL_RUN_H

#include <gst/base/gstbasesink.h>

#include "gstclipmeta.h"
#include "tensorcaps.h"
#include "plugins/settings.h"
#include "src/evaluate/metrics.h"

/* What the properties hold. Strings are owned; NULL where nothing is set. */
typedef struct {
  gchar *model;
  gint video_batch_size;        /* 0: whole batches */
  gint precision;               /* Cnn3dPrecision or CNN3D_PRECISION_AUTO */
  gchar *device;
  gint threads;
  gint convolution;             /* Cnn3dConvolution */
  gchar *max_memory;            /* as written: cnn3d_parse_bytes() */
  guint clips_per_video;        /* 0: by clip numbers */
  gchar *output_dir;
  guint feature_maps;           /* batches */
  gchar *feature_layers;
  gboolean progress;
} EvalSettings;

extern const SettingsOf eval_settings;

/* What the read-only properties tell: of the last pass, NaN before its end, but
 * for clips, which counts those of the pass at hand. */
typedef struct {
  gdouble accuracy, top5_accuracy, f1, auroc, loss;
  guint64 clips;
  guint64 predicted;            /* bytes */
} EvalFigures;

/* Used by the streaming thread, and by state changes while there is none. It
 * posts its errors on the element's bus itself; from the first one on nothing
 * is taken any more. */
typedef struct _EvalRun EvalRun;

/* Opens the model file and checks all that can be known without clips. NULL,
 * with an error posted. element: not referenced, outlives the run. settings:
 * copied. figures: written under the element's object lock. */
EvalRun *eval_run_new (GstBaseSink * element, const EvalSettings * settings,
    EvalFigures * figures);
void eval_run_free (EvalRun ** run);

/* Sets the model up for the first clips. FALSE, with an error posted, where it
 * does not take them. */
gboolean eval_run_set_layout (EvalRun * run, const TensorLayout * layout);
/* Takes note of clip-classes, clip-preparation, clip-epoch, clip-epoch-done,
 * flushes and EOS; the event stays the caller's. */
void eval_run_event (EvalRun * run, GstEvent * event);
GstFlowReturn eval_run_batch (EvalRun * run, GstBuffer * buffer);

#endif
