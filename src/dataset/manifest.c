/* manifest.c: CSV and TSV manifests, a clip a row.
 *
 *     path label [start end] [group] [split]
 *
 * A tab in the first line makes it TSV. With a header (a first row that names
 * a path and a label column) columns come in any order, `fold` and `fps` may be among
 * them, and unknown ones are ignored. Without one, columns are as above: a third, or a
 * fifth, column is the split if every value in it names one, else the group;
 * a fourth one is the split if the first row's names one. Quotes are RFC
 * 4180's; blanks around what is not quoted, and blank lines, mean nothing.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/dataset-private.h"

#include <math.h>
#include <string.h>

#define MAX_COLUMNS 256

typedef enum {
  COLUMN_IGNORED,
  COLUMN_PATH,
  COLUMN_LABEL,
  COLUMN_START,
  COLUMN_END,
  COLUMN_GROUP,
  COLUMN_SPLIT,
  COLUMN_FOLD,
  COLUMN_FPS,
  N_COLUMNS
} Column;

static const gchar *const column_names[N_COLUMNS] = {
  "", "path", "label", "start", "end", "group", "split", "fold", "fps"
};

typedef struct {
  const gchar *text;
  gsize size;
  guint line, column;           /* where it starts, both from 1 */
} Field;

typedef struct {
  Cnn3dDataset *dataset;
  const gchar *file;
  guint8 source;
  const gchar *p, *end;
  const gchar *line_start;
  guint line;
  gchar delimiter;
  GString *unquoted[MAX_COLUMNS];       /* a quoted field without its quotes */
  Field fields[MAX_COLUMNS];
  guint n_fields;
  Column columns[MAX_COLUMNS];
  guint n_columns;
  guint first_row;              /* of the data set's, that is in this file */
  gboolean header;
  gboolean group_may_be_split;
} Reader;

/* Columns count characters, as in editors. */
static guint
column_at (const Reader *reader, const gchar *p)
{
  return (guint) g_utf8_strlen (reader->line_start, p - reader->line_start) + 1;
}

static void G_GNUC_PRINTF (5, 6)
set_row_error (const Reader *reader, guint line, guint column, GError **error,
    const gchar *format, ...)
{
  va_list args;
  gchar *reason;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
      "%s:%u:%u: %s", reader->file, line, column, reason);
  g_free (reason);
}

static gboolean
at_line_end (const Reader *reader)
{
  return reader->p == reader->end || *reader->p == '\n' ||
      (*reader->p == '\r' && (reader->p + 1 == reader->end || reader->p[1] == '\n'));
}

static gboolean
read_quoted (Reader *reader, Field *field, GError **error)
{
  GString **text = &reader->unquoted[reader->n_fields];

  if (!*text)
    *text = g_string_new (NULL);
  g_string_truncate (*text, 0);
  reader->p++;
  for (;;) {
    if (reader->p == reader->end)
      goto unbalanced;
    if (*reader->p == '"') {
      if (reader->p + 1 < reader->end && reader->p[1] == '"')
        reader->p++;
      else
        break;
    } else if (*reader->p == '\n') {
      reader->line++;
      reader->line_start = reader->p + 1;
    }
    g_string_append_c (*text, *reader->p++);
  }
  reader->p++;
  while (reader->p < reader->end && *reader->p == ' ')
    reader->p++;
  if (!at_line_end (reader) && *reader->p != reader->delimiter)
    goto after_quote;
  field->text = (*text)->str;
  field->size = (*text)->len;
  return TRUE;

  /* ERRORS */
unbalanced:
  set_row_error (reader, field->line, field->column, error,
      "this quote is never closed; write \"\" for a quote inside of quotes");
  return FALSE;
after_quote:
  set_row_error (reader, reader->line, column_at (reader, reader->p), error,
      "text after a closing quote; write \"\" for a quote inside of quotes");
  return FALSE;
}

/* Reads a row into `fields`. Blank lines are skipped; n_fields is 0 at the end. */
static gboolean
read_row (Reader *reader, GError **error)
{
  Field *field;

  reader->n_fields = 0;
  for (;;) {
    while (reader->p < reader->end && *reader->p == ' ')
      reader->p++;
    if (reader->p == reader->end)
      return TRUE;
    if (!at_line_end (reader))
      break;
    reader->p += *reader->p == '\r' && reader->p + 1 < reader->end;
    reader->p++;
    reader->line_start = reader->p;
    reader->line++;
  }
  for (;;) {
    if (reader->n_fields == MAX_COLUMNS)
      goto too_many;
    field = &reader->fields[reader->n_fields];
    while (reader->p < reader->end && *reader->p == ' ')
      reader->p++;
    field->line = reader->line;
    field->column = column_at (reader, reader->p);
    if (reader->p < reader->end && *reader->p == '"') {
      if (!read_quoted (reader, field, error))
        return FALSE;
    } else {
      const gchar *start = reader->p;
      const gchar *stop;

      while (!at_line_end (reader) && *reader->p != reader->delimiter)
        reader->p++;
      for (stop = reader->p; stop > start && stop[-1] == ' ';)
        stop--;
      field->text = start;
      field->size = stop - start;
    }
    reader->n_fields++;
    if (at_line_end (reader))
      break;
    reader->p++;
  }
  if (reader->p < reader->end) {
    reader->p += *reader->p == '\r' && reader->p + 1 < reader->end;
    reader->p++;
  }
  reader->line_start = reader->p;
  reader->line++;
  return TRUE;

  /* ERRORS */
too_many:
  set_row_error (reader, reader->line, column_at (reader, reader->p), error,
      "more than %d columns", MAX_COLUMNS);
  return FALSE;
}

static Column
column_by_name (const Field *field)
{
  static const struct {
    const gchar *name;
    Column column;
  } names[] = {
    {"path", COLUMN_PATH}, {"file", COLUMN_PATH}, {"filename", COLUMN_PATH},
    {"video", COLUMN_PATH}, {"label", COLUMN_LABEL}, {"class", COLUMN_LABEL},
    {"start", COLUMN_START}, {"end", COLUMN_END}, {"group", COLUMN_GROUP},
    {"split", COLUMN_SPLIT}, {"fold", COLUMN_FOLD}, {"fps", COLUMN_FPS},
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (strlen (names[i].name) == field->size &&
        g_ascii_strncasecmp (names[i].name, field->text, field->size) == 0)
      return names[i].column;
  }
  return COLUMN_IGNORED;
}

/* Determines the columns from the first row. */
static gboolean
set_columns (Reader *reader, GError **error)
{
  static const Column with_times[] = {
    COLUMN_PATH, COLUMN_LABEL, COLUMN_START, COLUMN_END, COLUMN_GROUP, COLUMN_SPLIT
  };
  static const Column without_times[] = {
    COLUMN_PATH, COLUMN_LABEL, COLUMN_GROUP, COLUMN_SPLIT
  };
  guint at[N_COLUMNS] = { 0, };
  const Field *first = &reader->fields[0];
  Cnn3dSplit split;

  reader->n_columns = reader->n_fields;
  for (guint i = 0; i < reader->n_fields; i++) {
    Column column = column_by_name (&reader->fields[i]);

    reader->columns[i] = column;
    if (column != COLUMN_IGNORED && at[column])
      at[COLUMN_IGNORED] = i + 1;       /* a second one of that name */
    else if (column != COLUMN_IGNORED)
      at[column] = i + 1;
  }
  if (at[COLUMN_PATH] && at[COLUMN_LABEL]) {
    reader->header = TRUE;
    if (at[COLUMN_IGNORED])
      goto twice;
    reader->dataset->has_folds |= at[COLUMN_FOLD] > 0;
    return TRUE;
  }
  if (at[COLUMN_PATH] == 1 && at[COLUMN_START] + at[COLUMN_GROUP] + at[COLUMN_SPLIT])
    goto no_label;
  if (reader->n_fields < 2)
    goto too_few;
  if (reader->n_fields > G_N_ELEMENTS (with_times))
    goto too_many;
  if (reader->n_fields == 3 || (reader->n_fields == 4 &&
          cnn3d_split_parse (reader->fields[3].text, reader->fields[3].size, &split)))
    memcpy (reader->columns, without_times, sizeof without_times);
  else
    memcpy (reader->columns, with_times, sizeof with_times);
  reader->group_may_be_split = reader->n_fields == 3 || reader->n_fields == 5;
  return TRUE;

  /* ERRORS */
twice:
  {
    const Field *field = &reader->fields[at[COLUMN_IGNORED] - 1];

    set_row_error (reader, field->line, field->column, error,
        "the header has a second %s column; keep one of them",
        column_names[reader->columns[at[COLUMN_IGNORED] - 1]]);
    return FALSE;
  }
no_label:
  set_row_error (reader, first->line, first->column, error,
      "the header has no label column; it needs path and label");
  return FALSE;
too_few:
  set_row_error (reader, first->line, first->column, error,
      "the label is missing: this row has one column; a row is "
      "path%slabel", reader->delimiter == '\t' ? "<tab>" : ",");
  return FALSE;
too_many:
  set_row_error (reader, first->line, first->column, error,
      "%u columns, but without a header there are at most 6 (path, label, "
      "start, end, group, split); add a header that names them", reader->n_fields);
  return FALSE;
}

static gboolean
parse_number (const Field *field, gdouble *number)
{
  gchar buf[64];
  gchar *end;

  if (field->size >= sizeof buf)
    return FALSE;
  memcpy (buf, field->text, field->size);
  buf[field->size] = '\0';
  /* strtod() also accepts nan, inf and hexadecimal */
  if (strspn (buf, "0123456789.eE+-") != field->size)
    return FALSE;
  *number = g_ascii_strtod (buf, &end);
  return !*end && end != buf && isfinite (*number);
}

static gboolean
parse_seconds (const Reader *reader, const Field *field, const gchar *name,
    gdouble *seconds, GError **error)
{
  if (field->size == 0)
    return TRUE;
  if (!parse_number (field, seconds))
    goto not_a_number;
  if (*seconds < 0)
    goto negative;
  return TRUE;

  /* ERRORS */
not_a_number:
  if (!reader->header && reader->dataset->rows->len == reader->first_row)
    goto no_header;
  set_row_error (reader, field->line, field->column, error,
      "the %s \"%.*s\" is not a number of seconds; write it like 12.5", name,
      (int) MIN (field->size, 40), field->text);
  return FALSE;
no_header:
  set_row_error (reader, field->line, field->column, error,
      "this row is not a header, which names at least path and label, and its %s \"%.*s\" is not a number of seconds, "
      "such as 12.5", name, (int) MIN (field->size, 40), field->text);
  return FALSE;
negative:
  set_row_error (reader, field->line, field->column, error,
      "the %s (%.*s) is negative; seconds count from the video's first frame", name,
      (int) field->size, field->text);
  return FALSE;
}

static gboolean
add_row (Reader *reader, GError **error)
{
  Cnn3dDataset *dataset = reader->dataset;
  Cnn3dRow row = {.group = CNN3D_NAME_NONE, .source = reader->source, .end = INFINITY };
  const Field *field, *by[N_COLUMNS] = { NULL, };
  Cnn3dSplit split = CNN3D_SPLIT_NONE;
  gdouble number;
  guint32 fold;

  field = &reader->fields[0];
  if (reader->n_fields != reader->n_columns)
    goto wrong_number;
  for (guint i = 0; i < reader->n_fields; i++)
    by[reader->columns[i]] = &reader->fields[i];
  field = by[COLUMN_PATH];
  if (field->size == 0)
    goto no_path;
  row.path = cnn3d_arena_add (&dataset->arena, field->text, field->size);
  field = by[COLUMN_LABEL];
  if (field->size == 0)
    goto no_label;
  row.label = cnn3d_names_intern (&dataset->labels, &dataset->arena, field->text, field->size);
  if (by[COLUMN_START] && !parse_seconds (reader, by[COLUMN_START], "start", &row.start, error))
    return FALSE;
  if (by[COLUMN_END] && !parse_seconds (reader, by[COLUMN_END], "end", &row.end, error))
    return FALSE;
  field = by[COLUMN_END];
  if (row.start >= row.end)
    goto empty_window;
  field = by[COLUMN_GROUP];
  if (field && field->size > 0)
    row.group = cnn3d_names_intern (&dataset->groups, &dataset->arena, field->text, field->size);
  field = by[COLUMN_SPLIT];
  if (field && field->size > 0 && !cnn3d_split_parse (field->text, field->size, &split))
    goto bad_split;
  row.split = split;
  field = by[COLUMN_FPS];
  if (field && field->size > 0) {
    if (!parse_number (field, &number) || !cnn3d_fps_is_valid (number))
      goto bad_fps;
    row.fps = (gfloat) number;
  }
  field = by[COLUMN_FOLD];
  if (field) {
    if (field->size == 0)
      goto no_fold;
    fold = cnn3d_names_intern (&dataset->folds, &dataset->arena, field->text, field->size);
    if (fold > G_MAXUINT16)
      goto many_folds;
    row.fold = fold;
  }
  if (row.path == CNN3D_ARENA_FULL || dataset->arena.size >= CNN3D_ARENA_FULL - 1)
    goto full;
  return cnn3d_dataset_add (dataset, &row, error);

  /* ERRORS */
wrong_number:
  set_row_error (reader, field->line, field->column, error,
      "%u columns, but %s has %u; quote what contains a %s", reader->n_fields,
      reader->header ? "the header" : "the first row", reader->n_columns,
      reader->delimiter == '\t' ? "tab" : "comma");
  return FALSE;
no_path:
  set_row_error (reader, field->line, field->column, error, "the path is empty");
  return FALSE;
no_label:
  set_row_error (reader, field->line, field->column, error,
      "the label is missing; write the clip's class, or remove the row");
  return FALSE;
empty_window:
  set_row_error (reader, field ? field->line : reader->line, field ? field->column : 1, error,
      "the end (%g s) is not after the start (%g s)", row.end, row.start);
  return FALSE;
bad_split:
  set_row_error (reader, field->line, field->column, error,
      "the split \"%.*s\" is unknown; it is train, val, validation or test",
      (int) MIN (field->size, 40), field->text);
  return FALSE;
bad_fps:
  set_row_error (reader, field->line, field->column, error,
      "the fps \"%.*s\" is not a valid frame rate; write frames per second, such as 29.97",
      (int) MIN (field->size, 40), field->text);
  return FALSE;
no_fold:
  set_row_error (reader, field->line, field->column, error, "the fold is empty");
  return FALSE;
many_folds:
  set_row_error (reader, field->line, field->column, error,
      "more than %u different folds; is this column the fold?", G_MAXUINT16);
  return FALSE;
full:
  cnn3d_dataset_set_full (error, reader->file);
  return FALSE;
}

/* A column that was read as the group is the split. */
static void
groups_to_splits (Reader *reader, guint first_row, guint first_group)
{
  Cnn3dDataset *dataset = reader->dataset;
  Cnn3dSplit split = CNN3D_SPLIT_NONE;

  for (guint i = first_group; i < dataset->groups.n; i++) {
    const gchar *name = dataset->arena.data + dataset->groups.offsets[i];

    if (!cnn3d_split_parse (name, strlen (name), &split))
      return;
  }
  for (guint i = first_row; i < dataset->rows->len; i++) {
    Cnn3dRow *row = &g_array_index (dataset->rows, Cnn3dRow, i);
    const gchar *name;

    if (row->group == CNN3D_NAME_NONE || row->group < first_group)
      continue;
    name = dataset->arena.data + dataset->groups.offsets[row->group];
    cnn3d_split_parse (name, strlen (name), &split);
    row->split = split;
    row->group = CNN3D_NAME_NONE;
  }
}

/* Rejects files that are not text before parsing. */
static gboolean
check_text (Reader *reader, GError **error)
{
  const gchar *bad;

  /* Stops at a NUL too, where a length is given */
  if (g_utf8_validate (reader->p, reader->end - reader->p, &bad))
    return TRUE;
  for (const gchar *p = reader->p; p < bad; p++) {
    if (*p == '\n') {
      reader->line++;
      reader->line_start = p + 1;
    }
  }
  if (*bad == '\0')
    set_row_error (reader, reader->line, column_at (reader, bad), error,
        "a NUL byte; is this a text file? Save it as UTF-8");
  else
    set_row_error (reader, reader->line, column_at (reader, bad), error,
        "the byte 0x%02X is not UTF-8; save the file as UTF-8", (guint8) * bad);
  return FALSE;
}

static gboolean
read_rows (Reader *reader, GError **error)
{
  guint first_group = reader->dataset->groups.n;
  const gchar *p;

  reader->first_row = reader->dataset->rows->len;
  if (reader->end - reader->p >= 3 && memcmp (reader->p, "\xEF\xBB\xBF", 3) == 0)
    reader->line_start = reader->p += 3;
  if (!check_text (reader, error))
    return FALSE;
  reader->delimiter = ',';
  for (p = reader->p; p < reader->end && (*p == '\n' || *p == '\r'); p++);
  for (; p < reader->end && *p != '\n'; p++) {
    if (*p == '\t')
      reader->delimiter = '\t';
  }
  if (!read_row (reader, error))
    return FALSE;
  if (reader->n_fields == 0)
    return TRUE;
  if (!set_columns (reader, error))
    return FALSE;
  if (reader->header && !read_row (reader, error))
    return FALSE;
  while (reader->n_fields > 0) {
    if (!add_row (reader, error) || !read_row (reader, error))
      return FALSE;
  }
  if (reader->group_may_be_split)
    groups_to_splits (reader, reader->first_row, first_group);
  return TRUE;
}

gboolean
cnn3d_manifest_read (Cnn3dDataset *dataset, const gchar *file, guint8 source, GError **error)
{
  GError *reason = NULL;
  GMappedFile *map = g_mapped_file_new (file, FALSE, &reason);
  Reader *reader;
  gboolean ok;

  if (!map) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN,
        "%s: %s", file, reason->message);
    g_clear_error (&reason);
    return FALSE;
  }
  reader = g_new0 (Reader, 1);
  reader->dataset = dataset;
  reader->file = file;
  reader->source = source;
  reader->line = 1;
  /* An empty file maps to NULL */
  if (g_mapped_file_get_length (map) > 0)
    reader->p = g_mapped_file_get_contents (map);
  else
    reader->p = "";
  reader->end = reader->p + g_mapped_file_get_length (map);
  reader->line_start = reader->p;
  ok = read_rows (reader, error);
  for (guint i = 0; i < MAX_COLUMNS; i++) {
    if (reader->unquoted[i])
      g_string_free (reader->unquoted[i], TRUE);
  }
  g_free (reader);
  g_mapped_file_unref (map);
  return ok;
}
