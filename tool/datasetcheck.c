/* datasetcheck.c: opens the files of a data set. All of them are the test clips of one
 * clipsrc, whose messages say which could not be read.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/datasetcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/csv.h"
#include "src/dataset/dataset.h"
#include "src/escape.h"
#include "src/format.h"
#include "tool/launch.h"
#include "tool/tool.h"

#define MOST_WORKERS 64
#define MOST_ERRORS (1 << 20) /* bytes that are looked at */

/* A manifest of the files, each from where its last window must have frames, as launch_memory(). */
static gint
manifest_of (const DatasetFile *files, guint n)
{
  g_autoptr (GString) text = g_string_new ("path,label,start,start_frame,fps\n");
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  for (guint i = 0; i < n; i++) {
    g_autofree gchar *file = cnn3d_manifest_file (files[i].path);

    cnn3d_csv_quote (text, file);
    g_string_append (text, ",file,");
    g_ascii_dtostr (number, sizeof number, files[i].latest);
    if (files[i].latest > 0)
      g_string_append_printf (text, files[i].in_frames ? ",%s" : "%s,", number);
    else
      g_string_append_c (text, ',');
    g_string_append_c (text, ',');
    if (files[i].fps > 0)
      g_string_append (text, g_ascii_dtostr (number, sizeof number, files[i].fps));
    g_string_append_c (text, '\n');
  }
  return launch_memory (text);
}

/* In the new process. */
static void
become_line (gint manifest, gint output, gint errors)
{
  g_autofree gchar *location = g_strdup_printf ("location=/proc/self/fd/%d", manifest);
  g_autofree gchar *workers =
      g_strdup_printf ("num-workers=%u", MIN (g_get_num_processors (), MOST_WORKERS));
  gchar clip_bin[] = "clip-bin=clipsample num-frames=1", skip[] = "on-error=skip";
  gchar *words[] = { "gst-launch-1.0", "-m", "-v", "clipsrc", location, workers, "passes=test",
    skip, clip_bin, "!", "fakesink", "silent=false", NULL };

  fcntl (manifest, F_SETFD, 0);
  dup2 (output, STDOUT_FILENO);
  /* not into the same pipe: errors would come in the middle of buffered messages */
  dup2 (errors, STDERR_FILENO);
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_unsetenv ("GST_DEBUG");
  _exit (launch_become (words));
}

/* clipsrc's reason for a window of a file that it could open otherwise */
static gboolean
is_late (const gchar *reason)
{
  return strstr (reason, "the clip starts ") == reason;
}

/* Prints the file and the reason of a message, or appends it to `late`; FALSE: it is about no
 * file. */
static gboolean
print_skipped (const gchar *line, const DatasetFile *files, guint n, GPtrArray *late)
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
  file = cnn3d_escape (files[clip].path, FALSE);
  shown = cnn3d_escape (reason, FALSE);
  if (!is_late (reason))
    printf ("  %s: %s\n", file, shown);
  else if (files[clip].in_frames)
    g_ptr_array_add (late,
        g_strdup_printf ("  %s: a window has frame %.0f, but the video ends before frame %.0f",
            file, files[clip].last, files[clip].latest));
  else
    g_ptr_array_add (late,
        cnn3d_strdup_printf ("  %s: a window has second %g, but the video ends before second %g",
            file, files[clip].last, files[clip].latest));
  return TRUE;
}

/* Why gst-launch-1.0 ended, from its errors, a file in memory: what follows an error is less
 * telling. */
static gchar *
reason_of (gint fd, gint status)
{
  g_autofree gchar *text = g_malloc0 (MOST_ERRORS + 1);
  gchar *reason = NULL;
  const gchar *line;

  if (WIFSIGNALED (status))
    return g_strdup_printf ("signal %d (%s)", WTERMSIG (status), strsignal (WTERMSIG (status)));
  if (pread (fd, text, MOST_ERRORS, 0) < 0)
    return g_strdup (g_strerror (errno));
  reason = launch_find_line (text, "ERROR: from element ");
  if (!reason)
    reason = launch_find_problem (text);
  if (reason)
    return reason;
  line = strrchr (g_strchomp (text), '\n');
  line = line ? line + 1 : text;
  return g_strdup (*line ? line : "unknown");
}

/* Counts the files. FALSE: not all of them are among the messages. */
static gboolean
read_messages (
    FILE *output, const DatasetFile *files, guint n, GPtrArray *late, guint *opened, guint *skipped)
{
  const gboolean shows = isatty (STDERR_FILENO);
  gchar *line = NULL;
  gsize size = 0;

  *opened = *skipped = 0;
  while (getline (&line, &size, output) >= 0) {
    if (strstr (line, "property-value=(string)\"chain"))
      ++*opened;
    else if (strstr (line, "(element): clipsrc-skipped, "))
      *skipped += print_skipped (line, files, n, late);
    else
      continue;
    if (shows)
      fprintf (stderr, "\r%u of %u files opened", *opened + *skipped, n);
  }
  if (shows)
    fputc ('\n', stderr);
  free (line);
  return *opened + *skipped == n;
}

gint
dataset_check (const DatasetFile *files, guint n, GPtrArray *late)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) nothing = g_string_new (NULL);
  const gint manifest = manifest_of (files, n), errors = launch_memory (nothing);
  guint opened, skipped;
  gint ends[2], bad = -1, status = 0;
  gboolean all;
  FILE *output;
  pid_t child;

  fflush (NULL);
  if (manifest < 0 || errors < 0 || !g_unix_open_pipe (ends, FD_CLOEXEC, &error)
      || (child = fork ()) < 0) {
    tool_complain ("gst-launch-1.0: %s", error ? error->message : g_strerror (errno));
    goto done;
  }
  if (child == 0)
    become_line (manifest, ends[1], errors);
  close (ends[1]);
  output = fdopen (ends[0], "r");
  all = read_messages (output, files, n, late, &opened, &skipped);
  fclose (output);
  waitpid (child, &status, 0);
  if (all) {
    bad = (gint) (skipped - late->len);
  } else {
    g_autofree gchar *reason = reason_of (errors, status);

    tool_complain ("the files could not be opened: gst-launch-1.0 ended after %u of %u: %s",
        opened + skipped, n, reason);
  }

done:
  if (manifest >= 0)
    close (manifest);
  if (errors >= 0)
    close (errors);
  return bad;
}
