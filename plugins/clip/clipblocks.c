/* clipblocks.c: memory blocks that are reused from batch to batch.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipblocks.h"

#include <stdlib.h>

/* As many as downstream is likely to hold at a time; more are freed. */
#define MAX_IDLE 4

struct _ClipBlock {
  gint refs;
  ClipBlocks *owner;
  guint8 *data;
  gboolean from_source; /* not from the heap */
};

struct _ClipBlocks {
  gint refs; /* the owner's, and one for each block in use */
  GMutex lock;
  gsize size;
  ClipBlocksSource source; /* zeroed: the heap */
  gboolean closed;
  GQueue idle; /* of ClipBlock */
};

static void
clip_block_destroy (ClipBlock *block)
{
  const ClipBlocksSource *source = &block->owner->source;

  if (block->from_source)
    source->give (source->user, block->data);
  else
    free (block->data);
  g_free (block);
}

static void
clip_blocks_unref (ClipBlocks *self)
{
  if (!g_atomic_int_dec_and_test (&self->refs))
    return;
  if (self->source.free_user)
    self->source.free_user (self->source.user);
  g_mutex_clear (&self->lock);
  g_free (self);
}

ClipBlocks *
clip_blocks_new (gsize size, const ClipBlocksSource *source)
{
  ClipBlocks *self = g_new0 (ClipBlocks, 1);

  self->refs = 1;
  self->size = size;
  if (source)
    self->source = *source;
  g_mutex_init (&self->lock);
  g_queue_init (&self->idle);

  return self;
}

void
clip_blocks_free (ClipBlocks **blocks)
{
  ClipBlocks *self = *blocks;

  if (!self)
    return;
  *blocks = NULL;
  g_mutex_lock (&self->lock);
  self->closed = TRUE;
  g_queue_clear_full (&self->idle, (GDestroyNotify) clip_block_destroy);
  g_mutex_unlock (&self->lock);
  clip_blocks_unref (self);
}

ClipBlock *
clip_blocks_take (ClipBlocks *self)
{
  ClipBlock *block;

  g_mutex_lock (&self->lock);
  block = g_queue_pop_head (&self->idle);
  g_mutex_unlock (&self->lock);
  if (!block) {
    const ClipBlocksSource *source = &self->source;
    void *data = source->take ? source->take (source->user, self->size) : NULL;
    gboolean from_source = data != NULL;

    if (!data && posix_memalign (&data, CLIP_BLOCKS_ALIGN, self->size) != 0)
      return NULL;
    block = g_new0 (ClipBlock, 1);
    block->owner = self;
    block->data = data;
    block->from_source = from_source;
  }
  block->refs = 1;
  g_atomic_int_inc (&self->refs);

  return block;
}

void
clip_block_unref (ClipBlock *block)
{
  ClipBlocks *owner = block->owner;

  if (!g_atomic_int_dec_and_test (&block->refs))
    return;
  g_mutex_lock (&owner->lock);
  if (!owner->closed && owner->idle.length < MAX_IDLE) {
    g_queue_push_head (&owner->idle, block);
    block = NULL;
  }
  g_mutex_unlock (&owner->lock);
  if (block)
    clip_block_destroy (block);
  clip_blocks_unref (owner);
}

guint8 *
clip_block_data (ClipBlock *block)
{
  return block->data;
}

GstMemory *
clip_block_wrap (ClipBlock *block, gsize offset, gsize size)
{
  g_return_val_if_fail (offset + size <= block->owner->size, NULL);

  g_atomic_int_inc (&block->refs);

  return gst_memory_new_wrapped (
      0, block->data + offset, size, 0, size, block, (GDestroyNotify) clip_block_unref);
}
