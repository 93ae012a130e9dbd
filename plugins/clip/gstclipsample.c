/* gstclipsample.c: selects frames of each clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-clipsample
 * @title: clipsample
 *
 * Takes #GstClipSample:num-frames frames from each clip and drops the others,
 * because video networks are trained on clips with a fixed number of frames.
 *
 * With a #GstClipSample:frame-interval of 0, or with mode=uniform, the frames
 * are spread evenly over the whole clip, its first and last frame included, as
 * numpy.linspace(0, N-1, num).round() would. With an interval, a window of
 * (num-frames - 1) * frame-interval + 1 frames is taken: in training passes
 * its start is drawn at random (mode=random), in validation passes it is the
 * middle of the clip. The draw depends only on the seed, the epoch and the
 * clip's row in the data set. The frames of a clip shorter than the window are
 * spread evenly, with repetitions.
 *
 * With a #GstClipSample:frame-rate the clip is first converted to that rate, by
 * the nearest frames in time, so that clips of 10 and of 30 frames per second
 * show the same motion.
 *
 * The clip meta, which clipsrc adds, identifies the clip of a frame. clipsample
 * also answers clipsrc's query for the frames that it needs, which is sent
 * before a clip is decoded. If a clip ends earlier than its container declares,
 * its last frame is repeated. If the number of frames is unknown, frames are
 * held until the clip ends: 4096 frames or 512 MiB; beyond that every second one
 * is dropped.
 *
 * The sticky event `clip-preparation` reports downstream how clips are prepared
 * for the network, including scaling by an element of the same line.
 *
 * A stream without clip meta, such as a camera's, is one endless clip: every
 * num-frames * frame-interval frames (an interval of 0 counts as 1) form a
 * clip, without label, numbered from 0.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=64 ! clipsample num-frames=8 frame-interval=2 ! videoconvertscale ! video/x-raw,format=RGB,width=112,height=112 ! clipbatch batch-size=2 ! fakesink
 * ]| Four clips of eight frames, in two batches of two.
 *
 * Since: 0.1.0
 */
#include "gstclipsample-private.h"

#include "clipaborted.h"
#include "clipcached.h"
#include "cliplinks.h"
#include "clipscaling.h"

/* Limits on the frames held of a clip that has no plan yet. */
#define MAX_KEPT_FRAMES 4096
#define MAX_KEPT_BYTES (512 * 1024 * 1024)

GST_DEBUG_CATEGORY_STATIC (clip_sample_debug);
#define GST_CAT_DEFAULT clip_sample_debug

G_DEFINE_TYPE (GstClipSample, gst_clip_sample, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (clipsample, "clipsample", GST_RANK_NONE, GST_TYPE_CLIP_SAMPLE);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

static void
clear_kept (gpointer kept)
{
  gst_clear_buffer (&((Kept *) kept)->buffer);
}

/* Discards the current clip, with frames that were not pushed. */
static void
gst_clip_sample_drop (GstClipSample *self)
{
  guint i, n = self->clips * self->window.num_frames;

  for (i = self->next; self->slots && i < n; i++)
    gst_clear_buffer (&self->slots[i]);
  g_clear_pointer (&self->slots, g_free);
  g_clear_pointer (&self->wanted, g_free);
  g_clear_pointer (&self->filled, g_free);
  g_array_set_size (self->kept, 0);
  g_array_set_size (self->numbers, 0);
  g_array_set_size (self->times, 0);
  self->kept_bytes = 0;
  gst_clear_buffer (&self->last);
  self->complete = TRUE;
}

static void
gst_clip_sample_reset (GstClipSample *self)
{
  gst_clip_sample_drop (self);
  gst_clear_buffer (&self->held);
  frame_rate_begin (&self->stream, self->stream.rate);
  self->in_clip = FALSE;
  if (self->live_frame) {
    self->live_clip++;
    self->live_frame = 0;
  }
}

static void
gst_clip_sample_allocate (GstClipSample *self, guint clips)
{
  const guint n = clips * self->window.num_frames;

  self->clips = clips;
  self->next = 0;
  self->wanted = g_new (guint64, n);
  self->slots = g_new0 (GstBuffer *, n);
  self->filled = g_new0 (guint, clips);
}

/* Settings apply from one clip's first frame to the next one's. An announced clip has those with
 * which it was planned. Returns the planned frames; NULL: there is no plan. clip: NULL for a
 * stream without clip meta */
static guint64 *
gst_clip_sample_take_settings (GstClipSample *self, const GstClipMeta *clip)
{
  const ClipWindow before = self->window;
  const ClipPlan *plan;
  guint64 *wanted = NULL;

  GST_OBJECT_LOCK (self);
  plan = clip ? clip_plans_find (&self->plans, clip) : NULL;
  self->window = plan ? plan->window : self->settings;
  if (plan)
    wanted = g_memdup2 (plan->wanted, plan->n * sizeof *wanted);
  GST_OBJECT_UNLOCK (self);
  self->preparation_due |= !self->preparation || before.num_frames != self->window.num_frames
      || before.interval != self->window.interval || before.mode != self->window.mode
      || !frame_rate_equal (before.rate, self->window.rate);

  return wanted;
}

static void
gst_clip_sample_begin (GstClipSample *self, const GstClipMeta *clip, gboolean live)
{
  guint64 *wanted;

  gst_clip_sample_drop (self);
  self->in_clip = TRUE;
  self->complete = FALSE;
  self->clip = *clip;
  self->clip.path = self->clip.group = self->clip.file = self->clip.keypoints = NULL;
  self->stride = 1;
  self->clips = 0;

  if (live) {
    guint i;

    gst_clip_sample_allocate (self, 1);
    for (i = 0; i < self->window.num_frames; i++)
      self->wanted[i] = (guint64) i * MAX (self->window.interval, 1);
    return;
  }

  wanted = gst_clip_sample_take_settings (self, clip);
  /* without a plan, the selection by time is unknown until the clip's end */
  if (!wanted && (!clip->num_frames || self->window.rate.n))
    return;
  gst_clip_sample_allocate (self, clip_window_clips (&self->window, clip->training));
  if (wanted) {
    g_free (self->wanted);
    self->wanted = wanted;
  } else {
    clip_window_plan (
        &self->window, clip->num_frames, clip->training, clip->epoch, clip->sample, self->wanted);
  }
}

/* Sends clip-preparation, unless it equals the last one. */
static void
gst_clip_sample_report (GstClipSample *self)
{
  const gboolean uniform = self->window.mode == CNN3D_WINDOW_UNIFORM || self->window.interval == 0;
  GstClipPreparation preparation = { .num_frames = self->window.num_frames,
    .frame_interval = uniform ? 0 : self->window.interval,
    .sampling = uniform ? "uniform" : "center",
    .scaling = "none",
    .frame_rate_n = self->window.rate.n,
    .frame_rate_d = self->window.rate.d,
    .clips_per_video = clip_window_clips (&self->window, FALSE) };
  ClipScaling scaling;
  GstEvent *event;

  self->preparation_due = FALSE;
  if (clip_scaling_find (self->srcpad, &scaling) || clip_scaling_find (self->sinkpad, &scaling)) {
    preparation.scaling = scaling.method;
    preparation.add_borders = scaling.add_borders;
  }
  event = gst_event_new_clip_preparation (&preparation);
  if (self->preparation
      && gst_structure_is_equal (
          gst_event_get_structure (event), gst_event_get_structure (self->preparation))) {
    gst_event_unref (event);
    return;
  }
  gst_clear_event (&self->preparation);
  self->preparation = gst_event_ref (event);
  gst_pad_push_event (self->srcpad, event);
}

/* Pushes the frames at the front of the slots. */
static GstFlowReturn
gst_clip_sample_push (GstClipSample *self)
{
  const guint num = self->window.num_frames;
  GstFlowReturn ret = GST_FLOW_OK;

  while (ret == GST_FLOW_OK && self->next < self->clips * num && self->slots[self->next]) {
    GstBuffer *buffer = self->slots[self->next];
    GstClipMeta *meta;

    if (self->preparation_due)
      gst_clip_sample_report (self);
    self->slots[self->next] = NULL;
    /* a frame that is also wanted again is copied: its header, not its data */
    buffer = gst_buffer_make_writable (buffer);
    meta = gst_buffer_get_clip_meta (buffer);
    if (!meta)
      meta = gst_buffer_add_clip_meta (buffer, &self->clip);
    meta->frame = self->next % num;
    meta->num_frames = num;
    self->next++;
    ret = gst_pad_push (self->srcpad, buffer);
  }
  if (self->next == self->clips * num || ret != GST_FLOW_OK)
    gst_clip_sample_drop (self);

  return ret;
}

/* Records the frame's timestamp, for the selection by time. */
static void
gst_clip_sample_note_time (GstClipSample *self, guint64 frame, GstBuffer *buffer)
{
  const GArray *times = self->times;
  const guint64 before = times->len ? g_array_index (times, guint64, times->len - 1) : 0;
  guint64 time = GST_BUFFER_PTS (buffer);

  if (!GST_CLOCK_TIME_IS_VALID (time))
    time = times->len ? before + frame_rate_time (self->window.rate, 1) : 0;
  time = MAX (time, before);
  g_array_append_val (self->numbers, frame);
  g_array_append_val (self->times, time);
}

/* Holds a frame of a clip that has no plan yet. */
static void
gst_clip_sample_keep (GstClipSample *self, guint64 frame, GstBuffer *buffer)
{
  Kept kept = { frame, buffer };
  guint i, n;

  if (self->window.rate.n)
    gst_clip_sample_note_time (self, frame, buffer);
  if (frame % self->stride != 0)
    return;
  gst_buffer_ref (buffer);
  g_array_append_val (self->kept, kept);
  self->kept_bytes += gst_buffer_get_size (buffer);
  if (self->kept->len <= 2 * self->window.num_frames
      || (self->kept->len <= MAX_KEPT_FRAMES && self->kept_bytes <= MAX_KEPT_BYTES))
    return;

  GST_INFO_OBJECT (self,
      "clip %" G_GUINT64_FORMAT " is long: of %u frames every second one is let go",
      self->clip.clip, self->kept->len);
  self->stride *= 2;
  for (i = n = 0; i < self->kept->len; i++) {
    Kept *k = &g_array_index (self->kept, Kept, i);

    if (k->frame % self->stride == 0) {
      Kept *to = &g_array_index (self->kept, Kept, n++);

      if (to != k) {
        *to = *k;
        k->buffer = NULL;
      }
    } else {
      self->kept_bytes -= gst_buffer_get_size (k->buffer);
      gst_clear_buffer (&k->buffer);
    }
  }
  g_array_set_size (self->kept, n);
}

/* The length is known now: selects from the frames that are held. */
static void
gst_clip_sample_choose (GstClipSample *self)
{
  guint slot, n, at = 0;

  gst_clip_sample_allocate (self, clip_window_clips (&self->window, self->clip.training));
  n = self->clips * self->window.num_frames;
  if (self->window.rate.n) {
    clip_window_plan_times (&self->window, (guint64 *) self->times->data, self->times->len,
        self->clip.training, self->clip.epoch, self->clip.sample, self->wanted);
    for (slot = 0; slot < n; slot++)
      self->wanted[slot] = g_array_index (self->numbers, guint64, self->wanted[slot]);
  } else {
    clip_window_plan (&self->window, self->clip.frame + 1, self->clip.training, self->clip.epoch,
        self->clip.sample, self->wanted);
  }

  for (slot = 0; slot < n; slot++) {
    if (slot % self->window.num_frames == 0)
      at = 0;
    while (at < self->kept->len && g_array_index (self->kept, Kept, at).frame < self->wanted[slot])
      at++;
    if (at < self->kept->len)
      self->slots[slot] = gst_buffer_ref (g_array_index (self->kept, Kept, at).buffer);
  }
  g_array_set_size (self->kept, 0);
}

/* Ends the clip: pushes the frames that are still missing. */
static GstFlowReturn
gst_clip_sample_finish (GstClipSample *self)
{
  guint slot, n;

  if (!self->in_clip || self->complete)
    return GST_FLOW_OK;
  if (!self->wanted)
    gst_clip_sample_choose (self);
  if (!self->last) {
    GST_WARNING_OBJECT (
        self, "clip %" G_GUINT64_FORMAT " ended without a frame of its new size", self->clip.clip);
    gst_clip_sample_drop (self);
    return GST_FLOW_OK;
  }

  n = self->clips * self->window.num_frames;
  for (slot = self->next; slot < n; slot++) {
    if (!self->slots[slot])
      self->slots[slot] = gst_buffer_ref (self->last);
  }
  gst_clear_buffer (&self->last);

  return gst_clip_sample_push (self);
}

/* For streams without clip meta: whether the next frame starts a clip. */
static gboolean
gst_clip_sample_is_between (GstClipSample *self)
{
  return self->live_frame == 0 || !self->in_clip || self->live_frame == self->clip.num_frames;
}

/* For streams without clip meta: numbers the next frame. */
static void
gst_clip_sample_count (GstClipSample *self, GstClipMeta *clip)
{
  if (gst_clip_sample_is_between (self)) {
    if (self->live_frame)
      self->live_clip++;
    self->live_frame = 0;
    /* the last clip is complete or was dropped: it is not needed */
    gst_clip_sample_drop (self);
    self->in_clip = FALSE;
    gst_clip_sample_take_settings (self, NULL);
    self->clip.num_frames = (guint64) self->window.num_frames * MAX (self->window.interval, 1);
  }
  *clip = (GstClipMeta) { .clip = self->live_clip,
    .sample = self->live_clip,
    .label = -1,
    .frame = self->live_frame++,
    .num_frames = self->clip.num_frames };
}

/* Whether a frame with this meta is not of the current clip. */
static gboolean
gst_clip_sample_is_other (GstClipSample *self, const GstClipMeta *clip)
{
  return self->in_clip
      && (clip->clip != self->clip.clip || clip->sample != self->clip.sample
          || clip->view != self->clip.view || clip->epoch != self->clip.epoch
          || !clip->training != !self->clip.training || clip->frame < self->clip.frame);
}

/* Takes the next frame of a clip. */
static GstFlowReturn
gst_clip_sample_frame (GstClipSample *self, GstBuffer *buffer)
{
  GstClipMeta *meta = gst_buffer_get_clip_meta (buffer);
  GstFlowReturn ret = GST_FLOW_OK;
  GstClipMeta clip;
  guint nth;

  if (meta) {
    clip = *meta;
    if (gst_clip_sample_is_other (self, &clip)) {
      ret = gst_clip_sample_finish (self);
      self->in_clip = FALSE;
      if (ret != GST_FLOW_OK)
        goto done;
    }
  } else {
    gst_clip_sample_count (self, &clip);
  }
  if (!self->in_clip)
    gst_clip_sample_begin (self, &clip, !meta);
  self->clip.frame = clip.frame;
  if (self->complete)
    goto done;

  gst_buffer_replace (&self->last, buffer);
  if (!self->wanted) {
    gst_clip_sample_keep (self, clip.frame, buffer);
    goto done;
  }
  for (nth = 0; nth < self->clips; nth++) {
    const guint num = self->window.num_frames;
    guint *filled = &self->filled[nth];

    while (*filled < num && self->wanted[nth * num + *filled] <= clip.frame)
      self->slots[nth * num + (*filled)++] = gst_buffer_ref (buffer);
  }
  /* drop our reference, so that a buffer that is pushed now need not be copied */
  gst_buffer_unref (buffer);
  buffer = NULL;
  if (self->filled[self->clips - 1] == self->window.num_frames)
    gst_clear_buffer (&self->last);
  ret = gst_clip_sample_push (self);

done:
  if (buffer)
    gst_buffer_unref (buffer);

  return ret;
}

/* For streams without clip meta: the frame rate at the next frame. */
static FrameRate
gst_clip_sample_live_rate (GstClipSample *self)
{
  FrameRate rate = self->window.rate;

  if (gst_clip_sample_is_between (self)) {
    GST_OBJECT_LOCK (self);
    rate = self->settings.rate;
    GST_OBJECT_UNLOCK (self);
  }

  return rate;
}

/* Repeats the held frame n times. */
static GstFlowReturn
gst_clip_sample_repeat (GstClipSample *self, guint64 n)
{
  GstFlowReturn ret = GST_FLOW_OK;

  for (; n > 0 && ret == GST_FLOW_OK; n--)
    ret = gst_clip_sample_frame (self, gst_buffer_ref (self->held));

  return ret;
}

/* For streams without clip meta: converts the next frame to the frame rate. */
static GstFlowReturn
gst_clip_sample_live (GstClipSample *self, GstBuffer *buffer, FrameRate rate)
{
  guint64 before, now;
  GstFlowReturn ret;

  if (!frame_rate_equal (rate, self->stream.rate)) {
    frame_rate_begin (&self->stream, rate);
    gst_clear_buffer (&self->held);
  }
  if (!frame_rate_push (&self->stream, GST_BUFFER_PTS (buffer), &before, &now)) {
    gst_buffer_unref (buffer);
    return GST_FLOW_OK;
  }
  ret = gst_clip_sample_repeat (self, before);
  gst_buffer_replace (&self->held, buffer);
  gst_buffer_unref (buffer);

  return ret == GST_FLOW_OK ? gst_clip_sample_repeat (self, now) : ret;
}

/* Whether frames are held, which must not be pushed after other caps. */
static gboolean
gst_clip_sample_holds (GstClipSample *self)
{
  guint i, n = self->clips * self->window.num_frames;

  for (i = self->next; self->slots && i < n; i++) {
    if (self->slots[i])
      return TRUE;
  }

  return self->kept->len > 0;
}

/* Other caps are sent. */
static void
gst_clip_sample_start_caps (GstClipSample *self)
{
  gst_clear_buffer (&self->held);
  frame_rate_begin (&self->stream, self->stream.rate);
  /* other elements may be linked now */
  self->preparation_due = TRUE;
}

/* Sends the caps that were held back. */
static void
gst_clip_sample_send_caps (GstClipSample *self)
{
  if (!self->caps)
    return;
  gst_clip_sample_start_caps (self);
  gst_pad_push_event (self->srcpad, g_steal_pointer (&self->caps));
}

/* Sends the caps that were held back, before the next frame. clip: its meta, or NULL. */
static GstFlowReturn
gst_clip_sample_change_caps (GstClipSample *self, const GstClipMeta *clip)
{
  GstFlowReturn ret = GST_FLOW_OK;

  if (clip && gst_clip_sample_is_other (self, clip)) {
    ret = gst_clip_sample_finish (self);
    self->in_clip = FALSE;
  } else if (gst_clip_sample_holds (self)) {
    /* in mid-clip, the frames that are held would come too late */
    ret = gst_clip_sample_finish (self);
  } else {
    gst_clear_buffer (&self->last);
  }
  gst_clip_sample_send_caps (self);

  return ret;
}

static GstFlowReturn
gst_clip_sample_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstClipSample *self = GST_CLIP_SAMPLE (parent);
  const GstClipMeta *clip = gst_buffer_get_clip_meta (buffer);
  GstFlowReturn ret = self->caps ? gst_clip_sample_change_caps (self, clip) : GST_FLOW_OK;
  FrameRate rate;

  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }
  if (!clip) {
    rate = gst_clip_sample_live_rate (self);
    if (rate.n)
      return gst_clip_sample_live (self, buffer, rate);
  }

  return gst_clip_sample_frame (self, buffer);
}

/* Ends the clip: no frame that continues it will follow. */
static void
gst_clip_sample_end (GstClipSample *self)
{
  if (self->held)
    gst_clip_sample_repeat (self, frame_rate_end (&self->stream));
  gst_clip_sample_finish (self);
  gst_clip_sample_reset (self);
  gst_clip_sample_send_caps (self);
}

/* TRUE: the event (taken) is held back. If no more frames of the current clip follow, the frames
 * that complete it have the old caps. */
static gboolean
gst_clip_sample_hold_caps (GstClipSample *self, GstEvent *event)
{
  GstCaps *caps, *before = gst_pad_get_current_caps (self->srcpad);
  gboolean other, hold;

  gst_event_parse_caps (event, &caps);
  other = before && !gst_caps_is_equal (before, caps);
  hold = other && self->in_clip && !self->complete;
  gst_clear_caps (&before);
  gst_clear_event (&self->caps);
  if (hold)
    self->caps = event;
  else if (other)
    gst_clip_sample_start_caps (self);
  else
    self->preparation_due = TRUE;

  return hold;
}

/* A segment of another seqnum is another stream, or what follows a seek. One with the same seqnum
 * may come in mid-clip, from edit lists. */
static void
gst_clip_sample_new_segment (GstClipSample *self, guint32 seqnum)
{
  if (self->have_segment && seqnum != self->segment_seqnum) {
    /* after a seek the rest of the clip does not come: it is not a clip that ended early */
    if (!self->live_frame)
      gst_clip_sample_drop (self);
    gst_clip_sample_end (self);
  }
  self->have_segment = TRUE;
  self->segment_seqnum = seqnum;
}

static gboolean
gst_clip_sample_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstClipSample *self = GST_CLIP_SAMPLE (parent);
  gboolean taken;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      if (gst_clip_sample_hold_caps (self, event))
        return TRUE;
      break;
    case GST_EVENT_SEGMENT:
      gst_clip_sample_new_segment (self, gst_event_get_seqnum (event));
      break;
    case GST_EVENT_STREAM_START:
    case GST_EVENT_EOS:
      gst_clip_sample_end (self);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      /* another sampler's is replaced by this element's */
      if (gst_event_parse_clip_preparation (event, NULL)) {
        gst_event_unref (event);
        return TRUE;
      }
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (self->in_clip && clip_aborted_event_is_for (event, &self->clip))
        gst_clip_sample_drop (self);
      if (gst_event_parse_clip_epoch (event, NULL) || gst_event_parse_clip_epoch_done (event, NULL))
        gst_clip_sample_end (self);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_clip_sample_reset (self);
      self->have_segment = FALSE;
      taken = gst_pad_event_default (pad, parent, event);
      gst_clip_sample_send_caps (self);
      return taken;
    default:
      break;
  }

  return gst_pad_event_default (pad, parent, event);
}

static int
compare_frames (const void *a, const void *b)
{
  const guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x < y ? -1 : x > y;
}

static gboolean
gst_clip_sample_answer (GstClipSample *self, GstQuery *query)
{
  const guint64 *times = gst_query_get_clip_window_times (query);
  ClipWindow window;
  GstClipMeta clip;
  guint64 *wanted, *plan;
  guint n, distinct = 0;

  gst_query_parse_clip_window (query, &clip, NULL, NULL);
  GST_OBJECT_LOCK (self);
  window = self->settings;
  GST_OBJECT_UNLOCK (self);
  if (clip.num_frames == 0 || (window.rate.n && !times))
    return FALSE;

  n = clip_window_clips (&window, clip.training) * window.num_frames;
  wanted = g_new (guint64, n);
  if (window.rate.n)
    clip_window_plan_times (
        &window, times, clip.num_frames, clip.training, clip.epoch, clip.sample, wanted);
  else
    clip_window_plan (&window, clip.num_frames, clip.training, clip.epoch, clip.sample, wanted);
  GST_OBJECT_LOCK (self);
  clip_plans_put (&self->plans, &clip, &window, wanted, n);
  GST_OBJECT_UNLOCK (self);
  plan = g_memdup2 (wanted, n * sizeof *wanted);
  /* clips follow one another, and may overlap */
  qsort (wanted, n, sizeof *wanted, compare_frames);
  for (guint i = 0; i < n; i++)
    if (i == 0 || wanted[i] != wanted[i - 1])
      wanted[distinct++] = wanted[i];
  gst_query_set_clip_window_frames (query, wanted, distinct);
  clip_cached_set_plan (query, plan, n);
  g_free (plan);
  g_free (wanted);

  return TRUE;
}

static gboolean
gst_clip_sample_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstClipSample *self = GST_CLIP_SAMPLE (parent);

  if (gst_query_parse_clip_window (query, NULL, NULL, NULL))
    return gst_clip_sample_answer (self, query);

  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    return clip_links_propose (self->srcpad, query);

  return gst_pad_query_default (pad, parent, query);
}

static GstStateChangeReturn
gst_clip_sample_change_state (GstElement *element, GstStateChange transition)
{
  GstClipSample *self = GST_CLIP_SAMPLE (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !settings_check (element))
    return GST_STATE_CHANGE_FAILURE;

  ret = GST_ELEMENT_CLASS (gst_clip_sample_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    /* the streaming thread has stopped, but another one may be flushing */
    GST_PAD_STREAM_LOCK (self->sinkpad);
    gst_clip_sample_reset (self);
    self->have_segment = FALSE;
    self->live_clip = 0;
    gst_clear_event (&self->caps);
    gst_clear_event (&self->preparation);
    GST_OBJECT_LOCK (self);
    clip_plans_clear (&self->plans);
    GST_OBJECT_UNLOCK (self);
    GST_PAD_STREAM_UNLOCK (self->sinkpad);
  }

  return ret;
}

static void
gst_clip_sample_finalize (GObject *object)
{
  GstClipSample *self = GST_CLIP_SAMPLE (object);

  gst_clip_sample_drop (self);
  gst_clear_buffer (&self->held);
  gst_clear_event (&self->preparation);
  gst_clear_event (&self->caps);
  clip_plans_clear (&self->plans);
  g_array_unref (self->kept);
  g_array_unref (self->numbers);
  g_array_unref (self->times);

  G_OBJECT_CLASS (gst_clip_sample_parent_class)->finalize (object);
}

static void
gst_clip_sample_class_init (GstClipSampleClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (clip_sample_debug, "clipsample", 0, "selection of the frames of a clip");

  object_class->finalize = gst_clip_sample_finalize;
  element_class->change_state = GST_DEBUG_FUNCPTR (gst_clip_sample_change_state);

  gst_clip_sample_install_properties (object_class);
  gst_element_class_set_static_metadata (element_class, "Clip sampler", "Filter/Video",
      "Takes a fixed number of frames from each clip, for video networks", "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_clip_sample_init (GstClipSample *self)
{
  gst_clip_sample_init_settings (self);
  self->kept = g_array_new (FALSE, FALSE, sizeof (Kept));
  g_array_set_clear_func (self->kept, clear_kept);
  self->numbers = g_array_new (FALSE, FALSE, sizeof (guint64));
  self->times = g_array_new (FALSE, FALSE, sizeof (guint64));

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_clip_sample_chain));
  gst_pad_set_event_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_clip_sample_sink_event));
  gst_pad_set_query_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_clip_sample_sink_query));
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
