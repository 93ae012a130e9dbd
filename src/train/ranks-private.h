/* ranks-private.h: shared by ranks.c and ranknorm.c.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANKS_PRIVATE_H
#define CNN3D_RANKS_PRIVATE_H

#include "src/train/ranks.h"
#include "src/train/rankwire.h"
#include "src/train/trainer-private.h"

typedef enum {
  STATE_IDLE, /* it has no batch in this round */
  STATE_BATCH,
  STATE_LEAVES, /* it was stopped */
  STATE_FAILED
} State;

/* What each rank tells the others at the end of a round. */
typedef struct {
  guint32 state;
  guint32 epoch, training;
  TrainerShare share;
  guint64 round, step, position;
  guint64 count;    /* see cnn3d_ranks_end_pass() */
  guint64 settings; /* hash of everything that must agree */
  gchar reason[240];
} Report;

/* A rank's part of the trained floats. */
typedef struct {
  gsize from, count;
} Slice;

struct _TrainerRanks {
  Cnn3dComm *comm;
  TrainerWire wire; /* for what the host has */
  guint rank, size;
  GArray *pieces;           /* of Piece */
  Slice *slices;            /* [size] */
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
