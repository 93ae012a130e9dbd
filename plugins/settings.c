/* settings.c: an element's properties, created from the table of settings.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <string.h>

#define FIELD(type, settings, of, i) G_STRUCT_MEMBER (type, settings, (of)->fields[i].offset)

/* Data of an element: a hash table from Cnn3dSetting to the reason why its value was refused.
 * Under the object lock */
static GQuark
refused_quark (void)
{
  return g_quark_from_static_string ("cnn3d-settings-refused");
}

static const Cnn3dSetting *
setting_at (const SettingsOf *of, guint i)
{
  return cnn3d_setting (of->element, of->fields[i].name);
}

static gboolean
is_text (const Cnn3dSetting *s)
{
  return s->kind >= CNN3D_SETTING_TEXT && s->kind <= CNN3D_SETTING_MODEL;
}

/* --- the properties --- */

/* FALSE means that the value is unchanged, and therefore valid for GObject. */
static gboolean
accept_any (GParamSpec *spec, GValue *value)
{
  return FALSE;
}

static void
class_init (gpointer klass, gpointer data)
{
  G_PARAM_SPEC_CLASS (klass)->value_validate = accept_any;
}

/* A subtype of `parent` that accepts values out of range. Both plugins contain this file, but
 * share the type. Class initializers run one at a time, so the first one to request it registers
 * it. */
static GType
range_type (GType parent)
{
  gchar *name = g_strconcat ("Cnn3dRange", g_type_name (parent), NULL);
  GType type = g_type_from_name (name);
  GTypeQuery query;

  if (!type) {
    GTypeInfo info = { .class_init = class_init };

    g_type_query (parent, &query);
    info.class_size = query.class_size;
    info.instance_size = query.instance_size;
    type = g_type_register_static (parent, name, &info, 0);
  }
  g_free (name);

  return type;
}

/* The same for a choice's enum type, which several elements share. */
static GType
choice_type (const Cnn3dChoices *choices)
{
  GType type = g_type_from_name (choices->type_name);

  if (!type) {
    type = g_enum_register_static (choices->type_name, choices->values);
    gst_type_mark_as_plugin_api (type, 0);
  }

  return type;
}

static GParamSpec *
new_spec (const Cnn3dSetting *s, const gchar *blurb, GParamFlags flags)
{
  GstParamSpecFraction *fraction;
  GParamSpecDouble *number;
  GParamSpecUInt *uint;
  GParamSpecInt *integer;

  switch (s->kind) {
    case CNN3D_SETTING_BOOLEAN:
      return g_param_spec_boolean (s->name, s->nick, blurb, s->preset != 0, flags);
    case CNN3D_SETTING_INT:
      integer =
          g_param_spec_internal (range_type (G_TYPE_PARAM_INT), s->name, s->nick, blurb, flags);
      integer->minimum = (gint) s->minimum;
      integer->maximum = (gint) s->maximum;
      integer->default_value = (gint) s->preset;
      return G_PARAM_SPEC (integer);
    case CNN3D_SETTING_UINT:
      uint = g_param_spec_internal (range_type (G_TYPE_PARAM_UINT), s->name, s->nick, blurb, flags);
      uint->minimum = (guint) s->minimum;
      uint->maximum = (guint) s->maximum;
      uint->default_value = (guint) s->preset;
      return G_PARAM_SPEC (uint);
    case CNN3D_SETTING_UINT64:
      return g_param_spec_uint64 (
          s->name, s->nick, blurb, 0, G_MAXUINT64, (guint64) s->preset, flags);
    case CNN3D_SETTING_NUMBER:
      number =
          g_param_spec_internal (range_type (G_TYPE_PARAM_DOUBLE), s->name, s->nick, blurb, flags);
      number->minimum = s->minimum;
      number->maximum = s->maximum;
      number->default_value = s->preset;
      return G_PARAM_SPEC (number);
    case CNN3D_SETTING_CHOICE:
      return g_param_spec_enum (
          s->name, s->nick, blurb, choice_type (s->choices), (gint) s->preset, flags);
    case CNN3D_SETTING_RATE:
      fraction = g_param_spec_internal (
          range_type (GST_TYPE_PARAM_FRACTION), s->name, s->nick, blurb, flags);
      fraction->min_num = (gint) s->minimum;
      fraction->max_num = (gint) s->maximum;
      fraction->def_num = (gint) s->preset;
      fraction->min_den = fraction->max_den = fraction->def_den = 1;
      return G_PARAM_SPEC (fraction);
    default:
      return g_param_spec_string (s->name, s->nick, blurb, s->text, flags);
  }
}

void
settings_install (
    const SettingsOf *of, GObjectClass *object_class, guint first, GParamFlags mutable)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | mutable;
  guint i;

  for (i = 0; i < of->n; i++) {
    const Cnn3dSetting *s = setting_at (of, i);
    gchar *blurb = cnn3d_setting_blurb (s);

    g_object_class_install_property (
        object_class, first + i, new_spec (s, g_intern_string (blurb), flags));
    g_free (blurb);
  }
}

/* --- the struct --- */

void
settings_init (const SettingsOf *of, gpointer settings)
{
  guint i;

  for (i = 0; i < of->n; i++) {
    const Cnn3dSetting *s = setting_at (of, i);

    switch (s->kind) {
      case CNN3D_SETTING_UINT:
        FIELD (guint, settings, of, i) = (guint) s->preset;
        break;
      case CNN3D_SETTING_UINT64:
        FIELD (guint64, settings, of, i) = (guint64) s->preset;
        break;
      case CNN3D_SETTING_NUMBER:
        FIELD (gdouble, settings, of, i) = s->preset;
        break;
      case CNN3D_SETTING_BOOLEAN:
      case CNN3D_SETTING_INT:
      case CNN3D_SETTING_CHOICE:
        FIELD (gint, settings, of, i) = (gint) s->preset;
        break;
      case CNN3D_SETTING_RATE:
        (&FIELD (gint, settings, of, i))[0] = (gint) s->preset;
        (&FIELD (gint, settings, of, i))[1] = 1;
        break;
      default:
        FIELD (gchar *, settings, of, i) = g_strdup (s->text);
        break;
    }
  }
}

void
settings_clear (const SettingsOf *of, gpointer settings)
{
  guint i;

  for (i = 0; i < of->n; i++)
    if (is_text (setting_at (of, i)))
      g_clear_pointer (&FIELD (gchar *, settings, of, i), g_free);
}

void
settings_copy (const SettingsOf *of, gpointer to, gconstpointer from)
{
  guint i;

  for (i = 0; i < of->n; i++) {
    const Cnn3dSetting *s = setting_at (of, i);

    if (is_text (s))
      FIELD (gchar *, to, of, i) = g_strdup (FIELD (gchar *, from, of, i));
    else
      memcpy (&FIELD (guint8, to, of, i), &FIELD (guint8, from, of, i),
          s->kind == CNN3D_SETTING_UINT64 || s->kind == CNN3D_SETTING_NUMBER
                  || s->kind == CNN3D_SETTING_RATE
              ? 8
              : 4);
  }
}

void
settings_put (const SettingsOf *of, gpointer settings, guint i, const GValue *value)
{
  const Cnn3dSetting *s = setting_at (of, i);
  gchar **text;

  switch (s->kind) {
    case CNN3D_SETTING_BOOLEAN:
      FIELD (gboolean, settings, of, i) = g_value_get_boolean (value);
      break;
    case CNN3D_SETTING_INT:
      FIELD (gint, settings, of, i) = g_value_get_int (value);
      break;
    case CNN3D_SETTING_UINT:
      FIELD (guint, settings, of, i) = g_value_get_uint (value);
      break;
    case CNN3D_SETTING_UINT64:
      FIELD (guint64, settings, of, i) = g_value_get_uint64 (value);
      break;
    case CNN3D_SETTING_NUMBER:
      FIELD (gdouble, settings, of, i) = g_value_get_double (value);
      break;
    case CNN3D_SETTING_CHOICE:
      FIELD (gint, settings, of, i) = g_value_get_enum (value);
      break;
    case CNN3D_SETTING_RATE:
      (&FIELD (gint, settings, of, i))[0] = gst_value_get_fraction_numerator (value);
      (&FIELD (gint, settings, of, i))[1] = gst_value_get_fraction_denominator (value);
      break;
    default:
      text = &FIELD (gchar *, settings, of, i);
      g_free (*text);
      *text = g_value_dup_string (value);
      /* a launch line cannot set NULL */
      if (*text && !**text && s->kind != CNN3D_SETTING_TEXT_OR_EMPTY)
        g_clear_pointer (text, g_free);
      break;
  }
}

void
settings_get (const SettingsOf *of, gconstpointer settings, guint i, GValue *value)
{
  switch (setting_at (of, i)->kind) {
    case CNN3D_SETTING_BOOLEAN:
      g_value_set_boolean (value, FIELD (gboolean, settings, of, i));
      break;
    case CNN3D_SETTING_INT:
      g_value_set_int (value, FIELD (gint, settings, of, i));
      break;
    case CNN3D_SETTING_UINT:
      g_value_set_uint (value, FIELD (guint, settings, of, i));
      break;
    case CNN3D_SETTING_UINT64:
      g_value_set_uint64 (value, FIELD (guint64, settings, of, i));
      break;
    case CNN3D_SETTING_NUMBER:
      g_value_set_double (value, FIELD (gdouble, settings, of, i));
      break;
    case CNN3D_SETTING_CHOICE:
      g_value_set_enum (value, FIELD (gint, settings, of, i));
      break;
    case CNN3D_SETTING_RATE:
      gst_value_set_fraction (
          value, (&FIELD (gint, settings, of, i))[0], (&FIELD (gint, settings, of, i))[1]);
      break;
    default:
      g_value_set_string (value, FIELD (gchar *, settings, of, i));
      break;
  }
}

/* --- ranges --- */

/* Why the value is out of range; NULL: it is valid. */
static gchar *
refusal (const Cnn3dSetting *s, const GValue *value)
{
  switch (s->kind) {
    case CNN3D_SETTING_INT:
      return cnn3d_setting_refuse (s, g_value_get_int (value));
    case CNN3D_SETTING_UINT:
      return cnn3d_setting_refuse (s, g_value_get_uint (value));
    case CNN3D_SETTING_NUMBER:
      return cnn3d_setting_refuse (s, g_value_get_double (value));
    case CNN3D_SETTING_RATE:
      return cnn3d_setting_refuse_rate (
          s, gst_value_get_fraction_numerator (value), gst_value_get_fraction_denominator (value));
    default:
      return NULL;
  }
}

gboolean
settings_accept (const SettingsOf *of, GstElement *element, guint i, const GValue *value)
{
  const Cnn3dSetting *s = setting_at (of, i);
  gchar *reason = refusal (s, value);
  const gboolean accepted = reason == NULL;
  GHashTable *refused;

  GST_OBJECT_LOCK (element);
  refused = g_object_get_qdata (G_OBJECT (element), refused_quark ());
  if (accepted) {
    if (refused)
      g_hash_table_remove (refused, s);
  } else if (GST_STATE (element) <= GST_STATE_READY) {
    if (!refused) {
      refused = g_hash_table_new_full (NULL, NULL, NULL, g_free);
      g_object_set_qdata_full (
          G_OBJECT (element), refused_quark (), refused, (GDestroyNotify) g_hash_table_unref);
    }
    g_hash_table_insert (refused, (gpointer) s, g_steal_pointer (&reason));
  }
  GST_OBJECT_UNLOCK (element);

  if (reason)
    GST_ELEMENT_WARNING (element, RESOURCE, SETTINGS, ("%s: it keeps its value.", reason), (NULL));
  g_free (reason);

  return accepted;
}

gboolean
settings_set (
    const SettingsOf *of, GstElement *element, gpointer settings, guint i, const GValue *value)
{
  if (!settings_accept (of, element, i, value))
    return FALSE;
  GST_OBJECT_LOCK (element);
  settings_put (of, settings, i, value);
  GST_OBJECT_UNLOCK (element);

  return TRUE;
}

gboolean
settings_check (GstElement *element)
{
  GHashTable *refused;
  GHashTableIter iter;
  gpointer reason = NULL;

  GST_OBJECT_LOCK (element);
  refused = g_object_get_qdata (G_OBJECT (element), refused_quark ());
  if (refused) {
    g_hash_table_iter_init (&iter, refused);
    if (g_hash_table_iter_next (&iter, NULL, &reason))
      reason = g_strdup (reason);
  }
  GST_OBJECT_UNLOCK (element);
  if (!reason)
    return TRUE;

  /* ERRORS */
  GST_ELEMENT_ERROR (element, RESOURCE, SETTINGS, ("%s.", (gchar *) reason), (NULL));
  g_free (reason);

  return FALSE;
}
