/* cuDNN plans, run with a test double of cuDNN and compared with the definition of a convolution.
 * Needs cuDNN's headers, but neither cuDNN nor a GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gmodule.h>
#include <math.h>
#include <string.h>

#include "dnn-double.h"
#include "dnn-reference.h"
#include "src/backend/backend.h"

#define SAMPLES 40 /* elements of a result that are checked */
#define GUARD 256  /* bytes after a workspace that must not change */
#define PROPERTIES "{\"deviceVer\":860}"

static struct {
  DnnDoubleFailAt fail_at;
  DnnDoubleCalls calls;
  DnnDoubleCalls plans;
  DnnDoubleDescriptors descriptors;
  DnnDoubleWrong wrong;
  DnnDoubleLaunchWith launch_with;
} hooks;

static const CudaConvLimits any = { G_MAXSIZE, FALSE, FALSE };

static const CudaConv convs[] = {
  CONVS_OF_EACH_KIND,
  { 0, 1, 8, 8, { 4, 9, 9 }, { 3, 7, 7 }, { 1, 2, 2 }, { 1, 3, 3 } },
};

/* A graph's tensors. x2: the convolution's input, normalized or not. */
typedef struct {
  Numbers x, y, w, scale, shift, sum, squares;
  gdouble *x2, *dy, *w2, *before;
  guint8 *workspace;
  CudaConvArgs args;
} Data;

static Numbers *
result_of (const CudaConvGraph *g, Data *d)
{
  return g->direction == CUDA_CONV_FORWARD ? &d->y : g->direction == CUDA_CONV_DATA ? &d->x : &d->w;
}

static gdouble *
wide (const Numbers *numbers)
{
  gdouble *values = g_new (gdouble, numbers->n);

  for (gsize i = 0; i < numbers->n; i++)
    values[i] = numbers_get (numbers, i);
  return values;
}

static void
data_init (Data *d, const CudaConvGraph *g, gsize workspace, GRand *rand)
{
  const CudaConv *c = &g->conv;
  const CudaType vectors = g->direction == CUDA_CONV_WEIGHTS ? c->type : CUDA_TYPE_F32;
  Numbers *all[] = { &d->x, &d->y, &d->w, &d->scale, &d->shift };

  d->x = numbers_new (c->type, conv_in_numbers (c));
  d->y = numbers_new (c->type, conv_out_numbers (c));
  d->w = numbers_new (c->type, conv_weight_numbers (c));
  d->scale = numbers_new (vectors, c->in_channels);
  d->shift = numbers_new (vectors, c->in_channels);
  d->sum = numbers_new (CUDA_TYPE_F32, c->out_channels);
  d->squares = numbers_new (CUDA_TYPE_F32, c->out_channels);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    numbers_random (all[i], rand);
  d->before = wide (result_of (g, d));
  d->x2 = wide (&d->x);
  d->dy = wide (&d->y);
  d->w2 = wide (&d->w);
  for (gsize i = 0; g->normalizes && i < d->x.n; i++) {
    const gint channel = i % c->in_channels;
    /* computed in f32 */
    gfloat value = (gfloat) d->x2[i] * (gfloat) numbers_get (&d->scale, channel);

    value += (gfloat) numbers_get (&d->shift, channel);
    if (g->relu && value < 0)
      value = 0;
    d->x2[i] = numbers_round (c->type, value);
  }
  d->workspace = g_aligned_alloc (workspace + GUARD, 1, 256);
  memset (d->workspace, 0x11, workspace + GUARD);
  d->args = (CudaConvArgs) { d->x.data, d->y.data, d->w.data, d->scale.data, d->shift.data,
    d->sum.data, d->squares.data, d->workspace };
}

static void
data_clear (Data *d)
{
  Numbers *all[] = { &d->x, &d->y, &d->w, &d->scale, &d->shift, &d->sum, &d->squares };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    numbers_free (all[i]);
  g_aligned_free (d->workspace);
  g_free (d->x2);
  g_free (d->dy);
  g_free (d->w2);
  g_free (d->before);
}

/* tf32: factors were rounded to 11 digits. */
static void
check_result (const CudaConvGraph *g, Data *d, gboolean tf32, GRand *rand)
{
  const Numbers *result = result_of (g, d);

  for (guint s = 0; s < SAMPLES; s++) {
    const gsize i = g_rand_int_range (rand, 0, result->n);
    gdouble magnitude, wanted = reference_number (g, d->x2, d->dy, d->w2, i, &magnitude);
    const gdouble got = numbers_get (result, i), factors = tf32 ? 0x1p-10 : 0x1p-40;

    if (g->adds) {
      wanted += d->before[i];
      magnitude += fabs (d->before[i]);
    }
    if (fabs (got - wanted) > numbers_step (g->conv.type, wanted) * 1.001 + magnitude * factors) {
      g_autofree gchar *text = cuda_conv_graph_text (g);

      g_error ("%s: number %" G_GSIZE_FORMAT " is %g, not %g", text, i, got, wanted);
    }
  }
}

/* Of the stored y. */
static void
check_statistics (const CudaConvGraph *g, Data *d)
{
  const guint channels = g->conv.out_channels;

  for (guint c = 0; c < channels; c++) {
    gdouble sum = 0, squares = 0;

    for (gsize i = c; i < d->y.n; i += channels) {
      const gdouble y = numbers_get (&d->y, i);

      sum += y;
      squares += y * y;
    }
    g_assert_cmpfloat_with_epsilon (numbers_get (&d->sum, c), sum, 1e-5 * MAX (fabs (sum), 1));
    g_assert_cmpfloat_with_epsilon (numbers_get (&d->squares, c), squares, 1e-5 * MAX (squares, 1));
  }
}

static CudaDnnGpu *
gpu_open (void)
{
  g_autoptr (GError) error = NULL;
  CudaDnnGpu *gpu = cuda_dnn_gpu_open ((CudaStream) 0x1230, &error);

  g_assert_no_error (error);
  return gpu;
}

static GPtrArray *
plans_of (CudaDnnGpu *gpu, const CudaConvGraph *g, const CudaConvLimits *limits, guint most)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *plans = cuda_dnn_plans (gpu, g, limits, most, NULL, &error);

  g_assert_no_error (error);
  return plans;
}

/* --- results --- */

static void
run_all (CudaDnnGpu *gpu, const CudaConvGraph *g, GRand *rand)
{
  CudaConvLimits limits = { G_MAXSIZE, FALSE, TRUE };
  g_autoptr (GPtrArray) plans = plans_of (gpu, g, &limits, 16);

  for (guint i = 0; i < plans->len; i++) {
    CudaDnnPlan *plan = plans->pdata[i];
    const gsize workspace = cuda_dnn_plan_workspace (plan);
    const gboolean tensor_cores = !strstr (cuda_dnn_plan_name (plan), "engine 1 ")
        && !strstr (cuda_dnn_plan_name (plan), "engine 23")
        && strcmp (cuda_dnn_plan_name (plan), "engine 0");
    g_autoptr (GError) error = NULL;
    Data d;

    data_init (&d, g, workspace, rand);
    /* the second time with the cached variant pack */
    for (guint k = 0; k < (g->adds ? 1 : 2); k++) {
      g_assert_true (cuda_dnn_plan_run (plan, &d.args, &error));
      g_assert_no_error (error);
      check_result (g, &d, g->conv.type == CUDA_TYPE_F32 && tensor_cores, rand);
      if (g->statistics)
        check_statistics (g, &d);
    }
    for (guint b = 0; b < GUARD; b++)
      g_assert_cmpint (d.workspace[workspace + b], ==, 0x11);
    g_assert_true (!workspace || d.workspace[workspace - 1] != 0x11);
    data_clear (&d);
  }
}

static void
test_run (gconstpointer data)
{
  static const CudaConvGraph kinds[] = {
    { CUDA_CONV_FORWARD },
    { CUDA_CONV_DATA },
    { CUDA_CONV_WEIGHTS },
    { .direction = CUDA_CONV_DATA, .adds = TRUE },
    { .direction = CUDA_CONV_FORWARD, .normalizes = TRUE, .relu = TRUE },
    { .direction = CUDA_CONV_FORWARD, .normalizes = TRUE },
    { .direction = CUDA_CONV_FORWARD, .statistics = TRUE },
    { .direction = CUDA_CONV_FORWARD, .normalizes = TRUE, .relu = TRUE, .statistics = TRUE },
    { .direction = CUDA_CONV_WEIGHTS, .normalizes = TRUE, .relu = TRUE },
    { .direction = CUDA_CONV_WEIGHTS, .normalizes = TRUE },
  };
  CudaDnnGpu *gpu = gpu_open ();
  GRand *rand = g_rand_new_with_seed (1 + GPOINTER_TO_UINT (data));

  for (guint c = 0; c < G_N_ELEMENTS (convs); c++)
    for (guint k = 0; k < G_N_ELEMENTS (kinds); k++) {
      CudaConvGraph g = kinds[k];

      g.conv = convs[c];
      g.conv.type = GPOINTER_TO_UINT (data);
      /* no engines, as in cuDNN */
      if (g.direction == CUDA_CONV_WEIGHTS && g.normalizes && g.conv.type != CUDA_TYPE_F16)
        continue;
      run_all (gpu, &g, rand);
    }
  g_rand_free (rand);
  cuda_dnn_gpu_free (&gpu);
  g_assert_cmpint (hooks.descriptors (), ==, 0);
}

/* --- choice of plans --- */

static gchar *
names_of (GPtrArray *plans)
{
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < plans->len; i++)
    g_string_append_printf (names, "%s%s", i ? "; " : "", cuda_dnn_plan_name (plans->pdata[i]));
  return g_string_free (names, FALSE);
}

/* Filters, order, proposals of both modes, and limits; a plan that runs uses the planned
 * workspace. */
static void
test_choice (void)
{
#define POINTWISE 4
#define X_BYTES (2 * 8 * 3 * 5 * 6 * 2) /* of the first convolution's input, 16 bits */
  static const struct {
    CudaType type;
    gboolean deterministic, tf32;
    gsize workspace;
    guint most;
    gboolean fused;
    const gchar *names;
    gsize planned;
    guint conv;
  } cases[] = {
    { CUDA_TYPE_F16, FALSE, FALSE, G_MAXSIZE, 9, FALSE,
        "engine 7 k2=5 k13=1; engine 5 k2=1; engine 1 k2=3 k13=0; engine 0", 4096 },
    { CUDA_TYPE_F16, FALSE, FALSE, G_MAXSIZE, 2, FALSE, "engine 7 k2=5 k13=1; engine 5 k2=1",
        X_BYTES },
    { CUDA_TYPE_F16, FALSE, FALSE, G_MAXSIZE, 0, FALSE, "engine 7 k2=5 k13=1", X_BYTES },
    { CUDA_TYPE_BF16, TRUE, FALSE, G_MAXSIZE, 9, FALSE,
        "engine 7 k2=5 k13=1; engine 1 k2=3 k13=0; engine 0", 4096 },
    { CUDA_TYPE_F32, FALSE, TRUE, G_MAXSIZE, 2, FALSE, "engine 7 k2=5 k13=1; engine 5 k2=1",
        2 * X_BYTES },
    { CUDA_TYPE_F32, FALSE, FALSE, G_MAXSIZE, 9, FALSE, "engine 1 k2=3 k13=0; engine 0", 4096 },
    { CUDA_TYPE_F16, FALSE, FALSE, X_BYTES, 1, FALSE, "engine 7 k2=5 k13=1", X_BYTES },
    { CUDA_TYPE_F16, FALSE, FALSE, X_BYTES - 1, 1, FALSE, "engine 5 k2=1", 1024 },
    { CUDA_TYPE_F16, TRUE, FALSE, 1024, 9, FALSE, "engine 0", 0 },
    { CUDA_TYPE_F16, FALSE, FALSE, G_MAXSIZE, 9, TRUE,
        "engine 20 k2=1; engine 22 k2=2; engine 23 k2=3", 2048 },
    { CUDA_TYPE_F16, TRUE, FALSE, G_MAXSIZE, 9, TRUE, "engine 22 k2=2; engine 23 k2=3", 2048 },
    { CUDA_TYPE_F16, TRUE, FALSE, 256, 9, TRUE, "engine 23 k2=3", 256 },
    { CUDA_TYPE_F32, FALSE, FALSE, G_MAXSIZE, 9, TRUE, "engine 23 k2=3", 256 },
    { CUDA_TYPE_F16, TRUE, FALSE, 255, 9, TRUE, NULL, 256 },
    { CUDA_TYPE_F32, FALSE, FALSE, 255, 9, TRUE, NULL, 256 },
    /* in 16 bits one with tensor cores comes first, also when it is proposed after the last */
    { CUDA_TYPE_F16, FALSE, FALSE, G_MAXSIZE, 9, FALSE,
        "engine 7 k2=5 k13=1; engine 1 k2=3 k13=0; engine 5 k2=1; engine 0", 4096, POINTWISE },
    { CUDA_TYPE_F16, FALSE, FALSE, G_MAXSIZE, 1, FALSE, "engine 7 k2=5 k13=1", 2560, POINTWISE },
    { CUDA_TYPE_F16, TRUE, FALSE, 2559, 1, FALSE, "engine 0", 0, POINTWISE },
    { CUDA_TYPE_F32, FALSE, TRUE, G_MAXSIZE, 1, FALSE, "engine 1 k2=3 k13=0", 4096, POINTWISE },
  };
  CudaDnnGpu *here = gpu_open (), *described = cuda_dnn_gpu_new (PROPERTIES, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    CudaConvGraph g = {
      .direction = CUDA_CONV_FORWARD, .conv = convs[cases[i].conv], .statistics = cases[i].fused
    };
    const CudaConvLimits limits = { cases[i].workspace, cases[i].deterministic, cases[i].tf32 };
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) plans = NULL;
    g_autofree gchar *names = NULL;

    g.conv.type = cases[i].type;
    for (guint k = 0; k < 4; k++) {
      CudaConvPlan plan = { 0 };

      g_assert_true (
          cuda_dnn_plan (k & 1 ? here : described, &g, &limits, cases[i].most, &plan, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (plan.workspace, ==, cases[i].planned);
      g_assert_cmpint (plan.compiled, ==, cases[i].fused);
    }
    plans = cuda_dnn_plans (here, &g, &limits, cases[i].most, NULL, &error);
    if (!cases[i].names) {
      g_assert_null (plans);
      g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
      g_assert_nonnull (strstr (error->message, " within a workspace of "));
      g_assert_nonnull (strstr (error->message, " bytes: the least is 256"));
      g_assert_cmpint (
          strstr (error->message, ", without TF32)") != NULL, ==, cases[i].type == CUDA_TYPE_F32);
      continue;
    }
    g_assert_no_error (error);
    names = names_of (plans);
    g_assert_cmpstr (names, ==, cases[i].names);
    for (guint k = 0; k < plans->len; k++) {
      const gchar *name = cuda_dnn_plan_name (plans->pdata[k]);
      const guint64 calls = hooks.plans ();
      g_autoptr (GPtrArray) one = cuda_dnn_plans (here, &g, &limits, 1, name, &error);

      /* by its name, without the others */
      g_assert_no_error (error);
      g_assert_cmpuint (one->len, ==, 1);
      g_assert_cmpstr (cuda_dnn_plan_name (one->pdata[0]), ==, name);
      g_assert_cmpuint (hooks.plans () - calls, ==, 1);
      g_assert_cmpuint (cuda_dnn_plan_workspace (plans->pdata[k]), <=, cases[i].planned);
    }
    g_assert_null (cuda_dnn_plans (here, &g, &limits, 9, "engine 99", &error));
    g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (error->message, " named 'engine 99'"));
  }
  cuda_dnn_gpu_free (&here);
  cuda_dnn_gpu_free (&described);
  g_assert_cmpint (hooks.descriptors (), ==, 0);
}

/* A graph without engines is an error each time, with a description of the graph; plans for a GPU
 * that is not installed cannot run. */
static void
test_refusals (void)
{
  CudaConvGraph g = {
    .direction = CUDA_CONV_WEIGHTS, .conv = convs[0], .normalizes = TRUE, .relu = TRUE
  };
  CudaDnnGpu *here = gpu_open (), *described = cuda_dnn_gpu_new (PROPERTIES, NULL);
  g_autoptr (GError) error = NULL;
  CudaConvPlan plan;
  guint64 calls;

  g_assert_cmpint (hooks.descriptors (), ==, 2);
  g.conv.type = CUDA_TYPE_BF16;
  g_assert_false (cuda_dnn_plan (here, &g, &any, cuda_most_plans (g.conv.type), &plan, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message,
      "cuDNN 91900 has no plan for a convolution (backward-weights after scale, shift and ReLU "
      "bf16 2 x 8 x 3x5x6 -> 16"));
  g_clear_error (&error);
  calls = hooks.calls ();
  g_assert_false (cuda_dnn_plan (here, &g, &any, cuda_most_plans (g.conv.type), &plan, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_cmpuint (hooks.calls (), ==, calls);
  g_clear_error (&error);
  g_assert_null (cuda_dnn_plans (here, &g, &any, 1, NULL, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  g = (CudaConvGraph) { .direction = CUDA_CONV_FORWARD, .conv = convs[0] };
  g_assert_null (cuda_dnn_plans (described, &g, &any, 1, NULL, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, " that runs: the GPU is not installed"));
  g_clear_error (&error);
  /* a window larger than the input */
  g.conv.kernel[1] = 9;
  g_assert_false (cuda_dnn_plan (here, &g, &any, cuda_most_plans (g.conv.type), &plan, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "cudnnBackendFinalize"));
  g_assert_nonnull (strstr (error->message, "is not positive"));
  g_clear_error (&error);
  g_assert_null (cuda_dnn_gpu_new ("{}", &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "cuDNN 91900 does not take this GPU's properties: "));
  cuda_dnn_gpu_free (&here);
  cuda_dnn_gpu_free (&described);
  g_assert_cmpint (hooks.descriptors (), ==, 0);
}

/* Errors of a cuDNN that does not accept this GPU. */
static void
test_start (void)
{
  static const gchar *const calls[] = { "cudnnCreate", "cudnnSetStream" };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++) {
    g_autofree gchar *says =
        g_strdup_printf ("cuDNN 91900 does not start on this GPU: %s: ", calls[i]);
    g_autoptr (GError) error = NULL;

    hooks.fail_at (i + 1);
    g_assert_null (cuda_dnn_gpu_open (NULL, &error));
    if (!error || !g_str_has_prefix (error->message, says))
      g_error ("no '%s' in '%s'", says, error ? error->message : "");
    g_assert_cmpint (hooks.descriptors (), ==, 0);
  }
  hooks.fail_at (0);
}

/* --- running --- */

static gboolean
run_with (CudaDnnPlan *plan, const CudaConvGraph *g, CudaConvArgs args, gsize field, gpointer value,
    const gchar *why)
{
  g_autofree gchar *graph = cuda_conv_graph_text (g);
  g_autofree gchar *says = g_strdup_printf (
      "a convolution (%s, %s) failed: cudnnBackendExecute: ", graph, cuda_dnn_plan_name (plan));
  g_autoptr (GError) error = NULL;

  *(gpointer *) ((guint8 *) &args + field) = value;
  if (cuda_dnn_plan_run (plan, &args, &error))
    return TRUE;
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, why));
  g_assert_true (g_str_has_prefix (error->message, says));
  g_assert_nonnull (strstr (error->message, "with statistics FP16"));
  return FALSE;
}

static void
test_arguments (void)
{
  static const gsize fields[] = {
    G_STRUCT_OFFSET (CudaConvArgs, x),
    G_STRUCT_OFFSET (CudaConvArgs, y),
    G_STRUCT_OFFSET (CudaConvArgs, w),
    G_STRUCT_OFFSET (CudaConvArgs, scale),
    G_STRUCT_OFFSET (CudaConvArgs, shift),
    G_STRUCT_OFFSET (CudaConvArgs, sum),
    G_STRUCT_OFFSET (CudaConvArgs, squares),
  };
  CudaConvGraph g = { .direction = CUDA_CONV_FORWARD,
    .conv = convs[0],
    .normalizes = TRUE,
    .relu = TRUE,
    .statistics = TRUE };
  const CudaConvLimits limits = { G_MAXSIZE, TRUE, FALSE };
  const gsize workspace = G_STRUCT_OFFSET (CudaConvArgs, workspace);
  CudaDnnGpu *gpu = gpu_open ();
  GRand *rand = g_rand_new_with_seed (7);
  GPtrArray *plans;
  Data d;

  g.conv.type = CUDA_TYPE_F16;
  plans = plans_of (gpu, &g, &limits, 1);
  data_init (&d, &g, cuda_dnn_plan_workspace (plans->pdata[0]), rand);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++) {
    guint8 *right = *(gpointer *) ((guint8 *) &d.args + fields[i]);

    g_assert_false (run_with (plans->pdata[0], &g, d.args, fields[i], NULL, "has no pointer"));
    g_assert_false (run_with (plans->pdata[0], &g, d.args, fields[i], right + 8, "not aligned"));
    g_assert_true (run_with (plans->pdata[0], &g, d.args, fields[i], right, ""));
    check_result (&g, &d, FALSE, rand);
  }
  /* ReLU propagates NaN */
  ((gfloat *) d.shift.data)[0] = NAN;
  g_assert_true (run_with (plans->pdata[0], &g, d.args, workspace, d.workspace, ""));
  g_assert_true (isnan ((gdouble) ((gfloat *) d.sum.data)[0]));
  g_assert_false (run_with (plans->pdata[0], &g, d.args, workspace, NULL, "needs a workspace"));
  g_assert_false (
      run_with (plans->pdata[0], &g, d.args, workspace, d.workspace + 64, "not aligned"));
  data_clear (&d);
  g_ptr_array_unref (plans);
  g_rand_free (rand);
  cuda_dnn_gpu_free (&gpu);
  g_assert_cmpint (hooks.descriptors (), ==, 0);
}

/* --- the double --- */

static struct {
  gpointer stream, data;
  void (*run) (gpointer data);
  GDestroyNotify done;
} launched;

static void
record (gpointer stream, void (*run) (gpointer data), gpointer data, GDestroyNotify done)
{
  launched.stream = stream;
  launched.run = run;
  launched.data = data;
  launched.done = done;
}

/* Recorded work runs later, repeatedly, and after its plan is freed. */
static void
test_double (void)
{
  CudaConvGraph g = { .direction = CUDA_CONV_DATA, .conv = convs[0], .adds = TRUE };
  CudaDnnGpu *gpu = gpu_open ();
  GRand *rand = g_rand_new_with_seed (9);
  GPtrArray *plans = plans_of (gpu, &g, &any, 1);
  g_autoptr (GError) error = NULL;
  gdouble once;
  Data d;

  data_init (&d, &g, cuda_dnn_plan_workspace (plans->pdata[0]), rand);
  hooks.launch_with (record);
  g_assert_true (cuda_dnn_plan_run (plans->pdata[0], &d.args, &error));
  hooks.launch_with (NULL);
  g_assert_true (launched.stream == (gpointer) 0x1230);
  g_assert_cmpfloat (numbers_get (&d.x, 0), ==, d.before[0]);
  g_ptr_array_unref (plans);
  launched.run (launched.data);
  check_result (&g, &d, FALSE, rand);
  once = numbers_get (&d.x, 0) - d.before[0];
  launched.run (launched.data);
  g_assert_cmpfloat_with_epsilon (numbers_get (&d.x, 0), d.before[0] + 2 * once, 1e-5);
  launched.done (launched.data);
  data_clear (&d);

  /* deliberately wrong */
  g.adds = FALSE;
  plans = plans_of (gpu, &g, &any, 1);
  data_init (&d, &g, cuda_dnn_plan_workspace (plans->pdata[0]), rand);
  g_assert_true (cuda_dnn_plan_run (plans->pdata[0], &d.args, &error));
  once = numbers_get (&d.x, 0);
  hooks.wrong (DNN_DOUBLE_ALL_WRONG);
  g_assert_true (cuda_dnn_plan_run (plans->pdata[0], &d.args, &error));
  hooks.wrong (DNN_DOUBLE_NONE_WRONG);
  g_assert_cmpfloat (fabs (numbers_get (&d.x, 0) - once), >, fabs (once) / 32);
  data_clear (&d);
  g_ptr_array_unref (plans);
  g_rand_free (rand);
  cuda_dnn_gpu_free (&gpu);
  g_assert_cmpint (hooks.descriptors (), ==, 0);
}

/* --- failures --- */

/* Opens, plans and runs. */
static gboolean
work (const CudaConvGraph *g, Data *d, GError **error)
{
  CudaDnnGpu *described = cuda_dnn_gpu_new (PROPERTIES, error), *here = NULL;
  GPtrArray *plans = NULL;
  CudaConvPlan plan;
  /* a new query: answers are cached */
  static gsize limit = (gsize) 1 << 32;
  const CudaConvLimits limits = { limit++, FALSE, FALSE };
  gboolean good = described && cuda_dnn_plan (described, g, &limits, 2, &plan, error);

  if (good)
    good = (here = cuda_dnn_gpu_open (NULL, error))
        && cuda_dnn_plan (here, g, &limits, 2, &plan, error);
  if (good)
    good = (plans = cuda_dnn_plans (here, g, &limits, 2, NULL, error)) != NULL;
  for (guint i = 0; good && i < plans->len; i++)
    good = cuda_dnn_plan_run (plans->pdata[i], &d->args, error);
  if (plans)
    g_ptr_array_unref (plans);
  cuda_dnn_gpu_free (&here);
  cuda_dnn_gpu_free (&described);
  return good;
}

/* Each call fails once: either an alternative is found and computes correctly, or the error says
 * what failed. */
static void
test_failures (gconstpointer data)
{
  CudaConvGraph g = { .direction = CUDA_CONV_FORWARD, .conv = convs[4] };
  GRand *rand = g_rand_new_with_seed (11);
  guint64 n, errors = 0, calls;
  g_autoptr (GError) error = NULL;
  Data d;

  g.conv.type = CUDA_TYPE_F16;
  g.normalizes = g.relu = g.statistics = GPOINTER_TO_INT (data);
  data_init (&d, &g, 65536, rand);
  calls = hooks.calls ();
  g_assert_true (work (&g, &d, &error));
  calls = hooks.calls () - calls;
  for (n = 1; n <= calls; n++) {
    hooks.fail_at (n);
    if (!work (&g, &d, &error)) {
      g_assert_true (error && error->domain == CNN3D_BACKEND_ERROR);
      g_assert_nonnull (strstr (error->message, "made to fail"));
      g_assert_true (
          error->code == CNN3D_BACKEND_ERROR_FAILED || error->code == CNN3D_BACKEND_ERROR_MEMORY);
      errors++;
      g_clear_error (&error);
    } else
      check_result (&g, &d, FALSE, rand);
    g_assert_cmpint (hooks.descriptors (), ==, 0);
  }
  hooks.fail_at (0);
  g_test_message (
      "%" G_GUINT64_FORMAT " calls, an error for %" G_GUINT64_FORMAT " of them", calls, errors);
  g_assert_cmpuint (errors, >, 100);
  g_assert_true (work (&g, &d, &error));
  data_clear (&d);
  g_rand_free (rand);
}

/* --- the library --- */

static void
expect_missing (const gchar *path, const gchar *why)
{
  g_autoptr (GError) error = NULL;

  g_setenv ("CNN3D_CUDNN", path, TRUE);
  g_assert_cmpuint (cuda_dnn_version (&error), ==, 0);
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, why));
  g_clear_error (&error);
  g_assert_null (cuda_dnn_gpu_open (NULL, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
  g_clear_error (&error);
  g_assert_null (cuda_dnn_gpu_new (PROPERTIES, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
}

/* Runs first: a loaded library stays loaded. */
static void
test_library (void)
{
  const struct {
    const gchar *name;
    gpointer *place;
  } symbols[] = {
    { DNN_DOUBLE_FAIL_AT, (gpointer *) &hooks.fail_at },
    { DNN_DOUBLE_CALLS, (gpointer *) &hooks.calls },
    { DNN_DOUBLE_PLANS, (gpointer *) &hooks.plans },
    { DNN_DOUBLE_DESCRIPTORS, (gpointer *) &hooks.descriptors },
    { DNN_DOUBLE_WRONG, (gpointer *) &hooks.wrong },
    { DNN_DOUBLE_LAUNCH_WITH, (gpointer *) &hooks.launch_with },
  };
  g_autoptr (GError) error = NULL;
  GModule *module;

  expect_missing ("/nowhere/libcudnn.so.9", "cuDNN 9 cannot be loaded: /nowhere/libcudnn.so.9");
  expect_missing (DNN_NONE, "has no cudnnGetErrorString: install cuDNN 9.15 or later");
  expect_missing (DNN_OLD, "is cuDNN 91400, which is too old: install 9.15 or later");
  g_setenv ("CNN3D_CUDNN", DNN_DOUBLE, TRUE);
  g_assert_cmpuint (cuda_dnn_version (&error), ==, 91900);
  g_assert_no_error (error);
  module = g_module_open (DNN_DOUBLE, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  for (guint i = 0; i < G_N_ELEMENTS (symbols); i++)
    g_assert_true (g_module_symbol (module, symbols[i].name, symbols[i].place));
}

static void
test_text (void)
{
  const CudaConvGraph graphs[] = {
    { CUDA_CONV_FORWARD, convs[1] },
    { CUDA_CONV_DATA, convs[1], .adds = TRUE },
    { CUDA_CONV_FORWARD, convs[1], .normalizes = TRUE, .statistics = TRUE },
  };
  const gchar *const texts[] = {
    "forward FP32 1 x 16 x 4x6x5 -> 8, kernel 3x3x3, stride 2x2x2, padding 1x1x1",
    "backward-data added FP32 1 x 16 x 4x6x5 -> 8, kernel 3x3x3, stride 2x2x2, padding 1x1x1",
    "forward after scale and shift with statistics FP32 1 x 16 x 4x6x5 -> 8, kernel 3x3x3, stride "
    "2x2x2, padding 1x1x1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (graphs); i++) {
    g_autofree gchar *text = cuda_conv_graph_text (&graphs[i]);

    g_assert_cmpstr (text, ==, texts[i]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dnn/library", test_library);
  g_test_add_func ("/dnn/text", test_text);
  g_test_add_data_func ("/dnn/run/fp32", GUINT_TO_POINTER (CUDA_TYPE_F32), test_run);
  g_test_add_data_func ("/dnn/run/fp16", GUINT_TO_POINTER (CUDA_TYPE_F16), test_run);
  g_test_add_data_func ("/dnn/run/bf16", GUINT_TO_POINTER (CUDA_TYPE_BF16), test_run);
  g_test_add_func ("/dnn/choice", test_choice);
  g_test_add_func ("/dnn/refusals", test_refusals);
  g_test_add_func ("/dnn/start", test_start);
  g_test_add_func ("/dnn/arguments", test_arguments);
  g_test_add_func ("/dnn/double", test_double);
  g_test_add_data_func ("/dnn/failures/plain", GINT_TO_POINTER (FALSE), test_failures);
  g_test_add_data_func ("/dnn/failures/fused", GINT_TO_POINTER (TRUE), test_failures);
  return g_test_run ();
}
