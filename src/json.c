/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/json.h"

#include <string.h>

#define DEEPEST 64
#define MOST_MEMBERS 4096 /* of an object */

static void G_GNUC_PRINTF (4, 5)
    set_error (GError **error, const gchar *text, const gchar *at, const gchar *format, ...)
{
  const gchar *line_begins = text;
  guint line = 1;
  va_list args;
  gchar *reason;

  for (const gchar *c = text; c < at; c++) {
    if (*c == '\n') {
      line++;
      line_begins = c + 1;
    }
  }
  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE, "%u:%u: %s", line,
      (guint) (at - line_begins) + 1, reason);
  g_free (reason);
}

static gboolean
check (const gchar *text, gsize length, guint deepest, guint most, GError **error)
{
  guint members[DEEPEST + 1]; /* a level: commas of an object; of an array, MOST_MEMBERS and more */
  guint depth = 0, values = 0;
  gboolean quoted = FALSE;

  for (const gchar *c = text; c < text + length; c++) {
    if (quoted) {
      if (*c == '"')
        quoted = FALSE;
      else if (*c == '\\' && c + 1 < text + length && c[1] != '\n')
        c++;
      continue;
    }
    switch (*c) {
      case '"':
        quoted = TRUE;
        break;
      case '[':
      case '{':
        if (++depth > MIN (deepest, DEEPEST)) {
          set_error (error, text, c, "nested deeper than %u", deepest);
          return FALSE;
        }
        members[depth] = *c == '{' ? 0 : MOST_MEMBERS;
        values++;
        break;
      case ']':
      case '}':
        depth -= depth > 0;
        break;
      case ',':
        values++;
        if (depth > 0 && ++members[depth] == MOST_MEMBERS) {
          set_error (error, text, c, "an object of more than %u members", MOST_MEMBERS);
          return FALSE;
        }
        break;
      case '/':
      case '#':
      case '\'':
        set_error (error, text, c,
            "a '%c' outside of a text; JSON has no comments and no other quotes than \"", *c);
        return FALSE;
    }
    if (values > most) {
      set_error (error, text, c, "more than %u values", most);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
cnn3d_json_load (
    JsonParser *parser, const gchar *text, gsize length, guint deepest, guint most, GError **error)
{
  static const gchar no_file[] = "<data>:";
  GError *reason = NULL;

  if (!check (text, length, deepest, most, error))
    return FALSE;
  if (json_parser_load_from_data (parser, text, (gssize) length, &reason))
    return TRUE;
  if (g_str_has_prefix (reason->message, no_file))
    memmove (reason->message, reason->message + strlen (no_file),
        strlen (reason->message + strlen (no_file)) + 1);
  g_propagate_error (error, reason);
  return FALSE;
}

gchar *
cnn3d_json_string_array (gchar **strings, guint n)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_array (b);
  for (guint i = 0; strings && i < n; i++)
    json_builder_add_string_value (b, strings[i]);
  json_builder_end_array (b);
  root = json_builder_get_root (b);
  return json_to_string (root, FALSE);
}

gchar *
cnn3d_json_float_array (const gfloat *values, guint n)
{
  GString *text = g_string_new ("[");
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];

  for (guint i = 0; i < n; i++)
    g_string_append_printf (
        text, "%s%s", i ? ", " : "", g_ascii_formatd (number, sizeof number, "%.9g", values[i]));
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}
