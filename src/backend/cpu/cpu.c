/* cpu.c: the CPU back end's device, programs and table.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity() */
#endif
#include "src/backend/cpu/convpass.h"
#include "src/backend/cpu/findings.h"
#include "src/backend/cpu/store.h"

#include <math.h>
#include <omp.h>
#include <gmodule.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sched.h>
#include <string.h>

/* --- device --- */

static guint
usable_cores (void)
{
  cpu_set_t set;

  if (sched_getaffinity (0, sizeof set, &set) == 0)
    return MAX (1, CPU_COUNT (&set));
  return g_get_num_processors ();
}

static void
device_close (Cnn3dDevice **device)
{
  Cnn3dDevice *d = *device;

  *device = NULL;
  if (!d)
    return;
  if (d->dnnl.stream)
    dnnl_stream_destroy (d->dnnl.stream);
  if (d->dnnl.engine)
    dnnl_engine_destroy (d->dnnl.engine);
  cpu_findings_free (d->findings);
  g_free (d->name);
  g_free (d);
}

static Cnn3dDevice *
device_open (const Cnn3dDeviceParams *params, GError **error)
{
  const dnnl_version_t *version = dnnl_version ();
  Cnn3dDevice *d;

  if (params->profile) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "%s describes a GPU, not a CPU: plans for a CPU are for this machine's", params->profile);
    return NULL;
  }
  /* its engines and memory are SYCL's, not the CPU's */
  if (version->cpu_runtime & DNNL_RUNTIME_DPCPP) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "oneDNN %d.%d.%d was built for SYCL: install one that was built for CPUs, with OpenMP, and "
        "build with that",
        version->major, version->minor, version->patch);
    return NULL;
  }
  d = g_new0 (Cnn3dDevice, 1);
  if (dnnl_engine_create (&d->dnnl.engine, dnnl_cpu, 0) != dnnl_success
      || dnnl_stream_create (&d->dnnl.stream, d->dnnl.engine, dnnl_stream_default_flags)
          != dnnl_success) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED,
        "oneDNN %d.%d.%d finds no CPU to run on", version->major, version->minor, version->patch);
    device_close (&d);
    return NULL;
  }
  d->threads = params->threads ? params->threads : usable_cores ();
  d->convolution = params->convolution;
  d->kernels = cpu_kernels_select ();
  d->findings = cpu_findings_new ();
  d->name = g_strdup_printf ("CPU, %u thread%s, %s, oneDNN %d.%d.%d", d->threads,
      d->threads > 1 ? "s" : "", d->kernels->name, version->major, version->minor, version->patch);
  return d;
}

static const gchar *
device_describe (Cnn3dDevice *d)
{
  return d->name;
}

static gchar **
device_list (GError **error)
{
  const Cnn3dDeviceParams params = { 0 };
  gchar **list = g_new0 (gchar *, 2);
  Cnn3dDevice *d = device_open (&params, error);

  if (d)
    list[0] = g_strdup_printf ("cpu: %s", d->name);
  device_close (&d);
  return list;
}

static gboolean
resolve_precision (Cnn3dDevice *d, Cnn3dPrecision *precision, GError **error)
{
  if (*precision == CNN3D_PRECISION_16_MIXED)
    *precision = CNN3D_PRECISION_BF16_MIXED;
  return TRUE;
}

/* Rough rates of large convolutions; only their ratios matter. */
static void
device_speed (Cnn3dDevice *d, Cnn3dPrecision precision, Cnn3dDeviceSpeed *speed)
{
  const gdouble lanes = strstr (d->kernels->name, "512") ? 16
      : strstr (d->kernels->name, "2")                   ? 8
                                                         : 4;

  speed->macs_per_second = 3e9 * lanes * d->threads * (precision == CNN3D_PRECISION_32 ? 1 : 2);
  speed->bytes_per_second = 15e9;
  speed->step_seconds = 20e-6;
  speed->link_bytes_per_second = 1e9; /* a disk's */
}

static gboolean
copy (Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes, GError **error)
{
  memcpy (to, from, bytes);
  return TRUE;
}

static gboolean
finish (Cnn3dDevice *d, GError **error)
{
  if (dnnl_stream_wait (d->dnnl.stream) == dnnl_success)
    return TRUE;
  g_set_error (
      error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED, "oneDNN failed to finish a step");
  return FALSE;
}

#define COPY_PIECE (256 << 10)

void
cpu_copy (const Cnn3dDevice *d, gpointer to, gconstpointer from, gsize bytes)
{
#pragma omp parallel for num_threads(d->threads) schedule(static)
  for (gsize i = 0; i < bytes; i += COPY_PIECE)
    memcpy ((guint8 *) to + i, (const guint8 *) from + i, MIN (COPY_PIECE, bytes - i));
}

/* --- programs --- */

static const Cnn3dWeightLayout *
model_layout (Cnn3dModel *m)
{
  return &m->layout;
}

static void
program_free (Cnn3dProgram **program)
{
  Cnn3dProgram *p = *program;

  *program = NULL;
  if (!p)
    return;
  for (guint i = 0; i < p->model->net->n_ops; i++) {
    for (gint k = 0; k < 3; k++)
      cpu_conv_pass_clear (&p->conv[i].passes[k]);
    cpu_primitive_clear (&p->pool[i].forward);
    cpu_primitive_clear (&p->pool[i].backward);
  }
  g_free (p->conv);
  g_free (p->pool);
  cnn3d_sizes_clear (&p->sizes);
  g_free (p);
}

static Cnn3dProgram *
program_new (Cnn3dModel *m, const Cnn3dProgramParams *params, GError **error)
{
  const Cnn3dNetwork *net = m->net;
  const guint batch = params->batch, views = cnn3d_network_views (&net->params);
  Cnn3dProgram *p = g_new0 (Cnn3dProgram, 1);

  p->model = m;
  p->batch = batch;
  p->training = params->training;
  p->syncs = params->syncs;
  p->conv = g_new0 (CpuConv, net->n_ops);
  p->pool = g_new0 (CpuPool, net->n_ops);
  cnn3d_sizes_init (&p->sizes, net, batch);
  m->device->dnnl.sizes_only = params->sizes_only;
  /* oneDNN splits its work when a primitive is created, for the number of threads at that time. */
  omp_set_num_threads (m->device->threads);
  for (guint i = 0; i < net->n_tensors; i++) {
    const Cnn3dTensor *t = &net->tensors[i];

    if (cpu_is_blocked (net, i))
      p->sizes.activation[i] = cpu_rows (p, i) * cpu_clip_bytes (m, t);
    else if (net->ops[t->producer].kind == CNN3D_OP_INPUT)
      p->sizes.activation[i] = cpu_rows (p, i) * t->c * cpu_points (t) * m->element;
    else
      p->sizes.activation[i] = cpu_rows (p, i) * cpu_row (t) * sizeof (gfloat);
    p->sizes.gradient[i] = p->sizes.activation[i];
  }
  for (guint i = 0; i < net->n_weights; i++)
    if (CNN3D_PARAM_TRAINED (net->weights[i].role))
      p->sizes.parameters[net->weights[i].op] += m->layout.length[i] * sizeof (gfloat);
  for (guint i = 0; i < net->n_ops; i++) {
    gboolean ok = TRUE;

    if (net->ops[i].kind == CNN3D_OP_CONV) {
      p->sizes.slice[i] = params->training
          ? cpu_conv_slice (m, &net->ops[i], batch * views, params->most * views)
          : 1;
      p->sizes.adds[i] = cnn3d_op_is_strided_pointwise (&net->ops[i]);
      p->sizes.gathers[i] = params->accumulates;
      ok = cpu_conv_setup (p, i, params->accumulates, params->checks || !params->sizes_only, error);
    }
    if (net->ops[i].kind == CNN3D_OP_MAX_POOL)
      ok = cpu_max_pool_setup (p, i, error);
    else if (net->ops[i].kind == CNN3D_OP_NORM)
      cpu_norm_setup (p, i);
    if (!ok) {
      program_free (&p);
      break;
    }
  }
  m->device->dnnl.sizes_only = FALSE;
  /* frees what oneDNN kept for the check */
  if (m->device->check_memory.data) {
    cpu_dnnl_forget ();
#ifdef __GLIBC__
    malloc_trim (0);
#endif
  }
  cnn3d_temporary_give_back (&m->device->check_memory);
  return p;
}

static const Cnn3dSizes *
program_sizes (Cnn3dProgram *p)
{
  return &p->sizes;
}

static gboolean
program_replaced (Cnn3dProgram *p)
{
  return p->replaced;
}

static inline gpointer
address (const Cnn3dBinding *b, gsize offset)
{
  return offset == CNN3D_NOWHERE ? NULL : b->arena + offset;
}

/* --- updates --- */

static void
update_stretch (Cnn3dDevice *d, const Cnn3dUpdate *u, gfloat scale, gsize n, gfloat *w,
    const gfloat *g, gfloat *first, gfloat *second)
{
  const CpuKernels *k = d->kernels;
  /* torch.optim.Adam: step size lr / (1 - beta1^t), sqrt (v) / sqrt (1 - beta2^t) */
  const gdouble rate = u->lr / (1 - pow (u->beta1, u->step)),
                root = 1 / sqrt (1 - pow (u->beta2, u->step));
  const gboolean decoupled = u->rule == CNN3D_UPDATE_ADAMW;

#pragma omp parallel for num_threads(d->threads) schedule(static)
  for (gsize i = 0; i < n; i += CNN3D_UPDATE_PIECE) {
    const gsize length = MIN (CNN3D_UPDATE_PIECE, n - i);

    if (u->rule == CNN3D_UPDATE_SGD)
      k->sgd (length, w + i, g + i, first ? first + i : NULL, u->lr, u->momentum, u->weight_decay,
          scale);
    else
      k->adam (length, w + i, g + i, first + i, second + i, rate, root, u->beta1, u->beta2, u->eps,
          decoupled ? 0 : u->weight_decay, decoupled ? 1 - u->lr * u->weight_decay : 1, scale);
  }
}

/* Independent of the number of threads. */
static gdouble
sum_squares (Cnn3dDevice *d, gsize n, const gfloat *values)
{
  const gsize pieces = (n + CNN3D_UPDATE_PIECE - 1) / CNN3D_UPDATE_PIECE;
  gdouble partial[256], sum = 0;

  for (gsize start = 0; start < pieces; start += G_N_ELEMENTS (partial)) {
    const gsize count = MIN (G_N_ELEMENTS (partial), pieces - start);

#pragma omp parallel for num_threads(d->threads) schedule(static)
    for (gsize i = 0; i < count; i++) {
      const gsize first = (start + i) * CNN3D_UPDATE_PIECE;

      partial[i] = d->kernels->sum_squares (MIN (CNN3D_UPDATE_PIECE, n - first), values + first);
    }
    for (gsize i = 0; i < count; i++)
      sum += partial[i];
  }
  return sum;
}

/* The next range that trains as a whole, or what of it is in the arrays' slice. */
static gboolean
next_stretch (const Cnn3dModel *m, const Cnn3dArrays *a, guint *i, gsize *first, gsize *n)
{
  gsize end;

  while (cnn3d_next_stretch (&m->layout, m->net->n_weights, a->trained, i, first, n)) {
    if (a->count == 0)
      return TRUE;
    end = MIN (*first + *n, a->from + a->count);
    *first = MAX (*first, a->from);
    if (*first < end) {
      *n = end - *first;
      return TRUE;
    }
  }
  return FALSE;
}

static gpointer
floats_at (gfloat *array, gsize first)
{
  return array ? array + first : NULL;
}

static gboolean
update (Cnn3dModel *m, const Cnn3dArrays *a, const Cnn3dUpdate *u, gdouble *squares, GError **error)
{
  gfloat scale = u->gradient_scale;
  gsize first, n;

  if (u->checks || u->clip > 0) {
    gdouble sum = u->squares;

    for (guint i = 0; a->count == 0 && next_stretch (m, a, &i, &first, &n);)
      sum += sum_squares (m->device, n, a->gradients + first);
    sum *= (gdouble) scale * scale;
    if (squares)
      *squares = sum;
    if (!isfinite (sum))
      return TRUE;
    if (u->clip > 0)
      scale *= MIN (1.0, u->clip / (sqrt (sum) + 1e-6));
  }
  for (guint i = 0; next_stretch (m, a, &i, &first, &n);)
    update_stretch (m->device, u, scale, n, a->weights + first, a->gradients + (first - a->from),
        floats_at (a->first, first - a->from), floats_at (a->second, first - a->from));
  return !a->copy || a->count > 0 || cpu_refresh (m, a->weights, a->copy, error);
}

static gboolean
square_pieces (Cnn3dModel *m, const Cnn3dArrays *a, gdouble *pieces, GError **error)
{
  gsize first, n;

  for (guint i = 0; next_stretch (m, a, &i, &first, &n);)
    for (gsize k = 0; k < n; k += CNN3D_UPDATE_PIECE)
      *pieces++ = m->device->kernels->sum_squares (
          MIN (CNN3D_UPDATE_PIECE, n - k), a->gradients + (first - a->from) + k);
  return TRUE;
}

static gboolean
add (Cnn3dDevice *d, gfloat *to, const gfloat *from, gsize n, gboolean adds, gboolean beside,
    GError **error)
{
  if (!from)
    memset (to, 0, adds ? 0 : n * sizeof *to);
  else if (!adds)
    memcpy (to, from, n * sizeof *to);
  else
    for (gsize i = 0; i < n; i++)
      to[i] += from[i];
  return TRUE;
}

/* One layer's parameters, whose gradient is in the arena. */
static void
update_layer (const CpuStep *s)
{
  const Cnn3dModel *m = s->program->model;
  const Cnn3dArrays *a = &s->binding->arrays;
  const Cnn3dUpdate *u = s->binding->update;
  const gint params[2] = { s->op->weight, s->op->bias };

  for (gint k = 0; k < 2; k++) {
    const gint i = params[k];

    if (i >= 0 && a->trained[i])
      update_stretch (m->device, u, u->gradient_scale, m->layout.length[i],
          a->weights + m->layout.offset[i], cpu_gradient (s, i),
          floats_at (a->first, m->layout.offset[i]), floats_at (a->second, m->layout.offset[i]));
  }
}

/* --- steps --- */

static gboolean
run_step (Cnn3dProgram *p, const Cnn3dStep *step, const Cnn3dBinding *b, GError **error)
{
  const Cnn3dNetwork *net = p->model->net;
  const Cnn3dOp *op = &net->ops[step->op];
  const CpuStep s = { p, step, b, op, op->in >= 0 ? &net->tensors[op->in] : NULL,
    op->out >= 0 ? &net->tensors[op->out] : NULL, address (b, step->in),
    address (b, step->residual), address (b, step->out), address (b, step->saved),
    address (b, step->scratch), { address (b, step->dout[0]), address (b, step->dout[1]) },
    address (b, step->din), address (b, step->dresidual) };

  if (step->phase >= CNN3D_N_PHASES)
    return cpu_store_run (b->store, step, b->arena, error);
  if (step->op == 0 && step->phase == CNN3D_PHASE_FORWARD) {
    omp_set_num_threads (p->model->device->threads);
    p->loss_sum = 0;
    p->correct = 0;
  }
  if (step->phase == CNN3D_PHASE_UPDATE) {
    if (isfinite (p->loss_sum))
      update_layer (&s);
    return TRUE;
  }
  switch (op->kind) {
    case CNN3D_OP_INPUT:
      cpu_input_forward (&s);
      return TRUE;
    case CNN3D_OP_CONV:
      return cpu_conv_run (&s, error);
    case CNN3D_OP_NORM:
      return step->phase == CNN3D_PHASE_BACKWARD ? cpu_norm_backward (&s, error)
                                                 : cpu_norm_forward (&s, error);
    case CNN3D_OP_MAX_POOL:
      return cpu_max_pool_run (&s, error);
    case CNN3D_OP_GLOBAL_POOL:
      cpu_global_pool_run (&s);
      return TRUE;
    case CNN3D_OP_DROPOUT:
      cpu_dropout_run (&s);
      return TRUE;
    case CNN3D_OP_LINEAR:
      cpu_linear_run (&s);
      return TRUE;
    case CNN3D_OP_CONCAT:
      cpu_concat_run (&s);
      return TRUE;
    case CNN3D_OP_MEAN:
      cpu_mean_run (&s);
      return TRUE;
    case CNN3D_OP_VIEWS:
      cpu_views_run (&s);
      return TRUE;
    case CNN3D_OP_LOSS:
      cpu_loss_run (&s);
      return TRUE;
  }
  g_return_val_if_reached (FALSE);
}

static gboolean
run (Cnn3dProgram *p, const Cnn3dStep *steps, guint n_steps, const Cnn3dBinding *b,
    Cnn3dResults *results, GError **error)
{
  for (guint i = 0; i < n_steps; i++)
    if (!run_step (p, &steps[i], b, error))
      return FALSE;
  if (results)
    *results = (Cnn3dResults) { p->loss_sum, p->correct };
  return TRUE;
}

static const Cnn3dBackend backend = {
  .abi = CNN3D_BACKEND_ABI,
  .name = "cpu",
  .list = device_list,
  .open = device_open,
  .close = device_close,
  .describe = device_describe,
  .resolve_precision = resolve_precision,
  .memory = cpu_memory,
  .speed = device_speed,
  .alloc = cpu_memory_alloc,
  .free = cpu_memory_free,
  .upload = copy,
  .download = copy,
  .stage = copy,
  .fetch = copy,
  .finish = finish,
  .stores_in_file = TRUE,
  .store_room = cpu_store_room,
  .store_new = cpu_store_new,
  .store_free = cpu_store_free,
  .model_new = cpu_model_new,
  .model_free = cpu_model_free,
  .model_layout = model_layout,
  .import_weight = cpu_import_weight,
  .export_weight = cpu_export_weight,
  .refresh = cpu_refresh,
  .program_new = program_new,
  .program_free = program_free,
  .program_sizes = program_sizes,
  .program_replaced = program_replaced,
  .run = run,
  .read_activation = cpu_read_activation,
  .update = update,
  .square_pieces = square_pieces,
  .add = add,
  .syncs = TRUE,
};

G_MODULE_EXPORT const Cnn3dBackend *cnn3d_backend (void);

const Cnn3dBackend *
cnn3d_backend (void)
{
  return &backend;
}
