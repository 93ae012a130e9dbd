/* nvml.h: a GPU's memory, as NVIDIA's management library reports it.
 *
 * libnvidia-ml.so.1, which comes with the driver, or the file that $CNN3D_NVML names, is opened on
 * first use and never closed. It needs no CUDA context. Any thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_NVML_H
#define CNN3D_CUDA_NVML_H

#include <glib.h>

#define CUDA_UUID_BYTES 16

typedef struct {
  guint64 available; /* bytes free on the GPU */
  guint64 own;       /* bytes in use by this process; 0: unknown, for example in a container */
} CudaNvmlMemory;

/* Of the GPU with that UUID: indices are not CUDA's, which CUDA_VISIBLE_DEVICES changes. FALSE: the
 * library is missing, or does not know the GPU. */
gboolean cuda_nvml_memory (const guint8 *uuid, CudaNvmlMemory *memory);

/* The driver's version, such as 580.65.06; NULL: the library is missing. */
const gchar *cuda_nvml_driver (void);

#endif
