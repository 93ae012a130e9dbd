/* The memory plan: no buffer is overwritten while somebody still reads it, and
 * nothing is computed that nobody needs. SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "src/backend/backend.h"
#include "src/plan/plan.h"
#include "src/random.h"

/* The arena over the most that is alive. A forward pass holds few buffers, of
 * nearly one size: there a gap that is a little too small costs more. */
#define TRAINING_SLACK 1.05
#define FORWARD_SLACK 1.15

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
        g_assert_true (b[i].offset + b[i].bytes <= b[k].offset || b[k].offset + b[k].bytes <= b[i].offset);
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
  enum { MOST = 120, STEPS = 60 };
  Cnn3dBuffer b[MOST];
  guint64 drawn = 0;

  for (guint round = 0; round < 300; round++) {
    const guint n = below (&drawn, MOST + 1);
    gsize arena, live = 0;

    for (guint i = 0; i < n; i++) {
      const guint first = below (&drawn, STEPS), more = below (&drawn, round % 3 ? 8 : STEPS);

      b[i] = (Cnn3dBuffer) { "test", i, below (&drawn, 1 << below (&drawn, 20)) + 1, 0, first, first + more };
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
  Cnn3dBuffer shared[3] = { { "test", 0, 640, 0, 0, 1 }, { "test", 1, 640, 0, 2, 3 }, { "test", 2, 640, 0, 4, 4 } };
  Cnn3dBuffer touching[2] = { { "test", 0, 65, 0, 0, 2 }, { "test", 1, 64, 0, 2, 3 } };

  g_assert_cmpuint (cnn3d_plan_pack (NULL, 0), ==, 0);
  g_assert_cmpuint (cnn3d_plan_pack (one, 1), ==, 64);
  g_assert_cmpuint (one[0].offset, ==, 0);
  /* one after another: one place */
  g_assert_cmpuint (cnn3d_plan_pack (shared, 3), ==, 640);
  /* both alive in step 2 */
  g_assert_cmpuint (cnn3d_plan_pack (touching, 2), ==, 192);
  assert_disjoint (touching, 2, 192);
}

/* --- the plans of the models --- */

typedef struct {
  Cnn3dNetwork *net;
  Cnn3dModel *model;
  Cnn3dProgram *program;
  const Cnn3dSizes *sizes;
} Setup;

static void
set_up (Setup *s, const gchar *model, guint frames, guint height, guint width, guint batch, gboolean training,
    Cnn3dPrecision precision)
{
  const Cnn3dNetworkParams params = { model, 10, 64, 3, frames, height, width, 0.5 };
  g_autoptr (GError) error = NULL;

  s->net = cnn3d_network_new (&params, &error);
  g_assert_no_error (error);
  s->model = backend->model_new (device, s->net, precision, &error);
  g_assert_no_error (error);
  s->program = backend->program_new (s->model, batch, training, FALSE, &error);
  g_assert_no_error (error);
  s->sizes = backend->program_sizes (s->program);
  g_assert_cmpuint (s->sizes->batch, ==, batch);
}

static void
tear_down (Setup *s)
{
  backend->program_free (&s->program);
  backend->model_free (&s->model);
  cnn3d_network_free (&s->net);
}

/* Which tensors' gradients lead to something that trains: worked out from the
 * end of each path, another way than the plan's. */
static gboolean
leads_to_trained (const Cnn3dNetwork *net, const gboolean *trained, gint tensor)
{
  const Cnn3dOp *op;

  if (tensor < 0)
    return FALSE;
  op = &net->ops[net->tensors[tensor].producer];
  for (guint i = 0; i < net->n_weights; i++)
    if (net->weights[i].op == net->tensors[tensor].producer && CNN3D_PARAM_TRAINED (net->weights[i].role)
        && (!trained || trained[i]))
      return TRUE;
  return leads_to_trained (net, trained, op->in) || leads_to_trained (net, trained, op->residual);
}

/* --- walking through a plan: what lies where --- */

typedef enum { ACTIVATION, GRADIENT, SAVED, SCRATCH } Kind;

typedef struct {
  gsize offset, bytes;
  Kind kind;
  gint index;
  guint parts;                  /* gradient: contributions in it */
} Region;

typedef struct {
  const Setup *setup;
  const Cnn3dPlan *plan;
  GArray *regions;
} Walk;

static void
write_region (Walk *w, gsize offset, gsize bytes, Kind kind, gint index, guint parts)
{
  const Region r = { offset, bytes, kind, index, parts };

  if (offset == CNN3D_NOWHERE)
    return;
  g_assert_cmpuint (offset + bytes, <=, w->plan->arena_bytes);
  for (guint i = 0; i < w->regions->len;) {
    const Region *o = &g_array_index (w->regions, Region, i);

    if (offset < o->offset + o->bytes && o->offset < offset + bytes)
      g_array_remove_index_fast (w->regions, i);
    else
      i++;
  }
  g_array_append_val (w->regions, r);
}

/* What lies there whole and untouched; ends the test where nothing does. */
static const Region *
find_region (Walk *w, gsize offset, Kind kind, gint index)
{
  for (guint i = 0; i < w->regions->len; i++) {
    const Region *o = &g_array_index (w->regions, Region, i);

    if (o->offset == offset && o->kind == kind && o->index == index)
      return o;
  }
  g_error ("%s: kind %d, number %d is not at %" G_GSIZE_FORMAT, w->setup->net->model, kind, index, offset);
}

static void
read_region (Walk *w, gsize offset, Kind kind, gint index)
{
  if (offset != CNN3D_NOWHERE)
    find_region (w, offset, kind, index);
}

static guint
readers_with_gradient (const Cnn3dNetwork *net, gint tensor)
{
  guint n = 0;

  for (guint i = 0; i < net->n_ops; i++)
    n += (net->ops[i].in == tensor) + (net->ops[i].residual == tensor);
  return n;
}

static void
walk_backward (Walk *w, const Cnn3dStep *s)
{
  const Cnn3dNetwork *net = w->setup->net;
  const Cnn3dSizes *sizes = w->setup->sizes;
  const Cnn3dOp *op = &net->ops[s->op];
  guint parts = 0;

  read_region (w, s->in, ACTIVATION, op->in);
  read_region (w, s->out, ACTIVATION, op->out);
  if (s->phase == CNN3D_PHASE_BACKWARD_WEIGHTS)
    g_assert_cmpuint (s->in, !=, CNN3D_NOWHERE);
  read_region (w, s->saved, SAVED, s->op);
  for (guint k = 0; k < 2; k++)
    if (s->dout[k] != CNN3D_NOWHERE)
      parts += find_region (w, s->dout[k], GRADIENT, op->out)->parts;
  g_assert_cmpuint (parts, ==, readers_with_gradient (net, op->out));
  write_region (w, s->scratch, sizes->scratch[s->op * CNN3D_N_PHASES + s->phase], SCRATCH, s->op, 0);
  for (guint k = 0; k < 2; k++) /* scratch lies apart */
    read_region (w, s->dout[k], GRADIENT, op->out);
  if (s->phase != CNN3D_PHASE_BACKWARD)
    return;
  if (s->dresidual != CNN3D_NOWHERE) {
    g_assert_cmpuint (s->dresidual, ==, s->dout[0]);
    write_region (w, s->dresidual, sizes->gradient[op->residual], GRADIENT, op->residual, 1);
  }
  if (s->din != CNN3D_NOWHERE) {
    const guint before = s->accumulate ? find_region (w, s->din, GRADIENT, op->in)->parts : 0;

    write_region (w, s->din, sizes->gradient[op->in], GRADIENT, op->in, before + 1);
    if (s->dresidual != CNN3D_NOWHERE)
      read_region (w, s->dresidual, GRADIENT, op->residual);
  }
}

static void
walk (const Setup *setup, const Cnn3dPlan *plan)
{
  Walk w = { setup, plan, g_array_new (FALSE, FALSE, sizeof (Region)) };
  const Cnn3dSizes *sizes = setup->sizes;

  for (guint i = 0; i < plan->n_steps; i++) {
    const Cnn3dStep *s = &plan->steps[i];
    const Cnn3dOp *op = &setup->net->ops[s->op];

    g_assert_cmpint (s->phase == CNN3D_PHASE_FORWARD, ==, i < plan->n_forward);
    if (s->phase != CNN3D_PHASE_FORWARD) {
      walk_backward (&w, s);
      continue;
    }
    g_assert_cmpint (s->op, ==, i);
    write_region (&w, s->scratch, sizes->scratch[s->op * CNN3D_N_PHASES], SCRATCH, s->op, 0);
    write_region (&w, s->saved, sizes->saved[s->op], SAVED, s->op, 0);
    if (op->in >= 0)
      find_region (&w, s->in, ACTIVATION, op->in);
    if (op->residual >= 0)
      find_region (&w, s->residual, ACTIVATION, op->residual);
    if (op->out >= 0) {
      g_assert_cmpuint (s->out, !=, CNN3D_NOWHERE);
      write_region (&w, s->out, sizes->activation[op->out], ACTIVATION, op->out, 0);
      if (s->out != s->in)
        read_region (&w, s->in, ACTIVATION, op->in);
      read_region (&w, s->residual, ACTIVATION, op->residual);
    }
    if (op->kind == CNN3D_OP_LOSS)
      write_region (&w, s->din, sizes->gradient[op->in], GRADIENT, op->in, 1);
  }
  g_array_free (w.regions, TRUE);
}

static void
check_plan (const Setup *s, const Cnn3dPlan *plan)
{
  assert_disjoint (plan->buffers, plan->n_buffers, plan->arena_bytes);
  g_assert_cmpuint (plan->arena_bytes, >=, plan->live_bytes);
  if (plan->arena_bytes > plan->live_bytes * (plan->n_steps > plan->n_forward ? TRAINING_SLACK : FORWARD_SLACK))
    g_error ("%s: the arena has %" G_GSIZE_FORMAT " bytes, but %" G_GSIZE_FORMAT " are alive at most", s->net->model,
        plan->arena_bytes, plan->live_bytes);
  walk (s, plan);
}

static guint
count_kind (const Cnn3dNetwork *net, Cnn3dOpKind kind)
{
  guint n = 0;

  for (guint i = 0; i < net->n_ops; i++)
    n += net->ops[i].kind == kind;
  return n;
}

/* Backward steps: exactly those that something needs. */
static void
check_needed (const Cnn3dNetwork *net, const gboolean *trained, const Cnn3dPlan *plan)
{
  g_autofree guint (*seen)[CNN3D_N_PHASES] = g_malloc0 (net->n_ops * sizeof *seen);

  for (guint i = 0; i < plan->n_steps; i++)
    seen[plan->steps[i].op][plan->steps[i].phase]++;
  for (guint i = 0; i < net->n_ops; i++) {
    const Cnn3dOp *op = &net->ops[i];
    gboolean own = FALSE, input = leads_to_trained (net, trained, op->in);
    const gboolean side = leads_to_trained (net, trained, op->residual);

    for (guint k = 0; k < net->n_weights; k++)
      own |= net->weights[k].op == (gint) i && CNN3D_PARAM_TRAINED (net->weights[k].role) && (!trained || trained[k]);
    g_assert_cmpuint (seen[i][CNN3D_PHASE_FORWARD], ==, 1);
    switch (op->kind) {
      case CNN3D_OP_CONV:
      case CNN3D_OP_LINEAR:
        g_assert_cmpuint (seen[i][CNN3D_PHASE_BACKWARD_WEIGHTS], ==, own);
        g_assert_cmpuint (seen[i][CNN3D_PHASE_BACKWARD], ==, input);
        break;
      case CNN3D_OP_INPUT:
      case CNN3D_OP_LOSS:
        g_assert_cmpuint (seen[i][CNN3D_PHASE_BACKWARD], ==, 0);
        break;
      default:
        g_assert_cmpuint (seen[i][CNN3D_PHASE_BACKWARD_WEIGHTS], ==, 0);
        g_assert_cmpuint (seen[i][CNN3D_PHASE_BACKWARD], ==, own || input || side);
    }
  }
  for (guint i = plan->n_forward; i < plan->n_steps; i++) {
    const Cnn3dStep *s = &plan->steps[i];

    if (s->phase == CNN3D_PHASE_BACKWARD)
      g_assert_cmpint (s->din != CNN3D_NOWHERE, ==, leads_to_trained (net, trained, net->ops[s->op].in));
    else
      g_assert_cmpuint (s->din, ==, CNN3D_NOWHERE);
  }
}

static void
test_model (gconstpointer model)
{
  static const guint sizes[][4] = { {16, 112, 112, 2}, {8, 224, 224, 1}, {5, 47, 64, 3}, {1, 33, 16, 7} };
  gdouble worst[2] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (gint training = 1; training >= 0; training--) {
      const Cnn3dPlanParams params = { training, NULL };
      const guint *z = sizes[i];
      static gsize trains;
      Setup s;
      Cnn3dPlan *plan;

      set_up (&s, model, z[0], z[1], z[2], z[3], training, CNN3D_PRECISION_32);
      plan = cnn3d_plan_new (s.net, s.sizes, &params);
      check_plan (&s, plan);
      worst[training] = MAX (worst[training], (gdouble) plan->arena_bytes / plan->live_bytes);
      if (training) {
        trains = plan->arena_bytes;
        check_needed (s.net, NULL, plan);
      } else {
        g_assert_cmpuint (plan->n_steps, ==, plan->n_forward);
        g_assert_cmpuint (plan->n_steps, ==, s.net->n_ops);
        g_assert_cmpuint (plan->arena_bytes * 2, <, trains);
      }
      cnn3d_plan_free (&plan);
      g_assert_null (plan);
      tear_down (&s);
    }
  g_test_message ("%s: arena at most %.4f of what is alive, forward alone %.4f", (const gchar *) model, worst[1],
      worst[0]);
}

/* Everything before `first` is frozen. */
static void
check_frozen (const Setup *s, const gchar *first, guint expected, gsize *arena)
{
  g_autofree gboolean *trained = g_new0 (gboolean, s->net->n_weights);
  const gint begin = cnn3d_network_find_param (s->net, first);
  const Cnn3dPlanParams params = { TRUE, trained };
  Cnn3dPlan *plan;

  g_assert_cmpint (begin, >=, 0);
  for (guint i = begin; i < s->net->n_weights; i++)
    trained[i] = CNN3D_PARAM_TRAINED (s->net->weights[i].role);
  plan = cnn3d_plan_new (s->net, s->sizes, &params);
  check_plan (s, plan);
  check_needed (s->net, trained, plan);
  if (expected)
    g_assert_cmpuint (plan->n_steps - plan->n_forward, ==, expected);
  for (guint i = plan->n_forward; i < plan->n_steps; i++)
    g_assert_cmpint (plan->steps[i].op, >=, s->net->weights[begin].op);
  *arena = plan->arena_bytes;
  cnn3d_plan_free (&plan);
}

static void
test_frozen (void)
{
  Setup s;
  Cnn3dPlan *plan;
  const Cnn3dPlanParams all = { TRUE, NULL };
  gsize head, tail, whole;
  guint backward, convs;

  set_up (&s, "r3d_18", 8, 64, 48, 2, TRUE, CNN3D_PRECISION_32);
  plan = cnn3d_plan_new (s.net, s.sizes, &all);
  whole = plan->arena_bytes;
  backward = plan->n_steps - plan->n_forward;
  cnn3d_plan_free (&plan);
  convs = count_kind (s.net, CNN3D_OP_CONV);
  /* a convolution has two, but the stem, whose input nobody wants to change */
  g_assert_cmpuint (backward, ==, 2 * convs - 1 + count_kind (s.net, CNN3D_OP_NORM)
      + 1 /* pool */ + 1 /* dropout */ + 2 /* linear */);
  check_frozen (&s, "fc.weight", 1, &head);
  check_frozen (&s, "layer4.1.conv1.0.weight", 0, &tail);
  g_assert_cmpuint (head, <, tail);
  g_assert_cmpuint (tail, <, whole);
  tear_down (&s);
}

/* Any choice of what trains: what is needed, no more, and all in its place. */
static void
test_random_frozen (gconstpointer model)
{
  guint64 drawn = 0;
  Setup s;

  set_up (&s, model, 4, 32, 40, 2, TRUE, CNN3D_PRECISION_32);
  for (guint round = 0; round < 30; round++) {
    g_autofree gboolean *trained = g_new0 (gboolean, s.net->n_weights);
    const Cnn3dPlanParams params = { TRUE, trained };
    const guint one_in = round % 3 == 0 ? 2 : round % 3 == 1 ? 8 : 40;
    Cnn3dPlan *plan;

    for (guint i = 0; i < s.net->n_weights; i++)
      trained[i] = CNN3D_PARAM_TRAINED (s.net->weights[i].role) && below (&drawn, one_in) == 0;
    plan = cnn3d_plan_new (s.net, s.sizes, &params);
    assert_disjoint (plan->buffers, plan->n_buffers, plan->arena_bytes);
    walk (&s, plan);
    check_needed (s.net, trained, plan);
    cnn3d_plan_free (&plan);
  }
  tear_down (&s);
}

int
main (int argc, char **argv)
{
  const gchar *const *models = cnn3d_network_models ();
  const Cnn3dDeviceParams params = { 0, 2 };
  g_autoptr (GError) error = NULL;
  int status;

  /* threads that wait do not spin: other tests want the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  backend = cnn3d_backend_load ("cpu", &error);
  g_assert_no_error (error);
  device = backend->open (&params, &error);
  g_assert_no_error (error);
  g_test_add_func ("/plan/pack/random", test_pack_random);
  g_test_add_func ("/plan/pack/edges", test_pack_edges);
  g_test_add_func ("/plan/frozen", test_frozen);
  for (guint i = 0; models[i]; i++) {
    g_autofree gchar *path = g_strconcat ("/plan/models/", models[i], NULL);
    g_autofree gchar *frozen = g_strconcat ("/plan/random-frozen/", models[i], NULL);

    g_test_add_data_func (path, models[i], test_model);
    g_test_add_data_func (frozen, models[i], test_random_frozen);
  }
  status = g_test_run ();
  backend->close (&device);
  return status;
}
