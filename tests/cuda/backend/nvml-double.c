/* A test double of the part of libnvidia-ml that the back end calls.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nvml-double.h"

#include <gmodule.h>
#include <string.h>
#include <unistd.h>

enum {
  SUCCESS = 0,
  INVALID = 2,
  NOT_FOUND = 6,
  TOO_SMALL = 7
};

typedef struct {
  unsigned long long total, available, used;
} Memory;

typedef struct {
  unsigned pid;
  unsigned long long bytes;
  unsigned gpu_instance, compute_instance;
} Process;

static NvmlDouble control = { .memory = (gsize) 4 << 30, .driver = "580.65.06" };

/* Handles: of CUDA's GPU 0, and of its GPU 1. */
static gchar gpus[NVML_DOUBLE_GPUS];

G_MODULE_EXPORT NvmlDouble *cnn3d_nvml_double (void);
G_MODULE_EXPORT int nvmlInit_v2 (void);
G_MODULE_EXPORT int nvmlSystemGetDriverVersion (char *version, unsigned length);
G_MODULE_EXPORT int nvmlDeviceGetHandleByIndex_v2 (unsigned index, gpointer *device);
G_MODULE_EXPORT int nvmlDeviceGetHandleByUUID (const char *uuid, gpointer *device);
G_MODULE_EXPORT int nvmlDeviceGetMemoryInfo (gpointer device, Memory *memory);
G_MODULE_EXPORT int nvmlDeviceGetComputeRunningProcesses_v3 (
    gpointer device, unsigned *count, Process *processes);

NvmlDouble *
cnn3d_nvml_double (void)
{
  return &control;
}

int
nvmlInit_v2 (void)
{
  return SUCCESS;
}

int
nvmlSystemGetDriverVersion (char *version, unsigned length)
{
  g_strlcpy (version, control.driver, length);
  return SUCCESS;
}

/* In the other order: nothing should be found like this. */
int
nvmlDeviceGetHandleByIndex_v2 (unsigned index, gpointer *device)
{
  if (index >= NVML_DOUBLE_GPUS)
    return INVALID;
  *device = &gpus[NVML_DOUBLE_GPUS - 1 - index];
  return SUCCESS;
}

int
nvmlDeviceGetHandleByUUID (const char *uuid, gpointer *device)
{
  static const gchar *const uuids[NVML_DOUBLE_GPUS] = { "GPU-ab000000-0000-0000-0000-000000000001",
    "MIG-ab000000-0000-0000-0000-000000000002" };

  for (guint i = 0; i < NVML_DOUBLE_GPUS && !control.unknown; i++)
    if (!strcmp (uuid, uuids[i])) {
      *device = &gpus[i];
      return SUCCESS;
    }
  return NOT_FOUND;
}

/* Bytes of this process. */
static gsize
own (gpointer device)
{
  if (device == &gpus[1])
    return control.second;
  return control.alive && *control.alive > 0 ? control.context + *control.taken : 0;
}

int
nvmlDeviceGetMemoryInfo (gpointer device, Memory *memory)
{
  const gsize used = own (device) + (device == &gpus[0] ? control.others : 0);

  *memory = (Memory) { control.memory, control.memory - used, used };
  return SUCCESS;
}

/* Another process comes first. */
int
nvmlDeviceGetComputeRunningProcesses_v3 (gpointer device, unsigned *count, Process *processes)
{
  const unsigned n = own (device) && !control.unlisted ? 2 : 1;

  if (*count < n)
    return TOO_SMALL;
  *count = n;
  processes[0] = (Process) { (unsigned) getpid () + 1, control.others, 0, 0 };
  if (n == 2)
    processes[1] = (Process) { (unsigned) getpid (), own (device), 0, 0 };
  return SUCCESS;
}
