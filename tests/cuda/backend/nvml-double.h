/* nvml-double.h: controls of the test double of libnvidia-ml, found by $CNN3D_NVML.
 *
 * It knows two GPUs, in the other order than the CUDA double does.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_NVML_DOUBLE_H
#define CNN3D_NVML_DOUBLE_H

#include <glib.h>

#define NVML_DOUBLE_GPUS 2

typedef struct {
  gsize memory;        /* bytes of a GPU */
  const gsize *taken;  /* what this process has allocated on GPU 0 */
  const gint *alive;   /* above 0: this process has a context there */
  gsize context;       /* bytes of it */
  gsize others;        /* bytes in use by other processes on GPU 0 */
  gsize second;        /* bytes in use on GPU 1, by this process, too */
  gboolean unlisted;   /* this process is not among those listed, as in a container */
  gboolean unknown;    /* no UUID is known */
  const gchar *driver; /* its version */
} NvmlDouble;

#define NVML_DOUBLE "cnn3d_nvml_double"
typedef NvmlDouble *(*NvmlDoubleEntry) (void);

#endif
