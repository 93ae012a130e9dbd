/* stub-cudnn.c: for builds without cuDNN's headers: cuDNN is never available.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cudnn.h"

#include "src/backend/backend.h"

guint
cuda_dnn_version (GError **error)
{
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
      "this build was made without cuDNN's headers");
  return 0;
}

CudaDnnGpu *
cuda_dnn_gpu_new (const gchar *properties, GError **error)
{
  cuda_dnn_version (error);
  return NULL;
}

CudaDnnGpu *
cuda_dnn_gpu_open (CudaStream stream, GError **error)
{
  cuda_dnn_version (error);
  return NULL;
}

void
cuda_dnn_gpu_free (CudaDnnGpu **gpu)
{
  *gpu = NULL;
}

gboolean
cuda_dnn_plan (CudaDnnGpu *gpu, const CudaConvGraph *graph, const CudaConvLimits *limits,
    guint most, CudaConvPlan *plan, GError **error)
{
  return cuda_dnn_version (error) > 0;
}

GPtrArray *
cuda_dnn_plans (CudaDnnGpu *gpu, const CudaConvGraph *graph, const CudaConvLimits *limits,
    guint most, const gchar *only, GError **error)
{
  cuda_dnn_version (error);
  return NULL;
}

void
cuda_dnn_plan_free (CudaDnnPlan *plan)
{
}

const gchar *
cuda_dnn_plan_name (const CudaDnnPlan *plan)
{
  return "";
}

gsize
cuda_dnn_plan_workspace (const CudaDnnPlan *plan)
{
  return 0;
}

gboolean
cuda_dnn_plan_run (CudaDnnPlan *plan, const CudaConvArgs *args, GError **error)
{
  return cuda_dnn_version (error) > 0;
}
