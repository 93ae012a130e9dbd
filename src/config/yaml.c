/* yaml.c: reads YAML files by libyaml's events.
 *
 * A file has sections of keys with scalars, and one list of two numbers. Deeper nesting ends the
 * reading at the event that starts it, so the depth is bounded; aliases, anchors and tags are
 * refused, so nothing can expand.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "src/hash.h"

#define MAX_SIZE (64 * 1024) /* bytes of a file */

typedef struct {
  Cnn3dConfig *config;
  const gchar *name; /* of the file */
  const gchar *data;
  gsize size;
  yaml_parser_t parser;
  yaml_event_t event;   /* the current one; owned by the reader */
  guint *lines;         /* [key]: line where it was set in this file; 0: not yet */
  GHashTable *sections; /* name (owned) -> line */
} Reader;

static void G_GNUC_PRINTF (5, 6) set_error (const Reader *reader, const yaml_mark_t *mark,
    Cnn3dConfigError code, GError **error, const gchar *format, ...)
{
  va_list args;
  gchar *reason;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, CNN3D_CONFIG_ERROR, code, "%s:%" G_GSIZE_FORMAT ":%" G_GSIZE_FORMAT ": %s",
      reader->name, (gsize) mark->line + 1, (gsize) mark->column + 1, reason);
  g_free (reason);
}

/* Line and column of a byte, for errors found before libyaml reads. */
static yaml_mark_t
mark_at (const Reader *reader, gsize offset)
{
  yaml_mark_t mark = {
    0,
  };

  for (gsize i = 0; i < offset; i++) {
    if (reader->data[i] == '\n') {
      mark.line++;
      mark.column = 0;
    } else if ((reader->data[i] & 0xc0) != 0x80)
      mark.column++;
  }
  return mark;
}

/* Whether the line's indentation has a tab. */
static gboolean
has_tab (const Reader *reader, const yaml_mark_t *mark)
{
  const gchar *p = reader->data, *end = reader->data + reader->size;

  for (gsize line = 0; line < mark->line; line++) {
    p = memchr (p, '\n', (gsize) (end - p));
    if (!p)
      return FALSE;
    p++;
  }
  while (p < end && *p == ' ')
    p++;
  return p < end && *p == '\t';
}

static void
set_syntax_error (const Reader *reader, GError **error)
{
  const yaml_parser_t *parser = &reader->parser;
  yaml_mark_t mark = parser->problem_mark;

  switch (parser->error) {
    case YAML_MEMORY_ERROR:
      g_set_error (
          error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_READ, "%s: out of memory", reader->name);
      break;
    case YAML_READER_ERROR:
      mark = mark_at (reader, MIN (parser->problem_offset, reader->size));
      set_error (
          reader, &mark, CNN3D_CONFIG_ERROR_SYNTAX, error, "a character that YAML does not allow");
      break;
    default:
      if (has_tab (reader, &mark))
        set_error (
            reader, &mark, CNN3D_CONFIG_ERROR_SYNTAX, error, "a tab; YAML is indented with spaces");
      else
        set_error (reader, &mark, CNN3D_CONFIG_ERROR_SYNTAX, error, "this is not YAML: %s%s%s",
            parser->problem, parser->context ? " " : "", parser->context ? parser->context : "");
      break;
  }
}

/* Replaces the current event by the next one. */
static gboolean
next (Reader *reader, GError **error)
{
  yaml_char_t *anchor = NULL, *tag = NULL;

  yaml_event_delete (&reader->event);
  if (!yaml_parser_parse (&reader->parser, &reader->event)) {
    set_syntax_error (reader, error);
    return FALSE;
  }
  switch (reader->event.type) {
    case YAML_ALIAS_EVENT:
      goto alias;
    case YAML_SCALAR_EVENT:
      anchor = reader->event.data.scalar.anchor;
      tag = reader->event.data.scalar.tag;
      break;
    case YAML_SEQUENCE_START_EVENT:
      anchor = reader->event.data.sequence_start.anchor;
      tag = reader->event.data.sequence_start.tag;
      break;
    case YAML_MAPPING_START_EVENT:
      anchor = reader->event.data.mapping_start.anchor;
      tag = reader->event.data.mapping_start.tag;
      break;
    default:
      break;
  }
  if (anchor || tag)
    goto decorated;
  return TRUE;

  /* ERRORS */
alias:
  set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_SYNTAX, error,
      "an alias (*); write the value itself");
  return FALSE;
decorated:
  set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_SYNTAX, error,
      anchor ? "an anchor (&); write each value out" : "a tag (!); write the value without it");
  return FALSE;
}

/* The text of the current scalar; owned by the event. NULL if it contains a NUL, as from "\0" in
 * quotes. */
static const gchar *
scalar_text (const Reader *reader)
{
  const gchar *text = (const gchar *) reader->event.data.scalar.value;

  return strlen (text) == reader->event.data.scalar.length && g_utf8_validate (text, -1, NULL)
      ? text
      : NULL;
}

static gboolean
add_item (Reader *reader, Cnn3dConfigWritten *written, GError **error)
{
  const gchar *text = scalar_text (reader);
  yaml_scalar_style_t style = reader->event.data.scalar.style;

  if (!text) {
    set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_VALUE, error,
        "a character NUL in a value");
    return FALSE;
  }
  if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE) {
    set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_VALUE, error,
        "a block value (| or >); write it after its key");
    return FALSE;
  }
  if (written->n_items < G_N_ELEMENTS (written->items)) {
    written->items[written->n_items] = g_strdup (text);
    written->quoted[written->n_items] = style != YAML_PLAIN_SCALAR_STYLE;
  }
  written->n_items++;
  return TRUE;
}

/* Reads the value of a key; the event before it is current. A list's items beyond the second are
 * counted, not kept. */
static gboolean
read_written (Reader *reader, const Cnn3dConfigKey *key, Cnn3dConfigWritten *written,
    yaml_mark_t *mark, GError **error)
{
  gchar *values;

  if (!next (reader, error))
    return FALSE;
  *mark = reader->event.start_mark;
  if (reader->event.type == YAML_SCALAR_EVENT)
    return add_item (reader, written, error);
  if (reader->event.type != YAML_SEQUENCE_START_EVENT || key->setting->kind != CNN3D_SETTING_SIZE)
    goto nested;
  written->list = TRUE;
  for (;;) {
    if (!next (reader, error))
      return FALSE;
    if (reader->event.type == YAML_SEQUENCE_END_EVENT)
      return TRUE;
    if (reader->event.type != YAML_SCALAR_EVENT)
      goto nested;
    if (!add_item (reader, written, error))
      return FALSE;
  }

  /* ERRORS */
nested:
  values = cnn3d_config_key_values (key);
  set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_VALUE, error,
      "%s must be %s, not %s", key->name, values,
      reader->event.type == YAML_SEQUENCE_START_EVENT ? "a list" : "keys of its own");
  g_free (values);
  return FALSE;
}

/* Reads one key of a section, the current event, and its value. */
static gboolean
read_key (Reader *reader, const gchar *section, GError **error)
{
  const yaml_mark_t at = reader->event.start_mark;
  Cnn3dConfigWritten written = {
    0,
  };
  const Cnn3dConfigKey *key;
  const gchar *text;
  gchar *name, *reason = NULL, *value = NULL;
  yaml_mark_t mark;
  gint number;
  gboolean done = FALSE;

  if (reader->event.type != YAML_SCALAR_EVENT || !(text = scalar_text (reader)))
    goto no_name;
  name = g_strconcat (section, ".", text, NULL);
  number = cnn3d_config_find (name);
  if (number < 0)
    reason = cnn3d_config_unknown_key (name);
  g_free (name);
  if (number < 0)
    goto unknown;
  key = &cnn3d_config_keys (NULL)[number];
  if (reader->lines[number])
    goto twice;
  reader->lines[number] = (guint) at.line + 1;

  if (read_written (reader, key, &written, &mark, error)) {
    done = cnn3d_config_value (key, &written, &value, &reason);
    if (!done)
      set_error (reader, &mark, CNN3D_CONFIG_ERROR_VALUE, error, "%s", reason);
    else {
      g_free (reader->config->values[number]);
      reader->config->values[number] = value;
    }
    g_free (reason);
  }
  g_free (written.items[0]);
  g_free (written.items[1]);
  return done;

  /* ERRORS */
no_name:
  set_error (reader, &at, CNN3D_CONFIG_ERROR_SYNTAX, error, "a key's name must be a word");
  return FALSE;
unknown:
  set_error (reader, &at, CNN3D_CONFIG_ERROR_KEY, error, "%s", reason);
  g_free (reason);
  return FALSE;
twice:
  set_error (reader, &at, CNN3D_CONFIG_ERROR_KEY, error,
      "%s appears twice; the first is on line %u", key->name, reader->lines[number]);
  return FALSE;
}

/* Reads one section, whose name is the current event, with its keys. */
static gboolean
read_section (Reader *reader, GError **error)
{
  const yaml_mark_t at = reader->event.start_mark;
  const gchar *text;
  gchar *section, *reason;
  guint line;
  gboolean done = FALSE;

  if (reader->event.type != YAML_SCALAR_EVENT || !(text = scalar_text (reader)))
    goto no_name;
  if (!cnn3d_config_is_section (text))
    goto unknown;
  line = GPOINTER_TO_UINT (g_hash_table_lookup (reader->sections, text));
  if (line > 0)
    goto twice;
  section = g_strdup (text);
  g_hash_table_insert (reader->sections, section, GUINT_TO_POINTER ((guint) at.line + 1));

  if (!next (reader, error))
    return FALSE;
  /* all its keys may be commented out */
  if (reader->event.type == YAML_SCALAR_EVENT && reader->event.data.scalar.length == 0)
    return TRUE;
  if (reader->event.type != YAML_MAPPING_START_EVENT)
    goto no_keys;
  while ((done = next (reader, error)) && reader->event.type != YAML_MAPPING_END_EVENT)
    if (!(done = read_key (reader, section, error)))
      break;
  return done;

  /* ERRORS */
no_name:
  set_error (reader, &at, CNN3D_CONFIG_ERROR_SYNTAX, error, "a section's name must be a word");
  return FALSE;
unknown:
  reason = cnn3d_config_unknown_section (text);
  set_error (reader, &at, CNN3D_CONFIG_ERROR_KEY, error, "%s", reason);
  g_free (reason);
  return FALSE;
twice:
  set_error (reader, &at, CNN3D_CONFIG_ERROR_KEY, error,
      "the section %s appears twice; the first is on line %u", text, line);
  return FALSE;
no_keys:
  set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_VALUE, error,
      "%s is a section: its keys come below it, indented", section);
  return FALSE;
}

static gboolean
read_stream (Reader *reader, GError **error)
{
  if (!next (reader, error) || !next (reader, error)) /* start of the stream and of the document */
    return FALSE;
  if (reader->event.type == YAML_STREAM_END_EVENT)
    return TRUE;
  if (!next (reader, error))
    return FALSE;
  if (reader->event.type == YAML_MAPPING_START_EVENT) {
    for (;;) {
      if (!next (reader, error))
        return FALSE;
      if (reader->event.type == YAML_MAPPING_END_EVENT)
        break;
      if (!read_section (reader, error))
        return FALSE;
    }
  } else if (reader->event.type != YAML_SCALAR_EVENT || reader->event.data.scalar.length > 0)
    goto no_sections;
  if (!next (reader, error) || !next (reader, error)) /* end of the document */
    return FALSE;
  if (reader->event.type != YAML_STREAM_END_EVENT)
    goto second_document;
  return TRUE;

  /* ERRORS */
no_sections:
  set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_SYNTAX, error,
      "settings are sections with keys below them, such as data: and, indented, batch_size: 4");
  return FALSE;
second_document:
  set_error (reader, &reader->event.start_mark, CNN3D_CONFIG_ERROR_SYNTAX, error,
      "a second document; a file has one");
  return FALSE;
}

gboolean
cnn3d_config_load_data (
    Cnn3dConfig *config, const gchar *name, const gchar *data, gsize size, GError **error)
{
  Reader reader = { .config = config, .name = name, .data = size > 0 ? data : "", .size = size };
  const gchar *wrong;
  yaml_mark_t mark;
  guint n_keys;
  gboolean done;

  if (size > MAX_SIZE)
    goto too_large;
  if (size >= 3 && memcmp (data, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
    reader.data += 3;
    reader.size -= 3;
  }
  if (!g_utf8_validate_len (reader.data, reader.size, &wrong))
    goto not_utf8;
  if (!yaml_parser_initialize (&reader.parser))
    goto no_memory;
  yaml_parser_set_encoding (&reader.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string (&reader.parser, (const guchar *) reader.data, reader.size);
  cnn3d_config_keys (&n_keys);
  reader.lines = g_new0 (guint, n_keys);
  reader.sections = g_hash_table_new_full (cnn3d_hash_text, g_str_equal, g_free, NULL);

  done = read_stream (&reader, error);

  g_hash_table_unref (reader.sections);
  g_free (reader.lines);
  yaml_event_delete (&reader.event);
  yaml_parser_delete (&reader.parser);
  return done;

  /* ERRORS */
too_large:
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_READ, "%s: larger than %d bytes", name,
      MAX_SIZE);
  return FALSE;
not_utf8:
  mark = mark_at (&reader, (gsize) (wrong - reader.data));
  if (*wrong)
    set_error (&reader, &mark, CNN3D_CONFIG_ERROR_SYNTAX, error,
        "byte 0x%02x is not UTF-8; save the file as UTF-8", (guint8) *wrong);
  else
    set_error (&reader, &mark, CNN3D_CONFIG_ERROR_SYNTAX, error, "a character NUL");
  return FALSE;
no_memory:
  g_set_error (error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_READ, "%s: out of memory", name);
  return FALSE;
}

gboolean
cnn3d_config_load (Cnn3dConfig *config, const gchar *path, GError **error)
{
  /* one byte more detects a file that is too large, or endless */
  gchar *data = g_malloc (MAX_SIZE + 1);
  FILE *file = g_fopen (path, "rbe");
  gsize size;
  gboolean done;

  if (!file)
    goto unreadable;
  errno = 0;
  size = fread (data, 1, MAX_SIZE + 1, file);
  if (ferror (file))
    goto unreadable;
  fclose (file);
  done = cnn3d_config_load_data (config, path, data, size, error);
  g_free (data);
  return done;

  /* ERRORS */
unreadable:
  g_set_error (
      error, CNN3D_CONFIG_ERROR, CNN3D_CONFIG_ERROR_READ, "%s: %s", path, g_strerror (errno));
  if (file)
    fclose (file);
  g_free (data);
  return FALSE;
}
