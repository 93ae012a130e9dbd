/* views.c: samples of several views: the rows of one group and segment, of which each is another
 * camera's.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* So many names are shown. */
#define MAX_SHOWN 10

typedef enum {
  FAULT_NONE,
  FAULT_NO_VIEW,
  FAULT_NO_GROUP,
  FAULT_VIEW,
  FAULT_LABEL,
  FAULT_SPLIT,
  FAULT_FOLD,
} Fault;

/* The first wrong row of a source. */
typedef struct {
  Fault fault;
  guint row, other; /* other: the one of the same sample that it contradicts */
} Finding;

static Cnn3dRow *
row_at (const Cnn3dDataset *dataset, guint row)
{
  return &g_array_index (dataset->rows, Cnn3dRow, row);
}

static const gchar *
view_name (const Cnn3dDataset *dataset, guint view)
{
  return dataset->arena.data + dataset->views.offsets[view];
}

/* --- which views there are --- */

gboolean
cnn3d_views_want (Cnn3dDataset *dataset, const gchar *names, GError **error)
{
  g_auto (GStrv) wanted = NULL;

  if (!names || !*names)
    return TRUE;
  wanted = g_strsplit (names, ",", -1);
  for (guint i = 0; wanted[i]; i++) {
    const gchar *name = g_strstrip (wanted[i]);

    if (!*name)
      goto empty;
    if (i == CNN3D_DATASET_MOST_VIEWS)
      goto many;
    if (cnn3d_names_intern (&dataset->views, &dataset->arena, name, strlen (name)) != i)
      goto twice;
  }
  dataset->n_views = dataset->views.n;
  dataset->views_wanted = TRUE;
  return TRUE;

  /* ERRORS */
empty:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
      "views is \"%s\", which has an empty name; put one comma between two names", names);
  return FALSE;
many:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
      "views has more than %d names", CNN3D_DATASET_MOST_VIEWS);
  return FALSE;
twice:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
      "views is \"%s\", which has a name twice; name each view once", names);
  return FALSE;
}

/* How many different views rows may name. */
static guint
most_named (const Cnn3dDataset *dataset)
{
  return dataset->views_wanted ? CNN3D_DATASET_MOST_CAMERAS : CNN3D_DATASET_MOST_VIEWS;
}

guint8
cnn3d_views_find (Cnn3dReading *reading, const gchar *name, gsize size, const gchar *at)
{
  Cnn3dDataset *dataset = reading->dataset;
  guint32 view;

  if (size == 0)
    return CNN3D_VIEW_NONE;
  cnn3d_views_begin (reading);
  view = cnn3d_names_find (&dataset->views, &dataset->arena, name, size);
  if (view != CNN3D_NAME_NONE)
    return (guint8) view;
  if (dataset->views.n == most_named (dataset)) {
    reading->too_many_views = reading->too_many_views ? reading->too_many_views : at;
    return CNN3D_VIEW_NONE;
  }
  view = cnn3d_names_intern (&dataset->views, &dataset->arena, name, size);
  /* a full arena is an error of the row */
  return view == CNN3D_NAME_NONE ? CNN3D_VIEW_NONE : (guint8) view;
}

void
cnn3d_views_begin (Cnn3dReading *reading)
{
  if (reading->places)
    return;
  reading->places = g_array_new (FALSE, TRUE, sizeof (const gchar *));
  /* those that came before any view was named */
  g_array_set_size (reading->places, reading->dataset->rows->len - reading->first_row);
}

/* --- which rows are one sample --- */

/* A segment that is all of its video has no unit. */
static gboolean
counts_frames (const Cnn3dRow *row)
{
  return row->in_frames && (row->start > 0 || isfinite (row->end));
}

/* By group and segment, then in the listed order. */
static gint
compare_rows (gconstpointer a, gconstpointer b)
{
  const Cnn3dRow *x = *(const Cnn3dRow *const *) a, *y = *(const Cnn3dRow *const *) b;

  if (x->group != y->group)
    return x->group < y->group ? -1 : 1;
  if (x->start != y->start)
    return x->start < y->start ? -1 : 1;
  if (x->end != y->end)
    return x->end < y->end ? -1 : 1;
  if (counts_frames (x) != counts_frames (y))
    return counts_frames (x) ? 1 : -1;
  return x < y ? -1 : x > y;
}

static gboolean
is_same_sample (const Cnn3dRow *x, const Cnn3dRow *y)
{
  return x->group == y->group && x->start == y->start && x->end == y->end
      && counts_frames (x) == counts_frames (y);
}

static void
find_fault (const Cnn3dDataset *dataset, Finding *finding, Fault fault, const Cnn3dRow *row,
    const Cnn3dRow *other)
{
  const guint number = row - row_at (dataset, 0);

  if (finding->fault != FAULT_NONE && finding->row <= number)
    return;
  finding->fault = fault;
  finding->row = number;
  finding->other = other - row_at (dataset, 0);
}

/* Links the rows of a sample in a circle. rows: [n], in the listed order */
static void
link_sample (Cnn3dDataset *dataset, const Cnn3dRow *const *rows, guint n, Finding *finding)
{
  const Cnn3dRow *seen[CNN3D_DATASET_MOST_VIEWS] = { NULL };

  for (guint i = 0; i < n; i++) {
    const Cnn3dRow *row = rows[i];

    if (seen[row->view])
      find_fault (dataset, finding, FAULT_VIEW, row, seen[row->view]);
    else if (row->label != rows[0]->label)
      find_fault (dataset, finding, FAULT_LABEL, row, rows[0]);
    else if (row->split != rows[0]->split)
      find_fault (dataset, finding, FAULT_SPLIT, row, rows[0]);
    else if (dataset->has_folds && row->split != CNN3D_SPLIT_TEST && row->fold != rows[0]->fold)
      find_fault (dataset, finding, FAULT_FOLD, row, rows[0]);
    seen[row->view] = row;
    dataset->mates[row - row_at (dataset, 0)] = rows[(i + 1) % n] - row_at (dataset, 0);
  }
}

static void
link_samples (Cnn3dDataset *dataset, guint first, Finding *finding)
{
  const guint most = dataset->rows->len - first;
  const Cnn3dRow **rows = g_new (const Cnn3dRow *, most);
  guint n = 0;

  dataset->mates = g_renew (guint32, dataset->mates, dataset->rows->len);
  for (guint i = first; i < dataset->rows->len; i++) {
    const Cnn3dRow *row = row_at (dataset, i);
    const Fault fault = row->view == CNN3D_VIEW_NONE ? FAULT_NO_VIEW
        : row->group == CNN3D_NAME_NONE              ? FAULT_NO_GROUP
                                                     : FAULT_NONE;

    dataset->mates[i] = CNN3D_DATASET_NO_ROW;
    if (fault != FAULT_NONE)
      find_fault (dataset, finding, fault, row, row);
    else if (!dataset->views_wanted || row->view < dataset->n_views)
      rows[n++] = row;
  }
  qsort (rows, n, sizeof *rows, compare_rows);
  for (guint i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && is_same_sample (rows[i], rows[end]); end++)
      ;
    link_sample (dataset, rows + i, end - i, finding);
  }
  g_free (rows);
}

/* --- a source --- */

/* The place of a row; of those before the first that names a view, that one's. */
static const gchar *
place_of (const Cnn3dReading *reading, guint row)
{
  const gchar *const *places = (const gchar *const *) reading->places->data;

  for (guint i = row - reading->first_row; i < reading->places->len; i++)
    if (places[i])
      return places[i];
  return reading->text;
}

static void
set_fault (const Cnn3dReading *reading, const Finding *finding, GError **error)
{
  const Cnn3dDataset *dataset = reading->dataset;
  const Cnn3dRow *row = row_at (dataset, finding->row), *other = row_at (dataset, finding->other);
  const gchar *at = place_of (reading, finding->row);
  const guint line = cnn3d_reading_line_number (reading, place_of (reading, finding->other));

  switch (finding->fault) {
    case FAULT_NO_VIEW:
      cnn3d_reading_error (
          reading, at, error, "the view is missing; name it as other rows do, or remove the row");
      break;
    case FAULT_NO_GROUP:
      cnn3d_reading_error (reading, at, error,
          "the group is missing; rows of the same group are the views of one sample");
      break;
    case FAULT_VIEW:
      cnn3d_reading_error (reading, at, error,
          "the view \"%s\" of this group and segment is in line %u already; give each recording "
          "a group of its own, or rename the view",
          view_name (dataset, row->view), line);
      break;
    case FAULT_LABEL:
      cnn3d_reading_error (reading, at, error,
          "the label \"%s\" is not that of line %u, \"%s\", another view of this group and "
          "segment; correct one, or give each recording a group of its own",
          dataset->arena.data + dataset->labels.offsets[row->label], line,
          dataset->arena.data + dataset->labels.offsets[other->label]);
      break;
    case FAULT_SPLIT:
      cnn3d_reading_error (reading, at, error,
          "the split is not that of line %u, another view of this group and segment; put all "
          "views of a sample into one split",
          line);
      break;
    case FAULT_FOLD:
      cnn3d_reading_error (reading, at, error,
          "the fold is not that of line %u, another view of this group and segment; put all "
          "views of a sample into one fold",
          line);
      break;
    case FAULT_NONE:
      break;
  }
}

gboolean
cnn3d_views_end (Cnn3dReading *reading, GError **error)
{
  Cnn3dDataset *dataset = reading->dataset;
  Finding finding = { FAULT_NONE };
  gboolean views = FALSE, groups = FALSE;

  for (guint i = reading->first_row; i < dataset->rows->len; i++) {
    views |= row_at (dataset, i)->view != CNN3D_VIEW_NONE;
    groups |= row_at (dataset, i)->group != CNN3D_NAME_NONE;
  }
  if (!views && !dataset->views_wanted)
    return TRUE;
  if (!views)
    goto no_views;
  if (!groups && !dataset->views_wanted) {
    cnn3d_dataset_note (dataset, TRUE,
        "%s: views are named, but no row has a group: each row is a clip of its own; rows of the "
        "same group would be the views of one sample",
        reading->location);
    return TRUE;
  }
  if (reading->too_many_views)
    goto too_many;
  link_samples (dataset, reading->first_row, &finding);
  dataset->has_views[reading->source] = TRUE;
  if (finding.fault != FAULT_NONE)
    set_fault (reading, &finding, error);
  return finding.fault == FAULT_NONE;

  /* ERRORS */
no_views:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
      "%s: views is set, but no row names its view; add a column view", reading->location);
  return FALSE;
too_many:
  cnn3d_reading_error (reading, reading->too_many_views, error,
      "more than %u different views; is this the view?", most_named (dataset));
  return FALSE;
}

/* --- the data set --- */

/* "a, b, c and 7 more" */
static gchar *
list_names (const Cnn3dDataset *dataset, guint from)
{
  GString *text = g_string_new (NULL);
  const guint n = dataset->views.n;

  for (guint i = from; i < MIN (n, from + MAX_SHOWN); i++)
    g_string_append_printf (text, "%s%s", i > from ? ", " : "", view_name (dataset, i));
  if (n > from + MAX_SHOWN)
    g_string_append_printf (text, " and %u more", n - from - MAX_SHOWN);
  return g_string_free (text, FALSE);
}

/* A name that no row is of is a mistake where rows are of others that are not wanted; else the data
 * set lacks this view. Notes the rows that are left out. */
static gboolean
check_wanted (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error)
{
  gboolean used[CNN3D_DATASET_MOST_CAMERAS] = { FALSE };
  g_autofree gchar *others = list_names (dataset, dataset->n_views);
  guint left_out = 0;

  for (guint i = 0; i < dataset->rows->len; i++) {
    used[row_at (dataset, i)->view] = TRUE;
    left_out += row_at (dataset, i)->view >= dataset->n_views;
  }
  for (guint view = 0; view < dataset->n_views && left_out > 0; view++)
    if (!used[view]) {
      g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
          "%s: views has \"%s\", which no row is of; others are %s", params->location,
          view_name (dataset, view), others);
      return FALSE;
    }
  if (left_out > 0)
    cnn3d_dataset_note (dataset, FALSE,
        "%s: %u rows are left out, of views that are not wanted: %s", params->location, left_out,
        others);
  return TRUE;
}

/* Views that are not asked for by name follow the sorted names, as classes do. */
static void
sort_views (Cnn3dDataset *dataset)
{
  Cnn3dNames *views = &dataset->views;
  g_autofree guint32 *order = cnn3d_names_order (views, &dataset->arena);
  guint32 offsets[CNN3D_DATASET_MOST_VIEWS];
  guint8 renumber[CNN3D_DATASET_MOST_VIEWS];

  for (guint i = 0; i < views->n; i++) {
    offsets[i] = views->offsets[order[i]];
    renumber[order[i]] = (guint8) i;
  }
  memcpy (views->offsets, offsets, views->n * sizeof *offsets);
  cnn3d_names_drop_slots (views);
  for (guint i = 0; i < dataset->rows->len; i++)
    row_at (dataset, i)->view = renumber[row_at (dataset, i)->view];
  dataset->n_views = views->n;
}

static void
note_samples (Cnn3dDataset *dataset, guint source, const gchar *location)
{
  guint samples = 0, whole = 0, several = 0;

  for (guint i = 0; i < dataset->rows->len; i++) {
    guint n = 1;

    if (row_at (dataset, i)->source != source || !cnn3d_dataset_leads (dataset, i))
      continue;
    for (guint row = dataset->mates[i]; row != i; row = dataset->mates[row])
      n++;
    samples++;
    whole += n == dataset->n_views;
    several += n > 1;
  }
  if (dataset->n_views < 2 || samples == 0)
    return;
  if (several == 0)
    cnn3d_dataset_note (dataset, TRUE,
        "%s: no sample has more than one view; rows of one sample have the same group, start and "
        "end",
        location);
  else if (whole < samples)
    cnn3d_dataset_note (dataset, whole == 0, "%s: %u of %u samples have not all %u views", location,
        samples - whole, samples, dataset->n_views);
}

gboolean
cnn3d_views_finish (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, GError **error)
{
  const gboolean val = cnn3d_has_val_location (params);

  if (!dataset->has_views[0] && !dataset->has_views[1])
    return TRUE;
  if (val && dataset->has_views[0] != dataset->has_views[1])
    goto one_source;
  if (dataset->views_wanted) {
    if (!check_wanted (dataset, params, error))
      return FALSE;
  } else {
    sort_views (dataset);
  }
  dataset->view_names = g_new0 (const gchar *, dataset->n_views + 1);
  for (guint view = 0; view < dataset->n_views; view++)
    dataset->view_names[view] = view_name (dataset, view);
  note_samples (dataset, 0, params->location);
  if (val)
    note_samples (dataset, 1, params->val_location);
  return TRUE;

  /* ERRORS */
one_source:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
      "%s has views, but %s has none; name groups and views in both, or in neither",
      dataset->has_views[0] ? params->location : params->val_location,
      dataset->has_views[0] ? params->val_location : params->location);
  return FALSE;
}

const gchar *const *
cnn3d_dataset_views (const Cnn3dDataset *dataset, guint *n)
{
  *n = dataset->view_names ? dataset->n_views : 0;
  return dataset->view_names;
}

gboolean
cnn3d_dataset_wants (const Cnn3dDataset *dataset, guint row)
{
  return !dataset->mates || dataset->mates[row] != CNN3D_DATASET_NO_ROW;
}

gboolean
cnn3d_dataset_leads (const Cnn3dDataset *dataset, guint row)
{
  if (!dataset->mates)
    return TRUE;
  if (!cnn3d_dataset_wants (dataset, row))
    return FALSE;
  /* the circle goes up in the listed order, but for its end */
  for (guint mate = dataset->mates[row]; mate != row; mate = dataset->mates[mate])
    if (mate < row)
      return FALSE;
  return TRUE;
}

void
cnn3d_dataset_view_rows (const Cnn3dDataset *dataset, guint row, guint32 *rows)
{
  guint mate = row;

  for (guint view = 0; view < dataset->n_views; view++)
    rows[view] = CNN3D_DATASET_NO_ROW;
  do {
    rows[row_at (dataset, mate)->view] = mate;
    mate = dataset->mates[mate];
  } while (mate != row);
}
