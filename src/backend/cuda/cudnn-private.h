/* cudnn-private.h: what the files that talk to cuDNN share.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_CUDA_CUDNN_PRIVATE_H
#define CNN3D_CUDA_CUDNN_PRIVATE_H

#include "src/backend/cuda/cudnn.h"

#include <cudnn_graph.h>

#include "src/backend/backend.h"

typedef cudnnBackendDescriptor_t Desc;

/* The entry points used, found at run time. */
typedef struct {
  size_t (*version) (void);
  const char *(*error_string) (cudnnStatus_t status);
  void (*last_error) (char *message, size_t size);
  cudnnStatus_t (*handle_create) (cudnnHandle_t * handle);
  cudnnStatus_t (*handle_destroy) (cudnnHandle_t handle);
  cudnnStatus_t (*handle_stream) (cudnnHandle_t handle, cudaStream_t stream);
  cudnnStatus_t (*create) (cudnnBackendDescriptorType_t type, Desc * desc);
  cudnnStatus_t (*destroy) (Desc desc);
  cudnnStatus_t (*finalize) (Desc desc);
  cudnnStatus_t (*set) (Desc desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
      const void *values);
  cudnnStatus_t (*get) (Desc const desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
      int64_t asked, int64_t * count, void *values);
  cudnnStatus_t (*execute) (cudnnHandle_t handle, Desc plan, Desc pack);
} CudaDnnLibrary;

struct _CudaDnnGpu {
  Desc properties;              /* of a GPU that is described */
  cudnnHandle_t handle;         /* of one that is here */
  gchar *name;                  /* the properties' checksum: what answers are kept under */
  GHashTable *answers;          /* text of name, graph and limits -> CudaDnnAnswer */
};

/* --- cudnn.c --- */

extern CudaDnnLibrary cuda_dnn;
extern GMutex cuda_dnn_lock;    /* of all that is asked; plans run without it */

/* A row of calls. The first that fails is told; after it none is made. */
typedef struct {
  cudnnStatus_t status;
  gchar *failure;               /* which call, and what cuDNN says */
} DnnCalls;

#define DNN_CALLS_INIT { CUDNN_STATUS_SUCCESS, NULL }

/* Whether all calls succeeded until now. */
static inline gboolean
dnn_good (const DnnCalls *calls)
{
  return calls->status == CUDNN_STATUS_SUCCESS;
}

void dnn_check (DnnCalls * calls, cudnnStatus_t status, const gchar * call);
Desc dnn_create (DnnCalls * calls, cudnnBackendDescriptorType_t type);
void dnn_set (DnnCalls * calls, Desc desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    int64_t count, const void *values);
void dnn_finalize (DnnCalls * calls, Desc desc);
/* How many there were; at most `most` of them are in `values`. */
int64_t dnn_get (DnnCalls * calls, Desc desc, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    int64_t most, void *values);
void dnn_destroy (Desc * desc);
void dnn_calls_clear (DnnCalls * calls);
/* What kind of error the failure is. */
gint dnn_calls_code (const DnnCalls * calls);

/* --- cudnn-graph.c: graphs of operations --- */

/* Tensors as a variant pack names them. */
enum {
  DNN_X = 1, DNN_Y, DNN_W, DNN_SCALE, DNN_SHIFT, DNN_SUM, DNN_SQUARES, DNN_VIRTUAL
};

#define DNN_MOST_PARTS 32

typedef struct {
  Desc graph;
  Desc parts[DNN_MOST_PARTS];   /* what it is made of, in the order they were made */
  guint n_parts;
} DnnGraph;

void dnn_graph_build (DnnCalls * calls, DnnGraph * graph, const CudaDnnGpu * gpu, const CudaConvGraph * wanted);
void dnn_graph_clear (DnnGraph * graph);

/* --- cudnn-plans.c --- */

GHashTable *dnn_answers_new (void);

#endif
