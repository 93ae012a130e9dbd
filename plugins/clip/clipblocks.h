/* clipblocks.h: memory that is used again, for one batch after another.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_BLOCKS_H
#define CLIP_BLOCKS_H

#include <gst/gst.h>

/* Blocks of one size, aligned to CLIP_BLOCKS_ALIGN bytes. A block that nobody
 * uses any more is given out again instead of being freed. Any thread may call
 * any of this. */
#define CLIP_BLOCKS_ALIGN 64

typedef struct _ClipBlocks ClipBlocks;
typedef struct _ClipBlock ClipBlock;

/* Memory of another kind than the heap's, aligned as above. */
typedef struct {
  gpointer (*take) (gpointer user, gsize size); /* NULL: the heap's is used */
  void (*give) (gpointer user, gpointer data);
  gpointer user;
  GDestroyNotify free_user; /* once no block is left */
} ClipBlocksSource;

/* size: bytes of a block, at least 1; source: copied; NULL: the heap */
ClipBlocks *clip_blocks_new (gsize size, const ClipBlocksSource *source);
/* Nulls the pointer. Blocks still in use live on until they are let go. */
void clip_blocks_free (ClipBlocks **blocks);

/* (transfer full) NULL: no memory. */
ClipBlock *clip_blocks_take (ClipBlocks *blocks);
void clip_block_unref (ClipBlock *block);
guint8 *clip_block_data (ClipBlock *block);

/* (transfer full) `size` bytes of the block from `offset` on; the memory holds
 * a reference of its own. */
GstMemory *clip_block_wrap (ClipBlock *block, gsize offset, gsize size);

#endif
