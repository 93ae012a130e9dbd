/* gstcnn3dinfer.h: classifies live video with a trained 3D CNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CNN3D_INFER_H
#define GST_CNN3D_INFER_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_CNN3D_INFER (gst_cnn3d_infer_get_type ())
G_DECLARE_FINAL_TYPE (GstCnn3dInfer, gst_cnn3d_infer, GST, CNN3D_INFER, GstElement)
GST_ELEMENT_REGISTER_DECLARE (cnn3dinfer)

G_END_DECLS

#endif
