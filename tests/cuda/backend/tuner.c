/* The tuner by itself, on the doubles: which of a convolution's candidates it takes, and what it
 * leaves unchanged.
 *
 * Choices last as long as the process: each test has a convolution of its own.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <gmodule.h>
#include <math.h>
#include <string.h>

#include "cuda-double.h"
#include "src/backend/cuda/choices.h"
#include "src/backend/cuda/device.h"
#include "src/backend/cuda/tune.h"
#include "tests/cuda/dnn-reference.h"
#include "tests/cuda/doubles/dnn-double.h"

#define WORKSPACE 65536
#define PLAIN 4 /* of the double's plans: engines 7, 5, 1 and 0 */
#define ROUNDS 5

CudaDouble *cnn3d_cuda_double (void);

static CudaDouble *cuda;
static DnnDoubleWrong dnn_wrong;
static DnnDoubleCalls dnn_plans;

/* --- a convolution --- */

typedef struct {
  Cnn3dDevice device;
  CudaTrial trial;
  Numbers x, y, w;
  guint applied, summed; /* separate work */
} Case;

static gboolean
apart (gpointer data, gboolean normalize, gboolean statistics, GError **error)
{
  Case *c = data;

  c->applied += normalize;
  c->summed += statistics;
  return TRUE;
}

static gpointer
place (Case *c, const Numbers *numbers)
{
  const gsize bytes = numbers->n * (numbers->type == CUDA_TYPE_F32 ? 4 : 2);
  gpointer memory = cuda_alloc (&c->device, bytes, NULL);

  g_assert_true (cuda_upload (&c->device, memory, numbers->data, bytes, NULL));
  return memory;
}

static void
case_init (Case *c, const CudaConv *conv, CudaType type, CudaConvDirection direction)
{
  GRand *rand = g_rand_new_with_seed (5);
  g_autoptr (GError) error = NULL;

  memset (c, 0, sizeof *c);
  c->device.params.benchmark = TRUE;
  g_assert_true (cuda_here_open (&c->device, 0, &error));
  c->trial = (CudaTrial) { .device = &c->device,
    .graph = { .direction = direction, .conv = *conv },
    .limits = { WORKSPACE, FALSE, FALSE },
    .apart = apart,
    .data = c };
  c->trial.graph.conv.type = type;
  c->x = numbers_new (type, conv_in_numbers (conv));
  c->y = numbers_new (type, conv_out_numbers (conv));
  c->w = numbers_new (type, conv_weight_numbers (conv));
  numbers_random (&c->x, rand);
  numbers_random (&c->y, rand);
  numbers_random (&c->w, rand);
  c->trial.args = (CudaConvArgs) { .x = place (c, &c->x),
    .y = place (c, &c->y),
    .w = place (c, &c->w),
    .workspace = cuda_alloc (&c->device, WORKSPACE, NULL) };
  c->trial.result_bytes = c->x.n * (type == CUDA_TYPE_F32 ? 4 : 2);
  g_rand_free (rand);
}

static void
case_clear (Case *c)
{
  cuda_free (&c->device, c->trial.args.x, 0);
  cuda_free (&c->device, c->trial.args.y, 0);
  cuda_free (&c->device, c->trial.args.w, 0);
  cuda_free (&c->device, c->trial.args.workspace, 0);
  cuda_here_close (&c->device);
  numbers_free (&c->x);
  numbers_free (&c->y);
  numbers_free (&c->w);
  g_free (c->device.name);
}

/* Chooses; the name, of which the candidate is freed. */
static gchar *
chosen (Case *c)
{
  g_autoptr (GError) error = NULL;
  CudaCandidate *candidate = cuda_choose (&c->trial, &error);
  gchar *name;

  g_assert_no_error (error);
  name = g_strdup (candidate->name);
  g_assert_cmpuint (candidate->workspace, <=, c->trial.limits.workspace);
  cuda_candidate_free (candidate);
  return name;
}

static void
assert_chosen (Case *c, const gchar *engine)
{
  g_autofree gchar *name = chosen (c);

  g_assert_cmpstr (name, ==, engine);
}

/* A fresh convolution: `channels` is a multiple of 8 and the test's own. */
static CudaConv
conv (gint batch, gint channels)
{
  return (CudaConv) { 0, batch, channels, 8, { 2, 4, 3 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } };
}

/* --- time --- */

static guint begun;   /* timings before */
static guint fastest; /* of the candidates, by order */

/* Slow in the first round, then always the same. */
static gfloat
cold_at_first (guint n)
{
  n -= begun;
  return n < PLAIN ? 1000 - 100.f * n : n % PLAIN == fastest ? 1 : 2;
}

/* One round in which it shows is enough. */
static gfloat
once (guint n)
{
  n -= begun;
  return n == 3 * PLAIN + fastest ? 1 : 2;
}

static gfloat
first (guint n)
{
  return 1 + (n - begun);
}

static gfloat
last (guint n)
{
  return 1e6f - (n - begun);
}

static void
script (gfloat (*elapsed) (guint n))
{
  begun = cuda->timings;
  cuda->elapsed = elapsed;
}

static void
test_rounds (void)
{
  static const gchar *const names[] = { "engine 7 k2=5 k13=1", "engine 5 k2=1",
    "engine 1 k2=3 k13=0", "engine 0" };
  gfloat (*const scripts[]) (guint n) = { cold_at_first, once };

  for (guint i = 0; i < 2 * PLAIN; i++) {
    const CudaConv shape = conv (1 + i, 8);
    Case c;

    case_init (&c, &shape, CUDA_TYPE_F16, CUDA_CONV_FORWARD);
    fastest = i % PLAIN;
    script (scripts[i / PLAIN]);
    assert_chosen (&c, names[fastest]);
    g_assert_cmpuint (cuda->timings - begun, ==, PLAIN * ROUNDS);
    case_clear (&c);
  }
}

/* An idle GPU works for a while before anything is timed, one that has just worked does not. */
static void
test_clocks (void)
{
  guint64 calls[2];
  gint64 took = 0;

  for (gint i = 0; i < 2; i++) {
    const CudaConv shape = conv (1 + i, 16);
    Case c;

    script (first);
    case_init (&c, &shape, CUDA_TYPE_F16, CUDA_CONV_FORWARD);
    c.device.here->timed = i ? G_MAXINT64 : 0; /* as if it had been this moment */
    calls[i] = cuda->calls;
    took -= i ? 0 : g_get_monotonic_time ();
    assert_chosen (&c, "engine 7 k2=5 k13=1");
    took += i ? 0 : g_get_monotonic_time ();
    calls[i] = cuda->calls - calls[i];
    case_clear (&c);
  }
  g_assert_cmpint (took, >=, 50000);
  g_assert_cmpuint (calls[1], <, calls[0]);
}

/* --- right and wrong --- */

static void
expect_wrong (const gchar *name)
{
  g_autofree gchar *text = g_strdup_printf (
      "Test double*computes a convolution (*) wrongly with '%s', which is not used: "
      "off by *",
      name);

  g_test_expect_message (NULL, G_LOG_LEVEL_MESSAGE, text);
}

/* A plan that computes wrongly is not used, timed or not, and be it the fastest. */
static void
test_wrong (gconstpointer data)
{
  const CudaConvDirection direction = GPOINTER_TO_UINT (data) / 3;
  const CudaType type = GPOINTER_TO_UINT (data) % 3;

  for (guint i = 0; i < (direction == CUDA_CONV_DATA ? 6u : 3u); i++) {
    const CudaConv shape = conv (1 + i, 24);
    Case c;

    case_init (&c, &shape, type, direction);
    c.device.params.tf32 = c.trial.limits.tf32 = TRUE;
    c.trial.graph.adds = i > 2;
    c.device.params.benchmark = i % 3 != 2;
    script (first);
    /* the fastest; another; without timing */
    expect_wrong (i % 3 == 1 ? "engine 5 k2=1" : "engine 7 k2=5 k13=1");
    if (i % 3 == 2) /* looked for again, with more plans */
      expect_wrong ("engine 7 k2=5 k13=1");
    dnn_wrong (i % 3 == 1 ? 5 : 7);
    assert_chosen (&c, i % 3 == 1 ? "engine 7 k2=5 k13=1" : "engine 5 k2=1");
    dnn_wrong (DNN_DOUBLE_NONE_WRONG);
    g_test_assert_expected_messages ();
    g_assert_cmpuint (cuda->timings - begun, ==, i % 3 == 2 ? 0 : (PLAIN - 1) * ROUNDS);
    case_clear (&c);
  }
}

static void
test_all_wrong (void)
{
  static const gchar *const names[] = { "engine 7 k2=5 k13=1", "engine 5 k2=1",
    "engine 1 k2=3 k13=0", "engine 0" };
  const CudaConv shape = conv (1, 32);
  g_autoptr (GError) error = NULL;
  Case c;

  case_init (&c, &shape, CUDA_TYPE_BF16, CUDA_CONV_WEIGHTS);
  for (guint i = 0; i < PLAIN; i++)
    expect_wrong (names[i]);
  dnn_wrong (DNN_DOUBLE_ALL_WRONG);
  g_assert_null (cuda_choose (&c.trial, &error));
  dnn_wrong (DNN_DOUBLE_NONE_WRONG);
  g_test_assert_expected_messages ();
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message,
      "Test double, 4.0 GiB, compute capability 9.0, cuDNN 9.19.0 computes a convolution "
      "(backward-weights bf16 1 x 32 x 2x4x3 -> 8, kernel 3x3x3, stride 1x1x1, padding 1x1x1) "
      "wrongly in each way that was tried: install another version of cuDNN, or use device=cpu"));
  case_clear (&c);
}

/* --- gradients that are added to --- */

/* It is timed like any other, and its gradient has the same bits afterwards; then it is added once. */
static void
test_adds (gconstpointer data)
{
  const CudaConv shape = conv (2, 48);
  const CudaType type = GPOINTER_TO_UINT (data);
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *after = NULL;
  g_autofree gdouble *y = NULL, *w = NULL;
  Numbers result;
  CudaCandidate *candidate;
  Case c;

  case_init (&c, &shape, type, CUDA_CONV_DATA);
  c.trial.graph.adds = TRUE;
  after = g_malloc (c.trial.result_bytes);
  script (last);
  candidate = cuda_choose (&c.trial, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (candidate->name, ==, "engine 0");
  g_assert_cmpuint (cuda->timings, >, begun);
  g_assert_true (cuda_download (&c.device, after, c.trial.args.x, c.trial.result_bytes, &error));
  g_assert_cmpmem (after, c.trial.result_bytes, c.x.data, c.trial.result_bytes);
  g_assert_true (candidate->run (candidate, &c.trial.args, &error));
  g_assert_true (cuda_download (&c.device, after, c.trial.args.x, c.trial.result_bytes, &error));
  result = (Numbers) { type, c.x.n, after };
  y = g_new (gdouble, c.y.n);
  w = g_new (gdouble, c.w.n);
  for (gsize i = 0; i < c.y.n; i++)
    y[i] = numbers_get (&c.y, i);
  for (gsize i = 0; i < c.w.n; i++)
    w[i] = numbers_get (&c.w, i);
  for (gsize i = 0; i < c.x.n; i += 37) {
    gdouble magnitude;
    const gdouble value =
        numbers_get (&c.x, i) + reference_number (&c.trial.graph, NULL, y, w, i, &magnitude);

    g_assert_cmpfloat (
        fabs (numbers_get (&result, i) - value), <=, numbers_step (type, value) * 1.01);
  }
  cuda_candidate_free (candidate);
  case_clear (&c);
}

/* --- our own kernel --- */

#define OWN_WORKSPACE (1 << 20)

static CudaConv
own_conv (gint batch)
{
  return (CudaConv) { 0, batch, 64, 64, { 2, 4, 3 }, { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 } };
}

static guint
n_own (GPtrArray *candidates)
{
  guint n = 0;

  for (guint k = 0; k < candidates->len; k++)
    n += g_str_has_suffix (((CudaCandidate *) candidates->pdata[k])->name, "conv3");
  return n;
}

/* It is right in the eyes of the check, timed like a plan, taken if it is the fastest, and found
 * again by its name. */
static void
test_own (gconstpointer data)
{
  const CudaConvDirection direction = GPOINTER_TO_UINT (data) / 3;
  const CudaType type = GPOINTER_TO_UINT (data) % 3;
  const gboolean offered = type != CUDA_TYPE_F32 && direction != CUDA_CONV_WEIGHTS;

  for (guint i = 0; i < (direction == CUDA_CONV_DATA ? 2u : 1u); i++) {
    const CudaConv shape = own_conv (1 + i);
    Case c;

    case_init (&c, &shape, type, direction);
    cuda_free (&c.device, c.trial.args.workspace, 0);
    c.trial.args.workspace = cuda_alloc (&c.device, OWN_WORKSPACE, NULL);
    c.trial.limits.workspace = OWN_WORKSPACE;
    c.trial.graph.adds = i;
    script (last);
    for (guint round = 0; round < 2; round++) {
      g_autofree gchar *name = chosen (&c);

      g_assert_cmpint (!strcmp (name, "conv3"), ==, offered);
      g_assert_cmpint (cuda->timings > begun, ==, round == 0);
      script (first);
    }
    case_clear (&c);
  }
}

/* With each set of neighbours once; not where the memory, or another convolution, forbids it. */
static void
test_own_offered (void)
{
  CudaConv others[] = { own_conv (1), own_conv (1), own_conv (1), own_conv (1), own_conv (1) };
  const CudaConv shape = own_conv (1);
  g_autoptr (GError) error = NULL;
  CudaConvLimits limits = { OWN_WORKSPACE, FALSE, FALSE };
  Case c;

  others[0].in_channels = 128;
  others[1].out_channels = 128;
  others[2].kernel[0] = 1;
  others[3].stride[2] = 2;
  others[4].pad[1] = 0;
  case_init (&c, &shape, CUDA_TYPE_F16, CUDA_CONV_FORWARD);
  for (guint i = 0; i < 4 + G_N_ELEMENTS (others); i++) {
    CudaConvGraph graph = c.trial.graph;
    g_autoptr (GPtrArray) all = NULL;

    limits.workspace = i == 3 ? cuda_own_workspace (&graph) - 1 : OWN_WORKSPACE;
    graph.normalizes = i == 1 || i == 2;
    graph.statistics = i == 2;
    if (i >= 4) {
      graph.conv = others[i - 4];
      graph.conv.type = CUDA_TYPE_F16;
    }
    all = cuda_candidates_new (
        c.device.dnn, c.device.here->work, &graph, &limits, PLAIN, TRUE, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (n_own (all), ==, i < 3 ? 1 << i : 0);
  }
  case_clear (&c);
}

/* A GPU that is too old refuses to run it; cuDNN's are left. */
static void
test_own_refused (void)
{
  const CudaConv shape = own_conv (3);
  Case c;

  case_init (&c, &shape, CUDA_TYPE_F16, CUDA_CONV_DATA);
  cuda_free (&c.device, c.trial.args.workspace, 0);
  c.trial.args.workspace = cuda_alloc (&c.device, OWN_WORKSPACE, NULL);
  c.trial.limits.workspace = OWN_WORKSPACE;
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    CudaCandidate *own = cuda_candidate_new (
        c.device.dnn, c.device.here->work, &c.trial.graph, &c.trial.limits, "conv3", &error);

    g_assert_no_error (error);
    cuda->fail_in = i ? "cuda_conv3_arrange" : "cuda_conv3";
    g_assert_false (own->run (own, &c.trial.args, &error));
    cuda->fail_in = NULL;
    g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, "a convolution failed"));
    cuda_candidate_free (own);
  }
  script (last);
  cuda->fail_in = "cuda_conv3";
  assert_chosen (&c, "engine 0");
  cuda->fail_in = NULL;
  case_clear (&c);
}

/* --- workspaces and names --- */

static void
test_workspace (void)
{
  static const struct {
    gsize limit;
    const gchar *last;
    guint plans;
  } table[] = { { 0, "engine 0", 1 }, { 1024, "engine 0", 2 }, { 4096, "engine 0", 4 } };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    const CudaConv shape = conv (1, 56);
    Case c;

    case_init (&c, &shape, CUDA_TYPE_F16, CUDA_CONV_FORWARD);
    c.trial.limits.workspace = table[i].limit;
    script (last);
    assert_chosen (&c, table[i].last);
    g_assert_cmpuint (cuda->timings - begun, ==, table[i].plans * ROUNDS);
    case_clear (&c);
  }
}

/* What was chosen before is found by its name: its plan alone is built, and nothing is timed. */
static void
test_recall (void)
{
  const CudaConv shape = conv (1, 64);
  Case c;

  case_init (&c, &shape, CUDA_TYPE_F16, CUDA_CONV_FORWARD);
  script (last);
  assert_chosen (&c, "engine 0");
  for (guint i = 0; i < 2; i++) {
    const guint64 plans = dnn_plans ();

    script (first);
    assert_chosen (&c, "engine 0");
    g_assert_cmpuint (dnn_plans () - plans, ==, 1);
    g_assert_cmpuint (cuda->timings, ==, begun);
  }
  case_clear (&c);
}

/* The choice for one batch is a candidate for another, for which cuDNN proposes it too late. */
static void
test_other_batch (void)
{
  const CudaConv shapes[] = { conv (2, 40), conv (1, 40) };
  Case c;

  case_init (&c, &shapes[0], CUDA_TYPE_F16, CUDA_CONV_FORWARD);
  script (first);
  assert_chosen (&c, "engine 40");
  g_assert_cmpuint (cuda->timings - begun, ==, cuda_most_plans (CUDA_TYPE_F16) * ROUNDS);
  case_clear (&c);
  case_init (&c, &shapes[1], CUDA_TYPE_F16, CUDA_CONV_FORWARD);
  script (last);
  assert_chosen (&c, "engine 40");
  g_assert_cmpuint (cuda->timings - begun, ==, (cuda_most_plans (CUDA_TYPE_F16) + 1) * ROUNDS);
  case_clear (&c);
}

int
main (int argc, char **argv)
{
  static const gchar *const directions[] = { "forward", "data", "weights" },
                            *const types[] = { "fp32", "fp16", "bf16" };
  g_autofree gchar *cache = g_dir_make_tmp ("cuda-tuner-XXXXXX", NULL), *choices = NULL,
                   *above = NULL;
  GModule *dnn = g_module_open (g_getenv ("CNN3D_CUDNN"), 0);
  gint result;

  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  g_test_init (&argc, &argv, NULL);
  if (!dnn || !g_module_symbol (dnn, DNN_DOUBLE_WRONG, (gpointer *) &dnn_wrong)
      || !g_module_symbol (dnn, DNN_DOUBLE_PLANS, (gpointer *) &dnn_plans))
    g_error ("%s", g_module_error ());
  cuda = cnn3d_cuda_double ();
  g_test_add_func ("/tuner/rounds", test_rounds);
  g_test_add_func ("/tuner/clocks", test_clocks);
  for (guint i = 0; i < 9; i++) {
    g_autofree gchar *path =
        g_strdup_printf ("/tuner/wrong/%s-%s", directions[i / 3], types[i % 3]);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_wrong);
  }
  g_test_add_func ("/tuner/all-wrong", test_all_wrong);
  for (guint i = 0; i < 3; i++) {
    g_autofree gchar *path = g_strdup_printf ("/tuner/adds/%s", types[i]);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_adds);
  }
  for (guint i = 0; i < 9; i++) {
    g_autofree gchar *path = g_strdup_printf ("/tuner/own/%s-%s", directions[i / 3], types[i % 3]);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_own);
  }
  g_test_add_func ("/tuner/own/offered", test_own_offered);
  g_test_add_func ("/tuner/own/refused", test_own_refused);
  g_test_add_func ("/tuner/workspace", test_workspace);
  g_test_add_func ("/tuner/recall", test_recall);
  g_test_add_func ("/tuner/other-batch", test_other_batch);
  result = g_test_run ();
  choices = g_build_filename (cache, "cnn3d", "convolutions.ini", NULL);
  above = g_path_get_dirname (choices);
  g_remove (choices);
  g_rmdir (above);
  g_rmdir (cache);
  return result;
}
