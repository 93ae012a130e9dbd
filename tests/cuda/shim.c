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

static void
test_copies (void)
{
  static const gboolean arrives[] = { TRUE, FALSE, FALSE, FALSE, FALSE };
  static const int errors[] = { 0, 719, 719, 0, 719 };
  int numbers[256] __attribute__ ((aligned (16)));
  int reversed[256] __attribute__ ((aligned (16)));

  for (gint i = 0; i < 256; i++)
    numbers[i] = i;
  for (guint64 seed = 0; seed < 5; seed++)
    for (gint fault = CUDA_SAMPLE_RIGHT; fault <= CUDA_SAMPLE_LEAVES; fault++) {
      gint right = 0, first = 0;

      cuda_shim_order = seed;
      cuda_shim_counts = (CudaShimCounts) { 0 };
      g_assert_cmpint (cuda_sample_copy (numbers, reversed, fault), ==, errors[fault]);
      for (gint i = 0; i < 256; i++)
        right += reversed[i] == (63 - i / 4) * 4 + i % 4;
      for (gint i = 128; i < 256; i++)
        first += reversed[i] == (63 - i / 4) * 4 + i % 4;
      g_assert_cmpint (right == 256, ==, arrives[fault]);
      if (fault == CUDA_SAMPLE_NO_COMMIT || fault == CUDA_SAMPLE_LEAVES)
        g_assert_cmpint (right, ==, first); /* the second group never arrives */
      if (fault == CUDA_SAMPLE_LEAVES)
        g_assert_cmpint (first, ==, 128);
      g_assert_cmpuint (cuda_shim_counts.bytes_copied, ==, 64 * 16);
      g_assert_cmpuint (cuda_shim_counts.banks[CUDA_SHIM_COPIES].phases, ==, 8);
      g_assert_cmpuint (cuda_shim_counts.banks[CUDA_SHIM_COPIES].conflicts, ==, 0);
    }
  cuda_shim_order = 0;
  cuda_shim_error = NULL;
}

static gboolean
passed_round (guint64 seed, gboolean waits)
{
  int numbers[64], low = 0, high = 0;

  for (gint i = 0; i < 64; i++)
    numbers[i] = i;
  for (gint i = 0; i < 32; i++) {
    low += i;
    high += 32 + i;
  }
  cuda_shim_order = seed;
  g_assert_cmpint (cuda_sample_pass_round (numbers, waits), ==, 0);
  cuda_shim_order = 0;
  for (gint i = 0; i < 64; i++)
    if (numbers[i] != 32 * (i < 32 ? low : high))
      return FALSE;
  return TRUE;
}

/* Warps run as far apart as barriers let them. */
static void
test_skew (void)
{
  for (guint64 seed = 0; seed < 5; seed++) {
    g_assert_true (passed_round (seed, TRUE));
    g_assert_false (passed_round (seed, FALSE));
  }
}

/* Of numbers that bf16 has. */
static guint16
bf16_of (gfloat f)
{
  guint32 u;

  memcpy (&u, &f, sizeof u);
  return u >> 16;
}

static void
check_multiply (CudaType type, gint transposed, gint fours, gint swizzled)
{
  guint16 a[256], b[128];
  gfloat c[128], d[128], left[256], right[128];

  for (gint i = 0; i < 256; i++) {
    left[i] = g_test_rand_int_range (-50, 50) / 16.0f;
    a[i] = type == CUDA_TYPE_F16 ? cuda_shim_to_half (left[i]) : bf16_of (left[i]);
  }
  for (gint i = 0; i < 128; i++) {
    right[i] = g_test_rand_int_range (-50, 50) / 16.0f;
    b[i] = type == CUDA_TYPE_F16 ? cuda_shim_to_half (right[i]) : bf16_of (right[i]);
    c[i] = g_test_rand_int_range (-50, 50);
  }
  cuda_shim_counts = (CudaShimCounts) { 0 };
  g_assert_cmpint (cuda_sample_multiply (type, a, b, transposed, fours, swizzled, c, d), ==, 0);
  for (gint row = 0; row < 16; row++)
    for (gint column = 0; column < 8; column++) {
      gdouble sum = c[row * 8 + column];

      for (gint k = 0; k < 16; k++)
        sum += left[row * 16 + k] * (transposed ? right[k * 8 + column] : right[column * 16 + k]);
      g_assert_cmpfloat (d[row * 8 + column], ==, (gfloat) sum);
    }
  g_assert_cmpuint (cuda_shim_counts.multiplications, ==, 1);
  /* 8 rows of 128 bytes begin in the same banks; those of b are 32 or 16 bytes long */
  g_assert_cmpuint (cuda_shim_counts.banks[CUDA_SHIM_MATRICES].conflicts, ==,
      (swizzled ? 0 : 4 * 7) + (transposed ? 0 : 2));
}

static void
test_multiply (void)
{
  for (gint i = 0; i < 64; i++)
    check_multiply (i % 2 ? CUDA_TYPE_F16 : CUDA_TYPE_BF16, i & 2, i & 4, i & 8);
}

static void
test_banks (void)
{
  /* of 8 threads' 16 bytes: how many want the same banks */
  static const struct {
    gint stride, turns;
  } cases[] = { { 16, 1 }, { 32, 2 }, { 48, 1 }, { 64, 4 }, { 112, 1 }, { 128, 8 }, { 0, 1 } };
  int numbers[32];

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    cuda_shim_counts = (CudaShimCounts) { 0 };
    g_assert_cmpint (cuda_sample_stride (cases[i].stride, numbers), ==, 0);
    for (gint kind = CUDA_SHIM_LOADS; kind <= CUDA_SHIM_STORES; kind++) {
      g_assert_cmpuint (cuda_shim_counts.banks[kind].phases, ==, 4 * cases[i].turns);
      g_assert_cmpuint (cuda_shim_counts.banks[kind].conflicts, ==, 4 * (cases[i].turns - 1));
    }
  }
}

static void
test_dynamic (void)
{
  int numbers[32];

  g_assert_cmpint (cuda_sample_dynamic (227 * 1024, numbers), ==, 0);
  for (gint i = 0; i < 32; i++)
    g_assert_cmpint (numbers[i], ==, (227 * 1024 - 32 + i) % 7);
  g_assert_cmpint (cuda_sample_dynamic (227 * 1024 + 1, numbers), ==, 719);
  g_assert_nonnull (strstr (cuda_shim_error, "shared memory"));
  cuda_shim_error = NULL;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shim/blocks", test_blocks);
  g_test_add_func ("/shim/barriers", test_barriers);
  g_test_add_func ("/shim/warps", test_warps);
  g_test_add_func ("/shim/copies", test_copies);
  g_test_add_func ("/shim/skew", test_skew);
  g_test_add_func ("/shim/multiply", test_multiply);
  g_test_add_func ("/shim/banks", test_banks);
  g_test_add_func ("/shim/dynamic", test_dynamic);
  g_test_add_func ("/shim/hooks", test_hooks);
  g_test_add_func ("/shim/half", test_half);
  return g_test_run ();
}
