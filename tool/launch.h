/* launch.h: prints and runs launch lines. gst-launch-1.0 is run without a shell; the printed line
 * is quoted for one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_LAUNCH_H
#define CNN3D_LAUNCH_H

#include <glib.h>

/* A file in memory with the text, which a line reads as /proc/self/fd/N; it is closed in
 * other programs. -1 with errno. */
gint launch_memory (const GString *text);

/* Prints the line on stdout, quoted for a shell. */
void launch_print (gchar **words);

/* Replaces this process by the line. Returns an exit status only if that fails. */
int launch_become (gchar **words);

/* Runs the line and returns its exit status. SIGINT, SIGTERM and SIGHUP are passed on to it as
 * SIGINT, on which it saves and ends; then *stopped is TRUE and, unless it failed, the status is
 * 128 plus the number of the signal. */
int launch_wait (gchar **words, gboolean *stopped);

/* What follows `beginning` in its line, of the first that has it. g_free(); NULL: none has. */
gchar *launch_find_line (const gchar *said, const gchar *beginning);
/* A problem of the program or the plugins, not of a clip, in what gst-launch-1.0 said. g_free();
 * NULL: there is none. */
gchar *launch_find_problem (const gchar *said);

#endif
