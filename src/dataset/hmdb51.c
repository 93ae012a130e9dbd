/* hmdb51.c: HMDB51's splits: a file a class, 1 trains, 2 tests, 0 does neither.
 *
 *     brush_hair_test_split1.txt      April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1
 *
 * All classes' files of one split are read: location is the folder, where it has those
 * of one split alone, or any one of the files. Videos are root/brush_hair/NAME.avi.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"

#include <math.h>
#include <string.h>

static const gchar middle[] = "_test_split";

/* The number of the split, 1 to 3, and the class, which the name begins with. 0: it
 * is no file of a split. */
static guint
split_of (const gchar *name, gsize *class_size)
{
  const gchar *found = g_strrstr (name, middle);
  const gchar *digit = found ? found + strlen (middle) : "";

  if (found == name || !g_ascii_isdigit (*digit) || strcmp (digit + 1, ".txt") != 0)
    return 0;
  *class_size = found - name;
  return *digit - '0';
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

/* Names of the folder's files of splits, sorted; alone: none where it has folders, as class
 * folders are. g_ptr_array_unref(). */
static GPtrArray *
list_files (const gchar *folder, gboolean alone)
{
  gboolean others = FALSE;
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  GDir *dir = g_dir_open (folder, 0, NULL);
  const gchar *name;
  gsize size;

  while (dir && (name = g_dir_read_name (dir))) {
    if (split_of (name, &size) && g_utf8_validate (name, -1, NULL)) {
      g_ptr_array_add (files, g_strdup (name));
    } else if (alone && !others) {
      g_autofree gchar *path = g_build_filename (folder, name, NULL);

      others = *name != '.' && g_file_test (path, G_FILE_TEST_IS_DIR);
    }
  }
  if (others)
    g_ptr_array_set_size (files, 0);
  g_clear_pointer (&dir, g_dir_close);
  g_ptr_array_sort (files, compare_names);
  return files;
}

static gboolean
knows (const Cnn3dReading *reading)
{
  g_autofree gchar *name = g_path_get_basename (reading->location);
  g_autoptr (GPtrArray) files = NULL;
  gsize size;

  if (reading->content != CNN3D_CONTENT_FOLDER)
    return reading->content == CNN3D_CONTENT_ROWS && split_of (name, &size) > 0
        && cnn3d_table_delimiter (reading->text, reading->end) == ' ';
  files = list_files (reading->location, TRUE);
  return files->len > 0;
}

static gboolean
read_line (Cnn3dReading *reading, const Cnn3dField *line, const gchar *class, gsize class_size,
    GError **error)
{
  static const Cnn3dSplit splits[] = { CNN3D_SPLIT_NONE, CNN3D_SPLIT_TRAIN, CNN3D_SPLIT_TEST };
  const gchar digit =
      line->size > 2 && line->text[line->size - 2] == ' ' ? line->text[line->size - 1] : '\0';
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;
  g_autofree gchar *path = NULL;

  if (digit < '0' || digit > '2') {
    cnn3d_reading_error (
        reading, line->at, error, "not a video's name, a blank, and 0, 1 (train) or 2 (test)");
    return FALSE;
  }
  if (digit == '0')
    return TRUE;
  clip.at = line->at;
  clip.label = class;
  clip.label_size = class_size;
  clip.split = splits[digit - '0'];
  path = g_strdup_printf ("%.*s/%.*s", (int) class_size, class, (int) line->size - 2, line->text);
  clip.path = cnn3d_reading_path (reading, path, strlen (path), line->at, error);
  return clip.path != CNN3D_ARENA_FULL && cnn3d_reading_add (reading, &clip, error);
}

static gboolean
read_class (const Cnn3dReading *reading, const gchar *folder, const gchar *name, gsize class_size,
    GError **error)
{
  g_autofree gchar *file = g_build_filename (folder, name, NULL), *text = NULL;
  Cnn3dReading part = *reading;
  GError *reason = NULL;
  const gchar *p;
  Cnn3dField line;
  gsize size;

  if (!g_file_get_contents (file, &text, &size, &reason) || !g_utf8_validate (text, size, NULL)) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN, "%s: %s", file,
        reason ? reason->message : "it is not UTF-8 text");
    g_clear_error (&reason);
    return FALSE;
  }
  part.location = file;
  part.text = p = text;
  part.end = text + size;
  while (cnn3d_reading_line (&part, &p, &line))
    if (line.size > 0 && !read_line (&part, &line, name, class_size, error))
      return FALSE;
  return TRUE;
}

static gboolean
read_splits (Cnn3dReading *reading, GError **error)
{
  const gboolean is_folder = reading->content == CNN3D_CONTENT_FOLDER;
  g_autofree gchar *folder =
      is_folder ? g_strdup (reading->location) : g_path_get_dirname (reading->location);
  g_autofree gchar *own = g_path_get_basename (reading->location);
  g_autoptr (GPtrArray) files = list_files (folder, is_folder);
  guint wanted, split;
  gsize size;

  if (is_folder && reading->params->root && *reading->params->root)
    reading->root = reading->params->root;
  wanted = is_folder ? split_of (g_ptr_array_index (files, 0), &size) : split_of (own, &size);
  for (guint i = 0; i < files->len; i++) {
    const gchar *name = g_ptr_array_index (files, i);

    split = split_of (name, &size);
    if (is_folder && split != wanted)
      goto several;
    if (split == wanted && !read_class (reading, folder, name, size, error))
      return FALSE;
  }
  return TRUE;

  /* ERRORS */
several:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
      "%s: HMDB51's splits %u and %u; set location to one file of the split that is wanted, such "
      "as %s",
      folder, wanted, split, (const gchar *) g_ptr_array_index (files, 0));
  return FALSE;
}

const Cnn3dReader cnn3d_hmdb51_reader = { "HMDB51", knows, read_splits };
