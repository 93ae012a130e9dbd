/* dnn-graph.h: the descriptors of the test double of cuDNN, and their execution.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_DNN_GRAPH_H
#define CNN3D_DNN_GRAPH_H

#include <cudnn_graph.h>
#include <glib.h>

#include "dnn-compute.h"

/* --- dnn-desc.c: a store of attributes --- */

typedef struct {
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  gint64 count;
  gpointer values; /* of descriptors: each is referenced */
} DnnAttribute;

/* An engine proposed by the heuristics. */
typedef struct {
  gint64 index;
  guint numerical, behavior; /* bit n: note n */
  gboolean refuses;          /* has no plan when it is tried */
  gint64 workspace;          /* bytes; negative: multiplied with the bytes of the convolution's x */
  gint64 knobs[2][2];        /* type, value */
  guint n_knobs;
} DnnEngine;

typedef struct _DnnDesc DnnDesc;
struct _DnnDesc {
  gint refs;
  cudnnBackendDescriptorType_t type;
  gboolean finalized;
  DnnAttribute attributes[12];
  guint n_attributes;
  const DnnEngine *engine; /* engine, configuration */
  DnnDesc *graph;          /* configuration */
  gint64 knob[2];          /* knob choice */
};

extern guint64 dnn_plans; /* built until now */
extern _Thread_local const gchar *dnn_last_refusal;

/* Returns status. why: a literal. */
cudnnStatus_t dnn_refuse (cudnnStatus_t status, const gchar *why);

/* NULL: unsupported type. */
DnnDesc *dnn_desc_new (cudnnBackendDescriptorType_t type);
DnnDesc *dnn_desc_ref (DnnDesc *desc);
void dnn_desc_unref (DnnDesc *desc);
cudnnStatus_t dnn_desc_set (DnnDesc *desc, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, gint64 count, gconstpointer values);
cudnnStatus_t dnn_desc_finalize (DnnDesc *desc);
cudnnStatus_t dnn_desc_get (DnnDesc *desc, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, gint64 asked, gint64 *count, gpointer values);

/* NULL: not set. */
const DnnAttribute *dnn_attribute (const DnnDesc *desc, cudnnBackendAttributeName_t name);
gint64 dnn_int (const DnnDesc *desc, cudnnBackendAttributeName_t name, guint i);
gint32 dnn_enum (const DnnDesc *desc, cudnnBackendAttributeName_t name);
/* A tensor's (N, C, D, H, W): D is 1 if it has four dimensions. */
gint64 dnn_dim (const DnnDesc *tensor, guint i);
gint64 dnn_stride (const DnnDesc *tensor, guint i);
/* Of D, H, W; missing: D's if the window has two axes. */
gint64 dnn_window (
    const DnnDesc *window, cudnnBackendAttributeName_t name, guint axis, gint64 missing);
gfloat dnn_float (const DnnDesc *desc, cudnnBackendAttributeName_t name);
DnnDesc *dnn_part (const DnnDesc *desc, cudnnBackendAttributeName_t name, guint i);

/* --- dnn-engines.c: valid graphs, and their engines --- */

#define DNN_MOST_ENGINES 16

/* Attributes of a convolution operation. */
typedef struct {
  cudnnBackendAttributeName_t x, y, w, window, alpha, beta;
} DnnNames;

const DnnNames *dnn_names (cudnnBackendDescriptorType_t type);
cudnnStatus_t dnn_check_operation (const DnnDesc *op);
cudnnStatus_t dnn_check_graph (const DnnDesc *graph);
/* The only convolution of a checked graph. */
DnnDesc *dnn_convolution (const DnnDesc *graph);
guint dnn_engines (
    const DnnDesc *graph, cudnnBackendHeurMode_t mode, const DnnEngine *engines[DNN_MOST_ENGINES]);
gint64 dnn_workspace (const DnnDesc *graph, const DnnEngine *engine);
gint64 dnn_points (const DnnDesc *tensor); /* number of elements */
DnnType dnn_type (const DnnDesc *tensor);

/* --- dnn-run.c --- */

extern gint64 dnn_wrong_engine; /* see dnn-double.h */

typedef struct _DnnRun DnnRun;
cudnnStatus_t dnn_run_new (cudnnHandle_t handle, DnnDesc *plan, DnnDesc *pack, DnnRun **run);
void dnn_run (gpointer run);
void dnn_run_free (gpointer run);

#endif
