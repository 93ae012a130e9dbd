/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/jsoncheck.h"

#include <string.h>

static const gchar *
skip_blanks (const gchar *p, const gchar *end)
{
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
    p++;
  return p;
}

/* A text, *p: at its opening quote; then behind its closing one, or where it is wrong. */
static const gchar *
check_string (const gchar **p, const gchar *end)
{
  const gchar *c = *p + 1;

  for (; c < end && *c != '"'; c++) {
    const gchar *escape = c;

    if ((guchar) *c < 0x20) {
      *p = c;
      return "a line end or control character in a text; write it as \\n or \\u";
    }
    if (*c != '\\')
      continue;
    if (++c < end && *c == 'u') {
      *p = escape;
      for (guint i = 1; i <= 4; i++)
        if (c + i >= end || !g_ascii_isxdigit (c[i]))
          return "\\u needs four hexadecimal digits";
      if (memcmp (c + 1, "0000", 4) == 0)
        return "a NUL character in a text";
      c += 4;
    } else if (c < end && !memchr ("\"\\/bfnrt", *c, 8)) {
      *p = escape;
      return "an escape that JSON does not have; a backslash is written \\\\";
    }
  }
  if (c >= end)
    return "a text is never closed";
  *p = c + 1;
  return NULL;
}

static const gchar *
digits (const gchar *c, const gchar *end)
{
  while (c < end && g_ascii_isdigit (*c))
    c++;
  return c;
}

static const gchar *
check_number (const gchar **p, const gchar *end)
{
  const gchar *c = *p + (**p == '-');
  const gchar *after = digits (c, end);
  gboolean ok = after > c && !(*c == '0' && after > c + 1);

  if (ok && after < end && *after == '.') {
    c = after + 1;
    after = digits (c, end);
    ok = after > c;
  }
  if (ok && after < end && (*after == 'e' || *after == 'E')) {
    c = after + 1;
    if (c < end && (*c == '+' || *c == '-'))
      c++;
    after = digits (c, end);
    ok = after > c;
  }
  if (!ok)
    return "not a valid number of JSON";
  *p = after;
  return NULL;
}

static const gchar *
check_scalar (const gchar **p, const gchar *end)
{
  static const gchar *const words[] = { "true", "false", "null" };

  if (**p == '"')
    return check_string (p, end);
  if (**p == '-' || g_ascii_isdigit (**p))
    return check_number (p, end);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    const gsize size = strlen (words[i]);

    if ((gsize) (end - *p) >= size && memcmp (*p, words[i], size) == 0) {
      *p += size;
      return NULL;
    }
  }
  if (**p == '/' || **p == '#' || **p == '\'')
    return "JSON has no comments and no other quotes than \"";
  return "a value is missing here; is the file cut off, or a comma too many?";
}

const gchar *
cnn3d_json_check (const gchar *text, const gchar *end, const gchar **at,
    void (*passed) (gpointer data, const gchar *until), gpointer data)
{
  const gchar *p = text, *reason;
  guint64 objects = 0; /* a bit a level: it is an object */
  guint depth = 0;
  gboolean key = FALSE, closes = FALSE;

  for (;;) {
    p = *at = skip_blanks (p, end);
    if (p == end)
      return "the JSON ends too early; is the file cut off?";
    if (closes && *p == (objects & 1 ? '}' : ']')) {
      /* an empty one */
      p++;
      depth--;
      objects >>= 1;
    } else if (key) {
      if (*p != '"')
        return "the name of a member, in double quotes, is missing here";
      reason = check_string (&p, end);
      if (reason) {
        *at = p;
        return reason;
      }
      p = *at = skip_blanks (p, end);
      if (p == end || *p++ != ':')
        return "a colon is missing here";
      key = closes = FALSE;
      continue;
    } else if (*p == '{' || *p == '[') {
      if (++depth > CNN3D_JSON_DEEPEST)
        return "nested deeper than 32 levels";
      key = *p++ == '{';
      objects = objects << 1 | key;
      closes = TRUE;
      continue;
    } else {
      reason = check_scalar (&p, end);
      if (reason) {
        *at = p;
        return reason;
      }
    }
    /* after a value: the enclosing array or object continues or ends */
    for (;;) {
      p = *at = skip_blanks (p, end);
      if (depth == 0)
        return p == end ? NULL : "text after the end of the JSON";
      if (p == end)
        return "the JSON ends too early; is the file cut off?";
      if (*p == ',')
        break;
      if (*p != (objects & 1 ? '}' : ']'))
        return "a comma or a closing bracket is missing here";
      p++;
      depth--;
      objects >>= 1;
    }
    p++;
    key = objects & 1;
    closes = FALSE;
    if (passed)
      passed (data, p);
  }
}

void
cnn3d_json_place (const gchar *text, const gchar *at, guint *line, guint *column)
{
  const gchar *begin = text;

  *line = 1;
  for (const gchar *c = text; c < at; c++)
    if (*c == '\n') {
      ++*line;
      begin = c + 1;
    }
  *column = (guint) (at - begin) + 1;
}
