/* Checkpoints: a run resumes from a state, or rejects it. The input is the header of the state
 * file; the weights are those of a run before its first step.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/train/trainer-private.h"
#include "tests/fuzz/target.h"

#include <string.h>

/* named in the weights; without a digest, which would refuse all inputs but one */
#define STATE "last-1-1.state"

static Cnn3dTrainer *
make_trainer (void)
{
  static const gchar *const classes[] = { "ball", "box", NULL };
  Cnn3dTrainerParams params;
  g_autoptr (GError) error = NULL;
  Cnn3dTrainer *t;

  cnn3d_trainer_params_init (&params);
  params.network = (Cnn3dNetworkParams) { "r3d_18", 2, 1, 1, 1, 8, 8, 0 };
  params.device = "cpu";
  params.threads = 1;
  params.momentum = 0.9;
  params.classes = classes;
  params.checkpoint_dir = fuzz_folder ();
  params.data = (Cnn3dRunData) { 4, 3, 1, "c", "l", "o" };
  params.any_data = TRUE;
  t = cnn3d_trainer_new (&params, 1, &error);
  if (!t)
    fuzz_fail ("no trainer", error->message);
  return t;
}

/* Blanks behind it keep the header's size. */
static void
name_state (void)
{
  g_autofree gchar *path = g_build_filename (fuzz_folder (), "last.safetensors", NULL),
                   *data = NULL;
  gchar *name;
  gsize size;

  if (!g_file_get_contents (path, &data, &size, NULL)
      || !(name = g_strstr_len (data + 8, size - 8, "\"last-1-1-")))
    fuzz_fail ("no state", NULL);
  memset (name, ' ', strcspn (name + 1, "\"") + 2);
  memcpy (name, "\"" STATE "\"", strlen ("\"" STATE "\""));
  if (!g_file_set_contents (path, data, size, NULL))
    fuzz_fail ("no weights", NULL);
}

/* Writes the weights, and a state that the input replaces. */
static void
write_checkpoint (Cnn3dTrainer *t)
{
  const Cnn3dPass pass = { .clips = 1, .epochs = 2, .validates = TRUE };
  g_autoptr (GError) error = NULL;
  g_autofree gchar *path = NULL;
  Cnn3dPassResult result;

  /* nothing is saved before a step */
  t->now.step = 1;
  if (!cnn3d_trainer_begin_pass (t, &pass, &error)
      || !cnn3d_trainer_end_pass (t, 1, &result, &error) || !cnn3d_trainer_save (t, &path, &error)
      || !path)
    fuzz_fail ("no checkpoint", error ? error->message : NULL);
  name_state ();
}

/* Resumes again with the same trainer: a new one for each input would take a hundred times as
 * long. */
static void
reset (Cnn3dTrainer *t)
{
  g_clear_pointer (&t->data_note, g_free);
  g_clear_pointer (&t->best_before, g_free);
  t->resumed = t->other_order = t->other_clips = t->other_labels = t->same_validation = FALSE;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static Cnn3dTrainer *trainer;
  g_autoptr (GError) error = NULL;
  Cnn3dPassResult ended;
  guint64 position;

  if (!trainer)
    write_checkpoint (trainer = make_trainer ());
  fuzz_put_safetensors (STATE, data, size);
  if (!cnn3d_trainer_resume (trainer, &position, &ended, &error))
    fuzz_check_error (FALSE, error);
  else if (position != trainer->now.position)
    fuzz_fail ("another position", NULL);
  reset (trainer);
  return 0;
}
