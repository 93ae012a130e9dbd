/* clipblocks.h: memory blocks that are reused from batch to batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLIP_BLOCKS_H
#define CLIP_BLOCKS_H

#include <gst/gst.h>

/* Blocks of one size, aligned to CLIP_BLOCKS_ALIGN bytes. An unreferenced block is reused
 * instead of being freed. All functions are thread-safe. */
#define CLIP_BLOCKS_ALIGN 64

typedef struct _ClipBlocks ClipBlocks;
typedef struct _ClipBlock ClipBlock;

/* An allocator to use instead of the heap. Its memory must have the same alignment. */
typedef struct {
  gpointer (*take) (gpointer user, gsize size); /* NULL: fall back to the heap */
  void (*give) (gpointer user, gpointer data);
  gpointer user;
  GDestroyNotify free_user; /* called after the last block is gone */
} ClipBlocksSource;

/* size: bytes of a block, at least 1
 * source: copied; NULL: the heap */
ClipBlocks *clip_blocks_new (gsize size, const ClipBlocksSource *source);
/* Sets the pointer to NULL. Blocks in use stay valid until they are unreferenced. */
void clip_blocks_free (ClipBlocks **blocks);

/* (transfer full) NULL: out of memory. */
ClipBlock *clip_blocks_take (ClipBlocks *blocks);
void clip_block_unref (ClipBlock *block);
guint8 *clip_block_data (ClipBlock *block);

/* (transfer full) `size` bytes of the block, starting at `offset`. The memory holds its own
 * reference to the block. */
GstMemory *clip_block_wrap (ClipBlock *block, gsize offset, gsize size);

#endif
