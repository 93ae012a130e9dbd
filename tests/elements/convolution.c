/* convolution.c: the property `convolution` of cnn3dtrain, cnn3deval and cnn3dinfer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evalrig.h"

#include "tests/limits.h"

static const gchar *const elements[] = { "cnn3dtrain", "cnn3deval", "cnn3dinfer" };
static const gchar *const ways[] = { "auto", "direct", "winograd" };

static void
assert_differ (gdouble automatic, gdouble direct, gdouble winograd)
{
  g_assert_cmpfloat_with_epsilon (direct, winograd, 1e-4 * fabs (direct));
  g_assert_cmpfloat_with_epsilon (direct, automatic, 1e-4 * fabs (direct));
  g_assert_cmpfloat (direct, !=, winograd);
  g_assert_cmpfloat (direct, !=, automatic);
}

/* --- the property --- */

/* All three have the same enum type, whose nicks equal its names. */
static void
test_values (void)
{
  GType type = G_TYPE_INVALID;
  guint i, k;

  for (i = 0; i < G_N_ELEMENTS (elements); i++) {
    GstElement *element = gst_element_factory_make (elements[i], NULL);
    GParamSpec *spec;
    gint value;

    gst_object_ref_sink (element);
    spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), "convolution");
    g_assert_true (G_IS_PARAM_SPEC_ENUM (spec));
    g_assert_true (i == 0 || spec->value_type == type);
    type = spec->value_type;
    g_assert_true (gst_type_is_plugin_api (type, NULL));
    g_assert_cmpuint (G_PARAM_SPEC_ENUM (spec)->enum_class->n_values, ==, 3);
    g_assert_cmpint (G_PARAM_SPEC_ENUM (spec)->default_value, ==, CNN3D_CONVOLUTION_AUTO);
    g_object_get (element, "convolution", &value, NULL);
    g_assert_cmpint (value, ==, CNN3D_CONVOLUTION_AUTO);
    for (k = G_N_ELEMENTS (ways); k-- > 0;) {
      gst_util_set_object_arg (G_OBJECT (element), "convolution", ways[k]);
      g_object_get (element, "convolution", &value, NULL);
      g_assert_cmpstr (cnn3d_choice_name (&cnn3d_convolutions, value), ==, ways[k]);
    }
    gst_object_unref (element);
  }
}

static void
test_refused (void)
{
  static const gchar *const others[] = { "fft", "3", "-1", "Direct" };
  guint i, k;

  for (i = 0; i < G_N_ELEMENTS (elements); i++)
    for (k = 0; k < G_N_ELEMENTS (others); k++) {
      gchar *line = g_strdup_printf ("%s convolution=\"%s\"", elements[i], others[k]);
      GError *error = NULL;
      GstElement *element = gst_parse_launch (line, &error);

      g_test_message ("%s", line);
      g_assert_error (error, GST_PARSE_ERROR, GST_PARSE_ERROR_COULD_NOT_SET_PROPERTY);
      g_assert_nonnull (strstr (error->message, "convolution"));
      g_clear_error (&error);
      gst_clear_object (&element);
      g_free (line);
    }
}

/* --- what it does --- */

/* The losses of three steps. */
static void
train (const gchar *convolution, guint threads, gdouble losses[3])
{
  gchar *line = g_strdup_printf (
      "device=cpu num-classes=3 base-width=8 optimizer=sgd lr=0.001 convolution=%s threads=%u",
      convolution, threads);
  Rig r = rig_new (line);
  GstMessage *message;
  guint i;

  caps_for (&r, 4);
  push_segment (&r, 0);
  for (i = 0; i < 3; i++) {
    g_assert_cmpint (gst_harness_push (r.h, make_batch (4 * i, 4, UINT8_INT32)), ==, GST_FLOW_OK);
    g_object_get (r.element, "loss", &losses[i], NULL);
  }
  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-plan");
  g_assert_nonnull (message);
  g_assert_cmpstr (gst_structure_get_string (gst_message_get_structure (message), "convolution"),
      ==, convolution);
  gst_message_unref (message);
  rig_free (&r);
  g_free (line);
}

static void
test_train (void)
{
  gdouble losses[3][3], two[3];
  guint i, k;

  for (i = 0; i < G_N_ELEMENTS (ways); i++) {
    train (ways[i], 1, losses[i]);
    train (ways[i], 2, two);
    for (k = 0; k < 3; k++)
      g_test_message ("%s, step %u: %.17g, %.17g", ways[i], k, losses[i][k], two[k]);
    /* independent of the number of threads in the forward pass */
    g_assert_cmpfloat (losses[i][0], ==, two[0]);
  }
  for (k = 0; k < 3; k++)
    assert_differ (losses[0][k], losses[1][k], losses[2][k]);
}

/* A run resumes from a checkpoint written with another setting. */
static void
test_resume (void)
{
  gchar *dir = make_dir ();
  guint i;

  for (i = 0; i < G_N_ELEMENTS (ways); i++) {
    gchar *line = g_strdup_printf ("device=cpu checkpoint-dir=%s convolution=%s resume=%s", dir,
        ways[i], i ? "must" : "never");
    Rig r = rig_new (line);
    GstMessage *message;
    guint64 position = 4 * i;

    caps_for (&r, 4);
    push_segment (&r, 0);
    push_classes (&r);
    push_epoch (&r, 0, TRUE, 0, 0);
    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-resumed");
    g_assert_cmpint (message != NULL, ==, i > 0);
    if (message) {
      GstEvent *seek = NULL;

      while (!seek || GST_EVENT_TYPE (seek) != GST_EVENT_SEEK) {
        gst_clear_event (&seek);
        seek = gst_harness_try_pull_upstream_event (r.h);
        g_assert_nonnull (seek);
      }
      g_assert_true (
          gst_structure_get_uint64 (gst_message_get_structure (message), "position", &position));
      g_assert_cmpuint (position, ==, 4 * i);
      push_segment (&r, gst_event_get_seqnum (seek));
      gst_event_unref (seek);
      gst_message_unref (message);
    }
    g_assert_cmpint (feed (&r, position, position + 4), ==, GST_FLOW_OK);
    gst_harness_push_event (r.h, gst_event_new_eos ());
    assert_no_error (&r);
    rig_free (&r);
    g_free (line);
  }
  remove_dir (dir);
}

static void
test_eval (void)
{
  gdouble losses[3];
  guint i;

  for (i = 0; i < G_N_ELEMENTS (ways); i++) {
    gchar *line = g_strconcat ("device=cpu convolution=", ways[i], NULL);
    Rig r = eval_new (line);
    GstMessage *message;

    caps_for (&r, 4);
    push_segment (&r, 0);
    g_assert_cmpint (gst_harness_push (r.h, make_batch (0, 4, UINT8_INT32)), ==, GST_FLOW_OK);
    finish (&r);
    g_object_get (r.element, "loss", &losses[i], NULL);
    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3deval-plan");
    g_assert_nonnull (message);
    g_assert_cmpstr (
        gst_structure_get_string (gst_message_get_structure (message), "convolution"), ==, ways[i]);
    gst_message_unref (message);
    rig_free (&r);
    g_free (line);
  }
  assert_differ (losses[0], losses[1], losses[2]);
}

/* A frame with the same picture each time: all windows have the same score. */
static void
push_frame (Rig *r)
{
  GstBuffer *frame = gst_buffer_new_allocate (NULL, SIZE * SIZE * C, NULL);
  GstMapInfo map;
  guint i;

  g_assert_true (gst_buffer_map (frame, &map, GST_MAP_WRITE));
  for (i = 0; i < map.size; i++)
    map.data[i] = pixel (1, i);
  gst_buffer_unmap (frame, &map);
  GST_BUFFER_PTS (frame) = r->n * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (frame) = 40 * GST_MSECOND;
  r->n++;
  g_assert_cmpint (gst_harness_push (r->h, frame), ==, GST_FLOW_OK);
  gst_buffer_unref (gst_harness_pull (r->h));
}

/* A setting changed while the video plays reloads the model. */
static void
test_infer (void)
{
  gchar *line = g_strdup_printf ("cnn3dinfer device=cpu threads=1 drop=false model=%s", model);
  GstElement *element = gst_parse_launch (line, NULL);
  Rig r = { gst_object_ref_sink (element), NULL, gst_bus_new (), 0 };
  gdouble scores[3];
  guint i, k;

  gst_element_set_bus (element, r.bus);
  r.h = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_set_src_caps_str (r.h, "video/x-raw,format=RGB,width=32,height=32,framerate=25/1");
  for (i = 0; i < G_N_ELEMENTS (ways); i++) {
    const gint64 end = g_get_monotonic_time () + test_limit (60);
    GstMessage *message;

    /* the first one is the default */
    if (i > 0)
      gst_util_set_object_arg (G_OBJECT (element), "convolution", ways[i]);
    while (!(message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dinfer-model"))
        && g_get_monotonic_time () < end)
      push_frame (&r);
    g_assert_nonnull (message);
    gst_message_unref (message);
    for (k = 0; k < FRAMES; k++)
      push_frame (&r);
    message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dinfer-result");
    g_assert_nonnull (message);
    g_assert_true (
        gst_structure_get_double (gst_message_get_structure (message), "score", &scores[i]));
    gst_message_unref (message);
  }
  g_test_message ("%.17g, %.17g, %.17g", scores[0], scores[1], scores[2]);
  assert_differ (scores[0], scores[1], scores[2]);
  rig_free (&r);
  g_free (line);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/convolution/values", test_values);
  g_test_add_func ("/convolution/refused", test_refused);
  g_test_add_func ("/convolution/train", test_train);
  g_test_add_func ("/convolution/resume", test_resume);
  g_test_add_func ("/convolution/eval", test_eval);
  g_test_add_func ("/convolution/infer", test_infer);

  return run_with_model ();
}
