/* npyarray.h: an array as NumPy's .npy files have it, which stays where it is.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_NPYARRAY_H
#define CNN3D_NPYARRAY_H

#include "src/keypoints/reader.h"

#define CNN3D_NPY_DIMENSIONS 8

/* shape:  [n_dimensions], slowest first whatever the order of the data
 * length: the product of the shape
 * kind:   f, i, u or b
 * bytes:  of an element: 1, 2, 4 or 8 */
typedef struct {
  guint n_dimensions;
  guint64 shape[CNN3D_NPY_DIMENSIONS];
  guint64 length;
  gchar kind;
  guint bytes;
  gboolean swapped; /* not in this machine's byte order */
  gboolean fortran; /* the first dimension varies fastest */
  const guint8 *data;
} Cnn3dNpyArray;

gboolean cnn3d_npy_is (const guint8 *data, gsize size);

/* FALSE with `error` set: [data, size) is no array of numbers, or not as long as its header says. */
gboolean cnn3d_npy_open (Cnn3dNpyArray *array, const guint8 *data, gsize size, GError **error);

/* The element with this number in C order, which must be below length. */
gdouble cnn3d_npy_value (const Cnn3dNpyArray *array, guint64 number);

/* Adds the persons of an array (T, M, K, C) or (T, K, C), where C is 2 or 3: x, y and a score.
 * scores: (T, M, K) or (T, K), perhaps with a last dimension of 1; NULL: none
 * times:  (T), seconds; NULL: frames are numbered */
gboolean cnn3d_npy_add_persons (Cnn3dKeypointsBuilder *builder, const Cnn3dNpyArray *points,
    const Cnn3dNpyArray *scores, const Cnn3dNpyArray *times, GError **error);

#endif
