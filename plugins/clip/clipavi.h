/* clipavi.h: hides the indices of an AVI file that do not reach its end from avidemux, which would
 * lose what is behind: without an index it reads the chunks themselves, that is the header of each
 * chunk of the file before the first frame.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_AVI_H
#define CLIP_AVI_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define CLIP_AVI_INDICES 16

/* scans: the demuxer reads the chunks, and marks all of them as key frames
 * at: [n] where the indices to hide begin in the file */
typedef struct {
  gboolean scans;
  guint n;
  guint64 at[CLIP_AVI_INDICES];
} ClipAvi;

/* `file` is a descriptor of the open file; its offset is not changed. size: of the file */
void clip_avi_find (ClipAvi *self, gint file, guint64 size);

/* Corrects what the demuxer reads from the file's pad. */
void clip_avi_watch (ClipAvi *self, GstPad *src);

G_END_DECLS

#endif
