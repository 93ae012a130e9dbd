/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/keypoints/reader.h"

#include <string.h>

#include <errno.h>
#include <glib/gstdio.h>

/* Bytes that a file may have: its points, of whatever type, and as much again. */
#define MAX_FILE (1 << 30)

G_DEFINE_QUARK (cnn3d-keypoints-error-quark, cnn3d_keypoints_error)

static const Cnn3dKeypointsReader *const readers[] = { &cnn3d_keypoints_npy, &cnn3d_keypoints_npz,
  &cnn3d_keypoints_coco, &cnn3d_keypoints_openpose, &cnn3d_keypoints_table };

/* Python's pickles begin with their protocol, from 2 on. */
static gboolean
is_pickle (const Cnn3dKeypointsSource *source)
{
  return source->size > 2 && source->data[0] == 0x80 && source->data[1] >= 2
      && source->data[1] <= 5;
}

static Cnn3dKeypoints *
read_source (const Cnn3dKeypointsSource *source, GError **error)
{
  Cnn3dKeypoints *keypoints = NULL;
  Cnn3dKeypointsBuilder builder;

  for (guint i = 0; i < G_N_ELEMENTS (readers); i++) {
    if (!readers[i]->knows (source))
      continue;
    cnn3d_keypoints_builder_init (&builder);
    if (readers[i]->read (source, &builder, error))
      keypoints = cnn3d_keypoints_builder_finish (&builder, error);
    cnn3d_keypoints_builder_clear (&builder);
    if (keypoints)
      keypoints->format = readers[i]->name;
    return keypoints;
  }
  if (!source->folder && is_pickle (source))
    cnn3d_keypoints_set_error (error,
        "it is a Python pickle, which could run anything when it is read; convert it with "
        "numpy.save() to an array of (frames, persons, points, 3) floats");
  else if (source->folder)
    cnn3d_keypoints_set_error (error,
        "the folder has no file like NAME_000000000012_keypoints.json, as OpenPose writes them");
  else
    cnn3d_keypoints_set_error (error,
        "its format is not recognised: it is not a NumPy array, COCO results, or a table of frame, "
        "point, x and y");
  return NULL;
}

static void
set_open_error (GError **error, gint failure)
{
  g_set_error_literal (
      error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_OPEN, g_strerror (failure));
}

Cnn3dKeypoints *
cnn3d_keypoints_read (const gchar *path, const Cnn3dSkeleton *skeleton, GError **error)
{
  Cnn3dKeypointsSource source = { .path = path, .skeleton = skeleton };
  Cnn3dKeypoints *keypoints = NULL;
  gchar *data = NULL;
  GStatBuf status;

  if (g_stat (path, &status) != 0) {
    set_open_error (error, errno);
    return NULL;
  }
  if (S_ISDIR (status.st_mode)) {
    source.folder = TRUE;
    return read_source (&source, error);
  }
  if (!S_ISREG (status.st_mode)) {
    cnn3d_keypoints_set_error (error, "it is neither a file nor a folder");
  } else if (status.st_size == 0) {
    cnn3d_keypoints_set_error (error, "it is empty (0 bytes)");
  } else if (status.st_size > MAX_FILE) {
    cnn3d_keypoints_set_error (error, "it is larger than 1 GiB");
  } else if (!g_file_get_contents (path, &data, &source.size, NULL)) {
    set_open_error (error, errno);
  } else {
    source.data = (const guint8 *) data;
    keypoints = read_source (&source, error);
  }
  g_free (data);
  return keypoints;
}

void
cnn3d_keypoints_free (Cnn3dKeypoints *keypoints)
{
  if (!keypoints)
    return;
  g_free (keypoints->numbers);
  g_free (keypoints->times);
  g_free (keypoints->starts);
  g_free (keypoints->persons);
  g_free (keypoints->values);
  g_free (keypoints);
}
