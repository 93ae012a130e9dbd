/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/table.h"

#include <string.h>

static gboolean
at_line_end (const Cnn3dTable *table)
{
  return table->p == table->end || *table->p == '\n'
      || (*table->p == '\r'
          && (table->reading->lone_cr || table->p + 1 == table->end || table->p[1] == '\n'));
}

static void
over_line_end (Cnn3dTable *table)
{
  if (table->p == table->end)
    return;
  table->p += *table->p == '\r' && table->p + 1 < table->end && table->p[1] == '\n';
  table->p++;
}

static gboolean
read_quoted (Cnn3dTable *table, Cnn3dField *field, GError **error)
{
  GString **text = &table->unquoted[table->n_fields];

  if (!*text)
    *text = g_string_new (NULL);
  g_string_truncate (*text, 0);
  table->p++;
  for (;;) {
    const gchar *quote = memchr (table->p, '"', table->end - table->p);

    if (!quote)
      goto unbalanced;
    g_string_append_len (*text, table->p, quote - table->p);
    table->p = quote + 1;
    if (table->p == table->end || *table->p != '"')
      break;
    g_string_append_c (*text, *table->p++);
  }
  while (table->p < table->end && *table->p == ' ')
    table->p++;
  if (!at_line_end (table) && *table->p != table->delimiter)
    goto after_quote;
  field->text = (*text)->str;
  field->size = (*text)->len;
  return TRUE;

  /* ERRORS */
unbalanced:
  cnn3d_reading_error (table->reading, field->at, error,
      "this quote is never closed; write \"\" for a quote inside of quotes");
  return FALSE;
after_quote:
  cnn3d_reading_error (table->reading, table->p, error,
      "text after a closing quote; write \"\" for a quote inside of quotes");
  return FALSE;
}

gboolean
cnn3d_table_next (Cnn3dTable *table, GError **error)
{
  Cnn3dField *field;

  table->n_fields = 0;
  for (;;) {
    while (table->p < table->end && *table->p == ' ')
      table->p++;
    if (table->p == table->end)
      return TRUE;
    if (cnn3d_table_comment (table->p, table->end)) {
      while (!at_line_end (table))
        table->p++;
    }
    if (!at_line_end (table))
      break;
    over_line_end (table);
  }
  for (;;) {
    if (table->n_fields == CNN3D_MAX_FIELDS)
      goto too_many;
    field = &table->fields[table->n_fields];
    while (table->p < table->end && *table->p == ' ')
      table->p++;
    field->at = table->p;
    if (table->p < table->end && *table->p == '"') {
      if (!read_quoted (table, field, error))
        return FALSE;
    } else {
      const gchar *stop;

      while (!at_line_end (table) && *table->p != table->delimiter)
        table->p++;
      for (stop = table->p; stop > field->at && stop[-1] == ' ';)
        stop--;
      field->text = field->at;
      field->size = stop - field->at;
    }
    table->n_fields++;
    if (at_line_end (table))
      break;
    table->p++;
  }
  over_line_end (table);
  return TRUE;

  /* ERRORS */
too_many:
  cnn3d_reading_error (table->reading, table->p, error, "more than %d columns", CNN3D_MAX_FIELDS);
  return FALSE;
}

/* Whether every comma is between two digits, as in 0,5. */
static gboolean
decimal_commas (const gchar *p, const gchar *end)
{
  for (const gchar *c = p; c < end; c++)
    if (*c == ',' && !(c > p && g_ascii_isdigit (c[-1]) && c + 1 < end && g_ascii_isdigit (c[1])))
      return FALSE;
  return TRUE;
}

gboolean
cnn3d_table_comment (const gchar *p, const gchar *end)
{
  return p < end && *p == '#' && (p + 1 == end || strchr (" \t#!\r\n", p[1]));
}

gchar
cnn3d_table_delimiter (const gchar *text, const gchar *end)
{
  const gchar *p = text, *stop;
  guint commas = 0, semicolons = 0, bars = 0, blanks = 0;
  gboolean quoted = FALSE;

  for (;;) {
    while (p < end && (*p == '\n' || *p == '\r' || *p == ' '))
      p++;
    if (!cnn3d_table_comment (p, end))
      break;
    while (p < end && *p != '\n' && *p != '\r')
      p++;
  }
  for (stop = p; stop < end && *stop != '\n' && *stop != '\r'; stop++) {
    if (*stop == '\t')
      return '\t';
    if (*stop == '"')
      quoted = !quoted;
    if (quoted)
      continue;
    commas += *stop == ',';
    semicolons += *stop == ';';
    bars += *stop == '|';
    blanks += *stop == ' ';
  }
  if (semicolons && (!commas || (semicolons > 1 && decimal_commas (p, stop))))
    return ';';
  if (commas)
    return ',';
  while (stop > p && stop[-1] == ' ') {
    stop--;
    blanks--;
  }
  return bars ? '|' : blanks ? ' ' : ',';
}

void
cnn3d_table_init (Cnn3dTable *table, const Cnn3dReading *reading, const gchar *from)
{
  table->reading = reading;
  table->p = from;
  table->end = reading->end;
  table->delimiter = cnn3d_table_delimiter (from, reading->end);
  table->n_fields = 0;
  memset (table->unquoted, 0, sizeof table->unquoted);
}

void
cnn3d_table_clear (Cnn3dTable *table)
{
  for (guint i = 0; i < CNN3D_MAX_FIELDS; i++)
    if (table->unquoted[i])
      g_string_free (table->unquoted[i], TRUE);
}

const gchar *
cnn3d_table_delimiter_name (const Cnn3dTable *table)
{
  return table->delimiter == '\t' ? "tab"
      : table->delimiter == ';'   ? "semicolon"
      : table->delimiter == '|'   ? "bar"
                                  : "comma";
}

/* Reads the header: at[i] is where names[i] is. */
static gboolean
read_header (Cnn3dTable *table, const gchar *const *names, guint n, guint *at, GError **error)
{
  if (!cnn3d_table_next (table, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    for (at[i] = 0; at[i] < table->n_fields; at[i]++) {
      const Cnn3dField *field = &table->fields[at[i]];

      if (strlen (names[i]) == field->size
          && g_ascii_strncasecmp (names[i], field->text, field->size) == 0)
        break;
    }
    if (at[i] == table->n_fields) {
      cnn3d_reading_error (
          table->reading, table->fields[0].at, error, "the header has no column %s", names[i]);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
cnn3d_table_row (Cnn3dTable *table, guint columns, GError **error)
{
  if (!cnn3d_table_next (table, error) || table->n_fields == 0)
    return FALSE;
  if (table->n_fields == columns)
    return TRUE;
  cnn3d_reading_error (table->reading, table->fields[0].at, error,
      "%u columns, but the header has %u; quote what contains a %s", table->n_fields, columns,
      cnn3d_table_delimiter_name (table));
  return FALSE;
}

gboolean
cnn3d_table_rows (
    Cnn3dReading *reading, const gchar *const *names, guint n, Cnn3dTableAdd add, GError **error)
{
  Cnn3dTable *table = g_new0 (Cnn3dTable, 1);
  g_autofree guint *at = g_new (guint, n);
  GError *reason = NULL;
  guint columns;

  cnn3d_table_init (table, reading, reading->text);
  if (read_header (table, names, n, at, &reason)) {
    columns = table->n_fields;
    while (cnn3d_table_row (table, columns, &reason))
      if (!add (reading, table->fields, at, &reason))
        break;
  }
  cnn3d_table_clear (table);
  g_free (table);
  if (!reason)
    return TRUE;
  g_propagate_error (error, reason);
  return FALSE;
}
