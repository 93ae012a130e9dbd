/* views.c: rows of several cameras that are one sample.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/digest.h"
#include "src/dataset/order.h"

#include <string.h>
#include <glib/gstdio.h>

static gchar *dir;

/* A path in the folder, with this text. */
static gchar *
put (const gchar *name, const gchar *text)
{
  gchar *path = g_build_filename (dir, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static Cnn3dDataset *
read_text (const gchar *text, const gchar *val, Cnn3dDatasetParams params, GError **error)
{
  gchar *path = put (strchr ("[{", *text) ? "a.json" : "a.csv", text);
  gchar *val_path = val ? put ("val.csv", val) : NULL;
  Cnn3dDataset *dataset;

  params.location = path;
  params.val_location = val_path;
  dataset = cnn3d_dataset_new (&params, error);
  g_free (path);
  g_free (val_path);
  return dataset;
}

static Cnn3dDataset *
load (const gchar *text, Cnn3dDatasetParams params)
{
  GError *error = NULL;
  Cnn3dDataset *dataset = read_text (text, NULL, params, &error);

  g_assert_no_error (error);
  return dataset;
}

static void
assert_views (const Cnn3dDataset *dataset, const gchar *names)
{
  guint n;
  const gchar *const *views = cnn3d_dataset_views (dataset, &n);
  gchar *joined = views ? g_strjoinv (",", (gchar **) views) : g_strdup ("");

  g_assert_cmpstr (joined, ==, names);
  g_assert_cmpuint (n, ==, views ? g_strv_length ((gchar **) views) : 0);
  g_free (joined);
}

/* Samples of a split, each as the rows of its views: "0/1 3/-" */
static void
assert_samples (const Cnn3dDataset *dataset, gboolean training, const gchar *expected)
{
  GString *text = g_string_new (NULL);
  guint32 rows[64];
  const guint32 *split;
  guint n, views;

  split = cnn3d_dataset_split (dataset, training, &n);
  cnn3d_dataset_views (dataset, &views);
  for (guint i = 0; i < n; i++) {
    g_assert_true (cnn3d_dataset_leads (dataset, split[i]));
    cnn3d_dataset_view_rows (dataset, split[i], rows);
    g_string_append (text, i ? " " : "");
    for (guint view = 0; view < views; view++)
      if (rows[view] == CNN3D_DATASET_NO_ROW)
        g_string_append (text, view ? "/-" : "-");
      else
        g_string_append_printf (text, view ? "/%u" : "%u", rows[view]);
  }
  g_assert_cmpstr (text->str, ==, expected);
  g_string_free (text, TRUE);
}

/* The only note of the data set, NULL: there is none. */
static void
assert_note (const Cnn3dDataset *dataset, gboolean warning, const gchar *expected)
{
  guint n;
  const Cnn3dDatasetNote *notes = cnn3d_dataset_notes (dataset, &n);

  if (!expected) {
    g_assert_cmpuint (n, ==, 0);
    return;
  }
  g_assert_cmpuint (n, ==, 1);
  g_assert_nonnull (strstr (notes[0].text, expected));
  g_assert_true (notes[0].warning == warning);
}

#define TWO                                 \
  "path,label,start,end,group,split,view\n" \
  "a0,walk,0,2,a,train,left\n"              \
  "a1,walk,0,2,a,train,front\n"             \
  "a2,run,2,3,a,train,left\n"               \
  "b0,run,,,b,val,front\n"                  \
  "a3,run,2,3,a,train,front\n"              \
  "b1,run,,,b,val,left\n"

static void
test_samples (void)
{
  Cnn3dDataset *d = load (TWO, (Cnn3dDatasetParams) { NULL });
  Cnn3dDatasetRow row;

  assert_views (d, "front,left");
  assert_samples (d, TRUE, "1/0 4/2");
  assert_samples (d, FALSE, "3/5");
  assert_note (d, FALSE, NULL);
  cnn3d_dataset_row (d, 4, &row);
  g_assert_cmpstr (row.view, ==, "front");
  g_assert_cmpstr (row.group, ==, "a");
  cnn3d_dataset_free (d);

  /* in the order that is wanted */
  d = load (TWO, (Cnn3dDatasetParams) { .views = " left , front" });
  assert_views (d, "left,front");
  assert_samples (d, TRUE, "0/1 2/4");
  assert_samples (d, FALSE, "5/3");
  cnn3d_dataset_free (d);

  /* one of them: each is a clip of its own */
  d = load (TWO, (Cnn3dDatasetParams) { .views = "left" });
  assert_views (d, "left");
  assert_samples (d, TRUE, "0 2");
  assert_samples (d, FALSE, "5");
  assert_note (d, FALSE, "a.csv: 3 rows are left out, of views that are not wanted: front");
  cnn3d_dataset_free (d);
}

/* Missing views, and segments that are told apart by what counts them */
static void
test_missing (void)
{
  Cnn3dDataset *d = load ("path,label,start,end,start_frame,end_frame,group,view\n"
                          "a,x,1,2,,,g,1\n"
                          "b,x,1,2,,,g,2\n"
                          "c,x,1,2,,,g,10\n"
                          "d,y,,,1,1,g,2\n"
                          "e,y,1,3,,,g,10\n"
                          "f,y,1,2,,,h,2\n"
                          "g,x,,,,,g,2\n"
                          "h,x,,,0,,g,10\n",
      (Cnn3dDatasetParams) { NULL });

  assert_views (d, "1,2,10");
  assert_samples (d, TRUE, "0/1/2 -/3/- -/-/4 -/5/- -/6/7");
  assert_note (d, FALSE, "a.csv: 4 of 5 samples have not all 3 views");
  cnn3d_dataset_free (d);

  d = load ("path,label,group,view\na,x,g,1\nb,y,h,2\n", (Cnn3dDatasetParams) { NULL });
  assert_samples (d, TRUE, "0/- -/1");
  assert_note (
      d, TRUE, "a.csv: no sample has more than one view; rows of one sample have the same");
  cnn3d_dataset_free (d);

  /* that no sample is whole is probably a mistake */
  d = load (
      "path,label,group,view\na,x,g,1\nb,x,g,2\nc,y,h,2\nd,y,h,3\n", (Cnn3dDatasetParams) { NULL });
  assert_note (d, TRUE, "a.csv: 2 of 2 samples have not all 3 views");
  cnn3d_dataset_free (d);

  /* a camera may have failed in all of a test set */
  d = load ("path,label,group,view\na,x,g,1\nb,x,g,3\nc,y,h,3\n",
      (Cnn3dDatasetParams) { .views = "1,2,3" });
  assert_views (d, "1,2,3");
  assert_samples (d, TRUE, "0/-/1 -/-/2");
  assert_note (d, TRUE, "a.csv: 2 of 2 samples have not all 3 views");
  cnn3d_dataset_free (d);

  /* the file that lacks them is named */
  d = read_text ("path,label,group,view\na,x,g,1\nb,x,g,2\nc,y,h,1\nd,y,h,2\n",
      "path,label,group,view\ne,x,i,1\nf,x,i,2\ng,y,j,1\n", (Cnn3dDatasetParams) { NULL }, NULL);
  assert_note (d, FALSE, "val.csv: 1 of 2 samples have not all 2 views");
  cnn3d_dataset_free (d);

  /* some rows are of views that are not wanted; what is wrong with them does not matter */
  d = load ("path,label,group,view\na,x,g,1\nb,y,g,2\nc,y,g,2\nd,y,h,3\ne,x,g,4\n",
      (Cnn3dDatasetParams) { .views = "1,4,3" });
  assert_samples (d, TRUE, "0/4/- -/-/3");
  cnn3d_dataset_free (d);
}

/* Columns of cameras are views where they are asked for. */
static void
test_names (void)
{
  static const gchar *const names[] = { "view", "camera", "cam", "Camera ID", "angle", "viewpoint",
    "cam_id", "view_name" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gchar *text = g_strdup_printf ("path,label,group,%s\na,x,g,1\nb,x,g,2\nc,y,h,1\n", names[i]);
    Cnn3dDataset *d = load (text, (Cnn3dDatasetParams) { NULL });
    guint n;

    assert_views (d, i ? "" : "1,2");
    g_assert_true (cnn3d_dataset_leads (d, 1) == (i > 0));
    cnn3d_dataset_split (d, TRUE, &n);
    g_assert_cmpuint (n, ==, i ? 3 : 2);
    if (i > 0)
      assert_note (d, FALSE, "a.csv: columns that are not read: ");
    cnn3d_dataset_free (d);

    d = load (text, (Cnn3dDatasetParams) { .views = "2,1" });
    assert_views (d, "2,1");
    assert_samples (d, TRUE, "1/0 -/2");
    cnn3d_dataset_free (d);
    g_free (text);
  }
}

/* Without groups there are no samples: a data set from before there were views */
static void
test_no_groups (void)
{
  Cnn3dDataset *d = load ("path,label,view\na,x,1\nb,y,\nc,y,1\n", (Cnn3dDatasetParams) { NULL });
  GString *text = g_string_new ("path,label,view\n");
  guint n;

  assert_views (d, "");
  cnn3d_dataset_split (d, TRUE, &n);
  g_assert_cmpuint (n, ==, 3);
  assert_note (
      d, TRUE, "a.csv: views are named, but no row has a group: each row is a clip of its");
  cnn3d_dataset_free (d);

  for (guint i = 0; i < 300; i++)
    g_string_append_printf (text, "a,%c,view %u\n", i % 2 ? 'x' : 'y', i);
  d = load (text->str, (Cnn3dDatasetParams) { NULL });
  assert_views (d, "");
  cnn3d_dataset_free (d);
  g_string_free (text, TRUE);
}

static void
test_json (void)
{
  Cnn3dDataset *d = load ("[{\"path\": \"a9\", \"group\": \"g\", \"view\": 9, \"segments\": ["
                          "{\"start\": 0, \"end\": 1, \"label\": \"x\"}, "
                          "{\"start\": 1, \"end\": 2, \"label\": \"y\"}]},"
                          "{\"path\": \"a10\", \"group\": \"g\", \"view\": \"10\", \"segments\": ["
                          "{\"start\": 1, \"end\": 2, \"label\": \"y\"}]}]",
      (Cnn3dDatasetParams) { NULL });

  assert_views (d, "9,10");
  assert_samples (d, TRUE, "0/- 1/2");
  cnn3d_dataset_free (d);

  d = load ("[{\"path\": \"a\", \"group\": \"g\", \"label\": \"x\", \"cam\": \"\\u0061\"},"
            "{\"path\": \"b\", \"group\": \"g\", \"label\": \"x\", \"cam\": \"b\"},"
            "{\"path\": \"c\", \"group\": \"h\", \"label\": \"y\", \"cam\": \"b\"}]",
      (Cnn3dDatasetParams) { .views = "a,b" });
  assert_samples (d, TRUE, "0/1 -/2");
  cnn3d_dataset_free (d);
}

static void
test_errors (void)
{
  static const struct {
    const gchar *text, *views, *val;
    Cnn3dDatasetError code;
    const gchar *reason;
  } table[] = {
    { "path,label,group,view\na,x,g,1\nb,y,h,1\nc,x,g,2\nd,x,g,1\n", NULL, NULL,
        CNN3D_DATASET_ERROR_ROW,
        "a.csv:5:1: the view \"1\" of this group and segment is in line 2 already; give each "
        "recording a group of its own" },
    { "path,label,group,view\na,x,g,1\nb,y,h,1\nc,y,g,2\n", NULL, NULL, CNN3D_DATASET_ERROR_ROW,
        "a.csv:4:1: the label \"y\" is not that of line 2, \"x\", another view of this group and "
        "segment" },
    { "path,label,group,view,split\na,x,g,1,train\nc,x,g,2,val\n", NULL, NULL,
        CNN3D_DATASET_ERROR_ROW,
        "a.csv:3:1: the split is not that of line 2, another view of this group and segment" },
    { "path,label,group,view,fold\na,x,g,1,1\nc,x,g,2,2\n", NULL, NULL, CNN3D_DATASET_ERROR_ROW,
        "a.csv:3:1: the fold is not that of line 2, another view of this group and segment" },
    { "path,label,group,view\na,x,g,1\nc,y,,2\n", NULL, NULL, CNN3D_DATASET_ERROR_ROW,
        "a.csv:3:1: the group is missing; rows of the same group are the views of one sample" },
    { "path,label,group,view\na,x,g,1\nb,x,g,\nc,y,,2\n", NULL, NULL, CNN3D_DATASET_ERROR_ROW,
        "a.csv:3:1: the view is missing; name it as other rows do, or remove the row" },
    { "path,label,group,view\na,x,g,\nb,x,g,1\n", NULL, NULL, CNN3D_DATASET_ERROR_ROW,
        "a.csv:2:1: the view is missing" },
    { "[{\"path\": \"a\", \"group\": \"g\", \"label\": \"x\"},\n{\"path\": \"b\", \"group\": "
      "\"g\", \"label\": \"x\", \"view\": 1}]",
        NULL, NULL, CNN3D_DATASET_ERROR_ROW, "a.json:2:1: the view is missing" },
    { "[{\"path\": \"a\", \"group\": \"g\", \"label\": \"x\", \"view\": 1},\n{\"path\": \"b\", "
      "\"group\": \"g\", \"label\": \"x\", \"view\": 1}]",
        NULL, NULL, CNN3D_DATASET_ERROR_ROW,
        "a.json:2:1: the view \"1\" of this group and segment is in line 1 already" },
    { "path,label,view\na,x,1\nb,x,2\n", "1,2", NULL, CNN3D_DATASET_ERROR_ROW,
        "a.csv:2:1: the group is missing" },
    { "path,label,group\na,x,g\nb,x,g\n", "1,2", NULL, CNN3D_DATASET_ERROR_PARAMS,
        "a.csv: views is set, but no row names its view; add a column view" },
    { "path,label,group,view\na,x,g,1\nb,x,g,2\nc,x,h,3\n", "1,front", NULL,
        CNN3D_DATASET_ERROR_PARAMS,
        "a.csv: views has \"front\", which no row is of; others are 2, 3" },
    { "path,label,group,view\na,x,g,1\nb,x,g,2\n", "1,2,1", NULL, CNN3D_DATASET_ERROR_PARAMS,
        "views is \"1,2,1\", which has a name twice; name each view once" },
    { "path,label,group,view\na,x,g,1\nb,x,g,2\n", "1,,2", NULL, CNN3D_DATASET_ERROR_PARAMS,
        "views is \"1,,2\", which has an empty name; put one comma between two names" },
    { "path,label,group,view\na,x,g,1\nb,x,g,2\n", NULL, "path,label\nc,x\n",
        CNN3D_DATASET_ERROR_PARAMS, "a.csv has views, but " },
    { "path,label\nc,x\nd,y\n", NULL, "path,label,group,view\na,x,g,1\nb,x,g,2\n",
        CNN3D_DATASET_ERROR_PARAMS,
        "a.csv has none; name groups and views in both, or in neither" },
    { "path,label,group,view\na,x,g,1\nb,x,g,2\n", NULL,
        "path,label,group,view\nc,x,g,1\nd,x,g,1\n", CNN3D_DATASET_ERROR_ROW,
        "val.csv:3:1: the view \"1\" of this group and segment is in line 2 already" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    GError *error = NULL;
    Cnn3dDataset *d = read_text (table[i].text, table[i].val,
        (Cnn3dDatasetParams) { .views = table[i].views, .rows_only = TRUE }, &error);

    g_test_message ("%u: %s", i, error ? error->message : "no error");
    g_assert_null (d);
    g_assert_error (error, CNN3D_DATASET_ERROR, (gint) table[i].code);
    g_assert_nonnull (strstr (error->message, table[i].reason));
    g_clear_error (&error);
  }
}

/* A folder of class folders has no views. */
static void
test_folder (void)
{
  gchar *path = g_build_filename (dir, "x", NULL), *video = g_build_filename (path, "a.mp4", NULL);
  Cnn3dDatasetParams params = { .location = dir, .rows_only = TRUE };
  GError *error = NULL;
  Cnn3dDatasetRow row;
  Cnn3dDataset *d;

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  g_assert_true (g_file_set_contents (video, "x", 1, NULL));
  d = cnn3d_dataset_new (&params, &error);
  g_assert_no_error (error);
  assert_views (d, "");
  cnn3d_dataset_row (d, 0, &row);
  g_assert_null (row.view);
  cnn3d_dataset_free (d);
  params.views = "1,2";
  g_assert_null (cnn3d_dataset_new (&params, &error));
  g_assert_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS);
  g_assert_nonnull (strstr (error->message, ": views is set, but no row names its view"));
  g_clear_error (&error);
  g_unlink (video);
  g_rmdir (path);
  g_free (video);
  g_free (path);
}

static void
test_many (void)
{
  GString *text = g_string_new ("path,label,group,view\n");
  GString *names = g_string_new (NULL);
  GError *error = NULL;
  Cnn3dDataset *d;

  for (guint i = 0; i < 64; i++)
    g_string_append_printf (text, "a,%c,g%u,%u\n", i % 2 ? 'x' : 'y', i, i);
  d = load (text->str, (Cnn3dDatasetParams) { NULL });
  cnn3d_dataset_free (d);
  d = load (text->str, (Cnn3dDatasetParams) { .views = "1", .rows_only = TRUE });
  assert_note (d, FALSE,
      "63 rows are left out, of views that are not wanted: 0, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 53 "
      "more");
  cnn3d_dataset_free (d);
  g_string_append (text, "a,x,g,last\n");
  g_assert_null (read_text (text->str, NULL, (Cnn3dDatasetParams) { NULL }, &error));
  g_assert_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW);
  g_assert_nonnull (
      strstr (error->message, "a.csv:66:1: more than 64 different views; is this the view?"));
  g_clear_error (&error);

  /* of more cameras, some can be taken */
  for (guint i = 65; i < 255; i++)
    g_string_append_printf (text, "a,%c,g%u,%u\n", i % 2 ? 'x' : 'y', i, i);
  d = load (text->str, (Cnn3dDatasetParams) { .views = "254", .rows_only = TRUE });
  assert_note (d, FALSE,
      "254 rows are left out, of views that are not wanted: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 244 "
      "more");
  cnn3d_dataset_free (d);
  g_string_append (text, "a,x,g,another\n");
  g_assert_null (read_text (text->str, NULL, (Cnn3dDatasetParams) { .views = "1" }, &error));
  g_assert_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW);
  g_assert_nonnull (
      strstr (error->message, "a.csv:257:1: more than 255 different views; is this the view?"));
  g_clear_error (&error);

  for (guint i = 0; i < 65; i++)
    g_string_append_printf (names, "%s%u", i ? "," : "", i);
  g_assert_null (read_text (text->str, NULL, (Cnn3dDatasetParams) { .views = names->str }, &error));
  g_assert_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS);
  g_assert_nonnull (strstr (error->message, "views has more than 64 names"));
  g_clear_error (&error);
  g_string_free (text, TRUE);
  g_string_free (names, TRUE);
}

/* Two files, each with its own samples: the same group and segment in both are two. */
static void
test_two_files (void)
{
  GError *error = NULL;
  Cnn3dDataset *d = read_text ("path,label,group,view\na,x,g,1\nb,y,h,2\nc,x,g,2\n",
      "path,label,group,view\nd,x,g,2\ne,x,g,0\n", (Cnn3dDatasetParams) { NULL }, &error);

  g_assert_no_error (error);
  assert_views (d, "0,1,2");
  assert_samples (d, TRUE, "-/0/2 -/-/1");
  assert_samples (d, FALSE, "4/-/3");
  cnn3d_dataset_free (d);
}

/* n samples in `views` views, those of a group one after another, or view by view; every third
 * sample lacks its last view. Without views: one row a sample, the first. */
static gchar *
make_rows (guint n, guint views, gboolean by_view)
{
  GString *text = g_string_new (views ? "path,label,group,view\n" : "path,label,group\n");

  for (guint i = 0; i < n * MAX (views, 1); i++) {
    const guint sample = by_view ? i % n : i / MAX (views, 1);
    const guint view = by_view ? i / n : i % MAX (views, 1);

    if (view > 0 && view + 1 == views && sample % 3 == 0)
      continue;
    g_string_append_printf (text, "v%u-%u,%s,g%u", sample, view, sample % 4 ? "x" : "y", sample);
    g_string_append_printf (text, views ? ",%u\n" : "\n", view);
  }
  return g_string_free (text, FALSE);
}

/* Folds, limits, sampling and ranks go by samples: they are those of the same data set with one
 * row a sample. */
static void
test_order (void)
{
  static const Cnn3dOrderParams orders[] = {
    { .seed = 3, .shuffle = TRUE, .epochs = 3, .world_size = 1 },
    { .seed = 3, .shuffle = TRUE, .limit_clips = 7, .epochs = 2, .world_size = 1 },
    { .seed = 3,
        .shuffle = TRUE,
        .sampling = CNN3D_SAMPLING_BALANCED,
        .epochs = 2,
        .world_size = 3,
        .rank = 1 },
  };

  for (guint num_folds = 0; num_folds <= 3; num_folds += 3)
    for (guint i = 0; i < G_N_ELEMENTS (orders); i++) {
      const Cnn3dDatasetParams params = { .num_folds = num_folds, .seed = 5 };
      gchar *text = make_rows (20, 3, i == 1), *plain = make_rows (20, 0, FALSE);
      Cnn3dDataset *d = load (text, params), *one = load (plain, params);
      Cnn3dOrder *order = cnn3d_order_new (d, &orders[i], NULL);
      Cnn3dOrder *single = cnn3d_order_new (one, &orders[i], NULL);
      Cnn3dOrderClip a, b;
      Cnn3dDatasetRow row, other;
      guint64 clips[2][2];

      g_assert_cmpuint (cnn3d_order_total (order), ==, cnn3d_order_total (single));
      for (guint64 at = 0; at < cnn3d_order_total (order); at++) {
        g_assert_true (cnn3d_order_locate (order, at, &a));
        g_assert_true (cnn3d_order_locate (single, at, &b));
        cnn3d_dataset_row (d, a.row, &row);
        cnn3d_dataset_row (one, b.row, &other);
        g_assert_cmpstr (row.path, ==, other.path);
        g_assert_true (a.training == b.training && a.index == b.index && a.epoch == b.epoch);
      }
      cnn3d_order_class_clips (order, clips[0]);
      cnn3d_order_class_clips (single, clips[1]);
      g_assert_cmpmem (clips[0], sizeof clips[0], clips[1], sizeof clips[1]);
      cnn3d_order_free (order);
      cnn3d_order_free (single);
      cnn3d_dataset_free (d);
      cnn3d_dataset_free (one);
      g_free (text);
      g_free (plain);
    }
}

static gchar *
digest_of (const gchar *text, const gchar *views)
{
  const Cnn3dOrderParams params = { .epochs = 1, .world_size = 1 };
  Cnn3dDataset *d = load (text, (Cnn3dDatasetParams) { .views = views });
  Cnn3dDigest digest;
  gchar *clips;

  cnn3d_digest (d, &params, &digest);
  clips = g_strdup (digest.clips);
  cnn3d_digest_clear (&digest);
  cnn3d_dataset_free (d);
  return clips;
}

/* A run is not resumed with other files, or with the views in another order. */
static void
test_digest (void)
{
  static const gchar text[] = "path,label,group,view\na,x,g,1\nb,x,g,2\nc,y,h,1\n";
  gchar *digest = digest_of (text, NULL), *other;

  other = digest_of (text, "1,2");
  g_assert_cmpstr (digest, ==, other);
  g_free (other);
  other = digest_of (text, "2,1");
  g_assert_cmpstr (digest, !=, other);
  g_free (other);
  other = digest_of (text, "1");
  g_assert_cmpstr (digest, !=, other);
  g_free (other);
  other = digest_of ("path,label,group,view\na,x,g,1\nB,x,g,2\nc,y,h,1\n", NULL);
  g_assert_cmpstr (digest, !=, other);
  g_free (other);
  /* the rows' order does not matter, but for that of the samples */
  other = digest_of ("path,label,group,view\nc,y,h,1\na,x,g,1\nb,x,g,2\n", NULL);
  g_assert_cmpstr (digest, ==, other);
  g_free (other);
  other = digest_of ("path,label,group,view\nb,x,g,2\na,x,g,1\nc,y,h,1\n", NULL);
  g_assert_cmpstr (digest, ==, other);
  g_free (other);
  g_free (digest);
}

/* Each view has its own key points. */
static void
test_keypoints (void)
{
  Cnn3dDataset *d = load (TWO, (Cnn3dDatasetParams) { .views = "front,left" });
  gchar *path = cnn3d_dataset_keypoints (d, 1, "/poses", "{group}/{view}-{stem}.npy");

  g_assert_cmpstr (path, ==, "/poses/a/front-a1.npy");
  g_free (path);
  cnn3d_dataset_free (d);
  d = load ("path,label\na,x\nb,y\n", (Cnn3dDatasetParams) { NULL });
  path = cnn3d_dataset_keypoints (d, 0, "/poses", "{stem}{view}.npy");
  g_assert_cmpstr (path, ==, "/poses/a.npy");
  g_free (path);
  cnn3d_dataset_free (d);
}

/* The manifest of a data set is read as the same samples. */
static void
test_manifest (void)
{
  Cnn3dDataset *d = load (TWO, (Cnn3dDatasetParams) { NULL }), *again;
  gchar *text = cnn3d_dataset_manifest (d, dir), *same;

  g_assert_nonnull (strstr (text, "path,label,start,end,group,view,split\n"));
  g_assert_nonnull (strstr (text, "a1,walk,,2,a,front,train\n"));
  again = load (text, (Cnn3dDatasetParams) { NULL });
  assert_samples (again, TRUE, "1/0 4/2");
  same = cnn3d_dataset_manifest (again, dir);
  g_assert_cmpstr (text, ==, same);
  cnn3d_dataset_free (d);
  cnn3d_dataset_free (again);
  g_free (text);
  g_free (same);

  /* rows of views that are not wanted, and columns that only they need, are not in it */
  d = load ("path,label,group,view,fps,keypoints\na,x,g,1,,\nb,x,g,2,,\nc,y,g2,1,,\nd,y,g2,3,9,p\n",
      (Cnn3dDatasetParams) { .views = "2,1" });
  g_assert_true (cnn3d_dataset_wants (d, 2));
  g_assert_false (cnn3d_dataset_wants (d, 3));
  text = cnn3d_dataset_manifest (d, dir);
  g_assert_cmpstr (text, ==, "path,label,group,view\na,x,g,1\nb,x,g,2\nc,y,g2,1\n");
  cnn3d_dataset_free (d);
  g_free (text);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  dir = g_dir_make_tmp ("views-XXXXXX", NULL);
  g_test_add_func ("/views/samples", test_samples);
  g_test_add_func ("/views/missing", test_missing);
  g_test_add_func ("/views/names", test_names);
  g_test_add_func ("/views/no-groups", test_no_groups);
  g_test_add_func ("/views/json", test_json);
  g_test_add_func ("/views/errors", test_errors);
  g_test_add_func ("/views/folder", test_folder);
  g_test_add_func ("/views/many", test_many);
  g_test_add_func ("/views/two-files", test_two_files);
  g_test_add_func ("/views/order", test_order);
  g_test_add_func ("/views/digest", test_digest);
  g_test_add_func ("/views/keypoints", test_keypoints);
  g_test_add_func ("/views/manifest", test_manifest);
  result = g_test_run ();
  for (guint i = 0; i < 3; i++) {
    static const gchar *const names[] = { "a.csv", "a.json", "val.csv" };
    gchar *path = g_build_filename (dir, names[i], NULL);

    g_unlink (path);
    g_free (path);
  }
  g_rmdir (dir);
  g_free (dir);
  return result;
}
