/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"

#include <string.h>

GST_DEBUG_CATEGORY (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* A decoder that does not come back from its frame is left to itself */
#define STOP_TIME (5 * G_TIME_SPAN_SECOND)

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

gboolean
clip_chain_is_stopping (ClipChain * self)
{
  gboolean stopping;

  g_mutex_lock (&self->job->lock);
  stopping = self->stop || self->job->aborted;
  g_mutex_unlock (&self->job->lock);

  return stopping;
}

/* Messages */

static void
take_error (ClipChain * self, GstMessage * message)
{
  GError *error = NULL;
  gchar *debug = NULL;
  gchar *reason;
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
  reason = g_strdup_printf ("%s: %s%s%s", name, error->message,
      detail ? ": " : "", detail ? detail + 1 : "");
  /* a decoder knows only that it was a picture, not which */
  if (self->pictures && !ours) {
    gchar *said = reason;

    reason = clip_chain_explain_picture (self, said);
    g_free (said);
  }
  clip_chain_set_error (self, reason, fatal);
  g_clear_error (&error);
  g_free (debug);
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
    case GST_MESSAGE_STREAM_STATUS:
      gst_message_parse_stream_status (message, &type, &element);
      value = gst_message_get_stream_status_object (message);
      if (type == GST_STREAM_STATUS_TYPE_CREATE && value
          && G_VALUE_HOLDS (value, GST_TYPE_TASK))
        gst_task_set_pool (g_value_get_object (value), self->tasks);
      break;
    case GST_MESSAGE_ELEMENT:
      if (clip_clocks_take (self->clocks, message)) {
        gst_message_unref (message);
        return;
      }
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
clip_chain_init (ClipChain * self)
{
  g_rec_mutex_init (&self->plugging);
  self->keeps = TRUE;
  self->clocks = clip_clocks_new ();
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
  clip_clocks_free (self->clocks);
  g_clear_pointer (&self->index, clip_index_unref);
  g_clear_pointer (&self->pictures, clip_pictures_unref);
  gst_clear_caps (&self->fed_caps);
  g_free (self->wanted);
  g_clear_pointer (&self->plan, g_bytes_unref);
  gst_object_unref (self->feed);
  gst_object_unref (self->gate_sink);
  gst_object_unref (self->gate_src);
  gst_object_unref (self->out);
  gst_clear_caps (&self->caps);
  gst_clear_event (&self->preparation);
  gst_clear_object (&self->clip_bin);
  g_async_queue_unref (self->bins);
  clip_factories_unref (self->factories);
  g_clear_object (&self->owner);
  g_clear_object (&self->tasks);
  g_clear_object (&self->src_pad);
  g_free (self->error);
  g_rec_mutex_clear (&self->plugging);
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

  return g_strconcat (is_caps (description) ? "capsfilter ! " : "", description,
      is_caps (last) ? " ! capsfilter" : "", NULL);
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

gboolean
clip_chain_holds (GstElement * element)
{
  GstObject *top = gst_object_ref (GST_OBJECT (element)), *parent;
  gboolean holds;

  while ((parent = gst_object_get_parent (top))) {
    gst_object_unref (top);
    top = parent;
  }
  holds = CLIP_IS_CHAIN (top);
  gst_object_unref (top);

  return holds;
}

static void
link_rest (ClipChain * self)
{
  GstPad *sink = gst_element_get_static_pad (self->clip_bin, "sink");
  GstPad *src = gst_element_get_static_pad (self->clip_bin, "src");

  gst_pad_link_full (self->gate_src, sink, GST_PAD_LINK_CHECK_NOTHING);
  gst_pad_link_full (src, self->out, GST_PAD_LINK_CHECK_NOTHING);
  gst_object_unref (sink);
  gst_object_unref (src);
}

ClipChain *
clip_chain_new (const ClipChainSettings * settings, ClipJob * job,
    ClipIndex * index, ClipPictures * pictures)
{
  ClipChain *self = g_object_new (CLIP_TYPE_CHAIN, NULL);
  GError *error = NULL;

  gst_object_ref_sink (self);
  self->job = clip_job_ref (job);
  self->owner = g_object_ref (settings->owner);
  self->tasks = g_object_ref (settings->tasks);
  self->src_pad = g_object_ref (settings->src_pad);
  self->video_track = settings->video_track;
  self->factories = clip_factories_ref (settings->factories);
  self->bins = g_async_queue_ref (settings->bins);
  self->pictures = pictures ? clip_pictures_ref (pictures) : NULL;
  self->index = index ? clip_index_ref (index) : NULL;
  gst_pad_set_active (self->out, TRUE);
  gst_pad_set_active (self->feed, TRUE);
  gst_pad_set_active (self->gate_src, TRUE);
  gst_pad_set_active (self->gate_sink, TRUE);
  if (settings->clip_bin && *settings->clip_bin) {
    self->clip_bin = g_async_queue_try_pop (settings->bins);
    if (!self->clip_bin) {
      self->clip_bin = clip_chain_parse_bin (settings->clip_bin, &error);
      if (!self->clip_bin)
        goto no_clip_bin;
      gst_object_ref_sink (self->clip_bin);
    }
    gst_bin_add (GST_BIN (self), self->clip_bin);
    link_rest (self);
  } else {
    gst_pad_link_full (self->gate_src, self->out, GST_PAD_LINK_CHECK_NOTHING);
  }
  if (gst_element_set_state (GST_ELEMENT (self), GST_STATE_PAUSED)
      == GST_STATE_CHANGE_FAILURE)
    clip_chain_set_error (self, g_strdup ("clip-bin could not be "
        "started"), TRUE);

  return self;

  /* ERRORS */
no_clip_bin:
  clip_chain_set_error (self, g_strdup_printf ("clip-bin: %s",
          error->message), TRUE);
  g_clear_error (&error);
  return self;
}

void
clip_chain_open (ClipChain * self, guint64 size)
{
  GstElement *source = gst_element_factory_make ("filesrc", NULL);
  GstPad *pad;

  if (!source) {
    clip_chain_set_error (self, g_strdup ("GStreamer's filesrc is missing"),
        TRUE);
    return;
  }
  g_object_set (source, "location", self->job->path, NULL);
  self->size = size;
  pad = gst_element_get_static_pad (source, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BLOCK,
      clip_chain_watch_end, self, NULL);
  gst_bin_add (GST_BIN (self), source);
  clip_chain_plug (self, pad);
  gst_object_unref (pad);
  if (!self->error && !gst_bin_sync_children_states (GST_BIN (self)))
    clip_chain_set_error (self, g_strdup ("the element that reads its "
            "format could not be started"), FALSE);
}

void
clip_chain_start_task (ClipChain * self, GstTaskPoolFunction func)
{
  GError *error = NULL;

  self->task = gst_task_pool_push (self->tasks, func, self, &error);
  if (!self->task)
    clip_chain_set_error (self, g_strdup (error ? error->message :
            "no thread could be started"), FALSE);
  g_clear_error (&error);
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

/* After a clip that was decoded to its end clip-bin's elements, which are in NULL,
 * are as good as new ones, and half of what a chain costs to make. */
static void
give_back (ClipChain * self)
{
  gboolean good;

  g_mutex_lock (&self->job->lock);
  good = self->clip_bin && self->done && !self->error;
  g_mutex_unlock (&self->job->lock);
  if (!good || GST_STATE (self->clip_bin) != GST_STATE_NULL)
    return;
  gst_bin_remove (GST_BIN (self), self->clip_bin);
  g_async_queue_push (self->bins, g_steal_pointer (&self->clip_bin));
}

static gpointer
stop_elements (gpointer data)
{
  Stop *stop = data;

  /* nothing is plugged from now on */
  g_rec_mutex_lock (&stop->chain->plugging);
  g_rec_mutex_unlock (&stop->chain->plugging);
  /* An element that fails on its way down stops the others' descent: they come
   * the second time */
  for (guint i = 0; i < 3 && gst_element_set_state (GST_ELEMENT (stop->chain),
          GST_STATE_NULL) == GST_STATE_CHANGE_FAILURE; i++);
  if (stop->chain->task)
    gst_task_pool_join (stop->chain->tasks, stop->chain->task);
  give_back (stop->chain);
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
    GST_WARNING_OBJECT (self, "%s: a decoder does not stop and is abandoned",
        self->job->path);
  g_mutex_unlock (&stop->lock);
  stop_unref (stop);
  gst_object_unref (self);
}
