/* trainmeter.c: the metrics of batches and passes, in properties, messages, the
 * log and the progress line.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include <math.h>

#include "elementreport.h"
#include "memoryuse.h"
#include "trainreport.h"

/* Averaging time of clips per second */
#define RATE_SECONDS 10.0
/* Fraction of the budget above which a warning is posted */
#define WARN_SHARE 0.9

guint64
train_run_clips_of (const TrainRun *self, guint64 videos)
{
  GstClipPreparation from;

  if (self->pass.training || !self->stream.preparation
      || !gst_event_parse_clip_preparation (self->stream.preparation, &from))
    return videos;
  return videos * MAX (from.clips_per_video, 1);
}

void
train_run_measure_from (TrainRun *self, guint64 position)
{
  const GstClipEpoch *e = &self->pass;
  TrainMeter *m = &self->meter;
  Cnn3dRunMark mark;

  if (m->lr == 0) {
    /* a resumed run may begin with a validation */
    cnn3d_trainer_get_mark (self->trainer, &mark);
    m->lr = mark.lr;
  }
  m->pass_began = m->measured = g_get_monotonic_time ();
  m->pass_clips = m->under_way = 0;
  m->seen = cnn3d_trainer_pass_clips (self->trainer);
  if (e->training || e->epoch != m->line.epoch || !m->epoch_began) {
    m->epoch_began = m->pass_began;
    m->line = (ProgressEpoch) { e->epoch, e->epochs, NAN, NAN, NAN, NAN, m->lr, 0, m->device_memory,
      0, 0, 0 };
  }
  GST_OBJECT_LOCK (self->element);
  self->metrics->epoch = e->epoch;
  self->metrics->position = position;
  GST_OBJECT_UNLOCK (self->element);
}

/* Called with the object lock held. */
static void
take_scale (TrainRun *self, const Cnn3dProgress *progress)
{
  self->metrics->loss_scale = progress->loss_scale;
  self->metrics->steps_skipped = progress->steps_skipped;
  self->meter.line.steps_skipped = progress->steps_skipped;
  self->meter.line.loss_scale = cnn3d_trainer_precision (self->trainer) == CNN3D_PRECISION_16_MIXED
      ? progress->loss_scale
      : 0;
}

static void
report_step (TrainRun *self, const Cnn3dProgress *p, gdouble rate, guint64 memory)
{
  Cnn3dDevicePasses passes;
  const gboolean records = cnn3d_trainer_passes (self->trainer, &passes);

  train_report_step (self->element, self->log, p, rate, memory,
      cnn3d_trainer_budget (self->trainer), records ? &passes : NULL);
}

/* Also in a validation pass. */
static void
warn_unrecorded (TrainRun *self)
{
  Cnn3dDevicePasses passes;
  gchar *text;

  cnn3d_trainer_passes (self->trainer, &passes);
  text = element_unrecorded_text (cnn3d_trainer_device (self->trainer), &passes);
  if (text && !self->meter.unrecorded_warned) {
    self->meter.unrecorded_warned = TRUE;
    train_report_unrecorded (self->element, self->log, text);
  }
  g_free (text);
}

void
train_run_measure (TrainRun *self, const Cnn3dProgress *p, guint clips)
{
  gint64 now = g_get_monotonic_time ();
  gdouble seconds = (now - self->meter.measured) / (gdouble) G_USEC_PER_SEC;
  gdouble rate, old;
  const guint64 budget = cnn3d_trainer_budget (self->trainer);
  guint64 resident, peak;
  ProgressStep step;

  self->meter.measured = now;
  memory_use (&resident, &peak);
  resident -= MIN (resident, self->meter.resident_before);
  peak -= MIN (peak, self->meter.resident_before);
  if (self->meter.device_memory)
    resident = peak = self->meter.device_memory;
  self->meter.line.memory = MAX (self->meter.line.memory, resident);

  GST_OBJECT_LOCK (self->element);
  old = self->metrics->clips_per_second;
  rate = clips / MAX (seconds, 1e-6);
  if (self->pass.training) {
    /* the first batch has no earlier rate */
    rate = old > 0 ? old + (rate - old) * (1 - exp (-seconds / RATE_SECONDS)) : rate;
    self->metrics->clips_per_second = rate;
    self->metrics->step = p->step;
    self->metrics->loss = p->pass_loss;
    self->metrics->accuracy = p->pass_accuracy;
    take_scale (self, p);
  }
  self->metrics->peak = peak;
  self->metrics->position = self->at.position;
  GST_OBJECT_UNLOCK (self->element);

  if (self->pass.training) {
    self->meter.lr = p->lr;
    if (p->stepped || p->skipped)
      report_step (self, p, rate, resident);
  }
  warn_unrecorded (self);
  if (resident > budget * WARN_SHARE && !self->meter.memory_warned) {
    self->meter.memory_warned = TRUE;
    train_report_memory (self->element, self->log, resident, budget);
  }
  if (self->progress) {
    step = (ProgressStep) { self->pass.epoch, self->pass.epochs, self->pass.training, p->step,
      p->clips, train_run_clips_of (self, self->pass.clips), p->pass_loss, p->pass_accuracy, p->lr,
      rate, resident, self->meter.line.loss_scale, p->steps_skipped, NULL,
      self->skips.pass.skipped };
    progress_step (self->progress, &step);
  }
}

void
train_run_measure_pass (TrainRun *self, const Cnn3dPassResult *result)
{
  const gdouble seconds =
      (g_get_monotonic_time () - self->meter.pass_began) / (gdouble) G_USEC_PER_SEC;

  GST_OBJECT_LOCK (self->element);
  self->metrics->position = self->at.position;
  if (result->training) {
    self->metrics->loss = self->meter.line.loss = result->loss;
    self->metrics->accuracy = self->meter.line.accuracy = result->accuracy;
    self->metrics->step = result->last.step;
    take_scale (self, &result->last);
    self->meter.line.lr = self->meter.lr;
    if (seconds > 0)
      self->meter.line.clips_per_second = self->meter.pass_clips / seconds;
  } else {
    self->metrics->val_loss = self->meter.line.val_loss = result->loss;
    self->metrics->val_accuracy = self->meter.line.val_accuracy = result->accuracy;
  }
  GST_OBJECT_UNLOCK (self->element);
  if (result->last.stepped || result->last.skipped)
    report_step (self, &result->last, self->metrics->clips_per_second, self->meter.line.memory);
  train_report_pass (self->element, self->log, result, self->classes.n, seconds, self->meter.lr,
      self->meter.line.clips_per_second, self->meter.line.memory);
}
