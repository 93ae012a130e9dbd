/* classweights.c: weights of the classes in the training loss.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classweights.h"

#include "src/escape.h"
#include "src/format.h"
#include "src/train/trainer.h"

static gboolean
is_none (const gchar *text)
{
  return !text || g_str_equal (text, "none");
}

/* Parses a list such as "1,2.5,1". NULL with error. */
static GArray *
parse (const gchar *text, GError **error)
{
  GArray *numbers = g_array_new (FALSE, FALSE, sizeof (gfloat));
  gchar **words = g_strsplit (text, ",", -1);
  gchar *end, *shown;
  gdouble value;
  gfloat weight;
  guint i;

  for (i = 0; words[i]; i++) {
    g_strstrip (words[i]);
    value = g_ascii_strtod (words[i], &end);
    weight = (gfloat) value;
    if (end == words[i] || *end || !(weight > 0 && value <= CNN3D_MOST_CLASS_WEIGHT))
      goto no_number;
    g_array_append_val (numbers, weight);
  }
  g_strfreev (words);

  return numbers;

  /* ERRORS */
no_number:
  shown = cnn3d_escape (words[i], FALSE);
  cnn3d_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "class-weights has '%s' where a number above 0 and up to %g must be: give one for each "
      "class, such as 1,2.5,1, or balanced, or none.",
      shown, CNN3D_MOST_CLASS_WEIGHT);
  g_free (shown);
  g_strfreev (words);
  g_array_unref (numbers);
  return NULL;
}

gboolean
class_weights_check (const gchar *text, GError **error)
{
  GArray *numbers;

  if (is_none (text) || g_str_equal (text, "balanced"))
    return TRUE;
  numbers = parse (text, error);
  if (numbers)
    g_array_unref (numbers);

  return numbers != NULL;
}

static gfloat *
balance (guint n, const guint64 *clips, guint n_clips)
{
  gfloat *weights = g_new (gfloat, n);
  guint64 all = 0;
  guint i, classes = 0;

  for (i = 0; i < n_clips; i++) {
    all += clips[i];
    classes += clips[i] > 0;
  }
  for (i = 0; i < n; i++)
    weights[i] = i < n_clips && clips[i] > 0 ? (gdouble) all / classes / clips[i] : 1;

  return weights;
}

gfloat *
class_weights_new (const gchar *text, guint n, const guint64 *clips, guint n_clips, GError **error)
{
  GArray *numbers;

  if (is_none (text))
    return NULL;
  if (g_str_equal (text, "balanced")) {
    if (!clips)
      goto unknown;
    return balance (n, clips, MIN (n, n_clips));
  }
  numbers = parse (text, error);
  if (!numbers)
    return NULL;
  if (numbers->len != n)
    goto other_number;

  return (gfloat *) g_array_free (numbers, FALSE);

  /* ERRORS */
unknown:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "class-weights=balanced needs to know how many clips there are of each class, and upstream "
      "does not say: take the clips from clipsrc, or give a number for each class.");
  return NULL;
other_number:
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
      "class-weights has %u numbers, but there are %u classes: give one for each, in the order of "
      "their numbers.",
      numbers->len, n);
  g_array_unref (numbers);
  return NULL;
}
