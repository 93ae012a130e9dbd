/* clipcuda.c: frames in a GPU's memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipcuda.h"

#include <gst/cuda/gstcuda.h>

/* Frames held for pending copies: the pool that they come from may be small. */
#define MAX_PENDING 16

typedef struct {
  GstBuffer *buffer;
  GstMemory *memory;
  GstMapInfo map;
} Pending;

struct _ClipCuda {
  GstCudaContext *context; /* of the pending copies, or of the last one */
  GstCudaStream *stream;   /* that they are queued on; NULL: the default one */
  Pending pending[MAX_PENDING];
  guint n;
  CUresult error; /* the last failure */
};

gboolean
clip_cuda_holds (GstBuffer *buffer)
{
  return gst_buffer_n_memory (buffer) > 0
      && gst_is_cuda_memory (gst_buffer_peek_memory (buffer, 0));
}

ClipCuda *
clip_cuda_new (GstBuffer *buffer)
{
  ClipCuda *self = g_new0 (ClipCuda, 1);
  GstMemory *memory = gst_buffer_peek_memory (buffer, 0);

  self->context = gst_object_ref (GST_CUDA_MEMORY_CAST (memory)->context);

  return self;
}

void
clip_cuda_free (ClipCuda **cuda)
{
  ClipCuda *self = *cuda;

  if (!self)
    return;
  *cuda = NULL;
  clip_cuda_wait (self);
  gst_clear_cuda_stream (&self->stream);
  gst_object_unref (self->context);
  g_free (self);
}

static gpointer
take_pinned (gpointer context, gsize size)
{
  void *data = NULL;

  /* the library's function takes an unsigned int */
  if (size > G_MAXUINT || !gst_cuda_context_push (context))
    return NULL;
  if (CuMemAllocHost (&data, (guint) size) != CUDA_SUCCESS)
    data = NULL;
  gst_cuda_context_pop (NULL);

  return data;
}

static void
give_pinned (gpointer context, gpointer data)
{
  if (!gst_cuda_context_push (context))
    return;
  CuMemFreeHost (data);
  gst_cuda_context_pop (NULL);
}

ClipBlocks *
clip_cuda_blocks (ClipCuda *self, gsize size)
{
  const ClipBlocksSource source = { take_pinned, give_pinned, gst_object_ref (self->context),
    gst_object_unref };

  return clip_blocks_new (size, &source);
}

/* Where a frame's rows are in its memory. FALSE: the buffer does not match `info`. */
static gboolean
find_rows (GstBuffer *buffer, const GstVideoInfo *info, gsize row_size, gsize *offset, gsize *pitch)
{
  const GstCudaMemory *memory = GST_CUDA_MEMORY_CAST (gst_buffer_peek_memory (buffer, 0));
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const gsize size = GST_MEMORY_CAST (memory)->size;
  const gint height = GST_VIDEO_INFO_HEIGHT (info);
  gboolean same;
  gint stride;

  if (meta) {
    same = meta->format == GST_VIDEO_INFO_FORMAT (info)
        && meta->width == (guint) GST_VIDEO_INFO_WIDTH (info) && meta->height == (guint) height;
    *offset = meta->offset[0];
    stride = meta->stride[0];
  } else {
    same = GST_VIDEO_INFO_FORMAT (&memory->info) == GST_VIDEO_INFO_FORMAT (info)
        && GST_VIDEO_INFO_WIDTH (&memory->info) == GST_VIDEO_INFO_WIDTH (info)
        && GST_VIDEO_INFO_HEIGHT (&memory->info) == height;
    *offset = GST_VIDEO_INFO_PLANE_OFFSET (&memory->info, 0);
    stride = GST_VIDEO_INFO_PLANE_STRIDE (&memory->info, 0);
  }
  *pitch = (gsize) stride;

  return same && gst_buffer_n_memory (buffer) == 1 && stride > 0 && *pitch >= row_size
      && size >= row_size && *offset <= size - row_size
      && (gsize) (height - 1) <= (size - row_size - *offset) / *pitch;
}

ClipCudaResult
clip_cuda_copy (
    ClipCuda *self, const GstVideoInfo *info, GstBuffer *buffer, guint8 *to, gsize row_size)
{
  GstMemory *memory = gst_buffer_peek_memory (buffer, 0);
  GstCudaContext *context = GST_CUDA_MEMORY_CAST (memory)->context;
  GstCudaStream *stream = gst_cuda_memory_get_stream (GST_CUDA_MEMORY_CAST (memory));
  Pending *pending;
  CUDA_MEMCPY2D copy = {
    0,
  };
  gsize offset, pitch;

  if (!find_rows (buffer, info, row_size, &offset, &pitch))
    return CLIP_CUDA_BAD_FRAME;
  if ((self->n == MAX_PENDING || context != self->context || stream != self->stream)
      && !clip_cuda_wait (self))
    return CLIP_CUDA_FAILED;
  gst_object_replace ((GstObject **) &self->context, GST_OBJECT (context));
  if (stream != self->stream) {
    gst_clear_cuda_stream (&self->stream);
    self->stream = stream ? gst_cuda_stream_ref (stream) : NULL;
  }

  pending = &self->pending[self->n];
  if (!gst_memory_map (memory, &pending->map, (GstMapFlags) (GST_MAP_READ | GST_MAP_CUDA)))
    goto no_map;
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = (CUdeviceptr) ((guintptr) pending->map.data + offset);
  copy.srcPitch = pitch;
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = to;
  copy.dstPitch = row_size;
  copy.WidthInBytes = row_size;
  copy.Height = GST_VIDEO_INFO_HEIGHT (info);
  self->error = CUDA_ERROR_INVALID_CONTEXT;
  if (!gst_cuda_context_push (context))
    goto failed;
  /* on the stream that produces the frame, so after it */
  self->error = CuMemcpy2DAsync (&copy, gst_cuda_stream_get_handle (stream));
  gst_cuda_context_pop (NULL);
  if (self->error != CUDA_SUCCESS)
    goto failed;

  pending->buffer = gst_buffer_ref (buffer);
  pending->memory = memory;
  self->n++;

  return CLIP_CUDA_OK;

  /* ERRORS */
no_map:
  self->error = CUDA_ERROR_MAP_FAILED;
  return CLIP_CUDA_FAILED;
failed:
  gst_memory_unmap (memory, &pending->map);
  return CLIP_CUDA_FAILED;
}

gboolean
clip_cuda_wait (ClipCuda *self)
{
  CUresult error = CUDA_ERROR_INVALID_CONTEXT;

  if (self->n == 0)
    return TRUE;
  if (gst_cuda_context_push (self->context)) {
    error = CuStreamSynchronize (gst_cuda_stream_get_handle (self->stream));
    gst_cuda_context_pop (NULL);
  }
  while (self->n > 0) {
    Pending *pending = &self->pending[--self->n];

    gst_memory_unmap (pending->memory, &pending->map);
    gst_clear_buffer (&pending->buffer);
  }
  if (error != CUDA_SUCCESS)
    self->error = error;

  return error == CUDA_SUCCESS;
}

const gchar *
clip_cuda_reason (ClipCuda *self)
{
  const char *text = NULL;

  if (CuGetErrorString (self->error, &text) != CUDA_SUCCESS || !text)
    return "unknown error";

  return text;
}
