/* gstcnn3dinferpoints.c: key points that are not those of the model.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstcnn3dinfer-private.h"

#include <string.h>

#include "src/escape.h"

/* What is different from the training; NULL: nothing. g_free() */
static gchar *
find_difference (const GstClipKptMeta *is, const Cnn3dPreparation *was)
{
  GString *text;

  if (!was->skeleton)
    return NULL;
  text = g_string_new (NULL);
  if (strcmp (is->skeleton, was->skeleton))
    g_string_append_printf (text, "key points of %s instead of %s", is->skeleton, was->skeleton);
  /* the other way round cnn3dinfer makes them compact */
  if (is->compact && !was->compact)
    g_string_append_printf (
        text, "%sclipkpt compact=true instead of false", text->len ? ", and " : "");

  return g_string_free (text, text->len == 0);
}

gboolean
gst_cnn3d_infer_check_points (GstCnn3dInfer *self, GstBuffer *buffer)
{
  const Cnn3dNetworkParams *network = &self->model->info->network;
  const Cnn3dPreparation *was = &self->model->info->preparation;
  const GstClipKptMeta *meta;
  gchar *difference, *shown, *wanted;

  if (!cnn3d_network_sees_points (network) || !(meta = gst_buffer_get_clip_kpt_meta (buffer)))
    return TRUE;
  if (meta->points != network->points)
    goto other_points;
  if (self->warned_other || !(difference = find_difference (meta, was)))
    return TRUE;
  shown = cnn3d_escape (difference, FALSE);
  GST_ELEMENT_WARNING (self, STREAM, FORMAT,
      ("Frames are prepared differently from those that the model was trained on: %s.", shown),
      (NULL));
  self->warned_other = TRUE;
  g_free (shown);
  g_free (difference);

  return TRUE;

  /* ERRORS */
other_points:
  shown = cnn3d_escape (meta->skeleton, FALSE);
  wanted = cnn3d_escape (was->skeleton ? was->skeleton : "unknown", FALSE);
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("Frames arrived with %u key points a person (skeleton %s), but the model was trained on %u "
       "(skeleton %s): attach key points of the model's skeleton.",
          meta->points, shown, network->points, wanted),
      (NULL));
  g_free (shown);
  g_free (wanted);
  return FALSE;
}

void
gst_cnn3d_infer_check_window (GstCnn3dInfer *self)
{
  if (self->warned_missing || !self->params.points || infer_window_has_points (self->window))
    return;
  self->warned_missing = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FORMAT,
      ("No frame of a window has key points, which the model reads: all of them count as missing. "
       "Attach a GstClipKptMeta to the frames in front of cnn3dinfer."),
      (NULL));
}
