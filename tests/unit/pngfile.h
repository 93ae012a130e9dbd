/* pngfile.h: a PNG file's pixels, read by cairo.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_TEST_PNGFILE_H
#define CNN3D_TEST_PNGFILE_H

#include <cairo.h>
#include <glib.h>
#include <string.h>

typedef struct {
  guint width, height;
  cairo_surface_t *surface;
  GBytes *file;
  gsize at; /* read position */
} PngFile;

static inline cairo_status_t
png_take (void *closure, unsigned char *data, unsigned int length)
{
  PngFile *png = closure;
  gsize size;
  const guint8 *bytes = g_bytes_get_data (png->file, &size);

  if (length > size - png->at)
    return CAIRO_STATUS_READ_ERROR;
  memcpy (data, bytes + png->at, length);
  png->at += length;
  return CAIRO_STATUS_SUCCESS;
}

/* Takes the file. */
static inline void
png_read (PngFile *png, GBytes *file)
{
  g_assert_nonnull (file);
  *png = (PngFile) { .file = file };
  png->surface = cairo_image_surface_create_from_png_stream (png_take, png);
  g_assert_cmpint (cairo_surface_status (png->surface), ==, CAIRO_STATUS_SUCCESS);
  png->width = cairo_image_surface_get_width (png->surface);
  png->height = cairo_image_surface_get_height (png->surface);
}

static inline void
png_clear (PngFile *png)
{
  cairo_surface_destroy (png->surface);
  g_bytes_unref (png->file);
}

/* 0xRRGGBB */
static inline guint32
png_pixel (const PngFile *png, guint x, guint y)
{
  const guint8 *row = cairo_image_surface_get_data (png->surface)
      + (gsize) y * cairo_image_surface_get_stride (png->surface);
  guint32 pixel;

  g_assert_true (x < png->width && y < png->height);
  memcpy (&pixel, row + 4 * x, sizeof pixel);
  return pixel & 0xffffff;
}

#endif
