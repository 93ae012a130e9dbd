/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipstep.h"

typedef struct {
  GstClockTimeDiff time, duration;
} Moment;

void
clip_step_init (ClipStep *step)
{
  step->moments = g_array_new (FALSE, FALSE, sizeof (Moment));
  step->next = 0;
}

void
clip_step_finish (ClipStep *step)
{
  g_clear_pointer (&step->moments, g_array_unref);
}

void
clip_step_start_view (ClipStep *step, gboolean first, guint part)
{
  if (first)
    g_array_set_size (step->moments, 0);
  if (part == 0)
    step->next = 0;
}

GstClockTime
clip_step_add (ClipStep *step, const GstClipMeta *clip, GstBuffer *frame)
{
  Moment moment = { .duration = GST_BUFFER_DURATION_IS_VALID (frame)
        ? (GstClockTimeDiff) GST_BUFFER_DURATION (frame)
        : 0 };
  const guint number = step->next++;
  const Moment *first;
  GstClockTimeDiff apart;

  /* of a stream that is no file nothing is known */
  if (!clip->file_frames)
    return 0;
  moment.time = (GstClockTimeDiff) clip->file_time - (GstClockTimeDiff) (clip->start * GST_SECOND);
  if (step->moments->len == 0)
    step->view = clip->view;
  if (step->view == clip->view) {
    g_array_append_val (step->moments, moment);
    return 0;
  }
  if (number >= step->moments->len)
    return 0;
  first = &g_array_index (step->moments, Moment, number);
  apart = ABS (moment.time - first->time);

  return apart > (GstClockTimeDiff) CLIP_STEP_MOST + moment.duration + first->duration ? apart : 0;
}
