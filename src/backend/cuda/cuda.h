/* cuda.h: what the files of the CUDA back end share.
 *
 * Activations are (N, D, H, W, C), channels padded to a multiple of 8 with
 * zeros, the input's three too: with 4 there cuDNN pads the input itself, into a
 * workspace of twice its size or more (measured: 49 MiB for four clips of
 * 16x224x224 on an RTX 3070, none with 8). What follows the global pool is f32,
 * rows padded likewise. Convolutions' weights are (O, kD, kH, kW, I) with both
 * channels padded, masters f32.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_H
#define CNN3D_CUDA_H

#include "src/backend/backend.h"
#include "src/backend/cuda/cudnn.h"
#include "src/backend/cuda/profile.h"

struct _Cnn3dDevice {
  CudaProfile *profile;
  CudaDnnGpu *dnn;              /* NULL: workspaces by bound */
  gchar *name;
};

struct _Cnn3dModel {
  Cnn3dDevice *device;
  const Cnn3dNetwork *net;
  Cnn3dModelParams params;
  CudaType type;
  gsize element;                /* bytes of an activation's number */
  Cnn3dWeightLayout layout;
};

struct _Cnn3dProgram {
  Cnn3dModel *model;
  Cnn3dSizes sizes;
};

static inline gsize
cuda_pad (gsize channels)
{
  return (channels + CUDA_LANES - 1) / CUDA_LANES * CUDA_LANES;
}

static inline gsize
cuda_align (gsize bytes)
{
  return (bytes + CNN3D_ARENA_ALIGNMENT - 1) & ~(gsize) (CNN3D_ARENA_ALIGNMENT - 1);
}

/* model.c */
Cnn3dModel *cuda_model_new (Cnn3dDevice * device, const Cnn3dNetwork * network, const Cnn3dModelParams * params,
    GError ** error);
void cuda_model_free (Cnn3dModel ** model);
const Cnn3dWeightLayout *cuda_model_layout (Cnn3dModel * model);
/* Numbers in a convolution's weights, padded. */
gsize cuda_conv_weights (const Cnn3dModel * model, const Cnn3dOp * op);

/* sizes.c: a program is its sizes */
Cnn3dProgram *cuda_program_new (Cnn3dModel * model, const Cnn3dProgramParams * params, GError ** error);
void cuda_program_free (Cnn3dProgram ** program);
const Cnn3dSizes *cuda_program_sizes (Cnn3dProgram * program);

#endif
