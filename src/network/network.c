/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/network/network.h"

#include <math.h>
#include <string.h>

#include "src/random.h"
#include "src/settings/settings.h"

G_DEFINE_QUARK (cnn3d-network-error, cnn3d_network_error)

static const struct {
  const gchar *name;
  void (*build) (Cnn3dNetwork *);
  gfloat mean[3], std[3]; /* of the published weights' training */
} models[] = {
  { "r3d_18", cnn3d_network_build_resnet18, { 0.43216f, 0.394666f, 0.37645f },
      { 0.22803f, 0.22145f, 0.216989f } },
  { "mc3_18", cnn3d_network_build_resnet18, { 0.43216f, 0.394666f, 0.37645f },
      { 0.22803f, 0.22145f, 0.216989f } },
  { "r2plus1d_18", cnn3d_network_build_resnet18, { 0.43216f, 0.394666f, 0.37645f },
      { 0.22803f, 0.22145f, 0.216989f } },
  { "slow_r50", cnn3d_network_build_slow_r50, { 0.45f, 0.45f, 0.45f }, { 0.225f, 0.225f, 0.225f } },
};

static const gchar *const model_names[] = { "r3d_18", "mc3_18", "r2plus1d_18", "slow_r50", NULL };

const gchar *const *
cnn3d_network_models (void)
{
  return model_names;
}

/* --- building --- */

static Cnn3dOp *
add_op (Cnn3dNetwork *n, Cnn3dOpKind kind, gint in)
{
  n->ops = g_renew (Cnn3dOp, n->ops, n->n_ops + 1);
  Cnn3dOp *op = &n->ops[n->n_ops++];

  memset (op, 0, sizeof *op);
  op->kind = kind;
  op->in = in;
  op->residual = op->out = -1;
  op->weight = op->bias = op->mean = op->var = -1;
  return op;
}

static gint
add_tensor (Cnn3dNetwork *n, gint c, gint d, gint h, gint w)
{
  n->tensors = g_renew (Cnn3dTensor, n->tensors, n->n_tensors + 1);
  n->tensors[n->n_tensors] = (Cnn3dTensor) { c, d, h, w, (gint) n->n_ops - 1 };
  return n->n_tensors++;
}

static gint
add_param (Cnn3dNetwork *n, const gchar *prefix, const gchar *suffix, Cnn3dParamRole role,
    guint n_dims, const gint64 *shape)
{
  n->weights = g_renew (Cnn3dParam, n->weights, n->n_weights + 1);
  Cnn3dParam *p = &n->weights[n->n_weights];

  *p = (Cnn3dParam) { g_strconcat (prefix, ".", suffix, NULL), role, n_dims, { 0 }, 1,
    (gint) n->n_ops - 1 };
  for (guint i = 0; i < n_dims; i++) {
    p->shape[i] = shape[i];
    p->count *= shape[i];
  }
  if (CNN3D_PARAM_TRAINED (role))
    n->trained_count += p->count;
  return n->n_weights++;
}

gint
cnn3d_network_add_input (Cnn3dNetwork *n)
{
  Cnn3dOp *op = add_op (n, CNN3D_OP_INPUT, -1);

  op->out = add_tensor (n, n->params.channels, n->params.frames, n->params.height, n->params.width);
  return op->out;
}

/* Points of one axis after a window of `kernel`, or 0 where none fits. */
static gint
out_size (gint in, gint kernel, gint stride, gint pad)
{
  return in + 2 * pad < kernel ? 0 : (in + 2 * pad - kernel) / stride + 1;
}

static gint
add_window (Cnn3dNetwork *n, Cnn3dOp *op, gint out_channels, const gint kernel[3],
    const gint stride[3], const gint pad[3])
{
  const Cnn3dTensor in = n->tensors[op->in];
  gint size[3] = { in.d, in.h, in.w };

  for (gint i = 0; i < 3; i++) {
    op->kernel[i] = kernel[i];
    op->stride[i] = stride[i];
    op->pad[i] = pad[i];
    size[i] = out_size (size[i], kernel[i], stride[i], pad[i]);
  }
  op->out = add_tensor (n, out_channels, size[0], size[1], size[2]);
  return op->out;
}

gint
cnn3d_network_add_conv (Cnn3dNetwork *n, const gchar *name, gint in, gint out_channels,
    const gint kernel[3], const gint stride[3], const gint pad[3])
{
  Cnn3dOp *op = add_op (n, CNN3D_OP_CONV, in);
  gint64 shape[5] = { out_channels, n->tensors[in].c, kernel[0], kernel[1], kernel[2] };
  gint out = add_window (n, op, out_channels, kernel, stride, pad);

  op->weight = add_param (n, name, "weight", CNN3D_PARAM_CONV_WEIGHT, 5, shape);
  return out;
}

gint
cnn3d_network_add_norm (Cnn3dNetwork *n, const gchar *name, gint in, gint residual, gboolean relu)
{
  const Cnn3dTensor t = n->tensors[in];
  const gint64 shape[1] = { t.c };
  Cnn3dOp *op = add_op (n, CNN3D_OP_NORM, in);

  op->residual = residual;
  op->relu = relu;
  op->eps = 1e-5;
  op->momentum = 0.1;
  op->weight = add_param (n, name, "weight", CNN3D_PARAM_NORM_WEIGHT, 1, shape);
  op->bias = add_param (n, name, "bias", CNN3D_PARAM_NORM_BIAS, 1, shape);
  op->mean = add_param (n, name, "running_mean", CNN3D_PARAM_RUNNING_MEAN, 1, shape);
  op->var = add_param (n, name, "running_var", CNN3D_PARAM_RUNNING_VAR, 1, shape);
  op->out = add_tensor (n, t.c, t.d, t.h, t.w);
  return op->out;
}

gint
cnn3d_network_add_max_pool (
    Cnn3dNetwork *n, gint in, const gint kernel[3], const gint stride[3], const gint pad[3])
{
  Cnn3dOp *op = add_op (n, CNN3D_OP_MAX_POOL, in);

  return add_window (n, op, n->tensors[in].c, kernel, stride, pad);
}

void
cnn3d_network_add_head (Cnn3dNetwork *n, const gchar *name, gint in)
{
  const gint c = n->tensors[in].c, k = n->params.num_classes;
  const gint64 shape[2] = { k, c };
  Cnn3dOp *op = add_op (n, CNN3D_OP_GLOBAL_POOL, in);

  in = op->out = add_tensor (n, c, 1, 1, 1);
  if (n->params.dropout > 0) {
    op = add_op (n, CNN3D_OP_DROPOUT, in);
    op->dropout = n->params.dropout;
    in = op->out = add_tensor (n, c, 1, 1, 1);
  }
  op = add_op (n, CNN3D_OP_LINEAR, in);
  op->weight = add_param (n, name, "weight", CNN3D_PARAM_LINEAR_WEIGHT, 2, shape);
  op->bias = add_param (n, name, "bias", CNN3D_PARAM_LINEAR_BIAS, 1, shape);
  op->out = n->logits = add_tensor (n, k, 1, 1, 1);
  add_op (n, CNN3D_OP_LOSS, n->logits);
}

/* --- the object --- */

static gboolean
check_params (const Cnn3dNetworkParams *p, GError **error)
{
  const gdouble size = cnn3d_setting (NULL, "data.img_size")->maximum;
  const struct {
    const gchar *what;
    gdouble value, max;
  } ranges[] = {
    { "num-classes", p->num_classes, cnn3d_setting ("cnn3dtrain", "num-classes")->maximum },
    { "base-width", p->base_width, cnn3d_setting ("cnn3dtrain", "base-width")->maximum },
    { "channels", p->channels, 4 },
    { "frames", p->frames, cnn3d_setting ("clipsample", "num-frames")->maximum },
    { "height", p->height, size },
    { "width", p->width, size },
  };
  g_autofree gchar *dropout =
      cnn3d_setting_refuse (cnn3d_setting ("cnn3dtrain", "dropout"), p->dropout);

  for (guint i = 0; i < G_N_ELEMENTS (ranges); i++)
    if (!(ranges[i].value >= 1 && ranges[i].value <= ranges[i].max)) {
      g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
          "%s is %.0f, but must be from 1 to %.0f", ranges[i].what, ranges[i].value, ranges[i].max);
      return FALSE;
    }
  if (dropout) {
    g_set_error_literal (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE, dropout);
    return FALSE;
  }
  return TRUE;
}

Cnn3dNetwork *
cnn3d_network_new (const Cnn3dNetworkParams *params, GError **error)
{
  guint m;

  g_return_val_if_fail (params != NULL && params->model != NULL, NULL);

  for (m = 0; m < G_N_ELEMENTS (models); m++)
    if (!strcmp (models[m].name, params->model))
      break;
  if (m == G_N_ELEMENTS (models)) {
    g_autofree gchar *names = g_strjoinv (", ", (gchar **) model_names);

    g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_UNKNOWN_MODEL,
        "there is no model '%s': use one of %s", params->model, names);
    return NULL;
  }
  if (!check_params (params, error))
    return NULL;

  Cnn3dNetwork *n = g_new0 (Cnn3dNetwork, 1);

  n->model = g_strdup (params->model);
  n->params = *params;
  n->params.model = n->model;
  for (gint i = 0; i < 4; i++) {
    n->mean[i] = models[m].mean[MIN (i, 2)];
    n->std[i] = models[m].std[MIN (i, 2)];
  }
  models[m].build (n);

  for (guint i = 0; i < n->n_tensors; i++) {
    const Cnn3dTensor *t = &n->tensors[i];

    if (t->d < 1 || t->h < 1 || t->w < 1) {
      g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
          "clips of %u frames of %ux%u are too small for %s: use more frames or larger ones",
          params->frames, params->width, params->height, n->model);
      cnn3d_network_free (&n);
      return NULL;
    }
  }
  return n;
}

void
cnn3d_network_free (Cnn3dNetwork **network)
{
  Cnn3dNetwork *n = *network;

  *network = NULL;
  if (!n)
    return;
  for (guint i = 0; i < n->n_weights; i++)
    g_free (n->weights[i].name);
  g_free (n->weights);
  g_free (n->tensors);
  g_free (n->ops);
  g_free (n->model);
  g_free (n);
}

gboolean
cnn3d_op_is_strided_pointwise (const Cnn3dOp *op)
{
  return op->kind == CNN3D_OP_CONV && op->kernel[0] * op->kernel[1] * op->kernel[2] == 1
      && op->stride[0] * op->stride[1] * op->stride[2] > 1;
}

gint
cnn3d_network_find_param (const Cnn3dNetwork *n, const gchar *name)
{
  for (guint i = 0; i < n->n_weights; i++)
    if (!strcmp (n->weights[i].name, name))
      return i;
  return -1;
}

void
cnn3d_network_initial (const Cnn3dNetwork *n, guint param, guint64 seed, gfloat *values)
{
  const Cnn3dParam *p = &n->weights[param];
  const Cnn3dRandomKey key = { seed, 0, CNN3D_RANDOM_WEIGHTS, param };
  gdouble deviation = 0;
  gfloat constant = 0;

  switch (p->role) {
    case CNN3D_PARAM_CONV_WEIGHT:
      deviation = sqrt (2.0 / (p->shape[0] * p->shape[2] * p->shape[3] * p->shape[4]));
      break;
    case CNN3D_PARAM_LINEAR_WEIGHT:
      deviation = 0.01;
      break;
    case CNN3D_PARAM_NORM_WEIGHT:
    case CNN3D_PARAM_RUNNING_VAR:
      constant = 1;
      break;
    default:
      break;
  }
  for (gint64 i = 0; i < p->count; i++)
    values[i] = deviation > 0 ? (gfloat) (deviation * cnn3d_random_normal (&key, i)) : constant;
}

gint64
cnn3d_op_macs (const Cnn3dNetwork *n, guint i)
{
  const Cnn3dOp *op = &n->ops[i];

  if (op->kind != CNN3D_OP_CONV && op->kind != CNN3D_OP_LINEAR)
    return 0;

  const Cnn3dTensor *t = &n->tensors[op->out];

  return n->weights[op->weight].count * t->d * t->h * t->w;
}

gint64
cnn3d_network_macs (const Cnn3dNetwork *n)
{
  gint64 macs = 0;

  for (guint i = 0; i < n->n_ops; i++)
    macs += cnn3d_op_macs (n, i);
  return macs;
}
