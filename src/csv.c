/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/csv.h"

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
