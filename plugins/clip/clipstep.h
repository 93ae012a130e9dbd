/* clipstep.h: whether the frames of a clip's views are of the same moments.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_STEP_H
#define CLIP_STEP_H

#include "gstclipmeta.h"

/* Frames of the same number that are further apart, beyond their own durations, are out of step */
#define CLIP_STEP_MOST (GST_SECOND / 10)

/* Of one clip at a time. For use by one thread. */
typedef struct {
  GArray *moments; /* of the first view's frames, since its segment's start */
  guint view;      /* that they are of */
  guint next;      /* number of the next frame */
} ClipStep;

void clip_step_init (ClipStep *step);
void clip_step_finish (ClipStep *step);

/* Starts a view, or a further part of it. first: of a new clip */
void clip_step_start_view (ClipStep *step, gboolean first, guint part);

/* Takes the next frame of the view. Returns how far it is from the first view's frame of its
 * number, or 0 if they are in step, or if it is unknown. */
GstClockTime clip_step_add (ClipStep *step, const GstClipMeta *clip, GstBuffer *frame);

#endif
