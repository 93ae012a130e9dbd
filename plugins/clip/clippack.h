/* clippack.h: packs clips into one memory, as tensors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PACK_H
#define CLIP_PACK_H

#include <gst/gst.h>
#include <gst/video/video.h>

#include "clipblocks.h"
#include "clipcuda.h"
#include "gstclipkptmeta.h"

/* Maximum number of frames per clip. No network takes longer clips: more frames mean that there
 * is no sampler. */
#define CLIP_PACK_MAX_FRAMES 4096

typedef enum {
  CLIP_PACK_OK,
  CLIP_PACK_BAD_FRAME, /* the buffer does not match the expected format and size */
  CLIP_PACK_NO_MEMORY,
  CLIP_PACK_NO_COPY,   /* from a GPU: see clip_cuda_reason() */
  CLIP_PACK_BAD_POINTS /* missing, or unlike those of the frames before */
} ClipPackResult;

/* A complete view. */
typedef struct {
  GstClipMeta clip; /* first: it is cleared as a meta */
  guint part;
} ClipPackView;

/* A batch that is being filled. A clip has one or more views. `clips` are complete, and `have`
 * frames of view `view` of the next clip were added. Read the fields, but change them only by the
 * functions. With views, several clips of one video come view by view, each view's one after
 * another: these are parts of the current clip, and become clips together. Frames are laid out as
 * [N][V][T][H][W][C] bytes, followed by labels as [N] int32, by
 * key points, if there are any, as [N][V][T][M][K][3] float, and, with views, by a mask as [N][V]
 * bytes. For use by one thread. */
typedef struct {
  GstVideoInfo info;
  gsize row_size;   /* bytes, without padding: W * C */
  gsize frame_size; /* H * W * C */
  guint frames;     /* T, frames per clip; 0: not known yet */
  guint capacity;   /* N, clips per full batch; 0: not known yet */
  guint views;      /* V; 1: there are no views, and no mask */
  guint parts;      /* clips of one video at most; 1: without views */
  guint view, part; /* of the current clip */
  guint have;       /* frames of this view of the current clip */
  /* format of all frames' key points; persons 0: there are none */
  GstClipKptMeta points;
  gsize points_size; /* bytes per frame */
  GArray *clips;     /* of GstClipMeta, for each view of complete clips */
  GArray *current;   /* of ClipPackView: of the current clip, as they came */

  ClipCuda *cuda; /* NULL: no frame so far was in a GPU's memory */
  ClipBlocks *blocks;
  ClipBlock *block;    /* NULL: no batch was started */
  GByteArray *unsized; /* the first clip's first view, while T is unknown */
  GByteArray *unsized_points;
  GstClockTime pts;      /* of the batch's first frame */
  GstClockTime clip_pts; /* of the current view's first frame */
  GstClockTime next_pts; /* of the current clip's, or the last one's, first frame */
} ClipPack;

void clip_pack_init (ClipPack *pack);
void clip_pack_finish (ClipPack *pack);

/* Whether frames have the same size and format as those so far. */
gboolean clip_pack_fits (const ClipPack *pack, const GstVideoInfo *info);

/* Sets the format of the frames that follow. If it is another one, everything is discarded, T
 * included. */
void clip_pack_set_info (ClipPack *pack, const GstVideoInfo *info);

/* Sets T, at least 1. Frames added so far belong to the first clip. */
void clip_pack_set_frames (ClipPack *pack, guint frames);

/* Announces a frame before a batch is started: the memory of batches depends on whether frames
 * are in a GPU's memory. */
void clip_pack_see (ClipPack *pack, GstBuffer *buffer);

/* Sets the format of all frames' key points; NULL: there are none. Call it before the first
 * frame is added. */
void clip_pack_set_points (ClipPack *pack, const GstClipKptMeta *points);

/* Sets V, at least 1. Call it before the first frame is added. */
void clip_pack_set_views (ClipPack *pack, guint views);

/* Complete clips in the batch. */
guint clip_pack_count (const ClipPack *pack);

/* Starts a view, from 0 to V - 1, of a part of the current clip, which must be below `parts`. */
void clip_pack_start_view (ClipPack *pack, guint view, guint part);

/* (transfer full) the clip-keypoints event for them; NULL: there are none. */
GstEvent *clip_pack_points_event (const ClipPack *pack);
/* Describes why a frame's key points are CLIP_PACK_BAD_POINTS, and what to do. Free with
 * g_free(). */
gchar *clip_pack_refuse_points (const ClipPack *pack, GstBuffer *buffer);

/* Allocates the next batch of `capacity` clips, unless one was started. T must be known.
 * parts: clips of one video at most, at least 1; without views it is ignored */
ClipPackResult clip_pack_begin (ClipPack *pack, guint capacity, guint parts);

/* Appends the rows of a frame, without padding, to the current view, which must have less than T
 * frames. Copies from a GPU's memory may be pending until the clip is complete. */
ClipPackResult clip_pack_add (ClipPack *pack, GstBuffer *buffer);

/* Completes the current view, which must have T frames, with this meta. If the result is not OK,
 * a copy from the GPU's memory failed and the view is discarded. */
ClipPackResult clip_pack_complete (ClipPack *pack, const GstClipMeta *clip);

/* Completes the current clip, and all of its parts. Of views that are missing, frames and key points
 * are copies of the first one that is there. FALSE: none is there, and there is no such clip. */
gboolean clip_pack_close (ClipPack *pack);

/* Reports that the current view ended before its last frame: posts clipbatch-dropped. Returns
 * the clip-skipped event to push downstream (transfer full). */
GstEvent *clip_pack_report_dropped (
    const ClipPack *pack, GstElement *element, const GstClipMeta *clip);
/* Discards the current view, the same with its earlier parts, or all clips. */
void clip_pack_drop_view (ClipPack *pack);
void clip_pack_retract_view (ClipPack *pack);
void clip_pack_drop (ClipPack *pack);

/* (transfer full) the first n complete clips, at least 1, as a buffer of two memories, and one more
 * each with key points and with views, and their metas. If there are more, they start the next
 * batch; otherwise a new one can be started. NULL: no memory for that batch. */
GstBuffer *clip_pack_take (ClipPack *pack, guint n);

/* (transfer full) caps of a batch of n clips. */
GstCaps *clip_pack_caps (const ClipPack *pack, guint n);

/* The time from the first frame of a full batch to its last, in ns; 0: the frame rate is
 * unknown. */
GstClockTime clip_pack_duration (const ClipPack *pack);

/* Whether both are frames of one clip, and whether they are of the same view of it. */
gboolean clip_pack_same_clip (const GstClipMeta *a, const GstClipMeta *b);
gboolean clip_pack_same_view (const GstClipMeta *a, const GstClipMeta *b);

/* Copies a meta, with references to its strings, and releases them. */
GstClipMeta clip_pack_copy_meta (const GstClipMeta *from);
void clip_pack_clear_meta (gpointer clip);

#endif
