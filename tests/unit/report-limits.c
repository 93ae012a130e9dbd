/* report-limits.c: a report says what it leaves out.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "src/report/report.h"

#define RUN "{\"event\":\"run\",\"version\":1}\n"
#define NOBODY 65534

static gchar *
new_folder (void)
{
  gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL);

  g_assert_nonnull (folder);
  return folder;
}

static void
put (const gchar *folder, const gchar *name, const gchar *text)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL),
                   *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static gchar *
page_of (const gchar *folder)
{
  g_autoptr (GError) error = NULL;
  gchar *page = cnn3d_report_html (folder, NULL, NULL, &error);

  g_assert_no_error (error);
  return page;
}

static void
assert_has (const gchar *page, const gchar *text)
{
  if (!strstr (page, text))
    g_error ("the page has no '%s'", text);
}

static const gchar too_long[] = "The log is longer than the limit";

/* Many warnings, skipped clips or a long line do not make the log too long. */
static void
test_records (void)
{
  g_autofree gchar *folder = new_folder (), *page = NULL;
  GString *log = g_string_new (RUN);
  gsize from;

  for (guint i = 0; i < 1003; i++)
    g_string_append (log, "{\"event\":\"warning\",\"message\":\"warm\"}\n");
  for (guint i = 0; i < 100002; i++)
    g_string_append_printf (
        log, "{\"event\":\"skipped\",\"path\":\"%u\",\"reason\":\"torn\"}\n", i);
  g_string_append (log, "{\"event\":\"warning\",\"message\":\"");
  from = log->len;
  g_string_set_size (log, from + (32 << 20));
  memset (log->str + from, 'x', 32 << 20);
  g_string_append (log, "\"}\n");
  put (folder, "log.jsonl", log->str);
  page = page_of (folder);
  assert_has (page, "The log has 3 more warnings and errors, which are left out.");
  assert_has (page, "The log has 2 more of them, which are left out.");
  assert_has (page, "1 of the log&apos;s 101007 lines are not valid");
  g_assert_null (strstr (page, too_long));
  g_string_free (log, TRUE);
  remove_tree (folder);
}

static void
test_evaluations (void)
{
  g_autofree gchar *folder = new_folder (), *page = NULL, *other = NULL;

  put (folder, "log.jsonl", RUN);
  for (guint i = 0; i < 102; i++) {
    g_autofree gchar *name = g_strdup_printf ("e%03u/metrics.json", i);

    put (folder, name, "{\"accuracy\":0.5,\"clips\":2}");
    if (i == 99) {
      page = page_of (folder);
      g_assert_null (strstr (page, "evaluations are reported"));
    }
  }
  other = page_of (folder);
  assert_has (
      other, "Only 100 evaluations are reported: e100 and those after it by name are left out");
  remove_tree (folder);
}

/* The page for a user whom modes concern. */
static gchar *
page_of_others (const gchar *folder, GError **error)
{
  const gboolean root = geteuid () == 0;
  gchar *page;

  if (root)
    g_assert_cmpint (seteuid (NOBODY), ==, 0);
  page = cnn3d_report_html (folder, NULL, NULL, error);
  if (root)
    g_assert_cmpint (seteuid (0), ==, 0);
  return page;
}

static void
test_closed_folders (void)
{
  g_autofree gchar *folder = new_folder (), *closed = NULL, *log = NULL, *page = NULL;
  g_autoptr (GError) error = NULL;

  put (folder, "log.jsonl", RUN);
  put (folder, "closed/metrics.json", "{}");
  closed = g_build_filename (folder, "closed", NULL);
  g_assert_cmpint (chmod (closed, 0), ==, 0);
  g_assert_cmpint (chmod (folder, 0755), ==, 0);
  page = page_of_others (folder, &error);
  g_assert_no_error (error);
  assert_has (page, "The folder closed is left out: its files cannot be read");
  g_free (page);

  g_assert_cmpint (chmod (folder, 0311), ==, 0);
  page = page_of_others (folder, &error);
  g_assert_no_error (error);
  assert_has (page, "Folders in this one are left out, as it cannot be listed: ");
  log = g_build_filename (folder, "log.jsonl", NULL);
  g_assert_cmpint (g_remove (log), ==, 0);
  g_assert_null (page_of_others (folder, &error));
  g_assert_nonnull (strstr (error->message, " has nothing to report. Folders in this one are"));
  g_assert_cmpint (chmod (folder, 0700), ==, 0);
  g_assert_cmpint (chmod (closed, 0700), ==, 0);
  remove_tree (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/report-limits/records", test_records);
  g_test_add_func ("/report-limits/evaluations", test_evaluations);
  g_test_add_func ("/report-limits/closed-folders", test_closed_folders);
  return g_test_run ();
}
