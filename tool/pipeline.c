/* pipeline.c: `cnn3d pipeline` and `cnn3d train`: a configuration's launch
 * line, printed, and printed and run. No shell is between this program and
 * gst-launch-1.0: what is printed is what a shell would have to be given.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/tool.h"
#include "src/config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What no shell takes for anything but itself. A line's words have printable
 * characters only. */
static gboolean
is_plain (const gchar * text)
{
  if (strcmp (text, "!") == 0)
    return TRUE;
  for (const gchar * p = text; *p; p++)
    if (!g_ascii_isalnum (*p) && !strchr ("_-+/.,:=@%", *p))
      return FALSE;
  return *text != 0;
}

/* The word as a shell reads it: NAME=VALUE keeps its name outside of the
 * quotes, for people to read. */
static void
print_word (const gchar * word)
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

static void
print_line (gchar ** words)
{
  for (guint i = 0; words[i]; i++) {
    if (i > 0)
      putchar (' ');
    print_word (words[i]);
  }
  putchar ('\n');
}

static void
show_help (const gchar * command)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);

  printf ("usage: cnn3d %s --config FILE [--SECTION.KEY=VALUE...]\n\n"
      "%s the gst-launch-1.0 line that the YAML file describes. Options come\n"
      "after the file, and win over it. In both, null means what holds without\n"
      "the key. Relative paths begin where the line runs.\n\nKeys:\n",
      command, strcmp (command, "train") ? "Prints" : "Prints, and then runs,");
  for (guint i = 0; i < n_keys; i++) {
    gchar *values = cnn3d_config_key_values (&keys[i]);
    gchar *becomes = cnn3d_config_key_becomes (&keys[i]);

    printf ("  %s: %s\n      %s", keys[i].name, values, keys[i].help);
    if (keys[i].fallback && keys[i].type != CNN3D_CONFIG_SIZE)
      printf (" (default %s)", keys[i].fallback);
    printf ("\n      sets %s\n", becomes);
    g_free (becomes);
    g_free (values);
  }
}

/* Reads the file, then the options. Returns an exit status; *words is NULL
 * where nothing is left to do. */
static int
read_line (int argc, char **argv, gchar *** words)
{
  const gchar *command = argv[0], *file = NULL;
  Cnn3dConfig *config = cnn3d_config_new ();
  GError *error = NULL;
  int status = TOOL_FINE;

  *words = NULL;
  for (int i = 1; i < argc; i++) {
    const gchar *given = NULL;

    if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
      show_help (command);
      goto out;
    }
    if (strcmp (argv[i], "--config") == 0 && i + 1 < argc)
      given = argv[++i];
    else if (g_str_has_prefix (argv[i], "--config="))
      given = argv[i] + strlen ("--config=");
    else
      continue;
    if (file)
      goto two_files;
    file = given;
  }
  if (!file)
    goto no_file;

  if (!cnn3d_config_load (config, file, &error))
    goto refused;
  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--config") == 0)
      i++;
    else if (!g_str_has_prefix (argv[i], "--config=")
        && !cnn3d_config_override (config, argv[i], &error))
      goto refused;
  }
  *words = cnn3d_config_line (config, &error);
  if (!*words)
    goto refused;

out:
  cnn3d_config_free (&config);
  return status;

  /* ERRORS */
two_files:
  tool_complain ("--config is there twice; one file is read");
  status = TOOL_USAGE;
  goto out;
no_file:
  tool_complain ("say which file: cnn3d %s --config FILE", command);
  status = TOOL_USAGE;
  goto out;
refused:
  tool_complain ("%s", error->message);
  g_clear_error (&error);
  status = TOOL_FAILED;
  goto out;
}

int
tool_pipeline (int argc, char **argv)
{
  gchar **words;
  int status = read_line (argc, argv, &words);

  if (!words)
    return status;
  print_line (words);
  g_strfreev (words);
  if (fflush (stdout) != 0) {
    tool_complain ("cannot print the line: %s", g_strerror (errno));
    return TOOL_FAILED;
  }
  return TOOL_FINE;
}

int
tool_train (int argc, char **argv)
{
  gchar **words;
  int status = read_line (argc, argv, &words);

  if (!words)
    return status;
  print_line (words);
  fflush (stdout);
  execvp (words[0], words);

  /* ERRORS */
  if (errno == ENOENT)
    tool_complain ("%s is not on the PATH; Debian's package "
        "gstreamer1.0-tools has it", words[0]);
  else
    tool_complain ("cannot run %s: %s", words[0], g_strerror (errno));
  g_strfreev (words);
  return TOOL_FAILED;
}
