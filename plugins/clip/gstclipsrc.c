/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-clipsrc
 * @title: clipsrc
 *
 * Reads a data set of labelled videos and gives the decoded frames of one clip
 * after another, each with a GstClipMeta. A run is #GstClipSrc:epochs times a
 * training pass, in an order that depends on #GstClipSrc:seed and the epoch
 * alone, and a validation pass. Clips are decoded by #GstClipSrc:num-workers
 * chains side by side, each of which ends in #GstClipSrc:clip-bin.
 *
 * Buffers get running timestamps: a clip begins where the one before ended.
 * Seeking in GST_FORMAT_DEFAULT goes to a clip, counted over the whole run.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 clipsrc location=train.csv num-workers=2 \
 *     clip-bin="videoconvertscale ! video/x-raw,format=RGB,width=112,height=112" ! fakesink
 * ]|
 * All frames of the clips that train.csv lists, scaled, in a random order.
 */
#include "gstclipsrc.h"
#include "clipworkers.h"
#include "src/dataset/dataset.h"
#include "src/dataset/order.h"

GST_DEBUG_CATEGORY_STATIC (gst_clip_src_debug);
#define GST_CAT_DEFAULT gst_clip_src_debug

#define MAX_WORKERS 64
/* Decoded frames that may wait, in all clips together; a clip that has its
 * share is passed on before it is complete */
#define MAX_BYTES ((gsize) 512 << 20)
#define MIN_CLIP_BYTES ((gsize) 32 << 20)
#define DEFAULT_FRAME_DURATION (GST_SECOND / 25)

typedef enum
{
  GST_CLIP_SRC_ON_ERROR_SKIP,
  GST_CLIP_SRC_ON_ERROR_STOP
} GstClipSrcOnError;

struct _GstClipSrc
{
  GstElement parent;
  GstPad *srcpad;

  /* Properties, under the object's lock */
  gchar *location, *root, *val_location, *clip_bin;
  guint num_folds, fold;
  gboolean shuffle;
  guint64 seed;
  guint epochs;
  guint64 limit_clips;
  guint num_workers;
  gboolean persistent_workers;
  GstClipSrcOnError on_error;
  guint rank, world_size;
  guint64 clips_skipped;

  /* Set from READY to PAUSED, constant while streaming; read by others under
   * the object's lock */
  Cnn3dDataset *dataset;
  Cnn3dOrder *order;            /* located by the streaming thread only */
  guint64 total;
  ClipWorkers *workers;

  /* What others ask of the streaming thread, under the object's lock */
  GMutex seek_lock;             /* one flushing seek at a time */
  ClipJob *current;             /* what it waits for, or pushes */
  gboolean pushing;
  gboolean interrupted;         /* stop now: state change or flush */
  gboolean end_requested;       /* stop before the next clip */
  gboolean ended;
  gboolean seek_pending;
  guint64 seek_position;
  guint32 seek_seqnum;
  guint64 position;

  /* The streaming thread's */
  GQueue jobs;                  /* in order, the first is at `position` */
  guint64 scheduled;            /* position of the next job to make */
  gboolean started;
  gboolean need_segment, need_epoch;
  guint32 seqnum;               /* of the seek that segment answers; 0: none */
  guint64 delivered, skipped;   /* in this pass */
  gboolean enter_pass;          /* at the next clip */
  gboolean whole_pass;          /* entered at its first clip */
  gchar *first_reason;          /* of the first clip skipped in this pass */
  GstCaps *caps;
  GstClockTime frame_duration;  /* by caps */
  GstClockTime clip_base, clip_origin, next_pts, last_pts;
};

enum
{
  PROP_0,
  PROP_LOCATION,
  PROP_ROOT,
  PROP_VAL_LOCATION,
  PROP_NUM_FOLDS,
  PROP_FOLD,
  PROP_SHUFFLE,
  PROP_SEED,
  PROP_EPOCHS,
  PROP_LIMIT_CLIPS,
  PROP_NUM_WORKERS,
  PROP_PERSISTENT_WORKERS,
  PROP_CLIP_BIN,
  PROP_ON_ERROR,
  PROP_RANK,
  PROP_WORLD_SIZE,
  PROP_NUM_CLIPS,
  PROP_NUM_CLASSES,
  PROP_CLASSES,
  PROP_CLIPS_SKIPPED,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

G_DEFINE_TYPE_WITH_CODE (GstClipSrc, gst_clip_src, GST_TYPE_ELEMENT,
    GST_DEBUG_CATEGORY_INIT (gst_clip_src_debug, "clipsrc", 0,
        "source of labelled clips"));
GST_ELEMENT_REGISTER_DEFINE (clipsrc, "clipsrc", GST_RANK_NONE,
    GST_TYPE_CLIP_SRC);

#define GST_TYPE_CLIP_SRC_ON_ERROR (gst_clip_src_on_error_get_type ())
static GType
gst_clip_src_on_error_get_type (void)
{
  static GType type;
  static const GEnumValue values[] = {
    {GST_CLIP_SRC_ON_ERROR_SKIP, "Skip the clip, count it, post a message",
        "skip"},
    {GST_CLIP_SRC_ON_ERROR_STOP, "Stop with an error", "stop"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type)) {
    GType registered = g_enum_register_static ("GstClipSrcOnError", values);

    g_once_init_leave (&type, registered);
  }

  return type;
}

/* Jobs */

static ClipJob *
make_job (GstClipSrc * self, guint64 position)
{
  Cnn3dOrderClip clip;
  Cnn3dDatasetRow row;
  GstClipMeta meta = { .clip = position };
  gsize bytes = MAX_BYTES / MAX (2 * self->num_workers, 2);
  ClipJob *job;

  cnn3d_order_locate (self->order, position, &clip);
  cnn3d_dataset_row (self->dataset, clip.row, &row);
  meta.sample = clip.row;
  meta.epoch = clip.epoch;
  meta.training = clip.training;
  meta.label = row.label;
  meta.path = g_ref_string_new (row.path);
  meta.group = row.group ? g_ref_string_new (row.group) : NULL;
  job = clip_job_new (&meta, cnn3d_dataset_path (self->dataset, clip.row),
      row.start, row.end, MAX (bytes, MIN_CLIP_BYTES));
  g_ref_string_release (meta.path);
  if (meta.group)
    g_ref_string_release (meta.group);

  return job;
}

/* Gives the workers clips to decode ahead, but not over the end of this pass
 * where they are not to outlive it. */
static void
fill_jobs (GstClipSrc * self, guint64 pass_end)
{
  guint ahead = self->num_workers > 0 ? 2 * self->num_workers : 1;
  guint64 end = self->persistent_workers ? self->total : pass_end;

  while (g_queue_get_length (&self->jobs) < ahead && self->scheduled < end) {
    ClipJob *job = make_job (self, self->scheduled++);

    g_queue_push_tail (&self->jobs, job);
    clip_workers_push (self->workers, job);
  }
}

static void
drop_jobs (GstClipSrc * self)
{
  ClipJob *job;

  while ((job = g_queue_pop_head (&self->jobs))) {
    clip_job_abort (job);
    clip_job_unref (job);
  }
}

static void
set_current (GstClipSrc * self, ClipJob * job, gboolean pushing)
{
  GST_OBJECT_LOCK (self);
  self->current = job;
  self->pushing = pushing;
  /* Whoever asked just before found nothing to wake */
  if (job && (self->interrupted || self->seek_pending
          || (self->end_requested && !pushing)))
    clip_job_abort (job);
  GST_OBJECT_UNLOCK (self);
}

/* Wakes the streaming thread. With the object's lock. */
static void
wake_locked (GstClipSrc * self)
{
  if (self->current)
    clip_job_abort (self->current);
}

/* Streaming */

static void
push_event (GstClipSrc * self, GstEvent * event)
{
  if (self->seqnum)
    gst_event_set_seqnum (event, self->seqnum);
  gst_pad_push_event (self->srcpad, event);
}

static void
start_stream (GstClipSrc * self)
{
  gchar *id = gst_pad_create_stream_id (self->srcpad, GST_ELEMENT (self), NULL);
  GstEvent *event = gst_event_new_stream_start (id);

  gst_event_set_group_id (event, gst_util_group_id_next ());
  gst_pad_push_event (self->srcpad, event);
  g_free (id);
  gst_pad_push_event (self->srcpad, gst_event_new_clip_classes
      (cnn3d_dataset_classes (self->dataset)));
  self->started = TRUE;
}

static void
set_position (GstClipSrc * self, guint64 position)
{
  GST_OBJECT_LOCK (self);
  self->position = position;
  GST_OBJECT_UNLOCK (self);
}

/* Does what a seek asked for. */
static void
apply_seek (GstClipSrc * self, guint64 position, guint32 seqnum)
{
  drop_jobs (self);
  self->scheduled = position;
  self->seqnum = seqnum;
  self->need_segment = TRUE;
  self->enter_pass = TRUE;
  set_position (self, position);
}

static void
push_segment (GstClipSrc * self)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  /* Time goes on where a seek did not flush: running time never goes back */
  segment.start = segment.base = segment.time = segment.position =
      self->next_pts;
  push_event (self, gst_event_new_segment (&segment));
  self->need_segment = FALSE;
}

static void
push_epoch (GstClipSrc * self, const Cnn3dOrderClip * clip)
{
  GstClipEpoch epoch = {.epoch = clip->epoch,.training = clip->training };

  epoch.clips = cnn3d_order_pass_clips (self->order, clip->training);
  epoch.epochs = self->epochs;
  epoch.first_clip = self->position - clip->index;
  epoch.position = self->position;
  epoch.seed = self->seed;
  push_event (self, gst_event_new_clip_epoch (&epoch));
  self->need_epoch = FALSE;
}

static GstBuffer *
retime (GstClipSrc * self, GstBuffer * buffer, guint64 index)
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
  if (GST_CLOCK_TIME_IS_VALID (pts) && GST_CLOCK_TIME_IS_VALID
      (self->clip_origin) && pts >= self->clip_origin)
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
set_caps (GstClipSrc * self, GstCaps * caps)
{
  GstStructure *s = gst_caps_get_structure (caps, 0);
  gint n, d;

  gst_caps_replace (&self->caps, caps);
  self->frame_duration = DEFAULT_FRAME_DURATION;
  if (gst_structure_get_fraction (s, "framerate", &n, &d) && n > 0 && d > 0)
    self->frame_duration = gst_util_uint64_scale_int (GST_SECOND, d, n);
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
}

/* Makes sure that a frame says whose it is, also where clip-bin lost that. */
static void
complete_meta (ClipJob * job, GstBuffer * buffer, guint64 index,
    guint64 num_frames)
{
  GstClipMeta *meta = gst_buffer_get_clip_meta (buffer);

  if (!meta)
    meta = gst_buffer_add_clip_meta (buffer, &job->meta);
  else if (job->windowed)
    return;
  /* Nobody sampled: every frame is here, and now it is known how many */
  meta->frame = index;
  meta->num_frames = num_frames;
}

/* Pushes the frames of a job. *pushed counts those that went out. */
static GstFlowReturn
push_clip (GstClipSrc * self, ClipJob * job, const Cnn3dOrderClip * clip,
    guint64 * pushed)
{
  GstFlowReturn ret = GST_FLOW_OK;
  GstMiniObject *item;
  guint64 num_frames;
  gboolean stop;

  g_mutex_lock (&job->lock);
  num_frames = job->result ? job->frames : 0;
  g_mutex_unlock (&job->lock);
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
    if (self->need_epoch)
      push_epoch (self, clip);
    item = GST_MINI_OBJECT_CAST (retime (self, GST_BUFFER_CAST (item),
            *pushed));
    complete_meta (job, GST_BUFFER_CAST (item), *pushed, num_frames);
    (*pushed)++;
    ret = gst_pad_push (self->srcpad, GST_BUFFER_CAST (item));
  }

  return ret;
}

static void
skip_clip (GstClipSrc * self, ClipJob * job)
{
  GST_WARNING_OBJECT (self, "skipping clip %" G_GUINT64_FORMAT ", %s: %s",
      job->meta.clip, job->path, job->reason);
  self->skipped++;
  if (!self->first_reason)
    self->first_reason = g_strdup_printf ("%s: %s", job->path, job->reason);
  GST_OBJECT_LOCK (self);
  self->clips_skipped++;
  GST_OBJECT_UNLOCK (self);
  gst_element_post_message (GST_ELEMENT (self),
      gst_message_new_element (GST_OBJECT (self),
          gst_structure_new ("clipsrc-skipped", "path", G_TYPE_STRING,
              job->path, "reason", G_TYPE_STRING, job->reason, "clip",
              G_TYPE_UINT64, job->meta.clip, NULL)));
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_CLIPS_SKIPPED]);
}

static void
stop_streaming (GstClipSrc * self, gboolean eos)
{
  drop_jobs (self);
  GST_OBJECT_LOCK (self);
  self->ended = TRUE;
  GST_OBJECT_UNLOCK (self);
  if (eos) {
    if (self->need_segment)
      push_segment (self);
    push_event (self, gst_event_new_eos ());
  }
  gst_pad_pause_task (self->srcpad);
}

/* FALSE: nothing of the pass could be read. */
static gboolean
end_pass (GstClipSrc * self, const Cnn3dOrderClip * clip)
{
  GstClipEpochDone done = {.epoch = clip->epoch,.training = clip->training,
    .position = self->position,.delivered = self->delivered,
    .skipped = self->skipped
  };

  if (self->delivered == 0 && self->whole_pass)
    return FALSE;
  if (self->need_segment)
    push_segment (self);
  if (self->need_epoch) {
    /* Every clip since a seek into this pass was skipped */
    GstClipEpoch epoch = {.epoch = clip->epoch,.training = clip->training,
      .clips = clip->index + 1,.epochs = self->epochs,
      .first_clip = self->position - clip->index - 1,
      .position = self->position,.seed = self->seed
    };

    push_event (self, gst_event_new_clip_epoch (&epoch));
  }
  gst_pad_push_event (self->srcpad, gst_event_new_clip_epoch_done (&done));
  self->seqnum = 0;

  return TRUE;
}

/* One clip. */
static void
gst_clip_src_loop (GstPad * pad)
{
  GstClipSrc *self = GST_CLIP_SRC (GST_PAD_PARENT (pad));
  gboolean interrupted, end, seek;
  guint64 position, pass_end, pushed = 0;
  GstFlowReturn ret = GST_FLOW_OK;
  Cnn3dOrderClip clip;
  ClipJob *job = NULL;
  ClipResult result;
  guint32 seqnum;

  if (!self->started)
    start_stream (self);
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
    self->delivered = self->skipped = 0;
    self->whole_pass = clip.index == 0;
    g_clear_pointer (&self->first_reason, g_free);
  }
  pass_end = position - clip.index +
      cnn3d_order_pass_clips (self->order, clip.training);

  fill_jobs (self, pass_end);
  job = g_queue_pop_head (&self->jobs);
  set_current (self, job, FALSE);
  if (!clip_job_wait (job))
    goto again;
  set_current (self, job, TRUE);
  /* The place is free for another; without workers nothing is decoded while
   * this one is on its way */
  if (self->num_workers > 0)
    fill_jobs (self, pass_end);
  g_mutex_lock (&job->lock);
  result = job->result;
  g_mutex_unlock (&job->lock);
  if (result != CLIP_RESULT_BAD && result != CLIP_RESULT_FATAL) {
    ret = push_clip (self, job, &clip, &pushed);
    if (ret != GST_FLOW_OK)
      goto flow;
    g_mutex_lock (&job->lock);
    result = job->result;
    g_mutex_unlock (&job->lock);
  }
  switch (result) {
    case CLIP_RESULT_GOOD:
      self->delivered++;
      break;
    case CLIP_RESULT_BAD:
      if (self->on_error == GST_CLIP_SRC_ON_ERROR_STOP)
        goto bad_clip;
      skip_clip (self, job);
      break;
    case CLIP_RESULT_FATAL:
      goto fatal;
    default:
      goto again;
  }
  set_position (self, position + 1);
  if (position + 1 == pass_end && !end_pass (self, &clip))
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
  GST_ELEMENT_ERROR (self, RESOURCE, READ, ("Clip %" G_GUINT64_FORMAT
          ", %s, cannot be read: %s. Repair or remove it, or set "
          "on-error=skip", position, job->path, job->reason), (NULL));
  goto failed;
fatal:
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION, ("No clip can pass (the first "
          "was %s): %s. Correct clip-bin, or what follows it", job->path,
          job->reason), ("clip-bin=%s", GST_STR_NULL (self->clip_bin)));
  goto failed;
all_bad:
  GST_ELEMENT_ERROR (self, RESOURCE, READ, ("No clip of the %s pass could be "
          "read, all %" G_GUINT64_FORMAT " were skipped; the first: %s",
          clip.training ? "training" : "validation", self->skipped,
          self->first_reason), (NULL));
failed:
  set_current (self, NULL, FALSE);
  clip_job_abort (job);
  clip_job_unref (job);
  stop_streaming (self, TRUE);
}

/* Events and queries */

static gboolean
gst_clip_src_seek (GstClipSrc * self, GstEvent * event)
{
  GstSeekType start_type, stop_type;
  guint32 seqnum = gst_event_get_seqnum (event);
  GstSeekFlags flags;
  GstFormat format;
  gboolean ok;
  gdouble rate;
  gint64 start;
  GstEvent *flush;

  gst_event_parse_seek (event, &rate, &format, &flags, &start_type, &start,
      &stop_type, NULL);
  if (format != GST_FORMAT_DEFAULT || rate != 1.0 || start < 0
      || start_type != GST_SEEK_TYPE_SET || stop_type != GST_SEEK_TYPE_NONE)
    return FALSE;

  GST_OBJECT_LOCK (self);
  /* Before the data set is read it is not known what is too far */
  ok = !self->dataset || (guint64) start <= self->total;
  if (ok && (!self->dataset || !(flags & GST_SEEK_FLAG_FLUSH))) {
    /* Perhaps this is downstream, called from our own push: only note it */
    ok = !self->ended;
    if (ok) {
      self->seek_pending = TRUE;
      self->seek_position = start;
      self->seek_seqnum = seqnum;
      wake_locked (self);
    }
    GST_OBJECT_UNLOCK (self);
    return ok;
  }
  GST_OBJECT_UNLOCK (self);
  if (!ok)
    return FALSE;

  g_mutex_lock (&self->seek_lock);
  flush = gst_event_new_flush_start ();
  gst_event_set_seqnum (flush, seqnum);
  gst_pad_push_event (self->srcpad, flush);
  GST_OBJECT_LOCK (self);
  self->interrupted = TRUE;
  wake_locked (self);
  GST_OBJECT_UNLOCK (self);
  GST_PAD_STREAM_LOCK (self->srcpad);
  flush = gst_event_new_flush_stop (TRUE);
  gst_event_set_seqnum (flush, seqnum);
  gst_pad_push_event (self->srcpad, flush);
  self->clip_base = self->next_pts = self->last_pts = 0;
  GST_OBJECT_LOCK (self);
  self->interrupted = FALSE;
  self->ended = FALSE;
  self->seek_pending = TRUE;
  self->seek_position = start;
  self->seek_seqnum = seqnum;
  GST_OBJECT_UNLOCK (self);
  if (GST_PAD_MODE (self->srcpad) == GST_PAD_MODE_PUSH)
    gst_pad_start_task (self->srcpad, (GstTaskFunction) gst_clip_src_loop,
        self->srcpad, NULL);
  GST_PAD_STREAM_UNLOCK (self->srcpad);
  g_mutex_unlock (&self->seek_lock);

  return TRUE;
}

static gboolean
gst_clip_src_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  gboolean ok;

  if (GST_EVENT_TYPE (event) != GST_EVENT_SEEK)
    return gst_pad_event_default (pad, parent, event);
  ok = gst_clip_src_seek (GST_CLIP_SRC (parent), event);
  gst_event_unref (event);

  return ok;
}

static gboolean
gst_clip_src_send_event (GstElement * element, GstEvent * event)
{
  GstClipSrc *self = GST_CLIP_SRC (element);
  gboolean ok = FALSE;

  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
    ok = gst_clip_src_seek (self, event);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    GST_OBJECT_LOCK (self);
    self->end_requested = ok = TRUE;
    if (!self->pushing)
      wake_locked (self);
    GST_OBJECT_UNLOCK (self);
  }
  gst_event_unref (event);

  return ok;
}

static gboolean
gst_clip_src_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstClipSrc *self = GST_CLIP_SRC (parent);
  guint64 position, total;
  GstFormat format;
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = self->dataset != NULL;
  position = self->position;
  total = self->total;
  GST_OBJECT_UNLOCK (self);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_DURATION:
      gst_query_parse_duration (query, &format, NULL);
      if (!known || format != GST_FORMAT_DEFAULT)
        return FALSE;
      gst_query_set_duration (query, format, (gint64) total);
      return TRUE;
    case GST_QUERY_POSITION:
      gst_query_parse_position (query, &format, NULL);
      if (!known || format != GST_FORMAT_DEFAULT)
        return FALSE;
      gst_query_set_position (query, format, (gint64) position);
      return TRUE;
    case GST_QUERY_SEEKING:
      gst_query_parse_seeking (query, &format, NULL, NULL, NULL);
      if (format == GST_FORMAT_DEFAULT)
        gst_query_set_seeking (query, format, known, 0, (gint64) total);
      else
        gst_query_set_seeking (query, format, FALSE, 0, -1);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* States */

static gboolean
gst_clip_src_activate_mode (GstPad * pad, GstObject * parent, GstPadMode mode,
    gboolean active)
{
  GstClipSrc *self = GST_CLIP_SRC (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  GST_OBJECT_LOCK (self);
  self->interrupted = !active;
  if (!active)
    wake_locked (self);
  GST_OBJECT_UNLOCK (self);
  if (!active)
    return gst_pad_stop_task (pad);

  return gst_pad_start_task (pad, (GstTaskFunction) gst_clip_src_loop, pad,
      NULL);
}

static void
gst_clip_src_close (GstClipSrc * self)
{
  Cnn3dDataset *dataset;

  drop_jobs (self);
  g_clear_pointer (&self->workers, clip_workers_free);
  GST_OBJECT_LOCK (self);
  dataset = g_steal_pointer (&self->dataset);
  self->total = 0;
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&self->order, cnn3d_order_free);
  cnn3d_dataset_free (dataset);
  gst_clear_caps (&self->caps);
  g_clear_pointer (&self->first_reason, g_free);
}

/* Reads the data set and starts the workers; posts an error where it
 * cannot. */
static gboolean
gst_clip_src_open (GstClipSrc * self)
{
  Cnn3dDatasetParams dataset_params = {.location = self->location,
    .root = self->root,.val_location = self->val_location,
    .num_folds = self->num_folds,.fold = self->fold,.seed = self->seed
  };
  Cnn3dOrderParams order_params = {.seed = self->seed,
    .shuffle = self->shuffle,.limit_clips = self->limit_clips,
    .rank = self->rank,.world_size = self->world_size,.epochs = self->epochs
  };
  ClipChainSettings settings = {.owner = GST_ELEMENT (self),
    .src_pad = self->srcpad,.clip_bin = self->clip_bin
  };
  Cnn3dDataset *dataset = NULL;
  GError *error = NULL;
  gboolean too_far;

  if (self->clip_bin && *self->clip_bin) {
    GstElement *bin = clip_chain_parse_bin (self->clip_bin, &error);

    if (!bin)
      goto no_clip_bin;
    gst_object_unref (gst_object_ref_sink (bin));
  }
  dataset = cnn3d_dataset_new (&dataset_params, &error);
  if (!dataset)
    goto no_dataset;
  self->order = cnn3d_order_new (dataset, &order_params, &error);
  if (!self->order)
    goto no_order;
  self->workers = clip_workers_new (&settings, self->num_workers, &error);
  if (!self->workers)
    goto no_threads;

  GST_OBJECT_LOCK (self);
  self->dataset = dataset;
  self->total = cnn3d_order_total (self->order);
  self->position = 0;
  self->clips_skipped = 0;
  self->end_requested = self->ended = FALSE;
  too_far = self->seek_pending && self->seek_position > self->total;
  GST_OBJECT_UNLOCK (self);
  self->scheduled = 0;
  self->started = FALSE;
  self->need_segment = self->enter_pass = TRUE;
  self->seqnum = 0;
  self->clip_base = self->next_pts = self->last_pts = 0;
  if (too_far)
    goto seek_too_far;

  return TRUE;

  /* ERRORS */
no_clip_bin:
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("clip-bin \"%s\" is not a "
          "bin's description: %s", self->clip_bin, error->message), (NULL));
  goto failed;
no_dataset:
  if (error->code == CNN3D_DATASET_ERROR_PARAMS)
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message),
        (NULL));
  else
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_READ, ("%s", error->message),
        (NULL));
  goto failed;
no_order:
  GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message), (NULL));
  goto failed;
no_threads:
  GST_ELEMENT_ERROR (self, RESOURCE, FAILED, ("No threads for num-workers=%u: "
          "%s", self->num_workers, error->message), (NULL));
  goto failed;
seek_too_far:
  GST_ELEMENT_ERROR (self, STREAM, FAILED, ("Clip %" G_GUINT64_FORMAT " was "
          "asked for, but the run has %" G_GUINT64_FORMAT,
          self->seek_position, self->total), (NULL));
failed:
  g_clear_error (&error);
  if (dataset && dataset != self->dataset)
    cnn3d_dataset_free (dataset);
  gst_clip_src_close (self);
  return FALSE;
}

static GstStateChangeReturn
gst_clip_src_change_state (GstElement * element, GstStateChange transition)
{
  GstClipSrc *self = GST_CLIP_SRC (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && !gst_clip_src_open (self))
    return GST_STATE_CHANGE_FAILURE;
  ret = GST_ELEMENT_CLASS (gst_clip_src_parent_class)->change_state (element,
      transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY
      || (transition == GST_STATE_CHANGE_READY_TO_PAUSED
          && ret == GST_STATE_CHANGE_FAILURE)) {
    gst_clip_src_close (self);
    GST_OBJECT_LOCK (self);
    self->seek_pending = FALSE;
    GST_OBJECT_UNLOCK (self);
  }

  return ret;
}

/* Properties */

static void
gst_clip_src_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * spec)
{
  GstClipSrc *self = GST_CLIP_SRC (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      g_free (self->location);
      self->location = g_value_dup_string (value);
      break;
    case PROP_ROOT:
      g_free (self->root);
      self->root = g_value_dup_string (value);
      break;
    case PROP_VAL_LOCATION:
      g_free (self->val_location);
      self->val_location = g_value_dup_string (value);
      break;
    case PROP_NUM_FOLDS:
      self->num_folds = g_value_get_uint (value);
      break;
    case PROP_FOLD:
      self->fold = g_value_get_uint (value);
      break;
    case PROP_SHUFFLE:
      self->shuffle = g_value_get_boolean (value);
      break;
    case PROP_SEED:
      self->seed = g_value_get_uint64 (value);
      break;
    case PROP_EPOCHS:
      self->epochs = g_value_get_uint (value);
      break;
    case PROP_LIMIT_CLIPS:
      self->limit_clips = g_value_get_uint64 (value);
      break;
    case PROP_NUM_WORKERS:
      self->num_workers = g_value_get_uint (value);
      break;
    case PROP_PERSISTENT_WORKERS:
      self->persistent_workers = g_value_get_boolean (value);
      break;
    case PROP_CLIP_BIN:
      g_free (self->clip_bin);
      self->clip_bin = g_value_dup_string (value);
      break;
    case PROP_ON_ERROR:
      self->on_error = g_value_get_enum (value);
      break;
    case PROP_RANK:
      self->rank = g_value_get_uint (value);
      break;
    case PROP_WORLD_SIZE:
      self->world_size = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_classes (GstClipSrc * self, GValue * value)
{
  const gchar *const *classes = self->dataset ?
      cnn3d_dataset_classes (self->dataset) : NULL;

  for (guint i = 0; classes && classes[i]; i++) {
    GValue name = G_VALUE_INIT;

    g_value_init (&name, G_TYPE_STRING);
    g_value_set_string (&name, classes[i]);
    gst_value_array_append_and_take_value (value, &name);
  }
}

static void
gst_clip_src_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * spec)
{
  GstClipSrc *self = GST_CLIP_SRC (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_LOCATION:
      g_value_set_string (value, self->location);
      break;
    case PROP_ROOT:
      g_value_set_string (value, self->root);
      break;
    case PROP_VAL_LOCATION:
      g_value_set_string (value, self->val_location);
      break;
    case PROP_NUM_FOLDS:
      g_value_set_uint (value, self->num_folds);
      break;
    case PROP_FOLD:
      g_value_set_uint (value, self->fold);
      break;
    case PROP_SHUFFLE:
      g_value_set_boolean (value, self->shuffle);
      break;
    case PROP_SEED:
      g_value_set_uint64 (value, self->seed);
      break;
    case PROP_EPOCHS:
      g_value_set_uint (value, self->epochs);
      break;
    case PROP_LIMIT_CLIPS:
      g_value_set_uint64 (value, self->limit_clips);
      break;
    case PROP_NUM_WORKERS:
      g_value_set_uint (value, self->num_workers);
      break;
    case PROP_PERSISTENT_WORKERS:
      g_value_set_boolean (value, self->persistent_workers);
      break;
    case PROP_CLIP_BIN:
      g_value_set_string (value, self->clip_bin);
      break;
    case PROP_ON_ERROR:
      g_value_set_enum (value, self->on_error);
      break;
    case PROP_RANK:
      g_value_set_uint (value, self->rank);
      break;
    case PROP_WORLD_SIZE:
      g_value_set_uint (value, self->world_size);
      break;
    case PROP_NUM_CLIPS:
      g_value_set_uint64 (value, self->epochs ? self->total / self->epochs : 0);
      break;
    case PROP_NUM_CLASSES:
      g_value_set_uint (value, self->dataset ?
          cnn3d_dataset_num_classes (self->dataset) : 0);
      break;
    case PROP_CLASSES:
      get_classes (self, value);
      break;
    case PROP_CLIPS_SKIPPED:
      g_value_set_uint64 (value, self->clips_skipped);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_src_finalize (GObject * object)
{
  GstClipSrc *self = GST_CLIP_SRC (object);

  g_free (self->location);
  g_free (self->root);
  g_free (self->val_location);
  g_free (self->clip_bin);
  g_mutex_clear (&self->seek_lock);
  G_OBJECT_CLASS (gst_clip_src_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass * klass)
{
  GParamFlags rw = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
      GST_PARAM_MUTABLE_READY;
  GParamFlags ro = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  properties[PROP_LOCATION] = g_param_spec_string ("location", "Location",
      "Manifest (CSV or TSV: path label [start end] [group] [split]; or JSON "
      "timelines), or folder of class folders. Default: none, it must be set",
      NULL, rw);
  properties[PROP_ROOT] = g_param_spec_string ("root", "Root",
      "Folder that a manifest's relative paths are in. Default: the "
      "manifest's own", NULL, rw);
  properties[PROP_VAL_LOCATION] = g_param_spec_string ("val-location",
      "Validation location", "Manifest or folder of the clips to validate on. "
      "Default: none, a split column or num-folds may say", NULL, rw);
  properties[PROP_NUM_FOLDS] = g_param_spec_uint ("num-folds",
      "Number of folds", "Cross-validation: number of parts, of which one "
      "validates; no group is in two. 0 (default): no folds; else from 2", 0,
      G_MAXUINT16, 0, rw);
  properties[PROP_FOLD] = g_param_spec_uint ("fold", "Fold",
      "The fold that validates, from 0 to num-folds - 1. Default: 0", 0,
      G_MAXUINT16 - 1, 0, rw);
  properties[PROP_SHUFFLE] = g_param_spec_boolean ("shuffle", "Shuffle",
      "Whether training passes come in a random order, another one each "
      "epoch; validation passes come as listed. Default: true", TRUE, rw);
  properties[PROP_SEED] = g_param_spec_uint64 ("seed", "Seed",
      "Of the order, of the folds and of limit-clips' choice; any number. "
      "Default: 0", 0, G_MAXUINT64, 0, rw);
  properties[PROP_EPOCHS] = g_param_spec_uint ("epochs", "Epochs",
      "How often the training clips come, with a validation pass after each, "
      "from 1. Default: 1", 1, G_MAXINT32, 1, rw);
  properties[PROP_LIMIT_CLIPS] = g_param_spec_uint64 ("limit-clips",
      "Limit of clips", "At most so many clips a pass, always the same ones, "
      "drawn by seed. Default: 0, all", 0, G_MAXUINT64, 0, rw);
  properties[PROP_NUM_WORKERS] = g_param_spec_uint ("num-workers",
      "Number of workers", "Chains that decode clips side by side, up to two "
      "clips each ahead; the order does not depend on it. 0 (default): one "
      "chain and nothing ahead, the streaming thread waits for each clip", 0,
      MAX_WORKERS, 0, rw);
  properties[PROP_PERSISTENT_WORKERS] = g_param_spec_boolean
      ("persistent-workers", "Persistent workers",
      "Whether workers go on with the next pass's clips before this pass has "
      "ended. Default: true", TRUE, rw);
  properties[PROP_CLIP_BIN] = g_param_spec_string ("clip-bin", "Clip bin",
      "Bin description, as for gst-launch-1.0, that each worker runs on its "
      "own clips' frames. Default: none, frames as decoded", NULL, rw);
  properties[PROP_ON_ERROR] = g_param_spec_enum ("on-error", "On error",
      "What to do about a clip that cannot be read. Default: skip",
      GST_TYPE_CLIP_SRC_ON_ERROR, GST_CLIP_SRC_ON_ERROR_SKIP, rw);
  properties[PROP_RANK] = g_param_spec_uint ("rank", "Rank",
      "Number of this process, from 0 to world-size - 1. Default: 0", 0,
      G_MAXINT32, 0, rw);
  properties[PROP_WORLD_SIZE] = g_param_spec_uint ("world-size", "World size",
      "Processes that share each pass's clips, from 1; all get equally many. "
      "Default: 1", 1, G_MAXINT32, 1, rw);
  properties[PROP_NUM_CLIPS] = g_param_spec_uint64 ("num-clips",
      "Number of clips", "Clips of one epoch, training and validation, once "
      "the data set has been read (PAUSED)", 0, G_MAXUINT64, 0, ro);
  properties[PROP_NUM_CLASSES] = g_param_spec_uint ("num-classes",
      "Number of classes", "Classes, once the data set has been read (PAUSED)",
      0, G_MAXUINT, 0, ro);
  properties[PROP_CLASSES] = gst_param_spec_array ("classes", "Classes",
      "Names of the classes, class 0 first, once the data set has been read "
      "(PAUSED)", g_param_spec_string ("class", "Class", "Name of a class",
          NULL, ro), ro);
  properties[PROP_CLIPS_SKIPPED] = g_param_spec_uint64 ("clips-skipped",
      "Clips skipped", "Clips that could not be read, in this run so far", 0,
      G_MAXUINT64, 0, ro);
  g_object_class_install_properties (klass, N_PROPS, properties);
}

static void
gst_clip_src_class_init (GstClipSrcClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_clip_src_set_property;
  object_class->get_property = gst_clip_src_get_property;
  object_class->finalize = gst_clip_src_finalize;
  element_class->change_state = gst_clip_src_change_state;
  element_class->send_event = gst_clip_src_send_event;
  install_properties (object_class);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "Source of labelled clips", "Source/Video",
      "Decodes the labelled videos of a data set, clip after clip, epoch after "
      "epoch", "cnn3d");
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SRC_ON_ERROR, 0);
}

static void
gst_clip_src_init (GstClipSrc * self)
{
  g_mutex_init (&self->seek_lock);
  g_queue_init (&self->jobs);
  self->shuffle = TRUE;
  self->persistent_workers = TRUE;
  self->epochs = 1;
  self->world_size = 1;
  self->frame_duration = DEFAULT_FRAME_DURATION;
  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->srcpad, gst_clip_src_activate_mode);
  gst_pad_set_event_function (self->srcpad, gst_clip_src_event);
  gst_pad_set_query_function (self->srcpad, gst_clip_src_query);
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
}
