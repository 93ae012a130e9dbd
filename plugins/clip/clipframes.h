/* clipframes.h: what clipcache keeps of a clip, as the data of a ClipStore's record: its frames,
 * ready to be pushed.
 *
 * A record is two counts, of frames and of bytes of texts, and 8 bytes of zeros; the heads of all
 * frames; their texts, padded; and their pixels, each in the layout that its caps have by default.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_FRAMES_H
#define CLIP_FRAMES_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* text:   of the caps, or of the event clip-preparation, that come before the frame;
 *         bytes, with the 0 at the end; 0: none
 * file_frame to par_d: as in GstClipMeta
 * pixels: offset from the first frame's, bytes */
typedef struct {
  guint64 frame, num_frames, pts, duration;
  guint64 file_frame, file_time;
  guint32 width, height;
  gint32 par_n, par_d;
  guint64 offset, size;
  guint32 caps_bytes, event_bytes;
} ClipFrameHead;

/* A record that is read. */
typedef struct {
  guint n, next;
  const guint8 *heads, *pixels;
  const gchar *texts, *text; /* of the first frame and of the next one */
} ClipFrames;

/* A frame of it; pointers are into the record. caps, event: NULL: as before. */
typedef struct {
  ClipFrameHead head;
  const gchar *caps, *event;
  const guint8 *pixels;
} ClipFrame;

/* FALSE: it is no such record, although somebody wrote it with the checksum that it should have:
 * otherwise all frames are within it, are as large as their caps say, and their texts are caps and
 * events. */
gboolean clip_frames_init (ClipFrames *frames, const guint8 *data, gsize size);
/* The next one; FALSE: no more. */
gboolean clip_frames_next (ClipFrames *frames, ClipFrame *frame);

G_END_DECLS

#endif
