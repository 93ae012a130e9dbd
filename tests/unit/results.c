/* results.c: the files of an evaluation, with class names that are special to programs that read
 * them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>
#include <gio/gio.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "src/evaluate/featuremaps.h"
#include "src/evaluate/results.h"

static gchar *
make_dir (void)
{
  gchar *dir = g_dir_make_tmp ("cnn3d-results-XXXXXX", NULL);

  g_assert_nonnull (dir);
  return dir;
}

static void
remove_dir (gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir))) {
    gchar *file = g_build_filename (path, name, NULL);

    if (g_file_test (file, G_FILE_TEST_IS_DIR)) {
      remove_dir (file);
    } else {
      g_unlink (file);
      g_free (file);
    }
  }
  g_dir_close (dir);
  g_rmdir (path);
  g_free (path);
}

static gchar *
contents (const gchar *dir, const gchar *name, gsize *size)
{
  gchar *path = g_build_filename (dir, name, NULL), *text = NULL;
  const gboolean read = g_file_get_contents (path, &text, size, NULL);

  g_free (path);
  return read ? text : NULL;
}

static void
write_with (const gchar *dir, const gchar *model, gchar **names, guint n, const Cnn3dPredictions *p,
    gboolean complete, const Cnn3dSkipped *skipped)
{
  const Cnn3dModelInfo info = { .network = { .model = "r3d_18", .num_classes = n },
    .classes = names };
  GError *error = NULL;
  Cnn3dMetrics m;

  cnn3d_predictions_measure (p, &m);
  g_assert_true (cnn3d_results_write (dir, model, &info, p, &m, skipped, complete, &error));
  g_assert_no_error (error);
  cnn3d_metrics_clear (&m);
}

static void
write_all (const gchar *dir, const gchar *model, gchar **names, guint n, const Cnn3dPredictions *p,
    gboolean complete)
{
  Cnn3dSkipped none;

  cnn3d_skipped_init (&none);
  write_with (dir, model, names, n, p, complete, &none);
  cnn3d_skipped_clear (&none);
}

static void
test_names (void)
{
  static gchar *names[] = { "<script>alert(1)</script>", "a, \"b\"\nc", NULL };
  static const gfloat logits[2] = { 0, 0 };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  gchar *dir = make_dir (), *below = g_build_filename (dir, "x", "y", NULL);
  gchar *csv, *json, *svg;

  cnn3d_predictions_add (p, "it's, a file.mp4", 7, 1, logits, FALSE);
  cnn3d_predictions_add (p, "\xff\xfe.mp4", 8, 1, logits, FALSE);
  cnn3d_predictions_add (p, NULL, 9, 1, logits, FALSE);
  write_all (below, "mo\"del\x1b\xff", names, 2, p, TRUE);

  csv = contents (below, "predictions.csv", NULL);
  g_assert_cmpstr (csv, ==,
      "path,clip,label,prediction,<script>alert(1)</script>,\"a, \"\"b\"\"\\x0ac\"\n"
      "\"it's, a file.mp4\",7,\"a, \"\"b\"\"\\x0ac\",<script>alert(1)</script>,0.5,0.5\n"
      "\\xff\\xfe.mp4,8,\"a, \"\"b\"\"\\x0ac\",<script>alert(1)</script>,0.5,0.5\n"
      ",9,\"a, \"\"b\"\"\\x0ac\",<script>alert(1)</script>,0.5,0.5\n");
  json = contents (below, "metrics.json", NULL);
  g_assert_true (g_utf8_validate (json, -1, NULL));
  g_assert_nonnull (strstr (json, "\"mo\\\"del\\\\x1b\\\\xff\""));
  g_assert_nonnull (strstr (json, "\"a, \\\"b\\\"\\nc\""));
  /* one class has no clip: AUROC is undefined */
  g_assert_nonnull (strstr (json, "\"auroc-macro\":null"));
  g_assert_nonnull (strstr (json, "\"confusion\":[[0,0],[3,0]]"));
  svg = contents (below, "confusion.svg", NULL);
  g_assert_nonnull (strstr (svg, "&lt;script&gt;"));
  g_assert_null (strstr (svg, "<script"));
  g_free (svg);
  g_free (json);
  g_free (csv);
  g_free (below);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

static void
locate (Cnn3dPredictions *p, gchar *path, gdouble start, gdouble end, gdouble fps)
{
  const Cnn3dClipFile file = { .path = path, .start = start, .end = end, .fps = fps };

  cnn3d_predictions_locate (p, &file);
}

/* The misclassified clips with known files, as a manifest of addresses that can hold any bytes. */
static void
test_wrong (void)
{
  static gchar *names[] = { "a", "b, \"c\".mp4", NULL };
  static const gfloat logits[2] = { 1, 0 };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  gchar *dir = make_dir (), *pictures = g_build_filename (dir, "pictures", NULL), *csv, *wanted;

  cnn3d_predictions_add (p, "right.mp4", 1, 0, logits, FALSE);
  locate (p, "/right.mp4", 0, INFINITY, 30);
  cnn3d_predictions_add (p, "unknown.mp4", 2, -1, logits, FALSE);
  locate (p, "/unknown.mp4", 0, INFINITY, 30);
  cnn3d_predictions_add (p, "nowhere.mp4", 3, 1, logits, FALSE);
  cnn3d_predictions_add (p, "x", 4, 1, logits, FALSE);
  locate (p, "/a b/\"q\", 'x'\n\xff.mp4", 0, INFINITY, 30);
  cnn3d_predictions_add (p, "x", 5, 1, logits, FALSE);
  locate (p, "/v/../c.mp4", 1.25, 2.5, 30);
  cnn3d_predictions_add (p, "x", 6, 1, logits, FALSE);
  locate (p, pictures, 0, INFINITY, 12.5);
  cnn3d_predictions_add (p, "x", 7, 1, logits, FALSE);
  locate (p, "/p/img_%05d.jpg", 0, 1, 25);
  cnn3d_predictions_add (p, "x", 8, 1, logits, FALSE);
  locate (p, "http://a/b.mp4", 0, INFINITY, 30);
  g_assert_cmpint (g_mkdir (pictures, 0700), ==, 0);
  write_all (dir, "m", names, 2, p, TRUE);

  csv = contents (dir, "wrong.csv", NULL);
#define LABEL(guard) ",\"" guard "b, \"\"c\"\".mp4\","
  wanted = g_strconcat ("path,label,start,end,fps,clip,prediction\n"
                        "\"file:///a%20b/%22q%22,%20'x'%0A%FF.mp4\"" LABEL (
                            "") ",,,4,a\n"
                                "file:///c.mp4" LABEL ("") "1.25,2.5,,5,a\n"
                                                           "file://",
      pictures,
      LABEL ("'") ",,12.5,6,a\n"
                  "file:///p/img_%2505d.jpg" LABEL ("'") ",1,25,7,a\n"
                                                         "http://a/b.mp4" LABEL ("") ",,,8,a\n",
      NULL);
  g_assert_cmpstr (csv, ==, wanted);
  g_free (wanted);
  g_free (csv);
  g_free (pictures);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

/* Each view of a wrong clip that is there has a row, with the columns that make them one clip again;
 * files of key points have a column where there are any. */
static void
test_wrong_views (void)
{
  static gchar *names[] = { "a", "b", NULL }, *views[] = { "front", "top, =1", NULL };
  static const gfloat logits[2] = { 1, 0 };
  const Cnn3dModelInfo info = {
    .network = { .model = "r3d_18", .num_classes = 2 }, .classes = names, .views = views
  };
  const struct {
    guint clip, label;
    Cnn3dClipFile file;
  } rows[] = {
    { 3, 1, { "/f 3.mp4", 0, INFINITY, 30, "/f 3.npy", "=g", 0 } },
    { 3, 1, { "/t3.mp4", 1, 2, 30, NULL, "=g", 1 } },
    { 4, 0, { "/right.mp4", 0, INFINITY, 30, "/right.npy", "r", 0 } },
    { 5, 1, { "/t5.mp4", 0, INFINITY, 30, "poses/5", "h, i", 1 } },
  };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  g_autofree gchar *here = g_get_current_dir (), *csv = NULL, *wanted = NULL;
  gchar *dir = make_dir ();
  Cnn3dSkipped none;
  Cnn3dMetrics m;
  guint last = 0;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    if (rows[i].clip != last)
      cnn3d_predictions_add (p, "x", rows[i].clip, rows[i].label, logits, FALSE);
    last = rows[i].clip;
    cnn3d_predictions_locate (p, &rows[i].file);
  }
  cnn3d_skipped_init (&none);
  cnn3d_predictions_measure (p, &m);
  g_assert_true (cnn3d_results_write (dir, "m", &info, p, &m, &none, TRUE, NULL));
  csv = contents (dir, "wrong.csv", NULL);
  wanted = g_strdup_printf ("path,label,start,end,fps,clip,prediction,group,view,keypoints\n"
                            "file:///f%%203.mp4,b,,,,3,a,'=g,front,file:///f%%203.npy\n"
                            "file:///t3.mp4,b,1,2,,3,a,'=g,\"top, =1\",\n"
                            "file:///t5.mp4,b,,,,5,a,\"h, i\",\"top, =1\",file://%s/poses/5\n",
      here);
  g_assert_cmpstr (csv, ==, wanted);
  cnn3d_metrics_clear (&m);
  cnn3d_skipped_clear (&none);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

/* No field is a formula or contains terminal control codes. */
static void
test_formulas (void)
{
  static gchar *names[] = { "=1+1", "-5", "@a\x1b[31m", NULL };
  static const gfloat logits[3] = { 0, 0, 1 };
  Cnn3dPredictions *p = cnn3d_predictions_new (3);
  gchar *dir = make_dir (), *csv;
  gsize size;

  cnn3d_predictions_add (p, "=cmd|' /C calc'!A0", 1, 0, logits, FALSE);
  cnn3d_predictions_add (p, "\x1b]0;title\a\r\n\t.mp4", 2, 1, logits, FALSE);
  locate (p, "/x/s://a.mp4", 0, INFINITY, 30);
  cnn3d_predictions_add (p, "+1.mp4", 3, 1, logits, FALSE);
  write_all (dir, "m", names, 3, p, TRUE);

  csv = contents (dir, "predictions.csv", &size);
  for (gsize i = 0; i < size; i++)
    g_assert_true (!g_ascii_iscntrl (csv[i]) || csv[i] == '\n');
  g_assert_true (
      g_str_has_prefix (csv, "path,clip,label,prediction,'=1+1,-5,'@a\\x1b[31m\n'=cmd|' /C "));
  g_assert_nonnull (strstr (csv, "\n\\x1b]0;title\\x07\\x0d\\x0a\\x09.mp4,2,-5,'@a\\x1b[31m,0."));
  g_assert_nonnull (strstr (csv, "\n'+1.mp4,3,-5,"));
  g_free (csv);
  csv = contents (dir, "wrong.csv", NULL);
  g_assert_cmpstr (csv, ==,
      "path,label,start,end,fps,clip,prediction\nfile:///x/s:/a.mp4,-5,,,,2,'@a\x1b[31m\n");
  g_free (csv);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

/* Every number reads back to the bit. */
static void
test_digits (void)
{
  static gchar *names[] = { "a", "b", "c", NULL };
  static const gfloat logits[3] = { .1f, -.7f, 2.3f };
  Cnn3dPredictions *p = cnn3d_predictions_new (3);
  gchar *dir = make_dir (), *csv, **fields;
  const Cnn3dPrediction *first;

  cnn3d_predictions_add (p, "f", 1, 2, logits, FALSE);
  write_all (dir, "m", names, 3, p, FALSE);
  csv = contents (dir, "predictions.csv", NULL);
  fields = g_strsplit (strchr (csv, '\n') + 1, ",", -1);
  g_assert_cmpuint (g_strv_length (fields), ==, 7);
  first = cnn3d_predictions_nth (p, 0);
  for (guint i = 0; i < 3; i++)
    g_assert_true (g_ascii_strtod (fields[4 + i], NULL) == first->probabilities[i]);
  g_strfreev (fields);
  g_free (csv);
  csv = contents (dir, "metrics.json", NULL);
  g_assert_nonnull (strstr (csv, "\"complete\":false"));
  g_free (csv);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

/* Too many classes for a picture: none is written, and an older one is removed. */
static void
test_many_classes (void)
{
  const guint n = CNN3D_MOST_CONFUSION + 1;
  gchar **names = g_new0 (gchar *, n + 1);
  gfloat *logits = g_new0 (gfloat, n);
  Cnn3dPredictions *p = cnn3d_predictions_new (n);
  gchar *dir = make_dir (), *old = g_build_filename (dir, "confusion.png", NULL), *json;

  for (guint i = 0; i < n; i++)
    names[i] = g_strdup_printf ("class %u", i);
  g_assert_true (g_file_set_contents (old, "old", -1, NULL));
  cnn3d_predictions_add (p, "f", 1, 2, logits, FALSE);
  write_all (dir, "m", names, n, p, TRUE);
  g_assert_false (g_file_test (old, G_FILE_TEST_EXISTS));
  json = contents (dir, "metrics.json", NULL);
  g_assert_nonnull (strstr (json, "\"confusion\":null"));
  g_free (json);
  g_free (old);
  remove_dir (dir);
  g_strfreev (names);
  g_free (logits);
  cnn3d_predictions_free (p);
}

/* Each with its path and reason, up to a limit. */
static void
test_skipped (void)
{
  static gchar *names[] = { "a", "b", NULL };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  gchar *dir = make_dir (), *json;
  Cnn3dSkipped skipped;

  write_all (dir, "m", names, 2, p, TRUE);
  json = contents (dir, "metrics.json", NULL);
  g_assert_nonnull (strstr (json, "\"skipped\":0,\"skipped-clips\":[],"));
  g_free (json);

  cnn3d_skipped_init (&skipped);
  cnn3d_skipped_add (&skipped, "a \"b\".mp4", "it is empty");
  write_with (dir, "m", names, 2, p, TRUE, &skipped);
  json = contents (dir, "metrics.json", NULL);
  g_assert_nonnull (strstr (json,
      "\"skipped\":1,\"skipped-clips\":[{\"path\":\"a \\\"b\\\".mp4\",\"reason\":\"it is "
      "empty\"}],"));
  g_free (json);

  for (guint i = 0; i < CNN3D_MOST_SKIPPED; i++)
    cnn3d_skipped_add (&skipped, "c.mp4", i + 2 > CNN3D_MOST_SKIPPED ? "too many" : "bad");
  write_with (dir, "m", names, 2, p, TRUE, &skipped);
  json = contents (dir, "metrics.json", NULL);
  g_assert_nonnull (strstr (json, "\"skipped\":1001,"));
  g_assert_null (strstr (json, "too many"));
  g_free (json);
  cnn3d_skipped_clear (&skipped);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

/* Files of an earlier evaluation are removed, even if nothing replaces them. */
static void
test_clear (void)
{
  static gchar *names[] = { "a", "b", NULL };
  static const gchar *const all[] = { "metrics.json", "predictions.csv", "wrong.csv",
    "confusion.png", "confusion.svg" };
  const Cnn3dModelInfo info = { .network = { .model = "r3d_18", .num_classes = 2 },
    .classes = names };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  gchar *dir = make_dir (), *csv = g_build_filename (dir, "predictions.csv", NULL);
  gchar *json = g_build_filename (dir, "metrics.json", NULL);
  Cnn3dSkipped none;
  GError *error = NULL;
  Cnn3dMetrics m;

  write_all (dir, "m", names, 2, p, TRUE);
  g_assert_true (cnn3d_results_clear (dir, &error));
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    g_assert_null (contents (dir, all[i], NULL));
  g_assert_true (cnn3d_results_clear (dir, &error));
  g_assert_cmpint (g_mkdir (csv, 0777), ==, 0);
  g_assert_false (cnn3d_results_clear (dir, &error));
  g_assert_true (error->domain == G_IO_ERROR
      && strstr (error->message, " of an earlier evaluation cannot be removed: "));
  g_clear_error (&error);
  g_assert_cmpint (g_rmdir (csv), ==, 0);

  /* predictions cannot be written: the older metrics are removed */
  write_all (dir, "m", names, 2, p, TRUE);
  g_unlink (csv);
  g_assert_cmpint (g_mkdir (csv, 0777), ==, 0);
  cnn3d_predictions_measure (p, &m);
  cnn3d_skipped_init (&none);
  g_assert_false (cnn3d_results_write (dir, "m", &info, p, &m, &none, TRUE, &error));
  g_assert_true (error->domain == G_IO_ERROR && strstr (error->message, csv));
  g_clear_error (&error);
  g_assert_false (g_file_test (json, G_FILE_TEST_EXISTS));
  cnn3d_skipped_clear (&none);
  cnn3d_metrics_clear (&m);
  g_free (json);
  g_free (csv);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

static void
test_no_place (void)
{
  static gchar *names[] = { "a", "b", NULL };
  const Cnn3dModelInfo info = { .network = { .model = "r3d_18", .num_classes = 2 },
    .classes = names };
  static const gfloat value = 1;
  const Cnn3dFeatureMap map = { "layer1", 0, 1, 1, 1, 1, &value };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  gchar *dir = make_dir (), *file = g_build_filename (dir, "file", NULL),
        *below = g_build_filename (file, "x", NULL);
  Cnn3dSkipped none;
  GError *error = NULL;
  Cnn3dMetrics m;

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  cnn3d_predictions_measure (p, &m);
  cnn3d_skipped_init (&none);
  g_assert_false (cnn3d_results_write (below, "m", &info, p, &m, &none, TRUE, &error));
  cnn3d_skipped_clear (&none);
  g_assert_true (error->domain == G_IO_ERROR && strstr (error->message, below));
  g_assert_true (g_str_has_suffix (error->message, "/file/x cannot be created: Not a directory"));
  g_clear_error (&error);
  g_assert_false (cnn3d_feature_map_write (below, 1, 0, &map, &error));
  g_assert_true (error->domain == G_IO_ERROR && strstr (error->message, below));
  g_assert_true (
      g_str_has_suffix (error->message, "/file/x/feature-maps cannot be created: Not a directory"));
  g_clear_error (&error);
  cnn3d_metrics_clear (&m);
  g_free (file);
  g_free (below);
  remove_dir (dir);
  cnn3d_predictions_free (p);
}

static guint
big_endian (const gchar *at)
{
  const guint8 *b = (const guint8 *) at;

  return (guint) b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

/* One tile per frame, side by side; the layer's name is not used as a path. */
static void
test_feature_map (void)
{
  gfloat values[2 * 3 * 4 * 5];
  const Cnn3dFeatureMap map = { "../la\x1byer1", 0, 2, 3, 4, 5, values };
  gchar *dir = make_dir (), *folder = g_build_filename (dir, "feature-maps", NULL), *png, *again;
  GError *error = NULL;
  gsize size, other;

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = sin (i);
  g_assert_true (cnn3d_feature_map_write (dir, 123, 0, &map, &error));
  g_assert_no_error (error);
  png = contents (folder, "clip-000123-.._la_x1byer1.png", &size);
  g_assert_nonnull (png);
  g_assert_cmpmem (png, 8, "\211PNG\r\n\032\n", 8);
  /* tiles of 5 by 4, three of them with gaps */
  g_assert_cmpuint (big_endian (png + 20), >=, 4);
  g_assert_cmpuint (big_endian (png + 16), >=, big_endian (png + 20) / 4 * 15);
  g_assert_cmpuint (big_endian (png + 16), <, big_endian (png + 20) / 4 * 20);

  /* only the mean over channels counts: 0.25 is added and subtracted */
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = (i % 60) / 4.0f + (i < 60 ? .25f : -.25f);
  g_assert_true (cnn3d_feature_map_write (dir, 123, 1, &map, &error));
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    values[i] = (i % 60) / 4.0f;
  g_free (png);
  g_assert_true (cnn3d_feature_map_write (dir, 123, 2, &map, &error));
  png = contents (folder, "clip-000123-view1-.._la_x1byer1.png", &size);
  again = contents (folder, "clip-000123-view2-.._la_x1byer1.png", &other);
  g_assert_true (png && again);
  g_assert_cmpmem (again, other, png, size);
  g_free (again);
  g_free (png);
  g_free (folder);
  remove_dir (dir);
}

/* Each view by itself; one that no clip has, has no figures. */
static void
test_views (void)
{
  static gchar *names[] = { "a", "b", NULL };
  static const gfloat right[2] = { 1, 0 }, wrong[2] = { 0, 1 };
  const Cnn3dModelInfo info = { .network = { .model = "r3d_18", .num_classes = 2 },
    .classes = names };
  const Cnn3dClipKeypoints keypoints = { "coco17", 3, "pixels", 1 };
  Cnn3dPredictions *all = cnn3d_predictions_new (2), *front = cnn3d_predictions_new (2),
                   *left = cnn3d_predictions_new (2);
  gchar *dir = make_dir (), *json;
  Cnn3dSkipped none;
  Cnn3dMetrics m;

  for (guint i = 0; i < 4; i++) {
    cnn3d_predictions_add (all, NULL, i, 0, right, FALSE);
    if (i)
      cnn3d_predictions_add (front, NULL, i, 0, i == 1 ? right : wrong, FALSE);
  }
  cnn3d_skipped_init (&none);
  cnn3d_predictions_measure (all, &m);
  cnn3d_metrics_add_view (&m, "front \"x\"", front);
  cnn3d_metrics_add_view (&m, "left", left);
  m.keypoints = &keypoints;
  g_assert_cmpuint (m.n_views, ==, 2);
  g_assert_cmpfloat_with_epsilon (m.views[0].accuracy, 1. / 3, 1e-12);
  g_assert_true (cnn3d_results_write (dir, "m", &info, all, &m, &none, TRUE, NULL));
  json = contents (dir, "metrics.json", NULL);
  g_assert_nonnull (strstr (json,
      "\"views\":[{\"name\":\"front "
      "\\\"x\\\"\",\"videos\":3,\"accuracy\":0.33333333333333331,\"f1-macro\":"));
  g_assert_nonnull (strstr (json,
      "{\"name\":\"left\",\"videos\":0,\"accuracy\":null,\"f1-macro\":null,\"loss\":null}],"
      "\"keypoints\":{\"skeleton\":\"coco17\",\"persons\":3,\"coordinates\":\"pixels\","
      "\"first-frame\":1}"));
  cnn3d_metrics_clear (&m);
  g_assert_cmpuint (m.n_views, ==, 0);
  cnn3d_skipped_clear (&none);
  cnn3d_predictions_free (all);
  cnn3d_predictions_free (front);
  cnn3d_predictions_free (left);
  g_free (json);
  remove_dir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/results/names", test_names);
  g_test_add_func ("/results/wrong", test_wrong);
  g_test_add_func ("/results/wrong-views", test_wrong_views);
  g_test_add_func ("/results/formulas", test_formulas);
  g_test_add_func ("/results/digits", test_digits);
  g_test_add_func ("/results/many-classes", test_many_classes);
  g_test_add_func ("/results/skipped", test_skipped);
  g_test_add_func ("/results/clear", test_clear);
  g_test_add_func ("/results/no-place", test_no_place);
  g_test_add_func ("/results/views", test_views);
  g_test_add_func ("/results/feature-map", test_feature_map);
  return g_test_run ();
}
