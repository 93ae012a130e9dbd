/* The test double of cuDNN runs a plan: the graph's operations one by one, on host memory.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dnn-double.h"
#include "dnn-graph.h"

#include <string.h>

#define WORKSPACE_ALIGNMENT 256
#define GARBAGE 0xa5

gint64 dnn_wrong_engine = DNN_DOUBLE_NONE_WRONG;

struct _DnnRun {
  DnnDesc *plan, *pack; /* references */
  gpointer workspace;
  gint64 workspace_bytes;
  gboolean wrong;
  gboolean rounds;    /* f32 is multiplied in TF32 */
  GHashTable *values; /* tensor -> its dense f32 values during the run */
};

static const DnnDesc *
graph_of (const DnnRun *run)
{
  return dnn_part (run->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 0)->graph;
}

static gboolean
is_virtual (const DnnDesc *tensor)
{
  const DnnAttribute *a = dnn_attribute (tensor, CUDNN_ATTR_TENSOR_IS_VIRTUAL);

  return a && *(const guint8 *) a->values;
}

/* A tensor's address, by its id in the variant pack. */
static gpointer
pointer_of (const DnnDesc *pack, const DnnDesc *tensor)
{
  const DnnAttribute *ids = dnn_attribute (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const gint64 id = dnn_int (tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, 0);

  for (gint64 i = 0; i < ids->count; i++)
    if (((const gint64 *) ids->values)[i] == id)
      return ((gpointer *) dnn_attribute (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)->values)[i];
  return NULL;
}

static cudnnStatus_t
check_tensor (const DnnDesc *pack, const DnnDesc *tensor)
{
  gpointer pointer;

  if (is_virtual (tensor))
    return CUDNN_STATUS_SUCCESS;
  pointer = pointer_of (pack, tensor);
  if (!pointer)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a tensor has no pointer");
  if ((gsize) pointer % dnn_int (tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0))
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "a pointer is not aligned as its tensor says");
  return CUDNN_STATUS_SUCCESS;
}

/* The tensors of every operation. */
static cudnnStatus_t
check_pointers (const DnnDesc *graph, const DnnDesc *pack)
{
  const DnnAttribute *ops = dnn_attribute (graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
  guint tensors = 0;
  cudnnStatus_t status;
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (gint64 i = 0; i < ops->count; i++) {
    const DnnDesc *op = ((DnnDesc **) ops->values)[i];

    for (guint a = 0; a < op->n_attributes; a++) {
      DnnDesc *part;

      if (op->attributes[a].type != CUDNN_TYPE_BACKEND_DESCRIPTOR)
        continue;
      part = *(DnnDesc **) op->attributes[a].values;
      if (part->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR || !g_hash_table_add (seen, part))
        continue;
      status = check_tensor (pack, part);
      if (status != CUDNN_STATUS_SUCCESS)
        return status;
      tensors += !is_virtual (part);
    }
  }
  if (tensors != dnn_attribute (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)->count)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "a pack names tensors that the graph has not");
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
dnn_run_new (cudnnHandle_t handle, DnnDesc *plan, DnnDesc *pack, DnnRun **run)
{
  const DnnDesc *config;
  const DnnAttribute *bound;
  gpointer workspace;
  gint64 bytes;
  cudnnStatus_t status;

  if (!handle || !plan || !pack)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a pointer is NULL");
  if (plan->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR
      || pack->type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR || !plan->finalized
      || !pack->finalized)
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "what is executed is a plan and a pack, finalized");
  bound = dnn_attribute (plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
  if (!bound || *(cudnnHandle_t *) bound->values != handle)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH, "the plan is not this handle's");
  config = dnn_part (plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 0);
  bytes = dnn_workspace (config->graph, config->engine);
  workspace = *(gpointer *) dnn_attribute (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE)->values;
  if (bytes && !workspace)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the plan needs a workspace");
  if (bytes && (gsize) workspace % WORKSPACE_ALIGNMENT)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "the workspace is not aligned");
  status = check_pointers (config->graph, pack);
  if (status != CUDNN_STATUS_SUCCESS)
    return status;
  *run = g_new0 (DnnRun, 1);
  (*run)->plan = dnn_desc_ref (plan);
  (*run)->pack = dnn_desc_ref (pack);
  (*run)->workspace = workspace;
  (*run)->workspace_bytes = bytes;
  (*run)->wrong =
      dnn_wrong_engine == DNN_DOUBLE_ALL_WRONG || dnn_wrong_engine == config->engine->index;
  (*run)->rounds = config->engine->numerical >> CUDNN_NUMERICAL_NOTE_TENSOR_CORE & 1;
  return CUDNN_STATUS_SUCCESS;
}

void
dnn_run_free (gpointer data)
{
  DnnRun *run = data;

  dnn_desc_unref (run->plan);
  dnn_desc_unref (run->pack);
  g_free (run);
}

/* --- tensors --- */

/* For each element of a dense tensor (N, D, H, W, C): its place in memory, in elements. */
#define FOR_EACH(tensor, dense, place)                                                            \
  gint64 dims[5], strides[5], dense = 0;                                                          \
  for (guint i_ = 0; i_ < 5; i_++)                                                                \
    dims[i_] = dnn_dim (tensor, i_), strides[i_] = dnn_stride (tensor, i_);                       \
  for (gint64 n_ = 0; n_ < dims[0]; n_++)                                                         \
    for (gint64 d_ = 0; d_ < dims[2]; d_++)                                                       \
      for (gint64 h_ = 0; h_ < dims[3]; h_++)                                                     \
        for (gint64 w_ = 0; w_ < dims[4]; w_++)                                                   \
          for (gint64                                                                             \
                   c_ = 0,                                                                        \
                   place = n_ * strides[0] + d_ * strides[2] + h_ * strides[3] + w_ * strides[4]; \
              c_ < dims[1]; c_++, dense++, place += strides[1])

/* Its current values, owned by the run. */
static const gfloat *
read_tensor (DnnRun *run, DnnDesc *tensor)
{
  gfloat *values = g_hash_table_lookup (run->values, tensor);
  const DnnType type = dnn_type (tensor);
  gconstpointer from;

  if (values)
    return values;
  values = g_new (gfloat, dnn_points (tensor));
  from = pointer_of (run->pack, tensor);
  FOR_EACH (tensor, i, place)
  values[i] = dnn_load (type, from, place);
  g_hash_table_insert (run->values, tensor, values);
  return values;
}

/* Takes values, rounds them, and writes them to memory if the tensor has an address. */
static void
write_tensor (DnnRun *run, DnnDesc *tensor, gfloat *values)
{
  const DnnType type = dnn_type (tensor);
  const gint64 n = dnn_points (tensor);

  for (gint64 i = 0; type != DNN_F32 && i < n; i++) {
    guint16 rounded;

    dnn_store (type, &rounded, 0, values[i]);
    values[i] = dnn_load (type, &rounded, 0);
  }
  if (!is_virtual (tensor)) {
    gpointer to = pointer_of (run->pack, tensor);

    FOR_EACH (tensor, i, place)
    dnn_store (type, to, place, values[i]);
  }
  g_hash_table_insert (run->values, tensor, values);
}

/* --- operations --- */

static void
run_pointwise (DnnRun *run, const DnnDesc *op)
{
  const DnnDesc *how = dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, 0);
  const gint32 mode = dnn_enum (how, CUDNN_ATTR_POINTWISE_MODE);
  const gboolean passes_nan = dnn_attribute (how, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION)
      && dnn_enum (how, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION) == CUDNN_PROPAGATE_NAN;
  DnnDesc *out = dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, 0);
  const gfloat *x = read_tensor (run, dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, 0)),
               *b = NULL;
  const gint64 n = dnn_points (out), channels = dnn_dim (out, 1);
  gint64 n_b = 0;
  gfloat *y = g_new (gfloat, n);

  if (mode != CUDNN_POINTWISE_RELU_FWD) {
    DnnDesc *tensor = dnn_part (op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, 0);

    b = read_tensor (run, tensor);
    n_b = dnn_points (tensor);
    g_assert (n_b == n || n_b == channels);
  }
  for (gint64 i = 0; i < n; i++)
    if (mode == CUDNN_POINTWISE_MUL)
      y[i] = x[i] * b[i % n_b];
    else if (mode == CUDNN_POINTWISE_ADD)
      y[i] = x[i] + b[i % n_b];
    else
      y[i] = x[i] > 0 || (passes_nan && x[i] != x[i]) ? x[i] : 0;
  write_tensor (run, out, y);
}

static void
run_statistics (DnnRun *run, const DnnDesc *op)
{
  DnnDesc *tensor = dnn_part (op, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, 0);
  const gfloat *x = read_tensor (run, tensor);
  const gint64 n = dnn_points (tensor), channels = dnn_dim (tensor, 1);
  g_autofree gdouble *sums = g_new0 (gdouble, 2 * channels);
  gfloat *out[2] = { g_new (gfloat, channels), g_new (gfloat, channels) };

  for (gint64 i = 0; i < n; i++) {
    sums[i % channels] += x[i];
    sums[channels + i % channels] += (gdouble) x[i] * x[i];
  }
  for (gint64 c = 0; c < channels; c++) {
    out[0][c] = sums[c];
    out[1][c] = sums[channels + c];
  }
  write_tensor (run, dnn_part (op, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, 0), out[0]);
  write_tensor (run, dnn_part (op, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, 0), out[1]);
}

/* A convolution's input: engines with tensor cores read f32 as TF32. */
static gfloat *
read_factor (DnnRun *run, DnnDesc *tensor)
{
  const gint64 n = dnn_points (tensor);
  gfloat *values = g_memdup2 (read_tensor (run, tensor), n * sizeof (gfloat));

  for (gint64 i = 0; run->rounds && i < n; i++)
    values[i] = dnn_to_tf32 (values[i]);
  return values;
}

static void
run_convolution (DnnRun *run, const DnnDesc *op)
{
  const DnnNames *names = dnn_names (op->type);
  DnnDesc *x = dnn_part (op, names->x, 0), *y = dnn_part (op, names->y, 0),
          *w = dnn_part (op, names->w, 0);
  const DnnDesc *window = dnn_part (op, names->window, 0);
  const gdouble alpha = dnn_float (op, names->alpha) * (run->wrong ? 1.0625 : 1);
  const gdouble beta = dnn_float (op, names->beta);
  DnnWindow k = { dnn_dim (x, 0), dnn_dim (x, 1), dnn_dim (y, 1) };
  DnnDesc *out, *factors[2];
  g_autofree gfloat *a = NULL, *b = NULL;
  g_autofree gdouble *sums = NULL;
  gfloat *result;
  gint64 n;

  for (guint i = 0; i < 3; i++) {
    k.in[i] = dnn_dim (x, i + 2);
    k.out[i] = dnn_dim (y, i + 2);
    k.kernel[i] = dnn_dim (w, i + 2);
    k.stride[i] = dnn_window (window, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, i, 1);
    k.pad[i] = dnn_window (window, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i, 0);
  }
  if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
    out = y, factors[0] = x, factors[1] = w;
  else if (op->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
    out = x, factors[0] = y, factors[1] = w;
  else
    out = w, factors[0] = x, factors[1] = y;
  a = read_factor (run, factors[0]);
  b = read_factor (run, factors[1]);
  n = dnn_points (out);
  sums = g_new (gdouble, n);
  if (out == y)
    dnn_forward (&k, a, b, sums);
  else if (out == x)
    dnn_backward_data (&k, a, b, sums);
  else
    dnn_backward_weights (&k, a, b, sums);
  result = g_new (gfloat, n);
  if (beta != 0) {
    const gfloat *before = read_tensor (run, out);

    for (gint64 i = 0; i < n; i++)
      sums[i] = alpha * sums[i] + beta * before[i];
  } else
    for (gint64 i = 0; i < n; i++)
      sums[i] *= alpha;
  for (gint64 i = 0; i < n; i++)
    result[i] = sums[i];
  write_tensor (run, out, result);
}

void
dnn_run (gpointer data)
{
  DnnRun *run = data;
  const DnnAttribute *ops = dnn_attribute (graph_of (run), CUDNN_ATTR_OPERATIONGRAPH_OPS);

  run->values = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  /* the workspace's contents are lost before and after */
  if (run->workspace_bytes)
    memset (run->workspace, GARBAGE, run->workspace_bytes);
  for (gint64 i = 0; i < ops->count; i++) {
    const DnnDesc *op = ((DnnDesc **) ops->values)[i];

    if (dnn_names (op->type))
      run_convolution (run, op);
    else if (op->type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)
      run_pointwise (run, op);
    else
      run_statistics (run, op);
  }
  if (run->workspace_bytes)
    memset (run->workspace, ~GARBAGE & 0xff, run->workspace_bytes);
  g_clear_pointer (&run->values, g_hash_table_unref);
}
