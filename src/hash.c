/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/hash.h"

#include <string.h>

#define ROTATE(x, by) ((x) << (by) | (x) >> (64 - (by)))

static inline void
sip_round (guint64 *v)
{
  v[0] += v[1];
  v[2] += v[3];
  v[1] = ROTATE (v[1], 13) ^ v[0];
  v[3] = ROTATE (v[3], 16) ^ v[2];
  v[0] = ROTATE (v[0], 32) + v[3];
  v[2] += v[1];
  v[3] = ROTATE (v[3], 21) ^ v[0];
  v[1] = ROTATE (v[1], 17) ^ v[2];
  v[2] = ROTATE (v[2], 32);
}

guint32
cnn3d_hash_bytes (const gchar *text, gsize size)
{
  static gsize made;
  static guint64 key[2];
  guint64 v[4], word;

  if (g_once_init_enter (&made)) {
    for (guint i = 0; i < 2; i++)
      key[i] = (guint64) g_random_int () << 32 | g_random_int ();
    g_once_init_leave (&made, 1);
  }
  v[0] = key[0] ^ 0x736F6D6570736575u;
  v[1] = key[1] ^ 0x646F72616E646F6Du;
  v[2] = key[0] ^ 0x6C7967656E657261u;
  v[3] = key[1] ^ 0x7465646279746573u;
  for (gsize at = 0; at <= size; at += 8) {
    word = 0;
    memcpy (&word, text + at, MIN (size - at, 8));
    if (size - at < 8)
      word |= (guint64) size << 56;
    v[3] ^= word;
    sip_round (v);
    v[0] ^= word;
  }
  v[2] ^= 0xFF;
  for (guint i = 0; i < 3; i++)
    sip_round (v);
  word = v[0] ^ v[1] ^ v[2] ^ v[3];
  return (guint32) (word ^ word >> 32);
}

guint
cnn3d_hash_text (gconstpointer text)
{
  return cnn3d_hash_bytes (text, strlen (text));
}
