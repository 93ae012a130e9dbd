/* cnn3dtrain-keypoints.c: training on key points, with and without frames, and evaluating the
 * result.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstclipkptmeta.h"
#include "evalrig.h"
#include "trainchecks.h"

#define CAPS3(type, dimensions)                                       \
  "other/tensors,format=static,num_tensors=3,types=uint8.int32." type \
  ",dimensions=3:32:32:4:4.4." dimensions

static const struct {
  const gchar *name, *properties;
} inputs[] = {
  { "kpt", "input-type=kpt model=posec3d_slowonly" },
  { "concat", "input-type=rgb+kpt fusion=concat" },
  { "mean", "input-type=rgb+kpt fusion=mean model=mc3_18" },
  { "late", "input-type=rgb+kpt fusion=late" },
  { "stem", "input-type=rgb+kpt fusion=stem" },
};

/* Starts a run with batches of up to n clips with key points. */
static Rig
points_rig (const gchar *input, const gchar *more, guint n)
{
  gchar *line = g_strdup_printf ("heatmap-size=16 heatmap-sigma=1 %s %s", input, more);
  Rig r = rig_new (line);

  r.points = TRUE;
  begin_stream (&r, n);
  g_free (line);

  return r;
}

static Rig
checkpointed (const gchar *properties, const gchar *dir)
{
  gchar *line = g_strdup_printf ("checkpoint-dir=%s", dir);
  Rig r = points_rig (properties, line, 4);

  g_free (line);

  return r;
}

/* --- training --- */

static void
test_learns (gconstpointer input)
{
  Rig r = points_rig (input, "", 4);

  check_learns (&r, 40);
  rig_free (&r);
}

/* Key points that the network does not read change no bit; one warning reports them. */
static void
test_unused (void)
{
  gchar *dirs[2] = { make_dir (), make_dir () };
  GstMessage *message;
  GError *error = NULL;
  guint run;

  for (run = 0; run < 2; run++) {
    gchar *line = g_strdup_printf ("checkpoint-dir=%s", dirs[run]);
    Rig r = rig_new (line);

    r.points = run == 1;
    begin_stream (&r, 4);
    g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
    message = pop (&r, GST_MESSAGE_INFO, NULL);
    g_assert_true ((message != NULL) == (run == 1));
    if (message) {
      gst_message_parse_info (message, &error, NULL);
      g_assert_cmpstr (error->message, ==,
          "Batches have key points, which input-type=rgb does not use: set input-type=kpt or "
          "rgb+kpt, or leave clipkpt out.");
      g_clear_error (&error);
      gst_message_unref (message);
      g_assert_null (pop (&r, GST_MESSAGE_INFO, NULL));
    }
    rig_free (&r);
    g_free (line);
  }
  assert_same_file (dirs[0], dirs[1], "last.safetensors");
  remove_dir (dirs[0]);
  remove_dir (dirs[1]);
}

/* --- resuming --- */

static void
test_resume (gconstpointer input)
{
  gchar *line = g_strdup_printf (
      "%s accumulate-grad-batches=2 dropout=0.3 lr-schedule=cosine", (const gchar *) input);

  check_resume (checkpointed, line);
  g_free (line);
}

static void
test_cut_batch (gconstpointer input)
{
  check_cut_batch (checkpointed, input);
}

/* Settings of the input that no weight's shape depends on must be the same, too. */
static void
test_resume_otherwise (void)
{
  static const struct {
    const gchar *first, *second;
    gboolean same;
    const gchar *reason;
  } table[] = {
    { "input-type=kpt model=posec3d_slowonly",
        "input-type=kpt model=posec3d_slowonly heatmap-size=24", FALSE,
        "heatmap-size=16 heatmap-sigma=1 with 5 key points of 2 persons, not input-type=kpt" },
    { "input-type=kpt model=posec3d_slowonly",
        "input-type=kpt model=posec3d_slowonly heatmap-sigma=0.6", FALSE,
        " heatmap-sigma=0.6 with 5 key points of 2 persons: set the same, or resume=never" },
    { "input-type=rgb+kpt fusion=mean model=mc3_18", "input-type=rgb+kpt fusion=late model=mc3_18",
        FALSE, "fusion=mean" },
    { "input-type=rgb+kpt fusion=stem", "input-type=rgb", FALSE,
        ", not input-type=rgb: set the same, or resume=never to start over" },
    { "input-type=rgb", "input-type=rgb+kpt fusion=stem", FALSE,
        "was written with input-type=rgb, " },
    /* settings that the network does not depend on */
    { "input-type=kpt model=posec3d_slowonly fusion=late",
        "input-type=kpt model=posec3d_slowonly fusion=stem", TRUE },
    { "input-type=rgb+kpt fusion=stem", "input-type=rgb+kpt fusion=stem heatmap-size=24", TRUE },
    { "input-type=rgb", "input-type=rgb heatmap-size=24", TRUE },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    gchar *dir = make_dir ();
    Rig r = checkpointed (table[i].first, dir);
    guint32 seqnum;

    g_test_message ("%s, then %s", table[i].first, table[i].second);
    feed (&r, 0, 8);
    rig_free (&r);
    r = checkpointed (table[i].second, dir);
    push_epoch (&r, 0, TRUE, 0, 0);
    if (table[i].same)
      g_assert_cmpint (pull_seek (&r, &seqnum), ==, 8);
    else
      assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, table[i].reason);
    assert_no_error (&r);
    rig_free (&r);
    remove_dir (dir);
  }
}

/* --- micro-batches --- */

/* All float weights of a checkpoint; their number in *n; g_free(). */
static gfloat *
weights_of (const gchar *dir, gsize *n)
{
  gchar *path = g_build_filename (dir, "last.safetensors", NULL);
  Cnn3dSafetensors *file = cnn3d_safetensors_open (path, NULL);
  GByteArray *all = g_byte_array_new ();
  guint i;

  g_assert_nonnull (file);
  for (i = 0; i < cnn3d_safetensors_get_n_tensors (file); i++) {
    const Cnn3dSafetensor *tensor = cnn3d_safetensors_nth (file, i);

    if (tensor->dtype == CNN3D_SAFETENSOR_F32)
      g_byte_array_append (all, tensor->data, tensor->size);
  }
  *n = all->len / sizeof (gfloat);
  cnn3d_safetensors_free (file);
  g_free (path);

  return (gfloat *) g_byte_array_free (all, FALSE);
}

/* With frozen batch norm, micro-batches give the result of the whole batch. */
static void
test_micro_batches (gconstpointer input)
{
  static const guint sizes[] = { 4, 4, 2, 0 };
  gfloat *weights[3];
  gdouble error = 0, change = 0;
  gsize n, k, i;

  for (i = 0; i < 3; i++) {
    gchar *dir = make_dir ();
    gchar *line =
        g_strdup_printf ("%s freeze=batch-norm optimizer=sgd lr=%s%s", (const gchar *) input,
            i > 0 ? "0.01" : "0", i == 2 ? " use-chunking-in-train=true video-batch-size=3" : "");
    Rig r = checkpointed (line, dir);

    push_epoch (&r, 0, TRUE, 0, 0);
    push_batches (&r, 0, sizes);
    push_done (&r, 0, TRUE, TRAIN);
    if (i == 2) {
      GstMessage *plan = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-plan");
      guint micro;

      g_assert_true (
          gst_structure_get_uint (gst_message_get_structure (plan), "micro-batch", &micro));
      g_assert_cmpuint (micro, ==, 3);
      gst_message_unref (plan);
    }
    assert_no_error (&r);
    rig_free (&r);
    weights[i] = weights_of (dir, &n);
    g_free (line);
    remove_dir (dir);
  }
  for (k = 0; k < n; k++) {
    error += pow (weights[2][k] - weights[1][k], 2);
    change += pow (weights[1][k] - weights[0][k], 2);
  }
  g_test_message ("differs by %g of what was learnt", sqrt (error / change));
  g_assert_cmpfloat (change, >, 0);
  g_assert_cmpfloat (sqrt (error / change), <, 1e-4);
  for (i = 0; i < 3; i++)
    g_free (weights[i]);
}

/* --- testing --- */

static gdouble
validated (Rig *r, gdouble *loss)
{
  GstMessage *message = pop (r, GST_MESSAGE_ELEMENT, "cnn3dtrain-validation");
  gdouble accuracy;

  g_assert_nonnull (message);
  accuracy = get_double (message, "accuracy");
  *loss = get_double (message, "loss");
  g_assert_cmpuint (get_uint64 (message, "clips"), ==, 7);
  gst_message_unref (message);

  return accuracy;
}

/* cnn3deval's results equal those of the trainer's validation, in larger and other batches, and in
 * chunks. */
static void
test_evaluated (gconstpointer input)
{
  static const guint training[] = { 3, 3, 0 }, seven[] = { 7, 0 }, parts[] = { 2, 4, 1, 0 };
  static const gchar *const ways[] = { "", "", "video-batch-size=2" };
  gchar *dir = make_dir (), *path = g_build_filename (dir, "last.safetensors", NULL);
  gchar *line = g_strdup_printf ("checkpoint-dir=%s", dir);
  gdouble accuracy, loss, wanted, wanted_loss;
  guint64 clips, videos;
  Rig r = points_rig (input, line, 3);
  guint i;

  push_epoch (&r, 0, TRUE, 0, 0);
  push_batches (&r, 0, training);
  push_done (&r, 0, TRUE, TRAIN);
  push_epoch (&r, 0, FALSE, TRAIN, TRAIN);
  push_batches (&r, TRAIN, seven);
  push_done (&r, 0, FALSE, TRAIN + 7);
  wanted = validated (&r, &wanted_loss);
  rig_free (&r);

  for (i = 0; i < G_N_ELEMENTS (ways); i++) {
    r = eval_of (path, ways[i]);
    r.points = TRUE;
    caps_for (&r, i ? parts[0] : 7);
    push_segment (&r, 0);
    push_classes (&r);
    push_batches (&r, TRAIN, i ? parts : seven);
    finish (&r);
    g_assert_true (result (&r, &accuracy, &clips, &videos));
    g_assert_cmpuint (clips, ==, 7);
    g_assert_cmpfloat (accuracy, ==, wanted);
    g_object_get (r.element, "loss", &loss, NULL);
    g_assert_cmpfloat_with_epsilon (loss, wanted_loss, 1e-6);
    rig_free (&r);
  }
  g_free (line);
  g_free (path);
  remove_dir (dir);
}

/* --- errors --- */

static void
test_caps (void)
{
  static const struct {
    const gchar *caps, *reason;
  } table[] = {
    { CAPS3 ("float32", "3:5:2:4:4"), NULL },
    { CAPS3 ("float32", "3:5:1:4:4:1:1"), NULL },
    { CAPS3 ("float16", "3:5:2:4:4"),
        "The third tensor is of type float16: key points are float32." },
    { CAPS3 ("float32", "2:5:2:4:4"),
        "Key points of dimensions 2:5:2:4:4 are not 3:points:persons:frames:clips of 4 clips of 4 "
        "frames." },
    { CAPS3 ("float32", "3:5:2:8:4"), "3:5:2:8:4 are not 3:points" },
    { CAPS3 ("float32", "3:5:2:4:3"), "3:5:2:4:3 are not 3:points" },
    { CAPS3 ("float32", "3:5:2:4"), "3:5:2:4 are not 3:points" },
    { CAPS3 ("float32", "3:5:2:4:4:2"), "3:5:2:4:4:2 are not 3:points" },
    { CAPS3 ("float32", "3:0:2:4:4"), "'0' in the dimensions" },
    { CAPS3 ("float32", "3:5:65:4:4"),
        "Key points of dimensions 3:5:65:4:4 are more than 1024 of 64 persons." },
    { CAPS3 ("float32", "3:1025:2:4:4"), "3:1025:2:4:4 are more than" },
    { CAPS3 ("float32", "3:2147483647:1:4:4"), " are more than" },
    { "other/tensors,format=static,num_tensors=3,types=uint8.int32,dimensions=3:32:32:4:4.4",
        "types=uint8.int32 is not for 3 tensors: batches are " },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32.float32,"
      "dimensions=3:32:32:4:4.4",
        "is not for 2 tensors" },
    { "other/tensors,format=static,num_tensors=4,types=uint8.int32.float32.int8,"
      "dimensions=3:32:32:4:4.4.3:5:2:4:4.1",
        "The fourth tensor is of type int8, but it is the mask of views" },
    /* the size of the points overflows, that of the frames does not */
    { "other/tensors,format=static,num_tensors=3,types=uint8.int32.float32,"
      "dimensions=1:1:1:2147483647:2147483647.2147483647.3:1:1:2147483647:2147483647",
        "A batch of key points of dimensions 3:1:1:2147483647:2147483647 is larger than any "
        "memory." },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    Rig r = rig_new ("input-type=rgb+kpt");

    g_test_message ("%s", table[i].caps);
    push_caps (&r, table[i].caps);
    if (table[i].reason)
      assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, table[i].reason);
    else
      assert_no_error (&r);
    rig_free (&r);
  }
}

/* Other key points within the stream, and none */
static void
test_caps_change (void)
{
  static const gchar *const table[] = { CAPS3 ("float32", "3:5:1:4:4"),
    CAPS3 ("float32", "3:6:2:4:4"), CAPS ("uint8", "int32", "4") };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    Rig r = points_rig ("input-type=rgb+kpt", "", 4);

    push_caps (&r, table[i]);
    assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "The network was set up for uint8 clips of 4 frames of 32x32x3 with 5 key points of 2 "
        "persons, but uint8 clips of 4 frames of 32x32x3");
    rig_free (&r);
  }
}

static void
test_no_points (void)
{
  Rig r = rig_new ("input-type=rgb+kpt num-classes=3");

  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "input-type=rgb+kpt needs key points, but the batches have none: put clipkpt after "
      "clipsample in clip-bin.");
  rig_free (&r);

  /* and with a model that does not use them */
  r = points_rig ("input-type=kpt model=r3d_18", "", 4);
  g_assert_cmpint (gst_harness_push (r.h, rig_batch (&r, 0, 4)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "model r3d_18 reads frames: with input-type=kpt use model=posec3d_slowonly");
  rig_free (&r);
}

/* Appends a memory of a third tensor's size, `offset` bytes into its block */
static GstBuffer *
with_block (guint n, gsize size, gsize offset)
{
  GstBuffer *buffer = make_batch (0, n, UINT8_INT32);
  guint8 *data = g_malloc0 (size + offset);

  gst_buffer_append_memory (
      buffer, gst_memory_new_wrapped (0, data, size + offset, offset, size, data, g_free));

  return buffer;
}

static void
test_bad_buffers (void)
{
  const gsize size = 4 * CLIP_POINTS * sizeof (gfloat);
  gchar *few =
      g_strdup_printf ("A batch has %" G_GSIZE_FORMAT " bytes of key points, but "
                       "its caps say %" G_GSIZE_FORMAT ": send buffers that match the caps.",
          size - 4, size);
  const struct {
    GstBuffer *buffer;
    const gchar *reason;
  } table[] = {
    { make_batch (0, 4, UINT8_INT32),
        "A batch has 2 memories, but must have three: frames, labels and key points. Give each "
        "tensor its own GstMemory." },
    { with_points (with_points (make_batch (0, 4, UINT8_INT32), 0, 4), 0, 4), "has 4 memories" },
    { with_block (4, size - 4, 0), few },
    { with_block (4, size, 2), "A batch's key points are not aligned to 4 bytes: align them." },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    Rig r = points_rig ("input-type=rgb+kpt", "", 4);

    g_assert_cmpint (gst_harness_push (r.h, table[i].buffer), ==, GST_FLOW_ERROR);
    assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, table[i].reason);
    rig_free (&r);
  }
  g_free (few);
}

/* Points outside of the picture, infinite and NaN ones count as missing. */
static void
test_strange_points (void)
{
  static const gfloat strange[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e9f, -1e9f, 7, -7 };
  Rig r = points_rig ("input-type=kpt model=posec3d_slowonly", "", 4);
  gdouble loss;
  guint i, k;

  for (k = 0; k < 3; k++) {
    GstBuffer *buffer = rig_batch (&r, 4 * k, 4);
    GstMapInfo map;

    g_assert_true (gst_memory_map (gst_buffer_peek_memory (buffer, 2), &map, GST_MAP_WRITE));
    for (i = 0; i < 4 * CLIP_POINTS / 3; i += 2)
      ((gfloat *) map.data)[3 * i + k] = strange[i / 2 % (k == 2 ? 3 : G_N_ELEMENTS (strange))];
    gst_memory_unmap (gst_buffer_peek_memory (buffer, 2), &map);
    g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_OK);
  }
  assert_no_error (&r);
  g_object_get (r.element, "loss", &loss, NULL);
  g_assert_true (isfinite (loss));
  rig_free (&r);
}

/* Clips in a form that a model of key points was not trained on */
static void
test_evaluated_otherwise (void)
{
  gchar *dir = make_dir (), *path = g_build_filename (dir, "last.safetensors", NULL);
  Rig r = checkpointed ("input-type=kpt model=posec3d_slowonly", dir);
  static const struct {
    const gchar *caps, *reason;
  } table[] = {
    { CAPS ("uint8", "int32", "4"),
        " was trained on 5 key points of 2 persons, but uint8 clips of 4 frames of 32x32x3 "
        "arrived: put clipkpt persons=2 after clipsample, with files of the same skeleton." },
    { CAPS3 ("float32", "3:6:2:4:4"), "with 6 key points of 2 persons arrived" },
    { CAPS3 ("float32", "3:5:1:4:4"), "with 5 key points of 1 persons arrived" },
    { "other/tensors,format=static,num_tensors=3,types=uint8.int32.float32,"
      "dimensions=3:32:32:8:4.4.3:5:2:8:4",
        "clips of 8 frames" },
    /* frames that the network does not read may have any size */
    { "other/tensors,format=static,num_tensors=3,types=uint8.int32.float32,"
      "dimensions=1:48:16:4:4.4.3:5:2:4:4",
        NULL },
  };
  guint i;

  feed (&r, 0, TRAIN);
  rig_free (&r);
  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    r = eval_of (path, "");
    push_caps (&r, table[i].caps);
    if (table[i].reason)
      assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, table[i].reason);
    assert_no_error (&r);
    rig_free (&r);
  }
  g_free (path);
  remove_dir (dir);
}

static void
push_keypoints (Rig *r, const gchar *skeleton, gboolean compact)
{
  const GstClipKeypoints keypoints = { skeleton, "1-2,3-4", 5, 2, compact };

  gst_harness_push_event (r->h, gst_event_new_clip_keypoints (&keypoints));
}

static void
push_sampling (Rig *r, const gchar *sampling)
{
  const GstClipPreparation preparation = {
    .num_frames = 4, .frame_interval = 1, .sampling = sampling
  };

  gst_harness_push_event (r->h, gst_event_new_clip_preparation (&preparation));
}

/* The model file keeps the skeleton: another one with as many points is reported. */
static void
test_other_skeleton (void)
{
  static const struct {
    const gchar *skeleton;
    gboolean compact;
    const gchar *warning;
  } table[] = {
    { "custom:5", TRUE, NULL },
    { "hand5", TRUE, "trained on: key points of hand5 instead of custom:5." },
    { "custom:5", FALSE, "trained on: clipkpt compact=false instead of true." },
    { "hand5", FALSE, "hand5 instead of custom:5, and clipkpt compact=false instead of true." },
  };
  gchar *dir = make_dir (), *path = g_build_filename (dir, "last.safetensors", NULL);
  Rig r = checkpointed ("input-type=kpt model=posec3d_slowonly", dir);
  guint i;

  push_keypoints (&r, "custom:5", TRUE);
  push_sampling (&r, "center");
  feed (&r, 0, TRAIN);
  rig_free (&r);
  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    r = eval_of (path, "");
    push_keypoints (&r, table[i].skeleton, table[i].compact);
    push_caps (&r, CAPS3 ("float32", "3:5:2:4:4"));
    if (table[i].warning)
      assert_warning (&r, table[i].warning);
    else
      g_assert_null (warning (&r));
    /* another difference is reported as well, and each of them once */
    push_sampling (&r, "uniform");
    assert_warning (&r, "frames spread evenly over each clip instead of a window");
    push_keypoints (&r, table[i].skeleton, table[i].compact);
    push_sampling (&r, "uniform");
    g_assert_null (warning (&r));
    assert_no_error (&r);
    rig_free (&r);
  }

  r = checkpointed ("input-type=kpt model=posec3d_slowonly", dir);
  push_keypoints (&r, "hand5", FALSE);
  push_sampling (&r, "center");
  push_epoch (&r, 0, TRUE, 0, 0);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
      "the skeleton was custom:5 and is hand5; clipkpt's compact was true and is false");
  rig_free (&r);
  g_free (path);
  remove_dir (dir);
}

int
main (int argc, char **argv)
{
  static const struct {
    const gchar *name;
    void (*func) (gconstpointer input);
  } tests[] = { { "learns", test_learns }, { "resume", test_resume },
    { "cut-batch", test_cut_batch }, { "micro-batches", test_micro_batches },
    { "evaluated", test_evaluated } };
  guint i, k;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  for (i = 0; i < G_N_ELEMENTS (tests); i++)
    for (k = 0; k < G_N_ELEMENTS (inputs); k++) {
      gchar *name = g_strdup_printf ("/cnn3dtrain-keypoints/%s/%s", tests[i].name, inputs[k].name);

      g_test_add_data_func (name, inputs[k].properties, tests[i].func);
      g_free (name);
    }
  g_test_add_func ("/cnn3dtrain-keypoints/unused", test_unused);
  g_test_add_func ("/cnn3dtrain-keypoints/resume-otherwise", test_resume_otherwise);
  g_test_add_func ("/cnn3dtrain-keypoints/caps", test_caps);
  g_test_add_func ("/cnn3dtrain-keypoints/caps-change", test_caps_change);
  g_test_add_func ("/cnn3dtrain-keypoints/no-points", test_no_points);
  g_test_add_func ("/cnn3dtrain-keypoints/bad-buffers", test_bad_buffers);
  g_test_add_func ("/cnn3dtrain-keypoints/strange-points", test_strange_points);
  g_test_add_func ("/cnn3dtrain-keypoints/evaluated-otherwise", test_evaluated_otherwise);
  g_test_add_func ("/cnn3dtrain-keypoints/other-skeleton", test_other_skeleton);

  return run_with_model ();
}
