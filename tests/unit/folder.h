/* folder.h: removes what a test wrote.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FOLDER_H
#define FOLDER_H

#include <glib.h>
#include <glib/gstdio.h>

/* A file, or a folder with all that is in it. Links are not followed. */
static inline void
remove_tree (const gchar *path)
{
  GDir *dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree gchar *inner = g_build_filename (path, name, NULL);

    remove_tree (inner);
  }
  g_clear_pointer (&dir, g_dir_close);
  g_remove (path);
}

#endif
