/* main.c: the command-line tool cnn3d; each command is a thin layer over the library.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/tool.h"
#include "src/escape.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const gchar *name;
  const gchar *help;
  int (*run) (int argc, char **argv);
} commands[] = {
  { "dataset", "tell what is in a data set, and write it as a manifest", tool_dataset },
  { "plan", "tell what training takes, and what would fit", tool_plan },
  { "pipeline", "print the gst-launch-1.0 lines of a configuration", tool_pipeline },
  { "train", "print these lines and run them", tool_train },
  { "export", "export a model file to ONNX, or to plain weights", tool_export },
  { "report", "write an HTML page with a run's curves, results and wrong clips", tool_report },
};

void
tool_complain (const gchar *format, ...)
{
  va_list args;
  gchar *message, *shown;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  shown = cnn3d_escape (message, TRUE);
  fprintf (stderr, "cnn3d: %s\n", shown);
  g_free (shown);
  g_free (message);
}

static void
show_help (FILE *file)
{
  fputs ("usage: cnn3d COMMAND [OPTION...]\n\nCommands:\n", file);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (file, "  %-10s %s\n", commands[i].name, commands[i].help);
  fputs ("\n  cnn3d COMMAND --help   show its options\n"
         "  cnn3d --version        print the version\n",
      file);
}

/* For options, which GLib reads in the locale's character set, and for help. Without a locale they
 * are UTF-8, too; numbers keep their decimal points. */
static void
set_charset (void)
{
  const gchar *locale = setlocale (LC_CTYPE, "");

  if (!locale || !strcmp (locale, "C") || !strcmp (locale, "POSIX"))
    setlocale (LC_CTYPE, "C.UTF-8");
}

static int
run (int argc, char **argv)
{
  if (argc < 2) {
    show_help (stderr);
    return TOOL_USAGE;
  }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0) {
    show_help (stdout);
    return TOOL_FINE;
  }
  if (strcmp (argv[1], "--version") == 0) {
    puts ("cnn3d " VERSION);
    return TOOL_FINE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (argv[1], commands[i].name) == 0)
      return commands[i].run (argc - 1, argv + 1);

  tool_complain ("there is no command '%s'; cnn3d --help lists them", argv[1]);
  return TOOL_USAGE;
}

int
main (int argc, char **argv)
{
  int status;

  set_charset ();
  status = run (argc, argv);
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  tool_complain ("cannot write to standard output: %s", g_strerror (errno));
  return status == TOOL_FINE ? TOOL_FAILED : status;
}
