/* clipcontainer.h: what a file's first bytes tell before a demuxer reads it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_CONTAINER_H
#define CLIP_CONTAINER_H

#include <glib.h>

/* Whether what a demuxer says of the file's duration grows while it reads:
 * MPEG streams and fragmented MP4. An answer then depends on the moment. */
gboolean clip_container_duration_grows (const gchar * path);

#endif
