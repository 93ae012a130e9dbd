/* clipframes.h: the data of clipcache's records in a ClipStore: the frames of a clip, ready to be
 * pushed.
 *
 * A record has the number of frames, the bytes of all texts and 8 zero bytes; the heads of all
 * frames; their texts, padded; and the frames' pixels, each in the default layout of its caps.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_FRAMES_H
#define CLIP_FRAMES_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* caps_bytes, event_bytes: of the texts of the caps and the clip-preparation event that precede
 *                          the frame, with the final 0; 0: there is none
 * file_frame, ..., par_d: as in GstClipMeta
 * offset, size: of the pixels in bytes, from the first frame's pixels on */
typedef struct {
  guint64 frame, num_frames, pts, duration;
  guint64 file_frame, file_time;
  guint32 width, height;
  gint32 par_n, par_d;
  guint64 offset, size;
  guint32 caps_bytes, event_bytes;
} ClipFrameHead;

/* A record that is being read. */
typedef struct {
  guint n, next;
  const guint8 *heads, *pixels;
  const gchar *texts, *text; /* of the first frame and of the next one */
} ClipFrames;

/* A frame of a record, which its pointers point into. caps, event: NULL: unchanged. */
typedef struct {
  ClipFrameHead head;
  const gchar *caps, *event;
  const guint8 *pixels;
} ClipFrame;

/* Checks a record and starts to read it. `data` must outlive `frames`. TRUE: all frames are within
 * the record and have the sizes of their caps, and the texts are caps and events. FALSE: the record
 * is invalid, although its checksum may be right. */
gboolean clip_frames_init (ClipFrames *frames, const guint8 *data, gsize size);
/* Reads the next frame; FALSE: there are no more. */
gboolean clip_frames_next (ClipFrames *frames, ClipFrame *frame);

G_END_DECLS

#endif
