/* gstclipaugment.h: random augmentation of training clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_AUGMENT_H
#define GST_CLIP_AUGMENT_H

#include <gst/video/gstvideofilter.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_AUGMENT (gst_clip_augment_get_type ())
G_DECLARE_FINAL_TYPE (GstClipAugment, gst_clip_augment, GST, CLIP_AUGMENT, GstVideoFilter)

GST_ELEMENT_REGISTER_DECLARE (clipaugment);

G_END_DECLS

#endif
