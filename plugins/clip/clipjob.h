/* clipjob.h: one clip to decode, and its frames. A worker decodes it and the streaming thread
 * takes the frames. Both hold a reference.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_JOB_H
#define CLIP_JOB_H

#include "gstclipmeta.h"

G_BEGIN_DECLS

typedef enum {
  CLIP_RESULT_NONE, /* not finished */
  CLIP_RESULT_GOOD,
  CLIP_RESULT_BAD,  /* this clip cannot be decoded */
  CLIP_RESULT_FATAL /* no clip can be decoded: clip-bin is at fault */
} ClipResult;

typedef struct {
  gint refcount;

  /* What to decode. Set before the job is shared, constant after that */
  /* frame and num_frames are unused; with in_frames, the decoder sets start and end */
  GstClipMeta meta;
  gchar *path;
  gdouble start, end; /* seconds; end may be infinite */
  gboolean in_frames; /* start and end are frame numbers */
  gdouble rate;       /* frames per second of an image sequence */
  gsize max_bytes;

  /* All fields below, and the chain that decodes the job, are protected by this lock. The
   * condition is broadcast whenever one of them changes. */
  GMutex lock;
  GCond cond;
  /* GstCaps, GstEvents, and the GstBuffers that these precede */
  GQueue items;
  gsize bytes;        /* of the buffers in items */
  guint frames;       /* that were ever in items */
  gboolean streaming; /* max_bytes was reached: frames are taken while decoding continues */
  gboolean windowed;  /* the clip-window query was answered */
  gboolean aborted;   /* the result is not needed */
  ClipResult result;
  gchar *reason; /* unless the result is good */
} ClipJob;

/* Takes path; meta's strings are referenced. */
ClipJob *clip_job_new (const GstClipMeta *meta, gchar *path, gdouble start, gdouble end,
    gdouble rate, gsize max_bytes);
ClipJob *clip_job_ref (ClipJob *job);
void clip_job_unref (ClipJob *job);

/* Makes decoding end soon, and wakes all waiting threads. */
void clip_job_abort (ClipJob *job);

/* Discards frames that have not been taken. Called with the lock held. */
void clip_job_clear (ClipJob *job);

/* Adds a frame, its caps if they differ from the last, and an event to send before it; both may
 * be NULL. Waits while max_bytes are queued. FALSE: aborted. Takes the buffer. */
gboolean clip_job_add (ClipJob *job, GstBuffer *buffer, GstCaps *caps, GstEvent *event);

/* Sets the result. Takes `reason`. */
void clip_job_finish (ClipJob *job, ClipResult result, gchar *reason);

/* Waits until the clip is complete, exceeds max_bytes, or is aborted. FALSE: aborted. */
gboolean clip_job_wait (ClipJob *job);

/* (transfer full) the next item; waits for it while decoding continues. NULL: there are no more,
 * or the job was aborted. */
GstMiniObject *clip_job_take (ClipJob *job);

G_END_DECLS

#endif
