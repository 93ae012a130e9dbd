/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/rankslices.h"

/* A bucket has at least that many pieces, 8 MiB, so that a few ranks' messages are not short, and as
 * many for each rank. */
#define BUCKET_PIECES 128

static GArray *
pieces_of (const Cnn3dWeightLayout *layout, guint n_params, const gboolean *trained)
{
  GArray *pieces = g_array_new (FALSE, FALSE, sizeof (RankPiece));
  guint stretch = 0;
  gsize first, n;

  for (guint i = 0; cnn3d_next_stretch (layout, n_params, trained, &i, &first, &n); stretch++)
    for (gsize k = 0; k < n; k += CNN3D_UPDATE_PIECE) {
      const RankPiece piece = { first + k, MIN (CNN3D_UPDATE_PIECE, n - k), stretch };

      g_array_append_val (pieces, piece);
    }
  return pieces;
}

/* The floats from a piece to before another one, with untrained ones between. */
static gsize
span_of (const GArray *pieces, guint begin, guint end, gsize *from)
{
  const RankPiece *first, *last;

  *from = 0;
  if (begin == end)
    return 0;
  first = &g_array_index (pieces, RankPiece, begin);
  last = &g_array_index (pieces, RankPiece, end - 1);
  *from = first->first;
  return last->first + last->n - first->first;
}

/* The pieces of a bucket among the ranks; taken, [size]: pieces that each has already. */
static void
share_bucket (RankSlices *s, guint bucket, guint begin, guint end, guint *taken)
{
  for (guint r = 0; r < s->size; r++) {
    RankSegment *segment = &s->segments[(gsize) bucket * s->size + r];
    const guint last = begin + (guint64) (end - begin) * (r + 1) / s->size;

    segment->piece = begin + (guint64) (end - begin) * r / s->size;
    segment->n_pieces = last - segment->piece;
    segment->count = span_of (s->pieces, segment->piece, last, &segment->from);
    segment->at = s->counts[r];
    s->counts[r] += segment->count;
    taken[r] += segment->n_pieces;
    s->longest = MAX (s->longest, segment->count);
    s->most = MAX (s->most, s->counts[r]);
    s->most_pieces = MAX (s->most_pieces, taken[r]);
  }
}

RankSlices *
cnn3d_rank_slices_new (const Cnn3dWeightLayout *layout, guint n_params, const gboolean *trained,
    guint size, gboolean whole)
{
  RankSlices *s = g_new0 (RankSlices, 1);
  g_autofree guint *taken = g_new0 (guint, size);
  guint n, each;

  s->size = size;
  s->pieces = pieces_of (layout, n_params, trained);
  n = s->pieces->len;
  each = whole ? MAX (n, 1) : (BUCKET_PIECES + size - 1) / size * size;
  s->n_buckets = MAX ((n + each - 1) / each, 1);
  s->segments = g_new0 (RankSegment, (gsize) s->n_buckets * size);
  s->counts = g_new0 (gsize, size);
  /* what does not fill a bucket is in the first one, whose gradients are the last */
  for (guint b = 0; b < s->n_buckets; b++) {
    const guint end = n - (s->n_buckets - 1 - b) * each;

    share_bucket (s, b, b ? end - each : 0, end, taken);
  }
  return s;
}

void
cnn3d_rank_slices_free (RankSlices *s)
{
  if (!s)
    return;
  g_array_unref (s->pieces);
  g_free (s->segments);
  g_free (s->counts);
  g_free (s);
}

/* Whether a step writes a gradient in floats [from, from + count). */
static gboolean
writes (const Cnn3dWeightLayout *l, const Cnn3dNetwork *net, const Cnn3dStep *step, gsize from,
    gsize count)
{
  const Cnn3dOp *op = &net->ops[step->op];
  const gint params[2] = { op->weight, op->bias };

  if (step->phase != CNN3D_PHASE_BACKWARD_WEIGHTS
      && !(step->phase == CNN3D_PHASE_BACKWARD && op->kind == CNN3D_OP_NORM))
    return FALSE;
  for (guint i = 0; i < 2; i++)
    if (params[i] >= 0 && l->offset[params[i]] < from + count
        && l->offset[params[i]] + l->length[params[i]] > from)
      return TRUE;
  return FALSE;
}

guint
cnn3d_rank_bucket_steps (const RankSlices *s, const Cnn3dWeightLayout *layout,
    const Cnn3dNetwork *net, const Cnn3dPlan *plan, guint bucket)
{
  const RankSegment *first = cnn3d_rank_segment (s, bucket, 0),
                    *last = cnn3d_rank_segment (s, bucket, s->size - 1);
  gsize from;
  const gsize count = span_of (s->pieces, first->piece, last->piece + last->n_pieces, &from);
  guint n = plan->n_steps;

  while (n > plan->n_forward && !writes (layout, net, &plan->steps[n - 1], from, count))
    n--;
  return n;
}
