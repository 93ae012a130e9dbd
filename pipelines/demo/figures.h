/* figures.h: a scene with two stick figures, an actor and a bystander. It is a pure function of
 * (seed, part, class, number), so that a set is reproducible.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_FIGURES_H
#define DEMO_FIGURES_H

#include "movie.h"
#include "picture.h"

/* The actor's limbs that move quickly: bit 0 for the arms, bit 1 for the legs. */
typedef enum {
  FIGURES_SWAY,
  FIGURES_WAVE,
  FIGURES_MARCH,
  FIGURES_JUMP,
  FIGURES_CLASSES
} FiguresClass;

#define FIGURES_ARMS 1
#define FIGURES_LEGS 2

#define FIGURES_POINTS 17 /* as in COCO */
#define FIGURES_LIMBS 4   /* left and right arm, left and right leg */

/* An angle away from the body, in radians, that swings around `middle` by `range` to each side
 * with a period of `period` frames. phase: of frame 0, in periods. */
typedef struct {
  gdouble middle, range, period, phase;
} FiguresSwing;

typedef struct {
  gdouble x, y;   /* middle, in pixels */
  gdouble height; /* in pixels */
  gdouble score;  /* mean score of its points */
  gdouble sure;   /* probability of being detected in a frame */
  DemoColour colour;
  gdouble line; /* width as a fraction of the height */
  FiguresSwing limbs[FIGURES_LIMBS], drift;
} Figure;

typedef struct {
  guint64 seed;
  DemoPart part;
  FiguresClass klass;
  guint number; /* of the video within its class */

  gint width, height; /* pixels */
  gint rate;          /* frames per second */
  guint frames;
  gdouble noise; /* camera noise: standard deviation, 0 to 255 */
  DemoGround ground;
  Figure figures[2]; /* the actor and the bystander */
} FiguresScene;

typedef struct {
  gdouble x, y; /* pixels */
} FiguresPoint;

/* The class's name, which is also the name of its folder. */
const gchar *figures_class_name (guint klass);

/* Sets all fields of `scene`, which owns no memory. */
void figures_scene_init (
    FiguresScene *scene, guint64 seed, DemoPart part, FiguresClass klass, guint number);

/* A random stream of the scene. Number 0 is for the scene itself. */
Cnn3dRandomKey figures_stream (const FiguresScene *scene, guint number);

/* The positions of a figure's points in a frame. */
void figures_pose (const Figure *figure, guint frame, FiguresPoint points[FIGURES_POINTS]);

/* Fills in all of `movie`. The caller calls movie->destroy with movie->data. */
void figures_movie (const FiguresScene *scene, DemoMovie *movie);

/* The results of a simulated pose estimator in COCO's format, as AlphaPose writes them
 * (transfer full). Coordinates have noise, some points are missing, and so is the bystander in some
 * frames. */
gchar *figures_results (const FiguresScene *scene);

#endif
