/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipraw.h"

#include <string.h>

/* Bytes in a row of a plane, without padding. *rows: number of rows. */
static gsize
row_bytes (const GstVideoInfo *info, guint plane, gsize *rows)
{
  gsize bytes = 0;

  *rows = 0;
  for (guint c = 0; c < GST_VIDEO_INFO_N_COMPONENTS (info); c++)
    if (GST_VIDEO_INFO_COMP_PLANE (info, c) == plane) {
      bytes = MAX (bytes,
          (gsize) GST_VIDEO_INFO_COMP_WIDTH (info, c) * GST_VIDEO_INFO_COMP_PSTRIDE (info, c));
      *rows = MAX (*rows, (gsize) GST_VIDEO_INFO_COMP_HEIGHT (info, c));
    }

  return bytes;
}

static gsize
tight_bytes (const GstVideoInfo *info)
{
  gsize bytes = 0;

  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++) {
    gsize rows, row = row_bytes (info, i, &rows);

    bytes += row * rows;
  }

  return bytes;
}

/* Bytes from row to row in a frame of a single plane whose rows have other padding than
 * GStreamer's: an even number in QuickTime, in r210 that of blocks of 64 pixels. 0: no such
 * frame. */
static gsize
find_stride (const GstVideoInfo *info, gsize size)
{
  const gsize height = GST_VIDEO_INFO_HEIGHT (info), width = GST_VIDEO_INFO_WIDTH (info);
  gsize stride, rows;

  if (height == 0 || GST_VIDEO_INFO_N_PLANES (info) != 1 || size % height != 0)
    return 0;
  stride = size / height;
  if (stride < row_bytes (info, 0, &rows))
    return 0;
  if (GST_VIDEO_INFO_FORMAT (info) == GST_VIDEO_FORMAT_r210)
    return stride == 4 * ((width + 63) / 64 * 64) ? stride : 0;

  return size < GST_VIDEO_INFO_SIZE (info) ? stride : 0;
}

/* stride: bytes from row to row in `from`; 0: there is no padding */
static GstBuffer *
convert (const GstVideoInfo *info, const guint8 *from, gsize stride)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_WRITE)) {
    gst_buffer_unref (buffer);
    return NULL;
  }
  memset (map.data, 0, map.size);
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++) {
    guint8 *to = map.data + GST_VIDEO_INFO_PLANE_OFFSET (info, i);
    gsize rows, row = row_bytes (info, i, &rows);

    for (; rows > 0; rows--) {
      memcpy (to, from, row);
      from += MAX (row, stride);
      to += GST_VIDEO_INFO_PLANE_STRIDE (info, i);
    }
  }
  gst_buffer_unmap (buffer, &map);

  return buffer;
}

GstBuffer *
clip_raw_pad (const GstVideoInfo *info, GstBuffer *buffer, gchar **reason)
{
  const gsize size = gst_buffer_get_size (buffer), stride = find_stride (info, size);
  GstBuffer *padded = NULL;
  GstMapInfo map;

  if (size >= GST_VIDEO_INFO_SIZE (info) && stride == 0)
    return buffer;
  if (!GST_VIDEO_FORMAT_INFO_IS_COMPLEX (info->finfo)
      && !GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo)
      && !GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo)
      && (stride > 0 || size == tight_bytes (info))
      && gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    padded = convert (info, map.data, stride);
    gst_buffer_unmap (buffer, &map);
  }
  if (padded)
    gst_buffer_copy_into (padded, buffer, GST_BUFFER_COPY_METADATA, 0, -1);
  else
    *reason = g_strdup_printf ("a raw frame of it has %" G_GSIZE_FORMAT
                               " bytes, but its header gives %" G_GSIZE_FORMAT,
        size, GST_VIDEO_INFO_SIZE (info));
  gst_buffer_unref (buffer);

  return padded;
}
