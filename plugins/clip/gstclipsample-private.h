/* gstclipsample-private.h: what the element's files share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_SAMPLE_PRIVATE_H
#define GST_CLIP_SAMPLE_PRIVATE_H

#include "gstclipsample.h"

#include "clipplans.h"
#include "plugins/settings.h"

/* Without the type's function, for files that its own calls. */
#define GST_CLIP_SAMPLE_CAST(object) ((GstClipSample *) (object))

/* A frame of a clip whose plan is not known. */
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
  GQueue plans;        /* of ClipPlan: for clips to come, by time */

  /* The streaming thread's, under the sink pad's stream lock */
  gboolean in_clip;
  gboolean complete; /* the clip at hand: nothing more to take */
  GstClipMeta clip;  /* it; frame: the last one seen */
  ClipWindow window; /* the settings that it began with */
  guint views;
  guint64 *wanted;   /* frame numbers [views * num_frames] */
  GstBuffer **slots; /* their frames, until pushed */
  guint *filled;     /* slots filled so far [views] */
  guint next;        /* the slot to push next */
  GstBuffer *last;   /* the last frame seen */
  GArray *kept;      /* of Kept */
  gsize kept_bytes;
  guint64 stride;          /* every how manieth frame is kept */
  GArray *numbers, *times; /* guint64: of the clip's frames so far */

  /* Of a stream without clip meta */
  guint64 live_clip;
  guint64 live_frame;
  FrameRateStream stream;
  GstBuffer *held; /* its last frame */

  gboolean have_segment;
  guint32 segment_seqnum;

  GstEvent *told; /* the last clip-preparation sent */
  gboolean tell;  /* another one may be due */
};

/* gstclipsampleproperties.c */
void gst_clip_sample_init_settings (GstClipSample *self);
void gst_clip_sample_install_properties (GObjectClass *object_class);

#endif
