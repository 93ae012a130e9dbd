/* clipparser.h: prepares GStreamer's parsers for streams that they would split, time or describe
 * wrongly.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_PARSER_H
#define CLIP_PARSER_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A field of packets' caps: the colorimetry that the container declares */
#define CLIP_PARSER_COLORIMETRY "container-colorimetry"

/* Called before the parser gets anything. */
void clip_parser_set_up (GstElement *parser);

G_END_DECLS

#endif
