/* cnn3dinfer-rate.c: models trained at a frame rate, and video at other rates.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferrig.h"

#define SIZE 32
#define BYTES (SIZE * SIZE * 3)
#define MOST 90
#define SQUARE "video/x-raw,format=RGB,width=32,height=32,framerate=0/1"

typedef struct {
  guint n;
  GstClockTime times[MOST], last; /* last: duration of the last frame */
  guint pictures[MOST];
} Video;

/* Pictures depend on the time only, in 30ths of a second. */
static Video
steady (guint fps)
{
  Video v = { .n = 3 * fps, .last = GST_SECOND / fps };

  for (guint i = 0; i < v.n; i++) {
    v.times[i] = 5 * GST_SECOND + i * GST_SECOND / fps;
    v.pictures[i] = i * 30 / fps;
  }

  return v;
}

/* Intervals from 3 to 130 ms. */
static Video
unsteady (GstClockTime gap)
{
  Video v = { .n = 50 };

  for (guint i = 1; i < v.n; i++) {
    v.times[i] = v.times[i - 1] + (3 + i * 53 % 128) * GST_MSECOND;
    if (i == 20)
      v.times[i] += gap;
    v.pictures[i] = i;
  }
  v.last = v.times[49] - v.times[48];

  return v;
}

static GstBuffer *
picture (guint n, GstClockTime time)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, BYTES, NULL);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  draw_frame (n, map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = time;

  return buffer;
}

static gchar *
model_at (guint interval, gint n, gint d)
{
  Spec spec = plain;

  spec.preparation = (Cnn3dPreparation) { "center", interval, "none", FALSE, 0, n, d };

  return write_model ("rate.safetensors", &spec);
}

/* The results of a video, as GstStructure. */
static GPtrArray *
infer (const gchar *model, const gchar *properties, const Video *v)
{
  GPtrArray *results = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);
  gchar *line = g_strconcat ("drop=false ", properties, NULL);
  Rig r = rig_new (model, line);
  GstMessage *message;

  gst_harness_set_src_caps_str (r.h, SQUARE);
  for (guint i = 0; i < v->n; i++) {
    GstBuffer *frame = picture (v->pictures[i], v->times[i]), *out;

    gst_harness_push (r.h, gst_buffer_ref (frame));
    out = gst_harness_try_pull (r.h);
    g_assert_nonnull (out);
    g_assert_true (gst_buffer_peek_memory (out, 0) == gst_buffer_peek_memory (frame, 0));
    gst_buffer_unref (out);
    /* nothing is held */
    g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (frame), ==, 1);
    gst_buffer_unref (frame);
  }
  gst_harness_push_event (r.h, gst_event_new_eos ());
  while ((message = pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-result", 0))) {
    g_ptr_array_add (results, gst_structure_copy (gst_message_get_structure (message)));
    gst_message_unref (message);
  }
  rig_free (&r);
  g_free (line);

  return results;
}

/* Frame k at the rate, by definition; -1: after the end of the video. */
static gint
nearest (const Video *v, guint k, gint n, gint d)
{
  const guint64 at = (k * GST_SECOND * d + n / 2) / n;
  const guint64 last = v->times[v->n - 1] - v->times[0];
  guint best = 0;

  if (at > last && k >= (guint) ((gdouble) (last + v->last) * n / d / GST_SECOND + 0.5))
    return -1;
  for (guint i = 1; i < v->n; i++)
    if (ABS ((gint64) (v->times[i] - v->times[0] - at))
        < ABS ((gint64) (v->times[best] - v->times[0] - at)))
      best = i;

  return best;
}

/* Every window has the frames nearest in time. */
static void
test_windows (void)
{
  static const struct {
    guint fps; /* 0: variable */
    GstClockTime gap;
    gint n, d;
    guint interval, stride;
  } cases[] = {
    { 30, 0, 15, 1, 1, 0 },
    { 10, 0, 15, 1, 1, 0 },
    { 25, 0, 15, 1, 3, 0 },
    { 30, 0, 15, 1, 3, 1 },
    { 10, 0, 15, 1, 4, 0 },
    { 10, 0, 30, 1, 2, 3 },
    { 30, 0, 30000, 1001, 1, 5 },
    { 30, 0, 10, 1, 2, 0 },
    { 10, 0, 50, 1, 1, 1 },
    { 30, 0, 7, 2, 1, 0 },
    { 0, 0, 15, 1, 1, 0 },
    { 0, 0, 15, 1, 3, 0 },
    { 0, 0, 15, 1, 5, 7 },
    { 0, 0, 12, 1, 2, 2 },
    { 0, GST_SECOND, 15, 1, 1, 2 },
    { 0, 9 * GST_SECOND, 15, 1, 1, 4 },
    /* a frame before a gap covers half of it, whether or not it is needed without the gap */
    { 0, GST_SECOND, 15, 1, 3, 0 },
    { 0, GST_SECOND, 15, 1, 7, 3 },
    { 0, 9 * GST_SECOND, 15, 1, 8, 0 },
    { 0, 300 * GST_MSECOND, 10, 1, 4, 0 },
    { 0, 2 * GST_SECOND, 5, 1, 3, 50 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gint n = cases[i].n, d = cases[i].d;
    const guint interval = cases[i].interval;
    const guint stride = cases[i].stride ? cases[i].stride : 4 * interval;
    gchar *model = model_at (interval, n, d);
    gchar *properties = g_strdup_printf ("stride=%u", cases[i].stride);
    const Video v = cases[i].fps ? steady (cases[i].fps) : unsteady (cases[i].gap);
    GPtrArray *results = infer (model, properties, &v);
    guint windows = 0;

    g_test_message ("case %u, %u results", i, results->len);
    for (guint at = 0; nearest (&v, at + 3 * interval, n, d) >= 0; at += stride, windows++) {
      const gint first = nearest (&v, at, n, d);
      const gint last = nearest (&v, at + 3 * interval, n, d);
      guint8 clip[4 * BYTES];
      const GstStructure *s;
      gdouble *wanted;

      for (guint k = 0; k < 4; k++)
        draw_frame (v.pictures[nearest (&v, at + k * interval, n, d)], clip + k * BYTES, BYTES);
      wanted = predict (model, clip, 1);
      g_assert_cmpuint (windows, <, results->len);
      s = g_ptr_array_index (results, windows);
      g_assert_cmpuint (number (s, "first-pts"), ==, v.times[first]);
      g_assert_cmpuint (number (s, "last-pts"), ==, v.times[last]);
      assert_probabilities (s, wanted);
      g_free (wanted);
    }
    g_assert_cmpuint (windows, >, 0);
    g_assert_cmpuint (results->len, ==, windows);
    g_ptr_array_unref (results);
    g_free (properties);
    g_free (model);
  }
}

/* At 30 and at 10 frames a second the same moments are used. */
static void
test_same_motion (void)
{
  gchar *model = model_at (2, 10, 1);
  const Video fast = steady (30), slow = steady (10);
  GPtrArray *a = infer (model, "", &fast), *b = infer (model, "", &slow);

  g_assert_cmpuint (a->len, ==, 3);
  g_assert_cmpuint (b->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    guint n;
    gdouble *wanted = probabilities_of (g_ptr_array_index (b, i), &n);

    assert_probabilities (g_ptr_array_index (a, i), wanted);
    g_assert_cmpuint (number (g_ptr_array_index (a, i), "last-pts"), ==,
        number (g_ptr_array_index (b, i), "last-pts"));
    g_free (wanted);
  }
  g_ptr_array_unref (a);
  g_ptr_array_unref (b);
  g_free (model);
}

/* Messages about a model's rate, and about a video that is too short. */
static void
test_messages (void)
{
  gchar *model = model_at (2, 15, 1);
  Rig r = rig_new (model, "drop=false");
  GstMessage *message = pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-model", 0);
  gint n, d;

  g_assert_nonnull (message);
  g_assert_true (
      gst_structure_get_fraction (gst_message_get_structure (message), "frame-rate", &n, &d));
  g_assert_cmpint (n, ==, 15);
  g_assert_cmpint (d, ==, 1);
  gst_message_unref (message);
  gst_harness_set_src_caps_str (r.h, SQUARE);
  for (guint i = 0; i < 3; i++)
    gst_harness_push (r.h, picture (i, i * 10 * GST_MSECOND));
  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_says (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0),
      "window of 4 frames, 2 apart at 15/1 a second, was complete");
  no_result (&r);
  rig_free (&r);
  g_free (model);
}

/* A discontinuity restarts windows; frames need no times. */
static void
test_restart (void)
{
  gchar *model = model_at (1, 15, 1);
  Rig r = rig_new (model, "drop=false");
  GstStructure *s;

  gst_harness_set_src_caps_str (r.h, SQUARE);
  for (guint i = 0; i < 20; i++) {
    GstBuffer *frame = picture (i, i * GST_SECOND / 30);

    if (i == 6)
      GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
    gst_harness_push (r.h, frame);
  }
  s = next_result (&r);
  g_assert_cmpuint (number (s, "first-pts"), ==, 6 * GST_SECOND / 30);
  g_assert_cmpuint (number (s, "last-pts"), ==, 12 * GST_SECOND / 30);
  gst_structure_free (s);
  no_result (&r);
  for (guint i = 0; i < 8; i++) {
    GstBuffer *frame = picture (i, GST_CLOCK_TIME_NONE);

    if (i == 0)
      GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
    gst_harness_push (r.h, frame);
  }
  gst_structure_free (next_result (&r));
  gst_structure_free (next_result (&r));
  no_result (&r);
  rig_free (&r);
  g_free (model);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cnn3dinfer-rate/windows", test_windows);
  g_test_add_func ("/cnn3dinfer-rate/same-motion", test_same_motion);
  g_test_add_func ("/cnn3dinfer-rate/messages", test_messages);
  g_test_add_func ("/cnn3dinfer-rate/restart", test_restart);

  return run_in_folder ();
}
