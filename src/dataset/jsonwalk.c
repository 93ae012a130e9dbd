/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/dataset/jsonwalk.h"

#include <string.h>

/* What is behind a text; p: behind its opening quote. */
static const gchar *
behind_string (const gchar *p)
{
  for (;;) {
    while (*p != '"' && *p != '\\')
      p++;
    if (*p == '"')
      return p + 1;
    p += 2;
  }
}

/* Outside of texts: what opens a text (1), opens a bracket (2), closes one (3). */
static const guint8 marks[256] = { ['"'] = 1, ['{'] = 2, ['['] = 2, ['}'] = 3, [']'] = 3 };

static const gchar *
behind_value (const gchar *p)
{
  guint depth = 0;

  if (*p == '"')
    return behind_string (p + 1);
  if (*p != '{' && *p != '[')
    return p + strcspn (p, ",]} \n\r\t");
  for (;;) {
    guint8 mark;

    while (!(mark = marks[(guint8) *p++]))
      ;
    if (mark == 1)
      p = behind_string (p);
    else if (mark == 2)
      depth++;
    else if (--depth == 0)
      return p;
  }
}

/* Without an end: a document that was checked has a bracket there. */
static const gchar *
to_next (const gchar *p)
{
  while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r' || *p == ',' || *p == ':')
    p++;
  return p;
}

void
cnn3d_json_enter (Cnn3dJsonWalk *walk, const gchar *value)
{
  *walk = (Cnn3dJsonWalk) { .p = value };
  if (*value == '{' || *value == '[') {
    walk->closing = *value == '{' ? '}' : ']';
    walk->p++;
  }
}

gboolean
cnn3d_json_next (Cnn3dJsonWalk *walk)
{
  if (!walk->closing)
    return FALSE;
  walk->p = to_next (walk->value ? behind_value (walk->value) : walk->p);
  walk->value = NULL;
  if (*walk->p == walk->closing) {
    walk->closing = '\0';
    return FALSE;
  }
  if (walk->closing == '}') {
    const gchar *behind = behind_string (walk->p + 1);

    walk->key = walk->p + 1;
    walk->key_size = behind - 1 - walk->key;
    walk->p = to_next (behind);
  }
  walk->value = walk->p;
  return TRUE;
}

static guint
hexadecimal (const gchar *p)
{
  guint n = 0;

  for (guint i = 0; i < 4; i++)
    n = n << 4 | (guint) g_ascii_xdigit_value (p[i]);
  return n;
}

static void
unescape (const gchar *p, const gchar *end, GString *buffer)
{
  static const gchar names[] = "bfnrt", values[] = "\b\f\n\r\t";

  g_string_truncate (buffer, 0);
  while (p < end) {
    const gchar *stop = memchr (p, '\\', end - p), *name;
    guint unit;

    g_string_append_len (buffer, p, (stop ? stop : end) - p);
    if (!stop)
      return;
    p = stop + 2;
    if (stop[1] != 'u') {
      name = strchr (names, stop[1]);
      g_string_append_c (buffer, name ? values[name - names] : stop[1]);
      continue;
    }
    unit = hexadecimal (p);
    p += 4;
    if (unit >= 0xD800 && unit < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u'
        && hexadecimal (p + 2) >= 0xDC00 && hexadecimal (p + 2) < 0xE000) {
      unit = 0x10000 + ((unit - 0xD800) << 10) + (hexadecimal (p + 2) - 0xDC00);
      p += 6;
    }
    /* half a pair is no character */
    g_string_append_unichar (buffer, unit >= 0xD800 && unit < 0xE000 ? 0xFFFD : unit);
  }
}

static const gchar *
text_of (const gchar *text, gsize length, GString *buffer, gsize *size)
{
  if (!memchr (text, '\\', length)) {
    *size = length;
    return text;
  }
  unescape (text, text + length, buffer);
  *size = buffer->len;
  return buffer->str;
}

gboolean
cnn3d_json_is (const Cnn3dJsonWalk *walk, const gchar *name)
{
  return walk->key_size == strlen (name) && memcmp (walk->key, name, walk->key_size) == 0;
}

const gchar *
cnn3d_json_key (const Cnn3dJsonWalk *walk, GString *buffer, gsize *size)
{
  return text_of (walk->key, walk->key_size, buffer, size);
}

const gchar *
cnn3d_json_text (const gchar *value, GString *buffer, gsize *size)
{
  if (*value == '"')
    return text_of (value + 1, behind_string (value + 1) - value - 2, buffer, size);
  value = cnn3d_json_numeral (value, size);
  for (gsize i = 0; value && i < *size; i++)
    if (!g_ascii_isdigit (value[i]) && (i || value[i] != '-'))
      return NULL;
  return value;
}

const gchar *
cnn3d_json_numeral (const gchar *value, gsize *size)
{
  if (*value != '-' && !g_ascii_isdigit (*value))
    return NULL;
  *size = behind_value (value) - value;
  return value;
}

gboolean
cnn3d_json_is_null (const gchar *value)
{
  return *value == 'n';
}
