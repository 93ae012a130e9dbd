/* GPUs' descriptions by name. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr() */
#endif
#include "src/backend/gpus.h"

#include <dlfcn.h>
#include <gio/gio.h>
#include <string.h>

#include "src/escape.h"

#define SUFFIX ".json"

static GPtrArray *
folders (void)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  const gchar *env = g_getenv ("CNN3D_CONFIG_PATH");
  Dl_info info;

  if (env) {
    g_auto (GStrv) parts = g_strsplit (env, G_SEARCHPATH_SEPARATOR_S, -1);

    for (guint i = 0; parts[i]; i++)
      if (*parts[i])
        g_ptr_array_add (paths, g_build_filename (parts[i], "gpus", NULL));
  }
  if (dladdr ((gpointer) cnn3d_gpus_find, &info) && info.dli_fname) {
    g_autofree gchar *folder = g_path_get_dirname (info.dli_fname);

    g_ptr_array_add (paths, g_build_filename (folder, "..", "configs", "gpus", NULL));
    g_ptr_array_add (paths, g_build_filename (folder, CNN3D_DATA_DIR, "gpus", NULL));
  }
  return paths;
}

/* "RTX 3080 Ti" is rtx3080ti. */
static gchar *
plain_name (const gchar *name)
{
  GString *plain = g_string_new (NULL);

  for (const gchar *p = name; *p; p++)
    if (!strchr (" -_", *p))
      g_string_append_c (plain, g_ascii_tolower (*p));
  return g_string_free (plain, FALSE);
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar **) a, *(const gchar **) b);
}

/* Adds the names of one folder's files that are new. */
static void
add_names (GPtrArray *names, const gchar *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *file;

  while (dir && (file = g_dir_read_name (dir))) {
    g_autofree gchar *name = NULL;

    if (!g_str_has_suffix (file, SUFFIX) || strlen (file) == strlen (SUFFIX))
      continue;
    name = g_strndup (file, strlen (file) - strlen (SUFFIX));
    if (!g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
      g_ptr_array_add (names, g_steal_pointer (&name));
  }
}

gchar **
cnn3d_gpus_names (void)
{
  g_autoptr (GPtrArray) paths = folders ();
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < paths->len; i++)
    add_names (names, g_ptr_array_index (paths, i));
  g_ptr_array_sort (names, compare);
  g_ptr_array_add (names, NULL);
  return (gchar **) g_ptr_array_free (names, FALSE);
}

gchar *
cnn3d_gpus_find (const gchar *name, GError **error)
{
  g_autoptr (GPtrArray) paths = NULL;
  g_autofree gchar *wanted = plain_name (name), *shown = NULL, *list = NULL;
  g_auto (GStrv) names = NULL;

  if (strchr (name, G_DIR_SEPARATOR) || g_str_has_suffix (name, SUFFIX)) {
    if (g_file_test (name, G_FILE_TEST_IS_REGULAR))
      return g_strdup (name);
    goto no_file;
  }
  names = cnn3d_gpus_names ();
  paths = folders ();
  for (guint i = 0; *wanted && i < paths->len; i++)
    for (guint k = 0; names[k]; k++) {
      g_autofree gchar *plain = plain_name (names[k]);
      g_autofree gchar *file = g_strconcat (names[k], SUFFIX, NULL);
      g_autofree gchar *path = g_build_filename (g_ptr_array_index (paths, i), file, NULL);

      if (!strcmp (plain, wanted) && g_file_test (path, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&path);
    }
  goto unknown;

  /* ERRORS */
no_file:
  shown = cnn3d_escape (name, FALSE);

  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "there is no file %s", shown);
  return NULL;
unknown:
  shown = cnn3d_escape (name, FALSE);
  list = g_strjoinv (", ", names);
  if (*names)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
        "no GPU is called '%s': there are %s, or name a file NAME" SUFFIX, shown, list);
  else
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
        "no GPU '%s', because no descriptions of GPUs are installed: set CNN3D_CONFIG_PATH to the "
        "folder configs",
        shown);
  return NULL;
}
