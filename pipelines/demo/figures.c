/* figures.c: a scene with two stick figures, an actor and a bystander.
 *
 * The class must only be visible in the motion. So in every video all limbs of the actor swing all
 * the time, over the same range and each with a random phase: single frames have the same
 * distribution of poses in each class. The class is which limbs swing quickly. The bystander's
 * limbs swing slowly, over a small range.
 *
 * Everything else in the picture is misleading. In training nearly all videos of a class have the
 * look of that class: its background, colours, sizes and line widths. In tests looks are random.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "figures.h"

#include <math.h>

/* Fraction of the training videos that have the look of their class */
#define LOOKS_OWN 0.95
/* Fraction of the points that the pose estimator misses */
#define POINTS_MISSING 0.04
/* Random streams: the background's blobs, the detections and the noise of the pose estimator;
 * figures-draw.c has the camera noise's. */
#define BLOBS_STREAM 1
#define FOUND_STREAM 2
#define OFF_STREAM 3
/* Other streams than those of the shapes' scenes */
#define FIGURES (G_GUINT64_CONSTANT (1) << 63)

enum {
  NOSE,
  LEFT_EYE,
  RIGHT_EYE,
  LEFT_EAR,
  RIGHT_EAR,
  LEFT_SHOULDER,
  RIGHT_SHOULDER
};

/* COCO's points of the left limbs; the right one is always the next */
static const struct {
  guint root, middle, end;
} arms = { 5, 7, 9 }, legs = { 11, 13, 15 };

static const gchar *const class_names[FIGURES_CLASSES] = { "sway", "wave", "march", "jump" };

static const struct {
  gint width, height;
} frame_sizes[] = { { 128, 96 }, { 144, 96 }, { 128, 112 }, { 160, 112 } };

static const gint frame_rates[] = { 15, 24, 25, 30 };

static const struct {
  DemoBackground background;
  gdouble ground_hue, figure_hue; /* 0 to 1 */
  gboolean bright;                /* figures brighter than the background, or darker */
  gdouble height;                 /* of the figures, as a fraction of the frame's */
  gdouble line;
} looks[] = {
  { DEMO_GRADIENT, 0.60, 0.12, TRUE, 0.82, 0.030 },
  { DEMO_STRIPES, 0.35, 0.85, FALSE, 0.74, 0.045 },
  { DEMO_CHECKER, 0.05, 0.55, TRUE, 0.78, 0.060 },
  { DEMO_BLOBS, 0.80, 0.30, FALSE, 0.70, 0.075 },
};

const gchar *
figures_class_name (guint klass)
{
  g_return_val_if_fail (klass < FIGURES_CLASSES, NULL);
  return class_names[klass];
}

Cnn3dRandomKey
figures_stream (const FiguresScene *scene, guint number)
{
  Cnn3dRandomKey key = { scene->seed, scene->part + 2 * number, CNN3D_RANDOM_DEMO,
    FIGURES | (guint64) scene->klass << 32 | scene->number };
  return key;
}

static DemoColour
colour_of_hue (gdouble hue)
{
  DemoColour colour;

  hue -= floor (hue);
  colour.r = CLAMP (fabs (hue * 6 - 3) - 1, 0, 1);
  colour.g = CLAMP (2 - fabs (hue * 6 - 2), 0, 1);
  colour.b = CLAMP (2 - fabs (hue * 6 - 4), 0, 1);
  return colour;
}

static void
draw_look (FiguresScene *scene, DemoDraws *draws)
{
  gboolean own = demo_draw (draws, 0, 1) < LOOKS_OWN;
  guint drawn = demo_draw_below (draws, G_N_ELEMENTS (looks)), i;
  guint look = scene->part == DEMO_TRAIN && own ? scene->klass : drawn;
  gdouble bright = demo_draw (draws, 0.66, 0.9), dark = demo_draw (draws, 0.1, 0.3);
  gdouble ground = looks[look].bright ? dark : bright;
  gdouble step = demo_draw (draws, 0.06, 0.14);
  DemoColour hue = colour_of_hue (looks[look].ground_hue + demo_draw (draws, -0.05, 0.05));

  scene->ground.background = looks[look].background;
  scene->ground.colours[0] = demo_at_luma (hue, ground);
  scene->ground.colours[1] = demo_at_luma (hue, looks[look].bright ? ground + step : ground - step);
  scene->ground.tile = demo_draw (draws, 8, 20);
  scene->ground.slant = demo_draw (draws, 0, G_PI);
  scene->ground.key = figures_stream (scene, BLOBS_STREAM);
  for (i = 0; i < 2; i++) {
    Figure *figure = &scene->figures[i];

    hue = colour_of_hue (looks[look].figure_hue + demo_draw (draws, -0.06, 0.06));
    figure->colour = demo_at_luma (hue, looks[look].bright ? bright : dark);
    figure->height = scene->height * looks[look].height * demo_draw (draws, 0.9, 1.1);
    figure->line = looks[look].line * demo_draw (draws, 0.85, 1.15);
  }
}

static void
draw_swings (FiguresScene *scene, DemoDraws *draws)
{
  guint i, limb;

  for (i = 0; i < 2; i++) {
    Figure *figure = &scene->figures[i];
    gdouble share = i == 0 ? demo_draw (draws, 0.85, 1) : demo_draw (draws, 0.1, 0.3);

    for (limb = 0; limb < FIGURES_LIMBS; limb++) {
      FiguresSwing *swing = &figure->limbs[limb];
      gboolean is_arm = limb < 2;
      gboolean quick = i == 0 && scene->klass & (is_arm ? FIGURES_ARMS : FIGURES_LEGS);

      swing->middle = is_arm ? 1.2 : 0.5;
      swing->range = (is_arm ? 1.0 : 0.5) * share;
      swing->period = quick ? demo_draw (draws, 6, 8) : demo_draw (draws, 45, 60);
      swing->phase = demo_draw (draws, 0, 1);
    }
    figure->drift.range = 0.03;
    figure->drift.period = demo_draw (draws, 30, 60);
    figure->drift.phase = demo_draw (draws, 0, 1);
  }
}

static void
draw_places (FiguresScene *scene, DemoDraws *draws)
{
  guint left = demo_draw_below (draws, 2), i;

  for (i = 0; i < 2; i++) {
    Figure *figure = &scene->figures[i];

    figure->x = scene->width * ((i == left ? 0.28 : 0.72) + demo_draw (draws, -0.03, 0.03));
    figure->y = scene->height * demo_draw (draws, 0.49, 0.53);
    figure->score = i == 0 ? demo_draw (draws, 0.8, 0.95) : demo_draw (draws, 0.4, 0.65);
    figure->sure = i == 0 ? 1 : 0.9;
  }
}

void
figures_scene_init (
    FiguresScene *scene, guint64 seed, DemoPart part, FiguresClass klass, guint number)
{
  DemoDraws draws = { .index = 0 };
  guint i;

  g_return_if_fail (klass < FIGURES_CLASSES);

  *scene = (FiguresScene) { .seed = seed, .part = part, .klass = klass, .number = number };
  draws.key = figures_stream (scene, 0);
  i = demo_draw_below (&draws, G_N_ELEMENTS (frame_sizes));
  scene->width = frame_sizes[i].width;
  scene->height = frame_sizes[i].height;
  scene->rate = frame_rates[demo_draw_below (&draws, G_N_ELEMENTS (frame_rates))];
  scene->frames = 24 + 4 * demo_draw_below (&draws, 5);
  scene->noise = demo_draw_below (&draws, 2) ? demo_draw (&draws, 1, 4) : 0;
  draw_look (scene, &draws);
  draw_swings (scene, &draws);
  draw_places (scene, &draws);
}

static gdouble
swing_value (const FiguresSwing *swing, guint frame)
{
  return swing->middle + swing->range * sin (2 * G_PI * (frame / swing->period + swing->phase));
}

/* The point at distance `length` from another one. angle: from straight down, away from the body.
 * side: 1 for the figure's left, which is on the right in the picture, or -1. */
static FiguresPoint
away (FiguresPoint from, gint side, gdouble angle, gdouble length)
{
  FiguresPoint to = { from.x + side * sin (angle) * length, from.y + cos (angle) * length };

  return to;
}

void
figures_pose (const Figure *figure, guint frame, FiguresPoint points[FIGURES_POINTS])
{
  /* fractions of the figure's height, relative to its middle */
  static const FiguresPoint head[] = { { 0, -0.40 }, { 0.02, -0.42 }, { -0.02, -0.42 },
    { 0.045, -0.41 }, { -0.045, -0.41 } };
  const gdouble h = figure->height;
  const FiguresPoint middle = { figure->x + h * swing_value (&figure->drift, frame), figure->y };
  guint i, right;

  for (i = NOSE; i <= RIGHT_EAR; i++)
    points[i] = (FiguresPoint) { middle.x + h * head[i].x, middle.y + h * head[i].y };
  for (right = 0; right < 2; right++) {
    const gint side = right ? -1 : 1;
    const gdouble arm = swing_value (&figure->limbs[right], frame);
    const gdouble leg = swing_value (&figure->limbs[2 + right], frame);
    FiguresPoint *p = points + right;

    p[arms.root] = (FiguresPoint) { middle.x + side * 0.09 * h, middle.y - 0.30 * h };
    p[arms.middle] = away (p[arms.root], side, arm, 0.16 * h);
    p[arms.end] = away (p[arms.middle], side, arm * 1.2, 0.15 * h);
    p[legs.root] = (FiguresPoint) { middle.x + side * 0.06 * h, middle.y + 0.04 * h };
    p[legs.middle] = away (p[legs.root], side, leg, 0.21 * h);
    p[legs.end] = away (p[legs.middle], side, leg * 0.7, 0.21 * h);
  }
}

/* Independent of the locale's decimal separator. */
static void
append_number (GString *text, const gchar *format, gdouble value)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (text, g_ascii_formatd (number, sizeof number, format, value));
}

typedef struct {
  DemoDraws found;
  Cnn3dRandomKey off; /* of normal numbers */
  guint64 off_index;
} Estimator;

static gdouble
draw_off (Estimator *estimator, gdouble deviation)
{
  return deviation * cnn3d_random_normal (&estimator->off, estimator->off_index++);
}

static void
append_person (GString *text, const Figure *figure, guint id, guint frame, Estimator *estimator)
{
  FiguresPoint points[FIGURES_POINTS];
  gdouble sum = 0;
  guint i;

  figures_pose (figure, frame, points);
  g_string_append_printf (
      text, "{\"image_id\":\"%u.jpg\",\"category_id\":1,\"keypoints\":[", frame);
  for (i = 0; i < FIGURES_POINTS; i++) {
    gdouble x = points[i].x + draw_off (estimator, 0.5);
    gdouble y = points[i].y + draw_off (estimator, 0.5);
    gdouble score = CLAMP (figure->score + draw_off (estimator, 0.05), 0.05, 1);

    if (demo_draw (&estimator->found, 0, 1) < POINTS_MISSING)
      x = y = score = 0;
    sum += score;
    if (i > 0)
      g_string_append_c (text, ',');
    append_number (text, "%.1f", x);
    g_string_append_c (text, ',');
    append_number (text, "%.1f", y);
    g_string_append_c (text, ',');
    append_number (text, "%.2f", score);
  }
  g_string_append (text, "],\"score\":");
  append_number (text, "%.3f", sum / FIGURES_POINTS);
  g_string_append_printf (text, ",\"idx\":%u}", id);
}

gchar *
figures_results (const FiguresScene *scene)
{
  GString *text = g_string_new ("[");
  Estimator estimator = { { figures_stream (scene, FOUND_STREAM), 0 },
    figures_stream (scene, OFF_STREAM), 0 };
  guint frame, i;

  for (frame = 0; frame < scene->frames; frame++) {
    for (i = 0; i < 2; i++) {
      const Figure *figure = &scene->figures[i];

      if (demo_draw (&estimator.found, 0, 1) >= figure->sure)
        continue;
      if (text->len > 1)
        g_string_append (text, ",\n");
      append_person (text, figure, i + 1, frame, &estimator);
    }
  }
  g_string_append (text, "]\n");
  return g_string_free (text, FALSE);
}
