/* trainskips.c: clips that could not be read.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trainskips.h"

#include <string.h>

#include "src/hash.h"

void
train_skips_init (TrainSkips *self)
{
  memset (self, 0, sizeof *self);
  self->reasons = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);
}

void
train_skips_clear (TrainSkips *self)
{
  guint i;

  g_clear_pointer (&self->reasons, g_hash_table_unref);
  for (i = 0; i < self->n_named; i++)
    g_clear_pointer (&self->named[i], g_free);
  self->n_named = 0;
}

void
train_skips_begin_pass (TrainSkips *self, guint64 clips, guint64 skipped)
{
  self->pass = (TrainSkipsCount) { skipped, clips };
  g_hash_table_remove_all (self->reasons);
}

/* A file may have several clips, and is read again each epoch. */
static void
name_file (TrainSkips *self, const GstClipSkipped *skipped)
{
  gchar *name;
  guint i;

  if (self->n_named == TRAIN_SKIPS_NAMED)
    return;
  name = g_strdup_printf ("%s: %s", skipped->path, skipped->reason);
  for (i = 0; i < self->n_named && strcmp (self->named[i], name); i++)
    ;
  if (i == self->n_named)
    self->named[self->n_named++] = name;
  else
    g_free (name);
}

void
train_skips_add (TrainSkips *self, const GstClipSkipped *skipped, gboolean training)
{
  TrainSkipsCount *most = &self->most[training != FALSE];
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->reasons, skipped->reason));

  self->pass.skipped++;
  if (self->pass.skipped > most->skipped)
    *most = self->pass;
  g_hash_table_insert (self->reasons, g_strdup (skipped->reason), GUINT_TO_POINTER (n + 1));
  name_file (self, skipped);
}

gchar *
train_skips_describe (const TrainSkipsCount *count, gboolean training)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " %s clips", count->skipped,
      count->clips, training ? "training" : "validation");
}

/* Ties are broken by alphabetical order. */
const gchar *
train_skips_reason (const TrainSkips *self)
{
  const gchar *most = NULL;
  gpointer reason, count;
  GHashTableIter iter;
  guint n = 0;

  g_hash_table_iter_init (&iter, self->reasons);
  while (g_hash_table_iter_next (&iter, &reason, &count))
    if (GPOINTER_TO_UINT (count) > n
        || (GPOINTER_TO_UINT (count) == n && strcmp (reason, most) < 0)) {
      most = reason;
      n = GPOINTER_TO_UINT (count);
    }

  return most;
}
