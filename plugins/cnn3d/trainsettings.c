/* trainsettings.c: cnn3dtrain's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainsettings.h"

#include "classweights.h"
#include "src/escape.h"
#include "src/bytes.h"

#define FIELD(field) G_STRUCT_OFFSET (TrainSettings, field)

static const SettingsField fields[] = {
  { "model", FIELD (model) },
  { "num-classes", FIELD (num_classes) },
  { "pretrained", FIELD (pretrained) },
  { "freeze", FIELD (freeze) },
  { "base-width", FIELD (base_width) },
  { "dropout", FIELD (dropout) },
  { "input-type", FIELD (input_type) },
  { "fusion", FIELD (fusion) },
  { "view-fusion", FIELD (view_fusion) },
  { "view-dropout", FIELD (view_dropout) },
  { "heatmap-size", FIELD (heatmap_size) },
  { "heatmap-sigma", FIELD (heatmap_sigma) },
  { "precision", FIELD (precision) },
  { "accumulate-grad-batches", FIELD (accumulate) },
  { "recompute", FIELD (recompute) },
  { "max-memory", FIELD (max_memory) },
  { "auto-fit", FIELD (auto_fit) },
  { "use-chunking-in-train", FIELD (chunking) },
  { "video-batch-size", FIELD (video_batch_size) },
  { "optimizer", FIELD (optimizer) },
  { "lr", FIELD (lr) },
  { "momentum", FIELD (momentum) },
  { "weight-decay", FIELD (weight_decay) },
  { "lr-schedule", FIELD (schedule) },
  { "warmup-epochs", FIELD (warmup_epochs) },
  { "lr-step-size", FIELD (lr_step_size) },
  { "lr-gamma", FIELD (lr_gamma) },
  { "label-smoothing", FIELD (label_smoothing) },
  { "class-weights", FIELD (class_weights) },
  { "gradient-clip-val", FIELD (gradient_clip) },
  { "seed", FIELD (seed) },
  { "device", FIELD (device) },
  { "distributed", FIELD (distributed) },
  { "distributed-timeout", FIELD (distributed_timeout) },
  { "sync-batch-norm", FIELD (sync_batch_norm) },
  { "threads", FIELD (threads) },
  { "convolution", FIELD (convolution) },
  { "deterministic", FIELD (deterministic) },
  { "allow-tf32", FIELD (allow_tf32) },
  { "benchmark", FIELD (benchmark) },
  { "checkpoint-dir", FIELD (checkpoint_dir) },
  { "checkpoint-interval", FIELD (checkpoint_interval) },
  { "save-top-k", FIELD (save_top_k) },
  { "monitor", FIELD (monitor) },
  { "resume", FIELD (resume) },
  { "resume-data", FIELD (resume_data) },
  { "patience", FIELD (patience) },
  { "max-skipped", FIELD (max_skipped) },
  { "log-dir", FIELD (log_dir) },
  { "log-every-n-steps", FIELD (log_every_steps) },
  { "log-histograms", FIELD (log_histograms) },
  { "progress", FIELD (progress) },
};

const SettingsOf train_settings = { "cnn3dtrain", fields, G_N_ELEMENTS (fields) };

gboolean
train_settings_check (const TrainSettings *settings, GError **error)
{
  const gchar *const *models = cnn3d_network_models ();
  gchar *names;
  guint64 bytes;

  if (!settings->model || !g_strv_contains (models, settings->model))
    goto no_model;
  if (settings->num_classes == 1)
    goto one_class;
  if (settings->resume == CNN3D_RESUME_MUST && !settings->checkpoint_dir)
    goto no_folder;
  if (settings->checkpoint_interval > 0 && !settings->checkpoint_dir)
    goto no_place;
  if (settings->max_memory && !cnn3d_parse_bytes (settings->max_memory, &bytes))
    goto no_size;
  if (settings->chunking && settings->video_batch_size == 0)
    goto no_chunk;
  if (!class_weights_check (settings->class_weights, error))
    return FALSE;

  return TRUE;

  /* ERRORS */
no_model:
  names = g_strjoinv (", ", (gchar **) models);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "There is no model '%s': set model to one of %s.", settings->model ? settings->model : "",
      names);
  g_free (names);
  return FALSE;
one_class:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "num-classes is 1, but training needs at least two classes: set 2 or more, or 0 to take "
      "upstream's number.");
  return FALSE;
no_folder:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "resume=must needs to know where the checkpoint is: set checkpoint-dir.");
  return FALSE;
no_place:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "checkpoint-interval is %d, but there is no place to save to: set checkpoint-dir.",
      settings->checkpoint_interval);
  return FALSE;
no_size:
  names = cnn3d_escape (settings->max_memory, FALSE);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "max-memory is '%s', which is not a valid size: give bytes, or a number with a unit such as "
      "8GiB or 800MiB; 0 for what the device has.",
      names);
  g_free (names);
  return FALSE;
no_chunk:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "use-chunking-in-train needs to know how large a chunk is: set video-batch-size to 1 or "
      "more.");
  return FALSE;
}

void
train_settings_fill (const TrainSettings *settings, Cnn3dTrainerParams *params)
{
  params->network.model = settings->model;
  params->network.base_width = settings->base_width;
  params->network.dropout = (gfloat) settings->dropout;
  params->network.input = settings->input_type;
  params->network.fusion = settings->fusion;
  params->network.view_fusion = settings->view_fusion;
  params->network.view_dropout = settings->view_dropout;
  params->network.heatmap_size = settings->heatmap_size;
  params->network.heatmap_sigma = (gfloat) settings->heatmap_sigma;
  params->pretrained = settings->pretrained;
  params->freeze = settings->freeze;
  params->device = settings->device ? settings->device : "auto";
  params->threads = settings->threads;
  params->convolution = settings->convolution;
  params->deterministic = settings->deterministic;
  params->tf32 = settings->allow_tf32;
  params->benchmark = settings->benchmark;
  params->precision = settings->precision;
  params->accumulate = settings->accumulate;
  params->recompute = settings->recompute;
  if (!settings->max_memory || !cnn3d_parse_bytes (settings->max_memory, &params->max_memory))
    params->max_memory = 0;
  params->auto_fit = settings->auto_fit;
  params->micro_batch = settings->chunking ? settings->video_batch_size : 0;
  params->optimizer = settings->optimizer;
  params->momentum = settings->momentum;
  params->weight_decay = settings->weight_decay;
  params->lr.schedule = settings->schedule;
  params->lr.lr = settings->lr;
  params->lr.warmup_epochs = settings->warmup_epochs;
  params->lr.step_size = settings->lr_step_size;
  params->lr.gamma = settings->lr_gamma;
  params->label_smoothing = settings->label_smoothing;
  params->gradient_clip = settings->gradient_clip;
  params->sync_batch_norm = settings->sync_batch_norm;
  params->seed = settings->seed;
  params->checkpoint_dir = settings->checkpoint_dir;
  params->checkpoint_interval = settings->checkpoint_interval;
  params->save_top_k = settings->save_top_k;
  params->monitor = settings->monitor;
  params->patience = settings->patience;
  params->max_skipped = settings->max_skipped;
  params->any_data = settings->resume_data == CNN3D_RESUME_DATA_ANY;
}
