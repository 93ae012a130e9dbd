/* npy.c: a NumPy array in a file. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/npyarray.h"

static gboolean
knows (const Cnn3dKeypointsSource *source)
{
  return !source->folder && cnn3d_npy_is (source->data, source->size);
}

static gboolean
read_array (const Cnn3dKeypointsSource *source, Cnn3dKeypointsBuilder *builder, GError **error)
{
  Cnn3dNpyArray points;

  return cnn3d_npy_open (&points, source->data, source->size, error)
      && cnn3d_npy_add_persons (builder, &points, NULL, NULL, error);
}

const Cnn3dKeypointsReader cnn3d_keypoints_npy = { "NumPy array (.npy)", knows, read_array };
