/* rundata.c: checks that a resumed run has the data that its checkpoint was trained on.
 *
 * The state file beside last.safetensors has clipsrc's digests. Classes, size and sampling are in
 * last.safetensors itself, for users of the weights.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/format.h"
#include "src/train/trainer-private.h"

#include <string.h>

#define ROWS "data-rows"
#define TRAINING "data-training-clips"
#define VALIDATION "data-validation-clips"
#define CLIPS "data-clips"
#define LABELS "data-labels"
#define ORDER "data-order"
#define VALIDATED "data-validation"

void
cnn3d_trainer_write_data (const Cnn3dTrainer *t, Cnn3dSafetensorsWriter *w)
{
  const Cnn3dRunData *d = &t->params.data;

  if (!d->order)
    return;
  cnn3d_safetensors_writer_number (w, ROWS, d->rows);
  cnn3d_safetensors_writer_number (w, TRAINING, d->training_clips);
  cnn3d_safetensors_writer_number (w, VALIDATION, d->validation_clips);
  cnn3d_safetensors_writer_metadata (w, CLIPS, d->clips);
  cnn3d_safetensors_writer_metadata (w, LABELS, d->labels);
  cnn3d_safetensors_writer_metadata (w, ORDER, d->order);
  if (d->validation)
    cnn3d_safetensors_writer_metadata (w, VALIDATED, d->validation);
}

static guint64
number (Cnn3dSafetensors *file, const gchar *key)
{
  const gchar *text = cnn3d_safetensors_metadata (file, key);

  return text ? g_ascii_strtoull (text, NULL, 10) : 0;
}

/* Strings are owned by the file. FALSE: written by an older version, or the data was not known. */
static gboolean
read_data (Cnn3dSafetensors *state, Cnn3dRunData *d)
{
  *d = (Cnn3dRunData) { number (state, ROWS), number (state, TRAINING), number (state, VALIDATION),
    cnn3d_safetensors_metadata (state, CLIPS), cnn3d_safetensors_metadata (state, LABELS),
    cnn3d_safetensors_metadata (state, ORDER), cnn3d_safetensors_metadata (state, VALIDATED) };
  return d->clips && d->labels && d->order;
}

/* --- classes --- */

/* Class names in one error, at most */
#define MOST_NAMED 20
#define ADVICE                                                                        \
  "name them as before, set another checkpoint-dir, or start over with resume=never " \
  "(pretrained= takes these weights)"

/* Older versions named an output without clips by its number. */
static gboolean
is_same_class (const gchar *was, const gchar *is, guint i)
{
  g_autofree gchar *number = g_strdup_printf ("%u", i);

  return !strcmp (was, is) || (!*is && !strcmp (was, number));
}

static gboolean
check_classes (const Cnn3dTrainer *t, const gchar *path, gchar **was, GError **error)
{
  gchar **is = t->classes;
  guint i;

  if (!is || !was)
    return TRUE;
  for (i = 0; was[i] && is[i] && is_same_class (was[i], is[i], i); i++)
    ;
  if (!was[i] && !is[i])
    return TRUE;
  if (MAX (g_strv_length (was), g_strv_length (is)) <= MOST_NAMED) {
    g_autofree gchar *before = g_strjoinv (", ", was), *now = g_strjoinv (", ", is);

    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "the classes of %s are %s, in this order, but the data's are %s: " ADVICE, path, before,
        now);
  } else {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "class %u of %s is %s, but the data's is %s: " ADVICE, i, path, was[i] ? was[i] : "none",
        is[i] ? is[i] : "none");
  }
  return FALSE;
}

/* --- size and sampling --- */

static void
add_number (GString *text, const gchar *name, gdouble was, gdouble is)
{
  if (was != is)
    cnn3d_string_append_printf (
        text, "%s%s was %.10g and is %.10g", text->len ? "; " : "", name, was, is);
}

static void
add_word (GString *text, const gchar *name, const gchar *was, const gchar *is)
{
  if (was && is && strcmp (was, is))
    g_string_append_printf (text, "%s%s was %s and is %s", text->len ? "; " : "", name, was, is);
}

static void
compare_preparation (const Cnn3dTrainer *t, const Cnn3dModelInfo *info, GString *text)
{
  const Cnn3dNetworkParams *n = &t->s.net->params, *m = &info->network;
  const Cnn3dPreparation *is = &t->params.preparation, *was = &info->preparation;

  add_number (text, "num-frames", m->frames, n->frames);
  add_number (text, "height", m->height, n->height);
  add_number (text, "width", m->width, n->width);
  add_number (text, "channels", m->channels, n->channels);
  /* unknown for one of them: not compared */
  if (was->sampling && is->sampling) {
    add_word (text, "sampling", was->sampling, is->sampling);
    add_number (text, "frame-interval", was->frame_interval, is->frame_interval);
    add_number (text, "clipdiff's gain", was->diff_gain, is->diff_gain);
    add_number (text, "the frame rate",
        was->frame_rate_n ? (gdouble) was->frame_rate_n / MAX (was->frame_rate_d, 1) : 0,
        is->frame_rate_n ? (gdouble) is->frame_rate_n / MAX (is->frame_rate_d, 1) : 0);
  }
  if (was->scaling && is->scaling) {
    add_word (text, "scaling", was->scaling, is->scaling);
    add_word (text, "add-borders", was->add_borders ? "true" : "false",
        is->add_borders ? "true" : "false");
  }
  if (was->skeleton && is->skeleton) {
    add_word (text, "the skeleton", was->skeleton, is->skeleton);
    add_word (
        text, "clipkpt's compact", was->compact ? "true" : "false", is->compact ? "true" : "false");
  }
}

/* --- rows --- */

/* Within an epoch, which clips are trained on already depends on their order. */
static gboolean
within_training (const TrainerMark *m)
{
  return m->pass.training && m->position > m->pass.first
      && !(m->pass.clips_listed && m->position >= m->pass.first + m->pass.clips_listed);
}

static gboolean
same_clips (const Cnn3dRunData *was, const Cnn3dRunData *is)
{
  return was->training_clips == is->training_clips && was->validation_clips == is->validation_clips;
}

static void
compare_rows (const TrainerMark *m, const Cnn3dRunData *was, const Cnn3dRunData *is, GString *text)
{
  const gchar *sep = text->len ? "; " : "";

  if (!strcmp (was->order, is->order))
    return;
  if (!strcmp (was->labels, is->labels) && same_clips (was, is)) {
    if (within_training (m))
      g_string_append_printf (text,
          "%sthe clips are in another order than within epoch %u, where the checkpoint is (rows, "
          "seed, shuffle, limit-clips, rank or world-size)",
          sep, m->pass.epoch + 1);
  } else if (!strcmp (was->clips, is->clips) && same_clips (was, is)) {
    g_string_append_printf (text, "%sclips have other labels than before", sep);
  } else if (was->rows != is->rows) {
    g_string_append_printf (text,
        "%sthe data set had %" G_GUINT64_FORMAT " rows and has %" G_GUINT64_FORMAT, sep, was->rows,
        is->rows);
  } else {
    g_string_append_printf (text,
        "%sother clips, or other segments or splits of them, than before (%" G_GUINT64_FORMAT
        " training and %" G_GUINT64_FORMAT " validation clips an epoch, now %" G_GUINT64_FORMAT
        " and %" G_GUINT64_FORMAT ")",
        sep, was->training_clips, was->validation_clips, is->training_clips, is->validation_clips);
  }
}

/* Restarts the pass at `position` from its first clip. */
static gboolean
restart_pass (Cnn3dTrainer *t, guint epoch, gboolean training, guint64 position, GError **error)
{
  t->now.position = position;
  t->now.pass = (TrainerPass) { epoch, training, position, 0, 0, 0, 0 };
  if (!cnn3d_trainer_take_mark (t, error))
    return FALSE;
  t->mark_saved = TRUE; /* it equals the checkpoint */
  return TRUE;
}

void
cnn3d_trainer_add_note (Cnn3dTrainer *t, const gchar *text)
{
  gchar *both =
      g_strdup_printf ("%s%s%s", t->data_note ? t->data_note : "", t->data_note ? "; " : "", text);

  g_free (t->data_note);
  t->data_note = both;
}

/* Clips that could not be read may be readable again, but an epoch that has skipped more than
 * max_skipped can only end in an error: it starts over. */
gboolean
cnn3d_trainer_repeat_skipped (Cnn3dTrainer *t, GError **error)
{
  const TrainerPass *pass = &t->now.pass;
  const guint64 done = t->now.position - MIN (pass->first, t->now.position);
  const guint64 skipped = done - MIN (pass->clips, done);
  g_autofree gchar *text = NULL;

  if (!pass->training || !pass->clips_listed
      || !(skipped > pass->clips_listed * t->params.max_skipped))
    return TRUE;
  text = cnn3d_strdup_printf (
      "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
      " clips of epoch %u were skipped before the checkpoint, more than "
      "max-skipped=%g allows: the epoch starts over, with the weights as they are",
      skipped, pass->clips_listed, pass->epoch + 1, t->params.max_skipped);
  cnn3d_trainer_add_note (t, text);
  return restart_pass (t, pass->epoch, TRUE, pass->first, error);
}

/* An epoch whose order differs starts over. */
gboolean
cnn3d_trainer_move_to_data (Cnn3dTrainer *t, GError **error)
{
  const Cnn3dRunData *is = &t->params.data;
  const TrainerMark *m = &t->now;
  gboolean training = m->pass.training;
  guint epoch = m->pass.epoch;

  if (!t->other_clips && !(t->other_order && within_training (m)))
    return TRUE;
  if (!training && is->validation_clips == 0) {
    training = TRUE;
    epoch++;
  }
  return restart_pass (t, epoch, training,
      epoch * (is->training_clips + is->validation_clips) + (training ? 0 : is->training_clips),
      error);
}

gboolean
cnn3d_trainer_check_data (Cnn3dTrainer *t, const gchar *path, Cnn3dSafetensors *state,
    const TrainerMark *mark, GError **error)
{
  const Cnn3dRunData *is = &t->params.data;
  /* a file without a description has nothing to compare */
  g_autoptr (Cnn3dModelFile) file = cnn3d_model_file_open (path, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  Cnn3dRunData was;
  gboolean known;

  if (file && cnn3d_safetensors_metadata (cnn3d_model_file_tensors (file), "classes")
      && !check_classes (t, path, cnn3d_model_file_info (file)->classes, error))
    return FALSE;
  if (file)
    compare_preparation (t, cnn3d_model_file_info (file), text);
  known = read_data (state, &was) && is->order;
  if (known)
    compare_rows (mark, &was, is, text);
  if (text->len == 0) {
    if (!known && is->order)
      t->data_note = g_strdup ("the checkpoint does not record which data it was trained on: "
                               "whether this is the same cannot be checked");
    return TRUE;
  }
  if (!t->params.any_data) {
    g_set_error (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_CHECKPOINT,
        "%s was trained on other data: %s. Use the same data as before, or set resume-data=any to "
        "continue with this",
        path, text->str);
    return FALSE;
  }
  t->data_note = g_strdup_printf ("the checkpoint was trained on other data: %s", text->str);
  t->other_order = known && strcmp (was.order, is->order);
  t->other_clips = known && !same_clips (&was, is);
  t->other_labels = t->other_clips || (known && strcmp (was.labels, is->labels));
  t->same_validation = known && is->validation_clips > 0 && was.validation
      && !g_strcmp0 (was.validation, is->validation);
  return TRUE;
}
