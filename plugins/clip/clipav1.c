/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipav1.h"
#include "clipnal.h"

#define OBU_SEQUENCE 1
/* Bytes of an AV1CodecConfigurationRecord before its OBUs */
#define RECORD_BYTES 4

/* leb128(), AV1 bitstream specification 4.10.5. FALSE: the data is truncated. */
static gboolean
read_size (const guint8 *data, gsize size, gsize *at, gsize *value)
{
  *value = 0;
  for (guint i = 0; i < 8 && *at < size; i++) {
    const guint8 byte = data[(*at)++];

    *value |= (gsize) (byte & 127) << 7 * i;
    if (!(byte & 128))
      return TRUE;
  }

  return FALSE;
}

/* 5.3: the first OBU of this type. */
static const guint8 *
find_unit (const guint8 *data, gsize size, guint type, gsize *unit_size)
{
  for (gsize at = 0; at < size;) {
    const guint8 header = data[at];

    at += header & 4 ? 2 : 1;
    *unit_size = size > at ? size - at : 0;
    if (header & 2 && (!read_size (data, size, &at, unit_size) || *unit_size > size - at))
      return NULL;
    if (*unit_size > 0 && (header >> 3 & 15) == type)
      return data + at;
    at += *unit_size;
  }

  return NULL;
}

/* 5.5.1: timing_info() and decoder_model_info(). *delay_bits is 0 without a decoder model. */
static void
skip_timing (ClipBits *b, guint *delay_bits)
{
  guint zeros = 0;

  *delay_bits = 0;
  if (!clip_bits_1 (b))
    return;
  clip_bits (b, 32);
  clip_bits (b, 32);
  if (clip_bits_1 (b)) {
    while (zeros < 32 && b->at <= b->size && !clip_bits_1 (b))
      zeros++;
    clip_bits (b, zeros);
  }
  if (clip_bits_1 (b)) {
    *delay_bits = clip_bits (b, 5) + 1;
    clip_bits (b, 32);
    clip_bits (b, 10);
  }
}

static void
skip_operating_points (ClipBits *b, guint delay_bits)
{
  const gboolean delays = clip_bits_1 (b);

  for (guint n = clip_bits (b, 5) + 1; n > 0; n--) {
    clip_bits (b, 12);
    if (clip_bits (b, 5) > 7)
      clip_bits_1 (b);
    if (delay_bits && clip_bits_1 (b)) {
      clip_bits (b, delay_bits);
      clip_bits (b, delay_bits);
      clip_bits_1 (b);
    }
    if (delays && clip_bits_1 (b))
      clip_bits (b, 4);
  }
}

static void
skip_tools (ClipBits *b)
{
  gboolean order;

  clip_bits (b, 4); /* enable_interintra_compound to enable_dual_filter */
  order = clip_bits_1 (b);
  if (order)
    clip_bits (b, 2);
  /* screen content tools, and integer motion vectors for them */
  if ((clip_bits_1 (b) || clip_bits_1 (b)) && !clip_bits_1 (b))
    clip_bits_1 (b);
  if (order)
    clip_bits (b, 3);
}

/* sequence_header_obu() and color_config(): 5.5.1 and 5.5.2. */
static gboolean
is_full_range (const guint8 *data, gsize size)
{
  ClipBits b = { .data = data, .size = size, .plain = TRUE };
  const guint profile = clip_bits (&b, 3);
  guint delay_bits, width_bits, height_bits, description = 0;
  gboolean reduced, high, gray = FALSE;

  clip_bits_1 (&b);
  reduced = clip_bits_1 (&b);
  if (reduced) {
    clip_bits (&b, 5);
  } else {
    skip_timing (&b, &delay_bits);
    skip_operating_points (&b, delay_bits);
  }
  width_bits = clip_bits (&b, 4) + 1;
  height_bits = clip_bits (&b, 4) + 1;
  clip_bits (&b, width_bits);
  clip_bits (&b, height_bits);
  if (!reduced && clip_bits_1 (&b))
    clip_bits (&b, 7); /* lengths of frame IDs */
  clip_bits (&b, 3);
  if (!reduced)
    skip_tools (&b);
  clip_bits (&b, 3);
  high = clip_bits_1 (&b);
  if (profile == 2 && high)
    clip_bits_1 (&b);
  if (profile != 1)
    gray = clip_bits_1 (&b);
  if (clip_bits_1 (&b))
    description = clip_bits (&b, 24);

  /* sRGB implies full range and has no color_range */
  return (!gray && description == 0x010d00) || clip_bits_1 (&b);
}

static gboolean
find_range (GstBuffer *buffer, gsize before, gboolean *full)
{
  const guint8 *unit = NULL;
  gsize size;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return FALSE;
  if (map.size > before)
    unit = find_unit (map.data + before, map.size - before, OBU_SEQUENCE, &size);
  if (unit)
    *full = is_full_range (unit, size);
  gst_buffer_unmap (buffer, &map);

  return unit != NULL;
}

gboolean
clip_av1_range (const GstCaps *caps, GstBuffer *packet, gboolean *full)
{
  const GValue *value = gst_structure_get_value (gst_caps_get_structure (caps, 0), "codec_data");

  return find_range (packet, 0, full)
      || (value && GST_VALUE_HOLDS_BUFFER (value)
          && find_range (gst_value_get_buffer (value), RECORD_BYTES, full));
}
