/* The trainer as an object: accumulation, metrics, best weights, settings, errors.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "smallrun.h"

#include <malloc.h>

/* --- accumulation, metrics, learning rates --- */

static void
assert_same_weights (Cnn3dTrainer *a, Cnn3dTrainer *b, gboolean same)
{
  const Cnn3dNetwork *net = cnn3d_trainer_network (a);
  gboolean differ = FALSE;

  for (guint i = 0; i < net->n_weights; i++) {
    g_autofree gfloat *x = cnn3d_trainer_get_weight (a, i, NULL),
                      *y = cnn3d_trainer_get_weight (b, i, NULL);

    differ |= memcmp (x, y, net->weights[i].count * sizeof *x) != 0;
  }
  g_assert_cmpint (differ, ==, !same);
}

static void
test_short_group (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *a, *b;
  Cnn3dProgress progress;
  Cnn3dPassResult result;
  guint64 position = 0;
  gdouble losses = 0;

  /* an incomplete group of one batch at the pass's end equals a group of one */
  params_init (&p, NULL);
  b = start (&p);
  p.accumulate = 3;
  a = start (&p);
  begin (a, 0);
  begin (b, 0);
  feed (a, 0, &progress);
  g_assert_false (progress.stepped);
  feed (b, 0, &progress);
  g_assert_true (progress.stepped);
  assert_same_weights (a, b, FALSE);
  g_assert_true (cnn3d_trainer_end_pass (a, BATCH, &result, &error));
  assert_same_weights (a, b, TRUE);
  cnn3d_trainer_free (&a);
  cnn3d_trainer_free (&b);

  /* 3 + 3 + 3, then 2: two steps; metrics are means over clips, not over batches */
  a = start (&p);
  begin (a, 0);
  for (guint i = 0; position < CLIPS; i++) {
    const guint64 next = feed (a, position, &progress);

    g_assert_cmpint (progress.stepped, ==, i == 2);
    g_assert_cmpuint (progress.step, ==, i >= 2);
    g_assert_cmpuint (progress.clips, ==, next);
    if (!progress.stepped)
      losses += progress.loss * (next - position);
    if (i == 2) /* of the step: over its nine clips */
      losses = progress.loss * 9;
    g_assert_cmpfloat_with_epsilon (progress.pass_loss, losses / next, 1e-9);
    position = next;
  }
  g_assert_true (cnn3d_trainer_end_pass (a, position, &result, &error));
  g_assert_cmpuint (result.clips, ==, CLIPS);
  g_assert_cmpfloat_with_epsilon (result.loss, losses / CLIPS, 1e-9);
  g_assert_true (result.training);
  g_assert_false (result.epoch_complete);
  begin (a, position);
  feed (a, position, &progress);
  g_assert_cmpuint (progress.step, ==, 2);
  g_assert_false (progress.stepped);
  cnn3d_trainer_free (&a);
}

/* Validation changes no parameter. */
static void
test_validation (void)
{
  Cnn3dTrainerParams p;
  Cnn3dTrainer *a, *b;
  Cnn3dProgress progress;
  Cnn3dPassResult result;

  params_init (&p, NULL);
  p.network.dropout = 0.5;
  a = start (&p);
  b = start (&p);
  drive (a, 0, 4);
  drive (b, 0, 4);
  assert_same_weights (a, b, TRUE);
  for (guint64 position = CLIPS; position < EPOCH_POSITIONS;)
    position = feed (a, position, &progress);
  g_assert_false (progress.stepped);
  assert_same_weights (a, b, TRUE);
  g_assert_true (cnn3d_trainer_end_pass (a, EPOCH_POSITIONS, &result, NULL));
  g_assert_cmpuint (result.clips, ==, VAL);
  g_assert_true (result.epoch_complete);
  g_assert_true (result.improved);
  cnn3d_trainer_free (&a);
  cnn3d_trainer_free (&b);
}

/* A validation pass's clips by label and prediction, compared with another trainer's logits of the
 * same weights; each pass starts at zero. */
static void
test_confusion (void)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *a, *b;
  Cnn3dProgress progress;
  Cnn3dPassResult result;
  guint8 frames[BATCH * CLIP_BYTES];
  gint32 label;
  gfloat logits[CLASSES];

  params_init (&p, NULL);
  a = start (&p);
  b = start (&p);
  for (guint64 position = 0; position < EPOCHS * EPOCH_POSITIONS;) {
    guint64 expected[CLASSES * CLASSES] = { 0 }, right = 0;
    const guint64 first = position;

    begin (a, position);
    do {
      position = feed (a, position, &progress);
    } while (!at_pass_end (position));
    g_assert_true (cnn3d_trainer_end_pass (a, position, &result, &error));
    if (result.training) {
      g_assert_null (result.confusion);
      drive (b, first, (CLIPS + BATCH - 1) / BATCH);
      continue;
    }
    for (guint64 i = first; i < position; i++) {
      const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, NULL, 1, i };
      guint best = 0;

      draw_clip (i, frames, &label);
      g_assert_true (cnn3d_trainer_logits (b, &batch, logits, &error));
      for (guint k = 1; k < CLASSES; k++)
        best = logits[k] > logits[best] ? k : best;
      expected[label * CLASSES + best]++;
      right += best == (guint) label;
    }
    g_assert_cmpmem (result.confusion, sizeof expected, expected, sizeof expected);
    g_assert_cmpfloat (result.accuracy, ==, (gdouble) right / VAL);
  }
  cnn3d_trainer_free (&a);
  cnn3d_trainer_free (&b);
}

static void
test_learning_rate (void)
{
  for (guint accumulate = 1; accumulate < 3; accumulate++) {
    Cnn3dTrainerParams p;
    Cnn3dTrainer *t;
    Cnn3dProgress progress;
    Cnn3dLrParams lr;
    guint64 group = 0;

    params_init (&p, NULL);
    p.accumulate = accumulate;
    p.lr.schedule = CNN3D_LR_COSINE;
    p.lr.warmup_epochs = 0.5;
    t = start (&p);
    {
      const Cnn3dPass endless = { .training = TRUE, .clips = CLIPS };
      g_autoptr (GError) error = NULL;

      g_assert_false (cnn3d_trainer_begin_pass (t, &endless, &error));
      assert_says (
          error, error->domain, "learning rate schedule: the cosine schedule needs to know");
    }
    if (accumulate == 1) {
      g_autoptr (GError) error = NULL;

      g_assert_null (cnn3d_trainer_get_gradient (t, 0, &error));
      assert_says (error, CNN3D_SESSION_ERROR, "gradients are applied layer by layer and not kept");
    }
    lr = p.lr;
    lr.epochs = EPOCHS;
    begin (t, 0);
    for (guint64 position = 0; position < CLIPS;) {
      position = feed (t, position, &progress);
      if (!progress.stepped)
        continue;
      g_assert_cmpfloat_with_epsilon (
          progress.lr, cnn3d_lr_at (&lr, (gdouble) group / CLIPS), 1e-12);
      group = position;
    }
    g_assert_cmpuint (group, >=, 6);
    cnn3d_trainer_free (&t);
  }
}

/* --- monitor, patience, best weights --- */

/* A pass over VAL clips, labelled so that `right` of them are classified correctly. */
static void
one_pass_unsaved (
    Cnn3dTrainer *t, guint epoch, gboolean training, guint right, Cnn3dPassResult *result)
{
  guint8 frames[CLIP_BYTES];
  const guint64 first = (2 * epoch + !training) * VAL;
  const Cnn3dPass pass = { epoch, training, first, first, VAL, 10, TRUE };
  g_autoptr (GError) error = NULL;

  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  for (guint i = 0; i < VAL; i++) {
    Cnn3dProgress progress;
    gfloat logits[CLASSES];
    gint32 label;
    Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, &label, 1, first + i + 1 };
    gint best = 0;

    draw_clip (i, frames, &label);
    g_assert_true (cnn3d_trainer_logits (t, &batch, logits, &error));
    for (gint k = 1; k < CLASSES; k++)
      if (logits[k] > logits[best])
        best = k;
    label = i < right ? best : (best + 1) % CLASSES;
    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
    g_assert_no_error (error);
  }
  g_assert_true (cnn3d_trainer_end_pass (t, first + VAL, result, &error));
  g_assert_no_error (error);
}

static void
one_pass (Cnn3dTrainer *t, guint epoch, gboolean training, guint right, Cnn3dPassResult *result)
{
  g_autoptr (GError) error = NULL;

  one_pass_unsaved (t, epoch, training, right, result);
  if (result->checkpoint_due)
    g_assert_true (cnn3d_trainer_save (t, NULL, &error));
}

/* Each epoch's number of correct clips decides what is kept. */
static void
check_kept (guint top_k, const gchar *files, guint best_epoch)
{
  static const guint right[] = { 1, 3, 2, 4, 0 };
  gchar *dir = make_dir ();
  g_autofree gchar *list = NULL, *best = path_in (dir, "best.safetensors");
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  guint last_improved = 0;

  params_init (&p, dir);
  p.lr.lr = 0;
  p.freeze = "batch-norm";
  p.save_top_k = top_k;
  p.patience = 2;
  t = start (&p);
  for (guint e = 0; e < G_N_ELEMENTS (right); e++) {
    Cnn3dPassResult result;

    one_pass (t, e, TRUE, 0, &result);
    one_pass (t, e, FALSE, right[e], &result);
    g_assert_cmpfloat (result.accuracy, ==, right[e] / (gdouble) VAL);
    g_assert_cmpint (result.improved, ==, e == 0 || e == 1 || e == 3);
    g_assert_false (result.stop);
    if (result.improved)
      last_improved = e;
    g_assert_true (exists (dir, "last.safetensors"));
  }
  g_assert_cmpuint (last_improved, ==, best_epoch);
  list = list_dir (dir);
  g_assert_cmpstr (list, ==, files);
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

static void
test_save_top_k (void)
{
  check_kept (0, "last.safetensors state", 3);
  check_kept (1, "best.safetensors last.safetensors state", 3);
  check_kept (2,
      "best.safetensors epoch-0001.safetensors epoch-0003.safetensors last.safetensors state", 3);
  check_kept (3,
      "best.safetensors epoch-0001.safetensors epoch-0002.safetensors epoch-0003.safetensors "
      "last.safetensors state",
      3);
}

/* What a killed run left is removed with a resumed run's first save; other files stay, and those of
 * epochs, too, whatever save-top-k and the monitor are now. */
static void
test_left_over (void)
{
  static const gchar *const leftovers[] = { "last-3-4.state.tmp", "last-new.state",
    "last-3-4.state", "epoch-0007.safetensors.tmp", "best.safetensors.tmp" };
  static const struct {
    guint top_k;
    Cnn3dMonitor monitor;
    const gchar *files;
    const gchar *words; /* in the note; NULL: there is none */
  } cases[] = { { 3, CNN3D_MONITOR_VAL_ACCURACY, "best.safetensors ", NULL },
    { 2, CNN3D_MONITOR_VAL_ACCURACY, "best.safetensors ",
        "save-top-k=2 is smaller than before: the 3 epoch-* files that were kept stay" },
    { 1, CNN3D_MONITOR_VAL_ACCURACY, "best.safetensors ", "save-top-k=1 is smaller than before" },
    { 3, CNN3D_MONITOR_VAL_LOSS, "best-before.safetensors best.safetensors ",
        "become best.safetensors; the earlier one is kept as best-before.safetensors; the earlier "
        "epoch-* files are kept, too" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *dir = make_dir ();
    g_autofree gchar *list = NULL, *wanted = NULL, *notes = path_in (dir, "notes.tmp"),
                     *other = path_in (dir, "epoch-0008.safetensors");
    g_autoptr (GError) error = NULL;
    Cnn3dPassResult result;
    Cnn3dTrainerParams p;
    guint64 position;
    Cnn3dTrainer *t;

    params_init (&p, dir);
    p.lr.lr = 0;
    p.freeze = "batch-norm";
    p.save_top_k = 3;
    p.monitor = CNN3D_MONITOR_VAL_ACCURACY;
    t = start (&p);
    for (guint e = 0; e < 3; e++) {
      one_pass (t, e, TRUE, 0, &result);
      one_pass (t, e, FALSE, 1 + e, &result);
    }
    cnn3d_trainer_free (&t);
    g_assert_true (g_file_set_contents (notes, "", 0, NULL));
    g_assert_true (g_file_set_contents (other, "", 0, NULL));
    for (guint k = 0; k < G_N_ELEMENTS (leftovers); k++) {
      g_autofree gchar *path = path_in (dir, leftovers[k]);

      g_assert_true (g_file_set_contents (path, "", 0, NULL));
    }
    p.save_top_k = cases[i].top_k;
    p.monitor = cases[i].monitor;
    t = start (&p);
    g_assert_true (cnn3d_trainer_resume (t, &position, &result, &error));
    g_assert_no_error (error);
    if (cases[i].words)
      g_assert_nonnull (strstr (cnn3d_trainer_data_note (t), cases[i].words));
    else
      g_assert_null (cnn3d_trainer_data_note (t));
    one_pass (t, 3, TRUE, 0, &result);
    one_pass (t, 3, FALSE, 0, &result);
    cnn3d_trainer_free (&t);
    list = list_dir (dir);
    wanted = g_strconcat (cases[i].files,
        "epoch-0000.safetensors epoch-0001.safetensors epoch-0002.safetensors ",
        cases[i].monitor == CNN3D_MONITOR_VAL_LOSS ? "epoch-0003.safetensors " : "",
        "epoch-0008.safetensors last.safetensors notes.tmp state", NULL);
    g_assert_cmpstr (list, ==, wanted);
    remove_dir (dir);
  }
}

/* Each ranking that ends leaves its best weights, however often the run was stopped before the first
 * epoch of the next. */
static void
test_best_before (void)
{
  static const Cnn3dMonitor monitors[] = { CNN3D_MONITOR_VAL_ACCURACY, CNN3D_MONITOR_VAL_LOSS,
    CNN3D_MONITOR_TRAIN_LOSS };
  static const gchar *const names[] = { "best-before.safetensors", "best-before-2.safetensors" };
  gchar *dir = make_dir ();
  g_autofree gchar *best = path_in (dir, "best.safetensors");
  guint epoch = 0;

  for (guint i = 0; i < G_N_ELEMENTS (monitors); i++) {
    g_autofree gchar *was = NULL, *is = NULL;
    gsize was_size, is_size;
    /* stopped after the training pass, and after both */
    for (guint start_number = 0; start_number < 2; start_number++) {
      g_autoptr (GError) error = NULL;
      Cnn3dPassResult result;
      Cnn3dTrainerParams p;
      guint64 position;
      Cnn3dTrainer *t;

      params_init (&p, dir);
      p.monitor = monitors[i];
      t = start (&p);
      cnn3d_trainer_resume (t, &position, &result, &error);
      g_assert_no_error (error);
      g_assert_cmpint (i > 0 && start_number == 0, ==, cnn3d_trainer_data_note (t) != NULL);
      if (start_number == 0)
        one_pass (t, epoch, TRUE, 0, &result);
      g_assert_true (cnn3d_trainer_save (t, NULL, &error));
      if (i > 0 && start_number == 0)
        g_assert_true (g_file_get_contents (best, &was, &was_size, NULL));
      if (start_number == 1 && i > 0) {
        g_autofree gchar *taken = path_in (dir, names[i - 1]);

        g_assert_cmpint (g_mkdir (taken, 0755), ==, 0);
        one_pass_unsaved (t, epoch++, FALSE, 1, &result);
        g_assert_false (cnn3d_trainer_save (t, NULL, &error));
        assert_says (
            error, CNN3D_SESSION_ERROR, "best.safetensors cannot be renamed to best-before");
        g_clear_error (&error);
        g_rmdir (taken);
        g_assert_true (cnn3d_trainer_save (t, NULL, &error));
      } else if (start_number == 1) {
        one_pass (t, epoch++, FALSE, 1, &result);
      }
      cnn3d_trainer_free (&t);
    }
    g_assert_true (exists (dir, "best.safetensors"));
    if (i == 0)
      continue;
    {
      g_autofree gchar *before = path_in (dir, names[i - 1]);

      g_assert_true (g_file_get_contents (before, &is, &is_size, NULL));
      g_assert_cmpmem (was, was_size, is, is_size);
    }
  }
  remove_dir (dir);
}

static void
test_monitors (void)
{
  for (Cnn3dMonitor m = CNN3D_MONITOR_VAL_ACCURACY; m <= CNN3D_MONITOR_TRAIN_LOSS; m++) {
    /* more correct clips mean a lower loss; training and validation alternate */
    static const guint train[] = { 1, 0, 2, 2, 2 }, val[] = { 1, 2, 0, 2, 2 };
    const gboolean by_train = m == CNN3D_MONITOR_TRAIN_LOSS;
    const guint *watched = by_train ? train : val;
    Cnn3dTrainerParams p;
    Cnn3dTrainer *t;
    guint best = 0, since = 0;

    params_init (&p, NULL);
    p.lr.lr = 0;
    p.freeze = "batch-norm";
    p.monitor = m;
    p.patience = 2;
    t = start (&p);
    for (guint e = 0; e < G_N_ELEMENTS (train); e++) {
      const gboolean better = e == 0 || watched[e] > best;
      Cnn3dPassResult result;

      one_pass (t, e, TRUE, train[e], &result);
      g_assert_false (result.epoch_complete);
      g_assert_false (result.improved);
      one_pass (t, e, FALSE, val[e], &result);
      best = MAX (best, watched[e]);
      since = better ? 0 : since + 1;
      g_assert_cmpint (result.improved, ==, better);
      g_assert_cmpint (result.stop, ==, since >= 2);
    }
    cnn3d_trainer_free (&t);
  }
}

/* --- invalid batches and settings --- */

static void
test_bad_batches (void)
{
  guint8 frames[(BATCH + 1) * CLIP_BYTES] = { 0 };
  gint32 labels[BATCH + 1] = { 0 };
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t, *same;
  Cnn3dProgress progress;
  Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH + 1, 1 };

  params_init (&p, NULL);
  t = start (&p);
  same = start (&p);
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "a batch of 4 clips arrived, but memory was planned for at most 3");
  g_clear_error (&error);
  batch.n = 0;
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "0 clips");
  g_clear_error (&error);
  batch.n = 2;
  labels[1] = CLASSES;
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "a clip has label 4, but there are 4 classes: labels count from 0; set");
  g_clear_error (&error);
  labels[1] = -1;
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "label -1");
  g_clear_error (&error);
  /* invalid batches have no effect on the run */
  drive (t, 0, 3);
  drive (same, 0, 3);
  assert_same_weights (t, same, TRUE);
  cnn3d_trainer_free (&t);
  cnn3d_trainer_free (&same);
}

/* A NaN loss stops the run, and nothing of it is saved. */
static void
test_diverged (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *last = path_in (dir, "last.safetensors");
  g_autofree gfloat *frames = g_new (gfloat, CLIP_BYTES);
  gint32 label = 0;
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSafetensors) file = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  Cnn3dProgress progress;
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_FLOAT32, &label, 1, 4 };

  params_init (&p, dir);
  t = start (&p);
  drive (t, 0, 1);
  for (guint i = 0; i < CLIP_BYTES; i++)
    frames[i] = i == 100 ? NAN : 0.1f;
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (error, CNN3D_SESSION_ERROR,
      "the loss became NaN or infinite, in epoch 1 after step 1: lower lr");
  g_assert_cmpint (error->code, ==, CNN3D_SESSION_ERROR_DIVERGED);
  g_clear_error (&error);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  cnn3d_trainer_free (&t);
  file = cnn3d_safetensors_open (last, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < cnn3d_safetensors_get_n_tensors (file); i++) {
    const Cnn3dSafetensor *s = cnn3d_safetensors_nth (file, i);
    g_autofree gfloat *values = g_new (gfloat, s->n_elements);

    if (s->dtype != CNN3D_SAFETENSOR_F32)
      continue;
    g_assert_true (cnn3d_safetensor_to_float (s, values, s->n_elements, NULL));
    for (gsize k = 0; k < s->n_elements; k++)
      g_assert_true (isfinite (values[k]));
  }
  remove_dir (dir);
}

/* A last layer so large that the loss is finite but its gradients are not. */
static void
test_no_norm (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *last = path_in (dir, "last.safetensors"), *contents = NULL;
  g_autofree guint8 *frames = g_malloc (BATCH * CLIP_BYTES);
  const gint32 labels[BATCH] = { 0, 1, 2 };
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, BATCH, BATCH };
  g_autoptr (GError) error = NULL;
  gchar *offsets, *data;
  guint64 header, first, end;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  Cnn3dProgress progress;
  gsize size;

  params_init (&p, dir);
  t = start (&p);
  drive (t, 0, 1);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  cnn3d_trainer_free (&t);
  g_assert_true (g_file_get_contents (last, &contents, &size, NULL));
  memcpy (&header, contents, 8);
  data = contents + 8 + GUINT64_FROM_LE (header);
  offsets = strstr (strstr (contents + 8, "\"fc.weight\""), "\"data_offsets\":[")
      + strlen ("\"data_offsets\":[");
  first = g_ascii_strtoull (offsets, &offsets, 10);
  end = g_ascii_strtoull (offsets + 1, NULL, 10);
  g_assert_cmpuint (end - first, ==, CLASSES * 32 * sizeof (gfloat));
  for (guint64 at = first; at < end; at += sizeof (gfloat)) {
    gfloat weight;

    memcpy (&weight, data + at, sizeof weight);
    weight *= 1e37f;
    memcpy (data + at, &weight, sizeof weight);
  }
  g_assert_true (g_file_set_contents (last, contents, size, NULL));

  params_init (&p, NULL);
  p.pretrained = last;
  p.gradient_clip = 1;
  t = start (&p);
  begin (t, 0);
  for (guint i = 0; i < BATCH * CLIP_BYTES; i++)
    frames[i] = i * i >> 3;
  g_assert_false (cnn3d_trainer_run (t, &batch, &progress, &error));
  assert_says (
      error, CNN3D_SESSION_ERROR, "the gradient's norm became NaN or infinite at step 1: lower lr");
  g_assert_cmpint (error->code, ==, CNN3D_SESSION_ERROR_DIVERGED);
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

static void
test_bad_settings (void)
{
  static const struct {
    guint batch, accumulate;
    gdouble momentum, smoothing, clip;
    const gchar *device, *freeze, *words;
  } bad[] = {
    { 0, 1, 0, 0, 0, "cpu", NULL, "batch is 0, but must be from 1 to 65536" },
    { 2, 0, 0, 0, 0, "cpu", NULL, "accumulate-grad-batches is 0" },
    { 2, 1, 1.5, 0, 0, "cpu", NULL, "momentum is 1.5" },
    { 2, 1, NAN, 0, 0, "cpu", NULL, "momentum" },
    { 2, 1, 0, 2, 0, "cpu", NULL, "label-smoothing is 2" },
    { 2, 1, 0, 0, -1, "cpu", NULL, "gradient-clip-val is -1" },
    { 2, 1, 0, 0, 0, "tpu", NULL, "device=tpu: use auto, cpu, cuda, or cuda:N for the N-th GPU" },
    { 2, 1, 0, 0, 0, "cuda:x", NULL, "device=cuda:x" },
    { 2, 1, 0, 0, 0, "cpu", "layer9",
        "has no parameter that begins with 'layer9'; it may name|backbone|batch-norm" },
    { 2, 1, 0, 0, 0, "cpu", "backbone,fc", "freeze=backbone,fc leaves nothing to train" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    Cnn3dTrainerParams p;

    params_init (&p, NULL);
    p.accumulate = bad[i].accumulate;
    p.momentum = bad[i].momentum;
    p.label_smoothing = bad[i].smoothing;
    p.gradient_clip = bad[i].clip;
    p.device = bad[i].device;
    p.freeze = bad[i].freeze;
    g_assert_null (cnn3d_trainer_new (&p, bad[i].batch, &error));
    assert_says (error,
        strstr (bad[i].words, "device=") ? CNN3D_BACKEND_ERROR : CNN3D_SESSION_ERROR, bad[i].words);
  }
}

/* Arrays sized by num_classes are indexed by the classes' names. */
static void
test_other_names (void)
{
  static const gchar *const names[] = { "one", NULL };
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.classes = names;
  g_assert_null (cnn3d_trainer_new (&p, 2, &error));
  assert_says (error, CNN3D_SESSION_ERROR, "there are names for 1 classes, but num-classes is");
}

/* --- freezing --- */

static void
check_freeze (const gchar *list, const gchar *const *prefixes, gboolean statistics_move)
{
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t, *before;
  const Cnn3dNetwork *net;

  params_init (&p, NULL);
  p.weight_decay = 0.01;
  p.gradient_clip = 0.5;
  before = start (&p);
  p.freeze = list;
  t = start (&p);
  net = cnn3d_trainer_network (t);
  drive (t, 0, 3);
  for (guint i = 0; i < net->n_weights; i++) {
    const Cnn3dParam *param = &net->weights[i];
    g_autofree gfloat *a = cnn3d_trainer_get_weight (before, i, NULL),
                      *b = cnn3d_trainer_get_weight (t, i, NULL);
    gboolean moves = CNN3D_PARAM_TRAINED (param->role) || statistics_move;

    for (guint k = 0; prefixes[k]; k++)
      if (CNN3D_PARAM_TRAINED (param->role) && g_str_has_prefix (param->name, prefixes[k]))
        moves = FALSE;
    if (moves != (memcmp (a, b, param->count * sizeof *a) != 0))
      g_error ("freeze=%s: %s %s", list, param->name, moves ? "stays" : "moves");
  }
  cnn3d_trainer_free (&t);
  cnn3d_trainer_free (&before);
}

static void
test_freeze (void)
{
  check_freeze ("stem, layer1", (const gchar *[]) { "stem", "layer1", NULL }, TRUE);
  check_freeze ("layer2,batch-norm", (const gchar *[]) { "layer2", NULL }, FALSE);
  check_freeze ("backbone", (const gchar *[]) { "stem", "layer", NULL }, TRUE);
  check_freeze ("fc.bias", (const gchar *[]) { "fc.bias", NULL }, TRUE);
}

/* --- pretrained weights --- */

static gchar *
write_run (const gchar *dir)
{
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  gchar *path = path_in (dir, "last.safetensors");

  params_init (&p, dir);
  t = start (&p);
  drive (t, 0, 2);
  g_assert_true (cnn3d_trainer_save (t, NULL, NULL));
  cnn3d_trainer_free (&t);
  return path;
}

/* The file `from` without tensor `without`, with tensor `more`. */
static gchar *
edit_weights (const gchar *dir, const gchar *from, const gchar *prefix, const gchar *without,
    const gchar *more)
{
  gchar *path = path_in (dir, "edited.safetensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSafetensors) file = cnn3d_safetensors_open (from, &error);
  g_autoptr (Cnn3dSafetensorsWriter) w = cnn3d_safetensors_writer_new (path, &error);
  const guint64 one = 1;
  const gfloat zero = 0;

  for (guint data = 0; data < 2; data++) {
    for (guint i = 0; i < cnn3d_safetensors_get_n_tensors (file); i++) {
      const Cnn3dSafetensor *s = cnn3d_safetensors_nth (file, i);
      g_autofree gchar *name = g_strconcat (prefix, s->name, NULL);

      if (without && !strcmp (s->name, without))
        continue;
      if (data)
        cnn3d_safetensors_writer_data (w, s->data, s->size, &error);
      else
        cnn3d_safetensors_writer_add (w, name, s->dtype, s->n_dims, s->shape);
    }
    if (more && data)
      cnn3d_safetensors_writer_data (w, &zero, sizeof zero, &error);
    else if (more)
      cnn3d_safetensors_writer_add (w, more, CNN3D_SAFETENSOR_F32, 1, &one);
  }
  cnn3d_safetensors_writer_finish (w, &error);
  g_assert_no_error (error);
  return path;
}

static void
assert_not_pretrained (const Cnn3dTrainerParams *p, const gchar *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (cnn3d_trainer_new (p, BATCH, &error));
  assert_says (error, error ? error->domain : 0, words);
}

static void
test_pretrained (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *path = write_run (dir), *edited = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  const gchar *const *left_out;

  params_init (&p, NULL);
  p.pretrained = path;
  t = start (&p);
  g_assert_null (cnn3d_trainer_left_out (t)[0]);
  cnn3d_trainer_free (&t);

  /* another head: the rest is loaded, the head is initialized at random and reported */
  p.network.num_classes = 7;
  t = start (&p);
  left_out = cnn3d_trainer_left_out (t);
  g_assert_cmpstr (left_out[0], ==, "fc.weight ((4, 32) in the file, (7, 32) here)");
  g_assert_cmpstr (left_out[1], ==, "fc.bias ((4) in the file, (7) here)");
  g_assert_null (left_out[2]);
  cnn3d_trainer_free (&t);

  p.network.base_width = 5;
  assert_not_pretrained (&p,
      "last.safetensors: 'stem.0.weight' is (4, 3, 3, 7, 7), but r3d_18 with base-width=5 has (5, "
      "3, 3, 7, 7)");
  params_init (&p, NULL);
  p.pretrained = edited = edit_weights (dir, path, "", "layer3.1.conv1.1.bias", "layer9.weight");
  assert_not_pretrained (&p,
      "edited.safetensors has no 'layer3.1.conv1.1.bias', which r3d_18 needs: is it a file of "
      "another model?");
  g_free (edited);
  p.pretrained = edited = edit_weights (dir, path, "", NULL, "layer9.weight");
  t = start (&p);
  left_out = cnn3d_trainer_left_out (t);
  g_assert_cmpstr (left_out[0], ==, "layer9.weight (not in the model)");
  g_assert_null (left_out[1]);
  cnn3d_trainer_free (&t);
  p.pretrained = "/nowhere/weights.safetensors";
  assert_not_pretrained (&p, "/nowhere/weights.safetensors");
  remove_dir (dir);
}

/* Names with a wrapper's prefix; a missing head is initialized at random. */
static void
test_prefix (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *path = write_run (dir), *edited = NULL;
  g_autofree gfloat *plain = NULL, *prefixed = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  gint64 bytes;

  params_init (&p, NULL);
  p.pretrained = path;
  t = start (&p);
  g_assert_null (cnn3d_trainer_prefix (t));
  plain = cnn3d_trainer_get_weight (t, 3, &error);
  bytes = cnn3d_trainer_network (t)->weights[3].count * sizeof (gfloat);
  cnn3d_trainer_free (&t);

  p.pretrained = edited = edit_weights (dir, path, "module.backbone.", "fc.bias", "other.weight");
  t = start (&p);
  g_assert_cmpstr (cnn3d_trainer_prefix (t), ==, "module.backbone.");
  g_assert_cmpstr (cnn3d_trainer_left_out (t)[0], ==, "fc.bias (not in the file)");
  g_assert_cmpstr (cnn3d_trainer_left_out (t)[1], ==, "other.weight (not in the model)");
  g_assert_null (cnn3d_trainer_left_out (t)[2]);
  prefixed = cnn3d_trainer_get_weight (t, 3, &error);
  g_assert_cmpmem (plain, bytes, prefixed, bytes);
  cnn3d_trainer_free (&t);
  g_free (edited);

  p.pretrained = edited = edit_weights (dir, path, "model.", NULL, "teacher.stem.0.weight");
  assert_not_pretrained (&p,
      "edited.safetensors has the weights of a r3d_18 twice, under 'model.' and 'teacher.': write");
  g_free (edited);
  p.pretrained = edited = edit_weights (dir, path, "model.", "layer3.1.conv1.1.bias", NULL);
  assert_not_pretrained (&p, "no 'model.layer3.1.conv1.1.bias'");
  remove_dir (dir);
}

/* --- two trainers at once, and many steps --- */

static void
test_two_at_once (void)
{
  Cnn3dTrainerParams p, q;
  Cnn3dTrainer *alone[2], *turns[2];
  Cnn3dProgress progress;
  guint64 position = 0;

  params_init (&p, NULL);
  q = p;
  q.optimizer = CNN3D_UPDATE_ADAMW;
  q.network.model = "slow_r50";
  q.threads = 2;
  q.lr.lr = 1e-3;
  alone[0] = start (&p);
  drive (alone[0], 0, 3);
  alone[1] = start (&q);
  drive (alone[1], 0, 3);
  turns[0] = start (&p);
  turns[1] = start (&q);
  begin (turns[0], 0);
  begin (turns[1], 0);
  for (guint i = 0; i < 3; i++) {
    feed (turns[0], position, &progress);
    position = feed (turns[1], position, &progress);
  }
  for (guint i = 0; i < 2; i++) {
    assert_same_weights (alone[i], turns[i], TRUE);
    cnn3d_trainer_free (&alone[i]);
    cnn3d_trainer_free (&turns[i]);
  }
}

static void
test_no_growth (void)
{
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  Cnn3dProgress progress;
  gsize after_two = 0;

  params_init (&p, NULL);
  p.threads = 2;
  p.accumulate = 2;
  t = start (&p);
  begin (t, 0);
  for (guint batch = 1; batch <= 100; batch++) {
    const struct mallinfo2 m = mallinfo2 ();

    feed (t, 0, &progress);
    if (batch == 5) /* two steps after one to warm up */
      after_two = m.uordblks + m.hblkhd;
    else if (batch > 5)
      g_assert_cmpuint (m.uordblks + m.hblkhd, ==, after_two);
  }
  g_assert_cmpuint (progress.step, ==, 50);
  cnn3d_trainer_free (&t);
#else
  g_test_skip ("mallinfo2() is not usable with this C library or sanitizer");
#endif
}

int
main (int argc, char **argv)
{
  int status;

  /* waiting threads do not spin: other tests need the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-trainer-XXXXXX", NULL);
  g_assert_nonnull (folder);
  g_test_add_func ("/trainer/short-group", test_short_group);
  g_test_add_func ("/trainer/validation", test_validation);
  g_test_add_func ("/trainer/confusion", test_confusion);
  g_test_add_func ("/trainer/learning-rate", test_learning_rate);
  g_test_add_func ("/trainer/save-top-k", test_save_top_k);
  g_test_add_func ("/trainer/best-before", test_best_before);
  g_test_add_func ("/trainer/left-over", test_left_over);
  g_test_add_func ("/trainer/monitors", test_monitors);
  g_test_add_func ("/trainer/bad-batches", test_bad_batches);
  g_test_add_func ("/trainer/diverged", test_diverged);
  g_test_add_func ("/trainer/no-norm", test_no_norm);
  g_test_add_func ("/trainer/bad-settings", test_bad_settings);
  g_test_add_func ("/trainer/other-names", test_other_names);
  g_test_add_func ("/trainer/freeze", test_freeze);
  g_test_add_func ("/trainer/pretrained", test_pretrained);
  g_test_add_func ("/trainer/prefix", test_prefix);
  g_test_add_func ("/trainer/two-at-once", test_two_at_once);
  g_test_add_func ("/trainer/no-growth", test_no_growth);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
