/* evalmodel.c: checks cnn3deval's stream against its model.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evalrun-private.h"

#include <string.h>

#include "plugins/framerate.h"
#include "src/escape.h"

/* Class names shown in an error, at most. */
#define SHOWN_CLASSES 20

static const gchar *const formats[] = { NULL, "GRAY8", NULL, "RGB", "RGBA" };

/* The names of the model's views, escaped; free with g_free(). */
static gchar *
view_list (const EvalRun *self)
{
  gchar *list = self->info->views ? g_strjoinv (", ", self->info->views) : g_strdup ("");
  gchar *shown = cnn3d_escape (list, FALSE);

  g_free (list);

  return shown;
}

gboolean
eval_run_check_layout (EvalRun *self, const TensorLayout *layout)
{
  const Cnn3dNetworkParams *n = &self->info->network;
  const gchar *format;
  gchar *was, *is, *list;

  if (self->have_layout && !tensor_layout_same_clips (layout, &self->layout))
    goto other_clips;
  if (layout->views != cnn3d_network_views (n))
    goto other_views;
  if (layout->frames != n->frames
      || (cnn3d_network_sees_frames (n)
          && (layout->channels != n->channels || layout->height != n->height
              || layout->width != n->width)))
    goto other_sizes;
  if (cnn3d_network_sees_points (n)
      && (layout->points != n->points || layout->persons != n->persons))
    goto other_points;
  if (layout->num_classes > self->num_classes)
    goto more_classes;

  return TRUE;

  /* ERRORS */
other_clips:
  was = tensor_layout_describe (&self->layout);
  is = tensor_layout_describe (layout);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("The model was set up for %s, but %s arrived: all clips of a run must have the same form.",
          was, is),
      (NULL));
  g_free (was);
  g_free (is);
  return FALSE;
other_views:
  was = cnn3d_escape (self->settings.model, FALSE);
  is = tensor_layout_describe (layout);
  list = view_list (self);
  if (self->info->views)
    GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
        ("%s was trained on %u views of each clip, %s, but %s arrived: set clipsrc views to "
         "those, also where a test set lacks one.",
            was, cnn3d_network_views (n), list, is),
        (NULL));
  else
    GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
        ("%s was trained on clips of one view, but %s arrived: set clipsrc views to the name of "
         "one.",
            was, is),
        (NULL));
  g_free (list);
  g_free (was);
  g_free (is);
  return FALSE;
other_sizes:
  format = n->channels < G_N_ELEMENTS (formats) ? formats[n->channels] : NULL;
  was = cnn3d_escape (self->settings.model, FALSE);
  is = tensor_layout_describe (layout);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("%s was trained on clips of %u frames of %ux%ux%u, but %s arrived: set clipsample "
       "num-frames=%u and video/x-raw,%s%s%swidth=%u,height=%u after the scaler.",
          was, n->frames, n->width, n->height, n->channels, is, n->frames, format ? "format=" : "",
          format ? format : "", format ? "," : "", n->width, n->height),
      (NULL));
  g_free (was);
  g_free (is);
  return FALSE;
other_points:
  was = cnn3d_escape (self->settings.model, FALSE);
  is = tensor_layout_describe (layout);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("%s was trained on %u key points of %u persons, but %s arrived: put clipkpt persons=%u "
       "after clipsample, with files of the same skeleton.",
          was, n->points, n->persons, is, n->persons),
      (NULL));
  g_free (was);
  g_free (is);
  return FALSE;
more_classes:
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("One-hot labels have %u classes, but the model has %u: use a model that was trained on "
       "all of them.",
          layout->num_classes, self->num_classes),
      (NULL));
  return FALSE;
}

/* Whether the file has numbers in place of names. */
static gboolean
are_numbers (gchar **names)
{
  gchar number[16];
  guint i;

  for (i = 0; names[i]; i++) {
    g_snprintf (number, sizeof number, "%u", i);
    if (strcmp (names[i], number) != 0)
      return FALSE;
  }

  return TRUE;
}

gboolean
eval_run_check_views (EvalRun *self, gchar **names)
{
  const gchar *const *is = (const gchar *const *) names;
  gchar *model, *known, *list, *shown;

  /* another number of views shows in the caps */
  if (!self->info->views || g_strv_length (names) != g_strv_length (self->info->views)
      || g_strv_equal (is, (const gchar *const *) self->info->views)
      || are_numbers (self->info->views))
    return TRUE;

  /* ERRORS */
  model = cnn3d_escape (self->settings.model, FALSE);
  known = view_list (self);
  list = g_strjoinv (", ", names);
  shown = cnn3d_escape (list, FALSE);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("The stream's views are %s, but %s was trained on %s, in this order: set clipsrc views to "
       "those.",
          shown, model, known),
      (NULL));
  g_free (shown);
  g_free (list);
  g_free (known);
  g_free (model);
  return FALSE;
}

static gint
find_class (const Cnn3dModelInfo *info, const gchar *name)
{
  guint i;

  for (i = 0; i < info->network.num_classes; i++)
    if (!strcmp (info->classes[i], name))
      return i;

  return -1;
}

gboolean
eval_run_match_classes (EvalRun *self, gchar **names)
{
  const Cnn3dModelInfo *info = self->info;
  guint n = g_strv_length (names), i;
  gint32 *numbers = g_new (gint32, n);
  gchar *name, *model, *known;
  GString *list;

  g_clear_pointer (&self->numbers, g_free);
  self->num_classes = info->network.num_classes;
  for (i = 0; i < n; i++) {
    numbers[i] = find_class (info, names[i]);
    if (numbers[i] < 0)
      break;
  }
  if (i < n) {
    g_free (numbers);
    if (!are_numbers (info->classes))
      goto unknown;
    GST_ELEMENT_WARNING (self->element, STREAM, FORMAT,
        ("The model file has no class names: the stream's names are used in their order, the first "
         "for class 0."),
        (NULL));
    return TRUE;
  }
  self->numbers = numbers;
  self->num_classes = n;

  return TRUE;

  /* ERRORS */
unknown:
  list = g_string_new (NULL);
  for (n = 0; info->classes[n] && n < SHOWN_CLASSES; n++)
    g_string_append_printf (list, "%s%s", n ? ", " : "", info->classes[n]);
  if (info->classes[n])
    g_string_append_printf (list, " and %u more", info->network.num_classes - n);
  name = cnn3d_escape (names[i], FALSE);
  model = cnn3d_escape (self->settings.model, FALSE);
  known = cnn3d_escape (list->str, FALSE);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("The stream's class '%s' is not one of the classes that %s was trained on, which are %s: "
       "evaluate on clips of those, or correct the name.",
          name, model, known),
      (NULL));
  g_free (known);
  g_free (model);
  g_free (name);
  g_string_free (list, TRUE);
  return FALSE;
}

static void
append_sampling (GString *text, const gchar *sampling, guint interval, gint rate_n, gint rate_d)
{
  if (!strcmp (sampling, "uniform"))
    g_string_append (text, "frames spread evenly over each clip");
  else
    g_string_append_printf (
        text, "a window in the middle of each clip with frame-interval=%u", interval);
  if (rate_n)
    g_string_append_printf (text, " at frame-rate=%d/%d", rate_n, rate_d);
}

static void
append_scaling (GString *text, const gchar *scaling, gboolean borders)
{
  if (!strcmp (scaling, "none"))
    g_string_append (text, "no scaler");
  else
    g_string_append_printf (
        text, "a scaler with method=%s add-borders=%s", scaling, borders ? "true" : "false");
}

/* Appends a difference: the stream's value, then the model's. */
static void
compare_sampling (GString *text, const GstClipPreparation *is, const Cnn3dPreparation *was)
{
  const FrameRate rate = { is->frame_rate_n, is->frame_rate_d };
  const FrameRate was_rate = { was->frame_rate_n, was->frame_rate_d };
  gboolean uniform;

  if (!is->sampling || !was->sampling)
    return;
  uniform = !strcmp (was->sampling, "uniform");
  if (!strcmp (is->sampling, was->sampling)
      && (uniform || is->frame_interval == was->frame_interval)
      && frame_rate_equal (rate, was_rate))
    return;

  append_sampling (text, is->sampling, is->frame_interval, rate.n, rate.d);
  g_string_append (text, " instead of ");
  append_sampling (text, was->sampling, was->frame_interval, was_rate.n, was_rate.d);
  g_string_append_printf (
      text, " (set clipsample frame-interval=%u", uniform ? 0 : was->frame_interval);
  if (rate.n || was_rate.n)
    g_string_append_printf (text, " frame-rate=%d/%d", was_rate.n, MAX (was_rate.d, 1));
  g_string_append_c (text, ')');
}

static void
compare_scaling (GString *text, const GstClipPreparation *is, const Cnn3dPreparation *was)
{
  gboolean none;

  if (!is->scaling || !was->scaling)
    return;
  none = !strcmp (was->scaling, "none");
  if (!strcmp (is->scaling, was->scaling) && (none || !is->add_borders == !was->add_borders))
    return;

  if (text->len > 0)
    g_string_append (text, ", and ");
  append_scaling (text, is->scaling, is->add_borders);
  g_string_append (text, " instead of ");
  append_scaling (text, was->scaling, was->add_borders);
  if (none)
    g_string_append (text, " (use videos of the model's own size)");
  else
    g_string_append_printf (text, " (set videoconvertscale method=%s add-borders=%s)", was->scaling,
        was->add_borders ? "true" : "false");
}

static void
append_diff (GString *text, gdouble gain)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  if (gain > 0)
    g_string_append_printf (
        text, "differences by clipdiff gain=%s", g_ascii_dtostr (number, sizeof number, gain));
  else
    g_string_append (text, "pictures");
}

static void
compare_diff (GString *text, const GstClipPreparation *is, const Cnn3dPreparation *was)
{
  if (!was->sampling || is->diff_gain == was->diff_gain)
    return;

  if (text->len > 0)
    g_string_append (text, ", and ");
  append_diff (text, is->diff_gain);
  g_string_append (text, " instead of ");
  append_diff (text, was->diff_gain);
}

/* Takes ownership of the text. reported: the last one of its kind */
static void
warn_of (EvalRun *self, gchar **reported, GString *text)
{
  gchar *shown;

  /* sticky events are sent again after a flush */
  if (text->len > 0 && g_strcmp0 (text->str, *reported) != 0) {
    shown = cnn3d_escape (text->str, FALSE);
    GST_ELEMENT_WARNING (self->element, STREAM, FORMAT,
        ("Clips are prepared differently from those that the model was trained on: %s.", shown),
        (NULL));
    g_free (shown);
    g_free (*reported);
    *reported = g_strdup (text->str);
  }
  g_string_free (text, TRUE);
}

void
eval_run_check_preparation (EvalRun *self, const GstClipPreparation *is)
{
  const Cnn3dPreparation *was = &self->info->preparation;
  GString *text = g_string_new (NULL);

  compare_sampling (text, is, was);
  compare_scaling (text, is, was);
  compare_diff (text, is, was);
  warn_of (self, &self->reported, text);
}

void
eval_run_check_keypoints (EvalRun *self, const GstClipKeypoints *is)
{
  const Cnn3dPreparation *was = &self->info->preparation;
  GString *text;

  if (!was->skeleton)
    return;
  text = g_string_new (NULL);
  if (strcmp (is->skeleton, was->skeleton))
    g_string_append_printf (text, "key points of %s instead of %s", is->skeleton, was->skeleton);
  if (!is->compact != !was->compact)
    g_string_append_printf (text, "%sclipkpt compact=%s instead of %s", text->len ? ", and " : "",
        is->compact ? "true" : "false", was->compact ? "true" : "false");
  warn_of (self, &self->reported_keypoints, text);
}

void
eval_run_check_unprepared (EvalRun *self)
{
  const Cnn3dPreparation *was = &self->info->preparation;
  GString *text;

  if (!was->sampling)
    return;
  text = g_string_new ("clips that clipsample has not sampled instead of ");
  append_sampling (text, was->sampling, was->frame_interval, was->frame_rate_n, was->frame_rate_d);
  warn_of (self, &self->reported, text);
}
