/* tensorbatch.h: a batch's memories and names, out of its buffer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TENSOR_BATCH_H
#define TENSOR_BATCH_H

#include "gstclipmeta.h"
#include "tensorcaps.h"

/* A buffer's two memories, to be read. */
typedef struct {
  GstMemory *memories[2];
  GstMapInfo frames, labels;
} TensorBatch;

/* The buffer must outlive it. FALSE with an error of GStreamer's, a sentence
 * for a person, where the buffer is not as its caps say. */
gboolean tensor_batch_map (TensorBatch * batch, GstBuffer * buffer,
    const TensorLayout * layout, GError ** error);
void tensor_batch_unmap (TensorBatch * batch);

/* The metas of a batch's clips, in their order, to metas[0..n-1]; NULL where
 * there is none. */
void tensor_batch_metas (GstBuffer * buffer, const GstClipMeta ** metas,
    guint n);

/* Names clip number `n` of a batch whose first clip is number `first`: "Clip 17
 * (path)", escaped; g_free(). */
gchar *tensor_batch_clip_name (GstBuffer * buffer, guint n, guint64 first);

#endif
