/* clipav1.h: the colour range in an AV1 sequence header. Pure functions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_AV1_H
#define CLIP_AV1_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Reads the colour range from the first sequence header in `packet` or, failing that, in the
 * codec_data of the caps. FALSE: neither has a sequence header, and *full is unchanged. */
gboolean clip_av1_range (const GstCaps *caps, GstBuffer *packet, gboolean *full);

G_END_DECLS

#endif
