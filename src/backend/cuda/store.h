/* store.h: pinned host memory that steps copy activations to and from, beside the computation.
 *
 * Copies have a stream of their own, where they run one after another. It forks from the stream of
 * the work at each copy, and the steps that wait join it again: also while both are recorded.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_STORE_H
#define CNN3D_CUDA_STORE_H

#include "src/backend/cuda/runtime.h"

/* A step of one of the three phases of copies: puts it on the streams. */
gboolean cuda_store_run (Cnn3dStore *store, const Cnn3dStep *step, guint8 *arena, GError **error);

#endif
