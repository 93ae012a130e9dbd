/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/pose.h"

#include "src/keypoints/reader.h"
#include "src/keypoints/square.h"

#include <math.h>
#include <string.h>

/* Coordinates up to this are parts of the picture: points may be a little outside of it. */
#define LARGEST_NORMALIZED 2
/* Rounding of times in text */
#define TOLERANCE 0.0005 /* seconds */

struct _Cnn3dPose {
  const Cnn3dKeypoints *file;
  Cnn3dPoseParams params;
  gdouble scale[2]; /* coordinates to parts of the picture */
  guint from, to;   /* the clip's frames in the file, `to` exclusive */
  gdouble reach;    /* seconds */
  gint64 *entries;  /* [persons] room for a frame's */
  gint64 *tracks;   /* [persons] who has which place; of those who are tracked */
  guint n_tracks;
  gboolean compact;
  Cnn3dSquare square; /* if compact */
};

/* The first of the file's frames that is not before; by number or time. */
static guint
find_frame (const Cnn3dKeypoints *file, guint64 number, gdouble time)
{
  guint low = 0, high = file->frames;

  while (low < high) {
    const guint middle = low + (high - low) / 2;

    if (file->times ? file->times[middle] < time : file->numbers[middle] < number)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static int
compare_steps (gconstpointer a, gconstpointer b)
{
  const gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;

  return x < y ? -1 : x > y;
}

/* Half of the usual step between frames. */
static gdouble
find_reach (const Cnn3dKeypoints *file)
{
  const guint n = file->frames - 1;
  gdouble *steps, reach;

  if (!file->times || n == 0)
    return 0;
  steps = g_new (gdouble, n);
  for (guint i = 0; i < n; i++)
    steps[i] = file->times[i + 1] - file->times[i];
  qsort (steps, n, sizeof *steps, compare_steps);
  reach = steps[n / 2] / 2;
  g_free (steps);
  return reach;
}

/* The file's frame that is this one of the video; -1: none. */
static gint64
match_frame (const Cnn3dPose *pose, guint64 frame, gdouble time)
{
  const Cnn3dKeypoints *file = pose->file;
  guint at = find_frame (file, frame + pose->params.offset, time);

  if (!file->times)
    return at < file->frames && file->numbers[at] == frame + pose->params.offset ? (gint64) at : -1;
  if (at == file->frames || (at > 0 && time - file->times[at - 1] <= file->times[at] - time))
    at--;
  return fabs (file->times[at] - time) <= pose->reach + TOLERANCE ? (gint64) at : -1;
}

/* The sum of the scores. */
static gdouble
score_of (const Cnn3dKeypoints *file, guint entry)
{
  const gfloat *values = file->values + 3 * (gsize) file->points * entry;
  gdouble sum = 0;

  for (guint k = 0; k < file->points; k++)
    sum += values[3 * k + 2];
  return sum;
}

/* Who has the highest scores */

typedef struct {
  gint64 person;
  guint entry;
  gdouble score;
} Ranked;

static int
compare_ranked (gconstpointer a, gconstpointer b)
{
  const Ranked *x = a, *y = b;

  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  return x->person < y->person ? -1 : x->person > y->person;
}

static int
compare_persons (gconstpointer a, gconstpointer b)
{
  const Ranked *x = a, *y = b;

  if (x->person != y->person)
    return x->person < y->person ? -1 : 1;
  return x->entry < y->entry ? -1 : x->entry > y->entry;
}

/* By sorting, since a hash of numbers from strangers may be one for all of them. */
static void
rank_tracks (Cnn3dPose *pose)
{
  const Cnn3dKeypoints *file = pose->file;
  const guint begin = file->starts[pose->from], n = file->starts[pose->to] - begin;
  Ranked *ranked = g_new (Ranked, n);
  guint tracks = 0;

  for (guint i = 0; i < n; i++)
    ranked[i] = (Ranked) { file->persons[begin + i], begin + i, score_of (file, begin + i) };
  qsort (ranked, n, sizeof *ranked, compare_persons);
  for (guint i = 0; i < n; i++) {
    if (tracks > 0 && ranked[tracks - 1].person == ranked[i].person)
      ranked[tracks - 1].score += ranked[i].score;
    else
      ranked[tracks++] = ranked[i];
  }
  qsort (ranked, tracks, sizeof *ranked, compare_ranked);
  pose->n_tracks = MIN (tracks, pose->params.persons);
  pose->tracks = g_new (gint64, pose->params.persons);
  for (guint i = 0; i < pose->n_tracks; i++)
    pose->tracks[i] = ranked[i].person;
  g_free (ranked);
}

/* Fills in the entries of a frame, -1: none. */
static void
choose_persons (const Cnn3dPose *pose, guint frame)
{
  const Cnn3dKeypoints *file = pose->file;
  const guint begin = file->starts[frame], n = file->starts[frame + 1] - begin;
  Ranked *ranked;

  for (guint m = 0; m < pose->params.persons; m++)
    pose->entries[m] = -1;
  if (file->tracked) {
    /* the last entry of a person who appears twice */
    for (guint e = begin; e < begin + n; e++)
      for (guint m = 0; m < pose->n_tracks; m++)
        if (pose->tracks[m] == file->persons[e])
          pose->entries[m] = e;
    return;
  }
  if (n == 0)
    return;
  ranked = g_new (Ranked, n);
  for (guint i = 0; i < n; i++)
    ranked[i] = (Ranked) { i, begin + i, score_of (file, begin + i) };
  qsort (ranked, n, sizeof *ranked, compare_ranked);
  for (guint m = 0; m < MIN (n, pose->params.persons); m++)
    pose->entries[m] = ranked[m].entry;
  g_free (ranked);
}

/* Places */

/* FALSE: it is outside of the picture. */
static gboolean
place_point (const Cnn3dPose *pose, const gfloat from[3], gdouble to[2])
{
  for (guint i = 0; i < 2; i++) {
    to[i] = from[i] * pose->scale[i];
    if (!(to[i] >= 0 && to[i] <= 1))
      return FALSE;
  }
  return TRUE;
}

static void
place_frame (const Cnn3dPose *pose, guint frame, gfloat *values)
{
  const gsize size = 3 * (gsize) pose->file->points;
  choose_persons (pose, frame);
  for (guint m = 0; m < pose->params.persons; m++, values += size) {
    if (pose->entries[m] < 0)
      continue;
    for (guint k = 0; k < pose->file->points; k++) {
      const gfloat *from = pose->file->values + pose->entries[m] * size + 3 * k;
      gdouble at[2];

      if (!(from[2] > 0) || !place_point (pose, from, at))
        continue;
      values[3 * k] = at[0];
      values[3 * k + 1] = at[1];
      values[3 * k + 2] = from[2];
    }
    if (pose->compact)
      cnn3d_square_apply (&pose->square, values, pose->file->points);
  }
}

void
cnn3d_pose_frame (const Cnn3dPose *pose, guint64 frame, gdouble time, gfloat *values)
{
  const gint64 at = match_frame (pose, frame, time);

  memset (values, 0, sizeof *values * 3 * pose->file->points * pose->params.persons);
  if (at >= 0)
    place_frame (pose, at, values);
}

/* The square around all points, in the video's pixels. */
static void
set_square (Cnn3dPose *pose)
{
  const Cnn3dPoseParams *params = &pose->params;
  const gdouble width = params->width ? params->width : 1;
  const gdouble height = params->height ? params->height : 1;
  const gsize n = (gsize) pose->file->points * params->persons;
  Cnn3dPointBox box;
  gfloat *values = g_new (gfloat, 3 * n);

  cnn3d_point_box_init (&box);
  for (guint t = pose->from; t < pose->to; t++) {
    memset (values, 0, 3 * n * sizeof *values);
    place_frame (pose, t, values);
    cnn3d_point_box_add (&box, values, n, width, height);
  }
  g_free (values);
  pose->compact = cnn3d_square_around (
      &box, width, height, params->width ? CNN3D_SHORTEST_SQUARE : 0, &pose->square);
}

/* What is wrong with a file */

static gboolean
check_numbers (const Cnn3dKeypoints *file, const Cnn3dPoseParams *params, GError **error)
{
  const guint64 first = params->offset, last = first + params->frames - 1;

  if (!file->numbers || params->frames == 0)
    return TRUE;
  if (file->complete && file->frames != params->frames)
    cnn3d_keypoints_set_error (error,
        "it has %u frames, but the video has %" G_GUINT64_FORMAT
        "; key points must be those of the whole file, frame by frame",
        file->frames, params->frames);
  else if (file->complete)
    return TRUE;
  else if (file->numbers[file->frames - 1] > last || file->numbers[0] < first)
    cnn3d_keypoints_set_error (error,
        "it has frame %" G_GUINT64_FORMAT ", but the video's frames are %" G_GUINT64_FORMAT
        " to %" G_GUINT64_FORMAT "; first-frame is the number that the first one has in it",
        file->numbers[0] < first ? file->numbers[0] : file->numbers[file->frames - 1], first, last);
  else
    return TRUE;
  return FALSE;
}

static gboolean
set_scale (Cnn3dPose *pose, GError **error)
{
  const Cnn3dKeypoints *file = pose->file;
  const Cnn3dPoseParams *params = &pose->params;
  Cnn3dCoordinates unit = params->unit;

  if (unit == CNN3D_COORDINATES_AUTO)
    unit = file->unit;
  if (unit == CNN3D_COORDINATES_AUTO)
    unit = file->largest > LARGEST_NORMALIZED ? CNN3D_COORDINATES_PIXELS
                                              : CNN3D_COORDINATES_NORMALIZED;
  if (unit == CNN3D_COORDINATES_NORMALIZED) {
    pose->scale[0] = pose->scale[1] = 1;
  } else {
    const gdouble width = file->width > 0 ? file->width : params->width;
    const gdouble height = file->height > 0 ? file->height : params->height;

    if (!(width > 0 && height > 0))
      goto no_size;
    pose->scale[0] = 1 / width;
    pose->scale[1] = 1 / height;
  }
  return TRUE;

  /* ERRORS */
no_size:
  cnn3d_keypoints_set_error (
      error, "its coordinates are pixels, but the size of the video's pictures is not known");
  return FALSE;
}

/* There must be a person, and most of the points found must be in the picture. */
static gboolean
check_points (const Cnn3dPose *pose, GError **error)
{
  const Cnn3dKeypoints *file = pose->file;
  guint64 found = 0, outside = 0;

  for (gsize i = (gsize) file->starts[pose->from] * file->points;
      i < (gsize) file->starts[pose->to] * file->points; i++) {
    const gfloat *point = file->values + 3 * i;
    gdouble at[2];

    if (!(point[2] > 0))
      continue;
    found++;
    outside += !place_point (pose, point, at);
  }
  if (found == 0)
    goto no_person;
  if (outside > found / 2)
    goto outside;
  return TRUE;

  /* ERRORS */
no_person:
  cnn3d_keypoints_set_error (error,
      "it has no person from frame %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
      ": it has no points there, or their scores are 0",
      pose->params.first, pose->params.last);
  return FALSE;
outside:
  cnn3d_keypoints_set_error (error,
      "of its %" G_GUINT64_FORMAT " points in the clip %" G_GUINT64_FORMAT
      " are outside of the picture of %gx%g; are they of a video of another size, or is "
      "`coordinates` wrong?",
      found, outside, 1 / pose->scale[0], 1 / pose->scale[1]);
  return FALSE;
}

Cnn3dPose *
cnn3d_pose_new (const Cnn3dKeypoints *keypoints, const Cnn3dPoseParams *params, GError **error)
{
  Cnn3dPose *pose;

  g_return_val_if_fail (params->persons > 0, NULL);
  pose = g_new0 (Cnn3dPose, 1);
  pose->file = keypoints;
  pose->params = *params;
  /* its numbers are those of its rows */
  if (keypoints->complete)
    pose->params.offset = 0;
  params = &pose->params;
  pose->entries = g_new (gint64, params->persons);
  if (!check_numbers (keypoints, params, error) || !set_scale (pose, error))
    goto failed;
  pose->reach = find_reach (keypoints);
  pose->from = find_frame (
      keypoints, params->first + params->offset, params->start - pose->reach - TOLERANCE);
  pose->to = find_frame (
      keypoints, params->last + params->offset + 1, params->end + pose->reach + TOLERANCE);
  if (!check_points (pose, error))
    goto failed;
  if (keypoints->tracked)
    rank_tracks (pose);
  if (params->compact)
    set_square (pose);
  return pose;

failed:
  cnn3d_pose_free (pose);
  return NULL;
}

void
cnn3d_pose_free (Cnn3dPose *pose)
{
  if (!pose)
    return;
  g_free (pose->entries);
  g_free (pose->tracks);
  g_free (pose);
}
