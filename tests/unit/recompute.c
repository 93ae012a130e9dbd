/* All ways to run a step (recomputation, early or late updates, slices, with or without a weight
 * copy) give the same bits; micro-batches agree to rounding.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "src/random.h"
#include "src/train/trainer.h"

#define CLASSES 5

/* Batches that are cut into slices: the first tensors have 3 MB a clip in f32. */
#define FRAMES 16
#define SIZE 112
#define STEPS 2

static const Cnn3dBackend *backend;

/* --- a run --- */

static void
params_init (Cnn3dTrainerParams *p, const gchar *model, guint width, Cnn3dPrecision precision)
{
  cnn3d_trainer_params_init (p);
  p->network = (Cnn3dNetworkParams) { model, CLASSES, width, 3, FRAMES, SIZE, SIZE, 0.3 };
  p->device = "cpu";
  p->threads = 1;
  p->precision = precision;
  p->lr.lr = 0.05;
  p->weight_decay = 1e-3;
  p->label_smoothing = 0.1;
  p->seed = 3;
  p->recompute = CNN3D_RECOMPUTE_NONE;
}

static gsize
clip_bytes (const Cnn3dTrainerParams *p)
{
  return (gsize) p->network.frames * p->network.height * p->network.width * 3;
}

static guint8 *
draw_frames (const Cnn3dTrainerParams *p, guint clips, gint32 *labels)
{
  const Cnn3dRandomKey key = { 8, 0, CNN3D_RANDOM_DEMO, 0 };
  const gsize bytes = clips * clip_bytes (p);
  guint8 *frames = g_malloc (bytes);

  for (gsize i = 0; i < bytes; i += 8) {
    const guint64 some = cnn3d_random_bits (&key, i / 8);

    memcpy (frames + i, &some, MIN (8, bytes - i));
  }
  for (guint i = 0; i < clips; i++)
    labels[i] = i % CLASSES;
  return frames;
}

typedef struct {
  gfloat **values; /* [parameter]: weights and running statistics */
  gdouble loss[STEPS];
  guint n;
  Cnn3dRecompute recompute;
  gsize arena, store;
  gsize gradients;
} Outcome;

static void
outcome_clear (Outcome *o)
{
  for (guint i = 0; i < o->n; i++)
    g_free (o->values[i]);
  g_free (o->values);
  memset (o, 0, sizeof *o);
}

/* A step with `most` clips, then one with `last`. */
static void
train (const Cnn3dTrainerParams *p, guint most, guint last, const guint8 *frames,
    const gint32 *labels, Outcome *o)
{
  const Cnn3dPass pass = { 0, TRUE, 0, 0, most + last, 1, FALSE };
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t = cnn3d_trainer_new (p, most, &error);
  Cnn3dMemory memory;

  g_assert_no_error (error);
  cnn3d_trainer_memory (t, &memory);
  memset (o, 0, sizeof *o);
  o->recompute = cnn3d_trainer_recompute (t);
  o->arena = memory.arena;
  o->store = memory.store;
  o->gradients = memory.gradients;
  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  for (guint s = 0; s < STEPS; s++) {
    const guint first = s * most, n = s ? last : most;
    const Cnn3dBatch batch = { frames + first * clip_bytes (p), CNN3D_TYPE_UINT8, labels + first, n,
      first + n };
    Cnn3dProgress progress;

    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
    g_assert_no_error (error);
    o->loss[s] = progress.loss;
  }
  o->n = cnn3d_trainer_network (t)->n_weights;
  o->values = g_new (gfloat *, o->n);
  for (guint i = 0; i < o->n; i++)
    o->values[i] = cnn3d_trainer_get_weight (t, i, NULL);
  cnn3d_trainer_free (&t);
}

static void
assert_same (const Cnn3dTrainerParams *p, const Outcome *a, const Outcome *b, const gchar *what)
{
  Cnn3dNetwork *net = cnn3d_network_new (&p->network, NULL);

  for (guint s = 0; s < STEPS; s++)
    if (a->loss[s] != b->loss[s])
      g_error (
          "%s, %s: step %u has loss %.17g, not %.17g", net->model, what, s, b->loss[s], a->loss[s]);
  for (guint i = 0; i < a->n; i++)
    if (memcmp (a->values[i], b->values[i], net->weights[i].count * sizeof (gfloat)))
      g_error ("%s, %s: %s differs", net->model, what, net->weights[i].name);
  cnn3d_network_free (&net);
}

/* Number of convolutions that run in slices. */
static guint
count_sliced (const Cnn3dTrainerParams *p, guint batch)
{
  const Cnn3dDeviceParams device_params = { 0, p->threads };
  const Cnn3dModelParams model_params = { p->precision, TRUE };
  const Cnn3dProgramParams program_params = { batch, TRUE, FALSE, TRUE };
  Cnn3dDevice *device = backend->open (&device_params, NULL);
  Cnn3dNetwork *net = cnn3d_network_new (&p->network, NULL);
  Cnn3dModel *model = backend->model_new (device, net, &model_params, NULL);
  Cnn3dProgram *program = backend->program_new (model, &program_params, NULL);
  guint n = 0;

  for (guint i = 0; i < net->n_ops; i++)
    n += net->ops[i].kind == CNN3D_OP_CONV && backend->program_sizes (program)->slice[i] < batch;
  backend->program_free (&program);
  backend->model_free (&model);
  cnn3d_network_free (&net);
  backend->close (&device);
  return n;
}

/* --- the same to the bit --- */

typedef struct {
  const gchar *path, *model;
  guint width, threads;
  Cnn3dPrecision precision;
  guint batch, last; /* clips of the two steps */
  gboolean all;      /* also with late updates, not just early ones */
} Case;

#define LEAST_SLICED 4 /* convolutions */
#define MOST_BATCH 12

static void
test_same_bits (gconstpointer data)
{
  const Case *c = data;
  Cnn3dTrainerParams p;
  gint32 labels[STEPS * MOST_BATCH];
  g_autofree guint8 *frames = NULL;
  Outcome first, o;
  gsize before[2];
  guint sliced;

  params_init (&p, c->model, c->width, c->precision);
  p.threads = c->threads;
  frames = draw_frames (&p, c->batch + c->last, labels);
  sliced = count_sliced (&p, c->batch);
  g_test_message ("%u convolutions in slices", sliced);
  g_assert_cmpuint (sliced, >=, LEAST_SLICED);
  p.keep_gradients = TRUE;
  train (&p, c->batch, c->last, frames, labels, &first);
  g_assert_cmpuint (first.gradients, >, 0);
  before[0] = first.arena;
  before[1] = G_MAXSIZE;
  for (gint early = !c->all; early < 2; early++)
    for (Cnn3dRecompute r = c->all && early ? CNN3D_RECOMPUTE_NONE : CNN3D_RECOMPUTE_BN;
        r < CNN3D_RECOMPUTE_AUTO; r++) {
      g_autofree gchar *what = g_strdup_printf ("recompute %d, early %d", r, early);

      p.recompute = r;
      p.keep_gradients = !early;
      train (&p, c->batch, c->last, frames, labels, &o);
      g_assert_cmpint (o.recompute, ==, r);
      g_assert_cmpint (o.gradients == 0, ==, early);
      /* the other way was really used; nothing is offloaded where that would free no memory */
      g_assert_cmpuint (o.arena, <, before[early] + (r == CNN3D_RECOMPUTE_OFFLOAD));
      if (r == CNN3D_RECOMPUTE_OFFLOAD && !strcmp (c->model, "slow_r50"))
        g_assert_cmpuint (o.store, >, 0);
      before[early] = o.arena;
      assert_same (&p, &first, &o, what);
      outcome_clear (&o);
    }
  outcome_clear (&first);
}

/* Adam, partially or fully frozen layers, and settings that need all gradients before the first
 * update. */
static void
test_variants (void)
{
  static const struct {
    Cnn3dUpdateRule rule;
    const gchar *freeze;
    guint accumulate;
    gdouble clip;
  } variants[] = {
    { CNN3D_UPDATE_ADAMW, NULL, 1, 0 },
    { CNN3D_UPDATE_SGD, "stem,layer2,batch-norm", 1, 0 },
    { CNN3D_UPDATE_SGD, "layer3.0.conv1.0,layer1.1.conv2.1.bias,fc.bias", 1, 0 },
    { CNN3D_UPDATE_SGD, NULL, 2, 0 },
    { CNN3D_UPDATE_SGD, NULL, 1, 0.1 },
  };

  for (guint v = 0; v < G_N_ELEMENTS (variants); v++) {
    Cnn3dTrainerParams p;
    gint32 labels[3 + 2];
    g_autofree guint8 *frames = NULL;
    Outcome late, early;

    params_init (&p, "r3d_18", 8, CNN3D_PRECISION_32);
    p.network.frames = 4;
    frames = draw_frames (&p, 3 + 2, labels);
    p.optimizer = variants[v].rule;
    p.freeze = variants[v].freeze;
    p.accumulate = variants[v].accumulate;
    p.gradient_clip = variants[v].clip;
    p.keep_gradients = TRUE;
    train (&p, 3, 2, frames, labels, &late);
    p.keep_gradients = FALSE;
    for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
      g_autofree gchar *what = g_strdup_printf ("variant %u, recompute %d", v, r);

      p.recompute = r;
      train (&p, 3, 2, frames, labels, &early);
      /* both need all gradients before the first update */
      g_assert_cmpint (early.gradients > 0, ==, variants[v].accumulate > 1 || variants[v].clip > 0);
      assert_same (&p, &late, &early, what);
      outcome_clear (&early);
    }
    outcome_clear (&late);
  }
}

/* --- micro-batches --- */

/* Relative to the norm of all gradients: near-cancelling ones have no relative accuracy. */
static gdouble
compare_gradients (Cnn3dTrainer *a, Cnn3dTrainer *b)
{
  const Cnn3dNetwork *net = cnn3d_trainer_network (a);
  gdouble difference = 0, norm = 0;

  for (guint i = 0; i < net->n_weights; i++) {
    g_autofree gfloat *x = NULL, *y = NULL;

    if (!CNN3D_PARAM_TRAINED (net->weights[i].role))
      continue;
    x = cnn3d_trainer_get_gradient (a, i, NULL);
    y = cnn3d_trainer_get_gradient (b, i, NULL);
    for (gint64 k = 0; k < net->weights[i].count; k++) {
      difference += ((gdouble) x[k] - y[k]) * ((gdouble) x[k] - y[k]);
      norm += (gdouble) x[k] * x[k];
    }
  }
  g_assert_cmpfloat (norm, >, 0);
  return sqrt (difference / norm);
}

/* With frozen batch norm, micro-batches give the gradients of the whole batch; with dropout too,
 * because its mask depends on the clip. */
static void
test_micro_batches (gconstpointer model)
{
  enum {
    WHOLE = 7
  };
  static const guint pieces[] = { 1, 3, 4, 7 };
  Cnn3dTrainerParams p;
  gint32 labels[WHOLE];
  g_autofree guint8 *frames = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *whole;
  Cnn3dProgress expected;
  gdouble worst = 0;

  params_init (&p, model, 4, CNN3D_PRECISION_32);
  p.network.frames = 4;
  p.network.height = p.network.width = 48;
  p.freeze = "batch-norm";
  p.keep_gradients = TRUE;
  p.lr.lr = 0;
  frames = draw_frames (&p, WHOLE, labels);
  whole = cnn3d_trainer_new (&p, WHOLE, &error);
  g_assert_no_error (error);

  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, WHOLE, WHOLE };

  g_assert_true (cnn3d_trainer_run (whole, &batch, &expected, &error));
  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
      Cnn3dTrainer *t;
      Cnn3dProgress progress;
      gdouble difference;

      p.micro_batch = pieces[i];
      p.recompute = r;
      t = cnn3d_trainer_new (&p, WHOLE, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (cnn3d_trainer_micro_batch (t), ==, pieces[i]);
      g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
      g_assert_no_error (error);
      g_assert_true (progress.stepped);
      g_assert_cmpuint (progress.step, ==, 1);
      g_assert_cmpfloat_with_epsilon (progress.loss, expected.loss, 1e-6 * expected.loss);
      g_assert_cmpfloat_with_epsilon (progress.accuracy, expected.accuracy, 1e-9);
      difference = compare_gradients (whole, t);
      worst = MAX (worst, difference);
      if (pieces[i] == WHOLE)
        g_assert_cmpfloat (difference, ==, 0);
      g_assert_cmpfloat (difference, <=, 1e-5);
      cnn3d_trainer_free (&t);
    }
  g_test_message ("%s: gradients differ by %.1e at most", (const gchar *) model, worst);
  g_assert_cmpfloat (worst, >, 0);
  cnn3d_trainer_free (&whole);
}

int
main (int argc, char **argv)
{
  static const Case cases[] = {
    { "/recompute/same-bits/r3d_18/f32", "r3d_18", 16, 2, CNN3D_PRECISION_32, 6, 5, TRUE },
    { "/recompute/same-bits/r3d_18/bf16", "r3d_18", 16, 1, CNN3D_PRECISION_BF16_MIXED, MOST_BATCH,
        5, FALSE },
    { "/recompute/same-bits/slow_r50/f32", "slow_r50", 16, 1, CNN3D_PRECISION_32, 6, 5, FALSE },
    { "/recompute/same-bits/slow_r50/bf16", "slow_r50", 16, 2, CNN3D_PRECISION_BF16_MIXED,
        MOST_BATCH, 5, FALSE },
  };
  g_autoptr (GError) error = NULL;

  /* waiting threads do not spin: other tests need the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  backend = cnn3d_backend_load ("cpu", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].path, &cases[i], test_same_bits);
  g_test_add_func ("/recompute/variants", test_variants);
  g_test_add_data_func ("/recompute/micro-batches/r3d_18", "r3d_18", test_micro_batches);
  g_test_add_data_func ("/recompute/micro-batches/slow_r50", "slow_r50", test_micro_batches);
  return g_test_run ();
}
