/* shapes.h: the shapes that move in the demonstration videos.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_SHAPES_H
#define DEMO_SHAPES_H

#include <cairo.h>

#include "scene.h"

/* Number of shapes of a part. The two parts have different shapes. */
guint demo_shape_count (DemoPart part);

/* A shape's name: the group of the videos in the manifests. */
const gchar *demo_shape_name (DemoPart part, guint shape);

/* Adds the shape's outline to the path of cr, in a square from -1 to 1. Fill it with
 * CAIRO_FILL_RULE_WINDING. */
void demo_shape_path (cairo_t *cr, DemoPart part, guint shape);

#endif
