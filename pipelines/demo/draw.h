/* draw.h: draws a demonstration video's frames.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_DRAW_H
#define DEMO_DRAW_H

#include "scene.h"

/* Fills in all of `movie`. The caller calls movie->destroy with movie->data. */
void demo_draw_movie (const DemoScene *scene, DemoMovie *movie);

#endif
