/* finder.h: where below a folder the files are that annotations name by a video's
 * number alone. The folder is read once, when the first one is asked for.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FINDER_H
#define CNN3D_FINDER_H

#include <glib.h>

typedef struct _Cnn3dFinder Cnn3dFinder;

/* Whether a name ends as videos' do. */
gboolean cnn3d_video_name (const gchar *name, gsize size);

Cnn3dFinder *cnn3d_finder_new (const gchar *folder);
void cnn3d_finder_free (Cnn3dFinder *finder);

/* The path, relative to the folder, of the video of this name without its ending;
 * NULL: none. Of several, the one whose folder is called like `label`; where that does
 * not tell, *other is another one. */
const gchar *cnn3d_finder_find (const Cnn3dFinder *finder, const gchar *name, gsize size,
    const gchar *label, gsize label_size, const gchar **other);

#endif
