/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inferpoints.h"

#include <string.h>

struct _InferPoints {
  InferPointsParams params;
  GstVideoInfo in, to;
  gsize n; /* values of a frame, M * K * 3 */
  InferFramePoints newest;
  guint64 frames; /* of the video so far */
  /* Of a compact model: the boxes of the newest frames. Those between a window's frames count, as
   * they do in training. */
  GArray *boxes;
};

InferPoints *
infer_points_new (const InferPointsParams *params, const GstVideoInfo *in, const GstVideoInfo *to)
{
  InferPoints *self = g_new0 (InferPoints, 1);

  self->params = *params;
  self->in = *in;
  self->to = *to;
  self->n = (gsize) params->persons * params->points * 3;
  self->newest.values = g_new0 (gfloat, self->n);
  self->boxes = g_array_new (FALSE, FALSE, sizeof (Cnn3dPointBox));

  return self;
}

void
infer_points_free (InferPoints **points)
{
  InferPoints *self = *points;

  if (!self)
    return;
  g_array_unref (self->boxes);
  g_free (self->newest.values);
  g_free (self);
  *points = NULL;
}

void
infer_points_restart (InferPoints *self)
{
  g_array_set_size (self->boxes, 0);
}

/* Copies a meta's first persons. What is not a point in the picture is missing, as in training. */
static void
take_persons (InferPoints *self, const GstClipKptMeta *meta)
{
  const gsize n = (gsize) MIN (meta->persons, self->params.persons) * meta->points;
  const gfloat *from = meta->values;
  gfloat *to = self->newest.values;

  for (gsize i = 0; i < n; i++, from += 3, to += 3)
    if (from[2] > 0 && from[0] >= 0 && from[0] <= 1 && from[1] >= 0 && from[1] <= 1)
      memcpy (to, from, 3 * sizeof *to);
}

void
infer_points_push (InferPoints *self, const GstClipKptMeta *meta)
{
  InferFramePoints *newest = &self->newest;
  Cnn3dPointBox box;

  memset (newest->values, 0, self->n * sizeof *newest->values);
  newest->frame = self->frames++;
  newest->has_meta = meta != NULL;
  newest->compact = meta && meta->compact;
  if (meta)
    take_persons (self, meta);
  if (self->params.compact) {
    cnn3d_point_box_init (&box);
    if (!newest->compact)
      cnn3d_point_box_add (&box, newest->values, self->n / 3, GST_VIDEO_INFO_WIDTH (&self->in),
          GST_VIDEO_INFO_HEIGHT (&self->in));
    g_array_append_val (self->boxes, box);
  } else if (meta && self->params.add_borders) {
    GstClipKptMeta moved = *meta;

    moved.persons = self->params.persons;
    moved.values = newest->values;
    gst_clip_kpt_meta_add_borders (&moved, &self->in, &self->to);
  }
}

void
infer_points_get (const InferPoints *self, InferFramePoints *to)
{
  infer_points_copy (self, &self->newest, to);
}

void
infer_points_copy (const InferPoints *self, const InferFramePoints *from, InferFramePoints *to)
{
  gfloat *values = to->values ? to->values : g_new (gfloat, self->n);

  memcpy (values, from->values, self->n * sizeof *values);
  *to = *from;
  to->values = values;
}

/* Number of the first frame that has a box. */
static guint64
first_box (const InferPoints *self)
{
  return self->frames - self->boxes->len;
}

void
infer_points_forget (InferPoints *self, guint64 frame)
{
  if (self->params.compact && frame > first_box (self))
    g_array_remove_range (self->boxes, 0, frame - first_box (self));
}

gboolean
infer_points_square (const InferPoints *self, guint64 first, guint64 last, Cnn3dSquare *square)
{
  Cnn3dPointBox box;

  if (!self->params.compact)
    return FALSE;
  cnn3d_point_box_init (&box);
  for (guint64 i = first; i <= last; i++)
    cnn3d_point_box_join (&box, &g_array_index (self->boxes, Cnn3dPointBox, i - first_box (self)));

  return cnn3d_square_around (&box, GST_VIDEO_INFO_WIDTH (&self->in),
      GST_VIDEO_INFO_HEIGHT (&self->in), CNN3D_SHORTEST_SQUARE, square);
}
