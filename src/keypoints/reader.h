/* reader.h: what a reader of key points is, and what all of them share.
 *
 * A format is a file with a Cnn3dKeypointsReader in it, and a row of the table in keypoints.c. The
 * first reader of the table that knows the content reads it, whatever the file is called.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_KEYPOINTS_READER_H
#define CNN3D_KEYPOINTS_READER_H

#include "src/keypoints/keypoints.h"

/* Points in a file at most: 400 MB of them. */
#define CNN3D_KEYPOINTS_MOST (1u << 25)

typedef struct {
  const gchar *path;
  gboolean folder;
  const guint8 *data; /* [size] the file; NULL: a folder */
  gsize size;
  const Cnn3dSkeleton *skeleton; /* may be NULL */
} Cnn3dKeypointsSource;

/* Collects persons in any order. */
typedef struct {
  GArray *entries;  /* of one person in one frame */
  GArray *values;   /* gfloat: x, y, score, as they are in the file */
  guint points;     /* K; 0: no person yet */
  gboolean by_time; /* frames have times */
  gboolean complete;
  guint complete_frames; /* T of it */
  gboolean tracked;
  Cnn3dCoordinates unit;
  gdouble width, height;
} Cnn3dKeypointsBuilder;

typedef struct {
  const gchar *name; /* as documents have it */
  gboolean (*knows) (const Cnn3dKeypointsSource *source);
  gboolean (*read) (
      const Cnn3dKeypointsSource *source, Cnn3dKeypointsBuilder *builder, GError **error);
} Cnn3dKeypointsReader;

extern const Cnn3dKeypointsReader cnn3d_keypoints_npy, cnn3d_keypoints_npz, cnn3d_keypoints_coco,
    cnn3d_keypoints_openpose, cnn3d_keypoints_table;

void cnn3d_keypoints_builder_init (Cnn3dKeypointsBuilder *builder);
void cnn3d_keypoints_builder_clear (Cnn3dKeypointsBuilder *builder);

/* Room for the [points][3] values of a person, all NaN. NULL with `error` set: another number of
 * points than before, or too many. Valid until the next one.
 * at:     the frame's number, or its time in seconds
 * person: who it is; of one frame, those of the same number are in the order of their addition */
gfloat *cnn3d_keypoints_builder_add (
    Cnn3dKeypointsBuilder *builder, gdouble at, gint64 person, guint points, GError **error);

/* NULL with `error` set: no person was added. The builder is empty then. */
Cnn3dKeypoints *cnn3d_keypoints_builder_finish (Cnn3dKeypointsBuilder *builder, GError **error);

/* What is of a file in the text may be anything: it is escaped. */
void cnn3d_keypoints_set_error (GError **error, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

#endif
