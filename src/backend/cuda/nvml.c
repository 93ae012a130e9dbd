/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/nvml.h"

#include <gmodule.h>
#include <unistd.h>

#define LIBRARY "libnvidia-ml.so.1"
#define MOST_PROCESSES 256

/* nvml.h is not part of every CUDA toolkit: these are its types and names, version 11 to 13. */
typedef struct NvmlDevice *NvmlDevice;

typedef struct {
  unsigned long long total, available, used;
} NvmlMemory;

typedef struct {
  unsigned pid;
  unsigned long long bytes; /* all bits set: not available */
  unsigned gpu_instance, compute_instance;
} NvmlProcess;

static struct {
  int (*init) (void);
  int (*driver_version) (char *version, unsigned length);
  int (*by_uuid) (const char *uuid, NvmlDevice *device);
  int (*memory) (NvmlDevice device, NvmlMemory *memory);
  int (*processes) (NvmlDevice device, unsigned *count, NvmlProcess *processes);
} nvml;

static gchar driver[80];

static gboolean
load (void)
{
  static gsize tried;
  static gboolean loaded;

  if (g_once_init_enter (&tried)) {
    const gchar *name = g_getenv ("CNN3D_NVML");
    GModule *module = g_module_open (name ? name : LIBRARY, G_MODULE_BIND_LOCAL);

    loaded = module && g_module_symbol (module, "nvmlInit_v2", (gpointer *) &nvml.init)
        && g_module_symbol (module, "nvmlSystemGetDriverVersion", (gpointer *) &nvml.driver_version)
        && g_module_symbol (module, "nvmlDeviceGetHandleByUUID", (gpointer *) &nvml.by_uuid)
        && g_module_symbol (module, "nvmlDeviceGetMemoryInfo", (gpointer *) &nvml.memory)
        && g_module_symbol (
            module, "nvmlDeviceGetComputeRunningProcesses_v3", (gpointer *) &nvml.processes)
        && nvml.init () == 0 && nvml.driver_version (driver, sizeof driver) == 0;
    g_once_init_leave (&tried, 1);
  }
  return loaded;
}

/* A whole GPU, or the part of one that CUDA sees as a device. */
static gboolean
find (const guint8 *uuid, NvmlDevice *device)
{
  static const gchar *const kinds[] = { "GPU", "MIG" };

  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++) {
    g_autoptr (GString) text = g_string_new (kinds[k]);

    for (guint i = 0; i < CUDA_UUID_BYTES; i++)
      g_string_append_printf (
          text, "%s%02x", i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    if (nvml.by_uuid (text->str, device) == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
cuda_nvml_memory (const guint8 *uuid, CudaNvmlMemory *memory)
{
  NvmlProcess processes[MOST_PROCESSES];
  unsigned n = MOST_PROCESSES;
  NvmlDevice device;
  NvmlMemory all;

  if (!load () || !find (uuid, &device) || nvml.memory (device, &all) != 0)
    return FALSE;
  *memory = (CudaNvmlMemory) { all.available, 0 };
  if (nvml.processes (device, &n, processes) != 0)
    return TRUE;
  for (unsigned i = 0; i < MIN (n, MOST_PROCESSES); i++)
    if (processes[i].pid == (unsigned) getpid () && processes[i].bytes != ~0ull)
      memory->own += processes[i].bytes;
  return TRUE;
}

const gchar *
cuda_nvml_driver (void)
{
  return load () ? driver : NULL;
}
