/* launch.c: prints and runs launch lines.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* memfd_create */
#include "tool/launch.h"
#include "tool/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

gint
launch_memory (const GString *text)
{
  const gint fd = memfd_create ("cnn3d", MFD_CLOEXEC);

  if (fd < 0 || write (fd, text->str, text->len) == (gssize) text->len)
    return fd;
  close (fd);
  return -1;
}

/* Characters that no shell interprets. A line's words have printable characters only. */
static gboolean
is_plain (const gchar *text)
{
  if (strcmp (text, "!") == 0)
    return TRUE;
  for (const gchar *p = text; *p; p++)
    if (!g_ascii_isalnum (*p) && !strchr ("_-+/.,:=@%", *p))
      return FALSE;
  return *text != 0;
}

/* Quotes a word for a shell; the name in NAME=VALUE is left outside of the quotes, for
 * readability. */
static void
print_word (const gchar *word)
{
  const gchar *equals = strchr (word, '=');
  const gchar *value = equals ? equals + 1 : word;
  gchar *quoted;

  if (is_plain (word)) {
    fputs (word, stdout);
    return;
  }
  quoted = g_shell_quote (value);
  printf ("%.*s%s", (int) (value - word), word, quoted);
  g_free (quoted);
}

void
launch_print (gchar **words)
{
  for (guint i = 0; words[i]; i++) {
    if (i > 0)
      putchar (' ');
    print_word (words[i]);
  }
  putchar ('\n');
}

/* Adds the first of two folders that exists to a search path, where the user's entries win over it:
 * that of the build tree, or the installed one, both relative to this program's folder. */
static void
add_folder (
    const gchar *variable, const gchar *built, const gchar *installed, gboolean last_one_wins)
{
  g_autofree gchar *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree gchar *own = program ? g_path_get_dirname (program) : NULL;
  const gchar *const folders[] = { built, installed };
  const gchar *value = g_getenv (variable);

  for (guint i = 0; own && i < G_N_ELEMENTS (folders); i++) {
    g_autofree gchar *path = g_build_filename (own, folders[i], NULL);
    g_autofree gchar *folder = g_canonicalize_filename (path, NULL);
    g_autofree gchar *both = NULL;

    if (!g_file_test (path, G_FILE_TEST_IS_DIR))
      continue;
    if (!value || !*value)
      both = g_strdup (folder);
    else
      both = g_strjoin (G_SEARCHPATH_SEPARATOR_S, last_one_wins ? folder : value,
          last_one_wins ? value : folder, NULL);
    g_setenv (variable, both, TRUE);
    return;
  }
}

int
launch_become (gchar **words)
{
  add_folder ("GST_PLUGIN_PATH", "../tool/../plugins", PLUGINS_DIR, FALSE);
  /* of presets with the same version GStreamer keeps the last folder's alone */
  add_folder ("GST_PRESET_PATH", "../tool/../presets", PRESETS_DIR, TRUE);
  execvp (words[0], words);

  /* ERRORS */
  if (errno == ENOENT)
    tool_complain ("%s is not on the PATH; Debian's package gstreamer1.0-tools has it", words[0]);
  else
    tool_complain ("cannot run %s: %s", words[0], g_strerror (errno));
  return TOOL_FAILED;
}

/* Exit status of gst-launch-1.0 after Ctrl-C */
#define INTERRUPTED 2

static volatile pid_t child;
static volatile sig_atomic_t stopped_by;

static void
pass_on (int number, siginfo_t *info, void *context)
{
  const gboolean first = stopped_by == 0;

  stopped_by = number;
  /* The terminal sends Ctrl-C to both processes, and a second one would stop gst-launch-1.0 at
   * once. Other signals are passed on as SIGINT, which lets it save and end. */
  if (first && (info->si_code <= 0 || number != SIGINT))
    kill (child, SIGINT);
}

int
launch_wait (gchar **words, gboolean *stopped)
{
  static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
  struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO };
  struct sigaction before[G_N_ELEMENTS (numbers)];
  sigset_t held, mask;
  gboolean ignores;
  int status = 0;

  fflush (stdout);
  sigemptyset (&held);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaddset (&held, numbers[i]);
  sigaction (SIGINT, NULL, &before[0]);
  ignores = before[0].sa_handler == SIG_IGN;
  sigemptyset (&action.sa_mask);
  sigprocmask (SIG_BLOCK, &held, &mask);
  child = fork ();
  if (child == 0) {
    /* A signal to the process group reaches gst-launch-1.0 through us; without us it saves and
     * ends, too. */
    signal (SIGTERM, SIG_IGN);
    signal (SIGHUP, SIG_IGN);
    /* gst-launch-1.0 handles SIGINT even if it was ignored: a group of its own keeps a Ctrl-C
     * that is not meant for this job from it */
    if (ignores)
      setpgid (0, 0);
    prctl (PR_SET_PDEATHSIG, SIGINT);
    sigprocmask (SIG_SETMASK, &mask, NULL);
    _exit (launch_become (words));
  }
  if (child < 0)
    goto no_process;

  stopped_by = 0;
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    sigaction (numbers[i], NULL, &before[i]);
    /* signals ignored by nohup or a background shell stay ignored */
    if (before[i].sa_handler != SIG_IGN)
      sigaction (numbers[i], &action, NULL);
  }
  sigprocmask (SIG_SETMASK, &mask, NULL);
  while (waitpid (child, &status, 0) < 0 && errno == EINTR)
    ;
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    sigaction (numbers[i], &before[i], NULL);
  *stopped = stopped_by != 0;
  status = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
  if (stopped_by && (status == TOOL_FINE || status == INTERRUPTED || status == 128 + SIGINT))
    status = 128 + stopped_by;
  return status;

  /* ERRORS */
no_process:
  tool_complain ("no process for %s: %s", words[0], g_strerror (errno));
  sigprocmask (SIG_SETMASK, &mask, NULL);
  *stopped = FALSE;
  return TOOL_FAILED;
}

gchar *
launch_find_line (const gchar *said, const gchar *beginning)
{
  const gchar *found = strstr (said, beginning);

  found = found ? found + strlen (beginning) : NULL;
  return found ? g_strndup (found, strcspn (found, "\n")) : NULL;
}

gchar *
launch_find_problem (const gchar *said)
{
  gchar *problem = launch_find_line (said, "cnn3d: ");

  if (!problem)
    problem = launch_find_line (said, "erroneous pipeline: ");
  if (!problem)
    problem = launch_find_line (said, "pipeline could not be constructed: ");
  return problem;
}
