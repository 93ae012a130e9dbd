/* clipflv.h: codecs of FLV that flvdemux does not know: Enhanced RTMP names them by four characters,
 * and before it H.265 had a number. What the demuxer reads is changed to H.264, whose tags have the
 * same parts, and what it outputs is changed back.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_FLV_H
#define CLIP_FLV_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A file, used by the demuxer's streaming thread.
 * codec: of the last tag, as four characters, most significant first; 0: the demuxer knows it
 * tag:   bytes of the audio or video tag that is read next; or 0
 * audio: it is an audio tag
 * extra: bytes of the tag's header that the demuxer takes for the picture's
 * drops: the tag has no picture
 * known: a video tag was of a known codec
 * unknown: before that, 1 more than the number of a codec that the demuxer rejects; 0: there was
 *          none. Atomic */
typedef struct {
  guint32 codec;
  gsize tag;
  gsize extra;
  gboolean audio, drops, known;
  gint unknown;
} ClipFlv;

/* Changes the tags that the demuxer reads from the file's pad. */
void clip_flv_watch (ClipFlv *self, GstPad *src);

/* Corrects the packets that the demuxer outputs on a pad. */
void clip_flv_correct (ClipFlv *self, GstPad *pad);

/* Corrects the caps (taken) of that pad. Returns caps. */
GstCaps *clip_flv_name (const ClipFlv *self, GstCaps *caps);

G_END_DECLS

#endif
