/* Pictures: what their headers declare. The input is the caps, a byte, and a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins/clip/clipimage.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"

static const gchar *const images[] = { "image/jpeg", "image/png", "image/jp2", "image/x-j2c",
  "image/x-jpc", "image/x-jpc, colorspace=sYUV" };

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  GstBuffer *picture;
  GstCaps *caps;
  guint8 *bytes;

  if (!gst_is_initialized ()) {
    /* plug-ins are not needed */
    g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
    gst_init (NULL, NULL);
  }
  if (size == 0)
    return 0;
  /* exactly this size, so that reads past the end are detected */
  bytes = malloc (MAX (size - 1, 1));
  memcpy (bytes, data + 1, size - 1);
  picture = gst_buffer_new_wrapped_full (
      GST_MEMORY_FLAG_READONLY, bytes, size - 1, 0, size - 1, NULL, NULL);
  caps = gst_caps_from_string (images[*data % G_N_ELEMENTS (images)]);
  caps = clip_image_describe (clip_image_frame (caps), picture);
  if (!gst_caps_is_fixed (caps))
    fuzz_fail ("caps that are not fixed", NULL);
  clip_image_chroma (caps);
  gst_caps_unref (caps);
  gst_buffer_unref (picture);
  free (bytes);
  return 0;
}
