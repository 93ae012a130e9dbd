/* trainreport.c: cnn3dtrain's messages, on the bus and in its log.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainreport.h"

#include "elementreport.h"
#include "src/escape.h"
#include "src/bytes.h"

static void
report_left_out (GstElement *element, const gchar *pretrained, const gchar *const *names)
{
  GstStructure *s = gst_structure_new_empty ("cnn3dtrain-left-out");
  GValue array = G_VALUE_INIT, name = G_VALUE_INIT;
  gchar *list, *shown, *path;
  guint i;

  g_value_init (&array, GST_TYPE_ARRAY);
  for (i = 0; names[i]; i++) {
    g_value_init (&name, G_TYPE_STRING);
    g_value_set_string (&name, names[i]);
    gst_value_array_append_and_take_value (&array, &name);
  }
  gst_structure_take_value (s, "names", &array);
  element_set_strings (s, "name-list", names);
  element_post (element, s);

  list = g_strjoinv (", ", (gchar **) names);
  shown = cnn3d_escape (list, FALSE);
  path = cnn3d_escape (pretrained ? pretrained : "", FALSE);
  GST_ELEMENT_WARNING (element, RESOURCE, READ,
      ("Weights of %s that were left out: %s.", path, shown),
      ("parameters that are not in the file keep their initial values"));
  g_free (path);
  g_free (shown);
  g_free (list);
}

void
train_report_plan (
    GstElement *element, const Cnn3dTrainer *trainer, const Cnn3dTrainerParams *params, guint batch)
{
  const gchar *const *left_out = cnn3d_trainer_left_out (trainer);
  const gchar *device = cnn3d_trainer_device (trainer);
  Cnn3dPrecision precision = cnn3d_trainer_precision (trainer);
  Cnn3dMemory memory;

  cnn3d_trainer_memory (trainer, &memory);
  element_post (element,
      gst_structure_new ("cnn3dtrain-plan", "predicted-bytes", G_TYPE_UINT64,
          (guint64) memory.total, "context-bytes", G_TYPE_UINT64, (guint64) memory.context,
          "context-source", G_TYPE_STRING, cnn3d_trainer_context_source (trainer), "budget-bytes",
          G_TYPE_UINT64, cnn3d_trainer_budget (trainer), "weights-bytes", G_TYPE_UINT64,
          (guint64) memory.weights + memory.copy, "gradients-bytes", G_TYPE_UINT64,
          (guint64) memory.gradients, "input-bytes", G_TYPE_UINT64, (guint64) memory.input,
          "optimizer-bytes", G_TYPE_UINT64, (guint64) memory.optimizer, "arena-bytes",
          G_TYPE_UINT64, (guint64) memory.arena, "workspace-bytes", G_TYPE_UINT64,
          (guint64) memory.workspace, "exchange-bytes", G_TYPE_UINT64, (guint64) memory.exchange,
          "store-bytes", G_TYPE_UINT64, (guint64) memory.store, "batch", G_TYPE_UINT, batch,
          "micro-batch", G_TYPE_UINT, cnn3d_trainer_micro_batch (trainer), "validation-batch",
          G_TYPE_UINT, cnn3d_trainer_evaluation_batch (trainer), "accumulate-grad-batches",
          G_TYPE_UINT, params->accumulate, "recompute", G_TYPE_STRING,
          cnn3d_choice_name (&cnn3d_recomputes, cnn3d_trainer_recompute (trainer)), "device",
          G_TYPE_STRING, device, "precision", G_TYPE_STRING,
          cnn3d_choice_name (&cnn3d_precisions, precision), "threads", G_TYPE_UINT,
          params->threads ? params->threads : g_get_num_processors (), "convolution", G_TYPE_STRING,
          cnn3d_choice_name (&cnn3d_convolutions, params->convolution), NULL));

  if (precision != params->precision)
    element_report_info (element, "%s computes in %s where precision=%s was asked for.", device,
        cnn3d_choice_name (&cnn3d_precisions, precision),
        cnn3d_choice_name (&cnn3d_precisions, params->precision));
  element_report_slice (element, device, cnn3d_trainer_evaluation_batch (trainer),
      cnn3d_trainer_evaluation_slice (trainer));
  if (cnn3d_trainer_passed_over (trainer))
    GST_ELEMENT_WARNING (element, RESOURCE, SETTINGS,
        ("device=auto uses %s, because the GPU of this machine cannot be used: %s", device,
            cnn3d_trainer_passed_over (trainer)),
        (NULL));
  if (cnn3d_trainer_prefix (trainer)) {
    gchar *path = cnn3d_escape (params->pretrained, FALSE);
    gchar *prefix = cnn3d_escape (cnn3d_trainer_prefix (trainer), FALSE);

    element_report_info (
        element, "Weights of %s are those whose names begin with '%s'.", path, prefix);
    g_free (prefix);
    g_free (path);
  }
  if (left_out && left_out[0])
    report_left_out (element, params->pretrained, left_out);
}

void
train_report_memory (GstElement *element, TrainLog *log, guint64 memory, guint64 budget)
{
  gchar *used = cnn3d_format_bytes (memory);
  gchar *there = cnn3d_format_bytes (budget);
  gchar *text = g_strdup_printf ("Memory in use, %s, is %.0f %% of the %s available: a smaller "
                                 "max-memory with recompute=auto or auto-fit=true takes less.",
      used, 100.0 * memory / budget, there);

  GST_ELEMENT_WARNING (element, RESOURCE, NO_SPACE_LEFT, ("%s", text), (NULL));
  train_log_warning (log, text);
  g_free (text);
  g_free (there);
  g_free (used);
}

void
train_report_unrecorded (GstElement *element, TrainLog *log, const gchar *text)
{
  element_report_warning (element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, text);
  train_log_warning (log, text);
}

void
train_report_step (GstElement *element, TrainLog *log, const Cnn3dProgress *progress,
    gdouble clips_per_second, guint64 memory, guint64 budget, const Cnn3dDevicePasses *passes)
{
  GstStructure *s = gst_structure_new ("cnn3dtrain-step", "epoch", G_TYPE_UINT, progress->epoch,
      "step", G_TYPE_UINT64, progress->step, "clips", G_TYPE_UINT64, progress->clips, "loss",
      G_TYPE_DOUBLE, progress->loss, "accuracy", G_TYPE_DOUBLE, progress->accuracy, "lr",
      G_TYPE_DOUBLE, progress->lr, "loss-scale", G_TYPE_DOUBLE, progress->loss_scale, "skipped",
      G_TYPE_BOOLEAN, progress->skipped, "steps-skipped", G_TYPE_UINT64, progress->steps_skipped,
      "clips-per-second", G_TYPE_DOUBLE, clips_per_second, "memory-bytes", G_TYPE_UINT64, memory,
      "memory-share", G_TYPE_DOUBLE, budget ? (gdouble) memory / budget : 0.0, NULL);

  if (passes)
    element_set_passes (s, passes);
  train_log_step (log, progress, clips_per_second, memory, budget);
  element_post (element, s);
}

void
train_report_pass (GstElement *element, TrainLog *log, const Cnn3dPassResult *result, guint classes,
    gdouble seconds, gdouble lr, gdouble clips_per_second, guint64 memory)
{
  GstStructure *s;

  train_log_pass (log, result, seconds, lr, clips_per_second, memory);
  s = gst_structure_new (result->training ? "cnn3dtrain-epoch" : "cnn3dtrain-validation", "epoch",
      G_TYPE_UINT, result->epoch, "loss", G_TYPE_DOUBLE, result->loss, "accuracy", G_TYPE_DOUBLE,
      result->accuracy, "clips", G_TYPE_UINT64, result->clips, "seconds", G_TYPE_DOUBLE, seconds,
      NULL);
  if (result->training)
    gst_structure_set (s, "lr", G_TYPE_DOUBLE, lr, NULL);
  else
    gst_structure_set (s, "best", G_TYPE_BOOLEAN, result->improved, "recall", G_TYPE_DOUBLE,
        result->recall, "f1", G_TYPE_DOUBLE, result->f1, NULL);
  if (result->class_accuracy)
    element_set_numbers (s, "class-accuracy", result->class_accuracy, classes);
  element_post (element, s);
}

void
train_report_checkpoint (GstElement *element, TrainLog *log, const gchar *path, gboolean best)
{
  /* a structure's strings are UTF-8, a path may not be */
  gchar *shown = g_filename_display_name (path);

  train_log_checkpoint (log, path, best);
  element_post (element,
      gst_structure_new ("cnn3dtrain-checkpoint", "path", G_TYPE_STRING, shown, "best",
          G_TYPE_BOOLEAN, best, NULL));
  g_free (shown);
}

void
train_report_resumed (GstElement *element, guint64 position)
{
  element_post (
      element, gst_structure_new ("cnn3dtrain-resumed", "position", G_TYPE_UINT64, position, NULL));
}

void
train_report_finished (GstElement *element, TrainLog *log, guint epoch, const gchar *reason)
{
  train_log_finished (log, reason);
  element_post (element,
      gst_structure_new ("cnn3dtrain-finished", "epoch", G_TYPE_UINT, epoch, "reason",
          G_TYPE_STRING, reason, NULL));
}
