/* rankslices.h: which of the trained floats each rank adds up and updates.
 *
 * The trained floats are cut from their end into buckets, in the order in which the backward pass
 * completes their gradients, and each bucket among the ranks. A rank's slice is its segments of all
 * buckets, in the order of the floats. Everything is cut between pieces, which are updated and squared
 * as a whole. Private to this folder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_RANKSLICES_H
#define CNN3D_RANKSLICES_H

#include "src/backend/backend.h"

/* A piece of the arrays that is updated as a whole; the pieces of a stretch are consecutive. */
typedef struct {
  gsize first, n;
  guint stretch;
} RankPiece;

/* A rank's part of a bucket. */
typedef struct {
  gsize from, count; /* floats, of the trained ones; untrained ones may lie between */
  gsize at;          /* where they begin in the rank's slice */
  guint piece, n_pieces;
} RankSegment;

typedef struct {
  guint size, n_buckets;
  GArray *pieces;        /* of RankPiece */
  RankSegment *segments; /* (n_buckets, size), in the order of the floats */
  gsize *counts;         /* [size]: floats of each rank's slice */
  gsize most, longest;   /* floats: of the largest slice, of the longest segment */
  guint most_pieces;     /* of a rank */
} RankSlices;

/* whole: one bucket. */
RankSlices *cnn3d_rank_slices_new (const Cnn3dWeightLayout *layout, guint n_params,
    const gboolean *trained, guint size, gboolean whole);
void cnn3d_rank_slices_free (RankSlices *slices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RankSlices, cnn3d_rank_slices_free)

static inline const RankSegment *
cnn3d_rank_segment (const RankSlices *s, guint bucket, guint rank)
{
  return &s->segments[(gsize) bucket * s->size + rank];
}

/* After how many steps of a training pass the bucket's gradients are complete: those of untrained
 * floats between, too, as they are sent with them. */
guint cnn3d_rank_bucket_steps (const RankSlices *slices, const Cnn3dWeightLayout *layout,
    const Cnn3dNetwork *network, const Cnn3dPlan *plan, guint bucket);

#endif
