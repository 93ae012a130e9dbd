/* clipindex.h: what is known of a video before any of it is decoded: its packets,
 * in decoding order, and from them its frames, in the order that they are shown.
 * An index is never changed; a frame's number is its rank by time.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_INDEX_H
#define CLIP_INDEX_H

#include "clippacket.h"

G_BEGIN_DECLS

/* A frame a little before a row's start or end is the one that is meant: rows
 * are text, and containers round to milliseconds. In nanoseconds. */
#define CLIP_INDEX_TOLERANCE (GST_MSECOND / 2)

/* pts, dts: stream time by the container, GST_CLOCK_TIME_NONE: it does not say
 * size:     bytes
 * flags:    ClipPacketFlags */
typedef struct {
  GstClockTime pts, dts;
  guint32 size;
  guint16 flags;
  guint8 layer;
} ClipPacket;

/* counted: the container gives no times and the codec no order. Frames are then
 *          counted as they come out, from a RESET on
 * headless: there is no frame, since what comes first refers to pictures that were cut
 *          away
 * packets: [n_packets]
 * frames:  [n_frames] the packet of each frame; with `counted`, the packet
 *          of the same number among the shown ones
 * times:   [n_frames] ns since the first frame, not decreasing
 * ranks:   [n_packets] each packet's frame; G_MAXUINT32: it is never shown */
typedef struct {
  gint refcount;
  gchar *stream; /* id of the track, without its file's part */
  ClipCodec codec;
  gboolean counted, headless;
  guint n_packets, n_frames;
  ClipPacket *packets;
  guint32 *frames;
  guint32 *ranks;
  GstClockTime *times;
} ClipIndex;

/* packets: [n] copied. Never NULL. */
ClipIndex *clip_index_new (
    const gchar *stream, ClipCodec codec, const ClipPacket *packets, guint n);
ClipIndex *clip_index_ref (ClipIndex *index);
void clip_index_unref (ClipIndex *index);

/* What it takes in memory. */
gsize clip_index_bytes (const ClipIndex *index);

/* The frames of [start, end), in seconds since the first frame: *first is the
 * number of the first one. Returns how many. */
guint clip_index_segment (const ClipIndex *index, gdouble start, gdouble end, guint *first);

/* The same of frames [start, end) by their numbers from 0; *from and *to are then
 * the segment of these frames in seconds. */
guint clip_index_frames (
    const ClipIndex *index, gdouble start, gdouble end, guint *first, gdouble *from, gdouble *to);

/* The packets that give the frames from `first` to `last`, inclusive: decoding
 * starts at *from and ends with *to. */
void clip_index_range (const ClipIndex *index, guint first, guint last, guint *from, guint *to);

/* A start before `from`, so far that a decoder which spoils the first frames of a
 * start that lacks references does it before `from`; `from` where it is a RESET. */
guint clip_index_run_up (const ClipIndex *index, guint from);

/* Whether GStreamer's element for libavcodec loses frames behind a start in an open
 * group of pictures. */
gboolean clip_index_loses_frames (void);

/* How many frames are shown before what a packet would be, which is never shown, by
 * its part and time; G_MAXUINT: nobody knows. */
guint clip_index_before (const ClipIndex *index, guint packet);

/* How long a frame is shown, in ns; the last one as long as the one before. */
GstClockTime clip_index_duration (const ClipIndex *index, guint frame);

/* Where to seek for a packet: its presentation time, or its decoding time, by the
 * container. */
GstClockTime clip_index_seek_time (const ClipIndex *index, guint packet);

/* The packet with these times; -1: there is none, or more than one. */
gint64 clip_index_find (const ClipIndex *index, GstClockTime pts, GstClockTime dts);

G_END_DECLS

#endif
