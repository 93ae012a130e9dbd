/* tensorbatch.c: a batch's tensors and the names of its clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tensorbatch.h"

#include "src/escape.h"

gboolean
tensor_batch_map (TensorBatch *batch, GstBuffer *buffer, const TensorLayout *layout, GError **error)
{
  GstMemory **m = batch->memories;

  if (gst_buffer_n_memory (buffer) != 2)
    goto other_number;
  m[0] = gst_buffer_peek_memory (buffer, 0);
  m[1] = gst_buffer_peek_memory (buffer, 1);
  if (m[0]->size != layout->frames_size || m[1]->size != layout->labels_size)
    goto other_size;
  if (!gst_memory_map (m[0], &batch->frames, GST_MAP_READ))
    goto no_map;
  if (!gst_memory_map (m[1], &batch->labels, GST_MAP_READ)) {
    gst_memory_unmap (m[0], &batch->frames);
    goto no_map;
  }

  return TRUE;

  /* ERRORS */
other_number:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A batch came as %u memories, but is two: frames and labels. Give each tensor its own "
      "GstMemory.",
      gst_buffer_n_memory (buffer));
  return FALSE;
other_size:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A batch came with %" G_GSIZE_FORMAT " bytes of frames and %" G_GSIZE_FORMAT
      " of labels, but its caps say %" G_GSIZE_FORMAT " and %" G_GSIZE_FORMAT
      ": send buffers as the caps say.",
      m[0]->size, m[1]->size, layout->frames_size, layout->labels_size);
  return FALSE;
no_map:
  g_set_error (
      error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "A batch's memory cannot be read.");
  return FALSE;
}

void
tensor_batch_unmap (TensorBatch *batch)
{
  gst_memory_unmap (batch->memories[1], &batch->labels);
  gst_memory_unmap (batch->memories[0], &batch->frames);
}

void
tensor_batch_metas (GstBuffer *buffer, const GstClipMeta **metas, guint n)
{
  gpointer state = NULL;
  GstMeta *meta;
  guint i = 0;

  while (
      i < n && (meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_CLIP_META_API_TYPE)))
    metas[i++] = (const GstClipMeta *) meta;
  while (i < n)
    metas[i++] = NULL;
}

gchar *
tensor_batch_clip_name (GstBuffer *buffer, guint n, guint64 first)
{
  const GstClipMeta **metas = g_new (const GstClipMeta *, n + 1);
  const gchar *path;
  gchar *shown, *name;

  tensor_batch_metas (buffer, metas, n + 1);
  path = metas[n] ? metas[n]->path : NULL;
  g_free (metas);
  if (!path)
    return g_strdup_printf ("Clip %" G_GUINT64_FORMAT, first + n);
  shown = cnn3d_escape (path, FALSE);
  name = g_strdup_printf ("Clip %" G_GUINT64_FORMAT " (%s)", first + n, shown);
  g_free (shown);

  return name;
}
