/* movie.h: a video of a demonstration set.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_MOVIE_H
#define DEMO_MOVIE_H

#include <cairo.h>
#include <glib.h>

typedef enum {
  DEMO_TRAIN,
  DEMO_TEST,
} DemoPart;

typedef struct {
  gint width, height; /* pixels */
  gint rate;          /* frames per second */
  guint frames;

  /* Draws frame number `frame` into `target`, an image surface in CAIRO_FORMAT_RGB24 with the
   * movie's size. */
  void (*draw) (gpointer data, guint frame, cairo_surface_t *target);
  gpointer data;
  GDestroyNotify destroy; /* of data */
} DemoMovie;

#endif
