/* ranks.h: training on several processes, which get the bits of one that accumulates.
 *
 * A round gives each rank one batch: round k of a pass has its batches k * size to
 * k * size + size - 1, in rank order, and an optimizer step `accumulate` rounds. In a round each rank
 * computes its batch's gradient; rank r's slice of all of them is sent to rank r, which adds
 * them to the step's in rank order, as one process would that accumulates them. For a step each rank
 * updates its slice, whose optimizer state it alone has, and sends the weights to all. Running
 * statistics and metrics are applied by all ranks, in rank order.
 *
 * The ranks meet at the beginning of a round, too, and exchange the gradients in buckets, from the last
 * layer's on, while the others are computed. With sync_batch_norm, those with a batch add up batch norm's
 * sums, in rank order, while they compute, and exchange gradients after the backward pass.
 *
 * Source: slices as in Rajbhandari et al., "ZeRO: Memory optimizations toward training trillion
 * parameter models" (2020), stage 2. Private to this folder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANKS_H
#define CNN3D_RANKS_H

#include "src/backend/backend.h"
#include "src/comm/comm.h"

typedef struct _TrainerRanks TrainerRanks;

/* What a batch adds to the metrics. */
typedef struct {
  guint32 clips, correct;
  guint32 passes;       /* micro-batches */
  gdouble loss, weight; /* sums over the clips */
} TrainerShare;

/* Of `size` ranks. */
typedef struct {
  gsize slice; /* the most trained floats that one of them updates */
  gsize extra; /* bytes that each has in addition, beside its slices of gradient and state */
  /* bytes that `rank` sends to the others: for a round in which all have a batch, and for a step */
  gsize round, step;
} TrainerRanksSizes;
/* norms: the norm of the gradient is needed; statistics: batches change running statistics; gpu: each
 * rank has one. */
typedef struct {
  guint rank, size;
  gboolean norms, statistics, gpu;
  /* numbers that batch norm adds to other ranks': the most at once, and in a round; 0: none */
  gsize most_sums, sums;
} TrainerRanksParams;
/* Whether gradients are exchanged beside the computation. Sums would use the link at the same time. */
gboolean cnn3d_ranks_overlap (gsize sums);
/* Whether a pass of this rank runs as a whole all the same, and its gradients are exchanged after it:
 * where a GPU offloads, its copies are recorded with all of the pass. Other ranks may differ. */
gboolean cnn3d_ranks_run_whole (const Cnn3dBackend *backend, Cnn3dRecompute recompute);
TrainerRanksSizes cnn3d_ranks_sizes (const Cnn3dWeightLayout *layout, guint n_params,
    const gboolean *trained, const TrainerRanksParams *params);
/* Of TrainerRanksParams, for a training pass over a whole batch. */
gsize cnn3d_ranks_most_sums (const Cnn3dNetwork *net);
/* calls: in how many calls of Cnn3dSync's add(). */
gsize cnn3d_ranks_sums (const Cnn3dNetwork *net, const Cnn3dPlan *plan, guint *calls);

#endif
