/* cnn3dtrain-classes.c: the classes and class weights of cnn3dtrain, and its presets.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrig.h"

#include "src/model/modelfile.h"

/* --- classes --- */

static void
test_classes (void)
{
  Rig r = rig_new ("");
  const gchar *one[] = { "only", NULL };
  const gchar *same[] = { "red", "green", "red", NULL };
  GstMessage *message;
  GError *error = NULL;

  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "Upstream does not say how many classes there are: set num-classes");
  rig_free (&r);

  r = rig_new ("num-classes=2");
  begin_stream (&r, 4);
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "num-classes is 2, but upstream has 3 classes: set it to 0 to take them");
  rig_free (&r);

  r = rig_new ("");
  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push_event (r.h, gst_event_new_clip_classes (one));
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "Upstream has only one class: training needs at least two");
  rig_free (&r);

  r = rig_new ("num-classes=5");
  begin_stream (&r, 4);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
  message = pop (&r, GST_MESSAGE_WARNING, NULL);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, NULL);
  g_assert_nonnull (strstr (
      error->message, "num-classes is 5, but upstream has 3 classes: the network gets 2 outputs"));
  g_clear_error (&error);
  gst_message_unref (message);
  rig_free (&r);

  /* one-hot labels give the number of classes, too */
  r = rig_new ("num-classes=5");
  g_assert_true (push_caps (&r,
      "other/"
      "tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:4.3:4"));
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, FLOAT_ONE_HOT)), ==, GST_FLOW_OK);
  message = pop (&r, GST_MESSAGE_WARNING, NULL);
  g_assert_nonnull (message);
  gst_message_unref (message);
  rig_free (&r);

  r = rig_new ("num-classes=2");
  g_assert_true (push_caps (&r,
      "other/"
      "tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:4.3:4"));
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, FLOAT_ONE_HOT)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "One-hot labels have 3 classes, but the network is to have 2");
  rig_free (&r);

  r = rig_new ("");
  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push_event (r.h, gst_event_new_clip_classes (same));
  gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "Upstream has two classes 'red'");
  rig_free (&r);
}

/* A class without clips has no name in the model's file. */
static void
test_unnamed_classes (void)
{
  gchar *dir = make_dir (), *path = g_build_filename (dir, "last.safetensors", NULL);
  gchar *line = g_strconcat ("num-classes=5 checkpoint-dir=", dir, NULL);
  const Cnn3dModelInfo *info;
  Cnn3dModelFile *file;
  Rig r = rig_new (line);

  begin_stream (&r, 4);
  g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
  rig_free (&r);
  file = cnn3d_model_file_open (path, NULL);
  g_assert_nonnull (file);
  info = cnn3d_model_file_info (file);
  g_assert_cmpuint (g_strv_length (info->classes), ==, 5);
  g_assert_cmpstr (info->classes[2], !=, "");
  g_assert_cmpstr (info->classes[3], ==, "");
  g_assert_cmpstr (info->classes[4], ==, "");
  cnn3d_model_file_free (file);
  remove_dir (dir);
  g_free (path);
  g_free (line);
}

/* --- weights --- */

/* The class weights in a run's log; g_free(). clips: NULL: upstream does not send them. */
static gchar *
weights_of (const gchar *properties, const guint64 *clips)
{
  const gchar *three[] = { "red", "green", "blue", NULL };
  gchar *dir = make_dir (), *text = NULL, *path, *found, *ret = NULL;
  gchar *line = g_strdup_printf ("%s log-dir=%s", properties, dir);
  Rig r = rig_new (line);

  caps_for (&r, 4);
  push_segment (&r, 0);
  gst_harness_push_event (r.h,
      clips ? gst_event_new_clip_classes_counted (three, clips)
            : gst_event_new_clip_classes (three));
  g_assert_cmpint (feed (&r, 0, TOTAL + 1), ==, GST_FLOW_OK);
  rig_free (&r);
  path = g_build_filename (dir, "log.jsonl", NULL);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  found = strstr (text, "\"class-weights\":");
  if (found)
    ret = g_strndup (found + 16, strcspn (found + 16, "]") + 1);
  g_assert_true (!strstr (text, "\"training-clips\":[5,0,20]") == !clips);
  g_assert_nonnull (strstr (text, "\"class-accuracy\":["));
  g_assert_nonnull (strstr (text, "\"f1\":"));
  g_unlink (path);
  g_free (path);
  g_free (text);
  g_free (line);
  remove_dir (dir);

  return ret;
}

static void
test_weights (void)
{
  static const struct {
    const gchar *properties, *reason;
    gboolean in_time; /* before the first clip */
  } bad[] = {
    { "class-weights=1,2", "class-weights has 2 numbers, but there are 3 classes", FALSE },
    { "class-weights=balanced", "upstream does not say: take the clips", FALSE },
    { "class-weights=1,x,2", "'x' where a number", TRUE },
    { "class-weights=1,0,2", "'0' where a number", TRUE },
    { "class-weights=1,inf,2", "'inf' where a number", TRUE },
    { "class-weights=1,2,", "'' where a number", TRUE },
  };
  const guint64 clips[] = { 5, 0, 20 };
  gchar *text = weights_of ("class-weights=balanced monitor=val-f1", clips);
  guint i;

  g_assert_cmpstr (text, ==, "[2.5,1,0.625]");
  g_free (text);
  text = weights_of ("class-weights=\"1, 2.5,0.5\"", NULL);
  g_assert_cmpstr (text, ==, "[1,2.5,0.5]");
  g_free (text);
  g_assert_null (weights_of ("class-weights=none", clips));

  for (i = 0; i < G_N_ELEMENTS (bad); i++) {
    gchar *line = g_strdup_printf ("cnn3dtrain progress=false base-width=4 %s", bad[i].properties);
    Rig r;

    if (bad[i].in_time) {
      GstElement *element = gst_parse_launch (line, NULL);

      r = (Rig) { gst_object_ref_sink (element), NULL, gst_bus_new (), 0 };
      gst_element_set_bus (element, r.bus);
      g_assert_cmpint (
          gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
      assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, bad[i].reason);
      gst_element_set_state (element, GST_STATE_NULL);
      gst_element_set_bus (element, NULL);
      gst_object_unref (element);
      gst_object_unref (r.bus);
    } else {
      r = rig_new (bad[i].properties);
      begin_stream (&r, 4);
      gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32));
      assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, bad[i].reason);
      rig_free (&r);
    }
    g_free (line);
  }
}

/* --- presets --- */

static void
test_presets (void)
{
  GstElement *element = gst_element_factory_make ("cnn3dtrain", NULL);
  gchar **names, *model;
  gint schedule, optimizer;
  gdouble lr;
  guint i;

  gst_object_ref_sink (element);
  names = gst_preset_get_preset_names (GST_PRESET (element));
  g_assert_nonnull (names);
  g_assert_cmpuint (g_strv_length (names), ==, 3);
  for (i = 0; names[i]; i++)
    g_assert_true (gst_preset_load_preset (GST_PRESET (element), names[i]));
  g_strfreev (names);

  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "slow_r50-adam"));
  g_object_get (
      element, "model", &model, "lr", &lr, "lr-schedule", &schedule, "optimizer", &optimizer, NULL);
  g_assert_cmpstr (model, ==, "slow_r50");
  g_assert_cmpfloat (lr, ==, 1e-4);
  g_assert_cmpint (schedule, ==, 1);
  g_assert_cmpint (optimizer, ==, 1);
  g_free (model);
  gst_object_unref (element);

  element = gst_parse_launch ("cnn3dtrain @preset=quick-cpu threads=1", NULL);
  g_assert_nonnull (element);
  gst_object_ref_sink (element);
  g_object_get (element, "optimizer", &optimizer, "base-width", &schedule, NULL);
  g_assert_cmpint (optimizer, ==, 2);
  g_assert_cmpint (schedule, ==, 16);
  gst_object_unref (element);
}

/* Conflicts between a preset and explicit properties are reported. */
static void
test_preset (void)
{
  GstElement *element = gst_element_factory_make ("cnn3dtrain", NULL);
  const gchar *wanted =
      "lr=0.01 of the preset r3d_18-torchvision holds, not lr=0.5; momentum=0.25 holds, not "
      "momentum=0.9 of the preset r3d_18-torchvision; lr-schedule=cosine holds, not "
      "lr-schedule=step of the preset r3d_18-torchvision.";
  GstBus *bus = gst_bus_new ();
  GError *error = NULL;
  GstMessage *message;
  gdouble lr, momentum;

  gst_object_ref_sink (element);
  gst_element_set_bus (element, bus);
  /* equal values are not reported */
  g_object_set (element, "lr", 0.5, "weight-decay", 1e-4, "progress", FALSE, NULL);
  g_assert_true (gst_preset_load_preset (GST_PRESET (element), "r3d_18-torchvision"));
  g_object_set (element, "momentum", 0.25, "seed", G_GUINT64_CONSTANT (5), NULL);
  gst_util_set_object_arg (G_OBJECT (element), "lr-schedule", "cosine");
  g_object_get (element, "lr", &lr, "momentum", &momentum, NULL);
  g_assert_cmpfloat (lr, ==, 0.01);
  g_assert_cmpfloat (momentum, ==, 0.25);
  gst_element_set_state (element, GST_STATE_PAUSED);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  gst_message_parse_warning (message, &error, NULL);
  g_assert_cmpstr (error->message, ==, wanted);
  g_error_free (error);
  gst_message_unref (message);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
}

int
main (int argc, char **argv)
{
  int ret;

  g_setenv ("GST_PRESET_PATH", TEST_SOURCE_DIR "/presets", TRUE);
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/cnn3dtrain-classes/classes", test_classes);
  g_test_add_func ("/cnn3dtrain-classes/unnamed", test_unnamed_classes);
  g_test_add_func ("/cnn3dtrain-classes/weights", test_weights);
  g_test_add_func ("/cnn3dtrain-classes/presets", test_presets);
  g_test_add_func ("/cnn3dtrain-classes/preset", test_preset);

  ret = g_test_run ();
  gst_deinit ();

  return ret;
}
