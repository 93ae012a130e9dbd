/* profile.h: a file that describes a GPU (configs/gpus/NAME.json).
 *
 * It is cuDNN's own description of a device, with all its keys, and a section "cnn3d" with the
 * other parameters of plans. Each key must be present exactly once, with its type and in its range;
 * no others are allowed.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_PROFILE_H
#define CNN3D_CUDA_PROFILE_H

#include <glib.h>

typedef struct {
  gchar *name;      /* as reported by the driver; escaped for display */
  guint capability; /* 100 times the compute capability: 860 */
  guint multiprocessors;
  guint64 memory; /* bytes available to a program */
  gchar *memory_source;
  guint64 context; /* bytes used by driver and libraries */
  gchar *context_source;
  guint64 bytes_per_second;
  guint64 fp32, tf32,
      fp16; /* dense peak, FLOP/s; fp16 accumulates in FP32; tf32: 0 if unsupported */
  gchar *figures_source;
  guint64 link; /* bytes per second to the host, one way */
  gchar *link_source;
  gchar *properties; /* cuDNN's JSON of the device */
} CudaProfile;

/* NULL with error (MISSING: it cannot be read; UNSUPPORTED: a key is invalid, which the message
 * names). Owned by the caller. */
CudaProfile *cuda_profile_read (const gchar *path, GError **error);
/* The same from `size` bytes of text; path: for errors. */
CudaProfile *cuda_profile_parse (const gchar *path, const gchar *text, gsize size, GError **error);
void cuda_profile_free (CudaProfile **profile);

#endif
