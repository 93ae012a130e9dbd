/* An interrupted run ends with the same bits; checkpoints that cannot be resumed or written.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "smallrun.h"

/* Interrupted after each number of batches, with or without a save there: after resuming, the final
 * files have the same bits as those of an uninterrupted run. */
static void
check_resume (const Cnn3dTrainerParams *settings)
{
  enum {
    BATCHES = EPOCHS * ((CLIPS + BATCH - 1) / BATCH + (VAL + BATCH - 1) / BATCH)
  };
  Cnn3dTrainerParams p = *settings;
  gchar *whole = make_dir ();
  Cnn3dTrainer *t;

  p.checkpoint_dir = whole;
  t = start (&p);
  drive (t, 0, G_MAXUINT);
  cnn3d_trainer_free (&t);
  for (guint cut = 0; cut <= BATCHES; cut++)
    for (guint saves = 0; saves < 2; saves++) {
      gchar *dir = make_dir ();
      g_autoptr (GError) error = NULL;
      Cnn3dPassResult ended;
      guint64 position = 0;

      p.checkpoint_dir = dir;
      t = start (&p);
      drive (t, 0, cut);
      if (saves)
        g_assert_true (cnn3d_trainer_save (t, NULL, &error));
      g_assert_no_error (error);
      cnn3d_trainer_free (&t);

      t = start (&p);
      if (!cnn3d_trainer_resume (t, &position, &ended, &error))
        g_assert_false (exists (dir, "last.safetensors"));
      g_assert_no_error (error);
      drive (t, position, G_MAXUINT);
      cnn3d_trainer_free (&t);
      assert_same_runs (whole, dir);
      remove_dir (dir);
    }
  remove_dir (whole);
}

static void
test_resume_sgd (void)
{
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.network.dropout = 0.3;
  p.checkpoint_interval = 1;
  p.weight_decay = 1e-3;
  p.lr.schedule = CNN3D_LR_COSINE;
  p.lr.warmup_epochs = 0.5;
  check_resume (&p);
}

/* Saved within a group, the accumulated batches are repeated. */
static void
test_resume_accumulating (void)
{
  Cnn3dTrainerParams p;

  params_init (&p, NULL);
  p.optimizer = CNN3D_UPDATE_ADAMW;
  p.lr.lr = 1e-3;
  p.accumulate = 3;
  p.label_smoothing = 0.1;
  p.gradient_clip = 1;
  p.save_top_k = 2;
  p.monitor = CNN3D_MONITOR_TRAIN_LOSS;
  check_resume (&p);
}

static void
test_nothing_to_resume (void)
{
  gchar *dir = make_dir ();
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  Cnn3dPassResult ended;
  guint64 position = 7;
  gchar *saved = NULL;

  params_init (&p, dir);
  t = start (&p);
  g_assert_false (cnn3d_trainer_resume (t, &position, &ended, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (position, ==, 7);
  /* without a batch nothing is written */
  g_assert_true (cnn3d_trainer_save (t, &saved, &error));
  g_assert_null (saved);
  g_assert_false (exists (dir, "last.safetensors"));
  drive (t, 0, 1);
  g_assert_true (cnn3d_trainer_save (t, &saved, &error));
  g_assert_nonnull (saved);
  g_clear_pointer (&saved, g_free);
  g_assert_true (cnn3d_trainer_save (t, &saved, &error));
  g_assert_null (saved);
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

/* --- skipped clips --- */

/* The first `skipped` of an epoch's CLIPS clips are missing; then batches of two come until
 * `end`. */
static void
train_some (Cnn3dTrainer *t, guint64 skipped, guint64 end)
{
  const Cnn3dPass pass = { 0, TRUE, 0, skipped, CLIPS, EPOCHS, TRUE };
  guint8 frames[2 * CLIP_BYTES];
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;
  gint32 labels[2];

  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  for (guint64 at = skipped; at < end; at += 2) {
    const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, MIN (2, end - at),
      MIN (at + 2, end) };

    for (guint i = 0; i < batch.n; i++)
      draw_clip (at + i, frames + i * CLIP_BYTES, labels + i);
    g_assert_true (cnn3d_trainer_run (t, &batch, &progress, &error));
  }
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  g_assert_no_error (error);
}

/* An epoch that skipped more than max_skipped starts over; at or below the limit, it resumes. */
static void
test_skipped (void)
{
  static const struct {
    guint64 skipped, end;
    gdouble max_skipped;
    guint64 position;
  } cases[] = { { 6, 8, 0.5, 0 }, { 6, CLIPS, 0.5, 0 }, { 6, 8, 1, 8 }, { 5, 7, 0.5, 7 },
    { 6, 8, 6.0 / CLIPS, 8 }, { 1, 5, 0, 0 }, { 0, 4, 0, 4 }, { 5, CLIPS, 0.5, CLIPS } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *dir = make_dir ();
    g_autoptr (GError) error = NULL;
    Cnn3dTrainerParams p;
    Cnn3dPassResult ended;
    guint64 position;
    Cnn3dRunMark mark;
    Cnn3dTrainer *t;

    params_init (&p, dir);
    t = start (&p);
    train_some (t, cases[i].skipped, cases[i].end);
    cnn3d_trainer_free (&t);
    p.max_skipped = cases[i].max_skipped;
    t = start (&p);
    g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (position, ==, cases[i].position);
    if (position) {
      g_assert_null (cnn3d_trainer_data_note (t));
    } else {
      g_autofree gchar *words =
          g_strdup_printf ("%d of %d clips of epoch 1 were skipped before the checkpoint",
              (int) cases[i].skipped, CLIPS);

      g_assert_nonnull (strstr (cnn3d_trainer_data_note (t), words));
      cnn3d_trainer_get_mark (t, &mark);
      g_assert_true (mark.training && mark.epoch == 0 && mark.step > 0);
      /* with all its clips */
      drive (t, 0, G_MAXUINT);
    }
    cnn3d_trainer_free (&t);
    remove_dir (dir);
  }
}

/* --- other monitors --- */

/* After a change of the monitor the previous best is not compared with. */
static void
test_other_monitor (void)
{
  static const struct {
    Cnn3dMonitor was, is;
    gboolean same;
  } cases[] = { { CNN3D_MONITOR_TRAIN_LOSS, CNN3D_MONITOR_TRAIN_LOSS, TRUE },
    { CNN3D_MONITOR_AUTO, CNN3D_MONITOR_VAL_ACCURACY, TRUE },
    { CNN3D_MONITOR_TRAIN_LOSS, CNN3D_MONITOR_VAL_LOSS, FALSE },
    { CNN3D_MONITOR_AUTO, CNN3D_MONITOR_VAL_LOSS, FALSE },
    { CNN3D_MONITOR_VAL_ACCURACY, CNN3D_MONITOR_VAL_F1, FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *dir = make_dir ();
    g_autoptr (GError) error = NULL;
    Cnn3dTrainerParams p;
    Cnn3dPassResult ended;
    guint64 position;
    Cnn3dTrainer *t;
    Cnn3dBest best;

    g_autofree gchar *chosen =
        g_strdup_printf ("the best weights so far were chosen by %s, not by %s",
            cases[i].was == CNN3D_MONITOR_AUTO ? "val-accuracy"
                                               : cnn3d_choice_name (&cnn3d_monitors, cases[i].was),
            cnn3d_choice_name (&cnn3d_monitors, cases[i].is));

    params_init (&p, dir);
    p.monitor = cases[i].was;
    t = start (&p);
    drive (t, 0, G_MAXUINT);
    cnn3d_trainer_get_best (t, &best);
    g_assert_true (best.known);
    cnn3d_trainer_free (&t);
    p.monitor = cases[i].is;
    t = start (&p);
    g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
    g_assert_no_error (error);
    cnn3d_trainer_get_best (t, &best);
    g_assert_cmpint (best.known, ==, cases[i].same);
    if (cases[i].same)
      g_assert_null (cnn3d_trainer_data_note (t));
    else
      g_assert_nonnull (strstr (cnn3d_trainer_data_note (t), chosen));
    cnn3d_trainer_free (&t);
    remove_dir (dir);
  }
}

/* With more training clips and the same validation, epochs are compared as before. */
static void
test_same_validation (void)
{
  static const struct {
    const gchar *validation;
    Cnn3dMonitor monitor;
    gboolean same;
  } cases[] = { { "v", CNN3D_MONITOR_AUTO, TRUE }, { "w", CNN3D_MONITOR_AUTO, FALSE },
    { NULL, CNN3D_MONITOR_AUTO, FALSE }, { "v", CNN3D_MONITOR_TRAIN_LOSS, FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *dir = make_dir ();
    g_autoptr (GError) error = NULL;
    Cnn3dTrainerParams p;
    Cnn3dPassResult ended;
    guint64 position;
    Cnn3dTrainer *t;
    Cnn3dBest best;

    params_init (&p, dir);
    p.monitor = cases[i].monitor;
    p.any_data = TRUE;
    p.data = (Cnn3dRunData) { CLIPS + VAL, CLIPS, VAL, "a", "a", "a", "v" };
    t = start (&p);
    drive (t, 0, G_MAXUINT);
    cnn3d_trainer_free (&t);
    p.data = (Cnn3dRunData) { CLIPS + VAL + 1, CLIPS + 1, VAL, "b", "b", "b", cases[i].validation };
    t = start (&p);
    g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
    g_assert_no_error (error);
    cnn3d_trainer_get_best (t, &best);
    g_assert_cmpint (best.known, ==, cases[i].same);
    g_assert_cmpint (!strstr (cnn3d_trainer_data_note (t),
                         "chosen on that data: the comparison of epochs starts over"),
        ==, cases[i].same);
    cnn3d_trainer_free (&t);
    remove_dir (dir);
  }
}

/* --- checkpoints that cannot be resumed --- */

#define MANY 21 /* classes, too many to list */

static void
assert_resume_fails (const Cnn3dTrainerParams *p, const gchar *words)
{
  Cnn3dTrainer *t = start (p);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) all = g_strsplit (words, "|", -1);
  Cnn3dPassResult ended;
  guint64 position = 0;

  g_assert_false (cnn3d_trainer_resume (t, &position, &ended, &error));
  g_assert_nonnull (error);
  for (guint i = 0; all[i]; i++)
    if (!strstr (error->message, all[i]))
      g_error ("'%s' does not say '%s'", error->message, all[i]);
  cnn3d_trainer_free (&t);
}

static gchar *
find_state (const gchar *dir)
{
  GDir *d = g_dir_open (dir, 0, NULL);
  const gchar *name;
  gchar *path = NULL;

  while ((name = g_dir_read_name (d)))
    if (g_str_has_suffix (name, ".state"))
      path = path_in (dir, name);
  g_dir_close (d);
  g_assert_nonnull (path);
  return path;
}

static void
test_bad_checkpoints (void)
{
  gchar *weights;
  gsize bytes;
  gchar *dir = make_dir ();
  g_autofree gchar *last = path_in (dir, "last.safetensors"), *state = NULL, *data = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p, other;
  Cnn3dTrainer *t;
  gsize size;

  params_init (&p, dir);
  t = start (&p);
  drive (t, 0, 2);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  cnn3d_trainer_free (&t);
  state = find_state (dir);

  other = p;
  other.network.model = "mc3_18";
  assert_resume_fails (
      &other, " was written by another model than mc3_18: set the same one, or resume=never");
  other = p;
  other.network.base_width = 8;
  assert_resume_fails (
      &other, " has no optimizer state '|' that fits: use the settings that it was written with");
  other = p;
  other.optimizer = CNN3D_UPDATE_ADAM;
  assert_resume_fails (
      &other, " was written with another optimizer: set the same one, or resume=never");
  other = p;
  other.momentum = 0;
  t = start (&other); /* fits in the memory */
  cnn3d_trainer_free (&t);

  g_assert_true (g_file_get_contents (state, &data, &size, NULL));
  g_assert_true (g_file_set_contents (state, data, size / 2, NULL));
  assert_resume_fails (&p, state);
  g_assert_true (g_file_get_contents (last, &weights, &bytes, NULL));
  g_assert_true (g_file_set_contents (state, weights, bytes, NULL));
  assert_resume_fails (&p, " was not written by this version: use resume=never to start over");
  g_free (weights);
  g_assert_true (g_file_set_contents (state, data, 0, NULL));
  assert_resume_fails (&p, state);
  g_unlink (state);
  assert_resume_fails (&p, state);
  g_assert_true (g_file_set_contents (state, data, size, NULL));
  g_clear_pointer (&data, g_free);

  g_assert_true (g_file_get_contents (last, &data, &size, NULL));
  g_assert_true (g_file_set_contents (last, data, size - 1, NULL));
  assert_resume_fails (&p, last);
  g_assert_true (g_file_set_contents (last, "no model", -1, NULL));
  assert_resume_fails (&p, last);
  g_assert_true (g_file_set_contents (last, data, size, NULL));
  remove_dir (dir);
}

/* Changed preparation of the clips, and changed classes of a long list. */
static void
test_other_preparation (void)
{
  static const gchar *const words[] = { "clipdiff's gain was 0 and is 2",
    "the frame rate was 0 and is 7.5", "scaling was bilinear and is nearest" };
  gchar *dir = make_dir (), *names[MANY + 1] = { NULL };
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;

  params_init (&p, dir);
  for (guint i = 0; i < MANY; i++)
    names[i] = g_strdup_printf ("class %u", i);
  p.network.num_classes = MANY;
  p.classes = (const gchar *const *) names;
  p.preparation =
      (Cnn3dPreparation) { .sampling = "center", .frame_interval = 1, .scaling = "bilinear" };
  t = start (&p);
  drive (t, 0, G_MAXUINT);
  cnn3d_trainer_free (&t);
  p.preparation.diff_gain = 2;
  p.preparation.frame_rate_n = 15;
  p.preparation.frame_rate_d = 2;
  p.preparation.scaling = "nearest";
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    assert_resume_fails (&p, words[i]);
  g_free (names[4]);
  names[4] = g_strdup ("other");
  assert_resume_fails (
      &p, "class 4 of | is class 4, but the data's is other: name them as before, set another");
  for (guint i = 0; i < MANY; i++)
    g_free (names[i]);
  remove_dir (dir);
}

/* The best weights of a run have no training state. */
static void
test_weights_alone (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *last = path_in (dir, "last.safetensors"),
                   *best = path_in (dir, "best.safetensors");
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;

  params_init (&p, dir);
  t = start (&p);
  drive (t, 0, G_MAXUINT);
  cnn3d_trainer_free (&t);
  g_assert_cmpint (g_rename (best, last), ==, 0);
  assert_resume_fails (
      &p, " has no training state to resume from: use it as pretrained=, with resume=never");
  remove_dir (dir);
}

/* The data set changed, so that positions are ambiguous. */
static void
test_other_data (void)
{
  gchar *dir = make_dir ();
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;
  Cnn3dPass pass = { 0, TRUE, 0, 6, CLIPS + 1, EPOCHS, TRUE };
  Cnn3dPassResult ended;
  guint64 position;

  params_init (&p, dir);
  t = start (&p);
  drive (t, 0, 2);
  g_assert_true (cnn3d_trainer_save (t, NULL, &error));
  cnn3d_trainer_free (&t);
  t = start (&p);
  g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
  g_assert_cmpuint (position, ==, 6);
  g_assert_false (cnn3d_trainer_begin_pass (t, &pass, &error));
  assert_says (
      error, CNN3D_SESSION_ERROR, " is at clip 6 of another data set or split: use the same one");
  g_clear_error (&error);
  pass.clips = CLIPS;
  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

/* An impossible folder: below a regular file, so that it fails for root too. */
static void
test_unwritable (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *file = path_in (dir, "file"), *below = path_in (file, "run");
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dTrainer *t;

  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  params_init (&p, below);
  t = start (&p);
  drive (t, 0, 1);
  g_assert_false (cnn3d_trainer_save (t, NULL, &error));
  assert_says (error, CNN3D_SESSION_ERROR, below);
  assert_says (
      error, CNN3D_SESSION_ERROR, "checkpoint-dir |/file/run cannot be created: Not a directory");
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

/* Without momentum a state has no tensors: its metadata tells it from another run's. */
static void
check_other_state (gdouble momentum, gchar *dirs[2], gchar *states[2])
{
  g_autofree gchar *data = NULL, *own = NULL;
  Cnn3dTrainerParams p;
  gsize size, own_size;

  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    Cnn3dTrainer *t;

    params_init (&p, dirs[i]);
    p.seed = i;
    p.momentum = momentum;
    t = start (&p);
    drive (t, 0, 2);
    g_assert_true (cnn3d_trainer_save (t, NULL, &error));
    cnn3d_trainer_free (&t);
    states[i] = find_state (dirs[i]);
  }
  g_assert_false (!strcmp (strrchr (states[0], '/'), strrchr (states[1], '/')));
  g_assert_true (g_file_get_contents (states[0], &own, &own_size, NULL));
  g_assert_true (g_file_get_contents (states[1], &data, &size, NULL));
  g_assert_true (g_file_set_contents (states[0], data, size, NULL));
  p.checkpoint_dir = dirs[0];
  assert_resume_fails (&p, " is another state than that of the weights beside it, or damaged: |");
  g_assert_true (g_file_set_contents (states[0], own, own_size, NULL));
}

/* Weights are not resumed with the state of another run at the same step, and the first save of a run
 * that starts over leaves the earlier one's state alone until last.safetensors is its own. */
static void
test_other_state (void)
{
  gchar *dirs[] = { make_dir (), make_dir () }, *plain[] = { make_dir (), make_dir () };
  gchar *states[2], *plain_states[2];
  g_autofree gchar *last = NULL;
  Cnn3dTrainerParams p;
  gsize size;

  check_other_state (0, plain, plain_states);
  check_other_state (0.9, dirs, states);
  params_init (&p, dirs[1]);
  p.seed = 1;
  p.momentum = 0.9;

  /* something else has the name that the state would get */
  {
    g_autofree gchar *name = g_path_get_basename (states[1]), *taken = NULL;
    gchar *dir = make_dir ();
    g_autoptr (GError) error = NULL;
    Cnn3dTrainer *t;

    taken = path_in (dir, name);
    g_assert_cmpint (g_mkdir (taken, 0755), ==, 0);
    p.checkpoint_dir = dir;
    t = start (&p);
    drive (t, 0, 2);
    g_assert_false (cnn3d_trainer_save (t, NULL, &error));
    assert_says (error, CNN3D_SESSION_ERROR, "last-new.state cannot be renamed to last-|: ");
    cnn3d_trainer_free (&t);
    g_rmdir (taken);
    remove_dir (dir);
  }

  /* an older version's name has no digest */
  {
    g_autofree gchar *old = path_in (dirs[1], "last-2-8.state");
    g_autofree gchar *name = g_path_get_basename (states[1]);
    g_autoptr (GError) error = NULL;
    gchar *found, *weights = NULL;
    Cnn3dPassResult ended;
    guint64 position;
    Cnn3dTrainer *t;

    last = path_in (dirs[1], "last.safetensors");
    g_assert_true (g_file_get_contents (last, &weights, &size, NULL));
    found = strstr (weights + sizeof (guint64), name);
    g_assert_nonnull (found);
    /* of the same length, as JSON that means the same */
    memset (found + strlen ("last-2-8.state\""), ' ', strlen (name) - strlen ("last-2-8.state"));
    memcpy (found, "last-2-8.state\"", strlen ("last-2-8.state\""));
    g_assert_true (g_file_set_contents (last, weights, size, NULL));
    g_free (weights);
    g_assert_cmpint (g_rename (states[1], old), ==, 0);
    p.checkpoint_dir = dirs[1];
    t = start (&p);
    g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
    g_assert_no_error (error);
    cnn3d_trainer_free (&t);
  }
  for (guint i = 0; i < 2; i++) {
    remove_dir (dirs[i]);
    remove_dir (plain[i]);
    g_free (states[i]);
    g_free (plain_states[i]);
  }
}

/* Whether a state named after this step exists. */
static gboolean
is_saved (const gchar *dir, guint64 step)
{
  g_autofree gchar *begins = g_strdup_printf ("last-%" G_GUINT64_FORMAT "-", step);
  g_autoptr (GDir) d = g_dir_open (dir, 0, NULL);
  const gchar *name;
  gboolean saved = FALSE;

  while ((name = g_dir_read_name (d)))
    saved |= g_str_has_prefix (name, begins);
  return saved;
}

static void
save_due (Cnn3dTrainer *t, const gchar *dir, guint64 step)
{
  g_autofree gchar *path = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_false (is_saved (dir, step));
  g_assert_true (cnn3d_trainer_save (t, &path, &error));
  g_assert_no_error (error);
  g_assert_nonnull (path);
  g_assert_true (is_saved (dir, step));
}

/* Checkpoints are due but not written, so that a caller's log is ahead of them. Resuming between a
 * training pass's last step and its end ends that pass. */
static void
test_due (void)
{
  gchar *dir = make_dir ();
  g_autofree gchar *best = g_build_filename (dir, "best.safetensors", NULL);
  guint steps = 0, trained = 0, validated = 0;
  Cnn3dTrainerParams p;
  Cnn3dPassResult ended;
  Cnn3dRunMark mark;
  Cnn3dTrainer *t;
  guint64 position = 0;

  params_init (&p, dir);
  p.checkpoint_interval = 2;
  t = start (&p);
  while (position < EPOCHS * EPOCH_POSITIONS) {
    const guint last_steps = steps;
    Cnn3dProgress progress;

    if (position == 0 || at_pass_end (position))
      begin (t, position);
    position = run_next (t, position, &progress);
    if (progress.checkpoint_due) {
      g_assert_true (progress.stepped);
      steps++;
      save_due (t, dir, progress.step);
    }
    if (!at_pass_end (position))
      continue;
    g_assert_true (cnn3d_trainer_end_pass (t, position, &ended, NULL));
    if (ended.training) {
      g_assert_cmpuint (ended.clips, ==, CLIPS);
      g_assert_false (ended.checkpoint_due);
      trained++;
    } else {
      g_assert_cmpuint (steps, ==, last_steps);
      g_assert_nonnull (ended.confusion);
      g_assert_true (ended.checkpoint_due);
      if (!validated)
        g_assert_false (g_file_test (best, G_FILE_TEST_EXISTS));
      g_assert_true (cnn3d_trainer_save (t, NULL, NULL));
      g_assert_true (g_file_test (best, G_FILE_TEST_EXISTS));
      validated++;
    }
  }
  /* every second of the 4 steps of an epoch */
  g_assert_cmpuint (steps, ==, EPOCHS * 4 / 2);
  g_assert_cmpuint (trained, ==, EPOCHS);
  g_assert_cmpuint (validated, ==, EPOCHS);
  cnn3d_trainer_get_mark (t, &mark);
  g_assert_cmpuint (mark.position, ==, EPOCHS * EPOCH_POSITIONS);
  g_assert_cmpuint (mark.step, ==, EPOCHS * 4);
  g_assert_cmpuint (mark.epoch, ==, EPOCHS);
  g_assert_true (mark.training);
  cnn3d_trainer_free (&t);
  remove_dir (dir);

  dir = make_dir ();
  params_init (&p, dir);
  p.checkpoint_interval = 2;
  t = start (&p);
  begin (t, 0);
  for (position = 0; position < CLIPS;) {
    Cnn3dProgress progress;

    position = feed (t, position, &progress);
  }
  cnn3d_trainer_free (&t);
  t = start (&p);
  g_assert_true (cnn3d_trainer_resume (t, &position, &ended, NULL));
  g_assert_true (ended.training);
  g_assert_cmpuint (ended.clips, ==, CLIPS);
  g_assert_false (ended.checkpoint_due);
  cnn3d_trainer_get_mark (t, &mark);
  g_assert_cmpuint (mark.position, ==, CLIPS);
  g_assert_cmpuint (mark.step, ==, 4);
  g_assert_cmpuint (mark.epoch, ==, 0);
  g_assert_false (mark.training);
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

/* Resuming ends an epoch, whose weights are the best ones, and continues with other clips: the
 * epoch's end must still be saved. */
static void
test_due_with_other_data (void)
{
  gchar *dir = make_dir ();
  const Cnn3dPass pass = { 0, TRUE, 0, 0, CLIPS, EPOCHS, FALSE };
  g_autofree gchar *path = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainerParams p;
  Cnn3dPassResult ended;
  Cnn3dTrainer *t;
  guint64 position = 0;

  params_init (&p, dir);
  p.checkpoint_interval = 2;
  p.any_data = TRUE;
  p.data = (Cnn3dRunData) { CLIPS, CLIPS, 0, "a", "a", "a", "v" };
  t = start (&p);
  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  while (position < CLIPS) {
    Cnn3dProgress progress;

    position = feed (t, position, &progress);
  }
  cnn3d_trainer_free (&t);
  g_assert_false (exists (dir, "best.safetensors"));
  p.data = (Cnn3dRunData) { CLIPS + 1, CLIPS + 1, 0, "b", "b", "b", "v" };
  t = start (&p);
  g_assert_true (cnn3d_trainer_resume (t, &position, &ended, &error));
  g_assert_cmpuint (position, ==, CLIPS + 1);
  g_assert_true (ended.checkpoint_due && ended.improved);
  g_assert_true (cnn3d_trainer_save (t, &path, &error));
  g_assert_nonnull (path);
  g_assert_true (exists (dir, "best.safetensors"));
  cnn3d_trainer_free (&t);
  remove_dir (dir);
}

int
main (int argc, char **argv)
{
  int status;

  /* waiting threads do not spin: other tests need the cores */
  g_setenv ("OMP_WAIT_POLICY", "passive", FALSE);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("cnn3d-resume-XXXXXX", NULL);
  g_assert_nonnull (folder);
  g_test_add_func ("/trainer-resume/sgd", test_resume_sgd);
  g_test_add_func ("/trainer-resume/accumulating", test_resume_accumulating);
  g_test_add_func ("/trainer-resume/nothing", test_nothing_to_resume);
  g_test_add_func ("/trainer-resume/skipped", test_skipped);
  g_test_add_func ("/trainer-resume/other-monitor", test_other_monitor);
  g_test_add_func ("/trainer-resume/same-validation", test_same_validation);
  g_test_add_func ("/trainer-resume/bad-checkpoints", test_bad_checkpoints);
  g_test_add_func ("/trainer-resume/other-preparation", test_other_preparation);
  g_test_add_func ("/trainer-resume/weights-alone", test_weights_alone);
  g_test_add_func ("/trainer-resume/other-data", test_other_data);
  g_test_add_func ("/trainer-resume/other-state", test_other_state);
  g_test_add_func ("/trainer-resume/unwritable", test_unwritable);
  g_test_add_func ("/trainer-resume/due", test_due);
  g_test_add_func ("/trainer-resume/due-with-other-data", test_due_with_other_data);
  status = g_test_run ();
  g_rmdir (folder);
  g_free (folder);
  return status;
}
