/* gstcnn3dinfer.c: classifies live video with a trained 3D CNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-cnn3dinfer
 * @title: cnn3dinfer
 * @see_also: cnn3dtrain, cnn3deval
 *
 * Classifies live video. Frames are passed through unchanged and without
 * delay. Windows of frames are scaled as for the training of
 * #GstCnn3dInfer:model, and a separate thread classifies them one at a time. A
 * window that becomes complete while another is being computed is dropped and
 * counted; frames are never dropped.
 *
 * Each result is posted as an element message, cnn3dinfer-result, and attached
 * to all frames that follow, as a #GstCustomMeta named Cnn3dResult and, where
 * GStreamer supports them, as analytics metas. The request pad `text` outputs
 * it as text, for an overlay.
 *
 * A model of key points reads those that the frames carry as GstClipKptMeta, as an application or an
 * element before cnn3dinfer attaches them.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -m filesrc location=clips/ball/00.mp4 ! decodebin ! cnn3dinfer model=run/best.safetensors drop=false ! fakesink
 * ]| Prints the class of each window of a file.
 * |[
 * gst-launch-1.0 filesrc location=clips/ball/00.mp4 ! decodebin ! cnn3dinfer name=i model=run/best.safetensors ! queue ! textoverlay name=o ! videoconvert ! fakesink i.text ! queue ! o.text_sink
 * ]| Overlays the class on the video.
 *
 * Since: 0.1.0
 */
#include "gstcnn3dinfer-private.h"

#include <string.h>

#include "elementreport.h"
#include "infertext.h"
#include "src/escape.h"

GST_DEBUG_CATEGORY_STATIC (cnn3d_infer_debug);
#define GST_CAT_DEFAULT cnn3d_infer_debug

G_DEFINE_TYPE (GstCnn3dInfer, gst_cnn3d_infer, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (cnn3dinfer, "cnn3dinfer", GST_RANK_NONE, GST_TYPE_CNN3D_INFER);

#define VIDEO_CAPS GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE (
    "text", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS ("text/x-raw, format = (string) utf8"));

/* --- results, from the computing thread --- */

static void
gst_cnn3d_infer_warn_unrecorded (GstCnn3dInfer *self, InferModel *model)
{
  Cnn3dDevicePasses passes;
  gchar *text;

  if (model->unrecorded_warned || !cnn3d_predictor_passes (model->predictor, &passes))
    return;
  text = element_unrecorded_text (cnn3d_predictor_device (model->predictor), &passes);
  if (text) {
    model->unrecorded_warned = TRUE;
    element_report_warning (
        GST_ELEMENT (self), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, text);
  }
  g_free (text);
}

static void
gst_cnn3d_infer_done (gpointer user, const InferJob *job, const gfloat *logits, GstClockTime took)
{
  GstCnn3dInfer *self = user;
  const guint n = job->model->num_classes;
  gdouble *probabilities = g_new (gdouble, n);
  gboolean changed = FALSE, current;
  InferResult *result, *old = NULL;
  guint64 dropped;
  gdouble threshold;
  guint smoothing;

  gst_cnn3d_infer_warn_unrecorded (self, job->model);
  cnn3d_softmax (logits, n, probabilities);
  GST_OBJECT_LOCK (self);
  threshold = self->settings.threshold;
  smoothing = self->settings.smoothing;
  dropped = self->dropped;
  self->windows++;
  GST_OBJECT_UNLOCK (self);

  if (self->serial != job->model->serial || self->average_epoch != job->epoch
      || self->average.most != smoothing || self->average.num_classes != n)
    infer_average_reset (&self->average, n, smoothing);
  self->serial = job->model->serial;
  self->average_epoch = job->epoch;
  infer_average_add (&self->average, probabilities);
  result = infer_result_new (job, probabilities, threshold, dropped, took);
  g_free (probabilities);

  GST_OBJECT_LOCK (self);
  /* results of flushed windows are dropped */
  current = job->epoch == self->epoch;
  if (current) {
    old = self->newest;
    self->newest = infer_result_ref (result);
    changed = !old || strcmp (old->name, result->name);
  }
  GST_OBJECT_UNLOCK (self);
  if (current) {
    GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT, result->structure);
    element_post (GST_ELEMENT (self), gst_structure_copy (result->structure));
  }
  if (changed)
    g_object_notify (G_OBJECT (self), "class");
  g_clear_pointer (&old, infer_result_unref);
  infer_result_unref (result);
}

static void
gst_cnn3d_infer_failed (gpointer user, const GError *error)
{
  GstCnn3dInfer *self = user;
  gboolean first;

  GST_OBJECT_LOCK (self);
  first = !self->failed;
  self->failed = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (first)
    element_report_error (GST_ELEMENT (self), error, "The model could not be run");
}

/* --- models --- */

/* From the loading thread. */
static void
gst_cnn3d_infer_loaded (
    gpointer user, const InferModelSettings *settings, InferModel *model, const GError *error)
{
  GstCnn3dInfer *self = user;
  InferModel *passed = NULL;

  GST_OBJECT_LOCK (self);
  if (model) {
    passed = self->next;
    self->next = model;
    settings_clear (&infer_model_settings, &self->used);
    settings_copy (&infer_model_settings, &self->used, settings);
  } else if (infer_model_settings_equal (settings, &self->settings.model)) {
    /* the properties show the values in use */
    settings_clear (&infer_model_settings, &self->settings.model);
    settings_copy (&infer_model_settings, &self->settings.model, &self->used);
  }
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&passed, infer_model_unref);

  if (!model) {
    gchar *shown = cnn3d_escape (error->message, TRUE);

    GST_ELEMENT_WARNING (self, RESOURCE, READ, ("The model was not changed: %s", shown), (NULL));
    g_free (shown);
  }
}

static const InferWorkerFuncs worker_funcs = { gst_cnn3d_infer_done, gst_cnn3d_infer_failed,
  gst_cnn3d_infer_loaded };

/* The interval between a window's frames. A setting of 0: as in training. */
static guint
interval_for (const InferModel *model, guint setting)
{
  const Cnn3dPreparation *p = &model->info->preparation;

  if (setting)
    return setting;

  return !g_strcmp0 (p->sampling, "center")
      ? CLAMP (p->frame_interval, 1, cnn3d_setting ("cnn3dinfer", "frame-interval")->maximum)
      : 1;
}

static void
gst_cnn3d_infer_report_model (GstCnn3dInfer *self, const InferModel *model, guint interval)
{
  const Cnn3dModelInfo *info = model->info;
  const Cnn3dPreparation *p = &info->preparation;
  Cnn3dPrecision precision = cnn3d_predictor_precision (model->predictor);
  const gchar *device = cnn3d_predictor_device (model->predictor);
  const gchar *passed_over = cnn3d_predictor_passed_over (model->predictor);
  const gboolean sees_frames = cnn3d_network_sees_frames (&info->network);
  const gint asked = model->settings.precision;
  /* a structure's strings are UTF-8, a path may not be */
  gchar *path = g_filename_display_name (model->settings.path);
  gchar *shown = cnn3d_escape (path, FALSE);

  element_post (GST_ELEMENT (self),
      gst_structure_new ("cnn3dinfer-model", "path", G_TYPE_STRING, path, "network", G_TYPE_STRING,
          info->network.model, "num-classes", G_TYPE_UINT, model->num_classes, "num-frames",
          G_TYPE_UINT, info->network.frames, "frame-interval", G_TYPE_UINT,
          interval_for (model, interval), "frame-rate", GST_TYPE_FRACTION, p->frame_rate_n,
          MAX (p->frame_rate_d, 1), "diff-gain", G_TYPE_DOUBLE, p->diff_gain, "width", G_TYPE_UINT,
          info->network.width, "height", G_TYPE_UINT, info->network.height, "channels", G_TYPE_UINT,
          info->network.channels, "predicted-bytes", G_TYPE_UINT64, model->memory, "device",
          G_TYPE_STRING, device, "precision", G_TYPE_STRING,
          cnn3d_choice_name (&cnn3d_precisions, precision), NULL));

  if (asked != CNN3D_PRECISION_AUTO && (gint) precision != asked)
    element_report_info (GST_ELEMENT (self), "%s computes in %s where precision=%s was asked for.",
        device, cnn3d_choice_name (&cnn3d_precisions, precision),
        cnn3d_choice_name (&cnn3d_precisions, asked));
  element_report_slice (GST_ELEMENT (self), device, cnn3d_predictor_chunk (model->predictor),
      cnn3d_predictor_evaluation_slice (model->predictor));
  if (passed_over)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("device=auto uses %s, because the GPU of this machine cannot be used: %s", device,
            passed_over),
        (NULL));
  if (!interval && !g_strcmp0 (p->sampling, "uniform"))
    element_report_info (GST_ELEMENT (self),
        "%s was trained on frames spread evenly over whole clips, and video has no clips: windows "
        "are of %u consecutive frames; frame-interval makes them as long as the clips were.",
        shown, info->network.frames);
  else if (!interval && !p->sampling)
    element_report_info (GST_ELEMENT (self),
        "%s does not record how far apart the frames of its clips were: windows are of %u "
        "consecutive frames; frame-interval changes that.",
        shown, info->network.frames);
  if (sees_frames && !p->scaling)
    element_report_info (GST_ELEMENT (self),
        "%s does not record how its frames were scaled: bilinear is used, without borders.", shown);
  else if (sees_frames && strcmp (p->scaling, "none")
      && infer_window_find_scaling (p->scaling) < 0) {
    gchar *method = cnn3d_escape (p->scaling, FALSE);

    element_report_info (GST_ELEMENT (self),
        "%s was trained on frames scaled by '%s', which is not known here: bilinear is used.",
        shown, method);
    g_free (method);
  }
  g_free (shown);
  g_free (path);
}

/* Switches to a model; takes ownership of the reference. */
static void
gst_cnn3d_infer_use (GstCnn3dInfer *self, InferModel *model)
{
  InferModel *old = self->model;
  gchar **labels = g_strdupv (model->info->classes), **passed;
  guint interval;

  self->model = model;
  self->warned_missing = self->warned_other = FALSE;
  GST_OBJECT_LOCK (self);
  passed = self->labels;
  self->labels = labels;
  self->memory = model->memory;
  interval = self->settings.interval;
  GST_OBJECT_UNLOCK (self);
  g_strfreev (passed);
  gst_cnn3d_infer_report_model (self, model, interval);
  g_object_notify (G_OBJECT (self), "labels");
  g_clear_pointer (&old, infer_model_unref);
}

/* --- frames --- */

static InferWindowParams
window_params (const InferModel *model, guint interval, guint stride)
{
  const Cnn3dNetworkParams *network = &model->info->network;
  const Cnn3dPreparation *p = &model->info->preparation;
  const gboolean sees_points = cnn3d_network_sees_points (network);
  InferWindowParams params = { network->channels, network->frames, network->height, network->width,
    infer_window_find_scaling (p->scaling), p->add_borders, interval_for (model, interval), stride,
    p->diff_gain, { p->frame_rate_n, p->frame_rate_d }, cnn3d_network_sees_frames (network),
    sees_points ? network->persons : 0, sees_points ? network->points : 0,
    sees_points && p->compact };

  return params;
}

/* Creates the window for the current model, settings and video. FALSE on
 * failure; an error is posted. */
static gboolean
gst_cnn3d_infer_prepare (GstCnn3dInfer *self, guint interval, guint stride)
{
  const InferWindowParams params = window_params (self->model, interval, stride);

  if (self->window && !memcmp (&params, &self->params, sizeof params))
    return TRUE;
  infer_window_free (&self->window);
  self->params = params;
  self->window = infer_window_new (&self->info, &params);
  if (!self->window)
    goto bad_format;
  if (params.sees_frames && !g_strcmp0 (self->model->info->preparation.scaling, "none")
      && (self->info.width != (gint) params.width || self->info.height != (gint) params.height))
    element_report_info (GST_ELEMENT (self),
        "The model was trained on videos of its own size, %ux%u, without a scaler: these, %dx%d, "
        "are scaled by the method bilinear, without borders.",
        params.width, params.height, self->info.width, self->info.height);

  return TRUE;

  /* ERRORS */
bad_format:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Video in %s cannot be scaled to the model's %ux%u: put a videoconvert in front of "
       "cnn3dinfer.",
          gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (&self->info)), params.width,
          params.height),
      (NULL));
  return FALSE;
}

/* Passes the complete window to the worker, or drops it. FALSE: flushing. */
static gboolean
gst_cnn3d_infer_hand_over (GstCnn3dInfer *self, gboolean drop, guint epoch)
{
  gst_cnn3d_infer_check_window (self);
  if (!drop && !infer_worker_wait (self->worker))
    return FALSE;
  if (!infer_worker_take (self->worker, self->model, self->window, self->number++, epoch)) {
    GST_OBJECT_LOCK (self);
    self->dropped++;
    GST_OBJECT_UNLOCK (self);
  }

  /* without drop, wait, so that the result is always on the window's last
   * frame */
  return drop || infer_worker_wait (self->worker);
}

static GstFlowReturn
gst_cnn3d_infer_look (GstCnn3dInfer *self, GstBuffer *buffer)
{
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  guint interval, stride, epoch;
  gboolean drop, failed;
  InferModel *next;

  GST_OBJECT_LOCK (self);
  next = g_steal_pointer (&self->next);
  interval = self->settings.interval;
  stride = self->settings.stride;
  drop = self->settings.drop;
  epoch = self->epoch;
  GST_OBJECT_UNLOCK (self);
  if (next)
    gst_cnn3d_infer_use (self, next);
  if (!gst_cnn3d_infer_prepare (self, interval, stride))
    return GST_FLOW_NOT_NEGOTIATED;
  if (GST_BUFFER_IS_DISCONT (buffer))
    infer_window_restart (self->window);
  if (!gst_cnn3d_infer_check_points (self, buffer))
    return GST_FLOW_ERROR;

  if (self->segment.format == GST_FORMAT_TIME && GST_BUFFER_PTS_IS_VALID (buffer))
    running_time =
        gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  if (!infer_window_push (self->window, buffer, running_time))
    GST_WARNING_OBJECT (self,
        "a frame that cannot be read is passed through, and windows start again after it: "
        "%" GST_PTR_FORMAT,
        buffer);
  while (infer_window_next (self->window))
    if (!gst_cnn3d_infer_hand_over (self, drop, epoch))
      return GST_FLOW_FLUSHING;

  GST_OBJECT_LOCK (self);
  failed = self->failed;
  GST_OBJECT_UNLOCK (self);

  return failed ? GST_FLOW_ERROR : GST_FLOW_OK;
}

static GstPad *
gst_cnn3d_infer_get_text (GstCnn3dInfer *self)
{
  GstPad *text;

  GST_OBJECT_LOCK (self);
  text = self->text ? gst_object_ref (self->text) : NULL;
  GST_OBJECT_UNLOCK (self);

  return text;
}

/* Makes the buffer writable for its metas. This copies no pixels. */
static GstBuffer *
gst_cnn3d_infer_attach (GstCnn3dInfer *self, InferResult *result, GstBuffer *buffer)
{
  gchar *name = gst_element_get_name (self);

  buffer = gst_buffer_make_writable (buffer);
  infer_result_attach (result, buffer, name);
  g_free (name);

  return buffer;
}

static GstFlowReturn
gst_cnn3d_infer_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (parent);
  GstFlowReturn ret;
  InferResult *result;
  GstPad *text;

  if (!self->has_info)
    goto no_caps;
  ret = gst_cnn3d_infer_look (self, buffer);
  if (ret != GST_FLOW_OK)
    goto stopped;

  GST_OBJECT_LOCK (self);
  result = self->newest ? infer_result_ref (self->newest) : NULL;
  GST_OBJECT_UNLOCK (self);
  text = gst_cnn3d_infer_get_text (self);
  if (text) {
    ret = infer_text_push (text, self->sink, buffer, &self->info, result);
    gst_object_unref (text);
  }
  if (result) {
    buffer = gst_cnn3d_infer_attach (self, result, buffer);
    infer_result_unref (result);
  }
  if (ret != GST_FLOW_OK)
    goto stopped;

  return gst_pad_push (self->src, buffer);

  /* ERRORS */
no_caps:
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION, ("Frames arrived before their caps"), (NULL));
  gst_buffer_unref (buffer);
  return GST_FLOW_NOT_NEGOTIATED;
stopped:
  gst_buffer_unref (buffer);
  return ret;
}

/* --- events --- */

static gboolean
gst_cnn3d_infer_set_caps (GstCnn3dInfer *self, GstCaps *caps)
{
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, caps))
    goto bad_caps;
  if (!self->has_info || !gst_video_info_is_equal (&info, &self->info))
    infer_window_free (&self->window);
  self->info = info;
  self->has_info = TRUE;

  return TRUE;

  /* ERRORS */
bad_caps:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("The caps in front of cnn3dinfer are not valid raw video: check the frames' size and "
       "interlace-mode."),
      ("%" GST_PTR_FORMAT, caps));
  return FALSE;
}

/* Drops the last result, which is not about the frames that follow. */
static void
gst_cnn3d_infer_forget (GstCnn3dInfer *self)
{
  InferResult *newest;
  gboolean named;

  GST_OBJECT_LOCK (self);
  newest = g_steal_pointer (&self->newest);
  GST_OBJECT_UNLOCK (self);
  named = newest && *newest->name;
  g_clear_pointer (&newest, infer_result_unref);
  if (named)
    g_object_notify (G_OBJECT (self), "class");
}

/* From any thread, in any state: the lock keeps the worker alive. */
static void
gst_cnn3d_infer_set_flushing (GstCnn3dInfer *self, gboolean flushing)
{
  GST_OBJECT_LOCK (self);
  if (self->worker)
    infer_worker_set_flushing (self->worker, flushing);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_cnn3d_infer_flush_stop (GstCnn3dInfer *self)
{
  gst_cnn3d_infer_set_flushing (self, FALSE);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  if (self->window)
    infer_window_restart (self->window);
  GST_OBJECT_LOCK (self);
  self->epoch++;
  GST_OBJECT_UNLOCK (self);
  gst_cnn3d_infer_forget (self);
}

/* Warns that video shorter than a window has no result. */
static void
gst_cnn3d_infer_eos (GstCnn3dInfer *self)
{
  const FrameRate rate = self->params.rate;
  gchar *at;
  gboolean drop;
  guint epoch;

  GST_OBJECT_LOCK (self);
  drop = self->settings.drop;
  epoch = self->epoch;
  GST_OBJECT_UNLOCK (self);
  if (self->window) {
    infer_window_end (self->window);
    while (infer_window_next (self->window) && gst_cnn3d_infer_hand_over (self, drop, epoch))
      ;
  }
  /* the pending window is reported first */
  infer_worker_wait (self->worker);
  if (self->number > 0)
    return;
  at = rate.n ? g_strdup_printf (" at %d/%d a second", rate.n, rate.d) : g_strdup ("");
  if (self->window)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("The video ended before its first window of %u frames, %u apart%s, was complete: there is "
         "no result. A smaller frame-interval takes less of it.",
            self->params.frames, self->params.interval, at),
        (NULL));
  else
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("The video ended before its first frame: there is no result."), (NULL));
  g_free (at);
}

static gboolean
gst_cnn3d_infer_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (parent);
  GstPad *text;
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      if (!gst_cnn3d_infer_set_caps (self, caps)) {
        gst_event_unref (event);
        return FALSE;
      }
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment (event, &self->segment);
      if (self->window)
        infer_window_restart (self->window);
      break;
    case GST_EVENT_EOS:
      gst_cnn3d_infer_eos (self);
      break;
    case GST_EVENT_FLUSH_START:
      gst_cnn3d_infer_set_flushing (self, TRUE);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_cnn3d_infer_flush_stop (self);
      break;
    default:
      break;
  }
  text = gst_cnn3d_infer_get_text (self);
  if (text) {
    infer_text_event (text, self->sink, event);
    gst_object_unref (text);
  }

  return gst_pad_push_event (self->src, event);
}

/* The video's pads are linked internally; the text pad is linked to none. */
static GstIterator *
gst_cnn3d_infer_links (GstPad *pad, GstObject *parent)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (parent);
  GValue value = G_VALUE_INIT;
  GstIterator *it;

  g_value_init (&value, GST_TYPE_PAD);
  g_value_set_object (&value, pad == self->sink ? self->src : self->sink);
  it = gst_iterator_new_single (GST_TYPE_PAD, &value);
  g_value_unset (&value);

  return it;
}

/* --- the element --- */

static GstPad *
gst_cnn3d_infer_request_pad (
    GstElement *element, GstPadTemplate *template, const gchar *name, const GstCaps *caps)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (element);
  GstPad *pad = infer_text_pad_new (template, self->sink);
  gboolean has;

  GST_OBJECT_LOCK (self);
  has = self->text != NULL;
  if (!has)
    self->text = gst_object_ref_sink (pad);
  GST_OBJECT_UNLOCK (self);
  if (has) {
    GST_WARNING_OBJECT (self, "there is only one text pad, and it is in use: put a tee after it");
    gst_object_unref (gst_object_ref_sink (pad));
    return NULL;
  }
  gst_pad_set_active (pad, TRUE);
  gst_element_add_pad (element, pad);

  return pad;
}

static void
gst_cnn3d_infer_release_pad (GstElement *element, GstPad *pad)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (element);
  GstPad *text;

  GST_OBJECT_LOCK (self);
  text = g_steal_pointer (&self->text);
  GST_OBJECT_UNLOCK (self);
  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
  gst_clear_object (&text);
}

static gboolean
gst_cnn3d_infer_begin (GstCnn3dInfer *self)
{
  InferModelSettings settings;
  GError *error = NULL;
  InferModel *model;
  InferWorker *worker;

  GST_OBJECT_LOCK (self);
  settings_copy (&infer_model_settings, &settings, &self->settings.model);
  GST_OBJECT_UNLOCK (self);
  model = infer_model_load (&settings, &error);
  if (!model)
    goto no_model;

  worker = infer_worker_new (&worker_funcs, self);
  GST_PAD_STREAM_LOCK (self->sink);
  self->number = 0;
  self->has_info = FALSE;
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  GST_OBJECT_LOCK (self);
  self->worker = worker;
  self->windows = self->dropped = 0;
  self->failed = FALSE;
  settings_clear (&infer_model_settings, &self->used);
  self->used = settings;
  /* another file may have been set meanwhile */
  if (!infer_model_settings_equal (&self->used, &self->settings.model))
    infer_worker_load (worker, &self->settings.model);
  GST_OBJECT_UNLOCK (self);
  gst_cnn3d_infer_forget (self);
  gst_cnn3d_infer_use (self, model);
  GST_PAD_STREAM_UNLOCK (self->sink);

  return TRUE;

  /* ERRORS */
no_model:
  element_report_error (GST_ELEMENT (self), error, "The model could not be loaded");
  g_error_free (error);
  settings_clear (&infer_model_settings, &settings);
  return FALSE;
}

/* The streaming thread has ended, but another thread may flush. Labels and the
 * last result remain readable. */
static void
gst_cnn3d_infer_end (GstCnn3dInfer *self)
{
  InferWorker *worker;
  InferModel *next;

  GST_OBJECT_LOCK (self);
  worker = g_steal_pointer (&self->worker);
  GST_OBJECT_UNLOCK (self);
  infer_worker_free (&worker);
  GST_OBJECT_LOCK (self);
  next = g_steal_pointer (&self->next);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&next, infer_model_unref);
  GST_PAD_STREAM_LOCK (self->sink);
  g_clear_pointer (&self->model, infer_model_unref);
  infer_window_free (&self->window);
  GST_PAD_STREAM_UNLOCK (self->sink);
  infer_average_clear (&self->average);
}

static GstStateChangeReturn
gst_cnn3d_infer_change_state (GstElement *element, GstStateChange transition)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && (!settings_check (element) || !gst_cnn3d_infer_begin (self)))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_cnn3d_infer_set_flushing (self, TRUE);

  ret = GST_ELEMENT_CLASS (gst_cnn3d_infer_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY
      || (transition == GST_STATE_CHANGE_READY_TO_PAUSED && ret == GST_STATE_CHANGE_FAILURE))
    gst_cnn3d_infer_end (self);

  return ret;
}

static void
gst_cnn3d_infer_finalize (GObject *object)
{
  GstCnn3dInfer *self = GST_CNN3D_INFER (object);

  settings_clear (&infer_model_settings, &self->settings.model);
  settings_clear (&infer_model_settings, &self->used);
  g_clear_pointer (&self->newest, infer_result_unref);
  g_strfreev (self->labels);

  G_OBJECT_CLASS (gst_cnn3d_infer_parent_class)->finalize (object);
}

static void
gst_cnn3d_infer_class_init (GstCnn3dInferClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (cnn3d_infer_debug, "cnn3dinfer", 0, "classification of live video");
  infer_result_register_meta ();

  object_class->finalize = gst_cnn3d_infer_finalize;
  element_class->change_state = GST_DEBUG_FUNCPTR (gst_cnn3d_infer_change_state);
  element_class->request_new_pad = GST_DEBUG_FUNCPTR (gst_cnn3d_infer_request_pad);
  element_class->release_pad = GST_DEBUG_FUNCPTR (gst_cnn3d_infer_release_pad);

  gst_cnn3d_infer_install_properties (object_class);
  gst_element_class_set_static_metadata (element_class, "3D CNN classifier of live video",
      "Filter/Analyzer/Video", "Classifies live video with a trained 3D convolutional network",
      "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template (element_class, &text_template);
}

static void
gst_cnn3d_infer_init (GstCnn3dInfer *self)
{
  self->sink = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sink, GST_DEBUG_FUNCPTR (gst_cnn3d_infer_chain));
  gst_pad_set_event_function (self->sink, GST_DEBUG_FUNCPTR (gst_cnn3d_infer_sink_event));
  gst_pad_set_iterate_internal_links_function (
      self->sink, GST_DEBUG_FUNCPTR (gst_cnn3d_infer_links));
  GST_PAD_SET_PROXY_CAPS (self->sink);
  GST_PAD_SET_PROXY_ALLOCATION (self->sink);
  gst_element_add_pad (GST_ELEMENT (self), self->sink);

  self->src = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_iterate_internal_links_function (
      self->src, GST_DEBUG_FUNCPTR (gst_cnn3d_infer_links));
  GST_PAD_SET_PROXY_CAPS (self->src);
  gst_element_add_pad (GST_ELEMENT (self), self->src);

  gst_cnn3d_infer_init_settings (self);
}
