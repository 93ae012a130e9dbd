/* skeleton.h: what the key points of a person are: how many, their names, which of them change
 * places when a picture is mirrored, and which are joined by a line.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SKELETON_H
#define CNN3D_SKELETON_H

#include <glib.h>

#include "src/api.h"

G_BEGIN_DECLS

/* Points of a person at most. */
#define CNN3D_SKELETON_MOST 1024

/* name:   "coco17", "body25", "mediapipe33", "mhr70" or "custom:K"
 * points: K
 * names:  [points], NULL-terminated, such as "left_elbow"; NULL: not known
 * pairs:  which points change places, such as "1-2,3-4", by their numbers from 0; "": none
 * mirror: [points] each point's number in a mirrored picture
 * bones:  [2 * n_bones] numbers of the points that a line joins */
typedef struct {
  gchar *name;
  guint points;
  gchar **names;
  gchar *pairs;
  guint *mirror;
  guint *bones;
  guint n_bones;
} Cnn3dSkeleton;

/* name:   as above; NULL, empty or "auto": the one that has so many points
 * pairs:  of "custom:K" only; NULL or empty: none
 * points: of a person in a file; 0: not known
 * NULL with `error` (CNN3D_KEYPOINTS_ERROR): no such skeleton, pairs that are none, or another
 * number of points. Free with cnn3d_skeleton_free(). */
CNN3D_API Cnn3dSkeleton *cnn3d_skeleton_new (
    const gchar *name, const gchar *pairs, guint points, GError **error);
CNN3D_API void cnn3d_skeleton_free (Cnn3dSkeleton *skeleton);

/* The number of the point with this name, whatever its case and whatever stands between its words:
 * "Left Elbow" is left_elbow; -1: none. */
CNN3D_API gint cnn3d_skeleton_find (const Cnn3dSkeleton *skeleton, const gchar *name, gsize size);

G_END_DECLS

#endif
