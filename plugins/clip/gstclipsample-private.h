/* gstclipsample-private.h: clipsample's state, for its two files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_SAMPLE_PRIVATE_H
#define GST_CLIP_SAMPLE_PRIVATE_H

#include "gstclipsample.h"

#include "clipplans.h"
#include "plugins/settings.h"

/* A cast without the type check, for files without the type's function. */
#define GST_CLIP_SAMPLE_CAST(object) ((GstClipSample *) (object))

/* A frame of a clip that has no plan yet. */
typedef struct {
  guint64 frame;
  GstBuffer *buffer;
} Kept;

struct _GstClipSample {
  GstElement parent;

  GstPad *sinkpad;
  GstPad *srcpad;

  /* Under the object lock */
  ClipWindow settings; /* the properties */
  GQueue plans;        /* of ClipPlan, for clips that were announced */

  /* Used by the streaming thread, under the sink pad's stream lock */
  gboolean in_clip;
  gboolean complete; /* the current clip needs no more frames */
  GstClipMeta clip;  /* the current clip; frame: last one received */
  ClipWindow window; /* the settings with which it started */
  guint clips;       /* taken of the current one */
  guint64 *wanted;   /* frame numbers [clips * num_frames] */
  GstBuffer **slots; /* these frames, until they are pushed */
  guint *filled;     /* slots filled so far [clips] */
  guint next;        /* the next slot to push */
  GstBuffer *last;   /* the last frame received */
  GArray *kept;      /* of Kept */
  gsize kept_bytes;
  guint64 stride;          /* every how many frames one is kept */
  GArray *numbers, *times; /* guint64: numbers and timestamps of the clip's frames so far */

  /* For streams without clip meta */
  guint64 live_clip;
  guint64 live_frame;
  FrameRateStream stream;
  GstBuffer *held; /* its last frame */

  GstEvent *caps; /* held back until it is known whether the current clip continues with them */

  gboolean have_segment;
  guint32 segment_seqnum;

  GstEvent *preparation;    /* the last clip-preparation sent */
  gboolean preparation_due; /* a changed one may have to be sent */
};

/* gstclipsampleproperties.c */
void gst_clip_sample_init_settings (GstClipSample *self);
void gst_clip_sample_install_properties (GObjectClass *object_class);

#endif
