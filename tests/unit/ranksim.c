/* The time that ranks' messages take, in virtual time: ranksim.h. And a rank's memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counting/counting.h"
#include "ranksim.h"
#include "smallrun.h"

static const Cnn3dBackend *backend;
static Cnn3dDevice *device;
static Counting *counting;

/* By hand: two messages, of 1 s each and a gap of 0.5 s, that arrive 1 s later. */
static void
test_call (void)
{
  const SimLink link = { 1000, 1, 0.5 };
  gsize sizes[3] = { 1000, 1000, 1000 };
  SimCall call = { sizes, sizes };
  GArray *calls = g_array_new (FALSE, FALSE, sizeof call);
  SimRank same = { g_array_append_val (calls, call), 0, 0 };
  SimRank *ranks[3] = { &same, &same, &same };
  const SimSchedule two = { 2, ranks, NULL }, three = { 3, ranks, NULL };
  gdouble late[2] = { 10, 0 };

  g_assert_cmpfloat_with_epsilon (sim_seconds (&two, 0, 1, &link), 2.5, 1e-12);
  g_assert_cmpfloat_with_epsilon (sim_seconds (&three, 0, 1, &link), 4, 1e-12);
  sim_run_call (&two, 0, &link, late);
  g_assert_cmpfloat_with_epsilon (late[0], 11.5, 1e-12);
  g_assert_cmpfloat_with_epsilon (late[1], 12.5, 1e-12);
  g_array_unref (calls);
}

/* By hand: two buckets, of 2 s each, the second of which is complete when 10 s are computed; 1 s of sending
 * follows. */
static void
test_step (void)
{
  const SimLink link = { 1000, 0, 0 };
  gsize none[2] = { 0, 0 }, one[2] = { 1000, 1000 }, two[2] = { 2000, 2000 };
  const SimCall steps[] = { { none, none, TRUE }, { two, two, TRUE }, { one, one, TRUE },
    { one, one, TRUE }, { one, one, FALSE } };
  GArray *calls = g_array_new (FALSE, FALSE, sizeof (SimCall));
  SimRank same = { g_array_append_vals (calls, steps, G_N_ELEMENTS (steps)), 0, 0 };
  SimRank *ranks[2] = { &same, &same };
  const SimSchedule s = { 2, ranks, NULL };
  const Cnn3dBucket buckets[] = { { 4000, 2000, 0.5 }, { 4000, 2000, 1 } };
  Cnn3dExchange x = { g_array_new (FALSE, FALSE, sizeof (Cnn3dBucket)), 2, 3, 15000, 6000 };

  g_array_append_vals (x.buckets, buckets, 2);
  g_assert_cmpfloat_with_epsilon (sim_step (&s, 0, 5, &link, 10, &x), 13, 1e-12);
  g_assert_cmpfloat_with_epsilon (sim_step (&s, 0, 5, &link, 1, &x), 5.5, 1e-12);
  g_assert_cmpfloat_with_epsilon (sim_step (&s, 4, 5, &link, 10, NULL), 11, 1e-12);
  /* three batches a step */
  g_assert_cmpfloat_with_epsilon (cnn3d_exchange_waits (&x, 1000, 10), 3 * 2 + 3, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_exchange_waits (&x, 1000, 1), 3 * 3.5 + 3, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_exchange_waits (&x, 1000, 0), 15, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_exchange_least (&x, 1000), 9, 1e-12);
  g_assert_cmpfloat_with_epsilon (cnn3d_exchange_suffices (&x, 1000), 81, 1e-9);
  g_array_unref (x.buckets);
  g_array_unref (calls);
}

/* Bytes of a step, if in each call the rank that sends most is followed by the one that receives
 * most. */
static gdouble
longest (const SimSchedule *s)
{
  gdouble bytes = 0;

  for (guint c = s->ranks[0]->start; c < s->ranks[0]->calls->len; c++) {
    gsize most[2] = { 0, 0 };

    for (guint r = 0; r < s->size; r++) {
      gsize sent = 0, received = 0;

      for (guint i = 0; i < s->size; i++) {
        sent += i == r ? 0 : sim_call (s, r, c)->sent[i];
        received += i == r ? 0 : sim_call (s, r, c)->received[i];
      }
      most[0] = MAX (most[0], sent);
      most[1] = MAX (most[1], received);
    }
    bytes += most[0] + most[1];
  }
  return bytes;
}

/* The real schedule of few ranks takes what the plan counts, and is the same if only those ranks that
 * differ are recorded. */
static void
test_schedule (void)
{
  const SimLink link = { 1e9, 0, 0 };
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.gradient_clip = 1;
  for (guint size = 2; size <= 9; size += size < 4 ? 1 : 5) {
    p.sync_batch_norm = size % 2;
    SimSchedule *every = sim_schedule (&p, size, TRUE), *few = sim_schedule (&p, size, FALSE);
    const guint start = every->ranks[0]->start, end = every->ranks[0]->calls->len;
    guint64 most = 0;

    g_assert_cmpuint (few->ranks[0]->calls->len, ==, end);
    for (guint r = 0; r < size; r++) {
      g_assert_cmpuint (sim_sent (every, r), ==, every->ranks[r]->sends);
      most = MAX (most, every->ranks[r]->sends);
      for (guint c = 0; c < end; c++)
        for (guint i = 0; i < size; i++)
          if (i != r)
            g_assert_cmpuint (sim_call (every, r, c)->sent[i], ==, sim_call (few, r, c)->sent[i]);
    }
    g_assert_cmpfloat (sim_seconds (every, start, end, &link), >=, most / link.bytes_per_second);
    g_assert_cmpfloat (sim_seconds (every, start, end, &link), <=,
        longest (every) / link.bytes_per_second * (1 + 1e-9));
    sim_schedule_free (every);
    sim_schedule_free (few);
  }
}

/* What a rank sends beside its computation, and when, is what the plan says. */
static void
test_buckets (void)
{
  const SimLink link = { 1e9, 0, 0 };
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.network.base_width = 24;
  for (guint size = 2; size <= 3; size++) {
    SimSchedule *s = sim_schedule (&p, size, TRUE);
    const guint start = s->ranks[0]->start, end = s->ranks[0]->calls->len;
    g_autoptr (GError) error = NULL;
    gdouble before = 0.1, least, waits;
    guint64 beside = 0;
    Cnn3dExchange *x;
    Cnn3dFit fit;

    p.ranks = size;
    cnn3d_fit_measure (backend, device, &p, 1, 1, CNN3D_RECOMPUTE_NONE, &fit, &error);
    g_assert_no_error (error);
    x = cnn3d_fit_exchange (backend, device, &p, 1, &fit, &error);
    g_assert_no_error (error);
    p.ranks = 1;
    g_assert_cmpuint (x->buckets->len, ==, 3);
    for (guint b = 0; b < x->buckets->len; b++) {
      const Cnn3dBucket *bucket = &g_array_index (x->buckets, Cnn3dBucket, b);

      g_assert_cmpfloat (bucket->ready, >, before);
      before = bucket->ready;
    }
    g_assert_cmpfloat_with_epsilon (before, 1, 1e-9);
    /* after the meeting; the last bucket is complete at the end only */
    for (guint c = start + 1; c < end && sim_call (s, 0, c)->beside; c++)
      beside += sim_gradient (s, sim_call (s, 0, c)) - sim_call (s, 0, c)->sent[0];
    beside -= g_array_index (x->buckets, Cnn3dBucket, 2).bytes;
    g_assert_cmpuint (beside, ==, x->beside);
    g_assert_cmpuint (x->sent, ==, s->ranks[0]->sends);
    g_assert_cmpfloat_with_epsilon (
        sim_step (s, start, end, &link, 0, x), sim_seconds (s, start, end, &link), 1e-12);
    least = cnn3d_exchange_least (x, link.bytes_per_second);
    waits = sim_step (s, start, end, &link, 100, x) - 100;
    /* the plan counts rank 0's bytes, and another one may send a piece more */
    g_assert_cmpfloat_with_epsilon (waits, least, least / 50);
    cnn3d_exchange_free (&x);
    sim_schedule_free (s);
  }
}

static Cnn3dTrainer *
new_rank (gboolean syncs, guint size, Cnn3dTrainerParams *p, GError **error)
{
  GError *reason = NULL;

  params_init (p, NULL);
  p->sync_batch_norm = syncs;
  p->optimizer = CNN3D_UPDATE_ADAMW;
  sim_next = (Cnn3dLink) { 1, size, NULL, NULL };
  p->comm = cnn3d_comm_join_by (&sim_transport, NULL, NULL, 60, &reason);
  g_assert_no_error (reason);
  return cnn3d_trainer_new (p, BATCH, error);
}

/* A rank takes what the plan says, to the byte; batch norm's sums over all ranks take more. */
static void
test_memory (void)
{
  for (guint size = 2; size <= 33; size += 31) {
    gsize bytes[2];

    for (guint syncs = 0; syncs < 2; syncs++) {
      g_autoptr (GError) error = NULL;
      Cnn3dTrainerParams p;
      Cnn3dMemory memory;
      Cnn3dTrainer *t = new_rank (syncs, size, &p, &error);

      g_assert_no_error (error);
      cnn3d_trainer_memory (t, &memory);
      g_assert_cmpuint (counting->bytes, ==, memory.total);
      bytes[syncs] = memory.total;
      cnn3d_trainer_free (&t);
      cnn3d_comm_leave (&p.comm, FALSE);
    }
    /* (size, 2 c + 1) in double, of at most 4 x 8 channels */
    g_assert_cmpuint (bytes[1], >=, bytes[0] + size * 65 * sizeof (gdouble));
  }
}

/* A back end without it refuses, before any memory is taken. */
static void
test_unsupported (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;

  ((Cnn3dBackend *) backend)->syncs = FALSE;
  g_assert_null (new_rank (TRUE, 2, &p, &error));
  ((Cnn3dBackend *) backend)->syncs = TRUE;
  assert_says (error, CNN3D_SESSION_ERROR, "sync-batch-norm works on the CPU only|device=cpu");
  g_assert_cmpuint (counting->bytes, ==, 0);
  cnn3d_comm_leave (&p.comm, FALSE);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  counting = counting_load (&backend, &device);
  g_test_add_func ("/ranksim/call", test_call);
  g_test_add_func ("/ranksim/step", test_step);
  g_test_add_func ("/ranksim/schedule", test_schedule);
  g_test_add_func ("/ranksim/buckets", test_buckets);
  g_test_add_func ("/ranksim/memory", test_memory);
  g_test_add_func ("/ranksim/unsupported", test_unsupported);
  status = g_test_run ();
  backend->close (&device);
  return status;
}
