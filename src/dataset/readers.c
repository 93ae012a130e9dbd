/* readers.c: the table of formats, and how one of them is chosen.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/reader.h"

#include <errno.h>
#include <string.h>
#include <glib/gstdio.h>

#include "src/dataset/table.h"

/* The order matters where a content is two formats': what knows less comes later. */
#define READERS(READER) \
  READER (hmdb51)       \
  READER (folder)       \
  READER (cvat)         \
  READER (labelstudio)  \
  READER (something)    \
  READER (videomap)     \
  READER (timeline)     \
  READER (via)          \
  READER (ava)          \
  READER (kinetics)     \
  READER (charades)     \
  READER (epic)         \
  READER (ucf101)       \
  READER (list)         \
  READER (manifest)

#define DECLARE(name) extern const Cnn3dReader cnn3d_##name##_reader;
READERS (DECLARE)
#define ADDRESS(name) &cnn3d_##name##_reader,
static const Cnn3dReader *const readers[] = { READERS (ADDRESS) };

/* --- the text of a file --- */

/* So many bytes at a time */
#define CHECKED (1 << 20)

/* Finds what no text file has before any of it is believed, and what ends its lines. */
static gboolean
check_text (Cnn3dReading *reading, GError **error)
{
  const gchar *bad = reading->text;
  gboolean valid = TRUE, cr = FALSE, lf = FALSE;

  while (valid && bad < reading->end) {
    const gchar *next = bad + MIN (reading->end - bad, CHECKED);

    /* not within a character, which has 4 bytes at most */
    for (guint i = 0; i < 3 && next < reading->end && (*next & 0xC0) == 0x80; i++)
      next--;
    cr = cr || memchr (bad, '\r', next - bad);
    lf = lf || memchr (bad, '\n', next - bad);
    /* Stops at a NUL too, where a length is given */
    valid = g_utf8_validate (bad, next - bad, &bad);
    cnn3d_reading_release (reading, bad);
  }
  reading->lone_cr = valid && cr && !lf;
  if (valid)
    return TRUE;
  if (*bad)
    cnn3d_reading_error (reading, bad, error,
        "the byte 0x%02X is not UTF-8, but perhaps ISO 8859-1 or Windows-1252; save the file as "
        "UTF-8",
        (guint8) *bad);
  else if (bad - reading->text <= 1 && reading->end - bad > 2 && bad[1] && !bad[2])
    cnn3d_reading_error (
        reading, bad, error, "UTF-16 without a byte-order mark; save the file as UTF-8");
  else
    cnn3d_reading_error (reading, bad, error, "a NUL byte; is this a text file? Save it as UTF-8");
  return FALSE;
}

/* The text of a file that begins with a byte-order mark of UTF-16; g_free(). */
static gchar *
from_utf16 (const Cnn3dReading *reading, gsize *size, GError **error)
{
  GError *reason = NULL;
  gchar *text = g_convert (reading->text + 2, reading->end - reading->text - 2, "UTF-8",
      reading->text[0] == '\xFF' ? "UTF-16LE" : "UTF-16BE", NULL, size, &reason);

  if (!text) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
        "%s: not valid UTF-16, which its byte-order mark says it is (%s); save the file as UTF-8",
        reading->location, reason->message);
    g_clear_error (&reason);
  }
  return text;
}

/* JSON begins with a bracket and what may follow one there, which no path does. */
static Cnn3dContent
content_of (const gchar *p, const gchar *end)
{
  const gchar *next;

  while (p < end && g_ascii_isspace (*p))
    p++;
  for (next = p + 1; next < end && g_ascii_isspace (*next); next++)
    ;
  if (p < end && *p == '{' && (next == end || strchr ("\"}'", *next)))
    return CNN3D_CONTENT_JSON;
  if (p < end && *p == '[' && (next == end || strchr ("[]{\"'-0123456789", *next)))
    return CNN3D_CONTENT_JSON;
  if (end - p > 1 && *p == '<' && (p[1] == '?' || p[1] == '!' || g_ascii_isalpha (p[1])))
    return CNN3D_CONTENT_XML;
  return CNN3D_CONTENT_ROWS;
}

/* --- recognising formats --- */

static void
sniff_members (Cnn3dReading *reading, const gchar *value, guint level)
{
  Cnn3dJsonWalk walk;

  cnn3d_json_enter (&walk, value);
  while (reading->keys[level]->len < CNN3D_SNIFFED_KEYS && cnn3d_json_next (&walk)) {
    if (*value == '{')
      g_ptr_array_add (reading->keys[level], g_strndup (walk.key, walk.key_size));
    if (level == 0 && reading->keys[1]->len == 0)
      sniff_members (reading, walk.value, 1);
    /* an array's elements are alike */
    if (*value == '[')
      break;
  }
}

static void
sniff_fields (Cnn3dReading *reading, Cnn3dTable *table)
{
  cnn3d_table_init (table, reading, reading->text);
  if (table->delimiter == ' ' || !cnn3d_table_next (table, NULL))
    return;
  reading->fields = table->fields;
  reading->n_fields = MIN (table->n_fields, CNN3D_SNIFFED_FIELDS);
}

static const Cnn3dReader *
choose_reader (Cnn3dReading *reading)
{
  Cnn3dTable *table = g_new0 (Cnn3dTable, 1);
  const Cnn3dReader *reader = NULL;

  for (guint level = 0; level < 2; level++)
    reading->keys[level] = g_ptr_array_new_with_free_func (g_free);
  if (reading->content == CNN3D_CONTENT_JSON)
    sniff_members (reading, cnn3d_reading_json (reading), 0);
  else if (reading->content == CNN3D_CONTENT_ROWS)
    sniff_fields (reading, table);
  for (guint i = 0; i < G_N_ELEMENTS (readers) && !reader; i++)
    if (readers[i]->knows (reading))
      reader = readers[i];
  reading->n_fields = 0;
  cnn3d_table_clear (table);
  g_free (table);
  return reader;
}

/* --- a source --- */

/* A property that this format has no use for would do nothing, in silence. */
static gboolean
check_settings (const Cnn3dReading *reading, const Cnn3dReader *reader, GError **error)
{
  const gchar *annotator = reading->params->annotator;

  if (annotator && *annotator && !reader->annotators)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "%s: annotator is set, but this format (%s) does not say who annotated; unset it",
        reading->location, reader->name);
  else if (cnn3d_reading_has_background (reading) && !reader->background)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_PARAMS,
        "%s: background is set, but this format (%s) does not say what of a video has no label; "
        "unset it",
        reading->location, reader->name);
  else
    return TRUE;
  return FALSE;
}

/* Says what was found, and what is missing. */
static gboolean
refuse_empty (const Cnn3dReading *reading, const Cnn3dReader *reader, GError **error)
{
  const gchar *p = reading->text;
  g_autoptr (GString) found = g_string_new (NULL);

  for (guint i = 0; i < reading->dataset->notes->len; i++)
    g_string_append_printf (
        found, "; %s", g_array_index (reading->dataset->notes, Cnn3dDatasetNote, i).text);
  while (p < reading->end && g_ascii_isspace (*p))
    p++;
  if (reading->content == CNN3D_CONTENT_FOLDER)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: no clips in it%s; a folder has a sub-folder for each class, with videos, or folders "
        "of numbered pictures, in it",
        reading->location, found->str);
  else if (p == reading->end)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: no clips in it, because the file is empty; a manifest has one row per clip "
        "(path,label)",
        reading->location);
  else if (reader->clips)
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: no clips in it; it was read as %s, where clips are %s%s", reading->location,
        reader->name, reader->clips, found->str);
  else
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_EMPTY,
        "%s: no clips in it; it was read as %s, but it has no row below the header%s",
        reading->location, reader->name, found->str);
  return FALSE;
}

static gboolean
read_with (Cnn3dReading *reading, GError **error)
{
  const Cnn3dReader *reader = choose_reader (reading);
  guint before;

  if (!reader) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_ROW,
        "%s: XML, but not an export of CVAT for video; export it as \"CVAT for video 1.1\"",
        reading->location);
    return FALSE;
  }
  reading->dataset->formats[reading->source] = reader->name;
  before = reading->first_row = reading->dataset->rows->len;
  if (!check_settings (reading, reader, error) || !reader->read (reading, error))
    return FALSE;
  if (reading->dataset->rows->len == before)
    return refuse_empty (reading, reader, error);
  return cnn3d_views_end (reading, error);
}

static void
passed (gpointer reading, const gchar *until)
{
  cnn3d_reading_release (reading, until);
}

static gboolean
read_file (Cnn3dReading *reading, GError **error)
{
  GError *reason = NULL;
  GMappedFile *map = g_mapped_file_new (reading->location, FALSE, &reason);
  g_autofree gchar *converted = NULL;
  const gchar *why, *at, *mapped;
  gboolean ok = FALSE;
  gsize size;

  if (!map) {
    g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN, "%s: %s", reading->location,
        reason->message);
    g_clear_error (&reason);
    return FALSE;
  }
  size = g_mapped_file_get_length (map);
  /* An empty file maps to NULL */
  reading->text = size > 0 ? g_mapped_file_get_contents (map) : "";
  reading->end = reading->text + size;
  if (size >= 2
      && (memcmp (reading->text, "\xFF\xFE", 2) == 0
          || memcmp (reading->text, "\xFE\xFF", 2) == 0)) {
    converted = from_utf16 (reading, &size, error);
    if (!converted)
      goto done;
    reading->text = converted;
    reading->end = converted + size;
  } else if (size >= 3 && memcmp (reading->text, "\xEF\xBB\xBF", 3) == 0) {
    reading->text += 3;
  }
  mapped = size > 0 && !converted ? g_mapped_file_get_contents (map) : NULL;
  reading->resident = mapped;
  if (!check_text (reading, error))
    goto done;
  reading->resident = mapped;
  reading->content = content_of (reading->text, reading->end);
  if (reading->content == CNN3D_CONTENT_JSON
      && (why = cnn3d_json_check (reading->text, reading->end, &at, passed, reading))) {
    cnn3d_reading_error (reading, at, error, "%s", why);
    goto done;
  }
  reading->resident = mapped;
  ok = read_with (reading, error);

done:
  g_mapped_file_unref (map);
  return ok;
}

gboolean
cnn3d_readers_read (Cnn3dDataset *dataset, const Cnn3dDatasetParams *params, const gchar *location,
    guint8 source, GError **error)
{
  Cnn3dReading reading = {
    .dataset = dataset, .params = params, .location = location, .source = source
  };
  g_autofree gchar *folder = g_path_get_dirname (location);
  const gchar *first;
  gboolean ok;
  GStatBuf st;
  guint n;

  if (g_stat (location, &st) != 0)
    goto unreadable;
  /* A pipe or a device would block, or never end */
  if (!S_ISDIR (st.st_mode) && !S_ISREG (st.st_mode)) {
    errno = EINVAL;
    goto unreadable;
  }
  reading.root = S_ISDIR (st.st_mode) ? location
      : params->root && *params->root ? params->root
                                      : folder;
  reading.buffer = g_string_new (NULL);
  reading.content = CNN3D_CONTENT_FOLDER;
  ok = S_ISDIR (st.st_mode) ? read_with (&reading, error) : read_file (&reading, error);
  if (reading.finder && (n = cnn3d_finder_passed_over (reading.finder, &first)))
    cnn3d_dataset_note (dataset, FALSE,
        "%s: %u files are not read, because their folder has another one of the same name before "
        "the ending, the first \"%s\"; the first by name is read",
        location, n, first);
  dataset->roots[source] = g_strdup (reading.root);
  g_string_free (reading.buffer, TRUE);
  for (guint level = 0; level < 2; level++)
    g_clear_pointer (&reading.keys[level], g_ptr_array_unref);
  cnn3d_finder_free (reading.finder);
  g_clear_pointer (&reading.spans, g_array_unref);
  g_clear_pointer (&reading.places, g_array_unref);
  return ok;

  /* ERRORS */
unreadable:
  g_set_error (error, CNN3D_DATASET_ERROR, CNN3D_DATASET_ERROR_OPEN,
      "%s: %s; give a manifest (CSV, TSV, JSON) or a folder of class folders", location,
      g_strerror (errno));
  return FALSE;
}
