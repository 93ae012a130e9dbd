/* posedraw.c: key points over a picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "src/keypoints/keypoints.h"
#include "src/keypoints/posedraw.h"

#define WIDTH 160
#define HEIGHT 120
#define STRIDE (3 * WIDTH + 7)
#define MOST 8 /* persons of different colours */

static guint8 pixels[HEIGHT * STRIDE];

static void
fill (guint8 gray)
{
  memset (pixels, gray, sizeof pixels);
}

static const guint8 *
at (gdouble x, gdouble y)
{
  return pixels + (gsize) y * STRIDE + 3 * (gsize) x;
}

static gdouble
difference (const guint8 *a, const guint8 *b)
{
  return sqrt (pow (a[0] - b[0], 2) + pow (a[1] - b[1], 2) + pow (a[2] - b[2], 2));
}

static void
set (gfloat *values, guint k, gdouble x, gdouble y)
{
  values[3 * k] = x / WIDTH;
  values[3 * k + 1] = y / HEIGHT;
  values[3 * k + 2] = 0.5f;
}

/* Every bone of every known skeleton is a line of the person's colour between its points; without
 * one of them it is none. */
static void
test_bones (void)
{
  static const gchar *const names[] = { "coco17", "body25", "mediapipe33", "mhr70" };
  static const guint8 gray[] = { 128, 128, 128 };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    Cnn3dSkeleton *skeleton = cnn3d_skeleton_new (names[i], NULL, 0, NULL);
    gfloat *values = g_new0 (gfloat, 3 * skeleton->points);

    g_assert_cmpuint (skeleton->n_bones, >, 0);
    for (guint b = 0; b < skeleton->n_bones; b++)
      for (guint there = 0; there < 4; there++) {
        memset (values, 0, 3 * skeleton->points * sizeof *values);
        if (there & 1)
          set (values, skeleton->bones[2 * b], 20.5, 30.5);
        if (there & 2)
          set (values, skeleton->bones[2 * b + 1], 120.5, 90.5);
        fill (128);
        cnn3d_pose_draw (skeleton, values, 1, pixels, STRIDE, WIDTH, HEIGHT);
        g_assert_cmpint (difference (at (20, 30), gray) > 100, ==, there & 1);
        g_assert_cmpint (difference (at (120, 90), gray) > 100, ==, there >> 1);
        g_assert_cmpint (difference (at (70, 60), gray) > 100, ==, there == 3);
        if (there == 3)
          g_assert_cmpint (memcmp (at (70, 60), at (20, 30), 3), ==, 0);
        g_assert_cmpint (memcmp (at (70, 70), gray, 3), ==, 0);
      }
    g_free (values);
    cnn3d_skeleton_free (skeleton);
  }
}

/* Each person's points differ from those of others, and from their edge; on any ground one of the
 * two stands out. */
static void
test_contrast (void)
{
  Cnn3dSkeleton *skeleton = cnn3d_skeleton_new ("custom:1", NULL, 0, NULL);
  gfloat values[3 * MOST];

  for (guint m = 0; m < MOST; m++)
    set (values + 3 * m, 0, 10.5 + 18 * m, 60.5);
  for (guint gray = 0; gray < 256; gray += 15) {
    fill (gray);
    cnn3d_pose_draw (skeleton, values, MOST, pixels, STRIDE, WIDTH, HEIGHT);
    for (guint m = 0; m < MOST; m++) {
      const guint8 *point = at (10 + 18 * m, 60), *edge = at (10 + 18 * m, 62), *ground = at (1, 1);

      for (guint k = 0; k < m; k++)
        g_assert_cmpfloat (difference (point, at (10 + 18 * k, 60)), >, 60);
      g_assert_cmpfloat (MAX (difference (point, ground), difference (edge, ground)), >, 100);
    }
  }
  cnn3d_skeleton_free (skeleton);
}

/* Points at the edges and far outside of the picture, and those that are not finite, write nothing
 * beyond it; larger pictures have wider points. */
static void
test_edges (void)
{
  static const gfloat places[] = { 0, 1, -3, 4, 1e30f, -1e30f, NAN, INFINITY, 0.5f };
  const guint n = G_N_ELEMENTS (places);
  Cnn3dSkeleton *skeleton = cnn3d_skeleton_new ("coco17", NULL, 0, NULL);
  gfloat *values = g_new0 (gfloat, 3 * skeleton->points);
  guint small = 0, large = 0;

  for (guint i = 0; i < n * n; i++) {
    /* a bone from the nose */
    gfloat ends[] = { places[i % n], places[i / n], 1, 0.5f, 0.5f, 1 };

    memcpy (values, ends, sizeof ends);
    fill (7);
    cnn3d_pose_draw (skeleton, values, 1, pixels, STRIDE, WIDTH, HEIGHT);
    for (guint y = 0; y < HEIGHT; y++)
      for (guint x = 3 * WIDTH; x < STRIDE; x++)
        g_assert_cmpuint (pixels[y * STRIDE + x], ==, 7);
  }
  memset (values, 0, 3 * skeleton->points * sizeof *values);
  values[0] = values[1] = 0.5f;
  values[2] = 1;
  for (guint part = 2; part > 0; part--) {
    fill (7);
    cnn3d_pose_draw (skeleton, values, 1, pixels, STRIDE, WIDTH / part, HEIGHT / part);
    for (guint i = 0; i < sizeof pixels; i++)
      *(part == 2 ? &small : &large) += pixels[i] != 7;
  }
  g_assert_cmpuint (small, >, 0);
  g_assert_cmpuint (large, >, small);
  g_free (values);
  cnn3d_skeleton_free (skeleton);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/posedraw/bones", test_bones);
  g_test_add_func ("/posedraw/contrast", test_contrast);
  g_test_add_func ("/posedraw/edges", test_edges);
  return g_test_run ();
}
