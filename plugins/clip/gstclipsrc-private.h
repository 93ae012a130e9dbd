/* gstclipsrc-private.h: clipsrc's state, for its files: gstclipsrc.c has its events and states,
 * gstclipsrcproperties.c its properties, and gstclipsrcstream.c its streaming thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_CLIP_SRC_PRIVATE_H
#define GST_CLIP_SRC_PRIVATE_H

#include "gstclipsrc.h"
#include "clipworkers.h"
#include "plugins/settings.h"
#include "src/dataset/dataset.h"
#include "src/dataset/order.h"

/* A cast without the type check, for files without the type's function. */
#define GST_CLIP_SRC_CAST(object) ((GstClipSrc *) (object))

G_BEGIN_DECLS

typedef struct {
  gchar *location, *root, *val_location, *clip_bin, *index_location;
  gchar *classes_location, *annotator, *background, *views;
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

  /* Under the object lock */
  ClipSrcSettings settings; /* the properties */
  guint64 clips_skipped, views_missing;

  /* Set from READY to PAUSED and constant while streaming. Other threads read it under the
   * object lock */
  ClipSrcSettings used; /* the properties at that time */
  Cnn3dDataset *dataset;
  Cnn3dOrder *order; /* used by the streaming thread only */
  guint64 total;
  guint views; /* of each clip; 0: there are none */
  ClipWorkers *workers;

  /* Requests to the streaming thread, under the object lock */
  GMutex seek_lock; /* for one flushing seek at a time; taken first */
  gboolean active;  /* the streaming thread should run */
  ClipJob *current; /* the job that it waits for, or pushes */
  gboolean pushing;
  gboolean interrupted;   /* stop now: state change or flush */
  gboolean end_requested; /* stop before the next clip */
  gboolean ended;
  gboolean seek_pending;
  guint64 seek_position;
  guint32 seek_seqnum;
  guint64 position;

  /* Used by the streaming thread, under the pad's stream lock */
  GQueue jobs;       /* in order, view after view; the first is at `position` or after it */
  guint64 scheduled; /* position from which on the next jobs are created */
  guint batch;       /* clips that one rank takes at a time */
  gboolean shares;   /* there are several ranks */
  GPtrArray *failed; /* of ClipJob: views of the current clip that cannot be read */
  gboolean started;
  gboolean need_segment, need_epoch;
  guint32 seqnum;             /* of the seek that the segment answers; 0: none */
  guint64 delivered, skipped; /* in this pass */
  gboolean enter_pass;        /* at the next clip */
  gboolean whole_pass;        /* it was entered at its first clip */
  gchar *first_reason;        /* of the first clip skipped in this pass */
  /* of clips that came without them, in this pass */
  guint64 views_failed;
  gchar *first_view;           /* its name, file and reason */
  gboolean warned_of_views[2]; /* in a validation or test pass, in a training pass */
  /* clip-skipped events that must wait for the pass's clip-epoch */
  GQueue pending_skips;
  GstCaps *caps;
  GstEvent *preparation;       /* the last one from clip-bin */
  GstClockTime frame_duration; /* from the caps */
  GstClockTime clip_base, clip_origin, next_pts, last_pts;
};

/* gstclipsrcproperties.c */
extern const SettingsOf gst_clip_src_settings;
void gst_clip_src_install_properties (GObjectClass *klass);

Cnn3dOrderParams gst_clip_src_order_params (const ClipSrcSettings *used);

/* The streaming thread's task: each call processes one clip. */
void gst_clip_src_loop (GstPad *pad);

/* Call it with the streaming thread stopped, or before it starts. */
void gst_clip_src_reset_stream (GstClipSrc *self);
/* Restarts time, after a flush. */
void gst_clip_src_reset_time (GstClipSrc *self);
/* Discards all jobs, decoded or not. */
void gst_clip_src_drop_jobs (GstClipSrc *self);

/* Wakes the streaming thread. Call it with the object lock. */
void gst_clip_src_wake_locked (GstClipSrc *self);

G_END_DECLS

#endif
