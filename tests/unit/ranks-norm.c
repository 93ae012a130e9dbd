/* With sync_batch_norm several ranks compute what one process does with all their clips in one batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "smallrun.h"
#include "src/train/trainer-private.h"
#include "threadcomm.h"

/* A run of one epoch after another over CLIPS clips in batches of `batch`, without validation. */
typedef struct {
  const Cnn3dTrainerParams *params;
  guint size, rank, batch;
  gint skipped; /* a batch of BATCH clips that is left out altogether; -1: none */
  Cnn3dComm *comm;
} Job;

static void
close_groups (Cnn3dTrainer *t, const Cnn3dBatch *next)
{
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;

  do {
    cnn3d_trainer_close_group (t, next, &progress, &error);
    g_assert_no_error (error);
  } while (progress.ready);
}

/* Its clips, but those of the skipped batch. FALSE: it has none. */
static gboolean
draw_batch (const Job *job, guint64 first, guint64 begins, Cnn3dBatch *batch, guint8 *frames,
    gint32 *labels)
{
  const guint64 end = MIN (begins + job->batch, CLIPS);

  *batch = (Cnn3dBatch) { frames, CNN3D_TYPE_UINT8, labels, 0, first + end };
  for (guint64 at = begins; at < end; at++)
    if (job->skipped < 0 || (guint64) job->skipped != at / BATCH) {
      draw_clip (first + at, frames + batch->n * CLIP_BYTES, labels + batch->n);
      batch->n++;
    }
  return batch->n > 0;
}

static void
run_pass (Cnn3dTrainer *t, const Job *job, guint epoch)
{
  const guint64 first = epoch * CLIPS;
  const Cnn3dPass pass = { epoch, TRUE, first, first, CLIPS, EPOCHS, FALSE };
  const Cnn3dTrainerParams *p = job->params;
  g_autofree guint8 *frames = g_malloc (job->batch * CLIP_BYTES);
  g_autofree gint32 *labels = g_new (gint32, job->batch);
  g_autoptr (GError) error = NULL;
  Cnn3dPassResult result;
  Cnn3dProgress progress;
  guint64 number = 0, sent;

  cnn3d_trainer_begin_pass (t, &pass, &error);
  g_assert_no_error (error);
  for (guint64 begins = 0; begins < CLIPS; begins += job->batch, number++) {
    Cnn3dBatch batch;

    if (number % job->size != job->rank || !draw_batch (job, first, begins, &batch, frames, labels))
      continue;
    cnn3d_trainer_stage (t, &batch, &error);
    g_assert_no_error (error);
    close_groups (t, &batch);
    sent = job->comm ? cnn3d_comm_sent (job->comm) : 0;
    cnn3d_trainer_start (t, &progress, &error);
    g_assert_no_error (error);
    /* the count is of rounds in which all have a batch */
    if (job->comm && job->skipped < 0 && (number / job->size + 1) * job->size * job->batch <= CLIPS)
      g_assert_cmpuint (cnn3d_comm_sent (job->comm) - sent, ==, cnn3d_trainer_sends (t));
  }
  close_groups (t, NULL);
  cnn3d_trainer_end_pass (t, first + CLIPS, &result, &error);
  g_assert_no_error (error);
  if (p->checkpoint_dir && result.checkpoint_due)
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

  own_rank = job->rank;
  if (job->size > 1)
    p.comm = job->comm = cnn3d_comm_join_by (&thread_transport, NULL, NULL, 60, &error);
  g_assert_no_error (error);
  t = cnn3d_trainer_new (&p, job->batch, &error);
  g_assert_no_error (error);
  for (guint epoch = 0; epoch < EPOCHS; epoch++)
    run_pass (t, job, epoch);
  cnn3d_trainer_free (&t);
  cnn3d_comm_leave (&p.comm, FALSE);
  return NULL;
}

/* The folder of a run. */
static gchar *
run_ranks (const Cnn3dTrainerParams *params, guint size, guint batch, gint skipped)
{
  Cnn3dTrainerParams p = *params;
  gchar *dir = make_dir ();
  Job jobs[MOST_RANKS];
  GThread *threads[MOST_RANKS];

  p.checkpoint_dir = dir;
  hub.size = size;
  for (guint r = 0; r < size; r++) {
    jobs[r] = (Job) { &p, size, r, batch, skipped };
    threads[r] = g_thread_new ("rank", run_rank, &jobs[r]);
  }
  for (guint r = 0; r < size; r++)
    g_thread_join (threads[r]);
  return dir;
}

/* The largest relative difference of two runs' tensors, running statistics included, as a norm. counts:
 * those of batches are the same. */
static gdouble
difference (const gchar *a, const gchar *b, gboolean counts)
{
  g_autofree gchar *pa = path_in (a, "last.safetensors"), *pb = path_in (b, "last.safetensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSafetensors) fa = cnn3d_safetensors_open (pa, &error);
  g_autoptr (Cnn3dSafetensors) fb = cnn3d_safetensors_open (pb, &error);
  gdouble most = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (cnn3d_safetensors_get_n_tensors (fa), ==, cnn3d_safetensors_get_n_tensors (fb));
  for (guint i = 0; i < cnn3d_safetensors_get_n_tensors (fa); i++) {
    const Cnn3dSafetensor *x = cnn3d_safetensors_nth (fa, i);
    const Cnn3dSafetensor *y = cnn3d_safetensors_lookup (fb, x->name);
    g_autofree gfloat *u = g_new (gfloat, x->n_elements), *v = g_new (gfloat, x->n_elements);
    gdouble off = 0, all = 0;

    if (x->dtype != CNN3D_SAFETENSOR_F32) {
      g_assert_true (!counts || !memcmp (x->data, y->data, x->size));
      continue;
    }
    g_assert_true (cnn3d_safetensor_to_float (x, u, x->n_elements, NULL));
    g_assert_true (cnn3d_safetensor_to_float (y, v, x->n_elements, NULL));
    for (gsize k = 0; k < x->n_elements; k++) {
      off += ((gdouble) u[k] - v[k]) * ((gdouble) u[k] - v[k]);
      all += (gdouble) u[k] * u[k];
    }
    most = MAX (most, sqrt (off / MAX (all, 1e-12)));
  }
  return most;
}

static void
small_params (Cnn3dTrainerParams *p)
{
  params_init (p, NULL);
  p->sync_batch_norm = TRUE;
  p->monitor = CNN3D_MONITOR_TRAIN_LOSS;
  p->lr.lr = 1e-3;
}

/* One process with all the clips of a round. */
static void
check_whole (const Cnn3dTrainerParams *p, guint size, gint skipped, gdouble bound)
{
  Cnn3dTrainerParams apart = *p;
  gdouble off[2];
  gchar *whole, *ranks, *alone;

  apart.sync_batch_norm = FALSE;
  whole = run_ranks (p, 1, size * BATCH, skipped);
  ranks = run_ranks (p, size, BATCH, skipped);
  alone = run_ranks (&apart, size, BATCH, skipped);
  off[0] = difference (whole, ranks, TRUE);
  off[1] = difference (whole, alone, FALSE);
  g_test_message ("%u ranks: %g, each with its own statistics %g", size, off[0], off[1]);
  g_assert_cmpfloat (off[0], <, bound);
  g_assert_cmpfloat (off[1], >, 100 * bound);
  remove_dir (whole);
  remove_dir (ranks);
  remove_dir (alone);
}

static void
test_whole (void)
{
  Cnn3dTrainerParams p;

  small_params (&p);
  p.network.dropout = 0.3;
  /* the last of 2 and 4 has a short batch, of 5 none */
  check_whole (&p, 2, -1, 2e-4);
  check_whole (&p, 4, -1, 2e-4);
  check_whole (&p, 5, -1, 2e-4);
}

/* A rank whose clips could not be read counts for nothing; nor do all of them. */
static void
test_skipped (void)
{
  Cnn3dTrainerParams p;

  small_params (&p);
  p.gradient_clip = 1;
  check_whole (&p, 2, 0, 2e-4);
  check_whole (&p, 2, 1, 2e-4);
}

static void
assert_same (const Cnn3dTrainerParams *p, const gchar *expected)
{
  gchar *dir = run_ranks (p, 2, BATCH, -1);

  g_assert_cmpfloat (difference (expected, dir, TRUE), ==, 0);
  remove_dir (dir);
}

/* A run that is repeated, or recomputes activations, has the same bits. */
static void
test_bits (void)
{
  Cnn3dTrainerParams p;

  small_params (&p);
  for (guint half = 0; half < 2; half++) {
    gchar *first;

    p.precision = half ? CNN3D_PRECISION_BF16_MIXED : CNN3D_PRECISION_32;
    p.recompute = CNN3D_RECOMPUTE_NONE;
    first = run_ranks (&p, 2, BATCH, -1);
    for (; p.recompute <= CNN3D_RECOMPUTE_BLOCK; p.recompute++)
      assert_same (&p, first);
    remove_dir (first);
  }
}

static void
test_frozen (void)
{
  Cnn3dTrainerParams p;
  gchar *first;

  small_params (&p);
  p.freeze = "stem,layer1";
  check_whole (&p, 2, -1, 2e-4);
  /* there is nothing to share */
  p.freeze = "batch-norm";
  first = run_ranks (&p, 2, BATCH, -1);
  p.sync_batch_norm = FALSE;
  assert_same (&p, first);
  remove_dir (first);
}

static void
test_alone (void)
{
  Cnn3dTrainerParams p;
  gchar *with, *without;

  small_params (&p);
  with = run_ranks (&p, 1, BATCH, -1);
  p.sync_batch_norm = FALSE;
  without = run_ranks (&p, 1, BATCH, -1);
  g_assert_cmpfloat (difference (with, without, TRUE), ==, 0);
  remove_dir (with);
  remove_dir (without);
}

/* --- what goes wrong --- */

/* What rank 1 does in the second round. */
typedef enum {
  BRINGS_FOREIGN_BATCH,
  IS_STOPPED,
  FAILS_HALFWAY,
  N_FAULTS
} Fault;

typedef struct {
  guint rank;
  Fault fault;
  GError *error;
} Wrong;

static const Cnn3dBackend *real;

static gboolean
run_half (Cnn3dProgram *program, const Cnn3dStep *steps, guint n, const Cnn3dBinding *binding,
    Cnn3dResults *results, GError **error)
{
  if (real->run (program, steps, n / 2, binding, results, error))
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED, "the disk is full");
  return FALSE;
}

static gpointer
run_wrong (gpointer data)
{
  const Cnn3dPass pass = { 0, TRUE, 0, 0, 4 * BATCH, EPOCHS, FALSE };
  Wrong *w = data;
  Job job = { NULL, 2, w->rank, BATCH, -1 };
  guint8 frames[BATCH * CLIP_BYTES];
  gint32 labels[BATCH];
  Cnn3dTrainerParams p;
  GError *error = NULL;
  Cnn3dProgress progress;
  Cnn3dTrainer *t;
  Cnn3dBatch batch;

  own_rank = w->rank;
  small_params (&p);
  p.comm = cnn3d_comm_join_by (&thread_transport, NULL, NULL, 60, &error);
  g_assert_no_error (error);
  t = start (&p);
  cnn3d_trainer_begin_pass (t, &pass, &error);
  g_assert_no_error (error);
  draw_batch (&job, 0, w->rank * BATCH, &batch, frames, labels);
  cnn3d_trainer_run (t, &batch, &progress, &error);
  g_assert_no_error (error);
  if (w->rank == 1 && w->fault == IS_STOPPED) {
    g_assert_true (cnn3d_trainer_leave (t, NULL));
  } else {
    Cnn3dBackend half = *t->s.backend;

    half.run = run_half;
    if (w->rank == 1 && w->fault == FAILS_HALFWAY) {
      real = t->s.backend;
      t->s.backend = &half;
    }
    batch.position = (w->fault == FAILS_HALFWAY ? 3 + w->rank : 3) * BATCH;
    cnn3d_trainer_run (t, &batch, &progress, &w->error);
    if (w->rank == 1 && real)
      t->s.backend = real;
  }
  cnn3d_trainer_free (&t);
  cnn3d_comm_leave (&p.comm, TRUE);
  return NULL;
}

/* A rank that is stopped, or fails, is not waited for in the middle of the others' batches. */
static void
test_ends (void)
{
  static const gchar *const words[N_FAULTS] = {
    "rank 1 failed: batch 2 of the pass came to rank 1",
    "rank 1 was stopped",
    "rank 1 failed: the disk is full",
  };

  for (Fault fault = 0; fault < N_FAULTS; fault++) {
    Wrong w[2];
    GThread *threads[2];

    hub.size = 2;
    for (guint r = 0; r < 2; r++) {
      w[r] = (Wrong) { r, fault, NULL };
      threads[r] = g_thread_new ("rank", run_wrong, &w[r]);
    }
    for (guint r = 0; r < 2; r++)
      g_thread_join (threads[r]);
    assert_says (w[0].error, CNN3D_SESSION_ERROR, words[fault]);
    for (guint r = 0; r < 2; r++)
      g_clear_error (&w[r].error);
  }
}

static void
assert_refused (Cnn3dTrainerParams *p, const gchar *words)
{
  g_autoptr (GError) error = NULL;

  hub.size = 2;
  p->comm = cnn3d_comm_join_by (&thread_transport, NULL, NULL, 60, &error);
  g_assert_no_error (error);
  g_assert_null (cnn3d_trainer_new (p, BATCH, &error));
  assert_says (error, CNN3D_SESSION_ERROR, words);
  cnn3d_comm_leave (&p->comm, FALSE);
}

/* Batches are not split, not even to fit. */
static void
test_refused (void)
{
  Cnn3dTrainerParams p;

  small_params (&p);
  p.micro_batch = 1;
  assert_refused (&p, "sync-batch-norm computes with whole batches, of 3 clips|chunks of 1");
  small_params (&p);
  p.auto_fit = TRUE;
  p.max_memory = 1 << 20;
  assert_refused (&p, "max-memory allows 1.0 MiB|sync-batch-norm splits no batches");
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("ranks-norm-XXXXXX", NULL);
  g_test_add_func ("/ranks-norm/whole", test_whole);
  g_test_add_func ("/ranks-norm/skipped", test_skipped);
  g_test_add_func ("/ranks-norm/bits", test_bits);
  g_test_add_func ("/ranks-norm/frozen", test_frozen);
  g_test_add_func ("/ranks-norm/alone", test_alone);
  g_test_add_func ("/ranks-norm/ends", test_ends);
  g_test_add_func ("/ranks-norm/refused", test_refused);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
