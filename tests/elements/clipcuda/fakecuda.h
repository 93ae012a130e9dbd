/* fakecuda.h: a GPU without a GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAKE_CUDA_H
#define FAKE_CUDA_H

#include <gst/cuda/gstcuda.h>

/* What can be made to fail, and what was done. */
typedef struct {
  gint fail_copies; /* the copy after so many fails; -1: none */
  gint fail_waits;
  gint fail_maps;
  gint fail_pushes;
  gboolean no_pinned; /* there is no page-locked memory */
  gboolean no_texts;  /* no error has a text */
  guint copies, waits;
  guint mapped_by_cpu; /* device memory that was read by the CPU */
  guint under_way;     /* copies begun and not waited for */
  guint most_under_way;
  gint pushed;   /* contexts pushed and not popped */
  gint pinned;   /* blocks in use */
  gint memories; /* frames' memories in use */
} FakeCuda;
extern FakeCuda fake_cuda;

void fake_cuda_init (void);

GstCudaContext *fake_context_new (void);
GstCudaStream *fake_stream_new (void);

/* (transfer full) Device memory of rows `pitch` bytes apart, after `offset`
 * bytes; all bytes are `fill`. Only copies can read it. */
GstMemory *fake_memory_new (GstCudaContext *context, GstCudaStream *stream,
    const GstVideoInfo *info, gsize offset, gsize pitch, guint8 fill);
/* Its bytes, as the device has them. */
guint8 *fake_memory_data (GstMemory *memory);

#endif
