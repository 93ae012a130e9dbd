/* gstcnn3deval.c: evaluates a trained 3D CNN on video clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-cnn3deval
 * @title: cnn3deval
 * @see_also: clipsrc, clipsample, clipbatch, cnn3dtrain
 *
 * Evaluates a trained network on video clips. Each buffer is a batch of clips
 * and their labels. #GstCnn3dEval:model is a model file that cnn3dtrain wrote;
 * architecture, classes, clip size and normalisation are taken from it. Clips
 * of another size are an error. Clips that were sampled or scaled differently
 * from those in training cause a warning.
 *
 * Batches have NNStreamer's caps, as for cnn3dtrain. At the end of each pass
 * the element posts the message cnn3deval-result with accuracy, precision,
 * recall, F1 and AUROC of the whole pass. If #GstCnn3dEval:output-dir is set,
 * these are also written there, with every prediction and the confusion
 * matrix. A clip's prediction has the same bits in every batch and chunk.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 clipsrc location=test.csv passes=test clip-bin="clipsample num-frames=16 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=112,height=112" ! clipbatch batch-size=4 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3deval model=run/best.safetensors output-dir=results
 * ]| Evaluates the model of cnn3dtrain's example on videos that it was not
 * trained on.
 *
 * Since: 0.1.0
 */
#include "gstcnn3deval.h"

#include <math.h>

#include "elementreport.h"
#include "evalrun.h"

GST_DEBUG_CATEGORY_EXTERN (cnn3d_eval_debug);
#define GST_CAT_DEFAULT cnn3d_eval_debug

enum {
  PROP_0,
  PROP_ACCURACY,
  PROP_TOP5_ACCURACY,
  PROP_F1,
  PROP_AUROC,
  PROP_LOSS,
  PROP_CLIPS,
  PROP_PREDICTED_MEMORY,
  PROP_SETTINGS, /* the first setting */
};

struct _GstCnn3dEval {
  GstBaseSink parent;

  /* Under the object lock */
  EvalSettings settings;
  EvalMetrics metrics;

  /* from READY to READY; under the pad's stream lock, because FLUSH_STOP arrives in every state */
  EvalRun *run;
};

G_DEFINE_TYPE (GstCnn3dEval, gst_cnn3d_eval, GST_TYPE_BASE_SINK);
GST_ELEMENT_REGISTER_DEFINE (cnn3deval, "cnn3deval", GST_RANK_NONE, GST_TYPE_CNN3D_EVAL);

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("other/tensors, format = (string) static, num_tensors = (int) [ 2, 4 ]"));

/* --- the stream --- */

static gboolean
gst_cnn3d_eval_set_caps (GstBaseSink *sink, GstCaps *caps)
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
gst_cnn3d_eval_event (GstBaseSink *sink, GstEvent *event)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (sink);

  if (GST_EVENT_IS_SERIALIZED (event) && self->run)
    eval_run_event (self->run, event);

  return GST_BASE_SINK_CLASS (gst_cnn3d_eval_parent_class)->event (sink, event);
}

static GstFlowReturn
gst_cnn3d_eval_render (GstBaseSink *sink, GstBuffer *buffer)
{
  return eval_run_batch (GST_CNN3D_EVAL (sink)->run, buffer);
}

static gboolean
gst_cnn3d_eval_query (GstBaseSink *sink, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_ACCEPT_CAPS)
    return GST_BASE_SINK_CLASS (gst_cnn3d_eval_parent_class)->query (sink, query);

  tensor_layout_answer_accept_caps (query);

  return TRUE;
}

/* Position in clips of the pass, as it has no time. */
static gboolean
gst_cnn3d_eval_element_query (GstElement *element, GstQuery *query)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (element);
  GstFormat format;
  guint64 clips;

  if (GST_QUERY_TYPE (query) != GST_QUERY_POSITION)
    return GST_ELEMENT_CLASS (gst_cnn3d_eval_parent_class)->query (element, query);

  gst_query_parse_position (query, &format, NULL);
  if (format != GST_FORMAT_DEFAULT)
    return FALSE;
  GST_OBJECT_LOCK (self);
  clips = self->metrics.clips;
  GST_OBJECT_UNLOCK (self);
  gst_query_set_position (query, format, clips);

  return TRUE;
}

/* --- the element --- */

static gboolean
gst_cnn3d_eval_begin (GstCnn3dEval *self)
{
  const EvalMetrics none = { NAN, NAN, NAN, NAN, NAN, 0, 0 };
  EvalSettings settings;
  EvalRun *run;

  if (!settings_check (GST_ELEMENT (self)))
    return FALSE;
  GST_OBJECT_LOCK (self);
  settings_copy (&eval_settings, &settings, &self->settings);
  self->metrics = none;
  GST_OBJECT_UNLOCK (self);
  run = eval_run_new (GST_BASE_SINK (self), &settings, &self->metrics);
  settings_clear (&eval_settings, &settings);
  GST_PAD_STREAM_LOCK (GST_BASE_SINK_PAD (self));
  self->run = run;
  GST_PAD_STREAM_UNLOCK (GST_BASE_SINK_PAD (self));

  return run != NULL;
}

/* The streaming thread has ended, but another thread may flush. */
static void
gst_cnn3d_eval_end (GstCnn3dEval *self)
{
  GST_PAD_STREAM_LOCK (GST_BASE_SINK_PAD (self));
  eval_run_free (&self->run);
  GST_PAD_STREAM_UNLOCK (GST_BASE_SINK_PAD (self));
}

static GstStateChangeReturn
gst_cnn3d_eval_change_state (GstElement *element, GstStateChange transition)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !gst_cnn3d_eval_begin (self))
    return GST_STATE_CHANGE_FAILURE;

  ret = GST_ELEMENT_CLASS (gst_cnn3d_eval_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY
      || (transition == GST_STATE_CHANGE_READY_TO_PAUSED && ret == GST_STATE_CHANGE_FAILURE))
    gst_cnn3d_eval_end (self);

  return ret;
}

static void
gst_cnn3d_eval_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (object);

  if (settings_set (&eval_settings, GST_ELEMENT (self), &self->settings, id - PROP_SETTINGS, value)
      && GST_STATE (self) > GST_STATE_READY)
    GST_WARNING_OBJECT (self,
        "%s can only be changed in the states NULL and READY: the new value holds from the next "
        "run on",
        pspec->name);
}

static void
gst_cnn3d_eval_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (object);
  const EvalMetrics *f = &self->metrics;

  GST_OBJECT_LOCK (self);
  switch (id) {
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
      settings_get (&eval_settings, &self->settings, id - PROP_SETTINGS, value);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_cnn3d_eval_finalize (GObject *object)
{
  GstCnn3dEval *self = GST_CNN3D_EVAL (object);

  eval_run_free (&self->run);
  settings_clear (&eval_settings, &self->settings);

  G_OBJECT_CLASS (gst_cnn3d_eval_parent_class)->finalize (object);
}

static void
gst_cnn3d_eval_install_metrics (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  static const struct {
    guint id;
    const gchar *name, *nick, *blurb;
    gdouble most;
  } doubles[] = {
    { PROP_ACCURACY, "accuracy", "Accuracy",
        "Fraction of the last pass's videos that were classified correctly (0 to 1; NaN before the "
        "end of the first pass)",
        1 },
    { PROP_TOP5_ACCURACY, "top5-accuracy", "Top-5 accuracy",
        "Fraction of the last pass's videos whose class was among the five most probable (0 to 1; "
        "NaN before the end of the first pass)",
        1 },
    { PROP_F1, "f1", "F1",
        "F1 of the last pass, mean over the classes that occur (0 to 1; NaN before the end of the "
        "first pass)",
        1 },
    { PROP_AUROC, "auroc", "AUROC",
        "Area under the ROC curve of the last pass, one class against the rest, mean over classes "
        "(0 to 1; NaN before the end of the first pass, or with one class only)",
        1 },
    { PROP_LOSS, "loss", "Loss",
        "Mean loss of the last pass's clips (0 or more; NaN before the end of the first pass)",
        G_MAXDOUBLE },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (doubles); i++)
    g_object_class_install_property (object_class, doubles[i].id,
        g_param_spec_double (
            doubles[i].name, doubles[i].nick, doubles[i].blurb, 0, doubles[i].most, 0, flags));
  g_object_class_install_property (object_class, PROP_CLIPS,
      g_param_spec_uint64 ("clips", "Clips",
          "Clips evaluated so far in the current pass, or in the last one (clips, from 0)", 0,
          G_MAXUINT64, 0, flags));
  g_object_class_install_property (object_class, PROP_PREDICTED_MEMORY,
      g_param_spec_uint64 ("predicted-memory", "Predicted memory",
          "Planned memory of the model: weights, input and the arena (bytes; 0 before it is set "
          "up)",
          0, G_MAXUINT64, 0, flags));
}

static void
gst_cnn3d_eval_class_init (GstCnn3dEvalClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (cnn3d_eval_debug, "cnn3deval", 0, "evaluation of a trained 3D CNN");

  object_class->set_property = gst_cnn3d_eval_set_property;
  object_class->get_property = gst_cnn3d_eval_get_property;
  object_class->finalize = gst_cnn3d_eval_finalize;
  element_class->change_state = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_change_state);
  element_class->query = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_element_query);
  sink_class->set_caps = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_set_caps);
  sink_class->event = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_event);
  sink_class->query = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_query);
  sink_class->render = GST_DEBUG_FUNCPTR (gst_cnn3d_eval_render);

  settings_install (&eval_settings, object_class, PROP_SETTINGS, GST_PARAM_MUTABLE_READY);
  gst_cnn3d_eval_install_metrics (object_class);

  gst_element_class_set_static_metadata (element_class, "3D CNN evaluator", "Sink/Video",
      "Evaluates a trained 3D convolutional network on video clips", "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
}

static void
gst_cnn3d_eval_init (GstCnn3dEval *self)
{
  GstBaseSink *sink = GST_BASE_SINK (self);

  settings_init (&eval_settings, &self->settings);
  self->metrics = (EvalMetrics) { NAN, NAN, NAN, NAN, NAN, 0, 0 };
  /* every batch counts, regardless of its time; none is kept */
  gst_base_sink_set_sync (sink, FALSE);
  gst_base_sink_set_last_sample_enabled (sink, FALSE);
  gst_base_sink_set_drop_out_of_segment (sink, FALSE);
}
