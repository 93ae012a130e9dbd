/* featuremaps.h: what a layer saw in a clip, as a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FEATUREMAPS_H
#define CNN3D_FEATUREMAPS_H

#include "src/evaluate/predictor.h"

/* A feature map (C, D, H, W) as a PNG file: its mean over channels, one tile a
 * frame from left to right, in colours from the least number of all its frames
 * to the largest. Into `dir`/feature-maps, which is made where it is missing, as
 * clip-000123-layer1.0.conv1.png; 123: `clip`, the clip's number in its data
 * set or stream; of a further view of it (view above 0) as
 * clip-000123-view1-layer1.0.conv1.png. The layer's name is escaped. Errors are in G_IO_ERROR and name
 * the path. */
CNN3D_API gboolean cnn3d_feature_map_write (const gchar *dir, guint64 clip, guint view,
    const Cnn3dFeatureMap *map, GError **error);

#endif
