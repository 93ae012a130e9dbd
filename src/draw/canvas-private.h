/* canvas-private.h: the operations that a canvas has recorded, and pixels as a file.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CANVAS_PRIVATE_H
#define CNN3D_CANVAS_PRIVATE_H

#include <cairo.h>

#include "src/draw/canvas.h"

typedef enum {
  CANVAS_RECT,  /* at: x, y, width, height */
  CANVAS_DOT,   /* at: x, y; size: radius */
  CANVAS_LINES, /* points; size: line width */
  CANVAS_TEXT,  /* at: x, y, degrees; size: height */
} CanvasKind;

typedef struct {
  CanvasKind kind;
  Cnn3dAnchor anchor;
  Cnn3dColor color;
  guint n_points;
  gdouble at[4], size;
  gdouble *points; /* (n_points, 2) */
  gchar *text;     /* UTF-8 without control characters; not yet escaped for XML */
  gchar *hint;     /* the same, or NULL */
} CanvasMark;

struct _Cnn3dCanvas {
  guint width, height;
  gchar *title;  /* as a mark's text, or NULL */
  GArray *marks; /* of CanvasMark */
};

/* The surface as a PNG file; NULL with error (G_FILE_ERROR). */
GBytes *cnn3d_surface_to_png (cairo_surface_t *surface, GError **error);

#endif
