/* cudnn-plans.c: lists, filters and runs cuDNN's execution plans.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cudnn-private.h"

#include <stdlib.h>
#include <string.h>

#define MOST_CONFIGS 64 /* returned by one heuristics mode: about 32 */
#define MOST_KNOBS 32

/* --- engine configurations --- */

/* Properties of a configuration's engine. */
typedef struct {
  int64_t index;             /* its index among all engines of this graph */
  guint numerical, behavior; /* bit n: note n */
} Engine;

static guint
notes_of (DnnCalls *calls, Desc engine, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type)
{
  gint32 notes[32] = { 0 };
  const int64_t count = dnn_get (calls, engine, name, type, G_N_ELEMENTS (notes), notes);
  guint bits = 0;

  G_STATIC_ASSERT (sizeof (cudnnBackendNumericalNote_t) == sizeof notes[0]);
  G_STATIC_ASSERT (sizeof (cudnnBackendBehaviorNote_t) == sizeof notes[0]);
  for (int64_t i = 0; i < MIN (count, (int64_t) G_N_ELEMENTS (notes)); i++)
    bits |= 1u << notes[i];
  return bits;
}

static Engine
engine_of (DnnCalls *calls, Desc config)
{
  Engine e = { -1, 0, 0 };
  Desc engine = dnn_create (calls, CUDNN_BACKEND_ENGINE_DESCRIPTOR);

  dnn_get (calls, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine);
  dnn_get (calls, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &e.index);
  e.numerical =
      notes_of (calls, engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE);
  e.behavior = notes_of (calls, engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE);
  dnn_destroy (&engine);
  return e;
}

/* As in PyTorch, and no engine that accumulates in less than f32: an engine without TENSOR_CORE
 * multiplies FP32 in FP32. */
static gboolean
may_be_taken (const Engine *e, const CudaConvGraph *graph, const CudaConvLimits *limits)
{
  guint out = 1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS
      | 1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION;

  if (limits->deterministic)
    out |= 1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
  if (graph->conv.type == CUDA_TYPE_F32 && !limits->tf32)
    out |= 1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
  return !(e->numerical & out);
}

static gint
compare_knobs (gconstpointer a, gconstpointer b)
{
  const int64_t *ka = a, *kb = b;

  return (ka[0] > kb[0]) - (ka[0] < kb[0]);
}

/* "engine 38 k2=1 k13=0", ordered by knob. */
static gchar *
name_of (DnnCalls *calls, Desc config, const Engine *engine)
{
  GString *name = g_string_new (NULL);
  Desc choices[MOST_KNOBS] = { NULL };
  int64_t knobs[MOST_KNOBS][2] = { { 0 } }, count;

  g_string_printf (name, "engine %d", (gint) engine->index);
  for (guint i = 0; i < MOST_KNOBS; i++)
    choices[i] = dnn_create (calls, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
  count = dnn_get (calls, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
      MOST_KNOBS, choices);
  count = MIN (count, MOST_KNOBS);
  for (int64_t i = 0; i < count; i++) {
    cudnnBackendKnobType_t type = 0;

    dnn_get (calls, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
    dnn_get (
        calls, choices[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &knobs[i][1]);
    knobs[i][0] = type;
  }
  qsort (knobs, count, sizeof knobs[0], compare_knobs);
  for (int64_t i = 0; i < count; i++)
    g_string_append_printf (
        name, " k%d=%" G_GINT64_FORMAT, (gint) knobs[i][0], (gint64) knobs[i][1]);
  for (guint i = 0; i < MOST_KNOBS; i++)
    dnn_destroy (&choices[i]);
  return g_string_free (name, FALSE);
}

/* Creates a plan of this configuration, and reads its workspace. */
static Desc
plan_of (DnnCalls *calls, CudaDnnGpu *gpu, Desc config, gsize *workspace)
{
  Desc plan = dnn_create (calls, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  int64_t bytes = 0;

  if (gpu->handle)
    dnn_set (calls, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &gpu->handle);
  else
    dnn_set (calls, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
        &gpu->properties);
  dnn_set (calls, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
      &config);
  dnn_finalize (calls, plan);
  dnn_get (calls, plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &bytes);
  if (!dnn_good (calls))
    dnn_destroy (&plan);
  *workspace = MAX (bytes, 0);
  return plan;
}

/* --- plans --- */

/* Shared by the plans of one graph. */
typedef struct {
  CudaConvGraph wanted;
  DnnGraph graph;
} Shared;

struct _CudaDnnPlan {
  CudaDnnGpu *gpu;
  Shared *shared; /* g_rc_box */
  Desc plan, config, pack;
  CudaConvArgs packed; /* contents of the pack */
  Engine engine;
  gchar *name;
  gsize workspace;
  guint tried; /* configurations tried up to this one */
};

static void
shared_clear (gpointer data)
{
  Shared *shared = data;

  dnn_graph_clear (&shared->graph);
}

static void
plan_free_unlocked (CudaDnnPlan *p)
{
  dnn_destroy (&p->pack);
  dnn_destroy (&p->plan);
  dnn_destroy (&p->config);
  g_rc_box_release_full (p->shared, shared_clear);
  g_free (p->name);
  g_free (p);
}

void
cuda_dnn_plan_free (CudaDnnPlan *plan)
{
  g_mutex_lock (&cuda_dnn_lock);
  plan_free_unlocked (plan);
  g_mutex_unlock (&cuda_dnn_lock);
}

static gboolean
has_tensor_cores (const Engine *e)
{
  return e->numerical >> CUDNN_NUMERICAL_NOTE_TENSOR_CORE & 1;
}

/* --- searching --- */

/* cuDNN's proposals are tried one after another. */
typedef struct {
  CudaDnnGpu *gpu;
  Shared *shared;
  const CudaConvLimits *limits;
  guint most;
  const gchar *only; /* a plan's name; NULL: any */
  GHashTable *names; /* tried before: the second mode repeats some of the first's */
  GPtrArray *plans;  /* CudaDnnPlan, within the limit */
  CudaDnnPlan *over; /* the one with the least workspace over the limit */
  guint tried, built;
  gboolean tensor_cores; /* one of `plans` has them */
  DnnCalls failed;       /* the first failure of a proposal */
} Search;

/* An engine that does not support the graph is skipped, but its reason is kept in case there is no
 * plan at all; any other failure has precedence. */
static void
remember (DnnCalls *failed, DnnCalls *calls)
{
  if (!dnn_good (calls)
      && (dnn_good (failed)
          || (dnn_calls_code (failed) == CNN3D_BACKEND_ERROR_UNSUPPORTED
              && dnn_calls_code (calls) != CNN3D_BACKEND_ERROR_UNSUPPORTED))) {
    dnn_calls_clear (failed);
    *failed = *calls;
    *calls = (DnnCalls) DNN_CALLS_INIT;
  }
  dnn_calls_clear (calls);
}

/* In 16 bits, one of the plans must have tensor cores, however late it is proposed. */
static gboolean
wants_tensor_cores (const Search *s)
{
  return s->shared->wanted.conv.type != CUDA_TYPE_F32 && !s->tensor_cores && !s->only;
}

static gboolean
wants_more (const Search *s)
{
  return s->built < s->most || !s->plans->len || wants_tensor_cores (s);
}

static void
take (Search *s, CudaDnnPlan *p)
{
  if (p->workspace <= s->limits->workspace) {
    g_ptr_array_add (s->plans, p);
    s->tensor_cores |= has_tensor_cores (&p->engine);
  } else if (!s->over || p->workspace < s->over->workspace) {
    if (s->over)
      plan_free_unlocked (s->over);
    s->over = p;
  } else {
    plan_free_unlocked (p);
  }
}

static void
try_config (Search *s, Desc *config)
{
  DnnCalls calls = DNN_CALLS_INIT;
  const Engine engine = engine_of (&calls, *config);
  g_autofree gchar *name = NULL;
  gsize workspace;
  Desc plan = NULL;

  s->tried++;
  /* names are compared before plans are built, which takes milliseconds, or a second */
  if (dnn_good (&calls) && may_be_taken (&engine, &s->shared->wanted, s->limits)
      && (s->built < s->most || !s->plans->len || has_tensor_cores (&engine)))
    name = name_of (&calls, *config, &engine);
  if (name && dnn_good (&calls) && (!s->only || !strcmp (name, s->only))
      && g_hash_table_add (s->names, g_strdup (name)))
    plan = plan_of (&calls, s->gpu, *config, &workspace);
  if (plan) {
    CudaDnnPlan *p = g_new0 (CudaDnnPlan, 1);

    p->gpu = s->gpu;
    p->shared = g_rc_box_acquire (s->shared);
    p->plan = plan;
    p->config = g_steal_pointer (config);
    p->engine = engine;
    p->name = g_steal_pointer (&name);
    p->workspace = workspace;
    p->tried = s->tried;
    s->built++;
    take (s, p);
  }
  remember (&s->failed, &calls);
}

/* Gets at most `most` proposals, and tries those after the first `tried`. Returns their number. */
static int64_t
try_proposals (Search *s, DnnCalls *calls, Desc heuristics, int64_t tried, int64_t most)
{
  Desc configs[MOST_CONFIGS] = { NULL };
  int64_t count;

  for (int64_t i = 0; i < most && dnn_good (calls); i++)
    configs[i] = dnn_create (calls, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  count = dnn_get (calls, heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
      most, configs);
  for (int64_t i = tried; i < MIN (count, most) && wants_more (s); i++)
    try_config (s, &configs[i]);
  for (int64_t i = 0; i < most; i++)
    dnn_destroy (&configs[i]);
  return MIN (count, most);
}

/* Tries the proposals of one heuristics mode, in order. */
static void
ask_heuristics (Search *s, cudnnBackendHeurMode_t mode)
{
  DnnCalls calls = DNN_CALLS_INIT;
  Desc heuristics = dnn_create (&calls, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  /* a proposal takes cuDNN as long as a plan; in 16 bits nearly each one is taken */
  const int64_t few = s->shared->wanted.conv.type == CUDA_TYPE_F32 || s->only
      ? MOST_CONFIGS
      : MIN (s->most, MOST_CONFIGS);
  int64_t tried;

  dnn_set (&calls, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR,
      1, &s->shared->graph.graph);
  dnn_set (&calls, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (!s->gpu->handle)
    dnn_set (&calls, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
        &s->gpu->properties);
  dnn_finalize (&calls, heuristics);
  tried = try_proposals (s, &calls, heuristics, 0, few);
  if (tried == few && few < MOST_CONFIGS && wants_more (s))
    try_proposals (s, &calls, heuristics, tried, MOST_CONFIGS);
  dnn_destroy (&heuristics);
  remember (&s->failed, &calls);
}

/* In 16 bits cuDNN sometimes proposes a plan without tensor cores first (pointwise convolutions in
 * two dimensions): the first one that has them goes before it. */
static void
order (Search *s)
{
  const gboolean sorts = s->shared->wanted.conv.type != CUDA_TYPE_F32;

  for (guint i = 0; sorts && i < s->plans->len; i++)
    if (has_tensor_cores (&((CudaDnnPlan *) s->plans->pdata[i])->engine)) {
      g_ptr_array_insert (s->plans, 0, g_ptr_array_steal_index (s->plans, i));
      break;
    }
  while (s->plans->len > s->most)
    plan_free_unlocked (g_ptr_array_steal_index (s->plans, s->plans->len - 1));
}

static void
search_init (Search *s, CudaDnnGpu *gpu, const CudaConvGraph *wanted, const CudaConvLimits *limits,
    guint most, const gchar *only)
{
  *s = (Search) { .gpu = gpu,
    .shared = g_rc_box_new0 (Shared),
    .limits = limits,
    .most = MAX (most, 1),
    .only = only,
    .names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL),
    .plans = g_ptr_array_new (),
    .failed = DNN_CALLS_INIT };
  s->shared->wanted = *wanted;
}

/* Finds the permitted plans, in cuDNN's order of expected speed, then the fallback plans. */
static void
search (Search *s)
{
  DnnCalls calls = DNN_CALLS_INIT;

  dnn_graph_build (&calls, &s->shared->graph, s->gpu, &s->shared->wanted);
  if (dnn_good (&calls)) {
    ask_heuristics (s, CUDNN_HEUR_MODE_A);
    if (wants_more (s))
      ask_heuristics (s, CUDNN_HEUR_MODE_FALLBACK);
    order (s);
  }
  remember (&s->failed, &calls);
}

static void
search_clear (Search *s)
{
  while (s->plans->len)
    plan_free_unlocked (g_ptr_array_steal_index (s->plans, s->plans->len - 1));
  g_ptr_array_unref (s->plans);
  if (s->over)
    plan_free_unlocked (s->over);
  g_hash_table_unref (s->names);
  g_rc_box_release_full (s->shared, shared_clear);
  dnn_calls_clear (&s->failed);
}

static GError *
no_plan_error (const Search *s, const gchar *but)
{
  const CudaConvGraph *wanted = &s->shared->wanted;
  g_autofree gchar *text = cuda_conv_graph_text (wanted);

  return g_error_new (CNN3D_BACKEND_ERROR, dnn_calls_code (&s->failed),
      "cuDNN %u has no plan for a convolution (%s%s%s)%s%s%s", (guint) cuda_dnn.version (), text,
      s->limits->deterministic ? ", deterministic" : "",
      wanted->conv.type == CUDA_TYPE_F32 && !s->limits->tf32 ? ", without TF32" : "", but,
      s->failed.failure ? ": " : "", s->failed.failure ? s->failed.failure : "");
}

/* --- planning --- */

/* A plan, or why there is none. */
typedef struct {
  CudaConvPlan plan;
  GError *refusal;
} CudaDnnAnswer;

static void
answer_free (gpointer data)
{
  CudaDnnAnswer *a = data;

  g_clear_error (&a->refusal);
  g_free (a);
}

GHashTable *
dnn_answers_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, answer_free);
}

static CudaDnnAnswer *
find_answer (CudaDnnGpu *gpu, const CudaConvGraph *wanted, const CudaConvLimits *limits, guint most)
{
  CudaDnnAnswer *answer = g_new0 (CudaDnnAnswer, 1);
  const CudaDnnPlan *first;
  Search s;

  search_init (&s, gpu, wanted, limits, most, NULL);
  search (&s);
  first = s.plans->len ? s.plans->pdata[0] : s.over;
  if (first)
    answer->plan = (CudaConvPlan) { .workspace = first->workspace,
      .tried = first->tried,
      .compiled = first->engine.behavior >> CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION & 1,
      .tensor_cores = has_tensor_cores (&first->engine) };
  else
    answer->refusal = no_plan_error (&s, "");
  for (guint i = 0; i < s.plans->len; i++)
    answer->plan.workspace =
        MAX (answer->plan.workspace, ((CudaDnnPlan *) s.plans->pdata[i])->workspace);
  search_clear (&s);
  return answer;
}

gboolean
cuda_dnn_plan (CudaDnnGpu *gpu, const CudaConvGraph *wanted, const CudaConvLimits *limits,
    guint most, CudaConvPlan *plan, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&cuda_dnn_lock);
  g_autofree gchar *text = cuda_conv_graph_text (wanted);
  g_autofree gchar *key =
      g_strdup_printf ("%s %s %" G_GSIZE_FORMAT " %u%s%s", gpu->name, text, limits->workspace, most,
          limits->deterministic ? " deterministic" : "", limits->tf32 ? " tf32" : "");
  CudaDnnAnswer *answer = g_hash_table_lookup (gpu->answers, key);

  (void) locker;
  if (!answer) {
    answer = find_answer (gpu, wanted, limits, most);
    /* a failure may be temporary */
    if (answer->refusal && answer->refusal->code != CNN3D_BACKEND_ERROR_UNSUPPORTED) {
      g_propagate_error (error, g_steal_pointer (&answer->refusal));
      answer_free (answer);
      return FALSE;
    }
    g_hash_table_insert (gpu->answers, g_steal_pointer (&key), answer);
  }
  *plan = answer->plan;
  if (answer->refusal)
    g_propagate_error (error, g_error_copy (answer->refusal));
  return !answer->refusal;
}

/* --- running --- */

GPtrArray *
cuda_dnn_plans (CudaDnnGpu *gpu, const CudaConvGraph *wanted, const CudaConvLimits *limits,
    guint most, const gchar *only, GError **error)
{
  g_autofree gchar *but = NULL;
  GPtrArray *plans = NULL;
  Search s;

  g_mutex_lock (&cuda_dnn_lock);
  search_init (&s, gpu, wanted, limits, most, only);
  if (gpu->handle)
    search (&s);
  if (s.plans->len) {
    plans = s.plans;
    s.plans = g_ptr_array_new ();
    g_ptr_array_set_free_func (plans, (GDestroyNotify) cuda_dnn_plan_free);
  } else {
    if (!gpu->handle)
      but = g_strdup (" that runs: the GPU is not installed");
    else if (s.over)
      but = g_strdup_printf (" within a workspace of %" G_GSIZE_FORMAT
                             " bytes: the least is %" G_GSIZE_FORMAT,
          limits->workspace, s.over->workspace);
    else if (only)
      but = g_strdup_printf (" named '%s'", only);
    g_propagate_error (error, no_plan_error (&s, but ? but : ""));
  }
  search_clear (&s);
  g_mutex_unlock (&cuda_dnn_lock);
  return plans;
}

const gchar *
cuda_dnn_plan_name (const CudaDnnPlan *plan)
{
  return plan->name;
}

gsize
cuda_dnn_plan_workspace (const CudaDnnPlan *plan)
{
  return plan->workspace;
}

/* A finalized pack cannot be changed: it is rebuilt when a pointer changes. */
static void
pack (CudaDnnPlan *p, const CudaConvArgs *args, DnnCalls *calls)
{
  const CudaConvGraph *g = &p->shared->wanted;
  int64_t ids[7] = { DNN_X, DNN_Y, DNN_W };
  gpointer pointers[7] = { args->x, args->y, args->w };
  guint n = 3;

  if (p->pack && !memcmp (&p->packed, args, sizeof *args))
    return;
  dnn_destroy (&p->pack);
  if (g->normalizes && g->direction != CUDA_CONV_DATA) {
    ids[n] = DNN_SCALE, pointers[n++] = args->scale;
    ids[n] = DNN_SHIFT, pointers[n++] = args->shift;
  }
  if (g->statistics && g->direction == CUDA_CONV_FORWARD) {
    ids[n] = DNN_SUM, pointers[n++] = args->sum;
    ids[n] = DNN_SQUARES, pointers[n++] = args->squares;
  }
  p->pack = dnn_create (calls, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  dnn_set (calls, p->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids);
  dnn_set (calls, p->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, pointers);
  dnn_set (
      calls, p->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &args->workspace);
  dnn_finalize (calls, p->pack);
  p->packed = *args;
  if (!dnn_good (calls))
    dnn_destroy (&p->pack);
}

gboolean
cuda_dnn_plan_run (CudaDnnPlan *p, const CudaConvArgs *args, GError **error)
{
  DnnCalls calls = DNN_CALLS_INIT;

  pack (p, args, &calls);
  if (dnn_good (&calls))
    dnn_check (&calls, cuda_dnn.execute (p->gpu->handle, p->plan, p->pack), "cudnnBackendExecute");
  if (!dnn_good (&calls)) {
    g_autofree gchar *text = cuda_conv_graph_text (&p->shared->wanted);

    g_set_error (error, CNN3D_BACKEND_ERROR,
        dnn_calls_code (&calls) == CNN3D_BACKEND_ERROR_MEMORY ? CNN3D_BACKEND_ERROR_MEMORY
                                                              : CNN3D_BACKEND_ERROR_FAILED,
        "a convolution (%s, %s) failed: %s", text, p->name, calls.failure);
    dnn_calls_clear (&calls);
    return FALSE;
  }
  return TRUE;
}
