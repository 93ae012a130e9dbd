/* runlog.c: the log files of a training run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/log/runlog.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "src/draw/confusion.h"
#include "src/json.h"
#include "src/log/csvlines.h"
#include "src/log/eventfile.h"
#include "src/log/jsonlines.h"
#include "src/log/recordfile.h"
#include "src/secrets.h"
#include "src/session/session.h"

#define JSON_NAME "log.jsonl"
#define CSV_NAME "metrics.csv"
#define MAX_EARLIER 100000

struct _Cnn3dRunLog {
  gchar *dir;
  int lock; /* on the folder */
  Cnn3dRecordFile *json;
  Cnn3dRecordFile *csv;   /* NULL before cnn3d_run_log_begin() */
  Cnn3dEventFile *events; /* likewise */
  gboolean others;        /* log.jsonl was not empty */
  gboolean resumes;
  guint epochs; /* whose training pass is logged already */
  Cnn3dRunMark mark;
  gchar **classes;
  guint num_classes;
  GString *line; /* the last one; its memory is reused */
  GError *error; /* the first, until it is taken */
  gboolean failed;
};

static void
set_error (GError **error, const gchar *what, const gchar *path, int code)
{
  g_autofree gchar *shown = g_filename_display_name (path);

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "cannot %s “%s”: %s", what, shown,
      g_strerror (code));
}

/* --- the folder --- */

/* Held as long as the run logs. Network file systems without locks are used without one. */
static gboolean
lock_folder (Cnn3dRunLog *log, GError **error)
{
  log->lock = open (log->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (log->lock < 0) {
    set_error (error, "open", log->dir, errno);
    return FALSE;
  }
  if (flock (log->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
    g_autofree gchar *shown = g_filename_display_name (log->dir);

    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "another run logs to “%s”", shown);
    return FALSE;
  }
  return TRUE;
}

static gboolean
open_json (Cnn3dRunLog *log, GError **error)
{
  g_autofree gchar *path = g_build_filename (log->dir, JSON_NAME, NULL);

  log->json = cnn3d_record_file_open_lines (path, error);
  if (!log->json)
    return FALSE;
  log->others = !cnn3d_record_file_is_empty (log->json);
  return TRUE;
}

Cnn3dRunLog *
cnn3d_run_log_new (const gchar *dir, GError **error)
{
  Cnn3dRunLog *log = g_new0 (Cnn3dRunLog, 1);

  log->dir = g_strdup (dir);
  log->lock = -1;
  log->line = g_string_new (NULL);
  if (g_mkdir_with_parents (dir, 0777) < 0)
    set_error (error, "create the folder", dir, errno);
  else if (lock_folder (log, error) && open_json (log, error))
    return log;
  cnn3d_run_log_free (&log);
  return NULL;
}

void
cnn3d_run_log_free (Cnn3dRunLog **log)
{
  Cnn3dRunLog *l = *log;

  *log = NULL;
  if (!l)
    return;
  cnn3d_record_file_free (&l->json);
  cnn3d_record_file_free (&l->csv);
  cnn3d_event_file_free (&l->events);
  if (l->lock >= 0)
    close (l->lock);
  g_strfreev (l->classes);
  g_string_free (l->line, TRUE);
  g_clear_error (&l->error);
  g_free (l->dir);
  g_free (l);
}

/* The files that an earlier run left; log.jsonl only if it is not empty. */
static GPtrArray *
list_earlier (const Cnn3dRunLog *log, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (log->dir, 0, error);
  GPtrArray *names;
  const gchar *name;

  if (!dir)
    return NULL;
  names = g_ptr_array_new_with_free_func (g_free);
  while ((name = g_dir_read_name (dir)))
    if (g_str_has_prefix (name, CNN3D_EVENT_FILE_PREFIX) || !strcmp (name, CSV_NAME)
        || (!strcmp (name, JSON_NAME) && !cnn3d_record_file_is_empty (log->json)))
      g_ptr_array_add (names, g_strdup (name));
  return names;
}

/* A new folder earlier-N; free with g_free(). */
static gchar *
make_earlier (const Cnn3dRunLog *log, GError **error)
{
  for (guint i = 1; i < MAX_EARLIER; i++) {
    g_autofree gchar *name = g_strdup_printf ("earlier-%u", i);
    g_autofree gchar *path = g_build_filename (log->dir, name, NULL);

    if (g_mkdir (path, 0777) == 0)
      return g_steal_pointer (&path);
    if (errno != EEXIST) {
      set_error (error, "create the folder", path, errno);
      return NULL;
    }
  }
  set_error (error, "move the earlier records aside in", log->dir, EEXIST);
  return NULL;
}

static gboolean
move_earlier (Cnn3dRunLog *log, GError **error)
{
  g_autoptr (GPtrArray) names = list_earlier (log, error);
  g_autofree gchar *folder = NULL;

  if (!names)
    return FALSE;
  if (names->len == 0)
    return TRUE;
  folder = make_earlier (log, error);
  if (!folder)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree gchar *from = g_build_filename (log->dir, names->pdata[i], NULL);
    g_autofree gchar *to = g_build_filename (folder, names->pdata[i], NULL);

    if (g_rename (from, to) < 0) {
      set_error (error, "move", from, errno);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
take_out_beyond (Cnn3dRunLog *log, Cnn3dJsonFilter *filter, GError **error)
{
  g_autofree gchar *json = g_build_filename (log->dir, JSON_NAME, NULL);
  g_autofree gchar *csv = g_build_filename (log->dir, CSV_NAME, NULL);

  if (!cnn3d_record_file_filter_lines (json, cnn3d_json_keep, filter, error)
      || !cnn3d_record_file_filter_lines (csv, cnn3d_csv_keep, &log->mark, error))
    return FALSE;
  log->epochs = filter->epochs;
  return TRUE;
}

/* The most members of a step's record. */
#define MOST_SCALARS 1000

/* Repeats a step's scalars from its line in log.jsonl. */
static gboolean
tell_step_again (Cnn3dRunLog *log, const gchar *line, GError **error)
{
  static const gchar *const names[][2] = { { "train/loss", "loss" },
    { "train/accuracy", "accuracy" }, { "lr", "lr" }, { "loss_scale", "loss-scale" },
    { "memory_bytes", "memory-bytes" }, { "clips_per_second", "clips-per-second" } };
  g_autoptr (JsonParser) parser = json_parser_new ();
  Cnn3dScalar scalars[G_N_ELEMENTS (names)];
  JsonNode *root;

  /* a damaged line is skipped */
  if (!cnn3d_json_load (parser, line, strlen (line), 1, MOST_SCALARS, NULL)
      || !(root = json_parser_get_root (parser)) || !JSON_NODE_HOLDS_OBJECT (root))
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    JsonNode *node = json_object_get_member (json_node_get_object (root), names[i][1]);

    scalars[i].tag = names[i][0];
    scalars[i].value = node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : NAN;
  }
  return cnn3d_event_file_scalars (
      log->events, log->mark.step, scalars, G_N_ELEMENTS (scalars), error);
}

/* Discards the events of earlier files beyond the mark. A validation that is repeated has the
 * mark's own step: then the events of that step are discarded, too, and repeated. */
static gboolean
restart_events (Cnn3dRunLog *log, const Cnn3dJsonFilter *filter, GError **error)
{
  return cnn3d_event_file_restart (log->events, log->mark.step + !filter->validated, error)
      && (!filter->validated || !filter->step || tell_step_again (log, filter->step, error));
}

static gboolean
open_csv (Cnn3dRunLog *log, GError **error)
{
  g_autofree gchar *path = g_build_filename (log->dir, CSV_NAME, NULL);

  log->csv = cnn3d_record_file_open_lines (path, error);
  return log->csv
      && (cnn3d_record_file_size (log->csv) > 0
          || cnn3d_record_file_append (
              log->csv, CNN3D_CSV_HEADER, strlen (CNN3D_CSV_HEADER), error));
}

gboolean
cnn3d_run_log_begin (Cnn3dRunLog *log, const Cnn3dRunMark *mark, GError **error)
{
  Cnn3dJsonFilter filter = { 0 };
  gboolean begun = FALSE;

  log->resumes = mark != NULL;
  if (mark)
    filter.mark = log->mark = *mark;
  if (mark ? take_out_beyond (log, &filter, error) : move_earlier (log, error)) {
    /* the file that was open may be renamed or removed */
    cnn3d_record_file_free (&log->json);
    begun = open_json (log, error) && open_csv (log, error)
        && (log->events = cnn3d_event_file_new (log->dir, error))
        && (!mark || restart_events (log, &filter, error));
  }
  g_free (filter.step);
  return begun;
}

/* --- records --- */

GError *
cnn3d_run_log_take_error (Cnn3dRunLog *log)
{
  return g_steal_pointer (&log->error);
}

static void
check (Cnn3dRunLog *log, gboolean written, GError **error)
{
  if (written)
    return;
  if (log->failed)
    g_error_free (*error);
  else
    log->error = *error;
  log->failed = TRUE;
}

static void
write_line (Cnn3dRunLog *log, Cnn3dRecordFile *file)
{
  GError *error = NULL;

  if (file)
    check (log, cnn3d_record_file_append (file, log->line->str, log->line->len, &error), &error);
}

static void
write_json (Cnn3dRunLog *log)
{
  cnn3d_json_end (log->line);
  write_line (log, log->json);
}

static void
write_scalars (Cnn3dRunLog *log, guint64 step, const Cnn3dScalar *scalars, guint n)
{
  GError *error = NULL;

  check (log, cnn3d_event_file_scalars (log->events, step, scalars, n, &error), &error);
}

/* Quoted as for a shell, without passwords. NULL: the system does not provide it. */
static gchar *
command_line (void)
{
  g_autofree gchar *raw = NULL;
  GString *line;
  gsize size;

  if (!g_file_get_contents ("/proc/self/cmdline", &raw, &size, NULL))
    return NULL;
  line = g_string_new (NULL);
  for (const gchar *word = raw; word < raw + size; word += strlen (word) + 1) {
    g_autofree gchar *kept = cnn3d_without_passwords (word);
    const gboolean plain = *kept
        && kept[strspn (
               kept, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_!")]
            == '\0';
    g_autofree gchar *quoted = plain ? g_strdup (kept) : g_shell_quote (kept);

    if (line->len)
      g_string_append_c (line, ' ');
    g_string_append (line, quoted);
  }
  return g_string_free (line, FALSE);
}

static void
write_resumed (Cnn3dRunLog *log)
{
  cnn3d_json_begin (log->line, "resumed");
  cnn3d_json_integer (log->line, "position", log->mark.position);
  cnn3d_json_integer (log->line, "step", log->mark.step);
  cnn3d_json_integer (log->line, "epoch", log->mark.epoch);
  write_json (log);
}

static void
write_class_weights (GString *line, const Cnn3dTrainerParams *params)
{
  const guint n = params->network.num_classes;
  g_autofree gdouble *weights = g_new (gdouble, n);

  for (guint i = 0; i < n; i++)
    weights[i] = params->class_weights[i];
  cnn3d_json_numbers (line, "class-weights", weights, n);
}

static void
write_class_clips (GString *line, const Cnn3dTrainerParams *params)
{
  const guint n = params->network.num_classes;
  g_autofree gdouble *clips = g_new (gdouble, n);

  for (guint i = 0; i < n; i++)
    clips[i] = params->class_clips[i];
  cnn3d_json_numbers (line, "training-clips", clips, n);
}

void
cnn3d_run_log_run (Cnn3dRunLog *log, const Cnn3dTrainer *trainer, const Cnn3dTrainerParams *params,
    guint batch, guint epochs)
{
  const Cnn3dNetworkParams *net = &cnn3d_trainer_network (trainer)->params;
  g_autofree gchar *command = command_line ();
  GString *line = log->line;
  Cnn3dMemory memory;

  if (!log->events)
    return;
  g_strfreev (log->classes);
  log->classes = g_strdupv ((gchar **) params->classes);
  log->num_classes = net->num_classes;
  cnn3d_trainer_memory (trainer, &memory);
  cnn3d_json_begin (line, "run");
  cnn3d_json_integer (line, "version", 1);
  cnn3d_json_string (line, "command", command ? command : "");
  cnn3d_json_string (line, "model", net->model);
  cnn3d_json_integer (line, "base-width", net->base_width);
  cnn3d_json_strings (line, "classes", params->classes);
  cnn3d_json_integer (line, "num-frames", net->frames);
  cnn3d_json_integer (line, "height", net->height);
  cnn3d_json_integer (line, "width", net->width);
  if (cnn3d_network_sees_points (net)) {
    cnn3d_json_string (line, "input-type", cnn3d_choice_name (&cnn3d_input_types, net->input));
    if (net->input == CNN3D_INPUT_RGB_KPT)
      cnn3d_json_string (line, "fusion", cnn3d_choice_name (&cnn3d_fusions, net->fusion));
    cnn3d_json_integer (line, "keypoints", net->points);
    cnn3d_json_integer (line, "persons", net->persons);
  }
  if (cnn3d_network_views (net) > 1) {
    cnn3d_json_strings (line, "views", params->view_names);
    cnn3d_json_string (
        line, "view-fusion", cnn3d_choice_name (&cnn3d_view_fusions, net->view_fusion));
    cnn3d_json_number (line, "view-dropout", net->view_dropout);
  }
  cnn3d_json_string (line, "device", cnn3d_trainer_device (trainer));
  cnn3d_json_string (
      line, "precision", cnn3d_choice_name (&cnn3d_precisions, cnn3d_trainer_precision (trainer)));
  cnn3d_json_integer (line, "threads", params->threads ? params->threads : g_get_num_processors ());
  cnn3d_json_string (
      line, "convolution", cnn3d_choice_name (&cnn3d_convolutions, params->convolution));
  cnn3d_json_integer (line, "batch", batch);
  cnn3d_json_integer (line, "micro-batch", cnn3d_trainer_micro_batch (trainer));
  cnn3d_json_integer (line, "validation-batch", cnn3d_trainer_evaluation_batch (trainer));
  cnn3d_json_integer (line, "accumulate-grad-batches", params->accumulate);
  if (params->comm) {
    cnn3d_json_integer (line, "rank", cnn3d_comm_rank (params->comm));
    cnn3d_json_integer (line, "world-size", cnn3d_comm_size (params->comm));
    cnn3d_json_integer (line, "sent-bytes", cnn3d_trainer_sends (trainer));
  }
  cnn3d_json_string (
      line, "recompute", cnn3d_choice_name (&cnn3d_recomputes, cnn3d_trainer_recompute (trainer)));
  cnn3d_json_string (line, "optimizer", cnn3d_choice_name (&cnn3d_optimizers, params->optimizer));
  cnn3d_json_integer (line, "predicted-bytes", memory.total);
  cnn3d_json_integer (line, "context-bytes", memory.context);
  cnn3d_json_string (line, "context-source", cnn3d_trainer_context_source (trainer));
  cnn3d_json_integer (line, "budget-bytes", cnn3d_trainer_budget (trainer));
  cnn3d_json_integer (line, "max-memory-bytes", params->max_memory);
  cnn3d_json_integer (line, "weights-bytes", memory.weights + memory.copy);
  cnn3d_json_integer (line, "gradients-bytes", memory.gradients);
  cnn3d_json_integer (line, "optimizer-bytes", memory.optimizer);
  cnn3d_json_integer (line, "input-bytes", memory.input);
  cnn3d_json_integer (line, "arena-bytes", memory.arena);
  cnn3d_json_integer (line, "workspace-bytes", memory.workspace);
  cnn3d_json_integer (line, "epochs", epochs);
  if (params->class_weights)
    write_class_weights (line, params);
  if (params->class_clips)
    write_class_clips (line, params);
  write_json (log);
  if (log->resumes)
    write_resumed (log);
}

void
cnn3d_run_log_step (Cnn3dRunLog *log, const Cnn3dProgress *p, gdouble clips_per_second,
    guint64 memory, guint64 budget)
{
  const Cnn3dScalar scalars[] = { { "train/loss", p->loss }, { "train/accuracy", p->accuracy },
    { "lr", p->lr }, { "loss_scale", p->loss_scale }, { "memory_bytes", memory },
    { "clips_per_second", clips_per_second } };
  GString *line = log->line;

  if (!log->events)
    return;
  cnn3d_json_begin (line, "step");
  cnn3d_json_integer (line, "epoch", p->epoch);
  cnn3d_json_integer (line, "step", p->step);
  cnn3d_json_integer (line, "clips", p->clips);
  cnn3d_json_number (line, "loss", p->loss);
  cnn3d_json_number (line, "accuracy", p->accuracy);
  cnn3d_json_number (line, "lr", p->lr);
  cnn3d_json_number (line, "loss-scale", p->loss_scale);
  cnn3d_json_boolean (line, "skipped", p->skipped);
  cnn3d_json_integer (line, "steps-skipped", p->steps_skipped);
  cnn3d_json_number (line, "clips-per-second", clips_per_second);
  cnn3d_json_integer (line, "memory-bytes", memory);
  cnn3d_json_number (line, "memory-share", budget ? (gdouble) memory / budget : 0);
  write_json (log);
  cnn3d_csv_step (line, p, clips_per_second, memory);
  write_line (log, log->csv);
  write_scalars (log, p->step, scalars, G_N_ELEMENTS (scalars));
}

static void
write_epoch (Cnn3dRunLog *log, const Cnn3dPassResult *result, gdouble seconds, gdouble lr,
    gdouble clips_per_second, guint64 memory)
{
  GString *line = log->line;

  cnn3d_json_begin (line, "epoch");
  cnn3d_json_integer (line, "epoch", result->epoch);
  cnn3d_json_integer (line, "step", result->last.step);
  cnn3d_json_number (line, "loss", result->loss);
  cnn3d_json_number (line, "accuracy", result->accuracy);
  cnn3d_json_integer (line, "clips", result->clips);
  cnn3d_json_number (line, "seconds", seconds);
  cnn3d_json_number (line, "lr", lr);
  cnn3d_json_number (line, "clips-per-second", clips_per_second);
  cnn3d_json_integer (line, "memory-bytes", memory);
  write_json (log);
}

static void
write_confusion_picture (Cnn3dRunLog *log, const Cnn3dPassResult *result)
{
  g_autoptr (GBytes) png = NULL;
  GError *error = NULL;

  png = cnn3d_confusion_png (
      result->confusion, (const gchar *const *) log->classes, log->num_classes, &error);
  check (log,
      png
          && cnn3d_event_file_image (
              log->events, result->last.step, "confusion_matrix", png, &error),
      &error);
}

static void
write_validation (Cnn3dRunLog *log, const Cnn3dPassResult *result, gdouble seconds)
{
  const Cnn3dScalar scalars[] = { { "val/loss", result->loss },
    { "val/accuracy", result->accuracy }, { "val/f1", result->f1 } };
  GString *line = log->line;

  cnn3d_json_begin (line, "validation");
  cnn3d_json_integer (line, "epoch", result->epoch);
  cnn3d_json_integer (line, "step", result->last.step);
  cnn3d_json_number (line, "loss", result->loss);
  cnn3d_json_number (line, "accuracy", result->accuracy);
  cnn3d_json_integer (line, "clips", result->clips);
  cnn3d_json_number (line, "seconds", seconds);
  cnn3d_json_boolean (line, "best", result->improved);
  cnn3d_json_number (line, "recall", result->recall);
  cnn3d_json_number (line, "f1", result->f1);
  if (result->class_accuracy)
    cnn3d_json_numbers (line, "class-accuracy", result->class_accuracy, log->num_classes);
  if (result->confusion)
    cnn3d_json_matrix (line, "confusion", result->confusion, log->num_classes);
  write_json (log);
  cnn3d_csv_validation (line, result);
  write_line (log, log->csv);
  /* an unknown value is omitted */
  write_scalars (
      log, result->last.step, scalars, G_N_ELEMENTS (scalars) - (isnan (result->f1) ? 1 : 0));
  if (result->confusion && result->clips)
    write_confusion_picture (log, result);
}

void
cnn3d_run_log_pass (Cnn3dRunLog *log, const Cnn3dPassResult *result, gdouble seconds, gdouble lr,
    gdouble clips_per_second, guint64 memory)
{
  if (!log->events)
    return;
  if (result->training && result->epoch < log->epochs)
    return;
  if (result->training)
    write_epoch (log, result, seconds, lr, clips_per_second, memory);
  else
    write_validation (log, result, seconds);
}

void
cnn3d_run_log_weights (Cnn3dRunLog *log, Cnn3dTrainer *trainer, guint64 step)
{
  const Cnn3dNetwork *net = cnn3d_trainer_network (trainer);

  for (guint i = 0; log->events && i < net->n_weights; i++) {
    const Cnn3dParam *param = &net->weights[i];
    g_autofree gchar *tag = g_strconcat ("weights/", param->name, NULL);
    g_autofree gfloat *values = NULL;
    GError *error = NULL;

    if (!CNN3D_PARAM_TRAINED (param->role))
      continue;
    values = cnn3d_trainer_get_weight (trainer, i, &error);
    check (log,
        values && cnn3d_event_file_histogram (log->events, step, tag, values, param->count, &error),
        &error);
  }
}

void
cnn3d_run_log_checkpoint (Cnn3dRunLog *log, const gchar *path, gboolean best)
{
  g_autofree gchar *shown = g_filename_display_name (path);

  if (!log->events)
    return;
  cnn3d_json_begin (log->line, "checkpoint");
  cnn3d_json_string (log->line, "path", shown);
  cnn3d_json_boolean (log->line, "best", best);
  write_json (log);
}

void
cnn3d_run_log_skipped (
    Cnn3dRunLog *log, const gchar *path, const gchar *reason, guint64 clip, guint epoch)
{
  g_autofree gchar *kept_path = cnn3d_without_passwords (path);
  g_autofree gchar *kept_reason = cnn3d_without_passwords (reason);

  if (!log->events)
    return;
  cnn3d_json_begin (log->line, "skipped");
  cnn3d_json_string (log->line, "path", kept_path);
  cnn3d_json_string (log->line, "reason", kept_reason);
  cnn3d_json_integer (log->line, "clip", clip);
  cnn3d_json_integer (log->line, "epoch", epoch);
  write_json (log);
}

static void
write_text (Cnn3dRunLog *log, const gchar *event, const gchar *name, const gchar *text)
{
  g_autofree gchar *kept = cnn3d_without_passwords (text);

  /* a run that does not begin logs nothing in another run's log */
  if (!log->events && log->others)
    return;
  cnn3d_json_begin (log->line, event);
  cnn3d_json_string (log->line, name, kept);
  write_json (log);
}

void
cnn3d_run_log_warning (Cnn3dRunLog *log, const gchar *message)
{
  write_text (log, "warning", "message", message);
}

void
cnn3d_run_log_error (Cnn3dRunLog *log, const gchar *message)
{
  write_text (log, "error", "message", message);
}

void
cnn3d_run_log_finished (Cnn3dRunLog *log, const gchar *reason)
{
  write_text (log, "finished", "reason", reason);
}
