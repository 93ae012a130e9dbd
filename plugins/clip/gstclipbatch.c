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
 * Where clips have several views (see #GstClipSrc:views), a clip is all of them, and a last memory
 * has a mask: 1 for a view that is there, 0 for one that is missing and a copy of another one:
 *
 *     num_tensors=3, types=uint8.int32.uint8, dimensions=C:W:H:T:V:N.N.V:N
 *     num_tensors=4, types=uint8.int32.float32.uint8, dimensions=C:W:H:T:V:N.N.3:K:M:T:V:N.V:N
 *
 * All clips must have the same number of frames, and all frames the same size:
 * put a clipsample and `videoconvertscale ! video/x-raw,width=..,height=..`
 * in front. An incomplete clip is dropped, and the element message
 * `clipbatch-dropped` names it (clip: uint64, path and reason: string).
 *
 * The remaining clips at the end of a pass are sent as a shorter batch, whose
 * caps have the smaller N. In a pass from clipsrc, each batch-size clips of the order are one batch,
 * whichever of them can be read: one without those that were skipped is shorter, too. So a file that
 * fails changes no other batch. If such a stream ends in
 * mid-pass, the last, incomplete batch is dropped, so that a run that is resumed
 * there has the same batches as an uninterrupted one.
 *
 * A batch has a GstClipMeta for each of its clips, or of their views, in order. Its offset is the
 * first clip's number, its offset-end the last one's plus 1; skipped clips behind that one, up to the
 * next batch, are included.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=64 ! video/x-raw,format=RGB,width=112,height=112 ! clipsample num-frames=16 ! clipbatch batch-size=2 ! fakesink
 * ]| Two batches of two clips of sixteen frames.
 *
 * Since: 0.1.0
 */
#include "gstclipbatch-private.h"

#include "clipaborted.h"
#include "gstclipkptmeta.h"
#include "plugins/settings.h"
#include "src/escape.h"

#define FORMATS "{ RGB, GRAY8 }"

GST_DEBUG_CATEGORY_EXTERN (clip_batch_debug);
#define GST_CAT_DEFAULT clip_batch_debug

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
                         "(string) { uint8.int32.float32, uint8.int32.uint8 }, framerate = "
                         "(fraction) [ 0/1, 2147483647/1 ]; other/tensors, format = (string) "
                         "static, num_tensors = (int) 4, types = (string) "
                         "uint8.int32.float32.uint8, framerate = (fraction) [ 0/1, 2147483647/1 "
                         "]"));

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
  self->in_clip = self->open = FALSE;
  self->have_clip = FALSE;
  gst_clear_event (&self->skipped);
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
  self->warned = FALSE;
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

/* Clips of the current video, which come view by view. */
static guint
gst_clip_batch_parts (GstClipBatch *self)
{
  return self->pack.views > 1 && !self->clip.training ? self->clips_per_video : 1;
}

/* Ends the current clip, of which no more views come. */
static GstFlowReturn
gst_clip_batch_close (GstClipBatch *self)
{
  GstFlowReturn ret = GST_FLOW_OK;
  GstEvent *skipped;

  if (!self->open)
    return GST_FLOW_OK;
  self->open = FALSE;
  skipped = g_steal_pointer (&self->skipped);
  if (!clip_pack_close (&self->pack)) {
    if (skipped)
      gst_clip_batch_forward (self, skipped);
    return GST_FLOW_OK;
  }
  gst_clear_event (&skipped);
  /* clips of one video may fill more than a batch */
  while (ret == GST_FLOW_OK && clip_pack_count (&self->pack) >= self->pack.capacity)
    ret = gst_clip_batch_push (self);

  return ret;
}

/* All frames of the current view are in the batch. */
static GstFlowReturn
gst_clip_batch_complete (GstClipBatch *self)
{
  self->in_clip = FALSE;
  if (clip_pack_complete (&self->pack, &self->clip) != CLIP_PACK_OK)
    return gst_clip_batch_no_copy (self);
  if (self->pack.view + 1 < self->pack.views || self->pack.part + 1 < gst_clip_batch_parts (self))
    return GST_FLOW_OK;

  return gst_clip_batch_close (self);
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

/* Ends the current view, of which no more frames come. */
static GstFlowReturn
gst_clip_batch_end_view (GstClipBatch *self)
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
  gst_clear_event (&self->skipped);
  self->skipped = clip_pack_report_dropped (&self->pack, GST_ELEMENT (self), &self->clip);
  clip_pack_drop_view (&self->pack);
  if (self->pack.views > 1)
    return GST_FLOW_OK;

  return gst_clip_batch_close (self);
}

/* Discards the current view, or the clip if it has no views. Whoever sent it reports it. */
static void
gst_clip_batch_abort (GstClipBatch *self)
{
  if (!self->open)
    return;
  self->in_clip = FALSE;
  clip_pack_retract_view (&self->pack);
  if (self->pack.views == 1)
    gst_clip_batch_close (self);
}

static GstFlowReturn
gst_clip_batch_check_views (GstClipBatch *self, const GstClipMeta *clip, guint part)
{
  const guint views = MAX (clip->views, 1);

  if (views != self->pack.views || clip->view >= views)
    goto other_views;
  if (views == 1 || !self->have_clip || !clip_pack_same_clip (clip, &self->clip))
    return GST_FLOW_OK;
  if (!self->open || clip->view < self->clip.view || part >= self->pack.parts)
    goto unexpected;

  return GST_FLOW_OK;

  /* ERRORS */
other_views:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Clip %" G_GUINT64_FORMAT " (%s) is view %u of %u, but the clips before it have %u views: "
       "all clips of a stream have the same views.",
          clip->clip, clip_name (self, clip), clip->view, views, self->pack.views),
      (NULL));
  return GST_FLOW_ERROR;
unexpected:
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("View %u of clip %" G_GUINT64_FORMAT
       " (%s) comes after view %u: the views of a clip come in "
       "order, each %u times, as often as the clipsample in front of clipbatch says.",
          clip->view, clip->clip, clip_name (self, clip), self->clip.view,
          gst_clip_batch_parts (self)),
      (NULL));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_clip_batch_begin_view (GstClipBatch *self, const GstClipMeta *clip)
{
  GstFlowReturn ret = GST_FLOW_OK;
  gboolean fresh;
  guint part = 0;

  if (self->open && !clip_pack_same_clip (clip, &self->clip))
    ret = gst_clip_batch_close (self);
  else if (self->open && clip->view == self->clip.view)
    part = self->pack.part + 1;
  if (ret == GST_FLOW_OK)
    ret = gst_clip_batch_check_views (self, clip, part);
  if (ret != GST_FLOW_OK)
    return ret;
  if (self->pack.clips->len > 0) {
    const GstClipMeta *first = &g_array_index (self->pack.clips, GstClipMeta, 0);

    /* training and validation never share a batch, whatever the source */
    if (first->epoch != clip->epoch || !first->training != !clip->training)
      ret = gst_clip_batch_push_last (self);
    else if (gst_clip_batch_end_of (self, first->clip) <= clip->clip)
      ret = gst_clip_batch_push (self);
    if (ret != GST_FLOW_OK)
      return ret;
  }

  clip_pack_clear_meta (&self->clip);
  self->clip = clip_pack_copy_meta (clip);
  self->have_clip = TRUE;
  fresh = !self->open;
  self->open = TRUE;
  /* frames that an error left behind */
  if (self->pack.have > 0)
    clip_pack_drop_view (&self->pack);
  clip_pack_start_view (&self->pack, self->pack.views > 1 ? clip->view : 0, part);
  clip_step_start_view (&self->step, fresh, part);
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

/* Views that show other moments would be learned from without a word. */
static void
gst_clip_batch_check_step (GstClipBatch *self, const GstClipMeta *clip, GstBuffer *buffer)
{
  const GstClockTime apart = clip_step_add (&self->step, clip, buffer);

  if (!apart)
    return;
  self->warned = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FORMAT,
      ("The views of clip %" G_GUINT64_FORMAT " are out of step: frame %u of %s is %u ms away from "
       "that of another view. Set frame-rate of clipsample if their rates differ, or cut the files "
       "at the same moments.",
          clip->clip, self->pack.have, clip_name (self, clip),
          (guint) GST_TIME_AS_MSECONDS (apart)),
      (NULL));
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

  other = !self->have_clip || !clip_pack_same_view (clip, &self->clip);
  if (self->in_clip && (other || clip->frame < self->clip.frame))
    ret = gst_clip_batch_end_view (self);
  else if (!self->in_clip && !other && clip->frame > 0 && clip->frame >= self->clip.frame)
    ret = gst_clip_batch_other_length (self, clip, "more than ", self->pack.frames);
  clip_pack_see (&self->pack, buffer);
  /* the first frame determines whether there are key points, and how many views */
  if (self->first) {
    clip_pack_set_points (&self->pack, gst_buffer_get_clip_kpt_meta (buffer));
    clip_pack_set_views (&self->pack, MAX (clip->views, 1));
  }
  self->first = FALSE;
  if (ret == GST_FLOW_OK && !self->in_clip)
    ret = gst_clip_batch_begin_view (self, clip);
  if (ret == GST_FLOW_OK) {
    self->clip.frame = clip->frame;
    if (self->pack.views > 1 && !self->warned)
      gst_clip_batch_check_step (self, clip, buffer);
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
    self->flow = gst_clip_batch_end_view (self);
  if (self->flow == GST_FLOW_OK)
    self->flow = gst_clip_batch_close (self);
  if (self->flow == GST_FLOW_OK)
    self->flow = gst_clip_batch_push_last (self);
  gst_clip_batch_drop (self);
}

static void
gst_clip_batch_eos (GstClipBatch *self)
{
  if (self->in_passes && self->pass_open) {
    GST_INFO_OBJECT (self, "the stream was cut short in mid-pass: dropping %u clips",
        clip_pack_count (&self->pack) + (self->open ? 1 : 0));
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
    self->clips_per_video = MAX (preparation.clips_per_video, 1);
  }
}

static gboolean
gst_clip_batch_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstClipBatch *self = GST_CLIP_BATCH (parent);
  GstClipEpoch pass;
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
      if (gst_event_parse_clip_epoch (event, &pass)) {
        gst_clip_batch_finish (self);
        self->in_passes = self->pass_open = TRUE;
        self->pass = pass;
      } else if (gst_event_parse_clip_epoch_done (event, NULL)) {
        gst_clip_batch_finish (self);
        self->pass_open = FALSE;
      } else if (self->have_clip && clip_aborted_event_is_for (event, &self->clip)) {
        gst_clip_batch_abort (self);
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
  GstClipBatch *self = GST_CLIP_BATCH (parent);
  guint batch_size;

  if (gst_query_is_clip_share (query)) {
    GST_OBJECT_LOCK (self);
    batch_size = self->batch_size;
    GST_OBJECT_UNLOCK (self);
    gst_query_set_clip_share_size (query, batch_size);
    gst_pad_peer_query (self->srcpad, query);
    return TRUE;
  }
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
  clip_step_finish (&self->step);
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
  clip_step_init (&self->step);
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
