/* Gradients are exchanged while the rest of them is computed, and what goes wrong meanwhile ends all ranks.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counting/counting.h"
#include "smallrun.h"
#include "src/train/ranks-private.h"
#include "threadcomm.h"

/* A message with more bytes has gradients or weights. */
#define REPORT_BYTES 16384
#define SECONDS 60 /* the longest that anything is waited for */

/* Of one rank, in the round under way. */
typedef struct {
  guint64 sent; /* bytes of gradients */
  guint calls;  /* of run() since a pass began */
  gboolean over;
  Cnn3dTrainer *trainer;
  GArray *complete; /* of Complete */
} Seen;

/* All gradients at some time in a pass, of which those from float `from` on were complete. */
typedef struct {
  gfloat *gradients;
  gsize from;
} Complete;

static Counting *counting;

static struct {
  GMutex lock;
  GCond changed;
  Seen ranks[MOST_RANKS];
} seen;

static gboolean
watched_exchange (Cnn3dLink *link, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, guint seconds, GError **error)
{
  guint64 bytes = 0;

  if (!thread_exchange (link, from, sent, to, received, seconds, error))
    return FALSE;
  for (guint r = 0; r < hub.size; r++)
    bytes += r != link->rank && sent[r] > REPORT_BYTES ? sent[r] : 0;
  g_mutex_lock (&seen.lock);
  seen.ranks[link->rank].sent += bytes;
  g_cond_broadcast (&seen.changed);
  g_mutex_unlock (&seen.lock);
  return TRUE;
}

/* Waits until a rank has sent that many bytes, or is over. FALSE: it has not. */
static gboolean
wait_for_bytes (guint rank, guint64 bytes)
{
  const gint64 end = g_get_monotonic_time () + SECONDS * (gint64) G_USEC_PER_SEC;
  gboolean came = TRUE;

  g_mutex_lock (&seen.lock);
  while (came && seen.ranks[rank].sent < bytes && !seen.ranks[rank].over)
    came = g_cond_wait_until (&seen.changed, &seen.lock, end);
  came = seen.ranks[rank].sent >= bytes;
  g_mutex_unlock (&seen.lock);
  return came;
}

/* --- ranks --- */

typedef struct {
  const Cnn3dTrainerParams *params;
  guint rank, seconds, batches; /* batches: of the pass, in each of which a rank has one by turns */
  guint parts;                  /* of the pass whose gradients were kept */
  gboolean leaves;              /* instead of its batch */
  GError *error;
  gboolean told; /* after the error: cnn3d_trainer_leave() */
} Rank;

static void
clear_complete (gpointer complete)
{
  g_free (((Complete *) complete)->gradients);
}

/* What was complete is what it is at the pass's end. */
static void
check_complete (const Cnn3dTrainer *t, const GArray *complete)
{
  for (guint i = 0; i < complete->len; i++) {
    const Complete *c = &g_array_index (complete, Complete, i);

    g_assert_cmpmem (c->gradients + c->from, (t->s.layout->trained - c->from) * sizeof (gfloat),
        t->gradients + c->from, (t->s.layout->trained - c->from) * sizeof (gfloat));
  }
}

static gpointer
run_rank (gpointer data)
{
  Rank *rank = data;
  Cnn3dTrainerParams p = *rank->params;
  const Cnn3dPass pass = { 0, TRUE, 0, 0, rank->batches * BATCH, 1, FALSE };
  Cnn3dTransport transport = thread_transport;
  guint8 frames[BATCH * CLIP_BYTES];
  gint32 labels[BATCH];
  Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, (rank->rank + 1) * BATCH };
  GError *error = NULL;
  Cnn3dProgress progress;
  Cnn3dPassResult result;
  Cnn3dTrainer *t;

  own_rank = rank->rank;
  seen.ranks[own_rank].complete = g_array_new (FALSE, FALSE, sizeof (Complete));
  g_array_set_clear_func (seen.ranks[own_rank].complete, clear_complete);
  transport.exchange = watched_exchange;
  p.comm = cnn3d_comm_join_by (&transport, NULL, NULL, rank->seconds, &error);
  g_assert_no_error (error);
  t = seen.ranks[rank->rank].trainer = start (&p);
  for (guint i = 0; i < BATCH; i++)
    draw_clip (rank->rank * BATCH + i, frames + i * CLIP_BYTES, labels + i);
  if (cnn3d_trainer_begin_pass (t, &pass, &rank->error)) {
    /* the weights have been sent */
    g_mutex_lock (&seen.lock);
    seen.ranks[rank->rank].sent = 0;
    g_mutex_unlock (&seen.lock);
    if (rank->leaves) {
      /* in mid-batch of the other one */
      while (!g_atomic_int_get (&seen.ranks[1].calls))
        g_usleep (1000);
      rank->told = cnn3d_trainer_leave (t, NULL);
    } else if (rank->rank >= rank->batches
        || cnn3d_trainer_run (t, &batch, &progress, &rank->error)) {
      check_complete (t, seen.ranks[rank->rank].complete);
      rank->parts = seen.ranks[rank->rank].complete->len;
      cnn3d_trainer_end_pass (t, pass.clips, &result, &rank->error);
    }
  }
  g_mutex_lock (&seen.lock);
  seen.ranks[rank->rank].over = TRUE;
  g_cond_broadcast (&seen.changed);
  g_mutex_unlock (&seen.lock);
  if (rank->error)
    rank->told = cnn3d_trainer_leave (t, rank->error->message);
  g_array_unref (seen.ranks[rank->rank].complete);
  cnn3d_trainer_free (&t);
  cnn3d_comm_leave (&p.comm, TRUE);
  return NULL;
}

/* Three buckets. */
static void
wide_params (Cnn3dTrainerParams *p)
{
  params_init (p, NULL);
  p->network.base_width = 24;
  p->monitor = CNN3D_MONITOR_TRAIN_LOSS;
}

/* A round of ranks; before: see Counting. */
static guint leaver = G_MAXUINT;

static void
run_round (const Cnn3dTrainerParams *params, Rank *ranks, guint size, guint batches, guint seconds,
    gboolean (*before) (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error))
{
  GThread *threads[MOST_RANKS];

  counting->before = before;
  hub.size = size;
  hub.here = 0;
  memset (seen.ranks, 0, sizeof seen.ranks);
  for (guint r = 0; r < size; r++) {
    ranks[r] = (Rank) { params, r, seconds, batches, .leaves = r == leaver };
    threads[r] = g_thread_new ("rank", run_rank, &ranks[r]);
  }
  for (guint r = 0; r < size; r++)
    g_thread_join (threads[r]);
  counting->before = NULL;
}

/* --- what is sent when --- */

/* Bytes of the two buckets that are complete first, which one of two ranks sends; the last piece is short. */
#define TWO_BUCKETS ((guint64) 127 * CNN3D_UPDATE_PIECE * sizeof (gfloat))

/* The last part of a backward pass waits for the buckets before. */
static gboolean
wait_before_last (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error)
{
  Seen *own = &seen.ranks[own_rank];

  own->calls = steps[0].op == 0 ? 1 : own->calls + 1;
  if (own->calls == 1) {
    g_mutex_lock (&seen.lock);
    g_assert_cmpuint (own->sent, ==, 0);
    g_mutex_unlock (&seen.lock);
  }
  if (own->calls == 3)
    g_assert_true (wait_for_bytes (own_rank, TWO_BUCKETS));
  return TRUE;
}

static void
test_beside (void)
{
  /* in micro-batches, too, of which only the last one sends */
  for (guint micro_batch = 0; micro_batch <= 2; micro_batch += 2) {
    Cnn3dTrainerParams p;
    Rank ranks[2];

    wide_params (&p);
    p.micro_batch = micro_batch;
    run_round (&p, ranks, 2, 2, SECONDS, wait_before_last);
    for (guint r = 0; r < 2; r++) {
      g_assert_no_error (ranks[r].error);
      g_assert_cmpuint (seen.ranks[r].calls, ==, 3);
    }
  }
}

/* Keeps the gradients as they are between two parts of a pass. */
static gboolean
keep_gradients (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error)
{
  Seen *own = &seen.ranks[own_rank];
  const Cnn3dTrainer *t = own->trainer;
  Complete c = { NULL, 0 };

  if (steps[0].op == 0)
    return TRUE;
  /* this thread alone changes it */
  c.from = cnn3d_rank_segment (t->ranks->slices, t->ranks->incomplete, 0)->from;
  c.gradients = g_memdup2 (binding->arrays.gradients, t->s.layout->trained * sizeof *c.gradients);
  g_array_append_val (own->complete, c);
  return TRUE;
}

/* No later step of a pass writes to a bucket that has been sent, whatever is recomputed, copied, frozen or
 * split. */
static void
test_complete (void)
{
  static const struct {
    const gchar *model;
    guint width;
    const gchar *freeze;
    Cnn3dRecompute recompute;
    Cnn3dPrecision precision;
    guint micro_batch;
  } cases[] = {
    { "r3d_18", 24, NULL, CNN3D_RECOMPUTE_NONE, CNN3D_PRECISION_32, 2 },
    { "r2plus1d_18", 24, NULL, CNN3D_RECOMPUTE_BN, CNN3D_PRECISION_BF16_MIXED, 0 },
    { "mc3_18", 40, "layer3", CNN3D_RECOMPUTE_NONE, CNN3D_PRECISION_32, 0 },
    { "slow_r50", 24, NULL, CNN3D_RECOMPUTE_BLOCK, CNN3D_PRECISION_32, 1 },
    { "slow_r50", 24, "batch-norm", CNN3D_RECOMPUTE_OFFLOAD, CNN3D_PRECISION_32, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Cnn3dTrainerParams p;
    Rank ranks[2];

    wide_params (&p);
    p.network.model = cases[i].model;
    p.network.base_width = cases[i].width;
    p.freeze = cases[i].freeze;
    p.recompute = cases[i].recompute;
    p.precision = cases[i].precision;
    p.micro_batch = cases[i].micro_batch;
    run_round (&p, ranks, 2, 2, SECONDS, keep_gradients);
    for (guint r = 0; r < 2; r++) {
      g_assert_no_error (ranks[r].error);
      g_assert_cmpuint (ranks[r].parts, >=, 1);
    }
  }
}

/* A rank without a batch adds to what is sent while the other one computes. */
static void
test_idle (void)
{
  Cnn3dTrainerParams p;
  Rank ranks[2];

  wide_params (&p);
  run_round (&p, ranks, 2, 1, SECONDS, NULL);
  g_assert_no_error (ranks[0].error);
  g_assert_no_error (ranks[1].error);
  g_assert_cmpuint (seen.ranks[0].sent, >, TWO_BUCKETS);
}

/* --- what goes wrong --- */

/* Rank 1 fails when it has sent a bucket. */
static gboolean
fail_between (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error)
{
  Seen *own = &seen.ranks[own_rank];

  own->calls = steps[0].op == 0 ? 1 : own->calls + 1;
  if (own_rank == 0 || own->calls < 2)
    return TRUE;
  g_assert_true (wait_for_bytes (1, TWO_BUCKETS / 2));
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED, "the device is gone");
  return FALSE;
}

static void
test_fails (void)
{
  Cnn3dTrainerParams p;
  Rank ranks[3];

  wide_params (&p);
  run_round (&p, ranks, 2, 2, SECONDS, fail_between);
  assert_says (ranks[1].error, CNN3D_BACKEND_ERROR, "the device is gone");
  assert_says (ranks[0].error, CNN3D_SESSION_ERROR, "rank 1 failed: the device is gone");
  for (guint r = 0; r < 2; r++) {
    g_assert_false (ranks[r].told);
    g_error_free (ranks[r].error);
  }
  /* the same with a rank that has no batch */
  run_round (&p, ranks, 3, 2, SECONDS, fail_between);
  for (guint r = 0; r < 3; r += 2)
    assert_says (ranks[r].error, CNN3D_SESSION_ERROR, "rank 1 failed: the device is gone");
  for (guint r = 0; r < 3; r++)
    g_error_free (ranks[r].error);
}

/* Rank 1's batch fails when rank 0 has left. */
static gboolean
fail_after_leaving (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error)
{
  g_atomic_int_inc (&seen.ranks[1].calls);
  wait_for_bytes (0, G_MAXUINT64);
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED, "the device is gone");
  return FALSE;
}

/* The first part of rank 1's pass is its last one when rank 0 has left. */
static gboolean
leave_first (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error)
{
  TrainerRanks *k = seen.ranks[1].trainer->ranks;
  gboolean broken = FALSE;

  g_atomic_int_inc (&seen.ranks[1].calls);
  while (!broken) {
    g_usleep (1000);
    g_mutex_lock (&k->lock);
    broken = k->broken;
    g_mutex_unlock (&k->lock);
  }
  return TRUE;
}

/* A batch that another rank left does not count: whether it fails or not, both ranks may save. */
static void
test_leaves (void)
{
  Cnn3dTrainerParams p;
  Rank ranks[2];

  wide_params (&p);
  leaver = 0;
  for (guint i = 0; i < 2; i++) {
    run_round (&p, ranks, 2, 2, SECONDS, i ? leave_first : fail_after_leaving);
    g_assert_no_error (ranks[0].error);
    g_assert_true (ranks[0].told);
    g_assert_error (ranks[1].error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_LEFT);
    g_error_free (ranks[1].error);
    g_assert_cmpuint (seen.ranks[1].calls, ==, 1);
  }
  leaver = G_MAXUINT;
}

/* Rank 1 hangs between two buckets, until the other one has given up. */
static gboolean
hang_between (const Cnn3dStep *steps, const Cnn3dBinding *binding, GError **error)
{
  Seen *own = &seen.ranks[own_rank];

  own->calls = steps[0].op == 0 ? 1 : own->calls + 1;
  if (own_rank == 0 || own->calls < 2)
    return TRUE;
  wait_for_bytes (0, G_MAXUINT64);
  return TRUE;
}

static void
test_hangs (void)
{
  Cnn3dTrainerParams p;
  Rank ranks[2];

  wide_params (&p);
  run_round (&p, ranks, 2, 2, 2, hang_between);
  for (guint r = 0; r < 2; r++) {
    g_assert_error (ranks[r].error, CNN3D_COMM_ERROR, CNN3D_COMM_ERROR_TIMEOUT);
    g_assert_false (ranks[r].told);
    g_error_free (ranks[r].error);
  }
}

int
main (int argc, char **argv)
{
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  int status;

  g_test_init (&argc, &argv, NULL);
  counting = counting_load (&backend, &device);
  g_test_add_func ("/ranks-buckets/beside", test_beside);
  g_test_add_func ("/ranks-buckets/complete", test_complete);
  g_test_add_func ("/ranks-buckets/idle", test_idle);
  g_test_add_func ("/ranks-buckets/fails", test_fails);
  g_test_add_func ("/ranks-buckets/leaves", test_leaves);
  g_test_add_func ("/ranks-buckets/hangs", test_hangs);
  status = g_test_run ();
  backend->close (&device);
  return status;
}
