/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/random.h"

#include <math.h>

#include "src/philox.h"

guint64
cnn3d_random_bits (const Cnn3dRandomKey *key, guint64 index)
{
  return cnn3d_philox_bits (key->seed, key->epoch, key->purpose, key->clip, index);
}

gdouble
cnn3d_random_uniform (const Cnn3dRandomKey *key, guint64 index)
{
  return cnn3d_philox_uniform (cnn3d_random_bits (key, index));
}

guint64
cnn3d_random_below (const Cnn3dRandomKey *key, guint64 index, guint64 n)
{
  /* The multiply-high map's bias is n / 2^64: nothing here is large enough to
   * show it, and rejection would need a second draw. */
  return (guint64) (((unsigned __int128) cnn3d_random_bits (key, index) * n) >> 64);
}

gdouble
cnn3d_random_normal (const Cnn3dRandomKey *key, guint64 index)
{
  gdouble u = 1.0 - cnn3d_random_uniform (key, 2 * index);
  gdouble v = cnn3d_random_uniform (key, 2 * index + 1);

  return sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * v);
}
