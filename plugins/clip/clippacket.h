/* clippacket.h: what a video packet's first bytes tell, so that nobody has to
 * believe a container's flags. Pure functions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PACKET_H
#define CLIP_PACKET_H

#include "cliph264.h"

G_BEGIN_DECLS

/* START:     decoding may start here: frames shown from this one on come out
 *            as from the file's start, unless they are LEADING
 * RESET:     START, and nothing that comes after refers to what lies before
 * HIDDEN:    decoded, never shown
 * UNUSED:    no other frame is made of it
 * BACKWARD:  shown before the frame that lies before it (MPEG's B pictures)
 * OUTSIDE:   cut away by the container's edit list: decoded, and left out of what
 *            is shown once all is in order
 * PART:      the first packet of another part of the container's edit list
 * AFTER:     after the end that the container told, which may be no cut
 * LEADING:   hangs on a frame before the start: HEVC's RASL are shown only if the
 *            frame that they follow was not the start
 * RECOVERED: H.264: marked as right whatever came before
 * INTRA:     H.264: not marked so, but it looks as if it were
 * FIELD:     the first field of a frame: SECOND comes in the next packet
 * SECOND:    the second field, and so HIDDEN: the packet before is the frame
 * SAME:      it has no time, and its container gives each packet one: the time of
 *            the packet before, or one before zero */
typedef enum {
  CLIP_PACKET_START = 1 << 0,
  CLIP_PACKET_RESET = 1 << 1,
  CLIP_PACKET_HIDDEN = 1 << 2,
  CLIP_PACKET_UNUSED = 1 << 3,
  CLIP_PACKET_BACKWARD = 1 << 4,
  CLIP_PACKET_LEADING = 1 << 5,
  CLIP_PACKET_OUTSIDE = 1 << 6,
  CLIP_PACKET_AFTER = 1 << 7,
  CLIP_PACKET_RECOVERED = 1 << 8,
  CLIP_PACKET_FIELD = 1 << 9,
  CLIP_PACKET_SECOND = 1 << 10,
  CLIP_PACKET_INTRA = 1 << 11,
  CLIP_PACKET_PART = 1 << 12,
  CLIP_PACKET_SAME = 1 << 13
} ClipPacketFlags;

typedef enum {
  CLIP_CODEC_OTHER,     /* only the container's flag tells */
  CLIP_CODEC_REORDERED, /* the same, and only its times tell the order */
  CLIP_CODEC_INTRA,     /* each packet is a picture of its own */
  CLIP_CODEC_GIF,       /* libavcodec's decoder forgets which is which */
  CLIP_CODEC_H264,
  CLIP_CODEC_H265,
  CLIP_CODEC_MPEG2, /* and MPEG-1 */
  CLIP_CODEC_MPEG4, /* part 2, under its many names */
  CLIP_CODEC_VP8,
  CLIP_CODEC_VP9,
  CLIP_CODEC_THEORA,
  CLIP_N_CODECS
} ClipCodec;

/* closed:     the group of pictures is
 * begun:      a sequence, a group or an I picture came
 * field:      a first field came, and no second one yet
 * references: pictures that others can be made of, 2 at most */
typedef struct {
  gboolean closed, begun, field;
  guint references;
} ClipMpeg2;

/* Zeroed before the stream's first caps. */
typedef struct {
  ClipCodec codec;
  /* H.264, H.265: bytes of a NAL unit's length; 0: start codes */
  guint length_size;
  gboolean packed; /* MPEG-4: the packet before had two pictures */
  /* MPEG-4: of a picture's time within its second; 0: not known */
  guint time_bits;
  /* MPEG-4: pictures there are to refer to; 2: or more */
  guint references;
  ClipH264 h264;
  ClipMpeg2 mpeg2;
} ClipPacketFormat;

/* By the stream's caps; what was seen under earlier ones stays. */
void clip_packet_format_init (ClipPacketFormat *format, const GstCaps *caps);

/* A stream's packets, in order.
 * data, size: a whole packet, one picture, or two of DivX's
 * key:        what the container says
 * *layer:     the picture's temporal layer, from 0: with H.265 UNUSED holds
 *             only in the highest one */
ClipPacketFlags clip_packet_parse (
    ClipPacketFormat *format, const guint8 *data, gsize size, gboolean key, guint *layer);

/* Marks the group of pictures that begins in a packet of MPEG-2 as closed. */
void clip_packet_close_group (guint8 *data, gsize size);

G_END_DECLS

#endif
