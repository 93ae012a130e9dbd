/* checks.c: a run's checklist.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/checks.h"

#include <math.h>
#include <string.h>

#include "src/format.h"
#include "src/report/learning.h"
#include "src/report/page.h"

#define MOST_SHARE 0.9 /* of the budget */
#define AS_FAST 0.95   /* of the other run */

/* Fraction of the budget that the step ran under; an earlier start of the run may have had another
 * budget. */
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
  check->advice = "A smaller max-memory with recompute=auto or auto-fit=true takes less.";
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
    check->finding = g_strdup_printf ("%s at most: %s of %s", part, bytes, all);
  } else
    check->finding = g_strdup (budget > 0 ? "no step reports its memory" : "the log has no budget");
}

static gboolean
is_out_of_memory (const ReportNotice *notice)
{
  static const gchar *const words[] = { "out of memory", "out-of-memory", "not enough memory",
    "cannot allocate", "does not fit", "no memory", "out_of_memory", "max-memory allows",
    "there is only" };
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
  check->advice = "cnn3d plan shows what would fit. auto-fit=true splits batches so that they fit, "
                  "and max-memory leaves room for other programs.";
  for (guint i = 0; i < log->notices->len; i++) {
    const ReportNotice *notice = &g_array_index (log->notices, ReportNotice, i);

    errors += !notice->warning;
    if (is_out_of_memory (notice)) {
      check->state = CHECK_NOT_OK;
      check->finding = g_strdup (notice->text);
      return;
    }
  }
  if (log->finished || log->failed) {
    check->state = CHECK_OK;
    check->finding = g_strdup (errors ? "none among the errors" : "no error in the log");
  } else
    check->finding =
        g_strdup ("none in the log, which has no end: the run is still running, or was killed");
}

static void
check_speed (const ReportLog *log, const ReportLog *other, ReportCheck *check)
{
  const gdouble speed = report_log_speed (log), its = other ? report_log_speed (other) : NAN;

  check->what = "as fast as the run it is compared with";
  if (!other)
    check->finding = g_strdup ("no other run was given; see --compare");
  else if (isfinite (speed / its)) {
    check->state = speed / its >= AS_FAST ? CHECK_OK : CHECK_NOT_OK;
    check->finding =
        cnn3d_strdup_printf ("%.2f times as fast: %.4g clips/s against %.4g (medians over "
                             "the steps; 0.95 times counts as equal)",
            speed / its, speed, its);
  } else
    check->finding = g_strdup (
        isfinite (speed) ? "the other run's log has no clips/s" : "the log has no clips/s");
}

static void
clear_check (gpointer data)
{
  g_free (((ReportCheck *) data)->finding);
}

GArray *
report_checks (const ReportLog *log, const ReportLog *other)
{
  static void (*const all[]) (const ReportLog *, ReportCheck *) = { check_memory,
    check_out_of_memory, report_check_falling, report_check_jumps, report_check_length,
    report_check_overfitting, report_check_norm, report_check_guessing, report_check_one_class,
    report_check_predicted, report_check_balance, report_check_skipped };
  static const ReportState order[] = { CHECK_NOT_OK, CHECK_OK, CHECK_UNKNOWN };
  ReportCheck checks[G_N_ELEMENTS (all) + 1] = { { CHECK_UNKNOWN } };
  GArray *sorted = g_array_new (FALSE, FALSE, sizeof (ReportCheck));

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    all[i](log, &checks[i]);
  check_speed (log, other, &checks[G_N_ELEMENTS (all)]);
  g_array_set_clear_func (sorted, clear_check);
  for (guint k = 0; k < G_N_ELEMENTS (order); k++)
    for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
      if (checks[i].state == order[k])
        g_array_append_val (sorted, checks[i]);
  return sorted;
}
