/* clipkptfile.h: caches the last file of key points, for successive clips of one video. For use
 * by one thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_KPT_FILE_H
#define CLIP_KPT_FILE_H

#include "src/keypoints/keypoints.h"

G_BEGIN_DECLS

typedef struct _ClipKptFile ClipKptFile;

ClipKptFile *clip_kpt_file_new (void);
void clip_kpt_file_free (ClipKptFile *self);

/* Reads a file of key points, unless it and the other arguments are unchanged since the last
 * call.
 * skeleton, pairs: as for cnn3d_skeleton_new()
 * *keypoints, *found: valid until the next call
 * *fresh: they are not those of the last call
 * FALSE with `error` (CNN3D_KEYPOINTS_ERROR) set. */
gboolean clip_kpt_file_get (ClipKptFile *self, const gchar *path, const gchar *skeleton,
    const gchar *pairs, const Cnn3dKeypoints **keypoints, const Cnn3dSkeleton **found,
    gboolean *fresh, GError **error);

G_END_DECLS

#endif
