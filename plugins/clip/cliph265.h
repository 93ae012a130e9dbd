/* cliph265.h: parses packets of H.265: where decoding may start, which pictures are references,
 * and which are presented before the one that precedes them.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_H265_H
#define CLIP_H265_H

#include "clipnal.h"

G_BEGIN_DECLS

#define CLIP_H265_SETS 16 /* sequence parameter sets */
#define CLIP_H265_PICTURE_SETS 64

typedef struct {
  gboolean known, planes;
  guint order_bits; /* of slice_pic_order_cnt_lsb */
} ClipH265Sequence;

typedef struct {
  gboolean known, output_flag;
  guint8 sequence;
  guint extra_bits; /* before the slice type */
} ClipH265Picture;

/* Zeroed before the first packet.
 * order:   slice_pic_order_cnt_lsb of the last picture
 * ordered: there was one
 * ended:   the last packet ends a sequence
 * drops:   RASL pictures that follow are not shown
 * packet:  number of the last one, from 1
 * sets:    those of the video, sequences and pictures */
typedef struct {
  ClipH265Sequence sequences[CLIP_H265_SETS];
  ClipH265Picture pictures[CLIP_H265_PICTURE_SETS];
  ClipNalSet sets[CLIP_H265_SETS + CLIP_H265_SETS + CLIP_H265_PICTURE_SETS];
  gboolean ordered, ended, drops;
  guint order, packet;
} ClipH265;

/* Takes the parameter sets from an HEVCDecoderConfigurationRecord. */
void clip_h265_configure (ClipH265 *self, const guint8 *data, gsize size);

/* Returns ClipPacketFlags. length_size: as for clip_nal_next(). *layer: temporal layer, from 0 */
guint clip_h265_parse (
    ClipH265 *self, guint length_size, const guint8 *data, gsize size, guint *layer);

/* Clears no_output_of_prior_pics_flag in a packet: pictures before it are shown. */
void clip_h265_keep_prior (guint length_size, guint8 *data, gsize size);

G_END_DECLS

#endif
