/* openpose.c: a folder with a file for each frame, NAME_000000000012_keypoints.json.
 *
 *     {"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, score, ...]}]}
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/jsonwalk.h"
#include "src/keypoints/reader.h"

#include <math.h>
#include <string.h>
#include <glib/gstdio.h>

#define ENDING "_keypoints.json"
/* Bytes of a frame's file */
#define MAX_FILE_SIZE (16 << 20)

/* A frame's number: the digits before the ending; -1: none. */
static gint64
frame_of (const gchar *name)
{
  const gchar *end = name + strlen (name) - MIN (strlen (name), strlen (ENDING)), *p = end;

  if (strcmp (end, ENDING) != 0)
    return -1;
  while (p > name && end - p < 18 && g_ascii_isdigit (p[-1]))
    p--;
  return p < end ? (gint64) g_ascii_strtoull (p, NULL, 10) : -1;
}

static gboolean
knows (const Cnn3dKeypointsSource *source)
{
  GDir *dir = source->folder ? g_dir_open (source->path, 0, NULL) : NULL;
  const gchar *name;
  gboolean found = FALSE;

  if (!dir)
    return FALSE;
  while (!found && (name = g_dir_read_name (dir)))
    found = frame_of (name) >= 0;
  g_dir_close (dir);
  return found;
}

/* Numbers of points, in threes. FALSE with `error` set. */
static gboolean
add_person (Cnn3dKeypointsBuilder *builder, const gchar *points, gint64 frame, gint64 person,
    GError **error)
{
  guint n = 0;
  Cnn3dJsonWalk walk;
  gfloat *to;

  cnn3d_json_enter (&walk, points);
  while (cnn3d_json_next (&walk))
    n++;
  /* of a picture without persons there may be an empty one */
  if (n == 0)
    return TRUE;
  if (n % 3)
    goto other_number;
  to = cnn3d_keypoints_builder_add (builder, frame, person, n / 3, error);
  if (!to)
    return FALSE;
  cnn3d_json_enter (&walk, points);
  while (cnn3d_json_next (&walk)) {
    gsize size;
    const gchar *number = cnn3d_json_numeral (walk.value, &size);

    *to++ = number ? g_ascii_strtod (number, NULL) : NAN;
  }
  return TRUE;

  /* ERRORS */
other_number:
  cnn3d_keypoints_set_error (
      error, "pose_keypoints_2d has %u numbers; a point has x, y and a score", n);
  return FALSE;
}

static gboolean
read_people (Cnn3dKeypointsBuilder *builder, const gchar *document, gint64 frame, GError **error)
{
  Cnn3dJsonWalk member, people, person;
  gboolean found = FALSE;

  cnn3d_json_enter (&member, document);
  while (cnn3d_json_next (&member)) {
    if (!cnn3d_json_is (&member, "people") || *member.value != '[')
      continue;
    found = TRUE;
    cnn3d_json_enter (&people, member.value);
    for (gint64 i = 0; cnn3d_json_next (&people); i++) {
      cnn3d_json_enter (&person, people.value);
      while (cnn3d_json_next (&person))
        if (cnn3d_json_is (&person, "pose_keypoints_2d")
            && !add_person (builder, person.value, frame, i, error))
          return FALSE;
    }
  }
  if (!found)
    cnn3d_keypoints_set_error (error, "it has no list of people");
  return found;
}

static gboolean
read_frame (const Cnn3dKeypointsSource *source, Cnn3dKeypointsBuilder *builder, const gchar *name,
    gint64 frame, GError **error)
{
  g_autofree gchar *path = g_build_filename (source->path, name, NULL), *text = NULL;
  const gchar *at, *why = NULL;
  GError *reason = NULL;
  GStatBuf status;
  gsize size;

  if (g_stat (path, &status) != 0 || !S_ISREG (status.st_mode) || status.st_size > MAX_FILE_SIZE
      || !g_file_get_contents (path, &text, &size, NULL))
    why = "it is not a readable file of at most 16 MiB";
  else if (!g_utf8_validate (text, size, NULL))
    why = "it is not UTF-8";
  else
    why = cnn3d_json_check (text, text + size, &at, NULL, NULL);
  if (!why) {
    const gchar *document = text;

    while (g_ascii_isspace (*document))
      document++;
    if (read_people (builder, document, frame, &reason))
      return TRUE;
    why = reason->message;
  }
  cnn3d_keypoints_set_error (error, "%s: %s", name, why);
  g_clear_error (&reason);
  return FALSE;
}

static gboolean
read_folder (const Cnn3dKeypointsSource *source, Cnn3dKeypointsBuilder *builder, GError **error)
{
  GDir *dir = g_dir_open (source->path, 0, NULL);
  gboolean ok = TRUE;
  const gchar *name;

  while (dir && ok && (name = g_dir_read_name (dir))) {
    const gint64 frame = frame_of (name);

    if (frame >= 0)
      ok = read_frame (source, builder, name, frame, error);
  }
  if (dir)
    g_dir_close (dir);
  return ok;
}

const Cnn3dKeypointsReader cnn3d_keypoints_openpose = { "OpenPose's folder", knows, read_folder };
