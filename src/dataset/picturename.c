/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/picturename.h"

#include <string.h>

static const gchar *const endings[] = { "jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "ppm",
  "pgm", "pnm" };

gboolean
cnn3d_picture_name (const gchar *name)
{
  const gchar *dot = strrchr (name, '.');

  for (guint i = 0; dot && i < G_N_ELEMENTS (endings); i++) {
    if (g_ascii_strcasecmp (dot + 1, endings[i]) == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
cnn3d_picture_number (const gchar *name, guint *first, guint *last)
{
  const gchar *p, *end;

  if (!cnn3d_picture_name (name))
    return FALSE;
  for (end = strrchr (name, '.'); end > name && !g_ascii_isdigit (end[-1]); end--)
    ;
  for (p = end; p > name && g_ascii_isdigit (p[-1]); p--)
    ;
  *first = (guint) (p - name);
  *last = (guint) (end - name);
  return p < end;
}
