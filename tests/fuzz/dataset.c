/* Mutated annotations: each file gives a data set or an error, in no time, and nothing is
 * read that is not its own. What is taken for JSON is JSON to json-glib, too.
 *
 *   fuzz-dataset [SECONDS [SEED [CASE]]]
 *
 * mutates the files that docs/datasets.md shows for so many seconds (10); a case is a
 * function of the seed (1) and its number, and one that failed is run alone by its number.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>

#include "src/dataset/dataset.h"
#include "src/dataset/jsonwalk.h"
#include "tests/fuzz/fuzz.h"

#define MAX_SECONDS 10 /* that a case may take on a quick machine */
#define LEAST_CASES 1000

static GPtrArray *examples; /* GString */

/* What is put in anywhere. */
static const gchar *const pieces[] = { "\"", "\"\"", ",", ";", "\t", "|", "\n", "\r", "{", "}", "[",
  "]", ":", "\\", "\\u00e4", "\\ud83d\\ude00", "\xFF\xFE", "\xEF\xBB\xBF", "\xC3\xA4", "<", ">",
  "&amp;", "/", "-1", "0", "1e308", "99999999999999999999", "null", "true", "path", "label",
  "start", "end", "start_frame", "fold", "split", "fps", "database", "annotations", "# ",
  "00:00:01.5", "template", "id", " 1", " 1 2" };

/* The indented blocks behind lines like `annotations/NAME`: */
static void
read_examples (void)
{
  g_autofree gchar *page = NULL;
  GString *block = NULL;
  gchar *next;

  if (!g_file_get_contents (TEST_SOURCE_DIR "/docs/datasets.md", &page, NULL, NULL))
    g_error ("docs/datasets.md cannot be read");
  examples = g_ptr_array_new ();
  for (gchar *line = page; line && *line; line = next) {
    next = strchr (line, '\n');
    if (next)
      *next++ = '\0';
    if (g_str_has_prefix (line, "`annotations/")) {
      block = g_string_new (NULL);
      g_ptr_array_add (examples, block);
    } else if (block && g_str_has_prefix (line, "    ") && !strstr (line, "gst-launch")) {
      g_string_append_printf (block, "%s\n", line + 4);
    } else if (*line) {
      block = NULL;
    }
  }
  if (examples->len < 10)
    g_error ("docs/datasets.md has no examples");
}

static void
mutate (GString *text)
{
  const GString *other = g_ptr_array_index (examples, draw (examples->len));
  const gsize at = draw (text->len + 1), most = draw (40), length = MIN (text->len - at, most);

  switch (draw (6)) {
    case 0:
      if (at < text->len)
        text->str[at] = draw (256);
      break;
    case 1:
      g_string_erase (text, at, length);
      break;
    case 2:
    {
      g_autofree gchar *part = g_strndup (text->str + at, length);

      g_string_insert (text, draw (text->len + 1), part);
      break;
    }
    case 3:
      if (draw (8) == 0)
        g_string_truncate (text, at);
      break;
    case 4:
      if (other->len > 1 && draw (4) == 0)
        g_string_insert_len (text, at, other->str, draw (other->len));
      break;
    default:
      g_string_insert (text, at, pieces[draw (G_N_ELEMENTS (pieces))]);
      break;
  }
}

static void
compare_json (const GString *text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  const gchar *at;

  if (!g_utf8_validate_len (text->str, text->len, NULL)
      || cnn3d_json_check (text->str, text->str + text->len, &at, NULL, NULL))
    return;
  if (!json_parser_load_from_data (parser, text->str, text->len, &error))
    fail ("JSON that json-glib does not read", error->message);
}

/* The data set's manifest has the same rows. */
static void
compare_manifest (const Cnn3dDataset *dataset, const gchar *path)
{
  g_autofree gchar *text = cnn3d_dataset_manifest (dataset, folder);
  const Cnn3dDatasetParams params = { .location = path, .rows_only = TRUE };
  g_autoptr (GError) error = NULL;
  Cnn3dDataset *again;

  if (!g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error)
      || !(again = cnn3d_dataset_new (&params, &error)))
    fail ("a manifest that cannot be read", error->message);
  if (cnn3d_dataset_num_rows (again) != cnn3d_dataset_num_rows (dataset))
    fail ("a manifest of other rows", text);
  for (guint i = 0; i < cnn3d_dataset_num_rows (dataset); i++) {
    Cnn3dDatasetRow a, b;

    cnn3d_dataset_row (dataset, i, &a);
    cnn3d_dataset_row (again, i, &b);
    if (strcmp (a.path, b.path) != 0 || g_strcmp0 (a.group, b.group) != 0
        || g_strcmp0 (a.split, b.split) != 0
        || strcmp (cnn3d_dataset_classes (dataset)[a.label], cnn3d_dataset_classes (again)[b.label])
            != 0
        || a.start != b.start || a.end != b.end || a.in_frames != b.in_frames)
      fail ("a manifest with another row", text);
  }
  cnn3d_dataset_free (again);
}

static void
run_case (const gchar *path)
{
  GString *text;
  Cnn3dDatasetParams params = { .location = path };
  Cnn3dDataset *dataset;
  GError *error = NULL;

  fuzz_case (MAX_SECONDS);
  text = g_ptr_array_index (examples, draw (examples->len));
  text = g_string_new_len (text->str, text->len);
  for (guint n = 1 + draw (6); n > 0; n--)
    mutate (text);
  params.passes = draw (4);
  params.annotator = draw (4) ? NULL : "1";
  params.background = draw (3) ? NULL : "nothing";
  params.classes_location = draw (8) ? NULL : path;
  compare_json (text);
  if (!g_file_set_contents_full (
          path, text->str, text->len, G_FILE_SET_CONTENTS_NONE, 0600, &error))
    fail ("cannot write", error->message);
  dataset = cnn3d_dataset_new (&params, &error);
  if (!dataset && (!error || !error->message || !*error->message))
    fail ("neither a data set nor an error", path);
  if (dataset
      && (error || cnn3d_dataset_num_rows (dataset) == 0
          || cnn3d_dataset_num_classes (dataset) == 0))
    fail ("a data set without rows", path);
  g_clear_error (&error);
  if (dataset)
    compare_manifest (dataset, path);
  cnn3d_dataset_free (dataset);
  g_string_free (text, TRUE);
}

int
main (int argc, char **argv)
{
  const gdouble seconds = fuzz_begin ("fuzz-dataset", argc, argv, 10);
  const gint64 begin = g_get_monotonic_time ();
  g_autofree gchar *path = NULL;

  folder = g_dir_make_tmp ("fuzz-dataset-XXXXXX", NULL);
  path = g_build_filename (folder, "annotations", NULL);
  read_examples ();
  if (argc > 3) {
    run_case (path);
    number = 1;
  }
  while (argc <= 3
      && (g_get_monotonic_time () - begin < seconds * G_USEC_PER_SEC || number < LEAST_CASES)) {
    run_case (path);
    number++;
  }
  alarm (0);
  printf ("ok 1 - %" G_GUINT64_FORMAT " mutated annotations are data sets or errors\n", number);
  g_remove (path);
  g_rmdir (folder);
  g_free (folder);
  return 0;
}
