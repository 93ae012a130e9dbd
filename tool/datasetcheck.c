/* datasetcheck.c: opens the files of a data set. All of them are the test clips of one
 * clipsrc, whose messages say which could not be read.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/datasetcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/escape.h"
#include "tool/launch.h"
#include "tool/tool.h"

#define MOST_WORKERS 64

/* A manifest of the files; its name, to be removed and freed. NULL with `error` set. */
static gchar *
write_manifest (gchar **files, guint n, GError **error)
{
  g_autoptr (GString) text = g_string_new ("path,label\n");
  gchar *name;
  gint fd;

  for (guint i = 0; i < n; i++) {
    g_autofree gchar *full =
        strstr (files[i], "://") ? g_strdup (files[i]) : g_canonicalize_filename (files[i], NULL);
    /* a manifest is text; an address names any file */
    g_autofree gchar *address =
        g_utf8_validate (full, -1, NULL) ? NULL : g_filename_to_uri (full, NULL, NULL);
    g_auto (GStrv) parts = g_strsplit (address ? address : full, "\"", -1);
    g_autofree gchar *escaped = g_strjoinv ("\"\"", parts);

    g_string_append_printf (text, "\"%s\",file\n", escaped);
  }
  fd = g_file_open_tmp ("cnn3d-XXXXXX.csv", &name, error);
  if (fd < 0)
    return NULL;
  close (fd);
  if (g_file_set_contents (name, text->str, text->len, error))
    return name;
  g_remove (name);
  g_free (name);
  return NULL;
}

/* In the new process. */
static void
become_line (const gchar *manifest, gint output)
{
  g_autofree gchar *location = g_strdup_printf ("location=%s", manifest);
  g_autofree gchar *workers =
      g_strdup_printf ("num-workers=%u", MIN (g_get_num_processors (), MOST_WORKERS));
  gchar clip_bin[] = "clip-bin=clipsample num-frames=1", skip[] = "on-error=skip";
  gchar *words[] = { "gst-launch-1.0", "-m", "-v", "clipsrc", location, workers, "passes=test",
    skip, clip_bin, "!", "fakesink", "silent=false", NULL };

  dup2 (output, STDOUT_FILENO);
  /* not into the same pipe: errors would come in the middle of buffered messages */
  dup2 (open ("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_unsetenv ("GST_DEBUG");
  _exit (launch_become (words));
}

/* Prints the file and the reason of a message; FALSE: it is about no file. */
static gboolean
print_skipped (const gchar *line, gchar **files, guint n)
{
  static const gchar why[] = "reason=(string)", number[] = ", clip=(guint64)";
  const gchar *from = strstr (line, why), *to = g_strrstr (line, number);
  const guint64 clip = to ? g_ascii_strtoull (to + strlen (number), NULL, 10) : n;
  g_autofree gchar *quoted = NULL, *reason = NULL, *file = NULL, *shown = NULL;

  if (!from || clip >= n || from > to)
    return FALSE;
  from += strlen (why);
  if (*from == '"' && to - from >= 2)
    quoted = g_strndup (from + 1, to - from - 2);
  else
    quoted = g_strndup (from, to - from);
  /* other bytes than ASCII's are octal numbers there */
  reason = g_strcompress (quoted);
  file = cnn3d_escape (files[clip], FALSE);
  shown = cnn3d_escape (reason, FALSE);
  printf ("  %s: %s\n", file, shown);
  return TRUE;
}

static gint
read_messages (FILE *output, gchar **files, guint n)
{
  const gboolean shows = isatty (STDERR_FILENO);
  gchar *line = NULL;
  gsize size = 0;
  guint opened = 0, skipped = 0;

  while (getline (&line, &size, output) >= 0) {
    if (strstr (line, "property-value=(string)\"chain"))
      opened++;
    else if (strstr (line, "(element): clipsrc-skipped, "))
      skipped += print_skipped (line, files, n);
    else
      continue;
    if (shows)
      fprintf (stderr, "\r%u of %u files opened", opened + skipped, n);
  }
  if (shows)
    fputc ('\n', stderr);
  free (line);
  if (opened + skipped == n)
    return (gint) skipped;
  tool_complain (
      "the files could not be opened: gst-launch-1.0 ended after %u of %u", opened + skipped, n);
  return -1;
}

gint
dataset_check (gchar **files, guint n)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *manifest = write_manifest (files, n, &error);
  gint ends[2], bad = -1;
  FILE *output;
  pid_t child;

  if (!manifest) {
    tool_complain ("%s", error->message);
    return -1;
  }
  fflush (NULL);
  if (!g_unix_open_pipe (ends, FD_CLOEXEC, &error) || (child = fork ()) < 0) {
    tool_complain ("gst-launch-1.0: %s", error ? error->message : g_strerror (errno));
    goto done;
  }
  if (child == 0)
    become_line (manifest, ends[1]);
  close (ends[1]);
  output = fdopen (ends[0], "r");
  bad = read_messages (output, files, n);
  fclose (output);
  waitpid (child, NULL, 0);

done:
  g_remove (manifest);
  return bad;
}
