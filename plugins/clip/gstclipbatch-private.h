/* gstclipbatch-private.h: clipbatch's state, for its files: gstclipbatch.c collects clips, and
 * gstclipbatchout.c sends them downstream.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_BATCH_PRIVATE_H
#define GST_CLIP_BATCH_PRIVATE_H

#include "gstclipbatch.h"

#include <gst/video/video.h>

#include "clippack.h"
#include "clipstep.h"

/* of incoming frames */
#define WIDTH(self) GST_VIDEO_INFO_WIDTH (&(self)->pack.info)
#define HEIGHT(self) GST_VIDEO_INFO_HEIGHT (&(self)->pack.info)

struct _GstClipBatch {
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  /* Under the object lock */
  guint batch_size;
  gboolean drop_last;
  GstClockTime latency; /* from a batch's first frame to its last */

  /* Used by the streaming thread */
  gchar *name; /* of a clip in a message, escaped */
  gboolean have_info;
  gboolean first; /* no frame has arrived yet */
  ClipPack pack;  /* the batch that is being filled */

  gboolean caps_sent;
  guint caps_clips; /* N in the last caps */
  gboolean points_sent;
  GQueue held; /* events to send after the first caps */

  gboolean in_clip;   /* a view of a clip is incomplete */
  gboolean open;      /* more views of the clip may come */
  gboolean have_clip; /* `clip` is valid */
  GstClipMeta clip;   /* the current view, or the last one; frame: last one received */
  GstEvent *skipped;  /* to send if no view of the clip is complete */
  ClipStep step;      /* the moments of its views' frames */
  gboolean warned;    /* that views are out of step */

  gboolean in_passes;    /* the stream has clip-epoch events */
  guint64 listed[2];     /* [training]: clips per pass; 0: none, or unknown */
  GstClipEpoch pass;     /* the current one; valid if it is open */
  guint clips_per_video; /* in validation and test passes */
  gboolean pass_open;    /* clip-epoch-done has not come yet */
  gboolean have_segment;
  guint32 segment_seqnum;
  GstFlowReturn flow; /* of a batch pushed from an event */
};

/* gstclipbatchout.c */

/* Sends caps of batches of n clips, unless they are the last ones sent. */
GstFlowReturn gst_clip_batch_send_caps (GstClipBatch *self, guint n);
/* Starts the next batch, unless one was started. T must be known. */
GstFlowReturn gst_clip_batch_begin (GstClipBatch *self);
/* The number of the clip after the batch that clip number `clip` of this pass is in; G_MAXUINT64:
 * there are no passes, or nobody knows how many clips they have, and whatever comes next fills the
 * batch. */
guint64 gst_clip_batch_end_of (const GstClipBatch *self, guint64 clip);
/* Pushes the complete clips, even if they do not fill a batch. */
GstFlowReturn gst_clip_batch_push (GstClipBatch *self);
/* Pushes or drops the remaining clips at the end of a pass. */
GstFlowReturn gst_clip_batch_push_last (GstClipBatch *self);
/* Sends an event, or holds it until the first caps are sent. */
gboolean gst_clip_batch_forward (GstClipBatch *self, GstEvent *event);
void gst_clip_batch_send_held (GstClipBatch *self);

#endif
