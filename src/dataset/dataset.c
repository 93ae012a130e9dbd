/* dataset.c: creates a data set and answers queries.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/address.h"
#include "src/dataset/dataset-private.h"
#include "src/format.h"

#include <math.h>
#include <string.h>

G_DEFINE_QUARK (cnn3d-dataset-error-quark, cnn3d_dataset_error)

gboolean
cnn3d_dataset_add (Cnn3dDataset *dataset, const Cnn3dRow *row, GError **error)
{
  if (dataset->rows->len >= G_MAXINT32) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
        "More than %d rows; use several manifests", G_MAXINT32);
    return FALSE;
  }
  g_array_append_val (dataset->rows, *row);
  return TRUE;
}

void
cnn3d_dataset_set_full (GError **error, const gchar *file)
{
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
      "%s: more than 4 GiB of text; use shorter paths, relative to root", file);
}

void
cnn3d_dataset_note (Cnn3dDataset *dataset, gboolean warning, const gchar *format, ...)
{
  Cnn3dDatasetNote note = { .warning = warning };
  va_list args;

  va_start (args, format);
  note.text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  g_array_append_val (dataset->notes, note);
}

static void
clear_note (gpointer note)
{
  g_free (((Cnn3dDatasetNote *) note)->text);
}

/* Class numbers follow the sorted names, so that they do not depend on the order of the rows. */
static void
number_classes (Cnn3dDataset *dataset)
{
  const Cnn3dNames *labels = &dataset->labels;
  g_autofree guint32 *order = cnn3d_names_order (labels, &dataset->arena);
  g_autofree guint32 *renumber = g_new (guint32, labels->n + 1);

  dataset->classes = g_new0 (const gchar *, labels->n + 1);
  for (guint i = 0; i < labels->n; i++) {
    dataset->classes[i] = dataset->arena.data + labels->offsets[order[i]];
    renumber[order[i]] = i;
  }
  for (guint i = 0; i < dataset->rows->len; i++) {
    Cnn3dRow *row = &g_array_index (dataset->rows, Cnn3dRow, i);

    row->label = renumber[row->label];
  }
}

/* For training: a test or validation set alone may have one class. An explicit validation set with
 * a class that no training clip has is most often a misspelt label. */
static gboolean
check_classes (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error)
{
  guint n = dataset->labels.n;
  gboolean *trained = g_new0 (gboolean, n + 1);
  const Cnn3dRow *row;
  guint n_trained = 0;
  gboolean ok = FALSE;

  for (guint i = 0; i < dataset->n_split[TRUE]; i++) {
    row = &g_array_index (dataset->rows, Cnn3dRow, dataset->split[TRUE][i]);
    n_trained += !trained[row->label];
    trained[row->label] = TRUE;
  }
  if (n_trained < 2)
    goto one_class;
  if (params->num_folds == 0) {
    for (guint i = 0; i < dataset->n_split[FALSE]; i++) {
      row = &g_array_index (dataset->rows, Cnn3dRow, dataset->split[FALSE][i]);
      if (!trained[row->label])
        goto untrained;
    }
  }
  ok = TRUE;
  goto done;

  /* ERRORS */
one_class:
  row = &g_array_index (dataset->rows, Cnn3dRow, dataset->split[TRUE][0]);
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
      "%s: all training clips are of one class, \"%s\"; training needs at least two",
      params->location, dataset->classes[row->label]);
  goto done;
untrained:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_CLASSES,
      "%s: the validation clip \"%s\" is of class \"%s\", which no training clip is of; correct "
      "the label, or add training clips of that class",
      cnn3d_has_val_location (params) ? params->val_location : params->location,
      dataset->arena.data + row->path, dataset->classes[row->label]);
done:
  g_free (trained);
  return ok;
}

static gboolean
check_params (const Cnn3dDatasetParams *params, GError **error)
{
  if (!params->location || !*params->location)
    g_set_error_literal (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "No location; give a manifest or a folder of class folders");
  else if (params->num_folds == 1)
    g_set_error_literal (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "num-folds is 1, which leaves nothing to train on; use 0 (no folds) or 2 and more");
  else if (params->num_folds > G_MAXUINT16)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "num-folds is %u; at most %u are possible", params->num_folds, G_MAXUINT16);
  else if (params->num_folds == 0 && params->fold > 0)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "fold is %u, but num-folds is 0; set num-folds too", params->fold);
  else if (params->num_folds > 0 && params->fold >= params->num_folds)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "fold is %u, but num-folds is %u; fold counts from 0 to %u", params->fold,
        params->num_folds, params->num_folds - 1);
  else if (params->num_folds > 0 && cnn3d_has_val_location (params))
    g_set_error_literal (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "Both num-folds and val-location are set; set only one of them");
  else
    return TRUE;
  return FALSE;
}

Cnn3dDataset *
cnn3d_dataset_new (const Cnn3dDatasetParams *params, GError **error)
{
  Cnn3dDataset *dataset;

  g_return_val_if_fail (params != NULL, NULL);
  if (!check_params (params, error))
    return NULL;
  dataset = g_new0 (Cnn3dDataset, 1);
  dataset->rows = g_array_new (FALSE, FALSE, sizeof (Cnn3dRow));
  dataset->notes = g_array_new (FALSE, FALSE, sizeof (Cnn3dDatasetNote));
  g_array_set_clear_func (dataset->notes, clear_note);
  if (!cnn3d_views_want (dataset, params->views, error)
      || !cnn3d_readers_read (dataset, params, params->location, 0, error))
    goto failed;
  if (cnn3d_has_val_location (params)
      && !cnn3d_readers_read (dataset, params, params->val_location, 1, error))
    goto failed;
  number_classes (dataset);
  if (params->classes_location && *params->classes_location
      && !cnn3d_class_names_apply (dataset, params->classes_location, error))
    goto failed;
  if (!cnn3d_class_names_check_several (dataset, params->location, error))
    goto failed;
  cnn3d_class_names_compare (dataset);
  if (!cnn3d_views_finish (dataset, params, error))
    goto failed;
  if (!params->rows_only && !cnn3d_split_rows (dataset, params, error))
    goto failed;
  if (!params->rows_only && params->passes <= CNN3D_PASSES_TRAIN
      && !check_classes (dataset, params, error))
    goto failed;
  cnn3d_leakage_note (dataset, params);
  cnn3d_names_drop_slots (&dataset->labels);
  cnn3d_names_drop_slots (&dataset->groups);
  cnn3d_names_drop_slots (&dataset->folds);
  cnn3d_names_drop_slots (&dataset->views);
  if (!params->rows_only)
    cnn3d_names_clear (&dataset->folds);
  return dataset;

  /* ERRORS */
failed:
  cnn3d_dataset_free (dataset);
  return NULL;
}

void
cnn3d_dataset_free (Cnn3dDataset *dataset)
{
  if (!dataset)
    return;
  g_free (dataset->arena.data);
  g_array_unref (dataset->rows);
  g_array_unref (dataset->notes);
  cnn3d_names_clear (&dataset->labels);
  cnn3d_names_clear (&dataset->groups);
  cnn3d_names_clear (&dataset->folds);
  cnn3d_names_clear (&dataset->views);
  g_free (dataset->view_names);
  g_free (dataset->mates);
  g_free (dataset->classes);
  for (guint i = 0; i < 2; i++) {
    g_free (dataset->roots[i]);
    g_free (dataset->split[i]);
  }
  g_free (dataset);
}

const gchar *const *
cnn3d_dataset_classes (const Cnn3dDataset *dataset)
{
  return dataset->classes;
}

guint
cnn3d_dataset_num_classes (const Cnn3dDataset *dataset)
{
  return dataset->labels.n;
}

guint
cnn3d_dataset_num_rows (const Cnn3dDataset *dataset)
{
  return dataset->rows->len;
}

void
cnn3d_dataset_row (const Cnn3dDataset *dataset, guint row, Cnn3dDatasetRow *out)
{
  static const gchar *const splits[] = { NULL, "train", "val", "test" };
  const Cnn3dRow *r = &g_array_index (dataset->rows, Cnn3dRow, row);

  out->split = splits[r->split];
  out->fold = dataset->has_folds && dataset->folds.n
      ? dataset->arena.data + dataset->folds.offsets[r->fold]
      : NULL;
  out->path = dataset->arena.data + r->path;
  out->group =
      r->group == CNN3D_NAME_NONE ? NULL : dataset->arena.data + dataset->groups.offsets[r->group];
  out->view =
      r->view == CNN3D_VIEW_NONE ? NULL : dataset->arena.data + dataset->views.offsets[r->view];
  out->label = (gint) r->label;
  out->start = r->start;
  out->end = r->end;
  out->in_frames = r->in_frames;
  out->fps = r->fps;
  out->keypoints = r->keypoints == CNN3D_ARENA_FULL ? NULL : dataset->arena.data + r->keypoints;
}

const Cnn3dDatasetNote *
cnn3d_dataset_notes (const Cnn3dDataset *dataset, guint *n)
{
  *n = dataset->notes->len;
  return (const Cnn3dDatasetNote *) dataset->notes->data;
}

const gchar *
cnn3d_dataset_format (const Cnn3dDataset *dataset, gboolean val)
{
  return dataset->formats[val != FALSE];
}

gchar *
cnn3d_dataset_file (const gchar *root, const gchar *path)
{
  if (g_str_has_prefix (path, "file://")) {
    gchar *file = g_filename_from_uri (path, NULL, NULL);

    if (file)
      return file;
  }
  if (g_path_is_absolute (path) || cnn3d_is_address (path))
    return g_strdup (path);
  return g_build_filename (root, path, NULL);
}

gchar *
cnn3d_dataset_path (const Cnn3dDataset *dataset, guint row)
{
  const Cnn3dRow *r = &g_array_index (dataset->rows, Cnn3dRow, row);

  return cnn3d_dataset_file (dataset->roots[r->source], dataset->arena.data + r->path);
}

const guint32 *
cnn3d_dataset_split (const Cnn3dDataset *dataset, gboolean training, guint *n)
{
  *n = dataset->n_split[training != FALSE];
  return dataset->split[training != FALSE];
}

gsize
cnn3d_dataset_memory (const Cnn3dDataset *dataset)
{
  return sizeof *dataset + dataset->arena.capacity + (gsize) dataset->rows->len * sizeof (Cnn3dRow)
      + ((gsize) dataset->labels.capacity + dataset->groups.capacity) * sizeof (guint32)
      + ((gsize) dataset->n_split[0] + dataset->n_split[1]) * sizeof (guint32)
      + (dataset->mates ? (gsize) dataset->rows->len * sizeof (guint32) : 0);
}
