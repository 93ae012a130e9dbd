/* gstcnn3deval.h: evaluates a trained 3D CNN on video clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CNN3D_EVAL_H
#define GST_CNN3D_EVAL_H

#include <gst/base/gstbasesink.h>

G_BEGIN_DECLS

#define GST_TYPE_CNN3D_EVAL (gst_cnn3d_eval_get_type ())
G_DECLARE_FINAL_TYPE (GstCnn3dEval, gst_cnn3d_eval, GST, CNN3D_EVAL, GstBaseSink)
GST_ELEMENT_REGISTER_DECLARE (cnn3deval)

G_END_DECLS

#endif
