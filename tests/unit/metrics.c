/* metrics.c: metrics of hand-worked cases, and of random ones compared with plain loops.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>
#include <glib.h>

#include "src/evaluate/metrics.h"
#include "src/evaluate/predictor.h"

#define NEAR 1e-12

static void
assert_near (gdouble is, gdouble wanted)
{
  if (!(fabs (is - wanted) <= NEAR * fmax (1, fabs (wanted))))
    g_error ("%.17g, but %.17g was wanted", is, wanted);
}

/* Probabilities as logits: softmax returns them unchanged if they add up to 1. */
static void
add (Cnn3dPredictions *p, gint label, const gdouble *probabilities, guint n, gboolean continues)
{
  gfloat *logits = g_new (gfloat, n);

  for (guint i = 0; i < n; i++)
    logits[i] = (gfloat) log (probabilities[i]);
  cnn3d_predictions_add (p, "clip.mp4", cnn3d_predictions_count (p), label, logits, continues);
  g_free (logits);
}

/* Six clips of three classes:
 *   label       0  0  0  1  1  2
 *   prediction  0  0  1  1  2  1 */
static void
test_by_hand (void)
{
  static const struct {
    gint label;
    gdouble p[3];
  } clips[] = {
    { 0, { .8, .1, .1 } },
    { 0, { .6, .3, .1 } },
    { 0, { .2, .5, .3 } },
    { 1, { .1, .7, .2 } },
    { 1, { .3, .2, .5 } },
    { 2, { .1, .5, .4 } },
  };
  static const guint64 confusion[9] = { 2, 1, 0, 0, 1, 1, 0, 1, 0 };
  Cnn3dPredictions *p = cnn3d_predictions_new (3);
  Cnn3dMetrics m;

  for (guint i = 0; i < G_N_ELEMENTS (clips); i++)
    add (p, clips[i].label, clips[i].p, 3, FALSE);
  cnn3d_predictions_measure (p, &m);

  g_assert_cmpuint (m.num_classes, ==, 3);
  g_assert_cmpuint (m.videos, ==, 6);
  g_assert_cmpuint (m.clips, ==, 6);
  assert_near (m.accuracy, 3 / 6.0);
  assert_near (m.clip_accuracy, 3 / 6.0);
  assert_near (m.top5_accuracy, 1);
  /* logits are floats: seven digits */
  g_assert_cmpfloat_with_epsilon (
      m.loss, -(log (.8) + log (.6) + log (.2) + log (.7) + log (.2) + log (.4)) / 6, 1e-6);
  g_assert_cmpmem (m.confusion, sizeof confusion, confusion, sizeof confusion);

  g_assert_cmpuint (m.classes[0].support, ==, 3);
  g_assert_cmpuint (m.classes[0].predicted, ==, 2);
  assert_near (m.classes[0].precision, 1);
  assert_near (m.classes[0].recall, 2 / 3.0);
  assert_near (m.classes[0].f1, .8);
  assert_near (m.classes[1].precision, 1 / 3.0);
  assert_near (m.classes[1].recall, 1 / 2.0);
  assert_near (m.classes[1].f1, .4);
  assert_near (m.classes[2].precision, 0);
  assert_near (m.classes[2].recall, 0);
  assert_near (m.classes[2].f1, 0);
  assert_near (m.precision_macro, (1 + 1 / 3.0) / 3);
  assert_near (m.recall_macro, (2 / 3.0 + 1 / 2.0) / 3);
  assert_near (m.f1_macro, 1.2 / 3);
  /* class 0: .8 .6 .2 against .1 .3 .1: 3 + 3 + 2 of 9 pairs
   * class 2: .4 against .1 .1 .3 .2 .5: 4 of 5 */
  assert_near (m.classes[0].auroc, 8 / 9.0);
  assert_near (m.classes[2].auroc, 4 / 5.0);
  /* class 1: .7 .2 against .1 .3 .5 .5: 4 + 1 of 8 */
  assert_near (m.classes[1].auroc, 5 / 8.0);
  assert_near (m.auroc_macro, (8 / 9.0 + 5 / 8.0 + 4 / 5.0) / 3);
  cnn3d_metrics_clear (&m);
  cnn3d_predictions_free (p);
}

/* All scores are equal: half of the pairs are won, in any order. */
static void
test_ties (void)
{
  static const gdouble same[2] = { .5, .5 };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  Cnn3dMetrics m;

  for (guint i = 0; i < 7; i++)
    add (p, i % 3 == 0, same, 2, FALSE);
  cnn3d_predictions_measure (p, &m);
  assert_near (m.auroc_macro, .5);
  /* the first of the largest */
  assert_near (m.accuracy, 4 / 7.0);
  g_assert_cmpuint (m.classes[1].predicted, ==, 0);
  cnn3d_metrics_clear (&m);
  cnn3d_predictions_free (p);
}

/* Classes with neither labels nor predictions are left out of means; without predictions all
 * metrics are NaN. */
static void
test_missing (void)
{
  static const gdouble first[4] = { .7, .1, .1, .1 }, second[4] = { .1, .7, .1, .1 };
  Cnn3dPredictions *p = cnn3d_predictions_new (4);
  Cnn3dMetrics m;

  cnn3d_predictions_measure (p, &m);
  g_assert_cmpuint (m.videos, ==, 0);
  g_assert_true (isnan (m.accuracy) && isnan (m.loss) && isnan (m.f1_macro) && isnan (m.auroc_macro)
      && isnan (m.top5_accuracy) && isnan (m.clip_accuracy) && isnan (m.classes[0].auroc));
  cnn3d_metrics_clear (&m);

  add (p, 0, first, 4, FALSE);
  cnn3d_predictions_measure (p, &m);
  g_assert_true (isnan (m.auroc_macro));
  assert_near (m.precision_macro, 1);
  cnn3d_metrics_clear (&m);

  add (p, 0, second, 4, FALSE);
  add (p, 2, second, 4, FALSE);
  cnn3d_predictions_measure (p, &m);
  /* classes 0, 1 and 2 occur */
  assert_near (m.precision_macro, 1 / 3.0);
  assert_near (m.recall_macro, .5 / 3);
  g_assert_true (isnan (m.classes[1].auroc) && isnan (m.classes[3].auroc));
  assert_near (m.classes[0].auroc, 3 / 4.0);
  assert_near (m.classes[2].auroc, 1 / 2.0);
  assert_near (m.auroc_macro, 5 / 8.0);
  cnn3d_metrics_clear (&m);
  cnn3d_predictions_free (p);
}

/* Views of one video are averaged; each is counted as a clip, too. */
static void
test_clips_of_video (void)
{
  static const gdouble wrong[2] = { .6, .4 }, right[2] = { .1, .9 };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  const Cnn3dPrediction *video;
  Cnn3dMetrics m;

  add (p, 1, wrong, 2, FALSE);
  add (p, 1, wrong, 2, TRUE);
  add (p, 1, right, 2, TRUE);
  add (p, 0, right, 2, FALSE);
  g_assert_cmpuint (cnn3d_predictions_count (p), ==, 2);
  video = cnn3d_predictions_nth (p, 0);
  g_assert_cmpuint (video->clips, ==, 3);
  g_assert_cmpint (video->label, ==, 1);
  g_assert_cmpuint (video->prediction, ==, 1);
  g_assert_cmpstr (video->path, ==, "clip.mp4");
  g_assert_cmpfloat_with_epsilon (video->probabilities[1], 1.7 / 3, 1e-7);
  g_assert_cmpuint (cnn3d_predictions_nth (p, 1)->clips, ==, 1);
  cnn3d_predictions_measure (p, &m);
  g_assert_cmpuint (m.videos, ==, 2);
  g_assert_cmpuint (m.clips, ==, 4);
  assert_near (m.accuracy, .5);
  assert_near (m.clip_accuracy, .25);
  g_assert_cmpfloat_with_epsilon (m.loss, -(2 * log (.4) + log (.9) + log (.1)) / 4, 1e-6);
  cnn3d_metrics_clear (&m);
  cnn3d_predictions_free (p);
}

/* Logits whose exponentials overflow or underflow. */
static void
test_extremes (void)
{
  static const gfloat far[2] = { 1000, -1000 }, close[2] = { 0, 1e-30f };
  Cnn3dPredictions *p = cnn3d_predictions_new (2);
  Cnn3dMetrics m;

  cnn3d_predictions_add (p, NULL, 0, 1, far, FALSE);
  cnn3d_predictions_add (p, NULL, 1, 1, close, FALSE);
  cnn3d_predictions_measure (p, &m);
  g_assert_null (cnn3d_predictions_nth (p, 0)->path);
  g_assert_cmpfloat_with_epsilon (m.loss, (2000 + log (2)) / 2, 1e-9);
  assert_near (m.accuracy, .5);
  cnn3d_metrics_clear (&m);
  cnn3d_predictions_free (p);
}

/* No confusion matrix of excessive size. */
static void
test_many_classes (void)
{
  Cnn3dPredictions *p = cnn3d_predictions_new (CNN3D_MOST_CONFUSION + 1);
  gfloat *logits = g_new0 (gfloat, CNN3D_MOST_CONFUSION + 1);
  Cnn3dMetrics m;

  logits[1000] = 1;
  cnn3d_predictions_add (p, NULL, 0, 1000, logits, FALSE);
  cnn3d_predictions_measure (p, &m);
  g_assert_null (m.confusion);
  assert_near (m.accuracy, 1);
  cnn3d_metrics_clear (&m);
  cnn3d_predictions_free (p);
  g_free (logits);
}

/* --- compared with plain loops --- */

static gdouble
pairs (const gdouble *scores, const gint *labels, guint n, gint class)
{
  gdouble won = 0, all = 0;

  for (guint i = 0; i < n; i++)
    for (guint k = 0; k < n; k++)
      if (labels[i] == class && labels[k] != class) {
        all++;
        won += scores[i] > scores[k] ? 1 : scores[i] == scores[k] ? .5 : 0;
      }

  return all ? won / all : NAN;
}

static void
check_random (guint n, guint classes)
{
  Cnn3dPredictions *p = cnn3d_predictions_new (classes);
  gdouble *scores = g_new (gdouble, n * classes), *column = g_new (gdouble, n);
  gfloat *logits = g_new (gfloat, classes);
  gint *labels = g_new (gint, n), *predicted = g_new (gint, n);
  gdouble loss = 0, auroc = 0, f1 = 0, precision = 0, recall = 0;
  guint right = 0, top = 0, defined = 0, occur = 0;
  Cnn3dMetrics m;

  for (guint i = 0; i < n; i++) {
    gdouble sum = 0;
    guint before = 0;

    labels[i] = g_test_rand_int_range (0, classes);
    predicted[i] = 0;
    for (guint k = 0; k < classes; k++) {
      /* few values: many ties */
      logits[k] = g_test_rand_int_range (-3, 4) * .5f;
      sum += exp (logits[k]);
      if (logits[k] > logits[predicted[i]])
        predicted[i] = k;
    }
    cnn3d_predictions_add (p, NULL, i, labels[i], logits, FALSE);
    cnn3d_softmax (logits, classes, scores + i * classes);
    for (guint k = 0; k < classes; k++) {
      g_assert_cmpfloat_with_epsilon (scores[i * classes + k], exp (logits[k]) / sum, 1e-15);
      before += logits[k] > logits[labels[i]]
          || (logits[k] == logits[labels[i]] && k < (guint) labels[i]);
    }
    loss -= logits[labels[i]] - log (sum);
    right += predicted[i] == labels[i];
    top += before < 5;
  }
  cnn3d_predictions_measure (p, &m);
  assert_near (m.accuracy, (gdouble) right / n);
  assert_near (m.top5_accuracy, (gdouble) top / n);
  assert_near (m.loss, loss / n);

  for (guint c = 0; c < classes; c++) {
    guint tp = 0, fp = 0, fn = 0;
    gdouble a;

    for (guint k = 0; k < classes; k++) {
      guint64 count = 0;

      for (guint i = 0; i < n; i++)
        count += labels[i] == (gint) c && predicted[i] == (gint) k;
      g_assert_cmpuint (m.confusion[c * classes + k], ==, count);
    }
    for (guint i = 0; i < n; i++) {
      tp += labels[i] == (gint) c && predicted[i] == (gint) c;
      fp += labels[i] != (gint) c && predicted[i] == (gint) c;
      fn += labels[i] == (gint) c && predicted[i] != (gint) c;
      column[i] = scores[i * classes + (classes == 2 ? 1 : c)];
    }
    assert_near (m.classes[c].precision, tp ? (gdouble) tp / (tp + fp) : 0);
    assert_near (m.classes[c].recall, tp ? (gdouble) tp / (tp + fn) : 0);
    assert_near (m.classes[c].f1, tp ? 2.0 * tp / (2 * tp + fp + fn) : 0);
    a = pairs (column, labels, n, classes == 2 ? 1 : c);
    g_assert_true (isnan (a) == isnan (m.classes[c].auroc));
    if (!isnan (a)) {
      assert_near (m.classes[c].auroc, a);
      auroc += a;
      defined++;
    }
    if (tp + fp + fn > 0) {
      precision += m.classes[c].precision;
      recall += m.classes[c].recall;
      f1 += m.classes[c].f1;
      occur++;
    }
  }
  assert_near (m.precision_macro, precision / occur);
  assert_near (m.recall_macro, recall / occur);
  assert_near (m.f1_macro, f1 / occur);
  if (defined)
    assert_near (m.auroc_macro, auroc / defined);
  cnn3d_metrics_clear (&m);
  cnn3d_predictions_free (p);
  g_free (scores);
  g_free (column);
  g_free (logits);
  g_free (labels);
  g_free (predicted);
}

static void
test_random (void)
{
  for (guint i = 0; i < 300; i++)
    check_random (g_test_rand_int_range (1, 60), g_test_rand_int_range (2, 12));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/by-hand", test_by_hand);
  g_test_add_func ("/metrics/ties", test_ties);
  g_test_add_func ("/metrics/missing", test_missing);
  g_test_add_func ("/metrics/clips-of-video", test_clips_of_video);
  g_test_add_func ("/metrics/extremes", test_extremes);
  g_test_add_func ("/metrics/many-classes", test_many_classes);
  g_test_add_func ("/metrics/random", test_random);
  return g_test_run ();
}
