/* The CUDA back end: the device and the table. A device opened from a profile
 * tells what training takes on a GPU that need not be here.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cuda.h"

#include <gmodule.h>

#include "src/escape.h"

/* Seconds to start one step of a plan: one to three kernels, a few microseconds
 * each. An estimate. */
#define STEP_SECONDS 10e-6

/* --- device --- */

static void
device_close (Cnn3dDevice **device)
{
  Cnn3dDevice *d = *device;

  *device = NULL;
  if (!d)
    return;
  cuda_dnn_gpu_free (&d->dnn);
  cuda_profile_free (&d->profile);
  g_free (d->name);
  g_free (d);
}

static Cnn3dDevice *
device_open (const Cnn3dDeviceParams *params, GError **error)
{
  g_autoptr (GError) reason = NULL;
  Cnn3dDevice *d;
  guint version;

  if (!params->profile) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "this build plans for NVIDIA GPUs (cnn3d plan --gpu NAME), but cannot train on one: use device=cpu");
    return NULL;
  }
  d = g_new0 (Cnn3dDevice, 1);
  d->profile = cuda_profile_read (params->profile, error);
  if (!d->profile)
    goto failed;
  version = cuda_dnn_version (&reason);
  if (!version) {
    d->name = g_strdup_printf ("%s (not here), workspaces by bound: %s", d->profile->name, reason->message);
    return d;
  }
  d->dnn = cuda_dnn_gpu_new (d->profile->properties, error);
  if (!d->dnn) {
    g_autofree gchar *shown = cnn3d_escape (params->profile, FALSE);

    g_prefix_error (error, "%s: ", shown);
    goto failed;
  }
  d->name = g_strdup_printf ("%s (not here), workspaces by cuDNN %u.%u.%u", d->profile->name, version / 10000,
      version / 100 % 100, version % 100);
  return d;

  /* ERRORS */
failed:
  device_close (&d);
  return NULL;
}

static const gchar *
device_describe (Cnn3dDevice *d)
{
  return d->name;
}

static gboolean
resolve_precision (Cnn3dDevice *d, Cnn3dPrecision *precision, GError **error)
{
  if (*precision != CNN3D_PRECISION_BF16_MIXED || d->profile->capability >= 800)
    return TRUE;
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
      "%s has no bf16 (compute capability %u.%u, it came with 8.0): use precision=16-mixed", d->profile->name,
      d->profile->capability / 100, d->profile->capability / 10 % 10);
  return FALSE;
}

static void
device_memory (Cnn3dDevice *d, Cnn3dDeviceMemory *memory)
{
  memory->total = memory->available = d->profile->memory;
  memory->context = d->profile->context;
  memory->context_source = d->profile->context_source;
}

static void
device_speed (Cnn3dDevice *d, Cnn3dPrecision precision, Cnn3dDeviceSpeed *speed)
{
  const CudaProfile *p = d->profile;
  const guint64 flops = precision == CNN3D_PRECISION_32 ? MAX (p->tf32, p->fp32) : p->fp16;

  speed->macs_per_second = flops / 2.0;
  speed->bytes_per_second = p->bytes_per_second;
  speed->step_seconds = STEP_SECONDS;
}

/* --- what needs the GPU itself --- */

static gboolean
not_here (Cnn3dDevice *d, GError **error)
{
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
      "%s runs nothing: it is a plan for a GPU that is not here", d->name);
  return FALSE;
}

static gpointer
memory_alloc (Cnn3dDevice *d, gsize bytes, GError **error)
{
  not_here (d, error);
  return NULL;
}

static void
memory_free (Cnn3dDevice *d, gpointer memory, gsize bytes)
{
  g_return_if_fail (memory == NULL);
}

static void
copy (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes)
{
  g_return_if_reached ();
}

static gboolean
import_weight (Cnn3dModel *m, guint param, const gfloat *values, gfloat *array, GError **error)
{
  return not_here (m->device, error);
}

static gboolean
export_weight (Cnn3dModel *m, guint param, const gfloat *array, gfloat *values, GError **error)
{
  return not_here (m->device, error);
}

static gboolean
refresh (Cnn3dModel *m, const gfloat *weights, gpointer copy, GError **error)
{
  return not_here (m->device, error);
}

static gboolean
run (Cnn3dProgram *p, const Cnn3dStep *step, const Cnn3dBinding *binding, GError **error)
{
  return not_here (p->model->device, error);
}

static gboolean
finish (Cnn3dProgram *p, const Cnn3dBinding *binding, GError **error)
{
  return not_here (p->model->device, error);
}

static void
update (Cnn3dDevice *d, const Cnn3dUpdate *u, gsize n, gfloat *weights, const gfloat *gradients, gfloat *first,
    gfloat *second)
{
  g_return_if_reached ();
}

static gdouble
sum_squares (Cnn3dDevice *d, gsize n, const gfloat *values)
{
  g_return_val_if_reached (0);
}

static const Cnn3dBackend backend = {
  .abi = CNN3D_BACKEND_ABI,
  .name = "cuda",
  .open = device_open,
  .close = device_close,
  .describe = device_describe,
  .resolve_precision = resolve_precision,
  .memory = device_memory,
  .speed = device_speed,
  .alloc = memory_alloc,
  .free = memory_free,
  .upload = copy,
  .download = copy,
  .model_new = cuda_model_new,
  .model_free = cuda_model_free,
  .model_layout = cuda_model_layout,
  .import_weight = import_weight,
  .export_weight = export_weight,
  .refresh = refresh,
  .program_new = cuda_program_new,
  .program_free = cuda_program_free,
  .program_sizes = cuda_program_sizes,
  .run = run,
  .finish = finish,
  .update = update,
  .sum_squares = sum_squares,
};

G_MODULE_EXPORT const Cnn3dBackend *cnn3d_backend (void);

const Cnn3dBackend *
cnn3d_backend (void)
{
  return &backend;
}
