/* gstcnn3dinferproperties.c: cnn3dinfer's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstcnn3dinfer-private.h"

#define FIELD(field) G_STRUCT_OFFSET (Settings, field)

static const SettingsField fields[] = {
  { "threshold", FIELD (threshold) },
  { "smoothing", FIELD (smoothing) },
  { "stride", FIELD (stride) },
  { "frame-interval", FIELD (interval) },
  { "drop", FIELD (drop) },
};

/* all but the model's settings */
static const SettingsOf settings = { "cnn3dinfer", fields, G_N_ELEMENTS (fields) };

enum {
  PROP_0,
  PROP_LABELS,
  PROP_LABEL_NAMES,
  PROP_LABEL,
  PROP_CLASS,
  PROP_SCORE,
  PROP_WINDOWS,
  PROP_WINDOWS_DROPPED,
  PROP_PREDICTED_MEMORY,
  PROP_SETTINGS, /* the first setting */
  PROP_MODEL_SETTINGS = PROP_SETTINGS + G_N_ELEMENTS (fields),
};

void
gst_cnn3d_infer_init_settings (GstCnn3dInfer *self)
{
  settings_init (&settings, &self->settings);
  settings_init (&infer_model_settings, &self->settings.model);
}

static void
gst_cnn3d_infer_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER_CAST (object);

  if (id < PROP_MODEL_SETTINGS) {
    settings_set (&settings, GST_ELEMENT (self), &self->settings, id - PROP_SETTINGS, value);
    return;
  }
  if (!settings_accept (&infer_model_settings, GST_ELEMENT (self), id - PROP_MODEL_SETTINGS, value))
    return;
  GST_OBJECT_LOCK (self);
  settings_put (&infer_model_settings, &self->settings.model, id - PROP_MODEL_SETTINGS, value);
  /* even if it is unchanged: the same name may be a newer file */
  if (self->worker)
    infer_worker_load (self->worker, &self->settings.model);
  GST_OBJECT_UNLOCK (self);
}

static void
get_labels (GstCnn3dInfer *self, GValue *value)
{
  GValue label = G_VALUE_INIT;

  for (guint i = 0; self->labels && self->labels[i]; i++) {
    g_value_init (&label, G_TYPE_STRING);
    g_value_set_string (&label, self->labels[i]);
    gst_value_array_append_and_take_value (value, &label);
  }
}

static void
gst_cnn3d_infer_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER_CAST (object);
  const InferResult *newest;

  GST_OBJECT_LOCK (self);
  newest = self->newest;
  switch (id) {
    case PROP_LABELS:
      get_labels (self, value);
      break;
    case PROP_LABEL_NAMES:
      g_value_set_boxed (value, self->labels);
      break;
    case PROP_LABEL:
      g_value_set_int (value, newest ? newest->label : -1);
      break;
    case PROP_CLASS:
      g_value_set_string (value, newest ? newest->name : "");
      break;
    case PROP_SCORE:
      g_value_set_double (value, newest ? newest->score : 0);
      break;
    case PROP_WINDOWS:
      g_value_set_uint64 (value, self->windows);
      break;
    case PROP_WINDOWS_DROPPED:
      g_value_set_uint64 (value, self->dropped);
      break;
    case PROP_PREDICTED_MEMORY:
      g_value_set_uint64 (value, self->memory);
      break;
    default:
      if (id < PROP_MODEL_SETTINGS)
        settings_get (&settings, &self->settings, id - PROP_SETTINGS, value);
      else
        settings_get (
            &infer_model_settings, &self->settings.model, id - PROP_MODEL_SETTINGS, value);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

void
gst_cnn3d_infer_install_properties (GObjectClass *object_class)
{
  const GParamFlags shows = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->set_property = gst_cnn3d_infer_set_property;
  object_class->get_property = gst_cnn3d_infer_get_property;

  settings_install (&settings, object_class, PROP_SETTINGS, GST_PARAM_MUTABLE_PLAYING);
  settings_install (
      &infer_model_settings, object_class, PROP_MODEL_SETTINGS, GST_PARAM_MUTABLE_PLAYING);

  g_object_class_install_property (object_class, PROP_LABELS,
      gst_param_spec_array ("labels", "Labels", "Names of the model's classes, once it is loaded",
          g_param_spec_string ("label", "Label", "A class's name", NULL, shows), shows));
  g_object_class_install_property (object_class, PROP_LABEL_NAMES,
      g_param_spec_boxed ("label-names", "Label names",
          "The same as labels, as a list of strings, for language bindings", G_TYPE_STRV, shows));
  g_object_class_install_property (object_class, PROP_LABEL,
      g_param_spec_int ("label", "Label", "Class number of the newest result (from 0; -1: none)",
          -1, G_MAXINT, -1, shows));
  g_object_class_install_property (object_class, PROP_CLASS,
      g_param_spec_string ("class", "Class",
          "Class name of the newest result; notified when it changes (empty: none)", "", shows));
  g_object_class_install_property (object_class, PROP_SCORE,
      g_param_spec_double (
          "score", "Score", "Largest probability of the newest result (0 to 1)", 0, 1, 0, shows));
  g_object_class_install_property (object_class, PROP_WINDOWS,
      g_param_spec_uint64 ("windows", "Windows", "Windows computed so far (windows, from 0)", 0,
          G_MAXUINT64, 0, shows));
  g_object_class_install_property (object_class, PROP_WINDOWS_DROPPED,
      g_param_spec_uint64 ("windows-dropped", "Windows dropped",
          "Windows dropped because another was being computed (windows, from 0)", 0, G_MAXUINT64, 0,
          shows));
  g_object_class_install_property (object_class, PROP_PREDICTED_MEMORY,
      g_param_spec_uint64 ("predicted-memory", "Predicted memory",
          "Planned memory of the model: weights and arena (bytes; 0 before it is loaded)", 0,
          G_MAXUINT64, 0, shows));
}
