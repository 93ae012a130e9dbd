/* encode.c: writes a demonstration video as H.264 in MP4, with GStreamer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "encode.h"

#include <gio/gio.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <string.h>

/* One thread and a constant quantizer give the same bytes everywhere. Without frame reordering,
 * and with a keyframe every 12 frames, decoding can start anywhere quickly. */
#define ENCODER                                                      \
  "x264enc threads=1 pass=quant quantizer=20 speed-preset=veryfast " \
  "bframes=0 key-int-max=12"
#define PIPELINE                                                    \
  "appsrc name=source format=time block=true max-bytes=1000000 "    \
  "! videoconvert n-threads=1 ! video/x-raw,format=I420 ! " ENCODER \
  " ! video/x-h264,profile=main ! h264parse ! mp4mux ! filesink name=sink"

static const gchar *const needed[] = { "appsrc", "videoconvert", "x264enc", "h264parse", "mp4mux",
  "filesink" };

gboolean
demo_encode_check (GError **error)
{
  GString *missing = g_string_new (NULL);
  gboolean found;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (needed); i++) {
    GstElementFactory *factory = gst_element_factory_find (needed[i]);

    if (factory == NULL)
      g_string_append_printf (missing, " %s", needed[i]);
    g_clear_object (&factory);
  }
  found = missing->len == 0;
  if (!found)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
        "GStreamer lacks what encodes the videos:%s; install its plugins (base, good, bad and "
        "ugly)",
        missing->str);
  g_string_free (missing, TRUE);
  return found;
}

/* The next box in [*at, end): its payload and type. *at becomes the end of the box. FALSE: there
 * are no more, or it is truncated. */
static gboolean
next_box (const guint8 *data, gsize end, gsize *at, gsize *payload, guint32 *type)
{
  gsize size, head = 8;

  if (end - *at < head)
    return FALSE;
  size = GST_READ_UINT32_BE (data + *at);
  *type = GST_READ_UINT32_LE (data + *at + 4);
  if (size == 1 && end - *at >= 16) {
    head = 16;
    size = GST_READ_UINT64_BE (data + *at + 8);
  }
  if (size < head || size > end - *at)
    return FALSE;
  *payload = *at + head;
  *at += size;
  return TRUE;
}

/* The muxer writes the current time into three headers, so that files would always differ. It is
 * not needed here and set to 0. */
static void
clear_times (guint8 *data, gsize at, gsize end)
{
  gsize payload;
  guint32 type;

  while (next_box (data, end, &at, &payload, &type)) {
    switch (type) {
      case GST_MAKE_FOURCC ('m', 'o', 'o', 'v'):
      case GST_MAKE_FOURCC ('t', 'r', 'a', 'k'):
      case GST_MAKE_FOURCC ('m', 'd', 'i', 'a'):
        clear_times (data, payload, at);
        break;
      case GST_MAKE_FOURCC ('m', 'v', 'h', 'd'):
      case GST_MAKE_FOURCC ('t', 'k', 'h', 'd'):
      case GST_MAKE_FOURCC ('m', 'd', 'h', 'd'):
        /* a byte of version and three of flags, then two times of 4 or 8 bytes */
        if (at - payload >= 20)
          memset (data + payload + 4, 0, data[payload] == 1 ? 16 : 8);
        break;
      default:
        break;
    }
  }
}

static gboolean
clear_times_in_file (const gchar *path, GError **error)
{
  gchar *data;
  gsize size;
  gboolean written;

  if (!g_file_get_contents (path, &data, &size, error))
    return FALSE;
  clear_times ((guint8 *) data, 0, size);
  /* no temporary file here: the whole set is renamed into place at the end */
  written = g_file_set_contents_full (path, data, size, G_FILE_SET_CONTENTS_NONE, 0644, error);
  g_free (data);
  return written;
}

/* Draws all frames into the pipeline. FALSE: it stopped accepting them, and the reason is on its
 * bus. */
static gboolean
push_frames (const DemoMovie *movie, GstAppSrc *source)
{
  cairo_surface_t *target =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, movie->width, movie->height);
  gsize line = 4 * movie->width;
  gint stride = cairo_image_surface_get_stride (target), y;
  gboolean taken = TRUE;
  guint i;

  for (i = 0; i < movie->frames && taken; i++) {
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, line * movie->height, NULL);
    guint64 start = gst_util_uint64_scale_int (i, GST_SECOND, movie->rate);

    movie->draw (movie->data, i, target);
    cairo_surface_flush (target);
    for (y = 0; y < movie->height; y++)
      gst_buffer_fill (
          buffer, y * line, cairo_image_surface_get_data (target) + (gsize) y * stride, line);
    GST_BUFFER_PTS (buffer) = start;
    GST_BUFFER_DURATION (buffer) =
        gst_util_uint64_scale_int (i + 1, GST_SECOND, movie->rate) - start;
    taken = gst_app_src_push_buffer (source, buffer) == GST_FLOW_OK;
  }
  cairo_surface_destroy (target);
  return taken;
}

gboolean
demo_encode (const DemoMovie *movie, const gchar *path, GError **error)
{
  GstElement *pipeline, *source, *sink;
  GstCaps *caps;
  GstMessage *message;
  GstBus *bus;
  gboolean done = FALSE;

  pipeline = gst_parse_launch (PIPELINE, error);
  if (pipeline == NULL)
    return FALSE;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  bus = gst_element_get_bus (pipeline);

  caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
      G_BYTE_ORDER == G_LITTLE_ENDIAN ? "BGRx" : "xRGB", "width", G_TYPE_INT, movie->width,
      "height", G_TYPE_INT, movie->height, "framerate", GST_TYPE_FRACTION, movie->rate, 1,
      "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
  g_object_set (source, "caps", caps, NULL);
  gst_caps_unref (caps);
  g_object_set (sink, "location", path, NULL);

  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE
      && push_frames (movie, GST_APP_SRC (source)))
    gst_app_src_end_of_stream (GST_APP_SRC (source));

  /* an error also ends pushing, so that either EOS or the error arrives */
  message =
      gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, error, NULL);
  else
    done = TRUE;
  gst_message_unref (message);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (sink);
  gst_object_unref (source);
  gst_object_unref (pipeline);

  return done && clear_times_in_file (path, error);
}
