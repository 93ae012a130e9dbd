/* A test double of NVIDIA's driver library with its name: there is no GPU and nothing runs, but
 * calls that only compile and load kernels succeed. With it first in LD_LIBRARY_PATH, cuDNN's
 * runtime-compiled engines build plans for GPUs that are not installed. Entry points match only the
 * ABI; results are CUresult, 0 is success.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#define PUBLIC __attribute__ ((visibility ("default")))
#define SUCCESS 0
#define NO_DEVICE 100
#define DRIVER_VERSION 13000

/* Something to point to: modules, libraries, kernels, functions, contexts. */
static uint64_t thing[16];

/* All functions not defined below succeed and do nothing. */
PUBLIC int cuDoubleSucceeds (void);

int
cuDoubleSucceeds (void)
{
  return SUCCESS;
}

#define SUCCEEDS(name) PUBLIC int name (void) __attribute__ ((alias ("cuDoubleSucceeds")));

SUCCEEDS (cuCtxGetLimit)
SUCCEEDS (cuCtxPopCurrent)
SUCCEEDS (cuCtxPushCurrent)
SUCCEEDS (cuDeviceGet)
SUCCEEDS (cuDeviceGetCount)
SUCCEEDS (cuKernelGetAttribute)
SUCCEEDS (cuKernelSetAttribute)
SUCCEEDS (cuLaunchCooperativeKernel)
SUCCEEDS (cuLaunchKernel)
SUCCEEDS (cuLaunchKernelEx)
SUCCEEDS (cuLibraryUnload)
SUCCEEDS (cuLinkAddData)
SUCCEEDS (cuLinkDestroy)
SUCCEEDS (cuModuleUnload)
SUCCEEDS (cuOccupancyMaxPotentialClusterSize)
SUCCEEDS (cuStreamGetCtx)

/* The CUDA run time then makes no further calls. */
PUBLIC int
cuInit (unsigned int flags)
{
  return NO_DEVICE;
}

PUBLIC int
cuDriverGetVersion (int *version)
{
  *version = DRIVER_VERSION;
  return SUCCESS;
}

PUBLIC int
cuGetErrorString (int error, const char **text)
{
  *text = error == SUCCESS ? "no error" : "the driver's test double has no GPU";
  return SUCCESS;
}

PUBLIC int
cuGetErrorName (int error, const char **text)
{
  return cuGetErrorString (error, text);
}

#define GIVES(name, ...)                         \
  PUBLIC int name (void **result, ##__VA_ARGS__) \
  {                                              \
    *result = thing;                             \
    return SUCCESS;                              \
  }

GIVES (cuCtxGetCurrent)
GIVES (cuKernelGetFunction, void *kernel)
GIVES (cuLibraryGetKernel, void *library, const char *name)
GIVES (cuLibraryGetModule, void *library)
GIVES (cuLibraryLoadData, const void *code, void *jit, void *jit_values, unsigned int n_jit,
    void *options, void *values, unsigned int n)
GIVES (cuLibraryLoadFromFile, const char *file, void *jit, void *jit_values, unsigned int n_jit,
    void *options, void *values, unsigned int n)
GIVES (cuModuleGetFunction, void *module, const char *name)
GIVES (cuModuleLoadData, const void *image)
GIVES (cuModuleLoadDataEx, const void *image, unsigned int n, void *options, void *values)

PUBLIC int
cuLinkCreate (unsigned int n, void *options, void *values, void **state)
{
  *state = thing;
  return SUCCESS;
}

PUBLIC int
cuLinkComplete (void *state, void **cubin, size_t *size)
{
  *cubin = thing;
  *size = sizeof thing;
  return SUCCESS;
}

PUBLIC int
cuGetProcAddress_v2 (const char *name, void **function, int version, uint64_t flags, int *status)
{
  Dl_info self;
  void *handle = NULL;

  if (!strcmp (name, "cuGetProcAddress"))
    name = "cuGetProcAddress_v2";
  if (dladdr (thing, &self))
    handle = dlopen (self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
  *function = handle ? dlsym (handle, name) : NULL;
  if (handle)
    dlclose (handle);
  if (!*function)
    *function = (void *) cuDoubleSucceeds;
  if (status)
    *status = SUCCESS;
  return SUCCESS;
}

PUBLIC int
cuGetProcAddress (const char *name, void **function, int version, uint64_t flags)
{
  return cuGetProcAddress_v2 (name, function, version, flags, NULL);
}
