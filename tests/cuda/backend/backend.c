/* The whole CUDA back end, on doubles of the CUDA run time and of cuDNN, gives the CPU back end's
 * training results.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"
#include "src/backend/gpus.h"

#define EPOCHS (FEWER ? 1 : 2) /* of 6 batches */
#define REPLAYED 3 /* batches: eager, recorded, replayed with other frames and key points */

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
  { "mc3_18", 1, REPLAYED, 1e-5, 1e-5, 2e-3 },
  { "r2plus1d_18", 1, 1, 1e-6, 5e-5, 2e-3 },
  { "slow_r50", 1, 1, 3e-6, 2e-4, 2e-3 },
  { "r3d_18-concat", 1, 1, 1e-6, 5e-5, 2e-3 },
  { "mc3_18-mean", 1, 1, 1e-6, 5e-5, 2e-3 },
  { "posec3d_slowonly", 1, REPLAYED, 1e-5, 5e-5, 2e-3 },
  { "mc3_18-late", 1, REPLAYED, 1e-5, 5e-5, 2e-3 },
  { "r3d_18-stem", 1, REPLAYED, 1e-5, 1e-5, 2e-3 },
  { "r3d_18-views-logits", 1, 0, 1e-5, 5e-5, 2e-3 }, /* the last batch is a short one */
  { "mc3_18-views-probabilities", 1, REPLAYED, 1e-5, 5e-5, 2e-3 },
  { "r3d_18-views-features", 1, REPLAYED, 1e-5, 5e-5, 2e-3 },
  { "mc3_18-late-views-concat", 1, REPLAYED, 1e-5, 5e-5, 2e-3 },
};

/* The losses of each step and the final weights, with updates layer by layer; the gradients of the
 * first batch, with updates at its end. A single batch is run the second way only. */
static void
test_f32 (gconstpointer data)
{
  const Case *c = data;
  Cnn3dTrainerParams p;
  Run gpu, cpu;

  rig_params (&p, c->network);
  for (guint keeps = c->batches == 1; keeps < 2; keeps++) {
    const guint batches = keeps ? 1 : c->batches;

    p.keep_gradients = keeps;
    rig_must (&p, "cuda", c->epochs, batches, 0, &gpu);
    rig_must (&p, "cpu", c->epochs, batches, 0, &cpu);
    g_test_message (
        "%u steps: losses within %.2g, weights within %.2g of their way; loss %.3f to %.3f",
        gpu.n_steps, worst_loss (&gpu, &cpu), weights_apart (&gpu, &cpu), gpu.loss[0],
        gpu.loss[gpu.n_losses - 1]);
    g_assert_cmpuint (gpu.n_steps, ==, batches ? batches : 6 * c->epochs);
    g_assert_cmpuint (gpu.n_steps, ==, cpu.n_steps);
    g_assert_cmpfloat (worst_loss (&gpu, &cpu), <, c->loss);
    g_assert_cmpfloat (weights_apart (&gpu, &cpu), <, c->weights);
    if (keeps) {
      g_test_message ("gradients within %.2g", gradients_apart (&gpu, &cpu));
      g_assert_cmpfloat (gradients_apart (&gpu, &cpu), <, c->gradients);
    }
    run_clear (&gpu);
    run_clear (&cpu);
  }
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

/* Groups of batches, and what cuts them, take a whole epoch, with its short last batch. */
typedef struct {
  const gchar *name;
  void (*set) (Cnn3dTrainerParams *p);
  guint batches; /* 0: all */
} Setting;

static const Setting settings[] = {
  { "class-weights", set_class_weights, REPLAYED },
  { "weighted-groups", set_weighted_groups, 0 },
  { "accumulation", set_accumulation, 0 },
  { "clipping", set_clipping, REPLAYED },
  { "micro-batches", set_micro_batches, 0 },
  { "adam", set_adam, REPLAYED },
  { "adamw", set_adamw, REPLAYED },
  { "plain-sgd", set_plain_sgd, REPLAYED },
  { "frozen-backbone", set_frozen_backbone, REPLAYED },
  { "frozen-stem", set_frozen_stem, REPLAYED },
};

static void
test_setting (gconstpointer data)
{
  const Setting *c = data;
  Cnn3dTrainerParams p;
  Run gpu, cpu;

  rig_params (&p, "r3d_18");
  c->set (&p);
  rig_must (&p, "cuda", 1, c->batches, 0, &gpu);
  rig_must (&p, "cpu", 1, c->batches, 0, &cpu);
  g_test_message ("%u steps: losses within %.2g, weights within %.2g of their way", gpu.n_steps,
      worst_loss (&gpu, &cpu), weights_apart (&gpu, &cpu));
  g_assert_cmpuint (gpu.n_steps, ==, cpu.n_steps);
  g_assert_cmpfloat (worst_loss (&gpu, &cpu), <, 1e-5);
  g_assert_cmpfloat (weights_apart (&gpu, &cpu), <, 2e-3);
  run_clear (&gpu);
  run_clear (&cpu);
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
  rig_enlarge (&p);
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
  rig_must (&p, "cuda", 1, first + 3, 1, &plain);
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
      rig_must (&p, "cuda", 1, i ? 1 : 2, 0, &run); /* the second is recorded */
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
  g_test_init (&argc, &argv, NULL);
  rig_init ();
  for (guint i = 0; i < (FEWER ? 1 : G_N_ELEMENTS (cases)); i++) {
    g_autofree gchar *path = g_strdup_printf ("/backend/f32/%s", cases[i].network);

    g_test_add_data_func (path, &cases[i], test_f32);
  }
  for (guint i = 0; !FEWER && i < G_N_ELEMENTS (settings); i++) {
    g_autofree gchar *path = g_strdup_printf ("/backend/setting/%s", settings[i].name);

    g_test_add_data_func (path, &settings[i], test_setting);
  }
  if (!FEWER) {
    g_test_add_data_func (
        "/backend/half/16-mixed", GUINT_TO_POINTER (CNN3D_PRECISION_16_MIXED), test_half);
    g_test_add_data_func (
        "/backend/half/bf16-mixed", GUINT_TO_POINTER (CNN3D_PRECISION_BF16_MIXED), test_half);
  }
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
