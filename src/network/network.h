/* network.h: a model as a static graph of operations, for clips of one size.
 *
 * The graph is independent of batch size, precision, back end and memory. Tensors are (C, D, H, W)
 * per clip.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_NETWORK_H
#define CNN3D_NETWORK_H

#include <glib.h>
#include "src/api.h"

#define CNN3D_NETWORK_ERROR (cnn3d_network_error_quark ())
CNN3D_API GQuark cnn3d_network_error_quark (void);
typedef enum {
  CNN3D_NETWORK_ERROR_UNKNOWN_MODEL,
  CNN3D_NETWORK_ERROR_SIZE,      /* sizes that the model cannot take */
  CNN3D_NETWORK_ERROR_PARAMETER, /* a weight that is missing or has another shape */
} Cnn3dNetworkError;

typedef enum {
  CNN3D_OP_INPUT, /* frames (T, H, W, C) -> out (C, T, H, W), normalised */
  CNN3D_OP_CONV,  /* no bias: batch norm follows each one */
  CNN3D_OP_NORM,  /* batch norm, then + residual, then ReLU, the last two optional */
  CNN3D_OP_MAX_POOL,
  CNN3D_OP_GLOBAL_POOL, /* mean over D, H, W; out is (C, 1, 1, 1), f32 */
  CNN3D_OP_DROPOUT,     /* on pooled features, f32 */
  CNN3D_OP_LINEAR,      /* out: logits, f32 */
  CNN3D_OP_LOSS,        /* softmax cross-entropy of logits against labels; last */
} Cnn3dOpKind;

typedef enum {
  CNN3D_PARAM_CONV_WEIGHT,   /* (O, I, kD, kH, kW) */
  CNN3D_PARAM_NORM_WEIGHT,   /* (C) */
  CNN3D_PARAM_NORM_BIAS,     /* (C) */
  CNN3D_PARAM_LINEAR_WEIGHT, /* (O, I) */
  CNN3D_PARAM_LINEAR_BIAS,   /* (O) */
  CNN3D_PARAM_RUNNING_MEAN,  /* (C); from here on: not trained */
  CNN3D_PARAM_RUNNING_VAR,   /* (C) */
} Cnn3dParamRole;

#define CNN3D_PARAM_TRAINED(role) ((role) < CNN3D_PARAM_RUNNING_MEAN)

typedef struct {
  gchar *name; /* torchvision's or PyTorchVideo's own */
  Cnn3dParamRole role;
  guint n_dims;
  gint64 shape[5]; /* outermost first, unpadded */
  gint64 count;    /* product of shape */
  gint op;
} Cnn3dParam;

typedef struct {
  gint c, d, h, w;
  gint producer; /* op */
} Cnn3dTensor;

typedef struct {
  Cnn3dOpKind kind;
  gint in, residual, out;            /* tensors; -1: none */
  gint kernel[3], stride[3], pad[3]; /* D, H, W: conv, max pool */
  gboolean relu;                     /* norm */
  gdouble eps, momentum;             /* norm: PyTorch's */
  gfloat dropout;                    /* probability of zero */
  gint weight, bias, mean, var;      /* parameters; -1: none */
} Cnn3dOp;

typedef struct {
  const gchar *model; /* r3d_18, mc3_18, r2plus1d_18, slow_r50 */
  guint num_classes;
  guint base_width;                      /* channels after the stem; 64: the model as published */
  guint channels, frames, height, width; /* of a clip */
  gfloat dropout;                        /* before the last layer */
} Cnn3dNetworkParams;

typedef struct {
  gchar *model;
  Cnn3dNetworkParams params; /* params.model is `model` */
  gfloat mean[4], std[4];    /* the input is (x / 255 - mean) / std per channel */
  Cnn3dOp *ops;
  guint n_ops;
  Cnn3dTensor *tensors;
  guint n_tensors;
  Cnn3dParam *weights; /* in the order of ops */
  guint n_weights;
  gint64 trained_count; /* trained numbers in all */
  gint logits;          /* tensor */
} Cnn3dNetwork;

/* Builds the graph. Owned by the caller. NULL with `error` for an unknown
 * model or clips too small for it. */
CNN3D_API Cnn3dNetwork *cnn3d_network_new (const Cnn3dNetworkParams *params, GError **error);
CNN3D_API void cnn3d_network_free (Cnn3dNetwork **network);

/* Names of the models, NULL-terminated, and a line on each. */
CNN3D_API const gchar *const *cnn3d_network_models (void);

/* Is it a 1x1x1 convolution with a stride? Its backward pass touches few points
 * of the input's gradient: it adds to what is there. */
CNN3D_API gboolean cnn3d_op_is_strided_pointwise (const Cnn3dOp *op);

/* Parameter number by name, or -1. */
CNN3D_API gint cnn3d_network_find_param (const Cnn3dNetwork *network, const gchar *name);

/* Initial values of parameter `param`, in PyTorch's layout (row-major, shape
 * as in Cnn3dParam), `count` floats. torchvision's and PyTorchVideo's own
 * recipe: convolutions normal with variance 2 / (O kD kH kW) (He et al. 2015,
 * fan out), batch norm 1 and 0, the last layer normal 0.01 and 0. */
CNN3D_API void cnn3d_network_initial (
    const Cnn3dNetwork *network, guint param, guint64 seed, gfloat *values);

/* Multiply-adds, forward, one clip: of op number `op` (0 but for convolutions
 * and the last layer), of all. */
CNN3D_API gint64 cnn3d_op_macs (const Cnn3dNetwork *network, guint op);
CNN3D_API gint64 cnn3d_network_macs (const Cnn3dNetwork *network);

/* --- for the models' own files --- */
gint cnn3d_network_add_input (Cnn3dNetwork *n);
gint cnn3d_network_add_conv (Cnn3dNetwork *n, const gchar *name, gint in, gint out_channels,
    const gint kernel[3], const gint stride[3], const gint pad[3]);
gint cnn3d_network_add_norm (
    Cnn3dNetwork *n, const gchar *name, gint in, gint residual, gboolean relu);
gint cnn3d_network_add_max_pool (
    Cnn3dNetwork *n, gint in, const gint kernel[3], const gint stride[3], const gint pad[3]);
void cnn3d_network_add_head (Cnn3dNetwork *n, const gchar *name, gint in);
void cnn3d_network_build_resnet18 (Cnn3dNetwork *n); /* r3d_18, mc3_18, r2plus1d_18 */
void cnn3d_network_build_slow_r50 (Cnn3dNetwork *n);

#endif
