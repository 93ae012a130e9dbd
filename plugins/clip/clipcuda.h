/* clipcuda.h: frames that lie in a GPU's memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CUDA_H
#define CLIP_CUDA_H

#include <gst/gst.h>
#include <gst/video/video.h>

#include "clipblocks.h"

/* Copies frames out of CUDA memory (memory:CUDAMemory) into the host's, many at
 * a time: a copy that is under way holds its frame. For one thread. Where
 * GStreamer's CUDA library was missing at build time no frame is taken for one
 * in a GPU's memory, and none of the rest is ever called. */
typedef struct _ClipCuda ClipCuda;

/* What a pad's caps have more than GST_VIDEO_CAPS_MAKE (formats). */
#ifdef HAVE_GST_CUDA
#define CLIP_CUDA_CAPS(formats) \
  "; " GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("memory:CUDAMemory", formats)
#else
#define CLIP_CUDA_CAPS(formats) ""
#endif

typedef enum {
  CLIP_CUDA_OK,
  CLIP_CUDA_BAD_FRAME, /* the buffer is no picture of this size */
  CLIP_CUDA_FAILED,    /* the GPU does not do it */
} ClipCudaResult;

/* The frame lies in a GPU's memory. */
gboolean clip_cuda_holds (GstBuffer *buffer);

/* For frames of the GPU that this one is on. */
ClipCuda *clip_cuda_new (GstBuffer *buffer);
/* Nulls the pointer; waits for what is under way. */
void clip_cuda_free (ClipCuda **cuda);

/* Blocks of page-locked memory, which a GPU can copy to while the CPU goes on;
 * of ordinary memory where there is none of it. They may outlive `cuda`. */
ClipBlocks *clip_cuda_blocks (ClipCuda *cuda, gsize size);

/* Begins to copy the frame's rows, without their padding, to
 * to[0..row_size * height - 1]: there once clip_cuda_wait() has said TRUE, and
 * not to be touched or freed before it has returned. info: what the frame must
 * be like. */
ClipCudaResult clip_cuda_copy (
    ClipCuda *cuda, const GstVideoInfo *info, GstBuffer *buffer, guint8 *to, gsize row_size);

/* Waits for all copies and lets go of their frames. FALSE: what was copied
 * since the last call is not there. */
gboolean clip_cuda_wait (ClipCuda *cuda);

/* What the driver said of the last failure. */
const gchar *clip_cuda_reason (ClipCuda *cuda);

#endif
