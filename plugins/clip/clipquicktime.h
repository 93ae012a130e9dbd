/* clipquicktime.h: headers of QuickTime and MP4 files, put so that GStreamer's
 * demuxer gives all that they tell of.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_QUICKTIME_H
#define CLIP_QUICKTIME_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Lengthens the movie, where `data` is all of a file's `moov` box, to the last time
 * that an edit list shows, by the tracks' own clocks: qtdemux compares the two, and
 * ends a file whose beginning is cut off that much too early. TRUE: it did. */
gboolean clip_quicktime_lengthen (guint8 *data, gsize size);

/* Whether all video tracks in a `moov` box are encrypted. */
gboolean clip_quicktime_is_encrypted (guint8 *data, gsize size);

/* What is known of a file, 1 from when it is: atomic.
 * encrypted:  its video is
 * fragmented: its samples lie in fragments */
typedef struct {
  gint encrypted, fragmented;
} ClipQuicktime;

/* Does both with what is read from a file; a probe for GST_PAD_PROBE_TYPE_PULL |
 * GST_PAD_PROBE_TYPE_BUFFER. data: ClipQuicktime */
GstPadProbeReturn clip_quicktime_watch (GstPad *pad, GstPadProbeInfo *info, gpointer data);

G_END_DECLS

#endif
