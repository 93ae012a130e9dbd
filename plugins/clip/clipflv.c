/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipflv.h"

#include "clipbytes.h"

/* Video File Format Specification 10, annex E.4.1. The demuxer reads a tag's type and size first,
 * then the rest of its header, its data and its size again. */
#define TAG_KIND 4
#define TAG_REST 7
#define TAG_TAIL 4
#define TAG_AUDIO 8
#define TAG_VIDEO 9
/* When it looks for a time, it reads a tag up to the codec */
#define TAG_SCAN 12

/* E.4.3.1: frame type and codec, kind of packet, composition time */
#define HEAD_BYTES 5
#define FIRST_KNOWN 2
#define LAST_KNOWN 9
#define CODEC_SCREEN_2 6
#define CODEC_H264 7
#define CODEC_H265 12
#define KIND_START 0
#define KIND_PICTURE 1

/* E.4.2.1: MP3 of 44.1 kHz and 16 bits, stereo */
#define SOUND_MP3 0x2f

/* Enhanced RTMP v2, "Enhanced Video" */
#define ENHANCED 0x80
#define PACKET_START 0
#define PACKET_PICTURE 1
#define PACKET_PICTURE_NOW 3 /* its composition time is 0 */
#define PACKET_EXTENDED 7    /* data of an extension, then another kind of packet */

#define CODE(a, b, c, d) ((guint32) (a) << 24 | (b) << 16 | (c) << 8 | (d))
#define AVC1 CODE ('a', 'v', 'c', '1')
#define HVC1 CODE ('h', 'v', 'c', '1')

/* Tags */

/* The codec of an enhanced tag's data, its kind of packet, and the bytes up to its picture but for
 * a composition time. 0: it is not complete. */
static guint32
parse_enhanced (const guint8 *data, gsize size, guint *packet, gsize *bytes)
{
  gsize at = 1;

  *packet = data[0] & 15;
  while (*packet == PACKET_EXTENDED) {
    gsize length;

    if (at >= size)
      return 0;
    length = (gsize) data[at++] + 1;
    if (length == 256) {
      if (at + 2 > size)
        return 0;
      length = (gsize) (data[at] << 8 | data[at + 1]) + 1;
      at += 2;
    }
    at += length;
    if (at >= size)
      return 0;
    *packet = data[at++] & 15;
  }
  *bytes = at + 4;

  return *bytes <= size ? clip_read_32_be (data + at) : 0;
}

/* Whatever goes wrong later, it is not due to a codec's number. */
static void
take_known (ClipFlv *self)
{
  self->known = TRUE;
  g_atomic_int_set (&self->unknown, 0);
}

/* E.4.2.1: sound format, in four bits. Enhanced RTMP's 9 and others that the demuxer does not know
 * become MP3: audio is not decoded. */
static void
change_audio (guint8 *data, gsize size)
{
  const guint unknown = 1 << 9 | 1 << 12 | 1 << 13 | 1 << 15;

  if (size > 0 && unknown >> (data[0] >> 4) & 1)
    data[0] = SOUND_MP3;
}

/* Changes the data of a video tag to that of H.264. */
static void
change_video (ClipFlv *self, guint8 *data, gsize size)
{
  static const guint8 now[3] = { 0 };
  const guint8 *later = now;
  guint packet = 0;
  gsize bytes = HEAD_BYTES;
  guint32 codec;

  self->extra = 0;
  self->drops = FALSE;
  if (size < HEAD_BYTES)
    return;
  if (!(data[0] & ENHANCED)) {
    const guint number = data[0] & 15;

    self->codec = number == CODEC_H265 ? HVC1 : 0;
    if (number == CODEC_H265)
      data[0] = (data[0] & 0xf0) | CODEC_H264;
    else if (number < FIRST_KNOWN || number > LAST_KNOWN || number == CODEC_SCREEN_2) {
      if (!self->known)
        g_atomic_int_set (&self->unknown, number + 1);
      return;
    }
    take_known (self);
    return;
  }
  codec = parse_enhanced (data, size, &packet, &bytes);
  self->drops = codec == 0
      || (packet != PACKET_START && packet != PACKET_PICTURE && packet != PACKET_PICTURE_NOW);
  if (!self->drops) {
    self->codec = codec;
    take_known (self);
  }
  if (packet == PACKET_PICTURE && (codec == AVC1 || codec == HVC1) && bytes + 3 <= size) {
    later = data + bytes;
    bytes += 3;
  }
  data[0] = (data[0] & 0x70) | CODEC_H264;
  /* before a configuration the demuxer drops pictures; with another kind, it would add a pad */
  data[1] = !self->drops && packet == PACKET_START ? KIND_START : KIND_PICTURE;
  memmove (data + 2, later, 3);
  /* a configuration may have bytes behind it, but not before */
  if (packet == PACKET_START && !self->drops)
    memmove (data + HEAD_BYTES, data + bytes, size - bytes);
  else if (!self->drops)
    self->extra = bytes - HEAD_BYTES;
}

static GstPadProbeReturn
take_tag (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ClipFlv *self = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  const gsize size = gst_buffer_get_size (buffer), tag = self->tag;
  guint8 head[TAG_SCAN];
  const gsize n = gst_buffer_extract (buffer, 0, head, sizeof head);
  GstMapInfo map;

  self->tag = 0;
  if (size == TAG_KIND && (head[0] == TAG_VIDEO || head[0] == TAG_AUDIO)) {
    self->tag = TAG_REST + GST_READ_UINT24_BE (head + 1) + TAG_TAIL;
    self->audio = head[0] == TAG_AUDIO;
  } else if (size == tag && n > TAG_REST) {
    info->data = buffer = gst_buffer_make_writable (buffer);
    if (gst_buffer_map (buffer, &map, GST_MAP_READWRITE)) {
      if (self->audio)
        change_audio (map.data + TAG_REST, map.size - TAG_REST - TAG_TAIL);
      else
        change_video (self, map.data + TAG_REST, map.size - TAG_REST - TAG_TAIL);
      gst_buffer_unmap (buffer, &map);
    }
  } else if (size == TAG_SCAN && head[0] == TAG_VIDEO && head[TAG_SCAN - 1] & ENHANCED) {
    head[TAG_SCAN - 1] = (head[TAG_SCAN - 1] & 0x70) | CODEC_H264;
    info->data = buffer = gst_buffer_make_writable (buffer);
    gst_buffer_fill (buffer, 0, head, TAG_SCAN);
  }

  return GST_PAD_PROBE_OK;
}

void
clip_flv_watch (ClipFlv *self, GstPad *src)
{
  gst_pad_add_probe (
      src, GST_PAD_PROBE_TYPE_PULL | GST_PAD_PROBE_TYPE_BUFFER, take_tag, self, NULL);
}

/* Packets */

/* Each tag is read right before the demuxer outputs its content. */
static GstPadProbeReturn
take_picture (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  const ClipFlv *self = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

  if (self->drops || gst_buffer_get_size (buffer) < self->extra)
    return GST_PAD_PROBE_DROP;
  if (self->extra > 0) {
    info->data = buffer = gst_buffer_make_writable (buffer);
    gst_buffer_resize (buffer, self->extra, -1);
  }

  return GST_PAD_PROBE_OK;
}

void
clip_flv_correct (ClipFlv *self, GstPad *pad)
{
  if (g_str_has_prefix (GST_PAD_NAME (pad), "video"))
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, take_picture, self, NULL);
}

/* Caps */

static gchar
letter (guint32 byte)
{
  return g_ascii_isalnum (byte & 255) ? (gchar) (byte & 255) : '_';
}

GstCaps *
clip_flv_name (const ClipFlv *self, GstCaps *caps)
{
  static const struct {
    guint32 codec;
    const gchar *name, *format, *alignment;
  } codecs[] = {
    { HVC1, "video/x-h265", "hvc1", "au" },
    { CODE ('v', 'v', 'c', '1'), "video/x-h266", "vvc1", "au" },
    { CODE ('a', 'v', '0', '1'), "video/x-av1", "obu-stream", "tu" },
    { CODE ('v', 'p', '0', '8'), "video/x-vp8", NULL, NULL },
    { CODE ('v', 'p', '0', '9'), "video/x-vp9", NULL, NULL },
  };
  GstStructure *s;
  gchar *name;

  if (self->codec == 0 || self->codec == AVC1
      || !gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-h264"))
    return caps;
  caps = gst_caps_make_writable (caps);
  s = gst_caps_get_structure (caps, 0);
  gst_structure_remove_field (s, "stream-format");
  for (guint i = 0; i < G_N_ELEMENTS (codecs); i++) {
    if (codecs[i].codec != self->codec)
      continue;
    gst_structure_set_name (s, codecs[i].name);
    if (codecs[i].format)
      gst_structure_set (s, "stream-format", G_TYPE_STRING, codecs[i].format, "alignment",
          G_TYPE_STRING, codecs[i].alignment, NULL);
    else
      gst_structure_remove_field (s, "codec_data");
    return caps;
  }
  name = g_strdup_printf ("video/x-gst-fourcc-%c%c%c%c", letter (self->codec >> 24),
      letter (self->codec >> 16), letter (self->codec >> 8), letter (self->codec));
  gst_structure_set_name (s, name);
  g_free (name);

  return caps;
}
