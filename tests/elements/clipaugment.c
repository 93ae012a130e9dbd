/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "clips.h"

#define WIDTH 40
#define HEIGHT 24
#define CAPS "video/x-raw,width=40,height=24,framerate=25/1,format="

static GstHarness *
augmenter (const gchar *format, const gchar *properties)
{
  gchar *launch = g_strdup_printf ("clipaugment %s", properties);
  gchar *caps = g_strconcat (CAPS, format, NULL);
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_src_caps_str (h, caps);
  g_free (caps);
  g_free (launch);

  return h;
}

/* A frame whose pixels encode their position: red grows to the right by 5, green downwards by 10,
 * blue is the frame's number. Grey: 5 to the right. */
static GstBuffer *
frame_new (guint channels, const GstClipMeta *clip, guint64 frame)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT * channels, NULL);
  GstMapInfo map;
  guint x, y;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (y = 0; y < HEIGHT; y++) {
    for (x = 0; x < WIDTH; x++) {
      guint8 *p = map.data + (y * WIDTH + x) * channels;

      p[0] = 5 * x;
      if (channels == 3) {
        p[1] = 10 * y;
        p[2] = frame;
      }
    }
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = frame * CLIPS_FRAME;
  if (clip)
    gst_buffer_add_clip_meta (buffer, clip)->frame = frame;

  return buffer;
}

/* Pushes a frame and returns the pixels that come out. */
static guint8 *
through (GstHarness *h, guint channels, const GstClipMeta *clip, guint64 frame)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new (channels, clip, frame));
  guint8 *bytes = g_malloc (WIDTH * HEIGHT * channels);
  GstClipMeta *meta;

  g_assert_nonnull (out);
  g_assert_cmpuint (gst_buffer_get_size (out), ==, WIDTH * HEIGHT * channels);
  gst_buffer_extract (out, 0, bytes, WIDTH * HEIGHT * channels);
  meta = gst_buffer_get_clip_meta (out);
  g_assert_true ((meta != NULL) == (clip != NULL));
  if (clip) {
    g_assert_cmpuint (meta->sample, ==, clip->sample);
    g_assert_cmpuint (meta->frame, ==, frame);
  }
  g_assert_cmpuint (GST_BUFFER_PTS (out), ==, frame * CLIPS_FRAME);
  gst_buffer_unref (out);

  return bytes;
}

/* Source positions of the crop's corners, in pixels; in a mirrored crop left is greater than
 * right. */
typedef struct {
  gdouble left, right, top, bottom;
} Crop;

static Crop
crop_of (const guint8 *rgb)
{
  const guint8 *last = rgb + (WIDTH * HEIGHT - 1) * 3;
  Crop crop = { rgb[0] / 5.0, last[0] / 5.0, rgb[1] / 10.0, last[1] / 10.0 };

  return crop;
}

static void
test_validation_untouched (void)
{
  GstHarness *h = augmenter ("RGB", "flip=1 brightness=1 contrast=1");
  GstClipMeta clip = { .clip = 4, .sample = 2, .num_frames = 2 };
  GstBuffer *in = frame_new (3, &clip, 0), *out;

  gst_buffer_ref (in);
  out = gst_harness_push_and_pull (h, in);
  /* the frame itself, not a copy of it */
  g_assert_true (out == in);
  gst_buffer_unref (in);
  gst_buffer_unref (out);

  /* nor is a frame without a clip changed */
  in = gst_buffer_ref (frame_new (3, NULL, 0));
  out = gst_harness_push_and_pull (h, in);
  g_assert_true (out == in);
  gst_buffer_unref (in);
  gst_buffer_unref (out);

  /* a training frame is */
  clip.training = TRUE;
  in = gst_buffer_ref (frame_new (3, &clip, 0));
  out = gst_harness_push_and_pull (h, in);
  g_assert_true (out != in);
  gst_buffer_unref (in);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* All frames of a clip get the same augmentation; other clips, epochs and seeds get others. */
static void
test_one_draw (void)
{
  guint8 *first[2][2][8];
  guint seed, epoch, sample, i, same = 0;

  for (seed = 0; seed < 2; seed++) {
    gchar *properties =
        g_strdup_printf ("scale-min=0.2 brightness=0.5 contrast=0.5 saturation=0.5 seed=%u", seed);
    GstHarness *h = augmenter ("RGB", properties);

    for (epoch = 0; epoch < 2; epoch++) {
      for (sample = 0; sample < 8; sample++) {
        GstClipMeta clip = { .clip = epoch * 8 + sample,
          .sample = sample,
          .epoch = epoch,
          .training = TRUE,
          .num_frames = 3 };
        guint8 *bytes[3];

        /* pushes the output of the second again, for comparison */
        bytes[0] = through (h, 3, &clip, 7);
        bytes[1] = through (h, 3, &clip, 90);
        bytes[2] = through (h, 3, &clip, 90);
        g_assert_cmpmem (bytes[1], WIDTH * HEIGHT * 3, bytes[2], WIDTH * HEIGHT * 3);
        g_assert_cmpint (memcmp (bytes[0], bytes[1], WIDTH * HEIGHT * 3), !=, 0);
        g_free (bytes[1]);
        g_free (bytes[2]);
        first[seed][epoch][sample] = bytes[0];
      }
    }
    gst_harness_teardown (h);

    /* in another order and from another element: the same bytes */
    h = augmenter ("RGB", properties);
    for (i = 16; i-- > 0;) {
      GstClipMeta clip = {
        .clip = 100 - i, .sample = i % 8, .epoch = i / 8, .training = TRUE, .num_frames = 3
      };
      guint8 *bytes = through (h, 3, &clip, 7);

      g_assert_cmpmem (bytes, WIDTH * HEIGHT * 3, first[seed][i / 8][i % 8], WIDTH * HEIGHT * 3);
      g_free (bytes);
    }
    gst_harness_teardown (h);
    g_free (properties);
  }

  for (sample = 0; sample < 8; sample++) {
    const gsize size = WIDTH * HEIGHT * 3;

    same += !memcmp (first[0][0][sample], first[0][1][sample], size);
    same += !memcmp (first[0][0][sample], first[1][0][sample], size);
    same += !memcmp (first[0][0][sample], first[0][0][(sample + 1) % 8], size);
  }
  g_assert_cmpuint (same, ==, 0);
  for (i = 0; i < 32; i++)
    g_free (first[i / 16][i / 8 % 2][i % 8]);
}

/* Crops lie within the frame, have the requested sizes, and are scaled linearly: the middle between
 * two corners comes from between them. */
static void
test_crop (void)
{
  GstHarness *h = augmenter ("RGB", "scale-min=0.25 scale-max=0.5 ratio-min=0.8 ratio-max=1.25");
  GstClipMeta clip = { .training = TRUE, .num_frames = 1 };
  guint mirrored = 0, y, x;
  gdouble smallest = 1, largest = 0;

  for (clip.sample = 0; clip.sample < 300; clip.sample++) {
    guint8 *bytes;
    Crop crop;
    gdouble w, height, area;

    clip.clip = clip.sample;
    bytes = through (h, 3, &clip, 9);
    crop = crop_of (bytes);
    mirrored += crop.left > crop.right;
    /* corners are the centres of pixels: half a pixel is missing on each side, before scaling */
    w = fabs (crop.right - crop.left) + 1;
    height = crop.bottom - crop.top + 1;
    area = w * height / (WIDTH * HEIGHT);
    smallest = MIN (smallest, area);
    largest = MAX (largest, area);
    g_assert_cmpfloat (w / height, >, 0.8 * 0.88);
    g_assert_cmpfloat (w / height, <, 1.25 * 1.12);
    for (y = 0; y < HEIGHT; y++) {
      for (x = 0; x < WIDTH; x++) {
        const guint8 *p = bytes + (y * WIDTH + x) * 3;
        const gdouble at = (x + 0.5) / WIDTH * w - 0.5;
        const gdouble red = crop.left < crop.right ? crop.left + CLAMP (at, 0, w - 1)
                                                   : crop.left - CLAMP (at, 0, w - 1);
        const gdouble green = crop.top + CLAMP ((y + 0.5) / HEIGHT * height - 0.5, 0, height - 1);

        g_assert_cmpfloat (fabs (p[0] - 5 * red), <, 4);
        g_assert_cmpfloat (fabs (p[1] - 10 * green), <, 4);
        g_assert_cmpuint (p[2], ==, 9);
      }
    }
    g_free (bytes);
  }
  /* 300 throws of a fair coin; the bounds are far beyond chance */
  g_assert_cmpuint (mirrored, >, 100);
  g_assert_cmpuint (mirrored, <, 200);
  g_assert_cmpfloat (smallest, >, 0.22);
  g_assert_cmpfloat (smallest, <, 0.28);
  g_assert_cmpfloat (largest, >, 0.46);
  g_assert_cmpfloat (largest, <, 0.54);
  gst_harness_teardown (h);
}

/* If no crop has the requested ratio, the central crop with the nearest ratio that fits is used. */
static void
test_crop_does_not_fit (void)
{
  GstHarness *h = augmenter ("RGB", "scale-min=0.99 ratio-min=1 ratio-max=1 flip=0");
  GstClipMeta clip = { .training = TRUE, .num_frames = 1 };
  guint8 *bytes = through (h, 3, &clip, 0);
  Crop crop = crop_of (bytes);

  g_assert_cmpfloat (fabs (crop.left - (WIDTH - HEIGHT) / 2), <, 0.5);
  g_assert_cmpfloat (fabs (crop.right - ((WIDTH + HEIGHT) / 2 - 1)), <, 0.5);
  g_assert_cmpfloat (crop.top, ==, 0);
  g_assert_cmpfloat (crop.bottom, ==, HEIGHT - 1);
  g_free (bytes);
  gst_harness_teardown (h);
}

static void
test_flip (gconstpointer format)
{
  const guint channels = g_str_equal (format, "RGB") ? 3 : 1;
  GstHarness *h = augmenter (format, "scale-min=1 flip=1");
  GstClipMeta clip = { .training = TRUE, .num_frames = 1 };
  guint8 *bytes = through (h, channels, &clip, 3);
  GstBuffer *original = frame_new (channels, NULL, 3);
  GstMapInfo map;
  guint x, y;

  gst_buffer_map (original, &map, GST_MAP_READ);
  for (y = 0; y < HEIGHT; y++) {
    for (x = 0; x < WIDTH; x++)
      g_assert_cmpmem (bytes + (y * WIDTH + x) * channels, channels,
          map.data + (y * WIDTH + WIDTH - 1 - x) * channels, channels);
  }
  gst_buffer_unmap (original, &map);
  gst_buffer_unref (original);
  g_free (bytes);
  gst_harness_teardown (h);
}

/* Each colour adjustment alone: the output shows the factor, which is in range and the same for all
 * pixels. */
static void
test_colours (gconstpointer name)
{
  gchar *properties = g_strdup_printf ("scale-min=1 flip=0 %s=0.4", (const gchar *) name);
  GstHarness *h = augmenter ("RGB", properties);
  GstClipMeta clip = { .training = TRUE, .num_frames = 1 };
  gdouble least = 2, most = 0;

  for (clip.sample = 0; clip.sample < 60; clip.sample++) {
    guint8 *bytes;
    gdouble factor = 0, mean = 0;
    guint x, y, c, pass;

    clip.clip = clip.sample;
    bytes = through (h, 3, &clip, 120);
    for (pass = 0; pass < 2; pass++) {
      for (y = 0; y < HEIGHT; y++) {
        for (x = 0; x < WIDTH; x++) {
          const gdouble in[3] = { 5 * x, 10 * y, 120 };
          const gdouble grey = 0.299 * in[0] + 0.587 * in[1] + 0.114 * in[2];
          const guint8 *out = bytes + (y * WIDTH + x) * 3;

          if (pass == 0) {
            mean += grey / (WIDTH * HEIGHT);
            continue;
          }
          for (c = 0; c < 3; c++) {
            const gdouble towards = g_str_equal (name, "brightness") ? 0
                : g_str_equal (name, "contrast")                     ? mean
                                                                     : grey;
            const gdouble wanted = towards + factor * (in[c] - towards);

            g_assert_cmpfloat (fabs (out[c] - CLAMP (wanted, 0, 255)), <, 2.5);
          }
        }
      }
      /* measured at a pixel that is dark in one channel and bright in another, where nothing is
       * clipped */
      if (pass == 0) {
        const guint8 *out = bytes + ((HEIGHT - 8) * WIDTH + 10) * 3;

        factor = g_str_equal (name, "brightness") ? out[1] / 160.0 : (out[1] - out[0]) / 110.0;
      }
    }
    least = MIN (least, factor);
    most = MAX (most, factor);
    g_free (bytes);
  }
  g_assert_cmpfloat (least, >, 0.58);
  g_assert_cmpfloat (least, <, 0.7);
  g_assert_cmpfloat (most, >, 1.3);
  g_assert_cmpfloat (most, <, 1.42);
  gst_harness_teardown (h);
  g_free (properties);
}

/* Contradictory properties are an error before the pipeline plays. */
static void
test_refused (gconstpointer properties)
{
  gchar *launch = g_strdup_printf (
      "videotestsrc num-buffers=1 ! clipaugment %s ! fakesink", (const gchar *) properties);
  GstElement *pipeline = gst_parse_launch (launch, NULL);
  GstBus *bus = gst_element_get_bus (pipeline);

  g_assert_cmpint (
      gst_element_set_state (pipeline, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_FAILURE);
  clips_assert_error (bus,
      strstr (properties, "scale") ? "scale-min=0.8 is larger than scale-max=0.3"
                                   : "ratio-min=2 is larger than ratio-max=1.3");
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_free (launch);
}

/* The frame size changes: the next frame's crop has the new size. */
static void
test_new_size (void)
{
  GstHarness *h = augmenter ("GRAY8", "scale-min=0.3 scale-max=0.3");
  GstClipMeta clip = { .training = TRUE, .num_frames = 2 };
  GstBuffer *buffer;

  g_free (through (h, 1, &clip, 0));
  gst_harness_set_src_caps_str (h, "video/x-raw,format=GRAY8,width=8,height=8,framerate=25/1");
  buffer = gst_buffer_new_allocate (NULL, 64, NULL);
  gst_buffer_memset (buffer, 0, 77, 64);
  gst_buffer_add_clip_meta (buffer, &clip)->frame = 1;
  buffer = gst_harness_push_and_pull (h, buffer);
  g_assert_cmpuint (gst_buffer_get_size (buffer), ==, 64);
  g_assert_cmpint (gst_buffer_memcmp (buffer, 63, "M", 1), ==, 0);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  gint ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/clipaugment/validation-untouched", test_validation_untouched);
  g_test_add_func ("/clipaugment/one-draw", test_one_draw);
  g_test_add_func ("/clipaugment/crop", test_crop);
  g_test_add_func ("/clipaugment/crop-does-not-fit", test_crop_does_not_fit);
  g_test_add_data_func ("/clipaugment/flip/rgb", "RGB", test_flip);
  g_test_add_data_func ("/clipaugment/flip/grey", "GRAY8", test_flip);
  g_test_add_data_func ("/clipaugment/brightness", "brightness", test_colours);
  g_test_add_data_func ("/clipaugment/contrast", "contrast", test_colours);
  g_test_add_data_func ("/clipaugment/saturation", "saturation", test_colours);
  g_test_add_data_func ("/clipaugment/refused/scale", "scale-min=0.8 scale-max=0.3", test_refused);
  g_test_add_data_func ("/clipaugment/refused/ratio", "ratio-min=2", test_refused);
  g_test_add_func ("/clipaugment/new-size", test_new_size);

  ret = g_test_run ();
  gst_deinit ();

  return ret;
}
