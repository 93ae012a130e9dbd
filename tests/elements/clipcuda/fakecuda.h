/* fakecuda.h: a simulated GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAKE_CUDA_H
#define FAKE_CUDA_H

#include <gst/cuda/gstcuda.h>

/* Failures to inject, and counters. */
typedef struct {
  gint fail_copies; /* the copy after this many fails; -1: none */
  gint fail_waits;
  gint fail_maps;
  gint fail_pushes;
  gboolean no_pinned; /* page-locked memory is not available */
  gboolean no_texts;  /* errors have no text */
  guint copies, waits;
  guint mapped_by_cpu; /* device memory read by the CPU */
  guint under_way;     /* copies enqueued and not waited for */
  guint most_under_way;
  gint pushed;   /* contexts pushed and not popped */
  gint pinned;   /* blocks in use */
  gint memories; /* memories of frames in use */
} FakeCuda;
extern FakeCuda fake_cuda;

void fake_cuda_init (void);

GstCudaContext *fake_context_new (void);
GstCudaStream *fake_stream_new (void);

/* (transfer full) Device memory of rows `pitch` bytes apart, after `offset` bytes; all bytes are
 * `fill`. Only copies can read it. */
GstMemory *fake_memory_new (GstCudaContext *context, GstCudaStream *stream,
    const GstVideoInfo *info, gsize offset, gsize pitch, guint8 fill);
/* Its bytes on the device. */
guint8 *fake_memory_data (GstMemory *memory);

#endif
