/* clipindexfile.h: indices on disk, a small file for each video, from one run to
 * the next.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_INDEX_FILE_H
#define CLIP_INDEX_FILE_H

#include <glib/gstdio.h>

#include "clipindex.h"

G_BEGIN_DECLS

/* Which video an index is of.
 *
 * path:        absolute
 * size:        bytes
 * seconds, nanoseconds: its last change
 * video_track: the one asked for, from 0; -1: the file's own choice
 * settled:     another change would have another time, whatever the file
 *              system's clock is */
typedef struct {
  gchar *path;
  gint64 size, seconds, nanoseconds;
  gint video_track;
  gboolean settled;
} ClipVideo;

/* status: of the file, taken before it is read. Cleared with g_free (path). */
void clip_video_init (
    ClipVideo *video, const gchar *path, const GStatBuf *status, gint video_track);
gboolean clip_video_equal (const ClipVideo *a, const ClipVideo *b);

/* (transfer full): the index in `folder`; NULL: there is none, or it is of the video
 * as it was, of another version of GStreamer, damaged or foreign. */
ClipIndex *clip_index_file_read (const gchar *folder, const ClipVideo *video);

/* Whether what changed then would have another time if it changed now. */
gboolean clip_video_is_settled (gint64 seconds);

/* Nothing comes of it where the folder or its disk does not allow it, or where
 * the video is not settled. */
void clip_index_file_write (const gchar *folder, const ClipVideo *video, const ClipIndex *index);

G_END_DECLS

#endif
