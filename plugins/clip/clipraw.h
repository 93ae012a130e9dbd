/* clipraw.h: raw frames as stored in containers.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_RAW_H
#define CLIP_RAW_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Converts a frame (taken) to GStreamer's strides, if its size is that of a frame without
 * padding, or with other padding. NULL: it is too small, and *reason is set. */
GstBuffer *clip_raw_pad (const GstVideoInfo *info, GstBuffer *buffer, gchar **reason);

G_END_DECLS

#endif
