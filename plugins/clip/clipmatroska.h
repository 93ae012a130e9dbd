/* clipmatroska.h: properties of tracks that matroskademux does not report, or reports wrongly.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_MATROSKA_H
#define CLIP_MATROSKA_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* How the pictures of a track must be rotated for display, from its projection. `file` is a
 * descriptor of the open file; its offset is not changed. FALSE: there is no such rotation. */
gboolean clip_matroska_orientation (gint file, guint64 track, GstVideoOrientationMethod *method);

/* matroskademux makes timestamps before zero zero. If a track has such, all timestamps of its
 * packets, which come from `pad`, are increased so that the first one is zero. Those of ProRes, which
 * it loses, are those of the file's blocks, unless not all of these could be read. */
void clip_matroska_correct (gint file, GstPad *pad);

G_END_DECLS

#endif
