/* clipaborted.h: an event on which elements discard a clip of which frames were sent already.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_ABORTED_H
#define CLIP_ABORTED_H

#include "gstclipmeta.h"

G_BEGIN_DECLS

/* Event `clip-aborted`, serialized, after the last frame of a clip or a view of one that turned out
 * to be unreadable: it is not complete, and is skipped.
 * Fields: clip (uint64) and view (uint), as in the frames' GstClipMeta */
GstEvent *clip_aborted_event_new (const GstClipMeta *clip);

/* Whether it is such an event, for the clip and view of this meta. */
gboolean clip_aborted_event_is_for (GstEvent *event, const GstClipMeta *clip);

G_END_DECLS

#endif
