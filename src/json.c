/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/json.h"

#include <string.h>

static gboolean
check (const gchar *text, gsize length, guint deepest, GError **error)
{
  const gchar *line_begins = text;
  guint depth = 0, line = 1;
  gboolean quoted = FALSE;

  for (const gchar *c = text; c < text + length; c++) {
    if (*c == '\n') {
      line++;
      line_begins = c + 1;
    }
    if (quoted) {
      if (*c == '"')
        quoted = FALSE;
      else if (*c == '\\' && c + 1 < text + length && c[1] != '\n')
        c++;
    } else if (*c == '"') {
      quoted = TRUE;
    } else if (*c == '[' || *c == '{') {
      if (++depth > deepest) {
        g_set_error (error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE, "%u:%u: nested deeper than %u", line,
            (guint) (c - line_begins) + 1, deepest);
        return FALSE;
      }
    } else if ((*c == ']' || *c == '}') && depth > 0) {
      depth--;
    } else if (*c == '/' || *c == '#' || *c == '\'') {
      g_set_error (error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE,
          "%u:%u: a '%c' outside of a text; JSON has no comments and no other quotes than \"", line,
          (guint) (c - line_begins) + 1, *c);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
cnn3d_json_load (JsonParser *parser, const gchar *text, gsize length, guint deepest, GError **error)
{
  static const gchar no_file[] = "<data>:";
  GError *reason = NULL;

  if (!check (text, length, deepest, error))
    return FALSE;
  if (json_parser_load_from_data (parser, text, (gssize) length, &reason))
    return TRUE;
  if (g_str_has_prefix (reason->message, no_file))
    memmove (reason->message, reason->message + strlen (no_file), strlen (reason->message + strlen (no_file)) + 1);
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
    g_string_append_printf (text, "%s%s", i ? ", " : "", g_ascii_formatd (number, sizeof number, "%.9g", values[i]));
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}
