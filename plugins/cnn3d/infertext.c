/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "infertext.h"

/* Duration in nanoseconds of a frame that has none, in a stream without a frame
 * rate: textoverlay assumes the same. A longer text would stay on display and
 * block the thread that brings the next frame. */
#define LEAST_DURATION 1

/* Drops upstream events: a seek from the text's sink was also sent by the
 * video's sink, and the others concern the text alone. */
static gboolean
infer_text_upstream_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  gst_event_unref (event);

  return TRUE;
}

static GstIterator *
infer_text_links (GstPad *pad, GstObject *parent)
{
  GValue value = G_VALUE_INIT;
  GstIterator *it;

  g_value_init (&value, GST_TYPE_PAD);
  g_value_set_object (&value, gst_pad_get_element_private (pad));
  it = gst_iterator_new_single (GST_TYPE_PAD, &value);
  g_value_unset (&value);

  return it;
}

GstPad *
infer_text_pad_new (GstPadTemplate *template, GstPad *sink)
{
  GstPad *pad = gst_pad_new_from_template (template, "text");

  gst_pad_set_element_private (pad, sink);
  gst_pad_set_event_function (pad, infer_text_upstream_event);
  gst_pad_set_iterate_internal_links_function (pad, infer_text_links);
  gst_pad_use_fixed_caps (pad);

  return pad;
}

/* from: the video's stream-start, whose group the text belongs to. */
static void
push_stream_start (GstPad *text, GstEvent *from)
{
  const gchar *stream;
  GstEvent *event;
  guint group;
  gchar *id;

  gst_event_parse_stream_start (from, &stream);
  id = g_strconcat (stream, "/text", NULL);
  event = gst_event_new_stream_start (id);
  g_free (id);
  if (gst_event_parse_group_id (from, &group))
    gst_event_set_group_id (event, group);
  gst_event_set_seqnum (event, gst_event_get_seqnum (from));
  gst_pad_push_event (text, event);
}

/* Sends the sticky events that must precede any other; the pad may have been
 * requested in the middle of the stream. */
static void
begin (GstPad *text, GstPad *sink)
{
  GstEvent *has, *wants;

  has = gst_pad_get_sticky_event (text, GST_EVENT_STREAM_START, 0);
  wants = gst_pad_get_sticky_event (sink, GST_EVENT_STREAM_START, 0);
  if (!has && wants)
    push_stream_start (text, wants);
  g_clear_pointer (&has, gst_event_unref);
  g_clear_pointer (&wants, gst_event_unref);

  has = gst_pad_get_sticky_event (text, GST_EVENT_CAPS, 0);
  if (!has) {
    GstCaps *caps = gst_caps_new_simple ("text/x-raw", "format", G_TYPE_STRING, "utf8", NULL);

    gst_pad_push_event (text, gst_event_new_caps (caps));
    gst_caps_unref (caps);
  }
  g_clear_pointer (&has, gst_event_unref);

  has = gst_pad_get_sticky_event (text, GST_EVENT_SEGMENT, 0);
  wants = gst_pad_get_sticky_event (sink, GST_EVENT_SEGMENT, 0);
  if (wants && has != wants)
    gst_pad_push_event (text, gst_event_ref (wants));
  g_clear_pointer (&has, gst_event_unref);
  g_clear_pointer (&wants, gst_event_unref);
}

void
infer_text_event (GstPad *text, GstPad *sink, GstEvent *event)
{
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      push_stream_start (text, event);
      break;
    case GST_EVENT_CAPS:
    case GST_EVENT_SEGMENT:
      begin (text, sink);
      break;
    case GST_EVENT_GAP:
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
    case GST_EVENT_STREAM_GROUP_DONE:
    case GST_EVENT_INSTANT_RATE_CHANGE:
      begin (text, sink);
      gst_pad_push_event (text, gst_event_ref (event));
      break;
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP:
      gst_pad_push_event (text, gst_event_ref (event));
      break;
    default:
      break;
  }
}

GstFlowReturn
infer_text_push (GstPad *text, GstPad *sink, GstBuffer *frame, const GstVideoInfo *info,
    const InferResult *result)
{
  GstBuffer *buffer;
  GstFlowReturn ret;

  /* a text without a timestamp cannot be assigned to a frame */
  if (!gst_pad_is_linked (text) || !GST_BUFFER_PTS_IS_VALID (frame))
    return GST_FLOW_OK;
  begin (text, sink);
  buffer = gst_buffer_new ();
  if (result && result->text)
    gst_buffer_append_memory (buffer, gst_memory_ref (result->text));
  GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (frame);
  if (GST_BUFFER_DURATION_IS_VALID (frame))
    GST_BUFFER_DURATION (buffer) = GST_BUFFER_DURATION (frame);
  else if (info->fps_n > 0)
    GST_BUFFER_DURATION (buffer) = gst_util_uint64_scale_int (GST_SECOND, info->fps_d, info->fps_n);
  else
    GST_BUFFER_DURATION (buffer) = LEAST_DURATION;
  ret = gst_pad_push (text, buffer);

  /* the video continues if the text's sink is at EOS, flushing or unlinked */
  return ret == GST_FLOW_ERROR || ret == GST_FLOW_NOT_NEGOTIATED ? ret : GST_FLOW_OK;
}
