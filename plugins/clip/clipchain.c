/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <glib/gstdio.h>
#include <gst/video/video.h>

GST_DEBUG_CATEGORY_STATIC (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* No frame, event or state change for so long: it never will */
#define STALL_TIME (20 * G_TIME_SPAN_SECOND)
/* A decoder that does not come back from its frame is left to itself */
#define STOP_TIME (5 * G_TIME_SPAN_SECOND)
/* At most so long does a demuxer wait for decodebin */
#define HOLD_TIME (200 * G_TIME_SPAN_MILLISECOND)
/* Below so many frames to skip, decoding them is cheaper than a seek */
#define MIN_SEEK_FRAMES 8
/* A frame may lie so far from its place, in frames, and still be it:
 * containers round to milliseconds */
#define JITTER 0.3
/* A row's start is text: a frame a little before it is meant too, in s */
#define START_TOLERANCE 0.0005
#define MAX_ATTEMPTS 4

#define CLIP_TYPE_CHAIN (clip_chain_get_type ())
G_DECLARE_FINAL_TYPE (ClipChain, clip_chain, CLIP, CHAIN, GstBin)

/* How an attempt ended, beyond the job's results */
typedef enum
{
  OUTCOME_DONE,
  OUTCOME_BAD,
  OUTCOME_FATAL,
  OUTCOME_ABORTED,
  OUTCOME_MISSEEK,              /* again, from the beginning */
  OUTCOME_SHORT                 /* again, with the true number of frames */
} Outcome;

struct _ClipChain
{
  GstBin parent;

  GstElement *owner;            /* of ClipChainSettings, referenced here: a
                                 * chain that hangs outlives them */
  GstTaskPool *tasks;
  GstPad *src_pad;
  ClipJob *job;
  GstElement *clip_bin;
  GstPad *gate_sink, *gate_src, *out;

  /* Under the job's lock */
  gboolean stop;                /* whoever waits here: leave */
  gboolean plugged;             /* decodebin has what reads the file */
  gboolean has_video, has_other, no_more_pads;
  gboolean waiting;             /* the first frame waits in the gate */
  gboolean open;
  gboolean flushing, flushed;
  gboolean gate_eos, done;
  gboolean misseek;
  guint64 progress;
  gdouble first_time;           /* of the first frame, s; NAN: unknown */
  gchar *error;
  gboolean fatal;
  gchar *missing;               /* a plug-in that is not installed */

  /* Set before the gate opens, then the streaming thread's */
  gdouble fps;                  /* 0: unknown, or it varies */
  gdouble base;                 /* time of the file's first frame */
  guint64 target;               /* first frame wanted, from the file's start */
  guint64 first, last;          /* frames wanted, from the clip's start */
  guint64 length;               /* frames in the clip by its row; 0: unknown */
  gboolean sought;
  guint64 next;                 /* number of the next frame in the clip */
  gboolean entered;             /* the clip has begun */
  gboolean finished;            /* nothing more is wanted */
  gboolean forwarding;          /* events go on to clip-bin */
  GstSegment segment;
  GstCaps *caps;                /* at the end, not yet in the job */
};

G_DEFINE_TYPE (ClipChain, clip_chain, GST_TYPE_BIN);

static void
set_error_locked (ClipChain * self, gchar * reason, gboolean fatal)
{
  if (self->error || self->done) {
    g_free (reason);
  } else {
    self->error = reason;
    self->fatal = fatal;
  }
  g_cond_broadcast (&self->job->cond);
}

static void
set_error (ClipChain * self, gchar * reason, gboolean fatal)
{
  g_mutex_lock (&self->job->lock);
  set_error_locked (self, reason, fatal);
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
  set_error (self, g_strdup_printf ("%s: %s%s%s", name, error->message,
          detail ? ": " : "", detail ? detail + 1 : ""), fatal);
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

/* The gate */

static gdouble
buffer_time (ClipChain * self, GstBuffer * buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), time;

  if (!GST_CLOCK_TIME_IS_VALID (pts)
      || self->segment.format != GST_FORMAT_TIME)
    return NAN;
  time = gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME, pts);

  return GST_CLOCK_TIME_IS_VALID (time) ? (gdouble) time / GST_SECOND : NAN;
}

/* Holds the first frame until clip_chain_open(). FALSE: drop it. */
static gboolean
wait_open (ClipChain * self, GstBuffer * buffer)
{
  ClipJob *job = self->job;
  gboolean ok;

  g_mutex_lock (&job->lock);
  self->progress++;
  if (!self->open && !self->waiting) {
    self->first_time = buffer_time (self, buffer);
    self->waiting = TRUE;
    g_cond_broadcast (&job->cond);
  }
  while (!self->open && !self->flushing && !self->stop && !job->aborted)
    g_cond_wait (&job->cond, &job->lock);
  ok = self->open && !self->stop && !job->aborted;
  g_mutex_unlock (&job->lock);

  return ok;
}

static gboolean
forward_sticky (GstPad * pad, GstEvent ** event, gpointer data)
{
  if (GST_EVENT_TYPE (*event) != GST_EVENT_EOS)
    gst_pad_push_event (GST_PAD (data), gst_event_ref (*event));

  return TRUE;
}

static GstFlowReturn
finish_gate (ClipChain * self)
{
  if (!self->finished) {
    self->finished = TRUE;
    gst_pad_push_event (self->gate_src, gst_event_new_eos ());
  }

  return GST_FLOW_EOS;
}

typedef enum
{
  FRAME_DROP,
  FRAME_PUSH,
  FRAME_AFTER,                  /* it, and all that follow, are past the end */
  FRAME_MISSEEK
} Frame;

/* Which frame of the clip this is. From the beginning frames are counted; they
 * are only told by their time where a seek made counting impossible, and then
 * every one must be where a constant rate puts it. */
static Frame
number_frame (ClipChain * self, gdouble time, guint64 * number)
{
  gdouble start = self->job->start, end = self->job->end;

  if (self->sought) {
    gdouble at = (time - self->base) * self->fps;

    if (!self->entered) {
      /* Some decoders do not clip to the segment */
      if (at < (gdouble) self->target - JITTER)
        return FRAME_DROP;
      self->next = self->first;
      self->entered = TRUE;
    }
    /* Not so for NAN either */
    if (!(fabs (at - (gdouble) (self->target + self->next - self->first))
            <= JITTER))
      return FRAME_MISSEEK;
  } else if (!self->entered) {
    if (start > 0 && time < start - START_TOLERANCE)
      return FRAME_DROP;
    self->entered = TRUE;
  }
  if (self->length > 0 ? self->next >= self->length :
      time >= end - START_TOLERANCE)
    return FRAME_AFTER;
  *number = self->next++;
  if (*number > self->last)
    return FRAME_AFTER;

  return *number < self->first ? FRAME_DROP : FRAME_PUSH;
}

static GstFlowReturn
gate_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  ClipChain *self = gst_pad_get_element_private (pad);
  GstClipMeta meta = self->job->meta;
  GstFlowReturn ret;
  Frame frame;

  if (!wait_open (self, buffer)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_FLUSHING;
  }
  if (!self->forwarding) {
    self->forwarding = TRUE;
    gst_pad_sticky_events_foreach (pad, forward_sticky, self->gate_src);
  }
  frame = self->finished ? FRAME_AFTER :
      number_frame (self, buffer_time (self, buffer), &meta.frame);
  if (frame != FRAME_PUSH) {
    gst_buffer_unref (buffer);
    if (frame == FRAME_DROP)
      return GST_FLOW_OK;
    if (frame == FRAME_AFTER)
      return finish_gate (self);
    g_mutex_lock (&self->job->lock);
    self->misseek = TRUE;
    g_cond_broadcast (&self->job->cond);
    g_mutex_unlock (&self->job->lock);
    return GST_FLOW_EOS;
  }
  meta.num_frames = self->length;
  buffer = gst_buffer_make_writable (buffer);
  gst_buffer_add_clip_meta (buffer, &meta);
  ret = gst_pad_push (self->gate_src, buffer);
  if (ret == GST_FLOW_EOS || (ret == GST_FLOW_OK && meta.frame >= self->last))
    return finish_gate (self);
  if (ret != GST_FLOW_OK && ret != GST_FLOW_FLUSHING)
    set_error (self, g_strdup_printf ("clip-bin: %s",
            gst_flow_get_name (ret)), TRUE);

  return ret;
}

static gboolean
gate_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  ClipChain *self = gst_pad_get_element_private (pad);
  ClipJob *job = self->job;
  GstEventType type = GST_EVENT_TYPE (event);

  g_mutex_lock (&job->lock);
  self->progress++;
  if (type == GST_EVENT_FLUSH_START) {
    self->flushing = self->flushed = TRUE;
  } else if (type == GST_EVENT_FLUSH_STOP) {
    self->flushing = self->gate_eos = FALSE;
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  } else if (type == GST_EVENT_EOS) {
    self->gate_eos = TRUE;
  }
  g_cond_broadcast (&job->cond);
  g_mutex_unlock (&job->lock);

  if (type == GST_EVENT_SEGMENT)
    gst_event_copy_segment (event, &self->segment);
  if (type == GST_EVENT_EOS && self->forwarding)
    finish_gate (self);
  /* Nothing has gone on before the gate opened, so there is nothing to flush;
   * sticky events wait on this pad until then */
  if (self->forwarding && type != GST_EVENT_EOS
      && type != GST_EVENT_FLUSH_START && type != GST_EVENT_FLUSH_STOP)
    return gst_pad_push_event (self->gate_src, event);
  gst_event_unref (event);

  return TRUE;
}

static gboolean
gate_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  ClipChain *self = gst_pad_get_element_private (pad);
  GstCaps *filter, *any;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      /* A decoder gives what it has, whatever comes after */
      gst_query_parse_caps (query, &filter);
      any = filter ? gst_caps_ref (filter) : gst_caps_new_any ();
      gst_query_set_caps_result (query, any);
      gst_caps_unref (any);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
      gst_query_set_accept_caps_result (query, TRUE);
      return TRUE;
    case GST_QUERY_ALLOCATION:
      return self->forwarding && gst_pad_peer_query (self->gate_src, query);
    default:
      return FALSE;
  }
}

/* What clip-bin sends up, quality of service for instance, ends here: the
 * decoder must not drop frames. */
static gboolean
gate_src_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  gst_event_unref (event);

  return FALSE;
}

static gboolean
gate_src_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  ClipChain *self = gst_pad_get_element_private (pad);

  if (GST_QUERY_TYPE (query) == GST_QUERY_CAPS) {
    GstCaps *caps = gst_pad_get_current_caps (self->gate_sink);

    if (!caps)
      caps = gst_caps_new_any ();
    gst_query_set_caps_result (query, caps);
    gst_caps_unref (caps);
    return TRUE;
  }

  return gst_pad_peer_query (self->gate_sink, query);
}

/* The end of the chain */

static GstFlowReturn
out_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  ClipChain *self = gst_pad_get_element_private (pad);
  ClipJob *job = self->job;

  g_mutex_lock (&job->lock);
  self->progress++;
  if (self->stop || self->done) {
    g_mutex_unlock (&job->lock);
    gst_buffer_unref (buffer);
    return GST_FLOW_FLUSHING;
  }
  g_mutex_unlock (&job->lock);
  if (!clip_job_add (job, buffer, self->caps))
    return GST_FLOW_FLUSHING;
  gst_clear_caps (&self->caps);

  return GST_FLOW_OK;
}

static gboolean
out_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  ClipChain *self = gst_pad_get_element_private (pad);

  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    GstCaps *caps;

    gst_event_parse_caps (event, &caps);
    gst_caps_replace (&self->caps, caps);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    g_mutex_lock (&self->job->lock);
    self->done = TRUE;
    g_cond_broadcast (&self->job->cond);
    g_mutex_unlock (&self->job->lock);
  }
  gst_event_unref (event);

  return TRUE;
}

static gboolean
out_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  ClipChain *self = gst_pad_get_element_private (pad);

  /* Serialized queries may not be asked from here: downstream streams from
   * another thread. */
  if (GST_QUERY_IS_SERIALIZED (query))
    return FALSE;
  if (gst_pad_peer_query (self->src_pad, query))
    return TRUE;
  if (GST_QUERY_TYPE (query) == GST_QUERY_CAPS) {
    GstCaps *filter, *any;

    gst_query_parse_caps (query, &filter);
    any = filter ? gst_caps_ref (filter) : gst_caps_new_any ();
    gst_query_set_caps_result (query, any);
    gst_caps_unref (any);
    return TRUE;
  }
  if (GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS) {
    gst_query_set_accept_caps_result (query, TRUE);
    return TRUE;
  }

  return FALSE;
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
    set_error (self, g_strdup ("its video cannot be linked"), FALSE);
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

static GstPad *
make_pad (ClipChain * self, const gchar * name, GstPadDirection direction)
{
  GstPad *pad = gst_object_ref_sink (gst_pad_new (name, direction));

  gst_pad_set_element_private (pad, self);

  return pad;
}

static void
clip_chain_init (ClipChain * self)
{
  self->first_time = NAN;
  self->last = G_MAXUINT64;
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->gate_sink = make_pad (self, "gate_sink", GST_PAD_SINK);
  gst_pad_set_chain_function (self->gate_sink, gate_chain);
  gst_pad_set_event_function (self->gate_sink, gate_event);
  gst_pad_set_query_function (self->gate_sink, gate_query);
  self->gate_src = make_pad (self, "gate_src", GST_PAD_SRC);
  gst_pad_set_event_function (self->gate_src, gate_src_event);
  gst_pad_set_query_function (self->gate_src, gate_src_query);
  self->out = make_pad (self, "out", GST_PAD_SINK);
  gst_pad_set_chain_function (self->out, out_chain);
  gst_pad_set_event_function (self->out, out_event);
  gst_pad_set_query_function (self->out, out_query);
}

static void
clip_chain_finalize (GObject * object)
{
  ClipChain *self = CLIP_CHAIN (object);

  gst_object_unref (self->gate_sink);
  gst_object_unref (self->gate_src);
  gst_object_unref (self->out);
  gst_clear_caps (&self->caps);
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

static ClipChain *
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
  set_error (self, g_strdup ("GStreamer's filesrc or decodebin is missing; "
          "install gst-plugins-base"), TRUE);
  return self;
no_clip_bin:
  set_error (self, g_strdup_printf ("clip-bin: %s", error->message), TRUE);
  g_clear_error (&error);
  return self;
}

/* Stopping */

typedef struct
{
  gint refcount;
  GMutex lock;
  GCond cond;
  gboolean stopped;
} Stop;

static void
stop_unref (gpointer data)
{
  Stop *stop = data;

  if (!g_atomic_int_dec_and_test (&stop->refcount))
    return;
  g_mutex_clear (&stop->lock);
  g_cond_clear (&stop->cond);
  g_free (stop);
}

static void
stop_elements (GstElement * element, gpointer data)
{
  Stop *stop = data;

  /* An element that fails on its way down, as decodebin does where a file's
   * type is unknown, stops the others' descent: they come the second time */
  for (guint i = 0; i < 3 && gst_element_set_state (element, GST_STATE_NULL)
      == GST_STATE_CHANGE_FAILURE; i++);
  g_mutex_lock (&stop->lock);
  stop->stopped = TRUE;
  g_cond_broadcast (&stop->cond);
  g_mutex_unlock (&stop->lock);
}

/* Brings the chain down and drops it. A decoder that never returns keeps its
 * thread and the chain, but nobody waits for it. */
static void
clip_chain_stop (ClipChain * self)
{
  Stop *stop = g_new0 (Stop, 1);
  gint64 deadline = g_get_monotonic_time () + STOP_TIME;

  stop->refcount = 2;
  g_mutex_init (&stop->lock);
  g_cond_init (&stop->cond);
  g_mutex_lock (&self->job->lock);
  self->stop = TRUE;
  g_cond_broadcast (&self->job->cond);
  g_mutex_unlock (&self->job->lock);
  gst_element_call_async (GST_ELEMENT (self), stop_elements, stop, stop_unref);
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

/* Running */

/* Waits, with the job's lock, until `ready` or an end. FALSE: an end. */
static gboolean
wait_for (ClipChain * self, gboolean (*ready) (ClipChain *))
{
  ClipJob *job = self->job;
  guint64 progress = self->progress;
  gint64 deadline = g_get_monotonic_time () + STALL_TIME;

  for (;;) {
    if (job->aborted)
      return FALSE;
    if (ready (self))
      return TRUE;
    if (self->error || self->misseek)
      return FALSE;
    if (self->progress != progress || job->streaming) {
      progress = self->progress;
      deadline = g_get_monotonic_time () + STALL_TIME;
    }
    if (!g_cond_wait_until (&job->cond, &job->lock, deadline)
        && self->progress == progress && !job->streaming) {
      set_error_locked (self, g_strdup_printf ("nothing came for %d seconds",
              (gint) (STALL_TIME / G_TIME_SPAN_SECOND)), FALSE);
      return FALSE;
    }
  }
}

static gboolean
is_waiting (ClipChain * self)
{
  return self->waiting || self->gate_eos ||
      (self->no_more_pads && !self->has_video);
}

static gboolean
is_done (ClipChain * self)
{
  return self->done || (self->gate_eos && !self->forwarding);
}

/* Turns the picture as players do, by the file's own metadata. */
static gboolean
add_flip (ClipChain * self, GstElement ** first, GstElement ** last)
{
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY, tagged;
  GstElement *convert, *flip;
  GstEvent *event;

  *first = *last = NULL;
  for (guint i = 0; (event = gst_pad_get_sticky_event (self->gate_sink,
              GST_EVENT_TAG, i)); i++) {
    GstTagList *tags;

    gst_event_parse_tag (event, &tags);
    if (gst_video_orientation_from_tag (tags, &tagged))
      method = tagged;
    gst_event_unref (event);
  }
  if (method == GST_VIDEO_ORIENTATION_IDENTITY)
    return TRUE;
  convert = gst_element_factory_make ("videoconvert", NULL);
  flip = gst_element_factory_make ("videoflip", NULL);
  if (!convert || !flip) {
    gst_clear_object (&convert);
    gst_clear_object (&flip);
    set_error (self, g_strdup ("it is rotated, and GStreamer's videoflip "
            "is missing; install gst-plugins-good"), FALSE);
    return FALSE;
  }
  g_object_set (flip, "video-direction", method, NULL);
  gst_bin_add_many (GST_BIN (self), convert, flip, NULL);
  gst_element_link (convert, flip);
  gst_element_set_state (flip, GST_STATE_PAUSED);
  gst_element_set_state (convert, GST_STATE_PAUSED);
  *first = convert;
  *last = flip;

  return TRUE;
}

static gboolean
link_pads (GstPad * src, GstPad * sink, GstElement * from, GstElement * to)
{
  GstPad *a = from ? gst_element_get_static_pad (from, "src") :
      gst_object_ref (src);
  GstPad *b = to ? gst_element_get_static_pad (to, "sink") :
      gst_object_ref (sink);
  gboolean ok = gst_pad_link_full (a, b, GST_PAD_LINK_CHECK_NOTHING) ==
      GST_PAD_LINK_OK;

  gst_object_unref (a);
  gst_object_unref (b);

  return ok;
}

/* Links what comes after the gate, and refuses what cannot be negotiated
 * with a reason, before it fails without one. */
static gboolean
link_rest (ClipChain * self, GstCaps * caps)
{
  GstElement *first, *last;
  GstCaps *possible;
  gboolean ok;

  if (!add_flip (self, &first, &last))
    return FALSE;
  if (first && !link_pads (self->gate_src, NULL, NULL, first))
    goto not_linked;
  if (self->clip_bin) {
    if (!link_pads (self->gate_src, NULL, last, self->clip_bin))
      goto not_linked;
    last = self->clip_bin;
  }
  if (!link_pads (self->gate_src, self->out, last, NULL))
    goto not_linked;
  possible = gst_pad_peer_query_caps (self->gate_src, caps);
  ok = !gst_caps_is_empty (possible);
  gst_caps_unref (possible);
  if (!ok)
    goto not_negotiated;

  return TRUE;

  /* ERRORS */
not_linked:
  set_error (self, g_strdup ("clip-bin cannot be linked"), TRUE);
  return FALSE;
not_negotiated:
  {
    gchar *text = gst_caps_to_string (caps);

    set_error (self, g_strdup_printf ("not-negotiated: %s not take its frames, "
            "which are %s", self->clip_bin ? "clip-bin and what follows do" :
            "downstream does", text), TRUE);
    g_free (text);
    return FALSE;
  }
}

/* Frames in the clip, as far as the container tells; 0: unknown. */
static guint64
clip_length (ClipChain * self, gdouble fps, guint64 before, guint64 known)
{
  ClipJob *job = self->job;
  gint64 duration;
  guint64 n = 0;

  if (known > 0)
    return known;
  if (fps > 0 && gst_pad_peer_query_duration (self->gate_sink,
          GST_FORMAT_TIME, &duration) && duration > 0) {
    n = (guint64) llround ((gdouble) duration / GST_SECOND * fps);
    n = n > before ? n - before : 0;
  }
  if (fps > 0 && isfinite (job->end)) {
    guint64 row = (guint64) llround (MIN ((job->end - job->start) * fps, 1e15));

    row = MAX (row, 1);
    n = n > 0 ? MIN (n, row) : row;
  }

  return n;
}

static gboolean
is_seekable (ClipChain * self)
{
  GstQuery *query = gst_query_new_seeking (GST_FORMAT_TIME);
  gboolean seekable = FALSE;

  if (gst_pad_peer_query (self->gate_sink, query))
    gst_query_parse_seeking (query, NULL, &seekable, NULL, NULL);
  gst_query_unref (query);

  return seekable;
}

/* The first frame waits: asks what is wanted, seeks there, opens the gate.
 * *windowed and *length are for another attempt. */
static Outcome
clip_chain_open (ClipChain * self, gboolean may_seek, guint64 known,
    guint64 * length)
{
  ClipJob *job = self->job;
  GstCaps *caps = gst_pad_get_current_caps (self->gate_sink);
  GstClipMeta meta = job->meta;
  GstVideoInfo info;
  guint64 before = 0;
  GstQuery *query;
  gdouble fps = 0;
  gboolean ok;

  if (!caps || !gst_video_info_from_caps (&info, caps)) {
    gst_clear_caps (&caps);
    set_error (self, g_strdup ("its frames are of an unknown kind"), FALSE);
    return OUTCOME_BAD;
  }
  ok = link_rest (self, caps);
  if (GST_VIDEO_INFO_FPS_N (&info) > 0 && GST_VIDEO_INFO_FPS_D (&info) > 0)
    fps = (gdouble) GST_VIDEO_INFO_FPS_N (&info) / GST_VIDEO_INFO_FPS_D (&info);
  if (gst_structure_has_field (gst_caps_get_structure (caps, 0),
          "max-framerate") || isnan (self->first_time))
    may_seek = FALSE;
  gst_caps_unref (caps);
  if (!ok)
    return OUTCOME_BAD;

  self->base = self->first_time;
  self->fps = fps;
  if (job->start > 0 && fps > 0 && !isnan (self->base)) {
    gdouble frames = ceil ((job->start - START_TOLERANCE - self->base) * fps);

    before = (guint64) CLAMP (frames, 0, 1e15);
  }
  meta.num_frames = *length = clip_length (self, fps, before, known);
  /* The container's word is for the question only; the row's ends the clip */
  self->length = fps > 0 && isfinite (job->end) ?
      MAX ((guint64) llround (MIN ((job->end - job->start) * fps, 1e15)), 1) : 0;
  query = gst_query_new_clip_window (&meta, GST_VIDEO_INFO_FPS_N (&info),
      GST_VIDEO_INFO_FPS_D (&info));
  ok = gst_pad_peer_query (self->gate_src, query)
      && gst_query_get_clip_window (query, &self->first, &self->last);
  gst_query_unref (query);
  if (!ok || self->last < self->first) {
    self->first = 0;
    self->last = G_MAXUINT64;
    ok = FALSE;
  }
  g_mutex_lock (&job->lock);
  job->windowed = ok;
  g_mutex_unlock (&job->lock);

  self->target = before + self->first;
  if (may_seek && fps > 0 && self->target > MIN_SEEK_FRAMES
      && is_seekable (self)) {
    /* Half a frame early, so that rounding cannot lose the frame; decoders
     * cut the one before to that, which JITTER tells from a whole one. */
    gdouble time = self->base + ((gdouble) self->target - 0.5) / fps;

    g_mutex_lock (&job->lock);
    self->waiting = FALSE;
    g_mutex_unlock (&job->lock);
    self->sought = gst_pad_push_event (self->gate_sink, gst_event_new_seek (1.0,
            GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
            GST_SEEK_TYPE_SET, (gint64) (MAX (time, 0) * GST_SECOND),
            GST_SEEK_TYPE_NONE, 0));
    if (!self->sought && self->flushed)
      return OUTCOME_MISSEEK;
  }
  gst_pad_push_event (self->gate_sink, gst_event_new_reconfigure ());
  g_mutex_lock (&job->lock);
  self->open = TRUE;
  g_cond_broadcast (&job->cond);
  g_mutex_unlock (&job->lock);

  return OUTCOME_DONE;
}

/* Why there is no frame at all. With the job's lock. */
static gchar *
describe_nothing (ClipChain * self)
{
  ClipJob *job = self->job;

  if (self->missing)
    return g_strdup_printf ("no decoder for it is installed (%s)",
        self->missing);
  if (!self->has_video)
    return g_strdup ("there is no video in it");
  if (job->start > 0 && self->forwarding && !self->entered)
    return g_strdup_printf ("the clip starts at %g s, after the video's end",
        job->start);

  return g_strdup ("no frame of it could be decoded");
}

/* One attempt. *reason is set for OUTCOME_BAD and OUTCOME_FATAL; *known, for
 * OUTCOME_SHORT, to the number of frames that there are. */
static Outcome
attempt (const ClipChainSettings * settings, ClipJob * job,
    gboolean may_seek, guint64 * known, gchar ** reason)
{
  ClipChain *self = clip_chain_new (settings, job);
  Outcome outcome = OUTCOME_DONE;
  guint64 length = 0;
  gboolean ready;

  if (!self->error && gst_element_set_state (GST_ELEMENT (self),
          GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE)
    set_error (self, g_strdup ("its decoder does not start"), FALSE);
  g_mutex_lock (&job->lock);
  ready = wait_for (self, is_waiting) && self->waiting;
  g_mutex_unlock (&job->lock);
  if (ready)
    outcome = clip_chain_open (self, may_seek, *known, &length);
  g_mutex_lock (&job->lock);
  if (ready && outcome == OUTCOME_DONE)
    wait_for (self, is_done);
  if (job->aborted)
    outcome = OUTCOME_ABORTED;
  else if (self->misseek && !job->streaming)
    outcome = OUTCOME_MISSEEK;
  else if (outcome != OUTCOME_MISSEEK && self->error && !self->done) {
    outcome = self->fatal ? OUTCOME_FATAL : OUTCOME_BAD;
    /* What a missing decoder, or sound that nobody takes, leads to is told
     * in other words, if at all */
    if (!self->fatal && !self->has_video && (self->missing || self->has_other))
      *reason = describe_nothing (self);
    else
      *reason = g_steal_pointer (&self->error);
  } else if (outcome == OUTCOME_DONE && self->sought && !self->entered
      && !job->streaming) {
    outcome = OUTCOME_MISSEEK;
  } else if (outcome == OUTCOME_DONE && job->windowed && !job->streaming
      && self->entered && self->gate_eos && length > self->next
      && self->next > 0 && *known != self->next
      && (self->last >= self->next || job->frames == 0)) {
    /* The container promised frames that are not there; what was wanted of
     * them is asked again. */
    outcome = OUTCOME_SHORT;
    *known = self->next;
  } else if (outcome == OUTCOME_DONE && job->frames == 0) {
    outcome = OUTCOME_BAD;
    *reason = describe_nothing (self);
  }
  g_mutex_unlock (&job->lock);
  clip_chain_stop (self);

  return outcome;
}

/* What needs no decoder to find out. NULL: it is a file with something in. */
static gchar *
check_file (const gchar * path)
{
  GStatBuf st;

  if (strstr (path, "://"))
    return g_strdup ("only file:// addresses and paths are read");
  if (g_stat (path, &st) != 0)
    return g_strdup (g_strerror (errno));
  if (S_ISDIR (st.st_mode))
    return g_strdup ("it is a folder");
  if (!S_ISREG (st.st_mode))
    return g_strdup ("it is not a regular file");
  if (st.st_size == 0)
    return g_strdup ("it is empty (0 bytes)");

  return NULL;
}

void
clip_chain_decode (const ClipChainSettings * settings, ClipJob * job)
{
  gchar *reason = check_file (job->path);
  Outcome outcome = reason ? OUTCOME_BAD : OUTCOME_MISSEEK;
  gboolean may_seek = TRUE;
  guint64 known = 0;

  for (guint i = 0; i < MAX_ATTEMPTS && (outcome == OUTCOME_MISSEEK
          || outcome == OUTCOME_SHORT); i++) {
    g_mutex_lock (&job->lock);
    clip_job_clear (job);
    g_mutex_unlock (&job->lock);
    outcome = attempt (settings, job, may_seek, &known, &reason);
    GST_DEBUG ("%s: attempt %u: outcome %d", job->path, i, outcome);
    if (outcome == OUTCOME_MISSEEK)
      may_seek = FALSE;
  }
  if (outcome == OUTCOME_SHORT)
    outcome = job->frames > 0 ? OUTCOME_DONE : OUTCOME_BAD;
  if (outcome == OUTCOME_DONE)
    clip_job_finish (job, CLIP_RESULT_GOOD, NULL);
  else
    clip_job_finish (job, outcome == OUTCOME_FATAL ? CLIP_RESULT_FATAL :
        CLIP_RESULT_BAD, reason ? reason : g_strdup ("its frames cannot be "
            "told apart"));
}
