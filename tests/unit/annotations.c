/* annotations.c: what annotations say of each clip, and what of a data set only shows when it
 * is read as a whole. SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "folder.h"
#include "src/csv.h"
#include "src/dataset/dataset.h"

static gchar *folder;

static gchar *
write_file (const gchar *name, const gchar *text)
{
  gchar *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

/* "path|label|start-end|split|group|fold|keypoints" of each clip, or the error. g_free(). */
static gchar *
describe (const Cnn3dDataset *dataset)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < cnn3d_dataset_num_rows (dataset); i++) {
    Cnn3dDatasetRow row;

    cnn3d_dataset_row (dataset, i, &row);
    g_string_append_printf (text, "%s|%s|%g-%g|%s|%s|%s|%s\n", row.path,
        cnn3d_dataset_classes (dataset)[row.label], row.start, row.end, row.split ? row.split : "",
        row.group ? row.group : "", row.fold ? row.fold : "", row.keypoints ? row.keypoints : "");
  }
  return g_string_free (text, FALSE);
}

static gchar *
read_text (const gchar *name, const gchar *text, const Cnn3dDatasetParams *more, gchar **notes)
{
  g_autofree gchar *path = write_file (name, text);
  Cnn3dDatasetParams params = more ? *more : (Cnn3dDatasetParams) { .rows_only = TRUE };
  g_autoptr (GError) error = NULL;
  Cnn3dDataset *dataset;
  gchar *result;
  guint n;

  params.location = path;
  dataset = cnn3d_dataset_new (&params, &error);
  if (!dataset)
    return g_strdup (
        g_str_has_prefix (error->message, path) ? error->message + strlen (path) : error->message);
  result = describe (dataset);
  if (notes) {
    const Cnn3dDatasetNote *all = cnn3d_dataset_notes (dataset, &n);

    *notes = g_strdup (n > 0 ? all[0].text : "");
  }
  cnn3d_dataset_free (dataset);
  return result;
}

static void
assert_read (const gchar *name, const gchar *text, const Cnn3dDatasetParams *more,
    const gchar *expected, const gchar *note)
{
  g_autofree gchar *notes = NULL;
  g_autofree gchar *got = read_text (name, text, more, &notes);

  g_assert_cmpstr (got, ==, expected);
  if (note && !strstr (notes, note))
    g_error ("\"%s\" is not in \"%s\"", note, notes);
}

/* A segment's own members win over its video's. */
static void
test_segment_members (void)
{
  assert_read ("members.json",
      "[{\"path\":\"a.mp4\",\"split\":\"train\",\"group\":\"p\\u0031\",\"fold\":1,\"keypoints\":"
      "\"a.npy\","
      "\"segments\":[{\"start\":0,\"end\":1,\"label\":\"x\"},"
      "{\"start\":1,\"end\":2,\"label\":\"y\",\"split\":\"test\",\"group\":\"p\\u0032\",\"fold\":0,"
      "\"keypoints\":\"b.npy\"},{\"start\":2,\"end\":3,\"label\":\"x\"}]},"
      "{\"path\":\"b.mp4\",\"label\":\"y\",\"fold\":0,\"segments\":[{\"start\":0,\"end\":1}]}]",
      NULL,
      "a.mp4|x|0-1|train|p1|1|a.npy\na.mp4|y|1-2|test|p2|0|b.npy\na.mp4|x|2-3|train|p1|1|a.npy\n"
      "b.mp4|y|0-1|||0|\n",
      NULL);
}

static void
test_segment_errors (void)
{
  const Cnn3dDatasetParams rest = { .rows_only = TRUE, .background = "none" };

  assert_read ("fold.json",
      "[{\"path\":\"a\",\"label\":\"x\",\"fold\":1},{\"path\":\"b\",\"label\":\"y\"}]", NULL,
      ":1:36: the fold is missing, but other clips have one", NULL);
  assert_read ("file.json",
      "[{\"path\":\"a\",\"segments\":[{\"path\":\"b\",\"label\":\"x\",\"start\":0,\"end\":1}]}]",
      NULL, ":1:34: a segment is of its video's file; give another file a video of its own", NULL);
  assert_read ("rest.json",
      "[{\"path\":\"a\",\"segments\":[{\"split\":\"test\",\"label\":\"x\",\"start\":0,\"end\":1}]}"
      "]",
      &rest,
      ":1:35: with background, what lies between segments is a clip, too: give the split to the "
      "video",
      NULL);
}

/* Members of other tools that are called like columns. */
static void
test_other_members (void)
{
  const Cnn3dDatasetParams rest = { .rows_only = TRUE, .background = "none" };

  assert_read ("other.json",
      "[{\"path\":\"a.mp4\",\"category\":[\"x\"],\"fold\":[0,1],\"keypoints\":[[1,2]],"
      "\"segments\":[{\"start\":0,\"end\":1,\"label\":\"x\",\"video\":\"a.mp4\",\"name\":\"s1\","
      "\"skeleton\":\"coco17\",\"pose\":{}}]},"
      "{\"path\":\"b.mp4\",\"category\":\"sports\",\"segments\":[]}]",
      NULL, "a.mp4|x|0-1||||\n",
      "members that are not read: fold, keypoints, name, skeleton, pose");
  assert_read ("nobody.json",
      "[{\"path\":\"a\",\"label\":\"x\",\"segments\":[{\"start\":0,\"end\":1,\"label\":\"\"}]}]",
      NULL, ":1:65: the label is missing; write the clip's class, or remove the row", NULL);
  assert_read ("category.json",
      "[{\"path\":\"a\",\"category\":\"x\",\"segments\":[{\"start\":0,\"end\":1}]}]", NULL,
      ":1:41: the label is missing; write the clip's class, or remove the row", NULL);
  /* the video's own, once more */
  assert_read ("same.json",
      "[{\"path\":\"a\",\"split\":\"test\",\"group\":\"p\",\"duration\":2,\"segments\":[{\"split\":"
      "\"test\",\"group\":\"p\",\"start\":0,\"end\":1,\"label\":\"x\"}]}]",
      &rest, "a|x|0-1|test|p||\na|none|1-2|test|p||\n", NULL);
  assert_read ("rest-fold.json",
      "[{\"path\":\"a\",\"label\":\"x\",\"fold\":1},{\"path\":\"b\",\"duration\":5,\"segments\":[]}"
      "]",
      &rest, ":1:36: the fold is missing, but other clips have one", NULL);
}

/* A video is not lost for an empty list. */
static void
test_without_segments (void)
{
  const Cnn3dDatasetParams rest = { .rows_only = TRUE, .background = "none" };
  const gchar *text = "[{\"path\":\"a\",\"label\":\"x\",\"segments\":[]},"
                      "{\"path\":\"b\",\"duration\":4,\"segments\":[]},{\"path\":\"c\",\"label\":"
                      "\"y\",\"annotations\":[]}]";

  assert_read ("empty.json", text, NULL, "a|x|0-inf||||\nc|y|0-inf||||\n",
      "videos without segments, which are left out: 1");
  assert_read ("empty.json", text, &rest, "a|x|0-inf||||\nb|none|0-4||||\nc|y|0-inf||||\n", NULL);
  assert_read ("unread.json",
      "[{\"path\":\"a\",\"label\":\"x\",\"annotations\":[{\"start\":1}]},{\"path\":\"b\",\"label\":"
      "\"y\"}]",
      NULL, "a|x|0-inf||||\nb|y|0-inf||||\n", "members that are not read: annotations");
}

static void
test_charades_rest (void)
{
  const Cnn3dDatasetParams rest = { .rows_only = TRUE, .background = "none" };
  const gchar *text = "id,subject,scene,script,actions,length\nA,S1,Hall,x,c092 1 "
                      "2,2\nB,S2,Hall,y,,9.5\n";
  const gchar *activity =
      "{\"database\":{\"A\":{\"duration\":9.5,\"annotations\":[]},\"B\":{\"duration\":3,"
      "\"annotations\":[{\"label\":\"x\",\"segment\":[0,3]}]}}}";

  assert_read ("ch.csv", text, NULL, "A.mp4|c092|1-2||S1||\n",
      "videos without actions, which are left out: 1");
  assert_read ("ch.csv", text, &rest,
      "A.mp4|c092|1-2||S1||\nA.mp4|none|0-1||S1||\nB.mp4|none|0-9.5||S2||\n", NULL);
  assert_read ("activity.json", activity, NULL, "B.mp4|x|0-3||||\n",
      "videos without annotations, which are left out: 1");
  assert_read ("activity.json", activity, &rest, "A.mp4|none|0-9.5||||\nB.mp4|x|0-3||||\n", NULL);
}

/* Annotations of test videos may be withheld. */
static void
test_withheld (void)
{
  assert_read ("withheld.json",
      "{\"database\":{\"A\":{\"duration\":9.5,\"subset\":\"testing\",\"annotations\":[]},\"B\":{"
      "\"duration\":4,\"subset\":\"training\",\"annotations\":[{\"label\":\"x\",\"segment\":[0,3]}]"
      "}}}",
      &(Cnn3dDatasetParams) { .rows_only = TRUE, .background = "none" },
      "B.mp4|x|0-3|train|||\nB.mp4|none|3-4|train|||\n",
      "videos without annotations, which are left out: 1");
}

/* Words that are splits only beside others. */
static void
test_groups_called_dev (void)
{
  assert_read ("dev.csv", "a,x,dev\nb,y,dev\n", NULL, "a|x|0-inf||dev||\nb|y|0-inf||dev||\n", NULL);
  assert_read ("dev-train.csv", "a,x,dev\nb,y,train\n", NULL,
      "a|x|0-inf|val|||\nb|y|0-inf|train|||\n", NULL);
}

/* An offset is an end beside a start only. */
static void
test_offset (void)
{
  assert_read ("on.csv", "path,label,onset,offset\na,x,1,2\nb,y,0,1\n", NULL,
      "a|x|1-2||||\nb|y|0-1||||\n", NULL);
  assert_read ("off.csv", "path,label,offset,duration\na,x,10,5\n", NULL,
      ":1:12: without a start, an offset may be where a clip begins or where it ends; call it "
      "start or end",
      NULL);
  assert_read ("frames.csv", "path,label,start_frame,end_frame,offset\na,x,1,2,\nb,y,0,1,\n", NULL,
      "a|x|1-3||||\nb|y|0-2||||\n", "columns that are not read: offset");
  assert_read ("off.json", "[{\"path\":\"a\",\"label\":\"x\",\"offset\":3}]", NULL,
      ":1:27: without a start, an offset may be where a clip begins or where it ends; call it "
      "start or end",
      NULL);
}

/* So many names that what they are kept in is moved. */
static void
test_many_class_names (void)
{
  const guint n = 20000;
  g_autoptr (GString) names = g_string_new ("\xEF\xBB\xBF"), rows = g_string_new (NULL);
  g_autofree gchar *file = NULL, *got = NULL, *first = NULL;

  for (guint i = 0; i < n; i++) {
    g_string_append_printf (names, "the name of class %u\n", i);
    g_string_append_printf (rows, "%u.mp4 %u\n", i, i);
  }
  file = write_file ("names.txt", names->str);
  got = read_text ("many.txt", rows->str,
      &(Cnn3dDatasetParams) { .rows_only = TRUE, .classes_location = file }, NULL);
  first = g_strndup (got, strcspn (got, "\n"));
  g_assert_cmpstr (first, ==, "0.mp4|the name of class 0|0-inf||||");
  g_assert_nonnull (strstr (got, "19999.mp4|the name of class 19999|0-inf||||\n"));
}

/* Numbers and names behind a byte-order mark. */
static void
test_marked_class_names (void)
{
  g_autofree gchar *file = write_file ("marked.csv",
      "\xEF\xBB\xBF"
      "0,walk\n1,run\n");

  assert_read ("marked.txt", "a 0\nb 1\n",
      &(Cnn3dDatasetParams) { .rows_only = TRUE, .classes_location = file },
      "a|walk|0-inf||||\nb|run|0-inf||||\n", NULL);
}

/* Two videos of one name in different folders. */
static void
test_keypoints_shared (void)
{
  g_autofree gchar *path =
      write_file ("kp.csv", "walk/1.mp4,walk\nrun/1.mp4,run\nrun/1.mp4,walk\nrun/2.mp4,run\n");
  const Cnn3dDatasetParams params = { .location = path, .rows_only = TRUE };
  Cnn3dDataset *dataset = cnn3d_dataset_new (&params, NULL);
  const Cnn3dDatasetNote *notes;
  guint n;

  g_assert_nonnull (dataset);
  cnn3d_dataset_note_keypoints (dataset, NULL, NULL);
  cnn3d_dataset_note_keypoints (dataset, "kp", "{dir}/{stem}.npy");
  cnn3d_dataset_note_keypoints (dataset, NULL, "kp/coco.json");
  cnn3d_dataset_notes (dataset, &n);
  g_assert_cmpuint (n, ==, 0);
  cnn3d_dataset_note_keypoints (dataset, "kp", NULL);
  notes = cnn3d_dataset_notes (dataset, &n);
  g_assert_cmpuint (n, ==, 1);
  g_assert_true (notes[0].warning);
  g_assert_nonnull (strstr (notes[0].text,
      "2 clips have the key points of another video, such as \"run/1.mp4\", whose file "
      "\"kp/1.npy\" is that of \"walk/1.mp4\", too"));
  cnn3d_dataset_free (dataset);
}

/* Windows of one video in two manifests. */
static void
test_keypoints_of_both (void)
{
  g_autofree gchar *train = write_file ("kt.csv", "a.mp4,x,0,1\nb.mp4,y,0,1\n"),
                   *val = write_file ("kv.csv", "a.mp4,x,1,2\nb.mp4,y,1,2\n");
  const Cnn3dDatasetParams params = { .location = train, .val_location = val };
  Cnn3dDataset *dataset = cnn3d_dataset_new (&params, NULL);
  guint before, after;

  g_assert_nonnull (dataset);
  cnn3d_dataset_notes (dataset, &before);
  cnn3d_dataset_note_keypoints (dataset, "kp", NULL);
  cnn3d_dataset_notes (dataset, &after);
  g_assert_cmpuint (after, ==, before);
  cnn3d_dataset_free (dataset);
}

/* A path that would be a comment. */
static void
test_path_of_comment (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  cnn3d_csv_path (text, "# a/1.mp4");
  g_string_append (text, ",x\nb,y\n");
  assert_read ("comment.csv", text->str, NULL, "./# a/1.mp4|x|0-inf||||\nb|y|0-inf||||\n", NULL);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("annotations-XXXXXX", NULL);
  g_test_add_func ("/annotations/segment-members", test_segment_members);
  g_test_add_func ("/annotations/segment-errors", test_segment_errors);
  g_test_add_func ("/annotations/without-segments", test_without_segments);
  g_test_add_func ("/annotations/rest", test_charades_rest);
  g_test_add_func ("/annotations/other-members", test_other_members);
  g_test_add_func ("/annotations/withheld", test_withheld);
  g_test_add_func ("/annotations/groups-called-dev", test_groups_called_dev);
  g_test_add_func ("/annotations/offset", test_offset);
  g_test_add_func ("/annotations/keypoints-of-both", test_keypoints_of_both);
  g_test_add_func ("/annotations/many-class-names", test_many_class_names);
  g_test_add_func ("/annotations/marked-class-names", test_marked_class_names);
  g_test_add_func ("/annotations/keypoints-shared", test_keypoints_shared);
  g_test_add_func ("/annotations/path-of-comment", test_path_of_comment);
  status = g_test_run ();
  remove_tree (folder);
  g_free (folder);
  return status;
}
