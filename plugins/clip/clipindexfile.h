/* clipindexfile.h: indices on disk, a small file for each video.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_INDEX_FILE_H
#define CLIP_INDEX_FILE_H

#include <glib/gstdio.h>

#include "clipindex.h"

G_BEGIN_DECLS

/* Identifies the video that an index belongs to.
 *
 * path:        absolute
 * size:        bytes
 * seconds, nanoseconds: modification time
 * video_track: the requested track, from 0; -1: the file's default
 * settled:     a further change would have another modification time, whatever the resolution of
 *              the file system's clock */
typedef struct {
  gchar *path;
  gint64 size, seconds, nanoseconds;
  gint video_track;
  gboolean settled;
} ClipVideo;

/* status: of the file, taken before it is read. Clear with g_free (path). */
void clip_video_init (
    ClipVideo *video, const gchar *path, const GStatBuf *status, gint video_track);
gboolean clip_video_equal (const ClipVideo *a, const ClipVideo *b);

/* (transfer full) the index in `folder`; NULL: there is none, or it is damaged, of another file,
 * or of another version of the video or of GStreamer. */
ClipIndex *clip_index_file_read (const gchar *folder, const ClipVideo *video);

/* Whether a file with this modification time would have another one if it changed now. */
gboolean clip_video_is_settled (gint64 seconds);

/* Writes nothing if the video is not settled. Errors of the folder or its disk are ignored. */
void clip_index_file_write (const gchar *folder, const ClipVideo *video, const ClipIndex *index);

G_END_DECLS

#endif
