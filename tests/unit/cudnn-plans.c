/* Every convolution of every model has plans on GPUs of every described compute capability within the
 * workspace that is planned for without cuDNN; in 16 bits the first has tensor cores. The engines that
 * cuDNN lists depend on the capability: its first GPU is asked for four clips, the others in FP16 for
 * one. Needs cuDNN 9.15 or later, no GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "src/backend/backend.h"
#include "src/backend/cuda/cudnn.h"
#include "src/backend/cuda/profile.h"
#include "src/backend/gpus.h"
#include "tests/cuda/convs.h"
#include "tests/networks.h"

/* frames and height; width is height */
static const struct {
  guint frames, size;
  const gchar *network; /* in networks.h; NULL: all */
} clips[] = {
  { 16, 112, NULL }, { 8, 224, NULL }, { 16, 224, "slow_r50" },
  { 48, 56, "posec3d_slowonly" }, /* as published */
};

typedef struct {
  CudaDnnGpu *gpu;
  GHashTable *asked;
  guint plans, compiled, without; /* without: tensor cores */
  gsize largest;
} Survey;

static void
ask (Survey *s, const CudaConvGraph *graph, const CudaConvLimits *limits, const gchar *where)
{
  struct {
    CudaConvGraph graph;
    CudaConvLimits limits;
  } question;
  g_autoptr (GError) error = NULL;
  CudaConvPlan plan;

  memset (&question, 0, sizeof question);
  question.graph = *graph;
  question.limits = *limits;
  if (!g_hash_table_add (s->asked, g_bytes_new (&question, sizeof question)))
    return;
  if (!cuda_dnn_plan (s->gpu, graph, limits, cuda_most_plans (graph->conv.type), &plan, &error))
    g_error ("%s: %s", where, error->message);
  if (plan.workspace > CUDA_WORKSPACE_LIMIT)
    g_error ("%s, direction %d, type %d, %d clips%s: workspace %" G_GSIZE_FORMAT, where,
        graph->direction, graph->conv.type, graph->conv.batch,
        limits->deterministic ? ", strict" : "", plan.workspace);
  if (graph->conv.type != CUDA_TYPE_F32 && !plan.tensor_cores) {
    g_autofree gchar *text = cuda_conv_graph_text (graph);

    s->without++;
    g_test_message ("%s has no tensor cores: %s%s", where, text,
        limits->deterministic ? ", deterministic" : "");
  }
  s->plans++;
  s->compiled += plan.compiled;
  s->largest = MAX (s->largest, plan.workspace);
}

/* strict: deterministic engines, and FP32 without TF32, too. */
static void
ask_network (Survey *s, const Cnn3dNetwork *net, CudaType type, guint batch, gboolean strict)
{
  static const CudaConvLimits limits[] = { { CUDA_WORKSPACE_LIMIT, FALSE, TRUE },
    { CUDA_WORKSPACE_LIMIT, TRUE, FALSE } };

  for (guint i = 0; i < net->n_ops; i++) {
    const Cnn3dOp *op = &net->ops[i];

    if (op->kind != CNN3D_OP_CONV)
      continue;
    CudaConvGraph graph = { CUDA_CONV_FORWARD, conv_of (net, op, type, batch) };
    const gchar *name = net->weights[op->weight].name;

    for (guint k = 0; k < (strict ? G_N_ELEMENTS (limits) : 1); k++) {
      graph.adds = FALSE;
      graph.direction = CUDA_CONV_FORWARD;
      ask (s, &graph, &limits[k], name);
      graph.direction = CUDA_CONV_WEIGHTS;
      ask (s, &graph, &limits[k], name);
      if (conv_is_first (net, op))
        continue;
      graph.direction = CUDA_CONV_DATA;
      ask (s, &graph, &limits[k], name);
      graph.adds = TRUE;
      if (k == 0)
        ask (s, &graph, &limits[k], name);
    }
  }
}

static gboolean
has_cudnn (void)
{
  g_autoptr (GError) error = NULL;

  if (cuda_dnn_version (&error))
    return TRUE;
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
  g_test_skip (error->message);
  return FALSE;
}

typedef struct {
  gchar *name;
  gboolean is_first; /* of its compute capability */
} Gpu;

static void
gpu_free (gpointer data)
{
  g_free (((Gpu *) data)->name);
  g_free (data);
}

static void
test_gpu (gconstpointer data)
{
  const Gpu *gpu = data;
  const gboolean all = g_getenv (CONVS_ALL_VARIABLE) != NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = cnn3d_gpus_find (gpu->name, &error);
  CudaProfile *profile;
  Survey s = { NULL };

  g_assert_no_error (error);
  if (!has_cudnn ())
    return;
  profile = cuda_profile_read (path, &error);
  g_assert_no_error (error);
  g_test_timer_start ();
  s.gpu = cuda_dnn_gpu_new (profile->properties, &error);
  g_assert_no_error (error);
  s.asked =
      g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  /* two-stream networks have no convolutions of their own */
  for (guint m = 0; m < TEST_N_NETWORKS; m++)
    for (guint k = 0; k < G_N_ELEMENTS (clips); k++) {
      const Cnn3dNetworkParams params = test_network_params (&test_networks[m],
          (Cnn3dNetworkParams) {
              NULL, 9, 64, 3, clips[k].frames, clips[k].size, clips[k].size, 0.5 });
      const gboolean most = all || gpu->is_first, strict = all || (most && k == 0);
      Cnn3dNetwork *net;

      if (clips[k].network && strcmp (clips[k].network, test_networks[m].name))
        continue;
      if (k && !most)
        continue;
      net = cnn3d_network_new (&params, &error);
      g_assert_no_error (error);
      if (all || !most)
        ask_network (&s, net, CUDA_TYPE_F16, 1, all);
      if (most) {
        ask_network (&s, net, CUDA_TYPE_F16, 4, strict);
        ask_network (&s, net, CUDA_TYPE_F32, 4, strict);
      }
      if (strict && profile->capability >= 800)
        ask_network (&s, net, CUDA_TYPE_BF16, 4, all);
      cnn3d_network_free (&net);
    }
  g_test_message ("%s: %u plans, %u of them compiled at run time, %u in 16 bits without tensor "
                  "cores, largest workspace %.1f MiB, %.1f s",
      profile->name, s.plans, s.compiled, s.without, s.largest / 1048576., g_test_timer_elapsed ());
  g_assert_cmpuint (s.plans, >, gpu->is_first ? 1500 : 150);
  g_assert_cmpuint (s.compiled, ==, 0);
  g_assert_cmpuint (s.without, ==, 0);
  g_hash_table_unref (s.asked);
  cuda_dnn_gpu_free (&s.gpu);
  g_assert_null (s.gpu);
  cuda_profile_free (&profile);
}

/* A smaller limit is kept if a plan within it exists; repeating a query gives the same answer. */
static void
test_limit (void)
{
  static const gsize limits[] = { 0, 1 << 20, 32 << 20, (gsize) 1 << 40 };
  const CudaConvGraph graph = { CUDA_CONV_FORWARD,
    { CUDA_TYPE_F32, 4, 256, 512, { 16, 56, 56 }, { 1, 1, 1 }, { 1, 2, 2 }, { 0, 0, 0 } } };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = cnn3d_gpus_find ("rtx3070", &error);
  CudaProfile *profile;
  CudaDnnGpu *gpu;
  gsize before = 0;

  if (!has_cudnn ())
    return;
  profile = cuda_profile_read (path, &error);
  g_assert_no_error (error);
  gpu = cuda_dnn_gpu_new (profile->properties, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (limits); i++) {
    const CudaConvLimits limit = { limits[i], FALSE, TRUE };
    CudaConvPlan plan, again;

    g_assert_true (cuda_dnn_plan (gpu, &graph, &limit, 1, &plan, &error));
    g_assert_true (cuda_dnn_plan (gpu, &graph, &limit, 1, &again, &error));
    g_assert_cmpmem (&plan, sizeof plan, &again, sizeof again);
    g_assert_cmpuint (plan.tried, >, 0);
    g_assert_cmpuint (plan.workspace, <=, limits[i]);
    g_assert_cmpuint (plan.workspace, >=, before);
    before = plan.workspace;
  }
  /* without a limit cuDNN's first choice has a workspace here */
  g_assert_cmpuint (before, >, 0);
  cuda_dnn_gpu_free (&gpu);
  cuda_profile_free (&profile);
}

static void
test_errors (void)
{
  /* the window is larger than the padded input */
  const CudaConvGraph graph = { CUDA_CONV_FORWARD,
    { CUDA_TYPE_F16, 1, 8, 8, { 1, 1, 1 }, { 3, 3, 3 }, { 1, 1, 1 }, { 0, 0, 0 } } };
  const CudaConvLimits limits = { CUDA_WORKSPACE_LIMIT, FALSE, TRUE };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = cnn3d_gpus_find ("h100", &error);
  CudaProfile *profile;
  CudaConvPlan plan;
  CudaDnnGpu *gpu;

  if (!has_cudnn ())
    return;
  g_assert_null (cuda_dnn_gpu_new ("{\"deviceVer\":900}", &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
  g_clear_error (&error);
  g_assert_null (cuda_dnn_gpu_new ("", &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
  g_clear_error (&error);
  profile = cuda_profile_read (path, &error);
  g_assert_no_error (error);
  gpu = cuda_dnn_gpu_new (profile->properties, &error);
  g_assert_no_error (error);
  g_assert_false (cuda_dnn_plan (gpu, &graph, &limits, 1, &plan, &error));
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "kernel 3x3x3"));
  cuda_dnn_gpu_free (&gpu);
  cuda_profile_free (&profile);
}

int
main (int argc, char **argv)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL); /* compute capabilities */
  g_auto (GStrv) names = NULL;

  g_test_init (&argc, &argv, NULL);
  names = cnn3d_gpus_names ();
  for (guint i = 0; names[i]; i++) {
    g_autofree gchar *path = g_strconcat ("/cudnn/plans/", names[i], NULL),
                     *file = cnn3d_gpus_find (names[i], NULL);
    CudaProfile *profile = cuda_profile_read (file, NULL);
    Gpu *gpu = g_new0 (Gpu, 1);

    g_assert_nonnull (profile);
    gpu->name = g_strdup (names[i]);
    gpu->is_first = g_hash_table_add (seen, GUINT_TO_POINTER (profile->capability));
    g_test_add_data_func_full (path, gpu, test_gpu, gpu_free);
    cuda_profile_free (&profile);
  }
  g_test_add_func ("/cudnn/limit", test_limit);
  g_test_add_func ("/cudnn/errors", test_errors);
  return g_test_run ();
}
