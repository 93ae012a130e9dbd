/* contact-sheet.c: a picture with examples of each class.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "contact-sheet.h"

#include <gio/gio.h>

#define FRAMES 8
#define EVERY 2
#define TILE 80 /* pixels: frames are scaled to fit into this square */
#define GAP 4
#define NAME_WIDTH 130

static void
draw_row (cairo_t *cr, const DemoMovie *movie, const gchar *name, gdouble top)
{
  cairo_surface_t *frame =
      cairo_image_surface_create (CAIRO_FORMAT_RGB24, movie->width, movie->height);
  gdouble scale = (gdouble) TILE / MAX (movie->width, movie->height);
  guint i;

  cairo_set_source_rgb (cr, 0.1, 0.1, 0.1);
  cairo_move_to (cr, GAP, top + TILE / 2.0 + 4);
  cairo_show_text (cr, name);

  for (i = 0; i < FRAMES; i++) {
    movie->draw (movie->data, EVERY * i, frame);
    cairo_save (cr);
    cairo_translate (cr, NAME_WIDTH + i * (TILE + GAP) + (TILE - movie->width * scale) / 2,
        top + (TILE - movie->height * scale) / 2);
    cairo_scale (cr, scale, scale);
    cairo_set_source_surface (cr, frame, 0, 0);
    cairo_paint (cr);
    cairo_restore (cr);
  }
  cairo_surface_destroy (frame);
}

gboolean
demo_contact_sheet (const DemoKind *kind, guint64 seed, const gchar *path, GError **error)
{
  cairo_surface_t *sheet = cairo_image_surface_create (
      CAIRO_FORMAT_RGB24, NAME_WIDTH + FRAMES * (TILE + GAP), GAP + kind->classes * (TILE + GAP));
  cairo_t *cr = cairo_create (sheet);
  cairo_status_t status;
  guint klass;

  cairo_set_source_rgb (cr, 1, 1, 1);
  cairo_paint (cr);
  cairo_select_font_face (cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size (cr, 13);
  for (klass = 0; klass < kind->classes; klass++) {
    DemoVideo video = { DEMO_TRAIN, klass, klass };
    DemoMovie movie;

    /* noise would make the file four times as large */
    kind->movie (seed, &video, TRUE, &movie);
    draw_row (cr, &movie, kind->class_name (klass), GAP + klass * (TILE + GAP));
    movie.destroy (movie.data);
  }
  cairo_destroy (cr);

  status = cairo_surface_write_to_png (sheet, path);
  cairo_surface_destroy (sheet);
  if (status != CAIRO_STATUS_SUCCESS) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot write the contact sheet %s: %s",
        path, cairo_status_to_string (status));
    return FALSE;
  }
  return TRUE;
}
