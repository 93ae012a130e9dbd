/* cliplinks.h: walks along the elements that a pad is linked to.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_LINKS_H
#define CLIP_LINKS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Returns TRUE to stop the walk. */
typedef gboolean (*ClipLinksFunc) (GstElement *element, gpointer data);

typedef enum {
  CLIP_LINKS_STOPPED, /* by func */
  CLIP_LINKS_ENDED,   /* at a pad that is not linked, or not to an element's */
  CLIP_LINKS_LOST     /* at an element with more pads, or after too many elements */
} ClipLinksEnd;

/* Calls func for each element downstream of a source pad, or upstream of a sink pad. It enters
 * and leaves bins, and continues through elements with one sink and one source pad. */
ClipLinksEnd clip_links_walk (GstPad *pad, ClipLinksFunc func, gpointer data);

/* The name of the element's factory; "" if it has none. */
const gchar *clip_links_kind (GstElement *element);

/* Forwards an allocation query downstream and removes the pools from the answer: their sizes do
 * not account for frames that the element holds. FALSE: no answer. */
gboolean clip_links_propose (GstPad *srcpad, GstQuery *query);

/* For clip_links_walk(), with a gboolean: TRUE if a clipsample is reached and, as far as is
 * known, no element before it combines several frames into one. A sampler behind such an element
 * requests the frames that it wants, but not those that they are made from. */
gboolean clip_links_lead_to_sampler (GstElement *element, gpointer sampler);

/* For clip_links_walk(), with a gboolean: TRUE if the frames go to several branches before they
 * reach a clipsample, which then speaks for its own branch only. */
gboolean clip_links_fork (GstElement *element, gpointer forks);

/* Whether a deinterlacer is downstream of a source pad, in any branch. */
gboolean clip_links_lead_to_deinterlacer (GstPad *pad);

G_END_DECLS

#endif
