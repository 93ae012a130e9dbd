/* trainsettings.h: cnn3dtrain's properties, one row of a table each.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include <gst/gst.h>

#include "src/train/trainer.h"

typedef enum {
  TRAIN_RESUME_AUTO,
  TRAIN_RESUME_NEVER,
  TRAIN_RESUME_MUST,
} TrainResume;

typedef enum {
  TRAIN_RESUME_DATA_SAME,
  TRAIN_RESUME_DATA_ANY,
} TrainResumeData;

/* What the properties hold. Strings are owned; NULL where nothing is set. */
typedef struct {
  gchar *model;
  gint num_classes;             /* 0: from upstream */
  gchar *pretrained;
  gchar *freeze;
  gint base_width;
  gdouble dropout;
  gint precision;               /* Cnn3dPrecision */
  gint accumulate;
  gint recompute;               /* Cnn3dRecompute */
  gchar *max_memory;            /* as written: cnn3d_parse_bytes() */
  gboolean auto_fit;
  gboolean chunking;
  gint video_batch_size;
  gint optimizer;               /* Cnn3dUpdateRule */
  gdouble lr, momentum, weight_decay;
  gint schedule;                /* Cnn3dLrSchedule */
  gdouble warmup_epochs, lr_step_size, lr_gamma;
  gdouble label_smoothing;
  gchar *class_weights;         /* as written: class_weights_new() */
  gdouble gradient_clip;
  guint64 seed;
  gchar *device;
  gint threads;
  gint convolution;             /* Cnn3dConvolution */
  gboolean deterministic, allow_tf32, benchmark;
  gchar *checkpoint_dir;
  gint checkpoint_interval;
  gint save_top_k;
  gint monitor;                 /* Cnn3dMonitor */
  gint resume;                  /* TrainResume */
  gint resume_data;             /* TrainResumeData */
  gint patience;
  gdouble max_skipped;          /* part of a pass's clips */
  gchar *log_dir;
  gint log_every_steps;
  gint log_histograms;          /* epochs */
  gboolean progress;
} TrainSettings;

/* Number of properties; they take the ids first to first + this - 1. */
guint train_settings_count (void);
const gchar *train_settings_name (guint index);
void train_settings_install (GObjectClass * object_class, guint first);

/* Defaults into a struct of zeros. */
void train_settings_init (TrainSettings * settings);
void train_settings_clear (TrainSettings * settings);
/* to: a struct of zeros, or one that train_settings_clear() left. */
void train_settings_copy (TrainSettings * to, const TrainSettings * from);

/* index: a property's id less `first`. */
void train_settings_set (TrainSettings * settings, guint index,
    const GValue * value);
void train_settings_get (const TrainSettings * settings, guint index,
    GValue * value);

/* Whether each value is in its range and all go together. The properties
 * themselves take any number: see plugins/paramrange.h. Errors are
 * GST_RESOURCE_ERROR_SETTINGS, a sentence that says what to do. */
gboolean train_settings_check (const TrainSettings * settings, GError ** error);

/* A trainer's parameters but for the clip's size and the classes. Strings stay
 * the settings'. */
void train_settings_fill (const TrainSettings * settings,
    Cnn3dTrainerParams * params);

#endif
