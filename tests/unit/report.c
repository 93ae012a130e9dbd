/* report.c: axis ticks, thinned and smoothed curves, and pages for folders that are valid, damaged
 * or hostile.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "src/report/chart.h"
#include "src/report/report.h"

static void
test_ticks (void)
{
  for (gdouble range = 1e-9; range < 1e12; range *= 1.37) {
    const gdouble tick = report_tick (range, 5), power = pow (10, floor (log10 (tick) + 1e-9)),
                  first = tick / power;

    g_assert_true (fabs (first - 1) < 1e-6 || fabs (first - 2) < 1e-6 || fabs (first - 5) < 1e-6);
    g_assert_cmpfloat (range / tick, >=, 3);
    g_assert_cmpfloat (range / tick, <=, 8.5);
  }
}

/* Peaks and order are preserved, and short curves are unchanged. */
static void
test_thin (void)
{
  const guint n = 20000;
  g_autofree gdouble *points = g_new (gdouble, 2 * n);
  GArray *thin;
  gboolean peak = FALSE, dip = FALSE;

  for (guint i = 0; i < n; i++) {
    points[2 * i] = i;
    points[2 * i + 1] = i == 7777 ? 50 : i == 13001 ? -50 : sin (i);
  }
  thin = report_thin (points, n, 100);
  g_assert_cmpuint (thin->len / 2, <=, 400);
  for (guint i = 0; i < thin->len; i += 2) {
    const gdouble x = g_array_index (thin, gdouble, i), y = g_array_index (thin, gdouble, i + 1);

    g_assert_cmpfloat (y, ==, points[2 * (guint) x + 1]);
    g_assert_true (i == 0 || x > g_array_index (thin, gdouble, i - 2));
    peak |= y == 50;
    dip |= y == -50;
  }
  g_assert_true (peak && dip);
  g_assert_cmpfloat (g_array_index (thin, gdouble, 0), ==, 0);
  g_assert_cmpfloat (g_array_index (thin, gdouble, thin->len - 2), ==, n - 1);
  g_array_unref (thin);

  thin = report_thin (points, 400, 100);
  g_assert_cmpuint (thin->len, ==, 800);
  g_assert_cmpmem (thin->data, 800 * sizeof (gdouble), points, 800 * sizeof (gdouble));
  g_array_unref (thin);

  /* all at the same x */
  for (guint i = 0; i < n; i++)
    points[2 * i] = 3;
  thin = report_thin (points, n, 100);
  g_assert_cmpuint (thin->len / 2, <=, 4);
  g_array_unref (thin);
}

static void
test_smooth (void)
{
  const guint n = 500;
  g_autofree gdouble *points = g_new (gdouble, 2 * n);
  g_autoptr (GArray) smooth = NULL;

  for (guint i = 0; i < n; i++) {
    points[2 * i] = i;
    points[2 * i + 1] = (i * 7919) % 101;
  }
  smooth = report_smooth (points, n);
  g_assert_cmpuint (smooth->len, ==, 2 * n);
  for (guint i = 0; i < n; i++) {
    const guint from = i < 5 ? 0 : i - 5, to = MIN (i + 5, n - 1);
    gdouble sum = 0;

    for (guint j = from; j <= to; j++)
      sum += points[2 * j + 1];
    g_assert_cmpfloat_with_epsilon (
        g_array_index (smooth, gdouble, 2 * i + 1), sum / (to - from + 1), 1e-9);
  }
}

/* --- pages --- */

static void
put (const gchar *folder, const gchar *name, const gchar *text, gssize length)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL),
                   *parent = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, length, NULL));
}

/* The page of a folder with only that log. */
static gchar *
page_of_log (const gchar *log, gssize length)
{
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL);
  g_autoptr (GError) error = NULL;
  gchar *page;

  put (folder, "log.jsonl", log, length);
  page = cnn3d_report_html (folder, NULL, NULL, &error);
  g_assert_no_error (error);
  remove_tree (folder);
  g_assert_true (g_str_has_suffix (page, "</html>\n"));
  g_assert_true (g_utf8_validate (page, -1, NULL));
  return page;
}

static void
assert_has (const gchar *page, const gchar *text)
{
  if (!strstr (page, text))
    g_error ("the page has no '%s'", text);
}

static guint
count (const gchar *page, const gchar *text)
{
  guint n = 0;

  while ((page = strstr (page, text))) {
    page += strlen (text);
    n++;
  }
  return n;
}

#define RUN                                                                                     \
  "{\"event\":\"run\",\"time\":1000,\"classes\":[\"a\",\"b\"],\"budget-bytes\":1000,\"model\":" \
  "\"r3d_18\"}\n"

static gchar *
steps (guint from, guint to, gdouble loss, gdouble slope, guint memory)
{
  GString *text = g_string_new (NULL);

  for (guint i = from; i <= to; i++)
    g_string_append_printf (text,
        "{\"event\":\"step\",\"time\":%u,\"step\":%u,\"loss\":%.3f,\"clips-per-second\":4,\"memory-"
        "bytes\":%u}\n",
        1000 + i, i, loss + slope * i, memory);
  return g_string_free (text, FALSE);
}

static void
test_checklist (void)
{
  static const struct {
    gdouble slope;
    guint n, memory;
    const gchar *more, *has[3];
  } cases[] = {
    { -0.1, 40, 899, "{\"event\":\"finished\",\"time\":2000,\"reason\":\"done\"}\n",
        { "ok\">ok</span></td><td>memory below", "ok\">ok</span></td><td>loss",
            "ok\">ok</span></td><td>no out" } },
    { 0.1, 40, 900, "{\"event\":\"error\",\"time\":2000,\"message\":\"CUDA: Out of memory\"}\n",
        { "bad\">not ok</span></td><td>memory below", "bad\">not ok</span></td><td>loss",
            "bad\">not ok</span></td><td>no out" } },
    { -0.1, 9, 10, "",
        { "ok\">ok</span></td><td>memory below", "open\">not known</span></td><td>loss",
            "open\">not known</span></td><td>no out" } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *part = steps (1, cases[i].n, 9, cases[i].slope, cases[i].memory);
    g_autofree gchar *log = g_strconcat (RUN, part, cases[i].more, NULL),
                     *page = page_of_log (log, -1);

    for (guint k = 0; k < G_N_ELEMENTS (cases[i].has); k++)
      assert_has (page, cases[i].has[k]);
    assert_has (page, "open\">not known</span></td><td>as fast");
  }
}

static void
test_classes (void)
{
  g_autofree gchar *page =
      page_of_log (RUN "{\"event\":\"validation\",\"epoch\":0,\"step\":3,\"loss\":1,\"accuracy\":0."
                       "75,\"clips\":4,\"best\":true,\"recall\":0.5,\"f1\":0.4375,\"class-"
                       "accuracy\":[0.75,null],\"confusion\":[[3,1],[0,0]]}\n",
          -1);

  assert_has (page, "recall 50.0 %, F1 43.8 %.");
  assert_has (page,
      "<tr><td>a</td><td class=\"n\">4</td><td class=\"n\">3</td><td class=\"n\">75.0 %</td></tr>");
  assert_has (page,
      "<tr><td>b</td><td class=\"n\">0</td><td class=\"n\">0</td><td class=\"n\">–</td></tr>");
}

/* Repeated steps count once, with the last values. */
static void
test_resumed (void)
{
  g_autofree gchar *first = steps (1, 30, 100, 0, 999), *again = steps (21, 40, 1, 0, 5);
  g_autofree gchar *log = g_strconcat (RUN, first,
      "{\"event\":\"epoch\",\"time\":1030,\"epoch\":0,\"step\":30,\"loss\":77.125}\n", RUN,
      "{\"event\":\"resumed\",\"time\":1100,\"step\":20}\n", again, NULL);
  g_autofree gchar *page = page_of_log (log, -1);

  assert_has (page, "<td>2 times, 1 of them going on from a checkpoint</td>");
  assert_has (page, "<b>40</b><span>steps</span>");
  g_assert_null (strstr (page, "77.125"));
  assert_has (page, "last tenth of the steps 1, over the first 100");
}

/* An outlier in the first validation does not compress the curves; its value is still shown. */
static void
test_outlier (void)
{
  GString *log = g_string_new (RUN);

  for (guint i = 0; i < 20; i++)
    g_string_append_printf (log,
        "{\"event\":\"epoch\",\"epoch\":%u,\"step\":%u,\"loss\":%g}\n{\"event\":\"validation\","
        "\"epoch\":%u,\"step\":%u,\"loss\":%g}\n",
        i, i, 2 - i / 20., i, i, i ? 2.25 - i / 20. : 87.5);
  {
    g_autofree gchar *page = page_of_log (log->str, log->len);

    assert_has (page, "cut off; the largest is 87.5</text>");
    assert_has (page, "<title>1: 87.5</title>");
    assert_has (page, ">2.5</text>");
    g_assert_null (strstr (page, ">80</text>"));
  }
  g_string_free (log, TRUE);
}

static void
test_figures (void)
{
  static const gchar step[] =
      "{\"event\":\"step\",\"step\":%u,\"loss\":1,\"accuracy\":0,\"clips-per-second\":%u}\n";
  g_autofree gchar *one = g_strdup_printf (step, 1, 20), *two = g_strdup_printf (step, 2, 10);
  g_autofree gchar *three = g_strdup_printf (step, 3, 60), *log = g_strconcat (RUN, one, two, NULL);
  g_autofree gchar *page = page_of_log (log, -1), *longer = g_strconcat (log, three, NULL);

  assert_has (page, "<b>15.00</b><span>clips/s, median</span>");
  /* an accuracy of 0 has an axis from 0 to 1, not one of billionths */
  g_assert_null (strstr (page, "e-10<"));
  assert_has (page, ">0.8</text>");
  g_free (page);
  page = page_of_log (longer, -1);
  assert_has (page, "<b>20.00</b><span>clips/s, median</span>");
  /* an epoch of 1000 clips that was resumed for its last 100 */
  g_free (page);
  page = page_of_log (RUN
      "{\"event\":\"epoch\",\"epoch\":0,\"step\":9,\"clips\":1000,\"seconds\":10,\"clips-per-"
      "second\":10}\n{\"event\":\"epoch\",\"epoch\":1,\"step\":19,\"clips\":1000,\"seconds\":90}\n",
      -1);
  assert_has (page, "<td>11.000 (1100 clips in 100.0 s)</td>");
  assert_has (page, "<b>19</b><span>steps</span>");
}

/* The best epoch is the one chosen by the monitor, even if another has a higher accuracy. */
static void
test_best (void)
{
  static const gchar validation[] = "{\"event\":\"validation\",\"epoch\":%u,\"step\":%u,\"loss\":%"
                                    "u,\"accuracy\":%s,\"best\":%s}\n";
  g_autofree gchar *first = g_strdup_printf (validation, 0, 1, 1, "0.75", "true");
  g_autofree gchar *second = g_strdup_printf (validation, 1, 2, 2, "0.875", "false");
  g_autofree gchar *log = g_strconcat (RUN, first, second, NULL), *page = page_of_log (log, -1);

  assert_has (page, "<b>75.0 %</b><span>accuracy, best validation</span>");
}

/* After a resume with other classes, an earlier validation's matrix keeps the classes it had. */
static void
test_other_classes (void)
{
  static const gchar validation[] = "{\"event\":\"validation\",\"epoch\":0,\"step\":1,\"loss\":1,"
                                    "\"best\":true,\"confusion\":[[3,1],[0,4]]}\n";
  const guint counts[] = { 1, 2, 3, 9000 };

  for (guint i = 0; i < G_N_ELEMENTS (counts); i++) {
    GString *log = g_string_new (RUN);
    g_autofree gchar *page = NULL;

    g_string_append (log, validation);
    g_string_append (log, "{\"event\":\"run\",\"time\":2000,\"classes\":[");
    for (guint k = 0; k < counts[i]; k++)
      g_string_append_printf (log, "%s\"other %u\"", k ? "," : "", k);
    g_string_append (log, "]}\n");
    page = page_of_log (log->str, log->len);
    assert_has (page, "7 of 8 right");
    assert_has (page, "label a, prediction b: 1 of 4 (25.0 %)");
    assert_has (page, "an earlier start, which had other classes");
    g_assert_null (strstr (page, "other 0"));
    g_string_free (log, TRUE);
  }
}

/* Each clip has a different reason: the page is still fast. */
static void
test_many_reasons (void)
{
  GString *log = g_string_new (RUN);
  g_autofree gchar *page = NULL;

  for (guint i = 0; i < 99999; i++)
    g_string_append_printf (
        log, "{\"event\":\"skipped\",\"path\":\"%u.mp4\",\"reason\":\"%u\"}\n", i, i);
  g_string_append (log, "{\"event\":\"skipped\",\"path\":\"last.mp4\",\"reason\":\"7\"}\n");
  g_test_timer_start ();
  page = page_of_log (log->str, log->len);
  g_assert_cmpfloat (g_test_timer_elapsed (), <, 10);
  assert_has (page, "<h3>7 (2)</h3><ul>\n<li>7.mp4</li>\n<li>last.mp4</li>\n</ul>\n<h3>8 (1)</h3>");
  g_string_free (log, TRUE);
}

/* The best of very many validations is shown, in little time. */
static void
test_many_validations (void)
{
  GString *log = g_string_new (RUN);
  g_autofree gchar *page = NULL;

  for (guint i = 0; i < 100000; i++)
    g_string_append_printf (log,
        "{\"event\":\"validation\",\"epoch\":%u,\"step\":%u,\"loss\":1,\"best\":%s,"
        "\"confusion\":[[%u,1],[0,4]]}\n",
        i, i, i == 7 || i == 70000 ? "true" : "false", i);
  g_test_timer_start ();
  page = page_of_log (log->str, log->len);
  g_assert_cmpfloat (g_test_timer_elapsed (), <, 15);
  assert_has (page, "Best validation");
  assert_has (page, "label a, prediction b: 1 of 70001 ");
  g_string_free (log, TRUE);
}

/* A run resumed with another memory budget: each step has its own budget. */
static void
test_budgets (void)
{
  static const gchar step[] =
      "{\"event\":\"step\",\"step\":%u,\"memory-bytes\":%u,\"memory-share\":%s}\n";
  g_autofree gchar *first = g_strdup_printf (step, 1, 1880, "0.94"),
                   *second = g_strdup_printf (step, 2, 500, "0.5");
  g_autofree gchar *third = g_strdup_printf (step, 1, 1600, "0.8"),
                   *log = g_strconcat (RUN, first, RUN, second, NULL);
  g_autofree gchar *page = page_of_log (log, -1);

  assert_has (page,
      "bad\">not ok</span></td><td>memory below 90 % of the budget</td><td>94.0 % at most: 1.84 "
      "KiB of 1.95");
  g_free (page);
  g_free (log);
  log = g_strconcat (RUN, third, RUN, second, NULL);
  page = page_of_log (log, -1);
  assert_has (page,
      "ok\">ok</span></td><td>memory below 90 % of the budget</td><td>80.0 % at most: 1.56 KiB of "
      "1.95");
}

/* The budget is drawn if max-memory sets it and it does not compress the rest. */
static void
test_memory (void)
{
  static const gchar run[] =
      "{\"event\":\"run\",\"time\":1000,\"budget-bytes\":%u,%s\"weights-bytes\":100,\"gradients-"
      "bytes\":200,\"arena-bytes\":700,\"workspace-bytes\":300,\"predicted-bytes\":1000}\n"
      "{\"event\":\"step\",\"step\":1,\"memory-bytes\":900}\n{\"event\":\"step\",\"step\":2,"
      "\"memory-bytes\":950}\n";
  static const struct {
    guint budget;
    const gchar *set, *says;
    guint lines;
  } cases[] = {
    { 2000, "\"max-memory-bytes\":2000,",
        "The budget is 1.95 KiB, by max-memory. 47.5 % of it were used at most.", 1 },
    { 9000, "\"max-memory-bytes\":9000,",
        "The budget is 8.79 KiB, by max-memory. 10.6 % of it were used at most.", 0 },
    { 2000, "\"max-memory-bytes\":0,",
        "The budget is 1.95 KiB, what the device has: max-memory is not set. 47.5 %", 0 },
    { 2000, "", "The budget is 1.95 KiB. 47.5 % of it were used at most.", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *log = g_strdup_printf (run, cases[i].budget, cases[i].set),
                     *page = page_of_log (log, -1);

    assert_has (page, cases[i].says);
    /* in the bars and in the curve */
    g_assert_cmpuint (count (page, ">max-memory</text>"), ==, 2 * cases[i].lines);
    assert_has (page, "<title>activations: 400 bytes</title>");
    assert_has (page, "<title>used at most: 950 bytes</title>");
  }
}

/* An error ends a run, too; a killed run, possibly after an error and a restart, has no end. */
static void
test_ends (void)
{
  static const gchar error[] =
      "{\"event\":\"error\",\"time\":1500,\"message\":\"not a number: <lower> lr\"}\n";
  g_autofree gchar *page = page_of_log (RUN, -1), *ended = g_strconcat (RUN, error, NULL);
  g_autofree gchar *again = g_strconcat (ended, RUN, NULL);

  assert_has (page, "The log has no end");
  g_free (page);
  page = page_of_log (ended, -1);
  g_assert_null (strstr (page, "no end"));
  assert_has (page, "Training ended with an error: not a number: &lt;lower&gt; lr</p>");
  assert_has (page, "<th>Ended because</th><td>not a number");
  assert_has (
      page, "ok\">ok</span></td><td>no out-of-memory error</td><td>none among the errors</td>");
  g_free (page);
  page = page_of_log (again, -1);
  assert_has (page, "The log has no end");
  assert_has (page, "open\">not known</span></td><td>no out");
}

/* A skipped step has the number of the previous one and does not replace it. */
static void
test_skipped_steps (void)
{
  static const gchar skipped[] = "{\"event\":\"step\",\"time\":1100,\"step\":%u,\"loss\":null,"
                                 "\"skipped\":true,\"steps-skipped\":%u}\n";
  g_autofree gchar *before = steps (1, 10, 7, 0, 5), *one = g_strdup_printf (skipped, 10, 1);
  g_autofree gchar *two = g_strdup_printf (skipped, 10, 2), *after = steps (11, 11, 1, 0, 5);
  g_autofree gchar *log = g_strconcat (RUN, before,
      "{\"event\":\"epoch\",\"time\":1050,\"epoch\":0,\"step\":10,\"loss\":77.125}\n"
      "{\"event\":\"validation\",\"epoch\":0,\"step\":10,\"loss\":55.25,\"accuracy\":0.625,"
      "\"best\":true}\n",
      one, two,
      "{\"event\":\"epoch\",\"time\":1070,\"epoch\":1,\"step\":10,\"loss\":66.5}\n"
      "{\"event\":\"validation\",\"epoch\":1,\"step\":10,\"loss\":44.5,\"accuracy\":0.375}\n",
      after, NULL);
  g_autofree gchar *page = page_of_log (log, -1), *again = g_strconcat (log, RUN, one, after, NULL);

  assert_has (page, "last tenth of the steps 1, over the first 7");
  assert_has (page, "<b>62.5 %</b>");
  assert_has (page, "accuracy 62.5 %, loss 55.2500");
  assert_has (page, "77.1250");
  assert_has (page, "66.5000");
  assert_has (page, "gradients overflowed: 2.");
  g_free (page);
  /* the first of the two is repeated */
  page = page_of_log (again, -1);
  assert_has (page, "<b>62.5 %</b>");
  assert_has (page, "gradients overflowed: 1.");
}

static void
test_damaged_logs (void)
{
  const gchar *const hostile[] = {
    "",
    "\n\n\n",
    "garbage",
    "{",
    "[]\n",
    "{}\n",
    "null\n",
    "{\"event\":7}\n",
    "{\"event\":\"step\"}\n",
    "{\"event\":\"step\",\"step\":\"x\",\"loss\":[]}\n",
    "{\"event\":\"step\",\"step\":1e308,\"loss\":-1e308}\n",
    "{\"event\":\"step\",\"step\":1,\"loss\":1e29}\n{\"event\":\"step\",\"step\":2,\"loss\":-1e29}"
    "\n",
    "{\"event\":\"run\",\"classes\":[1,2],\"budget-bytes\":-5,\"weights-bytes\":1e300,\"time\":"
    "\"soon\"}\n",
    "{\"event\":\"run\",\"time\":1e300,\"classes\":[]}\n{\"event\":\"validation\",\"step\":1,"
    "\"epoch\":1,\"confusion\":[]}\n",
    RUN "{\"event\":\"validation\",\"step\":1,\"epoch\":1,\"confusion\":[[1,2],[3]]}\n",
    RUN "{\"event\":\"validation\",\"step\":1,\"epoch\":1,\"confusion\":[[1,-2],[1e300,null]]}\n",
    RUN "{\"event\":\"epoch\",\"epoch\":1e14,\"step\":1e14,\"loss\":0,\"seconds\":-1}\n",
    RUN "{\"event\":\"skipped\"}\n{\"event\":\"error\"}\n{\"event\":\"checkpoint\"}\n{\"event\":"
        "\"finished\"}\n",
    RUN "{\"event\":\"step\",\"step\":3,\"lo",
    "\xff\xfe\n",
    RUN "{\"event\":\"warning\",\"message\":\"\\u0000\\u001b\"}\n",
  };
  static const struct {
    const gchar *log, *says;
  } cases[] = {
    { RUN "{\"event\":\"skipped\"}\n", "(no path in the log)" },
    { RUN "{\"event\":\"skipped\"}\n", "(no reason in the log)" },
    { RUN "{\"event\":\"error\"}\n", "(no message in the log)" },
    { RUN "[]\n", "it is not an object" },
    { RUN "{}\n", "it has no &quot;event&quot;" },
  };
  g_autofree gchar *deep = g_strnfill (1000000, '[');
  g_autofree gchar *page = page_of_log (deep, -1);

  assert_has (page, "nested deeper than");
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++) {
    g_free (page);
    page = page_of_log (hostile[i], -1);
    g_assert_null (strstr (page, "nan"));
    assert_has (page, "The log has ");
  }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_free (page);
    page = page_of_log (cases[i].log, -1);
    assert_has (page, cases[i].says);
  }
  /* truncated at each byte */
  for (guint i = 0; i < strlen (RUN); i += 3) {
    g_free (page);
    page = page_of_log (RUN, i);
    assert_has (page, "The log has no end");
    g_assert_true (!strstr (page, "last line has no end") == (i == 0));
  }
}

static void
test_predictions (void)
{
  static const gchar csv[] = "path,clip,label,prediction,a,\"b, \"\"c\"\"\"\r\n"
                             "one.mp4,0,a,a,0.9,0.1\r\n"
                             "\"two\nlines, \"\"quoted\"\".mp4\",1,a,\"b, \"\"c\"\"\",0.25,0.75\n"
                             "three.mp4,2,\"b, \"\"c\"\"\",a,0.875,nan\n"
                             "unknown.mp4,3,a,zebra,0.5,0.5\n"
                             "short.mp4,4,a\n"
                             "nolabel.mp4,5,,a,0.5,0.5\n"
                             "torn.mp4,6,a,b";
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL), *page = NULL;
  g_autoptr (GError) error = NULL;
  const gchar *two, *three;

  put (folder, "fold 1/predictions.csv", csv, -1);
  put (folder, "bad/metrics.json", "{\"accuracy\":", -1);
  put (folder, "other/predictions.csv", "a,b\n1,2\n", -1);
  page = cnn3d_report_html (folder, NULL, NULL, &error);
  g_assert_no_error (error);
  assert_has (page, "<h2>Test: fold 1</h2>");
  assert_has (page, "2 of 3 predictions are wrong.");
  three = strstr (page,
      "<td>three.mp4</td><td class=\"n\">2</td><td>b, &quot;c&quot;</td><td>a</td><td "
      "class=\"n\">87.5 %</td><td class=\"n\">–</td>");
  two = strstr (page, "<td>two\\x0alines, &quot;quoted&quot;.mp4</td>");
  g_assert_true (three && two && three < two);
  g_assert_null (strstr (page, "one.mp4"));
  assert_has (page,
      "3 rows of predictions.csv were left out; the first is line 6: the first line does not have "
      "its class");
  assert_has (page, "1 clips of predictions.csv have no label");
  assert_has (page,
      "other/predictions.csv: its first line is not &quot;path,clip,label,prediction,&quot; and "
      "the names of");
  assert_has (page, "bad/metrics.json: ");
  assert_has (page, "metrics.json is missing or cannot be read");
  assert_has (page, "predictions.csv is missing or cannot be read");
  assert_has (page, "There is no log.jsonl here");
  remove_tree (folder);
}

static guint asked; /* clips whose frames were requested */

/* Fake frames: the clip's address and numbers, and its key points'; none if the address contains "bad". */
static gchar *
pretend (Cnn3dReportClip *const *clips, guint n)
{
  for (guint i = 0; i < n; i++) {
    const Cnn3dReportKeypoints *draw = clips[i]->draw;
    g_autofree gchar *points = draw
        ? g_strdup_printf (" %s %s %u %s %u", clips[i]->keypoints ? clips[i]->keypoints : "-",
              draw->skeleton, draw->persons, draw->coordinates, draw->first_frame)
        : g_strdup ("");
    g_autofree gchar *text = g_strdup_printf (
        "%s %g %g %g%s", clips[i]->path, clips[i]->start, clips[i]->end, clips[i]->fps, points);

    if (draw)
      clips[i]->no_points = g_strdup ("of <it>");
    if (strstr (clips[i]->path, "bad"))
      clips[i]->problem = g_strdup ("it is <bad>");
    else
      for (guint k = 0; k < CNN3D_REPORT_FRAMES; k++)
        clips[i]->frames[k] = g_bytes_new (text, strlen (text));
  }
  asked = n;
  return NULL;
}

static gchar *
refuse (Cnn3dReportClip *const *clips, guint n)
{
  asked = n;
  return g_strdup ("there is no <decoder>");
}

static void
assert_image (const gchar *page, const gchar *data)
{
  g_autofree gchar *text = g_base64_encode ((const guchar *) data, strlen (data));
  g_autofree gchar *image = g_strdup_printf ("src=\"data:image/jpeg;base64,%s\">", text);

  g_assert_cmpuint (count (page, image), ==, CNN3D_REPORT_FRAMES);
}

/* Frames are those of the row of wrong.csv with the clip's number, label and prediction. */
static void
test_frames (void)
{
#define WRONG "path,label,start,end,fps,clip,prediction\n"
  static const gchar predictions[] = "path,clip,label,prediction,a,b\n"
                                     "one.mp4,1,a,b,0.1,0.9\n"
                                     "two.mp4,2,b,a,0.8,0.2\n"
                                     "three.mp4,3,a,b,0.3,0.7\n"
                                     "four.mp4,4,a,b,0.4,0.6\n"
                                     "five.mp4,5,a,a,1,0\n";
  static const gchar wrong[] = WRONG "\"file:///one,.mp4\",a,1.5,2.5,25,1,b\n"
                                     "file:///other,b,,,,2,a,\n"
                                     "file:///no,a,,,,2,b\n"
                                     "file:///no,b,-1,,,2,a\n"
                                     "file:///no,b,,nan,,2,a\n"
                                     "file:///no,b,,,x,2,a\n"
                                     "file:///bad,a,,,,3,b\n"
                                     "file:///four,a,,,,4,b\n"
                                     "file:///again,a,,,,4,b\n"
                                     "file:///no,a,,,,5,a\n"
                                     "torn";
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL), *page = NULL;
  g_autoptr (GString) many = g_string_new ("path,clip,label,prediction,a,b\n");
  g_autoptr (GString) their = g_string_new (WRONG);

  put (folder, "predictions.csv", predictions, -1);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  assert_has (page, "No frames are shown: there is no wrong.csv, which says where the clips are.");
  put (folder, "wrong.csv", wrong, -1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  g_assert_cmpuint (asked, ==, 3);
  assert_image (page, "file:///one,.mp4 1.5 2.5 25");
  assert_image (page, "file:///four 0 inf 0");
  assert_has (page, "<span class=\"pale\">No frames: it is &lt;bad&gt;</span>");
  assert_has (page, "Under 3 of them: 6 frames");
  g_assert_cmpuint (count (page, "<img"), ==, 2 * CNN3D_REPORT_FRAMES);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, refuse, NULL);
  assert_has (page, "No frames are shown: there is no &lt;decoder&gt;</p>");
  g_assert_cmpuint (count (page, "No frames"), ==, 1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, NULL, NULL);
  g_assert_null (strstr (page, "rames"));
  /* a class that is called like a video */
  put (folder, "predictions.csv",
      "path,clip,label,prediction,x.mp4,b\nframes/1,1,x.mp4,b,0.1,0.9\n", -1);
  put (folder, "wrong.csv", WRONG "file:///frames/1,'x.mp4,,,,1,b\n", -1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  assert_image (page, "file:///frames/1 0 inf 0");
  put (folder, "predictions.csv", predictions, -1);
  put (folder, "wrong.csv", "path\n", -1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  assert_has (page,
      "wrong.csv: its first line does not begin "
      "&quot;path,label,start,end,fps,clip,prediction&quot;");

  /* of views, the first that is listed */
  put (folder, "wrong.csv",
      "path,label,start,end,fps,clip,prediction,group,view\n"
      "file:///side,a,,,,1,b,g,side\n"
      "file:///top,a,,,,1,b,g,top\n"
      "file:///short,b,,,,2,a\n",
      -1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  assert_image (page, "file:///side 0 inf 0");
  assert_has (page, "as its file has them now, of the first of its views.");
  g_assert_cmpuint (count (page, "<img"), ==, CNN3D_REPORT_FRAMES);

  /* key points, only where the test's metrics tell how they are read */
  put (folder, "wrong.csv",
      "path,label,start,end,fps,clip,prediction,keypoints\n"
      "file:///one,a,,,,1,b,file:///one.npy\n"
      "file:///two,b,,,,2,a,\n",
      -1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  assert_image (page, "file:///one 0 inf 0");
  put (folder, "metrics.json",
      "{\"keypoints\":{\"skeleton\":\"custom:05\",\"persons\":3,\"coordinates\":\"pixels\","
      "\"first-frame\":1}}",
      -1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  assert_image (page, "file:///one 0 inf 0 file:///one.npy custom:5 3 pixels 1");
  assert_image (page, "file:///two 0 inf 0 - custom:5 3 pixels 1");
  g_assert_cmpuint (
      count (page, "<span class=\"pale\">No key points: of &lt;it&gt;</span>"), ==, 2);
  remove_tree (folder);
  g_mkdir (folder, 0700);

  /* the most confident of each evaluation, equally many of each, up to the limit of a page */
  for (guint i = 0; i < 100; i++) {
    g_string_append_printf (many, "%u.mp4,%u,a,b,%g,%g\n", i, i, i / 200., 1 - i / 200.);
    g_string_append_printf (their, "file:///%u.mp4,a,,,,%u,b\n", i, i);
  }
  put (folder, "predictions.csv", many->str, many->len);
  put (folder, "wrong.csv", their->str, their->len);
  for (guint n = 1; n <= 2 * CNN3D_REPORT_CLIPS; n++) {
    g_autofree gchar *name = g_strdup_printf ("%u", n),
                     *csv = g_build_filename (name, "predictions.csv", NULL);
    g_autofree gchar *places = g_build_filename (name, "wrong.csv", NULL);

    g_free (page);
    page = cnn3d_report_html (folder, NULL, pretend, NULL);
    g_assert_cmpuint (asked, <=, CNN3D_REPORT_CLIPS);
    g_assert_cmpuint (asked, >, CNN3D_REPORT_CLIPS / 2);
    g_assert_cmpuint (count (page, "<img"), ==, asked * CNN3D_REPORT_FRAMES);
    if (n == 1)
      assert_image (page, "file:///23.mp4 0 inf 0");
    put (folder, csv, many->str, many->len);
    put (folder, places, their->str, their->len);
  }

  /* names that predictions.csv has with control characters escaped, and no formulas */
  remove_tree (folder);
  g_mkdir (folder, 0700);
  put (folder, "predictions.csv",
      "path,clip,label,prediction,'=a\\x1b,'@b\n'-one.mp4,1,'=a\\x1b,'@b,0.1,0.9\n", -1);
  put (folder, "wrong.csv", WRONG "file:///one,'=a\x1b,,,,1,'@b\n", -1);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, pretend, NULL);
  assert_image (page, "file:///one 0 inf 0");
  assert_has (page, "<td>-one.mp4</td><td class=\"n\">1</td><td>=a\\x1b</td><td>@b</td>");
  remove_tree (folder);
}

/* Messages about damaged and oversized files. */
static void
test_damaged_evaluations (void)
{
#define FIRST "path,clip,label,prediction,a,b\n"
  g_autofree gchar *commas = g_strnfill (10010, ',');
  g_autofree gchar *long_row = g_strconcat (FIRST "one.mp4,0,a,b", commas, "\n", NULL);
  const struct {
    const gchar *csv, *says;
  } cases[] = {
    { FIRST "short.mp4,4,a\n", "it has another number of fields than the first line" },
    { FIRST "torn.mp4,6,a,b", "its end is missing" },
    { long_row, "it is too long" },
  };
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL), *page = NULL;
  g_autofree gchar *metrics = g_build_filename (folder, "metrics.json", NULL);
  g_autofree gchar *log = g_build_filename (folder, "log.jsonl", NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *says = g_strconcat (
        "1 rows of predictions.csv were left out; the first is line 2: ", cases[i].says, NULL);

    put (folder, "predictions.csv", cases[i].csv, -1);
    g_free (page);
    page = cnn3d_report_html (folder, NULL, NULL, &error);
    g_assert_no_error (error);
    assert_has (page, says);
  }
  put (folder, "metrics.json", "{}", -1);
  g_assert_cmpint (truncate (metrics, (64 << 20) + 1), ==, 0);
  g_free (page);
  page = cnn3d_report_html (folder, NULL, NULL, &error);
  g_assert_no_error (error);
  assert_has (page, "metrics.json: it is too large to be an evaluation&apos;s metrics");
  /* can be opened, but not read */
  g_assert_cmpint (symlink ("/proc/self/mem", log), ==, 0);
  g_assert_null (cnn3d_report_html (folder, NULL, NULL, &error));
  g_assert_nonnull (error);
  g_assert_true (g_regex_match_simple ("^cannot read .*: .", error->message, 0, 0));
  remove_tree (folder);
}

static void
test_skipped_clips (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL), *page = NULL;
  g_autoptr (GError) error = NULL;

  put (folder, "metrics.json", "{\"complete\":true,\"clips\":3,\"skipped\":0,\"skipped-clips\":[]}",
      -1);
  put (folder, "some/metrics.json",
      "{\"complete\":false,\"clips\":3,\"skipped\":4,\"skipped-clips\":[{\"path\":\"<b>.mp4\","
      "\"reason\":\"it is empty\"},{\"path\":7},null]}",
      -1);
  page = cnn3d_report_html (folder, NULL, NULL, &error);
  g_assert_no_error (error);
  assert_has (page, "<b>4</b><span>skipped clips</span>");
  assert_has (page, "4 clips could not be read; metrics.json names 3 of them.");
  assert_has (page, "<tr><td>&lt;b&gt;.mp4</td><td>it is empty</td></tr>");
  assert_has (page, "The evaluation was cut short");
  g_assert_null (strstr (page, "<b>0</b><span>skipped clips</span>"));
  remove_tree (folder);
}

static void
test_views (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL), *page = NULL;
  g_autoptr (GError) error = NULL;

  put (folder, "metrics.json",
      "{\"complete\":true,\"clips\":3,\"views\":[{\"name\":\"<front>\",\"videos\":3,\"accuracy\":0."
      "5,"
      "\"f1-macro\":0.25,\"loss\":1.5},{\"name\":\"left\",\"videos\":0,\"accuracy\":null},7,{},"
      "null]}",
      -1);
  page = cnn3d_report_html (folder, NULL, NULL, &error);
  g_assert_no_error (error);
  assert_has (page, "<h3>Each view by itself</h3>");
  assert_has (page, "<tr><td>&lt;front&gt;</td><td class=\"n\">3</td><td class=\"n\">50.0 %</td>");
  assert_has (page, "<tr><td>left</td><td class=\"n\">0</td>");
  remove_tree (folder);
}

static void
test_nothing (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("cnn3d-report-XXXXXX", NULL);
  g_autofree gchar *missing = g_build_filename (folder, "none", NULL);
  GError *error = NULL;

  g_assert_null (cnn3d_report_html (folder, NULL, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  assert_has (error->message, " has nothing to report: neither log.jsonl (cnn3dtrain log-dir=...)");
  assert_has (error->message, "predictions.csv");
  g_clear_error (&error);
  g_assert_null (cnn3d_report_html (missing, NULL, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
  assert_has (error->message, "is not a folder: give the one that cnn3dtrain's log-dir named");
  g_clear_error (&error);
  put (folder, "log.jsonl", RUN, -1);
  g_assert_null (cnn3d_report_html (folder, missing, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  assert_has (error->message, "/none has no log.jsonl to compare with");
  g_clear_error (&error);
  remove_tree (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/report/ticks", test_ticks);
  g_test_add_func ("/report/thin", test_thin);
  g_test_add_func ("/report/smooth", test_smooth);
  g_test_add_func ("/report/checklist", test_checklist);
  g_test_add_func ("/report/resumed", test_resumed);
  g_test_add_func ("/report/outlier", test_outlier);
  g_test_add_func ("/report/figures", test_figures);
  g_test_add_func ("/report/best", test_best);
  g_test_add_func ("/report/other-classes", test_other_classes);
  g_test_add_func ("/report/many-reasons", test_many_reasons);
  g_test_add_func ("/report/many-validations", test_many_validations);
  g_test_add_func ("/report/budgets", test_budgets);
  g_test_add_func ("/report/memory", test_memory);
  g_test_add_func ("/report/ends", test_ends);
  g_test_add_func ("/report/skipped-steps", test_skipped_steps);
  g_test_add_func ("/report/damaged-logs", test_damaged_logs);
  g_test_add_func ("/report/predictions", test_predictions);
  g_test_add_func ("/report/frames", test_frames);
  g_test_add_func ("/report/damaged-evaluations", test_damaged_evaluations);
  g_test_add_func ("/report/skipped-clips", test_skipped_clips);
  g_test_add_func ("/report/classes", test_classes);
  g_test_add_func ("/report/views", test_views);
  g_test_add_func ("/report/nothing", test_nothing);
  return g_test_run ();
}
