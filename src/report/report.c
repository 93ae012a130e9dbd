/* report.c: an HTML report of a run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/report.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "src/report/evaluation.h"
#include "src/report/memorypage.h"
#include "src/report/page.h"
#include "src/report/resultspage.h"
#include "src/report/logreader.h"
#include "src/report/runpage.h"

#define MOST_EVALUATIONS 100

/* The log in a run's folder; NULL: none, or with error. */
static ReportLog *
read_log (const gchar *folder, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, "log.jsonl", NULL);

  /* a pipe would block */
  return g_file_test (path, G_FILE_TEST_IS_REGULAR) || !g_file_test (path, G_FILE_TEST_EXISTS)
      ? report_log_read (path, error)
      : NULL;
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(gchar *const *) a, *(gchar *const *) b);
}

/* A folder whose files may not be looked at. */
static gboolean
is_closed (const gchar *path)
{
  g_autofree gchar *file = g_build_filename (path, "metrics.json", NULL);
  GStatBuf status;

  return g_stat (file, &status) < 0 && errno == EACCES;
}

/* The evaluations in the folder and its sub-folders, sorted by name. What is left out is said in
 * the notes. */
static GPtrArray *
read_evaluations (const gchar *folder, GPtrArray *notes)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) report_evaluation_free);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  ReportEvaluation *evaluation = report_evaluation_read (folder, ".");
  g_autoptr (GError) error = NULL;
  GDir *dir = g_dir_open (folder, 0, &error);
  gboolean full = FALSE;
  const gchar *name;

  if (evaluation)
    g_ptr_array_add (found, evaluation);
  if (error)
    g_ptr_array_add (notes,
        g_strdup_printf (
            "Folders in this one are left out, as it cannot be listed: %s", error->message));
  while (dir && (name = g_dir_read_name (dir)))
    g_ptr_array_add (names, g_strdup (name));
  g_clear_pointer (&dir, g_dir_close);
  g_ptr_array_sort (names, by_name);
  for (guint i = 0; i < names->len && !full; i++) {
    g_autofree gchar *path = g_build_filename (folder, names->pdata[i], NULL);

    if (is_closed (path))
      g_ptr_array_add (notes,
          g_strdup_printf ("The folder %s is left out: its files cannot be read",
              (const gchar *) names->pdata[i]));
    evaluation = report_evaluation_read (path, names->pdata[i]);
    full = evaluation && found->len == MOST_EVALUATIONS;
    if (full) {
      g_ptr_array_add (notes,
          g_strdup_printf ("Only %u evaluations are reported: %s and those after it by name are "
                           "left out",
              found->len, (const gchar *) names->pdata[i]));
      report_evaluation_free (evaluation);
    } else if (evaluation)
      g_ptr_array_add (found, evaluation);
  }
  return found;
}

/* The most confident wrong clips of each evaluation, as many of each. */
static void
decode_wrong (GPtrArray *evaluations, Cnn3dReportDecode decode)
{
  g_autoptr (GPtrArray) clips = g_ptr_array_new ();
  g_autofree gchar *problem = NULL;
  guint n = 0, share;

  for (guint i = 0; i < evaluations->len; i++)
    n += ((const ReportEvaluation *) evaluations->pdata[i])->located;
  if (n == 0)
    return;
  share = MAX (CNN3D_REPORT_CLIPS / n, 1);
  for (guint i = 0; i < evaluations->len; i++) {
    ReportEvaluation *e = evaluations->pdata[i];

    for (guint k = 0; k < e->wrong->len && e->shown < share && clips->len < CNN3D_REPORT_CLIPS;
        k++) {
      ReportWrong *wrong = &g_array_index (e->wrong, ReportWrong, k);

      if (!wrong->place.path)
        continue;
      wrong->shown = TRUE;
      e->shown++;
      g_ptr_array_add (clips, &wrong->place);
    }
  }
  problem = decode ((Cnn3dReportClip *const *) clips->pdata, clips->len);
  for (guint i = 0; problem && i < evaluations->len; i++) {
    ReportEvaluation *e = evaluations->pdata[i];

    if (e->located)
      e->no_frames = g_strdup (problem);
  }
}

static void
append_page (GString *page, const gchar *run, const ReportLog *log, const ReportLog *other,
    GPtrArray *evaluations, const GPtrArray *notes, gboolean frames)
{
  g_autofree gchar *absolute = g_canonicalize_filename (run, NULL),
                   *name = g_path_get_basename (absolute);
  g_autofree gchar *title = g_strconcat (name, " – cnn3d report", NULL);
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree gchar *when = page_time (g_date_time_to_unix (now));

  page_begin (page, title);
  page_element (page, "h1", NULL, name);
  page_printf (page, "p", "pale", "%s, reported %s", absolute, when);
  if (log) {
    run_page_head (page, log);
    run_page_checks (page, log, other);
    run_page_curves (page, log);
  } else
    page_element (page, "p", "note", "There is no log.jsonl here: the training is unknown.");
  for (guint i = 0; i < notes->len; i++)
    page_element (page, "p", "note", notes->pdata[i]);
  for (guint i = 0; i < evaluations->len; i++)
    results_page_evaluation (page, evaluations->pdata[i], frames);
  if (log) {
    results_page_validation (page, log);
    memory_page (page, log);
    run_page_speed (page, log, other);
    run_page_skips (page, log);
    run_page_notices (page, log);
  }
  page_end (page);
}

gchar *
cnn3d_report_html (const gchar *run, const gchar *compare, Cnn3dReportDecode decode, GError **error)
{
  g_autofree gchar *shown = g_filename_display_name (run);
  g_autofree gchar *shown_compare = compare ? g_filename_display_name (compare) : NULL;
  g_autoptr (GPtrArray) evaluations = NULL, notes = g_ptr_array_new_with_free_func (g_free);
  ReportLog *log, *other = NULL;
  GString *page = NULL;
  GError *reason = NULL;

  if (!g_file_test (run, G_FILE_TEST_IS_DIR))
    goto no_folder;
  log = read_log (run, &reason);
  if (reason)
    goto failed;
  evaluations = read_evaluations (run, notes);
  if (!log && evaluations->len == 0)
    goto nothing;
  if (compare && !(other = read_log (compare, &reason)))
    goto no_other;

  if (decode)
    decode_wrong (evaluations, decode);
  page = g_string_new (NULL);
  append_page (page, run, log, other, evaluations, notes, decode != NULL);
  report_log_free (log);
  report_log_free (other);
  return g_string_free (page, FALSE);

  /* ERRORS */
no_folder:
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR,
      "%s is not a folder: give the one that cnn3dtrain's log-dir named", shown);
  return NULL;
nothing:
  if (notes->len > 0) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ACCES, "%s has nothing to report. %s", shown,
        (const gchar *) notes->pdata[0]);
    return NULL;
  }
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
      "%s has nothing to report: neither log.jsonl (cnn3dtrain log-dir=...), nor, here or in the "
      "folders in it, metrics.json or predictions.csv (cnn3deval output-dir=...)",
      shown);
  return NULL;
no_other:
  report_log_free (log);
  if (reason)
    goto failed;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s has no log.jsonl to compare with",
      shown_compare);
  return NULL;
failed:
  g_propagate_error (error, reason);
  return NULL;
}
