/* trainbatch.c: passes a run's batches from buffers to the trainer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "tensorbatch.h"
#include "trainreport.h"

/* The part of a batch that is trained on. */
typedef struct {
  const guint8 *frames;
  const gfloat *points;  /* NULL: no key points */
  const guint8 *present; /* NULL: no views */
  const gint32 *labels;
  guint clips;
  guint64 end; /* position after the batch */
} Batch;

gboolean
train_run_save (TrainRun *self, gboolean best)
{
  GError *error = NULL;
  gchar *path = NULL;

  if (!cnn3d_trainer_save (self->trainer, &path, &error))
    goto failed;
  if (path)
    train_report_checkpoint (self->element, self->log, path, best);
  g_free (path);

  return TRUE;

  /* ERRORS */
failed:
  /* the end of a run tries once more */
  if (self->end.unsaved) {
    g_error_free (error);
    return FALSE;
  }
  self->end.unsaved = TRUE;
  /* on the way to NULL the bus is no longer read */
  if (self->progress)
    progress_note (self->progress, "The checkpoint could not be saved: %s", error->message);
  train_run_fail (self, error, "The checkpoint could not be saved");
  return FALSE;
}

gboolean
train_run_take_progress (TrainRun *self, const Cnn3dProgress *progress, guint clips)
{
  if (!progress->ready)
    return TRUE;
  self->meter.under_way = 0;
  /* of all ranks */
  if (self->comm) {
    clips = progress->clips - MIN (progress->clips, self->meter.seen);
    self->meter.seen = progress->clips;
    self->meter.pass_clips += clips;
  }
  train_run_measure (self, progress, clips);

  return !progress->checkpoint_due || train_run_save (self, FALSE);
}

gboolean
train_run_collect (TrainRun *self)
{
  Cnn3dProgress progress;
  GError *error = NULL;

  /* after an error, too: a checkpoint that is saved then contains the batch */
  if (self->meter.under_way == 0)
    return TRUE;
  if (cnn3d_trainer_wait (self->trainer, &progress, &error))
    return train_run_take_progress (self, &progress, self->meter.under_way);

  /* ERRORS */
  self->meter.under_way = 0;
  train_run_fail (self, error, NULL);

  return FALSE;
}

gboolean
train_run_idle (TrainRun *self, const Cnn3dBatch *next)
{
  Cnn3dProgress progress;
  GError *error = NULL;

  do
    if (!cnn3d_trainer_close_group (self->trainer, next, &progress, &error))
      goto failed;
  while (train_run_take_progress (self, &progress, 0) && progress.ready);

  return self->flow == GST_FLOW_OK;

  /* ERRORS */
failed:
  train_run_fail (self, error, NULL);
  return FALSE;
}

/* Runs a batch, in parts if it is larger than the trainer's: a validation pass
 * may have larger batches than the training passes. */
static void
run_batch (TrainRun *self, const Batch *from)
{
  const TensorLayout *layout = &self->stream.layout;
  guint done = 0;

  while (done < from->clips) {
    Cnn3dBatch batch = { .frames = from->frames + done * layout->clip_size,
      .type = layout->type,
      .labels = from->labels + done,
      .n = MIN (from->clips - done, self->max_clips),
      .points = from->points ? from->points + done * tensor_layout_clip_points (layout) : NULL,
      .present = from->present ? from->present + done * layout->views : NULL };
    Cnn3dProgress progress;
    GError *error = NULL;

    done += batch.n;
    batch.position = from->end - (from->clips - done);
    if (!cnn3d_trainer_stage (self->trainer, &batch, &error))
      goto failed;
    if (!train_run_collect (self) || !train_run_idle (self, &batch))
      return;
    self->at.position = batch.position;
    if (!cnn3d_trainer_start (self->trainer, &progress, &error))
      goto failed;
    if (!self->comm)
      self->meter.pass_clips += batch.n;
    self->meter.under_way = batch.n;
    if (!train_run_take_progress (self, &progress, batch.n))
      return;
    continue;

    /* ERRORS */
  failed:
    train_run_fail (self, error, NULL);
    return;
  }
}

/* Runs a mapped batch: reads its labels, skips clips that were trained on
 * before a resume, and runs the rest. */
static void
take (TrainRun *self, GstBuffer *buffer, const TensorBatch *mapped)
{
  Batch batch = { mapped->frames, mapped->points, mapped->present, self->labels,
    self->stream.layout.clips, 0 };
  guint8 *aligned = NULL;
  GError *error = NULL;
  guint64 begin, skip;
  gchar *name;
  guint clip;

  batch.end = GST_BUFFER_OFFSET_END (buffer);
  if (!GST_BUFFER_OFFSET_END_IS_VALID (buffer) || !self->stream.announced)
    batch.end = self->at.position + batch.clips;
  begin = batch.end - MIN (batch.end, batch.clips);
  if (batch.clips > self->max_clips)
    self->labels = g_renew (gint32, self->labels, batch.clips);
  batch.labels = self->labels;
  if (!tensor_layout_read_labels (
          &self->stream.layout, mapped->labels, self->classes.n, self->labels, &clip, &error))
    goto bad_label;

  if (self->resume.state == RESUME_PASSING) {
    skip = self->resume.position - MIN (self->resume.position, begin);
    if (skip >= batch.clips) {
      self->at.position = batch.end;
      return;
    }
    batch.frames += skip * self->stream.layout.clip_size;
    if (batch.points)
      batch.points += skip * tensor_layout_clip_points (&self->stream.layout);
    if (batch.present)
      batch.present += skip * self->stream.layout.views;
    batch.labels += skip;
    batch.clips -= skip;
    self->resume.state = RESUME_DONE;
    self->meter.measured = g_get_monotonic_time ();
  }
  /* a part of a larger memory may be unaligned, numbers may not */
  if ((guintptr) batch.frames % self->stream.layout.item_size)
    batch.frames = aligned = g_memdup2 (batch.frames, batch.clips * self->stream.layout.clip_size);
  run_batch (self, &batch);
  g_free (aligned);

  return;

  /* ERRORS */
bad_label:
  name = tensor_batch_clip_name (buffer, clip, begin);
  train_run_fail (self,
      g_error_new (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "%s cannot be trained on: %s. Correct the label, or set num-classes.", name,
          error->message),
      NULL);
  g_free (name);
  g_error_free (error);
  return;
}

void
train_run_take (TrainRun *self, GstBuffer *buffer)
{
  TensorBatch batch;
  GError *error = NULL;

  if (!tensor_batch_map (&batch, buffer, &self->stream.layout, &error)) {
    train_run_fail (self, error, NULL);
    return;
  }
  take (self, buffer, &batch);
  tensor_batch_unmap (&batch);
}
