/* output.c: writes what a command was asked for to a file, a pipe or standard output.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
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

gboolean
tool_write (const gchar *output, const gchar *text, GError **error)
{
  gint number;
  gboolean ok;
  FILE *file;

  if (!output)
    return write_through (stdout, "stdout", text, error);
  if (cnn3d_atomic_file_can_replace (output))
    return cnn3d_atomic_file_set_contents (output, text, -1, error);
  number = cnn3d_atomic_file_descriptor (output);
  if (number == STDOUT_FILENO)
    return write_through (stdout, output, text, error);
  /* opened again, what a descriptor is for would be written over from its start */
  if (number >= 0) {
    const gint copy = dup (number);

    file = copy >= 0 ? fdopen (copy, "w") : NULL;
    if (copy >= 0 && !file)
      close (copy);
  } else {
    file = fopen (output, "w");
  }
  ok = write_through (file, output, text, error);
  if (file)
    fclose (file);
  return ok;
}
