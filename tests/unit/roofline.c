/* The roofline of a training step, compared with a slow count that visits every point and every
 * clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "src/plan/roofline.h"
#include "tests/networks.h"

/* Bytes per element, all different, so that no two can be confused. */
#define ACTIVATION 2
#define GRADIENT 5
#define FRAME 1
#define WEIGHT 3
#define COPY 7

typedef struct {
  Cnn3dNetwork *net;
  Cnn3dSizes sizes;
  Cnn3dPlan *plan;
  Cnn3dRooflineParams params;
} Setup;

static void
set_up (Setup *s, const TestNetwork *kind, guint batch, Cnn3dRecompute recompute,
    const gboolean *trained)
{
  const Cnn3dNetworkParams params =
      test_network_params (kind, (Cnn3dNetworkParams) { NULL, 5, 8, 3, 6, 32, 36, 0.5 });
  const Cnn3dPlanParams plan = { TRUE, trained, recompute, recompute == CNN3D_RECOMPUTE_BN };
  g_autoptr (GError) error = NULL;

  s->net = cnn3d_network_new (&params, &error);
  g_assert_no_error (error);
  cnn3d_sizes_init (&s->sizes, s->net, batch);
  for (guint i = 0; i < s->net->n_tensors; i++) {
    const Cnn3dTensor *t = &s->net->tensors[i];
    const gsize numbers = (gsize) batch * t->views * t->c * t->d * t->h * t->w;

    s->sizes.activation[i] = numbers * ACTIVATION;
    s->sizes.gradient[i] = numbers * GRADIENT;
  }
  for (guint i = 0; i < s->net->n_weights; i++)
    if (CNN3D_PARAM_TRAINED (s->net->weights[i].role))
      s->sizes.parameters[s->net->weights[i].op] += s->net->weights[i].count * sizeof (gfloat);
  for (guint i = 0; i < s->net->n_ops; i++) {
    s->sizes.saved[i] = s->net->ops[i].kind == CNN3D_OP_NORM ? 11 + i : 0;
    s->sizes.adds[i] = cnn3d_op_is_strided_pointwise (&s->net->ops[i]);
    if (s->net->ops[i].kind == CNN3D_OP_CONV && batch % 2 == 0)
      s->sizes.slice[i] = 2;
  }
  s->plan = cnn3d_plan_new (s->net, &s->sizes, &plan);
  s->params = (Cnn3dRooflineParams) { FRAME, WEIGHT, COPY, 1, TRUE, 1, trained };
}

static void
clear (Setup *s)
{
  cnn3d_plan_free (&s->plan);
  cnn3d_sizes_clear (&s->sizes);
  cnn3d_network_free (&s->net);
}

/* --- the slow count --- */

/* What one op accesses: how often each clip of a tensor is. */
enum {
  X,
  RESIDUAL,
  Y,
  G,
  SECOND,
  DX,
  DRESIDUAL,
  TENSORS
};

#define CLIPS 16 /* at most: four samples of three views */

typedef struct {
  const Setup *setup;
  guint op;
  guint forward[TENSORS][CLIPS], backward[TENSORS][CLIPS];
  gboolean fused;
  gdouble bytes[CNN3D_N_PHASES], flops[CNN3D_N_PHASES];
} Slow;

static gint
tensor_of (const Cnn3dOp *op, gint which)
{
  return which == X || which == DX              ? op->in
      : which == RESIDUAL || which == DRESIDUAL ? op->residual
                                                : op->out;
}

/* One step reads or writes some clips of one tensor. */
static void
move (Slow *w, const Cnn3dStep *s, gint which)
{
  const Cnn3dOp *op = &w->setup->net->ops[w->op];
  const gint number = tensor_of (op, which);

  if (number < 0)
    return;

  const Cnn3dTensor *t = &w->setup->net->tensors[number];
  const gint bytes = which >= G ? GRADIENT : ACTIVATION;
  /* of a sample that becomes one row, all views */
  const guint each = t->views / cnn3d_op_views (w->setup->net, w->op);

  for (guint clip = s->first * each; clip < (s->first + s->clips) * each; clip++) {
    (s->phase == CNN3D_PHASE_FORWARD ? w->forward : w->backward)[which][clip]++;
    for (gint d = 0; d < t->d; d++)
      for (gint h = 0; h < t->h; h++)
        w->bytes[s->phase] += (gdouble) t->c * t->w * bytes;
  }
}

/* Input points that contribute to any output. */
static guint
points_read (const Cnn3dNetwork *net, const Cnn3dOp *op)
{
  const Cnn3dTensor *in = &net->tensors[op->in], *out = &net->tensors[op->out];
  g_autofree gboolean *seen = g_new0 (gboolean, in->d * in->h * in->w);
  guint count = 0;

  for (gint d = 0; d < out->d; d++)
    for (gint h = 0; h < out->h; h++)
      for (gint w = 0; w < out->w; w++)
        for (gint kd = 0; kd < op->kernel[0]; kd++)
          for (gint kh = 0; kh < op->kernel[1]; kh++)
            for (gint kw = 0; kw < op->kernel[2]; kw++) {
              const gint z = d * op->stride[0] - op->pad[0] + kd;
              const gint y = h * op->stride[1] - op->pad[1] + kh;
              const gint x = w * op->stride[2] - op->pad[2] + kw;

              if (z >= 0 && y >= 0 && x >= 0 && z < in->d && y < in->h && x < in->w)
                seen[(z * in->h + y) * in->w + x] = TRUE;
            }
  for (gint i = 0; i < in->d * in->h * in->w; i++)
    count += seen[i];
  return count;
}

static void
slow_product (Slow *w, const Cnn3dStep *s)
{
  const Cnn3dNetwork *net = w->setup->net;
  const Cnn3dOp *op = &net->ops[w->op];
  const Cnn3dTensor *in = &net->tensors[op->in], *out = &net->tensors[op->out];
  const gboolean conv = op->kind == CNN3D_OP_CONV;
  const guint reached = (conv ? points_read (net, op) : 1) * in->c;
  gdouble count = 0, weights = 0;

  for (guint i = 0; i < net->n_weights; i++)
    if (net->weights[i].op == (gint) w->op)
      count += net->weights[i].count;
  for (gint o = 0; o < out->c; o++)
    for (gint i = 0; i < in->c; i++)
      weights += conv ? op->kernel[0] * op->kernel[1] * op->kernel[2] : 1;
  w->flops[s->phase] += 2 * weights * out->d * out->h * out->w * s->clips;
  if (s->phase == CNN3D_PHASE_BACKWARD_WEIGHTS) {
    w->bytes[s->phase] +=
        s->clips * ((gdouble) reached * ACTIVATION) + count * 4 + (s->adds ? count * 4 : 0);
    move (w, s, G);
  } else if (s->phase == CNN3D_PHASE_BACKWARD) {
    move (w, s, G);
    if (s->accumulate)
      w->bytes[s->phase] += s->clips * (gdouble) reached * GRADIENT * 2;
    else
      move (w, s, DX);
    w->bytes[s->phase] += count * (conv ? WEIGHT : 4);
  } else {
    w->bytes[s->phase] += s->clips * ((gdouble) reached * ACTIVATION) + count * (conv ? WEIGHT : 4);
    move (w, s, Y);
  }
}

/* Is it read by a convolution only, and recomputed there? */
static gboolean
is_left_out (const Slow *w)
{
  const Setup *setup = w->setup;
  const gint y = setup->net->ops[w->op].out;
  gboolean again = FALSE;
  guint convolutions = 0;

  if (setup->net->ops[w->op].residual >= 0)
    return FALSE;
  for (guint i = 0; i < setup->net->n_ops; i++) {
    if (setup->net->ops[i].residual == y
        || (setup->net->ops[i].in == y && setup->net->ops[i].kind != CNN3D_OP_CONV))
      return FALSE;
    convolutions += setup->net->ops[i].in == y;
  }
  for (guint i = 0; i < setup->plan->n_steps; i++)
    again |= setup->plan->steps[i].op == (gint) w->op
        && setup->plan->steps[i].phase == CNN3D_PHASE_RECOMPUTE;
  return again && convolutions == 1;
}

static void
slow_norm (Slow *w, const Cnn3dStep *s)
{
  const gboolean statistics = w->setup->params.batch_statistics;

  if (s->phase == CNN3D_PHASE_FORWARD) {
    w->bytes[s->phase] += w->setup->sizes.saved[w->op];
    if (statistics && !w->fused)
      move (w, s, X);
    if (w->fused && is_left_out (w))
      return;
  }
  if (s->phase != CNN3D_PHASE_BACKWARD) {
    move (w, s, X);
    move (w, s, RESIDUAL);
    move (w, s, Y);
    return;
  }
  w->bytes[s->phase] += w->setup->sizes.saved[w->op];
  /* sums */
  move (w, s, X);
  move (w, s, G);
  if (s->dout[1] != CNN3D_NOWHERE)
    move (w, s, SECOND);
  if (s->dresidual != CNN3D_NOWHERE)
    move (w, s, G);
  else if (s->dout[1] != CNN3D_NOWHERE && s->din != CNN3D_NOWHERE && statistics)
    move (w, s, G);
  /* the gradient, in the same loop if it needs no sums */
  if (s->din == CNN3D_NOWHERE)
    return;
  if (statistics) {
    move (w, s, X);
    move (w, s, G);
  }
  move (w, s, DX);
}

static void
slow_other (Slow *w, const Cnn3dStep *s)
{
  const Cnn3dOp *op = &w->setup->net->ops[w->op];

  w->bytes[s->phase] += w->setup->sizes.saved[w->op];
  if (s->phase != CNN3D_PHASE_BACKWARD) {
    move (w, s, X);
    if (op->residual >= 0)
      move (w, s, RESIDUAL);
    if (op->out >= 0)
      move (w, s, Y);
    if (op->kind == CNN3D_OP_INPUT) {
      const Cnn3dTensor *t = &w->setup->net->tensors[op->out];
      const guint persons = w->setup->net->params.persons;

      w->bytes[s->phase] += (gdouble) s->clips * op->channels * t->d * t->h * t->w;
      for (guint k = 0; k < op->points; k++)
        w->bytes[s->phase] += (gdouble) s->clips * t->d * persons * 12;
    }
  } else {
    move (w, s, G);
    if (s->dout[1] != CNN3D_NOWHERE)
      move (w, s, SECOND);
    if (op->kind == CNN3D_OP_VIEWS && op->view_fusion == CNN3D_VIEW_FUSION_PROBABILITIES)
      move (w, s, X);
  }
  if (s->din != CNN3D_NOWHERE)
    move (w, s, DX);
  if (s->dresidual != CNN3D_NOWHERE)
    move (w, s, DRESIDUAL);
}

static guint
most (guint moves[TENSORS][CLIPS])
{
  guint found = 0;

  for (gint t = 0; t < TENSORS; t++)
    for (gint clip = 0; clip < CLIPS; clip++)
      found = MAX (found, moves[t][clip]);
  return found;
}

static void
count_slowly (Slow *w, const Setup *setup, guint op, gboolean fused)
{
  memset (w, 0, sizeof *w);
  w->setup = setup;
  w->op = op;
  w->fused = fused;
  for (guint i = 0; i < setup->plan->n_steps; i++) {
    const Cnn3dStep *s = &setup->plan->steps[i];
    const Cnn3dOpKind kind = setup->net->ops[op].kind;

    if (s->op != (gint) op || s->phase >= CNN3D_PHASE_UPDATE)
      continue;
    if (kind == CNN3D_OP_CONV || kind == CNN3D_OP_LINEAR)
      slow_product (w, s);
    else if (kind == CNN3D_OP_NORM)
      slow_norm (w, s);
    else
      slow_other (w, s);
  }
  for (guint i = 0; i < setup->net->n_weights; i++) {
    const Cnn3dParam *p = &setup->net->weights[i];

    /* gradient read, master and momentum read and written; the copy written */
    if (p->op == (gint) op && CNN3D_PARAM_TRAINED (p->role)
        && (!setup->params.trained || setup->params.trained[i]))
      w->bytes[CNN3D_PHASE_UPDATE] +=
          p->count * (5 * 4 + (p->role == CNN3D_PARAM_CONV_WEIGHT ? COPY : 0));
  }
}

/* --- tests --- */

static void
assert_near (gdouble a, gdouble b)
{
  g_assert_cmpfloat_with_epsilon (a, b, 1e-9 * MAX (1, MAX (a, b)));
}

static void
compare (const Setup *s)
{
  Cnn3dRoofline *r = cnn3d_roofline_new (s->net, &s->sizes, s->plan, &s->params);

  g_assert_cmpuint (r->n_ops, ==, s->net->n_ops);
  for (guint i = 0; i < r->n_ops; i++)
    for (gint fused = 0; fused < 2; fused++) {
      const Cnn3dRooflineOp *op = &r->ops[i];
      const Cnn3dMoves *moves = fused ? &op->fused_moves : &op->moves;
      Slow slow;

      count_slowly (&slow, s, i, fused);
      for (gint p = 0; p < CNN3D_N_PHASES; p++) {
        assert_near (op->flops[p], slow.flops[p]);
        assert_near ((fused ? op->fused_bytes : op->bytes)[p], slow.bytes[p]);
      }
      if (s->net->ops[i].kind == CNN3D_OP_NORM) {
        assert_near (moves->forward, most (slow.forward));
        assert_near (moves->backward, most (slow.backward));
      } else {
        assert_near (moves->forward + moves->backward, 0);
      }
    }
  cnn3d_roofline_free (&r);
}

static void
test_models (void)
{
  for (guint m = 0; m < TEST_N_NETWORKS; m++)
    for (Cnn3dRecompute recompute = CNN3D_RECOMPUTE_NONE; recompute < CNN3D_RECOMPUTE_AUTO;
        recompute++)
      for (guint batch = 1; batch <= 4; batch += 3) {
        Setup s;

        set_up (&s, &test_networks[m], batch, recompute, NULL);
        compare (&s);
        s.params.batch_statistics = FALSE;
        compare (&s);
        clear (&s);
      }
}

/* Frozen parameters have neither gradients nor updates. */
static void
test_frozen (void)
{
  for (guint m = 0; m < TEST_N_NETWORKS; m++) {
    g_autofree gboolean *trained = NULL;
    Setup s;

    set_up (&s, &test_networks[m], 2, CNN3D_RECOMPUTE_NONE, NULL);
    trained = g_new0 (gboolean, s.net->n_weights);
    for (guint i = s.net->n_weights / 2; i < s.net->n_weights; i++)
      trained[i] = s.net->weights[i].op > (gint) s.net->n_ops / 2;
    clear (&s);
    set_up (&s, &test_networks[m], 2, CNN3D_RECOMPUTE_NONE, trained);
    compare (&s);
    clear (&s);
  }
}

/* Four passes cost four times as much, one update, and gradients that are read again for
 * accumulation. */
static void
test_passes (void)
{
  Setup s;
  Cnn3dRoofline *one, *four;

  set_up (&s, &test_networks[0], 3, CNN3D_RECOMPUTE_NONE, NULL);
  one = cnn3d_roofline_new (s.net, &s.sizes, s.plan, &s.params);
  s.params.passes = 4;
  four = cnn3d_roofline_new (s.net, &s.sizes, s.plan, &s.params);
  for (guint i = 0; i < one->n_ops; i++)
    for (gint p = 0; p < CNN3D_N_PHASES; p++) {
      const gdouble added = p == CNN3D_PHASE_BACKWARD_WEIGHTS && one->ops[i].bytes[p] > 0
          ? 3.0 * s.sizes.parameters[i]
          : 0;

      assert_near (four->ops[i].flops[p], 4 * one->ops[i].flops[p]);
      assert_near (
          four->ops[i].bytes[p], (p == CNN3D_PHASE_UPDATE ? 1 : 4) * one->ops[i].bytes[p] + added);
    }
  cnn3d_roofline_free (&one);
  cnn3d_roofline_free (&four);
  g_assert_null (four);
  clear (&s);
}

/* The most often that any op moves its activations. */
static void
test_moves (void)
{
  for (guint m = 0; m < TEST_N_NETWORKS; m++) {
    Setup s;
    Cnn3dRoofline *r;
    Cnn3dMoves plain, fused;

    set_up (&s, &test_networks[m], 2, CNN3D_RECOMPUTE_NONE, NULL);
    r = cnn3d_roofline_new (s.net, &s.sizes, s.plan, &s.params);
    plain = cnn3d_roofline_moves (r, FALSE);
    fused = cnn3d_roofline_moves (r, TRUE);
    assert_near (plain.forward, 2);
    assert_near (plain.backward, 3);
    assert_near (fused.forward, 1);
    assert_near (fused.backward, 3);
    cnn3d_roofline_free (&r);
    clear (&s);
  }
}

/* The larger of the two in each phase; the one with the larger total is the bound. */
static void
test_seconds (void)
{
  Cnn3dRooflineOp op = { { 0 } };
  const Cnn3dRates rates = { 100, 10 };
  gboolean by_bytes;

  op.flops[CNN3D_PHASE_FORWARD] = 300;
  op.bytes[CNN3D_PHASE_FORWARD] = 20;
  op.fused_bytes[CNN3D_PHASE_FORWARD] = 50;
  op.flops[CNN3D_PHASE_BACKWARD] = 50;
  op.bytes[CNN3D_PHASE_BACKWARD] = op.fused_bytes[CNN3D_PHASE_BACKWARD] = 20;
  assert_near (cnn3d_roofline_phase_seconds (&op, CNN3D_PHASE_FORWARD, &rates, FALSE), 3);
  assert_near (cnn3d_roofline_phase_seconds (&op, CNN3D_PHASE_FORWARD, &rates, TRUE), 5);
  assert_near (cnn3d_roofline_phase_seconds (&op, CNN3D_PHASE_BACKWARD, &rates, FALSE), 2);
  assert_near (cnn3d_roofline_op_seconds (&op, &rates, FALSE, &by_bytes), 5);
  g_assert_false (by_bytes);
  assert_near (cnn3d_roofline_op_seconds (&op, &rates, TRUE, &by_bytes), 7);
  g_assert_true (by_bytes);
  assert_near (cnn3d_roofline_op_seconds (&op, &rates, TRUE, NULL), 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/roofline/models", test_models);
  g_test_add_func ("/roofline/frozen", test_frozen);
  g_test_add_func ("/roofline/passes", test_passes);
  g_test_add_func ("/roofline/moves", test_moves);
  g_test_add_func ("/roofline/seconds", test_seconds);
  return g_test_run ();
}
