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

/* Box-Muller. */
static gdouble
normal (guint64 first, guint64 second)
{
  const gdouble u = 1.0 - cnn3d_philox_uniform (first);
  const gdouble v = cnn3d_philox_uniform (second);

  return sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * v);
}

gdouble
cnn3d_random_normal (const Cnn3dRandomKey *key, guint64 index)
{
  return normal (cnn3d_random_bits (key, 2 * index), cnn3d_random_bits (key, 2 * index + 1));
}

void
cnn3d_random_normals (const Cnn3dRandomKey *key, guint64 first, gsize n, gdouble *values)
{
  guint64 bits[256];
  guint32 stream[4];

  cnn3d_philox_stream (stream, key->seed, key->epoch, key->purpose, key->clip);
  for (gsize done = 0; done < n; done += G_N_ELEMENTS (bits) / 2) {
    const gsize some = MIN (n - done, G_N_ELEMENTS (bits) / 2);

    for (gsize i = 0; i < 2 * some; i++)
      bits[i] = cnn3d_philox_number (stream, 2 * (first + done) + i);
    for (gsize i = 0; i < some; i++)
      values[done + i] = normal (bits[2 * i], bits[2 * i + 1]);
  }
}
