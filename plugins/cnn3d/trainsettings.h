/* trainsettings.h: cnn3dtrain's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include <gst/gst.h>

#include "plugins/settings.h"
#include "src/train/trainer.h"

/* The properties' values. Strings are owned; NULL: not set. */
typedef struct {
  gchar *model;
  gint num_classes; /* 0: from upstream */
  gchar *pretrained;
  gchar *freeze;
  gint base_width;
  gdouble dropout;
  gint input_type;  /* Cnn3dInputType */
  gint fusion;      /* Cnn3dFusion */
  gint view_fusion; /* Cnn3dViewFusion */
  gdouble view_dropout;
  gint heatmap_size;
  gdouble heatmap_sigma;
  gint precision; /* Cnn3dPrecision */
  gint accumulate;
  gint recompute;    /* Cnn3dRecompute */
  gchar *max_memory; /* as written; see cnn3d_parse_bytes() */
  gboolean auto_fit;
  gboolean chunking;
  gint video_batch_size;
  gint optimizer; /* Cnn3dUpdateRule */
  gdouble lr, momentum, weight_decay;
  gint schedule; /* Cnn3dLrSchedule */
  gdouble warmup_epochs, lr_step_size, lr_gamma;
  gdouble label_smoothing;
  gchar *class_weights; /* as written; see class_weights_new() */
  gdouble gradient_clip;
  guint64 seed;
  gchar *device;
  gint distributed; /* Cnn3dDistributed */
  guint distributed_timeout;
  gboolean sync_batch_norm;
  gint threads;
  gint convolution; /* Cnn3dConvolution */
  gboolean deterministic, allow_tf32, benchmark;
  gchar *checkpoint_dir;
  gint checkpoint_interval;
  gint save_top_k;
  gint monitor;     /* Cnn3dMonitor */
  gint resume;      /* Cnn3dResume */
  gint resume_data; /* Cnn3dResumeData */
  gint patience;
  gdouble max_skipped; /* fraction of a pass's clips */
  gchar *log_dir;
  gint log_every_steps;
  gint log_histograms; /* epochs */
  gboolean progress;
} TrainSettings;

extern const SettingsOf train_settings;

/* Checks settings that are each in range for consistency. Errors are
 * GST_RESOURCE_ERROR_SETTINGS, and say what to change. */
gboolean train_settings_check (const TrainSettings *settings, GError **error);

/* Fills in a trainer's parameters except the clip's shape and the classes.
 * Strings remain owned by the settings. */
void train_settings_fill (const TrainSettings *settings, Cnn3dTrainerParams *params);

#endif
