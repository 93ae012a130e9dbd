/* gstclipsrc.h: SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_SRC_H
#define GST_CLIP_SRC_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_SRC (gst_clip_src_get_type ())
G_DECLARE_FINAL_TYPE (GstClipSrc, gst_clip_src, GST, CLIP_SRC, GstElement)

GST_ELEMENT_REGISTER_DECLARE (clipsrc);

G_END_DECLS

#endif
