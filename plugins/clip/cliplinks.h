/* cliplinks.h: the elements that a pad is linked to, one after the other.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_LINKS_H
#define CLIP_LINKS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* TRUE: go no further. */
typedef gboolean (*ClipLinksFunc) (GstElement * element, gpointer data);

/* Shows func each element, downstream of a source pad, upstream of a sink pad:
 * through bins and through elements of one sink and one source pad, as far as
 * those go. FALSE: func said nowhere to go no further. */
gboolean clip_links_walk (GstPad * pad, ClipLinksFunc func, gpointer data);

G_END_DECLS

#endif
