/* gstclipsrcstream.c: clipsrc's streaming thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipsrc-private.h"

#include "clipaborted.h"
#include "clipscaling.h"
#include "src/dataset/digest.h"
#include "src/escape.h"

GST_DEBUG_CATEGORY_EXTERN (gst_clip_src_debug);
#define GST_CAT_DEFAULT gst_clip_src_debug

/* Limit on decoded frames that wait, in all clips together. A clip that reaches its share is
 * pushed before it is complete */
#define MAX_BYTES ((gsize) 512 << 20)
#define MIN_CLIP_BYTES ((gsize) 32 << 20)
#define DEFAULT_FRAME_DURATION (GST_SECOND / 25)

/* Start */

void
gst_clip_src_reset_time (GstClipSrc *self)
{
  self->clip_base = self->next_pts = self->last_pts = 0;
}

void
gst_clip_src_reset_stream (GstClipSrc *self)
{
  self->scheduled = 0;
  self->started = FALSE;
  self->need_segment = self->enter_pass = TRUE;
  self->need_epoch = FALSE;
  memset (self->warned_of_views, 0, sizeof self->warned_of_views);
  self->seqnum = 0;
  self->frame_duration = DEFAULT_FRAME_DURATION;
  gst_clip_src_reset_time (self);
}

/* Jobs */

/* A job's share of MAX_BYTES. Jobs are added for all views of a clip at once, so that more may wait
 * than are to be decoded ahead. */
static gsize
share (const GstClipSrc *self)
{
  const guint workers = self->used.num_workers;

  return MAX (
      MAX_BYTES / MAX (workers ? 2 * workers - 1 + MAX (self->views, 1) : 0, 2), MIN_CLIP_BYTES);
}

/* A job for a row. meta: what all views of the clip have in common, and the view */
static ClipJob *
make_job (GstClipSrc *self, guint number, GstClipMeta meta)
{
  Cnn3dDatasetRow row;
  gchar *path, *keypoints;
  ClipJob *job;

  cnn3d_dataset_row (self->dataset, number, &row);
  meta.label = row.label;
  meta.path = g_ref_string_new (row.path);
  meta.group = row.group ? g_ref_string_new (row.group) : NULL;
  path = cnn3d_dataset_path (self->dataset, number);
  meta.file = g_ref_string_new (path);
  keypoints = cnn3d_dataset_keypoints (
      self->dataset, number, self->used.keypoints_root, self->used.keypoints_pattern);
  meta.keypoints = keypoints ? g_ref_string_new (keypoints) : NULL;
  g_free (keypoints);
  meta.start = row.start;
  meta.end = row.end;
  meta.fps = row.fps > 0 ? row.fps : self->used.fps;
  job = clip_job_new (&meta, path, row.start, row.end, meta.fps, share (self));
  job->in_frames = row.in_frames;
  g_ref_string_release (meta.path);
  if (meta.group)
    g_ref_string_release (meta.group);
  g_ref_string_release (meta.file);
  if (meta.keypoints)
    g_ref_string_release (meta.keypoints);

  return job;
}

/* Appends the jobs of a clip: one, or one for each of its views that is listed. */
static void
add_jobs (GstClipSrc *self, guint64 position)
{
  guint32 *rows = g_new (guint32, MAX (self->views, 1));
  Cnn3dOrderClip clip;
  GstClipMeta meta;

  cnn3d_order_locate (self->order, position, &clip);
  meta = (GstClipMeta) { .clip = position,
    .sample = clip.row,
    .epoch = clip.epoch,
    .training = clip.training,
    .views = self->views };
  if (self->views)
    cnn3d_dataset_view_rows (self->dataset, clip.row, rows);
  else
    rows[0] = clip.row;
  for (guint view = 0; view < MAX (self->views, 1); view++) {
    meta.view = view;
    if (rows[view] != CNN3D_DATASET_NO_ROW)
      g_queue_push_tail (&self->jobs, make_job (self, rows[view], meta));
  }
  g_free (rows);
}

/* The next position of this rank's clips from `position` on, below `end`; or `end`. */
static guint64
next_own (GstClipSrc *self, guint64 position, guint64 end)
{
  guint64 next;

  while (
      position < end && (next = cnn3d_order_next (self->order, position, self->batch)) > position)
    position = next;

  return MIN (position, end);
}

/* Gives clips to the workers to decode ahead, but not beyond the end of this pass unless workers
 * are persistent. */
static void
fill_jobs (GstClipSrc *self, guint64 pass_end)
{
  guint ahead = self->used.num_workers > 0 ? 2 * self->used.num_workers : 1;
  guint64 end = self->used.persistent_workers ? self->total : pass_end;

  while (g_queue_get_length (&self->jobs) < ahead
      && (self->scheduled = next_own (self, self->scheduled, end)) < end) {
    const guint before = g_queue_get_length (&self->jobs);

    add_jobs (self, self->scheduled++);
    for (GList *at = g_queue_peek_nth_link (&self->jobs, before); at && self->used.num_workers > 0;
        at = at->next)
      clip_workers_push (self->workers, at->data);
  }
}

/* (transfer full) the next job of the clip; NULL: that was its last view. Without workers it is
 * decoded from now on. */
static ClipJob *
take_job (GstClipSrc *self, guint64 position)
{
  ClipJob *job = g_queue_peek_head (&self->jobs);

  if (!job || job->meta.clip != position)
    return NULL;
  g_queue_pop_head (&self->jobs);
  if (self->used.num_workers == 0)
    clip_workers_push (self->workers, job);

  return job;
}

void
gst_clip_src_drop_jobs (GstClipSrc *self)
{
  ClipJob *job;

  while ((job = g_queue_pop_head (&self->jobs))) {
    clip_job_abort (job);
    clip_job_unref (job);
  }
}

static void
set_current (GstClipSrc *self, ClipJob *job, gboolean pushing)
{
  GST_OBJECT_LOCK (self);
  self->current = job;
  self->pushing = pushing;
  /* a request made just before found no job to abort */
  if (job && (self->interrupted || self->seek_pending || (self->end_requested && !pushing)))
    clip_job_abort (job);
  GST_OBJECT_UNLOCK (self);
}

void
gst_clip_src_wake_locked (GstClipSrc *self)
{
  if (self->current)
    clip_job_abort (self->current);
}

/* Streaming */

static void
push_event (GstClipSrc *self, GstEvent *event)
{
  if (self->seqnum)
    gst_event_set_seqnum (event, self->seqnum);
  gst_pad_push_event (self->srcpad, event);
}

static void
push_data (GstClipSrc *self)
{
  const Cnn3dOrderParams order = gst_clip_src_order_params (&self->used);
  GstClipData data = { .training_clips = cnn3d_order_pass_clips (self->order, TRUE),
    .validation_clips = cnn3d_order_pass_clips (self->order, FALSE) };
  Cnn3dDigest digest;

  cnn3d_digest (self->dataset, &order, &digest);
  data.rows = digest.rows;
  data.clips = digest.clips;
  data.labels = digest.labels;
  data.validation = digest.validation;
  data.order = digest.order;
  gst_pad_push_event (self->srcpad, gst_event_new_clip_data (&data));
  cnn3d_digest_clear (&digest);
}

static void
start_stream (GstClipSrc *self)
{
  gchar *id = gst_pad_create_stream_id (self->srcpad, GST_ELEMENT (self), NULL);
  GstEvent *event = gst_event_new_stream_start (id);
  guint64 *clips;
  guint n;

  gst_event_set_group_id (event, gst_util_group_id_next ());
  gst_pad_push_event (self->srcpad, event);
  g_free (id);
  clips = g_new0 (guint64, cnn3d_dataset_num_classes (self->dataset));
  cnn3d_order_class_clips (self->order, clips);
  gst_pad_push_event (self->srcpad,
      gst_event_new_clip_classes_counted (cnn3d_dataset_classes (self->dataset), clips));
  g_free (clips);
  if (self->views)
    gst_pad_push_event (
        self->srcpad, gst_event_new_clip_views (cnn3d_dataset_views (self->dataset, &n)));
  push_data (self);
  self->started = TRUE;
}

static void
set_position (GstClipSrc *self, guint64 position)
{
  GST_OBJECT_LOCK (self);
  self->position = position;
  GST_OBJECT_UNLOCK (self);
}

/* Performs a seek. */
static void
apply_seek (GstClipSrc *self, guint64 position, guint32 seqnum)
{
  gst_clip_src_drop_jobs (self);
  g_queue_clear_full (&self->pending_skips, (GDestroyNotify) gst_event_unref);
  self->scheduled = position;
  self->seqnum = seqnum;
  self->need_segment = TRUE;
  self->enter_pass = TRUE;
  set_position (self, position);
}

static void
push_segment (GstClipSrc *self)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  /* After a seek without a flush, time continues: running time must not go back */
  segment.start = segment.base = segment.time = segment.position = self->next_pts;
  push_event (self, gst_event_new_segment (&segment));
  self->need_segment = FALSE;
}

/* clip-skipped must be within its pass. */
static void
push_pending_skips (GstClipSrc *self)
{
  GstEvent *event;

  while ((event = g_queue_pop_head (&self->pending_skips)))
    gst_pad_push_event (self->srcpad, event);
}

static void
push_epoch (GstClipSrc *self, const Cnn3dOrderClip *clip, guint64 position)
{
  GstClipEpoch epoch = { .epoch = clip->epoch, .training = clip->training };

  epoch.clips = cnn3d_order_pass_clips (self->order, clip->training);
  epoch.other_clips =
      epoch.clips - cnn3d_order_own_clips (self->order, clip->training, self->batch);
  epoch.epochs = self->used.epochs;
  epoch.first_clip = cnn3d_order_position (self->order, clip->epoch, clip->training, 0);
  epoch.position = position;
  epoch.seed = self->used.seed;
  epoch.validates = cnn3d_order_pass_clips (self->order, FALSE) > 0;
  push_event (self, gst_event_new_clip_epoch (&epoch));
  self->need_epoch = FALSE;
  push_pending_skips (self);
}

static GstBuffer *
retime (GstClipSrc *self, GstBuffer *buffer, guint64 index)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), time;
  GstClockTime duration = GST_BUFFER_DURATION (buffer);

  buffer = gst_buffer_make_writable (buffer);
  if (!GST_CLOCK_TIME_IS_VALID (duration) || duration == 0)
    duration = self->frame_duration;
  if (index == 0) {
    self->clip_base = self->next_pts;
    self->clip_origin = pts;
  }
  if (GST_CLOCK_TIME_IS_VALID (pts) && GST_CLOCK_TIME_IS_VALID (self->clip_origin)
      && pts >= self->clip_origin)
    time = self->clip_base + (pts - self->clip_origin);
  else
    time = self->clip_base + index * duration;
  time = MAX (time, self->last_pts);
  GST_BUFFER_PTS (buffer) = self->last_pts = time;
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) = duration;
  self->next_pts = MAX (self->next_pts, time + duration);
  if (index == 0)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  else
    GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_DISCONT);

  return buffer;
}

static void
set_caps (GstClipSrc *self, GstCaps *caps)
{
  GstStructure *s = gst_caps_get_structure (caps, 0);
  gint n, d;

  gst_caps_replace (&self->caps, caps);
  self->frame_duration = DEFAULT_FRAME_DURATION;
  if (gst_structure_get_fraction (s, "framerate", &n, &d) && n > 0 && d > 0)
    self->frame_duration = gst_util_uint64_scale_int (GST_SECOND, d, n);
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
}

/* All chains send the same event: push it once. If no element in clip-bin scales, one after it
 * may. */
static void
push_preparation (GstClipSrc *self, GstEvent *event)
{
  GstClipPreparation preparation;
  ClipScaling scaling;

  if (self->preparation
      && gst_structure_is_equal (
          gst_event_get_structure (self->preparation), gst_event_get_structure (event)))
    return;
  gst_event_replace (&self->preparation, event);
  gst_event_parse_clip_preparation (event, &preparation);
  if (g_strcmp0 (preparation.scaling, "none") == 0 && clip_scaling_find (self->srcpad, &scaling)) {
    preparation.scaling = scaling.method;
    preparation.add_borders = scaling.add_borders;
  }
  gst_pad_push_event (self->srcpad, gst_event_new_clip_preparation (&preparation));
}

/* Makes sure that a frame has a clip meta, even if clip-bin dropped it. */
static void
complete_meta (
    const GstClipSrc *self, ClipJob *job, GstBuffer *buffer, guint64 index, guint64 num_frames)
{
  GstClipMeta *meta = gst_buffer_get_clip_meta (buffer);

  if (!meta)
    meta = gst_buffer_add_clip_meta (buffer, &job->meta);
  else if (job->windowed || self->preparation)
    return;
  /* There is no sampler: all frames are here, and now their number is known. Of a clip that is
   * pushed before it is complete, only clip-bin may change it */
  meta->frame = index;
  if (num_frames || self->used.clip_bin)
    meta->num_frames = num_frames;
}

/* Pushes the frames of a job, and then has its result. */
static GstFlowReturn
push_job (GstClipSrc *self, ClipJob *job, const Cnn3dOrderClip *clip, ClipResult *result)
{
  GstFlowReturn ret = GST_FLOW_OK;
  GstMiniObject *item;
  guint64 num_frames, pushed = 0;
  gboolean stop;

  g_mutex_lock (&job->lock);
  *result = job->result;
  num_frames = job->result ? job->frames : 0;
  g_mutex_unlock (&job->lock);
  if (*result == CLIP_RESULT_BAD || *result == CLIP_RESULT_FATAL)
    return GST_FLOW_OK;
  while (ret == GST_FLOW_OK && (item = clip_job_take (job))) {
    GST_OBJECT_LOCK (self);
    stop = self->interrupted || self->seek_pending;
    GST_OBJECT_UNLOCK (self);
    if (stop) {
      gst_mini_object_unref (item);
      return GST_FLOW_FLUSHING;
    }
    if (GST_IS_CAPS (item)) {
      if (!self->caps || !gst_caps_is_equal (self->caps, GST_CAPS_CAST (item)))
        set_caps (self, GST_CAPS_CAST (item));
      gst_mini_object_unref (item);
      continue;
    }
    if (self->need_segment)
      push_segment (self);
    if (GST_IS_EVENT (item)) {
      push_preparation (self, GST_EVENT_CAST (item));
      gst_mini_object_unref (item);
      continue;
    }
    if (self->need_epoch)
      push_epoch (self, clip, job->meta.clip);
    item = GST_MINI_OBJECT_CAST (retime (self, GST_BUFFER_CAST (item), pushed));
    complete_meta (self, job, GST_BUFFER_CAST (item), pushed, num_frames);
    pushed++;
    ret = gst_pad_push (self->srcpad, GST_BUFFER_CAST (item));
  }
  g_mutex_lock (&job->lock);
  *result = job->result;
  g_mutex_unlock (&job->lock);
  if (pushed > 0 && (*result == CLIP_RESULT_BAD || *result == CLIP_RESULT_FATAL))
    push_event (self, clip_aborted_event_new (&job->meta));

  return ret;
}

/* Names a file that cannot be read. */
static void
post_failure (GstClipSrc *self, const ClipJob *job)
{
  /* a structure's strings must be UTF-8, unlike a path, or a reason that names a file */
  gchar *path = g_filename_display_name (job->path);
  gchar *reason = g_utf8_make_valid (job->reason, -1);
  GstStructure *s = gst_structure_new ("clipsrc-skipped", "path", G_TYPE_STRING, path, "reason",
      G_TYPE_STRING, reason, "clip", G_TYPE_UINT64, job->meta.clip, NULL);
  guint n;

  if (self->views)
    gst_structure_set (
        s, "view", G_TYPE_STRING, cnn3d_dataset_views (self->dataset, &n)[job->meta.view], NULL);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), s));
  g_free (reason);
  g_free (path);
}

static void
send_skipped (GstClipSrc *self, const ClipJob *job)
{
  gchar *path = g_filename_display_name (job->path);
  GstClipSkipped skipped = {
    .path = path, .reason = job->reason, .clip = job->meta.clip, .epoch = job->meta.epoch
  };

  g_queue_push_tail (&self->pending_skips, gst_event_new_clip_skipped (&skipped));
  if (!self->need_epoch)
    push_pending_skips (self);
  g_free (path);
}

/* Remembers the views that failed of a clip of which others came. */
static void
count_failed_views (GstClipSrc *self)
{
  const ClipJob *job;
  guint n;

  if (self->failed->len > 0 && !self->first_view) {
    job = g_ptr_array_index (self->failed, 0);
    self->first_view = g_strdup_printf ("%s, %s: %s",
        cnn3d_dataset_views (self->dataset, &n)[job->meta.view], job->path, job->reason);
  }
  self->views_failed += self->failed->len;
}

/* Counts a clip of which `good` views were pushed, and names those that failed. A clip without a
 * view is skipped. */
static void
end_clip (GstClipSrc *self, guint good)
{
  const guint missing = self->views && good ? self->views - good : 0;

  for (guint i = 0; i < self->failed->len; i++) {
    const ClipJob *job = g_ptr_array_index (self->failed, i);

    GST_WARNING_OBJECT (self, "skipping clip %" G_GUINT64_FORMAT ", %s: %s", job->meta.clip,
        job->path, job->reason);
    if (!self->first_reason)
      self->first_reason = g_strdup_printf ("%s: %s", job->path, job->reason);
  }
  if (good) {
    self->delivered++;
    count_failed_views (self);
  } else {
    self->skipped++;
  }
  GST_OBJECT_LOCK (self);
  self->clips_skipped += !good;
  self->views_missing += missing;
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; i < self->failed->len; i++)
    post_failure (self, g_ptr_array_index (self->failed, i));
  if (!good) {
    send_skipped (self, g_ptr_array_index (self->failed, 0));
    g_object_notify (G_OBJECT (self), "clips-skipped");
  }
  if (missing)
    g_object_notify (G_OBJECT (self), "views-missing");
}

static void
stop_streaming (GstClipSrc *self, gboolean eos)
{
  gst_clip_src_drop_jobs (self);
  GST_OBJECT_LOCK (self);
  self->ended = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (eos) {
    if (self->need_segment)
      push_segment (self);
    /* their pass was not started */
    g_queue_clear_full (&self->pending_skips, (GDestroyNotify) gst_event_unref);
    push_event (self, gst_event_new_eos ());
  }
  gst_pad_pause_task (self->srcpad);
}

static const gchar *
pass_name (const GstClipSrc *self, gboolean training)
{
  return training ? "training" : self->used.passes == CNN3D_PASSES_TEST ? "test" : "validation";
}

/* Learns which clips are this process's. FALSE: there are too few for all. */
static gboolean
share_out (GstClipSrc *self)
{
  const gboolean training = cnn3d_order_pass_clips (self->order, TRUE) > 0;
  const guint64 clips = cnn3d_order_pass_clips (self->order, training);
  GstQuery *query = gst_query_new_clip_share ();
  guint rank, world;
  guint64 batches;

  gst_pad_peer_query (self->srcpad, query);
  gst_query_get_clip_share (query, &self->batch, &rank, &world);
  gst_query_unref (query);
  if (self->used.world_size > 0)
    world = self->used.world_size;
  else
    cnn3d_order_set_rank (self->order, rank, world);
  self->shares = world > 1;
  batches = (clips + self->batch - 1) / self->batch;
  if (batches < world)
    goto too_few;

  return TRUE;

  /* ERRORS */
too_few:
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
      ("The %s pass has %" G_GUINT64_FORMAT " clips, %" G_GUINT64_FORMAT
       " batches of %u, but world-size is %u: each process needs a batch. Reduce batch-size or "
       "world-size.",
          pass_name (self, training), clips, batches, self->batch, world),
      (NULL));
  return FALSE;
}

/* A camera that fails everywhere must not go unnoticed, since its clips come all the same. */
static void
warn_of_failed_views (GstClipSrc *self, gboolean training)
{
  gchar *first;

  if (self->views_failed == 0 || self->warned_of_views[!!training])
    return;
  self->warned_of_views[!!training] = TRUE;
  first = cnn3d_escape (self->first_view, TRUE);
  GST_ELEMENT_WARNING (self, RESOURCE, READ,
      ("In the %s pass %" G_GUINT64_FORMAT " views of %" G_GUINT64_FORMAT
       " clips cannot be read, and the clips came without them; the first: %s. cnn3d dataset "
       "--check names all such files",
          pass_name (self, training), self->views_failed, self->delivered, first),
      (NULL));
  g_free (first);
}

/* FALSE: no clip of the pass could be read. */
static gboolean
end_pass (GstClipSrc *self, const Cnn3dOrderClip *clip)
{
  GstClipEpochDone done = { .epoch = clip->epoch,
    .training = clip->training,
    .position = self->position,
    .delivered = self->delivered,
    .skipped = self->skipped };

  /* others of several processes may have clips of the pass */
  if (self->delivered == 0 && self->skipped > 0 && self->whole_pass
      && !(self->caps && self->shares))
    return FALSE;
  /* caps precede the segment, and come with the first clip that can be read */
  if (self->need_segment && self->caps)
    push_segment (self);
  /* every clip since a seek into this pass was skipped */
  if (self->need_epoch)
    push_epoch (self, clip, self->position);
  warn_of_failed_views (self, clip->training);
  gst_pad_push_event (self->srcpad, gst_event_new_clip_epoch_done (&done));
  self->seqnum = 0;

  return TRUE;
}

/* Processes one clip. */
void
gst_clip_src_loop (GstPad *pad)
{
  GstClipSrc *self = GST_CLIP_SRC_CAST (GST_PAD_PARENT (pad));
  gboolean interrupted, end, seek;
  guint64 position, pass_end;
  gchar *path = NULL, *reason = NULL;
  GstFlowReturn ret = GST_FLOW_OK;
  Cnn3dOrderClip clip;
  ClipJob *job = NULL;
  ClipResult result;
  guint32 seqnum;
  guint good = 0;

  if (!self->started) {
    start_stream (self);
    if (!share_out (self))
      goto failed;
  }
  GST_OBJECT_LOCK (self);
  interrupted = self->interrupted;
  end = self->end_requested;
  seek = self->seek_pending && !interrupted;
  position = seek ? self->seek_position : self->position;
  seqnum = self->seek_seqnum;
  if (seek)
    self->seek_pending = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (interrupted)
    goto pause;
  if (seek)
    apply_seek (self, position, seqnum);
  if (end || !cnn3d_order_locate (self->order, position, &clip))
    goto eos;
  if (clip.index == 0 || self->enter_pass) {
    self->need_epoch = TRUE;
    self->enter_pass = FALSE;
    self->delivered = self->skipped = self->views_failed = 0;
    self->whole_pass = clip.index == 0;
    g_clear_pointer (&self->first_reason, g_free);
    g_clear_pointer (&self->first_view, g_free);
  }
  pass_end = position - clip.index + cnn3d_order_pass_clips (self->order, clip.training);
  position = next_own (self, position, pass_end);
  if (position == pass_end) {
    set_position (self, pass_end);
    if (!end_pass (self, &clip))
      goto all_bad;
    goto again;
  }

  fill_jobs (self, pass_end);
  g_ptr_array_set_size (self->failed, 0);
  while ((job = take_job (self, position))) {
    set_current (self, job, FALSE);
    if (!clip_job_wait (job))
      goto again;
    set_current (self, job, TRUE);
    /* The job left the queue: add another. Without workers nothing is decoded while this one is
     * pushed */
    if (self->used.num_workers > 0)
      fill_jobs (self, pass_end);
    ret = push_job (self, job, &clip, &result);
    if (ret != GST_FLOW_OK)
      goto flow;
    switch (result) {
      case CLIP_RESULT_GOOD:
        good++;
        break;
      case CLIP_RESULT_BAD:
        if (self->used.on_error == CNN3D_ON_ERROR_STOP)
          goto bad_clip;
        g_ptr_array_add (self->failed, clip_job_ref (job));
        break;
      case CLIP_RESULT_FATAL:
        goto fatal;
      default:
        goto again;
    }
    set_current (self, NULL, FALSE);
    clip_job_abort (job);
    clip_job_unref (job);
  }
  end_clip (self, good);
  g_ptr_array_set_size (self->failed, 0);
  position = next_own (self, position + 1, pass_end);
  set_position (self, position);
  if (position == pass_end && !end_pass (self, &clip))
    goto all_bad;
  goto again;

flow:
  GST_OBJECT_LOCK (self);
  seek = self->seek_pending;
  interrupted = self->interrupted;
  GST_OBJECT_UNLOCK (self);
  if (seek && !interrupted)
    goto again;
  if (ret == GST_FLOW_EOS) {
    set_current (self, NULL, FALSE);
    clip_job_abort (job);
    clip_job_unref (job);
    goto eos;
  }
  if (ret != GST_FLOW_FLUSHING) {
    GST_ELEMENT_FLOW_ERROR (self, ret);
    goto failed;
  }
  gst_pad_pause_task (pad);

again:
  set_current (self, NULL, FALSE);
  if (job) {
    clip_job_abort (job);
    clip_job_unref (job);
  }
  return;

pause:
  gst_pad_pause_task (pad);
  return;

eos:
  stop_streaming (self, TRUE);
  return;

  /* ERRORS */
bad_clip:
  path = cnn3d_escape (job->path, FALSE);
  reason = cnn3d_escape (job->reason, TRUE);
  GST_ELEMENT_ERROR (self, RESOURCE, READ,
      ("Clip %" G_GUINT64_FORMAT
       ", %s, cannot be read: %s. Repair or remove it, or set on-error=skip",
          position, path, reason),
      (NULL));
  goto failed;
fatal:
  path = cnn3d_escape (job->path, FALSE);
  reason = cnn3d_escape (job->reason, TRUE);
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
      ("No clip can pass (the first was %s): %s. Correct clip-bin, or what follows it", path,
          reason),
      ("clip-bin=%s", GST_STR_NULL (self->used.clip_bin)));
  goto failed;
all_bad:
  reason = cnn3d_escape (self->first_reason, TRUE);
  GST_ELEMENT_ERROR (self, RESOURCE, READ,
      ("No clip of the %s pass could be read, all %" G_GUINT64_FORMAT
       " were skipped; the first: %s",
          pass_name (self, clip.training), self->skipped, reason),
      (NULL));
failed:
  g_free (path);
  g_free (reason);
  set_current (self, NULL, FALSE);
  if (job) {
    clip_job_abort (job);
    clip_job_unref (job);
  }
  stop_streaming (self, TRUE);
}
