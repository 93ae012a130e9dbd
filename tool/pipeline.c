/* pipeline.c: `cnn3d pipeline` and `cnn3d train`: print, or print and run, a configuration's launch
 * lines, the one that trains and the one that tests.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/launch.h"
#include "tool/tool.h"
#include "src/comm/comm.h"
#include "src/config/config.h"

#include <stdio.h>
#include <string.h>

static void
show_help (const gchar *command)
{
  guint n_keys;
  const Cnn3dConfigKey *keys = cnn3d_config_keys (&n_keys);

  printf ("usage: cnn3d %s --config FILE [--test] [--SECTION.KEY=VALUE...]\n\n"
          "%s the gst-launch-1.0 line that the YAML file describes, and, with\n"
          "paths.test, the one that tests the best weights after it; --test: that one\n"
          "alone. Options come after the file, and win over it. In both, null means\n"
          "what holds without the key. Relative paths begin where the line runs.\n\n"
          "Keys:\n",
      command, strcmp (command, "train") ? "Prints" : "Prints, and then runs,");
  for (guint i = 0; i < n_keys; i++) {
    gchar *values = cnn3d_config_key_values (&keys[i]);
    gchar *becomes = cnn3d_config_key_becomes (&keys[i]);

    printf ("  %s: %s\n      %s", keys[i].name, values, keys[i].setting->about);
    if (keys[i].fallback && keys[i].setting->kind != CNN3D_SETTING_SIZE)
      printf (" (default %s)", keys[i].fallback);
    printf ("\n      sets %s\n", becomes);
    g_free (becomes);
    g_free (values);
  }
}

/* The lines to print or run; NULL: not requested. */
typedef struct {
  gchar **train, **test;
} Lines;

static void
clear_lines (Lines *lines)
{
  g_clear_pointer (&lines->train, g_strfreev);
  g_clear_pointer (&lines->test, g_strfreev);
}

static gboolean
make_lines (const Cnn3dConfig *config, gboolean test_only, Lines *lines, GError **error)
{
  if (test_only || cnn3d_config_get (config, "paths.test")) {
    lines->test = cnn3d_config_test_line (config, error);
    if (!lines->test)
      return FALSE;
  }
  if (!test_only)
    lines->train = cnn3d_config_line (config, error);
  return test_only || lines->train;
}

/* Reads the file, then the options. Returns an exit status; without lines nothing is left to do. */
static int
read_lines (int argc, char **argv, Lines *lines)
{
  const gchar *command = argv[0], *file = NULL;
  Cnn3dConfig *config = cnn3d_config_new ();
  gboolean test_only = FALSE;
  GError *error = NULL;
  int status = TOOL_FINE;

  for (int i = 1; i < argc; i++) {
    const gchar *given = NULL;

    if (strcmp (argv[i], "--help") == 0 || strcmp (argv[i], "-h") == 0) {
      show_help (command);
      goto out;
    }
    if (strcmp (argv[i], "--test") == 0)
      test_only = TRUE;
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
    else if (!g_str_has_prefix (argv[i], "--config=") && strcmp (argv[i], "--test") != 0
        && !cnn3d_config_override (config, argv[i], &error)) {
      status = TOOL_USAGE;
      goto refused;
    }
  }
  if (!make_lines (config, test_only, lines, &error))
    goto refused;
  if (lines->train && strcmp (command, "train") == 0
      && !cnn3d_config_get (config, "paths.checkpoint_dir"))
    tool_complain ("paths.checkpoint_dir is not set: the weights will be lost when training ends; "
                   "--paths.checkpoint_dir=FOLDER keeps them");

out:
  cnn3d_config_free (&config);
  return status;

  /* ERRORS */
two_files:
  tool_complain ("--config is given twice; only one file is read");
  status = TOOL_USAGE;
  goto out;
no_file:
  tool_complain ("give a file: cnn3d %s --config FILE", command);
  status = TOOL_USAGE;
  goto out;
refused:
  tool_complain ("%s", error->message);
  g_clear_error (&error);
  clear_lines (lines);
  if (status == TOOL_FINE)
    status = TOOL_FAILED;
  goto out;
}

int
tool_pipeline (int argc, char **argv)
{
  Lines lines = { NULL };
  int status = read_lines (argc, argv, &lines);

  if (lines.train)
    launch_print (lines.train);
  if (lines.test)
    launch_print (lines.test);
  clear_lines (&lines);
  return status;
}

/* Whether this process is one of several that train one model, and not the first. */
static gboolean
is_later_rank (void)
{
  guint rank, size;

  return cnn3d_comm_place (&rank, &size) && rank > 0;
}

/* One rank tests, as one alone may write the results. Lines that train are run by launch_wait(),
 * so that they save whatever signal ends this program. */
int
tool_train (int argc, char **argv)
{
  Lines lines = { NULL };
  int status = read_lines (argc, argv, &lines);
  gboolean stopped;

  if (lines.train) {
    launch_print (lines.train);
    status = launch_wait (lines.train, &stopped);
    if (lines.test && (stopped || status != TOOL_FINE)) {
      tool_complain ("training %s, nothing is tested", stopped ? "was stopped" : "failed");
      g_clear_pointer (&lines.test, g_strfreev);
    }
  }
  if (lines.test && !is_later_rank ()) {
    launch_print (lines.test);
    fflush (stdout);
    status = launch_become (lines.test);
  }
  clear_lines (&lines);
  return status;
}
