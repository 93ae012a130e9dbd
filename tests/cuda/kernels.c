/* The CUDA back end's input, pooling, head and loss compared with plain loops in double.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "src/random.h"
#include "tests/cuda/rig.h"

#define TYPES 3

static gdouble *
doubles (gsize n)
{
  return g_new0 (gdouble, n);
}

/* --- the input --- */

static void
check_input (
    CudaType type, CudaFrames frames_type, gint channels, gsize first, gsize points, gsize offset)
{
  const gint of[] = { RIG_BYTE, CUDA_TYPE_F16, CUDA_TYPE_F32 };
  const gsize n = (first + points) * channels;
  g_autoptr (Array) frames = array_new_at (of[frames_type], n, offset);
  g_autoptr (Array) out = array_new (type, points * CUDA_LANES);
  g_autofree gdouble *expected = doubles (points * CUDA_LANES);
  CudaInput input = { frames_type, channels };
  const CudaPass pass = { .frames = frames->data };

  for (gsize i = 0; i < n; i++)
    array_set (frames, i,
        frames_type == CUDA_FRAMES_UINT8 ? (gdouble) rig_below (256) : rig_uniform (-3, 3));
  for (gint c = 0; c < channels; c++) {
    input.scale[c] = rig_uniform (0.01, 0.02);
    input.shift[c] = rig_uniform (-2, -1);
  }
  for (gsize i = 0; i < points * CUDA_LANES; i++) {
    const gsize c = i % CUDA_LANES;

    if (c >= (gsize) channels)
      continue;
    expected[i] = array_get (frames, (first + i / CUDA_LANES) * channels + c);
    if (frames_type == CUDA_FRAMES_UINT8)
      expected[i] = expected[i] * input.scale[c] + input.shift[c];
  }
  RUN (cuda_input (NULL, type, &input, &pass, first, points, out->data), out);
  array_check (out, expected);
  for (gsize i = 0; i < points * CUDA_LANES; i++)
    if (i % CUDA_LANES >= (gsize) channels)
      g_assert_cmpfloat (array_get (out, i), ==, 0);
}

static void
test_input (gconstpointer type)
{
  const gsize sizes[] = { 1, 2, 4 };

  rig_seed (11);
  for (gint frames = 0; frames < 3; frames++)
    for (gint channels = 1; channels <= CUDA_FRAME_CHANNELS; channels++)
      for (gint n = 0; n < 6; n++)
        check_input (GPOINTER_TO_INT (type), frames, channels, n % 2 ? rig_below (40) : 0,
            n < 2       ? 16 + rig_below (12000)
                : n < 4 ? 1 + rig_below (20)
                        : 1024 * (gsize) (n - 3),
            n % 3 ? rig_below (16 / sizes[frames]) * sizes[frames] : 0);
}

/* --- pooling --- */

static gboolean
inside (const CudaPool *pool, const gint *at)
{
  for (gint axis = 0; axis < 3; axis++)
    if (at[axis] < 0 || at[axis] >= pool->in[axis])
      return FALSE;
  return TRUE;
}

/* The index of a channel in a tensor of size[3]. */
static gsize
number (const CudaPool *pool, const gint *size, gint clip, const gint *at, gint channel)
{
  return ((((gsize) clip * size[0] + at[0]) * size[1] + at[1]) * size[2] + at[2]) * pool->channels
      + channel;
}

static void
random_pool (CudaPool *pool, CudaType type)
{
  const gint channels[] = { 8, 72, 288, 16, 24 };

  *pool = (CudaPool) { type, 1 + rig_below (7), channels[rig_below (5)] };
  for (gint axis = 0; axis < 3; axis++) {
    pool->kernel[axis] = 1 + rig_below (4);
    pool->stride[axis] = 1 + rig_below (4);
    pool->pad[axis] = rig_below (pool->kernel[axis] / 2 + 1);
    pool->in[axis] = pool->kernel[axis] + rig_below (6);
    pool->out[axis] =
        (pool->in[axis] + 2 * pool->pad[axis] - pool->kernel[axis]) / pool->stride[axis] + 1;
  }
}

static void
check_max_pool (CudaType type, guint64 seed)
{
  CudaPool pool;
  gsize n_in, n_out;
  g_autofree gdouble *expected = NULL, *din = NULL;
  g_autoptr (Array) in = NULL;
  g_autoptr (Array) out = NULL;
  g_autoptr (Array) index = NULL;
  g_autoptr (Array) dout0 = NULL;
  g_autoptr (Array) dout1 = NULL;
  g_autoptr (Array) to = NULL;
  const gboolean two = seed % 2;

  rig_seed (seed);
  random_pool (&pool, type);
  n_in = (gsize) pool.clips * pool.in[0] * pool.in[1] * pool.in[2] * pool.channels;
  n_out = (gsize) pool.clips * pool.out[0] * pool.out[1] * pool.out[2] * pool.channels;
  in = array_random (type, n_in, -8, 8);
  for (gsize i = 0; i < n_in; i++) /* many equal values, some NaN */
    array_set (in, i,
        rig_below (60) == 0       ? NAN
            : rig_below (60) == 0 ? -INFINITY
                                  : floor (array_get (in, i)));
  out = array_new (type, n_out);
  index = array_new (RIG_BYTE, n_out);
  dout0 = array_random (type, n_out, -1, 1);
  dout1 = array_random (type, n_out, -1, 1);
  to = array_new (type, n_in);
  expected = doubles (n_out);
  din = doubles (n_in);

  RUN (cuda_max_pool (NULL, &pool, in->data, out->data, index->data), out, index);
  for (gsize i = 0; i < n_out; i++) {
    const gint channel = i % pool.channels;
    gsize rest = i / pool.channels, best_at = 0;
    gint o[3], best = -1, clip;

    for (gint axis = 2; axis >= 0; axis--) {
      o[axis] = rest % pool.out[axis];
      rest /= pool.out[axis];
    }
    clip = rest;
    for (gint k = 0; k < pool.kernel[0] * pool.kernel[1] * pool.kernel[2]; k++) {
      const gint at[] = { o[0] * pool.stride[0] - pool.pad[0] + k / pool.kernel[2] / pool.kernel[1],
        o[1] * pool.stride[1] - pool.pad[1] + k / pool.kernel[2] % pool.kernel[1],
        o[2] * pool.stride[2] - pool.pad[2] + k % pool.kernel[2] };

      if (!inside (&pool, at))
        continue;
      const gsize place = number (&pool, pool.in, clip, at, channel);
      const gdouble v = array_get (in, place);

      if (best < 0 || v > array_get (in, best_at) || isnan (v)) {
        best = k;
        best_at = place;
      }
    }
    expected[i] = array_get (in, best_at);
    g_assert_cmpint ((gint) array_get (index, i), ==, best);
    din[best_at] += array_get (dout0, i) + (two ? array_get (dout1, i) : 0);
  }
  array_check (out, expected);
  array_poison (out);
  RUN (cuda_max_pool (NULL, &pool, in->data, out->data, NULL), out);
  array_check (out, expected);
  RUN (cuda_max_pool_backward (
           NULL, &pool, dout0->data, two ? dout1->data : NULL, index->data, to->data),
      to);
  array_check (to, din);
}

static void
test_max_pool (gconstpointer type)
{
  for (guint64 seed = 0; seed < 40; seed++)
    check_max_pool (GPOINTER_TO_INT (type), seed);
}

static void
check_global_pool (CudaType type, gint clips, gsize points, gint channels)
{
  const gsize n = clips * points * channels, n_out = (gsize) clips * channels;
  g_autoptr (Array) in = array_random (type, n, -1, 2);
  g_autoptr (Array) out = array_new (CUDA_TYPE_F32, n_out);
  g_autoptr (Array) dout = array_random (CUDA_TYPE_F32, n_out, -1, 1);
  g_autoptr (Array) din = array_new (type, n);
  g_autofree gdouble *mean = doubles (n_out), *back = doubles (n);

  for (gsize i = 0; i < n; i++) {
    const gsize to = i / channels / points * channels + i % channels;

    mean[to] += array_get (in, i) / points;
    back[i] = array_get (dout, to) / points;
  }
  RUN (cuda_global_pool (NULL, type, clips, points, channels, in->data, out->data), out);
  array_check (out, mean);
  RUN (cuda_global_pool_backward (NULL, type, clips, points, channels, dout->data, din->data), din);
  array_check (din, back);
}

static void
test_global_pool (gconstpointer type)
{
  rig_seed (3);
  check_global_pool (GPOINTER_TO_INT (type), 1, 1, 8);
  check_global_pool (GPOINTER_TO_INT (type), 3, 98, 512);
  check_global_pool (GPOINTER_TO_INT (type), 2, 37, 2056);
  check_global_pool (GPOINTER_TO_INT (type), 5, 131, 72);
  check_global_pool (GPOINTER_TO_INT (type), 7, 16, 288);
}

/* --- the head --- */

static void
test_dropout (void)
{
  const struct {
    gint clips, channels;
    gfloat probability;
    gint views, draws;
  } cases[] = { { 1, 8, 0.5f, 1, 8 }, { 5, 512, 0.5f, 1, 512 }, { 3, 2056, 0.3f, 3, 2050 },
    { 40, 264, 0.8f, 1, 260 }, { 2, 64, 0, 1, 64 }, { 12, 24, 0.5f, 4, 17 } };

  rig_seed (9);
  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++) {
    const gsize n = (gsize) cases[k].clips * cases[k].channels;
    const CudaPass pass = { .seed = 0x123456789abcdefu + k,
      .step = G_GUINT64_CONSTANT (0xfffffffe) + k };
    const gfloat keep = 1 / (1 - cases[k].probability);
    g_autoptr (Array) in = array_random (CUDA_TYPE_F32, n, -1, 1);
    g_autoptr (Array) out = array_new (CUDA_TYPE_F32, n);
    g_autoptr (Array) expected = array_new (CUDA_TYPE_F32, n);

    for (gsize i = 0; i < n; i++) {
      const Cnn3dRandomKey key = { pass.seed, 0, CNN3D_RANDOM_DROPOUT,
        pass.step + i / cases[k].channels / cases[k].views };
      const gsize view = i / cases[k].channels % cases[k].views;
      const gboolean drops =
          cnn3d_random_uniform (&key, k + view * cases[k].draws + i % cases[k].channels)
          < cases[k].probability;

      array_set (expected, i, drops ? 0 : (gfloat) array_get (in, i) * keep);
    }
    RUN (cuda_dropout (NULL, &pass, cases[k].clips, cases[k].channels, cases[k].views,
             cases[k].draws, k, cases[k].probability, in->data, out->data),
        out);
    array_check_same (out, expected);
    RUN (cuda_dropout (NULL, &pass, cases[k].clips, cases[k].channels, cases[k].views,
             cases[k].draws, k, cases[k].probability, in->data, in->data),
        in);
    array_check_same (in, expected);
  }
}

static void
check_linear (gint clips, gsize in_row, gsize classes, gboolean adds)
{
  const gsize out_row = (classes + 7) / 8 * 8;
  g_autoptr (Array) x = array_random (CUDA_TYPE_F32, clips * in_row, -1, 1.5);
  g_autoptr (Array) w = array_random (CUDA_TYPE_F32, classes * in_row, -1, 1);
  g_autoptr (Array) bias = array_random (CUDA_TYPE_F32, classes, -1, 1);
  g_autoptr (Array) out = array_new (CUDA_TYPE_F32, clips * out_row);
  g_autoptr (Array) dout = array_random (CUDA_TYPE_F32, clips * out_row, -1, 1);
  g_autoptr (Array) dw = array_random (CUDA_TYPE_F32, classes * in_row, -1, 1);
  g_autoptr (Array) dbias = array_random (CUDA_TYPE_F32, classes, -1, 1);
  g_autoptr (Array) din = array_new (CUDA_TYPE_F32, clips * in_row);
  g_autofree gdouble *y = doubles (clips * out_row), *gw = doubles (classes * in_row);
  g_autofree gdouble *gbias = doubles (classes), *gx = doubles (clips * in_row);

  for (gsize k = 0; k < classes; k++) {
    gbias[k] = adds ? array_get (dbias, k) : 0;
    for (gsize c = 0; c < in_row; c++)
      gw[k * in_row + c] = adds ? array_get (dw, k * in_row + c) : 0;
    for (gint n = 0; n < clips; n++) {
      const gdouble g = array_get (dout, n * out_row + k);

      y[n * out_row + k] = array_get (bias, k);
      gbias[k] += g;
      for (gsize c = 0; c < in_row; c++) {
        y[n * out_row + k] += array_get (x, n * in_row + c) * array_get (w, k * in_row + c);
        gw[k * in_row + c] += array_get (x, n * in_row + c) * g;
        gx[n * in_row + c] += array_get (w, k * in_row + c) * g;
      }
    }
  }
  if (!adds) {
    array_poison (dw);
    array_poison (dbias);
  }
  RUN (cuda_linear (NULL, clips, in_row, classes, out_row, x->data, w->data, bias->data, out->data),
      out);
  array_check (out, y);
  for (gsize i = 0; i < clips * out_row; i++)
    if (i % out_row >= classes)
      g_assert_cmpfloat (array_get (out, i), ==, 0);
  RUN (cuda_linear_weights (
           NULL, clips, in_row, classes, out_row, x->data, dout->data, dw->data, dbias->data, adds),
      dw, dbias);
  array_check (dw, gw);
  array_check (dbias, gbias);
  RUN (cuda_linear_data (NULL, clips, in_row, classes, out_row, dout->data, w->data, din->data),
      din);
  array_check (din, gx);
}

static void
test_linear (void)
{
  rig_seed (21);
  check_linear (1, 8, 1, FALSE);
  check_linear (3, 40, 7, TRUE);
  check_linear (17, 264, 13, FALSE);
  check_linear (8, 512, 101, TRUE);
  check_linear (5, 72, 700, FALSE);
  check_linear (9, 136, 33, TRUE);
}

/* --- the loss --- */

static void
check_loss (gint clips, gint classes, gdouble smoothing, gfloat loss_scale, gboolean trains,
    gboolean weighs)
{
  const gint row = (classes + 7) / 8 * 8;
  const gsize n = (gsize) clips * row;
  g_autoptr (Array) logits = array_random (CUDA_TYPE_F32, n, -6, 6);
  g_autoptr (Array) dlogits = array_new (CUDA_TYPE_F32, n);
  g_autoptr (Array) per_clip = array_new (CUDA_TYPE_F32, 2 * clips);
  g_autoptr (Array) results = array_new (RIG_BYTE, sizeof (CudaResults));
  g_autofree gdouble *expected = doubles (n);
  g_autoptr (Array) label = array_new (RIG_INT, clips);
  g_autoptr (Array) weight_of = array_new (CUDA_TYPE_F32, classes);
  gint32 *labels = label->data;
  gfloat *weights = weight_of->data;
  const CudaPass pass = { .labels = labels,
    .loss_scale = loss_scale,
    .label_smoothing = smoothing,
    .class_weights = weighs ? weights : NULL };
  CudaResults *got = results->data;
  const gdouble e = pass.label_smoothing;
  gdouble loss = 0;
  guint correct = 0;

  for (gint k = 0; k < classes; k++)
    weights[k] = weighs ? 0.25 + 0.125 * rig_below (40) : 1;
  for (gint i = 0; i < clips; i++) {
    gdouble sum = 0, all = 0, weight = 0, log_sum;
    gint best = 0;

    labels[i] = i == 0 ? 0 : i == 1 ? classes - 1 : (gint) rig_below (classes);
    if (i % 3 == 0) /* all equal: the first counts as the largest */
      for (gint k = 0; k < classes; k++)
        array_set (logits, i * row + k, 1.25);
    for (gint k = 0; k < classes; k++) {
      const gdouble v = array_get (logits, i * row + k);

      sum += exp (v);
      all += weights[k] * v;
      weight += weights[k];
      if (v > array_get (logits, i * row + best))
        best = k;
    }
    log_sum = log (sum);
    loss += (1 - e) * weights[labels[i]] * (log_sum - array_get (logits, i * row + labels[i]))
        + e * (weight * log_sum - all) / classes;
    weight = (1 - e) * weights[labels[i]] + e * weight / classes;
    correct += best == labels[i];
    for (gint k = 0; k < classes; k++)
      expected[i * row + k] = loss_scale
          * (weight * exp (array_get (logits, i * row + k)) / sum - e * weights[k] / classes
              - (k == labels[i] ? (1 - e) * weights[k] : 0));
  }
  got->squares = 3;
  RUN (cuda_loss (NULL, &pass, clips, classes, row, logits->data, trains ? dlogits->data : NULL,
           per_clip->data, got),
      results, trains ? dlogits : NULL);
  g_assert_cmpfloat_with_epsilon (got->loss_sum, loss, 1e-5 * (loss + 1e-3));
  g_assert_cmpuint (got->correct, ==, correct);
  g_assert_cmpfloat (got->squares, ==, 3);
  if (trains)
    array_check (dlogits, expected);
  for (gsize i = 0; trains && i < n; i++)
    if (i % row >= (gsize) classes)
      g_assert_cmpfloat (array_get (dlogits, i), ==, 0);
}

static void
test_loss (void)
{
  rig_seed (31);
  for (gint weighs = 0; weighs < 2; weighs++) {
    check_loss (1, 1, 0, 1, TRUE, weighs);
    check_loss (2, 2, 0.1, 1024, TRUE, weighs);
    check_loss (40, 101, 0, 65536, TRUE, weighs);
    check_loss (33, 700, 0.1, 0.5, TRUE, weighs);
    check_loss (5, 31, 0.2, 1, FALSE, weighs);
    check_loss (70, 9, 0, 8, TRUE, weighs);
  }
}

static void
test_odd_loss (void)
{
  const gint32 labels[] = { 1, 2 };
  gfloat logits[16] = { 1, NAN, 2, 0, 0, 0, 0, 0, 1000, -1000, 500 }, dlogits[16], per_clip[4];
  CudaPass pass = { .labels = labels, .loss_scale = 1 };
  CudaResults results = { 5, 6, 7 };

  g_assert_cmpint (cuda_loss (NULL, &pass, 2, 3, 8, logits, dlogits, per_clip, &results), ==, 0);
  g_assert_true (isnan (results.loss_sum) && isnan (dlogits[0]) && isnan (dlogits[1]));
  /* large logits need no special case */
  g_assert_cmpfloat (dlogits[8], ==, 1);
  g_assert_cmpfloat (dlogits[9], ==, 0);
  g_assert_cmpfloat (dlogits[10], ==, -1);
  pass.labels = NULL;
  g_assert_cmpint (cuda_loss (NULL, &pass, 2, 3, 8, logits, NULL, per_clip, &results), ==, 0);
  g_assert_cmpfloat (results.loss_sum, ==, 0);
  g_assert_cmpuint (results.correct, ==, 0);
}

int
main (int argc, char **argv)
{
  const struct {
    const gchar *name;
    void (*run) (gconstpointer type);
  } typed[] = { { "input", test_input }, { "max-pool", test_max_pool },
    { "global-pool", test_global_pool } };

  g_test_init (&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (typed); i++)
    for (gint type = 0; type < TYPES; type++) {
      g_autofree gchar *path =
          g_strdup_printf ("/kernels/%s/%s", typed[i].name, rig_type_names[type]);

      g_test_add_data_func (path, GINT_TO_POINTER (type), typed[i].run);
    }
  g_test_add_func ("/kernels/dropout", test_dropout);
  g_test_add_func ("/kernels/linear", test_linear);
  g_test_add_func ("/kernels/loss", test_loss);
  g_test_add_func ("/kernels/odd-loss", test_odd_loss);
  return g_test_run ();
}
