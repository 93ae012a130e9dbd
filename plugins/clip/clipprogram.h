/* clipprogram.h: what mpegpsdemux gets wrong of MPEG program streams. It takes a stream that no
 * program stream map names for MPEG-2, and believes a map that is wrong. Where a file ends within
 * the block of a joined file's end, it loses the rest.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PROGRAM_H
#define CLIP_PROGRAM_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define CLIP_PROGRAM_STREAMS 16
#define CLIP_PROGRAM_TAIL 3

typedef enum {
  CLIP_PROGRAM_UNKNOWN,
  CLIP_PROGRAM_MPEG2, /* or 1 */
  CLIP_PROGRAM_MPEG4, /* part 2 */
  CLIP_PROGRAM_H264,
  CLIP_PROGRAM_H265
} ClipProgramKind;

/* kinds: of the streams 0xe0 to 0xef
 * next:  where the last read ended, and tail: the bytes before; 0: nothing was read */
typedef struct {
  guint8 kinds[CLIP_PROGRAM_STREAMS];
  guint64 next;
  guint8 tail[CLIP_PROGRAM_TAIL];
} ClipProgram;

/* Recognises the video streams by the headers in their first bytes. `file` is a descriptor of the
 * open file; its offset is not changed. */
void clip_program_find (ClipProgram *self, gint file);

/* Corrects what the demuxer reads from the file's pad. */
void clip_program_watch (ClipProgram *self, GstPad *src);

/* Corrects the caps (taken) of a stream that the demuxer outputs on a pad. Returns caps. */
GstCaps *clip_program_name (const ClipProgram *self, GstPad *pad, GstCaps *caps);

G_END_DECLS

#endif
