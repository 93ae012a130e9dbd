/* network.h: a model as a static graph of operations, for clips of one size.
 *
 * The graph is independent of batch size, precision, back end and memory. Tensors are (C, D, H, W)
 * per clip. A sample is one clip, or several cameras' clips of one scene, its views.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_NETWORK_H
#define CNN3D_NETWORK_H

#include <glib.h>
#include "src/api.h"
#include "src/keypoints/skeleton.h"
#include "src/settings/choices.h"

#define CNN3D_NETWORK_ERROR (cnn3d_network_error_quark ())
CNN3D_API GQuark cnn3d_network_error_quark (void);
typedef enum {
  CNN3D_NETWORK_ERROR_UNKNOWN_MODEL,
  CNN3D_NETWORK_ERROR_SIZE,      /* sizes that the model cannot take */
  CNN3D_NETWORK_ERROR_PARAMETER, /* a weight that is missing or has another shape */
} Cnn3dNetworkError;

typedef enum {
  /* frames (T, H, W, C), normalised, and heat maps of key points (T, M, K, 3) -> out (C + K, T, H,
   * W); either may be missing */
  CNN3D_OP_INPUT,
  CNN3D_OP_CONV, /* no bias: batch norm follows each one */
  CNN3D_OP_NORM, /* batch norm, then + residual, then ReLU, the last two optional */
  CNN3D_OP_MAX_POOL,
  CNN3D_OP_GLOBAL_POOL, /* mean over D, H, W; out is (C, 1, 1, 1), f32 */
  CNN3D_OP_DROPOUT,     /* on pooled features, f32 */
  CNN3D_OP_LINEAR,      /* out: logits, f32 */
  CNN3D_OP_CONCAT,      /* of two streams' features, f32: in's channels, then residual's */
  CNN3D_OP_MEAN,        /* of two streams' features or logits, f32: (in + residual) / 2 */
  /* of the views of a sample, f32: one row for each sample, see Cnn3dViewFusion. Missing views do not
   * count in a mean, and are zeros in a concatenation. Of probabilities: the logarithm of their
   * mean, which serves as logits. */
  CNN3D_OP_VIEWS,
  CNN3D_OP_LOSS, /* softmax cross-entropy of logits against labels; last */
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
  guint stream; /* 0; of a second stream: 1 */
} Cnn3dParam;

typedef struct {
  gint c, d, h, w;
  gint producer; /* op */
  guint views;   /* rows for each sample: its views, or 1 after they are joined */
} Cnn3dTensor;

typedef struct {
  Cnn3dOpKind kind;
  gint in, residual, out;            /* tensors; -1: none */
  gint kernel[3], stride[3], pad[3]; /* D, H, W: conv, max pool */
  gboolean relu;                     /* norm */
  gdouble eps, momentum;             /* norm: PyTorch's */
  gfloat dropout;                    /* probability of zero; views: of leaving one out */
  guint first_draw;                  /* dropout: of the sample's random numbers */
  Cnn3dViewFusion view_fusion;       /* views */
  guint channels, points;            /* input: of frames; heat maps after them; 0: none */
  gint weight, bias, mean, var;      /* parameters; -1: none */
} Cnn3dOp;

typedef struct {
  const gchar *model; /* one of cnn3d_network_models() */
  guint num_classes;
  /* 64: the model as published, with 64 channels after the stem; posec3d_slowonly has half as
   * many */
  guint base_width;
  guint channels, frames, height, width; /* of a clip */
  gfloat dropout;                        /* before the last layer */
  /* What the network sees of a clip. The rest is for key points only. */
  Cnn3dInputType input;
  Cnn3dFusion fusion;    /* of frames and key points; a second stream is posec3d_slowonly */
  guint points, persons; /* K and M of a clip's key points, (T, M, K, 3) */
  /* Height and width of the heat maps; those that are channels of the frames have the frames'. */
  guint heatmap_size;
  gfloat heatmap_sigma; /* of a point's Gaussian, in the heat map's pixels */
  /* Clips of a sample; 0 and 1: a sample is one clip, and the rest is ignored. */
  guint views;
  Cnn3dViewFusion view_fusion;
  gdouble view_dropout; /* probability that training leaves out a view; one is always kept */
} Cnn3dNetworkParams;

#define CNN3D_MOST_VIEWS 32

typedef struct {
  gchar *model;
  Cnn3dNetworkParams params; /* params.model is `model` */
  gfloat mean[4], std[4];    /* of frames: the input is (x / 255 - mean) / std per channel */
  Cnn3dOp *ops;
  guint n_ops;
  Cnn3dTensor *tensors;
  guint n_tensors;
  Cnn3dParam *weights; /* in the order of ops */
  guint n_weights;
  gint64 trained_count; /* trained numbers in all */
  guint n_streams;
  gint logits; /* tensor */
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

/* Clips of a sample. */
CNN3D_API guint cnn3d_network_views (const Cnn3dNetworkParams *params);
/* Rows for each sample that a step of an op counts: of its output or, without one, its input. */
CNN3D_API guint cnn3d_op_views (const Cnn3dNetwork *network, guint op);

/* Multiply-adds, forward: of op number `op` for one row (0 but for convolutions and the last
 * layer), of all for one sample. */
CNN3D_API gint64 cnn3d_op_macs (const Cnn3dNetwork *network, guint op);
CNN3D_API gint64 cnn3d_network_macs (const Cnn3dNetwork *network);

/* Whether the network reads frames; key points. */
CNN3D_API gboolean cnn3d_network_sees_frames (const Cnn3dNetworkParams *params);
CNN3D_API gboolean cnn3d_network_sees_points (const Cnn3dNetworkParams *params);
/* Whether its heat maps are channels of the frames, and so of the frames' size. */
CNN3D_API gboolean cnn3d_network_stacks_points (const Cnn3dNetworkParams *params);

/* --- for the models' own files --- */
gint cnn3d_network_add_conv (Cnn3dNetwork *n, const gchar *name, gint in, gint out_channels,
    const gint kernel[3], const gint stride[3], const gint pad[3]);
gint cnn3d_network_add_norm (
    Cnn3dNetwork *n, const gchar *name, gint in, gint residual, gboolean relu);
gint cnn3d_network_add_max_pool (
    Cnn3dNetwork *n, gint in, const gint kernel[3], const gint stride[3], const gint pad[3]);
/* A model without its last layers; returns its last tensor. */
gint cnn3d_network_add_resnet18 (Cnn3dNetwork *n, gint in); /* r3d_18, mc3_18, r2plus1d_18 */
gint cnn3d_network_add_slow_r50 (Cnn3dNetwork *n, gint in);
gint cnn3d_network_add_posec3d_slowonly (Cnn3dNetwork *n, gint in);

/* bottleneck.c: a residual block of 1x1, 3x3 and 1x1 convolutions. */
typedef struct {
  /* format of the names of the convolutions and batch norms, with the block's name for %s and a,
   * b, c or 1, 2, 3 for %c */
  const gchar *conv, *norm;
  gchar first;                                    /* 'a' or '1' */
  const gchar *downsample_conv, *downsample_norm; /* with the block's name for %s */
} Cnn3dBottleneckNames;
/* inner: channels between; temporal: the first kernel's depth. The stride is the second one's. */
gint cnn3d_network_add_bottleneck (Cnn3dNetwork *n, const Cnn3dBottleneckNames *names,
    const gchar *block, gint in, gint inner, gint out_channels, gint temporal,
    const gint stride[3]);

#endif
