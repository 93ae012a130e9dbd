/* cuda-private.h: what the files of the CUDA back end share.
 *
 * Activations are (N, D, H, W, C), channels padded to a multiple of 8 with
 * zeros, the input's three too: with 4 there cuDNN pads the input itself, into a
 * workspace of twice its size or more (measured: 49 MiB for four clips of
 * 16x224x224 on an RTX 3070, none with 8). What follows the global pool is f32,
 * rows padded likewise. Convolutions' weights are (O, kD, kH, kW, I) with both
 * channels padded, masters f32.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_PRIVATE_H
#define CNN3D_CUDA_PRIVATE_H

#include "src/backend/backend.h"
#include "src/backend/cuda/contexts.h"
#include "src/backend/cuda/cudnn.h"
#include "src/backend/cuda/profile.h"

/* A GPU of this machine; runtime.h. */
typedef struct _CudaHere CudaHere;

struct _Cnn3dDevice {
  Cnn3dDeviceParams params; /* its strings are not kept */
  CudaProfile *profile;     /* NULL: a GPU of this machine */
  CudaHere *here;           /* NULL: a profile, which runs nothing */
  CudaDnnGpu *dnn;          /* NULL: workspaces by bound */
  gchar *name;
  CudaContextFigure context;
};

struct _Cnn3dModel {
  Cnn3dDevice *device;
  const Cnn3dNetwork *net;
  Cnn3dModelParams params;
  CudaType type;
  gsize element; /* bytes of an activation's number */
  Cnn3dWeightLayout layout;
  gsize *copy_offset; /* [parameter]: bytes, of a convolution's weights; CUDA_NO_COPY */
};

/* Where the parts of a convolution's scratch begin: bytes. */
typedef struct {
  gsize weights; /* a copy of the weights, or their gradient, in the compute type */
  gsize vectors; /* scale and shift of a batch norm that is fused to its input: f32, then 16 bits */
  gsize workspace; /* cuDNN's, starting at the next multiple of CUDA_WORKSPACE_ALIGNMENT */
  gsize through;   /* one slice of the input's gradient, if it overwrites the output's */
} CudaScratch;

/* cuDNN's workspace starts at a multiple of this, in an arena whose buffers start at multiples of
 * CNN3D_ARENA_ALIGNMENT. */
#define CUDA_WORKSPACE_ALIGNMENT 256

/* run.h: the data of a program that runs. */
typedef struct _CudaRuns CudaRuns;

struct _Cnn3dProgram {
  Cnn3dModel *model;
  Cnn3dProgramParams params;
  Cnn3dSizes sizes;
  gsize *workspace; /* [op * CNN3D_N_PHASES + phase]: workspace bytes of cuDNN */
  CudaRuns *runs;   /* NULL: sizes only */
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

static inline gsize
cuda_points (const Cnn3dTensor *t)
{
  return (gsize) t->d * t->h * t->w;
}

/* Rows of a tensor for a program's batch. */
static inline gsize
cuda_rows (const Cnn3dProgram *p, gint tensor)
{
  return (gsize) p->params.batch * p->model->net->tensors[tensor].views;
}

/* model.c */
Cnn3dModel *cuda_model_new (Cnn3dDevice *device, const Cnn3dNetwork *network,
    const Cnn3dModelParams *params, GError **error);
void cuda_model_free (Cnn3dModel **model);
const Cnn3dWeightLayout *cuda_model_layout (Cnn3dModel *model);
/* Numbers in a convolution's weights, padded. */
gsize cuda_conv_weights (const Cnn3dModel *model, const Cnn3dOp *op);
/* One parameter between PyTorch's layout and the model's, both on the host:
 * `stored` begins at the parameter, layout.length floats, padding zero. */
void cuda_weight_store (const Cnn3dModel *model, guint param, const gfloat *values, gfloat *stored);
void cuda_weight_read (const Cnn3dModel *model, guint param, const gfloat *stored, gfloat *values);
/* Number i of an array of a type, on the host. */
gfloat cuda_number (CudaType type, const guint8 *from, gsize i);

/* sizes.c */
Cnn3dProgram *cuda_program_new (
    Cnn3dModel *model, const Cnn3dProgramParams *params, GError **error);
void cuda_program_free (Cnn3dProgram **program);
const Cnn3dSizes *cuda_program_sizes (Cnn3dProgram *program);
/* Bytes of a clip's activation. */
gsize cuda_clip_bytes (const Cnn3dModel *model, const Cnn3dTensor *tensor);
/* The convolution of an op, for one slice of a batch. */
CudaConv cuda_conv (const Cnn3dProgram *program, gint op);
CudaScratch cuda_scratch (const Cnn3dProgram *program, gint op, Cnn3dPhase phase);
CudaConvLimits cuda_conv_limits (const Cnn3dDevice *device, gsize workspace);

#endif
