/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliph265.h"
#include "clippacket.h"

#include <string.h>

/* The parsed part of a slice header is not longer */
#define HEADER_BYTES 32

/* NAL unit types, ITU-T H.265 7.4.2.2 */
#define TYPE_RASL_N 8
#define TYPE_RASL_R 9
#define TYPE_BLA_W_LP 16
#define TYPE_IDR_W_RADL 19
#define TYPE_IDR_N_LP 20
#define TYPE_CRA 21
#define TYPE_LAST_IRAP 23
#define TYPE_LAST_SLICE 31
#define TYPE_VPS 32
#define TYPE_SPS 33
#define TYPE_PPS 34
#define TYPE_EOS 36
#define TYPE_EOB 37

/* Bytes of a NAL unit's header */
#define UNIT_HEAD 2

/* Parameter sets: 7.3.2 */

/* 7.3.3, with profilePresentFlag. */
static void
skip_profile (ClipBits *b, guint sub_layers)
{
  gboolean profile[8], level[8];

  for (guint i = 0; i < 88 + 8; i++)
    clip_bits_1 (b);
  for (guint i = 0; i < sub_layers; i++) {
    profile[i] = clip_bits_1 (b);
    level[i] = clip_bits_1 (b);
  }
  for (guint i = sub_layers; sub_layers > 0 && i < 8; i++)
    clip_bits (b, 2);
  for (guint i = 0; i < sub_layers; i++)
    for (guint n = (profile[i] ? 88 : 0) + (level[i] ? 8 : 0); n > 0; n--)
      clip_bits_1 (b);
}

static void
take_sequence (ClipH265 *self, guint packet, const guint8 *data, gsize size)
{
  ClipBits b = { .data = data, .size = size };
  ClipH265Sequence s = { .known = TRUE };
  guint sub_layers, id;

  clip_bits (&b, 4);
  sub_layers = clip_bits (&b, 3);
  clip_bits_1 (&b);
  skip_profile (&b, sub_layers);
  id = clip_bits_ue (&b);
  if (id < CLIP_H265_SETS)
    clip_nal_note_set (self->sets + CLIP_H265_SETS + id, packet, data, size);
  if (clip_bits_ue (&b) == 3)
    s.planes = clip_bits_1 (&b);
  clip_bits_ue (&b); /* width, height */
  clip_bits_ue (&b);
  if (clip_bits_1 (&b))
    for (guint i = 0; i < 4; i++)
      clip_bits_ue (&b);
  clip_bits_ue (&b); /* bit depths */
  clip_bits_ue (&b);
  s.order_bits = clip_bits_ue (&b) + 4;
  if (id < CLIP_H265_SETS && b.at <= size && s.order_bits >= 4 && s.order_bits <= 16)
    self->sequences[id] = s;
}

static void
take_picture (ClipH265 *self, guint packet, const guint8 *data, gsize size)
{
  ClipBits b = { .data = data, .size = size };
  ClipH265Picture p = { .known = TRUE };
  const guint id = clip_bits_ue (&b), sequence = clip_bits_ue (&b);

  if (id < CLIP_H265_PICTURE_SETS)
    clip_nal_note_set (self->sets + 2 * CLIP_H265_SETS + id, packet, data, size);
  if (id >= CLIP_H265_PICTURE_SETS || sequence >= CLIP_H265_SETS)
    return;
  p.sequence = sequence;
  clip_bits_1 (&b);
  p.output_flag = clip_bits_1 (&b);
  p.extra_bits = clip_bits (&b, 3);
  if (b.at <= size)
    self->pictures[id] = p;
}

static guint
unit_type (const guint8 *unit)
{
  return unit[0] >> 1 & 63;
}

/* Whether a unit is of another layer than the one that is decoded (nuh_layer_id). */
static gboolean
is_of_other_layer (const guint8 *unit)
{
  return (unit[0] & 1) || unit[1] >> 3;
}

/* packet: 0: the configuration */
static void
take_set (ClipH265 *self, guint packet, const guint8 *unit, gsize size)
{
  if (is_of_other_layer (unit))
    return;
  if (unit_type (unit) == TYPE_VPS)
    clip_nal_note_set (self->sets + (unit[UNIT_HEAD] >> 4), packet, unit, size);
  else if (unit_type (unit) == TYPE_SPS)
    take_sequence (self, packet, unit + UNIT_HEAD, size - UNIT_HEAD);
  else if (unit_type (unit) == TYPE_PPS)
    take_picture (self, packet, unit + UNIT_HEAD, size - UNIT_HEAD);
}

/* ISO 14496-15 8.3.3.1. */
void
clip_h265_configure (ClipH265 *self, const guint8 *data, gsize size)
{
  gsize at = 22;
  guint arrays = at < size ? data[at++] : 0;

  memset (self->sets, 0, sizeof self->sets);
  for (; arrays > 0 && at + 3 <= size; arrays--) {
    guint n = data[at + 1] << 8 | data[at + 2];

    for (at += 3; n > 0 && at + 2 <= size; n--) {
      const gsize length = MIN ((gsize) (data[at] << 8 | data[at + 1]), size - at - 2);

      at += 2;
      if (length > UNIT_HEAD)
        take_set (self, 0, data + at, length);
      at += length;
    }
  }
}

/* Pictures */

/* 7.3.6.1 and 8.3.1: whether a picture is presented before the one that precedes it. unit: its
 * first slice */
static gboolean
is_backward (ClipH265 *self, const guint8 *unit, gsize size)
{
  const guint type = unit_type (unit), before = self->order;
  /* all pictures before one of these are also presented before it */
  const gboolean resets = type >= TYPE_BLA_W_LP && type <= TYPE_LAST_IRAP;
  const gboolean follows = self->ordered && !resets;
  ClipBits b = { .data = unit + UNIT_HEAD, .size = MIN (size - UNIT_HEAD, HEADER_BYTES) };
  const ClipH265Sequence *sequence;
  const ClipH265Picture *picture;
  guint id;

  self->ordered = FALSE;
  /* first_slice_segment_in_pic_flag: another slice's header has other fields */
  if (!clip_bits_1 (&b))
    return FALSE;
  if (type >= TYPE_BLA_W_LP && type <= TYPE_LAST_IRAP)
    clip_bits_1 (&b);
  id = clip_bits_ue (&b);
  if (id >= CLIP_H265_PICTURE_SETS || !self->pictures[id].known)
    return FALSE;
  picture = self->pictures + id;
  sequence = self->sequences + picture->sequence;
  if (!sequence->known)
    return FALSE;
  clip_bits (&b, picture->extra_bits);
  clip_bits_ue (&b); /* slice_type */
  if (picture->output_flag)
    clip_bits_1 (&b);
  if (sequence->planes)
    clip_bits (&b, 2);
  self->order =
      type == TYPE_IDR_W_RADL || type == TYPE_IDR_N_LP ? 0 : clip_bits (&b, sequence->order_bits);
  self->ordered = b.at <= b.size;

  return follows && self->ordered
      && clip_nal_is_backward (self->order, before, sequence->order_bits);
}

/* Whether the last unit of a packet is an end of sequence or of bitstream. */
static gboolean
ends_sequence (const guint8 *data, gsize size)
{
  guint type;

  while (size > 0 && data[size - 1] == 0)
    size--;
  /* the start code or the length of a header alone */
  if (size < 3 + UNIT_HEAD || data[size - UNIT_HEAD - 3] || data[size - UNIT_HEAD - 2]
      || data[size - UNIT_HEAD - 1] < 1 || data[size - UNIT_HEAD - 1] > UNIT_HEAD)
    return FALSE;
  type = unit_type (data + size - UNIT_HEAD);

  return type == TYPE_EOS || type == TYPE_EOB;
}

/* Types 16 to 20 are BLA and IDR. Even types below 16 are not references within their temporal
 * layer. anew: after the end of a sequence, where CRA is like BLA */
static guint
picture_flags (ClipH265 *self, guint type, gboolean anew)
{
  if (type == TYPE_RASL_N || type == TYPE_RASL_R)
    return CLIP_PACKET_LEADING | (self->drops ? CLIP_PACKET_HIDDEN : 0)
        | (type == TYPE_RASL_N ? CLIP_PACKET_UNUSED : 0);
  if (type < TYPE_BLA_W_LP)
    return type % 2 == 0 ? CLIP_PACKET_UNUSED : 0;
  if (type > TYPE_CRA)
    return 0;
  self->drops = type != TYPE_CRA || anew;
  if (clip_nal_lacks_set (self->sets, G_N_ELEMENTS (self->sets), self->packet))
    return CLIP_PACKET_RECOVERED;

  return CLIP_PACKET_START | (self->drops ? CLIP_PACKET_RESET : 0);
}

guint
clip_h265_parse (ClipH265 *self, guint length_size, const guint8 *data, gsize size, guint *layer)
{
  const gboolean anew = self->ended;
  const guint8 *unit;
  gsize at = 0, n;

  self->packet++;
  self->ended = ends_sequence (data, size);
  while (clip_nal_next (length_size, data, size, &at, &unit, &n)) {
    const guint type = unit_type (unit);

    if (n <= UNIT_HEAD || is_of_other_layer (unit))
      continue;
    take_set (self, self->packet, unit, n);
    if (type > TYPE_LAST_SLICE)
      continue;
    *layer = (unit[1] & 7) > 0 ? (unit[1] & 7) - 1 : 0;
    return (is_backward (self, unit, n) ? CLIP_PACKET_BACKWARD : 0)
        | picture_flags (self, type, anew);
  }

  return 0;
}

/* 7.3.6.1: the flag of the slices of pictures at which decoding may start. */
void
clip_h265_keep_prior (guint length_size, guint8 *data, gsize size)
{
  const guint8 *unit;
  gsize at = 0, n;

  while (clip_nal_next (length_size, data, size, &at, &unit, &n))
    if (n > UNIT_HEAD && unit_type (unit) >= TYPE_BLA_W_LP && unit_type (unit) <= TYPE_LAST_IRAP)
      data[unit - data + UNIT_HEAD] &= ~0x40;
}
