/* safetensors-header.c: parses the JSON header of a safetensors file.
 *
 * A scanner for exactly what the header may contain, strict JSON. A general parser recurses as deep
 * as untrusted input nests, accepts duplicate names, and keeps a tree many times the size of the
 * text; this one needs no such limits.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/model/safetensors-private.h"

#include <gio/gio.h>
#include <string.h>

typedef struct {
  const gchar *start, *p, *end;
  GError **error;
} Scan;

G_GNUC_PRINTF (2, 3)
static gboolean
fail (Scan *scan, const gchar *format, ...)
{
  g_autofree gchar *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (scan->error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
      "header, byte %" G_GSIZE_FORMAT ": %s", (gsize) (scan->p - scan->start), message);
  return FALSE;
}

static void
skip_space (Scan *scan)
{
  while (scan->p < scan->end
      && (*scan->p == ' ' || *scan->p == '\n' || *scan->p == '\r' || *scan->p == '\t'))
    scan->p++;
}

/* Takes c if it is next. */
static gboolean
accept (Scan *scan, gchar c)
{
  skip_space (scan);
  if (scan->p == scan->end || *scan->p != c)
    return FALSE;
  scan->p++;
  return TRUE;
}

static gboolean
expect (Scan *scan, gchar c)
{
  return accept (scan, c) || fail (scan, "“%c” expected", c);
}

/* After a member: TRUE for another one. FALSE at the end, or after an error: *ok is FALSE then. */
static gboolean
another (Scan *scan, gchar close, gboolean *ok)
{
  if (accept (scan, ','))
    return TRUE;
  *ok = expect (scan, close);
  return FALSE;
}

static gboolean
scan_hex (Scan *scan, gunichar *value)
{
  *value = 0;
  for (guint i = 0; i < 4; i++) {
    gint digit = scan->p < scan->end ? g_ascii_xdigit_value (*scan->p) : -1;

    if (digit < 0)
      return fail (scan, "four hexadecimal digits expected");
    *value = *value << 4 | digit;
    scan->p++;
  }
  return TRUE;
}

static gboolean
scan_escape (Scan *scan, GString *string)
{
  static const gchar from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const gchar *at;
  gunichar c, low;

  if (scan->p == scan->end)
    return fail (scan, "text without an end");
  if (*scan->p != 'u') {
    at = memchr (from, *scan->p, sizeof (from) - 1);
    if (at == NULL)
      return fail (scan, "unknown escape");
    g_string_append_c (string, to[at - from]);
    scan->p++;
    return TRUE;
  }
  scan->p++;
  if (!scan_hex (scan, &c))
    return FALSE;
  if (c >= 0xd800 && c < 0xdc00 && scan->end - scan->p >= 2 && scan->p[0] == '\\'
      && scan->p[1] == 'u') {
    scan->p += 2;
    if (!scan_hex (scan, &low))
      return FALSE;
    if (low < 0xdc00 || low >= 0xe000)
      return fail (scan, "half a surrogate pair");
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  }
  if (c == 0 || (c >= 0xd800 && c < 0xe000))
    return fail (scan, c == 0 ? "NUL in a text" : "half a surrogate pair");
  g_string_append_unichar (string, c);
  return TRUE;
}

/* A text, owned by the caller, or NULL. */
static gchar *
scan_string (Scan *scan)
{
  GString *string;

  if (!expect (scan, '"'))
    return NULL;
  string = g_string_new (NULL);
  while (scan->p < scan->end && *scan->p != '"') {
    if ((guchar) *scan->p < 0x20) {
      fail (scan, "control character in a text");
      goto failed;
    }
    if (*scan->p == '\\') {
      scan->p++;
      if (!scan_escape (scan, string))
        goto failed;
    } else {
      g_string_append_c (string, *scan->p++);
    }
  }
  if (scan->p == scan->end) {
    fail (scan, "text without an end");
    goto failed;
  }
  scan->p++;
  if (!g_utf8_validate (string->str, string->len, NULL)) {
    fail (scan, "text that is not UTF-8");
    goto failed;
  }
  return g_string_free (string, FALSE);

  /* ERRORS */
failed:
  g_string_free (string, TRUE);
  return NULL;
}

static gboolean
scan_number (Scan *scan, guint64 *value)
{
  const gchar *first;

  skip_space (scan);
  first = scan->p;
  *value = 0;
  for (; scan->p < scan->end && g_ascii_isdigit (*scan->p); scan->p++) {
    guint digit = *scan->p - '0';

    if (*value > (G_MAXUINT64 - digit) / 10)
      return fail (scan, "number too large");
    *value = *value * 10 + digit;
  }
  if (scan->p == first || (*first == '0' && scan->p - first > 1))
    return fail (scan, "whole number expected");
  return TRUE;
}

/* Up to max numbers in brackets. */
static gboolean
scan_numbers (Scan *scan, guint64 *values, guint max, guint *n)
{
  gboolean ok = TRUE;

  *n = 0;
  if (!expect (scan, '['))
    return FALSE;
  if (accept (scan, ']'))
    return TRUE;
  do {
    if (*n == max)
      return fail (scan, "more than %u numbers", max);
    if (!scan_number (scan, &values[(*n)++]))
      return FALSE;
  } while (another (scan, ']', &ok));
  return ok;
}

static gboolean
scan_dtype (Scan *scan, Cnn3dSafetensorDtype *dtype)
{
  g_autofree gchar *name = scan_string (scan), *shown = NULL;

  if (name == NULL)
    return FALSE;
  for (guint i = 0; i <= CNN3D_SAFETENSOR_F8_E5M2; i++)
    if (g_str_equal (name, cnn3d_safetensor_dtype_name (i))) {
      *dtype = i;
      return TRUE;
    }
  shown = safetensors_show (name);
  g_set_error (scan->error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
      "tensors of type “%s” are not supported", shown);
  return FALSE;
}

static gboolean
scan_tensor (Scan *scan, SafetensorsEntry *entry)
{
  static const gchar *const keys[] = { "dtype", "shape", "data_offsets" };
  guint64 offsets[2];
  guint seen = 0, n;
  gboolean ok = TRUE;

  if (!expect (scan, '{'))
    return FALSE;
  if (accept (scan, '}'))
    return fail (scan, "a tensor without dtype, shape or data_offsets");
  do {
    g_autofree gchar *key = scan_string (scan);
    guint i;

    if (key == NULL)
      return FALSE;
    for (i = 0; i < G_N_ELEMENTS (keys) && !g_str_equal (key, keys[i]); i++)
      ;
    if (i == G_N_ELEMENTS (keys) || (seen & 1u << i) != 0) {
      g_autofree gchar *shown = safetensors_show (key);

      return fail (scan,
          i == G_N_ELEMENTS (keys) ? "unknown key “%s” in a tensor" : "key “%s” twice", shown);
    }
    seen |= 1u << i;
    if (!expect (scan, ':'))
      return FALSE;
    switch (i) {
      case 0:
        ok = scan_dtype (scan, &entry->tensor.dtype);
        break;
      case 1:
        ok = scan_numbers (
            scan, entry->tensor.shape, CNN3D_SAFETENSOR_MAX_DIMS, &entry->tensor.n_dims);
        break;
      default:
        ok = scan_numbers (scan, offsets, 2, &n);
        if (ok && n != 2)
          ok = fail (scan, "two data_offsets expected");
    }
  } while (ok && another (scan, '}', &ok));
  if (!ok)
    return FALSE;
  if (seen != 7)
    return fail (scan, "a tensor without dtype, shape or data_offsets");
  if (!safetensors_set_size (&entry->tensor))
    return fail (scan, "a tensor larger than memory can be");
  entry->begin = offsets[0];
  entry->end = offsets[1];
  return TRUE;
}

static gboolean
scan_metadata (Scan *scan, GHashTable *metadata)
{
  gboolean ok = TRUE;

  if (!expect (scan, '{'))
    return FALSE;
  if (accept (scan, '}'))
    return TRUE;
  do {
    g_autofree gchar *key = scan_string (scan), *value = NULL;

    if (key == NULL || !expect (scan, ':') || (value = scan_string (scan)) == NULL)
      return FALSE;
    if (g_hash_table_contains (metadata, key)) {
      g_autofree gchar *shown = safetensors_show (key);

      return fail (scan, "metadata “%s” twice", shown);
    }
    g_hash_table_insert (metadata, g_steal_pointer (&key), g_steal_pointer (&value));
  } while (another (scan, '}', &ok));
  return ok;
}

gboolean
safetensors_parse_header (
    const gchar *text, gsize size, GArray *entries, GHashTable *metadata, GError **error)
{
  Scan scan = { text, text, text + size, error };
  gboolean ok = TRUE, seen_metadata = FALSE;

  if (!expect (&scan, '{'))
    return FALSE;
  if (!accept (&scan, '}')) {
    do {
      g_autofree gchar *name = scan_string (&scan);

      if (name == NULL || !expect (&scan, ':'))
        return FALSE;
      if (g_str_equal (name, SAFETENSORS_METADATA)) {
        if (seen_metadata)
          return fail (&scan, "“" SAFETENSORS_METADATA "” twice");
        seen_metadata = TRUE;
        ok = scan_metadata (&scan, metadata);
      } else {
        SafetensorsEntry entry = { 0 };

        if (entries->len == SAFETENSORS_MAX_TENSORS)
          return fail (&scan, "more than %u tensors", SAFETENSORS_MAX_TENSORS);
        ok = scan_tensor (&scan, &entry);
        if (ok) {
          entry.tensor.name = g_steal_pointer (&name);
          g_array_append_val (entries, entry);
        }
      }
    } while (ok && another (&scan, '}', &ok));
    if (!ok)
      return FALSE;
  }
  skip_space (&scan);
  if (scan.p < scan.end)
    return fail (&scan, "more after the end");
  return TRUE;
}
