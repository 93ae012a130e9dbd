/* clipkpt.c: key points on frames, and their path into batches.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "../unit/npyfile.h"
#include "clips.h"
#include "gstclipkptmeta.h"

#define RGB "video/x-raw,format=RGB,width=16,height=8,framerate=25/1"
#define FRAMES 6
#define POINTS 3

static gchar *dir;
static GstBus *bus;

/* (FRAMES, 1, POINTS, 3) in pixels of a 160x80 picture: the frame's number in x, the point's in
 * y */
static gchar *
write_points (const gchar *name, guint points)
{
  gchar *path = g_build_filename (dir, name, NULL);
  gchar *shape = g_strdup_printf ("(%d, 1, %u, 3)", FRAMES, points);
  gfloat *values = g_new (gfloat, FRAMES * points * 3);

  for (guint t = 0; t < FRAMES; t++)
    for (guint k = 0; k < points; k++) {
      values[3 * (t * points + k)] = 16 * (t + 1);
      values[3 * (t * points + k) + 1] = 8 * k;
      values[3 * (t * points + k) + 2] = 0.5f + 0.125f * k;
    }
  npy_write (path, 1, "'<f4'", "False", shape, values, sizeof (gfloat) * FRAMES * points * 3);
  g_free (values);
  g_free (shape);

  return path;
}

static GstHarness *
line_of (const gchar *launch)
{
  GstHarness *h = gst_harness_new_parse (launch);

  bus = gst_bus_new ();
  gst_element_set_bus (h->element, bus);
  gst_harness_set_src_caps_str (h, RGB);

  return h;
}

static void
teardown (GstHarness *h)
{
  gst_element_set_bus (h->element, NULL);
  gst_clear_object (&bus);
  gst_harness_teardown (h);
}

static void
assert_error (const gchar *part)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  GError *error;

  g_assert_nonnull (message);
  gst_message_parse_error (message, &error, NULL);
  if (!strstr (error->message, part))
    g_error ("\"%s\" instead of \"%s\"", error->message, part);
  g_error_free (error);
  gst_message_unref (message);
}

/* For a file of FRAMES frames. */
static GstClipMeta
clip_of (guint64 number, const gchar *keypoints)
{
  return (GstClipMeta) { .clip = number,
    .sample = number,
    .training = TRUE,
    .num_frames = 2,
    .keypoints = keypoints ? g_ref_string_new (keypoints) : NULL,
    .file_frames = FRAMES,
    .last_frame = FRAMES - 1,
    .end = INFINITY,
    .width = 160,
    .height = 80,
    .par_n = 1,
    .par_d = 1 };
}

static void
clear_clip (GstClipMeta *clip)
{
  g_clear_pointer (&clip->keypoints, g_ref_string_release);
}

static GstBuffer *
frame_of (const GstClipMeta *clip, guint frame, guint file_frame)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 16 * 8 * 3, NULL);
  GstClipMeta *meta;

  gst_buffer_memset (buffer, 0, 50 * frame, -1);
  GST_BUFFER_PTS (buffer) = frame * CLIPS_FRAME;
  if (clip) {
    meta = gst_buffer_add_clip_meta (buffer, clip);
    meta->frame = frame;
    meta->file_frame = file_frame;
    meta->file_time = file_frame * CLIPS_FRAME;
  }

  return buffer;
}

static void
assert_point (const gfloat *point, gdouble x, gdouble y, gdouble score)
{
  g_assert_cmpfloat_with_epsilon (point[0], x, 1e-6);
  g_assert_cmpfloat_with_epsilon (point[1], y, 1e-6);
  g_assert_cmpfloat_with_epsilon (point[2], score, 1e-6);
}

/* A frame gets the points of its number in the file, not of its number in the clip; it is passed
 * on, not copied. */
static void
test_frames (void)
{
  static const guint file_frames[] = { 4, 4, 1, 0, 5 };
  gchar *path = write_points ("three.npy", POINTS);
  GstHarness *h = line_of ("clipkpt skeleton=custom:3 pairs=0-2");
  GstClipMeta clip = clip_of (0, path);

  for (guint i = 0; i < G_N_ELEMENTS (file_frames); i++) {
    GstBuffer *in = frame_of (&clip, i, file_frames[i]), *out;
    GstClipKptMeta *meta;

    out = gst_harness_push_and_pull (h, in);
    g_assert_true (out == in);
    meta = gst_buffer_get_clip_kpt_meta (out);
    g_assert_nonnull (meta);
    g_assert_cmpuint (meta->persons, ==, 2);
    g_assert_cmpuint (meta->points, ==, POINTS);
    g_assert_cmpstr (meta->skeleton, ==, "custom:3");
    g_assert_cmpstr (meta->pairs, ==, "0-2");
    for (guint k = 0; k < POINTS; k++) {
      assert_point (meta->values + 3 * k, 0.1 * (file_frames[i] + 1), 0.1 * k, 0.5 + 0.125 * k);
      assert_point (meta->values + 3 * (POINTS + k), 0, 0, 0);
    }
    gst_buffer_unref (out);
  }
  clear_clip (&clip);
  teardown (h);
  g_free (path);
}

/* A shared buffer is not modified, nor are its pixels copied. */
static void
test_shared (void)
{
  gchar *path = write_points ("three.npy", POINTS);
  GstHarness *h = line_of ("clipkpt skeleton=custom:3");
  GstClipMeta clip = clip_of (0, path);
  GstBuffer *in = frame_of (&clip, 0, 0), *out;

  gst_buffer_ref (in);
  out = gst_harness_push_and_pull (h, in);
  g_assert_true (out != in);
  g_assert_null (gst_buffer_get_clip_kpt_meta (in));
  g_assert_nonnull (gst_buffer_get_clip_kpt_meta (out));
  g_assert_true (gst_buffer_peek_memory (in, 0) == gst_buffer_peek_memory (out, 0));
  gst_buffer_unref (in);
  gst_buffer_unref (out);
  clear_clip (&clip);
  teardown (h);
  g_free (path);
}

/* A frame's pixel */
static void
assert_pixel (GstBuffer *buffer, guint x, guint y, guint red, guint green, guint blue)
{
  const guint wanted[] = { red, green, blue };
  guint8 pixel[3];

  gst_buffer_extract (buffer, 3 * (16 * y + x), pixel, 3);
  for (guint c = 0; c < 3; c++)
    g_assert_cmpuint (pixel[c], ==, wanted[c]);
}

/* Points are painted over the frame, a shared one's stays as it is; what is missing and what is far
 * from a point is as it was. Settings that contradict, and other formats, are errors. */
static void
test_draw (void)
{
  gchar *path = write_points ("three.npy", POINTS);
  GstHarness *h = line_of ("clipkpt skeleton=custom:3 draw=true");
  GstClipMeta clip = clip_of (0, path);
  GstBuffer *in = frame_of (&clip, 1, 4), *out;

  /* points at x = 0.5 * 16, y = 0, 0.8 and 1.6 */
  gst_buffer_ref (in);
  out = gst_harness_push_and_pull (h, in);
  assert_pixel (out, 8, 0, 255, 225, 25);
  assert_pixel (out, 7, 1, 255, 225, 25);
  assert_pixel (out, 8, 7, 50, 50, 50);
  assert_pixel (out, 0, 0, 50, 50, 50);
  assert_pixel (in, 8, 0, 50, 50, 50);
  gst_buffer_unref (in);
  gst_buffer_unref (out);

  in = frame_of (&clip, 2, 4);
  gst_buffer_resize (in, 0, 3);
  g_assert_cmpint (gst_harness_push (h, in), ==, GST_FLOW_ERROR);
  assert_error ("the frame's memory could not be mapped");
  clip.clip = 1;
  g_object_set (clips_element (h, "clipkpt"), "compact", TRUE, NULL);
  g_assert_cmpint (gst_harness_push (h, frame_of (&clip, 0, 0)), ==, GST_FLOW_ERROR);
  assert_error ("leave out one of them");
  teardown (h);

  h = line_of ("clipkpt skeleton=custom:3 draw=true");
  gst_harness_set_src_caps_str (h, "video/x-raw,format=BGR,width=16,height=8,framerate=25/1");
  g_assert_cmpint (gst_harness_push (h, frame_of (&clip, 0, 0)), ==, GST_FLOW_ERROR);
  assert_error ("draw needs RGB frames");
  teardown (h);

  /* a frame of a third of the bytes */
  h = line_of ("clipkpt skeleton=custom:3 draw=true");
  gst_buffer_unref (gst_harness_push_and_pull (h, frame_of (&clip, 0, 0)));
  gst_harness_set_src_caps_str (h, "video/x-raw,format=GRAY8,width=16,height=8,framerate=25/1");
  g_assert_cmpint (gst_harness_push (h, frame_of (&clip, 1, 0)), ==, GST_FLOW_ERROR);
  assert_error ("draw needs RGB frames");
  clear_clip (&clip);
  teardown (h);
  g_free (path);
}

/* A changed file is read again; changed settings apply from the next clip on. */
static void
test_changes (void)
{
  gchar *path = write_points ("changing.npy", POINTS);
  GstHarness *h = line_of ("clipkpt skeleton=custom:3");
  GstClipMeta clip = clip_of (0, path);
  GstElement *element = clips_element (h, "clipkpt");

  for (guint i = 0; i < 3; i++) {
    GstBuffer *out;

    clip.clip = i;
    if (i == 1)
      g_object_set (element, "persons", 1, NULL);
    if (i == 2) {
      g_unlink (path);
      g_free (write_points ("changing.npy", 4));
      g_object_set (element, "skeleton", "auto", NULL);
    }
    if (i == 2) {
      g_assert_cmpint (gst_harness_push (h, frame_of (&clip, 0, 0)), ==, GST_FLOW_ERROR);
      assert_error ("no known skeleton has 4 points");
      break;
    }
    out = gst_harness_push_and_pull (h, frame_of (&clip, 0, 0));
    g_assert_cmpuint (gst_buffer_get_clip_kpt_meta (out)->persons, ==, i ? 1 : 2);
    gst_buffer_unref (out);
  }
  clear_clip (&clip);
  teardown (h);
  g_free (path);
}

/* Scaling keeps the places, mirroring swaps left and right, a crop removes points. */
static void
test_transforms (void)
{
  gchar *path = write_points ("three.npy", POINTS);
  GstHarness *h = line_of ("clipkpt skeleton=custom:3 pairs=0-2 ! clipaugment scale-min=1 "
                           "ratio-min=1 ratio-max=1 flip=1 "
                           "! videoconvertscale ! video/x-raw,width=8,height=8 ! clipdiff");
  GstClipMeta clip = clip_of (0, path);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_of (&clip, 0, 2));
  GstClipKptMeta *meta = gst_buffer_get_clip_kpt_meta (out);

  g_assert_nonnull (meta);
  assert_point (meta->values, 0.7, 0.2, 0.75);
  assert_point (meta->values + 3, 0.7, 0.1, 0.625);
  assert_point (meta->values + 6, 0.7, 0, 0.5);
  /* missing points stay missing */
  assert_point (meta->values + 9, 0, 0, 0);
  out = gst_buffer_make_writable (out);
  meta = gst_buffer_get_clip_kpt_meta (out);
  gst_clip_kpt_meta_crop (meta, 0.5, 0.1, 0.25, 0.5);
  assert_point (meta->values, 0.8, 0.2, 0.75);
  assert_point (meta->values + 3, 0.8, 0, 0.625);
  assert_point (meta->values + 6, 0, 0, 0);
  gst_buffer_unref (out);
  clear_clip (&clip);
  teardown (h);
  g_free (path);
}

/* (T, M, K, 3) floats after frames and labels, with caps and an event that announce them. */
static void
test_batch (void)
{
  static const guint file_frames[] = { 3, 1, 0, 5, 2, 4 };
  gchar *path = write_points ("three.npy", POINTS);
  GstHarness *h =
      line_of ("clipkpt skeleton=custom:3 pairs=0-2 coordinates=pixels ! clipbatch batch-size=2");
  guint events = 0, batches = 0;

  for (guint c = 0; c < 3; c++) {
    GstClipMeta clip = clip_of (c, path);

    for (guint i = 0; i < 2; i++)
      g_assert_cmpint (
          gst_harness_push (h, frame_of (&clip, i, file_frames[2 * c + i])), ==, GST_FLOW_OK);
    clear_clip (&clip);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  for (guint b = 0; b < 2; b++) {
    const guint n = b ? 1 : 2;
    GstBuffer *batch = gst_harness_pull (h);
    GstMapInfo map;

    g_assert_cmpuint (gst_buffer_n_memory (batch), ==, 3);
    g_assert_cmpuint (gst_buffer_peek_memory (batch, 0)->size, ==, n * 2 * 16 * 8 * 3);
    gst_memory_map (gst_buffer_peek_memory (batch, 2), &map, GST_MAP_READ);
    g_assert_cmpuint (map.size, ==, n * 2 * 2 * POINTS * 3 * sizeof (gfloat));
    g_assert_cmpuint (GPOINTER_TO_SIZE (map.data) % 64, ==, 0);
    for (guint i = 0; i < 2 * n; i++)
      for (guint k = 0; k < POINTS; k++)
        assert_point ((gfloat *) map.data + 3 * (2 * i * POINTS + k),
            0.1 * (file_frames[4 * b + i] + 1), 0.1 * k, 0.5 + 0.125 * k);
    gst_memory_unmap (gst_buffer_peek_memory (batch, 2), &map);
    gst_buffer_unref (batch);
  }
  for (GstEvent *event; (event = gst_harness_try_pull_event (h));) {
    GstClipKeypoints keypoints;

    if (gst_event_parse_clip_keypoints (event, &keypoints)) {
      events++;
      g_assert_cmpstr (keypoints.skeleton, ==, "custom:3");
      g_assert_cmpstr (keypoints.pairs, ==, "0-2");
      g_assert_cmpuint (keypoints.points, ==, POINTS);
      g_assert_cmpuint (keypoints.persons, ==, 2);
      g_assert_false (keypoints.compact);
      g_assert_cmpstr (keypoints.coordinates, ==, "pixels");
      g_assert_cmpuint (keypoints.first_frame, ==, 0);
    } else if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
      GstCaps *caps;
      const gchar *dimensions;

      /* the skeleton is announced before the caps */
      g_assert_cmpuint (events, ==, 1);
      gst_event_parse_caps (event, &caps);
      dimensions = gst_structure_get_string (gst_caps_get_structure (caps, 0), "dimensions");
      g_assert_cmpstr (
          dimensions, ==, batches++ ? "3:16:8:2:1.1.3:3:2:2:1" : "3:16:8:2:2.2.3:3:2:2:2");
      g_assert_cmpstr (gst_structure_get_string (gst_caps_get_structure (caps, 0), "types"), ==,
          "uint8.int32.float32");
    }
    gst_event_unref (event);
  }
  g_assert_cmpuint (events, ==, 1);
  g_assert_cmpuint (batches, ==, 2);
  teardown (h);
  g_free (path);
}

/* The event has what the frames' metas say of the files. */
static void
test_event (void)
{
  gchar *path = write_points ("three.npy", POINTS);
  GstHarness *h = line_of ("clipkpt skeleton=custom:3 first-frame=1 ! clipbatch batch-size=1");
  GstClipMeta clip = clip_of (0, path);
  GstClipKeypoints keypoints = { NULL };

  /* each frame has the points of the next row, by its number there */
  for (guint i = 0; i < 2; i++)
    g_assert_cmpint (gst_harness_push (h, frame_of (&clip, i, i)), ==, GST_FLOW_OK);
  for (GstEvent *event; !keypoints.points && (event = gst_harness_try_pull_event (h));) {
    if (gst_event_parse_clip_keypoints (event, &keypoints)) {
      g_assert_cmpstr (keypoints.coordinates, ==, "auto");
      g_assert_cmpuint (keypoints.first_frame, ==, 1);
    }
    gst_event_unref (event);
  }
  g_assert_cmpuint (keypoints.points, ==, POINTS);
  clear_clip (&clip);
  teardown (h);
  g_free (path);
}

/* The first clip's length is not announced: its points are kept until it is known. */
static void
test_unsized (void)
{
  gchar *path = write_points ("three.npy", POINTS);
  GstHarness *h = line_of ("clipkpt skeleton=custom:3 persons=1 ! clipbatch batch-size=1");

  for (guint c = 0; c < 2; c++) {
    GstClipMeta clip = clip_of (c, path);

    clip.num_frames = 0;
    for (guint i = 0; i < 3; i++)
      g_assert_cmpint (gst_harness_push (h, frame_of (&clip, i, i + c)), ==, GST_FLOW_OK);
    clear_clip (&clip);
  }
  gst_harness_push_event (h, gst_event_new_eos ());
  for (guint c = 0; c < 2; c++) {
    GstBuffer *batch = gst_harness_pull (h);
    GstMapInfo map;

    g_assert_cmpuint (gst_buffer_n_memory (batch), ==, 3);
    gst_memory_map (gst_buffer_peek_memory (batch, 2), &map, GST_MAP_READ);
    g_assert_cmpuint (map.size, ==, 3 * POINTS * 3 * sizeof (gfloat));
    for (guint i = 0; i < 3; i++)
      assert_point ((gfloat *) map.data + 3 * POINTS * i, 0.1 * (i + c + 1), 0, 0.5);
    gst_memory_unmap (gst_buffer_peek_memory (batch, 2), &map);
    gst_buffer_unref (batch);
  }
  teardown (h);
  g_free (path);
}

/* A clip of one frame with this many points; 0: none. */
static GstBuffer *
frame_with (guint64 number, guint points)
{
  GstClipMeta clip = clip_of (number, NULL);
  GstBuffer *frame;
  GstClipKptMeta kpt = { .persons = 2, .points = points };

  clip.num_frames = 1;
  frame = frame_of (&clip, 0, 0);
  if (!points)
    return frame;
  kpt.skeleton = g_ref_string_new (points == 17 ? "coco17" : "custom:3");
  kpt.pairs = g_ref_string_new ("");
  gst_buffer_add_clip_kpt_meta (frame, &kpt);
  g_ref_string_release (kpt.skeleton);
  g_ref_string_release (kpt.pairs);

  return frame;
}

/* Frames with other key points than earlier ones, or without any, do not fit into a batch. */
static void
test_mixed (void)
{
  static const struct {
    guint first, second;
    const gchar *reason;
  } cases[] = {
    { 3, 17,
        "Frame 0 of clip 1 ((no file)) has 2 persons of skeleton coco17 (17 points), but the "
        "frames before it 2 of custom:3 (3 points): set `skeleton` of clipkpt, and do not change "
        "its settings." },
    { 3, 0, "has no key points, but the frames before it have some: an element after clipkpt" },
    { 0, 3, "has key points, but the frames before it have none: an element after clipkpt lost" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = line_of ("clipbatch batch-size=2");

    g_assert_cmpint (gst_harness_push (h, frame_with (0, cases[i].first)), ==, GST_FLOW_OK);
    g_assert_cmpint (gst_harness_push (h, frame_with (1, cases[i].second)), ==, GST_FLOW_ERROR);
    assert_error (cases[i].reason);
    teardown (h);
  }
}

static void
test_errors (void)
{
  static const struct {
    const gchar *line, *reason;
  } cases[] = {
    { "clipkpt", "key points /nowhere/at all: No such file" },
    { "clipaugment ! clipkpt", "clipaugment is before clipkpt" },
    { "videocrop ! clipkpt", "videocrop is before clipkpt" },
    { "clipkpt ! clipcache", "clipcache is after clipkpt" },
    { "clipkpt ! videoflip",
        "videoflip is after clipkpt and moves pictures without their key points" },
  };
  GstClipMeta clip = clip_of (0, "/nowhere/at all");
  GstHarness *h = line_of ("clipkpt");

  g_assert_cmpint (gst_harness_push (h, frame_of (NULL, 0, 0)), ==, GST_FLOW_ERROR);
  assert_error ("The frames belong to no clip: put clipkpt into clipsrc's clip-bin");
  teardown (h);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    h = line_of (cases[i].line);
    g_assert_cmpint (gst_harness_push (h, frame_of (&clip, 0, 0)), !=, GST_FLOW_OK);
    assert_error (cases[i].reason);
    teardown (h);
  }
  clip.file_frames = 0;
  h = line_of ("clipkpt");
  g_assert_cmpint (gst_harness_push (h, frame_of (&clip, 0, 0)), ==, GST_FLOW_ERROR);
  assert_error ("The frames' numbers in their file are lost");
  teardown (h);
  clear_clip (&clip);
  h = line_of ("clipkpt");
  g_assert_cmpint (gst_harness_push (h, frame_of (&clip, 0, 0)), ==, GST_FLOW_ERROR);
  assert_error ("the clip has no key points");
  teardown (h);
}

static void
test_pattern (void)
{
  GstElement *element = gst_element_factory_make ("clipsrc", NULL);

  bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  g_object_set (element, "location", dir, "keypoints-pattern", "{dir}/{path}.npy", NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  assert_error (
      "keypoints-pattern: {path} is not one of {stem}, {name}, {dir}, {label}, {group} and {view}");
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_clear_object (&bus);
  gst_object_unref (element);
}

static void
test_settings (void)
{
  static const struct {
    const gchar *skeleton, *pairs, *reason;
  } cases[] = {
    { "coco18", NULL, "skeleton \"coco18\" is unknown" },
    { "custom:3", "0-3", "pairs \"0-3\" is not a list of pairs" },
    { "auto", "0-1", "pairs are given, but skeleton is auto" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstElement *element = gst_element_factory_make ("clipkpt", NULL);

    bus = gst_bus_new ();
    gst_element_set_bus (element, bus);
    g_object_set (element, "skeleton", cases[i].skeleton, "pairs", cases[i].pairs, NULL);
    g_assert_cmpint (
        gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    assert_error (cases[i].reason);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_clear_object (&bus);
    gst_object_unref (element);
  }
}

int
main (int argc, char **argv)
{
  static const gchar *const names[] = { "three.npy", "changing.npy" };
  int result;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  dir = g_dir_make_tmp ("cnn3d-clipkpt-XXXXXX", NULL);
  g_test_add_func ("/clipkpt/frames", test_frames);
  g_test_add_func ("/clipkpt/shared", test_shared);
  g_test_add_func ("/clipkpt/draw", test_draw);
  g_test_add_func ("/clipkpt/changes", test_changes);
  g_test_add_func ("/clipkpt/transforms", test_transforms);
  g_test_add_func ("/clipkpt/batch", test_batch);
  g_test_add_func ("/clipkpt/event", test_event);
  g_test_add_func ("/clipkpt/unsized", test_unsized);
  g_test_add_func ("/clipkpt/mixed", test_mixed);
  g_test_add_func ("/clipkpt/errors", test_errors);
  g_test_add_func ("/clipkpt/pattern", test_pattern);
  g_test_add_func ("/clipkpt/settings", test_settings);
  result = g_test_run ();
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gchar *path = g_build_filename (dir, names[i], NULL);

    g_unlink (path);
    g_free (path);
  }
  g_rmdir (dir);
  g_free (dir);
  gst_deinit ();

  return result;
}
