/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/ranks-private.h"

#include <math.h>
#include <string.h>

/* The most floats that are sent to a rank at once. */
#define CHUNK ((gsize) 1 << 18)

gboolean
cnn3d_ranks_overlap (gsize sums)
{
  return !sums;
}

gboolean
cnn3d_ranks_run_whole (const Cnn3dBackend *backend, Cnn3dRecompute recompute)
{
  return backend->stream && recompute == CNN3D_RECOMPUTE_OFFLOAD;
}

TrainerRanksSizes
cnn3d_ranks_sizes (const Cnn3dWeightLayout *layout, guint n_params, const gboolean *trained,
    const TrainerRanksParams *params)
{
  const guint size = params->size;
  const gboolean overlaps = cnn3d_ranks_overlap (params->sums);
  g_autoptr (RankSlices) slices =
      cnn3d_rank_slices_new (layout, n_params, trained, size, !overlaps);
  const gsize statistics = layout->total - layout->trained;
  const gsize part = statistics_from (statistics, params->rank + 1, size)
      - statistics_from (statistics, params->rank, size);
  TrainerRanksSizes sizes = { 0 };

  sizes.slice = slices->most;
  for (guint r = 0; r < size; r++)
    if (r == params->rank)
      sizes.step = (size - 1) * slices->counts[r] * sizeof (gfloat);
    else
      sizes.round += slices->counts[r] * sizeof (gfloat) + sizeof (Report);
  /* what all ranks' batches give together, rank 0 sends */
  if (params->statistics)
    sizes.round += ((params->sums && params->rank > 0 ? 0 : statistics - part) + (size - 1) * part)
        * sizeof (gfloat);
  sizes.round += (size - 1) * params->sums * sizeof (gdouble);
  /* at the round's beginning */
  if (params->sums || overlaps)
    sizes.round += (size - 1) * sizeof (Report);
  if (params->norms)
    sizes.step += (size - 1) * slices->most_pieces * sizeof (gdouble);
  sizes.extra = size * MIN (CHUNK, slices->longest) * sizeof (gfloat)
      + size * params->most_sums * sizeof (gdouble)
      + (params->gpu ? cnn3d_wire_staging (size)
                     : (statistics + size * most_statistics (statistics, size)) * sizeof (gfloat));
  return sizes;
}

/* --- setup --- */

/* A hash of what has to be the same for all ranks, in the pass that begins. */
static guint64
settings_of (const Cnn3dTrainer *t)
{
  const Cnn3dTrainerParams *p = &t->params;
  const Cnn3dNetworkParams *n = &p->network;
  const gdouble numbers[] = { t->s.layout->trained, t->s.layout->total, t->batch, p->accumulate,
    p->optimizer, p->precision, p->momentum, p->weight_decay, p->lr.schedule, p->lr.lr,
    p->lr.warmup_epochs, p->lr.epochs, p->lr.step_size, p->lr.gamma, p->label_smoothing,
    p->gradient_clip, t->fit.micro_batch, p->patience, p->monitor, p->checkpoint_interval,
    p->checkpoint_dir != NULL, p->convolution, p->sync_batch_norm, t->class_weights != NULL,
    t->now.pass.clips_listed, n->frames, n->height, n->width, n->num_classes, n->dropout,
    n->view_dropout, n->input, n->fusion, n->views, n->view_fusion, n->points, n->persons,
    n->heatmap_size, n->heatmap_sigma };
  const gchar *const texts[] = { n->model, p->freeze, p->data.order };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint64 words[4];
  gsize size = sizeof words;

  g_checksum_update (sum, (const guchar *) numbers, sizeof numbers);
  g_checksum_update (sum, (const guchar *) &p->seed, sizeof p->seed);
  if (t->class_weights)
    g_checksum_update (
        sum, (const guchar *) t->class_weights, n->num_classes * sizeof *t->class_weights);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_checksum_update (sum, (const guchar *) (texts[i] ? texts[i] : ""), -1);
  g_checksum_get_digest (sum, (guint8 *) words, &size);
  return words[0];
}

gboolean
cnn3d_ranks_need_norms (const Cnn3dBackend *backend, const Cnn3dTrainerParams *p)
{
  return p->gradient_clip > 0 || backend->asynchronous || p->precision == CNN3D_PRECISION_16_MIXED;
}

TrainerRanksSizes
cnn3d_ranks_sizes_of (const Cnn3dTrainer *t)
{
  const TrainerRanksParams params = { cnn3d_comm_rank (t->params.comm), t->params.ranks,
    cnn3d_ranks_need_norms (t->s.backend, &t->params), !t->norm_frozen,
    t->s.backend->stream != NULL, t->fit.most_sums, t->fit.sums };

  return cnn3d_ranks_sizes (t->s.layout, t->s.net->n_weights, t->trained, &params);
}

gfloat *
cnn3d_ranks_alloc_slice (Cnn3dTrainer *t, GError **error)
{
  return cnn3d_session_alloc (&t->s, cnn3d_ranks_sizes_of (t).slice * sizeof (gfloat), error);
}

/* The arrays that cnn3d_ranks_sizes() counts. */
static gboolean
take_memory (TrainerRanks *k, Cnn3dTrainer *t, GError **error)
{
  const TrainerRanksSizes sizes = cnn3d_ranks_sizes_of (t);
  guint8 *extra;

  if (!(k->sum = cnn3d_ranks_alloc_slice (t, error))
      || !(extra = cnn3d_session_alloc (&t->s, sizes.extra, error)))
    return FALSE;
  k->chunk = MIN (CHUNK, k->slices->longest);
  k->most_sums = t->fit.most_sums;
  if (k->most_sums)
    k->sums = (gdouble *) extra;
  k->received = (gfloat *) (extra + k->size * k->most_sums * sizeof (gdouble));
  k->statistics = k->received + k->size * k->chunk;
  if (t->s.backend->stream) {
    const gsize n = n_statistics (t);

    k->wire.staging = (guint8 *) k->statistics;
    k->host_statistics = g_new (gfloat, 2 * n + k->size * most_statistics (n, k->size) + 1);
    k->statistics = k->host_statistics + n;
  }
  k->added_statistics = k->statistics + n_statistics (t);
  return TRUE;
}

TrainerRanks *
cnn3d_ranks_new (Cnn3dTrainer *t, GError **error)
{
  TrainerRanks *k = g_new0 (TrainerRanks, 1);

  k->started = g_hash_table_new (NULL, NULL);
  g_mutex_init (&k->lock);
  g_cond_init (&k->completed);
  k->overlaps = cnn3d_ranks_overlap (t->fit.sums);
  k->comm = t->params.comm;
  k->rank = cnn3d_comm_rank (k->comm);
  k->size = cnn3d_comm_size (k->comm);
  k->slices =
      cnn3d_rank_slices_new (t->s.layout, t->s.net->n_weights, t->trained, k->size, !k->overlaps);
  k->reports = g_new0 (Report, k->size);
  k->from = g_new0 (gconstpointer, k->size);
  k->to = g_new0 (gpointer, k->size);
  k->sent = g_new0 (gsize, k->size);
  k->taken = g_new0 (gsize, k->size);
  k->sync = (Cnn3dSync) { cnn3d_ranks_add_sums, t };
  cnn3d_wire_init (&k->wire, k->comm, t->s.backend, t->s.device);
  if (!take_memory (k, t, error) || !cnn3d_wire_connect (&k->wire, error))
    g_clear_pointer (&k, cnn3d_ranks_free);
  return k;
}

void
cnn3d_ranks_free (TrainerRanks *k)
{
  if (!k)
    return;
  g_hash_table_unref (k->started);
  g_mutex_clear (&k->lock);
  g_cond_clear (&k->completed);
  cnn3d_wire_clear (&k->wire);
  cnn3d_rank_slices_free (k->slices);
  g_free (k->host_statistics);
  g_free (k->reports);
  g_free (k->from);
  g_free (k->to);
  g_free (k->sent);
  g_free (k->taken);
  g_free (k);
}

/* --- arrays in slices --- */

/* Sends each rank's slice to all, or to rank 0 only. slice: this rank's; NULL: it is in `array`, of all
 * trained floats. */
static gboolean
gather (Cnn3dTrainer *t, const gfloat *slice, gfloat *array, gboolean to_all, GError **error)
{
  TrainerRanks *k = t->ranks;

  for (guint b = 0; b < k->slices->n_buckets; b++) {
    const RankSegment *own = cnn3d_rank_segment (k->slices, b, k->rank);
    const gfloat *from = slice ? slice + own->at : array + own->from;
    const gsize end = cnn3d_ranks_longest (k, b);

    for (gsize c = 0; c < end; c += k->chunk) {
      for (guint r = 0; r < k->size; r++) {
        k->from[r] = from + c;
        k->sent[r] = to_all || r == 0 ? cnn3d_ranks_chunk (k, b, k->rank, c) * sizeof (gfloat) : 0;
        k->to[r] = array + cnn3d_rank_segment (k->slices, b, r)->from + c;
        k->taken[r] = to_all || k->rank == 0 ? cnn3d_ranks_chunk (k, b, r, c) * sizeof (gfloat) : 0;
      }
      if (!cnn3d_ranks_exchange (k, error))
        return FALSE;
    }
  }
  return cnn3d_comm_settle (k->comm, error);
}

gboolean
cnn3d_ranks_gather (Cnn3dTrainer *t, const gfloat *slice, GError **error)
{
  /* what does not train is in no slice */
  return t->s.backend->add (
             t->s.device, t->gradients, NULL, t->s.layout->trained, FALSE, FALSE, error)
      && gather (t, slice, t->gradients, FALSE, error);
}

gboolean
cnn3d_ranks_take_slice (Cnn3dTrainer *t, gfloat *slice, GError **error)
{
  const RankSlices *slices = t->ranks->slices;

  for (guint b = 0; b < slices->n_buckets; b++) {
    const RankSegment *own = cnn3d_rank_segment (slices, b, t->ranks->rank);

    if (!t->s.backend->add (t->s.device, slice + own->at, t->gradients + own->from, own->count,
            FALSE, FALSE, error))
      return FALSE;
  }
  return TRUE;
}

/* Rank 0's weights to all: a part to each rank, which passes it on, so that rank 0 does not send as
 * many copies as there are ranks. */
static gboolean
send_weights (Cnn3dTrainer *t, GError **error)
{
  TrainerRanks *k = t->ranks;
  const gsize total = t->s.layout->total;

  for (gsize c = 0; c < total; c += k->size * k->chunk)
    for (guint pass = 0; pass < 2; pass++) {
      const gsize from = MIN (total, c + k->rank * k->chunk);
      const gsize own = MIN (k->chunk, total - from) * sizeof (gfloat);

      for (guint r = 0; r < k->size; r++) {
        const gsize at = MIN (total, c + r * k->chunk);
        const gsize part = MIN (k->chunk, total - at) * sizeof (gfloat);

        k->from[r] = t->s.weights + (pass ? from : at);
        k->to[r] = t->s.weights + (pass ? at : from);
        k->sent[r] = pass ? own : k->rank == 0 ? part : 0;
        k->taken[r] = pass ? part : r == 0 ? own : 0;
      }
      if (!cnn3d_ranks_exchange (k, error))
        return FALSE;
    }
  return cnn3d_comm_settle (k->comm, error);
}

/* --- rounds --- */

static guint64
rounds_of (const Cnn3dTrainer *t, guint64 clips)
{
  const guint64 round = (guint64) t->batch * t->ranks->size;

  return (clips + round - 1) / round;
}

static gboolean
check_report (const Cnn3dTrainer *t, guint r, GError **error)
{
  const TrainerRanks *k = t->ranks;
  const Report *own = &k->reports[k->rank], *other = &k->reports[r];

  if (other->state == STATE_FAILED) {
    g_autofree gchar *reason = g_utf8_make_valid (other->reason, -1);

    g_set_error (
        error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_RANKS, "rank %u failed: %s", r, reason);
    return FALSE;
  }
  /* one that is stopped between two passes is not in the next one, which others may have begun */
  if (own->state == STATE_LEAVES || other->state == STATE_LEAVES)
    return TRUE;
  if (other->settings != own->settings) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_RANKS,
        "rank %u has other settings or clips than rank %u: start all ranks with the same line, and "
        "give all of them the same files",
        r, k->rank);
    return FALSE;
  }
  if (other->epoch != own->epoch || other->training != own->training || other->round != own->round
      || other->step != own->step || other->position != own->position) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_RANKS,
        "rank %u is at clip %" G_GUINT64_FORMAT " after step %" G_GUINT64_FORMAT
        ", rank %u at clip %" G_GUINT64_FORMAT " after step %" G_GUINT64_FORMAT
        ": all ranks need the same checkpoint-dir, on storage that they share",
        r, other->position, other->step, k->rank, own->position, own->step);
    return FALSE;
  }
  return TRUE;
}

gboolean
cnn3d_ranks_meet (Cnn3dTrainer *t, State state, const TrainerShare *share, guint64 count,
    const gchar *reason, GError **error)
{
  TrainerRanks *k = t->ranks;
  Report own = { .state = state,
    .epoch = t->now.pass.epoch,
    .training = t->now.pass.training,
    .round = k->rounds,
    .step = t->now.step,
    .position = t->now.position,
    .count = count,
    .settings = k->settings };

  if (share)
    own.share = *share;
  if (reason)
    g_strlcpy (own.reason, reason, sizeof own.reason);
  /* unless all goes well */
  k->state = RANKS_FAILED;
  if (!cnn3d_wire_share (&k->wire, &own, sizeof own, k->reports, error))
    return FALSE;
  for (guint r = 0; r < k->size; r++)
    if (!check_report (t, r, error))
      return FALSE;
  for (guint r = 0; r < k->size; r++)
    if (k->reports[r].state == STATE_LEAVES) {
      k->state = RANKS_LEFT;
      g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_LEFT,
          "rank %u was stopped, which ends training for all: start all of them again to go on", r);
      return FALSE;
    }
  return TRUE;
}

/* This rank's part of a bucket, for the back end. FALSE: it has none. */
static gboolean
own_arrays (const Cnn3dTrainer *t, guint bucket, Cnn3dArrays *a)
{
  const RankSegment *own = cnn3d_rank_segment (t->ranks->slices, bucket, t->ranks->rank);

  *a = cnn3d_trainer_arrays (t);
  a->gradients = t->ranks->sum + own->at;
  a->first = a->first ? a->first + own->at : NULL;
  a->second = a->second ? a->second + own->at : NULL;
  a->from = own->from;
  a->count = own->count;
  return own->count > 0;
}

/* The sum of the squares of the step's gradient, as one process computes it. */
static gboolean
square_sum (Cnn3dTrainer *t, gdouble *sum, GError **error)
{
  TrainerRanks *k = t->ranks;
  const RankSlices *s = k->slices;
  const guint most = s->most_pieces;
  g_autofree gdouble *own = g_new0 (gdouble, most), *all = g_new0 (gdouble, most * k->size);
  g_autofree guint *taken = g_new0 (guint, k->size); /* of each rank's */
  gdouble stretch = 0;
  Cnn3dArrays a;
  guint n = 0;

  for (guint b = 0; b < s->n_buckets; b++) {
    if (own_arrays (t, b, &a) && !t->s.backend->square_pieces (t->s.model, &a, own + n, error))
      return FALSE;
    n += cnn3d_rank_segment (s, b, k->rank)->n_pieces;
  }
  if (!cnn3d_wire_share (&k->wire, own, most * sizeof *own, all, error))
    return FALSE;
  *sum = 0;
  for (guint i = 0; i < s->n_buckets * k->size; i++)
    for (guint j = 0; j < s->segments[i].n_pieces; j++) {
      const guint r = i % k->size, at = s->segments[i].piece + j;
      const RankPiece *piece = &g_array_index (s->pieces, RankPiece, at);

      if (at > 0 && piece->stretch != g_array_index (s->pieces, RankPiece, at - 1).stretch) {
        *sum += stretch;
        stretch = 0;
      }
      stretch += all[r * most + taken[r]++];
    }
  *sum += stretch;
  return TRUE;
}

/* The step's batches are complete. */
static gboolean
step (Cnn3dTrainer *t, Cnn3dProgress *progress, GError **error)
{
  TrainerRanks *k = t->ranks;
  Cnn3dUpdate update;

  t->pending = (TrainerPending) { 0 };
  update = cnn3d_trainer_next_update (t, t->group_weight);
  t->pending.checks = update.checks;
  k->summed = FALSE;
  if (update.checks || update.clip > 0) {
    if (!square_sum (t, &update.squares, error))
      return FALSE;
    t->pending.squares = update.squares * ((gdouble) update.gradient_scale * update.gradient_scale);
  }
  t->in_step = TRUE;
  for (guint b = 0; b < k->slices->n_buckets; b++) {
    Cnn3dArrays a;

    if (own_arrays (t, b, &a) && !t->s.backend->update (t->s.model, &a, &update, NULL, error))
      return FALSE;
  }
  if (!gather (t, NULL, t->s.weights, TRUE, error) || !cnn3d_session_refresh (&t->s, error)
      || !t->s.backend->fetch (t->s.device, t->new_statistics, t->s.weights + t->s.layout->trained,
          n_statistics (t) * sizeof (gfloat), error)
      || !t->s.backend->finish (t->s.device, error))
    return FALSE;
  t->in_step = FALSE;
  return cnn3d_trainer_take_step (t, progress, error);
}

/* With anything to exchange in a round, each rank says at its beginning whether it has a batch: one that was
 * stopped, or has failed, must not be waited for in the middle of the others' batches. */
static gboolean
begin_round (Cnn3dTrainer *t, State state, GError **error)
{
  TrainerRanks *k = t->ranks;

  if (!t->now.pass.training || !(k->sums || k->overlaps))
    return TRUE;
  if (k->overlaps)
    return cnn3d_ranks_begin_exchange (t, state == STATE_BATCH, error);
  if (!cnn3d_ranks_meet (t, state, NULL, 0, NULL, error))
    return FALSE;
  k->state = RANKS_TOGETHER;
  k->sums_follow = FALSE;
  k->sum_calls = 0;
  for (guint r = 0; r < k->size; r++)
    k->sums_follow |= k->reports[r].state == STATE_BATCH;
  return state == STATE_BATCH || !k->sums_follow || cnn3d_ranks_attend_sums (t, error);
}

/* Ends a round, with or without a batch of this rank. */
static gboolean
end_round (Cnn3dTrainer *t, State state, const TrainerShare *share, Cnn3dProgress *progress,
    GError **error)
{
  TrainerRanks *k = t->ranks;
  const TrainerPass *pass = &t->now.pass;
  guint64 end;

  k->sums_follow = FALSE;
  if (!cnn3d_ranks_end_exchange (t, error) || !cnn3d_ranks_meet (t, state, share, 0, NULL, error))
    return FALSE;
  if (pass->training && !k->overlaps && !cnn3d_ranks_reduce (t, error))
    return FALSE;
  if (pass->training && !t->norm_frozen) {
    /* without a batch, they are still what they were */
    if ((state != STATE_BATCH && !cnn3d_ranks_clear_statistics (t, error))
        || !cnn3d_ranks_share_statistics (t, error))
      return FALSE;
  }
  k->rounds++;
  end = pass->first + MIN (k->rounds * t->batch * k->size, pass->clips_listed);
  for (guint r = 0; r < k->size; r++) {
    TrainerShare one = k->reports[r].share;

    if (!cnn3d_ranks_changes_statistics (k, r))
      one.passes = 0;
    if (k->reports[r].state == STATE_BATCH
        && !cnn3d_trainer_take_share (t, &one, end, progress, error))
      return FALSE;
  }
  t->now.position = end;
  progress->ready = TRUE;
  if (pass->training && t->group_clips > 0
      && (k->rounds % t->params.accumulate == 0 || k->rounds == rounds_of (t, pass->clips_listed))
      && !step (t, progress, error))
    return FALSE;
  cnn3d_trainer_fill_progress (t, progress);
  k->state = RANKS_TOGETHER;
  return TRUE;
}

gboolean
cnn3d_ranks_begin_pass (Cnn3dTrainer *t, GError **error)
{
  TrainerRanks *k = t->ranks;
  const TrainerPass *pass = &t->now.pass;
  gboolean saved;

  if (!pass->clips_listed) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "several ranks train together only on clips from clipsrc, which says how many there are: "
        "take the clips from it, or set distributed=none");
    return FALSE;
  }
  /* a batch that a resumed run has done already was a whole round then, or another rank's */
  k->rounds = (t->now.position - pass->first) / ((guint64) t->batch * k->size);
  k->summed = k->met = FALSE;
  k->settings = settings_of (t);
  if (k->begun)
    return TRUE;
  k->begun = TRUE;
  saved = t->mark_saved;
  if (!send_weights (t, error) || !cnn3d_session_refresh (&t->s, error)
      || !cnn3d_trainer_take_mark (t, error))
    return FALSE;
  t->mark_saved = saved; /* nothing was trained */
  return TRUE;
}

gboolean
cnn3d_ranks_end_pass (Cnn3dTrainer *t, guint64 *count, GError **error)
{
  TrainerRanks *k = t->ranks;

  if (!cnn3d_ranks_meet (t, STATE_IDLE, NULL, *count, NULL, error))
    return FALSE;
  k->state = RANKS_TOGETHER;
  k->met = TRUE;
  *count = 0;
  for (guint r = 0; r < k->size; r++)
    *count += k->reports[r].count;
  return TRUE;
}

gboolean
cnn3d_ranks_close_pass (Cnn3dTrainer *t, GError **error)
{
  guint64 count = 0;

  /* a pass that resuming ends */
  if (!t->ranks->begun)
    return TRUE;
  if (!t->ranks->met && !cnn3d_ranks_end_pass (t, &count, error))
    return FALSE;
  t->ranks->met = FALSE;
  t->ranks->rounds = 0;
  return TRUE;
}

gboolean
cnn3d_ranks_check (const Cnn3dTrainer *t, const Cnn3dBatch *batch, GError **error)
{
  const TrainerRanks *k = t->ranks;
  const guint64 number = (batch->position - t->now.pass.first - 1) / t->batch;

  if (number % k->size == k->rank && number / k->size >= k->rounds)
    return TRUE;
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DATA,
      "batch %" G_GUINT64_FORMAT " of the pass came to rank %u, but is rank %u's: leave clipsrc's "
      "rank and world-size unset, and clipbatch's batch-size as it is",
      number, k->rank, (guint) (number % k->size));
  return FALSE;
}

gboolean
cnn3d_ranks_idle (Cnn3dTrainer *t, const Cnn3dBatch *next, Cnn3dProgress *progress, GError **error)
{
  const TrainerPass *pass = &t->now.pass;
  const guint64 before =
      next ? rounds_of (t, next->position - pass->first) - 1 : rounds_of (t, pass->clips_listed);

  return t->ranks->rounds >= before
      || (begin_round (t, STATE_IDLE, error) && end_round (t, STATE_IDLE, NULL, progress, error));
}

gboolean
cnn3d_ranks_begin_batch (Cnn3dTrainer *t, GError **error)
{
  return begin_round (t, STATE_BATCH, error)
      && (!t->now.pass.training || t->norm_frozen || cnn3d_ranks_clear_statistics (t, error));
}

const Cnn3dSync *
cnn3d_ranks_sync (const Cnn3dTrainer *t)
{
  return t->ranks && t->ranks->sums && t->now.pass.training ? &t->ranks->sync : NULL;
}

gboolean
cnn3d_ranks_end_batch (
    Cnn3dTrainer *t, const TrainerShare *share, Cnn3dProgress *progress, GError **error)
{
  return end_round (t, STATE_BATCH, share, progress, error);
}

/* In an array of all ranks' counts, (size, n) in parts. */
gboolean
cnn3d_ranks_add_counts (Cnn3dTrainer *t, guint64 *counts, gsize n, GError **error)
{
  TrainerRanks *k = t->ranks;
  const gsize part = 4096;
  g_autofree guint64 *all = g_new (guint64, part * k->size);

  for (gsize at = 0; at < n; at += part) {
    const gsize m = MIN (part, n - at);

    if (!cnn3d_wire_share (&k->wire, counts + at, m * sizeof *counts, all, error))
      return FALSE;
    memset (counts + at, 0, m * sizeof *counts);
    for (gsize i = 0; i < m * k->size; i++)
      counts[at + i % m] += all[i];
  }
  return TRUE;
}

gboolean
cnn3d_ranks_leave (Cnn3dTrainer *t, const gchar *reason)
{
  TrainerRanks *k = t->ranks;

  /* the others wait for the gradients of a batch that failed */
  if (!cnn3d_ranks_end_exchange (t, NULL))
    return FALSE;
  /* before the first pass nobody listens; after the end the others know, or cannot be reached */
  if (!k->begun || k->state != RANKS_TOGETHER)
    return FALSE;
  /* a batch under way is no part of what is saved, and no round of its own any more */
  t->pending.active = FALSE;
  /* the others are computing, and would take the report for sums */
  if (k->sums_follow && !cnn3d_ranks_attend_sums (t, NULL))
    return FALSE;
  cnn3d_ranks_meet (t, reason ? STATE_FAILED : STATE_LEAVES, NULL, 0, reason, NULL);
  return k->state == RANKS_LEFT;
}

gboolean
cnn3d_ranks_agree (const TrainerRanks *k)
{
  return k->begun && k->state != RANKS_FAILED;
}

void
cnn3d_ranks_break (TrainerRanks *k)
{
  k->state = RANKS_FAILED;
}
