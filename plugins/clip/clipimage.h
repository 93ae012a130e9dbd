/* clipimage.h: properties that a picture's header has and its caps lack.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_IMAGE_H
#define CLIP_IMAGE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A field of pictures' caps: more pictures follow the first one */
#define CLIP_IMAGE_ANIMATED "animated"
/* Likewise: JPEG 2000 of a digital cinema, whose colours are XYZ */
#define CLIP_IMAGE_CINEMA "cinema"

/* Likewise: a PNG of 16-bit RGB, whose samples GStreamer's decoder shifts by one */
#define CLIP_IMAGE_SHIFTED "shifted"

/* Marks caps (taken) of JPEG as parsed, for packets that are whole pictures. Returns other caps
 * unchanged. */
GstCaps *clip_image_frame (GstCaps *caps);

/* Adds to the caps (taken) what the picture's header declares: the sampling of a JPEG, as
 * jpegparse does, whether a PNG is animated or of 16-bit RGB, and the colours of JPEG 2000, of which
 * demuxers guess one. */
GstCaps *clip_image_describe (GstCaps *caps, GstBuffer *picture);
/* Why decoders would not show right what that has added; NULL: they do. Free with g_free(). */
gchar *clip_image_fault (GstCaps *caps);

/* Whether these are caps of JPEG 2000 whose packets are whole pictures, as those of demuxers are. No
 * parser is needed, and GStreamer's rejects bare codestreams. */
gboolean clip_image_is_jpeg_2000 (const GstCaps *caps);

/* The chroma format in such caps, for instance "4:2:0"; NULL: unknown. */
const gchar *clip_image_chroma (const GstCaps *caps);

/* Whether a decoder outputs a format with this chroma; TRUE if unknown. */
gboolean clip_image_keeps_chroma (GstElementFactory *decoder, const gchar *chroma);

G_END_DECLS

#endif
