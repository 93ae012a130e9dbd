/* clipcached.h: the queries and events between a chain and the clipcache in its clip-bin.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CACHED_H
#define CLIP_CACHED_H

#include "gstclipmeta.h"

G_BEGIN_DECLS

/* Adds to the answer of a `clip-window` query the frames that the sampler will output: [n], in
 * output order. NULL removes the field. */
void clip_cached_set_plan (GstQuery *window, const guint64 *plan, guint n);
/* (transfer none) or NULL. */
GBytes *clip_cached_get_plan (GstQuery *window);

/* Marks a `clip-window` query that leaves clip-bin. Outside, it does not announce the next clip. */
void clip_cached_set_outside (GstQuery *window);
gboolean clip_cached_is_outside (GstQuery *window);

/* Query `clip-cached`: are the frames made from this source cached? Sent before each clip, after
 * `clip-window`.
 * source: identifies the decoded frames: file, segment, frames */
GstQuery *clip_cached_query_new (GBytes *source);
/* (transfer none) NULL: not a `clip-cached` query. */
GBytes *clip_cached_query_parse (GstQuery *query);
void clip_cached_query_answer (GstQuery *query);
gboolean clip_cached_query_answered (GstQuery *query);

/* Answers that the frames are not cached and will not be, so that fewer frames suffice than were
 * requested.
 * window: a `clip-window` query with its answer */
void clip_cached_query_narrow (GstQuery *query, GstQuery *window);
/* (transfer none) NULL: the window is unchanged. */
GstQuery *clip_cached_query_narrowed (GstQuery *query);

/* Event `clip-cached`, sent instead of caps, segment and frames if the answer was yes: play the
 * cached frames.
 * clip: what all of their metas have in common */
GstEvent *clip_cached_event_new (const GstClipMeta *clip);
/* (transfer none) an empty buffer with the clip's meta. NULL: not a `clip-cached` event. */
GstBuffer *clip_cached_event_parse (GstEvent *event);

G_END_DECLS

#endif
