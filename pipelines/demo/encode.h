/* encode.h: writes a demonstration video as H.264 in MP4, with GStreamer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef DEMO_ENCODE_H
#define DEMO_ENCODE_H

#include "movie.h"

/* Whether all GStreamer elements for encoding are installed. FALSE: `error` is set and names the
 * missing ones. */
gboolean demo_encode_check (GError **error);

/* Draws the movie and writes it to `path`, overwriting an existing file. The same movie gives
 * the same bytes with the same versions of cairo, x264 and the muxer. FALSE: `error` is set.
 * Thread-safe. */
gboolean demo_encode (const DemoMovie *movie, const gchar *path, GError **error);

#endif
