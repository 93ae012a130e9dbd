/* clipslab.h: memory for what is small and stays: what is known of each video.
 *
 * A run opens thousands of videos, and each leaves a little that stays, while its
 * decoder's buffers come and go. In malloc()'s memory the former would break up
 * the holes that the latter leave, each clip a few hundred kB of them. Blocks
 * lie here in slabs of pages, one behind the other; a slab goes when all its
 * blocks are free. From any thread. SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_SLAB_H
#define CLIP_SLAB_H

#include <glib.h>

G_BEGIN_DECLS

/* Zeros, aligned to 16 bytes. Never NULL: without memory the process ends, as
 * with g_malloc(). */
gpointer clip_slab_alloc (gsize bytes);
void clip_slab_free (gpointer block);

G_END_DECLS

#endif
