/* escape.c: names that come from files, made fit to be shown.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/escape.h"

gchar *
cnn3d_escape (const gchar * text, gboolean lines)
{
  GString *out = g_string_new (NULL);
  const gchar *p = text;

  while (*p) {
    gunichar c = g_utf8_get_char_validated (p, -1);

    if (c == (gunichar) - 1 || c == (gunichar) - 2) {
      g_string_append_printf (out, "\\x%02x", (guint8) * p);
      p++;
      continue;
    }
    if (g_unichar_iscntrl (c) && !(lines && c == '\n'))
      g_string_append_printf (out, "\\x%02x", c);
    else
      g_string_append_unichar (out, c);
    p = g_utf8_next_char (p);
  }

  return g_string_free (out, FALSE);
}
