/* plugin.c: the elements of the clip plugin.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

#include "gstclipaugment.h"
#include "gstclipbatch.h"
#include "gstclipcache.h"
#include "gstclipdiff.h"
#include "gstclipkpt.h"
#include "gstclipsample.h"
#include "gstclipsrc.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  gboolean ret = TRUE;

  ret &= GST_ELEMENT_REGISTER (clipsrc, plugin);
  ret &= GST_ELEMENT_REGISTER (clipsample, plugin);
  ret &= GST_ELEMENT_REGISTER (clipaugment, plugin);
  ret &= GST_ELEMENT_REGISTER (clipcache, plugin);
  ret &= GST_ELEMENT_REGISTER (clipdiff, plugin);
  ret &= GST_ELEMENT_REGISTER (clipkpt, plugin);
  ret &= GST_ELEMENT_REGISTER (clipbatch, plugin);

  return ret;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, clip,
    "Clips out of videos: reading, sampling and batching for 3D CNNs", plugin_init, VERSION, "LGPL",
    "cnn3d", "cnn3d")
