/* Descriptors of the test double of cuDNN: attributes are stored after their type and count are
 * checked.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dnn-graph.h"

#include <string.h>

guint64 dnn_plans;
_Thread_local const gchar *dnn_last_refusal = "";

cudnnStatus_t
dnn_refuse (cudnnStatus_t status, const gchar *why)
{
  dnn_last_refusal = why;
  return status;
}

#define TENSOR CUDNN_BACKEND_TENSOR_DESCRIPTOR
#define WINDOW CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR
#define POINTWISE CUDNN_BACKEND_POINTWISE_DESCRIPTOR
#define FORWARD CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR
#define DATA CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR
#define WEIGHTS CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR
#define POINTWISE_OP CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR
#define GENSTATS CUDNN_BACKEND_OPERATION_GEN_STATS_DESCRIPTOR
#define GRAPH CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR
#define HEUR CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR
#define CONFIG CUDNN_BACKEND_ENGINECFG_DESCRIPTOR
#define ENGINE CUDNN_BACKEND_ENGINE_DESCRIPTOR
#define KNOB CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR
#define PLAN CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR
#define PACK CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR
#define PROPERTIES CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR

/* Valid attributes; holds: the descriptor's type, for attributes that are descriptors. */
static const struct {
  cudnnBackendDescriptorType_t desc;
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  gint64 least, most;
  gboolean needed;
  gint holds; /* -1: any */
} rules[] = {
  { TENSOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1, TRUE },
  { TENSOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, 5, TRUE },
  { TENSOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, 5, TRUE },
  { TENSOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, 1, TRUE },
  { TENSOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, 1, TRUE },
  { TENSOR, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, 1, FALSE },
  { WINDOW, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, 1, TRUE },
  { WINDOW, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, 1, TRUE },
  { WINDOW, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, 1, TRUE },
  { WINDOW, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, 3, TRUE },
  { WINDOW, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, 3, TRUE },
  { WINDOW, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, 3, TRUE },
  { WINDOW, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, 3, TRUE },
  { POINTWISE, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, 1, TRUE },
  { POINTWISE, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, 1, TRUE },
  { POINTWISE, CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, 1, FALSE },
  { FORWARD, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { FORWARD, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { FORWARD, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { FORWARD, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
      1, TRUE, WINDOW },
  { FORWARD, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, 1, TRUE },
  { FORWARD, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, 1, TRUE },
  { DATA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { DATA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { DATA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { DATA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1,
      TRUE, WINDOW },
  { DATA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, 1, 1, TRUE },
  { DATA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, 1, 1, TRUE },
  { WEIGHTS, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1,
      TRUE, TENSOR },
  { WEIGHTS, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1,
      TRUE, TENSOR },
  { WEIGHTS, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1,
      TRUE, TENSOR },
  { WEIGHTS, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_TYPE_BACKEND_DESCRIPTOR,
      1, 1, TRUE, WINDOW },
  { WEIGHTS, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_TYPE_FLOAT, 1, 1, TRUE },
  { WEIGHTS, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_TYPE_FLOAT, 1, 1, TRUE },
  { POINTWISE_OP, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1,
      TRUE, POINTWISE },
  { POINTWISE_OP, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { POINTWISE_OP, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, FALSE,
      TENSOR },
  { POINTWISE_OP, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { GENSTATS, CUDNN_ATTR_OPERATION_GENSTATS_MODE, CUDNN_TYPE_GENSTATS_MODE, 1, 1, TRUE },
  { GENSTATS, CUDNN_ATTR_OPERATION_GENSTATS_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, 1, TRUE },
  { GENSTATS, CUDNN_ATTR_OPERATION_GENSTATS_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { GENSTATS, CUDNN_ATTR_OPERATION_GENSTATS_SUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { GENSTATS, CUDNN_ATTR_OPERATION_GENSTATS_SQSUMDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      TENSOR },
  { GRAPH, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, 1, FALSE },
  { GRAPH, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 8, TRUE, -1 },
  { HEUR, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE, GRAPH },
  { HEUR, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, 1, TRUE },
  { HEUR, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, FALSE,
      PROPERTIES },
  { PLAN, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, 1, FALSE },
  { PLAN, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, TRUE,
      CONFIG },
  { PLAN, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, 1, FALSE,
      PROPERTIES },
  { PACK, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 1, 16, TRUE },
  { PACK, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 1, 16, TRUE },
  { PACK, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, 1, TRUE },
  { PROPERTIES, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, 1, 65536, TRUE },
};

/* --- attributes --- */

static gsize
size_of (cudnnBackendAttributeType_t type)
{
  switch (type) {
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return sizeof (gpointer);
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
      return 8;
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
      return 1;
    default:
      return 4;
  }
}

const DnnAttribute *
dnn_attribute (const DnnDesc *desc, cudnnBackendAttributeName_t name)
{
  for (guint i = 0; i < desc->n_attributes; i++)
    if (desc->attributes[i].name == name)
      return &desc->attributes[i];
  return NULL;
}

gint64
dnn_int (const DnnDesc *desc, cudnnBackendAttributeName_t name, guint i)
{
  return ((const gint64 *) dnn_attribute (desc, name)->values)[i];
}

gint32
dnn_enum (const DnnDesc *desc, cudnnBackendAttributeName_t name)
{
  return *(const gint32 *) dnn_attribute (desc, name)->values;
}

/* Number i of an array with five numbers, or four: the one of the axis that is missing is 1. */
static gint64
of_five (const DnnDesc *desc, cudnnBackendAttributeName_t name, guint i)
{
  const gboolean flat = dnn_attribute (desc, name)->count == 4;

  return flat && i == 2 ? 1 : dnn_int (desc, name, i - (flat && i > 2));
}

gint64
dnn_dim (const DnnDesc *tensor, guint i)
{
  return of_five (tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, i);
}

gint64
dnn_stride (const DnnDesc *tensor, guint i)
{
  return of_five (tensor, CUDNN_ATTR_TENSOR_STRIDES, i);
}

gint64
dnn_window (const DnnDesc *window, cudnnBackendAttributeName_t name, guint axis, gint64 missing)
{
  const gboolean flat = dnn_attribute (window, name)->count == 2;

  return flat && axis == 0 ? missing : dnn_int (window, name, axis - flat);
}

gfloat
dnn_float (const DnnDesc *desc, cudnnBackendAttributeName_t name)
{
  return *(const gfloat *) dnn_attribute (desc, name)->values;
}

DnnDesc *
dnn_part (const DnnDesc *desc, cudnnBackendAttributeName_t name, guint i)
{
  return ((DnnDesc **) dnn_attribute (desc, name)->values)[i];
}

/* --- descriptors --- */

DnnDesc *
dnn_desc_new (cudnnBackendDescriptorType_t type)
{
  gboolean known = type == CONFIG || type == ENGINE || type == KNOB;
  DnnDesc *desc;

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    known |= rules[i].desc == type;
  if (!known)
    return NULL;
  desc = g_new0 (DnnDesc, 1);
  desc->refs = 1;
  desc->type = type;
  return desc;
}

DnnDesc *
dnn_desc_ref (DnnDesc *desc)
{
  g_atomic_int_inc (&desc->refs);
  return desc;
}

static void
attribute_clear (DnnAttribute *a)
{
  if (a->type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (gint64 i = 0; i < a->count; i++)
      dnn_desc_unref (((DnnDesc **) a->values)[i]);
  g_free (a->values);
}

void
dnn_desc_unref (DnnDesc *desc)
{
  if (!g_atomic_int_dec_and_test (&desc->refs))
    return;
  for (guint i = 0; i < desc->n_attributes; i++)
    attribute_clear (&desc->attributes[i]);
  if (desc->graph)
    dnn_desc_unref (desc->graph);
  g_free (desc);
}

static cudnnStatus_t
check_held (gint64 count, DnnDesc *const *held, gint type)
{
  for (gint64 i = 0; i < count; i++) {
    if (!held[i])
      return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a descriptor is NULL");
    if (!held[i]->finalized)
      return dnn_refuse (
          CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a descriptor that is set is not finalized");
    if (type >= 0 && held[i]->type != (cudnnBackendDescriptorType_t) type)
      return dnn_refuse (
          CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "a descriptor that is set is of another type");
  }
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t
dnn_desc_set (DnnDesc *desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    gint64 count, gconstpointer values)
{
  DnnAttribute *a;
  guint r;

  if (!desc || !values)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a pointer is NULL");
  if (desc->finalized)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "the descriptor is finalized");
  for (r = 0; r < G_N_ELEMENTS (rules) && (rules[r].desc != desc->type || rules[r].name != name);
      r++)
    ;
  if (r == G_N_ELEMENTS (rules))
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "the descriptor has no such attribute");
  if (rules[r].type != type)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "the attribute is of another type");
  if (count < rules[r].least || count > rules[r].most)
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND, "the attribute has another number of elements");
  if (dnn_attribute (desc, name))
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "the attribute is set already");
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const cudnnStatus_t status = check_held (count, values, rules[r].holds);

    if (status != CUDNN_STATUS_SUCCESS)
      return status;
    for (gint64 i = 0; i < count; i++)
      dnn_desc_ref (((DnnDesc *const *) values)[i]);
  }
  g_assert (desc->n_attributes < G_N_ELEMENTS (desc->attributes));
  a = &desc->attributes[desc->n_attributes++];
  *a = (DnnAttribute) { name, type, count, g_memdup2 (values, count * size_of (type)) };
  return CUDNN_STATUS_SUCCESS;
}

/* --- finalize --- */

static cudnnStatus_t
check_tensor (const DnnDesc *desc)
{
  const gint64 alignment = dnn_int (desc, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0);

  if (dnn_attribute (desc, CUDNN_ATTR_TENSOR_DIMENSIONS)->count
      != dnn_attribute (desc, CUDNN_ATTR_TENSOR_STRIDES)->count)
    return dnn_refuse (
        CUDNN_STATUS_BAD_PARAM, "a tensor has more dimensions than strides, or fewer");
  for (guint i = 0; i < 5; i++)
    if (dnn_dim (desc, i) < 1 || dnn_stride (desc, i) < 1)
      return dnn_refuse (
          CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND, "a tensor's dimension or stride is not positive");
  if (alignment < 1 || (alignment & (alignment - 1)))
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "a tensor's alignment is no power of two");
  return dnn_type (desc) == (DnnType) -1 ? dnn_refuse (CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE,
                                               "a tensor is of a type that the double has not")
                                         : CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t
check_window (const DnnDesc *desc)
{
  static const cudnnBackendAttributeName_t each[] = { CUDNN_ATTR_CONVOLUTION_DILATIONS,
    CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS,
    CUDNN_ATTR_CONVOLUTION_POST_PADDINGS };
  const gint64 axes = dnn_int (desc, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0);

  if (dnn_enum (desc, CUDNN_ATTR_CONVOLUTION_COMP_TYPE) != CUDNN_DATA_FLOAT
      || dnn_enum (desc, CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION || axes < 2
      || axes > 3)
    return dnn_refuse (
        CUDNN_STATUS_NOT_SUPPORTED, "the double cross-correlates in 2-D, 3-D and f32 only");
  for (guint i = 0; i < G_N_ELEMENTS (each); i++)
    if (dnn_attribute (desc, each[i])->count != axes)
      return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "a window has more axes than it says, or fewer");
  for (gint64 i = 0; i < axes; i++)
    if (dnn_int (desc, CUDNN_ATTR_CONVOLUTION_DILATIONS, i) != 1
        || dnn_int (desc, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, i) < 1
        || dnn_int (desc, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i) < 0
        || dnn_int (desc, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, i)
            != dnn_int (desc, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i))
      return dnn_refuse (CUDNN_STATUS_NOT_SUPPORTED, "the double has no such window");
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t
check_plan (const DnnDesc *desc)
{
  const DnnDesc *config = dnn_part (desc, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 0);
  const gboolean here = dnn_attribute (desc, CUDNN_ATTR_EXECUTION_PLAN_HANDLE) != NULL;

  if (here == (dnn_attribute (desc, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP) != NULL)
      || here != (dnn_attribute (config->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE) != NULL))
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM,
        "a plan is for a handle, as its graph is, or for a device's properties");
  if (config->engine->refuses)
    return dnn_refuse (CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "this engine refuses");
  dnn_plans++;
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t
check (const DnnDesc *desc)
{
  switch (desc->type) {
    case TENSOR:
      return check_tensor (desc);
    case WINDOW:
      return check_window (desc);
    case GRAPH:
      return dnn_check_graph (desc);
    case HEUR:
      if ((dnn_attribute (dnn_part (desc, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, 0),
               CUDNN_ATTR_OPERATIONGRAPH_HANDLE)
              != NULL)
          == (dnn_attribute (desc, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP) != NULL))
        return dnn_refuse (
            CUDNN_STATUS_BAD_PARAM, "heuristics want a graph's handle or a device's properties");
      return CUDNN_STATUS_SUCCESS;
    case PLAN:
      return check_plan (desc);
    case PACK:
      if (dnn_attribute (desc, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)->count
          != dnn_attribute (desc, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)->count)
        return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "a pack has more names than pointers, or fewer");
      return CUDNN_STATUS_SUCCESS;
    case CONFIG:
    case ENGINE:
    case KNOB:
      return dnn_refuse (
          CUDNN_STATUS_NOT_SUPPORTED, "the double gives such descriptors, and takes none");
    case PROPERTIES:
      if (!g_strstr_len (desc->attributes[0].values, desc->attributes[0].count, "deviceVer"))
        return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "a device's properties have no deviceVer");
      return CUDNN_STATUS_SUCCESS;
    case POINTWISE:
      return CUDNN_STATUS_SUCCESS;
    default:
      return dnn_check_operation (desc);
  }
}

cudnnStatus_t
dnn_desc_finalize (DnnDesc *desc)
{
  cudnnStatus_t status;

  if (!desc)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a pointer is NULL");
  if (desc->finalized)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "the descriptor is finalized");
  for (guint r = 0; r < G_N_ELEMENTS (rules); r++)
    if (rules[r].desc == desc->type && rules[r].needed && !dnn_attribute (desc, rules[r].name))
      return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "an attribute that is needed is not set");
  status = check (desc);
  desc->finalized = status == CUDNN_STATUS_SUCCESS;
  return status;
}

/* --- get --- */

static cudnnStatus_t
get_notes (guint bits, gint64 asked, gint64 *count, gint32 *values)
{
  *count = 0;
  for (guint i = 0; i < 32; i++)
    if ((bits >> i & 1) && (*count)++ < asked)
      values[*count - 1] = i;
  return CUDNN_STATUS_SUCCESS;
}

/* Fills a descriptor of the caller with a part of a configuration. */
static cudnnStatus_t
fill (DnnDesc *to, cudnnBackendDescriptorType_t type, const DnnEngine *engine, DnnDesc *graph)
{
  if (!to || to->type != type || to->finalized)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
        "there is no fresh descriptor to give the answer in");
  to->engine = engine;
  to->graph = graph ? dnn_desc_ref (graph) : NULL;
  to->finalized = TRUE;
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t
get_results (DnnDesc *desc, gint64 asked, gint64 *count, DnnDesc **values)
{
  DnnDesc *graph = dnn_part (desc, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, 0);
  const DnnEngine *engines[DNN_MOST_ENGINES];
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;

  *count = dnn_engines (graph, dnn_enum (desc, CUDNN_ATTR_ENGINEHEUR_MODE), engines);
  for (gint64 i = 0; i < MIN (*count, asked) && status == CUDNN_STATUS_SUCCESS; i++)
    status = fill (values[i], CONFIG, engines[i], graph);
  return status;
}

static cudnnStatus_t
get_knobs (DnnDesc *desc, gint64 asked, gint64 *count, DnnDesc **values)
{
  cudnnStatus_t status = CUDNN_STATUS_SUCCESS;

  *count = desc->engine->n_knobs;
  for (gint64 i = 0; i < MIN (*count, asked) && status == CUDNN_STATUS_SUCCESS; i++) {
    status = fill (values[i], KNOB, desc->engine, NULL);
    if (status == CUDNN_STATUS_SUCCESS)
      memcpy (values[i]->knob, desc->engine->knobs[i], sizeof values[i]->knob);
  }
  return status;
}

cudnnStatus_t
dnn_desc_get (DnnDesc *desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    gint64 asked, gint64 *count, gpointer values)
{
  if (!desc || !count || !values || asked < 1)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a pointer is NULL");
  if (!desc->finalized)
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "the descriptor is not finalized");
  *count = 1;
  if (desc->type == HEUR && name == CUDNN_ATTR_ENGINEHEUR_RESULTS
      && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    return get_results (desc, asked, count, values);
  if (desc->type == CONFIG && name == CUDNN_ATTR_ENGINECFG_ENGINE
      && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    return fill (*(DnnDesc **) values, ENGINE, desc->engine, NULL);
  if (desc->type == CONFIG && name == CUDNN_ATTR_ENGINECFG_KNOB_CHOICES
      && type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    return get_knobs (desc, asked, count, values);
  if (desc->type == ENGINE && name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE
      && type == CUDNN_TYPE_NUMERICAL_NOTE)
    return get_notes (desc->engine->numerical, asked, count, values);
  if (desc->type == ENGINE && name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE
      && type == CUDNN_TYPE_BEHAVIOR_NOTE)
    return get_notes (desc->engine->behavior, asked, count, values);
  if (desc->type == ENGINE && name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX && type == CUDNN_TYPE_INT64)
    *(gint64 *) values = desc->engine->index;
  else if (desc->type == KNOB && name == CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE
      && type == CUDNN_TYPE_KNOB_TYPE)
    *(cudnnBackendKnobType_t *) values = desc->knob[0];
  else if (desc->type == KNOB && name == CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE
      && type == CUDNN_TYPE_INT64)
    *(gint64 *) values = desc->knob[1];
  else if (desc->type == PLAN && name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE
      && type == CUDNN_TYPE_INT64) {
    const DnnDesc *config = dnn_part (desc, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, 0);

    *(gint64 *) values = dnn_workspace (config->graph, config->engine);
  } else
    return dnn_refuse (CUDNN_STATUS_BAD_PARAM, "the descriptor has no such attribute");
  return CUDNN_STATUS_SUCCESS;
}
