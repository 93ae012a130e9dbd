/* tensorbatch.h: a batch's tensors and the names of its clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TENSOR_BATCH_H
#define TENSOR_BATCH_H

#include "gstclipmeta.h"
#include "tensorcaps.h"

/* A buffer's memories, mapped for reading. */
typedef struct {
  guint n;
  GstMemory *memories[4];
  GstMapInfo maps[4];
  const guint8 *frames, *labels;
  const gfloat *points;  /* NULL: no key points */
  const guint8 *present; /* (N, V): 1: this view is there, 0: missing; NULL: no mask, no views */
} TensorBatch;

/* Maps a buffer, which must outlive the batch. FALSE with a GST_STREAM_ERROR,
 * readable by the user, if the buffer does not match its caps, or if the mask has other values,
 * or a clip of which no view is there. */
gboolean tensor_batch_map (
    TensorBatch *batch, GstBuffer *buffer, const TensorLayout *layout, GError **error);
void tensor_batch_unmap (TensorBatch *batch);

/* The metas of a batch's clips, in order, to metas[0..n-1]; NULL: none. With views, a clip's meta
 * is that of the first of its views that has a file. */
void tensor_batch_metas (GstBuffer *buffer, const GstClipMeta **metas, guint n);
/* The same of each view, to metas[0..n*views-1], clip by clip. views: 1: none */
void tensor_batch_view_metas (GstBuffer *buffer, const GstClipMeta **metas, guint n, guint views);

/* Describes clip number `n` of a batch whose first clip is number `first`:
 * "Clip 17 (path)", escaped; free with g_free(). */
gchar *tensor_batch_clip_name (GstBuffer *buffer, guint n, guint64 first);

#endif
