/* trainbatch.c: the batches of a run, from a buffer to the trainer.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include <math.h>

#include "memoryuse.h"
#include "tensorbatch.h"
#include "trainreport.h"

/* Over how many seconds clips per second are averaged. */
#define RATE_SECONDS 10.0
/* Of the budget: more is worth a warning. */
#define WARN_SHARE 0.9

/* The parts of a batch that come after its frames and labels were found. */
typedef struct
{
  const guint8 *frames;
  const gint32 *labels;
  guint clips;
  guint64 end;                  /* position to go on at */
} Batch;

void
train_run_measure (TrainRun * self, const Cnn3dProgress * p)
{
  gint64 now = g_get_monotonic_time ();
  gdouble seconds = (now - self->measured) / (gdouble) G_USEC_PER_SEC;
  gdouble rate, old;
  const guint64 budget = cnn3d_trainer_budget (self->trainer);
  guint64 resident, peak;
  ProgressStep step;

  self->told = TRUE;
  self->measured = now;
  memory_use (&resident, &peak);
  resident -= MIN (resident, self->resident_before);
  peak -= MIN (peak, self->resident_before);
  if (self->device_memory)
    resident = peak = self->device_memory;
  self->line.memory = MAX (self->line.memory, resident);

  GST_OBJECT_LOCK (self->element);
  old = self->figures->clips_per_second;
  rate = self->told_clips / MAX (seconds, 1e-6);
  if (self->pass.training) {
    /* the first batch has nothing to be averaged with */
    rate = old > 0 ? old + (rate - old) * (1 - exp (-seconds / RATE_SECONDS))
        : rate;
    self->figures->clips_per_second = rate;
    self->figures->step = p->step;
    self->figures->loss = p->pass_loss;
    self->figures->accuracy = p->pass_accuracy;
    train_run_take_scale (self, p);
  }
  self->figures->peak = peak;
  self->figures->position = self->position;
  GST_OBJECT_UNLOCK (self->element);

  if (self->pass.training) {
    self->lr = p->lr;
    if (p->stepped || p->skipped)
      train_report_step (self->element, self->log, p, rate, resident, budget);
  }
  if (resident > budget * WARN_SHARE && !self->memory_warned) {
    self->memory_warned = TRUE;
    train_report_memory (self->element, self->log, resident, budget);
  }
  if (self->progress) {
    step = (ProgressStep) {
    self->pass.epoch, self->pass.epochs, self->pass.training, p->step,
          p->clips, self->pass.clips, p->pass_loss, p->pass_accuracy, p->lr,
          rate, resident, self->line.loss_scale, p->steps_skipped, NULL,
          self->skips.pass.skipped};
    progress_step (self->progress, &step);
  }
}

static void
report_saved (TrainRun * self, Cnn3dProgress * progress)
{
  if (progress->saved)
    train_report_checkpoint (self->element, self->log, progress->saved, FALSE);
  g_clear_pointer (&progress->saved, g_free);
}

gboolean
train_run_collect (TrainRun * self)
{
  Cnn3dProgress progress;
  GError *error = NULL;

  self->told_clips = self->under_way;
  self->told = FALSE;
  self->under_way = 0;
  if (self->told_clips == 0 || self->flow != GST_FLOW_OK)
    return TRUE;
  if (!cnn3d_trainer_flush (self->trainer, &progress, &error)) {
    train_run_fail (self, error, NULL);
    return FALSE;
  }
  if (progress.ready && !self->told)
    train_run_measure (self, &progress);
  report_saved (self, &progress);

  return TRUE;
}

/* Runs a batch, in pieces where it is larger than the trainer: a validation
 * pass may have larger ones than the training passes. */
static void
run_batch (TrainRun * self, const Batch * from)
{
  guint done = 0;

  while (done < from->clips) {
    Cnn3dBatch batch = { from->frames + done * self->layout.clip_size,
      self->layout.type, from->labels + done,
      MIN (from->clips - done, self->max_clips), 0
    };
    Cnn3dProgress progress;
    GError *error = NULL;

    done += batch.n;
    batch.position = from->end - (from->clips - done);
    /* a GPU tells of the batch before, and is at this one */
    self->told_clips = self->under_way ? self->under_way : batch.n;
    self->told = FALSE;
    self->position = batch.position;
    if (!cnn3d_trainer_run (self->trainer, &batch, &progress, &error)) {
      train_run_fail (self, error, NULL);
      return;
    }
    self->pass_clips += batch.n;
    if (progress.ready && !self->told)
      train_run_measure (self, &progress);
    if (self->device_memory)
      self->under_way = batch.n;
    report_saved (self, &progress);
  }
}

/* A mapped batch: labels are read, what was trained on before is passed over,
 * and the rest is run. */
static void
take (TrainRun * self, GstBuffer * buffer, const TensorBatch * mapped)
{
  Batch batch = { mapped->frames.data, self->labels, self->layout.clips, 0 };
  guint8 *aligned = NULL;
  GError *error = NULL;
  guint64 begin, skip;
  gchar *name;
  guint clip;

  batch.end = GST_BUFFER_OFFSET_END (buffer);
  if (!GST_BUFFER_OFFSET_END_IS_VALID (buffer) || !self->announced)
    batch.end = self->position + batch.clips;
  begin = batch.end - MIN (batch.end, batch.clips);
  if (batch.clips > self->max_clips)
    self->labels = g_renew (gint32, self->labels, batch.clips);
  batch.labels = self->labels;
  if (!tensor_layout_read_labels (&self->layout, mapped->labels.data,
          self->num_classes, self->labels, &clip, &error))
    goto bad_label;

  if (self->resume == RESUME_PASSING) {
    skip = self->resume_position - MIN (self->resume_position, begin);
    if (skip >= batch.clips) {
      self->position = batch.end;
      return;
    }
    batch.frames += skip * self->layout.clip_size;
    batch.labels += skip;
    batch.clips -= skip;
    self->resume = RESUME_DONE;
    self->measured = g_get_monotonic_time ();
  }
  /* part of a larger memory may begin anywhere; numbers may not */
  if ((guintptr) batch.frames % self->layout.item_size)
    batch.frames = aligned =
        g_memdup2 (batch.frames, batch.clips * self->layout.clip_size);
  run_batch (self, &batch);
  g_free (aligned);

  return;

  /* ERRORS */
bad_label:
  {
    name = tensor_batch_clip_name (buffer, clip, begin);
    train_run_fail (self, g_error_new (GST_STREAM_ERROR,
            GST_STREAM_ERROR_FORMAT, "%s cannot be trained on: %s. Correct the "
            "label, or set num-classes.", name, error->message), NULL);
    g_free (name);
    g_error_free (error);
    return;
  }
}

GstFlowReturn
train_run_batch (TrainRun * self, GstBuffer * buffer)
{
  TensorBatch batch;
  GError *error = NULL;

  if (self->flow != GST_FLOW_OK || self->resume == RESUME_SEEKING)
    return self->flow;
  if (!self->have_layout)
    return GST_FLOW_NOT_NEGOTIATED;
  if (!self->pass_open) {
    /* a stream that announces nothing is one training pass */
    if (!self->announced)
      self->pass = (GstClipEpoch) {
      .training = TRUE,.position = self->position};
    else if (!self->pass_pending && !self->pass_over)
      goto between_passes;
    if (!self->announced || self->pass_pending)
      train_run_begin_pass (self);
    if (!self->pass_open) {
      if (self->pass_over)
        self->position += self->layout.clips;
      return self->stopped ? GST_FLOW_EOS : self->flow;
    }
  }
  if (self->pass.training && self->layout.clips > self->max_clips)
    goto too_many;

  if (!tensor_batch_map (&batch, buffer, &self->layout, &error))
    goto bad_batch;
  take (self, buffer, &batch);
  tensor_batch_unmap (&batch);

  return self->flow;

  /* ERRORS */
bad_batch:
  {
    train_run_fail (self, error, NULL);
    return GST_FLOW_ERROR;
  }
between_passes:
  {
    train_run_fail (self, g_error_new (GST_STREAM_ERROR,
            GST_STREAM_ERROR_FAILED, "A batch came between two passes: "
            "upstream has to send clip-epoch before it."), NULL);
    return GST_FLOW_ERROR;
  }
too_many:
  {
    train_run_fail (self, g_error_new (GST_STREAM_ERROR,
            GST_STREAM_ERROR_FORMAT, "A batch of %u clips came after the "
            "network was set up for %u: send the largest batch first; only the "
            "last may be smaller.", self->layout.clips, self->max_clips), NULL);
    return GST_FLOW_ERROR;
  }
}
