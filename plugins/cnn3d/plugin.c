/* plugin.c: the elements of the cnn3d plugin.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

#include "gstcnn3deval.h"
#include "gstcnn3dinfer.h"
#include "gstcnn3dtrain.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  /* OpenMP's threads spin while they wait, for milliseconds, on cores that the
   * decoders need. libgomp reads this variable when it is loaded, with the CPU
   * back end. A policy set by the user is kept. */
  if (!g_getenv ("OMP_WAIT_POLICY"))
    g_setenv ("GOMP_SPINCOUNT", "10000", FALSE);

  return GST_ELEMENT_REGISTER (cnn3dtrain, plugin) && GST_ELEMENT_REGISTER (cnn3deval, plugin)
      && GST_ELEMENT_REGISTER (cnn3dinfer, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, cnn3d,
    "3D CNNs on video: training, evaluation and use", plugin_init, VERSION, "LGPL", "cnn3d",
    "cnn3d")
