/* cnn3dtrain-views.c: training on several views of each clip, and testing what was
 * trained, together and by view.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evalrig.h"
#include "trainchecks.h"

#include "src/settings/choices.h"

#define V 3

static const gchar *const views[] = { "front", "left", "top", NULL };

static void
push_views (Rig *r, const gchar *const *names)
{
  gst_harness_push_event (r->h, gst_event_new_clip_views (names));
}

/* A run of batches of up to n clips with views. */
static Rig
views_rig (const gchar *properties, guint n)
{
  Rig r = rig_new (properties);

  r.views = V;
  push_views (&r, views);
  begin_stream (&r, n);

  return r;
}

static Rig
checkpointed (const gchar *more, const gchar *dir)
{
  gchar *line = g_strdup_printf ("%s checkpoint-dir=%s", more, dir);
  Rig r = views_rig (line, 4);

  g_free (line);

  return r;
}

/* --- training --- */

/* It learns, and the file has the views. */
static void
test_learns (gconstpointer fusion)
{
  gchar *dir = make_dir (), *path = g_build_filename (dir, "last.safetensors", NULL);
  gchar *line = g_strdup_printf ("view-fusion=%s", (const gchar *) fusion);
  Rig r = checkpointed (line, dir);
  const Cnn3dModelInfo *info;
  Cnn3dModelFile *file;

  check_learns (&r, 30);
  rig_free (&r);

  file = cnn3d_model_file_open (path, NULL);
  g_assert_nonnull (file);
  info = cnn3d_model_file_info (file);
  g_assert_cmpuint (info->network.views, ==, V);
  g_assert_cmpstr (cnn3d_choice_name (&cnn3d_view_fusions, info->network.view_fusion), ==, fusion);
  g_assert_true (g_strv_equal ((const gchar *const *) info->views, views));
  cnn3d_model_file_free (file);
  g_free (line);
  g_free (path);
  remove_dir (dir);
}

/* Elements that ask which caps are accepted, as a capsfilter does, find those with more tensors. */
static void
test_template (void)
{
  static const gchar *const elements[] = { "cnn3dtrain", "cnn3deval" };
  guint i;
  gint n;

  for (i = 0; i < G_N_ELEMENTS (elements); i++) {
    GstElement *element = gst_object_ref_sink (gst_element_factory_make (elements[i], NULL));
    GstPad *sink = gst_element_get_static_pad (element, "sink");
    GstCaps *all = gst_pad_query_caps (sink, NULL);

    for (n = 1; n <= 5; n++) {
      GstCaps *caps = gst_caps_new_simple (
          "other/tensors", "format", G_TYPE_STRING, "static", "num_tensors", G_TYPE_INT, n, NULL);

      g_assert_cmpint (gst_caps_can_intersect (all, caps), ==, n >= 2 && n <= 4);
      gst_caps_unref (caps);
    }
    gst_caps_unref (all);
    gst_object_unref (sink);
    gst_object_unref (element);
  }
}

/* What is for views does nothing without them, which is told once. */
static void
test_one_view (void)
{
  static const gchar *const table[] = { "view-dropout=0.5", "view-fusion=concat", "" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++) {
    Rig r = rig_new (table[i]);
    GstMessage *message;
    GError *error = NULL;

    begin_stream (&r, 4);
    g_assert_cmpint (feed (&r, 0, TRAIN), ==, GST_FLOW_OK);
    message = pop (&r, GST_MESSAGE_INFO, NULL);
    g_assert_cmpint (message != NULL, ==, *table[i] != '\0');
    if (message) {
      gst_message_parse_info (message, &error, NULL);
      g_assert_cmpstr (error->message, ==,
          "Clips have one view: view-fusion and view-dropout have no effect. A column view in the "
          "manifest, or clipsrc views, makes several of them.");
      g_clear_error (&error);
      gst_message_unref (message);
    }
    g_assert_null (pop (&r, GST_MESSAGE_INFO, NULL));
    rig_free (&r);
  }
}

/* --- resuming --- */

/* Cut at any place and resumed, with draws of views and in pieces: the same bits. */
static void
test_resume (gconstpointer more)
{
  check_resume (checkpointed, more);
}

static void
test_cut_batch (void)
{
  check_cut_batch (checkpointed, "");
}

/* A checkpoint of other views */
static void
test_resume_otherwise (void)
{
  static const gchar *const others[] = { "top", "left", "front", NULL };
  gchar *dir = make_dir (), *line = g_strdup_printf ("checkpoint-dir=%s", dir);
  Rig r = checkpointed ("", dir);
  guint way;

  feed (&r, 0, 8);
  rig_free (&r);
  for (way = 0; way < 2; way++) {
    r = rig_new (line);
    r.views = way ? 0 : V;
    if (r.views)
      push_views (&r, others);
    begin_stream (&r, 4);
    push_epoch (&r, 0, TRUE, 0, 0);
    assert_error (&r, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
        way ? "view-fusion=logits views [\"front\",\"left\",\"top\"], not input-type=rgb: set the "
              "same, or "
              "resume=never to start over"
            : "not input-type=rgb view-fusion=logits views [\"top\",\"left\",\"front\"]");
    rig_free (&r);
  }
  g_free (line);
  remove_dir (dir);
}

/* --- testing --- */

/* A model of some steps; its path, g_free(). validated: the accuracy on seven clips. */
static gchar *
trained (const gchar *fusion, const gchar *dir, gdouble *validated)
{
  static const guint training[] = { 4, 4, 2, 0 }, validation[] = { 4, 3, 0 };
  gchar *line = g_strdup_printf ("view-fusion=%s checkpoint-dir=%s", fusion, dir);
  Rig r = views_rig (line, 4);
  GstMessage *message;

  push_epoch (&r, 0, TRUE, 0, 0);
  push_batches (&r, 0, training);
  push_done (&r, 0, TRUE, TRAIN);
  push_epoch (&r, 0, FALSE, TRAIN, TRAIN);
  push_batches (&r, TRAIN, validation);
  push_done (&r, 0, FALSE, TRAIN + 7);
  message = pop (&r, GST_MESSAGE_ELEMENT, "cnn3dtrain-validation");
  *validated = get_double (message, "accuracy");
  gst_message_unref (message);
  assert_no_error (&r);
  rig_free (&r);
  g_free (line);

  return g_build_filename (dir, "last.safetensors", NULL);
}

static Rig
eval_views (const gchar *path, const gchar *properties, const gchar *const *names, guint n)
{
  Rig r = eval_of (path, properties);

  r.views = V;
  push_views (&r, names);
  begin_stream (&r, n);

  return r;
}

static gdouble
number_of (GstMessage *message, const gchar *field, guint i)
{
  const GValue *list = gst_structure_get_value (gst_message_get_structure (message), field);

  g_assert_nonnull (list);
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  return g_value_get_double (g_value_array_get_nth (g_value_get_boxed (list), i));
  G_GNUC_END_IGNORE_DEPRECATIONS
}

/* cnn3deval finds what validation found, in any batches and chunks, and beside it each
 * view's accuracy, in the message and in metrics.json. */
static void
test_evaluated (gconstpointer fusion)
{
  static const guint seven[] = { 7, 0 }, parts[] = { 4, 2, 1, 0 };
  static const gchar *const ways[] = { "", "", "video-batch-size=2" };
  gchar *dir = make_dir (), *out = make_dir ();
  gdouble wanted, by_view[V] = { 0 };
  gchar *path = trained (fusion, dir, &wanted);
  guint i, v;

  for (i = 0; i < G_N_ELEMENTS (ways); i++) {
    gchar *line = g_strdup_printf ("output-dir=%s %s", out, ways[i]), *json;
    Rig r = eval_views (path, line, views, i ? parts[0] : 7);
    GstMessage *message;

    push_batches (&r, TRAIN, i ? parts : seven);
    finish (&r);
    message = find (&r, GST_MESSAGE_ELEMENT, "cnn3deval-result");
    g_assert_nonnull (message);
    g_assert_cmpuint (get_uint64 (message, "clips"), ==, 7);
    g_assert_cmpfloat (get_double (message, "accuracy"), ==, wanted);
    for (v = 0; v < V; v++) {
      guint clips = 0, k;

      for (k = TRAIN; k < TRAIN + 7; k++)
        clips += k % 4 != 3 || k % V != v;
      g_assert_cmpfloat (number_of (message, "videos-by-view", v), ==, clips);
      if (i)
        g_assert_cmpfloat (number_of (message, "accuracy-by-view", v), ==, by_view[v]);
      by_view[v] = number_of (message, "accuracy-by-view", v);
      g_assert_cmpfloat (by_view[v], >=, 0);
      g_assert_cmpfloat (by_view[v], <=, 1);
    }
    gst_message_unref (message);
    json = contents (out, "metrics.json");
    g_assert_nonnull (strstr (json, "\"views\":[{\"name\":\"front\",\"videos\":"));
    g_free (json);
    rig_free (&r);
    g_free (line);
  }
  g_free (path);
  remove_dir (dir);
  remove_dir (out);
}

/* --- what is refused --- */

static void
test_refused (void)
{
  static const gchar *const others[] = { "top", "left", "front", NULL };
  gchar *dir = make_dir ();
  gdouble accuracy;
  gchar *path = trained ("logits", dir, &accuracy);
  Rig r = eval_views (path, "", others, 4);

  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "The stream's views are top, left, front, but ");
  rig_free (&r);

  r = eval_of (path, "");
  push_caps (&r, CAPS ("uint8", "int32", "4"));
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      " was trained on 3 views of each clip, front, left, top, but uint8 clips of 4 frames of "
      "32x32x3 arrived: set clipsrc views to those, also where a test set lacks one.");
  rig_free (&r);

  r = eval_of (model, "");
  push_caps (&r,
      "other/tensors,format=static,num_tensors=3,types=uint8.int32.uint8,"
      "dimensions=3:32:32:4:3:4.4.3:4");
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      " was trained on clips of one view, but uint8 clips of 4 frames of 32x32x3");
  rig_free (&r);

  r = (Rig) { gst_element_factory_make ("cnn3dinfer", NULL), NULL, gst_bus_new () };
  gst_object_ref_sink (r.element);
  gst_element_set_bus (r.element, r.bus);
  g_object_set (r.element, "model", path, "device", "cpu", NULL);
  g_assert_cmpint (
      gst_element_set_state (r.element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  assert_error (&r, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      " is a model of 3 views of one scene, but live video is one: test it with cnn3deval on clips "
      "with views, or serve a model that was trained on one view");
  gst_element_set_state (r.element, GST_STATE_NULL);
  gst_element_set_bus (r.element, NULL);
  gst_object_unref (r.element);
  gst_object_unref (r.bus);
  g_free (path);
  remove_dir (dir);
}

int
main (int argc, char **argv)
{
  static const gchar *const fusions[] = { "logits", "probabilities", "features", "concat" };
  guint i;
  int ret;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  folder = make_dir ();
  model = make_model ("model.safetensors", WHOLE);
  for (i = 0; i < G_N_ELEMENTS (fusions); i++) {
    gchar *learns = g_strconcat ("/cnn3dtrain-views/learns/", fusions[i], NULL);
    gchar *evaluated = g_strconcat ("/cnn3dtrain-views/evaluated/", fusions[i], NULL);

    g_test_add_data_func (learns, fusions[i], test_learns);
    g_test_add_data_func (evaluated, fusions[i], test_evaluated);
    g_free (learns);
    g_free (evaluated);
  }
  g_test_add_func ("/cnn3dtrain-views/template", test_template);
  g_test_add_func ("/cnn3dtrain-views/one-view", test_one_view);
  g_test_add_data_func ("/cnn3dtrain-views/resume/whole",
      "accumulate-grad-batches=2 dropout=0.3 view-dropout=0.4 lr-schedule=cosine", test_resume);
  g_test_add_data_func ("/cnn3dtrain-views/resume/micro-batches",
      "use-chunking-in-train=true video-batch-size=3 view-fusion=concat view-dropout=0.4",
      test_resume);
  g_test_add_func ("/cnn3dtrain-views/cut-batch", test_cut_batch);
  g_test_add_func ("/cnn3dtrain-views/resume-otherwise", test_resume_otherwise);
  g_test_add_func ("/cnn3dtrain-views/refused", test_refused);
  ret = g_test_run ();
  g_free (model);
  remove_dir (folder);
  gst_deinit ();

  return ret;
}
