/* gstcnn3dtrain.h: trains a 3D CNN on batches of clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CNN3D_TRAIN_H
#define GST_CNN3D_TRAIN_H

#include <gst/base/gstbasesink.h>

G_BEGIN_DECLS

#define GST_TYPE_CNN3D_TRAIN (gst_cnn3d_train_get_type ())
G_DECLARE_FINAL_TYPE (GstCnn3dTrain, gst_cnn3d_train, GST, CNN3D_TRAIN, GstBaseSink)
GST_ELEMENT_REGISTER_DECLARE (cnn3dtrain)

G_END_DECLS

#endif
