/* clipcuda.h: frames in a GPU's memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CUDA_H
#define CLIP_CUDA_H

#include <gst/gst.h>
#include <gst/video/video.h>

#include "clipblocks.h"

/* Copies frames from CUDA memory (memory:CUDAMemory) to the host, several at a time: a pending
 * copy holds a reference to its frame. For use by one thread. Built without GStreamer's CUDA
 * library, clip_cuda_holds() is always FALSE, and no other function is called. */
typedef struct _ClipCuda ClipCuda;

/* Additional caps for a pad beside GST_VIDEO_CAPS_MAKE (formats). */
#ifdef HAVE_GST_CUDA
#define CLIP_CUDA_CAPS(formats) \
  "; " GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("memory:CUDAMemory", formats)
#else
#define CLIP_CUDA_CAPS(formats) ""
#endif

typedef enum {
  CLIP_CUDA_OK,
  CLIP_CUDA_BAD_FRAME, /* the buffer does not match the expected format and size */
  CLIP_CUDA_FAILED,    /* the GPU failed to copy it */
} ClipCudaResult;

/* Whether the frame is in a GPU's memory. */
gboolean clip_cuda_holds (GstBuffer *buffer);

/* For frames on the same GPU as this one. */
ClipCuda *clip_cuda_new (GstBuffer *buffer);
/* Sets the pointer to NULL, after all pending copies have finished. */
void clip_cuda_free (ClipCuda **cuda);

/* Blocks of page-locked memory, which a GPU copies to asynchronously, or of ordinary memory if
 * there is no page-locked memory. They may outlive `cuda`. */
ClipBlocks *clip_cuda_blocks (ClipCuda *cuda, gsize size);

/* Starts to copy the frame's rows, without padding, to to[0..row_size * height - 1]. The data is
 * valid once clip_cuda_wait() returned TRUE, and must not be accessed or freed before it
 * returns. info: the expected format and size. */
ClipCudaResult clip_cuda_copy (
    ClipCuda *cuda, const GstVideoInfo *info, GstBuffer *buffer, guint8 *to, gsize row_size);

/* Waits for all copies and releases their frames. FALSE: what was copied since the last call is
 * invalid. */
gboolean clip_cuda_wait (ClipCuda *cuda);

/* The driver's description of the last failure. */
const gchar *clip_cuda_reason (ClipCuda *cuda);

#endif
