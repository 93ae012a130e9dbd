/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "src/random.h"
#include "tests/networks.h"
#include "tests/unit/smallmodel.h"

static gchar *path; /* the file of all tests */

static void
assert_same_info (const Cnn3dModelInfo *a, const Cnn3dModelInfo *b)
{
  g_assert_cmpstr (a->network.model, ==, b->network.model);
  g_assert_cmpuint (a->network.num_classes, ==, b->network.num_classes);
  g_assert_cmpuint (a->network.base_width, ==, b->network.base_width);
  g_assert_cmpuint (a->network.channels, ==, b->network.channels);
  g_assert_cmpuint (a->network.frames, ==, b->network.frames);
  g_assert_cmpuint (a->network.height, ==, b->network.height);
  g_assert_cmpuint (a->network.width, ==, b->network.width);
  for (guint c = 0; c < a->network.channels; c++) {
    g_assert_true (a->mean[c] == b->mean[c]);
    g_assert_true (a->std[c] == b->std[c]);
  }
  g_assert_cmpint (a->precision, ==, b->precision);
  g_assert_cmpuint (a->step, ==, b->step);
  g_assert_cmpuint (a->epoch, ==, b->epoch);
  g_assert_cmpstr (a->preparation.sampling, ==, b->preparation.sampling);
  g_assert_cmpuint (a->preparation.frame_interval, ==, b->preparation.frame_interval);
  g_assert_cmpstr (a->preparation.scaling, ==, b->preparation.scaling);
  g_assert_cmpint (a->preparation.add_borders, ==, b->preparation.add_borders);
  g_assert_true (a->preparation.diff_gain == b->preparation.diff_gain);
  g_assert_cmpint (a->preparation.frame_rate_n, ==, b->preparation.frame_rate_n);
  g_assert_cmpint (a->preparation.frame_rate_d, ==, b->preparation.frame_rate_d);
}

/* A written model description reads back the same, with its weights. */
static void
test_round_trip (void)
{
  const gchar *const names[] = { "a \"b\"\n", "", "<script>", NULL };
  const gchar *const numbers[] = { "0", "1", "2", NULL };

  for (guint named = 0; named < 2; named++) {
    const SmallModel small = { .model = "mc3_18", .classes = named ? (gchar **) names : NULL };
    const Cnn3dModelInfo wanted = small_info (&small);
    Cnn3dNetwork *net = small_network (&small);
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModelFile) file = NULL;

    small_write (&small, path);
    file = cnn3d_model_file_open (path, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (cnn3d_model_file_path (file), ==, path);
    assert_same_info (cnn3d_model_file_info (file), &wanted);
    g_assert_true (g_strv_equal (
        (const gchar *const *) cnn3d_model_file_info (file)->classes, named ? names : numbers));
    g_assert_true (cnn3d_model_file_check (cnn3d_model_file_tensors (file), path, net, &error));
    for (guint i = 0; i < net->n_weights; i++) {
      const gsize bytes = net->weights[i].count * sizeof (gfloat);
      g_autofree gfloat *values = g_malloc (bytes), *expected = NULL;
      g_autoptr (GBytes) unused = small_weight (&small, net, i, &expected);

      g_assert_true (
          cnn3d_model_file_read (cnn3d_model_file_tensors (file), path, net, i, values, &error));
      g_assert_cmpmem (values, bytes, expected, bytes);
    }
    cnn3d_network_free (&net);
  }
}

/* A file without tensors, with all of the metadata but one key. */
static Cnn3dSafetensorsWriter *
begin_without (const gchar *key)
{
  static const gchar *const base[][2] = {
    { "model", "r3d_18" },
    { "num-classes", "3" },
    { "base-width", "1" },
    { "channels", "3" },
    { "num-frames", "4" },
    { "height", "32" },
    { "width", "24" },
    { "mean", "[0.4,0.5,0.6]" },
    { "std", "[0.2,0.25,0.5]" },
    { "classes", "[]" },
  };
  Cnn3dSafetensorsWriter *w = cnn3d_safetensors_writer_new (path, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (base); i++)
    if (strcmp (base[i][0], key))
      cnn3d_safetensors_writer_metadata (w, base[i][0], base[i][1]);
  return w;
}

static void
finish (Cnn3dSafetensorsWriter *w)
{
  GError *error = NULL;

  cnn3d_safetensors_writer_finish (w, &error);
  g_assert_no_error (error);
  cnn3d_safetensors_writer_free (w);
}

/* A file without tensors, with one metadata value replaced. */
static GError *
open_with (const gchar *key, const gchar *value)
{
  Cnn3dSafetensorsWriter *w = begin_without (key);
  GError *error = NULL;
  Cnn3dModelFile *file;

  if (value)
    cnn3d_safetensors_writer_metadata (w, key, value);
  finish (w);
  file = cnn3d_model_file_open (path, &error);
  g_assert_true ((file == NULL) == (error != NULL));
  cnn3d_model_file_free (file);
  return error;
}

/* The description of a network's input reads back the same; files without one are models of frames
 * alone. */
static void
test_inputs (void)
{
  for (guint i = 0; i < TEST_N_NETWORKS; i++) {
    const TestNetwork *kind = &test_networks[i];
    const SmallModel small = { .model = kind->model };
    Cnn3dModelInfo wanted = small_info (&small);
    Cnn3dSafetensorsWriter *w = cnn3d_safetensors_writer_new (path, NULL);
    const Cnn3dNetworkParams *a = &wanted.network, *b;
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModelFile) file = NULL;

    wanted.network = test_network_params (kind, wanted.network);
    if (cnn3d_network_sees_points (a)) {
      wanted.network.points = 133;
      wanted.network.persons = 3;
      wanted.network.heatmap_size = 48;
      wanted.network.heatmap_sigma = 0.7f;
    }
    cnn3d_model_file_describe (w, &wanted);
    finish (w);
    file = cnn3d_model_file_open (path, &error);
    g_assert_no_error (error);
    assert_same_info (cnn3d_model_file_info (file), &wanted);
    b = &cnn3d_model_file_info (file)->network;
    g_assert_cmpint (b->input, ==, a->input);
    if (a->input == CNN3D_INPUT_RGB_KPT)
      g_assert_cmpint (b->fusion, ==, a->fusion);
    g_assert_cmpuint (b->views, ==, a->views);
    g_assert_cmpint (b->view_fusion, ==, a->view_fusion);
    g_assert_cmpuint (b->points, ==, a->points);
    g_assert_cmpuint (b->persons, ==, a->persons);
    g_assert_cmpuint (b->heatmap_size, ==, a->heatmap_size);
    g_assert_true (b->heatmap_sigma == a->heatmap_sigma);
  }
}

/* An invalid description of an input is rejected with its key and the path. */
static void
test_bad_inputs (void)
{
  static const gchar *const base[][2] = { { "input-type", "rgb+kpt" }, { "fusion", "late" },
    { "keypoints", "17" }, { "persons", "2" }, { "heatmap-size", "56" },
    { "heatmap-sigma", "0.6" } };
  static const struct {
    const gchar *key, *value, *says;
  } table[] = {
    { "", NULL },
    { "fusion", NULL },
    { "input-type", NULL },
    { "input-type", "flow", "its 'input-type' is 'flow', which is not rgb, kpt or rgb+kpt" },
    { "input-type", "", "'input-type'" },
    { "input-type", "RGB+KPT", "'input-type'" },
    { "fusion", "sum", "its 'fusion' is 'sum', which is not concat, mean, late or stem" },
    { "fusion", "\033[2J", "'fusion'" },
    { "keypoints", "0", "'keypoints' is '0', which is not a number from 1 to 1024" },
    { "keypoints", "1025", "'keypoints'" },
    { "keypoints", NULL, "'keypoints'" },
    { "persons", "65", "'persons' is '65', which is not a number from 1 to 64" },
    { "persons", NULL, "'persons'" },
    { "heatmap-size", "513", "'heatmap-size'" },
    { "heatmap-size", "-8", "'heatmap-size'" },
    { "heatmap-size", NULL, "'heatmap-size'" },
    { "heatmap-sigma", "0", "its 'heatmap-sigma' is '0', which is not a number above 0" },
    { "heatmap-sigma", "-0.6", "'heatmap-sigma'" },
    { "heatmap-sigma", "nan", "'heatmap-sigma'" },
    { "heatmap-sigma", "inf", "'heatmap-sigma'" },
    { "heatmap-sigma", "0.6x", "'heatmap-sigma'" },
    { "heatmap-sigma", "1e-60", "'heatmap-sigma'" },
    { "heatmap-sigma", NULL, "'heatmap-sigma'" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    Cnn3dSafetensorsWriter *w = begin_without ("");
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModelFile) file = NULL;

    for (guint k = 0; k < G_N_ELEMENTS (base); k++)
      if (strcmp (base[k][0], table[i].key))
        cnn3d_safetensors_writer_metadata (w, base[k][0], base[k][1]);
    if (table[i].value)
      cnn3d_safetensors_writer_metadata (w, table[i].key, table[i].value);
    finish (w);
    file = cnn3d_model_file_open (path, &error);
    g_test_message ("%s=%s: %s", table[i].key, table[i].value ? table[i].value : "(none)",
        error ? error->message : "taken");
    if (!table[i].says) {
      g_assert_no_error (error);
      continue;
    }
    g_assert_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION);
    g_assert_nonnull (strstr (error->message, path));
    g_assert_nonnull (strstr (error->message, table[i].says));
    g_assert_null (strchr (error->message, '\033'));
  }
}

/* Likewise of views. */
static void
test_bad_views (void)
{
  static const struct {
    const gchar *views, *fusion, *says;
  } table[] = {
    { "[\"a\",\"b\"]", "concat" },
    { "[\"a\",\"b\"]", NULL },
    { "[\"a\"]", "logits",
        "its 'views' is '[\\\"a\\\"]', which is not a list of 2 to 32 different names" },
    { "[]", "logits", "'views'" },
    { "3", "logits", "'views'" },
    { "[\"a\",3]", "logits", "'views'" },
    { "[\"a\",\"\"]", "logits", "'views'" },
    { "[\"a\",\"b\",\"a\"]", "logits", "'views'" },
    { "[\"a\",[\"b\"]]", "logits", "'views'" },
    { "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\","
      "\"15\",\"16\",\"17\",\"18\",\"19\",\"20\",\"21\",\"22\",\"23\",\"24\",\"25\",\"26\",\"27\","
      "\"28\","
      "\"29\",\"30\",\"31\",\"32\",\"33\"]",
        "logits", "'views'" },
    { "[\"a\",\"b\"]", "sum",
        "its 'view-fusion' is 'sum', which is not logits, probabilities, features or concat" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    Cnn3dSafetensorsWriter *w = begin_without ("");
    g_autoptr (GError) error = NULL;
    g_autoptr (Cnn3dModelFile) file = NULL;

    cnn3d_safetensors_writer_metadata (w, "views", table[i].views);
    if (table[i].fusion)
      cnn3d_safetensors_writer_metadata (w, "view-fusion", table[i].fusion);
    finish (w);
    file = cnn3d_model_file_open (path, &error);
    g_test_message ("%s: %s", table[i].views, error ? error->message : "taken");
    if (!table[i].says) {
      g_assert_no_error (error);
      g_assert_cmpstr (cnn3d_model_file_info (file)->views[1], ==, "b");
      continue;
    }
    g_assert_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION);
    g_assert_nonnull (strstr (error->message, table[i].says));
  }
}

/* Two classes with the same name would be ambiguous. */
static void
test_same_names (void)
{
  g_autoptr (GError) error = open_with ("classes", "[\"a\",\"b c\",\"b c\"]");

  g_assert_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, "'b c' is the name of class 1 and of class 2"));
}

/* An invalid description is rejected with its key and the path. */
static void
test_descriptions (void)
{
  static const struct {
    const gchar *key, *value, *says;
  } bad[] = {
    { "model", "r3d_19", "its 'model' is 'r3d_19', which is not one of r3d_18, " },
    { "model", "" },
    { "model", "\033[2J" },
    { "num-classes", "0", "'0', which is not a number from 2 to 1000000" },
    { "num-classes", "-3" },
    { "num-classes", "3.5" },
    { "num-classes", "4294967299" },
    { "num-classes", "99999999999999999999999" },
    { "base-width", "" },
    { "base-width", "0" },
    { "base-width", "1000000" },
    { "channels", "0" },
    { "channels", "5" },
    { "channels", "4" },
    { "num-frames", "0" },
    { "height", "x" },
    { "width", "70000" },
    { "mean", "",
        ": its 'mean' is '', which is not one number per channel: use a file that cnn3dtrain "
        "wrote" },
    { "mean", "[0,0]" },
    { "mean", "[0,0,0,0]" },
    { "mean", "[0,0,1e999]" },
    { "mean", "[0,0,\"0\"]" },
    { "mean", "[0,0,[0]]" },
    { "mean", "{}" },
    { "mean", "[0,0,null]" },
    { "mean", "[0,0" },
    { "std", "[1,1,0]", "is not one positive number per channel" },
    { "std", "[1,1,-1]" },
    { "std", "[1,1,1e-60]" },
    { "std", "1" },
    { "classes", "[\"a\",\"b\"]", "is not a list of num-classes names" },
    { "classes", "[\"a\",\"b\",3]" },
    { "classes", "[\"a\",\"b\",[]]" },
    { "classes", "a" },
    { "classes", "{\"a\":1}" },
    { "classes", "[" },
    { "model", NULL, "does not describe its model (its metadata has no 'model')" },
    { "num-classes", NULL },
    { "base-width", NULL },
    { "channels", NULL },
    { "num-frames", NULL },
    { "height", NULL },
    { "width", NULL },
    { "mean", NULL },
    { "std", NULL },
    { "classes", NULL },
  };

  g_assert_no_error (open_with ("other", "anything"));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = open_with (bad[i].key, bad[i].value);
    /* more channels than means */
    const gchar *key = g_strcmp0 (bad[i].value, "4") ? bad[i].key : "mean";
    g_autofree gchar *quoted = g_strdup_printf ("'%s'", key);

    g_test_message ("%s=%s: %s", bad[i].key, bad[i].value ? bad[i].value : "(none)",
        error ? error->message : "taken");
    g_assert_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION);
    g_assert_nonnull (strstr (error->message, path));
    g_assert_nonnull (strstr (error->message, quoted));
    g_assert_true (!bad[i].says || strstr (error->message, bad[i].says));
    g_assert_null (strchr (error->message, '\033'));
  }
}

/* A file without a rate was trained without frame-rate; with an invalid rate, the preparation is
 * unknown. */
static void
test_rates (void)
{
  static const struct {
    const gchar *rate;
    gint n, d; /* d is 0: unknown */
  } cases[] = {
    { NULL, 0, 1 },
    { "15/1", 15, 1 },
    { "30000/1001", 30000, 1001 },
    { "1000/1", 1000, 1 },
    { "1/3", 1, 3 },
    { "", 0, 0 },
    { "15", 0, 0 },
    { "15/", 0, 0 },
    { "/1", 0, 0 },
    { "0/1", 0, 0 },
    { "-15/1", 0, 0 },
    { "15/-1", 0, 0 },
    { "15/0", 0, 0 },
    { "1001/1", 0, 0 },
    { "2147483648/2147483647", 0, 0 },
    { "15/1x", 0, 0 },
    { "fast", 0, 0 },
    { "99999999999999999999/99999999999999999999", 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Cnn3dSafetensorsWriter *w = begin_without ("");
    g_autoptr (Cnn3dModelFile) file = NULL;
    const Cnn3dPreparation *p;
    GError *error = NULL;

    cnn3d_safetensors_writer_metadata (w, "sampling", "center");
    cnn3d_safetensors_writer_metadata (w, "frame-interval", "2");
    if (cases[i].rate)
      cnn3d_safetensors_writer_metadata (w, "frame-rate", cases[i].rate);
    finish (w);
    file = cnn3d_model_file_open (path, &error);
    g_assert_no_error (error);
    p = &cnn3d_model_file_info (file)->preparation;
    g_test_message ("%s", cases[i].rate ? cases[i].rate : "none");
    g_assert_cmpint (p->frame_rate_n, ==, cases[i].n);
    g_assert_cmpstr (p->sampling, ==, cases[i].d ? "center" : NULL);
    if (cases[i].d)
      g_assert_cmpint (p->frame_rate_d, ==, cases[i].d);
  }
}

/* Lists nested a million deep are rejected like any others. */
static void
test_depth (void)
{
  static const gchar *const first[] = { "", "[\"\\\"\",", "/*\"*/", "//\"\n", "'\"'", "#\"\n",
    "\"\"" };
  g_autofree gchar *brackets = g_strnfill (1000000, '[');

  for (guint i = 0; i < G_N_ELEMENTS (first); i++) {
    g_autofree gchar *deep = g_strconcat (first[i], brackets, NULL);
    g_autoptr (GError) error = open_with (i % 2 ? "mean" : "classes", deep);

    g_assert_error (error, CNN3D_MODEL_FILE_ERROR, CNN3D_MODEL_FILE_ERROR_DESCRIPTION);
    g_assert_cmpuint (strlen (error->message), <, 2000);
  }
}

/* Names are UTF-8 whatever the JSON says. */
static void
test_surrogates (void)
{
  g_autoptr (GError) error = open_with ("classes", "[\"\\ud800\",\"\\u0000b\",\"\\udfff\\ud800\"]");
  g_autoptr (Cnn3dModelFile) file = error ? NULL : cnn3d_model_file_open (path, NULL);

  for (guint i = 0; file && i < SMALL_CLASSES; i++)
    g_assert_true (g_utf8_validate (cnn3d_model_file_info (file)->classes[i], -1, NULL));
}

/* Any file is either read or rejected with a reason. TRUE: read. */
static gboolean
use (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dModelFile) file = cnn3d_model_file_open (path, &error);
  Cnn3dNetwork *net =
      file ? cnn3d_network_new (&cnn3d_model_file_info (file)->network, &error) : NULL;
  gboolean ok = net != NULL;

  g_assert_true ((file == NULL) <= (error != NULL));
  g_assert_true (!net == !!error);
  for (guint i = 0; ok && i < net->n_weights; i++) {
    g_autofree gfloat *values = g_new (gfloat, net->weights[i].count);

    ok = cnn3d_model_file_read (cnn3d_model_file_tensors (file), path, net, i, values, &error);
    g_assert_true (ok == !error);
  }
  if (net)
    cnn3d_network_free (&net);
  if (error)
    g_assert_cmpuint (strlen (error->message), >, 10);
  return ok;
}

/* Truncated at any byte. */
static void
test_truncated (void)
{
  const SmallModel small = { .model = "r3d_18" };
  g_autofree gchar *bytes = NULL;
  guint64 header;
  gsize size;

  small_write (&small, path);
  g_assert_true (use ());
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  memcpy (&header, bytes, sizeof header);
  header = 8 + GUINT64_FROM_LE (header);
  g_assert_cmpuint (header, <, size);
  /* from the end, so that the file only shrinks */
  for (gsize length = size - 1; length > 0; length -= MIN (length,
                                                length > header   ? 101
                                                    : length > 20 ? 13
                                                                  : 1)) {
    g_assert_cmpint (truncate (path, length), ==, 0);
    g_assert_false (use ());
  }
  g_assert_cmpint (truncate (path, 0), ==, 0);
  g_assert_false (use ());
}

/* One to eight bytes changed, most of them in the header. */
static void
test_changed (void)
{
  const SmallModel small = { .model = "r3d_18" };
  const Cnn3dRandomKey key = { 5, 0, CNN3D_RANDOM_WEIGHTS, 0 };
  g_autofree gchar *bytes = NULL;
  guint64 header, at = 0;
  guint read = 0, refused = 0;
  gsize size;
  int fd;

  small_write (&small, path);
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  memcpy (&header, bytes, sizeof header);
  header = 8 + GUINT64_FROM_LE (header);
  fd = g_open (path, O_WRONLY, 0);
  g_assert_cmpint (fd, >=, 0);
  for (guint round = 0; round < 1500; round++) {
    gsize places[8];
    const guint n = 1 + (guint32) cnn3d_random_bits (&key, at++) % 8;

    for (guint i = 0; i < n; i++) {
      const guint32 draw = (guint32) cnn3d_random_bits (&key, at++);
      gchar byte = (guint32) cnn3d_random_bits (&key, at++);

      places[i] = draw % (round % 8 == 0 ? 8 : round % 8 == 1 ? size : header);
      /* digits and quotes get further than random bytes */
      if (round % 2)
        byte = "0123456789\"[]{},:\\"[(guint8) byte % 18];
      g_assert_cmpint (pwrite (fd, &byte, 1, places[i]), ==, 1);
    }
    if (use ())
      read++;
    else
      refused++;
    for (guint i = 0; i < n; i++)
      g_assert_cmpint (pwrite (fd, &bytes[places[i]], 1, places[i]), ==, 1);
  }
  close (fd);
  g_test_message ("%u read, %u refused", read, refused);
  g_assert_cmpuint (read, >, 50);
  g_assert_cmpuint (refused, >, 500);
  g_assert_true (use ());
}

int
main (int argc, char **argv)
{
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-modelfile-XXXXXX", NULL);
  int status;

  g_test_init (&argc, &argv, NULL);
  path = g_build_filename (folder, "m.safetensors", NULL);
  g_test_add_func ("/modelfile/round-trip", test_round_trip);
  g_test_add_func ("/modelfile/descriptions", test_descriptions);
  g_test_add_func ("/modelfile/inputs", test_inputs);
  g_test_add_func ("/modelfile/bad-inputs", test_bad_inputs);
  g_test_add_func ("/modelfile/bad-views", test_bad_views);
  g_test_add_func ("/modelfile/same-names", test_same_names);
  g_test_add_func ("/modelfile/rates", test_rates);
  g_test_add_func ("/modelfile/depth", test_depth);
  g_test_add_func ("/modelfile/surrogates", test_surrogates);
  g_test_add_func ("/modelfile/truncated", test_truncated);
  g_test_add_func ("/modelfile/changed", test_changed);
  status = g_test_run ();
  g_remove (path);
  g_rmdir (folder);
  g_free (path);
  return status;
}
