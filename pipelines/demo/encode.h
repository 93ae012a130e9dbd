/* encode.h: writes a demonstration video as H.264 in MP4, with GStreamer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_ENCODE_H
#define DEMO_ENCODE_H

#include "movie.h"

/* Whether GStreamer has all the elements that encoding takes; the error names
 * those that are missing. */
gboolean demo_encode_check (GError **error);

/* Draws the movie and writes it to `path`, over what is there. The same movie
 * gives the same bytes as long as cairo, x264 and the muxer are the same.
 * May be called from several threads at once. */
gboolean demo_encode (const DemoMovie *movie, const gchar *path, GError **error);

#endif
