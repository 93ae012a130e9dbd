/* trainranks.c: a run's place among the ranks that train one model. Rank 0 prints, saves and logs;
 * the others log to a folder each, so that their skipped clips are known.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "elementreport.h"

gboolean
train_run_join (TrainRun *self)
{
  const Cnn3dDistributed distributed = cnn3d_comm_find (self->settings.distributed);
  GError *error = NULL;
  gchar *dir;

  if (distributed == CNN3D_DISTRIBUTED_NONE)
    return TRUE;
  self->comm = cnn3d_comm_join (distributed, self->settings.distributed_timeout, &error);
  if (!self->comm)
    goto failed;
  if (cnn3d_comm_size (self->comm) == 1)
    cnn3d_comm_leave (&self->comm, FALSE);
  if (!train_run_follows (self) || !self->settings.log_dir)
    return TRUE;
  dir = g_strdup_printf (
      "%s" G_DIR_SEPARATOR_S "rank-%u", self->settings.log_dir, cnn3d_comm_rank (self->comm));
  g_free (self->settings.log_dir);
  self->settings.log_dir = dir;

  return TRUE;

  /* ERRORS */
failed:
  element_report_error (self->element, error,
      "The other processes cannot be joined (distributed=none trains without them)");
  g_error_free (error);
  return FALSE;
}

gboolean
train_run_follows (const TrainRun *self)
{
  return self->comm && cnn3d_comm_rank (self->comm) > 0;
}

void
train_run_place (const TrainRun *self, guint *rank, guint *ranks)
{
  *rank = self->comm ? cnn3d_comm_rank (self->comm) : 0;
  *ranks = self->comm ? cnn3d_comm_size (self->comm) : 1;
}

gboolean
train_run_share_skips (TrainRun *self)
{
  TrainSkipsCount *count = &self->skips.pass;
  GError *error = NULL;

  if (!self->comm)
    return TRUE;
  count->clips = self->pass.clips;
  if (cnn3d_trainer_add_up (self->trainer, &count->skipped, &error))
    return TRUE;

  /* ERRORS */
  train_run_fail (self, error, NULL);
  return FALSE;
}

void
train_run_leave (TrainRun *self)
{
  /* all have ended, or know that they will */
  if (self->comm && self->trainer && self->flow == GST_FLOW_OK && !self->end.finished
      && !self->end.stopped && !self->end.left)
    self->end.left = cnn3d_trainer_leave (self->trainer, NULL);
}

void
train_run_part (TrainRun *self)
{
  cnn3d_comm_leave (&self->comm, !(self->end.finished || self->end.stopped || self->end.left));
}
