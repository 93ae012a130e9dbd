/* runpage.c: the page's sections about the run itself.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/runpage.h"

#include <math.h>
#include <string.h>

#include "src/format.h"
#include "src/hash.h"
#include "src/secrets.h"
#include "src/report/chart.h"
#include "src/report/checks.h"
#include "src/report/jsontext.h"
#include "src/report/memorypage.h"
#include "src/report/page.h"

#define TRAINING 0x2b6cb0
#define TRAINING_PALE 0xb5cfe9
#define VALIDATION 0xdd7a1f

#define SMOOTHED_FROM 60 /* steps */

/* --- the head --- */

/* A value of the last "run" record as text, or NULL. */
static gchar *
setting_text (const ReportLog *log, const gchar *name)
{
  const gchar *text = report_json_string (json_node_get_object (log->run), name);
  const gdouble number = report_log_setting (log, name);

  if (text)
    return *text ? g_strdup (text) : NULL;
  return isfinite (number) ? cnn3d_strdup_printf ("%.10g", number) : NULL;
}

static void
fact_of (GString *page, const ReportLog *log, const gchar *title, const gchar *name)
{
  g_autofree gchar *text = setting_text (log, name);

  page_fact (page, title, text);
}

static void
settings_facts (GString *page, const ReportLog *log)
{
  const gdouble frames = report_log_setting (log, "num-frames"),
                height = report_log_setting (log, "height");
  const gdouble width = report_log_setting (log, "width");
  g_autofree gchar *clip = isfinite (frames * height * width)
      ? g_strdup_printf ("%.0f frames of %.0f x %.0f", frames, height, width)
      : NULL;
  g_autofree gchar *count =
      log->classes ? g_strdup_printf ("%u", g_strv_length (log->classes)) : NULL;

  fact_of (page, log, "Model", "model");
  fact_of (page, log, "Base width", "base-width");
  page_fact (page, "Classes", count);
  page_fact (page, "Clips", clip);
  /* of networks that read key points */
  fact_of (page, log, "Input", "input-type");
  fact_of (page, log, "Fusion", "fusion");
  fact_of (page, log, "Key points", "keypoints");
  fact_of (page, log, "Persons", "persons");
  /* of several views */
  fact_of (page, log, "View fusion", "view-fusion");
  fact_of (page, log, "View dropout", "view-dropout");
  fact_of (page, log, "Device", "device");
  fact_of (page, log, "Threads", "threads");
  fact_of (page, log, "Convolutions", "convolution");
  fact_of (page, log, "Precision", "precision");
  fact_of (page, log, "Batch (clips)", "batch");
  fact_of (page, log, "Micro-batch (clips)", "micro-batch");
  fact_of (page, log, "Batches a step", "accumulate-grad-batches");
  fact_of (page, log, "Recomputation", "recompute");
  fact_of (page, log, "Optimizer", "optimizer");
  if (report_log_setting (log, "epochs") > 0) /* 0: unknown */
    fact_of (page, log, "Epochs asked for", "epochs");
}

/* Describes cnn3dtrain's reasons; others are shown unchanged. */
static const gchar *
end_text (const gchar *reason)
{
  static const gchar *const words[][2] = { { "eos", "the stream ended: all epochs are done" },
    { "stopped", "it was stopped before all epochs were done" },
    { "patience", "it stopped getting better (patience)" },
    { "complete", "there was nothing left to train" } };

  for (guint i = 0; reason && i < G_N_ELEMENTS (words); i++)
    if (strcmp (reason, words[i][0]) == 0)
      return words[i][1];
  return reason;
}

static void
time_facts (GString *page, const ReportLog *log)
{
  g_autofree gchar *from = page_time (log->first_time), *to = page_time (log->last_time);
  g_autofree gchar *took = page_seconds (log->seconds);
  g_autofree gchar *starts = log->n_runs > 1
      ? g_strdup_printf (
            "%u times, %u of them going on from a checkpoint", log->n_runs, log->n_resumed)
      : NULL;

  page_fact (page, "Started", from);
  page_fact (page, log->finished || log->failed ? "Ended" : "Last record", to);
  page_fact (page, "Trained for", took);
  page_fact (page, "Was started", starts);
  page_fact (page, "Ended because",
      report_log_stopped (log) ? end_text ("stopped")
          : log->finished      ? end_text (log->finished)
                               : log->failed);
  page_fact (page, "Last checkpoint", log->checkpoint);
  page_fact (page, "Log", log->path);
}

/* Notes about what is missing or was skipped. */
static void
head_notes (GString *page, const ReportLog *log)
{
  if (!log->run)
    page_element (
        page, "p", "note", "The log has no \"run\" record: the run's settings are unknown.");
  if (report_log_stopped (log))
    page_element (page, "p", "note",
        "Training was stopped before all epochs were done: the same line resumes it if it has a "
        "checkpoint-dir.");
  if (!log->finished && log->failed)
    page_printf (page, "p", "note", "Training ended with an error: %s", log->failed);
  else if (!log->finished)
    page_element (page, "p", "note",
        "The log has no end: the run is still running, or was killed. This report covers it up to "
        "the last record.");
  if (log->torn)
    page_element (page, "p", "note", "The log's last line has no end: it was being written.");
  if (log->bad_lines)
    page_printf (page, "p", "note",
        "%" G_GUINT64_FORMAT " of the log's %" G_GUINT64_FORMAT
        " lines are not valid and were skipped; the first is %s",
        log->bad_lines, log->lines, log->first_bad);
  if (log->cut)
    page_element (page, "p", "note",
        "The log is longer than the limit: this report covers its first part only.");
  if (log->steps->len == 0)
    page_element (page, "p", "note", "The log has no training step.");
  if (log->validations->len == 0)
    page_element (page, "p", "note", "The log has no validation.");
}

static void
tile (GString *page, const gchar *value, const gchar *what)
{
  g_string_append (page, "<div>");
  page_element (page, "b", NULL, value);
  page_element (page, "span", NULL, what);
  g_string_append (page, "</div>\n");
}

/* Below a list of the log's warnings and errors. */
static void
note_more (GString *page, const ReportLog *log)
{
  if (log->more_notices)
    page_printf (page, "p", "note",
        "The log has %" G_GUINT64_FORMAT " more warnings and errors, which are left out.",
        log->more_notices);
}

static void
head_tiles (GString *page, const ReportLog *log)
{
  const ReportValidation *validation = report_log_validation (log);
  const ReportStep *step =
      log->steps->len ? &g_array_index (log->steps, ReportStep, log->steps->len - 1) : NULL;
  const ReportEpoch *epoch =
      log->epochs->len ? &g_array_index (log->epochs, ReportEpoch, log->epochs->len - 1) : NULL;
  g_autofree gchar *accuracy = page_share (validation ? validation->accuracy : NAN);
  g_autofree gchar *loss = page_number (epoch ? epoch->loss : step ? step->loss : NAN, 4);
  /* steps may be missing in the log */
  g_autofree gchar *steps =
      page_number (fmax (step ? step->step : NAN, epoch ? epoch->step : NAN), 0);
  g_autofree gchar *speed = page_number (report_log_speed (log), 2),
                   *memory = page_bytes (report_log_memory (log));

  g_string_append (page, "<div class=\"tiles\">\n");
  if (validation)
    tile (page, accuracy,
        validation->best ? "accuracy, best validation" : "accuracy, last validation");
  tile (page, loss, epoch ? "training loss, last epoch" : "training loss, last step");
  tile (page, steps, "steps");
  tile (page, speed, "clips/s, median");
  tile (page, memory, "memory at most");
  g_string_append (page, "</div>\n");
}

void
run_page_head (GString *page, const ReportLog *log)
{
  g_autofree gchar *command = log->run ? setting_text (log, "command") : NULL;

  g_string_append (page, "<section><h2>The run</h2>\n");
  head_notes (page, log);
  head_tiles (page, log);
  if (command) {
    /* older logs have them */
    g_autofree gchar *kept = cnn3d_without_passwords (command);

    page_element (page, "pre", NULL, kept);
  }
  g_string_append (page, "<div class=\"two\">\n<table>\n");
  if (log->run)
    settings_facts (page, log);
  g_string_append (page, "</table>\n<table>\n");
  time_facts (page, log);
  g_string_append (page, "</table>\n</div></section>\n");
}

void
run_page_checks (GString *page, const ReportLog *log, const ReportLog *other)
{
  static const gchar *const classes[] = { "mark open", "mark ok", "mark bad" };
  static const gchar *const words[] = { "not known", "ok", "not ok" };
  g_autoptr (GArray) checks = report_checks (log, other);

  g_string_append (page, "<section><h2>Checklist</h2>\n<table class=\"wide checks\">\n");
  for (guint i = 0; i < checks->len; i++) {
    const ReportCheck *check = &g_array_index (checks, ReportCheck, i);

    g_string_append (page, check->state == CHECK_UNKNOWN ? "<tr class=\"pale\">" : "<tr>");
    g_string_append (page, "<td class=\"n\">");
    page_element (page, "span", classes[check->state], words[check->state]);
    g_string_append (page, "</td>");
    page_element (page, "td", NULL, check->what);
    g_string_append (page, "<td>");
    page_text (page, check->finding);
    if (check->state == CHECK_NOT_OK && check->advice)
      page_element (page, "p", "pale", check->advice);
    g_string_append (page, "</td></tr>\n");
  }
  g_string_append (page, "</table>\n");
  note_more (page, log);
  g_string_append (page, "</section>\n");
}

/* --- curves --- */

/* A step's member against its number; long series with a name are smoothed, too. */
static void
step_series (
    ReportChart *chart, const ReportLog *log, gsize member, gdouble factor, const gchar *name)
{
  const gboolean many = name && log->steps->len > SMOOTHED_FROM;
  GArray *points =
      report_chart_series (chart, many ? NULL : name, many ? TRAINING_PALE : TRAINING, TRUE);

  for (guint i = 0; i < log->steps->len; i++) {
    const ReportStep *step = &g_array_index (log->steps, ReportStep, i);

    report_chart_add (points, step->step, G_STRUCT_MEMBER (gdouble, step, member) * factor);
  }
  if (many) {
    GArray *smooth = report_smooth ((const gdouble *) points->data, points->len / 2);

    g_array_append_vals (
        report_chart_series (chart, name, TRAINING, FALSE), smooth->data, smooth->len);
    g_array_unref (smooth);
  }
}

static void
epoch_series (ReportChart *chart, const ReportLog *log, gboolean accuracy)
{
  GArray *points = report_chart_series (chart, "training", TRAINING, TRUE);

  for (guint i = 0; i < log->epochs->len; i++) {
    const ReportEpoch *epoch = &g_array_index (log->epochs, ReportEpoch, i);

    report_chart_add (points, epoch->epoch + 1, accuracy ? 100 * epoch->accuracy : epoch->loss);
  }
}

static void
validation_series (ReportChart *chart, const ReportLog *log, gboolean by_step, gboolean accuracy)
{
  GArray *points = report_chart_series (chart, "validation", VALIDATION, TRUE);

  for (guint i = 0; i < log->validations->len; i++) {
    const ReportValidation *v = &g_array_index (log->validations, ReportValidation, i);

    report_chart_add (
        points, by_step ? v->step : v->epoch + 1, accuracy ? 100 * v->accuracy : v->loss);
  }
}

static void
finish_chart (GString *page, ReportChart *chart, gboolean always)
{
  if (always || report_chart_points (chart) > 0)
    page_drawing (page, report_chart_draw (chart));
  report_chart_clear (chart);
}

static void
score_charts (GString *page, const ReportLog *log)
{
  static const gchar *const titles[2][2] = { { "Loss by step", "Loss by epoch" },
    { "Accuracy by step (%)", "Accuracy by epoch (%)" } };

  for (gint accuracy = 0; accuracy < 2; accuracy++) {
    ReportChart chart = { .title = titles[accuracy][0],
      .x_name = "optimizer step",
      .line = NAN,
      .from_zero = TRUE,
      .cuts = !accuracy };

    step_series (&chart, log,
        accuracy ? G_STRUCT_OFFSET (ReportStep, accuracy) : G_STRUCT_OFFSET (ReportStep, loss),
        accuracy ? 100 : 1, "training");
    validation_series (&chart, log, TRUE, accuracy);
    finish_chart (page, &chart, TRUE);

    chart = (ReportChart) { .title = titles[accuracy][1],
      .x_name = "epoch",
      .line = NAN,
      .from_zero = TRUE,
      .cuts = !accuracy };
    epoch_series (&chart, log, accuracy);
    validation_series (&chart, log, FALSE, accuracy);
    finish_chart (page, &chart, TRUE);
  }
}

static void
memory_chart (GString *page, const ReportLog *log)
{
  const gdouble used = report_log_memory (log), budget = memory_page_budget (log, used);
  const gboolean large = fmax (used, budget) >= 1024. * 1024 * 1024;
  const gdouble unit = large ? 1024. * 1024 * 1024 : 1024. * 1024;
  ReportChart chart = { .title = large ? "Memory (GiB)" : "Memory (MiB)",
    .x_name = "optimizer step",
    .from_zero = TRUE,
    .line = budget > 0 ? budget / unit : NAN,
    .line_name = "max-memory" };

  step_series (&chart, log, G_STRUCT_OFFSET (ReportStep, memory), 1 / unit, NULL);
  finish_chart (page, &chart, FALSE);
}

static gboolean
loss_scale_varies (const ReportLog *log)
{
  for (guint i = 1; i < log->steps->len; i++)
    if (g_array_index (log->steps, ReportStep, i).loss_scale
            != g_array_index (log->steps, ReportStep, 0).loss_scale
        && isfinite (g_array_index (log->steps, ReportStep, i).loss_scale))
      return TRUE;
  return FALSE;
}

void
run_page_curves (GString *page, const ReportLog *log)
{
  ReportChart chart = {
    .title = "Learning rate", .x_name = "optimizer step", .from_zero = TRUE, .line = NAN
  };

  if (log->steps->len + log->epochs->len + log->validations->len == 0)
    return;
  g_string_append (page, "<section><h2>Curves</h2>\n<div class=\"two\">\n");
  score_charts (page, log);
  step_series (&chart, log, G_STRUCT_OFFSET (ReportStep, lr), 1, NULL);
  finish_chart (page, &chart, FALSE);
  chart = (ReportChart) {
    .title = "Throughput (clips/s)", .x_name = "optimizer step", .from_zero = TRUE, .line = NAN
  };
  step_series (&chart, log, G_STRUCT_OFFSET (ReportStep, speed), 1, "training");
  finish_chart (page, &chart, FALSE);
  memory_chart (page, log);
  if (loss_scale_varies (log)) {
    chart = (ReportChart) {
      .title = "Loss scale", .x_name = "optimizer step", .from_zero = TRUE, .line = NAN
    };
    step_series (&chart, log, G_STRUCT_OFFSET (ReportStep, loss_scale), 1, NULL);
    finish_chart (page, &chart, FALSE);
  }
  g_string_append (page, "</div>\n");
  if (log->steps->len > SMOOTHED_FROM)
    page_element (page, "p", "pale",
        "Pale: each step, thinned so that the least and the largest stay. Strong: the mean over "
        "about a fiftieth of the steps around.");
  if (log->steps_skipped > 0)
    page_printf (page, "p", "pale",
        "Steps skipped, as their gradients overflowed: %.0f. The loss scale was lowered each time.",
        log->steps_skipped);
  g_string_append (page, "</section>\n");
}

/* --- throughput --- */

static void
epoch_rows (GString *page, const ReportLog *log)
{
  g_string_append (page,
      "<table>\n<tr><th class=\"n\">epoch</th><th class=\"n\">clips</th><th "
      "class=\"n\">took</th><th class=\"n\">clips/s</th><th class=\"n\">loss</th><th "
      "class=\"n\">accuracy</th></tr>\n");
  for (guint i = 0; i < log->epochs->len; i++) {
    const ReportEpoch *epoch = &g_array_index (log->epochs, ReportEpoch, i);
    g_autofree gchar *number = page_number (epoch->epoch + 1, 0),
                     *clips = page_number (epoch->clips, 0);
    g_autofree gchar *took = page_seconds (epoch->seconds), *loss = page_number (epoch->loss, 4);
    g_autofree gchar *accuracy = page_share (epoch->accuracy);
    g_autofree gchar *speed =
        page_number (isfinite (epoch->speed) ? epoch->speed : epoch->clips / epoch->seconds, 2);

    g_string_append (page, "<tr>");
    page_element (page, "td", "n", number);
    page_element (page, "td", "n", clips);
    page_element (page, "td", "n", took);
    page_element (page, "td", "n", speed);
    page_element (page, "td", "n", loss);
    page_element (page, "td", "n", accuracy);
    g_string_append (page, "</tr>\n");
  }
  g_string_append (page, "</table>\n");
}

void
run_page_speed (GString *page, const ReportLog *log, const ReportLog *other)
{
  const gdouble speed = report_log_speed (log), its = other ? report_log_speed (other) : NAN;
  gdouble clips = 0, seconds = 0;
  g_autofree gchar *median = page_number (speed, 3), *shown = NULL;

  if (!isfinite (speed) && log->epochs->len == 0)
    return;
  for (guint i = 0; i < log->epochs->len; i++) {
    const ReportEpoch *epoch = &g_array_index (log->epochs, ReportEpoch, i);

    if (epoch->clips > 0 && epoch->seconds > 0) {
      /* the seconds of a resumed epoch are those since the resume */
      clips += isfinite (epoch->speed) ? epoch->speed * epoch->seconds : epoch->clips;
      seconds += epoch->seconds;
    }
  }
  g_string_append (page, "<section><h2>Throughput</h2>\n<table>\n");
  page_fact (page, "Clips/s, median over the steps", median);
  if (seconds > 0) {
    g_autofree gchar *mean =
        cnn3d_strdup_printf ("%.3f (%.0f clips in %.1f s)", clips / seconds, clips, seconds);

    page_fact (page, "Clips/s over whole epochs", mean);
  }
  if (other) {
    g_autofree gchar *theirs = page_number (its, 3), *ratio = page_number (speed / its, 3);

    shown = g_filename_display_name (other->path);
    page_fact (page, "Compared with", shown);
    page_fact (page, "Its clips/s, median over the steps", theirs);
    page_fact (page, "This run's against it", ratio);
  }
  g_string_append (page, "</table>\n");
  if (log->epochs->len > 0) {
    g_string_append (page, "<h3>Epochs</h3>\n");
    epoch_rows (page, log);
  }
  g_string_append (page, "</section>\n");
}

/* --- errors, warnings and skipped clips --- */

void
run_page_skips (GString *page, const ReportLog *log)
{
  g_autoptr (GPtrArray) groups = g_ptr_array_new (); /* of arrays of ReportSkip, in order */
  g_autoptr (GHashTable) by_reason = g_hash_table_new_full (
      cnn3d_hash_text, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);

  g_string_append (page, "<section><h2>Skipped clips</h2>\n");
  if (log->skips->len == 0)
    page_element (page, "p", NULL, "None.");
  for (guint i = 0; i < log->skips->len; i++) {
    ReportSkip *skip = &g_array_index (log->skips, ReportSkip, i);
    GPtrArray *group = g_hash_table_lookup (by_reason, skip->reason);

    if (!group) {
      group = g_ptr_array_new ();
      g_hash_table_insert (by_reason, skip->reason, group);
      g_ptr_array_add (groups, group);
    }
    g_ptr_array_add (group, skip);
  }
  for (guint i = 0; i < groups->len; i++) {
    const GPtrArray *group = groups->pdata[i];

    page_printf (
        page, "h3", NULL, "%s (%u)", ((const ReportSkip *) group->pdata[0])->reason, group->len);
    g_string_append (page, "<ul>\n");
    for (guint j = 0; j < group->len; j++) {
      const ReportSkip *skip = group->pdata[j];

      if (skip->times > 1)
        page_printf (page, "li", NULL, "%s (%u times)", skip->path, skip->times);
      else
        page_element (page, "li", NULL, skip->path);
      g_string_append_c (page, '\n');
    }
    g_string_append (page, "</ul>\n");
  }
  if (log->more_skips)
    page_printf (page, "p", "note",
        "The log has %" G_GUINT64_FORMAT " more of them, which are left out.", log->more_skips);
  g_string_append (page, "</section>\n");
}

void
run_page_notices (GString *page, const ReportLog *log)
{
  if (log->notices->len == 0)
    return;
  g_string_append (page, "<section><h2>Warnings and errors</h2>\n<table class=\"wide\">\n");
  for (guint i = 0; i < log->notices->len; i++) {
    const ReportNotice *notice = &g_array_index (log->notices, ReportNotice, i);
    g_autofree gchar *time = page_time (notice->time);

    g_string_append (page, "<tr>");
    page_element (page, "td", "n", time);
    page_element (page, "td", "n", notice->warning ? "warning" : "error");
    page_element (page, "td", NULL, notice->text);
    g_string_append (page, "</tr>\n");
  }
  g_string_append (page, "</table>\n");
  note_more (page, log);
  g_string_append (page, "</section>\n");
}
