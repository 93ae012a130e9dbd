/* clipimage.h: properties that a picture's header has and its caps lack.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_IMAGE_H
#define CLIP_IMAGE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A field of pictures' caps: more pictures follow the first one */
#define CLIP_IMAGE_ANIMATED "animated"

/* Marks caps (taken) of JPEG as parsed, for packets that are whole pictures. Returns other caps
 * unchanged. */
GstCaps *clip_image_frame (GstCaps *caps);

/* Adds to the caps (taken) what the picture's header declares: the sampling of a JPEG, as
 * jpegparse does, and whether a PNG is animated. */
GstCaps *clip_image_describe (GstCaps *caps, GstBuffer *picture);

/* Demuxers guess the colour space of JPEG 2000: makes the caps of a demuxer's pad, which are
 * these, declare that of the first picture. */
void clip_image_correct (GstPad *pad, const GstCaps *caps);

/* The chroma format in such caps, for instance "4:2:0"; NULL: unknown. */
const gchar *clip_image_chroma (const GstCaps *caps);

/* Whether a decoder outputs a format with this chroma; TRUE if unknown. */
gboolean clip_image_keeps_chroma (GstElementFactory *decoder, const gchar *chroma);

G_END_DECLS

#endif
