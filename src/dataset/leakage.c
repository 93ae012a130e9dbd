/* leakage.c: clips that are on both sides of the split, and rows that are listed twice.
 * A model that has seen a file's frames, or a person, in training does better on them than
 * on others.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/address.h"
#include "src/dataset/dataset-private.h"
#include "src/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Windows that overlap by less, in seconds or frames, only meet: a frame counts as on time when it
 * is half a millisecond early. */
#define LEAST_OVERLAP 0.0005

/* Bits, of rows or groups: found among the training, validation and test clips */
enum {
  TRAIN = 1 << 0,
  VAL = 1 << 1,
  TEST = 1 << 2,
  TWICE = 1 << 3,
};

typedef struct {
  Cnn3dDataset *dataset;
  const Cnn3dDatasetParams *params;
  gchar *roots[2]; /* canonical; "" is / */
  GStringChunk *built;

  /* Files by their path below the first root, else their whole one; not copied where rows have it */
  const gchar **names;
  guint n_files;
  guint32 *slots; /* number + 1; 0: free */
  guint n_slots;

  const Cnn3dRow **rows; /* by file */
  guint32 *ends;         /* of each file's rows in `rows` */
  guint8 *found;         /* of each row: VAL, TEST, TWICE */
} Leakage;

static const Cnn3dRow *
row_at (const Leakage *leakage, guint row)
{
  return &g_array_index (leakage->dataset->rows, Cnn3dRow, row);
}

/* --- which rows are of one file --- */

/* Whether a relative path needs no resolving: no empty, hidden, . or .. part, and no address. */
static gboolean
is_plain (const gchar *path)
{
  if (*path == '.' || *path == '/')
    return FALSE;
  for (const gchar *slash = strchr (path, '/'); slash; slash = strchr (slash + 1, '/'))
    if (slash[1] == '/' || slash[1] == '.' || slash[1] == '\0')
      return FALSE;
  return TRUE;
}

static const gchar *
below_root (const Leakage *leakage, const gchar *path)
{
  const gsize size = strlen (leakage->roots[0]);

  return strncmp (path, leakage->roots[0], size) == 0 && path[size] == '/' ? path + size + 1 : path;
}

static const gchar *
name_of (Leakage *leakage, const Cnn3dRow *row)
{
  const gchar *path = leakage->dataset->arena.data + row->path, *root = leakage->roots[row->source];
  g_autofree gchar *file = NULL, *canonical = NULL;

  if (is_plain (path) && strcmp (root, leakage->roots[0]) == 0)
    return path;
  if (*path == '/' && is_plain (path + 1))
    return below_root (leakage, path);
  if (cnn3d_is_address (path) && !g_str_has_prefix (path, "file://"))
    return path;
  file = cnn3d_dataset_file (*root ? root : "/", path);
  canonical = g_canonicalize_filename (file, "/");
  return g_string_chunk_insert (leakage->built, below_root (leakage, canonical));
}

static guint32
intern (Leakage *leakage, const gchar *name)
{
  guint at = cnn3d_hash_bytes (name, strlen (name)) & (leakage->n_slots - 1);

  while (leakage->slots[at]) {
    if (strcmp (leakage->names[leakage->slots[at] - 1], name) == 0)
      return leakage->slots[at] - 1;
    at = (at + 1) & (leakage->n_slots - 1);
  }
  leakage->names[leakage->n_files] = name;
  leakage->slots[at] = ++leakage->n_files;
  return leakage->n_files - 1;
}

/* Puts each file's rows together, in the listed order. */
static void
sort_by_file (Leakage *leakage)
{
  const guint n = leakage->dataset->rows->len;
  g_autofree guint32 *files = g_new (guint32, n);
  const gchar *last = NULL;
  guint32 file = 0, begin = 0;

  for (leakage->n_slots = 64; leakage->n_slots < n + n / 2; leakage->n_slots *= 2)
    ;
  leakage->slots = g_new0 (guint32, leakage->n_slots);
  leakage->names = g_new (const gchar *, n);
  leakage->ends = g_new0 (guint32, n);
  for (guint i = 0; i < n; i++) {
    const gchar *name;

    if (!cnn3d_dataset_wants (leakage->dataset, i)) {
      files[i] = G_MAXUINT32;
      continue;
    }
    name = name_of (leakage, row_at (leakage, i));
    if (!last || strcmp (last, name) != 0)
      file = intern (leakage, name);
    files[i] = file;
    leakage->ends[file]++;
    last = name;
  }
  g_clear_pointer (&leakage->slots, g_free);
  g_clear_pointer (&leakage->names, g_free);
  leakage->rows = g_new (const Cnn3dRow *, n);
  /* beginnings first, which become ends */
  for (file = 0; file < leakage->n_files; file++) {
    const guint32 size = leakage->ends[file];

    leakage->ends[file] = begin;
    begin += size;
  }
  for (guint i = 0; i < n; i++)
    if (files[i] != G_MAXUINT32)
      leakage->rows[leakage->ends[files[i]]++] = row_at (leakage, i);
}

/* --- windows of one file --- */

static gboolean
is_whole (const Cnn3dRow *row)
{
  return row->start <= 0 && isinf (row->end);
}

/* As far as a clip, its label and its split go. */
static gint
compare_clips (const Cnn3dRow *x, const Cnn3dRow *y)
{
  if (x->start != y->start)
    return x->start < y->start ? -1 : 1;
  if (x->end != y->end)
    return x->end < y->end ? -1 : 1;
  if (!is_whole (x) && x->in_frames != y->in_frames)
    return x->in_frames ? 1 : -1;
  if (x->label != y->label)
    return x->label < y->label ? -1 : 1;
  if (x->view != y->view)
    return x->view < y->view ? -1 : 1;
  if (x->split != y->split)
    return x->split - y->split;
  return x->source - y->source;
}

static gint
compare_rows (gconstpointer a, gconstpointer b)
{
  const Cnn3dRow *x = *(const Cnn3dRow *const *) a, *y = *(const Cnn3dRow *const *) b;
  const gint order = compare_clips (x, y);

  return order ? order : x < y ? -1 : x > y;
}

static guint8
side_of (const Leakage *leakage, const Cnn3dRow *row)
{
  const Cnn3dDatasetParams *params = leakage->params;

  switch (cnn3d_split_passes (params, row)) {
    case CNN3D_PASSES_TRAIN:
      return TRAIN;
    case CNN3D_PASSES_VAL:
      /* folds are not assigned for a test, which the rest may have trained for */
      return params->passes != CNN3D_PASSES_TEST ? VAL : params->num_folds > 0 ? TRAIN : 0;
    case CNN3D_PASSES_TEST:
      return TEST;
    default:
      return 0;
  }
}

/* Marks a row's clip: with views, the row that leads. */
static void
mark (const Leakage *leakage, const Cnn3dRow *row, guint8 what)
{
  const guint32 *mates = leakage->dataset->mates;
  const guint32 number = row - row_at (leakage, 0);
  guint32 lead = number;

  for (guint32 mate = mates ? mates[number] : number; mate != number; mate = mates[mate])
    lead = MIN (lead, mate);
  leakage->found[lead] |= what;
}

/* rows: sorted by their start. Frames and seconds cannot be compared, unless a row is all of the
 * file. */
static void
mark_overlaps (const Leakage *leakage, const Cnn3dRow *const *rows, guint n)
{
  gdouble end[2] = { 0, 0 }, start[2] = { INFINITY, INFINITY }; /* of training windows, by unit */

  for (guint i = 0; i < n; i++) {
    const Cnn3dRow *row = rows[i];
    const guint8 side = side_of (leakage, row);

    for (guint frames = 0; frames < 2; frames++) {
      if (!is_whole (row) && row->in_frames != frames)
        continue;
      if (side == TRAIN)
        end[frames] = MAX (end[frames], row->end);
      else if (end[frames] > row->start + LEAST_OVERLAP)
        mark (leakage, row, side);
    }
  }
  for (guint i = n; i-- > 0;) {
    const Cnn3dRow *row = rows[i];
    const guint8 side = side_of (leakage, row);

    for (guint frames = 0; frames < 2; frames++) {
      if (!is_whole (row) && row->in_frames != frames)
        continue;
      if (side == TRAIN)
        start[frames] = row->start;
      else if (start[frames] + LEAST_OVERLAP < row->end)
        mark (leakage, row, side);
    }
  }
}

static void
mark_file (const Leakage *leakage, const Cnn3dRow **rows, guint n)
{
  guint8 sides = 0;

  if (n < 2)
    return;
  qsort (rows, n, sizeof *rows, compare_rows);
  for (guint i = 0; i < n; i++) {
    sides |= side_of (leakage, rows[i]);
    if (i > 0 && compare_clips (rows[i - 1], rows[i]) == 0)
      mark (leakage, rows[i], TWICE);
  }
  if ((sides & TRAIN) && (sides & (VAL | TEST)))
    mark_overlaps (leakage, rows, n);
}

/* --- notes --- */

/* How many rows are marked; *first: the first of them. */
static guint
count_marked (const Leakage *leakage, guint8 what, const Cnn3dRow **first)
{
  guint n = 0;

  *first = row_at (leakage, 0);
  for (guint i = 0; i < leakage->dataset->rows->len; i++)
    if ((leakage->found[i] & what) && n++ == 0)
      *first = row_at (leakage, i);
  return n;
}

static const gchar *
location_of (const Leakage *leakage, const Cnn3dRow *row)
{
  return row->source == 1 ? leakage->params->val_location : leakage->params->location;
}

static void
note_clips (const Leakage *leakage)
{
  static const gchar *const names[] = { "validation", "test" };
  Cnn3dDataset *dataset = leakage->dataset;
  const Cnn3dRow *first;
  guint n;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if ((n = count_marked (leakage, i == 0 ? VAL : TEST, &first)))
      cnn3d_dataset_note (dataset, TRUE,
          "%s: %u %s clips overlap training clips of the same file, the first \"%s\"; their "
          "results "
          "do not show how the model does on new videos: keep each file on one side of the split",
          location_of (leakage, first), n, names[i], dataset->arena.data + first->path);
  if ((n = count_marked (leakage, TWICE, &first)))
    cnn3d_dataset_note (dataset, FALSE,
        "%s: %u rows repeat earlier ones, the first \"%s\"; each counts as a clip of its own",
        location_of (leakage, first), n, dataset->arena.data + first->path);
}

static void
note_groups (const Leakage *leakage)
{
  static const gchar *const names[] = { "validation", "test" };
  Cnn3dDataset *dataset = leakage->dataset;
  g_autofree guint8 *sides = g_new0 (guint8, dataset->groups.n + 1);

  for (guint i = 0; i < dataset->rows->len; i++) {
    const Cnn3dRow *row = row_at (leakage, i);

    /* each file may number its groups afresh, or list all persons: val_location has no training
     * clips of its own to compare with */
    if (row->source == 1)
      continue;
    if (row->group != CNN3D_NAME_NONE && cnn3d_dataset_wants (dataset, i))
      sides[row->group] |= side_of (leakage, row);
  }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const guint8 both = TRAIN | (i == 0 ? VAL : TEST);
    guint n = 0, first = 0;

    for (guint group = 0; group < dataset->groups.n; group++)
      if ((sides[group] & both) == both && n++ == 0)
        first = group;
    if (n > 0)
      cnn3d_dataset_note (dataset, TRUE,
          "%s: %u groups have both training and %s clips, the first \"%s\"; put all clips of a "
          "group "
          "on one side of the split",
          leakage->params->location, n, names[i],
          dataset->arena.data + dataset->groups.offsets[first]);
  }
}

void
cnn3d_leakage_note (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params)
{
  Leakage leakage = { .dataset = dataset, .params = params };

  for (guint source = 0; source < 2; source++) {
    const gchar *root = dataset->roots[source] ? dataset->roots[source] : dataset->roots[0];

    leakage.roots[source] = g_canonicalize_filename (root, NULL);
    if (strcmp (leakage.roots[source], "/") == 0)
      *leakage.roots[source] = '\0';
  }
  leakage.built = g_string_chunk_new (4096);
  leakage.found = g_new0 (guint8, dataset->rows->len);
  sort_by_file (&leakage);
  for (guint file = 0, begin = 0; file < leakage.n_files; begin = leakage.ends[file++])
    mark_file (&leakage, leakage.rows + begin, leakage.ends[file] - begin);
  note_clips (&leakage);
  note_groups (&leakage);
  g_free (leakage.found);
  g_free (leakage.rows);
  g_free (leakage.ends);
  g_string_chunk_free (leakage.built);
  for (guint source = 0; source < 2; source++)
    g_free (leakage.roots[source]);
}
