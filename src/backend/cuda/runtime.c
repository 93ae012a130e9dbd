/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/runtime.h"

#include <string.h>

#include "src/backend/cuda/context.h"

#define PINNED_BYTES ((gsize) 1 << 20)
#define OLDEST_CAPABILITY 750 /* that the kernels are compiled for */

/* After each of the first passes, when kernels were loaded and graphs made, the context is measured;
 * later ones, of an evaluation perhaps, when the device is closed. */
#define MEASURED_PASSES 4

typedef struct {
  guint8 *to;
  gsize offset, stride; /* in the pinned memory */
  gsize bytes;          /* of a row */
  guint rows;
} CudaFetch;

gboolean
cuda_ok (gint status, const gchar *what, GError **error)
{
  if (status == cudaSuccess)
    return TRUE;
  cudaGetLastError (); /* clear it, so that the next kernel's check does not report it again */
  g_set_error (error, CNN3D_BACKEND_ERROR,
      status == cudaErrorMemoryAllocation ? CNN3D_BACKEND_ERROR_MEMORY : CNN3D_BACKEND_ERROR_FAILED,
      "CUDA: %s: %s (error %d)", what, cudaGetErrorString (status), status);
  return FALSE;
}

gboolean
cuda_enter (Cnn3dDevice *d, GError **error)
{
  if (!d->here)
    return cuda_runs_nothing (d, error);
  return cuda_ok (cudaSetDevice (d->here->index), "the GPU cannot be selected", error);
}

/* --- opening --- */

/* The number of GPUs; 0 with error. */
static gint
count_devices (GError **error)
{
  gint n = 0;
  const cudaError_t status = cudaGetDeviceCount (&n);

  if (status == cudaSuccess && n > 0)
    return n;
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
      "there is no NVIDIA GPU here (%s): use device=cpu",
      status == cudaSuccess || status == cudaErrorNoDevice ? "CUDA finds none"
          : status == cudaErrorInsufficientDriver ? "no driver for CUDA 13 or later is installed"
                                                  : cudaGetErrorString (status));
  return 0;
}

static gboolean
get_attribute (gint index, enum cudaDeviceAttr attribute, gint *value, GError **error)
{
  return cuda_ok (cudaDeviceGetAttribute (value, attribute, index),
      "the GPU's properties cannot be read", error);
}

static gint
capability (gint index, GError **error)
{
  gint major, minor;

  if (!get_attribute (index, cudaDevAttrComputeCapabilityMajor, &major, error)
      || !get_attribute (index, cudaDevAttrComputeCapabilityMinor, &minor, error))
    return 0;
  return 100 * major + 10 * minor;
}

static gchar *
describe (gint index, struct cudaDeviceProp *properties, GError **error)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  if (!cuda_ok (cudaGetDeviceProperties (properties, index), "the GPU's properties cannot be read",
          error))
    return NULL;
  return g_strdup_printf ("%.256s, %s GiB, compute capability %d.%d", properties->name,
      g_ascii_formatd (number, sizeof number, "%.1f", properties->totalGlobalMem / 0x1p30),
      properties->major, properties->minor);
}

gchar **
cuda_here_list (GError **error)
{
  const gint n = count_devices (error);
  gchar **list = g_new0 (gchar *, n + 1);
  gint k = 0;

  for (gint i = 0; i < n; i++) {
    struct cudaDeviceProp properties;
    g_autofree gchar *text = describe (i, &properties, NULL);

    if (text)
      list[k++] = g_strdup_printf ("cuda:%d: %s", i, text);
  }
  return list;
}

static gboolean
take_own (CudaHere *h, GError **error)
{
  if (!cuda_ok (cudaStreamCreateWithFlags (&h->work, cudaStreamNonBlocking),
          "cannot create the work stream", error)
      || !cuda_ok (cudaStreamCreateWithFlags (&h->copies, cudaStreamNonBlocking),
          "cannot create the copy stream", error)
      || !cuda_ok (cudaEventCreateWithFlags (&h->staged, cudaEventDisableTiming),
          "cannot create an event", error)
      || !cuda_ok (cudaEventCreate (&h->begin), "cannot create an event", error)
      || !cuda_ok (cudaEventCreate (&h->end), "cannot create an event", error))
    return FALSE;
  for (guint i = 0; i < CUDA_BOUNCES; i++)
    if (!cuda_ok (cudaEventCreateWithFlags (&h->bounces[i].done, cudaEventDisableTiming),
            "cannot create an event", error))
      return FALSE;
  if (!cuda_ok (cudaHostAlloc ((void **) &h->pinned, PINNED_BYTES, cudaHostAllocDefault),
          "cannot allocate pinned memory", error))
    return FALSE;
  h->pinned_size = PINNED_BYTES;
  /* counts as context */
  if (!cuda_ok (cudaMalloc ((void **) &h->small, sizeof *h->small),
          "cannot allocate the GPU's memory", error))
    return FALSE;
  return cuda_ok (
      cudaMemsetAsync (h->small, 0, sizeof *h->small, h->work), "memory cannot be cleared", error);
}

/* The version of cuDNN with which the N-th GPU can be used; 0 with error. */
static guint
check_device (gint index, GError **error)
{
  const gint n = count_devices (error);
  gint has;

  if (!n)
    return 0;
  if (index < 0 || index >= n) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "there is no GPU number %d here, only 0 to %d: use device=cuda:0", index, n - 1);
    return 0;
  }
  has = capability (index, error);
  if (!has)
    return 0;
  if (has < OLDEST_CAPABILITY) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "this GPU's compute capability is %d.%d, and 7.5 is the oldest that is supported: use "
        "device=cpu",
        has / 100, has / 10 % 10);
    return 0;
  }
  return cuda_dnn_version (error);
}

gchar *
cuda_here_identify (gint index, GError **error)
{
  struct cudaDeviceProp properties;
  GString *name;

  if (!check_device (index, error)
      || !cuda_ok (cudaGetDeviceProperties (&properties, index),
          "the GPU's properties cannot be read", error))
    return NULL;
  name = g_string_new ("GPU-");
  for (guint i = 0; i < CUDA_UUID_BYTES; i++)
    g_string_append_printf (name, "%02x", (guint8) properties.uuid.bytes[i]);
  return g_string_free (name, FALSE);
}

gboolean
cuda_here_open (Cnn3dDevice *d, gint index, GError **error)
{
  const guint version = check_device (index, error);
  struct cudaDeviceProp properties;
  CudaHere *h;

  if (!version)
    return FALSE;

  g_autofree gchar *text = describe (index, &properties, error);

  if (!text)
    return FALSE;
  h = d->here = g_new0 (CudaHere, 1);
  h->index = index;
  h->gpu = g_strndup (properties.name, sizeof properties.name);
  G_STATIC_ASSERT (sizeof properties.uuid == CUDA_UUID_BYTES);
  memcpy (h->uuid, &properties.uuid, CUDA_UUID_BYTES);
  d->context = cuda_contexts_figure (h->gpu, cuda_nvml_driver (), version, NULL);
  cuda_context_begin (h->uuid);
  h->fetches = g_array_new (FALSE, FALSE, sizeof (CudaFetch));
  if (!cuda_enter (d, error) || !take_own (h, error)
      || !(d->dnn = cuda_dnn_gpu_open (h->work, error))) {
    cuda_here_close (d);
    return FALSE;
  }
  d->name = g_strdup_printf (
      "%s, cuDNN %u.%u.%u", text, version / 10000, version / 100 % 100, version % 100);
  return TRUE;
}

/* Keeps what driver and libraries take for later plans, unless others' memory cannot be told from it. */
static void
measure_context (CudaHere *h)
{
  const guint64 passes = h->passes.eager + h->passes.replayed,
                bytes = passes > h->measured && !h->shared ? cuda_context_measure (h->uuid) : 0;
  const guint version = cuda_dnn_version (NULL);

  h->measured = passes;
  if (bytes)
    cuda_contexts_keep (h->gpu, cuda_nvml_driver (), version, bytes);
}

void
cuda_here_close (Cnn3dDevice *d)
{
  CudaHere *h = d->here;

  if (!h)
    return;
  measure_context (h);
  cudaSetDevice (h->index);
  if (h->work)
    cudaStreamSynchronize (h->work);
  if (h->copies)
    cudaStreamSynchronize (h->copies);
  if (h->others)
    cudaStreamSynchronize (h->others);
  cuda_dnn_gpu_free (&d->dnn);
  for (guint i = 0; i < CUDA_BOUNCES; i++) {
    if (h->bounces[i].memory)
      cudaFreeHost (h->bounces[i].memory);
    if (h->bounces[i].done)
      cudaEventDestroy (h->bounces[i].done);
  }
  if (h->small)
    cudaFree (h->small);
  if (h->pinned)
    cudaFreeHost (h->pinned);
  if (h->end)
    cudaEventDestroy (h->end);
  if (h->begin)
    cudaEventDestroy (h->begin);
  if (h->staged)
    cudaEventDestroy (h->staged);
  if (h->reached)
    cudaEventDestroy (h->reached);
  if (h->others)
    cudaStreamDestroy (h->others);
  if (h->copies)
    cudaStreamDestroy (h->copies);
  if (h->work)
    cudaStreamDestroy (h->work);
  g_array_free (h->fetches, TRUE);
  g_free (h->trained);
  g_free (h->stretches);
  g_free (h->unrecorded);
  g_free (h->gpu);
  g_free (h);
  d->here = NULL;
}

/* --- description --- */

gint
cuda_here_capability (Cnn3dDevice *d)
{
  return capability (d->here->index, NULL);
}

void
cuda_here_memory (Cnn3dDevice *d, Cnn3dDeviceMemory *memory)
{
  size_t available = 0, total = 0;

  if (cuda_enter (d, NULL))
    cudaMemGetInfo (&available, &total);
  memory->total = total;
  available += cuda_context_measure (d->here->uuid);
  memory->available = MIN (total, available);
}

/* FP16 multiply-adds, with FP32 sums, of a multiprocessor per clock cycle, from NVIDIA's tables of
 * its architectures; TF32 has half of it. */
static gint
macs_per_cycle (gint capability)
{
  switch (capability) {
    case 800:
      return 1024;
    case 900:
      return 2048;
    case 1000:
    case 1030:
      return 4096;
    default:
      return 512;
  }
}

void
cuda_here_speed (Cnn3dDevice *d, Cnn3dPrecision precision, Cnn3dDeviceSpeed *speed)
{
  const gint has = cuda_here_capability (d);
  gint processors = 1, kilohertz = 1000000, memory_kilohertz = 1000000, bits = 64;
  gdouble macs;

  get_attribute (d->here->index, cudaDevAttrMultiProcessorCount, &processors, NULL);
  get_attribute (d->here->index, cudaDevAttrClockRate, &kilohertz, NULL);
  get_attribute (d->here->index, cudaDevAttrMemoryClockRate, &memory_kilohertz, NULL);
  get_attribute (d->here->index, cudaDevAttrGlobalMemoryBusWidth, &bits, NULL);
  macs = (gdouble) macs_per_cycle (has) * processors * kilohertz * 1e3;
  if (precision == CNN3D_PRECISION_32)
    macs = d->params.tf32 && has >= 800 ? macs / 2 : 128.0 * processors * kilohertz * 1e3;
  speed->macs_per_second = MAX (macs, 1);
  speed->bytes_per_second = MAX (memory_kilohertz * 1e3 * 2 * bits / 8, 1);
}

/* PCIe 3 with 16 lanes: a link of which nothing is known. */
#define USUAL_LINK 15.75e9

/* The first number in a file of the device that the kernel lists; 0: none. */
static gdouble
read_link (const gchar *bus, const gchar *name)
{
  g_autofree gchar *path = g_build_filename ("/sys/bus/pci/devices", bus, name, NULL);
  g_autofree gchar *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? g_ascii_strtod (text, NULL) : 0;
}

gdouble
cuda_here_link (Cnn3dDevice *d)
{
  gchar bus[32];

  if (cudaDeviceGetPCIBusId (bus, sizeof bus, d->here->index) != cudaSuccess) {
    cudaGetLastError ();
    return USUAL_LINK;
  }
  /* the kernel's names are in lower case */
  for (gchar *c = bus; *c; c++)
    *c = g_ascii_tolower (*c);

  /* an idle link is slowed down: what its two ends can do counts, and the lanes that are there */
  const gdouble lanes = read_link (bus, "current_link_width"),
                card = read_link (bus, "max_link_speed"),
                slot = read_link (bus, "../max_link_speed");
  const gdouble transfers = 1e9 * (slot > 0 ? MIN (card, slot) : card);

  /* 128 bits of 130 since PCIe 3, 8 of 10 before */
  return lanes > 0 && transfers > 0
      ? lanes * transfers / 8 * (transfers > 6e9 ? 128 / 130. : 8 / 10.)
      : USUAL_LINK;
}

/* --- memory --- */

gpointer
cuda_alloc (Cnn3dDevice *d, gsize bytes, GError **error)
{
  gpointer memory = NULL;
  g_autofree gchar *what = g_strdup_printf ("%" G_GSIZE_FORMAT " bytes cannot be allocated", bytes);

  if (!cuda_enter (d, error))
    return NULL;
  if (!cuda_ok (cudaMalloc (&memory, MAX (bytes, 1)), what, error))
    return NULL;
  if (!cuda_ok (
          cudaMemsetAsync (memory, 0, bytes, d->here->work), "memory cannot be cleared", error)) {
    cudaFree (memory);
    return NULL;
  }
  cuda_context_count (d->here->uuid, bytes);
  return memory;
}

void
cuda_free (Cnn3dDevice *d, gpointer memory, gsize bytes)
{
  cudaFree (memory);
  cuda_context_count (d->here->uuid, -(gssize) bytes);
}

/* Both go through the stream of work, so that they keep its order. */
gboolean
cuda_upload (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  return cuda_enter (d, error)
      && cuda_ok (cudaMemcpyAsync (to, from, bytes, cudaMemcpyHostToDevice, d->here->work),
          "a copy failed", error)
      && cuda_ok (cudaStreamSynchronize (d->here->work), "a copy failed", error);
}

gboolean
cuda_download (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  return cuda_enter (d, error)
      && cuda_ok (cudaMemcpyAsync (to, from, bytes, cudaMemcpyDeviceToHost, d->here->work),
          "a copy failed", error)
      && cuda_ok (cudaStreamSynchronize (d->here->work), "a copy failed", error);
}

/* --- asynchronous copies --- */

/* Pinned memory until the next finish(). Where it is used up, everything under
 * way is waited for, and it grows. */
static guint8 *
take_pinned (Cnn3dDevice *d, gsize bytes, GError **error)
{
  CudaHere *h = d->here;
  const gsize rounded = cuda_align (bytes);
  guint8 *memory;

  if (h->pinned_used + rounded > h->pinned_size) {
    const gsize size = MAX (2 * h->pinned_size, 2 * rounded);

    if (!cuda_finish (d, error)
        || !cuda_ok (cudaHostAlloc ((void **) &memory, size, cudaHostAllocDefault),
            "cannot allocate pinned memory", error))
      return NULL;
    cudaFreeHost (h->pinned);
    h->pinned = memory;
    h->pinned_size = size;
  }
  memory = h->pinned + h->pinned_used;
  h->pinned_used += rounded;
  return memory;
}

gboolean
cuda_send (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  guint8 *pinned = take_pinned (d, bytes, error);

  if (!pinned)
    return FALSE;
  memcpy (pinned, from, bytes);
  return cuda_ok (cudaMemcpyAsync (to, pinned, bytes, cudaMemcpyHostToDevice, d->here->work),
      "a copy failed", error);
}

gboolean
cuda_fetch_rows (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, gsize stride,
    guint rows, GError **error)
{
  CudaHere *h = d->here;
  const gsize all = rows ? (rows - 1) * stride + bytes : 0;
  CudaFetch fetch = { to, 0, stride, bytes, rows };
  guint8 *pinned;

  if (!all)
    return TRUE;
  if (!cuda_enter (d, error) || !(pinned = take_pinned (d, all, error))
      || !cuda_ok (cudaMemcpyAsync (pinned, from, all, cudaMemcpyDeviceToHost, h->work),
          "a copy failed", error))
    return FALSE;
  fetch.offset = pinned - h->pinned;
  g_array_append_val (h->fetches, fetch);
  return TRUE;
}

gboolean
cuda_fetch (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  return cuda_fetch_rows (d, to, from, bytes, bytes, 1, error);
}

gboolean
cuda_finish (Cnn3dDevice *d, GError **error)
{
  CudaHere *h = d->here;
  const gboolean ok = cuda_enter (d, error)
      && cuda_ok (cudaStreamSynchronize (h->work), "the GPU failed while it computed", error);

  for (guint i = 0; ok && i < h->fetches->len; i++) {
    const CudaFetch *f = &g_array_index (h->fetches, CudaFetch, i);

    for (guint row = 0; row < f->rows; row++)
      memcpy (f->to + row * f->bytes, h->pinned + f->offset + row * f->stride, f->bytes);
  }
  g_array_set_size (h->fetches, 0);
  h->pinned_used = 0;
  if (ok && h->measured < MEASURED_PASSES)
    measure_context (h);
  return ok;
}

gpointer
cuda_stream (Cnn3dDevice *d, GError **error)
{
  CudaHere *h = d->here;

  if (!cuda_enter (d, error)
      || (!h->others
          && !cuda_ok (cudaStreamCreateWithFlags (&h->others, cudaStreamNonBlocking),
              "cannot create the stream of exchanges", error))
      || (!h->reached
          && !cuda_ok (cudaEventCreateWithFlags (&h->reached, cudaEventDisableTiming),
              "cannot create an event", error))
      || !cuda_ok (cudaEventRecord (h->reached, h->work), "an exchange failed", error)
      || !cuda_ok (cudaStreamWaitEvent (h->others, h->reached, 0), "an exchange failed", error))
    return NULL;
  h->shared = TRUE;
  return h->others;
}

gboolean
cuda_busy (Cnn3dDevice *d, gboolean *busy, GError **error)
{
  const cudaError_t status = cudaStreamQuery (d->here->others);

  *busy = status == cudaErrorNotReady;
  return *busy || cuda_ok (status, "the GPU failed while it computed", error);
}

gboolean
cuda_stage (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  CudaHere *h = d->here;
  const guint i = h->next_bounce;

  /* its last copy is two batches old, and done */
  if (!cuda_enter (d, error)
      || !cuda_ok (cudaEventSynchronize (h->bounces[i].done), "a copy failed", error))
    return FALSE;
  if (h->bounces[i].size < bytes) {
    if (h->bounces[i].memory)
      cudaFreeHost (h->bounces[i].memory);
    h->bounces[i].memory = NULL;
    h->bounces[i].size = 0;
    if (!cuda_ok (cudaHostAlloc ((void **) &h->bounces[i].memory, bytes, cudaHostAllocDefault),
            "cannot allocate pinned memory", error))
      return FALSE;
    h->bounces[i].size = bytes;
  }
  h->next_bounce = (i + 1) % CUDA_BOUNCES;
  memcpy (h->bounces[i].memory, from, bytes);
  if (!cuda_ok (
          cudaMemcpyAsync (to, h->bounces[i].memory, bytes, cudaMemcpyHostToDevice, h->copies),
          "a copy failed", error)
      || !cuda_ok (cudaEventRecord (h->bounces[i].done, h->copies), "a copy failed", error)
      || !cuda_ok (cudaEventRecord (h->staged, h->copies), "a copy failed", error))
    return FALSE;
  h->stages = TRUE;
  return TRUE;
}

gboolean
cuda_wait_for_staged (Cnn3dDevice *d, GError **error)
{
  CudaHere *h = d->here;

  if (!h->stages)
    return TRUE;
  h->stages = FALSE;
  return cuda_ok (cudaStreamWaitEvent (h->work, h->staged, 0), "a copy failed", error);
}
