/* clipav1.h: what an AV1 stream's own header tells. Pure functions.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_AV1_H
#define CLIP_AV1_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* The range of the colours, by the first sequence header in a packet, or in the
 * configuration record that its caps have: TRUE: *full is set; FALSE: there is
 * none. */
gboolean clip_av1_range (const GstCaps *caps, GstBuffer *packet, gboolean *full);

G_END_DECLS

#endif
