/* canvas.h: a drawing, recorded once, given as a PNG or as an SVG.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CANVAS_H
#define CNN3D_CANVAS_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* Coordinates are pixels from the top left corner; later calls paint over
 * earlier ones. Nothing is painted for a coordinate that is not finite. One
 * thread at a time. */
typedef struct _Cnn3dCanvas Cnn3dCanvas;

/* 0xRRGGBB, sRGB */
typedef guint32 Cnn3dColor;

typedef enum {
  CNN3D_ANCHOR_START, /* the text begins at the point, on its base line */
  CNN3D_ANCHOR_MIDDLE,
  CNN3D_ANCHOR_END,
} Cnn3dAnchor;

#define CNN3D_CANVAS_LARGEST 16384

/* A white canvas of (height, width) pixels, 1 to CNN3D_CANVAS_LARGEST each; what lies outside is
 * clipped. title (may be NULL): the SVG's title; copied and escaped. */
CNN3D_API Cnn3dCanvas *cnn3d_canvas_new (guint width, guint height, const gchar *title);
CNN3D_API void cnn3d_canvas_free (Cnn3dCanvas **canvas);

/* A filled rectangle. */
CNN3D_API void cnn3d_canvas_rect (
    Cnn3dCanvas *canvas, gdouble x, gdouble y, gdouble width, gdouble height, Cnn3dColor color);
/* A filled circle. */
CNN3D_API void cnn3d_canvas_dot (
    Cnn3dCanvas *canvas, gdouble x, gdouble y, gdouble radius, Cnn3dColor color);
CNN3D_API void cnn3d_canvas_line (Cnn3dCanvas *canvas, gdouble x1, gdouble y1, gdouble x2,
    gdouble y2, gdouble width, Cnn3dColor color);
/* Lines from point to point: (n, 2) numbers, x and y, which are copied. */
CNN3D_API void cnn3d_canvas_polyline (
    Cnn3dCanvas *canvas, const gdouble *points, guint n, gdouble width, Cnn3dColor color);
/* One line of sans-serif text, `size` pixels high, turned clockwise by
 * `degrees` about (x, y). Text that is wider than `most` pixels, by
 * cnn3d_text_width(), ends in an ellipsis; 0: text is never cut. It may come
 * from untrusted files: control characters are shown as \xNN. */
CNN3D_API void cnn3d_canvas_text (Cnn3dCanvas *canvas, gdouble x, gdouble y, gdouble size,
    Cnn3dAnchor anchor, Cnn3dColor color, gdouble degrees, gdouble most, const gchar *text);
/* What is shown while a pointer rests on what was painted last; in an SVG
 * only. */
CNN3D_API void cnn3d_canvas_hint (Cnn3dCanvas *canvas, const gchar *text);

/* About how wide a text of that size is, in pixels: which font shows an SVG is
 * not known. */
CNN3D_API gdouble cnn3d_text_width (const gchar *text, gdouble size);

/* The drawing as one element <svg>, text as text; g_free(). */
CNN3D_API gchar *cnn3d_canvas_to_svg (const Cnn3dCanvas *canvas);
/* The same for the inside of an HTML page, where no name space is given; g_free(). */
CNN3D_API gchar *cnn3d_canvas_to_html (const Cnn3dCanvas *canvas);
/* The drawing as a PNG file; NULL with error (G_FILE_ERROR) where memory or
 * fonts are missing. */
CNN3D_API GBytes *cnn3d_canvas_to_png (const Cnn3dCanvas *canvas, GError **error);

G_END_DECLS

#endif
