/* clipmatroska.h: what matroskademux does not tell of a file's tracks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_MATROSKA_H
#define CLIP_MATROSKA_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* How the pictures of a track are to be turned for showing, by its projection. The
 * file is open at `file`, whose offset stays where it is. FALSE: nothing is told. */
gboolean clip_matroska_orientation (gint file, guint64 track, GstVideoOrientationMethod *method);

G_END_DECLS

#endif
