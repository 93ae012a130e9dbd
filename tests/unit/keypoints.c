/* keypoints.c: skeletons, valid and invalid files of key points, and the poses of clips.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/pose.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "npyfile.h"

#define T 4
#define M 2
#define K 3

static gchar *dir, *path;

/* x, y, score of a point: pixels of a picture of 100x50 */
static const gfloat values[T][M][K][3] = {
  { { { 10, 20, 0.5f }, { 11, 21, 0.5f }, { 12, 22, 0.5f } },
      { { 30, 40, 1 }, { 31, 41, 1 }, { 32, 42, 1 } } },
  { { { 11, 20, 0.5f }, { 12, 21, 0.5f }, { 13, 22, 0 } },
      { { 31, 40, 1 }, { 32, 41, 1 }, { 99, 50, 1 } } },
  { { { NAN, 20, 0.5f }, { 13, INFINITY, 0.5f }, { 14, 22, NAN } },
      { { 32, 40, 2 }, { -1, 41, 1 }, { 34, 51, 1 } } },
  { { { 13, 20, 0.5f }, { 14, 21, 0.5f }, { 15, 22, 0.5f } },
      { { 33, 40, 1 }, { 34, 41, 1 }, { 35, 42, 1 } } },
};

static void
write_values (const gchar *shape, gsize frames)
{
  npy_write (path, 1, "'<f4'", "False", shape, values, frames * sizeof values[0]);
}

static Cnn3dKeypoints *
read_good (void)
{
  GError *error = NULL;
  Cnn3dKeypoints *keypoints = cnn3d_keypoints_read (path, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (keypoints);
  return keypoints;
}

static void
assert_refused (const gchar *reason)
{
  GError *error = NULL;
  Cnn3dKeypoints *keypoints = cnn3d_keypoints_read (path, NULL, &error);

  g_assert_null (keypoints);
  g_assert_nonnull (error);
  if (!strstr (error->message, reason))
    g_error ("\"%s\" instead of \"%s\"", error->message, reason);
  g_error_free (error);
}

/* Skeletons */

static void
test_skeletons (void)
{
  static const struct {
    const gchar *name;
    guint points, bones;
    const gchar *pairs; /* expected prefix */
    const gchar *left, *right;
  } cases[] = {
    { "coco17", 17, 18, "1-2,3-4,5-6,7-8,9-10,11-12,13-14,15-16", "left_wrist", "right_wrist" },
    { "body25", 25, 24, "2-5,3-6,4-7,9-12,10-13,11-14,15-16,17-18,19-22,20-23,21-24", "left_heel",
        "right_heel" },
    { "mediapipe33", 33, 35, "1-4,2-5,3-6,7-8,9-10,11-12", "mouth_left", "mouth_right" },
    { "mhr70", 70, 65, "1-2,3-4,5-6,7-8,9-10,11-12,13-14,15-18,16-19,17-20,21-42,22-43",
        "left_acromion", "right_acromion" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GError *error = NULL;
    Cnn3dSkeleton *named = cnn3d_skeleton_new (cases[i].name, NULL, 0, &error);
    Cnn3dSkeleton *found = cnn3d_skeleton_new ("auto", NULL, cases[i].points, &error);
    gint left, right;

    g_assert_no_error (error);
    g_assert_cmpstr (named->name, ==, cases[i].name);
    g_assert_cmpstr (found->name, ==, cases[i].name);
    g_assert_cmpuint (named->points, ==, cases[i].points);
    g_assert_cmpuint (g_strv_length (named->names), ==, named->points);
    g_assert_true (g_str_has_prefix (named->pairs, cases[i].pairs));
    g_assert_cmpuint (named->n_bones, ==, cases[i].bones);
    left = cnn3d_skeleton_find (named, cases[i].left, strlen (cases[i].left));
    right = cnn3d_skeleton_find (named, cases[i].right, strlen (cases[i].right));
    g_assert_cmpint (left, >, 0);
    g_assert_cmpuint (named->mirror[left], ==, right);
    for (guint k = 0; k < named->points; k++) {
      const gboolean sided = strstr (named->names[k], "left") || strstr (named->names[k], "right");

      g_assert_cmpuint (named->mirror[named->mirror[k]], ==, k);
      g_assert_true (sided == (named->mirror[k] != k));
      g_assert_cmpint (
          cnn3d_skeleton_find (named, named->names[k], strlen (named->names[k])), ==, k);
    }
    for (guint k = 0; k < 2 * named->n_bones; k++)
      g_assert_cmpuint (named->bones[k], <, named->points);
    cnn3d_skeleton_free (named);
    cnn3d_skeleton_free (found);
  }
}

static void
test_custom (void)
{
  static const struct {
    const gchar *name, *pairs;
    guint points;
    const gchar *reason;
  } bad[] = {
    { "coco18", NULL, 0, "skeleton \"coco18\" is unknown; use coco17" },
    { "custom:", NULL, 0, "is unknown" },
    { "custom:0", NULL, 0, "is unknown" },
    { "custom:1025", NULL, 0, "is unknown" },
    { "custom:5x", NULL, 0, "is unknown" },
    { "custom:5", "1-2,3", 0,
        "pairs \"1-2,3\" is not a list of pairs of points; write it like 1-2,3-4, with" },
    { "custom:5", "1-5", 0, "from 0 to 4" },
    { "custom:5", "1-1", 0, "each once" },
    { "custom:5", "1-2,2-3", 0, "each once" },
    { "custom:5", "1-2,", 0, "is not a list of pairs" },
    { "custom:5", "1:2", 0, "is not a list of pairs" },
    { "auto", "1-2", 17, "pairs are given, but skeleton is auto" },
    { "coco17", "1-2", 17, "pairs are given, but skeleton is coco17" },
    { "auto", NULL, 18, "no known skeleton has 18 points; set skeleton=custom:18" },
    { "coco17", NULL, 25, "it has 25 points a person, but skeleton coco17 has 17" },
    { "custom:5", "1-2", 6, "it has 6 points a person, but skeleton custom:5 has 5" },
  };
  static const guint mirror[] = { 0, 3, 4, 1, 2 };
  Cnn3dSkeleton *skeleton = cnn3d_skeleton_new ("custom:5", "1-3, 2 - 4", 5, NULL);

  g_assert_nonnull (skeleton);
  g_assert_true (memcmp (skeleton->mirror, mirror, sizeof mirror) == 0);
  g_assert_cmpint (cnn3d_skeleton_find (skeleton, "nose", 4), ==, -1);
  cnn3d_skeleton_free (skeleton);
  skeleton = cnn3d_skeleton_new ("custom:5", NULL, 5, NULL);
  g_assert_cmpstr (skeleton->pairs, ==, "");
  cnn3d_skeleton_free (skeleton);
  skeleton = cnn3d_skeleton_new ("coco17", NULL, 0, NULL);
  g_assert_cmpint (cnn3d_skeleton_find (skeleton, "Left Elbow", 10), ==, 7);
  g_assert_cmpint (cnn3d_skeleton_find (skeleton, "LEFTELBOW", 9), ==, 7);
  g_assert_cmpint (cnn3d_skeleton_find (skeleton, "left_elbows", 11), ==, -1);
  g_assert_cmpint (cnn3d_skeleton_find (skeleton, "left_elb", 8), ==, -1);
  cnn3d_skeleton_free (skeleton);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    GError *error = NULL;

    g_assert_null (cnn3d_skeleton_new (bad[i].name, bad[i].pairs, bad[i].points, &error));
    if (!strstr (error->message, bad[i].reason))
      g_error ("\"%s\" instead of \"%s\"", error->message, bad[i].reason);
    g_error_free (error);
  }
}

/* NumPy */

static void
assert_values (const Cnn3dKeypoints *keypoints)
{
  g_assert_cmpuint (keypoints->points, ==, K);
  g_assert_cmpuint (keypoints->frames, ==, T);
  g_assert_cmpstr (keypoints->format, ==, "NumPy array (.npy)");
  g_assert_true (keypoints->complete && keypoints->tracked && !keypoints->times);
  for (guint t = 0; t < T; t++) {
    g_assert_cmpuint (keypoints->numbers[t], ==, t);
    g_assert_cmpuint (keypoints->starts[t], ==, t * M);
    for (guint m = 0; m < M; m++)
      for (guint k = 0; k < K; k++) {
        const gfloat *from = values[t][m][k], *to = keypoints->values + 3 * ((t * M + m) * K + k);
        const gboolean missing = !isfinite (from[0]) || !isfinite (from[1]) || !(from[2] > 0);

        g_assert_cmpint (keypoints->persons[t * M + m], ==, m);
        for (guint i = 0; i < 3; i++)
          g_assert_cmpfloat (to[i], ==, missing ? 0 : i == 2 ? MIN (from[i], 1) : from[i]);
      }
  }
  g_assert_cmpuint (keypoints->starts[T], ==, T * M);
  g_assert_cmpfloat (keypoints->largest, ==, 99);
}

static void
test_npy (void)
{
  gfloat fortran[3][K][M][T];
  guint32 swapped[T * M * K * 3];
  gdouble doubles[T * M * K * 3];
  Cnn3dKeypoints *keypoints;

  for (guint version = 1; version <= 3; version++) {
    npy_write (path, version, "'<f4'", "False", "(4, 2, 3, 3)", values, sizeof values);
    keypoints = read_good ();
    assert_values (keypoints);
    cnn3d_keypoints_free (keypoints);
  }
  for (guint i = 0; i < G_N_ELEMENTS (swapped); i++) {
    memcpy (&swapped[i], (const gfloat *) values + i, 4);
    swapped[i] = GUINT32_SWAP_LE_BE (swapped[i]);
    doubles[i] = ((const gfloat *) values)[i];
  }
  npy_write (path, 1, "\">f4\"", "False", "(4, 2, 3, 3)", swapped, sizeof swapped);
  keypoints = read_good ();
  assert_values (keypoints);
  cnn3d_keypoints_free (keypoints);
  npy_write (path, 1, "'<f8'", "False", "(4,2,3,3)", doubles, sizeof doubles);
  keypoints = read_good ();
  assert_values (keypoints);
  cnn3d_keypoints_free (keypoints);
  for (guint t = 0; t < T; t++)
    for (guint m = 0; m < M; m++)
      for (guint k = 0; k < K; k++)
        for (guint i = 0; i < 3; i++)
          fortran[i][k][m][t] = values[t][m][k][i];
  npy_write (path, 2, "'<f4'", "True", "(4, 2, 3, 3)", fortran, sizeof fortran);
  keypoints = read_good ();
  assert_values (keypoints);
  cnn3d_keypoints_free (keypoints);
}

/* One person with one point, without a score: (T, 1, 2) */
static void
test_types (void)
{
  static const struct {
    const gchar *type;
    guint8 bytes[2 * 2 * 8];
    gsize size;
    gfloat values[2][3];
  } cases[] = {
    { "'|u1'", { 200, 7, 0, 0 }, 4, { { 200, 7, 1 }, { 0, 0, 0 } } },
    { "'|i1'", { 200, 7, 0, 1 }, 4, { { -56, 7, 1 }, { 0, 1, 1 } } },
    { "'<u2'", { 1, 2, 3, 0, 0, 0, 0, 255 }, 8, { { 513, 3, 1 }, { 0, 65280, 1 } } },
    { "'>i2'", { 255, 255, 0, 3, 1, 0, 0, 0 }, 8, { { -1, 3, 1 }, { 256, 0, 1 } } },
    { "'<i4'", { 1, 0, 1, 0, 255, 255, 255, 255, 2, 0, 0, 0, 3, 0, 0, 0 }, 16,
        { { 65537, -1, 1 }, { 2, 3, 1 } } },
    { "'<u4'", { 1, 0, 1, 0, 0, 0, 0, 128, 2, 0, 0, 0, 3, 0, 0, 0 }, 16,
        { { 65537, 2147483648.0f, 1 }, { 2, 3, 1 } } },
    { "'<i8'", { 9, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255 }, 32,
        { { 9, -1, 1 }, { 0, 0, 0 } } },
    /* 1, 0.5, the largest, the smallest and infinity */
    { "'<f2'", { 0, 0x3c, 0, 0x38, 0xff, 0x7b, 1, 0 }, 8,
        { { 1, 0.5f, 1 }, { 65504, 5.9604644775390625e-8f, 1 } } },
    { "'>f2'", { 0xc0, 0, 0x34, 0, 0x7c, 0, 0, 0 }, 8, { { -2, 0.25f, 1 }, { 0, 0, 0 } } },
    { "'|b1'", { 1, 0, 0, 1 }, 4, { { 1, 0, 1 }, { 0, 1, 1 } } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Cnn3dKeypoints *keypoints;

    npy_write (path, 1, cases[i].type, "False", "(2, 1, 2)", cases[i].bytes, cases[i].size);
    keypoints = read_good ();
    g_test_message ("%s", cases[i].type);
    for (guint k = 0; k < 6; k++)
      g_assert_cmpfloat (keypoints->values[k], ==, cases[i].values[k / 3][k % 3]);
    cnn3d_keypoints_free (keypoints);
  }
}

static void
test_bad_npy (void)
{
  static const struct {
    guint version;
    const gchar *descr, *order, *shape;
    gsize size;
    const gchar *reason;
  } cases[] = {
    { 1, "'|O'", "False", "(4,)", 32, "Python objects (a pickle)" },
    { 1, "'<U8'", "False", "(1,)", 32, "type \"<U8\", not of numbers" },
    { 1, "'<c8'", "False", "(4,)", 32, "type \"<c8\"" },
    { 1, "'<f16'", "False", "(2,)", 32, "type \"<f16\"" },
    { 1, "'<f3'", "False", "(2,)", 32, "type \"<f3\"" },
    { 1, "''", "False", "(2,)", 32, "its header is not that of a NumPy array" },
    { 1, "[('x', '<f4')]", "False", "(8,)", 32, "array of records" },
    { 1, "'<f4'", "Maybe", "(8,)", 32, "header is not" },
    { 1, "'<f4'", "False", "8", 32, "header is not" },
    { 1, "'<f4'", "False", "(-8,)", 32, "header is not" },
    { 1, "'<f4'", "False", "(1,1,1,1,1,1,1,1,8)", 32, "header is not" },
    { 1, "'<f4'", "False", "(8)", 32, "its shape is (8), but key points are" },
    { 1, "'<f4'", "False", "()", 4, "its shape is ()" },
    { 1, "'<f4'", "False", "(1, 2, 4)", 32, "its shape is (1, 2, 4)" },
    { 1, "'<f4'", "False", "(0, 2, 3)", 0, "it contains no persons: its shape is (0, 2, 3)" },
    { 1, "'<f4'", "False", "(1, 0, 2, 3)", 0, "it contains no persons" },
    { 1, "'<f4'", "False", "(536870912, 1, 3)", 32,
        "declares 6442450944 bytes of data, but there are 32" },
    { 1, "'<f4'", "False", "(4294967296, 4294967296, 3)", 32, "more elements than possible" },
    { 1, "'<f4'", "False", "(99999999999999999999, 1, 3)", 32, "header is not" },
    { 1, "'<f8'", "False", "(4611686018427387904,)", 32, "more elements than possible" },
    { 1, "'<f4'", "False", "(1, 2, 3)", 32, "declares 24 bytes of data, but there are 32" },
    { 4, "'<f4'", "False", "(1, 2, 3)", 24, "of version 4 of NumPy's format" },
    { 0, "'<f4'", "False", "(1, 2, 3)", 24, "of version 0" },
    { 1, "'|u1'", "False", "(1, 1025, 2)", 2050,
        "its shape is (1, 1025, 2); 1024 points a person and 33554432 points in all are possible" },
  };
  static const guint8 data[2050] = { 0 };
  GByteArray *bytes;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    npy_write (path, cases[i].version, cases[i].descr, cases[i].order, cases[i].shape, data,
        cases[i].size);
    assert_refused (cases[i].reason);
  }
  /* truncated at each byte of the header: never reads past the end */
  bytes = npy_bytes (2, "'<f4'", "False", "(1, 2, 3)", data, 24);
  for (guint n = 1; n < bytes->len; n++) {
    GError *error = NULL;

    g_assert_true (g_file_set_contents (path, (const gchar *) bytes->data, n, NULL));
    g_assert_null (cnn3d_keypoints_read (path, NULL, &error));
    g_assert_nonnull (error);
    g_error_free (error);
  }
  /* a header of 2 GB */
  memcpy (bytes->data + 8, "\xff\xff\xff\x7f", 4);
  g_assert_true (g_file_set_contents (path, (const gchar *) bytes->data, bytes->len, NULL));
  assert_refused ("header is not");
  g_byte_array_unref (bytes);
}

static void
test_bad_files (void)
{
  static const gchar *const texts[][2] = {
    { "\x80\x04\x95\x10", "it is a Python pickle, which could run anything when it is read" },
    { "hello, world\n", "format is not recognised" },
    { "", "it is empty (0 bytes)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_assert_true (g_file_set_contents (path, texts[i][0], -1, NULL));
    assert_refused (texts[i][1]);
  }
  /* without their blocks */
  g_assert_cmpint (truncate (path, (G_GINT64_CONSTANT (1) << 30) + 1), ==, 0);
  assert_refused ("it is larger than 1 GiB");
  g_unlink (path);
  assert_refused ("No such file");
  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  assert_refused ("the folder has no file like NAME_000000000012_keypoints.json");
  g_rmdir (path);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0);
  assert_refused ("neither a file nor a folder");
  g_unlink (path);
}

/* Poses */

static Cnn3dPoseParams
params_of (guint persons)
{
  return (Cnn3dPoseParams) { .persons = persons,
    .width = 100,
    .height = 50,
    .frames = T,
    .first = 0,
    .last = T - 1,
    .start = 0,
    .end = INFINITY };
}

static void
assert_point (const gfloat *point, gdouble x, gdouble y, gdouble score)
{
  g_assert_cmpfloat_with_epsilon (point[0], x, 1e-6);
  g_assert_cmpfloat_with_epsilon (point[1], y, 1e-6);
  g_assert_cmpfloat_with_epsilon (point[2], score, 1e-6);
}

static void
test_pose (void)
{
  Cnn3dPoseParams params = params_of (3);
  Cnn3dKeypoints *keypoints;
  gfloat out[3][K][3];
  Cnn3dPose *pose;

  write_values ("(4, 2, 3, 3)", T);
  keypoints = read_good ();
  pose = cnn3d_pose_new (keypoints, &params, NULL);
  g_assert_nonnull (pose);
  cnn3d_pose_frame (pose, 0, 0, out[0][0]);
  /* the person with the higher scores comes first, missing persons last */
  assert_point (out[0][0], 0.3, 0.8, 1);
  assert_point (out[1][2], 0.12, 0.44, 0.5);
  assert_point (out[2][0], 0, 0, 0);
  cnn3d_pose_frame (pose, 1, 0, out[0][0]);
  assert_point (out[1][2], 0, 0, 0);
  /* a point on the edge is inside */
  assert_point (out[0][2], 0.99, 1, 1);
  cnn3d_pose_frame (pose, 2, 0, out[0][0]);
  assert_point (out[0][0], 0.32, 0.8, 1);
  /* points outside and NaN are missing */
  for (guint k = 1; k < K; k++)
    assert_point (out[0][k], 0, 0, 0);
  for (guint k = 0; k < K; k++)
    assert_point (out[1][k], 0, 0, 0);
  cnn3d_pose_frame (pose, 7, 0, out[0][0]);
  for (guint i = 0; i < 3 * K; i++)
    assert_point (out[0][0] + 3 * i, 0, 0, 0);
  cnn3d_pose_free (pose);
  /* one person; rows need no number of the first frame */
  params = params_of (1);
  params.offset = 2;
  pose = cnn3d_pose_new (keypoints, &params, NULL);
  cnn3d_pose_frame (pose, 3, 0, out[0][0]);
  assert_point (out[0][1], 0.34, 0.82, 1);
  cnn3d_pose_free (pose);
  /* scaled by the size given in the file */
  keypoints->width = 200;
  keypoints->height = 100;
  pose = cnn3d_pose_new (keypoints, &params, NULL);
  cnn3d_pose_frame (pose, 3, 0, out[0][0]);
  assert_point (out[0][1], 0.17, 0.41, 1);
  cnn3d_pose_free (pose);
  cnn3d_keypoints_free (keypoints);
}

/* Persons are ranked within the clip, not within the file. */
static void
test_ranks (void)
{
  gfloat two[T][M][1][3];
  Cnn3dPoseParams params = params_of (1);
  Cnn3dKeypoints *keypoints;
  gfloat out[3];

  for (guint t = 0; t < T; t++)
    for (guint m = 0; m < M; m++) {
      two[t][m][0][0] = 10 * (m + 1);
      two[t][m][0][1] = t;
      two[t][m][0][2] = (t < 2) == (m == 1) ? 0.9f : 0.1f;
    }
  npy_write (path, 1, "'<f4'", "False", "(4, 2, 1, 3)", two, sizeof two);
  keypoints = read_good ();
  for (guint half = 0; half < 2; half++) {
    Cnn3dPose *pose;

    params.first = 2 * half;
    params.last = params.first + 1;
    pose = cnn3d_pose_new (keypoints, &params, NULL);
    g_assert_nonnull (pose);
    cnn3d_pose_frame (pose, params.first, 0, out);
    assert_point (out, half ? 0.1 : 0.2, params.first / 50.0, 0.9);
    cnn3d_pose_free (pose);
  }
  cnn3d_keypoints_free (keypoints);
}

static void
test_normalized (void)
{
  static const gfloat small[2][1][3] = { { { 0.25f, 1.5f, 1 } }, { { 0.5f, 0.75f, 1 } } };
  Cnn3dPoseParams params = { .persons = 1, .frames = 2, .last = 1, .end = INFINITY };
  Cnn3dKeypoints *keypoints;
  GError *error = NULL;
  gfloat out[3];
  Cnn3dPose *pose;

  npy_write (path, 1, "'<f4'", "False", "(2, 1, 3)", small, sizeof small);
  keypoints = read_good ();
  pose = cnn3d_pose_new (keypoints, &params, &error);
  g_assert_no_error (error);
  cnn3d_pose_frame (pose, 0, 0, out);
  assert_point (out, 0, 0, 0);
  cnn3d_pose_frame (pose, 1, 0, out);
  assert_point (out, 0.5, 0.75, 1);
  cnn3d_pose_free (pose);
  params.unit = CNN3D_COORDINATES_PIXELS;
  g_assert_null (cnn3d_pose_new (keypoints, &params, &error));
  g_assert_nonnull (strstr (error->message, "size of the video's pictures is not known"));
  g_clear_error (&error);
  params.width = params.height = 10;
  pose = cnn3d_pose_new (keypoints, &params, &error);
  cnn3d_pose_frame (pose, 1, 0, out);
  assert_point (out, 0.05, 0.075, 1);
  cnn3d_pose_free (pose);
  cnn3d_keypoints_free (keypoints);
}

static void
test_compact (void)
{
  static const gfloat box[2][2][3] = { { { 20, 10, 1 }, { 60, 10, 1 } },
    { { 40, 30, 1 }, { 0, 0, 0 } } };
  Cnn3dPoseParams params = params_of (1);
  Cnn3dKeypoints *keypoints;
  gfloat out[2][3];
  Cnn3dPose *pose;

  params.compact = TRUE;
  params.frames = 2;
  params.last = 1;
  npy_write (path, 1, "'<f4'", "False", "(2, 2, 3)", box, sizeof box);
  keypoints = read_good ();
  pose = cnn3d_pose_new (keypoints, &params, NULL);
  /* x 20 to 60, y 10 to 30: a square of 50 pixels around 40, 20 */
  cnn3d_pose_frame (pose, 0, 0, out[0]);
  assert_point (out[0], 5 / 50.0, 15 / 50.0, 1);
  assert_point (out[1], 45 / 50.0, 15 / 50.0, 1);
  cnn3d_pose_frame (pose, 1, 0, out[0]);
  assert_point (out[0], 25 / 50.0, 35 / 50.0, 1);
  assert_point (out[1], 0, 0, 0);
  cnn3d_pose_free (pose);
  /* points that all coincide have no box to normalize by */
  params.last = 0;
  keypoints->values[3] = 21;
  pose = cnn3d_pose_new (keypoints, &params, NULL);
  cnn3d_pose_frame (pose, 0, 0, out[0]);
  assert_point (out[1], 0.21, 0.2, 1);
  cnn3d_pose_free (pose);
  cnn3d_keypoints_free (keypoints);
}

static void
test_bad_poses (void)
{
  static const struct {
    guint64 frames, first, last;
    guint width;
    const gchar *reason;
  } cases[] = {
    { 5, 0, 4, 100, "it has 4 frames, but the video has 5" },
    { 3, 0, 2, 100, "it has 4 frames, but the video has 3" },
    { 4, 0, 3, 10, "are outside of the picture of 10x50" },
  };
  Cnn3dKeypoints *keypoints;
  Cnn3dPoseParams params;
  GError *error = NULL;

  write_values ("(4, 2, 3, 3)", T);
  keypoints = read_good ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    params = params_of (1);
    params.frames = cases[i].frames;
    params.first = cases[i].first;
    params.last = cases[i].last;
    params.width = cases[i].width;
    g_assert_null (cnn3d_pose_new (keypoints, &params, &error));
    if (!strstr (error->message, cases[i].reason))
      g_error ("\"%s\" instead of \"%s\"", error->message, cases[i].reason);
    g_clear_error (&error);
  }
  /* a frame without persons */
  params = params_of (1);
  params.first = params.last = 2;
  memset (keypoints->values + 2 * M * K * 3, 0, sizeof values[2]);
  g_assert_null (cnn3d_pose_new (keypoints, &params, &error));
  g_assert_nonnull (strstr (error->message, "it has no person from frame 2 to 2"));
  g_clear_error (&error);
  cnn3d_keypoints_free (keypoints);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  dir = g_dir_make_tmp ("cnn3d-keypoints-XXXXXX", NULL);
  path = g_build_filename (dir, "points", NULL);
  g_test_add_func ("/keypoints/skeletons", test_skeletons);
  g_test_add_func ("/keypoints/custom", test_custom);
  g_test_add_func ("/keypoints/npy", test_npy);
  g_test_add_func ("/keypoints/types", test_types);
  g_test_add_func ("/keypoints/bad-npy", test_bad_npy);
  g_test_add_func ("/keypoints/bad-files", test_bad_files);
  g_test_add_func ("/keypoints/pose", test_pose);
  g_test_add_func ("/keypoints/ranks", test_ranks);
  g_test_add_func ("/keypoints/normalized", test_normalized);
  g_test_add_func ("/keypoints/compact", test_compact);
  g_test_add_func ("/keypoints/bad-poses", test_bad_poses);
  result = g_test_run ();
  g_unlink (path);
  g_rmdir (dir);
  g_free (path);
  g_free (dir);
  return result;
}
