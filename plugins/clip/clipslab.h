/* clipslab.h: memory for small objects with a long life: what is known of each video.
 *
 * A run opens thousands of videos. Each leaves a small object, while its decoder's buffers come
 * and go. In malloc()'s memory these objects would fragment the space that the buffers leave, by
 * hundreds of kB per clip. Here blocks are allocated one after the other in slabs of pages, and
 * a slab is unmapped when all its blocks are free. Thread-safe.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_SLAB_H
#define CLIP_SLAB_H

#include <glib.h>

G_BEGIN_DECLS

/* Zeroed, aligned to 16 bytes. Never returns NULL: out of memory ends the process, as with
 * g_malloc(). */
gpointer clip_slab_alloc (gsize bytes);
void clip_slab_free (gpointer block);

G_END_DECLS

#endif
