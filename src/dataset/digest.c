/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/digest.h"

#include <math.h>
#include <string.h>

#include "src/dataset/dataset-private.h"

#define WORDS 4 /* of 64 bits, in a SHA-256 */

/* The sum of many, which no order changes. */
typedef struct {
  guint64 word[WORDS];
} Sum;

/* Ends the checksum and adds it. */
static void
add (Sum *sum, GChecksum *row)
{
  guint64 words[WORDS];
  gsize size = sizeof words;

  g_checksum_get_digest (row, (guint8 *) words, &size);
  for (guint i = 0; i < WORDS; i++)
    sum->word[i] += GUINT64_FROM_LE (words[i]);
}

static gchar *
text_of (const Sum *sum)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < WORDS; i++)
    g_string_append_printf (text, "%016" G_GINT64_MODIFIER "x", sum->word[i]);
  return g_string_free (text, FALSE);
}

static void
update (GChecksum *checksum, const gchar *text)
{
  /* with its end: no two rows run into each other */
  g_checksum_update (checksum, (const guchar *) text, strlen (text) + 1);
}

/* Writes the number's digits, at least as many as that. Returns their end. */
static gchar *
write_digits (gchar *to, guint number, guint least)
{
  gchar digits[10];
  guint n = 0;

  for (; number > 0 || n < least; number /= 10)
    digits[n++] = '0' + number % 10;
  while (n > 0)
    *to++ = digits[--n];
  return to;
}

static void
update_number (GChecksum *checksum, guint number)
{
  gchar text[16];

  *write_digits (text, number, 1) = '\0';
  update (checksum, text);
}

/* As g_ascii_dtostr() writes it: the digests of earlier runs are compared with these. Whole numbers and
 * thousandths that are exact, as most are, take a tenth of the time. */
static void
update_seconds (GChecksum *checksum, gdouble seconds)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE], *end;
  guint whole, eighths;

  if (!(seconds >= 0 && seconds < G_MAXUINT32) || seconds * 8 != floor (seconds * 8)
      || signbit (seconds)) {
    update (checksum, g_ascii_dtostr (text, sizeof text, seconds));
    return;
  }
  whole = (guint) seconds;
  eighths = (guint) ((seconds - whole) * 8);
  end = write_digits (text, whole, 1);
  if (eighths) {
    *end++ = '.';
    end = write_digits (end, eighths * 125, 3);
    while (end[-1] == '0')
      end--;
  }
  *end = '\0';
  update (checksum, text);
}

/* All rows of a sample, view by view, whichever is listed first. Their segments and splits are the
 * same. */
static void
update_views (GChecksum *checksum, const Cnn3dDataset *dataset, guint row)
{
  guint n;
  const gchar *const *views = cnn3d_dataset_views (dataset, &n);
  guint32 rows[CNN3D_DATASET_MOST_VIEWS];
  Cnn3dDatasetRow r;

  cnn3d_dataset_view_rows (dataset, row, rows);
  for (guint view = 0; view < n; view++) {
    update (checksum, "view");
    update (checksum, views[view]);
    if (rows[view] == CNN3D_DATASET_NO_ROW)
      continue;
    cnn3d_dataset_row (dataset, rows[view], &r);
    update (checksum, r.path);
    if (r.keypoints)
      update (checksum, r.keypoints);
  }
}

void
cnn3d_digest (const Cnn3dDataset *dataset, const Cnn3dOrderParams *params, Cnn3dDigest *digest)
{
  GChecksum *order = g_checksum_new (G_CHECKSUM_SHA256), *row = g_checksum_new (G_CHECKSUM_SHA256);
  /* the end is the rank and the world size, which orders once depended on */
  g_autofree gchar *drawn =
      g_strdup_printf ("%" G_GUINT64_FORMAT " %d %d %" G_GUINT64_FORMAT " 0 1", params->seed,
          params->shuffle != FALSE, params->sampling, params->limit_clips);
  Sum clips = { { 0 } }, labels = { { 0 } }, validation = { { 0 } };
  guint views;

  cnn3d_dataset_views (dataset, &views);
  digest->rows = 0;
  update (order, drawn);
  if (params->limit_clips) {
    /* which clips these are is a matter of both */
    g_autofree gchar *choice = g_strdup_printf (
        "%" G_GUINT64_FORMAT " by %" G_GUINT64_FORMAT, params->limit_clips, params->seed);

    update (row, choice);
    add (&clips, row);
    add (&labels, row);
    add (&validation, row);
  }
  for (gint training = TRUE; training >= FALSE; training--) {
    guint n;
    const guint32 *rows = cnn3d_dataset_split (dataset, training, &n);

    for (guint i = 0; i < n; i++) {
      GChecksum *whole;
      Cnn3dDatasetRow r;

      cnn3d_dataset_row (dataset, rows[i], &r);
      g_checksum_reset (row);
      update (row, training ? "train" : "other");
      if (!views)
        update (row, r.path);
      update_seconds (row, r.start);
      update_seconds (row, r.end);
      if (r.in_frames)
        update (row, "frames");
      if (views) {
        update_views (row, dataset, rows[i]);
      } else if (r.keypoints) {
        update (row, "keypoints");
        update (row, r.keypoints);
      }
      whole = g_checksum_copy (row);
      add (&clips, row);
      update_number (whole, r.label);
      add (&labels, whole);
      if (!training)
        add (&validation, whole);
      update (order, g_checksum_get_string (whole));
      update_number (order, rows[i]);
      g_checksum_free (whole);
    }
    digest->rows += n;
  }
  digest->clips = text_of (&clips);
  digest->labels = text_of (&labels);
  digest->validation = text_of (&validation);
  digest->order = g_strdup (g_checksum_get_string (order));
  g_checksum_free (order);
  g_checksum_free (row);
}

void
cnn3d_digest_clear (Cnn3dDigest *digest)
{
  g_clear_pointer (&digest->clips, g_free);
  g_clear_pointer (&digest->labels, g_free);
  g_clear_pointer (&digest->validation, g_free);
  g_clear_pointer (&digest->order, g_free);
}
