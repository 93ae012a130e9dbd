/* ranks-private.h: shared by ranks.c, rankreduce.c and ranknorm.c.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANKS_PRIVATE_H
#define CNN3D_RANKS_PRIVATE_H

#include "src/train/ranks.h"
#include "src/train/rankslices.h"
#include "src/train/rankwire.h"
#include "src/train/trainer-private.h"

typedef enum {
  STATE_IDLE, /* it has no batch in this round */
  STATE_BATCH,
  STATE_LEAVES, /* it was stopped */
  STATE_FAILED
} State;

/* What each rank tells the others at the end of a round, and at its beginning where gradients or sums are
 * exchanged in it. */
typedef struct {
  guint32 state;
  guint32 epoch, training;
  TrainerShare share;
  guint64 round, step, position;
  guint64 count;    /* see cnn3d_ranks_end_pass() */
  guint64 settings; /* hash of everything that must agree */
  gchar reason[240];
} Report;

struct _TrainerRanks {
  Cnn3dComm *comm;
  TrainerWire wire; /* for what the host has */
  guint rank, size;
  RankSlices *slices;
  gfloat *sum;              /* of this rank's slice: the gradient of the step so far */
  gboolean summed;          /* there is one */
  gsize chunk;              /* floats that are sent to a rank at once */
  gfloat *received;         /* (size, chunk) */
  gfloat *statistics;       /* before the batch, and then after all ranks' */
  gfloat *added_statistics; /* what each rank's batch adds to this one's part of them */
  gfloat *
      host_statistics; /* memory of those now, and of these, for a GPU's; NULL: they are the host's */
  gdouble *sums;       /* (size, most_sums) of batch norm; NULL: each batch has its own */
  gsize most_sums;
  guint sum_calls;      /* of this round so far */
  gboolean sums_follow; /* of this round */
  Cnn3dSync sync;
  gboolean overlaps;   /* gradients are exchanged beside the computation: rankreduce.c */
  GThread *thread;     /* on CPUs; NULL: no batch is under way, or they are not */
  gboolean posts;      /* on GPUs: a batch is under way, and they are */
  GHashTable *started; /* likewise: programs that have run */
  GMutex lock;
  GCond completed;
  guint incomplete;    /* buckets whose gradients are not complete, from the first on */
  gboolean broken;     /* the exchange has failed: the batch does not count */
  Report *reports;     /* [size] */
  gconstpointer *from; /* arguments of cnn3d_comm_exchange(), [size] */
  gpointer *to;
  gsize *sent, *taken;
  guint64 rounds; /* of this pass that are over */
  guint64 settings;
  gboolean begun; /* all ranks have the same weights */
  gboolean met;   /* at the pass's end */
  /* LEFT: no round follows, as a rank was stopped; FAILED: nor a save, as one has failed */
  enum {
    RANKS_TOGETHER,
    RANKS_LEFT,
    RANKS_FAILED
  } state;
};

/* Where rank `r`'s part of `n` statistics begins. */
static inline gsize
statistics_from (gsize n, guint r, guint size)
{
  return (guint64) n * r / size;
}

static inline gsize
most_statistics (gsize n, guint size)
{
  return (n + size - 1) / size;
}

static inline gsize
n_statistics (const Cnn3dTrainer *t)
{
  return t->s.layout->total - t->s.layout->trained;
}

/* from, to, sent and taken are filled in. */
static inline gboolean
cnn3d_ranks_exchange (TrainerRanks *k, GError **error)
{
  return cnn3d_wire_enter (&k->wire, error)
      && cnn3d_comm_exchange (k->comm, k->from, k->sent, k->to, k->taken, error);
}

/* Floats of the longest segment of a bucket, and how many of rank r's are in chunk `c` of it. */
static inline gsize
cnn3d_ranks_longest (const TrainerRanks *k, guint bucket)
{
  gsize most = 0;

  for (guint r = 0; r < k->size; r++)
    most = MAX (most, cnn3d_rank_segment (k->slices, bucket, r)->count);
  return most;
}

static inline gsize
cnn3d_ranks_chunk (const TrainerRanks *k, guint bucket, guint r, gsize c)
{
  const gsize count = cnn3d_rank_segment (k->slices, bucket, r)->count;

  return c < count ? MIN (k->chunk, count - c) : 0;
}

/* ranks.c. All ranks meet here: each tells where it is. FALSE with error: they do not go on together. */
gboolean cnn3d_ranks_meet (Cnn3dTrainer *t, State state, const TrainerShare *share, guint64 count,
    const gchar *reason, GError **error);

/* rankreduce.c. Adds this rank's slices of the gradients of all ranks that had a batch to the step's. */
gboolean cnn3d_ranks_reduce (Cnn3dTrainer *t, GError **error);
/* A round's exchange of gradients beside its computation: with a batch it goes on until
 * cnn3d_ranks_end_exchange(), without one it is done. Then the ranks are where they were, or have failed. */
gboolean cnn3d_ranks_begin_exchange (Cnn3dTrainer *t, gboolean batch, GError **error);

/* ranknorm.c. A Cnn3dSync's add(), of a Cnn3dTrainer: sums over the ranks, in their order. */
gboolean cnn3d_ranks_add_sums (gpointer trainer, gdouble *values, gsize n, GError **error);
/* For a rank without a batch, or whose batch failed: adds zeros to the sums that follow in this round. */
gboolean cnn3d_ranks_attend_sums (Cnn3dTrainer *t, GError **error);
/* A batch is to begin with zeros: what it leaves is what it adds. */
gboolean cnn3d_ranks_clear_statistics (Cnn3dTrainer *t, GError **error);
/* Whether the round's running statistics take what rank r's batch adds; if all batches count as one, it
 * is the same for all of them. */
gboolean cnn3d_ranks_changes_statistics (const TrainerRanks *k, guint r);
/* Each rank applies its part of what all batches add, in rank order, and sends it to all. */
gboolean cnn3d_ranks_share_statistics (Cnn3dTrainer *t, GError **error);

#endif
