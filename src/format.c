/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/format.h"

#include <locale.h>

gchar *
cnn3d_strdup_vprintf (const gchar *format, va_list args)
{
  static gsize made;
  static locale_t plain;
  locale_t before;
  gchar *text;

  if (g_once_init_enter (&made)) {
    plain = newlocale (LC_ALL_MASK, "C", (locale_t) 0);
    g_once_init_leave (&made, 1);
  }
  /* of this thread alone */
  before = plain ? uselocale (plain) : (locale_t) 0;
  text = g_strdup_vprintf (format, args);
  if (before)
    uselocale (before);
  return text;
}

gchar *
cnn3d_strdup_printf (const gchar *format, ...)
{
  gchar *text;
  va_list args;

  va_start (args, format);
  text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  return text;
}

void
cnn3d_string_append_printf (GString *to, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list args;

  va_start (args, format);
  text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  g_string_append (to, text);
}

void
cnn3d_set_error (GError **error, GQuark domain, gint code, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list args;

  va_start (args, format);
  text = cnn3d_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, domain, code, text);
}
