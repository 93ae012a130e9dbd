/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/network/network.h"

#include <math.h>
#include <string.h>

#include "src/random.h"
#include "src/settings/settings.h"

G_DEFINE_QUARK (cnn3d-network-error, cnn3d_network_error)

typedef struct {
  const gchar *name;
  gint (*build) (Cnn3dNetwork *, gint in);
  const gchar *head;      /* name of the last layer */
  gfloat mean[3], std[3]; /* of the published weights' training */
} Model;

#define TORCHVISION { 0.43216f, 0.394666f, 0.37645f }, { 0.22803f, 0.22145f, 0.216989f }
#define PYTORCHVIDEO { 0.45f, 0.45f, 0.45f }, { 0.225f, 0.225f, 0.225f }

static const Model models[] = {
  { "r3d_18", cnn3d_network_add_resnet18, "fc", TORCHVISION },
  { "mc3_18", cnn3d_network_add_resnet18, "fc", TORCHVISION },
  { "r2plus1d_18", cnn3d_network_add_resnet18, "fc", TORCHVISION },
  { "slow_r50", cnn3d_network_add_slow_r50, "blocks.5.proj", PYTORCHVIDEO },
  /* reads key points: its heat maps are not normalised */
  { "posec3d_slowonly", cnn3d_network_add_posec3d_slowonly, "cls_head.fc_cls", PYTORCHVIDEO },
};

static const Model *const pose_model = &models[G_N_ELEMENTS (models) - 1];

static const gchar *const model_names[] = { "r3d_18", "mc3_18", "r2plus1d_18", "slow_r50",
  "posec3d_slowonly", NULL };

const gchar *const *
cnn3d_network_models (void)
{
  return model_names;
}

gboolean
cnn3d_network_sees_frames (const Cnn3dNetworkParams *p)
{
  return p->input != CNN3D_INPUT_KPT;
}

gboolean
cnn3d_network_sees_points (const Cnn3dNetworkParams *p)
{
  return p->input != CNN3D_INPUT_RGB;
}

gboolean
cnn3d_network_stacks_points (const Cnn3dNetworkParams *p)
{
  return p->input == CNN3D_INPUT_RGB_KPT && p->fusion == CNN3D_FUSION_STEM;
}

guint
cnn3d_network_views (const Cnn3dNetworkParams *p)
{
  return MAX (p->views, 1);
}

guint
cnn3d_op_views (const Cnn3dNetwork *n, guint i)
{
  const Cnn3dOp *op = &n->ops[i];

  return n->tensors[op->out >= 0 ? op->out : op->in].views;
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
  const gint in = n->ops[n->n_ops - 1].in;
  const guint views = in >= 0 ? n->tensors[in].views : cnn3d_network_views (&n->params);

  n->tensors = g_renew (Cnn3dTensor, n->tensors, n->n_tensors + 1);
  n->tensors[n->n_tensors] = (Cnn3dTensor) { c, d, h, w, (gint) n->n_ops - 1, views };
  return n->n_tensors++;
}

static gint
add_param (Cnn3dNetwork *n, const gchar *prefix, const gchar *suffix, Cnn3dParamRole role,
    guint n_dims, const gint64 *shape)
{
  n->weights = g_renew (Cnn3dParam, n->weights, n->n_weights + 1);
  Cnn3dParam *p = &n->weights[n->n_weights];

  *p = (Cnn3dParam) { g_strconcat (prefix, ".", suffix, NULL), role, n_dims, { 0 }, 1,
    (gint) n->n_ops - 1, n->n_streams - 1 };
  for (guint i = 0; i < n_dims; i++) {
    p->shape[i] = shape[i];
    p->count *= shape[i];
  }
  if (CNN3D_PARAM_TRAINED (role))
    n->trained_count += p->count;
  return n->n_weights++;
}

static gint
add_input (Cnn3dNetwork *n, guint channels, guint points)
{
  const Cnn3dNetworkParams *p = &n->params;
  const guint height = channels ? p->height : p->heatmap_size,
              width = channels ? p->width : p->heatmap_size;
  Cnn3dOp *op = add_op (n, CNN3D_OP_INPUT, -1);

  n->n_streams++;
  op->channels = channels;
  op->points = points;
  op->out = add_tensor (n, channels + points, p->frames, height, width);
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

/* --- the head --- */

static gint
add_global_pool (Cnn3dNetwork *n, gint in)
{
  Cnn3dOp *op = add_op (n, CNN3D_OP_GLOBAL_POOL, in);

  return op->out = add_tensor (n, n->tensors[in].c, 1, 1, 1);
}

/* Dropout, and a last layer. first_draw: of dropout's random numbers. */
static gint
add_classifier (Cnn3dNetwork *n, const gchar *name, gint in, guint first_draw)
{
  const gint c = n->tensors[in].c, k = n->params.num_classes;
  const gint64 shape[2] = { k, c };
  Cnn3dOp *op;

  if (n->params.dropout > 0) {
    op = add_op (n, CNN3D_OP_DROPOUT, in);
    op->dropout = n->params.dropout;
    op->first_draw = first_draw;
    in = op->out = add_tensor (n, c, 1, 1, 1);
  }
  op = add_op (n, CNN3D_OP_LINEAR, in);
  op->weight = add_param (n, name, "weight", CNN3D_PARAM_LINEAR_WEIGHT, 2, shape);
  op->bias = add_param (n, name, "bias", CNN3D_PARAM_LINEAR_BIAS, 1, shape);
  return op->out = add_tensor (n, k, 1, 1, 1);
}

static gint
add_joint (Cnn3dNetwork *n, Cnn3dOpKind kind, gint a, gint b)
{
  const gint c = n->tensors[a].c + (kind == CNN3D_OP_CONCAT ? n->tensors[b].c : 0);
  Cnn3dOp *op = add_op (n, kind, a);

  op->residual = b;
  return op->out = add_tensor (n, c, 1, 1, 1);
}

/* One row for each sample. */
static gint
add_views (Cnn3dNetwork *n, gint in)
{
  const Cnn3dNetworkParams *p = &n->params;
  const Cnn3dTensor t = n->tensors[in];
  const gint parts = p->view_fusion == CNN3D_VIEW_FUSION_CONCAT ? (gint) t.views : 1;
  Cnn3dOp *op;

  if (t.views == 1)
    return in;
  op = add_op (n, CNN3D_OP_VIEWS, in);
  op->view_fusion = p->view_fusion;
  op->dropout = (gfloat) p->view_dropout;
  op->out = add_tensor (n, t.c * parts, 1, 1, 1);
  n->tensors[op->out].views = 1;
  return op->out;
}

/* Whether views are joined before the last layer. */
static gboolean
joins_features (const Cnn3dNetworkParams *p)
{
  return p->view_fusion == CNN3D_VIEW_FUSION_FEATURES || p->view_fusion == CNN3D_VIEW_FUSION_CONCAT;
}

/* A stream for frames and one for key points; returns the logits. */
static gint
add_two_streams (Cnn3dNetwork *n, const Model *model)
{
  const Cnn3dNetworkParams *p = &n->params;
  gint rgb = add_global_pool (n, model->build (n, add_input (n, p->channels, 0)));
  gint kpt = add_global_pool (n, pose_model->build (n, add_input (n, 0, p->points)));
  gint joint;

  if (p->fusion == CNN3D_FUSION_LATE) {
    if (joins_features (p)) {
      rgb = add_views (n, rgb);
      kpt = add_views (n, kpt);
    }

    const gint a = add_classifier (n, model->head, rgb, 0);

    n->weights[n->n_weights - 2].stream = n->weights[n->n_weights - 1].stream = 0;

    const gint b =
        add_classifier (n, pose_model->head, kpt, n->tensors[rgb].c * n->tensors[rgb].views);

    return add_joint (n, CNN3D_OP_MEAN, a, b);
  }
  joint = add_joint (n, p->fusion == CNN3D_FUSION_MEAN ? CNN3D_OP_MEAN : CNN3D_OP_CONCAT, rgb, kpt);
  return add_classifier (n, model->head, joins_features (p) ? add_views (n, joint) : joint, 0);
}

static void
build (Cnn3dNetwork *n, const Model *model)
{
  const Cnn3dNetworkParams *p = &n->params;

  if (p->input == CNN3D_INPUT_RGB_KPT && !cnn3d_network_stacks_points (p)) {
    n->logits = add_two_streams (n, model);
  } else {
    const gint in = add_input (n, cnn3d_network_sees_frames (p) ? p->channels : 0,
        cnn3d_network_sees_points (p) ? p->points : 0);
    const gint pooled = add_global_pool (n, model->build (n, in));

    n->logits =
        add_classifier (n, model->head, joins_features (p) ? add_views (n, pooled) : pooled, 0);
  }
  n->logits = add_views (n, n->logits);
  add_op (n, CNN3D_OP_LOSS, n->logits);
}

/* --- the object --- */

static gboolean
check_ranges (const Cnn3dNetworkParams *p, GError **error)
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
    { "views", cnn3d_network_views (p), CNN3D_MOST_VIEWS },
    { "key points", p->points, CNN3D_SKELETON_MOST },
    { "persons", p->persons, cnn3d_setting ("clipkpt", "persons")->maximum },
    { "heatmap-size", p->heatmap_size, cnn3d_setting ("cnn3dtrain", "heatmap-size")->maximum },
  };
  const guint n = cnn3d_network_sees_points (p) ? G_N_ELEMENTS (ranges) : 7;
  g_autofree gchar *dropout =
      cnn3d_setting_refuse (cnn3d_setting ("cnn3dtrain", "dropout"), p->dropout);
  g_autofree gchar *view_dropout =
      cnn3d_setting_refuse (cnn3d_setting ("cnn3dtrain", "view-dropout"), p->view_dropout);

  for (guint i = 0; i < n; i++)
    if (!(ranges[i].value >= 1 && ranges[i].value <= ranges[i].max)) {
      g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
          "%s is %.0f, but must be from 1 to %.0f", ranges[i].what, ranges[i].value, ranges[i].max);
      return FALSE;
    }
  if (dropout || view_dropout) {
    g_set_error_literal (
        error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE, dropout ? dropout : view_dropout);
    return FALSE;
  }
  return TRUE;
}

/* Whether the model reads what the input has. */
static gboolean
check_input (const Cnn3dNetworkParams *p, const Model *model, GError **error)
{
  const Cnn3dSetting *sigma = cnn3d_setting ("cnn3dtrain", "heatmap-sigma");
  const gchar *wrong = NULL;

  if (model == pose_model && p->input == CNN3D_INPUT_RGB)
    wrong = "reads key points: set input-type=kpt, with clipkpt in the pipeline; or to use frames "
            "as well, input-type=rgb+kpt and the model of the frames";
  else if (model == pose_model && p->input == CNN3D_INPUT_RGB_KPT)
    wrong = "is the key points' stream of input-type=rgb+kpt by itself: name the frames' model";
  else if (model != pose_model && p->input == CNN3D_INPUT_KPT)
    wrong = "reads frames: with input-type=kpt use model=posec3d_slowonly";
  if (wrong) {
    g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_UNKNOWN_MODEL, "model %s %s",
        model->name, wrong);
    return FALSE;
  }
  if (cnn3d_network_sees_points (p)) {
    g_autofree gchar *refused = cnn3d_setting_refuse (sigma, p->heatmap_sigma);

    if (refused) {
      g_set_error_literal (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE, refused);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
check_sizes (const Cnn3dNetwork *n, GError **error)
{
  const Cnn3dNetworkParams *p = &n->params;

  for (guint i = 0; i < n->n_tensors; i++) {
    const Cnn3dTensor *t = &n->tensors[i];

    if (t->d < 1 || t->h < 1 || t->w < 1) {
      g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
          "clips of %u frames of %ux%u are too small for %s: use more frames or larger ones",
          p->frames, p->width, p->height, n->model);
      return FALSE;
    }
  }
  for (guint i = 0; i < n->n_ops; i++) {
    const Cnn3dOp *op = &n->ops[i];

    if (op->kind == CNN3D_OP_MEAN && n->tensors[op->in].c != n->tensors[op->residual].c) {
      g_set_error (error, CNN3D_NETWORK_ERROR, CNN3D_NETWORK_ERROR_SIZE,
          "fusion=mean needs features of one length, but %s has %d and %s %d: use fusion=concat "
          "or fusion=late",
          n->model, n->tensors[op->in].c, pose_model->name, n->tensors[op->residual].c);
      return FALSE;
    }
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
  if (!check_ranges (params, error) || !check_input (params, &models[m], error))
    return NULL;

  Cnn3dNetwork *n = g_new0 (Cnn3dNetwork, 1);

  n->model = g_strdup (params->model);
  n->params = *params;
  n->params.model = n->model;
  for (gint i = 0; i < 4; i++) {
    n->mean[i] = models[m].mean[MIN (i, 2)];
    n->std[i] = models[m].std[MIN (i, 2)];
  }
  build (n, &models[m]);
  if (!check_sizes (n, error))
    cnn3d_network_free (&n);
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
  gdouble deviation = 0, normals[512];
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
  for (gint64 done = 0; done < p->count; done += G_N_ELEMENTS (normals)) {
    const gsize some = MIN (p->count - done, (gint64) G_N_ELEMENTS (normals));

    if (deviation > 0)
      cnn3d_random_normals (&key, done, some, normals);
    for (gsize i = 0; i < some; i++)
      values[done + i] = deviation > 0 ? (gfloat) (deviation * normals[i]) : constant;
  }
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
    macs += cnn3d_op_macs (n, i) * cnn3d_op_views (n, i);
  return macs;
}
