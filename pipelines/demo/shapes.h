/* shapes.h: the shapes that move in the demonstration videos.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_SHAPES_H
#define DEMO_SHAPES_H

#include <cairo.h>

#include "scene.h"

/* The shapes of the two parts are different ones. */
guint demo_shape_count (DemoPart part);

/* A shape's name: the videos' group in the manifests. */
const gchar *demo_shape_name (DemoPart part, guint shape);

/* Adds the shape's outline to cr's path, in a square from -1 to 1. To be
 * filled with CAIRO_FILL_RULE_WINDING. */
void demo_shape_path (cairo_t *cr, DemoPart part, guint shape);

#endif
