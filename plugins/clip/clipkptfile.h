/* clipkptfile.h: the file of key points that was read last, for the clips of one video that
 * follow each other. For one thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_KPT_FILE_H
#define CLIP_KPT_FILE_H

#include "src/keypoints/keypoints.h"

G_BEGIN_DECLS

typedef struct _ClipKptFile ClipKptFile;

ClipKptFile *clip_kpt_file_new (void);
void clip_kpt_file_free (ClipKptFile *self);

/* What a path has now; read again only where the file, or what it is read as, is another.
 * skeleton, pairs: as of cnn3d_skeleton_new()
 * FALSE with `error` (CNN3D_KEYPOINTS_ERROR) set. *keypoints and *found are valid until the next
 * call. *fresh: not what they were before it. */
gboolean clip_kpt_file_get (ClipKptFile *self, const gchar *path, const gchar *skeleton,
    const gchar *pairs, const Cnn3dKeypoints **keypoints, const Cnn3dSkeleton **found,
    gboolean *fresh, GError **error);

G_END_DECLS

#endif
