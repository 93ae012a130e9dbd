/* tensorbatch.c: a batch's tensors and the names of its clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tensorbatch.h"

#include "src/escape.h"

gboolean
tensor_batch_map (TensorBatch *batch, GstBuffer *buffer, const TensorLayout *layout, GError **error)
{
  static const gchar *const names[3] = { "frames", "labels", "key points" };
  const gsize sizes[3] = { layout->frames_size, layout->labels_size, layout->points_size };
  const guint n = layout->points ? 3 : 2;

  batch->n = 0;
  batch->points = NULL;
  if (gst_buffer_n_memory (buffer) != n)
    goto other_number;
  while (batch->n < n) {
    const guint i = batch->n;

    batch->memories[i] = gst_buffer_peek_memory (buffer, i);
    if (batch->memories[i]->size != sizes[i])
      goto other_size;
    if (!gst_memory_map (batch->memories[i], &batch->maps[i], GST_MAP_READ))
      goto no_map;
    batch->n++;
  }
  batch->frames = batch->maps[0].data;
  batch->labels = batch->maps[1].data;
  if (n == 3)
    batch->points = (const gfloat *) batch->maps[2].data;
  if ((gsize) batch->points % sizeof (gfloat))
    goto no_alignment;

  return TRUE;

  /* ERRORS */
other_number:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A batch has %u memories, but must have %s. Give each tensor its own GstMemory.",
      gst_buffer_n_memory (buffer),
      n == 2 ? "two: frames and labels" : "three: frames, labels and key points");
  return FALSE;
other_size:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A batch has %" G_GSIZE_FORMAT " bytes of %s, but its caps say %" G_GSIZE_FORMAT
      ": send buffers that match the caps.",
      batch->memories[batch->n]->size, names[batch->n], sizes[batch->n]);
  tensor_batch_unmap (batch);
  return FALSE;
no_map:
  g_set_error (
      error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "A batch's memory cannot be read.");
  tensor_batch_unmap (batch);
  return FALSE;
no_alignment:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A batch's key points are not aligned to 4 bytes: align them.");
  tensor_batch_unmap (batch);
  return FALSE;
}

void
tensor_batch_unmap (TensorBatch *batch)
{
  while (batch->n > 0) {
    batch->n--;
    gst_memory_unmap (batch->memories[batch->n], &batch->maps[batch->n]);
  }
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
