/* colormap.c: numbers as colours, and maps of numbers as pictures.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/draw/colormap.h"

#include <math.h>

#include "src/draw/canvas-private.h"

/* Colours at even steps; straight lines in sRGB between them. */
static Cnn3dColor
between (const Cnn3dColor *stops, guint n_stops, gdouble value)
{
  const gdouble at = CLAMP (value, 0, 1) * (n_stops - 1);
  const guint first = MIN ((guint) at, n_stops - 2);
  Cnn3dColor color = 0;

  if (isnan (value))
    return CNN3D_COLOR_NAN;
  for (gint shift = 16; shift >= 0; shift -= 8) {
    const gdouble a = stops[first] >> shift & 255, b = stops[first + 1] >> shift & 255;

    color = color << 8 | (guint) (a + (b - a) * (at - first) + 0.5);
  }
  return color;
}

Cnn3dColor
cnn3d_viridis (gdouble value)
{
  static const Cnn3dColor stops[] = { 0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89,
    0x35b779, 0x6ece58, 0xb5de2b, 0xfde725 };

  return between (stops, G_N_ELEMENTS (stops), value);
}

Cnn3dColor
cnn3d_blues (gdouble value)
{
  static const Cnn3dColor stops[] = { 0xf7f9fd, 0xc3d8ee, 0x7fb0dc, 0x3f83c2, 0x1d5797, 0x0e2f5e };

  return between (stops, G_N_ELEMENTS (stops), value);
}

#define TILE_GAP 4
#define MOST_WIDE 4096
#define MOST_PIXELS (64u << 20)

static void
paint_tile (guint32 *pixels, gsize stride, const gfloat *map, guint height, guint width,
    guint scale, gdouble least, gdouble range)
{
  for (guint y = 0; y < height * scale; y++)
    for (guint x = 0; x < width * scale; x++) {
      const gdouble number = map[(gsize) (y / scale) * width + x / scale];

      pixels[y * stride + x] = !isfinite (number)
          ? CNN3D_COLOR_NAN
          : cnn3d_viridis (range > 0 ? (number - least) / range : 0);
    }
}

GBytes *
cnn3d_tiles_png (
    const gfloat *maps, guint n, guint height, guint width, guint scale, GError **error)
{
  gdouble least = INFINITY, largest = -INFINITY;
  guint64 tile_width, tile_height, columns, rows, whole_width, whole_height;
  cairo_surface_t *surface;
  GBytes *png = NULL;

  if (n == 0 || height == 0 || width == 0)
    goto empty;
  if (scale == 0)
    scale = height < 96 ? (96 + height / 2) / height : 1;
  tile_width = (guint64) width * scale;
  tile_height = (guint64) height * scale;
  if (tile_width > CNN3D_CANVAS_LARGEST || tile_height > CNN3D_CANVAS_LARGEST)
    goto too_large;
  columns = CLAMP ((MOST_WIDE + TILE_GAP) / (tile_width + TILE_GAP), 1, n);
  rows = (n + columns - 1) / columns;
  whole_width = columns * (tile_width + TILE_GAP) - TILE_GAP;
  whole_height = rows * (tile_height + TILE_GAP) - TILE_GAP;
  if (whole_height > CNN3D_CANVAS_LARGEST || whole_width * whole_height > MOST_PIXELS)
    goto too_large;

  for (gsize i = 0; i < (gsize) n * height * width; i++)
    if (isfinite (maps[i])) {
      least = MIN (least, maps[i]);
      largest = MAX (largest, maps[i]);
    }

  surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, whole_width, whole_height);
  if (cairo_surface_status (surface) == CAIRO_STATUS_SUCCESS) {
    guint32 *pixels = (guint32 *) cairo_image_surface_get_data (surface);
    const gsize stride = cairo_image_surface_get_stride (surface) / sizeof *pixels;

    cairo_surface_flush (surface);
    for (gsize i = 0; i < stride * whole_height; i++)
      pixels[i] = 0xffffff;
    for (guint i = 0; i < n; i++)
      paint_tile (pixels + i / columns * (tile_height + TILE_GAP) * stride
              + i % columns * (tile_width + TILE_GAP),
          stride, maps + (gsize) i * height * width, height, width, scale, least, largest - least);
    cairo_surface_mark_dirty (surface);
  }
  png = cnn3d_surface_to_png (surface, error);
  cairo_surface_destroy (surface);
  return png;

  /* ERRORS */
empty:
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
      "there is nothing to draw in %u maps of %ux%u", n, height, width);
  return NULL;
too_large:
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
      "%u maps of %ux%u, each number %u pixels wide, make too large a picture: draw fewer, or with "
      "a smaller scale",
      n, height, width, scale);
  return NULL;
}
