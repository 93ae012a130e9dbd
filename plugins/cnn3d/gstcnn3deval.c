/* gstcnn3deval.c: tells how good a trained 3D CNN is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-cnn3deval
 * @title: cnn3deval
 * @see_also: clipsrc, clipsample, clipbatch, cnn3dtrain
 *
 * The last element of a pipeline that tests: each buffer is a batch of clips
 * and their labels, which the network of #GstCnn3dEval:model, a file that
 * cnn3dtrain wrote, is tried on. Architecture, classes, sizes and normalisation are the
 * file's; clips of another size are refused, and clips that are sampled or
 * scaled otherwise are warned of.
 *
 * Batches come in NNStreamer's caps, as cnn3dtrain takes them. At the end of
 * each pass the message cnn3deval-result tells accuracy, precision, recall, F1
 * and AUROC of the whole pass, and with #GstCnn3dEval:output-dir they are
 * written there, with each prediction and the confusion matrix. A clip's
 * prediction is the same to the bit whatever batch or chunk it is in.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 clipsrc location=test.csv passes=test clip-bin="clipsample num-frames=16 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=112,height=112" ! clipbatch batch-size=4 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3deval model=run/best.safetensors output-dir=results
 * ]| Tests what cnn3dtrain's example trained on videos that it has not seen.
 */
#include "gstcnn3deval.h"

#include <math.h>

#include "convolution.h"
#include "elementreport.h"
#include "evalrun.h"
#include "modelprecision.h"
#include "plugins/paramrange.h"

GST_DEBUG_CATEGORY (cnn3d_eval_debug);
#define GST_CAT_DEFAULT cnn3d_eval_debug

#define DEFAULT_DEVICE "auto"
#define DEFAULT_MAX_MEMORY "0"
#define DEFAULT_FEATURE_LAYERS "stages"

enum
{
  PROP_0,
  PROP_MODEL,
  PROP_VIDEO_BATCH_SIZE,
  PROP_PRECISION,
  PROP_DEVICE,
  PROP_THREADS,
  PROP_CONVOLUTION,
  PROP_MAX_MEMORY,
  PROP_CLIPS_PER_VIDEO,
  PROP_OUTPUT_DIR,
  PROP_FEATURE_MAPS,
  PROP_FEATURE_LAYERS,
  PROP_PROGRESS,
  PROP_ACCURACY,
  PROP_TOP5_ACCURACY,
  PROP_F1,
  PROP_AUROC,
  PROP_LOSS,
  PROP_CLIPS,
  PROP_PREDICTED_MEMORY,
};

struct _GstCnn3dEval
{
  GstBaseSink parent;

  /* Under the object lock */
  EvalSettings settings;
  EvalFigures figures;

  EvalRun *run;                 /* from READY to READY; under the pad's stream
                                 * lock, as FLUSH_STOP comes in every state */
};

G_DEFINE_TYPE (GstCnn3dEval, gst_cnn3d_eval, GST_TYPE_BASE_SINK);
GST_ELEMENT_REGISTER_DEFINE (cnn3deval, "cnn3deval", GST_RANK_NONE,
    GST_TYPE_CNN3D_EVAL);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("other/tensors, format = (string) static, "
        "num_tensors = (int) 2"));

/* --- the stream --- */

static gboolean
gst_cnn3d_eval_set_caps (GstBaseSink * sink, GstCaps * caps)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (sink);
  TensorLayout layout;
  GError *error = NULL;

  if (tensor_layout_from_caps (&layout, caps, &error))
    return eval_run_set_layout (self->run, &layout);

  /* ERRORS */
  element_report_error (GST_ELEMENT (self), error, NULL);
  g_error_free (error);

  return FALSE;
}

static gboolean
gst_cnn3d_eval_event (GstBaseSink * sink, GstEvent * event)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (sink);

  if (GST_EVENT_IS_SERIALIZED (event) && self->run)
    eval_run_event (self->run, event);

  return GST_BASE_SINK_CLASS (gst_cnn3d_eval_parent_class)->event (sink, event);
}

static GstFlowReturn
gst_cnn3d_eval_render (GstBaseSink * sink, GstBuffer * buffer)
{
  return eval_run_batch (GST_CNN3D_EVAL (sink)->run, buffer);
}

static gboolean
gst_cnn3d_eval_query (GstBaseSink * sink, GstQuery * query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_ACCEPT_CAPS)
    return GST_BASE_SINK_CLASS (gst_cnn3d_eval_parent_class)->query (sink,
        query);

  tensor_layout_answer_accept_caps (query);

  return TRUE;
}

/* Its position is counted in clips of the pass, as it has no time. */
static gboolean
gst_cnn3d_eval_element_query (GstElement * element, GstQuery * query)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (element);
  GstFormat format;
  guint64 clips;

  if (GST_QUERY_TYPE (query) != GST_QUERY_POSITION)
    return GST_ELEMENT_CLASS (gst_cnn3d_eval_parent_class)->query (element,
        query);

  gst_query_parse_position (query, &format, NULL);
  if (format != GST_FORMAT_DEFAULT)
    return FALSE;
  GST_OBJECT_LOCK (self);
  clips = self->figures.clips;
  GST_OBJECT_UNLOCK (self);
  gst_query_set_position (query, format, clips);

  return TRUE;
}

/* --- the element --- */

static gboolean
gst_cnn3d_eval_begin (GstCnn3dEval * self)
{
  const EvalFigures none = { NAN, NAN, NAN, NAN, NAN, 0, 0 };
  EvalSettings settings;
  EvalRun *run;

  if (!param_range_check (GST_ELEMENT (self)))
    return FALSE;
  GST_OBJECT_LOCK (self);
  eval_settings_copy (&settings, &self->settings);
  self->figures = none;
  GST_OBJECT_UNLOCK (self);
  run = eval_run_new (GST_BASE_SINK (self), &settings, &self->figures);
  eval_settings_clear (&settings);
  GST_PAD_STREAM_LOCK (GST_BASE_SINK_PAD (self));
  self->run = run;
  GST_PAD_STREAM_UNLOCK (GST_BASE_SINK_PAD (self));

  return run != NULL;
}

/* The streaming thread is gone by now, but another one may flush. */
static void
gst_cnn3d_eval_end (GstCnn3dEval * self)
{
  GST_PAD_STREAM_LOCK (GST_BASE_SINK_PAD (self));
  eval_run_free (&self->run);
  GST_PAD_STREAM_UNLOCK (GST_BASE_SINK_PAD (self));
}

static GstStateChangeReturn
gst_cnn3d_eval_change_state (GstElement * element, GstStateChange transition)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && !gst_cnn3d_eval_begin (self))
    return GST_STATE_CHANGE_FAILURE;

  ret = GST_ELEMENT_CLASS (gst_cnn3d_eval_parent_class)->change_state (element,
      transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY
      || (transition == GST_STATE_CHANGE_READY_TO_PAUSED
          && ret == GST_STATE_CHANGE_FAILURE))
    gst_cnn3d_eval_end (self);

  return ret;
}

/* An empty text is none: a launch line cannot say NULL. */
static void
gst_cnn3d_eval_take_string (gchar ** to, const GValue * value)
{
  g_free (*to);
  *to = g_value_dup_string (value);
  if (*to && !**to)
    g_clear_pointer (to, g_free);
}

static void
gst_cnn3d_eval_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * pspec)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (object);
  EvalSettings *s = &self->settings;

  if (!param_range_accept (GST_ELEMENT (object), value, pspec))
    return;
  GST_OBJECT_LOCK (self);
  if (GST_STATE (self) > GST_STATE_READY)
    GST_WARNING_OBJECT (self, "%s changes in the states NULL and READY only: "
        "it holds from the next run on", pspec->name);
  switch (id) {
    case PROP_MODEL:
      gst_cnn3d_eval_take_string (&s->model, value);
      break;
    case PROP_VIDEO_BATCH_SIZE:
      s->video_batch_size = g_value_get_uint (value);
      break;
    case PROP_PRECISION:
      s->precision = g_value_get_enum (value);
      break;
    case PROP_DEVICE:
      gst_cnn3d_eval_take_string (&s->device, value);
      break;
    case PROP_THREADS:
      s->threads = g_value_get_uint (value);
      break;
    case PROP_CONVOLUTION:
      s->convolution = g_value_get_enum (value);
      break;
    case PROP_MAX_MEMORY:
      gst_cnn3d_eval_take_string (&s->max_memory, value);
      break;
    case PROP_CLIPS_PER_VIDEO:
      s->clips_per_video = g_value_get_uint (value);
      break;
    case PROP_OUTPUT_DIR:
      gst_cnn3d_eval_take_string (&s->output_dir, value);
      break;
    case PROP_FEATURE_MAPS:
      s->feature_maps = g_value_get_uint (value);
      break;
    case PROP_FEATURE_LAYERS:
      gst_cnn3d_eval_take_string (&s->feature_layers, value);
      break;
    case PROP_PROGRESS:
      s->progress = g_value_get_boolean (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_cnn3d_eval_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * pspec)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (object);
  const EvalSettings *s = &self->settings;
  const EvalFigures *f = &self->figures;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODEL:
      g_value_set_string (value, s->model);
      break;
    case PROP_VIDEO_BATCH_SIZE:
      g_value_set_uint (value, s->video_batch_size);
      break;
    case PROP_PRECISION:
      g_value_set_enum (value, s->precision);
      break;
    case PROP_DEVICE:
      g_value_set_string (value, s->device);
      break;
    case PROP_THREADS:
      g_value_set_uint (value, s->threads);
      break;
    case PROP_CONVOLUTION:
      g_value_set_enum (value, s->convolution);
      break;
    case PROP_MAX_MEMORY:
      g_value_set_string (value, s->max_memory);
      break;
    case PROP_CLIPS_PER_VIDEO:
      g_value_set_uint (value, s->clips_per_video);
      break;
    case PROP_OUTPUT_DIR:
      g_value_set_string (value, s->output_dir);
      break;
    case PROP_FEATURE_MAPS:
      g_value_set_uint (value, s->feature_maps);
      break;
    case PROP_FEATURE_LAYERS:
      g_value_set_string (value, s->feature_layers);
      break;
    case PROP_PROGRESS:
      g_value_set_boolean (value, s->progress);
      break;
    case PROP_ACCURACY:
      g_value_set_double (value, f->accuracy);
      break;
    case PROP_TOP5_ACCURACY:
      g_value_set_double (value, f->top5_accuracy);
      break;
    case PROP_F1:
      g_value_set_double (value, f->f1);
      break;
    case PROP_AUROC:
      g_value_set_double (value, f->auroc);
      break;
    case PROP_LOSS:
      g_value_set_double (value, f->loss);
      break;
    case PROP_CLIPS:
      g_value_set_uint64 (value, f->clips);
      break;
    case PROP_PREDICTED_MEMORY:
      g_value_set_uint64 (value, f->predicted);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_cnn3d_eval_finalize (GObject * object)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (object);

  eval_run_free (&self->run);
  eval_settings_clear (&self->settings);

  G_OBJECT_CLASS (gst_cnn3d_eval_parent_class)->finalize (object);
}

static void
gst_cnn3d_eval_install_settings (GObjectClass * object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (object_class, PROP_MODEL,
      g_param_spec_string ("model", "Model",
          "The model file to evaluate, as cnn3dtrain writes it; architecture, "
          "classes, sizes and normalisation are the file's (a path, default "
          "unset)", NULL, flags));
  g_object_class_install_property (object_class, PROP_VIDEO_BATCH_SIZE,
      param_range_uint ("video-batch-size", "Clips in a chunk",
          "Clips that are computed at once: a larger batch is cut into chunks, "
          "one after another, with the same result; 0: whole batches (clips, 0 "
          "to 1000000, default 0)", 0, 1000000, 0, flags));
  g_object_class_install_property (object_class, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision",
          "What numbers are computed with (auto: as the model was trained, 32, "
          "16-mixed, 16, bf16-mixed; default auto)",
          TYPE_MODEL_PRECISION, MODEL_PRECISION_AUTO, flags));
  g_object_class_install_property (object_class, PROP_DEVICE,
      g_param_spec_string ("device", "Device",
          "Where to compute: auto (a GPU where there is one, the CPU where "
          "not), cpu, cuda or cuda:N (default auto)", DEFAULT_DEVICE, flags));
  g_object_class_install_property (object_class, PROP_THREADS,
      param_range_uint ("threads", "Threads",
          "Threads that compute on a CPU; 0: one for each core that the "
          "process may use (threads, 0 to 4096, default 0)", 0, 4096, 0,
          flags));
  g_object_class_install_property (object_class, PROP_CONVOLUTION,
      g_param_spec_enum ("convolution", "Convolution", CONVOLUTION_BLURB,
          TYPE_CONVOLUTION, CNN3D_CONVOLUTION_AUTO, flags));
  g_object_class_install_property (object_class, PROP_MAX_MEMORY,
      g_param_spec_string ("max-memory", "Memory budget",
          "Bytes that the model may take, as a number or with a unit: 8GiB, "
          "800MiB; chunks are made smaller to fit; 0: what the device has "
          "(default 0)", DEFAULT_MAX_MEMORY, flags));
  g_object_class_install_property (object_class, PROP_CLIPS_PER_VIDEO,
      param_range_uint ("clips-per-video", "Clips per video",
          "How many clips, one after another, are views of one video, whose "
          "probabilities are averaged; 0: those with the same clip number, as "
          "clipsample's clips-per-video makes them (clips, 0 to 1000000, "
          "default 0)", 0, 1000000, 0, flags));
  g_object_class_install_property (object_class, PROP_OUTPUT_DIR,
      g_param_spec_string ("output-dir", "Output folder",
          "Folder for metrics.json, predictions.csv, confusion.png, "
          "confusion.svg and feature maps, made where it is missing; unset: "
          "nothing is written (a path, default unset)", NULL, flags));
  g_object_class_install_property (object_class, PROP_FEATURE_MAPS,
      param_range_uint ("feature-maps", "Feature maps",
          "How many batches, from the first, have their feature maps drawn "
          "into output-dir (batches, 0 to 1000000, default 0)", 0, 1000000, 0,
          flags));
  g_object_class_install_property (object_class, PROP_FEATURE_LAYERS,
      g_param_spec_string ("feature-layers", "Feature layers",
          "Whose feature maps are drawn: comma-separated names of layers, such "
          "as layer1,layer4.1.conv1; stages: the stem and every stage (default "
          "stages)", DEFAULT_FEATURE_LAYERS, flags));
  g_object_class_install_property (object_class, PROP_PROGRESS,
      g_param_spec_boolean ("progress", "Progress",
          "Show progress on stdout: the device, a line that is redrawn on a "
          "terminal, and each pass's figures (true or false, default true)",
          TRUE, flags));
}

static void
gst_cnn3d_eval_install_figures (GObjectClass * object_class)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  static const struct
  {
    guint id;
    const gchar *name, *nick, *blurb;
    gdouble most;
  } doubles[] = {
    {PROP_ACCURACY, "accuracy", "Accuracy",
          "Part of the last pass's videos whose class was told right (0 to 1; "
          "not a number before the first pass's end)", 1},
    {PROP_TOP5_ACCURACY, "top5-accuracy", "Top-5 accuracy",
          "Part of the last pass's videos whose class was among the five "
          "likeliest (0 to 1; not a number before the first pass's end)", 1},
    {PROP_F1, "f1", "F1",
          "F1 of the last pass, mean over the classes that occur (0 to 1; not "
          "a number before the first pass's end)", 1},
    {PROP_AUROC, "auroc", "AUROC",
          "Area under the ROC curve of the last pass, one class against the "
          "rest, mean over classes (0 to 1; not a number before the first "
          "pass's end, or with one class only)", 1},
    {PROP_LOSS, "loss", "Loss",
          "Mean loss of the last pass's clips (0 or more; not a number before "
          "the first pass's end)", G_MAXDOUBLE},
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (doubles); i++)
    g_object_class_install_property (object_class, doubles[i].id,
        g_param_spec_double (doubles[i].name, doubles[i].nick,
            doubles[i].blurb, 0, doubles[i].most, 0, flags));
  g_object_class_install_property (object_class, PROP_CLIPS,
      g_param_spec_uint64 ("clips", "Clips",
          "Clips of the pass at hand so far, or of the last one (clips, from "
          "0)", 0, G_MAXUINT64, 0, flags));
  g_object_class_install_property (object_class, PROP_PREDICTED_MEMORY,
      g_param_spec_uint64 ("predicted-memory", "Predicted memory",
          "What the model takes by its plan: weights, input and the arena "
          "(bytes; 0 before it is set up)", 0, G_MAXUINT64, 0, flags));
}

static void
gst_cnn3d_eval_class_init (GstCnn3dEvalClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (cnn3d_eval_debug, "cnn3deval", 0,
      "tells how good a trained 3D CNN is");

  object_class->set_property = gst_cnn3d_eval_set_property;
  object_class->get_property = gst_cnn3d_eval_get_property;
  object_class->finalize = gst_cnn3d_eval_finalize;
  element_class->change_state = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_change_state);
  element_class->query = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_element_query);
  sink_class->set_caps = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_set_caps);
  sink_class->event = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_event);
  sink_class->query = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_query);
  sink_class->render = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_render);

  gst_cnn3d_eval_install_settings (object_class);
  gst_cnn3d_eval_install_figures (object_class);
  gst_type_mark_as_plugin_api (TYPE_MODEL_PRECISION, 0);
  gst_type_mark_as_plugin_api (TYPE_CONVOLUTION, 0);

  gst_element_class_set_static_metadata (element_class, "3D CNN evaluator",
      "Sink/Video", "Tells how good a trained 3D convolutional network is",
      "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
}

static void
gst_cnn3d_eval_init (GstCnn3dEval * self)
{
  GstBaseSink *sink = GST_BASE_SINK (self);

  self->settings = (EvalSettings) {
  .precision = MODEL_PRECISION_AUTO,.device = g_strdup (DEFAULT_DEVICE),
        .convolution = CNN3D_CONVOLUTION_AUTO,.max_memory =
        g_strdup (DEFAULT_MAX_MEMORY),.feature_layers =
        g_strdup (DEFAULT_FEATURE_LAYERS),.progress = TRUE};
  self->figures = (EvalFigures) {
  NAN, NAN, NAN, NAN, NAN, 0, 0};
  /* every batch counts, at whatever time it comes; and none is kept */
  gst_base_sink_set_sync (sink, FALSE);
  gst_base_sink_set_last_sample_enabled (sink, FALSE);
  gst_base_sink_set_drop_out_of_segment (sink, FALSE);
}
