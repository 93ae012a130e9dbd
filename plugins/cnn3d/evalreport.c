/* evalreport.c: cnn3deval's messages and result files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evalrun-private.h"

#include <math.h>

#include "elementreport.h"

#include "src/format.h"

void
eval_run_report_plan (EvalRun *self)
{
  const Cnn3dModelInfo *info = self->info;
  const gchar *device = cnn3d_predictor_device (self->predictor);
  const Cnn3dPrecision is = cnn3d_predictor_precision (self->predictor);
  const Cnn3dPrecision asked = self->settings.precision == CNN3D_PRECISION_AUTO
      ? info->precision
      : (Cnn3dPrecision) self->settings.precision;
  guint chunk = cnn3d_predictor_chunk (self->predictor);
  gchar *shown = g_filename_display_name (self->settings.model);
  Cnn3dMemory memory;

  cnn3d_predictor_memory (self->predictor, &memory);
  GST_OBJECT_LOCK (self->element);
  self->metrics->predicted = memory.total;
  GST_OBJECT_UNLOCK (self->element);
  element_post (self->element,
      gst_structure_new ("cnn3deval-plan", "model", G_TYPE_STRING, shown, "network", G_TYPE_STRING,
          info->network.model, "predicted-bytes", G_TYPE_UINT64, (guint64) memory.total,
          "context-bytes", G_TYPE_UINT64, (guint64) memory.context, "context-source", G_TYPE_STRING,
          cnn3d_predictor_context_source (self->predictor), "weights-bytes", G_TYPE_UINT64,
          (guint64) memory.weights + memory.copy, "input-bytes", G_TYPE_UINT64,
          (guint64) memory.input, "arena-bytes", G_TYPE_UINT64, (guint64) memory.arena, "batch",
          G_TYPE_UINT, self->max_clips, "chunk", G_TYPE_UINT, chunk, "device", G_TYPE_STRING,
          device, "precision", G_TYPE_STRING, cnn3d_choice_name (&cnn3d_precisions, is), "threads",
          G_TYPE_UINT,
          self->settings.threads ? (guint) self->settings.threads : g_get_num_processors (),
          "convolution", G_TYPE_STRING,
          cnn3d_choice_name (&cnn3d_convolutions, self->settings.convolution), NULL));

  if (is != asked)
    element_report_info (self->element, "%s computes in %s where precision=%s was asked for.",
        device, cnn3d_choice_name (&cnn3d_precisions, is),
        cnn3d_choice_name (&cnn3d_precisions, asked));
  element_report_slice (
      self->element, device, chunk, cnn3d_predictor_evaluation_slice (self->predictor));
  if (cnn3d_predictor_passed_over (self->predictor))
    GST_ELEMENT_WARNING (self->element, RESOURCE, SETTINGS,
        ("device=auto uses %s, because the GPU of this machine cannot be used: %s", device,
            cnn3d_predictor_passed_over (self->predictor)),
        (NULL));
  if (self->progress)
    progress_note (self->progress, "%s of %s, precision %s, on %s", info->network.model, shown,
        cnn3d_choice_name (&cnn3d_precisions, is), device);
  g_free (shown);
}

static void
append_share (GString *line, const gchar *name, gdouble value)
{
  if (isfinite (value))
    cnn3d_string_append_printf (line, "  %s %.1f %%", name, 100 * value);
}

static void
add_views (EvalRun *self, Cnn3dMetrics *m)
{
  guint v;

  for (v = 0; self->view_predictions && self->info->views[v]; v++)
    cnn3d_metrics_add_view (m, self->info->views[v], self->view_predictions[v]);
}

/* Of each view alone; one that is missing in all clips has none. */
static void
append_views (GString *line, const Cnn3dMetrics *m)
{
  for (guint v = 0; v < m->n_views; v++) {
    g_string_append_printf (line, "%s%s ", v ? ", " : " (", m->views[v].name);
    if (m->views[v].videos)
      cnn3d_string_append_printf (line, "%.1f %%", 100 * m->views[v].accuracy);
    else
      g_string_append (line, "missing");
  }
  if (m->n_views)
    g_string_append_c (line, ')');
}

/* The accuracy of each view alone, and the number of its videos. */
static void
set_views (GstStructure *s, const Cnn3dMetrics *m, gchar **names)
{
  gdouble *accuracy = g_new (gdouble, m->n_views), *videos = g_new (gdouble, m->n_views);
  guint v;

  for (v = 0; v < m->n_views; v++) {
    accuracy[v] = m->views[v].accuracy;
    videos[v] = m->views[v].videos;
  }
  if (m->n_views) {
    element_set_strings (s, "views", (const gchar *const *) names);
    element_set_numbers (s, "accuracy-by-view", accuracy, m->n_views);
    element_set_numbers (s, "videos-by-view", videos, m->n_views);
  }
  g_free (accuracy);
  g_free (videos);
}

/* Metrics of the whole pass; those that are not defined are omitted. */
static void
show_result (EvalRun *self, const Cnn3dMetrics *m, gboolean complete, gdouble seconds)
{
  GString *line = g_string_new (complete ? "evaluated" : "cut short at");

  g_string_append_printf (line, " %" G_GUINT64_FORMAT " clips", m->clips);
  if (m->videos != m->clips)
    g_string_append_printf (line, " of %" G_GUINT64_FORMAT " videos", m->videos);
  if (self->skipped.count > 0)
    g_string_append_printf (line, ", skipped %" G_GUINT64_FORMAT, self->skipped.count);
  append_share (line, "accuracy", m->accuracy);
  append_views (line, m);
  if (m->num_classes > 5)
    append_share (line, "top-5", m->top5_accuracy);
  append_share (line, "precision", m->precision_macro);
  append_share (line, "recall", m->recall_macro);
  append_share (line, "F1", m->f1_macro);
  if (isfinite (m->auroc_macro))
    cnn3d_string_append_printf (line, "  AUROC %.4f", m->auroc_macro);
  if (isfinite (m->loss))
    cnn3d_string_append_printf (line, "  loss %.4g", m->loss);
  if (seconds > 0)
    cnn3d_string_append_printf (line, "  %.3g clips/s", m->clips / seconds);
  progress_note (self->progress, "%s", line->str);
  g_string_free (line, TRUE);
}

/* Adds how passes were started, and warns once if some cannot be recorded. */
static void
report_passes (EvalRun *self, GstStructure *s)
{
  Cnn3dDevicePasses passes;
  gchar *text;

  if (!self->predictor || !cnn3d_predictor_passes (self->predictor, &passes))
    return;
  element_set_passes (s, &passes);
  text = element_unrecorded_text (cnn3d_predictor_device (self->predictor), &passes);
  if (text && !self->unrecorded_warned) {
    self->unrecorded_warned = TRUE;
    element_report_warning (self->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, text);
  }
  g_free (text);
}

gboolean
eval_run_report_result (EvalRun *self, gboolean complete, GError **error)
{
  const gdouble seconds = (g_get_monotonic_time () - self->pass_began) / (gdouble) G_USEC_PER_SEC;
  Cnn3dClipKeypoints read;
  GstClipKeypoints is;
  GstStructure *s;
  gboolean written;
  Cnn3dMetrics m;

  cnn3d_predictions_measure (self->predictions, &m);
  add_views (self, &m);
  if (self->layout.points && self->keypoints
      && gst_event_parse_clip_keypoints (self->keypoints, &is)) {
    read = (Cnn3dClipKeypoints) { is.skeleton, is.persons, is.coordinates, is.first_frame };
    m.keypoints = &read;
  }
  GST_OBJECT_LOCK (self->element);
  self->metrics->accuracy = m.accuracy;
  self->metrics->top5_accuracy = m.top5_accuracy;
  self->metrics->f1 = m.f1_macro;
  self->metrics->auroc = m.auroc_macro;
  self->metrics->loss = m.loss;
  self->metrics->clips = m.clips;
  GST_OBJECT_UNLOCK (self->element);
  s = gst_structure_new ("cnn3deval-result", "epoch", G_TYPE_UINT, self->pass.epoch, "training",
      G_TYPE_BOOLEAN, self->announced && self->pass.training, "complete", G_TYPE_BOOLEAN, complete,
      "clips", G_TYPE_UINT64, m.clips, "videos", G_TYPE_UINT64, m.videos, "skipped", G_TYPE_UINT64,
      self->skipped.count, "accuracy", G_TYPE_DOUBLE, m.accuracy, "view-accuracy", G_TYPE_DOUBLE,
      m.clip_accuracy, "top5-accuracy", G_TYPE_DOUBLE, m.top5_accuracy, "precision", G_TYPE_DOUBLE,
      m.precision_macro, "recall", G_TYPE_DOUBLE, m.recall_macro, "f1", G_TYPE_DOUBLE, m.f1_macro,
      "auroc", G_TYPE_DOUBLE, m.auroc_macro, "loss", G_TYPE_DOUBLE, m.loss, "seconds",
      G_TYPE_DOUBLE, seconds, NULL);
  set_views (s, &m, self->info->views);
  report_passes (self, s);
  element_post (self->element, s);
  if (self->progress)
    show_result (self, &m, complete, seconds);
  written = !self->settings.output_dir
      || cnn3d_results_write (self->settings.output_dir, self->settings.model, self->info,
          self->predictions, &m, &self->skipped, complete, error);
  cnn3d_metrics_clear (&m);

  return written;
}
