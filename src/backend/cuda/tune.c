/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/tune.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

/* Plans looked at: alone; fused, which cuDNN mostly compiles, taking a second
 * for each. */
#define MOST_PLAIN 10
#define MOST_FUSED 3
#define TIMED_RUNS 4
#define N_VARIANTS 4

CudaFusion
cuda_fusion (void)
{
  const gchar *text = g_getenv ("CNN3D_CUDA_FUSION");

  return !g_strcmp0 (text, "never") ? CUDA_FUSION_NEVER : !g_strcmp0 (text, "always") ? CUDA_FUSION_ALWAYS
      : CUDA_FUSION_TIMED;
}

void
cuda_choice_clear (CudaChoice *c)
{
  g_clear_pointer (&c->plans, g_ptr_array_unref);
  memset (c, 0, sizeof *c);
}

/* --- what was found before --- */

static GMutex lock;             /* of the file, in this process; between processes it is replaced whole */

static gchar *
cache_path (void)
{
  return g_build_filename (g_get_user_cache_dir (), "cnn3d", "convolutions.ini", NULL);
}

static GKeyFile *
read_cache (void)
{
  g_autofree gchar *path = cache_path ();
  GKeyFile *file = g_key_file_new ();

  g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL);
  return file;
}

/* Device and cuDNN, without what no group's name may have. */
static gchar *
cache_group (const CudaTrial *t)
{
  return g_strdelimit (g_strdup (t->device->name), "[]\n", ' ');
}

static gchar *
cache_key (const CudaTrial *t)
{
  g_autofree gchar *graph = cuda_conv_graph_text (&t->graph);
  g_autofree gchar *text = g_strdup_printf ("%s, workspace %" G_GSIZE_FORMAT ", deterministic %d, tf32 %d", graph,
      t->limits.workspace, t->limits.deterministic, t->limits.tf32);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static gchar *
recall (const CudaTrial *t)
{
  g_autofree gchar *group = cache_group (t), *key = cache_key (t);
  g_autoptr (GKeyFile) file = NULL;

  g_mutex_lock (&lock);
  file = read_cache ();
  g_mutex_unlock (&lock);
  return g_key_file_get_string (file, group, key, NULL);
}

static gboolean
remember (const CudaTrial *t, const gchar *value)
{
  g_autofree gchar *group = cache_group (t), *key = cache_key (t), *path = cache_path ();
  g_autofree gchar *folder = g_path_get_dirname (path);
  g_autoptr (GKeyFile) file = NULL;
  gboolean ok;

  g_mutex_lock (&lock);
  file = read_cache ();
  g_key_file_set_string (file, group, key, value);
  ok = g_mkdir_with_parents (folder, 0777) == 0 && g_key_file_save_to_file (file, path, NULL);
  g_mutex_unlock (&lock);
  return ok;
}

/* --- choosing --- */

typedef struct {
  GPtrArray *plans;             /* NULL: cuDNN has none */
  CudaConvArgs args;
  gboolean normalizes, statistics;
} Variant;

static gchar *
plan_text (const Variant *v, const CudaDnnPlan *plan)
{
  return g_strdup_printf ("%s%s%s", v->normalizes ? "normalizes " : "", v->statistics ? "statistics " : "",
      cuda_dnn_plan_name (plan));
}

static void
take (CudaChoice *choice, const Variant *v, CudaDnnPlan *plan)
{
  choice->plans = g_ptr_array_ref (v->plans);
  choice->plan = plan;
  choice->normalizes = v->normalizes;
  choice->statistics = v->statistics;
}

static gboolean
run_once (const CudaTrial *t, const Variant *v, CudaDnnPlan *plan, GError **error)
{
  if (plan && !cuda_dnn_plan_run (plan, &v->args, error))
    return FALSE;
  /* what is fused need not be done apart */
  return (v->normalizes || !t->graph.normalizes) && (v->statistics || !t->graph.statistics) ? TRUE
      : t->apart (t->data, t->graph.statistics && !v->statistics, error);
}

/* Seconds of a run, with what it leaves to others. */
static gboolean
time_plan (const CudaTrial *t, const Variant *v, CudaDnnPlan *plan, gdouble *seconds, GError **error)
{
  CudaHere *h = t->device->here;
  gfloat milliseconds = 0;

  if (!run_once (t, v, plan, error) || !cuda_ok (cudaEventRecord (h->begin, h->work), "timing failed", error))
    return FALSE;
  for (guint i = 0; i < TIMED_RUNS; i++)
    if (!run_once (t, v, plan, error))
      return FALSE;
  if (!cuda_ok (cudaEventRecord (h->end, h->work), "timing failed", error)
      || !cuda_ok (cudaEventSynchronize (h->end), "timing failed", error)
      || !cuda_ok (cudaEventElapsedTime (&milliseconds, h->begin, h->end), "timing failed", error))
    return FALSE;
  *seconds = milliseconds / 1e3 / TIMED_RUNS;
  return TRUE;
}

static gboolean
time_all (const CudaTrial *t, Variant *variants, guint n, CudaChoice *choice, GError **error)
{
  gdouble best = G_MAXDOUBLE;
  g_autofree gchar *text = NULL;
  g_autoptr (GError) reason = NULL;

  for (guint i = 0; i < n; i++)
    for (guint k = 0; variants[i].plans && k < variants[i].plans->len; k++) {
      CudaDnnPlan *plan = g_ptr_array_index (variants[i].plans, k);
      gdouble seconds;

      /* one that fails is none to take; where all do, the first says why */
      if (!time_plan (t, &variants[i], plan, &seconds, reason ? NULL : &reason) || seconds >= best)
        continue;
      best = seconds;
      cuda_choice_clear (choice);
      take (choice, &variants[i], plan);
      g_free (text);
      text = plan_text (&variants[i], plan);
    }
  if (!choice->plan) {
    g_propagate_error (error, g_steal_pointer (&reason));
    return FALSE;
  }
  /* A resumed run must find the same: what cannot be kept is not taken. */
  if (!remember (t, text) && t->limits.deterministic) {
    cuda_choice_clear (choice);
    take (choice, &variants[0], g_ptr_array_index (variants[0].plans, 0));
  }
  return TRUE;
}

/* The trial's variant number i: bit 0, the batch norm before is read into it;
 * bit 1, the sums come out of it. FALSE: it is none. v->plans NULL with error:
 * cuDNN has no plan for it. */
static gboolean
make_variant (const CudaTrial *t, guint i, guint most, Variant *v, GError **error)
{
  CudaConvGraph graph = t->graph;

  *v = (Variant) { NULL, t->args, i & 1, i >> 1 };
  if ((v->normalizes && !graph.normalizes) || (v->statistics && !graph.statistics))
    return FALSE;
  graph.normalizes = v->normalizes;
  graph.statistics = v->statistics;
  if (v->normalizes)
    v->args.x = t->raw;
  v->plans = cuda_dnn_plans (t->device->dnn, &graph, &t->limits, most, error);
  return TRUE;
}

/* The plan that was found before; FALSE: there is none of that name. Plans of the
 * other variants are not made, which would take seconds. */
static gboolean
take_recalled (const CudaTrial *t, CudaChoice *choice)
{
  g_autofree gchar *wanted = recall (t);

  for (guint i = 0; wanted && i < N_VARIANTS && !choice->plan; i++) {
    const gboolean named = (strstr (wanted, "normalizes ") != NULL) == (i & 1)
        && (strstr (wanted, "statistics ") != NULL) == i >> 1;
    Variant v;

    if (!named || !make_variant (t, i, i ? MOST_FUSED : MOST_PLAIN, &v, NULL))
      continue;
    for (guint k = 0; v.plans && k < v.plans->len && !choice->plan; k++) {
      CudaDnnPlan *plan = g_ptr_array_index (v.plans, k);
      g_autofree gchar *text = plan_text (&v, plan);

      if (!strcmp (text, wanted))
        take (choice, &v, plan);
    }
    g_clear_pointer (&v.plans, g_ptr_array_unref);
  }
  return choice->plan != NULL;
}

/* Plans that were not taken hold memory of the GPU. */
static void
drop_others (CudaChoice *choice)
{
  for (guint k = choice->plans->len; k > 0; k--)
    if (g_ptr_array_index (choice->plans, k - 1) != choice->plan)
      g_ptr_array_remove_index (choice->plans, k - 1);
}

gboolean
cuda_choose (const CudaTrial *t, CudaChoice *choice, GError **error)
{
  const gboolean times = t->times && t->fusion == CUDA_FUSION_TIMED && t->device->params.benchmark;
  const gboolean fuses = times || t->fusion == CUDA_FUSION_ALWAYS;
  Variant variants[N_VARIANTS] = { {NULL} };
  guint n = 0;
  gboolean ok;

  if (times && take_recalled (t, choice)) {
    drop_others (choice);
    return TRUE;
  }
  /* first the one that is not fused, which must be there */
  make_variant (t, 0, times ? MOST_PLAIN : 1, &variants[n++], error);
  ok = variants[0].plans != NULL;
  for (guint i = 1; ok && fuses && i < N_VARIANTS; i++)
    if (make_variant (t, i, MOST_FUSED, &variants[n], NULL) && variants[n].plans)
      n++;
  if (ok && times)
    ok = time_all (t, variants, n, choice, error);
  else if (ok)                  /* the last has the most fused to it */
    take (choice, &variants[n - 1], g_ptr_array_index (variants[n - 1].plans, 0));
  for (guint i = 0; i < n; i++)
    g_clear_pointer (&variants[i].plans, g_ptr_array_unref);
  if (ok)
    drop_others (choice);
  return ok;
}
