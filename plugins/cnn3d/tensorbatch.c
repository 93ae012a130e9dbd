/* tensorbatch.c: a batch's tensors and the names of its clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tensorbatch.h"

#include "src/escape.h"

#define MOST 4 /* memories */

/* Whether each clip has a view, and nothing but 0 and 1 is in the mask. *clip: the first one for
 * which this is not so */
static gboolean
is_mask (const guint8 *present, const TensorLayout *layout, guint *clip)
{
  for (*clip = 0; *clip < layout->clips; (*clip)++) {
    guint there = 0;

    for (guint v = 0; v < layout->views; v++, present++) {
      if (*present > 1)
        return FALSE;
      there += *present;
    }
    if (there == 0)
      return FALSE;
  }

  return TRUE;
}

gboolean
tensor_batch_map (TensorBatch *batch, GstBuffer *buffer, const TensorLayout *layout, GError **error)
{
  const gchar *names[MOST] = { "frames", "labels", "key points" };
  gsize sizes[MOST] = { layout->frames_size, layout->labels_size, layout->points_size };
  const guint points = 2, mask = layout->points ? 3 : 2;
  const guint n = mask + (layout->views > 1);
  guint clip;

  batch->n = 0;
  batch->points = NULL;
  batch->present = NULL;
  if (layout->views > 1) {
    names[mask] = "the mask";
    sizes[mask] = layout->present_size;
  }
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
  if (layout->points)
    batch->points = (const gfloat *) batch->maps[points].data;
  if ((gsize) batch->points % sizeof (gfloat))
    goto no_alignment;
  if (layout->views > 1)
    batch->present = batch->maps[mask].data;
  if (batch->present && !is_mask (batch->present, layout, &clip))
    goto bad_mask;

  return TRUE;

  /* ERRORS */
other_number:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "A batch has %u memories, but must have %s. Give each tensor its own GstMemory.",
      gst_buffer_n_memory (buffer),
      layout->views > 1    ? layout->points ? "four: frames, labels, key points and a mask of views"
                                            : "three: frames, labels and a mask of views"
          : layout->points ? "three: frames, labels and key points"
                           : "two: frames and labels");
  return FALSE;
bad_mask:
  g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "The mask of a batch's clip %u is wrong: it is 1 for each view that is there, one at least, "
      "and 0 for those that are missing.",
      clip);
  tensor_batch_unmap (batch);
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
  const GstClipMeta *clip;
  gpointer state = NULL;
  guint i = 0, views;

  for (guint k = 0; k < n; k++)
    metas[k] = NULL;
  while ((clip = (const GstClipMeta *) gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_CLIP_META_API_TYPE))) {
    views = MAX (clip->views, 1);
    if (i / views >= n)
      break;
    if (!metas[i / views] || (!metas[i / views]->path && clip->path))
      metas[i / views] = clip;
    i++;
  }
}

void
tensor_batch_view_metas (GstBuffer *buffer, const GstClipMeta **metas, guint n, guint views)
{
  const GstClipMeta *clip;
  gpointer state = NULL;
  guint i;

  for (gsize k = 0; k < (gsize) n * views; k++)
    metas[k] = NULL;
  for (i = 0; (clip = (const GstClipMeta *) gst_buffer_iterate_meta_filtered (
                   buffer, &state, GST_CLIP_META_API_TYPE))
      && i / views < n;
      i++)
    if (clip->view < views)
      metas[i / views * views + clip->view] = clip;
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
