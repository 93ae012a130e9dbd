/* The CUDA back end's convolution of 64 channels compared with plain loops in double.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "tests/cuda/rig.h"

#define C CUDA_CONV3_CHANNELS
#define TAPS 27
#define STEP_PLANES 4 /* of 8x8 points, that a block makes at once */

typedef struct {
  gint clips, depth, height, width;
} Shape;

typedef enum {
  BACKWARD = 1 << 0,
  ADDS = 1 << 1,
  NORMALIZES = 1 << 2,
  RELU = 1 << 3,
  STATISTICS = 1 << 4,
} Flags;

typedef struct {
  CudaConv3 conv;
  gsize n; /* numbers of an activation */
  Flags flags;
  Array *x, *w, *arranged, *scale, *shift, *y, *partials, *sum, *squares;
} Fixture;

static gsize
points_of (Shape s)
{
  return (gsize) s.clips * s.depth * s.height * s.width;
}

static void
fixture_init (Fixture *f, CudaType type, Shape s, Flags flags, guint64 seed)
{
  rig_seed (seed);
  f->flags = flags;
  f->n = points_of (s) * C;
  f->x = array_random (type, f->n, -2, 3);
  f->w = array_random (type, C * TAPS * C, -1, 1);
  f->scale = array_random (CUDA_TYPE_F32, C, -1, 2);
  f->shift = array_random (CUDA_TYPE_F32, C, -1, 1);
  f->y = flags & ADDS ? array_random (type, f->n, -50, 50) : array_new (type, f->n);
  f->conv = (CudaConv3) { .type = type,
    .clips = s.clips,
    .depth = s.depth,
    .height = s.height,
    .width = s.width,
    .scale = flags & NORMALIZES ? f->scale->data : NULL,
    .shift = flags & NORMALIZES ? f->shift->data : NULL,
    .relu = (flags & RELU) != 0,
    .adds = (flags & ADDS) != 0 };
  f->arranged = array_new (type, CUDA_CONV3_ARRANGED / 2);
  f->partials = array_new (CUDA_TYPE_F32, cuda_conv3_partials (&f->conv));
  f->sum = array_new (CUDA_TYPE_F32, C);
  f->squares = array_new (CUDA_TYPE_F32, C);
}

static void
fixture_clear (Fixture *f)
{
  Array *all[] = { f->x, f->w, f->arranged, f->scale, f->shift, f->y, f->partials, f->sum,
    f->squares };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    array_free (all[i]);
}

static int
launch (Fixture *f)
{
  const gboolean adds_up = (f->flags & STATISTICS) != 0;

  return cuda_conv3 (NULL, &f->conv, f->x->data, f->arranged->data, f->y->data,
      adds_up ? f->partials->data : NULL, adds_up ? f->sum->data : NULL,
      adds_up ? f->squares->data : NULL);
}

static void
arrange (Fixture *f)
{
  g_assert_cmpint (
      cuda_conv3_arrange (NULL, f->w->data, (f->flags & BACKWARD) != 0, f->arranged->data), ==, 0);
}

/* What the convolution reads. */
static gdouble *
input_of (const Fixture *f)
{
  gdouble *x = g_new (gdouble, f->n);

  for (gsize i = 0; i < f->n; i++) {
    x[i] = array_get (f->x, i);
    if (!(f->flags & NORMALIZES))
      continue;
    x[i] = (gfloat) (x[i] * array_get (f->scale, i % C) + array_get (f->shift, i % C));
    if (f->flags & RELU && x[i] <= 0)
      x[i] = 0;
    x[i] = rig_round (f->conv.type, x[i]);
  }
  return x;
}

/* Weights by tap, input channel and output channel of the convolution that runs. */
static gdouble *
weights_of (const Fixture *f)
{
  gdouble *w = g_new (gdouble, TAPS * C * C);

  for (gsize tap = 0; tap < TAPS; tap++)
    for (gsize in = 0; in < C; in++)
      for (gsize out = 0; out < C; out++)
        w[(tap * C + in) * C + out] = f->flags & BACKWARD
            ? array_get (f->w, (in * TAPS + TAPS - 1 - tap) * C + out)
            : array_get (f->w, (out * TAPS + tap) * C + in);
  return w;
}

/* Adds what input point (d, h, w) times the weights gives to output points. */
static gdouble *
reference (const Fixture *f)
{
  const CudaConv3 *c = &f->conv;
  g_autofree gdouble *x = input_of (f), *weights = weights_of (f);
  gdouble *y = g_new0 (gdouble, f->n);

  for (gsize i = 0; f->flags & ADDS && i < f->n; i++)
    y[i] = array_get (f->y, i);
  for (gsize p = 0; p < f->n / C; p++) {
    const gint w = p % c->width, h = p / c->width % c->height;
    const gint d = p / c->width / c->height % c->depth;

    for (gint tap = 0; tap < TAPS; tap++) {
      const gint dd = tap / 9 - 1, dh = tap / 3 % 3 - 1, dw = tap % 3 - 1;
      const gdouble *in = x + ((gssize) p + (dd * c->height + dh) * c->width + dw) * C;

      if (d + dd < 0 || d + dd >= c->depth || h + dh < 0 || h + dh >= c->height || w + dw < 0
          || w + dw >= c->width)
        continue;
      for (gsize k = 0; k < C; k++)
        for (gsize out = 0; out < C; out++)
          y[p * C + out] += in[k] * weights[(tap * C + k) * C + out];
    }
  }
  return y;
}

static void
check_statistics (const Fixture *f)
{
  gdouble sum[C] = { 0 }, squares[C] = { 0 };

  for (gsize i = 0; i < f->n; i++) {
    const gdouble v = array_get (f->y, i);

    sum[i % C] += v;
    squares[i % C] += v * v;
  }
  array_check (f->sum, sum);
  array_check (f->squares, squares);
}

static void
check (CudaType type, Shape shape, Flags flags, guint64 seed)
{
  g_autofree gdouble *expected = NULL;
  Fixture f;

  g_test_message ("%s %d x %dx%dx%d flags %d", rig_type_names[type], shape.clips, shape.depth,
      shape.height, shape.width, flags);
  fixture_init (&f, type, shape, flags, seed);
  expected = reference (&f);
  RUN (cuda_conv3_arrange (NULL, f.w->data, (flags & BACKWARD) != 0, f.arranged->data), f.arranged);
  cuda_shim_counts = (CudaShimCounts) { 0 };
  RUN (launch (&f), f.y, f.partials, f.sum, f.squares);
  array_check (f.y, expected);
  if (flags & STATISTICS)
    check_statistics (&f);
  for (gint kind = CUDA_SHIM_LOADS; kind <= CUDA_SHIM_MATRICES; kind++)
    g_assert_cmpuint (cuda_shim_counts.banks[kind].conflicts, ==, 0);
  fixture_clear (&f);
}

/* every tail of a tile, alone and with others; as many units as divide the depth, and fewer */
static const Shape shapes[] = { { 1, 1, 1, 1 }, { 1, 1, 2, 3 }, { 2, 2, 7, 5 }, { 1, 4, 8, 8 },
  { 1, 5, 9, 8 }, { 3, 3, 1, 17 } };

/* Both types; the two sets of flags take turns. */
static void
check_shapes (Flags one, Flags other, guint64 seed)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++) {
    check (CUDA_TYPE_F16, shapes[i], i % 2 ? one : other, seed + 10 * i);
    check (CUDA_TYPE_BF16, shapes[i], i % 2 ? other : one, seed + 10 * i + 1);
  }
}

static void
test_forward (void)
{
  check_shapes (0, STATISTICS, 1);
}

static void
test_normalized (void)
{
  check_shapes (NORMALIZES, NORMALIZES | RELU | STATISTICS, 3);
}

static void
test_backward (void)
{
  check_shapes (BACKWARD, BACKWARD | ADDS, 5);
}

/* Columns of several steps, through which the ring goes round; more units than blocks. */
static void
test_columns (void)
{
  check (CUDA_TYPE_F16, (Shape) { 2, 8, 9, 14 }, NORMALIZES | RELU | STATISTICS, 100);
  check (CUDA_TYPE_BF16, (Shape) { 2, 13, 3, 18 }, NORMALIZES | RELU | STATISTICS, 101);
  check (CUDA_TYPE_F16, (Shape) { 5, 9, 4, 7 }, BACKWARD | ADDS, 102);
}

/* Any shape, all at once. */
static void
test_random (void)
{
  for (guint64 seed = 0; seed < 6; seed++) {
    rig_seed (1000 + seed);

    const Shape shape = { 1 + rig_below (3), 1 + rig_below (6), 1 + rig_below (11),
      1 + rig_below (11) };

    check (seed % 2 ? CUDA_TYPE_F16 : CUDA_TYPE_BF16, shape, rig_below (32), seed);
  }
}

/* A clip's bits are those that it has alone. */
static void
test_clips (void)
{
  const Shape many = { 6, 6, 5, 9 }, one = { 1, 6, 5, 9 };
  const gsize n = points_of (one) * C;
  Fixture all, alone;

  fixture_init (&all, CUDA_TYPE_F16, many, NORMALIZES | RELU, 7);
  fixture_init (&alone, CUDA_TYPE_F16, one, NORMALIZES | RELU, 7);
  arrange (&all);
  g_assert_cmpint (launch (&all), ==, 0);
  for (gint clip = 0; clip < many.clips; clip += 5) {
    memcpy (alone.x->data, (guint8 *) all.x->data + clip * n * 2, n * 2);
    memcpy (alone.arranged->data, all.arranged->data, CUDA_CONV3_ARRANGED);
    memcpy (alone.scale->data, all.scale->data, C * sizeof (gfloat));
    memcpy (alone.shift->data, all.shift->data, C * sizeof (gfloat));
    array_poison (alone.y);
    g_assert_cmpint (launch (&alone), ==, 0);
    g_assert_cmpmem (alone.y->data, n * 2, (guint8 *) all.y->data + clip * n * 2, n * 2);
  }
  fixture_clear (&all);
  fixture_clear (&alone);
}

/* Numbers that are none reach the outputs around them and no others; ReLU lets NaN through. */
static void
test_not_finite (void)
{
  const Shape shape = { 1, 3, 4, 12 };
  const gsize point = (gsize) (1 * 4 + 2) * 12 + 8;

  for (gint round = 0; round < 2; round++) {
    Fixture f;

    fixture_init (&f, CUDA_TYPE_F16, shape, round ? NORMALIZES | RELU : 0, 50);
    array_set (f.x, point * C + 3, NAN);
    arrange (&f);
    g_assert_cmpint (launch (&f), ==, 0);
    for (gsize i = 0; i < f.n; i++) {
      const gint w = i / C % 12, h = i / C / 12 % 4;
      const gboolean near = ABS (w - 8) <= 1 && ABS (h - 2) <= 1;

      g_assert_cmpint (isnan (array_get (f.y, i)) != 0, ==, near);
    }
    fixture_clear (&f);
  }
}

/* The figures at the head of conv3.cu. */
static void
test_counts (void)
{
  const Shape shape = { 6, 8, 8, 8 }; /* a unit of two steps a clip */
  const guint64 steps = 6 * 2, multiplications = STEP_PLANES * 27 * 4 * 32;
  const CudaShimBanks *banks = cuda_shim_counts.banks;
  Fixture f;

  fixture_init (&f, CUDA_TYPE_F16, shape, 0, 9);
  arrange (&f);
  cuda_shim_counts = (CudaShimCounts) { 0 };
  g_assert_cmpint (launch (&f), ==, 0);
  g_assert_cmpuint (cuda_shim_counts.multiplications, ==, steps * multiplications);
  /* weights a step, and the input once */
  g_assert_cmpuint (
      cuda_shim_counts.bytes_copied, ==, steps * CUDA_CONV3_ARRANGED + f.n * sizeof (guint16));
  /* 96 bytes of shared memory are loaded for each */
  g_assert_cmpuint (banks[CUDA_SHIM_LOADS].phases * 128, ==, steps * multiplications * 64);
  g_assert_cmpuint (banks[CUDA_SHIM_MATRICES].phases * 128, ==, steps * multiplications * 32);
  g_assert_cmpuint (banks[CUDA_SHIM_STORES].phases, ==, 0);
  fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/conv/forward", test_forward);
  g_test_add_func ("/conv/normalized", test_normalized);
  g_test_add_func ("/conv/backward", test_backward);
  g_test_add_func ("/conv/columns", test_columns);
  g_test_add_func ("/conv/random", test_random);
  g_test_add_func ("/conv/clips", test_clips);
  g_test_add_func ("/conv/not-finite", test_not_finite);
  if (!rig_on_gpu ())
    g_test_add_func ("/conv/counts", test_counts);
  return g_test_run ();
}
