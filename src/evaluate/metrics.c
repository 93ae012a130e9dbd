/* metrics.c: metrics of a whole pass.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/evaluate/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/evaluate/predictor.h"

#define TOP 5

struct _Cnn3dPredictions {
  guint num_classes;
  GArray *list;         /* of Cnn3dPrediction */
  gdouble *one;         /* [num_classes]: the latest clip's probabilities */
  gdouble *sum;         /* [num_classes]: of the latest video's clips */
  guint64 clips, right; /* clips, and correctly classified ones */
  gdouble loss;         /* sum over clips */
};

/* --- collecting --- */

static void
clear_prediction (gpointer data)
{
  Cnn3dPrediction *p = data;

  g_free (p->path);
  g_free (p->probabilities);
  for (guint i = 0; i < p->n_files; i++) {
    g_free (p->files[i].path);
    g_free (p->files[i].keypoints);
    g_free (p->files[i].group);
  }
  g_free (p->files);
}

Cnn3dPredictions *
cnn3d_predictions_new (guint num_classes)
{
  Cnn3dPredictions *self = g_new0 (Cnn3dPredictions, 1);

  self->num_classes = num_classes;
  self->list = g_array_new (FALSE, FALSE, sizeof (Cnn3dPrediction));
  g_array_set_clear_func (self->list, clear_prediction);
  self->one = g_new (gdouble, num_classes);
  self->sum = g_new (gdouble, num_classes);

  return self;
}

void
cnn3d_predictions_free (Cnn3dPredictions *self)
{
  if (!self)
    return;
  g_array_free (self->list, TRUE);
  g_free (self->one);
  g_free (self->sum);
  g_free (self);
}

/* The first of the largest. */
static guint
largest (const gdouble *values, guint n)
{
  guint best = 0;

  for (guint i = 1; i < n; i++)
    if (values[i] > values[best])
      best = i;

  return best;
}

static guint
largest_logit (const gfloat *values, guint n)
{
  guint best = 0;

  for (guint i = 1; i < n; i++)
    if (values[i] > values[best])
      best = i;

  return best;
}

/* -log softmax (logits)[label], also if that probability underflows a double. */
static gdouble
loss_of (const gfloat *logits, guint n, guint label)
{
  const gdouble top = logits[largest_logit (logits, n)];
  gdouble sum = 0;

  for (guint i = 0; i < n; i++)
    sum += exp (logits[i] - top);

  return log (sum) + top - logits[label];
}

void
cnn3d_predictions_add (Cnn3dPredictions *self, const gchar *path, guint64 clip, gint label,
    const gfloat *logits, gboolean continues)
{
  const guint n = self->num_classes;
  const guint best = largest_logit (logits, n);
  Cnn3dPrediction *p;

  self->clips++;
  if (label >= 0 && (guint) label < n) {
    self->right += best == (guint) label;
    self->loss += loss_of (logits, n, label);
  }
  cnn3d_softmax (logits, n, self->one);

  if (!continues || self->list->len == 0) {
    Cnn3dPrediction first = { .path = g_strdup (path),
      .clip = clip,
      .label = label,
      .prediction = best,
      .clips = 1,
      .probabilities = g_memdup2 (self->one, n * sizeof (gdouble)) };

    /* probabilities can be equal where logits are not */
    g_array_append_val (self->list, first);
    memcpy (self->sum, self->one, n * sizeof (gdouble));
    return;
  }
  p = &g_array_index (self->list, Cnn3dPrediction, self->list->len - 1);
  p->clips++;
  for (guint i = 0; i < n; i++) {
    self->sum[i] += self->one[i];
    p->probabilities[i] = self->sum[i] / p->clips;
  }
  p->prediction = largest (p->probabilities, n);
}

void
cnn3d_predictions_locate (Cnn3dPredictions *self, const Cnn3dClipFile *file)
{
  Cnn3dPrediction *p;
  Cnn3dClipFile *to;

  g_return_if_fail (self->list->len > 0);

  p = &g_array_index (self->list, Cnn3dPrediction, self->list->len - 1);
  p->files = g_renew (Cnn3dClipFile, p->files, p->n_files + 1);
  to = &p->files[p->n_files++];
  *to = *file;
  to->path = g_strdup (file->path);
  to->keypoints = g_strdup (file->keypoints);
  to->group = g_strdup (file->group);
}

guint64
cnn3d_predictions_count (const Cnn3dPredictions *self)
{
  return self->list->len;
}

const Cnn3dPrediction *
cnn3d_predictions_nth (const Cnn3dPredictions *self, guint64 n)
{
  g_return_val_if_fail (n < self->list->len, NULL);

  return &g_array_index (self->list, Cnn3dPrediction, n);
}

/* --- measuring --- */

/* How many classes rank before the label: those with a larger probability, and those before it with
 * an equal one. */
static guint
place_of_label (const Cnn3dPrediction *p, guint n)
{
  const gdouble own = p->probabilities[p->label];
  guint place = 0;

  for (guint i = 0; i < n; i++)
    place += p->probabilities[i] > own || (p->probabilities[i] == own && i < (guint) p->label);

  return place;
}

typedef struct {
  gdouble score;
  gboolean positive;
} Ranked;

static int
by_score (const void *a, const void *b)
{
  const gdouble x = ((const Ranked *) a)->score, y = ((const Ranked *) b)->score;

  return (x > y) - (x < y);
}

/* Area under the ROC curve from ranks (Mann and Whitney 1947): the fraction of all pairs of a
 * positive and a negative in which the positive has the higher score; equal scores count half. */
static gdouble
auroc (const Cnn3dPredictions *self, guint class, Ranked *ranked)
{
  const guint n = self->list->len;
  guint64 positives = 0, negatives;
  gdouble ranks = 0;

  for (guint i = 0; i < n; i++) {
    const Cnn3dPrediction *p = cnn3d_predictions_nth (self, i);

    ranked[i].score = p->probabilities[class];
    ranked[i].positive = p->label >= 0 && (guint) p->label == class;
    positives += ranked[i].positive;
  }
  negatives = n - positives;
  if (positives == 0 || negatives == 0)
    return NAN;

  qsort (ranked, n, sizeof *ranked, by_score);
  for (guint i = 0, end; i < n; i = end) {
    guint same = 0;

    for (end = i; end < n && ranked[end].score == ranked[i].score; end++)
      same += ranked[end].positive;
    /* ranks from 1 on: i + 1 to end share their mean */
    ranks += same * ((i + 1.0 + end) / 2);
  }

  return (ranks - positives * (positives + 1.0) / 2) / ((gdouble) positives * negatives);
}

static gdouble
ratio (gdouble part, gdouble of)
{
  return of > 0 ? part / of : 0;
}

static void
measure_classes (const Cnn3dPredictions *self, const guint64 *right, Cnn3dMetrics *m)
{
  Ranked *ranked = g_new (Ranked, self->list->len);
  guint occur = 0, ranks = 0;

  m->precision_macro = m->recall_macro = m->f1_macro = m->auroc_macro = 0;
  for (guint c = 0; c < m->num_classes; c++) {
    Cnn3dClassMetrics *k = &m->classes[c];

    k->precision = ratio (right[c], k->predicted);
    k->recall = ratio (right[c], k->support);
    k->f1 = ratio (2.0 * right[c], k->predicted + k->support);
    /* with two classes both have the same ranking; computing it once avoids differences by
     * rounding */
    k->auroc = auroc (self, m->num_classes == 2 ? 1 : c, ranked);
    if (k->support || k->predicted) {
      m->precision_macro += k->precision;
      m->recall_macro += k->recall;
      m->f1_macro += k->f1;
      occur++;
    }
    if (!isnan (k->auroc)) {
      m->auroc_macro += k->auroc;
      ranks++;
    }
  }
  m->precision_macro = occur ? m->precision_macro / occur : NAN;
  m->recall_macro = occur ? m->recall_macro / occur : NAN;
  m->f1_macro = occur ? m->f1_macro / occur : NAN;
  m->auroc_macro = ranks ? m->auroc_macro / ranks : NAN;
  g_free (ranked);
}

void
cnn3d_predictions_measure (const Cnn3dPredictions *self, Cnn3dMetrics *m)
{
  const guint n = self->num_classes;
  guint64 *right = g_new0 (guint64, n);
  guint64 all_right = 0, near = 0;

  *m = (Cnn3dMetrics) { .num_classes = n, .videos = self->list->len, .clips = self->clips };
  m->classes = g_new0 (Cnn3dClassMetrics, n);
  if (n <= CNN3D_MOST_CONFUSION)
    m->confusion = g_new0 (guint64, (gsize) n * n);
  for (guint i = 0; i < self->list->len; i++) {
    const Cnn3dPrediction *p = cnn3d_predictions_nth (self, i);

    m->classes[p->prediction].predicted++;
    if (p->label < 0 || (guint) p->label >= n)
      continue;
    m->classes[p->label].support++;
    if (m->confusion)
      m->confusion[(gsize) p->label * n + p->prediction]++;
    near += place_of_label (p, n) < TOP;
    if ((guint) p->label == p->prediction) {
      right[p->label]++;
      all_right++;
    }
  }
  m->accuracy = m->videos ? (gdouble) all_right / m->videos : NAN;
  m->top5_accuracy = m->videos ? (gdouble) near / m->videos : NAN;
  m->clip_accuracy = m->clips ? (gdouble) self->right / m->clips : NAN;
  m->loss = m->clips ? self->loss / m->clips : NAN;
  measure_classes (self, right, m);
  g_free (right);
}

void
cnn3d_metrics_clear (Cnn3dMetrics *metrics)
{
  g_clear_pointer (&metrics->classes, g_free);
  g_clear_pointer (&metrics->confusion, g_free);
  for (guint i = 0; i < metrics->n_views; i++)
    g_free (metrics->views[i].name);
  g_clear_pointer (&metrics->views, g_free);
  metrics->n_views = 0;
}

void
cnn3d_metrics_add_view (
    Cnn3dMetrics *metrics, const gchar *name, const Cnn3dPredictions *predictions)
{
  Cnn3dViewMetrics view = { g_strdup (name), 0, NAN, NAN, NAN };
  Cnn3dMetrics m;

  if (cnn3d_predictions_count (predictions) > 0) {
    cnn3d_predictions_measure (predictions, &m);
    view.videos = m.videos;
    view.accuracy = m.accuracy;
    view.f1_macro = m.f1_macro;
    view.loss = m.loss;
    cnn3d_metrics_clear (&m);
  }
  metrics->views = g_renew (Cnn3dViewMetrics, metrics->views, metrics->n_views + 1);
  metrics->views[metrics->n_views++] = view;
}
