/* value.c: checks and normalizes a key's value.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/config/config-private.h"
#include "src/network/network.h"

#include <math.h>
#include <string.h>

#define MAX_TEXT 4096 /* bytes, the longest path */
#define MAX_SHOWN 48  /* characters of a wrong value that are shown */

gchar *
cnn3d_config_cut (const gchar *text)
{
  gchar *valid = g_utf8_make_valid (text, -1);

  if (g_utf8_strlen (valid, -1) > MAX_SHOWN) {
    gchar *start = g_utf8_substring (valid, 0, MAX_SHOWN);
    gchar *cut = g_strconcat (start, "...", NULL);

    g_free (start);
    g_free (valid);
    return cut;
  }
  return valid;
}

/* Names that the networks have elsewhere. */
static const struct {
  const gchar *name, *model;
} models[] = {
  { "resnet18", "r3d_18" },
  { "resnet50", "slow_r50" },
};

gchar *
cnn3d_config_key_values (const Cnn3dConfigKey *key)
{
  const Cnn3dSetting *s = key->setting;
  g_autofree gchar *range = cnn3d_setting_range (s);

  switch (s->kind) {
    case CNN3D_SETTING_INT:
    case CNN3D_SETTING_UINT:
      return g_strdup_printf ("a whole number from %.0f to %.0f", s->minimum, s->maximum);
    case CNN3D_SETTING_UINT64:
      return g_strdup_printf ("a whole number from %s", range);
    case CNN3D_SETTING_NUMBER:
      return g_strdup_printf ("a number from %s", range);
    case CNN3D_SETTING_CHOICE:
      return g_strdup_printf ("one of %s", range);
    case CNN3D_SETTING_MODEL:
      return g_strdup_printf ("%s, %s or a model's own name", models[0].name, models[1].name);
    case CNN3D_SETTING_BYTES:
      return g_strdup ("a number of bytes, or one with KiB, MiB or GiB, such as 8GiB");
    case CNN3D_SETTING_SIZE:
      return g_strdup_printf (
          "a whole number from %.0f to %.0f, or two, [height, width]", s->minimum, s->maximum);
    case CNN3D_SETTING_BATCHES:
      return g_strdup ("a whole number from 1, or 1.0");
    case CNN3D_SETTING_RATE:
      return g_strdup_printf ("from %.0f to %.0f, a whole number or a fraction such as 30000/1001",
          s->minimum, s->maximum);
    case CNN3D_SETTING_BOOLEAN:
      return g_steal_pointer (&range);
    default:
      return g_strdup ("text");
  }
}

static gboolean
is_one_of (const gchar *text, const gchar *const *words)
{
  for (; *words; words++)
    if (strcmp (text, *words) == 0)
      return TRUE;
  return FALSE;
}

/* As in YAML 1.1, and so in Python's reader */
static const gchar *
boolean_of (const gchar *text)
{
  static const gchar *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON",
    NULL };
  static const gchar *const no[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off",
    "OFF", NULL };

  return is_one_of (text, yes) ? "true" : is_one_of (text, no) ? "false" : NULL;
}

gboolean
cnn3d_config_is_null (const gchar *text)
{
  static const gchar *const null[] = { "~", "null", "Null", "NULL", NULL };

  return is_one_of (text, null);
}

/* Decimal digits without a leading zero, which some readers of YAML take for octal; a sign may come
 * first. */
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

  if (strlen (text) > 64 || strspn (text, "0123456789+-.eE") != strlen (text)
      || !strpbrk (text, "0123456789"))
    return FALSE;
  *number = g_ascii_strtod (text, &end);
  return *end == 0 && isfinite (*number);
}

/* Keeps bytes as written, except for fractions of a unit: the element requires whole numbers. */
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
read_rate (const Cnn3dSetting *s, const gchar *text)
{
  const gchar *slash = strchr (text, '/');
  gchar *first = slash ? g_strndup (text, slash - text) : g_strdup (text);
  gint64 n = 0, d = 1, divisor;
  gboolean ok = read_integer (first, &n) && (!slash || read_integer (slash + 1, &d));

  g_free (first);
  /* GStreamer's fractions have 32 bits */
  if (!ok || n < 0 || d < 1 || n > G_MAXINT || d > G_MAXINT || n < s->minimum * d
      || n > s->maximum * d)
    return NULL;
  divisor = common_divisor (n, d);
  return g_strdup_printf ("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT, n / divisor, d / divisor);
}

static gboolean
read_pixels (const Cnn3dSetting *s, const Cnn3dConfigWritten *written, guint item, gint64 *pixels)
{
  return !written->quoted[item] && read_integer (written->items[item], pixels)
      && *pixels >= s->minimum && *pixels <= s->maximum;
}

static gchar *
read_size (const Cnn3dSetting *s, const Cnn3dConfigWritten *written)
{
  guint last = written->list ? 1 : 0;
  gint64 height, width;

  if (written->n_items != last + 1 || !read_pixels (s, written, 0, &height)
      || !read_pixels (s, written, last, &width))
    return NULL;
  return g_strdup_printf ("%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT, height, width);
}

/* A number's text if it is in the setting's range. */
static gchar *
read_ranged (const Cnn3dSetting *s, const gchar *text)
{
  g_autofree gchar *wrong = NULL;
  gdouble number;
  guint64 big;
  gint64 whole;

  if (s->kind == CNN3D_SETTING_UINT64)
    return (*text != '0' || !text[1]) && strspn (text, "0123456789") == strlen (text)
            && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &big, NULL)
        ? g_strdup (text)
        : NULL;
  if (s->kind == CNN3D_SETTING_NUMBER ? !read_number (text, &number) : !read_integer (text, &whole))
    return NULL;
  if (s->kind != CNN3D_SETTING_NUMBER)
    number = whole;
  wrong = cnn3d_setting_refuse (s, number);
  return wrong ? NULL : cnn3d_setting_number (number);
}

static gchar *
read_model (const gchar *text)
{
  for (guint i = 0; i < G_N_ELEMENTS (models); i++)
    if (strcmp (text, models[i].name) == 0)
      return g_strdup (models[i].model);
  return is_one_of (text, cnn3d_network_models ()) ? g_strdup (text) : NULL;
}

static gchar *
read_batches (const Cnn3dSetting *s, const gchar *text)
{
  gint64 whole;
  gdouble number;

  if (read_integer (text, &whole))
    return whole >= s->minimum && whole <= s->maximum ? g_strdup_printf ("%" G_GINT64_FORMAT, whole)
                                                      : NULL;
  return read_number (text, &number) && number == 1 ? g_strdup ("1.0") : NULL;
}

static gboolean
may_be_quoted (Cnn3dSettingKind kind)
{
  return (kind >= CNN3D_SETTING_TEXT && kind <= CNN3D_SETTING_CHOICE) || kind == CNN3D_SETTING_RATE;
}

/* Text of an element in clip-bin, whose words blanks would divide, is names and numbers, between
 * which they mean nothing. */
static gchar *
read_text (const Cnn3dSetting *s, const gchar *text)
{
  g_auto (GStrv) parts = NULL;

  if (!cnn3d_setting_is_of (s, "clipkpt"))
    return g_strdup (text);
  parts = g_strsplit (text, " ", -1);
  return g_strjoinv ("", parts);
}

static gchar *
read_one (const Cnn3dSetting *s, const gchar *text, gboolean quoted)
{
  const GEnumValue *choice;

  if (quoted && !may_be_quoted (s->kind))
    return NULL;
  switch (s->kind) {
    case CNN3D_SETTING_BOOLEAN:
      return g_strdup (boolean_of (text));
    case CNN3D_SETTING_INT:
    case CNN3D_SETTING_UINT:
    case CNN3D_SETTING_UINT64:
    case CNN3D_SETTING_NUMBER:
      return read_ranged (s, text);
    case CNN3D_SETTING_TEXT:
    case CNN3D_SETTING_TEXT_OR_EMPTY:
      return !quoted && boolean_of (text) ? NULL : read_text (s, text);
    case CNN3D_SETTING_CHOICE:
      choice = cnn3d_choice (s->choices, text);
      return choice ? g_strdup (cnn3d_choice_name (s->choices, choice->value)) : NULL;
    case CNN3D_SETTING_MODEL:
      return read_model (text);
    case CNN3D_SETTING_BYTES:
      return read_bytes (text);
    case CNN3D_SETTING_BATCHES:
      return read_batches (s, text);
    case CNN3D_SETTING_RATE:
      return read_rate (s, text);
    case CNN3D_SETTING_SIZE:
      break;
  }
  return NULL;
}

static gchar *
wrong_value (const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written)
{
  gchar *values = cnn3d_config_key_values (key), *cut, *reason;
  gdouble number;

  if (key->setting->kind == CNN3D_SETTING_MODEL) {
    gchar *joined = g_strjoinv (", ", (gchar **) cnn3d_network_models ());
    gchar *named = g_strdup_printf ("%s (%s)", values, joined);

    g_free (joined);
    g_free (values);
    values = named;
  }

  if (written->list)
    reason = g_strdup_printf ("%s must be %s, not %s", key->name, values,
        key->setting->kind == CNN3D_SETTING_SIZE ? "this list" : "a list");
  else if (key->setting->kind == CNN3D_SETTING_BATCHES && !written->quoted[0]
      && read_number (written->items[0], &number) && number > 0 && number < 1)
    reason = g_strdup_printf (
        "%s cannot be the fraction %s: a launch line needs a number, and the total is known only "
        "after the data has been read; write the number of batches",
        key->name, written->items[0]);
  else {
    cut = cnn3d_config_cut (written->items[0]);
    reason = g_strdup_printf (
        "%s must be %s, not %s'%s'", key->name, values, written->quoted[0] ? "the text " : "", cut);
    g_free (cut);
  }
  g_free (values);
  return reason;
}

gboolean
cnn3d_config_value (
    const Cnn3dConfigKey *key, const Cnn3dConfigWritten *written, gchar **value, gchar **reason)
{
  *value = NULL;
  *reason = NULL;
  if (!written->list && !written->quoted[0] && cnn3d_config_is_null (written->items[0]))
    return TRUE;
  if (!written->list && written->items[0][0] == 0) {
    *reason = g_strdup_printf ("%s has no value; write null for the default", key->name);
    return FALSE;
  }
  if (!written->list && strlen (written->items[0]) > MAX_TEXT) {
    *reason = g_strdup_printf ("%s is longer than %d bytes", key->name, MAX_TEXT);
    return FALSE;
  }
  if (key->setting->kind == CNN3D_SETTING_SIZE)
    *value = read_size (key->setting, written);
  else if (!written->list)
    *value = read_one (key->setting, written->items[0], written->quoted[0]);
  if (!*value) {
    *reason = wrong_value (key, written);
    return FALSE;
  }
  return TRUE;
}
