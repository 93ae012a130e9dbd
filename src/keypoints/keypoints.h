/* keypoints.h: key points of the persons in a video, read from the files that pose estimators
 * write. A file is read once and does not change afterwards: any number of threads may use it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_KEYPOINTS_H
#define CNN3D_KEYPOINTS_H

#include "src/keypoints/skeleton.h"
#include "src/settings/choices.h"

G_BEGIN_DECLS

#define CNN3D_KEYPOINTS_ERROR (cnn3d_keypoints_error_quark ())
CNN3D_API GQuark cnn3d_keypoints_error_quark (void);

typedef enum {
  CNN3D_KEYPOINTS_ERROR_OPEN,   /* a file or folder cannot be read */
  CNN3D_KEYPOINTS_ERROR_FORMAT, /* it is not what it should be */
  CNN3D_KEYPOINTS_ERROR_PARAMS, /* no such skeleton, or pairs that are none */
} Cnn3dKeypointsError;

/* format:   the reader's name
 * points:   K, of each person, at least 1
 * frames:   T, frames that the file describes, at least 1
 * numbers:  [T] their numbers in the video, ascending; NULL: they have times
 * times:    [T] seconds since the video's first frame, ascending; NULL: they have numbers
 * complete: one for each frame of the video: numbers are 0 to T - 1
 * starts:   [T + 1] the first person of each frame, and the number of all
 * persons:  [starts[T]] who it is, where `tracked`: the same in all frames; else the position in
 *           its frame
 * values:   [starts[T]][K][3] x, y, score (0 to 1). A point that is missing, or has a coordinate
 *           that is NaN or infinite, is 0, 0, 0
 * unit:     of x and y; CNN3D_COORDINATES_AUTO: not said
 * width, height: of the picture that the points were found in, pixels; 0: not said
 * largest:  magnitude of x and y at most */
typedef struct {
  const gchar *format;
  guint points;
  guint frames;
  guint64 *numbers;
  gdouble *times;
  gboolean complete;
  gboolean tracked;
  guint32 *starts;
  gint64 *persons;
  gfloat *values;
  Cnn3dCoordinates unit;
  gdouble width, height;
  gdouble largest;
} Cnn3dKeypoints;

/* Reads a file, or OpenPose's folder, in any of the formats that keypoints.c lists, recognised by
 * its content. skeleton: its names number points that the file names; NULL: those of a skeleton
 * that has all of them. NULL with `error` (CNN3D_KEYPOINTS_ERROR), which does not repeat the path.
 * Free with cnn3d_keypoints_free(). */
CNN3D_API Cnn3dKeypoints *cnn3d_keypoints_read (
    const gchar *path, const Cnn3dSkeleton *skeleton, GError **error);
CNN3D_API void cnn3d_keypoints_free (Cnn3dKeypoints *keypoints);

G_END_DECLS

#endif
