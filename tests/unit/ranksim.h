/* ranksim.h: what ranks send each other in a step, recorded rank by rank, and the time that it takes
 * over links of a given speed. Includes smallrun.h's way of starting a trainer.
 *
 * A rank's calls of exchange() are recorded while it trains one batch alone: the double of the
 * transport answers it with its own report, as if all ranks did the same. Ranks to which rank 0 sends
 * as much in each call, and from which it gets as much, are taken to be alike, so that a few
 * recordings describe a thousand ranks; what one sends must be what the other expects.
 *
 * Calls by another thread than the one that computes are beside the computation: a rank's first one from
 * its beginning on, and those of a bucket of gradients when the plan says that it is complete.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANKSIM_H
#define CNN3D_RANKSIM_H

#include <string.h>

#include "src/comm/comm.h"
#include "src/train/fitexchange.h"

/* A longer message has weights or their gradient, whose values do not matter here; reports and batch
 * norm's sums are shorter. */
#define SIM_REPORT_BYTES 16384

/* One call of exchange(), bytes by rank. */
typedef struct {
  gsize *sent, *received;
  gboolean beside; /* the computation */
} SimCall;

/* All calls of a rank; `start` of them come before its first batch. */
typedef struct {
  GArray *calls; /* of SimCall */
  guint start;
  guint64 sends; /* cnn3d_trainer_sends() */
} SimRank;

typedef struct {
  guint size;
  SimRank **ranks; /* [size]; several may be the same one */
  GPtrArray *recorded;
} SimSchedule;

typedef struct {
  gdouble bytes_per_second; /* each way, of each rank, to a switch that never blocks */
  gdouble latency;          /* s from a message's first byte sent to its first byte received */
  gdouble gap;              /* s that each message takes on either side beside its bytes */
} SimLink;

struct _Cnn3dLink {
  guint rank, size;
  GArray *calls;
  GThread *computes;
};

static Cnn3dLink sim_next; /* of the next sim_join() */

static inline Cnn3dLink *
sim_join (const Cnn3dPlace *place, gconstpointer id, guint seconds, GError **error)
{
  return g_memdup2 (&sim_next, sizeof sim_next);
}

static inline void
sim_leave (Cnn3dLink **link, gboolean failed)
{
  g_clear_pointer (link, g_free);
}

static inline guint
sim_rank (const Cnn3dLink *link)
{
  return link->rank;
}

static inline guint
sim_size (const Cnn3dLink *link)
{
  return link->size;
}

static inline gboolean
sim_exchange (Cnn3dLink *link, const gconstpointer *from, const gsize *sent, const gpointer *to,
    const gsize *received, guint seconds, GError **error)
{
  const guint own = link->rank;
  const SimCall call = { g_memdup2 (sent, link->size * sizeof *sent),
    g_memdup2 (received, link->size * sizeof *received), g_thread_self () != link->computes };

  g_array_append_val (link->calls, call);
  for (guint r = 0; r < link->size; r++)
    if (received[r] == sent[own] && sent[own] <= SIM_REPORT_BYTES && to[r] != from[own])
      memcpy (to[r], from[own], sent[own]);
  return TRUE;
}

static const Cnn3dTransport sim_transport = { .abi = CNN3D_TRANSPORT_ABI,
  .name = "simulation",
  .join = sim_join,
  .leave = sim_leave,
  .rank = sim_rank,
  .size = sim_size,
  .exchange = sim_exchange };

static inline void
sim_clear_call (gpointer call)
{
  g_free (((SimCall *) call)->sent);
  g_free (((SimCall *) call)->received);
}

static inline void
sim_rank_free (gpointer rank)
{
  g_array_unref (((SimRank *) rank)->calls);
  g_free (rank);
}

/* A step with one batch of one clip. params: without comm. */
static inline SimRank *
sim_record (const Cnn3dTrainerParams *params, guint rank, guint size)
{
  const Cnn3dNetworkParams *n = &params->network;
  const gsize bytes = cnn3d_frames_bytes (n, CNN3D_TYPE_UINT8);
  g_autofree guint8 *frames = g_malloc (bytes);
  const gint32 label = 0;
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, &label, 1, rank + 1 };
  const Cnn3dPass pass = { 0, TRUE, 0, 0, 1000000, 1, FALSE };
  Cnn3dTrainerParams p = *params;
  SimRank *s = g_new0 (SimRank, 1);
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;
  Cnn3dTrainer *t;

  for (gsize i = 0; i < bytes; i++)
    frames[i] = i * 37;
  s->calls = g_array_new (FALSE, FALSE, sizeof (SimCall));
  g_array_set_clear_func (s->calls, sim_clear_call);
  sim_next = (Cnn3dLink) { rank, size, s->calls, g_thread_self () };
  p.comm = cnn3d_comm_join_by (&sim_transport, NULL, NULL, 60, &error);
  g_assert_no_error (error);
  t = cnn3d_trainer_new (&p, 1, &error);
  g_assert_no_error (error);
  s->sends = cnn3d_trainer_sends (t);
  cnn3d_trainer_begin_pass (t, &pass, &error);
  g_assert_no_error (error);
  s->start = s->calls->len;
  cnn3d_trainer_run (t, &batch, &progress, &error);
  g_assert_no_error (error);
  g_assert_true (progress.stepped);
  cnn3d_trainer_free (&t);
  cnn3d_comm_leave (&p.comm, FALSE);
  return s;
}

static inline const SimCall *
sim_call (const SimSchedule *s, guint rank, guint call)
{
  return &g_array_index (s->ranks[rank]->calls, SimCall, call);
}

static inline gboolean
sim_alike (const SimSchedule *s, guint a, guint b)
{
  for (guint c = 0; c < s->ranks[0]->calls->len; c++)
    if (sim_call (s, 0, c)->sent[a] != sim_call (s, 0, c)->sent[b]
        || sim_call (s, 0, c)->received[a] != sim_call (s, 0, c)->received[b])
      return FALSE;
  return TRUE;
}

/* every: record each rank, without a look for those that are alike. */
static inline SimSchedule *
sim_schedule (const Cnn3dTrainerParams *params, guint size, gboolean every)
{
  SimSchedule *s = g_new0 (SimSchedule, 1);
  GArray *first = g_array_new (FALSE, FALSE, sizeof (guint)); /* of those that are alike */

  s->size = size;
  s->ranks = g_new0 (SimRank *, size);
  s->recorded = g_ptr_array_new_with_free_func (sim_rank_free);
  for (guint r = 0; r < size; r++) {
    for (guint i = 0; !every && r > 0 && i < first->len && !s->ranks[r]; i++)
      if (sim_alike (s, g_array_index (first, guint, i), r))
        s->ranks[r] = s->ranks[g_array_index (first, guint, i)];
    if (s->ranks[r])
      continue;
    s->ranks[r] = sim_record (params, r, size);
    g_ptr_array_add (s->recorded, s->ranks[r]);
    if (r > 0)
      g_array_append_val (first, r);
  }
  g_array_unref (first);
  return s;
}

static inline void
sim_schedule_free (SimSchedule *s)
{
  g_ptr_array_unref (s->recorded);
  g_free (s->ranks);
  g_free (s);
}

/* One call of all ranks, each from ready[rank] on, which becomes the time at which it returns. Messages
 * leave in the order in which the MPI transport posts them. */
static inline void
sim_run_call (const SimSchedule *s, guint call, const SimLink *link, gdouble *ready)
{
  g_autofree gdouble *out = g_memdup2 (ready, s->size * sizeof *ready),
                     *in = g_memdup2 (ready, s->size * sizeof *ready);

  for (guint step = 1; step < s->size; step++)
    for (guint i = 0; i < s->size; i++) {
      const guint j = (i + step) % s->size;
      const gsize bytes = sim_call (s, i, call)->sent[j];
      const gdouble takes = link->gap + bytes / link->bytes_per_second;

      g_assert_cmpuint (bytes, ==, sim_call (s, j, call)->received[i]);
      if (!bytes)
        continue;
      in[j] = MAX (out[i] + link->latency, in[j]) + takes;
      out[i] += takes;
    }
  for (guint i = 0; i < s->size; i++)
    ready[i] = MAX (out[i], in[i]);
}

/* Bytes of all ranks' parts of a call's gradients, its own included. */
static inline gsize
sim_gradient (const SimSchedule *s, const SimCall *call)
{
  gsize bytes = 0;

  for (guint r = 0; r < s->size; r++)
    bytes += call->sent[r];
  return bytes;
}

/* Seconds until the last rank has done all calls from `first` to `end`, and has computed a batch. exchange:
 * when buckets are complete; NULL: there is none. */
static inline gdouble
sim_step (const SimSchedule *s, guint first, guint end, const SimLink *link, gdouble computes,
    const Cnn3dExchange *exchange)
{
  g_autofree gdouble *ready = g_new0 (gdouble, s->size);
  gboolean computed = FALSE;
  gsize left = 0; /* bytes of a bucket that come in later calls */
  gdouble last = computes;
  guint bucket = 0, beside = 0;

  for (guint c = first; c < end; c++) {
    const SimCall *call = sim_call (s, 0, c);
    gdouble from = 0;

    if (!call->beside) {
      from = computed ? 0 : computes;
      computed = TRUE;
    } else if (beside++ > 0) { /* after the meeting */
      const Cnn3dBucket *b;

      if (left == 0)
        left = g_array_index (exchange->buckets, Cnn3dBucket, bucket++).whole;
      b = &g_array_index (exchange->buckets, Cnn3dBucket, bucket - 1);
      g_assert_cmpuint (sim_gradient (s, call), <=, left);
      left -= sim_gradient (s, call);
      from = b->ready * computes;
    }
    for (guint i = 0; i < s->size; i++)
      ready[i] = MAX (ready[i], from);
    sim_run_call (s, c, link, ready);
  }
  g_assert_cmpuint (left, ==, 0);
  g_assert_true (!exchange || bucket == exchange->buckets->len);
  for (guint i = 0; i < s->size; i++)
    last = MAX (last, ready[i]);
  return last;
}

/* The same of calls alone. */
static inline gdouble
sim_seconds (const SimSchedule *s, guint first, guint end, const SimLink *link)
{
  g_autofree gdouble *ready = g_new0 (gdouble, s->size);
  gdouble last = 0;

  for (guint c = first; c < end; c++)
    sim_run_call (s, c, link, ready);
  for (guint i = 0; i < s->size; i++)
    last = MAX (last, ready[i]);
  return last;
}

/* Bytes that a rank sends to others in its step. */
static inline guint64
sim_sent (const SimSchedule *s, guint rank)
{
  guint64 bytes = 0;

  for (guint c = s->ranks[rank]->start; c < s->ranks[rank]->calls->len; c++)
    for (guint r = 0; r < s->size; r++)
      bytes += r == rank ? 0 : sim_call (s, rank, c)->sent[r];
  return bytes;
}

#endif
