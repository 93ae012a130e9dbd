/* manifestfile.c: a data set's rows, written as a manifest.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/address.h"
#include "src/csv.h"
#include "src/dataset/finder.h"
#include "src/settings/settings.h"

#include <math.h>
#include <string.h>

/* Which columns the rows need. */
typedef struct {
  gboolean seconds, frames, group, view, split, fold, fps, keypoints;
} Needed;

static void
add_number (GString *text, gboolean given, gdouble number)
{
  g_autofree gchar *digits = cnn3d_setting_number (number);

  g_string_append_c (text, ',');
  if (given)
    g_string_append (text, digits);
}

static void
add_optional (GString *text, gboolean needed, const gchar *field)
{
  if (!needed)
    return;
  g_string_append_c (text, ',');
  if (field)
    cnn3d_csv_field (text, field);
}

/* Whether tables show the path as it is: text without control characters */
static gboolean
is_plain (const gchar *path)
{
  if (!g_utf8_validate (path, -1, NULL))
    return FALSE;
  for (const gchar *p = path; *p; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

gchar *
cnn3d_manifest_file (const gchar *path)
{
  gchar *full, *address;

  if (cnn3d_is_address (path))
    return g_strdup (path);
  full = g_canonicalize_filename (path, NULL);
  if (is_plain (full))
    return full;
  address = g_filename_to_uri (full, NULL, NULL);
  g_free (full);
  return address;
}

/* Whether a label ends like a video's name and the path beside it does not, as in swapped columns. */
static gboolean
is_like_path (const gchar *label, gsize size, const gchar *path, gsize path_size)
{
  return cnn3d_video_name (label, size) && !cnn3d_video_name (path, path_size);
}

void
cnn3d_manifest_label (GString *text, const gchar *label, const gchar *path)
{
  const gboolean guarded = is_like_path (label, strlen (label), path, strlen (path));
  g_autofree gchar *field = g_strconcat (guarded ? "'" : "", label, NULL);

  cnn3d_csv_field (text, field);
}

const gchar *
cnn3d_manifest_label_text (const gchar *label, gsize size, const gchar *path, gsize path_size)
{
  if (!is_like_path (label, size, path, path_size))
    return label;
  return *label == '\'' ? label + 1 : NULL;
}

/* A path in the root stays as it is where the manifest lies there. */
static gchar *
path_in (const Cnn3dDataset *dataset, guint row, guint32 written, const gchar *folder)
{
  const Cnn3dRow *r = &g_array_index (dataset->rows, Cnn3dRow, row);
  g_autofree gchar *root = g_canonicalize_filename (dataset->roots[r->source], NULL);
  g_autofree gchar *here = g_canonicalize_filename (folder, NULL), *path = NULL;

  if (strcmp (root, here) == 0 && is_plain (dataset->arena.data + written))
    return g_strdup (dataset->arena.data + written);
  path = cnn3d_dataset_file (dataset->roots[r->source], dataset->arena.data + written);
  return cnn3d_manifest_file (path);
}

static Needed
needed_by (const Cnn3dDataset *dataset)
{
  Needed needed = { FALSE };

  for (guint i = 0; i < dataset->rows->len; i++) {
    const Cnn3dRow *r = &g_array_index (dataset->rows, Cnn3dRow, i);
    const gboolean window = r->start > 0 || isfinite (r->end);

    if (!cnn3d_dataset_wants (dataset, i))
      continue;
    needed.seconds |= window && !r->in_frames;
    needed.frames |= window && r->in_frames;
    needed.group |= r->group != CNN3D_NAME_NONE;
    needed.view |= r->view != CNN3D_VIEW_NONE;
    needed.split |= r->split != CNN3D_SPLIT_NONE || r->source == 1;
    needed.fps |= r->fps > 0;
    needed.keypoints |= r->keypoints != CNN3D_ARENA_FULL;
  }
  needed.fold = dataset->has_folds && dataset->folds.n;
  return needed;
}

gchar *
cnn3d_dataset_manifest (const Cnn3dDataset *dataset, const gchar *folder)
{
  const Needed needed = needed_by (dataset);
  GString *text = g_string_new ("path,label");

  g_string_append_printf (text, "%s%s%s%s%s%s%s%s\n", needed.seconds ? ",start,end" : "",
      needed.frames ? ",start_frame,end_frame" : "", needed.group ? ",group" : "",
      needed.view ? ",view" : "", needed.split ? ",split" : "", needed.fold ? ",fold" : "",
      needed.fps ? ",fps" : "", needed.keypoints ? ",keypoints" : "");
  for (guint i = 0; i < dataset->rows->len; i++) {
    const Cnn3dRow *r = &g_array_index (dataset->rows, Cnn3dRow, i);
    g_autofree gchar *path = NULL, *keypoints = NULL;
    gchar rate[G_ASCII_DTOSTR_BUF_SIZE];
    Cnn3dDatasetRow row;

    if (!cnn3d_dataset_wants (dataset, i))
      continue;
    cnn3d_dataset_row (dataset, i, &row);
    path = path_in (dataset, i, r->path, folder);
    cnn3d_csv_path (text, path);
    g_string_append_c (text, ',');
    cnn3d_manifest_label (text, dataset->classes[row.label], path);
    if (needed.seconds) {
      add_number (text, !row.in_frames && row.start > 0, row.start);
      add_number (text, !row.in_frames && isfinite (row.end), row.end);
    }
    if (needed.frames) {
      add_number (text, row.in_frames, row.start);
      add_number (text, row.in_frames && isfinite (row.end), row.end - 1);
    }
    add_optional (text, needed.group, row.group);
    add_optional (text, needed.view, row.view);
    add_optional (
        text, needed.split, r->source == 1 && r->split != CNN3D_SPLIT_TEST ? "val" : row.split);
    add_optional (text, needed.fold, row.fold);
    if (needed.fps)
      g_string_append_printf (
          text, ",%s", row.fps > 0 ? g_ascii_formatd (rate, sizeof rate, "%.7g", row.fps) : "");
    if (needed.keypoints) {
      g_string_append_c (text, ',');
      if (row.keypoints) {
        keypoints = path_in (dataset, i, r->keypoints, folder);
        cnn3d_csv_path (text, keypoints);
      }
    }
    g_string_append_c (text, '\n');
  }
  return g_string_free (text, FALSE);
}
