/* figures.h: two stick figures, of which one acts. A scene is a pure function
 * of (seed, part, class, number), so that a set is reproducible.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_FIGURES_H
#define DEMO_FIGURES_H

#include "movie.h"
#include "picture.h"

/* Which limbs of the one who acts move quickly: bit 0 the arms, bit 1 the legs. */
typedef enum {
  FIGURES_SWAY,
  FIGURES_WAVE,
  FIGURES_MARCH,
  FIGURES_JUMP,
  FIGURES_CLASSES
} FiguresClass;

#define FIGURES_ARMS 1
#define FIGURES_LEGS 2

#define FIGURES_POINTS 17 /* COCO's */
#define FIGURES_LIMBS 4   /* left and right arm, left and right leg */

/* A limb swings around `middle` by `range` to each side, once in `period`
 * frames, starting at `phase` of a period: radians away from the body. */
typedef struct {
  gdouble middle, range, period, phase;
} FiguresSwing;

typedef struct {
  gdouble x, y;   /* middle, in pixels */
  gdouble height; /* in pixels */
  gdouble score;  /* that a detector gives it, on average */
  gdouble sure;   /* probability that it is found in a frame */
  DemoColour colour;
  gdouble line; /* width, in parts of the height */
  FiguresSwing limbs[FIGURES_LIMBS], drift;
} Figure;

typedef struct {
  guint64 seed;
  DemoPart part;
  FiguresClass klass;
  guint number; /* of the video within its class */

  gint width, height; /* pixels */
  gint rate;          /* frames a second */
  guint frames;
  gdouble noise; /* camera noise: standard deviation, 0 to 255 */
  DemoGround ground;
  Figure figures[2]; /* the one who acts, and the bystander */
} FiguresScene;

typedef struct {
  gdouble x, y; /* pixels */
} FiguresPoint;

/* A class's name, which is also its folder's. */
const gchar *figures_class_name (guint klass);

/* Fills in all of `scene`. It owns nothing. */
void figures_scene_init (
    FiguresScene *scene, guint64 seed, DemoPart part, FiguresClass klass, guint number);

/* A stream of random numbers beside the scene's own, which is number 0. */
Cnn3dRandomKey figures_stream (const FiguresScene *scene, guint number);

/* Where a figure's points are. */
void figures_pose (const Figure *figure, guint frame, FiguresPoint points[FIGURES_POINTS]);

/* Fills in all of `movie`; the caller calls its destroy with its data. */
void figures_movie (const FiguresScene *scene, DemoMovie *movie);

/* What a pose estimator would write of the video, to be freed: results in
 * COCO's format, as AlphaPose writes them. Points are a bit off, some are
 * missing, and so is the bystander at times. */
gchar *figures_results (const FiguresScene *scene);

#endif
