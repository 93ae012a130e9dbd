/* clipcached.h: what a chain and the clipcache in its clip-bin tell each other.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CACHED_H
#define CLIP_CACHED_H

#include "gstclipmeta.h"

G_BEGIN_DECLS

/* What a sampler adds to the answer of a `clip-window` query: which frames come out
 * of it, [n] in the order that they do. NULL: nothing of the kind any more. */
void clip_cached_set_plan (GstQuery *window, const guint64 *plan, guint n);
/* The query's own, or NULL. */
GBytes *clip_cached_get_plan (GstQuery *window);

/* A `clip-window` query goes out of clip-bin: it is of no clip that comes next. */
void clip_cached_set_outside (GstQuery *window);
gboolean clip_cached_is_outside (GstQuery *window);

/* Query `clip-cached`: are the frames there that would be made of these? Asked
 * before each clip, after `clip-window`.
 * source: what tells decoded frames from any others: file, segment, frames */
GstQuery *clip_cached_query_new (GBytes *source);
/* The query's own; NULL: another query. */
GBytes *clip_cached_query_parse (GstQuery *query);
void clip_cached_query_answer (GstQuery *query);
gboolean clip_cached_query_answered (GstQuery *query);

/* No, and nothing will be kept: fewer frames will do than were asked for.
 * window: a `clip-window` query with its answer */
void clip_cached_query_narrow (GstQuery *query, GstQuery *window);
/* The query's own; NULL: it is as it was. */
GstQuery *clip_cached_query_narrowed (GstQuery *query);

/* Event `clip-cached`, instead of caps, segment and frames, where the answer was
 * yes: play them. clip: what is told of each frame. */
GstEvent *clip_cached_event_new (const GstClipMeta *clip);
/* The event's own: an empty buffer with the clip's meta; NULL: another event. */
GstBuffer *clip_cached_event_parse (GstEvent *event);

G_END_DECLS

#endif
