/* datasets.c: annotation files in the wild, with the real videos: each gives the expected clips or
 * a helpful error.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static gchar *folder;
static JsonParser *expected;

/* Whether a text contains all words of a list member. */
static gboolean
has_words (const gchar *text, JsonObject *c, const gchar *member)
{
  JsonArray *words = json_object_get_array_member (c, member);

  for (guint i = 0; i < json_array_get_length (words); i++)
    if (!strstr (text, json_array_get_string_element (words, i)))
      return FALSE;
  return TRUE;
}

static gboolean
may_fail (JsonObject *c, const gchar *file, const GError *error)
{
  g_test_message ("%s", error->message);
  g_assert_true (error->domain == CNN3D_DATASET_ERROR);
  g_assert_true (g_str_has_prefix (error->message, file));
  g_assert_true (json_object_has_member (c, "or_error"));
  return has_words (error->message + strlen (file), c, "or_error");
}

static gdouble
number_or (JsonObject *clip, const gchar *member, gdouble none)
{
  return json_object_get_null_member (clip, member) ? none
                                                    : json_object_get_double_member (clip, member);
}

static void
assert_clip (const Cnn3dDataset *d, guint row, JsonObject *clip)
{
  const gdouble first = json_object_get_int_member (clip, "first_frame");
  g_autofree gchar *path = cnn3d_dataset_path (d, row),
                   *plain = g_canonicalize_filename (path, folder);
  g_autofree gchar *wanted =
      g_canonicalize_filename (json_object_get_string_member (clip, "path"), folder);
  Cnn3dDatasetRow r;

  cnn3d_dataset_row (d, row, &r);
  g_assert_cmpstr (plain, ==, wanted);
  if (!json_object_get_null_member (clip, "label"))
    g_assert_cmpstr (
        cnn3d_dataset_classes (d)[r.label], ==, json_object_get_string_member (clip, "label"));
  if (r.in_frames) {
    g_assert_cmpfloat (r.start, ==, first);
    g_assert_cmpfloat (r.end, ==, first + json_object_get_int_member (clip, "frames"));
  } else {
    g_assert_cmpfloat (r.start, ==, number_or (clip, "start", 0));
    g_assert_cmpfloat (r.end, ==, number_or (clip, "end", INFINITY));
  }
}

static void
assert_clips (const Cnn3dDataset *d, gboolean training, JsonObject *c, const gchar *split)
{
  JsonArray *clips = json_object_get_array_member (c, split);
  guint n;
  const guint32 *rows = cnn3d_dataset_split (d, training, &n);

  g_assert_cmpuint (n, ==, json_array_get_length (clips));
  for (guint i = 0; i < n; i++)
    assert_clip (d, rows[i], json_array_get_object_element (clips, i));
}

static void
assert_warning (const Cnn3dDataset *d, JsonObject *c)
{
  gboolean warned = FALSE;
  guint n;
  const Cnn3dDatasetNote *notes = cnn3d_dataset_notes (d, &n);

  for (guint i = 0; i < n; i++)
    warned = warned || (notes[i].warning && has_words (notes[i].text, c, "warning"));
  g_assert_true (warned);
}

static void
assert_classes (const Cnn3dDataset *d, JsonObject *c)
{
  JsonArray *classes;

  if (json_object_get_null_member (c, "classes"))
    return;
  classes = json_object_get_array_member (c, "classes");
  g_assert_cmpuint (cnn3d_dataset_num_classes (d), ==, json_array_get_length (classes));
  for (guint i = 0; i < json_array_get_length (classes); i++)
    g_assert_cmpstr (cnn3d_dataset_classes (d)[i], ==, json_array_get_string_element (classes, i));
}

static void
test_case (gconstpointer name)
{
  JsonObject *c =
      json_object_get_object_member (json_node_get_object (json_parser_get_root (expected)), name);
  const gchar *root_name = json_object_get_string_member (c, "root");
  g_autofree gchar *file = g_build_filename (folder, name, NULL),
                   *root = g_build_filename (folder, root_name, NULL);
  const gboolean tests = json_array_get_length (json_object_get_array_member (c, "test")) > 0;
  Cnn3dDatasetParams params = { .location = file, .root = *root_name ? root : NULL };
  GError *error = NULL;
  Cnn3dDataset *d;

  if (strcmp (json_object_get_string_member (c, "passes"), "all") == 0) {
    d = cnn3d_dataset_new (&params, &error);
    if (!d) {
      g_assert_true (may_fail (c, file, error));
      g_error_free (error);
      return;
    }
    assert_clips (d, TRUE, c, "train");
    assert_clips (d, FALSE, c, "val");
    assert_classes (d, c);
    if (json_object_has_member (c, "warning"))
      assert_warning (d, c);
    cnn3d_dataset_free (d);
  }
  if (tests) {
    params.passes = CNN3D_PASSES_TEST;
    d = cnn3d_dataset_new (&params, &error);
    g_assert_no_error (error);
    assert_clips (d, FALSE, c, "test");
    assert_classes (d, c);
    cnn3d_dataset_free (d);
  }
}

int
main (int argc, char **argv)
{
  const gchar *data = g_getenv ("CNN3D_TEST_DATA");
  g_autofree gchar *beside = g_build_filename (TEST_SOURCE_DIR, "..", "shared", "data", NULL),
                   *path = NULL;
  g_autoptr (GList) names = NULL;
  int ret;

  g_test_init (&argc, &argv, NULL);
  folder = g_build_filename (data ? data : beside, "cases", "datasets", NULL);
  path = g_build_filename (folder, "expected.json", NULL);
  expected = json_parser_new ();
  if (json_parser_load_from_file (expected, path, NULL))
    names = json_object_get_members (json_node_get_object (json_parser_get_root (expected)));
  for (GList *name = names; name; name = name->next) {
    g_autofree gchar *test = g_strconcat ("/datasets/", (const gchar *) name->data, NULL);

    g_strdelimit (test + strlen ("/datasets/"), "/", '-');
    g_test_add_data_func (test, name->data, test_case);
  }
  if (!names)
    /* GLib 2.84 makes a comment of what g_print() prints in a test */
    printf ("1..0 # SKIP no annotations beside the real videos: set CNN3D_TEST_DATA\n");
  ret = names ? g_test_run () : 0;
  g_object_unref (expected);
  g_free (folder);
  return ret;
}
