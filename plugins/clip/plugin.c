/* plugin.c: the elements of the clip plugin.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

static gboolean
plugin_init (GstPlugin * plugin)
{
  return TRUE;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, clip,
    "Clips out of videos: reading, sampling and batching for 3D CNNs",
    plugin_init, VERSION, "LGPL", "cnn3d", "cnn3d")
