/* gstclipsample.h: selects frames of each clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_SAMPLE_H
#define GST_CLIP_SAMPLE_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_SAMPLE (gst_clip_sample_get_type ())
G_DECLARE_FINAL_TYPE (GstClipSample, gst_clip_sample, GST, CLIP_SAMPLE, GstElement)

GST_ELEMENT_REGISTER_DECLARE (clipsample);

G_END_DECLS

#endif
