/* value.c: what is written of a key, checked and brought into one form.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config-private.h"
#include "src/network/network.h"

#include <math.h>
#include <string.h>

#define MAX_TEXT 4096           /* bytes, as the longest path */
#define MAX_SHOWN 48            /* characters of a wrong value that are shown */

gchar *
cnn3d_config_cut (const gchar *text)
{
  if (g_utf8_validate (text, -1, NULL) && g_utf8_strlen (text, -1) > MAX_SHOWN) {
    gchar *start = g_utf8_substring (text, 0, MAX_SHOWN);
    gchar *cut = g_strconcat (start, "...", NULL);

    g_free (start);
    return cut;
  }
  return g_strdup (text);
}

/* A choice is NAME or NAME=MEANING. Whether it is `text`; then, its meaning. */
static gboolean
choice_is (const gchar *choice, const gchar *text, const gchar **meaning)
{
  const gchar *equals = strchr (choice, '=');
  gsize length = equals ? (gsize) (equals - choice) : strlen (choice);

  if (strlen (text) != length || strncmp (choice, text, length) != 0)
    return FALSE;
  *meaning = equals ? equals + 1 : choice;
  return TRUE;
}

static gchar *
find_choice (const gchar *choices, const gchar *text)
{
  gchar **list = g_strsplit (choices, " ", -1), *found = NULL;
  const gchar *meaning;

  for (guint i = 0; list[i] && !found; i++)
    if (choice_is (list[i], text, &meaning))
      found = g_strdup (meaning);
  g_strfreev (list);
  return found;
}

/* Appends A, B, C=... of the choices' names. */
static void
append_choices (GString *text, const gchar *choices)
{
  gchar **list = g_strsplit (choices, " ", -1);

  for (guint i = 0; list[i]; i++)
    g_string_append_printf (text, "%s%.*s", i ? ", " : "", (gint) strcspn (list[i], "="), list[i]);
  g_strfreev (list);
}

gchar *
cnn3d_config_key_values (const Cnn3dConfigKey *key)
{
  GString *text = g_string_new (NULL);

  switch (key->type) {
    case CNN3D_CONFIG_BOOLEAN:
      g_string_append (text, "true or false");
      break;
    case CNN3D_CONFIG_INTEGER:
      g_string_append_printf (text, "a whole number from %.0f to %.0f", key->minimum, key->maximum);
      break;
    case CNN3D_CONFIG_NUMBER:
      g_string_append_printf (text, "a number from %g to %g", key->minimum, key->maximum);
      break;
    case CNN3D_CONFIG_TEXT:
      g_string_append (text, "text");
      break;
    case CNN3D_CONFIG_CHOICE:
      g_string_append (text, "one of ");
      append_choices (text, key->choices);
      break;
    case CNN3D_CONFIG_MODEL:
      append_choices (text, key->choices);
      g_string_append (text, " or a model's own name");
      break;
    case CNN3D_CONFIG_BYTES:
      g_string_append (text, "a number of bytes, or one with KiB, MiB or GiB, such as 8GiB");
      break;
    case CNN3D_CONFIG_SIZE:
      g_string_append_printf (text, "a whole number from %.0f to %.0f, or two, [height, width]", key->minimum,
          key->maximum);
      break;
    case CNN3D_CONFIG_BATCHES:
      g_string_append (text, "a whole number from 1, or 1.0");
      break;
    case CNN3D_CONFIG_RATE:
      g_string_append_printf (text, "from %.0f to %.0f, a whole number or a fraction such as 30000/1001", key->minimum,
          key->maximum);
      break;
  }
  return g_string_free (text, FALSE);
}

static gboolean
is_one_of (const gchar *text, const gchar *const *words)
{
  for (; *words; words++)
    if (strcmp (text, *words) == 0)
      return TRUE;
  return FALSE;
}

/* As YAML 1.1, and so Python's reader of it, takes them */
static const gchar *
boolean_of (const gchar *text)
{
  static const gchar *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL };
  static const gchar *const no[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL };

  return is_one_of (text, yes) ? "true" : is_one_of (text, no) ? "false" : NULL;
}

static gboolean
is_null (const Cnn3dConfigWritten *written)
{
  static const gchar *const null[] = { "~", "null", "Null", "NULL", NULL };

  return !written->list && !written->quoted[0] && is_one_of (written->items[0], null);
}

/* Decimal digits without a leading zero, which means an octal number to some
 * readers of YAML; a sign may come first. */
static gboolean
read_integer (const gchar *text, gint64 *number)
{
  const gchar *p = text + (*text == '-');
  gsize digits = strspn (p, "0123456789");

  if (digits == 0 || digits > 18 || p[digits] != 0 || (*p == '0' && digits > 1))
    return FALSE;
  *number = g_ascii_strtoll (text, NULL, 10);
  return TRUE;
}

/* [-+]digits[.digits][e[-+]digits]: neither hexadecimal nor "inf" */
static gboolean
read_number (const gchar *text, gdouble *number)
{
  gchar *end;

  if (strlen (text) > 64 || strspn (text, "0123456789+-.eE") != strlen (text) || !strpbrk (text, "0123456789"))
    return FALSE;
  *number = g_ascii_strtod (text, &end);
  return *end == 0 && isfinite (*number);
}

/* Text that is read as the same number */
static gchar *
write_number (gdouble number)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  number += 0.0;                /* no minus before 0 */
  g_ascii_formatd (text, sizeof text, "%.15g", number);
  if (g_ascii_strtod (text, NULL) != number)
    g_ascii_formatd (text, sizeof text, "%.17g", number);
  return g_strdup (text);
}

/* Bytes stay as they are written, but for parts of a unit: the element takes
 * whole numbers. */
static gchar *
read_bytes (const gchar *text)
{
  static const gchar *const units[] = { "", "KiB", "MiB", "GiB", NULL };
  gsize length = strspn (text, "0123456789.");
  gchar *number = g_strndup (text, length), *bytes = NULL;
  const gchar *unit = text + length;
  gdouble value;
  gint64 whole;

  unit += strspn (unit, " ");
  for (guint i = 0; units[i]; i++) {
    gdouble factor = (gdouble) (G_GINT64_CONSTANT (1) << (10 * i));

    if (strcmp (unit, units[i]) != 0 || !read_number (number, &value) || !(value * factor <= 1e15))
      continue;
    if (read_integer (number, &whole))
      bytes = g_strconcat (number, units[i], NULL);
    else if (i > 0)
      bytes = g_strdup_printf ("%.0f", floor (value * factor));
  }
  g_free (number);
  return bytes;
}

static gint64
common_divisor (gint64 a, gint64 b)
{
  while (b) {
    const gint64 rest = a % b;

    a = b;
    b = rest;
  }
  return a;
}

static gchar *
read_rate (const Cnn3dConfigKey *key, const gchar *text)
{
  const gchar *slash = strchr (text, '/');
  gchar *first = slash ? g_strndup (text, slash - text) : g_strdup (text);
  gint64 n = 0, d = 1, divisor;
  gboolean ok = read_integer (first, &n) && (!slash || read_integer (slash + 1, &d));

  g_free (first);
  /* GStreamer's fractions are of 32 bits */
  if (!ok || n < 0 || d < 1 || n > G_MAXINT || d > G_MAXINT || n < key->minimum * d || n > key->maximum * d)
    return NULL;
  divisor = common_divisor (n, d);
  return g_strdup_printf ("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, n / divisor, d / divisor);
}

static gboolean
read_pixels (const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written, guint item, gint64 *pixels)
{
  return !written->quoted[item] && read_integer (written->items[item], pixels) &&
      *pixels >= key->minimum && *pixels <= key->maximum;
}

static gchar *
read_size (const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written)
{
  guint last = written->list ? 1 : 0;
  gint64 height, width;

  if (written->n_items != last + 1 || !read_pixels (key, written, 0, &height)
      || !read_pixels (key, written, last, &width))
    return NULL;
  return g_strdup_printf ("%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT, height, width);
}

static gchar *
read_one (const Cnn3dConfigKey *key, const gchar *text, gboolean quoted)
{
  const gboolean may_be_quoted = key->type == CNN3D_CONFIG_TEXT || key->type == CNN3D_CONFIG_CHOICE ||
      key->type == CNN3D_CONFIG_MODEL || key->type == CNN3D_CONFIG_BYTES || key->type == CNN3D_CONFIG_RATE;
  gint64 whole;
  gdouble number;

  if (quoted && !may_be_quoted)
    return NULL;
  switch (key->type) {
    case CNN3D_CONFIG_BOOLEAN:
      return g_strdup (boolean_of (text));
    case CNN3D_CONFIG_INTEGER:
      if (read_integer (text, &whole) && whole >= key->minimum && whole <= key->maximum)
        return g_strdup_printf ("%" G_GINT64_FORMAT, whole);
      return NULL;
    case CNN3D_CONFIG_NUMBER:
      if (read_number (text, &number) && number >= key->minimum && number <= key->maximum)
        return write_number (number);
      return NULL;
    case CNN3D_CONFIG_TEXT:
      return !quoted && boolean_of (text) ? NULL : g_strdup (text);
    case CNN3D_CONFIG_CHOICE:
      return find_choice (key->choices, text);
    case CNN3D_CONFIG_MODEL:
      if (is_one_of (text, cnn3d_network_models ()))
        return g_strdup (text);
      return find_choice (key->choices, text);
    case CNN3D_CONFIG_BYTES:
      return read_bytes (text);
    case CNN3D_CONFIG_BATCHES:
      if (read_integer (text, &whole))
        return whole >= key->minimum && whole <= key->maximum ?
            g_strdup_printf ("%" G_GINT64_FORMAT, whole) : NULL;
      return read_number (text, &number) && number == 1 ? g_strdup ("1.0") : NULL;
    case CNN3D_CONFIG_RATE:
      return read_rate (key, text);
    case CNN3D_CONFIG_SIZE:
      break;
  }
  return NULL;
}

static gchar *
wrong_value (const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written)
{
  gchar *values = cnn3d_config_key_values (key), *cut, *reason;
  gdouble number;

  if (key->type == CNN3D_CONFIG_MODEL) {
    gchar *joined = g_strjoinv (", ", (gchar **) cnn3d_network_models ());
    gchar *named = g_strdup_printf ("%s (%s)", values, joined);

    g_free (joined);
    g_free (values);
    values = named;
  }

  if (written->list)
    reason = g_strdup_printf ("%s must be %s, not %s", key->name, values,
        key->type == CNN3D_CONFIG_SIZE ? "this list" : "a list");
  else if (key->type == CNN3D_CONFIG_BATCHES && !written->quoted[0] && read_number (written->items[0], &number)
      && number > 0 && number < 1)
    reason = g_strdup_printf ("%s cannot be the fraction %s: a launch line says how many, and how many there are is "
        "known only when the data has been read; write the number of batches", key->name, written->items[0]);
  else {
    cut = cnn3d_config_cut (written->items[0]);
    reason = g_strdup_printf ("%s must be %s, not %s'%s'", key->name, values, written->quoted[0] ? "the text " : "",
        cut);
    g_free (cut);
  }
  g_free (values);
  return reason;
}

gboolean
cnn3d_config_value (const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written, gchar **value, gchar **reason)
{
  *value = NULL;
  *reason = NULL;
  if (is_null (written))
    return TRUE;
  if (!written->list && written->items[0][0] == 0) {
    *reason = g_strdup_printf ("%s has no value; write null for what holds without it", key->name);
    return FALSE;
  }
  if (!written->list && strlen (written->items[0]) > MAX_TEXT) {
    *reason = g_strdup_printf ("%s is longer than %d bytes", key->name, MAX_TEXT);
    return FALSE;
  }
  if (key->type == CNN3D_CONFIG_SIZE)
    *value = read_size (key, written);
  else if (!written->list)
    *value = read_one (key, written->items[0], written->quoted[0]);
  if (!*value) {
    *reason = wrong_value (key, written);
    return FALSE;
  }
  if (g_strcmp0 (*value, key->refused) == 0) {
    *reason = g_strdup_printf ("%s cannot be %s: %s", key->name, *value, key->reason);
    g_clear_pointer (value, g_free);
    return FALSE;
  }
  return TRUE;
}
