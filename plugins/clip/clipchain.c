/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"

#include <math.h>
#include <string.h>

GST_DEBUG_CATEGORY (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* A decoder that does not come back from its frame is left to itself */
#define STOP_TIME (5 * G_TIME_SPAN_SECOND)
/* At most so long does a demuxer wait for decodebin */
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

/* decodebin throws away the errors of an element that it is plugging; a demuxer
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

static void
one_thread (GstBin * bin, GstBin * sub_bin, GstElement * element,
    gpointer data)
{
  static const gchar *const names[] = { "max-threads", "threads", "n-threads" };
  GstElementFactory *factory = gst_element_get_factory (element);

  if (!factory || !gst_element_factory_list_is_type (factory,
          GST_ELEMENT_FACTORY_TYPE_DECODER))
    return;
  /* It is the chains that run side by side; a decoder's own threads would
   * decode ahead of what is wanted. */
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GParamSpec *spec = g_object_class_find_property
        (G_OBJECT_GET_CLASS (element), names[i]);

    if (spec && (spec->value_type == G_TYPE_INT
            || spec->value_type == G_TYPE_UINT))
      g_object_set (element, names[i], 1, NULL);
  }
}

/* Sound and subtitles are not decoded. */
static gboolean
autoplug_continue (GstElement * decodebin, GstPad * pad, GstCaps * caps,
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

/* Before its pads are there to be linked, decodebin asks here. */
static gboolean
autoplug_query (GstElement * decodebin, GstPad * pad, GstElement * element,
    GstQuery * query, gpointer data)
{
  return clip_chain_answer (data, query);
}

static void
pad_added (GstElement * decodebin, GstPad * pad, ClipChain * self)
{
  GstCaps *caps = gst_pad_get_current_caps (pad);
  gboolean video, take;

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  video = !gst_caps_is_empty (caps) && !gst_caps_is_any (caps)
      && gst_structure_has_name (gst_caps_get_structure (caps, 0),
      "video/x-raw");
  gst_caps_unref (caps);
  g_mutex_lock (&self->job->lock);
  take = video && !self->has_video;
  self->has_video |= video;
  self->has_other |= !video;
  g_mutex_unlock (&self->job->lock);
  if (take && gst_pad_link (pad, self->gate_sink) != GST_PAD_LINK_OK)
    clip_chain_set_error (self, g_strdup ("its video cannot be linked"), FALSE);
}

/* After decodebin's own handler. */
static void
have_type (GstElement * typefind, guint probability, GstCaps * caps,
    ClipChain * self)
{
  g_mutex_lock (&self->job->lock);
  self->plugged = TRUE;
  g_cond_broadcast (&self->job->cond);
  g_mutex_unlock (&self->job->lock);
}

static void
no_more_pads (GstElement * decodebin, ClipChain * self)
{
  g_mutex_lock (&self->job->lock);
  self->no_more_pads = TRUE;
  g_cond_broadcast (&self->job->cond);
  g_mutex_unlock (&self->job->lock);
}
static void
clip_chain_init (ClipChain * self)
{
  self->first_time = NAN;
  self->last = G_MAXUINT64;
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  clip_chain_make_pads (self);
}

static void
clip_chain_finalize (GObject * object)
{
  ClipChain *self = CLIP_CHAIN (object);

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
clip_chain_new (const ClipChainSettings * settings, ClipJob * job)
{
  ClipChain *self = g_object_new (CLIP_TYPE_CHAIN, NULL);
  GstElement *source, *decodebin, *typefind;
  GError *error = NULL;

  gst_object_ref_sink (self);
  self->job = clip_job_ref (job);
  self->owner = g_object_ref (settings->owner);
  self->tasks = g_object_ref (settings->tasks);
  self->src_pad = g_object_ref (settings->src_pad);
  g_signal_connect (self, "deep-element-added", G_CALLBACK (one_thread), NULL);
  source = gst_element_factory_make ("filesrc", NULL);
  decodebin = gst_element_factory_make ("decodebin", NULL);
  if (!source || !decodebin)
    goto missing;
  g_object_set (source, "location", job->path, NULL);
  g_signal_connect (decodebin, "autoplug-continue",
      G_CALLBACK (autoplug_continue), NULL);
  g_signal_connect (decodebin, "autoplug-query", G_CALLBACK (autoplug_query),
      self);
  g_signal_connect (decodebin, "pad-added", G_CALLBACK (pad_added), self);
  g_signal_connect (decodebin, "no-more-pads", G_CALLBACK (no_more_pads), self);
  typefind = gst_bin_get_by_name (GST_BIN (decodebin), "typefind");
  if (typefind) {
    g_signal_connect_after (typefind, "have-type", G_CALLBACK (have_type),
        self);
    gst_object_unref (typefind);
  } else {
    self->plugged = TRUE;
  }
  gst_bin_add_many (GST_BIN (self), source, decodebin, NULL);
  gst_element_link (source, decodebin);
  if (settings->clip_bin && *settings->clip_bin) {
    self->clip_bin = clip_chain_parse_bin (settings->clip_bin, &error);
    if (!self->clip_bin)
      goto no_clip_bin;
    gst_bin_add (GST_BIN (self), self->clip_bin);
  }
  gst_pad_set_active (self->out, TRUE);
  gst_pad_set_active (self->gate_src, TRUE);
  gst_pad_set_active (self->gate_sink, TRUE);

  return self;

  /* ERRORS */
missing:
  gst_clear_object (&source);
  gst_clear_object (&decodebin);
  clip_chain_set_error (self, g_strdup ("GStreamer's filesrc or decodebin is "
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

  /* An element that fails on its way down, as decodebin does where a file's
   * type is unknown, stops the others' descent: they come the second time */
  for (guint i = 0; i < 3 && gst_element_set_state (GST_ELEMENT (stop->chain),
          GST_STATE_NULL) == GST_STATE_CHANGE_FAILURE; i++);
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
