/* via.c: the CSV of VIA, the VGG Image Annotator, for video:
 *
 *     # ATTRIBUTE = {"1":{"aname":"action","type":4,"options":{"0":"walk","1":"jump"}}}
 *     # CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
 *     "1_a","[""a.mp4""]",0,"[1.5,4]","[]","{""1"":""0""}"
 *
 * A row with two times is a clip; one with a box in a frame is left out.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"
#include "src/hash.h"

#include <math.h>
#include <string.h>

enum {
  FILES,
  TIMES,
  METADATA,
  N
};

static const gchar *const names[N] = { "file_list", "temporal_coordinates", "metadata" };

typedef struct {
  Cnn3dReading *reading;
  Cnn3dTable table;
  guint at[N], columns;
  GHashTable *options; /* of the attribute that is the class: number -> name */
  gchar *attribute;    /* its number; NULL: whichever a row has */
  guint left_out;
  GString *label;
} Via;

static gboolean
knows (const Cnn3dReading *reading)
{
  const gsize size = MIN (reading->end - reading->text, 64 << 10);

  return reading->content == CNN3D_CONTENT_ROWS && *reading->text == '#'
      && g_strstr_len (reading->text, size, "# CSV_HEADER = ")
      && g_strstr_len (reading->text, size, names[TIMES]);
}

/* JSON in a part of the text; *value: its first character. FALSE with `error` set: it is
 * none. */
static gboolean
check_json (
    const Cnn3dReading *reading, const Cnn3dField *field, const gchar **value, GError **error)
{
  const gchar *wrong,
      *reason = cnn3d_json_check (field->text, field->text + field->size, &wrong, NULL, NULL);

  for (*value = field->text; !reason && g_ascii_isspace (**value);)
    ++*value;
  if (!reason && **value != '{' && **value != '[')
    reason = "neither an object nor an array";
  if (reason)
    cnn3d_reading_error (reading, field->at, error, "not the JSON that VIA writes: %s", reason);
  return !reason;
}

/* --- the comments --- */

static void
read_options (Via *via, const gchar *options)
{
  Cnn3dJsonWalk walk;
  const gchar *text;
  gsize size;

  for (cnn3d_json_enter (&walk, options); cnn3d_json_next (&walk);)
    if ((text = cnn3d_json_text (walk.value, via->reading->buffer, &size)))
      g_hash_table_replace (
          via->options, g_strndup (walk.key, walk.key_size), g_strndup (text, size));
}

/* The attribute that is the class: the only one, or the one that is called so. */
static gboolean
read_attributes (Via *via, const Cnn3dField *json, GError **error)
{
  const gchar *value, *text;
  Cnn3dJsonWalk walk, member;
  guint n = 0, classes = 0, rank;
  gsize size;

  if (!check_json (via->reading, json, &value, error))
    return FALSE;
  for (cnn3d_json_enter (&walk, value); cnn3d_json_next (&walk); n++) {
    const gchar *options = NULL;
    gboolean class = FALSE;

    for (cnn3d_json_enter (&member, walk.value); cnn3d_json_next (&member);) {
      if (cnn3d_json_is (&member, "options"))
        options = member.value;
      else if (cnn3d_json_is (&member, "aname")
          && (text = cnn3d_json_text (member.value, via->reading->buffer, &size)))
        class = cnn3d_column_find (text, size, &rank) == CNN3D_COLUMN_LABEL;
    }
    if (!class && classes)
      continue;
    classes += class;
    g_free (via->attribute);
    via->attribute = g_strndup (walk.key, walk.key_size);
    /* not those of an attribute before it */
    g_hash_table_remove_all (via->options);
    if (options)
      read_options (via, options);
  }
  if (n <= 1 || classes == 1)
    return TRUE;
  cnn3d_reading_error (via->reading, json->at, error,
      "%u attributes; call the one that is the class \"label\", and only that one", n);
  return FALSE;
}

/* The names of the columns, which are a comment: "# CSV_HEADER = a,b,c". */
static gboolean
read_header (Via *via, Cnn3dField line, GError **error)
{
  g_autofree gchar *text = g_strndup (line.text, line.size);
  g_auto (GStrv) columns = g_strsplit (g_strstrip (text), ",", 64);
  guint found = 0;

  via->columns = g_strv_length (columns);
  while (via->columns > 0 && !*columns[via->columns - 1])
    via->columns--;
  for (guint i = 0; i < via->columns; i++)
    for (guint k = 0; k < N; k++)
      if (strcmp (columns[i], names[k]) == 0) {
        via->at[k] = i;
        found |= 1 << k;
      }
  if (found == (1 << N) - 1)
    return TRUE;
  cnn3d_reading_error (via->reading, line.at, error,
      "the header needs file_list, temporal_coordinates and metadata");
  return FALSE;
}

/* Goes over the lines that begin with #. *p: the first row. */
static gboolean
read_comments (Via *via, const gchar **p, GError **error)
{
  static const gchar *const keys[] = { "# CSV_HEADER = ", "# ATTRIBUTE = ", "# ATTRIBUTES = " };
  const Cnn3dReading *reading = via->reading;
  Cnn3dField line;

  while (*p < reading->end && **p == '#' && cnn3d_reading_line (reading, p, &line)) {
    for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
      const gsize size = strlen (keys[i]);

      if (line.size < size || memcmp (line.text, keys[i], size) != 0)
        continue;
      line.text += size;
      line.at += size;
      line.size -= size;
      if (!(i ? read_attributes (via, &line, error) : read_header (via, line, error)))
        return FALSE;
      break;
    }
  }
  return TRUE;
}

/* --- the rows --- */

static gboolean
set_path (Via *via, const Cnn3dField *field, Cnn3dClip *clip, GError **error)
{
  const gchar *value, *text;
  Cnn3dJsonWalk walk;
  gsize size;

  if (!check_json (via->reading, field, &value, error))
    return FALSE;
  cnn3d_json_enter (&walk, value);
  text = cnn3d_json_next (&walk) ? cnn3d_json_text (walk.value, via->reading->buffer, &size) : NULL;
  if (!text || cnn3d_json_next (&walk)) {
    cnn3d_reading_error (via->reading, field->at, error, "file_list is not a list of one video");
    return FALSE;
  }
  clip->path = cnn3d_reading_path (via->reading, text, size, field->at, error);
  return clip->path != CNN3D_ARENA_FULL;
}

static gboolean
set_label (Via *via, const Cnn3dField *field, Cnn3dClip *clip, GError **error)
{
  const gchar *value, *text, *name;
  Cnn3dJsonWalk walk;
  gsize size;

  if (!check_json (via->reading, field, &value, error))
    return FALSE;
  g_string_truncate (via->label, 0);
  for (cnn3d_json_enter (&walk, value); cnn3d_json_next (&walk);)
    if ((!via->attribute || cnn3d_json_is (&walk, via->attribute))
        && (text = cnn3d_json_text (walk.value, via->reading->buffer, &size)))
      g_string_append_len (g_string_truncate (via->label, 0), text, size);
  name = g_hash_table_lookup (via->options, via->label->str);
  if (name)
    g_string_assign (via->label, name);
  else if (g_hash_table_size (via->options) && via->label->len) {
    cnn3d_reading_error (via->reading, field->at, error,
        "\"%.*s\" is not one of the attribute's options; a clip has one class",
        CNN3D_SHOWN (via->label->str, via->label->len));
    return FALSE;
  }
  clip->label = via->label->str;
  clip->label_size = via->label->len;
  clip->label_at = field->at;
  return TRUE;
}

static gboolean
add_row (Via *via, GError **error)
{
  const Cnn3dField *fields = via->table.fields;
  const Cnn3dField *times = &fields[via->at[TIMES]];
  Cnn3dClip clip = CNN3D_CLIP_WHOLE;
  const gchar *value;
  Cnn3dJsonWalk walk;
  guint n = 0;

  if (!check_json (via->reading, times, &value, error))
    return FALSE;
  for (cnn3d_json_enter (&walk, value); cnn3d_json_next (&walk);)
    n++;
  if (n == 1) {
    via->left_out++;
    return TRUE;
  }
  clip.at = clip.end_at = times->at;
  if (n > 1) {
    gdouble *const ends[] = { &clip.start, &clip.end };

    cnn3d_json_enter (&walk, value);
    for (guint i = 0; i < 2 && cnn3d_json_next (&walk); i++) {
      Cnn3dField time = { .at = times->at };

      time.text = cnn3d_json_numeral (walk.value, &time.size);
      if (!time.text)
        time.text = "";
      if (!cnn3d_reading_seconds (via->reading, &time, i ? "end" : "start", FALSE, ends[i], error))
        return FALSE;
    }
  }
  return set_path (via, &fields[via->at[FILES]], &clip, error)
      && set_label (via, &fields[via->at[METADATA]], &clip, error)
      && cnn3d_reading_add (via->reading, &clip, error);
}

static gboolean
read_via (Cnn3dReading *reading, GError **error)
{
  Via *via = g_new0 (Via, 1);
  const gchar *p = reading->text;
  GError *reason = NULL;

  via->reading = reading;
  via->options = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, g_free);
  via->label = g_string_new (NULL);
  if (read_comments (via, &p, &reason)) {
    cnn3d_table_init (&via->table, reading, p);
    while (!reason && cnn3d_table_row (&via->table, via->columns, &reason))
      add_row (via, &reason);
    cnn3d_table_clear (&via->table);
  }
  if (via->left_out > 0)
    cnn3d_dataset_note (reading->dataset, FALSE,
        "%s: rows of single frames, which are left out: %u; a clip has two times",
        reading->location, via->left_out);
  g_hash_table_unref (via->options);
  g_string_free (via->label, TRUE);
  g_free (via->attribute);
  g_free (via);
  if (!reason)
    return TRUE;
  g_propagate_error (error, reason);
  return FALSE;
}

const Cnn3dReader cnn3d_via_reader = { "VIA's CSV", knows, read_via,
  .clips = "rows with temporal coordinates and an attribute" };
