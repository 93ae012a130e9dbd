/* room.h: a ball that flies through a room, seen by three cameras, each along one of the room's
 * axes. It is a pure function of (seed, part, class, number), so that a set is reproducible.
 *
 * The class is where the ball flies: to the left or right, down or up, away or near. A camera does
 * not see the way along its own axis, and nothing else depends on the class: of the two classes
 * that differ in this way alone, its videos are the same, byte by byte.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_ROOM_H
#define DEMO_ROOM_H

#include "movie.h"
#include "picture.h"

#define ROOM_AXES 3
#define ROOM_CLASSES (1 << ROOM_AXES) /* bit i: the ball flies up axis i */
#define ROOM_VIEWS 3

typedef struct {
  guint64 seed;
  DemoPart part;
  guint klass;
  guint view;
  guint number; /* of the flight within its class */

  gint size; /* of the square frames, pixels */
  gint rate; /* frames per second: each camera has its own */
  guint frames;
  gdouble noise; /* camera noise: standard deviation, 0 to 255 */
  DemoGround ground;
  DemoColour colour;
  gdouble radius;                               /* of the ball; the room's edges are 1 long */
  gdouble middle[ROOM_AXES], travel[ROOM_AXES]; /* of the flight */
} RoomScene;

/* The class's name, which is also the name of its folder. */
const gchar *room_class_name (guint klass);
const gchar *room_view_name (guint view);

/* Sets all fields of `scene`, which owns no memory. */
void room_scene_init (
    RoomScene *scene, guint64 seed, DemoPart part, guint klass, guint number, guint view);

/* Fills in all of `movie`. The caller calls movie->destroy with movie->data. */
void room_movie (const RoomScene *scene, DemoMovie *movie);

#endif
