/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipparser.h"

#include <string.h>

#include "cliplinks.h"

/* A parser of H.264, H.265 or MPEG-4, used by its streaming thread.
 * codes:   the stream has start codes
 * split:   one of these was split over two buffers, so that buffers are not whole pictures
 * zeros:   bytes removed from the end of the last buffer
 * headers: parameter sets that the stream itself lacks, until they were sent; or NULL */
typedef struct {
  gboolean codes, split;
  gsize zeros;
  GstBuffer *headers;
} Parser;

static void
parser_free (gpointer data)
{
  Parser *self = data;

  gst_clear_buffer (&self->headers);
  g_free (self);
}

/* Caps */

/* Replaces the caps of an event; takes `caps`. */
static void
replace_caps (GstPadProbeInfo *info, GstCaps *caps)
{
  gst_event_unref (GST_PAD_PROBE_INFO_EVENT (info));
  GST_PAD_PROBE_INFO_DATA (info) = gst_event_new_caps (caps);
  gst_caps_unref (caps);
}

/* If mpegvideoparse gets the stream's header in codec_data, it does not detect that the stream
 * may have field pictures, and splits frames into fields. */
static GstPadProbeReturn
take_mpeg_caps (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  gst_event_parse_caps (event, &caps);
  caps = gst_caps_copy (caps);
  gst_structure_remove_field (gst_caps_get_structure (caps, 0), "codec_data");
  replace_caps (info, caps);

  return GST_PAD_PROBE_OK;
}

/* Whether a buffer begins with a start code, of three bytes or four. */
static gboolean
has_code (GstBuffer *buffer)
{
  guint8 head[3];

  return buffer && gst_buffer_extract (buffer, 0, head, sizeof head) == sizeof head && !head[0]
      && !head[1] && head[2] <= 1;
}

/* libavformat gives H.264 and H.265 with start codes and their parameter sets in codec_data, which
 * a parser takes for the configuration of a stream without start codes. */
static void
take_headers (Parser *self, GstCaps *caps)
{
  GstStructure *s = gst_caps_get_structure (caps, 0);
  const GValue *value = gst_structure_get_value (s, "codec_data");
  GstBuffer *headers =
      value && GST_VALUE_HOLDS_BUFFER (value) ? gst_value_get_buffer (value) : NULL;

  if (!has_code (headers))
    return;
  gst_buffer_replace (&self->headers, headers);
  gst_structure_remove_field (s, "codec_data");
  gst_structure_set (s, "stream-format", G_TYPE_STRING, "byte-stream", NULL);
}

/* A parser's caps. Without codec_data, the parser has to repeat the parameter sets before each
 * keyframe, which may be the first that the decoder receives. A container's colorimetry may lack
 * the range, and the parser would prefer it to the stream's, so it is passed on in another
 * field. */
static void
take_caps (Parser *self, GstPad *pad, GstPadProbeInfo *info)
{
  GstStructure *s;
  const GValue *value;
  GstCaps *caps;

  gst_event_parse_caps (GST_PAD_PROBE_INFO_EVENT (info), &caps);
  caps = gst_caps_copy (caps);
  s = gst_caps_get_structure (caps, 0);
  self->codes =
      gst_structure_has_name (s, "video/x-h264") || gst_structure_has_name (s, "video/x-h265");
  if (self->codes)
    take_headers (self, caps);
  if (gst_structure_has_field (s, "codec_data"))
    self->codes = FALSE;
  else
    g_object_set (GST_PAD_PARENT (pad), "config-interval", -1, NULL);
  value = gst_structure_get_value (s, "colorimetry");
  if (value) {
    gst_structure_set_value (s, CLIP_PARSER_COLORIMETRY, value);
    gst_structure_remove_field (s, "colorimetry");
  }
  replace_caps (info, caps);
}

/* Puts bytes (taken) before those of a buffer (taken), whose timestamps stay. */
static GstBuffer *
prepend (GstBuffer *bytes, GstBuffer *buffer)
{
  GstBuffer *both = gst_buffer_append (bytes, gst_buffer_ref (buffer));

  gst_buffer_copy_into (both, buffer, GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  gst_buffer_unref (buffer);

  return both;
}

static gsize
count_last_zeros (GstBuffer *buffer)
{
  gsize zeros = 0;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return 0;
  while (zeros < map.size && map.data[map.size - 1 - zeros] == 0)
    zeros++;
  zeros = zeros < map.size ? zeros : 0;
  gst_buffer_unmap (buffer, &map);

  return zeros;
}

/* ITU-T H.264 B.1.1: zero bytes may follow a NAL unit. A parser takes the last one of them for a
 * part of the next start code, and so for the next picture's first byte, and gives that picture
 * the timestamps of this buffer. FFmpeg leaves them when it copies H.265 with start codes. */
static GstBuffer *
move_zeros (Parser *self, GstBuffer *buffer)
{
  if (self->zeros > 0 && !has_code (buffer)) {
    GstBuffer *zeros = gst_buffer_new_allocate (NULL, self->zeros, NULL);

    gst_buffer_memset (zeros, 0, 0, self->zeros);
    buffer = prepend (zeros, buffer);
    self->split = TRUE;
  }
  self->zeros = self->split ? 0 : count_last_zeros (buffer);
  if (self->zeros > 0) {
    buffer = gst_buffer_make_writable (buffer);
    gst_buffer_set_size (buffer, gst_buffer_get_size (buffer) - self->zeros);
  }

  return buffer;
}

/* Encoders of DivX and Xvid write a byte where they output no picture. A parser takes it for a part
 * of the picture before, which libavcodec then decodes wrongly. Only the remainder of a split
 * picture has no timestamp. */
static gboolean
is_placeholder (GstBuffer *buffer)
{
  return gst_buffer_get_size (buffer) == 1
      && GST_CLOCK_TIME_IS_VALID (GST_BUFFER_DTS_OR_PTS (buffer));
}

static GstPadProbeReturn
take (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Parser *self = data;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER && !self->codes) {
    if (is_placeholder (GST_PAD_PROBE_INFO_BUFFER (info)))
      return GST_PAD_PROBE_DROP;
  } else if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    if (self->headers)
      info->data = prepend (g_steal_pointer (&self->headers), GST_PAD_PROBE_INFO_BUFFER (info));
    info->data = move_zeros (self, GST_PAD_PROBE_INFO_BUFFER (info));
  } else if (info->type & GST_PAD_PROBE_TYPE_EVENT_FLUSH) {
    self->zeros = 0;
  } else if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM
      && GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_CAPS) {
    take_caps (self, pad, info);
  }

  return GST_PAD_PROBE_OK;
}

/* av1parse starts again at new caps, and drops pictures until the next sequence header. qtdemux
 * sends caps with another frame rate for each fragment. */
static GstPadProbeReturn
keep_caps (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *before = gst_pad_get_current_caps (pad), *now;
  gboolean same;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS || !before) {
    gst_clear_caps (&before);
    return GST_PAD_PROBE_OK;
  }
  gst_event_parse_caps (event, &now);
  now = gst_caps_copy (now);
  before = gst_caps_make_writable (before);
  gst_structure_remove_field (gst_caps_get_structure (before, 0), "framerate");
  gst_structure_remove_field (gst_caps_get_structure (now, 0), "framerate");
  same = gst_caps_is_equal (before, now);
  gst_caps_unref (before);
  gst_caps_unref (now);

  return same ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

void
clip_parser_set_up (GstElement *parser)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (parser), "config-interval");
  const gboolean mpeg = g_str_equal (clip_links_kind (parser), "mpegvideoparse");
  const gboolean av1 = g_str_equal (clip_links_kind (parser), "av1parse");
  GstPad *sink;

  if (!mpeg && !av1 && (!spec || spec->value_type != G_TYPE_INT))
    return;
  sink = gst_element_get_static_pad (parser, "sink");
  if (mpeg)
    gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, take_mpeg_caps, NULL, NULL);
  else if (av1)
    gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, keep_caps, NULL, NULL);
  else
    gst_pad_add_probe (sink,
        GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM
            | GST_PAD_PROBE_TYPE_EVENT_FLUSH,
        take, g_new0 (Parser, 1), parser_free);
  gst_object_unref (sink);
}
