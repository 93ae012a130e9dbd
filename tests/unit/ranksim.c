/* The time that ranks' messages take, in virtual time: ranksim.h.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ranksim.h"
#include "smallrun.h"

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ranksim/call", test_call);
  g_test_add_func ("/ranksim/schedule", test_schedule);
  return g_test_run ();
}
