/* cuDNN has plans for convolutions fused with batch norm: how many layers have which, for each GPU.
 * Needs cuDNN 9.15 or later and, first in LD_LIBRARY_PATH, the test double of the driver; no GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "src/backend/backend.h"
#include "src/backend/cuda/profile.h"
#include "src/backend/gpus.h"
#include "tests/cuda/convs.h"
#include "tests/networks.h"

/* One GPU per architecture; compiling a kernel takes half a second. */
static const gchar *const gpus[] = { "rtx3070", "h100", "rtx5090" };

#define SAMPLED 6 /* one in so many of r3d_18's different convolutions */

enum {
  PLAIN,
  NORMALIZED,
  NORMALIZED_STATISTICS,
  STATISTICS,
  WEIGHTS,
  KINDS
};

static const CudaConvGraph kinds[KINDS] = {
  [PLAIN] = { CUDA_CONV_FORWARD },
  [NORMALIZED] = { .direction = CUDA_CONV_FORWARD, .normalizes = TRUE, .relu = TRUE },
  [NORMALIZED_STATISTICS] = { .direction = CUDA_CONV_FORWARD,
      .normalizes = TRUE,
      .relu = TRUE,
      .statistics = TRUE },
  [STATISTICS] = { .direction = CUDA_CONV_FORWARD, .statistics = TRUE },
  [WEIGHTS] = { .direction = CUDA_CONV_WEIGHTS, .normalizes = TRUE, .relu = TRUE },
};

typedef struct {
  CudaDnnGpu *gpu;
  CudaType type;
  GHashTable *seen; /* convolutions, as text */
  guint asked[KINDS], have[KINDS];
  gsize workspace;
} Survey;

static void
ask (Survey *s, const CudaConv *conv, gboolean is_first, const gchar *name)
{
  const CudaConvLimits limits = { CUDA_WORKSPACE_LIMIT, FALSE, TRUE };

  for (guint k = 0; k < KINDS; k++) {
    CudaConvGraph graph = kinds[k];
    g_autoptr (GError) error = NULL;
    CudaConvPlan plan;

    if (graph.normalizes && is_first)
      continue;
    graph.conv = *conv;
    s->asked[k]++;
    if (cuda_dnn_plan (s->gpu, &graph, &limits, 1, &plan, &error)) {
      s->have[k]++;
      /* statistics alone are precompiled, too, in two dimensions */
      if (graph.normalizes)
        g_assert_true (plan.compiled);
      s->workspace = MAX (s->workspace, plan.workspace);
    } else {
      g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
      if (k == PLAIN)
        g_error ("%s: %s", name, error->message);
      if (g_getenv (CONVS_ALL_VARIABLE))
        g_test_message ("%s: %s", name, error->message);
    }
  }
}

static void
ask_network (Survey *s, const TestNetwork *kind, guint stride)
{
  const Cnn3dNetworkParams params =
      test_network_params (kind, (Cnn3dNetworkParams) { NULL, 9, 64, 3, 16, 112, 112, 0.5 });
  g_autoptr (GError) error = NULL;
  Cnn3dNetwork *net = cnn3d_network_new (&params, &error);
  guint n = 0;

  g_assert_no_error (error);
  for (guint i = 0; i < net->n_ops; i++) {
    CudaConvGraph graph = { CUDA_CONV_FORWARD };

    if (net->ops[i].kind != CNN3D_OP_CONV)
      continue;
    graph.conv = conv_of (net, &net->ops[i], s->type, 4);
    if (g_hash_table_add (s->seen, cuda_conv_graph_text (&graph)) && n++ % stride == 0)
      ask (
          s, &graph.conv, conv_is_first (net, &net->ops[i]), net->weights[net->ops[i].weight].name);
  }
  cnn3d_network_free (&net);
}

static void
test_gpu (gconstpointer data)
{
  const gboolean all = g_getenv (CONVS_ALL_VARIABLE) != NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = cnn3d_gpus_find (data, &error);
  CudaProfile *profile;
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Survey s = { NULL, CUDA_TYPE_F16, seen };

  g_assert_no_error (error);
  if (!cuda_dnn_version (&error)) {
    g_test_skip (error->message);
    return;
  }
  profile = cuda_profile_read (path, &error);
  g_assert_no_error (error);
  s.gpu = cuda_dnn_gpu_new (profile->properties, &error);
  g_assert_no_error (error);
  g_test_timer_start ();
  for (guint m = 0; m < (all ? TEST_N_NETWORKS : 1); m++)
    ask_network (&s, &test_networks[m], all ? 1 : SAMPLED);
  g_test_message (
      "| %s | plain %u of %u | scale, shift, ReLU before %u of %u | and statistics behind %u of %u "
      "| statistics %u of %u | before backward-weights %u of %u | %.1f MiB workspace, %.1f s |",
      profile->name, s.have[PLAIN], s.asked[PLAIN], s.have[NORMALIZED], s.asked[NORMALIZED],
      s.have[NORMALIZED_STATISTICS], s.asked[NORMALIZED_STATISTICS], s.have[STATISTICS],
      s.asked[STATISTICS], s.have[WEIGHTS], s.asked[WEIGHTS], s.workspace / 1048576.,
      g_test_timer_elapsed ());
  g_assert_cmpuint (s.have[PLAIN], ==, s.asked[PLAIN]);
  g_assert_cmpuint (s.have[PLAIN], >=, 2);
  /* fusion before and after exists since sm_80, or the double does not work */
  for (guint k = NORMALIZED; k <= STATISTICS; k++)
    g_assert_cmpuint (s.have[k] > 0, ==, profile->capability >= 800);
  cuda_dnn_gpu_free (&s.gpu);
  cuda_profile_free (&profile);
}

int
main (int argc, char **argv)
{
  g_auto (GStrv) names = NULL;

  g_test_init (&argc, &argv, NULL);
  names = g_getenv (CONVS_ALL_VARIABLE)
      ? cnn3d_gpus_names ()
      : g_strdupv ((gchar **) (const gchar *const[]) { gpus[0], gpus[1], gpus[2], NULL });
  for (guint i = 0; names[i]; i++) {
    g_autofree gchar *path = g_strconcat ("/fused/", names[i], NULL);

    g_test_add_data_func_full (path, g_strdup (names[i]), test_gpu, g_free);
  }
  return g_test_run ();
}
