/* output.c: writes what a command was asked for to a file, a pipe or standard output.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/model/atomicfile.h"

/* Writes to a pipe or device, which cannot be replaced atomically. */
static gboolean
write_through (FILE *file, const gchar *name, const gchar *text, GError **error)
{
  if (file && fputs (text, file) >= 0 && fflush (file) == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "cannot write %s: %s", name,
      g_strerror (errno));
  if (file == stdout) {
    /* it is not tried, and reported, again */
    __fpurge (stdout);
    clearerr (stdout);
  }
  return FALSE;
}

/* /dev/stdout, which opened again would be written over from its start. */
static gboolean
is_stdout (const gchar *path)
{
  struct stat named, own;

  return stat (path, &named) == 0 && fstat (STDOUT_FILENO, &own) == 0 && named.st_dev == own.st_dev
      && named.st_ino == own.st_ino;
}

gboolean
tool_write (const gchar *output, const gchar *text, GError **error)
{
  gboolean ok;
  FILE *file;

  if (!output)
    return write_through (stdout, "stdout", text, error);
  if (cnn3d_atomic_file_can_replace (output))
    return cnn3d_atomic_file_set_contents (output, text, -1, error);
  if (is_stdout (output))
    return write_through (stdout, output, text, error);
  file = fopen (output, "w");
  ok = write_through (file, output, text, error);
  if (file)
    fclose (file);
  return ok;
}
