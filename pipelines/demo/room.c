/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "room.h"

#define SIZE 64
#define SECONDS 1.5
/* Other streams than those of the other sets' scenes */
#define ROOM (G_GUINT64_CONSTANT (1) << 62)
/* Random streams: the flight and the ball; each view's background and its blobs; and the noise of
 * its first frame, of which each further frame has the next one */
#define FLIGHT_STREAM 0
#define GROUND_STREAM 1
#define BLOBS_STREAM (GROUND_STREAM + ROOM_VIEWS)
#define NOISE_STREAM 16
#define MAX_FRAMES 256

static const gchar *const class_names[ROOM_CLASSES] = { "left-down-away", "right-down-away",
  "left-up-away", "right-up-away", "left-down-near", "right-down-near", "left-up-near",
  "right-up-near" };

/* The axes of the room that are a picture's; both are drawn upwards. */
static const struct {
  const gchar *name;
  guint across, up;
  gint rate;
  DemoBackground background;
  DemoColour hue;
} views[ROOM_VIEWS] = {
  { "front", 0, 1, 24, DEMO_STRIPES, { 0.2, 0.4, 1.0 } },
  { "side", 2, 1, 20, DEMO_CHECKER, { 0.3, 1.0, 0.2 } },
  { "top", 0, 2, 12, DEMO_BLOBS, { 1.0, 0.3, 0.2 } },
};

const gchar *
room_class_name (guint klass)
{
  g_return_val_if_fail (klass < ROOM_CLASSES, NULL);
  return class_names[klass];
}

const gchar *
room_view_name (guint view)
{
  g_return_val_if_fail (view < ROOM_VIEWS, NULL);
  return views[view].name;
}

/* The class is not in it. */
static Cnn3dRandomKey
stream (const RoomScene *scene, guint number)
{
  Cnn3dRandomKey key = { scene->seed, scene->part + 2 * number, CNN3D_RANDOM_DEMO,
    ROOM | scene->number };
  return key;
}

static void
draw_flight (RoomScene *scene)
{
  DemoDraws draws = { stream (scene, FLIGHT_STREAM), 0 };

  for (guint axis = 0; axis < ROOM_AXES; axis++) {
    gdouble travel = demo_draw (&draws, 0.45, 0.65);

    scene->middle[axis] = demo_draw (&draws, 0.42, 0.58);
    scene->travel[axis] = scene->klass >> axis & 1 ? travel : -travel;
  }
  scene->radius = demo_draw (&draws, 0.09, 0.14);
  scene->colour = demo_at_luma (demo_draw_colour (&draws), demo_draw (&draws, 0.75, 0.95));
}

static void
draw_ground (RoomScene *scene)
{
  DemoDraws draws = { stream (scene, GROUND_STREAM + scene->view), 0 };
  gdouble luma = demo_draw (&draws, 0.15, 0.3), step = demo_draw (&draws, 0.04, 0.1);

  scene->ground.background = views[scene->view].background;
  scene->ground.colours[0] = demo_at_luma (views[scene->view].hue, luma);
  scene->ground.colours[1] = demo_at_luma (views[scene->view].hue, luma + step);
  scene->ground.tile = demo_draw (&draws, 8, 16);
  scene->ground.slant = demo_draw (&draws, 0, G_PI);
  scene->ground.key = stream (scene, BLOBS_STREAM + scene->view);
  scene->noise = demo_draw_below (&draws, 2) ? demo_draw (&draws, 1, 4) : 0;
}

void
room_scene_init (
    RoomScene *scene, guint64 seed, DemoPart part, guint klass, guint number, guint view)
{
  g_return_if_fail (klass < ROOM_CLASSES && view < ROOM_VIEWS);

  *scene = (RoomScene) {
    .seed = seed, .part = part, .klass = klass, .view = view, .number = number, .size = SIZE
  };
  scene->rate = views[view].rate;
  scene->frames = (guint) (SECONDS * scene->rate);
  draw_flight (scene);
  draw_ground (scene);
}

/* Where the ball is along an axis, 0 to 1, in a frame; equal at equal times in all views. */
static gdouble
place (const RoomScene *scene, guint axis, guint frame)
{
  return scene->middle[axis] + scene->travel[axis] * (frame / (SECONDS * scene->rate) - 0.5);
}

static void
paint (gconstpointer data, guint frame, cairo_t *cr)
{
  const RoomScene *scene = data;

  demo_set_colour (cr, &scene->colour);
  cairo_arc (cr, scene->size * place (scene, views[scene->view].across, frame),
      scene->size * (1 - place (scene, views[scene->view].up, frame)), scene->size * scene->radius,
      0, 2 * G_PI);
  cairo_fill (cr);
}

static Cnn3dRandomKey
noise_key (gconstpointer data, guint frame)
{
  const RoomScene *scene = data;

  return stream (scene, NOISE_STREAM + MAX_FRAMES * scene->view + frame);
}

void
room_movie (const RoomScene *scene, DemoMovie *movie)
{
  const DemoLook look = { .width = scene->size,
    .height = scene->size,
    .rate = scene->rate,
    .frames = scene->frames,
    .ground = scene->ground,
    .noise = scene->noise,
    .paint = paint,
    .noise_key = noise_key };

  demo_movie_init (movie, &look, scene, sizeof *scene);
}
