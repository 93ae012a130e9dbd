/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "clipcontainer.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <glib/gstdio.h>
#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* No frame, event or state change for so long: it never will */
#define STALL_TIME (20 * G_TIME_SPAN_SECOND)
/* Below so many frames to skip, decoding them is cheaper than a seek */
#define MIN_SEEK_FRAMES 8
#define MAX_ATTEMPTS 4

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
      clip_chain_set_error_locked (self, g_strdup_printf ("nothing came for %d "
              "seconds", (gint) (STALL_TIME / G_TIME_SPAN_SECOND)), FALSE);
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
    clip_chain_set_error (self, g_strdup ("it is rotated, and GStreamer's "
            "videoflip is missing; install gst-plugins-good"), FALSE);
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
  clip_chain_set_error (self, g_strdup ("clip-bin cannot be linked"), TRUE);
  return FALSE;
not_negotiated:
  {
    gchar *text = gst_caps_to_string (caps);

    clip_chain_set_error (self, g_strdup_printf ("not-negotiated: %s not take "
            "its frames, which are %s", self->clip_bin ?
            "clip-bin and what follows do" : "downstream does", text), TRUE);
    g_free (text);
    return FALSE;
  }
}

/* Frames between a row's start and end, at least one. */
static guint64
row_length (const ClipJob * job, gdouble fps)
{
  gdouble frames = round ((job->end - job->start) * fps);

  return (guint64) CLAMP (frames, 1, 1e15);
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
  /* Without a length, every frame comes and clipsample counts: a length that
   * depends on the moment would make a run differ from its repetition. */
  if (fps > 0 && !clip_container_duration_grows (job->path)
      && gst_pad_peer_query_duration (self->gate_sink, GST_FORMAT_TIME,
          &duration) && duration > 0) {
    n = (guint64) llround ((gdouble) duration / GST_SECOND * fps);
    n = n > before ? n - before : 0;
  }
  if (fps > 0 && isfinite (job->end)) {
    guint64 row = row_length (job, fps);

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
 * *length is how many frames there should be. */
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
    clip_chain_set_error (self,
        g_strdup ("its frames are of an unknown kind"), FALSE);
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
    gdouble frames = ceil ((job->start - CLIP_START_TOLERANCE - self->base)
        * fps);

    before = (guint64) CLAMP (frames, 0, 1e15);
  }
  meta.num_frames = *length = clip_length (self, fps, before, known);
  /* The container's word is for the question only; the row's ends the clip */
  self->length = fps > 0 && isfinite (job->end) ? row_length (job, fps) : 0;
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
  /* Whoever chose the window chooses its frames by the same figure */
  self->told = ok ? meta.num_frames : self->length;
  g_mutex_lock (&job->lock);
  job->windowed = ok;
  g_mutex_unlock (&job->lock);

  self->target = before + self->first;
  if (may_seek && fps > 0 && self->target > MIN_SEEK_FRAMES
      && is_seekable (self)) {
    /* Half a frame early, so that rounding cannot lose the frame; decoders
     * cut the one before to that, which CLIP_JITTER tells from a whole one. */
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
    clip_chain_set_error (self, g_strdup ("its decoder does not start"), FALSE);
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
