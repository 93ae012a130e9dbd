/* keypointspath.c: where each clip's key points are.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"

#include <string.h>

#include "src/escape.h"

#define DEFAULT_PATTERN "{stem}.npy"

typedef enum {
  PLACE_STEM,
  PLACE_NAME,
  PLACE_DIR,
  PLACE_LABEL,
  PLACE_GROUP,
  PLACE_VIEW,
  N_PLACES,
} Place;

static const gchar *const places[N_PLACES] = { "{stem}", "{name}", "{dir}", "{label}", "{group}",
  "{view}" };

/* The place that begins here; N_PLACES: none. */
static Place
find_place (const gchar *p)
{
  for (Place place = 0; place < N_PLACES; place++)
    if (g_str_has_prefix (p, places[place]))
      return place;
  return N_PLACES;
}

gchar *
cnn3d_keypoints_pattern_refuse (const gchar *pattern)
{
  for (const gchar *p = pattern; p && (p = strchr (p, '{')); p++)
    if (find_place (p) == N_PLACES) {
      const gchar *end = strchr (p, '}');
      const gsize size = end ? (gsize) (end + 1 - p) : strlen (p);

      return g_strdup_printf (
          "%.*s is not one of {stem}, {name}, {dir}, {label}, {group} and {view}",
          CNN3D_SHOWN (p, size));
    }
  return NULL;
}

/* The path with all places filled. */
static gchar *
fill (const gchar *pattern, const gchar *const values[N_PLACES])
{
  GString *text = g_string_new (NULL);
  const gchar *const begin = pattern;

  while (*pattern) {
    const Place place = find_place (pattern);

    /* an empty group before it makes no path from the root of it */
    if (*pattern == '/' && text->len == 0 && pattern > begin)
      pattern++;
    else if (place == N_PLACES) {
      g_string_append_c (text, *pattern++);
    } else {
      g_string_append (text, values[place]);
      pattern += strlen (places[place]);
    }
  }
  return g_string_free (text, FALSE);
}

gchar *
cnn3d_dataset_keypoints (
    const Cnn3dDataset *dataset, guint row, const gchar *root, const gchar *pattern)
{
  const Cnn3dRow *r = &g_array_index (dataset->rows, Cnn3dRow, row);
  const gchar *const from = root && *root ? root : dataset->roots[r->source];
  g_autofree gchar *name = NULL, *dir = NULL, *stem = NULL, *path = NULL;
  const gchar *values[N_PLACES];
  Cnn3dDatasetRow shown;
  gchar *dot;

  cnn3d_dataset_row (dataset, row, &shown);
  if (shown.keypoints)
    return cnn3d_dataset_file (from, shown.keypoints);
  if (!pattern || !*pattern) {
    if (!root || !*root)
      return NULL;
    pattern = DEFAULT_PATTERN;
  }
  name = g_path_get_basename (shown.path);
  dir = g_path_get_dirname (shown.path);
  stem = g_strdup (name);
  dot = strrchr (stem, '.');
  if (dot && dot > stem)
    *dot = '\0';
  values[PLACE_STEM] = stem;
  values[PLACE_NAME] = name;
  values[PLACE_DIR] = dir;
  values[PLACE_LABEL] = dataset->classes[shown.label];
  values[PLACE_GROUP] = shown.group ? shown.group : "";
  values[PLACE_VIEW] = shown.view ? shown.view : "";
  path = fill (pattern, values);
  return cnn3d_dataset_file (from, path);
}
