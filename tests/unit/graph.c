/* The CPU back end, through the trainer, compared with tests/reference on random small networks and
 * clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "src/random.h"
#include "src/model/safetensors.h"
#include "src/train/trainer.h"
#include "tests/networks.h"
#include "tests/reference/reference.h"

/* Norm of the difference over the norm; for a gradient, over 1 % of the norm of all gradients if
 * that is larger, because near-cancelling sums have no relative accuracy. f32 has 24 bits, bf16 has
 * 8, and errors of 20 (r3d_18) to 54 (slow_r50) layers add up. */
#define F32_BOUND 1e-4
#define BF16_BOUND 0.1
#define BF16_LOGITS_BOUND 3e-2

#ifdef __SANITIZE_ADDRESS__
#define CASES 1 /* of each model */
#define MAX_MACS 4000000
#else
#define CASES 4
#define MAX_MACS 12000000 /* of a batch, forward */
#endif

static gchar *folder;

/* --- random cases --- */

typedef struct {
  guint64 seed, drawn;
} Dice;

static guint
roll (Dice *d, guint from, guint to)
{
  const Cnn3dRandomKey key = { d->seed, 0, CNN3D_RANDOM_DEMO, 0 };

  return from + cnn3d_random_below (&key, d->drawn++, to - from + 1);
}

static gdouble
roll_normal (Dice *d)
{
  const Cnn3dRandomKey key = { d->seed, 1, CNN3D_RANDOM_DEMO, 0 };

  return cnn3d_random_normal (&key, d->drawn++);
}

typedef struct {
  Cnn3dNetworkParams net;
  guint n[2]; /* samples of each batch; the second may be 0: none */
  Cnn3dType type;
  gboolean frozen;
  gdouble label_smoothing;
} Case;

/* With batch statistics some gradients are zero but for rounding if a batch has one clip, or a
 * channel two values: their relative error is then large. */
static gboolean
can_use_batch_statistics (const Cnn3dNetwork *net, const Case *c)
{
  const guint least = c->n[1] ? MIN (c->n[0], c->n[1]) : c->n[0];

  if (least < 2)
    return FALSE;
  for (guint i = 0; i < net->n_ops; i++)
    if (net->ops[i].kind == CNN3D_OP_NORM) {
      const Cnn3dTensor *t = &net->tensors[net->ops[i].in];

      if (least * t->d * t->h * t->w < 8)
        return FALSE;
    }
  return TRUE;
}

static void
draw_input (Dice *d, const TestNetwork *kind, Cnn3dNetworkParams *p)
{
  p->input = kind->input;
  p->fusion = kind->fusion;
  p->views = kind->views;
  p->view_fusion = kind->view_fusion;
  if (kind->input == CNN3D_INPUT_RGB)
    return;
  p->points = roll (d, 1, 20);
  p->persons = roll (d, 1, 3);
  p->heatmap_size = roll (d, 8, 20);
  p->heatmap_sigma = 0.1f * roll (d, 4, 20);
  /* two streams of one or two channels are too inaccurate in bf16, and features must have the same
   * length */
  if (kind->input == CNN3D_INPUT_RGB_KPT)
    p->base_width = MAX (p->base_width, 8);
}

static Cnn3dNetwork *
draw_case (Dice *d, const TestNetwork *kind, Case *c)
{
  static const guint widths[] = { 1, 3, 8, 16, 20 };

  for (guint tries = 0;; tries++) {
    Cnn3dNetwork *net;

    memset (c, 0, sizeof *c);
    c->net.model = kind->model;
    c->net.base_width = widths[d->seed % G_N_ELEMENTS (widths)];
    c->net.num_classes = d->seed % 10 == 3 ? 1 : roll (d, 2, 30);
    c->net.channels = roll (d, 0, 3) ? 3 : roll (d, 1, 4);
    c->net.frames = roll (d, 1, 9);
    c->net.height = roll (d, 16, 40);
    do
      c->net.width = roll (d, 16, 40);
    while (c->net.width == c->net.height);
    c->n[0] = roll (d, 1, 5);
    c->n[1] = roll (d, 0, 1) ? roll (d, 1, c->n[0]) : 0;
    c->type = roll (d, 0, 2);
    c->frozen = roll (d, 0, 4) == 0;
    c->label_smoothing = roll (d, 0, 1) ? 0.1 : 0;
    draw_input (d, kind, &c->net);
    net = cnn3d_network_new (&c->net, NULL);
    g_assert_nonnull (net);
    /* wide networks may never be that small, so the limit grows */
    if (cnn3d_network_macs (net) * c->n[0] <= (gint64) MAX_MACS << (tries / 50)) {
      c->frozen |= !can_use_batch_statistics (net, c);
      return net;
    }
    cnn3d_network_free (&net);
  }
}

static gpointer
draw_frames (Dice *d, const Cnn3dNetworkParams *p, Cnn3dType type, guint n)
{
  const gsize count = n * cnn3d_frames_bytes (p, CNN3D_TYPE_UINT8);
  gpointer frames = g_malloc (count * 4);

  for (gsize i = 0; i < count; i++)
    switch (type) {
      case CNN3D_TYPE_UINT8:
        ((guint8 *) frames)[i] = roll (d, 0, 255);
        break;
      case CNN3D_TYPE_FLOAT16: /* up to 2 in magnitude, subnormals included */
        ((guint16 *) frames)[i] = roll (d, 0, 9)
            ? roll (d, 13, 15) << 10 | roll (d, 0, 1) << 15 | roll (d, 0, 1023)
            : roll (d, 0, 1023);
        break;
      default:
        ((gfloat *) frames)[i] = roll_normal (d);
    }
  return frames;
}

/* Some points are missing, some outside. NULL: the network does not read them. */
static gfloat *
draw_points (Dice *d, const Cnn3dNetworkParams *p, guint n)
{
  const gsize count = n * cnn3d_points_bytes (p) / (3 * sizeof (gfloat));
  gfloat *points = count ? g_new (gfloat, 3 * count) : NULL;

  for (gsize i = 0; i < count; i++) {
    for (guint k = 0; k < 2; k++)
      points[3 * i + k] = roll (d, 0, 1000000) * 1.3e-6f - 0.15f;
    points[3 * i + 2] = roll (d, 0, 5) ? roll (d, 0, 1000) * 1e-3f : 0;
  }
  return points;
}

/* One in four is missing, but not all of a sample; NULL: none, also by chance. */
static guint8 *
draw_present (Dice *d, const Cnn3dNetworkParams *p, guint n)
{
  guint8 *present;

  if (!p->views || roll (d, 0, 3) == 0)
    return NULL;
  present = g_new (guint8, n * p->views);
  for (guint i = 0; i < n * p->views; i++)
    present[i] = roll (d, 0, 3) > 0;
  for (guint i = 0; i < n; i++)
    present[i * p->views + roll (d, 0, p->views - 1)] = 1;
  return present;
}

/* --- weights: few activations near ReLU's kink --- */

/* A rounding error across zero is not a kernel's error, but changes a gradient in the third digit.
 * So most channels are well above zero and one in five well below; residuals are never negative. */
static void
draw_weights (Dice *d, const Cnn3dNetwork *net, gfloat **weights)
{
  for (guint i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];
    const Cnn3dOp *op = &net->ops[p->op];

    weights[i] = g_new0 (gfloat, p->count);
    cnn3d_network_initial (net, i, d->seed, weights[i]);
    for (gint64 k = 0; k < p->count; k++)
      switch (p->role) {
        case CNN3D_PARAM_NORM_WEIGHT:
          weights[i][k] = 0.3 + 0.02 * roll (d, 0, 10);
          break;
        case CNN3D_PARAM_NORM_BIAS:
          weights[i][k] = op->relu && k % 5 == 2 ? (op->residual >= 0 ? -30 : -2.5)
                                                 : 2.5 + 0.02 * roll (d, 0, 10);
          break;
        case CNN3D_PARAM_LINEAR_WEIGHT:
          weights[i][k] *= 4;
          break;
        case CNN3D_PARAM_LINEAR_BIAS:
          weights[i][k] = roll_normal (d);
          break;
        default:
          break;
      }
  }
}

/* Running statistics close to those of the clips, so that the same holds when they are used. */
static void
settle_statistics (Dice *d, Reference *r, const ReferenceInput *input, gfloat **weights)
{
  ReferenceInput in = *input;

  in.batch_statistics = TRUE;
  reference_forward (r, &in);
  for (guint i = 0; i < r->net->n_ops; i++) {
    const Cnn3dOp *op = &r->net->ops[i];

    for (gint c = 0; op->kind == CNN3D_OP_NORM && c < r->net->tensors[op->in].c; c++) {
      const gdouble mean = r->means[i][c],
                    var = MAX (r->variances[i][c], 0.25 * mean * mean + 1e-3);

      weights[op->mean][c] = mean + 0.02 * roll_normal (d) * sqrt (var);
      weights[op->var][c] = var * (1 + 0.02 * roll (d, 0, 10));
    }
  }
  for (guint i = 0; i < r->net->n_weights; i++)
    reference_set_weight (r, i, weights[i]);
}

static gchar *
write_weights (const Cnn3dNetwork *net, gfloat **weights)
{
  gchar *path = g_build_filename (folder, "weights.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSafetensorsWriter) w = cnn3d_safetensors_writer_new (path, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < net->n_weights; i++) {
    guint64 shape[5];

    for (guint k = 0; k < net->weights[i].n_dims; k++)
      shape[k] = net->weights[i].shape[k];
    cnn3d_safetensors_writer_add (
        w, net->weights[i].name, CNN3D_SAFETENSOR_F32, net->weights[i].n_dims, shape);
  }
  for (guint i = 0; i < net->n_weights; i++)
    cnn3d_safetensors_writer_data (w, weights[i], net->weights[i].count * sizeof (gfloat), &error);
  cnn3d_safetensors_writer_finish (w, &error);
  g_assert_no_error (error);
  return path;
}

/* --- comparing --- */

static struct {
  gdouble logits, gradient, statistics, loss;
} worst;

static void
compare (const gchar *what, const gfloat *got, const gdouble *expected, gsize n, gdouble floor,
    gdouble bound, gdouble *most)
{
  gdouble difference = 0, norm = 0, relative;

  for (gsize i = 0; i < n; i++) {
    difference += (got[i] - expected[i]) * (got[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  relative = sqrt (difference) / MAX (MAX (sqrt (norm), floor), 1e-30);
  if (!(relative <= bound))
    g_test_message ("%s: %g above %g, norm %g", what, relative, bound, sqrt (norm));
  g_assert_true (relative <= bound);
  *most = MAX (*most, relative);
}

static void
compare_logits (Cnn3dTrainer *t, Reference *r, const ReferenceInput *input, guint n, gdouble bound)
{
  const Cnn3dBatch batch = { input->frames, input->type, input->labels, n, 0, input->points,
    input->present };
  const guint classes = r->net->params.num_classes;
  g_autofree gfloat *logits = g_new0 (gfloat, n * classes);
  g_autoptr (GError) error = NULL;
  ReferenceInput in = *input;

  in.batch_statistics = FALSE;
  reference_forward (r, &in);
  g_assert_true (cnn3d_trainer_logits (t, &batch, logits, &error));
  g_assert_no_error (error);
  compare ("logits", logits, r->tensors[r->net->logits], n * classes, 0, bound, &worst.logits);
}

static void
compare_state (Cnn3dTrainer *t, const Reference *r, gdouble **gradients, guint clips, gdouble bound)
{
  const Cnn3dNetwork *net = r->net;
  gdouble squares = 0;

  for (guint i = 0; i < net->n_weights; i++)
    for (gint64 k = 0; k < net->weights[i].count; k++) {
      gradients[i][k] /= clips;
      squares += gradients[i][k] * gradients[i][k];
    }
  for (guint i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];
    g_autofree gfloat *weight = cnn3d_trainer_get_weight (t, i, NULL), *gradient = NULL;

    compare (p->name, weight, r->weights[i], p->count, 1e-3,
        CNN3D_PARAM_TRAINED (p->role) ? 1e-6 : bound, &worst.statistics);
    if (!CNN3D_PARAM_TRAINED (p->role))
      continue;
    gradient = cnn3d_trainer_get_gradient (t, i, NULL);
    compare (
        p->name, gradient, gradients[i], p->count, 1e-2 * sqrt (squares), bound, &worst.gradient);
  }
}

/* --- one case --- */

static void
run_case (const TestNetwork *kind, guint64 seed, Cnn3dPrecision precision)
{
  const gboolean exact = precision == CNN3D_PRECISION_32;
  const gdouble bound = exact ? F32_BOUND : BF16_BOUND;
  Dice dice = { seed, 0 };
  Case c;
  Cnn3dNetwork *net = draw_case (&dice, kind, &c);
  g_autofree gfloat **weights = g_new0 (gfloat *, net->n_weights);
  Reference *r[2] = { reference_new (net, c.n[0]), c.n[1] ? reference_new (net, c.n[1]) : NULL };
  ReferenceInput in[2];
  g_autofree gchar *path = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams params;
  Cnn3dTrainer *t;
  gdouble **gradients = r[0]->weight_gradients;
  gdouble loss_sum = 0;

  g_test_message ("%s seed %" G_GUINT64_FORMAT
                  ": width %u, %u classes, %u channels, %u frames of %ux%u, batch %u + %u, type "
                  "%d, frozen %d, smoothing %g, %u points of %u persons, maps of %u, %u views",
      kind->name, seed, c.net.base_width, c.net.num_classes, c.net.channels, c.net.frames,
      c.net.width, c.net.height, c.n[0], c.n[1], c.type, c.frozen, c.label_smoothing, c.net.points,
      c.net.persons, c.net.heatmap_size, c.net.views);
  for (guint b = 0; b < 2; b++) {
    gint32 *labels = g_new (gint32, 5);

    for (guint i = 0; i < 5; i++)
      labels[i] = roll (&dice, 0, c.net.num_classes - 1);
    in[b] = (ReferenceInput) { draw_frames (&dice, &c.net, c.type, MAX (c.n[b], 1)), c.type, labels,
      draw_points (&dice, &c.net, MAX (c.n[b], 1)), c.label_smoothing, !c.frozen,
      draw_present (&dice, &c.net, MAX (c.n[b], 1)) };
  }
  draw_weights (&dice, net, weights);
  for (guint i = 0; i < net->n_weights; i++)
    reference_set_weight (r[0], i, weights[i]);
  settle_statistics (&dice, r[0], &in[0], weights);
  path = write_weights (net, weights);

  cnn3d_trainer_params_init (&params);
  params.network = c.net;
  params.pretrained = path;
  params.freeze = c.frozen ? "batch-norm" : NULL;
  params.device = "cpu";
  /* threads wait in a spinning loop for each other: few have several */
  params.threads = roll (&dice, 0, 3) ? 1 : 3;
  params.precision = precision;
  params.momentum = 0;
  params.lr.lr = 0; /* steps without changing the weights */
  params.keep_gradients = TRUE;
  params.label_smoothing = c.label_smoothing;
  params.accumulate = c.n[1] ? 2 : 1;
  t = cnn3d_trainer_new (&params, c.n[0], &error);
  g_assert_no_error (error);

  compare_logits (t, r[0], &in[0], c.n[0], exact ? F32_BOUND : BF16_LOGITS_BOUND);
  for (guint b = 0; b < 2 && c.n[b]; b++) {
    const Cnn3dBatch batch = { in[b].frames, in[b].type, in[b].labels, c.n[b], 0, in[b].points,
      in[b].present };
    Cnn3dProgress progress;

    for (guint i = 0; b && i < net->n_weights; i++)
      memcpy (r[b]->weights[i], r[0]->weights[i], net->weights[i].count * sizeof (gdouble));
    reference_forward (r[b], &in[b]);
    reference_backward (r[b], &in[b]);
    loss_sum += r[b]->loss_sum;
    for (guint i = 0; b && i < net->n_weights; i++)
      for (gint64 k = 0; k < net->weights[i].count; k++)
        gradients[i][k] += r[b]->weight_gradients[i][k];
    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
    g_assert_no_error (error);
    g_assert_cmpint (progress.stepped, ==, b == (c.n[1] ? 1 : 0));
    if (exact && c.net.num_classes > 1)
      g_assert_cmpfloat_with_epsilon (
          progress.accuracy * (progress.stepped ? c.n[0] + c.n[1] : c.n[b]),
          r[b]->correct + (b && progress.stepped ? r[0]->correct : 0), 1e-9);
    if (progress.stepped) {
      const gfloat loss = progress.loss;
      const gdouble expected = loss_sum / (c.n[0] + c.n[1]);

      compare ("loss", &loss, &expected, 1, 1e-3, bound, &worst.loss);
    }
  }
  compare_state (t, c.n[1] ? r[1] : r[0], gradients, c.n[0] + c.n[1], bound);

  cnn3d_trainer_free (&t);
  for (guint b = 0; b < 2; b++) {
    g_free ((gpointer) in[b].frames);
    g_free ((gpointer) in[b].labels);
    g_free ((gpointer) in[b].points);
    g_free ((gpointer) in[b].present);
    reference_free (&r[b]);
  }
  for (guint i = 0; i < net->n_weights; i++)
    g_free (weights[i]);
  g_unlink (path);
  cnn3d_network_free (&net);
}

static void
run_cases (const TestNetwork *kind, Cnn3dPrecision precision, guint cases)
{
  const gboolean exact = precision == CNN3D_PRECISION_32;

  memset (&worst, 0, sizeof worst);
  for (guint i = 0; i < cases; i++)
    run_case (kind, g_str_hash (kind->name) % 1000 * 10 + i, precision);
  g_test_message ("worst: logits %.1e, gradient %.1e, running statistics %.1e, loss %.1e",
      worst.logits, worst.gradient, worst.statistics, worst.loss);
  g_assert_cmpfloat (worst.gradient, <=, exact ? F32_BOUND : BF16_BOUND);
}

/* Two-stream networks, and those of several views, consist of the ones already tested. */
static guint
cases_of (const TestNetwork *kind)
{
  return kind->input == CNN3D_INPUT_RGB_KPT || kind->views ? (CASES + 1) / 2 : CASES;
}

static void
test_f32 (gconstpointer network)
{
  run_cases (network, CNN3D_PRECISION_32, cases_of (network));
}

static void
test_bf16 (gconstpointer network)
{
  run_cases (network, CNN3D_PRECISION_BF16_MIXED, (cases_of (network) + 1) / 2);
}

/* --- dropout --- */

#define DROPOUT_FEATURES 128
#define DROPOUT_STEPS 20

/* The mask of one step, from the last layer's gradients of one clip: the gradient of weight (k, c)
 * is that of bias k times feature c, times the mask. */
static guint
dropout_mask (
    Cnn3dTrainer *t, const Cnn3dBatch *batch, const gdouble *features, gdouble keep, gboolean *kept)
{
  const Cnn3dNetwork *net = cnn3d_trainer_network (t);
  g_autoptr (GError) error = NULL;
  g_autofree gfloat *weight = NULL, *bias = NULL;
  Cnn3dProgress progress;
  guint n = 0;

  g_assert_true (cnn3d_trainer_run (t, batch, &progress, &error));
  g_assert_no_error (error);
  weight = cnn3d_trainer_get_gradient (t, cnn3d_network_find_param (net, "fc.weight"), NULL);
  bias = cnn3d_trainer_get_gradient (t, cnn3d_network_find_param (net, "fc.bias"), NULL);
  g_assert_cmpfloat (fabs (bias[0]), >, 1e-3);
  for (guint c = 0; c < DROPOUT_FEATURES; c++) {
    kept[c] = weight[c] != 0;
    n += kept[c];
    if (kept[c])
      g_assert_cmpfloat_with_epsilon (
          weight[c] / bias[0], features[c] / keep, 1e-3 * (1 + fabs (features[c])));
  }
  return n;
}

static void
test_dropout (void)
{
  const gdouble drop = 0.3;
  Dice dice = { 77, 0 };
  Cnn3dTrainerParams params;
  Cnn3dTrainer *t;
  Cnn3dNetwork *net;
  Reference *r;
  g_autoptr (GError) error = NULL;
  g_autofree gfloat **weights = NULL;
  g_autofree gchar *path = NULL;
  gint32 label = 1;
  gboolean first[DROPOUT_FEATURES], kept[DROPOUT_FEATURES];
  guint total = 0, same = 0, alive = 0;
  gdouble *features = NULL;
  ReferenceInput in;
  Cnn3dBatch batch;

  cnn3d_trainer_params_init (&params);
  params.network = (Cnn3dNetworkParams) { "r3d_18", 3, DROPOUT_FEATURES / 8, 3, 2, 16, 18, drop };
  params.freeze = "batch-norm";
  params.device = "cpu";
  params.threads = 1;
  params.momentum = 0;
  params.lr.lr = 0;
  params.keep_gradients = TRUE;
  params.seed = 5;
  net = cnn3d_network_new (&params.network, NULL);
  weights = g_new0 (gfloat *, net->n_weights);
  draw_weights (&dice, net, weights);
  params.pretrained = path = write_weights (net, weights);
  t = cnn3d_trainer_new (&params, 1, &error);
  g_assert_no_error (error);
  r = reference_new (net, 1);
  for (guint i = 0; i < net->n_weights; i++) {
    reference_set_weight (r, i, weights[i]);
    g_free (weights[i]);
  }
  in = (ReferenceInput) { draw_frames (&dice, &params.network, CNN3D_TYPE_UINT8, 1),
    CNN3D_TYPE_UINT8, &label, NULL, 0, FALSE };
  batch = (Cnn3dBatch) { in.frames, in.type, &label, 1, 0 };
  /* evaluation drops nothing */
  compare_logits (t, r, &in, 1, F32_BOUND);
  for (guint i = 0; i < net->n_ops; i++)
    if (net->ops[i].kind == CNN3D_OP_DROPOUT)
      features = r->tensors[net->ops[i].in];
  g_assert_nonnull (features);
  for (guint c = 0; c < DROPOUT_FEATURES; c++)
    alive += features[c] != 0;
  g_assert_cmpuint (alive, >, DROPOUT_FEATURES / 2);

  for (guint s = 0; s < DROPOUT_STEPS; s++) {
    batch.position = s + 1;
    total += dropout_mask (t, &batch, features, 1 - drop, s ? kept : first);
    for (guint c = 0; s == 1 && c < DROPOUT_FEATURES; c++)
      same += kept[c] == first[c];
  }
  /* five standard deviations of a binomial distribution */
  g_assert_cmpfloat (fabs (total - DROPOUT_STEPS * alive * (1 - drop)), <,
      5 * sqrt (DROPOUT_STEPS * alive * drop * (1 - drop)));
  g_assert_cmpuint (same, <, DROPOUT_FEATURES);
  cnn3d_trainer_free (&t);

  /* the same seed and position give the same mask, another seed another one */
  batch.position = 1;
  for (params.seed = 5; params.seed < 7; params.seed++) {
    t = cnn3d_trainer_new (&params, 1, &error);
    g_assert_no_error (error);
    dropout_mask (t, &batch, features, 1 - drop, kept);
    g_assert_cmpint (memcmp (first, kept, sizeof first) == 0, ==, params.seed == 5);
    cnn3d_trainer_free (&t);
  }
  reference_free (&r);
  g_free ((gpointer) in.frames);
  g_unlink (path);
  cnn3d_network_free (&net);
}

int
main (int argc, char **argv)
{
  int status;

  /* waiting threads do not spin: other tests need the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-graph-XXXXXX", NULL);
  g_assert_nonnull (folder);
  for (guint i = 0; i < TEST_N_NETWORKS; i++) {
    g_autofree gchar *f32 = g_strconcat ("/graph/f32/", test_networks[i].name, NULL);
    g_autofree gchar *bf16 = g_strconcat ("/graph/bf16/", test_networks[i].name, NULL);

    g_test_add_data_func (f32, &test_networks[i], test_f32);
    g_test_add_data_func (bf16, &test_networks[i], test_bf16);
  }
  g_test_add_func ("/graph/dropout", test_dropout);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
