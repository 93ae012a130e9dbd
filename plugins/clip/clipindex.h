/* clipindex.h: what is known of a video before it is decoded: its packets in decoding order, and
 * its frames in presentation order. An index is immutable. A frame's number is its position in
 * presentation order.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_INDEX_H
#define CLIP_INDEX_H

#include "clippacket.h"

G_BEGIN_DECLS

/* A frame that is this little before a row's start or end is the one that is meant: rows are
 * text, and containers round to milliseconds. In nanoseconds. */
#define CLIP_INDEX_TOLERANCE (GST_MSECOND / 2)

/* pts, dts: the container's stream time; GST_CLOCK_TIME_NONE: unknown
 * size:     bytes
 * flags:    ClipPacketFlags
 * layer:    temporal layer, from 0 */
typedef struct {
  GstClockTime pts, dts;
  guint32 size;
  guint16 flags;
  guint8 layer;
} ClipPacket;

/* counted: neither the container nor the codec gives the order of frames. They are counted as
 *          the decoder outputs them, from a RESET on
 * headless: there are no frames, since the first pictures refer to ones that were cut away
 * packets: [n_packets]
 * frames:  [n_frames] the packet of each frame; with `counted`, the packet with the same number
 *          among the shown ones
 * times:   [n_frames] ns since the first frame, not decreasing
 * ranks:   [n_packets] each packet's frame; G_MAXUINT32: it is never shown */
typedef struct {
  gint refcount;
  gchar *stream; /* stream id of the track, without the part that identifies the file */
  ClipCodec codec;
  gboolean counted, headless;
  guint n_packets, n_frames;
  ClipPacket *packets;
  guint32 *frames;
  guint32 *ranks;
  GstClockTime *times;
} ClipIndex;

/* packets: [n], copied. Never returns NULL. */
ClipIndex *clip_index_new (
    const gchar *stream, ClipCodec codec, const ClipPacket *packets, guint n);
ClipIndex *clip_index_ref (ClipIndex *index);
void clip_index_unref (ClipIndex *index);

/* Bytes of memory. */
gsize clip_index_bytes (const ClipIndex *index);

/* The frames in [start, end), in seconds since the first frame. *first is the number of the
 * first one. Returns how many there are. */
guint clip_index_segment (const ClipIndex *index, gdouble start, gdouble end, guint *first);

/* The same for [start, end) in frame numbers from 0. *from and *to are the segment of these
 * frames in seconds, if there are any; *to is INFINITY at the end of the video. */
guint clip_index_frames (
    const ClipIndex *index, gdouble start, gdouble end, guint *first, gdouble *from, gdouble *to);

/* Whether GStreamer's elements for libavcodec lose frames after a start in an open GOP. */
gboolean clip_index_loses_frames (void);

/* The number of frames that are presented before a packet that is never shown, by its part and
 * PTS; G_MAXUINT: unknown. */
guint clip_index_before (const ClipIndex *index, guint packet);

/* Duration of a frame in ns. The last one has that of the one before; a single frame has none
 * (GST_CLOCK_TIME_NONE). */
GstClockTime clip_index_duration (const ClipIndex *index, guint frame);

/* Where to seek for a packet: its PTS, or its DTS if it has no PTS, or 0. */
GstClockTime clip_index_seek_time (const ClipIndex *index, guint packet);

/* The packet with these timestamps; -1: there is none, or more than one. */
gint64 clip_index_find (const ClipIndex *index, GstClockTime pts, GstClockTime dts);

G_END_DECLS

#endif
