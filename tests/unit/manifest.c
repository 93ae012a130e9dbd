/* manifest.c: data sets from valid and invalid manifests and folders.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/csv.h"
#include "src/dataset/dataset.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <glib/gstdio.h>

static gchar *dir;

static gchar *
write_file (const gchar *name, const gchar *text, gssize size)
{
  gchar *path = g_build_filename (dir, name, NULL);
  gchar *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  g_assert_true (g_file_set_contents (path, text, size, NULL));
  g_free (parent);
  return path;
}

static Cnn3dDataset *
load (const gchar *name, const gchar *text)
{
  gchar *path = write_file (name, text, -1);
  Cnn3dDatasetParams params = { .location = path };
  GError *error = NULL;
  Cnn3dDataset *dataset = cnn3d_dataset_new (&params, &error);

  g_assert_no_error (error);
  g_assert_nonnull (dataset);
  g_free (path);
  return dataset;
}

static Cnn3dDataset *
load_passes (const gchar *location, Cnn3dPasses passes)
{
  Cnn3dDatasetParams params = { .location = location, .passes = passes };
  GError *error = NULL;
  Cnn3dDataset *dataset = cnn3d_dataset_new (&params, &error);

  g_assert_no_error (error);
  return dataset;
}

static void
assert_row (Cnn3dDataset *dataset, guint i, const gchar *path, const gchar *label, gdouble start,
    gdouble end, const gchar *group)
{
  Cnn3dDatasetRow row;

  cnn3d_dataset_row (dataset, i, &row);
  g_assert_cmpstr (row.path, ==, path);
  g_assert_cmpstr (cnn3d_dataset_classes (dataset)[row.label], ==, label);
  g_assert_cmpfloat (row.start, ==, start);
  g_assert_cmpfloat (row.end, ==, end);
  g_assert_cmpstr (row.group, ==, group);
}

static void
assert_split (Cnn3dDataset *dataset, gboolean training, const gchar *rows)
{
  GString *text = g_string_new (NULL);
  const guint32 *split;
  guint n;

  split = cnn3d_dataset_split (dataset, training, &n);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%u", i ? " " : "", split[i]);
  g_assert_cmpstr (text->str, ==, rows);
  g_string_free (text, TRUE);
}

static void
test_forms (void)
{
  Cnn3dDataset *d;
  gchar *path, *expected;

  d = load ("two.csv", "b.mp4,walk\r\n\r\n a b.mp4 , run\r\n/x/c.mp4,walk");
  g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, 3);
  g_assert_cmpuint (cnn3d_dataset_num_classes (d), ==, 2);
  assert_row (d, 0, "b.mp4", "walk", 0, INFINITY, NULL);
  assert_row (d, 1, "a b.mp4", "run", 0, INFINITY, NULL);
  g_assert_cmpstr (cnn3d_dataset_classes (d)[0], ==, "run");
  path = cnn3d_dataset_path (d, 1);
  expected = g_build_filename (dir, "a b.mp4", NULL);
  g_assert_cmpstr (path, ==, expected);
  g_free (path);
  g_free (expected);
  path = cnn3d_dataset_path (d, 2);
  g_assert_cmpstr (path, ==, "/x/c.mp4");
  g_free (path);
  assert_split (d, TRUE, "0 1 2");
  assert_split (d, FALSE, "");
  cnn3d_dataset_free (d);

  d = load ("uri.csv", "file:///a%20b/c.mp4,x\nhttp://h/d.mp4,y\n");
  path = cnn3d_dataset_path (d, 0);
  g_assert_cmpstr (path, ==, "/a b/c.mp4");
  g_free (path);
  path = cnn3d_dataset_path (d, 1);
  g_assert_cmpstr (path, ==, "http://h/d.mp4");
  g_free (path);
  cnn3d_dataset_free (d);

  d = load (
      "bom.csv", "\xEF\xBB\xBFlabel,nobody,PATH\n\"a, \"\"b\"\"\",1,\"x\ny.mp4\"\nc,2,z.mp4\n");
  assert_row (d, 0, "x\ny.mp4", "a, \"b\"", 0, INFINITY, NULL);
  assert_row (d, 1, "z.mp4", "c", 0, INFINITY, NULL);
  cnn3d_dataset_free (d);

  d = load ("six.tsv",
      "a.mp4\tx\t1.5\t2e0\tanna\ttrain\nb.mp4\ty\t\t\t\tval\nc.mp4\ty\t\t3\tanna\t\nd."
      "mp4\tx\t4\t\tbob\ttest\n");
  assert_row (d, 0, "a.mp4", "x", 1.5, 2, "anna");
  assert_row (d, 1, "b.mp4", "y", 0, INFINITY, NULL);
  assert_row (d, 2, "c.mp4", "y", 0, 3, "anna");
  assert_row (d, 3, "d.mp4", "x", 4, INFINITY, "bob");
  assert_split (d, TRUE, "0 2");
  assert_split (d, FALSE, "1");
  cnn3d_dataset_free (d);

  d = load ("three.csv", "a,x,train\nb,y,Train\nc,x,validation\n");
  assert_split (d, TRUE, "0 1");
  assert_split (d, FALSE, "2");
  assert_row (d, 0, "a", "x", 0, INFINITY, NULL);
  cnn3d_dataset_free (d);

  d = load ("group.csv", "a,x,dev\nb,y,home\n");
  assert_row (d, 0, "a", "x", 0, INFINITY, "dev");
  assert_split (d, TRUE, "0 1");
  cnn3d_dataset_free (d);

  d = load ("four.csv", "a,x,g,train\nb,y,g,val\nc,y,,train\n");
  assert_row (d, 1, "b", "y", 0, INFINITY, "g");
  assert_split (d, FALSE, "1");
  cnn3d_dataset_free (d);

  d = load ("numbers.csv", "a,10\nb,9\nc,-1\n");
  g_assert_cmpstr (cnn3d_dataset_classes (d)[0], ==, "-1");
  g_assert_cmpstr (cnn3d_dataset_classes (d)[1], ==, "9");
  g_assert_cmpstr (cnn3d_dataset_classes (d)[2], ==, "10");
  g_assert_null (cnn3d_dataset_classes (d)[3]);
  cnn3d_dataset_free (d);
}

static void
test_json (void)
{
  Cnn3dDataset *d = load ("t.json",
      "{\"videos\":[{\"path\":\"a.mp4\",\"group\":\"g\",\"segments\":[{\"start\":1,\"end\":2.5,"
      "\"label\":\"x\"},{\"label\":3}]},{\"path\":\"b.mp4\",\"split\":\"val\",\"label\":\"x\"}]}");

  assert_row (d, 0, "a.mp4", "x", 1, 2.5, "g");
  assert_row (d, 1, "a.mp4", "3", 0, INFINITY, "g");
  assert_row (d, 2, "b.mp4", "x", 0, INFINITY, NULL);
  assert_split (d, FALSE, "2");
  cnn3d_dataset_free (d);
  d = load ("array.json", "[{\"path\":\"a\",\"label\":\"x\"},{\"path\":\"b\",\"label\":\"y\"}]");
  g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, 2);
  cnn3d_dataset_free (d);
}

/* Frame rates of picture sequences: each row's own, in a table and in timelines; 0: none. */
static void
test_fps (void)
{
  static const struct {
    const gchar *name, *text;
    guint n;
    gfloat fps[5];
  } cases[] = {
    { "rates.csv", "path,label,fps\na,x,29.97\nb,y,\nc,x,0.001\n", 3, { 29.97f, 0, 0.001f } },
    { "rates.json",
        "[{\"path\":\"a\",\"fps\":29.97,\"segments\":[{\"end\":1,\"label\":\"x\"},{\"start\":1,"
        "\"label\":\"y\"}]},{\"path\":\"b\",\"label\":\"x\",\"fps\":25},{\"path\":\"c\",\"label\":"
        "\"x\"},{\"path\":\"d\",\"label\":\"y\",\"fps\":null}]",
        5, { 29.97f, 29.97f, 25, 0, 0 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Cnn3dDataset *d = load (cases[i].name, cases[i].text);
    Cnn3dDatasetRow row;

    g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, cases[i].n);
    for (guint k = 0; k < cases[i].n; k++) {
      cnn3d_dataset_row (d, k, &row);
      g_assert_cmpfloat (row.fps, ==, cases[i].fps[k]);
    }
    cnn3d_dataset_free (d);
  }
}

/* Key point files: from a column, from a pattern, or none. */
static void
test_keypoints (void)
{
  static const struct {
    const gchar *root, *pattern, *files[4];
  } cases[] = {
    { NULL, NULL, { NULL, "a.npz", "/poses/b.json", NULL } },
    { "/kpt", NULL, { "/kpt/one.npy", "/kpt/a.npz", "/poses/b.json", "/kpt/three.tar.npy" } },
    { "/kpt", "{dir}/{name}.{label}.json",
        { "/kpt/v/one.mp4.x.json", "/kpt/a.npz", "/poses/b.json", "/kpt/./three.tar.gz.y.json" } },
    { "", "{group}/{stem}{stem}", { "g/oneone", "a.npz", "/poses/b.json", "three.tarthree.tar" } },
  };
  Cnn3dDataset *d = load ("kpt.csv",
      "path,label,group,Pose File\nv/one.mp4,x,g,\nv/one.mp4,x,g,"
      "a.npz\nv/two.mp4,y,,/poses/b.json\nthree.tar.gz,y,,\n");
  gchar *wrong, *manifest;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint k = 0; k < 4; k++) {
      const gchar *expected = cases[i].files[k];
      gchar *file = cnn3d_dataset_keypoints (d, k, cases[i].root, cases[i].pattern);
      gchar *here = expected && *expected != '/' && (i == 0 || i == 3)
          ? g_build_filename (dir, expected, NULL)
          : g_strdup (expected);

      g_assert_cmpstr (file, ==, here);
      g_free (file);
      g_free (here);
    }
  manifest = cnn3d_dataset_manifest (d, dir);
  g_assert_cmpstr (manifest, ==,
      "path,label,group,keypoints\nv/one.mp4,x,g,\nv/one.mp4,x,g,a.npz\nv/two.mp4,y,,/poses/"
      "b.json\n"
      "three.tar.gz,y,,\n");
  g_free (manifest);
  cnn3d_dataset_free (d);
  g_assert_null (cnn3d_keypoints_pattern_refuse (NULL));
  g_assert_null (cnn3d_keypoints_pattern_refuse ("{dir}/{stem}{name}{label}{group}{view}.npy"));
  wrong = cnn3d_keypoints_pattern_refuse ("a/{path}/{stem}");
  g_assert_cmpstr (
      wrong, ==, "{path} is not one of {stem}, {name}, {dir}, {label}, {group} and {view}");
  g_free (wrong);
  wrong = cnn3d_keypoints_pattern_refuse ("{");
  g_assert_cmpstr (wrong, ==, "{ is not one of {stem}, {name}, {dir}, {label}, {group} and {view}");
  g_free (wrong);
}

static void
test_folder (void)
{
  static const gchar *const files[] = {
    "tree/walk/b.mp4",
    "tree/walk/a.AVI",
    "tree/walk/notes.txt",
    "tree/walk/.c.mp4",
    "tree/run/deep/er/d.mkv",
    "tree/.git/e.mp4",
    "tree/readme.mp4",
    "tree/none/x.txt",
    "parts/train/p/1.mp4",
    "parts/train/q/2.mp4",
    "parts/val/p/3.mp4",
    "parts/test/r/4.mp4",
    /* not clips: pictures in the class folder itself, hidden, without a number, or next to a
     * video */
    "tree/walk/cover1.jpg",
    "tree/walk/.thumbs/1.jpg",
    "tree/walk/art/cover.jpg",
    "tree/run/deep/er/1.jpg",
    "raw/jump/v/img_00001.jpg",
    "raw/jump/v/img_00002.jpg",
    "raw/jump/v/img_2.jpg/3.mkv",
    "raw/jump/w.mp4",
    "raw/jump/x/1.PNG/2.mkv",
    "raw/jump/x/y/1.PNG",
    "raw/jump/x/y/10.PNG",
    "raw/jump/x/y/notes.txt",
    "raw/sit/z/f 1.jpeg",
    "rates/train/p/a/1.jpg",
    "rates/train/q/a/1.jpg",
    "rates/val/q/b/1.bmp",
  };
  gchar *tree = g_build_filename (dir, "tree", NULL);
  gchar *parts = g_build_filename (dir, "parts", NULL);
  gchar *loop = g_build_filename (tree, "run", "again", NULL);
  Cnn3dDatasetParams params = { .location = tree };
  GError *error = NULL;
  Cnn3dDataset *d;
  gchar *path, *expected;

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    g_free (write_file (files[i], "x", 1));
  g_assert_cmpint (symlink ("..", loop), ==, 0);
  d = cnn3d_dataset_new (&params, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, 3);
  assert_row (d, 0, "run/deep/er/d.mkv", "run", 0, INFINITY, NULL);
  assert_row (d, 1, "walk/a.AVI", "walk", 0, INFINITY, NULL);
  assert_row (d, 2, "walk/b.mp4", "walk", 0, INFINITY, NULL);
  path = cnn3d_dataset_path (d, 2);
  expected = g_build_filename (tree, "walk", "b.mp4", NULL);
  g_assert_cmpstr (path, ==, expected);
  g_free (path);
  g_free (expected);
  cnn3d_dataset_free (d);

  params.location = parts;
  d = cnn3d_dataset_new (&params, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, 4);
  g_assert_cmpuint (cnn3d_dataset_num_classes (d), ==, 3);
  assert_row (d, 0, "test/r/4.mp4", "r", 0, INFINITY, NULL);
  assert_split (d, TRUE, "1 2");
  assert_split (d, FALSE, "3");
  cnn3d_dataset_free (d);
  g_free (loop);
  g_free (tree);
  g_free (parts);
}

/* A folder of numbered pictures below a class folder is a clip. */
static void
test_pictures (void)
{
  gchar *raw = g_build_filename (dir, "raw", NULL);
  gchar *rates = g_build_filename (dir, "rates", NULL);
  Cnn3dDatasetRow row;
  Cnn3dDataset *d;
  gchar *path, *expected;

  d = load_passes (raw, CNN3D_PASSES_ALL);
  g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, 6);
  /* a folder named like one of its pictures is still a folder */
  assert_row (d, 0, "jump/v/img_2.jpg/3.mkv", "jump", 0, INFINITY, NULL);
  assert_row (d, 1, "jump/v", "jump", 0, INFINITY, NULL);
  assert_row (d, 2, "jump/w.mp4", "jump", 0, INFINITY, NULL);
  assert_row (d, 3, "jump/x/1.PNG/2.mkv", "jump", 0, INFINITY, NULL);
  assert_row (d, 4, "jump/x/y", "jump", 0, INFINITY, NULL);
  assert_row (d, 5, "sit/z", "sit", 0, INFINITY, NULL);
  cnn3d_dataset_row (d, 1, &row);
  g_assert_cmpfloat (row.fps, ==, 0);
  path = cnn3d_dataset_path (d, 1);
  expected = g_build_filename (raw, "jump", "v", NULL);
  g_assert_cmpstr (path, ==, expected);
  g_free (path);
  g_free (expected);
  cnn3d_dataset_free (d);

  d = load_passes (rates, CNN3D_PASSES_ALL);
  g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, 3);
  assert_row (d, 2, "val/q/b", "q", 0, INFINITY, NULL);
  assert_split (d, TRUE, "0 1");
  assert_split (d, FALSE, "2");
  cnn3d_dataset_free (d);
  g_free (raw);
  g_free (rates);
}

typedef struct {
  const gchar *name;
  const gchar *text;
  gssize size;
  const gchar *where; /* follows the file's name in the message */
  const gchar *reason;
} Bad;

static const Bad bads[] = {
  { "label.csv", "a,x\nb,\n", -1,
      ":2:3: ", "the label is missing; write the clip's class, or remove the row" },
  { "one.csv", "a\n", -1,
      ":1:1: ", "the label is missing: this row has one column; a row is path,label" },
  { "short.csv", "a,x\nb\n", -1,
      ":2:1: ", "1 columns, but the first row has 2; quote what contains a comma" },
  { "long.csv", "path,label\na,x\nb,y,z\n", -1,
      ":3:1: ", "3 columns, but the header has 2; quote what contains a comma" },
  { "order.csv", "a,x,1,2\nb,y,3,3\n", -1, ":2:7: ", "the end (3 s) is not after the start (3 s)" },
  { "swap.csv", "a,x,1,2\nb,y,3,1\n", -1, ":2:7: ", "the end (1 s) is not after the start (3 s)" },
  { "minus.csv", "a,x,1,2\nb,y,-3,1\n", -1,
      ":2:5: ", "the start (-3) is negative; seconds count from the video's first frame" },
  { "nan.csv", "a,x,1,2\nb,y,nan,1\n", -1,
      ":2:5: ", "\"nan\" is not a number of seconds; write it like 12.5" },
  { "inf.csv", "a,x,1,2\nb,y,1,inf\n", -1, ":2:7: ", "is not a number of seconds; write it like" },
  { "huge.csv", "a,x,1,2\nb,y,1,1e999\n", -1,
      ":2:7: ", "is not a number of seconds; write it like" },
  { "hex.csv", "a,x,1,2\nb,y,0x1,3\n", -1,
      ":2:5: ", "\"0x1\" is not a number of seconds; write it like" },
  { "word.csv", "path,start,label\na,soon,x\n", -1, ":2:3: ", "\"soon\" is not a number" },
  { "header-names.csv", "what,kind,von,bis\na,x,1,2\n", -1, ":1:11: ",
      "this row is not a header, which names at least path and label, and its start \"von\" is not "
      "a number of seconds" },
  { "header-label.csv", "clip,kind,begin,stop\na,x,1,2\n", -1,
      ":1:1: ", "the header has no label column" },
  { "empty-path.csv", "a,x\n,y\n", -1, ":2:1: ", "the path is empty" },
  { "split.csv", "path,label,split\na,x,train\nb,y,vla\n", -1,
      ":3:5: ", "the split \"vla\" is unknown; it is train, val, validation or test" },
  { "quote.csv", "a,x\n\"b,y\nc,z\n", -1, ":2:1: ", "this quote is never closed; write \"\" for" },
  { "after.csv", "a,x\n\"b\"c,y\n", -1, ":2:4: ", "text after a closing quote; write \"\" for" },
  { "utf8.csv", "\xC3\xA4,x\n\xC3\xA4,\xC3y\n", -1, ":2:3: ",
      "the byte 0xC3 is not UTF-8, but perhaps ISO 8859-1 or Windows-1252; save the file as "
      "UTF-8" },
  { "nul.csv", "a,x\nb\0,y\n", 9, ":2:2: ", "a NUL byte; is this a text file? Save it as UTF-8" },
  { "header-path.csv", "video_id,label\na,x\n", -1,
      ":1:1: ", "this row looks like a header, but has no path column that is known" },
  { "header-tag.csv", "filename,tag\na.mp4,x\n", -1,
      ":1:1: ", "this row looks like a header, but has no label column that is known" },
  { "header-subset.csv", "id,class,subset\na,x,test\n", -1, ":1:1: ", "has no path column" },
  { "mode.csv", "path,label,mode\na,x,test\n", -1,
      ":2:5: ", "\"test\" is a split, but its column is not read; name the column split" },
  { "two-units.csv", "path,label,start,end_frame\na,x,0.5,9\n", -1,
      ":2:5: ", "one end is in seconds and the other a frame number; give both in one of them" },
  { "header.csv", "path,start\na,1\n", -1,
      ":1:1: ", "the header has no label column; it needs path and label" },
  { "twice.csv", "path,label,Label\na,x,y\n", -1,
      ":1:12: ", "the header has a second label column; keep one of them" },
  { "many.csv", "a,b,1,2,c,d,e\n", -1,
      ":1:1: ", "7 columns, but without a header there are at most 6 (path, label," },
  { "fold.csv", "path,label,fold\na,x,1\nb,y,\n", -1, ":3:5: ", "the fold is empty" },
  { "fps.csv", "path,label,fps\na,x,25\nb,y,0\n", -1,
      ":3:5: ", "the fps \"0\" is not a valid frame rate; write frames per second, such as 29.97" },
  { "fps-text.csv", "path,label,fps\na,x,25/1\nb,y,\n", -1, ":2:5: ", "write frames per second" },
  { "empty.csv", "", 0, ": ",
      "no clips in it, because the file is empty; a manifest has one row per clip (path,label)" },
  { "blank.csv", "\n\n  \n", -1, ": ", "no clips in it, because the file is empty; a manifest" },
  { "only.csv", "path,label\n", -1, ": ",
      "no clips in it; it was read as CSV, but it has no row below the header" },
  { "class.csv", "a,x\nb,x\n", -1, ": ", "of one class, \"x\"" },
  { "val.csv", "path,label,split\na,x,val\nb,y,test\n", -1, ": ",
      "none of its 2 clips is for training; mark some as train in the split column" },
  { "untrained.csv", "a,x,train\nb,y,train\nc,z,val\n", -1, ": ",
      "which no training clip is of; correct the label, or add training clips" },
  { "syntax.json", "{\"videos\": [", -1,
      ":1:13: ", "the JSON ends too early; is the file cut off?" },
  { "none.json", "{\"video\": []}", -1, ": ", "no list of videos; write {" },
  { "path.json", "[{\"label\":\"x\"}]", -1, ":1:2: ", "the path is missing" },
  { "label.json", "[{\"path\":\"a\",\"segments\":[{\"start\":1}]}]", -1,
      ":1:26: ", "the label is missing; write the clip's class" },
  { "end.json", "[{\"path\":\"a\",\"segments\":[{\"start\":2,\"end\":2,\"label\":\"x\"}]}]", -1,
      ":1:43: ", "the end (2 s) is not after the start (2 s)" },
  { "fps.json", "[{\"path\":\"a\",\"label\":\"x\",\"fps\":0}]", -1,
      ":1:32: ", "the fps \"0\" is not a valid frame rate; write frames per second" },
  { "fps-text.json", "[{\"path\":\"a\",\"fps\":\"x\",\"segments\":[{\"label\":\"x\"}]}]", -1,
      ":1:20: ", "the fps \"x\" is not a valid" },
  { "start.json", "[{\"path\":\"a\",\"label\":\"x\",\"start\":\"soon\"}]", -1,
      ":1:34: ", "the start \"soon\" is not a number of seconds" },
  { "end-text.json", "[{\"path\":\"a\",\"label\":\"x\",\"end\":\"late\"}]", -1,
      ":1:32: ", "the end \"late\" is not a number of seconds" },
  { "split.json", "[{\"path\":\"a\",\"label\":\"x\",\"split\":\"vla\"}]", -1,
      ":1:34: ", "the split \"vla\" is unknown; it is train, val, validation or test" },
  { "number.json", "[3]", -1, ":1:2: ", "not an object" },
  { "segment.json", "[{\"path\":\"a\",\"segments\":[3]}]", -1, ":1:26: ", "not an object" },
  { "segments.json", "[{\"path\":\"a\",\"label\":\"x\",\"segments\":3}]", -1,
      ":1:37: ", "segments is not an array" },
};

static void
test_bad (gconstpointer data)
{
  const Bad *bad = data;
  gchar *path = write_file (bad->name, bad->text, bad->size);
  Cnn3dDatasetParams params = { .location = path };
  GError *error = NULL;
  gchar *prefix = g_strconcat (path, bad->where, NULL);

  g_assert_null (cnn3d_dataset_new (&params, &error));
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_true (error->domain == CNN3D_DATASET_ERROR);
  g_assert_true (g_str_has_prefix (error->message, prefix));
  g_assert_nonnull (strstr (error->message, bad->reason));
  g_clear_error (&error);
  g_free (prefix);
  g_free (path);
}

static void
assert_params_error (Cnn3dDatasetParams *params, gint code, const gchar *reason)
{
  GError *error = NULL;

  g_assert_null (cnn3d_dataset_new (params, &error));
  g_assert_error (error, CNN3D_DATASET_ERROR, code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, reason));
  g_clear_error (&error);
}

static void
test_params (void)
{
  gchar *train = write_file ("p-train.csv", "a,x\nb,y\n", -1);
  gchar *val = write_file ("p-val.csv", "c,z\n", -1);
  gchar *none = write_file ("p-none.csv", "path,label\n", -1);
  gchar *folds =
      write_file ("p-folds.csv", "path,label,fold,split\na,x,0,\nb,y,1,\nc,x,2,test\n", -1);
  gchar *deep = write_file ("deep.json", "", 0);
  GString *nested = g_string_new (NULL);

  assert_params_error (&(Cnn3dDatasetParams) { NULL }, CNN3D_DATASET_ERROR_PARAMS,
      "No location; give a manifest or a folder of class folders");
  assert_params_error (&(Cnn3dDatasetParams) { .location = "/no/such.csv" },
      CNN3D_DATASET_ERROR_OPEN,
      "/no/such.csv: No such file or directory; give a manifest (CSV, TSV, JSON) or a folder of "
      "class folders");
  assert_params_error (
      &(Cnn3dDatasetParams) { .location = "/dev/null" }, CNN3D_DATASET_ERROR_OPEN, "/dev/null");
  assert_params_error (&(Cnn3dDatasetParams) { .location = train, .num_folds = 1 },
      CNN3D_DATASET_ERROR_PARAMS, "num-folds is 1, which leaves nothing to train on; use 0");
  assert_params_error (&(Cnn3dDatasetParams) { .location = train, .fold = 1 },
      CNN3D_DATASET_ERROR_PARAMS, "fold is 1, but num-folds is 0; set num-folds too");
  assert_params_error (&(Cnn3dDatasetParams) { .location = train, .num_folds = 2, .fold = 2 },
      CNN3D_DATASET_ERROR_PARAMS, "fold is 2, but num-folds is 2; fold counts from 0 to 1");
  assert_params_error (&(Cnn3dDatasetParams) { .location = train, .num_folds = 3 },
      CNN3D_DATASET_ERROR_PARAMS, "num-folds is 3, but there are only 2 groups to share out");
  assert_params_error (
      &(Cnn3dDatasetParams) { .location = train, .num_folds = 2, .val_location = val },
      CNN3D_DATASET_ERROR_PARAMS, "Both num-folds and val-location are set; set only one of them");
  assert_params_error (&(Cnn3dDatasetParams) { .location = train, .val_location = val },
      CNN3D_DATASET_ERROR_CLASSES, "\"z\"");
  assert_params_error (&(Cnn3dDatasetParams) { .location = train, .val_location = none },
      CNN3D_DATASET_ERROR_EMPTY, "no clips in it");
  assert_params_error (&(Cnn3dDatasetParams) { .location = train, .num_folds = 70000 },
      CNN3D_DATASET_ERROR_PARAMS, "num-folds is 70000; at most 65535 are possible");
  assert_params_error (&(Cnn3dDatasetParams) { .location = folds, .num_folds = 3 },
      CNN3D_DATASET_ERROR_PARAMS,
      "num-folds is 3, but its fold column has 2 different values; set num-folds=2");
  for (guint i = 0; i < 100000; i++)
    g_string_append_c (nested, '[');
  g_assert_true (g_file_set_contents (deep, nested->str, nested->len, NULL));
  assert_params_error (
      &(Cnn3dDatasetParams) { .location = deep }, CNN3D_DATASET_ERROR_ROW, "deeper");
  g_string_free (nested, TRUE);
  g_free (train);
  g_free (val);
  g_free (none);
  g_free (folds);
  g_free (deep);
}

/* Too many folds, a large empty file, and a folder when no file can be opened. */
static void
test_large (void)
{
  GString *text = g_string_new ("path,label,fold\n");
  gchar *path = g_build_filename (dir, "large.json", NULL), *many;
  struct rlimit before, none;

  for (guint i = 0; i <= G_MAXUINT16 + 1; i++)
    g_string_append_printf (text, "a,x,%u\n", i);
  many = write_file ("many-folds.csv", text->str, text->len);
  assert_params_error (&(Cnn3dDatasetParams) { .location = many }, CNN3D_DATASET_ERROR_ROW,
      ":65538:5: more than 65535 different folds; is this column the fold?");
  g_string_free (text, TRUE);
  g_free (many);
  text = g_string_new ("a");
  for (guint i = 0; i < 1000; i++)
    g_string_append (text, ",b");
  many = write_file ("many-columns.csv", text->str, text->len);
  assert_params_error (&(Cnn3dDatasetParams) { .location = many }, CNN3D_DATASET_ERROR_ROW,
      ": more than 256 columns");
  g_string_free (text, TRUE);
  g_free (many);
  /* a sparse file */
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_cmpint (truncate (path, (goffset) 1 << 30), ==, 0);
  assert_params_error (&(Cnn3dDatasetParams) { .location = path }, CNN3D_DATASET_ERROR_ROW,
      "large.json:1:1: a NUL byte; is this a text file?");
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_free (path);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  none = before;
  none.rlim_cur = 0;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &none), ==, 0);
  assert_params_error (&(Cnn3dDatasetParams) { .location = dir }, CNN3D_DATASET_ERROR_OPEN,
      ": the folder cannot be read: Too many open files");
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
}

/* The rows of each kind of pass; all rows count for the classes. */
static void
test_passes (void)
{
  gchar *splits = write_file ("passes.csv",
      "path,label,split\na,x,train\nb,y,\n"
      "c,z,test\nd,x,val\ne,z,test\n",
      -1);
  gchar *plain = write_file ("plain.csv", "a,x\nb,x\n", -1);
  gchar *tested = write_file ("tested.csv", "path,label,split\na,x,test\nb,x,test\n", -1);
  gchar *trained = write_file ("trained.csv", "path,label,split\na,x,\nb,y,train\n", -1);
  gchar *validated = write_file ("validated.csv", "path,label,split\na,x,val\nb,w,test\n", -1);
  static const struct {
    Cnn3dPasses passes;
    const gchar *training, *others;
  } cases[] = {
    { CNN3D_PASSES_ALL, "0 1", "3" },
    { CNN3D_PASSES_TRAIN, "0 1", "" },
    { CNN3D_PASSES_VAL, "", "3" },
    { CNN3D_PASSES_TEST, "", "2 4" },
  };
  Cnn3dDataset *d;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    d = load_passes (splits, cases[i].passes);
    assert_split (d, TRUE, cases[i].training);
    assert_split (d, FALSE, cases[i].others);
    g_assert_cmpuint (cnn3d_dataset_num_classes (d), ==, 3);
    cnn3d_dataset_free (d);
  }
  /* No row has a split; one class is enough for a test */
  d = load_passes (plain, CNN3D_PASSES_TEST);
  assert_split (d, TRUE, "");
  assert_split (d, FALSE, "0 1");
  g_assert_cmpstr (cnn3d_dataset_classes (d)[0], ==, "x");
  g_assert_cmpuint (cnn3d_dataset_num_classes (d), ==, 1);
  cnn3d_dataset_free (d);
  d = load_passes (tested, CNN3D_PASSES_TEST);
  assert_split (d, FALSE, "0 1");
  cnn3d_dataset_free (d);
  /* No training rows, and a class without training clips */
  d = load_passes (validated, CNN3D_PASSES_VAL);
  assert_split (d, FALSE, "0");
  g_assert_cmpuint (cnn3d_dataset_num_classes (d), ==, 2);
  cnn3d_dataset_free (d);
  /* The validation file and the fold, as in training */
  d = cnn3d_dataset_new (
      &(Cnn3dDatasetParams) {
          .location = splits, .val_location = plain, .passes = CNN3D_PASSES_VAL },
      NULL);
  assert_split (d, FALSE, "5 6");
  cnn3d_dataset_free (d);
  for (guint fold = 0; fold < 2; fold++) {
    Cnn3dDatasetParams params = {
      .location = trained, .num_folds = 2, .fold = fold, .passes = CNN3D_PASSES_VAL
    };
    GError *error = NULL;

    d = cnn3d_dataset_new (&params, &error);
    g_assert_no_error (error);
    assert_split (d, TRUE, "");
    cnn3d_dataset_free (d);
  }

  assert_params_error (&(Cnn3dDatasetParams) { .location = tested, .passes = CNN3D_PASSES_TRAIN },
      CNN3D_DATASET_ERROR_EMPTY, "none of its 2 clips is for training; mark some as train");
  assert_params_error (&(Cnn3dDatasetParams) { .location = plain, .passes = CNN3D_PASSES_TRAIN },
      CNN3D_DATASET_ERROR_CLASSES,
      "all training clips are of one class, \"x\"; training needs at least two");
  assert_params_error (&(Cnn3dDatasetParams) { .location = plain, .passes = CNN3D_PASSES_VAL },
      CNN3D_DATASET_ERROR_EMPTY,
      "none of its 2 clips is for validation; set val-location or num-folds, or mark some as val");
  /* Training clips are not tested on by mistake */
  assert_params_error (&(Cnn3dDatasetParams) { .location = trained, .passes = CNN3D_PASSES_TEST },
      CNN3D_DATASET_ERROR_EMPTY,
      "none of its clips is for testing; mark some as test in the split column");
  assert_params_error (
      &(Cnn3dDatasetParams) { .location = plain, .num_folds = 2, .passes = CNN3D_PASSES_TEST },
      CNN3D_DATASET_ERROR_EMPTY,
      "none of its clips is for testing; mark some as test in the split column");
  assert_params_error (
      &(Cnn3dDatasetParams) {
          .location = plain, .val_location = trained, .passes = CNN3D_PASSES_TEST },
      CNN3D_DATASET_ERROR_EMPTY,
      "none of its clips is for testing; mark some as test in the split column");
  g_free (splits);
  g_free (plain);
  g_free (tested);
  g_free (trained);
  g_free (validated);
}

/* A million rows take 40 bytes each plus their text. The time is only printed. */
static void
test_million (void)
{
  const guint n = 1000000;
  GString *text = g_string_new ("path,label,group\n");
  gint64 start;
  gsize bytes, names = 0;
  Cnn3dDataset *d;

  for (guint i = 0; i < n; i++) {
    gsize before = text->len;

    g_string_append_printf (text, "videos/some/folder/%07u.mp4", i);
    names += text->len - before + 1;
    g_string_append_printf (text, ",class%u,g%u\n", i % 400, i / 10);
  }
  g_free (write_file ("million.csv", text->str, text->len));
  g_string_free (text, TRUE);
  start = g_get_monotonic_time ();
  {
    gchar *path = g_build_filename (dir, "million.csv", NULL);
    Cnn3dDatasetParams params = { .location = path, .num_folds = 5 };
    GError *error = NULL;

    d = cnn3d_dataset_new (&params, &error);
    g_assert_no_error (error);
    g_unlink (path);
    g_free (path);
  }
  bytes = cnn3d_dataset_memory (d);
  g_test_message ("%.2f s, %" G_GSIZE_FORMAT " bytes",
      (gdouble) (g_get_monotonic_time () - start) / G_USEC_PER_SEC, bytes);
  g_assert_cmpuint (cnn3d_dataset_num_rows (d), ==, n);
  g_assert_cmpuint (cnn3d_dataset_num_classes (d), ==, 400);
  /* Rows, order, text (which may have grown by half), groups */
  g_assert_cmpuint (bytes, <, (gsize) n * (40 + 4) + names * 3 / 2 + (4 << 20));
  cnn3d_dataset_free (d);
}

/* All rows, with their folds. */
static Cnn3dDataset *
load_rows (const gchar *name, const gchar *text)
{
  g_autofree gchar *path = write_file (name, text, -1);
  const Cnn3dDatasetParams params = { .location = path, .rows_only = TRUE };
  GError *error = NULL;
  Cnn3dDataset *dataset = cnn3d_dataset_new (&params, &error);

  g_assert_no_error (error);
  return dataset;
}

/* A written manifest reads back the same, and spreadsheets evaluate none of it. */
static void
test_written (void)
{
  static const gchar *const texts[] = { "=1+1", "+a", "-5", "-a", "@a", "'=a", "''-a", "'a",
    "a,\"b\"", "-1.5e3", "-1+2", "\t=x", "two\nlines", "\x1b[31m" };
  static const gchar *const paths[] = { "=a.mp4", "-a.mp4", "'-a.mp4", "a\x1b[31m\n.mp4", "a b.mp4",
    "sub/+a.mp4" };
  g_autoptr (GString) text = g_string_new ("path,label,group,fold\n");
  Cnn3dDataset *first, *again;
  Cnn3dDatasetRow a, b;
  gchar *written;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    cnn3d_csv_quote (text, paths[i % G_N_ELEMENTS (paths)]);
    for (guint k = 0; k < 3; k++) {
      g_string_append_c (text, ',');
      cnn3d_csv_quote (text, texts[i]);
    }
    g_string_append_c (text, '\n');
  }
  /* only another program wrote these apostrophes */
  g_string_append (text, "x.mp4,'=1+1,'=1+1,'=1+1\n");
  /* a path that is not UTF-8 and has an address in it */
  g_string_append (text, "file:///v%ed\x0f/http://y.mp4,=1+1,x,1\n");
  /* labels that look like paths, beside paths that do not */
  g_string_append (text,
      "frames/1,'a.mp4,x.mp4,1\nframes/2,''a.mp4,'x.mp4,1\nframes/3,''=a.mp4,,1\n"
      "frames/4.mp4,\"'b,c.mp4\",,1\na.mp4,'a.mp4,,1\n");
  first = load_rows ("first.csv", text->str);
  written = cnn3d_dataset_manifest (first, dir);
  for (const gchar *p = written; p; p = strchr (p, '\n') ? strchr (p, '\n') + 1 : NULL)
    g_assert_null (strchr ("=+-@\t\r", *p ? *p : 'x'));
  for (guint i = 0; i < 4; i++) {
    static const gchar *const formulas[] = { ",=", ",+", ",@", ",-a" };

    g_assert_null (strstr (written, formulas[i]));
  }
  g_assert_nonnull (strstr (written, ",-5,-5,-5\n"));
  again = load_rows ("again.csv", written);
  g_assert_cmpuint (cnn3d_dataset_num_rows (again), ==, cnn3d_dataset_num_rows (first));
  for (guint i = 0; i < cnn3d_dataset_num_rows (first); i++) {
    g_autofree gchar *file = cnn3d_dataset_path (first, i), *same = cnn3d_dataset_path (again, i);
    g_autofree gchar *plain = g_canonicalize_filename (same, NULL),
                     *own = g_canonicalize_filename (file, NULL);

    cnn3d_dataset_row (first, i, &a);
    cnn3d_dataset_row (again, i, &b);
    g_assert_cmpstr (own, ==, plain);
    g_assert_cmpstr (
        cnn3d_dataset_classes (first)[a.label], ==, cnn3d_dataset_classes (again)[b.label]);
    g_assert_cmpstr (a.group, ==, b.group);
    g_assert_cmpstr (a.fold, ==, b.fold);
  }
  cnn3d_dataset_row (again, 0, &b);
  g_assert_cmpstr (cnn3d_dataset_classes (again)[b.label], ==, "=1+1");
  g_assert_cmpstr (b.group, ==, "=1+1");
  cnn3d_dataset_row (again, cnn3d_dataset_num_rows (again) - 1, &b);
  g_assert_cmpstr (cnn3d_dataset_classes (again)[b.label], ==, "'a.mp4");
  cnn3d_dataset_row (again, cnn3d_dataset_num_rows (again) - 5, &b);
  g_assert_cmpstr (cnn3d_dataset_classes (again)[b.label], ==, "a.mp4");
  g_assert_cmpstr (b.group, ==, "x.mp4");
  g_free (written);
  cnn3d_dataset_free (first);
  cnn3d_dataset_free (again);
}

static void
remove_tree (const gchar *path)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR) && !g_file_test (path, G_FILE_TEST_IS_SYMLINK)) {
    GDir *entries = g_dir_open (path, 0, NULL);
    const gchar *name;

    while ((name = g_dir_read_name (entries))) {
      gchar *full = g_build_filename (path, name, NULL);

      remove_tree (full);
      g_free (full);
    }
    g_dir_close (entries);
  }
  g_remove (path);
}

int
main (int argc, char **argv)
{
  int ret;

  g_test_init (&argc, &argv, NULL);
  dir = g_dir_make_tmp ("manifest-XXXXXX", NULL);
  g_assert_nonnull (dir);
  g_test_add_func ("/manifest/forms", test_forms);
  g_test_add_func ("/manifest/json", test_json);
  g_test_add_func ("/manifest/fps", test_fps);
  g_test_add_func ("/manifest/keypoints", test_keypoints);
  g_test_add_func ("/manifest/folder", test_folder);
  g_test_add_func ("/manifest/large", test_large);
  g_test_add_func ("/manifest/pictures", test_pictures);
  for (guint i = 0; i < G_N_ELEMENTS (bads); i++) {
    gchar *name = g_strconcat ("/manifest/bad/", bads[i].name, NULL);

    g_test_add_data_func (name, &bads[i], test_bad);
    g_free (name);
  }
  g_test_add_func ("/manifest/params", test_params);
  g_test_add_func ("/manifest/passes", test_passes);
  g_test_add_func ("/manifest/written", test_written);
  g_test_add_func ("/manifest/million", test_million);
  ret = g_test_run ();
  remove_tree (dir);
  g_free (dir);
  return ret;
}
