/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/finder.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "src/dataset/dataset-private.h"

/* Of folders below the first; links to folders are not followed. */
#define MAX_DEPTH 8

struct _Cnn3dFinder {
  Cnn3dArena arena;
  Cnn3dNames names; /* of videos, without their endings */
  GArray *first;    /* guint32, a name: its first file + 1 */
  GArray *files;    /* File */
  guint passed_over;
  guint32 example; /* of those, + 1; 0: none */
};

typedef struct {
  guint32 path; /* offset in the arena */
  guint32 next; /* file of the same name + 1; 0: none */
  gboolean passed_over;
} File;

gboolean
cnn3d_video_name (const gchar *name, gsize size)
{
  static const gchar *const endings[] = { ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg",
    ".mpeg", ".ts", ".mts", ".m2ts", ".3gp", ".flv", ".wmv", ".asf", ".ogv", ".ogg", ".mxf", ".gif",
    ".y4m" };

  for (guint i = 0; i < G_N_ELEMENTS (endings); i++) {
    gsize n = strlen (endings[i]);

    if (size > n && g_ascii_strncasecmp (name + size - n, endings[i], n) == 0)
      return TRUE;
  }
  return FALSE;
}

static void
add_file (Cnn3dFinder *finder, const gchar *path, const gchar *name)
{
  const gsize size = strrchr (name, '.') - name;
  File file = { .path = cnn3d_arena_add (&finder->arena, path, strlen (path)) };
  const guint32 number = cnn3d_names_intern (&finder->names, &finder->arena, name, size);
  const guint32 none = 0;

  if (file.path == CNN3D_ARENA_FULL || number == CNN3D_NAME_NONE)
    return;
  if (number == finder->first->len)
    g_array_append_val (finder->first, none);
  file.next = g_array_index (finder->first, guint32, number);
  g_array_append_val (finder->files, file);
  g_array_index (finder->first, guint32, number) = finder->files->len;
}

/* A folder that cannot be read has nothing: its clips are then skipped one by one. */
static void
walk (Cnn3dFinder *finder, const gchar *folder, const gchar *path, guint depth)
{
  DIR *dir = opendir (folder);
  const struct dirent *entry;

  while (dir && (entry = readdir (dir))) {
    g_autofree gchar *full = NULL, *relative = NULL;
    gboolean is_folder = entry->d_type == DT_DIR;

    /* a name that is not valid text cannot be an id */
    if (*entry->d_name == '.' || !g_utf8_validate (entry->d_name, -1, NULL))
      continue;
    if (!is_folder && entry->d_type != DT_UNKNOWN
        && !cnn3d_video_name (entry->d_name, strlen (entry->d_name)))
      continue;
    relative = *path ? g_build_filename (path, entry->d_name, NULL) : g_strdup (entry->d_name);
    full = g_build_filename (folder, entry->d_name, NULL);
    if (entry->d_type == DT_UNKNOWN) {
      struct stat st;

      is_folder = lstat (full, &st) == 0 && S_ISDIR (st.st_mode);
    }
    if (is_folder && depth < MAX_DEPTH)
      walk (finder, full, relative, depth + 1);
    else if (!is_folder && cnn3d_video_name (entry->d_name, strlen (entry->d_name)))
      add_file (finder, relative, entry->d_name);
  }
  if (dir)
    closedir (dir);
}

Cnn3dFinder *
cnn3d_finder_new (const gchar *folder)
{
  Cnn3dFinder *finder = g_new0 (Cnn3dFinder, 1);

  finder->first = g_array_new (FALSE, FALSE, sizeof (guint32));
  finder->files = g_array_new (FALSE, FALSE, sizeof (File));
  walk (finder, folder, "", 0);
  return finder;
}

void
cnn3d_finder_free (Cnn3dFinder *finder)
{
  if (!finder)
    return;
  cnn3d_names_clear (&finder->names);
  g_free (finder->arena.data);
  g_array_unref (finder->first);
  g_array_unref (finder->files);
  g_free (finder);
}

/* Where the path's last folder begins; NULL: it is in none. *end: behind it */
static const gchar *
last_folder (const gchar *path, const gchar **end)
{
  const gchar *start = *end = strrchr (path, '/');

  while (start && start > path && start[-1] != '/')
    start--;
  return start;
}

/* Whether the last folder of the path is called so, a blank as good as a _. */
static gboolean
is_in_folder (const gchar *path, const gchar *label, gsize size)
{
  const gchar *end, *start = last_folder (path, &end);

  if (!start || (gsize) (end - start) != size)
    return FALSE;
  for (gsize i = 0; i < size; i++)
    if (start[i] != label[i] && !(start[i] == '_' && label[i] == ' '))
      return FALSE;
  return TRUE;
}

/* Whether one of the path's folders is named like the split; of_class: the last one is named like
 * the class. */
static gboolean
is_below_split (const gchar *path, Cnn3dSplit wanted, gboolean of_class)
{
  const gchar *end, *start = last_folder (path, &end);
  const gchar *const stop = of_class ? start : end;
  Cnn3dSplit split;

  for (const gchar *p = path; wanted != CNN3D_SPLIT_NONE && stop && p < stop; p = end + 1) {
    end = strchr (p, '/');
    if (cnn3d_split_parse (p, end - p, &split) && split == wanted)
      return TRUE;
  }
  return FALSE;
}

static gboolean
are_in_one_folder (const gchar *x, const gchar *y)
{
  const gchar *end_x = strrchr (x, '/'), *end_y = strrchr (y, '/');
  const gsize size = end_x ? end_x - x : 0;

  return size == (gsize) (end_y ? end_y - y : 0) && strncmp (x, y, size) == 0;
}

/* Counts the files of this name that `found` is taken instead of, each once. */
static void
pass_over (Cnn3dFinder *finder, guint32 at, const gchar *found)
{
  while (at) {
    File *file = &g_array_index (finder->files, File, at - 1);
    const gchar *path = finder->arena.data + file->path;

    if (path != found && !file->passed_over && are_in_one_folder (path, found)) {
      file->passed_over = TRUE;
      if (finder->passed_over++ == 0)
        finder->example = at;
    }
    at = file->next;
  }
}

guint
cnn3d_finder_passed_over (const Cnn3dFinder *finder, const gchar **first)
{
  if (finder->passed_over > 0)
    *first = finder->arena.data + g_array_index (finder->files, File, finder->example - 1).path;
  return finder->passed_over;
}

const gchar *
cnn3d_finder_find (Cnn3dFinder *finder, const gchar *name, gsize size,
    const Cnn3dFinderHints *hints, const gchar **other)
{
  static const Cnn3dFinderHints none = { NULL };
  const guint32 number = cnn3d_names_find (&finder->names, &finder->arena, name, size);
  const gchar *found = NULL;
  guint best = 0;

  *other = NULL;
  hints = hints ? hints : &none;
  if (number == CNN3D_NAME_NONE)
    return NULL;
  for (guint32 at = g_array_index (finder->first, guint32, number); at;) {
    const File *file = &g_array_index (finder->files, File, at - 1);
    const gchar *path = finder->arena.data + file->path;
    const gboolean of_class = hints->label && is_in_folder (path, hints->label, hints->label_size);
    const guint rank = 2 * of_class + is_below_split (path, hints->split, of_class);

    at = file->next;
    if (found && rank < best)
      continue;
    if (found && rank == best && are_in_one_folder (found, path)) {
      found = strcmp (path, found) < 0 ? path : found;
      continue;
    }
    *other = rank == best ? found : NULL;
    found = path;
    best = rank;
  }
  if (found && !*other)
    pass_over (finder, g_array_index (finder->first, guint32, number), found);
  return found;
}
