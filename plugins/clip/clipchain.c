/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"

#include <string.h>
#include <glib/gstdio.h>

GST_DEBUG_CATEGORY (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* A decoder that does not come back from its frame is left to itself */
#define STOP_TIME (5 * G_TIME_SPAN_SECOND)
/* At most so long does a demuxer wait for parsebin */
#define HOLD_TIME (200 * G_TIME_SPAN_MILLISECOND)

G_DEFINE_TYPE (ClipChain, clip_chain, GST_TYPE_BIN);

void
clip_chain_set_error_locked (ClipChain * self, gchar * reason, gboolean fatal)
{
  if (self->error || self->done) {
    g_free (reason);
  } else {
    self->error = reason;
    self->fatal = fatal;
  }
  g_cond_broadcast (&self->job->cond);
}

void
clip_chain_set_error (ClipChain * self, gchar * reason, gboolean fatal)
{
  g_mutex_lock (&self->job->lock);
  clip_chain_set_error_locked (self, reason, fatal);
  g_mutex_unlock (&self->job->lock);
}

/* Messages */

static void
take_error (ClipChain * self, GstMessage * message)
{
  GError *error = NULL;
  gchar *debug = NULL;
  const gchar *detail, *name = GST_OBJECT_NAME (GST_MESSAGE_SRC (message));
  GstElementFactory *factory = GST_IS_ELEMENT (GST_MESSAGE_SRC (message)) ?
      gst_element_get_factory (GST_ELEMENT (GST_MESSAGE_SRC (message))) : NULL;
  gboolean ours, fatal;

  /* An element's own name counts up: reasons would never be the same twice */
  if (factory)
    name = GST_OBJECT_NAME (factory);
  gst_message_parse_error (message, &error, &debug);
  if (g_str_has_suffix (error->message, "."))
    error->message[strlen (error->message) - 1] = '\0';
  /* "Internal data stream error" says nothing; the debug text's last line
   * does */
  detail = debug ? strrchr (debug, '\n') : NULL;
  ours = self->clip_bin && gst_object_has_as_ancestor
      (GST_MESSAGE_SRC (message), GST_OBJECT (self->clip_bin));
  fatal = ours && !g_error_matches (error, GST_STREAM_ERROR,
      GST_STREAM_ERROR_DECODE);
  clip_chain_set_error (self, g_strdup_printf ("%s: %s%s%s", name,
          error->message, detail ? ": " : "", detail ? detail + 1 : ""), fatal);
  g_clear_error (&error);
  g_free (debug);
}

/* parsebin throws away the errors of an element that it is plugging; a demuxer
 * whose thread is faster than that would fail and nobody would know. */
static void
hold_thread (ClipChain * self, GstElement * element)
{
  gint64 deadline = g_get_monotonic_time () + HOLD_TIME;
  GstElementFactory *factory = gst_element_get_factory (element);

  if (factory && g_str_equal (GST_OBJECT_NAME (factory), "typefind"))
    return;
  g_mutex_lock (&self->job->lock);
  while (!self->plugged && !self->stop && !self->job->aborted) {
    if (!g_cond_wait_until (&self->job->cond, &self->job->lock, deadline))
      break;
  }
  g_mutex_unlock (&self->job->lock);
}

static void
clip_chain_handle_message (GstBin * bin, GstMessage * message)
{
  ClipChain *self = CLIP_CHAIN (bin);
  GstStreamStatusType type;
  GstElement *element;
  const GValue *value;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      take_error (self, message);
      gst_message_unref (message);
      return;
    case GST_MESSAGE_ELEMENT:
      if (gst_message_has_name (message, "missing-plugin")) {
        const GstStructure *s = gst_message_get_structure (message);

        g_mutex_lock (&self->job->lock);
        if (!self->missing)
          self->missing = g_strdup (gst_structure_get_string (s, "name"));
        g_mutex_unlock (&self->job->lock);
      }
      break;
    case GST_MESSAGE_STREAM_STATUS:
      gst_message_parse_stream_status (message, &type, &element);
      value = gst_message_get_stream_status_object (message);
      if (type == GST_STREAM_STATUS_TYPE_CREATE && value
          && G_VALUE_HOLDS (value, GST_TYPE_TASK))
        gst_task_set_pool (g_value_get_object (value), self->tasks);
      else if (type == GST_STREAM_STATUS_TYPE_ENTER)
        hold_thread (self, element);
      break;
    case GST_MESSAGE_NEED_CONTEXT:
      /* The answer goes to the element that asked, not to who passed it on */
      gst_element_post_message (self->owner, message);
      return;
    default:
      break;
  }
  GST_BIN_CLASS (clip_chain_parent_class)->handle_message (bin, message);
}
/* Building */

/* A parser's caps. Without codec_data, it is to repeat what a decoder must know
 * before each key frame, which may be the first that the decoder sees. And what a
 * container tells of colours may lack the range, and the parser would believe
 * it rather than the stream: it goes by under another name. */
static GstPadProbeReturn
take_parser_caps (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  const GstStructure *s;
  const GValue *value;
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (event, &caps);
  s = gst_caps_get_structure (caps, 0);
  if (!gst_structure_has_field (s, "codec_data"))
    g_object_set (GST_PAD_PARENT (pad), "config-interval", -1, NULL);
  value = gst_structure_get_value (s, "colorimetry");
  if (!value)
    return GST_PAD_PROBE_OK;
  caps = gst_caps_copy (caps);
  gst_caps_set_value (caps, CLIP_CHAIN_COLORIMETRY, value);
  gst_structure_remove_field (gst_caps_get_structure (caps, 0), "colorimetry");
  GST_PAD_PROBE_INFO_DATA (info) = gst_event_new_caps (caps);
  gst_event_unref (event);
  gst_caps_unref (caps);

  return GST_PAD_PROBE_OK;
}

static void
set_up_parser (GstBin * bin, GstBin * sub_bin, GstElement * element,
    gpointer data)
{
  GParamSpec *spec = g_object_class_find_property
      (G_OBJECT_GET_CLASS (element), "config-interval");
  ClipChain *self = data;
  GstPad *sink;

  g_mutex_lock (&self->job->lock);
  self->plugging |= GST_ELEMENT (sub_bin) == self->parsebin
      && !g_str_has_prefix (GST_OBJECT_NAME (element), "typefind");
  g_mutex_unlock (&self->job->lock);
  if (!spec || spec->value_type != G_TYPE_INT)
    return;
  sink = gst_element_get_static_pad (element, "sink");
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      take_parser_caps, NULL, NULL);
  gst_object_unref (sink);
}

/* Sound and subtitles are not decoded. */
static gboolean
autoplug_continue (GstElement * parsebin, GstPad * pad, GstCaps * caps,
    gpointer data)
{
  const gchar *name;

  if (gst_caps_is_any (caps) || gst_caps_is_empty (caps))
    return TRUE;
  name = gst_structure_get_name (gst_caps_get_structure (caps, 0));

  return !g_str_has_prefix (name, "audio/") && !g_str_has_prefix (name, "text/")
      && !g_str_has_prefix (name, "subpicture/")
      && !g_str_has_prefix (name, "closedcaption/");
}

static void
pad_added (GstElement * parsebin, GstPad * pad, ClipChain * self)
{
  GstCaps *caps = gst_pad_get_current_caps (pad);
  const gchar *name;
  gboolean video;

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  name = gst_caps_is_empty (caps) || gst_caps_is_any (caps) ? "" :
      gst_structure_get_name (gst_caps_get_structure (caps, 0));
  video = g_str_has_prefix (name, "video/") || g_str_has_prefix (name, "image/");
  gst_caps_unref (caps);
  if (video) {
    clip_chain_add_track (self, pad);
    return;
  }
  g_mutex_lock (&self->job->lock);
  self->has_other = TRUE;
  g_mutex_unlock (&self->job->lock);
}

static void
pad_removed (GstElement * parsebin, GstPad * pad, ClipChain * self)
{
  clip_chain_end_track (self, pad);
}

/* After parsebin's own handler. */
static void
have_type (GstElement * typefind, guint probability, GstCaps * caps,
    ClipChain * self)
{
  const gchar *name = gst_structure_get_name (gst_caps_get_structure (caps, 0));

  g_mutex_lock (&self->job->lock);
  if (g_str_equal (name, "video/quicktime"))
    self->container = CLIP_CONTAINER_QUICKTIME;
  else if (g_str_equal (name, "video/x-msvideo"))
    self->container = CLIP_CONTAINER_AVI;
  self->plugged = TRUE;
  g_cond_broadcast (&self->job->cond);
  g_mutex_unlock (&self->job->lock);
}

static void
clip_chain_init (ClipChain * self)
{
  self->keeps = TRUE;
  self->last_frame = -1;
  self->tracks = g_ptr_array_new_with_free_func ((GDestroyNotify)
      clip_track_free);
  clip_chain_make_pads (self);
}

static void
clip_chain_finalize (GObject * object)
{
  ClipChain *self = CLIP_CHAIN (object);

  g_ptr_array_unref (self->tracks);
  g_clear_pointer (&self->index, clip_index_unref);
  gst_clear_caps (&self->fed_caps);
  gst_object_unref (self->feed);
  gst_object_unref (self->gate_sink);
  gst_object_unref (self->gate_src);
  gst_object_unref (self->out);
  gst_clear_caps (&self->caps);
  gst_clear_event (&self->preparation);
  g_clear_object (&self->owner);
  g_clear_object (&self->tasks);
  g_clear_object (&self->src_pad);
  g_free (self->error);
  g_free (self->missing);
  clip_job_unref (self->job);
  G_OBJECT_CLASS (clip_chain_parent_class)->finalize (object);
}

static void
clip_chain_class_init (ClipChainClass * klass)
{
  G_OBJECT_CLASS (klass)->finalize = clip_chain_finalize;
  GST_BIN_CLASS (klass)->handle_message = clip_chain_handle_message;
  GST_DEBUG_CATEGORY_INIT (clip_chain_debug, "clipchain", 0,
      "decoding of one clip");
}

/* Whether a part of a description, between two `!`, is caps. */
static gboolean
is_caps (const gchar * part)
{
  part += strspn (part, " \t\n");

  return part[strcspn (part, " \t\n,;(!=\"")] != '=' &&
      strcspn (part, "/") < strcspn (part, " \t\n,;(!=\"");
}

/* GStreamer's grammar wants an element on both sides of caps; people end a
 * clip-bin in them. */
static gchar *
close_description (const gchar * description)
{
  const gchar *last = description;
  gboolean quoted = FALSE;

  for (const gchar * p = description; *p; p++) {
    if (*p == '\\' && p[1])
      p++;
    else if (*p == '"')
      quoted = !quoted;
    else if (*p == '!' && !quoted)
      last = p + 1;
  }

  return g_strconcat (is_caps (description) ? "identity ! " : "", description,
      is_caps (last) ? " ! identity" : "", NULL);
}

GstElement *
clip_chain_parse_bin (const gchar * description, GError ** error)
{
  gchar *closed = close_description (description);
  GstElement *bin = gst_parse_bin_from_description_full (closed, TRUE,
      NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  GstPad *sink, *src;

  g_free (closed);
  if (!bin)
    return NULL;
  sink = gst_element_get_static_pad (bin, "sink");
  src = gst_element_get_static_pad (bin, "src");
  if (!sink || !src) {
    g_set_error (error, GST_PARSE_ERROR, GST_PARSE_ERROR_LINK,
        "it has no free %s pad; frames go in at one end and out at the other",
        sink ? "source" : "sink");
    gst_object_unref (gst_object_ref_sink (bin));
    bin = NULL;
  }
  gst_clear_object (&sink);
  gst_clear_object (&src);

  return bin;
}

ClipChain *
clip_chain_new (const ClipChainSettings * settings, ClipJob * job,
    ClipIndex * index)
{
  ClipChain *self = g_object_new (CLIP_TYPE_CHAIN, NULL);
  GstElement *source, *parsebin, *typefind;
  GError *error = NULL;
  GStatBuf status;
  GstPad *pad;

  gst_object_ref_sink (self);
  self->job = clip_job_ref (job);
  self->owner = g_object_ref (settings->owner);
  self->tasks = g_object_ref (settings->tasks);
  self->src_pad = g_object_ref (settings->src_pad);
  self->index = index ? clip_index_ref (index) : NULL;
  g_signal_connect (self, "deep-element-added", G_CALLBACK (set_up_parser),
      self);
  source = gst_element_factory_make ("filesrc", NULL);
  parsebin = gst_element_factory_make ("parsebin", NULL);
  if (!source || !parsebin)
    goto missing;
  g_object_set (source, "location", job->path, NULL);
  if (g_stat (job->path, &status) == 0)
    self->size = status.st_size;
  pad = gst_element_get_static_pad (source, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BLOCK,
      clip_chain_watch_end, self, NULL);
  gst_object_unref (pad);
  g_signal_connect (parsebin, "autoplug-continue",
      G_CALLBACK (autoplug_continue), NULL);
  g_signal_connect (parsebin, "pad-added", G_CALLBACK (pad_added), self);
  g_signal_connect (parsebin, "pad-removed", G_CALLBACK (pad_removed), self);
  self->parsebin = parsebin;
  typefind = gst_bin_get_by_name (GST_BIN (parsebin), "typefind");
  if (typefind) {
    g_signal_connect_after (typefind, "have-type", G_CALLBACK (have_type),
        self);
    gst_object_unref (typefind);
  } else {
    self->plugged = TRUE;
  }
  gst_bin_add_many (GST_BIN (self), source, parsebin, NULL);
  gst_element_link (source, parsebin);
  if (settings->clip_bin && *settings->clip_bin) {
    self->clip_bin = clip_chain_parse_bin (settings->clip_bin, &error);
    if (!self->clip_bin)
      goto no_clip_bin;
    gst_bin_add (GST_BIN (self), self->clip_bin);
  }
  gst_pad_set_active (self->out, TRUE);
  gst_pad_set_active (self->feed, TRUE);
  gst_pad_set_active (self->gate_src, TRUE);
  gst_pad_set_active (self->gate_sink, TRUE);

  return self;

  /* ERRORS */
missing:
  gst_clear_object (&source);
  gst_clear_object (&parsebin);
  clip_chain_set_error (self, g_strdup ("GStreamer's filesrc or parsebin is "
          "missing; install gst-plugins-base"), TRUE);
  return self;
no_clip_bin:
  clip_chain_set_error (self, g_strdup_printf ("clip-bin: %s",
          error->message), TRUE);
  g_clear_error (&error);
  return self;
}

/* Stopping */

typedef struct
{
  gint refcount;
  ClipChain *chain;
  GMutex lock;
  GCond cond;
  gboolean stopped;
} Stop;

static void
stop_unref (Stop * stop)
{
  if (!g_atomic_int_dec_and_test (&stop->refcount))
    return;
  g_mutex_clear (&stop->lock);
  g_cond_clear (&stop->cond);
  g_free (stop);
}

static gpointer
stop_elements (gpointer data)
{
  Stop *stop = data;

  /* An element that fails on its way down, as parsebin does where a file's
   * type is unknown, stops the others' descent: they come the second time */
  for (guint i = 0; i < 3 && gst_element_set_state (GST_ELEMENT (stop->chain),
          GST_STATE_NULL) == GST_STATE_CHANGE_FAILURE; i++);
  if (stop->chain->feeder)
    gst_task_pool_join (stop->chain->tasks, stop->chain->feeder);
  gst_object_unref (stop->chain);
  g_mutex_lock (&stop->lock);
  stop->stopped = TRUE;
  g_cond_broadcast (&stop->cond);
  g_mutex_unlock (&stop->lock);
  stop_unref (stop);

  return NULL;
}

void
clip_chain_stop (ClipChain * self)
{
  Stop *stop = g_new0 (Stop, 1);
  gint64 deadline = g_get_monotonic_time () + STOP_TIME;
  GThread *thread;

  g_mutex_lock (&self->job->lock);
  /* parsebin, stopped between its pads and their first packets, leaks */
  while (self->plugging && !self->flows && !self->error) {
    if (!g_cond_wait_until (&self->job->cond, &self->job->lock,
            g_get_monotonic_time () + HOLD_TIME))
      break;
  }
  self->stop = TRUE;
  g_cond_broadcast (&self->job->cond);
  g_mutex_unlock (&self->job->lock);

  stop->refcount = 2;
  stop->chain = gst_object_ref (self);
  g_mutex_init (&stop->lock);
  g_cond_init (&stop->cond);
  /* A thread that nobody joins, so that neither we nor gst_deinit() wait for
   * what never ends */
  thread = g_thread_try_new ("clip-stop", stop_elements, stop, NULL);
  if (thread)
    g_thread_unref (thread);
  else
    stop_elements (stop);
  g_mutex_lock (&stop->lock);
  while (!stop->stopped) {
    if (!g_cond_wait_until (&stop->cond, &stop->lock, deadline))
      break;
  }
  if (!stop->stopped)
    GST_WARNING_OBJECT (self, "%s: a decoder does not stop, leaving it",
        self->job->path);
  g_mutex_unlock (&stop->lock);
  stop_unref (stop);
  gst_object_unref (self);
}
