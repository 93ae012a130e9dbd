/* Ranks on the doubles of CUDA and NCCL, processes that meet as torchrun's do, end with the files of one
 * process that accumulates, to the bit; and each call of NCCL that fails, or a rank that hangs, ends
 * all with a reason.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rig.h"
#undef CLASSES
#undef CLIPS
#undef BATCH

#include <sys/wait.h>
#include <unistd.h>

#include "rankrun.h"
#include "tests/cuda/doubles/nccl-double.h"

#define MOST_RANKS 4
#define SECONDS 20    /* limit where nothing hangs */
#define MOST_CALLS 60 /* of NCCL in such a run */

static NcclDouble *nccl;
static guint port;

/* --- processes --- */

static gboolean
same_contents (const gchar *a, const gchar *b)
{
  g_autoptr (GMappedFile) one = g_mapped_file_new (a, FALSE, NULL),
                          other = g_mapped_file_new (b, FALSE, NULL);
  g_autoptr (GBytes) x = g_mapped_file_get_bytes (one), y = g_mapped_file_get_bytes (other);

  return g_bytes_equal (x, y);
}

/* In a process of its own; the parent never uses the doubles, whose threads a fork would lose. */
static pid_t
fork_rank (guint rank, guint size, void (*run) (gpointer data), gpointer data)
{
  g_autofree gchar *rank_text = g_strdup_printf ("%u", rank),
                   *size_text = g_strdup_printf ("%u", size),
                   *port_text = g_strdup_printf ("%u", port);
  const pid_t pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid > 0)
    return pid;
  g_setenv ("RANK", rank_text, TRUE);
  g_setenv ("WORLD_SIZE", size_text, TRUE);
  g_setenv ("MASTER_ADDR", "localhost", TRUE);
  g_setenv ("MASTER_PORT", port_text, TRUE);
  run (data);
  _exit (0);
}

static void
wait_for (pid_t pid)
{
  gint status;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}

/* Another one for each run, so that the last run's is not in the way. */
static void
next_port (void)
{
  port += 2;
}

static void
doubles_init (void)
{
  GModule *module = g_module_open (g_getenv ("CNN3D_NCCL"), 0);
  NcclDoubleEntry entry;

  rig_init ();
  g_assert_true (module && g_module_symbol (module, NCCL_DOUBLE, (gpointer *) &entry));
  nccl = entry ();
}

static Cnn3dComm *
join (guint seconds, GError **error)
{
  const Cnn3dCommParams params = { CNN3D_DISTRIBUTED_AUTO, seconds, "GPU-0", NULL };

  return cnn3d_comm_join (&params, error);
}

static void
assert_nothing_left (void)
{
  g_assert_cmpint (nccl->alive, ==, 0);
  g_assert_cmpuint (cuda->taken, ==, 0);
  g_assert_cmpint (cuda->alive, ==, 0);
  g_assert_cmpint (dnn_descriptors (), ==, 0);
}

/* --- the same bits --- */

static gdouble initial_scale;

static void
set_scale (Cnn3dTrainer *t)
{
  if (initial_scale > 0)
    t->now.loss_scale = t->mark.loss_scale = initial_scale;
}

static void
run_rank (gpointer data)
{
  const Job *job = data;
  g_autoptr (GError) error = NULL;
  Cnn3dComm *comm;

  doubles_init ();
  comm = job->size > 1 ? join (SECONDS, &error) : NULL;
  g_assert_no_error (error);
  run_job (job, comm, set_scale);
  assert_nothing_left ();
}

/* What is left of the run in that folder, up to where it stops (see Job). */
static void
run_ranks_in (gchar *dir, const Cnn3dTrainerParams *params, guint size, const gint *skipped,
    guint64 resume_at)
{
  Cnn3dTrainerParams p = *params;
  pid_t pids[MOST_RANKS];

  p.checkpoint_dir = dir;
  next_port ();
  for (guint r = 0; r < size; r++) {
    Job job = { &p, size, r, { -1, -1, -1, -1, -1, -1 }, resume_at };

    if (skipped)
      memcpy (job.skipped, skipped, sizeof job.skipped);
    pids[r] = fork_rank (r, size, run_rank, &job);
  }
  for (guint r = 0; r < size; r++)
    wait_for (pids[r]);
}

/* A run in a folder of its own. */
static gchar *
run_ranks (const Cnn3dTrainerParams *params, guint size, const gint *skipped)
{
  gchar *dir = make_dir ();

  run_ranks_in (dir, params, size, skipped, 0);
  return dir;
}

/* Of the steps of a run, one overflowed, and one did not. */
static void
assert_some_overflowed (const gchar *dir)
{
  g_autofree gchar *last = path_in (dir, "last.safetensors"), *path = NULL;
  g_autoptr (Cnn3dSafetensors) weights = cnn3d_safetensors_open (last, NULL), state = NULL;
  guint64 skipped, steps;

  path = path_in (dir, cnn3d_safetensors_metadata (weights, "state"));
  state = cnn3d_safetensors_open (path, NULL);
  skipped = g_ascii_strtoull (cnn3d_safetensors_metadata (state, "steps-skipped"), NULL, 10);
  steps = g_ascii_strtoull (cnn3d_safetensors_metadata (state, "step"), NULL, 10);
  g_assert_cmpuint (skipped, >, 0);
  g_assert_cmpuint (steps, >, 0);
}

static void
check_same (const Cnn3dTrainerParams *params, guint first, const gint *skipped)
{
  Cnn3dTrainerParams p = *params;
  gchar *alone;

  p.accumulate = 4;
  alone = run_ranks (&p, 1, skipped);
  if (initial_scale > 0)
    assert_some_overflowed (alone);
  for (guint size = first; size <= MOST_RANKS; size *= 2) {
    gchar *dir;

    p.accumulate = 4 / size;
    dir = run_ranks (&p, size, skipped);
    assert_same_runs (alone, dir);
    remove_dir (dir);
  }
  remove_dir (alone);
}

static void
cuda_params_init (Cnn3dTrainerParams *p)
{
  params_init (p, NULL);
  p->device = "cuda";
  p->tf32 = p->benchmark = FALSE;
}

static void
test_sgd (void)
{
  static const gint skipped[6] = { 3, 4, 5, 10, -1, -1 };
  Cnn3dTrainerParams p;

  cuda_params_init (&p);
  p.network.dropout = 0.3;
  p.weight_decay = 1e-3;
  p.checkpoint_interval = 1;
  check_same (&p, 2, skipped);
}

/* With clipping, and the first step overflows. */
static void
test_adamw (void)
{
  Cnn3dTrainerParams p;

  cuda_params_init (&p);
  p.optimizer = CNN3D_UPDATE_ADAMW;
  p.lr.lr = 1e-3;
  p.gradient_clip = 0.5;
  p.precision = CNN3D_PRECISION_16_MIXED;
  p.freeze = "layer2";
  initial_scale = 0x1p15;
  check_same (&p, 4, NULL);
  initial_scale = 0;
}

/* A run that is resumed, of a network so little of which trains that a rank has no share of it. */
static void
test_resume (void)
{
  Cnn3dTrainerParams p;
  gchar *alone, *dir = make_dir ();

  cuda_params_init (&p);
  p.freeze = "backbone";
  p.accumulate = MOST_RANKS;
  alone = run_ranks (&p, 1, NULL);
  p.accumulate = 1;
  run_ranks_in (dir, &p, MOST_RANKS, NULL, EPOCH_POSITIONS);
  run_ranks_in (dir, &p, MOST_RANKS, NULL, 0);
  assert_same_runs (alone, dir);
  remove_dir (alone);
  remove_dir (dir);
}

/* --- beside the computation --- */

#define ROUNDS 4 /* of two batches: the first pass runs whole, the third one is recorded */

/* Steps of a network whose gradients are in three buckets. */
typedef struct {
  const Cnn3dTrainerParams *params;
  guint size, rank;
  gboolean early; /* an exchange does not wait for its gradients */
} Wide;

static struct {
  const Cnn3dBackend *backend;
  const Cnn3dComm *comm;
  guint64 sent; /* before the last part of a pass */
  guint parts;  /* of the last pass */
} watched;

/* Something is sent before each part of a pass but the first. */
static gboolean
watched_run (Cnn3dProgram *program, const Cnn3dStep *steps, guint n_steps,
    const Cnn3dBinding *binding, Cnn3dResults *results, GError **error)
{
  const guint64 sent = cnn3d_comm_sent (watched.comm);

  watched.parts = steps[0].op == 0 ? 1 : watched.parts + 1;
  g_assert_true (watched.parts == 1 || sent > watched.sent + sizeof (gfloat) * CNN3D_UPDATE_PIECE);
  watched.sent = sent;
  return watched.backend->run (program, steps, n_steps, binding, results, error);
}

static gboolean
ignores_work (guint stream, guint other)
{
  return stream == 2 && other == 0;
}

static void
run_wide (gpointer data)
{
  const Wide *w = data;
  const Cnn3dPass pass = { 0, TRUE, 0, 0, ROUNDS * 2 * BATCH, 1, FALSE };
  const guint parts = w->params->recompute == CNN3D_RECOMPUTE_OFFLOAD ? 1 : 3;
  Cnn3dTrainerParams p = *w->params;
  Cnn3dBackend backend;
  guint8 frames[BATCH * CLIP_BYTES];
  gint32 labels[BATCH];
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;
  Cnn3dDevicePasses passes;
  Cnn3dPassResult result;
  Cnn3dTrainer *t;

  doubles_init ();
  cuda->eager = TRUE;
  if (w->size > 1)
    watched.comm = p.comm = join (SECONDS, &error);
  g_assert_no_error (error);
  t = start (&p);
  watched.backend = t->s.backend;
  backend = *t->s.backend;
  backend.run = watched_run;
  if (w->size > 1)
    t->s.backend = &backend;
  cnn3d_trainer_begin_pass (t, &pass, &error);
  g_assert_no_error (error);
  cuda->ignores = w->early ? ignores_work : NULL;
  for (guint i = w->rank; i < 2 * ROUNDS; i += w->size) {
    const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, (i + 1) * BATCH };

    for (guint k = 0; k < BATCH; k++)
      draw_clip (i * BATCH + k, frames + k * CLIP_BYTES, labels + k);
    cnn3d_trainer_run (t, &batch, &progress, &error);
    g_assert_no_error (error);
  }
  cnn3d_trainer_wait (t, &progress, &error);
  g_assert_no_error (error);
  cuda->ignores = NULL;
  cnn3d_trainer_end_pass (t, pass.clips, &result, &error);
  g_assert_no_error (error);
  cnn3d_trainer_save (t, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (watched.parts, ==, w->size > 1 ? parts : 0);
  t->s.backend->passes (t->s.device, &passes);
  g_assert_cmpuint (passes.failed, ==, 0);
  g_assert_cmpuint (passes.replayed, ==, w->size > 1 ? 2 * parts + (parts == 1) : 6);
  cnn3d_comm_leave (&p.comm, FALSE);
  cnn3d_trainer_free (&t);
  assert_nothing_left ();
}

/* In a folder of its own. last_recompute: the last rank's. */
static gchar *
run_wides (
    const Cnn3dTrainerParams *params, guint size, gboolean early, Cnn3dRecompute last_recompute)
{
  gchar *dir = make_dir ();
  pid_t pids[2];

  next_port ();
  for (guint r = 0; r < size; r++) {
    Cnn3dTrainerParams p = *params;
    Wide w = { &p, size, r, early };

    p.checkpoint_dir = dir;
    p.accumulate = 2 / size;
    p.recompute = r + 1 == size ? last_recompute : CNN3D_RECOMPUTE_NONE;
    pids[r] = fork_rank (r, size, run_wide, &w);
  }
  for (guint r = 0; r < size; r++)
    wait_for (pids[r]);
  return dir;
}

/* Gradients are sent when they are complete, before the rest of them is started, whatever the GPU does
 * first. */
static void
test_beside (void)
{
  g_autofree gchar *weights = NULL, *early_weights = NULL;
  Cnn3dTrainerParams p;
  gchar *alone, *dir, *early;

  cuda_params_init (&p);
  p.network.base_width = 24;
  p.monitor = CNN3D_MONITOR_TRAIN_LOSS;
  alone = run_wides (&p, 1, FALSE, CNN3D_RECOMPUTE_NONE);
  dir = run_wides (&p, 2, FALSE, CNN3D_RECOMPUTE_NONE);
  assert_same_runs (alone, dir);
  remove_dir (dir);
  /* one rank records its passes as a whole, and sends after them */
  dir = run_wides (&p, 2, FALSE, CNN3D_RECOMPUTE_OFFLOAD);
  assert_same_runs (alone, dir);
  early = run_wides (&p, 2, TRUE, CNN3D_RECOMPUTE_NONE);
  weights = path_in (alone, "last.safetensors");
  early_weights = path_in (early, "last.safetensors");
  g_assert_false (same_contents (weights, early_weights));
  remove_dir (alone);
  remove_dir (dir);
  remove_dir (early);
}

/* --- what goes wrong --- */

typedef struct {
  guint rank;         /* that fails */
  guint64 call;       /* of NCCL; 0: none */
  const gchar *in;    /* the function of NCCL that fails; NULL: none */
  guint64 after;      /* its calls that do not */
  const gchar *cuda;  /* the function of the CUDA run time or of kernels.h; NULL: none */
  guint64 cuda_after; /* its calls that do not fail, from when the ranks have joined, */
  gboolean opening;   /* or before */
  gboolean later;     /* an exchange fails while it is under way */
  gboolean stalls;    /* the rank hangs */
  gint version;       /* of NCCL; 0: a new one */
  const gchar *says;  /* to the failing rank, or, if it hangs, to the other; NULL: anything */
  const gchar *other; /* to the other; NULL: anything */
  guint own;          /* set: which of the two this one is */
} Wrong;

/* Two batches, and a save. */
static gboolean
train_some (Cnn3dTrainer *t, const Wrong *w, GError **error)
{
  const Cnn3dPass pass = { 0, TRUE, 0, 0, CLIPS, EPOCHS, TRUE };
  guint8 frames[BATCH * CLIP_BYTES];
  gint32 labels[BATCH];
  Cnn3dProgress progress;

  if (!cnn3d_trainer_begin_pass (t, &pass, error))
    return FALSE;
  if (w->rank == w->own) {
    nccl->fails_later = w->later;
    nccl->tells = w->later;
    nccl->stalls = w->stalls;
    cuda->fail_in = w->cuda;
    cuda->fail_after = w->cuda_after;
  }
  for (guint round = 0; round < 2; round++) {
    const guint64 first = (round * 2 + w->own) * BATCH;
    const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, MIN (BATCH, CLIPS - first),
      MIN (first + BATCH, CLIPS) };

    for (guint i = 0; i < batch.n; i++)
      draw_clip (first + i, frames + i * CLIP_BYTES, labels + i);
    if (!cnn3d_trainer_run (t, &batch, &progress, error))
      return FALSE;
  }
  return cnn3d_trainer_wait (t, &progress, error) && cnn3d_trainer_save (t, NULL, error);
}

/* Nothing goes over the links of a rank that has failed. */
static void
assert_ended (Cnn3dComm *comm)
{
  g_autoptr (GError) error = NULL;
  guint8 all[2];

  g_assert_false (cnn3d_comm_share (comm, all, 1, all, &error));
  assert_says (error, CNN3D_COMM_ERROR, "NCCL: nothing can be sent after a failure");
}

static void
run_wrong (gpointer data)
{
  const Wrong *w = data;
  g_autofree gchar *dir = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t = NULL;
  gboolean ok;

  doubles_init ();
  cuda_params_init (&p);
  p.checkpoint_dir = dir = make_dir ();
  if (w->own == w->rank) {
    nccl->fail_at = w->call;
    nccl->fail_in = w->in;
    nccl->fail_after = w->after;
    nccl->version = w->version;
  }
  /* one who fails before they meet does not come: the other need not wait long */
  p.comm = join (w->later ? SECONDS : 2, &error);
  if (w->rank == w->own && w->opening) {
    cuda->fail_in = w->cuda;
    cuda->fail_after = w->cuda_after;
  }
  ok = p.comm && (t = cnn3d_trainer_new (&p, BATCH, &error));
  ok = ok && train_some (t, w, &error);
  if (!ok && (!error || strlen (error->message) < 20))
    g_error ("rank %u, call %" G_GUINT64_FORMAT ": no error that says anything", w->own, w->call);
  cuda->fail_in = NULL;
  if (t && !ok && error->domain == CNN3D_COMM_ERROR)
    assert_ended (p.comm);
  cnn3d_comm_leave (&p.comm, !ok);
  if (t)
    cnn3d_trainer_free (&t);
  assert_nothing_left ();
  if ((w->own == w->rank) != w->stalls) {
    /* each call that there is was needed */
    if (!ok && w->says)
      assert_says (error, error->domain, w->says);
    g_assert_true (!ok || nccl->calls < w->call);
  }
  if (w->own != w->rank && w->other)
    assert_says (error, CNN3D_COMM_ERROR, w->other);
  remove_dir (g_steal_pointer (&dir));
}

static void
go_wrong (const Wrong *wrong)
{
  pid_t pids[2];

  next_port ();
  for (guint r = 0; r < 2; r++) {
    Wrong w = *wrong;

    w.own = r;
    pids[r] = fork_rank (r, 2, run_wrong, &w);
  }
  for (guint r = 0; r < 2; r++)
    wait_for (pids[r]);
}

static void
test_words (void)
{
  static const Wrong table[] = {
    { 0, .in = "ncclGetVersion", .says = "NCCL: ncclGetVersion failed: unhandled system error" },
    { 0, .version = 21703, .says = "is NCCL 21703, which is too old: install 2.18 or later" },
    { 0, .in = "ncclGetUniqueId", .says = "NCCL: ncclGetUniqueId failed: unhandled system error" },
    { 1, .in = "ncclCommInitRankConfig", .says = "NCCL: ncclCommInitRankConfig failed: ",
        .other = "was not done within 2 s: a rank hangs, has ended, or cannot be reached" },
    { 1, .in = "ncclCommGetAsyncError", .says = "NCCL: ncclCommGetAsyncError failed: " },
    { 1, .in = "ncclCommGetAsyncError", .after = 30, .says = "ncclCommGetAsyncError failed: " },
    { 1, .in = "ncclGroupStart", .says = "NCCL: ncclGroupStart failed: " },
    { 1, .in = "ncclGroupEnd",
        .says = "NCCL: ncclGroupEnd failed: |(as a test asked for): NCCL_DEBUG=INFO prints more" },
    { 1, .in = "ncclSend", .says = "NCCL: ncclSend failed: " },
    { 1, .in = "ncclRecv", .says = "NCCL: ncclRecv failed: " },
    { 1, .later = TRUE, .says = "failed: remote process exited or there was a network error" },
    { 1, .stalls = TRUE,
        .says = "the GPUs exchanged nothing within 2 s: the process of another rank hangs" },
    { 1, .cuda = "cudaStreamQuery", .says = "CUDA: the GPU failed while it computed: " },
    { 1, .cuda = "cuda_square_pieces", .says = "CUDA: the gradient's norm failed: " },
    { 1, .cuda = "cuda_add_gradient", .says = "CUDA: gradients cannot be added up: " },
    { 1, .cuda = "cudaStreamCreateWithFlags", .cuda_after = 2, .opening = TRUE,
        .says = "CUDA: cannot create the stream of exchanges: " },
    { 1, .cuda = "event_new", .cuda_after = 7, .opening = TRUE,
        .says = "CUDA: cannot create an event: " },
    /* after those of two batches that are staged */
    { 1, .cuda = "cudaEventRecord", .cuda_after = 8, .says = "CUDA: an exchange failed: " },
    { 1, .cuda = "cudaStreamWaitEvent", .cuda_after = 1, .says = "CUDA: an exchange failed: " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    go_wrong (&table[i]);
}

/* Calls of a whole run, the first ones and then in strides; the last is beyond its end. */
static void
test_calls (void)
{
  for (guint64 n = 1; n < MOST_CALLS; n += 1 + n / 3) {
    const Wrong w = { n % 2, .call = n };

    go_wrong (&w);
  }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cuda-ranks-XXXXXX", NULL);
  port = 20000 + getpid () % 10000 * 2;
  g_test_add_func ("/cuda-ranks/sgd", test_sgd);
  g_test_add_func ("/cuda-ranks/adamw", test_adamw);
  g_test_add_func ("/cuda-ranks/resume", test_resume);
  g_test_add_func ("/cuda-ranks/beside", test_beside);
  g_test_add_func ("/cuda-ranks/words", test_words);
  g_test_add_func ("/cuda-ranks/calls", test_calls);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
