/* folder.c: a folder of class folders. The names of the sub-folders are the
 * classes; every file in one, or in folders below it, whose name ends as
 * videos' do is a clip, and so is a folder below it that holds numbered pictures
 * and no videos. Where every sub-folder that has clips is called like a split, those
 * are splits and the classes are one level below, if there are any. Hidden names are passed over.
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

/* Whether walk_class() would find a clip. A folder that cannot be read has none. */
static gboolean
has_clips (const gchar *folder, guint depth)
{
  g_autoptr (GPtrArray) entries = list_folder (folder, NULL);
  guint first, last;

  for (guint i = 0; entries && i < entries->len; i++) {
    const Entry *entry = g_ptr_array_index (entries, i);
    g_autofree gchar *full = g_build_filename (folder, entry->name, NULL);

    if (!entry->file && g_file_test (full, G_FILE_TEST_IS_DIR)) {
      if (depth < MAX_DEPTH && !g_file_test (full, G_FILE_TEST_IS_SYMLINK)
          && has_clips (full, depth + 1))
        return TRUE;
    } else if (cnn3d_video_name (entry->name, strlen (entry->name))
        || (depth > 0 && cnn3d_picture_number (entry->name, &first, &last))) {
      return TRUE;
    }
  }
  return FALSE;
}

/* Whether a folder has class folders; alone: and no video beside them. */
static gboolean
has_classes (const gchar *folder, gboolean alone)
{
  g_autoptr (GPtrArray) entries = list_folder (folder, NULL);
  gboolean classes = FALSE;

  for (guint i = 0; entries && i < entries->len; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
    g_autofree gchar *full = g_build_filename (folder, name, NULL);

    if (!g_file_test (full, G_FILE_TEST_IS_DIR)) {
      if (alone && cnn3d_video_name (name, strlen (name)))
        return FALSE;
    } else {
      classes = classes || has_clips (full, 0);
    }
  }
  return classes;
}

/* Whether one of the name's words is a split's, such as train_extra's or old-val2's. */
static gboolean
is_like_split (const gchar *name)
{
  static const gchar between[] = "_-. 0123456789";
  Cnn3dSplit split;

  for (name += strspn (name, between); *name; name += strspn (name, between)) {
    const gsize size = strcspn (name, between);

    if (cnn3d_split_guess (name, size, &split))
      return TRUE;
    name += size;
  }
  return FALSE;
}

/* What the sub-folders are. Names are of the first such folder, and belong to the entries. */
typedef struct {
  guint n;            /* sub-folders */
  guint videos;       /* beside them */
  const gchar *split; /* called like a split; NULL: none */
  const gchar *other; /* called otherwise, with clips in it; NULL: none, or it was not asked */
  const gchar *like;  /* such an other one, whose name has a split's in it */
  const gchar *with_classes; /* called like a split, and there are class folders in it */
  const gchar *more;         /* called like a different one, with clips in it */
  const gchar *flat;         /* called like a split, and there are videos in it but no classes */
} Subfolders;

static gboolean
has_videos (const gchar *folder)
{
  g_autoptr (GPtrArray) entries = list_folder (folder, NULL);

  for (guint i = 0; entries && i < entries->len; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;

    if (cnn3d_video_name (name, strlen (name)))
      return TRUE;
  }
  return FALSE;
}

/* All folders with clips are called like splits. They are classes if their clips are in none of
 * their folders. */
static void
look_for_flat (const gchar *folder, const GPtrArray *entries, Subfolders *found)
{
  Cnn3dSplit split;

  for (guint i = 0; i < entries->len; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
    g_autofree gchar *full = g_build_filename (folder, name, NULL);

    if (!cnn3d_split_parse (name, strlen (name), &split) || !g_file_test (full, G_FILE_TEST_IS_DIR))
      continue;
    if (has_classes (full, FALSE)) {
      found->flat = NULL;
      return;
    }
    /* pictures in folders are clips, too, but more often they are classes of pictures */
    if (!found->flat && has_videos (full))
      found->flat = name;
  }
}

static void
look_at_subfolders (const gchar *folder, const GPtrArray *entries, Subfolders *found)
{
  Cnn3dSplit split, first = CNN3D_SPLIT_NONE;
  g_autoptr (GPtrArray) others = g_ptr_array_new ();

  *found = (Subfolders) { 0 };
  for (guint i = 0; i < entries->len; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
    g_autofree gchar *full = g_build_filename (folder, name, NULL);

    if (!g_file_test (full, G_FILE_TEST_IS_DIR)) {
      found->videos += cnn3d_video_name (name, strlen (name));
      continue;
    }
    found->n++;
    if (!cnn3d_split_parse (name, strlen (name), &split))
      g_ptr_array_add (others, (gpointer) name);
    else if (!found->split)
      found->split = name;
  }
  /* most folders have no splits: the rest is not looked at twice then */
  for (guint i = 0; found->split && !found->like && i < others->len; i++) {
    const gchar *name = g_ptr_array_index (others, i);
    g_autofree gchar *full = g_build_filename (folder, name, NULL);

    if ((found->other && !is_like_split (name)) || !has_clips (full, 0))
      continue;
    if (!found->other)
      found->other = name;
    if (is_like_split (name))
      found->like = name;
  }
  if (!found->split)
    return;
  if (!found->other) {
    look_for_flat (folder, entries, found);
    return;
  }
  for (guint i = 0; i < entries->len && !found->with_classes; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
    g_autofree gchar *full = g_build_filename (folder, name, NULL);

    if (cnn3d_split_parse (name, strlen (name), &first) && has_classes (full, TRUE))
      found->with_classes = name;
  }
  for (guint i = 0; found->with_classes && i < entries->len && !found->more; i++) {
    const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
    g_autofree gchar *full = g_build_filename (folder, name, NULL);

    if (cnn3d_split_parse (name, strlen (name), &split) && split != first && has_clips (full, 0))
      found->more = name;
  }
}

/* Folders called like splits where they may be classes: what is not sure is an error, or a warning
 * where classes are likelier. */
static gboolean
check_subfolders (Cnn3dReading *reading, const Subfolders *found, GError **error)
{
  g_autofree gchar *shown = g_filename_display_name (reading->location), *other = NULL;

  if (found->flat)
    cnn3d_dataset_note (reading->dataset, TRUE,
        "%s: its folders called like splits, the first %s, are read as classes, because their "
        "videos are not in class folders; if they are splits, put each class's videos into a "
        "folder of its own there",
        shown, found->flat);
  if (!found->with_classes)
    return TRUE;
  if (found->more)
    goto unknown;
  if (found->like)
    goto like;
  other = g_filename_display_name (found->other);
  cnn3d_dataset_note (reading->dataset, TRUE,
      "%s: its folder %s is read as a class, because %s beside it is not called like a split; if "
      "it "
      "is one, move the other elsewhere",
      shown, found->with_classes, other);
  return TRUE;

  /* ERRORS */
unknown:
  other = g_filename_display_name (found->other);
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
      "%s: its folders %s and %s are splits, but %s, which has clips too, is not called like "
      "one; "
      "rename it to train, val or test, or move it elsewhere; if all are classes, give a manifest",
      shown, found->with_classes, found->more, other);
  return FALSE;
like:
  other = g_filename_display_name (found->like);
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
      "%s: its folder %s is a split, and %s, which has clips too, is called much like one; rename "
      "it to train, val or test, or move it elsewhere; if all are classes, give a manifest",
      shown, found->with_classes, other);
  return FALSE;
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
  g_autoptr (GPtrArray) entries = list_folder (folder, error);
  const guint before = reading->dataset->rows->len;
  gboolean ok = TRUE;
  Subfolders found;

  if (!entries)
    return FALSE;
  look_at_subfolders (folder, entries, &found);
  if (!check_subfolders (reading, &found, error))
    return FALSE;
  if (!found.split || found.other || found.flat) {
    ok = walk_classes (&walk, NULL, error);
  } else {
    for (guint i = 0; ok && i < entries->len; i++) {
      const gchar *name = ((const Entry *) g_ptr_array_index (entries, i))->name;
      g_autofree gchar *full = g_build_filename (folder, name, NULL);

      if (cnn3d_split_parse (name, strlen (name), &walk.split)
          && g_file_test (full, G_FILE_TEST_IS_DIR))
        ok = walk_classes (&walk, name, error);
    }
  }
  if (!ok || reading->dataset->rows->len > before)
    return ok;
  if (found.split)
    cnn3d_dataset_note (reading->dataset, FALSE,
        "found: folders called like splits, such as %s, but no class folders in them that have "
        "videos or folders of pictures",
        found.split);
  else if (found.videos > 0 || found.n > 0)
    cnn3d_dataset_note (reading->dataset, FALSE,
        "found: %u folders without videos or pictures in them, %u videos beside them, which have "
        "no class",
        found.n, found.videos);
  return ok;
}

const Cnn3dReader cnn3d_folder_reader = { "class folders", knows, read_folder };
