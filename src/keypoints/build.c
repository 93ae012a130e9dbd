/* build.c: what all readers make of a file's persons.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/escape.h"
#include "src/format.h"
#include "src/keypoints/reader.h"

#include <math.h>
#include <string.h>

typedef struct {
  gdouble at;
  gint64 person;
  guint32 order; /* of its addition */
} Entry;

void
cnn3d_keypoints_set_error (GError **error, const gchar *format, ...)
{
  gchar *text, *shown;
  va_list args;

  va_start (args, format);
  text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  /* names and types come from files */
  shown = cnn3d_escape (text, FALSE);
  g_set_error_literal (error, CNN3D_KEYPOINTS_ERROR, CNN3D_KEYPOINTS_ERROR_FORMAT, shown);
  g_free (shown);
  g_free (text);
}

void
cnn3d_keypoints_builder_init (Cnn3dKeypointsBuilder *builder)
{
  memset (builder, 0, sizeof *builder);
  builder->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  builder->values = g_array_new (FALSE, FALSE, sizeof (gfloat));
}

void
cnn3d_keypoints_builder_clear (Cnn3dKeypointsBuilder *builder)
{
  g_clear_pointer (&builder->entries, g_array_unref);
  g_clear_pointer (&builder->values, g_array_unref);
}

gfloat *
cnn3d_keypoints_builder_add (
    Cnn3dKeypointsBuilder *builder, gdouble at, gint64 person, guint points, GError **error)
{
  const Entry entry = { at, person, builder->entries->len };
  const gsize before = builder->values->len;
  gfloat *values;

  if (points == 0 || points > CNN3D_SKELETON_MOST)
    goto no_points;
  if (builder->points && builder->points != points)
    goto other_points;
  if (before / 3 + points > CNN3D_KEYPOINTS_MOST)
    goto too_many;
  builder->points = points;
  g_array_append_val (builder->entries, entry);
  g_array_set_size (builder->values, before + 3 * points);
  values = (gfloat *) builder->values->data + before;
  for (guint i = 0; i < 3 * points; i++)
    values[i] = NAN;
  return values;

  /* ERRORS */
no_points:
  cnn3d_keypoints_set_error (
      error, "a person has %u points; 1 to %u are possible", points, CNN3D_SKELETON_MOST);
  return NULL;
other_points:
  cnn3d_keypoints_set_error (
      error, "a person has %u points, and one before %u", points, builder->points);
  return NULL;
too_many:
  cnn3d_keypoints_set_error (error,
      "it has more than %u points in all; leave out the persons that do not matter, or cut it as "
      "the video is cut",
      CNN3D_KEYPOINTS_MOST);
  return NULL;
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;

  if (x->at != y->at)
    return x->at < y->at ? -1 : 1;
  if (x->person != y->person)
    return x->person < y->person ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

/* A point as Cnn3dKeypoints has it. */
static void
clean (gfloat point[3], gdouble *largest)
{
  const gdouble x = fabs (point[0]), y = fabs (point[1]);

  if (!isfinite (x) || !isfinite (y) || !(point[2] > 0)) {
    point[0] = point[1] = point[2] = 0;
    return;
  }
  point[2] = MIN (point[2], 1);
  *largest = MAX (*largest, MAX (x, y));
}

/* Where each frame begins. Of a complete file those without anybody are there, too. */
static void
set_frames (Cnn3dKeypoints *keypoints, const Entry *entries, guint n, guint complete)
{
  guint frames = 0;

  for (guint i = 0; i < n; i++)
    frames += i == 0 || entries[i].at != entries[i - 1].at;
  if (keypoints->complete)
    frames = complete;
  keypoints->frames = frames;
  keypoints->starts = g_new (guint32, (gsize) frames + 1);
  if (keypoints->times)
    keypoints->times = g_renew (gdouble, keypoints->times, frames);
  else
    keypoints->numbers = g_new (guint64, frames);
  for (guint t = 0, i = 0; t < frames; t++) {
    const gdouble at = keypoints->complete ? t : entries[i].at;

    keypoints->starts[t] = i;
    if (keypoints->times)
      keypoints->times[t] = at;
    else
      keypoints->numbers[t] = at;
    while (i < n && entries[i].at == at)
      i++;
  }
  keypoints->starts[frames] = n;
}

Cnn3dKeypoints *
cnn3d_keypoints_builder_finish (Cnn3dKeypointsBuilder *builder, GError **error)
{
  const guint n = builder->entries->len;
  const gsize size = 3 * (gsize) builder->points;
  const gfloat *from = (const gfloat *) builder->values->data;
  Entry *entries = (Entry *) builder->entries->data;
  Cnn3dKeypoints *keypoints;

  if (n == 0) {
    cnn3d_keypoints_set_error (error, "it contains no persons with key points");
    return NULL;
  }
  keypoints = g_new0 (Cnn3dKeypoints, 1);
  keypoints->points = builder->points;
  keypoints->complete = builder->complete;
  keypoints->tracked = builder->tracked;
  keypoints->unit = builder->unit;
  keypoints->width = builder->width;
  keypoints->height = builder->height;
  if (builder->by_time)
    keypoints->times = g_new (gdouble, 1);
  qsort (entries, n, sizeof *entries, compare);
  set_frames (keypoints, entries, n, builder->complete_frames);
  keypoints->persons = g_new (gint64, n);
  keypoints->values = g_new (gfloat, n * size);
  for (guint i = 0; i < n; i++) {
    gfloat *to = keypoints->values + i * size;

    keypoints->persons[i] = entries[i].person;
    memcpy (to, from + entries[i].order * size, size * sizeof *to);
    for (guint k = 0; k < keypoints->points; k++)
      clean (to + 3 * k, &keypoints->largest);
  }
  return keypoints;
}
