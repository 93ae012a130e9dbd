/* scene.h: what one demonstration video shows. A scene is a pure function of
 * (seed, part, class, number), so that a set is reproducible.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_SCENE_H
#define DEMO_SCENE_H

#include "movie.h"
#include "picture.h"

/* The classes, two to an attribute, in the attributes' order: the first of two
 * takes the attribute down, the second up. */
typedef enum {
  DEMO_LEFT,
  DEMO_RIGHT,
  DEMO_UP,
  DEMO_DOWN,
  DEMO_COUNTER_CLOCKWISE,
  DEMO_CLOCKWISE,
  DEMO_SHRINKING,
  DEMO_GROWING,
  DEMO_CLASSES
} DemoClass;

/* What a shape can do. */
typedef enum {
  DEMO_X,
  DEMO_Y,
  DEMO_TURN,
  DEMO_SIZE,
  DEMO_ATTRIBUTES
} DemoAttribute;

/* How an attribute changes with time: around `middle`, over `range`, once in
 * `period` frames, starting at `phase` of a period. One way: it goes from one
 * end to the other and jumps back. Otherwise there and back. */
typedef struct {
  gdouble middle, range, period, phase;
  gint way; /* 1, -1, or 0 for there and back */
} DemoWave;

typedef struct {
  guint64 seed;
  DemoPart part;
  DemoClass klass;
  guint number; /* of the video within its class */

  gint width, height; /* pixels */
  gint rate;          /* frames a second */
  guint frames;

  guint shape; /* number among the part's shapes */
  gboolean outline;
  gdouble noise; /* camera noise: standard deviation, 0 to 255 */
  DemoColour colour, outline_colour;
  DemoGround ground;

  DemoWave waves[DEMO_ATTRIBUTES];
} DemoScene;

/* An attribute's values in one frame: x and y in pixels, turn in radians
 * (clockwise), size as the shape's half extent in pixels. */
typedef struct {
  gdouble x, y, turn, size;
} DemoPose;

/* A class's name, which is also its folder's. */
const gchar *demo_class_name (guint klass);

/* A stream of random numbers beside the scene's own, which is number 0. */
Cnn3dRandomKey demo_scene_stream (const DemoScene *scene, guint number);

/* Fills in all of `scene`. It owns nothing. */
void demo_scene_init (DemoScene *scene, guint64 seed, DemoPart part, DemoClass klass, guint number);

void demo_scene_pose (const DemoScene *scene, guint frame, DemoPose *pose);

#endif
