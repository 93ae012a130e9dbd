/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "src/random.h"

static void
test_pure (void)
{
  Cnn3dRandomKey a = { 1, 2, CNN3D_RANDOM_SHUFFLE, 3 };
  Cnn3dRandomKey keys[] = { { 2, 2, CNN3D_RANDOM_SHUFFLE, 3 }, { 1, 3, CNN3D_RANDOM_SHUFFLE, 3 },
    { 1, 2, CNN3D_RANDOM_FOLD, 3 }, { 1, 2, CNN3D_RANDOM_SHUFFLE, 4 },
    { 1 + (G_GUINT64_CONSTANT (1) << 32), 2, CNN3D_RANDOM_SHUFFLE, 3 },
    { 1, 2, CNN3D_RANDOM_SHUFFLE, 3 + (G_GUINT64_CONSTANT (1) << 32) } };

  g_assert_cmpuint (cnn3d_random_bits (&a, 7), ==, cnn3d_random_bits (&a, 7));
  g_assert_cmpuint (cnn3d_random_bits (&a, 7), !=, cnn3d_random_bits (&a, 8));
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    g_assert_cmpuint (cnn3d_random_bits (&a, 7), !=, cnn3d_random_bits (&keys[i], 7));
}

static void
test_distribution (void)
{
  Cnn3dRandomKey key = { 42, 0, CNN3D_RANDOM_WEIGHTS, 0 };
  const guint n = 200000;
  gdouble sum = 0, square = 0, normal = 0, normal2 = 0;
  guint buckets[7] = { 0 };

  for (guint i = 0; i < n; i++) {
    gdouble u = cnn3d_random_uniform (&key, i);
    gdouble z = cnn3d_random_normal (&key, i);

    g_assert_true (u >= 0 && u < 1 && isfinite (z));
    sum += u;
    square += u * u;
    normal += z;
    normal2 += z * z;
    buckets[cnn3d_random_below (&key, i, 7)]++;
  }
  g_assert_cmpfloat_with_epsilon (sum / n, 0.5, 0.004);
  g_assert_cmpfloat_with_epsilon (square / n, 1. / 3, 0.004);
  g_assert_cmpfloat_with_epsilon (normal / n, 0, 0.012);
  g_assert_cmpfloat_with_epsilon (normal2 / n, 1, 0.02);
  for (guint i = 0; i < 7; i++)
    g_assert_cmpfloat_with_epsilon (buckets[i] * 7. / n, 1, 0.03);
}

static void
test_normals (void)
{
  const Cnn3dRandomKey key = { G_MAXUINT64 - 1, 5, CNN3D_RANDOM_WEIGHTS, 1 };
  const guint64 first = G_MAXUINT32 - 10;
  gdouble values[1000];

  for (guint n = 0; n <= G_N_ELEMENTS (values); n += 125) {
    for (guint i = 0; i < G_N_ELEMENTS (values); i++)
      values[i] = 99;
    cnn3d_random_normals (&key, first, n, values);
    for (guint i = 0; i < G_N_ELEMENTS (values); i++)
      g_assert_cmpfloat (values[i], ==, i < n ? cnn3d_random_normal (&key, first + i) : 99);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/random/pure", test_pure);
  g_test_add_func ("/random/distribution", test_distribution);
  g_test_add_func ("/random/normals", test_normals);
  return g_test_run ();
}
