/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/json.h"

#include <string.h>

#include "src/jsoncheck.h"

#define MOST_MEMBERS 4096 /* of an object */

static void G_GNUC_PRINTF (4, 5)
    set_error (GError **error, const gchar *text, const gchar *at, const gchar *format, ...)
{
  guint line, column;
  va_list args;
  gchar *reason;

  cnn3d_json_place (text, at, &line, &column);
  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (
      error, JSON_PARSER_ERROR, JSON_PARSER_ERROR_PARSE, "%u:%u: %s", line, column, reason);
  g_free (reason);
}

/* The code unit of an escape \uXXXX at c; -1: there is none. */
static gint
escaped_unit (const gchar *c, const gchar *end)
{
  gint unit = 0;

  if (end - c < 6 || c[0] != '\\' || c[1] != 'u')
    return -1;
  for (guint i = 2; i < 6; i++) {
    const gint digit = g_ascii_xdigit_value (c[i]);

    if (digit < 0)
      return -1;
    unit = unit << 4 | digit;
  }
  return unit;
}

/* Whether there is half of a surrogate pair at *c; of a whole pair *c moves to its second half. */
static gboolean
is_half_pair (const gchar **c, const gchar *end)
{
  const gint unit = escaped_unit (*c, end);

  if (unit < 0xD800 || unit >= 0xE000)
    return FALSE;
  if (unit >= 0xDC00 || (escaped_unit (*c + 6, end) & 0xFC00) != 0xDC00)
    return TRUE;
  *c += 6;
  return FALSE;
}

/* Of a text that is JSON. */
static gboolean
check (const gchar *text, gsize length, guint deepest, guint most, GError **error)
{
  guint members[CNN3D_JSON_DEEPEST + 1]; /* a level: commas of an object; of an array, many */
  guint depth = 0, values = 0;
  gboolean quoted = FALSE;
  const gchar *end = text + length;

  for (const gchar *c = text; c < end; c++) {
    if (quoted && is_half_pair (&c, end)) {
      set_error (error, text, c, "half of a surrogate pair in a text");
      return FALSE;
    }
    if (quoted) {
      if (*c == '\\')
        c++;
      else if (*c == '"')
        quoted = FALSE;
      continue;
    }
    switch (*c) {
      case '"':
        quoted = TRUE;
        break;
      case '[':
      case '{':
        if (++depth > deepest) {
          set_error (error, text, c, "nested deeper than %u", deepest);
          return FALSE;
        }
        members[depth] = *c == '{' ? 0 : MOST_MEMBERS;
        values++;
        break;
      case ']':
      case '}':
        depth--;
        break;
      case ',':
        values++;
        if (++members[depth] == MOST_MEMBERS) {
          set_error (error, text, c, "an object of more than %u members", MOST_MEMBERS);
          return FALSE;
        }
        break;
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
  const gchar *at, *wrong;
  GError *reason = NULL;

  wrong = cnn3d_json_check (text, text + length, &at, NULL, NULL);
  if (wrong) {
    set_error (error, text, at, "%s", wrong);
    return FALSE;
  }
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
