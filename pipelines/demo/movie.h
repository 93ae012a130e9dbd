/* movie.h: a video of a demonstration set.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_MOVIE_H
#define DEMO_MOVIE_H

#include "picture.h"

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

/* What the videos of all sets have in common: a scene that is painted over a still ground, and
 * camera noise. */
typedef struct {
  gint width, height, rate; /* as in DemoMovie */
  guint frames;
  DemoGround ground;
  gdouble noise; /* standard deviation, 0 to 255; 0: none */
  void (*paint) (gconstpointer scene, guint frame, cairo_t *cr);
  Cnn3dRandomKey (*noise_key) (gconstpointer scene, guint frame);
} DemoLook;

/* scene: `size` bytes, which are copied. Free movie->data with movie->destroy. */
void demo_movie_init (DemoMovie *movie, const DemoLook *look, gconstpointer scene, gsize size);

#endif
