/* The check of convolutions: right results pass, wrong ones do not.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <float.h>
#include <math.h>
#include <string.h>

#include "tests/cuda/dnn-reference.h"
#include "tests/cuda/rig.h"

static const CudaConv convs[] = {
  CONVS_OF_EACH_KIND,
  { 0, 1, 8, 8, { 1, 2, 2 }, { 1, 1, 1 }, { 1, 1, 1 },
      { 0, 0, 0 } }, /* fewer numbers than samples */
  /* long sums, for the weights alone */
  { 0, 9, 8, 8, { 1, 32, 32 }, { 1, 1, 1 }, { 1, 1, 1 }, { 0, 0, 0 } },
};

/* In the order x, y, w: which is the result, and its numbers. */
typedef struct {
  CudaConvGraph graph;
  CudaCheck check;
  Array *tensors[3], *result, *results;
  gdouble *wide[3];
} Case;

static gdouble
off (Case *c, gint times, gboolean *whole)
{
  CudaCheckResults *r = c->results->data;
  gdouble most = 0;

  RUN (cuda_check_compare (NULL, &c->check, c->result->data, times, r), c->results);
  *whole = TRUE;
  for (guint s = 0; s < CUDA_CHECK_SAMPLES; s++) {
    *whole &= !isnan (r->tolerance[s]);
    most = isnan (r->off[s]) ? INFINITY : MAX (most, (gdouble) r->off[s]);
  }
  return most;
}

static void
case_init (Case *c, const CudaConv *conv, CudaType type, CudaConvDirection direction)
{
  static const gfloat rounding[] = { 0x1p-24f, 0x1p-11f, 0x1p-9f };
  const guint result[] = { 1, 0, 2 };
  gsize numbers[3], terms[3];

  memset (c, 0, sizeof *c);
  c->graph = (CudaConvGraph) { .direction = direction, .conv = *conv };
  c->graph.conv.type = type;
  numbers[0] = conv_in_numbers (conv);
  numbers[1] = conv_out_numbers (conv);
  numbers[2] = conv_weight_numbers (conv);
  terms[0] = numbers[2] / conv->in_channels;
  terms[1] = numbers[2] / conv->out_channels;
  terms[2] = numbers[1] / conv->out_channels;
  c->check = (CudaCheck) { c->graph.conv, direction, numbers[result[direction]],
    terms[result[direction]], rounding[type], type == CUDA_TYPE_F16 ? 0x1p-24f : FLT_MIN,
    type == CUDA_TYPE_F16 ? 65000 : FLT_MAX / 2 };
  for (guint i = 0; i < 3; i++) {
    c->tensors[i] = array_random (type, numbers[i], -1, 1);
    c->wide[i] = g_new (gdouble, numbers[i]);
    for (gsize k = 0; k < numbers[i]; k++)
      c->wide[i][k] = array_get (c->tensors[i], k);
  }
  c->result = c->tensors[result[direction]];
  c->results = array_new (RIG_BYTE, sizeof (CudaCheckResults));
}

static void
case_clear (Case *c)
{
  for (guint i = 0; i < 3; i++) {
    array_free (c->tensors[i]);
    g_free (c->wide[i]);
  }
  array_free (c->results);
}

static void
expect (Case *c)
{
  RUN (cuda_check_expect (NULL, &c->check, c->tensors[0]->data, c->tensors[1]->data,
           c->tensors[2]->data, c->results->data),
      c->results);
}

/* What a convolution in this type would give. */
static void
compute (Case *c, gdouble *root)
{
  gdouble squares = 0;

  for (gsize i = 0; i < c->result->n; i++) {
    gdouble magnitude;
    const gdouble value =
        reference_number (&c->graph, c->wide[0], c->wide[1], c->wide[2], i, &magnitude);

    array_set (c->result, i, rig_round (c->graph.conv.type, value));
    squares += value * value;
  }
  *root = sqrt (squares / c->result->n);
}

static void
test_direction (gconstpointer data)
{
  const CudaConvDirection direction = GPOINTER_TO_UINT (data) / 3;
  const CudaType type = GPOINTER_TO_UINT (data) % 3;

  rig_seed (17 + GPOINTER_TO_UINT (data));
  for (guint i = 0; i < G_N_ELEMENTS (convs) - (direction != CUDA_CONV_WEIGHTS); i++) {
    gboolean whole;
    gdouble root;
    Case c;

    case_init (&c, &convs[i], type, direction);
    expect (&c);
    compute (&c, &root);
    g_assert_cmpfloat (off (&c, 1, &whole), <=, 0.5);
    g_assert_true (whole);
    /* the first, the last, and any stretch of two parts */
    for (guint k = 0; k < 8; k++) {
      const gsize n = c.result->n, stretch = k < 2 ? 1 : MIN (n, 2 * n / CUDA_CHECK_SAMPLES + 2);
      const gsize first = k == 0 ? 0 : k == 1 ? n - 1 : rig_below (n - stretch + 1);
      g_autofree gdouble *kept = g_new (gdouble, stretch);

      for (gsize at = 0; at < stretch; at++) {
        kept[at] = array_get (c.result, first + at);
        array_set (c.result, first + at, rig_round (type, kept[at] + 0.3 * root));
      }
      g_assert_cmpfloat (off (&c, 1, &whole), >, 1);
      for (gsize at = 0; at < stretch; at++)
        array_set (c.result, first + at, k % 2 ? NAN : INFINITY);
      g_assert_cmpfloat (off (&c, 1, &whole), ==, INFINITY);
      for (gsize at = 0; at < stretch; at++)
        array_set (c.result, first + at, kept[at]);
    }
    g_assert_cmpfloat (off (&c, 1, &whole), <=, 0.5);
    /* added twice */
    for (gsize at = 0; at < c.result->n; at++)
      array_set (c.result, at, 2 * array_get (c.result, at));
    g_assert_cmpfloat (off (&c, 2, &whole), <=, 0.5);
    g_assert_cmpfloat (off (&c, 1, &whole), >, 1);
    case_clear (&c);
  }
}

/* Overflow, and what is not finite, are no reason to call a convolution wrong. */
static void
test_overflow (void)
{
  gboolean whole;
  gdouble root;
  Case c;

  rig_seed (3);
  case_init (&c, &convs[0], CUDA_TYPE_F16, CUDA_CONV_FORWARD);
  for (gsize i = 0; i < c.tensors[0]->n / 2; i++)
    array_set (c.tensors[0], i, c.wide[0][i] = 60000);
  c.wide[0][c.tensors[0]->n - 1] = INFINITY;
  array_set (c.tensors[0], c.tensors[0]->n - 1, INFINITY);
  expect (&c);
  compute (&c, &root);
  for (gsize i = 0; i < c.result->n / 3; i++)
    if (!(fabs (array_get (c.result, i)) < 65500))
      array_set (c.result, i, i % 2 ? INFINITY : NAN);
  g_assert_cmpfloat (off (&c, 1, &whole), <=, 1);
  g_assert_false (whole);
  array_set (c.result, c.result->n * 3 / 4, NAN);
  for (gsize i = c.result->n * 3 / 4; i < c.result->n * 3 / 4 + 40; i++)
    array_set (c.result, i, NAN);
  g_assert_cmpfloat (off (&c, 1, &whole), >, 1);
  case_clear (&c);
}

/* --- sums --- */

static gdouble
sums_off (const Case *c, const Array *sum, const Array *squares)
{
  CudaCheckResults *r = c->results->data;
  gdouble most = 0;

  RUN (cuda_check_sums (NULL, &c->check, c->result->data, sum->data, squares->data, r), c->results);
  for (guint s = CUDA_CHECK_SAMPLES; s < G_N_ELEMENTS (r->off); s++)
    most = isnan (r->off[s]) ? INFINITY : MAX (most, (gdouble) r->off[s]);
  return most;
}

static void
test_sums (gconstpointer data)
{
  const CudaType type = GPOINTER_TO_UINT (data);
  const gint channels = convs[0].out_channels;
  g_autoptr (Array) sum = array_new (CUDA_TYPE_F32, channels);
  g_autoptr (Array) squares = array_new (CUDA_TYPE_F32, channels);
  gdouble root;
  Case c;

  rig_seed (31);
  case_init (&c, &convs[0], type, CUDA_CONV_FORWARD);
  compute (&c, &root);
  for (gint k = 0; k < channels; k++) {
    gdouble first = 0, second = 0;

    for (gsize i = k; i < c.result->n; i += channels) {
      const gdouble y = array_get (c.result, i);

      first += y;
      second += y * y;
    }
    array_set (sum, k, first);
    array_set (squares, k, second);
  }
  g_assert_cmpfloat (sums_off (&c, sum, squares), <=, 0.1);
  array_set (sum, 0, array_get (sum, 0) + root * sqrt (c.result->n / channels));
  g_assert_cmpfloat (sums_off (&c, sum, squares), >, 1);
  array_set (sum, 0, array_get (sum, 0) - root * sqrt (c.result->n / channels));
  array_set (squares, 2, array_get (squares, 2) * 1.1);
  g_assert_cmpfloat (sums_off (&c, sum, squares), >, 1);
  case_clear (&c);
}

int
main (int argc, char **argv)
{
  static const gchar *const directions[] = { "forward", "data", "weights" };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < 9; i++) {
    g_autofree gchar *path =
        g_strdup_printf ("/check/%s/%s", directions[i / 3], rig_type_names[i % 3]);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_direction);
  }
  g_test_add_func ("/check/overflow", test_overflow);
  for (guint i = 0; i < 3; i++) {
    g_autofree gchar *path = g_strdup_printf ("/check/sums/%s", rig_type_names[i]);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_sums);
  }
  return g_test_run ();
}
