/* cnn3dinfer-keypoints.c: models that read key points.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferrig.h"

#include "gstclipkptmeta.h"
#include "src/keypoints/pose.h"

#define SIZE 32
#define BYTES (SIZE * SIZE * 3)
#define FRAMES 4 /* of a window */
#define MOST 64
/* The model's size: frames are not changed by scaling */
#define SQUARE "video/x-raw,format=RGB,width=32,height=32,framerate=25/1"

static const Spec pose_model = { { "red", "green", "blue" }, 3, FRAMES, SIZE,
  { "center", 1, "none", FALSE, .skeleton = "coco17" }, 100, { 0 }, CNN3D_INPUT_KPT };

/* Large enough for squares around points; models of key points alone do not scale it */
#define WIDE "video/x-raw,format=RGB,width=320,height=240,framerate=25/1"
#define WIDE_BYTES (320 * 240 * 3)

/* Person m of frame n; some points are missing. */
static void
draw_person (guint n, guint m, gfloat *points)
{
  for (guint k = 0; k < POINTS; k++, points += 3) {
    guint32 hash = (n * 64 + m) * 2654435761u + k * 40503u;

    hash ^= hash >> 15;
    hash *= 2246822519u;
    hash ^= hash >> 13;
    if (hash % 11 == 0) {
      points[0] = points[1] = points[2] = 0;
      continue;
    }
    points[0] = (hash & 1023) / 1023.0f;
    points[1] = (hash >> 10 & 1023) / 1023.0f;
    points[2] = 0.25f + (hash >> 20 & 1023) / 1400.0f;
  }
}

/* A frame's key points as the model should read them, by its number in the video. */
typedef struct {
  guint persons; /* of the meta; 0: no meta */
  gfloat values[FRAME_POINTS];
} Points;

static GstClipKptMeta
meta_of (guint persons, guint points, gfloat *values)
{
  return (GstClipKptMeta) { .persons = persons,
    .points = points,
    .values = values,
    .skeleton = g_ref_string_new_intern ("coco17"),
    .pairs = g_ref_string_new_intern ("") };
}

static void
attach (GstBuffer *buffer, const GstClipKptMeta *meta)
{
  gst_buffer_add_clip_kpt_meta (buffer, meta);
  g_ref_string_release (meta->skeleton);
  g_ref_string_release (meta->pairs);
}

static GstBuffer *
picture (guint n, gsize size)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  GstMapInfo map;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  draw_frame (n, map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = n * FRAME;
  GST_BUFFER_DURATION (buffer) = FRAME;

  return buffer;
}

/* Frame n of SQUARE with as many persons; *is: what the model should read of it. */
static GstBuffer *
frame_of (guint n, guint persons, Points *is)
{
  GstBuffer *buffer = picture (n, BYTES);
  gfloat values[4 * POINTS * 3];
  GstClipKptMeta meta;

  memset (is, 0, sizeof *is);
  is->persons = persons;
  if (!persons)
    return buffer;
  for (guint m = 0; m < persons; m++)
    draw_person (n, m, values + m * POINTS * 3);
  memcpy (is->values, values, MIN (persons, PERSONS) * POINTS * 3 * sizeof *values);
  meta = meta_of (persons, POINTS, values);
  attach (buffer, &meta);

  return buffer;
}

static void
push_frame (Rig *r, GstBuffer *frame)
{
  GstBuffer *out;

  g_assert_cmpint (gst_harness_push (r->h, gst_buffer_ref (frame)), ==, GST_FLOW_OK);
  out = gst_harness_try_pull (r->h);
  g_assert_nonnull (out);
  /* key points pass with their frame */
  g_assert_true (!gst_buffer_get_clip_kpt_meta (out) == !gst_buffer_get_clip_kpt_meta (frame));
  gst_buffer_unref (out);
  gst_buffer_unref (frame);
}

/* The result of the window that begins with frame `first`. */
static void
assert_window (
    const gchar *model, const GstStructure *s, guint first, guint interval, const Points *points)
{
  guint8 clip[FRAMES * BYTES];
  gfloat values[FRAMES * FRAME_POINTS];
  gdouble *wanted;

  for (guint i = 0; i < FRAMES; i++) {
    draw_frame (first + i * interval, clip + i * BYTES, BYTES);
    memcpy (values + i * FRAME_POINTS, points[first + i * interval].values,
        FRAME_POINTS * sizeof *values);
  }
  wanted = predict_points (model, clip, values, 1);
  g_assert_cmpuint (number (s, "first-pts"), ==, first * FRAME);
  assert_probabilities (s, wanted);
  g_free (wanted);
}

/* Results are the predictor's, bit by bit, whatever the model reads. */
static void
test_results (void)
{
  static const struct {
    Cnn3dInputType input;
    Cnn3dFusion fusion;
    guint interval, stride;
  } cases[] = {
    { CNN3D_INPUT_KPT, CNN3D_FUSION_CONCAT, 1, 0 },
    { CNN3D_INPUT_KPT, CNN3D_FUSION_CONCAT, 2, 3 },
    { CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_CONCAT, 1, 2 },
    { CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_LATE, 2, 0 },
    { CNN3D_INPUT_RGB_KPT, CNN3D_FUSION_STEM, 1, 0 },
    { CNN3D_INPUT_RGB, CNN3D_FUSION_CONCAT, 1, 0 },
  };
  /* more persons than the model's two, fewer, and no meta */
  static const guint persons[] = { 2, 3, 1, 0, 4 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const guint interval = cases[i].interval;
    const guint stride = cases[i].stride ? cases[i].stride : FRAMES * interval;
    Spec spec = pose_model;
    gchar *model, *line = g_strdup_printf ("drop=false stride=%u", cases[i].stride);
    Points points[16];
    guint windows = 0;
    Rig r;

    spec.input = cases[i].input;
    spec.fusion = cases[i].fusion;
    spec.preparation.frame_interval = interval;
    model = write_model ("points.safetensors", &spec);
    r = rig_new (model, line);
    gst_harness_set_src_caps_str (r.h, SQUARE);
    for (guint n = 0; n < G_N_ELEMENTS (points); n++)
      push_frame (&r, frame_of (n, persons[n % G_N_ELEMENTS (persons)], &points[n]));
    for (guint first = 0; first + (FRAMES - 1) * interval < G_N_ELEMENTS (points);
        first += stride, windows++) {
      GstStructure *s = next_result (&r);

      assert_window (model, s, first, interval, points);
      gst_structure_free (s);
    }
    g_assert_cmpuint (windows, >, 1);
    no_result (&r);
    /* not all frames of a window lack points */
    g_assert_null (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0));
    rig_free (&r);
    g_free (line);
    g_free (model);
  }
}

/* Points of another picture count as missing, as in training. */
static void
test_strange_points (void)
{
  static const gfloat strange[] = { NAN, INFINITY, -INFINITY, 3e38f, -0.01f, 1.01f };
  gchar *model = write_model ("points.safetensors", &pose_model);
  Rig r = rig_new (model, "drop=false");
  Points points[FRAMES];
  GstStructure *s;

  gst_harness_set_src_caps_str (r.h, SQUARE);
  for (guint n = 0; n < FRAMES; n++) {
    GstBuffer *frame = frame_of (n, 2, &points[n]);
    gfloat *values = gst_buffer_get_clip_kpt_meta (frame)->values;

    for (guint i = 0; i < G_N_ELEMENTS (strange); i++) {
      values[3 * (3 * i + n % 3) + i % 2] = strange[i];
      memset (&points[n].values[3 * (3 * i + n % 3)], 0, 3 * sizeof *values);
    }
    values[FRAME_POINTS - 1] = NAN;
    memset (&points[n].values[FRAME_POINTS - 3], 0, 3 * sizeof *values);
    push_frame (&r, frame);
  }
  s = next_result (&r);
  assert_window (model, s, 0, 1, points);
  gst_structure_free (s);
  rig_free (&r);
  g_free (model);
}

/* Where frames are scaled with borders, points are moved with the picture. */
static void
test_borders (void)
{
  Spec spec = pose_model;
  gchar *model;
  Points points[FRAMES];
  GstStructure *s;
  Rig r;

  spec.preparation.scaling = "bilinear";
  spec.preparation.add_borders = TRUE;
  model = write_model ("points.safetensors", &spec);
  r = rig_new (model, "drop=false");
  gst_harness_set_src_caps_str (r.h, "video/x-raw,format=RGB,width=64,height=32,framerate=25/1");
  for (guint n = 0; n < FRAMES; n++) {
    GstBuffer *square = frame_of (n, 2, &points[n]), *wide = picture (n, 2 * BYTES);
    const GstClipKptMeta *meta = gst_buffer_get_clip_kpt_meta (square);

    gst_buffer_add_clip_kpt_meta (wide, meta);
    gst_buffer_unref (square);
    push_frame (&r, wide);
    /* 16 of 32 rows, from row 8 on */
    for (guint i = 0; i < FRAME_POINTS; i += 3)
      if (points[n].values[i + 2] > 0)
        points[n].values[i + 1] = (points[n].values[i + 1] + 0.5) / 2;
  }
  s = next_result (&r);
  assert_window (model, s, 0, 1, points);
  gst_structure_free (s);
  rig_free (&r);
  g_free (model);
}

/* The points of a clip of the video, from frame `first` to `last`, as clipkpt compact=true makes
 * them for training. */
static void
make_compact (const Points *points, guint n, guint first, guint last, Points *compact)
{
  const Cnn3dPoseParams params = { .persons = PERSONS,
    .unit = CNN3D_COORDINATES_NORMALIZED,
    .compact = TRUE,
    .width = 320,
    .height = 240,
    .frames = n,
    .first = first,
    .last = last,
    .end = INFINITY };
  Cnn3dKeypoints file = { .format = "test",
    .points = POINTS,
    .frames = n,
    .numbers = g_new (guint64, n),
    .complete = TRUE,
    .starts = g_new (guint32, n + 1),
    .persons = g_new (gint64, n * PERSONS),
    .values = g_new (gfloat, n * FRAME_POINTS),
    .unit = CNN3D_COORDINATES_NORMALIZED,
    .largest = 1 };
  GError *error = NULL;
  Cnn3dPose *pose;

  for (guint t = 0; t <= n; t++)
    file.starts[t] = t * PERSONS;
  for (guint t = 0; t < n; t++) {
    file.numbers[t] = t;
    for (guint m = 0; m < PERSONS; m++)
      file.persons[t * PERSONS + m] = m;
    memcpy (file.values + t * FRAME_POINTS, points[t].values, sizeof points[t].values);
  }
  pose = cnn3d_pose_new (&file, &params, &error);
  g_assert_no_error (error);
  for (guint t = first; t <= last; t++)
    cnn3d_pose_frame (pose, t, 0, compact[t].values);
  cnn3d_pose_free (pose);
  g_free (file.numbers);
  g_free (file.starts);
  g_free (file.persons);
  g_free (file.values);
}

/* Two persons within a part of the picture that changes from frame to frame, the first with the
 * higher scores. */
static void
draw_apart (guint n, gfloat *values)
{
  const gfloat left = 0.2f + 0.05f * (n * 7 % 11), width = 0.03f + 0.01f * (n * 5 % 7);

  for (guint m = 0; m < PERSONS; m++) {
    draw_person (n, m, values + m * POINTS * 3);
    for (guint k = 0; k < POINTS; k++) {
      gfloat *point = values + 3 * (m * POINTS + k);

      point[0] = point[2] > 0 ? left + width * point[0] : 0;
      point[1] = point[2] > 0 ? 0.3f + 0.2f * point[1] : 0;
      point[2] = point[2] > 0 ? (m ? 0.25f : 0.9f) : 0;
    }
  }
}

/* A model of compact points reads those that clipkpt compact=true would have made of the window, bit
 * by bit: frames between the window's belong to the clip, too. */
static void
test_compact (void)
{
  static const struct {
    guint interval, stride;
    gint rate;          /* frames per second of the model; 0: unchanged */
    guint every, apart; /* a window's frames and the windows, in frames of the video */
    guint broken;       /* a discontinuity at this frame; 0: none */
  } cases[] = {
    { 1, 0, 0, 1, 4, 0 },
    { 3, 0, 0, 3, 12, 0 },
    { 3, 1, 0, 3, 1, 0 },
    { 2, 5, 0, 2, 5, 6 },
    { 1, 1, 5, 5, 5, 0 },
    { 2, 3, 5, 10, 15, 0 },
    /* frames are 3.125 apart: which one is the nearest is known when the next one arrives */
    { 1, 8, 8, 3, 25, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const guint every = cases[i].every, span = (FRAMES - 1) * every;
    gchar *line = g_strdup_printf ("drop=false stride=%u", cases[i].stride), *model;
    Spec spec = pose_model;
    Points points[MOST], compact[MOST];
    guint windows = 0;
    Rig r;

    spec.preparation.compact = TRUE;
    /* they do not move what is relative to the square */
    spec.preparation.add_borders = TRUE;
    spec.preparation.scaling = "bilinear";
    spec.preparation.frame_interval = cases[i].interval;
    spec.preparation.frame_rate_n = cases[i].rate;
    spec.preparation.frame_rate_d = 1;
    model = write_model ("points.safetensors", &spec);
    r = rig_new (model, line);
    gst_harness_set_src_caps_str (r.h, WIDE);
    for (guint n = 0; n < MOST; n++) {
      GstBuffer *frame = picture (n, WIDE_BYTES);
      GstClipKptMeta meta = meta_of (PERSONS, POINTS, points[n].values);

      draw_apart (n, points[n].values);
      attach (frame, &meta);
      if (n > 0 && n == cases[i].broken)
        GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
      push_frame (&r, frame);
    }
    gst_harness_push_event (r.h, gst_event_new_eos ());
    for (guint first = cases[i].broken; first + span < MOST; first += cases[i].apart, windows++) {
      GstStructure *s = next_result (&r);

      make_compact (points, MOST, first, first + span, compact);
      assert_window (model, s, first, every, compact);
      gst_structure_free (s);
    }
    g_assert_cmpuint (windows, >, 1);
    no_result (&r);
    rig_free (&r);
    g_free (line);
    g_free (model);
  }
}

/* Points that arrive compact are read as they are, and do not change the square around others. */
static void
test_compact_before (void)
{
  Spec spec = pose_model;
  gchar *model;
  Points points[FRAMES];
  GstStructure *s;
  Rig r;

  spec.preparation.compact = TRUE;
  model = write_model ("points.safetensors", &spec);
  r = rig_new (model, "drop=false");
  gst_harness_set_src_caps_str (r.h, WIDE);
  for (guint n = 0; n < FRAMES; n++) {
    GstBuffer *frame = picture (n, WIDE_BYTES);
    GstClipKptMeta meta = meta_of (PERSONS, POINTS, points[n].values);

    meta.compact = n != 1;
    draw_apart (n, points[n].values);
    attach (frame, &meta);
    push_frame (&r, frame);
  }
  s = next_result (&r);
  make_compact (points, FRAMES, 1, 1, points);
  assert_window (model, s, 0, 1, points);
  gst_structure_free (s);
  g_assert_null (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0));
  rig_free (&r);
  g_free (model);
}

/* A window without any key points is computed with missing ones, which one warning reports. */
static void
test_missing (void)
{
  gchar *model = write_model ("points.safetensors", &pose_model);
  Rig r = rig_new (model, "drop=false");
  Points points[4 * FRAMES];

  gst_harness_set_src_caps_str (r.h, SQUARE);
  for (guint n = 0; n < 4 * FRAMES; n++)
    push_frame (&r, frame_of (n, n == 2 ? 1 : 0, &points[n]));
  for (guint i = 0; i < 4; i++) {
    GstStructure *s = next_result (&r);

    assert_window (model, s, i * FRAMES, 1, points);
    gst_structure_free (s);
  }
  rig_free (&r);

  r = rig_new (model, "drop=false");
  gst_harness_set_src_caps_str (r.h, SQUARE);
  for (guint n = 0; n < 3 * FRAMES; n++)
    push_frame (&r, frame_of (n, 0, &points[n]));
  assert_says (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0),
      "No frame of a window has key points, which the model reads: all of them count as missing. "
      "Attach a GstClipKptMeta to the frames in front of cnn3dinfer.");
  g_assert_null (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0));
  rig_free (&r);
  g_free (model);
}

/* Key points of another skeleton: an error where their number differs, otherwise one warning. */
static void
test_other_skeleton (void)
{
  static const struct {
    const gchar *skeleton, *model; /* model: in its file */
    guint points;
    gboolean compact;
    const gchar *warning, *error;
  } cases[] = {
    { "coco17", "coco17", 17, FALSE, NULL, NULL },
    { "hand17", NULL, 17, FALSE, NULL, NULL },
    { "hand17", "coco17", 17, FALSE,
        "Frames are prepared differently from those that the model was trained on: key points of "
        "hand17 instead of coco17.",
        NULL },
    { "coco17", "coco17", 17, TRUE, "trained on: clipkpt compact=true instead of false.", NULL },
    { "hand17", "coco17", 17, TRUE, "coco17, and clipkpt compact=true instead of false.", NULL },
    { "body25", "coco17", 25, FALSE, NULL,
        "Frames arrived with 25 key points a person (skeleton body25), but the model was trained "
        "on "
        "17 (skeleton coco17): attach key points of the model's skeleton." },
    { "custom:5", NULL, 5, FALSE, NULL, "but the model was trained on 17 (skeleton unknown)" },
  };
  gfloat values[25 * 3] = { 0.5f, 0.5f, 1 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const GstFlowReturn flow = cases[i].error ? GST_FLOW_ERROR : GST_FLOW_OK;
    Spec spec = pose_model;
    guint64 windows;
    gchar *model;
    Rig r;

    spec.preparation.skeleton = cases[i].model;
    model = write_model ("points.safetensors", &spec);
    r = rig_new (model, "drop=false");
    gst_harness_set_src_caps_str (r.h, SQUARE);
    for (guint n = 0; n < (cases[i].error ? 1 : FRAMES); n++) {
      GstBuffer *frame = picture (n, BYTES);
      GstClipKptMeta meta = { .persons = 1,
        .points = cases[i].points,
        .values = values,
        .skeleton = g_ref_string_new (cases[i].skeleton),
        .pairs = g_ref_string_new (""),
        .compact = cases[i].compact };

      attach (frame, &meta);
      g_assert_cmpint (gst_harness_push (r.h, frame), ==, flow);
    }
    g_object_get (r.element, "windows", &windows, NULL);
    g_assert_cmpuint (windows, ==, cases[i].error ? 0 : 1);
    if (cases[i].error)
      assert_says (pop (r.bus, GST_MESSAGE_ERROR, NULL, 0), cases[i].error);
    if (cases[i].warning)
      assert_says (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0), cases[i].warning);
    g_assert_null (pop (r.bus, GST_MESSAGE_WARNING, NULL, 0));
    rig_free (&r);
    g_free (model);
  }
}

/* Live: windows are dropped, and each result is that of its own window's points. */
static void
test_drop (void)
{
  Spec spec = pose_model;
  gchar *model;
  Points points[MOST];
  guint64 windows, dropped;
  guint results = 0;
  GstMessage *message;
  Rig r;

  spec.input = CNN3D_INPUT_RGB_KPT;
  model = write_model ("points.safetensors", &spec);
  r = rig_new (model, "stride=1");
  gst_harness_set_src_caps_str (r.h, SQUARE);
  for (guint n = 0; n < MOST; n++)
    push_frame (&r, frame_of (n, 2, &points[n]));
  gst_harness_push_event (r.h, gst_event_new_eos ());
  g_object_get (r.element, "windows", &windows, "windows-dropped", &dropped, NULL);
  g_assert_cmpuint (windows, >, 0);
  g_assert_cmpuint (dropped, >, 0);
  g_assert_cmpuint (windows + dropped, ==, MOST - FRAMES + 1);
  while ((message = pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-result", 0))) {
    const GstStructure *s = gst_message_get_structure (message);

    assert_window (model, s, number (s, "window"), 1, points);
    gst_message_unref (message);
    results++;
  }
  g_assert_cmpuint (results, ==, windows);
  rig_free (&r);
  g_free (model);
}

/* A model of frames is replaced by one of key points while the video plays, and back. */
static void
test_change (void)
{
  const guint most = 20000;
  Spec spec = pose_model;
  Points *points = g_new (Points, most + FRAMES);
  gchar *models[2];
  guint n = 0;
  Rig r;

  models[1] = write_model ("points.safetensors", &spec);
  spec.input = CNN3D_INPUT_RGB;
  models[0] = write_model ("frames.safetensors", &spec);
  r = rig_new (models[0], "drop=false");
  gst_harness_set_src_caps_str (r.h, SQUARE);
  gst_message_unref (pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-model", 0));
  for (guint i = 0; i < 3; i++) {
    GstMessage *message = NULL;
    GstStructure *s;
    guint first;

    g_object_set (r.element, "model", models[(i + 1) % 2], NULL);
    /* the next frame after it was loaded is the first of its windows */
    while (!message) {
      g_assert_cmpuint (n, <, most);
      push_frame (&r, frame_of (n, 2, &points[n]));
      n++;
      message = pop (r.bus, GST_MESSAGE_ELEMENT, "cnn3dinfer-model", 0);
    }
    gst_message_unref (message);
    first = n - 1;
    for (guint k = 1; k < FRAMES; k++, n++)
      push_frame (&r, frame_of (n, 2, &points[n]));
    s = next_result (&r);
    assert_window (models[(i + 1) % 2], s, first, 1, points);
    gst_structure_free (s);
  }
  rig_free (&r);
  g_free (points);
  g_free (models[0]);
  g_free (models[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);

  g_test_add_func ("/cnn3dinfer-keypoints/results", test_results);
  g_test_add_func ("/cnn3dinfer-keypoints/strange-points", test_strange_points);
  g_test_add_func ("/cnn3dinfer-keypoints/borders", test_borders);
  g_test_add_func ("/cnn3dinfer-keypoints/compact", test_compact);
  g_test_add_func ("/cnn3dinfer-keypoints/compact-before", test_compact_before);
  g_test_add_func ("/cnn3dinfer-keypoints/missing", test_missing);
  g_test_add_func ("/cnn3dinfer-keypoints/other-skeleton", test_other_skeleton);
  g_test_add_func ("/cnn3dinfer-keypoints/drop", test_drop);
  g_test_add_func ("/cnn3dinfer-keypoints/change", test_change);

  return run_in_folder ();
}
