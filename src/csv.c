/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/csv.h"

#include <string.h>

/* What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection) */
#define FORMULAS "=+-@\t\r"

void
cnn3d_csv_quote (GString *to, const gchar *text)
{
  g_string_append_c (to, '"');
  for (; *text; text++) {
    if (*text == '"')
      g_string_append_c (to, '"');
    g_string_append_c (to, *text);
  }
  g_string_append_c (to, '"');
}

static void
append (GString *to, const gchar *guard, const gchar *text)
{
  const gboolean plain =
      text[strcspn (text, "\",\t\r\n")] == '\0' && *text != ' ' && !g_str_has_suffix (text, " ");
  g_autofree gchar *guarded = g_strconcat (guard, text, NULL);

  if (plain)
    g_string_append (to, guarded);
  else
    cnn3d_csv_quote (to, guarded);
}

static gboolean
is_number (const gchar *text)
{
  gchar *end;

  /* strtod() also takes nan, inf and hexadecimal */
  if (text[strspn (text, "0123456789.eE+-")])
    return FALSE;
  g_ascii_strtod (text, &end);
  return end != text && !*end;
}

void
cnn3d_csv_field (GString *to, const gchar *text)
{
  const gchar first = text[strspn (text, "'")];

  append (to, first && strchr (FORMULAS, first) && !is_number (text) ? "'" : "", text);
}

const gchar *
cnn3d_csv_unguarded (const gchar *field, gsize size)
{
  gsize n = 0;

  while (n < size && field[n] == '\'')
    n++;
  return n > 0 && n < size && field[n] && strchr (FORMULAS, field[n]) ? field + 1 : field;
}

void
cnn3d_csv_path (GString *to, const gchar *path)
{
  /* a line that begins with # may be a comment */
  append (to, *path && strchr (FORMULAS "#", *path) ? "./" : "", path);
}
