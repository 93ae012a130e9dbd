/* clips.h: frames for the tests of the clip elements.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_CLIPS_H
#define TESTS_CLIPS_H

#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include "gstclipmeta.h"

#define CLIPS_GRAY "video/x-raw,format=GRAY8,width=8,height=2,framerate=25/1"
#define CLIPS_FRAME (40 * GST_MSECOND)

/* A frame of CLIPS_GRAY with its number in its first four bytes and as its time. clip: NULL: no
 * meta */
static inline GstBuffer *
clips_frame (const GstClipMeta *clip, guint32 frame)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 16, NULL);

  gst_buffer_memset (buffer, 0, 0, -1);
  gst_buffer_fill (buffer, 0, &frame, sizeof (frame));
  GST_BUFFER_PTS (buffer) = frame * CLIPS_FRAME;
  GST_BUFFER_DURATION (buffer) = CLIPS_FRAME;
  if (clip)
    gst_buffer_add_clip_meta (buffer, clip)->frame = frame;

  return buffer;
}

/* Pushes frames first to last of a clip. */
static inline GstFlowReturn
clips_push (GstHarness *h, const GstClipMeta *clip, guint32 first, guint32 last)
{
  GstFlowReturn ret = GST_FLOW_OK;
  guint32 i;

  for (i = first; i <= last && ret == GST_FLOW_OK; i++)
    ret = gst_harness_push (h, clips_frame (clip, i));

  return ret;
}

/* The harness's element of this factory; the harness keeps it. */
static inline GstElement *
clips_element (GstHarness *h, const gchar *factory)
{
  GstElement *element = gst_harness_find_element (h, factory);

  g_assert_nonnull (element);
  gst_object_unref (element);

  return element;
}

/* Asserts that the bus has an error with these parts in its text and in its debug text. */
static inline void
clips_assert_error_full (GstBus *bus, const gchar *part, const gchar *debug)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  GError *error = NULL;
  gchar *text = NULL;

  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, &text);
  if (!strstr (error->message, part))
    g_error ("no \"%s\" in \"%s\"", part, error->message);
  if (debug && (!text || !strstr (text, debug)))
    g_error ("no \"%s\" in \"%s\"", debug, text);
  g_free (text);
  g_error_free (error);
  gst_message_unref (message);
}

/* The same for the error's text only. */
static inline void
clips_assert_error (GstBus *bus, const gchar *part)
{
  clips_assert_error_full (bus, part, NULL);
}

#endif
