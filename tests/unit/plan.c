/* The memory plan: no buffer is overwritten while it is still needed, and nothing unneeded is
 * computed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "src/backend/backend.h"
#include "src/plan/plan.h"
#include "src/random.h"
#include "planwalk.h"
#include "tests/limits.h"
#include "tests/networks.h"

#ifdef __SANITIZE_ADDRESS__ /* which checks each access: a part of the cases is enough */
#define FEWER 1
#else
#define FEWER 0
#endif

/* Arena size over the peak of live bytes. If one buffer is a quarter of that (scratch of oneDNN's
 * gemm, without AVX-512), even the best packing has larger holes. */
#define SLACK 1.05
#define SLACK_OF_LARGE 1.2

static const Cnn3dBackend *backend;
static Cnn3dDevice *device;

/* --- buffers --- */

static void
assert_disjoint (const Cnn3dBuffer *b, guint n, gsize arena)
{
  for (guint i = 0; i < n; i++) {
    g_assert_cmpuint (b[i].offset % CNN3D_ARENA_ALIGNMENT, ==, 0);
    g_assert_cmpuint (b[i].offset + b[i].bytes, <=, arena);
    g_assert_cmpuint (b[i].first, <=, b[i].last);
    for (guint k = 0; k < i; k++)
      if (b[i].first <= b[k].last && b[k].first <= b[i].last)
        g_assert_true (
            b[i].offset + b[i].bytes <= b[k].offset || b[k].offset + b[k].bytes <= b[i].offset);
  }
}

static guint64
below (guint64 *drawn, guint64 n)
{
  const Cnn3dRandomKey key = { 3, 0, CNN3D_RANDOM_DEMO, 0 };

  return cnn3d_random_below (&key, (*drawn)++, n);
}

static void
test_pack_random (void)
{
  enum {
    MOST = 120,
    STEPS = 60
  };
  Cnn3dBuffer b[MOST];
  guint64 drawn = 0;

  for (guint round = 0; round < 300; round++) {
    const guint n = below (&drawn, MOST + 1);
    gsize arena, live = 0;

    for (guint i = 0; i < n; i++) {
      const guint first = below (&drawn, STEPS), more = below (&drawn, round % 3 ? 8 : STEPS);

      b[i] = (Cnn3dBuffer) { "test", i, below (&drawn, 1 << below (&drawn, 20)) + 1, 0, first,
        first + more };
    }
    arena = cnn3d_plan_pack (b, n);
    assert_disjoint (b, n, arena);
    g_assert_cmpuint (arena % CNN3D_ARENA_ALIGNMENT, ==, 0);
    for (guint s = 0; s < 2 * STEPS; s++) {
      gsize sum = 0;

      for (guint i = 0; i < n; i++)
        if (b[i].first <= s && s <= b[i].last)
          sum += b[i].bytes;
      live = MAX (live, sum);
    }
    g_assert_cmpuint (arena, >=, live);
  }
}

static void
test_pack_edges (void)
{
  Cnn3dBuffer one[1] = { { "test", 0, 1, 99, 0, 0 } };
  Cnn3dBuffer shared[3] = { { "test", 0, 640, 0, 0, 1 }, { "test", 1, 640, 0, 2, 3 },
    { "test", 2, 640, 0, 4, 4 } };
  Cnn3dBuffer touching[2] = { { "test", 0, 65, 0, 0, 2 }, { "test", 1, 64, 0, 2, 3 } };

  g_assert_cmpuint (cnn3d_plan_pack (NULL, 0), ==, 0);
  g_assert_cmpuint (cnn3d_plan_pack (one, 1), ==, 64);
  g_assert_cmpuint (one[0].offset, ==, 0);
  /* one after another: they share a place */
  g_assert_cmpuint (cnn3d_plan_pack (shared, 3), ==, 640);
  /* both alive in step 2 */
  g_assert_cmpuint (cnn3d_plan_pack (touching, 2), ==, 192);
  assert_disjoint (touching, 2, 192);
}

/* --- the plans of the models --- */

/* frames, height, width, batch */
typedef guint Size[4];

typedef struct {
  Cnn3dNetwork *net;
  Cnn3dModel *model;
  Cnn3dProgram *program;
  const Cnn3dSizes *sizes;
} Setup;

/* Set up as for a run with this recomputation; nothing is executed. */
static void
set_up (Setup *s, const TestNetwork *kind, const Size z, gboolean training,
    Cnn3dPrecision precision, Cnn3dRecompute recompute, gboolean accumulates, guint most)
{
  const Cnn3dNetworkParams params =
      test_network_params (kind, (Cnn3dNetworkParams) { NULL, 10, 64, 3, z[0], z[1], z[2], 0.5 });
  const Cnn3dModelParams model_params = { precision, CNN3D_RECOMPUTE_KEEPS_COPY (recompute) };
  const Cnn3dProgramParams program = { z[3], training, accumulates, TRUE, most };
  g_autoptr (GError) error = NULL;

  s->net = cnn3d_network_new (&params, &error);
  g_assert_no_error (error);
  s->model = backend->model_new (device, s->net, &model_params, &error);
  g_assert_no_error (error);
  s->program = backend->program_new (s->model, &program, &error);
  g_assert_no_error (error);
  s->sizes = backend->program_sizes (s->program);
  g_assert_cmpuint (s->sizes->batch, ==, z[3]);
  /* as on a GPU, for every other size of whole batches */
  for (guint i = 0; i < s->net->n_ops; i++) {
    const gboolean conv = s->net->ops[i].kind == CNN3D_OP_CONV;

    s->sizes->gathers[i] = conv && i % 3 > 0;
    if ((most ? most : z[3]) % 2 == 0)
      s->sizes->adds[i] = s->sizes->statistics[i] = conv;
  }
}

static void
tear_down (Setup *s)
{
  backend->program_free (&s->program);
  backend->model_free (&s->model);
  cnn3d_network_free (&s->net);
}

#define NEXT_PRECISION (CNN3D_PRECISION_BF16_MIXED - CNN3D_PRECISION_32)

static void
check_plan (const Setup *s, const Cnn3dPlan *plan, const Cnn3dPlanParams *params, gdouble slack)
{
  g_autofree gchar *wrong = walk_plan (s->net, s->sizes, plan, params, WALK_ALL);
  gsize largest = 0;

  if (wrong)
    g_error ("%s (recompute %d)", wrong, params->recompute);
  assert_disjoint (plan->buffers, plan->n_buffers, plan->arena_bytes);
  g_assert_cmpuint (plan->arena_bytes, >=, plan->live_bytes);
  for (guint i = 0; i < plan->n_buffers; i++)
    largest = MAX (largest, plan->buffers[i].bytes);
  if (slack == SLACK && largest > plan->live_bytes / 4)
    slack = SLACK_OF_LARGE;
  if (plan->arena_bytes > plan->live_bytes * slack)
    g_error (
        "%s, %d MB of input, batch %u, recompute %d, updates %d: the arena has %" G_GSIZE_FORMAT
        " bytes, but %" G_GSIZE_FORMAT " are alive at most",
        s->net->model, (gint) (s->sizes->activation[0] >> 20), s->sizes->batch, params->recompute,
        params->updates, plan->arena_bytes, plan->live_bytes);
}

/* Trained parameters: all, those of the last layer, those from the middle on, all but every other
 * one. NULL: all. */
#define N_FREEZES 4

static gboolean *
draw_frozen (const Cnn3dNetwork *net, guint which)
{
  gboolean *trained = which ? g_new0 (gboolean, net->n_weights) : NULL;

  for (guint i = 0; which && i < net->n_weights; i++)
    if (CNN3D_PARAM_TRAINED (net->weights[i].role))
      trained[i] = which == 1 ? net->ops[net->weights[i].op].kind == CNN3D_OP_LINEAR
          : which == 2        ? i > net->n_weights / 2
                              : net->weights[i].op % 4 < 2;
  return trained;
}

/* Checks every plan of one setup; returns the arena's bytes when everything trains. */
static gsize
check_setup (
    const Setup *s, Cnn3dRecompute recompute, gboolean updates, WalkSeen *seen, gdouble *worst)
{
  gsize whole = 0;

  for (guint f = 0; f < N_FREEZES; f++) {
    g_autofree gboolean *trained = draw_frozen (s->net, f);
    const Cnn3dPlanParams params = { TRUE, trained, recompute, updates };
    Cnn3dPlan *plan = cnn3d_plan_new (s->net, s->sizes, &params);

    check_plan (s, plan, &params, SLACK);
    walk_count (s->net, plan, s->sizes->batch, seen);
    *worst = MAX (*worst, (gdouble) plan->arena_bytes / plan->live_bytes);
    if (!f)
      whole = plan->arena_bytes;
    else if (plan->arena_bytes > whole * SLACK) /* packing varies a little between them */
      g_error ("%s, batch %u, recompute %d, updates %d: %" G_GSIZE_FORMAT
               " bytes where less trains, %" G_GSIZE_FORMAT " where all does",
          s->net->model, s->sizes->batch, recompute, updates, plan->arena_bytes, whole);
    cnn3d_plan_free (&plan);
    g_assert_null (plan);
  }
  return whole;
}

static void
test_model (gconstpointer kind)
{
  static const Size sizes[] = { { 16, 112, 112, 1 }, { 16, 112, 112, 3 }, { 16, 112, 112, 4 },
    { 16, 112, 112, 7 }, { 16, 112, 112, 8 }, { 16, 112, 112, 32 }, { 8, 224, 224, 2 },
    { 5, 47, 64, 3 }, { 1, 33, 16, 7 } };
  WalkSeen seen[CNN3D_RECOMPUTE_AUTO] = { { 0 } };
  gdouble worst[2] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (Cnn3dPrecision precision = 0; precision <= CNN3D_PRECISION_BF16_MIXED;
        precision += NEXT_PRECISION) {
      const Cnn3dPlanParams forward = { FALSE };
      gsize arena[CNN3D_RECOMPUTE_AUTO][2];
      Setup s;
      Cnn3dPlan *plan;

      /* such plans take longest to make */
      const Cnn3dRecompute last =
          precision && i > 2 ? CNN3D_RECOMPUTE_BLOCK : CNN3D_RECOMPUTE_OFFLOAD;

      for (Cnn3dRecompute r = 0; r <= last; r++) {
        set_up (&s, kind, sizes[i], TRUE, precision, r, i % 2, 0);
        for (gint updates = 0; updates < 2; updates++)
          arena[r][updates] = check_setup (&s, r, updates, &seen[r], &worst[1]);
        tear_down (&s);
      }
      for (gint updates = 0; updates < 2; updates++) {
        g_assert_cmpuint (
            arena[CNN3D_RECOMPUTE_BN][updates], <=, arena[CNN3D_RECOMPUTE_NONE][updates]);
        g_assert_cmpuint (
            arena[CNN3D_RECOMPUTE_BLOCK][updates], <=, arena[CNN3D_RECOMPUTE_BN][updates]);
        g_assert_cmpuint (arena[last][updates], <=, arena[CNN3D_RECOMPUTE_BLOCK][updates]);
      }
      set_up (&s, kind, sizes[i], FALSE, precision, CNN3D_RECOMPUTE_NONE, FALSE, 0);
      plan = cnn3d_plan_new (s.net, s.sizes, &forward);
      check_plan (&s, plan, &forward, SLACK);
      worst[0] = MAX (worst[0], (gdouble) plan->arena_bytes / plan->live_bytes);
      g_assert_cmpuint (plan->n_steps, ==, s.net->n_ops);
      g_assert_cmpuint (plan->arena_bytes, <=, arena[CNN3D_RECOMPUTE_BLOCK][0]);
      g_assert_cmpuint (plan->arena_bytes * 2, <, arena[CNN3D_RECOMPUTE_NONE][0]);
      cnn3d_plan_free (&plan);
      tear_down (&s);
    }
  g_test_message ("%s: arena at most %.4f of what is alive, forward alone %.4f",
      ((const TestNetwork *) kind)->name, worst[1], worst[0]);
  /* cases that must have occurred, and cases that must not */
  g_assert_cmpuint (
      seen[CNN3D_RECOMPUTE_NONE].slices + seen[CNN3D_RECOMPUTE_NONE].made_norms, ==, 0);
  g_assert_cmpuint (seen[CNN3D_RECOMPUTE_BN].made_convs, ==, 0);
  for (Cnn3dRecompute r = 0; r < CNN3D_RECOMPUTE_AUTO; r++) {
    g_assert_cmpuint (seen[r].updates, >, 0);
    g_assert_cmpuint (seen[r].statistics, >, 0);
    g_assert_cmpuint (seen[r].deferred > 0, ==, r != CNN3D_RECOMPUTE_NONE);
    g_assert_cmpuint (seen[r].strided, >, 0);
    g_assert_cmpint (seen[r].copies > 0, ==, r == CNN3D_RECOMPUTE_OFFLOAD);
    /* none of r2plus1d_18's convolutions has as many input as output channels */
    g_assert_cmpint (seen[r].over > 0, ==,
        r >= CNN3D_RECOMPUTE_BLOCK
            && !g_str_equal (((const TestNetwork *) kind)->name, "r2plus1d_18"));
    if (r != CNN3D_RECOMPUTE_NONE) {
      g_assert_cmpuint (seen[r].slices, >, 0);
      g_assert_cmpuint (seen[r].sums, >, 0);
      g_assert_cmpuint (seen[r].made_norms, >, 0);
    }
  }
  g_assert_cmpuint (seen[CNN3D_RECOMPUTE_BLOCK].made_convs, >, 0);
  g_assert_cmpuint (seen[CNN3D_RECOMPUTE_OFFLOAD].made_convs, >, 0);
}

/* The sanitizers check this project's code, which is the same for each batch size. */
#ifdef __SANITIZE_ADDRESS__
#define BATCH_STEP 4
#else
#define BATCH_STEP 1
#endif

/* An epoch's last batch runs in the memory of a full one, whether gradients are accumulated or
 * applied at once. The batches and sizes are those where slices and micro-batches change most. */
static void
test_short_batches (gconstpointer kind)
{
  enum {
    ACCUMULATES,
    UPDATES,
    N_WAYS
  };
  static const Size whole[] = { { 16, 112, 112, 8 }, { 1, 64, 64, 29 }, { 5, 100, 90, 12 } };

  for (guint w = 0; w < (FEWER ? 1 : G_N_ELEMENTS (whole)); w++)
    for (Cnn3dPrecision precision = 0; precision <= CNN3D_PRECISION_BF16_MIXED;
        precision += NEXT_PRECISION)
      for (gint k = 0; k < CNN3D_RECOMPUTE_AUTO * N_WAYS; k++) {
        const Cnn3dRecompute r = k / N_WAYS;
        const gint way = k % N_WAYS;
        const guint most = whole[w][3];
        Cnn3dPlan *whole_plan = NULL;

        /* such plans take longest to make */
        if (r == CNN3D_RECOMPUTE_OFFLOAD && (w > 0 || precision))
          continue;

        for (guint n = most; n >= 1; n -= n > 4 ? BATCH_STEP : 1) {
          const Cnn3dPlanParams params = { TRUE, NULL, r, way == UPDATES, .whole = whole_plan };
          const Size size = { whole[w][0], whole[w][1], whole[w][2], n };
          Cnn3dPlan *plan;
          Setup s;

          set_up (&s, kind, size, TRUE, precision, r, way == ACCUMULATES, most);
          plan = cnn3d_plan_new (s.net, s.sizes, &params);
          if (!whole_plan) {
            whole_plan = plan;
          } else {
            g_autofree gchar *wrong = r == CNN3D_RECOMPUTE_OFFLOAD
                ? walk_plan (s.net, s.sizes, plan, &params, WALK_ALL)
                : NULL;

            g_assert_cmpstr (wrong, ==, NULL);
            if (plan->arena_bytes > whole_plan->arena_bytes
                || plan->store_bytes > whole_plan->store_bytes)
              g_error ("%s, precision %d, recompute %d, way %d: %u clips take %" G_GSIZE_FORMAT
                       " bytes and store %" G_GSIZE_FORMAT ", but %u take %" G_GSIZE_FORMAT
                       " and %" G_GSIZE_FORMAT,
                  ((const TestNetwork *) kind)->name, precision, r, way, n, plan->arena_bytes,
                  plan->store_bytes, most, whole_plan->arena_bytes, whole_plan->store_bytes);
            cnn3d_plan_free (&plan);
          }
          tear_down (&s);
        }
        cnn3d_plan_free (&whole_plan);
      }
}

/* Frames too large for oneDNN are rejected; it would abort the process. */
static void
test_too_large (void)
{
  static const gchar *const models[] = { "r3d_18", "r2plus1d_18", "slow_r50" };
  const Cnn3dModelParams params = { CNN3D_PRECISION_32, TRUE };

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    const Cnn3dNetworkParams net_params = { test_networks[i].name, 10, 1024, 3, 1, 4096, 4096,
      0.5 };
    g_autoptr (GError) error = NULL;
    Cnn3dNetwork *net = cnn3d_network_new (&net_params, &error);

    g_assert_no_error (error);
    g_assert_null (backend->model_new (device, net, &params, &error));
    g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (error->message, "base-width=1024"));
    cnn3d_network_free (&net);
  }
}

static void
test_frozen (void)
{
  static const Size size = { 8, 64, 48, 2 };
  guint steps[3];
  gsize arena[3];
  Setup s;

  set_up (&s, &test_networks[0], size, TRUE, CNN3D_PRECISION_32, CNN3D_RECOMPUTE_NONE, FALSE, 0);
  for (guint f = 0; f < 3; f++) {
    g_autofree gboolean *trained = draw_frozen (s.net, f);
    const Cnn3dPlanParams params = { TRUE, trained };
    Cnn3dPlan *plan = cnn3d_plan_new (s.net, s.sizes, &params);

    check_plan (&s, plan, &params, SLACK);
    steps[f] = plan->n_steps - plan->n_forward;
    arena[f] = plan->arena_bytes;
    cnn3d_plan_free (&plan);
  }
  /* each convolution has two steps, but the stem one, since the input needs no gradient: 20 of
   * them, 20 batch norms, pool, dropout, the last layer's two */
  g_assert_cmpuint (steps[0], ==, 2 * 20 - 1 + 20 + 1 + 1 + 2);
  g_assert_cmpuint (steps[1], ==, 1);
  g_assert_cmpuint (arena[1], <, arena[2]);
  g_assert_cmpuint (arena[2], <, arena[0]);
  tear_down (&s);
}

/* Any choice of trained parameters. */
static void
test_random_frozen (gconstpointer kind)
{
  static const Size size = { 16, 112, 112, 4 };
  guint64 drawn = 0;

  for (Cnn3dRecompute r = 0; r < CNN3D_RECOMPUTE_AUTO; r++) {
    Setup s;

    set_up (&s, kind, size, TRUE, CNN3D_PRECISION_32, r, FALSE, 0);
    for (guint round = 0; round < (FEWER ? 4 : 20); round++) {
      g_autofree gboolean *trained = g_new0 (gboolean, s.net->n_weights);
      const Cnn3dPlanParams params = { TRUE, trained, r, round % 2 };
      const guint one_in = round % 3 == 0 ? 2 : round % 3 == 1 ? 8 : 40;
      g_autofree gchar *wrong = NULL;
      Cnn3dPlan *plan;

      for (guint i = 0; i < s.net->n_weights; i++)
        trained[i] = CNN3D_PARAM_TRAINED (s.net->weights[i].role) && below (&drawn, one_in) == 0;
      plan = cnn3d_plan_new (s.net, s.sizes, &params);
      wrong = walk_plan (s.net, s.sizes, plan, &params, WALK_ALL);
      g_assert_cmpstr (wrong, ==, NULL);
      assert_disjoint (plan->buffers, plan->n_buffers, plan->arena_bytes);
      cnn3d_plan_free (&plan);
    }
    tear_down (&s);
  }
}

/* One second a multiply-add and a byte. */
static void
test_stall (void)
{
  const Cnn3dPlanRates rates = { 1, 1, 0, 1 };
  Cnn3dStep steps[] = {
    { .phase = CNN3D_PHASE_FORWARD, .macs = 1 },
    { .phase = CNN3D_PHASE_STORE, .copy = 0, .copy_bytes = 3 }, /* 1 to 4 */
    { .phase = CNN3D_PHASE_FORWARD, .macs = 1 },                /* 1 to 2 */
    { .phase = CNN3D_PHASE_WAIT, .copy = 0 },                   /* 2 to 4 */
    { .phase = CNN3D_PHASE_STORE, .copy = 1, .copy_bytes = 1 }, /* 4 to 5 */
    { .phase = CNN3D_PHASE_LOAD, .copy = 2, .copy_bytes = 3 },  /* 5 to 8 */
    { .phase = CNN3D_PHASE_BACKWARD, .macs = 2, .bytes = 1 },   /* 4 to 7 */
    { .phase = CNN3D_PHASE_WAIT, .copy = 2 },                   /* 7 to 8 */
    { .phase = CNN3D_PHASE_LOAD, .copy = 3, .copy_bytes = 3 },  /* 8 to 11 */
    { .phase = CNN3D_PHASE_BACKWARD, .macs = 4 },               /* 8 to 12 */
    { .phase = CNN3D_PHASE_WAIT, .copy = 3 },
  };
  const Cnn3dPlan plan = { .steps = steps, .n_steps = G_N_ELEMENTS (steps) };

  g_assert_cmpfloat (cnn3d_plan_stall (&plan, &rates), ==, 2 + 1);
}

/* --- the walk itself: it must detect errors --- */

static void
assert_wrong (const Setup *s, const Cnn3dPlan *plan, const Cnn3dPlanParams *params,
    const gchar *what, guint step, guint without)
{
  g_autofree gchar *wrong = walk_plan (s->net, s->sizes, plan, params, without);

  if (!wrong)
    g_error ("recompute %d: the walk does not detect %s, step %u (phase %d of op %d)",
        params->recompute, what, step, plan->steps[step].phase, plan->steps[step].op);
}

/* Moves each offset of a step in turn, and sets wrong numbers. */
static void
corrupt_step (const Setup *s, Cnn3dPlan *plan, const Cnn3dPlanParams *params, guint i)
{
  Cnn3dStep *step = &plan->steps[i];
  const Cnn3dStep right = *step;
  gsize *const offsets[] = { &step->in, &step->residual, &step->out, &step->saved, &step->scratch,
    &step->parameters, &step->dout[0], &step->dout[1], &step->din, &step->dresidual,
    &step->statistics };
  const gboolean weights = step->phase == CNN3D_PHASE_BACKWARD_WEIGHTS,
                 again = step->phase == CNN3D_PHASE_RECOMPUTE;

  for (guint k = 0; k < G_N_ELEMENTS (offsets); k++) {
    if (*offsets[k] == CNN3D_NOWHERE)
      continue;
    if (offsets[k] != &step->scratch) {
      *offsets[k] += 64;
      assert_wrong (s, plan, params, "that an offset moved up", i, WALK_ALL);
      *step = right;
      if (*offsets[k] >= 64) {
        *offsets[k] -= 64;
        assert_wrong (s, plan, params, "that an offset moved down", i, WALK_ALL);
        *step = right;
      }
    }
    *offsets[k] = plan->arena_bytes;
    assert_wrong (s, plan, params, "that an offset is beyond the end", i, WALK_ALL);
    *step = right;
    *offsets[k] = CNN3D_NOWHERE;
    if (offsets[k] != &step->statistics) /* sums are optional */
      assert_wrong (s, plan, params, "that an offset is missing", i, WALK_ALL);
    *step = right;
    /* scratch overlaps what the step reads or writes */
    if (offsets[k] != &step->scratch && step->scratch != CNN3D_NOWHERE) {
      step->scratch = *offsets[k];
      assert_wrong (s, plan, params, "scratch in the way", i, WALK_ALL);
      *step = right;
    }
  }
  if (step->phase >= CNN3D_N_PHASES) {
    step->copy++;
    assert_wrong (s, plan, params, "another copy", i, WALK_ALL);
    *step = right;
  }
  if (step->copy_bytes) {
    step->copy_bytes--;
    assert_wrong (s, plan, params, "fewer bytes", i, WALK_ALL);
    *step = right;
    step->stored += 64;
    assert_wrong (s, plan, params, "another place in the store", i, WALK_ALL);
    *step = right;
  }
  step->adds = !step->adds;
  assert_wrong (s, plan, params, "adds", i, WALK_ALL);
  *step = right;
  step->accumulate = !step->accumulate;
  assert_wrong (s, plan, params, "accumulate", i, WALK_ALL);
  *step = right;
  if (weights || again) {
    step->clips--;
    assert_wrong (s, plan, params, "fewer clips", i, WALK_ALL);
    *step = right;
    step->first = step->first ? 0 : 1;
    assert_wrong (s, plan, params, "another first clip", i, WALK_ALL);
    *step = right;
  }
}

/* A plan for buffers smaller than the back end needs: one, or two that may share a place. */
static void
halve_buffer (const Setup *s, const Cnn3dPlanParams *params, gsize *one, gsize *two, guint *tried,
    guint *noticed)
{
  const gsize right[2] = { *one, *two };
  g_autofree gchar *wrong = NULL;
  Cnn3dPlan *plan;

  if (!*one && !*two)
    return;
  *one /= 2;
  if (two != one)
    *two /= 2;
  plan = cnn3d_plan_new (s->net, s->sizes, params);
  *one = right[0];
  *two = right[1];
  wrong = walk_plan (s->net, s->sizes, plan, params, WALK_ALL);
  ++*tried;
  *noticed += wrong != NULL;
  cnn3d_plan_free (&plan);
}

static void
test_walk (gconstpointer data)
{
  static const Size size = { 16, 112, 112, 4 };
  const Cnn3dRecompute r = GPOINTER_TO_INT (data);
  const Cnn3dPlanParams params = { TRUE, NULL, r, TRUE };
  guint tried = 0, noticed = 0;
  Setup s;
  Cnn3dPlan *plan;

  set_up (&s, &test_networks[0], size, TRUE, CNN3D_PRECISION_32, r, FALSE, 0);
  plan = cnn3d_plan_new (s.net, s.sizes, &params);
  check_plan (&s, plan, &params, SLACK);
  for (guint i = 0; i < plan->n_steps; i++) {
    corrupt_step (&s, plan, &params, i);
    assert_wrong (&s, plan, &params, "that a step is missing", i, i);
  }
  check_plan (&s, plan, &params, SLACK);
  plan->arena_bytes -= 64;
  assert_wrong (&s, plan, &params, "a smaller arena", 0, WALK_ALL);
  cnn3d_plan_free (&plan);
  for (guint i = 0; i < s.net->n_tensors; i++)
    halve_buffer (&s, &params, &s.sizes->activation[i], &s.sizes->gradient[i], &tried, &noticed);
  for (guint i = 0; i < s.net->n_ops; i++) {
    halve_buffer (&s, &params, &s.sizes->saved[i], &s.sizes->saved[i], &tried, &noticed);
    halve_buffer (&s, &params, &s.sizes->parameters[i], &s.sizes->parameters[i], &tried, &noticed);
  }
  /* some happen to have free space after them */
  g_test_message ("%u of %u buffers that are too small were noticed", noticed, tried);
  g_assert_cmpuint (noticed * 2, >, tried);
  tear_down (&s);
}

/* Planning runs many times before the first frame: its time must be negligible beside the rest of
 * the start, such as initializing the weights of the largest layer. */
static void
test_speed (void)
{
  static const Size size = { 16, 112, 112, 32 };
  const Cnn3dPlanParams params = { TRUE, NULL, CNN3D_RECOMPUTE_BLOCK, TRUE };
  gdouble planning = G_MAXDOUBLE, weights;
  g_autofree gfloat *values = NULL;
  guint largest = 0;
  Setup s;
  Cnn3dPlan *plan;

  set_up (&s, &test_networks[3], size, TRUE, CNN3D_PRECISION_32, CNN3D_RECOMPUTE_BLOCK, FALSE, 0);
  for (guint i = 0; i < 3; i++) {
    const gdouble begun = test_cpu_seconds ();

    plan = cnn3d_plan_new (s.net, s.sizes, &params);
    planning = MIN (planning, test_cpu_seconds () - begun);
    if (i == 2)
      g_test_message (
          "%u steps, %u buffers: %.1f ms", plan->n_steps, plan->n_buffers, planning * 1e3);
    cnn3d_plan_free (&plan);
  }
  for (guint i = 0; i < s.net->n_weights; i++)
    if (s.net->weights[i].count > s.net->weights[largest].count)
      largest = i;
  values = g_new (gfloat, s.net->weights[largest].count);
  weights = test_cpu_seconds ();
  cnn3d_network_initial (s.net, largest, 1, values);
  weights = test_cpu_seconds () - weights;
  g_test_message (
      "the initial weights of %s: %.1f ms", s.net->weights[largest].name, weights * 1e3);
  g_assert_cmpfloat (planning, <, weights);
  tear_down (&s);
}

int
main (int argc, char **argv)
{
  const Cnn3dDeviceParams params = { 0, 2 };
  g_autoptr (GError) error = NULL;
  int status;

  /* waiting threads do not spin: other tests need the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  backend = cnn3d_backend_load ("cpu", &error);
  g_assert_no_error (error);
  device = backend->open (&params, &error);
  g_assert_no_error (error);
  g_test_add_func ("/plan/pack/random", test_pack_random);
  g_test_add_func ("/plan/pack/edges", test_pack_edges);
  g_test_add_func ("/plan/frozen", test_frozen);
  g_test_add_func ("/plan/too-large", test_too_large);
  g_test_add_func ("/plan/speed", test_speed);
  g_test_add_func ("/plan/stall", test_stall);
  g_test_add_data_func ("/plan/walk/none", GINT_TO_POINTER (CNN3D_RECOMPUTE_NONE), test_walk);
  g_test_add_data_func ("/plan/walk/bn", GINT_TO_POINTER (CNN3D_RECOMPUTE_BN), test_walk);
  g_test_add_data_func ("/plan/walk/block", GINT_TO_POINTER (CNN3D_RECOMPUTE_BLOCK), test_walk);
  g_test_add_data_func ("/plan/walk/offload", GINT_TO_POINTER (CNN3D_RECOMPUTE_OFFLOAD), test_walk);
  for (guint i = 0; i < TEST_N_NETWORKS; i++) {
    const Cnn3dInputType input = test_networks[i].input;
    /* two-stream networks have most operations, views most rows */
    const guint first = input == CNN3D_INPUT_RGB_KPT || test_networks[i].views ? 1 : 0;
    /* one way to join views stands for all */
    const gboolean short_batches =
        input == CNN3D_INPUT_RGB && test_networks[i].view_fusion == CNN3D_VIEW_FUSION_LOGITS;

    /* a small one, a deep one and the last */
    if (FEWER && i > 0 && i != 3 && i + 1 < TEST_N_NETWORKS)
      continue;

    const struct {
      const gchar *name;
      GTestDataFunc test;
    } tests[] = { { "models", test_model }, { "random-frozen", test_random_frozen },
      { "short-batches", test_short_batches } };

    for (guint k = first; k < (short_batches ? G_N_ELEMENTS (tests) : 2); k++) {
      g_autofree gchar *path =
          g_strdup_printf ("/plan/%s/%s", tests[k].name, test_networks[i].name);

      g_test_add_data_func (path, &test_networks[i], tests[k].test);
    }
  }
  status = g_test_run ();
  backend->close (&device);
  return status;
}
