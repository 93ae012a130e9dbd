/* clipscaling.h: how frames are scaled, found out from the elements that a pad is
 * linked to. A network wants its frames scaled later as they were when it learned.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_SCALING_H
#define CLIP_SCALING_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* method:      nick of the element's interpolation method, never freed; NULL: it
 *              cannot be told
 * add_borders: whether it keeps the picture's shape within black borders */
typedef struct {
  const gchar *method;
  gboolean add_borders;
} ClipScaling;

/* Finds the nearest element that scales, where clip_links_walk() leads from the
 * pad. FALSE: there is none. A scaler is who has an add-borders
 * property, or calls itself one. Not a clipsrc with a clip-bin: what scales in
 * there is told as not known. */
gboolean clip_scaling_find (GstPad *pad, ClipScaling *scaling);

G_END_DECLS

#endif
