/* run.h: a plan's steps as work for a GPU.
 *
 * Steps run one by one the first time, when the convolutions' algorithms are
 * found; the second time they are recorded as a CUDA graph, which is launched
 * from then on.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_RUN_H
#define CNN3D_CUDA_RUN_H

#include "src/backend/cuda/cuda-private.h"

/* program->runs. FALSE with error: the device is not here, or cuDNN is not to be
 * trusted. */
gboolean cuda_runs_new (Cnn3dProgram *program, GError **error);
void cuda_runs_free (CudaRuns **runs);
gboolean cuda_run (Cnn3dProgram *program, const Cnn3dStep *steps, guint n_steps,
    const Cnn3dBinding *binding, Cnn3dResults *results, GError **error);
/* Zeros for a profile. */
void cuda_passes (Cnn3dDevice *device, Cnn3dDevicePasses *passes);
/* weights.c */
gboolean cuda_read_activation (
    Cnn3dProgram *program, gint tensor, gconstpointer place, gfloat *values, GError **error);

#endif
