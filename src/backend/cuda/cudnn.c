/* cudnn.c: cuDNN: the library, its calls, and the GPUs that it describes.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cudnn-private.h"

#include <string.h>

#include "src/module.h"

CudaDnnLibrary cuda_dnn;
GMutex cuda_dnn_lock;

static guint opened;        /* its version; 0: not yet */
static GHashTable *answers; /* about described GPUs; kept until the process exits */

/* --- the library --- */

static gboolean
find_symbols (GModule *module, const gchar **missing)
{
  const Cnn3dModuleSymbol symbols[] = {
    { "cudnnGetVersion", (gpointer *) &cuda_dnn.version },
    { "cudnnGetErrorString", (gpointer *) &cuda_dnn.error_string },
    { "cudnnGetLastErrorString", (gpointer *) &cuda_dnn.last_error },
    { "cudnnCreate", (gpointer *) &cuda_dnn.handle_create },
    { "cudnnDestroy", (gpointer *) &cuda_dnn.handle_destroy },
    { "cudnnSetStream", (gpointer *) &cuda_dnn.handle_stream },
    { "cudnnBackendCreateDescriptor", (gpointer *) &cuda_dnn.create },
    { "cudnnBackendDestroyDescriptor", (gpointer *) &cuda_dnn.destroy },
    { "cudnnBackendFinalize", (gpointer *) &cuda_dnn.finalize },
    { "cudnnBackendSetAttribute", (gpointer *) &cuda_dnn.set },
    { "cudnnBackendGetAttribute", (gpointer *) &cuda_dnn.get },
    { "cudnnBackendExecute", (gpointer *) &cuda_dnn.execute },
  };

  return cnn3d_module_find (module, symbols, G_N_ELEMENTS (symbols), missing);
}

static guint
version_unlocked (GError **error)
{
  GModule *module;
  const gchar *name, *missing;

  if (opened)
    return opened;
  name = g_getenv ("CNN3D_CUDNN");
  module = g_module_open (name ? name : "libcudnn.so.9", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  if (!module) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "cuDNN 9 cannot be loaded: %s", g_module_error ());
    return 0;
  }
  if (!find_symbols (module, &missing)) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "%s has no %s: install cuDNN 9.15 or later", g_module_name (module), missing);
    g_module_close (module);
    return 0;
  }
  if (cuda_dnn.version () < CUDA_DNN_OLDEST) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "%s is cuDNN %u, which is too old: install 9.15 or later", g_module_name (module),
        (guint) cuda_dnn.version ());
    g_module_close (module);
    return 0;
  }
  /* its threads outlive a closed module */
  g_module_make_resident (module);
  answers = dnn_answers_new ();
  return opened = cuda_dnn.version ();
}

guint
cuda_dnn_version (GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&cuda_dnn_lock);

  (void) locker;
  return version_unlocked (error);
}

/* --- calls --- */

void
dnn_check (DnnCalls *calls, cudnnStatus_t status, const gchar *call)
{
  gchar reason[512] = "";

  if (!dnn_good (calls) || status == CUDNN_STATUS_SUCCESS)
    return;
  calls->status = status;
  /* the message of this thread's last failure */
  cuda_dnn.last_error (reason, sizeof reason);
  reason[sizeof reason - 1] = '\0';
  g_strstrip (reason);
  calls->failure = g_strdup_printf ("%s: %s%s%s%s", call, cuda_dnn.error_string (status),
      *reason ? " (" : "", reason, *reason ? ")" : "");
}

Desc
dnn_create (DnnCalls *calls, cudnnBackendDescriptorType_t type)
{
  Desc desc = NULL;

  if (dnn_good (calls))
    dnn_check (calls, cuda_dnn.create (type, &desc), "cudnnBackendCreateDescriptor");
  return dnn_good (calls) ? desc : NULL;
}

void
dnn_set (DnnCalls *calls, Desc desc, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
  gchar call[64];

  if (!dnn_good (calls))
    return;
  g_snprintf (call, sizeof call, "cudnnBackendSetAttribute (%d)", name);
  dnn_check (calls, cuda_dnn.set (desc, name, type, count, values), call);
}

void
dnn_finalize (DnnCalls *calls, Desc desc)
{
  if (dnn_good (calls))
    dnn_check (calls, cuda_dnn.finalize (desc), "cudnnBackendFinalize");
}

int64_t
dnn_get (DnnCalls *calls, Desc desc, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t most, void *values)
{
  gchar call[64];
  int64_t count = 0;

  if (!dnn_good (calls))
    return 0;
  g_snprintf (call, sizeof call, "cudnnBackendGetAttribute (%d)", name);
  dnn_check (calls, cuda_dnn.get (desc, name, type, most, &count, values), call);
  return dnn_good (calls) ? count : 0;
}

void
dnn_destroy (Desc *desc)
{
  if (*desc)
    cuda_dnn.destroy (*desc);
  *desc = NULL;
}

void
dnn_calls_clear (DnnCalls *calls)
{
  calls->status = CUDNN_STATUS_SUCCESS;
  g_clear_pointer (&calls->failure, g_free);
}

gint
dnn_calls_code (const DnnCalls *calls)
{
  if (calls->status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED
      || calls->status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
    return CNN3D_BACKEND_ERROR_MEMORY;
  switch (CUDNN_STATUS_CATEGORY (calls->status)) {
    case CUDNN_STATUS_SUCCESS:
    case CUDNN_STATUS_BAD_PARAM:
    case CUDNN_STATUS_NOT_SUPPORTED:
      return CNN3D_BACKEND_ERROR_UNSUPPORTED;
    default:
      return CNN3D_BACKEND_ERROR_FAILED;
  }
}

/* --- a GPU --- */

CudaDnnGpu *
cuda_dnn_gpu_new (const gchar *properties, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&cuda_dnn_lock);
  DnnCalls calls = DNN_CALLS_INIT;
  CudaDnnGpu *gpu;

  (void) locker;
  if (!version_unlocked (error))
    return NULL;
  gpu = g_new0 (CudaDnnGpu, 1);
  gpu->answers = g_hash_table_ref (answers);
  gpu->name = g_compute_checksum_for_string (G_CHECKSUM_SHA256, properties, -1);
  gpu->properties = dnn_create (&calls, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  dnn_set (&calls, gpu->properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
      strlen (properties), properties);
  dnn_finalize (&calls, gpu->properties);
  if (dnn_good (&calls))
    return gpu;

  /* ERRORS */
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED,
      "cuDNN %u does not take this GPU's properties: %s", opened, calls.failure);
  dnn_calls_clear (&calls);
  g_clear_pointer (&locker, g_mutex_locker_free);
  cuda_dnn_gpu_free (&gpu);
  return NULL;
}

CudaDnnGpu *
cuda_dnn_gpu_open (CudaStream stream, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&cuda_dnn_lock);
  DnnCalls calls = DNN_CALLS_INIT;
  CudaDnnGpu *gpu;

  (void) locker;
  if (!version_unlocked (error))
    return NULL;
  gpu = g_new0 (CudaDnnGpu, 1);
  /* separate, because another handle may be another GPU's */
  gpu->answers = dnn_answers_new ();
  gpu->name = g_strdup ("here");
  dnn_check (&calls, cuda_dnn.handle_create (&gpu->handle), "cudnnCreate");
  if (!dnn_good (&calls))
    gpu->handle = NULL;
  else
    dnn_check (&calls, cuda_dnn.handle_stream (gpu->handle, stream), "cudnnSetStream");
  if (dnn_good (&calls))
    return gpu;

  /* ERRORS */
  g_set_error (error, CNN3D_BACKEND_ERROR,
      dnn_calls_code (&calls) == CNN3D_BACKEND_ERROR_MEMORY ? CNN3D_BACKEND_ERROR_MEMORY
                                                            : CNN3D_BACKEND_ERROR_FAILED,
      "cuDNN %u does not start on this GPU: %s", opened, calls.failure);
  dnn_calls_clear (&calls);
  g_clear_pointer (&locker, g_mutex_locker_free);
  cuda_dnn_gpu_free (&gpu);
  return NULL;
}

void
cuda_dnn_gpu_free (CudaDnnGpu **gpu)
{
  CudaDnnGpu *g = *gpu;

  *gpu = NULL;
  if (!g)
    return;
  g_mutex_lock (&cuda_dnn_lock);
  dnn_destroy (&g->properties);
  if (g->handle)
    cuda_dnn.handle_destroy (g->handle);
  g_hash_table_unref (g->answers);
  g_mutex_unlock (&cuda_dnn_lock);
  g_free (g->name);
  g_free (g);
}
