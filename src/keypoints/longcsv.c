/* longcsv.c: a table with a row for each point of each person in each frame.
 *
 *     frame,person,point,x,y,score
 *     0,0,left_elbow,312.5,200.1,0.93
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"
#include "src/escape.h"
#include "src/hash.h"
#include "src/keypoints/reader.h"

#include <math.h>
#include <string.h>

typedef enum {
  COLUMN_FRAME,
  COLUMN_TIME,
  COLUMN_MILLISECONDS,
  COLUMN_PERSON,
  COLUMN_POINT,
  COLUMN_X,
  COLUMN_Y,
  COLUMN_SCORE,
  N_COLUMNS,
} Column;

/* What people call them, separated by blanks, the likelier first; whatever is no letter or digit is
 * a _. */
static const gchar *const columns[N_COLUMNS] = {
  [COLUMN_FRAME] = "frame frame_id frame_number frame_idx frame_index frame_no image_id",
  [COLUMN_TIME] = "time timestamp seconds time_s t time_sec",
  [COLUMN_MILLISECONDS] = "timestamp_ms time_ms milliseconds ms",
  [COLUMN_PERSON] = "person person_id track track_id person_idx person_index pose_id id instance",
  [COLUMN_POINT] = "point keypoint landmark joint landmark_id landmark_index landmark_name "
                   "keypoint_id keypoint_name point_id joint_id joint_name bodypart part name "
                   "index kpt",
  [COLUMN_X] = "x x_px x_pixel coord_x pos_x",
  [COLUMN_Y] = "y y_px y_pixel coord_y pos_y",
  [COLUMN_SCORE] = "score visibility confidence likelihood conf presence probability c",
};

typedef struct {
  gdouble at;
  gint64 person;
  gint32 point;
  guint32 order;
  gfloat x, y, score;
} Row;

typedef struct {
  const Cnn3dKeypointsSource *source;
  Cnn3dKeypointsBuilder *builder;
  Cnn3dReading reading;
  Cnn3dTable *table;
  guint at[N_COLUMNS]; /* the column's place + 1; 0: none */
  guint n_columns;
  GArray *rows;      /* of Row */
  gboolean comma;    /* is the decimal sign */
  guint points;      /* K, by the points' numbers */
  GHashTable *names; /* of points that have them, to their number so far + 1 */
} Reader;

static gboolean
is_name (const Cnn3dField *field, const gchar *name, gsize size)
{
  gsize k = 0;

  for (gsize i = 0; i < field->size; i++) {
    const gboolean letter = g_ascii_isalnum (field->text[i]) || field->text[i] & 0x80;

    if (!letter && (k == 0 || (k < size && name[k - 1] == '_')))
      continue;
    if (k == size)
      return !letter && i + 1 == field->size;
    if (letter ? g_ascii_tolower (field->text[i]) != name[k] : name[k] != '_')
      return FALSE;
    k++;
  }
  return k == size;
}

/* Finds the columns in the first row. FALSE: it is no header of such a table. */
static gboolean
match_columns (Reader *reader)
{
  const Cnn3dTable *table = reader->table;

  memset (reader->at, 0, sizeof reader->at);
  for (guint column = 0; column < N_COLUMNS; column++)
    for (const gchar *name = columns[column]; *name && !reader->at[column];) {
      const gsize size = strcspn (name, " ");

      for (guint i = 0; i < table->n_fields && !reader->at[column]; i++)
        if (is_name (&table->fields[i], name, size))
          reader->at[column] = i + 1;
      name += size + (name[size] == ' ');
    }
  reader->n_columns = table->n_fields;
  return (reader->at[COLUMN_FRAME] || reader->at[COLUMN_TIME] || reader->at[COLUMN_MILLISECONDS])
      && reader->at[COLUMN_POINT] && reader->at[COLUMN_X] && reader->at[COLUMN_Y];
}

/* FALSE: the text is not UTF-8, or begins otherwise. */
static gboolean
begin (Reader *reader, const Cnn3dKeypointsSource *source)
{
  const gchar *text = (const gchar *) source->data, *end = text + source->size;

  if (source->size >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    text += 3;
  if (!g_utf8_validate (text, end - text, NULL))
    return FALSE;
  reader->source = source;
  reader->reading = (Cnn3dReading) { .location = "line", .text = text, .end = end };
  reader->reading.lone_cr = memchr (text, '\r', end - text) && !memchr (text, '\n', end - text);
  reader->table = g_new0 (Cnn3dTable, 1);
  cnn3d_table_init (reader->table, &reader->reading, text);
  reader->comma = reader->table->delimiter != ',';
  return cnn3d_table_next (reader->table, NULL) && match_columns (reader);
}

static void
finish (Reader *reader)
{
  if (reader->table)
    cnn3d_table_clear (reader->table);
  g_free (reader->table);
  g_clear_pointer (&reader->names, g_hash_table_unref);
  g_clear_pointer (&reader->rows, g_array_unref);
}

static gboolean
knows (const Cnn3dKeypointsSource *source)
{
  Reader reader = { NULL };
  const gboolean is = !source->folder && begin (&reader, source);

  finish (&reader);
  return is;
}

static const Cnn3dField *
field_of (const Reader *reader, Column column)
{
  return reader->at[column] ? &reader->table->fields[reader->at[column] - 1] : NULL;
}

/* A number; NaN where the field is empty or says so. FALSE: it is none. */
static gboolean
read_number (const Reader *reader, const Cnn3dField *field, gdouble *number)
{
  static const gchar *const missing[] = { "nan", "na", "none", "null", "-" };

  *number = NAN;
  if (field->size == 0)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (missing); i++)
    if (strlen (missing[i]) == field->size
        && g_ascii_strncasecmp (missing[i], field->text, field->size) == 0)
      return TRUE;
  return cnn3d_number_parse (field->text, field->size, reader->comma, number);
}

/* The number of a name among those so far; -1 with `error` set: there are too many. */
static gint
number_name (Reader *reader, const Cnn3dField *field, GError **error)
{
  g_autofree gchar *name = g_strndup (field->text, field->size);
  gpointer number = g_hash_table_lookup (reader->names, name);

  if (!number && g_hash_table_size (reader->names) == CNN3D_SKELETON_MOST) {
    cnn3d_reading_error (
        &reader->reading, field->at, error, "more than %u different points", CNN3D_SKELETON_MOST);
    return -1;
  }
  if (!number) {
    number = GUINT_TO_POINTER (g_hash_table_size (reader->names) + 1);
    g_hash_table_insert (reader->names, g_steal_pointer (&name), number);
  }
  return GPOINTER_TO_UINT (number) - 1;
}

/* The point's number, or that of its name; -1 with `error` set. */
static gint
read_point (Reader *reader, const Cnn3dField *field, GError **error)
{
  const gboolean named = g_hash_table_size (reader->names) > 0;
  gdouble number;

  if (named || !cnn3d_number_parse (field->text, field->size, FALSE, &number)) {
    if (!reader->points)
      return number_name (reader, field, error);
  } else if (number >= 0 && number < CNN3D_SKELETON_MOST && number == floor (number)) {
    reader->points = MAX (reader->points, (guint) number + 1);
    return number;
  }
  cnn3d_reading_error (&reader->reading, field->at, error,
      "the point \"%.*s\" is not a number from 0 to %d", CNN3D_SHOWN (field->text, field->size),
      CNN3D_SKELETON_MOST - 1);
  return -1;
}

/* What the names' numbers are in a skeleton, [names]. FALSE: it lacks this one. */
static gboolean
map_names (const Reader *reader, const Cnn3dSkeleton *skeleton, gint *map, const gchar **lacking)
{
  GHashTableIter iter;
  gpointer name, number;

  g_hash_table_iter_init (&iter, reader->names);
  while (g_hash_table_iter_next (&iter, &name, &number)) {
    const gint point = cnn3d_skeleton_find (skeleton, name, strlen (name));

    *lacking = name;
    if (point < 0)
      return FALSE;
    map[GPOINTER_TO_UINT (number) - 1] = point;
  }
  return TRUE;
}

/* Numbers points that have names: by the skeleton that was given, or the first that has all of
 * them. */
static gboolean
resolve_names (Reader *reader, GError **error)
{
  static const gchar *const skeletons[] = { "coco17", "body25", "mediapipe33", "mhr70" };
  const guint n = g_hash_table_size (reader->names);
  const gchar *lacking = NULL;
  g_autofree gint *map = g_new (gint, n + 1);
  gboolean ok = n == 0;

  if (!ok && reader->source->skeleton) {
    ok = map_names (reader, reader->source->skeleton, map, &lacking);
    reader->points = reader->source->skeleton->points;
    if (!ok)
      goto other_name;
  }
  for (guint i = 0; i < G_N_ELEMENTS (skeletons) && !ok; i++) {
    Cnn3dSkeleton *skeleton = cnn3d_skeleton_new (skeletons[i], NULL, 0, NULL);

    ok = map_names (reader, skeleton, map, &lacking);
    reader->points = skeleton->points;
    cnn3d_skeleton_free (skeleton);
  }
  if (!ok)
    goto unknown_name;
  for (guint i = 0; n > 0 && i < reader->rows->len; i++) {
    Row *row = &g_array_index (reader->rows, Row, i);

    row->point = map[row->point];
  }
  return TRUE;

  /* ERRORS */
other_name:
  cnn3d_keypoints_set_error (error, "skeleton %s has no point \"%.*s\"",
      reader->source->skeleton->name, CNN3D_SHOWN (lacking, strlen (lacking)));
  return FALSE;
unknown_name:
  cnn3d_keypoints_set_error (error,
      "no known skeleton has all of its points, such as \"%.*s\"; number them from 0",
      CNN3D_SHOWN (lacking, strlen (lacking)));
  return FALSE;
}

static gboolean
read_place (Reader *reader, Row *row, GError **error)
{
  const Cnn3dField *frame = field_of (reader, COLUMN_FRAME);
  const Cnn3dField *time = field_of (reader, COLUMN_TIME);
  const Cnn3dField *field = frame ? frame : time ? time : field_of (reader, COLUMN_MILLISECONDS);

  if (!cnn3d_number_parse (field->text, field->size, reader->comma, &row->at) || row->at < 0
      || (frame && (row->at != floor (row->at) || row->at > G_MAXUINT32)))
    goto bad_place;
  if (!frame && !time)
    row->at /= 1000;
  return TRUE;

  /* ERRORS */
bad_place:
  cnn3d_reading_error (&reader->reading, field->at, error,
      "the %s \"%.*s\" is not a number, 0 or more", frame ? "frame" : "time",
      CNN3D_SHOWN (field->text, field->size));
  return FALSE;
}

static gboolean
read_row (Reader *reader, GError **error)
{
  const Cnn3dField *field = &reader->table->fields[0];
  Row row = { .order = reader->rows->len };
  gdouble numbers[3] = { 0, 0, 1 }, person = 0;

  if (reader->table->n_fields != reader->n_columns)
    goto other_number;
  if (reader->rows->len == CNN3D_KEYPOINTS_MOST)
    goto too_many;
  if (!read_place (reader, &row, error))
    return FALSE;
  row.point = read_point (reader, field_of (reader, COLUMN_POINT), error);
  if (row.point < 0)
    return FALSE;
  for (Column c = COLUMN_X; c <= COLUMN_SCORE; c++)
    if ((field = field_of (reader, c)) && !read_number (reader, field, &numbers[c - COLUMN_X]))
      goto no_number;
  field = field_of (reader, COLUMN_PERSON);
  if (field && (!read_number (reader, field, &person) || fabs (person) > 1e15))
    goto no_number;
  row.person = isnan (person) ? 0 : person;
  row.x = numbers[0];
  row.y = numbers[1];
  row.score = numbers[2];
  if (!field_of (reader, COLUMN_SCORE) && row.x == 0 && row.y == 0)
    row.score = 0;
  g_array_append_val (reader->rows, row);
  return TRUE;

  /* ERRORS */
other_number:
  cnn3d_reading_error (&reader->reading, field->at, error, "%u columns, but the header has %u",
      reader->table->n_fields, reader->n_columns);
  return FALSE;
too_many:
  cnn3d_reading_error (
      &reader->reading, field->at, error, "more than %u points in all", CNN3D_KEYPOINTS_MOST);
  return FALSE;
no_number:
  cnn3d_reading_error (&reader->reading, field->at, error, "\"%.*s\" is not a number",
      CNN3D_SHOWN (field->text, field->size));
  return FALSE;
}

static gint
compare_rows (gconstpointer a, gconstpointer b)
{
  const Row *x = a, *y = b;

  if (x->at != y->at)
    return x->at < y->at ? -1 : 1;
  if (x->person != y->person)
    return x->person < y->person ? -1 : 1;
  return x->order < y->order ? -1 : x->order > y->order;
}

static gboolean
add_persons (Reader *reader, GError **error)
{
  const Cnn3dSkeleton *skeleton = reader->source->skeleton;
  const Row *rows = (const Row *) reader->rows->data, *before = NULL;
  gfloat *to = NULL;
  guint points;

  if (!resolve_names (reader, error))
    return FALSE;
  points = skeleton ? skeleton->points : reader->points;
  if (reader->points > points)
    goto too_many;
  if (reader->rows->len)
    qsort (reader->rows->data, reader->rows->len, sizeof (Row), compare_rows);
  for (guint i = 0; i < reader->rows->len; i++) {
    const Row *row = rows + i;

    if (!before || row->at != before->at || row->person != before->person)
      to = cnn3d_keypoints_builder_add (reader->builder, row->at, row->person, points, error);
    if (!to)
      return FALSE;
    to[3 * row->point] = row->x;
    to[3 * row->point + 1] = row->y;
    to[3 * row->point + 2] = row->score;
    before = row;
  }
  reader->builder->by_time = !reader->at[COLUMN_FRAME];
  reader->builder->tracked = reader->at[COLUMN_PERSON] > 0;
  return TRUE;

  /* ERRORS */
too_many:
  cnn3d_keypoints_set_error (error, "it has %u points a person, but skeleton %s has %u",
      reader->points, skeleton->name, skeleton->points);
  return FALSE;
}

static gboolean
read_rows (Reader *reader, GError **error)
{
  GError *reason = NULL;

  reader->rows = g_array_new (FALSE, FALSE, sizeof (Row));
  reader->names = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);
  while (cnn3d_table_next (reader->table, &reason) && reader->table->n_fields > 0)
    if (!read_row (reader, &reason))
      break;
  if (!reason)
    return add_persons (reader, error);
  cnn3d_keypoints_set_error (error, "%s", reason->message);
  g_error_free (reason);
  return FALSE;
}

static gboolean
read_table (const Cnn3dKeypointsSource *source, Cnn3dKeypointsBuilder *builder, GError **error)
{
  Reader reader = { .builder = builder };
  const gboolean ok = begin (&reader, source) && read_rows (&reader, error);

  finish (&reader);
  return ok;
}

const Cnn3dKeypointsReader cnn3d_keypoints_table = { "table of points", knows, read_table };
