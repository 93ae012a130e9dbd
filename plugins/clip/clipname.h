/* clipname.h: codecs that demuxers have no name for, but the code of the container.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_NAME_H
#define CLIP_NAME_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* The code, for people, if the caps have no other name; otherwise NULL. Free with g_free(). */
gchar *clip_name_code (const GstCaps *caps);

/* Names the codec in caps (taken) of a demuxer, if there is a decoder that may know it. Returns
 * other caps unchanged. */
GstCaps *clip_name_codec (GstCaps *caps);

G_END_DECLS

#endif
