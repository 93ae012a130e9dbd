/* cudnn.h: convolutions by cuDNN: planning for a GPU that need not be in this machine, and running
 * on one that is.
 *
 * libcudnn.so.9, or the file that $CNN3D_CUDNN names, is opened on first use and never closed. It
 * is queried through its graph API. A GPU that is not in this machine is described by a text, and
 * answers about it are kept for the life of the process; answers about a real GPU are kept while it
 * is open. Any thread may query; one at a time runs plans of a GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CUDNN_H
#define CNN3D_CUDA_CUDNN_H

#include <glib.h>

#include "src/backend/cuda/kernels.h"

/* One graph of cuDNN's: a convolution, alone or with what is fused to it. */
typedef struct {
  CudaConvDirection direction;
  CudaConv conv;
  gboolean adds; /* backward-data: to the gradient that is there (beta 1) */
  /* Forward and backward-weights: the convolution's input is x * scale + shift,
   * both vectors of in_channels, then ReLU where `relu`. They are f32 forward;
   * backward-weights reads them in the type of x: cuDNN has no engine for others. */
  gboolean normalizes, relu;
  /* Forward: the sum of y and of its square, f32 vectors of out_channels, too. */
  gboolean statistics;
} CudaConvGraph;

/* Which engines may be taken. Ones that round their input to fewer digits than
 * its type has never are. */
typedef struct {
  gsize workspace;        /* bytes, at most */
  gboolean deterministic; /* the same bits every time */
  gboolean tf32;          /* FP32 may be multiplied in TF32 */
} CudaConvLimits;

/* Plans of a convolution that are timed, and whose workspaces are planned for. In FP32 cuDNN takes
 * five times as long to build as many. */
static inline guint
cuda_most_plans (CudaType type)
{
  return type == CUDA_TYPE_F32 ? 4 : 10;
}

/* The largest workspace of a convolution, unless no plan needs less: what splitting a sum over
 * multiprocessors takes. On every GPU of configs/gpus, cuDNN 9.19 has a plan within it for each of
 * the models' convolutions, in 16 bits one with tensor cores (tests/unit/cudnn-plans.c). */
#define CUDA_WORKSPACE_LIMIT ((gsize) 16 << 20)

typedef struct {
  gsize workspace; /* bytes: the most of all that were looked for */
  /* of the first one: */
  guint tried;       /* engine configurations tried up to it */
  gboolean compiled; /* its kernel is compiled when the plan is created */
  gboolean tensor_cores;
} CudaConvPlan;

/* The oldest supported cuDNN: 9.8 to 9.10 compute wrong 3-D convolutions in bf16. */
#define CUDA_DNN_OLDEST 91500

/* cuDNN's version, 10000 * major + 100 * minor + patch; 0 with error (MISSING) if there is none, or
 * it is too old. */
guint cuda_dnn_version (GError **error);

/* A GPU as described to cuDNN: from cuDNN's own JSON of a device, which need not be in this
 * machine, or the thread's current device, all of whose plans run on `stream`. NULL with error. */
typedef struct _CudaDnnGpu CudaDnnGpu;
CudaDnnGpu *cuda_dnn_gpu_new (const gchar *properties, GError **error);
CudaDnnGpu *cuda_dnn_gpu_open (CudaStream stream, GError **error);
void cuda_dnn_gpu_free (CudaDnnGpu **gpu);

/* Looks for plans as cuda_dnn_plans() does, and tells what they need. Where no plan is within the
 * limit, it is the one with the smallest workspace. The answer is kept. FALSE with error
 * (UNSUPPORTED): there is no plan. Backward-weights writes the gradient in the weights' own type:
 * cuDNN has no plan that reads 16 bits and writes 32. */
gboolean cuda_dnn_plan (CudaDnnGpu *gpu, const CudaConvGraph *graph, const CudaConvLimits *limits,
    guint most, CudaConvPlan *plan, GError **error);

/* --- running, on a GPU of this machine --- */

typedef struct _CudaDnnPlan CudaDnnPlan;

/* Plans that run, in cuDNN's order of expected speed, whose workspace is within the limit: of the
 * first `most`, or the first one behind them. In 16 bits the first with tensor cores is put in front, if there is one. only:
 * just the plan of this name; no other is built; NULL: any. An array of CudaDnnPlan, which are freed
 * with it; free it before the GPU. NULL with error (UNSUPPORTED: there is none). */
GPtrArray *cuda_dnn_plans (CudaDnnGpu *gpu, const CudaConvGraph *graph,
    const CudaConvLimits *limits, guint most, const gchar *only, GError **error);
void cuda_dnn_plan_free (CudaDnnPlan *plan);
/* Identifies the plan by engine and knobs; stable for a version of cuDNN and a GPU. Owned by the
 * plan. */
const gchar *cuda_dnn_plan_name (const CudaDnnPlan *plan);
gsize cuda_dnn_plan_workspace (const CudaDnnPlan *plan);

/* Device memory, 64-byte aligned (workspace: 256). Members that the graph does not use are ignored.
 * Forward writes y; backward-data writes x from y; backward-weights writes w from x and y. */
typedef struct {
  gpointer x, y, w;
  gpointer scale, shift; /* of the input, where it normalizes */
  gfloat *sum, *squares; /* of the output, where there are statistics */
  gpointer workspace;
} CudaConvArgs;

gboolean cuda_dnn_plan_run (CudaDnnPlan *plan, const CudaConvArgs *args, GError **error);
/* "forward FP16 4 x 64 x 8x56x56 -> ...", for messages and as a key of results; free with
 * g_free(). */
gchar *cuda_conv_graph_text (const CudaConvGraph *graph);

#endif
