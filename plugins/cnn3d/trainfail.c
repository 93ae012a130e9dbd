/* trainfail.c: errors of a run.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "elementreport.h"

GST_DEBUG_CATEGORY (cnn3d_train_debug);

void
train_run_fail (TrainRun *self, GError *error, const gchar *about)
{
  if (g_error_matches (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_LEFT)) {
    /* not this rank's fault: it ends as if it had been stopped */
    element_report_warning (
        self->element, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, error->message);
    self->end.stopped = TRUE;
    self->flow = GST_FLOW_EOS;
    g_error_free (error);
    return;
  }
  element_report_error (self->element, error, about);
  /* who failed by itself tells the others, who wait for it */
  if (self->comm && self->trainer
      && !g_error_matches (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_RANKS)
      && error->domain != CNN3D_COMM_ERROR)
    cnn3d_trainer_leave (self->trainer, error->message);
  train_log_error (self->log, error, about);
  if (g_error_matches (error, CNN3D_SESSION_ERROR, CNN3D_SESSION_ERROR_DIVERGED))
    self->end.diverged = TRUE;
  self->flow = GST_FLOW_ERROR;
  g_error_free (error);
}

void
train_run_fail_untrained (TrainRun *self)
{
  const GstClipEpoch *e = &self->pass;
  GError *error = NULL;

  /* without training passes it would be first_clip == epoch * clips */
  if (!e->training && e->first_clip > e->epoch * e->clips)
    g_set_error (&error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "No training step: the stream begins behind the training clips of epoch %u, with its "
        "validation. Do not seek there before training has begun.",
        e->epoch + 1);
  else
    error = g_error_new_literal (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
        "No training step: no training clips arrived. With clipsrc, passes=all has them.");
  train_run_fail (self, error, NULL);
}
