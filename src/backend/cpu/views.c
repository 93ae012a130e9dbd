/* views.c: a sample's views become one row. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cpu/cpu.h"

#include <math.h>
#include <string.h>

#include "src/random.h"
#include "src/backend/viewmask.h"

G_STATIC_ASSERT (CNN3D_PURPOSE_VIEWS == CNN3D_RANDOM_VIEWS && CNN3D_MOST_VIEWS <= 32);

/* One sample: `rows` has a row of the input, or of its gradient, for each view; `row` is the output,
 * or its gradient. Padding is 0. */
typedef struct {
  gint views, channels, count; /* count: views that count */
  guint32 mask;
  gsize stride; /* of rows, numbers */
  gsize length; /* of row, numbers */
  gfloat *rows, *row;
  const gfloat *in; /* rows of the input; for the gradient of probabilities */
  gdouble log_sums[CNN3D_MOST_VIEWS];
} Sample;

static gboolean
counts (const Sample *s, gint view)
{
  return s->mask >> view & 1;
}

static void
mean (const Sample *s, gboolean forward)
{
  for (gint c = 0; c < (gint) s->length; c++) {
    gdouble sum = 0;

    for (gint v = 0; v < s->views; v++)
      if (forward && counts (s, v))
        sum += s->rows[v * s->stride + c];
      else if (!forward)
        s->rows[v * s->stride + c] = counts (s, v) ? s->row[c] / s->count : 0;
    if (forward)
      s->row[c] = sum / s->count;
  }
}

static void
concat (const Sample *s, gboolean forward)
{
  const gsize bytes = s->channels * sizeof (gfloat);

  for (gint v = 0; v < s->views; v++) {
    gfloat *one = s->rows + v * s->stride, *part = s->row + v * s->channels;

    memset (forward ? part : one, 0, forward ? bytes : s->stride * sizeof *one);
    if (counts (s, v))
      memcpy (forward ? part : one, forward ? one : part, bytes);
  }
  if (forward)
    memset (
        s->row + s->views * s->channels, 0, (s->length - s->views * s->channels) * sizeof (gfloat));
}

/* The logarithm of each view's sum of exponentials. */
static void
find_log_sums (Sample *s)
{
  for (gint v = 0; v < s->views; v++) {
    const gfloat *x = s->in + v * s->stride;
    gdouble most = x[0], sum = 0;

    for (gint k = 1; k < s->channels; k++)
      most = MAX (most, x[k]);
    for (gint k = 0; k < s->channels; k++)
      sum += exp (x[k] - most);
    s->log_sums[v] = most + log (sum);
  }
}

/* The logarithm of the sum of the views' probabilities of class k. */
static gdouble
log_total (const Sample *s, gint k)
{
  gdouble most = -INFINITY, sum = 0;

  for (gint v = 0; v < s->views; v++)
    if (counts (s, v))
      most = MAX (most, s->in[v * s->stride + k] - s->log_sums[v]);
  for (gint v = 0; v < s->views; v++)
    if (counts (s, v))
      sum += exp (s->in[v * s->stride + k] - s->log_sums[v] - most);
  return most + log (sum);
}

static void
probabilities_forward (Sample *s)
{
  s->in = s->rows;
  find_log_sums (s);
  memset (s->row, 0, s->length * sizeof *s->row);
  for (gint k = 0; k < s->channels; k++)
    s->row[k] = log_total (s, k) - log (s->count);
}

/* With p a view's probabilities, r[k] its share of all views' sum for class k, and g the gradient of
 * the output: r[k] g[k] - p[k] sum (r g). */
static void
probabilities_backward (Sample *s)
{
  gdouble products[CNN3D_MOST_VIEWS] = { 0 };

  find_log_sums (s);
  memset (s->rows, 0, s->views * s->stride * sizeof *s->rows);
  for (gint k = 0; k < s->channels; k++) {
    const gdouble total = log_total (s, k);

    for (gint v = 0; v < s->views; v++)
      if (counts (s, v)) {
        const gdouble part = s->row[k] * exp (s->in[v * s->stride + k] - s->log_sums[v] - total);

        s->rows[v * s->stride + k] = part;
        products[v] += part;
      }
  }
  for (gint v = 0; v < s->views; v++)
    for (gint k = 0; k < s->channels && counts (s, v); k++)
      s->rows[v * s->stride + k] -= exp (s->in[v * s->stride + k] - s->log_sums[v]) * products[v];
}

void
cpu_views_run (const CpuStep *step)
{
  const Cnn3dBinding *b = step->binding;
  const gboolean forward = step->step->phase == CNN3D_PHASE_FORWARD;
  const gfloat dropout = b->training ? step->op->dropout : 0;
  const gint views = step->in_tensor->views;
  Sample s = { .views = views,
    .channels = step->in_tensor->c,
    .stride = cpu_row (step->in_tensor),
    .length = cpu_row (step->out_tensor) };

  for (guint n = 0; n < step->step->clips; n++) {
    s.rows = (gfloat *) (forward ? step->in : step->din) + n * views * s.stride;
    s.row = (gfloat *) (forward ? step->out : step->dout[0]) + n * s.length;
    s.in = step->in ? (const gfloat *) step->in + n * views * s.stride : NULL;
    s.mask = cnn3d_view_mask (
        b->present ? b->present + n * views : NULL, views, dropout, b->seed, b->step + n);
    s.count = cnn3d_view_count (s.mask);
    switch (step->op->view_fusion) {
      case CNN3D_VIEW_FUSION_CONCAT:
        concat (&s, forward);
        break;
      case CNN3D_VIEW_FUSION_PROBABILITIES:
        if (forward)
          probabilities_forward (&s);
        else
          probabilities_backward (&s);
        break;
      default:
        mean (&s, forward);
    }
  }
}
