/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/context.h"

#include <string.h>

#include "src/backend/cuda/contexts.h"
#include "src/backend/cuda/nvml.h"

/* This process's use of a GPU, by all of its devices. */
typedef struct {
  guint8 uuid[CUDA_UUID_BYTES];
  guint64 before; /* bytes free on the GPU before its first device; 0: unknown */
  guint64 allocated;
} Use;

static GMutex lock;
static GArray *uses; /* Use */

static Use *
find (const guint8 *uuid)
{
  Use use = { { 0 }, 0, 0 };

  if (!uses)
    uses = g_array_new (FALSE, FALSE, sizeof (Use));
  for (guint i = 0; i < uses->len; i++)
    if (!memcmp (g_array_index (uses, Use, i).uuid, uuid, CUDA_UUID_BYTES))
      return &g_array_index (uses, Use, i);
  memcpy (use.uuid, uuid, CUDA_UUID_BYTES);
  g_array_append_val (uses, use);
  return &g_array_index (uses, Use, uses->len - 1);
}

void
cuda_context_begin (const guint8 *uuid)
{
  CudaNvmlMemory memory;
  Use *use;

  g_mutex_lock (&lock);
  use = find (uuid);
  if (!use->before && cuda_nvml_memory (uuid, &memory))
    use->before = memory.available;
  g_mutex_unlock (&lock);
}

void
cuda_context_count (const guint8 *uuid, gssize bytes)
{
  g_mutex_lock (&lock);
  find (uuid)->allocated += bytes;
  g_mutex_unlock (&lock);
}

guint64
cuda_context_measure (const guint8 *uuid)
{
  guint64 used = 0, bytes;
  CudaNvmlMemory memory;
  const Use *use;

  g_mutex_lock (&lock);
  use = find (uuid);
  if (cuda_nvml_memory (uuid, &memory))
    used = memory.own > use->allocated ? memory.own
                                       : use->before - MIN (use->before, memory.available);
  bytes = used - MIN (used, use->allocated);
  g_mutex_unlock (&lock);
  /* another process's memory, perhaps */
  return bytes >= CUDA_CONTEXT_LEAST && bytes <= CUDA_CONTEXT_MOST ? bytes : 0;
}
