/* evalrun.c: one run of cnn3deval.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evalrun-private.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "elementreport.h"
#include "tensorbatch.h"
#include "src/escape.h"
#include "src/evaluate/featuremaps.h"
#include "src/bytes.h"

GST_DEBUG_CATEGORY (cnn3d_eval_debug);
#define GST_CAT_DEFAULT cnn3d_eval_debug

#define NO_CLIP G_MAXUINT64

#define FIELD(field) G_STRUCT_OFFSET (EvalSettings, field)

static const SettingsField fields[] = {
  { "model", FIELD (model) },
  { "video-batch-size", FIELD (video_batch_size) },
  { "precision", FIELD (precision) },
  { "device", FIELD (device) },
  { "threads", FIELD (threads) },
  { "convolution", FIELD (convolution) },
  { "max-memory", FIELD (max_memory) },
  { "clips-per-video", FIELD (clips_per_video) },
  { "output-dir", FIELD (output_dir) },
  { "feature-maps", FIELD (feature_maps) },
  { "feature-layers", FIELD (feature_layers) },
  { "progress", FIELD (progress) },
};

const SettingsOf eval_settings = { "cnn3deval", fields, G_N_ELEMENTS (fields) };

void
eval_run_fail (EvalRun *self, GError *error, const gchar *about)
{
  element_report_error (self->element, error, about);
  self->flow = GST_FLOW_ERROR;
  g_error_free (error);
}

/* --- passes --- */

/* Removes the results of earlier passes from output-dir, so that they are not
 * mistaken for this pass's if it fails. FALSE on failure; an error is
 * posted. */
static gboolean
clear_results (EvalRun *self)
{
  GError *error = NULL;

  if (!self->settings.output_dir || cnn3d_results_clear (self->settings.output_dir, &error))
    return TRUE;

  /* ERRORS */
  eval_run_fail (self, error, NULL);

  return FALSE;
}

static guint
n_views (const EvalRun *self)
{
  return self->info->views ? g_strv_length (self->info->views) : 0;
}

static void
clear_view_predictions (EvalRun *self)
{
  for (guint v = 0; self->view_predictions && v < n_views (self); v++)
    cnn3d_predictions_free (self->view_predictions[v]);
  g_clear_pointer (&self->view_predictions, g_free);
  g_clear_pointer (&self->view_begun, g_free);
}

static void
begin_pass (EvalRun *self)
{
  const guint views = n_views (self);

  cnn3d_predictions_free (self->predictions);
  self->predictions = cnn3d_predictions_new (self->info->network.num_classes);
  clear_view_predictions (self);
  if (views) {
    self->view_predictions = g_new (Cnn3dPredictions *, views);
    self->view_begun = g_new0 (gboolean, views);
  }
  for (guint v = 0; v < views; v++)
    self->view_predictions[v] = cnn3d_predictions_new (self->info->network.num_classes);
  self->pass_open = TRUE;
  self->pass_began = g_get_monotonic_time ();
  self->clips = self->right = 0;
  cnn3d_skipped_clear (&self->skipped);
  cnn3d_skipped_init (&self->skipped);
  self->batches = self->part = 0;
  if (self->announced && self->pass.training && !self->training_warned) {
    self->training_warned = TRUE;
    GST_ELEMENT_WARNING (self->element, STREAM, FAILED,
        ("These are training clips, sampled and augmented at random: set clipsrc passes=val or "
         "passes=test to evaluate."),
        (NULL));
  }
  clear_results (self);
}

/* Clips of that many videos of the pass. */
static guint64
clips_of (const EvalRun *self, guint64 videos)
{
  return self->pass.training ? videos : videos * MAX (self->windows, 1);
}

/* A pass without clips has no metrics. */
static void
fail_empty (EvalRun *self, guint64 delivered)
{
  GString *text = g_string_new ("Nothing was evaluated: ");

  if (delivered > 0)
    g_string_append_printf (text,
        "of %" G_GUINT64_FORMAT " clips %" G_GUINT64_FORMAT
        " arrived, but no batch was full, and clipbatch drop-last=true drops the rest. Set "
        "batch-size to %" G_GUINT64_FORMAT " or less, or drop-last=false.",
        self->pass.clips, delivered, delivered);
  else if (self->skipped.count > 0)
    g_string_append_printf (text,
        "all %" G_GUINT64_FORMAT " clips were skipped. Repair the files or correct their paths.",
        self->skipped.count);
  else
    g_string_append (
        text, "the stream ended before its first batch. Check that upstream sends clips.");
  eval_run_fail (
      self, g_error_new_literal (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, text->str), NULL);
  g_string_free (text, TRUE);
}

static void
end_pass (EvalRun *self, gboolean complete)
{
  const guint n = self->settings.clips_per_video;
  GError *error = NULL;

  self->pass_open = FALSE;
  if (complete && n > 1 && self->clips % n)
    GST_ELEMENT_WARNING (self->element, STREAM, FORMAT,
        ("%" G_GUINT64_FORMAT
         " clips are not %u for each video: the last one has fewer, and after a skipped clip "
         "others have the wrong ones. clips-per-video=0 uses clip numbers.",
            self->clips, n),
        (NULL));
  if (!eval_run_report_result (self, complete, &error))
    eval_run_fail (self, error, "The results cannot be written");
}

/* The stream ended in the middle of a pass. */
static void
cut_short (EvalRun *self)
{
  gchar *of = self->pass.clips > 0
      ? g_strdup_printf (" of %" G_GUINT64_FORMAT, clips_of (self, self->pass.clips))
      : NULL;

  GST_ELEMENT_WARNING (self->element, STREAM, FAILED,
      ("The stream ended before its pass did: the metrics cover the %" G_GUINT64_FORMAT
       " clips%s that arrived, and are marked as incomplete.",
          self->clips, of ? of : ""),
      (NULL));
  g_free (of);
  end_pass (self, FALSE);
}

/* arrived: clips that clipsrc sent and clipbatch did not report as skipped. */
static void
end_announced (EvalRun *self, guint64 arrived, const GstClipEpochDone *done)
{
  if (self->clips < arrived)
    GST_ELEMENT_WARNING (self->element, STREAM, FAILED,
        ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
         " clips are not evaluated, and the metrics are marked as incomplete: they filled no "
         "batch, and clipbatch drop-last=true drops the rest. Set drop-last=false.",
            arrived - self->clips, arrived),
        (NULL));
  /* a pass entered in its middle delivers fewer clips */
  end_pass (self, done->delivered + done->skipped >= self->pass.clips && self->clips >= arrived);
}

static void
take_custom_event (EvalRun *self, GstEvent *event)
{
  GstClipEpochDone done;
  GstClipSkipped skipped;
  GstClipEpoch epoch;
  guint64 arrived;

  if (gst_event_parse_clip_epoch (event, &epoch)) {
    if (self->pass_open)
      cut_short (self);
    self->announced = TRUE;
    self->pass = epoch;
    /* each rank tests its own clips */
    self->pass.clips -= epoch.other_clips;
    begin_pass (self);
  } else if (gst_event_parse_clip_epoch_done (event, &done) && self->pass_open) {
    self->skipped.count = MAX (self->skipped.count, done.skipped);
    arrived = clips_of (self, done.delivered);
    arrived -= MIN (arrived, self->skipped.count - done.skipped);
    if (self->clips == 0)
      fail_empty (self, arrived ? done.delivered : 0);
    else
      end_announced (self, arrived, &done);
  } else if (gst_event_parse_clip_skipped (event, &skipped) && self->pass_open) {
    cnn3d_skipped_add (&self->skipped, skipped.path, skipped.reason);
  }
}

static void
take_sticky_event (EvalRun *self, GstEvent *event)
{
  GstClipPreparation preparation;
  GstClipKeypoints keypoints;
  gchar **names;

  if (gst_event_parse_clip_classes (event, &names)) {
    self->has_clips = TRUE;
    if (!eval_run_match_classes (self, names))
      self->flow = GST_FLOW_ERROR;
    g_strfreev (names);
  } else if (gst_event_parse_clip_preparation (event, &preparation)) {
    self->prepared = TRUE;
    self->windows = preparation.clips_per_video;
    eval_run_check_preparation (self, &preparation);
  } else if (gst_event_parse_clip_keypoints (event, &keypoints)) {
    gst_event_replace (&self->keypoints, event);
    eval_run_check_keypoints (self, &keypoints);
  } else if (gst_event_parse_clip_views (event, &names)) {
    if (!eval_run_check_views (self, names))
      self->flow = GST_FLOW_ERROR;
    g_strfreev (names);
  }
}

static void
take_eos (EvalRun *self)
{
  /* a source that had no clips, or skipped all, reported that itself */
  const gboolean stopped =
      self->pass_open ? self->announced && self->clips == 0 : !self->predictions && self->has_clips;

  if (stopped)
    GST_ELEMENT_WARNING (self->element, STREAM, FAILED,
        ("The stream was stopped before the first batch of its pass: nothing of it was evaluated."),
        (NULL));
  else if (!self->predictions || (self->pass_open && self->clips == 0))
    fail_empty (self, 0);
  else if (self->pass_open && self->announced)
    cut_short (self);
  else if (self->pass_open)
    end_pass (self, TRUE);
}

void
eval_run_event (EvalRun *self, GstEvent *event)
{
  if (self->flow != GST_FLOW_OK)
    return;
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      take_sticky_event (self, event);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      take_custom_event (self, event);
      break;
    case GST_EVENT_EOS:
      take_eos (self);
      break;
    case GST_EVENT_FLUSH_STOP:
      self->pass_open = FALSE;
      break;
    default:
      break;
  }
}

/* --- batches --- */

/* The clips of one call of the predictor. */
typedef struct {
  EvalRun *run;
  guint first;    /* index in the batch */
  guint64 number; /* of the batch's first clip in the pass */
} Piece;

/* The clip's row in its data set, or else its number in the pass. */
static guint64
clip_number (const EvalRun *self, guint n, guint64 first)
{
  return self->metas[n] ? self->metas[n]->sample : first + n;
}

static void
set_last_path (EvalRun *self, GRefString *path)
{
  GRefString *last = self->last_path;

  self->last_path = path ? g_ref_string_acquire (path) : NULL;
  g_clear_pointer (&last, g_ref_string_release);
}

/* Finds the number of each clip of the batch within its video, from 0.
 * FALSE if clip *wrong would be one of another file. */
static gboolean
count_parts (EvalRun *self, guint *wrong)
{
  const guint n = self->settings.clips_per_video;
  guint i;

  for (i = 0; i < self->layout.clips; i++) {
    const guint64 number = self->clips + i;
    const guint64 clip = self->metas[i] ? self->metas[i]->clip : NO_CLIP;
    GRefString *path = self->metas[i] ? self->metas[i]->path : NULL;
    const gboolean more =
        n > 0 ? number % n != 0 : number > 0 && clip != NO_CLIP && clip == self->last_clip;

    if (n > 0 && more && path && self->last_path && strcmp (path, self->last_path)) {
      *wrong = i;
      return FALSE;
    }
    self->part = self->parts[i] = more ? self->part + 1 : 0;
    self->last_clip = clip;
    set_last_path (self, path);
  }

  return TRUE;
}

static gboolean
draw_features (gpointer user, const Cnn3dFeatureMap *map, GError **error)
{
  const Piece *piece = user;
  const EvalRun *self = piece->run;
  const guint n = piece->first + map->clip;

  return cnn3d_feature_map_write (
      self->settings.output_dir, clip_number (self, n, piece->number), self->parts[n], map, error);
}

static void
show_progress (EvalRun *self)
{
  const gdouble seconds = (g_get_monotonic_time () - self->pass_began) / (gdouble) G_USEC_PER_SEC;
  ProgressStep step = { .epoch = self->pass.epoch,
    .epochs = self->pass.epochs,
    .done = self->clips,
    .clips = self->announced ? clips_of (self, self->pass.clips) : 0,
    .loss = NAN,
    .accuracy = (gdouble) self->right / self->clips,
    .clips_per_second = self->clips / MAX (seconds, 1e-6),
    .doing = "evaluating" };

  progress_step (self->progress, &step);
}

/* Adds the files of a clip's views to the video that was added last. */
static void
locate_views (EvalRun *self, guint n)
{
  const guint views = self->layout.views;

  for (guint v = 0; v < views; v++) {
    const GstClipMeta *meta = self->view_metas[(gsize) n * views + v];
    const Cnn3dClipFile file = { meta ? meta->file : NULL, meta ? meta->start : 0,
      meta ? meta->end : 0, meta ? meta->fps : 0, meta ? meta->keypoints : NULL,
      meta ? meta->group : NULL, v };

    if (file.path)
      cnn3d_predictions_locate (self->predictions, &file);
  }
}

/* Adds one clip's logits to the pass. FALSE on failure; an error is posted. */
static gboolean
take_clip (EvalRun *self, GstBuffer *buffer, guint n, const gfloat *logits)
{
  const gboolean more = self->parts[n] > 0;
  const GstClipMeta *meta = self->metas[n];
  const guint classes = self->info->network.num_classes;
  guint best = 0, i;
  gchar *name;

  if (more && self->labels[n] != self->last_label)
    goto other_label;

  cnn3d_predictions_add (self->predictions, meta ? meta->path : NULL,
      clip_number (self, n, self->clips - n), self->labels[n], logits, more);
  if (!more)
    locate_views (self, n);
  for (i = 1; i < classes; i++)
    if (logits[i] > logits[best])
      best = i;
  self->right += best == (guint) self->labels[n];
  self->last_label = self->labels[n];
  self->clips++;

  return TRUE;

  /* ERRORS */
other_label:
  name = tensor_batch_clip_name (buffer, n, self->clips - n);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("%s would be a clip of the video before it, but has another label: set clips-per-video to "
       "clipsample's value, or to 0.",
          name),
      (NULL));
  g_free (name);
  self->flow = GST_FLOW_ERROR;
  return FALSE;
}

/* Adds a clip's logits of each view alone. present, by_view: the clip's. */
static void
take_views (EvalRun *self, guint n, const guint8 *present, const gfloat *by_view)
{
  const gboolean more = self->parts[n] > 0;
  guint v;

  for (v = 0; v < n_views (self); v++) {
    self->view_begun[v] &= more;
    if (!present[v])
      continue;
    cnn3d_predictions_add (self->view_predictions[v], NULL, clip_number (self, n, 0),
        self->labels[n], by_view + (gsize) v * self->info->network.num_classes,
        self->view_begun[v]);
    self->view_begun[v] = TRUE;
  }
}

/* Evaluates a batch, in chunks if it is larger than the first one was. */
static void
run_batch (EvalRun *self, GstBuffer *buffer, const guint8 *frames, const TensorBatch *mapped)
{
  const gsize clip_points = tensor_layout_clip_points (&self->layout);
  const guint classes = self->info->network.num_classes, views = self->layout.views;
  const gboolean draws = self->batches < self->settings.feature_maps;
  Piece piece = { self, 0, self->clips };
  const guint8 *present;
  GError *error = NULL;
  guint n, i;

  cnn3d_predictor_set_features (self->predictor, draws ? draw_features : NULL, &piece);
  while (piece.first < self->layout.clips) {
    n = MIN (self->layout.clips - piece.first, self->max_clips);
    present = mapped->present ? mapped->present + (gsize) piece.first * views : NULL;
    if (!cnn3d_predictor_run_views (self->predictor, frames + piece.first * self->layout.clip_size,
            self->layout.type, mapped->points ? mapped->points + piece.first * clip_points : NULL,
            present, n, self->logits, self->by_view, &error)) {
      eval_run_fail (self, error, NULL);
      return;
    }
    for (i = 0; i < n; i++) {
      if (!take_clip (self, buffer, piece.first + i, self->logits + (gsize) i * classes))
        return;
      if (present)
        take_views (self, piece.first + i, present + i * views,
            self->by_view + (gsize) i * views * classes);
    }
    piece.first += n;
  }
  self->batches++;
  GST_OBJECT_LOCK (self->element);
  self->metrics->clips = self->clips;
  GST_OBJECT_UNLOCK (self->element);
  if (self->progress)
    show_progress (self);
}

/* Evaluates a mapped batch: reads its labels and maps them to the model's class
 * numbers. */
static void
take (EvalRun *self, GstBuffer *buffer, const TensorBatch *mapped)
{
  const guint8 *frames = mapped->frames;
  guint8 *aligned = NULL;
  GError *error = NULL;
  gchar *name;
  guint clip, i;

  if (self->layout.clips > self->room) {
    self->room = self->layout.clips;
    self->labels = g_renew (gint32, self->labels, self->room);
    self->metas = g_renew (const GstClipMeta *, self->metas, self->room);
    self->view_metas =
        g_renew (const GstClipMeta *, self->view_metas, (gsize) self->room * self->layout.views);
    self->parts = g_renew (guint, self->parts, self->room);
  }
  tensor_batch_metas (buffer, self->metas, self->layout.clips);
  tensor_batch_view_metas (buffer, self->view_metas, self->layout.clips, self->layout.views);
  if (!tensor_layout_read_labels (
          &self->layout, mapped->labels, self->num_classes, self->labels, &clip, &error))
    goto bad_label;
  for (i = 0; self->numbers && i < self->layout.clips; i++)
    self->labels[i] = self->numbers[self->labels[i]];
  if (!count_parts (self, &clip))
    goto other_video;
  /* a part of a larger memory may be unaligned, numbers may not */
  if ((guintptr) frames % self->layout.item_size)
    frames = aligned = g_memdup2 (frames, self->layout.frames_size);
  run_batch (self, buffer, frames, mapped);
  g_free (aligned);

  return;

  /* ERRORS */
bad_label:
  name = tensor_batch_clip_name (buffer, clip, self->clips);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("%s cannot be evaluated: %s. Correct the label, or use a model that was trained on its "
       "class.",
          name, error->message),
      (NULL));
  g_free (name);
  g_error_free (error);
  self->flow = GST_FLOW_ERROR;
  return;
other_video:
  name = tensor_batch_clip_name (buffer, clip, self->clips);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("%s would be a clip of the video before it, which is another file: set clips-per-video to "
       "clipsample's value, or to 0.",
          name),
      (NULL));
  g_free (name);
  self->flow = GST_FLOW_ERROR;
  return;
}

GstFlowReturn
eval_run_batch (EvalRun *self, GstBuffer *buffer)
{
  TensorBatch batch;
  GError *error = NULL;

  if (self->flow != GST_FLOW_OK)
    return self->flow;
  if (!self->have_layout)
    return GST_FLOW_NOT_NEGOTIATED;
  if (!self->pass_open) {
    if (self->announced)
      goto between_passes;
    /* a stream without clip-epoch events is one pass */
    begin_pass (self);
    if (self->flow != GST_FLOW_OK)
      return self->flow;
  }
  if (self->announced && !self->prepared && !self->reported)
    eval_run_check_unprepared (self);
  if (!tensor_batch_map (&batch, buffer, &self->layout, &error))
    goto bad_batch;
  take (self, buffer, &batch);
  tensor_batch_unmap (&batch);

  return self->flow;

  /* ERRORS */
between_passes:
  GST_ELEMENT_ERROR (self->element, STREAM, FAILED,
      ("A batch arrived between two passes: upstream must send clip-epoch before it."), (NULL));
  self->flow = GST_FLOW_ERROR;
  return GST_FLOW_ERROR;
bad_batch:
  eval_run_fail (self, error, NULL);
  return GST_FLOW_ERROR;
}

/* Whether the model that the predictor loaded is the one that was checked at
 * the start. */
static gboolean
same_model (const Cnn3dModelInfo *a, const Cnn3dModelInfo *b)
{
  return a->network.num_classes == b->network.num_classes
      && !strcmp (a->network.model, b->network.model)
      && g_strv_equal ((const gchar *const *) a->classes, (const gchar *const *) b->classes);
}

gboolean
eval_run_set_layout (EvalRun *self, const TensorLayout *layout)
{
  const EvalSettings *s = &self->settings;
  Cnn3dPredictorParams params;
  GError *error = NULL;
  gchar *shown;

  if (self->flow != GST_FLOW_OK || !eval_run_check_layout (self, layout))
    goto failed;
  self->layout = *layout;
  self->have_layout = TRUE;
  if (self->predictor)
    return TRUE;

  cnn3d_predictor_params_init (&params);
  params.model = s->model;
  params.device = s->device ? s->device : "auto";
  params.threads = s->threads;
  params.convolution = s->convolution;
  params.precision = s->precision;
  params.max_memory = self->max_memory;
  params.batch = layout->clips;
  params.chunk = s->video_batch_size;
  params.frames_type = layout->type;
  params.channels = layout->channels;
  params.frames = layout->frames;
  params.height = layout->height;
  params.width = layout->width;
  params.points = layout->points;
  params.persons = layout->persons;
  params.views = layout->views;
  params.by_view = layout->views > 1;
  params.layers = s->feature_maps ? s->feature_layers : NULL;
  self->predictor = cnn3d_predictor_new (&params, &error);
  if (!self->predictor) {
    eval_run_fail (self, error, "The model cannot be set up");
    return FALSE;
  }
  if (!same_model (self->info, cnn3d_predictor_info (self->predictor)))
    goto other_file;
  /* only now, so that a mistyped launch line removes no results */
  if (!clear_results (self))
    return FALSE;
  self->max_clips = layout->clips;
  self->logits = g_new (gfloat, (gsize) self->max_clips * self->info->network.num_classes);
  if (layout->views > 1)
    self->by_view =
        g_new (gfloat, (gsize) self->max_clips * layout->views * self->info->network.num_classes);
  eval_run_report_plan (self);

  return TRUE;

  /* ERRORS */
other_file:
  shown = cnn3d_escape (s->model, FALSE);

  GST_ELEMENT_ERROR (self->element, RESOURCE, READ,
      ("%s was changed after the pipeline started: stop the pipeline and start it again.", shown),
      (NULL));
  g_free (shown);
  goto failed;
failed:
  self->flow = GST_FLOW_ERROR;

  return FALSE;
}

/* --- start --- */

/* Opens the model file and checks its header and the shapes of its weights. */
static gboolean
open_model (EvalRun *self)
{
  const Cnn3dModelInfo *info;
  Cnn3dNetwork *net = NULL;
  GError *error = NULL;

  self->file = cnn3d_model_file_open (self->settings.model, &error);
  if (self->file) {
    info = self->info = cnn3d_model_file_info (self->file);
    net = cnn3d_network_new (&info->network, &error);
    if (net)
      cnn3d_model_file_check (
          cnn3d_model_file_tensors (self->file), self->settings.model, net, &error);
    cnn3d_network_free (&net);
  }
  if (!error)
    return TRUE;

  /* ERRORS */
  eval_run_fail (self, error, "The model cannot be evaluated");

  return FALSE;
}

static gboolean
check_settings (EvalRun *self)
{
  const EvalSettings *s = &self->settings;
  const gchar *reason;
  gchar *shown;

  if (!s->model)
    goto no_model;
  if (s->max_memory && !cnn3d_parse_bytes (s->max_memory, &self->max_memory))
    goto no_size;
  if (s->feature_maps > 0 && !s->output_dir)
    goto no_folder;
  if (s->feature_maps > 0 && !s->feature_layers)
    goto no_layers;
  if (s->output_dir
      && (g_mkdir_with_parents (s->output_dir, 0777) < 0
          || g_access (s->output_dir, W_OK | X_OK) < 0))
    goto no_writing;

  return TRUE;

  /* ERRORS */
no_model:
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("There is no model to evaluate: set model to a file that cnn3dtrain wrote, such as "
       "best.safetensors in its checkpoint-dir."),
      (NULL));
  return FALSE;
no_size:
  shown = cnn3d_escape (s->max_memory, FALSE);
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("max-memory is '%s', which is not a valid size: give bytes, or a number with a unit such as "
       "8GiB or 800MiB; 0 for what the device has.",
          shown),
      (NULL));
  g_free (shown);
  return FALSE;
no_folder:
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("feature-maps needs a place to put them: set output-dir."), (NULL));
  return FALSE;
no_layers:
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("feature-maps needs layers to draw: set feature-layers to their names, or to stages."),
      (NULL));
  return FALSE;
no_writing:
  reason = g_strerror (errno);
  shown = cnn3d_escape (s->output_dir, FALSE);
  GST_ELEMENT_ERROR (self->element, RESOURCE, OPEN_WRITE,
      ("Results cannot be written to %s: %s.", shown, reason), ("output-dir"));
  g_free (shown);
  return FALSE;
}

EvalRun *
eval_run_new (GstBaseSink *element, const EvalSettings *settings, EvalMetrics *metrics)
{
  EvalRun *self = g_new0 (EvalRun, 1);

  self->element = GST_ELEMENT (element);
  settings_copy (&eval_settings, &self->settings, settings);
  self->metrics = metrics;
  self->flow = GST_FLOW_OK;
  if (!check_settings (self) || !open_model (self)) {
    eval_run_free (&self);
    return NULL;
  }
  self->num_classes = self->info->network.num_classes;
  if (settings->progress)
    self->progress = progress_new (STDOUT_FILENO);
  GST_INFO_OBJECT (
      element, "%s: %s, %u classes", settings->model, self->info->network.model, self->num_classes);

  return self;
}

void
eval_run_free (EvalRun **run)
{
  EvalRun *self = *run;

  *run = NULL;
  if (!self)
    return;
  cnn3d_predictor_free (&self->predictor);
  cnn3d_predictions_free (self->predictions);
  clear_view_predictions (self);
  cnn3d_skipped_clear (&self->skipped);
  cnn3d_model_file_free (self->file);
  progress_free (&self->progress);
  settings_clear (&eval_settings, &self->settings);
  g_free (self->numbers);
  g_free (self->labels);
  g_free (self->metas);
  g_free (self->view_metas);
  g_free (self->parts);
  g_free (self->logits);
  g_free (self->by_view);
  g_free (self->reported);
  g_free (self->reported_keypoints);
  set_last_path (self, NULL);
  gst_clear_event (&self->keypoints);
  g_free (self);
}
