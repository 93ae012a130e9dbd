/* clipjob.h: one clip to decode, and its frames. A worker decodes it and the
 * streaming thread takes the frames; both hold a reference.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_JOB_H
#define CLIP_JOB_H

#include "gstclipmeta.h"

G_BEGIN_DECLS

typedef enum {
  CLIP_RESULT_NONE, /* not finished */
  CLIP_RESULT_GOOD,
  CLIP_RESULT_BAD,  /* this clip cannot be had */
  CLIP_RESULT_FATAL /* none could: clip-bin is at fault */
} ClipResult;

typedef struct {
  gint refcount;

  /* What to decode; set before it is shared, constant after */
  /* frame, num_frames unused; of a window of frames, start and end are the decoder's */
  GstClipMeta meta;
  gchar *path;
  gdouble start, end; /* seconds; end may be infinite */
  gboolean in_frames; /* start and end are numbers of frames */
  gdouble rate;       /* pictures a second, if they are pictures */
  gsize max_bytes;

  /* Whatever follows, and the chain that decodes it, is under this lock;
   * the condition is broadcast whenever any of it changes. */
  GMutex lock;
  GCond cond;
  /* GstCaps, the GstBuffers that have them, and the GstEvents that come before those */
  GQueue items;
  gsize bytes;        /* of the buffers in items */
  guint frames;       /* that ever were in items */
  gboolean streaming; /* max_bytes reached: taken as it comes */
  gboolean windowed;  /* somebody answered the clip-window query */
  gboolean aborted;   /* nobody wants it any more */
  ClipResult result;
  gchar *reason; /* why it is bad */
} ClipJob;

/* Takes path; meta's strings are referenced. */
ClipJob *clip_job_new (const GstClipMeta *meta, gchar *path, gdouble start, gdouble end,
    gdouble rate, gsize max_bytes);
ClipJob *clip_job_ref (ClipJob *job);
void clip_job_unref (ClipJob *job);

/* Ends the decoding soon and wakes whoever waits. */
void clip_job_abort (ClipJob *job);

/* Forgets frames that nobody has taken yet. Called with the lock held. */
void clip_job_clear (ClipJob *job);

/* Adds a frame, with its caps where they differ from the last, and an event to
 * send before it; both may be NULL. Waits while too much is queued. FALSE:
 * aborted. Takes the buffer. */
gboolean clip_job_add (ClipJob *job, GstBuffer *buffer, GstCaps *caps, GstEvent *event);

/* Sets the result; takes reason. */
void clip_job_finish (ClipJob *job, ClipResult result, gchar *reason);

/* Waits until the clip is complete, has outgrown max_bytes, or is aborted.
 * FALSE: aborted. */
gboolean clip_job_wait (ClipJob *job);

/* The next item, waiting for it while decoding goes on; NULL: no more. */
GstMiniObject *clip_job_take (ClipJob *job);

G_END_DECLS

#endif
