/* The whole CUDA back end, on doubles of the CUDA run time and of cuDNN, gives the CPU back end's
 * training results.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"

#include <glib/gstdio.h>

#include "src/backend/gpus.h"

#ifdef __SANITIZE_ADDRESS__ /* which checks each access: a few batches are enough */
#define EPOCHS 1
#define FEWER 1
#else
#define FEWER 0
#define EPOCHS 4 /* of 6 batches: 24 steps */
#endif

/* --- FP32 compared with the CPU --- */

/* A difference in the last bit grows with each step, in deep networks so fast that twenty steps
 * show nothing: they take one. */
typedef struct {
  const gchar *network;
  guint epochs, batches;            /* batches, 0: all */
  gdouble loss, gradients, weights; /* tolerances */
} Case;

static const Case cases[] = {
  { "r3d_18", EPOCHS, 0, 1e-5, 1e-5, 2e-3 },
  { "mc3_18", 1, 0, 1e-5, 1e-5, 2e-3 },
  { "r2plus1d_18", 1, 1, 1e-6, 5e-5, 2e-3 },
  { "slow_r50", 1, 1, 3e-6, 2e-4, 2e-3 },
  { "r3d_18-concat", 1, 1, 1e-6, 5e-5, 2e-3 },
  { "mc3_18-mean", 1, 1, 1e-6, 5e-5, 2e-3 },
  /* recorded, and replayed with other frames and key points */
  { "posec3d_slowonly", 1, 0, 1e-5, 5e-5, 2e-3 },
  { "mc3_18-late", 1, 0, 1e-5, 5e-5, 2e-3 },
  { "r3d_18-stem", 1, 0, 1e-5, 1e-5, 2e-3 },
  { "r3d_18-views-logits", 1, 0, 1e-5, 5e-5, 2e-3 },
  { "mc3_18-views-probabilities", 1, 0, 1e-5, 5e-5, 2e-3 },
  { "r3d_18-views-features", 1, 0, 1e-5, 5e-5, 2e-3 },
  { "mc3_18-late-views-concat", 1, 0, 1e-5, 5e-5, 2e-3 },
};

/* The losses of each step, with updates layer by layer, and the final weights; the gradients of the
 * first batch. */
static void
test_f32 (gconstpointer data)
{
  const Case *c = data;
  Cnn3dTrainerParams p;
  Run gpu, cpu;

  rig_params (&p, c->network);
  rig_must (&p, "cuda", c->epochs, c->batches, 0, &gpu);
  rig_must (&p, "cpu", c->epochs, c->batches, 0, &cpu);
  g_test_message (
      "%u steps: losses within %.2g, weights within %.2g of their way; loss %.3f to %.3f",
      gpu.n_steps, worst_loss (&gpu, &cpu), weights_apart (&gpu, &cpu), gpu.loss[0],
      gpu.loss[gpu.n_losses - 1]);
  g_assert_cmpuint (gpu.n_steps, ==, c->batches ? c->batches : 6 * c->epochs);
  g_assert_cmpuint (gpu.n_steps, ==, cpu.n_steps);
  g_assert_cmpfloat (worst_loss (&gpu, &cpu), <, c->loss);
  g_assert_cmpfloat (weights_apart (&gpu, &cpu), <, c->weights);
  run_clear (&gpu);
  run_clear (&cpu);

  p.keep_gradients = TRUE;
  rig_must (&p, "cuda", 1, 1, 0, &gpu);
  rig_must (&p, "cpu", 1, 1, 0, &cpu);
  g_test_message ("gradients within %.2g", gradients_apart (&gpu, &cpu));
  g_assert_cmpfloat (gradients_apart (&gpu, &cpu), <, c->gradients);
  run_clear (&gpu);
  run_clear (&cpu);
}

static void
set_accumulation (Cnn3dTrainerParams *p)
{
  p->accumulate = 3;
}

static void
set_clipping (Cnn3dTrainerParams *p)
{
  p->gradient_clip = 0.5;
}

static void
set_micro_batches (Cnn3dTrainerParams *p)
{
  p->micro_batch = 2;
}

static void
set_adam (Cnn3dTrainerParams *p)
{
  p->optimizer = CNN3D_UPDATE_ADAM;
  p->lr.lr = 1e-6;
}

static void
set_adamw (Cnn3dTrainerParams *p)
{
  p->optimizer = CNN3D_UPDATE_ADAMW;
  p->lr.lr = 1e-6;
}

static void
set_plain_sgd (Cnn3dTrainerParams *p)
{
  p->momentum = 0;
}

static void
set_frozen_backbone (Cnn3dTrainerParams *p)
{
  p->freeze = "backbone";
}

static void
set_frozen_stem (Cnn3dTrainerParams *p)
{
  p->freeze = "stem,batch-norm";
  p->keep_gradients = TRUE;
}

static const gfloat class_weights[CLASSES] = { 0.5f, 4, 1.25f, 2, 1 };

static void
set_class_weights (Cnn3dTrainerParams *p)
{
  p->class_weights = class_weights;
}

/* Groups whose batches have different weights. */
static void
set_weighted_groups (Cnn3dTrainerParams *p)
{
  p->class_weights = class_weights;
  set_accumulation (p);
}

static const struct {
  const gchar *name;
  void (*set) (Cnn3dTrainerParams *p);
} settings[] = {
  { "class-weights", set_class_weights },
  { "weighted-groups", set_weighted_groups },
  { "accumulation", set_accumulation },
  { "clipping", set_clipping },
  { "micro-batches", set_micro_batches },
  { "adam", set_adam },
  { "adamw", set_adamw },
  { "plain-sgd", set_plain_sgd },
  { "frozen-backbone", set_frozen_backbone },
  { "frozen-stem", set_frozen_stem },
};

static void
test_setting (gconstpointer data)
{
  void (*const *set) (Cnn3dTrainerParams *) = data;
  Cnn3dTrainerParams p;
  Run gpu, cpu;

  rig_params (&p, "r3d_18");
  (*set) (&p);
  rig_must (&p, "cuda", 1, 0, 0, &gpu);
  rig_must (&p, "cpu", 1, 0, 0, &cpu);
  g_test_message ("%u steps: losses within %.2g, weights within %.2g of their way", gpu.n_steps,
      worst_loss (&gpu, &cpu), weights_apart (&gpu, &cpu));
  g_assert_cmpuint (gpu.n_steps, ==, cpu.n_steps);
  g_assert_cmpfloat (worst_loss (&gpu, &cpu), <, 1e-5);
  g_assert_cmpfloat (weights_apart (&gpu, &cpu), <, 2e-3);
  run_clear (&gpu);
  run_clear (&cpu);
}

/* --- the same bits in all execution modes --- */

static void
test_recompute (gconstpointer data)
{
  static const gchar *const names[] = { "recompute=none", "recompute=bn", "recompute=block",
    "recompute=offload" };
  const Cnn3dPrecision precision = GPOINTER_TO_UINT (data);
  Cnn3dTrainerParams p;
  Run runs[CNN3D_RECOMPUTE_AUTO], kept;

  rig_params (&p, "r3d_18");
  p.precision = precision;
  for (guint r = 0; r < CNN3D_RECOMPUTE_AUTO; r++) {
    p.recompute = r;
    /* an evaluation of 8 clips may need more than training with 4 */
    p.max_memory = r ? cnn3d_memory_needs (&runs[0].memory) - 1 : 0;
    rig_must (&p, "cuda", 1, 3, 0, &runs[r]);
    g_test_message ("%s: %" G_GSIZE_FORMAT " bytes of arena", names[r], runs[r].memory.arena);
    assert_same_bits (&runs[r], &runs[0], names[r]);
  }
  g_assert_cmpuint (runs[1].memory.arena, <, runs[0].memory.arena);
  g_assert_cmpuint (runs[2].memory.total, <, runs[0].memory.total);
  g_assert_cmpuint (runs[3].memory.arena, <=, runs[2].memory.arena);
  p.recompute = CNN3D_RECOMPUTE_NONE;
  p.max_memory = 0;
  p.keep_gradients = TRUE;
  rig_must (&p, "cuda", 1, 3, 0, &kept);
  assert_same_bits (&kept, &runs[0], "updates at the end of the step");
  run_clear (&kept);
  for (guint r = 0; r < CNN3D_RECOMPUTE_AUTO; r++)
    run_clear (&runs[r]);
}

/* --- offloaded copies --- */

/* Of the streams, see cuda-double.h. */
#define OFFLOADS 2

static guint left_out, left_out_of; /* waits seen; the one of them to leave out, 0: all */

static gboolean
leave_out (gboolean is_one)
{
  return is_one && (++left_out == left_out_of || !left_out_of);
}

static gboolean
forks (guint stream, guint other)
{
  return leave_out (stream >= OFFLOADS && other < OFFLOADS);
}

static gboolean
joins (guint stream, guint other)
{
  return leave_out (stream < OFFLOADS && other >= OFFLOADS);
}

static gboolean
is_same (const Run *a, const Run *b)
{
  for (guint i = 0; i < a->n_losses; i++)
    if (a->loss[i] != b->loss[i])
      return FALSE;
  for (guint i = 0; i < a->n_params; i++)
    if (memcmp (a->weights[i], b->weights[i], a->counts[i] * sizeof (gfloat)))
      return FALSE;
  return TRUE;
}

/* Of which blocks' outputs are most of the memory. */
static void
offload_params (Cnn3dTrainerParams *p, const gchar *network)
{
  rig_params (p, network);
  p->precision = CNN3D_PRECISION_16_MIXED;
  p->network.base_width = 8;
  p->network.frames = 2;
  p->network.height = p->network.width = 24;
}

/* Copies that run as early and as late as they may change no bit, in steps that run one by one,
 * recorded and replayed. */
static void
test_offload (gconstpointer network)
{
  Cnn3dTrainerParams p;
  Run right, r;

  offload_params (&p, network);
  /* what is fused is timed, and rounds otherwise */
  g_setenv ("CNN3D_CUDA_FUSION", "never", TRUE);
  p.recompute = CNN3D_RECOMPUTE_BLOCK;
  rig_must (&p, "cuda", 1, 3, 0, &right);
  p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
  for (gint eager = 0; eager < 2; eager++) {
    const guint replayed = cuda->replayed;

    cuda->eager = eager;
    rig_must (&p, "cuda", 1, 3, 0, &r);
    g_test_message ("%" G_GSIZE_FORMAT " bytes of arena and %" G_GSIZE_FORMAT
                    " of store where block has %" G_GSIZE_FORMAT,
        r.memory.arena, r.memory.store, right.memory.arena);
    assert_same_bits (&r, &right, eager ? "early copies" : "late copies");
    g_assert_cmpuint (r.memory.store, >, 0);
    /* an evaluation of eight clips may take more than either */
    g_assert_cmpuint (r.memory.arena, <=, right.memory.arena);
    g_assert_cmpuint (cuda->replayed - replayed, ==, 2);
    run_clear (&r);
  }
  g_unsetenv ("CNN3D_CUDA_FUSION");
  cuda->eager = FALSE;
  run_clear (&right);
}

/* Without any of their waits, copies do change bits: forks are what holds early ones back, and joins
 * what hastens late ones. */
static void
test_offload_waits (void)
{
  static gboolean (*const ways[]) (guint, guint) = { forks, joins };
  Cnn3dTrainerParams p;
  Run right, r;

  offload_params (&p, "r3d_18");
  p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
  g_setenv ("CNN3D_CUDA_FUSION", "never", TRUE);
  rig_must (&p, "cuda", 1, 1, 0, &right);
  for (guint k = 0; k < G_N_ELEMENTS (ways); k++) {
    guint seen, noticed = 0, tried = 0;

    cuda->eager = ways[k] == forks;
    cuda->ignores = ways[k];
    left_out = left_out_of = 0;
    rig_must (&p, "cuda", 1, 1, 0, &r);
    g_assert_false (is_same (&r, &right));
    run_clear (&r);
    seen = left_out;
    /* each takes a second */
    for (left_out_of = 1; left_out_of <= seen; left_out_of += 3) {
      tried++;
      left_out = 0;
      rig_must (&p, "cuda", 1, 1, 0, &r);
      noticed += !is_same (&r, &right);
      run_clear (&r);
    }
    g_test_message ("%u of %u %s were missed, of %u", noticed, tried, k ? "joins" : "forks", seen);
    /* the others guard memory that has no other use meanwhile in this plan */
    g_assert_cmpuint (4 * noticed, >=, tried);
  }
  g_unsetenv ("CNN3D_CUDA_FUSION");
  cuda->ignores = NULL;
  cuda->eager = FALSE;
  run_clear (&right);
}

static void
test_offload_failures (void)
{
  static const struct {
    const gchar *call, *says, *more;
  } table[] = {
    { "cudaHostAlloc", "CUDA: recompute=offload cannot pin ",
        " of host memory, free some of it or use recompute=block: out of memory (error 2)" },
    { "cudaStreamCreateWithFlags", "CUDA: cannot create the stream of offloaded copies: ", "" },
    { "cudaMemcpyAsync", "CUDA: an offloaded copy failed: ", "" },
    { "cudaStreamWaitEvent", "CUDA: an offloaded copy failed: ", "" },
    { "cudaEventRecord", "CUDA: an offloaded copy failed: ", "" },
  };
  Cnn3dTrainerParams p;

  offload_params (&p, "r3d_18");
  p.device = "cuda";
  p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    gboolean said = FALSE;

    /* there are other such calls before */
    for (guint after = 0; !said; after++) {
      const gint alive = cuda->alive;
      g_autoptr (GError) error = NULL;
      Run r;

      cuda->fail_in = table[i].call;
      cuda->fail_after = after;
      if (rig_run (&p, 1, 1, 0, &r, &error))
        g_error ("no call of %s that fails is said to be '%s'", table[i].call, table[i].says);
      cuda->fail_in = NULL;
      said = strstr (error->message, table[i].says) && strstr (error->message, table[i].more);
      g_assert_cmpuint (cuda->taken, ==, 0);
      g_assert_cmpint (cuda->alive, ==, alive);
    }
  }
}

/* Stopped after three batches and resumed: the same bits as without a stop. */
static void
test_resume (gconstpointer data)
{
  g_autofree gchar *dir = g_dir_make_tmp ("cuda-backend-XXXXXX", NULL);
  Cnn3dTrainerParams p;
  Run whole, part;
  GDir *folder;
  const gchar *name;

  rig_params (&p, "r3d_18");
  p.precision = GPOINTER_TO_UINT (data);
  p.optimizer = CNN3D_UPDATE_ADAM;
  p.lr.lr = 1e-3;
  rig_must (&p, "cuda", 1, 0, 0, &whole);
  p.checkpoint_dir = dir;
  rig_must (&p, "cuda", 1, 3, 0, &part);
  run_clear (&part);
  rig_must (&p, "cuda", 1, 0, 0, &part);
  g_assert_cmpfloat (part.loss_scale, ==, whole.loss_scale);
  g_assert_cmpuint (part.n_losses, ==, whole.n_losses - 3);
  memmove (whole.loss, whole.loss + 3, part.n_losses * sizeof *whole.loss);
  whole.n_losses -= 3;
  assert_same_bits (&part, &whole, "resumed");
  run_clear (&part);
  run_clear (&whole);
  folder = g_dir_open (dir, 0, NULL);
  while ((name = g_dir_read_name (folder))) {
    g_autofree gchar *path = g_build_filename (dir, name, NULL);

    g_unlink (path);
  }
  g_dir_close (folder);
  g_rmdir (dir);
}

/* --- 16 bits --- */

/* 16-bit storage, compared with f32 on the CPU: within the type's rounding. */
static void
test_half (gconstpointer data)
{
  const Cnn3dPrecision precision = GPOINTER_TO_UINT (data);
  const gdouble bound = precision == CNN3D_PRECISION_16_MIXED ? 0.01 : 0.06;
  Cnn3dTrainerParams p;
  Run gpu, cpu;

  rig_params (&p, "r3d_18");
  p.keep_gradients = TRUE;
  for (guint batches = 1; batches <= 3; batches += 2) {
    p.precision = precision;
    rig_must (&p, "cuda", 1, batches, 0, &gpu);
    p.precision = CNN3D_PRECISION_32;
    rig_must (&p, "cpu", 1, batches, 0, &cpu);
    g_test_message (
        "batch %u: losses within %.2g, gradients within %.2g, weights within %.2g of their way",
        batches, worst_loss (&gpu, &cpu), gradients_apart (&gpu, &cpu), weights_apart (&gpu, &cpu));
    g_assert_cmpfloat (worst_loss (&gpu, &cpu), <, bound);
    g_assert_cmpfloat (gradients_apart (&gpu, &cpu), <, 10 * bound);
    g_assert_cmpfloat (weights_apart (&gpu, &cpu), <, 10 * bound);
    g_assert_cmpuint (gpu.skipped, ==, 0);
    g_assert_cmpfloat (gpu.loss_scale, ==, precision == CNN3D_PRECISION_16_MIXED ? 65536 : 1);
    run_clear (&gpu);
    run_clear (&cpu);
  }
}

/* A loss scale that overflows is halved until it does not; skipped steps change nothing and are not
 * counted. */
static void
test_overflow (void)
{
  Cnn3dTrainerParams p;
  Run scaled, plain;
  guint first;

  rig_params (&p, "r3d_18");
  p.precision = CNN3D_PRECISION_16_MIXED;
  p.optimizer = CNN3D_UPDATE_ADAM;
  rig_must (&p, "cuda", 1, 0, 0x1p22, &scaled);
  g_test_message ("%" G_GUINT64_FORMAT " of %u steps skipped, the scale fell to %g", scaled.skipped,
      scaled.n_losses, scaled.loss_scale);
  g_assert_cmpuint (scaled.skipped, >, 1);
  g_assert_cmpuint (scaled.skipped, <, 4);
  g_assert_cmpuint (scaled.n_steps + scaled.skipped, ==, scaled.n_losses);
  g_assert_cmpfloat (scaled.loss_scale, ==, ldexp (0x1p22, -(gint) scaled.skipped));
  /* until then, the losses are those of the initial weights */
  first = scaled.skipped;
  p.lr.lr = 0;
  p.weight_decay = 0;
  rig_must (&p, "cuda", 1, 0, 1, &plain);
  for (guint i = 0; i <= first; i++)
    g_assert_cmpfloat (scaled.loss[i], ==, plain.loss[i]);
  g_assert_cmpfloat (scaled.loss[first + 2], !=, plain.loss[first + 2]);
  run_clear (&plain);
  run_clear (&scaled);
}

/* Gradients that are not finite at any scale end the run. */
static void
test_no_scale (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Run r;

  rig_params (&p, "r3d_18");
  p.device = "cuda";
  p.gradient_clip = 1;
  p.lr.lr = 1e30;
  g_assert_false (rig_run (&p, EPOCHS, 0, 0, &r, &error));
  g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DIVERGED);
  g_assert_nonnull (strstr (error->message, "lower lr"));
}

/* --- fusion and timing --- */

/* Batch norm fused into convolutions, and its sums fused after them, compared with no fusion: equal
 * within rounding, since fused values are not rounded in between. */
static void
test_fusion (gconstpointer data)
{
  static const Cnn3dRecompute ways[] = { CNN3D_RECOMPUTE_NONE, CNN3D_RECOMPUTE_BN,
    CNN3D_RECOMPUTE_BLOCK };
  const Cnn3dPrecision precision = GPOINTER_TO_UINT (data);
  const gdouble bound = precision == CNN3D_PRECISION_16_MIXED ? 0.01 : 0.06;
  Cnn3dTrainerParams p;
  Run fused, apart;

  rig_params (&p, "r3d_18");
  p.precision = precision;
  p.keep_gradients = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    p.recompute = ways[i];
    g_setenv ("CNN3D_CUDA_FUSION", "always", TRUE);
    rig_must (&p, "cuda", 1, 2, 0, &fused);
    g_setenv ("CNN3D_CUDA_FUSION", "never", TRUE);
    rig_must (&p, "cuda", 1, 2, 0, &apart);
    g_unsetenv ("CNN3D_CUDA_FUSION");
    g_test_message ("recompute %u: losses within %.2g, gradients within %.2g", ways[i],
        worst_loss (&fused, &apart), gradients_apart (&fused, &apart));
    g_assert_cmpfloat (gradients_apart (&fused, &apart), >, 0);
    g_assert_cmpfloat (worst_loss (&fused, &apart), <, bound);
    g_assert_cmpfloat (gradients_apart (&fused, &apart), <, 10 * bound);
    g_assert_cmpuint (fused.memory.total, ==, apart.memory.total);
    run_clear (&fused);
    run_clear (&apart);
  }
}

/* The loss and accuracy of a validation pass over one batch. */
static void
validate (Cnn3dTrainer *t, const Cnn3dBatch *batch, gdouble *loss, gdouble *accuracy)
{
  const Cnn3dPass pass = { .clips = batch->n };
  Cnn3dProgress progress;
  Cnn3dPassResult result;

  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, NULL));
  g_assert_true (cnn3d_trainer_run (t, batch, &progress, NULL));
  g_assert_true (cnn3d_trainer_end_pass (t, batch->n, &result, NULL));
  *loss = result.loss;
  *accuracy = result.accuracy;
}

/* After an evaluation of `clips` clips, the rest of the slice has the logits of zeros: all the same,
 * and finite. */
static void
assert_padded (Cnn3dTrainer *t, guint clips)
{
  const guint slice = cnn3d_trainer_evaluation_batch (t);
  const guint row = 8; /* CLASSES, padded */
  g_autofree gfloat *logits = g_new (gfloat, slice * row);
  const Cnn3dSessionProgram *p = &g_array_index (t->s.programs, Cnn3dSessionProgram, 0);
  const Cnn3dStep *last;

  while (p->training || p->clips != slice)
    p++;
  last = &p->plan->steps[p->plan->n_steps - 1];
  g_assert_cmpint (t->s.net->ops[last->op].kind, ==, CNN3D_OP_LOSS);
  g_assert_true (t->s.backend->download (
      t->s.device, logits, t->s.arena + last->in, slice * row * sizeof *logits, NULL));
  for (guint n = clips; n < slice; n++)
    for (guint k = 0; k < CLASSES; k++) {
      g_assert_true (isfinite (logits[n * row + k]));
      g_assert_cmpfloat (logits[n * row + k], ==, logits[clips * row + k]);
      g_assert_cmpfloat (logits[n * row + k], !=, logits[k]);
    }
}

/* An evaluation's logits: compared with the CPU's, and the same bits in all modes. */
static void
test_evaluation (gconstpointer data)
{
  static const gchar *const fusions[] = { "never", "timed", "always" };
  const Cnn3dPrecision precision = GPOINTER_TO_UINT (data);
  const gdouble bound = precision == CNN3D_PRECISION_32 ? 1e-5
      : precision == CNN3D_PRECISION_16_MIXED           ? 0.02
                                                        : 0.1;
  gfloat logits[BATCH * CLASSES], expected[BATCH * CLASSES], first[BATCH * CLASSES], alone[CLASSES];
  gdouble loss, accuracy;
  gint32 labels[CLIPS];
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;

  rig_params (&p, "r3d_18");

  g_autofree guint8 *frames = rig_frames (&p, labels);
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, 0 };
  Cnn3dTrainer *t;

  p.device = "cpu";
  t = cnn3d_trainer_new (&p, BATCH, NULL);
  g_assert_true (cnn3d_trainer_logits (t, &batch, expected, NULL));
  validate (t, &batch, &loss, &accuracy);
  cnn3d_trainer_free (&t);
  p.device = "cuda";
  p.precision = precision;
  for (guint i = 0; i < 6; i += 1 + 2 * FEWER) {
    p.recompute = i % 2 ? CNN3D_RECOMPUTE_BLOCK : CNN3D_RECOMPUTE_NONE;
    p.benchmark = i / 2 == 1;
    g_setenv ("CNN3D_CUDA_FUSION", fusions[i / 2], TRUE);
    t = cnn3d_trainer_new (&p, BATCH, &error);
    g_assert_no_error (error);
    for (guint twice = 0; twice < 3; twice++) {
      g_assert_true (cnn3d_trainer_logits (t, &batch, logits, &error));
      g_assert_no_error (error);
      if (!i && !twice)
        memcpy (first, logits, sizeof first);
      assert_padded (t, BATCH);
      g_assert_cmpfloat (distance (logits, expected, BATCH * CLASSES), <, bound);
      g_assert_cmpfloat (distance (logits, first, BATCH * CLASSES), <, bound / 5);
    }
    /* padding counts in no result, and neighbours change none */
    if (i < 2) {
      gdouble got, right;
      Cnn3dBatch one = batch;

      validate (t, &batch, &got, &right);
      g_assert_cmpfloat (fabs (got - loss) / loss, <, bound);
      g_assert_true (right == accuracy || precision != CNN3D_PRECISION_32);
      one.frames = frames + (BATCH - 1) * clip_bytes (&p);
      one.labels = labels + BATCH - 1;
      one.n = 1;
      g_assert_true (cnn3d_trainer_logits (t, &one, alone, &error));
      g_assert_no_error (error);
      g_assert_cmpmem (alone, sizeof alone, logits + (BATCH - 1) * CLASSES, sizeof alone);
    }
    cnn3d_trainer_free (&t);
  }
  g_unsetenv ("CNN3D_CUDA_FUSION");
  g_test_message ("logits within %.2g", distance (first, expected, BATCH * CLASSES));
}

static void
remove_cache (void)
{
  g_autofree gchar *path =
      g_build_filename (g_get_user_cache_dir (), "cnn3d", "convolutions.ini", NULL);

  g_unlink (path);
}

/* Timed once and remembered: the same bits in every run. */
static void
test_benchmark (gconstpointer data)
{
  g_autofree gchar *path =
      g_build_filename (g_get_user_cache_dir (), "cnn3d", "convolutions.ini", NULL);
  Cnn3dTrainerParams p;
  Run first, second;
  guint waits[2];

  rig_params (&p, "r3d_18");
  p.precision = GPOINTER_TO_UINT (data);
  p.recompute = CNN3D_RECOMPUTE_BN;
  p.benchmark = TRUE;
  remove_cache ();
  waits[0] = cuda->synchronisations;
  rig_must (&p, "cuda", 1, 3, 0, &first);
  waits[0] = cuda->synchronisations - waits[0];
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  waits[1] = cuda->synchronisations;
  rig_must (&p, "cuda", 1, 3, 0, &second);
  waits[1] = cuda->synchronisations - waits[1];
  g_test_message ("%u waits with timing, %u without", waits[0], waits[1]);
  g_assert_cmpuint (waits[1] + 50, <, waits[0]);
  assert_same_bits (&second, &first, "with what was found before");
  run_clear (&first);
  run_clear (&second);
  remove_cache ();
}

/* --- work of a step --- */

/* Recorded passes are replayed; a step allocates no memory and synchronises once. */
static void
test_steps (void)
{
  const guint recorded = cuda->recorded, replayed = cuda->replayed;
  Cnn3dTrainerParams p;
  Run r;

  rig_params (&p, "r3d_18");
  rig_must (&p, "cuda", 2, 0, 0, &r);
  g_test_message ("%u recorded, %u replayed; a batch: %u allocations, %u waits",
      cuda->recorded - recorded, cuda->replayed - replayed, r.allocations, r.synchronisations);
  g_assert_cmpuint (cuda->recorded - recorded, ==, 2); /* full batches and the epoch's last */
  g_assert_cmpuint (cuda->replayed - replayed, ==, 10);
  g_assert_cmpuint (r.allocations, ==, 0);
  g_assert_cmpuint (r.synchronisations, ==, 1);
  run_clear (&r);
}

/* The predicted memory is what is taken, to the byte; afterwards everything is freed. */
static void
test_memory (void)
{
  static const struct {
    const gchar *network;
    Cnn3dPrecision precision;
  } runs[] = { { "r3d_18", CNN3D_PRECISION_32 }, { "slow_r50", CNN3D_PRECISION_16_MIXED },
    { "mc3_18-late", CNN3D_PRECISION_16_MIXED } };

  for (guint i = 0; i < G_N_ELEMENTS (runs); i++)
    /* two streams differ from one in what they keep, not in what they recompute */
    for (Cnn3dRecompute r = i == 2 ? CNN3D_RECOMPUTE_OFFLOAD : CNN3D_RECOMPUTE_NONE;
        r < CNN3D_RECOMPUTE_AUTO; r++) {
      const gint alive = cuda->alive, descriptors = dnn_descriptors ();
      Cnn3dTrainerParams p;
      gsize own;
      Run run;

      rig_params (&p, runs[i].network);
      p.precision = runs[i].precision;
      p.recompute = r;
      p.device = "cuda";
      cuda->most = 0;
      rig_must (&p, "cuda", 1, 3, 0, &run);
      own = run.taken - run.memory.total;
      g_test_message ("%" G_GSIZE_FORMAT " bytes, and %" G_GSIZE_FORMAT " of the device's own",
          run.memory.total, own);
      g_assert_cmpuint (own, <, 1 << 20);
      g_assert_cmpuint (run.memory.input, >, 0);
      g_assert_cmpuint (cuda->taken, ==, 0);
      g_assert_cmpint (cuda->alive, ==, alive);
      g_assert_cmpint (dnn_descriptors (), ==, descriptors);
      run_clear (&run);
    }
}

/* --- devices --- */

static void
test_devices (void)
{
  const Cnn3dBackend *backend = cnn3d_backend_load ("cuda", NULL);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) list = backend->list (&error);
  g_auto (GStrv) none = NULL;
  Cnn3dDeviceParams params = { .index = 3 };
  Cnn3dTrainerParams p;
  Run r;

  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length (list), ==, 1);
  g_assert_cmpstr (list[0], ==, "cuda:0: Test double, 4.0 GiB, compute capability 9.0");
  g_assert_null (backend->open (&params, &error));
  g_assert_nonnull (
      strstr (error->message, "there is no GPU number 3 here, only 0 to 0: use device=cuda:0"));
  g_clear_error (&error);
  cuda->capability = 700;
  params.index = 0;
  g_assert_null (backend->open (&params, &error));
  g_assert_nonnull (strstr (error->message,
      "this GPU's compute capability is 7.0, and 7.5 is the oldest that is supported"));
  g_clear_error (&error);
  cuda->capability = 750;
  rig_params (&p, "r3d_18");
  p.device = "cuda";
  p.precision = CNN3D_PRECISION_BF16_MIXED;
  g_assert_false (rig_run (&p, 1, 1, 0, &r, &error));
  g_assert_nonnull (strstr (error->message,
      " has no bf16 (compute capability 7.5, it came with 8.0): use precision=16-mixed"));
  g_clear_error (&error);
  cuda->capability = 900;
  cuda->devices = 0;
  none = backend->list (&error);
  g_assert_cmpuint (g_strv_length (none), ==, 0);
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING);
  g_assert_cmpstr (
      error->message, ==, "there is no NVIDIA GPU here (CUDA finds none): use device=cpu");
  g_clear_error (&error);
  /* auto takes what is available */
  rig_must (&p, "auto", 1, 1, 0, &r);
  run_clear (&r);
  cuda->devices = 1;
  p.precision = CNN3D_PRECISION_32;
  rig_must (&p, "auto", 1, 1, 0, &r);
  g_assert_cmpuint (r.taken, >, r.memory.total);
  run_clear (&r);
}

/* A GPU that is not installed: with cuDNN, its plans' workspaces are known. */
static void
test_planned (void)
{
  const Cnn3dBackend *backend = cnn3d_backend_load ("cuda", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *profile = cnn3d_gpus_find ("rtx3080", &error);
  const Cnn3dDeviceParams params = { .profile = profile };
  Cnn3dDevice *device = profile ? backend->open (&params, &error) : NULL;

  g_assert_no_error (error);
  g_assert_nonnull (
      strstr (backend->describe (device), "RTX 3080 (not installed), workspaces by cuDNN 9.19.0"));
  backend->close (&device);
}

/* Frames of a wider type than planned are an error; the run continues after it. */
static void
test_wide_frames (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;

  rig_params (&p, "r3d_18");
  p.device = "cuda";

  const Cnn3dPass pass = { .training = TRUE, .clips = 2 };
  g_autofree gfloat *frames = g_new0 (gfloat, BATCH * clip_bytes (&p));
  const gint32 labels[2] = { 0 };
  Cnn3dBatch batch = { frames, CNN3D_TYPE_FLOAT32, labels, 2, 2 };
  Cnn3dTrainer *t = cnn3d_trainer_new (&p, BATCH, &error);
  Cnn3dProgress progress;

  g_assert_no_error (error);
  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  g_assert_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA);
  g_assert_cmpstr (error->message, ==,
      "frames arrived as 32-bit numbers, but memory was planned for 8-bit ones");
  g_clear_error (&error);
  batch.type = CNN3D_TYPE_UINT8;
  g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
  cnn3d_trainer_free (&t);
  g_assert_cmpuint (cuda->taken, ==, 0);
}

/* With a cuDNN that convolves wrongly there is no training. */
static void
test_wrong (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Run r;

  rig_params (&p, "r3d_18");
  p.device = "cuda";
  dnn_wrong (DNN_DOUBLE_ALL_WRONG);
  g_assert_false (rig_run (&p, 1, 1, 0, &r, &error));
  dnn_wrong (DNN_DOUBLE_NONE_WRONG);
  g_assert_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "wrongly in each way that was tried"));
  g_assert_cmpuint (cuda->taken, ==, 0);
}

int
main (int argc, char **argv)
{
  static const Cnn3dPrecision precisions[] = { CNN3D_PRECISION_32, CNN3D_PRECISION_16_MIXED,
    CNN3D_PRECISION_BF16_MIXED };
  static const gchar *const names[] = { "32", "16-mixed", "bf16-mixed" };
  static const gchar *const offloaded[] = { "r3d_18", "slow_r50", "slow_r50-views-concat" };

  g_test_init (&argc, &argv, NULL);
  rig_init ();
  for (guint i = 0; i < (FEWER ? 1 : G_N_ELEMENTS (cases)); i++) {
    g_autofree gchar *path = g_strdup_printf ("/backend/f32/%s", cases[i].network);

    g_test_add_data_func (path, &cases[i], test_f32);
  }
  for (guint i = 0; !FEWER && i < G_N_ELEMENTS (settings); i++) {
    g_autofree gchar *path = g_strdup_printf ("/backend/setting/%s", settings[i].name);

    g_test_add_data_func (path, &settings[i].set, test_setting);
  }
  for (guint i = FEWER; i < (FEWER ? 2 : G_N_ELEMENTS (precisions)); i++) {
    const gpointer precision = GUINT_TO_POINTER (precisions[i]);
    g_autofree gchar *recompute = g_strdup_printf ("/backend/recompute/%s", names[i]);
    g_autofree gchar *resume = g_strdup_printf ("/backend/resume/%s", names[i]);
    g_autofree gchar *evaluation = g_strdup_printf ("/backend/evaluation/%s", names[i]);
    g_autofree gchar *half = g_strdup_printf ("/backend/half/%s", names[i]);
    g_autofree gchar *fusion = g_strdup_printf ("/backend/fusion/%s", names[i]);
    g_autofree gchar *benchmark = g_strdup_printf ("/backend/benchmark/%s", names[i]);

    g_test_add_data_func (resume, precision, test_resume);
    g_test_add_data_func (evaluation, precision, test_evaluation);
    if (!FEWER) {
      g_test_add_data_func (recompute, precision, test_recompute);
      g_test_add_data_func (benchmark, precision, test_benchmark);
    }
    if (i && !FEWER)
      g_test_add_data_func (half, precision, test_half);
    if (i)
      g_test_add_data_func (fusion, precision, test_fusion);
  }
  for (guint i = 0; i < (FEWER ? 1 : G_N_ELEMENTS (offloaded)); i++) {
    g_autofree gchar *path = g_strdup_printf ("/backend/offload/%s", offloaded[i]);

    g_test_add_data_func (path, offloaded[i], test_offload);
  }
  g_test_add_func ("/backend/offload/waits", test_offload_waits);
  g_test_add_func ("/backend/offload/failures", test_offload_failures);
  g_test_add_func ("/backend/overflow", test_overflow);
  g_test_add_func ("/backend/no-scale", test_no_scale);
  g_test_add_func ("/backend/steps", test_steps);
  g_test_add_func ("/backend/memory", test_memory);
  g_test_add_func ("/backend/devices", test_devices);
  g_test_add_func ("/backend/planned", test_planned);
  g_test_add_func ("/backend/wide-frames", test_wide_frames);
  g_test_add_func ("/backend/wrong-cudnn", test_wrong);
  return g_test_run ();
}
