/* cuda.c: the CUDA back end's device and table. A device opened from a profile computes the memory
 * of training on a GPU that need not be in this machine.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/device.h"

#include <gmodule.h>

#include "src/backend/cuda/run.h"
#include "src/escape.h"
#include "src/hostmemory.h"

/* Seconds to start one step of a plan: one to three kernels, a few microseconds
 * each. An estimate. */
#define STEP_SECONDS 10e-6

/* Of the link's rate, after its encoding, what copies of pinned memory reach: packets have headers.
 * An estimate. */
#define LINK_SHARE 0.8

/* cuDNN takes another algorithm for each size of a batch, and one clip does not fill a GPU. */
#define EVALUATION_SLICE 8

/* --- device --- */

static void
device_close (Cnn3dDevice **device)
{
  Cnn3dDevice *d = *device;

  *device = NULL;
  if (!d)
    return;
  cuda_here_close (d);
  cuda_dnn_gpu_free (&d->dnn);
  cuda_profile_free (&d->profile);
  g_free (d->context.source);
  g_free (d->name);
  g_free (d);
}

static Cnn3dDevice *
device_open (const Cnn3dDeviceParams *params, GError **error)
{
  g_autoptr (GError) reason = NULL;
  Cnn3dDevice *d;
  guint version;

  d = g_new0 (Cnn3dDevice, 1);
  d->params = *params;
  d->params.profile = NULL;
  if (!params->profile) {
    if (!cuda_here_open (d, params->index, error))
      goto failed;
    return d;
  }
  d->profile = cuda_profile_read (params->profile, error);
  if (!d->profile)
    goto failed;
  version = cuda_dnn_version (&reason);
  d->context = cuda_contexts_figure (d->profile->name, NULL, version, d->profile);
  if (!version) {
    d->name = g_strdup_printf (
        "%s (not installed), workspaces by bound: %s", d->profile->name, reason->message);
    return d;
  }
  d->dnn = cuda_dnn_gpu_new (d->profile->properties, error);
  if (!d->dnn) {
    g_autofree gchar *shown = cnn3d_escape (params->profile, FALSE);

    g_prefix_error (error, "%s: ", shown);
    goto failed;
  }
  d->name = g_strdup_printf ("%s (not installed), workspaces by cuDNN %u.%u.%u", d->profile->name,
      version / 10000, version / 100 % 100, version % 100);
  return d;

  /* ERRORS */
failed:
  device_close (&d);
  return NULL;
}

gboolean
cuda_runs_nothing (const Cnn3dDevice *d, GError **error)
{
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
      "%s cannot run: it is a plan for a GPU that is not installed", d->name);
  return FALSE;
}

static const gchar *
device_describe (Cnn3dDevice *d)
{
  return d->name;
}

static guint
capability (Cnn3dDevice *d)
{
  return d->here ? (guint) cuda_here_capability (d) : d->profile->capability;
}

static gboolean
resolve_precision (Cnn3dDevice *d, Cnn3dPrecision *precision, GError **error)
{
  const guint has = capability (d);

  if (*precision != CNN3D_PRECISION_BF16_MIXED || has >= 800)
    return TRUE;
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
      "%s has no bf16 (compute capability %u.%u, it came with 8.0): use precision=16-mixed",
      d->here ? d->name : d->profile->name, has / 100, has / 10 % 10);
  return FALSE;
}

static void
device_memory (Cnn3dDevice *d, Cnn3dDeviceMemory *memory)
{
  if (d->here)
    cuda_here_memory (d, memory);
  else
    memory->total = memory->available = d->profile->memory;
  memory->context = d->context.bytes;
  memory->context_source = d->context.source;
}

static void
device_speed (Cnn3dDevice *d, Cnn3dPrecision precision, Cnn3dDeviceSpeed *speed)
{
  const CudaProfile *p = d->profile;

  if (d->here) {
    cuda_here_speed (d, precision, speed);
  } else {
    const guint64 flops = precision == CNN3D_PRECISION_32
        ? d->params.tf32 ? MAX (p->tf32, p->fp32) : p->fp32
        : p->fp16;

    speed->macs_per_second = flops / 2.0;
    speed->bytes_per_second = p->bytes_per_second;
  }
  speed->step_seconds = STEP_SECONDS;
  speed->link_bytes_per_second = LINK_SHARE * (d->here ? cuda_here_link (d) : p->link);
}

static gboolean
store_room (Cnn3dDevice *d, guint64 *bytes, const gchar **place, GError **error)
{
  guint64 total;

  *place = "RAM";
  *bytes = G_MAXUINT64;
  if (d->here)
    cnn3d_host_memory (&total, bytes);
  return TRUE;
}

static const Cnn3dBackend backend = {
  .abi = CNN3D_BACKEND_ABI,
  .name = "cuda",
  .list = cuda_here_list,
  .open = device_open,
  .close = device_close,
  .describe = device_describe,
  .resolve_precision = resolve_precision,
  .memory = device_memory,
  .passes = cuda_passes,
  .speed = device_speed,
  .alloc = cuda_alloc,
  .free = cuda_free,
  .upload = cuda_upload,
  .download = cuda_download,
  .evaluation_slice = EVALUATION_SLICE,
  .asynchronous = TRUE,
  .stage = cuda_stage,
  .fetch = cuda_fetch,
  .finish = cuda_finish,
  .store_room = store_room,
  .store_new = cuda_store_new,
  .store_free = cuda_store_free,
  .model_new = cuda_model_new,
  .model_free = cuda_model_free,
  .model_layout = cuda_model_layout,
  .import_weight = cuda_import_weight,
  .export_weight = cuda_export_weight,
  .refresh = cuda_refresh,
  .program_new = cuda_program_new,
  .program_free = cuda_program_free,
  .program_sizes = cuda_program_sizes,
  .run = cuda_run,
  .read_activation = cuda_read_activation,
  .update = cuda_update_all,
  .square_pieces = cuda_square_slice,
  .add = cuda_add,
  .identify = cuda_here_identify,
  .stream = cuda_stream,
  .busy = cuda_busy,
};

G_MODULE_EXPORT const Cnn3dBackend *cnn3d_backend (void);

const Cnn3dBackend *
cnn3d_backend (void)
{
  return &backend;
}
