/* tool.h: shared by the commands of cnn3d.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TOOL_H
#define CNN3D_TOOL_H

#include <glib.h>

/* Exit statuses */
#define TOOL_FINE 0
#define TOOL_FAILED 1
#define TOOL_USAGE 2 /* the command line is invalid */

/* A command, in a file of its own. argv[0] is its name; it returns the exit
 * status. */
int tool_dataset (int argc, char **argv);
int tool_plan (int argc, char **argv);
int tool_pipeline (int argc, char **argv);
int tool_train (int argc, char **argv);
int tool_report (int argc, char **argv);
int tool_export (int argc, char **argv);

/* Prints "cnn3d: MESSAGE" and a newline to stderr. Control characters, which text from files may
 * contain, are escaped. */
void tool_complain (const gchar *format, ...) G_GNUC_PRINTF (1, 2);

/* Writes the text to the file, which is replaced atomically; into a pipe, device or descriptor, such
 * as /dev/fd/3, if the file is one. NULL: to standard output. */
gboolean tool_write (const gchar *output, const gchar *text, GError **error);

#endif
