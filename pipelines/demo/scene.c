/* scene.c: the contents of one demonstration video.
 *
 * The class must only be visible in the order of the frames. So in every video all four
 * attributes (x, y, turn, size) change all the time. The attribute of the class moves quickly in
 * one direction, jumps back and repeats; the other three move slowly back and forth. While the
 * slow ones cover their range once, the quick one covers its own twice: the values are much the
 * same, and only their order differs. A single frame then carries no information, and frames
 * without their order almost none.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scene.h"

#include <math.h>

#include "shapes.h"

/* The random stream for the background's blobs */
#define BLOBS_STREAM 1

static const gchar *const class_names[DEMO_CLASSES] = { "left", "right", "up", "down",
  "counter-clockwise", "clockwise", "shrinking", "growing" };

static const struct {
  gint width, height;
} frame_sizes[] = { { 128, 96 }, { 160, 120 }, { 112, 112 }, { 128, 128 }, { 144, 96 },
  { 96, 128 } };

static const gint frame_rates[] = { 12, 15, 24, 25, 30 };

const gchar *
demo_class_name (guint klass)
{
  g_return_val_if_fail (klass < DEMO_CLASSES, NULL);
  return class_names[klass];
}

/* Shape and background always differ in brightness, so that every video can be recognized. Which
 * of them is brighter is random. */
static void
draw_colours (DemoScene *scene, DemoDraws *draws)
{
  gdouble bright = demo_draw (draws, 0.66, 0.95);
  gdouble dark = demo_draw (draws, 0.08, 0.30);
  gboolean bright_shape = demo_draw_below (draws, 2);
  gdouble ground = bright_shape ? dark : bright;
  gdouble step = demo_draw (draws, 0.05, 0.16);

  scene->colour = demo_at_luma (demo_draw_colour (draws), bright_shape ? bright : dark);
  scene->outline = demo_draw_below (draws, 3) == 0;
  scene->outline_colour = demo_at_luma (demo_draw_colour (draws), demo_draw (draws, 0.4, 0.6));
  scene->ground.colours[0] = demo_at_luma (demo_draw_colour (draws), ground);
  scene->ground.colours[1] =
      demo_at_luma (scene->ground.colours[0], bright_shape ? ground + step : ground - step);
}

/* Range of the other attributes as a fraction of the class's. With a smaller one an attribute's
 * spread reveals the class even when the frames are out of order; with a larger one the class's
 * motion is lost among the others'. */
#define OTHERS_RANGE 0.45

static void
draw_waves (DemoScene *scene, DemoDraws *draws)
{
  gdouble side = MIN (scene->width, scene->height);
  gdouble unit[DEMO_ATTRIBUTES] = { 0.36 * side, 0.36 * side, 0.8 * G_PI, 0.9 };
  gdouble margin = 0.2 * side;
  guint i;

  for (i = 0; i < DEMO_ATTRIBUTES; i++) {
    DemoWave *wave = &scene->waves[i];

    wave->range = unit[i] * demo_draw (draws, 0.75, 1.0);
    wave->phase = demo_draw (draws, 0, 1);
    if (scene->klass / 2 == i) {
      wave->way = scene->klass & 1 ? 1 : -1;
      wave->period = demo_draw (draws, 7, 10);
    } else {
      wave->range *= OTHERS_RANGE;
      wave->period = demo_draw (draws, 26, 40);
    }
  }

  scene->waves[DEMO_X].middle = demo_draw (draws, margin + scene->waves[DEMO_X].range / 2,
      scene->width - margin - scene->waves[DEMO_X].range / 2);
  scene->waves[DEMO_Y].middle = demo_draw (draws, margin + scene->waves[DEMO_Y].range / 2,
      scene->height - margin - scene->waves[DEMO_Y].range / 2);
  scene->waves[DEMO_TURN].middle = demo_draw (draws, -G_PI, G_PI);
  /* the wave is in the size's logarithm: it grows by a factor */
  scene->waves[DEMO_SIZE].middle = log (side * demo_draw (draws, 0.2, 0.28));
}

Cnn3dRandomKey
demo_scene_stream (const DemoScene *scene, guint number)
{
  Cnn3dRandomKey key = { scene->seed, scene->part + 2 * number, CNN3D_RANDOM_DEMO,
    (guint64) scene->klass << 32 | scene->number };
  return key;
}

void
demo_scene_init (DemoScene *scene, guint64 seed, DemoPart part, DemoClass klass, guint number)
{
  DemoDraws draws = { .index = 0 };
  guint i;

  g_return_if_fail (klass < DEMO_CLASSES);

  *scene = (DemoScene) {
    .seed = seed,
    .part = part,
    .klass = klass,
    .number = number,
  };
  draws.key = demo_scene_stream (scene, 0);

  /* shapes and backgrounds alternate, so that every class has the same number of each */
  scene->shape = number % demo_shape_count (part);
  scene->ground.background = (number / demo_shape_count (part) + number) % DEMO_BACKGROUNDS;

  i = demo_draw_below (&draws, G_N_ELEMENTS (frame_sizes));
  scene->width = frame_sizes[i].width;
  scene->height = frame_sizes[i].height;
  scene->rate = frame_rates[demo_draw_below (&draws, G_N_ELEMENTS (frame_rates))];
  scene->frames = 24 + 4 * demo_draw_below (&draws, 5);
  scene->noise = demo_draw_below (&draws, 2) ? demo_draw (&draws, 1, 4) : 0;
  scene->ground.tile = demo_draw (&draws, 8, 24);
  scene->ground.slant = demo_draw (&draws, 0, G_PI);
  scene->ground.key = demo_scene_stream (scene, BLOBS_STREAM);
  draw_colours (scene, &draws);
  draw_waves (scene, &draws);
}

static gdouble
wave_value (const DemoWave *wave, guint frame)
{
  gdouble u = frame / wave->period + wave->phase;

  u -= floor (u);
  if (wave->way == 0)
    u = 1 - fabs (1 - 2 * u);
  else if (wave->way < 0)
    u = 1 - u;
  return wave->middle + wave->range * (u - 0.5);
}

void
demo_scene_pose (const DemoScene *scene, guint frame, DemoPose *pose)
{
  pose->x = wave_value (&scene->waves[DEMO_X], frame);
  pose->y = wave_value (&scene->waves[DEMO_Y], frame);
  pose->turn = wave_value (&scene->waves[DEMO_TURN], frame);
  pose->size = exp (wave_value (&scene->waves[DEMO_SIZE], frame));
}
