/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/reference/reference.h"

#include <math.h>
#include <string.h>

/* --- the object --- */

static gsize
points (const Cnn3dTensor *t)
{
  return (gsize) t->d * t->h * t->w;
}

static guint
rows (const Reference *r, gint tensor)
{
  return r->batch * r->net->tensors[tensor].views;
}

static gsize
size_of (const Reference *r, gint tensor)
{
  const Cnn3dTensor *t = &r->net->tensors[tensor];

  return rows (r, tensor) * t->c * points (t);
}

Reference *
reference_new (const Cnn3dNetwork *net, guint batch)
{
  Reference *r = g_new0 (Reference, 1);

  r->net = net;
  r->batch = batch;
  r->weights = g_new0 (gdouble *, net->n_weights);
  r->weight_gradients = g_new0 (gdouble *, net->n_weights);
  for (guint i = 0; i < net->n_weights; i++) {
    r->weights[i] = g_new0 (gdouble, net->weights[i].count);
    r->weight_gradients[i] = g_new0 (gdouble, net->weights[i].count);
  }
  r->tensors = g_new0 (gdouble *, net->n_tensors);
  r->tensor_gradients = g_new0 (gdouble *, net->n_tensors);
  for (guint i = 0; i < net->n_tensors; i++) {
    r->tensors[i] = g_new0 (gdouble, size_of (r, i));
    r->tensor_gradients[i] = g_new0 (gdouble, size_of (r, i));
  }
  r->means = g_new0 (gdouble *, net->n_ops);
  r->variances = g_new0 (gdouble *, net->n_ops);
  for (guint i = 0; i < net->n_ops; i++)
    if (net->ops[i].kind == CNN3D_OP_NORM) {
      r->means[i] = g_new0 (gdouble, net->tensors[net->ops[i].in].c);
      r->variances[i] = g_new0 (gdouble, net->tensors[net->ops[i].in].c);
    }
  return r;
}

static void
free_all (gdouble **arrays, guint n)
{
  for (guint i = 0; i < n; i++)
    g_free (arrays[i]);
  g_free (arrays);
}

void
reference_free (Reference **reference)
{
  Reference *r = *reference;

  *reference = NULL;
  if (!r)
    return;
  free_all (r->weights, r->net->n_weights);
  free_all (r->weight_gradients, r->net->n_weights);
  free_all (r->tensors, r->net->n_tensors);
  free_all (r->tensor_gradients, r->net->n_tensors);
  free_all (r->means, r->net->n_ops);
  free_all (r->variances, r->net->n_ops);
  g_free (r);
}

void
reference_set_weight (Reference *r, guint param, const gfloat *values)
{
  for (gint64 i = 0; i < r->net->weights[param].count; i++)
    r->weights[param][i] = values[i];
}

void
reference_clear_gradients (Reference *r)
{
  for (guint i = 0; i < r->net->n_weights; i++)
    memset (r->weight_gradients[i], 0, r->net->weights[i].count * sizeof (gdouble));
}

/* --- input --- */

gdouble
reference_half_to_double (guint16 half)
{
  const gint sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, mantissa = half & 0x3ff;

  if (exponent == 31)
    return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0)
    return sign * ldexp (mantissa, -24);
  return sign * ldexp (1024 + mantissa, exponent - 25);
}

static gdouble
frame_value (const Reference *r, const ReferenceInput *in, gsize from, gint c)
{
  switch (in->type) {
    case CNN3D_TYPE_UINT8:
      return (((const guint8 *) in->frames)[from] / 255.0 - r->net->mean[c]) / r->net->std[c];
    case CNN3D_TYPE_FLOAT16:
      return reference_half_to_double (((const guint16 *) in->frames)[from]);
    default:
      return ((const gfloat *) in->frames)[from];
  }
}

/* Whether pixel `at` is within 3 sigma of mu, rounded as in MMAction2's GeneratePoseTarget. */
static gboolean
within (gfloat mu, gfloat sigma, gint at)
{
  return at >= (gint) (mu - 3 * sigma) && at <= (gint) (mu + 3 * sigma) && mu + 3 * sigma > -1;
}

/* One pixel of the heat map of key point k in one frame, whose points are (M, K, 3): the maximum
 * over the persons. */
static gdouble
heat (const Reference *r, const gfloat *frame, gint k, gint x, gint y, const Cnn3dTensor *t)
{
  const Cnn3dNetworkParams *p = &r->net->params;
  gdouble most = 0;

  for (guint m = 0; m < p->persons; m++) {
    const gfloat *point = frame + (m * p->points + k) * 3;
    const gfloat mu_x = point[0] * t->w, mu_y = point[1] * t->h;

    if (point[2] < 1e-4f || !within (mu_x, p->heatmap_sigma, x)
        || !within (mu_y, p->heatmap_sigma, y))
      continue;
    most = MAX (most,
        exp (-(pow (x - mu_x, 2) + pow (y - mu_y, 2)) / (2 * pow (p->heatmap_sigma, 2)))
            * point[2]);
  }
  return most;
}

static void
input_forward (const Reference *r, const Cnn3dOp *op, const ReferenceInput *in)
{
  const Cnn3dTensor *t = &r->net->tensors[op->out];
  const gint channels = op->channels;
  const gsize frame = (gsize) r->net->params.persons * op->points * 3;
  gdouble *y = r->tensors[op->out];

  for (guint n = 0; n < rows (r, op->out); n++)
    for (gint c = 0; c < t->c; c++)
      for (gint d = 0; d < t->d; d++)
        for (gint h = 0; h < t->h; h++)
          for (gint w = 0; w < t->w; w++) {
            const gsize p = ((gsize) d * t->h + h) * t->w + w;

            y[(n * t->c + c) * points (t) + p] = c < channels
                ? frame_value (r, in, (n * points (t) + p) * channels + c, c)
                : heat (r, in->points + (n * t->d + d) * frame, c - channels, w, h, t);
          }
}

/* --- windows: convolution, max pooling --- */

/* The output points [first, end) of one axis for which the input point `w * stride - pad + k`
 * exists. */
static inline gint
first_point (gint stride, gint pad, gint k)
{
  return k >= pad ? 0 : (pad - k + stride - 1) / stride;
}

static inline gint
end_point (gint in, gint out, gint stride, gint pad, gint k)
{
  return in - 1 + pad - k < 0 ? 0 : MIN (out, (in - 1 + pad - k) / stride + 1);
}

#define FOR_AXIS(op, axis, in, out, k, p, i)                                       \
  for (gint p = first_point ((op)->stride[axis], (op)->pad[axis], k),              \
            p##_end = end_point (in, out, (op)->stride[axis], (op)->pad[axis], k), \
            i = p * (op)->stride[axis] - (op)->pad[axis] + k;                      \
      p < p##_end; p++, i += (op)->stride[axis])

/* BODY for every pair of an output point `to` and the input point `from` at the offset (kd, kh, kw)
 * of its window; padding is left out. */
#define FOR_WINDOW(op, in, out, kd, kh, kw, BODY)                  \
  FOR_AXIS (op, 0, (in)->d, (out)->d, kd, d, id)                   \
  FOR_AXIS (op, 1, (in)->h, (out)->h, kh, h, ih)                   \
  FOR_AXIS (op, 2, (in)->w, (out)->w, kw, w, iw)                   \
  {                                                                \
    const gsize from = ((gsize) id * (in)->h + ih) * (in)->w + iw; \
    const gsize to = ((gsize) d * (out)->h + h) * (out)->w + w;    \
    BODY                                                           \
  }

#define FOR_KERNEL(op, kd, kh, kw)                \
  for (gint kd = 0; kd < (op)->kernel[0]; kd++)   \
    for (gint kh = 0; kh < (op)->kernel[1]; kh++) \
      for (gint kw = 0; kw < (op)->kernel[2]; kw++)

static void
conv_forward (const Reference *r, const Cnn3dOp *op)
{
  const Cnn3dTensor *in = &r->net->tensors[op->in], *out = &r->net->tensors[op->out];
  const gdouble *weight = r->weights[op->weight];

  memset (r->tensors[op->out], 0, size_of (r, op->out) * sizeof (gdouble));
  for (guint n = 0; n < rows (r, op->in); n++)
    for (gint o = 0; o < out->c; o++)
      for (gint i = 0; i < in->c; i++) {
        const gdouble *x = r->tensors[op->in] + (n * in->c + i) * points (in);
        gdouble *y = r->tensors[op->out] + (n * out->c + o) * points (out);

        FOR_KERNEL (op, kd, kh, kw)
        {
          const gdouble k =
              weight[(((o * in->c + i) * op->kernel[0] + kd) * op->kernel[1] + kh) * op->kernel[2]
                  + kw];

          FOR_WINDOW (op, in, out, kd, kh, kw, y[to] += k * x[from];)
        }
      }
}

static void
conv_backward (const Reference *r, const Cnn3dOp *op)
{
  const Cnn3dTensor *in = &r->net->tensors[op->in], *out = &r->net->tensors[op->out];

  for (guint n = 0; n < rows (r, op->in); n++)
    for (gint o = 0; o < out->c; o++)
      for (gint i = 0; i < in->c; i++) {
        const gdouble *x = r->tensors[op->in] + (n * in->c + i) * points (in);
        const gdouble *dy = r->tensor_gradients[op->out] + (n * out->c + o) * points (out);
        gdouble *dx = r->tensor_gradients[op->in] + (n * in->c + i) * points (in);

        FOR_KERNEL (op, kd, kh, kw)
        {
          const gsize at =
              (((o * in->c + i) * op->kernel[0] + kd) * op->kernel[1] + kh) * op->kernel[2] + kw;
          const gdouble k = r->weights[op->weight][at];
          gdouble sum = 0;

          FOR_WINDOW (op, in, out, kd, kh, kw, sum += dy[to] * x[from]; dx[from] += dy[to] * k;)
          r->weight_gradients[op->weight][at] += sum;
        }
      }
}

/* For one channel of one clip: the input point that each output point takes. */
static void
pool_channel (const Cnn3dOp *op, const Cnn3dTensor *in, const Cnn3dTensor *out, const gdouble *x,
    gsize *chosen)
{
  for (gsize p = 0; p < points (out); p++)
    chosen[p] = G_MAXSIZE;
  FOR_KERNEL (op, kd, kh, kw)
  {
    FOR_WINDOW (op, in, out, kd, kh, kw,
        if (chosen[to] == G_MAXSIZE || x[from] > x[chosen[to]]) chosen[to] = from;)
  }
}

static void
pool (const Reference *r, const Cnn3dOp *op, gboolean forward)
{
  const Cnn3dTensor *in = &r->net->tensors[op->in], *out = &r->net->tensors[op->out];
  g_autofree gsize *chosen = g_new (gsize, points (out));

  for (gsize i = 0; i < (gsize) rows (r, op->in) * in->c; i++) {
    const gdouble *x = r->tensors[op->in] + i * points (in);

    pool_channel (op, in, out, x, chosen);
    for (gsize p = 0; p < points (out); p++)
      if (forward)
        r->tensors[op->out][i * points (out) + p] = x[chosen[p]];
      else
        r->tensor_gradients[op->in][i * points (in) + chosen[p]] +=
            r->tensor_gradients[op->out][i * points (out) + p];
  }
}

/* --- batch norm, residual, ReLU --- */

static void
norm_forward (const Reference *r, gint number, gboolean batch_statistics)
{
  const Cnn3dOp *op = &r->net->ops[number];
  const Cnn3dTensor *t = &r->net->tensors[op->in];
  const gdouble *x = r->tensors[op->in];
  const gdouble count = (gdouble) rows (r, op->in) * points (t);

  for (gint c = 0; c < t->c; c++) {
    gdouble mean = r->weights[op->mean][c], var = r->weights[op->var][c];

    if (batch_statistics) {
      mean = var = 0;
      for (guint n = 0; n < rows (r, op->in); n++)
        for (gsize p = 0; p < points (t); p++)
          mean += x[(n * t->c + c) * points (t) + p] / count;
      for (guint n = 0; n < rows (r, op->in); n++)
        for (gsize p = 0; p < points (t); p++)
          var += pow (x[(n * t->c + c) * points (t) + p] - mean, 2) / count;
      r->weights[op->mean][c] += op->momentum * (mean - r->weights[op->mean][c]);
      r->weights[op->var][c] +=
          op->momentum * (var * count / MAX (count - 1, 1) - r->weights[op->var][c]);
    }
    r->means[number][c] = mean;
    r->variances[number][c] = var;
    for (guint n = 0; n < rows (r, op->in); n++)
      for (gsize p = 0; p < points (t); p++) {
        const gsize i = (n * t->c + c) * points (t) + p;
        gdouble y = (x[i] - mean) / sqrt (var + op->eps) * r->weights[op->weight][c]
            + r->weights[op->bias][c];

        if (op->residual >= 0)
          y += r->tensors[op->residual][i];
        r->tensors[op->out][i] = op->relu && y < 0 ? 0 : y;
      }
  }
}

static void
norm_backward (const Reference *r, gint number, gboolean batch_statistics)
{
  const Cnn3dOp *op = &r->net->ops[number];
  const Cnn3dTensor *t = &r->net->tensors[op->in];
  const gdouble count = (gdouble) rows (r, op->in) * points (t);
  gdouble *g = r->tensor_gradients[op->out];

  for (gsize i = 0; i < size_of (r, op->out); i++) {
    if (op->relu && !(r->tensors[op->out][i] > 0))
      g[i] = 0;
    if (op->residual >= 0)
      r->tensor_gradients[op->residual][i] += g[i];
  }
  for (gint c = 0; c < t->c; c++) {
    const gdouble mean = r->means[number][c],
                  inverse = 1 / sqrt (r->variances[number][c] + op->eps);
    const gdouble weight = r->weights[op->weight][c];
    gdouble sum = 0, product = 0; /* of g, and of g x^ */

    for (guint n = 0; n < rows (r, op->in); n++)
      for (gsize p = 0; p < points (t); p++) {
        const gsize i = (n * t->c + c) * points (t) + p;

        sum += g[i];
        product += g[i] * (r->tensors[op->in][i] - mean) * inverse;
      }
    r->weight_gradients[op->bias][c] += sum;
    r->weight_gradients[op->weight][c] += product;
    for (guint n = 0; n < rows (r, op->in); n++)
      for (gsize p = 0; p < points (t); p++) {
        const gsize i = (n * t->c + c) * points (t) + p;
        const gdouble normalized = (r->tensors[op->in][i] - mean) * inverse;

        r->tensor_gradients[op->in][i] += weight * inverse
            * (batch_statistics ? g[i] - sum / count - normalized * product / count : g[i]);
      }
  }
}

/* --- the head --- */

static void
global_pool (const Reference *r, const Cnn3dOp *op, gboolean forward)
{
  const gsize n = points (&r->net->tensors[op->in]);

  for (gsize i = 0; i < size_of (r, op->out); i++) {
    if (forward)
      r->tensors[op->out][i] = 0;
    for (gsize p = 0; p < n; p++)
      if (forward)
        r->tensors[op->out][i] += r->tensors[op->in][i * n + p] / n;
      else
        r->tensor_gradients[op->in][i * n + p] += r->tensor_gradients[op->out][i] / n;
  }
}

static void
pass_on (const Reference *r, const Cnn3dOp *op, gboolean forward)
{
  for (gsize i = 0; i < size_of (r, op->out); i++)
    if (forward)
      r->tensors[op->out][i] = r->tensors[op->in][i];
    else
      r->tensor_gradients[op->in][i] += r->tensor_gradients[op->out][i];
}

static void
concat (const Reference *r, const Cnn3dOp *op, gboolean forward)
{
  const gint a = r->net->tensors[op->in].c, b = r->net->tensors[op->residual].c;

  for (guint n = 0; n < rows (r, op->out); n++)
    for (gint i = 0; i < a + b; i++) {
      const gint from = i < a ? op->in : op->residual;
      const gsize at = i < a ? n * a + i : n * b + i - a, to = n * (a + b) + i;

      if (forward)
        r->tensors[op->out][to] = r->tensors[from][at];
      else
        r->tensor_gradients[from][at] += r->tensor_gradients[op->out][to];
    }
}

static void
mean (const Reference *r, const Cnn3dOp *op, gboolean forward)
{
  for (gsize i = 0; i < size_of (r, op->out); i++)
    if (forward) {
      r->tensors[op->out][i] = (r->tensors[op->in][i] + r->tensors[op->residual][i]) / 2;
    } else {
      r->tensor_gradients[op->in][i] += r->tensor_gradients[op->out][i] / 2;
      r->tensor_gradients[op->residual][i] += r->tensor_gradients[op->out][i] / 2;
    }
}

static void
linear (const Reference *r, const Cnn3dOp *op, gboolean forward)
{
  const gint in = r->net->tensors[op->in].c, out = r->net->tensors[op->out].c;

  for (guint n = 0; n < rows (r, op->in); n++)
    for (gint o = 0; o < out; o++) {
      const gdouble *w = r->weights[op->weight] + o * in, *x = r->tensors[op->in] + n * in;

      if (forward) {
        gdouble *y = &r->tensors[op->out][n * out + o];

        *y = r->weights[op->bias][o];
        for (gint i = 0; i < in; i++)
          *y += w[i] * x[i];
      } else {
        const gdouble g = r->tensor_gradients[op->out][n * out + o];

        r->weight_gradients[op->bias][o] += g;
        for (gint i = 0; i < in; i++) {
          r->weight_gradients[op->weight][o * in + i] += g * x[i];
          r->tensor_gradients[op->in][n * in + i] += g * w[i];
        }
      }
    }
}

/* Softmax of K numbers. */
static void
softmax (const gdouble *x, gint k, gdouble *p)
{
  gdouble largest = x[0], sum = 0;

  for (gint i = 1; i < k; i++)
    largest = MAX (largest, x[i]);
  for (gint i = 0; i < k; i++)
    sum += p[i] = exp (x[i] - largest);
  for (gint i = 0; i < k; i++)
    p[i] /= sum;
}

/* The views of one sample, x (V, K), to y, by their definition; or back, by the chain rule. */
static void
views_of_sample (const Cnn3dOp *op, gint views, gint k, const guint8 *present, const gdouble *x,
    gdouble *y, gdouble *dx, const gdouble *dy, gboolean forward)
{
  g_autofree gdouble *p = g_new0 (gdouble, views * k), *mean = g_new0 (gdouble, k);
  gint count = 0;

  for (gint v = 0; v < views; v++)
    count += !present || present[v];
  for (gint v = 0; v < views; v++) {
    if (present && !present[v])
      continue;
    if (op->view_fusion == CNN3D_VIEW_FUSION_PROBABILITIES)
      softmax (x + v * k, k, p + v * k);
    else
      memcpy (p + v * k, x + v * k, k * sizeof *p);
    for (gint i = 0; i < k; i++)
      mean[i] += p[v * k + i] / count;
  }
  for (gint i = 0; i < views * k; i++) {
    const gint v = i / k, c = i % k;
    const gboolean counts = !present || present[v];

    if (op->view_fusion == CNN3D_VIEW_FUSION_CONCAT) {
      if (forward)
        y[i] = counts ? x[i] : 0;
      else if (counts)
        dx[i] += dy[i];
    } else if (op->view_fusion != CNN3D_VIEW_FUSION_PROBABILITIES) {
      if (forward)
        y[c] = mean[c];
      else if (counts)
        dx[i] += dy[c] / count;
    } else if (forward) {
      y[c] = log (mean[c]);
    } else if (counts) {
      /* dy / d mean is 1 / mean; d p[j] / d x[c] is p[j] ((j == c) - p[c]) */
      for (gint j = 0; j < k; j++)
        dx[i] += dy[j] / mean[j] / count * p[v * k + j] * ((j == c) - p[i]);
    }
  }
}

static void
views (const Reference *r, const Cnn3dOp *op, const ReferenceInput *in, gboolean forward)
{
  const Cnn3dTensor *from = &r->net->tensors[op->in];
  const gint v = from->views, k = from->c, out = r->net->tensors[op->out].c;

  for (guint n = 0; n < r->batch; n++)
    views_of_sample (op, v, k, in->present ? in->present + n * v : NULL,
        r->tensors[op->in] + (gsize) n * v * k, r->tensors[op->out] + (gsize) n * out,
        r->tensor_gradients[op->in] + (gsize) n * v * k,
        r->tensor_gradients[op->out] + (gsize) n * out, forward);
}

/* Cross-entropy of softmax; the target is 1 - e at the label plus e / K everywhere. */
static void
loss (Reference *r, const Cnn3dOp *op, const ReferenceInput *in, gboolean forward)
{
  const gint k = r->net->tensors[op->in].c;
  const gdouble e = in->label_smoothing;

  for (guint n = 0; n < r->batch; n++) {
    const gdouble *x = r->tensors[op->in] + n * k;
    gdouble largest = x[0], sum = 0;
    gint best = 0;

    for (gint i = 0; i < k; i++)
      if (x[i] > largest) {
        largest = x[i];
        best = i;
      }
    for (gint i = 0; i < k; i++)
      sum += exp (x[i] - largest);
    for (gint i = 0; i < k; i++) {
      const gdouble log_p = x[i] - largest - log (sum),
                    target = e / k + (i == in->labels[n] ? 1 - e : 0);

      if (forward)
        r->loss_sum -= target * log_p;
      else
        r->tensor_gradients[op->in][n * k + i] += exp (log_p) - target;
    }
    if (forward)
      r->correct += best == in->labels[n];
  }
}

/* --- forward and backward --- */

void
reference_forward (Reference *r, const ReferenceInput *in)
{
  r->loss_sum = 0;
  r->correct = 0;
  for (guint i = 0; i < r->net->n_ops; i++) {
    const Cnn3dOp *op = &r->net->ops[i];

    switch (op->kind) {
      case CNN3D_OP_INPUT:
        input_forward (r, op, in);
        break;
      case CNN3D_OP_CONV:
        conv_forward (r, op);
        break;
      case CNN3D_OP_NORM:
        norm_forward (r, i, in->batch_statistics);
        break;
      case CNN3D_OP_MAX_POOL:
        pool (r, op, TRUE);
        break;
      case CNN3D_OP_GLOBAL_POOL:
        global_pool (r, op, TRUE);
        break;
      case CNN3D_OP_DROPOUT:
        pass_on (r, op, TRUE);
        break;
      case CNN3D_OP_LINEAR:
        linear (r, op, TRUE);
        break;
      case CNN3D_OP_CONCAT:
        concat (r, op, TRUE);
        break;
      case CNN3D_OP_MEAN:
        mean (r, op, TRUE);
        break;
      case CNN3D_OP_VIEWS:
        views (r, op, in, TRUE);
        break;
      case CNN3D_OP_LOSS:
        loss (r, op, in, TRUE);
        break;
    }
  }
}

void
reference_backward (Reference *r, const ReferenceInput *in)
{
  for (guint i = 0; i < r->net->n_tensors; i++)
    memset (r->tensor_gradients[i], 0, size_of (r, i) * sizeof (gdouble));
  for (gint i = r->net->n_ops - 1; i >= 0; i--) {
    const Cnn3dOp *op = &r->net->ops[i];

    switch (op->kind) {
      case CNN3D_OP_INPUT:
        break;
      case CNN3D_OP_CONV:
        conv_backward (r, op);
        break;
      case CNN3D_OP_NORM:
        norm_backward (r, i, in->batch_statistics);
        break;
      case CNN3D_OP_MAX_POOL:
        pool (r, op, FALSE);
        break;
      case CNN3D_OP_GLOBAL_POOL:
        global_pool (r, op, FALSE);
        break;
      case CNN3D_OP_DROPOUT:
        pass_on (r, op, FALSE);
        break;
      case CNN3D_OP_LINEAR:
        linear (r, op, FALSE);
        break;
      case CNN3D_OP_CONCAT:
        concat (r, op, FALSE);
        break;
      case CNN3D_OP_MEAN:
        mean (r, op, FALSE);
        break;
      case CNN3D_OP_VIEWS:
        views (r, op, in, FALSE);
        break;
      case CNN3D_OP_LOSS:
        loss (r, op, in, FALSE);
        break;
    }
  }
}
