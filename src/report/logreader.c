/* logreader.c: reads log.jsonl line by line. Invalid lines are counted and skipped; missing numbers
 * are NAN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/logreader.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "src/hash.h"
#include "src/report/jsontext.h"

#define MOST_LINES (8u << 20)
#define LONGEST_LINE (32u << 20) /* a confusion matrix of 1000 classes is smaller */
#define MOST_CLASSES 10000
#define MOST_SKIPS 100000
#define MOST_NOTICES 1000

typedef struct {
  ReportLog *log;
  gdouble session_start; /* NAN: none */
  /* "path reason" -> 1 + index in skips */
  GHashTable *skipped;
} Reader;

static gdouble
record_time (JsonObject *o)
{
  const gchar *text = report_json_string (o, "time");
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) time = text ? g_date_time_new_from_iso8601 (text, utc) : NULL;

  if (time)
    return g_date_time_to_unix (time) + g_date_time_get_microsecond (time) / 1e6;
  return report_json_number (o, "time");
}

static void
end_session (Reader *r)
{
  if (isfinite (r->session_start) && r->log->last_time > r->session_start)
    r->log->seconds += r->log->last_time - r->session_start;
  r->session_start = NAN;
}

static void
on_run (Reader *r, JsonNode *record, gdouble time)
{
  ReportLog *log = r->log;

  end_session (r);
  r->session_start = time;
  g_clear_pointer (&log->run, json_node_unref);
  g_clear_pointer (&log->classes, g_strfreev);
  g_clear_pointer (&log->finished, g_free);
  g_clear_pointer (&log->failed, g_free);
  log->run = json_node_ref (record);
  log->classes = report_json_strings (json_node_get_object (record), "classes", MOST_CLASSES);
  log->n_runs++;
}

/* A run that resumes from a checkpoint, or starts over, repeats steps: drops what was logged about
 * them before. again: whether an item is repeated. */
#define FORGET(array, Type, item, again)                                                       \
  for (const Type *item;                                                                       \
      (array)->len > 0 && (item = &g_array_index ((array), Type, (array)->len - 1), (again));) \
  g_array_set_size ((array), (array)->len - 1)

static void
on_step (ReportLog *log, JsonObject *o)
{
  const gboolean skipped = report_json_boolean (o, "skipped");
  const ReportStep step = {
    .step = report_json_number (o, "step"),
    .steps_skipped = report_json_number (o, "steps-skipped"),
    .loss = skipped ? NAN : report_json_number (o, "loss"),
    .accuracy = report_json_number (o, "accuracy"),
    .lr = report_json_number (o, "lr"),
    .loss_scale = report_json_number (o, "loss-scale"),
    .speed = report_json_number (o, "clips-per-second"),
    .memory = report_json_number (o, "memory-bytes"),
    .memory_share = report_json_number (o, "memory-share"),
  };

  if (!isfinite (step.step))
    return;
  /* a skipped step has the number of the step before it, which is kept, as are the other records
   * with that number */
  FORGET (log->steps, ReportStep, s,
      s->step > step.step
          || (s->step == step.step && (!skipped || s->steps_skipped >= step.steps_skipped)));
  FORGET (log->epochs, ReportEpoch, e, skipped ? e->step > step.step : e->step >= step.step);
  FORGET (
      log->validations, ReportValidation, v, skipped ? v->step > step.step : v->step >= step.step);
  g_array_append_val (log->steps, step);
  if (isfinite (step.steps_skipped))
    log->steps_skipped = step.steps_skipped;
}

static void
on_epoch (ReportLog *log, JsonObject *o)
{
  const ReportEpoch epoch = {
    .epoch = report_json_number (o, "epoch"),
    .step = report_json_number (o, "step"),
    .loss = report_json_number (o, "loss"),
    .accuracy = report_json_number (o, "accuracy"),
    .clips = report_json_number (o, "clips"),
    .seconds = report_json_number (o, "seconds"),
    .speed = report_json_number (o, "clips-per-second"),
  };

  if (!isfinite (epoch.step) || !isfinite (epoch.epoch))
    return;
  FORGET (log->epochs, ReportEpoch, e, e->epoch >= epoch.epoch || e->step > epoch.step);
  g_array_append_val (log->epochs, epoch);
}

/* Of a validation that is neither the best nor one of the last. */
static void
drop_matrix (ReportLog *log, guint i)
{
  ReportValidation *v = &g_array_index (log->validations, ReportValidation, i);

  if (v != report_log_validation (log) && i + REPORT_LAST_MATRICES < log->validations->len)
    g_clear_pointer (&v->confusion, report_matrix_free);
}

static void
on_validation (ReportLog *log, JsonObject *o)
{
  ReportValidation validation = {
    .epoch = report_json_number (o, "epoch"),
    .step = report_json_number (o, "step"),
    .loss = report_json_number (o, "loss"),
    .accuracy = report_json_number (o, "accuracy"),
    .clips = report_json_number (o, "clips"),
    .recall = report_json_number (o, "recall"),
    .f1 = report_json_number (o, "f1"),
    .best = report_json_boolean (o, "best"),
  };
  guint n, before;

  if (!isfinite (validation.step) || !isfinite (validation.epoch))
    return;
  validation.confusion = report_matrix_read (o, "confusion", log->classes);
  FORGET (log->validations, ReportValidation, v,
      v->epoch >= validation.epoch || v->step > validation.step);
  n = log->validations->len;
  before = n ? g_array_index (log->validations, ReportValidation, n - 1).last_best : 0;
  validation.last_best = validation.best ? n + 1 : before;
  g_array_append_val (log->validations, validation);
  /* the best is shown, and the last ones are compared: memory is not for all */
  if (before && before != validation.last_best)
    drop_matrix (log, before - 1);
  if (n >= REPORT_LAST_MATRICES)
    drop_matrix (log, n - REPORT_LAST_MATRICES);
}

static void
on_skipped (Reader *r, JsonObject *o)
{
  const gchar *path = report_json_string (o, "path"), *reason = report_json_string (o, "reason");
  g_autofree gchar *key = g_strconcat (path ? path : "", "\n", reason ? reason : "", NULL);
  const guint found = GPOINTER_TO_UINT (g_hash_table_lookup (r->skipped, key));

  if (found)
    g_array_index (r->log->skips, ReportSkip, found - 1).times++;
  else if (r->log->skips->len < MOST_SKIPS) {
    const ReportSkip skip = { .path = g_strdup (path ? path : "(no path in the log)"),
      .reason = g_strdup (reason ? reason : "(no reason in the log)"),
      .times = 1 };

    g_array_append_val (r->log->skips, skip);
    g_hash_table_insert (r->skipped, g_steal_pointer (&key), GUINT_TO_POINTER (r->log->skips->len));
  } else
    r->log->more_skips++;
}

static void
on_notice (ReportLog *log, JsonObject *o, gboolean warning, gdouble time)
{
  const gchar *text = report_json_string (o, "message");
  const ReportNotice notice = {
    .warning = warning, .text = g_strdup (text ? text : "(no message in the log)"), .time = time
  };

  if (!warning) {
    g_free (log->failed);
    log->failed = g_strdup (notice.text);
  }
  if (log->notices->len >= MOST_NOTICES) {
    log->more_notices++;
    g_free (notice.text);
    return;
  }
  g_array_append_val (log->notices, notice);
}

static void
on_record (Reader *r, JsonNode *record)
{
  ReportLog *log = r->log;
  JsonObject *o = json_node_get_object (record);
  const gchar *event = report_json_string (o, "event"), *path = report_json_string (o, "path"),
              *reason;
  const gdouble time = record_time (o);

  if (g_strcmp0 (event, "run") == 0)
    on_run (r, record, time);
  if (isfinite (time) && time > 0 && time < 1e11) {
    if (!isfinite (log->first_time))
      log->first_time = time;
    log->last_time = time;
  }
  if (g_strcmp0 (event, "resumed") == 0)
    log->n_resumed++;
  else if (g_strcmp0 (event, "step") == 0)
    on_step (log, o);
  else if (g_strcmp0 (event, "epoch") == 0)
    on_epoch (log, o);
  else if (g_strcmp0 (event, "validation") == 0)
    on_validation (log, o);
  else if (g_strcmp0 (event, "skipped") == 0)
    on_skipped (r, o);
  else if (g_strcmp0 (event, "warning") == 0 || g_strcmp0 (event, "error") == 0)
    on_notice (log, o, *event == 'w', time);
  else if (g_strcmp0 (event, "checkpoint") == 0 && path) {
    g_free (log->checkpoint);
    log->checkpoint = g_strdup (path);
  } else if (g_strcmp0 (event, "finished") == 0) {
    reason = report_json_string (o, "reason");
    g_free (log->finished);
    log->finished = g_strdup (reason ? reason : "(no reason in the log)");
  }
}

static void
on_line (Reader *r, const gchar *line, gsize length)
{
  ReportLog *log = r->log;
  g_autoptr (GError) reason = NULL;
  JsonNode *record;

  log->lines++;
  if (length == 0)
    return;
  record = report_json_object (line, length, &reason);
  if (record && report_json_string (json_node_get_object (record), "event"))
    on_record (r, record);
  else {
    log->bad_lines++;
    if (!log->first_bad)
      log->first_bad = g_strdup_printf ("line %" G_GUINT64_FORMAT ": %s", log->lines,
          reason ? reason->message : "it has no \"event\"");
  }
  g_clear_pointer (&record, json_node_unref);
}

/* Reads a line without its newline; FALSE at the end of the file. *torn: it has no newline. What is
 * beyond the limit is dropped, and what is left is not valid. */
static gboolean
next_line (FILE *file, GString *line, gboolean *torn)
{
  gint c;

  g_string_truncate (line, 0);
  while ((c = getc_unlocked (file)) != EOF && c != '\n') {
    if (line->len < LONGEST_LINE)
      g_string_append_c (line, c);
  }
  *torn |= c == EOF && line->len > 0;
  return c != EOF || line->len > 0;
}

static void
clear_skip (gpointer data)
{
  ReportSkip *skip = data;

  g_free (skip->path);
  g_free (skip->reason);
}

static void
clear_notice (gpointer data)
{
  g_free (((ReportNotice *) data)->text);
}

static void
clear_validation (gpointer data)
{
  report_matrix_free (((ReportValidation *) data)->confusion);
}

ReportLog *
report_log_read (const gchar *path, GError **error)
{
  g_autofree gchar *shown = g_filename_display_name (path);
  FILE *file = g_fopen (path, "rb");
  GString *line;
  ReportLog *log;
  Reader r = { .session_start = NAN };

  if (!file) {
    if (errno != ENOENT)
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "cannot read %s: %s",
          shown, g_strerror (errno));
    return NULL;
  }
  log = g_new0 (ReportLog, 1);
  log->path = g_strdup (path);
  log->first_time = log->last_time = log->steps_skipped = NAN;
  log->steps = g_array_new (FALSE, FALSE, sizeof (ReportStep));
  log->epochs = g_array_new (FALSE, FALSE, sizeof (ReportEpoch));
  log->validations = g_array_new (FALSE, FALSE, sizeof (ReportValidation));
  g_array_set_clear_func (log->validations, clear_validation);
  log->skips = g_array_new (FALSE, FALSE, sizeof (ReportSkip));
  g_array_set_clear_func (log->skips, clear_skip);
  log->notices = g_array_new (FALSE, FALSE, sizeof (ReportNotice));
  g_array_set_clear_func (log->notices, clear_notice);
  r.log = log;
  r.skipped = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);
  line = g_string_new (NULL);
  while (next_line (file, line, &log->torn)) {
    if (log->lines == MOST_LINES) {
      log->cut = TRUE;
      break;
    }
    on_line (&r, line->str, line->len);
  }
  end_session (&r);
  g_string_free (line, TRUE);
  g_hash_table_unref (r.skipped);
  if (ferror (file)) {
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "cannot read %s: %s", shown,
        g_strerror (errno));
    g_clear_pointer (&log, report_log_free);
  }
  fclose (file);
  return log;
}

void
report_log_free (ReportLog *log)
{
  if (!log)
    return;
  g_array_unref (log->steps);
  g_array_unref (log->epochs);
  g_array_unref (log->validations);
  g_array_unref (log->skips);
  g_array_unref (log->notices);
  g_clear_pointer (&log->run, json_node_unref);
  g_strfreev (log->classes);
  g_free (log->path);
  g_free (log->checkpoint);
  g_free (log->finished);
  g_free (log->failed);
  g_free (log->first_bad);
  g_free (log);
}

gboolean
report_log_stopped (const ReportLog *log)
{
  const gdouble asked = report_log_setting (log, "epochs");
  const gdouble done = log->epochs->len
      ? g_array_index (log->epochs, ReportEpoch, log->epochs->len - 1).epoch + 1
      : 0;

  /* older logs have eos for both */
  return g_strcmp0 (log->finished, "stopped") == 0
      || (g_strcmp0 (log->finished, "eos") == 0 && asked > 0 && done < asked);
}

const ReportValidation *
report_log_validation (const ReportLog *log)
{
  const guint n = log->validations->len;
  const guint best = n ? g_array_index (log->validations, ReportValidation, n - 1).last_best : 0;

  return n ? &g_array_index (log->validations, ReportValidation, best ? best - 1 : n - 1) : NULL;
}

static gint
by_number (gconstpointer a, gconstpointer b)
{
  const gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return (x > y) - (x < y);
}

gdouble
report_log_speed (const ReportLog *log)
{
  g_autoptr (GArray) speeds = g_array_new (FALSE, FALSE, sizeof (gdouble));

  for (guint i = 0; i < log->steps->len; i++) {
    const gdouble speed = g_array_index (log->steps, ReportStep, i).speed;

    if (isfinite (speed) && speed > 0)
      g_array_append_val (speeds, speed);
  }
  g_array_sort (speeds, by_number);
  return speeds->len ? (g_array_index (speeds, gdouble, (speeds->len - 1) / 2)
                           + g_array_index (speeds, gdouble, speeds->len / 2))
          / 2
                     : NAN;
}

gdouble
report_log_memory (const ReportLog *log)
{
  gdouble most = NAN;

  for (guint i = 0; i < log->steps->len; i++)
    most = fmax (most, g_array_index (log->steps, ReportStep, i).memory);
  return most;
}

gdouble
report_log_setting (const ReportLog *log, const gchar *name)
{
  return log->run ? report_json_number (json_node_get_object (log->run), name) : NAN;
}
