/* npz.c: NumPy arrays in an archive: points, and perhaps scores, times and the picture's size.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/npyarray.h"
#include "src/keypoints/zip.h"

#include <math.h>
#include <string.h>

#define SUFFIX ".npy"

typedef struct {
  guint8 *data; /* NULL: it is not there */
  Cnn3dNpyArray array;
} Member;

static gboolean
knows (const Cnn3dKeypointsSource *source)
{
  return !source->folder && cnn3d_zip_is (source->data, source->size);
}

static gboolean
is_named (const Cnn3dZipMember *member, const gchar *name)
{
  const gsize size = strlen (name);

  return g_ascii_strncasecmp (member->name, name, size) == 0
      && strcmp (member->name + size, SUFFIX) == 0;
}

/* The first of these names, separated by blanks, that is there; NULL: none. */
static const Cnn3dZipMember *
find_member (const Cnn3dZipMember *members, guint n, const gchar *names)
{
  const Cnn3dZipMember *found = NULL;
  gchar **list = g_strsplit (names, " ", -1);

  for (gchar **name = list; *name && !found; name++)
    for (guint i = 0; i < n && !found; i++)
      if (is_named (&members[i], *name))
        found = &members[i];
  g_strfreev (list);
  return found;
}

/* FALSE with `error` set, which names the member. */
static gboolean
open_member (const Cnn3dZipMember *from, Member *member, GError **error)
{
  GError *reason = NULL;

  if (!from)
    return TRUE;
  member->data = cnn3d_zip_read (from, error);
  if (!member->data)
    return FALSE;
  if (cnn3d_npy_open (&member->array, member->data, from->size, &reason))
    return TRUE;
  cnn3d_keypoints_set_error (error, "member %s: %s", from->name, reason->message);
  g_error_free (reason);
  return FALSE;
}

/* Two numbers, or one; FALSE: it is not there, or is no size. */
static gboolean
read_sizes (const Member *member, guint n, gdouble *sizes)
{
  if (!member->data || member->array.length != n)
    return FALSE;
  for (guint i = 0; i < n; i++) {
    sizes[i] = cnn3d_npy_value (&member->array, i);
    if (!(sizes[i] >= 1 && sizes[i] <= G_MAXUINT16))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_members (
    const Cnn3dZipMember *members, guint n, Cnn3dKeypointsBuilder *builder, GError **error)
{
  enum {
    POINTS,
    SCORES,
    TIMES,
    SHAPE,
    WIDTH,
    HEIGHT,
    N
  };
  static const gchar *const names[N] = { "keypoints keypoint kpts kpt points pose poses",
    "scores score keypoint_scores keypoint_score confidence confidences", "times timestamps",
    "img_shape image_shape original_shape", "width image_width", "height image_height" };
  Member read[N] = { { NULL } };
  gboolean ok = TRUE;
  gdouble sizes[2];

  for (guint i = 0; i < N && ok; i++) {
    const Cnn3dZipMember *member = find_member (members, n, names[i]);

    if (i == POINTS && !member && n == 1)
      member = members;
    if (i == POINTS && !member) {
      cnn3d_keypoints_set_error (error,
          "it has no member keypoints (or keypoint, kpts, points, poses) with an array of (frames, "
          "persons, points, 3)");
      ok = FALSE;
    } else {
      ok = open_member (member, &read[i], error);
    }
  }
  ok = ok
      && cnn3d_npy_add_persons (builder, &read[POINTS].array,
          read[SCORES].data ? &read[SCORES].array : NULL,
          read[TIMES].data ? &read[TIMES].array : NULL, error);
  if (ok && read_sizes (&read[SHAPE], 2, sizes)) {
    builder->height = sizes[0];
    builder->width = sizes[1];
  } else if (ok && read_sizes (&read[WIDTH], 1, &sizes[0])
      && read_sizes (&read[HEIGHT], 1, &sizes[1])) {
    builder->width = sizes[0];
    builder->height = sizes[1];
  }
  for (guint i = 0; i < N; i++)
    g_free (read[i].data);
  return ok;
}

static gboolean
read_archive (const Cnn3dKeypointsSource *source, Cnn3dKeypointsBuilder *builder, GError **error)
{
  guint n;
  Cnn3dZipMember *members = cnn3d_zip_list (source->data, source->size, &n, error);
  const gboolean ok = members && read_members (members, n, builder, error);

  g_free (members);
  return ok;
}

const Cnn3dKeypointsReader cnn3d_keypoints_npz = { "NumPy archive (.npz)", knows, read_archive };
