/* clipchain.c: a chain, its errors, and how it stops. The other parts build on it: clipgate.c,
 * clipfeed.c, cliptrack.c, clipplug.c, clipopen.c, clipdecode.c, each on those before it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "cliplinks.h"

#include <string.h>

GST_DEBUG_CATEGORY (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* After this time a decoder that does not return is abandoned */
#define STOP_TIME (5 * G_TIME_SPAN_SECOND)

G_DEFINE_TYPE (ClipChain, clip_chain, GST_TYPE_BIN);

void
clip_chain_set_error_locked (ClipChain *self, gchar *reason, gboolean fatal)
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
clip_chain_set_error (ClipChain *self, gchar *reason, gboolean fatal)
{
  g_mutex_lock (&self->job->lock);
  clip_chain_set_error_locked (self, reason, fatal);
  g_mutex_unlock (&self->job->lock);
}

gboolean
clip_chain_is_stopping (ClipChain *self)
{
  gboolean stopping;

  g_mutex_lock (&self->job->lock);
  stopping = self->stop || self->job->aborted;
  g_mutex_unlock (&self->job->lock);

  return stopping;
}

/* State */

gboolean
clip_chain_wants (const ClipChain *self, guint frame)
{
  const guint64 first = self->first + self->window_first;

  return frame >= first && frame <= self->first + self->window_last
      && (!self->wanted || self->wanted[frame - first]);
}

guint64
clip_chain_next_wanted (const ClipChain *self)
{
  guint64 frame = MAX (self->last_frame + 1, (gint64) (self->first + self->window_first));

  while (frame < self->first + self->window_last && !clip_chain_wants (self, frame))
    frame++;

  return frame;
}

void
clip_chain_describe_segment (const ClipChain *self, GstClipMeta *meta)
{
  meta->file_frames = self->index->n_frames;
  meta->first_frame = self->first;
  meta->last_frame = self->first + self->frames - 1;
}

/* A decoder may take the next picture for the rest of a truncated one, and fail on that. */
gchar *
clip_chain_explain_picture (const ClipChain *self, const gchar *decoder_error)
{
  return clip_pictures_explain (self->pictures,
      MIN (clip_chain_next_wanted (self), self->pictures->names->len - 1), self->from,
      decoder_error);
}

gboolean
clip_chain_take_any_caps (GstQuery *query)
{
  GstCaps *filter, *any;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      gst_query_parse_caps (query, &filter);
      any = filter ? gst_caps_ref (filter) : gst_caps_new_any ();
      gst_query_set_caps_result (query, any);
      gst_caps_unref (any);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
      gst_query_set_accept_caps_result (query, TRUE);
      return TRUE;
    default:
      return FALSE;
  }
}

GstVideoColorimetry
clip_chain_read_colorimetry (const GstStructure *s, const gchar *field)
{
  const gchar *text = gst_structure_get_string (s, field);
  GstVideoColorimetry colorimetry = { 0 };

  if (text)
    gst_video_colorimetry_from_string (&colorimetry, text);

  return colorimetry;
}

/* Messages */

static void
take_error (ClipChain *self, GstMessage *message)
{
  GError *error = NULL;
  gchar *debug = NULL;
  gchar *reason;
  const gchar *detail, *name = GST_OBJECT_NAME (GST_MESSAGE_SRC (message));
  GstElementFactory *factory = GST_IS_ELEMENT (GST_MESSAGE_SRC (message))
      ? gst_element_get_factory (GST_ELEMENT (GST_MESSAGE_SRC (message)))
      : NULL;
  gboolean ours, fatal;

  /* An element's own name contains a counter: reasons would never repeat */
  if (factory)
    name = GST_OBJECT_NAME (factory);
  gst_message_parse_error (message, &error, &debug);
  if (g_str_has_suffix (error->message, "."))
    error->message[strlen (error->message) - 1] = '\0';
  /* "Internal data stream error" has no detail; the last line of the debug text does */
  detail = debug ? strrchr (debug, '\n') : NULL;
  ours = self->clip_bin
      && gst_object_has_as_ancestor (GST_MESSAGE_SRC (message), GST_OBJECT (self->clip_bin));
  fatal = ours && !g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE);
  reason = g_strdup_printf (
      "%s: %s%s%s", name, error->message, detail ? ": " : "", detail ? detail + 1 : "");
  /* a decoder's error does not name the picture */
  if (self->pictures && !ours) {
    gchar *decoder_error = reason;

    reason = clip_chain_explain_picture (self, decoder_error);
    g_free (decoder_error);
  }
  clip_chain_set_error (self, reason, fatal);
  g_clear_error (&error);
  g_free (debug);
}

static void
clip_chain_handle_message (GstBin *bin, GstMessage *message)
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
      if (type == GST_STREAM_STATUS_TYPE_CREATE && value && G_VALUE_HOLDS (value, GST_TYPE_TASK))
        gst_task_set_pool (g_value_get_object (value), self->tasks);
      break;
    case GST_MESSAGE_ELEMENT:
      if (clip_clocks_take (self->clocks, message)) {
        gst_message_unref (message);
        return;
      }
      break;
    case GST_MESSAGE_NEED_CONTEXT:
      /* The answer must go to the element that asked, not to the bin that forwarded the message */
      gst_element_post_message (self->owner, message);
      return;
    default:
      break;
  }
  GST_BIN_CLASS (clip_chain_parent_class)->handle_message (bin, message);
}

/* Building */

static void
clip_chain_init (ClipChain *self)
{
  g_rec_mutex_init (&self->plugging);
  self->keeps = TRUE;
  self->clocks = clip_clocks_new ();
  self->last_frame = -1;
  gst_video_info_init (&self->decoded);
  self->tracks = g_ptr_array_new ();
}

static void
clip_chain_finalize (GObject *object)
{
  ClipChain *self = CLIP_CHAIN (object);

  g_ptr_array_unref (self->tracks);
  clip_clocks_free (self->clocks);
  clip_quicktime_clear (&self->quicktime);
  g_clear_pointer (&self->index, clip_index_unref);
  g_clear_pointer (&self->pictures, clip_pictures_unref);
  gst_clear_caps (&self->fed_caps);
  g_free (self->wanted);
  g_clear_pointer (&self->runs, g_array_unref);
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
clip_chain_class_init (ClipChainClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = clip_chain_finalize;
  GST_BIN_CLASS (klass)->handle_message = clip_chain_handle_message;
  GST_DEBUG_CATEGORY_INIT (clip_chain_debug, "clipchain", 0, "decoding of one clip");
}

/* (transfer full) the outermost bin that the element is in, or itself. */
static GstObject *
find_top (GstElement *element)
{
  GstObject *top = gst_object_ref (GST_OBJECT (element)), *parent;

  while ((parent = gst_object_get_parent (top))) {
    gst_object_unref (top);
    top = parent;
  }

  return top;
}

gboolean
clip_chain_holds (GstElement *element)
{
  GstObject *top = find_top (element);
  const gboolean holds = CLIP_IS_CHAIN (top);

  gst_object_unref (top);

  return holds;
}

GstElement *
clip_chain_take_warner (GstElement *element)
{
  const GQuark warned = g_quark_from_string (clip_links_kind (element));
  GstObject *top = find_top (element);
  GstElement *owner = NULL;

  if (CLIP_IS_CHAIN (top)) {
    owner = gst_object_ref (CLIP_CHAIN (top)->owner);
    GST_OBJECT_LOCK (owner);
    if (g_object_get_qdata (G_OBJECT (owner), warned)) {
      GST_OBJECT_UNLOCK (owner);
      gst_clear_object (&owner);
    } else {
      g_object_set_qdata (G_OBJECT (owner), warned, owner);
      GST_OBJECT_UNLOCK (owner);
    }
  }
  gst_object_unref (top);

  return owner;
}

void
clip_chain_renew_warner (GstElement *owner, const gchar *factory)
{
  g_object_set_qdata (G_OBJECT (owner), g_quark_from_string (factory), NULL);
}

void
clip_chain_start_task (ClipChain *self, GstTaskPoolFunction func)
{
  GError *error = NULL;

  self->task = gst_task_pool_push (self->tasks, func, self, &error);
  if (!self->task)
    clip_chain_set_error (
        self, g_strdup (error ? error->message : "no thread could be started"), FALSE);
  g_clear_error (&error);
}

/* Stopping */

typedef struct {
  gint refcount;
  ClipChain *chain;
  GMutex lock;
  GCond cond;
  gboolean stopped;
} Stop;

static void
stop_unref (Stop *stop)
{
  if (!g_atomic_int_dec_and_test (&stop->refcount))
    return;
  g_mutex_clear (&stop->lock);
  g_cond_clear (&stop->cond);
  g_free (stop);
}

/* After a clip that was decoded to its end, clip-bin's elements are in NULL and can be reused.
 * Creating them is half the cost of a chain. */
static void
give_back (ClipChain *self)
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
  /* An element that fails to change state stops the state change of the others: try again */
  for (guint i = 0; i < 3
      && gst_element_set_state (GST_ELEMENT (stop->chain), GST_STATE_NULL)
          == GST_STATE_CHANGE_FAILURE;
      i++)
    ;
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
clip_chain_stop (ClipChain *self)
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
  /* A thread that is never joined, so that neither this function nor gst_deinit() waits for a
   * decoder that hangs */
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
    GST_WARNING_OBJECT (self, "%s: a decoder does not stop and is abandoned", self->job->path);
  g_mutex_unlock (&stop->lock);
  stop_unref (stop);
  gst_object_unref (self);
}
