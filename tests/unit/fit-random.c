/* Random settings, compared with a slow search over every micro-batch and recomputation mode: no
 * larger micro-batch fits, and settings that fit unsplit train to the same bits as without a
 * budget.
 *
 * CNN3D_FIT_SEED is the first setting's seed, the next one's is one more; CNN3D_FIT_SETTINGS is the
 * number of settings. A failure reports its seed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "src/backend/backend.h"
#include "src/backend/gpus.h"
#include "src/train/fit.h"

#define SETTINGS 40
#define MOST_BATCH 12

typedef struct {
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  Cnn3dTrainerParams params;
  guint batch;
  gchar *text; /* the drawn settings, for messages */
  /* Memory of each recomputation mode at each micro-batch; micro_batch 0: not allowed. */
  Cnn3dFit ways[MOST_BATCH + 1][CNN3D_RECOMPUTE_AUTO];
} Setting;

static const Cnn3dBackend *cuda;
static guint n_split, n_recomputed, n_whole, n_refused, n_frozen, n_trained;

/* --- drawing --- */

static guint
draw (GRand *rand, guint from, guint to)
{
  return g_rand_int_range (rand, from, to + 1);
}

static gboolean
once_in (GRand *rand, guint n)
{
  return draw (rand, 1, n) == 1;
}

/* A GPU that is not installed, once in three settings. */
static void
open_device (Setting *s, GRand *rand)
{
  Cnn3dDeviceParams params = { .threads = draw (rand, 1, 2),
    .convolution = draw (rand, 0, CNN3D_CONVOLUTION_WINOGRAD),
    .deterministic = TRUE,
    .tf32 = draw (rand, 0, 1) };
  g_auto (GStrv) names = cnn3d_gpus_names ();
  const gchar *name = names[draw (rand, 0, g_strv_length (names) - 1)];
  const gboolean gpu = once_in (rand, 3) && cuda;
  g_autofree gchar *profile = gpu ? cnn3d_gpus_find (name, NULL) : NULL;
  g_autoptr (GError) error = NULL;

  params.profile = profile;
  s->backend = gpu ? cuda : cnn3d_backend_load ("cpu", &error);
  g_assert_no_error (error);
  s->device = s->backend->open (&params, &error);
  g_assert_no_error (error);
  s->params.device = gpu ? "cuda" : "cpu";
  s->params.threads = params.threads;
  s->params.convolution = params.convolution;
  s->params.tf32 = params.tf32;
  s->text = g_strdup_printf (
      "%s", gpu ? name : cnn3d_choice_name (&cnn3d_convolutions, params.convolution));
}

static void
draw_setting (Setting *s, GRand *rand)
{
  static const gchar *const models[] = { "r3d_18", "mc3_18", "r2plus1d_18", "slow_r50" };
  static const gchar *const freezes[] = { NULL, NULL, NULL, "batch-norm", "batch-norm",
    "backbone" };
  static const guint widths[] = { 4, 5, 8, 16 };
  Cnn3dTrainerParams *p = &s->params;
  gboolean gpu;

  cnn3d_trainer_params_init (p);
  open_device (s, rand);
  gpu = s->backend == cuda;
  s->batch = once_in (rand, 4) ? draw (rand, 1, 3) : draw (rand, 4, MOST_BATCH);
  p->network = (Cnn3dNetworkParams) { models[draw (rand, 0, 3)], draw (rand, 2, 9),
    gpu ? 64 : widths[draw (rand, 0, 3)], 3, draw (rand, 1, 8), draw (rand, 16, 48),
    draw (rand, 16, 48), 0 };
  if (gpu) {
    p->network.frames = draw (rand, 4, 32);
    p->network.height = p->network.width = draw (rand, 64, 224);
  }
  p->precision = draw (rand, 0, CNN3D_PRECISION_BF16_MIXED);
  p->optimizer = draw (rand, 0, CNN3D_UPDATE_ADAMW);
  p->momentum = once_in (rand, 3) ? 0 : 0.9;
  p->accumulate = once_in (rand, 3) ? draw (rand, 2, 3) : 1;
  p->gradient_clip = once_in (rand, 4) ? 1 : 0;
  p->freeze = freezes[draw (rand, 0, G_N_ELEMENTS (freezes) - 1)];
  p->frames_type = once_in (rand, 4) ? CNN3D_TYPE_FLOAT32 : CNN3D_TYPE_UINT8;
  p->recompute = once_in (rand, 5) ? draw (rand, 0, CNN3D_RECOMPUTE_OFFLOAD) : CNN3D_RECOMPUTE_AUTO;
  p->auto_fit = !once_in (rand, 6);
  p->micro_batch = once_in (rand, 4) ? draw (rand, 1, MOST_BATCH) : 0;
  p->lr.lr = 0.01;
  p->seed = draw (rand, 0, 1000);
}

static guint
largest_micro (const Setting *s)
{
  return s->params.micro_batch ? MIN (s->params.micro_batch, s->batch) : s->batch;
}

/* FALSE with error: the device or the network does not support it at all. */
static gboolean
walk (Setting *s, GError **error)
{
  const Cnn3dRecompute asked = s->params.recompute;

  for (guint micro = 1; micro <= largest_micro (s); micro++)
    for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++)
      if ((asked == CNN3D_RECOMPUTE_AUTO ? r <= cnn3d_fit_last_recompute (s->backend) : asked == r)
          && (s->params.auto_fit || micro == largest_micro (s))
          && !cnn3d_fit_measure (
              s->backend, s->device, &s->params, s->batch, micro, r, &s->ways[micro][r], error))
        return FALSE;
  return TRUE;
}

/* The exact need of one mode, a byte less, or any value from too little to too much. */
static guint64
draw_budget (const Setting *s, GRand *rand)
{
  guint64 least = G_MAXUINT64, most = 0, exact = 0;
  guint n = 0;

  for (guint micro = 1; micro <= s->batch; micro++)
    for (guint r = 0; r < CNN3D_RECOMPUTE_AUTO; r++) {
      const Cnn3dFit *way = &s->ways[micro][r];

      if (!way->micro_batch)
        continue;
      least = MIN (least, cnn3d_memory_needs (&way->memory));
      most = MAX (most, cnn3d_memory_needs (&way->memory));
      if (once_in (rand, ++n))
        exact = cnn3d_memory_needs (&way->memory);
    }
  switch (draw (rand, 0, 3)) {
    case 0:
      return exact;
    case 1:
      return exact - 1;
    default:
      return least * 0.97 + (most * 1.05 - least * 0.97) * g_rand_double (rand);
  }
}

static void
describe (Setting *s, guint seed)
{
  const Cnn3dTrainerParams *p = &s->params;
  const Cnn3dNetworkParams *n = &p->network;
  gchar *text = g_strdup_printf (
      "CNN3D_FIT_SEED=%u: %s %s width %u, %u clips of %ux%ux%u, precision %s, %s%s%srecompute %s, "
      "optimizer %u, accumulate %u, freeze %s, at most %" G_GUINT64_FORMAT " bytes, %u clips",
      seed, s->text, n->model, n->base_width, s->batch, n->frames, n->height, n->width,
      cnn3d_choice_name (&cnn3d_precisions, p->precision), p->auto_fit ? "auto-fit, " : "",
      p->gradient_clip > 0 ? "clipping, " : "", p->frames_type == CNN3D_TYPE_UINT8 ? "" : "float, ",
      cnn3d_choice_name (&cnn3d_recomputes, p->recompute), p->optimizer, p->accumulate,
      p->freeze ? p->freeze : "nothing", p->max_memory, p->micro_batch);

  g_free (s->text);
  s->text = text;
}

/* --- the check --- */

static guint
passes (const Setting *s, guint micro)
{
  return (s->batch + micro - 1) / micro;
}

/* Whether all micro-batches but the last are as small as their number allows. */
static gboolean
is_even (const Setting *s, guint micro)
{
  return micro == largest_micro (s)
      || micro == (s->batch + passes (s, micro) - 1) / passes (s, micro);
}

/* chosen: NULL if nothing was. */
static void
check (const Setting *s, guint64 budget, const Cnn3dFit *chosen)
{
  const gboolean frozen = cnn3d_freezes_norm (s->params.freeze);

  if (chosen && cnn3d_memory_needs (&chosen->memory) > budget)
    g_error ("%s: micro-batch %u with recompute %s takes %" G_GUINT64_FORMAT " bytes", s->text,
        chosen->micro_batch, cnn3d_choice_name (&cnn3d_recomputes, chosen->recompute),
        cnn3d_memory_needs (&chosen->memory));
  for (guint micro = 1; micro <= s->batch; micro++)
    for (guint r = 0; r < CNN3D_RECOMPUTE_AUTO; r++) {
      const Cnn3dFit *way = &s->ways[micro][r];

      if (!way->micro_batch || cnn3d_memory_needs (&way->memory) > budget)
        continue;
      if (!chosen)
        g_error ("%s: refused, but micro-batch %u with recompute %s fits", s->text, micro,
            cnn3d_choice_name (&cnn3d_recomputes, r));
      if (!frozen && micro > chosen->micro_batch)
        g_error ("%s: micro-batch %u was chosen, but %u with recompute %s fits", s->text,
            chosen->micro_batch, micro, cnn3d_choice_name (&cnn3d_recomputes, r));
      /* of one micro-batch: the first that fits, the fastest by count but for rounding */
      if (micro == chosen->micro_batch && r < chosen->recompute)
        g_error ("%s: recompute %s was chosen, but %s fits", s->text,
            cnn3d_choice_name (&cnn3d_recomputes, chosen->recompute),
            cnn3d_choice_name (&cnn3d_recomputes, r));
      /* the copies of offload depend on the link, and are the last resort */
      if (frozen && is_even (s, micro) && r != CNN3D_RECOMPUTE_OFFLOAD
          && way->seconds < chosen->seconds * (1 - 1e-3))
        g_error ("%s: micro-batch %u with recompute %s was chosen, but %u with %s fits and is "
                 "quicker, %g to %g s",
            s->text, chosen->micro_batch, cnn3d_choice_name (&cnn3d_recomputes, chosen->recompute),
            micro, cnn3d_choice_name (&cnn3d_recomputes, r), way->seconds, chosen->seconds);
    }
}

/* --- training --- */

static Cnn3dTrainer *
train (const Setting *s, const Cnn3dTrainerParams *params)
{
  const Cnn3dNetworkParams *n = &params->network;
  const gsize values = (gsize) n->channels * n->frames * n->height * n->width * s->batch;
  const gboolean floats = params->frames_type == CNN3D_TYPE_FLOAT32;
  g_autofree guint8 *bytes = g_malloc (values);
  g_autofree gfloat *numbers = g_new (gfloat, values);
  g_autofree gint32 *labels = g_new (gint32, s->batch);
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t = cnn3d_trainer_new (params, s->batch, &error);
  Cnn3dProgress progress;

  if (error)
    g_error ("%s: %s", s->text, error->message);
  for (guint i = 0; i <= params->accumulate; i++) {
    /* the last one is short */
    const guint clips = i < params->accumulate ? s->batch : (s->batch + 1) / 2;
    const Cnn3dBatch batch = { floats ? (gconstpointer) numbers : bytes, params->frames_type,
      labels, clips, (i + 1) * s->batch };

    for (gsize k = 0; k < values; k++) {
      bytes[k] = (k * 2654435761u + i * 97) >> 13;
      numbers[k] = bytes[k] / 64.0f - 2;
    }
    for (guint k = 0; k < clips; k++)
      labels[k] = (k + i) % n->num_classes;
    if (!cnn3d_trainer_run (t, &batch, &progress, &error))
      g_error ("%s: %s", s->text, error->message);
  }
  return t;
}

/* Settings that fit unsplit give the same results as without a budget. */
static void
check_bits (const Setting *s, const Cnn3dFit *chosen)
{
  Cnn3dTrainerParams without = s->params;
  Cnn3dTrainer *t = train (s, &s->params), *free_one;
  const Cnn3dNetwork *net = cnn3d_trainer_network (t);
  Cnn3dMemory memory;

  without.max_memory = 0;
  without.auto_fit = FALSE;
  without.recompute = CNN3D_RECOMPUTE_AUTO;
  free_one = train (s, &without);
  cnn3d_trainer_memory (t, &memory);
  g_assert_cmpuint (cnn3d_trainer_micro_batch (t), ==, chosen->micro_batch);
  g_assert_cmpint (cnn3d_trainer_recompute (t), ==, chosen->recompute);
  g_assert_cmpuint (memory.total, ==, chosen->memory.total);
  g_assert_cmpuint (cnn3d_trainer_micro_batch (free_one), ==, chosen->micro_batch);
  g_assert_cmpint (cnn3d_trainer_recompute (free_one), ==, CNN3D_RECOMPUTE_NONE);
  for (guint i = 0; i < net->n_weights; i++) {
    g_autoptr (GError) error = NULL;
    g_autofree gfloat *a = cnn3d_trainer_get_weight (t, i, &error), *b = NULL;

    g_assert_no_error (error);
    b = cnn3d_trainer_get_weight (free_one, i, &error);
    g_assert_no_error (error);
    if (memcmp (a, b, net->weights[i].count * sizeof *a))
      g_error ("%s: %s has other bits with recompute %s", s->text, net->weights[i].name,
          cnn3d_choice_name (&cnn3d_recomputes, chosen->recompute));
  }
  cnn3d_trainer_free (&t);
  cnn3d_trainer_free (&free_one);
  n_trained++;
}

static void
count (const Setting *s, const Cnn3dFit *chosen)
{
  n_refused += !chosen;
  n_whole += chosen && chosen->micro_batch == largest_micro (s);
  n_split += chosen && chosen->micro_batch < largest_micro (s);
  n_recomputed += chosen && chosen->recompute != CNN3D_RECOMPUTE_NONE;
  n_frozen += chosen && cnn3d_freezes_norm (s->params.freeze);
}

static void
run_setting (guint seed)
{
  g_autofree Setting *s = g_new0 (Setting, 1);
  GRand *rand = g_rand_new_with_seed (seed);
  g_autoptr (GError) error = NULL, refusal = NULL;
  const Cnn3dFit *chosen;
  Cnn3dFit fit;

  draw_setting (s, rand);
  if (walk (s, &error)) {
    guint64 budget;

    s->params.max_memory = draw_budget (s, rand);
    budget = cnn3d_fit_budget (s->backend, s->device, &s->params);
    describe (s, seed);
    chosen = cnn3d_fit_choose (s->backend, s->device, &s->params, s->batch, &fit, &refusal) ? &fit
                                                                                            : NULL;
    if (!chosen)
      g_assert_error (refusal, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY);
    check (s, budget, chosen);
    count (s, chosen);
    g_test_message ("%s: micro-batch %u, %s", s->text, chosen ? fit.micro_batch : 0,
        chosen ? cnn3d_choice_name (&cnn3d_recomputes, fit.recompute) : "refused");
    if (chosen && s->backend != cuda && fit.micro_batch == s->batch)
      check_bits (s, &fit);
  } else {
    /* an unsupported setting is not reported as a lack of memory */
    describe (s, seed);
    g_assert_false (cnn3d_fit_choose (s->backend, s->device, &s->params, s->batch, &fit, &refusal));
    g_assert_error (refusal, error->domain, error->code);
    g_test_message ("%s: %s", s->text, refusal->message);
  }
  g_free (s->text);
  s->backend->close (&s->device);
  g_rand_free (rand);
}

static guint
number (const gchar *name, guint fallback)
{
  const gchar *text = g_getenv (name);

  return text && *text ? strtoul (text, NULL, 10) : fallback;
}

static void
test_random (void)
{
  const guint seed = number ("CNN3D_FIT_SEED", 1);
  const guint n = number ("CNN3D_FIT_SETTINGS", SETTINGS);

  g_test_message ("CNN3D_FIT_SEED=%u CNN3D_FIT_SETTINGS=%u", seed, n);
  for (guint i = 0; i < n; i++)
    run_setting (seed + i);
  g_test_message ("%u whole, %u of them trained; %u split, %u recomputed, %u refused, %u with "
                  "batch norm frozen",
      n_whole, n_trained, n_split, n_recomputed, n_refused, n_frozen);
  /* every case occurred */
  if (n >= 200) {
    g_assert_cmpuint (n_whole, >, 0);
    g_assert_cmpuint (n_trained, >, 0);
    g_assert_cmpuint (n_split, >, 0);
    g_assert_cmpuint (n_recomputed, >, 0);
    g_assert_cmpuint (n_refused, >, 0);
    g_assert_cmpuint (n_frozen, >, 0);
  }
}

int
main (int argc, char **argv)
{
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  cuda = cnn3d_backend_load ("cuda", NULL);
  g_test_add_func ("/fit/random", test_random);
  return g_test_run ();
}
