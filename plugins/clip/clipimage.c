/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipimage.h"
#include "clipbytes.h"

#include <string.h>

/* JPEG */

/* ITU-T T.81 B.2.2: the chroma sampling of three components, from the first one's factors
 * relative to the others'. NULL: another sampling, or not YCbCr. */
static const gchar *
parse_frame (const guint8 *frame, gsize size)
{
  guint across, down;

  if (size < 15 || frame[5] != 3 || frame[10] != frame[13] || !(frame[10] >> 4) || !(frame[10] & 15)
      || (frame[6] == 'R' && frame[9] == 'G' && frame[12] == 'B'))
    return NULL;
  across = frame[7] >> 4;
  down = frame[7] & 15;
  if (across % (frame[10] >> 4) || down % (frame[10] & 15))
    return NULL;
  switch (across / (frame[10] >> 4) << 4 | down / (frame[10] & 15)) {
    case 0x11:
      return "YCbCr-4:4:4";
    case 0x21:
      return "YCbCr-4:2:2";
    case 0x12:
      return "YCbCr-4:4:0";
    case 0x22:
      return "YCbCr-4:2:0";
    case 0x41:
      return "YCbCr-4:1:1";
    default:
      return NULL;
  }
}

/* Annex B: segments begin with a marker and their length. */
static const gchar *
find_sampling (const guint8 *data, gsize size)
{
  gboolean rgb = FALSE;
  gsize at = 2;

  while (at + 4 <= size && data[at] == 0xff) {
    const guint marker = data[at + 1];
    gsize length;

    if (marker == 0xff) {
      at++;
      continue;
    }
    length = data[at + 2] << 8 | data[at + 3];
    if (marker == 0xda || length < 2 || at + 2 + length > size)
      break;
    /* colour transform in Adobe's segment; 0: none */
    if (marker == 0xee && length >= 14 && !memcmp (data + at + 4, "Adobe", 5))
      rgb = data[at + 15] == 0;
    /* DHT, JPG and DAC are among the SOF markers */
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc)
      return rgb ? NULL : parse_frame (data + at + 4, length - 2);
    at += 2 + length;
  }

  return NULL;
}

/* PNG specification 5.3: a chunk is a length, a type, data and a checksum. acTL precedes the
 * first IDAT. */
static gboolean
is_animated (const guint8 *data, gsize size)
{
  for (gsize at = 8; at + 12 <= size;) {
    const gsize length = clip_read_32_be (data + at);

    if (!memcmp (data + at + 4, "acTL", 4))
      return length >= 4 && at + 12 <= size && clip_read_32_be (data + at + 8) > 1;
    if (!memcmp (data + at + 4, "IDAT", 4) || length > size - at - 12)
      return FALSE;
    at += 12 + length;
  }

  return FALSE;
}

/* PNG specification 11.2.2: after the signature IHDR, with the size, the depth and the colour type,
 * 2: RGB without alpha. */
static gboolean
is_deep_rgb (const guint8 *data, gsize size)
{
  return size > 25 && data[24] == 16 && data[25] == 2;
}

/* JPEG 2000 */

/* ISO/IEC 15444-1 I.5: boxes are a length, a type and data. The first colour specification in
 * the header of a JP2 file; NULL: it is a bare codestream, or of another colour space. */
static const gchar *
find_colorspace (const guint8 *data, gsize size)
{
  static const guint8 signature[] = { 0, 0, 0, 12, 'j', 'P', ' ', ' ', 13, 10, 0x87, 10 };
  gsize at = sizeof signature;

  if (size < at || memcmp (data, signature, at))
    return NULL;
  while (at + 8 <= size) {
    const gsize length = clip_read_32_be (data + at);

    /* the colour specification is inside this one */
    if (!memcmp (data + at + 4, "jp2h", 4)) {
      at += 8;
      continue;
    }
    if (length < 8 || length > size - at)
      break;
    if (!memcmp (data + at + 4, "colr", 4) && length >= 15 && data[at + 8] == 1)
      switch (clip_read_32_be (data + at + 11)) {
        case 16:
          return "sRGB";
        case 17:
          return "GRAY";
        case 18:
          return "sYUV";
        default:
          return NULL;
      }
    at += length;
  }

  return NULL;
}

/* Annex A.5.1: after SOC the SIZ segment, with the profile, the size and its offset, the number of components, and for each
 * its bits and its subsampling */
#define SIZ_PROFILE 6
#define SIZ_SIZE 8
#define SIZ_OFFSET 16
#define SIZ_COMPONENTS 40
#define SIZ_COMPONENT 42

/* The codestream, which a JP2 file or a box may enclose; NULL: it is not complete up to its fourth
 * component. *name: of the caps */
static const guint8 *
find_codestream (const guint8 *data, gsize size, const gchar **name)
{
  static const guint8 start[] = { 0xff, 0x4f, 0xff, 0x51 };
  const gboolean bare = size >= sizeof start && !memcmp (data, start, sizeof start);
  /* a box of the codestream, whose type GStreamer's muxer writes backwards */
  const gboolean box = size >= 8 + sizeof start && !memcmp (data + 8, start, sizeof start);

  *name = bare ? "image/x-jpc" : box ? "image/x-j2c" : "image/jp2";
  for (gsize at = 0; at + SIZ_COMPONENT + 4 * 3 <= size; at++)
    if (!memcmp (data + at, start, sizeof start))
      return data + at;

  return NULL;
}

/* Names what kind of JPEG 2000 it is, and its colours. Decoders take three components of one size
 * for RGB if nothing tells otherwise. */
static GstCaps *
describe_jpeg_2000 (GstCaps *caps, const guint8 *data, gsize size)
{
  static const struct {
    guint8 across, down;
    const gchar *sampling;
  } samplings[] = { { 1, 1, "YCbCr-4:4:4" }, { 2, 1, "YCbCr-4:2:2" }, { 2, 2, "YCbCr-4:2:0" },
    { 4, 1, "YCbCr-4:1:1" }, { 4, 4, "YCbCr-4:1:0" } };
  const gchar *colorspace = find_colorspace (data, size), *sampling = NULL, *name;
  const guint8 *stream = find_codestream (data, size, &name), *second;
  guint n;

  if (!stream)
    return caps;
  n = stream[SIZ_COMPONENTS] << 8 | stream[SIZ_COMPONENTS + 1];
  second = stream + SIZ_COMPONENT + 3;
  if (!colorspace)
    colorspace = n < 3 ? "GRAY" : second[1] == 1 && second[2] == 1 ? "sRGB" : "sYUV";
  if (n == 1)
    sampling = "GRAYSCALE";
  else if (!strcmp (colorspace, "sRGB"))
    sampling = n == 3 ? "RGB" : n == 4 ? "RGBA" : NULL;
  else if (n == 4 && second[1] == 1 && second[2] == 1)
    sampling = "YCbCrA-4:4:4:4";
  for (guint i = 0; i < G_N_ELEMENTS (samplings) && n == 3 && !sampling; i++)
    if (second[1] == samplings[i].across && second[2] == samplings[i].down)
      sampling = samplings[i].sampling;
  caps = gst_caps_make_writable (caps);
  gst_structure_set_name (gst_caps_get_structure (caps, 0), name);
  gst_caps_set_simple (caps, "colorspace", G_TYPE_STRING, colorspace, "width", G_TYPE_INT,
      (gint) (clip_read_32_be (stream + SIZ_SIZE) - clip_read_32_be (stream + SIZ_OFFSET)),
      "height", G_TYPE_INT,
      (gint) (clip_read_32_be (stream + SIZ_SIZE + 4) - clip_read_32_be (stream + SIZ_OFFSET + 4)),
      NULL);
  if (sampling)
    gst_caps_set_simple (caps, "sampling", G_TYPE_STRING, sampling, NULL);
  if (stream[SIZ_PROFILE] == 0 && (stream[SIZ_PROFILE + 1] == 3 || stream[SIZ_PROFILE + 1] == 4))
    gst_caps_set_simple (caps, CLIP_IMAGE_CINEMA, G_TYPE_BOOLEAN, TRUE, NULL);

  return caps;
}

gboolean
clip_image_is_jpeg_2000 (const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);

  return gst_structure_has_name (s, "image/x-j2c") || gst_structure_has_name (s, "image/x-jpc")
      || gst_structure_has_name (s, "image/jp2");
}

GstCaps *
clip_image_frame (GstCaps *caps)
{
  if (!gst_structure_has_name (gst_caps_get_structure (caps, 0), "image/jpeg"))
    return caps;
  caps = gst_caps_make_writable (caps);
  gst_caps_set_simple (caps, "parsed", G_TYPE_BOOLEAN, TRUE, NULL);

  return caps;
}

GstCaps *
clip_image_describe (GstCaps *caps, GstBuffer *picture)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const gboolean jpeg =
      gst_structure_has_name (s, "image/jpeg") && !gst_structure_has_field (s, "sampling");
  const gboolean png = gst_structure_has_name (s, "image/png");
  const gchar *sampling;
  GstMapInfo map;

  if ((!jpeg && !png && !clip_image_is_jpeg_2000 (caps))
      || !gst_buffer_map (picture, &map, GST_MAP_READ))
    return caps;
  if (!jpeg && !png) {
    caps = describe_jpeg_2000 (caps, map.data, map.size);
    gst_buffer_unmap (picture, &map);
    return caps;
  }
  sampling = jpeg ? find_sampling (map.data, map.size) : NULL;
  caps = gst_caps_make_writable (caps);
  if (sampling)
    gst_caps_set_simple (caps, "sampling", G_TYPE_STRING, sampling, NULL);
  if (png && is_animated (map.data, map.size))
    gst_caps_set_simple (caps, CLIP_IMAGE_ANIMATED, G_TYPE_BOOLEAN, TRUE, NULL);
  if (png && is_deep_rgb (map.data, map.size))
    gst_caps_set_simple (caps, CLIP_IMAGE_SHIFTED, G_TYPE_BOOLEAN, TRUE, NULL);
  gst_buffer_unmap (picture, &map);

  return caps;
}

gchar *
clip_image_fault (GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);

  if (gst_structure_has_field (s, CLIP_IMAGE_ANIMATED))
    return g_strdup ("it is an animated picture, of which GStreamer decodes the first frame only; "
                     "convert it: ffmpeg -i FILE -c:v ffv1 FILE.mkv");
  if (gst_structure_has_field (s, CLIP_IMAGE_CINEMA))
    return g_strdup (
        "its colours are XYZ, as in cinemas, for which GStreamer has no format; convert it: ffmpeg "
        "-i FILE -c:v ffv1 -pix_fmt gbrp10 FILE.mkv");
  if (gst_structure_has_field (s, CLIP_IMAGE_SHIFTED))
    return g_strdup (
        "it is PNG with 16 bits a component and no alpha, which GStreamer's decoder shows in "
        "wrong colours; convert it: ffmpeg -i FILE -c:v ffv1 -pix_fmt gbrp FILE.mkv");

  return NULL;
}

/* Decoders */

const gchar *
clip_image_chroma (const GstCaps *caps)
{
  const GstStructure *s = gst_caps_get_structure (caps, 0);
  const gchar *sampling = gst_structure_get_string (s, "sampling");

  if (sampling && g_str_has_prefix (sampling, "YCbCr-"))
    return sampling + strlen ("YCbCr-");

  return gst_structure_get_string (s, "chroma-format");
}

static gboolean
has_format (const GstCaps *caps, const gchar *format)
{
  GValue wanted = G_VALUE_INIT;
  gboolean has = FALSE;

  g_value_init (&wanted, G_TYPE_STRING);
  g_value_set_string (&wanted, format);
  for (guint i = 0; i < gst_caps_get_size (caps) && !has; i++) {
    const GValue *formats = gst_structure_get_value (gst_caps_get_structure (caps, i), "format");

    has = !formats || gst_value_intersect (NULL, formats, &wanted);
  }
  g_value_unset (&wanted);

  return has;
}

gboolean
clip_image_keeps_chroma (GstElementFactory *decoder, const gchar *chroma)
{
  const gchar *format = !g_strcmp0 (chroma, "4:4:4") ? "Y444"
      : !g_strcmp0 (chroma, "4:2:2")                 ? "Y42B"
                                                     : NULL;
  const GList *t = gst_element_factory_get_static_pad_templates (decoder);

  for (; t && format; t = t->next) {
    GstStaticPadTemplate *template = t->data;

    if (template->direction == GST_PAD_SRC) {
      GstCaps *caps = gst_static_pad_template_get_caps (template);
      const gboolean has = has_format (caps, format);

      gst_caps_unref (caps);
      return has;
    }
  }

  return TRUE;
}
