/* png.c: a canvas as pixels, and pixels as a PNG file, by cairo.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/draw/canvas-private.h"

#include <math.h>

static cairo_status_t
take (void *closure, const unsigned char *data, unsigned int length)
{
  g_byte_array_append (closure, data, length);
  return CAIRO_STATUS_SUCCESS;
}

GBytes *
cnn3d_surface_to_png (cairo_surface_t *surface, GError **error)
{
  GByteArray *file = g_byte_array_new ();
  const cairo_status_t status = cairo_surface_write_to_png_stream (surface, take, file);

  if (status == CAIRO_STATUS_SUCCESS)
    return g_byte_array_free_to_bytes (file);
  g_byte_array_unref (file);
  g_set_error (error, G_FILE_ERROR,
      status == CAIRO_STATUS_NO_MEMORY ? G_FILE_ERROR_NOMEM : G_FILE_ERROR_FAILED,
      "cannot draw a picture of %dx%d pixels: %s", cairo_image_surface_get_width (surface),
      cairo_image_surface_get_height (surface), cairo_status_to_string (status));
  return NULL;
}

static void
paint_text (cairo_t *cairo, const CanvasMark *mark)
{
  cairo_text_extents_t extents;
  gdouble advance;

  cairo_save (cairo);
  cairo_translate (cairo, mark->at[0], mark->at[1]);
  cairo_rotate (cairo, mark->at[2] * G_PI / 180);
  cairo_set_font_size (cairo, mark->size);
  cairo_text_extents (cairo, mark->text, &extents);
  advance = extents.x_advance;
  cairo_move_to (cairo,
      mark->anchor == CNN3D_ANCHOR_START        ? 0
          : mark->anchor == CNN3D_ANCHOR_MIDDLE ? -advance / 2
                                                : -advance,
      0);
  cairo_show_text (cairo, mark->text);
  cairo_restore (cairo);
}

static void
paint (cairo_t *cairo, const CanvasMark *mark)
{
  cairo_set_source_rgb (cairo, (mark->color >> 16 & 255) / 255., (mark->color >> 8 & 255) / 255.,
      (mark->color & 255) / 255.);
  cairo_new_path (cairo); /* text leaves a point behind */
  switch (mark->kind) {
    case CANVAS_RECT:
      cairo_rectangle (cairo, mark->at[0], mark->at[1], mark->at[2], mark->at[3]);
      cairo_fill (cairo);
      break;
    case CANVAS_DOT:
      cairo_arc (cairo, mark->at[0], mark->at[1], mark->size, 0, 2 * G_PI);
      cairo_fill (cairo);
      break;
    case CANVAS_LINES:
      for (guint i = 0; i < mark->n_points; i++)
        cairo_line_to (cairo, mark->points[2 * i], mark->points[2 * i + 1]);
      cairo_set_line_width (cairo, mark->size);
      cairo_stroke (cairo);
      break;
    case CANVAS_TEXT:
      paint_text (cairo, mark);
      break;
  }
}

GBytes *
cnn3d_canvas_to_png (const Cnn3dCanvas *canvas, GError **error)
{
  cairo_surface_t *surface =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, canvas->width, canvas->height);
  cairo_t *cairo = cairo_create (surface);
  GBytes *png = NULL;

  cairo_set_source_rgb (cairo, 1, 1, 1);
  cairo_paint (cairo);
  cairo_set_line_join (cairo, CAIRO_LINE_JOIN_ROUND);
  cairo_select_font_face (cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  for (guint i = 0; i < canvas->marks->len; i++)
    paint (cairo, &g_array_index (canvas->marks, CanvasMark, i));

  if (cairo_status (cairo) == CAIRO_STATUS_SUCCESS)
    png = cnn3d_surface_to_png (surface, error);
  else
    g_set_error (error, G_FILE_ERROR,
        cairo_status (cairo) == CAIRO_STATUS_NO_MEMORY ? G_FILE_ERROR_NOMEM : G_FILE_ERROR_FAILED,
        "cannot draw a picture of %ux%u pixels: %s", canvas->width, canvas->height,
        cairo_status_to_string (cairo_status (cairo)));
  cairo_destroy (cairo);
  cairo_surface_destroy (surface);
  return png;
}
