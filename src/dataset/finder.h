/* finder.h: where below a folder the files are that annotations name by a video's
 * number alone. The folder is read once, when the first one is asked for.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_FINDER_H
#define CNN3D_FINDER_H

#include "src/dataset/dataset-private.h"

typedef struct _Cnn3dFinder Cnn3dFinder;

/* Whether a name ends as videos' do. */
gboolean cnn3d_video_name (const gchar *name, gsize size);

Cnn3dFinder *cnn3d_finder_new (const gchar *folder);
void cnn3d_finder_free (Cnn3dFinder *finder);

/* What tells several files of one name apart. */
typedef struct {
  const gchar *label; /* NULL: unknown */
  gsize label_size;
  Cnn3dSplit split;
} Cnn3dFinderHints;

/* The path, relative to the folder, of the video of this name without its ending;
 * NULL: none. Of several, the one whose folder is called like the label; of several of
 * these, or of none, the one that is below a folder of the split's name; of several in one
 * folder, the first by name. Where that does not tell, *other is another one. hints: NULL: none */
const gchar *cnn3d_finder_find (Cnn3dFinder *finder, const gchar *name, gsize size,
    const Cnn3dFinderHints *hints, const gchar **other);

/* How many files have not been taken so far because another one of the name is in their folder;
 * *first: the first of them, if any. */
guint cnn3d_finder_passed_over (const Cnn3dFinder *finder, const gchar **first);

#endif
