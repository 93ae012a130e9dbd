/* clipnocuda.c: stubs of clipcuda.h for builds without GStreamer's CUDA library.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipcuda.h"

gboolean
clip_cuda_holds (GstBuffer *buffer)
{
  return FALSE;
}

ClipCuda *
clip_cuda_new (GstBuffer *buffer)
{
  return NULL;
}

void
clip_cuda_free (ClipCuda **cuda)
{
}

ClipBlocks *
clip_cuda_blocks (ClipCuda *cuda, gsize size)
{
  return clip_blocks_new (size, NULL);
}

ClipCudaResult
clip_cuda_copy (
    ClipCuda *cuda, const GstVideoInfo *info, GstBuffer *buffer, guint8 *to, gsize row_size)
{
  return CLIP_CUDA_FAILED;
}

gboolean
clip_cuda_wait (ClipCuda *cuda)
{
  return TRUE;
}

const gchar *
clip_cuda_reason (ClipCuda *cuda)
{
  return "built without GStreamer's CUDA library";
}
