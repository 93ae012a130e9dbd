/* context.h: measures what driver and libraries take on a GPU of this machine, by process: all that
 * it uses, less what was allocated.
 *
 * NVML's memory of this process is used; where it has none, as in a container, the GPU's free memory
 * before this process's first device was opened. Any thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CONTEXT_H
#define CNN3D_CUDA_CONTEXT_H

#include <glib.h>

/* To be called before anything uses the GPU. */
void cuda_context_begin (const guint8 *uuid);
/* Counts allocated bytes, negative ones when they are freed. */
void cuda_context_count (const guint8 *uuid, gssize bytes);
/* Bytes now; 0: they cannot be measured. */
guint64 cuda_context_measure (const guint8 *uuid);

#endif
