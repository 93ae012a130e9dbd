/* featuremaps.h: feature maps of a layer as pictures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FEATUREMAPS_H
#define CNN3D_FEATUREMAPS_H

#include "src/evaluate/predictor.h"

/* Writes a feature map, (C, D, H, W), as a PNG file: its mean over channels, one tile a frame from
 * left to right, in colours from the minimum to the maximum of all its frames. The file is
 * `dir`/feature-maps/clip-000123-layer1.0.conv1.png, or clip-000123-view1-layer1.0.conv1.png for a
 * further view (view above 0); the folder is created if it is missing. 123: `clip`, the clip's
 * number in its data set or stream. Of a sample of several views, the view's name precedes the layer's:
 * clip-000123-front-layer1.0.conv1.png. Both names are escaped. Errors are in G_IO_ERROR and name
 * the path. */
CNN3D_API gboolean cnn3d_feature_map_write (
    const gchar *dir, guint64 clip, guint view, const Cnn3dFeatureMap *map, GError **error);

#endif
