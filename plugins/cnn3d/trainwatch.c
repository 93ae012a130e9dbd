/* trainwatch.c: detects a network that learns nothing.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainwatch.h"

#include <math.h>

#include "src/format.h"

/* A loss above this fraction of the first epoch's has not fallen. */
#define FALLEN 0.99
/* A loss below this is not expected to fall further. */
#define LEARNT 0.05

static gchar *
watch_loss (TrainWatch *self, const Cnn3dPassResult *result)
{
  gdouble lowest = result->loss;
  guint i;

  if (!isfinite (result->loss) || self->resumed)
    return NULL;
  if (self->epochs++ == 0) {
    self->first = result->loss;
    return NULL;
  }
  for (i = G_N_ELEMENTS (self->recent) - 1; i > 0; i--)
    self->recent[i] = self->recent[i - 1];
  self->recent[0] = result->loss;
  if (self->epochs < TRAIN_WATCH_EPOCHS || self->reported_loss)
    return NULL;
  for (i = 0; i < G_N_ELEMENTS (self->recent); i++)
    lowest = MIN (lowest, self->recent[i]);
  if (lowest < self->first * FALLEN || self->first < LEARNT)
    return NULL;
  self->reported_loss = TRUE;

  return cnn3d_strdup_printf (
      "The training loss does not fall: it was %.4g in the first of %u epochs and is %.4g now. "
      "Usual reasons: lr is much too large or too small, labels that do not match their videos, "
      "freeze leaves nothing to train, or num-frames, frame-interval or the frame's size do not "
      "show what distinguishes the classes.",
      self->first, self->epochs, result->loss);
}

/* The only class that was predicted, although clips of several were evaluated;
 * -1: none. */
static gint
only_class (const guint64 *confusion, guint n)
{
  guint label, prediction, labels = 0;
  gint only = -1;

  for (label = 0; label < n; label++) {
    gboolean any = FALSE;

    for (prediction = 0; prediction < n; prediction++) {
      if (confusion[(gsize) label * n + prediction] == 0)
        continue;
      any = TRUE;
      if (only >= 0 && only != (gint) prediction)
        return -1;
      only = prediction;
    }
    labels += any;
  }

  return labels > 1 ? only : -1;
}

static gchar *
watch_classes (TrainWatch *self, const Cnn3dPassResult *result, const gchar *const *classes,
    guint num_classes, gboolean last)
{
  gint only = result->confusion ? only_class (result->confusion, num_classes) : -1;
  gchar *name, *text;

  if (only < 0) {
    self->one_class = 0;
    return NULL;
  }
  /* one or two such epochs are nothing unusual */
  self->one_class++;
  if (self->one_class < (last ? 2 : TRAIN_WATCH_EPOCHS) || self->reported_class)
    return NULL;
  self->reported_class = TRUE;
  name = classes ? g_strdup (classes[only]) : g_strdup_printf ("%d", only);
  text = g_strdup_printf ("All %" G_GUINT64_FORMAT
                          " validation clips of epoch %u were predicted to be of class %s. Usual "
                          "reasons: too few epochs or too small an lr yet, one class with most of "
                          "the clips, an lr that is much too large, batches of one or two clips "
                          "without freeze=batch-norm, or labels that do not match their videos.",
      result->clips, result->epoch + 1, name);
  g_free (name);

  return text;
}

gchar *
train_watch_pass (TrainWatch *self, const Cnn3dPassResult *result, const gchar *const *classes,
    guint num_classes, gboolean last)
{
  if (result->training)
    return watch_loss (self, result);

  return watch_classes (self, result, classes, num_classes, last);
}
