/* splits.c: which rows train, validate and test where a data set says it in more than one way, and
 * what is reported of contradictions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "folder.h"
#include "src/dataset/dataset.h"

#include <string.h>
#include <glib/gstdio.h>

static gchar *dir;

static gchar *
write_file (const gchar *name, const gchar *text)
{
  gchar *path = g_build_filename (dir, name, NULL);
  g_autofree gchar *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static Cnn3dDataset *
load (Cnn3dDatasetParams params)
{
  GError *error = NULL;
  Cnn3dDataset *dataset = cnn3d_dataset_new (&params, &error);

  g_assert_no_error (error);
  return dataset;
}

/* The message is the location and what follows it. */
static void
assert_refused (Cnn3dDatasetParams params, gint code, const gchar *message)
{
  GError *error = NULL;

  g_assert_null (cnn3d_dataset_new (&params, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, CNN3D_DATASET_ERROR, code);
  g_assert_nonnull (strstr (error->message, message));
  g_error_free (error);
}

static void
assert_split (const Cnn3dDataset *dataset, gboolean training, const gchar *rows)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint n;
  const guint32 *split = cnn3d_dataset_split (dataset, training, &n);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%u", i ? " " : "", split[i]);
  g_assert_cmpstr (text->str, ==, rows);
}

/* Whether there is a note that contains the text. */
static gboolean
is_noted (const Cnn3dDataset *dataset, gboolean warning, const gchar *text)
{
  gboolean noted = FALSE;
  guint n;
  const Cnn3dDatasetNote *notes = cnn3d_dataset_notes (dataset, &n);

  for (guint i = 0; i < n; i++) {
    g_test_message ("%s%s", notes[i].warning ? "warning: " : "", notes[i].text);
    noted = noted || (notes[i].warning == warning && strstr (notes[i].text, text));
  }
  return noted;
}

static guint
n_notes (const Cnn3dDataset *dataset)
{
  guint n;

  cnn3d_dataset_notes (dataset, &n);
  return n;
}

/* Rows of split test only test, whichever file they are in. */
static void
test_val_location (void)
{
  g_autofree gchar *train = write_file ("train.csv",
      "path,label,split\na,x,train\nb,y,\nc,x,val\n"
      "d,y,val\ne,x,test\n");
  g_autofree gchar *val =
      write_file ("val.csv", "path,label,split\nf,x,train\ng,y,val\nh,x,\ni,y,test\nj,x,train\n");
  g_autofree gchar *clean = write_file ("clean.csv", "path,label,split\nf,x,\ng,y,val\n");
  g_autofree gchar *test = write_file ("test.csv", "path,label,split\nf,x,test\n");
  g_autofree gchar *unsplit = write_file ("unsplit.csv", "a,x\nb,y\n");
  Cnn3dDatasetParams params = { .location = train, .val_location = val };
  Cnn3dDataset *d = load (params);

  assert_split (d, TRUE, "0 1");
  assert_split (d, FALSE, "5 6 7 9");
  g_assert_true (is_noted (d, TRUE,
      "val.csv: 2 of its 5 clips are of split train, the first \"f\", but validate, because "
      "val-location is set; remove them, or unset val-location if one file has all splits"));
  g_assert_true (is_noted (
      d, FALSE, "train.csv: 2 clips of split val are not used, because val-location is set"));
  cnn3d_dataset_free (d);

  params.passes = CNN3D_PASSES_TEST;
  d = load (params);
  assert_split (d, FALSE, "4 8");
  g_assert_cmpuint (n_notes (d), ==, 0);
  cnn3d_dataset_free (d);

  d = load ((Cnn3dDatasetParams) { .location = unsplit, .val_location = clean });
  assert_split (d, FALSE, "2 3");
  g_assert_cmpuint (n_notes (d), ==, 0);
  cnn3d_dataset_free (d);

  params = (Cnn3dDatasetParams) { .location = unsplit, .val_location = test };
  for (params.passes = CNN3D_PASSES_ALL; params.passes <= CNN3D_PASSES_VAL; params.passes++) {
    if (params.passes == CNN3D_PASSES_TRAIN)
      continue;
    assert_refused (params, CNN3D_DATASET_ERROR_EMPTY,
        "test.csv: none of its clips is for validation; those of split test only come with "
        "passes=test, so empty their split to validate on them");
  }
}

/* Without a header the last of three or five columns is the group or the split. Splits that are no
 * more than some data sets' words are splits beside sure ones; another word is an error, since
 * those rows would train. */
static void
test_headerless (void)
{
  static const struct {
    const gchar *rows, *training, *others, *refused;
  } table[] = {
    { "a,x,train\nb,y,train\nc,x,dev\nd,y,testing\ne,y,\n", "0 1 4", "2" },
    { "a,x,0,1,validate\nb,y,0,1,train\nc,x,0,1,training\n", "1 2", "0" },
    { "a,x,g,dev\nb,y,g,train\nc,x,h,test\nd,x,h,\n", "1 3", "0" },
    { "a,x,dev\nb,y,anna\nc,x,testing\n", "0 1 2", "" },
    { "a,x,train\n# ok\nb,y,\nc,x,\"dev\"\nd,y,tset\ne,y,vla\n",
        .refused =
            "rows.csv:5:5: the split "
            "\"tset\" is unknown, and other rows have a split here; it is train, val, validation "
            "or test; "
            "if this column is the group, add a header that says so, such as path,label,group" },
    { "a,x,0,1,anna\nb,y,0,1,train\n",
        .refused = "rows.csv:1:9: the split \"anna\" is unknown, and "
                   "other rows have a split here; it is train, val, validation or test; if this "
                   "column is the "
                   "group, add a header that says so, such as path,label,start,end,group" },
  };
  g_autofree gchar *train = write_file ("train.csv", "a,x,train\nb,y,train\nc,x,val\n");
  g_autofree gchar *val = write_file ("val.csv", "d,x,val\ne,y,test\n");
  Cnn3dDataset *d;

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autofree gchar *path = write_file ("rows.csv", table[i].rows);
    const Cnn3dDatasetParams params = { .location = path };

    if (table[i].refused) {
      assert_refused (params, CNN3D_DATASET_ERROR_ROW, table[i].refused);
      continue;
    }
    d = load (params);
    assert_split (d, TRUE, table[i].training);
    assert_split (d, FALSE, table[i].others);
    cnn3d_dataset_free (d);
  }
  /* words that the first file had, too */
  d = load ((Cnn3dDatasetParams) { .location = train, .val_location = val });
  assert_split (d, TRUE, "0 1");
  assert_split (d, FALSE, "3");
  cnn3d_dataset_free (d);
}

/* Sub-folders are splits if all that have clips are called so; what has none is passed over. */
static void
test_folder (void)
{
  static const struct {
    const gchar *files[5], *classes, *training, *others, *warning, *refused;
  } table[] = {
    { { "training/run/a.mp4", "training/walk/a.mp4", "testing/run/b.mp4", "dev/run/c.mp4" },
        "run walk", "2 3", "0" },
    { { "train/run/a.mp4", "train/walk/a.mp4", "val/run/b.mp4", "annotations/all.csv",
          "annotations/1.jpg" },
        "run walk", "0 1", "2" },
    /* classes that are called so have their clips in them, or are beside others */
    { { "train/a.mp4", "bus/b.mp4", "test/c.mp4" }, "bus test train", "0 1 2", "" },
    { { "train/a/1.jpg", "bus/b/1.jpg", "val/c/1.jpg" }, "bus train val", "0 1 2", "" },
    { { "train/x/a.mp4", "bus/x/b.mp4" }, "bus train", "0 1", "",
        "folder: its folder train is read as a class, because bus beside it is not called like a "
        "split; if it is one, move the other elsewhere" },
    { { "train/run/a.mp4", "val/run/b.mp4", "extra/run/c.mp4" },
        .refused = "folder: its folders train "
                   "and val are splits, but extra, which has clips too, is not called like one; "
                   "rename it to train, "
                   "val or test, or move it elsewhere; if all are classes, give a manifest" },
    { { "train/run/a.mp4", "train/walk/a.mp4", "test/b.mp4", "extra/c.mp4" },
        .refused = "folder: its folders train and test are splits, but extra, which has clips" },
    { { "Train/run/a.mp4", "Train/walk/a.mp4", "bus/a.mp4", "train_extra/run/b.mp4" },
        .refused = "folder: its folder Train is a split, and train_extra, which has clips too, is "
                   "called much like one; rename it to train, val or test, or move it elsewhere; "
                   "if all are classes, give a manifest" },
    { { "train/x/a.mp4", "train2/b.mp4" }, .refused = "and train2, which has clips too, is" },
    { { "train/x/a.mp4", "old-val/b.mp4" }, .refused = "and old-val, which has clips too, is" },
    { { "train/x/a.mp4", "training2go/x.csv", "latest/b.mp4" }, "latest train", "0 1", "",
        "its folder train is read as a class, because latest beside it" },
    /* nothing but folders that are called so */
    { { "test/a.mp4", "dev/b.mp4" }, "dev test", "0 1", "",
        "folder: its folders called like splits, the first dev, are read as classes, because "
        "their videos are not in class folders; if they are splits, put each class's videos into "
        "a folder of its own there" },
    { { "train/a.mp4", "train/run/a.mp4", "train/walk/a.mp4", "val/b.mp4" }, "run walk", "0 1",
        "" },
    { { "train/run/a/1.jpg", "test/run/b/1.jpg", "extra/c.mp4" },
        .refused = "test and train are splits, "
                   "but extra" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autofree gchar *root = g_build_filename (dir, "folder", NULL);
    const Cnn3dDatasetParams params = { .location = root };

    for (guint k = 0; k < G_N_ELEMENTS (table[i].files) && table[i].files[k]; k++) {
      g_autofree gchar *name = g_build_filename ("folder", table[i].files[k], NULL);

      g_free (write_file (name, "x"));
    }
    if (table[i].refused) {
      assert_refused (params, CNN3D_DATASET_ERROR_ROW, table[i].refused);
    } else {
      Cnn3dDataset *d = load (params);
      g_autofree gchar *classes = g_strjoinv (" ", (gchar **) cnn3d_dataset_classes (d));

      g_assert_cmpstr (classes, ==, table[i].classes);
      assert_split (d, TRUE, table[i].training);
      assert_split (d, FALSE, table[i].others);
      if (table[i].warning)
        g_assert_true (is_noted (d, TRUE, table[i].warning));
      else
        g_assert_cmpuint (n_notes (d), ==, 0);
      cnn3d_dataset_free (d);
    }
    remove_tree (root);
  }
  {
    g_autofree gchar *picture = write_file ("folder/train/run/1.jpg", "x"),
                     *root = g_build_filename (dir, "folder", NULL);

    assert_refused ((Cnn3dDatasetParams) { .location = root }, CNN3D_DATASET_ERROR_EMPTY,
        "found: folders called like splits, such as train, but no class folders in them that "
        "have videos or folders of pictures");
  }
}

/* Files that annotations name by an id are told apart by the class's folder, then the split's. */
static void
test_finder (void)
{
  static const gchar header[] = "label,youtube_id,time_start,time_end,split\n";
  static const struct {
    const gchar *files[4], *rows, *paths[3], *refused, *note;
  } table[] = {
    { { "z/train/walk/v1.mp4", "z/test/walk/v1.mp4", "z/val/run/v2.mp4" },
        "walk,v1,0,10,train\nwalk,v1,10,20,test\nrun,v2,0,10,train\n",
        { "train/walk/v1.mp4", "test/walk/v1.mp4", "val/run/v2.mp4" } },
    /* other words for splits, folders above and below the class's, and none for the class */
    { { "z/walk/Training/v1.mp4", "z/walk/Testing/v1.mp4", "z/Training/x/v2.mp4",
          "z/dev/x/v2.mp4" },
        "walk,v1,0,10,train\nwalk,v1,0,10,test\nrun,v2,0,10,val\n",
        { "walk/Training/v1.mp4", "walk/Testing/v1.mp4", "dev/x/v2.mp4" } },
    /* the class first, which may be called like a split */
    { { "z/train/v1.mp4", "z/test/v1.mp4", "z/train/test/v2.mp4", "z/x/v2.mp4" },
        "train,v1,0,10,test\ntest,v2,0,1,train\nx,v2,0,1,train\n",
        { "train/v1.mp4", "train/test/v2.mp4", "x/v2.mp4" } },
    { { "z/train/walk/v1.mp4", "z/test/walk/v1.mp4", "z/v1.mp4" }, "walk,v1,0,10,\n", { NULL },
        "a.csv:2:6: two files are called v1 below root, " },
    { { "z/train/a/walk/v1.mp4", "z/train/b/walk/v1.mp4", "z/test/walk/v1.mp4" },
        "walk,v1,0,10,train\n", { NULL }, "a.csv:2:6: two files are called v1 below root, " },
    /* two downloads in one folder, which are counted once however often they are asked for */
    { { "z/walk/v1.webm", "z/walk/v1.mp4", "z/run/v1.mkv", "z/v1.avi" },
        "walk,v1,0,10,train\nwalk,v1,10,20,train\nrun,v1,0,10,train\n",
        { "walk/v1.mp4", "walk/v1.mp4", "run/v1.mkv" },
        .note = "a.csv: 1 files are not read, because their folder has another one of the same "
                "name before the ending, the first \"walk/v1.webm\"; the first by name is read" },
    { { "z/a/v1.webm", "z/a/v1.mp4", "z/b/v1.mp4", "z/a/v1.avi" }, "walk,v1,0,10,train\n", { NULL },
        "a.csv:2:6: two files are called v1 below root, " },
    { { "z/a/walk/v1.mp4", "z/b/walk/v1.mp4", "z/train/v1.mp4" }, "walk,v1,0,10,train\n", { NULL },
        "a.csv:2:6: two files are called v1 below root, " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    g_autofree gchar *text = g_strconcat (header, table[i].rows, NULL),
                     *path = write_file ("a.csv", text), *root = g_build_filename (dir, "z", NULL);
    const Cnn3dDatasetParams params = { .location = path, .root = root, .rows_only = TRUE };

    for (guint k = 0; k < G_N_ELEMENTS (table[i].files) && table[i].files[k]; k++)
      g_free (write_file (table[i].files[k], "x"));
    if (table[i].refused) {
      assert_refused (params, CNN3D_DATASET_ERROR_ROW, table[i].refused);
    } else {
      Cnn3dDataset *d = load (params);

      for (guint row = 0; row < cnn3d_dataset_num_rows (d); row++) {
        Cnn3dDatasetRow r;

        cnn3d_dataset_row (d, row, &r);
        g_assert_cmpstr (r.path, ==, table[i].paths[row]);
      }
      g_assert_true (!table[i].note || is_noted (d, FALSE, table[i].note));
      g_assert_cmpint (is_noted (d, FALSE, "not read, because"), ==, table[i].note != NULL);
      cnn3d_dataset_free (d);
    }
    remove_tree (root);
  }
}

/* What is on both sides of the split is reported, and only that. */
static void
test_leakage (void)
{
  static const gchar header[] = "path,label,start,end,start_frame,end_frame,group,split\n"
                                "t,x,,,,,,train\nu,y,,,,,,train\n";
  static const struct {
    const gchar *rows, *clips, *test_clips, *groups, *test_groups, *twice;
    Cnn3dPasses passes;
  } table[] = {
    /* windows that meet, are of other files, or have other units */
    { "a,x,0,1,,,,train\na,y,1,2,,,,val\na,x,2,3,,,,train\nb,y,,,,,,val\na,x,,,1,5,,val\n"
      "c,x,0,0.3000004,,,,train\nc,y,0.3,1,,,,val\n" },
    { "a,x,0,2,,,,train\na,y,1,3,,,,val\na,x,2.5,4,,,,train\nb,y,,,,,,train\n./b,y,5,6,,,,val\n"
      "c,y,5,6,,,,val\nc,x,,,,,,train\n",
        "rows.csv: 3 validation clips overlap training clips of the same file, the first \"a\"; "
        "their "
        "results do not show how the model does on new videos: keep each file on one side of the "
        "split" },
    { "a,x,,,,,,train\na,y,,,1,5,,val\nb,x,,,0,4,,train\nb,y,,,4,5,,val\nc,y,,,0,3,,train\n"
      "d/../c,y,,,4,5,,val\n",
        "rows.csv: 2 validation clips overlap" },
    /* the longest window before, the next one behind */
    { "a,x,0,9,,,,train\na,y,1,2,,,,train\na,y,8,9,,,,val\nb,x,0,2,,,,val\nb,x,0.5,1,,,,val\n"
      "b,x,1.5,3,,,,train\n",
        "rows.csv: 2 validation clips overlap" },
    { "a,x,,,,,,train\na,y,,,,,,test\nb,y,,,,,,train\n",
        .test_clips = "rows.csv: 1 test clips overlap "
                      "training clips of the same file, the first \"a\"" },
    { "a,x,,,,,,train\na,y,,,,,,test\nb,y,,,,,,train\nb,y,,,,,,val\n",
        .test_clips = "rows.csv: 1 test clips overlap training clips",
        .passes = CNN3D_PASSES_TEST },
    { "a,x,,,,,p1,train\nb,y,,,,,p2,train\nc,y,,,,,p2,val\nd,y,,,,,p1,val\ne,y,,,,,p3,test\n"
      "f,y,,,,,p3,val\ng,y,,,,,p2,test\n",
        .groups =
            "rows.csv: 2 groups have both training and validation clips, the first \"p1\"; put all "
            "clips of a group on one side of the split",
        .test_groups = "rows.csv: 1 groups have both training and test clips, the first \"p2\"" },
    /* another label, window, or half of the data set is no repetition */
    { "a,x,0,1,,,,train\na,y,0,1,,,,train\na,x,0,2,,,,train\nb,y,,,,,,train\nc,y,0,1,,,,train\n"
      "c,y,0,1,,,,train\nc,y,0,1,,,,train\n.//b,y,0,,,,,train\n",
        .twice = "rows.csv: 3 rows repeat earlier ones, the first \"c\"; each counts as a clip of "
                 "its own" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    const gchar *const texts[] = { table[i].clips, table[i].test_clips, table[i].groups,
      table[i].test_groups, table[i].twice };
    g_autofree gchar *text = g_strconcat (header, table[i].rows, NULL),
                     *path = write_file ("rows.csv", text);
    Cnn3dDatasetParams params = { .location = path, .passes = table[i].passes };

    /* the tool, which has no passes, is told the same */
    for (; params.rows_only < (params.passes ? 1 : 2); params.rows_only++) {
      Cnn3dDataset *d = load (params);
      guint n = 0;

      for (guint k = 0; k < G_N_ELEMENTS (texts); k++)
        if (texts[k]) {
          g_assert_true (is_noted (d, texts[k] != table[i].twice, texts[k]));
          n++;
        }
      g_assert_cmpuint (n_notes (d), ==, n);
      cnn3d_dataset_free (d);
    }
  }
}

/* Which file a row is of depends on its source's root. */
static void
test_leakage_files (void)
{
  g_autofree gchar *train = write_file ("train/list.csv", "a.mp4,x\nb.mp4,y\n");
  g_autofree gchar *val = write_file ("val/list.csv", "a.mp4,x\nb.mp4,y\n");
  g_autofree gchar *same = write_file ("val/same.csv", "../train/a.mp4,x\n");
  g_autofree gchar *absolute = g_build_filename (dir, "train", "b.mp4", NULL),
                   *address = g_filename_to_uri (absolute, NULL, NULL),
                   *rows = g_strdup_printf (
                       "%s,y\n%s,y\nhttp://h/b.mp4,y\n/b.mp4,y\n", absolute, address),
                   *others = write_file ("others/list.csv", rows);
  Cnn3dDatasetParams params = { .location = train };
  static const gchar text[] = "clips overlap training clips of the same file, the first ";
  Cnn3dDataset *d;

  params.val_location = val;
  d = load (params);
  g_assert_cmpuint (n_notes (d), ==, 0);
  cnn3d_dataset_free (d);
  params.val_location = same;
  d = load (params);
  g_assert_true (is_noted (d, TRUE, "same.csv: 1 validation clips overlap"));
  g_assert_true (is_noted (d, TRUE, text));
  cnn3d_dataset_free (d);
  params.val_location = others;
  d = load (params);
  g_assert_true (is_noted (d, TRUE, "others/list.csv: 2 validation clips overlap"));
  cnn3d_dataset_free (d);
  /* the same list twice: every clip, but none is repeated */
  params.val_location = train;
  d = load (params);
  g_assert_true (is_noted (d, TRUE, "train/list.csv: 2 validation clips overlap"));
  g_assert_cmpuint (n_notes (d), ==, 1);
  cnn3d_dataset_free (d);
}

/* Groups are what num-folds keeps together, but a column of folds may split them; views are one
 * clip. */
static void
test_leakage_folds (void)
{
  g_autofree gchar *groups = write_file (
      "groups.csv", "path,label,group\na,x,1\na,x,1\nb,y,1\nc,x,2\nd,y,2\ne,y,3\nf,x,3\n");
  g_autofree gchar *folds = write_file ("folds.csv",
      "path,label,group,fold,split\na,x,1,0,\nb,y,2,1,\nc,x,1,1,\nd,y,2,1,\ne,x,1,,test\n");
  g_autofree gchar *views = write_file ("views.csv",
      "path,label,group,view,split\na,x,1,l,train\nb,x,1,r,train\nc,y,2,l,train\n"
      "d,x,3,l,val\na,x,3,r,val\nb,y,4,l,val\nc,y,4,r,val\n");
  g_autofree gchar *one =
      write_file ("one.csv", "path,label,group,view\na,x,1,l\nb,x,1,r\nc,y,2,l\nd,y,2,r\n");
  g_autofree gchar *other =
      write_file ("other.csv", "path,label,group,view\ne,x,1,l\nf,x,1,r\ng,y,2,l\nh,y,2,r\n");
  Cnn3dDatasetParams params = { .location = groups, .num_folds = 2 };
  Cnn3dDataset *d = load (params);

  g_assert_false (is_noted (d, TRUE, "on one side"));
  g_assert_true (is_noted (d, FALSE, "groups.csv: 1 rows repeat earlier ones, the first \"a\""));
  cnn3d_dataset_free (d);
  params.location = folds;
  d = load (params);
  g_assert_true (
      is_noted (d, TRUE, "1 groups have both training and validation clips, the first \"1\""));
  cnn3d_dataset_free (d);
  params.passes = CNN3D_PASSES_TEST;
  d = load (params);
  g_assert_true (is_noted (d, TRUE, "1 groups have both training and test clips, the first \"1\""));
  g_assert_cmpuint (n_notes (d), ==, 1);
  cnn3d_dataset_free (d);
  d = load ((Cnn3dDatasetParams) { .location = views });
  g_assert_true (is_noted (d, TRUE,
      "2 validation clips overlap training clips of the same file, the "
      "first \"d\""));
  cnn3d_dataset_free (d);
}

/* Groups of two files are numbered apart; those of one file are compared. */
static void
test_leakage_sources (void)
{
  g_autofree gchar *train = write_file ("train.csv", "path,label,group\na,x,1\nb,y,2\n");
  g_autofree gchar *val = write_file ("val.csv", "path,label,group\nc,x,1\nd,y,2\n");
  g_autofree gchar *test =
      write_file ("test.csv", "path,label,group,split\na,x,1,\nb,y,2,\ne,x,1,test\n");
  g_autofree gchar *epic = write_file ("epic.csv",
      "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb\n"
      "1,P01,P01_01,00:00:01.00,00:00:03.00,open\n2,P02,P02_01,00:00:01.00,00:00:03.00,cut\n");
  g_autofree gchar *epic_val = write_file ("epic-val.csv",
      "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb\n"
      "3,P01,P01_02,00:00:01.00,00:00:03.00,open\n");
  Cnn3dDataset *d = load ((Cnn3dDatasetParams) { .location = train, .val_location = val });

  g_assert_cmpuint (n_notes (d), ==, 0);
  cnn3d_dataset_free (d);
  d = load ((Cnn3dDatasetParams) { .location = epic, .val_location = epic_val });
  g_assert_false (is_noted (d, TRUE, ""));
  cnn3d_dataset_free (d);
  d = load ((Cnn3dDatasetParams) { .location = test, .val_location = val });
  g_assert_true (is_noted (d, TRUE, "test.csv: 1 groups have both training and test clips"));
  g_assert_cmpuint (n_notes (d), ==, 1);
  cnn3d_dataset_free (d);
}

/* Test rows are in no fold: their value is not counted, and may be empty. */
static void
test_fold_column (void)
{
  g_autofree gchar *folds = write_file ("folds.csv",
      "path,label,split,fold\na,x,test,-1\nb,x,,0\nc,y,,0\nd,x,train,1\ne,y,val,1\nf,y,test,\n");
  g_autofree gchar *timelines = write_file ("timelines.json",
      "[{\"path\":\"a\",\"label\":\"x\",\"split\":\"test\"},{\"path\":\"b\",\"label\":\"x\","
      "\"fold\":0},"
      "{\"path\":\"c\",\"label\":\"y\",\"fold\":0},{\"path\":\"d\",\"label\":\"x\",\"fold\":1},"
      "{\"path\":\"e\",\"label\":\"y\",\"fold\":1},"
      "{\"path\":\"f\",\"label\":\"y\",\"fold\":null,\"split\":\"test\"}]");
  g_autofree gchar *empty = write_file ("empty.csv", "path,label,split,fold\na,x,,0\nb,y,,\n");
  g_autofree gchar *one =
      write_file ("one.csv", "path,label,split,fold\na,x,,0\nb,y,,0\nc,y,test,1\n");
  Cnn3dDatasetParams params = { .location = folds, .num_folds = 2 };
  g_autofree gchar *written = NULL;
  Cnn3dDataset *d;

  d = load (params);
  assert_split (d, TRUE, "3 4");
  assert_split (d, FALSE, "1 2");
  cnn3d_dataset_free (d);
  params.fold = 1;
  d = load (params);
  assert_split (d, TRUE, "1 2");
  assert_split (d, FALSE, "3 4");
  cnn3d_dataset_free (d);
  params.passes = CNN3D_PASSES_TEST;
  d = load (params);
  assert_split (d, FALSE, "0 5");
  cnn3d_dataset_free (d);

  d = load ((Cnn3dDatasetParams) { .location = timelines, .num_folds = 2 });
  assert_split (d, TRUE, "3 4");
  assert_split (d, FALSE, "1 2");
  cnn3d_dataset_free (d);

  d = load ((Cnn3dDatasetParams) { .location = folds, .rows_only = TRUE });
  written = cnn3d_dataset_manifest (d, dir);
  g_assert_nonnull (strstr (written, "f,y,test,\n"));
  cnn3d_dataset_free (d);

  assert_refused ((Cnn3dDatasetParams) { .location = folds, .num_folds = 3 },
      CNN3D_DATASET_ERROR_PARAMS,
      "num-folds is 3, but its fold column has 2 different values; set num-folds=2");
  assert_refused ((Cnn3dDatasetParams) { .location = one, .num_folds = 2 },
      CNN3D_DATASET_ERROR_PARAMS,
      "one.csv: num-folds is 2, but the clips that are not of split test have fewer than two "
      "values in the fold column; rename the column to have groups shared out instead");
  assert_refused ((Cnn3dDatasetParams) { .location = empty, .num_folds = 2 },
      CNN3D_DATASET_ERROR_ROW, "empty.csv:3:6: the fold is empty");
}

/* Each test has a folder of its own. */
static void
make_folder (gpointer unused, gconstpointer run)
{
  dir = g_dir_make_tmp ("splits-XXXXXX", NULL);
  g_assert_nonnull (dir);
}

static void
remove_folder (gpointer unused, gconstpointer run)
{
  remove_tree (dir);
  g_clear_pointer (&dir, g_free);
}

static void
run_test (gpointer unused, gconstpointer run)
{
  ((void (*) (void)) run) ();
}

static void
add_test (const gchar *name, void (*run) (void))
{
  g_test_add_vtable (name, 1, run, make_folder, run_test, remove_folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_test ("/splits/val-location", test_val_location);
  add_test ("/splits/headerless", test_headerless);
  add_test ("/splits/fold-column", test_fold_column);
  add_test ("/splits/folder", test_folder);
  add_test ("/splits/finder", test_finder);
  add_test ("/splits/leakage", test_leakage);
  add_test ("/splits/leakage-files", test_leakage_files);
  add_test ("/splits/leakage-folds", test_leakage_folds);
  add_test ("/splits/leakage-sources", test_leakage_sources);
  return g_test_run ();
}
