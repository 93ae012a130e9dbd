/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/bytes.h"
#include "src/train/fit.h"

#include <math.h>
#include <string.h>

#include "src/train/trainer-private.h"

gboolean
cnn3d_trainer_accumulates (const Cnn3dTrainerParams *p, guint batch, guint micro_batch)
{
  /* ranks accumulate in memory of their own */
  return (p->accumulate > 1 && p->ranks <= 1) || micro_batch < batch;
}

/* Clipping needs the norm of all gradients before the first update; 16-mixed must know that all are
 * finite. */
gboolean
cnn3d_trainer_updates_early (const Cnn3dTrainerParams *p, guint batch, guint micro_batch)
{
  return !cnn3d_trainer_accumulates (p, batch, micro_batch) && p->gradient_clip <= 0
      && p->ranks <= 1 && !p->keep_gradients && p->precision != CNN3D_PRECISION_16_MIXED;
}

gboolean
cnn3d_trainer_syncs (const Cnn3dTrainerParams *p)
{
  return p->sync_batch_norm && p->ranks > 1 && !cnn3d_freezes_norm (p->freeze);
}

gsize
cnn3d_trainer_slot_bytes (const Cnn3dTrainerParams *p, guint batch)
{
  const gsize frames = cnn3d_frames_bytes (&p->network, p->frames_type) * batch;
  const gsize points = cnn3d_points_bytes (&p->network) * batch;
  const guint views = cnn3d_network_views (&p->network);
  const gsize present = views > 1 ? views * batch : 0;
  const gsize weights = p->class_weights ? p->network.num_classes * sizeof (gfloat) : 0;

  return cnn3d_session_part (frames) + cnn3d_session_part (points) + cnn3d_session_part (present)
      + cnn3d_session_part (batch * sizeof (gint32)) + cnn3d_session_part (weights);
}

/* cnn3d_fit_measure() for a budget, which only the clips of an evaluation depend on. */
static gboolean
measure_within (const Cnn3dBackend *backend, Cnn3dDevice *device, const Cnn3dTrainerParams *params,
    guint batch, guint micro_batch, Cnn3dRecompute recompute, guint64 budget, Cnn3dFit *fit,
    GError **error)
{
  const gboolean adam = params->optimizer != CNN3D_UPDATE_SGD;
  const gint states = adam ? 2 : params->momentum > 0;
  Cnn3dTrainerParams resolved = *params;
  Cnn3dNetwork *net = cnn3d_network_new (&params->network, error);
  g_autofree gboolean *trained = NULL;
  gboolean norm_frozen;
  Cnn3dModel *model = NULL;
  Cnn3dPlan *training = NULL, *forward = NULL;

  memset (fit, 0, sizeof *fit);
  if (!net || !backend->resolve_precision (device, &resolved.precision, error)
      || !(trained = cnn3d_freeze (net, params->freeze, &norm_frozen, error)))
    goto done;

  const gboolean early = cnn3d_trainer_updates_early (&resolved, batch, micro_batch);
  const Cnn3dModelParams model_params = { resolved.precision,
    CNN3D_RECOMPUTE_KEEPS_COPY (recompute) };
  const Cnn3dPlanParams plan_params = { TRUE, trained, recompute, early },
                        forward_params = { FALSE };
  Cnn3dProgramParams program = { micro_batch, TRUE,
    cnn3d_trainer_accumulates (params, batch, micro_batch), .syncs = cnn3d_trainer_syncs (params) };

  if (program.syncs && !backend->syncs) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "sync-batch-norm works on the CPU only, not on %s: set sync-batch-norm=false, or "
        "device=cpu",
        backend->describe (device));
    goto done;
  }
  if (program.syncs && micro_batch < batch) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "sync-batch-norm computes with whole batches, of %u clips, but they are to be split into "
        "chunks of %u: set use-chunking-in-train=false, or clipbatch's batch-size to %u",
        batch, micro_batch, micro_batch);
    goto done;
  }
  model = backend->model_new (device, net, &model_params, error);
  if (!model
      || !(training = cnn3d_session_plan (backend, model, net, &program, &plan_params, error)))
    goto done;
  const Cnn3dWeightLayout *layout = backend->model_layout (model);
  const gdouble passes = (gdouble) batch / micro_batch;
  /* a short micro-batch has fewer clips, but as many steps */
  const guint rounds = (batch + micro_batch - 1) / micro_batch;
  Cnn3dMemory *m = &fit->memory;
  Cnn3dDeviceMemory device_memory;
  Cnn3dDeviceSpeed speed;

  backend->memory (device, &device_memory);
  backend->speed (device, resolved.precision, &speed);

  const Cnn3dPlanRates rates = { speed.macs_per_second, speed.bytes_per_second, speed.step_seconds,
    speed.link_bytes_per_second };

  m->weights = layout->total * sizeof (gfloat);
  m->copy = layout->copy_bytes;
  m->gradients = early ? 0 : layout->trained * sizeof (gfloat);
  m->optimizer = states * layout->trained * sizeof (gfloat);
  if (params->ranks > 1) {
    const TrainerRanksParams place = { 0, params->ranks,
      cnn3d_ranks_need_norms (backend, &resolved), !norm_frozen, backend->stream != NULL,
      program.syncs ? cnn3d_ranks_most_sums (net) : 0,
      program.syncs ? cnn3d_ranks_sums (net, training, &fit->sum_calls) : 0 };
    const TrainerRanksSizes sizes = cnn3d_ranks_sizes (layout, net->n_weights, trained, &place);

    fit->most_sums = place.most_sums;
    fit->sums = place.sums;

    fit->sent = params->accumulate * sizes.round + sizes.step;
    m->gradients += sizes.slice * sizeof (gfloat) + sizes.extra;
    m->optimizer = states * sizes.slice * sizeof (gfloat);
  }
  m->input = backend->asynchronous ? 2 * cnn3d_trainer_slot_bytes (params, batch) : 0;
  m->context = device_memory.context;
  if (params->ranks > 1 && backend->stream)
    m->exchange = cnn3d_comm_buffers (params->ranks);
  program.training = FALSE;
  program.batch = backend->evaluation_slice ? backend->evaluation_slice : micro_batch;
  for (;; program.batch /= 2) {
    cnn3d_plan_free (&forward);
    forward = cnn3d_session_plan (backend, model, net, &program, &forward_params, error);
    if (!forward)
      goto done;
    m->arena = MAX (training->arena_bytes, forward->arena_bytes);
    m->total = m->weights + m->copy + m->gradients + m->optimizer + m->input + m->arena;
    if (cnn3d_memory_needs (m) <= budget || m->arena == training->arena_bytes
        || !backend->evaluation_slice || program.batch == 1)
      break;
  }
  m->workspace =
      (training->arena_bytes >= forward->arena_bytes ? training : forward)->scratch_bytes;
  m->store = training->store_bytes;
  fit->evaluation_batch = program.batch;
  fit->micro_batch = micro_batch;
  fit->recompute = recompute;
  fit->precision = resolved.precision;
  fit->macs = passes * training->macs;
  /* an update reads and writes each number of each array about once */
  fit->bytes = passes * training->bytes;
  fit->copied = passes * training->copied;
  fit->stall = passes * cnn3d_plan_stall (training, &rates);
  fit->seconds = fit->macs / speed.macs_per_second + fit->bytes / speed.bytes_per_second
      + (gdouble) rounds * training->n_steps * speed.step_seconds
      + (gdouble) layout->trained * sizeof (gfloat) * (3 + 2 * states) / speed.bytes_per_second
      + fit->stall;

done:
  cnn3d_plan_free (&training);
  cnn3d_plan_free (&forward);
  if (model)
    backend->model_free (&model);
  cnn3d_network_free (&net);
  return fit->micro_batch > 0;
}

gboolean
cnn3d_fit_measure (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, guint micro_batch, Cnn3dRecompute recompute,
    Cnn3dFit *fit, GError **error)
{
  return measure_within (backend, device, params, batch, micro_batch, recompute,
      cnn3d_fit_budget (backend, device, params), fit, error);
}

/* Checks the programs that a fit runs, and those of single clips, which short batches consist of.
 * replaced: a program failed its check and was replaced, so the fit no longer holds. */
static gboolean
check (const Cnn3dBackend *backend, Cnn3dDevice *device, const Cnn3dTrainerParams *params,
    guint batch, const Cnn3dFit *fit, gboolean *replaced, GError **error)
{
  const Cnn3dModelParams model_params = { fit->precision,
    CNN3D_RECOMPUTE_KEEPS_COPY (fit->recompute) };
  const gboolean accumulates = cnn3d_trainer_accumulates (params, batch, fit->micro_batch);
  const gboolean syncs = cnn3d_trainer_syncs (params);
  const Cnn3dProgramParams programs[] = {
    { fit->micro_batch, TRUE, accumulates, .syncs = syncs },
    { fit->evaluation_batch, FALSE, FALSE },
    { 1, TRUE, accumulates, .most = fit->micro_batch, .syncs = syncs },
  };
  Cnn3dNetwork *net = cnn3d_network_new (&params->network, error);
  Cnn3dModel *model = net ? backend->model_new (device, net, &model_params, error) : NULL;
  const gboolean ok = model
      && cnn3d_session_check (backend, model, programs, G_N_ELEMENTS (programs), replaced, error);

  if (model)
    backend->model_free (&model);
  cnn3d_network_free (&net);
  return ok;
}

guint64
cnn3d_fit_budget (
    const Cnn3dBackend *backend, Cnn3dDevice *device, const Cnn3dTrainerParams *params)
{
  Cnn3dDeviceMemory m;

  backend->memory (device, &m);
  return params->max_memory ? MIN (params->max_memory, m.available) : m.available;
}

gboolean
cnn3d_fit_fits (
    const Cnn3dBackend *backend, Cnn3dDevice *device, const Cnn3dFit *fit, guint64 budget)
{
  const gchar *place;
  guint64 room;

  return cnn3d_memory_needs (&fit->memory) <= budget
      && (!fit->memory.store
          || (backend->store_room (device, &room, &place, NULL) && fit->memory.store <= room));
}

Cnn3dRecompute
cnn3d_fit_last_recompute (const Cnn3dBackend *backend)
{
  return backend->stores_in_file ? CNN3D_RECOMPUTE_BLOCK : CNN3D_RECOMPUTE_OFFLOAD;
}

/* --- choosing --- */

#define PATIENCE 6 /* consecutive finer splits without a faster one */
#define SLACK 4    /* micro-batches above the largest that fits, also tried */

typedef struct {
  const Cnn3dBackend *backend;
  Cnn3dDevice *device;
  guint64 budget;
  Cnn3dFit best;  /* micro_batch 0: nothing fits so far */
  Cnn3dFit least; /* the fit that needs the least memory of all that were tried */
} Search;

/* Tries a fit that `params` allow, and keeps it if it is the best so far. */
static gboolean
try_way (Search *s, const Cnn3dTrainerParams *params, guint batch, guint micro,
    Cnn3dRecompute recompute, GError **error)
{
  Cnn3dFit fit;

  if (!measure_within (
          s->backend, s->device, params, batch, micro, recompute, s->budget, &fit, error))
    return FALSE;
  if (!s->least.micro_batch
      || cnn3d_memory_needs (&fit.memory) < cnn3d_memory_needs (&s->least.memory))
    s->least = fit;
  if (cnn3d_fit_fits (s->backend, s->device, &fit, s->budget)
      && (!s->best.micro_batch || fit.seconds < s->best.seconds))
    s->best = fit;
  return TRUE;
}

static gboolean
try_recomputes (
    Search *s, const Cnn3dTrainerParams *params, guint batch, guint micro, GError **error)
{
  if (params->recompute != CNN3D_RECOMPUTE_AUTO)
    return try_way (s, params, batch, micro, params->recompute, error);
  /* each is at least as slow as the one before */
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r <= cnn3d_fit_last_recompute (s->backend); r++) {
    const guint had = s->best.micro_batch;

    if (!try_way (s, params, batch, micro, r, error))
      return FALSE;
    if (s->best.micro_batch != had)
      break;
  }
  return TRUE;
}

/* Tries this micro-batch only: s->best becomes its fastest fit. */
static gboolean
try_micro (Search *s, const Cnn3dTrainerParams *params, guint batch, guint micro, GError **error)
{
  memset (&s->best, 0, sizeof s->best);
  return try_recomputes (s, params, batch, micro, error);
}

/* Batch norm sees one micro-batch: takes the largest that fits up to `most`, whatever remains for
 * the last one. */
static gboolean
search_largest (
    Search *s, const Cnn3dTrainerParams *params, guint batch, guint most, GError **error)
{
  Cnn3dFit best = { 0 };
  guint fits = 0, above = most;

  while (above - fits > 1) {
    const guint micro = fits + (above - fits) / 2;

    if (!try_micro (s, params, batch, micro, error))
      return FALSE;
    if (s->best.micro_batch) {
      best = s->best;
      fits = micro;
    } else {
      above = micro;
    }
  }
  /* buffers are placed by a heuristic: a larger micro-batch may need less memory */
  for (guint micro = fits + 1; fits && micro < MIN (most, fits + 1 + SLACK); micro++) {
    if (!try_micro (s, params, batch, micro, error))
      return FALSE;
    if (s->best.micro_batch) {
      best = s->best;
      fits = micro;
    }
  }
  s->best = best;
  return TRUE;
}

/* With frozen batch norm a smaller micro-batch that recomputes less may be faster: takes the
 * fastest that fits, of all splits into pieces of equal size except the last. */
static gboolean
search_quickest (
    Search *s, const Cnn3dTrainerParams *params, guint batch, guint most, GError **error)
{
  guint tried = most, slower = 0;

  for (guint parts = (batch + most - 1) / most; parts <= batch; parts++) {
    const guint micro = (batch + parts - 1) / parts;
    guint before;

    if (micro >= tried)
      continue;
    tried = micro;
    before = s->best.micro_batch;
    if (!try_recomputes (s, params, batch, micro, error))
      return FALSE;
    slower = s->best.micro_batch == before && before ? slower + 1 : 0;
    if (slower == PATIENCE)
      break;
  }
  return TRUE;
}

/* Tries all fits that the settings allow; FALSE only with error. */
static gboolean
search (Search *s, const Cnn3dTrainerParams *params, guint batch, GError **error)
{
  const guint most = params->micro_batch ? MIN (params->micro_batch, batch) : batch;

  memset (&s->least, 0, sizeof s->least);
  if (!try_micro (s, params, batch, most, error))
    return FALSE;
  if (!params->auto_fit || cnn3d_trainer_syncs (params))
    return TRUE;
  if (cnn3d_freezes_norm (params->freeze))
    return (s->best.micro_batch && s->best.recompute == CNN3D_RECOMPUTE_NONE)
        || search_quickest (s, params, batch, most, error);
  return s->best.micro_batch || search_largest (s, params, batch, most, error);
}

/* Only the store has no place. */
static void
refuse_store (const Search *s, const Cnn3dTrainerParams *params, guint batch, GError **error)
{
  const gsize store = s->least.memory.store;
  const gchar *place;
  guint64 room;

  if (!s->backend->store_room (s->device, &room, &place, error))
    return;

  g_auto (GStrv) ways = cnn3d_fit_suggest (s->backend, s->device, params, batch, s->budget, 3);
  g_autofree gchar *list = g_strjoinv ("\n  ", ways), *needed = cnn3d_format_bytes (store),
                   *have = cnn3d_format_bytes (room);

  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY,
      "recompute=offload needs %s (%" G_GSIZE_FORMAT " bytes) of %s, but there is only %s%s%s",
      needed, store, place, have, ways[0] ? "; what would fit:\n  " : "", list);
}

gboolean
cnn3d_fit_choose (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, Cnn3dFit *fit, GError **error)
{
  Search s = { backend, device, cnn3d_fit_budget (backend, device, params) };

  /* terminates, because a program that failed its check is not chosen again */
  for (gboolean replaced = TRUE; replaced;) {
    if (!search (&s, params, batch, error))
      return FALSE;
    if (!s.best.micro_batch && cnn3d_memory_needs (&s.least.memory) <= s.budget) {
      refuse_store (&s, params, batch, error);
      return FALSE;
    }
    if (!s.best.micro_batch) {
      cnn3d_fit_refuse (backend, device, params, batch, &s.least, s.budget, error);
      return FALSE;
    }
    replaced = FALSE;
    if (backend->program_replaced
        && !check (backend, device, params, batch, &s.best, &replaced, error))
      return FALSE;
  }
  *fit = s.best;
  return TRUE;
}

void
cnn3d_fit_refuse (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, const Cnn3dFit *fit, guint64 there,
    GError **error)
{
  g_auto (GStrv) ways = cnn3d_fit_suggest (backend, device, params, batch, there, 3);
  g_autofree gchar *list = g_strjoinv ("\n  ", ways);
  g_autofree gchar *needed = cnn3d_format_bytes (cnn3d_memory_needs (&fit->memory)),
                   *have = cnn3d_format_bytes (there);
  g_autofree gchar *context = cnn3d_format_bytes (fit->memory.context);

  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_MEMORY,
      "training needs %s (%" G_GUINT64_FORMAT
      " bytes, %s of it for libraries), but %s %s (%" G_GUINT64_FORMAT " bytes)%s%s%s",
      needed, cnn3d_memory_needs (&fit->memory), context,
      params->max_memory == there ? "max-memory allows" : "there is only", have, there,
      params->auto_fit && cnn3d_trainer_syncs (params) ? ", and sync-batch-norm splits no batches"
                                                       : "",
      ways[0] ? "; what would fit:\n  "
              : "; no setting fits with this model and these clips: try fewer frames, a smaller "
                "size or a smaller base-width",
      list);
}

/* --- suggestions --- */

typedef struct {
  gchar *text;
  guint64 needs;
  gdouble seconds;
  gint changes; /* how much it changes the training */
} Way;

static void
add_way (GArray *ways, Search *s, const Cnn3dTrainerParams *params, guint batch, gint changes,
    const gchar *text)
{
  Way way = { NULL, 0, 0, changes };

  if (!search (s, params, batch, NULL) || !s->best.micro_batch)
    return;
  way.needs = cnn3d_memory_needs (&s->best.memory);
  way.seconds = s->best.seconds;

  g_autofree gchar *bytes = cnn3d_format_bytes (way.needs);

  way.text = g_strdup_printf ("%s (%s)", text, bytes);
  for (guint i = 0; i < ways->len; i++)
    if (!strcmp (g_array_index (ways, Way, i).text, way.text)) {
      g_free (way.text);
      return;
    }
  g_array_append_val (ways, way);
}

static gint
cheapest_first (gconstpointer a, gconstpointer b)
{
  const Way *x = a, *y = b;

  if (x->changes != y->changes)
    return x->changes - y->changes;
  return x->seconds < y->seconds ? -1 : x->seconds > y->seconds;
}

/* Suggestions that change only memory and time; `prefix` precedes each. */
static void
add_ways (GArray *ways, Search *s, const Cnn3dTrainerParams *base, guint batch, gint changes,
    const gchar *prefix)
{
  for (Cnn3dRecompute r = CNN3D_RECOMPUTE_NONE; r < CNN3D_RECOMPUTE_AUTO; r++) {
    Cnn3dTrainerParams p = *base;
    g_autofree gchar *text =
        g_strdup_printf ("%srecompute=%s", prefix, cnn3d_choice_name (&cnn3d_recomputes, r));

    p.recompute = r;
    add_way (ways, s, &p, batch, changes, text);
  }
  if (!base->auto_fit && batch > 1 && !cnn3d_trainer_syncs (base)) {
    Cnn3dTrainerParams p = *base;
    g_autofree gchar *text = g_strdup_printf ("%sauto-fit=true recompute=auto", prefix);

    p.recompute = CNN3D_RECOMPUTE_AUTO;
    p.auto_fit = TRUE;
    add_way (ways, s, &p, batch, changes + 1, text);
  }
}

gchar **
cnn3d_fit_suggest (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, guint batch, guint64 budget, guint most)
{
  Search s = { backend, device, budget };
  GArray *ways = g_array_new (FALSE, FALSE, sizeof (Way));
  GPtrArray *texts = g_ptr_array_new ();
  const Cnn3dNetworkParams *n = &params->network;
  Cnn3dTrainerParams p = *params;

  add_ways (ways, &s, params, batch, 0, "");
  if (params->precision == CNN3D_PRECISION_32) {
    p.precision = CNN3D_PRECISION_16_MIXED;
    add_ways (ways, &s, &p, batch, 2, "precision=16-mixed ");
  }
  /* the following use less of each clip: with the least memory, on top of all the rest */
  p.recompute = CNN3D_RECOMPUTE_AUTO;
  p.auto_fit = TRUE;
  for (gint k = 0; k < 3; k++) {
    const gboolean fewer = k != 1 && n->frames > 8,
                   smaller = k != 0 && (n->height > 112 || n->width > 112);
    g_autofree gchar *text =
        g_strdup_printf ("%s%s%s, cnn3dtrain precision=%s auto-fit=true recompute=auto",
            fewer ? "clipsample num-frames=8" : "", fewer && smaller ? ", " : "",
            smaller ? "video/x-raw,width=112,height=112" : "",
            cnn3d_choice_name (&cnn3d_precisions, p.precision));

    p.network.frames = fewer ? 8 : n->frames;
    p.network.height = smaller ? 112 : n->height;
    p.network.width = smaller ? 112 : n->width;
    if (k == 2 ? fewer && smaller : fewer || smaller)
      add_way (ways, &s, &p, batch, 4 + k, text);
  }
  g_array_sort (ways, cheapest_first);
  for (guint i = 0; i < ways->len; i++) {
    gchar *text = g_array_index (ways, Way, i).text;

    if (texts->len < most)
      g_ptr_array_add (texts, text);
    else
      g_free (text);
  }
  g_array_free (ways, TRUE);
  g_ptr_array_add (texts, NULL);
  return (gchar **) g_ptr_array_free (texts, FALSE);
}

#define MOST_SECANTS 12
#define MOST_TIMES 8

/* A batch between one that fits and one that does not. Memory grows nearly in proportion to clips:
 * two measurements tell how far to go; not too far, as it does not where an evaluation takes more, and
 * large batches take long to plan. */
static guint
guess_clips (guint fits, guint fails, guint64 budget, const guint clips[2], const guint64 needs[2])
{
  const gdouble each = ((gdouble) needs[1] - needs[0]) / ((gdouble) clips[1] - clips[0]);
  const gdouble guess = clips[1] + floor (((gdouble) budget - needs[1]) / each);

  const guint most = MIN (fails - 1, MAX (fits * MOST_TIMES, fits + 1));

  return !(each > 0) ? MIN (most, fits + (fails - fits) / 2)
                     : (guint) CLAMP (guess, fits + 1, most);
}

guint
cnn3d_fit_largest (const Cnn3dBackend *backend, Cnn3dDevice *device,
    const Cnn3dTrainerParams *params, Cnn3dRecompute recompute, guint64 budget, Cnn3dFit *fit)
{
  guint fits = 0, fails = CNN3D_FIT_MOST_CLIPS + 1, clips[2] = { 0, 1 };
  guint64 needs[2] = { 0 };

  memset (fit, 0, sizeof *fit);
  for (guint tries = 1;; tries++) {
    const guint now = clips[1];
    Cnn3dFit tried;
    const gboolean measured =
        measure_within (backend, device, params, now, now, recompute, budget, &tried, NULL);

    if (measured)
      needs[1] = cnn3d_memory_needs (&tried.memory);
    if (measured && cnn3d_fit_fits (backend, device, &tried, budget)) {
      fits = now;
      *fit = tried;
    } else {
      fails = now;
    }
    if (fails - fits <= 1)
      return fits;
    if (!clips[0])
      clips[1] = 2;
    else if (measured && tries < MOST_SECANTS)
      clips[1] = guess_clips (fits, fails, budget, clips, needs);
    else
      clips[1] = MIN (fits + (fails - fits) / 2, MAX (fits * MOST_TIMES, fits + 1));
    clips[0] = now;
    needs[0] = needs[1];
  }
}
