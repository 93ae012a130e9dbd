/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/trainer-private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/settings/settings.h"
#include "src/temporary.h"

G_DEFINE_QUARK (cnn3d-trainer-error, cnn3d_trainer_error)

void
cnn3d_trainer_params_init (Cnn3dTrainerParams *p)
{
  memset (p, 0, sizeof *p);
  p->network.model = "r3d_18";
  p->network.base_width = 64;
  p->network.channels = 3;
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

#define INITIAL_LOSS_SCALE 65536        /* torch.amp.GradScaler's */

/* --- setting up --- */

static gboolean
open_device (Cnn3dTrainer *t, GError **error)
{
  const Cnn3dDeviceParams params = {.threads = t->params.threads,.deterministic = t->params.deterministic,
    .convolution = t->params.convolution,.tf32 = t->params.tf32,.benchmark = t->params.benchmark
  };

  t->device = cnn3d_backend_open_device (t->params.device, &params, &t->backend, &t->passed_over, error);
  return t->device != NULL;
}

const TrainerProgram *
cnn3d_trainer_get_program (Cnn3dTrainer *t, guint batch, gboolean training, GError **error)
{
  const Cnn3dPlanParams plan_params = { training, t->trained, t->fit.recompute, t->updates_early };
  const Cnn3dProgramParams params = { batch, training,
    cnn3d_trainer_accumulates (&t->params, t->batch, t->fit.micro_batch), FALSE, t->fit.micro_batch
  };
  TrainerProgram p = { batch, training, NULL, NULL };

  for (guint i = 0; i < t->programs->len; i++) {
    const TrainerProgram *have = &g_array_index (t->programs, TrainerProgram, i);

    if (have->batch == batch && have->training == training)
      return have;
  }
  p.program = t->backend->program_new (t->model, &params, error);
  if (!p.program)
    return NULL;
  p.plan = cnn3d_plan_new (t->net, t->backend->program_sizes (p.program), &plan_params);
  if (p.plan->arena_bytes > t->arena_bytes) {
    g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_MEMORY,
        "%u clips need %" G_GSIZE_FORMAT " bytes beside the weights, more than the %" G_GSIZE_FORMAT
        " that were planned for %u", batch, p.plan->arena_bytes, t->arena_bytes, t->fit.micro_batch);
    cnn3d_plan_free (&p.plan);
    t->backend->program_free (&p.program);
    return NULL;
  }
  g_array_append_val (t->programs, p);
  return &g_array_index (t->programs, TrainerProgram, t->programs->len - 1);
}

static gfloat *
alloc_floats (Cnn3dTrainer *t, gsize n, GError **error)
{
  return t->backend->alloc (t->device, n * sizeof (gfloat), error);
}

static void
free_array (Cnn3dTrainer *t, gpointer array, gsize bytes)
{
  gpointer *memory = array;

  if (*memory)
    t->backend->free (t->device, *memory, bytes);
  *memory = NULL;
}

static void
give_memory_back (Cnn3dTrainer *t)
{
  const Cnn3dWeightLayout *l = t->layout;

  free_array (t, &t->weights, l->total * sizeof (gfloat));
  free_array (t, &t->gradients, l->trained * sizeof (gfloat));
  free_array (t, &t->first, l->trained * sizeof (gfloat));
  free_array (t, &t->second, l->trained * sizeof (gfloat));
  free_array (t, &t->copy, l->copy_bytes);
  free_array (t, &t->arena, t->arena_bytes);
  for (guint i = 0; i < 2; i++)
    free_array (t, &t->slots[i], cnn3d_trainer_slot_bytes (&t->params, t->batch));
}

/* Where clips are brought to, for a device that works on others meanwhile. */
static gboolean
take_slots (Cnn3dTrainer *t, GError **error)
{
  for (guint i = 0; t->backend->asynchronous && i < 2; i++) {
    t->slots[i] = t->backend->alloc (t->device, cnn3d_trainer_slot_bytes (&t->params, t->batch), error);
    if (!t->slots[i])
      return FALSE;
  }
  return TRUE;
}

/* All of it, once: a step takes none. */
static gboolean
take_memory (Cnn3dTrainer *t, GError **error)
{
  const Cnn3dWeightLayout *l = t->layout;
  const gboolean adam = t->params.optimizer != CNN3D_UPDATE_SGD;
  GError *reason = NULL;

  t->mark_statistics = g_new0 (gfloat, MAX (l->total - l->trained, 1));
  t->new_statistics = g_new0 (gfloat, MAX (l->total - l->trained, 1));
  t->results = g_new0 (Cnn3dResults, t->batch);
  if (t->net->params.num_classes <= CNN3D_CONFUSION_CLASSES) {
    const gsize classes = t->net->params.num_classes;

    t->logits = g_new0 (gfloat, t->batch * classes);
    t->labels = g_new0 (gint32, t->batch);
    t->confusion = g_new0 (guint64, classes * classes);
    t->class_accuracy = g_new0 (gdouble, classes);
  }
  t->arena_bytes = t->fit.memory.arena;
  if ((t->weights = alloc_floats (t, l->total, &reason))
      && (t->updates_early || (t->gradients = alloc_floats (t, l->trained, &reason)))
      && (!(adam || t->params.momentum > 0) || (t->first = alloc_floats (t, l->trained, &reason)))
      && (!adam || (t->second = alloc_floats (t, l->trained, &reason)))
      && (!l->copy_bytes || (t->copy = t->backend->alloc (t->device, l->copy_bytes, &reason)))
      && (t->arena = t->backend->alloc (t->device, t->arena_bytes, &reason)) && take_slots (t, &reason))
    return cnn3d_trainer_get_program (t, t->fit.micro_batch, TRUE, error)
        && cnn3d_trainer_get_program (t, t->fit.micro_batch, FALSE, error);

  if (g_error_matches (reason, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MEMORY)) {
    /* It was there when this was planned: somebody else has taken it. */
    Cnn3dDeviceMemory now;

    give_memory_back (t);
    t->backend->memory (t->device, &now);
    /* less than was asked for, whatever the system says */
    cnn3d_fit_refuse (t->backend, t->device, &t->params, t->batch, &t->fit,
        MIN (MIN (t->budget, now.available), t->fit.memory.total + t->fit.memory.context - 1), error);
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

  for (guint i = 0; i < t->net->n_weights; i++)
    most = MAX (most, t->net->weights[i].count);

  g_auto (Cnn3dTemporary) values = { NULL };

  if (!cnn3d_temporary_take (&values, most * sizeof (gfloat), "initial weights", error))
    return FALSE;

  for (guint i = 0; i < t->net->n_weights; i++) {
    cnn3d_network_initial (t->net, i, t->params.seed, values.data);
    if (!t->backend->import_weight (t->model, i, values.data, t->weights, error))
      return FALSE;
  }
  return !t->params.pretrained || !*t->params.pretrained
      || cnn3d_trainer_load_pretrained (t, t->params.pretrained, error);
}

static gboolean
check_settings (const Cnn3dTrainerParams *p, guint batch, GError **error)
{
  const struct {
    const gchar *name;
    gdouble value;
  } numbers[] = {
    {"accumulate-grad-batches", p->accumulate},
    {"momentum", p->momentum},
    {"weight-decay", p->weight_decay},
    {"label-smoothing", p->label_smoothing},
    {"gradient-clip-val", p->gradient_clip},
    {"threads", p->threads},
  };

  if (batch < 1 || batch > CNN3D_MOST_BATCH) {
    g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_SETTINGS, "batch is %u, but must be from 1 to %u",
        batch, CNN3D_MOST_BATCH);
    return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_autofree gchar *wrong = cnn3d_setting_refuse (cnn3d_setting ("cnn3dtrain", numbers[i].name), numbers[i].value);

    if (wrong) {
      g_set_error_literal (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_SETTINGS, wrong);
      return FALSE;
    }
  }
  if (p->classes && g_strv_length ((gchar **) p->classes) != p->network.num_classes) {
    g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_SETTINGS,
        "there are names for %u classes, but num-classes is %u: name each class, or none",
        g_strv_length ((gchar **) p->classes), p->network.num_classes);
    return FALSE;
  }
  for (guint i = 0; p->class_weights && i < p->network.num_classes; i++)
    if (!(p->class_weights[i] > 0 && p->class_weights[i] <= CNN3D_MOST_CLASS_WEIGHT)) {
      g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_SETTINGS,
          "class %u has the weight %g, but class-weights must be above 0 and at most %g", i, p->class_weights[i],
          CNN3D_MOST_CLASS_WEIGHT);
      return FALSE;
    }
  if (p->monitor == CNN3D_MONITOR_VAL_F1 && p->network.num_classes > CNN3D_CONFUSION_CLASSES) {
    g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_SETTINGS,
        "monitor=val-f1 needs the confusions of all classes, which are counted for %u at most, not for %u: set "
        "monitor=val-accuracy or val-loss", CNN3D_CONFUSION_CLASSES, p->network.num_classes);
    return FALSE;
  }
  return TRUE;
}

Cnn3dTrainer *
cnn3d_trainer_new (const Cnn3dTrainerParams *params, guint batch, GError **error)
{
  Cnn3dModelParams model_params;
  Cnn3dTrainer *t;

  if (!check_settings (params, batch, error))
    return NULL;
  t = g_new0 (Cnn3dTrainer, 1);
  t->params = *params;
  t->params.pretrained = g_strdup (params->pretrained);
  t->params.freeze = g_strdup (params->freeze);
  t->params.device = g_strdup (params->device);
  t->params.checkpoint_dir = params->checkpoint_dir && *params->checkpoint_dir
      ? g_strdup (params->checkpoint_dir) : NULL;
  t->params.preparation.sampling = g_strdup (params->preparation.sampling);
  t->params.preparation.scaling = g_strdup (params->preparation.scaling);
  t->params.data.clips = g_strdup (params->data.clips);
  t->params.data.labels = g_strdup (params->data.labels);
  t->params.data.order = g_strdup (params->data.order);
  t->classes = g_strdupv ((gchar **) params->classes);
  t->params.classes = (const gchar *const *) t->classes;
  if (params->class_weights)
    t->class_weights = g_memdup2 (params->class_weights, params->network.num_classes * sizeof (gfloat));
  t->params.class_weights = t->class_weights;
  t->batch = batch;
  t->programs = g_array_new (FALSE, FALSE, sizeof (TrainerProgram));
  t->kept = g_array_new (FALSE, FALSE, sizeof (TrainerKept));
  t->left_out = g_ptr_array_new_with_free_func (g_free);
  t->now.best = t->now.train_loss = NAN;
  t->now.pass.training = TRUE;

  t->net = cnn3d_network_new (&params->network, error);
  if (!t->net)
    goto failed;
  t->params.network = t->net->params;
  t->trained = cnn3d_freeze (t->net, params->freeze, &t->norm_frozen, error);
  if (!t->trained || !open_device (t, error)
      || !t->backend->resolve_precision (t->device, &t->params.precision, error))
    goto failed;
  t->scales = t->params.precision == CNN3D_PRECISION_16_MIXED;
  t->now.loss_scale = INITIAL_LOSS_SCALE;
  t->budget = cnn3d_fit_budget (t->backend, t->device, params);
  if (!cnn3d_fit_choose (t->backend, t->device, &t->params, batch, &t->fit, error))
    goto failed;
  t->updates_early = cnn3d_trainer_updates_early (&t->params, batch, t->fit.micro_batch);
  model_params.precision = t->params.precision;
  model_params.keeps_copy = t->fit.recompute != CNN3D_RECOMPUTE_BLOCK;
  t->model = t->backend->model_new (t->device, t->net, &model_params, error);
  if (!t->model)
    goto failed;
  t->layout = t->backend->model_layout (t->model);
  if (!take_memory (t, error) || !initialize_weights (t, error) || !cnn3d_trainer_refresh (t, error))
    goto failed;
  g_ptr_array_add (t->left_out, NULL);
  if (!cnn3d_trainer_take_mark (t, error))
    goto failed;
  t->mark_saved = TRUE;         /* nothing is lost yet */
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
  /* nothing is taken away from under what is under way, a failed batch's part included */
  if (t->device)
    t->backend->finish (t->device, NULL);
  for (guint i = 0; i < t->programs->len; i++) {
    TrainerProgram *p = &g_array_index (t->programs, TrainerProgram, i);

    cnn3d_plan_free (&p->plan);
    t->backend->program_free (&p->program);
  }
  g_array_free (t->programs, TRUE);
  if (t->layout)
    give_memory_back (t);
  if (t->model)
    t->backend->model_free (&t->model);
  if (t->device)
    t->backend->close (&t->device);
  cnn3d_network_free (&t->net);
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
  g_ptr_array_free (t->left_out, TRUE);
  g_strfreev (t->classes);
  g_free (t->passed_over);
  g_free (t->prefix);
  g_free ((gchar *) t->params.pretrained);
  g_free ((gchar *) t->params.freeze);
  g_free ((gchar *) t->params.device);
  g_free ((gchar *) t->params.checkpoint_dir);
  g_free ((gchar *) t->params.preparation.sampling);
  g_free ((gchar *) t->params.preparation.scaling);
  g_free ((gchar *) t->params.data.clips);
  g_free ((gchar *) t->params.data.labels);
  g_free ((gchar *) t->params.data.order);
  g_free (t->data_note);
  g_free (t);
}

/* --- what there is to know --- */

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
  return t->backend->describe (t->device);
}

Cnn3dPrecision
cnn3d_trainer_precision (const Cnn3dTrainer *t)
{
  return t->params.precision;
}

const Cnn3dNetwork *
cnn3d_trainer_network (const Cnn3dTrainer *t)
{
  return t->net;
}

void
cnn3d_trainer_memory (const Cnn3dTrainer *t, Cnn3dMemory *m)
{
  *m = t->fit.memory;
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
  return t->backend->asynchronous ? cnn3d_fit_needs (&t->fit) : 0;
}

const gchar *
cnn3d_trainer_passed_over (const Cnn3dTrainer *t)
{
  return t->passed_over;
}

void
cnn3d_trainer_set_tell (Cnn3dTrainer *t, Cnn3dTrainerTell tell, gpointer data)
{
  t->tell = tell;
  t->tell_data = data;
}

void
cnn3d_trainer_get_mark (const Cnn3dTrainer *t, Cnn3dRunMark *mark)
{
  *mark = (Cnn3dRunMark) { t->now.position, t->now.step, t->now.steps_skipped, t->now.pass.epoch,
    t->now.pass.training
  };
}

void
cnn3d_trainer_get_saved_at (const Cnn3dTrainer *t, Cnn3dSavedAt *at)
{
  const TrainerMark *m = &t->mark;

  *at = (Cnn3dSavedAt) { m->step, m->pass.epoch, m->pass.training, m->position - m->pass.first,
    m->pass.clips_listed
  };
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

gboolean
cnn3d_trainer_take_mark (Cnn3dTrainer *t, GError **error)
{
  t->mark = t->now;
  t->mark_saved = FALSE;
  return t->backend->download (t->device, t->mark_statistics, t->weights + t->layout->trained,
      (t->layout->total - t->layout->trained) * sizeof (gfloat), error);
}

gboolean
cnn3d_trainer_refresh (Cnn3dTrainer *t, GError **error)
{
  return !t->copy || t->backend->refresh (t->model, t->weights, t->copy, error);
}

/* --- passes --- */

/* The name of a monitor that only a validation pass measures; NULL: it is another. */
static const gchar *
validation_monitor (Cnn3dMonitor monitor)
{
  switch (monitor) {
    case CNN3D_MONITOR_VAL_ACCURACY:
      return "val-accuracy";
    case CNN3D_MONITOR_VAL_LOSS:
      return "val-loss";
    case CNN3D_MONITOR_VAL_F1:
      return "val-f1";
    default:
      return NULL;
  }
}

gboolean
cnn3d_trainer_begin_pass (Cnn3dTrainer *t, const Cnn3dPass *pass, GError **error)
{
  const gchar *validated = validation_monitor (t->params.monitor);
  Cnn3dProgress progress;
  gboolean goes_on;

  /* of a pass that was broken off */
  if (!cnn3d_trainer_wait (t, &progress, error))
    return FALSE;
  goes_on = pass->epoch == t->now.pass.epoch && pass->training == t->now.pass.training
      && pass->position == t->now.position;

  t->params.lr.epochs = pass->epochs;
  if (!cnn3d_lr_params_check (&t->params.lr, error)) {
    g_prefix_error (error, "learning rate schedule: ");
    return FALSE;
  }
  if (t->resumed && (!goes_on || (t->now.pass.clips_listed && t->now.pass.clips_listed != pass->clips))) {
    g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_CHECKPOINT,
        "the checkpoint in %s stands at clip %" G_GUINT64_FORMAT " of another data set or split: use the same one, "
        "another checkpoint-dir, or resume=never", t->params.checkpoint_dir, t->now.position);
    return FALSE;
  }
  if (validated && pass->training && !pass->validates) {
    g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_SETTINGS,
        "monitor=%s needs a validation pass in each epoch, and there is none: add clips to validate on, or set "
        "monitor=train-loss", validated);
    return FALSE;
  }
  t->resumed = FALSE;
  if (!goes_on) {
    t->now.pass = (TrainerPass) { pass->epoch, pass->training, pass->first, pass->clips, 0, 0, 0, 0 };
    t->now.position = pass->position;
  }
  if (t->confusion && t->now.pass.clips == 0)
    memset (t->confusion, 0, sizeof *t->confusion * t->net->params.num_classes * t->net->params.num_classes);
  t->now.pass.clips_listed = pass->clips;
  t->now.pass.first = pass->first;
  t->validates = pass->validates;
  t->group_batches = 0;
  t->group_clips = t->group_correct = 0;
  t->group_loss = t->group_weight = 0;
  if (pass->training) {
    const gboolean saved = t->mark_saved;

    if (!cnn3d_trainer_take_mark (t, error))
      return FALSE;
    t->mark_saved = saved;      /* a border of passes alone is nothing to save */
    t->now.lr = cnn3d_lr_at (&t->params.lr, cnn3d_trainer_epochs_passed (t));
  }
  return TRUE;
}

/* The monitor's value, larger is better; r is the epoch's last pass. */
static gdouble
monitored (const Cnn3dTrainer *t, const Cnn3dPassResult *r)
{
  switch (t->params.monitor) {
    case CNN3D_MONITOR_TRAIN_LOSS:
      return -t->now.train_loss;
    case CNN3D_MONITOR_VAL_LOSS:
      return -r->loss;
    case CNN3D_MONITOR_VAL_F1:
      return r->f1;
    default:
      return r->accuracy;
  }
}

gboolean
cnn3d_trainer_end_pass (Cnn3dTrainer *t, guint64 position, Cnn3dPassResult *result, GError **error)
{
  const TrainerPass *pass = &t->now.pass;
  gdouble value = NAN;

  memset (result, 0, sizeof *result);
  if (!cnn3d_trainer_flush (t, &result->last, error)
      || (pass->training && !cnn3d_trainer_step_short_group (t, &result->last, error)))
    return FALSE;
  cnn3d_trainer_fill_progress (t, &result->last);
  result->epoch = pass->epoch;
  result->training = pass->training;
  result->clips = pass->clips;
  result->loss = pass->clips ? pass->loss_sum / pass->weight : NAN;
  result->accuracy = pass->clips ? (gdouble) pass->correct / pass->clips : NAN;
  result->confusion = pass->training ? NULL : t->confusion;
  result->recall = result->f1 = NAN;
  if (result->confusion)
    cnn3d_class_figures (result, t->net->params.num_classes, t->class_accuracy);
  result->epoch_complete = !pass->training || !t->validates;
  if (pass->training)
    t->now.train_loss = result->loss;
  if (result->epoch_complete) {
    value = monitored (t, result);
    result->improved = !isnan (value) && (isnan (t->now.best) || value > t->now.best);
    if (result->improved) {
      t->now.best = value;
      t->now.best_epoch = (Cnn3dBest) { TRUE, pass->epoch, !pass->training, result->loss, result->accuracy };
      t->now.epochs_since_best = 0;
    } else {
      t->now.epochs_since_best++;
    }
    result->stop = t->params.patience > 0 && t->now.epochs_since_best >= t->params.patience;
  }
  if (t->tell)
    t->tell (t->tell_data, NULL, result);
  /* The next pass starts at `position` with empty figures. */
  t->now.position = position;
  t->now.pass = (TrainerPass) { pass->epoch + result->epoch_complete, result->epoch_complete, position,
    0, 0, 0, 0, 0
  };
  if (!cnn3d_trainer_take_mark (t, error))
    return FALSE;
  if (!result->epoch_complete)
    return TRUE;
  return cnn3d_trainer_keep_best (t, result->epoch, value, result->improved, error)
      && cnn3d_trainer_save (t, &result->saved, error);
}

/* --- for tests and tools --- */

static gfloat *
export (Cnn3dTrainer *t, guint param, const gfloat *array, GError **error)
{
  g_autofree gfloat *values = g_new0 (gfloat, t->net->weights[param].count);
  Cnn3dProgress progress;

  if (!cnn3d_trainer_flush (t, &progress, error) || !t->backend->export_weight (t->model, param, array, values, error))
    return NULL;
  return g_steal_pointer (&values);
}

gfloat *
cnn3d_trainer_get_weight (Cnn3dTrainer *t, guint param, GError **error)
{
  g_return_val_if_fail (param < t->net->n_weights, NULL);
  return export (t, param, t->weights, error);
}

gfloat *
cnn3d_trainer_get_gradient (Cnn3dTrainer *t, guint param, GError **error)
{
  gdouble weight;
  gfloat *values;

  g_return_val_if_fail (param < t->net->n_weights && CNN3D_PARAM_TRAINED (t->net->weights[param].role), NULL);
  if (!t->gradients) {
    g_set_error (error, CNN3D_TRAINER_ERROR, CNN3D_TRAINER_ERROR_SETTINGS,
        "gradients are applied layer by layer and not kept");
    return NULL;
  }
  values = export (t, param, t->gradients, error);
  weight = t->group_clips ? t->group_weight : t->last_group_weight > 0 ? t->last_group_weight : 1;
  if (t->scales)
    weight *= t->now.loss_scale / t->fit.micro_batch;
  for (gint64 i = 0; values && i < t->net->weights[param].count; i++)
    values[i] /= weight;
  return values;
}
