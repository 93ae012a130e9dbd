/* datasetcheck.h: opens the files of a data set, by gst-launch-1.0.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TOOL_DATASETCHECK_H
#define CNN3D_TOOL_DATASETCHECK_H

#include <glib.h>

/* Decodes a frame of each file, as many side by side as there are processors, with its
 * progress on stderr where that is a terminal. Those that cannot be read are printed
 * with the reason. Returns how many these are; -1 with a complaint: the check failed. */
gint dataset_check (gchar **files, guint n);

#endif
