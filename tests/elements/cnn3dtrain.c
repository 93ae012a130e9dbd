/* cnn3dtrain.c: the streams and settings that cnn3dtrain accepts and rejects, and its messages.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrig.h"

#include "src/model/safetensors.h"

/* --- caps --- */

static void
test_caps (void)
{
  static const struct {
    const gchar *caps;
    const gchar *reason; /* NULL: accepted */
  } table[] = {
    { CAPS ("uint8", "int32", "4"), NULL },
    { CAPS ("uint8", "int64", "4"), NULL },
    { CAPS ("float16", "int32", "4"), NULL },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:4.1", NULL },
    { "other/"
      "tensors,format=static,num_tensors=2,types=(string)\"uint8,int32\",dimensions=(string)\"3:32:"
      "32:4:2:1:1:1,2:1:1:1\"",
        NULL },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:4:2.1:2",
        NULL },
    { "other/"
      "tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:2.3:2,"
      "framerate=30/1",
        NULL },
    { "other/"
      "tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:2.3:1:1:2:1:"
      "1:1:1:1:1:1:1:1:1:1:1",
        NULL },
    { "other/tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4.3",
        NULL },
    { "other/tensors,format=flexible", "format=flexible declare their sizes with each" },
    { "other/tensors,format=static,num_tensors=1,types=uint8,dimensions=(string)3:32",
        "num_tensors=1, but a batch is two tensors" },
    { "other/tensors,format=static,num_tensors=2", "The caps have no types: batches are " },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32",
        "The caps have no dimensions: batches" },
    { "other/tensors,format=static,num_tensors=2,types=uint8,dimensions=3:32:32:4:2.2",
        "not for 2 tensors" },
    { CAPS ("int16", "int32", "4"), "of type int16, but frames are uint8, float16" },
    { CAPS ("int32", "uint8", "4"), "frames first and labels second" },
    { CAPS ("uint8", "uint8", "4"), "but labels are int32 or int64 class numbers" },
    { CAPS ("uint8", "float32", "4"), "are not one label for each of 4 clips" },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:4:4.3",
        "for each of 4 clips: take 4" },
    { "other/tensors,format=static,num_tensors=2,types=uint8.float32,dimensions=3:32:32:4:2.1:2",
        " are not one-hot: their first dimension is" },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:4:0.1",
        "'0' in the dimensions" },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:-32:32:4:1.1",
        "'-32' in the dimensions" },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3::32:4:1.1",
        "'' in the dimensions" },
    { "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:4:1:2.2",
        "have more than five, which are channels:width:" },
    { "other/"
      "tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=1:1:1:1:1:1:1:1:1:1:1:1:1:"
      "1:1:1:1.1",
        "The dimensions 1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1 are more than 16." },
    { "other/"
      "tensors,format=static,num_tensors=2,types=float32.int32,dimensions=2147483647:2147483647:"
      "2147483647:4:1.1",
        "A batch of frames of dimensions 2147483647:2147483647:2147483647:4:1 is larger than any" },
    { "other/"
      "tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:4:2147483647."
      "2147483647:2147483647:2147483647",
        "for each of 2147483647" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    Rig r = rig_new ("");

    g_test_message ("%s", table[i].caps);
    push_caps (&r, table[i].caps);
    if (table[i].reason)
      assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, table[i].reason);
    else
      assert_no_error (&r);
    rig_free (&r);
  }
}

/* Clips of another size within the stream */
static void
test_caps_change (void)
{
  Rig r = rig_new ("");

  g_assert_true (push_caps (&r, CAPS ("uint8", "int32", "4")));
  g_assert_true (push_caps (&r, CAPS ("uint8", "int32", "2")));
  push_caps (
      &r, "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:32:32:8:4.4");
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "The network was set up for uint8 clips of 4 frames of 32x32x3");
  rig_free (&r);
}

/* --- training --- */

/* Trains without announced passes: the loss falls with batches in any form. */
static void
test_learns (gconstpointer data)
{
  static const gchar *const caps[] = { CAPS ("uint8", "int32", "4"), CAPS ("uint8", "int64", "4"),
    "other/tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:4.3:4" };
  const Form form = GPOINTER_TO_INT (data);
  Rig r = rig_new (form == FLOAT_ONE_HOT ? "" : "num-classes=3");
  gdouble first = NAN, last = NAN, loss, accuracy;
  GstMessage *message;
  guint i, steps = 0;

  g_assert_true (push_caps (&r, caps[form]));
  push_segment (&r, 0);
  for (i = 0; i < 40; i++)
    g_assert_cmpint (gst_harness_push (r.h, make_batch (4 * i, 4, form)), ==, GST_FLOW_OK);
  g_object_get (r.element, "loss", &loss, "accuracy", &accuracy, NULL);
  g_assert_cmpfloat (loss, >, 0);
  g_assert_cmpfloat (accuracy, >, 0.4);
  gst_harness_push_event (r.h, gst_event_new_eos ());
  while ((message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-step"))) {
    last = get_double (message, "loss");
    if (steps++ == 0)
      first = last;
    gst_message_unref (message);
  }
  g_assert_cmpuint (steps, ==, 40);
  g_assert_cmpfloat (last, <, first / 2);
  rig_free (&r);
}

static void
test_messages (void)
{
  gchar *dir = make_dir ();
  gchar *line = g_strdup_printf ("accumulate-grad-batches=2 checkpoint-dir=%s", dir);
  Rig r = rig_new (line);
  const GstStructure *s;
  GstMessage *message;
  guint64 predicted, value;
  gdouble number;
  gboolean best;
  guint i, epoch;

  begin_stream (&r, 4);
  g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);

  message = pop (&r, GST_MESSAGE_ELEMENT, NULL);
  predicted = get_predicted (message);
  s = gst_message_get_structure (message);
  g_assert_cmpstr (gst_structure_get_string (s, "precision"), ==, "32");
  g_assert_nonnull (gst_structure_get_string (s, "device"));
  g_assert_true (gst_structure_has_field_typed (s, "micro-batch", G_TYPE_UINT));
  gst_message_unref (message);
  g_object_get (r.element, "predicted-memory", &value, NULL);
  g_assert_cmpuint (value, ==, predicted);

  for (i = 0; i < EPOCHS; i++) {
    /* three batches: a group of two, and an incomplete one at the pass's end, which is reported
     * once it is stepped */
    message = pop (&r, GST_MESSAGE_ELEMENT, NULL);
    g_assert_true (gst_message_has_name (message, "cnn3dtrain-step"));
    s = gst_message_get_structure (message);
    g_assert_cmpuint (get_uint64 (message, "clips"), ==, 8);
    g_assert_cmpuint (get_uint64 (message, "step"), ==, 2 * i + 1);
    g_assert_cmpfloat (get_double (message, "lr"), ==, 0.01);
    g_assert_cmpfloat (get_double (message, "loss-scale"), ==, 1);
    g_assert_cmpfloat (get_double (message, "clips-per-second"), >, 0);
    g_assert_cmpfloat (get_double (message, "loss"), >, 0);
    number = get_double (message, "accuracy");
    g_assert_true (number >= 0 && number <= 1);
    g_assert_true (gst_structure_has_field_typed (s, "memory-bytes", G_TYPE_UINT64));
    gst_message_unref (message);

    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-epoch");
    s = gst_message_get_structure (message);
    g_assert_true (gst_structure_get_uint (s, "epoch", &epoch));
    g_assert_cmpuint (epoch, ==, i);
    g_assert_cmpuint (get_uint64 (message, "clips"), ==, TRAIN);
    g_assert_cmpfloat (get_double (message, "seconds"), >, 0);
    g_assert_cmpfloat (get_double (message, "lr"), ==, 0.01);
    gst_message_unref (message);

    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-validation");
    s = gst_message_get_structure (message);
    g_assert_cmpuint (get_uint64 (message, "clips"), ==, VAL);
    g_assert_true (gst_structure_get_boolean (s, "best", &best));
    g_assert_cmpint (best || i > 0, ==, TRUE);
    g_object_get (r.element, "val-loss", &number, NULL);
    if (i == EPOCHS - 1)
      g_assert_cmpfloat (get_double (message, "loss"), ==, number);
    gst_message_unref (message);

    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-checkpoint");
    g_assert_nonnull (message);
    s = gst_message_get_structure (message);
    g_assert_true (g_file_test (gst_structure_get_string (s, "path"), G_FILE_TEST_IS_REGULAR));
    gst_message_unref (message);
  }
  message = pop (&r, GST_MESSAGE_EOS, NULL);
  g_assert_nonnull (message);
  gst_message_unref (message);
  g_object_get (r.element, "step", &value, "epoch", &epoch, NULL);
  g_assert_cmpuint (epoch, ==, EPOCHS - 1);
  rig_free (&r);
  g_free (line);
  remove_dir (dir);
}

/* A batch larger than the network was set up for: split in validation, where the result is the
 * same; rejected in training, with the reason in the log. */
static void
test_larger_batch (void)
{
  gchar *dir = make_dir (), *line = g_strconcat ("log-dir=", dir, NULL);
  gchar *path = g_build_filename (dir, "log.jsonl", NULL), *text;
  Rig r = rig_new (line);
  GstMessage *message;

  begin_stream (&r, 2);
  push_epoch (&r, 0, TRUE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 2, UINT8_INT32));
  push_done (&r, 0, TRUE, TRAIN);
  caps_for (&r, 5);
  push_epoch (&r, 0, FALSE, TRAIN, TRAIN);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (TRAIN, 5, UINT8_INT32)), ==, GST_FLOW_OK);
  push_done (&r, 0, FALSE, TRAIN + VAL);
  assert_no_error (&r);
  push_epoch (&r, 1, TRUE, TRAIN + VAL, TRAIN + VAL);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (15, 5, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "5 clips arrived after the network was set up for 2");
  rig_free (&r);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "{\"event\":\"error\","));
  g_assert_nonnull (strstr (text, "\"message\":\"A batch of 5 clips arrived"));
  g_free (text);
  g_free (path);
  g_free (line);
  remove_dir (dir);

  r = rig_new ("");
  begin_stream (&r, 5);
  push_epoch (&r, 0, TRUE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 5, UINT8_INT32));
  push_done (&r, 0, TRUE, TRAIN);
  push_epoch (&r, 0, FALSE, TRAIN, TRAIN);
  gst_harness_push (r.h, make_batch (TRAIN, 5, UINT8_INT32));
  push_done (&r, 0, FALSE, TRAIN + VAL);
  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-validation");
  g_assert_cmpuint (get_uint64 (message, "clips"), ==, 5);
  gst_message_unref (message);
  rig_free (&r);
}

/* --- errors --- */

static void
test_bad_labels (void)
{
  static const struct {
    gint32 label;
    const gchar *reason;
  } table[] = {
    { 3, "its label is 3, but there are 3 classes, 0 to 2" },
    { -1, "it has no label" },
    { -7, "label is -7" },
  };
  GstClipMeta meta = { .path = g_ref_string_new ("a\033[2Jb.mp4") };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    Rig r = rig_new ("num-classes=3");
    GstBuffer *buffer = make_batch (8, 4, UINT8_INT32);

    gst_buffer_fill (buffer, 4 * CLIP + 4, &table[i].label, 4);
    gst_buffer_add_clip_meta (buffer, NULL);
    gst_buffer_add_clip_meta (buffer, &meta);
    caps_for (&r, 4);
    push_segment (&r, 0);
    g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_ERROR);
    assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, table[i].reason);
    rig_free (&r);

    /* reported with the path, and escaped for a terminal */
    r = rig_new ("num-classes=3");
    buffer = make_batch (8, 4, UINT8_INT32);
    gst_buffer_fill (buffer, 4 * CLIP + 4, &table[i].label, 4);
    gst_buffer_add_clip_meta (buffer, NULL);
    gst_buffer_add_clip_meta (buffer, &meta);
    caps_for (&r, 4);
    push_segment (&r, 0);
    gst_harness_push (r.h, buffer);
    assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "Clip 1 (a\\x1b[2Jb.mp4) cannot be trained on: ");
    rig_free (&r);
  }
  g_ref_string_release (meta.path);
}

static void
test_bad_one_hot (void)
{
  const gfloat rows[][CLASSES] = { { 0, 0, 0 }, { 1, 1, 0 }, { 0, NAN, 1 } };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (rows); i++) {
    Rig r = rig_new ("");
    GstBuffer *buffer = make_batch (0, 2, FLOAT_ONE_HOT);

    gst_buffer_fill (buffer, 2 * CLIP * 4 + 4 * CLASSES, rows[i], sizeof rows[i]);
    push_caps (&r,
        "other/"
        "tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:2.3:2");
    push_segment (&r, 0);
    g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_ERROR);
    assert_error (
        &r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "one-hot label has no single largest value");
    rig_free (&r);
  }
}

static void
test_nan (void)
{
  const gfloat nan = NAN;
  gchar *dir = make_dir ();
  gchar *line = g_strconcat ("checkpoint-dir=", dir, NULL);
  Rig r = rig_new (line);
  GstBuffer *buffer = make_batch (0, 2, FLOAT_ONE_HOT);

  gst_buffer_fill (buffer, 4, &nan, sizeof nan);
  push_caps (&r,
      "other/tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:2.3:2");
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "the loss became NaN or infinite");
  rig_free (&r);
  /* diverged weights are not saved */
  g_assert_cmpint (g_rmdir (dir), ==, 0);
  g_free (dir);
  g_free (line);
}

static void
test_bad_buffers (void)
{
  Rig r = rig_new ("num-classes=3");
  GstBuffer *buffer;

  caps_for (&r, 4);
  push_segment (&r, 0);
  buffer = gst_buffer_new_allocate (NULL, 4 * CLIP + 16, NULL);
  g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "has 1 memories");
  rig_free (&r);

  r = rig_new ("num-classes=3");
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 3, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "but its caps say");
  rig_free (&r);
}

/* Values at an odd address */
static void
test_misaligned (void)
{
  Rig r = rig_new ("");
  GstBuffer *from = make_batch (0, 2, FLOAT_ONE_HOT), *to = gst_buffer_new ();
  const gsize sizes[] = { 2 * CLIP * 4, 2 * CLASSES * 4 };
  gsize offset = 0;
  guint i;

  for (i = 0; i < 2; i++) {
    guint8 *data = g_malloc (sizes[i] + 1);

    gst_buffer_extract (from, offset, data + 1, sizes[i]);
    gst_buffer_append_memory (
        to, gst_memory_new_wrapped (0, data, sizes[i] + 1, 1, sizes[i], data, g_free));
    offset += sizes[i];
  }
  gst_buffer_unref (from);
  push_caps (&r,
      "other/tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:2.3:2");
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, to), ==, GST_FLOW_OK);
  assert_no_error (&r);
  rig_free (&r);
}

/* --- properties --- */

static void
test_settings (void)
{
  static const struct {
    const gchar *properties, *reason;
  } table[] = {
    { "lr=-0.1", "lr is -0.1, but must be from 0 to 1000 (per step)." },
    { "lr=nan", "lr is nan" },
    { "lr=inf", "lr is inf" },
    { "momentum=1", "momentum is 1, but must be from 0 to below 1 (as a factor)." },
    { "dropout=1", "dropout is 1" },
    { "label-smoothing=-1", "label-smoothing is -1" },
    { "gradient-clip-val=-1", "gradient-clip-val is -1" },
    { "accumulate-grad-batches=0", "accumulate-grad-batches is 0" },
    { "accumulate-grad-batches=-4", "accumulate-grad-batches is -4" },
    { "base-width=0", "base-width is 0" },
    { "threads=-1", "threads is -1" },
    { "num-classes=1", "num-classes is 1, but training needs at least two classes: " },
    { "lr-gamma=0", "lr-gamma is 0" },
    { "lr-step-size=0", "lr-step-size is 0" },
    { "warmup-epochs=-1", "warmup-epochs is -1" },
    { "save-top-k=-1", "save-top-k is -1" },
    { "patience=-1", "patience is -1" },
    { "model=resnet", "no model 'resnet': set model to one of r3d_18" },
    { "resume=must", "resume=must needs to know where the checkpoint is" },
    { "checkpoint-interval=5", "but there is no place to save to: set" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    gchar *line = g_strconcat ("cnn3dtrain ", table[i].properties, NULL);
    GstElement *element = gst_parse_launch (line, NULL);
    Rig r = { gst_object_ref_sink (element), NULL, gst_bus_new (), 0 };

    g_test_message ("%s", line);
    gst_element_set_bus (element, r.bus);
    g_assert_cmpint (
        gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
    assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, table[i].reason);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (element);
    gst_object_unref (r.bus);
    g_free (line);
  }
}

/* Conflicts that only show with the stream */
static void
test_conflicts (void)
{
  Rig r = rig_new ("num-classes=3 lr-schedule=cosine");

  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "lr-schedule: the cosine schedule needs to know the number of epochs");
  rig_free (&r);

  r = rig_new ("num-classes=3 resume=must checkpoint-dir=/tmp");
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      "There is no checkpoint in /tmp to resume from: set");
  rig_free (&r);

  r = rig_new ("num-classes=3");
  caps_for (&r, 4);
  push_segment (&r, 0);
  push_epoch (&r, 0, TRUE, 0, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
  push_done (&r, 0, TRUE, 4);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (4, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "A batch arrived between two passes: upstream must send");
  rig_free (&r);

  r = rig_new ("num-classes=3 max-memory=10KiB");
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
      "The network cannot be set up: training needs ");
  rig_free (&r);

  r = rig_new ("num-classes=3 device=cpu precision=16-mixed");
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
  {
    GstMessage *message = pop (&r, GST_MESSAGE_INFO, NULL);
    GError *error = NULL;

    g_assert_nonnull (message);
    gst_message_parse_info (message, &error, NULL);
    g_assert_nonnull (
        strstr (error->message, " computes in bf16-mixed where precision=16-mixed was asked for."));
    g_error_free (error);
    gst_message_unref (message);
  }
  rig_free (&r);

  r = rig_new ("num-classes=3 pretrained=/no/such.safetensors");
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/no/such.safetensors");
  rig_free (&r);
}

/* Every property states its range and default; 16 means 16-mixed. */
static void
test_blurbs (void)
{
  GstElement *element = gst_element_factory_make ("cnn3dtrain", NULL);
  GParamSpec **specs;
  guint i, n, seen = 0;
  gint precision;

  gst_object_ref_sink (element);
  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);
  for (i = 0; i < n; i++) {
    if (specs[i]->owner_type != G_OBJECT_TYPE (element))
      continue;
    seen++;
    g_assert_cmpuint (strlen (g_param_spec_get_blurb (specs[i])), >, 20);
    if (specs[i]->flags & G_PARAM_WRITABLE)
      g_assert_nonnull (strstr (g_param_spec_get_blurb (specs[i]), "default "));
  }
  g_free (specs);
  g_assert_cmpuint (seen, ==, 64);

  gst_util_set_object_arg (G_OBJECT (element), "precision", "16");
  g_object_get (element, "precision", &precision, NULL);
  g_assert_cmpint (precision, ==, 1);
  gst_util_set_object_arg (G_OBJECT (element), "precision", "32");
  g_object_get (element, "precision", &precision, NULL);
  g_assert_cmpint (precision, ==, 0);
  gst_object_unref (element);
}

/* A head of another size is left out and reported, and the rest is loaded. */
static void
test_left_out (void)
{
  gchar *dir = make_dir ();
  gchar *line = g_strdup_printf ("pretrained=%s/last.safetensors num-classes=7", dir);
  Rig r = begin_run (dir);
  const GValue *names;
  GError *error = NULL;
  GstMessage *message;
  gchar *debug;

  feed (&r, 0, TOTAL + 1);
  rig_free (&r);
  r = rig_new (line);
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-left-out");
  g_assert_nonnull (message);
  names = gst_structure_get_value (gst_message_get_structure (message), "names");
  g_assert_cmpuint (gst_value_array_get_size (names), ==, 2);
  g_assert_true (
      g_str_has_prefix (g_value_get_string (gst_value_array_get_value (names, 0)), "fc."));
  /* as a list that other languages can read */
  names = gst_structure_get_value (gst_message_get_structure (message), "name-list");
  g_assert_cmpstr (G_VALUE_TYPE_NAME (names), ==, "GValueArray");
  gst_message_unref (message);
  message = pop (&r, GST_MESSAGE_WARNING, NULL);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, &debug);
  g_assert_true (g_str_has_prefix (error->message, "Weights of "));
  g_assert_nonnull (strstr (error->message, " that were left out: fc."));
  g_assert_nonnull (
      strstr (debug, "parameters that are not in the file keep their initial values"));
  g_clear_error (&error);
  g_free (debug);
  gst_message_unref (message);
  rig_free (&r);
  g_free (line);
  remove_dir (dir);
}

/* A prefix before the model's parameter names is reported. */
static void
test_prefix (void)
{
  gchar *dir = make_dir (), *from = g_build_filename (dir, "last.safetensors", NULL),
        *to = g_build_filename (dir, "wrapped.safetensors", NULL);
  gchar *line = g_strdup_printf ("num-classes=3 pretrained=%s", to), *debug;
  Cnn3dSafetensorsWriter *writer = cnn3d_safetensors_writer_new (to, NULL);
  Rig r = begin_run (dir);
  Cnn3dSafetensors *file;
  GstMessage *message;
  guint pass, i;

  feed (&r, 0, TOTAL + 1);
  rig_free (&r);
  file = cnn3d_safetensors_open (from, NULL);
  for (pass = 0; pass < 2; pass++)
    for (i = 0; i < cnn3d_safetensors_get_n_tensors (file); i++) {
      const Cnn3dSafetensor *s = cnn3d_safetensors_nth (file, i);
      gchar *name = g_strconcat ("model.", s->name, NULL);

      if (pass == 0)
        cnn3d_safetensors_writer_add (writer, name, s->dtype, s->n_dims, s->shape);
      else
        cnn3d_safetensors_writer_data (writer, s->data, s->size, NULL);
      g_free (name);
    }
  g_assert_true (cnn3d_safetensors_writer_finish (writer, NULL));
  cnn3d_safetensors_writer_free (writer);
  cnn3d_safetensors_free (file);

  r = rig_new (line);
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
  message = pop (&r, GST_MESSAGE_INFO, NULL);
  g_assert_nonnull (message);
  gst_message_parse_info (message, NULL, &debug);
  g_assert_nonnull (
      strstr (debug, "wrapped.safetensors are those whose names begin with 'model.'"));
  g_free (debug);
  gst_message_unref (message);
  g_assert_null (pop (&r, GST_MESSAGE_WARNING, NULL));
  rig_free (&r);
  remove_dir (dir);
  g_free (line);
  g_free (to);
  g_free (from);
}

/* An epoch without improvement: EOS from the element itself, then no more batches are accepted, and a batch
 * of another size, which caps precede, is no error either. */
static void
test_patience (void)
{
  Rig r = rig_new ("patience=1 monitor=train-loss lr=0");
  GstMessage *message;

  begin_stream (&r, 4);
  g_assert_cmpint (feed (&r, 0, TOTAL), ==, GST_FLOW_OK);
  push_epoch (&r, 0, TRUE, 0, 0);
  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-finished");
  g_assert_nonnull (message);
  g_assert_cmpstr (
      gst_structure_get_string (gst_message_get_structure (message), "reason"), ==, "patience");
  gst_message_unref (message);
  message = pop (&r, GST_MESSAGE_EOS, NULL);
  g_assert_nonnull (message);
  gst_message_unref (message);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_EOS);
  push_caps (&r, CAPS ("uint8", "int32", "2"));
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 2, UINT8_INT32)), ==, GST_FLOW_EOS);
  assert_no_error (&r);
  rig_free (&r);
}

/* --- states --- */

static void
test_cycles (void)
{
  GstElement *element =
      gst_parse_launch ("cnn3dtrain progress=false base-width=4 num-classes=3 threads=1", NULL);
  GstHarness *h;
  Rig r = { element, NULL, NULL, 0 };
  guint i;

  gst_object_ref_sink (element);
  for (i = 0; i < 200; i++) {
    h = r.h = gst_harness_new_with_element (element, "sink", NULL);
    if (i % 2) {
      r.n = 0;
      gst_harness_push_event (h, gst_event_new_stream_start ("test"));
      caps_for (&r, 2);
      push_segment (&r, 0);
      g_assert_cmpint (gst_harness_push (h, make_batch (0, 2, UINT8_INT32)), ==, GST_FLOW_OK);
    }
    gst_element_set_state (element, GST_STATE_NULL);
    gst_harness_teardown (h);
  }
  gst_object_unref (element);
}

/* A stream that ends before the first step is an error; an incomplete step is reported. */
static void
test_empty (void)
{
  Rig r = rig_new ("");
  GstMessage *message;

  gst_harness_push_event (r.h, gst_event_new_eos ());
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "The stream ended before its first batch: nothing was trained. Check that upstream sends "
      "clips.");
  rig_free (&r);

  /* validation passes only */
  r = rig_new ("");
  begin_stream (&r, 4);
  push_epoch (&r, 0, FALSE, 0, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "No training step: no training clips arrived. With clipsrc, passes=all has them.");
  rig_free (&r);

  /* a seek to one */
  r = rig_new ("");
  begin_stream (&r, 4);
  push_epoch (&r, 0, FALSE, TRAIN, TRAIN);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (TRAIN, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      "No training step: the stream begins behind the training clips of epoch 1, with its "
      "validation. Do not seek there before training has begun.");
  rig_free (&r);

  /* Ctrl-C: clip-epoch-done does not arrive */
  r = rig_new ("accumulate-grad-batches=3");
  begin_stream (&r, 4);
  push_epoch (&r, 0, TRUE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  gst_harness_push_event (r.h, gst_event_new_eos ());
  message = pop (&r, GST_MESSAGE_WARNING, NULL);
  g_assert_nonnull (message);
  {
    GError *error = NULL;

    gst_message_parse_warning (message, &error, NULL);
    g_assert_cmpstr (
        error->message, ==, "Training was stopped before its first step: nothing was trained.");
    g_error_free (error);
  }
  gst_message_unref (message);
  assert_no_error (&r);
  rig_free (&r);

  /* no clip of a pass arrived, and no skipped clip was reported */
  r = rig_new ("max-skipped=1");
  begin_stream (&r, 4);
  push_epoch (&r, 0, TRUE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  push_done (&r, 0, TRUE, TRAIN);
  push_epoch (&r, 1, TRUE, TRAIN, TRAIN);
  {
    GstClipEpochDone done = { 1, TRUE, 2 * TRAIN, 0, TRAIN };

    gst_harness_push_event (r.h, gst_event_new_clip_epoch_done (&done));
  }
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
      " training clips were skipped; mostly: none arrived. Repair the files or correct their "
      "paths.");
  rig_free (&r);
}

/* Skipped clips are reported with a hint where all of them are listed. */
static void
test_skips (void)
{
  GstClipSkipped skipped = { .path = "bad.mp4", .reason = "it is empty", .clip = 4 };
  GstClipEpochDone done = { 0, TRUE, TRAIN, TRAIN - 1, 1 };
  Rig r = rig_new ("max-skipped=1");
  GstMessage *message;
  GError *error;

  begin_stream (&r, 4);
  push_epoch (&r, 0, TRUE, 0, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  gst_harness_push_event (r.h, gst_event_new_clip_skipped (&skipped));
  gst_harness_push_event (r.h, gst_event_new_clip_epoch_done (&done));
  gst_harness_push_event (r.h, gst_event_new_eos ());
  message = pop (&r, GST_MESSAGE_WARNING, NULL);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, NULL);
  g_assert_nonnull (
      strstr (error->message, "bad.mp4: it is empty; with log-dir, log.jsonl has all of them"));
  g_error_free (error);
  gst_message_unref (message);
  rig_free (&r);
}

/* A validation clip that clipbatch reports as skipped is not said to fill no batch. */
static void
test_val_skips (void)
{
  GstClipSkipped skipped = { .path = "bad.mp4", .reason = "ended early", .clip = TRAIN + VAL - 1 };
  guint run;

  for (run = 0; run < 2; run++) {
    Rig r = rig_new ("max-skipped=1");
    GstMessage *message;
    GError *error = NULL;

    begin_stream (&r, 4);
    push_epoch (&r, 0, TRUE, 0, 0);
    gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
    push_done (&r, 0, TRUE, TRAIN);
    push_epoch (&r, 0, FALSE, TRAIN, TRAIN);
    gst_harness_push (r.h, make_batch (TRAIN, 4, UINT8_INT32));
    if (run == 0)
      gst_harness_push_event (r.h, gst_event_new_clip_skipped (&skipped));
    push_done (&r, 0, FALSE, TRAIN + VAL);
    message = pop (&r, GST_MESSAGE_WARNING, NULL);
    g_assert_cmpint (run == 0, ==, message == NULL);
    if (message) {
      gst_message_parse_warning (message, &error, NULL);
      g_assert_nonnull (strstr (error->message, "1 of 5 validation clips are in no batch"));
      g_error_free (error);
      gst_message_unref (message);
    }
    rig_free (&r);
  }
}

/* A monitor of validation metrics needs a validation pass if it is set by name. */
static void
test_monitor (void)
{
  static const gchar *const names[] = { "val-accuracy", "val-loss", "val-f1" };
  GstClipEpoch alone = { .training = TRUE, .clips = TRAIN, .epochs = 1 };
  GstMessage *message;
  guint i, infos;
  Rig r;

  for (i = 0; i < G_N_ELEMENTS (names); i++) {
    gchar *line = g_strconcat ("monitor=", names[i], NULL);
    gchar *says = g_strdup_printf ("monitor=%s needs a validation pass", names[i]);
    gboolean announced;

    for (announced = FALSE; announced <= TRUE; announced++) {
      r = rig_new (line);
      begin_stream (&r, 4);
      if (announced)
        gst_harness_push_event (r.h, gst_event_new_clip_epoch (&alone));
      g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_ERROR);
      assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, says);
      rig_free (&r);
    }
    g_free (says);
    g_free (line);
  }

  /* the default uses what is available, and reports it if it matters */
  for (i = 0; i < 2; i++) {
    r = rig_new (i ? "patience=3" : "");
    begin_stream (&r, 4);
    alone.epochs = 2;
    gst_harness_push_event (r.h, gst_event_new_clip_epoch (&alone));
    g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
    push_done (&r, 0, TRUE, TRAIN);
    alone.epoch = 1;
    alone.first_clip = alone.position = TRAIN;
    gst_harness_push_event (r.h, gst_event_new_clip_epoch (&alone));
    alone.epoch = alone.first_clip = alone.position = 0;
    for (infos = 0; (message = pop (&r, GST_MESSAGE_INFO, NULL)); infos++) {
      GError *error = NULL;

      gst_message_parse_info (message, &error, NULL);
      g_assert_cmpstr (error->message, ==,
          "There are no validation clips: the best epoch is chosen by training accuracy "
          "(monitor=auto), which patience also uses.");
      g_error_free (error);
      gst_message_unref (message);
    }
    g_assert_cmpuint (infos, ==, i);
    rig_free (&r);
  }
}

/* A line for each epoch, and the end of the run. */
static void
test_progress (void)
{
  Rig r;

  if (g_test_subprocess ()) {
    r = rig_new ("progress=true");
    begin_stream (&r, 4);
    feed (&r, 0, TOTAL + 1);
    rig_free (&r);
    r = rig_new ("progress=true patience=1 monitor=train-loss lr=0");
    begin_stream (&r, 4);
    feed (&r, 0, TOTAL);
    rig_free (&r);
    r = rig_new ("progress=true");
    begin_stream (&r, 4);
    feed (&r, 0, 8);
    rig_free (&r);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout (
      "*epoch 1/2  loss *  accuracy * %  val-loss *  val-accuracy * %  lr 0.01  * clips/s  * s  "
      "left *\n*epoch 2/2  loss *best: epoch *  val-loss *  val-accuracy * %\n*stopped: no "
      "improvement for 1 epochs\n*stopped at epoch 1, clip 8 of *: nothing is saved, as "
      "checkpoint-dir is not set\n*");
}

int
main (int argc, char **argv)
{
  int ret;

  g_setenv ("GST_PRESET_PATH", TEST_SOURCE_DIR "/presets", TRUE);
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/cnn3dtrain/caps", test_caps);
  g_test_add_func ("/cnn3dtrain/caps-change", test_caps_change);
  g_test_add_data_func (
      "/cnn3dtrain/learns/uint8-int32", GINT_TO_POINTER (UINT8_INT32), test_learns);
  g_test_add_data_func (
      "/cnn3dtrain/learns/uint8-int64", GINT_TO_POINTER (UINT8_INT64), test_learns);
  g_test_add_data_func (
      "/cnn3dtrain/learns/float-one-hot", GINT_TO_POINTER (FLOAT_ONE_HOT), test_learns);
  g_test_add_func ("/cnn3dtrain/messages", test_messages);
  g_test_add_func ("/cnn3dtrain/larger-batch", test_larger_batch);
  g_test_add_func ("/cnn3dtrain/bad-labels", test_bad_labels);
  g_test_add_func ("/cnn3dtrain/bad-one-hot", test_bad_one_hot);
  g_test_add_func ("/cnn3dtrain/nan", test_nan);
  g_test_add_func ("/cnn3dtrain/bad-buffers", test_bad_buffers);
  g_test_add_func ("/cnn3dtrain/misaligned", test_misaligned);
  g_test_add_func ("/cnn3dtrain/settings", test_settings);
  g_test_add_func ("/cnn3dtrain/conflicts", test_conflicts);
  g_test_add_func ("/cnn3dtrain/blurbs", test_blurbs);
  g_test_add_func ("/cnn3dtrain/left-out", test_left_out);
  g_test_add_func ("/cnn3dtrain/prefix", test_prefix);
  g_test_add_func ("/cnn3dtrain/patience", test_patience);
  g_test_add_func ("/cnn3dtrain/cycles", test_cycles);
  g_test_add_func ("/cnn3dtrain/empty", test_empty);
  g_test_add_func ("/cnn3dtrain/skips", test_skips);
  g_test_add_func ("/cnn3dtrain/val-skips", test_val_skips);
  g_test_add_func ("/cnn3dtrain/monitor", test_monitor);
  g_test_add_func ("/cnn3dtrain/progress", test_progress);

  ret = g_test_run ();
  /* the leaks tracer checks here */
  gst_deinit ();

  return ret;
}
