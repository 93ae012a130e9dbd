/* results.c: writes the files of an evaluation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/evaluate/results.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "src/draw/confusion.h"
#include "src/address.h"
#include "src/csv.h"
#include "src/dataset/dataset.h"
#include "src/escape.h"
#include "src/model/atomicfile.h"
#include "src/secrets.h"

/* --- skipped clips --- */

static void
clear_skipped_clip (gpointer data)
{
  Cnn3dSkippedClip *clip = data;

  g_free (clip->path);
  g_free (clip->reason);
}

void
cnn3d_skipped_init (Cnn3dSkipped *skipped)
{
  skipped->count = 0;
  skipped->clips = g_array_new (FALSE, FALSE, sizeof (Cnn3dSkippedClip));
  g_array_set_clear_func (skipped->clips, clear_skipped_clip);
}

void
cnn3d_skipped_add (Cnn3dSkipped *skipped, const gchar *path, const gchar *reason)
{
  if (skipped->clips->len < CNN3D_MOST_SKIPPED) {
    const Cnn3dSkippedClip clip = { g_strdup (path), g_strdup (reason) };

    g_array_append_val (skipped->clips, clip);
  }
  skipped->count++;
}

void
cnn3d_skipped_clear (Cnn3dSkipped *skipped)
{
  skipped->count = 0;
  g_clear_pointer (&skipped->clips, g_array_unref);
}

/* A path as text; invalid UTF-8 is escaped. */
static gchar *
as_text (const gchar *path)
{
  return g_utf8_validate (path, -1, NULL) ? g_strdup (path) : cnn3d_escape (path, FALSE);
}

/* --- predictions.csv --- */

/* Appends a field, and the separator after it. */
static void
append_field (GString *line, const gchar *text, gchar after)
{
  cnn3d_csv_field (line, text);
  g_string_append_c (line, after);
}

/* The same for people to read: control characters are escaped, passwords left out. */
static void
append_shown (GString *line, const gchar *text, gchar after)
{
  g_autofree gchar *kept = cnn3d_without_passwords (text), *shown = cnn3d_escape (kept, FALSE);

  append_field (line, shown, after);
}

static void
append_prediction (GString *line, const Cnn3dPrediction *p, const Cnn3dModelInfo *info)
{
  const guint n = info->network.num_classes;
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  append_shown (line, p->path ? p->path : "", ',');
  g_string_append_printf (line, "%" G_GUINT64_FORMAT ",", p->clip);
  append_shown (line, p->label >= 0 && (guint) p->label < n ? info->classes[p->label] : "", ',');
  append_shown (line, info->classes[p->prediction], ',');
  /* 17 digits: exact */
  for (guint i = 0; i < n; i++) {
    g_string_append (line, g_ascii_formatd (number, sizeof number, "%.17g", p->probabilities[i]));
    g_string_append_c (line, i + 1 < n ? ',' : '\n');
  }
}

static gboolean
write_predictions (const gchar *path, const Cnn3dModelInfo *info,
    const Cnn3dPredictions *predictions, GError **error)
{
  g_autoptr (Cnn3dAtomicFile) file = cnn3d_atomic_file_new (path, error);
  GString *line = g_string_new ("path,clip,label,prediction,");
  const guint n = info->network.num_classes;
  gboolean ok = file != NULL;

  for (guint i = 0; i < n; i++)
    append_shown (line, info->classes[i], i + 1 < n ? ',' : '\n');
  ok = ok && cnn3d_atomic_file_write (file, line->str, line->len, error);
  for (guint64 i = 0; ok && i < cnn3d_predictions_count (predictions); i++) {
    g_string_truncate (line, 0);
    append_prediction (line, cnn3d_predictions_nth (predictions, i), info);
    ok = cnn3d_atomic_file_write (file, line->str, line->len, error);
  }
  g_string_free (line, TRUE);

  return ok && cnn3d_atomic_file_finish (file, error);
}

/* --- wrong.csv --- */

/* An address, which any file's name fits in; what has none is left as it is. */
static gchar *
as_address (const gchar *file)
{
  g_autofree gchar *absolute =
      cnn3d_is_address (file) ? NULL : g_canonicalize_filename (file, NULL);
  gchar *address = absolute ? g_filename_to_uri (absolute, NULL, NULL) : NULL;

  return address ? address : cnn3d_escape (file, FALSE);
}

static void
append_seconds (GString *line, gdouble value, gboolean known)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  if (known)
    g_string_append (line, g_ascii_dtostr (number, sizeof number, value));
  g_string_append_c (line, ',');
}

/* Which columns a manifest has after the first ones. */
typedef struct {
  gboolean views, keypoints;
} WrongColumns;

static gboolean
is_wrong (const Cnn3dPrediction *p, const Cnn3dModelInfo *info)
{
  return p->n_files > 0 && p->label >= 0 && (guint) p->label < info->network.num_classes
      && (guint) p->label != p->prediction;
}

static WrongColumns
find_columns (const Cnn3dModelInfo *info, const Cnn3dPredictions *predictions)
{
  WrongColumns columns = { info->views != NULL, FALSE };

  for (guint64 i = 0; !columns.keypoints && i < cnn3d_predictions_count (predictions); i++) {
    const Cnn3dPrediction *p = cnn3d_predictions_nth (predictions, i);

    for (guint k = 0; k < p->n_files && is_wrong (p, info); k++)
      columns.keypoints |= p->files[k].keypoints != NULL;
  }
  return columns;
}

static void
append_wrong (GString *line, const Cnn3dPrediction *p, const Cnn3dClipFile *file,
    const Cnn3dModelInfo *info, WrongColumns columns)
{
  /* what clipsrc would take for pictures */
  const gboolean pictures =
      strchr (file->path, '%') || g_file_test (file->path, G_FILE_TEST_IS_DIR);
  g_autofree gchar *address = as_address (file->path),
                   *keypoints = file->keypoints ? as_address (file->keypoints) : NULL;

  cnn3d_csv_path (line, address);
  g_string_append_c (line, ',');
  cnn3d_manifest_label (line, info->classes[p->label], address);
  g_string_append_c (line, ',');
  append_seconds (line, file->start, file->start > 0);
  append_seconds (line, file->end, isfinite (file->end));
  append_seconds (line, file->fps, pictures && file->fps > 0);
  g_string_append_printf (line, "%" G_GUINT64_FORMAT ",", p->clip);
  cnn3d_csv_field (line, info->classes[p->prediction]);
  if (columns.views) {
    g_string_append_c (line, ',');
    append_field (line, file->group ? file->group : "", ',');
    cnn3d_csv_field (line, info->views[file->view]);
  }
  if (columns.keypoints) {
    g_string_append_c (line, ',');
    if (keypoints)
      cnn3d_csv_path (line, keypoints);
  }
  g_string_append_c (line, '\n');
}

/* A manifest that clipsrc takes: `clip` and `prediction` are columns that it does not know. Of
 * views, each has a row. */
static gboolean
write_wrong (const gchar *path, const Cnn3dModelInfo *info, const Cnn3dPredictions *predictions,
    GError **error)
{
  const WrongColumns columns = find_columns (info, predictions);
  g_autoptr (Cnn3dAtomicFile) file = cnn3d_atomic_file_new (path, error);
  GString *line = g_string_new ("path,label,start,end,fps,clip,prediction");
  gboolean ok;

  g_string_append_printf (
      line, "%s%s\n", columns.views ? ",group,view" : "", columns.keypoints ? ",keypoints" : "");
  ok = file && cnn3d_atomic_file_write (file, line->str, line->len, error);
  for (guint64 i = 0; ok && i < cnn3d_predictions_count (predictions); i++) {
    const Cnn3dPrediction *p = cnn3d_predictions_nth (predictions, i);

    if (!is_wrong (p, info))
      continue;
    g_string_truncate (line, 0);
    for (guint k = 0; k < p->n_files; k++)
      append_wrong (line, p, &p->files[k], info, columns);
    ok = cnn3d_atomic_file_write (file, line->str, line->len, error);
  }
  g_string_free (line, TRUE);

  return ok && cnn3d_atomic_file_finish (file, error);
}

/* --- metrics.json --- */

/* JSON has no NaN. */
static void
add_number (JsonBuilder *b, const gchar *name, gdouble value)
{
  json_builder_set_member_name (b, name);
  if (isfinite (value))
    json_builder_add_double_value (b, value);
  else
    json_builder_add_null_value (b);
}

static void
add_count (JsonBuilder *b, const gchar *name, guint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, (gint64) value);
}

static void
add_string (JsonBuilder *b, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, value);
}

static void
add_classes (JsonBuilder *b, const Cnn3dModelInfo *info, const Cnn3dMetrics *m)
{
  json_builder_set_member_name (b, "classes");
  json_builder_begin_array (b);
  for (guint i = 0; i < m->num_classes; i++) {
    const Cnn3dClassMetrics *c = &m->classes[i];

    json_builder_begin_object (b);
    add_string (b, "name", info->classes[i]);
    add_count (b, "support", c->support);
    add_number (b, "precision", c->precision);
    add_number (b, "recall", c->recall);
    add_number (b, "f1", c->f1);
    add_number (b, "auroc", c->auroc);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static void
add_confusion (JsonBuilder *b, const Cnn3dMetrics *m)
{
  const guint n = m->num_classes;

  json_builder_set_member_name (b, "confusion");
  if (!m->confusion) {
    json_builder_add_null_value (b);
    return;
  }
  json_builder_begin_array (b);
  for (guint i = 0; i < n; i++) {
    json_builder_begin_array (b);
    for (guint k = 0; k < n; k++)
      json_builder_add_int_value (b, (gint64) m->confusion[(gsize) i * n + k]);
    json_builder_end_array (b);
  }
  json_builder_end_array (b);
}

static void
add_skipped (JsonBuilder *b, const Cnn3dSkipped *skipped)
{
  add_count (b, "skipped", skipped->count);
  json_builder_set_member_name (b, "skipped-clips");
  json_builder_begin_array (b);
  for (guint i = 0; i < skipped->clips->len; i++) {
    const Cnn3dSkippedClip *clip = &g_array_index (skipped->clips, Cnn3dSkippedClip, i);
    g_autofree gchar *path = cnn3d_without_passwords (clip->path);
    g_autofree gchar *reason = cnn3d_without_passwords (clip->reason);

    json_builder_begin_object (b);
    add_string (b, "path", path);
    add_string (b, "reason", reason);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

/* Each view by itself. */
static void
add_views (JsonBuilder *b, const Cnn3dMetrics *m)
{
  if (m->n_views == 0)
    return;
  json_builder_set_member_name (b, "views");
  json_builder_begin_array (b);
  for (guint i = 0; i < m->n_views; i++) {
    json_builder_begin_object (b);
    add_string (b, "name", m->views[i].name);
    add_count (b, "videos", m->views[i].videos);
    add_number (b, "accuracy", m->views[i].accuracy);
    add_number (b, "f1-macro", m->views[i].f1_macro);
    add_number (b, "loss", m->views[i].loss);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static void
add_keypoints (JsonBuilder *b, const Cnn3dMetrics *m)
{
  if (!m->keypoints)
    return;
  json_builder_set_member_name (b, "keypoints");
  json_builder_begin_object (b);
  add_string (b, "skeleton", m->keypoints->skeleton);
  add_count (b, "persons", m->keypoints->persons);
  add_string (b, "coordinates", m->keypoints->coordinates);
  add_count (b, "first-frame", m->keypoints->first_frame);
  json_builder_end_object (b);
}

static gboolean
write_metrics (const gchar *path, const gchar *model, const Cnn3dModelInfo *info,
    const Cnn3dMetrics *m, const Cnn3dSkipped *skipped, gboolean complete, GError **error)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree gchar *name = as_text (model), *text = NULL;

  json_builder_begin_object (b);
  add_string (b, "model", name);
  add_string (b, "network", info->network.model);
  json_builder_set_member_name (b, "complete");
  json_builder_add_boolean_value (b, complete);
  add_count (b, "clips", m->clips);
  add_count (b, "videos", m->videos);
  add_number (b, "accuracy", m->accuracy);
  add_number (b, "view-accuracy", m->clip_accuracy);
  add_number (b, "top5-accuracy", m->top5_accuracy);
  add_number (b, "loss", m->loss);
  add_number (b, "precision-macro", m->precision_macro);
  add_number (b, "recall-macro", m->recall_macro);
  add_number (b, "f1-macro", m->f1_macro);
  add_number (b, "auroc-macro", m->auroc_macro);
  add_views (b, m);
  add_keypoints (b, m);
  add_skipped (b, skipped);
  add_classes (b, info, m);
  add_confusion (b, m);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  text = json_to_string (root, FALSE);

  return cnn3d_atomic_file_set_contents (path, text, -1, error);
}

/* --- pictures --- */

static gboolean
write_confusion (const gchar *png_path, const gchar *svg_path, const Cnn3dModelInfo *info,
    const Cnn3dMetrics *m, GError **error)
{
  const gchar *const *names = (const gchar *const *) info->classes;
  g_autoptr (GBytes) png = NULL;
  g_autofree gchar *svg = NULL;
  GError *reason = NULL;
  gsize size = 0;
  const gchar *data;

  if (!m->confusion)
    return TRUE;
  if ((png = cnn3d_confusion_png (m->confusion, names, m->num_classes, &reason)))
    svg = cnn3d_confusion_svg (m->confusion, names, m->num_classes, &reason);
  if (!svg) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s cannot be drawn: %s",
        png ? svg_path : png_path, reason->message);
    g_error_free (reason);
    return FALSE;
  }
  data = g_bytes_get_data (png, &size);

  return cnn3d_atomic_file_set_contents (png_path, data, size, error)
      && cnn3d_atomic_file_set_contents (svg_path, svg, -1, error);
}

gboolean
cnn3d_results_clear (const gchar *dir, GError **error)
{
  /* the figures first: predictions without them are no result */
  static const gchar *const names[] = { "metrics.json", "predictions.csv", "wrong.csv",
    "confusion.png", "confusion.svg" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree gchar *path = g_build_filename (dir, names[i], NULL);

    if (g_unlink (path) < 0 && errno != ENOENT) {
      const gint number = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number),
          "%s of an earlier evaluation cannot be removed: %s", path, g_strerror (number));
      return FALSE;
    }
  }

  return TRUE;
}

gboolean
cnn3d_results_write (const gchar *dir, const gchar *model, const Cnn3dModelInfo *info,
    const Cnn3dPredictions *predictions, const Cnn3dMetrics *metrics, const Cnn3dSkipped *skipped,
    gboolean complete, GError **error)
{
  g_autofree gchar *csv = g_build_filename (dir, "predictions.csv", NULL);
  g_autofree gchar *wrong = g_build_filename (dir, "wrong.csv", NULL);
  g_autofree gchar *png = g_build_filename (dir, "confusion.png", NULL);
  g_autofree gchar *svg = g_build_filename (dir, "confusion.svg", NULL);
  g_autofree gchar *json = g_build_filename (dir, "metrics.json", NULL);

  if (g_mkdir_with_parents (dir, 0777) < 0) {
    const gint number = errno;

    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number), "%s cannot be created: %s", dir,
        g_strerror (number));
    return FALSE;
  }

  return cnn3d_results_clear (dir, error) && write_predictions (csv, info, predictions, error)
      && write_wrong (wrong, info, predictions, error)
      && write_confusion (png, svg, info, metrics, error)
      && write_metrics (json, model, info, metrics, skipped, complete, error);
}
