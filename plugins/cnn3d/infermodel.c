/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infermodel.h"

#include "src/escape.h"
#include "src/bytes.h"

#define FIELD(field) G_STRUCT_OFFSET (InferModelSettings, field)

static const SettingsField fields[] = {
  { "model", FIELD (path) },
  { "device", FIELD (device) },
  { "max-memory", FIELD (max_memory) },
  { "threads", FIELD (threads) },
  { "convolution", FIELD (convolution) },
  { "precision", FIELD (precision) },
};

const SettingsOf infer_model_settings = { "cnn3dinfer", fields, G_N_ELEMENTS (fields) };

gboolean
infer_model_settings_equal (const InferModelSettings *a, const InferModelSettings *b)
{
  return !g_strcmp0 (a->path, b->path) && !g_strcmp0 (a->device, b->device)
      && !g_strcmp0 (a->max_memory, b->max_memory) && a->threads == b->threads
      && a->convolution == b->convolution && a->precision == b->precision;
}

static void
model_clear (gpointer data)
{
  InferModel *model = data;

  cnn3d_predictor_free (&model->predictor);
  settings_clear (&infer_model_settings, &model->settings);
  g_strfreev (model->shown);
}

InferModel *
infer_model_load (const InferModelSettings *settings, GError **error)
{
  static guint serials;
  Cnn3dPredictorParams params;
  Cnn3dPredictor *predictor;
  Cnn3dMemory memory;
  InferModel *model;

  cnn3d_predictor_params_init (&params);
  params.model = settings->path;
  params.device = settings->device;
  params.threads = settings->threads;
  params.convolution = settings->convolution;
  params.precision = settings->precision;
  params.batch = 1;
  params.frames_type = CNN3D_TYPE_UINT8;
  if (!settings->path || !*settings->path)
    goto no_file;
  if (settings->max_memory && !cnn3d_parse_bytes (settings->max_memory, &params.max_memory))
    goto bad_memory;
  if (!(predictor = cnn3d_predictor_new (&params, error)))
    return NULL;

  model = g_atomic_rc_box_new0 (InferModel);
  model->serial = g_atomic_int_add (&serials, 1);
  settings_copy (&infer_model_settings, &model->settings, settings);
  model->predictor = predictor;
  model->info = cnn3d_predictor_info (predictor);
  model->num_classes = model->info->network.num_classes;
  cnn3d_predictor_memory (predictor, &memory);
  model->memory = memory.total;
  model->shown = g_new0 (gchar *, model->num_classes + 1);
  for (guint i = 0; i < model->num_classes; i++)
    model->shown[i] = cnn3d_escape (model->info->classes[i], FALSE);
  if (cnn3d_network_sees_frames (&model->info->network) && model->info->network.channels != 1
      && model->info->network.channels != 3)
    goto bad_channels;
  if (cnn3d_network_views (&model->info->network) > 1)
    goto needs_views;

  return model;

  /* ERRORS */
no_file:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "model is not set: it takes the file of a trained model, such as best.safetensors in "
      "cnn3dtrain's checkpoint-dir");
  return NULL;
bad_memory:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "max-memory=%s is not a valid size: write it as 8GiB, 800MiB or 8589934592",
      settings->max_memory);
  return NULL;
bad_channels:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "%s is a model of clips with %u channels: video has 3, or 1 in gray", settings->path,
      model->info->network.channels);
  infer_model_unref (model);
  return NULL;
needs_views:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "%s is a model of %u views of one scene, but live video is one: test it with cnn3deval on "
      "clips with views, or serve a model that was trained on one view",
      settings->path, cnn3d_network_views (&model->info->network));
  infer_model_unref (model);
  return NULL;
}

InferModel *
infer_model_ref (InferModel *model)
{
  return g_atomic_rc_box_acquire (model);
}

void
infer_model_unref (InferModel *model)
{
  g_atomic_rc_box_release_full (model, model_clear);
}
