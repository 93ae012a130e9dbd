/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/bytes.h"

#include "src/format.h"

gchar *
cnn3d_format_bytes (guint64 bytes)
{
  if (bytes >= 1 << 30)
    return cnn3d_strdup_printf ("%.2f GiB", bytes / (gdouble) (1 << 30));
  return cnn3d_strdup_printf ("%.1f MiB", bytes / (gdouble) (1 << 20));
}

gboolean
cnn3d_parse_bytes (const gchar *text, guint64 *bytes)
{
  static const struct {
    const gchar *name;
    gdouble factor;
  } units[] = {
    { "", 1 },
    { "b", 1 },
    { "k", 1024 },
    { "kib", 1024 },
    { "kb", 1e3 },
    { "m", 1 << 20 },
    { "mib", 1 << 20 },
    { "mb", 1e6 },
    { "g", 1 << 30 },
    { "gib", 1 << 30 },
    { "gb", 1e9 },
    { "t", 0x1p40 },
    { "tib", 0x1p40 },
    { "tb", 1e12 },
  };
  gchar *end;
  gdouble value;

  if (!text || !g_ascii_isdigit (*text))
    return FALSE;
  value = g_ascii_strtod (text, &end);
  if (end != text + strspn (text, "0123456789."))
    return FALSE; /* hexadecimal, or an exponent */
  while (*end == ' ')
    end++;
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (!g_ascii_strcasecmp (end, units[i].name)) {
      value *= units[i].factor;
      if (!(value < 0x1p63))
        return FALSE;
      *bytes = value;
      return TRUE;
    }
  return FALSE;
}
