/* clipclock.h: the times that a file's packets have in the file itself, for demuxers
 * that take a gap of seconds for a fault of the clock and close it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CLOCK_H
#define CLIP_CLOCK_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _ClipClocks ClipClocks;

/* Clocks of a file's streams. All but clip_clocks_free() is the streaming thread's of
 * the demuxer. */
ClipClocks *clip_clocks_new (void);
void clip_clocks_free (ClipClocks *self);

/* Sees to it that a demuxer tells the times of what it reads, or that they are read
 * here, from the file's pad `src`; where it is one that closes gaps. */
void clip_clocks_watch (ClipClocks *self, GstElement *demuxer, GstPad *src);

/* Gives what comes out of a pad of that demuxer the times of the file. */
void clip_clocks_correct (ClipClocks *self, GstElement *demuxer, GstPad *pad);

/* Takes the word of a demuxer. FALSE: the message tells of something else. */
gboolean clip_clocks_take (ClipClocks *self, GstMessage *message);

G_END_DECLS

#endif
