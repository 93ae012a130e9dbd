/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cliph264.h"
#include "clippacket.h"

#include <string.h>

/* A slice header is not longer */
#define HEADER_BYTES 32

/* Parameter sets: ITU-T H.264 7.3.2 */

static void
skip_scaling_list (ClipBits *b, guint size)
{
  guint scale = 8;

  for (guint i = 0; i < size && scale != 0; i++) {
    const guint code = clip_bits_ue (b);

    scale = (code & 1 ? scale + code / 2 + 1 : scale - code / 2) & 255;
  }
}

static gboolean
has_chroma_format (guint profile)
{
  static const guint8 profiles[] = { 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135 };

  for (guint i = 0; i < G_N_ELEMENTS (profiles); i++)
    if (profiles[i] == profile)
      return TRUE;

  return FALSE;
}

static void
take_sequence (ClipH264 *self, guint packet, const guint8 *data, gsize size)
{
  ClipBits b = { .data = data, .size = size };
  ClipH264Sequence s = { .known = TRUE };
  const guint profile = clip_bits (&b, 8);
  guint id, order;

  clip_bits (&b, 16); /* constraint flags, level */
  id = clip_bits_ue (&b);
  if (id < CLIP_H264_SETS)
    clip_nal_note_set (self->sets + id, packet, data, size);
  s.baseline = profile == 66;
  if (has_chroma_format (profile)) {
    const guint chroma = clip_bits_ue (&b);

    if (chroma == 3)
      s.planes = clip_bits_1 (&b);
    clip_bits_ue (&b); /* bit depths */
    clip_bits_ue (&b);
    clip_bits_1 (&b);
    if (clip_bits_1 (&b)) {
      for (guint i = 0; i < (chroma == 3 ? 12 : 8); i++)
        if (clip_bits_1 (&b))
          skip_scaling_list (&b, i < 6 ? 16 : 64);
    }
  }
  s.frame_num_bits = clip_bits_ue (&b) + 4;
  order = clip_bits_ue (&b);
  if (order == 0) {
    s.order_bits = clip_bits_ue (&b) + 4;
  } else if (order == 1) {
    guint n;

    clip_bits_1 (&b);
    clip_bits_ue (&b);
    clip_bits_ue (&b);
    n = clip_bits_ue (&b);
    for (guint i = 0; i < n && b.at <= size; i++)
      clip_bits_ue (&b);
  }
  s.references = clip_bits_ue (&b);
  clip_bits_1 (&b);
  clip_bits_ue (&b); /* width, height */
  clip_bits_ue (&b);
  s.frames_only = clip_bits_1 (&b);
  if (id < CLIP_H264_SETS && b.at <= size && s.frame_num_bits <= 16 && s.order_bits <= 16)
    self->sequences[id] = s;
}

static void
take_picture (ClipH264 *self, guint packet, const guint8 *data, gsize size)
{
  ClipBits b = { .data = data, .size = size };
  ClipH264Picture p = { .known = TRUE };
  const guint id = clip_bits_ue (&b), sequence = clip_bits_ue (&b);

  if (id < CLIP_H264_PICTURE_SETS)
    clip_nal_note_set (self->sets + CLIP_H264_SETS + id, packet, data, size);
  clip_bits (&b, 2);
  /* slice groups, which the decoders do not support */
  if (id >= CLIP_H264_PICTURE_SETS || sequence >= CLIP_H264_SETS || clip_bits_ue (&b) > 0)
    return;
  p.sequence = sequence;
  for (guint i = 0; i < 2; i++)
    p.references[i] = clip_bits_ue (&b) + 1;
  if (b.at <= size)
    self->pictures[id] = p;
}

/* packet: 0: the configuration */
static void
take_set (ClipH264 *self, guint packet, const guint8 *unit, gsize size)
{
  if ((unit[0] & 31) == 7)
    take_sequence (self, packet, unit + 1, size - 1);
  else if ((unit[0] & 31) == 8)
    take_picture (self, packet, unit + 1, size - 1);
}

/* ISO 14496-15 5.3.3.1. */
void
clip_h264_configure (ClipH264 *self, const guint8 *data, gsize size)
{
  gsize at = 5;

  memset (self->sets, 0, sizeof self->sets);
  for (guint pass = 0; pass < 2 && at < size; pass++) {
    guint n = pass == 0 ? data[at] & 31 : data[at];

    for (at++; n > 0 && at + 2 < size; n--) {
      const gsize length = data[at] << 8 | data[at + 1];

      at += 2;
      take_set (self, 0, data + at, MIN (MAX (length, 1), size - at));
      at += MIN (length, size - at);
    }
  }
}

/* Pictures */

/* Fields of a slice header, 7.3.3. */
typedef struct {
  gboolean intra;
  /* not known: its parameter sets are missing, and so is the rest. A copy, as a later NAL unit of
   * the same packet may replace the set */
  ClipH264Sequence sequence;
  gboolean field, bottom;
  guint frame_num;
  gboolean ordered; /* it has a pic_order_cnt_lsb: `order` */
  guint order;
} Slice;

/* idr: the NAL unit is of an IDR picture */
static Slice
parse_slice (const ClipH264 *self, gboolean idr, const guint8 *data, gsize size)
{
  ClipBits b = { .data = data, .size = MIN (size, HEADER_BYTES) };
  Slice slice = { 0 };
  guint kind, id;

  clip_bits_ue (&b); /* first_mb_in_slice */
  kind = clip_bits_ue (&b) % 5;
  slice.intra = kind == 2 || kind == 4;
  id = clip_bits_ue (&b);
  if (id >= CLIP_H264_PICTURE_SETS || !self->pictures[id].known
      || !self->sequences[self->pictures[id].sequence].known)
    return slice;
  slice.sequence = self->sequences[self->pictures[id].sequence];
  if (slice.sequence.planes)
    clip_bits (&b, 2);
  slice.frame_num = clip_bits (&b, slice.sequence.frame_num_bits);
  if (!slice.sequence.frames_only)
    slice.field = clip_bits_1 (&b);
  if (slice.field)
    slice.bottom = clip_bits_1 (&b);
  if (idr)
    clip_bits_ue (&b);
  slice.order = clip_bits (&b, slice.sequence.order_bits);
  slice.ordered = slice.sequence.order_bits > 0 && b.at <= b.size;

  return slice;
}

/* D.1: recovery_frame_cnt of a recovery point SEI message; -1: there is none. */
static gint
recovery_count (const guint8 *sei, gsize size)
{
  ClipBits b = { .data = sei, .size = size };

  while (b.at + 2 < size) {
    guint type = 0, length = 0, value;

    do
      type += value = clip_bits (&b, 8);
    while (value == 255 && b.at < size);
    do
      length += value = clip_bits (&b, 8);
    while (value == 255 && b.at < size);
    if (type == 6) {
      const guint count = clip_bits_ue (&b);

      return MIN (count, G_MAXUINT16);
    }
    while (length-- > 0 && b.at < size)
      clip_bits (&b, 8);
  }

  return -1;
}

/* An unmarked I picture counts as a recovery point if so few reference frames are in use that
 * hardly any later picture can refer to one before it. */
static gboolean
seems_recovered (const ClipH264 *self, const Slice *slice)
{
  guint most[2] = { 0, 0 };

  if (!slice->intra)
    return FALSE;
  for (guint i = 0; i < CLIP_H264_PICTURE_SETS; i++)
    for (guint k = 0; k < 2 && self->pictures[i].known; k++)
      most[k] = MAX (most[k], self->pictures[i].references[k]);

  return (self->references <= 2 || (most[0] <= 2 && most[1] <= 1 && !slice->sequence.baseline)
             || (most[0] <= 1u + slice->field && most[1] <= 1))
      && most[0] <= 2u + slice->field + (self->marked ? 0 : 2);
}

/* Whether the frame is correct whatever precedes it: RECOVERED or INTRA. count: from
 * recovery_count(). */
static guint
recovers (ClipH264 *self, const Slice *slice, gboolean reset, gboolean used, gint count)
{
  const guint mask = (1u << slice->sequence.frame_num_bits) - 1;
  const guint most = slice->sequence.references;
  gboolean point;

  if (count >= 0) {
    /* some encoders write one before every I picture, with its frame_num as the count */
    if (slice->frame_num != (guint) count || !slice->intra)
      self->ordinary = TRUE;
    if (self->recovery == 0 || ((self->recovery - 1 - slice->frame_num) & mask) > (guint) count)
      self->recovery = 1 + ((slice->frame_num + (self->ordinary ? count : 0)) & mask);
  }
  self->marked |= reset || count >= 0;
  point = reset || (used && self->recovery == 1 + slice->frame_num);
  if (point)
    self->recovery = 0;
  if (!used)
    return 0;
  /* if the first picture is not an IDR picture, the decoder makes up the frames that its
   * frame_num implies */
  if (reset)
    self->references = 0;
  else if (self->references == 0)
    self->references = MIN (slice->frame_num, most);
  self->references = MAX (MIN (self->references + 1, most), 1);

  if (point)
    return CLIP_PACKET_RECOVERED;

  return seems_recovered (self, slice) ? CLIP_PACKET_INTRA : 0;
}

/* 8.2.1.1: whether a picture is presented before the one that precedes it. */
static gboolean
is_backward (ClipH264 *self, const Slice *slice, gboolean reset)
{
  const guint before = self->order;
  const gboolean follows = self->ordered && slice->ordered && !reset;

  self->order = slice->order;
  self->ordered = slice->ordered;

  return follows && clip_nal_is_backward (slice->order, before, slice->sequence.order_bits);
}

guint
clip_h264_parse (ClipH264 *self, guint length_size, const guint8 *data, gsize size)
{
  gboolean intra = TRUE, reset = FALSE, used = FALSE, both = FALSE;
  Slice first = { 0 };
  gint count = -1;
  guint slices = 0, flags = 0;
  const guint8 *unit;
  gsize at = 0, n;

  self->packet++;
  while (clip_nal_next (length_size, data, size, &at, &unit, &n)) {
    const guint type = unit[0] & 31;

    if (type == 6) {
      count = MAX (count, recovery_count (unit + 1, n - 1));
    } else if (type == 1 || type == 2 || type == 5) {
      const Slice slice = parse_slice (self, type == 5, unit + 1, n - 1);

      if (slices++ == 0)
        first = slice;
      reset |= type == 5;
      used |= (unit[0] >> 5 & 3) != 0;
      if (slice.field && slice.bottom != first.bottom)
        both = TRUE;
      else
        intra &= slice.intra;
    } else {
      take_set (self, self->packet, unit, n);
    }
  }
  if (slices == 0)
    return 0;
  if (self->field && first.field && first.bottom != self->bottom
      && first.frame_num == self->frame_num) {
    self->field = FALSE;
    return CLIP_PACKET_HIDDEN | CLIP_PACKET_SECOND | (used ? 0 : CLIP_PACKET_UNUSED);
  }
  self->field = first.field && !both;
  self->bottom = first.bottom;
  self->frame_num = first.frame_num;
  if (reset)
    flags = CLIP_PACKET_START | CLIP_PACKET_RESET;
  else
    flags = (count == 0 && intra ? CLIP_PACKET_START : 0) | (used ? 0 : CLIP_PACKET_UNUSED);
  if (first.sequence.known)
    flags |= recovers (self, &first, reset, used, count)
        | (is_backward (self, &first, reset) ? CLIP_PACKET_BACKWARD : 0);
  else if (flags & CLIP_PACKET_START)
    flags |= CLIP_PACKET_RECOVERED;
  if (clip_nal_lacks_set (self->sets, G_N_ELEMENTS (self->sets), self->packet))
    flags &= ~(CLIP_PACKET_START | CLIP_PACKET_RESET);

  return flags | (self->field ? CLIP_PACKET_FIELD : 0);
}
