/* infertext.h: the pad that outputs the class as text, one buffer a frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_TEXT_H
#define INFER_TEXT_H

#include <gst/video/video.h>

#include "inferresult.h"

/* Creates a pad from the template, for the element whose frames arrive at
 * `sink`. */
GstPad *infer_text_pad_new (GstPadTemplate *template, GstPad *sink);

/* Handles an event of the video stream and forwards what concerns the text.
 * Called by the streaming thread, except for FLUSH_START. */
void infer_text_event (GstPad *text, GstPad *sink, GstEvent *event);

/* Pushes the text of a frame, before the frame is pushed. result: NULL: none so
 * far. */
GstFlowReturn infer_text_push (GstPad *text, GstPad *sink, GstBuffer *frame,
    const GstVideoInfo *info, const InferResult *result);

#endif
