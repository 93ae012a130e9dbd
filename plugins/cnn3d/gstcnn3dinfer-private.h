/* gstcnn3dinfer-private.h: what the element's files share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CNN3D_INFER_PRIVATE_H
#define GST_CNN3D_INFER_PRIVATE_H

#include "gstcnn3dinfer.h"
#include "inferresult.h"
#include "inferworker.h"

/* Without the type's function, for files that its own calls. */
#define GST_CNN3D_INFER_CAST(object) ((GstCnn3dInfer *) (object))

typedef struct
{
  InferModelSettings model;
  gdouble threshold;
  guint smoothing, stride, interval;
  gboolean drop;
} Settings;

struct _GstCnn3dInfer
{
  GstElement parent;

  GstPad *sink, *src;

  /* Under the object lock */
  Settings settings;
  InferWorker *worker;          /* from READY to READY */
  GstPad *text;                 /* NULL: nobody asked for it */
  InferModel *next;             /* loaded, for the next frame to take over */
  InferModelSettings used;      /* that the newest model was loaded by */
  InferResult *newest;
  gchar **labels;
  guint64 windows, dropped, memory;
  gboolean failed;
  guint epoch;                  /* one more with each flush */

  /* Under the sink pad's stream lock: the streaming thread's, and FLUSH_STOP's,
   * which comes in every state */
  GstVideoInfo info;
  gboolean has_info;
  GstSegment segment;
  InferModel *model;
  InferWindow *window;          /* NULL: to be made for the next frame */
  InferWindowParams params;     /* that it was made for */
  guint64 number;               /* windows so far */

  /* The computing thread's */
  InferAverage average;
  guint serial, average_epoch;  /* whose windows are in it */
};

/* gstcnn3dinferproperties.c */
void gst_cnn3d_infer_init_settings (GstCnn3dInfer * self);
void gst_cnn3d_infer_install_properties (GObjectClass * object_class);

#endif
