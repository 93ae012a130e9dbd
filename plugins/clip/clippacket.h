/* clippacket.h: properties of a video packet from its first bytes, since the flags of containers
 * are unreliable. Pure functions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PACKET_H
#define CLIP_PACKET_H

#include "cliph264.h"
#include "cliph265.h"

G_BEGIN_DECLS

/* START:     decoding may start here: frames presented from this one on are exact, unless they
 *            are LEADING. A packet of H.264, H.265 or MPEG-4 has all headers that the
 *            configuration lacks
 * RESET:     START, and nothing after it refers to anything before it
 * HIDDEN:    decoded, but never shown
 * UNUSED:    not a reference of another frame
 * BACKWARD:  presented before the frame that precedes it in decoding order (B pictures)
 * OUTSIDE:   cut off by the container's edit list: decoded, and removed from the frames once
 *            they are in presentation order
 * PART:      the first packet of another part of the container's edit list
 * AFTER:     after the end that the container declares, which may not be a cut
 * LEADING:   refers to a frame before the start: HEVC's RASL pictures are shown only if decoding
 *            started before the frame that they follow
 * RECOVERED: H.264: marked as correct, whatever precedes it. H.265: would be a START, but lacks
 *            parameter sets
 * INTRA:     H.264: not marked as correct, but probably so
 * FIELD:     the first field of a frame; SECOND is in the next packet
 * SECOND:    the second field, and so HIDDEN: the packet before represents the frame
 * SAME:      without a timestamp, in a container that has one for each packet: it has that of
 *            the packet before */
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
  CLIP_CODEC_OTHER,     /* only the container's flag is known */
  CLIP_CODEC_REORDERED, /* the same, and only timestamps give the order */
  CLIP_CODEC_INTRA,     /* each packet is an independent picture */
  CLIP_CODEC_GIF,       /* libavcodec's decoder does not keep track of frames */
  CLIP_CODEC_H264,
  CLIP_CODEC_H265,
  CLIP_CODEC_MPEG2, /* and MPEG-1 */
  CLIP_CODEC_MPEG4, /* part 2, under its many names */
  CLIP_CODEC_VP8,
  CLIP_CODEC_VP9,
  CLIP_CODEC_THEORA,
  CLIP_CODEC_FFV1,
  CLIP_N_CODECS
} ClipCodec;

/* closed:     of the current group of pictures
 * begun:      there was a sequence header, a group or an I picture
 * field:      the last picture is a first field without its second one
 * references: reference pictures available, at most 2 */
typedef struct {
  gboolean closed, begun, field;
  guint references;
} ClipMpeg2;

/* Zeroed before the stream's first caps. */
typedef struct {
  ClipCodec codec;
  /* hash of codec_data; 0: there was none */
  guint64 record;
  /* H.264, H.265: bytes of a NAL unit's length field; 0: start codes */
  guint length_size;
  gboolean packed; /* MPEG-4: the last packet had two pictures */
  /* MPEG-4: bits of vop_time_increment; 0: unknown */
  guint time_bits;
  /* MPEG-4: reference pictures available, at most 2 */
  guint references;
  /* MPEG-4: the header, and the number of the last packet, from 1 */
  ClipNalSet header;
  guint packet;
  ClipH264 h264;
  ClipH265 h265;
  ClipMpeg2 mpeg2;
} ClipPacketFormat;

/* Sets the format from the stream's caps. State from before a change of caps is kept. */
void clip_packet_format_init (ClipPacketFormat *format, const GstCaps *caps);

/* Parses a stream's packets, in decoding order.
 * data, size: a whole packet: one picture, or two in a packed bitstream
 * key:        the container's keyframe flag
 * *layer:     the picture's temporal layer, from 0. With H.265, UNUSED is valid only in the
 *             highest one */
ClipPacketFlags clip_packet_parse (
    ClipPacketFormat *format, const guint8 *data, gsize size, gboolean key, guint *layer);

/* Sets closed_gop in the group of pictures that starts in a packet of MPEG-2. */
void clip_packet_close_group (guint8 *data, gsize size);

G_END_DECLS

#endif
