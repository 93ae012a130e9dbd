/* draw.h: draws a demonstration video's frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_DRAW_H
#define DEMO_DRAW_H

#include <cairo.h>

#include "scene.h"

/* The scene's background, to be drawn once a video: an image surface in
 * CAIRO_FORMAT_RGB24 of the scene's size. The caller destroys it. */
cairo_surface_t *demo_draw_background (const DemoScene *scene);

/* Draws frame number `frame` into `target`, an image surface in
 * CAIRO_FORMAT_RGB24 of the scene's size. `background` is read only. */
void demo_draw_frame (
    const DemoScene *scene, guint frame, cairo_surface_t *background, cairo_surface_t *target);

#endif
