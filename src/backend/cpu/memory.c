/* memory.c: the device's memory, which is the host's, and its allocation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <errno.h>
#include <sys/mman.h>

#include "src/hostmemory.h"

/* What the process grows by beside the arrays: oneDNN's code for each
 * convolution and its objects, threads' stacks, one parameter at a time in
 * PyTorch's layout. Measured for all four models, 1 to 32 clips a batch, oneDNN 2.6
 * to 3.12: 49 MiB at most. */
#define CONTEXT_BYTES (56 << 20)

void
cpu_memory (Cnn3dDevice *device, Cnn3dDeviceMemory *m)
{
  cnn3d_host_memory (&m->total, &m->available);
  m->context = CONTEXT_BYTES;
  m->context_source = "measured bound";
}

/* Large pages where the kernel gives them: an arena is swept from end to end
 * many times a step. All of it is taken at once (Linux 5.14 and later), whether
 * oneDNN will use all of its scratch or not: what was planned is what is taken, and
 * what is not there is missed now rather than in a step. */
gpointer
cpu_memory_alloc (Cnn3dDevice *device, gsize bytes, GError **error)
{
  gpointer memory =
      mmap (NULL, MAX (bytes, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MEMORY,
        "%" G_GSIZE_FORMAT " bytes of memory could not be allocated", bytes);
    return NULL;
  }
  madvise (memory, bytes, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
  if (madvise (memory, bytes, MADV_POPULATE_WRITE) < 0 && errno == ENOMEM) {
    munmap (memory, MAX (bytes, 1));
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MEMORY,
        "%" G_GSIZE_FORMAT " bytes of memory could not be allocated", bytes);
    return NULL;
  }
#endif
  return memory;
}

void
cpu_memory_free (Cnn3dDevice *device, gpointer memory, gsize bytes)
{
  if (memory)
    munmap (memory, MAX (bytes, 1));
}
