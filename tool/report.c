/* report.c: `cnn3d report`: writes a run's folder as an HTML page.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "src/escape.h"
#include "src/report/report.h"
#include "tool/frames.h"
#include "tool/tool.h"

int
tool_report (int argc, char **argv)
{
  g_autofree gchar *compare = NULL, *output = NULL, *page = NULL, *shown = NULL;
  g_auto (GStrv) runs = NULL;
  gboolean no_frames = FALSE;
  const GOptionEntry entries[] = { { "compare", 0, 0, G_OPTION_ARG_FILENAME, &compare,
                                       "The folder of a run whose speed is compared (default none)",
                                       "RUN" },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &output,
        "The page to write; - is standard output (default RUN/report.html)", "FILE" },
    { "no-frames", 0, 0, G_OPTION_ARG_NONE, &no_frames, "Leave out the frames of wrong clips",
        NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &runs, NULL, NULL }, { NULL } };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("RUN - a run's folder as one HTML page");
  g_autoptr (GError) error = NULL;
  gboolean prints;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context,
      "RUN is a folder with the log of cnn3dtrain (log-dir), results of cnn3deval\n"
      "(output-dir), in it or in folders in it, or both.");
  g_set_prgname ("cnn3d report");
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    tool_complain ("%s", error->message);
    return TOOL_USAGE;
  }
  if (!runs || runs[1]) {
    tool_complain ("give one folder: cnn3d report RUN");
    return TOOL_USAGE;
  }
  if (!output)
    output = g_build_filename (runs[0], "report.html", NULL);

  page = cnn3d_report_html (runs[0], compare, no_frames ? NULL : frames_decode, &error);
  prints = strcmp (output, "-") == 0;
  if (!page || !tool_write (prints ? NULL : output, page, &error)) {
    tool_complain ("%s", error->message);
    return TOOL_FAILED;
  }
  if (!prints) {
    shown = cnn3d_escape (output, FALSE);
    printf ("%s\n", shown);
  }
  return TOOL_FINE;
}
