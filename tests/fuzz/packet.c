/* Packets of video streams: parsing their first bytes. The input is the stream's caps, a byte, and
 * packets: two bytes of length and one of flags before each. The first is the codec_data.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clippacket.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/clip/clipav1.h"
#include "tests/fuzz/target.h"

static const gchar *const streams[] = { "video/x-h264, stream-format=avc",
  "video/x-h264, stream-format=byte-stream", "video/x-h265, stream-format=hvc1",
  "video/x-h265, stream-format=byte-stream", "video/mpeg, mpegversion=2",
  "video/mpeg, mpegversion=4", "video/x-vp8", "video/x-vp9", "video/x-theora", "video/x-av1",
  "image/gif", "video/x-divx" };

/* The next packet, in memory of exactly its size; free(). NULL: no more. */
static guint8 *
take (FuzzPart *rest, gsize *size, gboolean *key)
{
  guint8 *packet;

  if (rest->size < 3)
    return NULL;
  *size = MIN ((gsize) (rest->data[0] | rest->data[1] << 8), rest->size - 3);
  *key = rest->data[2] & 1;
  packet = malloc (MAX (*size, 1));
  memcpy (packet, rest->data + 3, *size);
  rest->data += 3 + *size;
  rest->size -= 3 + *size;
  return packet;
}

static void
parse (ClipPacketFormat *format, const GstCaps *caps, guint8 *packet, gsize size, gboolean key)
{
  GstBuffer *buffer =
      gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, packet, size, 0, size, NULL, NULL);
  guint layer = 0;
  gboolean full;

  clip_packet_parse (format, packet, size, key, &layer);
  if (layer > 8)
    fuzz_fail ("a layer out of range", NULL);
  clip_av1_range (caps, buffer, &full);
  gst_buffer_unref (buffer);
  clip_packet_close_group (packet, size);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  FuzzPart rest = { data, size };
  ClipPacketFormat *format;
  guint8 *packet;
  gsize bytes;
  gboolean key;
  GstCaps *caps;

  if (!gst_is_initialized ()) {
    /* plug-ins are not needed */
    g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
    gst_init (NULL, NULL);
  }
  if (size == 0)
    return 0;
  caps = gst_caps_from_string (streams[*data % G_N_ELEMENTS (streams)]);
  rest.data++;
  rest.size--;
  packet = take (&rest, &bytes, &key);
  if (packet && bytes) {
    GstBuffer *buffer = gst_buffer_new_memdup (packet, bytes);

    gst_caps_set_simple (caps, "codec_data", GST_TYPE_BUFFER, buffer, NULL);
    gst_buffer_unref (buffer);
  }
  free (packet);
  format = g_new0 (ClipPacketFormat, 1);
  clip_packet_format_init (format, caps);
  while ((packet = take (&rest, &bytes, &key))) {
    parse (format, caps, packet, bytes, key);
    free (packet);
  }
  g_free (format);
  gst_caps_unref (caps);
  return 0;
}
