/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/candidates.h"

#include <string.h>

#include "src/backend/cuda/runtime.h"

/* Of each kind: cuDNN mostly compiles fused plans, taking a second each. */
#define MOST_FUSED 3

#define NORMALIZES "normalizes "
#define STATISTICS "statistics "
#define OWN "conv3"

void
cuda_candidate_free (CudaCandidate *c)
{
  if (c->free_data)
    c->free_data (c->data);
  g_free (c->name);
  g_free (c);
}

/* --- cuDNN's plans --- */

static gboolean
run_plan (const CudaCandidate *c, const CudaConvArgs *args, GError **error)
{
  return cuda_dnn_plan_run (c->data, args, error);
}

/* What of a graph is fused. FALSE: the graph has not all of it. */
static gboolean
fuse (const CudaConvGraph *all, gboolean normalizes, gboolean statistics, CudaConvGraph *graph)
{
  *graph = *all;
  graph->normalizes = normalizes;
  graph->statistics = statistics;
  return (!normalizes || all->normalizes) && (!statistics || all->statistics);
}

/* FALSE with error: there is none. only: as for cuda_dnn_plans(). */
static gboolean
add_plans (GPtrArray *all, CudaDnnGpu *dnn, const CudaConvGraph *graph,
    const CudaConvLimits *limits, guint most, const gchar *only, GError **error)
{
  g_autoptr (GPtrArray) plans = cuda_dnn_plans (dnn, graph, limits, most, only, error);

  if (!plans)
    return FALSE;
  while (plans->len) {
    CudaDnnPlan *plan = g_ptr_array_steal_index (plans, 0);
    CudaCandidate *c = g_new0 (CudaCandidate, 1);

    c->name = g_strconcat (graph->normalizes ? NORMALIZES : "", graph->statistics ? STATISTICS : "",
        cuda_dnn_plan_name (plan), NULL);
    c->workspace = cuda_dnn_plan_workspace (plan);
    c->normalizes = graph->normalizes;
    c->statistics = graph->statistics;
    c->run = run_plan;
    c->data = plan;
    c->free_data = (GDestroyNotify) cuda_dnn_plan_free;
    g_ptr_array_add (all, c);
  }
  return TRUE;
}

/* --- our own kernel --- */

typedef struct {
  CudaConvGraph graph;
  CudaStream work;
} Own;

static gboolean
run_own (const CudaCandidate *c, const CudaConvArgs *args, GError **error)
{
  const Own *own = c->data;
  const gboolean backward = own->graph.direction == CUDA_CONV_DATA;
  guint8 *arranged = args->workspace;
  gfloat *partials = c->statistics ? (gfloat *) (arranged + CUDA_CONV3_ARRANGED) : NULL;
  const CudaConv3 conv = { .type = own->graph.conv.type,
    .clips = own->graph.conv.batch,
    .depth = own->graph.conv.in[0],
    .height = own->graph.conv.in[1],
    .width = own->graph.conv.in[2],
    .scale = c->normalizes ? args->scale : NULL,
    .shift = c->normalizes ? args->shift : NULL,
    .relu = own->graph.relu,
    .adds = own->graph.adds };

  return cuda_ok (cuda_conv3_arrange (own->work, args->w, backward, arranged),
             "a convolution failed", error)
      && cuda_ok (cuda_conv3 (own->work, &conv, backward ? args->y : args->x, arranged,
                      backward ? args->x : args->y, partials, args->sum, args->squares),
          "a convolution failed", error);
}

/* If it computes the graph within the limits. */
static void
add_own (GPtrArray *all, CudaStream work, const CudaConvGraph *graph, const CudaConvLimits *limits)
{
  const gsize workspace = cuda_own_workspace (graph);
  CudaCandidate *c;
  Own *own;

  if (!workspace || workspace > limits->workspace)
    return;
  own = g_new0 (Own, 1);
  own->graph = *graph;
  own->work = work;
  c = g_new0 (CudaCandidate, 1);
  c->name = g_strconcat (
      graph->normalizes ? NORMALIZES : "", graph->statistics ? STATISTICS : "", OWN, NULL);
  c->workspace = workspace;
  c->normalizes = graph->normalizes;
  c->statistics = graph->statistics;
  c->run = run_own;
  c->data = own;
  c->free_data = g_free;
  g_ptr_array_add (all, c);
}

/* --- all --- */

GPtrArray *
cuda_candidates_new (CudaDnnGpu *dnn, CudaStream work, const CudaConvGraph *wanted,
    const CudaConvLimits *limits, guint most, gboolean fuses, GError **error)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) cuda_candidate_free);
  CudaConvGraph graph;

  fuse (wanted, FALSE, FALSE, &graph);
  if (!add_plans (all, dnn, &graph, limits, most, NULL, error)) {
    g_ptr_array_unref (all);
    return NULL;
  }
  add_own (all, work, &graph, limits);
  for (guint i = 1; fuses && i < 4; i++)
    if (fuse (wanted, i & 1, i >> 1, &graph)) {
      add_plans (all, dnn, &graph, limits, MIN (most, MOST_FUSED), NULL, NULL);
      add_own (all, work, &graph, limits);
    }
  return all;
}

CudaCandidate *
cuda_candidate_new (CudaDnnGpu *dnn, CudaStream work, const CudaConvGraph *wanted,
    const CudaConvLimits *limits, const gchar *name, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) cuda_candidate_free);
  const gchar *plan = name;
  gboolean normalizes = g_str_has_prefix (plan, NORMALIZES), statistics;
  CudaConvGraph graph;

  plan += normalizes ? strlen (NORMALIZES) : 0;
  statistics = g_str_has_prefix (plan, STATISTICS);
  plan += statistics ? strlen (STATISTICS) : 0;
  if (!fuse (wanted, normalizes, statistics, &graph))
    return NULL;
  if (!strcmp (plan, OWN))
    add_own (all, work, &graph, limits);
  else if (!add_plans (all, dnn, &graph, limits, 1, plan, error))
    return NULL;
  return all->len ? g_ptr_array_steal_index (all, 0) : NULL;
}
