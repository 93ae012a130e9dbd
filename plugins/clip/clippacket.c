/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clippacket.h"

#include <string.h>

/* Bits, most significant first, with emulation prevention taken out */

typedef struct
{
  const guint8 *data;
  gsize size, at;
  guint zeros;                  /* bytes of 0 before `at` */
  guint8 byte;
  guint left;                   /* bits of it */
} Bits;

static guint
bit (Bits * b)
{
  if (b->left == 0) {
    if (b->at < b->size && b->zeros >= 2 && b->data[b->at] == 3) {
      b->at++;
      b->zeros = 0;
    }
    b->byte = b->at < b->size ? b->data[b->at] : 0;
    b->at++;
    b->zeros = b->byte ? 0 : b->zeros + 1;
    b->left = 8;
  }

  return b->byte >> --b->left & 1;
}

static guint
bits (Bits * b, guint n)
{
  guint value = 0;

  while (n-- > 0)
    value = value << 1 | bit (b);

  return value;
}

/* ITU-T H.264 9.1: ue(v). */
static guint
exp_golomb (Bits * b)
{
  guint zeros = 0;

  while (zeros < 31 && b->at <= b->size && !bit (b))
    zeros++;

  return (1u << zeros) - 1 + bits (b, zeros);
}

/* NAL units */

/* The next unit; FALSE: no more. *at goes on. */
static gboolean
next_unit (const ClipPacketFormat * format, const guint8 * data, gsize size,
    gsize * at, const guint8 ** unit, gsize * unit_size)
{
  gsize length = 0, end;

  if (format->length_size) {
    if (size - *at < format->length_size)
      return FALSE;
    for (guint i = 0; i < format->length_size; i++)
      length = length << 8 | data[(*at)++];
    *unit = data + *at;
    *unit_size = MIN (length, size - *at);
    *at += *unit_size;
    return *unit_size > 0;
  }
  for (;; (*at)++) {
    if (size - *at < 4)
      return FALSE;
    if (data[*at] == 0 && data[*at + 1] == 0 && data[*at + 2] == 1)
      break;
  }
  *at += 3;
  for (end = *at; end + 3 <= size; end++)
    if (data[end] == 0 && data[end + 1] == 0 && data[end + 2] <= 1)
      break;
  if (end + 3 > size)
    end = size;
  *unit = data + *at;
  *unit_size = end - *at;
  *at = end;

  return TRUE;
}

/* ITU-T H.264 D.1: is there a recovery point whose frames are right at once? */
static gboolean
recovers_at_once (const guint8 * sei, gsize size)
{
  Bits b = {.data = sei,.size = size };

  while (b.at + 2 < size) {
    guint type = 0, length = 0, value;

    do
      type += value = bits (&b, 8);
    while (value == 255 && b.at < size);
    do
      length += value = bits (&b, 8);
    while (value == 255 && b.at < size);
    if (type == 6)
      return exp_golomb (&b) == 0;
    while (length-- > 0 && b.at < size)
      bits (&b, 8);
  }

  return FALSE;
}

/* ITU-T H.264 7.3: types of NAL units and slices. */
static ClipPacketFlags
parse_h264 (const ClipPacketFormat * format, const guint8 * data, gsize size)
{
  gboolean recovers = FALSE, intra = TRUE, reset = FALSE, used = FALSE;
  guint slices = 0;
  const guint8 *unit;
  gsize at = 0, n;

  while (next_unit (format, data, size, &at, &unit, &n)) {
    const guint type = unit[0] & 31;

    if (type == 6) {
      recovers |= recovers_at_once (unit + 1, n - 1);
    } else if (type == 1 || type == 2 || type == 5) {
      Bits b = {.data = unit + 1,.size = MIN (n - 1, 32) };
      guint kind;

      exp_golomb (&b);          /* first_mb_in_slice */
      kind = exp_golomb (&b) % 5;
      intra &= kind == 2 || kind == 4;
      reset |= type == 5;
      used |= (unit[0] >> 5 & 3) != 0;
      slices++;
    }
  }
  if (slices == 0)
    return 0;
  if (reset)
    return CLIP_PACKET_START | CLIP_PACKET_RESET;

  return (recovers && intra ? CLIP_PACKET_START : 0)
      | (used ? 0 : CLIP_PACKET_UNUSED);
}

/* ITU-T H.265 7.4.2.2: 16 to 20 are BLA and IDR, 21 is CRA; even ones below 16
 * are not used within their temporal layer; 8 and 9 are RASL. */
static ClipPacketFlags
parse_h265 (const ClipPacketFormat * format, const guint8 * data, gsize size,
    guint * layer)
{
  const guint8 *unit;
  gsize at = 0, n;

  while (next_unit (format, data, size, &at, &unit, &n)) {
    const guint type = unit[0] >> 1 & 63;

    if (type > 31 || n < 2)
      continue;
    *layer = (unit[1] & 7) > 0 ? (unit[1] & 7) - 1 : 0;
    if (type >= 16 && type <= 20)
      return CLIP_PACKET_START | CLIP_PACKET_RESET;
    if (type == 21)
      return CLIP_PACKET_START;
    return (type < 16 && type % 2 == 0 ? CLIP_PACKET_UNUSED : 0)
        | (type == 8 || type == 9 ? CLIP_PACKET_LEADING : 0);
  }

  return 0;
}

/* MPEG video: start codes */

/* The bytes behind the first start code `code`, at least n; NULL: none. */
static const guint8 *
find_code (const guint8 * data, gsize size, guint8 code, gsize n)
{
  for (gsize i = 0; i + 4 + n <= size; i++)
    if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1
        && data[i + 3] == code)
      return data + i + 4;

  return NULL;
}

/* ISO 13818-2 6.2.3: ten bits of temporal reference, three of coding type. */
static ClipPacketFlags
parse_mpeg2 (const guint8 * data, gsize size)
{
  const guint8 *picture = find_code (data, size, 0x00, 2);

  switch (picture ? picture[1] >> 3 & 7 : 0) {
    case 1:
      return CLIP_PACKET_START;
    case 3:
      return CLIP_PACKET_UNUSED | CLIP_PACKET_BACKWARD;
    default:
      return 0;
  }
}

/* ISO 14496-2 6.2.5: two bits of coding type. DivX packs a B picture behind the
 * picture that it needs; the next packet then gives that one's, and has a picture of
 * its own, or in a few bytes none. */
static ClipPacketFlags
parse_mpeg4 (ClipPacketFormat * format, const guint8 * data, gsize size)
{
  const guint8 *picture = find_code (data, size, 0xb6, 1);
  const gsize left = picture ? size - (picture - data) : 0;
  const guint type = picture ? picture[0] >> 6 : 1;
  const gboolean none = !picture || (type == 1 && left <= 4);
  const gboolean packed = format->packed;

  format->packed = (picture && find_code (picture, left, 0xb6, 1))
      || (packed && !none);
  if (packed)
    return CLIP_PACKET_BACKWARD;
  if (none)
    return CLIP_PACKET_HIDDEN;
  switch (type) {
    case 0:
      return CLIP_PACKET_START;
    case 2:
      return CLIP_PACKET_UNUSED | CLIP_PACKET_BACKWARD;
    default:
      return 0;
  }
}

/* VP8, VP9 */

/* RFC 6386 9.1. */
static ClipPacketFlags
parse_vp8 (const guint8 * data, gsize size)
{
  if (size < 3)
    return CLIP_PACKET_HIDDEN;

  return (data[0] & 1 ? 0 : CLIP_PACKET_START | CLIP_PACKET_RESET)
      | (data[0] & 16 ? 0 : CLIP_PACKET_HIDDEN);
}

/* VP9 bitstream specification 6.2 and, for superframes, annex B. */
static ClipPacketFlags
parse_vp9 (const guint8 * data, gsize size)
{
  Bits b = {.data = data,.size = MIN (size, 3) };
  gboolean superframe, existing, key, shown;
  guint profile;

  if (size == 0 || bits (&b, 2) != 2)
    return 0;
  superframe = (data[size - 1] & 0xe0) == 0xc0;
  profile = bit (&b);
  profile |= bit (&b) << 1;
  if (profile == 3)
    bit (&b);
  existing = bit (&b);
  key = !existing && !bit (&b);
  shown = existing || bit (&b) || superframe;

  return (key ? CLIP_PACKET_START | CLIP_PACKET_RESET : 0)
      | (shown ? 0 : CLIP_PACKET_HIDDEN);
}

/* Which */

static ClipCodec
codec_of (const GstStructure * s)
{
  static const struct
  {
    const gchar *name;
    ClipCodec codec;
  } names[] = {
    {"video/x-h264", CLIP_CODEC_H264},
    {"video/x-h265", CLIP_CODEC_H265},
    {"video/x-vp8", CLIP_CODEC_VP8},
    {"video/x-vp9", CLIP_CODEC_VP9},
    {"video/x-xvid", CLIP_CODEC_MPEG4},
    {"video/x-av1", CLIP_CODEC_REORDERED},
    {"video/x-wmv", CLIP_CODEC_REORDERED},
    {"video/x-pn-realvideo", CLIP_CODEC_REORDERED},
    {"video/x-dirac", CLIP_CODEC_REORDERED},
    {"video/x-cavs", CLIP_CODEC_REORDERED},
    {"video/x-raw", CLIP_CODEC_INTRA},
    {"video/x-prores", CLIP_CODEC_INTRA},
    {"video/x-dnxhd", CLIP_CODEC_INTRA},
    {"video/x-dv", CLIP_CODEC_INTRA},
    {"image/gst-libav-gif", CLIP_CODEC_GIF},
    {"image/jpeg", CLIP_CODEC_INTRA},
    {"image/png", CLIP_CODEC_INTRA},
  };
  const gchar *name = gst_structure_get_name (s);
  gint version = 0;

  gst_structure_get_int (s, "mpegversion", &version);
  if (strcmp (name, "video/mpeg") == 0)
    return version == 4 ? CLIP_CODEC_MPEG4 : CLIP_CODEC_MPEG2;
  gst_structure_get_int (s, "divxversion", &version);
  if (strcmp (name, "video/x-divx") == 0)
    return version >= 4 ? CLIP_CODEC_MPEG4 : CLIP_CODEC_OTHER;
  /* 7 and 8 know no B pictures */
  gst_structure_get_int (s, "wmvversion", &version);
  if (strcmp (name, "video/x-wmv") == 0 && version > 0 && version < 3)
    return CLIP_CODEC_OTHER;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i].name) == 0)
      return names[i].codec;

  return CLIP_CODEC_OTHER;
}

void
clip_packet_format_init (ClipPacketFormat * format, const GstCaps * caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const GValue *value = gst_structure_get_value (s, "codec_data");
  const gchar *stream = gst_structure_get_string (s, "stream-format");
  /* where the configuration records keep the lengths' size */
  gsize at;
  guint8 byte;

  format->codec = codec_of (s);
  format->length_size = 0;
  format->packed = FALSE;
  at = format->codec == CLIP_CODEC_H264 ? 4 : 21;
  if ((format->codec == CLIP_CODEC_H264 || format->codec == CLIP_CODEC_H265)
      && g_strcmp0 (stream, "byte-stream") != 0)
    format->length_size = value && GST_VALUE_HOLDS_BUFFER (value)
        && gst_buffer_extract (gst_value_get_buffer (value), at, &byte, 1) == 1
        ? (byte & 3) + 1 : 4;
}

ClipPacketFlags
clip_packet_parse (ClipPacketFormat * format, const guint8 * data,
    gsize size, gboolean key, guint * layer)
{
  *layer = 0;
  switch (format->codec) {
    case CLIP_CODEC_INTRA:
      return CLIP_PACKET_START | CLIP_PACKET_RESET | CLIP_PACKET_UNUSED;
    case CLIP_CODEC_H264:
      return parse_h264 (format, data, size);
    case CLIP_CODEC_H265:
      return parse_h265 (format, data, size, layer);
    case CLIP_CODEC_MPEG2:
      return parse_mpeg2 (data, size);
    case CLIP_CODEC_MPEG4:
      return parse_mpeg4 (format, data, size);
    case CLIP_CODEC_VP8:
      return parse_vp8 (data, size);
    case CLIP_CODEC_VP9:
      return parse_vp9 (data, size);
    default:
      return key ? CLIP_PACKET_START : 0;
  }
}
