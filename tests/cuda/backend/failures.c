/* Every call of the CUDA run time and of cuDNN fails in turn: the run ends with an error that says
 * what failed, or continues without the call and computes the same; everything is released. All
 * calls of the setup and some of the many similar ones are tried; CNN3D_TEST_FAILURES is their
 * number.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"

#include <glib/gstdio.h>
#include <stdlib.h>

/* Number of similar calls tried. */
#ifdef __SANITIZE_ADDRESS__
#define TRIES 12
#else
#define TRIES 20
#endif
#define BATCHES 3 /* eager, recorded, replayed */

static void
params_init (Cnn3dTrainerParams *p, const gchar *network, Cnn3dPrecision precision)
{
  rig_params (p, network);
  p->network.frames = 2;
  p->network.height = p->network.width = 16;
  if (p->network.heatmap_size)
    p->network.heatmap_size = 8;
  p->device = "cuda";
  p->precision = precision;
  p->recompute = precision == CNN3D_PRECISION_32 ? CNN3D_RECOMPUTE_NONE : CNN3D_RECOMPUTE_BN;
  g_setenv ("CNN3D_CUDA_FUSION", "always", TRUE);
}

typedef struct {
  guint errors, without; /* runs that ended, and runs that continued without the call */
} Seen;

static void
try_one (const Cnn3dTrainerParams *p, const Run *right, const gchar *which, gboolean same_plans,
    guint64 n, Seen *seen)
{
  const gint alive = cuda->alive, descriptors = dnn_descriptors ();
  g_autoptr (GError) error = NULL;
  Run r;

  if (rig_run (p, 1, BATCHES, 0, &r, &error)) {
    g_autofree gchar *what = g_strdup_printf ("%s call %" G_GUINT64_FORMAT " failed", which, n);

    /* without a plan another is taken, which may round differently */
    if (!same_plans)
      g_assert_cmpfloat (worst_loss (&r, right), <, 1e-2);
    else
      assert_same_bits (&r, right, what);
    run_clear (&r);
    seen->without++;
  } else {
    if (!error || strlen (error->message) < 20)
      g_error ("%s call %" G_GUINT64_FORMAT ": no error that says anything", which, n);
    seen->errors++;
  }
  cuda->fail_at = 0;
  dnn_fail_at (0);
  if (cuda->taken || cuda->alive != alive || dnn_descriptors () != descriptors)
    g_error ("%s call %" G_GUINT64_FORMAT " (%s): %" G_GSIZE_FORMAT
             " bytes, %d things and %d descriptors are left",
        which, n, error ? error->message : "done without", cuda->taken, cuda->alive - alive,
        dnn_descriptors () - descriptors);
}

/* The next call to fail: each of the first, then in strides. FP32 makes fewer kinds of calls. */
static guint64
next (guint64 n, guint64 calls, Cnn3dPrecision precision)
{
  const gchar *wanted = g_getenv ("CNN3D_TEST_FAILURES");
  const guint usual = precision == CNN3D_PRECISION_32 ? TRIES / 2 : TRIES;
  const guint64 tries = wanted ? MAX (2, atoi (wanted)) : (gint) usual, first = tries / 2;

  return n + (n < first || calls < tries ? 1 : MAX (1, (calls - first) / (tries - first)));
}

static void
test_failures (gconstpointer data)
{
  Cnn3dTrainerParams p;
  guint64 calls, dnn;
  Seen seen[2] = { { 0 } };
  Run right;

  params_init (&p, "r3d_18", GPOINTER_TO_UINT (data));
  calls = cuda->calls;
  dnn = dnn_calls ();
  rig_must (&p, "cuda", 1, BATCHES, 0, &right);
  calls = cuda->calls - calls;
  dnn = dnn_calls () - dnn;
  for (guint64 n = 1; n <= calls; n = next (n, calls, p.precision)) {
    cuda->fail_at = cuda->calls + n;
    /* some failures are sticky: all later calls fail too */
    cuda->fails_again = n % 2 ? 0 : G_MAXUINT32;
    try_one (&p, &right, "CUDA", TRUE, n, &seen[0]);
  }
  cuda->fails_again = 0;
  for (guint64 n = 1; n <= dnn; n = next (n, dnn, p.precision)) {
    dnn_fail_at (n);
    try_one (&p, &right, "cuDNN", FALSE, n, &seen[1]);
  }
  g_test_message ("CUDA: %" G_GUINT64_FORMAT
                  " calls, %u tried, %u ended the run; cuDNN: %" G_GUINT64_FORMAT ", %u, %u",
      calls, seen[0].errors + seen[0].without, seen[0].errors, dnn,
      seen[1].errors + seen[1].without, seen[1].errors);
  g_assert_cmpuint (seen[0].errors, >, seen[0].without);
  g_assert_cmpuint (seen[1].errors, >, 4);
  run_clear (&right);
}

/* Memory that is available when it is planned, but not when it is allocated. */
static void
test_memory (void)
{
  const gsize all = cuda->memory;
  Cnn3dTrainerParams p;
  guint refused = 0;

  params_init (&p, "r3d_18", CNN3D_PRECISION_32);
  for (gsize memory = 0; memory < (gsize) 1 << 20; memory += 100000) {
    g_autoptr (GError) error = NULL;
    Run r;

    cuda->memory = memory;
    if (rig_run (&p, 1, 1, 0, &r, &error)) {
      run_clear (&r);
      continue;
    }
    refused++;
    g_assert_nonnull (error);
    g_assert_cmpuint (cuda->taken, ==, 0);
  }
  cuda->memory = all;
  g_assert_cmpuint (refused, ==, 11);
}

/* The message for each kind of call. */
static void
test_words (void)
{
  static const struct {
    const gchar *call, *says, *network;
  } table[] = {
    { "cudaGetDeviceCount",
        "there is no NVIDIA GPU here (no driver for CUDA 13 or later is installed): use "
        "device=cpu" },
    { "cudaGetDeviceProperties", "CUDA: the GPU's properties cannot be read: " },
    { "cudaSetDevice",
        "CUDA: the GPU cannot be selected: an error that a test asked for (error 101)" },
    { "cudaStreamCreateWithFlags", "CUDA: cannot create the work stream: " },
    { "cudaStreamCreateWithFlags", "CUDA: cannot create the copy stream: " },
    { "event_new", "CUDA: cannot create an event: " },
    { "cudaHostAlloc", "CUDA: cannot allocate pinned memory: " },
    { "cudaMalloc", "CUDA: cannot allocate the GPU's memory: " },
    { "cudaMalloc", " bytes cannot be allocated: " },
    { "cudaMemsetAsync", "CUDA: memory cannot be cleared: " },
    { "cudaMemcpyAsync", "CUDA: a copy failed: " },
    { "cudaStreamSynchronize", "CUDA: the GPU failed while it computed: " },
    { "cudaStreamBeginCapture", "CUDA: recording failed: " },
    { "cudaGraphLaunch", "CUDA: a recorded pass cannot be started: " },
    { "cudaEventElapsedTime", "CUDA: timing failed: " },
    { "cuda_input", "CUDA: the input cannot be normalised: " },
    { "cuda_input_with_points", "CUDA: the key points cannot be drawn: ", "r3d_18-stem" },
    { "cuda_check_expect", "CUDA: a convolution cannot be checked: " },
    { "cuda_check_compare", "CUDA: a convolution cannot be checked: " },
    { "cuda_convert", "CUDA: weights cannot be converted: " },
    { "cuda_add_gradient", "CUDA: a gradient cannot be converted: " },
    { "cuda_norm_finish", "CUDA: batch norm failed: " },
    { "cuda_max_pool", "CUDA: max pooling failed: ", "slow_r50" },
    { "cuda_global_pool", "CUDA: pooling failed: " },
    { "cuda_concat", "CUDA: joining two streams failed: ", "r3d_18-concat" },
    { "cuda_concat_backward", "CUDA: joining two streams failed: ", "r3d_18-concat" },
    { "cuda_mean", "CUDA: joining two streams failed: ", "mc3_18-late" },
    { "cuda_mean_backward", "CUDA: joining two streams failed: ", "mc3_18-late" },
    { "cuda_views", "CUDA: joining views failed: ", "r3d_18-views-logits" },
    { "cuda_views_backward", "CUDA: joining views failed: ", "r3d_18-views-logits" },
    { "cuda_dropout", "CUDA: dropout failed: " },
    { "cuda_linear", "CUDA: the last layer failed: " },
    { "cuda_loss", "CUDA: the loss failed: " },
    { "cuda_squares", "CUDA: the gradient's norm failed: " },
    { "cuda_update", "CUDA: the update failed: " },
  };
  g_autofree gchar *plans =
      g_build_filename (g_get_user_cache_dir (), "cnn3d", "convolutions.ini", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    Cnn3dTrainerParams p;
    gboolean said = FALSE, reached = TRUE;

    params_init (&p, table[i].network ? table[i].network : "r3d_18", CNN3D_PRECISION_16_MIXED);
    p.gradient_clip = 1;
    /* plans are timed only once, and if fusion is not forced */
    p.benchmark = !strcmp (table[i].call, "cudaEventElapsedTime");
    if (p.benchmark) {
      g_unsetenv ("CNN3D_CUDA_FUSION");
      g_unlink (plans);
    }
    for (guint after = 0; !said && reached && after < 5000; after += 1 + after / 8) {
      g_autoptr (GError) error = NULL;
      Run r;

      cuda->fail_in = table[i].call;
      cuda->fail_after = after;
      if (rig_run (&p, 1, BATCHES, 0, &r, &error))
        run_clear (&r);
      else
        said = strstr (error->message, table[i].says) != NULL;
      reached = cuda->fail_after == 0;
      cuda->fail_in = NULL;
      g_assert_cmpuint (cuda->taken, ==, 0);
    }
    if (!said)
      g_error ("no call of %s that fails is said to be '%s'", table[i].call, table[i].says);
  }
}

/* Passes that cannot be recorded are started operation by operation, with the same results; how many
 * there were, and why, is known. */
static void
test_unrecorded (void)
{
  static const gchar *const calls[] = { "cudaStreamEndCapture", "cudaGraphInstantiate" },
                            *const says[] = { "CUDA: a recording cannot be ended: ",
                              "CUDA: a recording cannot be instantiated: " };
  Cnn3dTrainerParams p;
  Run recorded, eager;

  params_init (&p, "r3d_18", CNN3D_PRECISION_32);
  rig_must (&p, "cuda", 1, 4, 0, &recorded);
  g_assert_cmpuint (recorded.passes.eager, ==, 1);
  g_assert_cmpuint (recorded.passes.recorded, ==, 1);
  g_assert_cmpuint (recorded.passes.replayed, ==, 3);
  g_assert_cmpuint (recorded.passes.failed, ==, 0);
  g_assert_null (recorded.unrecorded);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++) {
    cuda->fail_in = calls[i];
    rig_must (&p, "cuda", 1, 4, 0, &eager);
    cuda->fail_in = NULL;
    assert_same_bits (&eager, &recorded, calls[i]);
    g_assert_cmpuint (eager.passes.eager, ==, 4);
    g_assert_cmpuint (eager.passes.recorded, ==, 0);
    g_assert_cmpuint (eager.passes.replayed, ==, 0);
    g_assert_cmpuint (eager.passes.failed, ==, 1); /* it is not tried again */
    g_assert_true (g_str_has_prefix (eager.unrecorded, says[i]));
    run_clear (&eager);
  }
  run_clear (&recorded);
  p.device = "cpu";
  rig_must (&p, "cpu", 1, 1, 0, &eager);
  g_assert_cmpuint (eager.passes.eager, ==, 0);
  run_clear (&eager);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  rig_init ();
  g_test_add_data_func ("/failures/32", GUINT_TO_POINTER (CNN3D_PRECISION_32), test_failures);
  g_test_add_data_func (
      "/failures/16-mixed", GUINT_TO_POINTER (CNN3D_PRECISION_16_MIXED), test_failures);
  g_test_add_func ("/failures/memory", test_memory);
  g_test_add_func ("/failures/words", test_words);
  g_test_add_func ("/failures/unrecorded", test_unrecorded);
  return g_test_run ();
}
