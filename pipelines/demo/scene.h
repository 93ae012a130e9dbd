/* scene.h: the contents of one demonstration video. A scene is a pure function of (seed, part,
 * class, number), so that a set is reproducible.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_SCENE_H
#define DEMO_SCENE_H

#include "movie.h"
#include "picture.h"

/* The classes, two per attribute, in the attributes' order: the first one decreases the
 * attribute, the second one increases it. */
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

/* The attributes of a shape that change. */
typedef enum {
  DEMO_X,
  DEMO_Y,
  DEMO_TURN,
  DEMO_SIZE,
  DEMO_ATTRIBUTES
} DemoAttribute;

/* How an attribute changes over time: around `middle`, over `range`, once in `period` frames,
 * starting at `phase` of a period. If `way` is 1 or -1, it moves from one end to the other and
 * jumps back; otherwise back and forth. */
typedef struct {
  gdouble middle, range, period, phase;
  gint way; /* 1, -1, or 0 for back and forth */
} DemoWave;

typedef struct {
  guint64 seed;
  DemoPart part;
  DemoClass klass;
  guint number; /* of the video within its class */

  gint width, height; /* pixels */
  gint rate;          /* frames per second */
  guint frames;

  guint shape; /* index of a shape of the part */
  gboolean outline;
  gdouble noise; /* camera noise: standard deviation, 0 to 255 */
  DemoColour colour, outline_colour;
  DemoGround ground;

  DemoWave waves[DEMO_ATTRIBUTES];
} DemoScene;

/* An attribute's values in one frame: x and y in pixels, turn in radians (clockwise), size as
 * half the extent of the shape in pixels. */
typedef struct {
  gdouble x, y, turn, size;
} DemoPose;

/* The class's name, which is also the name of its folder. */
const gchar *demo_class_name (guint klass);

/* A random stream of the scene. Number 0 is for the scene itself. */
Cnn3dRandomKey demo_scene_stream (const DemoScene *scene, guint number);

/* Sets all fields of `scene`, which owns no memory. */
void demo_scene_init (DemoScene *scene, guint64 seed, DemoPart part, DemoClass klass, guint number);

void demo_scene_pose (const DemoScene *scene, guint frame, DemoPose *pose);

#endif
