/* The CUDA back end's batch norm compared with plain loops in double.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "tests/cuda/rig.h"

typedef struct {
  gsize points;
  gint channels;
} Shape;

/* one group; 9 and 36, which leave threads without work; 257, more than a block has */
static const Shape shapes[] = { { 1, 8 }, { 1, 2056 }, { 2, 72 }, { 33, 288 }, { 4099, 8 },
  { 1000, 16 }, { 517, 72 }, { 77, 512 }, { 130, 288 }, { 37, 2056 }, { 64, 64 }, { 3001, 24 } };

typedef struct {
  CudaNorm norm;
  gsize n; /* elements of an activation */
  Array *x, *mean, *inverse, *weight, *bias, *running_mean, *running_var;
} Fixture;

static void
fixture_init (Fixture *f, CudaType type, Shape shape, guint64 seed)
{
  const gsize c = shape.channels;

  rig_seed (seed);
  f->n = shape.points * c;
  f->x = array_random (type, f->n, -2, 4);
  f->mean = array_new (CUDA_TYPE_F32, c);
  f->inverse = array_new (CUDA_TYPE_F32, c);
  f->weight = array_random (CUDA_TYPE_F32, c, -1, 2);
  f->bias = array_random (CUDA_TYPE_F32, c, -1, 1);
  f->running_mean = array_random (CUDA_TYPE_F32, c, -1, 1);
  f->running_var = array_random (CUDA_TYPE_F32, c, 0.5, 2);
  f->norm = (CudaNorm) { type, shape.points, shape.channels, FALSE, 1e-5f, 0.1f, f->mean->data,
    f->inverse->data, f->weight->data, f->bias->data, f->running_mean->data, f->running_var->data };
}

static void
fixture_clear (Fixture *f)
{
  Array *all[] = { f->x, f->mean, f->inverse, f->weight, f->bias, f->running_mean, f->running_var };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    array_free (all[i]);
}

/* mean and inverse as a forward pass could have computed them */
static void
fixture_normed (Fixture *f)
{
  for (gint c = 0; c < f->norm.channels; c++) {
    array_set (f->mean, c, rig_uniform (0.5, 1.5));
    array_set (f->inverse, c, rig_uniform (0.5, 1));
  }
}

static gdouble *
doubles (gsize n)
{
  return g_new0 (gdouble, n);
}

/* --- statistics --- */

static void
check_statistics (CudaType type, Shape shape, guint64 seed)
{
  const gsize rows = cuda_norm_rows (shape.points, shape.channels), channels = shape.channels;
  g_autofree gdouble *mean = doubles (channels), *inverse = doubles (channels);
  g_autofree gdouble *running_mean = doubles (channels), *running_var = doubles (channels);
  g_autofree gdouble *sums = doubles (2 * channels), *var = doubles (channels);
  g_autoptr (Array) partials = array_new (CUDA_TYPE_F32, rows * 2 * channels);
  g_autoptr (Array) added = array_new (CUDA_TYPE_F32, 2 * channels);
  Fixture f;

  fixture_init (&f, type, shape, seed);
  for (gsize c = 0; c < channels; c++) {
    gdouble squares = 0;

    for (gsize p = 0; p < shape.points; p++) {
      const gdouble v = array_get (f.x, p * channels + c), d = v - array_get (f.x, c);

      mean[c] += v / shape.points;
      sums[c] += d;
      sums[channels + c] += d * d;
    }
    for (gsize p = 0; p < shape.points; p++) {
      const gdouble d = array_get (f.x, p * channels + c) - mean[c];

      squares += d * d;
    }
    var[c] = squares / shape.points;
    inverse[c] = 1 / sqrt (var[c] + 1e-5);
    running_mean[c] = 0.1 * mean[c] + 0.9 * array_get (f.running_mean, c);
    running_var[c] = 0.1 * squares / MAX (shape.points - 1, 1) + 0.9 * array_get (f.running_var, c);
  }

  RUN (cuda_norm_statistics (NULL, &f.norm, f.x->data, partials->data), partials);
  for (gsize i = 0; i < 2 * channels; i++) {
    gdouble sum = 0;

    for (gsize row = 0; row < rows; row++)
      sum += array_get (partials, row * 2 * channels + i);
    array_set (added, i, sum);
  }
  array_check (added, sums);

  RUN (cuda_norm_finish (NULL, &f.norm, f.x->data, partials->data, rows), f.mean, f.inverse,
      f.running_mean, f.running_var);
  array_check (f.mean, mean);
  array_check (f.inverse, inverse);
  array_check (f.running_mean, running_mean);
  array_check (f.running_var, running_var);
  fixture_clear (&f);
}

/* Sums computed by cuDNN: not shifted, any number of rows. */
static void
check_plain_sums (gsize rows, guint64 seed)
{
  const Shape shape = { 5 * rows, 72 };
  g_autofree gdouble *mean = doubles (72), *inverse = doubles (72), *squares = doubles (72);
  g_autoptr (Array) partials = NULL;
  Fixture f;

  fixture_init (&f, CUDA_TYPE_F16, shape, seed);
  partials = array_random (CUDA_TYPE_F32, rows * 2 * 72, 10, 20);
  for (gsize c = 0; c < 72; c++) {
    for (gsize row = 0; row < rows; row++) {
      mean[c] += array_get (partials, row * 2 * 72 + c) / shape.points;
      squares[c] += array_get (partials, (row * 2 + 1) * 72 + c) / shape.points;
    }
    /* a negative variance from rounding counts as zero */
    inverse[c] = 1 / sqrt (MAX (squares[c] - mean[c] * mean[c], 0) + 1e-5);
  }
  RUN (cuda_norm_finish (NULL, &f.norm, NULL, partials->data, rows), f.mean, f.inverse,
      f.running_mean, f.running_var);
  array_check (f.mean, mean);
  array_check (f.inverse, inverse);
  fixture_clear (&f);
}

static void
check_running (Shape shape, guint64 seed)
{
  const gsize channels = shape.channels;
  g_autofree gdouble *mean = doubles (channels), *inverse = doubles (channels);
  g_autofree gdouble *scale = doubles (channels), *shift = doubles (channels);
  g_autoptr (Array) scales = array_new (CUDA_TYPE_F32, channels);
  g_autoptr (Array) shifts = array_new (CUDA_TYPE_F32, channels);
  Fixture f;

  fixture_init (&f, CUDA_TYPE_F16, shape, seed);
  for (gsize c = 0; c < channels; c++) {
    mean[c] = array_get (f.running_mean, c);
    inverse[c] = 1 / sqrt (array_get (f.running_var, c) + 1e-5);
    scale[c] = inverse[c] * array_get (f.weight, c);
    shift[c] = array_get (f.bias, c) - mean[c] * scale[c];
  }
  RUN (cuda_norm_running (NULL, &f.norm), f.mean, f.inverse);
  array_check (f.mean, mean);
  array_check (f.inverse, inverse);
  RUN (cuda_norm_vectors (NULL, &f.norm, scales->data, shifts->data), scales, shifts);
  array_check (scales, scale);
  array_check (shifts, shift);
  fixture_clear (&f);
}

/* --- apply --- */

enum {
  RESIDUAL = 1,
  RELU = 2,
  MASK = 4,
  OVER_X = 8,
  OVER_RESIDUAL = 16,
  CASES = 32
};

static gdouble
normed (const Fixture *f, gsize i)
{
  const gsize c = i % f->norm.channels;

  return (array_get (f->x, i) - array_get (f->mean, c)) * array_get (f->inverse, c)
      * array_get (f->weight, c)
      + array_get (f->bias, c);
}

static void
check_apply (CudaType type, Shape shape, guint64 seed, gint flags, gboolean odd)
{
  g_autofree gdouble *expected = NULL, *before = NULL;
  g_autoptr (Array) residual = NULL;
  g_autoptr (Array) out = NULL;
  g_autoptr (Array) mask = NULL;
  Array *y;
  Fixture f;

  fixture_init (&f, type, shape, seed);
  fixture_normed (&f);
  residual = array_random (type, f.n, -2, 2);
  out = array_new (type, f.n);
  mask = array_new (RIG_BYTE, f.n / 8);
  if (odd) {
    const gdouble values[] = { NAN, INFINITY, -INFINITY, 60000 };

    for (gsize i = 0; i < f.n; i += 1 + rig_below (20)) {
      array_set (f.x, i, values[rig_below (4)]);
      array_set (residual, i, values[rig_below (4)]);
    }
  }
  expected = doubles (f.n);
  before = doubles (f.n);
  for (gsize i = 0; i < f.n; i++) {
    before[i] = normed (&f, i) + (flags & RESIDUAL ? array_get (residual, i) : 0);
    expected[i] = flags & RELU && before[i] <= 0 ? 0 : before[i];
  }
  f.norm.relu = !!(flags & RELU);
  y = flags & OVER_X ? f.x : flags & OVER_RESIDUAL ? residual : out;
  RUN (cuda_norm_apply (NULL, &f.norm, f.x->data, flags & RESIDUAL ? residual->data : NULL, y->data,
           flags & MASK ? mask->data : NULL),
      y, flags & MASK ? mask : NULL);
  array_check (y, expected);
  for (gsize i = 0; flags & MASK && i < f.n; i++) {
    const gint bit = (gint) array_get (mask, i / 8) >> i % 8 & 1;

    if (!(fabs (before[i]) < 1e-4)) /* rounding may give it either sign */
      g_assert_cmpint (bit, ==, !(flags & RELU && before[i] <= 0));
    if (!bit)
      g_assert_cmpfloat (array_get (y, i), ==, 0);
  }
  fixture_clear (&f);
}

/* --- backward --- */

enum {
  DOUT1 = 1,
  BY_MASK = 2,
  BY_X = 4,
  WRITES = 8,
  ADDS = 16,
  OVER = 32
};

static void
check_backward (CudaType type, Shape shape, guint64 seed, gint flags, gboolean batch_statistics)
{
  const gsize rows = cuda_norm_rows (shape.points, shape.channels), channels = shape.channels;
  const gboolean by_x = !!(flags & BY_X), by_x_again = by_x && !(flags & WRITES);
  g_autofree gdouble *g = NULL, *din = NULL, *sums = doubles (2 * channels);
  g_autofree gdouble *dweight = doubles (channels), *dbias = doubles (channels),
                     *vector = doubles (3 * channels);
  g_autoptr (Array) partials = array_new (CUDA_TYPE_F32, rows * 2 * channels);
  g_autoptr (Array) added = array_new (CUDA_TYPE_F32, 2 * channels);
  g_autoptr (Array) scale = array_new (CUDA_TYPE_F32, channels);
  g_autoptr (Array) shift = array_new (CUDA_TYPE_F32, channels);
  g_autoptr (Array) vectors = array_new (CUDA_TYPE_F32, 3 * channels);
  g_autoptr (Array) to_weight = array_random (CUDA_TYPE_F32, channels, -1, 1);
  g_autoptr (Array) to_bias = array_random (CUDA_TYPE_F32, channels, -1, 1);
  g_autoptr (Array) dout0 = NULL;
  g_autoptr (Array) dout1 = NULL;
  g_autoptr (Array) mask = NULL;
  g_autoptr (Array) out = NULL;
  Array *to;
  Fixture f;

  fixture_init (&f, type, shape, seed);
  fixture_normed (&f);
  dout0 = array_random (type, f.n, -1, 1.2);
  dout1 = array_random (type, f.n, -1, 1);
  mask = array_random (RIG_BYTE, f.n / 8, 0, 256);
  out = array_new (type, f.n);
  g = doubles (f.n);
  din = doubles (f.n);
  g_assert_cmpint (cuda_norm_vectors (NULL, &f.norm, scale->data, shift->data), ==, 0);

  for (gsize i = 0; i < f.n; i++) {
    const gsize c = i % channels;
    const gfloat y = fmaf (array_get (f.x, i), array_get (scale, c), array_get (shift, c));

    g[i] = array_get (dout0, i) + (flags & DOUT1 ? array_get (dout1, i) : 0);
    if (by_x ? y <= 0 : flags & BY_MASK && !((gint) array_get (mask, i / 8) >> i % 8 & 1))
      g[i] = 0;
    sums[c] += g[i];
    sums[channels + c] += g[i] * (array_get (f.x, i) - array_get (f.mean, c));
  }
  RUN (cuda_norm_backward_sums (NULL, &f.norm, f.x->data, dout0->data,
           flags & DOUT1 ? dout1->data : NULL, flags & BY_MASK ? mask->data : NULL, by_x,
           !!(flags & WRITES), partials->data),
      partials, dout0);
  for (gsize i = 0; i < 2 * channels; i++) {
    gdouble sum = 0;

    for (gsize row = 0; row < rows; row++)
      sum += array_get (partials, row * 2 * channels + i);
    array_set (added, i, sum);
  }
  array_check (added, sums);
  if (flags & WRITES)
    array_check (dout0, g);

  for (gsize c = 0; c < channels; c++) {
    const gdouble inverse = array_get (f.inverse, c), weight = array_get (f.weight, c);

    dweight[c] = sums[channels + c] * inverse + (flags & ADDS ? array_get (to_weight, c) : 0);
    dbias[c] = sums[c] + (flags & ADDS ? array_get (to_bias, c) : 0);
    vector[c] = weight * inverse;
    if (batch_statistics) {
      vector[channels + c] =
          -weight * inverse * inverse * inverse * sums[channels + c] / shape.points;
      vector[2 * channels + c] = -weight * inverse * sums[c] / shape.points;
    }
  }
  RUN (cuda_norm_backward_finish (NULL, &f.norm, partials->data, rows, batch_statistics,
           to_weight->data, to_bias->data, !!(flags & ADDS), vectors->data),
      to_weight, to_bias, vectors);
  array_check (to_weight, dweight);
  array_check (to_bias, dbias);
  array_check (vectors, vector);

  for (gsize i = 0; i < f.n; i++) {
    const gsize c = i % channels;
    const gdouble d = flags & WRITES ? array_get (dout0, i)
        : by_x                       ? g[i] && array_get (dout0, i) ? array_get (dout0, i) : 0
                                     : array_get (dout0, i);

    din[i] = vector[c] * d + vector[channels + c] * (array_get (f.x, i) - array_get (f.mean, c))
        + vector[2 * channels + c];
  }
  if (by_x_again && flags & DOUT1) { /* g differs from dout0: this combination does not occur */
    fixture_clear (&f);
    return;
  }
  to = flags & OVER ? seed % 2 ? f.x : dout0 : out;
  RUN (cuda_norm_backward_apply (
           NULL, &f.norm, f.x->data, dout0->data, by_x_again, vectors->data, to->data),
      to);
  array_check (to, din);
  fixture_clear (&f);
}

/* --- tests --- */

static void
test_statistics (gconstpointer type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (guint64 seed = 1; seed <= 2; seed++)
      check_statistics (GPOINTER_TO_INT (type), shapes[i], seed);
}

static void
test_vectors (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_running (shapes[i], i);
  for (gsize rows = 1; rows < 2000; rows = rows * 3 + 1)
    check_plain_sums (rows, rows);
}

/* A channel with a NaN or an infinite value has no statistics; its neighbours are unaffected. A
 * large mean costs no accuracy. */
static void
test_odd_statistics (void)
{
  const Shape shape = { 300, 16 };
  g_autoptr (Array) partials = array_new (CUDA_TYPE_F32, cuda_norm_rows (300, 16) * 32);
  gdouble mean = 0, squares = 0;
  Fixture f;

  fixture_init (&f, CUDA_TYPE_F32, shape, 5);
  array_set (f.x, 17 * 16 + 3, NAN);
  array_set (f.x, 19 * 16 + 5, INFINITY);
  for (gsize p = 0; p < 300; p++) {
    array_set (f.x, p * 16 + 7, 10000 + rig_uniform (-0.01, 0.01));
    mean += array_get (f.x, p * 16 + 7) / 300;
  }
  for (gsize p = 0; p < 300; p++)
    squares += pow (array_get (f.x, p * 16 + 7) - mean, 2);
  RUN (cuda_norm_statistics (NULL, &f.norm, f.x->data, partials->data), partials);
  RUN (cuda_norm_finish (NULL, &f.norm, f.x->data, partials->data, cuda_norm_rows (300, 16)),
      f.mean, f.inverse, f.running_mean, f.running_var);
  g_assert_true (isnan (array_get (f.mean, 3)) && isnan (array_get (f.inverse, 3)));
  g_assert_false (isfinite (array_get (f.mean, 5)) && isfinite (array_get (f.running_var, 5)));
  for (gsize c = 0; c < 16; c++)
    if (c != 3 && c != 5)
      g_assert_true (isfinite (array_get (f.mean, c)) && isfinite (array_get (f.inverse, c)));
  g_assert_cmpfloat_with_epsilon (array_get (f.inverse, 7) * sqrt (squares / 300 + 1e-5), 1, 1e-5);
  fixture_clear (&f);
}

static void
test_apply (gconstpointer type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (gint n = 0; n < 6; n++) {
      gint flags = rig_below (CASES);

      if (flags & OVER_RESIDUAL && !(flags & RESIDUAL))
        flags &= ~OVER_RESIDUAL;
      check_apply (GPOINTER_TO_INT (type), shapes[i], n, flags, n == 5);
    }
  for (gint flags = 0; flags < CASES; flags++)
    if (!(flags & OVER_RESIDUAL) || flags & RESIDUAL)
      check_apply (GPOINTER_TO_INT (type), (Shape) { 131, 72 }, flags, flags, flags % 3 == 0);
}

static void
test_backward (gconstpointer type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (gint n = 0; n < 3; n++)
      check_backward (GPOINTER_TO_INT (type), shapes[i], n, rig_below (64), n % 2);
  for (gint flags = 0; flags < 64; flags++)
    if ((flags & (BY_MASK | BY_X)) != (BY_MASK | BY_X))
      check_backward (GPOINTER_TO_INT (type), (Shape) { 131, 72 }, flags, flags, flags / 3 % 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (gint type = 0; type < 3; type++) {
    g_autofree gchar *statistics = g_strconcat ("/norm/statistics/", rig_type_names[type], NULL);
    g_autofree gchar *apply = g_strconcat ("/norm/apply/", rig_type_names[type], NULL);
    g_autofree gchar *backward = g_strconcat ("/norm/backward/", rig_type_names[type], NULL);

    g_test_add_data_func (statistics, GINT_TO_POINTER (type), test_statistics);
    g_test_add_data_func (apply, GINT_TO_POINTER (type), test_apply);
    g_test_add_data_func (backward, GINT_TO_POINTER (type), test_backward);
  }
  g_test_add_func ("/norm/vectors", test_vectors);
  g_test_add_func ("/norm/odd-statistics", test_odd_statistics);
  return g_test_run ();
}
