/* Several ranks end with the files of one process that accumulates, to the bit.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rankrun.h"
#include "src/comm/cores.h"
#include "threadcomm.h"

static gpointer
run_rank (gpointer data)
{
  const Job *job = data;
  g_autoptr (GError) error = NULL;
  Cnn3dComm *comm = NULL;

  own_rank = job->rank;
  if (job->size > 1)
    comm = cnn3d_comm_join_by (&thread_transport, NULL, NULL, 60, &error);
  g_assert_no_error (error);
  run_job (job, comm, NULL);
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

/* Networks wide enough for three buckets, with a gap between the floats that train: all ranks have parts
 * of each bucket, and some have no batch. */
static void
test_buckets (void)
{
  static const gint all[6] = { 3, 4, 5, -1, -1, -1 };
  Cnn3dTrainerParams p;
  gchar *alone, *three;

  params_init (&p, NULL);
  p.network.base_width = 24;
  p.optimizer = CNN3D_UPDATE_ADAMW;
  p.gradient_clip = 0.5;
  p.checkpoint_interval = 1;
  check_same (&p, all);
  p.optimizer = CNN3D_UPDATE_SGD;
  p.freeze = "layer3,layer4.0.conv2";
  p.recompute = CNN3D_RECOMPUTE_OFFLOAD;
  p.accumulate = 3;
  alone = run_ranks (&p, 1, NULL, 0);
  p.accumulate = 1;
  three = run_ranks (&p, 3, NULL, 0);
  assert_same_runs (alone, three);
  remove_dir (alone);
  remove_dir (three);
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
  p.comm = cnn3d_comm_join_by (&thread_transport, NULL, NULL, 60, &error);
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
leave_between (Cnn3dTrainer *t, guint rank, GError **error)
{
  train_batch (t, 0, rank, 0.5f, error);
  g_assert_no_error (*error);
  if (rank == 1)
    cnn3d_trainer_leave (t, NULL);
  else
    train_batch (t, 1, rank, 0.5f, error);
}

/* One is stopped when another has begun the next pass already. */
static void
test_stopped_between (void)
{
  Wrong w[2];

  go_wrong (w, leave_between);
  g_assert_no_error (w[1].error);
  g_assert_error (w[0].error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_LEFT);
  g_error_free (w[0].error);
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

/* Ranks over NCCL that nobody started, that have no GPU, and that do not know where to meet. */
static void
test_no_nccl (void)
{
  static const struct {
    const gchar *size, *port, *says;
    gboolean gpu;
  } cases[] = {
    { NULL, NULL, "distributed=nccl connects the processes that a launcher started, but none did" },
    { "2", "29500",
        "torchrun's processes train on GPUs only (start those on CPUs with mpirun or "
        "srun), but there is none" },
    { "2", "0", "MASTER_PORT is not a port: start the processes with torchrun", TRUE },
    { "2", "65536", "MASTER_PORT is not a port: start the processes with torchrun", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Cnn3dCommParams params = { CNN3D_DISTRIBUTED_NCCL, 1, cases[i].gpu ? "GPU-0" : NULL,
      "there is none" };
    g_autoptr (GError) error = NULL;

    if (cases[i].size) {
      g_setenv ("RANK", "0", TRUE);
      g_setenv ("WORLD_SIZE", cases[i].size, TRUE);
      g_setenv ("MASTER_ADDR", "localhost", TRUE);
      g_setenv ("MASTER_PORT", cases[i].port, TRUE);
    }
    g_assert_null (cnn3d_comm_join (&params, &error));
    if (!cases[i].gpu || !g_error_matches (error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_MISSING))
      assert_says (error, CNN3D_COMM_ERROR, cases[i].says);
  }
  g_unsetenv ("RANK");
  g_unsetenv ("WORLD_SIZE");
  g_unsetenv ("MASTER_ADDR");
  g_unsetenv ("MASTER_PORT");
}

static guint posted, most_posted;

static Cnn3dLink *
post_join (const Cnn3dPlace *place, gconstpointer id, guint seconds, GError **error)
{
  return (Cnn3dLink *) &posted;
}

static void
post_leave (Cnn3dLink **link, gboolean failed)
{
  *link = NULL;
}

static gboolean
post (Cnn3dLink *link, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, gpointer stream, GError **error)
{
  posted++;
  most_posted = MAX (most_posted, posted);
  return TRUE;
}

static gboolean
check_posted (Cnn3dLink *link, GError **error)
{
  return TRUE;
}

static gboolean
do_posted (gpointer device, gboolean *busy, GError **error)
{
  posted = 0;
  *busy = FALSE;
  return TRUE;
}

/* A large model's exchanges are not all queued before the first is waited for. */
static void
test_queue (void)
{
  const Cnn3dTransport transport = { .abi = CNN3D_TRANSPORT_ABI,
    .name = "posts",
    .join = post_join,
    .leave = post_leave,
    .post = post,
    .check = check_posted };
  const Cnn3dPlace place = { 0, 1 };
  const Cnn3dCommGpu gpu = { .busy = do_posted };
  Cnn3dComm *c = cnn3d_comm_join_by (&transport, &place, NULL, 1, NULL);
  gconstpointer from = NULL;
  gpointer to = NULL;
  const gsize none = 0;

  g_assert_true (cnn3d_comm_connect (c, &gpu, NULL));
  for (guint i = 0; i < 1000; i++)
    g_assert_true (cnn3d_comm_exchange (c, &from, &none, &to, &none, NULL));
  g_assert_true (cnn3d_comm_settle (c, NULL));
  g_assert_cmpuint (posted, ==, 0);
  g_assert_cmpuint (most_posted, ==, 256);
  cnn3d_comm_leave (&c, FALSE);
}

static void
test_launchers (void)
{
  static const gchar *const names[] = { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK",
    "PMI_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "RANK", "WORLD_SIZE" },
                            *const local[] = { "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                              "SLURM_LOCALID", "LOCAL_RANK" };
  guint rank, size;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_unsetenv (names[i]);
  for (guint i = 0; i < G_N_ELEMENTS (local); i++)
    g_unsetenv (local[i]);
  /* torchrun sets it, too, and nothing else is taken for torchrun's */
  g_unsetenv ("MASTER_ADDR");
  g_setenv ("RANK", "0", TRUE);
  g_setenv ("WORLD_SIZE", "2", TRUE);
  g_assert_false (cnn3d_comm_place (&rank, &size));
  g_unsetenv ("RANK");
  g_unsetenv ("WORLD_SIZE");
  g_setenv ("MASTER_ADDR", "localhost", TRUE);
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
    g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_AUTO), ==,
        i < 6 ? CNN3D_DISTRIBUTED_MPI : CNN3D_DISTRIBUTED_NCCL);
    g_assert_cmpuint (cnn3d_comm_local_rank (), ==, 0);
    g_setenv (local[i / 2], "1", TRUE);
    g_assert_cmpuint (cnn3d_comm_local_rank (), ==, 1);
    g_unsetenv (local[i / 2]);
    g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_NONE), ==, CNN3D_DISTRIBUTED_NONE);
    g_unsetenv (names[i]);
    g_unsetenv (names[i + 1]);
  }
  /* torchrun that srun started, a process on each machine */
  g_setenv ("SLURM_PROCID", "0", TRUE);
  g_setenv ("SLURM_STEP_NUM_TASKS", "1", TRUE);
  g_setenv ("RANK", "5", TRUE);
  g_setenv ("WORLD_SIZE", "8", TRUE);
  g_setenv ("LOCAL_RANK", "1", TRUE);
  g_setenv ("TORCHELASTIC_RUN_ID", "none", TRUE);
  g_assert_true (cnn3d_comm_place (&rank, &size));
  g_assert_cmpuint (rank, ==, 5);
  g_assert_cmpuint (size, ==, 8);
  g_assert_cmpuint (cnn3d_comm_local_rank (), ==, 1);
  g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_AUTO), ==, CNN3D_DISTRIBUTED_NCCL);
  g_unsetenv ("TORCHELASTIC_RUN_ID");
  g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_AUTO), ==, CNN3D_DISTRIBUTED_NONE);
  g_unsetenv ("SLURM_PROCID");
  g_unsetenv ("SLURM_STEP_NUM_TASKS");
  g_unsetenv ("RANK");
  g_unsetenv ("WORLD_SIZE");
  g_unsetenv ("LOCAL_RANK");
  /* one process of a launcher is alone */
  g_setenv ("OMPI_COMM_WORLD_RANK", "0", TRUE);
  g_setenv ("OMPI_COMM_WORLD_SIZE", "1", TRUE);
  g_assert_cmpint (cnn3d_comm_find (CNN3D_DISTRIBUTED_AUTO), ==, CNN3D_DISTRIBUTED_NONE);
  g_unsetenv ("OMPI_COMM_WORLD_RANK");
  g_unsetenv ("OMPI_COMM_WORLD_SIZE");
  g_unsetenv ("MASTER_ADDR");
}

/* The ranks of a machine, of which each gets its share of the memory */
static void
test_neighbours (void)
{
  static const struct {
    const gchar *tasks, *node;
    guint n;
  } cases[] = { { "4", "0", 4 }, { "4", NULL, 1 }, { "4", "1", 1 }, { "2(x3),1", "0", 2 },
    { "2(x3),1", "2", 2 }, { "2(x3),1", "3", 1 }, { "1,3(x2)", "2", 3 }, { "1,3(x2)", "3", 1 },
    { "0", "0", 1 }, { "", "0", 1 }, { "3(", "1", 1 }, { "3(x", "1", 1 }, { "none", "0", 1 } };

  g_unsetenv ("OMPI_COMM_WORLD_LOCAL_SIZE");
  g_unsetenv ("MPI_LOCALNRANKS");
  g_unsetenv ("SLURM_STEP_TASKS_PER_NODE");
  g_assert_cmpuint (cnn3d_comm_neighbours (), ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_setenv ("SLURM_STEP_TASKS_PER_NODE", cases[i].tasks, TRUE);
    g_unsetenv ("SLURM_NODEID");
    if (cases[i].node)
      g_setenv ("SLURM_NODEID", cases[i].node, TRUE);
    g_assert_cmpuint (cnn3d_comm_neighbours (), ==, cases[i].n);
  }
  /* an mpirun within Slurm's job knows its own */
  g_setenv ("SLURM_STEP_TASKS_PER_NODE", "8", TRUE);
  g_setenv ("SLURM_NODEID", "0", TRUE);
  g_setenv ("MPI_LOCALNRANKS", "2", TRUE);
  g_assert_cmpuint (cnn3d_comm_neighbours (), ==, 2);
  g_setenv ("OMPI_COMM_WORLD_LOCAL_SIZE", "3", TRUE);
  g_assert_cmpuint (cnn3d_comm_neighbours (), ==, 3);
  g_unsetenv ("OMPI_COMM_WORLD_LOCAL_SIZE");
  g_unsetenv ("MPI_LOCALNRANKS");
  g_unsetenv ("SLURM_STEP_TASKS_PER_NODE");
  g_unsetenv ("SLURM_NODEID");
}

/* Cores by letters, of machines by numbers: "0ab 0ab 1c" */
static void
test_cores (void)
{
  static const struct {
    const gchar *ranks;
    guint threads[4];
  } cases[] = {
    { "0abcd 0abcd", { 2, 2 } },          /* unbound */
    { "0abcd 0efgh", { 4, 4 } },          /* a socket each */
    { "0abcd 1abcd", { 4, 4 } },          /* a machine each */
    { "0abcd 0abcd 0efgh", { 2, 2, 4 } }, /* two of three on a socket */
    { "0abc 0abc 0abc 0abc", { 1, 1, 1, 1 } }, { "0abcde 0abcde", { 2, 2 } },
    { "0abcd 0d 0ab", { 1, 1, 1 } }, { "0 0ab", { 0, 2 } }, /* unknown */
  };
  Cnn3dCores own;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (GStrv) ranks = g_strsplit (cases[i].ranks, " ", -1);
    Cnn3dCores all[4] = { 0 };

    for (guint r = 0; ranks[r]; r++) {
      all[r].machine[0] = ranks[r][0];
      /* far from each other, and in one byte */
      for (const gchar *c = ranks[r] + 1; *c; c++)
        all[r].cores[*c < 'e' ? 127 : 0] |= 1 << (*c - 'a');
    }
    for (guint r = 0; ranks[r]; r++)
      g_assert_cmpuint (
          cnn3d_cores_divide (all, g_strv_length (ranks), r), ==, cases[i].threads[r]);
  }
  cnn3d_cores_get (&own);
  g_assert_cmpuint (cnn3d_cores_divide (&own, 1, 0), ==, g_get_num_processors ());
  g_assert_cmpint (own.machine[0], !=, '\0');
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
  g_test_add_func ("/ranks/buckets", test_buckets);
  g_test_add_func ("/ranks/failed", test_failed);
  g_test_add_func ("/ranks/apart", test_apart);
  g_test_add_func ("/ranks/stopped-between", test_stopped_between);
  g_test_add_func ("/ranks/others-batch", test_others_batch);
  g_test_add_func ("/ranks/no-nccl", test_no_nccl);
  g_test_add_func ("/ranks/queue", test_queue);
  g_test_add_func ("/ranks/launchers", test_launchers);
  g_test_add_func ("/ranks/neighbours", test_neighbours);
  g_test_add_func ("/ranks/cores", test_cores);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
