/* cnn3deval-refused.c: model files, settings and clips that cnn3deval rejects.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evalrig.h"

/* --- before the first clip --- */

static void
refused (const gchar *path, const gchar *properties, GQuark domain, gint code, const gchar *reason)
{
  gchar *line = path ? g_strdup_printf ("cnn3deval progress=false model=%s %s", path, properties)
                     : g_strdup ("cnn3deval progress=false");
  GstElement *element = gst_parse_launch (line, NULL);
  Rig r = { gst_object_ref_sink (element), NULL, gst_bus_new (), 0 };

  gst_element_set_bus (element, r.bus);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  assert_error (&r, domain, code, reason);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (r.bus);
  g_free (line);
}

static void
test_bad_files (void)
{
  const GQuark resource = GST_RESOURCE_ERROR;
  gchar *path = g_build_filename (folder, "bad", NULL);
  gchar *whole, *other;
  gsize size;

  refused (NULL, "", resource, GST_RESOURCE_ERROR_SETTINGS,
      "There is no model to evaluate: set model to a file that cnn3dtrain wrote");
  refused ("/nowhere/m.safetensors", "", resource, GST_RESOURCE_ERROR_NOT_FOUND,
      "/nowhere/m.safetensors");
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  refused (path, "", resource, GST_RESOURCE_ERROR_READ, path);
  g_assert_true (
      g_file_set_contents (path, "This is no model, but long enough to hold a header.", -1, NULL));
  refused (path, "", resource, GST_RESOURCE_ERROR_READ, path);

  g_assert_true (g_file_get_contents (model, &whole, &size, NULL));
  g_assert_true (g_file_set_contents (path, whole, size / 2, NULL));
  refused (path, "", resource, GST_RESOURCE_ERROR_READ, path);
  g_assert_true (g_file_set_contents (path, whole, 40, NULL));
  refused (path, "", resource, GST_RESOURCE_ERROR_READ, path);
  /* a header with another model */
  memcpy (strstr (whole + 8, "r3d_18"), "r3d_19", 6);
  g_assert_true (g_file_set_contents (path, whole, size, NULL));
  refused (path, "", resource, GST_RESOURCE_ERROR_READ, "r3d_19");
  g_free (whole);
  g_free (path);

  other = make_model ("other", NO_DESCRIPTION);
  refused (other, "", resource, GST_RESOURCE_ERROR_READ, "does not describe its model");
  g_free (other);
  other = make_model ("other", NO_WEIGHT);
  refused (other, "", resource, GST_RESOURCE_ERROR_READ, "The model cannot be evaluated: ");
  g_free (other);
  other = make_model ("other", OTHER_WEIGHT);
  refused (other, "", resource, GST_RESOURCE_ERROR_READ, "'fc.bias' is (4)");
  g_free (other);
}

static void
test_bad_settings (void)
{
  const GQuark resource = GST_RESOURCE_ERROR;
  gchar *line = g_strdup_printf ("output-dir=%s/below", model);
  Rig r;

  refused (model, "max-memory=much", resource, GST_RESOURCE_ERROR_SETTINGS,
      "'much', which is not a valid size");
  refused (model, "feature-maps=1", resource, GST_RESOURCE_ERROR_SETTINGS,
      "feature-maps needs a place to put them: set output-dir");
  refused (model, "feature-maps=1 feature-layers=\"\" output-dir=maps", resource,
      GST_RESOURCE_ERROR_SETTINGS, "feature-maps needs layers to draw: set feature-layers");
  refused (model, line, resource, GST_RESOURCE_ERROR_OPEN_WRITE, "Results cannot be written to ");
  g_free (line);

  line = g_strdup_printf ("feature-maps=1 feature-layers=layer9 output-dir=%s", folder);
  r = eval_new (line);
  push_caps (&r, CAPS ("uint8", "int32", "4"));
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "layer9");
  rig_free (&r);
  g_free (line);

  r = eval_new ("device=cuda:77");
  push_caps (&r, CAPS ("uint8", "int32", "4"));
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "cuda");
  rig_free (&r);

  r = eval_new ("max-memory=1000");
  push_caps (&r, CAPS ("uint8", "int32", "4"));
  assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
      "The model cannot be set up: one clip at a time takes ");
  rig_free (&r);
}

static void
test_caps (void)
{
  Rig r = eval_new ("");

  push_caps (
      &r, "other/tensors,format=static,num_tensors=2,types=uint8.int32,dimensions=3:64:48:8:4.4");
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      " was trained on clips of 4 frames of 32x32x3, but uint8 clips of 8 frames of 64x48x3 "
      "arrived: set clipsample num-frames=4 and video/x-raw,format=RGB,width=32,height=32");
  rig_free (&r);

  r = eval_new ("");
  push_caps (&r, CAPS ("int16", "int32", "4"));
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "int16");
  rig_free (&r);

  r = eval_new ("");
  g_assert_true (push_caps (&r, CAPS ("uint8", "int32", "4")));
  push_caps (&r, CAPS ("float32", "int32", "4"));
  assert_error (
      &r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "The model was set up for uint8 clips");
  rig_free (&r);
}

/* One-hot labels: their length is the number of classes */
static void
test_one_hot (void)
{
  Rig r = eval_new ("");

  g_assert_true (push_caps (&r,
      "other/"
      "tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:4.3:4"));
  rig_free (&r);

  r = eval_new ("");
  push_caps (&r,
      "other/tensors,format=static,num_tensors=2,types=float32.float32,dimensions=3:32:32:4:4.5:4");
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "One-hot labels have 5 classes, but the model has 3");
  rig_free (&r);
}

/* The file is replaced before the first caps. */
static void
test_other_file (void)
{
  gchar *path = make_model ("swapped", WHOLE), *other;
  Rig r = eval_of (path, "");

  other = make_model ("swapped", NO_NAMES);
  g_assert_cmpstr (other, ==, path);
  push_caps (&r, CAPS ("uint8", "int32", "4"));
  assert_error (
      &r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "was changed after the pipeline started");
  rig_free (&r);
  g_free (other);
  g_free (path);
}

/* Of many classes the first ones are listed. */
static void
test_unknown_class (void)
{
  static const gchar *const strange[] = { "a", "zebra", NULL };
  gchar *path = make_model ("many", MANY_CLASSES);
  Rig r = eval_of (path, "");

  caps_for (&r, 1);
  push_segment (&r, 0);
  push_names (&r, strange);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "many was trained on, which are a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t "
      "and 5 more: evaluate on clips of those");
  rig_free (&r);
  g_free (path);
}

/* --- clips --- */

static void
test_labels (void)
{
  static const struct {
    gint32 label;
    const gchar *reason;
  } table[] = {
    { 3, "Clip 1 (second.mp4) cannot be evaluated: its label is 3" },
    { -1, "Clip 1 (second.mp4) cannot be evaluated: it has no label" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    Rig r = eval_new ("");
    GstBuffer *buffer = with_metas (make_batch (0, 4, UINT8_INT32), 4, 0, FALSE);

    set_label (buffer, 1, table[i].label);
    caps_for (&r, 4);
    push_segment (&r, 0);
    g_assert_cmpint (gst_harness_push (r.h, buffer), ==, GST_FLOW_ERROR);
    assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, table[i].reason);
    /* nothing more is posted or written */
    gst_harness_push_event (r.h, gst_event_new_eos ());
    g_assert_null (find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-result"));
    rig_free (&r);
  }
}

static void
test_bad_buffers (void)
{
  Rig r = eval_new ("");

  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 3, UINT8_INT32)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "but its caps say ");
  rig_free (&r);

  r = eval_new ("");
  caps_for (&r, 4);
  push_segment (&r, 0);
  g_assert_cmpint (
      gst_harness_push (r.h, gst_buffer_new_allocate (NULL, 16, NULL)), ==, GST_FLOW_ERROR);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A batch has 1 memories, but must have two: frames and labels");
  rig_free (&r);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/cnn3deval-refused/bad-files", test_bad_files);
  g_test_add_func ("/cnn3deval-refused/bad-settings", test_bad_settings);
  g_test_add_func ("/cnn3deval-refused/caps", test_caps);
  g_test_add_func ("/cnn3deval-refused/one-hot", test_one_hot);
  g_test_add_func ("/cnn3deval-refused/other-file", test_other_file);
  g_test_add_func ("/cnn3deval-refused/unknown-class", test_unknown_class);
  g_test_add_func ("/cnn3deval-refused/labels", test_labels);
  g_test_add_func ("/cnn3deval-refused/bad-buffers", test_bad_buffers);

  return run_with_model ();
}
