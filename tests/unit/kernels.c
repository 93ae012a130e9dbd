/* Each variant of the CPU back end's kernels that this machine runs, compared with plain loops.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "src/backend/cpu/kernels.h"
#include "src/random.h"

#define MOST_POINTS 70
#define MOST (MOST_POINTS * 16 * 3)
#define ROUNDS 40

/* --- numbers --- */

static guint64 drawn;

static guint64
bits (void)
{
  const Cnn3dRandomKey key = { 1, 0, CNN3D_RANDOM_DEMO, 0 };

  return cnn3d_random_bits (&key, drawn++);
}

/* Uniform in (-2, 2); one in 16 is zero. */
static gfloat
number (void)
{
  const guint64 b = bits ();

  return b % 16 ? ((b >> 40) * 0x1p-22f) - 2 : 0;
}

static void
fill (gfloat *values, gsize n)
{
  for (gsize i = 0; i < n; i++)
    values[i] = number ();
}

static guint32
float_bits (gfloat f)
{
  guint32 u;

  memcpy (&u, &f, sizeof u);
  return u;
}

static gfloat
bits_float (guint32 u)
{
  gfloat f;

  memcpy (&f, &u, sizeof f);
  return f;
}

/* Round to nearest, ties to even; NaN stays NaN. The nearest is searched for among both
 * neighbours. */
static guint16
plain_bf16 (gfloat f)
{
  const guint32 low = float_bits (f) & 0xffff, down = float_bits (f) >> 16;

  if (isnan (f))
    return down | 0x40;
  return low > 0x8000 || (low == 0x8000 && down % 2) ? down + 1 : down;
}

/* A tensor of either type, and its values as stored. */
typedef struct {
  gboolean half;
  gfloat f[MOST];
  guint16 h[MOST];
} Data;

static gpointer
address (Data *d)
{
  return d->half ? (gpointer) d->h : (gpointer) d->f;
}

static gfloat
get (const Data *d, gsize i)
{
  return d->half ? bits_float ((guint32) d->h[i] << 16) : d->f[i];
}

static void
set (Data *d, gsize i, gfloat value)
{
  d->f[i] = value;
  d->h[i] = plain_bf16 (value);
}

static void
draw (Data *d, gboolean half)
{
  d->half = half;
  for (gsize i = 0; i < MOST; i++)
    set (d, i, number ());
}

/* Fused multiply-add and the order of sums change the last bits. */
static void
assert_near (gdouble got, gdouble expected, gdouble size, gdouble bound)
{
  if (!(fabs (got - expected) <= bound * (size + 1e-30)) && !(isnan (got) && isnan (expected))
      && got != expected)
    g_error ("%.9g, expected %.9g (bound %g)", got, expected, bound * size);
}

#define F32 4e-7
#define BF16 4e-3 /* half a unit in the last place: 2^-8 */

/* --- the kernels of one type and number of lanes --- */

typedef struct {
  const CpuKernels *kernels;
  const CpuBlockKernels *k;
  gboolean half;
  gint lanes;
} Variant;

static gdouble
store_bound (const Variant *v)
{
  return v->half ? BF16 : F32;
}

static void
check_sums (const Variant *v, gsize points)
{
  Data x;
  gdouble sum[16], squares[16], expected_sum[16], expected_squares[16];
  gfloat mean[16], plain[16] = { 0 };

  draw (&x, v->half);
  fill (mean, 16);
  for (gint l = 0; l < v->lanes; l++) {
    sum[l] = expected_sum[l] = number ();
    squares[l] = expected_squares[l] = number ();
  }
  for (gsize i = 0; i < points * v->lanes; i++) {
    const gdouble a = get (&x, i), d = a - mean[i % v->lanes];

    expected_sum[i % v->lanes] += a;
    expected_squares[i % v->lanes] += d * d;
  }
  v->k->sums (address (&x), points, sum);
  v->k->deviations (address (&x), points, mean, squares);
  v->k->sum (address (&x), points, plain);
  for (gint l = 0; l < v->lanes; l++) {
    gdouble alone = 0;

    for (gsize p = 0; p < points; p++)
      alone += get (&x, p * v->lanes + l);
    assert_near (sum[l], expected_sum[l], 2 * points, 1e-15);
    assert_near (squares[l], expected_squares[l], 16 * points, F32);
    assert_near (plain[l], alone, 2 * points, F32);
  }
}

/* Where the output is written. */
typedef enum {
  APART,
  OVER_INPUT,
  OVER_SECOND,
  N_PLACES
} Place;

static gboolean
mask_bit (const guint8 *mask, const Variant *v, gsize i)
{
  const gsize point = i / v->lanes;

  return mask[point / 8 * v->lanes + i % v->lanes] >> point % 8 & 1;
}

/* masked: with residual and relu only. */
static void
check_normalize (const Variant *v, gsize points, gboolean with_residual, gboolean relu,
    gboolean masked, Place place)
{
  static Data x, y, residual, before[2];
  guint8 mask[CPU_MASK_BYTES (MOST_POINTS, 16) + 16];
  Data *to = place == OVER_INPUT ? &x : place == OVER_SECOND && with_residual ? &residual : &y;
  gfloat scale[16], bias[16];

  draw (&x, v->half);
  draw (&y, v->half);
  draw (&residual, v->half);
  fill (scale, 16);
  fill (bias, 16);
  memset (mask, 0x5a, sizeof mask);
  before[0] = x;
  before[1] = residual;
  v->k->normalize (address (&x), with_residual ? address (&residual) : NULL, address (to), points,
      scale, bias, relu, masked ? mask : NULL);
  for (gsize i = 0; i < MOST; i++) {
    const gint l = i % v->lanes;
    gdouble expected = (gdouble) get (&before[0], i) * scale[l] + bias[l]
        + (with_residual ? get (&before[1], i) : 0);

    if (i >= points * v->lanes) {
      g_assert_cmpfloat (get (&x, i), ==, get (&before[0], i));
      g_assert_cmpfloat (get (&residual, i), ==, get (&before[1], i));
      continue;
    }
    if (relu && expected < 0)
      expected = 0;
    assert_near (get (to, i), expected, 8, store_bound (v));
    if (relu)
      g_assert_cmpfloat (get (to, i), >=, 0);
    /* values that bf16 cannot represent are closer to zero than any that occur */
    if (masked)
      g_assert_cmpint (mask_bit (mask, v, i), ==, get (to, i) > 0);
    if (to != &x)
      g_assert_cmpfloat (get (&x, i), ==, get (&before[0], i));
    if (to != &residual)
      g_assert_cmpfloat (get (&residual, i), ==, get (&before[1], i));
  }
  /* bytes behind the mask are not written; bits of missing points in its last byte are 0 */
  for (gsize i = masked ? CPU_MASK_BYTES (points, v->lanes) : 0; i < sizeof mask; i++)
    g_assert_cmphex (mask[i], ==, 0x5a);
  for (gsize i = points * v->lanes; masked && i < (points + 7) / 8 * 8 * v->lanes; i++)
    g_assert_false (mask_bit (mask, v, i));
}

/* NaN stays NaN, -inf becomes 0, inf stays. */
static void
check_relu_extremes (const Variant *v)
{
  const gfloat odd[] = { NAN, -NAN, INFINITY, -INFINITY, -0.0f, 0, 1e-40f, -1e-40f, G_MAXFLOAT,
    -G_MAXFLOAT };
  static Data x, y;
  gfloat one[16], zero[16] = { 0 };

  draw (&x, v->half);
  draw (&y, v->half);
  for (gint l = 0; l < 16; l++)
    one[l] = 1;
  for (gsize i = 0; i < MOST; i++)
    set (&x, i, odd[i % G_N_ELEMENTS (odd)]);
  v->k->normalize (address (&x), NULL, address (&y), MOST_POINTS, one, zero, TRUE, NULL);
  for (gsize i = 0; i < (gsize) MOST_POINTS * v->lanes; i++) {
    const gfloat in = get (&x, i), out = get (&y, i);

    if (isnan (in))
      g_assert_true (isnan (out));
    else if (in > 0)
      g_assert_cmpfloat (out, ==, in);
    else
      g_assert_cmphex (float_bits (out), ==, 0);
  }
}

/* What ReLU's backward pass uses: nothing, the saved mask, or its input. */
typedef enum {
  OPEN,
  BY_BITS,
  BY_INPUT,
  N_MASKS
} Mask;

/* The kernels may fuse x * scale + bias: keeps every result so far from zero that this does not
 * change its sign. */
static void
avoid_zero (Data *x, gint lanes, const gfloat *scale, const gfloat *bias)
{
  for (gsize i = 0; i < MOST; i++)
    while (fabs ((gdouble) get (x, i) * scale[i % lanes] + bias[i % lanes]) < 1e-5)
      set (x, i, number ());
}

static gboolean
lets_through (Mask mask, const Data *x, gsize i, gfloat scale, gfloat bias)
{
  return mask != BY_INPUT || (gdouble) get (x, i) * scale + bias > 0;
}

static void
check_norm_sums (const Variant *v, gsize points, gboolean two, Mask mask, gboolean store)
{
  static Data dy0, dy1, x, before;
  guint8 let[CPU_MASK_BYTES (MOST_POINTS, 16)];
  gfloat mean[16], scale[16], bias[16], sum[16], product[16];
  gdouble expected_sum[16], expected_product[16];

  draw (&dy0, v->half);
  draw (&dy1, v->half);
  draw (&x, v->half);
  for (gsize i = 0; i < sizeof let; i++)
    let[i] = bits ();
  fill (mean, 16);
  fill (scale, 16);
  for (gint l = 0; l < 16; l++) {
    bias[l] = 0.5f + fabsf (number ());
    sum[l] = expected_sum[l] = number ();
    product[l] = expected_product[l] = number ();
  }
  avoid_zero (&x, v->lanes, scale, bias);
  before = dy0;
  v->k->norm_sums (address (&dy0), two ? address (&dy1) : NULL, mask == BY_BITS ? let : NULL,
      address (&x), points, mean, mask == BY_INPUT ? scale : NULL, mask == BY_INPUT ? bias : NULL,
      store, sum, product);
  for (gsize i = 0; i < MOST; i++) {
    const gint l = i % v->lanes;
    gdouble g = (gdouble) get (&before, i) + (two ? get (&dy1, i) : 0);

    if (i >= points * v->lanes) {
      g_assert_cmpfloat (get (&dy0, i), ==, get (&before, i));
      continue;
    }
    if (!lets_through (mask, &x, i, scale[l], bias[l])
        || (mask == BY_BITS && !mask_bit (let, v, i)))
      g = 0;
    if (store)
      assert_near (get (&dy0, i), g, 4, store_bound (v));
    else
      g_assert_cmpfloat (get (&dy0, i), ==, get (&before, i));
    expected_sum[l] += g;
    expected_product[l] += g * ((gdouble) get (&x, i) - mean[l]);
  }
  for (gint l = 0; l < v->lanes; l++) {
    assert_near (sum[l], expected_sum[l], 4 * points, F32);
    assert_near (product[l], expected_product[l], 16 * points, F32);
  }
}

static void
check_norm_input (const Variant *v, gsize points, Mask mask, Place place)
{
  static Data g, x, dx, before, at;
  Data *to = place == OVER_INPUT ? &g : place == OVER_SECOND ? &x : &dx;
  gfloat mean[16], scale[16], bias[16], a[16], b[16], c[16];

  draw (&g, v->half);
  draw (&x, v->half);
  draw (&dx, v->half);
  fill (mean, 16);
  fill (scale, 16);
  fill (a, 16);
  fill (b, 16);
  fill (c, 16);
  for (gint l = 0; l < 16; l++)
    bias[l] = 0.5f + fabsf (number ());
  avoid_zero (&x, v->lanes, scale, bias);
  before = g;
  at = x;
  v->k->norm_input (address (&g), address (&x), address (to), points, mean,
      mask == BY_INPUT ? scale : NULL, mask == BY_INPUT ? bias : NULL, a, b, c);
  for (gsize i = 0; i < points * v->lanes; i++) {
    const gint l = i % v->lanes;
    const gdouble through = lets_through (mask, &at, i, scale[l], bias[l]) ? get (&before, i) : 0;

    assert_near (get (to, i),
        a[l] * through + (gdouble) b[l] * ((gdouble) get (&at, i) - mean[l]) + c[l], 14,
        store_bound (v));
  }
}

static void
check_moves (const Variant *v, gsize points, gsize stride)
{
  static Data x, y, before;
  gfloat value[16];

  draw (&x, v->half);
  draw (&y, v->half);
  before = y;
  v->k->add (address (&y), address (&x), points);
  for (gsize i = 0; i < points * v->lanes; i++)
    assert_near (get (&y, i), (gdouble) get (&before, i) + get (&x, i), 4, store_bound (v));

  fill (value, 16);
  v->k->fill (address (&y), points, value);
  for (gsize i = 0; i < MOST; i++)
    if (i < points * v->lanes)
      assert_near (get (&y, i), value[i % v->lanes], 2, store_bound (v));
    else
      g_assert_cmpfloat (get (&y, i), ==, get (&before, i));

  before = x;
  v->k->scatter_add (address (&x), address (&y), points, stride);
  for (gsize i = 0; i < points * stride * v->lanes; i++) {
    const gsize p = i / v->lanes;
    const gdouble more = p % stride ? 0 : get (&y, p / stride * v->lanes + i % v->lanes);

    assert_near (get (&x, i), get (&before, i) + more, 4, p % stride ? 0 : store_bound (v));
  }
}

static void
test_blocks (gconstpointer data)
{
  const CpuKernels *kernels = data;

  for (gint half = 0; half < 2; half++)
    for (gint wide = 0; wide < 2; wide++) {
      const Variant v = { kernels, &kernels->blocks[half][wide], half, wide ? 16 : 8 };

      check_relu_extremes (&v);
      for (guint round = 0; round < ROUNDS; round++) {
        const gsize points = round ? 1 + bits () % MOST_POINTS : 1;

        check_sums (&v, points);
        for (Place place = APART; place < N_PLACES; place++) {
          check_normalize (&v, points, round & 1, round & 2, FALSE, place);
          check_normalize (&v, points, TRUE, TRUE, TRUE, place);
          check_norm_input (&v, points, OPEN, place);
          check_norm_input (&v, points, BY_INPUT, place);
        }
        for (Mask mask = OPEN; mask < N_MASKS; mask++) {
          check_norm_sums (&v, points, round & 1, mask, FALSE);
          if (round & 1 || mask != OPEN) /* else g is dy0 and stays */
            check_norm_sums (&v, points, round & 1, mask, TRUE);
        }
        check_moves (&v, points, 1 + round % 3);
      }
    }
}

/* --- plain arrays --- */

static void
test_updates (gconstpointer data)
{
  const CpuKernels *k = data;
  enum {
    N = 16 * 21
  };
  gfloat w[N], g[N], m[N], s[N], w0[N], m0[N], s0[N];

  for (guint round = 0; round < ROUNDS; round++) {
    const gfloat lr = fabsf (number ()), momentum = fabsf (number ()) / 2,
                 decay = fabsf (number ()) / 8;
    const gfloat scale = number (), root = 1.5f, eps = 1e-8f, keep = 1 - fabsf (number ()) / 8;
    const gsize n = 16 * (1 + bits () % 21);

    fill (w, N);
    fill (g, N);
    fill (m, N);
    for (gsize i = 0; i < N; i++)
      s[i] = 0.01f + fabsf (number ());
    memcpy (w0, w, sizeof w);
    memcpy (m0, m, sizeof m);
    memcpy (s0, s, sizeof s);
    k->sgd (n, w, g, round & 1 ? m : NULL, lr, momentum, decay, scale);
    for (gsize i = 0; i < N; i++) {
      const gdouble d = (gdouble) g[i] * scale + (gdouble) decay * w0[i];
      const gdouble velocity = round & 1 ? (gdouble) momentum * m0[i] + d : d;

      assert_near (w[i], i < n ? w0[i] - lr * velocity : w0[i], i < n ? 16 : 0, F32);
      assert_near (m[i], i < n && round & 1 ? velocity : m0[i], i < n && round & 1 ? 8 : 0, F32);
    }

    memcpy (w, w0, sizeof w);
    memcpy (m, m0, sizeof m);
    k->adam (n, w, g, m, s, lr, root, 0.9f, 0.999f, eps, decay, keep, scale);
    for (gsize i = 0; i < n; i++) {
      const gdouble d = (gdouble) g[i] * scale + (gdouble) decay * w0[i];
      const gdouble first = 0.9f * m0[i] + (1 - 0.9f) * d,
                    second = 0.999f * s0[i] + (1 - 0.999f) * d * d;
      const gdouble step = lr * first / (sqrt (second) * root + eps);

      assert_near (m[i], first, 4, F32);
      assert_near (s[i], second, 4, F32);
      assert_near (w[i], keep * w0[i] - step, 2 + 20 * fabs (step), F32);
    }

    memcpy (w, w0, sizeof w);
    k->add_floats (n, w, g);
    for (gsize i = 0; i < N; i++)
      g_assert_cmpfloat (w[i], ==, i < n ? w0[i] + g[i] : w0[i]);
  }
}

static void
test_sum_squares (gconstpointer data)
{
  const CpuKernels *k = data;
  enum {
    N = 16 * 1000
  };
  g_autofree gfloat *x = g_new (gfloat, N);
  gdouble expected = 0;

  fill (x, N);
  x[5] = 1e30f; /* its square overflows a float */
  for (gsize i = 0; i < N; i++)
    expected += (gdouble) x[i] * x[i];
  assert_near (k->sum_squares (N, x), expected, expected, 1e-12);
  g_assert_cmpfloat (k->sum_squares (0, x), ==, 0);
  x[N - 1] = INFINITY;
  g_assert_true (isinf (k->sum_squares (N, x)));
  x[7] = NAN;
  g_assert_true (isnan (k->sum_squares (N, x)));
}

/* Every exponent, sign and upper bit with low halves around the midpoint. */
static void
test_to_bf16 (gconstpointer data)
{
  static const guint32 lows[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff, 0x1234 };
  const CpuKernels *k = data;
  gfloat in[16];
  guint16 out[16];

  for (guint32 high = 0; high < 0x10000; high += 2) {
    for (gint i = 0; i < 16; i++)
      in[i] = bits_float ((high + i / 8) << 16 | lows[i % 8]);
    k->to_bf16 (16, out, in);
    for (gint i = 0; i < 16; i++) {
      if (!isnan (in[i])) {
        g_assert_cmphex (out[i], ==, plain_bf16 (in[i]));
        continue;
      }
      g_assert_true (isnan (bits_float ((guint32) out[i] << 16)));
      g_assert_cmpint (
          signbit (bits_float ((guint32) out[i] << 16)) != 0, ==, signbit (in[i]) != 0);
    }
  }
}

static void
add_variant (const CpuKernels *k)
{
  const struct {
    const gchar *name;
    GTestDataFunc test;
  } tests[] = {
    { "blocks", test_blocks },
    { "updates", test_updates },
    { "sum-squares", test_sum_squares },
    { "to-bf16", test_to_bf16 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    g_autofree gchar *path = g_strdup_printf ("/kernels/%s/%s", k->name, tests[i].name);

    g_test_add_data_func (path, k, tests[i].test);
  }
}

static void
test_select (void)
{
  const CpuKernels *best = cpu_kernels_select ();

  g_test_message ("%s", best->name);
#ifdef CNN3D_X86
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
    g_assert_true (best != &cpu_kernels_base);
#endif
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_variant (&cpu_kernels_base);
#ifdef CNN3D_X86
  __builtin_cpu_init ();
  if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
    add_variant (&cpu_kernels_avx2);
  if (__builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw")
      && __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512dq"))
    add_variant (&cpu_kernels_avx512);
#endif
  g_test_add_func ("/kernels/select", test_select);
  return g_test_run ();
}
