/* clipclock.h: the timestamps that packets have in the file, for demuxers that take a gap of
 * seconds for a discontinuity of the clock and close it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CLOCK_H
#define CLIP_CLOCK_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _ClipClocks ClipClocks;

/* Clocks of a file's streams. All functions but clip_clocks_free() are called from the demuxer's
 * streaming thread. */
ClipClocks *clip_clocks_new (void);
void clip_clocks_free (ClipClocks *self);

/* For demuxers that close gaps: makes the demuxer report the timestamps that it reads, or reads
 * them here from the file's pad `src`. Other demuxers are left alone. */
void clip_clocks_watch (ClipClocks *self, GstElement *demuxer, GstPad *src);

/* Corrects the timestamps of the packets from a pad of that demuxer. caps: of the packets; NULL:
 * not known yet */
void clip_clocks_correct (ClipClocks *self, GstElement *demuxer, GstPad *pad, const GstCaps *caps);

/* Whether an Ogg file has video before time zero, which the demuxer leaves out. For any thread. */
gboolean clip_clocks_is_early (ClipClocks *self);

/* Takes a timestamp that a demuxer reports. FALSE: not such a message. */
gboolean clip_clocks_take (ClipClocks *self, GstMessage *message);

G_END_DECLS

#endif
