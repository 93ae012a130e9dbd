/* escape.c: escapes names from files for display.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/escape.h"

#include <string.h>

#define MOST_SHOWN 80 /* bytes of a text in a message */

gchar *
cnn3d_escape (const gchar *text, gboolean lines)
{
  GString *out = g_string_new (NULL);
  const gchar *p = text;

  while (*p) {
    gunichar c = g_utf8_get_char_validated (p, -1);

    if (c == (gunichar) -1 || c == (gunichar) -2) {
      g_string_append_printf (out, "\\x%02x", (guint8) *p);
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

/* Characters that control the writing direction; line separators other than
 * ; noncharacters. */
static gboolean
is_unseen (gunichar c)
{
  return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e)
      || (c >= 0x2066 && c <= 0x2069) || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

gchar *
cnn3d_escape_shown (const gchar *text)
{
  g_autofree gchar *plain = cnn3d_escape (text, FALSE);
  GString *out = g_string_sized_new (strlen (plain));

  for (const gchar *p = plain; *p; p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);

    if (is_unseen (c))
      g_string_append_printf (out, "\\x%04x", c);
    else
      g_string_append_unichar (out, c);
  }
  return g_string_free (out, FALSE);
}

gint
cnn3d_shown_bytes (const gchar *text, gsize size)
{
  gsize bytes = MIN (size, MOST_SHOWN);

  while (bytes > 0 && bytes < size && (text[bytes] & 0xC0) == 0x80)
    bytes--;
  return (gint) bytes;
}
