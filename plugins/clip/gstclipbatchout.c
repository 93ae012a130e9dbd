/* gstclipbatchout.c: what clipbatch sends: caps, batches, and events in their places.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipbatch-private.h"

GST_DEBUG_CATEGORY (clip_batch_debug);
#define GST_CAT_DEFAULT clip_batch_debug

void
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

GstFlowReturn
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

/* Posts the error. n: clips in the batch */
static GstFlowReturn
gst_clip_batch_no_memory (GstClipBatch *self, guint n)
{
  GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
      ("No memory for a batch of %u clips of %u frames of %dx%d: reduce batch-size or the frame "
       "size.",
          n, self->pack.frames, WIDTH (self), HEIGHT (self)),
      (NULL));

  return GST_FLOW_ERROR;
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

GstFlowReturn
gst_clip_batch_begin (GstClipBatch *self)
{
  const guint before = self->pack.capacity;
  guint batch_size;

  GST_OBJECT_LOCK (self);
  batch_size = self->batch_size;
  GST_OBJECT_UNLOCK (self);
  if (clip_pack_begin (&self->pack, batch_size, self->clips_per_video) != CLIP_PACK_OK)
    return gst_clip_batch_no_memory (self, batch_size);
  if (self->pack.capacity != before)
    gst_clip_batch_update_latency (self);

  return GST_FLOW_OK;
}

guint64
gst_clip_batch_end_of (const GstClipBatch *self, guint64 clip)
{
  const GstClipEpoch *pass = &self->pass;
  const guint64 size = self->pack.capacity;

  if (!self->pass_open || pass->clips == 0 || clip < pass->first_clip || size == 0)
    return G_MAXUINT64;

  return pass->first_clip + MIN (((clip - pass->first_clip) / size + 1) * size, pass->clips);
}

GstFlowReturn
gst_clip_batch_push (GstClipBatch *self)
{
  const guint n = MIN (clip_pack_count (&self->pack), self->pack.capacity);
  GstBuffer *buffer;
  GstFlowReturn ret;
  gboolean full;
  guint64 end;

  if (n == 0)
    return GST_FLOW_OK;
  ret = gst_clip_batch_send_caps (self, n);
  if (ret != GST_FLOW_OK) {
    clip_pack_drop (&self->pack);
    return ret;
  }

  full = n == self->pack.capacity;
  buffer = clip_pack_take (&self->pack, n);
  if (!buffer)
    return gst_clip_batch_no_memory (self, self->pack.capacity);
  end = gst_clip_batch_end_of (self, GST_BUFFER_OFFSET (buffer));
  if (!full && end != G_MAXUINT64)
    GST_BUFFER_OFFSET_END (buffer) = MAX (GST_BUFFER_OFFSET_END (buffer), end);
  ret = gst_pad_push (self->srcpad, buffer);
  if (ret == GST_FLOW_NOT_NEGOTIATED)
    gst_clip_batch_refused (self, n);

  return ret;
}

GstFlowReturn
gst_clip_batch_push_last (GstClipBatch *self)
{
  const GstClipEpoch *pass = &self->pass;
  gboolean drop_last;
  guint64 end = G_MAXUINT64;

  GST_OBJECT_LOCK (self);
  drop_last = self->drop_last;
  GST_OBJECT_UNLOCK (self);
  /* the last one that came may be another than the pass's last one */
  if (self->pack.clips->len > 0)
    end = gst_clip_batch_end_of (self, g_array_index (self->pack.clips, GstClipMeta, 0).clip);
  if (drop_last && (end == G_MAXUINT64 || end == pass->first_clip + pass->clips)) {
    GST_DEBUG_OBJECT (self, "dropping %u clips", clip_pack_count (&self->pack));
    clip_pack_drop (&self->pack);
    return GST_FLOW_OK;
  }

  return gst_clip_batch_push (self);
}

/* Before the first caps only serialized events that start the stream or describe all of it, such
 * as the names of the classes, may pass. */
gboolean
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
