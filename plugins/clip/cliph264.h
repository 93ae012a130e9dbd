/* cliph264.h: what a packet of H.264 tells of its picture. Two fields make a
 * frame, perhaps in two packets, and what lies before the first picture that can be
 * right is not shown: both as libavcodec does it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_H264_H
#define CLIP_H264_H

#include "clipnal.h"

G_BEGIN_DECLS

#define CLIP_H264_SETS 32 /* sequence parameter sets, at most */
#define CLIP_H264_PICTURE_SETS 256

typedef struct {
  gboolean known, planes, frames_only, baseline;
  guint frame_num_bits;
  guint references; /* frames, at most */
} ClipH264Sequence;

typedef struct {
  gboolean known;
  guint8 sequence;
  guint references[2]; /* of each list, by default */
} ClipH264Picture;

/* Zeroed before the first packet.
 * field:      a first field came, and no second one yet
 * bottom, frame_num: of it
 * recovery:   frame_num from which on pictures are right, counted from 1; 0: there
 *             is none ahead
 * marked:     there was an IDR picture or a recovery point
 * references: frames that are kept, about */
typedef struct {
  ClipH264Sequence sequences[CLIP_H264_SETS];
  ClipH264Picture pictures[CLIP_H264_PICTURE_SETS];
  gboolean field, bottom, ordinary, marked;
  guint frame_num, recovery, references;
} ClipH264;

/* Takes the parameter sets of an AVCDecoderConfigurationRecord. */
void clip_h264_configure (ClipH264 *self, const guint8 *data, gsize size);

/* Returns ClipPacketFlags. length_size: as clip_nal_next()'s. */
guint clip_h264_parse (ClipH264 *self, guint length_size, const guint8 *data, gsize size);

G_END_DECLS

#endif
