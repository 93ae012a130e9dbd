/* gstclipbatch.c: packs clips into tensors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-clipbatch
 * @title: clipbatch
 *
 * Collects #GstClipBatch:batch-size clips into one buffer of tensors, with
 * NNStreamer's caps:
 *
 *     other/tensors, format=static, num_tensors=2, types=uint8.int32,
 *     dimensions=C:W:H:T:N.N
 *
 * innermost dimension first: N clips of T frames of H rows of W pixels of
 * C values (3 for RGB, 1 for GRAY8), without padding between rows, in one
 * memory; their N labels (class number, -1: unknown) in a second one. Frames
 * in GPU memory are copied to host memory once.
 *
 * Where clipkpt attaches key points, a third memory has them, float32:
 *
 *     num_tensors=3, types=uint8.int32.float32, dimensions=C:W:H:T:N.N.3:K:M:T:N
 *
 * x, y and score of K points of M persons in T frames. The sticky event `clip-keypoints`
 * says which they are.
 *
 * All clips must have the same number of frames, and all frames the same size:
 * put a clipsample and `videoconvertscale ! video/x-raw,width=..,height=..`
 * in front. An incomplete clip is dropped, and the element message
 * `clipbatch-dropped` names it (clip: uint64, path and reason: string).
 *
 * The remaining clips at the end of a pass are sent as a shorter batch, whose
 * caps have the smaller N. If a stream of passes (from clipsrc) ends in
 * mid-pass, the last, incomplete batch is dropped, so that a run that is resumed
 * there has the same batches as an uninterrupted one.
 *
 * A batch has a GstClipMeta for each of its clips, in order. Its offset is the
 * first clip's number, its offset-end the last one's plus 1.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=64 ! video/x-raw,format=RGB,width=112,height=112 ! clipsample num-frames=16 ! clipbatch batch-size=2 ! fakesink
 * ]| Two batches of two clips of sixteen frames.
 *
 * Since: 0.1.0
 */
#include "gstclipbatch.h"

#include <gst/video/video.h>

#include "clippack.h"
#include "gstclipkptmeta.h"
#include "plugins/settings.h"
#include "src/escape.h"

#define FORMATS "{ RGB, GRAY8 }"

/* of incoming frames */
#define WIDTH(self) GST_VIDEO_INFO_WIDTH (&(self)->pack.info)
#define HEIGHT(self) GST_VIDEO_INFO_HEIGHT (&(self)->pack.info)

GST_DEBUG_CATEGORY_STATIC (clip_batch_debug);
#define GST_CAT_DEFAULT clip_batch_debug

struct _GstClipBatch {
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  /* Under the object lock */
  guint batch_size;
  gboolean drop_last;
  GstClockTime latency; /* from a batch's first frame to its last */

  /* Used by the streaming thread */
  gchar *name; /* of a clip in a message, escaped */
  gboolean have_info;
  gboolean first; /* no frame has arrived yet */
  ClipPack pack;  /* the batch that is being filled */

  gboolean caps_sent;
  guint caps_clips; /* N in the last caps */
  gboolean points_sent;
  GQueue held; /* events to send after the first caps */

  gboolean in_clip;
  gboolean have_clip; /* `clip` is valid */
  GstClipMeta clip;   /* the current clip, or the last one; frame: last one received */

  gboolean in_passes;    /* the stream has clip-epoch events */
  guint64 listed[2];     /* [training]: clips per pass; 0: none, or unknown */
  guint clips_per_video; /* in validation and test passes */
  gboolean pass_open;    /* clip-epoch-done has not come yet */
  gboolean have_segment;
  guint32 segment_seqnum;
  GstFlowReturn flow; /* of a batch pushed from an event */
};

static const SettingsField fields[] = {
  { "batch-size", G_STRUCT_OFFSET (GstClipBatch, batch_size) },
  { "drop-last", G_STRUCT_OFFSET (GstClipBatch, drop_last) },
};

static const SettingsOf settings = { "clipbatch", fields, G_N_ELEMENTS (fields) };

G_DEFINE_TYPE (GstClipBatch, gst_clip_batch, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (clipbatch, "clipbatch", GST_RANK_NONE, GST_TYPE_CLIP_BATCH);

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK,
    GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (FORMATS) CLIP_CUDA_CAPS (FORMATS)));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
        GST_STATIC_CAPS ("other/tensors, format = (string) static, num_tensors = (int) 2, types = "
                         "(string) uint8.int32, framerate = (fraction) [ 0/1, 2147483647/1 ]; "
                         "other/tensors, format = (string) static, num_tensors = (int) 3, types = "
                         "(string) uint8.int32.float32, framerate = (fraction) [ 0/1, "
                         "2147483647/1 ]"));

static const gchar *
clip_name (GstClipBatch *self, const GstClipMeta *clip)
{
  g_free (self->name);
  self->name = cnn3d_escape (clip->path ? clip->path : "(no file)", FALSE);
  return self->name;
}

/* Discards everything that was collected. */
static void
gst_clip_batch_drop (GstClipBatch *self)
{
  clip_pack_drop (&self->pack);
  self->in_clip = FALSE;
  self->have_clip = FALSE;
  clip_pack_clear_meta (&self->clip);
}

static void
gst_clip_batch_reset (GstClipBatch *self)
{
  gst_clip_batch_drop (self);
  g_queue_clear_full (&self->held, (GDestroyNotify) gst_event_unref);
  clip_pack_finish (&self->pack);
  clip_pack_init (&self->pack);
  self->have_info = FALSE;
  self->first = TRUE;
  self->caps_sent = FALSE;
  self->points_sent = FALSE;
  self->in_passes = self->pass_open = FALSE;
  self->listed[0] = self->listed[1] = 0;
  self->clips_per_video = 1;
  self->have_segment = FALSE;
  self->flow = GST_FLOW_OK;
  GST_OBJECT_LOCK (self);
  self->latency = 0;
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_batch_send_held (GstClipBatch *self)
{
  GstEvent *event;

  while ((event = g_queue_pop_head (&self->held)))
    gst_pad_push_event (self->srcpad, event);
}

/* Posts that downstream does not accept the caps. n: clips in the batch */
static void
gst_clip_batch_refused (GstClipBatch *self, guint n)
{
  GstCaps *caps = clip_pack_caps (&self->pack, n);

  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
      ("The element after clipbatch does not accept batches of %u clips of %u frames of %dx%d.", n,
          self->pack.frames, WIDTH (self), HEIGHT (self)),
      ("refused: %" GST_PTR_FORMAT, caps));
  gst_caps_unref (caps);
}

/* Sends caps of batches of n clips, unless they are the last ones sent. */
static GstFlowReturn
gst_clip_batch_send_caps (GstClipBatch *self, guint n)
{
  GstFlowReturn ret = GST_FLOW_OK;
  GstEvent *event;
  GstCaps *caps;

  if (self->caps_sent && self->caps_clips == n)
    return GST_FLOW_OK;

  if (!self->points_sent && (event = clip_pack_points_event (&self->pack)))
    gst_pad_push_event (self->srcpad, event);
  self->points_sent = TRUE;
  caps = clip_pack_caps (&self->pack, n);
  /* queried first, since a caps event that is refused behind a bin's pad does not return FALSE */
  if (!gst_pad_is_linked (self->srcpad)) {
    ret = GST_FLOW_NOT_LINKED;
  } else if (!gst_pad_peer_query_accept_caps (self->srcpad, caps)
      || !gst_pad_push_event (self->srcpad, gst_event_new_caps (caps))) {
    ret = GST_PAD_IS_FLUSHING (self->srcpad) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
    if (ret == GST_FLOW_NOT_NEGOTIATED)
      gst_clip_batch_refused (self, n);
  } else {
    self->caps_sent = TRUE;
    self->caps_clips = n;
    gst_clip_batch_send_held (self);
  }
  gst_caps_unref (caps);

  return ret;
}

/* Clips wait for their batch to fill: a live pipeline must know for how long. */
static void
gst_clip_batch_update_latency (GstClipBatch *self)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;

  GST_OBJECT_LOCK (self);
  self->latency = clip_pack_duration (&self->pack);
  GST_OBJECT_UNLOCK (self);

  if (gst_pad_peer_query (self->sinkpad, query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);
  if (live)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

/* Starts the next batch, unless one was started. T must be known. */
static GstFlowReturn
gst_clip_batch_begin (GstClipBatch *self)
{
  const guint before = self->pack.capacity;
  guint batch_size;

  GST_OBJECT_LOCK (self);
  batch_size = self->batch_size;
  GST_OBJECT_UNLOCK (self);
  if (clip_pack_begin (&self->pack, batch_size) != CLIP_PACK_OK)
    goto no_memory;
  if (self->pack.capacity != before)
    gst_clip_batch_update_latency (self);

  return GST_FLOW_OK;

  /* ERRORS */
no_memory:
  GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
      ("No memory for a batch of %u clips of %u frames of %dx%d: reduce batch-size or the frame "
       "size.",
          batch_size, self->pack.frames, WIDTH (self), HEIGHT (self)),
      (NULL));
  return GST_FLOW_ERROR;
}

/* Pushes the complete clips, even if they do not fill a batch. */
static GstFlowReturn
gst_clip_batch_push (GstClipBatch *self)
{
  const guint n = self->pack.clips->len;
  GstFlowReturn ret;

  if (n == 0)
    return GST_FLOW_OK;
  ret = gst_clip_batch_send_caps (self, n);
  if (ret != GST_FLOW_OK) {
    clip_pack_drop (&self->pack);
    return ret;
  }

  ret = gst_pad_push (self->srcpad, clip_pack_take (&self->pack));
  if (ret == GST_FLOW_NOT_NEGOTIATED)
    gst_clip_batch_refused (self, n);

  return ret;
}

/* Pushes or drops the remaining clips at the end of a pass. */
static GstFlowReturn
gst_clip_batch_push_last (GstClipBatch *self)
{
  gboolean drop_last;

  GST_OBJECT_LOCK (self);
  drop_last = self->drop_last;
  GST_OBJECT_UNLOCK (self);
  if (drop_last) {
    GST_DEBUG_OBJECT (self, "dropping %u clips", self->pack.clips->len);
    clip_pack_drop (&self->pack);
    return GST_FLOW_OK;
  }

  return gst_clip_batch_push (self);
}

/* Drivers seldom recover, so that skipping the clip would not help. */
static GstFlowReturn
gst_clip_batch_no_copy (GstClipBatch *self)
{
  GST_ELEMENT_ERROR (self, RESOURCE, READ,
      ("The frames of clip %" G_GUINT64_FORMAT " (%s) could not be copied out of the GPU's memory: "
       "%s. See the driver's log, or decode without a GPU.",
          self->clip.clip, clip_name (self, &self->clip), clip_cuda_reason (self->pack.cuda)),
      (NULL));

  return GST_FLOW_ERROR;
}

/* All frames of the current clip are in the batch. */
static GstFlowReturn
gst_clip_batch_complete (GstClipBatch *self)
{
  self->in_clip = FALSE;
  if (clip_pack_complete (&self->pack, &self->clip) != CLIP_PACK_OK)
    return gst_clip_batch_no_copy (self);
  if (self->pack.clips->len < self->pack.capacity)
    return GST_FLOW_OK;

  return gst_clip_batch_push (self);
}

/* Before the first caps only serialized events that start the stream or describe all of it, such
 * as the names of the classes, may pass. */
static gboolean
gst_clip_batch_forward (GstClipBatch *self, GstEvent *event)
{
  if (!GST_EVENT_IS_SERIALIZED (event) || self->caps_sent
      || GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START
      || GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_STICKY
      || GST_EVENT_TYPE (event) == GST_EVENT_EOS || GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    return gst_pad_event_default (self->sinkpad, GST_OBJECT (self), event);

  g_queue_push_tail (&self->held, event);

  return TRUE;
}

/* A pass with fewer clips than a batch never has a batch. Report it before the first clip
 * instead of after an epoch. */
static GstFlowReturn
gst_clip_batch_check_passes (GstClipBatch *self)
{
  const guint64 clips[2] = { self->listed[1], self->listed[0] * self->clips_per_video };
  guint batch_size, i;
  gboolean drop_last;

  GST_OBJECT_LOCK (self);
  batch_size = self->batch_size;
  drop_last = self->drop_last;
  GST_OBJECT_UNLOCK (self);
  for (i = 0; drop_last && i < 2; i++)
    if (clips[i] > 0 && clips[i] < batch_size)
      goto too_few;

  return GST_FLOW_OK;

  /* ERRORS */
too_few:
  GST_ELEMENT_ERROR (self, STREAM, FAILED,
      ("The %" G_GUINT64_FORMAT " clips of a %s pass do not fill a batch of %u, and drop-last=true "
       "drops them. Set batch-size to %" G_GUINT64_FORMAT " or less, or drop-last=false.",
          clips[i], i ? "validation or test" : "training", batch_size, clips[i]),
      (NULL));
  return GST_FLOW_ERROR;
}

/* T is known now: send caps downstream before the first batch is full. */
static GstFlowReturn
gst_clip_batch_set_frames (GstClipBatch *self, guint64 frames)
{
  GstFlowReturn ret;

  if (frames > CLIP_PACK_MAX_FRAMES)
    goto too_long;
  ret = gst_clip_batch_check_passes (self);
  if (ret != GST_FLOW_OK)
    return ret;
  clip_pack_set_frames (&self->pack, frames);
  ret = gst_clip_batch_begin (self);
  if (ret == GST_FLOW_OK)
    ret = gst_clip_batch_send_caps (self, self->pack.capacity);

  return ret;

  /* ERRORS */
too_long:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Clip %" G_GUINT64_FORMAT " (%s) has more than %d frames: put a clipsample in front of "
       "clipbatch, it makes clips of num-frames frames.",
          self->clip.clip, clip_name (self, &self->clip), CLIP_PACK_MAX_FRAMES),
      (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_clip_batch_other_length (
    GstClipBatch *self, const GstClipMeta *clip, const gchar *relation, guint64 frames)
{
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Clip %" G_GUINT64_FORMAT " (%s) has %s%" G_GUINT64_FORMAT
       " frames, the clips before it %u: put a clipsample in front of clipbatch, after everything "
       "else that drops or repeats frames.",
          clip->clip, clip_name (self, clip), relation, frames, self->pack.frames),
      (NULL));

  return GST_FLOW_ERROR;
}

/* Ends the current clip, of which no more frames come. */
static GstFlowReturn
gst_clip_batch_end_clip (GstClipBatch *self)
{
  GstFlowReturn ret;

  if (!self->in_clip)
    return GST_FLOW_OK;
  self->in_clip = FALSE;

  if (self->pack.frames == 0) {
    ret = gst_clip_batch_set_frames (self, self->pack.have);
    if (ret != GST_FLOW_OK)
      return ret;
    return gst_clip_batch_complete (self);
  }
  if (self->clip.num_frames == 0)
    return gst_clip_batch_other_length (self, &self->clip, "", self->pack.have);

  GST_WARNING_OBJECT (self, "clip %" G_GUINT64_FORMAT " (%s) dropped", self->clip.clip,
      clip_name (self, &self->clip));
  gst_clip_batch_forward (
      self, clip_pack_report_dropped (&self->pack, GST_ELEMENT (self), &self->clip));
  clip_pack_drop_clip (&self->pack);

  return GST_FLOW_OK;
}

static GstFlowReturn
gst_clip_batch_begin_clip (GstClipBatch *self, const GstClipMeta *clip)
{
  GstFlowReturn ret = GST_FLOW_OK;

  if (self->pack.clips->len > 0) {
    const GstClipMeta *first = &g_array_index (self->pack.clips, GstClipMeta, 0);

    /* training and validation never share a batch, whatever the source */
    if (first->epoch != clip->epoch || !first->training != !clip->training) {
      ret = gst_clip_batch_push_last (self);
      if (ret != GST_FLOW_OK)
        return ret;
    }
  }

  clip_pack_clear_meta (&self->clip);
  self->clip = clip_pack_copy_meta (clip);
  self->have_clip = TRUE;
  if (self->pack.frames && clip->num_frames && clip->num_frames != self->pack.frames)
    return gst_clip_batch_other_length (self, clip, "", clip->num_frames);
  if (self->pack.frames)
    ret = gst_clip_batch_begin (self);
  else if (clip->num_frames)
    ret = gst_clip_batch_set_frames (self, clip->num_frames);
  /* after an error there may be no block for more frames */
  self->in_clip = ret == GST_FLOW_OK || self->pack.block;
  return ret;
}

static GstFlowReturn
gst_clip_batch_add (GstClipBatch *self, GstBuffer *buffer)
{
  gchar *reason;

  if (self->pack.have == CLIP_PACK_MAX_FRAMES)
    return gst_clip_batch_set_frames (self, CLIP_PACK_MAX_FRAMES + 1);

  switch (clip_pack_add (&self->pack, buffer)) {
    case CLIP_PACK_OK:
      break;
    case CLIP_PACK_BAD_FRAME:
      goto no_frame;
    case CLIP_PACK_NO_MEMORY:
      goto too_large;
    case CLIP_PACK_NO_COPY:
      return gst_clip_batch_no_copy (self);
    case CLIP_PACK_BAD_POINTS:
      goto other_points;
  }
  if (self->pack.have == self->pack.frames)
    return gst_clip_batch_complete (self);

  return GST_FLOW_OK;

  /* ERRORS */
other_points:
  reason = clip_pack_refuse_points (&self->pack, buffer);
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Frame %u of clip %" G_GUINT64_FORMAT " (%s) has %s.", self->pack.have, self->clip.clip,
          clip_name (self, &self->clip), reason),
      (NULL));
  g_free (reason);
  return GST_FLOW_ERROR;
too_large:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Clip %" G_GUINT64_FORMAT
       " (%s) is larger than 2 GiB: put a clipsample and a scaler in front of clipbatch.",
          self->clip.clip, clip_name (self, &self->clip)),
      (NULL));
  return GST_FLOW_ERROR;
no_frame:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Frame %u of clip %" G_GUINT64_FORMAT " (%s) is not a picture of %dx%d.", self->pack.have,
          self->clip.clip, clip_name (self, &self->clip), WIDTH (self), HEIGHT (self)),
      ("a buffer of %" G_GSIZE_FORMAT " bytes could not be mapped", gst_buffer_get_size (buffer)));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_clip_batch_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstClipBatch *self = GST_CLIP_BATCH (parent);
  GstClipMeta *clip = gst_buffer_get_clip_meta (buffer);
  GstFlowReturn ret = self->flow;
  gboolean other;

  if (ret != GST_FLOW_OK)
    goto done;
  if (!self->have_info) {
    ret = GST_FLOW_NOT_NEGOTIATED;
    goto done;
  }
  if (!clip)
    goto no_clip;

  other = !self->have_clip || !clip_pack_same_clip (clip, &self->clip);
  if (self->in_clip && (other || clip->frame < self->clip.frame))
    ret = gst_clip_batch_end_clip (self);
  else if (!self->in_clip && !other && clip->frame > 0 && clip->frame >= self->clip.frame)
    ret = gst_clip_batch_other_length (self, clip, "more than ", self->pack.frames);
  clip_pack_see (&self->pack, buffer);
  /* the first frame determines whether there are key points */
  if (self->first)
    clip_pack_set_points (&self->pack, gst_buffer_get_clip_kpt_meta (buffer));
  self->first = FALSE;
  if (ret == GST_FLOW_OK && !self->in_clip)
    ret = gst_clip_batch_begin_clip (self, clip);
  if (ret == GST_FLOW_OK) {
    self->clip.frame = clip->frame;
    ret = gst_clip_batch_add (self, buffer);
  }

done:
  gst_buffer_unref (buffer);

  return ret;

  /* ERRORS */
no_clip:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("The frames belong to no clip: put a clipsample in front of clipbatch, or take them from "
       "clipsrc."),
      ("a buffer without GstClipMeta"));
  gst_buffer_unref (buffer);
  return GST_FLOW_ERROR;
}

static gboolean
gst_clip_batch_set_caps (GstClipBatch *self, GstCaps *caps)
{
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, caps))
    goto no_video;
  if (self->have_info && !clip_pack_fits (&self->pack, &info))
    goto other_size;

  clip_pack_set_info (&self->pack, &info);
  self->have_info = TRUE;

  return TRUE;

  /* ERRORS */
no_video:
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
      ("The caps in front of clipbatch are not valid raw video: check the frames' size and "
       "interlace-mode."),
      ("caps %" GST_PTR_FORMAT, caps));
  return FALSE;
other_size:
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
      ("Frames were %dx%d %s, now %dx%d %s: clips of one batch must have one size: put "
       "videoconvertscale ! video/x-raw,width=..,height=.. into the clip-bin.",
          WIDTH (self), HEIGHT (self), GST_VIDEO_INFO_NAME (&self->pack.info),
          GST_VIDEO_INFO_WIDTH (&info), GST_VIDEO_INFO_HEIGHT (&info), GST_VIDEO_INFO_NAME (&info)),
      (NULL));
  return FALSE;
}

/* The end of a pass, announced or not, or of a stream without passes. */
static void
gst_clip_batch_finish (GstClipBatch *self)
{
  if (self->flow == GST_FLOW_OK)
    self->flow = gst_clip_batch_end_clip (self);
  if (self->flow == GST_FLOW_OK)
    self->flow = gst_clip_batch_push_last (self);
  gst_clip_batch_drop (self);
}

static void
gst_clip_batch_eos (GstClipBatch *self)
{
  if (self->in_passes && self->pass_open) {
    GST_INFO_OBJECT (self, "the stream was cut short in mid-pass: dropping %u clips",
        self->pack.clips->len + (self->in_clip ? 1 : 0));
    gst_clip_batch_drop (self);
  } else {
    gst_clip_batch_finish (self);
  }
  self->in_passes = self->pass_open = FALSE;
  gst_clip_batch_send_held (self);
}

static void
gst_clip_batch_take_counts (GstClipBatch *self, GstEvent *event)
{
  GstClipPreparation preparation;
  GstClipData data;

  if (gst_event_parse_clip_data (event, &data)) {
    self->listed[0] = data.validation_clips;
    self->listed[1] = data.training_clips;
  } else if (gst_event_parse_clip_preparation (event, &preparation)) {
    self->clips_per_video = preparation.clips_per_video;
  }
}

static gboolean
gst_clip_batch_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstClipBatch *self = GST_CLIP_BATCH (parent);
  gboolean ret;
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      ret = gst_clip_batch_set_caps (self, caps);
      gst_event_unref (event);
      return ret;
    case GST_EVENT_SEGMENT:
      if (self->have_segment && gst_event_get_seqnum (event) != self->segment_seqnum)
        gst_clip_batch_drop (self);
      self->have_segment = TRUE;
      self->segment_seqnum = gst_event_get_seqnum (event);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      gst_clip_batch_take_counts (self, event);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (gst_event_parse_clip_epoch (event, NULL)) {
        gst_clip_batch_finish (self);
        self->in_passes = self->pass_open = TRUE;
      } else if (gst_event_parse_clip_epoch_done (event, NULL)) {
        gst_clip_batch_finish (self);
        self->pass_open = FALSE;
      }
      break;
    case GST_EVENT_EOS:
      gst_clip_batch_eos (self);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_clip_batch_drop (self);
      g_queue_clear_full (&self->held, (GDestroyNotify) gst_event_unref);
      self->in_passes = self->pass_open = FALSE;
      self->have_segment = FALSE;
      self->flow = GST_FLOW_OK;
      break;
    case GST_EVENT_GAP:
      /* no video for a while: nothing to batch */
      gst_event_unref (event);
      return TRUE;
    default:
      break;
  }

  return gst_clip_batch_forward (self, event);
}

static gboolean
gst_clip_batch_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return gst_pad_query_default (pad, parent, query);

  /* rows are copied: any stride is accepted */
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);

  return TRUE;
}

static gboolean
gst_clip_batch_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstClipBatch *self = GST_CLIP_BATCH (parent);
  GstClockTime min, max, latency;
  gboolean live;

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return gst_pad_query_default (pad, parent, query);
  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  GST_OBJECT_LOCK (self);
  latency = self->latency;
  GST_OBJECT_UNLOCK (self);
  min += latency;
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += latency;
  gst_query_set_latency (query, live, min, max);

  return TRUE;
}

static GstStateChangeReturn
gst_clip_batch_change_state (GstElement *element, GstStateChange transition)
{
  GstClipBatch *self = GST_CLIP_BATCH (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !settings_check (element))
    return GST_STATE_CHANGE_FAILURE;

  ret = GST_ELEMENT_CLASS (gst_clip_batch_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    GST_PAD_STREAM_LOCK (self->sinkpad);
    gst_clip_batch_reset (self);
    GST_PAD_STREAM_UNLOCK (self->sinkpad);
  }

  return ret;
}

static void
gst_clip_batch_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  settings_set (&settings, GST_ELEMENT (object), object, id - 1, value);
}

static void
gst_clip_batch_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  settings_get (&settings, object, id - 1, value);
  GST_OBJECT_UNLOCK (object);
}

static void
gst_clip_batch_finalize (GObject *object)
{
  GstClipBatch *self = GST_CLIP_BATCH (object);

  gst_clip_batch_reset (self);
  clip_pack_finish (&self->pack);
  g_free (self->name);

  G_OBJECT_CLASS (gst_clip_batch_parent_class)->finalize (object);
}

static void
gst_clip_batch_class_init (GstClipBatchClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (clip_batch_debug, "clipbatch", 0, "packs clips into tensors");

  object_class->set_property = gst_clip_batch_set_property;
  object_class->get_property = gst_clip_batch_get_property;
  object_class->finalize = gst_clip_batch_finalize;
  element_class->change_state = GST_DEBUG_FUNCPTR (gst_clip_batch_change_state);

  /* a change applies from the next batch on */
  settings_install (&settings, object_class, 1, GST_PARAM_MUTABLE_PLAYING);

  gst_element_class_set_static_metadata (element_class, "Clip batcher",
      "Filter/Converter/Video/Tensor",
      "Packs clips of video frames and their labels into batches of tensors", "The cnn3d authors");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
}

static void
gst_clip_batch_init (GstClipBatch *self)
{
  settings_init (&settings, self);
  self->clips_per_video = 1;
  self->first = TRUE;
  clip_pack_init (&self->pack);
  g_queue_init (&self->held);

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_clip_batch_chain));
  gst_pad_set_event_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_clip_batch_sink_event));
  gst_pad_set_query_function (self->sinkpad, GST_DEBUG_FUNCPTR (gst_clip_batch_sink_query));
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_query_function (self->srcpad, GST_DEBUG_FUNCPTR (gst_clip_batch_src_query));
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
}
