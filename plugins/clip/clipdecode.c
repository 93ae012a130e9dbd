/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipchain-private.h"
#include "clipcached.h"
#include "cliplinks.h"
#include "clipmatroska.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "src/address.h"
#include "src/format.h"

GST_DEBUG_CATEGORY_EXTERN (clip_chain_debug);
#define GST_CAT_DEFAULT clip_chain_debug

/* Without a frame, event or state change for this long, a chain has stalled */
#define STALL_TIME (20 * G_TIME_SPAN_SECOND)
/* Up to this many bytes of packets are read and discarded instead of seeking */
#define MIN_SEEK_BYTES (4 * 1024 * 1024)

/* The outcome of an attempt: more than the job's results */
typedef enum {
  OUTCOME_DONE,
  OUTCOME_BAD,
  OUTCOME_FATAL,
  OUTCOME_ABORTED,
  OUTCOME_READ, /* retry, with the index that now exists */
  OUTCOME_LOST  /* retry, without a seek */
} Outcome;

/* Waiting */

/* Called with the job's lock. Waits until `ready`, an error or an abort. FALSE: an error or an
 * abort. */
static gboolean
wait_for (ClipChain *self, gboolean (*ready) (ClipChain *))
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
    if (!g_cond_wait_until (&job->cond, &job->lock, deadline) && self->progress == progress
        && !job->streaming) {
      clip_chain_set_error_locked (self,
          g_strdup_printf (
              "no data arrived for %d seconds", (gint) (STALL_TIME / G_TIME_SPAN_SECOND)),
          FALSE);
      return FALSE;
    }
  }
}

/* A packet waits, or the whole file was read. */
static gboolean
is_demultiplexed (ClipChain *self)
{
  return self->waiting || clip_chain_is_read (self);
}

static gboolean
is_done (ClipChain *self)
{
  return self->done || (self->gate_eos && !self->forwarding);
}

/* Rotation */

/* The orientation from the file's metadata. matroskademux has no tag for it, and qtdemux takes a
 * picture that is scaled for one that is mirrored or upside down. The IDs of their streams start
 * with the track's number. */
static GstVideoOrientationMethod
find_orientation (ClipChain *self)
{
  const guint64 track = g_ascii_strtoull (self->index->stream, NULL, 10);
  GstVideoOrientationMethod method = GST_VIDEO_ORIENTATION_IDENTITY, declared;
  GstEvent *event;
  gint file;

  for (guint i = 0; (event = gst_pad_get_sticky_event (self->track_pad, GST_EVENT_TAG, i)); i++) {
    GstTagList *tags;

    gst_event_parse_tag (event, &tags);
    if (gst_video_orientation_from_tag (tags, &declared))
      method = declared;
    gst_event_unref (event);
  }
  if (self->container == CLIP_CONTAINER_QUICKTIME
      && clip_quicktime_orientation (&self->quicktime, track, &declared))
    method = declared;
  if (self->container != CLIP_CONTAINER_MATROSKA
      || (file = g_open (self->job->path, O_RDONLY | O_CLOEXEC, 0)) < 0)
    return method;
  if (clip_matroska_orientation (file, track, &declared))
    method = declared;
  close (file);

  return method;
}

/* Rotates the picture as players do, between the gate and the next element. */
static gboolean
add_flip (ClipChain *self)
{
  const GstVideoOrientationMethod method = find_orientation (self);
  GstElement *convert, *flip;
  GstPad *first, *last, *follows;

  if (method == GST_VIDEO_ORIENTATION_IDENTITY)
    return TRUE;
  self->transposed = method == GST_VIDEO_ORIENTATION_90R || method == GST_VIDEO_ORIENTATION_90L
      || method == GST_VIDEO_ORIENTATION_UL_LR || method == GST_VIDEO_ORIENTATION_UR_LL;
  convert = gst_element_factory_make ("videoconvert", NULL);
  flip = gst_element_factory_make ("videoflip", NULL);
  if (!convert || !flip) {
    gst_clear_object (&convert);
    gst_clear_object (&flip);
    clip_chain_set_error (self,
        g_strdup ("it is rotated, and GStreamer's videoflip is missing; install gst-plugins-good"),
        FALSE);
    return FALSE;
  }
  g_object_set (flip, "video-direction", method, NULL);
  gst_bin_add_many (GST_BIN (self), convert, flip, NULL);
  gst_element_link (convert, flip);
  first = gst_element_get_static_pad (convert, "sink");
  last = gst_element_get_static_pad (flip, "src");
  follows = gst_pad_get_peer (self->gate_src);
  gst_pad_unlink (self->gate_src, follows);
  gst_pad_link_full (self->gate_src, first, GST_PAD_LINK_CHECK_NOTHING);
  gst_pad_link_full (last, follows, GST_PAD_LINK_CHECK_NOTHING);
  gst_object_unref (first);
  gst_object_unref (last);
  gst_object_unref (follows);
  gst_element_set_state (flip, GST_STATE_PAUSED);
  gst_element_set_state (convert, GST_STATE_PAUSED);

  return TRUE;
}

/* Decoding */

/* Narrows the window to the single frames that the sampler wants, if no other element needs
 * more. */
static void
take_wanted (ClipChain *self, GstQuery *query)
{
  gboolean sampler = FALSE;
  const guint64 *frames;
  guint n;

  /* the settings of a sampler outside clip-bin may have changed by the time the frames arrive */
  clip_links_walk (self->gate_src, clip_links_lead_to_sampler, &sampler);
  frames = sampler ? gst_query_get_clip_window_frames (query, &n) : NULL;
  if (!frames || frames[n - 1] >= self->frames)
    return;
  self->wanted = g_new0 (gboolean, self->window_last - self->window_first + 1);
  for (guint i = 0; i < n; i++)
    self->wanted[frames[i] - self->window_first] = TRUE;
}

static void
take_window (ClipChain *self, GstQuery *query)
{
  gboolean ok = query && gst_query_get_clip_window (query, &self->window_first, &self->window_last)
      && self->window_last >= self->window_first && self->window_first < self->frames;

  g_clear_pointer (&self->wanted, g_free);
  g_clear_pointer (&self->plan, g_bytes_unref);
  if (ok && clip_cached_get_plan (query))
    self->plan = g_bytes_ref (clip_cached_get_plan (query));
  if (!ok)
    self->window_first = 0;
  if (!ok || self->window_last >= self->frames)
    self->window_last = self->frames - 1;
  if (ok)
    take_wanted (self, query);
  g_mutex_lock (&self->job->lock);
  self->job->windowed = ok;
  g_mutex_unlock (&self->job->lock);
}

/* Whether a sampler would answer for its own branch only. */
static gboolean
forks (ClipChain *self)
{
  gboolean forks = FALSE;

  if (clip_links_walk (self->gate_src, clip_links_fork, &forks) == CLIP_LINKS_ENDED)
    clip_links_walk (self->src_pad, clip_links_fork, &forks);

  return forks;
}

/* Queries downstream for the wanted frames of the segment. A tee would return its first branch's
 * answer: with several branches all frames are decoded. */
static void
ask_window (ClipChain *self)
{
  const ClipIndex *index = self->index;
  GstClipMeta meta = self->job->meta;
  GstClockTime length = index->times[index->n_frames - 1];
  gint fps_n = 0, fps_d = 1;
  GstQuery *query;

  if (length > 0)
    gst_util_double_to_fraction (
        (gdouble) (index->n_frames - 1) * GST_SECOND / length, &fps_n, &fps_d);
  meta.num_frames = self->frames;
  query = gst_query_new_clip_window (&meta, fps_n, fps_d);
  gst_query_set_clip_window_times (query, index->times + self->first, self->frames);
  take_window (self, !forks (self) && gst_pad_peer_query (self->gate_src, query) ? query : NULL);
  gst_query_unref (query);
}

/* FALSE: the demuxer flushed but did not seek. */
static gboolean
seek_to_start (ClipChain *self)
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
  if (gst_pad_push_event (self->track_pad,
          gst_event_new_seek (1.0, GST_FORMAT_TIME,
              GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT | GST_SEEK_FLAG_SNAP_BEFORE,
              GST_SEEK_TYPE_SET, clip_index_seek_time (index, self->from), GST_SEEK_TYPE_NONE, 0)))
    return TRUE;
  self->at = 0;

  return !self->flushed;
}

/* Identifies the frames that will pass the gate. */
static GBytes *
describe_source (const ClipChain *self, const ClipVideo *video)
{
  guint major, minor, micro, nano;
  GByteArray *bytes = g_byte_array_new ();
  gchar *text;

  /* decoders are part of GStreamer */
  gst_version (&major, &minor, &micro, &nano);
  text =
      g_strdup_printf ("%u.%u.%u.%u %s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT ".%" G_GINT64_FORMAT
                       " track %d frames %u + %u: %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT "%s",
          major, minor, micro, nano, video->path, video->size, video->seconds, video->nanoseconds,
          video->video_track, self->first, self->frames, self->window_first, self->window_last,
          clip_chain_deinterlaces (self) ? " interlaced" : "");
  g_byte_array_append (bytes, (const guint8 *) text, strlen (text) + 1);
  g_free (text);
  if (self->pictures)
    g_byte_array_append (bytes, (const guint8 *) &self->job->rate, sizeof self->job->rate);
  if (self->plan)
    g_byte_array_append (bytes, g_bytes_get_data (self->plan, NULL), g_bytes_get_size (self->plan));

  return g_byte_array_free_to_bytes (bytes);
}

/* Finds out which frames are wanted, and whether a clipcache has them. FALSE: the error is set. */
static gboolean
prepare (ClipChain *self, const ClipVideo *video)
{
  ClipJob *job = self->job;
  GBytes *source;
  GstQuery *query;

  if (job->in_frames)
    self->frames = clip_index_frames (
        self->index, job->start, job->end, &self->first, &job->meta.start, &job->meta.end);
  else
    self->frames = clip_index_segment (self->index, job->start, job->end, &self->first);
  if (self->frames == 0) {
    clip_chain_set_error (self,
        job->in_frames ? g_strdup_printf ("the clip starts with frame %.0f, but the video has %u",
                             job->start, self->index->n_frames)
            : self->first >= self->index->n_frames
            ? cnn3d_strdup_printf ("the clip starts at %g s, after the video's end", job->start)
            : cnn3d_strdup_printf ("it has no frame from %g to %g s", job->start, job->end),
        FALSE);
    return FALSE;
  }
  ask_window (self);
  /* a file that can still change within the resolution of its timestamp is not cached */
  if (!self->clip_bin || !video->settled)
    return TRUE;
  source = describe_source (self, video);
  query = clip_cached_query_new (source);
  self->cached = gst_pad_peer_query (self->gate_src, query) && clip_cached_query_answered (query);
  if (clip_cached_query_narrowed (query))
    take_window (self, clip_cached_query_narrowed (query));
  gst_query_unref (query);
  g_bytes_unref (source);

  return TRUE;
}

static void
play_cached (gpointer data)
{
  ClipChain *self = data;
  GstClipMeta meta = self->job->meta;

  meta.num_frames = self->frames;
  clip_chain_describe_segment (self, &meta);
  gst_pad_push_event (self->gate_src, gst_event_new_stream_start ("clip"));
  gst_pad_push_event (self->gate_src, clip_cached_event_new (&meta));
  gst_pad_push_event (self->gate_src, gst_event_new_eos ());
}

/* The first picture determines the format of all. */
static Outcome
decode_pictures (ClipChain *self)
{
  const ClipPictures *pictures = self->pictures;
  gchar *reason = NULL;
  GstBuffer *picture = clip_pictures_read (pictures, self->from, &reason);

  if (picture)
    self->fed_caps = clip_pictures_caps (pictures, self->from, picture, self->job->rate);
  gst_clear_buffer (&picture);
  if (!reason && !self->fed_caps)
    reason = g_strdup_printf ("the picture format of %s is not recognised",
        (gchar *) g_ptr_array_index (pictures->names, self->from));
  if (reason) {
    clip_chain_set_error (self, reason, FALSE);
    return OUTCOME_BAD;
  }
  if (!clip_chain_add_decoder (self, self->fed_caps))
    return OUTCOME_BAD;
  clip_chain_start_task (self, clip_chain_feed_pictures);

  return OUTCOME_DONE;
}

/* Of pictures, each is a start, and those that are not needed are not even read. */
static void
plan_runs (ClipChain *self)
{
  self->runs = clip_index_runs (self->index, self->first + self->window_first,
      self->first + self->window_last, self->pictures ? NULL : self->wanted);
  self->from = g_array_index (self->runs, ClipRun, 0).from;
  self->to = g_array_index (self->runs, ClipRun, self->runs->len - 1).to;
}

/* Starts to decode the wanted frames of the chosen track. */
static Outcome
decode (ClipChain *self, gboolean may_seek)
{
  ClipJob *job = self->job;
  GstCaps *caps;
  gboolean ok;

  if (self->track && !add_flip (self))
    return OUTCOME_BAD;
  plan_runs (self);
  GST_DEBUG_OBJECT (self,
      "%s: frames %u + %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
      " of %u: packets %u to %u in %u runs",
      job->path, self->first, self->window_first, self->window_last, self->frames, self->from,
      self->to, self->runs->len);
  if (self->pictures)
    return decode_pictures (self);
  caps = clip_track_get_caps (self->track);
  ok = clip_chain_add_decoder (self, caps);
  gst_caps_unref (caps);
  if (!ok)
    return OUTCOME_BAD;
  if (self->read) {
    clip_chain_start_task (self, clip_chain_feed_kept);
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

/* Why there are no frames. Called with the job's lock. */
static gchar *
describe_nothing (ClipChain *self)
{
  if (self->tracks->len == 0 && g_atomic_int_get (&self->quicktime.encrypted))
    return g_strdup ("its video is encrypted");
  if (self->tracks->len == 0)
    return g_strdup ("there is no video in it");
  if (self->index && self->index->headless)
    return g_strdup ("it begins with pictures that refer to missing ones; cut it at a "
                     "key frame, or encode it again");

  return g_strdup ("no frame of it could be decoded");
}

/* Reads the file up to its first packet or, without an index, to its end. FALSE: an error, or
 * there is no video. */
static gboolean
demultiplex (ClipChain *self, guint64 size)
{
  gboolean ready;

  clip_chain_open (self, size);
  g_mutex_lock (&self->job->lock);
  ready = wait_for (self, is_demultiplexed);
  if (ready && !self->index) {
    self->read = TRUE;
    clip_chain_make_index (self);
  } else if (ready && !self->track) {
    self->lost = TRUE;
  }
  g_mutex_unlock (&self->job->lock);

  return ready && self->track && self->index->n_frames > 0;
}

/* Starts the thread that pushes frames and everything that it needs. FALSE: there will be no
 * frames. */
static gboolean
start (ClipChain *self, const ClipVideo *video, gboolean may_seek, Outcome *outcome)
{
  if (self->error || (self->index && !prepare (self, video)))
    return FALSE;
  if (!self->cached && !self->pictures) {
    if (!demultiplex (self, video->size))
      return FALSE;
    if (self->read && !self->keeps) {
      *outcome = OUTCOME_READ;
      return FALSE;
    }
    if (self->read && !prepare (self, video))
      return FALSE;
  }
  if (self->cached)
    clip_chain_start_task (self, play_cached);
  else
    *outcome = decode (self, may_seek);

  return *outcome == OUTCOME_DONE;
}

/* One attempt. *index: NULL: read the file first, which creates it. *reason is set for
 * OUTCOME_BAD and OUTCOME_FATAL. */
static Outcome
attempt (const ClipChainSettings *settings, ClipJob *job, const ClipVideo *video,
    ClipPictures *pictures, gboolean may_seek, ClipIndex **index, gchar **reason)
{
  ClipChain *self = clip_chain_new (settings, job, *index, pictures);
  Outcome outcome = OUTCOME_DONE;
  gboolean starts = start (self, video, may_seek, &outcome);

  if (self->index && !*index)
    *index = clip_index_ref (self->index);
  g_mutex_lock (&job->lock);
  if (starts)
    wait_for (self, is_done);
  if (self->lost && job->streaming && !self->done)
    clip_chain_set_error_locked (self, g_strdup ("it changed while it was read"), FALSE);
  if (job->aborted)
    outcome = OUTCOME_ABORTED;
  else if (self->lost && !job->streaming)
    outcome = OUTCOME_LOST;
  else if (outcome <= OUTCOME_BAD && self->error && !self->done) {
    outcome = self->fatal ? OUTCOME_FATAL : OUTCOME_BAD;
    /* The error that unlinked audio leads to would be misleading */
    if (!self->fatal && self->tracks->len == 0
        && (self->has_other || g_atomic_int_get (&self->quicktime.encrypted)))
      *reason = describe_nothing (self);
    else if (!self->fatal && g_atomic_int_get (&self->flv.unknown) && job->frames == 0)
      *reason =
          g_strdup_printf ("GStreamer does not know its codec (number %d of FLV); convert it: "
                           "ffmpeg -i FILE -c:v ffv1 FILE.mkv",
              g_atomic_int_get (&self->flv.unknown) - 1);
    else if (!self->fatal && self->past_end > 0 && job->frames == 0
        && g_str_has_prefix (self->error, "avdemux_"))
      *reason =
          g_strdup (self->tracks->len > 0 ? "it is truncated: it ends within its first packets"
                                          : "it is truncated, or GStreamer does not know its "
                                            "codec; if FFmpeg does, convert it: "
                                            "ffmpeg -i FILE -c:v ffv1 FILE.mkv");
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

/* Checks that need no decoder. failure: errno of stat(), or 0. NULL: it is a regular file that
 * is not empty. */
static gchar *
check_file (const gchar *path, const GStatBuf *st, gint failure)
{
  if (cnn3d_is_address (path))
    return g_strdup ("only file:// addresses and paths are read");
  if (failure)
    return g_strdup (g_strerror (failure));
  if (!S_ISREG (st->st_mode))
    return g_strdup ("it is not a regular file");
  if (st->st_size == 0)
    return g_strdup ("it is empty (0 bytes)");

  return NULL;
}

/* Decodes an image sequence. */
static Outcome
decode_series (const ClipChainSettings *settings, ClipJob *job, gchar **reason)
{
  ClipPictures *pictures = clip_pictures_new (job->path, reason);
  Outcome outcome;
  ClipVideo video;
  ClipIndex *index;

  if (!pictures)
    return OUTCOME_BAD;
  clip_pictures_video (pictures, job->path, &video);
  index = clip_pictures_index (pictures, job->rate);
  outcome = attempt (settings, job, &video, pictures, FALSE, &index, reason);
  clip_index_unref (index);
  g_free (video.path);
  clip_pictures_unref (pictures);

  return outcome;
}

/* Decodes a clip of a file. */
static Outcome
decode_file (
    const ClipChainSettings *settings, ClipJob *job, const GStatBuf *status, gchar **reason)
{
  Outcome outcome = OUTCOME_READ;
  ClipIndex *known, *index;
  gboolean may_seek = TRUE;
  ClipVideo video;

  clip_video_init (&video, job->path, status, settings->video_track);
  known = clip_indexes_get (settings->indexes, &video);
  index = known ? clip_index_ref (known) : NULL;
  while (outcome == OUTCOME_READ || outcome == OUTCOME_LOST) {
    if (outcome == OUTCOME_LOST && may_seek) {
      may_seek = FALSE;
    } else if (outcome == OUTCOME_LOST) {
      /* Even from its start the file does not match the index */
      if (!known)
        break;
      g_clear_pointer (&known, clip_index_unref);
      g_clear_pointer (&index, clip_index_unref);
    }
    g_mutex_lock (&job->lock);
    clip_job_clear (job);
    g_mutex_unlock (&job->lock);
    outcome = attempt (settings, job, &video, NULL, may_seek, &index, reason);
    GST_DEBUG ("%s: outcome %d", job->path, outcome);
  }
  if (index != known && outcome == OUTCOME_DONE)
    clip_indexes_put (settings->indexes, &video, index);
  g_clear_pointer (&known, clip_index_unref);
  g_clear_pointer (&index, clip_index_unref);
  g_free (video.path);

  return outcome;
}

void
clip_chain_decode (const ClipChainSettings *settings, ClipJob *job)
{
  GStatBuf status;
  const gint failure = g_stat (job->path, &status) == 0 ? 0 : errno;
  gchar *reason = NULL;
  Outcome outcome;

  if (clip_pictures_named (job->path, failure ? NULL : &status)) {
    outcome = decode_series (settings, job, &reason);
  } else {
    reason = check_file (job->path, &status, failure);
    outcome = reason ? OUTCOME_BAD : decode_file (settings, job, &status, &reason);
  }
  if (outcome == OUTCOME_DONE)
    clip_job_finish (job, CLIP_RESULT_GOOD, NULL);
  else
    clip_job_finish (job, outcome == OUTCOME_FATAL ? CLIP_RESULT_FATAL : CLIP_RESULT_BAD,
        reason ? reason : g_strdup ("it changed while it was read"));
}
