/* The weights' layout. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/convpass.h"

#include <omp.h>
#include <string.h>

#include "src/temporary.h"

gboolean
cpu_is_blocked (const Cnn3dNetwork *net, gint tensor)
{
  const Cnn3dOp *op = &net->ops[net->tensors[tensor].producer];

  return op->kind == CNN3D_OP_CONV || op->kind == CNN3D_OP_NORM || op->kind == CNN3D_OP_MAX_POOL
      || (op->kind == CNN3D_OP_INPUT && op->points);
}

void
cpu_padded_dims (const Cnn3dModel *m, const Cnn3dOp *op, gint64 dims[5])
{
  const Cnn3dParam *p = &m->net->weights[op->weight];

  for (gint i = 0; i < 5; i++)
    dims[i] = p->shape[i];
  dims[0] = cpu_round_up (dims[0], m->lanes);
  if (cpu_is_blocked (m->net, op->in))
    dims[1] = cpu_round_up (dims[1], m->lanes);
}

/* oneDNN counts the numbers of one frame in 32 bits, and divides by the count:
 * with more it ends the process. */
static gboolean
check_frames (const Cnn3dModel *m, const Cnn3dOp *op, GError **error)
{
  const gint ends[2] = { op->in, op->out };

  for (gint k = 0; k < 2; k++) {
    const Cnn3dTensor *t = &m->net->tensors[ends[k]];

    if ((gint64) cpu_round_up (t->c, m->lanes) * t->h * t->w > G_MAXINT32) {
      g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
          "%s with base-width=%u turns a frame of %ux%u pixels into %dx%d points of %d channels, "
          "more than oneDNN supports: use smaller frames or a smaller base-width",
          m->net->model, m->net->params.base_width, m->net->params.height, m->net->params.width,
          t->h, t->w, t->c);
      return FALSE;
    }
  }
  return TRUE;
}

/* The formats that oneDNN likes for one clip; all batches use them. */
static gboolean
choose_formats (Cnn3dModel *m, gint i, GError **error)
{
  CpuConvWeights *w = &m->conv[i];
  gint64 dims[5];

  if (!check_frames (m, &m->net->ops[i], error))
    return FALSE;
  m->device->dnnl.sizes_only = TRUE; /* these only determine formats */
  cpu_padded_dims (m, &m->net->ops[i], dims);
  w->plain = cpu_desc_new (5, dims, dnnl_f32, dnnl_abcde);
  w->copy = cpu_conv_weights_format (m, i, CPU_FORWARD, FALSE);
  /* Masters: as f32 backward-weights writes them where that is more than the
   * plain reference; else as an f32 forward pass would read them. */
  w->master = cpu_conv_weights_format (m, i, CPU_BACKWARD_WEIGHTS, FALSE);
  if (!w->master && m->type != dnnl_f32)
    w->master = cpu_conv_weights_format (m, i, CPU_BACKWARD_WEIGHTS, TRUE);
  if (!w->master)
    w->master = cpu_conv_weights_format (m, i, CPU_FORWARD, TRUE);
  if (!w->master)
    w->master = cpu_desc_copy (w->plain);
  m->device->dnnl.sizes_only = FALSE;
  if (w->copy && (cpu_desc_equal (w->copy, w->master) || cpu_conv_reads_masters (m, i)))
    cpu_desc_free (&w->copy);
  if (!w->copy)
    return TRUE;
  if (m->params.keeps_copy) {
    w->copy_offset = m->layout.copy_bytes;
    m->layout.copy_bytes += cpu_align (cpu_desc_size (w->copy));
  }
  return cpu_reorder_new (&m->device->dnnl, w->master, w->copy, &w->refresh, error);
}

static gsize
stored_length (const Cnn3dModel *m, guint param)
{
  const Cnn3dParam *p = &m->net->weights[param];

  switch (p->role) {
    case CNN3D_PARAM_CONV_WEIGHT:
      return cpu_desc_size (m->conv[p->op].master) / sizeof (gfloat);
    case CNN3D_PARAM_LINEAR_WEIGHT:
      return p->shape[0] * cpu_round_up (p->shape[1], 16);
    default:
      return p->count;
  }
}

static gboolean
is_fast (const gchar *implementation, gpointer user)
{
  return !cpu_is_reference (implementation);
}

/* Channels to a block: 16 where oneDNN has something faster than its plain
 * reference for that, which is with AVX-512, else 8. */
static gint
choose_lanes (CpuDnnl *dnnl)
{
  const gint64 activation[5] = { 1, 16, 4, 8, 8 }, weight[5] = { 16, 16, 3, 3, 3 };
  CpuConvSpec spec = { { 3, 3, 3 }, { 1, 1, 1 }, { 1, 1, 1 }, NULL, NULL, NULL };
  CpuPrimitive probe;
  gboolean fast;

  spec.source = cpu_desc_new (5, activation, dnnl_f32, dnnl_aBcde16b);
  spec.destination = cpu_desc_new (5, activation, dnnl_f32, dnnl_aBcde16b);
  spec.weights = cpu_desc_new (5, weight, dnnl_f32, dnnl_format_tag_any);
  fast = cpu_conv_new (dnnl, CPU_FORWARD, &spec, is_fast, NULL, &probe, NULL, NULL);
  cpu_primitive_clear (&probe);
  cpu_desc_free (&spec.source);
  cpu_desc_free (&spec.destination);
  cpu_desc_free (&spec.weights);
  return fast ? 16 : 8;
}

Cnn3dModel *
cpu_model_new (
    Cnn3dDevice *device, const Cnn3dNetwork *net, const Cnn3dModelParams *params, GError **error)
{
  Cnn3dModel *m = g_new0 (Cnn3dModel, 1);

  m->device = device;
  m->net = net;
  m->params = *params;
  m->type = params->precision == CNN3D_PRECISION_32 ? dnnl_f32 : dnnl_bf16;
  m->element = params->precision == CNN3D_PRECISION_32 ? 4 : 2;
  /* formats are chosen for as many threads as will run */
  omp_set_num_threads (device->threads);
  m->lanes = choose_lanes (&device->dnnl);
  m->blocks = &device->kernels->blocks[m->type == dnnl_bf16][m->lanes == 16];
  m->conv = g_new0 (CpuConvWeights, net->n_ops);
  for (guint i = 0; i < net->n_ops; i++)
    if (net->ops[i].kind == CNN3D_OP_CONV && !choose_formats (m, i, error)) {
      cpu_model_free (&m);
      return NULL;
    }
  m->layout.offset = g_new0 (gsize, net->n_weights);
  m->layout.length = g_new0 (gsize, net->n_weights);
  for (gint trained = 1; trained >= 0; trained--) {
    for (guint i = 0; i < net->n_weights; i++)
      if (CNN3D_PARAM_TRAINED (net->weights[i].role) == trained) {
        m->layout.offset[i] = m->layout.total;
        m->layout.length[i] = (stored_length (m, i) + 15) & ~(gsize) 15;
        m->layout.total += m->layout.length[i];
      }
    if (trained)
      m->layout.trained = m->layout.total;
  }
  return m;
}

void
cpu_model_free (Cnn3dModel **model)
{
  Cnn3dModel *m = *model;

  *model = NULL;
  if (!m)
    return;
  for (guint i = 0; i < m->net->n_ops; i++) {
    cpu_primitive_clear (&m->conv[i].refresh);
    cpu_desc_free (&m->conv[i].plain);
    cpu_desc_free (&m->conv[i].master);
    cpu_desc_free (&m->conv[i].copy);
  }
  g_free (m->conv);
  g_free (m->layout.offset);
  g_free (m->layout.length);
  g_free (m);
}

/* Copies between (O, I, k) and the same with O and I padded. */
static void
copy_padded (const Cnn3dParam *p, gint64 inner_padded, gfloat *padded, gfloat *values, gboolean pad)
{
  const gint64 kernel = p->shape[2] * p->shape[3] * p->shape[4], row = p->shape[1] * kernel;

  for (gint64 o = 0; o < p->shape[0]; o++)
    if (pad)
      memcpy (padded + o * inner_padded * kernel, values + o * row, row * sizeof *values);
    else
      memcpy (values + o * row, padded + o * inner_padded * kernel, row * sizeof *values);
}

/* Both directions: values <-> array. */
static gboolean
convert (Cnn3dModel *m, guint param, gfloat *values, gfloat *array, gboolean import, GError **error)
{
  const Cnn3dParam *p = &m->net->weights[param];
  gfloat *stored = array + m->layout.offset[param];

  if (import)
    memset (stored, 0, m->layout.length[param] * sizeof *stored);
  if (p->role == CNN3D_PARAM_LINEAR_WEIGHT) {
    const gsize row = cpu_round_up (p->shape[1], 16);

    for (gint64 o = 0; o < p->shape[0]; o++)
      if (import)
        memcpy (stored + o * row, values + o * p->shape[1], p->shape[1] * sizeof *values);
      else
        memcpy (values + o * p->shape[1], stored + o * row, p->shape[1] * sizeof *values);
  } else if (p->role == CNN3D_PARAM_CONV_WEIGHT) {
    const CpuConvWeights *w = &m->conv[p->op];
    g_auto (Cnn3dTemporary) temporary = { NULL };
    g_autofree gpointer scratch = NULL;
    gfloat *padded = values;
    CpuPrimitive reorder;
    gint64 dims[5];
    gboolean ok;

    cpu_padded_dims (m, &m->net->ops[p->op], dims);
    if (dims[0] != p->shape[0] || dims[1] != p->shape[1]) {
      if (!cnn3d_temporary_take (&temporary, cpu_desc_size (w->plain), p->name, error))
        return FALSE;
      padded = temporary.data;
      if (import)
        copy_padded (p, dims[1], padded, values, TRUE);
    }
    ok = cpu_reorder_new (&m->device->dnnl, import ? w->plain : w->master,
        import ? w->master : w->plain, &reorder, error);
    if (ok) {
      scratch = g_malloc (MAX (reorder.scratch, 1));
      ok = cpu_primitive_run (&m->device->dnnl, &reorder, import ? padded : stored,
          import ? stored : padded, NULL, scratch, error);
      cpu_primitive_clear (&reorder);
    }
    if (!import && padded != values)
      copy_padded (p, dims[1], padded, values, FALSE);
    return ok;
  } else if (import) {
    memcpy (stored, values, p->count * sizeof *values);
  } else {
    memcpy (values, stored, p->count * sizeof *values);
  }
  return TRUE;
}

gboolean
cpu_import_weight (Cnn3dModel *m, guint param, const gfloat *values, gfloat *array, GError **error)
{
  return convert (m, param, (gfloat *) values, array, TRUE, error);
}

gboolean
cpu_export_weight (Cnn3dModel *m, guint param, const gfloat *array, gfloat *values, GError **error)
{
  return convert (m, param, values, (gfloat *) array, FALSE, error);
}

gboolean
cpu_refresh (Cnn3dModel *m, const gfloat *weights, gpointer copy, GError **error)
{
  for (guint i = 0; i < m->net->n_ops; i++) {
    CpuConvWeights *w = &m->conv[i];

    if (w->copy && m->params.keeps_copy
        && !cpu_primitive_run (&m->device->dnnl, &w->refresh,
            (gfloat *) weights + m->layout.offset[m->net->ops[i].weight],
            (guint8 *) copy + w->copy_offset, NULL, NULL, error))
      return FALSE;
  }
  return TRUE;
}

/* Of activations, wherever they lie. */
static gfloat
read_number (const guint8 *from, gsize element)
{
  guint32 bits;
  guint16 half;
  gfloat value;

  if (element == sizeof value) {
    memcpy (&value, from, sizeof value);
    return value;
  }
  memcpy (&half, from, sizeof half);
  bits = (guint32) half << 16; /* bf16 */
  memcpy (&value, &bits, sizeof value);
  return value;
}

gboolean
cpu_read_activation (
    Cnn3dProgram *p, gint tensor, gconstpointer place, gfloat *values, GError **error)
{
  const Cnn3dModel *m = p->model;
  const Cnn3dTensor *t = &m->net->tensors[tensor];
  const gboolean input = m->net->ops[t->producer].kind == CNN3D_OP_INPUT,
                 blocked = cpu_is_blocked (m->net, tensor);
  const gsize points = cpu_points (t), element = input || blocked ? m->element : sizeof (gfloat);
  const gsize clip = blocked ? cpu_round_up (t->c, m->lanes) * points
      : input                ? t->c * points
                             : cpu_row (t);
  const guint8 *from = place;

  for (guint n = 0; n < cpu_rows (p, tensor); n++)
    for (gint c = 0; c < t->c; c++)
      for (gsize i = 0; i < points; i++) {
        const gsize at =
            blocked ? ((c / m->lanes) * points + i) * m->lanes + c % m->lanes : c * points + i;

        *values++ = read_number (from + (n * clip + at) * element, element);
      }
  return TRUE;
}
