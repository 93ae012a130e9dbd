/* Several ranks end with the files of one process that accumulates, to the bit.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "smallrun.h"
#include "threadcomm.h"

/* Clips that cannot be read; -1: none. */
typedef struct {
  const Cnn3dTrainerParams *params;
  guint size, rank;
  gint skipped[6];
  guint64 resume_at; /* stops at the first checkpoint from this position on; 0: never */
} Job;

static gboolean
is_skipped (const Job *job, guint64 position)
{
  for (guint i = 0; i < G_N_ELEMENTS (job->skipped); i++)
    if (job->skipped[i] >= 0 && (guint64) job->skipped[i] == position % EPOCH_POSITIONS)
      return TRUE;
  return FALSE;
}

static void
save_if_due (Cnn3dTrainer *t, const Cnn3dProgress *progress)
{
  g_autoptr (GError) error = NULL;

  if (progress->checkpoint_due)
    cnn3d_trainer_save (t, NULL, &error);
  g_assert_no_error (error);
}

static void
close_groups (Cnn3dTrainer *t, const Cnn3dBatch *next)
{
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;

  do {
    cnn3d_trainer_close_group (t, next, &progress, &error);
    g_assert_no_error (error);
    save_if_due (t, &progress);
  } while (progress.ready);
}

/* Trains or validates the pass at `position`, of whose batches this rank has its own. */
static void
run_pass (Cnn3dTrainer *t, const Cnn3dTrainerParams *p, const Job *job, guint64 position)
{
  const guint64 in_epoch = position % EPOCH_POSITIONS, epoch = position / EPOCH_POSITIONS;
  const gboolean training = in_epoch < CLIPS;
  const guint64 first = epoch * EPOCH_POSITIONS + (training ? 0 : CLIPS),
                end = first + (training ? CLIPS : VAL);
  guint8 frames[BATCH * CLIP_BYTES];
  g_autoptr (GError) error = NULL;
  gint32 labels[BATCH];
  Cnn3dPassResult result;
  Cnn3dProgress progress;
  guint64 sent;

  begin (t, position);
  for (guint64 begins = first; begins < end; begins += BATCH) {
    Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, 0, MIN (begins + BATCH, end) };

    if (begins < position || (begins - first) / BATCH % job->size != job->rank)
      continue;
    for (guint64 at = begins; at < batch.position; at++)
      if (!is_skipped (job, at)) {
        draw_clip (at, frames + batch.n * CLIP_BYTES, labels + batch.n);
        batch.n++;
      }
    if (batch.n == 0)
      continue;
    cnn3d_trainer_stage (t, &batch, &error);
    g_assert_no_error (error);
    close_groups (t, &batch);
    sent = p->comm ? cnn3d_comm_sent (p->comm) : 0;
    cnn3d_trainer_start (t, &progress, &error);
    g_assert_no_error (error);
    if (p->comm && training && p->accumulate == 1 && progress.stepped)
      g_assert_cmpuint (cnn3d_comm_sent (p->comm) - sent, ==, cnn3d_trainer_sends (t));
    save_if_due (t, &progress);
  }
  close_groups (t, NULL);
  cnn3d_trainer_end_pass (t, end, &result, &error);
  g_assert_no_error (error);
  if (result.checkpoint_due)
    cnn3d_trainer_save (t, NULL, &error);
  g_assert_no_error (error);
}

static gpointer
run_rank (gpointer data)
{
  Job *job = data;
  Cnn3dTrainerParams p = *job->params;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t;
  guint64 position = 0;
  Cnn3dPassResult ended;

  own_rank = job->rank;
  if (job->size > 1)
    p.comm = cnn3d_comm_join_by (&thread_transport, 60, &error);
  g_assert_no_error (error);
  t = start (&p);
  if (p.checkpoint_dir && exists (p.checkpoint_dir, "last.safetensors"))
    cnn3d_trainer_resume (t, &position, &ended, &error);
  g_assert_no_error (error);
  while (position < EPOCHS * EPOCH_POSITIONS && !(job->resume_at && position >= job->resume_at)) {
    run_pass (t, &p, job, position);
    position = position - position % EPOCH_POSITIONS
        + (position % EPOCH_POSITIONS < CLIPS ? CLIPS : EPOCH_POSITIONS);
  }
  cnn3d_trainer_free (&t);
  cnn3d_comm_leave (&p.comm, FALSE);
  return NULL;
}

/* A run in a folder of its own. */
static gchar *
run_ranks (const Cnn3dTrainerParams *params, guint size, const gint *skipped, guint64 resume_at)
{
  Cnn3dTrainerParams p = *params;
  gchar *dir = p.checkpoint_dir ? g_strdup (p.checkpoint_dir) : make_dir ();
  Job jobs[MOST_RANKS];
  GThread *threads[MOST_RANKS];

  p.checkpoint_dir = dir;
  hub.size = size;
  for (guint r = 0; r < size; r++) {
    jobs[r] = (Job) { &p, size, r, { -1, -1, -1, -1, -1, -1 }, resume_at };
    if (skipped)
      memcpy (jobs[r].skipped, skipped, sizeof jobs[r].skipped);
    threads[r] = g_thread_new ("rank", run_rank, &jobs[r]);
  }
  for (guint r = 0; r < size; r++)
    g_thread_join (threads[r]);
  return dir;
}

/* One process that accumulates 4 batches, 2 ranks that accumulate 2, 4 ranks. */
static void
check_same (const Cnn3dTrainerParams *params, const gint *skipped)
{
  Cnn3dTrainerParams p = *params;
  gchar *alone;

  p.accumulate = 4;
  alone = run_ranks (&p, 1, skipped, 0);
  for (guint size = 2; size <= 4; size *= 2) {
    gchar *dir;

    p.accumulate = 4 / size;
    dir = run_ranks (&p, size, skipped, 0);
    assert_same_runs (alone, dir);
    remove_dir (dir);
  }
  remove_dir (alone);
}

static void
test_sgd (void)
{
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.network.dropout = 0.3;
  p.weight_decay = 1e-3;
  p.lr.schedule = CNN3D_LR_COSINE;
  p.checkpoint_interval = 1;
  check_same (&p, NULL);
}

static void
test_adamw (void)
{
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.network.model = "slow_r50";
  p.optimizer = CNN3D_UPDATE_ADAMW;
  p.lr.lr = 1e-3;
  p.gradient_clip = 0.5;
  p.label_smoothing = 0.1;
  p.precision = CNN3D_PRECISION_BF16_MIXED;
  check_same (&p, NULL);
}

/* A clip, and all clips of a batch. */
static void
test_skipped (void)
{
  static const gint one[6] = { 4, -1, -1, -1, -1, -1 }, all[6] = { 3, 4, 5, -1, -1, -1 },
                    last[6] = { 9, 10, -1, -1, -1, -1 };
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.monitor = CNN3D_MONITOR_TRAIN_LOSS;
  check_same (&p, one);
  check_same (&p, all);
  check_same (&p, last);
}

/* An optimizer step whose last batch is left out altogether, or whose batches are all. */
static void
test_skipped_step (void)
{
  static const gint skipped[][6] = { { 3, 4, 5, -1, -1, -1 }, { 0, 1, 2, 3, 4, 5 },
    { 6, 7, 8, 9, 10, -1 } };
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.lr.schedule = CNN3D_LR_COSINE;
  p.checkpoint_interval = 1;
  for (guint i = 0; i < G_N_ELEMENTS (skipped); i++) {
    gchar *alone, *two;

    p.accumulate = 2;
    alone = run_ranks (&p, 1, skipped[i], 0);
    p.accumulate = 1;
    two = run_ranks (&p, 2, skipped[i], 0);
    assert_same_runs (alone, two);
    remove_dir (alone);
    remove_dir (two);
  }
}

/* A number of ranks that has no batch for each in the last round, and none in most validations. */
static void
test_uneven (void)
{
  Cnn3dTrainerParams p;
  gchar *alone, *three;

  params_init (&p, NULL);
  p.accumulate = 3;
  alone = run_ranks (&p, 1, NULL, 0);
  p.accumulate = 1;
  three = run_ranks (&p, 3, NULL, 0);
  assert_same_runs (alone, three);
  remove_dir (alone);
  remove_dir (three);
}

static void
test_frozen (void)
{
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.freeze = "layer2,batch-norm";
  p.gradient_clip = 0.1;
  check_same (&p, NULL);
}

/* One number of ranks goes on where another one was. */
static void
test_resume (void)
{
  Cnn3dTrainerParams p;
  gchar *alone, *dir;

  params_init (&p, NULL);
  p.accumulate = 4;
  alone = run_ranks (&p, 1, NULL, 0);
  dir = make_dir ();
  p.checkpoint_dir = dir;
  p.accumulate = 1;
  g_free (run_ranks (&p, 4, NULL, EPOCH_POSITIONS));
  p.accumulate = 2;
  g_free (run_ranks (&p, 2, NULL, 0));
  assert_same_runs (alone, dir);
  remove_dir (alone);
  remove_dir (dir);
}

/* --- what goes wrong --- */

/* A rank of two; `goes_wrong` is done by rank 1 alone. */
typedef struct {
  guint rank;
  void (*wrong) (Cnn3dTrainer *t, guint rank, GError **error);
  GError *error;
} Wrong;

static gpointer
run_wrong (gpointer data)
{
  Wrong *w = data;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  GError *error = NULL;

  own_rank = w->rank;
  params_init (&p, NULL);
  p.comm = cnn3d_comm_join_by (&thread_transport, 60, &error);
  g_assert_no_error (error);
  t = start (&p);
  w->wrong (t, w->rank, &w->error);
  cnn3d_trainer_free (&t);
  cnn3d_comm_leave (&p.comm, TRUE);
  return NULL;
}

static void
go_wrong (Wrong *w, void (*wrong) (Cnn3dTrainer *t, guint rank, GError **error))
{
  GThread *threads[2];

  hub.size = 2;
  for (guint r = 0; r < 2; r++) {
    w[r] = (Wrong) { r, wrong, NULL };
    threads[r] = g_thread_new ("rank", run_wrong, &w[r]);
  }
  for (guint r = 0; r < 2; r++)
    g_thread_join (threads[r]);
}

static void
train_batch (Cnn3dTrainer *t, guint64 epoch, guint rank, gfloat value, GError **error)
{
  const guint64 first = epoch * EPOCH_POSITIONS;
  const Cnn3dPass pass = { epoch, TRUE, first, first, CLIPS, EPOCHS, TRUE };
  g_autofree gfloat *frames = g_new (gfloat, BATCH * CLIP_BYTES);
  const gint32 labels[BATCH] = { 0, 1, 2 };
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_FLOAT32, labels, BATCH,
    first + (rank + 1) * BATCH };
  Cnn3dProgress progress;

  for (guint i = 0; i < BATCH * CLIP_BYTES; i++)
    frames[i] = value;
  if (cnn3d_trainer_begin_pass (t, &pass, error))
    cnn3d_trainer_run (t, &batch, &progress, error);
}

static void
give_nan (Cnn3dTrainer *t, guint rank, GError **error)
{
  train_batch (t, 0, rank, rank ? NAN : 0.5f, error);
}

/* The others learn why a rank has failed. */
static void
test_failed (void)
{
  Wrong w[2];

  go_wrong (w, give_nan);
  assert_says (w[1].error, CNN3D_SESSION_ERROR, "the loss became NaN or infinite");
  assert_says (w[0].error, CNN3D_SESSION_ERROR, "rank 1 failed: |the loss became NaN or infinite");
  for (guint r = 0; r < 2; r++)
    g_error_free (w[r].error);
}

static void
be_elsewhere (Cnn3dTrainer *t, guint rank, GError **error)
{
  train_batch (t, rank, rank, 0.5f, error);
}

/* As if one had resumed from another checkpoint. */
static void
test_apart (void)
{
  Wrong w[2];

  go_wrong (w, be_elsewhere);
  for (guint r = 0; r < 2; r++) {
    assert_says (w[r].error, CNN3D_SESSION_ERROR,
        "at clip 0 after step 0|at clip 15 after step 0|all ranks need the same checkpoint-dir, on "
        "storage "
        "that they share");
    g_error_free (w[r].error);
  }
}

static void
bring_another (Cnn3dTrainer *t, guint rank, GError **error)
{
  train_batch (t, 0, 1 - rank, 0.5f, error);
}

static void
test_others_batch (void)
{
  Wrong w[2];

  go_wrong (w, bring_another);
  assert_says (
      w[0].error, CNN3D_SESSION_ERROR, "batch 1 of the pass came to rank 0, but is rank 1's");
  assert_says (
      w[1].error, CNN3D_SESSION_ERROR, "batch 0 of the pass came to rank 1, but is rank 0's");
  for (guint r = 0; r < 2; r++)
    g_error_free (w[r].error);
}

static void
test_no_transport (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (cnn3d_comm_join (CNN3D_DISTRIBUTED_NONE, 1, &error));
  assert_says (error, CNN3D_COMM_ERROR, "the none transport is not installed or cannot be loaded");
}

static void
test_launchers (void)
{
  static const gchar *const names[] = { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK",
    "PMI_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS" };
  guint rank, size;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_unsetenv (names[i]);
  g_assert_false (cnn3d_comm_place (&rank, &size));
  g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_AUTO), ==, CNN3D_DISTRIBUTED_NONE);
  for (guint i = 0; i < G_N_ELEMENTS (names); i += 2) {
    g_setenv (names[i], "3", TRUE);
    g_assert_false (cnn3d_comm_place (&rank, &size));
    g_setenv (names[i + 1], "3", TRUE); /* a rank is below the size */
    g_assert_false (cnn3d_comm_place (&rank, &size));
    g_setenv (names[i + 1], "8", TRUE);
    g_assert_true (cnn3d_comm_place (&rank, &size));
    g_assert_cmpuint (rank, ==, 3);
    g_assert_cmpuint (size, ==, 8);
    g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_AUTO), ==, CNN3D_DISTRIBUTED_MPI);
    g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_NONE), ==, CNN3D_DISTRIBUTED_NONE);
    g_unsetenv (names[i]);
    g_unsetenv (names[i + 1]);
  }
  /* one process of a launcher is alone */
  g_setenv ("OMPI_COMM_WORLD_RANK", "0", TRUE);
  g_setenv ("OMPI_COMM_WORLD_SIZE", "1", TRUE);
  g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_AUTO), ==, CNN3D_DISTRIBUTED_NONE);
  g_unsetenv ("OMPI_COMM_WORLD_RANK");
  g_unsetenv ("OMPI_COMM_WORLD_SIZE");
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("ranks-XXXXXX", NULL);
  g_test_add_func ("/ranks/sgd", test_sgd);
  g_test_add_func ("/ranks/adamw", test_adamw);
  g_test_add_func ("/ranks/skipped", test_skipped);
  g_test_add_func ("/ranks/skipped-step", test_skipped_step);
  g_test_add_func ("/ranks/uneven", test_uneven);
  g_test_add_func ("/ranks/frozen", test_frozen);
  g_test_add_func ("/ranks/resume", test_resume);
  g_test_add_func ("/ranks/failed", test_failed);
  g_test_add_func ("/ranks/apart", test_apart);
  g_test_add_func ("/ranks/others-batch", test_others_batch);
  g_test_add_func ("/ranks/no-transport", test_no_transport);
  g_test_add_func ("/ranks/launchers", test_launchers);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
