/* jsonlines.c: log.jsonl, one JSON object a line.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/log/jsonlines.h"

#include <math.h>
#include <string.h>

static void
append_string (GString *line, const gchar *value)
{
  g_autofree gchar *valid = g_utf8_make_valid (value, -1);

  g_string_append_c (line, '"');
  for (const guchar *p = (const guchar *) valid; *p; p++) {
    /* 0x80 to 0x9f, encoded in UTF-8 after 0xc2, are control characters too */
    const gboolean late = *p == 0xc2 && p[1] < 0xa0;

    if (*p == '"' || *p == '\\')
      g_string_append_c (line, '\\');
    if (*p < 0x20 || *p == 0x7f || late)
      g_string_append_printf (line, "\\u%04x", late ? *++p : *p);
    else
      g_string_append_c (line, *p);
  }
  g_string_append_c (line, '"');
}

/* Names are ours and need no escaping. */
static void
append_name (GString *line, const gchar *name)
{
  g_string_append (line, ",\"");
  g_string_append (line, name);
  g_string_append (line, "\":");
}

void
cnn3d_json_begin (GString *line, const gchar *event)
{
  const gint64 now = g_get_real_time ();

  g_string_truncate (line, 0);
  g_string_append_printf (line, "{\"event\":\"%s\",\"time\":%" G_GINT64_FORMAT ".%06d", event,
      now / G_USEC_PER_SEC, (gint) (now % G_USEC_PER_SEC));
}

void
cnn3d_json_string (GString *line, const gchar *name, const gchar *value)
{
  append_name (line, name);
  append_string (line, value);
}

static void
append_number (GString *line, gdouble value)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (value)) {
    g_string_append (line, "null");
    return;
  }
  for (guint digits = 6; digits <= 17; digits += digits == 6 ? 9 : 1) {
    const gchar format[] = { '%', '.', '0' + digits / 10, '0' + digits % 10, 'g', '\0' };

    if (g_ascii_strtod (g_ascii_formatd (text, sizeof text, format, value), NULL) == value)
      break;
  }
  g_string_append (line, text);
}

void
cnn3d_json_number (GString *line, const gchar *name, gdouble value)
{
  append_name (line, name);
  append_number (line, value);
}

void
cnn3d_json_numbers (GString *line, const gchar *name, const gdouble *values, gsize n)
{
  append_name (line, name);
  g_string_append_c (line, '[');
  for (gsize i = 0; i < n; i++) {
    if (i)
      g_string_append_c (line, ',');
    append_number (line, values[i]);
  }
  g_string_append_c (line, ']');
}

void
cnn3d_json_integer (GString *line, const gchar *name, guint64 value)
{
  append_name (line, name);
  g_string_append_printf (line, "%" G_GUINT64_FORMAT, value);
}

void
cnn3d_json_boolean (GString *line, const gchar *name, gboolean value)
{
  append_name (line, name);
  g_string_append (line, value ? "true" : "false");
}

void
cnn3d_json_strings (GString *line, const gchar *name, const gchar *const *values)
{
  append_name (line, name);
  g_string_append_c (line, '[');
  for (guint i = 0; values && values[i]; i++) {
    if (i)
      g_string_append_c (line, ',');
    append_string (line, values[i]);
  }
  g_string_append_c (line, ']');
}

void
cnn3d_json_matrix (GString *line, const gchar *name, const guint64 *values, gsize n)
{
  append_name (line, name);
  g_string_append_c (line, '[');
  for (gsize row = 0; row < n; row++) {
    g_string_append (line, row ? ",[" : "[");
    for (gsize k = 0; k < n; k++)
      g_string_append_printf (line, "%s%" G_GUINT64_FORMAT, k ? "," : "", values[row * n + k]);
    g_string_append_c (line, ']');
  }
  g_string_append_c (line, ']');
}

void
cnn3d_json_end (GString *line)
{
  g_string_append (line, "}\n");
}

/* --- reading our own lines --- */

/* A quote within a string is escaped, so a match is a name. */
static gboolean
find_integer (const gchar *line, gsize size, const gchar *name, guint64 *value)
{
  const gchar *at = g_strstr_len (line, size, name);
  const gchar *digits = at ? at + strlen (name) : NULL, *end = line + size;

  if (!digits || digits >= end || !g_ascii_isdigit (*digits))
    return FALSE;
  for (*value = 0; digits < end && g_ascii_isdigit (*digits); digits++)
    *value = *value * 10 + (*digits - '0');
  return TRUE;
}

static gboolean
is_event (const gchar *line, gsize size, const gchar *event)
{
  const gsize length = strlen (event);

  return size > 10 + length && !memcmp (line, "{\"event\":\"", 10)
      && !memcmp (line + 10, event, length) && line[10 + length] == '"';
}

gboolean
cnn3d_json_keep (const gchar *line, gsize size, gpointer data)
{
  Cnn3dJsonFilter *filter = data;
  const Cnn3dRunMark *m = &filter->mark;
  guint64 number, skipped = 0;
  gboolean beyond;

  if (is_event (line, size, "step")) {
    find_integer (line, size, "\"steps-skipped\":", &skipped);
    beyond = !find_integer (line, size, "\"step\":", &number) || number > m->step
        || (number == m->step && skipped > m->steps_skipped);
    if (!beyond && number == m->step && !filter->step)
      filter->step = g_strndup (line, size);
  } else if (is_event (line, size, "epoch")) {
    beyond = !find_integer (line, size, "\"epoch\":", &number) || number > m->epoch
        || (number == m->epoch && m->training);
    if (!beyond)
      filter->epochs = MAX (filter->epochs, number + 1);
  } else if (is_event (line, size, "validation")) {
    beyond = !find_integer (line, size, "\"epoch\":", &number) || number >= m->epoch;
    filter->validated |=
        beyond && find_integer (line, size, "\"step\":", &number) && number == m->step;
  } else if (is_event (line, size, "skipped")) {
    /* the order of batches and the clips skipped between them may vary */
    return find_integer (line, size, "\"clip\":", &number) && number < m->position;
  } else {
    /* these have no position but that in the file; starts of the run and their ends do not happen
     * again */
    return !filter->beyond || is_event (line, size, "run") || is_event (line, size, "error");
  }
  filter->beyond |= beyond;
  return !beyond;
}
