/* keypointspath.c: where each clip's key points are.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"

#include <string.h>

#include "src/escape.h"
#include "src/hash.h"

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

/* A row's file of key points, by its hash: a data set may have millions. */
typedef struct {
  guint32 hash, row;
} Pointed;

static gint
compare_pointed (gconstpointer a, gconstpointer b)
{
  const Pointed *x = a, *y = b;

  if (x->hash != y->hash)
    return x->hash < y->hash ? -1 : 1;
  return x->row < y->row ? -1 : x->row > y->row;
}

/* Whether two rows of different videos have one file of key points. */
static gboolean
share_file (const Cnn3dDataset *dataset, const Pointed *a, const Pointed *b, const gchar *root,
    const gchar *pattern)
{
  g_autofree gchar *one = NULL, *other = NULL, *here = cnn3d_dataset_path (dataset, a->row),
                   *there = cnn3d_dataset_path (dataset, b->row);

  if (strcmp (here, there) == 0)
    return FALSE;
  one = cnn3d_dataset_keypoints (dataset, a->row, root, pattern);
  other = cnn3d_dataset_keypoints (dataset, b->row, root, pattern);
  return strcmp (one, other) == 0;
}

void
cnn3d_dataset_note_keypoints (Cnn3dDataset *dataset, const gchar *root, const gchar *pattern)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (Pointed));
  const Pointed *pointed;
  guint n = 0, begin = 0, first = 0, of = 0;

  if (!pattern || !*pattern)
    pattern = root && *root ? DEFAULT_PATTERN : "";
  /* a file of another name has those of many videos */
  if (!strstr (pattern, places[PLACE_STEM]) && !strstr (pattern, places[PLACE_NAME]))
    return;
  for (guint i = 0; i < dataset->rows->len; i++) {
    g_autofree gchar *path = NULL;
    Pointed one = { .row = i };

    if (g_array_index (dataset->rows, Cnn3dRow, i).keypoints != CNN3D_ARENA_FULL
        || !cnn3d_dataset_wants (dataset, i))
      continue;
    path = cnn3d_dataset_keypoints (dataset, i, root, pattern);
    one.hash = cnn3d_hash_bytes (path, strlen (path));
    g_array_append_val (all, one);
  }
  g_array_sort (all, compare_pointed);
  pointed = (const Pointed *) all->data;
  for (guint i = 1; i < all->len; i++) {
    if (pointed[i].hash != pointed[begin].hash) {
      begin = i;
    } else if (share_file (dataset, &pointed[begin], &pointed[i], root, pattern) && n++ == 0) {
      first = i;
      of = begin;
    }
  }
  if (n > 0) {
    g_autofree gchar *file = cnn3d_dataset_keypoints (dataset, pointed[first].row, root, pattern);
    Cnn3dDatasetRow a, b;

    cnn3d_dataset_row (dataset, pointed[of].row, &a);
    cnn3d_dataset_row (dataset, pointed[first].row, &b);
    cnn3d_dataset_note (dataset, TRUE,
        "%u clips have the key points of another video, such as \"%.*s\", whose file \"%.*s\" is "
        "that of \"%.*s\", too; a keypoints-pattern with folders, such as {dir}/{stem}.npy, tells "
        "them apart",
        n, CNN3D_SHOWN (b.path, strlen (b.path)), CNN3D_SHOWN (file, strlen (file)),
        CNN3D_SHOWN (a.path, strlen (a.path)));
  }
}
