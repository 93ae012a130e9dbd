/* evaluation.c: metrics.json, and predictions.csv and wrong.csv by RFC 4180.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/report/evaluation.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "src/csv.h"
#include "src/dataset/dataset.h"
#include "src/escape.h"
#include "src/hash.h"
#include "src/keypoints/skeleton.h"
#include "src/report/jsontext.h"
#include "src/settings/choices.h"

#define LARGEST_METRICS (64u << 20) /* bytes */
#define MOST_CLASSES 10000
#define MOST_ROWS (16u << 20)
#define LONGEST_ROW (4u << 20) /* bytes */
#define MOST_PERSONS 64        /* clipkpt's */
#define MOST_MATRIX 1000       /* most classes of a confusion matrix */

enum {
  PATH,
  CLIP,
  LABEL,
  PREDICTION,
  FIRST_CLASS
};
enum {
  PLACE_PATH,
  PLACE_LABEL,
  PLACE_START,
  PLACE_END,
  PLACE_FPS,
  PLACE_CLIP,
  PLACE_PREDICTION,
  PLACE_FIELDS /* those that each file has */
};

static void
problem (ReportEvaluation *e, const gchar *path, const gchar *what)
{
  g_autofree gchar *shown = g_filename_display_name (path);

  g_ptr_array_add (e->problems, g_strdup_printf ("%s: %s", shown, what));
}

/* Values that clipkpt does not know are left out: they would get into a launch line. */
static void
read_keypoints (ReportEvaluation *e)
{
  JsonNode *node = json_object_get_member (json_node_get_object (e->metrics), "keypoints");
  JsonObject *object = node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const gchar *name = object ? report_json_string (object, "skeleton") : NULL;
  const gchar *unit = object ? report_json_string (object, "coordinates") : NULL;
  const GEnumValue *coordinates = unit ? cnn3d_choice (&cnn3d_coordinates, unit) : NULL;
  const guint64 persons =
      object ? report_json_count (json_object_get_member (object, "persons")) : 0;
  const guint64 first =
      object ? report_json_count (json_object_get_member (object, "first-frame")) : 0;
  Cnn3dSkeleton *skeleton = name ? cnn3d_skeleton_new (name, NULL, 0, NULL) : NULL;

  if (skeleton && coordinates && persons >= 1 && persons <= MOST_PERSONS && first <= G_MAXINT) {
    e->draws = TRUE;
    /* not the name as it is written: custom:5 may have more digits */
    e->keypoints =
        (Cnn3dReportKeypoints) { skeleton->names ? g_strdup (skeleton->name)
                                                 : g_strdup_printf ("custom:%u", skeleton->points),
          persons, coordinates->value_nick, first };
  }
  cnn3d_skeleton_free (skeleton);
}

static void
read_metrics (ReportEvaluation *e, const gchar *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;
  gsize length;
  GStatBuf file;

  if (g_stat (path, &file) == 0 && (guint64) file.st_size > LARGEST_METRICS) {
    problem (e, path, "it is too large to be an evaluation's metrics");
    return;
  }
  if (!g_file_get_contents (path, &text, &length, &error)
      || !(e->metrics = report_json_object (text, length, &error)))
    problem (e, path, error->message);
  else
    read_keypoints (e);
}

/* --- predictions.csv --- */

typedef struct {
  FILE *file;
  guint64 line; /* of the row's first character */
  guint64 next_line;
  GString *text;           /* the fields, each NUL-terminated */
  GArray *fields;          /* of gsize: offset of each field */
  guint n_classes;         /* of the first line */
  gboolean torn, too_long; /* of the row */
} Csv;

static void
begin_field (Csv *csv)
{
  const gsize at = csv->text->len;

  g_array_append_val (csv->fields, at);
}

/* FALSE at the end of the file. */
static gboolean
next_row (Csv *csv)
{
  gboolean quoted = FALSE, any = FALSE;
  gint c;

  g_string_truncate (csv->text, 0);
  g_array_set_size (csv->fields, 0);
  csv->line = csv->next_line;
  csv->too_long = FALSE;
  begin_field (csv);
  while ((c = getc_unlocked (csv->file)) != EOF) {
    any = TRUE;
    if (c == '\n')
      csv->next_line++;
    if (c == '"') {
      if (quoted) {
        const gint next = getc_unlocked (csv->file);

        if (next == '"') {
          if (csv->text->len < LONGEST_ROW)
            g_string_append_c (csv->text, '"');
          else
            csv->too_long = TRUE;
          continue;
        }
        if (next != EOF)
          ungetc (next, csv->file);
      }
      quoted = !quoted;
    } else if (!quoted && c == ',' && csv->text->len < LONGEST_ROW) {
      g_string_append_c (csv->text, '\0');
      begin_field (csv);
    } else if (!quoted && c == '\n')
      break;
    else if (csv->text->len >= LONGEST_ROW)
      csv->too_long = TRUE;
    else if (c != '\0' && (quoted || c != '\r'))
      g_string_append_c (csv->text, c);
    if (csv->fields->len > FIRST_CLASS + MOST_CLASSES)
      csv->too_long = TRUE;
    if (csv->too_long && c == ',')
      g_array_set_size (csv->fields, 1);
  }
  csv->torn = c == EOF && any;
  return any;
}

static const gchar *
field (const Csv *csv, guint i)
{
  const gchar *text = csv->text->str + g_array_index (csv->fields, gsize, i);

  return cnn3d_csv_unguarded (text, strlen (text));
}

static void
bad_row (ReportEvaluation *e, const Csv *csv, const gchar *what)
{
  e->bad_rows++;
  if (!e->first_bad)
    e->first_bad = g_strdup_printf ("line %" G_GUINT64_FORMAT ": %s", csv->line, what);
}

static gdouble
probability (const Csv *csv, guint class_number)
{
  const gchar *text = field (csv, FIRST_CLASS + class_number);
  gchar *end;
  const gdouble number = g_ascii_strtod (text, &end);

  return end != text && *end == '\0' && number >= 0 && number <= 1 ? number : NAN;
}

/* numbers: maps a class name to 1 + its number. */
static void
take_row (ReportEvaluation *e, const Csv *csv, GHashTable *numbers)
{
  guint label, prediction;

  if (csv->too_long || csv->fields->len != FIRST_CLASS + csv->n_classes) {
    bad_row (e, csv,
        csv->too_long   ? "it is too long"
            : csv->torn ? "its end is missing"
                        : "it has another number of fields than the first line");
    return;
  }
  label = GPOINTER_TO_UINT (g_hash_table_lookup (numbers, field (csv, LABEL)));
  prediction = GPOINTER_TO_UINT (g_hash_table_lookup (numbers, field (csv, PREDICTION)));
  if (!prediction || (!label && *field (csv, LABEL))) {
    bad_row (e, csv, "the first line does not have its class");
    return;
  }
  e->rows++;
  if (!label) {
    e->unlabelled++;
    return;
  }
  if (e->confusion)
    e->confusion->counts[(gsize) (label - 1) * e->confusion->n + prediction - 1]++;
  if (label == prediction)
    e->right++;
  else {
    const ReportWrong wrong = {
      .path = g_strdup (field (csv, PATH)),
      .clip = g_strdup (field (csv, CLIP)),
      .label = g_strdup (field (csv, LABEL)),
      .prediction = g_strdup (field (csv, PREDICTION)),
      .probability = probability (csv, prediction - 1),
      .label_probability = probability (csv, label - 1),
    };

    g_array_append_val (e->wrong, wrong);
  }
}

static gint
by_confidence (gconstpointer a, gconstpointer b)
{
  const ReportWrong *x = a, *y = b;
  const gdouble px = isnan (x->probability) ? -1 : x->probability,
                py = isnan (y->probability) ? -1 : y->probability;
  const gint path = strcmp (x->path, y->path);

  return px != py ? (px < py) - (px > py) : path ? path : strcmp (x->clip, y->clip);
}

static void
read_rows (ReportEvaluation *e, const gchar *path, Csv *csv)
{
  static const gchar *const head[] = { "path", "clip", "label", "prediction" };
  g_autoptr (GHashTable) numbers = g_hash_table_new (cnn3d_hash_text, g_str_equal);
  g_auto (GStrv) classes = NULL;
  gboolean right = next_row (csv) && !csv->too_long && csv->fields->len > FIRST_CLASS;

  for (guint i = 0; right && i < G_N_ELEMENTS (head); i++)
    right = strcmp (field (csv, i), head[i]) == 0;
  if (!right) {
    problem (
        e, path, "its first line is not \"path,clip,label,prediction,\" and the names of classes");
    return;
  }
  e->predictions = TRUE;
  csv->n_classes = csv->fields->len - FIRST_CLASS;
  classes = g_new0 (gchar *, csv->n_classes + 1);
  for (guint i = 0; i < csv->n_classes; i++) {
    classes[i] = g_strdup (field (csv, FIRST_CLASS + i));
    if (!g_hash_table_contains (numbers, classes[i]))
      g_hash_table_insert (numbers, classes[i], GUINT_TO_POINTER (i + 1));
  }
  if (csv->n_classes <= MOST_MATRIX)
    e->confusion = report_matrix_new (classes);
  while (next_row (csv)) {
    if (e->rows + e->bad_rows >= MOST_ROWS) {
      problem (e, path, "it has more rows than are read");
      break;
    }
    take_row (e, csv, numbers);
  }
  g_array_sort (e->wrong, by_confidence);
}

/* --- wrong.csv --- */

/* Empty: `otherwise`. FALSE: it is no number. */
static gboolean
number_field (const Csv *csv, guint i, gdouble otherwise, gdouble *number)
{
  const gchar *text = field (csv, i);
  gchar *end;

  *number = *text ? g_ascii_strtod (text, &end) : otherwise;
  return !*text || (end != text && *end == '\0' && *number >= 0);
}

/* keypoints: the column of their files; 0: there is none.
 * A row that does not belong to a wrong clip is left out: the files may be of two evaluations. */
static void
take_place (ReportEvaluation *e, const Csv *csv, guint fields, guint keypoints, GHashTable *clips)
{
  Cnn3dReportClip place = { NULL };
  g_autofree gchar *label = NULL, *prediction = NULL;
  const gchar *written, *path, *own;
  ReportWrong *wrong;

  if (csv->too_long || csv->torn || csv->fields->len != fields)
    return;
  written = field (csv, PLACE_LABEL);
  path = field (csv, PLACE_PATH);
  wrong = g_hash_table_lookup (clips, field (csv, PLACE_CLIP));
  own = cnn3d_manifest_label_text (written, strlen (written), path, strlen (path));
  /* predictions.csv has them for people, wrong.csv as they are */
  label = cnn3d_escape (own ? own : written, FALSE);
  prediction = cnn3d_escape (field (csv, PLACE_PREDICTION), FALSE);
  if (!wrong || wrong->place.path || strcmp (wrong->label, label) != 0
      || strcmp (wrong->prediction, prediction) != 0
      || !number_field (csv, PLACE_START, 0, &place.start)
      || !number_field (csv, PLACE_END, INFINITY, &place.end)
      || !number_field (csv, PLACE_FPS, 0, &place.fps))
    return;
  place.path = g_strdup (path);
  if (e->draws) {
    place.draw = &e->keypoints;
    if (keypoints && *field (csv, keypoints))
      place.keypoints = g_strdup (field (csv, keypoints));
  }
  wrong->place = place;
  e->located = TRUE;
}

/* Of a clip's views, the first listed one counts. */
static void
read_places (ReportEvaluation *e, const gchar *path, Csv *csv)
{
  static const gchar *const head[] = { "path", "label", "start", "end", "fps", "clip",
    "prediction" };
  g_autoptr (GHashTable) clips = g_hash_table_new (cnn3d_hash_text, g_str_equal);
  gboolean right = next_row (csv) && !csv->too_long && csv->fields->len >= G_N_ELEMENTS (head);
  const guint fields = csv->fields->len;
  guint keypoints = 0;

  for (guint i = 0; right && i < G_N_ELEMENTS (head); i++)
    right = strcmp (field (csv, i), head[i]) == 0;
  if (!right) {
    problem (e, path, "its first line does not begin \"path,label,start,end,fps,clip,prediction\"");
    return;
  }
  for (guint i = PLACE_FIELDS; i < fields; i++) {
    e->views |= strcmp (field (csv, i), "view") == 0;
    if (strcmp (field (csv, i), "keypoints") == 0)
      keypoints = i;
  }
  for (guint i = 0; i < e->wrong->len; i++) {
    ReportWrong *wrong = &g_array_index (e->wrong, ReportWrong, i);

    g_hash_table_insert (clips, wrong->clip, wrong);
  }
  while (next_row (csv))
    take_place (e, csv, fields, keypoints, clips);
}

static void
read_csv (
    ReportEvaluation *e, const gchar *path, void (*read) (ReportEvaluation *, const gchar *, Csv *))
{
  Csv csv = { .file = g_fopen (path, "rb"), .next_line = 1 };

  if (!csv.file) {
    problem (e, path, g_strerror (errno));
    return;
  }
  csv.text = g_string_new (NULL);
  csv.fields = g_array_new (FALSE, FALSE, sizeof (gsize));
  read (e, path, &csv);
  if (ferror (csv.file))
    problem (e, path, "it could not be read to its end");
  fclose (csv.file);
  g_string_free (csv.text, TRUE);
  g_array_unref (csv.fields);
}

static void
clear_wrong (gpointer data)
{
  ReportWrong *wrong = data;

  g_free (wrong->path);
  g_free (wrong->clip);
  g_free (wrong->label);
  g_free (wrong->prediction);
  g_free (wrong->place.path);
  for (guint i = 0; i < CNN3D_REPORT_FRAMES; i++)
    g_bytes_unref (wrong->place.frames[i]);
  g_free (wrong->place.problem);
  g_free (wrong->place.keypoints);
  g_free (wrong->place.no_points);
}

/* Without predictions, takes the matrix from the metrics. */
static void
take_confusion (ReportEvaluation *e)
{
  JsonObject *metrics = json_node_get_object (e->metrics);
  JsonArray *classes = report_json_array (metrics, "classes");
  const guint n = classes ? json_array_get_length (classes) : 0;
  g_auto (GStrv) names = NULL;

  if (n == 0 || n > MOST_MATRIX)
    return;
  names = g_new0 (gchar *, n + 1);
  for (guint i = 0; i < n; i++) {
    JsonNode *one = json_array_get_element (classes, i);
    const gchar *name = JSON_NODE_HOLDS_OBJECT (one)
        ? report_json_string (json_node_get_object (one), "name")
        : NULL;

    names[i] = name ? g_strdup (name) : g_strdup_printf ("%u", i);
  }
  e->confusion = report_matrix_read (metrics, "confusion", names);
}

ReportEvaluation *
report_evaluation_read (const gchar *folder, const gchar *name)
{
  g_autofree gchar *metrics = g_build_filename (folder, "metrics.json", NULL);
  g_autofree gchar *predictions = g_build_filename (folder, "predictions.csv", NULL);
  g_autofree gchar *wrong = g_build_filename (folder, "wrong.csv", NULL);
  const gboolean has_metrics = g_file_test (metrics, G_FILE_TEST_IS_REGULAR);
  const gboolean has_predictions = g_file_test (predictions, G_FILE_TEST_IS_REGULAR);
  ReportEvaluation *e;

  if (!has_metrics && !has_predictions)
    return NULL;
  e = g_new0 (ReportEvaluation, 1);
  e->folder = g_strdup (name);
  e->wrong = g_array_new (FALSE, FALSE, sizeof (ReportWrong));
  g_array_set_clear_func (e->wrong, clear_wrong);
  e->problems = g_ptr_array_new_with_free_func (g_free);
  if (has_metrics)
    read_metrics (e, metrics);
  if (has_predictions)
    read_csv (e, predictions, read_rows);
  if (e->wrong->len && g_file_test (wrong, G_FILE_TEST_IS_REGULAR))
    read_csv (e, wrong, read_places);
  if (e->metrics && !e->predictions)
    take_confusion (e);
  return e;
}

void
report_evaluation_free (ReportEvaluation *e)
{
  if (!e)
    return;
  g_free (e->folder);
  g_clear_pointer (&e->metrics, json_node_unref);
  report_matrix_free (e->confusion);
  g_free (e->first_bad);
  g_free (e->no_frames);
  g_free (e->keypoints.skeleton);
  g_array_unref (e->wrong);
  g_ptr_array_unref (e->problems);
  g_free (e);
}
