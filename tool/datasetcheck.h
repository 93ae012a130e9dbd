/* datasetcheck.h: opens the files of a data set, by gst-launch-1.0.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TOOL_DATASETCHECK_H
#define CNN3D_TOOL_DATASETCHECK_H

#include <glib.h>

typedef struct {
  const gchar *path;
  /* of its windows, the last second or frame, and the one after which frames must come; 0: the
   * whole file */
  gdouble last, latest;
  gboolean in_frames;
  gfloat fps; /* of pictures; 0: unknown */
} DatasetFile;

/* Decodes a frame of each file, as many side by side as there are processors, with its
 * progress on stderr where that is a terminal. Those that cannot be read are printed
 * with the reason; lines about those that end before their last window are appended to `late`.
 * Returns how many cannot be read; -1 with a complaint: the check failed. */
gint dataset_check (const DatasetFile *files, guint n, GPtrArray *late);

#endif
