/* pose.h: a clip's key points: which persons of a file they are, and where they are in the picture.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_POSE_H
#define CNN3D_POSE_H

#include "src/keypoints/keypoints.h"

G_BEGIN_DECLS

/* persons: M, at least 1
 * unit:    of the file's coordinates; CNN3D_COORDINATES_AUTO: what the file says; else pixels
 *          where one of them is larger than 2
 * compact: coordinates are relative to a square around all of the clip's points, with a margin of a
 *          quarter of it, not to the picture
 * width, height: of the video's pictures, pixels; 0: not known
 * frames:  of the video; 0: not known
 * first, last: numbers of the clip's first and last frame in the video
 * start, end: seconds of the same, end exclusive; end may be infinite
 * offset:  number that the file gives the video's first frame; ignored where it has all frames */
typedef struct {
  guint persons;
  Cnn3dCoordinates unit;
  gboolean compact;
  guint width, height;
  guint64 frames;
  guint64 first, last;
  gdouble start, end;
  guint64 offset;
} Cnn3dPoseParams;

typedef struct _Cnn3dPose Cnn3dPose;

/* The file must outlive it. NULL with `error` (CNN3D_KEYPOINTS_ERROR): it does not fit this
 * video, no person is in this clip, or most points are outside of the picture. Free with cnn3d_pose_free(). */
CNN3D_API Cnn3dPose *cnn3d_pose_new (
    const Cnn3dKeypoints *keypoints, const Cnn3dPoseParams *params, GError **error);
CNN3D_API void cnn3d_pose_free (Cnn3dPose *pose);

/* A frame's key points: [persons][points][3] x and y, 0 to 1 over the picture's width and height
 * (or the square's), and score, 0 to 1. 0, 0, 0: a point, person or frame that is missing, or a
 * point outside of the picture. Persons who are tracked have the same place in all of the clip's
 * frames, the one with the highest scores first; otherwise the persons of each frame are in the
 * order of their scores.
 * frame, time: its number in the video, and seconds since the video's first frame. A file by time
 *              has a frame's points where they are at most half of its usual step away. */
CNN3D_API void cnn3d_pose_frame (
    const Cnn3dPose *pose, guint64 frame, gdouble time, gfloat *values);

G_END_DECLS

#endif
