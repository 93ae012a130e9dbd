/* padded.c: frames whose video meta has a larger size than the caps, as from decoders that output
 * whole macroblocks: only the size in the caps is read and written.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clips.h"

#include <string.h>
#include <gst/video/video.h>

#define WIDTH 8
#define HEIGHT 2
#define STRIDE 16
#define ROWS 6   /* in memory */
#define FRAMES 4 /* their pixels end at the end of a memory block */

static guint8
pixel (guint frame, guint x, guint y)
{
  return 16 * frame + 8 * y + x;
}

static GstBuffer *
padded_frame (guint frame, gboolean training)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, STRIDE * ROWS, NULL);
  GstClipMeta clip = { .frame = frame, .num_frames = FRAMES, .training = training };
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { STRIDE };

  gst_buffer_memset (buffer, 0, 255, -1);
  for (guint y = 0; y < HEIGHT; y++)
    for (guint x = 0; x < WIDTH; x++) {
      const guint8 value = pixel (frame, x, y);

      gst_buffer_fill (buffer, y * STRIDE + x, &value, 1);
    }
  gst_buffer_add_video_meta_full (
      buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, STRIDE, ROWS, 1, offset, stride);
  gst_buffer_add_clip_meta (buffer, &clip);
  GST_BUFFER_PTS (buffer) = frame * CLIPS_FRAME;

  return buffer;
}

/* An element's output for a clip's frames, all bytes in order. */
static GByteArray *
pass (const gchar *element, gboolean training)
{
  GstHarness *h = gst_harness_new_parse (element);
  GByteArray *all = g_byte_array_new ();
  GstBuffer *buffer;

  gst_harness_set_src_caps_str (h, CLIPS_GRAY);
  for (guint i = 0; i < FRAMES; i++)
    g_assert_cmpint (gst_harness_push (h, padded_frame (i, training)), ==, GST_FLOW_OK);
  while ((buffer = gst_harness_try_pull (h))) {
    GstMapInfo map;

    gst_buffer_map (buffer, &map, GST_MAP_READ);
    g_byte_array_append (all, map.data, map.size);
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  gst_harness_teardown (h);

  return all;
}

static void
test_clipbatch (void)
{
  GByteArray *all = pass ("clipbatch", FALSE);

  g_assert_cmpuint (all->len, ==, FRAMES * WIDTH * HEIGHT + sizeof (gint32));
  for (guint i = 0; i < FRAMES * WIDTH * HEIGHT; i++)
    g_assert_cmpuint (
        all->data[i], ==, pixel (i / (WIDTH * HEIGHT), i % WIDTH, i / WIDTH % HEIGHT));
  g_byte_array_unref (all);
}

static void
test_clipdiff (void)
{
  GByteArray *all = pass ("clipdiff", FALSE);

  g_assert_cmpuint (all->len, ==, FRAMES * WIDTH * HEIGHT);
  for (guint i = 0; i < all->len; i++)
    g_assert_cmpuint (all->data[i], ==, i < WIDTH * HEIGHT ? 0 : 16);
  g_byte_array_unref (all);
}

/* Mirrored, and nothing else; then cropped, too. */
static void
test_clipaugment (void)
{
  GByteArray *all = pass ("clipaugment scale-min=1 ratio-min=1 ratio-max=1 flip=1", TRUE);

  g_assert_cmpuint (all->len, ==, FRAMES * WIDTH * HEIGHT);
  for (guint i = 0; i < all->len; i++)
    g_assert_cmpuint (
        all->data[i], ==, pixel (i / (WIDTH * HEIGHT), WIDTH - 1 - i % WIDTH, i / WIDTH % HEIGHT));
  g_byte_array_unref (all);

  all = pass ("clipaugment scale-min=0.3 scale-max=0.5 ratio-min=1 flip=0", TRUE);
  g_assert_cmpuint (all->len, ==, FRAMES * WIDTH * HEIGHT);
  for (guint i = 0; i < all->len; i++)
    g_assert_cmpuint (all->data[i] / 16, ==, i / (WIDTH * HEIGHT));
  g_byte_array_unref (all);
}

int
main (int argc, char **argv)
{
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/padded/clipbatch", test_clipbatch);
  g_test_add_func ("/padded/clipdiff", test_clipdiff);
  g_test_add_func ("/padded/clipaugment", test_clipaugment);
  ret = g_test_run ();
  gst_deinit ();

  return ret;
}
