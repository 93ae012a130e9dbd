/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/store.h"

#include "src/bytes.h"

struct _Cnn3dStore {
  Cnn3dDevice *device;
  guint8 *memory;
  cudaStream_t stream;
  cudaEvent_t reached; /* by the work, before a copy */
  GPtrArray *ended;    /* of cudaEvent_t, [copy] */
};

Cnn3dStore *
cuda_store_new (Cnn3dDevice *d, gsize bytes, GError **error)
{
  g_autofree gchar *size = cnn3d_format_bytes (bytes), *what = NULL;
  g_autoptr (GError) reason = NULL;
  Cnn3dStore *s;

  if (!cuda_enter (d, error))
    return NULL;
  what = g_strdup_printf ("recompute=offload cannot pin %s of host memory, free some of it or use "
                          "recompute=block",
      size);
  s = g_new0 (Cnn3dStore, 1);
  s->device = d;
  s->ended = g_ptr_array_new ();
  if (!cuda_ok (cudaStreamCreateWithFlags (&s->stream, cudaStreamNonBlocking),
          "cannot create the stream of offloaded copies", error)
      || !cuda_ok (cudaEventCreateWithFlags (&s->reached, cudaEventDisableTiming),
          "cannot create an event", error))
    goto failed;

  if (!cuda_ok (cudaHostAlloc ((void **) &s->memory, bytes, cudaHostAllocDefault), what, &reason)) {
    /* a lack of MEMORY would be the GPU's */
    g_set_error_literal (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED, reason->message);
    goto failed;
  }
  return s;

  /* ERRORS */
failed:
  cuda_store_free (&s);
  return NULL;
}

void
cuda_store_free (Cnn3dStore **store)
{
  Cnn3dStore *s = *store;

  *store = NULL;
  if (!s)
    return;
  cudaSetDevice (s->device->here->index);
  /* after a pass that ended halfway, nothing has waited for the last copies */
  if (s->stream)
    cudaStreamSynchronize (s->stream);
  if (s->memory)
    cudaFreeHost (s->memory);
  for (guint i = 0; i < s->ended->len; i++)
    cudaEventDestroy (g_ptr_array_index (s->ended, i));
  if (s->reached)
    cudaEventDestroy (s->reached);
  if (s->stream)
    cudaStreamDestroy (s->stream);
  g_ptr_array_unref (s->ended);
  g_free (s);
}

/* The event after a copy; NULL with error. Made in the first pass, which is not recorded. */
static cudaEvent_t
ended (Cnn3dStore *s, guint copy, GError **error)
{
  while (s->ended->len <= copy) {
    cudaEvent_t event;

    if (!cuda_ok (cudaEventCreateWithFlags (&event, cudaEventDisableTiming),
            "cannot create an event", error))
      return NULL;
    g_ptr_array_add (s->ended, event);
  }
  return g_ptr_array_index (s->ended, copy);
}

gboolean
cuda_store_run (Cnn3dStore *s, const Cnn3dStep *step, guint8 *arena, GError **error)
{
  cudaStream_t work = s->device->here->work;
  cudaEvent_t event = ended (s, step->copy, error);
  gint status;

  if (!event)
    return FALSE;
  if (step->phase == CNN3D_PHASE_WAIT)
    return cuda_ok (cudaStreamWaitEvent (work, event, 0), "an offloaded copy failed", error);
  status = cudaEventRecord (s->reached, work);
  if (!status)
    status = cudaStreamWaitEvent (s->stream, s->reached, 0);
  if (!status && step->phase == CNN3D_PHASE_STORE)
    status = cudaMemcpyAsync (s->memory + step->stored, arena + step->in, step->copy_bytes,
        cudaMemcpyDeviceToHost, s->stream);
  else if (!status)
    status = cudaMemcpyAsync (arena + step->out, s->memory + step->stored, step->copy_bytes,
        cudaMemcpyHostToDevice, s->stream);
  if (!status)
    status = cudaEventRecord (event, s->stream);
  return cuda_ok (status, "an offloaded copy failed", error);
}
