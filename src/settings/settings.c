/* settings.c: text and range checks of the table's rows.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/settings/settings.h"

#include <string.h>

gboolean
cnn3d_setting_is_of (const Cnn3dSetting *setting, const gchar *element)
{
  const gsize length = strlen (element);

  for (const gchar *at = setting->elements; at; at = strchr (at, ' ')) {
    at += *at == ' ';
    if (strncmp (at, element, length) == 0 && (at[length] == 0 || at[length] == ' '))
      return TRUE;
  }
  return FALSE;
}

const Cnn3dSetting *
cnn3d_setting (const gchar *element, const gchar *name)
{
  guint n;
  const Cnn3dSetting *settings = cnn3d_settings (&n);

  for (guint i = 0; i < n; i++) {
    const Cnn3dSetting *s = &settings[i];

    if (element ? g_strcmp0 (s->name, name) == 0 && cnn3d_setting_is_of (s, element)
                : g_strcmp0 (s->key, name) == 0)
      return s;
  }
  return NULL;
}

gchar *
cnn3d_setting_number (gdouble number)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  number += 0.0; /* turns -0 into 0 */
  g_ascii_formatd (text, sizeof text, "%.15g", number);
  if (g_ascii_strtod (text, NULL) != number)
    g_ascii_formatd (text, sizeof text, "%.17g", number);
  return g_strdup (text);
}

/* For display: 10 digits, with a point in every locale. */
static gchar *
short_number (gdouble number)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup (g_ascii_formatd (text, sizeof text, "%.10g", number));
}

/* "0 to 1024"; a range of whole rates: "0/1 to 1000/1". */
static gchar *
bounds (const Cnn3dSetting *s)
{
  const gchar *end = s->kind == CNN3D_SETTING_RATE ? "/1" : "";
  g_autofree gchar *minimum = short_number (s->minimum), *maximum = short_number (s->maximum);

  return g_strconcat (minimum, end, " to ", s->below ? "below " : "", maximum, end, NULL);
}

static gchar *
refusal (const Cnn3dSetting *s, const gchar *value)
{
  g_autofree gchar *range = bounds (s),
                   *unit = s->unit ? g_strdup_printf (" (%s)", s->unit) : g_strdup ("");

  return g_strdup_printf (
      "%s is %s, but must be from %s%s", s->name ? s->name : s->key, value, range, unit);
}

gchar *
cnn3d_setting_refuse (const Cnn3dSetting *s, gdouble value)
{
  g_autofree gchar *text = NULL;

  /* a value below the maximum must also be below it in single precision, in which it is used */
  if (value >= s->minimum && value <= s->maximum && !(s->below && (gfloat) value >= s->maximum))
    return NULL;
  text = short_number (value);
  return refusal (s, text);
}

gchar *
cnn3d_setting_refuse_rate (const Cnn3dSetting *s, gint n, gint d)
{
  g_autofree gchar *text = NULL;

  if (d > 0 && n >= s->minimum * d && n <= s->maximum * d)
    return NULL;
  text = g_strdup_printf ("%d/%d", n, d);
  return refusal (s, text);
}

static gchar *
names (const Cnn3dChoices *choices)
{
  GString *text = g_string_new (NULL);

  for (const GEnumValue *v = choices->values; v->value_nick; v++)
    g_string_append_printf (text, "%s%s", text->len ? ", " : "", v->value_nick);
  return g_string_free (text, FALSE);
}

gchar *
cnn3d_setting_range (const Cnn3dSetting *s)
{
  switch (s->kind) {
    case CNN3D_SETTING_BOOLEAN:
      return g_strdup ("true or false");
    case CNN3D_SETTING_UINT64:
      return g_strdup ("0 to 2^64 - 1");
    case CNN3D_SETTING_INT:
    case CNN3D_SETTING_UINT:
    case CNN3D_SETTING_NUMBER:
    case CNN3D_SETTING_RATE:
      return bounds (s);
    case CNN3D_SETTING_CHOICE:
      return names (s->choices);
    default:
      return g_strdup ("");
  }
}

gchar *
cnn3d_setting_preset (const Cnn3dSetting *s)
{
  switch (s->kind) {
    case CNN3D_SETTING_BOOLEAN:
      return g_strdup (s->preset ? "true" : "false");
    case CNN3D_SETTING_INT:
    case CNN3D_SETTING_UINT:
    case CNN3D_SETTING_UINT64:
      return g_strdup_printf ("%.0f", s->preset);
    case CNN3D_SETTING_NUMBER:
      return cnn3d_setting_number (s->preset);
    case CNN3D_SETTING_CHOICE:
      return g_strdup (cnn3d_choice_name (s->choices, (gint) s->preset));
    default:
      return g_strdup (s->text);
  }
}

gchar *
cnn3d_setting_blurb (const Cnn3dSetting *s)
{
  g_autofree gchar *range = cnn3d_setting_range (s);
  g_autofree gchar *preset =
      s->kind == CNN3D_SETTING_NUMBER ? short_number (s->preset) : cnn3d_setting_preset (s);
  GString *text = g_string_new (s->about);

  g_string_append (text, " (");
  if (s->unit)
    g_string_append_printf (text, "%s, ", s->unit);
  if (*range)
    g_string_append_printf (text, "%s%s ", range, s->kind == CNN3D_SETTING_CHOICE ? ";" : ",");
  g_string_append_printf (text, "default %s)", preset ? preset : "unset");
  return g_string_free (text, FALSE);
}
