/* Execution plans of cuDNN's graph API, made from C and without a GPU.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/cudnn.h"

#include <cudnn_graph.h>
#include <gmodule.h>
#include <string.h>

#include "src/backend/backend.h"

typedef cudnnBackendDescriptor_t Desc;

/* The entry points used, found at run time. */
static struct {
  size_t (*version) (void);
  const char *(*error_string) (cudnnStatus_t status);
  cudnnStatus_t (*create) (cudnnBackendDescriptorType_t type, Desc * desc);
  cudnnStatus_t (*destroy) (Desc desc);
  cudnnStatus_t (*finalize) (Desc desc);
  cudnnStatus_t (*set) (Desc desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
      const void *values);
  cudnnStatus_t (*get) (Desc const desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
      int64_t asked, int64_t * count, void *values);
} dnn;

struct _CudaDnnGpu {
  Desc properties;
  gchar *name;                  /* the properties' checksum: what answers are kept under */
};

static GMutex lock;             /* of all below, and of cuDNN */
static guint opened;            /* its version; 0: not yet */
static GHashTable *answers;     /* text of GPU, direction, convolution and limit -> CudaConvPlan */

/* --- the library --- */

static gboolean
find_symbols (GModule *module, const gchar **missing)
{
  const struct {
    const gchar *name;
    gpointer *place;
  } symbols[] = {
    {"cudnnGetVersion", (gpointer *) &dnn.version},
    {"cudnnGetErrorString", (gpointer *) &dnn.error_string},
    {"cudnnBackendCreateDescriptor", (gpointer *) &dnn.create},
    {"cudnnBackendDestroyDescriptor", (gpointer *) &dnn.destroy},
    {"cudnnBackendFinalize", (gpointer *) &dnn.finalize},
    {"cudnnBackendSetAttribute", (gpointer *) &dnn.set},
    {"cudnnBackendGetAttribute", (gpointer *) &dnn.get},
  };

  for (guint i = 0; i < G_N_ELEMENTS (symbols); i++)
    if (!g_module_symbol (module, *missing = symbols[i].name, symbols[i].place) || !*symbols[i].place)
      return FALSE;
  return TRUE;
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
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING, "cuDNN 9 does not load: %s",
        g_module_error ());
    return 0;
  }
  if (!find_symbols (module, &missing)) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING, "%s has no %s: install cuDNN 9.15 or later",
        g_module_name (module), missing);
    g_module_close (module);
    return 0;
  }
  if (dnn.version () < CUDA_DNN_OLDEST) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "%s is cuDNN %u, which is too old: install 9.15 or later", g_module_name (module), (guint) dnn.version ());
    g_module_close (module);
    return 0;
  }
  /* its threads outlive a module that is closed */
  g_module_make_resident (module);
  answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return opened = dnn.version ();
}

guint
cuda_dnn_version (GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  (void) locker;
  return version_unlocked (error);
}

/* --- descriptors --- */

/* The first status that is not success stays; after it nothing more is set. */
typedef struct {
  cudnnStatus_t status;
} Builder;

static Desc
create (Builder *b, cudnnBackendDescriptorType_t type)
{
  Desc desc = NULL;

  if (b->status == CUDNN_STATUS_SUCCESS)
    b->status = dnn.create (type, &desc);
  return desc;
}

static void
set (Builder *b, Desc desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
    const void *values)
{
  if (b->status == CUDNN_STATUS_SUCCESS)
    b->status = dnn.set (desc, name, type, count, values);
}

static void
finalize (Builder *b, Desc desc)
{
  if (b->status == CUDNN_STATUS_SUCCESS)
    b->status = dnn.finalize (desc);
}

static void
destroy (Desc *desc)
{
  if (*desc)
    dnn.destroy (*desc);
  *desc = NULL;
}

static Desc
tensor_new (Builder *b, int64_t id, cudnnDataType_t type, const int64_t dims[5])
{
  Desc desc = create (b, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const int64_t alignment = 64;
  /* dims are (N, C, D, H, W); C lies innermost */
  const int64_t strides[5] = { dims[1] * dims[2] * dims[3] * dims[4], 1, dims[1] * dims[3] * dims[4],
    dims[1] * dims[4], dims[1]
  };

  set (b, desc, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set (b, desc, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 5, dims);
  set (b, desc, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 5, strides);
  set (b, desc, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
  set (b, desc, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  finalize (b, desc);
  return desc;
}

static Desc
window_new (Builder *b, const CudaConv *c)
{
  Desc desc = create (b, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnDataType_t type = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t axes = 3, dilation[3] = { 1, 1, 1 };
  const int64_t stride[3] = { c->stride[0], c->stride[1], c->stride[2] };
  const int64_t pad[3] = { c->pad[0], c->pad[1], c->pad[2] };

  set (b, desc, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set (b, desc, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  set (b, desc, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes);
  set (b, desc, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 3, dilation);
  set (b, desc, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 3, stride);
  set (b, desc, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 3, pad);
  set (b, desc, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 3, pad);
  finalize (b, desc);
  return desc;
}

/* A graph of one convolution, and what it is made of. */
typedef struct {
  Desc x, y, w, window, op, graph;
} Graph;

static void
graph_build (Builder *b, Graph *g, CudaConvDirection direction, const CudaConv *c)
{
  static const struct {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t x, y, w, window, alpha, beta;
  } names[] = {
    [CUDA_CONV_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [CUDA_CONV_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [CUDA_CONV_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
  };
  static const cudnnDataType_t types[] = {
    [CUDA_TYPE_F32] = CUDNN_DATA_FLOAT, [CUDA_TYPE_F16] = CUDNN_DATA_HALF, [CUDA_TYPE_BF16] = CUDNN_DATA_BFLOAT16
  };
  const int64_t x[5] = { c->batch, c->in_channels, c->in[0], c->in[1], c->in[2] };
  const int64_t y[5] = { c->batch, c->out_channels, cuda_conv_out (c, 0), cuda_conv_out (c, 1), cuda_conv_out (c, 2) };
  const int64_t w[5] = { c->out_channels, c->in_channels, c->kernel[0], c->kernel[1], c->kernel[2] };
  const float one = 1, zero = 0;

  g->x = tensor_new (b, 1, types[c->type], x);
  g->y = tensor_new (b, 2, types[c->type], y);
  g->w = tensor_new (b, 3, types[c->type], w);
  g->window = window_new (b, c);
  g->op = create (b, names[direction].type);
  set (b, g->op, names[direction].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->x);
  set (b, g->op, names[direction].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->y);
  set (b, g->op, names[direction].w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->w);
  set (b, g->op, names[direction].window, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->window);
  set (b, g->op, names[direction].alpha, CUDNN_TYPE_FLOAT, 1, &one);
  set (b, g->op, names[direction].beta, CUDNN_TYPE_FLOAT, 1, &zero);
  finalize (b, g->op);
  g->graph = create (b, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set (b, g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g->op);
  finalize (b, g->graph);
}

static void
graph_clear (Graph *g)
{
  destroy (&g->graph);
  destroy (&g->op);
  destroy (&g->window);
  destroy (&g->w);
  destroy (&g->y);
  destroy (&g->x);
}

/* --- plans --- */

#define MOST_CONFIGS 64         /* heuristics give about 32 */

/* Does the configuration's engine compile its kernel when the plan is made? */
static gboolean
is_compiled (Desc config)
{
  Builder b = { CUDNN_STATUS_SUCCESS };
  Desc engine = create (&b, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendBehaviorNote_t notes[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
  int64_t count = 0;
  gboolean compiled = FALSE;

  if (b.status == CUDNN_STATUS_SUCCESS
      && dnn.get (config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
          &engine) == CUDNN_STATUS_SUCCESS
      && dnn.get (engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, G_N_ELEMENTS (notes), &count,
          notes) == CUDNN_STATUS_SUCCESS)
    for (int64_t i = 0; i < MIN (count, (int64_t) G_N_ELEMENTS (notes)); i++)
      compiled |= notes[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
  destroy (&engine);
  return compiled;
}

/* A plan of this configuration: its workspace. FALSE: it has none here. */
static gboolean
try_config (CudaDnnGpu *gpu, Desc config, gsize *workspace)
{
  Builder b = { CUDNN_STATUS_SUCCESS };
  Desc plan = create (&b, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  int64_t count = 0, bytes = 0;

  set (&b, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
  set (&b, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &gpu->properties);
  finalize (&b, plan);
  if (b.status == CUDNN_STATUS_SUCCESS)
    b.status = dnn.get (plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
  destroy (&plan);
  *workspace = bytes;
  return b.status == CUDNN_STATUS_SUCCESS && bytes >= 0;
}

/* What the heuristics of one mode propose; looked at until one fits. found:
 * any plan until now, whose workspace is in *plan. */
static void
ask_heuristics (CudaDnnGpu *gpu, cudnnBackendHeurMode_t mode, Desc graph, gsize limit, CudaConvPlan *plan,
    gboolean *found)
{
  Builder b = { CUDNN_STATUS_SUCCESS };
  Desc heuristics = create (&b, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR), configs[MOST_CONFIGS] = { NULL };
  int64_t count = 0;

  set (&b, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
  set (&b, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  set (&b, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &gpu->properties);
  finalize (&b, heuristics);
  for (guint i = 0; i < MOST_CONFIGS; i++)
    configs[i] = create (&b, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (b.status == CUDNN_STATUS_SUCCESS)
    b.status = dnn.get (heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_CONFIGS, &count,
        configs);
  for (int64_t i = 0; b.status == CUDNN_STATUS_SUCCESS && i < MIN (count, MOST_CONFIGS); i++) {
    gsize workspace;

    plan->tried++;
    if (!try_config (gpu, configs[i], &workspace) || (*found && workspace >= plan->workspace))
      continue;
    *found = TRUE;
    plan->workspace = workspace;
    plan->compiled = is_compiled (configs[i]);
    if (workspace <= limit)
      break;
  }
  for (guint i = 0; i < MOST_CONFIGS; i++)
    destroy (&configs[i]);
  destroy (&heuristics);
}

gchar *
cuda_conv_graph_text (const CudaConvGraph *graph)
{
  static const gchar *const directions[] = { "forward", "backward-data", "backward-weights" };
  static const gchar *const types[] = { "FP32", "FP16", "bf16" };
  const CudaConv *c = &graph->conv;

  return g_strdup_printf ("%s %s %d x %d x %dx%dx%d -> %d, kernel %dx%dx%d, stride %dx%dx%d, padding %dx%dx%d",
      directions[graph->direction], types[c->type], c->batch, c->in_channels, c->in[0], c->in[1], c->in[2], c->out_channels,
      c->kernel[0], c->kernel[1], c->kernel[2], c->stride[0], c->stride[1], c->stride[2], c->pad[0], c->pad[1],
      c->pad[2]);
}

gboolean
cuda_dnn_plan (CudaDnnGpu *gpu, const CudaConvGraph *wanted, const CudaConvLimits *limits, CudaConvPlan *plan,
    GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  g_autofree gchar *text = cuda_conv_graph_text (wanted);
  g_autofree gchar *key = g_strdup_printf ("%s %s %" G_GSIZE_FORMAT, gpu->name, text, limits->workspace);
  const gsize limit = limits->workspace;
  const CudaConvPlan *known = g_hash_table_lookup (answers, key);
  Builder b = { CUDNN_STATUS_SUCCESS };
  Graph graph = { NULL };
  gboolean found = FALSE;

  (void) locker;
  if (known) {
    *plan = *known;
    return TRUE;
  }
  *plan = (CudaConvPlan) { 0 };
  graph_build (&b, &graph, wanted->direction, &wanted->conv);
  if (b.status == CUDNN_STATUS_SUCCESS) {
    ask_heuristics (gpu, CUDNN_HEUR_MODE_A, graph.graph, limit, plan, &found);
    if (!found || plan->workspace > limit)
      ask_heuristics (gpu, CUDNN_HEUR_MODE_FALLBACK, graph.graph, limit, plan, &found);
  }
  graph_clear (&graph);
  if (!found) {
    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED,
        "cuDNN %u has no plan for a convolution (%s)%s%s", opened, text,
        b.status == CUDNN_STATUS_SUCCESS ? "" : ": ",
        b.status == CUDNN_STATUS_SUCCESS ? "" : dnn.error_string (b.status));
    return FALSE;
  }
  g_hash_table_insert (answers, g_steal_pointer (&key), g_memdup2 (plan, sizeof *plan));
  return TRUE;
}

/* --- a GPU --- */

CudaDnnGpu *
cuda_dnn_gpu_new (const gchar *properties, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  Builder b = { CUDNN_STATUS_SUCCESS };
  CudaDnnGpu *gpu;

  (void) locker;
  if (!version_unlocked (error))
    return NULL;
  gpu = g_new0 (CudaDnnGpu, 1);
  gpu->name = g_compute_checksum_for_string (G_CHECKSUM_SHA256, properties, -1);
  gpu->properties = create (&b, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  set (&b, gpu->properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, strlen (properties),
      properties);
  finalize (&b, gpu->properties);
  if (b.status == CUDNN_STATUS_SUCCESS)
    return gpu;
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_FAILED, "cuDNN %u does not take this GPU's properties: %s",
      opened, dnn.error_string (b.status));
  destroy (&gpu->properties);
  g_free (gpu->name);
  g_free (gpu);
  return NULL;
}

void
cuda_dnn_gpu_free (CudaDnnGpu **gpu)
{
  CudaDnnGpu *g = *gpu;

  *gpu = NULL;
  if (!g)
    return;
  g_mutex_lock (&lock);
  destroy (&g->properties);
  g_mutex_unlock (&lock);
  g_free (g->name);
  g_free (g);
}
