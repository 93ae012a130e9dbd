/* profile.h: a file that describes a GPU (configs/gpus/NAME.json).
 *
 * It is cuDNN's own description of a device, every key of it, and a section
 * "cnn3d" with what plans need to know beside that. Each key must be there,
 * once, with its type and in its range; there may be no other.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_PROFILE_H
#define CNN3D_CUDA_PROFILE_H

#include <glib.h>

typedef struct {
  gchar *name;                  /* as the driver calls it; fit to be shown */
  guint capability;             /* 100 times the compute capability: 860 */
  guint multiprocessors;
  guint64 memory;               /* bytes that a program finds */
  gchar *memory_source;
  guint64 context;              /* bytes that driver and libraries take */
  gchar *context_source;
  guint64 bytes_per_second;
  guint64 fp32, tf32, fp16;     /* dense peak, FLOP/s; fp16 sums in FP32; tf32 is 0 where there is none */
  gchar *figures_source;
  gchar *properties;            /* cuDNN's JSON of it */
} CudaProfile;

/* NULL with error (MISSING: it cannot be read; UNSUPPORTED: what is wrong with
 * which key). Owned by the caller. */
CudaProfile *cuda_profile_read (const gchar * path, GError ** error);
/* The same from `size` bytes of text; `path` is for errors. */
CudaProfile *cuda_profile_parse (const gchar * path, const gchar * text, gsize size, GError ** error);
void cuda_profile_free (CudaProfile ** profile);

#endif
