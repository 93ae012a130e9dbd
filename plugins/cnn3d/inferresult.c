/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferresult.h"

#include "elementreport.h"

#include <string.h>

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

/* --- averages --- */

void
infer_average_reset (InferAverage *average, guint num_classes, guint most)
{
  if (average->num_classes != num_classes || average->most != most) {
    infer_average_clear (average);
    average->windows = g_new (gdouble, (gsize) most * num_classes);
    average->num_classes = num_classes;
    average->most = most;
  }
  average->count = average->at = 0;
}

void
infer_average_clear (InferAverage *average)
{
  g_free (average->windows);
  memset (average, 0, sizeof *average);
}

void
infer_average_add (InferAverage *average, gdouble *probabilities)
{
  const guint n = average->num_classes;

  memcpy (average->windows + (gsize) average->at * n, probabilities, n * sizeof *probabilities);
  average->at = (average->at + 1) % average->most;
  average->count = MIN (average->count + 1, average->most);
  if (average->count == 1)
    return;
  memset (probabilities, 0, n * sizeof *probabilities);
  /* from the oldest to the newest, so that the sum is reproducible */
  for (guint i = average->most - average->count; i < average->most; i++) {
    const gdouble *window = average->windows + (gsize) ((average->at + i) % average->most) * n;

    for (guint c = 0; c < n; c++)
      probabilities[c] += window[c];
  }
  for (guint c = 0; c < n; c++)
    probabilities[c] /= average->count;
}

/* --- results --- */

static void
set_probabilities (GstStructure *structure, const gdouble *probabilities, guint n)
{
  GValue array = G_VALUE_INIT, value = G_VALUE_INIT;

  gst_value_array_init (&array, n);
  g_value_init (&value, G_TYPE_DOUBLE);
  for (guint i = 0; i < n; i++) {
    g_value_set_double (&value, probabilities[i]);
    gst_value_array_append_value (&array, &value);
  }
  gst_structure_take_value (structure, "probabilities", &array);
  element_set_numbers (structure, "probability-list", probabilities, n);
}

static GstMemory *
make_text (const gchar *shown, gdouble score)
{
  gchar *text = g_strdup_printf ("%s %.0f %%", shown, 100 * score);
  gsize size = strlen (text);

  return gst_memory_new_wrapped (GST_MEMORY_FLAG_READONLY, text, size, 0, size, text, g_free);
}

InferResult *
infer_result_new (const InferJob *job, const gdouble *probabilities, gdouble threshold,
    guint64 dropped, GstClockTime took)
{
  const InferModel *model = job->model;
  InferResult *result = g_atomic_rc_box_new0 (InferResult);
  /* a structure's strings are UTF-8, a path may not be */
  gchar *path = g_filename_display_name (model->settings.path);
  guint best = 0;

  for (guint i = 1; i < model->num_classes; i++)
    if (probabilities[i] > probabilities[best])
      best = i;
  result->score = probabilities[best];
  result->label = result->score < threshold ? -1 : (gint) best;
  result->structure = gst_structure_new ("cnn3dinfer-result", "label", G_TYPE_INT, result->label,
      "class", G_TYPE_STRING, result->label < 0 ? "" : model->info->classes[best], "score",
      G_TYPE_DOUBLE, result->score, "window", G_TYPE_UINT64, job->number, "windows-dropped",
      G_TYPE_UINT64, dropped, "first-pts", G_TYPE_UINT64, job->first.pts, "first-duration",
      G_TYPE_UINT64, job->first.duration, "first-running-time", G_TYPE_UINT64,
      job->first.running_time, "last-pts", G_TYPE_UINT64, job->last.pts, "last-duration",
      G_TYPE_UINT64, job->last.duration, "last-running-time", G_TYPE_UINT64, job->last.running_time,
      "inference-time", G_TYPE_UINT64, took, "model", G_TYPE_STRING, path, NULL);
  g_free (path);
  set_probabilities (result->structure, probabilities, model->num_classes);
  result->name = gst_structure_get_string (result->structure, "class");
  if (result->label >= 0)
    result->text = make_text (model->shown[best], result->score);

#ifdef HAVE_GST_ANALYTICS
  if (result->label >= 0) {
    result->num_classes = model->num_classes;
    result->levels = g_new (gfloat, model->num_classes);
    result->quarks = g_new (GQuark, model->num_classes);
    for (guint i = 0; i < model->num_classes; i++) {
      result->levels[i] = probabilities[i];
      result->quarks[i] = g_quark_from_string (model->info->classes[i]);
    }
  }
#endif

  return result;
}

static void
result_clear (gpointer data)
{
  InferResult *result = data;

  gst_structure_free (result->structure);
  g_clear_pointer (&result->text, gst_memory_unref);
  g_free (result->levels);
  g_free (result->quarks);
}

InferResult *
infer_result_ref (InferResult *result)
{
  return g_atomic_rc_box_acquire (result);
}

void
infer_result_unref (InferResult *result)
{
  g_atomic_rc_box_release_full (result, result_clear);
}

/* --- metas --- */

void
infer_result_register_meta (void)
{
  /* no tags: the meta is kept when a frame is scaled or converted */
  static const gchar *tags[] = { NULL };

  if (!gst_meta_get_info (INFER_RESULT_META))
    gst_meta_register_custom (INFER_RESULT_META, tags, NULL, NULL, NULL);
}

static gboolean
copy_field (GQuark name, const GValue *value, gpointer user)
{
  gst_structure_id_set_value (user, name, value);

  return TRUE;
}

void
infer_result_attach (const InferResult *result, GstBuffer *buffer, const gchar *element)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, INFER_RESULT_META);
  GstStructure *structure = gst_custom_meta_get_structure (meta);

  gst_structure_foreach (result->structure, copy_field, structure);
  gst_structure_set (structure, "element", G_TYPE_STRING, element, NULL);

#ifdef HAVE_GST_ANALYTICS
  if (result->num_classes) {
    GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
    GstAnalyticsClsMtd classification;

    if (!relations)
      relations = gst_buffer_add_analytics_relation_meta (buffer);
    gst_analytics_relation_meta_add_cls_mtd (
        relations, result->num_classes, result->levels, result->quarks, &classification);
  }
#endif
}
