/* trainclasses.c: which classes cnn3dtrain's network tells apart.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "classweights.h"
#include "src/escape.h"

/* Whether each class has a name of its own. FALSE: with an error posted. */
static gboolean
names_differ (TrainRun * self)
{
  guint first, second;
  gchar *shown;

  if (!self->classes || !cnn3d_class_names_repeat ((const gchar * const *)
          self->classes, &first, &second))
    return TRUE;

  /* ERRORS */
  shown = cnn3d_escape (self->classes[first], FALSE);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("Upstream has two classes '%s': give each class a name of its own.",
          shown), (NULL));
  g_free (shown);

  return FALSE;
}

/* Upstream has `there` of the classes, with names or without: what is beyond them
 * has none. */
static void
leave_unnamed (TrainRun * self, guint there)
{
  const guint n = self->num_classes;
  guint i;

  if (self->classes && self->classes[0]) {
    self->classes = g_renew (gchar *, self->classes, n + 1);
    for (i = there; i < n; i++)
      self->classes[i] = g_strdup ("");
    self->classes[n] = NULL;
  }
  GST_ELEMENT_WARNING (self->element, RESOURCE, SETTINGS,
      ("num-classes is %u, but upstream has %u classes: the network gets %u "
          "outputs that have no name and no clips. Set num-classes to 0 to "
          "take upstream's classes.", n, there, n - there), (NULL));
}

/* FALSE: with an error posted. */
static gboolean
find_weights (TrainRun * self)
{
  GError *error = NULL;

  g_clear_pointer (&self->class_weights, g_free);
  self->class_weights = class_weights_new (self->settings.class_weights,
      self->num_classes, self->class_clips, self->named, &error);
  if (!error)
    return TRUE;

  /* ERRORS */
  train_run_fail (self, error, NULL);

  return FALSE;
}

gboolean
train_run_take_classes (TrainRun * self, GstEvent * event)
{
  gchar **classes;

  if (!gst_event_parse_clip_classes (event, &classes))
    return FALSE;
  if (self->trainer) {
    g_strfreev (classes);
    return TRUE;
  }
  train_run_clear_classes (self);
  self->classes = classes;
  self->named = g_strv_length (classes);
  self->class_clips = gst_event_parse_clip_class_counts (event);

  return TRUE;
}

void
train_run_clear_classes (TrainRun * self)
{
  g_clear_pointer (&self->classes, g_strfreev);
  g_clear_pointer (&self->class_clips, g_free);
  g_clear_pointer (&self->class_weights, g_free);
}

gboolean
train_run_find_classes (TrainRun * self)
{
  guint names = self->classes ? g_strv_length (self->classes) : 0;
  const guint there = names ? names : self->layout.num_classes;
  guint n = self->settings.num_classes;

  if (n == 0)
    n = there;
  if (n == 0)
    goto unknown;
  if (n < names)
    goto too_few;
  if (self->layout.num_classes > n)
    goto one_hot;
  if (n < 2)
    goto one_class;

  if (!names_differ (self))
    return FALSE;

  self->num_classes = n;
  if (there > 0 && there < n)
    leave_unnamed (self, there);

  return find_weights (self);

  /* ERRORS */
unknown:
  {
    GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
        ("Upstream does not say how many classes there are: set num-classes, "
            "or take the clips from clipsrc."), (NULL));
    return FALSE;
  }
too_few:
  {
    GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
        ("num-classes is %u, but upstream has %u classes: set it to 0 to take "
            "them all, or take fewer classes upstream.", n, names), (NULL));
    return FALSE;
  }
one_hot:
  {
    GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
        ("One-hot labels are of %u classes, but the network is to have %u: set "
            "num-classes to %u.", self->layout.num_classes, n,
            self->layout.num_classes), (NULL));
    return FALSE;
  }
one_class:
  {
    GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
        ("Upstream has only one class: training needs at least two."),
        (NULL));
    return FALSE;
  }
}
