/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clipslab.h"

#ifdef __SANITIZE_ADDRESS__ /* which detects accesses beyond malloc()'s blocks */

gpointer
clip_slab_alloc (gsize bytes)
{
  return g_malloc0 (bytes);
}

void
clip_slab_free (gpointer block)
{
  g_free (block);
}

#else

#include <sys/mman.h>

/* A slab is aligned to its size, so that blocks can find it. A slab for a large block is longer. */
#define SLAB_BYTES ((gsize) 1 << 20)
#define ALIGNMENT 16

typedef struct {
  gsize bytes, used;
  guint live; /* blocks in use */
} Slab;

#define HEADER_BYTES ((sizeof (Slab) + ALIGNMENT - 1) & ~(gsize) (ALIGNMENT - 1))

static GMutex lock;
static Slab *current; /* for new blocks */

static Slab *
slab_new (gsize bytes)
{
  const gsize mapped = bytes + SLAB_BYTES;
  guint8 *start = mmap (NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  gsize before;
  Slab *slab;

  if (start == MAP_FAILED)
    g_error ("%" G_GSIZE_FORMAT " bytes of memory could not be allocated", bytes);
  before = -(gsize) start & (SLAB_BYTES - 1);
  slab = (Slab *) (start + before);
  if (before)
    munmap (start, before);
  munmap (start + before + bytes, mapped - before - bytes);
  slab->bytes = bytes;
  slab->used = HEADER_BYTES;

  return slab;
}

gpointer
clip_slab_alloc (gsize bytes)
{
  const gsize needed = (bytes + ALIGNMENT - 1) & ~(gsize) (ALIGNMENT - 1);
  gpointer block;
  Slab *slab;

  g_mutex_lock (&lock);
  if (needed > SLAB_BYTES / 4) {
    slab = slab_new ((HEADER_BYTES + needed + 0xffff) & ~(gsize) 0xffff);
  } else {
    if (!current || current->used + needed > current->bytes) {
      /* the old one is unmapped with its last block */
      if (current && current->live == 0)
        munmap (current, current->bytes);
      current = slab_new (SLAB_BYTES);
    }
    slab = current;
  }
  block = (guint8 *) slab + slab->used;
  slab->used += needed;
  slab->live++;
  g_mutex_unlock (&lock);

  return block;
}

void
clip_slab_free (gpointer block)
{
  Slab *slab = (Slab *) ((gsize) block & ~(SLAB_BYTES - 1));

  g_mutex_lock (&lock);
  if (--slab->live == 0 && slab != current)
    munmap (slab, slab->bytes);
  g_mutex_unlock (&lock);
}

#endif
