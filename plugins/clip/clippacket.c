/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clippacket.h"

#include <string.h>

/* MPEG video: start codes */

/* The bytes after the first start code in `code` to `last`, at least n of them; NULL: there is
 * none. */
static const guint8 *
find_codes (const guint8 *data, gsize size, guint8 code, guint8 last, gsize n)
{
  for (gsize i = 0; i + 4 + n <= size; i++)
    if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1 && data[i + 3] >= code
        && data[i + 3] <= last)
      return data + i + 4;

  return NULL;
}

static const guint8 *
find_code (const guint8 *data, gsize size, guint8 code, gsize n)
{
  return find_codes (data, size, code, code, n);
}

/* ISO 13818-2 6.2.3 and 6.2.3.1: picture_structure is 1 or 2 for a field. FALSE: the picture is
 * a frame. *second: coding type of the second field, if it is in the same packet; otherwise 0 */
static gboolean
is_field (const guint8 *picture, gsize size, guint *second)
{
  const guint8 *extension = find_code (picture, size, 0xb5, 5), *other;

  /* sequence extensions precede the picture */
  if (!extension || extension[0] >> 4 != 8 || (extension[2] & 3) == 3 || (extension[2] & 3) == 0
      || extension[4] & 0x80)
    return FALSE;
  other = find_code (extension, size - (extension - picture), 0x00, 2);
  if (other)
    *second = other[1] >> 3 & 7;

  return TRUE;
}

/* Counts a reference picture, up to 2. For one that is not intra, the decoder makes up a missing
 * reference, which also counts. */
static void
count_reference (guint *references, gboolean intra)
{
  *references = MIN (*references + (intra ? 1 : 2), 2);
}

/* ISO 13818-2 6.2.3: ten bits of temporal reference, three of coding type. As in libavcodec, a
 * picture with a missing reference is hidden, unless a closed group of pictures declares that it
 * does not need it. */
static ClipPacketFlags
parse_mpeg2 (ClipMpeg2 *self, const guint8 *data, gsize size)
{
  const guint8 *picture = find_code (data, size, 0x00, 2);
  const gsize before = picture ? (gsize) (picture - data) : size;
  const guint8 *group = find_code (data, before, 0xb8, 4);
  const guint type = picture ? picture[1] >> 3 & 7 : 0;
  ClipPacketFlags flags = 0;
  guint second = 0;
  gboolean field;

  if (group) {
    self->closed = (group[3] & 0x40) != 0;
    self->field = FALSE;
  }
  self->begun |= group || type == 1 || find_code (data, before, 0xb3, 4);
  if (!picture)
    return 0;
  field = is_field (picture, size - before, &second);
  if (field && !second && self->field) {
    self->field = FALSE;
    if (type == 2)
      count_reference (&self->references, FALSE);
    return CLIP_PACKET_HIDDEN | CLIP_PACKET_SECOND | (type == 3 ? CLIP_PACKET_UNUSED : 0);
  }
  self->field = field && !second;
  if (self->field)
    flags = CLIP_PACKET_FIELD;
  if (type == 3)
    return flags | CLIP_PACKET_UNUSED | CLIP_PACKET_BACKWARD
        | (self->references < 2 && !self->closed ? CLIP_PACKET_HIDDEN | CLIP_PACKET_LEADING : 0);
  if (type != 1 && self->references == 0 && !self->begun)
    return flags | CLIP_PACKET_HIDDEN;
  count_reference (&self->references, type == 1);
  if (second == 2)
    count_reference (&self->references, FALSE);

  return flags | (type == 1 ? CLIP_PACKET_START : 0);
}

void
clip_packet_close_group (guint8 *data, gsize size)
{
  const guint8 *picture = find_code (data, size, 0x00, 0);
  const gsize before = picture ? (gsize) (picture - data) : size;
  const guint8 *group = find_code (data, before, 0xb8, 4);

  if (group)
    data[group - data + 3] |= 0x40;
}

/* Bytes before the next start code. */
static gsize
count_to_code (const guint8 *data, gsize size)
{
  for (gsize i = 0; i + 3 <= size; i++)
    if (data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1)
      return i;

  return size;
}

/* ISO 14496-2 6.2.3, up to vop_time_increment_resolution. */
static void
read_layer (ClipPacketFormat *format, const guint8 *data, gsize size)
{
  const guint8 *layer = find_codes (data, size, 0x20, 0x2f, 1);
  ClipBits b = { .data = layer, .size = layer ? size - (layer - data) : 0, .plain = TRUE };
  guint version = 1, shape, resolution;

  if (!layer)
    return;
  clip_nal_note_set (&format->header, format->packet, layer, count_to_code (layer, b.size));
  clip_bits (&b, 9);
  if (clip_bits_1 (&b)) {
    version = clip_bits (&b, 4);
    clip_bits (&b, 3);
  }
  /* extended_PAR */
  if (clip_bits (&b, 4) == 15)
    clip_bits (&b, 16);
  if (clip_bits_1 (&b)) {
    clip_bits (&b, 3);
    /* vbv_parameters */
    if (clip_bits_1 (&b))
      for (guint i = 0; i < 79; i++)
        clip_bits_1 (&b);
  }
  shape = clip_bits (&b, 2);
  if (shape == 3 && version != 1)
    clip_bits (&b, 4);
  clip_bits_1 (&b);
  resolution = clip_bits (&b, 16);
  if (resolution > 0)
    format->time_bits = g_bit_storage (resolution - 1);
}

/* vop_coded: ISO 14496-2 6.2.5. size: bytes from the coding type on */
static gboolean
is_coded (const ClipPacketFormat *format, const guint8 *picture, gsize size)
{
  ClipBits b = { .data = picture, .size = size, .plain = TRUE };
  const guint type = clip_bits (&b, 2);

  while (clip_bits_1 (&b))
    ;
  clip_bits_1 (&b);
  clip_bits (&b, format->time_bits);
  /* without the marker bit the header was another layer's. I and P pictures are never as short,
   * but B pictures of a static scene are */
  if (format->time_bits == 0 || !clip_bits_1 (&b))
    return size > 4 || type == 2;

  return clip_bits_1 (&b);
}

/* ISO 14496-2 6.2.5: two bits of coding type. In DivX's packed bitstream a B picture follows the
 * reference that it needs in the same packet. The next packet then represents the B picture; it
 * contains another picture, or one that is not coded. The latter is hidden, as is a B picture
 * that lacks a reference. */
static ClipPacketFlags
parse_mpeg4 (ClipPacketFormat *format, const guint8 *data, gsize size)
{
  const guint8 *picture = find_code (data, size, 0xb6, 1);
  const gsize left = picture ? size - (picture - data) : 0;
  const guint type = picture ? picture[0] >> 6 : 1;
  const gboolean packed = format->packed;
  gboolean none;

  format->packet++;
  read_layer (format, data, size - left);
  none = !picture || !is_coded (format, picture, left);
  format->packed = (picture && find_code (picture, left, 0xb6, 1)) || (packed && !none);
  if (packed)
    return CLIP_PACKET_BACKWARD;
  if (none)
    return CLIP_PACKET_HIDDEN;
  if (type == 2)
    return CLIP_PACKET_UNUSED | CLIP_PACKET_BACKWARD
        | (format->references < 2 ? CLIP_PACKET_HIDDEN | CLIP_PACKET_LEADING : 0);
  count_reference (&format->references, type == 0);

  return type == 0 && !clip_nal_lacks_set (&format->header, 1, format->packet) ? CLIP_PACKET_START
                                                                               : 0;
}

/* VP8, VP9 */

/* RFC 6386 9.1. */
static ClipPacketFlags
parse_vp8 (const guint8 *data, gsize size)
{
  if (size < 3)
    return CLIP_PACKET_HIDDEN;

  return (data[0] & 1 ? 0 : CLIP_PACKET_START | CLIP_PACKET_RESET)
      | (data[0] & 16 ? 0 : CLIP_PACKET_HIDDEN);
}

/* VP9 bitstream specification 6.2; annex B for superframes. */
static ClipPacketFlags
parse_vp9 (const guint8 *data, gsize size)
{
  ClipBits b = { .data = data, .size = MIN (size, 3), .plain = TRUE };
  gboolean superframe, existing, key, shown;
  guint profile;

  if (size == 0 || clip_bits (&b, 2) != 2)
    return 0;
  superframe = (data[size - 1] & 0xe0) == 0xc0;
  profile = clip_bits_1 (&b);
  profile |= clip_bits_1 (&b) << 1;
  if (profile == 3)
    clip_bits_1 (&b);
  existing = clip_bits_1 (&b);
  key = !existing && !clip_bits_1 (&b);
  shown = existing || clip_bits_1 (&b) || superframe;

  return (key ? CLIP_PACKET_START | CLIP_PACKET_RESET : 0) | (shown ? 0 : CLIP_PACKET_HIDDEN);
}

/* Theora */

/* Theora specification 6 and 7.1: headers come first, in packets of their own. An empty packet
 * repeats the last frame. */
static ClipPacketFlags
parse_theora (const guint8 *data, gsize size)
{
  if (size == 0)
    return 0;
  if (data[0] & 0x80)
    return CLIP_PACKET_HIDDEN;

  return data[0] & 0x40 ? 0 : CLIP_PACKET_START | CLIP_PACKET_RESET;
}

/* RFC 9043 3.8.1 and 4.4: the first bit that the range coder codes, with equal odds, says whether
 * it is a key frame. matroskademux loses the container's flag where it decompresses packets. */
static ClipPacketFlags
parse_ffv1 (const guint8 *data, gsize size)
{
  return size >= 2 && (data[0] << 8 | data[1]) >= 0xff00 / 2 ? CLIP_PACKET_START | CLIP_PACKET_RESET
                                                             : 0;
}

/* Codecs */

static ClipCodec
codec_of (const GstStructure *s)
{
  static const struct {
    const gchar *name;
    ClipCodec codec;
  } names[] = {
    { "video/x-h264", CLIP_CODEC_H264 },
    { "video/x-h265", CLIP_CODEC_H265 },
    { "video/x-vp8", CLIP_CODEC_VP8 },
    { "video/x-vp9", CLIP_CODEC_VP9 },
    { "video/x-theora", CLIP_CODEC_THEORA },
    { "video/x-ffv", CLIP_CODEC_FFV1 },
    { "video/x-xvid", CLIP_CODEC_MPEG4 },
    { "video/x-av1", CLIP_CODEC_REORDERED },
    { "video/x-wmv", CLIP_CODEC_REORDERED },
    { "video/x-pn-realvideo", CLIP_CODEC_REORDERED },
    { "video/x-dirac", CLIP_CODEC_REORDERED },
    { "video/x-cavs", CLIP_CODEC_REORDERED },
    { "video/x-raw", CLIP_CODEC_INTRA },
    { "video/x-prores", CLIP_CODEC_INTRA },
    { "video/x-dnxhd", CLIP_CODEC_INTRA },
    { "video/x-dv", CLIP_CODEC_INTRA },
    { "image/gst-libav-gif", CLIP_CODEC_GIF },
    { "image/jpeg", CLIP_CODEC_INTRA },
    { "image/png", CLIP_CODEC_INTRA },
  };
  const gchar *name = gst_structure_get_name (s);
  gint version = 0;

  gst_structure_get_int (s, "mpegversion", &version);
  if (strcmp (name, "video/mpeg") == 0)
    return version == 4 ? CLIP_CODEC_MPEG4 : CLIP_CODEC_MPEG2;
  gst_structure_get_int (s, "divxversion", &version);
  if (strcmp (name, "video/x-divx") == 0)
    return version >= 4 ? CLIP_CODEC_MPEG4 : CLIP_CODEC_OTHER;
  /* versions 7 and 8 have no B pictures */
  gst_structure_get_int (s, "wmvversion", &version);
  if (strcmp (name, "video/x-wmv") == 0 && version > 0 && version < 3)
    return CLIP_CODEC_OTHER;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i].name) == 0)
      return names[i].codec;

  return CLIP_CODEC_OTHER;
}

/* The decoder begins anew with another configuration record. */
static void
configure (ClipPacketFormat *format, const guint8 *data, gsize size)
{
  const guint64 hash = clip_nal_hash (data, size);
  const guint packet = format->packet;

  if (hash == format->record)
    return;
  format->record = hash;
  if (format->codec == CLIP_CODEC_H264) {
    clip_h264_configure (&format->h264, data, size);
  } else if (format->codec == CLIP_CODEC_H265) {
    clip_h265_configure (&format->h265, data, size);
  } else {
    format->header = (ClipNalSet) { 0 };
    format->packet = 0;
    read_layer (format, data, size);
    format->packet = packet;
  }
}

void
clip_packet_format_init (ClipPacketFormat *format, const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const GValue *value = gst_structure_get_value (s, "codec_data");
  const gchar *stream = gst_structure_get_string (s, "stream-format");
  GstBuffer *record = value && GST_VALUE_HOLDS_BUFFER (value) ? gst_value_get_buffer (value) : NULL;
  gboolean units;
  guint8 byte;
  GstMapInfo map;

  format->codec = codec_of (s);
  format->length_size = 0;
  format->packed = FALSE;
  units = (format->codec == CLIP_CODEC_H264 || format->codec == CLIP_CODEC_H265)
      && g_strcmp0 (stream, "byte-stream") != 0;
  /* the size of lengths is in the configuration record */
  if (units)
    format->length_size = record
            && gst_buffer_extract (record, format->codec == CLIP_CODEC_H264 ? 4 : 21, &byte, 1) == 1
        ? (byte & 3) + 1
        : 4;
  if ((units || format->codec == CLIP_CODEC_MPEG4) && record
      && gst_buffer_map (record, &map, GST_MAP_READ)) {
    configure (format, map.data, map.size);
    gst_buffer_unmap (record, &map);
  }
}

ClipPacketFlags
clip_packet_parse (
    ClipPacketFormat *format, const guint8 *data, gsize size, gboolean key, guint *layer)
{
  *layer = 0;
  switch (format->codec) {
    case CLIP_CODEC_INTRA:
      return CLIP_PACKET_START | CLIP_PACKET_RESET | CLIP_PACKET_UNUSED;
    case CLIP_CODEC_H264:
      return clip_h264_parse (&format->h264, format->length_size, data, size);
    case CLIP_CODEC_H265:
      return clip_h265_parse (&format->h265, format->length_size, data, size, layer);
    case CLIP_CODEC_MPEG2:
      return parse_mpeg2 (&format->mpeg2, data, size);
    case CLIP_CODEC_MPEG4:
      return parse_mpeg4 (format, data, size);
    case CLIP_CODEC_VP8:
      return parse_vp8 (data, size);
    case CLIP_CODEC_VP9:
      return parse_vp9 (data, size);
    case CLIP_CODEC_THEORA:
      return parse_theora (data, size);
    case CLIP_CODEC_FFV1:
      return parse_ffv1 (data, size);
    default:
      return key ? CLIP_PACKET_START : 0;
  }
}
