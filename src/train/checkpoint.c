/* checkpoint.c: weights and checkpoints on disk.
 *
 * last.safetensors holds the weights, by PyTorch's names, and its metadata names the file with the
 * rest of the state (optimizer, position, metrics). The state file is written first, under a new
 * name (statename.c): the rename of last.safetensors makes the new checkpoint the valid one, and
 * only then is the old state file removed. best.safetensors (and epoch-*, with save-top-k above 1) hold weights
 * only.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/temporary.h"
#include "src/train/trainer-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "src/escape.h"
#include "src/json.h"
#include "src/model/modelfile.h"

#define STATE_VERSION "2"
#define LAST "last.safetensors"
#define BEST "best.safetensors"
#define BEST_BEFORE "best-before"

/* --- reading weights --- */

gboolean
cnn3d_trainer_load_pretrained (Cnn3dTrainer *t, const gchar *path, GError **error)
{
  g_autoptr (Cnn3dSafetensors) file = cnn3d_safetensors_open (path, error);
  gsize length;

  if (!file || !(t->prefix = cnn3d_model_file_prefix (file, path, t->s.net, error))
      || !cnn3d_model_file_load (file, path, t->prefix, t->s.backend, t->s.model, t->s.net,
          t->s.weights, t->left_out, error))
    return FALSE;
  length = strlen (t->prefix);
  for (guint i = 0; i < cnn3d_safetensors_get_n_tensors (file); i++) {
    const gchar *name = cnn3d_safetensors_nth (file, i)->name;
    const gboolean below = g_str_has_prefix (name, t->prefix);

    if ((!below || cnn3d_network_find_param (t->s.net, name + length) < 0)
        && !g_str_has_suffix (name, ".num_batches_tracked"))
      g_ptr_array_add (t->left_out, g_strdup_printf ("%s (not in the model)", name));
  }
  return TRUE;
}

/* --- writing --- */

/* Hexadecimal, so that the same bits are read back. */
static void
add_double (Cnn3dSafetensorsWriter *w, const gchar *key, gdouble value)
{
  guint64 bits;
  g_autofree gchar *text = NULL;

  memcpy (&bits, &value, sizeof bits);
  text = g_strdup_printf ("%016" G_GINT64_MODIFIER "x", bits);
  cnn3d_safetensors_writer_metadata (w, key, text);
}

/* Enough to rebuild the network and to prepare its input as in training. */
static void
add_description (const Cnn3dTrainer *t, Cnn3dSafetensorsWriter *w)
{
  Cnn3dModelInfo info = { .network = t->s.net->params,
    .precision = t->params.precision,
    .step = t->mark.step,
    .epoch = t->mark.pass.epoch,
    .preparation = t->params.preparation,
    .classes = t->classes,
    .views = t->view_names };

  memcpy (info.mean, t->s.net->mean, sizeof info.mean);
  memcpy (info.std, t->s.net->std, sizeof info.std);
  cnn3d_model_file_describe (w, &info);
}

static void
declare (Cnn3dSafetensorsWriter *w, const gchar *prefix, const Cnn3dParam *p)
{
  g_autofree gchar *name = g_strconcat (prefix, p->name, NULL);
  guint64 shape[5];

  for (guint i = 0; i < p->n_dims; i++)
    shape[i] = p->shape[i];
  cnn3d_safetensors_writer_add (w, name, CNN3D_SAFETENSOR_F32, p->n_dims, shape);
}

/* "layer1.0.conv1.1.num_batches_tracked" for "layer1.0.conv1.1.running_var" */
static gchar *
counter_name (const Cnn3dParam *running_var)
{
  return g_strdup_printf ("%.*s.num_batches_tracked",
      (int) (strlen (running_var->name) - strlen (".running_var")), running_var->name);
}

static gboolean
write_param (
    Cnn3dTrainer *t, Cnn3dSafetensorsWriter *w, guint param, const gfloat *array, GError **error)
{
  const Cnn3dParam *p = &t->s.net->weights[param];
  const gsize bytes = p->count * sizeof (gfloat);
  g_auto (Cnn3dTemporary) values = { NULL };

  return cnn3d_temporary_take (&values, bytes, p->name, error)
      && t->s.backend->export_weight (t->s.model, param, array, values.data, error)
      && cnn3d_safetensors_writer_data (w, values.data, bytes, error);
}

/* Writes all weights as of the mark. state: name of the state file, or NULL. */
static gboolean
write_weights (Cnn3dTrainer *t, const gchar *path, const gchar *state, GError **error)
{
  const Cnn3dNetwork *net = t->s.net;
  g_autoptr (Cnn3dSafetensorsWriter) w = cnn3d_safetensors_writer_new (path, error);
  const gint64 batches = GINT64_TO_LE ((gint64) t->mark.norm_batches);

  if (!w)
    return FALSE;
  add_description (t, w);
  if (state)
    cnn3d_safetensors_writer_metadata (w, "state", state);
  for (guint i = 0; i < net->n_weights; i++) {
    declare (w, "", &net->weights[i]);
    if (net->weights[i].role == CNN3D_PARAM_RUNNING_VAR) {
      g_autofree gchar *name = counter_name (&net->weights[i]);

      cnn3d_safetensors_writer_add (w, name, CNN3D_SAFETENSOR_I64, 0, NULL);
    }
  }
  for (guint i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *p = &net->weights[i];
    const gboolean trained = CNN3D_PARAM_TRAINED (p->role);

    /* running statistics are those of the mark, in host memory */
    if (!(trained ? write_param (t, w, i, t->s.weights, error)
                  : cnn3d_safetensors_writer_data (w,
                        t->mark_statistics + (t->s.layout->offset[i] - t->s.layout->trained),
                        p->count * sizeof (gfloat), error))
        || (p->role == CNN3D_PARAM_RUNNING_VAR
            && !cnn3d_safetensors_writer_data (w, &batches, sizeof batches, error)))
      return FALSE;
  }
  return cnn3d_safetensors_writer_finish (w, error);
}

/* What ranks epochs. validates: there are validation passes. */
static const gchar *
monitor_name (Cnn3dMonitor monitor, gboolean validates)
{
  if (monitor == CNN3D_MONITOR_AUTO)
    return validates ? "val-accuracy" : "train-accuracy";
  return cnn3d_choice_name (&cnn3d_monitors, monitor);
}

/* What of the input does not show in the weights' shapes, without what the network does not depend
 * on; NULL: nothing. names: of the views, or NULL. Free with g_free(). */
static gchar *
input_text (const Cnn3dNetworkParams *n, const gchar *const *names)
{
  const guint views = cnn3d_network_views (n);
  gchar sigma[G_ASCII_DTOSTR_BUF_SIZE];
  GString *text;

  if (!cnn3d_network_sees_points (n) && views == 1)
    return NULL;
  text = g_string_new ("input-type=");
  g_string_append (text, cnn3d_choice_name (&cnn3d_input_types, n->input));
  if (views > 1) {
    g_autofree gchar *list = names ? cnn3d_json_string_array ((gchar **) names, views) : NULL;

    g_string_append_printf (
        text, " view-fusion=%s", cnn3d_choice_name (&cnn3d_view_fusions, n->view_fusion));
    if (list)
      g_string_append_printf (text, " views %s", list);
    else
      g_string_append_printf (text, " %u views", views);
  }
  if (n->input == CNN3D_INPUT_RGB_KPT)
    g_string_append_printf (text, " fusion=%s", cnn3d_choice_name (&cnn3d_fusions, n->fusion));
  if (!cnn3d_network_sees_points (n))
    return g_string_free (text, FALSE);
  if (!cnn3d_network_stacks_points (n))
    g_string_append_printf (text, " heatmap-size=%u", n->heatmap_size);
  g_string_append_printf (text, " heatmap-sigma=%s with %u key points of %u persons",
      g_ascii_formatd (sigma, sizeof sigma, "%.6g", n->heatmap_sigma), n->points, n->persons);
  return g_string_free (text, FALSE);
}

static gboolean
write_state (Cnn3dTrainer *t, const gchar *path, GError **error)
{
  static const gchar *const prefixes[2] = { "first.", "second." };
  const gfloat *const arrays[2] = { t->first, t->second };
  const TrainerMark *m = &t->mark;
  g_autoptr (Cnn3dSafetensorsWriter) w = cnn3d_safetensors_writer_new (path, error);
  g_autoptr (GString) kept = g_string_new (NULL);
  g_autofree gchar *input = input_text (&t->s.net->params, t->params.view_names);

  if (!w)
    return FALSE;
  cnn3d_safetensors_writer_metadata (w, "version", STATE_VERSION);
  cnn3d_safetensors_writer_metadata (w, "model", t->s.net->model);
  if (input)
    cnn3d_safetensors_writer_metadata (w, "input", input);
  cnn3d_safetensors_writer_number (w, "optimizer", t->params.optimizer);
  cnn3d_safetensors_writer_number (w, "step", m->step);
  cnn3d_safetensors_writer_number (w, "position", m->position);
  cnn3d_safetensors_writer_number (w, "norm-batches", m->norm_batches);
  add_double (w, "loss-scale", m->loss_scale);
  cnn3d_safetensors_writer_number (w, "scale-steps", m->scale_steps);
  cnn3d_safetensors_writer_number (w, "steps-skipped", m->steps_skipped);
  cnn3d_safetensors_writer_number (w, "epoch", m->pass.epoch);
  cnn3d_safetensors_writer_number (w, "training", m->pass.training);
  cnn3d_safetensors_writer_number (w, "first", m->pass.first);
  cnn3d_safetensors_writer_number (w, "clips-listed", m->pass.clips_listed);
  cnn3d_safetensors_writer_number (w, "validates", t->validates);
  cnn3d_safetensors_writer_number (w, "clips", m->pass.clips);
  cnn3d_safetensors_writer_number (w, "correct", m->pass.correct);
  add_double (w, "loss-sum", m->pass.loss_sum);
  if (t->class_weights)
    add_double (w, "loss-weight", m->pass.weight);
  add_double (w, "train-loss", m->train_loss);
  add_double (w, "lr", m->lr);
  cnn3d_safetensors_writer_metadata (w, "monitor",
      monitor_name (t->params.monitor, !m->best_epoch.known || m->best_epoch.validated));
  add_double (w, "best", m->best);
  cnn3d_safetensors_writer_number (w, "epochs-since-best", m->epochs_since_best);
  cnn3d_trainer_write_data (t, w);
  if (m->best_epoch.known) {
    cnn3d_safetensors_writer_number (w, "best-epoch", m->best_epoch.epoch);
    cnn3d_safetensors_writer_number (w, "best-validated", m->best_epoch.validated);
    add_double (w, "best-loss", m->best_epoch.loss);
    add_double (w, "best-accuracy", m->best_epoch.accuracy);
  }
  for (guint i = 0; i < t->kept->len; i++) {
    const TrainerKept *k = &g_array_index (t->kept, TrainerKept, i);
    guint64 bits;

    memcpy (&bits, &k->value, sizeof bits);
    g_string_append_printf (kept, "%s%u:%016" G_GINT64_MODIFIER "x", i ? " " : "", k->epoch, bits);
  }
  cnn3d_safetensors_writer_metadata (w, "kept", kept->str);
  cnn3d_safetensors_writer_number (w, "save-top-k", t->params.save_top_k);
  if (t->best_before)
    cnn3d_safetensors_writer_metadata (w, "best-before", t->best_before);
  for (guint a = 0; a < 2; a++)
    for (guint i = 0; arrays[a] && i < t->s.net->n_weights; i++)
      if (CNN3D_PARAM_TRAINED (t->s.net->weights[i].role))
        declare (w, prefixes[a], &t->s.net->weights[i]);
  for (guint a = 0; a < 2; a++) {
    if (t->ranks && arrays[a] && !cnn3d_ranks_gather (t, arrays[a], error))
      return FALSE;
    for (guint i = 0; arrays[a] && i < t->s.net->n_weights; i++)
      if (CNN3D_PARAM_TRAINED (t->s.net->weights[i].role)
          && !write_param (t, w, i, t->ranks ? t->gradients : arrays[a], error))
        return FALSE;
  }
  return cnn3d_safetensors_writer_finish (w, error);
}

static gboolean
make_folder (const Cnn3dTrainer *t, GError **error)
{
  if (g_mkdir_with_parents (t->params.checkpoint_dir, 0777) == 0)
    return TRUE;
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
      "checkpoint-dir %s cannot be created: %s", t->params.checkpoint_dir, g_strerror (errno));
  return FALSE;
}

static gchar *
kept_path (const Cnn3dTrainer *t, guint epoch)
{
  g_autofree gchar *name = g_strdup_printf ("epoch-%04u.safetensors", epoch);

  return g_build_filename (t->params.checkpoint_dir, name, NULL);
}

/* Whether a run that was killed while it wrote, or between two writes, left the file. */
static gboolean
is_left_over (const gchar *name, const gchar *state)
{
  if (g_str_has_prefix (name, "last-") && g_str_has_suffix (name, ".state"))
    return strcmp (name, state) != 0;
  return (g_str_has_prefix (name, "last-") && g_str_has_suffix (name, ".state.tmp"))
      || (g_str_has_prefix (name, "epoch-") && g_str_has_suffix (name, ".safetensors.tmp"))
      || !strcmp (name, BEST ".tmp");
}

/* Removes what no checkpoint names any more. state: name of the state file that one does. */
static void
remove_others (Cnn3dTrainer *t, const gchar *state)
{
  GDir *dir = g_dir_open (t->params.checkpoint_dir, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir)))
    if (is_left_over (name, state)) {
      g_autofree gchar *path = g_build_filename (t->params.checkpoint_dir, name, NULL);

      g_unlink (path);
    }
  if (dir)
    g_dir_close (dir);
  for (guint i = 0; i < t->dropped->len; i++) {
    const guint epoch = g_array_index (t->dropped, guint, i);
    g_autofree gchar *path = kept_path (t, epoch);
    gboolean again = FALSE;

    for (guint k = 0; k < t->kept->len; k++)
      again |= g_array_index (t->kept, TrainerKept, k).epoch == epoch;
    if (!again)
      g_unlink (path);
  }
  g_array_set_size (t->dropped, 0);
}

/* Keeps the first n epochs alone; the others' files are removed when the state says so, too. */
static void
drop_kept (Cnn3dTrainer *t, guint n)
{
  for (guint i = n; i < t->kept->len; i++) {
    const TrainerKept *k = &g_array_index (t->kept, TrainerKept, i);

    if (!k->stays)
      g_array_append_val (t->dropped, k->epoch);
  }
  g_array_set_size (t->kept, MIN (n, t->kept->len));
}

/* Sets the best weights of an earlier ranking aside. A killed run may have done so already. */
static gboolean
move_best (Cnn3dTrainer *t, const gchar *best, GError **error)
{
  g_autofree gchar *name = g_steal_pointer (&t->best_before);
  g_autofree gchar *to = name ? g_build_filename (t->params.checkpoint_dir, name, NULL) : NULL;

  if (!to || g_file_test (to, G_FILE_TEST_IS_REGULAR) || g_rename (best, to) == 0
      || errno == ENOENT)
    return TRUE;
  g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
      "%s cannot be renamed to %s: %s", best, name, g_strerror (errno));
  t->best_before = g_steal_pointer (&name);
  return FALSE;
}

/* Keeps the weights of the epoch that ended if they are among the best. */
static gboolean
keep_best (Cnn3dTrainer *t, GError **error)
{
  const TrainerKept entry = { t->ended.epoch, t->ended.value, FALSE };
  guint at = 0;

  if (!t->ended.unsaved || !t->params.save_top_k)
    return TRUE;
  if (t->ended.improved) {
    g_autofree gchar *best = g_build_filename (t->params.checkpoint_dir, BEST, NULL);

    if (!move_best (t, best, error) || !write_weights (t, best, NULL, error))
      return FALSE;
  }
  if (t->params.save_top_k == 1 || isnan (entry.value))
    return TRUE;
  while (at < t->kept->len && g_array_index (t->kept, TrainerKept, at).value >= entry.value)
    at++;
  if (at >= t->params.save_top_k)
    return TRUE;

  g_autofree gchar *path = kept_path (t, entry.epoch);

  if (!write_weights (t, path, NULL, error))
    return FALSE;
  g_array_insert_val (t->kept, at, entry);
  drop_kept (t, t->params.save_top_k);
  return TRUE;
}

static gboolean
save (Cnn3dTrainer *t, gchar **path, GError **error)
{
  g_autofree gchar *state = NULL, *state_path = NULL, *last = NULL;

  if (t->ranks && cnn3d_comm_rank (t->params.comm) > 0) {
    t->ended.unsaved = FALSE;
    t->mark_saved = TRUE;
    return (!t->first || cnn3d_ranks_gather (t, t->first, error))
        && (!t->second || cnn3d_ranks_gather (t, t->second, error));
  }
  if (!make_folder (t, error) || !keep_best (t, error))
    return FALSE;
  t->ended.unsaved = FALSE;
  state_path = g_build_filename (t->params.checkpoint_dir, "last-new.state", NULL);
  last = g_build_filename (t->params.checkpoint_dir, LAST, NULL);
  if (!write_state (t, state_path, error)
      || !(state = cnn3d_state_rename (state_path, &t->mark, error))
      || !write_weights (t, last, state, error))
    return FALSE;
  remove_others (t, state);
  t->mark_saved = TRUE;
  if (path)
    *path = g_steal_pointer (&last);
  return TRUE;
}

gboolean
cnn3d_trainer_save (Cnn3dTrainer *t, gchar **path, GError **error)
{
  Cnn3dProgress progress;

  if (!cnn3d_trainer_wait (t, &progress, error))
    return FALSE;
  if (!t->params.checkpoint_dir || t->mark_saved || t->in_step || t->mark.step == 0
      || (t->ranks && !cnn3d_ranks_agree (t->ranks)))
    return TRUE;
  if (save (t, path, error))
    return TRUE;
  if (t->ranks)
    cnn3d_ranks_break (t->ranks);
  return FALSE;
}

/* --- resuming --- */

static gboolean
get_number (Cnn3dSafetensors *file, const gchar *key, guint64 *value)
{
  const gchar *text = cnn3d_safetensors_metadata (file, key);

  return text && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, value, NULL);
}

static gboolean
get_uint (Cnn3dSafetensors *file, const gchar *key, guint *value)
{
  guint64 wide;

  if (!get_number (file, key, &wide) || wide > G_MAXUINT)
    return FALSE;
  *value = wide;
  return TRUE;
}

static gboolean
parse_double (const gchar *text, gdouble *value)
{
  guint64 bits;

  if (!text || !g_ascii_string_to_unsigned (text, 16, 0, G_MAXUINT64, &bits, NULL))
    return FALSE;
  memcpy (value, &bits, sizeof bits);
  return TRUE;
}

static gboolean
get_double (Cnn3dSafetensors *file, const gchar *key, gdouble *value)
{
  return parse_double (cnn3d_safetensors_metadata (file, key), value);
}

static gboolean
get_kept (Cnn3dTrainer *t, Cnn3dSafetensors *file)
{
  const gchar *text = cnn3d_safetensors_metadata (file, "kept");
  g_auto (GStrv) entries = g_strsplit (text ? text : "", " ", -1);

  g_array_set_size (t->kept, 0);
  for (guint i = 0; entries[i] && *entries[i]; i++) {
    gchar *colon = strchr (entries[i], ':');
    TrainerKept k = {
      0,
    };
    guint64 epoch;

    if (!colon || !parse_double (colon + 1, &k.value))
      return FALSE;
    *colon = 0;
    if (!g_ascii_string_to_unsigned (entries[i], 10, 0, G_MAXUINT, &epoch, NULL))
      return FALSE;
    k.epoch = epoch;
    g_array_append_val (t->kept, k);
  }
  return TRUE;
}

/* Not in files of older versions. */
static void
get_best (Cnn3dSafetensors *file, Cnn3dBest *best)
{
  guint validated;

  best->known = get_uint (file, "best-epoch", &best->epoch)
      && get_uint (file, "best-validated", &validated)
      && get_double (file, "best-loss", &best->loss)
      && get_double (file, "best-accuracy", &best->accuracy);
  best->validated = best->known && validated;
}

static gboolean
get_mark (Cnn3dTrainer *t, Cnn3dSafetensors *file, TrainerMark *m)
{
  guint training, validates;

  memset (m, 0, sizeof *m);
  if (!get_number (file, "step", &m->step) || !get_number (file, "position", &m->position)
      || !get_number (file, "norm-batches", &m->norm_batches)
      || !get_double (file, "loss-scale", &m->loss_scale)
      || !get_uint (file, "scale-steps", &m->scale_steps)
      || !get_number (file, "steps-skipped", &m->steps_skipped)
      || !(m->loss_scale > 0 && m->loss_scale <= 0x1p40)
      || !get_uint (file, "epoch", &m->pass.epoch) || !get_uint (file, "training", &training)
      || !get_number (file, "first", &m->pass.first)
      || !get_number (file, "clips-listed", &m->pass.clips_listed)
      || !get_uint (file, "validates", &validates) || !get_number (file, "clips", &m->pass.clips)
      || !get_number (file, "correct", &m->pass.correct)
      || !get_double (file, "loss-sum", &m->pass.loss_sum)
      || !get_double (file, "train-loss", &m->train_loss) || !get_double (file, "best", &m->best)
      || !get_uint (file, "epochs-since-best", &m->epochs_since_best))
    return FALSE;
  get_best (file, &m->best_epoch);
  m->pass.training = !!training;
  /* only shown; older versions did not write it */
  if (!get_double (file, "lr", &m->lr))
    m->lr = 0;
  /* without class weights it is the number of clips */
  if (!get_double (file, "loss-weight", &m->pass.weight))
    m->pass.weight = m->pass.clips;
  t->validates = !!validates;
  return get_kept (t, file);
}

/* A name for the best weights of a ranking that ends, which no file has. NULL: there are none. */
static gchar *
name_best_before (const Cnn3dTrainer *t)
{
  g_autofree gchar *best = g_build_filename (t->params.checkpoint_dir, BEST, NULL);

  if (!g_file_test (best, G_FILE_TEST_EXISTS))
    return NULL;
  for (guint i = 1;; i++) {
    g_autofree gchar *name = i == 1 ? g_strdup (BEST_BEFORE ".safetensors")
                                    : g_strdup_printf (BEST_BEFORE "-%u.safetensors", i);
    g_autofree gchar *path = g_build_filename (t->params.checkpoint_dir, name, NULL);

    if (!g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&name);
  }
}

/* The best value of one monitor, or of one set of clips, means nothing to another. Older versions
 * did not write the monitor, or wrote auto as val-accuracy. */
static void
check_monitor (Cnn3dTrainer *t, Cnn3dSafetensors *file, TrainerMark *m)
{
  const gboolean validates =
      t->params.data.order ? t->params.data.validation_clips > 0 : t->validates;
  const gchar *was = cnn3d_safetensors_metadata (file, "monitor"),
              *is = monitor_name (t->params.monitor, validates);
  /* validation on the same clips is comparable, whatever was trained on */
  const gboolean other_data =
      t->other_labels && !(t->same_validation && g_str_has_prefix (is, "val-"));
  const gchar *pending = cnn3d_safetensors_metadata (file, "best-before");
  g_autofree gchar *by = NULL;
  g_autoptr (GString) note = NULL;

  if (pending && g_str_has_prefix (pending, BEST_BEFORE) && !strchr (pending, G_DIR_SEPARATOR))
    t->best_before = g_strdup (pending);
  if (was && !strcmp (was, "val-accuracy") && m->best_epoch.known && !m->best_epoch.validated)
    was = "train-accuracy";
  if (isnan (m->best) || (!other_data && (!was || !strcmp (was, is))))
    return;
  m->best = NAN;
  m->best_epoch.known = FALSE;
  m->epochs_since_best = 0;
  by = other_data ? g_strdup ("on that data") : g_strdup_printf ("by %s, not by %s", was, is);
  note = g_string_new (NULL);
  g_string_append_printf (note,
      "the best weights so far were chosen %s: the comparison of epochs starts over, and the next "
      "epoch's weights become best.safetensors",
      by);
  g_free (t->best_before);
  t->best_before = name_best_before (t);
  if (t->best_before)
    g_string_append_printf (note, "; the earlier one is kept as %s", t->best_before);
  if (t->kept->len)
    g_string_append (note, "; the earlier epoch-* files are kept, too");
  g_array_set_size (t->kept, 0);
  cnn3d_trainer_add_note (t, note->str);
}

/* A smaller save-top-k removes nothing that was kept under the larger one. */
static void
check_top_k (Cnn3dTrainer *t, Cnn3dSafetensors *file)
{
  const guint n = t->params.save_top_k > 1 ? t->params.save_top_k : 0;
  g_autofree gchar *note = NULL;
  guint was;

  /* older versions did not write it */
  if (!get_uint (file, "save-top-k", &was))
    was = t->kept->len;
  if (was <= t->params.save_top_k || t->kept->len == 0)
    return;
  note = g_strdup_printf ("save-top-k=%u is smaller than before: the %u epoch-* files that were "
                          "kept stay",
      t->params.save_top_k, t->kept->len);
  cnn3d_trainer_add_note (t, note);
  for (guint i = 0; i < t->kept->len; i++)
    g_array_index (t->kept, TrainerKept, i).stays = TRUE;
  drop_kept (t, n);
}

/* last: path of the weights file. */
static gboolean
read_state (Cnn3dTrainer *t, Cnn3dSafetensors *file, const gchar *path, const gchar *last,
    TrainerMark *mark, GError **error)
{
  static const gchar *const prefixes[2] = { "first.", "second." };
  gfloat *const arrays[2] = { t->first, t->second };
  g_autofree gchar *input = input_text (&t->s.net->params, t->params.view_names);
  guint optimizer;

  if (g_strcmp0 (cnn3d_safetensors_metadata (file, "version"), STATE_VERSION)
      || !cnn3d_safetensors_metadata (file, "model") || !get_mark (t, file, mark)
      || !get_uint (file, "optimizer", &optimizer)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "%s was not written by this version: use resume=never to start over", path);
    return FALSE;
  }
  if (strcmp (cnn3d_safetensors_metadata (file, "model"), t->s.net->model)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "%s was written by another model than %s: set the same one, or resume=never to start over",
        path, t->s.net->model);
    return FALSE;
  }
  if (g_strcmp0 (cnn3d_safetensors_metadata (file, "input"), input)) {
    const gchar *was = cnn3d_safetensors_metadata (file, "input");
    g_autofree gchar *shown = cnn3d_escape (was ? was : "input-type=rgb", FALSE),
                     *now = cnn3d_escape (input ? input : "input-type=rgb", FALSE);

    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "%s was written with %s, not %s: set the same, or resume=never to start over", path, shown,
        now);
    return FALSE;
  }
  if (optimizer != t->params.optimizer) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "%s was written with another optimizer: set the same one, or resume=never to start over",
        path);
    return FALSE;
  }
  if (!cnn3d_trainer_check_data (t, last, file, mark, error)
      || !cnn3d_state_check_name (path, error))
    return FALSE;
  check_monitor (t, file, mark);
  check_top_k (t, file);
  for (guint a = 0; a < 2; a++) {
    for (guint i = 0; arrays[a] && i < t->s.net->n_weights; i++) {
      const Cnn3dParam *p = &t->s.net->weights[i];
      g_autofree gchar *name = g_strconcat (prefixes[a], p->name, NULL);
      const Cnn3dSafetensor *tensor;

      if (!CNN3D_PARAM_TRAINED (p->role))
        continue;
      tensor = cnn3d_safetensors_lookup (file, name);
      if (!tensor || !cnn3d_model_file_same_shape (tensor, p)) {
        g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
            "%s has no optimizer state '%s' that fits: use the settings that it was written with, "
            "or resume=never",
            path, name);
        return FALSE;
      }
      if (!cnn3d_model_file_import (tensor, t->s.backend, t->s.model, t->s.net, i,
              t->ranks ? t->gradients : arrays[a], error))
        return FALSE;
    }
    if (t->ranks && arrays[a] && !cnn3d_ranks_take_slice (t, arrays[a], error))
      return FALSE;
  }
  return TRUE;
}

gboolean
cnn3d_trainer_resume (Cnn3dTrainer *t, guint64 *position, Cnn3dPassResult *ended, GError **error)
{
  g_autofree gchar *last = NULL, *state_path = NULL;
  g_autoptr (Cnn3dSafetensors) weights = NULL, state = NULL;
  const gchar *name;
  TrainerMark mark;

  memset (ended, 0, sizeof *ended);
  if (!t->params.checkpoint_dir)
    return FALSE;
  last = g_build_filename (t->params.checkpoint_dir, LAST, NULL);
  if (!g_file_test (last, G_FILE_TEST_EXISTS))
    return FALSE;
  weights = cnn3d_safetensors_open (last, error);
  if (!weights)
    return FALSE;
  name = cnn3d_safetensors_metadata (weights, "state");
  if (!name || strchr (name, G_DIR_SEPARATOR)) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "%s has no training state to resume from: use it as pretrained=, with resume=never or "
        "another checkpoint-dir",
        last);
    return FALSE;
  }
  state_path = g_build_filename (t->params.checkpoint_dir, name, NULL);
  state = cnn3d_safetensors_open (state_path, error);
  if (!state || !read_state (t, state, state_path, last, &mark, error)
      || !cnn3d_model_file_load (
          weights, last, "", t->s.backend, t->s.model, t->s.net, t->s.weights, NULL, error)
      || !cnn3d_session_refresh (&t->s, error))
    return FALSE;
  t->now = mark;
  if (!cnn3d_trainer_take_mark (t, error))
    return FALSE;
  t->mark_saved = TRUE;
  if (!cnn3d_trainer_repeat_skipped (t, error))
    return FALSE;
  mark = t->now;
  /* Stopped between the last step of a pass and its end: no clip of the pass is left, so it ends
   * here. */
  if (mark.pass.clips_listed && mark.position >= mark.pass.first + mark.pass.clips_listed
      && !cnn3d_trainer_end_pass (t, mark.position, ended, error))
    return FALSE;
  if (!cnn3d_trainer_move_to_data (t, error))
    return FALSE;
  /* also where other data moved on what would be saved */
  if (ended->checkpoint_due)
    t->mark_saved = FALSE;
  t->resumed = TRUE;
  *position = t->now.position;
  return TRUE;
}
