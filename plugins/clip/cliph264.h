/* cliph264.h: parses packets of H.264. As in libavcodec, two fields make a frame, even in two
 * packets, and pictures before the first one that can be correct are not shown.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_H264_H
#define CLIP_H264_H

#include "clipnal.h"

G_BEGIN_DECLS

#define CLIP_H264_SETS 32 /* sequence parameter sets */
#define CLIP_H264_PICTURE_SETS 256

typedef struct {
  gboolean known, planes, frames_only, baseline;
  guint frame_num_bits;
  guint order_bits; /* of pic_order_cnt_lsb; 0: slices do not have it */
  guint references; /* max_num_ref_frames */
} ClipH264Sequence;

typedef struct {
  gboolean known;
  guint8 sequence;
  guint references[2]; /* default number of active entries in each list */
} ClipH264Picture;

/* Zeroed before the first packet.
 * field:      the last picture is a first field without its second one
 * bottom, frame_num, order: of the last picture
 * ordered:    there was one with an `order`
 * recovery:   frame_num of the next recovered picture, plus 1; 0: none is pending
 * ordinary:   the counts of recovery points are meant as specified; see recovers()
 * marked:     there was an IDR picture or a recovery point
 * references: approximate number of reference frames in use
 * packet:     number of the last one, from 1
 * sets:       sequences and then pictures */
typedef struct {
  ClipH264Sequence sequences[CLIP_H264_SETS];
  ClipH264Picture pictures[CLIP_H264_PICTURE_SETS];
  ClipNalSet sets[CLIP_H264_SETS + CLIP_H264_PICTURE_SETS];
  guint packet;
  gboolean field, bottom, ordered, ordinary, marked;
  guint frame_num, order, recovery, references;
} ClipH264;

/* Takes the parameter sets from an AVCDecoderConfigurationRecord. */
void clip_h264_configure (ClipH264 *self, const guint8 *data, gsize size);

/* Returns ClipPacketFlags. length_size: as for clip_nal_next(). */
guint clip_h264_parse (ClipH264 *self, guint length_size, const guint8 *data, gsize size);

G_END_DECLS

#endif
