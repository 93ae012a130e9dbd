/* Launches of nvcc's kernels by the rig, in place of the CUDA run time's (the linker's --wrap).
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tests/cuda/rig-device.h"
#include "tests/cuda/rig.h"

#define MOST_ARGUMENTS 32
#define ARGUMENT_BYTES 4096 /* CUDA's own limit was that for long */

/* A few flags: an int has 4 bytes of its own, as the sizes of arguments are known. */
const gsize rig_device_shared = 0xffffff;

/* NULL: no launch fails */
int (*cuda_shim_fails) (void);
CudaShimCounts cuda_shim_counts; /* nothing is counted */
static int failed;               /* the error of a launch that was made to fail */

cudaError_t __real_cudaGetLastError (void);
cudaError_t __wrap_cudaGetLastError (void);

cudaError_t
__wrap_cudaGetLastError (void)
{
  const int status = failed;

  failed = 0;
  return status ? (cudaError_t) status : __real_cudaGetLastError ();
}

/* Copies of the arguments, with addresses on the device. */
static void
copy_arguments (const void *kernel, void **arguments, void **copies, guint64 *bytes)
{
  gsize used = 0, offset, size;

  for (gsize i = 0; cudaFuncGetParamInfo (kernel, i, &offset, &size) == cudaSuccess; i++) {
    if (i == MOST_ARGUMENTS || used + size + 8 > ARGUMENT_BYTES)
      g_error ("a kernel has more arguments than the rig takes");
    copies[i] = (guint8 *) bytes + used;
    memcpy (copies[i], arguments[i], size);
    rig_device_translate (copies[i], size);
    used += (size + 15) / 16 * 16;
  }
  if (used == 0)
    g_error ("CUDA does not tell a kernel's arguments: %s",
        cudaGetErrorString (__real_cudaGetLastError ()));
  (void) __real_cudaGetLastError (); /* of the argument behind the last */
}

#define LAUNCH(Kernel, function)                                                             \
  cudaError_t __real_##function (Kernel kernel, dim3 blocks, dim3 threads, void **arguments, \
      size_t shared, cudaStream_t stream);                                                   \
  cudaError_t __wrap_##function (Kernel kernel, dim3 blocks, dim3 threads, void **arguments, \
      size_t shared, cudaStream_t stream);                                                   \
                                                                                             \
  cudaError_t __wrap_##function (Kernel kernel, dim3 blocks, dim3 threads, void **arguments, \
      size_t shared, cudaStream_t stream)                                                    \
  {                                                                                          \
    static guint64 bytes[ARGUMENT_BYTES / 8];                                                \
    void *copies[MOST_ARGUMENTS];                                                            \
    cudaError_t status;                                                                      \
                                                                                             \
    if (cuda_shim_fails && (failed = cuda_shim_fails ()))                                    \
      return failed;                                                                         \
    rig_device_send ();                                                                      \
    copy_arguments ((const void *) kernel, arguments, copies, bytes);                        \
    status = __real_##function (kernel, blocks, threads, copies, shared, stream);            \
    rig_device_fetch ();                                                                     \
    return status;                                                                           \
  }

/* which of them nvcc's code calls depends on its version */
#ifdef HAS_KERNEL_HANDLES
LAUNCH (cudaKernel_t, __cudaLaunchKernel)
#endif
LAUNCH (const void *, cudaLaunchKernel)

void
rig_device_start (void)
{
}
