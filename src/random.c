/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/random.h"

#include <math.h>

static void
philox_round (guint32 x[4], guint32 k0, guint32 k1)
{
  guint64 a = (guint64) 0xD2511F53u * x[0];
  guint64 b = (guint64) 0xCD9E8D57u * x[2];
  guint32 y0 = (guint32) (b >> 32) ^ x[1] ^ k0;
  guint32 y2 = (guint32) (a >> 32) ^ x[3] ^ k1;

  x[1] = (guint32) b;
  x[3] = (guint32) a;
  x[0] = y0;
  x[2] = y2;
}

static void
philox (guint32 x[4], guint32 k0, guint32 k1)
{
  for (int i = 0; i < 10; i++) {
    philox_round (x, k0, k1);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

guint64
cnn3d_random_bits (const Cnn3dRandomKey *key, guint64 index)
{
  /* Six words of key do not fit Philox's two: the first block turns epoch,
   * purpose and clip into the second block's key, so that all count. */
  guint32 k[4] = { key->epoch, key->purpose, (guint32) key->clip, (guint32) (key->clip >> 32) };
  guint32 x[4];

  philox (k, (guint32) key->seed, (guint32) (key->seed >> 32));
  x[0] = (guint32) index;
  x[1] = (guint32) (index >> 32);
  x[2] = k[2];
  x[3] = k[3];
  philox (x, k[0], k[1]);
  return (guint64) x[1] << 32 | x[0];
}

gdouble
cnn3d_random_uniform (const Cnn3dRandomKey *key, guint64 index)
{
  return (gdouble) (cnn3d_random_bits (key, index) >> 11) * 0x1p-53;
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
