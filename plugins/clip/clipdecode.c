/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "cliplinks.h"

#include <errno.h>
#include <string.h>
#include <glib/gstdio.h>
#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* No frame, event or state change for so long: it never will */
#define STALL_TIME (20 * G_TIME_SPAN_SECOND)
/* So many bytes of packets are read rather than sought over */
#define MIN_SEEK_BYTES (4 * 1024 * 1024)

/* How an attempt ended, beyond the job's results */
typedef enum
{
  OUTCOME_DONE,
  OUTCOME_BAD,
  OUTCOME_FATAL,
  OUTCOME_ABORTED,
  OUTCOME_READ,                 /* again, with the index that there is now */
  OUTCOME_LOST                  /* again, without a seek */
} Outcome;

/* Waiting */

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
    if (self->error || self->lost)
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

/* A packet waits, or the file was read. */
static gboolean
is_demultiplexed (ClipChain * self)
{
  return self->waiting || clip_chain_is_read (self);
}

static gboolean
is_done (ClipChain * self)
{
  return self->done || (self->gate_eos && !self->forwarding);
}

/* Building the rest */

/* Turns the picture as players do, by the file's own metadata. */
static gboolean
add_flip (ClipChain * self, GstElement ** first, GstElement ** last)
{
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY, tagged;
  GstElement *convert, *flip;
  GstEvent *event;

  *first = *last = NULL;
  for (guint i = 0; (event = gst_pad_get_sticky_event (clip_track_get_pad
              (self->track), GST_EVENT_TAG, i)); i++) {
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
  gboolean ok = a && b && gst_pad_link_full (a, b, GST_PAD_LINK_CHECK_NOTHING)
      == GST_PAD_LINK_OK;

  gst_clear_object (&a);
  gst_clear_object (&b);

  return ok;
}

/* Links what comes after the gate. */
static gboolean
link_rest (ClipChain * self)
{
  GstElement *first, *last;

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

  return TRUE;

  /* ERRORS */
not_linked:
  clip_chain_set_error (self, g_strdup ("clip-bin cannot be linked"), TRUE);
  return FALSE;
}

/* Decoding */

gboolean
clip_chain_wants (const ClipChain * self, guint frame)
{
  const guint64 first = self->first + self->window_first;

  return frame >= first && frame <= self->first + self->window_last
      && (!self->wanted || self->wanted[frame - first]);
}

/* Elements that make each frame of one frame. What stands behind any other may
 * tell the frames that it wants, but not those that it takes to make them. */
static gboolean
leads_to_sampler (GstElement * element, gpointer sampler)
{
  static const gchar *const passed[] = { "aspectratiocrop", "capsfilter",
    "cudaconvert", "cudaconvertscale", "cudadownload", "cudascale",
    "cudaupload", "gamma", "queue", "videobalance", "videoconvert",
    "videoconvertscale", "videocrop", "videoflip", "videoscale", NULL
  };
  GstElementFactory *factory = gst_element_get_factory (element);
  const gchar *name = factory ? GST_OBJECT_NAME (factory) : "";

  if (g_str_equal (name, "clipsample"))
    *(gboolean *) sampler = TRUE;

  return !g_strv_contains (passed, name);
}

/* Takes the single frames that are wanted, where nobody needs any other. */
static void
take_wanted (ClipChain * self, GstQuery * query)
{
  gboolean sampler = FALSE;
  const guint64 *frames;
  guint n;

  if (!clip_links_walk (self->gate_src, leads_to_sampler, &sampler))
    clip_links_walk (self->src_pad, leads_to_sampler, &sampler);
  frames = sampler ? gst_query_get_clip_window_frames (query, &n) : NULL;
  if (!frames || frames[n - 1] >= self->frames)
    return;
  self->wanted = g_new0 (gboolean, self->window_last - self->window_first + 1);
  for (guint i = 0; i < n; i++)
    self->wanted[frames[i] - self->window_first] = TRUE;
}

/* Asks which frames of the segment are wanted. */
static void
ask_window (ClipChain * self)
{
  const ClipIndex *index = self->index;
  ClipJob *job = self->job;
  GstClipMeta meta = job->meta;
  GstClockTime length = index->times[index->n_frames - 1];
  gint fps_n = 0, fps_d = 1;
  GstQuery *query;
  gboolean ok;

  if (length > 0)
    gst_util_double_to_fraction ((gdouble) (index->n_frames - 1) * GST_SECOND
        / length, &fps_n, &fps_d);
  meta.num_frames = self->frames;
  query = gst_query_new_clip_window (&meta, fps_n, fps_d);
  ok = gst_pad_peer_query (self->gate_src, query)
      && gst_query_get_clip_window (query, &self->window_first,
      &self->window_last) && self->window_last >= self->window_first
      && self->window_first < self->frames;
  if (!ok)
    self->window_first = 0;
  if (!ok || self->window_last >= self->frames)
    self->window_last = self->frames - 1;
  if (ok)
    take_wanted (self, query);
  gst_query_unref (query);
  g_mutex_lock (&job->lock);
  job->windowed = ok;
  g_mutex_unlock (&job->lock);
}

/* FALSE: the demuxer flushed and did not seek. */
static gboolean
seek_to_start (ClipChain * self)
{
  const ClipIndex *index = self->index;
  guint64 bytes = 0;

  for (guint i = 0; i < self->from; i++)
    bytes += index->packets[i].size;
  if (bytes < MIN_SEEK_BYTES)
    return TRUE;
  g_mutex_lock (&self->job->lock);
  self->waiting = FALSE;
  g_mutex_unlock (&self->job->lock);
  self->at = -1;
  if (gst_pad_push_event (clip_track_get_pad (self->track),
          gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH
              | GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE,
              GST_SEEK_TYPE_SET, clip_index_seek_time (index, self->from),
              GST_SEEK_TYPE_NONE, 0)))
    return TRUE;
  self->at = 0;

  return !self->flushed;
}

/* Decodes what is wanted of the chosen track. */
static Outcome
decode (ClipChain * self, gboolean may_seek)
{
  ClipJob *job = self->job;

  self->frames = clip_index_segment (self->index, job->start, job->end,
      &self->first);
  if (self->frames == 0) {
    clip_chain_set_error (self, self->first >= self->index->n_frames ?
        g_strdup_printf ("the clip starts at %g s, after the video's end",
            job->start) :
        g_strdup_printf ("no frame lies from %g to %g s", job->start,
            job->end), FALSE);
    return OUTCOME_BAD;
  }
  if (!link_rest (self))
    return OUTCOME_BAD;
  ask_window (self);
  clip_index_range (self->index, self->first + self->window_first,
      self->first + self->window_last, &self->from, &self->to);
  GST_DEBUG_OBJECT (self, "%s: frames %u + %" G_GUINT64_FORMAT " to %"
      G_GUINT64_FORMAT " of %u: packets %u to %u", job->path, self->first,
      self->window_first, self->window_last, self->frames, self->from,
      self->to);
  if (!clip_chain_add_decoder (self))
    return OUTCOME_BAD;
  if (self->read) {
    clip_chain_start_feeding (self);
    return OUTCOME_DONE;
  }
  if (may_seek && !seek_to_start (self))
    return OUTCOME_LOST;
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
  if (self->tracks->len == 0)
    return g_strdup ("there is no video in it");

  return g_strdup ("no frame of it could be decoded");
}

/* One attempt. *index: NULL: read the file first; it is made then.
 * *reason is set for OUTCOME_BAD and OUTCOME_FATAL. */
static Outcome
attempt (const ClipChainSettings * settings, ClipJob * job,
    gboolean may_seek, ClipIndex ** index, gchar ** reason)
{
  ClipChain *self = clip_chain_new (settings, job, *index);
  Outcome outcome = OUTCOME_DONE;
  gboolean ready;

  if (!self->error && gst_element_set_state (GST_ELEMENT (self),
          GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE)
    clip_chain_set_error (self, g_strdup ("it cannot be read"), FALSE);
  g_mutex_lock (&job->lock);
  ready = wait_for (self, is_demultiplexed);
  if (ready && !self->index) {
    self->read = TRUE;
    if (clip_chain_make_index (self))
      *index = clip_index_ref (self->index);
  } else if (ready && !self->track) {
    self->lost = TRUE;
  }
  g_mutex_unlock (&job->lock);
  if (ready && self->track && self->index->n_frames > 0) {
    if (self->read && !self->keeps)
      outcome = OUTCOME_READ;
    else
      outcome = decode (self, may_seek);
  } else if (ready) {
    ready = FALSE;
  }
  g_mutex_lock (&job->lock);
  if (ready && outcome == OUTCOME_DONE)
    wait_for (self, is_done);
  if (self->lost && job->streaming && !self->done)
    clip_chain_set_error_locked (self, g_strdup ("it changed while it was "
            "read"), FALSE);
  if (job->aborted)
    outcome = OUTCOME_ABORTED;
  else if (self->lost && !job->streaming)
    outcome = OUTCOME_LOST;
  else if (outcome <= OUTCOME_BAD && self->error && !self->done) {
    outcome = self->fatal ? OUTCOME_FATAL : OUTCOME_BAD;
    /* What sound that nobody takes leads to is told in other words */
    if (!self->fatal && self->tracks->len == 0 && self->has_other)
      *reason = describe_nothing (self);
    else
      *reason = g_steal_pointer (&self->error);
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
check_file (const gchar * path, GStatBuf * st)
{
  if (strstr (path, "://"))
    return g_strdup ("only file:// addresses and paths are read");
  if (g_stat (path, st) != 0)
    return g_strdup (g_strerror (errno));
  if (S_ISDIR (st->st_mode))
    return g_strdup ("it is a folder");
  if (!S_ISREG (st->st_mode))
    return g_strdup ("it is not a regular file");
  if (st->st_size == 0)
    return g_strdup ("it is empty (0 bytes)");

  return NULL;
}

void
clip_chain_decode (const ClipChainSettings * settings, ClipJob * job)
{
  GStatBuf status;
  gchar *reason = check_file (job->path, &status);
  Outcome outcome = reason ? OUTCOME_BAD : OUTCOME_READ;
  ClipIndex *known = NULL, *index;
  gboolean may_seek = TRUE;
  ClipVideo video = { NULL };

  if (!reason) {
    clip_video_init (&video, job->path, &status, settings->video_track);
    known = clip_indexes_get (settings->indexes, &video);
  }
  index = known ? clip_index_ref (known) : NULL;
  while (outcome == OUTCOME_READ || outcome == OUTCOME_LOST) {
    if (outcome == OUTCOME_LOST && may_seek) {
      may_seek = FALSE;
    } else if (outcome == OUTCOME_LOST) {
      /* Not even from its beginning is the file as it was */
      if (!known)
        break;
      g_clear_pointer (&known, clip_index_unref);
      g_clear_pointer (&index, clip_index_unref);
    }
    g_mutex_lock (&job->lock);
    clip_job_clear (job);
    g_mutex_unlock (&job->lock);
    outcome = attempt (settings, job, may_seek, &index, &reason);
    GST_DEBUG ("%s: outcome %d", job->path, outcome);
  }
  if (index != known && outcome == OUTCOME_DONE)
    clip_indexes_put (settings->indexes, &video, index);
  g_free (video.path);
  g_clear_pointer (&known, clip_index_unref);
  g_clear_pointer (&index, clip_index_unref);
  if (outcome == OUTCOME_DONE)
    clip_job_finish (job, CLIP_RESULT_GOOD, NULL);
  else
    clip_job_finish (job, outcome == OUTCOME_FATAL ? CLIP_RESULT_FATAL :
        CLIP_RESULT_BAD, reason ? reason : g_strdup ("it changed while it was "
            "read"));
}
