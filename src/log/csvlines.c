/* csvlines.c: metrics.csv.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/log/csvlines.h"

#include <math.h>

static void
append (GString *line, gdouble value)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append (line, g_ascii_formatd (text, sizeof text, "%.9g", value));
  else
    g_string_append (line, isnan (value) ? "nan" : value > 0 ? "inf" : "-inf");
}

void
cnn3d_csv_step (GString *line, const Cnn3dProgress *p, gdouble clips_per_second, guint64 memory)
{
  g_string_printf (line, "%u,%" G_GUINT64_FORMAT ",", p->epoch, p->step);
  append (line, p->lr);
  g_string_append_c (line, ',');
  append (line, p->loss);
  g_string_append_c (line, ',');
  append (line, p->accuracy);
  g_string_append (line, ",,,");
  append (line, p->loss_scale);
  g_string_append_printf (line, ",%" G_GUINT64_FORMAT ",", p->steps_skipped);
  append (line, clips_per_second);
  g_string_append_printf (line, ",%" G_GUINT64_FORMAT "\n", memory);
}

void
cnn3d_csv_validation (GString *line, const Cnn3dPassResult *result)
{
  g_string_printf (line, "%u,%" G_GUINT64_FORMAT ",,,,", result->epoch, result->last.step);
  append (line, result->loss);
  g_string_append_c (line, ',');
  append (line, result->accuracy);
  g_string_append (line, ",,,,\n");
}

gboolean
cnn3d_csv_keep (const gchar *line, gsize size, gpointer data)
{
  const Cnn3dRunMark *m = data;
  g_autofree gchar *text = g_strndup (line, size);
  g_auto (GStrv) cells = g_strsplit (text, ",", -1);
  guint64 step;

  if (g_strv_length (cells) != 11 || !g_ascii_isdigit (*cells[0]))
    return size + 1 == sizeof CNN3D_CSV_HEADER - 1 && g_str_has_prefix (CNN3D_CSV_HEADER, text);
  /* a validation's row has no learning rate */
  if (!*cells[2])
    return g_ascii_strtoull (cells[0], NULL, 10) < m->epoch;
  step = g_ascii_strtoull (cells[1], NULL, 10);
  return step < m->step
      || (step == m->step && g_ascii_strtoull (cells[8], NULL, 10) <= m->steps_skipped);
}
