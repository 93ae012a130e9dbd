/* head.c: dropout, joining streams, the last layer and the loss: small, in f32.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <math.h>
#include <string.h>

#include "src/random.h"

void
cpu_dropout_run (const CpuStep *s)
{
  const Cnn3dBinding *b = s->binding;
  const gboolean forward = s->step->phase == CNN3D_PHASE_FORWARD;
  const gsize row = cpu_row (s->in_tensor);
  const guint views = s->in_tensor->views;
  const gfloat keep = 1 / (1 - s->op->dropout);

  /* The backward pass draws the mask again instead of keeping it. */
  for (guint n = 0; n < s->step->clips; n++) {
    const Cnn3dRandomKey key = { b->seed, 0, CNN3D_RANDOM_DROPOUT, b->step + n / views };
    const guint first = s->op->first_draw + n % views * s->in_tensor->c;
    const gfloat *from = (const gfloat *) (forward ? s->in : s->dout[0]) + n * row;
    gfloat *to = (gfloat *) (forward ? s->out : s->din) + n * row;

    for (gsize i = 0; i < row; i++)
      to[i] = !b->training                                          ? from[i]
          : cnn3d_random_uniform (&key, first + i) < s->op->dropout ? 0
                                                                    : from[i] * keep;
  }
}

/* Between both inputs and the output, or their gradients. */
void
cpu_concat_run (const CpuStep *s)
{
  const gboolean forward = s->step->phase == CNN3D_PHASE_FORWARD;
  const Cnn3dTensor *second = &s->program->model->net->tensors[s->op->residual];
  const gsize a = s->in_tensor->c, b = second->c, row_a = cpu_row (s->in_tensor),
              row_b = cpu_row (second), row = cpu_row (s->out_tensor);

  for (guint n = 0; n < s->step->clips; n++) {
    gfloat *whole = (gfloat *) (forward ? s->out : s->dout[0]) + n * row;
    gfloat *first = forward ? s->in : s->din, *last = forward ? s->residual : s->dresidual;

    if (forward) {
      memcpy (whole, first + n * row_a, a * sizeof *whole);
      memcpy (whole + a, last + n * row_b, b * sizeof *whole);
      memset (whole + a + b, 0, (row - a - b) * sizeof *whole);
      continue;
    }
    if (first) {
      memcpy (first + n * row_a, whole, a * sizeof *whole);
      memset (first + n * row_a + a, 0, (row_a - a) * sizeof *whole);
    }
    if (last) {
      memcpy (last + n * row_b, whole + a, b * sizeof *whole);
      memset (last + n * row_b + b, 0, (row_b - b) * sizeof *whole);
    }
  }
}

void
cpu_mean_run (const CpuStep *s)
{
  const gsize n = s->step->clips * cpu_row (s->out_tensor);
  const gfloat *a = s->in, *b = s->residual, *dout = s->dout[0];
  gfloat *out = s->out, *da = s->din, *db = s->dresidual;

  if (s->step->phase == CNN3D_PHASE_FORWARD)
    for (gsize i = 0; i < n; i++)
      out[i] = (a[i] + b[i]) / 2;
  else
    for (gsize i = 0; i < n; i++) {
      if (da)
        da[i] = dout[i] / 2;
      if (db)
        db[i] = dout[i] / 2;
    }
}

static void
linear_forward (const CpuStep *s, const gfloat *w, const gfloat *bias)
{
  const gsize row = cpu_row (s->in_tensor), out_row = cpu_row (s->out_tensor);
  const gint classes = s->out_tensor->c;

#pragma omp parallel for num_threads(s->program->model->device->threads) schedule(static)
  for (gint k = 0; k < classes; k++)
    for (guint n = 0; n < s->step->clips; n++) {
      const gfloat *x = (const gfloat *) s->in + n * row;
      gdouble sum = bias[k];

      for (gsize c = 0; c < row; c++)
        sum += (gdouble) x[c] * w[k * row + c];
      ((gfloat *) s->out)[n * out_row + k] = sum;
    }
}

static void
linear_backward_weights (const CpuStep *s, gfloat *dw, gfloat *dbias)
{
  const gsize row = cpu_row (s->in_tensor), out_row = cpu_row (s->out_tensor);
  const gint classes = s->out_tensor->c;

#pragma omp parallel for num_threads(s->program->model->device->threads) schedule(static)
  for (gint k = 0; k < classes; k++) {
    const gfloat *g = (const gfloat *) s->dout[0] + k;
    gfloat sum = 0;

    /* complete, before it is added to other batches' gradient */
    for (gsize c = 0; c < row; c++) {
      const gfloat *x = (const gfloat *) s->in + c;
      gfloat product = 0;

      for (guint n = 0; n < s->step->clips; n++)
        product += g[n * out_row] * x[n * row];
      dw[k * row + c] = (cpu_adds (s) ? dw[k * row + c] : 0) + product;
    }
    for (guint n = 0; n < s->step->clips; n++)
      sum += g[n * out_row];
    dbias[k] = (cpu_adds (s) ? dbias[k] : 0) + sum;
  }
}

static void
linear_backward (const CpuStep *s, const gfloat *w)
{
  const gsize row = cpu_row (s->in_tensor), out_row = cpu_row (s->out_tensor);

#pragma omp parallel for num_threads(s->program->model->device->threads) schedule(static)
  for (guint n = 0; n < s->step->clips; n++) {
    gfloat *to = (gfloat *) s->din + n * row;

    memset (to, 0, row * sizeof *to);
    for (gint k = 0; k < s->out_tensor->c; k++) {
      const gfloat g = ((const gfloat *) s->dout[0])[n * out_row + k];

      for (gsize c = 0; c < row; c++)
        to[c] += g * w[k * row + c];
    }
  }
}

void
cpu_linear_run (const CpuStep *s)
{
  const gsize *offset = s->program->model->layout.offset;
  const Cnn3dBinding *b = s->binding;

  switch (s->step->phase) {
    case CNN3D_PHASE_FORWARD:
      linear_forward (
          s, b->arrays.weights + offset[s->op->weight], b->arrays.weights + offset[s->op->bias]);
      break;
    case CNN3D_PHASE_BACKWARD_WEIGHTS:
      linear_backward_weights (s, cpu_gradient (s, s->op->weight), cpu_gradient (s, s->op->bias));
      break;
    default:
      linear_backward (s, b->arrays.weights + offset[s->op->weight]);
  }
}

/* Applies class weights to a clip's loss: each class's part of the target is multiplied by its
 * weight (as torch.nn.CrossEntropyLoss; Szegedy et al. 2016). The gradient overwrites dx. */
static gdouble
weighted_loss (
    const Cnn3dBinding *b, gint classes, const gfloat *x, gdouble log_sum, gint label, gfloat *dx)
{
  const gfloat *w = b->class_weights;
  const gdouble at_label = (1 - (gdouble) b->label_smoothing) * w[label];
  const gdouble spread = (gdouble) b->label_smoothing / classes;
  gdouble all = at_label, loss = at_label * (log_sum - x[label]);

  for (gint k = 0; k < classes; k++) {
    all += spread * w[k];
    loss += spread * w[k] * (log_sum - x[k]);
  }
  for (gint k = 0; dx && k < classes; k++)
    dx[k] =
        b->loss_scale * (all * exp (x[k] - log_sum) - spread * w[k] - (k == label ? at_label : 0));
  return loss;
}

/* Softmax cross-entropy summed over the clips; with smoothing e the target is
 * 1 - e at the label plus e / K everywhere (Szegedy et al. 2016; the same as
 * torch.nn.CrossEntropyLoss). The gradient is of the sum, times loss_scale. */
void
cpu_loss_run (const CpuStep *s)
{
  const Cnn3dBinding *b = s->binding;
  const gint classes = s->in_tensor->c;
  const gsize row = cpu_row (s->in_tensor);
  const gdouble smoothing = b->label_smoothing;

  for (guint n = 0; n < s->step->clips; n++) {
    const gfloat *x = (const gfloat *) s->in + n * row;
    gfloat *dx = s->din ? (gfloat *) s->din + n * row : NULL;
    gdouble sum = 0, mean = 0, log_sum;
    gint best = 0;

    if (b->logits)
      memcpy (b->logits + n * classes, x, classes * sizeof *x);
    if (!b->labels)
      continue;
    for (gint k = 1; k < classes; k++)
      if (x[k] > x[best])
        best = k;
    for (gint k = 0; k < classes; k++) {
      sum += exp ((gdouble) x[k] - x[best]);
      mean += x[k];
    }
    log_sum = x[best] + log (sum);
    mean /= classes;
    s->program->correct += best == b->labels[n];
    for (gsize k = classes; dx && k < row; k++)
      dx[k] = 0;
    if (b->class_weights) {
      s->program->loss_sum += weighted_loss (b, classes, x, log_sum, b->labels[n], dx);
      continue;
    }
    s->program->loss_sum +=
        (1 - smoothing) * (log_sum - x[b->labels[n]]) + smoothing * (log_sum - mean);
    for (gint k = 0; dx && k < classes; k++)
      dx[k] = b->loss_scale
          * (exp (x[k] - log_sum) - smoothing / classes - (k == b->labels[n] ? 1 - smoothing : 0));
  }
}
