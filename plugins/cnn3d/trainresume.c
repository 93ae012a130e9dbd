/* trainresume.c: brings a resumed run to its checkpoint's position.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include <string.h>

#include "elementreport.h"
#include "trainreport.h"
#include "src/escape.h"

GST_DEBUG_CATEGORY_EXTERN (cnn3d_train_debug);
#define GST_CAT_DEFAULT cnn3d_train_debug

/* Named in one warning, at most */
#define MOST_NAMED 8

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(gchar *const *) a, *(gchar *const *) b);
}

/* Names of the models in checkpoint-dir; free with g_ptr_array_unref(). */
static GPtrArray *
find_models (TrainRun *self)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  GDir *dir = g_dir_open (self->settings.checkpoint_dir, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir)))
    if (!strcmp (name, "last.safetensors") || !strcmp (name, "best.safetensors")
        || ((g_str_has_prefix (name, "epoch-") || g_str_has_prefix (name, "best-before"))
            && g_str_has_suffix (name, ".safetensors")))
      g_ptr_array_add (names, g_strdup (name));
  if (dir)
    g_dir_close (dir);
  g_ptr_array_sort (names, by_name);

  return names;
}

/* A run that starts over in the folder of another. */
static void
report_others (TrainRun *self)
{
  GPtrArray *names = find_models (self);
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < MIN (names->len, MOST_NAMED); i++)
    g_string_append_printf (
        text, "%s%s", i ? ", " : "", (const gchar *) g_ptr_array_index (names, i));
  if (names->len > i)
    g_string_append_printf (text, " and %u more", names->len - i);
  if (names->len > 0) {
    g_string_prepend (text, " has models of another run: ");
    g_string_prepend (text, self->settings.checkpoint_dir);
    g_string_append (text,
        ". This run starts over, and replaces those that it writes itself; the others stay beside "
        "its own. Set another checkpoint-dir to keep the runs apart.");
    element_report_warning (
        self->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, text->str);
    train_log_warning (self->log, text->str);
  }
  g_string_free (text, TRUE);
  g_ptr_array_unref (names);
}

void
train_run_report_data (TrainRun *self)
{
  const gchar *note = cnn3d_trainer_data_note (self->trainer);
  gchar *text;

  if (self->resume.state == RESUME_DONE && self->settings.checkpoint_dir
      && !train_run_follows (self))
    report_others (self);
  if (!note)
    return;
  text = g_strconcat (note, ".", NULL);
  element_report_warning (self->element, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, text);
  train_log_warning (self->log, note);
  g_free (text);
}

gboolean
train_run_resume (TrainRun *self, Cnn3dPassResult *ended)
{
  GError *error = NULL;
  gchar *shown;

  memset (ended, 0, sizeof *ended);
  if (!self->settings.checkpoint_dir || self->settings.resume == CNN3D_RESUME_NEVER)
    return TRUE;
  if (cnn3d_trainer_resume (self->trainer, &self->resume.position, ended, &error)) {
    self->resume.state = RESUME_WANTED;
    train_report_resumed (self->element, self->resume.position);
    return TRUE;
  }
  if (error)
    goto failed;
  if (self->settings.resume == CNN3D_RESUME_MUST)
    goto none;

  return TRUE;

  /* ERRORS */
failed:
  train_run_fail (
      self, error, "Training cannot resume from the last checkpoint (resume=never starts over)");
  return FALSE;
none:
  shown = cnn3d_escape (self->settings.checkpoint_dir, FALSE);

  GST_ELEMENT_ERROR (self->element, RESOURCE, NOT_FOUND,
      ("There is no checkpoint in %s to resume from: set checkpoint-dir to where one is, or "
       "resume=auto to start over.",
          shown),
      (NULL));
  g_free (shown);
  return FALSE;
}

/* Asks upstream to continue at the checkpoint's position; what arrives before
 * that is dropped. */
static void
seek (TrainRun *self)
{
  GstEvent *event = gst_event_new_seek (1.0, GST_FORMAT_DEFAULT, GST_SEEK_FLAG_NONE,
      GST_SEEK_TYPE_SET, self->resume.position, GST_SEEK_TYPE_NONE, -1);

  GST_INFO_OBJECT (self->element, "seeking to clip %" G_GUINT64_FORMAT, self->resume.position);
  self->resume.seqnum = gst_event_get_seqnum (event);
  self->resume.replaced = FALSE;
  /* before the push, during which the segment may arrive */
  self->resume.state = RESUME_SEEKING;
  if (!gst_pad_push_event (GST_BASE_SINK_PAD (self->element), event))
    self->resume.state = RESUME_PASSING;
}

static void
report_passing (TrainRun *self)
{
  element_report_info (self->element,
      "The first %" G_GUINT64_FORMAT
      " clips are dropped, because the checkpoint was trained on them and upstream cannot seek "
      "past them (resume=never starts over).",
      self->resume.position);
}

/* Whether the checkpoint has trained all epochs that are requested now, or patience has run out. */
static gboolean
is_complete (TrainRun *self)
{
  Cnn3dSavedAt at;

  cnn3d_trainer_get_saved_at (self->trainer, &at);

  return (self->stream.announced && self->pass.epochs > 0 && at.epoch >= self->pass.epochs)
      || train_run_is_impatient (self, &at);
}

static void
report_position (TrainRun *self)
{
  Cnn3dSavedAt at;

  if (!self->progress)
    return;
  cnn3d_trainer_get_saved_at (self->trainer, &at);
  if (at.clips > 0)
    progress_note (self->progress,
        "resuming in epoch %u at clip %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT, at.epoch + 1,
        at.clip, at.clips);
  else
    progress_note (self->progress, "resuming with epoch %u%s", at.epoch + 1,
        at.training ? "" : ", its validation");
}

gboolean
train_run_continue (TrainRun *self)
{
  const GstClipEpoch *e = &self->pass;

  if (self->resume.state == RESUME_DONE)
    return TRUE;
  if (self->resume.state == RESUME_WANTED) {
    if (is_complete (self)) {
      train_run_end_complete (self);
      return FALSE;
    }
    report_position (self);
  }
  /* the source may start later in the pass if the next clips cannot be read */
  if (self->resume.position >= e->first_clip && self->resume.position <= e->position) {
    self->resume.state = RESUME_DONE;
    return TRUE;
  }
  if (self->resume.state == RESUME_SOUGHT || self->resume.position < e->first_clip)
    goto elsewhere;
  if (self->resume.state == RESUME_WANTED) {
    /* a source that announces no passes is not asked to seek */
    if (self->stream.announced) {
      seek (self);
      if (self->resume.state != RESUME_PASSING)
        return FALSE;
    }
    self->resume.state = RESUME_PASSING;
    report_passing (self);
  }
  if (self->stream.announced)
    self->at.over = e->clips > 0 && self->resume.position - e->first_clip >= e->clips;
  else
    self->at.over = self->resume.position - e->position >= self->stream.layout.clips;

  return !self->at.over;

  /* ERRORS */
elsewhere:
  train_run_fail (self,
      g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
          "Training was to resume at clip %" G_GUINT64_FORMAT
          ", but upstream is at clip %" G_GUINT64_FORMAT
          ": use the same clips and seed as before, or set resume=never to start over.",
          self->resume.position, e->position),
      NULL);
  return FALSE;
}

/* Leaves the current place of training, to which the stream has to return. */
static void
leave_place (TrainRun *self)
{
  self->resume.position = self->at.position;
  self->resume.replays = TRUE;
  self->resume.state = RESUME_PASSING;
}

gboolean
train_run_follow (TrainRun *self, const GstClipEpoch *e)
{
  const guint64 at = self->at.position;
  const gboolean sought = self->resume.sought;
  gboolean skips, within;

  self->resume.sought = FALSE;
  if (self->resume.state == RESUME_DONE) {
    if (!self->at.counted)
      return TRUE;
    /* the first clips of a pass may be unreadable, or another rank's; after a seek they are not */
    within = sought || (self->at.begun && e->first_clip == self->at.first);
    skips = (within ? e->position : e->first_clip) > at;
    if (!skips && !self->at.begun && e->first_clip == at)
      return TRUE;
    leave_place (self);
    if (!skips) {
      if (e->position < at)
        element_report_info (self->element,
            "Upstream went back from clip %" G_GUINT64_FORMAT " to clip %" G_GUINT64_FORMAT
            ": clips that were trained on are dropped.",
            at, e->position);
      return TRUE;
    }
    element_report_info (self->element,
        "Upstream skipped from clip %" G_GUINT64_FORMAT " to clip %" G_GUINT64_FORMAT
        ": it is asked to go back, so that no clip is missing.",
        at, e->position);
  } else {
    if (!self->resume.replaced)
      return TRUE;
    if (e->position <= self->resume.position) {
      /* whoever sought, this is the place or leads to it */
      self->resume.state = RESUME_PASSING;
      return TRUE;
    }
  }
  seek (self);
  if (self->resume.state == RESUME_PASSING)
    goto missing;

  return FALSE;

  /* ERRORS */
missing:
  if (train_run_shares_stream (self))
    goto shared;
  train_run_fail (self,
      g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
          "Upstream skipped from clip %" G_GUINT64_FORMAT " to clip %" G_GUINT64_FORMAT
          ", and cannot go back: the clips between them would be missing. Do not seek during "
          "training.",
          self->resume.position, e->position),
      NULL);
  return FALSE;
shared:
  train_run_fail (self,
      g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
          "Upstream, which others use, too, went to clip %" G_GUINT64_FORMAT
          " and cannot go back to clip %" G_GUINT64_FORMAT
          ", where training is: the clips between them would be missing. Resume the runs behind a "
          "tee one after the other, or let the queues behind it hold less.",
          e->position, self->resume.position),
      NULL);
  return FALSE;
}
