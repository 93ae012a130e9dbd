/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/candidates.h"

#include <string.h>

/* Of each kind: cuDNN mostly compiles fused plans, taking a second each. */
#define MOST_FUSED 3

#define NORMALIZES "normalizes "
#define STATISTICS "statistics "

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

/* --- all --- */

GPtrArray *
cuda_candidates_new (CudaDnnGpu *dnn, const CudaConvGraph *wanted, const CudaConvLimits *limits,
    guint most, gboolean fuses, GError **error)
{
  GPtrArray *all = g_ptr_array_new_with_free_func ((GDestroyNotify) cuda_candidate_free);
  CudaConvGraph graph;

  fuse (wanted, FALSE, FALSE, &graph);
  if (!add_plans (all, dnn, &graph, limits, most, NULL, error)) {
    g_ptr_array_unref (all);
    return NULL;
  }
  for (guint i = 1; fuses && i < 4; i++)
    if (fuse (wanted, i & 1, i >> 1, &graph))
      add_plans (all, dnn, &graph, limits, MIN (most, MOST_FUSED), NULL, NULL);
  return all;
}

CudaCandidate *
cuda_candidate_new (CudaDnnGpu *dnn, const CudaConvGraph *wanted, const CudaConvLimits *limits,
    const gchar *name, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) cuda_candidate_free);
  const gchar *plan = name;
  gboolean normalizes = g_str_has_prefix (plan, NORMALIZES), statistics;
  CudaConvGraph graph;

  plan += normalizes ? strlen (NORMALIZES) : 0;
  statistics = g_str_has_prefix (plan, STATISTICS);
  plan += statistics ? strlen (STATISTICS) : 0;
  if (!fuse (wanted, normalizes, statistics, &graph)
      || !add_plans (all, dnn, &graph, limits, 1, plan, error))
    return NULL;
  return g_ptr_array_steal_index (all, 0);
}
