/* manifest.c: tables of clips, a row a clip: CSV, TSV, and what spreadsheets write
 * where the comma is the decimal sign.
 *
 *     path label [start end] [group] [split]
 *
 * With a header (a first row that names a path and a label column) columns come in
 * any order, under the names in columns.c. Without one, columns are as above: a third,
 * or a fifth, column is the split if every value in it names one, else the group;
 * a fourth one is the split if the first row's names one.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/csv.h"
#include "src/dataset/table.h"

#include <math.h>
#include <string.h>

/* So many ignored columns are named. */
#define MAX_NAMED 20

typedef struct {
  Cnn3dReading *reading;
  Cnn3dTable table;
  Cnn3dColumn columns[CNN3D_MAX_FIELDS];
  guint n_columns;
  guint first_row; /* of the data set's, that is in this file */
  gboolean header;
  gboolean comma; /* is a decimal sign */
  gboolean group_may_be_split;
} Manifest;

/* Says once which columns are not read. */
static void
note_ignored (const Manifest *manifest)
{
  const Cnn3dTable *table = &manifest->table;
  g_autoptr (GString) names = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; i < table->n_fields; i++) {
    const Cnn3dField *field = &table->fields[i];

    if (manifest->columns[i] != CNN3D_COLUMN_IGNORED || field->size == 0)
      continue;
    if (n++ < MAX_NAMED)
      g_string_append_printf (
          names, "%s%.*s", n > 1 ? ", " : "", CNN3D_SHOWN (field->text, field->size));
  }
  if (n > MAX_NAMED)
    g_string_append_printf (names, " and %u more", n - MAX_NAMED);
  if (n > 0)
    cnn3d_dataset_note (manifest->reading->dataset, FALSE, "%s: columns that are not read: %s",
        manifest->reading->location, names->str);
}

/* A time, split or label that is passed over in silence makes another data set of it:
 * where nothing else is the time, the split or the label, its column must be known. */
static gboolean
check_ignored (const Manifest *manifest, const guint at[CNN3D_N_COLUMNS], GError **error)
{
  const Cnn3dTable *table = &manifest->table;
  const gboolean times = (at[CNN3D_COLUMN_START] && at[CNN3D_COLUMN_END])
      || (at[CNN3D_COLUMN_START_FRAME] && at[CNN3D_COLUMN_END_FRAME]);

  for (guint i = 0; i < table->n_fields; i++) {
    const Cnn3dField *field = &table->fields[i];
    Cnn3dColumn like;

    if (manifest->columns[i] != CNN3D_COLUMN_IGNORED)
      continue;
    like = cnn3d_column_resembles (field->text, field->size);
    if (like == CNN3D_COLUMN_IGNORED || like == CNN3D_COLUMN_LABEL
        || (like == CNN3D_COLUMN_START ? times : at[CNN3D_COLUMN_SPLIT] > 0))
      continue;
    cnn3d_reading_error (manifest->reading, field->at, error,
        "the column \"%.*s\" looks like a %s, but its name is not known; call it %s, or remove it",
        CNN3D_SHOWN (field->text, field->size), like == CNN3D_COLUMN_START ? "time" : "split",
        like == CNN3D_COLUMN_START ? "start, end, start_frame or end_frame" : "split");
    return FALSE;
  }
  return TRUE;
}

/* What the header says. at: each column's place + 1, or 0. FALSE with `error` set: two
 * columns are the same. */
static gboolean
match_columns (Manifest *manifest, guint at[CNN3D_N_COLUMNS], GError **error)
{
  const Cnn3dTable *table = &manifest->table;
  Cnn3dColumn columns[CNN3D_MAX_FIELDS];
  guint ranks[CNN3D_MAX_FIELDS];

  for (guint i = 0; i < table->n_fields; i++) {
    const Cnn3dColumn column = columns[i] = cnn3d_reading_column (
        manifest->reading, table->fields[i].text, table->fields[i].size, &ranks[i]);

    if (column != CNN3D_COLUMN_IGNORED && (!at[column] || ranks[i] < ranks[at[column] - 1]))
      at[column] = i + 1;
  }
  for (guint i = 0; i < table->n_fields; i++) {
    const Cnn3dColumn column = columns[i];
    const guint best = at[column] - 1;

    manifest->columns[i] =
        column != CNN3D_COLUMN_IGNORED && best == i ? column : CNN3D_COLUMN_IGNORED;
    /* documented names win over others; of others for the file the likeliest is taken */
    if (column == CNN3D_COLUMN_IGNORED || best == i || (ranks[i] == 0) != (ranks[best] == 0)
        || (column == CNN3D_COLUMN_PATH && ranks[i] > 0))
      continue;
    cnn3d_reading_error (manifest->reading, table->fields[MAX (i, best)].at, error,
        "the header has a second %s column; keep one of them", cnn3d_column_names[column]);
    return FALSE;
  }
  if (at[CNN3D_COLUMN_END] && !at[CNN3D_COLUMN_START]) {
    const Cnn3dField *end = &table->fields[at[CNN3D_COLUMN_END] - 1];

    if (cnn3d_column_is_offset (end->text, end->size)) {
      if (at[CNN3D_COLUMN_START_FRAME] && at[CNN3D_COLUMN_END_FRAME]) {
        manifest->columns[at[CNN3D_COLUMN_END] - 1] = CNN3D_COLUMN_IGNORED;
        return TRUE;
      }
      cnn3d_reading_error (manifest->reading, end->at, error, "%s", CNN3D_OFFSET_REASON);
      return FALSE;
    }
  }
  if (at[CNN3D_COLUMN_DURATION] && (at[CNN3D_COLUMN_END] || !at[CNN3D_COLUMN_START]))
    manifest->columns[at[CNN3D_COLUMN_DURATION] - 1] = CNN3D_COLUMN_IGNORED;
  return TRUE;
}

/* Whether the first row names columns, though not both that are needed: it has a known
 * name, and nothing in it could be a file. */
static gboolean
names_columns (const Manifest *manifest, const guint at[CNN3D_N_COLUMNS])
{
  const Cnn3dTable *table = &manifest->table;
  gboolean known = FALSE;

  for (guint column = CNN3D_COLUMN_IGNORED + 1; column < CNN3D_N_COLUMNS; column++)
    known |= at[column] > 0;
  for (guint i = 0; known && i < table->n_fields; i++)
    for (gsize k = 0; k < table->fields[i].size; k++)
      if (strchr ("./\\%:", table->fields[i].text[k]))
        return FALSE;
  return known;
}

/* Determines the columns from the first row. */
static gboolean
set_columns (Manifest *manifest, GError **error)
{
  static const Cnn3dColumn with_times[] = { CNN3D_COLUMN_PATH, CNN3D_COLUMN_LABEL,
    CNN3D_COLUMN_START, CNN3D_COLUMN_END, CNN3D_COLUMN_GROUP, CNN3D_COLUMN_SPLIT };
  static const Cnn3dColumn without_times[] = { CNN3D_COLUMN_PATH, CNN3D_COLUMN_LABEL,
    CNN3D_COLUMN_GROUP, CNN3D_COLUMN_SPLIT };
  const Cnn3dTable *table = &manifest->table;
  const Cnn3dField *first = &table->fields[0];
  guint at[CNN3D_N_COLUMNS] = {
    0,
  };
  GError *twice = NULL;
  Cnn3dSplit split;

  manifest->n_columns = table->n_fields;
  match_columns (manifest, at, &twice);
  if (at[CNN3D_COLUMN_PATH] && at[CNN3D_COLUMN_LABEL]) {
    manifest->header = TRUE;
    manifest->reading->dataset->has_folds |= at[CNN3D_COLUMN_FOLD] > 0;
    if (at[CNN3D_COLUMN_VIEW])
      cnn3d_views_begin (manifest->reading);
    if (twice) {
      g_propagate_error (error, twice);
      return FALSE;
    }
    if (!check_ignored (manifest, at, error))
      return FALSE;
    note_ignored (manifest);
    return TRUE;
  }
  g_clear_error (&twice);
  if (at[CNN3D_COLUMN_PATH] == 1
      && at[CNN3D_COLUMN_START] + at[CNN3D_COLUMN_START_FRAME] + at[CNN3D_COLUMN_GROUP]
          + at[CNN3D_COLUMN_SPLIT])
    goto no_label;
  if (table->n_fields < 2)
    goto too_few;
  if (names_columns (manifest, at))
    goto half_header;
  if (table->n_fields > G_N_ELEMENTS (with_times))
    goto too_many;
  if (table->n_fields == 3
      || (table->n_fields == 4
          && cnn3d_split_parse (table->fields[3].text, table->fields[3].size, &split)))
    memcpy (manifest->columns, without_times, sizeof without_times);
  else
    memcpy (manifest->columns, with_times, sizeof with_times);
  manifest->group_may_be_split = table->n_fields == 3 || table->n_fields == 5;
  return TRUE;

  /* ERRORS */
no_label:
  cnn3d_reading_error (manifest->reading, first->at, error,
      "the header has no label column; it needs path and label");
  return FALSE;
half_header:
  cnn3d_reading_error (manifest->reading, first->at, error,
      "this row looks like a header, but has no %s column that is known; name one path and one "
      "label, or put such a header above it if it is a clip",
      at[CNN3D_COLUMN_PATH] ? "label" : "path");
  return FALSE;
too_few:
  cnn3d_reading_error (manifest->reading, first->at, error,
      "the label is missing: this row has one column; a row is path%slabel",
      table->delimiter == '\t' ? "<tab>" : ",");
  return FALSE;
too_many:
  cnn3d_reading_error (manifest->reading, first->at, error,
      "%u columns, but without a header there are at most 6 (path, label, start, end, group, "
      "split); add a header that names them",
      table->n_fields);
  return FALSE;
}

/* The first row's mistake may be that it was to be a header. */
static gboolean
read_seconds (const Manifest *manifest, const Cnn3dField *field, const gchar *name,
    gdouble *seconds, GError **error)
{
  gdouble unused;

  if (manifest->header || manifest->reading->dataset->rows->len > manifest->first_row
      || field->size == 0
      || cnn3d_seconds_parse (field->text, field->size, manifest->comma, &unused))
    return cnn3d_reading_seconds (manifest->reading, field, name, manifest->comma, seconds, error);
  cnn3d_reading_error (manifest->reading, field->at, error,
      "this row is not a header, which names at least path and label, and its %s \"%.*s\" is not a "
      "number of seconds, such as 12.5",
      name, CNN3D_SHOWN (field->text, field->size));
  return FALSE;
}

static gboolean
is_given (const Cnn3dField *field)
{
  return field && field->size > 0;
}

/* Seconds, where a row has both. */
static gboolean
read_window (const Manifest *manifest, const Cnn3dField *const by[CNN3D_N_COLUMNS], Cnn3dClip *clip,
    GError **error)
{
  const Cnn3dReading *reading = manifest->reading;
  const Cnn3dField *start = by[CNN3D_COLUMN_START], *end = by[CNN3D_COLUMN_END];
  const Cnn3dField *first = by[CNN3D_COLUMN_START_FRAME], *last = by[CNN3D_COLUMN_END_FRAME];
  const Cnn3dField *duration = by[CNN3D_COLUMN_DURATION];
  gdouble seconds = INFINITY;

  if (!is_given (start) && !is_given (end) && (is_given (first) || is_given (last))) {
    clip->in_frames = TRUE;
    clip->end_at = last ? last->at : NULL;
    if ((first && !cnn3d_reading_frame (reading, first, "first frame", &clip->start, error))
        || (last && !cnn3d_reading_frame (reading, last, "last frame", &clip->end, error)))
      return FALSE;
    clip->end += 1;
    return TRUE;
  }
  if ((is_given (start) && !is_given (end) && is_given (last))
      || (is_given (end) && !is_given (start) && is_given (first))) {
    cnn3d_reading_error (reading, is_given (start) ? start->at : end->at, error,
        "one end is in seconds and the other a frame number; give both in one of them");
    return FALSE;
  }
  if ((start && !read_seconds (manifest, start, "start", &clip->start, error))
      || (end && !read_seconds (manifest, end, "end", &clip->end, error))
      || (duration && !read_seconds (manifest, duration, "duration", &seconds, error)))
    return FALSE;
  if (duration)
    clip->end = clip->start + seconds;
  clip->end_at = duration ? duration->at : end ? end->at : NULL;
  return TRUE;
}

/* A column that is not read, and whose first value is the name of a split, would leave
 * all rows to training. */
static gboolean
check_unread (const Manifest *manifest, GError **error)
{
  const Cnn3dTable *table = &manifest->table;
  Cnn3dSplit split;

  for (guint i = 0; manifest->header && i < table->n_fields; i++)
    if (manifest->columns[i] == CNN3D_COLUMN_IGNORED
        && cnn3d_split_guess (table->fields[i].text, table->fields[i].size, &split)) {
      cnn3d_reading_error (manifest->reading, table->fields[i].at, error,
          "\"%.*s\" is a split, but its column is not read; name the column split, or leave it out",
          CNN3D_SHOWN (table->fields[i].text, table->fields[i].size));
      return FALSE;
    }
  return TRUE;
}

/* Replaces a field by the rest of it from `text` on. */
static void
begin_at (const gchar *text, Cnn3dField *own, const Cnn3dField **field)
{
  if (text == (*field)->text)
    return;
  *own = **field;
  own->text = text;
  own->size -= text - (*field)->text;
  *field = own;
}

/* Takes off what keeps a spreadsheet from computing the field. */
static void
unguard (Cnn3dField *own, const Cnn3dField **field)
{
  if (*field)
    begin_at (cnn3d_csv_unguarded ((*field)->text, (*field)->size), own, field);
}

/* The same of what keeps a label from being taken for a path. FALSE: it is taken for one. */
static gboolean
unguard_label (Cnn3dField *own, const Cnn3dField **label, const Cnn3dField *path)
{
  const gchar *text =
      cnn3d_manifest_label_text ((*label)->text, (*label)->size, path->text, path->size);

  if (text)
    begin_at (text, own, label);
  return text != NULL;
}

static gboolean
add_row (Manifest *manifest, GError **error)
{
  Cnn3dReading *reading = manifest->reading;
  Cnn3dDataset *dataset = reading->dataset;
  const Cnn3dTable *table = &manifest->table;
  const Cnn3dField *field = &table->fields[0],
                   *by[CNN3D_N_COLUMNS] = {
                     NULL,
                   };
  static const Cnn3dColumn guarded[] = { CNN3D_COLUMN_LABEL, CNN3D_COLUMN_GROUP, CNN3D_COLUMN_FOLD,
    CNN3D_COLUMN_VIEW };
  Cnn3dField own[G_N_ELEMENTS (guarded)], label;
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;

  if (table->n_fields != manifest->n_columns)
    goto wrong_number;
  if (dataset->rows->len == manifest->first_row && !check_unread (manifest, error))
    return FALSE;
  for (guint i = 0; i < table->n_fields; i++)
    by[manifest->columns[i]] = &table->fields[i];
  /* paths are written without a guard */
  for (guint i = 0; i < G_N_ELEMENTS (guarded); i++)
    unguard (&own[i], &by[guarded[i]]);
  field = by[CNN3D_COLUMN_PATH];
  clip.at = field->at;
  clip.path = cnn3d_reading_path (reading, field->text, field->size, field->at, error);
  if (clip.path == CNN3D_ARENA_FULL)
    return FALSE;
  if (!unguard_label (&label, &by[CNN3D_COLUMN_LABEL], field))
    goto swapped;
  field = by[CNN3D_COLUMN_LABEL];
  clip.label = field->text;
  clip.label_size = field->size;
  clip.label_at = field->at;
  if (!read_window (manifest, by, &clip, error))
    return FALSE;
  field = by[CNN3D_COLUMN_GROUP];
  if (field) {
    clip.group = field->text;
    clip.group_size = field->size;
  }
  field = by[CNN3D_COLUMN_VIEW];
  if (field) {
    clip.view = field->text;
    clip.view_size = field->size;
  }
  field = by[CNN3D_COLUMN_KEYPOINTS];
  if (field) {
    clip.keypoints = field->text;
    clip.keypoints_size = field->size;
  }
  field = by[CNN3D_COLUMN_SPLIT];
  if (field && !cnn3d_reading_split (reading, field, &clip.split, error))
    return FALSE;
  field = by[CNN3D_COLUMN_FPS];
  if (field && !cnn3d_reading_fps (reading, field, manifest->comma, &clip.fps, error))
    return FALSE;
  field = by[CNN3D_COLUMN_FOLD];
  if (field && !cnn3d_reading_fold (reading, field, clip.split, &clip.fold, error))
    return FALSE;
  return cnn3d_reading_add (reading, &clip, error);

  /* ERRORS */
swapped:
  field = by[CNN3D_COLUMN_LABEL];
  cnn3d_reading_error (reading, field->at, error,
      "the label \"%.*s\" is the name of a video, and the path \"%.*s\" is not: are the columns "
      "swapped? %s",
      CNN3D_SHOWN (field->text, field->size),
      CNN3D_SHOWN (by[CNN3D_COLUMN_PATH]->text, by[CNN3D_COLUMN_PATH]->size),
      manifest->header ? "Correct the header" : "Without a header the path comes first");
  return FALSE;
wrong_number:
  cnn3d_reading_error (reading, field->at, error,
      "%u columns, but %s has %u; quote what contains a %s", table->n_fields,
      manifest->header ? "the header" : "the first row", manifest->n_columns,
      cnn3d_table_delimiter_name (table));
  return FALSE;
}

/* Of a column that was read as the group and has splits in it: the first value that is none. */
static void
set_unknown_split (Manifest *manifest, GError **error)
{
  const Cnn3dReading *reading = manifest->reading;
  Cnn3dTable *table = &manifest->table;
  Cnn3dSplit split;

  cnn3d_table_clear (table);
  cnn3d_table_init (table, reading, reading->text);
  while (cnn3d_table_next (table, error) && table->n_fields > 0) {
    const Cnn3dField *field = &table->fields[table->n_fields - 1];

    if (field->size == 0 || cnn3d_split_parse (field->text, field->size, &split))
      continue;
    cnn3d_reading_error (reading, field->at, error,
        "the split \"%.*s\" is unknown, and other rows have a split here; it is train, val, "
        "validation or test; if this column is the group, add a header that says so, such as %s",
        CNN3D_SHOWN (field->text, field->size),
        table->n_fields == 3 ? "path,label,group" : "path,label,start,end,group");
    return;
  }
}

/* A column that was read as the group is the split if all values in it are splits. One that surely
 * is a split beside one that is none is an error: all rows would train. */
static gboolean
groups_to_splits (Manifest *manifest, GError **error)
{
  Cnn3dDataset *dataset = manifest->reading->dataset;
  /* of each group: its split + 1, or UNKNOWN; 0: not looked at */
  enum {
    UNKNOWN = G_MAXUINT8
  };
  g_autofree guint8 *splits = g_new0 (guint8, dataset->groups.n + 1);
  gboolean sure = FALSE, unknown = FALSE;
  Cnn3dSplit split;

  for (guint i = manifest->first_row; i < dataset->rows->len; i++) {
    const guint32 group = g_array_index (dataset->rows, Cnn3dRow, i).group;
    const gchar *name;

    if (group == CNN3D_NAME_NONE || splits[group])
      continue;
    name = dataset->arena.data + dataset->groups.offsets[group];
    splits[group] =
        cnn3d_split_parse (name, strlen (name), &split) ? (guint8) (split + 1) : UNKNOWN;
    unknown |= splits[group] == UNKNOWN;
    sure |= cnn3d_split_guess (name, strlen (name), &split);
  }
  if (unknown && sure)
    set_unknown_split (manifest, error);
  /* words that mean something else, too, are splits beside one that is sure */
  if (unknown || !sure)
    return !(unknown && sure);
  for (guint i = manifest->first_row; i < dataset->rows->len; i++) {
    Cnn3dRow *row = &g_array_index (dataset->rows, Cnn3dRow, i);

    if (row->group == CNN3D_NAME_NONE)
      continue;
    row->split = splits[row->group] - 1;
    row->group = CNN3D_NAME_NONE;
  }
  return TRUE;
}

static gboolean
read_rows (Manifest *manifest, GError **error)
{
  Cnn3dTable *table = &manifest->table;

  if (!cnn3d_table_next (table, error))
    return FALSE;
  if (table->n_fields == 0)
    return TRUE;
  if (!set_columns (manifest, error))
    return FALSE;
  if (manifest->header && !cnn3d_table_next (table, error))
    return FALSE;
  while (table->n_fields > 0) {
    if (!add_row (manifest, error) || !cnn3d_table_next (table, error))
      return FALSE;
  }
  return !manifest->group_may_be_split || groups_to_splits (manifest, error);
}

static gboolean
knows (const Cnn3dReading *reading)
{
  return reading->content == CNN3D_CONTENT_ROWS;
}

static gboolean
read_manifest (Cnn3dReading *reading, GError **error)
{
  Manifest *manifest = g_new0 (Manifest, 1);
  gboolean ok;

  manifest->reading = reading;
  manifest->first_row = reading->dataset->rows->len;
  cnn3d_table_init (&manifest->table, reading, reading->text);
  manifest->comma = manifest->table.delimiter == ';' || manifest->table.delimiter == '\t';
  ok = read_rows (manifest, error);
  cnn3d_table_clear (&manifest->table);
  g_free (manifest);
  return ok;
}

const Cnn3dReader cnn3d_manifest_reader = { "CSV", knows, read_manifest };
