/* trainresume.c: how a run gets to where its checkpoint stands.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "elementreport.h"
#include "trainreport.h"
#include "src/escape.h"

GST_DEBUG_CATEGORY_EXTERN (cnn3d_train_debug);
#define GST_CAT_DEFAULT cnn3d_train_debug

void
train_run_tell_data (TrainRun * self)
{
  const gchar *note = cnn3d_trainer_data_note (self->trainer);
  gchar *text;

  if (!note)
    return;
  text = g_strconcat (note, ".", NULL);
  element_report_warning (self->element, GST_RESOURCE_ERROR,
      GST_RESOURCE_ERROR_READ, text);
  train_log_warning (self->log, note);
  g_free (text);
}

gboolean
train_run_resume (TrainRun * self)
{
  GError *error = NULL;

  if (!self->settings.checkpoint_dir
      || self->settings.resume == CNN3D_RESUME_NEVER)
    return TRUE;
  if (cnn3d_trainer_resume (self->trainer, &self->resume_position, &error)) {
    self->resume = RESUME_WANTED;
    train_report_resumed (self->element, self->resume_position);
    return TRUE;
  }
  if (error)
    goto failed;
  if (self->settings.resume == CNN3D_RESUME_MUST)
    goto none;

  return TRUE;

  /* ERRORS */
failed:
  {
    train_run_fail (self, error, "Training cannot resume from the last "
        "checkpoint (resume=never starts anew)");
    return FALSE;
  }
none:
  {
    gchar *shown = cnn3d_escape (self->settings.checkpoint_dir, FALSE);

    GST_ELEMENT_ERROR (self->element, RESOURCE, NOT_FOUND,
        ("There is no checkpoint in %s to resume from: set checkpoint-dir to "
            "where one is, or resume=auto to start anew.", shown), (NULL));
    g_free (shown);
    return FALSE;
  }
}

/* Has upstream go on where the checkpoint stands; until that comes, what is on
 * its way is dropped. */
static void
seek (TrainRun * self)
{
  GstEvent *event = gst_event_new_seek (1.0, GST_FORMAT_DEFAULT,
      GST_SEEK_FLAG_NONE, GST_SEEK_TYPE_SET, self->resume_position,
      GST_SEEK_TYPE_NONE, -1);

  GST_INFO_OBJECT (self->element, "seeking to clip %" G_GUINT64_FORMAT,
      self->resume_position);
  self->seek_seqnum = gst_event_get_seqnum (event);
  /* before it is pushed: the segment may come from within the push */
  self->resume = RESUME_SEEKING;
  if (!gst_pad_push_event (GST_BASE_SINK_PAD (self->element), event))
    self->resume = RESUME_PASSING;
}

static void
report_passing (TrainRun * self)
{
  element_report_info (self->element, "The first %" G_GUINT64_FORMAT " clips "
      "are dropped, because the checkpoint was trained on them and upstream "
      "cannot seek past them (resume=never starts "
      "anew).", self->resume_position);
}

/* All the epochs that are asked for now are behind the checkpoint. */
static gboolean
is_complete (TrainRun * self)
{
  Cnn3dSavedAt at;

  cnn3d_trainer_get_saved_at (self->trainer, &at);

  return self->announced && self->pass.epochs > 0
      && at.epoch >= self->pass.epochs;
}

void
train_run_end_complete (TrainRun * self)
{
  const guint asked = self->announced ? self->pass.epochs : 0;
  gchar *figures = g_strdup ("");
  Cnn3dSavedAt at;

  if (asked > 0) {
    cnn3d_trainer_get_saved_at (self->trainer, &at);
    g_free (figures);
    figures = g_strdup_printf (": %u %s done, %u %s asked for", at.epoch,
        at.epoch == 1 ? "epoch is" : "epochs are", asked,
        asked == 1 ? "was" : "were");
  }
  element_report_info (self->element, "Training is complete already%s. Raise "
      "the number of epochs to continue, or set resume=never to start anew.",
      figures);
  if (self->progress)
    progress_note (self->progress, "training is complete%s", figures);
  g_free (figures);
  train_run_tell_end (self, TRUE);
  train_report_finished (self->element, self->log, self->figures->epoch,
      "complete");
  self->resume = RESUME_DONE;
  self->stopped = TRUE;
}

static void
tell_position (TrainRun * self)
{
  Cnn3dSavedAt at;

  if (!self->progress)
    return;
  cnn3d_trainer_get_saved_at (self->trainer, &at);
  if (at.clips > 0)
    progress_note (self->progress, "resuming in epoch %u at clip %"
        G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT, at.epoch + 1, at.clip,
        at.clips);
  else
    progress_note (self->progress, "resuming with epoch %u%s", at.epoch + 1,
        at.training ? "" : ", its validation");
}

gboolean
train_run_go_on (TrainRun * self)
{
  const GstClipEpoch *e = &self->pass;

  if (self->resume == RESUME_DONE)
    return TRUE;
  if (self->resume == RESUME_WANTED) {
    if (is_complete (self)) {
      train_run_end_complete (self);
      return FALSE;
    }
    tell_position (self);
  }
  /* further on in its pass where the clips that come next cannot be read */
  if (self->resume_position >= e->first_clip
      && self->resume_position <= e->position) {
    self->resume = RESUME_DONE;
    return TRUE;
  }
  if (self->resume == RESUME_SOUGHT
      || self->resume_position < e->first_clip)
    goto elsewhere;
  if (self->resume == RESUME_WANTED) {
    /* a source that announces no passes cannot be trusted with a seek */
    if (self->announced) {
      seek (self);
      if (self->resume != RESUME_PASSING)
        return FALSE;
    }
    self->resume = RESUME_PASSING;
    report_passing (self);
  }
  if (self->announced)
    self->pass_over = e->clips > 0
        && self->resume_position - e->first_clip >= e->clips;
  else
    self->pass_over =
        self->resume_position - e->position >= self->layout.clips;

  return !self->pass_over;

  /* ERRORS */
elsewhere:
  {
    train_run_fail (self, g_error_new (GST_STREAM_ERROR,
            GST_STREAM_ERROR_FAILED, "Training was to resume at clip %"
            G_GUINT64_FORMAT ", but upstream is at clip %" G_GUINT64_FORMAT ": "
            "use the same clips and seed as before, or set resume=never to "
            "start anew.", self->resume_position, e->position), NULL);
    return FALSE;
  }
}
