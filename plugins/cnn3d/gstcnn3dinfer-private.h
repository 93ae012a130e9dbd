/* gstcnn3dinfer-private.h: shared by the element's files.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CNN3D_INFER_PRIVATE_H
#define GST_CNN3D_INFER_PRIVATE_H

#include "gstcnn3dinfer.h"
#include "inferresult.h"
#include "inferworker.h"

/* An unchecked cast, for the files that do not see the type's function. */
#define GST_CNN3D_INFER_CAST(object) ((GstCnn3dInfer *) (object))

typedef struct {
  InferModelSettings model;
  gdouble threshold;
  guint smoothing, stride, interval;
  gboolean drop;
} Settings;

struct _GstCnn3dInfer {
  GstElement parent;

  GstPad *sink, *src;

  /* Under the object lock */
  Settings settings;
  InferWorker *worker;     /* from READY to READY */
  GstPad *text;            /* NULL: not requested */
  InferModel *next;        /* loaded; the next frame switches to it */
  InferModelSettings used; /* of the newest model */
  InferResult *newest;
  gchar **labels;
  guint64 windows, dropped, memory;
  gboolean failed;
  guint epoch; /* incremented by each flush */

  /* Under the sink pad's stream lock: used by the streaming thread, and by
   * FLUSH_STOP, which arrives in every state */
  GstVideoInfo info;
  gboolean has_info;
  GstSegment segment;
  InferModel *model;
  InferWindow *window;                   /* NULL: created for the next frame */
  InferWindowParams params;              /* of `window` */
  guint64 number;                        /* of windows so far */
  gboolean warned_missing, warned_other; /* of the model's key points */

  /* Used by the computing thread */
  InferAverage average;
  guint serial, average_epoch; /* of the windows in `average` */
};

/* gstcnn3dinferpoints.c */
/* Checks a frame's key points, and warns once of points that are not the model's. FALSE: they cannot
 * be read; an error is posted. */
gboolean gst_cnn3d_infer_check_points (GstCnn3dInfer *self, GstBuffer *buffer);
/* Warns once of a complete window without any key points. */
void gst_cnn3d_infer_check_window (GstCnn3dInfer *self);

/* gstcnn3dinferproperties.c */
void gst_cnn3d_infer_init_settings (GstCnn3dInfer *self);
void gst_cnn3d_infer_install_properties (GObjectClass *object_class);

#endif
