/* smallrun.h: a tiny training run for the trainer's tests: clips, folder, and batches one by one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CNN3D_SMALLRUN_H
#define CNN3D_SMALLRUN_H

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "src/random.h"
#include "src/model/safetensors.h"
#include "src/train/trainer.h"

/* EPOCHS passes over CLIPS clips in batches of BATCH, the last one short, each followed by a
 * validation pass over VAL clips. */

#define CLIPS 11
#define BATCH 3
#define VAL 4
#define EPOCHS 2
#define CLASSES 4
#define CLIP_BYTES (2 * 16 * 16 * 3)
#define EPOCH_POSITIONS (CLIPS + VAL)

static gchar *folder; /* of the test program; each run has a subfolder */

static inline gchar *
make_dir (void)
{
  g_autofree gchar *template = g_build_filename (folder, "run-XXXXXX", NULL);
  gchar *dir = g_strdup (g_mkdtemp (template));

  g_assert_nonnull (dir);
  return dir;
}

static inline gchar *
path_in (const gchar *dir, const gchar *name)
{
  return g_build_filename (dir, name, NULL);
}

static inline gboolean
exists (const gchar *dir, const gchar *name)
{
  g_autofree gchar *path = path_in (dir, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* Removes a folder with its files. */
static inline void
remove_dir (gchar *dir)
{
  GDir *d = g_dir_open (dir, 0, NULL);
  const gchar *name;

  while (d && (name = g_dir_read_name (d))) {
    g_autofree gchar *path = path_in (dir, name);

    g_unlink (path);
  }
  if (d)
    g_dir_close (d);
  g_rmdir (dir);
  g_free (dir);
}

static inline gint
by_text (gconstpointer a, gconstpointer b)
{
  return strcmp (*(gchar *const *) a, *(gchar *const *) b);
}

/* "a b c": the sorted names in a folder; states without their numbers. */
static inline gchar *
list_dir (const gchar *dir)
{
  GDir *d = g_dir_open (dir, 0, NULL);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  const gchar *name;
  gchar *text;

  while (d && (name = g_dir_read_name (d)))
    g_ptr_array_add (names, g_strdup (g_str_has_suffix (name, ".state") ? "state" : name));
  if (d)
    g_dir_close (d);
  g_ptr_array_sort (names, by_text);
  g_ptr_array_add (names, NULL);
  text = g_strjoinv (" ", (gchar **) names->pdata);
  g_ptr_array_free (names, TRUE);
  return text;
}

/* All files of one run's folder are in the other's, to the byte. */
static inline void
assert_same_runs (const gchar *a, const gchar *b)
{
  GDir *d = g_dir_open (a, 0, NULL);
  const gchar *name;
  guint n = 0;

  while ((name = g_dir_read_name (d))) {
    g_autofree gchar *pa = path_in (a, name), *pb = path_in (b, name), *da = NULL, *db = NULL;
    gsize na, nb;

    g_assert_true (g_file_get_contents (pa, &da, &na, NULL));
    if (!g_file_get_contents (pb, &db, &nb, NULL))
      g_error ("there is no %s", pb);
    if (na != nb || memcmp (da, db, na))
      g_error ("%s and %s differ", pa, pb);
    n++;
  }
  g_dir_close (d);
  g_assert_cmpuint (n, >=, 3); /* last, its state, best */
}

static inline void
params_init (Cnn3dTrainerParams *p, const gchar *dir)
{
  cnn3d_trainer_params_init (p);
  p->network = (Cnn3dNetworkParams) { "r3d_18", CLASSES, 4, 3, 2, 16, 16, 0 };
  p->device = "cpu";
  p->threads = 1;
  p->lr.lr = 0.01;
  p->seed = 9;
  p->checkpoint_dir = dir;
}

static inline Cnn3dTrainer *
start (const Cnn3dTrainerParams *p)
{
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t = cnn3d_trainer_new (p, BATCH, &error);

  g_assert_no_error (error);
  return t;
}

static inline void
assert_says (GError *error, GQuark domain, const gchar *words)
{
  g_auto (GStrv) all = g_strsplit (words, "|", -1);

  g_assert_nonnull (error);
  g_assert_cmpstr (g_quark_to_string (error->domain), ==, g_quark_to_string (domain));
  for (guint i = 0; all[i]; i++)
    if (!strstr (error->message, all[i]))
      g_error ("'%s' does not say '%s'", error->message, all[i]);
}

/* A clip whose contents show its class, determined by its position in the order. */
static inline void
draw_clip (guint64 position, guint8 *frames, gint32 *label)
{
  const Cnn3dRandomKey key = { 4, 0, CNN3D_RANDOM_DEMO, position };

  *label = cnn3d_random_below (&key, 0, CLASSES);
  for (guint i = 0; i < CLIP_BYTES; i++)
    frames[i] = cnn3d_random_below (&key, 1 + i, 128) + 32 * *label * (i % 3 == 0);
}

static inline void
begin (Cnn3dTrainer *t, guint64 position)
{
  const guint64 in_epoch = position % EPOCH_POSITIONS;
  const gboolean training = in_epoch < CLIPS;
  const Cnn3dPass pass = { position / EPOCH_POSITIONS, training,
    position - in_epoch + (training ? 0 : CLIPS), position, training ? CLIPS : VAL, EPOCHS, TRUE };
  g_autoptr (GError) error = NULL;

  g_assert_true (cnn3d_trainer_begin_pass (t, &pass, &error));
  g_assert_no_error (error);
}

/* Runs the batch at `position` without saving; returns the next position. */
static inline guint64
run_next (Cnn3dTrainer *t, guint64 position, Cnn3dProgress *progress)
{
  const guint64 in_epoch = position % EPOCH_POSITIONS,
                end = position - in_epoch + (in_epoch < CLIPS ? CLIPS : EPOCH_POSITIONS);
  guint8 frames[BATCH * CLIP_BYTES];
  gint32 labels[BATCH];
  const guint n = MIN (BATCH, end - position);
  const Cnn3dBatch batch = { frames, CNN3D_TYPE_UINT8, labels, n, position + n };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++)
    draw_clip (position + i, frames + i * CLIP_BYTES, labels + i);
  cnn3d_trainer_run (t, &batch, progress, &error);
  g_assert_no_error (error);
  return position + n;
}

/* The same, and saves if a checkpoint is due. */
static inline guint64
feed (Cnn3dTrainer *t, guint64 position, Cnn3dProgress *progress)
{
  g_autoptr (GError) error = NULL;

  position = run_next (t, position, progress);
  if (progress->checkpoint_due)
    cnn3d_trainer_save (t, NULL, &error);
  g_assert_no_error (error);
  return position;
}

static inline gboolean
at_pass_end (guint64 position)
{
  return position % EPOCH_POSITIONS == CLIPS || position % EPOCH_POSITIONS == 0;
}

/* Continues from `position` for `batches` batches, or to the end. */
static inline void
drive (Cnn3dTrainer *t, guint64 position, guint batches)
{
  g_autoptr (GError) error = NULL;
  Cnn3dProgress progress;
  Cnn3dPassResult result;

  if (position < EPOCHS * EPOCH_POSITIONS)
    begin (t, position);
  while (batches-- && position < EPOCHS * EPOCH_POSITIONS) {
    position = feed (t, position, &progress);
    if (!at_pass_end (position))
      continue;
    g_assert_true (cnn3d_trainer_end_pass (t, position, &result, &error));
    g_assert_no_error (error);
    if (result.checkpoint_due)
      cnn3d_trainer_save (t, NULL, &error);
    g_assert_no_error (error);
    if (position < EPOCHS * EPOCH_POSITIONS)
      begin (t, position);
  }
}

#endif
