/* cudnn-private.h: shared by the files that call cuDNN.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CUDNN_PRIVATE_H
#define CNN3D_CUDA_CUDNN_PRIVATE_H

#include "src/backend/cuda/cudnn.h"

#include <cudnn_graph.h>

#include "src/backend/backend.h"

typedef cudnnBackendDescriptor_t Desc;

/* The entry points, resolved at run time. */
typedef struct {
  size_t (*version) (void);
  const char *(*error_string) (cudnnStatus_t status);
  void (*last_error) (char *message, size_t size);
  cudnnStatus_t (*handle_create) (cudnnHandle_t *handle);
  cudnnStatus_t (*handle_destroy) (cudnnHandle_t handle);
  cudnnStatus_t (*handle_stream) (cudnnHandle_t handle, cudaStream_t stream);
  cudnnStatus_t (*create) (cudnnBackendDescriptorType_t type, Desc *desc);
  cudnnStatus_t (*destroy) (Desc desc);
  cudnnStatus_t (*finalize) (Desc desc);
  cudnnStatus_t (*set) (Desc desc, cudnnBackendAttributeName_t name,
      cudnnBackendAttributeType_t type, int64_t count, const void *values);
  cudnnStatus_t (*get) (Desc const desc, cudnnBackendAttributeName_t name,
      cudnnBackendAttributeType_t type, int64_t asked, int64_t *count, void *values);
  cudnnStatus_t (*execute) (cudnnHandle_t handle, Desc plan, Desc pack);
} CudaDnnLibrary;

struct _CudaDnnGpu {
  Desc properties;      /* of a described GPU */
  cudnnHandle_t handle; /* of a GPU of this machine */
  gchar *name;          /* checksum of the properties: key of the answers */
  GHashTable *answers;  /* text of name, graph and limits -> CudaDnnAnswer */
};

/* --- cudnn.c --- */

extern CudaDnnLibrary cuda_dnn;
extern GMutex cuda_dnn_lock; /* protects all queries; plans run without it */

/* A sequence of calls. Only the first failure is recorded, and no further calls are made. */
typedef struct {
  cudnnStatus_t status;
  gchar *failure; /* the failed call, and cuDNN's message */
} DnnCalls;

#define DNN_CALLS_INIT { CUDNN_STATUS_SUCCESS, NULL }

/* Whether all calls have succeeded so far. */
static inline gboolean
dnn_good (const DnnCalls *calls)
{
  return calls->status == CUDNN_STATUS_SUCCESS;
}

void dnn_check (DnnCalls *calls, cudnnStatus_t status, const gchar *call);
Desc dnn_create (DnnCalls *calls, cudnnBackendDescriptorType_t type);
void dnn_set (DnnCalls *calls, Desc desc, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t count, const void *values);
void dnn_finalize (DnnCalls *calls, Desc desc);
/* The number of values; at most `most` of them are stored in `values`. */
int64_t dnn_get (DnnCalls *calls, Desc desc, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t most, void *values);
void dnn_destroy (Desc *desc);
void dnn_calls_clear (DnnCalls *calls);
/* The CNN3D_BACKEND_ERROR code of the failure. */
gint dnn_calls_code (const DnnCalls *calls);

/* --- cudnn-graph.c: graphs of operations --- */

/* Tensors as a variant pack names them. */
enum {
  DNN_X = 1,
  DNN_Y,
  DNN_W,
  DNN_SCALE,
  DNN_SHIFT,
  DNN_SUM,
  DNN_SQUARES,
  DNN_VIRTUAL
};

#define DNN_MOST_PARTS 32

typedef struct {
  Desc graph;
  Desc parts[DNN_MOST_PARTS]; /* its parts, in the order of creation */
  guint n_parts;
  guint axes; /* of space: 2, or 3 */
} DnnGraph;

void dnn_graph_build (
    DnnCalls *calls, DnnGraph *graph, const CudaDnnGpu *gpu, const CudaConvGraph *wanted);
void dnn_graph_clear (DnnGraph *graph);

/* --- cudnn-plans.c --- */

GHashTable *dnn_answers_new (void);

#endif
