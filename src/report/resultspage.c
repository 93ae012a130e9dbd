/* resultspage.c: the page's sections about validation and evaluations.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/resultspage.h"

#include <math.h>
#include <string.h>

#include "src/draw/confusion.h"
#include "src/report/jsontext.h"
#include "src/report/page.h"

#define MOST_DRAWN 200 /* classes: a larger matrix would take megabytes */
#define MOST_PAIRS 10

typedef struct {
  guint label, prediction;
  guint64 count;
} Pair;

static gint
by_count (gconstpointer a, gconstpointer b)
{
  const Pair *x = a, *y = b;

  return (x->count < y->count) - (x->count > y->count);
}

/* The largest confusions. */
static void
pairs (GString *page, const ReportMatrix *m)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (Pair));

  for (guint i = 0; i < m->n; i++)
    for (guint j = 0; j < m->n; j++) {
      const Pair pair = { i, j, m->counts[(gsize) i * m->n + j] };

      if (i != j && pair.count)
        g_array_append_val (found, pair);
    }
  if (found->len == 0)
    return;
  g_array_sort (found, by_count);
  g_string_append (page,
      "<div><h3>Confused most often</h3>\n<table>\n<tr><th>label</th><th>prediction</th><th "
      "class=\"n\">clips</th></tr>\n");
  for (guint i = 0; i < MIN (found->len, MOST_PAIRS); i++) {
    const Pair *pair = &g_array_index (found, Pair, i);

    g_string_append (page, "<tr>");
    page_element (page, "td", NULL, m->classes[pair->label]);
    page_element (page, "td", NULL, m->classes[pair->prediction]);
    page_printf (page, "td", "n", "%" G_GUINT64_FORMAT, pair->count);
    g_string_append (page, "</tr>\n");
  }
  g_string_append (page, "</table></div>\n");
}

static void
matrix (GString *page, const ReportMatrix *m)
{
  Cnn3dCanvas *canvas = m->n <= MOST_DRAWN
      ? cnn3d_confusion_canvas (m->counts, (const gchar *const *) m->classes, m->n, NULL)
      : NULL;

  g_string_append (page, "<div class=\"beside\">\n");
  if (canvas)
    page_drawing (page, canvas);
  else
    page_printf (page, "p", "pale",
        "The confusion matrix of %u classes is too large for a page; cnn3deval draws it in a "
        "separate file.",
        m->n);
  if (m->n > 4)
    pairs (page, m);
  g_string_append (page, "</div>\n");
}

/* The accuracy of each class. */
static void
class_shares (GString *page, const ReportMatrix *m)
{
  g_string_append (page,
      "<h3>Classes</h3>\n<table class=\"wide\">\n<tr><th>class</th><th class=\"n\">clips</th><th "
      "class=\"n\">right</th><th class=\"n\">accuracy</th></tr>\n");
  for (guint i = 0; i < m->n; i++) {
    const guint64 *row = m->counts + (gsize) i * m->n;
    g_autofree gchar *share = NULL;
    guint64 clips = 0;

    for (guint k = 0; k < m->n; k++)
      clips += row[k];
    share = page_share (clips ? (gdouble) row[i] / clips : NAN);
    g_string_append (page, "<tr>");
    page_element (page, "td", NULL, m->classes[i]);
    page_printf (page, "td", "n", "%" G_GUINT64_FORMAT, clips);
    page_printf (page, "td", "n", "%" G_GUINT64_FORMAT, row[i]);
    page_element (page, "td", "n", share);
    g_string_append (page, "</tr>\n");
  }
  g_string_append (page, "</table>\n");
}

void
results_page_validation (GString *page, const ReportLog *log)
{
  const ReportValidation *v = report_log_validation (log);
  g_autofree gchar *loss = NULL, *accuracy = NULL;

  if (!v)
    return;
  loss = page_number (v->loss, 4);
  accuracy = page_share (v->accuracy);
  g_string_append_printf (page, "<section><h2>%s validation</h2>\n", v->best ? "Best" : "Last");
  page_printf (page, "p", NULL, "Epoch %.0f, step %.0f: accuracy %s, loss %s, on %.0f clips.",
      v->epoch + 1, v->step, accuracy, loss, isfinite (v->clips) ? v->clips : 0);
  if (isfinite (v->f1)) {
    g_autofree gchar *recall = page_share (v->recall), *f1 = page_share (v->f1);

    page_printf (
        page, "p", NULL, "Over the classes, each counting the same: recall %s, F1 %s.", recall, f1);
  }
  if (v->confusion
      && !(log->classes
          && g_strv_equal (
              (const gchar *const *) v->confusion->classes, (const gchar *const *) log->classes)))
    page_element (page, "p", "note", "It is of an earlier start, which had other classes.");
  if (v->confusion)
    matrix (page, v->confusion);
  if (v->confusion)
    class_shares (page, v->confusion);
  else
    page_element (page, "p", "note", "The log has no confusion matrix for it.");
  g_string_append (page, "</section>\n");
}

/* --- evaluations --- */

static void
metric_tiles (GString *page, JsonObject *metrics)
{
  static const struct {
    const gchar *name, *title;
    gint kind; /* 0: share, 1: number, 2: count */
  } all[] = {
    { "accuracy", "accuracy", 0 },
    { "top5-accuracy", "top-5 accuracy", 0 },
    { "precision-macro", "precision, macro", 0 },
    { "recall-macro", "recall, macro", 0 },
    { "f1-macro", "F1, macro", 0 },
    { "auroc-macro", "AUROC, macro", 1 },
    { "loss", "loss", 1 },
    { "clips", "clips", 2 },
    { "videos", "videos", 2 },
    { "skipped", "skipped clips", 2 },
  };

  g_string_append (page, "<div class=\"tiles\">\n");
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    const gdouble value = report_json_number (metrics, all[i].name);
    g_autofree gchar *text =
        all[i].kind == 0 ? page_share (value) : page_number (value, all[i].kind == 1 ? 4 : 0);

    /* with one clip a video the two accuracies are equal */
    if (!json_object_has_member (metrics, all[i].name)
        || (strcmp (all[i].name, "videos") == 0 && value == report_json_number (metrics, "clips"))
        || (strcmp (all[i].name, "skipped") == 0 && value == 0))
      continue;
    g_string_append (page, "<div>");
    page_element (page, "b", NULL, text);
    page_element (page, "span", NULL, all[i].title);
    g_string_append (page, "</div>\n");
  }
  g_string_append (page, "</div>\n");
}

/* A column of numbers: its heading, the metrics' name for it, and how many decimals, or -1: as a
 * share in percent. */
typedef struct {
  const gchar *heading, *name;
  gint decimals;
} Column;

/* A table of the entries of an array that have a name; none without entries. */
static void
named_rows (GString *page, JsonArray *entries, const gchar *title, const gchar *what,
    const Column *columns, guint n_columns)
{
  const guint n = entries ? json_array_get_length (entries) : 0;

  if (n == 0)
    return;
  page_element (page, "h3", NULL, title);
  g_string_append_printf (page, "\n<table class=\"wide\">\n<tr><th>%s</th>", what);
  for (guint k = 0; k < n_columns; k++)
    page_element (page, "th", "n", columns[k].heading);
  g_string_append (page, "</tr>\n");
  for (guint i = 0; i < n; i++) {
    JsonNode *node = json_array_get_element (entries, i);
    JsonObject *one = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    const gchar *name = one ? report_json_string (one, "name") : NULL;

    if (!name)
      continue;
    g_string_append (page, "<tr>");
    page_element (page, "td", NULL, name);
    for (guint k = 0; k < n_columns; k++) {
      const gdouble value = report_json_number (one, columns[k].name);
      g_autofree gchar *text =
          columns[k].decimals < 0 ? page_share (value) : page_number (value, columns[k].decimals);

      page_element (page, "td", "n", text);
    }
    g_string_append (page, "</tr>\n");
  }
  g_string_append (page, "</table>\n");
}

static void
class_rows (GString *page, JsonObject *metrics)
{
  static const Column columns[] = { { "clips", "support", 0 }, { "precision", "precision", -1 },
    { "recall", "recall", -1 }, { "F1", "f1", -1 }, { "AUROC", "auroc", 4 } };

  named_rows (page, report_json_array (metrics, "classes"), "Classes", "class", columns,
      G_N_ELEMENTS (columns));
}

static void
view_rows (GString *page, JsonObject *metrics)
{
  static const Column columns[] = { { "clips", "videos", 0 }, { "accuracy", "accuracy", -1 },
    { "F1", "f1-macro", -1 }, { "loss", "loss", 4 } };

  named_rows (page, report_json_array (metrics, "views"), "Each view by itself", "view", columns,
      G_N_ELEMENTS (columns));
}

/* Which clips have frames, or why none does. */
static void
frames_note (GString *page, const ReportEvaluation *e, gboolean frames)
{
  if (!frames)
    return;
  if (e->no_frames)
    page_printf (page, "p", "note", "No frames are shown: %s", e->no_frames);
  else if (e->shown) {
    g_autofree gchar *which =
        e->shown < e->wrong->len ? g_strdup_printf ("%u of them", e->shown) : g_strdup ("each");

    page_printf (page, "p", "pale",
        "Under %s: %u frames, spread evenly over the clip, as its file has them now%s%s.", which,
        CNN3D_REPORT_FRAMES, e->views ? ", of the first of its views" : "",
        e->draws ? ", with its key points" : "");
  } else
    page_element (page, "p", "pale",
        "No frames are shown: there is no wrong.csv, which says where the clips are.");
}

static void
strip_row (GString *page, const Cnn3dReportClip *clip)
{
  g_string_append (page, "<tr class=\"strip\"><td colspan=\"6\">");
  if (clip->frames[0])
    g_string_append (page, "<div>");
  else
    page_printf (page, "span", "pale", "No frames: %s",
        clip->problem ? clip->problem : "they were not decoded.");
  for (guint i = 0; i < CNN3D_REPORT_FRAMES && clip->frames[i]; i++) {
    g_autofree gchar *alt = g_strdup_printf ("frame %u of %u", i + 1, CNN3D_REPORT_FRAMES);

    page_jpeg (page, clip->frames[i], alt);
  }
  if (clip->frames[0])
    g_string_append (page, "</div>");
  if (clip->frames[0] && clip->no_points)
    page_printf (page, "span", "pale", "No key points: %s", clip->no_points);
  g_string_append (page, "</td></tr>\n");
}

static void
wrong_rows (GString *page, const ReportEvaluation *e, gboolean frames)
{
  g_string_append (page, "<h3>Wrong clips</h3>\n");
  if (e->wrong->len == 0) {
    page_element (page, "p", NULL,
        e->rows > e->unlabelled ? "None." : "No clip has a label and a prediction.");
    return;
  }
  page_printf (page, "p", "pale",
      "%u of %" G_GUINT64_FORMAT
      " predictions are wrong. All are listed, the most confident first.",
      e->wrong->len, e->rows - e->unlabelled);
  frames_note (page, e, frames);
  g_string_append (page,
      "<table class=\"wide wrong\">\n<tr><th>path</th><th "
      "class=\"n\">clip</th><th>label</th><th>prediction</th><th class=\"n\">its "
      "probability</th><th class=\"n\">the label's</th></tr>\n");
  for (guint i = 0; i < e->wrong->len; i++) {
    const ReportWrong *wrong = &g_array_index (e->wrong, ReportWrong, i);
    g_autofree gchar *its = page_share (wrong->probability),
                     *labels = page_share (wrong->label_probability);
    const gboolean strip = wrong->shown && !e->no_frames;

    g_string_append (page, strip ? "<tr class=\"over\">" : "<tr>");
    page_element (page, "td", NULL, wrong->path);
    page_element (page, "td", "n", wrong->clip);
    page_element (page, "td", NULL, wrong->label);
    page_element (page, "td", NULL, wrong->prediction);
    page_element (page, "td", "n", its);
    page_element (page, "td", "n", labels);
    g_string_append (page, "</tr>\n");
    if (strip)
      strip_row (page, &wrong->place);
  }
  g_string_append (page, "</table>\n");
}

/* Notes about what could not be read. */
static void
skipped_rows (GString *page, JsonObject *metrics)
{
  const gdouble count = report_json_number (metrics, "skipped");
  JsonArray *clips = report_json_array (metrics, "skipped-clips");
  const guint n = clips ? json_array_get_length (clips) : 0;

  if (!(count > 0))
    return;
  g_string_append (page, "<h3>Skipped clips</h3>\n");
  if (n < count)
    page_printf (page, "p", "pale", "%.0f clips could not be read; metrics.json names %u of them.",
        count, n);
  if (n == 0)
    return;
  g_string_append (page, "<table class=\"wide wrong\">\n<tr><th>path</th><th>reason</th></tr>\n");
  for (guint i = 0; i < n; i++) {
    JsonNode *node = json_array_get_element (clips, i);
    JsonObject *one = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    const gchar *path = one ? report_json_string (one, "path") : NULL;
    const gchar *reason = one ? report_json_string (one, "reason") : NULL;

    g_string_append (page, "<tr>");
    page_element (page, "td", NULL, path ? path : "");
    page_element (page, "td", NULL, reason ? reason : "");
    g_string_append (page, "</tr>\n");
  }
  g_string_append (page, "</table>\n");
}

static void
notes (GString *page, const ReportEvaluation *e)
{
  for (guint i = 0; i < e->problems->len; i++)
    page_element (page, "p", "note", e->problems->pdata[i]);
  if (e->bad_rows)
    page_printf (page, "p", "note",
        "%" G_GUINT64_FORMAT " rows of predictions.csv were left out; the first is %s", e->bad_rows,
        e->first_bad);
  if (e->unlabelled)
    page_printf (page, "p", "note", "%" G_GUINT64_FORMAT " clips of predictions.csv have no label.",
        e->unlabelled);
  if (!e->metrics)
    page_element (page, "p", "note",
        "metrics.json is missing or cannot be read: precision, recall, F1 and AUROC are unknown.");
  if (!e->predictions)
    page_element (page, "p", "note",
        "predictions.csv is missing or cannot be read: the wrong clips are unknown.");
}

void
results_page_evaluation (GString *page, const ReportEvaluation *e, gboolean frames)
{
  JsonObject *metrics = e->metrics ? json_node_get_object (e->metrics) : NULL;
  const gchar *model = metrics ? report_json_string (metrics, "model") : NULL;
  const guint64 labelled = e->rows - e->unlabelled;

  g_string_append (page, "<section>");
  if (strcmp (e->folder, ".") == 0)
    page_element (page, "h2", NULL, "Test");
  else
    page_printf (page, "h2", NULL, "Test: %s", e->folder);
  g_string_append_c (page, '\n');
  notes (page, e);
  if (metrics && json_object_has_member (metrics, "complete")
      && !report_json_boolean (metrics, "complete"))
    page_element (page, "p", "note",
        "The evaluation was cut short: its metrics cover only the clips that arrived.");
  if (metrics)
    metric_tiles (page, metrics);
  if (model)
    page_printf (page, "p", "pale", "Model: %s", model);
  if (labelled)
    page_printf (page, "p", NULL,
        "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " clips right: %.2f %%.", e->right, labelled,
        100. * e->right / labelled);
  if (e->confusion)
    matrix (page, e->confusion);
  if (metrics)
    view_rows (page, metrics);
  if (metrics)
    class_rows (page, metrics);
  if (metrics)
    skipped_rows (page, metrics);
  if (e->predictions)
    wrong_rows (page, e, frames);
  g_string_append (page, "</section>\n");
}
