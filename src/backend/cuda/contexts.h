/* contexts.h: bytes that a GPU's driver and libraries take in addition to what is allocated: as
 * measured, in contexts.ini in the user's cache folder, or a bound.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CONTEXTS_H
#define CNN3D_CUDA_CONTEXTS_H

#include <glib.h>

#include "src/backend/cuda/profile.h"

/* For a GPU without a description: the most of the described ones. */
#define CUDA_CONTEXT_BOUND ((guint64) 896 << 20)

/* Added to a measured figure: what the check of convolutions takes, and what the driver rounds allocations up by.
 */
#define CUDA_CONTEXT_MARGIN ((guint64) 32 << 20)

/* Measured figures outside of this are not kept, nor believed. */
#define CUDA_CONTEXT_LEAST ((guint64) 32 << 20)
#define CUDA_CONTEXT_MOST ((guint64) 4 << 30)

typedef struct {
  guint64 bytes;
  gchar *source; /* free with g_free() */
} CudaContextFigure;

/* What a plan for the GPU `name` counts: the measured figure for this driver (NULL: the largest for
 * any) and version of cuDNN, with the margin; else profile's; else, if profile is NULL, that of the
 * description with this name, or the bound. */
CudaContextFigure cuda_contexts_figure (
    const gchar *name, const gchar *driver, guint cudnn, const CudaProfile *profile);

/* Keeps a measured figure, unless a larger one is kept: each network loads other kernels. The file is
 * replaced whole; one that cannot be read is replaced, too. If it cannot be written, plans stay with
 * the bound. */
void cuda_contexts_keep (const gchar *name, const gchar *driver, guint cudnn, guint64 bytes);

#endif
