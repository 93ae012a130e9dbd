/* gstclipdiff.h: replaces frames by their differences.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_DIFF_H
#define GST_CLIP_DIFF_H

#include <gst/video/gstvideofilter.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_DIFF (gst_clip_diff_get_type ())
G_DECLARE_FINAL_TYPE (GstClipDiff, gst_clip_diff, GST, CLIP_DIFF, GstVideoFilter)

GST_ELEMENT_REGISTER_DECLARE (clipdiff);

G_END_DECLS

#endif
