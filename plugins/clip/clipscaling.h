/* clipscaling.h: finds out how the elements that a pad is linked to scale frames. A network's
 * frames must later be scaled as they were in training.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_SCALING_H
#define CLIP_SCALING_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* method:      nick of the element's interpolation method, static; NULL: unknown
 * add_borders: whether black borders preserve the aspect ratio */
typedef struct {
  const gchar *method;
  gboolean add_borders;
} ClipScaling;

/* Finds the nearest scaler that clip_links_walk() reaches from the pad: an element with an
 * add-borders property, or classified as a scaler. FALSE: there is none. A clipsrc with a
 * clip-bin is reported with an unknown method, as the scaler may be inside. */
gboolean clip_scaling_find (GstPad *pad, ClipScaling *scaling);

G_END_DECLS

#endif
