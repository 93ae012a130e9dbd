/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/format.h"
#include "src/train/trainer-private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/escape.h"
#include "src/model/modelfile.h"
#include "src/settings/settings.h"
#include "src/temporary.h"

void
cnn3d_trainer_params_init (Cnn3dTrainerParams *p)
{
  memset (p, 0, sizeof *p);
  p->network.model = "r3d_18";
  p->network.base_width = 64;
  p->network.channels = 3;
  p->network.heatmap_size = 56;
  p->network.heatmap_sigma = 0.6f;
  p->device = "auto";
  p->accumulate = 1;
  p->optimizer = CNN3D_UPDATE_SGD;
  p->momentum = 0.9;
  p->lr = (Cnn3dLrParams) { CNN3D_LR_CONSTANT, 0.01, 0, 0, 10, 0.1 };
  p->recompute = CNN3D_RECOMPUTE_AUTO;
  p->deterministic = p->tf32 = p->benchmark = TRUE;
  p->save_top_k = 1;
  p->monitor = CNN3D_MONITOR_AUTO;
  p->max_skipped = 1;
}

#define INITIAL_LOSS_SCALE 65536 /* as torch.amp.GradScaler */

/* --- setup --- */

static gboolean
open_device (Cnn3dTrainer *t, GError **error)
{
  const Cnn3dDeviceParams params = { .threads = t->params.threads,
    .deterministic = t->params.deterministic,
    .convolution = t->params.convolution,
    .tf32 = t->params.tf32,
    .benchmark = t->params.benchmark };

  if (!cnn3d_session_open (&t->s, t->params.device, &params, t->params.precision, error))
    return FALSE;
  t->params.precision = t->s.precision;
  return TRUE;
}

static gfloat *
alloc_trained (Cnn3dTrainer *t, GError **error)
{
  return cnn3d_session_alloc (&t->s, t->s.layout->trained * sizeof (gfloat), error);
}

/* The optimizer's state, or this rank's slice of it. */
static gfloat *
alloc_state (Cnn3dTrainer *t, GError **error)
{
  return t->ranks ? cnn3d_ranks_alloc_slice (t, error) : alloc_trained (t, error);
}

/* Slots that the next batch is copied to, for an asynchronous device. */
static gboolean
take_slots (Cnn3dTrainer *t, GError **error)
{
  for (guint i = 0; t->s.backend->asynchronous && i < 2; i++) {
    t->slots[i] =
        cnn3d_session_alloc (&t->s, cnn3d_trainer_slot_bytes (&t->params, t->batch), error);
    if (!t->slots[i])
      return FALSE;
  }
  return TRUE;
}

/* Allocates all memory; steps allocate none. */
static gboolean
take_memory (Cnn3dTrainer *t, GError **error)
{
  const Cnn3dWeightLayout *l = t->s.layout;
  const gboolean adam = t->params.optimizer != CNN3D_UPDATE_SGD;
  GError *reason = NULL;

  t->mark_statistics = g_new0 (gfloat, MAX (l->total - l->trained, 1));
  t->new_statistics = g_new0 (gfloat, MAX (l->total - l->trained, 1));
  t->results = g_new0 (Cnn3dResults, t->batch);
  if (t->s.net->params.num_classes <= CNN3D_CONFUSION_CLASSES) {
    const gsize classes = t->s.net->params.num_classes;

    t->logits = g_new0 (gfloat, t->batch * classes);
    t->labels = g_new0 (gint32, t->batch);
    t->confusion = g_new0 (guint64, classes * classes);
    t->class_accuracy = g_new0 (gdouble, classes);
  }
  if (cnn3d_session_take_memory (&t->s, &t->fit.memory, &reason)
      && (t->updates_early || (t->gradients = alloc_trained (t, &reason)))
      && (t->params.ranks <= 1 || (t->ranks = cnn3d_ranks_new (t, &reason)))
      && (!(adam || t->params.momentum > 0) || (t->first = alloc_state (t, &reason)))
      && (!adam || (t->second = alloc_state (t, &reason))) && take_slots (t, &reason))
    return cnn3d_session_program (&t->s, t->fit.micro_batch, TRUE, error)
        && cnn3d_session_program (&t->s, t->fit.evaluation_batch, FALSE, error);

  if (g_error_matches (reason, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MEMORY)) {
    /* It was free when the plan was made: another process has taken it. */
    Cnn3dDeviceMemory now;

    cnn3d_session_give_back (&t->s);
    t->s.backend->memory (t->s.device, &now);
    /* less than was asked for, whatever the system reports */
    cnn3d_fit_refuse (t->s.backend, t->s.device, &t->params, t->batch, &t->fit,
        MIN (MIN (t->budget, now.available), cnn3d_memory_needs (&t->fit.memory) - 1), error);
    g_prefix_error (error, "%s: ", reason->message);
    g_error_free (reason);
  } else {
    g_propagate_error (error, reason);
  }
  return FALSE;
}

static gboolean
initialize_weights (Cnn3dTrainer *t, GError **error)
{
  gint64 most = 0;

  for (guint i = 0; i < t->s.net->n_weights; i++)
    most = MAX (most, t->s.net->weights[i].count);

  g_auto (Cnn3dTemporary) values = { NULL };

  if (!cnn3d_temporary_take (&values, most * sizeof (gfloat), "initial weights", error))
    return FALSE;

  for (guint i = 0; i < t->s.net->n_weights; i++) {
    cnn3d_network_initial (t->s.net, i, t->params.seed, values.data);
    if (!t->s.backend->import_weight (t->s.model, i, values.data, t->s.weights, error))
      return FALSE;
  }
  return !t->params.pretrained || !*t->params.pretrained
      || cnn3d_trainer_load_pretrained (t, t->params.pretrained, error);
}

/* Files have the names of views, and are not read with others than these. */
static gboolean
check_view_names (const Cnn3dTrainerParams *p, GError **error)
{
  const guint n = g_strv_length ((gchar **) p->view_names);
  guint first, second;

  if (n != cnn3d_network_views (&p->network)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "there are names for %u views, but a sample has %u: name each view, or none", n,
        cnn3d_network_views (&p->network));
    return FALSE;
  }
  for (guint i = 0; i < n; i++)
    if (!*p->view_names[i]) {
      g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
          "view %u has an empty name: name each view, or none", i);
      return FALSE;
    }
  if (cnn3d_class_names_repeat (p->view_names, &first, &second)) {
    g_autofree gchar *shown = cnn3d_escape (p->view_names[first], FALSE);

    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "views %u and %u are both called '%s': give each view a unique name", first, second, shown);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_settings (const Cnn3dTrainerParams *p, guint batch, GError **error)
{
  const struct {
    const gchar *name;
    gdouble value;
  } numbers[] = {
    { "accumulate-grad-batches", p->accumulate },
    { "momentum", p->momentum },
    { "weight-decay", p->weight_decay },
    { "label-smoothing", p->label_smoothing },
    { "gradient-clip-val", p->gradient_clip },
    { "threads", p->threads },
  };

  if (batch < 1 || batch > CNN3D_MOST_BATCH) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "batch is %u, but must be from 1 to %u", batch, CNN3D_MOST_BATCH);
    return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_autofree gchar *wrong =
        cnn3d_setting_refuse (cnn3d_setting ("cnn3dtrain", numbers[i].name), numbers[i].value);

    if (wrong) {
      g_set_error_literal (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS, wrong);
      return FALSE;
    }
  }
  if (p->classes && g_strv_length ((gchar **) p->classes) != p->network.num_classes) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "there are names for %u classes, but num-classes is %u: name each class, or none",
        g_strv_length ((gchar **) p->classes), p->network.num_classes);
    return FALSE;
  }
  if (p->view_names && !check_view_names (p, error))
    return FALSE;
  for (guint i = 0; p->class_weights && i < p->network.num_classes; i++)
    if (!(p->class_weights[i] > 0 && p->class_weights[i] <= CNN3D_MOST_CLASS_WEIGHT)) {
      cnn3d_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
          "class %u has the weight %g, but class-weights must be above 0 and at most %g", i,
          p->class_weights[i], CNN3D_MOST_CLASS_WEIGHT);
      return FALSE;
    }
  if (p->monitor == CNN3D_MONITOR_VAL_F1 && p->network.num_classes > CNN3D_CONFUSION_CLASSES) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "monitor=val-f1 needs the confusions of all classes, which are counted for %u at most, not "
        "for %u: set monitor=val-accuracy or val-loss",
        CNN3D_CONFUSION_CLASSES, p->network.num_classes);
    return FALSE;
  }
  return TRUE;
}

static void
set_programs (Cnn3dTrainer *t)
{
  const gboolean accumulates = cnn3d_trainer_accumulates (&t->params, t->batch, t->fit.micro_batch);

  t->s.most_clips = t->fit.micro_batch;
  for (guint training = 0; training < 2; training++) {
    t->s.program[training] = (Cnn3dProgramParams) { .training = training,
      .accumulates = accumulates,
      .most = t->fit.micro_batch,
      .syncs = cnn3d_trainer_syncs (&t->params) };
    t->s.plan[training] =
        (Cnn3dPlanParams) { training, t->trained, t->fit.recompute, t->updates_early };
  }
}

Cnn3dTrainer *
cnn3d_trainer_new (const Cnn3dTrainerParams *params, guint batch, GError **error)
{
  Cnn3dTrainer *t;

  if (!check_settings (params, batch, error))
    return NULL;
  t = g_new0 (Cnn3dTrainer, 1);
  t->params = *params;
  t->params.pretrained = g_strdup (params->pretrained);
  t->params.freeze = g_strdup (params->freeze);
  t->params.device = g_strdup (params->device);
  t->params.checkpoint_dir =
      params->checkpoint_dir && *params->checkpoint_dir ? g_strdup (params->checkpoint_dir) : NULL;
  t->params.preparation.sampling = g_strdup (params->preparation.sampling);
  t->params.preparation.scaling = g_strdup (params->preparation.scaling);
  t->params.preparation.skeleton = g_strdup (params->preparation.skeleton);
  t->params.data.clips = g_strdup (params->data.clips);
  t->params.data.labels = g_strdup (params->data.labels);
  t->params.data.order = g_strdup (params->data.order);
  t->classes = g_strdupv ((gchar **) params->classes);
  t->params.classes = (const gchar *const *) t->classes;
  t->view_names = g_strdupv ((gchar **) params->view_names);
  t->params.view_names = (const gchar *const *) t->view_names;
  if (params->class_weights)
    t->class_weights =
        g_memdup2 (params->class_weights, params->network.num_classes * sizeof (gfloat));
  t->params.class_weights = t->class_weights;
  t->batch = batch;
  t->params.ranks = params->comm ? cnn3d_comm_size (params->comm) : 1;
  cnn3d_session_init (&t->s);
  t->kept = g_array_new (FALSE, FALSE, sizeof (TrainerKept));
  t->dropped = g_array_new (FALSE, FALSE, sizeof (guint));
  t->left_out = g_ptr_array_new_with_free_func (g_free);
  t->now.best = t->now.train_loss = NAN;
  t->now.pass.training = TRUE;

  t->s.net = cnn3d_network_new (&params->network, error);
  if (!t->s.net)
    goto failed;
  t->params.network = t->s.net->params;
  t->trained = cnn3d_freeze (t->s.net, params->freeze, &t->norm_frozen, error);
  if (!t->trained || !open_device (t, error))
    goto failed;
  if (t->params.ranks > 1 && cnn3d_comm_on_gpu (params->comm) != (t->s.backend->stream != NULL)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "ranks train on CPUs over MPI and on GPUs over NCCL, but this one is on %s over %s: set "
        "device and distributed to fit each other",
        t->s.backend->describe (t->s.device), cnn3d_comm_name (params->comm));
    goto failed;
  }
  t->scales = t->params.precision == CNN3D_PRECISION_16_MIXED;
  t->now.loss_scale = INITIAL_LOSS_SCALE;
  /* ranks of one machine share its memory, but not its GPUs */
  if (t->params.ranks > 1 && !params->max_memory && !t->s.backend->stream)
    t->params.max_memory =
        cnn3d_fit_budget (t->s.backend, t->s.device, params) / cnn3d_comm_neighbours ();
  t->budget = cnn3d_fit_budget (t->s.backend, t->s.device, &t->params);
  if (!cnn3d_fit_choose (t->s.backend, t->s.device, &t->params, batch, &t->fit, error))
    goto failed;
  t->updates_early = cnn3d_trainer_updates_early (&t->params, batch, t->fit.micro_batch);
  if (!cnn3d_session_set_model (&t->s, CNN3D_RECOMPUTE_KEEPS_COPY (t->fit.recompute), error))
    goto failed;
  set_programs (t);
  if (!take_memory (t, error) || !initialize_weights (t, error)
      || !cnn3d_session_refresh (&t->s, error))
    goto failed;
  g_ptr_array_add (t->left_out, NULL);
  if (!cnn3d_trainer_take_mark (t, error))
    goto failed;
  t->mark_saved = TRUE; /* there is nothing to save yet */
  return t;

failed:
  cnn3d_trainer_free (&t);
  return NULL;
}

void
cnn3d_trainer_free (Cnn3dTrainer **trainer)
{
  Cnn3dTrainer *t = *trainer;

  *trainer = NULL;
  if (!t)
    return;
  /* waits for copies to the host, of which some go to the ranks' arrays */
  cnn3d_session_clear (&t->s);
  cnn3d_ranks_free (t->ranks);
  g_free (t->trained);
  g_free (t->mark_statistics);
  g_free (t->new_statistics);
  g_free (t->results);
  g_free (t->logits);
  g_free (t->labels);
  g_free (t->confusion);
  g_free (t->class_accuracy);
  g_free (t->class_weights);
  g_array_free (t->kept, TRUE);
  g_array_free (t->dropped, TRUE);
  g_free (t->best_before);
  g_ptr_array_free (t->left_out, TRUE);
  g_strfreev (t->classes);
  g_strfreev (t->view_names);
  g_free (t->prefix);
  g_free ((gchar *) t->params.pretrained);
  g_free ((gchar *) t->params.freeze);
  g_free ((gchar *) t->params.device);
  g_free ((gchar *) t->params.checkpoint_dir);
  g_free ((gchar *) t->params.preparation.sampling);
  g_free ((gchar *) t->params.preparation.scaling);
  g_free ((gchar *) t->params.preparation.skeleton);
  g_free ((gchar *) t->params.data.clips);
  g_free ((gchar *) t->params.data.labels);
  g_free ((gchar *) t->params.data.order);
  g_free (t->data_note);
  g_free (t);
}

/* --- state --- */

const gchar *const *
cnn3d_trainer_left_out (const Cnn3dTrainer *t)
{
  return (const gchar *const *) t->left_out->pdata;
}

const gchar *
cnn3d_trainer_prefix (const Cnn3dTrainer *t)
{
  return t->prefix && *t->prefix ? t->prefix : NULL;
}

const gchar *
cnn3d_trainer_device (const Cnn3dTrainer *t)
{
  return t->s.backend->describe (t->s.device);
}

Cnn3dPrecision
cnn3d_trainer_precision (const Cnn3dTrainer *t)
{
  return t->params.precision;
}

const Cnn3dNetwork *
cnn3d_trainer_network (const Cnn3dTrainer *t)
{
  return t->s.net;
}

void
cnn3d_trainer_memory (const Cnn3dTrainer *t, Cnn3dMemory *m)
{
  *m = t->fit.memory;
}

const gchar *
cnn3d_trainer_context_source (const Cnn3dTrainer *t)
{
  return cnn3d_session_context_source (&t->s);
}

guint
cnn3d_trainer_micro_batch (const Cnn3dTrainer *t)
{
  return t->fit.micro_batch;
}

Cnn3dRecompute
cnn3d_trainer_recompute (const Cnn3dTrainer *t)
{
  return t->fit.recompute;
}

guint64
cnn3d_trainer_budget (const Cnn3dTrainer *t)
{
  return t->budget;
}

guint64
cnn3d_trainer_device_memory (const Cnn3dTrainer *t)
{
  return t->s.backend->asynchronous ? cnn3d_memory_needs (&t->fit.memory) : 0;
}

guint
cnn3d_trainer_evaluation_batch (const Cnn3dTrainer *t)
{
  return t->fit.evaluation_batch;
}

guint
cnn3d_trainer_evaluation_slice (const Cnn3dTrainer *t)
{
  return t->s.backend->evaluation_slice;
}

guint64
cnn3d_trainer_sends (const Cnn3dTrainer *t)
{
  const TrainerRanksSizes sizes = t->ranks ? cnn3d_ranks_sizes_of (t) : (TrainerRanksSizes) { 0 };

  return (guint64) t->params.accumulate * sizes.round + sizes.step;
}

gboolean
cnn3d_trainer_passes (const Cnn3dTrainer *t, Cnn3dDevicePasses *passes)
{
  return cnn3d_session_passes (&t->s, passes);
}

const gchar *
cnn3d_trainer_passed_over (const Cnn3dTrainer *t)
{
  return t->s.passed_over;
}

void
cnn3d_trainer_get_mark (const Cnn3dTrainer *t, Cnn3dRunMark *mark)
{
  *mark = (Cnn3dRunMark) { t->now.position, t->now.step, t->now.steps_skipped, t->now.pass.epoch,
    t->now.pass.training, t->now.lr };
}

void
cnn3d_trainer_get_saved_at (const Cnn3dTrainer *t, Cnn3dSavedAt *at)
{
  const TrainerMark *m = &t->mark;

  *at = (Cnn3dSavedAt) { m->step, m->pass.epoch, m->pass.training, m->position - m->pass.first,
    m->pass.clips_listed, m->epochs_since_best };
}

void
cnn3d_trainer_get_best (const Cnn3dTrainer *t, Cnn3dBest *best)
{
  *best = t->now.best_epoch;
}

guint64
cnn3d_trainer_pass_clips (const Cnn3dTrainer *t)
{
  return t->now.pass.clips;
}

const gchar *
cnn3d_trainer_data_note (const Cnn3dTrainer *t)
{
  return t->data_note;
}

/* --- for tests and tools --- */

static gfloat *export (Cnn3dTrainer *t, guint param, const gfloat *array, GError **error)
{
  g_autofree gfloat *values = g_new0 (gfloat, t->s.net->weights[param].count);
  Cnn3dProgress progress;

  if (!cnn3d_trainer_wait (t, &progress, error)
      || !t->s.backend->export_weight (t->s.model, param, array, values, error))
    return NULL;
  return g_steal_pointer (&values);
}

gfloat *
cnn3d_trainer_get_weight (Cnn3dTrainer *t, guint param, GError **error)
{
  g_return_val_if_fail (param < t->s.net->n_weights, NULL);
  return export (t, param, t->s.weights, error);
}

gfloat *
cnn3d_trainer_get_gradient (Cnn3dTrainer *t, guint param, GError **error)
{
  gdouble weight;
  gfloat *values;

  g_return_val_if_fail (
      param < t->s.net->n_weights && CNN3D_PARAM_TRAINED (t->s.net->weights[param].role), NULL);
  if (!t->gradients) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_SETTINGS,
        "gradients are applied layer by layer and not kept");
    return NULL;
  }
  values = export (t, param, t->gradients, error);
  weight = t->group_clips ? t->group_weight : t->last_group_weight > 0 ? t->last_group_weight : 1;
  if (t->scales)
    weight *= t->now.loss_scale / t->fit.micro_batch;
  for (gint64 i = 0; values && i < t->s.net->weights[param].count; i++)
    values[i] /= weight;
  return values;
}
