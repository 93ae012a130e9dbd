/* gstcnn3dinferproperties.c: cnn3dinfer's properties.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstcnn3dinfer-private.h"

#include "convolution.h"
#include "modelprecision.h"
#include "plugins/paramrange.h"

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_THRESHOLD,
  PROP_SMOOTHING,
  PROP_STRIDE,
  PROP_FRAME_INTERVAL,
  PROP_DROP,
  PROP_PRECISION,
  PROP_DEVICE,
  PROP_THREADS,
  PROP_CONVOLUTION,
  PROP_MAX_MEMORY,
  PROP_LABELS,
  PROP_LABEL_NAMES,
  PROP_LABEL,
  PROP_CLASS,
  PROP_SCORE,
  PROP_WINDOWS,
  PROP_WINDOWS_DROPPED,
  PROP_PREDICTED_MEMORY,
  N_PROPERTIES
};

void
gst_cnn3d_infer_init_settings (GstCnn3dInfer * self)
{
  self->settings.model.device = g_strdup ("auto");
  self->settings.model.max_memory = g_strdup ("0");
  self->settings.model.precision = MODEL_PRECISION_AUTO;
  self->settings.model.convolution = CNN3D_CONVOLUTION_AUTO;
  self->settings.smoothing = 1;
  self->settings.drop = TRUE;
}

/* With the object lock, after a property of a model was set. */
static void
gst_cnn3d_infer_ask (GstCnn3dInfer * self)
{
  if (self->worker)
    infer_worker_load (self->worker, &self->settings.model);
}

static void
set_text (gchar ** text, const GValue * value)
{
  g_free (*text);
  *text = g_value_dup_string (value);
}

static void
gst_cnn3d_infer_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (object);
  Settings *s = &self->settings;

  if (!param_range_accept (GST_ELEMENT (object), value, pspec))
    return;
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      /* the same name may stand for a newer file */
      set_text (&s->model.path, value);
      gst_cnn3d_infer_ask (self);
      break;
    case PROP_THRESHOLD:
      s->threshold = g_value_get_double (value);
      break;
    case PROP_SMOOTHING:
      s->smoothing = g_value_get_uint (value);
      break;
    case PROP_STRIDE:
      s->stride = g_value_get_uint (value);
      break;
    case PROP_FRAME_INTERVAL:
      s->interval = g_value_get_uint (value);
      break;
    case PROP_DROP:
      s->drop = g_value_get_boolean (value);
      break;
    case PROP_PRECISION:
      s->model.precision = g_value_get_enum (value);
      gst_cnn3d_infer_ask (self);
      break;
    case PROP_DEVICE:
      set_text (&s->model.device, value);
      gst_cnn3d_infer_ask (self);
      break;
    case PROP_THREADS:
      s->model.threads = g_value_get_uint (value);
      gst_cnn3d_infer_ask (self);
      break;
    case PROP_CONVOLUTION:
      s->model.convolution = g_value_get_enum (value);
      gst_cnn3d_infer_ask (self);
      break;
    case PROP_MAX_MEMORY:
      set_text (&s->model.max_memory, value);
      gst_cnn3d_infer_ask (self);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_labels (GstCnn3dInfer * self, GValue * value)
{
  GValue label = G_VALUE_INIT;

  for (guint i = 0; self->labels && self->labels[i]; i++) {
    g_value_init (&label, G_TYPE_STRING);
    g_value_set_string (&label, self->labels[i]);
    gst_value_array_append_and_take_value (value, &label);
  }
}

static void
gst_cnn3d_infer_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (object);
  const Settings *s = &self->settings;
  const InferResult *newest;

  GST_OBJECT_LOCK (self);
  newest = self->newest;
  switch (id) {
    case PROP_MODEL:
      g_value_set_string (value, s->model.path);
      break;
    case PROP_THRESHOLD:
      g_value_set_double (value, s->threshold);
      break;
    case PROP_SMOOTHING:
      g_value_set_uint (value, s->smoothing);
      break;
    case PROP_STRIDE:
      g_value_set_uint (value, s->stride);
      break;
    case PROP_FRAME_INTERVAL:
      g_value_set_uint (value, s->interval);
      break;
    case PROP_DROP:
      g_value_set_boolean (value, s->drop);
      break;
    case PROP_PRECISION:
      g_value_set_enum (value, s->model.precision);
      break;
    case PROP_DEVICE:
      g_value_set_string (value, s->model.device);
      break;
    case PROP_THREADS:
      g_value_set_uint (value, s->model.threads);
      break;
    case PROP_CONVOLUTION:
      g_value_set_enum (value, s->model.convolution);
      break;
    case PROP_MAX_MEMORY:
      g_value_set_string (value, s->model.max_memory);
      break;
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
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

void
gst_cnn3d_infer_install_properties (GObjectClass * object_class)
{
  GParamSpec *properties[N_PROPERTIES] = { NULL };
  const GParamFlags shows = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  const GParamFlags flags = shows | G_PARAM_WRITABLE
      | GST_PARAM_MUTABLE_PLAYING;

  object_class->set_property = gst_cnn3d_infer_set_property;
  object_class->get_property = gst_cnn3d_infer_get_property;

  properties[PROP_MODEL] = g_param_spec_string ("model", "Model",
      "The file of a trained model, such as best.safetensors in cnn3dtrain's "
      "checkpoint-dir; set while playing, it is loaded beside the old one, "
      "which goes on until then (default unset)", NULL, flags);
  properties[PROP_THRESHOLD] = param_range_double ("threshold", "Threshold",
      "The probability below which no class is named: label -1, class \"\" (0 "
      "to 1, default 0)", 0, 1, 0, flags);
  properties[PROP_SMOOTHING] = param_range_uint ("smoothing", "Smoothing",
      "Windows whose probabilities are averaged, the newest included (windows, "
      "1 to 1000, default 1)", 1, 1000, 1, flags);
  properties[PROP_STRIDE] = param_range_uint ("stride", "Stride",
      "From one window's first frame to the next one's; 0: as many as a window "
      "spans, so that they do not overlap (frames, 0 to 100000, default 0)",
      0, 100000, 0, flags);
  properties[PROP_FRAME_INTERVAL] = param_range_uint ("frame-interval",
      "Frame interval",
      "From one frame of a window to its next; 0: as in training where the "
      "model's file tells it, otherwise 1 (frames, 0 to 1000, default 0)",
      0, INFER_MOST_INTERVAL, 0, flags);
  properties[PROP_DROP] = g_param_spec_boolean ("drop", "Drop windows",
      "Drop a window that is complete while another is being computed; "
      "otherwise the stream waits for each result, which is for files (true or "
      "false, default true)", TRUE, flags);
  properties[PROP_PRECISION] = g_param_spec_enum ("precision", "Precision",
      "What numbers are computed with (auto, 32, 16-mixed, bf16-mixed, default "
      "auto)", TYPE_MODEL_PRECISION, MODEL_PRECISION_AUTO, flags);
  properties[PROP_DEVICE] = g_param_spec_string ("device", "Device",
      "Where it is computed: auto (a GPU where there is one), cpu, cuda or "
      "cuda:N (default auto)", "auto", flags);
  properties[PROP_THREADS] = param_range_uint ("threads", "Threads",
      "Threads of the CPU to compute with; 0: one a core (threads, 0 to 1024, "
      "default 0)", 0, 1024, 0, flags);
  properties[PROP_CONVOLUTION] = g_param_spec_enum ("convolution",
      "Convolution", CONVOLUTION_BLURB, TYPE_CONVOLUTION,
      CNN3D_CONVOLUTION_AUTO, flags);
  properties[PROP_MAX_MEMORY] = g_param_spec_string ("max-memory",
      "Memory budget",
      "Bytes that the model may take, as a number or with a unit: 8GiB, "
      "800MiB; what needs more is refused; 0: what the device has (default 0)",
      "0", flags);

  properties[PROP_LABELS] = gst_param_spec_array ("labels", "Labels",
      "Names of the model's classes, once it is loaded",
      g_param_spec_string ("label", "Label", "A class's name", NULL, shows),
      shows);
  properties[PROP_LABEL_NAMES] = g_param_spec_boxed ("label-names",
      "Label names", "The same as labels, as a plain list of strings, which "
      "other languages read", G_TYPE_STRV, shows);
  properties[PROP_LABEL] = g_param_spec_int ("label", "Label",
      "Class number of the newest result (from 0; -1: none)", -1, G_MAXINT, -1,
      shows);
  properties[PROP_CLASS] = g_param_spec_string ("class", "Class",
      "Class name of the newest result; notified when it is another one "
      "(empty: none)", "", shows);
  properties[PROP_SCORE] = g_param_spec_double ("score", "Score",
      "Largest probability of the newest result (0 to 1)", 0, 1, 0, shows);
  properties[PROP_WINDOWS] = g_param_spec_uint64 ("windows", "Windows",
      "Windows that were computed (windows, from 0)", 0, G_MAXUINT64, 0,
      shows);
  properties[PROP_WINDOWS_DROPPED] = g_param_spec_uint64 ("windows-dropped",
      "Windows dropped",
      "Windows that came while another was being computed (windows, from 0)",
      0, G_MAXUINT64, 0, shows);
  properties[PROP_PREDICTED_MEMORY] = g_param_spec_uint64 ("predicted-memory",
      "Predicted memory",
      "What the model takes by its plan: weights and arena (bytes; 0 before it "
      "is loaded)", 0, G_MAXUINT64, 0, shows);
  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}
