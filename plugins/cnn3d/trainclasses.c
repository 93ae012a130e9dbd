/* trainclasses.c: the classes of cnn3dtrain's network.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "classweights.h"
#include "src/escape.h"

/* Checks that class names are unique. FALSE if not; an error is posted. */
static gboolean
names_differ (TrainRun *self)
{
  guint first, second;
  gchar *shown;

  if (!self->classes.names
      || !cnn3d_class_names_repeat ((const gchar *const *) self->classes.names, &first, &second))
    return TRUE;

  /* ERRORS */
  shown = cnn3d_escape (self->classes.names[first], FALSE);
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("Upstream has two classes '%s': give each class a unique name.", shown), (NULL));
  g_free (shown);

  return FALSE;
}

/* Warns that the network has more classes than upstream, which has `there` of
 * them, and gives the rest empty names. */
static void
leave_unnamed (TrainRun *self, guint there)
{
  const guint n = self->classes.n;
  guint i;

  if (self->classes.names && self->classes.names[0]) {
    self->classes.names = g_renew (gchar *, self->classes.names, n + 1);
    for (i = there; i < n; i++)
      self->classes.names[i] = g_strdup ("");
    self->classes.names[n] = NULL;
  }
  GST_ELEMENT_WARNING (self->element, RESOURCE, SETTINGS,
      ("num-classes is %u, but upstream has %u classes: the network gets %u outputs that have no "
       "name and no clips. Set num-classes to 0 to take upstream's classes.",
          n, there, n - there),
      (NULL));
}

/* FALSE on failure; an error is posted. */
static gboolean
find_weights (TrainRun *self)
{
  GError *error = NULL;

  g_clear_pointer (&self->classes.weights, g_free);
  self->classes.weights = class_weights_new (self->settings.class_weights, self->classes.n,
      self->classes.clips, self->classes.named, &error);
  if (!error)
    return TRUE;

  /* ERRORS */
  train_run_fail (self, error, NULL);

  return FALSE;
}

gboolean
train_run_take_classes (TrainRun *self, GstEvent *event)
{
  gchar **classes;

  if (!gst_event_parse_clip_classes (event, &classes))
    return FALSE;
  if (self->trainer) {
    g_strfreev (classes);
    return TRUE;
  }
  train_run_clear_classes (self);
  self->classes.names = classes;
  self->classes.named = g_strv_length (classes);
  self->classes.clips = gst_event_parse_clip_class_counts (event);

  return TRUE;
}

void
train_run_clear_classes (TrainRun *self)
{
  g_clear_pointer (&self->classes.names, g_strfreev);
  g_clear_pointer (&self->classes.clips, g_free);
  g_clear_pointer (&self->classes.weights, g_free);
}

gboolean
train_run_find_classes (TrainRun *self)
{
  guint names = self->classes.names ? g_strv_length (self->classes.names) : 0;
  const guint there = names ? names : self->stream.layout.num_classes;
  guint n = self->settings.num_classes;

  if (n == 0)
    n = there;
  if (n == 0)
    goto unknown;
  if (n < names)
    goto too_few;
  if (self->stream.layout.num_classes > n)
    goto one_hot;
  if (n < 2)
    goto one_class;

  if (!names_differ (self))
    return FALSE;

  self->classes.n = n;
  if (there > 0 && there < n)
    leave_unnamed (self, there);

  return find_weights (self);

  /* ERRORS */
unknown:
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("Upstream does not say how many classes there are: set num-classes, or take the clips from "
       "clipsrc."),
      (NULL));
  return FALSE;
too_few:
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("num-classes is %u, but upstream has %u classes: set it to 0 to take them all, or take "
       "fewer classes upstream.",
          n, names),
      (NULL));
  return FALSE;
one_hot:
  GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
      ("One-hot labels have %u classes, but the network is to have %u: set num-classes to %u.",
          self->stream.layout.num_classes, n, self->stream.layout.num_classes),
      (NULL));
  return FALSE;
one_class:
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
      ("Upstream has only one class: training needs at least two."), (NULL));
  return FALSE;
}
