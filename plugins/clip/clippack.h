/* clippack.h: clips laid side by side in one memory, as tensors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PACK_H
#define CLIP_PACK_H

#include <gst/gst.h>
#include <gst/video/video.h>

#include "clipblocks.h"
#include "clipcuda.h"
#include "gstclipkptmeta.h"

/* Frames of a clip at most. Longer than any clip a network takes: more means
 * that nobody samples. */
#define CLIP_PACK_MAX_FRAMES 4096

typedef enum {
  CLIP_PACK_OK,
  CLIP_PACK_BAD_FRAME, /* the buffer is no picture of this size */
  CLIP_PACK_NO_MEMORY,
  CLIP_PACK_NO_COPY,   /* a GPU's: clip_cuda_reason() */
  CLIP_PACK_BAD_POINTS /* no key points, or not those of the frames before */
} ClipPackResult;

/* A batch in the making: `clips` complete ones, and `have` frames of the next.
 * Read the fields, write them through the functions. Frames lie as
 * [N][T][H][W][C] bytes, labels behind them as [N] int32, and key points, where there
 * are any, as [N][T][M][K][3] float. For one thread. */
typedef struct {
  GstVideoInfo info;
  gsize row_size;   /* bytes, without padding: W * C */
  gsize frame_size; /* H * W * C */
  guint frames;     /* T, frames of a clip; 0: not known yet */
  guint capacity;   /* N, clips of a full batch; 0: not known yet */
  guint have;       /* frames of the clip at hand */
  /* what all frames' key points are like; persons 0: there are none */
  GstClipKptMeta points;
  gsize points_size; /* bytes of a frame's */
  GArray *clips;     /* the complete ones, of GstClipMeta */

  ClipCuda *cuda; /* NULL: no frame came in a GPU's memory */
  ClipBlocks *blocks;
  ClipBlock *block;    /* NULL: no batch is begun */
  GByteArray *unsized; /* the first clip while T is not known */
  GByteArray *unsized_points;
  GstClockTime pts;      /* of the first frame */
  GstClockTime clip_pts; /* of the clip at hand's first frame */
} ClipPack;

void clip_pack_init (ClipPack *pack);
void clip_pack_finish (ClipPack *pack);

/* Frames like these have the size and format of those so far. */
gboolean clip_pack_fits (const ClipPack *pack, const GstVideoInfo *info);

/* What frames are like from now on; others than so far: forgets all, T too. */
void clip_pack_set_info (ClipPack *pack, const GstVideoInfo *info);

/* T, at least 1. Frames that were counted so far count as the first clip's. */
void clip_pack_set_frames (ClipPack *pack, guint frames);

/* A frame like those to come, before the batch is begun: the memory for batches
 * depends on where frames lie. */
void clip_pack_see (ClipPack *pack, GstBuffer *buffer);

/* What all frames' key points are like from now on; NULL: there are none. Before the
 * first frame. */
void clip_pack_set_points (ClipPack *pack, const GstClipKptMeta *points);

/* (transfer full) The event that says what these are; NULL: there are none. */
GstEvent *clip_pack_points_event (const ClipPack *pack);
/* Why a frame's are CLIP_PACK_BAD_POINTS: what it has, and what to do; g_free(). */
gchar *clip_pack_refuse_points (const ClipPack *pack, GstBuffer *buffer);

/* Memory for the next batch of `capacity` clips, unless one is begun. T must
 * be known. */
ClipPackResult clip_pack_begin (ClipPack *pack, guint capacity);

/* Copies the rows of a frame, without their padding, behind the clip's frames
 * so far; there must be less than T of them. Out of a GPU's memory they are there
 * once the clip is complete. */
ClipPackResult clip_pack_add (ClipPack *pack, GstBuffer *buffer);

/* The clip at hand has all of its T frames and is this one. Not OK: they did not
 * come out of the GPU's memory, the clip is forgotten. */
ClipPackResult clip_pack_complete (ClipPack *pack, const GstClipMeta *clip);

/* The clip at hand ended before its last frame: posts clipbatch-dropped, and gives the
 * event clip-skipped for downstream. */
GstEvent *clip_pack_report_dropped (
    const ClipPack *pack, GstElement *element, const GstClipMeta *clip);
/* Forgets the clip at hand, or all clips. */
void clip_pack_drop_clip (ClipPack *pack);
void clip_pack_drop (ClipPack *pack);

/* (transfer full) The complete clips, at least 1, as a buffer of two memories, or three,
 * with their metas; a new batch can begin. */
GstBuffer *clip_pack_take (ClipPack *pack);

/* (transfer full) Caps of a batch of n clips. */
GstCaps *clip_pack_caps (const ClipPack *pack, guint n);

/* From the first frame of a full batch to its last. 0: the rate is not known. */
GstClockTime clip_pack_duration (const ClipPack *pack);

/* Both are frames of one clip. */
gboolean clip_pack_same_clip (const GstClipMeta *a, const GstClipMeta *b);

/* Another reference on what a clip says of itself, and its end. */
GstClipMeta clip_pack_copy_meta (const GstClipMeta *from);
void clip_pack_clear_meta (gpointer clip);

#endif
