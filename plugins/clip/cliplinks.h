/* cliplinks.h: the elements that a pad is linked to, one after the other.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_LINKS_H
#define CLIP_LINKS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* TRUE: go no further. */
typedef gboolean (*ClipLinksFunc) (GstElement *element, gpointer data);

typedef enum {
  CLIP_LINKS_STOPPED, /* by func */
  CLIP_LINKS_ENDED,   /* nothing is linked, or no element's pad */
  CLIP_LINKS_LOST     /* an element of more pads, or too many */
} ClipLinksEnd;

/* Shows func each element, downstream of a source pad, upstream of a sink pad:
 * through bins and through elements of one sink and one source pad, as far as
 * those go. */
ClipLinksEnd clip_links_walk (GstPad *pad, ClipLinksFunc func, gpointer data);

/* Name of what an element was made by, "" where it was made by nothing. */
const gchar *clip_links_kind (GstElement *element);

/* Answers an allocation query as what follows does, but without its pools: their
 * sizes do not reckon with frames that are held before. FALSE: no answer. */
gboolean clip_links_propose (GstPad *srcpad, GstQuery *query);

/* For clip_links_walk(), with a gboolean: TRUE where a clipsample is reached and
 * nothing before it makes frames of more than one frame each, as far as is known.
 * What stands behind anything else may tell which frames it wants, but not those
 * that it takes to make them. */
gboolean clip_links_lead_to_sampler (GstElement *element, gpointer sampler);

/* Whether a deinterlacer follows a source pad, in whatever branch. */
gboolean clip_links_lead_to_deinterlacer (GstPad *pad);

G_END_DECLS

#endif
