/* Class weights in the loss, and the metrics of each class in validation.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "smallrun.h"

static const gfloat weights[CLASSES] = { 0.5f, 2, 1.25f, 8 };

static gfloat *
gradient_of (const guint8 *frames, const gint32 *labels, guint n, const gfloat *class_weights,
    guint accumulate, gdouble smoothing, gdouble *loss, gint64 *count)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dProgress progress;
  Cnn3dTrainer *t;
  gfloat *values;
  gint param = -1;

  params_init (&p, NULL);
  p.freeze = "batch-norm";
  p.lr.lr = 0;
  p.keep_gradients = TRUE;
  p.label_smoothing = smoothing;
  p.class_weights = class_weights;
  p.accumulate = accumulate;
  t = start (&p);
  begin (t, 0);
  for (guint i = 0; i < accumulate; i++) {
    const guint part = n / accumulate;
    const Cnn3dBatch batch = { frames + i * part * CLIP_BYTES, CNN3D_TYPE_UINT8, labels + i * part,
      part, (i + 1) * part };

    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
  }
  g_assert_true (progress.stepped);
  *loss = progress.loss;
  for (guint i = 0; i < cnn3d_trainer_network (t)->n_weights; i++)
    if (!strcmp (cnn3d_trainer_network (t)->weights[i].name, "layer2.0.conv1.0.weight"))
      param = i;
  *count = cnn3d_trainer_network (t)->weights[param].count;
  values = cnn3d_trainer_get_gradient (t, param, &error);
  g_assert_no_error (error);
  cnn3d_trainer_free (&t);
  return values;
}

/* A weighted mean: three clips give the same as each alone, weighted by label, in one batch and in
 * three. */
static void
test_weighted_mean (void)
{
  guint8 frames[3 * CLIP_BYTES];
  const gint32 labels[3] = { 3, 0, 1 };
  gdouble losses[3], loss, sum = 0, expected_loss = 0;
  gfloat *alone[3];
  gint64 count;

  for (guint i = 0; i < 3; i++) {
    gint32 label;

    draw_clip (i, frames + i * CLIP_BYTES, &label);
    /* a single clip's weight cancels out of its mean */
    alone[i] = gradient_of (
        frames + i * CLIP_BYTES, labels + i, 1, i == 1 ? weights : NULL, 1, 0, &losses[i], &count);
    sum += weights[labels[i]];
    expected_loss += weights[labels[i]] * losses[i];
  }
  for (guint accumulate = 1; accumulate <= 3; accumulate += 2) {
    g_autofree gfloat *got = gradient_of (frames, labels, 3, weights, accumulate, 0, &loss, &count);
    gdouble off = 0, norm = 0;

    g_assert_cmpfloat_with_epsilon (loss, expected_loss / sum, 1e-6);
    for (gint64 k = 0; k < count; k++) {
      gdouble expected = 0;

      for (guint i = 0; i < 3; i++)
        expected += weights[labels[i]] * alone[i][k] / sum;
      off += (got[k] - expected) * (got[k] - expected);
      norm += expected * expected;
    }
    g_assert_cmpfloat (off, <, 1e-8 * norm);
  }
  for (guint i = 0; i < 3; i++)
    g_free (alone[i]);
}

/* The smoothed part uses each class's own weight; weights of 1 change nothing. */
static void
test_smoothed (void)
{
  static const gfloat ones[CLASSES] = { 1, 1, 1, 1 };
  guint8 frames[3 * CLIP_BYTES];
  const gint32 labels[3] = { 3, 0, 1 };
  g_autofree gfloat *plain = NULL, *same = NULL, *other = NULL;
  gdouble plain_loss, same_loss, other_loss, off = 0, differs = 0, norm = 0;
  gint64 count;

  for (guint i = 0; i < 3; i++) {
    gint32 label;

    draw_clip (i, frames + i * CLIP_BYTES, &label);
  }
  plain = gradient_of (frames, labels, 3, NULL, 1, 0.25, &plain_loss, &count);
  same = gradient_of (frames, labels, 3, ones, 1, 0.25, &same_loss, &count);
  other = gradient_of (frames, labels, 3, weights, 1, 0.25, &other_loss, &count);
  g_assert_cmpfloat_with_epsilon (plain_loss, same_loss, 1e-6);
  g_assert_cmpfloat (fabs (plain_loss - other_loss), >, 1e-4);
  for (gint64 k = 0; k < count; k++) {
    off += (plain[k] - same[k]) * (plain[k] - same[k]);
    differs += (plain[k] - other[k]) * (plain[k] - other[k]);
    norm += plain[k] * plain[k];
  }
  g_assert_cmpfloat (off, <, 1e-8 * norm);
  g_assert_cmpfloat (differs, >, 1e-4 * norm);
}

/* Validation ignores weights; a checkpoint within an epoch stores the weighted sum so far. */
static void
test_resumed (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dPassResult whole, resumed;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  Cnn3dPassResult ended;
  guint64 position;
  gchar *dir = make_dir ();

  for (guint cut = 0; cut < 2; cut++) {
    Cnn3dPassResult *result = cut ? &resumed : &whole;
    Cnn3dProgress progress;

    params_init (&p, cut ? dir : NULL);
    p.class_weights = weights;
    t = start (&p);
    begin (t, 0);
    position = feed (t, 0, &progress);
    if (cut) {
      g_assert_true (cnn3d_trainer_save (t, NULL, &error));
      cnn3d_trainer_free (&t);
      t = start (&p);
      g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
      begin (t, position);
    }
    while (!at_pass_end (position))
      position = feed (t, position, &progress);
    g_assert_true (cnn3d_trainer_end_pass (t, position, result, &error));
    g_assert_no_error (error);
    cnn3d_trainer_free (&t);
  }
  g_assert_cmpfloat (whole.loss, ==, resumed.loss);
  g_assert_cmpuint (whole.clips, ==, CLIPS);
  remove_dir (dir);
}

/* From the confusion matrix; the best epoch is chosen by val-f1. */
static void
test_figures (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dPassResult result;
  Cnn3dProgress progress;
  Cnn3dTrainer *t;
  gdouble best = NAN;

  params_init (&p, NULL);
  p.monitor = CNN3D_MONITOR_VAL_F1;
  t = start (&p);
  for (guint64 position = 0; position < EPOCHS * EPOCH_POSITIONS;) {
    gdouble recall = 0, f1 = 0;
    guint n = 0;

    begin (t, position);
    do {
      position = feed (t, position, &progress);
    } while (!at_pass_end (position));
    g_assert_true (cnn3d_trainer_end_pass (t, position, &result, &error));
    if (result.training) {
      g_assert_true (isnan (result.recall) && isnan (result.f1));
      g_assert_null (result.class_accuracy);
      continue;
    }
    for (guint c = 0; c < CLASSES; c++) {
      guint64 labelled = 0, predicted = 0;
      const guint64 right = result.confusion[c * CLASSES + c];

      for (guint k = 0; k < CLASSES; k++) {
        labelled += result.confusion[c * CLASSES + k];
        predicted += result.confusion[k * CLASSES + c];
      }
      if (labelled)
        g_assert_cmpfloat (result.class_accuracy[c], ==, (gdouble) right / labelled);
      else
        g_assert_true (isnan (result.class_accuracy[c]));
      n += labelled || predicted;
      recall += labelled ? (gdouble) right / labelled : 0;
      f1 += right ? 2 / ((gdouble) labelled / right + (gdouble) predicted / right) : 0;
    }
    g_assert_cmpfloat_with_epsilon (result.recall, recall / n, 1e-12);
    g_assert_cmpfloat_with_epsilon (result.f1, f1 / n, 1e-12);
    g_assert_cmpint (result.improved, ==, isnan (best) || result.f1 > best);
    best = isnan (best) ? result.f1 : MAX (best, result.f1);
  }
  cnn3d_trainer_free (&t);
}

static void
test_refused (void)
{
  static const struct {
    Cnn3dMonitor monitor;
    const gchar *name; /* NULL: needs no validation */
  } monitors[] = { { CNN3D_MONITOR_VAL_ACCURACY, "val-accuracy" },
    { CNN3D_MONITOR_VAL_LOSS, "val-loss" }, { CNN3D_MONITOR_VAL_F1, "val-f1" },
    { CNN3D_MONITOR_TRAIN_LOSS, NULL }, { CNN3D_MONITOR_AUTO, NULL } };
  const Cnn3dPass alone = { .training = TRUE, .clips = CLIPS, .epochs = EPOCHS };
  gfloat bad[CLASSES] = { 1, 0, 1, 1 };
  GError *error = NULL;
  Cnn3dTrainer *t;
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.class_weights = bad;
  g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "class 1 has the weight 0");
  g_clear_error (&error);
  bad[1] = NAN;
  g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "class 1 has the weight nan");
  g_clear_error (&error);
  p.class_weights = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (monitors); i++) {
    g_autofree gchar *words = monitors[i].name
        ? g_strdup_printf ("monitor=%s needs a validation pass", monitors[i].name)
        : NULL;

    p.monitor = monitors[i].monitor;
    t = start (&p);
    g_assert_cmpint (cnn3d_trainer_begin_pass (t, &alone, &error), ==, !words);
    if (words)
      assert_says (error, CNN3D_SESSION_ERROR, words);
    g_clear_error (&error);
    cnn3d_trainer_free (&t);
  }
  p.network.num_classes = CNN3D_CONFUSION_CLASSES + 1;
  p.monitor = CNN3D_MONITOR_VAL_F1;
  g_assert_null (cnn3d_trainer_new (&p, BATCH, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "monitor=val-f1 needs the confusions of all classes, which are counted|not for "
      "1001|val-accuracy");
  g_clear_error (&error);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-classes-XXXXXX", NULL);
  g_assert_nonnull (folder);
  g_test_add_func ("/trainer-classes/weighted-mean", test_weighted_mean);
  g_test_add_func ("/trainer-classes/smoothed", test_smoothed);
  g_test_add_func ("/trainer-classes/resumed", test_resumed);
  g_test_add_func ("/trainer-classes/figures", test_figures);
  g_test_add_func ("/trainer-classes/refused", test_refused);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
