/* Annotations: a file gives a data set or an error, and the data set's own manifest gives the same
 * rows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "src/dataset/dataset.h"
#include "tests/fuzz/target.h"

/* Manifests write unusual file names as addresses. */
static gboolean
same_file (const Cnn3dDataset *a, const Cnn3dDataset *b, guint row)
{
  g_autofree gchar *x = cnn3d_dataset_path (a, row), *y = cnn3d_dataset_path (b, row);
  g_autofree gchar *full_x = g_canonicalize_filename (x, fuzz_folder ()),
                   *full_y = g_canonicalize_filename (y, fuzz_folder ());

  return strcmp (full_x, full_y) == 0;
}

static gboolean
same_row (const Cnn3dDataset *a, const Cnn3dDataset *b, guint row)
{
  Cnn3dDatasetRow x, y;

  cnn3d_dataset_row (a, row, &x);
  cnn3d_dataset_row (b, row, &y);
  return (strcmp (x.path, y.path) == 0 || same_file (a, b, row))
      && g_strcmp0 (x.group, y.group) == 0 && g_strcmp0 (x.view, y.view) == 0
      && g_strcmp0 (x.split, y.split) == 0
      && strcmp (cnn3d_dataset_classes (a)[x.label], cnn3d_dataset_classes (b)[y.label]) == 0
      && x.start == y.start
      && x.end == y.end
      /* for a whole file it has no meaning */
      && (x.in_frames == y.in_frames || (x.start == 0 && isinf (x.end)));
}

static void
compare_manifest (const Cnn3dDataset *dataset)
{
  g_autofree gchar *text = cnn3d_dataset_manifest (dataset, fuzz_folder ());
  const Cnn3dDatasetParams params = { .location = fuzz_put ("manifest", text, strlen (text)),
    .rows_only = TRUE };
  g_autoptr (GError) error = NULL;
  Cnn3dDataset *again = cnn3d_dataset_new (&params, &error);

  if (!again)
    fuzz_fail ("a manifest that cannot be read", error->message);
  if (cnn3d_dataset_num_rows (again) != cnn3d_dataset_num_rows (dataset))
    fuzz_fail ("a manifest of other rows", text);
  for (guint i = 0; i < cnn3d_dataset_num_rows (dataset); i++)
    if (!same_row (dataset, again, i))
      fuzz_fail ("a manifest with another row", text);
  cnn3d_dataset_free (again);
}

/* Each sample has one row that leads, and each of its rows another view. all: no row is left out */
static void
check_samples (const Cnn3dDataset *dataset, gboolean all)
{
  guint n, rows = 0;
  guint32 of[256];

  cnn3d_dataset_views (dataset, &n);
  for (guint i = 0; n > 0 && i < cnn3d_dataset_num_rows (dataset); i++) {
    if (!cnn3d_dataset_leads (dataset, i))
      continue;
    cnn3d_dataset_view_rows (dataset, i, of);
    for (guint view = 0; view < n; view++) {
      rows += of[view] != CNN3D_DATASET_NO_ROW;
      if (of[view] < i
          || (of[view] != CNN3D_DATASET_NO_ROW && of[view] != i
              && cnn3d_dataset_leads (dataset, of[view])))
        fuzz_fail ("a sample that another row leads", NULL);
    }
  }
  if (n > 0 && (rows == 0 || (all && rows != cnn3d_dataset_num_rows (dataset))))
    fuzz_fail ("a row without a sample", NULL);
}

static void
check (const Cnn3dDatasetParams *params)
{
  g_autoptr (GError) error = NULL;
  Cnn3dDataset *dataset = cnn3d_dataset_new (params, &error);
  guint views;

  fuzz_check_error (dataset != NULL, error);
  if (!dataset)
    return;
  if (cnn3d_dataset_num_rows (dataset) == 0 || cnn3d_dataset_num_classes (dataset) == 0)
    fuzz_fail ("a data set without rows", NULL);
  for (guint i = 0; i < cnn3d_dataset_num_rows (dataset); i++)
    g_free (cnn3d_dataset_path (dataset, i));
  check_samples (dataset, !params->views);
  /* of one file as training and validation set, each sample would be in both splits; and rows that
   * were left out need not be samples */
  cnn3d_dataset_views (dataset, &views);
  if (views == 0 || (!params->val_location && !params->views))
    compare_manifest (dataset);
  cnn3d_dataset_free (dataset);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const gchar *path = fuzz_put ("annotations", data, size);
  const Cnn3dDatasetParams plain = { .location = path, .rows_only = TRUE },
                           named = { .location = path, .views = "front,1", .rows_only = TRUE },
                           all = { .location = path,
                             .val_location = path,
                             .classes_location = path,
                             .annotator = "1",
                             .background = "nothing",
                             .passes = CNN3D_PASSES_ALL };

  check (&plain);
  check (&named);
  check (&all);
  return 0;
}
