/* trainclasses.c: which classes cnn3dtrain's network tells apart.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainrun-private.h"

#include "src/escape.h"

/* Whether each class has a name of its own. FALSE: with an error posted. */
static gboolean
names_differ (TrainRun * self)
{
  GHashTable *names = g_hash_table_new (g_str_hash, g_str_equal);
  guint i;

  for (i = 0; self->classes && self->classes[i]; i++)
    if (!g_hash_table_add (names, self->classes[i]))
      goto twice;
  g_hash_table_unref (names);

  return TRUE;

  /* ERRORS */
twice:
  {
    gchar *shown = cnn3d_escape (self->classes[i], FALSE);

    g_hash_table_unref (names);
    GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
        ("Upstream has two classes '%s': give each class a name of its own.",
            shown), (NULL));
    g_free (shown);
    return FALSE;
  }
}

/* There are `names` names for self->num_classes classes: the others have none. */
static void
leave_unnamed (TrainRun * self, guint names)
{
  const guint n = self->num_classes;
  guint i;

  self->classes = g_renew (gchar *, self->classes, n + 1);
  for (i = names; i < n; i++)
    self->classes[i] = g_strdup ("");
  self->classes[n] = NULL;
  GST_ELEMENT_WARNING (self->element, RESOURCE, SETTINGS,
      ("num-classes is %u, but upstream has %u classes: the network gets %u "
          "outputs that no clip is of, without a name. Set num-classes to 0 to "
          "take upstream's classes.", n, names, n - names), (NULL));
}

gboolean
train_run_find_classes (TrainRun * self)
{
  guint names = self->classes ? g_strv_length (self->classes) : 0;
  guint n = self->settings.num_classes;

  if (n == 0)
    n = names ? names : self->layout.num_classes;
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
  if (names > 0 && names < n)
    leave_unnamed (self, names);

  return TRUE;

  /* ERRORS */
unknown:
  {
    GST_ELEMENT_ERROR (self->element, RESOURCE, SETTINGS,
        ("Upstream does not tell how many classes there are: set num-classes, "
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
        ("Upstream has one class only: there is nothing to tell apart."),
        (NULL));
    return FALSE;
  }
}
