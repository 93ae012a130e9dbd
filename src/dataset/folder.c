/* folder.c: a folder of class folders. The names of the sub-folders are the
 * classes; every file in one, or in folders below it, whose name ends as
 * videos' do is a clip, and so is a folder below it that holds numbered pictures
 * and no videos. Where every sub-folder is called train, val,
 * validation or test, those are splits and the classes are one level below.
 * Hidden names are passed over.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "src/dataset/picturename.h"

/* Below a class folder; links to folders are not followed there, so that this
 * bounds only what is really nested. */
#define MAX_DEPTH 16

/* file: it is a regular file; FALSE: it is not, or the file system does not say */
typedef struct {
  gboolean file;
  gchar name[];
} Entry;

static gint
compare_entries (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const Entry *const *) a)->name, (*(const Entry *const *) b)->name);
}

/* A folder's entries, sorted by name; NULL with `error` set. */
static GPtrArray *
list_folder (const gchar *folder, GError **error)
{
  DIR *dir = opendir (folder);
  const struct dirent *read;
  GPtrArray *entries;

  if (!dir) {
    const gint err = errno;
    gchar *shown = g_filename_display_name (folder);

    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN,
        "%s: the folder cannot be read: %s", shown, g_strerror (err));
    g_free (shown);
    return NULL;
  }
  entries = g_ptr_array_new_with_free_func (g_free);
  while ((read = readdir (dir))) {
    const gsize size = strlen (read->d_name) + 1;
    Entry *entry;

    if (read->d_name[0] == '.')
      continue;
    entry = g_malloc (sizeof *entry + size);
    entry->file = read->d_type == DT_REG;
    memcpy (entry->name, read->d_name, size);
    g_ptr_array_add (entries, entry);
  }
  closedir (dir);
  g_ptr_array_sort (entries, compare_entries);
  return entries;
}

typedef struct {
  Cnn3dDataset *dataset;
  const gchar *root;
  guint8 source;
  Cnn3dSplit split;
} Walk;

/* `path` is relative to the root: it is what a row keeps. */
static gboolean
add_clip (const Walk *walk, const gchar *path, const gchar *label, GError **error)
{
  Cnn3dRow row = { .group = CNN3D_NAME_NONE,
    .source = walk->source,
    .view = CNN3D_VIEW_NONE,
    .split = walk->split,
    .end = INFINITY,
    .keypoints = CNN3D_ARENA_FULL };

  row.path = cnn3d_arena_add (&walk->dataset->arena, path, strlen (path));
  row.label =
      cnn3d_names_intern (&walk->dataset->labels, &walk->dataset->arena, label, strlen (label));
  if (row.path == CNN3D_ARENA_FULL || row.label == CNN3D_NAME_NONE) {
    cnn3d_dataset_set_full (error, walk->root);
    return FALSE;
  }
  return cnn3d_dataset_add (walk->dataset, &row, error);
}

/* depth: 0: the class folder itself, which is not a clip. */
static gboolean
walk_class (const Walk *walk, const gchar *path, const gchar *label, guint depth, GError **error)
{
  gchar *folder = g_build_filename (walk->root, path, NULL);
  GPtrArray *entries = list_folder (folder, error);
  gboolean ok = entries != NULL, pictures = FALSE, videos = FALSE;
  guint first, last;

  for (guint i = 0; ok && i < entries->len; i++) {
    const Entry *entry = g_ptr_array_index (entries, i);
    const gchar *name = entry->name;
    const gboolean picture = cnn3d_picture_number (name, &first, &last);
    gchar *full, *relative;

    /* of hundreds of pictures in a folder, one is enough */
    if (picture && pictures && entry->file)
      continue;
    full = g_build_filename (folder, name, NULL);
    relative = g_build_filename (path, name, NULL);
    if (g_file_test (full, G_FILE_TEST_IS_DIR)) {
      if (depth < MAX_DEPTH && !g_file_test (full, G_FILE_TEST_IS_SYMLINK))
        ok = walk_class (walk, relative, label, depth + 1, error);
    } else if (cnn3d_video_name (name, strlen (name))) {
      videos = TRUE;
      ok = add_clip (walk, relative, label, error);
    } else if (picture) {
      pictures = TRUE;
    }
    g_free (full);
    g_free (relative);
  }
  if (ok && depth > 0 && pictures && !videos)
    ok = add_clip (walk, path, label, error);
  g_clear_pointer (&entries, g_ptr_array_unref);
  g_free (folder);
  return ok;
}

/* `path` is the folder of class folders, relative to the root, or NULL. */
static gboolean
walk_classes (const Walk *walk, const gchar *path, GError **error)
{
  gchar *folder = g_build_filename (walk->root, path, NULL);
  GPtrArray *entries = list_folder (folder, error);
  gboolean ok = entries != NULL;

  for (guint i = 0; ok && i < entries->len; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
    gchar *full = g_build_filename (folder, name, NULL);
    gchar *relative = path ? g_build_filename (path, name, NULL) : g_strdup (name);
    gchar *label = g_filename_display_name (name);

    if (g_file_test (full, G_FILE_TEST_IS_DIR))
      ok = walk_class (walk, relative, label, 0, error);
    g_free (label);
    g_free (full);
    g_free (relative);
  }
  g_clear_pointer (&entries, g_ptr_array_unref);
  g_free (folder);
  return ok;
}

static gboolean
knows (const Cnn3dReading *reading)
{
  return reading->content == CNN3D_CONTENT_FOLDER;
}

static gboolean
read_folder (Cnn3dReading *reading, GError **error)
{
  const gchar *folder = reading->location;
  Walk walk = { .dataset = reading->dataset, .root = folder, .source = reading->source };
  GPtrArray *entries = list_folder (folder, error);
  const guint before = reading->dataset->rows->len;
  gboolean splits = FALSE, others = FALSE;
  guint videos = 0, folders = 0;
  gboolean ok = entries != NULL;
  Cnn3dSplit split;

  for (guint i = 0; ok && i < entries->len; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
    gchar *full = g_build_filename (folder, name, NULL);

    if (!g_file_test (full, G_FILE_TEST_IS_DIR)) {
      g_free (g_steal_pointer (&full));
      videos += cnn3d_video_name (name, strlen (name));
      continue;
    }
    g_free (full);
    folders++;
    if (cnn3d_split_guess (name, strlen (name), &split))
      splits = TRUE;
    else
      others = TRUE;
  }
  if (ok && (!splits || others)) {
    ok = walk_classes (&walk, NULL, error);
  } else {
    for (guint i = 0; ok && i < entries->len; i++) {
      const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;

      if (cnn3d_split_guess (name, strlen (name), &walk.split))
        ok = walk_classes (&walk, name, error);
    }
  }
  g_clear_pointer (&entries, g_ptr_array_unref);
  if (ok && reading->dataset->rows->len == before && (videos > 0 || folders > 0))
    cnn3d_dataset_note (reading->dataset, FALSE,
        "found: %u folders without videos or pictures in them, %u videos beside them, which have "
        "no class",
        folders, videos);
  return ok;
}

const Cnn3dReader cnn3d_folder_reader = { "class folders", knows, read_folder };
