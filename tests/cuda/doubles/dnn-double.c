/* A test double of cuDNN 9: the entry points of the backend descriptor API that the CUDA back end
 * loads at run time. It validates its input strictly, offers engines with notes, workspaces and
 * rejections, and executes on host memory. See dnn-double.h.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dnn-double.h"

#include <cudnn_graph.h>
#include <string.h>

#include "dnn-graph.h"

#define PUBLIC __attribute__ ((visibility ("default")))
#ifndef DNN_DOUBLE_VERSION
#define DNN_DOUBLE_VERSION 91900
#endif

struct cudnnContext {
  cudaStream_t stream;
};

static guint64 calls, fails_at;
static gint alive; /* atomic */
static DnnDoubleLaunch launcher;

/* --- hooks --- */

PUBLIC void dnn_double_fail_at (guint64 n);
PUBLIC guint64 dnn_double_calls (void);
PUBLIC guint64 dnn_double_plans (void);
PUBLIC gint dnn_double_descriptors (void);
PUBLIC void dnn_double_wrong (gint64 engine);
PUBLIC void dnn_double_launch_with (DnnDoubleLaunch launch);

void
dnn_double_fail_at (guint64 n)
{
  fails_at = n ? calls + n : 0;
}

guint64
dnn_double_calls (void)
{
  return calls;
}

guint64
dnn_double_plans (void)
{
  return dnn_plans;
}

gint
dnn_double_descriptors (void)
{
  return g_atomic_int_get (&alive);
}

void
dnn_double_wrong (gint64 engine)
{
  dnn_wrong_engine = engine;
}

void
dnn_double_launch_with (DnnDoubleLaunch launch)
{
  launcher = launch;
}

/* Counts a call; returns its injected failure, or success. */
static cudnnStatus_t
enter (void)
{
  static const cudnnStatus_t failures[] = { CUDNN_STATUS_EXECUTION_FAILED,
    CUDNN_STATUS_INTERNAL_ERROR, CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED };

  calls++;
  return calls == fails_at ? failures[calls % G_N_ELEMENTS (failures)] : CUDNN_STATUS_SUCCESS;
}

#define ENTER()                                                  \
  G_STMT_START                                                   \
  {                                                              \
    const cudnnStatus_t failure = enter ();                      \
    if (failure != CUDNN_STATUS_SUCCESS)                         \
      return dnn_refuse (failure, "this call was made to fail"); \
  }                                                              \
  G_STMT_END

/* --- other functions --- */

PUBLIC size_t
cudnnGetVersion (void)
{
  return DNN_DOUBLE_VERSION;
}

PUBLIC const char *
cudnnGetErrorString (cudnnStatus_t status)
{
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    case CUDNN_STATUS_INTERNAL_ERROR:
      return "CUDNN_STATUS_INTERNAL_ERROR";
    case CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED:
      return "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED";
    default:
      return CUDNN_STATUS_CATEGORY (status) == CUDNN_STATUS_NOT_SUPPORTED
          ? "CUDNN_STATUS_NOT_SUPPORTED"
          : "CUDNN_STATUS_BAD_PARAM";
  }
}

PUBLIC void
cudnnGetLastErrorString (char *message, size_t size)
{
  g_strlcpy (message, dnn_last_refusal, size);
  dnn_last_refusal = "";
}

PUBLIC cudnnStatus_t
cudnnCreate (cudnnHandle_t *handle)
{
  ENTER ();
  *handle = g_new0 (struct cudnnContext, 1);
  g_atomic_int_inc (&alive);
  return CUDNN_STATUS_SUCCESS;
}

PUBLIC cudnnStatus_t
cudnnDestroy (cudnnHandle_t handle)
{
  g_free (handle);
  g_atomic_int_add (&alive, -1);
  return CUDNN_STATUS_SUCCESS;
}

PUBLIC cudnnStatus_t
cudnnSetStream (cudnnHandle_t handle, cudaStream_t stream)
{
  ENTER ();
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

/* --- descriptors --- */

PUBLIC cudnnStatus_t
cudnnBackendCreateDescriptor (
    cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
  ENTER ();
  *descriptor = dnn_desc_new (type);
  if (!*descriptor)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "the double has no such descriptor");
  g_atomic_int_inc (&alive);
  return CUDNN_STATUS_SUCCESS;
}

PUBLIC cudnnStatus_t
cudnnBackendDestroyDescriptor (cudnnBackendDescriptor_t descriptor)
{
  g_atomic_int_add (&alive, -1);
  dnn_desc_unref (descriptor);
  return CUDNN_STATUS_SUCCESS;
}

PUBLIC cudnnStatus_t
cudnnBackendSetAttribute (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
  ENTER ();
  return dnn_desc_set (descriptor, name, type, count, values);
}

PUBLIC cudnnStatus_t
cudnnBackendFinalize (cudnnBackendDescriptor_t descriptor)
{
  ENTER ();
  return dnn_desc_finalize (descriptor);
}

PUBLIC cudnnStatus_t
cudnnBackendGetAttribute (cudnnBackendDescriptor_t const descriptor,
    cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t asked,
    int64_t *count, void *values)
{
  ENTER ();
  return dnn_desc_get (descriptor, name, type, asked, count, values);
}

PUBLIC cudnnStatus_t
cudnnBackendExecute (
    cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
  DnnRun *run;
  cudnnStatus_t status;

  ENTER ();
  status = dnn_run_new (handle, plan, pack, &run);
  if (status != CUDNN_STATUS_SUCCESS)
    return status;
  if (launcher) {
    launcher (handle->stream, dnn_run, run, dnn_run_free);
    return CUDNN_STATUS_SUCCESS;
  }
  dnn_run (run);
  dnn_run_free (run);
  return CUDNN_STATUS_SUCCESS;
}
