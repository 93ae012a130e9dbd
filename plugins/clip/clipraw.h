/* clipraw.h: raw frames as containers keep them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_RAW_H
#define CLIP_RAW_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* A frame (taken) with its rows where GStreamer has them. One that has the size of a
 * frame whose rows follow each other without padding is such a frame. NULL: it is too
 * small; *reason is set. */
GstBuffer *clip_raw_pad (const GstVideoInfo *info, GstBuffer *buffer, gchar **reason);

G_END_DECLS

#endif
