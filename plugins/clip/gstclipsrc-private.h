/* gstclipsrc-private.h: the element's state, for the two files that it is
 * made of: gstclipsrc.c has its properties, events and states,
 * gstclipsrcstream.c its streaming thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_SRC_PRIVATE_H
#define GST_CLIP_SRC_PRIVATE_H

#include "gstclipsrc.h"
#include "clipworkers.h"
#include "plugins/settings.h"
#include "src/dataset/dataset.h"
#include "src/dataset/order.h"

/* Without the type's function, for files that its own calls. */
#define GST_CLIP_SRC_CAST(object) ((GstClipSrc *) (object))

G_BEGIN_DECLS

typedef struct {
  gchar *location, *root, *val_location, *clip_bin, *index_location;
  gchar *classes_location, *annotator, *background;
  gchar *keypoints_root, *keypoints_pattern;
  guint num_folds, fold;
  gboolean shuffle;
  gint sampling; /* Cnn3dSampling */
  guint64 seed;
  guint epochs;
  gint passes; /* Cnn3dPasses */
  guint64 limit_clips;
  guint num_workers;
  gboolean persistent_workers;
  gint on_error; /* Cnn3dOnError */
  guint rank, world_size;
  gint video_track;
  gdouble fps;
} ClipSrcSettings;

struct _GstClipSrc {
  GstElement parent;
  GstPad *srcpad;

  /* Under the object's lock */
  ClipSrcSettings settings; /* the properties */
  guint64 clips_skipped;

  /* Set from READY to PAUSED, constant while streaming; read by others under
   * the object's lock */
  ClipSrcSettings used; /* the properties as they were then */
  Cnn3dDataset *dataset;
  Cnn3dOrder *order; /* located by the streaming thread only */
  guint64 total;
  ClipWorkers *workers;

  /* What others ask of the streaming thread, under the object's lock */
  GMutex seek_lock; /* one flushing seek at a time; taken first */
  gboolean active;  /* there is to be a streaming thread */
  ClipJob *current; /* what it waits for, or pushes */
  gboolean pushing;
  gboolean interrupted;   /* stop now: state change or flush */
  gboolean end_requested; /* stop before the next clip */
  gboolean ended;
  gboolean seek_pending;
  guint64 seek_position;
  guint32 seek_seqnum;
  guint64 position;

  /* The streaming thread's, under the pad's stream lock */
  GQueue jobs;       /* in order, the first is at `position` */
  guint64 scheduled; /* position of the next job to make */
  gboolean started;
  gboolean need_segment, need_epoch;
  guint32 seqnum;             /* of the seek that segment answers; 0: none */
  guint64 delivered, skipped; /* in this pass */
  gboolean enter_pass;        /* at the next clip */
  gboolean whole_pass;        /* entered at its first clip */
  gchar *first_reason;        /* of the first clip skipped in this pass */
  /* clip-skipped events that wait for the pass's clip-epoch */
  GQueue untold;
  GstCaps *caps;
  GstEvent *preparation;       /* clip-bin's, as it was last */
  GstClockTime frame_duration; /* by caps */
  GstClockTime clip_base, clip_origin, next_pts, last_pts;
};

/* gstclipsrcproperties.c */
extern const SettingsOf gst_clip_src_settings;
void gst_clip_src_install_properties (GObjectClass *klass);

Cnn3dOrderParams gst_clip_src_order_params (const ClipSrcSettings *used);

/* The streaming thread's task: one clip each time. */
void gst_clip_src_loop (GstPad *pad);

/* With the streaming thread stopped, or before it starts. */
void gst_clip_src_reset_stream (GstClipSrc *self);
/* Begins time anew, after a flush. */
void gst_clip_src_reset_time (GstClipSrc *self);
/* Drops all that was decoded or is being decoded. */
void gst_clip_src_drop_jobs (GstClipSrc *self);

/* Wakes the streaming thread. With the object's lock. */
void gst_clip_src_wake_locked (GstClipSrc *self);

G_END_DECLS

#endif
