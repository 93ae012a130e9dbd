/* The shim that runs CUDA kernels on the CPU: it must run correct kernels correctly and detect
 * errors in others.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "tests/cuda/shim/launch.h"
#include "tests/cuda/shim/samples.h"

static void
test_blocks (void)
{
  int counts[6 * 40] = { 0 };

  for (guint64 seed = 0; seed < 5; seed++) {
    memset (counts, 0, sizeof counts);
    cuda_shim_order = seed;
    g_assert_cmpint (cuda_sample_count (3, 2, 40, counts), ==, 0);
    for (gint i = 0; i < 6 * 40; i++)
      g_assert_cmpint (counts[i], ==, 1 + i / 40);
  }
  cuda_shim_order = 0;
  g_assert_cmpint (cuda_sample_count (0, 1, 40, counts), ==, 9);
  g_assert_cmpint (cuda_sample_count (1, 65536, 40, counts), ==, 9);
  g_assert_cmpint (cuda_sample_count (1, 1, 1025, counts), ==, 9);
}

static gboolean
turned (guint64 seed, gint waits)
{
  int numbers[256];

  for (gint i = 0; i < 256; i++)
    numbers[i] = i;
  cuda_shim_order = seed;
  g_assert_cmpint (cuda_sample_turn_round (numbers, waits), ==, 0);
  cuda_shim_order = 0;
  for (gint i = 0; i < 256; i++)
    if (numbers[i] != 255 - i)
      return FALSE;
  return TRUE;
}

static void
test_barriers (void)
{
  int numbers[128] = { 0 };

  for (guint64 seed = 0; seed < 5; seed++) {
    g_assert_true (turned (seed, TRUE));
    g_assert_false (turned (seed, FALSE));
  }
  cuda_shim_error = NULL;
  g_assert_cmpint (cuda_sample_leave_early (numbers), ==, 719);
  g_assert_nonnull (strstr (cuda_shim_error, "barrier"));
  for (gint i = 0; i < 128; i++)
    g_assert_cmpint (numbers[i], ==, 0);
  g_assert_true (turned (7, TRUE)); /* works again after an error */
  g_assert_cmpint (cuda_sample_beyond (numbers), ==, 719);
  g_assert_nonnull (strstr (cuda_shim_error, "shared memory"));
  cuda_shim_error = NULL;
}

static void
test_warps (void)
{
  double numbers[96], sums[96], expected[3] = { 0 };

  for (gint i = 0; i < 96; i++) {
    numbers[i] = i * i - 7;
    expected[i / 32] += numbers[i];
  }
  for (guint64 seed = 0; seed < 5; seed++) {
    cuda_shim_order = seed;
    memset (sums, 0, sizeof sums);
    g_assert_cmpint (cuda_sample_sum_up (numbers, sums), ==, 0);
    for (gint i = 0; i < 96; i++)
      g_assert_cmpfloat (sums[i], ==, expected[i / 32]);
  }
  cuda_shim_order = 0;
}

static int
fails (void)
{
  return 2;
}

static CudaShimLaunch taken;

static int
takes (const CudaShimLaunch *launch)
{
  taken = *launch;
  taken.arguments = g_memdup2 (launch->arguments, launch->size);
  return TRUE;
}

static void
test_hooks (void)
{
  int counts[4] = { 0 };

  cuda_shim_fails = fails;
  g_assert_cmpint (cuda_sample_count (1, 1, 4, counts), ==, 2);
  cuda_shim_fails = NULL;
  g_assert_cmpint (counts[0], ==, 0);
  cuda_shim_takes = takes;
  g_assert_cmpint (cuda_sample_add_step (5, 7, counts), ==, 0);
  cuda_shim_takes = NULL;
  g_assert_cmpint (counts[0], ==, 0);
  g_assert_cmpint (cuda_shim_run (&taken), ==, 0);
  g_assert_cmpint (cuda_shim_run (&taken), ==, 0);
  g_assert_cmpint (counts[3], ==, 2 * (5 + 3 * 7));
  g_free ((gpointer) taken.arguments);
}

/* Each finite number survives a round trip; values in between round to nearest, ties to even. */
static void
test_half (void)
{
  for (guint h = 0; h < 0x7c00; h++) {
    const gfloat f = cuda_shim_from_half (h),
                 next = h + 1 < 0x7c00 ? cuda_shim_from_half (h + 1) : 65536;
    const gfloat middle = (f + next) / 2;

    g_assert_cmpfloat (f, <, next);
    g_assert_cmphex (cuda_shim_to_half (f), ==, h);
    g_assert_cmphex (cuda_shim_to_half (-f), ==, h | 0x8000);
    g_assert_cmphex (cuda_shim_to_half (middle), ==, h % 2 ? h + 1 : h);
    g_assert_cmphex (cuda_shim_to_half (nextafterf (middle, 0)), ==, h);
    g_assert_cmphex (cuda_shim_to_half (nextafterf (-middle, -INFINITY)), ==, (h + 1) | 0x8000);
  }
  g_assert_cmpfloat (cuda_shim_from_half (0x3c00), ==, 1);
  g_assert_cmpfloat (cuda_shim_from_half (0x7bff), ==, 65504);
  g_assert_cmphex (cuda_shim_to_half (INFINITY), ==, 0x7c00);
  g_assert_cmphex (cuda_shim_to_half (-1e30f), ==, 0xfc00);
  g_assert_true (isinf (cuda_shim_from_half (0x7c00)) && isnan (cuda_shim_from_half (0x7e00)));
  g_assert_true (isnan (cuda_shim_from_half (cuda_shim_to_half (NAN))));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shim/blocks", test_blocks);
  g_test_add_func ("/shim/barriers", test_barriers);
  g_test_add_func ("/shim/warps", test_warps);
  g_test_add_func ("/shim/hooks", test_hooks);
  g_test_add_func ("/shim/half", test_half);
  return g_test_run ();
}
