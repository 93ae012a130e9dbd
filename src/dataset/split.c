/* split.c: which rows train, validate or test.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"
#include "src/random.h"

#include <stdlib.h>
#include <string.h>

static const struct {
  const gchar *name;
  Cnn3dSplit split;
  gboolean alone; /* means a split wherever it stands */
} split_names[] = {
  { "train", CNN3D_SPLIT_TRAIN, TRUE },
  { "training", CNN3D_SPLIT_TRAIN, TRUE },
  { "val", CNN3D_SPLIT_VAL, TRUE },
  { "valid", CNN3D_SPLIT_VAL, TRUE },
  { "validation", CNN3D_SPLIT_VAL, TRUE },
  { "test", CNN3D_SPLIT_TEST, TRUE },
  { "testing", CNN3D_SPLIT_TEST },
  { "validate", CNN3D_SPLIT_VAL },
  { "dev", CNN3D_SPLIT_VAL },
};

static gboolean
parse_split (const gchar *text, gsize size, gboolean alone, Cnn3dSplit *split)
{
  for (guint i = 0; i < G_N_ELEMENTS (split_names); i++) {
    if ((split_names[i].alone || !alone) && strlen (split_names[i].name) == size
        && g_ascii_strncasecmp (split_names[i].name, text, size) == 0) {
      *split = split_names[i].split;
      return TRUE;
    }
  }
  return FALSE;
}

gboolean
cnn3d_split_parse (const gchar *text, gsize size, Cnn3dSplit *split)
{
  return parse_split (text, size, FALSE, split);
}

gboolean
cnn3d_split_guess (const gchar *text, gsize size, Cnn3dSplit *split)
{
  return parse_split (text, size, TRUE, split);
}

typedef struct {
  guint32 group;
  guint32 clips;
  guint32 draw; /* position in the shuffled order */
} Group;

static gint
compare_groups (gconstpointer a, gconstpointer b)
{
  const Group *x = a, *y = b;

  if (x->clips != y->clips)
    return x->clips > y->clips ? -1 : 1;
  return x->draw < y->draw ? -1 : x->draw > y->draw;
}

/* Largest group first into the smallest fold; groups of equal size in an order drawn from the seed.
 * group_fold[group] is the result. */
static void
assign_groups (
    const guint32 *clips, guint n_groups, guint num_folds, guint64 seed, guint16 *group_fold)
{
  Cnn3dRandomKey key = { .seed = seed, .purpose = CNN3D_RANDOM_FOLD };
  Group *groups = g_new (Group, n_groups);
  guint64 *sizes = g_new0 (guint64, num_folds);

  for (guint i = 0; i < n_groups; i++)
    groups[i] = (Group) { i, clips[i], i };
  for (guint i = n_groups; i > 1; i--) {
    guint j = cnn3d_random_below (&key, i, i);
    guint32 draw = groups[i - 1].draw;

    groups[i - 1].draw = groups[j].draw;
    groups[j].draw = draw;
  }
  qsort (groups, n_groups, sizeof (Group), compare_groups);
  for (guint i = 0; i < n_groups; i++) {
    guint best = 0;

    for (guint f = 1; f < num_folds; f++) {
      if (sizes[f] < sizes[best])
        best = f;
    }
    group_fold[groups[i].group] = best;
    sizes[best] += groups[i].clips;
  }
  g_free (sizes);
  g_free (groups);
}

static gboolean
fold_groups (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error)
{
  guint n_rows = dataset->rows->len;
  guint32 *group_of = g_new (guint32, n_rows);
  Cnn3dNames paths = {
    NULL,
  };
  Cnn3dArena arena = {
    NULL,
  };
  guint n_groups = dataset->groups.n;
  guint32 *clips = NULL;
  guint16 *group_fold = NULL;
  guint n_used = 0;

  /* A row without a group is in its file's: two windows of one video must not
   * be on both sides. */
  for (guint i = 0; i < n_rows; i++) {
    const Cnn3dRow *row = &g_array_index (dataset->rows, Cnn3dRow, i);
    const gchar *path = dataset->arena.data + row->path;

    if (row->group != CNN3D_NAME_NONE)
      group_of[i] = row->group;
    else
      group_of[i] = n_groups + cnn3d_names_intern (&paths, &arena, path, strlen (path));
  }
  n_groups += paths.n;
  clips = g_new0 (guint32, n_groups);
  group_fold = g_new0 (guint16, n_groups);
  for (guint i = 0; i < n_rows; i++) {
    if (g_array_index (dataset->rows, Cnn3dRow, i).split != CNN3D_SPLIT_TEST
        && cnn3d_dataset_leads (dataset, i))
      n_used += clips[group_of[i]]++ == 0;
  }
  if (n_used >= params->num_folds) {
    assign_groups (clips, n_groups, params->num_folds, params->seed, group_fold);
    for (guint i = 0; i < n_rows; i++)
      g_array_index (dataset->rows, Cnn3dRow, i).fold = group_fold[group_of[i]];
  } else {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "%s: num-folds is %u, but there are only %u groups to share out", params->location,
        params->num_folds, n_used);
  }
  g_free (clips);
  g_free (group_fold);
  g_free (group_of);
  cnn3d_names_clear (&paths);
  g_free (arena.data);
  return n_used >= params->num_folds;
}

typedef struct {
  const gchar *name;
  guint number;
} Fold;

static gint
compare_folds (gconstpointer a, gconstpointer b)
{
  const gchar *x = ((const Fold *) a)->name, *y = ((const Fold *) b)->name;
  gchar *end_x, *end_y;
  gint64 i = g_ascii_strtoll (x, &end_x, 10), j = g_ascii_strtoll (y, &end_y, 10);

  /* Numbers before names, so that the order is well defined if they are mixed */
  if (!*end_x != !*end_y)
    return *end_x ? 1 : -1;
  if (!*end_x && i != j)
    return i < j ? -1 : 1;
  return strcmp (x, y);
}

/* The manifest's own folds, sorted: fold K is the K-th of the values of those rows that are
 * shared out. Rows of split test are in no fold, whatever their value. */
static gboolean
fold_column (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error)
{
  g_autofree gboolean *used = g_new0 (gboolean, dataset->folds.n + 1);
  g_autofree guint16 *renumber = g_new0 (guint16, dataset->folds.n + 1);
  g_autofree Fold *folds = g_new (Fold, dataset->folds.n + 1);
  guint n = 0;

  for (guint i = 0; i < dataset->rows->len; i++) {
    const Cnn3dRow *row = &g_array_index (dataset->rows, Cnn3dRow, i);

    if (row->split != CNN3D_SPLIT_TEST && cnn3d_dataset_wants (dataset, i))
      used[row->fold] = TRUE;
  }
  for (guint i = 0; i < dataset->folds.n; i++)
    if (used[i])
      folds[n++] = (Fold) { dataset->arena.data + dataset->folds.offsets[i], i };
  if (n < 2)
    goto too_few;
  if (n != params->num_folds)
    goto wrong_number;
  qsort (folds, n, sizeof (Fold), compare_folds);
  for (guint i = 0; i < n; i++)
    renumber[folds[i].number] = i;
  for (guint i = 0; i < dataset->rows->len; i++) {
    Cnn3dRow *row = &g_array_index (dataset->rows, Cnn3dRow, i);

    row->fold = renumber[row->fold];
  }
  return TRUE;

  /* ERRORS */
too_few:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
      "%s: num-folds is %u, but the clips that are not of split test have fewer than two values in "
      "the fold column; rename the column to have groups shared out instead",
      params->location, params->num_folds);
  return FALSE;
wrong_number:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
      "%s: num-folds is %u, but its fold column has %u different values; set num-folds=%u, or "
      "rename the column",
      params->location, params->num_folds, n, n);
  return FALSE;
}

Cnn3dPasses
cnn3d_split_passes (const Cnn3dDatasetParams *params, const Cnn3dRow *row)
{
  if (row->split == CNN3D_SPLIT_TEST)
    return CNN3D_PASSES_TEST;
  if (row->source == 1)
    return CNN3D_PASSES_VAL;
  if (params->num_folds > 0)
    return row->fold == params->fold ? CNN3D_PASSES_VAL : CNN3D_PASSES_TRAIN;
  if (row->split != CNN3D_SPLIT_VAL)
    return CNN3D_PASSES_TRAIN;
  return cnn3d_has_val_location (params) ? CNN3D_PASSES_ALL : CNN3D_PASSES_VAL;
}

/* Notes rows whose split and file contradict each other: val_location says what validates. */
static void
note_contradictions (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params)
{
  guint n_trained = 0, n_unused = 0, n = 0;
  const gchar *first = NULL;

  /* nothing validates in a test, which rows of split test alone are for */
  if (!cnn3d_has_val_location (params) || params->passes == CNN3D_PASSES_TEST)
    return;
  for (guint i = 0; i < dataset->rows->len; i++) {
    const Cnn3dRow *row = &g_array_index (dataset->rows, Cnn3dRow, i);

    if (!cnn3d_dataset_leads (dataset, i))
      continue;
    if (row->source == 0) {
      n_unused += row->split == CNN3D_SPLIT_VAL;
      continue;
    }
    n++;
    if (row->split == CNN3D_SPLIT_TRAIN && n_trained++ == 0)
      first = dataset->arena.data + row->path;
  }
  if (n_trained > 0)
    cnn3d_dataset_note (dataset, TRUE,
        "%s: %u of its %u clips are of split train, the first \"%s\", but validate, because "
        "val-location is set; remove them, or unset val-location if one file has all splits",
        params->val_location, n_trained, n, first);
  if (n_unused > 0)
    cnn3d_dataset_note (dataset, FALSE,
        "%s: %u clips of split val are not used, because val-location is set", params->location,
        n_unused);
}

/* Whether nothing assigns a row to another pass than a test. */
static gboolean
all_test (const Cnn3dDataset *dataset, const Cnn3dDatasetParams *params)
{
  if (params->num_folds > 0 || cnn3d_has_val_location (params))
    return FALSE;
  for (guint i = 0; i < dataset->rows->len; i++)
    if (g_array_index (dataset->rows, Cnn3dRow, i).split != CNN3D_SPLIT_NONE)
      return FALSE;
  return TRUE;
}

/* Sets `error` if a requested pass has no clips. */
static gboolean
is_empty (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error)
{
  const Cnn3dPasses passes = params->passes;
  guint n_clips = 0;

  for (guint i = 0; i < dataset->rows->len; i++)
    n_clips += cnn3d_dataset_leads (dataset, i);
  if (passes <= CNN3D_PASSES_TRAIN && dataset->n_split[TRUE] == 0)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: none of its %u clips is for training; mark some as train in the split column, or "
        "leave it empty",
        params->location, n_clips);
  else if ((passes == CNN3D_PASSES_ALL || passes == CNN3D_PASSES_VAL)
      && cnn3d_has_val_location (params) && dataset->n_split[FALSE] == 0)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: none of its clips is for validation; those of split test only come with passes=test, "
        "so empty their split to validate on them",
        params->val_location);
  else if (passes == CNN3D_PASSES_VAL && dataset->n_split[FALSE] == 0)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: none of its %u clips is for validation; set val-location or num-folds, or mark some "
        "as val in the split column",
        params->location, n_clips);
  else if (passes == CNN3D_PASSES_TEST && dataset->n_split[FALSE] == 0)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: none of its clips is for testing; mark some as test in the split column, or give a "
        "manifest of test clips alone, without splits, val-location and num-folds",
        params->location);
  else
    return FALSE;
  return TRUE;
}

gboolean
cnn3d_split_rows (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error)
{
  const gboolean test_all = params->passes == CNN3D_PASSES_TEST && all_test (dataset, params);
  guint n[2];

  if (params->num_folds > 0 && params->passes != CNN3D_PASSES_TEST) {
    if (!(dataset->has_folds ? fold_column : fold_groups) (dataset, params, error))
      return FALSE;
  }
  /* Counted first, then filled: no growing arrays beside a million rows */
  for (guint pass = 0; pass < 2; pass++) {
    n[0] = n[1] = 0;
    for (guint i = 0; i < dataset->rows->len; i++) {
      Cnn3dPasses passes = test_all
          ? CNN3D_PASSES_TEST
          : cnn3d_split_passes (params, &g_array_index (dataset->rows, Cnn3dRow, i));
      gboolean training = passes == CNN3D_PASSES_TRAIN;

      /* a sample goes by the first of its views, and no view is split off */
      if (!cnn3d_dataset_leads (dataset, i))
        continue;
      if (params->passes == CNN3D_PASSES_ALL
              ? passes != CNN3D_PASSES_TRAIN && passes != CNN3D_PASSES_VAL
              : passes != params->passes)
        continue;
      if (pass == 1)
        dataset->split[training][n[training]] = i;
      n[training]++;
    }
    if (pass == 0) {
      for (guint t = 0; t < 2; t++)
        dataset->split[t] = g_new (guint32, n[t]);
    }
  }
  dataset->n_split[0] = n[0];
  dataset->n_split[1] = n[1];
  note_contradictions (dataset, params);
  return !is_empty (dataset, params, error);
}
