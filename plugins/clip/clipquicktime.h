/* clipquicktime.h: adapts headers of QuickTime and MP4 files, so that GStreamer's demuxer
 * outputs everything that they describe.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_QUICKTIME_H
#define CLIP_QUICKTIME_H

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* In a complete `moov` box, extends the duration of tracks without an edit list to the end of
 * their samples, and the movie's to the last time of all tracks by their own clocks. qtdemux ends
 * a track there, and would lose frames of what was cut or copied. It leaves out a video track that
 * is much shorter than the movie; the only one becomes a quarter of it. TRUE: a duration was
 * changed. */
gboolean clip_quicktime_lengthen (guint8 *data, gsize size);

/* Whether all video tracks in a `moov` box are encrypted. */
gboolean clip_quicktime_is_encrypted (guint8 *data, gsize size);

/* Properties of a file, 1 once they are known. Atomic.
 * encrypted:  its video is encrypted
 * fragmented: its samples are in fragments
 * unedited:   no track has an edit list
 * exact:      no sample is behind the end of its track that an edit list does not cut off
 * turns:      how its tracks are turned, see clip_quicktime_turns() */
typedef struct {
  gint encrypted, fragmented, unedited, exact;
  GArray *turns;
} ClipQuicktime;

/* How each track of a `moov` box is turned by the matrices of the track and the movie, of any scale.
 * NULL: it cannot be read, or is compressed. Free with g_array_unref(). */
GArray *clip_quicktime_turns (guint8 *data, gsize size);

/* How a track, by its ID, is turned; FALSE: not known. */
gboolean clip_quicktime_orientation (
    ClipQuicktime *file, guint64 track, GstVideoOrientationMethod *method);

void clip_quicktime_clear (ClipQuicktime *file);

/* A probe for GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER that does both with what is
 * read from a file. data: ClipQuicktime */
GstPadProbeReturn clip_quicktime_watch (GstPad *pad, GstPadProbeInfo *info, gpointer data);

G_END_DECLS

#endif
