/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/tune.h"

#include <string.h>

#include "src/backend/cuda/check.h"
#include "src/backend/cuda/choices.h"

#define ROUNDS 5 /* in each of which every candidate runs once */

/* Tolerances of backward-weights that normalizes: scale and shift have 11 digits there, and their
 * errors do not cancel as the values do. */
#define NORMALIZED_WEIGHTS 8

/* An idle GPU lowers its clocks, and needs some time to raise them again. Microseconds. */
#define SPIN 50000
#define IDLE 100000

CudaFusion
cuda_fusion (void)
{
  const gchar *text = g_getenv ("CNN3D_CUDA_FUSION");

  return !g_strcmp0 (text, "never") ? CUDA_FUSION_NEVER
      : !g_strcmp0 (text, "always") ? CUDA_FUSION_ALWAYS
                                    : CUDA_FUSION_TIMED;
}

/* --- names of choices --- */

/* Device and cuDNN, without characters that are invalid in a group's name. */
static gchar *
choices_group (const CudaTrial *t)
{
  return g_strdelimit (g_strdup (t->device->name), "[]\n", ' ');
}

/* any_batch: of all trials of this convolution, whose batches and so workspaces differ. "checked"
 * sets them apart from choices of earlier versions. */
static gchar *
choices_key (const CudaTrial *t, gboolean any_batch)
{
  CudaConvGraph graph = t->graph;
  g_autofree gchar *text = NULL, *all = NULL;

  if (any_batch)
    graph.conv.batch = 0;
  text = cuda_conv_graph_text (&graph);
  all = g_strdup_printf ("%s, workspace %" G_GSIZE_FORMAT ", deterministic %d, tf32 %d, checked",
      text, any_batch ? 0 : t->limits.workspace, t->limits.deterministic, t->limits.tf32);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, all, -1);
}

/* --- running candidates --- */

static gboolean
run (const CudaTrial *t, const CudaCandidate *c, GError **error)
{
  CudaConvArgs args = t->args;

  if (c->normalizes)
    args.x = t->raw;
  return c->run (c, &args, error);
}

/* With the separate work that it leaves. */
static gboolean
run_all (const CudaTrial *t, const CudaCandidate *c, GError **error)
{
  return run (t, c, error)
      && t->apart (t->data, t->graph.normalizes && !c->normalizes,
          t->graph.statistics && !c->statistics, error);
}

/* Seconds of one run. */
static gboolean
time_once (const CudaTrial *t, const CudaCandidate *c, gdouble *seconds, GError **error)
{
  CudaHere *h = t->device->here;
  gfloat milliseconds = 0;

  if (!cuda_ok (cudaEventRecord (h->begin, h->work), "timing failed", error)
      || !run_all (t, c, error)
      || !cuda_ok (cudaEventRecord (h->end, h->work), "timing failed", error)
      || !cuda_ok (cudaEventSynchronize (h->end), "timing failed", error)
      || !cuda_ok (cudaEventElapsedTime (&milliseconds, h->begin, h->end), "timing failed", error))
    return FALSE;
  *seconds = milliseconds / 1e3;
  return TRUE;
}

/* Raises the clocks of a GPU that was idle: the first to be timed would be timed on a slower one.
 * Failures show when it is timed. */
static void
spin (const CudaTrial *t, const CudaCandidate *c)
{
  CudaHere *h = t->device->here;
  gint64 now = g_get_monotonic_time ();
  const gint64 until = now + SPIN;

  if (h->timed && now - h->timed < IDLE)
    return;
  while (now < until && run_all (t, c, NULL) && cudaEventRecord (h->end, h->work) == cudaSuccess
      && cudaEventSynchronize (h->end) == cudaSuccess)
    now = g_get_monotonic_time ();
}

/* The fastest; NULL with error: none runs. */
static CudaCandidate *
time_all (const CudaTrial *t, GPtrArray *candidates, GError **error)
{
  g_autofree gdouble *least = g_new (gdouble, candidates->len);
  g_autoptr (GError) reason = NULL;
  CudaCandidate *fastest = NULL;
  gdouble best = G_MAXDOUBLE;

  for (guint k = 0; k < candidates->len; k++)
    least[k] = G_MAXDOUBLE;
  spin (t, candidates->pdata[0]);
  for (guint round = 0; round < ROUNDS; round++)
    for (guint k = 0; k < candidates->len; k++) {
      gdouble seconds;

      /* one that failed is not tried again; if all do, the first reason is reported */
      if (least[k] < 0)
        continue;
      if (time_once (t, candidates->pdata[k], &seconds, reason ? NULL : &reason))
        least[k] = MIN (least[k], seconds);
      else
        least[k] = -1;
    }
  t->device->here->timed = g_get_monotonic_time ();
  for (guint k = 0; k < candidates->len; k++)
    if (least[k] >= 0 && least[k] < best) {
      best = least[k];
      fastest = candidates->pdata[k];
    }
  if (!fastest)
    g_propagate_error (error, g_steal_pointer (&reason));
  return fastest;
}

/* --- checking candidates --- */

/* How far off its result is; FALSE with error: it does not run. */
static gboolean
check (const CudaTrial *t, const CudaCandidate *c, gfloat *off, GError **error)
{
  const gint times = t->graph.adds ? 2 : 1;

  if (t->graph.adds
      && !cuda_ok (cudaMemsetAsync (cuda_conv_result (&t->graph, &t->args), 0, t->result_bytes,
                       t->device->here->work),
          "memory cannot be cleared", error))
    return FALSE;
  for (gint i = 0; i < times; i++)
    if (!run (t, c, error))
      return FALSE;
  return cuda_check_end (t->device, &t->graph, &t->args, times, c->statistics, off, error);
}

/* Removes those that do not run, and those that are wrong, with a message. FALSE with error: none is
 * left, and *wrong of them were wrong. */
static gboolean
drop_wrong (const CudaTrial *t, GPtrArray *candidates, guint *wrong, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree gchar *graph = cuda_conv_graph_text (&t->graph);

  *wrong = 0;
  if (!cuda_check_begin (t->device, &t->graph, &t->args, error))
    return FALSE;
  for (guint k = 0; k < candidates->len;) {
    const CudaCandidate *c = candidates->pdata[k];
    gfloat off = 0;
    const gboolean runs = check (t, c, &off, reason ? NULL : &reason);
    gchar number[G_ASCII_DTOSTR_BUF_SIZE];

    if (c->normalizes && t->graph.direction == CUDA_CONV_WEIGHTS)
      off /= NORMALIZED_WEIGHTS;
    if (runs && off <= 1) {
      k++;
      continue;
    }
    if (runs) {
      g_message ("%s computes a convolution (%s) wrongly with '%s', which is not used: off by %s "
                 "times what rounding explains",
          t->device->name, graph, c->name, g_ascii_formatd (number, sizeof number, "%.3g", off));
      ++*wrong;
    }
    g_ptr_array_remove_index (candidates, k);
  }
  if (candidates->len)
    return TRUE;
  if (*wrong)
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED,
        "%s computes a convolution (%s) wrongly in each way that was tried: install another "
        "version "
        "of cuDNN, or use device=cpu",
        t->device->name, graph);
  else
    g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}

/* --- choosing --- */

static CudaCandidate *
find (const GPtrArray *candidates, const gchar *name)
{
  for (guint k = 0; k < candidates->len; k++) {
    CudaCandidate *c = candidates->pdata[k];

    if (!strcmp (c->name, name))
      return c;
  }
  return NULL;
}

static gboolean
offers (gconstpointer data, const gchar *name)
{
  return find (data, name) != NULL;
}

static void
refuse_another (const CudaTrial *t, const gchar *name, GError *reason, GError **error)
{
  g_autofree gchar *graph = cuda_conv_graph_text (&t->graph);

  g_set_error (error, CNN3D_BACKEND_ERROR, reason ? reason->code : CNN3D_BACKEND_ERROR_FAILED,
      "cuDNN no longer has the plan '%s', with which this process computed a convolution before "
      "(%s)%s%s: another one would change the results in mid-run; start again",
      name, graph, reason ? ": " : "", reason ? reason->message : "");
}

/* The fastest, unless another thread or process settled on one meanwhile. */
static CudaCandidate *
choose_timed (const CudaTrial *t, GPtrArray *candidates, const gchar *group, const gchar *key,
    const gchar *like, GError **error)
{
  const CudaCandidate *first = candidates->pdata[0];
  CudaCandidate *fastest = time_all (t, candidates, error), *c;
  g_autofree gchar *settled = NULL;

  if (!fastest)
    return NULL;
  /* A resumed run must find the same: a choice that cannot be stored is not used. */
  const CudaProposal proposal = { .plan = fastest->name,
    .unkept = t->limits.deterministic ? first->name : NULL,
    .like = like,
    .offers = offers,
    .data = candidates };

  settled = cuda_choices_settle (group, key, &proposal);
  c = find (candidates, settled);
  if (c || !t->limits.deterministic)
    return c ? c : fastest;
  refuse_another (t, settled, NULL, error);
  return NULL;
}

/* The first with the most fused to it. */
static CudaCandidate *
choose_untimed (GPtrArray *candidates)
{
  CudaCandidate *chosen = candidates->pdata[0];

  for (guint k = 1; k < candidates->len; k++) {
    CudaCandidate *c = candidates->pdata[k];

    if (c->normalizes != chosen->normalizes || c->statistics != chosen->statistics)
      chosen = c;
  }
  return chosen;
}

/* Those that are right. like: the choice for another batch is one, too. */
static GPtrArray *
make (const CudaTrial *t, guint most, gboolean fuses, const gchar *group, const gchar *like,
    guint *wrong, GError **error)
{
  GPtrArray *candidates = cuda_candidates_new (
      t->device->dnn, t->device->here->work, &t->graph, &t->limits, most, fuses, error);
  g_autofree gchar *others = like ? cuda_choices_like (group, like) : NULL;
  CudaCandidate *c;

  *wrong = 0;
  if (!candidates)
    return NULL;
  if (others && !find (candidates, others)
      && (c = cuda_candidate_new (
              t->device->dnn, t->device->here->work, &t->graph, &t->limits, others, NULL)))
    g_ptr_array_add (candidates, c);
  if (!drop_wrong (t, candidates, wrong, error))
    g_clear_pointer (&candidates, g_ptr_array_unref);
  return candidates;
}

/* The gradient that a convolution adds to is put aside, in memory for cudaFreeHost(): trials
 * overwrite it. */
static gboolean
put_aside (const CudaTrial *t, gpointer *kept, GError **error)
{
  *kept = NULL;
  return !t->graph.adds
      || (cuda_ok (cudaHostAlloc (kept, t->result_bytes, cudaHostAllocDefault),
              "cannot allocate pinned memory", error)
          && cuda_download (
              t->device, *kept, cuda_conv_result (&t->graph, &t->args), t->result_bytes, error));
}

/* Frees it. */
static gboolean
put_back (const CudaTrial *t, gpointer kept, GError **error)
{
  const gboolean ok = !kept
      || cuda_upload (
          t->device, cuda_conv_result (&t->graph, &t->args), kept, t->result_bytes, error);

  if (kept)
    cudaFreeHost (kept);
  return ok;
}

static CudaCandidate *
choose_new (
    const CudaTrial *t, gboolean times, const gchar *group, const gchar *key, GError **error)
{
  const gboolean fuses = times || t->fusion == CUDA_FUSION_ALWAYS;
  g_autofree gchar *like = times ? choices_key (t, TRUE) : NULL;
  g_autoptr (GPtrArray) candidates = NULL;
  g_autoptr (GError) reason = NULL;
  CudaCandidate *chosen = NULL;
  gpointer kept;
  guint wrong;

  if (!put_aside (t, &kept, error)) {
    if (kept)
      cudaFreeHost (kept);
    return NULL;
  }
  candidates = make (
      t, times ? cuda_most_plans (t->graph.conv.type) : 1, fuses, group, like, &wrong, &reason);
  if (!candidates && wrong && !times) {
    g_clear_error (&reason);
    candidates =
        make (t, cuda_most_plans (t->graph.conv.type), fuses, group, NULL, &wrong, &reason);
  }
  if (candidates)
    chosen = times ? choose_timed (t, candidates, group, key, like, &reason)
                   : choose_untimed (candidates);
  if (!put_back (t, kept, reason ? NULL : &reason))
    chosen = NULL;
  if (!chosen) {
    g_propagate_error (error, g_steal_pointer (&reason));
    return NULL;
  }
  /* the others hold memory of the GPU */
  for (guint k = 0; k < candidates->len; k++)
    if (candidates->pdata[k] == chosen) {
      g_ptr_array_steal_index (candidates, k);
      break;
    }
  return chosen;
}

CudaCandidate *
cuda_choose (const CudaTrial *t, GError **error)
{
  const gboolean times = t->fusion == CUDA_FUSION_TIMED && t->device->params.benchmark;
  g_autofree gchar *group = choices_group (t), *key = choices_key (t, FALSE), *known = NULL;
  gboolean settled;

  if (times && (known = cuda_choices_recall (group, key, &settled))) {
    g_autoptr (GError) reason = NULL;
    CudaCandidate *c = cuda_candidate_new (
        t->device->dnn, t->device->here->work, &t->graph, &t->limits, known, &reason);

    if (c) {
      const CudaProposal same = { .plan = known };
      g_autofree gchar *now = cuda_choices_settle (group, key, &same);

      if (!strcmp (now, known))
        return c;
      cuda_candidate_free (c);
    } else if (settled && t->limits.deterministic) {
      refuse_another (t, known, reason, error);
      return NULL;
    }
  }
  return choose_new (t, times, group, key, error);
}
