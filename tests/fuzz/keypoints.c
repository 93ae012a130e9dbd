/* Key points: a file gives complete points, or an error, and a pose of them is within the picture.
 * A file is read by itself, and as the only one of an OpenPose folder.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>

#include "src/keypoints/pose.h"
#include "tests/fuzz/target.h"

#define PERSONS 2

static void
check_points (const Cnn3dKeypoints *k)
{
  gsize n;

  if (!k->points || !k->frames || k->starts[0] != 0 || !k->numbers == !k->times)
    fuzz_fail ("frames or points are missing", k->format);
  n = 3 * (gsize) k->points * k->starts[k->frames];
  for (gsize i = 0; i < n; i++)
    if (!isfinite (k->values[i]) || (i % 3 == 2 && !(k->values[i] >= 0 && k->values[i] <= 1)))
      fuzz_fail ("a value that is not finite, or a score out of range", k->format);
  for (guint t = 1; t < k->frames; t++)
    if (k->starts[t] < k->starts[t - 1] || (k->numbers && k->numbers[t] <= k->numbers[t - 1])
        || (k->times && !(k->times[t] > k->times[t - 1])))
      fuzz_fail ("frames that do not ascend", k->format);
}

static void
check_pose (const Cnn3dKeypoints *keypoints, gboolean compact)
{
  const Cnn3dPoseParams params = { .persons = PERSONS,
    .compact = compact,
    .width = 64,
    .height = 48,
    .frames = compact ? keypoints->frames : 0,
    .last = 7,
    .end = compact ? 1 : INFINITY };
  g_autoptr (GError) error = NULL;
  Cnn3dPose *pose = cnn3d_pose_new (keypoints, &params, &error);
  const gsize n = 3 * (gsize) keypoints->points * PERSONS;
  g_autofree gfloat *values = g_new (gfloat, n);

  fuzz_check_error (pose != NULL, error);
  for (guint t = 0; pose && t < 9; t++) {
    cnn3d_pose_frame (pose, t, t * 0.1, values);
    for (gsize i = 0; i < n; i++)
      if (!(values[i] >= 0 && values[i] <= 1))
        fuzz_fail ("a value out of range", keypoints->format);
  }
  cnn3d_pose_free (pose);
}

static void
check (const gchar *path)
{
  g_autoptr (GError) error = NULL;
  Cnn3dKeypoints *keypoints = cnn3d_keypoints_read (path, NULL, &error);

  fuzz_check_error (keypoints != NULL, error);
  if (!keypoints)
    return;
  check_points (keypoints);
  check_pose (keypoints, FALSE);
  check_pose (keypoints, TRUE);
  cnn3d_keypoints_free (keypoints);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static gchar *folder;

  if (!folder) {
    folder = g_build_filename (fuzz_folder (), "poses", NULL);
    if (g_mkdir (folder, 0700) < 0)
      fuzz_fail ("no folder", folder);
  }
  check (fuzz_put ("points", data, size));
  fuzz_put ("poses/a_000000000000_keypoints.json", data, size);
  check (folder);
  return 0;
}
