/* gstclipkpt.h: attaches the key points of persons to frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_KPT_H
#define GST_CLIP_KPT_H

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_KPT (gst_clip_kpt_get_type ())
G_DECLARE_FINAL_TYPE (GstClipKpt, gst_clip_kpt, GST, CLIP_KPT, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (clipkpt);

G_END_DECLS

#endif
