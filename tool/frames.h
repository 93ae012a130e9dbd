/* frames.h: frames of clips, decoded by gst-launch-1.0.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TOOL_FRAMES_H
#define CNN3D_TOOL_FRAMES_H

#include "src/report/frames.h"

/* A Cnn3dReportDecode: a gst-launch-1.0 for each clip, a few at a time, for ten
 * seconds in all. There are no files: manifests and frames go through memory and
 * pipes. */
gchar *frames_decode (Cnn3dReportClip *const *clips, guint n);

#endif
