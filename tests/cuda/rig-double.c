/* The rig's code for a device, rehearsed without one: the few calls of the CUDA run time that it makes,
 * with memory of the CPU's, and kernels through the shim.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/mman.h>

#include "tests/cuda/rig-device.h"
#include "tests/cuda/rig.h"

cudaError_t
cudaGetDeviceCount (int *count)
{
  *count = 1;
  return cudaSuccess;
}

/* An int: the shim keeps each argument in 8 bytes. */
const gsize rig_device_shared = G_MAXUINT32;

#define HEAD 4096 /* in front of memory: its size */

/* Mapped: most of it is never touched. */
cudaError_t
cudaMalloc (void **memory, size_t bytes)
{
  void *head = mmap (NULL, HEAD + bytes, PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  if (head == MAP_FAILED)
    return cudaErrorMemoryAllocation;
  *(size_t *) head = HEAD + bytes;
  *memory = (guint8 *) head + HEAD;
  return cudaSuccess;
}

cudaError_t
cudaFree (void *memory)
{
  void *head = (guint8 *) memory - HEAD;

  munmap (head, *(size_t *) head);
  return cudaSuccess;
}

cudaError_t
cudaMemcpy (void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
  memcpy (to, from, bytes);
  return cudaSuccess;
}

static int failed; /* of the latest launch */

cudaError_t
cudaDeviceSynchronize (void)
{
  return failed;
}

const char *
cudaGetErrorString (cudaError_t status)
{
  return status == cudaSuccess ? "no error" : cuda_shim_error ? cuda_shim_error : "an error";
}

static int
run (const CudaShimLaunch *launch)
{
  g_autofree gpointer arguments = g_memdup2 (launch->arguments, launch->size);
  CudaShimLaunch there = *launch;

  rig_device_send ();
  rig_device_translate (arguments, launch->size);
  there.arguments = arguments;
  failed = cuda_shim_run (&there);
  rig_device_fetch ();
  return TRUE;
}

void
rig_device_start (void)
{
  cuda_shim_takes = run;
}
