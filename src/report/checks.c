/* checks.c: the questions that a run is asked first.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/checks.h"

#include <math.h>
#include <string.h>

#include "src/report/page.h"

#define MOST_SHARE 0.9          /* of the budget */
#define LEAST_STEPS 10          /* that tell whether the loss falls */
#define AS_FAST 0.95            /* of the other run */

/* Of the budget that the step ran under, which a start before the last may have had another of. */
static gdouble
share_of (const ReportStep *step, gdouble budget)
{
  return step->memory_share > 0 ? step->memory_share : step->memory / budget;
}

static void
check_memory (const ReportLog *log, ReportCheck *check)
{
  const gdouble budget = report_log_setting (log, "budget-bytes");
  const ReportStep *most = NULL;

  check->what = "memory below 90 % of the budget";
  for (guint i = 0; budget > 0 && i < log->steps->len; i++) {
    const ReportStep *step = &g_array_index (log->steps, ReportStep, i);

    if (isfinite (step->memory) && (!most || share_of (step, budget) > share_of (most, budget)))
      most = step;
  }
  if (most) {
    const gdouble share = share_of (most, budget);
    g_autofree gchar *part = page_share (share), *bytes = page_bytes (most->memory);
    g_autofree gchar *all = page_bytes (most->memory > 0 ? most->memory / share : budget);

    check->state = share < MOST_SHARE ? CHECK_OK : CHECK_NOT_OK;
    check->figure = g_strdup_printf ("%s at most: %s of %s", part, bytes, all);
  } else
    check->figure = g_strdup (budget > 0 ? "no step tells its memory" : "the log has no budget");
}

static void
check_loss (const ReportLog *log, ReportCheck *check)
{
  g_autoptr (GArray) losses = g_array_new (FALSE, FALSE, sizeof (gdouble));
  gdouble first = 0, last = 0;
  guint tenth;

  check->what = "loss falling";
  for (guint i = 0; i < log->steps->len; i++) {
    const gdouble loss = g_array_index (log->steps, ReportStep, i).loss;

    if (isfinite (loss))
      g_array_append_val (losses, loss);
  }
  if (losses->len < LEAST_STEPS) {
    check->figure = g_strdup_printf ("%u steps have a loss; it takes %d", losses->len, LEAST_STEPS);
    return;
  }
  tenth = losses->len / 10;
  for (guint i = 0; i < tenth; i++) {
    first += g_array_index (losses, gdouble, i) / tenth;
    last += g_array_index (losses, gdouble, losses->len - 1 - i) / tenth;
  }
  check->state = last < first ? CHECK_OK : CHECK_NOT_OK;
  check->figure = g_strdup_printf ("mean over the last tenth of the steps %.4g, over the first %.4g", last, first);
}

static gboolean
is_out_of_memory (const ReportNotice *notice)
{
  static const gchar *const words[] = { "out of memory", "out-of-memory", "not enough memory", "cannot allocate",
    "does not fit", "no memory", "out_of_memory", "max-memory allows",
    "there is only"
  };
  g_autofree gchar *text = g_utf8_strdown (notice->text, -1);

  if (notice->warning)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strstr (text, words[i]))
      return TRUE;
  return FALSE;
}

static void
check_out_of_memory (const ReportLog *log, ReportCheck *check)
{
  guint errors = 0;

  check->what = "no out-of-memory error";
  for (guint i = 0; i < log->notices->len; i++) {
    const ReportNotice *notice = &g_array_index (log->notices, ReportNotice, i);

    errors += !notice->warning;
    if (is_out_of_memory (notice)) {
      check->state = CHECK_NOT_OK;
      check->figure = g_strdup (notice->text);
      return;
    }
  }
  if (log->finished || log->failed) {
    check->state = CHECK_OK;
    check->figure = g_strdup (errors ? "none among the errors" : "no error in the log");
  } else
    check->figure = g_strdup ("none in the log; but it has no end: the run still goes on, or was killed");
}

static void
check_speed (const ReportLog *log, const ReportLog *other, ReportCheck *check)
{
  const gdouble speed = report_log_speed (log), its = other ? report_log_speed (other) : NAN;

  check->what = "as fast as the run it is compared with";
  if (!other)
    check->figure = g_strdup ("no other run was given: --compare does");
  else if (isfinite (speed / its)) {
    check->state = speed / its >= AS_FAST ? CHECK_OK : CHECK_NOT_OK;
    check->figure = g_strdup_printf ("%.2f times as fast: %.4g clips/s against %.4g (medians over the steps; 0.95 "
        "times counts as equal)", speed / its, speed, its);
  } else
    check->figure = g_strdup (isfinite (speed) ? "the other run's log has no clips/s" : "the log has no clips/s");
}

void
report_checks (const ReportLog *log, const ReportLog *other, ReportCheck checks[REPORT_CHECKS])
{
  memset (checks, 0, REPORT_CHECKS * sizeof *checks);
  check_memory (log, &checks[0]);
  check_loss (log, &checks[1]);
  check_out_of_memory (log, &checks[2]);
  check_speed (log, other, &checks[3]);
}
