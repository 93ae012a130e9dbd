/* clipimage.h: what a picture's own head tells and its caps do not.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_IMAGE_H
#define CLIP_IMAGE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A field of the caps of pictures: there are others behind the first one */
#define CLIP_IMAGE_ANIMATED "animated"

/* Caps (taken) of packets that are whole pictures; of another kind they stay as they
 * are. */
GstCaps *clip_image_frame (GstCaps *caps);

/* Adds to the caps (taken) of pictures what one of them tells: how a JPEG's colours
 * are sampled, as jpegparse would, and whether a PNG is animated. */
GstCaps *clip_image_describe (GstCaps *caps, GstBuffer *picture);

/* The chroma of such a stream, as "4:2:0"; NULL: it is not told. */
const gchar *clip_image_chroma (const GstCaps *caps);

/* Whether a decoder has a format for that chroma; TRUE where nobody knows. */
gboolean clip_image_keeps_chroma (GstElementFactory *decoder, const gchar *chroma);

G_END_DECLS

#endif
