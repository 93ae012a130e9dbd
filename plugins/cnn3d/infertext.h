/* infertext.h: the pad that has the class as text, one buffer a frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef INFER_TEXT_H
#define INFER_TEXT_H

#include <gst/video/video.h>

#include "inferresult.h"

/* A pad of this template, for the element whose frames come in by `sink`. */
GstPad *infer_text_pad_new (GstPadTemplate * template, GstPad * sink);

/* An event of the video's: what concerns the text goes on. From the streaming
 * thread, but for the beginning of a flush. */
void infer_text_event (GstPad * text, GstPad * sink, GstEvent * event);

/* The text for a frame, before the frame goes on; result: NULL: none so far. */
GstFlowReturn infer_text_push (GstPad * text, GstPad * sink, GstBuffer * frame,
    const GstVideoInfo * info, const InferResult * result);

#endif
