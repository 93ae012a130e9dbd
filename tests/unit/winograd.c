/* Winograd convolutions compared with plain loops in double, with each variant of the kernels that
 * this machine runs.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "src/backend/cpu/kernels.h"
#include "src/backend/cpu/winograd/winograd.h"
#include "src/random.h"

#define MOST_PRODUCTS 4e6   /* by plain loops, per round */
#ifdef __SANITIZE_ADDRESS__ /* which checks each access: a part of the cases is enough */
#define ROUNDS 15
#define LARGE_ROUNDS 1
#else
#define ROUNDS 60
#define LARGE_ROUNDS 3 /* with so many channels that transformed weights are not cached */
#endif
#define MOST_LARGE_PRODUCTS 2e7
#define MARGIN 64 /* floats around the output */

static const gchar *const pass_names[] = { "forward", "backward-data", "backward-weights" };

static guint64 drawn;

static guint64
bits (void)
{
  const Cnn3dRandomKey key = { 2, 0, CNN3D_RANDOM_DEMO, 0 };

  return cnn3d_random_bits (&key, drawn++);
}

static gint
between (gint least, gint most)
{
  return least + (gint) (bits () % (most - least + 1));
}

/* Uniform in [-1, 1), with this many binary digits. */
static gfloat
number (gint digits)
{
  return ldexpf (bits () >> (64 - digits), 1 - digits) - 1;
}

/* --- one convolution --- */

typedef struct {
  CpuWinogradSpec spec;
  gint channels[2]; /* input and output, without the padding of a block */
  gsize n_in, n_out, n_weights;
  gfloat *in, *out, *weights; /* as stored, in float */
} Case;

static gsize
points_of (const Case *c)
{
  return (gsize) c->spec.size[0] * c->spec.size[1] * c->spec.size[2];
}

static gint
taps_of (const Case *c)
{
  return c->spec.kernel[0] * c->spec.kernel[1] * c->spec.kernel[2];
}

static gsize
activation_at (const Case *c, gint padded, gint n, gint channel, gsize point)
{
  const gint lanes = c->spec.lanes;

  return (((gsize) n * (padded / lanes) + channel / lanes) * points_of (c) + point) * lanes
      + channel % lanes;
}

static gsize
weight_at (const Case *c, gint o, gint i, gint tap)
{
  const gint lanes = c->spec.lanes;

  return ((((gsize) (o / lanes) * (c->spec.in / lanes) + i / lanes) * taps_of (c) + tap) * lanes
             + i % lanes)
      * lanes
      + o % lanes;
}

static void
case_init (Case *c, const CpuKernels *kernels, gboolean bf16, gboolean wide, gboolean large)
{
  static const gint shapes[][3] = { { 3, 3, 3 }, { 1, 3, 3 }, { 3, 1, 1 }, { 3, 1, 3 }, { 1, 1, 3 },
    { 3, 3, 1 } };
  const gint lanes = wide ? 16 : 8, digits = bf16 ? 8 : 24;
  const gint shape = large ? 0 : between (-3, G_N_ELEMENTS (shapes) - 1),
             *kernel = shapes[MAX (0, shape)];

  do {
    c->spec = (CpuWinogradSpec) { .kernels = kernels->winograd[bf16][wide],
      .threads = large ? between (1, 20) : between (1, 3),
      .clips = between (1, 3),
      .lanes = lanes,
      .element = bf16 ? 2 : 4 };
    for (gint k = 0; k < 3; k++) {
      c->spec.kernel[k] = kernel[k];
      c->spec.size[k] = large ? between (3, 6) : between (0, 3) ? between (1, 9) : between (1, 40);
    }
    c->channels[0] = large ? between (105, 125) : between (1, 100);
    c->channels[1] = large ? between (105, 125) : between (1, 100);
    c->spec.in = (c->channels[0] + lanes - 1) / lanes * lanes;
    c->spec.out = (c->channels[1] + lanes - 1) / lanes * lanes;
  } while ((gdouble) c->spec.clips * points_of (c) * c->spec.in * c->spec.out * taps_of (c)
      > (large ? MOST_LARGE_PRODUCTS : MOST_PRODUCTS));
  c->n_in = c->spec.clips * points_of (c) * c->spec.in;
  c->n_out = c->spec.clips * points_of (c) * c->spec.out;
  c->n_weights = (gsize) c->spec.in * c->spec.out * taps_of (c);
  c->in = g_new0 (gfloat, c->n_in);
  c->out = g_new0 (gfloat, c->n_out);
  c->weights = g_new0 (gfloat, c->n_weights);
  for (gint n = 0; n < (gint) c->spec.clips; n++)
    for (gsize p = 0; p < points_of (c); p++) {
      for (gint i = 0; i < c->channels[0]; i++)
        c->in[activation_at (c, c->spec.in, n, i, p)] = number (digits);
      for (gint o = 0; o < c->channels[1]; o++)
        c->out[activation_at (c, c->spec.out, n, o, p)] = number (digits);
    }
  for (gint o = 0; o < c->channels[1]; o++)
    for (gint i = 0; i < c->channels[0]; i++)
      for (gint tap = 0; tap < taps_of (c); tap++)
        c->weights[weight_at (c, o, i, tap)] = number (24);
}

static void
case_clear (Case *c)
{
  g_free (c->in);
  g_free (c->out);
  g_free (c->weights);
}

/* The pass's output by plain loops: from `in` forward, from `out` backward. */
static gdouble *
plain (const Case *c, CpuPass pass)
{
  const gint *size = c->spec.size, *kernel = c->spec.kernel;
  gdouble *result = g_new0 (gdouble,
      pass == CPU_FORWARD             ? c->n_out
          : pass == CPU_BACKWARD_DATA ? c->n_in
                                      : c->n_weights);

  for (gint n = 0; n < (gint) c->spec.clips; n++)
    for (gint p = 0; p < (gint) points_of (c); p++)
      for (gint tap = 0; tap < taps_of (c); tap++) {
        const gint d = p / (size[1] * size[2]) + tap / (kernel[1] * kernel[2]) - kernel[0] / 2;
        const gint h = p / size[2] % size[1] + tap / kernel[2] % kernel[1] - kernel[1] / 2;
        const gint w = p % size[2] + tap % kernel[2] - kernel[2] / 2;

        if (d < 0 || d >= size[0] || h < 0 || h >= size[1] || w < 0 || w >= size[2])
          continue;
        for (gint o = 0; o < c->channels[1]; o++) {
          const gsize at_out = activation_at (c, c->spec.out, n, o, p);

          for (gint i = 0; i < c->channels[0]; i++) {
            const gsize at_in =
                activation_at (c, c->spec.in, n, i, ((gsize) d * size[1] + h) * size[2] + w);
            const gsize at = weight_at (c, o, i, tap);

            if (pass == CPU_FORWARD)
              result[at_out] += (gdouble) c->in[at_in] * c->weights[at];
            else if (pass == CPU_BACKWARD_DATA)
              result[at_in] += (gdouble) c->out[at_out] * c->weights[at];
            else
              result[at] += (gdouble) c->in[at_in] * c->out[at_out];
          }
        }
      }
  return result;
}

/* Values in memory of their type; NaN before the first write and on both sides. */
static guint8 *
to_memory (const gfloat *values, gsize n, gint element)
{
  guint8 *memory = g_malloc ((n + 2 * MARGIN) * element);

  memset (memory, 0xff, (n + 2 * MARGIN) * element);
  for (gsize i = 0; values && i < n; i++)
    memcpy (memory + (MARGIN + i) * element, (const guint8 *) &values[i] + 4 - element, element);
  return memory;
}

static gfloat
from_memory (const guint8 *memory, gsize i, gint element)
{
  gfloat value = 0;

  memcpy ((guint8 *) &value + 4 - element, memory + (MARGIN + i) * element, element);
  return value;
}

static void
assert_margins (const guint8 *memory, gsize n, gint element)
{
  for (gint i = 0; i < MARGIN * element; i++) {
    g_assert_cmpuint (memory[i], ==, 0xff);
    g_assert_cmpuint (memory[(n + MARGIN) * element + i], ==, 0xff);
  }
}

/* Runs a pass; returns its output with margins. */
static guint8 *
run (const Case *c, CpuPass pass, guint threads)
{
  CpuWinogradSpec spec = c->spec;
  CpuWinograd *w;
  guint8 *in, *out, *weights, *memory;
  gsize scratch;

  spec.threads = threads;
  w = cpu_winograd_new (&spec, pass);
  scratch = cpu_winograd_scratch (w);
  memory = g_malloc (scratch + 64);
  memset (memory, 0xff, scratch + 64);
  in = to_memory (pass == CPU_BACKWARD_DATA ? NULL : c->in, c->n_in, spec.element);
  out = to_memory (pass == CPU_FORWARD ? NULL : c->out, c->n_out, spec.element);
  weights = to_memory (pass == CPU_BACKWARD_WEIGHTS ? NULL : c->weights, c->n_weights, 4);
  {
    guint8 *base = memory + (64 - (gsize) memory % 64) % 64;
    gpointer x = in + MARGIN * spec.element, y = out + MARGIN * spec.element;

    cpu_winograd_prepare (w, (gfloat *) weights + MARGIN, base);
    cpu_winograd_run (w, pass == CPU_BACKWARD_DATA ? y : x, pass == CPU_BACKWARD_DATA ? x : y,
        (gfloat *) weights + MARGIN, base);
    for (guint8 *rest = base + scratch; rest < memory + scratch + 64; rest++)
      g_assert_cmpuint (*rest, ==, 0xff);
  }
  assert_margins (in, c->n_in, spec.element);
  assert_margins (out, c->n_out, spec.element);
  assert_margins (weights, c->n_weights, 4);
  cpu_winograd_free (w);
  g_free (memory);
  if (pass != CPU_BACKWARD_DATA)
    g_free (in);
  if (pass != CPU_FORWARD)
    g_free (out);
  if (pass != CPU_BACKWARD_WEIGHTS)
    g_free (weights);
  return pass == CPU_FORWARD ? out : pass == CPU_BACKWARD_DATA ? in : weights;
}

static void
check (const Case *c, CpuPass pass, const gchar *variant)
{
  const gint element = pass == CPU_BACKWARD_WEIGHTS ? 4 : c->spec.element;
  const gsize n = pass == CPU_FORWARD ? c->n_out
      : pass == CPU_BACKWARD_DATA     ? c->n_in
                                      : c->n_weights;
  g_autofree gdouble *expected = plain (c, pass);
  g_autofree guint8 *got = run (c, pass, c->spec.threads),
                    *other = run (c, pass, c->spec.threads % 7 + 1);
  gdouble error = 0, size = 0;

  for (gsize i = 0; i < n; i++) {
    const gdouble difference = from_memory (got, i, element) - expected[i];

    error += difference * difference;
    size += expected[i] * expected[i];
  }
  error = sqrt (error / MAX (size, 1e-30));
  /* bf16 has 8 bits: rounding errors of 1.1e-3, root mean square */
  if (!(error < (element == 2 ? 2.5e-3 : 8e-6)))
    g_error ("%s %s of %d bytes, %d lanes, %u clips of %dx%dx%d, %d to %d channels, kernel "
             "%dx%dx%d, %u threads: off by %g",
        variant, pass_names[pass], element, c->spec.lanes, c->spec.clips, c->spec.size[0],
        c->spec.size[1], c->spec.size[2], c->spec.in, c->spec.out, c->spec.kernel[0],
        c->spec.kernel[1], c->spec.kernel[2], c->spec.threads, error);
  g_assert_cmpmem (got, (n + 2 * MARGIN) * element, other, (n + 2 * MARGIN) * element);
}

static void
test_passes (gconstpointer data)
{
  const CpuKernels *kernels = data;

  for (gint round = 0; round < ROUNDS + LARGE_ROUNDS; round++)
    for (gint type = 0; type < 4; type++) {
      Case c;

      if (!kernels->winograd[type / 2][type % 2])
        continue;
      case_init (&c, kernels, type / 2, type % 2, round >= ROUNDS);
      for (CpuPass pass = CPU_FORWARD; pass <= CPU_BACKWARD_WEIGHTS; pass++)
        check (&c, pass, kernels->name);
      case_clear (&c);
    }
}

/* A NaN affects only its tile and the adjacent ones, and is not hidden. */
static void
test_not_finite (gconstpointer data)
{
  const CpuKernels *kernels = data;
  const gfloat bad[] = { NAN, INFINITY };

  for (guint k = 0; k < G_N_ELEMENTS (bad); k++) {
    Case c;
    g_autofree guint8 *got = NULL;
    gint seen = 0;

    do {
      case_init (&c, kernels, FALSE, FALSE, FALSE);
      if (c.spec.kernel[0] * c.spec.kernel[1] * c.spec.kernel[2] == 27 && c.spec.size[0] > 8
          && c.spec.size[1] > 8)
        break;
      case_clear (&c);
    } while (TRUE);
    c.in[0] = bad[k];
    got = run (&c, CPU_FORWARD, 2);
    for (gsize i = 0; i < c.n_out; i++) {
      const gsize point = i / c.spec.lanes % points_of (&c);
      const gint d = point / (c.spec.size[1] * c.spec.size[2]),
                 h = point / c.spec.size[2] % c.spec.size[1];
      const gint w = point % c.spec.size[2];
      const gboolean finite = isfinite (from_memory (got, i, 4));

      if (d >= 4 || h >= 4 || w >= 4 || i >= c.n_out / c.spec.clips)
        g_assert_true (finite);
      seen += !finite;
    }
    g_assert_cmpint (seen, >=, c.channels[1]);
    case_clear (&c);
  }
}

/* A row of a product has the same bits, whatever the number of rows computed with it. */
static void
check_rows (const CpuWinogradKernels *k, gint lanes, gint columns, gboolean transposed)
{
  enum {
    MOST_ROWS = 40,
    STEPS = 48
  };
  gfloat a[MOST_ROWS * STEPS * 16], b[STEPS * 2 * 16 * 2], first[MOST_ROWS * 2 * 16],
      c[MOST_ROWS * 2 * 16];
  /* rows of `lanes` steps in two blocks; steps of `lanes` rows at most */
  const gint most = transposed ? lanes : MOST_ROWS;
  CpuWinogradProduct p = { 1, columns, transposed ? STEPS : lanes, transposed ? 1 : 2, a, b, c,
    MOST_ROWS * lanes, columns * lanes, lanes, FALSE };

  for (guint i = 0; i < G_N_ELEMENTS (a); i++)
    a[i] = number (24);
  for (guint i = 0; i < G_N_ELEMENTS (b); i++)
    b[i] = number (24);
  for (gint row = 0; row < most; row++) {
    p.a = a + (transposed ? row : row * lanes);
    p.c = first + row * columns * lanes;
    (transposed ? k->product_transposed : k->product) (&p);
  }
  p.a = a;
  p.c = c;
  for (p.rows = 1; p.rows <= most; p.rows++) {
    (transposed ? k->product_transposed : k->product) (&p);
    g_assert_cmpmem (
        c, p.rows * columns * lanes * sizeof *c, first, p.rows * columns * lanes * sizeof *first);
  }
}

static void
test_rows (gconstpointer data)
{
  const CpuKernels *kernels = data;

  for (gint wide = 0; wide < 2; wide++)
    for (gint k = 0; k < 4; k++)
      if (kernels->winograd[0][wide])
        check_rows (kernels->winograd[0][wide], wide ? 16 : 8, k / 2 + 1, k % 2);
}

static void
test_fits (void)
{
  static const struct {
    gint size[3], kernel[3], stride[3], pad[3];
    gboolean fits;
  } cases[] = {
    { { 16, 56, 56 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 }, TRUE },
    { { 8, 14, 14 }, { 1, 3, 3 }, { 1, 1, 1 }, { 0, 1, 1 }, TRUE },
    { { 8, 14, 14 }, { 3, 1, 1 }, { 1, 1, 1 }, { 1, 0, 0 }, TRUE },
    { { 8, 14, 14 }, { 1, 1, 1 }, { 1, 1, 1 }, { 0, 0, 0 }, FALSE },
    { { 8, 14, 14 }, { 3, 3, 3 }, { 1, 2, 2 }, { 1, 1, 1 }, FALSE },
    { { 8, 14, 14 }, { 3, 3, 3 }, { 1, 1, 1 }, { 0, 1, 1 }, FALSE },
    { { 8, 14, 14 }, { 3, 7, 7 }, { 1, 1, 1 }, { 1, 3, 3 }, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (
        cpu_winograd_fits (cases[i].size, cases[i].kernel, cases[i].stride, cases[i].pad), ==,
        cases[i].fits);
}

static void
add_tests (const CpuKernels *kernels)
{
  g_autofree gchar *passes = g_strdup_printf ("/winograd/%s/passes", kernels->name);
  g_autofree gchar *rows = g_strdup_printf ("/winograd/%s/rows", kernels->name);
  g_autofree gchar *not_finite = g_strdup_printf ("/winograd/%s/not-finite", kernels->name);

  g_test_add_data_func (rows, kernels, test_rows);
  g_test_add_data_func (passes, kernels, test_passes);
  g_test_add_data_func (not_finite, kernels, test_not_finite);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/winograd/fits", test_fits);
  add_tests (&cpu_kernels_base);
#ifdef CNN3D_X86
  if (cpu_kernels_select () != &cpu_kernels_base)
    add_tests (&cpu_kernels_avx2);
  if (cpu_kernels_select () == &cpu_kernels_avx512)
    add_tests (&cpu_kernels_avx512);
#endif
  return g_test_run ();
}
