/* gstcnn3dtrain.c: trains a 3D CNN on batches of clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-cnn3dtrain
 * @title: cnn3dtrain
 * @see_also: clipsrc, clipsample, clipbatch
 *
 * Trains the network named by #GstCnn3dTrain:model. Each buffer is a batch of
 * clips and their labels.
 *
 * Batches have NNStreamer's caps, other/tensors with two static tensors. The
 * first holds the frames, C:W:H:T:N, innermost dimension first: uint8, which
 * is normalised with the model's own mean and deviation, or float16 or
 * float32, which must be normalised already. The second holds the labels: N
 * class numbers, int32 or int64, or K:N one-hot float32.
 *
 * clipsrc sends events that mark the start and end of each pass and name the
 * classes. After each training pass it may send the validation clips, on which
 * the network is evaluated. A stream without such events is one training pass.
 *
 * Training can be interrupted at any time, by Ctrl-C or a power failure. With
 * #GstCnn3dTrain:checkpoint-dir the same launch line resumes at the clip where
 * it stopped, and ends with the same weights, bit for bit, as an uninterrupted
 * run.
 *
 * The element posts the messages cnn3dtrain-plan, cnn3dtrain-step,
 * cnn3dtrain-epoch, cnn3dtrain-validation, cnn3dtrain-checkpoint,
 * cnn3dtrain-left-out, cnn3dtrain-resumed and cnn3dtrain-finished.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -e clipsrc location=clips epochs=10 clip-bin="clipsample num-frames=16 ! videoconvertscale add-borders=false ! video/x-raw,format=RGB,width=112,height=112" ! clipbatch batch-size=4 ! queue max-size-buffers=2 max-size-bytes=0 max-size-time=0 ! cnn3dtrain model=r3d_18 base-width=16 lr=0.005 checkpoint-dir=run
 * ]| Trains a small r3d_18 on a folder of class folders.
 *
 * Since: 0.1.0
 */
#include "gstcnn3dtrain.h"

#include <math.h>

#include "elementreport.h"
#include "trainpreset.h"
#include "trainrun.h"

GST_DEBUG_CATEGORY_EXTERN (cnn3d_train_debug);
#define GST_CAT_DEFAULT cnn3d_train_debug

enum {
  PROP_0,
  PROP_EPOCH,
  PROP_STEP,
  PROP_LOSS,
  PROP_ACCURACY,
  PROP_VAL_LOSS,
  PROP_VAL_ACCURACY,
  PROP_PREDICTED_MEMORY,
  PROP_PEAK_MEMORY,
  PROP_CLIPS_PER_SECOND,
  PROP_LOSS_SCALE,
  PROP_STEPS_SKIPPED,
  PROP_DEVICES,
  PROP_SETTINGS, /* the first setting */
};

struct _GstCnn3dTrain {
  GstBaseSink parent;

  /* Under the object lock */
  TrainSettings settings;
  TrainPreset *preset;
  TrainMetrics metrics;
  guint rank, ranks; /* of the current run, or the last one */

  GstPadEventFunction base_event; /* the base class's */

  /* from READY to READY; under the pad's stream lock, because FLUSH_STOP arrives in every state */
  TrainRun *run;
};

static void gst_cnn3d_train_preset_init (GstPresetInterface *iface);

G_DEFINE_TYPE_WITH_CODE (GstCnn3dTrain, gst_cnn3d_train, GST_TYPE_BASE_SINK,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, gst_cnn3d_train_preset_init));
GST_ELEMENT_REGISTER_DEFINE (cnn3dtrain, "cnn3dtrain", GST_RANK_NONE, GST_TYPE_CNN3D_TRAIN);

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("other/tensors, format = (string) static, num_tensors = (int) [ 2, 4 ]"));

/* --- the stream --- */

static gboolean
gst_cnn3d_train_set_caps (GstBaseSink *sink, GstCaps *caps)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (sink);
  TensorLayout layout;
  GError *error = NULL;

  if (tensor_layout_from_caps (&layout, caps, &error))
    return train_run_set_layout (self->run, &layout);

  /* ERRORS */
  element_report_error (GST_ELEMENT (self), error, NULL);
  g_error_free (error);

  return FALSE;
}

static gboolean
gst_cnn3d_train_event (GstBaseSink *sink, GstEvent *event)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (sink);

  if (!GST_EVENT_IS_SERIALIZED (event) || !self->run)
    return GST_BASE_SINK_CLASS (gst_cnn3d_train_parent_class)->event (sink, event);

  /* Training ends before the stream does: an EOS, as if from upstream, ends the
   * pipeline, and all later buffers are refused. */
  if (train_run_event (self->run, event) && GST_EVENT_TYPE (event) != GST_EVENT_EOS) {
    gst_event_unref (event);
    event = gst_event_new_eos ();
  }

  return GST_BASE_SINK_CLASS (gst_cnn3d_train_parent_class)->event (sink, event);
}

/* After the EOS that ends training early the base class refuses caps, of which upstream makes an error
 * before it learns, from the buffer that follows them, that no more are wanted. */
static gboolean
gst_cnn3d_train_pad_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (parent);
  TensorLayout layout;
  GstCaps *caps;
  gboolean ret;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS || !self->run || !train_run_ends_stream (self->run))
    return self->base_event (pad, parent, event);

  gst_event_parse_caps (event, &caps);
  /* what does not fit is no error any more */
  ret = tensor_layout_from_caps (&layout, caps, NULL) && train_run_set_layout (self->run, &layout);
  gst_event_unref (event);

  return ret;
}

static GstFlowReturn
gst_cnn3d_train_render (GstBaseSink *sink, GstBuffer *buffer)
{
  return train_run_batch (GST_CNN3D_TRAIN (sink)->run, buffer);
}

static gboolean
gst_cnn3d_train_query (GstBaseSink *sink, GstQuery *query)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (sink);

  if (gst_query_is_clip_share (query)) {
    GST_OBJECT_LOCK (self);
    gst_query_set_clip_share_rank (query, self->rank, self->ranks);
    GST_OBJECT_UNLOCK (self);
    return TRUE;
  }
  if (GST_QUERY_TYPE (query) != GST_QUERY_ACCEPT_CAPS)
    return GST_BASE_SINK_CLASS (gst_cnn3d_train_parent_class)->query (sink, query);

  tensor_layout_answer_accept_caps (query);

  return TRUE;
}

/* Training has no time: its position is counted in clips, and gst-launch shows
 * no position beside the progress line. */
static gboolean
gst_cnn3d_train_element_query (GstElement *element, GstQuery *query)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (element);
  GstFormat format;
  guint64 position;

  if (GST_QUERY_TYPE (query) != GST_QUERY_POSITION)
    return GST_ELEMENT_CLASS (gst_cnn3d_train_parent_class)->query (element, query);

  gst_query_parse_position (query, &format, NULL);
  if (format != GST_FORMAT_DEFAULT)
    return FALSE;
  GST_OBJECT_LOCK (self);
  position = self->metrics.position;
  GST_OBJECT_UNLOCK (self);
  gst_query_set_position (query, format, position);

  return TRUE;
}

/* --- the element --- */

static gboolean
gst_cnn3d_train_begin (GstCnn3dTrain *self)
{
  const TrainMetrics none = {
    .loss = NAN, .accuracy = NAN, .val_loss = NAN, .val_accuracy = NAN, .loss_scale = 1
  };
  TrainSettings settings;
  TrainRun *run = NULL;
  GError *error = NULL;
  gchar *conflicts;

  if (!settings_check (GST_ELEMENT (self)))
    return FALSE;
  GST_OBJECT_LOCK (self);
  settings_copy (&train_settings, &settings, &self->settings);
  conflicts = train_preset_describe (self->preset);
  self->metrics = none;
  GST_OBJECT_UNLOCK (self);
  if (conflicts)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS, ("%s", conflicts), (NULL));
  g_free (conflicts);
  if (train_settings_check (&settings, &error))
    run = train_run_new (GST_BASE_SINK (self), &settings, &self->metrics);
  settings_clear (&train_settings, &settings);
  if (error)
    goto bad_settings;
  if (!run)
    return FALSE;
  GST_OBJECT_LOCK (self);
  train_run_place (run, &self->rank, &self->ranks);
  GST_OBJECT_UNLOCK (self);
  GST_PAD_STREAM_LOCK (GST_BASE_SINK_PAD (self));
  self->run = run;
  GST_PAD_STREAM_UNLOCK (GST_BASE_SINK_PAD (self));

  return TRUE;

  /* ERRORS */
bad_settings:
  element_report_error (GST_ELEMENT (self), error, NULL);
  g_error_free (error);
  return FALSE;
}

/* The streaming thread has ended, but another thread may flush. */
static void
gst_cnn3d_train_end (GstCnn3dTrain *self, gboolean saves)
{
  GST_PAD_STREAM_LOCK (GST_BASE_SINK_PAD (self));
  if (saves)
    train_run_stop (self->run);
  train_run_free (&self->run);
  GST_PAD_STREAM_UNLOCK (GST_BASE_SINK_PAD (self));
}

static GstStateChangeReturn
gst_cnn3d_train_change_state (GstElement *element, GstStateChange transition)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !gst_cnn3d_train_begin (self))
    return GST_STATE_CHANGE_FAILURE;

  ret = GST_ELEMENT_CLASS (gst_cnn3d_train_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_cnn3d_train_end (self, TRUE);
  else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && ret == GST_STATE_CHANGE_FAILURE)
    gst_cnn3d_train_end (self, FALSE);

  return ret;
}

static void
gst_cnn3d_train_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (object);

  if (!settings_accept (&train_settings, GST_ELEMENT (self), id - PROP_SETTINGS, value))
    return;
  GST_OBJECT_LOCK (self);
  if (GST_STATE (self) > GST_STATE_READY)
    GST_WARNING_OBJECT (self,
        "%s can only be changed in the states NULL and READY: the new value holds from the next "
        "run on",
        pspec->name);
  train_preset_set (self->preset, &self->settings, id - PROP_SETTINGS, value);
  GST_OBJECT_UNLOCK (self);
}

/* GStreamer's own implementation of load_preset */
static gboolean (*load_preset) (GstPreset *, const gchar *);

static gboolean
gst_cnn3d_train_load_preset (GstPreset *preset, const gchar *name)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (preset);
  gboolean ret;

  GST_OBJECT_LOCK (self);
  train_preset_load (self->preset, name);
  GST_OBJECT_UNLOCK (self);
  ret = load_preset (preset, name);
  GST_OBJECT_LOCK (self);
  train_preset_load (self->preset, NULL);
  GST_OBJECT_UNLOCK (self);

  return ret;
}

static void
gst_cnn3d_train_preset_init (GstPresetInterface *iface)
{
  load_preset = iface->load_preset;
  iface->load_preset = gst_cnn3d_train_load_preset;
}

/* Lists the devices, one a line, on the first request and not when the plugin
 * is loaded: the drivers are slow to start. */
static const gchar *
gst_cnn3d_train_devices (void)
{
  static gchar *devices;

  if (g_once_init_enter (&devices)) {
    gchar **list = cnn3d_backend_list_devices ();
    gchar *lines = g_strjoinv ("\n", list);

    g_strfreev (list);
    g_once_init_leave (&devices, lines);
  }

  return devices;
}

static void
gst_cnn3d_train_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (object);
  const TrainMetrics *f = &self->metrics;

  if (id == PROP_DEVICES) {
    g_value_set_string (value, gst_cnn3d_train_devices ());
    return;
  }

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_EPOCH:
      g_value_set_uint (value, f->epoch);
      break;
    case PROP_STEP:
      g_value_set_uint64 (value, f->step);
      break;
    case PROP_LOSS:
      g_value_set_double (value, f->loss);
      break;
    case PROP_ACCURACY:
      g_value_set_double (value, f->accuracy);
      break;
    case PROP_VAL_LOSS:
      g_value_set_double (value, f->val_loss);
      break;
    case PROP_VAL_ACCURACY:
      g_value_set_double (value, f->val_accuracy);
      break;
    case PROP_PREDICTED_MEMORY:
      g_value_set_uint64 (value, f->predicted);
      break;
    case PROP_PEAK_MEMORY:
      g_value_set_uint64 (value, f->peak);
      break;
    case PROP_CLIPS_PER_SECOND:
      g_value_set_double (value, f->clips_per_second);
      break;
    case PROP_LOSS_SCALE:
      g_value_set_double (value, f->loss_scale);
      break;
    case PROP_STEPS_SKIPPED:
      g_value_set_uint64 (value, f->steps_skipped);
      break;
    default:
      settings_get (&train_settings, &self->settings, id - PROP_SETTINGS, value);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_cnn3d_train_finalize (GObject *object)
{
  GstCnn3dTrain *self = GST_CNN3D_TRAIN (object);

  train_run_free (&self->run);
  settings_clear (&train_settings, &self->settings);
  train_preset_free (self->preset);

  G_OBJECT_CLASS (gst_cnn3d_train_parent_class)->finalize (object);
}

static void
gst_cnn3d_train_install_metrics (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  static const struct {
    guint id;
    const gchar *name, *nick, *blurb;
  } doubles[] = {
    { PROP_LOSS, "loss", "Loss",
        "Mean loss of the training pass so far, or of the last one (0 or more; NaN before the "
        "first batch)" },
    { PROP_ACCURACY, "accuracy", "Accuracy",
        "Fraction of the training pass's clips so far that were classified correctly (0 to 1; NaN "
        "before the first batch)" },
    { PROP_VAL_LOSS, "val-loss", "Validation loss",
        "Mean loss of the last validation pass (0 or more; NaN before the first)" },
    { PROP_VAL_ACCURACY, "val-accuracy", "Validation accuracy",
        "Fraction of the last validation pass's clips that were classified correctly (0 to 1; NaN "
        "before the first)" },
    { PROP_CLIPS_PER_SECOND, "clips-per-second", "Clips per second",
        "Training clips per second, including the time spent waiting for them, averaged over about "
        "the last ten seconds (0 before the first batch)" },
  };
  guint i;

  g_object_class_install_property (object_class, PROP_EPOCH,
      g_param_spec_uint (
          "epoch", "Epoch", "The current epoch (epochs, from 0)", 0, G_MAXUINT, 0, flags));
  g_object_class_install_property (object_class, PROP_STEP,
      g_param_spec_uint64 ("step", "Step",
          "Optimizer steps so far, including those before a resume (steps, from 0)", 0, G_MAXUINT64,
          0, flags));
  for (i = 0; i < G_N_ELEMENTS (doubles); i++)
    g_object_class_install_property (object_class, doubles[i].id,
        g_param_spec_double (
            doubles[i].name, doubles[i].nick, doubles[i].blurb, 0, G_MAXDOUBLE, 0, flags));
  g_object_class_install_property (object_class, PROP_PREDICTED_MEMORY,
      g_param_spec_uint64 ("predicted-memory", "Predicted memory",
          "Planned memory of training: weights, gradients, optimizer state and the arena (bytes; 0 "
          "before the network is set up)",
          0, G_MAXUINT64, 0, flags));
  g_object_class_install_property (object_class, PROP_PEAK_MEMORY,
      g_param_spec_uint64 ("peak-memory", "Peak memory",
          "Increase of the process's peak resident size over its resident size before the network "
          "was set up, including other elements' memory; on a GPU, the GPU memory that training "
          "uses (bytes; 0 before the first batch)",
          0, G_MAXUINT64, 0, flags));
  g_object_class_install_property (object_class, PROP_LOSS_SCALE,
      g_param_spec_double ("loss-scale", "Loss scale",
          "Loss scale of the next step with precision=16-mixed on a GPU (a factor; 1: no loss "
          "scaling)",
          0, G_MAXDOUBLE, 1, flags));
  g_object_class_install_property (object_class, PROP_STEPS_SKIPPED,
      g_param_spec_uint64 ("steps-skipped", "Steps skipped",
          "Optimizer steps skipped because the loss scale was too large, including those before a "
          "resume (steps, from 0)",
          0, G_MAXUINT64, 0, flags));
  g_object_class_install_property (object_class, PROP_DEVICES,
      g_param_spec_string ("devices", "Devices",
          "Available devices, one a line that begins with the value for the property device, or "
          "the reason why there is none; device=auto takes the first",
          NULL, flags));
}

static void
gst_cnn3d_train_class_init (GstCnn3dTrainClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (cnn3d_train_debug, "cnn3dtrain", 0, "training of a 3D CNN");

  object_class->set_property = gst_cnn3d_train_set_property;
  object_class->get_property = gst_cnn3d_train_get_property;
  object_class->finalize = gst_cnn3d_train_finalize;
  element_class->change_state = GST_DEBUG_FUNCPTR (gst_cnn3d_train_change_state);
  element_class->query = GST_DEBUG_FUNCPTR (gst_cnn3d_train_element_query);
  sink_class->set_caps = GST_DEBUG_FUNCPTR (gst_cnn3d_train_set_caps);
  sink_class->event = GST_DEBUG_FUNCPTR (gst_cnn3d_train_event);
  sink_class->query = GST_DEBUG_FUNCPTR (gst_cnn3d_train_query);
  sink_class->render = GST_DEBUG_FUNCPTR (gst_cnn3d_train_render);

  settings_install (&train_settings, object_class, PROP_SETTINGS, GST_PARAM_MUTABLE_READY);
  gst_cnn3d_train_install_metrics (object_class);

  gst_element_class_set_static_metadata (element_class, "3D CNN trainer", "Sink/Video",
      "Trains a 3D convolutional network on batches of clips", "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
}

static void
gst_cnn3d_train_init (GstCnn3dTrain *self)
{
  GstBaseSink *sink = GST_BASE_SINK (self);

  settings_init (&train_settings, &self->settings);
  self->preset = train_preset_new ();
  self->base_event = GST_PAD_EVENTFUNC (GST_BASE_SINK_PAD (sink));
  gst_pad_set_event_function (GST_BASE_SINK_PAD (sink), gst_cnn3d_train_pad_event);
  self->metrics.loss_scale = 1;
  self->ranks = 1;
  /* every batch counts, regardless of its time; none is kept */
  gst_base_sink_set_sync (sink, FALSE);
  gst_base_sink_set_last_sample_enabled (sink, FALSE);
  gst_base_sink_set_drop_out_of_segment (sink, FALSE);
}
