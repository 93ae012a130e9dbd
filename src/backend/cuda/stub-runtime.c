/* stub-runtime.c: for builds without the CUDA compiler or cuDNN's headers: plans, but no running
 * device.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/device.h"
#include "src/backend/cuda/run.h"

static gboolean
cannot (GError **error)
{
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
      "this build plans for NVIDIA GPUs (cnn3d plan --gpu NAME), but cannot train on one: it was "
      "made without the CUDA compiler (nvcc) or without cuDNN's headers; use device=cpu");
  return FALSE;
}

gboolean
cuda_here_open (Cnn3dDevice *d, gint index, GError **error)
{
  return cannot (error);
}

void
cuda_here_close (Cnn3dDevice *d)
{
}

gchar **
cuda_here_list (GError **error)
{
  cannot (error);
  return g_new0 (gchar *, 1);
}

gchar *
cuda_here_identify (gint index, GError **error)
{
  cannot (error);
  return NULL;
}

gint
cuda_here_capability (Cnn3dDevice *d)
{
  return 0;
}

void
cuda_here_memory (Cnn3dDevice *d, Cnn3dDeviceMemory *memory)
{
}

void
cuda_here_speed (Cnn3dDevice *d, Cnn3dPrecision precision, Cnn3dDeviceSpeed *speed)
{
}

gdouble
cuda_here_link (Cnn3dDevice *d)
{
  return 1;
}

gpointer
cuda_alloc (Cnn3dDevice *d, gsize bytes, GError **error)
{
  cuda_runs_nothing (d, error);
  return NULL;
}

void
cuda_free (Cnn3dDevice *d, gpointer memory, gsize bytes)
{
}

gboolean
cuda_upload (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  return cuda_runs_nothing (d, error);
}

gboolean
cuda_download (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  return cuda_runs_nothing (d, error);
}

gboolean
cuda_stage (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  return cuda_runs_nothing (d, error);
}

gboolean
cuda_fetch (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  return cuda_runs_nothing (d, error);
}

gboolean
cuda_finish (Cnn3dDevice *d, GError **error)
{
  return cuda_runs_nothing (d, error);
}

Cnn3dStore *
cuda_store_new (Cnn3dDevice *d, gsize bytes, GError **error)
{
  cuda_runs_nothing (d, error);
  return NULL;
}

void
cuda_store_free (Cnn3dStore **store)
{
}

gboolean
cuda_import_weight (Cnn3dModel *m, guint param, const gfloat *values, gfloat *array, GError **error)
{
  return cuda_runs_nothing (m->device, error);
}

gboolean
cuda_export_weight (Cnn3dModel *m, guint param, const gfloat *array, gfloat *values, GError **error)
{
  return cuda_runs_nothing (m->device, error);
}

gboolean
cuda_refresh (Cnn3dModel *m, const gfloat *weights, gpointer copy, GError **error)
{
  return cuda_runs_nothing (m->device, error);
}

gboolean
cuda_update_all (Cnn3dModel *m, const Cnn3dArrays *arrays, const Cnn3dUpdate *update,
    gdouble *squares, GError **error)
{
  return cuda_runs_nothing (m->device, error);
}

gboolean
cuda_square_slice (Cnn3dModel *m, const Cnn3dArrays *arrays, gdouble *pieces, GError **error)
{
  return cuda_runs_nothing (m->device, error);
}

gboolean
cuda_add (Cnn3dDevice *d, gfloat *to, const gfloat *from, gsize n, gboolean adds, gboolean beside,
    GError **error)
{
  return cuda_runs_nothing (d, error);
}

gpointer
cuda_stream (Cnn3dDevice *d, GError **error)
{
  cuda_runs_nothing (d, error);
  return NULL;
}

gboolean
cuda_busy (Cnn3dDevice *d, gboolean *busy, GError **error)
{
  *busy = FALSE;
  return cuda_runs_nothing (d, error);
}

gboolean
cuda_runs_new (Cnn3dProgram *p, GError **error)
{
  return cuda_runs_nothing (p->model->device, error);
}

void
cuda_runs_free (CudaRuns **runs)
{
}

gboolean
cuda_run (Cnn3dProgram *p, const Cnn3dStep *steps, guint n_steps, const Cnn3dBinding *b,
    Cnn3dResults *results, GError **error)
{
  return cuda_runs_nothing (p->model->device, error);
}

void
cuda_passes (Cnn3dDevice *d, Cnn3dDevicePasses *passes)
{
  *passes = (Cnn3dDevicePasses) { 0 };
}

gboolean
cuda_read_activation (
    Cnn3dProgram *p, gint tensor, gconstpointer place, gfloat *values, GError **error)
{
  return cuda_runs_nothing (p->model->device, error);
}
