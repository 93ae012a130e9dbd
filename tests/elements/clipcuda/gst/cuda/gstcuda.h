/* gst/cuda/gstcuda.h: a test double of the part of GStreamer's CUDA library that the clip elements
 * use, with the same names, for machines without its headers and without a GPU. Implemented in
 * fakecuda.c.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAKE_GST_CUDA_H
#define FAKE_GST_CUDA_H

#include <gst/gst.h>
#include <gst/video/video.h>

#define GST_MAP_CUDA (GST_MAP_FLAG_LAST << 1)
#define GST_CUDA_MEMORY_CAST(memory) ((GstCudaMemory *) (memory))

/* of the driver */
typedef enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_MAP_FAILED = 205,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
} CUresult;
typedef enum {
  CU_MEMORYTYPE_HOST = 1,
  CU_MEMORYTYPE_DEVICE = 2,
} CUmemorytype;
typedef unsigned long long CUdeviceptr;
typedef struct CUstream_st *CUstream;
typedef struct {
  CUmemorytype srcMemoryType, dstMemoryType;
  CUdeviceptr srcDevice;
  gpointer dstHost;
  gsize srcPitch, dstPitch, WidthInBytes, Height;
} CUDA_MEMCPY2D;

typedef GstObject GstCudaContext;
typedef struct _GstCudaStream GstCudaStream;
typedef struct {
  GstMemory mem;
  GstCudaContext *context;
  GstVideoInfo info;
} GstCudaMemory;

gboolean gst_is_cuda_memory (GstMemory *memory);
GstCudaStream *gst_cuda_memory_get_stream (GstCudaMemory *memory);
gboolean gst_cuda_context_push (GstCudaContext *context);
gboolean gst_cuda_context_pop (gpointer context);
CUstream gst_cuda_stream_get_handle (GstCudaStream *stream);
GstCudaStream *gst_cuda_stream_ref (GstCudaStream *stream);
void gst_clear_cuda_stream (GstCudaStream **stream);
CUresult CuGetErrorString (CUresult error, const char **text);
CUresult CuMemAllocHost (void **data, guint size);
CUresult CuMemFreeHost (void *data);
CUresult CuMemcpy2DAsync (const CUDA_MEMCPY2D *copy, CUstream stream);
CUresult CuStreamSynchronize (CUstream stream);

#endif
