/* launch.h: launch lines, printed and run. No shell is between this program and
 * gst-launch-1.0: what is printed is what a shell would have to be given.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_LAUNCH_H
#define CNN3D_LAUNCH_H

#include <glib.h>

/* On stdout, quoted for a shell. */
void launch_print (gchar ** words);

/* Becomes the line. Returns an exit status only where it cannot be run. */
int launch_become (gchar ** words);

/* Runs the line, to its end, and returns its exit status. What ends this program
 * (SIGINT, SIGTERM, SIGHUP) goes to the line instead, as the SIGINT that makes it
 * save and end; then, unless it failed, the status is 128 and that signal's number,
 * and *stopped is TRUE in any case. */
int launch_wait (gchar ** words, gboolean * stopped);

#endif
