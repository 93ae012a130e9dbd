/* The CUDA back end on doubles computes the same in all of its modes: recomputed, resumed, fused,
 * timed, and in evaluations.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"

#include <glib/gstdio.h>

/* --- the same bits --- */

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

/* Stopped after three batches and resumed: the same bits as without a stop. */
static void
test_resume (void)
{
  g_autofree gchar *dir = g_dir_make_tmp ("cuda-modes-XXXXXX", NULL);
  Cnn3dTrainerParams p;
  Run whole, part;
  GDir *folder;
  const gchar *name;

  rig_params (&p, "r3d_18");
  p.precision = CNN3D_PRECISION_16_MIXED; /* whose loss scale is kept, too */
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
  rig_enlarge (&p);
  p.precision = precision;
  p.keep_gradients = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    /* the 16-bit types differ in rounding alone */
    if (precision == CNN3D_PRECISION_BF16_MIXED && ways[i] != CNN3D_RECOMPUTE_BN)
      continue;
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
  static const struct {
    Cnn3dRecompute recompute;
    const gchar *fusion;
  } ways[] = { { CNN3D_RECOMPUTE_NONE, "never" }, { CNN3D_RECOMPUTE_BLOCK, "never" },
    { CNN3D_RECOMPUTE_NONE, "timed" }, { CNN3D_RECOMPUTE_BLOCK, "always" } };
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
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    p.recompute = ways[i].recompute;
    p.benchmark = !strcmp (ways[i].fusion, "timed");
    g_setenv ("CNN3D_CUDA_FUSION", ways[i].fusion, TRUE);
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
test_benchmark (void)
{
  g_autofree gchar *path =
      g_build_filename (g_get_user_cache_dir (), "cnn3d", "convolutions.ini", NULL);
  Cnn3dTrainerParams p;
  Run first, second;
  guint waits[2];

  rig_params (&p, "r3d_18");
  p.precision = CNN3D_PRECISION_16_MIXED;
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

int
main (int argc, char **argv)
{
  static const Cnn3dPrecision precisions[] = { CNN3D_PRECISION_32, CNN3D_PRECISION_16_MIXED,
    CNN3D_PRECISION_BF16_MIXED };
  static const gchar *const names[] = { "32", "16-mixed", "bf16-mixed" };

  g_test_init (&argc, &argv, NULL);
  rig_init ();
  for (guint i = FEWER; i < (FEWER ? 2 : G_N_ELEMENTS (precisions)); i++) {
    const gpointer precision = GUINT_TO_POINTER (precisions[i]);
    g_autofree gchar *recompute = g_strdup_printf ("/modes/recompute/%s", names[i]);
    g_autofree gchar *evaluation = g_strdup_printf ("/modes/evaluation/%s", names[i]);
    g_autofree gchar *fusion = g_strdup_printf ("/modes/fusion/%s", names[i]);

    g_test_add_data_func (evaluation, precision, test_evaluation);
    if (precisions[i] != CNN3D_PRECISION_BF16_MIXED && !FEWER)
      g_test_add_data_func (recompute, precision, test_recompute);
    if (precisions[i] != CNN3D_PRECISION_32)
      g_test_add_data_func (fusion, precision, test_fusion);
  }
  g_test_add_func ("/modes/resume", test_resume);
  if (!FEWER)
    g_test_add_func ("/modes/benchmark", test_benchmark);
  return g_test_run ();
}
