/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/tune.h"

#include <string.h>

#include "src/backend/cuda/choices.h"

/* Plans that are timed: unfused; fused, which cuDNN mostly compiles, taking a second each. */
#define MOST_PLAIN 10
#define MOST_FUSED 3
#define TIMED_RUNS 4
#define N_VARIANTS 4

CudaFusion
cuda_fusion (void)
{
  const gchar *text = g_getenv ("CNN3D_CUDA_FUSION");

  return !g_strcmp0 (text, "never") ? CUDA_FUSION_NEVER
      : !g_strcmp0 (text, "always") ? CUDA_FUSION_ALWAYS
                                    : CUDA_FUSION_TIMED;
}

void
cuda_choice_clear (CudaChoice *c)
{
  g_clear_pointer (&c->plans, g_ptr_array_unref);
  memset (c, 0, sizeof *c);
}

/* --- choosing --- */

/* Device and cuDNN, without characters that are invalid in a group's name. */
static gchar *
choices_group (const CudaTrial *t)
{
  return g_strdelimit (g_strdup (t->device->name), "[]\n", ' ');
}

static gchar *
choices_key (const CudaTrial *t)
{
  g_autofree gchar *graph = cuda_conv_graph_text (&t->graph);
  g_autofree gchar *text =
      g_strdup_printf ("%s, workspace %" G_GSIZE_FORMAT ", deterministic %d, tf32 %d", graph,
          t->limits.workspace, t->limits.deterministic, t->limits.tf32);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

typedef struct {
  GPtrArray *plans; /* NULL: cuDNN has none */
  CudaConvArgs args;
  gboolean normalizes, statistics;
} Variant;

static gchar *
plan_text (const Variant *v, const CudaDnnPlan *plan)
{
  return g_strdup_printf ("%s%s%s", v->normalizes ? "normalizes " : "",
      v->statistics ? "statistics " : "", cuda_dnn_plan_name (plan));
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
  /* what is fused need not run separately */
  return (v->normalizes || !t->graph.normalizes) && (v->statistics || !t->graph.statistics)
      ? TRUE
      : t->apart (t->data, t->graph.statistics && !v->statistics, error);
}

/* Seconds of a run, including the separate work that it leaves. */
static gboolean
time_plan (
    const CudaTrial *t, const Variant *v, CudaDnnPlan *plan, gdouble *seconds, GError **error)
{
  CudaHere *h = t->device->here;
  gfloat milliseconds = 0;

  if (!run_once (t, v, plan, error)
      || !cuda_ok (cudaEventRecord (h->begin, h->work), "timing failed", error))
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

/* Of what was made for a trial. */
typedef struct {
  Variant variants[N_VARIANTS];
  guint n;
} Variants;

/* Takes the plan of that name. FALSE: not available. choice may be NULL. */
static gboolean
take_named (const Variants *all, const gchar *name, CudaChoice *choice)
{
  for (guint i = 0; i < all->n; i++)
    for (guint k = 0; all->variants[i].plans && k < all->variants[i].plans->len; k++) {
      CudaDnnPlan *plan = g_ptr_array_index (all->variants[i].plans, k);
      g_autofree gchar *text = plan_text (&all->variants[i], plan);

      if (strcmp (text, name))
        continue;
      if (choice)
        take (choice, &all->variants[i], plan);
      return TRUE;
    }
  return FALSE;
}

static gboolean
offers (gconstpointer data, const gchar *plan)
{
  return take_named (data, plan, NULL);
}

/* Name of the fastest plan; NULL with error: none runs. */
static gchar *
time_all (const CudaTrial *t, const Variants *all, GError **error)
{
  gdouble best = G_MAXDOUBLE;
  gchar *text = NULL;
  g_autoptr (GError) reason = NULL;

  for (guint i = 0; i < all->n; i++)
    for (guint k = 0; all->variants[i].plans && k < all->variants[i].plans->len; k++) {
      CudaDnnPlan *plan = g_ptr_array_index (all->variants[i].plans, k);
      gdouble seconds;

      /* a failing plan is skipped; if all fail, the first reason is reported */
      if (!time_plan (t, &all->variants[i], plan, &seconds, reason ? NULL : &reason)
          || seconds >= best)
        continue;
      best = seconds;
      g_free (text);
      text = plan_text (&all->variants[i], plan);
    }
  if (!text)
    g_propagate_error (error, g_steal_pointer (&reason));
  return text;
}

/* The trial's variant number i: bit 0, the batch norm before is fused; bit 1, the sums are
 * computed. FALSE: not possible. v->plans NULL with error: cuDNN has no plan for it. */
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

/* Takes the plan that was chosen before. FALSE: not available. Plans of the other variants are not
 * created, which would take seconds. */
static gboolean
take_recalled (const CudaTrial *t, const gchar *name, CudaChoice *choice, GError **error)
{
  const guint i = (strstr (name, "normalizes ") ? 1 : 0) | (strstr (name, "statistics ") ? 2 : 0);
  Variants one = { { { NULL } }, 1 };
  gboolean ok;

  ok = make_variant (t, i, i ? MOST_FUSED : MOST_PLAIN, &one.variants[0], error)
      && take_named (&one, name, choice);
  g_clear_pointer (&one.variants[0].plans, g_ptr_array_unref);
  return ok;
}

/* Plans that were not chosen hold GPU memory. */
static void
drop_others (CudaChoice *choice)
{
  for (guint k = choice->plans->len; k > 0; k--)
    if (g_ptr_array_index (choice->plans, k - 1) != choice->plan)
      g_ptr_array_remove_index (choice->plans, k - 1);
}

static gboolean
refuse_another (const CudaTrial *t, const gchar *name, GError *reason, GError **error)
{
  g_autofree gchar *graph = cuda_conv_graph_text (&t->graph);

  g_set_error (error, CNN3D_BACKEND_ERROR, reason ? reason->code : CNN3D_BACKEND_ERROR_FAILED,
      "cuDNN no longer has the plan '%s', with which this process computed a convolution before "
      "(%s)%s%s: another one would change the results in mid-run; start again",
      name, graph, reason ? ": " : "", reason ? reason->message : "");
  return FALSE;
}

/* The fastest, unless another thread or process settled on one meanwhile. */
static gboolean
choose_timed (const CudaTrial *t, Variants *all, const gchar *group, const gchar *key,
    CudaChoice *choice, GError **error)
{
  g_autofree gchar *fastest = time_all (t, all, error), *settled = NULL, *first = NULL;

  if (!fastest)
    return FALSE;
  first = plan_text (&all->variants[0], g_ptr_array_index (all->variants[0].plans, 0));
  /* A resumed run must find the same: a choice that cannot be stored is not used. */
  const CudaProposal proposal = {
    .plan = fastest, .unkept = t->limits.deterministic ? first : NULL, .offers = offers, .data = all
  };

  settled = cuda_choices_settle (group, key, &proposal);
  if (take_named (all, settled, choice))
    return TRUE;
  if (t->limits.deterministic)
    return refuse_another (t, settled, NULL, error);
  return take_named (all, fastest, choice);
}

gboolean
cuda_choose (const CudaTrial *t, CudaChoice *choice, GError **error)
{
  const gboolean times = t->times && t->fusion == CUDA_FUSION_TIMED && t->device->params.benchmark;
  const gboolean fuses = times || t->fusion == CUDA_FUSION_ALWAYS;
  g_autofree gchar *group = choices_group (t), *key = choices_key (t), *known = NULL;
  Variants all = { { { NULL } }, 0 };
  gboolean ok, settled;

  if (times && (known = cuda_choices_recall (group, key, &settled))) {
    g_autoptr (GError) reason = NULL;

    if (take_recalled (t, known, choice, &reason)) {
      const CudaProposal same = { .plan = known };
      g_autofree gchar *now = cuda_choices_settle (group, key, &same);

      if (!strcmp (now, known)) {
        drop_others (choice);
        return TRUE;
      }
      cuda_choice_clear (choice);
    } else if (settled && t->limits.deterministic) {
      return refuse_another (t, known, reason, error);
    }
  }
  /* first the unfused variant, which must be available */
  make_variant (t, 0, times ? MOST_PLAIN : 1, &all.variants[all.n++], error);
  ok = all.variants[0].plans != NULL;
  for (guint i = 1; ok && fuses && i < N_VARIANTS; i++)
    if (make_variant (t, i, MOST_FUSED, &all.variants[all.n], NULL) && all.variants[all.n].plans)
      all.n++;
  if (ok && times)
    ok = choose_timed (t, &all, group, key, choice, error);
  else if (ok) /* the last has the most fused to it */
    take (choice, &all.variants[all.n - 1], g_ptr_array_index (all.variants[all.n - 1].plans, 0));
  for (guint i = 0; i < all.n; i++)
    g_clear_pointer (&all.variants[i].plans, g_ptr_array_unref);
  if (ok)
    drop_others (choice);
  return ok;
}
