/* gstclipbatch.h: packs clips into tensors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_BATCH_H
#define GST_CLIP_BATCH_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_BATCH (gst_clip_batch_get_type ())
G_DECLARE_FINAL_TYPE (GstClipBatch, gst_clip_batch, GST, CLIP_BATCH, GstElement)

GST_ELEMENT_REGISTER_DECLARE (clipbatch);

G_END_DECLS

#endif
